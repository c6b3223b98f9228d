//! A call centre of the theory's kind around the matcher: Poisson arrivals, exponential times, in virtual time.

use busyhour_acd::{Acd, AgentSpec, Command, Decision, Enqueue, Policy, QueueSpec, Skill};
use busyhour_model::{AgentId, CallId, QueueId, Seed, SkillId, Time};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

/// What comes in and who is there.
#[derive(Clone)]
pub(crate) struct Centre {
    pub(crate) queues: Vec<QueueSpec>,
    pub(crate) agents: Vec<AgentSpec>,
    /// Calls per second, by queue.
    pub(crate) arrivals: Vec<f64>,
    /// Mean handling time, seconds.
    pub(crate) handling: f64,
    /// Mean time until a caller gives up, seconds.
    pub(crate) patience: Option<f64>,
    /// Each call with a number divisible by this stays: its wait shows what was predicted for it.
    pub(crate) stays: u64,
    /// Calls waiting in all queues together; a call that would be one more is blocked.
    pub(crate) places: Option<usize>,
    pub(crate) calls: u64,
    pub(crate) seed: u64,
}

/// What became of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fate {
    pub(crate) queue: usize,
    /// Seconds.
    pub(crate) wait: f64,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Served,
    Abandoned,
    Blocked,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Next {
    Released(AgentId),
    GivesUp(CallId),
    Arrives(usize),
}

/// The centre in motion.
pub(crate) struct Run {
    pub(crate) acd: Acd,
    pub(crate) now: Time,
    pub(crate) fates: Vec<Fate>,
    /// Calls that stayed on purpose, with the index of their fate.
    pub(crate) served: Vec<(CallId, usize)>,
    /// Seconds in calls, by agent.
    pub(crate) busy: Vec<f64>,
    pub(crate) events: BinaryHeap<Reverse<(Time, Next)>>,
    /// Queue, arrival and whether patience has no end, by waiting call.
    pub(crate) waiting: BTreeMap<CallId, (usize, Time)>,
    pub(crate) arrived: u64,
    centre: Centre,
    dice: [Seed; 3],
    out: Vec<Decision>,
}

pub(crate) fn skill(id: u32) -> Skill {
    (SkillId(id), 1)
}

/// A queue that needs this skill, its goal in seconds.
pub(crate) fn queue(id: u32, required: &[Skill], goal: u64) -> QueueSpec {
    QueueSpec {
        id: QueueId(id),
        required: required.to_vec(),
        relax: Vec::new(),
        priority: 0,
        goal: Duration::from_secs(goal),
        choice: busyhour_acd::AgentChoice::LongestIdle,
        wait_max: None,
        waiting_max: None,
        overflow_no_agents: false,
        wrap_up: Duration::ZERO,
        policy: Policy::default(),
    }
}

