//! Callers who talk with bots: who is called for them, what it is told, and that it hears nobody any more afterwards.

use crate::call::Call;
use crate::conversations::Rolling;
use crate::event::{Event, Gone};
use crate::phase::Phase;
use crate::plant::{Plant, Ring};
use crate::switch::Switch;
use busyhour_acd::Command;
use busyhour_ivr::{Talk, TalkEnd, Values};
use busyhour_media as media;
use busyhour_model::{
    AgentId, AgentState, Audio, BotTalk, CallId, Codec, ForkId, LegId, Name, OfferOutcome, Party, QueueId, Time, What,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Why a bot that could not be reached, or went away, takes no calls.
pub(crate) const BOT_FAILED: &str = "bot_failed";
/// It is tried again after so long, where its queue does not say.
const REST: Duration = Duration::from_secs(30);

/// What a program that hears a call is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForkNews {
    /// A bot is to talk with a caller. What it says goes to [`Switch::handle_bot`].
    Called(Box<BotCall>),
    /// The caller pressed a key.
    Key(char),
    /// The caller cannot be sent there, for this reason as a status of SIP; they talk on.
    Refused(u16),
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
    /// The agent it is; `None`: a dialplan lets the caller talk with it.
    pub agent: Option<Name>,
    /// The queue that gave the caller to the agent.
    pub queue: Option<Name>,
    /// Which bot, and what it is told: by the dialplan, or what agents are.
    pub talk: Talk,
}

/// What a bot says to us, beside sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BotSaid {
    /// It has taken the call: caller and bot hear each other.
    Taken,
    /// An agent sends its caller on.
    Transfer {
        /// As an agent would say it who passes a caller on: a queue, a colleague, a number.
        to: String,
        /// What it says about the caller.
        values: Values,
    },
    /// It has made an end of the talk, or cannot be talked with. An agent has no outcomes.
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

/// What is agreed on with programs; keys are told otherwise, and not as tones.
fn audio() -> Audio {
    Audio::plain(media::NOWHERE, Codec::Pcma)
}

impl Call {
    /// Lets the caller talk with a bot, once that has taken the call.
    pub(crate) fn talk(&mut self, plant: &mut Plant, talk: Talk) {
        plant.stop(self.caller);
        let (id, bot, node) = (talk.id, talk.bot.clone(), self.session.node().clone());
        let (leg, fork) = self.call_bot(plant, Party::Bot(bot.clone()), None, talk);
        self.bot = Some(WithBot { leg, fork, talk: id, bot, node, began: plant.now, rolling: None });
    }

    /// Rings an agent for this call, whom this queue gave: at a phone, or a bot.
    pub(crate) fn ring_agent(
        &mut self,
        plant: &mut Plant,
        number: Name,
        ring: Ring,
        queue: Option<Name>,
    ) -> Result<LegId, OfferOutcome> {
        let Some(bot) = plant.bot_of(&number).cloned() else {
            return self.ring_leg(plant, Party::Agent(number), ring);
        };
        let talk = Talk::with_agent(bot, self.session.language().clone(), self.shown_data());
        Ok(self.call_bot(plant, Party::Agent(number), queue, talk).0)
    }

