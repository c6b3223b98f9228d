//! How long one command takes in the matcher: CPU time per command, with the workload beside it.
//!
//! The trace is made beforehand by playing it once; a released agent takes the next call, and a call of the same queue
//! and priority takes its place, so the number waiting stays constant. Each run plays the same trace on a copy of the
//! same state, whose slots are used in no order; the cost of walking the trace and making the commands is subtracted,
//! and the decisions of all runs must be the same, at first also those of the naive twin of `crates/acd/tests/twin`.
//! Instructions: `valgrind --tool=callgrind <bench> --quick "1.5k saturated"`.
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]

use busyhour_acd::{Acd, AgentChoice, AgentSpec, Command, Decision, Enqueue, Policy, QueueSpec, Skill};
use busyhour_model::{AgentId, CallId, QueueId, Seed, SkillId, Time};
use busyhour_switch::Entry;
use meter::{IN_USE, clock, cpu};
use std::collections::{BTreeSet, VecDeque};
use std::hint::black_box;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[path = "matching/meter.rs"]
mod meter;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../crates/acd/tests/twin/naive.rs"]
mod naive;

const RUNS: usize = 21;
const COMMANDS: usize = 200_000;
/// Passes whose median is the latency of one command: other processes disturb a different one each time.
const PASSES: usize = 5;
/// Commands measured with everything swept out of the caches before each.
const SWEPT: usize = 1_000;
/// As `PASSES`, fewer, for sweeping takes long.
const SWEPT_PASSES: usize = 3;
/// More than the caches hold.
const SWEEP_BYTES: usize = 48 << 20;
/// Commands after which the recorder writes.
const BATCH: usize = 1_000;
/// Commands of the trace the naive twin has to decide alike.
const TWIN: usize = 1_500;

/// A call centre of a certain size under a certain load.
struct Workload {
    name: &'static str,
    agents: u32,
    groups: usize,
    skills: u64,
    /// One queue per skill and this many priority levels each: so many classes per skill.
    priorities: u64,
    waiting: usize,
    /// Queues relax and overflow after a time, so that every head has its alarm.
    timed: bool,
}

const fn load(
    name: &'static str,
    agents: u32,
    groups: usize,
    skills: u64,
    priorities: u64,
    waiting: usize,
) -> Workload {
    Workload { name, agents, groups, skills, priorities, waiting, timed: false }
}

const WORKLOADS: [Workload; 10] = [
    load("1.5k light", 1_500, 60, 30, 1, 0),
    load("1.5k 200 waiting", 1_500, 60, 30, 1, 200),
    load("1.5k saturated", 1_500, 60, 30, 1, 1_000),
    Workload { timed: true, ..load("1.5k with timers", 1_500, 60, 30, 1, 1_000) },
    load("1.5k flooded", 1_500, 60, 30, 1, 100_000),
    load("1.5k all different", 1_500, 1_500, 1_000, 1, 1_000),
    load("10k light", 10_000, 300, 100, 10, 0),
    load("10k saturated", 10_000, 300, 100, 10, 100_000),
    load("10k light, different", 10_000, 10_000, 1_000, 1, 0),
    load("10k all different", 10_000, 10_000, 1_000, 1, 100_000),
];

/// One step of the trace, small, so that the trace does not push the matcher out of the caches.
#[derive(Clone, Copy)]
enum Step {
    Released(AgentId),
    Accepted(CallId, AgentId),
    Enqueue(CallId, QueueId, i16),
    Leave(CallId),
}

impl Step {
    fn command(self, now: Time) -> Command {
        match self {
            Step::Released(agent) => Command::Released { agent },
            Step::Accepted(call, agent) => Command::Accepted { call, agent },
            Step::Enqueue(call, queue, priority) => {
                let priority = i32::from(priority);
                Command::Enqueue(Enqueue {
                    call,
                    queue,
                    required: Vec::new(),
                    priority,
                    since: now,
                    agent: None,
                    prefer: None,
                })
            }
            Step::Leave(call) => Command::Leave { call },
        }
    }
}

/// The state before the trace, and the trace.
struct Scene {
    seed: Seed,
    acd: Acd,
    now: Time,
    calls: u64,
    /// Queue and priority by call.
    classes: Vec<(QueueId, i32)>,
    /// By call: in line, neither offered nor gone.
    waits: Vec<bool>,
    talking: Vec<AgentId>,
    /// What led to the state before the trace.
    before: Vec<(Time, Command)>,
    /// Bytes per agent and per waiting call.
    bytes: (usize, usize),
    out: Vec<Decision>,
}