fn exponential(dice: &mut Seed, mean: f64) -> Duration {
    let uniform = ((dice.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64;
    Duration::from_secs_f64(-mean * uniform.ln())
}

impl Centre {
    /// One queue, everybody alike.
    pub(crate) fn pool(agents: u32, erlangs: f64, handling: f64) -> Centre {
        Centre {
            queues: vec![queue(0, &[], 20)],
            agents: (0..agents).map(|id| AgentSpec::new(AgentId(id), Vec::new())).collect(),
            arrivals: vec![erlangs / handling],
            handling,
            patience: None,
            stays: u64::MAX,
            places: None,
            calls: 100_000,
            seed: 1,
        }
    }

    pub(crate) fn start(&self) -> Run {
        let mut acd = Acd::new(self.seed);
        let mut out = Vec::new();
        let start = Time::from_secs(1);
        for queue in &self.queues {
            acd.apply(start, Command::SetQueue(Box::new(queue.clone())), &mut out).unwrap();
        }
        for agent in &self.agents {
            acd.apply(start, Command::SetAgent(agent.clone()), &mut out).unwrap();
            acd.apply(start, Command::SignIn { agent: agent.id, not_ready: None }, &mut out).unwrap();
        }
        out.clear();
        let mut run = Run {
            acd,
            now: start,
            fates: Vec::new(),
            served: Vec::new(),
            busy: vec![0.0; self.agents.len()],
            events: BinaryHeap::new(),
            waiting: BTreeMap::new(),
            arrived: 0,
            centre: self.clone(),
            dice: [Seed(self.seed), Seed(self.seed + 1), Seed(self.seed + 2)],
            out,
        };
        (0..self.queues.len()).for_each(|queue| run.plan_arrival(queue));
        run
    }

    /// All calls, the first tenth left out: the centre was empty then.
    pub(crate) fn fates(&self) -> Vec<Fate> {
        let mut run = self.start();
        while run.arrived < self.calls && run.step() {}
        let mut fates = run.fates;
        fates.drain(..fates.len() / 10);
        fates
    }
}

impl Run {
    fn plan_arrival(&mut self, queue: usize) {
        let gap = exponential(&mut self.dice[0], 1.0 / self.centre.arrivals[queue]);
        self.events.push(Reverse((self.now + gap, Next::Arrives(queue))));
    }

    /// When the next thing happens.
    pub(crate) fn next(&self) -> Time {
        self.events.peek().map_or(self.now, |event| event.0.0)
    }

    /// The next thing that happens; false when nothing does.
    pub(crate) fn step(&mut self) -> bool {
        let Some(Reverse((now, event))) = self.events.pop() else { return false };
        self.now = now;
        match event {
            Next::Released(agent) => self.tell(Command::Released { agent }),
            Next::GivesUp(call) => {
                if let Some((queue, since)) = self.waiting.remove(&call) {
                    self.tell(Command::Leave { call });
                    self.fates.push(Fate { queue, wait: seconds(now.since(since)), end: End::Abandoned });
                }
            }
            Next::Arrives(queue) => self.arrive(queue),
        }
        true
    }

    fn arrive(&mut self, queue: usize) {
        self.plan_arrival(queue);
        self.arrived += 1;
        let call = CallId(self.arrived);
        let (id, since) = (self.centre.queues[queue].id, self.now);
        self.waiting.insert(call, (queue, since));
        let wish = Enqueue { call, queue: id, required: Vec::new(), priority: 0, since, agent: None, prefer: None };
        self.tell(Command::Enqueue(wish));
        if !self.waiting.contains_key(&call) {
            return;
        }
        if self.centre.places.is_some_and(|places| self.waiting.len() > places) {
            self.waiting.remove(&call);
            self.tell(Command::Leave { call });
            self.fates.push(Fate { queue, wait: 0.0, end: End::Blocked });
        } else if let Some(patience) = self.centre.patience.filter(|_| !self.arrived.is_multiple_of(self.centre.stays))
        {
            let gives_up = self.now + exponential(&mut self.dice[2], patience);
            self.events.push(Reverse((gives_up, Next::GivesUp(call))));
        }
    }

    /// Every offer is taken at once. Handling times belong to the turn, not to the call: so the number of calls waiting
    /// is the same under every order of calls.
    fn tell(&mut self, command: Command) {
        let now = self.now;
        self.acd.apply(now, command, &mut self.out).unwrap();
        let decisions = std::mem::take(&mut self.out);
        for decision in &decisions {
            let Decision::Offer { call, agent, .. } = *decision else { continue };
            let (queue, since) = self.waiting.remove(&call).unwrap();
            self.fates.push(Fate { queue, wait: seconds(now.since(since)), end: End::Served });
            if call.0.is_multiple_of(self.centre.stays) {
                self.served.push((call, self.fates.len() - 1));
            }
            self.acd.apply(now, Command::Accepted { call, agent }, &mut self.out).unwrap();
            let span = exponential(&mut self.dice[1], self.centre.handling);
            self.busy[agent.0 as usize] += seconds(span);
            self.events.push(Reverse((now + span, Next::Released(agent))));
        }
        self.out = decisions;
        self.out.clear();
    }
}

pub(crate) fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

/// Mean and half of the 99 % interval, by 20 batch means.
pub(crate) fn interval(values: &[f64]) -> (f64, f64) {
    const BATCHES: usize = 20;
    const T_99: f64 = 2.861;
    let size = values.len() / BATCHES;
    let means: Vec<f64> = values.chunks_exact(size).take(BATCHES).map(mean).collect();
    let centre = mean(&means);
    let variance = means.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / (BATCHES - 1) as f64;
    (centre, T_99 * (variance / BATCHES as f64).sqrt())
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The measured values agree with the exact one, and closely enough to say something.
#[track_caller]
pub(crate) fn agrees(name: &str, values: &[f64], exact: f64, width: f64) {
    let (measured, half) = interval(values);
    println!("{name:<40} {measured:.5} +- {half:.5}, exactly {exact}");
    assert!((measured - exact).abs() <= half, "{name}: {measured} +- {half}, exactly {exact}");
    assert!(half <= width * exact, "{name}: +- {half} says nothing about {exact}");
}

/// Waits of calls that were not blocked.
pub(crate) fn waits(fates: &[Fate]) -> Vec<f64> {
    fates.iter().filter(|fate| fate.end != End::Blocked).map(|fate| fate.wait).collect()
}

/// 1 for each call that ended so, else 0.
pub(crate) fn ended(fates: &[Fate], end: End) -> Vec<f64> {
    fates.iter().map(|fate| f64::from(u8::from(fate.end == end))).collect()
}

pub(crate) fn of_queue(fates: &[Fate], queue: usize) -> Vec<Fate> {
    fates.iter().filter(|fate| fate.queue == queue).copied().collect()
}
