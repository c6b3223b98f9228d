//! A switch between hand-written carriers, in virtual time. Carrier `n` is `10.9.n.1`.

use busyhour_ivr::{Dialplan, Names};
use busyhour_media as media;
use busyhour_model::{StreamStats, Time, What};
use busyhour_sip::{Flow, HeaderName, Message, Request, Response};
use busyhour_switch::{
    Entry, Limits, NumberRoute, Peer, RecordingSetup, Setup, StarCodes, Switch, Transport, TrunkSetup, VoicemailSetup,
};
use std::net::SocketAddr;
use std::time::Duration;

/// Plays for ever.
pub const MUSIC: &str = "name = \"music\"\nstart = \"hear\"\n[node.hear]\nplay = [\"ivr/welcome\"]\nthen = \"end\"\n[node.end]\nhangup = 480\n";

/// Dials what this says; the caller is refused by 486, 480 or 404 as it was busy, unanswered or failed.
pub fn dialling(to: &str) -> String {
    format!(
        "name = \"dialling\"\nstart = \"dial\"\n[node.dial]\ndial = {to}\nno_answer = \"late\"\nbusy = \"busy\"\nfailed = \"away\"\n\
         hung_up = \"late\"\n[node.busy]\nhangup = 486\n[node.late]\nhangup = 480\n[node.away]\nhangup = 404\n"
    )
}

pub struct Exchange {
    pub switch: Switch,
    pub now: Time,
    pub facts: Vec<What>,
    /// What the media plane was told.
    pub media: Vec<media::Command>,
    /// What was sent and not looked at yet.
    sent: Vec<(SocketAddr, Message)>,
    calls: u32,
    /// Payload types that the carriers offer and answer with.
    pub formats: &'static str,
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn carrier(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 9, n, 1], 5060))
}

pub fn trunk(n: u8) -> TrunkSetup {
    TrunkSetup {
        sources: vec![format!("10.9.{n}.0/24").parse().unwrap()],
        peers: vec![Peer::new(Transport::Udp, carrier(n))],
        ..TrunkSetup::new(format!("t{n}").into())
    }
}

pub fn setup(trunks: Vec<TrunkSetup>, plan: &str) -> Setup {
    let names = Names { trunks: trunks.iter().map(|trunk| trunk.name.clone()).collect(), ..Names::default() };
    let plan = Dialplan::parse("plan.toml", plan, &names).unwrap().plan;
    Setup {
        domain: "hotline.example".into(),
        locals: vec![(Transport::Udp, "10.0.0.1:5060".parse().unwrap())],
        networks: busyhour_sip::Networks::default(),
        media_address: "10.0.0.1".parse().unwrap(),
        media_other: None,
        media_ports: (20_000, 21_000),
        trunks,
        groups: Vec::new(),
        numbers: vec![NumberRoute { number: "*".into(), trunk: None, dialplan: "plan".into(), calls_max: None }],
        dialplans: vec![("plan".into(), plan)],
        schedules: Vec::new(),
        tiers: Vec::new(),
        queues: Vec::new(),
        agents: Vec::new(),
        phones: Vec::new(),
        codes: StarCodes::default(),
        voicemail: VoicemailSetup::default(),
        recording: RecordingSetup::default(),
        ring_timeout: secs(15),
        silence_timeout: Duration::ZERO,
        agent_silence_timeout: Duration::ZERO,
        call_max: secs(600),
        calls_max: 100,
        outside_limits: Vec::new(),
        terms: busyhour_sip::Terms::default(),
        secret: busyhour_model::KeySecret::default(),
        limits: Limits::default(),
    }
}

impl Exchange {
    pub fn new(setup: Setup) -> Exchange {
        let now = Time::from_secs(1_790_000_000);
        let mut exchange = Exchange {
            switch: Switch::new(now, setup, 1),
            now,
            facts: Vec::new(),
            media: Vec::new(),
            sent: Vec::new(),
            calls: 0,
            formats: "8",
        };
        exchange.drain();
        exchange
    }

