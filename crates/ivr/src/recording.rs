//! The caller's own words: a beep, then a recording that ends by key, silence or length.

use crate::parse::Reader;
use crate::phrase::{Phrase, Text, prompt};
use crate::plan::{NodeId, Verb};
use crate::session::{Session, Stage};
use crate::source::{Fields, Value};
use crate::step::{Keep, Step};
use busyhour_model::{Mailbox, Name, TapeId, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest recording a plan may ask for.
pub const LONGEST_MAX: Duration = Duration::from_secs(600);
/// A recording that is not filed so long after its end has failed.
const FILING: Duration = Duration::from_secs(5);

/// Let the caller speak, and keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) into: Into,
    pub(crate) greeting: Phrase,
    pub(crate) beep: bool,
    pub(crate) longest: Duration,
    pub(crate) shortest: Duration,
    pub(crate) silence: Option<Duration>,
    pub(crate) keys: String,
    pub(crate) then: NodeId,
    pub(crate) too_short: NodeId,
    pub(crate) failed: NodeId,
}

/// Where a recording goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Into {
    Variable(Name),
    Mailbox {
        owner: Owner,
        /// A recording made before, instead of a new one.
        recording: Option<Text>,
        full: NodeId,
    },
}

/// Whose mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Owner {
    Queue(Name),
    Agent(Text),
}

/// How far the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Taping {
    /// Is there room in the mailbox?
    Opening,
    Greeting,
    Beeping,
    Speaking,
}

impl<'t> Reader<'t> {
    /// `record = "variable"`.
    pub(crate) fn record(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let variable = self.report.text(value).unwrap_or_default();
        self.write(variable, value.span().start, false);
        let otherwise = fields.take("else").map(|value| self.node_id(value));
        self.spoken(fields, Into::Variable(variable.into()), otherwise, Duration::from_secs(60))
    }

    /// `voicemail = "queue"`, or `{ agent = "$agent_number" }`.
    pub(crate) fn voicemail(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let owner = self.owner(value).unwrap_or(Owner::Queue("".into()));
        let recording = fields.take("recording").and_then(|value| self.scalar(value, true));
        let otherwise = fields.take("else").map(|value| self.node_id(value));
        let full = self.target_or(fields, "full", otherwise);
        // Of a recording made before it was asked already whether it is long enough.
        let otherwise = otherwise.or(recording.is_some().then_some(full));
        self.spoken(fields, Into::Mailbox { owner, recording, full }, otherwise, Duration::from_secs(180))
    }

    pub(crate) fn owner(&mut self, value: &'t Value<'t>) -> Option<Owner> {
        if !value.get_ref().is_table() {
            return self.queue_owner(value);
        }
        let mut fields = self.report.fields(value, "`voicemail`")?;
        let owner = match fields.take("agent") {
            Some(agent) => self.scalar(agent, true).map(Owner::Agent),
            None => fields.need("queue", &mut self.report).and_then(|queue| self.queue_owner(queue)),
        };
        fields.finish(&mut self.report);
        owner
    }

    fn queue_owner(&mut self, value: &'t Value<'t>) -> Option<Owner> {
        let queue = self.report.text(value)?;
        self.known(value.span().start, "queue", queue, &self.names.queues, false);
        Some(Owner::Queue(queue.into()))
    }

    fn spoken(&mut self, fields: &mut Fields<'t>, into: Into, otherwise: Option<NodeId>, longest: Duration) -> Verb {
        let longest = self.duration(fields, "longest", longest);
        if longest > LONGEST_MAX || longest.is_zero() {
            self.report.error(fields.offset, "`longest` is at most \"10m\" and at least something");
        }
        Verb::Record(Box::new(Record {
            into,
            greeting: self.phrase_or(fields, "greeting", &[]),
            beep: self.flag(fields, "beep", true),
            longest,
            shortest: self.duration(fields, "shortest", Duration::from_secs(1)),
            silence: Some(self.duration(fields, "silence", Duration::from_secs(4))).filter(|span| !span.is_zero()),
            keys: fields.take("end_keys").map_or_else(|| "#".into(), |value| self.end_keys(value)),
            then: self.target(fields, "then"),
            too_short: self.target_or(fields, "too_short", otherwise),
            failed: self.target_or(fields, "failed", otherwise),
        }))
    }

    /// Keys that end a recording, `"#"` or `"*#"`; `""` for none.
    fn end_keys(&mut self, value: &'t Value<'t>) -> String {
        let keys = self.report.text(value).unwrap_or_default();
        if !keys.chars().all(|key| matches!(key, '0'..='9' | '*' | '#')) {
            self.report.error(value.span().start, format!("`{keys}` has what is no key: 0 to 9, * and #"));
        }
        keys.into()
    }
}

