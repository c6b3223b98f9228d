//! Phones and callers on three sockets in one thread: who calls, who answers, who hangs up, and when a phone is rung.

use crate::echo::Echo;
use crate::server::{CARRIER, DOMAIN, FIRST_AGENT, HOTLINE, PASSWORD};
use crate::sys::Epoll;
use crate::wire::Wire;
use busyhour_model::{G711, Time};
use busyhour_sim::peer::{Action, Answering, Caller, CallerSetup, Ending, Out, Phone, PhoneSetup};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Callers' numbers begin here, above every agent's.
const FIRST_CALLER: u64 = 13_800_000_000;
/// Calls on their way to an agent or into the queue at once, while the scene is set.
const DIALLING_MAX: u64 = 64;
/// Everything that is set up is set up within this.
const SETTING_MAX: Duration = Duration::from_secs(60);
/// A moment without an input after which the server has nothing left to do.
const CALM: Duration = Duration::from_millis(300);
const PUMP: Duration = Duration::from_millis(1);

/// Whether callers want to hear something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Music {
    On,
    Off,
}

enum Kind {
    Agent(Box<Phone>),
    Caller(Box<Caller>),
}

struct Peer {
    kind: Kind,
    armed: Option<Time>,
    /// A caller whose call was answered, an agent who is registered.
    there: bool,
}

/// The world around the server; see the module.
pub(crate) struct Load {
    switch: SocketAddr,
    began: Instant,
    phones: Wire,
    carrier: Wire,
    /// Where sound goes; nobody listens.
    sink: (Wire, Wire),
    echo: Echo,
    epoll: Epoll,
    buffer: Vec<u8>,
    /// By number, as it stands in every message.
    peers: BTreeMap<u64, Peer>,
    alarms: BinaryHeap<Reverse<(Time, u64)>>,
    next_caller: u64,
    there: u64,
    music: Music,
    /// Agents in a call, longest first, and the same in order: an ACK may come twice.
    talking: VecDeque<u64>,
    talkers: BTreeSet<u64>,
    /// Agents who hung up, and when their BYE left.
    freed: BTreeMap<u64, Duration>,
    /// BYE left to INVITE there.
    pub(crate) rung: Vec<Duration>,
    /// The same way to a process that only sends back.
    pub(crate) echoed: Vec<Duration>,
}

impl Load {
    pub(crate) fn new(switch: SocketAddr, music: Music) -> Load {
        let bind = |ip: Ipv4Addr| Wire::bind((ip, 0).into()).expect("loopback has free ports");
        let (phones, carrier, echo) = (bind(Ipv4Addr::LOCALHOST), bind(CARRIER), Echo::start());
        let epoll = Epoll::new().expect("epoll works");
        for wire in [phones.socket(), carrier.socket(), echo.wire.socket()] {
            epoll.add(wire, 0).expect("a socket can be watched");
        }
        Load {
            switch,
            began: Instant::now(),
            phones,
            carrier,
            sink: sink(),
            echo,
            epoll,
            buffer: vec![0; 65_536],
            peers: BTreeMap::new(),
            alarms: BinaryHeap::new(),
            next_caller: FIRST_CALLER,
            there: 0,
            music,
            talking: VecDeque::new(),
            talkers: BTreeSet::new(),
            freed: BTreeMap::new(),
            rung: Vec::new(),
            echoed: Vec::new(),
        }
    }

    fn now(&self) -> Time {
        Time::from_secs(1) + self.began.elapsed()
    }

    /// Registers `agents` phones.
    pub(crate) fn register(&mut self, agents: u64) {
        for number in FIRST_AGENT..FIRST_AGENT + agents {
            let setup = PhoneSetup {
                number: number.to_string(),
                password: PASSWORD.into(),
                domain: DOMAIN.into(),
                sip: self.phones.address(),
                media: self.media(),
                registrar: Some(self.switch),
                expires: Duration::from_secs(3600),
                codecs: vec![G711::A],
                tone_hz: 0,
                listen_hz: 0,
                answering: Answering::After(Duration::ZERO, Duration::ZERO),
                ending: Ending::Wait,
                hold: None,
            };
            let phone = Phone::new(self.now(), setup, number);
            self.join(number, Kind::Agent(Box::new(phone)));
            self.pump(Duration::ZERO);
        }
        self.until("phones to register", |load| load.there == agents);
        self.there = 0;
    }

