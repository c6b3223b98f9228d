//! Telephone numbers as Chinese carriers write them, normalised once; routed, reported and masked by that.

use serde::{Deserialize, Serialize};

/// What kind of subscriber a number names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// `1xxxxxxxxxx`.
    Mobile,
    /// Area code and 7-8 digits.
    Landline,
    /// A hotline or service number: 95xxx, 400, 800, 10xxx, 12xxx, 1xx.
    Short,
    /// From or to another country.
    International,
    /// Withheld or unusable.
    #[default]
    Anonymous,
}

/// One telephone number. `raw` is what came; the rest is derived from it and never disagrees with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Number {
    /// The user part as it came on the wire, parameters included, at most 128 bytes.
    pub raw: String,
    /// `+` and digits (ITU-T E.164), empty for short, anonymous and area-less local numbers.
    pub e164: String,
    /// As dialled within China: `13800138000`, `02112345678`, `95118`, `4008671888`, `0085221234567`; empty when anonymous.
    /// Digits of no public plan (extensions, DIDs of a private plan) are kept as they are and counted as short.
    pub national: String,
    /// What it is.
    pub kind: NumberKind,
    /// Area code without the leading 0, for landlines and for short numbers that came with one.
    pub area: Option<String>,
}

/// More bytes of a user part than this are cut off; no dialled number is nearly as long.
const RAW_MAX: usize = 128;

/// More digits than this are no number (E.164 allows 15; a prefix or two may come before them).
const DIGITS_MAX: usize = 24;

/// What some carriers put before the second, third and fourth number of one mobile card.
const MULTI_NUMBER: [&str; 3] = ["125831", "125832", "125833"];

impl Number {
    /// Reads a `tel:`, `sip:` or `sips:` URI, or a bare user part. Total: what is no telephone number is anonymous.
    ///
    /// Parameters (RFC 3966, `;npdi;rn=`, `;user=phone`) do not change the number; visual separators are dropped.
    pub fn parse(raw: &str) -> Number {
        let raw = user_part(raw);
        let number = match dialled(raw) {
            Some(digits) => classify(&digits),
            None => Number::default(),
        };
        Number { raw: raw.to_string(), ..number }
    }

    /// The optional `+` and digits of a URI or user part; `None` when it is no number.
    pub fn digits(raw: &str) -> Option<String> {
        dialled(user_part(raw))
    }

    /// As [`Number::parse`], with the prefix a trunk puts before every number taken off when it is there.
    pub fn parse_with_prefix(prefix: &str, raw: &str) -> Number {
        let user = user_part(raw);
        Number { raw: user.to_string(), ..Number::parse(user.strip_prefix(prefix).unwrap_or(user)) }
    }

    /// The national form with the four digits before the last four hidden: `138****8000`. Service numbers are nobody's
    /// secret and stay readable; an anonymous number is `anonymous`.
    pub fn masked(&self) -> String {
        let digits = &self.national;
        match self.kind {
            NumberKind::Anonymous => "anonymous".to_string(),
            NumberKind::Short if digits.len() <= 10 => digits.clone(),
            _ => {
                let shown = digits.len().saturating_sub(4);
                let hidden = shown.saturating_sub(4);
                // `national` is public and may hold anything: never slice it inside a character.
                let head = digits.get(..hidden).unwrap_or_default();
                let tail = digits.get(shown..).unwrap_or_default();
                format!("{head}{}{tail}", "*".repeat(shown - hidden))
            }
        }
    }
}

/// The user part of a URI, with its parameters, without scheme, host and brackets.
fn user_part(raw: &str) -> &str {
    let raw = raw.trim().trim_start_matches('<').trim_end_matches('>');
    let (sip, rest) = match raw.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tel") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") => {
            (true, rest)
        }
        _ => (false, raw),
    };
    let user = match rest.split_once('@') {
        Some((user, _host)) => user,
        // `sip:host` has no user part.
        None if sip => "",
        None => rest,
    };
    let mut end = user.len().min(RAW_MAX);
    while !user.is_char_boundary(end) {
        end -= 1;
    }
    &user[..end]
}

