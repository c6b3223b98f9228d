//! What one registration, one question to a phone, one call and one waiting caller cost the switch: CPU time and bytes, without
//! sockets and without sound.
//!
//! With `--soak CALLS` instead: so many calls one after the other, which must leave nothing behind.
//!
//! Peers are the simulator's; only time spent and memory taken inside the switch's own methods are counted.
#![allow(unsafe_code)] // a counting allocator

use busyhour_media as media;
use busyhour_model::{Cause, Fact, LegId, Side, StreamStats, Time, What};
use busyhour_sim::peer::{Action, Answering, Caller, Ending, Out, Phone};
use busyhour_sim::{Scenario, to_an_agent};
use busyhour_switch::{Entry, Flow, Switch, Transport};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

struct Counting;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn note(bytes: i64) {
    if INSIDE.get() {
        LIVE.set(LIVE.get() + bytes);
        CALLS.set(CALLS.get() + u64::from(bytes > 0));
    }
}

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// CPU time of this thread.
fn cpu() -> Duration {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `at` outlives the call and is written only by it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut at) };
    Duration::new(at.tv_sec as u64, at.tv_nsec as u32)
}

#[allow(clippy::large_enum_variant, reason = "a bench holds a few thousand of them in place")]
enum Peer {
    Phone(Phone),
    Caller(Caller),
}

struct Bench {
    now: Time,
    switch: Switch,
    peers: Vec<(Peer, SocketAddr)>,
    by_address: HashMap<SocketAddr, usize>,
    wire: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    media: VecDeque<media::Event>,
    /// Legs opened towards callers.
    callers: Vec<LegId>,
    facts: u64,
    /// Calls that arrived, and those that ended.
    calls: (u64, u64),
    messages: u64,
    spent: Duration,
}

impl Bench {
    fn new(scenario: &Scenario) -> Bench {
        let now = Time::from_secs(1_790_000_000);
        let switch = Switch::new(now, scenario.setup.clone(), 1);
        Bench {
            now,
            switch,
            peers: Vec::new(),
            by_address: HashMap::new(),
            wire: VecDeque::new(),
            media: VecDeque::new(),
            callers: Vec::new(),
            facts: 0,
            calls: (0, 0),
            messages: 0,
            spent: Duration::ZERO,
        }
    }

    /// Counts what `work` does inside the switch, draining included.
    fn inside(&mut self, work: impl FnOnce(&mut Switch, Time)) {
        let (from, live) = (cpu(), INSIDE.replace(true));
        work(&mut self.switch, self.now);
        let mut out = Vec::new();
        while let Some(transmit) = self.switch.poll_transmit() {
            out.push(transmit);
        }
        let mut commands = Vec::new();
        while let Some(command) = self.switch.poll_media() {
            commands.push(command);
        }
        while let Some(entry) = self.switch.poll_entry() {
            self.facts += 1;
            match entry {
                Entry::Fact(Fact { what: What::Arrived { .. }, .. }) => self.calls.0 += 1,
                Entry::Fact(Fact { what: What::Ended { cause: Cause::CallerHungUp, .. }, .. }) => self.calls.1 += 1,
                _ => {}
            }
        }
        INSIDE.set(live);
        self.spent += cpu().saturating_sub(from);
        self.messages += out.len() as u64;
        for transmit in &out {
            self.wire.push_back((transmit.flow.local, transmit.flow.remote, transmit.bytes.to_vec()));
        }
        for command in &commands {
            match command {
                media::Command::Open { leg, side: Side::Trunk, .. } => self.callers.push(*leg),
                media::Command::Close { leg } => {
                    self.media.push_back(media::Event::Closed { leg: *leg, stats: StreamStats::default() });
                }
                _ => {}
            }
        }
        let back = INSIDE.replace(true);
        drop((out, commands));
        INSIDE.set(back);
    }

    fn add(&mut self, peer: Peer, sip: SocketAddr) {
        self.by_address.insert(sip, self.peers.len());
        self.peers.push((peer, sip));
        self.flush(self.peers.len() - 1);
    }

    fn flush(&mut self, index: usize) {
        let (peer, sip) = &mut self.peers[index];
        let mut out = Vec::new();
        while let Some(packet) = match peer {
            Peer::Phone(phone) => phone.poll_transmit(),
            Peer::Caller(caller) => caller.poll_transmit(),
        } {
            out.push(packet);
        }
        for packet in out {
            if let Out::Sip { to, bytes } = packet {
                self.wire.push_back((*sip, to, bytes));
            }
        }
    }

