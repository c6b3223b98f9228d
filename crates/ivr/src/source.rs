//! A TOML file with its positions: every mistake is noted where it is, and reading goes on.

use busyhour_model::{Diagnostic, Severity};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Mistakes reported for one file; the rest would not be read anyway.
pub const DIAGNOSTICS_MAX: usize = 200;

/// A value and where it stands.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;

/// Collects what is wrong with one file.
pub(crate) struct Report<'s> {
    file: &'s str,
    source: &'s str,
    found: Vec<Diagnostic>,
}

impl<'s> Report<'s> {
    pub(crate) fn new(file: &'s str, source: &'s str) -> Report<'s> {
        Report { file, source, found: Vec::new() }
    }

    /// A mistake at byte `offset`, not yet noted.
    pub(crate) fn at(&self, offset: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.file, self.source, offset, message)
    }

    /// Note a mistake.
    pub(crate) fn note(&mut self, mistake: Diagnostic) {
        if self.found.len() < DIAGNOSTICS_MAX {
            self.found.push(mistake);
        }
    }

    /// Note a mistake at byte `offset`.
    pub(crate) fn error(&mut self, offset: usize, message: impl Into<String>) {
        self.note(self.at(offset, message));
    }

    /// A value as it stands in the file.
    pub(crate) fn written(&self, value: &Value) -> &'s str {
        self.source.get(value.span()).unwrap_or_default()
    }

    /// The line and the column of byte `offset`, 1-based.
    pub(crate) fn spot(&self, offset: usize) -> (usize, usize) {
        let here = self.at(offset, "");
        (here.line, here.column)
    }

    /// No error so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.found.iter().all(|mistake| mistake.severity == Severity::Warning)
    }

    /// All mistakes, in the order of the file.
    pub(crate) fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
        self.found.dedup();
        self.found
    }

    fn wrong_type(&mut self, wanted: &str, value: &Value) {
        let found = value.get_ref().type_str();
        self.error(value.span().start, format!("expected {wanted}, found {found}"));
    }

    pub(crate) fn text<'t>(&mut self, value: &'t Value) -> Option<&'t str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type("a string", value);
        }
        text
    }

    pub(crate) fn flag(&mut self, value: &Value) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type("true or false", value);
        }
        flag
    }

    /// An integer between `min` and `max`.
    pub(crate) fn integer(&mut self, value: &Value, min: i64, max: i64) -> Option<i64> {
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong_type("an integer", value);
            return None;
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(n) if (min..=max).contains(&n) => Some(n),
            _ => {
                self.error(value.span().start, format!("{number} is not between {min} and {max}"));
                None
            }
        }
    }

    /// `"300ms"`, `"20s"`, `"5m"`, `"1h"`, `"1m30s"`; at most a day.
    pub(crate) fn duration(&mut self, value: &Value) -> Option<Duration> {
        let help = "write it as \"300ms\", \"20s\", \"5m\", \"1h\" or \"1m30s\"";
        let text = match value.get_ref().as_str() {
            Some(text) => text,
            None => {
                let found = value.get_ref().type_str();
                let mistake = self.at(value.span().start, format!("expected a duration, found {found}")).help(help);
                self.note(mistake);
                return None;
            }
        };
        let duration = parse_duration(text);
        if duration.is_none() {
            let mistake = self.at(value.span().start, format!("`{text}` is not a duration up to 24h")).help(help);
            self.note(mistake);
        }
        duration
    }

    pub(crate) fn array<'t>(&mut self, value: &'t Value<'t>) -> Option<&'t [Value<'t>]> {
        let array = value.get_ref().as_array();
        if array.is_none() {
            self.wrong_type("an array", value);
        }
        array.map(|array| &array[..])
    }

    /// An array, or one value standing for an array of one.
    pub(crate) fn one_or_more<'t>(&mut self, value: &'t Value<'t>) -> &'t [Value<'t>] {
        value.get_ref().as_array().map_or(std::slice::from_ref(value), |array| &array[..])
    }

    pub(crate) fn table<'t>(&mut self, value: &'t Value<'t>) -> Option<&'t DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type("a table", value);
        }
        table
    }

    /// The fields of a table value.
    pub(crate) fn fields<'t>(&mut self, value: &'t Value<'t>, what: &str) -> Option<Fields<'t>> {
        let table = self.table(value)?;
        Some(Fields::new(table, value.span().start, what))
    }
}

/// One table being read: what was not asked for by the end is unknown.
pub(crate) struct Fields<'t> {
    table: &'t DeTable<'t>,
    /// Where to point when something is missing.
    pub(crate) offset: usize,
    what: String,
    asked: Vec<&'static str>,
    ignore_rest: bool,
}

impl<'t> Fields<'t> {
    pub(crate) fn new(table: &'t DeTable<'t>, offset: usize, what: &str) -> Fields<'t> {
        Fields { table, offset, what: what.into(), asked: Vec::new(), ignore_rest: false }
    }

    /// The value of `key`, if there.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'t Value<'t>> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// The value of `key`; its absence is a mistake.
    pub(crate) fn need(&mut self, key: &'static str, report: &mut Report) -> Option<&'t Value<'t>> {
        let value = self.take(key);
        if value.is_none() {
            let mistake = report.at(self.offset, format!("{} needs `{key}`", self.what));
            report.note(mistake);
        }
        value
    }

    /// Say nothing about the other keys: a mistake that covers them was noted.
    pub(crate) fn skip_rest(&mut self) {
        self.ignore_rest = true;
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Keys nobody asked for so far, with where they stand.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&'t str, usize, &'t Value<'t>)> {
        let keys = self.table.iter().filter(|(key, _)| !self.asked.contains(&key.get_ref().as_ref()));
        keys.map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
    }

    /// Report every key nobody asked for.
    pub(crate) fn finish(self, report: &mut Report) {
        self.finish_except(report, |_| false);
    }

    /// Report every key nobody asked for, apart from those `free` knows.
    pub(crate) fn finish_except(self, report: &mut Report, free: impl Fn(&str) -> bool) {
        for (key, offset, _) in self.rest().filter(|(key, ..)| !self.ignore_rest && !free(key)) {
            let mistake = report.at(offset, format!("unknown key `{key}` in {}", self.what));
            let near = mistake.suggest(key, self.asked.iter().copied());
            let known = format!("known here: {}", self.asked.join(", "));
            report.note(if near.help.is_none() { near.help(known) } else { near });
        }
    }
}

/// `1m30s`, at most a day.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        millis = millis.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[letters..];
    }
    (!text.is_empty() && millis <= 86_400_000).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_nonsense_is_not() {
        let good =
            [("300ms", 300), ("20s", 20_000), ("5m", 300_000), ("1m30s", 90_000), ("24h", 86_400_000), ("0s", 0)];
        for (text, millis) in good {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "20", "s", "-5s", "20 s", "25h", "1d", "99999999999999999999s", "5秒"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