/// An optional `+` and digits, or `None` when the subscriber is anything else.
fn dialled(user: &str) -> Option<String> {
    let subscriber = user.split([';', ':', '?']).next().unwrap_or_default();
    // RFC 3261 section 19.1.2: a `+` may come escaped.
    let subscriber = subscriber.replace("%2B", "+").replace("%2b", "+");
    let digits: String = subscriber.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
    let bare = digits.strip_prefix('+').unwrap_or(&digits);
    let usable = !bare.is_empty() && bare.len() <= DIGITS_MAX && bare.bytes().all(|b| b.is_ascii_digit());
    usable.then_some(digits)
}

/// `digits` is an optional `+` and at most `DIGITS_MAX` digits.
fn classify(digits: &str) -> Number {
    let global = digits.strip_prefix('+').or_else(|| digits.strip_prefix("00"));
    match global {
        Some(rest) if rest.starts_with("86") => classify(&rest[2..]),
        Some(rest) if (7..=15).contains(&rest.len()) && !rest.starts_with('0') => international(rest),
        Some(_) => domestic(digits.trim_start_matches('+')),
        None => match digits.strip_prefix("86") {
            // Without a `+` only when what follows is a whole number: 8695118 may be a local one.
            Some(rest) if rest.len() >= 9 && public(rest).is_some() => domestic(rest),
            _ => domestic(digits),
        },
    }
}

/// A number of our own country, with or without the trunk prefix 0.
fn domestic(digits: &str) -> Number {
    let stripped = MULTI_NUMBER.iter().find_map(|prefix| digits.strip_prefix(prefix)).and_then(|rest| {
        let rest = rest.strip_prefix("86").filter(|r| public(r).is_some()).unwrap_or(rest);
        public(rest).filter(|n| n.kind != NumberKind::Short)
    });
    stripped.or_else(|| public(digits)).unwrap_or_else(|| private(digits))
}

/// A number of the public plan, or `None`.
fn public(digits: &str) -> Option<Number> {
    let bare = digits.strip_prefix('0').unwrap_or(digits);
    if bare.len() == 11 && matches!(bare.as_bytes(), [b'1', b'3'..=b'9', ..]) {
        return Some(Number {
            e164: format!("+86{bare}"),
            national: bare.to_string(),
            kind: NumberKind::Mobile,
            ..Number::default()
        });
    }
    if is_service(bare) {
        return Some(service(bare, None));
    }
    let (area, local) = split_area(bare)?;
    if is_service(local) {
        return Some(service(local, Some(area)));
    }
    matches!(local.len(), 7 | 8).then(|| Number {
        e164: format!("+86{bare}"),
        national: format!("0{bare}"),
        kind: NumberKind::Landline,
        area: Some(area.to_string()),
        ..Number::default()
    })
}

/// Area codes: 10, 2x, and three digits from 3xx to 9xx.
fn split_area(digits: &str) -> Option<(&str, &str)> {
    match digits.as_bytes() {
        [b'1', b'0', ..] | [b'2', _, ..] => Some(digits.split_at(2)),
        [b'3'..=b'9', _, _, ..] => Some(digits.split_at(3)),
        _ => None,
    }
}

/// 400 and 800 numbers, 95xxx (digits of one's own may follow) and 96xxx, 1xx to 1xxxx.
fn is_service(digits: &str) -> bool {
    match digits.len() {
        10 => digits.starts_with("400") || digits.starts_with("800"),
        5 | 6 => digits.starts_with("95") || digits.starts_with("96") || digits.starts_with('1'),
        3 | 4 => digits.starts_with('1'),
        7 | 8 => digits.starts_with("95"),
        _ => false,
    }
}

fn service(digits: &str, area: Option<&str>) -> Number {
    Number {
        national: digits.to_string(),
        kind: NumberKind::Short,
        area: area.map(str::to_string),
        ..Number::default()
    }
}

