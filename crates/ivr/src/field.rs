//! Fields many verbs share: phrases, keys, spans, flags and numbers.

use crate::parse::Reader;
use crate::phrase::{ITEMS_MAX, Item, Phrase, Text};
use crate::plan::NodeId;
use crate::say::{FORMS, Form, Unit};
use crate::source::{Fields, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// Sounds the media layer makes itself.
const SYSTEM: [&str; 8] = [
    "system/beep",
    "system/moh",
    "system/ringback",
    "system/busy",
    "system/congestion",
    "system/call-waiting",
    "system/ringback-450",
    "system/busy-450",
];

impl<'t> Reader<'t> {
    /// Prompt ids and values to read aloud; one alone needs no brackets.
    pub(crate) fn phrase(&mut self, value: &'t Value<'t>) -> Phrase {
        let items = self.report.one_or_more(value);
        if items.len() > ITEMS_MAX {
            self.report.error(value.span().start, format!("more than {ITEMS_MAX} prompts"));
        }
        items.iter().take(ITEMS_MAX).filter_map(|item| self.item(item)).collect()
    }

    /// The phrase of `key`, or these prompts.
    pub(crate) fn phrase_or(&mut self, fields: &mut Fields<'t>, key: &'static str, default: &[&str]) -> Phrase {
        if let Some(value) = fields.take(key) {
            return self.phrase(value);
        }
        default.iter().for_each(|id| self.prompt(id, fields.offset));
        default.iter().map(|id| Item::Prompt((*id).into())).collect()
    }

    fn item(&mut self, value: &'t Value<'t>) -> Option<Item> {
        if value.get_ref().is_table() {
            return self.item_table(value);
        }
        let id = self.report.text(value)?;
        self.prompt(id, value.span().start);
        Some(Item::Prompt(id.into()))
    }

    /// A prompt played in the caller's language.
    pub(crate) fn prompt(&mut self, id: &str, offset: usize) {
        self.prompt_known(id, offset);
        self.plays(id, None, offset);
    }

    pub(crate) fn prompt_known(&mut self, id: &str, offset: usize) {
        let known = &self.names.prompts;
        if SYSTEM.contains(&id) || !id.starts_with("system/") && known.is_empty() || known.iter().any(|k| **k == *id) {
            return;
        }
        let mistake = self.report.at(offset, format!("no prompt is named `{id}`"));
        self.report.note(mistake.suggest(id, known.iter().map(|known| &**known).chain(SYSTEM)));
    }

    /// `{ number = "$n", unit = "minutes" }`, `{ telephone = "$caller" }`, `{ silence = "500ms" }`, ….
    pub(crate) fn item_table(&mut self, value: &'t Value<'t>) -> Option<Item> {
        let mut fields = self.report.fields(value, "what is said")?;
        let item = if let Some(value) = fields.take("silence") {
            self.report.duration(value).map(|silence| Item::Silence(silence.as_millis() as u32))
        } else if let Some(value) = fields.take("recording") {
            self.scalar(value, true).map(Item::Recording)
        } else if let Some(value) = fields.take("speak") {
            self.speak(value)
        } else if let Some(value) = fields.take("prompt") {
            self.foreign(&mut fields, value)
        } else {
            self.value_aloud(&mut fields)
        };
        fields.finish(&mut self.report);
        item
    }

    /// `{ prompt = "ivr/language-en", language = "en" }`.
    fn foreign(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Option<Item> {
        let id = self.report.text(value)?;
        self.prompt_known(id, value.span().start);
        let language = fields.need("language", &mut self.report).and_then(|value| self.language(value))?;
        self.plays(id, Some(&language), value.span().start);
        Some(Item::Foreign { language, id: id.into() })
    }

    /// `{ speak = "您好，{$name}" }`.
    fn speak(&mut self, value: &'t Value<'t>) -> Option<Item> {
        let template = self.template(value, true)?;
        if self.names.mute {
            let mistake = self.report.at(value.span().start, "there is nobody to speak this");
            self.report.note(mistake.help("say in the configuration who does, with [tts], and name it by --config"));
        }
        self.spoken.push(template.clone());
        Some(Item::Speak(template))
    }

    fn value_aloud(&mut self, fields: &mut Fields<'t>) -> Option<Item> {
        let mut found = FORMS.iter().filter_map(|(key, form)| Some((fields.take(key)?, *form)));
        let (Some((value, mut form)), None) = (found.next(), found.next()) else {
            let mistake = self.report.at(fields.offset, "say exactly one value");
            let known = FORMS.map(|(key, _)| key).join(", ");
            self.report.note(mistake.help(format!("as one of: {known}, prompt, recording, silence, speak")));
            return None;
        };
        if let Form::Number(unit) | Form::Ordinal(unit) = &mut form {
            *unit = fields.take("unit").and_then(|unit| self.unit(unit));
        }
        let offset = value.span().start;
        let value = self.scalar(value, true)?;
        if let Text::Literal(text) = &value
            && !form.fits(text)
        {
            self.report.error(offset, format!("`{text}` is not {}", form.wanted()));
        }
        Some(Item::Say { form, value })
    }

    fn unit(&mut self, value: &'t Value<'t>) -> Option<Unit> {
        let text = self.report.text(value)?;
        let unit = Unit::NAMES.iter().find(|(name, _)| *name == text).map(|(_, unit)| *unit);
        if unit.is_none() {
            let names = Unit::NAMES.map(|(name, _)| name);
            let mistake = self.report.at(value.span().start, format!("no unit is named `{text}`"));
            self.report.note(mistake.suggest(text, names).help(format!("known units: {}", names.join(", "))));
        }
        unit
    }

    /// Which key leads where.
    pub(crate) fn keys(&mut self, value: &'t Value<'t>) -> BTreeMap<char, NodeId> {
        let mut keys = BTreeMap::new();
        for (key, value) in self.report.table(value).into_iter().flatten() {
            if let Some(key) = self.key(key.get_ref(), key.span().start) {
                keys.insert(key, self.node_id(value));
            }
        }
        keys
    }

    pub(crate) fn key(&mut self, text: &str, offset: usize) -> Option<char> {
        let mut characters = text.chars();
        let key = characters.next().filter(|key| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D'));
        if key.is_none() || characters.next().is_some() {
            let mistake = self.report.at(offset, format!("`{text}` is not a key of a telephone"));
            self.report.note(mistake.help("one of 0 to 9, \"*\", \"#\", A to D"));
            return None;
        }
        key
    }

    /// A key, or `""` for none.
    pub(crate) fn key_or_none(&mut self, value: &'t Value<'t>) -> Option<char> {
        let text = self.report.text(value)?;
        if text.is_empty() { None } else { self.key(text, value.span().start) }
    }

    pub(crate) fn flag(&mut self, fields: &mut Fields<'t>, key: &'static str, default: bool) -> bool {
        fields.take(key).and_then(|value| self.report.flag(value)).unwrap_or(default)
    }

    pub(crate) fn duration(&mut self, fields: &mut Fields<'t>, key: &'static str, default: Duration) -> Duration {
        fields.take(key).and_then(|value| self.report.duration(value)).unwrap_or(default)
    }

    pub(crate) fn integer(
        &mut self,
        fields: &mut Fields<'t>,
        key: &'static str,
        min: i64,
        max: i64,
        default: i64,
    ) -> i64 {
        fields.take(key).and_then(|value| self.report.integer(value, min, max)).unwrap_or(default)
    }
}
