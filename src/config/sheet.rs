//! One TOML file being read: every mistake is noted where it stands, and reading goes on.

use super::roster::Words;
use busyhour_model::{Diagnostic, Name, Severity, calendar};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Mistakes reported for one file; nobody reads further.
const DIAGNOSTICS_MAX: usize = 200;
/// The longest span that may be configured.
const DURATION_MAX: Duration = Duration::from_secs(30 * 86_400);

/// A value that was read, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// What is wrong with the file so far.
pub(super) struct Sheet<'s> {
    file: &'s str,
    source: &'s str,
    found: Vec<Diagnostic>,
    /// Names used here and given elsewhere: what kind, and which.
    mentions: Vec<(&'static str, Read<String>)>,
    /// The clock of its dates.
    pub(super) utc_offset_minutes: i32,
    /// What relative paths in it start from.
    pub(super) folder: PathBuf,
}

impl<'s> Sheet<'s> {
    pub(super) fn new(file: &'s str, source: &'s str) -> Sheet<'s> {
        Sheet { file, source, found: Vec::new(), mentions: Vec::new(), utc_offset_minutes: 480, folder: PathBuf::new() }
    }

    /// A mistake at byte `at`, not yet noted.
    pub(super) fn at(&self, at: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.file, self.source, at, message)
    }

    pub(super) fn note(&mut self, mistake: Diagnostic) {
        if self.found.len() < DIAGNOSTICS_MAX {
            self.found.push(mistake);
        }
    }

    pub(super) fn error(&mut self, at: usize, message: impl Into<String>) {
        self.note(self.at(at, message));
    }

    /// More than `max` of them are an error.
    pub(super) fn at_most(&mut self, at: usize, what: &str, count: usize, max: usize) {
        if count > max {
            self.error(at, format!("{count} {what} here; at most {max}"));
        }
    }

    pub(super) fn warn(&mut self, at: usize, message: impl Into<String>, help: &str) {
        self.note(self.at(at, message).warning().help(help));
    }

    /// Where the text of a string begins: behind its quotes, unless it is written with escapes.
    pub(super) fn inside(&self, text: &Read<String>) -> usize {
        let quotes = ["\"\"\"\n", "\"\"\"", "\'\'\'\n", "\'\'\'", "\"", "'"];
        let source = &self.source[text.at.min(self.source.len())..];
        let quote = quotes.into_iter().find(|quote| source.starts_with(quote)).unwrap_or("");
        text.at + if source[quote.len()..].starts_with(&text.value) { quote.len() } else { 0 }
    }

    /// Notes that a name is used; `resolve` looks whether it is given.
    pub(super) fn mention(&mut self, kind: &'static str, name: Read<String>) {
        self.mentions.push((kind, name));
    }

    /// Notes every name mentioned that nobody gave.
    pub(super) fn resolve(&mut self, words: &Words) {
        for (kind, name) in std::mem::take(&mut self.mentions) {
            match words.of(kind) {
                Some(known) => self.known(kind, &name, known.iter().map(|word| &**word)),
                // Looked for again when they are known.
                None => self.mention(kind, name),
            }
        }
    }

    /// Whether nothing is refused so far.
    pub(super) fn is_right(&self) -> bool {
        self.found.iter().all(|d| d.severity == Severity::Warning)
    }

    /// A name that should be one of `known`.
    pub(super) fn known<'k>(&mut self, what: &str, name: &Read<String>, known: impl Iterator<Item = &'k str> + Clone) {
        if !known.clone().any(|k| k == name.value) {
            let near = self.at(name.at, format!("no {what} is named `{}`", name.value)).suggest(&name.value, known);
            let near = if near.help.is_none() { near.help(format!("define it, or use another {what}")) } else { near };
            self.note(near);
        }
    }

    /// Names that must be different.
    pub(super) fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n Read<String>>) {
        let mut seen = std::collections::BTreeMap::new();
        for name in names {
            if let Some(first) = seen.insert(&name.value, name.at) {
                let line = self.at(first, "").line;
                let mistake = self.at(name.at, format!("a second {what} is named `{}`", name.value));
                self.note(mistake.help(format!("the first one is on line {line}; names are unique")));
            }
        }
    }

    /// All mistakes in the order of the file.
    pub(super) fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| (d.line, d.column));
        self.found
    }
}