    /// Everything the switch says after an input; media closes at once.
    pub fn drain(&mut self) {
        loop {
            while let Some(transmit) = self.switch.poll_transmit() {
                let message = Message::parse(&transmit.bytes, &Limits::default()).unwrap();
                self.sent.push((transmit.flow.remote, message));
            }
            while let Some(entry) = self.switch.poll_entry() {
                if let Entry::Fact(fact) = entry {
                    self.facts.push(fact.what);
                }
            }
            self.switch.check();
            let Some(command) = self.switch.poll_media() else { break };
            self.media.push(command.clone());
            if let media::Command::Close { leg } = command {
                self.switch.handle_media(self.now, media::Event::Closed { leg, stats: StreamStats::default() });
            }
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.switch.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.switch.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Bytes come from there.
    pub fn receive(&mut self, n: u8, bytes: &[u8]) {
        let local = "10.0.0.1:5060".parse().unwrap();
        let flow = Flow { transport: Transport::Udp, local, remote: carrier(n), connection: 0 };
        self.switch.handle_datagram(self.now, flow, bytes);
        self.drain();
    }

    /// A call from carrier `n`; what comes of it at once.
    pub fn call(&mut self, n: u8, from: &str, to: &str, more: &str) -> Option<Response> {
        self.call_sent_on(n, from, to, more, 70)
    }

    /// The same, which may still be sent on so often.
    pub fn call_sent_on(&mut self, n: u8, from: &str, to: &str, more: &str, hops: u8) -> Option<Response> {
        self.calls += 1;
        let (id, sdp) = (self.calls, sdp(n, self.formats));
        let message = format!(
            "INVITE sip:{to}@hotline.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.{n}.1:5060;branch=z9hG4bK{id}\r\n\
             From: <sip:{from}@10.9.{n}.1>;tag={id}\r\nTo: <sip:{to}@hotline.example>\r\nCall-ID: call-{id}\r\n\
             CSeq: 1 INVITE\r\nMax-Forwards: {hops}\r\nContact: <sip:c{id}@10.9.{n}.1:5060>\r\n{more}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        self.receive(n, message.as_bytes());
        self.response(&format!("call-{id}"))
    }

    /// The last response to a call, by its Call-ID; 100 does not count.
    pub fn response(&mut self, call_id: &str) -> Option<Response> {
        let mut last = None;
        self.sent.retain(|(_, message)| match message {
            Message::Response(response) if response.headers.call_id() == call_id => {
                last = Some(response.clone()).filter(|r| r.status > 100).or(last.take());
                false
            }
            _ => true,
        });
        last
    }

    /// The first request of this method to carrier `n` that nobody took yet.
    pub fn request(&mut self, n: u8, method: &str) -> Option<Request> {
        let wanted = |(to, message): &(SocketAddr, Message)| match message {
            Message::Request(request) => *to == carrier(n) && request.method.as_str() == method,
            Message::Response(_) => false,
        };
        let at = self.sent.iter().position(wanted)?;
        match self.sent.remove(at).1 {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        }
    }

    /// Carrier `n` answers a request of ours.
    pub fn answer(&mut self, n: u8, request: &Request, status: u16, more: &[(HeaderName, &str)]) {
        let mut response = request.reply(status);
        response.set_to_tag("far");
        more.iter().for_each(|(name, value)| response.headers.push(*name, value));
        if status == 200 && request.method.as_str() == "INVITE" {
            response.headers.push(HeaderName::Contact, format!("<sip:far@10.9.{n}.1:5060>"));
            response.set_body("application/sdp", sdp(n, self.formats).into());
        }
        self.receive(n, &response.to_bytes());
    }

    /// Whoever called hangs up.
    pub fn hang_up_all(&mut self) {
        for call in self.live() {
            let _ = self.switch.handle_request(self.now, busyhour_switch::Request::HangUp { call });
            self.drain();
        }
    }

    fn live(&mut self) -> Vec<busyhour_model::CallId> {
        match self.switch.handle_request(self.now, busyhour_switch::Request::Calls) {
            Ok(busyhour_switch::Reply::Calls(rows)) => rows.into_iter().map(|row| row.call).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Why calls were refused so far, in or out.
    pub fn refusals(&self) -> Vec<(&str, &str)> {
        fn reason(what: &What) -> Option<(&str, &str)> {
            match what {
                What::TrunkRefused { trunk, reason, .. } => Some((trunk, reason)),
                What::DialRefused { trunk, reason, .. } => Some((trunk.as_deref().unwrap_or_default(), reason)),
                _ => None,
            }
        }
        self.facts.iter().filter_map(reason).collect()
    }
}

pub fn sdp(n: u8, formats: &str) -> String {
    let place = format!("IN IP4 10.9.{n}.1");
    format!("v=0\r\no=- 1 1 {place}\r\ns=-\r\nc={place}\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n")
}
