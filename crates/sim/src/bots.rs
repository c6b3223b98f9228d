//! The bots that dialplans know, in no more than the time they take: what each talk with one comes to.

use crate::world::World;
use busyhour_ivr::TalkEnd;
use busyhour_model::{ForkId, Name, Time};
use busyhour_switch::{BotCall, BotSaid, ForkNews};
use std::collections::BTreeMap;
use std::time::Duration;

/// How bots are.
#[derive(Clone, Copy, Debug)]
pub struct Bots {
    /// Whether a bot can be reached.
    pub reached: fn(&BotCall) -> bool,
    /// What it says once; `None`: it only listens.
    pub answer: fn(&BotCall) -> Option<BotSaid>,
    /// That comes so long after it has taken the call.
    pub after: Duration,
    /// That it does, or is not reached, after so long.
    pub taken: Duration,
}

impl Default for Bots {
    /// They listen for ever.
    fn default() -> Bots {
        Bots { reached: |_| true, answer: |_| None, after: Duration::from_secs(5), taken: Duration::from_millis(30) }
    }
}

impl Bots {
    /// They are different in every call.
    pub(crate) fn moody(after: Duration, taken: Duration) -> Bots {
        Bots { reached: |called| called.call.0 % 6 != 0, answer: moody, after, taken }
    }
}

/// A bot that is different in every call.
fn moody(called: &BotCall) -> Option<BotSaid> {
    let end = |outcome: Option<&str>| TalkEnd::Ended { outcome: outcome.map(Name::from), values: "loan".into() };
    let ended = |outcome| Some(BotSaid::Ended(end(outcome)));
    let pass_on = |to: &str| Some(BotSaid::Transfer { to: to.into(), values: "loan".into() });
    let moods = [
        ended(Some("agent")),
        ended(None),
        ended(Some("?")),
        Some(BotSaid::Ended(TalkEnd::Failed)),
        None,
        pass_on("complaint"),
        pass_on("1001"),
        pass_on("nobody"),
    ];
    let mood = if called.agent.is_some() { called.leg.0 % 8 } else { called.call.0 % 5 };
    moods[mood as usize].clone()
}

impl World {
    /// All that bots were told, in order.
    pub fn told_to_bots(&self) -> &[(ForkId, ForkNews)] {
        &self.talks.told
    }

    /// How much each bot has heard in talks that are over, in frames of 20 ms.
    pub fn heard_by_bots(&self) -> &[u64] {
        &self.talks.heard
    }
}

/// All talks with them.
#[derive(Debug, Default)]
pub(crate) struct Talks {
    /// Under way, and how many frames each bot has heard.
    open: BTreeMap<ForkId, u64>,
    /// What they are going to say.
    said: BTreeMap<(Time, ForkId), BotSaid>,
    /// Of programs that came by themselves.
    last: ForkId,
    /// What each bot was told.
    told: Vec<(ForkId, ForkNews)>,
    /// Of those that are over, how many frames each bot has heard.
    heard: Vec<u64>,
}

impl Talks {
    pub(crate) fn tell(&mut self, now: Time, fork: ForkId, news: ForkNews, bots: Bots) {
        match &news {
            ForkNews::Called(called) => {
                assert!(self.open.insert(fork, 0).is_none(), "{fork} is called once");
                let reached = (bots.reached)(called);
                let says = (bots.answer)(called).filter(|_| reached);
                let first = if reached { BotSaid::Taken } else { BotSaid::Ended(TalkEnd::Failed) };
                self.said.insert((now + bots.taken, fork), first);
                self.said.extend(says.map(|said| ((now + bots.taken + bots.after, fork), said)));
            }
            ForkNews::Key(_) | ForkNews::Refused(_) => {
                assert!(self.open.contains_key(&fork), "{fork} is told while it is open")
            }
            ForkNews::Over { .. } => self.heard.push(self.open.remove(&fork).expect("what is over has begun")),
        }
        self.told.push((fork, news));
    }

    /// A program that comes by itself.
    pub(crate) fn attached(&mut self) -> ForkId {
        self.last = ForkId(self.last.0.max(1 << 32) + 1);
        self.open.insert(self.last, 0);
        self.last
    }

    /// It may not.
    pub(crate) fn refused(&mut self, fork: ForkId) {
        self.open.remove(&fork);
    }

    /// A bot hears something.
    pub(crate) fn hear(&mut self, fork: ForkId) {
        *self.open.get_mut(&fork).expect("nobody hears a call that has left its bot") += 1;
    }

    pub(crate) fn due(&self) -> Option<Time> {
        self.said.first_key_value().map(|((at, _), _)| *at)
    }

    /// What a bot says next, also in a talk that is over by then.
    pub(crate) fn next(&mut self, now: Time) -> Option<(ForkId, BotSaid)> {
        let entry = self.said.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some((entry.key().1, entry.remove()))
    }

    /// After the last call.
    pub(crate) fn check_ended(&self) {
        assert!(self.open.is_empty(), "every talk with a bot ends: {:?}", self.open);
    }
}