/// One table of the file. What was not asked for by the end is unknown.
pub(super) struct Section<'t> {
    table: Option<&'t DeTable<'t>>,
    what: String,
    at: usize,
    asked: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, at: usize, what: &str) -> Section<'t> {
        Section { table: Some(table), what: what.into(), at, asked: Vec::new() }
    }

    /// Where the table stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// `[key]`; an empty section when absent.
    pub(super) fn section(&mut self, sheet: &mut Sheet, key: &'static str) -> Section<'t> {
        let (table, at) = match self.value(key) {
            None => (None, self.at),
            Some(value) => {
                if value.get_ref().as_table().is_none() {
                    sheet.error(value.span().start, wrong(&format!("a table `[{key}]`"), value.get_ref()));
                }
                (value.get_ref().as_table(), value.span().start)
            }
        };
        Section { table, what: format!("[{key}]"), at, asked: Vec::new() }
    }

    /// `[[key]]`, any number of times.
    pub(super) fn sections(&mut self, sheet: &mut Sheet, key: &'static str) -> Vec<Section<'t>> {
        self.sections_if_any(sheet, key).unwrap_or_default()
    }

    /// The same; `None` when the key is absent.
    pub(super) fn sections_if_any(&mut self, sheet: &mut Sheet, key: &'static str) -> Option<Vec<Section<'t>>> {
        let value = self.value(key)?;
        let Some(array) = value.get_ref().as_array() else {
            sheet.error(value.span().start, format!("write `[[{key}]]`, in double brackets: there may be several"));
            return None;
        };
        let mut sections = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section::new(table, item.span().start, &format!("[[{key}]]"))),
                None => sheet.error(item.span().start, wrong("a table", item.get_ref())),
            }
        }
        Some(sections)
    }

    /// `key` read by `parse`, when present and right.
    pub(super) fn read<T>(&mut self, sheet: &mut Sheet, key: &'static str, parse: Parse<T>) -> Option<Read<T>> {
        let value = self.value(key)?;
        one(sheet, value, parse)
    }

    /// The value of `key`, or `default`.
    pub(super) fn or<T>(&mut self, sheet: &mut Sheet, key: &'static str, parse: Parse<T>, default: T) -> T {
        self.read(sheet, key, parse).map_or(default, |r| r.value)
    }

    /// `key`, whose absence is a mistake.
    pub(super) fn need<T>(&mut self, sheet: &mut Sheet, key: &'static str, parse: Parse<T>) -> Option<Read<T>> {
        if self.value(key).is_none() {
            sheet.error(self.at, format!("{} needs `{key}`", self.what));
        }
        self.read(sheet, key, parse)
    }

    /// Puts the value of `key`, when present and right, in place of what is there.
    pub(super) fn lay<T>(&mut self, sheet: &mut Sheet, key: &'static str, parse: Parse<T>, place: &mut T) {
        if let Some(read) = self.read(sheet, key, parse) {
            *place = read.value;
        }
    }

    /// The same where nothing may be: `"none"` stands for it.
    pub(super) fn lay_option<T>(
        &mut self,
        sheet: &mut Sheet,
        key: &'static str,
        parse: Parse<T>,
        place: &mut Option<T>,
    ) {
        match self.option(sheet, key, parse) {
            Given::Not => {}
            Given::None => *place = None,
            Given::Some(read) => *place = Some(read.value),
        }
    }

    /// A name given elsewhere, under the key that says of what kind it is.
    pub(super) fn lay_mention(&mut self, sheet: &mut Sheet, kind: &'static str, place: &mut Option<Name>) {
        self.lay_name_of(sheet, kind, kind, place);
    }

    /// The same of a key that is not called after what it names.
    pub(super) fn lay_name_of(
        &mut self,
        sheet: &mut Sheet,
        key: &'static str,
        kind: &'static str,
        place: &mut Option<Name>,
    ) {
        match self.option(sheet, key, text) {
            Given::Not => {}
            Given::None => *place = None,
            Given::Some(name) => {
                *place = Some(name.value.as_str().into());
                sheet.mention(kind, name);
            }
        }
    }

    /// `key`, which may be `"none"`.
    pub(super) fn option<T>(&mut self, sheet: &mut Sheet, key: &'static str, parse: Parse<T>) -> Given<Read<T>> {
        match self.value(key) {
            None => Given::Not,
            Some(value) if is_none(value.get_ref()) => Given::None,
            Some(value) => one(sheet, value, parse).map_or(Given::Not, Given::Some),
        }
    }

    /// `key = { skill = level, … }` laid over the levels there; `"none"` takes a skill away.
    pub(super) fn lay_levels(&mut self, sheet: &mut Sheet, key: &'static str, levels: &mut Vec<(Name, u8)>) {
        for (skill, level) in self.map(sheet, key, level_or_none) {
            let name = Name::from(skill.value.as_str());
            sheet.mention("skill", skill);
            levels.retain(|(held, _)| *held != name);
            levels.extend(level.map(|level| (name, level)));
        }
    }

    /// Where the values of the keys that were read stand.
    pub(super) fn places(&self) -> Vec<(&'static str, usize)> {
        let place = |key: &&'static str| Some((*key, self.table?.get(*key)?.span().start));
        self.asked.iter().filter_map(place).collect()
    }

    /// `key = [ … ]`, or one value standing for a list of one.
    pub(super) fn list<T>(&mut self, sheet: &mut Sheet, key: &'static str, parse: Parse<T>) -> Option<Vec<Read<T>>> {
        let value = self.value(key)?;
        let items = value.get_ref().as_array().map_or(std::slice::from_ref(value), |array| &array[..]);
        Some(items.iter().filter_map(|item| one(sheet, item, parse)).collect())
    }

    /// `key = { name = value, … }` with names as people chose them.
    pub(super) fn map<T>(&mut self, sheet: &mut Sheet, key: &'static str, parse: Parse<T>) -> Vec<(Read<String>, T)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            sheet.error(value.span().start, wrong("a table like `{ name = 1 }`", value.get_ref()));
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in table.iter() {
            let name = Read { value: name.get_ref().to_string(), at: name.span().start };
            pairs.extend(one(sheet, value, parse).map(|v| (name, v.value)));
        }
        pairs
    }

    /// Whether the key is there, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Notes every key nobody asked for.
    pub(super) fn finish(self, sheet: &mut Sheet) {
        for (key, _) in self.table.iter().flat_map(|t| t.iter()) {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(&name) {
                let mistake = sheet.at(key.span().start, format!("unknown key `{name}` in {}", self.what));
                let near = mistake.suggest(name, self.asked.iter().copied());
                let all = format!("known here: {}", self.asked.join(", "));
                sheet.note(if near.help.is_none() { near.help(all) } else { near });
            }
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table?.get(key)
    }
}

