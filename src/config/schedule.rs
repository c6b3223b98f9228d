//! `[[schedule]]`: when queues are open and what branches may ask; `[[calendar]]`: the holidays several of them share.

use super::sheet::{Read, Section, Sheet, text};
use busyhour_model::calendar::{self, Clock};
use busyhour_model::{Days, Name, Opening, Schedule};
use toml::de::DeValue;

/// Spans of days, first and last.
type Spans = Vec<Read<(i32, i32)>>;

/// Holidays and weekends worked instead, and where their name stands.
pub(super) struct Calendar {
    pub(super) name: Read<String>,
    holidays: Spans,
    workdays: Spans,
}

/// A schedule, and where its name stands.
pub(super) struct Timetable {
    pub(super) name: Read<String>,
    pub(super) schedule: Schedule,
}

impl Timetable {
    pub(super) fn setup(&self) -> (Name, Schedule) {
        (self.name.value.as_str().into(), self.schedule.clone())
    }
}

pub(super) fn calendar(mut section: Section, sheet: &mut Sheet) -> Option<Calendar> {
    let name = section.need(sheet, "name", text);
    let (holidays, workdays) = days_off(&mut section, sheet);
    section.finish(sheet);
    Some(Calendar { name: name?, holidays, workdays })
}

/// `holidays` and `workdays`.
fn days_off(section: &mut Section, sheet: &mut Sheet) -> (Spans, Spans) {
    let holidays = section.list(sheet, "holidays", dates).unwrap_or_default();
    (holidays, section.list(sheet, "workdays", dates).unwrap_or_default())
}

pub(super) fn timetable(
    mut section: Section,
    sheet: &mut Sheet,
    calendars: &[Calendar],
    utc_offset_minutes: i32,
) -> Option<Timetable> {
    let name = section.need(sheet, "name", text);
    let utc_offset_minutes = section.or(sheet, "utc_offset", utc_offset, utc_offset_minutes);
    let openings = section.sections_if_any(sheet, "open");
    if openings.is_none() && !section.has("open") {
        sheet.error(section.at(), "[[schedule]] needs `open`");
    }
    let open = openings.into_iter().flatten().flat_map(|opening| hours(opening, sheet)).collect();
    let (mut holidays, mut workdays) = days_off(&mut section, sheet);
    if let Some(shared) = section.read(sheet, "calendar", text) {
        sheet.known("calendar", &shared, calendars.iter().map(|calendar| &*calendar.name.value));
        for calendar in calendars.iter().filter(|calendar| calendar.name.value == shared.value) {
            holidays.extend(calendar.holidays.iter().cloned());
            workdays.extend(calendar.workdays.iter().cloned());
        }
    }
    section.finish(sheet);
    let overlap = |a: (i32, i32), b: (i32, i32)| a.0 <= b.1 && b.0 <= a.1;
    for workday in workdays.iter().filter(|w| holidays.iter().any(|h| overlap(h.value, w.value))) {
        sheet.error(workday.at, "a day is either among `holidays` or among `workdays`");
    }
    let spans = |days: Spans| days.into_iter().map(|span| span.value).collect();
    let schedule = Schedule { utc_offset_minutes, open, holidays: spans(holidays), workdays: spans(workdays) };
    Some(Timetable { name: name?, schedule })
}

/// Every time of `time` on all days of `days`.
fn hours(mut section: Section, sheet: &mut Sheet) -> Vec<Opening> {
    for key in ["days", "time"].into_iter().filter(|key| !section.has(key)) {
        sheet.error(section.at(), format!("[[open]] needs `{key}`"));
    }
    let kinds = section.list(sheet, "days", days).unwrap_or_default();
    let clocks = section.list(sheet, "time", clock).unwrap_or_default();
    section.finish(sheet);
    let days = Days(kinds.iter().fold(0, |all, kind| all | kind.value.0));
    clocks.into_iter().map(|clock| Opening { days, clock: clock.value }).collect()
}

fn days(value: &DeValue) -> Result<Days, String> {
    let text = text(value)?;
    Days::parse(&text).ok_or_else(|| format!("`{text}` is no day: \"mon\", \"mon-fri\", \"sat-sun\" or \"holiday\""))
}

fn clock(value: &DeValue) -> Result<Clock, String> {
    let text = text(value)?;
    Clock::parse(&text).ok_or_else(|| format!("`{text}` is no time of day like \"09:00-18:00\""))
}

fn dates(value: &DeValue) -> Result<(i32, i32), String> {
    let text = text(value)?;
    let wrong = || format!("`{text}` is no date like \"2026-10-10\" or \"2026-10-01..2026-10-07\"");
    calendar::days(&text).ok_or_else(wrong)
}

/// `"+08:00"`.
pub(super) fn utc_offset(value: &DeValue) -> Result<i32, String> {
    let text = text(value)?;
    calendar::utc_offset(&text).ok_or_else(|| format!("`{text}` is no offset from UTC like \"+08:00\""))
}
