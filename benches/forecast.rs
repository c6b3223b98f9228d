//! What it costs to foresee waits all the time: CPU of one forecast of all queues, and of the copy the control loop hands
//! out for it.
//!
//! A centre is played until so many callers wait: two to four of the skills each, conversations of three minutes, more
//! calls than can be served, callers who give up. Then everything waiting is foreseen, several times.
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]

use busyhour_acd::{Acd, AgentChoice, AgentSpec, Command, Decision, Enqueue, LookAhead, Policy, QueueSpec};
use busyhour_model::{AgentId, CallId, QueueId, Seed, SkillId, Time};
use rustix::time::{ClockId, clock_gettime};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::hint::black_box;
use std::time::Duration;

const HANDLING_S: f64 = 180.0;
const TIMES: u32 = 10;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Released(AgentId),
    GivesUp(CallId),
    Arrives,
}

struct Centre {
    acd: Acd,
    dice: Seed,
    now: Time,
    queues: u64,
    calls: u64,
    /// Calls per second.
    rate: f64,
    patience: f64,
    events: BinaryHeap<Reverse<(Time, Next)>>,
    waiting: BTreeSet<CallId>,
    out: Vec<Decision>,
}

fn queue(id: u32) -> QueueSpec {
    QueueSpec {
        id: QueueId(id),
        required: vec![(SkillId(id), 1)],
        relax: Vec::new(),
        priority: 0,
        goal: Duration::from_secs(20),
        choice: AgentChoice::LeastSkilled,
        wait_max: None,
        waiting_max: None,
        overflow_no_agents: false,
        wrap_up: Duration::ZERO,
        policy: Policy::default(),
    }
}

impl Centre {
    /// As it is when so many wait: 1.3 times the calls that can be served.
    fn new(agents: u32, groups: usize, queues: u64, waiting: usize) -> Centre {
        let rate = 1.3 * f64::from(agents) / HANDLING_S;
        let mut centre = Centre {
            acd: Acd::new(1),
            dice: Seed(1),
            now: Time::from_secs(1_000),
            queues,
            calls: 0,
            rate,
            patience: 1.2 * waiting as f64 / (0.3 * rate),
            events: BinaryHeap::from([Reverse((Time::from_secs(1_000), Next::Arrives))]),
            waiting: BTreeSet::new(),
            out: Vec::new(),
        };
        (0..queues as u32).for_each(|id| centre.tell(Command::SetQueue(Box::new(queue(id)))));
        let mut sets: BTreeSet<BTreeSet<u32>> = BTreeSet::new();
        while sets.len() < groups {
            let count = 2 + centre.dice.below(3);
            sets.insert((0..count).map(|_| centre.dice.below(queues) as u32).collect());
        }
        let sets: Vec<_> = sets.into_iter().collect();
        for id in 0..agents {
            let skills = sets[id as usize % sets.len()].iter().map(|&skill| (SkillId(skill), 1)).collect();
            centre.tell(Command::SetAgent(AgentSpec::new(AgentId(id), skills)));
            centre.tell(Command::SignIn { agent: AgentId(id), not_ready: None });
        }
        while centre.waiting.len() < waiting {
            centre.step();
        }
        centre
    }

    fn after(&mut self, mean: f64) -> Time {
        let uniform = ((self.dice.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        self.now + Duration::from_secs_f64(-mean * uniform.ln())
    }

    fn step(&mut self) {
        let Reverse((now, next)) = self.events.pop().unwrap();
        self.now = now;
        match next {
            Next::Released(agent) => self.tell(Command::Released { agent }),
            Next::GivesUp(call) if self.waiting.remove(&call) => self.tell(Command::Leave { call }),
            Next::GivesUp(_) => {}
            Next::Arrives => {
                let at = self.after(1.0 / self.rate);
                self.events.push(Reverse((at, Next::Arrives)));
                self.calls += 1;
                let (call, queue) = (CallId(self.calls), QueueId(self.dice.below(self.queues) as u32));
                self.waiting.insert(call);
                let at = self.after(self.patience);
                self.events.push(Reverse((at, Next::GivesUp(call))));
                let wish =
                    Enqueue { call, queue, required: Vec::new(), priority: 0, since: now, agent: None, prefer: None };
                self.tell(Command::Enqueue(wish));
            }
        }
    }

    fn tell(&mut self, command: Command) {
        let mut out = std::mem::take(&mut self.out);
        self.acd.apply(self.now, command, &mut out).unwrap();
        let mut at = 0;
        while let Some(decision) = out.get(at) {
            at += 1;
            let Decision::Offer { call, agent, .. } = *decision else { continue };
            self.waiting.remove(&call);
            self.acd.apply(self.now, Command::Accepted { call, agent }, &mut out).unwrap();
            let end = self.after(HANDLING_S);
            self.events.push(Reverse((end, Next::Released(agent))));
        }
        out.clear();
        self.out = out;
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Median milliseconds of CPU.
fn timed(mut work: impl FnMut(u32)) -> f64 {
    let mut spent: Vec<f64> = (0..TIMES)
        .map(|time| {
            let begin = cpu();
            work(time);
            (cpu() - begin).as_secs_f64() * 1e3
        })
        .collect();
    spent.sort_by(f64::total_cmp);
    spent[spent.len() / 2]
}

fn report(name: &str, centre: &Centre) {
    let counts = centre.acd.counts();
    let copy = timed(|_| drop(black_box(centre.acd.clone())));
    let foresee = |replications, error| {
        timed(|time| {
            let how = LookAhead { seed: time.into(), replications, error, ..LookAhead::default() };
            black_box(centre.acd.foresee(centre.now, &how));
        })
    };
    let usual = LookAhead::default();
    let (all, enough) = (foresee(30, 0.0), foresee(usual.replications, usual.error));
    println!(
        "{name:<20} {:>6} {:>6} {:>5} {:>7} | {copy:>7.3} | {all:>8.2} {:>7.3} | {enough:>8.2}",
        counts.agents,
        counts.groups,
        centre.queues,
        counts.waiting,
        all / centre.queues as f64
    );
}

fn main() {
    println!(
        "milliseconds of CPU, median of {TIMES}: a copy | 30 futures for all queues, per queue | as many as are needed"
    );
    println!("{:<20} {:>6} {:>6} {:>5} {:>7}", "centre", "agents", "groups", "queue", "waiting");
    report("small", &Centre::new(50, 12, 6, 15));
    report("design point", &Centre::new(1_500, 60, 30, 1_000));
    report("all different", &Centre::new(1_500, 1_200, 30, 1_000));
    report("large", &Centre::new(10_000, 300, 100, 10_000));
}
