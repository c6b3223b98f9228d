//! What was foreseen: kept by class, told to callers by their place, and the reason why backups help.

use crate::acd::{Acd, CLASSES_MAX};
use crate::command::{Decision, Denied, Skill};
use crate::queue::normalised;
use crate::slab::Slot;
use busyhour_model::{DequeueReason, QueueId, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A forecast is believed for so long.
pub const FRESH: Duration = Duration::from_secs(15);

/// A predicted wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// Mean further wait of one who stays, until an agent answers.
    pub mean: Duration,
    /// Nine in ten wait less.
    pub most: Duration,
    /// Of both the agent's phone rings so long.
    pub ring: Duration,
    /// Where that one stands as things are.
    pub spot: Spot,
}

/// Where a call stands, new or waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spot {
    /// Calls served before it as things are.
    pub ahead: u32,
    /// Agents at work who may take it at its age.
    pub own: u32,
    /// Agents at work who may take it or one of those ahead.
    pub pool: u32,
}

impl Spot {
    /// Handling times until its turn: those ahead take the agents of the pool, then one of its own must become free.
    pub(crate) fn turns(&self) -> f64 {
        f64::from(self.ahead) / f64::from(self.pool.max(1)) + 1.0 / f64::from(self.own.max(1))
    }
}

impl Forecast {
    /// From the waits until the offer in so many futures.
    pub(crate) fn of(mut waits: Vec<Duration>, ring: Duration, spot: Spot) -> Forecast {
        waits.sort_unstable();
        let mean = waits.iter().sum::<Duration>() / waits.len() as u32;
        Forecast { mean: mean + ring, most: waits[(waits.len() - 1) * 9 / 10] + ring, ring, spot }
    }

    /// Somebody is there at once.
    pub(crate) fn at_once() -> Forecast {
        Forecast { mean: Duration::ZERO, most: Duration::ZERO, ring: Duration::ZERO, spot: Spot::default() }
    }

    /// The wait of another call of the class by its place: one prediction serves the whole line for some seconds.
    pub fn at(&self, ahead: u32) -> Duration {
        let times = Spot { ahead, ..self.spot }.turns() / self.spot.turns();
        self.mean.saturating_sub(self.ring).mul_f64(times) + self.ring
    }
}

/// What was foreseen for the calls of one queue that ask for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// Where.
    pub queue: QueueId,
    /// Added to the queue's head start, points.
    pub priority: i32,
    /// Required in addition to the queue's.
    pub required: Vec<Skill>,
    /// Of one that comes now.
    pub next: Forecast,
    /// Mean wait of that one if no backup helped.
    pub alone: Duration,
}

/// What a class knows of its future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outlook {
    /// When it was foreseen, and what.
    next: Option<(Time, Forecast)>,
    /// Follows the mean wait without help: up at once, down only when a quarter above it. Backups with a shorter `wait`
    /// help: each comes when that mean exceeds its `wait` and goes when it is down to four fifths of it.
    pub(crate) strain: Duration,
}

impl Outlook {
    fn learn(&mut self, now: Time, foreseen: Option<&Foreseen>) {
        self.next = foreseen.map(|foreseen| (now, foreseen.next));
        let alone = foreseen.map_or(Duration::ZERO, |foreseen| foreseen.alone);
        self.strain = self.strain.clamp(alone, alone.saturating_add(alone / 4));
    }

    /// The wait at this place, while the forecast is fresh and says anything.
    pub(crate) fn wait(&self, now: Time, ahead: u32) -> Option<Duration> {
        let (at, next) = self.next?;
        (now.since(at) <= FRESH && !next.mean.is_zero()).then(|| next.at(ahead))
    }
}

impl Acd {
    /// All that is foreseen: of classes not named nobody waits, so nobody need help them.
    pub(crate) fn take_forecasts(&mut self, all: Vec<Foreseen>, out: &mut Vec<Decision>) -> Result<(), Denied> {
        if all.len() > CLASSES_MAX {
            return Err(Denied::Limit { what: "forecasts", max: CLASSES_MAX });
        }
        let mut news: BTreeMap<Slot, Foreseen> = BTreeMap::new();
        for mut foreseen in all {
            let required = normalised(std::mem::take(&mut foreseen.required));
            if let Some(class) = self.known_class(foreseen.queue, foreseen.priority, &required) {
                news.insert(class, foreseen);
            }
        }
        let now = self.now;
        self.foreseen = news.len() as u32;
        let changed = self.strain_by(|slot, outlook| outlook.learn(now, news.get(&slot)));
        self.settle(&changed, out);
        self.overflow(self.stranded(&changed), DequeueReason::NoAgents, out);
        Ok(())
    }

    /// Somebody waits or is offered, or the newest forecast is of somebody: it is time for another.
    pub fn wants_forecast(&self) -> bool {
        self.calls.len() > 0 || self.has_forecast()
    }

    /// The newest forecast is of somebody.
    pub fn has_forecast(&self) -> bool {
        self.foreseen > 0
    }

    /// Nobody is helped any more; whether anybody was.
    pub(crate) fn send_backups_home(&mut self) -> bool {
        !self.strain_by(|_, outlook| outlook.strain = Duration::ZERO).is_empty()
    }

    /// Changes all outlooks, and compiles anew the classes whose backups then come or go.
    fn strain_by(&mut self, change: impl Fn(Slot, &mut Outlook)) -> Vec<Slot> {
        let mut changed = Vec::new();
        let classes: Vec<Slot> = self.classes.iter().map(|(slot, _)| slot).collect();
        for slot in classes {
            let outlook = &mut self.classes[slot].outlook;
            let before = outlook.strain;
            change(slot, outlook);
            let after = outlook.strain;
            let backups = &self.queue_ref(self.lanes[slot as usize].queue).spec.policy.backup;
            if backups.iter().any(|backup| (backup.wait < before) != (backup.wait < after)) {
                changed.push(slot);
            }
        }
        for &slot in &changed {
            self.disconnect_class(slot);
            self.connect_class(slot);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_come_when_the_wait_is_too_long_and_go_when_it_is_well_below() {
        let secs = Duration::from_secs;
        let mut outlook = Outlook::default();
        let (next, required) = (Forecast::at_once(), Vec::new());
        let mut foreseen = Foreseen { queue: QueueId(0), priority: 0, required, next, alone: Duration::ZERO };
        let mut helps = |alone| {
            foreseen.alone = secs(alone);
            outlook.learn(Time::ZERO, Some(&foreseen));
            [60, 100].map(|wait| outlook.strain > secs(wait))
        };
        let table = [
            (60, [false, false]),
            (61, [true, false]),
            (49, [true, false]),
            (48, [false, false]),
            (120, [true, true]),
            (81, [true, true]),
            (80, [true, false]),
            (90, [true, false]),
            (0, [false, false]),
        ];
        for (alone, helped) in table {
            assert_eq!(helps(alone), helped, "{alone} s without help");
        }
        outlook.learn(Time::ZERO, None);
        assert_eq!(outlook.strain, Duration::ZERO);
    }
}
