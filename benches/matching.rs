//! How long one command takes in the matcher: CPU time per command, with the workload beside it.
//!
//! The trace is made beforehand by playing it once; a released agent takes the next call, and a call of the same queue
//! and priority takes its place, so the number waiting stays constant. Each run plays the same trace on a copy of the
//! same state; the cost of walking the trace is subtracted and the decisions of all runs must be the same.
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]

use busyhour_acd::{Acd, AgentChoice, AgentSpec, Command, Decision, Enqueue, QueueSpec, Skill};
use busyhour_model::{AgentId, CallId, QueueId, SkillId, Time};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

const RUNS: usize = 21;
const COMMANDS: usize = 200_000;

/// A call centre of a certain size under a certain load.
struct Workload {
    name: &'static str,
    agents: u32,
    groups: usize,
    skills: u64,
    /// One queue per skill and this many priority levels each: so many classes per skill.
    priorities: u64,
    waiting: usize,
}

const WORKLOADS: [Workload; 4] = [
    Workload { name: "1.5k light", agents: 1_500, groups: 60, skills: 30, priorities: 1, waiting: 0 },
    Workload { name: "1.5k saturated", agents: 1_500, groups: 60, skills: 30, priorities: 1, waiting: 1_000 },
    Workload { name: "10k saturated", agents: 10_000, groups: 300, skills: 100, priorities: 10, waiting: 100_000 },
    Workload {
        name: "10k all different",
        agents: 10_000,
        groups: 10_000,
        skills: 1_000,
        priorities: 1,
        waiting: 100_000,
    },
];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// The state before the trace, and the trace.
struct Scene {
    dice: Dice,
    acd: Acd,
    now: Time,
    calls: u64,
    /// Queue and priority by call.
    classes: Vec<(QueueId, i32)>,
    /// By call: in line, neither offered nor gone.
    waits: Vec<bool>,
    talking: Vec<AgentId>,
    out: Vec<Decision>,
}

impl Scene {
    fn new(load: &Workload) -> Scene {
        let mut scene = Scene {
            dice: Dice(1),
            acd: Acd::new(1),
            now: Time::from_secs(1_000),
            calls: 0,
            classes: Vec::new(),
            waits: Vec::new(),
            talking: Vec::new(),
            out: Vec::new(),
        };
        for id in 0..load.skills as u32 {
            scene.apply(Command::SetQueue(queue(id)));
        }
        let mut sets = BTreeSet::new();
        while sets.len() < load.groups {
            // 12 of 1,000 skills where all are different, else one to four.
            let count = if load.skills == 1_000 { 12 } else { 1 + scene.dice.roll(4) };
            let set: BTreeSet<Skill> = (0..count).map(|_| (SkillId(scene.dice.roll(load.skills) as u32), 1)).collect();
            sets.insert(set);
        }
        let sets: Vec<Vec<Skill>> = sets.into_iter().map(|set| set.into_iter().collect()).collect();
        for id in 0..load.agents {
            let skills = sets[id as usize % sets.len()].clone();
            scene.apply(Command::SetAgent(AgentSpec { id: AgentId(id), skills }));
            scene.apply(Command::SignIn { agent: AgentId(id), not_ready: None });
        }
        scene.fill(load);
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
                self.apply(Command::Occupy { agent, call });
                self.talking.push(agent);
            }
        }
        // Half of them leave again, so that the slots are used in no order.
        let mut order: Vec<u64> = Vec::new();
        for _ in 0..2 * load.waiting {
            let class = (QueueId(self.dice.roll(load.skills) as u32), 5 * self.dice.roll(load.priorities) as i32);
            order.push(self.calls);
            let command = self.arrival(class);
            self.apply(command);
        }
        for left in 0..load.waiting {
            let pick = left + self.dice.roll((order.len() - left) as u64) as usize;
            order.swap(left, pick);
            self.waits[order[left] as usize] = false;
            self.apply(Command::Leave { call: CallId(order[left]) });
        }
    }

    fn arrival(&mut self, (queue, priority): (QueueId, i32)) -> Command {
        let call = CallId(self.calls);
        self.calls += 1;
        self.classes.push((queue, priority));
        self.waits.push(true);
        self.now += Duration::from_micros(1 + self.dice.roll(2_000));
        Command::Enqueue(Enqueue { call, queue, required: Vec::new(), priority, since: self.now, agent: None })
    }

    fn apply(&mut self, command: Command) {
        self.out.clear();
        self.acd.apply(self.now, command, &mut self.out).unwrap();
    }

    fn play(&mut self, trace: &mut Vec<(Time, Command)>, command: Command) -> Option<(CallId, AgentId)> {
        trace.push((self.now, command.clone()));
        self.apply(command);
        let offered = self.out.iter().find_map(|decision| match decision {
            Decision::Offer { call, agent, .. } => Some((*call, *agent)),
            _ => None,
        });
        offered.inspect(|(call, _)| self.waits[call.0 as usize] = false)
    }

    /// Released, accepted, replaced; every tenth time a caller gives up too.
    fn trace(&mut self, load: &Workload) -> Vec<(Time, Command)> {
        let mut trace = Vec::new();
        while trace.len() < COMMANDS {
            self.now += Duration::from_micros(1 + self.dice.roll(2_000));
            let at = self.dice.roll(self.talking.len() as u64) as usize;
            let agent = self.talking.swap_remove(at);
            let mut offered = self.play(&mut trace, Command::Released { agent });
            let class = match offered {
                Some((call, _)) => self.classes[call.0 as usize],
                None => (QueueId(self.dice.roll(load.skills) as u32), 0),
            };
            self.accept(&mut trace, offered.take());
            let arrival = self.arrival(class);
            let offered = self.play(&mut trace, arrival);
            self.accept(&mut trace, offered);
            if self.dice.roll(10) == 0 {
                self.replace_one(&mut trace);
            }
        }
        trace
    }

    fn accept(&mut self, trace: &mut Vec<(Time, Command)>, offered: Option<(CallId, AgentId)>) {
        if let Some((call, agent)) = offered {
            self.play(trace, Command::Accepted { call, agent });
            self.talking.push(agent);
        }
    }

    /// Some waiting call is given up; one like it comes.
    fn replace_one(&mut self, trace: &mut Vec<(Time, Command)>) {
        let Some(call) = (0..64).map(|_| self.dice.roll(self.calls)).find(|&call| self.waits[call as usize]) else {
            return;
        };
        self.waits[call as usize] = false;
        let call = CallId(call);
        self.play(trace, Command::Leave { call });
        let arrival = self.arrival(self.classes[call.0 as usize]);
        self.play(trace, arrival);
    }
}

