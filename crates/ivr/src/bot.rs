//! Talks with bots: the caller speaks with another program until that, the caller or time makes an end of it.

use crate::keyed::Value as Held;
use crate::lookup::{Member, at};
use crate::parse::Reader;
use crate::plan::{Node, NodeId, Verb};
use crate::session::{Session, Stage};
use crate::source::{Fields, Value};
use crate::step::Step;
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A talk is no longer, when the plan does not say.
const LONGEST: Duration = Duration::from_secs(600);
/// Variables a caller may have for a bot to add one, and bytes of its name.
const VARIABLES_MAX: usize = 256;
const NAME_MAX: usize = 32;
/// Outcomes every bot has.
const OWN: [&str; 3] = ["then", "timed_out", "failed"];

/// What a bot says about a caller: JSON.
pub type Values = serde_json::Value;

/// `bot = "assistant"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bot {
    pub(crate) bot: Name,
    timeout: Duration,
    /// What it is told at the beginning.
    data: Vec<(Name, Member)>,
    /// Variables, and where in what it says at the end their values are.
    values: Vec<(Name, Vec<Name>)>,
    pub(crate) outcomes: BTreeMap<Name, NodeId>,
    pub(crate) then: NodeId,
    pub(crate) timed_out: NodeId,
    pub(crate) failed: NodeId,
}

/// A bot to talk with. `Debug` shows nothing of what it is told: it may hold a PIN.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// Which of the session's talks.
    pub id: u32,
    /// The bot, by its name in the configuration.
    pub bot: Name,
    /// The caller's language.
    pub language: Name,
    /// A JSON object of what the dialplan tells it.
    pub data: String,
}

/// How a talk with a bot ended, as far as the bot knows. `Debug` shows no value: they are somebody's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TalkEnd {
    /// The bot made an end of it.
    Ended {
        /// By this outcome; `None`: just so.
        outcome: Option<Name>,
        /// What it says about the caller.
        values: Values,
    },
    /// It could not be reached, went away, or did not keep to the protocol.
    Failed,
}

impl Talk {
    /// With a bot that is an agent, and told what agents are.
    pub fn with_agent(bot: Name, language: Name, shown: Vec<(Name, String)>) -> Talk {
        let members = shown.into_iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        Talk { id: 0, bot, language, data: Values::Object(members).to_string() }
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "talk {} with bot {}", self.id, self.bot)
    }
}

impl fmt::Debug for TalkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TalkEnd::Ended { outcome, .. } => write!(f, "ended by {}", outcome.as_deref().unwrap_or("then")),
            TalkEnd::Failed => f.write_str("failed"),
        }
    }
}

impl Session {
    /// Let the caller talk with a bot.
    pub(crate) fn talk(&mut self, now: Time, bot: &Bot) {
        self.answer();
        self.talks += 1;
        self.typed.clear();
        self.stage = Stage::WithBot(self.talks);
        self.deadline = Some(now + bot.timeout);
        let (id, data) = (self.talks, self.object(&bot.data));
        self.steps.push_back(Step::Talk(Talk { id, bot: bot.bot.clone(), language: self.language.clone(), data }));
    }

    /// Takes what a bot that is an agent says of the caller: texts, numbers and flags of a JSON object, by their names as variables.
    pub fn learn(&mut self, values: &Values) {
        let fits = |name: &&String| {
            name.len() <= NAME_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let names = values.as_object().into_iter().flat_map(|object| object.keys()).filter(fits);
        for name in names.map(|name| Name::from(name.as_str())) {
            let value = Held::new(at(values, std::slice::from_ref(&name)), false);
            if self.values.len() < VARIABLES_MAX || self.values.contains_key(&name) {
                self.values.insert(name, value);
            }
        }
    }

    /// Which of its talks with bots the caller is in.
    pub fn talk_now(&self) -> Option<u32> {
        if let Stage::WithBot(id) = self.stage { Some(id) } else { None }
    }

    /// The bot made an end of it, or cannot be talked to; what an earlier one says is too late.
    pub(crate) fn talked(&mut self, node: &Node, id: u32, end: TalkEnd) -> Option<NodeId> {
        let (true, Verb::Bot(bot)) = (self.talk_now() == Some(id), &node.verb) else { return None };
        let TalkEnd::Ended { outcome, values } = end else { return Some(self.leave_bot("failed", bot.failed)) };
        let values = bot.values.iter().map(|(name, path)| (name.clone(), Held::new(at(&values, path), false)));
        self.values.extend(values);
        let outcome = outcome.as_deref().unwrap_or("then");
        Some(match bot.outcomes.get(outcome) {
            Some(target) => self.leave_bot(outcome, *target),
            None if outcome == "then" => self.leave_bot("then", bot.then),
            None => self.leave_bot("failed", bot.failed),
        })
    }

    /// They have talked long enough.
    pub(crate) fn talk_timed_out(&mut self, bot: &Bot) -> NodeId {
        self.leave_bot("timed_out", bot.timed_out)
    }

    fn leave_bot(&mut self, outcome: &str, target: NodeId) -> NodeId {
        self.steps.push_back(Step::Talked { outcome: outcome.into() });
        target
    }
}

impl<'t> Reader<'t> {
    pub(crate) fn bot(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let bot = self.report.text(value).unwrap_or_default();
        self.known(value.span().start, "bot", bot, &self.names.bots, false);
        let failed = self.target(fields, "failed");
        Verb::Bot(Box::new(Bot {
            bot: bot.into(),
            timeout: self.duration(fields, "timeout", LONGEST),
            data: fields.take("data").map(|value| self.body(value)).unwrap_or_default(),
            values: fields.take("set").map(|value| self.paths(value)).unwrap_or_default(),
            outcomes: fields.take("outcomes").map(|value| self.ways(value)).unwrap_or_default(),
            then: self.target(fields, "then"),
            timed_out: self.target_or(fields, "timed_out", Some(failed)),
            failed,
        }))
    }

    /// Which outcome leads where.
    fn ways(&mut self, value: &'t Value<'t>) -> BTreeMap<Name, NodeId> {
        let mut ways = BTreeMap::new();
        for ((offset, name), value) in self.members(value) {
            if OWN.contains(&name) {
                self.report.error(offset, format!("`{name}` is an outcome of every bot: it stands beside `outcomes`"));
            }
            ways.insert(name.into(), self.node_id(value));
        }
        ways
    }
}
