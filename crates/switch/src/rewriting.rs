//! Numbers as a carrier writes them, and as we do: a small table for each way of a trunk.

use busyhour_model::{Name, Number};
use serde::{Deserialize, Serialize};

/// Where in a message a number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The Request-URI.
    RequestUri,
    /// To.
    To,
    /// From.
    From,
    /// P-Asserted-Identity.
    Pai,
    /// P-Preferred-Identity.
    Ppi,
    /// Remote-Party-ID.
    Rpid,
    /// Diversion and History-Info.
    Diversion,
}

impl Place {
    /// All of them, in the order they are shown.
    pub const ALL: [Place; 7] =
        [Place::RequestUri, Place::To, Place::From, Place::Pai, Place::Ppi, Place::Rpid, Place::Diversion];

    /// As the configuration calls it.
    pub fn word(self) -> &'static str {
        match self {
            Place::RequestUri => "request_uri",
            Place::To => "to",
            Place::From => "from",
            Place::Pai => "pai",
            Place::Ppi => "ppi",
            Place::Rpid => "rpid",
            Place::Diversion => "diversion",
        }
    }
}

/// Rules in order: the first that fits a number at a place changes it, and no other does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewriting(pub Vec<RewriteRule>);

/// Which numbers are changed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewriteRule {
    /// Only there; empty: everywhere.
    pub places: Vec<Place>,
    /// The number, or its beginning; a leading `+` counts as written.
    pub digits: Name,
    /// Whatever follows.
    pub prefix: bool,
    /// Characters it has, least and most.
    pub length: (u8, u8),
    /// What becomes of it.
    pub change: Rewrite,
}

/// What becomes of a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rewrite {
    /// So many characters at its beginning give way to this.
    Edit {
        /// Taken off.
        strip: u8,
        /// Put before the rest.
        add: Name,
    },
    /// This instead.
    To(Name),
    /// The same number in another form; what has no such form stays.
    As(NumberForm),
}

/// How one number can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberForm {
    /// `+8613800138000`.
    E164,
    /// `8613800138000`.
    Digits,
    /// `13800138000`, `02112345678`.
    National,
}

impl Rewriting {
    /// What a number at a place becomes: a user part or `tel:` number as it came, its parameters included. What is no number stays.
    pub fn apply(&self, place: Place, user: &str) -> String {
        let Some(digits) = Number::digits(user) else { return user.to_owned() };
        let rule = self.0.iter().find(|rule| rule.fits(place, &digits));
        rule.map_or_else(|| user.to_owned(), |rule| rule.change.apply(&digits))
    }

    /// The number meant by what came at a place; `raw` is as it came.
    pub fn read(&self, place: Place, user: &str) -> Number {
        let raw = Number::parse(user).raw;
        Number { raw, ..Number::parse(&self.apply(place, user)) }
    }
}

impl RewriteRule {
    fn fits(&self, place: Place, number: &str) -> bool {
        let long_enough = (usize::from(self.length.0)..=usize::from(self.length.1)).contains(&number.len());
        let begins = if self.prefix { number.starts_with(&*self.digits) } else { number == &*self.digits };
        long_enough && begins && (self.places.is_empty() || self.places.contains(&place))
    }
}

impl Rewrite {
    /// `number` is an optional `+` and digits.
    fn apply(&self, number: &str) -> String {
        match self {
            Rewrite::Edit { strip, add } => format!("{add}{}", number.get(usize::from(*strip)..).unwrap_or_default()),
            Rewrite::To(instead) => instead.to_string(),
            Rewrite::As(form) => {
                let parsed = Number::parse(number);
                let written = match form {
                    NumberForm::E164 => &*parsed.e164,
                    NumberForm::Digits => parsed.e164.trim_start_matches('+'),
                    NumberForm::National => &*parsed.national,
                };
                if written.is_empty() { number.to_owned() } else { written.to_owned() }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rule(places: &[Place], pattern: &str, length: (u8, u8), change: Rewrite) -> RewriteRule {
        let digits = pattern.trim_end_matches('*');
        RewriteRule { places: places.into(), digits: digits.into(), prefix: pattern.ends_with('*'), length, change }
    }

    fn edit(strip: u8, add: &str) -> Rewrite {
        Rewrite::Edit { strip, add: add.into() }
    }

    /// What a carrier with +86 wants of the numbers people dial here.
    fn outward() -> Rewriting {
        Rewriting(vec![
            rule(&[Place::Diversion], "*", (1, 40), Rewrite::As(NumberForm::National)),
            rule(&[], "00*", (8, 17), edit(2, "+")),
            rule(&[], "0*", (10, 12), edit(1, "+86")),
            rule(&[], "1*", (11, 11), edit(0, "+86")),
        ])
    }

    #[test]
    fn the_first_rule_that_fits_changes_a_number() {
        for (place, number, expected) in [
            (Place::RequestUri, "13800138000", "+8613800138000"),
            (Place::RequestUri, "02112345678", "+862112345678"),
            (Place::RequestUri, "0085221234567", "+85221234567"),
            (Place::RequestUri, "95118", "95118"),
            (Place::Pai, "021-12345678;user=phone", "+862112345678"),
            (Place::Diversion, "+8695118", "95118"),
            (Place::From, "anonymous", "anonymous"),
            (Place::From, "", ""),
        ] {
            assert_eq!(outward().apply(place, number), expected, "{number} in {}", place.word());
        }
    }

    /// A pilot number stands for the 400 number, and for nothing else.
    #[test]
    fn a_number_can_stand_for_another_in_one_header_only() {
        let map = Rewriting(vec![
            rule(&[Place::RequestUri], "02151234500", (1, 40), Rewrite::To("4008671888".into())),
            rule(&[Place::Pai, Place::From], "12583*", (17, 17), edit(6, "")),
        ]);
        assert_eq!(map.apply(Place::RequestUri, "02151234500"), "4008671888");
        assert_eq!(map.apply(Place::To, "02151234500"), "02151234500");
        assert_eq!(map.apply(Place::Pai, "12583113800138000"), "13800138000");
    }

    /// Every form of carriers.md comes to the number it means, with a table or without one.
    #[test]
    fn every_form_seen_in_the_field_is_the_number_it_means() {
        let strip = Rewriting(vec![
            rule(&[Place::From], "12583*", (17, 17), edit(6, "")),
            rule(&[Place::From], "+86*", (6, 20), edit(3, "")),
            rule(&[Place::From], "86*", (13, 13), edit(2, "")),
        ]);
        let forms = [
            ("13800138000", "13800138000"),
            ("+8613800138000", "13800138000"),
            ("8613800138000", "13800138000"),
            ("013800138000", "13800138000"),
            ("tel:+8613800138000;cpc=ordinary", "13800138000"),
            ("12583113800138000", "13800138000"),
            ("02112345678", "02112345678"),
            ("+862112345678", "02112345678"),
            ("4008671888", "4008671888"),
            ("95118", "95118"),
            ("02195118", "95118"),
            ("+8695118", "95118"),
            ("anonymous@anonymous.invalid", ""),
            ("0085221234567", "0085221234567"),
            ("", ""),
            ("13800138000;user=phone", "13800138000"),
            ("+8613800138000;npdi;rn=+8613900000000", "13800138000"),
        ];
        for (form, national) in forms {
            for table in [&Rewriting::default(), &strip] {
                let number = table.read(Place::From, form);
                assert_eq!(number.national, national, "{form}");
            }
        }
    }
}