/// What a key that may be `"none"` says.
pub(super) enum Given<T> {
    /// It is absent, or wrong.
    Not,
    None,
    Some(T),
}

/// Reads a value, or says in one sentence what is wrong with it.
pub(super) type Parse<T> = fn(&DeValue) -> Result<T, String>;

fn one<T>(sheet: &mut Sheet, value: &Spanned<DeValue>, parse: Parse<T>) -> Option<Read<T>> {
    let at = value.span().start;
    match parse(value.get_ref()) {
        Ok(value) => Some(Read { value, at }),
        Err(message) => {
            sheet.error(at, message);
            None
        }
    }
}

fn wrong(wanted: &str, found: &DeValue) -> String {
    format!("expected {wanted}, found {}", found.type_str())
}

/// Any text that is not empty.
pub(super) fn text(value: &DeValue) -> Result<String, String> {
    match value.as_str() {
        Some("") => Err("this may not be empty".into()),
        Some(text) => Ok(text.to_string()),
        None => Err(wrong("a string", value)),
    }
}

/// Something that reads itself from a string.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(value: &DeValue) -> Result<T, String> {
    let text = text(value)?;
    text.parse().map_err(|e| format!("`{text}`: {e}"))
}

pub(super) fn flag(value: &DeValue) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| wrong("true or false", value))
}

