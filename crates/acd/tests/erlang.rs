//! The matcher alone, under random traffic, waits as the theory of queues says.
#![allow(clippy::unwrap_used)]

use busyhour_acd::{Acd, AgentChoice, AgentSpec, Command, Decision, Enqueue, Policy, QueueSpec};
use busyhour_model::{AgentId, CallId, QueueId, SkillId, Time};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

const HANDLING_S: f64 = 180.0;

/// Uniform in (0, 1], SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(-mean * self.roll().ln())
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Arrives,
    Released(AgentId),
}

/// A pool of agents who all know everything; each queue has a share of the traffic and a goal in seconds.
struct Pool {
    agents: u32,
    erlangs: f64,
    queues: &'static [(f64, u64)],
    calls: u64,
}

impl Pool {
    /// Queue and wait in seconds of every call, in order of being served. Handling times belong to the turn, not to the
    /// call, so that the number of calls waiting is the same under every rule.
    fn run(&self, seed: u64) -> Vec<(u32, f64)> {
        let mut acd = self.staffed(seed);
        let mut dice = (Dice(seed), Dice(seed + 1), Dice(seed + 2));
        let mut next = BinaryHeap::from([Reverse((Time::from_secs(1), Next::Arrives))]);
        let (mut arrived, mut waits, mut out) = (0, Vec::new(), Vec::new());
        while let Some(Reverse((now, event))) = next.pop() {
            let command = match event {
                Next::Released(agent) => Command::Released { agent },
                Next::Arrives if arrived == self.calls => continue,
                Next::Arrives => {
                    arrived += 1;
                    next.push(Reverse((now + dice.0.exponential(HANDLING_S / self.erlangs), Next::Arrives)));
                    enqueue(arrived, self.queue(dice.2.roll()), now)
                }
            };
            acd.apply(now, command, &mut out).unwrap();
            let decisions = std::mem::take(&mut out);
            for decision in decisions {
                let Decision::Offer { call, queue, agent, why } = decision else { continue };
                waits.push((queue.0, why.waited.as_secs_f64()));
                acd.apply(now, Command::Accepted { call, agent }, &mut out).unwrap();
                next.push(Reverse((now + dice.1.exponential(HANDLING_S), Next::Released(agent))));
            }
            out.clear();
        }
        acd.check();
        waits
    }

    fn staffed(&self, seed: u64) -> Acd {
        let (mut acd, mut out) = (Acd::new(seed), Vec::new());
        for (id, &(_, goal)) in self.queues.iter().enumerate() {
            let spec = QueueSpec {
                id: QueueId(id as u32),
                required: vec![(SkillId(0), 1)],
                relax: Vec::new(),
                priority: 0,
                goal: Duration::from_secs(goal),
                choice: AgentChoice::LongestIdle,
                wait_max: None,
                waiting_max: None,
                overflow_no_agents: false,
                wrap_up: Duration::ZERO,
                policy: Policy::default(),
            };
            acd.apply(Time::ZERO, Command::SetQueue(spec), &mut out).unwrap();
        }
        for id in 0..self.agents {
            let spec = AgentSpec::new(AgentId(id), vec![(SkillId(0), 1)]);
            acd.apply(Time::ZERO, Command::SetAgent(spec), &mut out).unwrap();
            acd.apply(Time::ZERO, Command::SignIn { agent: AgentId(id), not_ready: None }, &mut out).unwrap();
        }
        acd
    }

    fn queue(&self, roll: f64) -> u32 {
        let mut sum = 0.0;
        let at = self.queues.iter().position(|(share, _)| {
            sum += share;
            roll <= sum
        });
        at.unwrap_or(0) as u32
    }
}

fn enqueue(call: u64, queue: u32, since: Time) -> Command {
    let (call, queue) = (CallId(call), QueueId(queue));
    Command::Enqueue(Enqueue { call, queue, required: Vec::new(), priority: 0, since, agent: None })
}

/// Mean and half of the 99 % interval, by 20 batch means.
fn interval(values: &[f64]) -> (f64, f64) {
    const BATCHES: usize = 20;
    const T_99: f64 = 2.861;
    let means: Vec<f64> = values
        .chunks_exact(values.len() / BATCHES)
        .take(BATCHES)
        .map(|batch| batch.iter().sum::<f64>() / batch.len() as f64)
        .collect();
    let mean = means.iter().sum::<f64>() / BATCHES as f64;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (BATCHES - 1) as f64;
    (mean, T_99 * (variance / BATCHES as f64).sqrt())
}

#[test]
fn callers_wait_as_erlang_c_says() {
    // Agents, Erlangs, P(W > 0), E[W] s, P(W <= 20 s).
    let table = [(10, 8.0, 0.40918, 36.826, 0.67235), (50, 45.0, 0.36386, 13.099, 0.79123)];
    for (agents, erlangs, waits, mean, within) in table {
        let pool = Pool { agents, erlangs, queues: &[(1.0, 20)], calls: 120_000 };
        let run = pool.run(1);
        let columns: [(&str, f64, Vec<f64>); 3] = [
            ("P(W > 0)", waits, run.iter().map(|w| f64::from(w.1 > 0.0)).collect()),
            ("E[W]", mean, run.iter().map(|w| w.1).collect()),
            ("P(W <= 20 s)", within, run.iter().map(|w| f64::from(w.1 <= 20.0)).collect()),
        ];
        for (name, exact, values) in columns {
            let (measured, half) = interval(&values);
            assert!((measured - exact).abs() <= half, "{agents} agents: {name} {measured} +- {half}, exactly {exact}");
            assert!(half < 0.25 * exact, "{agents} agents: {name} +- {half} says nothing");
        }
    }
}

#[test]
fn a_shorter_goal_takes_waiting_from_the_others_and_makes_none() {
    let pool = |queues| Pool { agents: 20, erlangs: 19.4, queues, calls: 60_000 };
    let fair = pool(&[(0.4, 20), (0.6, 20)]).run(3);
    let favoured = pool(&[(0.4, 20), (0.6, 60)]).run(3);
    let sum = |run: &[(u32, f64)]| run.iter().map(|w| w.1).sum::<f64>();
    let (before, after) = (sum(&fair), sum(&favoured));
    assert!((before - after).abs() < 1e-9 * before, "waiting is conserved: {before} {after}");
    let mean = |run: &[(u32, f64)], queue| {
        let waits: Vec<f64> = run.iter().filter(|w| w.0 == queue).map(|w| w.1).collect();
        waits.iter().sum::<f64>() / waits.len() as f64
    };
    let ratio = mean(&fair, 1) / mean(&fair, 0);
    assert!((ratio - 1.0).abs() < 0.05, "equal goals, equal waits: {ratio}");
    let ratio = mean(&favoured, 1) / mean(&favoured, 0);
    assert!((2.5..3.0).contains(&ratio), "goals of 20 and 60 s divide waiting nearly 1:3, not 1:{ratio}");
}
