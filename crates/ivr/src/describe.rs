//! What a node does, in few words for people.

use crate::phrase::{Item, Phrase, Text};
use crate::plan::{Callback, Dial, Dialled, Verb};
use crate::recording::{Into, Owner};
use crate::step::Preferred;

/// What nodes have in common to the eye: each kind has a shape and a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Something happens, nobody notices.
    Silent,
    /// The caller hears something.
    Heard,
    /// The caller is asked.
    Asked,
    /// The way divides.
    Divided,
    /// The caller waits for an agent.
    Waited,
    /// Somebody is rung.
    Rung,
    /// The end.
    Ended,
}

impl Verb {
    /// Its key in the file, its kind, and what it is about.
    pub(crate) fn described(&self) -> (&'static str, Kind, String) {
        match self {
            Verb::Answer { .. } => ("answer", Kind::Silent, String::new()),
            Verb::Ring { .. } => ("ring", Kind::Silent, String::new()),
            Verb::PauseRecording { on, .. } => {
                ("pause_recording", Kind::Silent, if *on { "off from here on" } else { "on again" }.into())
            }
            Verb::Play(play) if matches!(play.phrase[..], [Item::Keys(_)]) => {
                ("dtmf", Kind::Silent, phrase(&play.phrase))
            }
            Verb::Play(play) => ("play", Kind::Heard, phrase(&play.phrase)),
            Verb::Menu(menu) => ("menu", Kind::Asked, phrase(&menu.ask.prompt)),
            Verb::Collect(collect) => ("collect", Kind::Asked, format!("${}", collect.variable)),
            Verb::Survey(survey) => {
                let asked = survey.questions.iter().map(|question| phrase(&question.ask.prompt));
                let asked: Vec<_> = asked.collect();
                ("survey", Kind::Asked, format!("{}: {}", survey.name, asked.join(", ")))
            }
            Verb::Goto { .. } => ("goto", Kind::Silent, String::new()),
            Verb::Sub { .. } => ("sub", Kind::Silent, String::new()),
            Verb::Return => ("return", Kind::Ended, String::new()),
            Verb::Set { values, .. } => {
                let values: Vec<_> = values.iter().map(|(name, value)| format!("{name} = {}", text(value))).collect();
                ("set", Kind::Silent, values.join(", "))
            }
            Verb::Branch { .. } => ("branch", Kind::Divided, String::new()),
            Verb::Queue(queue) => {
                let agent = queue.agent.iter().map(|agent| format!(", agent {}", text(agent)));
                let rather = queue.prefer.iter().map(|preference| match &preference.whom {
                    Preferred::Agent(agent) => format!(", rather agent {}", text(agent)),
                    Preferred::Last { .. } => ", rather the last agent".into(),
                });
                ("queue", Kind::Waited, [queue.queue.to_string()].into_iter().chain(agent).chain(rather).collect())
            }
            Verb::Dial(Dial { to: Dialled::Number { number, trunk }, .. }) => {
                let trunk = trunk.iter().map(|trunk| format!(" by {trunk}"));
                ("dial", Kind::Rung, [text(number)].into_iter().chain(trunk).collect())
            }
            Verb::Dial(Dial { to: Dialled::Agent(agent), .. }) => {
                ("dial", Kind::Rung, format!("agent {}", text(agent)))
            }
            Verb::Transfer(transfer) => ("transfer", Kind::Rung, text(&transfer.number)),
            Verb::Callback(Callback { number, .. }) => {
                ("callback", Kind::Rung, number.as_ref().map(text).unwrap_or_default())
            }
            Verb::Record(record) => match &record.into {
                Into::Variable(variable) => ("record", Kind::Asked, format!("${variable}")),
                Into::Mailbox { owner: whose, .. } => ("voicemail", Kind::Asked, owner(whose)),
            },
            Verb::Listen(listen) => ("messages", Kind::Heard, owner(&listen.owner)),
            Verb::SignIn(sign_in) => ("sign_in", Kind::Silent, format!("agent {}", text(&sign_in.agent))),
            Verb::LookUp(asked) => ("lookup", Kind::Silent, asked.url.filled(text)),
            Verb::Bot(bot) => ("bot", Kind::Asked, bot.bot.to_string()),
            Verb::HangUp { status, cause } => {
                let cause = cause.map(|cause| format!(", cause {cause}")).unwrap_or_default();
                ("hangup", Kind::Ended, format!("{status}{cause}"))
            }
        }
    }
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Queue(queue) => queue.to_string(),
        Owner::Agent(agent) => format!("agent {}", text(agent)),
    }
}

/// `$variable` or the text itself.
pub(crate) fn text(text: &Text) -> String {
    match text {
        Text::Literal(text) => text.to_string(),
        Text::Variable(name) => format!("${name}"),
        Text::Sum(sum) => sum.to_string(),
    }
}

/// Prompt ids and `{$value}`s.
pub(crate) fn phrase(phrase: &Phrase) -> String {
    let item = |item: &Item| match item {
        Item::Prompt(id) => Some(id.to_string()),
        Item::Foreign { language, id } => Some(format!("{id} ({language})")),
        Item::Silence(_) => None,
        Item::Keys(keys) => Some(text(keys)),
        Item::Recording(value) => Some(format!("{{recording {}}}", text(value))),
        Item::Speak(template) => Some(format!("“{}”", template.filled(text))),
        Item::Say { value, .. } => Some(format!("{{{}}}", text(value))),
    };
    phrase.iter().filter_map(item).collect::<Vec<_>>().join(", ")
}
