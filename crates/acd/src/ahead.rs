//! How long a caller will wait, by playing the centre forward on copies of the live matcher.
//!
//! Each replication draws what comes next from what the queues' traffic was like: calls that come, conversations that
//! end, callers who give up, all memoryless. Skills, relaxation, priorities and reserves are the matcher's own: nothing
//! is approximated but the traffic.

use crate::acd::{Acd, QUEUES_MAX};
use crate::command::{Command, Decision, Enqueue};
use crate::habits::Habits;
use busyhour_model::{AgentId, AgentState, CallId, QueueId, Seed, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whose wait is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whom {
    /// A call that waits.
    Call(CallId),
    /// A call that would come to this queue now.
    Next(QueueId),
}

/// How a wait is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookAhead {
    /// Same seed, same prediction.
    pub seed: u64,
    /// Copies played; 30 are good.
    pub replications: u32,
    /// Nobody is told of a longer wait.
    pub horizon: Duration,
}

impl Default for LookAhead {
    fn default() -> LookAhead {
        LookAhead { seed: 1, replications: 30, horizon: Duration::from_secs(3_600) }
    }
}

/// A predicted wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// Mean further wait of one who stays.
    pub mean: Duration,
    /// Nine in ten wait less.
    pub most: Duration,
    /// Calls served before that one as things are.
    pub ahead: u32,
}

impl Forecast {
    /// The wait of another call of the queue by its place: one prediction serves the whole line for some seconds.
    pub fn at(&self, ahead: u32) -> Duration {
        self.mean.mul_f64(f64::from(ahead + 1) / f64::from(self.ahead + 1))
    }
}

/// Waits asked for at once.
const WHOM_MAX: usize = 1 << 12;
/// Replications of one prediction.
const REPLICATIONS_MAX: u32 = 1_000;
/// Events of one replication: who is not served by then waits as long as the horizon.
const EVENTS_MAX: u64 = 20_000;

impl Acd {
    /// How long each of them waits from now on if the caller stays. `None` when there is no such waiting call or queue,
    /// it waits for one agent in person, would overflow at once, or no conversation of any queue has ended yet.
    ///
    /// Changes nothing here. All are watched in the same futures, so many cost hardly more than the one who waits
    /// longest; beyond 4,096 the rest is `None`. Calls that wait are better asked for than `Next`, which adds one.
    pub fn look_ahead(&self, now: Time, whom: &[Whom], how: &LookAhead) -> Vec<Option<Forecast>> {
        let mut start = self.clone();
        let mut none = vec![None; whom.len()];
        if start.apply(now, Command::Tick, &mut Vec::new()).is_err() {
            return none;
        }
        let probes: Vec<Option<CallId>> = whom.iter().take(WHOM_MAX).map(|&whom| start.probe(whom)).collect();
        let mut watched = Vec::new();
        for (at, call) in probes.into_iter().enumerate().filter_map(|(at, call)| Some((at, call?))) {
            match start.place(now, call) {
                Some(place) => watched.push((call, at, place.ahead)),
                None => none[at] = is_probe(call).then_some(AT_ONCE),
            }
        }
        watched.sort_unstable();
        watched.dedup_by_key(|w| w.0);
        let calls: Vec<CallId> = watched.iter().map(|w| w.0).collect();
        let Some(traffic) = Traffic::of(&start, &calls).filter(|_| !calls.is_empty()) else { return none };
        let futures: Vec<Vec<Duration>> = (0..u64::from(how.replications.clamp(1, REPLICATIONS_MAX)))
            .map(|number| traffic.clone().play(start.clone(), Seed(how.seed ^ number << 32), &calls, how.horizon))
            .collect();
        for (index, &(_, at, ahead)) in watched.iter().enumerate() {
            none[at] = Some(Forecast::of(futures.iter().map(|waits| waits[index]).collect(), ahead));
        }
        none
    }

    /// The call to watch; a new one is put into its line.
    fn probe(&mut self, whom: Whom) -> Option<CallId> {
        let call = match whom {
            Whom::Call(call) => call,
            Whom::Next(queue) => {
                self.known_queue(queue).ok()?;
                let spec = &mut self.queue_mut(queue).spec;
                (spec.waiting_max, spec.policy.wait_predicted_max) = (None, None);
                let (since, call) = (self.now, CallId(u64::MAX - u64::from(queue.0)));
                let wish = Enqueue { call, queue, required: Vec::new(), priority: 0, since, agent: None, prefer: None };
                self.apply(since, Command::Enqueue(wish), &mut Vec::new()).ok()?;
                call
            }
        };
        let found = &self.calls.slab[self.calls.find(call)?];
        (found.direct.is_none()).then_some(call)
    }

    fn ringing(&self) -> Vec<AgentId> {
        let rung = self.agents.iter().flatten().filter(|agent| agent.state == AgentState::Ringing);
        rung.map(|agent| agent.id).collect()
    }
}

const AT_ONCE: Forecast = Forecast { mean: Duration::ZERO, most: Duration::ZERO, ahead: 0 };

/// Calls made here have the highest numbers, which no call has: one per queue, then those of the futures.
fn is_probe(call: CallId) -> bool {
    call.0 > u64::MAX - QUEUES_MAX as u64
}

impl Forecast {
    fn of(mut waits: Vec<Duration>, ahead: u32) -> Forecast {
        waits.sort_unstable();
        let mean = waits.iter().sum::<Duration>() / waits.len() as u32;
        Forecast { mean, most: waits[(waits.len() - 1) * 9 / 10], ahead }
    }
}

