//! A dialplan: named nodes, each with one verb, and where each of its outcomes goes.

use crate::bot::Bot;
use crate::condition::Condition;
use crate::lookup::Asked;
use crate::messages::Listen;
use crate::phrase::{Phrase, Text};
use crate::recording::{Into, Record};
use crate::script::Script;
use crate::sign_in::SignIn;
use crate::step::Preference;
use crate::survey::Survey;
use crate::transfer::Transfer;
use busyhour_model::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Variables a plan may show to agents: their headers must fit into a datagram.
pub const SHOWN_MAX: usize = 16;
/// Nodes of one dialplan.
pub const NODES_MAX: usize = 2_000;

/// A dialplan that was checked: every outcome leads to a node, every name is known. Made by `Dialplan::parse`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialplan {
    pub(crate) name: Name,
    pub(crate) start: NodeId,
    /// Where fax machines go.
    pub(crate) on_fax: Option<NodeId>,
    pub(crate) language: Name,
    pub(crate) utc_offset_minutes: i32,
    pub(crate) variables: BTreeMap<Name, Name>,
    /// Of these agents are told the values.
    pub(crate) show: Vec<Name>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) scripts: Vec<Script>,
}

impl Dialplan {
    /// The name numbers are routed to.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The language a call begins in.
    pub fn language(&self) -> &Name {
        &self.language
    }

    /// Whether it records anything: a caller's words, a message.
    pub fn records(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.verb, Verb::Record(_)))
    }

    /// Whether agents may sign in by it.
    pub fn signs_in(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.verb, Verb::SignIn(_)))
    }

    /// Names of all nodes, sorted.
    pub fn nodes(&self) -> impl Iterator<Item = &Name> {
        self.nodes.iter().map(|node| &node.name)
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::from(id.0))
    }
}

/// A node's place in `Dialplan::nodes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NodeId(pub(crate) u16);

impl NodeId {
    /// Stands for a target that could not be read; never in a plan without errors.
    pub(crate) const NOWHERE: NodeId = NodeId(u16::MAX);
}

/// One `[node.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: Name,
    pub(crate) verb: Verb,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verb {
    Answer {
        then: NodeId,
    },
    Ring {
        then: NodeId,
    },
    PauseRecording {
        on: bool,
        then: NodeId,
    },
    Play(Play),
    Menu(Menu),
    Collect(Collect),
    Goto {
        then: NodeId,
    },
    /// Walk on at `node` until a `Return`, then at `then`.
    Sub {
        node: NodeId,
        then: NodeId,
    },
    Return,
    Set {
        values: Vec<(Name, Text)>,
        then: NodeId,
    },
    Branch {
        cases: Vec<Case>,
        otherwise: NodeId,
    },
    Queue(Box<Queue>),
    Dial(Dial),
    Record(Box<Record>),
    Transfer(Transfer),
    Callback(Callback),
    LookUp(Box<Asked>),
    Bot(Box<Bot>),
    Listen(Listen),
    SignIn(SignIn),
    Survey(Box<Survey>),
    HangUp {
        status: u16,
        /// ITU-T Q.850.
        cause: Option<u8>,
    },
}

/// Let the caller hear something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Play {
    pub(crate) phrase: Phrase,
    pub(crate) interrupt: bool,
    /// Without answering the call: early media.
    pub(crate) early: bool,
    pub(crate) then: NodeId,
}

/// What menu and collect share: ask, wait, ask again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) prompt: Phrase,
    pub(crate) interrupt: bool,
    pub(crate) type_ahead: bool,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) invalid: Phrase,
    pub(crate) silent: Phrase,
    pub(crate) too_many: NodeId,
}

/// One key chooses the next node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Menu {
    pub(crate) ask: Ask,
    pub(crate) keys: BTreeMap<char, NodeId>,
}

/// Several keys go into a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Collect {
    pub(crate) ask: Ask,
    pub(crate) variable: Name,
    pub(crate) length_min: u8,
    pub(crate) length_max: u8,
    pub(crate) terminator: Option<char>,
    pub(crate) digit_timeout: Duration,
    pub(crate) secret: bool,
    pub(crate) then: NodeId,
}

/// One line of a branch: all conditions hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// The conditions as they stand in the file, for people.
    pub(crate) says: Name,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) goto: NodeId,
}

impl Case {
    /// Queues it asks about.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Name> {
        self.conditions.iter().filter_map(|condition| match condition {
            Condition::Queue(name, _) => Some(name),
            _ => None,
        })
    }
}

/// Wait for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) queue: Name,
    pub(crate) agent: Option<Text>,
    pub(crate) wait_busy: bool,
    /// In this order.
    pub(crate) prefer: Vec<Preference<Text>>,
    pub(crate) priority: i32,
    pub(crate) skills: Vec<(Text, u8)>,
    pub(crate) greeting: Phrase,
    pub(crate) music: Phrase,
    /// Heard by the agent, before the caller is.
    pub(crate) announce_agent: Phrase,
    /// Heard by both, before they hear each other.
    pub(crate) agent_greeting: Phrase,
    pub(crate) announce: Option<Announce>,
    pub(crate) comfort: Option<Comfort>,
    pub(crate) keys: BTreeMap<char, NodeId>,
    /// After an agent served the caller and hung up; `None`: the call ends.
    pub(crate) served: Option<NodeId>,
    pub(crate) timed_out: NodeId,
    pub(crate) full: NodeId,
    pub(crate) no_agents: NodeId,
    pub(crate) closed: NodeId,
    pub(crate) busy: NodeId,
    pub(crate) offline: NodeId,
    pub(crate) unknown: NodeId,
}