impl Scene {
    fn new(load: &Workload) -> Scene {
        let mut scene = Scene {
            seed: Seed(1),
            acd: Acd::new(1),
            now: Time::from_secs(1_000),
            calls: 0,
            classes: Vec::new(),
            waits: Vec::new(),
            talking: Vec::new(),
            before: Vec::new(),
            bytes: (0, 0),
            out: Vec::new(),
        };
        for id in 0..load.skills as u32 {
            scene.set(Command::SetQueue(Box::new(queue(id, load.timed))));
        }
        let mut sets = BTreeSet::new();
        while sets.len() < load.groups {
            // 12 of 1,000 skills where all are different, else one to four.
            let count = if load.skills == 1_000 { 12 } else { 1 + scene.seed.below(4) };
            let set: BTreeSet<Skill> = (0..count).map(|_| (SkillId(scene.seed.below(load.skills) as u32), 1)).collect();
            sets.insert(set);
        }
        let sets: Vec<Vec<Skill>> = sets.into_iter().map(|set| set.into_iter().collect()).collect();
        let before = scene.size();
        for id in 0..load.agents {
            let skills = sets[id as usize % sets.len()].clone();
            scene.set(Command::SetAgent(AgentSpec::new(AgentId(id), skills)));
            scene.set(Command::SignIn { agent: AgentId(id), not_ready: None });
        }
        let staffed = scene.size();
        scene.fill(load);
        let full = scene.size();
        scene.bytes = ((staffed - before) / load.agents as usize, (full - staffed) / load.waiting.max(1));
        scene
    }

    /// Gives every agent a call and lets so many wait; half the agents are left idle where nobody waits.
    fn fill(&mut self, load: &Workload) {
        let busy = if load.waiting == 0 { load.agents as usize / 2 } else { load.agents as usize };
        for id in 0..load.agents {
            if self.talking.len() < busy {
                let agent = AgentId(id);
                let call = CallId(self.calls);
                self.calls += 1;
                self.classes.push((QueueId(0), 0));
                self.waits.push(false);
                self.set(Command::Occupy { agent, call });
                self.talking.push(agent);
            }
        }
        // Half of them leave again, so that the slots are used in no order.
        let mut order: Vec<u64> = Vec::new();
        for _ in 0..2 * load.waiting {
            let class = (QueueId(self.seed.below(load.skills) as u32), 5 * self.seed.below(load.priorities) as i32);
            order.push(self.calls);
            let command = self.arrival(class).command(self.now);
            self.set(command);
        }
        for left in 0..load.waiting {
            let pick = left + self.seed.below((order.len() - left) as u64) as usize;
            order.swap(left, pick);
            self.waits[order[left] as usize] = false;
            self.set(Command::Leave { call: CallId(order[left]) });
        }
    }

    fn arrival(&mut self, (queue, priority): (QueueId, i32)) -> Step {
        let call = CallId(self.calls);
        self.calls += 1;
        self.classes.push((queue, priority));
        self.waits.push(true);
        self.now += Duration::from_micros(1 + self.seed.below(2_000));
        Step::Enqueue(call, queue, priority as i16)
    }

    /// Bytes the matcher holds: a copy has no room to spare, so this is the least.
    fn size(&self) -> usize {
        let before = IN_USE.load(Ordering::Relaxed);
        let copy = self.acd.clone();
        let bytes = IN_USE.load(Ordering::Relaxed) - before;
        drop(copy);
        bytes
    }

    fn set(&mut self, command: Command) {
        self.before.push((self.now, command.clone()));
        self.apply(command);
    }

    fn apply(&mut self, command: Command) {
        self.out.clear();
        self.acd.apply(self.now, command, &mut self.out).unwrap();
    }

    fn play(&mut self, trace: &mut Vec<(Time, Step)>, step: Step) -> Option<(CallId, AgentId)> {
        trace.push((self.now, step));
        self.apply(step.command(self.now));
        let offered = self.out.iter().find_map(|decision| match decision {
            Decision::Offer { call, agent, .. } => Some((*call, *agent)),
            _ => None,
        });
        offered.inspect(|(call, _)| self.waits[call.0 as usize] = false)
    }

    /// Released, accepted, replaced; every tenth time a caller gives up too.
    fn trace(&mut self, load: &Workload, commands: usize) -> Vec<(Time, Step)> {
        let mut trace = Vec::new();
        while trace.len() < commands {
            self.now += Duration::from_micros(1 + self.seed.below(2_000));
            let at = self.seed.below(self.talking.len() as u64) as usize;
            let agent = self.talking.swap_remove(at);
            let mut offered = self.play(&mut trace, Step::Released(agent));
            let class = match offered {
                Some((call, _)) => self.classes[call.0 as usize],
                None => (QueueId(self.seed.below(load.skills) as u32), 0),
            };
            self.accept(&mut trace, offered.take());
            let arrival = self.arrival(class);
            let offered = self.play(&mut trace, arrival);
            self.accept(&mut trace, offered);
            if self.seed.below(10) == 0 {
                self.replace_one(&mut trace);
            }
        }
        trace
    }

