//! Surveys: questions with scores, asked one after another; what was answered counts even when the caller leaves early.

use crate::condition::Comparison;
use crate::parse::Reader;
use crate::phrase::{Item, Phrase};
use crate::plan::{Ask, NodeId, Verb};
use crate::session::Session;
use crate::source::{Fields, Value};
use crate::step::Step;
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Questions of one survey.
pub const QUESTIONS_MAX: usize = 16;
/// The best score there can be.
pub(crate) const SCORE_MAX: i64 = 1_000;
/// The least score of the first question that says satisfied, when the survey does not say.
const SATISFIED: i64 = 4;

/// `survey = "name"`, with the questions of `[survey.name]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Survey {
    pub(crate) name: Name,
    /// Least score of the first question that says so.
    satisfied: u32,
    pub(crate) questions: Vec<Question>,
    pub(crate) then: NodeId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// The variable its score goes into as well.
    name: Name,
    pub(crate) ask: Ask,
    /// Score by key.
    keys: BTreeMap<char, u32>,
    /// Asked only if all of these variables are so.
    when: Vec<(Name, Vec<Comparison>)>,
}

impl Session {
    /// Begin with the first question.
    pub(crate) fn begin_survey(&mut self, now: Time, verb: &Verb, survey: &Survey) -> Option<NodeId> {
        self.steps.push_back(Step::SurveyBegun { survey: survey.name.clone() });
        self.ask_from(now, verb, survey, 0)
    }

    /// The key answers the question, or none that there is.
    pub(crate) fn take_score(&mut self, now: Time, verb: &Verb, survey: &Survey) -> Option<NodeId> {
        let question = survey.questions.get(self.question)?;
        let key = self.typed.pop_first()?;
        let Some(&score) = question.keys.get(&key) else {
            return self.no_score(now, survey, &question.ask.invalid);
        };
        self.set_value(&question.name, score.to_string());
        let satisfied = (self.question == 0).then_some(score >= survey.satisfied);
        self.steps.push_back(Step::Surveyed { question: question.name.clone(), key, score, satisfied });
        self.ask_from(now, verb, survey, self.question + 1)
    }

    /// The question goes unanswered: ask it again, or ask no more.
    pub(crate) fn no_score(&mut self, now: Time, survey: &Survey, lead: &[Item]) -> Option<NodeId> {
        let question = survey.questions.get(self.question)?;
        let then = self.fail(now, &question.ask, lead)?;
        self.steps.push_back(Step::SurveyEnded { complete: false });
        Some(then)
    }

    /// The next question that is to be asked; at the end of them, on.
    fn ask_from(&mut self, now: Time, verb: &Verb, survey: &Survey, first: usize) -> Option<NodeId> {
        let due = |question: &Question| {
            question.when.iter().all(|(name, comparisons)| {
                let value = self.variable(name).unwrap_or_default();
                comparisons.iter().any(|comparison| comparison.holds(&value))
            })
        };
        let next = survey.questions.iter().skip(first).position(due).map(|at| first + at);
        let Some((at, question)) = next.and_then(|at| Some((at, survey.questions.get(at)?))) else {
            self.steps.push_back(Step::SurveyEnded { complete: true });
            return Some(survey.then);
        };
        self.question = at;
        self.ask(now, verb, &question.ask)
    }
}

/// What all questions of a survey have in common.
struct Manner {
    timeout: Duration,
    retries: u32,
    invalid: Phrase,
    silent: Phrase,
    then: NodeId,
}

impl<'t> Reader<'t> {
    pub(crate) fn survey(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let name = self.report.text(value).unwrap_or_default();
        let then = self.target(fields, "then");
        let mut survey = Survey { name: name.into(), satisfied: SATISFIED as u32, questions: Vec::new(), then };
        match self.surveys.get_mut(name) {
            Some(table) => {
                table.used = true;
                let table = table.table;
                self.survey_table(table, &mut survey);
            }
            None => {
                let mistake = self.report.at(value.span().start, format!("no survey is named `{name}`"));
                self.report.note(mistake.suggest(name, self.surveys.keys().copied()));
            }
        }
        Verb::Survey(Box::new(survey))
    }

