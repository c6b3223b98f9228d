//! A world in virtual time for packet ladders: stacks, hand-written peers, and a network that loses, doubles and reorders.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod alive;
mod call;
mod carrier;
mod delay;
mod early;
mod expiry;
mod fork;
mod guard;
mod identity;
mod lamp;
mod large;
mod leaving;
mod line;
mod mailbox;
mod names;
mod network;
mod overload;
mod peer;
mod phone;
mod qualify;
mod reason;
mod refer;
mod registrar;
mod reliable;
mod storm;
mod terms;
mod transfer;
mod transport;
mod trunk;
mod undelivered;

use busyhour_model::{LegId, Seed, Time, TrunkId};
use busyhour_sip::{
    Account, Clock, Config, Event, Flow, Limits, Message, Networks, Peer, Request, Response, Stack, Transport,
    TrunkPeer,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

pub const DOMAIN: &str = "pbx.example";
pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn rtp() -> SocketAddr {
    addr("192.0.2.1:20000")
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Per thousand, and milliseconds.
#[derive(Clone, Copy, Default)]
pub struct Weather {
    pub loss: u64,
    pub double: u64,
    pub delay: u64,
    pub jitter: u64,
}

pub struct End {
    pub stack: Stack,
    pub at: SocketAddr,
    pub events: Vec<Event>,
    /// Legs an event has ended, or that we let go: no event may name them again.
    pub over: BTreeSet<LegId>,
    /// Connections the stack asked to close.
    pub closed: usize,
}

pub struct World {
    pub now: Time,
    pub ends: Vec<End>,
    pub weather: Weather,
    pub seed: Seed,
    /// What came to addresses without a stack.
    pub inbox: Vec<(SocketAddr, Message)>,
    /// Every message sent, for assertions.
    pub log: Vec<(Time, Flow, Message)>,
    /// Every ping and pong sent.
    pub kept: Vec<(Flow, Bytes)>,
    /// Sees each message once before it flies; true loses it.
    pub lose: fn(&Message) -> bool,
    flights: BTreeMap<(Time, u64), (Flow, Bytes)>,
    connections: Vec<(SocketAddr, SocketAddr)>,
    serial: u64,
    laws: Laws,
}

/// Who sends, Call-ID, tags.
type DialogKey = (SocketAddr, String, String, String);

/// S14 of the reliability laws: CSeq rises, one final response per transaction.
#[derive(Default)]
struct Laws {
    cseqs: BTreeMap<DialogKey, (u32, BTreeSet<String>)>,
    finals: BTreeMap<(SocketAddr, String, String), Bytes>,
}

pub fn trunk(id: u32, peer: SocketAddr) -> TrunkPeer {
    TrunkPeer {
        sources: vec![format!("{}/32", peer.ip()).parse().unwrap()],
        peers: vec![Peer::new(Transport::Udp, peer)],
        ..TrunkPeer::new(TrunkId(id))
    }
}

pub fn config(at: SocketAddr, trunks: Vec<TrunkPeer>, accounts: &[&str]) -> Config {
    let account = |user: &&str| Account { user: (*user).into(), password: format!("secret-{user}").into() };
    Config {
        domain: DOMAIN.to_owned(),
        user_agent: "busyhour".to_owned(),
        locals: vec![(Transport::Udp, at), (Transport::Tcp, at)],
        networks: Networks::default(),
        trunks,
        accounts: accounts.iter().map(account).collect(),
        aliases: Vec::new(),
        terms: busyhour_sip::Terms::default(),
        secret: busyhour_model::KeySecret::default(),
        limits: Limits { sha256: true, ..Limits::default() },
    }
}

impl World {
    pub fn new(seed: u64) -> World {
        World {
            now: Time::from_secs(1_700_000_000),
            ends: Vec::new(),
            weather: Weather { delay: 10, ..Weather::default() },
            seed: Seed(seed),
            inbox: Vec::new(),
            log: Vec::new(),
            kept: Vec::new(),
            lose: |_| false,
            flights: BTreeMap::new(),
            connections: vec![(addr("0.0.0.0:0"), addr("0.0.0.0:0"))],
            serial: 0,
            laws: Laws::default(),
        }
    }

    /// Two switches that are each other's trunk 1.
    pub fn pair(seed: u64) -> World {
        let (a, b) = (addr("10.0.0.1:5060"), addr("10.0.0.2:5060"));
        let mut world = World::new(seed);
        world.add(a, config(a, vec![trunk(1, b)], &["7001"]), seed * 2 + 1);
        world.add(b, config(b, vec![trunk(1, a)], &["8001"]), seed * 2 + 2);
        world
    }

    pub fn add(&mut self, at: SocketAddr, config: Config, seed: u64) -> usize {
        self.ends.push(End {
            stack: Stack::new(config, seed),
            at,
            events: Vec::new(),
            over: BTreeSet::new(),
            closed: 0,
        });
        self.ends.len() - 1
    }

    pub fn stack(&mut self, end: usize) -> &mut Stack {
        &mut self.ends[end].stack
    }

    /// Asks something of a stack, then drains it.
    pub fn ask<T>(&mut self, end: usize, what: impl FnOnce(&mut Stack, Time) -> T) -> T {
        let answer = what(&mut self.ends[end].stack, self.now);
        self.drain(end);
        answer
    }

    pub fn hang_up(&mut self, end: usize, leg: LegId) {
        self.ends[end].over.insert(leg);
        self.ask(end, |stack, now| stack.hang_up(now, leg)).unwrap();
    }

    pub fn refuse(&mut self, end: usize, leg: LegId, status: u16) {
        self.ends[end].over.insert(leg);
        self.ask(end, |stack, now| stack.refuse(now, leg, status, None)).unwrap();
    }

    /// Takes the events of an end.
    pub fn events(&mut self, end: usize) -> Vec<Event> {
        std::mem::take(&mut self.ends[end].events)
    }

    /// The one event an end has.
    pub fn event(&mut self, end: usize) -> Event {
        let mut events = self.events(end);
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    pub fn incoming(&mut self, end: usize) -> busyhour_sip::Incoming {
        match self.event(end) {
            Event::Incoming(incoming) => *incoming,
            other => panic!("no call came, but {other:?}"),
        }
    }

    /// A datagram from an address without a stack, delivered at once.
    pub fn raw(&mut self, from: SocketAddr, to: usize, text: &str) {
        let flow = Flow { transport: Transport::Udp, local: self.ends[to].at, remote: from, connection: 0 };
        self.ends[to].stack.handle_datagram(self.now, flow, text.as_bytes());
        self.drain(to);
    }

    /// Bytes of a TCP connection from an address without a stack.
    pub fn stream(&mut self, from: SocketAddr, to: usize, connection: u64, bytes: &[u8]) {
        self.over(Transport::Tcp, from, to, connection, bytes);
    }

    /// Bytes of a connection of any kind; the flow they came over.
    pub fn over(&mut self, transport: Transport, from: SocketAddr, to: usize, connection: u64, bytes: &[u8]) -> Flow {
        let flow = Flow { transport, local: self.ends[to].at, remote: from, connection };
        self.ends[to].stack.handle_stream(self.now, flow, bytes);
        self.drain(to);
        flow
    }

    /// The timers that fired at an end, and how often.
    pub fn fired(&self, end: usize) -> Vec<(Clock, u64)> {
        self.ends[end].stack.counters().timers.clone().into_iter().collect()
    }

    /// Takes the responses that came to `at`.
    pub fn responses_to(&mut self, at: SocketAddr) -> Vec<Response> {
        let mut mine = Vec::new();
        self.inbox.retain(|(to, message)| match message {
            Message::Response(response) if *to == at => {
                mine.push(response.clone());
                false
            }
            _ => true,
        });
        mine
    }

    /// Takes the requests that came to `at`.
    pub fn requests_to(&mut self, at: SocketAddr) -> Vec<Request> {
        let mut mine = Vec::new();
        self.inbox.retain(|(to, message)| match message {
            Message::Request(request) if *to == at => {
                mine.push(request.clone());
                false
            }
            _ => true,
        });
        mine
    }

    /// Everything for a hand-written peer that arrives within `span`.
    pub fn inbox(&mut self, span: Duration) -> Vec<Message> {
        self.run(span);
        std::mem::take(&mut self.inbox).into_iter().map(|(_, message)| message).collect()
    }

    /// The statuses that arrive for a hand-written peer within 100 ms.
    pub fn statuses(&mut self) -> Vec<u16> {
        let inbox = self.inbox(millis(100));
        inbox
            .iter()
            .filter_map(|message| if let Message::Response(response) = message { Some(response.status) } else { None })
            .collect()
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let flight = self.flights.keys().next().map(|key| key.0);
            let timer = self.ends.iter().filter_map(|end| end.stack.poll_timeout()).min();
            let Some(next) = flight.into_iter().chain(timer).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if flight == Some(next) {
                let (_, (flow, bytes)) = self.flights.pop_first().unwrap();
                self.deliver(flow, &bytes);
            } else {
                for end in 0..self.ends.len() {
                    if self.ends[end].stack.poll_timeout().is_some_and(|at| at <= self.now) {
                        self.ends[end].stack.handle_timeout(self.now);
                        self.drain(end);
                    }
                }
            }
        }
        self.now = end;
    }

    /// All is over: nothing is left in any stack.
    pub fn assert_quiet(&mut self) {
        self.run(secs(400));
        for end in &self.ends {
            let stack = &end.stack;
            let left = (stack.legs(), stack.dialogs(), stack.transactions(), stack.timers());
            assert_eq!(left, (0, 0, 0, 0), "legs, dialogs, transactions, timers of {}", end.at);
        }
    }

    fn drain(&mut self, end: usize) {
        while let Some(transmit) = self.ends[end].stack.poll_transmit() {
            self.fly(transmit.flow, &transmit.bytes);
        }
        while let Some(event) = self.ends[end].stack.poll_event() {
            self.note(end, event);
        }
        while self.ends[end].stack.poll_close().is_some() {
            self.ends[end].closed += 1;
        }
    }

    fn note(&mut self, end: usize, event: Event) {
        let end = &mut self.ends[end];
        if let Some(leg) = leg_of(&event) {
            assert!(!end.over.contains(&leg), "{leg} is over, but: {event:?}");
            if matches!(event, Event::Cancelled { .. } | Event::Refused { .. } | Event::Ended { .. }) {
                end.over.insert(leg);
            }
        }
        end.events.push(event);
    }

    fn fly(&mut self, flow: Flow, bytes: &Bytes) {
        let Ok(message) = Message::parse(bytes, &Limits::default()) else {
            let keeps = [&b"\r\n"[..], b"\r\n\r\n"].contains(&&bytes[..]);
            assert!(keeps, "a stack wrote what it cannot read");
            self.kept.push((flow, bytes.clone()));
            return;
        };
        self.laws.check(&flow, &message, bytes);
        self.log.push((self.now, flow, message.clone()));
        let lost =
            (self.lose)(&message) || (flow.transport == Transport::Udp && self.seed.below(1000) < self.weather.loss);
        let copies = u64::from(!lost) + u64::from(self.seed.below(1000) < self.weather.double);
        for _ in 0..copies {
            let mut delay = self.weather.delay;
            if flow.transport == Transport::Udp && self.weather.jitter > 0 {
                delay += self.seed.below(self.weather.jitter);
            }
            self.serial += 1;
            self.flights.insert((self.now + millis(delay), self.serial), (flow, bytes.clone()));
        }
    }

    fn deliver(&mut self, flow: Flow, bytes: &Bytes) {
        let target = match flow.transport {
            Transport::Udp => flow.remote,
            _ if flow.connection != 0 => {
                let pair = self.connections.get(flow.connection as usize);
                pair.map_or(flow.remote, |(a, b)| if *a == flow.local { *b } else { *a })
            }
            _ => flow.remote,
        };
        let Some(end) = self.ends.iter().position(|end| end.at == target) else {
            let message = Message::parse(bytes, &Limits::default()).unwrap();
            return self.inbox.push((flow.remote, message));
        };
        if flow.transport == Transport::Udp {
            let arrived = Flow { transport: Transport::Udp, local: flow.remote, remote: flow.local, connection: 0 };
            self.ends[end].stack.handle_datagram(self.now, arrived, bytes);
        } else {
            let pair = (flow.local, target);
            let known = self.connections.iter().position(|known| *known == pair || *known == (pair.1, pair.0));
            let connection = known.unwrap_or_else(|| {
                self.connections.push(pair);
                self.connections.len() - 1
            });
            let arrived =
                Flow { transport: flow.transport, local: target, remote: flow.local, connection: connection as u64 };
            let cut = self.seed.below(bytes.len() as u64 + 1) as usize;
            for part in [&bytes[..cut], &bytes[cut..]] {
                self.ends[end].stack.handle_stream(self.now, arrived, part);
            }
        }
        self.drain(end);
    }
}

impl Laws {
    fn check(&mut self, flow: &Flow, message: &Message, bytes: &Bytes) {
        let headers = message.headers();
        let (number, method) = headers.cseq().unwrap();
        let branch = headers.top_via().unwrap().branch().unwrap_or("").to_owned();
        match message {
            Message::Request(request) => {
                if matches!(request.method.as_str(), "ACK" | "CANCEL") {
                    return;
                }
                let tags = (headers.from_tag().unwrap_or_default(), headers.to_tag().unwrap_or_default());
                let key = (flow.local, headers.call_id().to_owned(), tags.0, tags.1);
                let (last, seen) = self.cseqs.entry(key).or_default();
                if seen.insert(branch) {
                    assert!(number > *last, "CSeq does not rise: {number} {method}");
                    *last = number;
                }
            }
            Message::Response(response)
                if response.status >= 200 && headers.to_tag().is_some_and(|tag| !tag.starts_with('s')) =>
            {
                let key = (flow.local, branch, method.to_string());
                let first = self.finals.entry(key).or_insert_with(|| bytes.clone());
                assert_eq!(first, bytes, "two final responses");
            }
            Message::Response(_) => {}
        }
    }
}

pub fn leg_of(event: &Event) -> Option<LegId> {
    match event {
        Event::Incoming(incoming) => Some(incoming.leg),
        Event::Cancelled { leg }
        | Event::Progress { leg, .. }
        | Event::Answered { leg, .. }
        | Event::Refused { leg, .. }
        | Event::Confirmed { leg, .. }
        | Event::MediaChanged { leg, .. }
        | Event::OfferRefused { leg, .. }
        | Event::Digit { leg, .. }
        | Event::Moved { leg, .. }
        | Event::Referred { leg, .. }
        | Event::ReasonTold { leg, .. }
        | Event::Ended { leg, .. } => Some(*leg),
        Event::TransferAsked { leg, .. } => Some(*leg),
        Event::Registered { .. }
        | Event::Qualified { .. }
        | Event::TrunkState { .. }
        | Event::Banned { .. }
        | Event::Overload { .. } => None,
    }
}

/// A request of a hand-written peer at `from` to `to`.
pub struct Raw<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    pub from: SocketAddr,
    pub branch: &'a str,
    pub call_id: &'a str,
    pub from_line: &'a str,
    pub to_line: &'a str,
    pub cseq: u32,
    pub more: &'a str,
    pub body: &'a str,
}

impl Raw<'_> {
    pub fn text(&self) -> String {
        let Raw { method, uri, from, branch, call_id, from_line, to_line, cseq, more, body } = self;
        let transport = if more.contains("transport=tcp") { "TCP" } else { "UDP" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {from_line}\r\n\
             To: {to_line}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

pub fn request(message: &Message) -> &Request {
    match message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("a {} where a request was awaited", response.status),
    }
}