    /// A bot is called, on a leg of its own.
    fn call_bot(&mut self, plant: &mut Plant, party: Party, queue: Option<Name>, talk: Talk) -> (LegId, ForkId) {
        let agent = party.agent().cloned();
        let (leg, fork) = plant.open_program(self.id, party);
        self.open.push(leg);
        let (from, to) = (self.shown_number(), self.to.national.clone());
        let called = BotCall { call: self.id, leg, from, to, agent, queue, talk };
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

impl Plant {
    /// The bot that takes this agent's calls.
    pub(crate) fn bot_of(&self, agent: &str) -> Option<&Name> {
        self.directory.agent(self.directory.agent_id(agent)?)?.bot.as_ref()
    }

    pub(super) fn is_bot(&self, agent: AgentId) -> bool {
        self.directory.agent(agent).is_some_and(|setup| setup.bot.is_some())
    }

    /// Agents that are bots.
    pub(crate) fn bots(&self) -> BTreeSet<AgentId> {
        self.directory.agents().filter(|(_, agent)| agent.bot.is_some()).map(|(id, _)| id).collect()
    }

    /// Who has become a bot is ready, registered or not; who is none any more needs a phone.
    pub(crate) fn bots_changed(&mut self, before: &BTreeSet<AgentId>) {
        let now = self.bots();
        let ready = |agent: &&AgentId| self.directory.agent(**agent).is_some_and(|setup| setup.auto_ready);
        for agent in now.difference(before).filter(ready).copied().collect::<Vec<_>>() {
            let _ = self.acd(Command::SignIn { agent, not_ready: None });
        }
        for agent in before.difference(&now).copied() {
            if self.contacts(&self.directory.agent_number(agent).clone()) == 0 {
                let _ = self.acd(Command::SignOut { agent });
            }
        }
    }

    /// Phones may watch queues, and agents who are no accounts.
    pub(crate) fn let_watch(&mut self) {
        let bots = self.setup.agents.iter().filter(|agent| agent.bot.is_some()).map(|agent| agent.number.clone());
        let names = self.setup.queues.iter().map(|queue| queue.name.clone()).chain(bots).collect();
        self.sip.let_watch(self.now, names);
    }

    /// Whether an agent is not ready, or signed out, after the call in hand: somebody wanted it so.
    pub(crate) fn leaves(&self, agent: AgentId) -> bool {
        self.acd.agent(agent).is_some_and(|view| view.leaves)
    }

    /// A bot that could not be reached, or went away, is ready again by itself after a while: nobody is there to say so.
    pub(crate) fn let_bot_rest(&mut self, agent: AgentId, queue: Option<QueueId>) {
        if self.is_bot(agent) && self.acd.agent(agent).is_some_and(|view| view.state == AgentState::NotReady) {
            let queue = queue.and_then(|queue| self.directory.queue(queue));
            let pause = queue.and_then(|queue| queue.policy.no_answer.pause).unwrap_or(REST);
            let _ = self.acd(Command::NotReady { agent, reason: BOT_FAILED.into() });
            let _ = self.acd(Command::Rest { agent, pause });
        }
    }

    /// A bot rests, and is rung by nobody.
    pub(crate) fn rests(&self, agent: &str) -> bool {
        let view = self.directory.agent_id(agent).and_then(|id| self.acd.agent(id));
        view.is_some_and(|view| view.reason.as_deref() == Some(BOT_FAILED))
    }

    /// A bot has no work after a call.
    pub(crate) fn spare_wrap_up(&mut self, agent: AgentId) {
        let wraps_up = self.acd.agent(agent).is_some_and(|view| view.state == AgentState::WrapUp && !view.leaves);
        if wraps_up && self.is_bot(agent) {
            let _ = self.acd(Command::Ready { agent });
        }
    }

    /// The program at a leg, if one is, is told something.
    pub(crate) fn tell_program(&mut self, leg: LegId, news: ForkNews) {
        self.forks.extend(self.legs.program(leg).map(|fork| (fork, news)));
    }

    /// Who passes a caller on is told how that goes.
    pub(crate) fn tell_transfer(&mut self, leg: LegId, status: u16) {
        self.sip.tell_transfer(self.now, leg, status);
        if status >= 300 {
            self.tell_program(leg, ForkNews::Refused(status));
        }
    }
}

impl Switch {
    pub(crate) fn bot_said(&mut self, fork: ForkId, said: BotSaid) {
        let Some(leg) = self.plant.legs.of_program(fork) else { return };
        let Some(of) = self.plant.legs.leg(leg) else { return };
        let (call, answered, is_agent) = (of.call, of.answered, of.party.agent().is_some());
        match said {
            BotSaid::Taken => self.tell_leg(leg, Event::LegAnswered { leg, audio: audio() }),
            BotSaid::Ended(end) if !is_agent => self.tell_leg(leg, Event::Talked { fork, end }),
            BotSaid::Ended(TalkEnd::Failed) => {
                let how = if answered { Gone::Vanished } else { Gone::Refused(503) };
                self.gone(leg, how);
            }
            BotSaid::Ended(TalkEnd::Ended { values, .. }) => {
                self.learn(call, &values);
                self.gone(leg, Gone::HungUp);
            }
            BotSaid::Transfer { to, values } => {
                self.learn(call, &values);
                if let Err(status) = self.pass_on(leg, &to) {
                    self.plant.tell_transfer(leg, status);
                }
            }
        }
    }

    fn learn(&mut self, call: CallId, values: &Values) {
        self.calls.entry(call).and_modify(|call| call.session.learn(values));
    }
}
