//! What must hold for any sequence of messages at a whole SIP stack: a carrier and a phone who know the dialogs they are in and break the
//! rules, a switch that acts in between. Each byte is a choice, so that a fuzzer finds its way by changing bytes.

use busyhour_model::{Direction, LegId, Time, TrunkId};
use busyhour_sip::digest::{self, Challenge};
use busyhour_sip::{
    Account, Config, Event, Flow, HeaderName, Invite, Limits, Message, Networks, Peer, Stack, Target, Transport,
    TrunkPeer,
};
use std::net::SocketAddr;
use std::time::Duration;

/// Choices after which a run ends.
const STEPS_MAX: usize = 400;
/// Messages that are remembered each way.
const KEPT: usize = 24;
/// Timers that may fire until nothing is left: lamps and contacts run out within an hour, refreshes come before.
const TIMERS_MAX: usize = 100_000;
/// Each side's share of [`Limits`].
const LEGS: usize = 8;

const METHODS: &[&str] = &[
    "BYE",
    "ACK",
    "CANCEL",
    "INVITE",
    "UPDATE",
    "PRACK",
    "REFER",
    "INFO",
    "OPTIONS",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "REGISTER",
    "PUBLISH",
    "FOO",
];
const STATUSES: &[u16] = &[
    200, 180, 183, 200, 180, 200, 100, 486, 202, 199, 181, 204, 300, 302, 305, 401, 403, 404, 407, 408, 415, 420, 422,
    423, 481, 487, 488, 491, 494, 500, 503, 504, 580, 600, 603, 699,
];
const PAUSES_MS: &[u64] =
    &[0, 1, 100, 499, 500, 1_000, 4_000, 5_000, 32_000, 45_000, 91_000, 200_000, 900_000, 3_700_000];
const TO_TAGS: &[&str] = &["a", "b", "c", "", "a"];
const DIRECTIONS: &[Direction] = &[Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
/// Header lines a peer may add.
const EXTRAS: &[&str] = &[
    "",
    "Supported: 100rel, timer, replaces\r\n",
    "Require: 100rel\r\nRSeq: 1\r\n",
    "Require: 100rel\r\nRSeq: 2\r\n",
    "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\nMin-SE: 90\r\n",
    "Session-Expires: 90;refresher=uas\r\nRequire: timer\r\n",
    "Session-Expires: 10\r\nSupported: timer\r\n",
    "Min-SE: 3600\r\n",
    "Require: foo\r\n",
    "Record-Route: <sip:198.51.100.9;lr>, <sip:198.51.100.10>\r\n",
    "Route: <sip:192.0.2.1;lr>\r\n",
    "Max-Forwards: 0\r\n",
    "Expires: 1\r\n",
    "Expires: 0\r\n",
    "Retry-After: 3\r\n",
    "RAck: 1 1 INVITE\r\n",
    "RAck: 2 1 INVITE\r\n",
    "Event: dialog\r\nExpires: 60\r\n",
    "Event: message-summary\r\nExpires: 60\r\n",
    "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n",
    "Event: presence\r\nExpires: 0\r\n",
    "Reason: Q.850;cause=17\r\n",
    "Privacy: id\r\nP-Asserted-Identity: <tel:+8613800138000>\r\n",
    "Refer-To: <sip:95118@example.com>\r\n",
    "Contact: <sip:moved@198.51.100.77:5090;transport=tcp>\r\n",
    "Contact: *\r\nExpires: 0\r\n",
    "Contact: <tel:123>\r\n",
    "Content-Encoding: gzip\r\n",
    "Unsupported: timer\r\n",
];
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
/// Type and body of what a peer says.
const BODIES: &[(&str, &str)] = &[
    ("", ""),
    ("application/sdp", OFFER),
    (
        "application/sdp",
        "v=0\r\no=- 1 2 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n",
    ),
    ("application/sdp", "v=0\r\no=- 1 3 IN IP4 198.51.100.7\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 18\r\na=sendonly\r\n"),
    ("application/sdp", "v=0\r\nm=video"),
    ("multipart/mixed;boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"),
    ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
    ("message/sipfrag", "SIP/2.0 200 OK\r\n"),
];

/// The choices that are left.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn byte(&mut self) -> Option<usize> {
        self.0.next().map(|byte| usize::from(*byte))
    }

    /// One of them; the first when nothing is left.
    fn of<T: Copy>(&mut self, table: &[T]) -> T {
        table[self.byte().unwrap_or(0) % table.len()]
    }
}

/// Who speaks with the stack.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Carrier,
    Phone,
}

