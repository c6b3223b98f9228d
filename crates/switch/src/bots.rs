//! Callers who talk with bots: who is called for them, what it is told, and that it hears nobody any more afterwards.

use crate::call::Call;
use crate::phase::Phase;
use crate::plant::Plant;
use busyhour_ivr::Talk;
use busyhour_media::{self as media, Track};
use busyhour_model::{BotTalk, CallId, ForkId, LegId, Name, Time, What};
use serde::{Deserialize, Serialize};

/// What a program that hears a call is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForkNews {
    /// A bot is to talk with a caller. Answered by `Switch::handle_talked`.
    Called(Box<BotCall>),
    /// The caller pressed a key.
    Key(char),
    /// It hears nothing any more.
    Over {
        /// The outcome of a talk; `left`: the caller is elsewhere, or has hung up.
        outcome: Name,
    },
}

/// A bot and the caller it is to talk with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotCall {
    /// The call.
    pub call: CallId,
    /// The caller's leg.
    pub leg: LegId,
    /// Who calls; `anonymous`: that is nobody's business.
    pub from: String,
    /// What was dialled, in national form.
    pub to: String,
    /// Which bot, and what the dialplan tells it.
    pub talk: Talk,
}

/// A caller's talk with a bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WithBot {
    fork: ForkId,
    /// Which of the session's.
    pub(crate) talk: u32,
    bot: Name,
    node: Name,
    began: Time,
}

impl Call {
    /// Lets the caller talk with a bot.
    pub(crate) fn talk(&mut self, plant: &mut Plant, talk: Talk) {
        let (fork, leg) = (plant.fork(), self.caller);
        plant.played_over(leg);
        plant.media.push_back(media::Command::Fork { leg, fork, track: Track::Left });
        plant.media.push_back(media::Command::Listen { leg, fork });
        let node = self.session.node().clone();
        self.bot = Some(WithBot { fork, talk: talk.id, bot: talk.bot.clone(), node, began: plant.now });
        let (from, to) = (self.shown_number(), self.to.national.clone());
        let called = BotCall { call: self.id, leg, from, to, talk };
        plant.forks.push_back((fork, ForkNews::Called(Box::new(called))));
    }

    /// The bot is told of a key.
    pub(crate) fn tell_key(&self, plant: &mut Plant, key: char) {
        plant.forks.extend(self.bot.as_ref().map(|with| (with.fork, ForkNews::Key(key))));
    }

    /// Which talk of the session this bot is in.
    pub(crate) fn talk_of(&self, fork: ForkId) -> Option<u32> {
        self.bot.as_ref().filter(|with| with.fork == fork).map(|with| with.talk)
    }

    /// The talk is over: the bot hears and says nothing more.
    pub(crate) fn talked(&mut self, plant: &mut Plant, outcome: Name) {
        let Some(WithBot { fork, bot, node, began, .. }) = self.bot.take() else { return };
        let leg = self.caller;
        if plant.legs.leg(leg).is_some_and(|leg| !leg.closing) {
            plant.media.push_back(media::Command::Unfork { leg, fork });
        }
        plant.forks.push_back((fork, ForkNews::Over { outcome: outcome.clone() }));
        let (call, plan, took) = (self.id, plant.plans.name(self.plan).clone(), plant.now.since(began));
        plant.fact(What::TalkedWithBot(BotTalk { call, plan, node, bot, outcome, took }));
    }

    /// Whether the caller is with the bot that hears it, or with none.
    pub(crate) fn bot_is_where_it_belongs(&self) -> bool {
        let talk = self.session.talk_now().filter(|_| matches!(self.phase(), Phase::InIvr(_)));
        self.bot.as_ref().map(|with| with.talk) == talk
    }

    /// A caller who was sent elsewhere or has hung up leaves the bot.
    pub(crate) fn leave_bot(&mut self, plant: &mut Plant) {
        if self.bot.is_some() && !self.bot_is_where_it_belongs() {
            self.talked(plant, "left".into());
        }
    }
}
