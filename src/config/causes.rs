//! `causes_in` and `causes_out` of a `[[trunk]]`: why calls end, as the carrier says it and as we do.

use super::sheet::{Section, Sheet, integer};
use busyhour_switch::{CauseRule, Causes};
use toml::de::DeValue;

/// Rules of one table.
const RULES_MAX: usize = 1_000;

/// The table under `key`.
pub(super) fn table(section: &mut Section, sheet: &mut Sheet, key: &'static str) -> Causes {
    let at = section.at();
    let rules = section.sections_if_any(sheet, key).unwrap_or_default();
    sheet.at_most(at, "rules", rules.len(), RULES_MAX);
    Causes(rules.into_iter().filter_map(|rule| one(rule, sheet)).collect())
}

fn one(mut section: Section, sheet: &mut Sheet) -> Option<CauseRule> {
    let at = section.at();
    let status = section.read(sheet, "status", status).map(|read| read.value);
    let cause = section.read(sheet, "cause", cause).map(|read| read.value);
    let to_status = section.read(sheet, "to_status", self::status).map(|read| read.value);
    let to_cause = section.read(sheet, "to_cause", self::cause).map(|read| read.value);
    let (named, changed) =
        (section.has("status") || section.has("cause"), section.has("to_status") || section.has("to_cause"));
    section.finish(sheet);
    if !named {
        sheet.note(sheet.at(at, "this rule is for no answer").help("add `status`, `cause` of Q.850, or both"));
    }
    if !changed {
        sheet.note(sheet.at(at, "this rule changes nothing").help("add `to_status`, `to_cause`, or both"));
    }
    (named && changed).then_some(CauseRule { status, cause, to_status, to_cause })
}

fn status(value: &DeValue) -> Result<u16, String> {
    match integer::<u16>(value)? {
        status @ 400..=699 => Ok(status),
        other => Err(format!("{other} refuses no call: 400 to 699")),
    }
}

fn cause(value: &DeValue) -> Result<u8, String> {
    match integer::<u8>(value) {
        Ok(cause @ 1..=127) => Ok(cause),
        _ => Err("a cause of Q.850 is 1 to 127".into()),
    }
}
