//! What agents did so far, and whose turn it is by that.

use crate::acd::{Acd, micros};
use crate::agent::NO_QUEUE;
use crate::call::Call;
use crate::policy::{Order, Weights};
use crate::wish::is_at_work;
use busyhour_model::{AgentId, AgentState, QueueId, Seed, Time};
use serde::{Deserialize, Serialize};

/// Time constant of occupancy.
const WINDOW_US: f64 = 1_800e6;
/// An agent's own mean counts as much as the queue's after so many calls.
const OWN_CALLS: f64 = 8.0;
/// Kept for so many pairs of agent and queue; more are not told apart.
const PAIRS_MAX: usize = 1 << 18;

/// What an agent did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Merit {
    /// Chances in a lot.
    pub(crate) weight: u32,
    /// Calls taken since signing in.
    calls: u32,
    /// Offers not taken since the last that was, or since the agent was last made ready or not ready.
    misses: u32,
    /// Microseconds talked since signing in.
    talk: u64,
    /// End of the last conversation, and of the last the ACD gave.
    contact: Time,
    call: Time,
    /// Share of time occupied, as of `at`.
    occupancy: f64,
    at: Time,
}

/// Handling of one queue's calls by one agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own {
    calls: f64,
    seconds: f64,
    /// End of the last.
    last: Time,
}

impl Merit {
    pub(crate) fn new(weight: u32) -> Merit {
        Merit { weight, ..Merit::default() }
    }

    /// The agent goes from one state, in since `since`, to another.
    #[inline]
    pub(crate) fn learn(&mut self, now: Time, (from, since, queue): (AgentState, Time, QueueId), to: AgentState) {
        match (from, to) {
            (AgentState::Ringing, AgentState::Talking) => (self.calls, self.misses) = (self.calls + 1, 0),
            (AgentState::Talking, _) => {
                self.talk += micros(now, since);
                self.contact = now;
                if queue != NO_QUEUE {
                    self.call = now;
                }
            }
            (AgentState::SignedOut, _) => (self.calls, self.talk, self.misses) = (0, 0, 0),
            (AgentState::NotReady, _) => self.misses = 0,
            _ => {}
        }
        if is_at_work(from) != is_at_work(to) {
            self.age(now, is_at_work(from));
        }
    }

    /// Occupancy moves towards 1 or 0.
    fn age(&mut self, now: Time, occupied: bool) {
        let span = now.as_micros().saturating_sub(self.at.as_micros()) as f64;
        let target = f64::from(u8::from(occupied));
        self.occupancy = target + (self.occupancy - target) * (-span / WINDOW_US).exp();
        self.at = now;
    }

    /// Counts an offer that was not taken; true when that is one too many.
    pub(crate) fn miss(&mut self, max: u32) -> bool {
        self.misses += 1;
        self.misses >= max
    }

    /// Share of time occupied, of one who is idle now.
    fn share(&self, now: Time) -> f64 {
        self.occupancy * (-(micros(now, self.at) as f64) / WINDOW_US).exp()
    }

    /// Decays alike for all who are idle, so this orders them at any time: no need to look at the clock.
    fn occupancy_key(&self) -> u64 {
        ascending(self.occupancy.ln() + self.at.as_micros() as f64 / WINDOW_US)
    }
}

/// Orders as the number does.
fn ascending(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

impl Acd {
    /// The lower the sooner. `LongestIdle` is decided by the idle lists.
    pub(crate) fn turn_by(&self, order: Order, agent: AgentId, call: &Call) -> u64 {
        let merit = &self.agent_ref(agent).merit;
        match order {
            Order::LongestIdle => 0,
            Order::LongestSinceContact => merit.contact.as_micros(),
            Order::LongestSinceCall => merit.call.as_micros(),
            Order::LongestSinceQueueCall => {
                let queue = self.lanes[call.class as usize].queue;
                self.owns.get(&(agent, queue)).map_or(0, |own| own.last.as_micros())
            }
            Order::LeastOccupied => merit.occupancy_key(),
            Order::FewestCalls => u64::from(merit.calls),
            Order::LeastTalk => merit.talk,
            Order::Linear => u64::from(agent.0),
            Order::RoundRobin => {
                let last = self.queue_ref(self.lanes[call.class as usize].queue).last;
                u64::from(agent.0.wrapping_sub(last.wrapping_add(1)))
            }
            Order::Random => lot(self.seed, call.seq, agent, merit.weight),
            Order::Fastest => ascending(self.own_handling(agent, self.lanes[call.class as usize].queue)),
            // It is in the rank already.
            Order::Weighted => 0,
        }
    }

    /// Seconds this agent takes for a call of this queue.
    fn own_handling(&self, agent: AgentId, queue: QueueId) -> f64 {
        let mean = self.queue_ref(queue).handling.seconds().unwrap_or(0.0);
        let own = self.owns.get(&(agent, queue)).copied().unwrap_or_default();
        (own.seconds + OWN_CALLS * mean) / (own.calls + OWN_CALLS)
    }

    /// By the weights of the queue, how many millionths an idle agent is short of a perfect one.
    pub(crate) fn shortfall(&self, agent: AgentId, call: &Call) -> u32 {
        let id = self.lanes[call.class as usize].queue;
        let spec = &self.queue_ref(id).spec;
        let profile = &self.groups[self.agent_ref(agent).group].profile;
        let wanted = spec.required.iter().chain(&self.classes[call.class].extra);
        let levels: Vec<f64> = wanted.map(|s| f64::from(profile.level(s.0)) / 100.0).collect();
        let own = self.own_handling(agent, id);
        let usual = self.queue_ref(id).handling.seconds().unwrap_or(0.0);
        let Weights { skill, load, business, efficiency } = spec.policy.weights;
        let parts = [
            (skill, if levels.is_empty() { 1.0 } else { levels.iter().sum::<f64>() / levels.len() as f64 }),
            (load, 1.0 - self.agent_ref(agent).merit.share(self.now)),
            (business, f64::from(profile.points(id).clamp(0, 100)) / 100.0),
            (efficiency, if usual + own > 0.0 { usual / (usual + own) } else { 0.5 }),
        ];
        let total: f64 = parts.iter().map(|part| f64::from(part.0)).sum();
        let score: f64 = parts.iter().map(|part| f64::from(part.0) * part.1).sum();
        (1e6 * (1.0 - score / total.max(1.0))).round() as u32
    }

    pub(crate) fn learn_own(&mut self, agent: AgentId, queue: QueueId, seconds: f64) {
        if self.owns.len() < PAIRS_MAX || self.owns.contains_key(&(agent, queue)) {
            let own = self.owns.entry((agent, queue)).or_default();
            (own.calls, own.seconds, own.last) = (own.calls + 1.0, own.seconds + seconds, self.now);
        }
    }

    pub(crate) fn forget_owns(&mut self, agent: AgentId) {
        self.owns.retain(|&(owner, _), _| owner != agent);
    }
}

/// A race of exponential clocks: who rings first wins, with chances as the weights (Efraimidis, Spirakis 2006).
fn lot(seed: u64, call_seq: u64, agent: AgentId, weight: u32) -> u64 {
    let mut seed = Seed(seed ^ call_seq << 20 ^ u64::from(agent.0));
    let uniform = ((seed.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64;
    ascending(-uniform.ln() / f64::from(weight.max(1)))
}
