//! `[[tier]]`: callers who are treated alike, by number.

use super::sheet::{Read, Section, Sheet, integer, text};
use busyhour_model::Pattern;
use busyhour_switch::TierSetup;
use toml::de::DeValue;

/// Points a tier may add or take.
const PRIORITY_MAX: u32 = 1_000_000;

/// A tier, and where its name and numbers stand.
pub(super) struct Tier {
    pub(super) name: Read<String>,
    pub(super) numbers: Vec<Read<Pattern>>,
    priority: i32,
}

impl Tier {
    pub(super) fn setup(&self) -> TierSetup {
        let numbers = self.numbers.iter().map(|number| number.value.clone()).collect();
        TierSetup { name: self.name.value.as_str().into(), numbers, priority: self.priority }
    }
}

pub(super) fn tier(mut section: Section, sheet: &mut Sheet) -> Option<Tier> {
    let name = section.need(sheet, "name", name);
    let numbers = section.list(sheet, "numbers", pattern).unwrap_or_default();
    let priority = section.or(sheet, "priority", priority, 0);
    section.finish(sheet);
    Some(Tier { name: name?, numbers, priority })
}

fn name(value: &DeValue) -> Result<String, String> {
    match text(value)?.as_str() {
        word @ ("default" | "none") => Err(format!("`{word}` is for callers without a tier; choose another name")),
        name => Ok(name.into()),
    }
}

fn pattern(value: &DeValue) -> Result<Pattern, String> {
    let number = text(value)?;
    let wrong = || format!("`{number}` is no number; write digits, \"+8613800138000\", or a prefix like \"138*\"");
    Pattern::parse(&number).ok_or_else(wrong)
}

fn priority(value: &DeValue) -> Result<i32, String> {
    let points = integer::<i32>(value)?;
    let fits = points.unsigned_abs() <= PRIORITY_MAX;
    if fits { Ok(points) } else { Err(format!("{points} points are more than {PRIORITY_MAX}")) }
}