/// Telling a waiting caller the place and the wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announce {
    pub(crate) after: Duration,
    pub(crate) every: Option<Duration>,
    pub(crate) position: bool,
    pub(crate) wait: bool,
    pub(crate) key: Option<char>,
}

/// Prompts between the music.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Comfort {
    pub(crate) after: Duration,
    pub(crate) every: Option<Duration>,
    pub(crate) phrase: Phrase,
}

/// Ring somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dial {
    pub(crate) to: Dialled,
    /// Pressed when it is answered.
    pub(crate) keys: Option<Text>,
    pub(crate) timeout: Duration,
    pub(crate) no_answer: NodeId,
    pub(crate) busy: NodeId,
    pub(crate) failed: NodeId,
    pub(crate) hung_up: NodeId,
}

/// Whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Dialled {
    Number { number: Text, trunk: Option<Name> },
    Agent(Text),
}

/// Promise to call back, with the place the caller had in the last queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Callback {
    /// `None`: the calling number.
    pub(crate) number: Option<Text>,
    pub(crate) then: NodeId,
    pub(crate) refused: NodeId,
}

/// An outcome of a node: what it is called in the file (`then`, a key, a case), where it goes, and whether the caller or
/// time decides (so that a loop through it ends).
pub(crate) struct Outcome {
    pub(crate) label: Name,
    pub(crate) target: NodeId,
    pub(crate) waits: bool,
}

impl Verb {
    /// Everywhere this node can lead.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |label: &str, target: &NodeId, waits| Outcome { label: label.into(), target: *target, waits };
        let at_once = |(label, target): (&str, &NodeId)| outcome(label, target, false);
        let later = |(label, target): (&str, &NodeId)| outcome(label, target, true);
        let keyed = |(key, target): (&char, &NodeId)| outcome(key.encode_utf8(&mut [0; 4]), target, true);
        match self {
            Verb::Answer { then } | Verb::Ring { then } | Verb::Goto { then } => vec![at_once(("then", then))],
            Verb::Listen(Listen { then, .. }) => vec![later(("then", then))],
            Verb::Play(Play { then, .. }) | Verb::Set { then, .. } | Verb::PauseRecording { then, .. } => {
                vec![at_once(("then", then))]
            }
            Verb::Menu(menu) => {
                let too_many = later(("too_many", &menu.ask.too_many));
                menu.keys.iter().map(keyed).chain([too_many]).collect()
            }
            Verb::Collect(collect) => [("then", &collect.then), ("too_many", &collect.ask.too_many)].map(later).into(),
            Verb::Branch { cases, otherwise } => {
                cases.iter().map(|c| (&*c.says, &c.goto)).chain([("else", otherwise)]).map(at_once).collect()
            }
            Verb::Queue(queue) => {
                let refused = [("full", &queue.full), ("no_agents", &queue.no_agents), ("closed", &queue.closed)];
                let personal = [("busy", &queue.busy), ("offline", &queue.offline), ("unknown", &queue.unknown)];
                let personal = personal.into_iter().filter(|_| queue.agent.is_some());
                let waited = [("timed_out", &queue.timed_out)].into_iter();
                let waited = waited.chain(queue.served.iter().map(|served| ("served", served)));
                let refused = refused.into_iter().chain(personal).map(at_once);
                queue.keys.iter().map(keyed).chain(waited.map(later)).chain(refused).collect()
            }
            Verb::Dial(dial) => {
                let refused = [("no_answer", &dial.no_answer), ("busy", &dial.busy), ("failed", &dial.failed)];
                refused.map(at_once).into_iter().chain([later(("hung_up", &dial.hung_up))]).collect()
            }
            Verb::Transfer(transfer) => vec![at_once(("failed", &transfer.failed))],
            Verb::Callback(callback) => [("then", &callback.then), ("refused", &callback.refused)].map(at_once).into(),
            Verb::SignIn(sign_in) => [("then", &sign_in.then), ("refused", &sign_in.refused)].map(at_once).into(),
            // An answer may come at once.
            Verb::LookUp(asked) => {
                [("then", &asked.then), ("not_found", &asked.not_found), ("failed", &asked.failed)].map(at_once).into()
            }
            Verb::Bot(bot) => {
                let named = bot.outcomes.iter().map(|(name, target)| later((&**name, target)));
                let own = [later(("then", &bot.then)), later(("timed_out", &bot.timed_out))];
                named.chain(own).chain([at_once(("failed", &bot.failed))]).collect()
            }
            Verb::Survey(survey) => vec![later(("then", &survey.then))],
            // Whether `then` waits is for the sub-flow to say: the check of the graph asks it.
            Verb::Sub { node, then } => [("sub", node), ("then", then)].map(at_once).into(),
            Verb::Return | Verb::HangUp { .. } => Vec::new(),
            Verb::Record(record) => {
                let full = match &record.into {
                    Into::Mailbox { full, .. } => Some(at_once(("full", full))),
                    Into::Variable(_) => None,
                };
                let spoken = [("then", &record.then), ("too_short", &record.too_short)].map(later);
                spoken.into_iter().chain([at_once(("failed", &record.failed))]).chain(full).collect()
            }
        }
    }
}