    /// Delivers until nothing is on the wire.
    fn quiet(&mut self) {
        loop {
            if let Some(event) = self.media.pop_front() {
                self.inside(|switch, now| switch.handle_media(now, event));
            } else if let Some((from, to, bytes)) = self.wire.pop_front() {
                self.deliver(from, to, &bytes);
            } else {
                break;
            }
        }
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(&index) = self.by_address.get(&to) else {
            self.messages += 1;
            let flow = Flow { transport: Transport::Udp, local: to, remote: from, connection: 0 };
            return self.inside(|switch, now| switch.handle_datagram(now, flow, bytes));
        };
        match &mut self.peers[index].0 {
            Peer::Phone(phone) => phone.handle_datagram(self.now, from, bytes),
            Peer::Caller(caller) => caller.handle_datagram(self.now, from, bytes),
        }
        self.flush(index);
    }

    /// Lets time pass in steps of 100 ms.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while self.now < until {
            self.now += Duration::from_millis(100);
            while self.switch.poll_timeout().is_some_and(|at| at <= self.now) {
                self.inside(|switch, now| switch.handle_timeout(now));
                self.quiet();
            }
            for index in 0..self.peers.len() {
                match &mut self.peers[index].0 {
                    Peer::Phone(phone) if phone.poll_timeout().is_some_and(|at| at <= self.now) => {
                        phone.handle_timeout(self.now);
                    }
                    Peer::Caller(caller) if caller.poll_timeout().is_some_and(|at| at <= self.now) => {
                        caller.handle_timeout(self.now);
                    }
                    _ => continue,
                }
                self.flush(index);
            }
            self.quiet();
        }
    }

    /// CPU, live bytes, allocations, messages and facts of what `work` causes.
    fn measure(&mut self, what: &str, count: usize, work: impl FnOnce(&mut Bench)) {
        let (spent, live, calls, messages, facts) = (self.spent, LIVE.get(), CALLS.get(), self.messages, self.facts);
        work(self);
        let per = |total: f64| total / count as f64;
        println!(
            "{what:<58} {count:>6} x {:>8.1} us CPU {:>7.1} kB kept {:>6.0} allocations {:>5.1} messages {:>5.1} entries",
            per((self.spent - spent).as_nanos() as f64 / 1000.0),
            per((LIVE.get() - live) as f64 / 1000.0),
            per((CALLS.get() - calls) as f64),
            per((self.messages - messages) as f64),
            per((self.facts - facts) as f64),
        );
    }

    /// Every caller in the menu presses 1 and 1: what the media worker would report.
    fn press(&mut self, legs: &[LegId]) {
        for _ in 0..2 {
            for &leg in legs {
                self.inside(|switch, now| switch.handle_media(now, media::Event::Digit { leg, digit: '1' }));
                self.quiet();
            }
        }
    }
}

/// So many phones registered, each of which answers at once and waits for the BYE.
fn register(bench: &mut Bench, scenario: &Scenario, agents: usize) {
    for index in 0..agents {
        let mut phone = scenario.phone(index);
        (phone.answering, phone.ending) = (Answering::After(Duration::ZERO, Duration::ZERO), Ending::Wait);
        let sip = phone.sip;
        bench.add(Peer::Phone(Phone::new(bench.now, phone, index as u64)), sip);
    }
    bench.quiet();
    bench.pass(Duration::from_secs(1));
}

/// A minute of asking so many phones by OPTIONS, each once.
fn ask(agents: usize) {
    const PERIOD: Duration = Duration::from_secs(60);
    let mut scenario = Scenario::calm(1, agents);
    scenario.setup.limits.qualify = PERIOD;
    let mut bench = Bench::new(&scenario);
    register(&mut bench, &scenario, agents);
    // The first minute brings each phone's first turn, which is anywhere in it.
    bench.pass(PERIOD);
    bench.measure("OPTIONS to a phone, answered, its next turn set", agents, |bench| bench.pass(PERIOD));
}

