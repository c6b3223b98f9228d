//! The list of phrases: which prompts there should be, and what each says in each language.

use busyhour_model::Diagnostic;
use std::path::{Path, PathBuf};

/// Where a folder says which phrases it should have.
pub const LIST: &str = "phrases.tsv";
/// The phrases of the shipped dialplans.
const SHIPPED: &str = include_str!("../../prompts/phrases.tsv");
/// Where a phrase is not needed in a language.
const NONE: &str = "-";
/// Of the columns after the id, those that are spoken.
const SPOKEN: [(&str, usize); 2] = [("zh", 2), ("en", 3)];

/// What one recording says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// `zh` or `en`.
    pub language: &'static str,
    /// Like `ivr/welcome`.
    pub id: String,
    /// English, or Mandarin in numeric pinyin.
    pub text: String,
}

impl Phrase {
    /// Below a folder of prompts.
    pub fn file(&self) -> PathBuf {
        PathBuf::from(self.language).join(format!("{}.wav", self.id))
    }
}

/// The phrases of a list; without one those of the folder's own `phrases.tsv`, and without that the shipped ones.
///
/// # Errors
/// The list cannot be read, or lines are wrong: all of them.
pub fn listed(list: Option<&Path>, folder: &Path) -> Result<Vec<Phrase>, Vec<Diagnostic>> {
    let own = folder.join(LIST);
    let Some(path) = list.or_else(|| own.is_file().then_some(own.as_path())) else {
        return parse(LIST, SHIPPED);
    };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| vec![Diagnostic::whole(&name, format!("cannot be read as a list of phrases: {e}"))])?;
    parse(&name, &text)
}

/// Id, Chinese, pinyin, English on each line; `-` where no recording is needed.
fn parse(file: &str, text: &str) -> Result<Vec<Phrase>, Vec<Diagnostic>> {
    let (mut phrases, mut mistakes) = (Vec::new(), Vec::new());
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let columns: Vec<&str> = line.trim_end().split('\t').collect();
        match fault(&columns) {
            _ if line.trim().is_empty() || line.starts_with('#') => {}
            Some(fault) => {
                let help =
                    "a line is: id, Chinese, numeric pinyin, English, with tabs between them; `-` where there is none";
                mistakes.push(Diagnostic::error(file, text, offset, fault).help(help));
            }
            None => {
                phrases.extend(
                    SPOKEN.into_iter().filter(|(_, column)| columns[*column] != NONE).map(|(language, column)| {
                        Phrase { language, id: columns[0].into(), text: columns[column].into() }
                    }),
                )
            }
        }
        offset += line.len();
    }
    if mistakes.is_empty() { Ok(phrases) } else { Err(mistakes) }
}

fn fault(columns: &[&str]) -> Option<String> {
    let id = columns[0];
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    if columns.len() != 4 {
        return Some(format!("{} columns where four are wanted", columns.len()));
    }
    if !id.split('/').all(is_plain) {
        return Some(format!("`{id}` is no id of a prompt: it is to be a file in the folder"));
    }
    columns.iter().any(|column| column.trim().is_empty()).then(|| "an empty column".to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_recording_in_each_language_it_has() {
        let phrases = parse("p", "# ours\na/b\t好\thao3\tgood\n\na/c\t-\t-\tten\na/d\t-\t-\t-\n").unwrap();
        let told: Vec<_> = phrases.iter().map(|p| (p.file(), p.text.as_str())).collect();
        assert_eq!(told, [("zh/a/b.wav".into(), "hao3"), ("en/a/b.wav".into(), "good"), ("en/a/c.wav".into(), "ten")]);
    }

    #[test]
    fn wrong_lines_are_all_told_where_they_are() {
        let table = [
            ("a/b\thao3\tgood", "3 columns"),
            ("../b\tx\tx\tx", "no id"),
            ("/etc/b\tx\tx\tx", "no id"),
            ("a/b\tx\t\tx", "empty column"),
        ];
        for (line, words) in table {
            let mistakes = parse("own.tsv", &format!("a\tx\tx\tx\n{line}\n")).unwrap_err().remove(0).to_string();
            assert!(mistakes.contains(words) && mistakes.contains("own.tsv:2"), "{mistakes}");
        }
    }

    #[test]
    fn the_shipped_list_is_right() {
        assert!(parse(LIST, SHIPPED).unwrap().len() > 300);
    }
}
