//! How long a caller will wait, by playing the centre forward on copies of the live matcher.
//!
//! Each replication draws what comes next from what the queues' traffic was like: calls that come, conversations that
//! end, callers who give up, all memoryless. Skills, relaxation, priorities and reserves are the matcher's own: nothing
//! is approximated but the traffic.

use crate::acd::Acd;
use crate::command::{Command, Enqueue};
use crate::forecast::{Forecast, Foreseen};
use crate::slab::Slot;
use crate::traffic::{Traffic, Watched, ghost};
use busyhour_model::{AgentId, AgentState, CallId, QueueId, Seed, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookAhead {
    /// Same seed, same prediction.
    pub seed: u64,
    /// Copies played at most; 30 are good, 100 as good as any.
    pub replications: u32,
    /// Fewer copies do once the standard error of every mean is this part of it: many waiting callers need few copies.
    pub error: f64,
    /// Nobody is told of a longer wait.
    pub horizon: Duration,
}

impl Default for LookAhead {
    fn default() -> LookAhead {
        LookAhead { seed: 1, replications: 100, error: 0.05, horizon: Duration::from_secs(3_600) }
    }
}

/// Waits asked for at once.
const WHOM_MAX: usize = 1 << 12;
/// Replications of one prediction.
const REPLICATIONS_MAX: u32 = 1_000;
/// So many at least: nine in ten have to be told from the rest.
const REPLICATIONS_MIN: u32 = 8;

impl Acd {
    /// How long each of them waits from now on if the caller stays. `None` when there is no such waiting call or queue,
    /// it waits for one agent in person, would overflow at once, or no conversation of any queue has ended yet.
    ///
    /// Changes nothing here. All are watched in the same futures, so many cost hardly more than the one who waits
    /// longest; beyond 4,096 the rest is `None`.
    pub fn look_ahead(&self, now: Time, whom: &[Whom], how: &LookAhead) -> Vec<Option<Forecast>> {
        let Some(empty) = self.at(now) else { return vec![None; whom.len()] };
        let mut start = empty.clone();
        let asked: Vec<Probe> = whom.iter().take(WHOM_MAX).map(|&whom| start.probe(whom, &empty)).collect();
        let seen = start.futures(asked.iter().filter_map(Probe::waits).collect(), how);
        let answer = |probe: Probe| match probe {
            Probe::Waits(watched) => seen.get(&watched.call).copied(),
            Probe::Served => Some(Forecast::at_once()),
            Probe::Nowhere => None,
        };
        let mut answers: Vec<Option<Forecast>> = asked.into_iter().map(answer).collect();
        answers.resize(whom.len(), None);
        answers
    }

    /// What is worth foreseeing now: how long the next caller of a class waits where somebody waits already or, of calls
    /// that ask for nothing special, where nobody is idle; nowhere when nobody is at work. Empty when there is nobody to
    /// tell.
    ///
    /// Changes nothing here; the answer goes into [`Command::Foresee`].
    pub fn foresee(&self, now: Time, how: &LookAhead) -> Vec<Foreseen> {
        let Some(empty) = self.at(now) else { return Vec::new() };
        let mut start = empty.clone();
        let plain = |slot: Slot| self.queue_ref(self.lanes[slot as usize].queue).plain == slot;
        let at_work = |slot: Slot| {
            let mut groups = self.classes[slot].edges.iter().map(|edge| &self.groups[edge.group]);
            groups.any(|group| group.signed_in > group.not_ready)
        };
        let classes: Vec<Slot> = self.classes.iter().map(|(slot, _)| slot).collect();
        let mut waiting = Vec::new();
        for slot in classes {
            if (start.fronts[slot as usize].waiting > 0 || plain(slot))
                && at_work(slot)
                && let Some(watched) = start.haunt(slot, &empty).waits()
            {
                waiting.push((slot, watched));
            }
        }
        let watched: Vec<Watched> = waiting.iter().map(|w| w.1).collect();
        let next = start.futures(watched.clone(), how);
        let alone = if start.send_backups_home() { start.futures(watched, how) } else { next.clone() };
        let foreseen = waiting.into_iter().filter_map(|(slot, Watched { call, .. })| {
            let class = &self.classes[slot];
            Some(Foreseen {
                queue: self.lanes[slot as usize].queue,
                priority: class.priority,
                required: class.extra.clone(),
                next: *next.get(&call)?,
                alone: alone.get(&call)?.mean,
            })
        });
        foreseen.collect()
    }

    /// A copy at this moment.
    fn at(&self, now: Time) -> Option<Acd> {
        let mut copy = self.clone();
        copy.apply(now, Command::Tick, &mut Vec::new()).ok().map(|()| copy)
    }

    /// What is known of each after so many futures.
    fn futures(&self, mut watched: Vec<Watched>, how: &LookAhead) -> BTreeMap<CallId, Forecast> {
        watched.sort_unstable();
        watched.dedup();
        let Some(traffic) = Traffic::of(self, &watched).filter(|_| !watched.is_empty()) else { return BTreeMap::new() };
        let mut waits = vec![Vec::new(); watched.len()];
        for number in 0..how.replications.clamp(1, REPLICATIONS_MAX) {
            let seed = Seed(how.seed ^ u64::from(number) << 32);
            let future = traffic.clone().play(&mut self.clone(), seed, &watched, how.horizon);
            waits.iter_mut().zip(future).for_each(|(waits, wait)| waits.push(wait));
            if number + 1 >= REPLICATIONS_MIN && waits.iter().all(|waits| is_known(waits, how.error)) {
                break;
            }
        }
        let ring = |call| {
            let class = self.calls.find(call).map(|slot| self.calls.slab[slot].class)?;
            Some(self.queue_ref(self.lanes[class as usize].queue).habits.ring())
        };
        let forecast = |(w, waits): (&Watched, _)| Some((w.call, Forecast::of(waits, ring(w.call)?, w.spot)));
        watched.iter().zip(waits).filter_map(forecast).collect()
    }

    /// The call to watch; where it stands is seen where no ghosts are.
    fn probe(&mut self, whom: Whom, empty: &Acd) -> Probe {
        match whom {
            Whom::Call(call) => match self.calls.find(call).map(|slot| &self.calls.slab[slot]) {
                Some(found) if found.direct.is_none() && found.ringing().is_none() => {
                    Probe::Waits(Watched { call, spot: empty.spot(found, empty.now) })
                }
                _ => Probe::Nowhere,
            },
            Whom::Next(queue) => match self.known_queue(queue).map(|queue| queue.plain) {
                Ok(class) => self.haunt(class, empty),
                Err(_) => Probe::Nowhere,
            },
        }
    }

    /// Puts a ghost at the end of the line of this class; it takes no place there.
    fn haunt(&mut self, class: Slot, empty: &Acd) -> Probe {
        let (queue, call, since) = (self.lanes[class as usize].queue, ghost(class), self.now);
        let (priority, required) = (self.classes[class].priority, self.classes[class].extra.clone());
        let known = self.queue_mut(queue);
        let habits = known.habits;
        let (full, hopeless) = (known.spec.waiting_max.take(), known.spec.policy.wait_predicted_max.take());
        let mut out = Vec::new();
        let _ = self.apply(
            since,
            Command::Enqueue(Enqueue { call, queue, required, priority, since, agent: None, prefer: None }),
            &mut out,
        );
        let found = self.calls.find(call).map(|slot| self.calls.slab[slot].ringing().is_some());
        let probe = match found {
            None => Probe::Nowhere,
            Some(false) => Probe::Waits(Watched { call, spot: empty.spot(&empty.newcomer(class), since) }),
            Some(true) => {
                let _ = self.apply(since, Command::Leave { call }, &mut out);
                Probe::Served
            }
        };
        let known = self.queue_mut(queue);
        known.habits = habits;
        known.spec.waiting_max = full.map(|most| most.saturating_add(u32::from(found == Some(false))));
        known.spec.policy.wait_predicted_max = hopeless;
        probe
    }

    pub(crate) fn ringing(&self) -> Vec<AgentId> {
        let rung = self.agents.iter().flatten().filter(|agent| agent.state == AgentState::Ringing);
        rung.map(|agent| agent.id).collect()
    }
}

/// The standard error of the mean is at most this part of it.
fn is_known(waits: &[Duration], error: f64) -> bool {
    let count = waits.len() as f64;
    let mean = waits.iter().map(Duration::as_secs_f64).sum::<f64>() / count;
    let square = waits.iter().map(|wait| (wait.as_secs_f64() - mean).powi(2)).sum::<f64>() / (count - 1.0);
    square <= count * (error * mean).powi(2)
}

/// What became of a question.
#[derive(Clone, Copy)]
enum Probe {
    Waits(Watched),
    /// Somebody would be there at once.
    Served,
    Nowhere,
}

impl Probe {
    fn waits(&self) -> Option<Watched> {
        if let Probe::Waits(watched) = *self { Some(watched) } else { None }
    }
}
