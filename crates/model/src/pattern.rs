//! Numbers by which callers and the dialled are told apart.

use crate::{Name, Number};
use serde::{Deserialize, Serialize};

/// A number, or a prefix of numbers; in national form, or in E.164 when it begins with `+`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pattern {
    /// The number, or its beginning.
    pub digits: Name,
    /// Whatever follows.
    pub prefix: bool,
}

impl Pattern {
    /// `13800138000`, `138*`, `+86*`, `*`.
    pub fn parse(text: &str) -> Option<Pattern> {
        let digits = text.strip_suffix('*');
        let pattern = Pattern { digits: digits.unwrap_or(text).into(), prefix: digits.is_some() };
        let number = pattern.digits.strip_prefix('+').unwrap_or(&pattern.digits);
        (!text.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(pattern)
    }

    /// Whether `number` is meant.
    pub fn matches(&self, number: &Number) -> bool {
        let text = if self.digits.starts_with('+') { &number.e164 } else { &number.national };
        if self.prefix { text.starts_with(&*self.digits) } else { **text == *self.digits }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_numbers_or_prefixes() {
        let number = Number { national: "02112345678".into(), e164: "+862112345678".into(), ..Number::default() };
        let cases =
            [("021*", true), ("02112345678", true), ("021", false), ("+8621*", true), ("+86", false), ("*", true)];
        for (text, expected) in cases {
            assert_eq!(Pattern::parse(text).unwrap().matches(&number), expected, "{text}");
        }
        for text in ["", "13x", "1*3", "vip"] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }
}
