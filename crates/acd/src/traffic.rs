//! What may happen next in a future, and how often it does: calls that come, conversations that end, callers who give up.

use crate::acd::{Acd, CLASSES_MAX};
use crate::command::{Command, Decision, Enqueue};
use crate::forecast::Spot;
use crate::habits::Habits;
use busyhour_model::{AgentId, AgentState, CallId, QueueId, Seed, Time};
use std::time::Duration;

/// Events of one future: a crowd that is not through by then goes on at the pace it went.
const EVENTS_MAX: u64 = 20_000;

/// A caller whose wait is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watched {
    pub(crate) call: CallId,
    pub(crate) spot: Spot,
}

/// Calls made here have the highest numbers, which no call has: one ghost per class, then those of the futures. A ghost
/// stands in line and is measured, but takes nobody's turn: an agent it is offered to takes the next call.
pub(crate) fn ghost(class: u32) -> CallId {
    CallId(u64::MAX - u64::from(class))
}

pub(crate) fn is_ghost(call: CallId) -> bool {
    call.0 > u64::MAX - CLASSES_MAX as u64
}

/// The traffic of all queues, without memory.
#[derive(Clone)]
pub(crate) struct Traffic {
    queues: Vec<Flow>,
    /// Conversations and offers under way that the ACD did not give, or of queues without habits.
    others: Vec<AgentId>,
    release_rate: f64,
    odds: Odds,
}

#[derive(Clone)]
struct Flow {
    queue: QueueId,
    arrival_rate: f64,
    release_rate: f64,
    abandon_rate: f64,
    talking: Vec<AgentId>,
    /// Some have left since.
    waiting: Vec<CallId>,
}

/// What happened.
#[derive(Clone, Copy)]
enum Next {
    Arrives(usize),
    Ends(usize),
    GivesUp(usize),
    OtherEnds,
}

impl Traffic {
    /// As it was of late; `None` when no conversation has ended yet. Those who are watched do not give up.
    pub(crate) fn of(acd: &Acd, watched: &[Watched]) -> Option<Traffic> {
        let queues = acd.queues.iter().flatten();
        let rates: Vec<f64> = queues.clone().filter_map(|queue| queue.habits.release_rate()).collect();
        if rates.is_empty() {
            return None;
        }
        let mean = rates.iter().map(|rate| 1.0 / rate).sum::<f64>() / rates.len() as f64;
        let flows: Vec<Flow> =
            queues.map(|queue| Flow::new(queue.spec.id, &queue.habits, acd.now, 1.0 / mean)).collect();
        let odds = Odds::new(3 * flows.len() + 1);
        let mut traffic = Traffic { queues: flows, others: Vec::new(), release_rate: 1.0 / mean, odds };
        for agent in acd.agents.iter().flatten().filter(|agent| agent.state == AgentState::Talking) {
            match traffic.flow(agent.work.queue) {
                Some(at) => traffic.queues[at].talking.push(agent.id),
                None => traffic.others.push(agent.id),
            }
        }
        let is_watched = |call: CallId| watched.binary_search_by_key(&call, |w| w.call).is_ok();
        for (call, queue, _) in acd.waiting().filter(|waiting| !is_watched(waiting.0)) {
            let at = traffic.flow(queue)?;
            traffic.queues[at].waiting.push(call);
        }
        (0..traffic.queues.len()).for_each(|at| traffic.weigh(at));
        traffic.weigh_others();
        Some(traffic)
    }

    fn flow(&self, queue: QueueId) -> Option<usize> {
        self.queues.binary_search_by_key(&queue, |flow| flow.queue).ok()
    }

    fn weigh(&mut self, at: usize) {
        let flow = &self.queues[at];
        let rates = [
            flow.arrival_rate,
            flow.talking.len() as f64 * flow.release_rate,
            flow.waiting.len() as f64 * flow.abandon_rate,
        ];
        for (kind, rate) in rates.into_iter().enumerate() {
            self.odds.set(3 * at + kind, rate);
        }
    }

    fn weigh_others(&mut self) {
        self.odds.set(3 * self.queues.len(), self.others.len() as f64 * self.release_rate);
    }

