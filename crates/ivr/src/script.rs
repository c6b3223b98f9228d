//! A dialplan's own tests: what a caller does, and what must happen.

use crate::bot::TalkEnd;
use crate::lookup::LookUpAnswer;
use crate::parse::Reader;
use crate::phrase::Text;
use crate::source::{Fields, Value};
use crate::step::{AgentAvailability, QueueState};
use crate::survey::SCORE_MAX;
use busyhour_model::calendar;
use busyhour_model::{DequeueReason, LookUpOutcome, Name, OfferOutcome, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One `[[test]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Script {
    pub(crate) name: Name,
    pub(crate) line: usize,
    pub(crate) from: Name,
    pub(crate) to: Name,
    pub(crate) origin: Name,
    pub(crate) tier: Option<Name>,
    pub(crate) at: Time,
    pub(crate) steps: Vec<Move>,
}

/// One line of a test: something done, or something that must come next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Move {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: Act,
}

/// What is done or expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    /// The caller presses these keys.
    Press(Name),
    /// So long nothing is done.
    Pass(Duration),
    /// The caller speaks for so long once something is recorded, and then says nothing.
    Speak(Duration),
    /// What the ACD says when next asked.
    Place(u32, Option<Duration>),
    /// What the ACD says of a queue from now on.
    QueueIs(Name, QueueState),
    Dequeue(DequeueReason),
    Agent(AgentAvailability),
    DialFails(OfferOutcome),
    PartnerLeaves,
    /// The caller's calling tone is heard.
    Fax,
    /// The next call-back asked for is refused.
    RefuseCallback,
    /// The next sign-in is refused.
    RefuseSignIn,
    /// The next transfer fails.
    FailTransfer,
    /// The next mailbox asked for is full.
    FillMailbox,
    /// So many new messages are in the next mailbox.
    Messages(u32),
    /// The caller hears these prompts, one after another.
    Hear(Vec<Name>),
    Enter(Name),
    Language(Name),
    Queue {
        queue: Name,
        priority: Option<i32>,
        skills: Option<Vec<Name>>,
        agent: Option<Name>,
        prefer: Option<Name>,
        tier: Option<Name>,
    },
    /// This address is asked, and answers so; `None`: not at all.
    LookUp(Name, Option<LookUpAnswer>),
    /// The caller talks with this bot, which ends it so; `None`: not at all.
    Talk(Name, Option<TalkEnd>),
    /// These keys are pressed.
    Keys(Name),
    /// A survey is over, with these scores by question.
    Survey(Name, Option<BTreeMap<Name, u32>>),
    Dial(Name),
    /// The caller is passed on to this number.
    Transfer(Name),
    /// To this number.
    Callback(Name),
    /// This agent is to sign in.
    SignIn(Name),
    /// A message is to be left in this queue's or agent's mailbox.
    Voicemail(Name),
    HangUp(Option<u16>),
}

/// How one test of a dialplan ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// The test's name.
    pub name: Name,
    /// Line of the test, or of the step that failed; 1-based.
    pub line: usize,
    /// What went wrong; `None` when it passed.
    pub failure: Option<Failure>,
}

/// A step of a test that did not come true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which one, 1-based.
    pub step: usize,
    /// Where it begins in its line, 1-based, in characters.
    pub column: usize,
    /// What should have come, in words.
    pub expected: String,
    /// What came, in words.
    pub instead: String,
}

/// Every step of a test has one of these keys.
pub(crate) const ACTS: [&str; 29] = [
    "press",
    "pass",
    "speak",
    "place",
    "queue_is",
    "dequeue",
    "agent_is",
    "dial_fails",
    "partner_leaves",
    "fax",
    "transfer_fails",
    "refuse_callback",
    "refuse_sign_in",
    "mailbox_full",
    "messages",
    "hear",
    "enter",
    "language",
    "queue",
    "lookup",
    "bot",
    "dtmf",
    "survey",
    "dial",
    "transfer",
    "callback",
    "sign_in",
    "voicemail",
    "hangup",
];

impl<'t> Reader<'t> {
    /// All tests of a dialplan.
    pub(crate) fn scripts(&mut self, value: &'t Value<'t>, utc_offset_minutes: i32) -> Vec<Script> {
        let tests = self.report.array(value).unwrap_or_default();
        tests.iter().filter_map(|test| self.script(test, utc_offset_minutes)).collect()
    }

    fn script(&mut self, value: &'t Value<'t>, utc_offset_minutes: i32) -> Option<Script> {
        let mut fields = self.report.fields(value, "a test")?;
        let name = fields.need("name", &mut self.report).and_then(|value| self.report.text(value)).unwrap_or_default();
        let steps = fields.need("steps", &mut self.report).and_then(|value| self.report.array(value));
        let script = Script {
            name: name.into(),
            line: self.report.spot(value.span().start).0,
            from: self.name_or(&mut fields, "from", "13800138000"),
            to: self.name_or(&mut fields, "to", "95118"),
            origin: self.name_or(&mut fields, "origin", "test"),
            tier: self.tier(&mut fields),
            at: fields.take("at").and_then(|value| self.moment(value, utc_offset_minutes)).unwrap_or(NOON),
            steps: steps.unwrap_or_default().iter().filter_map(|step| self.step(step)).collect(),
        };
        fields.finish(&mut self.report);
        Some(script)
    }

    fn tier(&mut self, fields: &mut Fields<'t>) -> Option<Name> {
        let value = fields.take("tier")?;
        let tier = self.report.text(value)?;
        self.known(value.span().start, "tier", tier, &self.names.tiers, false);
        Some(tier.into())
    }

    fn name_or(&mut self, fields: &mut Fields<'t>, key: &'static str, default: &str) -> Name {
        fields.take(key).and_then(|value| self.report.text(value)).unwrap_or(default).into()
    }

    /// `2026-11-23 10:00`, on the clock of the plan.
    fn moment(&mut self, value: &'t Value<'t>, utc_offset_minutes: i32) -> Option<Time> {
        let text = self.report.text(value)?;
        let read = || {
            let (day, minute) = text.split_once(' ')?;
            let minutes = u64::from(calendar::minute_of_day(minute)?);
            Some(calendar::midnight(calendar::day(day)?, utc_offset_minutes) + Duration::from_secs(minutes * 60))
        };
        let moment = read();
        if moment.is_none() {
            self.report.error(value.span().start, format!("`{text}` is not a moment like \"2026-11-23 10:00\""));
        }
        moment
    }

    fn step(&mut self, value: &'t Value<'t>) -> Option<Move> {
        let offset = value.span().start;
        let mut fields = self.report.fields(value, "a step")?;
        let found: Vec<_> = ACTS.into_iter().filter(|act| fields.has(act)).collect();
        let (Some(key), true) = (found.first(), found.len() == 1) else {
            let mistake = self.report.at(offset, "a step does or expects exactly one thing");
            self.report.note(mistake.help(format!("one of: {}", ACTS.join(", "))));
            return None;
        };
        let value = fields.take(key)?;
        let what = self.act(key, value, &mut fields);
        fields.finish(&mut self.report);
        let (line, column) = self.report.spot(offset);
        Some(Move { line, column, what: what? })
    }

    fn act(&mut self, key: &str, value: &'t Value<'t>, fields: &mut Fields<'t>) -> Option<Act> {
        Some(match key {
            "press" => Act::Press(self.report.text(value)?.into()),
            "pass" => Act::Pass(self.report.duration(value)?),
            "speak" => Act::Speak(self.report.duration(value)?),
            "place" => {
                let ahead = self.report.integer(value, 0, 100_000)? as u32;
                Act::Place(ahead, fields.take("wait").and_then(|value| self.report.duration(value)))
            }
            "queue_is" => self.queue_is(value, fields)?,
            "dequeue" => Act::Dequeue(self.one_of(value, &DEQUEUES)?),
            "agent_is" => Act::Agent(self.one_of(value, &AVAILABILITIES)?),
            "dial_fails" => Act::DialFails(self.one_of(value, &DIAL_FAILURES)?),
            "partner_leaves" => Act::PartnerLeaves,
            "fax" => Act::Fax,
            "transfer_fails" => Act::FailTransfer,
            "refuse_callback" => Act::RefuseCallback,
            "refuse_sign_in" => Act::RefuseSignIn,
            "mailbox_full" => Act::FillMailbox,
            "messages" => Act::Messages(self.report.integer(value, 0, 100)? as u32),
            "hear" => Act::Hear(self.heard(value)),
            "enter" => {
                self.node_id(value);
                Act::Enter(self.report.text(value)?.into())
            }
            "language" => Act::Language(self.language(value)?),
            "queue" => self.queue_act(value, fields)?,
            "lookup" => Act::LookUp(self.report.text(value)?.into(), self.lookup_answer(fields)),
            "bot" => Act::Talk(self.report.text(value)?.into(), self.talk_end(fields)),
            "dtmf" => Act::Keys(self.report.text(value)?.into()),
            "survey" => Act::Survey(self.report.text(value)?.into(), fields.take("marks").map(|v| self.marks(v))),
            "dial" => Act::Dial(self.report.text(value)?.into()),
            "transfer" => Act::Transfer(self.report.text(value)?.into()),
            "callback" => Act::Callback(self.report.text(value)?.into()),
            "sign_in" => Act::SignIn(self.report.text(value)?.into()),
            "voicemail" => Act::Voicemail(self.report.text(value)?.into()),
            _ => Act::HangUp(self.hang_up_status(value)),
        })
    }

    /// `{ queue_is = "card", waiting = 20, wait = "11m" }`; what is not named is as in a quiet hour.
    fn queue_is(&mut self, value: &'t Value<'t>, fields: &mut Fields<'t>) -> Option<Act> {
        let queue = self.report.text(value)?;
        self.known(value.span().start, "queue", queue, &self.names.queues, false);
        let state = QueueState {
            open: self.flag(fields, "open", QUIET.open),
            waiting: self.integer(fields, "waiting", 0, 1_000_000, 0) as u32,
            signed_in: self.integer(fields, "agents", 0, 1_000_000, QUIET.signed_in.into()) as u32,
            ready: self.integer(fields, "ready", 0, 1_000_000, QUIET.ready.into()) as u32,
            wait: fields.take("wait").map_or(QUIET.wait, |value| self.report.duration(value)),
        };
        Some(Act::QueueIs(queue.into(), state))
    }

    /// `found = { name = "Li" }`, or `fails = "not_found"`.
    fn lookup_answer(&mut self, fields: &mut Fields<'t>) -> Option<LookUpAnswer> {
        if let Some(value) = fields.take("fails") {
            return self.one_of(value, &LOOK_UP_FAILURES).map(|failure| match failure {
                LookUpOutcome::NotFound => LookUpAnswer::NotFound,
                _ => LookUpAnswer::Refused,
            });
        }
        let found = fields.take("found")?;
        Some(LookUpAnswer::Found(self.literals(found)))
    }

    /// `outcome = "sales", values = { topic = "loan" }`.
    fn talk_end(&mut self, fields: &mut Fields<'t>) -> Option<TalkEnd> {
        let values = fields.take("values").map(|value| self.literals(value)).unwrap_or_default();
        let outcome = fields.take("outcome").and_then(|value| self.report.text(value))?;
        let values = values.into_iter().map(|(name, text)| (name.to_string(), text.into())).collect();
        let outcome = Some(outcome).filter(|outcome| *outcome != "then").map(Name::from);
        Some(TalkEnd::Ended { outcome, values: serde_json::Value::Object(values) })
    }

    fn literals(&mut self, value: &'t Value<'t>) -> BTreeMap<Name, String> {
        let mut found = BTreeMap::new();
        for (name, value) in self.report.table(value).into_iter().flatten() {
            if let Some(Text::Literal(text)) = self.scalar(value, false) {
                found.insert(name.get_ref().as_ref().into(), text.to_string());
            }
        }
        found
    }

    /// Scores by question.
    fn marks(&mut self, value: &'t Value<'t>) -> BTreeMap<Name, u32> {
        let mut marks = BTreeMap::new();
        for (question, value) in self.report.table(value).into_iter().flatten() {
            let score = self.report.integer(value, 0, SCORE_MAX);
            marks.extend(score.map(|score| (Name::from(question.get_ref().as_ref()), score as u32)));
        }
        marks
    }

    fn queue_act(&mut self, value: &'t Value<'t>, fields: &mut Fields<'t>) -> Option<Act> {
        let queue = self.report.text(value)?;
        self.known(value.span().start, "queue", queue, &self.names.queues, false);
        let priority = fields.take("priority").and_then(|value| self.report.integer(value, -1_000_000, 1_000_000));
        let agent = fields.take("agent").and_then(|value| self.report.text(value)).map(Name::from);
        let prefer = fields.take("prefer").and_then(|value| self.report.text(value)).map(Name::from);
        let skills = fields.take("skills").map(|value| self.texts(value));
        let tier = self.tier(fields);
        Some(Act::Queue { queue: queue.into(), priority: priority.map(|n| n as i32), skills, agent, prefer, tier })
    }

    /// Prompt ids, which must exist, and texts that some node speaks.
    fn heard(&mut self, value: &'t Value<'t>) -> Vec<Name> {
        for value in self.report.one_or_more(value) {
            if let Some(id) = value.get_ref().as_str()
                && id != RECORDING
                && !self.spoken.iter().any(|template| template.fits(id))
            {
                self.prompt_known(id, value.span().start);
            }
        }
        self.texts(value)
    }

    fn texts(&mut self, value: &'t Value<'t>) -> Vec<Name> {
        let values = self.report.one_or_more(value);
        values.iter().filter_map(|value| self.report.text(value)).map(Name::from).collect()
    }

    fn hang_up_status(&mut self, value: &'t Value<'t>) -> Option<u16> {
        match value.get_ref().as_bool() {
            Some(true) => None,
            _ => self.report.integer(value, 400, 699).map(|status| status as u16),
        }
    }

    fn one_of<T: Copy>(&mut self, value: &'t Value<'t>, known: &[(&str, T)]) -> Option<T> {
        let text = self.report.text(value)?;
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, one)| *one);
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            let message = format!("`{text}` is none of: {}", names.join(", "));
            let mistake = self.report.at(value.span().start, message);
            self.report.note(mistake.suggest(text, names));
        }
        found
    }
}

/// What is heard when a recording is played.
pub(crate) const RECORDING: &str = "recording";
/// A queue nothing is said about.
pub(crate) const QUIET: QueueState =
    QueueState { open: true, waiting: 0, signed_in: 10, ready: 5, wait: Some(Duration::ZERO) };
/// Monday 2026-11-23 12:00 in China.
const NOON: Time = Time::from_secs(1_795_406_400);
const DEQUEUES: [(&str, DequeueReason); 4] = [
    ("timed_out", DequeueReason::TimedOut),
    ("full", DequeueReason::Full),
    ("no_agents", DequeueReason::NoAgents),
    ("closed", DequeueReason::Closed),
];
const AVAILABILITIES: [(&str, AgentAvailability); 3] = [
    ("busy", AgentAvailability::Busy),
    ("offline", AgentAvailability::Offline),
    ("unknown", AgentAvailability::Unknown),
];
const LOOK_UP_FAILURES: [(&str, LookUpOutcome); 2] =
    [("not_found", LookUpOutcome::NotFound), ("failed", LookUpOutcome::Refused)];
const DIAL_FAILURES: [(&str, OfferOutcome); 3] =
    [("no_answer", OfferOutcome::NoAnswer), ("busy", OfferOutcome::Refused), ("failed", OfferOutcome::Unreachable)];