impl Session {
    pub(crate) fn record(&mut self, now: Time, record: &Record) -> Option<NodeId> {
        self.answer();
        self.typed.clear();
        match &record.into {
            Into::Variable(_) => self.greet(now, record),
            Into::Mailbox { owner, full, .. } => match self.mailbox(owner) {
                Some(mailbox) => {
                    self.stage = Stage::Recording(Taping::Opening);
                    self.steps.push_back(Step::OpenMailbox { mailbox });
                }
                None => return Some(*full),
            },
        }
        None
    }

    pub(crate) fn mailbox(&self, owner: &Owner) -> Option<Mailbox> {
        match owner {
            Owner::Queue(queue) => Some(Mailbox::Queue(queue.clone())),
            Owner::Agent(agent) => self.text(agent).map(|agent| Mailbox::Agent(agent.into())),
        }
    }

    /// The mailbox has room, or is full or nobody's.
    pub(crate) fn opened(&mut self, now: Time, verb: &Verb, open: bool) -> Option<NodeId> {
        let (Stage::Recording(Taping::Opening), Verb::Record(record)) = (&self.stage, verb) else { return None };
        let Into::Mailbox { owner, recording, full } = &record.into else { return None };
        let Some(mailbox) = self.mailbox(owner).filter(|_| open) else { return Some(*full) };
        let Some(recording) = recording else {
            self.greet(now, record);
            return None;
        };
        let Some(tape) = self.text(recording).and_then(|text| read(&text)) else { return Some(record.failed) };
        self.steps.push_back(Step::Deposit { mailbox, tape });
        Some(record.then)
    }

    fn greet(&mut self, now: Time, record: &Record) {
        let greeting = self.sounds(&record.greeting);
        if greeting.is_empty() {
            return self.beep(now, record);
        }
        self.stage = Stage::Recording(Taping::Greeting);
        self.play(greeting, false);
    }

    fn beep(&mut self, now: Time, record: &Record) {
        if record.beep {
            self.stage = Stage::Recording(Taping::Beeping);
            self.play(vec![prompt(&self.language, "system/beep")], false);
        } else {
            self.tape(now, record);
        }
    }

    /// A key ends the greeting; none ends the beep.
    pub(crate) fn key_when_greeted(&mut self, now: Time, taping: Taping, record: &Record) {
        if taping == Taping::Greeting {
            self.steps.push_back(Step::Stop);
            self.beep(now, record);
        }
    }

    /// Greeting or beep was heard.
    pub(crate) fn greeted(&mut self, now: Time, taping: Taping, record: &Record) {
        match taping {
            Taping::Greeting => self.beep(now, record),
            Taping::Beeping => self.tape(now, record),
            Taping::Opening | Taping::Speaking => {}
        }
    }

    fn tape(&mut self, now: Time, record: &Record) {
        self.stage = Stage::Recording(Taping::Speaking);
        self.deadline = Some(now + record.longest + FILING);
        let keep = match &record.into {
            Into::Variable(name) => Keep::Variable(name.clone()),
            Into::Mailbox { owner, .. } => match self.mailbox(owner) {
                Some(mailbox) => Keep::Message(mailbox),
                None => return,
            },
        };
        let Record { longest, shortest, silence, .. } = *record;
        self.steps.push_back(Step::Record { keep, longest, shortest, silence, keys: record.keys.clone() });
    }

    /// The caller has spoken for so long; `None`: nothing could be recorded.
    pub(crate) fn recorded(&mut self, verb: &Verb, tape: Option<TapeId>, voice: Duration) -> Option<NodeId> {
        let (Stage::Recording(Taping::Speaking), Verb::Record(record)) = (&self.stage, verb) else {
            // Too late: the plan has gone on without it.
            self.discard(tape);
            return None;
        };
        let Some(tape) = tape else { return Some(record.failed) };
        if voice < record.shortest {
            self.discard(Some(tape));
            return Some(record.too_short);
        }
        if let Into::Variable(variable) = &record.into {
            let before = self.values.get(variable).and_then(|value| read(&value.text));
            self.discard(before);
            self.set_value(variable, tape.to_string());
        }
        Some(record.then)
    }

    fn discard(&mut self, tape: Option<TapeId>) {
        self.steps.extend(tape.map(|tape| Step::Discard { tape }));
    }
}

/// The tape a variable's text names.
pub(crate) fn read(text: &str) -> Option<TapeId> {
    text.strip_prefix("tape")?.parse().ok().map(TapeId)
}