/// What may happen next, and how often it does.
#[derive(Clone)]
struct Traffic {
    queues: Vec<Flow>,
    /// Conversations and offers under way that the ACD did not give, or of queues without habits.
    others: Vec<AgentId>,
    release_rate: f64,
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
    fn of(acd: &Acd, watched: &[CallId]) -> Option<Traffic> {
        let queues = acd.queues.iter().flatten();
        let rates: Vec<f64> = queues.clone().filter_map(|queue| queue.habits.release_rate()).collect();
        if rates.is_empty() {
            return None;
        }
        let mean = rates.iter().map(|rate| 1.0 / rate).sum::<f64>() / rates.len() as f64;
        let flows = queues.map(|queue| Flow::new(queue.spec.id, &queue.habits, acd.now, 1.0 / mean)).collect();
        let mut traffic = Traffic { queues: flows, others: Vec::new(), release_rate: 1.0 / mean };
        for agent in acd.agents.iter().flatten().filter(|agent| agent.state == AgentState::Talking) {
            match traffic.flow(agent.work.queue) {
                Some(flow) => flow.talking.push(agent.id),
                None => traffic.others.push(agent.id),
            }
        }
        for (call, queue, _) in acd.waiting().filter(|waiting| watched.binary_search(&waiting.0).is_err()) {
            traffic.flow(queue)?.waiting.push(call);
        }
        Some(traffic)
    }

    fn flow(&mut self, queue: QueueId) -> Option<&mut Flow> {
        let at = self.queues.binary_search_by_key(&queue, |flow| flow.queue).ok()?;
        Some(&mut self.queues[at])
    }

    /// How long each of the calls waits in one future.
    fn play(mut self, mut acd: Acd, mut seed: Seed, watched: &[CallId], horizon: Duration) -> Vec<Duration> {
        let (start, mut now) = (acd.now, acd.now);
        let (mut waits, mut left) = (vec![horizon; watched.len()], watched.len());
        let mut out = Vec::new();
        for agent in acd.ringing() {
            let call = acd.agent_ref(agent).work.call;
            let _ = acd.apply(now, Command::Accepted { call, agent }, &mut out);
            self.took(&acd, agent);
        }
        for number in 0..EVENTS_MAX {
            let (gap, next) = self.draw(&mut seed);
            let at = now + Duration::from_secs_f64(gap);
            // What the matcher has to do by itself comes first; traffic has no memory and is drawn anew.
            let (then, command) = match acd.poll_timeout().filter(|&due| due <= at) {
                Some(due) => (due, Some(Command::Tick)),
                None => (at, self.command(&acd, next, at, &mut seed, number)),
            };
            now = then;
            if left == 0 || now.since(start) >= horizon {
                break;
            }
            let Some(command) = command else { continue };
            out.clear();
            let _ = acd.apply(now, command, &mut out);
            let mut through = |call| {
                if let Ok(index) = watched.binary_search(&call) {
                    waits[index] = now.since(start);
                    left -= 1;
                }
            };
            self.follow(&mut acd, now, &mut through, &mut out);
        }
        waits
    }

    /// Takes every offer at once, and says which calls are through.
    fn follow(&mut self, acd: &mut Acd, now: Time, through: &mut impl FnMut(CallId), out: &mut Vec<Decision>) {
        let mut at = 0;
        while let Some(decision) = out.get(at) {
            match *decision {
                Decision::Overflow { call, .. } => through(call),
                Decision::Offer { call, agent, .. } => {
                    through(call);
                    let _ = acd.apply(now, Command::Accepted { call, agent }, out);
                    self.took(acd, agent);
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn took(&mut self, acd: &Acd, agent: AgentId) {
        if let Some(flow) = self.flow(acd.agent_ref(agent).work.queue) {
            flow.talking.push(agent);
        }
    }

    /// Seconds until the next event, and which (Gillespie 1977).
    fn draw(&self, seed: &mut Seed) -> (f64, Next) {
        let others = self.others.len() as f64 * self.release_rate;
        let total = others + self.queues.iter().map(Flow::total).sum::<f64>();
        let gap = -uniform(seed).ln() / total.max(f64::MIN_POSITIVE);
        let mut left = uniform(seed) * total;
        for (at, flow) in self.queues.iter().enumerate() {
            for (rate, next) in [
                (flow.arrival_rate, Next::Arrives(at)),
                (flow.ending(), Next::Ends(at)),
                (flow.giving_up(), Next::GivesUp(at)),
            ] {
                left -= rate;
                if left < 0.0 {
                    return (gap.min(1e9), next);
                }
            }
        }
        (gap.min(1e9), Next::OtherEnds)
    }

    /// The event as a command; `None` when it turns out not to happen.
    fn command(&mut self, acd: &Acd, next: Next, since: Time, seed: &mut Seed, number: u64) -> Option<Command> {
        match next {
            Next::Arrives(at) => {
                let (call, queue) = (CallId(u64::MAX - QUEUES_MAX as u64 - number), self.queues[at].queue);
                self.queues[at].waiting.push(call);
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
            Next::Ends(at) => Some(Command::Released { agent: remove(&mut self.queues[at].talking, seed)? }),
            Next::OtherEnds => Some(Command::Released { agent: remove(&mut self.others, seed)? }),
            Next::GivesUp(at) => {
                let call = remove(&mut self.queues[at].waiting, seed)?;
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

    fn ending(&self) -> f64 {
        self.talking.len() as f64 * self.release_rate
    }

    fn giving_up(&self) -> f64 {
        self.waiting.len() as f64 * self.abandon_rate
    }

    fn total(&self) -> f64 {
        self.arrival_rate + self.ending() + self.giving_up()
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
