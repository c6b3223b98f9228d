//! Callers who talk with bots: who is called for them, what it is told, and that it hears nobody any more afterwards.

use crate::call::Call;
use crate::conversations::Rolling;
use crate::event::Event;
use crate::phase::Phase;
use crate::plant::{NOWHERE, Plant};
use crate::switch::Switch;
use busyhour_ivr::{Talk, TalkEnd};
use busyhour_model::{Audio, BotTalk, CallId, Codec, Direction, ForkId, Gain, LegId, Name, Party, Time, What};
use serde::{Deserialize, Serialize};

/// What a program that hears a call is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForkNews {
    /// A bot is to talk with a caller. What it says goes to [`Switch::handle_bot`].
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
    /// The bot's leg, by which it is heard.
    pub leg: LegId,
    /// Who calls; `anonymous`: that is nobody's business.
    pub from: String,
    /// What was dialled, in national form.
    pub to: String,
    /// Which bot, and what the dialplan tells it.
    pub talk: Talk,
}

/// What a bot says to us, beside sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BotSaid {
    /// It has taken the call: caller and bot hear each other.
    Taken,
    /// It has made an end of the talk, or cannot be talked with.
    Ended(TalkEnd),
}

/// A caller's talk with a bot of the dialplan's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WithBot {
    pub(crate) leg: LegId,
    fork: ForkId,
    /// Which of the session's.
    talk: u32,
    bot: Name,
    node: Name,
    began: Time,
    pub(crate) rolling: Option<Rolling>,
}

/// What is agreed on with programs.
fn audio() -> Audio {
    let (codec, payload_type) = (Codec::Pcma, 8);
    Audio {
        remote: NOWHERE,
        remote_rtcp: NOWHERE,
        codec,
        payload_type,
        // Keys are told otherwise, and not as tones.
        telephone_event: Some(101),
        tones: false,
        gain: Gain::default(),
        ptime_ms: 20,
        direction: Direction::SendRecv,
        srtp: None,
    }
}

impl Call {
    /// Lets the caller talk with a bot, once that has taken the call.
    pub(crate) fn talk(&mut self, plant: &mut Plant, talk: Talk) {
        plant.stop(self.caller);
        let (id, bot, node) = (talk.id, talk.bot.clone(), self.session.node().clone());
        let (leg, fork) = self.call_bot(plant, Party::Bot(bot.clone()), talk);
        self.bot = Some(WithBot { leg, fork, talk: id, bot, node, began: plant.now, rolling: None });
    }

    /// A bot is called, on a leg of its own.
    fn call_bot(&mut self, plant: &mut Plant, party: Party, talk: Talk) -> (LegId, ForkId) {
        let (leg, fork) = plant.open_program(self.id, party);
        self.open.push(leg);
        let (from, to) = (self.shown_number(), self.to.national.clone());
        let called = BotCall { call: self.id, leg, from, to, talk };
        plant.forks.push_back((fork, ForkNews::Called(Box::new(called))));
        (leg, fork)
    }

    /// An event that is the bot's alone; the others go on to the phase.
    pub(crate) fn with_bot(&mut self, plant: &mut Plant, event: Event) -> Option<Event> {
        let with = self.bot.as_ref().filter(|with| event.leg() == Some(with.leg));
        let Some(WithBot { leg, fork, bot, .. }) = with else { return Some(event) };
        let (leg, fork, party) = (*leg, *fork, Party::Bot(bot.clone()));
        match event {
            Event::LegAnswered { audio, .. } => {
                plant.answered(leg);
                plant.fact(What::LegAnswered { call: self.id, leg });
                plant.connect(leg, audio);
                plant.bridge(self.caller, leg);
                let rolling = Rolling::begin(self, plant, (leg, &party), None);
                self.bot.iter_mut().for_each(|with| with.rolling.clone_from(&rolling));
                None
            }
            Event::Gone { .. } => Some(Event::Talked { fork, end: TalkEnd::Failed }),
            _ => None,
        }
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
        let Some(WithBot { leg, bot, node, began, rolling, .. }) = self.bot.take() else { return };
        rolling.iter().for_each(|rolling| rolling.end(plant));
        plant.unbridge(leg);
        plant.dismiss_program(leg, &outcome);
        plant.drop_leg(leg, 200);
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

impl Switch {
    pub(crate) fn bot_said(&mut self, fork: ForkId, said: BotSaid) {
        let Some(leg) = self.plant.legs.of_program(fork) else { return };
        match said {
            BotSaid::Taken => self.tell_leg(leg, Event::LegAnswered { leg, audio: audio() }),
            BotSaid::Ended(end) => self.tell_leg(leg, Event::Talked { fork, end }),
        }
    }
}
