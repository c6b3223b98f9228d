//! Keys a caller pressed: kept, never shown.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Keys of one entry, and keys pressed before anybody asked; further ones are dropped.
pub const KEYS_MAX: usize = 64;

/// Characters of a variable's value; the rest is cut off.
pub const VALUE_MAX: usize = 1_000;

/// Keys in the order pressed. `Debug` shows how many, not which: they may be a PIN.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keyed(String);

impl Keyed {
    pub(crate) fn push(&mut self, key: char) {
        if self.0.len() < KEYS_MAX && key.is_ascii() {
            self.0.push(key);
        }
    }

    pub(crate) fn pop_first(&mut self) -> Option<char> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// A PIN as it was keyed in; `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin(pub String);

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A variable's value; `Debug` hides secret ones.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) secret: bool,
}

impl Value {
    pub(crate) fn new(text: String, secret: bool) -> Value {
        let text = match text.char_indices().nth(VALUE_MAX) {
            Some((end, _)) => text[..end].into(),
            None => text,
        };
        Value { text, secret }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret { f.write_str("(secret)") } else { write!(f, "{:?}", self.text) }
    }
}