    /// Callers until every agent is in a call.
    pub(crate) fn occupy(&mut self, agents: u64) {
        self.callers(agents);
        self.until("agents to answer", |load| load.talking.len() as u64 == agents);
    }

    /// So many more callers, each answered: they wait.
    pub(crate) fn callers(&mut self, count: u64) {
        let all = self.there + count;
        for _ in 0..count {
            self.dial();
            self.until("callers to be answered", |load| load.next_caller - FIRST_CALLER - load.there < DIALLING_MAX);
        }
        self.until("callers to be answered", |load| load.there == all);
        self.pass(CALM);
    }

    /// Frees the agent who has talked longest; false when all are just being rung.
    pub(crate) fn free_one(&mut self) -> bool {
        let Some(agent) = self.talking.pop_front() else { return false };
        self.talkers.remove(&agent);
        let now = self.now();
        if let Some(Peer { kind: Kind::Agent(phone), .. }) = self.peers.get_mut(&agent) {
            phone.hang_up(now);
        }
        self.settle(agent);
        true
    }

    /// Asks the echo for an answer.
    pub(crate) fn ping(&mut self) {
        self.echo.ping();
    }

    /// Agents freed and not rung.
    pub(crate) fn unrung(&self) -> usize {
        self.freed.len()
    }

    fn dial(&mut self) {
        let number = self.next_caller;
        self.next_caller += 1;
        let setup = CallerSetup {
            number: number.to_string(),
            withheld: false,
            dialled: HOTLINE.into(),
            domain: self.switch.to_string(),
            sip: self.carrier.address(),
            media: self.media(),
            target: self.switch,
            codecs: vec![G711::A],
            tone_hz: 0,
            listen_hz: 0,
            script: vec![Action::AwaitAnswer(SETTING_MAX)],
        };
        let caller = Caller::new(self.now(), setup, number);
        self.join(number, Kind::Caller(Box::new(caller)));
    }