fn international(digits: &str) -> Number {
    Number {
        e164: format!("+{digits}"),
        national: format!("00{digits}"),
        kind: NumberKind::International,
        ..Number::default()
    }
}

/// Digits of no public plan; seven or eight of them are a local landline whose area nobody said.
fn private(digits: &str) -> Number {
    let local = matches!(digits.len(), 7 | 8) && !digits.starts_with(['0', '1']);
    let kind = match digits.len() {
        0 => NumberKind::Anonymous,
        _ if local => NumberKind::Landline,
        _ => NumberKind::Short,
    };
    Number { national: digits.to_string(), kind, ..Number::default() }
}

#[cfg(test)]
mod tests {
    use super::NumberKind::{Anonymous, International, Landline, Mobile, Short};
    use super::*;

    /// What came, national, E.164, kind, area.
    const FORMS: &[(&str, &str, &str, NumberKind, Option<&str>)] = &[
        ("13800138000", "13800138000", "+8613800138000", Mobile, None),
        ("+8613800138000", "13800138000", "+8613800138000", Mobile, None),
        ("8613800138000", "13800138000", "+8613800138000", Mobile, None),
        ("008613800138000", "13800138000", "+8613800138000", Mobile, None),
        ("013800138000", "13800138000", "+8613800138000", Mobile, None),
        ("+86013800138000", "13800138000", "+8613800138000", Mobile, None),
        ("tel:+8613800138000;cpc=ordinary", "13800138000", "+8613800138000", Mobile, None),
        ("TEL:+86-138-0013-8000", "13800138000", "+8613800138000", Mobile, None),
        (
            "sip:+8613800138000;npdi;rn=+8613900000000@10.0.0.1;user=phone",
            "13800138000",
            "+8613800138000",
            Mobile,
            None,
        ),
        ("+8613800138000;npdi;rn=+8613900000000", "13800138000", "+8613800138000", Mobile, None),
        ("sip:%2B8613800138000@example.net", "13800138000", "+8613800138000", Mobile, None),
        ("<sip:13800138000:secret@[::1]:5060;user=phone>", "13800138000", "+8613800138000", Mobile, None),
        ("12583113800138000", "13800138000", "+8613800138000", Mobile, None),
        ("12583213800138000", "13800138000", "+8613800138000", Mobile, None),
        ("+8612583313800138000", "13800138000", "+8613800138000", Mobile, None),
        ("1258318613800138000", "13800138000", "+8613800138000", Mobile, None),
        ("125831", "125831", "", Short, None),
        ("02112345678", "02112345678", "+862112345678", Landline, Some("21")),
        ("+862112345678", "02112345678", "+862112345678", Landline, Some("21")),
        ("862112345678", "02112345678", "+862112345678", Landline, Some("21")),
        ("01012345678", "01012345678", "+861012345678", Landline, Some("10")),
        ("075512345678", "075512345678", "+8675512345678", Landline, Some("755")),
        ("09511234567", "09511234567", "+869511234567", Landline, Some("951")),
        ("12345678;user=phone", "12345678", "", Short, None),
        ("62345678", "62345678", "", Landline, None),
        ("8695118", "8695118", "", Landline, None),
        ("4008671888", "4008671888", "", Short, None),
        ("+864008671888", "4008671888", "", Short, None),
        ("864008671888", "4008671888", "", Short, None),
        ("0214008671888", "4008671888", "", Short, Some("21")),
        ("8008208820", "8008208820", "", Short, None),
        ("95118", "95118", "", Short, None),
        ("02195118", "95118", "", Short, Some("21")),
        ("075595118", "95118", "", Short, Some("755")),
        ("+8695118", "95118", "", Short, None),
        ("+862195118", "95118", "", Short, Some("21")),
        ("sip:02195118@10.1.2.3:5060;user=phone", "95118", "", Short, Some("21")),
        ("95511", "95511", "", Short, None),
        ("95118601", "95118601", "", Short, None),
        ("02195118601", "95118601", "", Short, Some("21")),
        ("10086", "10086", "", Short, None),
        ("12345", "12345", "", Short, None),
        ("110", "110", "", Short, None),
        ("8001", "8001", "", Short, None),
        ("0085221234567", "0085221234567", "+85221234567", International, None),
        ("+85221234567", "0085221234567", "+85221234567", International, None),
        ("+14085551212", "0014085551212", "+14085551212", International, None),
        ("anonymous@anonymous.invalid", "", "", Anonymous, None),
        ("sip:anonymous@anonymous.invalid", "", "", Anonymous, None),
        ("", "", "", Anonymous, None),
        ("+", "", "", Anonymous, None),
        ("+86", "", "", Anonymous, None),
        ("tel:", "", "", Anonymous, None),
        ("sip:@10.0.0.1", "", "", Anonymous, None),
        ("sip:10.0.0.1", "", "", Anonymous, None),
        (";user=phone", "", "", Anonymous, None),
        ("*71", "", "", Anonymous, None),
        ("1234567890123456789012345", "", "", Anonymous, None),
    ];