/// So many new callers, answered and in the menu; their legs.
fn call_in(bench: &mut Bench, scenario: &Scenario, first: usize, count: usize, script: &[Action]) -> Vec<LegId> {
    for index in first..first + count {
        let setup = scenario.caller(index, script.to_vec());
        let (sip, now) = (setup.sip, bench.now);
        bench.add(Peer::Caller(Caller::new(now, setup, index as u64)), sip);
        bench.quiet();
    }
    std::mem::take(&mut bench.callers)
}

/// So many calls in rounds of as many as there are agents; memory inside the switch is to be flat.
fn soak(bench: &mut Bench, scenario: &Scenario, agents: usize, calls: usize, script: &[Action]) {
    let before = bench.calls;
    for round in 0..calls.div_ceil(agents) {
        bench.measure("1,000 calls more", agents, |bench| {
            let legs = call_in(bench, scenario, (round % 2) * agents, agents, script);
            bench.press(&legs);
            bench.pass(Duration::from_secs(45));
        });
        for (_, sip) in bench.peers.drain(agents..) {
            bench.by_address.remove(&sip);
        }
        let vitals = bench.switch.vitals();
        assert_eq!((vitals.calls, vitals.legs, vitals.ports_in_use), (0, 0, 0), "every call ended: {vitals:?}");
    }
    let done = (bench.calls.0 - before.0, bench.calls.1 - before.1);
    println!(
        "{} calls arrived, {} were talked to their end; {} kB live in the switch",
        done.0,
        done.1,
        LIVE.get() / 1000
    );
    assert_eq!(done.0, done.1, "no call is lost");
}

fn main() {
    let agents = 1000;
    let mut scenario = Scenario::calm(1, agents);
    let setup = &mut scenario.setup;
    (setup.media_ports, setup.calls_max) = ((10_000, 59_998), 10_000);
    (setup.silence_timeout, setup.agent_silence_timeout) = (Duration::ZERO, Duration::ZERO);
    setup.trunks[0].channels = 10_000;
    for queue in &mut setup.queues {
        (queue.waiting_max, queue.wait_max, queue.wrap_up) = (None, None, Duration::ZERO);
        queue.required = vec![("enquiry".into(), 1)];
    }
    for agent in &mut setup.agents {
        agent.skills = vec![("enquiry".into(), 1)];
    }
    println!(
        "workload: hotline.toml, {agents} agents, digest MD5, UDP, no loss, facts drained; CPU of the switch alone"
    );
    let mut bench = Bench::new(&scenario);
    let talk = |seconds| {
        let mut script = to_an_agent(false);
        script.extend([Action::Wait(Duration::from_secs(seconds)), Action::HangUp]);
        script
    };
    bench.measure("REGISTER (401, then 200), phone becomes ready", agents, |bench| {
        register(bench, &scenario, agents);
    });
    bench.measure("the same registrations, transactions over", agents, |bench| bench.pass(Duration::from_secs(40)));
    let mut words = std::env::args().skip_while(|word| word != "--soak").skip(1);
    if let Some(calls) = words.next() {
        return soak(&mut bench, &scenario, agents, calls.parse().expect("--soak CALLS"), &talk(5));
    }
    ask(1_500);
    for round in 0..2 {
        let script = talk(5);
        bench.measure("call: IVR, menu, queue, agent, talk, BYE", agents, |bench| {
            let legs = call_in(bench, &scenario, round * 2000, agents, &script);
            bench.press(&legs);
            bench.pass(Duration::from_secs(45));
        });
        let vitals = bench.switch.vitals();
        assert_eq!((vitals.calls, vitals.legs), (0, 0), "every call ended: {vitals:?}");
    }
    let script =
        vec![Action::AwaitAnswer(Duration::from_secs(9)), Action::Wait(Duration::from_secs(3600)), Action::HangUp];
    let mut legs = Vec::new();
    bench.measure("caller answered and in the menu", agents, |bench| {
        legs = call_in(bench, &scenario, 5000, agents, &script);
    });
    bench.measure("the same callers bridged to agents", agents, |bench| {
        bench.press(&legs);
        bench.pass(Duration::from_secs(40));
    });
    let mut waiting = Vec::new();
    bench.measure("1,000 more callers, all agents busy: waiting", agents, |bench| {
        waiting = call_in(bench, &scenario, 7000, agents, &script);
        bench.press(&waiting);
    });
    bench.measure("one minute of waiting, per caller", agents, |bench| bench.pass(Duration::from_secs(60)));
    println!("vitals: {:?}", bench.switch.vitals());
}
