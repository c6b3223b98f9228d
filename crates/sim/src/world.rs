//! A whole hotline in virtual time: one switch, one media worker, phones, callers, an operator, and the wires between them.

use crate::bots::{Bots, Talks};
use crate::hiding::Hiding;
use crate::laws;
use crate::network::{Network, Packet};
use crate::peer::{Caller, CallerSetup, Out, Outcome, Phone};
use crate::scenario::{Deed, Scenario, Service};
use crate::silence::Silence;
use busyhour_acd::Command;
use busyhour_acd::LookAhead;
use busyhour_ivr::LookUp;
use busyhour_ledger::{CallRecord, Ledger};
use busyhour_media::{self as media, Track};
use busyhour_model::{CallId, Fact, LegId, Name, QueueId, Rule, Seed, TapeId, Time, What};
use busyhour_switch::{Entry, Replay, Setup, Switch};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A Monday, 14:13:20 in Greenwich.
pub(crate) const START: Time = Time::from_secs(1_790_000_000);
/// Futures of one forecast: a small town needs no more.
const REPLICATIONS: u32 = 20;

/// Somebody outside the switch.
#[derive(Debug)]
enum Peer {
    Phone(Box<Phone>),
    Caller(Box<Caller>),
}

/// A peer and its addresses.
#[derive(Debug)]
struct Host {
    peer: Peer,
    sip: SocketAddr,
    rtp: SocketAddr,
}

/// The world; see the module.
#[derive(Debug)]
pub struct World {
    pub(crate) now: Time,
    /// The switch under test.
    pub switch: Switch,
    pub(crate) worker: media::Worker,
    library: Arc<media::Library>,
    pub(crate) filed: VecDeque<media::Event>,
    network: Network,
    hiding: Hiding,
    silence: Silence,
    peers: Vec<Host>,
    by_address: BTreeMap<SocketAddr, usize>,
    /// When each peer wants to be woken.
    due: Vec<Option<Time>>,
    alarm: BTreeSet<(Time, usize)>,
    ports: BTreeMap<u16, LegId>,
    deeds: BTreeMap<(Time, usize), Deed>,
    sip: SocketAddr,
    service: Service,
    bots: Bots,
    pub(crate) talks: Talks,
    pub(crate) disk_full: bool,
    /// Answers of the service under way.
    answers: BTreeMap<(Time, u64), (CallId, LookUp)>,
    foresee: Option<Duration>,
    foresee_at: Time,
    seed: Seed,
    /// By which rule calls of each queue choose agents.
    rules: BTreeMap<QueueId, Rule>,
    queues: BTreeMap<Name, QueueId>,
    /// The journal, played again as it is written.
    pub(crate) replay: Replay,
    /// Facts folded.
    pub ledger: Ledger,
    /// One per ended call.
    pub records: Vec<CallRecord>,
    /// Callers' data in requests to phones, in order.
    pub told: Vec<String>,
    /// Messages that were deleted.
    pub(crate) deleted: BTreeSet<TapeId>,
    /// What was recorded and not thrown away: A-law, by tape.
    pub tapes: BTreeMap<TapeId, Vec<u8>>,
    /// How many samples of each side of a conversation were.
    pub(crate) sides: BTreeMap<(TapeId, Track), u64>,
    /// Everything that happened, in order.
    pub facts: Vec<Fact>,
    /// The same with commands and marks.
    pub journal: Vec<Entry>,
}

