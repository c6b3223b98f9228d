//! What happened in a rehearsal, in words, and whether it is what was expected.

use crate::script::Act;
use busyhour_model::Name;
use std::collections::BTreeMap;
use std::fmt;

/// What a test can expect.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Happened {
    Heard(Name),
    Entered(Name),
    Queued {
        queue: Name,
        priority: i32,
        skills: Vec<Name>,
        agent: Option<Name>,
        prefer: Option<Name>,
        tier: Option<Name>,
    },
    Asked(Name),
    Talked(Name),
    Pressed(String),
    Surveyed(Name, BTreeMap<Name, u32>),
    Dialled(Name),
    PassedOn(Name),
    CalledBack(Name),
    SignedIn(Name),
    Mailbox(Name),
    HungUp(u16),
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happened::Heard(id) => write!(f, "heard `{id}`"),
            Happened::Entered(node) => write!(f, "entered `{node}`"),
            Happened::Queued { queue, priority, skills, agent, prefer, tier } => {
                write!(f, "queued in `{queue}`, priority {priority}")?;
                let skills = Some(skills).filter(|skills| !skills.is_empty());
                queued_for(f, skills, [("agent", agent), ("preferred agent", prefer), ("tier", tier)])
            }
            Happened::Asked(url) => write!(f, "looked up {url}"),
            Happened::Talked(bot) => write!(f, "talked with bot {bot}"),
            Happened::Pressed(keys) => write!(f, "pressed {keys}"),
            Happened::Surveyed(survey, marks) => {
                write!(f, "was asked survey `{survey}`")?;
                marks.iter().try_for_each(|(question, score)| write!(f, ", {question} = {score}"))
            }
            Happened::Dialled(to) => write!(f, "dialled {to}"),
            Happened::PassedOn(to) => write!(f, "passed the caller on to {to}"),
            Happened::CalledBack(to) => write!(f, "promised to call back {to}"),
            Happened::SignedIn(agent) => write!(f, "asked to sign in as {agent}"),
            Happened::Mailbox(whose) => write!(f, "asked for the mailbox of {whose}"),
            Happened::HungUp(status) => write!(f, "hung up ({status})"),
        }
    }
}

/// An expectation in words.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Hear(prompts) => {
                let prompts: Vec<_> = prompts.iter().map(|id| format!("`{id}`")).collect();
                write!(f, "to hear {}", prompts.join(", "))
            }
            Act::Enter(node) => write!(f, "to enter `{node}`"),
            Act::Language(language) => write!(f, "language `{language}`"),
            Act::Queue { queue, priority, skills, agent, prefer, tier } => {
                write!(f, "to be queued in `{queue}`")?;
                priority.iter().try_for_each(|priority| write!(f, ", priority {priority}"))?;
                queued_for(f, skills.as_ref(), [("agent", agent), ("preferred agent", prefer), ("tier", tier)])
            }
            Act::LookUp(url, _) => write!(f, "to look up {url}"),
            Act::Talk(bot, _) => write!(f, "to talk with bot {bot}"),
            Act::Keys(keys) => write!(f, "to press {keys}"),
            Act::Survey(survey, marks) => {
                write!(f, "to be asked survey `{survey}`")?;
                marks.iter().flatten().try_for_each(|(question, score)| write!(f, ", {question} = {score}"))
            }
            Act::Dial(to) => write!(f, "to dial {to}"),
            Act::Transfer(to) => write!(f, "to pass the caller on to {to}"),
            Act::Voicemail(whose) => write!(f, "to leave a message for {whose}"),
            Act::Callback(to) => write!(f, "to promise to call back {to}"),
            Act::SignIn(agent) => write!(f, "to sign in as {agent}"),
            Act::HangUp(Some(status)) => write!(f, "to hang up ({status})"),
            Act::HangUp(None) => write!(f, "to hang up"),
            done => write!(f, "{done:?}"),
        }
    }
}

/// How much of the log is over once `expected` is found in it.
pub(super) fn found(log: &[Happened], expected: &Act) -> Option<usize> {
    if let Act::Hear(prompts) = expected {
        return heard(log, prompts);
    }
    let matches = |happened: &Happened| match (expected, happened) {
        (Act::Enter(node), Happened::Entered(entered)) => node == entered,
        (Act::LookUp(url, _), Happened::Asked(asked)) => url == asked,
        (Act::Talk(bot, _), Happened::Talked(talked)) => bot == talked,
        (Act::Keys(keys), Happened::Pressed(pressed)) => **keys == *pressed,
        (Act::Survey(survey, marks), Happened::Surveyed(asked, given)) => {
            survey == asked && marks.as_ref().is_none_or(|marks| marks == given)
        }
        (Act::Dial(to), Happened::Dialled(dialled)) => to == dialled,
        (Act::Transfer(to), Happened::PassedOn(number)) => to == number,
        (Act::Callback(to), Happened::CalledBack(number)) => to == number,
        (Act::SignIn(to), Happened::SignedIn(agent)) => to == agent,
        (Act::Voicemail(whose), Happened::Mailbox(asked)) => whose == asked,
        (Act::HangUp(status), Happened::HungUp(sent)) => status.is_none_or(|status| status == *sent),
        (
            Act::Queue { queue, priority, skills, agent, prefer, tier },
            Happened::Queued { queue: q, priority: p, skills: s, agent: a, prefer: r, tier: t },
        ) => {
            queue == q
                && priority.is_none_or(|priority| priority == *p)
                && skills.as_ref().is_none_or(|skills| skills == s)
                && agent.as_ref().is_none_or(|agent| Some(agent) == a.as_ref())
                && prefer.as_ref().is_none_or(|prefer| Some(prefer) == r.as_ref())
                && tier.as_ref().is_none_or(|tier| Some(tier) == t.as_ref())
        }
        _ => false,
    };
    log.iter().position(matches).map(|at| at + 1)
}

/// The prompts must follow one another; entering nodes between them does not matter.
fn heard(log: &[Happened], prompts: &[Name]) -> Option<usize> {
    let heard: Vec<(usize, &Name)> = log
        .iter()
        .enumerate()
        .filter_map(|(at, happened)| match happened {
            Happened::Heard(id) => Some((at, id)),
            _ => None,
        })
        .collect();
    if prompts.is_empty() {
        return Some(0);
    }
    let run = heard.windows(prompts.len()).find(|run| run.iter().map(|(_, id)| *id).eq(prompts))?;
    run.last().map(|(at, _)| at + 1)
}

fn queued_for(
    f: &mut fmt::Formatter<'_>,
    skills: Option<&Vec<Name>>,
    others: [(&str, &Option<Name>); 3],
) -> fmt::Result {
    skills.iter().try_for_each(|skills| write!(f, ", skills [{}]", skills.join(", ")))?;
    let mut told = others.into_iter().filter_map(|(what, name)| Some((what, name.as_ref()?)));
    told.try_for_each(|(what, name)| write!(f, ", {what} {name}"))
}