impl Side {
    fn at(self) -> SocketAddr {
        match self {
            Side::Carrier => ([198, 51, 100, 7], 5060).into(),
            Side::Phone => ([203, 0, 113, 5], 5062).into(),
        }
    }
}

struct Play<'a> {
    stack: Stack,
    now: Time,
    choices: Choices<'a>,
    /// What the stack sent last.
    sent: Vec<(Flow, Message)>,
    /// What it was sent last.
    told: Vec<(Flow, String)>,
    legs: Vec<LegId>,
    serial: u32,
}

/// Plays the choices; then everybody falls silent, our side hangs up, and in the end nothing is left.
pub fn sequence(data: &[u8]) {
    let mut play = Play {
        stack: Stack::new(config(), 1),
        now: Time::from_secs(1_700_000_000),
        choices: Choices(data.iter()),
        sent: Vec::new(),
        told: Vec::new(),
        legs: Vec::new(),
        serial: 0,
    };
    for _ in 0..STEPS_MAX {
        let Some(choice) = play.choices.byte() else { break };
        play.step(choice);
        play.drain();
    }
    play.end();
}

impl Play<'_> {
    fn step(&mut self, choice: usize) {
        match choice % 12 {
            0 => self.arrive(Side::Carrier, "INVITE"),
            1 => self.arrive(Side::Phone, "INVITE"),
            2 => self.arrive(Side::Phone, "REGISTER"),
            3 => {
                let method = self.choices.of(METHODS);
                self.arrive(Side::Carrier, method);
            }
            4 | 5 => self.respond(),
            6 | 7 => self.go_on(),
            8 => self.repeat(),
            9 => self.wait(),
            10 => self.act(),
            _ => self.call(),
        }
    }

    /// A request outside a dialog; with credentials, if the side was challenged.
    fn arrive(&mut self, side: Side, method: &str) {
        self.serial += 1;
        let serial = self.serial;
        let (from, to) = match side {
            Side::Carrier => ("sip:13800138000@198.51.100.7", "sip:95118@example.com"),
            Side::Phone if method == "REGISTER" => ("sip:1001@example.com", "sip:1001@example.com"),
            Side::Phone => ("sip:1001@example.com", "sip:1002@example.com"),
        };
        let uri = if method == "REGISTER" { "sip:example.com" } else { to };
        let mut lines =
            format!("From: <{from}>;tag=f{serial}\r\nTo: <{to}>\r\nCall-ID: c{serial}\r\nCSeq: 1 {method}\r\n");
        if side == Side::Phone {
            lines += &self.credentials(method, uri).unwrap_or_default();
        }
        self.say(side, method, uri, &lines);
    }

    /// The answer to the newest challenge.
    fn credentials(&mut self, method: &str, uri: &str) -> Option<String> {
        let challenge = |(_, message): &(Flow, Message)| {
            let headers = message.headers();
            let www = headers.first(HeaderName::WwwAuthenticate);
            Challenge::parse(www.or(headers.first(HeaderName::ProxyAuthenticate))?).ok()
        };
        let challenge = self.sent.iter().rev().find_map(challenge)?;
        let account = Account { user: "1001".into(), password: "secret".into() };
        let value = digest::respond(&challenge, &account, method, uri, "c", self.serial);
        Some(format!("{}: {value}\r\n", if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" }))
    }

    /// A response to one of the requests the stack sent, from one of several branches.
    fn respond(&mut self) {
        let back = self.choices.byte().unwrap_or(0);
        let requests = self.sent.iter().rev().filter(|(_, message)| matches!(message, Message::Request(_)));
        let all: Vec<_> = requests.collect();
        let Some((flow, Message::Request(request))) = all.get(back % all.len().max(1)) else { return };
        let (flow, mut response) = (*flow, request.reply(self.choices.of(STATUSES)));
        let tag = self.choices.of(TO_TAGS);
        if response.headers.to_tag().is_none() && !tag.is_empty() {
            response.set_to_tag(tag);
        }
        let text = String::from_utf8_lossy(&response.to_bytes()).into_owned();
        let head = text.split("Content-Length").next().unwrap_or_default().trim_end().to_owned();
        let contact = format!("Contact: <sip:peer@{}>", flow.remote);
        let tail = self.tail();
        self.deliver(flow, format!("{head}\r\n{contact}\r\n{tail}"));
    }

    /// A request inside a dialog, or for what may be one: taken from a message the stack sent.
    fn go_on(&mut self) {
        let back = self.choices.byte().unwrap_or(0);
        if self.sent.is_empty() {
            return;
        }
        let (flow, message) = self.sent[self.sent.len() - 1 - back % self.sent.len()].clone();
        let side = if flow.remote == Side::Phone.at() { Side::Phone } else { Side::Carrier };
        let method = self.choices.of(METHODS);
        let headers = message.headers();
        let text = |name| headers.text(name).unwrap_or_default().to_owned();
        // What came as a response was asked by the peer: it is From there too.
        let (from, to) = match message {
            Message::Request(_) => (text(HeaderName::To), text(HeaderName::From)),
            Message::Response(_) => (text(HeaderName::From), text(HeaderName::To)),
        };
        let number = headers.cseq().map_or(1, |(number, _)| number);
        let steps = if matches!(method, "ACK" | "CANCEL") { &[0, 0, 0, 1][..] } else { &[1, 2, 3, 0, -1, 1_000_000] };
        let number = number.wrapping_add_signed(self.choices.of(steps)) & 0x7fff_ffff;
        let call_id = text(HeaderName::CallId);
        let lines = format!("From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n");
        let lines = lines + &self.replaces(method);
        self.say(side, method, "sip:192.0.2.1", &lines);
    }

    /// A transfer to another dialog of the stack, for those who ask for one.
    fn replaces(&mut self, method: &str) -> String {
        if method != "REFER" {
            return String::new();
        }
        let back = self.choices.byte().unwrap_or(0);
        let other = &self.sent[back % self.sent.len()].1;
        let tag = |tag: Option<String>| tag.unwrap_or_default();
        let (call_id, to) = (other.headers().call_id().to_owned(), tag(other.headers().to_tag()));
        let from = tag(other.headers().from_tag());
        match back % 3 {
            0 => "Refer-To: <sip:1002@example.com>\r\n".to_owned(),
            1 => format!("Refer-To: <sip:1002@example.com?Replaces={call_id}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}>\r\n"),
            _ => format!("Refer-To: <sip:1002@example.com?Replaces={call_id}%3Bto-tag%3D{from}%3Bfrom-tag%3D{to}>\r\n"),
        }
    }

    /// Further headers and a body; mostly what a well-behaved peer says.
    fn tail(&mut self) -> String {
        if self.choices.byte().unwrap_or(0) < 150 {
            return format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}", OFFER.len());
        }
        let (extra, more) =
            (self.choices.of(EXTRAS), self.choices.of(&["", "", "", "Supported: 100rel\r\n", "X: y\r\n"]));
        let (kind, body) = self.choices.of(BODIES);
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        format!("{extra}{more}{kind}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    fn say(&mut self, side: Side, method: &str, uri: &str, lines: &str) {
        self.serial += 1;
        let (at, serial) = (side.at(), self.serial);
        // A CANCEL and an ACK to a refusal have the branch of their INVITE; so sometimes has a merged request.
        let branch = match self.choices.byte().unwrap_or(0) {
            0..200 if !matches!(method, "CANCEL" | "ACK") => serial,
            back => serial.saturating_sub(1 + back as u32 % 8),
        };
        let contact = if lines.contains("Contact:") { String::new() } else { format!("Contact: <sip:peer@{at}>\r\n") };
        let tail = self.tail();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n{lines}{contact}{tail}"
        );
        let flow = Flow { transport: Transport::Udp, local: ([192, 0, 2, 1], 5060).into(), remote: at, connection: 0 };
        self.deliver(flow, text);
    }

    fn deliver(&mut self, flow: Flow, text: String) {
        self.stack.handle_datagram(self.now, flow, text.as_bytes());
        self.told.push((flow, text));
        keep(&mut self.told);
    }

    fn repeat(&mut self) {
        let back = self.choices.byte().unwrap_or(0);
        if let Some((flow, text)) = self.told.iter().rev().nth(back % self.told.len().max(1)) {
            self.stack.handle_datagram(self.now, *flow, text.as_bytes());
        }
    }

    fn wait(&mut self) {
        self.now += Duration::from_millis(self.choices.of(PAUSES_MS));
        for _ in 0..TIMERS_MAX {
            if self.stack.poll_timeout().is_none_or(|next| next > self.now) {
                break;
            }
            self.stack.handle_timeout(self.now);
            self.drain();
        }
    }

    /// What a switch does with one of its legs.
    fn act(&mut self) {
        let (now, back) = (self.now, self.choices.byte().unwrap_or(0));
        let Some(leg) = self.legs.get(back % self.legs.len().max(1)).copied() else { return };
        let over = match self.choices.byte().unwrap_or(0) % 10 {
            0 => self.stack.hang_up(now, leg).is_ok(),
            1 => self.stack.refuse(now, leg, self.choices.of(&[486, 503, 404, 480]), None).is_ok(),
            choice => {
                self.change(leg, choice);
                false
            }
        };
        if over {
            self.legs.retain(|known| *known != leg);
        }
    }

    /// What leaves the leg alive; that the stack refuses it at the wrong time is no fault.
    fn change(&mut self, leg: LegId, choice: usize) {
        let (now, stack, local) = (self.now, &mut self.stack, ([192, 0, 2, 1], 20_000).into());
        match choice {
            2 => drop(stack.ring(now, leg, None)),
            3 => drop(stack.ring(now, leg, Some(local))),
            4 | 5 => drop(stack.answer(now, leg, local)),
            6 => drop(stack.reinvite(now, leg, self.choices.of(DIRECTIONS))),
            7 => drop(stack.refer(now, leg, "02195118")),
            8 => stack.tell_transfer(now, leg, self.choices.of(STATUSES)),
            _ => self.sent.last().iter().for_each(|(flow, _)| stack.handle_unreachable(now, *flow)),
        }
    }

    /// A call of ours, to the trunk or to the phone.
    fn call(&mut self) {
        let number = || "13900139000".to_owned();
        let target = match self.choices.byte().unwrap_or(0) % 2 {
            0 => Target::Trunk { trunk: TrunkId(1), number: number() },
            _ => Target::Account("1001".into()),
        };
        let invite = Invite::new(target, number(), ([192, 0, 2, 1], 20_002).into());
        self.legs.extend(self.stack.invite(self.now, invite).ok());
    }

    /// Takes what the stack says; it must be SIP, and of legs that live.
    fn drain(&mut self) {
        while let Some(transmit) = self.stack.poll_transmit() {
            let message = Message::parse(&transmit.bytes, &Limits::default()).expect("a stack reads what it writes");
            self.sent.push((transmit.flow, message));
            keep(&mut self.sent);
        }
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::Incoming(incoming) => self.legs.push(incoming.leg),
                Event::Cancelled { leg }
                | Event::Refused { leg, .. }
                | Event::Ended { leg, .. }
                | Event::Moved { leg, .. } => {
                    let known = self.legs.len();
                    self.legs.retain(|known| *known != leg);
                    assert_eq!(known, self.legs.len() + 1, "a leg ends once");
                }
                _ => {}
            }
        }
        while self.stack.poll_close().is_some() {}
        self.stack.check_lamps();
        assert!(self.stack.legs() <= LEGS + self.legs.len(), "legs nobody was told of");
    }

    fn end(&mut self) {
        for leg in std::mem::take(&mut self.legs) {
            let (now, stack) = (self.now, &mut self.stack);
            let _ = stack.hang_up(now, leg).or_else(|_| stack.refuse(now, leg, 480, None));
        }
        self.drain();
        for _ in 0..TIMERS_MAX {
            let Some(next) = self.stack.poll_timeout() else { break };
            self.now = self.now.max(next);
            self.stack.handle_timeout(self.now);
            self.drain();
        }
        let stack = &self.stack;
        let left = (stack.legs(), stack.dialogs(), stack.transactions(), stack.timers());
        assert_eq!(left, (0, 0, 0, 0), "legs, dialogs, transactions, timers");
    }
}

fn keep<T>(list: &mut Vec<T>) {
    if list.len() > KEPT {
        list.remove(0);
    }
}

fn config() -> Config {
    let trunk = TrunkPeer {
        sources: vec!["198.51.100.0/24".parse().expect("a network")],
        peers: vec![Peer::new(Transport::Udp, Side::Carrier.at())],
        credentials: Some(Account { user: "95118".into(), password: "secret".into() }),
        ..TrunkPeer::new(TrunkId(1))
    };
    let account = |user: &str| Account { user: user.into(), password: "secret".into() };
    Config {
        domain: "example.com".into(),
        user_agent: "fuzz".into(),
        locals: vec![(Transport::Udp, ([192, 0, 2, 1], 5060).into())],
        networks: Networks::default(),
        trunks: vec![trunk],
        accounts: vec![account("1001"), account("1002")],
        aliases: vec![("service".into(), "1001".into())],
        terms: busyhour_sip::Terms::default(),
        secret: busyhour_model::KeySecret::default(),
        limits: Limits { legs: LEGS, transactions: 64, ..Limits::default() },
    }
}