    fn survey_table(&mut self, value: &'t Value<'t>, survey: &mut Survey) {
        let Some(mut fields) = self.report.fields(value, "a survey") else { return };
        survey.satisfied = self.integer(&mut fields, "satisfied", 0, SCORE_MAX, SATISFIED) as u32;
        let manner = Manner {
            timeout: self.duration(&mut fields, "timeout", Duration::from_secs(5)),
            retries: self.integer(&mut fields, "retries", 0, 20, 1) as u32,
            invalid: self.phrase_or(&mut fields, "invalid_prompt", &["ivr/invalid"]),
            silent: self.phrase_or(&mut fields, "timeout_prompt", &["ivr/timeout"]),
            then: survey.then,
        };
        let asked = fields.need("questions", &mut self.report).and_then(|value| self.report.array(value));
        let asked = asked.unwrap_or_default();
        if asked.is_empty() || asked.len() > QUESTIONS_MAX {
            self.report.error(value.span().start, format!("a survey has 1 to {QUESTIONS_MAX} questions"));
        }
        let asked = asked.iter().take(QUESTIONS_MAX);
        survey.questions = asked.filter_map(|value| self.question(value, &manner)).collect();
        fields.finish(&mut self.report);
    }

    /// `{ ask = "survey/five", name = "satisfaction", keys = { 1 = 5, 2 = 4 }, when = { "$solved" = "0" } }`.
    fn question(&mut self, value: &'t Value<'t>, manner: &Manner) -> Option<Question> {
        let mut fields = self.report.fields(value, "a question")?;
        let named = fields.need("name", &mut self.report)?;
        let (name, offset) = (self.report.text(named)?, named.span().start);
        self.write(name, offset, false);
        // It is of use even if only the record has it.
        self.read(name, offset, false);
        let prompt = fields.need("ask", &mut self.report).map(|value| self.phrase(value)).unwrap_or_default();
        let keys = fields.need("keys", &mut self.report).map(|value| self.scores(value)).unwrap_or_default();
        let when = fields.take("when").map(|value| self.conditions(value)).unwrap_or_default();
        let question = Question {
            name: name.into(),
            ask: Ask {
                prompt,
                interrupt: self.flag(&mut fields, "interrupt", true),
                type_ahead: true,
                timeout: manner.timeout,
                retries: manner.retries,
                invalid: manner.invalid.clone(),
                silent: manner.silent.clone(),
                too_many: manner.then,
            },
            keys,
            when,
        };
        fields.finish(&mut self.report);
        Some(question)
    }

    fn scores(&mut self, value: &'t Value<'t>) -> BTreeMap<char, u32> {
        let mut keys = BTreeMap::new();
        for (key, value) in self.report.table(value).into_iter().flatten() {
            let key = self.key(key.get_ref(), key.span().start);
            let score = self.report.integer(value, 0, SCORE_MAX);
            keys.extend(key.zip(score).map(|(key, score)| (key, score as u32)));
        }
        keys
    }

    fn conditions(&mut self, value: &'t Value<'t>) -> Vec<(Name, Vec<Comparison>)> {
        let mut conditions = Vec::new();
        for (name, value) in self.report.table(value).into_iter().flatten() {
            let (offset, name) = (name.span().start, name.get_ref().as_ref());
            match name.strip_prefix('$') {
                Some(name) => {
                    self.read(name, offset, false);
                    conditions.push((name.into(), self.comparisons(value)));
                }
                None => {
                    let mistake = self.report.at(offset, format!("`{name}` is not a variable"));
                    self.report.note(mistake.help(format!("write \"${name}\"")));
                }
            }
        }
        conditions
    }
}
