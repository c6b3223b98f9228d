//! `rewrite_in` and `rewrite_out` of a `[[trunk]]`: numbers as the carrier writes them, and as we do.

use super::sheet::{Read, Section, Sheet, integer, one_of, text};
use busyhour_model::Name;
use busyhour_switch::{NumberForm, Place, Rewrite, RewriteRule, Rewriting};
use toml::de::DeValue;

/// Rules of one table.
const RULES_MAX: usize = 1_000;
/// Characters of a number.
const LENGTH_MAX: u8 = 32;

/// A number, or the beginning of numbers.
struct Begins {
    digits: Name,
    prefix: bool,
}

/// The table under `key`.
pub(super) fn table(section: &mut Section, sheet: &mut Sheet, key: &'static str) -> Rewriting {
    let at = section.at();
    let rules = section.sections_if_any(sheet, key).unwrap_or_default();
    sheet.at_most(at, "rules", rules.len(), RULES_MAX);
    Rewriting(rules.into_iter().filter_map(|rule| one(rule, sheet)).collect())
}

fn one(mut section: Section, sheet: &mut Sheet) -> Option<RewriteRule> {
    let places = section.list(sheet, "header", place).unwrap_or_default();
    let number = section.need(sheet, "number", begins);
    let length = section.read(sheet, "length", length);
    let strip = section.read(sheet, "strip", integer::<u8>);
    let add = section.read(sheet, "add", dialable);
    let to = section.read(sheet, "to", dialable);
    let form = section.read(sheet, "as", form);
    let at = section.at();
    if ["strip", "add", "to", "as"].iter().all(|key| !section.has(key)) {
        let help = "add `strip` and `add`, or `to`, or `as`; a rule that only keeps a number says strip = 0";
        sheet.note(sheet.at(at, "this rule changes nothing").help(help));
    }
    section.finish(sheet);
    let Begins { digits, prefix } = number?.value;
    let shortest = if prefix { digits.len().max(1) } else { digits.len() } as u8;
    let length = length.map_or((shortest, LENGTH_MAX), |length| length.value);
    let places = places.into_iter().map(|place| place.value).collect();
    let change = change(sheet, at, length.0.max(shortest), Wish { strip, add, to, form })?;
    Some(RewriteRule { places, digits, prefix, length, change })
}

/// What a rule says is to become of a number.
struct Wish {
    strip: Option<Read<u8>>,
    add: Option<Read<String>>,
    to: Option<Read<String>>,
    form: Option<Read<NumberForm>>,
}

/// Exactly one thing; `shortest` is the shortest number it may happen to.
fn change(sheet: &mut Sheet, at: usize, shortest: u8, wish: Wish) -> Option<Rewrite> {
    let Wish { strip, add, to, form } = wish;
    match (strip, add, to, form) {
        (None, None, Some(to), None) => Some(Rewrite::To(to.value.into())),
        (None, None, None, Some(form)) => Some(Rewrite::As(form.value)),
        (None, None, None, None) => None,
        (strip, add, None, None) => {
            let taken = strip.as_ref().map_or(0, |strip| strip.value);
            if taken > shortest {
                let place = strip.map_or(at, |strip| strip.at);
                let help = "make `number` longer or say a `length`";
                let message = format!("{taken} characters are more than the shortest number here has: {shortest}");
                sheet.note(sheet.at(place, message).help(help));
                return None;
            }
            Some(Rewrite::Edit { strip: taken, add: add.map_or("".into(), |add| add.value.into()) })
        }
        _ => {
            sheet.error(at, "a rule says `strip` and `add`, or `to`, or `as`: one of the three");
            None
        }
    }
}

fn place(value: &DeValue) -> Result<Place, String> {
    let known = Place::ALL.map(|place| (place.word(), place));
    one_of(value, "names no header", &known)
}

fn form(value: &DeValue) -> Result<NumberForm, String> {
    let known = [("e164", NumberForm::E164), ("digits", NumberForm::Digits), ("national", NumberForm::National)];
    one_of(value, "is no form of numbers", &known)
}

/// `02151234500`, `0*`, `+86*`, `*`.
fn begins(value: &DeValue) -> Result<Begins, String> {
    let whole = text(value)?;
    let digits = whole.strip_suffix('*').unwrap_or(&whole);
    let number = digits.strip_prefix('+').unwrap_or(digits);
    if !number.bytes().all(|b| b.is_ascii_digit()) || digits.len() > usize::from(LENGTH_MAX) {
        return Err(format!("`{whole}` is no number; write digits, \"+86*\", a prefix like \"0*\", or \"*\""));
    }
    Ok(Begins { digits: digits.into(), prefix: whole.ends_with('*') })
}

/// What may stand in a number.
fn dialable(value: &DeValue) -> Result<String, String> {
    let number = text(value)?;
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let good = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'));
    if good && number.len() <= usize::from(LENGTH_MAX) {
        Ok(number)
    } else {
        Err(format!("`{number}` is no number; write digits, or \"+86\" before them"))
    }
}

/// `11`, or `"7-8"`.
fn length(value: &DeValue) -> Result<(u8, u8), String> {
    let (least, most) = match value.as_str() {
        Some(range) => {
            let wrong = || format!("`{range}` is no range of lengths; write \"7-8\"");
            let (least, most) = range.split_once('-').ok_or_else(wrong)?;
            (least.parse::<u8>().map_err(|_| wrong())?, most.parse::<u8>().map_err(|_| wrong())?)
        }
        None => integer::<u8>(value).map(|length| (length, length))?,
    };
    if (1..=LENGTH_MAX).contains(&least) && (least..=LENGTH_MAX).contains(&most) {
        Ok((least, most))
    } else {
        Err(format!("numbers have 1 to {LENGTH_MAX} characters, the fewer first"))
    }
}