    fn accept(&mut self, trace: &mut Vec<(Time, Step)>, offered: Option<(CallId, AgentId)>) {
        if let Some((call, agent)) = offered {
            self.play(trace, Step::Accepted(call, agent));
            self.talking.push(agent);
        }
    }

    /// Some waiting call is given up; one like it comes.
    fn replace_one(&mut self, trace: &mut Vec<(Time, Step)>) {
        let Some(call) = (0..64).map(|_| self.seed.below(self.calls)).find(|&call| self.waits[call as usize]) else {
            return;
        };
        self.waits[call as usize] = false;
        let call = CallId(call);
        self.play(trace, Step::Leave(call));
        let arrival = self.arrival(self.classes[call.0 as usize]);
        self.play(trace, arrival);
    }
}

fn queue(id: u32, timed: bool) -> QueueSpec {
    let step = |secs, level| (Duration::from_secs(secs), vec![(SkillId(id + level), 1)]);
    QueueSpec {
        id: QueueId(id),
        required: vec![(SkillId(id), 1)],
        relax: if timed { vec![step(20, 1), step(60, 2)] } else { Vec::new() },
        priority: 10 * (id as i32 % 3),
        goal: Duration::from_secs([10, 20, 30][id as usize % 3]),
        choice: AgentChoice::LeastSkilled,
        wait_max: timed.then_some(Duration::from_secs(3_600)),
        waiting_max: None,
        overflow_no_agents: false,
        wrap_up: Duration::ZERO,
        policy: Policy::default(),
    }
}