impl World {
    /// The world a scenario describes, a moment before anything happens.
    pub fn new(scenario: Scenario) -> World {
        let now = START;
        let mut seed = Seed(scenario.seed);
        let sip = scenario.setup.locals[0].1;
        let Setup { silence_timeout, agent_silence_timeout, .. } = scenario.setup;
        let library = scenario.library.clone();
        let worker_config = media::Config { silence_timeout, agent_silence_timeout, seed: seed.draw() };
        let mut world = World {
            now,
            hiding: Hiding::new(&scenario.setup),
            silence: Silence::new(scenario.setup.limits.qualify),
            switch: Switch::new(now, scenario.setup, seed.draw()),
            worker: media::Worker::new(library.clone(), worker_config),
            library,
            filed: VecDeque::new(),
            network: Network::new(scenario.faults, seed.fork()),
            peers: Vec::new(),
            by_address: BTreeMap::new(),
            due: Vec::new(),
            alarm: BTreeSet::new(),
            ports: BTreeMap::new(),
            deeds: BTreeMap::new(),
            sip,
            service: scenario.service,
            bots: scenario.bots,
            talks: Talks::default(),
            disk_full: scenario.disk_full,
            answers: BTreeMap::new(),
            foresee: scenario.foresee,
            foresee_at: now,
            seed,
            rules: BTreeMap::new(),
            queues: BTreeMap::new(),
            replay: Replay::default(),
            ledger: Ledger::new(),
            records: Vec::new(),
            told: Vec::new(),
            deleted: BTreeSet::new(),
            tapes: BTreeMap::new(),
            sides: BTreeMap::new(),
            facts: Vec::new(),
            journal: Vec::new(),
        };
        for (index, (after, deed)) in scenario.deeds.into_iter().enumerate() {
            world.deeds.insert((now + after, index), deed);
        }
        for phone in scenario.phones {
            let (sip, rtp, seed) = (phone.sip, phone.media, world.seed.draw());
            world.add(Peer::Phone(Box::new(Phone::new(now, phone, seed))), sip, rtp);
        }
        world.drain_switch();
        world
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Runs until nothing is left to happen before `until`, checking every law after every input of the switch.
    pub fn run(&mut self, until: Duration) {
        let until = self.now + until;
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.step();
        }
        self.now = until;
    }

    /// From now on the wires are good and nobody new calls; runs until every call is over or `limit` has passed.
    pub fn settle(&mut self, limit: Duration) {
        self.network.heal();
        let until = self.now + limit;
        while self.switch.vitals().calls > 0
            && let Some(at) = self.next().filter(|at| *at <= until)
        {
            self.now = at.max(self.now);
            self.step();
        }
    }

