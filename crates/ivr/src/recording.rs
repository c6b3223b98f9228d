//! The caller's own words: a beep, then a recording that ends by key, silence or length.

use crate::parse::Reader;
use crate::phrase::prompt;
use crate::plan::{NodeId, Verb};
use crate::session::{Session, Stage};
use crate::source::{Fields, Value};
use crate::step::Step;
use busyhour_model::{Name, TapeId, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest recording a plan may ask for.
pub const LONGEST_MAX: Duration = Duration::from_secs(600);
/// A recording that is not filed so long after its end has failed.
const FILING: Duration = Duration::from_secs(5);

/// Let the caller speak, and keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) variable: Name,
    pub(crate) beep: bool,
    pub(crate) longest: Duration,
    pub(crate) shortest: Duration,
    pub(crate) silence: Option<Duration>,
    pub(crate) keys: String,
    pub(crate) then: NodeId,
    pub(crate) too_short: NodeId,
    pub(crate) failed: NodeId,
}

/// How far the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Taping {
    Beeping,
    Speaking,
}

impl<'t> Reader<'t> {
    /// `record = "variable"`.
    pub(crate) fn record(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let variable = self.report.text(value).unwrap_or_default();
        self.write(variable, value.span().start, false);
        let longest = self.duration(fields, "longest", Duration::from_secs(60));
        if longest > LONGEST_MAX || longest.is_zero() {
            self.report.error(fields.offset, "`longest` is at most \"10m\" and at least something");
        }
        let otherwise = fields.take("else").map(|value| self.node_id(value));
        Verb::Record(Box::new(Record {
            variable: variable.into(),
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
    pub(crate) fn record(&mut self, now: Time, record: &Record) {
        self.answer();
        self.typed.clear();
        if record.beep {
            self.stage = Stage::Recording(Taping::Beeping);
            self.play(vec![prompt(&self.language, "system/beep")], false);
        } else {
            self.tape(now, record);
        }
    }

    /// The beep was heard: now speak.
    pub(crate) fn tape(&mut self, now: Time, record: &Record) {
        self.stage = Stage::Recording(Taping::Speaking);
        self.deadline = Some(now + record.longest + FILING);
        let (name, keys) = (record.variable.clone(), record.keys.clone());
        let Record { longest, shortest, silence, .. } = *record;
        self.steps.push_back(Step::Record { name, longest, shortest, silence, keys });
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
        let before = self.values.get(&record.variable).and_then(|value| read(&value.text));
        self.discard(before);
        self.set_value(&record.variable, tape.to_string());
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
