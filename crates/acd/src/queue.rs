//! A queue: what was configured, its classes and what was measured.

use crate::command::{QueueSpec, Skill};
use crate::habits::Habits;
use crate::slab::Slot;
use serde::{Deserialize, Serialize};

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) spec: QueueSpec,
    /// The class of calls that ask for nothing more than the queue does.
    pub(crate) plain: Slot,
    /// All classes, `plain` included, in order of priority, which stands here too, and extra skills.
    pub(crate) classes: Vec<(i32, Slot)>,
    pub(crate) waiting: u32,
    pub(crate) ringing: u32,
    pub(crate) handling: Handling,
    pub(crate) habits: Habits,
    /// The agent it rang last.
    pub(crate) last: u32,
}

/// From offer to the end of after-call work, exponentially smoothed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Handling {
    seconds: Option<f64>,
}

/// The newest call counts so much.
const NEWEST: f64 = 1.0 / 16.0;

impl Handling {
    pub(crate) fn learn(&mut self, newest: f64) {
        self.seconds = Some(self.seconds.map_or(newest, |mean| mean + NEWEST * (newest - mean)));
    }

    pub(crate) fn seconds(self) -> Option<f64> {
        self.seconds
    }
}

/// Skills sorted, each once with its highest level, those of level 0 dropped.
pub(crate) fn normalised(mut skills: Vec<Skill>) -> Vec<Skill> {
    if skills.is_empty() {
        return skills;
    }
    let sorted = skills.windows(2).all(|w| w[0].0 < w[1].0) && skills.iter().all(|s| s.1 > 0);
    if !sorted {
        skills.retain(|s| s.1 > 0);
        skills.sort_by_key(|&(skill, level)| (skill, u8::MAX - level));
        skills.dedup_by_key(|s| s.0);
    }
    skills
}
