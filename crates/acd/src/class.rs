//! Calls with the same requirement: one line, and the groups that may serve it.

use crate::call::Line;
use crate::command::{AgentChoice, QueueSpec, Skill};
use crate::forecast::Outlook;
use crate::group::Profile;
use crate::policy::Order;
use crate::slab::{NONE, Slot};
use busyhour_model::{CallId, QueueId, Rank};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Calls of one queue with the same extra skills and extra priority.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Class {
    pub(crate) priority: i32,
    /// In order.
    pub(crate) extra: Vec<Skill>,
    /// Best rank first.
    pub(crate) edges: Vec<ToGroup>,
    pub(crate) outlook: Outlook,
}

/// What of a class changes with every call: kept together, by class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lane {
    pub(crate) queue: QueueId,
    pub(crate) line: Line,
    /// Head start in points.
    pub(crate) base: f64,
    /// Its head, when there is one.
    pub(crate) head: CallId,
    /// Calls in the line, on personal lists and being offered.
    pub(crate) calls: u32,
    /// Groups of the edges with somebody idle.
    pub(crate) idle_groups: u32,
    /// Groups of the edges with somebody signed in.
    pub(crate) staffed_groups: u32,
    /// Its calls are relaxed or overflow after a time.
    pub(crate) timed: bool,
    /// When it was last asked for, in arrivals: the oldest unused class makes room for a new one.
    pub(crate) used: u64,
}

/// A group that may serve this class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToGroup {
    pub(crate) group: Slot,
    /// Lower is preferred.
    pub(crate) rank: u64,
    /// Once a call has waited so many microseconds.
    pub(crate) min_age: u64,
    /// While more than these are idle.
    pub(crate) keep: u32,
}

impl ToGroup {
    pub(crate) fn new(group: Slot, Fit { rank, min_age, keep }: Fit) -> ToGroup {
        ToGroup { group, rank, min_age, keep }
    }

    pub(crate) fn fit(&self) -> Fit {
        let ToGroup { rank, min_age, keep, .. } = *self;
        Fit { rank, min_age, keep }
    }
}

/// The head of a class as the search for a call sees it: kept together, by class, two to a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Front {
    /// Microseconds; `u64::MAX` when nobody waits.
    pub(crate) since: u64,
    /// Head start in points; less than anybody's when nobody waits.
    pub(crate) base: f64,
    /// Points per microsecond waited.
    pub(crate) rate: f64,
    /// The call.
    pub(crate) head: Slot,
    pub(crate) waiting: u32,
}

impl Front {
    pub(crate) const EMPTY: Front = Front { since: u64::MAX, base: f64::MIN, rate: 0.0, head: NONE, waiting: 0 };

    /// Points of a call of this class, somebody waiting, that waits since `since`.
    pub(crate) fn score(&self, now: u64, since: u64) -> f64 {
        points(self.base, self.rate, now, since)
    }
}

/// Head start, and points for every microsecond waited. Signed: one step for the machine where unsigned takes five.
#[inline]
pub(crate) fn points(base: f64, rate: f64, now: u64, since: u64) -> f64 {
    base + rate * now.wrapping_sub(since) as i64 as f64
}

/// A goal below this is taken for this: the ageing rate stays finite.
const GOAL_US_MIN: u64 = 1_000;

/// Head start and ageing of calls with this extra priority.
pub(crate) fn ageing(spec: &QueueSpec, priority: i32) -> (f64, f64) {
    let goal = (spec.goal.as_micros() as u64).max(GOAL_US_MIN);
    (f64::from(spec.priority) + f64::from(priority), f64::from(spec.policy.weight) / goal as f64)
}

/// How agents with the same profile suit calls of a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) rank: u64,
    pub(crate) min_age: u64,
    pub(crate) keep: u32,
}

/// Whether and from which age on such agents may serve calls of this class of that queue.
///
/// Relaxation only ever adds agents: who fits a step fits from then on.
pub(crate) fn fit(spec: &QueueSpec, class: &Class, profile: &Profile) -> Option<Fit> {
    let (policy, extra, skills) = (&spec.policy, class.extra.as_slice(), profile.skills.as_slice());
    if !holds(skills, extra) || policy.need.as_ref().is_some_and(|need| !need.holds(skills)) {
        return None;
    }
    if policy.helps_beyond(skills).is_some_and(|wait| class.outlook.strain <= wait) {
        return None;
    }
    let (place, from) = policy.site(profile.site)?;
    let relaxed = match holds(skills, &spec.required) {
        true => Duration::ZERO,
        false => spec.relax.iter().find(|(_, required)| holds(skills, required))?.0,
    };
    let level = match spec.choice {
        _ if policy.order == Order::Weighted => 0,
        AgentChoice::LongestIdle => 0,
        AgentChoice::LeastSkilled => skills.len() as u32,
        AgentChoice::MostSkilled => {
            let wanted = |skill| spec.required.iter().chain(extra).any(|w: &Skill| w.0 == skill);
            u32::MAX - skills.iter().filter(|s| wanted(s.0)).map(|s| u32::from(s.1)).sum::<u32>()
        }
    };
    let wished = policy.preferred.as_ref().is_none_or(|preferred| preferred.holds(skills));
    let Rank(rank) = Rank::new(wished, place as u16, level);
    let min_age = relaxed.max(from).as_micros() as u64;
    Some(Fit { rank, min_age, keep: policy.keep(skills) })
}

/// Ages at which more agents may serve calls of this queue.
pub(crate) fn steps(spec: &QueueSpec) -> impl Iterator<Item = Duration> {
    spec.relax.iter().map(|step| step.0).chain(spec.policy.sites.iter().map(|site| site.1))
}

fn holds(skills: &[Skill], required: &[Skill]) -> bool {
    required
        .iter()
        .all(|&(wanted, level)| skills.binary_search_by_key(&wanted, |s| s.0).is_ok_and(|at| skills[at].1 >= level))
}