    /// How long each of the watched waits in one future.
    pub(crate) fn play(
        mut self,
        acd: &mut Acd,
        mut seed: Seed,
        watched: &[Watched],
        horizon: Duration,
    ) -> Vec<Duration> {
        let start = acd.now;
        let mut waits = Waits { watched, spans: vec![None; watched.len()], left: watched.len(), start };
        let mut out = Vec::new();
        for agent in acd.ringing() {
            let call = acd.agent_ref(agent).work.call;
            // Of several who are rung the first answers.
            if acd.apply(start, Command::Accepted { call, agent }, &mut out).is_ok() {
                self.took(acd, agent);
            }
        }
        self.follow(acd, start, &mut waits, &mut out);
        let mut now = start;
        for number in 0..EVENTS_MAX {
            let (gap, next) = self.draw(&mut seed);
            let at = now + Duration::from_secs_f64(gap);
            // What the matcher has to do by itself comes first; traffic has no memory and is drawn anew.
            let (then, command) = match acd.poll_timeout().filter(|&due| due <= at) {
                Some(due) => (due, Some(Command::Tick)),
                None => (at, self.command(acd, next, at, &mut seed, number)),
            };
            now = then;
            if waits.left == 0 || now.since(start) >= horizon {
                break;
            }
            let Some(command) = command else { continue };
            out.clear();
            let _ = acd.apply(now, command, &mut out);
            self.follow(acd, now, &mut waits, &mut out);
        }
        waits.finish(acd, now, horizon)
    }

    /// Takes every offer at once.
    fn follow(&mut self, acd: &mut Acd, now: Time, waits: &mut Waits<'_>, out: &mut Vec<Decision>) {
        let mut at = 0;
        while let Some(decision) = out.get(at) {
            at += 1;
            match *decision {
                Decision::Overflow { call, .. } => waits.over(call, now),
                Decision::Offer { call, agent, .. } => {
                    waits.over(call, now);
                    if is_ghost(call) {
                        let _ = acd.apply(now, Command::Leave { call }, out);
                    } else if acd.apply(now, Command::Accepted { call, agent }, out).is_ok() {
                        self.took(acd, agent);
                    }
                }
                _ => {}
            }
        }
    }

    fn took(&mut self, acd: &Acd, agent: AgentId) {
        if let Some(at) = self.flow(acd.agent_ref(agent).work.queue) {
            self.queues[at].talking.push(agent);
            self.weigh(at);
        }
    }

    /// Seconds until the next event, and which (Gillespie 1977).
    fn draw(&self, seed: &mut Seed) -> (f64, Next) {
        let total = self.odds.total();
        let gap = -uniform(seed).ln() / total.max(f64::MIN_POSITIVE);
        let event = self.odds.pick(uniform(seed) * total);
        let next = match (event / 3, event % 3) {
            (at, _) if at >= self.queues.len() => Next::OtherEnds,
            (at, 0) => Next::Arrives(at),
            (at, 1) => Next::Ends(at),
            (at, _) => Next::GivesUp(at),
        };
        (gap.min(1e9), next)
    }

    /// The event as a command; `None` when it turns out not to happen.
    fn command(&mut self, acd: &Acd, next: Next, since: Time, seed: &mut Seed, number: u64) -> Option<Command> {
        match next {
            Next::Arrives(at) => {
                let (call, queue) = (CallId(u64::MAX - CLASSES_MAX as u64 - number), self.queues[at].queue);
                self.queues[at].waiting.push(call);
                self.weigh(at);
                Some(Command::Enqueue(Enqueue {
                    call,
                    queue,
                    required: Vec::new(),
                    priority: 0,
                    since,
                    agent: None,
                    prefer: None,
                }))
            }
            Next::Ends(at) => {
                let agent = remove(&mut self.queues[at].talking, seed)?;
                self.weigh(at);
                Some(Command::Released { agent })
            }
            Next::OtherEnds => {
                let agent = remove(&mut self.others, seed)?;
                self.weigh_others();
                Some(Command::Released { agent })
            }
            Next::GivesUp(at) => {
                let call = remove(&mut self.queues[at].waiting, seed)?;
                self.weigh(at);
                acd.calls.find(call).map(|_| Command::Leave { call })
            }
        }
    }
}