fn queue(id: u32) -> QueueSpec {
    QueueSpec {
        id: QueueId(id),
        required: vec![(SkillId(id), 1)],
        relax: Vec::new(),
        priority: 10 * (id as i32 % 3),
        goal: Duration::from_secs([10, 20, 30][id as usize % 3]),
        choice: AgentChoice::LeastSkilled,
        wait_max: None,
        waiting_max: None,
        overflow_no_agents: false,
        wrap_up: Duration::ZERO,
    }
}

/// CPU time of this process.
#[allow(unsafe_code, reason = "the standard library has no CPU clock")]
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux and `time` is ours to write.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
fn run(start: &Acd, trace: &[(Time, Command)]) -> (Duration, u64) {
    let (mut acd, trace) = (start.clone(), trace.to_vec());
    let (mut out, mut sum) = (Vec::with_capacity(16), 0);
    let begin = cpu();
    for (now, command) in trace {
        let done = acd.apply(now, command, &mut out);
        debug_assert!(done.is_ok());
        sum = checksum(sum, &out);
        out.clear();
    }
    let spent = cpu() - begin;
    black_box(&acd);
    (spent, sum)
}

/// CPU time of walking the trace and doing nothing.
fn null(trace: &[(Time, Command)]) -> Duration {
    let trace = trace.to_vec();
    let begin = cpu();
    for (now, command) in trace {
        black_box((now, command));
    }
    cpu() - begin
}

/// Wall time of each command by itself, sorted, less the cheapest reading of the clock.
fn latencies(start: &Acd, trace: &[(Time, Command)]) -> Vec<Duration> {
    let (mut acd, trace) = (start.clone(), trace.to_vec());
    let clock = (0..1_000).map(|_| Instant::now().elapsed()).min().unwrap();
    let mut out = Vec::with_capacity(16);
    let mut spans: Vec<Duration> = trace
        .into_iter()
        .map(|(now, command)| {
            let begin = Instant::now();
            let _ = black_box(acd.apply(now, command, &mut out));
            let span = begin.elapsed();
            out.clear();
            span.saturating_sub(clock)
        })
        .collect();
    spans.sort_unstable();
    spans
}

fn report(load: &Workload) {
    let mut scene = Scene::new(load);
    let start = scene.acd.clone();
    let counts = start.counts();
    let trace = scene.trace(load);
    let idle = (0..RUNS).map(|_| null(&trace)).min().unwrap();
    let runs: Vec<(Duration, u64)> = (0..RUNS).map(|_| run(&start, &trace)).collect();
    assert!(runs.iter().all(|(_, sum)| *sum == runs[0].1), "the same trace, the same decisions");
    let per = |spent: Duration| spent.saturating_sub(idle).as_nanos() as f64 / trace.len() as f64;
    let mut spent: Vec<f64> = runs.iter().map(|r| per(r.0)).collect();
    spent.sort_by(f64::total_cmp);
    let spans = latencies(&start, &trace);
    let share = |permille: usize| spans[(spans.len() - 1) * permille / 1000].as_nanos();
    println!(
        "{:<18} {:>6} agents {:>6} groups {:>5} classes {:>7} waiting {:>7} commands | {:>6.1} {:>6.1} {:>6.1} | {:>6} {:>6} {:>6} | {:016x}",
        load.name,
        counts.agents,
        counts.groups,
        counts.classes,
        counts.waiting,
        trace.len(),
        spent[0],
        spent[RUNS / 2],
        spent[RUNS - 1],
        share(500),
        share(990),
        share(999),
        runs[0].1,
    );
}

fn main() {
    println!("per command: CPU ns min, median, max of {RUNS} runs | wall ns p50, p99, p99.9 | checksum of offers");
    println!(
        "mix: released, accepted, enqueued in equal parts; one in ten rounds also a caller gives up and is replaced"
    );
    for load in &WORKLOADS {
        report(load);
    }
}