/// An integer within what `T` can hold.
pub(super) fn integer<T: TryFrom<i64>>(value: &DeValue) -> Result<T, String> {
    let number = value.as_integer().ok_or_else(|| wrong("a whole number", value))?;
    let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
    parsed.and_then(|n| T::try_from(n).ok()).ok_or_else(|| format!("{number} is out of range"))
}

/// A level, or `{ level = 2, until = "2026-12-31" }`: held through that day; `None` for `"none"`.
pub(super) fn held(value: &DeValue) -> Result<Option<(u8, Option<i32>)>, String> {
    let Some(table) = value.as_table() else { return Ok(level_or_none(value)?.map(|level| (level, None))) };
    if let Some((key, _)) = table.iter().find(|(key, _)| !["level", "until"].contains(&key.get_ref().as_ref())) {
        return Err(format!("`{}` is neither `level` nor `until`", key.get_ref()));
    }
    let until = table.get("until").map(|until| date(until.get_ref())).transpose()?;
    let level = table.get("level").map_or(Ok(1), |value| level(value.get_ref()))?;
    Ok(Some((level, until)))
}

fn date(value: &DeValue) -> Result<i32, String> {
    dated(&text(value)?)
}

pub(super) fn dated(text: &str) -> Result<i32, String> {
    calendar::day(text).ok_or_else(|| format!("`{text}` is no date like \"2026-12-31\""))
}

/// A skill level, 1-100.
pub(super) fn level(value: &DeValue) -> Result<u8, String> {
    integer(value).and_then(levelled)
}

pub(super) fn levelled(level: u8) -> Result<u8, String> {
    match level {
        1..=100 => Ok(level),
        other => Err(format!("{other} is no skill level: 1 (lowest) to 100")),
    }
}

fn level_or_none(value: &DeValue) -> Result<Option<u8>, String> {
    if is_none(value) { Ok(None) } else { level(value).map(Some) }
}

fn is_none(value: &DeValue) -> bool {
    value.as_str() == Some("none")
}

/// A word out of a table; `verdict` on all others.
pub(super) fn one_of<T: Copy>(value: &DeValue, verdict: &str, known: &[(&str, T)]) -> Result<T, String> {
    let word = text(value)?;
    let found = known.iter().find(|(name, _)| *name == word).map(|(_, one)| *one);
    found.ok_or_else(|| {
        let names: Vec<String> = known.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let (last, first) = names.split_last().expect("a table of words has some");
        format!("`{word}` {verdict}: {} or {last}", first.join(", "))
    })
}

/// `"300ms"`, `"20s"`, `"1m30s"`, `"4h"`, `"1d"`.
pub(super) fn duration(value: &DeValue) -> Result<Duration, String> {
    let text = value.as_str().ok_or_else(|| wrong("a duration like \"20s\" or \"1m30s\"", value))?;
    parse_duration(text)
        .ok_or_else(|| format!("`{text}` is no duration; write \"300ms\", \"20s\", \"1m30s\" or \"4h\""))
}

/// The same, of a command line; at most 30 days.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (count, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_millis(count.parse::<u64>().ok()?.checked_mul(unit_ms)?))?;
        rest = after;
    }
    (!text.is_empty() && sum <= DURATION_MAX).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_nonsense_is_not() {
        for (text, millis) in [("300ms", 300), ("20s", 20_000), ("1m30s", 90_000), ("0s", 0), ("30d", 2_592_000_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "20", "s", "-5s", "20 s", "31d", "1w", "99999999999999999999s", "5秒"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