    #[test]
    fn every_form_carriers_send_means_the_same_number() {
        for &(raw, national, e164, kind, area) in FORMS {
            let n = Number::parse(raw);
            let got = (n.national.as_str(), n.e164.as_str(), n.kind, n.area.as_deref());
            assert_eq!(got, (national, e164, kind, area), "{raw:?}");
        }
    }

    #[test]
    fn raw_is_the_user_part_as_it_came() {
        assert_eq!(Number::parse("sip:+8613800138000;npdi@h;user=phone").raw, "+8613800138000;npdi");
        assert_eq!(Number::parse("anonymous@anonymous.invalid").raw, "anonymous");
        assert_eq!(Number::parse(&"1".repeat(1000)).raw.len(), RAW_MAX);
    }

    #[test]
    fn a_trunk_prefix_is_taken_off_when_it_is_there() {
        let n = Number::parse_with_prefix("8888", "sip:888802195118@10.0.0.1");
        assert_eq!((n.national.as_str(), n.area.as_deref(), n.raw.as_str()), ("95118", Some("21"), "888802195118"));
        assert_eq!(Number::parse_with_prefix("8888", "02195118").national, "95118");
    }

    #[test]
    fn people_are_masked_and_services_are_not() {
        for (raw, masked) in [
            ("+8613800138000", "138****8000"),
            ("02112345678", "021****5678"),
            ("075512345678", "0755****5678"),
            ("62345678", "****5678"),
            ("6234567", "***4567"),
            ("0085221234567", "00852****4567"),
            ("95118", "95118"),
            ("4008671888", "4008671888"),
            ("999913800138000", "9999138****8000"),
            ("", "anonymous"),
        ] {
            assert_eq!(Number::parse(raw).masked(), masked, "{raw:?}");
        }
    }

    /// Random strings over bytes that occur in user parts: no panic, and the laws of the fields.
    #[test]
    fn any_bytes_give_a_number_that_agrees_with_itself() {
        let alphabet: Vec<char> = "0123456789 0123456789 +86138:;@<>%2B()-.abtelsip=*#\u{0}号é".chars().collect();
        let mut seed = 1u64;
        for _ in 0..200_000 {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as usize
            };
            let raw: String = (0..next() % 24).map(|_| alphabet[next() % alphabet.len()]).collect();
            let n = Number::parse(&raw);
            assert_eq!(n.kind == Anonymous, n.national.is_empty(), "{raw:?}");
            assert!(n.national.bytes().all(|b| b.is_ascii_digit()), "{raw:?}");
            assert!(n.e164.is_empty() || n.e164.starts_with('+'), "{raw:?}");
            assert_eq!(Number::parse(&n.national).national, n.national, "normalised twice: {raw:?}");
            assert!(!n.masked().is_empty());
        }
    }
}
