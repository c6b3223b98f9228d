//! The bots that dialplans know, in no more than the time they take: what each talk with one comes to.

use crate::world::World;
use busyhour_ivr::TalkEnd;
use busyhour_model::{ForkId, Time};
use busyhour_switch::{BotCall, BotSaid, ForkNews};
use std::collections::BTreeMap;
use std::time::Duration;

/// How bots are.
#[derive(Clone, Copy, Debug)]
pub struct Bots {
    /// How a talk ends; `None`: the bot makes no end of it.
    pub answer: fn(&BotCall) -> Option<TalkEnd>,
    /// That comes after so long.
    pub after: Duration,
    /// It takes a call after so long; one that has ended it by then does not.
    pub taken: Duration,
}

impl Default for Bots {
    /// They listen for ever.
    fn default() -> Bots {
        Bots { answer: |_| None, after: Duration::from_secs(5), taken: Duration::from_millis(30) }
    }
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
                let end = (bots.answer)(called);
                if end.is_none() || bots.taken < bots.after {
                    self.said.insert((now + bots.taken, fork), BotSaid::Taken);
                }
                self.said.extend(end.map(|end| ((now + bots.after, fork), BotSaid::Ended(end))));
            }
            ForkNews::Key(_) => assert!(self.open.contains_key(&fork), "{fork} is told of keys while it is open"),
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
