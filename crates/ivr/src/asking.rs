//! Menus, entries and surveys: ask, take keys, ask again, give up.

use crate::keyed::{Keyed, Value};
use crate::phrase::Item;
use crate::plan::{Ask, Collect, NodeId, Verb};
use crate::session::{Session, Stage};
use crate::step::Step;
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};

/// How far the caller is with a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    failures: u32,
    /// The question is being played.
    prompting: bool,
    keys: Keyed,
}

impl Verb {
    /// What it asks; a survey has several questions.
    fn question(&self, at: usize) -> Option<&Ask> {
        match self {
            Verb::Survey(survey) => survey.questions.get(at).map(|question| &question.ask),
            Verb::Menu(menu) => Some(&menu.ask),
            Verb::Collect(collect) => Some(&collect.ask),
            _ => None,
        }
    }
}

impl Session {
    /// Begin a question; keys typed ahead may answer it unheard.
    pub(crate) fn ask(&mut self, now: Time, verb: &Verb, ask: &Ask) -> Option<NodeId> {
        self.answer();
        self.stage = Stage::Asking(Attempt::default());
        if !ask.type_ahead {
            self.typed.clear();
        }
        if !self.typed.is_empty() {
            return self.take_keys(now, verb);
        }
        self.prompt(now, ask, &[]);
        None
    }

    pub(crate) fn key_when_asked(&mut self, now: Time, verb: &Verb, key: char) -> Option<NodeId> {
        let ask = verb.question(self.question)?;
        self.typed.push(key);
        if self.attempt()?.prompting {
            if !ask.interrupt {
                return None;
            }
            self.attempt()?.prompting = false;
            self.steps.push_back(Step::Stop);
        }
        self.take_keys(now, verb)
    }

    /// The question was heard to its end.
    pub(crate) fn asked(&mut self, now: Time, verb: &Verb) -> Option<NodeId> {
        let ask = verb.question(self.question)?;
        if !std::mem::take(&mut self.attempt()?.prompting) {
            return None;
        }
        self.deadline = Some(now + ask.timeout);
        if self.typed.is_empty() { None } else { self.take_keys(now, verb) }
    }

    /// No (further) key came in time.
    pub(crate) fn not_keyed(&mut self, now: Time, verb: &Verb) -> Option<NodeId> {
        let ask = verb.question(self.question)?;
        match verb {
            Verb::Collect(collect) if !self.attempt()?.keys.is_empty() => self.complete(now, collect),
            Verb::Survey(survey) => self.no_score(now, survey, &ask.silent),
            _ => self.fail(now, ask, &ask.silent),
        }
    }

    fn take_keys(&mut self, now: Time, verb: &Verb) -> Option<NodeId> {
        match verb {
            Verb::Menu(menu) => {
                let target = self.typed.pop_first().and_then(|key| menu.keys.get(&key));
                target.copied().or_else(|| self.fail(now, &menu.ask, &menu.ask.invalid))
            }
            Verb::Collect(collect) => self.collect(now, collect),
            Verb::Survey(survey) => self.take_score(now, verb, survey),
            _ => None,
        }
    }

    fn collect(&mut self, now: Time, collect: &Collect) -> Option<NodeId> {
        while let Some(key) = self.typed.pop_first() {
            if collect.terminator == Some(key) {
                return self.complete(now, collect);
            }
            let keys = &mut self.attempt()?.keys;
            keys.push(key);
            if keys.len() >= usize::from(collect.length_max) {
                self.swallow = collect.terminator.map(|key| (key, now + collect.digit_timeout));
                return self.complete(now, collect);
            }
        }
        self.deadline = Some(now + collect.digit_timeout);
        None
    }

    fn complete(&mut self, now: Time, collect: &Collect) -> Option<NodeId> {
        let keys = &mut self.attempt()?.keys;
        if keys.len() < usize::from(collect.length_min) {
            return self.fail(now, &collect.ask, &collect.ask.invalid);
        }
        let value = Value { text: keys.take(), secret: collect.secret };
        self.values.insert(collect.variable.clone(), value);
        Some(collect.then)
    }

    /// One failure more: ask again, or give up.
    pub(crate) fn fail(&mut self, now: Time, ask: &Ask, lead: &[Item]) -> Option<NodeId> {
        self.typed.clear();
        let attempt = self.attempt()?;
        attempt.keys.clear();
        attempt.failures += 1;
        if attempt.failures > ask.retries {
            return Some(ask.too_many);
        }
        self.prompt(now, ask, lead);
        None
    }

    fn prompt(&mut self, now: Time, ask: &Ask, lead: &[Item]) {
        let sounds = [self.sounds(lead), self.sounds(&ask.prompt)].concat();
        let prompting = !sounds.is_empty();
        self.deadline = (!prompting).then(|| now + ask.timeout);
        if let Some(attempt) = self.attempt() {
            attempt.prompting = prompting;
        }
        if prompting {
            self.play(sounds, false);
        }
    }

    /// A variable everybody may hear gets this value.
    pub(crate) fn set_value(&mut self, name: &Name, text: String) {
        self.values.insert(name.clone(), Value::new(text, false));
    }

    fn attempt(&mut self) -> Option<&mut Attempt> {
        match &mut self.stage {
            Stage::Asking(attempt) => Some(attempt),
            _ => None,
        }
    }
}