/// FNV-1a over who got whom.
fn checksum(mut sum: u64, out: &[Decision]) -> u64 {
    for decision in out {
        if let Decision::Offer { call, agent, .. } = decision {
            sum = (sum ^ call.0 ^ (u64::from(agent.0) << 40)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    sum
}

/// CPU time of one run over the trace, and its checksum.
fn run(start: &Acd, trace: &[(Time, Step)]) -> (Duration, u64) {
    let mut acd = start.clone();
    let (mut out, mut sum) = (Vec::with_capacity(16), 0);
    let begin = cpu();
    for &(now, step) in trace {
        let done = acd.apply(now, step.command(now), &mut out);
        debug_assert!(done.is_ok());
        sum = checksum(sum, &out);
        out.clear();
    }
    let spent = cpu() - begin;
    black_box(&acd);
    (spent, sum)
}

/// CPU time of walking the trace and doing nothing.
fn null(trace: &[(Time, Step)]) -> Duration {
    let begin = cpu();
    for &(now, step) in trace {
        black_box((now, step.command(now)));
    }
    cpu() - begin
}

/// Wall time of one command, less the cheapest reading of the clock.
fn clocked(acd: &mut Acd, (now, step): (Time, Step), out: &mut Vec<Decision>, clock: u64) -> u64 {
    let begin = Instant::now();
    let _ = black_box(acd.apply(now, step.command(now), out));
    let span = begin.elapsed().as_nanos() as u64;
    out.clear();
    span.saturating_sub(clock)
}

/// Nanoseconds of each command, the median of so many passes, sorted; `before` comes before each.
fn spans(start: &Acd, trace: &[(Time, Step)], passes: usize, mut before: impl FnMut()) -> Vec<u64> {
    let (clock, mut out) = (clock(), Vec::with_capacity(16));
    let mut pass = || -> Vec<u64> {
        let mut acd = start.clone();
        let mut one = |&step| {
            before();
            clocked(&mut acd, step, &mut out, clock)
        };
        trace.iter().map(&mut one).collect()
    };
    let passes: Vec<Vec<u64>> = (0..passes).map(|_| pass()).collect();
    let median = |at: usize| {
        let mut spans: Vec<u64> = passes.iter().map(|pass| pass[at]).collect();
        spans.sort_unstable();
        spans[passes.len() / 2]
    };
    let mut spans: Vec<u64> = (0..trace.len()).map(median).collect();
    spans.sort_unstable();
    spans
}

/// Each command finds the caches full of something else.
fn swept(start: &Acd, trace: &[(Time, Step)]) -> Vec<u64> {
    let mut sweep = vec![1u64; SWEEP_BYTES / 8];
    spans(start, &trace[..SWEPT.min(trace.len())], SWEPT_PASSES, || {
        sweep.iter_mut().step_by(8).for_each(|word| *word += 1);
        black_box(&mut sweep);
    })
}

/// CPU time of one run with every command made an entry of the journal as the switch does, and of writing the entries
/// out, which another thread does.
fn journalled(start: &Acd, trace: &[(Time, Step)]) -> (Duration, Duration) {
    let (mut acd, mut out, mut entries) = (start.clone(), Vec::with_capacity(16), VecDeque::with_capacity(BATCH));
    let (mut control, mut recorder, mut line) = (Duration::ZERO, Duration::ZERO, Vec::new());
    for batch in trace.chunks(BATCH) {
        let begin = cpu();
        for &(now, step) in batch {
            let command = step.command(now);
            entries.push_back(Entry::Command(now, command.clone()));
            let _ = black_box(acd.apply(now, command, &mut out));
            out.clear();
        }
        let told = cpu();
        for entry in entries.drain(..) {
            line.clear();
            serde_json::to_writer(&mut line, &entry).unwrap();
            black_box(&line);
        }
        control += told - begin;
        recorder += cpu() - told;
    }
    (control, recorder)
}

/// The naive twin decides the beginning of the trace as the matcher does.
fn agrees_with_twin(scene: &Scene, start: &Acd, trace: &[(Time, Step)]) {
    let (mut acd, mut twin, mut out) = (start.clone(), naive::Naive::new(1, naive::Twist::None), Vec::new());
    for (now, command) in &scene.before {
        let _ = twin.apply(*now, command.clone());
    }
    let (mut sum, mut expected) = (0, 0);
    for &(now, step) in &trace[..TWIN.min(trace.len())] {
        acd.apply(now, step.command(now), &mut out).unwrap();
        sum = checksum(sum, &out);
        out.clear();
        expected = checksum(expected, &twin.apply(now, step.command(now)).0);
    }
    assert_eq!(sum, expected, "the twin decides otherwise");
}

fn report(load: &Workload) {
    let mut scene = Scene::new(load);
    let start = scene.acd.clone();
    let counts = start.counts();
    let trace = scene.trace(load, COMMANDS);
    if load.agents * load.waiting.max(1) as u32 <= 1_500_000 {
        agrees_with_twin(&scene, &start, &trace);
    }
    let idle = (0..RUNS).map(|_| null(&trace)).min().unwrap();
    let runs: Vec<(Duration, u64)> = (0..RUNS).map(|_| run(&start, &trace)).collect();
    assert!(runs.iter().all(|(_, sum)| *sum == runs[0].1), "the same trace, the same decisions");
    let per = |spent: Duration| spent.saturating_sub(idle).as_nanos() as f64 / trace.len() as f64;
    let mut spent: Vec<f64> = runs.iter().map(|r| per(r.0)).collect();
    spent.sort_by(f64::total_cmp);
    let (warm, swept) = (spans(&start, &trace, PASSES, || ()), swept(&start, &trace));
    let (control, recorder) = journalled(&start, &trace);
    let share = |spans: &[u64], permille: usize| spans[(spans.len() - 1) * permille / 1000];
    println!(
        "{:<20} {:>6} {:>6} {:>5} {:>7} | {:>6.1} {:>6.1} {:>6.1} | {:>5} {:>5} {:>5} | {:>5} {:>5} {:>5} | {:>6.1} {:>6.1} | {:>5} {:>5} | {:016x}",
        load.name,
        counts.agents,
        counts.groups,
        counts.classes,
        counts.waiting,
        spent[0],
        spent[RUNS / 2],
        spent[RUNS - 1],
        share(&warm, 500),
        share(&warm, 990),
        share(&warm, 999),
        share(&swept, 500),
        share(&swept, 990),
        share(&swept, 999),
        per(control),
        per(recorder + idle),
        scene.bytes.0,
        scene.bytes.1,
        runs[0].1,
    );
}

/// The commands once, for an instruction counter: `--quick NAME`.
fn quick(name: &str) {
    let load = WORKLOADS.iter().find(|load| load.name == name).unwrap();
    let mut scene = Scene::new(load);
    let start = scene.acd.clone();
    let trace = scene.trace(load, COMMANDS / 10);
    println!("{name}: {} commands, {:016x}", trace.len(), run(&start, &trace).1);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--quick") {
        return quick(arguments.get(at + 1).map_or("1.5k saturated", String::as_str));
    }
    println!("mix: released, accepted, enqueued in equal parts; in one round of ten a caller gives up and is replaced");
    println!(
        "per command: CPU ns min, median, max of {RUNS} runs | wall ns p50, p99, p99.9, caches warm | the same, swept"
    );
    println!(
        "journal: CPU ns per command, put in the journal by the control loop | and written as JSON by the recorder"
    );
    println!(
        "{:<20} {:>6} {:>6} {:>5} {:>7} | CPU | warm | swept | journal | bytes per agent, waiting call | checksum of offers",
        "workload", "agents", "groups", "class", "waiting"
    );
    for load in &WORKLOADS {
        report(load);
    }
}
