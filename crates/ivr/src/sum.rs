//! Arithmetic in `set`: whole numbers and variables added, subtracted and compared.

use crate::describe::text;
use crate::phrase::Text;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// Terms of one expression.
const TERMS_MAX: usize = 16;

/// `$tries + 1`, or `$balance - $limit >= 0`, which is 1 or 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Sum {
    /// Subtracted, and what.
    left: Vec<(bool, Text)>,
    right: Option<(Order, Vec<(bool, Text)>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Unequal,
}

const ORDERS: [(&str, Order); 6] = [
    ("<", Order::Less),
    ("<=", Order::AtMost),
    (">", Order::More),
    (">=", Order::AtLeast),
    ("==", Order::Equal),
    ("!=", Order::Unequal),
];

/// As it may be written.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |f: &mut fmt::Formatter<'_>, terms: &[(bool, Text)]| {
            terms.iter().enumerate().try_for_each(|(at, (minus, term))| {
                let sign = ["", "- ", " + ", " - "][2 * usize::from(at > 0) + usize::from(*minus)];
                write!(f, "{sign}{}", text(term))
            })
        };
        side(f, &self.left)?;
        let Some((order, right)) = &self.right else { return Ok(()) };
        let sign = ORDERS.iter().find(|(_, own)| own == order).map_or("", |(sign, _)| sign);
        write!(f, " {sign} ")?;
        side(f, right)
    }
}

impl Sum {
    /// Whether a text is meant as one: it has blanks and a variable in it.
    pub(crate) fn is_meant(text: &str) -> bool {
        let words = || text.split_whitespace();
        words().count() > 1 && words().any(|word| word.starts_with('$'))
    }

    /// Numbers and variables with blanks around what is between them.
    ///
    /// # Errors
    /// What cannot be understood.
    pub(crate) fn parse(text: &str) -> Result<Sum, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let order = |word: &&str| ORDERS.iter().find(|(sign, _)| sign == word).map(|(_, order)| *order);
        let at = words.iter().position(|word| order(word).is_some());
        let (left, right) = words.split_at(at.unwrap_or(words.len()));
        let right = match right.split_first() {
            Some((sign, rest)) => order(sign).map(|order| Ok::<_, String>((order, terms(rest)?))).transpose()?,
            None => None,
        };
        Ok(Sum { left: terms(left)?, right })
    }

    /// The variables it reads.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let right = self.right.iter().flat_map(|(_, terms)| terms);
        self.left.iter().chain(right).filter_map(|(_, term)| match term {
            Text::Variable(name) => Some(&**name),
            _ => None,
        })
    }

    /// The value; `value` looks a text up, and what is no number counts as 0.
    pub(crate) fn value(&self, value: impl Fn(&Text) -> Option<String>) -> i64 {
        let sum = |terms: &[(bool, Text)]| {
            terms.iter().fold(0_i64, |sum, (minus, term)| {
                let n = value(term).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
                if *minus { sum.saturating_sub(n) } else { sum.saturating_add(n) }
            })
        };
        let left = sum(&self.left);
        match &self.right {
            None => left,
            Some((order, right)) => i64::from(order.holds(left.cmp(&sum(right)))),
        }
    }
}

impl Order {
    fn holds(self, found: Ordering) -> bool {
        match self {
            Order::Less => found.is_lt(),
            Order::AtMost => found.is_le(),
            Order::More => found.is_gt(),
            Order::AtLeast => found.is_ge(),
            Order::Equal => found.is_eq(),
            Order::Unequal => found.is_ne(),
        }
    }
}

fn terms(words: &[&str]) -> Result<Vec<(bool, Text)>, String> {
    let mut terms = Vec::new();
    let mut words = words.iter();
    let mut minus = false;
    while let Some(word) = words.next() {
        terms.push((minus, term(word)?));
        minus = match words.next() {
            None => {
                return if terms.len() > TERMS_MAX { Err(format!("more than {TERMS_MAX} terms")) } else { Ok(terms) };
            }
            Some(&"+") => false,
            Some(&"-") => true,
            Some(other) => return Err(format!("`{other}` is not +, - or a comparison")),
        };
    }
    Err("a number or a variable is missing".into())
}

fn term(word: &str) -> Result<Text, String> {
    match word.strip_prefix('$') {
        Some(name) => Ok(Text::Variable(name.into())),
        None if word.parse::<i64>().is_ok() => Ok(Text::Literal(word.into())),
        None => Err(format!("`{word}` is neither a whole number nor a variable")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_and_added_up() {
        let look_up = |text: &Text| match text {
            Text::Variable(name) if **name == *"five" => Some("5".into()),
            Text::Variable(_) | Text::Sum(_) => Some("word".into()),
            Text::Literal(text) => Some(text.to_string()),
        };
        let good = [
            ("$five + 1", 6),
            ("$five - 7", -2),
            ("10 - $five - $five + 1", 1),
            ("$unset + 1", 1),
            ("$five >= 5", 1),
            ("$five - 1 > 4", 0),
            ("$five != 4 + 1", 0),
            ("$five + 9223372036854775807", i64::MAX),
        ];
        for (text, value) in good {
            assert!(Sum::is_meant(text));
            assert_eq!(Sum::parse(text).unwrap().value(look_up), value, "{text}");
            assert_eq!(Sum::parse(&Sum::parse(text).unwrap().to_string()), Sum::parse(text), "{text}");
        }
        for text in
            ["$five +", "$five * 2", "$five 2", "$five + x", "$a < ", "$a < 1 < 2", "+ $five", &"$a + ".repeat(40)]
        {
            assert!(Sum::parse(text).is_err(), "{text}");
        }
        assert!(!Sum::is_meant("a - b") && !Sum::is_meant("$five") && !Sum::is_meant("5"));
    }
}