    /// What every caller experienced, in order of their calling.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |host: &Host| match &host.peer {
            Peer::Caller(caller) => Some(caller.outcome()),
            Peer::Phone(_) => None,
        };
        self.peers.iter().filter_map(outcome).collect()
    }

    /// What this agent's phone experienced of calls that are over.
    pub fn phone_outcomes(&self, number: &str) -> Vec<Outcome> {
        let phones = self.peers.iter().filter_map(|host| match &host.peer {
            Peer::Phone(phone) if phone.number() == number => Some(phone.outcomes()),
            _ => None,
        });
        phones.flatten().cloned().collect()
    }

    /// Whether the phone of this agent holds a registration, by its own belief.
    pub fn is_registered(&self, number: &str) -> bool {
        self.peers.iter().any(|host| matches!(&host.peer, Peer::Phone(p) if p.number() == number && p.is_registered()))
    }

    fn next(&self) -> Option<Time> {
        let deed = self.deeds.first_key_value().map(|((at, _), _)| *at);
        let alarm = self.alarm.first().map(|(at, _)| *at);
        let machines =
            [self.network.poll_timeout(), self.switch.poll_timeout(), self.worker.poll_timeout(), self.looks_ahead()];
        let answer = self.answers.first_key_value().map(|((at, _), _)| *at);
        machines.into_iter().chain([deed, alarm, answer, self.talks.due()]).flatten().min()
    }

    /// When waits are foreseen next, while somebody waits.
    fn looks_ahead(&self) -> Option<Time> {
        self.foresee.and(self.switch.to_foresee()).map(|_| self.foresee_at)
    }

    /// As the thread beside the control loop does, in no time.
    fn look_ahead(&mut self) {
        let how = LookAhead { seed: self.now.as_micros(), replications: REPLICATIONS, ..LookAhead::default() };
        let classes = self.switch.to_foresee().map(|acd| acd.foresee(self.now, &how));
        self.switch.handle_forecast(self.now, classes.unwrap_or_default());
        self.foresee_at = self.now + self.foresee.unwrap_or_default();
        self.drain_switch();
    }

    fn step(&mut self) {
        if let Some(packet) = self.network.receive(self.now) {
            self.deliver(packet);
        } else if let Some(entry) = self.deeds.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let deed = entry.remove();
            self.act(deed);
        } else if self.switch.poll_timeout().is_some_and(|at| at <= self.now) {
            self.switch.handle_timeout(self.now);
            self.drain_switch();
        } else if let Some(entry) = self.answers.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (call, lookup) = entry.remove();
            let (status, body) = (self.service.answer)(&lookup.url);
            self.switch.handle_lookup(self.now, call, lookup.id, lookup.answer(status, body.as_bytes()));
            self.drain_switch();
        } else if let Some((fork, said)) = self.talks.next(self.now) {
            self.switch.handle_bot(self.now, fork, said);
            self.drain_switch();
        } else if self.looks_ahead().is_some_and(|at| at <= self.now) {
            self.look_ahead();
        } else if self.worker.poll_timeout().is_some_and(|at| at <= self.now) {
            self.worker.handle_timeout(self.now);
            self.drain_worker();
            self.drain_switch();
        } else if let Some(&(_, index)) = self.alarm.first() {
            self.wake(index, |peer, now| match peer {
                Peer::Phone(phone) => phone.handle_timeout(now),
                Peer::Caller(caller) => caller.handle_timeout(now),
            });
        }
    }

    fn deliver(&mut self, Packet { from, to, bytes }: Packet) {
        let to = self.hiding.arrives(to);
        if to == self.sip {
            let flow = laws::flow(self.hiding.told(from.ip()), from);
            self.hiding.heard(from.ip(), &bytes);
            self.silence.heard(self.now, from, &bytes);
            self.switch.handle_datagram(self.now, flow, &bytes);
            self.drain_switch();
        } else if let Some(&index) = self.by_address.get(&to) {
            let is_sip = self.peers[index].sip == to;
            self.wake(index, |peer, now| match (peer, is_sip) {
                (Peer::Phone(phone), true) => phone.handle_datagram(now, from, &bytes),
                (Peer::Phone(phone), false) => phone.handle_rtp(now, &bytes),
                (Peer::Caller(caller), true) => caller.handle_datagram(now, from, &bytes),
                (Peer::Caller(caller), false) => caller.handle_rtp(now, &bytes),
            });
        } else if to.ip() == self.sip.ip()
            && let Some(&leg) = self.ports.get(&(to.port() & !1))
        {
            if to.port().is_multiple_of(2) {
                self.worker.handle_rtp(self.now, leg, from, &bytes);
            } else {
                self.worker.handle_rtcp(self.now, leg, from, &bytes);
            }
            if self.drain_worker() {
                self.drain_switch();
            }
        }
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Call(setup) => self.call(*setup),
            Deed::Ask(request) => {
                // Any answer is right: the scenario asks at random.
                let _ = self.switch.handle_request(self.now, *request);
                self.drain_switch();
            }
            Deed::Supervise { supervisor, how } => self.supervise(supervisor, how),
            Deed::Dial { number, code } => self.phone(&number, |phone, now| phone.dial(now, &code)),
            Deed::TakeOver { number } => self.take_over(&number),
            Deed::HangUp { number } => self.phone(&number, |phone, now| phone.hang_up(now)),
            Deed::Hold { number, on } => self.phone(&number, |phone, now| phone.hold(now, on)),
            Deed::PassOn { number, to } => self.phone(&number, |phone, now| phone.transfer(now, to.as_deref())),
            Deed::Unregister { number } => self.phone(&number, |phone, now| phone.register(now, false)),
            Deed::Register { number } => self.phone(&number, |phone, now| phone.register(now, true)),
            Deed::Plug { number, on } => self.plug(&number, on),
            Deed::Restore => self.restore(),
        }
    }

    fn call(&mut self, setup: CallerSetup) {
        let (sip, rtp, seed) = (setup.sip, setup.media, self.seed.draw());
        let caller = Caller::new(self.now, setup, seed);
        self.add(Peer::Caller(Box::new(caller)), sip, rtp);
    }

    fn phone(&mut self, number: &str, deed: impl FnOnce(&mut Phone, Time)) {
        let index = self.peers.iter().position(|host| matches!(&host.peer, Peer::Phone(p) if p.number() == number));
        let Some(index) = index else { return };
        self.wake(index, |peer, now| match peer {
            Peer::Phone(phone) => deed(phone, now),
            Peer::Caller(_) => {}
        });
    }

    fn plug(&mut self, number: &str, on: bool) {
        let its = |host: &&Host| matches!(&host.peer, Peer::Phone(phone) if phone.number() == number);
        if let Some(host) = self.peers.iter().find(its) {
            self.network.plug(host.sip.ip(), on);
        }
    }

    fn take_over(&mut self, number: &str) {
        let phones = self.peers.iter().enumerate().filter_map(|(index, host)| match &host.peer {
            Peer::Phone(phone) if phone.number() == number => Some((index, phone.dialog())),
            _ => None,
        });
        let phones: Vec<_> = phones.collect();
        let dialog = phones.iter().find_map(|(_, dialog)| dialog.clone());
        if let (Some(dialog), Some((index, _))) = (dialog, phones.last()) {
            self.wake(*index, |peer, now| match peer {
                Peer::Phone(phone) => phone.take_over(now, dialog),
                Peer::Caller(_) => {}
            });
        }
    }

    /// Writes switch and worker out and goes on with what is read back.
    fn restore(&mut self) {
        let written = postcard::to_stdvec(&self.switch).expect("a switch is plain data");
        self.switch = postcard::from_bytes(&written).expect("what was written is read back");
        let written = postcard::to_stdvec(&self.worker.snapshot()).expect("a worker is plain data");
        let read = postcard::from_bytes(&written).expect("what was written is read back");
        self.worker = media::Worker::restore(read, self.library.clone());
    }

    fn add(&mut self, peer: Peer, sip: SocketAddr, rtp: SocketAddr) {
        let index = self.peers.len();
        self.by_address.insert(sip, index);
        self.by_address.insert(rtp, index);
        self.peers.push(Host { peer, sip, rtp });
        self.due.push(None);
        self.wake(index, |_, _| {});
    }

    fn wake(&mut self, index: usize, input: impl FnOnce(&mut Peer, Time)) {
        let Host { peer, sip, rtp } = &mut self.peers[index];
        input(peer, self.now);
        while let Some(out) = peer.poll_transmit() {
            let (from, to, bytes) = match out {
                Out::Sip { to, bytes } => (*sip, to, bytes),
                Out::Rtp { to, bytes } => (*rtp, to, bytes),
            };
            self.network.send(self.now, Packet { from, to, bytes });
        }
        if let Some(at) = self.due[index].take() {
            self.alarm.remove(&(at, index));
        }
        if let Some(at) = peer.poll_timeout() {
            self.due[index] = Some(at);
            self.alarm.insert((at, index));
        }
    }

    /// Carries everything out the switch wants, and what follows from it; then every law must hold.
    pub(crate) fn drain_switch(&mut self) {
        loop {
            while let Some(transmit) = self.switch.poll_transmit() {
                let (from, to) = (transmit.flow.local, transmit.flow.remote);
                self.hiding.check(to.ip(), &transmit.bytes);
                self.silence.check(self.now, to, &transmit.bytes);
                let text = String::from_utf8_lossy(&transmit.bytes);
                self.told
                    .extend(text.lines().find_map(|line| line.strip_prefix("X-Busyhour-Data: ")).map(String::from));
                self.network.send(self.now, Packet { from, to, bytes: transmit.bytes.to_vec() });
            }
            while let Some(entry) = self.switch.poll_entry() {
                self.note(entry);
            }
            while let Some((call, lookup)) = self.switch.poll_lookup() {
                self.serve(call, lookup);
            }
            while let Some((fork, news)) = self.switch.poll_fork() {
                self.talks.tell(self.now, fork, news, self.bots);
            }
            let Some(command) = self.switch.poll_media() else { break };
            match &command {
                media::Command::Open { leg, local, .. } => drop(self.ports.insert(local.port(), *leg)),
                media::Command::Close { leg } => self.ports.retain(|_, l| l != leg),
                _ => {}
            }
            self.worker.handle_command(self.now, command);
            self.drain_worker();
        }
        self.switch.check();
        self.check_conferences();
    }

    /// The service will answer, or not.
    fn serve(&mut self, call: CallId, lookup: LookUp) {
        if !self.seed.per_mille(self.service.lost_per_mille) {
            let delay = Duration::from_micros(self.seed.below(1 + self.service.delay_max.as_micros() as u64));
            let order = self.seed.draw();
            self.answers.insert((self.now + delay, order), (call, lookup));
        }
    }

    fn note(&mut self, entry: Entry) {
        if let Err(difference) = self.replay.take(&entry) {
            panic!("the journal replayed does the same: {difference} at {entry:?}");
        }
        self.journal.push(entry.clone());
        match entry {
            Entry::Command(_, Command::SetQueue(spec)) => drop(self.rules.insert(spec.id, spec.rule())),
            Entry::Command(..) | Entry::Began(..) | Entry::Snapshot(..) | Entry::Mark(..) => {}
            Entry::Fact(fact) => {
                if let What::Enqueued { queue_id, queue, .. } = &fact.what {
                    self.queues.insert(queue.clone(), *queue_id);
                }
                if let What::Discarded { tape, .. } = &fact.what {
                    assert!(self.tapes.remove(tape).is_some(), "what is thrown away was recorded: {fact:?}");
                }
                if let What::MessageDeleted { tape, .. } = &fact.what {
                    self.tapes.remove(tape);
                    self.deleted.insert(*tape);
                }
                laws::check_why(&fact, |queue| self.rules[&self.queues[queue]]);
                self.records.extend(self.ledger.apply(&fact));
                self.facts.push(fact);
            }
        }
    }

    /// Sends what the worker sends and tells the switch what it says; whether it said anything.
    fn drain_worker(&mut self) -> bool {
        while let Some(transmit) = self.worker.poll_transmit() {
            let Some((&port, _)) = self.ports.iter().find(|(_, leg)| **leg == transmit.leg) else { continue };
            let from = SocketAddr::new(self.sip.ip(), port + u16::from(transmit.rtcp));
            let packet = Packet { from, to: transmit.to, bytes: transmit.bytes.to_vec() };
            self.network.send(self.now, packet);
        }
        while let Some(taped) = self.worker.poll_tape() {
            self.file(taped);
        }
        let mut said = false;
        while let Some(event) = self.worker.poll_event().or_else(|| self.filed.pop_front()) {
            said = true;
            self.switch.handle_media(self.now, event);
        }
        said
    }
}

impl Peer {
    fn poll_transmit(&mut self) -> Option<Out> {
        match self {
            Peer::Phone(phone) => phone.poll_transmit(),
            Peer::Caller(caller) => caller.poll_transmit(),
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        match self {
            Peer::Phone(phone) => phone.poll_timeout(),
            Peer::Caller(caller) => caller.poll_timeout(),
        }
    }
}
