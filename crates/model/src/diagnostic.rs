//! A mistake in a file somebody wrote, with where it is and what to do.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It works, but probably not as meant.
    Warning,
    /// It is refused.
    Error,
}

/// One mistake in a configuration file or dialplan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// The file as the operator named it.
    pub file: String,
    /// 1-based line; 0 when the whole file is meant.
    pub line: usize,
    /// 1-based column in characters; 0 when the whole line is meant.
    pub column: usize,
    /// The text of that line, for the caret.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// What to do, when we know.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at byte `offset` of `source`.
    pub fn error(file: &str, source: &str, offset: usize, message: impl Into<String>) -> Diagnostic {
        let (line, column, text) = locate(source, offset);
        Diagnostic {
            severity: Severity::Error,
            file: file.into(),
            line,
            column,
            text,
            message: message.into(),
            help: None,
        }
    }

    /// An error about the file as a whole.
    pub fn whole(file: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            file: file.into(),
            line: 0,
            column: 0,
            text: String::new(),
            message: message.into(),
            help: None,
        }
    }

    /// The same mistake as a warning.
    pub fn warning(mut self) -> Diagnostic {
        self.severity = Severity::Warning;
        self
    }

    /// With a line saying what to do.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// With "did you mean …" when one of `known` is close to `found`.
    pub fn suggest<'a>(self, found: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match closest(found, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.severity == Severity::Error { "error" } else { "warning" };
        writeln!(f, "{word}: {}", self.message)?;
        if self.line == 0 {
            write!(f, "  --> {}", self.file)?;
        } else {
            let gutter = self.line.to_string().len();
            writeln!(f, "{:gutter$}--> {}:{}:{}", "", self.file, self.line, self.column)?;
            writeln!(f, "{} | {}", self.line, self.text)?;
            let indent: usize = self.text.chars().take(self.column.saturating_sub(1)).map(width).sum();
            write!(f, "{:gutter$} | {:indent$}^", "", "")?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Columns a character takes on a terminal: CJK and full-width forms take two.
fn width(c: char) -> usize {
    if matches!(c as u32, 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6)
    {
        2
    } else {
        1
    }
}

fn locate(source: &str, offset: usize) -> (usize, usize, String) {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    let start = source[..offset].rfind('\n').map_or(0, |i| i + 1);
    let end = source[offset..].find('\n').map_or(source.len(), |i| offset + i);
    let line = source[..start].matches('\n').count() + 1;
    (line, source[start..offset].chars().count() + 1, source[start..end].trim_end_matches('\r').to_string())
}

fn closest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (found.chars().count() / 3).max(1);
    known.into_iter().map(|k| (edits(found, k), k)).filter(|&(d, _)| d <= limit).min().map(|(_, k)| k)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment), in characters.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut next = vec![i + 1];
        for j in 0..b.len() {
            let mut least = (row[j] + usize::from(a[i] != b[j])).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_character_and_suggests() {
        let source = "[a]\nplay = \"欢迎\" x = 1\n";
        let at = source.find("x =").expect("in the source");
        let d = Diagnostic::error("plan.toml", source, at, "unknown key `quue`").suggest("quue", ["queue", "menu"]);
        let shown = d.to_string();
        assert!(shown.contains("plan.toml:2:13"), "{shown}");
        assert!(shown.contains("did you mean `queue`?"), "{shown}");
        let caret = shown.lines().nth(3).expect("caret line");
        assert_eq!(caret.find('^'), Some(4 + 8 + 4 + 2), "{shown}");
    }

    #[test]
    fn a_slip_of_the_keys_is_one_edit() {
        let table = [("night", "nigth", 1), ("loan", "lone", 2), ("abc", "", 3), ("队列", "列队", 1), ("ca", "abc", 3)];
        for (a, b, count) in table {
            assert_eq!((edits(a, b), edits(b, a)), (count, count), "{a} {b}");
        }
    }

    #[test]
    fn any_offset_is_safe() {
        for offset in 0..20 {
            let _ = Diagnostic::error("f", "零一\n二", offset, "m").to_string();
        }
    }
}
