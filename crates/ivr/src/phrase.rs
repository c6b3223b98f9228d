//! What a caller hears: prompts by id, silence, and values read aloud.

use crate::recording;
use crate::say::{self, Form};
use crate::sum::Sum;
use crate::template::Template;
use busyhour_model::{Name, Sound, Words};
use serde::{Deserialize, Serialize};

/// Items of one phrase.
pub const ITEMS_MAX: usize = 64;

/// Prompts and values, in order.
pub(crate) type Phrase = Vec<Item>;

/// A value written in the plan, a variable's, or computed from such.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Text {
    Variable(Name),
    Literal(Name),
    Sum(Box<Sum>),
}

/// One part of a phrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    Prompt(Name),
    /// In this language, whatever the caller's.
    Foreign {
        language: Name,
        id: Name,
    },
    Silence(u32),
    /// Keys to press; a comma is half a second.
    Keys(Text),
    /// What a variable's caller said.
    Recording(Text),
    /// What nobody recorded, by a synthesizer.
    Speak(Template),
    Say {
        form: Form,
        value: Text,
    },
}

/// The pause a comma among keys stands for.
const COMMA_MS: u32 = 500;

/// Keys as they are pressed; what is no key is left out.
pub(crate) fn keys(text: &str) -> Vec<Sound> {
    let press = |key: char| match key.to_ascii_uppercase() {
        key @ ('0'..='9' | '*' | '#' | 'A'..='D') => Some(Sound::Key(key)),
        ',' => Some(Sound::Silence(COMMA_MS)),
        _ => None,
    };
    text.chars().take(crate::KEYS_MAX).filter_map(press).collect()
}

/// A prompt in a language; `system/…` has none.
pub(crate) fn prompt(language: &Name, id: &str) -> Sound {
    let language = if id.starts_with("system/") { Name::from("") } else { language.clone() };
    Sound::Prompt { language, id: id.into() }
}

/// The sounds of a phrase; `value` looks a text up.
pub(crate) fn sounds(phrase: &[Item], language: &Name, value: impl Fn(&Text) -> Option<String>) -> Vec<Sound> {
    let mut sounds = Vec::new();
    for item in phrase {
        match item {
            Item::Prompt(id) => sounds.push(prompt(language, id)),
            Item::Foreign { language, id } => sounds.push(prompt(language, id)),
            Item::Silence(millis) => sounds.push(Sound::Silence(*millis)),
            Item::Keys(text) => sounds.extend(keys(&value(text).unwrap_or_default())),
            Item::Recording(text) => {
                let tape = value(text).and_then(|text| recording::read(&text));
                sounds.extend(tape.map(Sound::Tape));
            }
            Item::Speak(template) => {
                let text = template.filled(|text| value(text).unwrap_or_default());
                sounds.extend(Words::new(language, &text).map(Sound::Spoken));
            }
            Item::Say { form, value: text } => {
                let words = value(text).map(|value| say::say(language, *form, &value)).unwrap_or_default();
                sounds.extend(words.iter().map(|id| prompt(language, id)));
            }
        }
    }
    sounds
}