    /// The sink, or the unspecified address that asks for silence (RFC 3264 section 8.4).
    fn media(&self) -> SocketAddr {
        let at = self.sink.0.address();
        if self.music == Music::On { at } else { SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), at.port()) }
    }

    fn join(&mut self, number: u64, kind: Kind) {
        self.peers.insert(number, Peer { kind, armed: None, there: false });
        self.settle(number);
    }

    fn until(&mut self, what: &str, done: impl Fn(&Load) -> bool) {
        let until = Instant::now() + SETTING_MAX;
        while !done(self) {
            self.pump(PUMP);
            assert!(
                Instant::now() < until,
                "waited in vain for {what}: {} there, {} talk",
                self.there,
                self.talking.len()
            );
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, span: Duration) {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.pump(until.saturating_duration_since(Instant::now()));
        }
    }

    /// What came in and what is due, waiting for either at most so long.
    fn pump(&mut self, most: Duration) {
        let now = self.now();
        let due = self.alarms.peek().map_or(most, |Reverse((at, _))| at.since(now).min(most));
        self.epoll.wait(Some(due));
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some((size, at)) = self.phones.receive(&mut buffer) {
            self.phone_heard(&buffer[..size], at);
        }
        while let Some((size, _)) = self.carrier.receive(&mut buffer) {
            if let Some(number) = number_of(&buffer[..size]) {
                self.hand(number, &buffer[..size]);
            }
        }
        self.echoed.extend(self.echo.heard(&mut buffer));
        self.buffer = buffer;
        self.ring();
    }

    fn phone_heard(&mut self, bytes: &[u8], at: Duration) {
        let Some(number) = number_of(bytes) else { return };
        if bytes.starts_with(b"INVITE ")
            && let Some(freed) = self.freed.remove(&number)
        {
            self.rung.push(at.saturating_sub(freed));
            // Whoever is served leaves the queue; another takes the place.
            self.dial();
        }
        if bytes.starts_with(b"ACK ") && self.talkers.insert(number) {
            self.talking.push_back(number);
        }
        self.hand(number, bytes);
    }

    fn hand(&mut self, number: u64, bytes: &[u8]) {
        let (now, from) = (self.now(), self.switch);
        match self.peers.get_mut(&number).map(|peer| &mut peer.kind) {
            Some(Kind::Agent(phone)) => phone.handle_datagram(now, from, bytes),
            Some(Kind::Caller(caller)) => caller.handle_datagram(now, from, bytes),
            None => return,
        }
        self.settle(number);
    }

    fn ring(&mut self) {
        let now = self.now();
        while let Some(&Reverse((at, number))) = self.alarms.peek().filter(|alarm| alarm.0.0 <= now) {
            self.alarms.pop();
            let Some(peer) = self.peers.get_mut(&number).filter(|peer| peer.armed == Some(at)) else { continue };
            peer.armed = None;
            match &mut peer.kind {
                Kind::Agent(phone) => phone.handle_timeout(now),
                Kind::Caller(caller) => caller.handle_timeout(now),
            }
            self.settle(number);
        }
    }

    /// Sends what a peer has to say, sets its alarm and forgets a caller who is done.
    fn settle(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let (wire, is_agent) = match &peer.kind {
            Kind::Agent(_) => (&self.phones, true),
            Kind::Caller(_) => (&self.carrier, false),
        };
        while let Some(out) = peer.kind.poll_transmit() {
            let Out::Sip { to, bytes } = out else { continue };
            let left = wire.send(&bytes, to).expect("loopback takes a datagram");
            if is_agent && bytes.starts_with(b"BYE ") {
                self.freed.insert(number, left);
            }
        }
        let there = peer.kind.is_there();
        self.there += u64::from(there && !peer.there);
        peer.there |= there;
        if peer.kind.is_done() {
            self.peers.remove(&number);
            return;
        }
        let due = peer.kind.poll_timeout();
        if let Some(at) = due.filter(|at| peer.armed.is_none_or(|armed| armed > *at)) {
            peer.armed = Some(at);
            self.alarms.push(Reverse((at, number)));
        }
    }
}

impl Kind {
    fn poll_transmit(&mut self) -> Option<Out> {
        match self {
            Kind::Agent(phone) => phone.poll_transmit(),
            Kind::Caller(caller) => caller.poll_transmit(),
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        match self {
            Kind::Agent(phone) => phone.poll_timeout(),
            Kind::Caller(caller) => caller.poll_timeout(),
        }
    }

    fn is_there(&self) -> bool {
        match self {
            Kind::Agent(phone) => phone.is_registered(),
            Kind::Caller(caller) => caller.is_talking(),
        }
    }

    fn is_done(&self) -> bool {
        matches!(self, Kind::Caller(caller) if caller.is_done())
    }
}

/// An even port and the one above, at the carrier, for RTP and RTCP of everybody.
fn sink() -> (Wire, Wire) {
    let pair = |_| {
        let rtp = Wire::bind((CARRIER, 0).into()).ok().filter(|wire| wire.address().port() % 2 == 0)?;
        let rtcp = Wire::bind((CARRIER, rtp.address().port() + 1).into()).ok()?;
        Some((rtp, rtcp))
    };
    (0..1_000).find_map(pair).expect("some even port has a free one above")
}

/// Whose message it is: a request names its target, a response the one who asked.
fn number_of(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let uri = if text.starts_with("SIP/2.0 ") { text.split_once("\nFrom:")?.1 } else { text };
    uri.split_once("sip:")?.1.split_once('@')?.0.parse().ok()
}