impl Flow {
    fn new(queue: QueueId, habits: &Habits, now: Time, usual: f64) -> Flow {
        Flow {
            queue,
            arrival_rate: habits.arrival_rate(now),
            release_rate: habits.release_rate().unwrap_or(usual),
            abandon_rate: habits.abandon_rate(),
            talking: Vec::new(),
            waiting: Vec::new(),
        }
    }
}

/// How long the watched waited so far.
struct Waits<'a> {
    /// In order.
    watched: &'a [Watched],
    spans: Vec<Option<Duration>>,
    left: usize,
    start: Time,
}

impl Waits<'_> {
    /// This call waits no longer; where several are rung for it that is said more than once.
    fn over(&mut self, call: CallId, now: Time) {
        if let Ok(at) = self.watched.binary_search_by_key(&call, |w| w.call)
            && self.spans[at].is_none()
        {
            self.spans[at] = Some(now.since(self.start));
            self.left -= 1;
        }
    }

    /// Who still waits goes on at the pace of those ahead.
    fn finish(self, acd: &Acd, now: Time, horizon: Duration) -> Vec<Duration> {
        let elapsed = now.since(self.start);
        let rest = |watched: &Watched| {
            let ahead = watched.spot.ahead;
            let passed = ahead.saturating_sub(acd.place(now, watched.call)?.ahead);
            let times = f64::from(ahead + 1) / f64::from(passed);
            (passed > 0).then(|| horizon.min(elapsed.mul_f64(times)))
        };
        let each = self.watched.iter().zip(&self.spans);
        each.map(|(watched, span)| span.or_else(|| rest(watched)).unwrap_or(horizon)).collect()
    }
}

/// Rates of events in a binary tree of sums: one is changed or drawn in few steps, however many there are.
#[derive(Clone)]
struct Odds {
    /// The children of `n` are `2n` and `2n + 1`; the root is 1.
    sums: Vec<f64>,
}

impl Odds {
    fn new(events: usize) -> Odds {
        Odds { sums: vec![0.0; 2 * events.next_power_of_two()] }
    }

    fn set(&mut self, event: usize, rate: f64) {
        let mut at = self.sums.len() / 2 + event;
        if self.sums[at] == rate {
            return;
        }
        self.sums[at] = rate;
        while at > 1 {
            at /= 2;
            self.sums[at] = self.sums[2 * at] + self.sums[2 * at + 1];
        }
    }

    fn total(&self) -> f64 {
        self.sums[1]
    }

    /// The event that this share of the total falls to.
    fn pick(&self, mut share: f64) -> usize {
        let events = self.sums.len() / 2;
        let mut at = 1;
        while at < events {
            // No branch: it would be a guess.
            let left = self.sums[2 * at];
            let right = share >= left;
            share -= f64::from_bits(left.to_bits() & u64::from(right).wrapping_neg());
            at = 2 * at + usize::from(right);
        }
        at - events
    }
}

/// In (0, 1].
fn uniform(seed: &mut Seed) -> f64 {
    ((seed.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// Any of them.
fn remove<T>(from: &mut Vec<T>, seed: &mut Seed) -> Option<T> {
    let count = from.len() as u64;
    (count > 0).then(|| from.swap_remove(seed.below(count) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_drawn_as_often_as_their_rates_say() {
        let rates = [2.0, 0.0, 5.0, 1.0, 0.0, 12.0, 0.5];
        let mut odds = Odds::new(rates.len());
        for (event, rate) in rates.into_iter().enumerate() {
            odds.set(event, 99.0);
            odds.set(event, rate);
        }
        let mut drawn = [0.0; 7];
        for step in 0..20_500 {
            drawn[odds.pick(f64::from(step) / 20_500.0 * odds.total())] += 0.001;
        }
        assert!(rates.iter().zip(drawn).all(|(rate, drawn)| (rate - drawn).abs() < 0.002), "{drawn:?}");
    }
}
