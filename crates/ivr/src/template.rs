//! Texts with variables in them: `https://crm.example/customers/{$caller}`.

use crate::parse::Reader;
use crate::phrase::Text;
use crate::source::Value;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Bytes of a template.
const TEMPLATE_MAX: usize = 2_000;

/// Pieces written out and variables, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Template(pub(crate) Vec<Text>);

impl Template {
    /// The whole text; `value` gives a piece's, as it is to stand there.
    pub(crate) fn filled(&self, value: impl Fn(&Text) -> String) -> String {
        self.0.iter().map(value).collect()
    }
}

impl<'t> Reader<'t> {
    /// A text with `{$variable}`s, which may be secret: it is sent, not heard.
    pub(crate) fn template(&mut self, value: &'t Value<'t>) -> Option<Template> {
        let (text, offset) = (self.report.text(value)?, value.span().start);
        if text.len() > TEMPLATE_MAX || text.chars().any(char::is_control) {
            self.report.error(offset, format!("not one line of at most {TEMPLATE_MAX} bytes"));
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((plain, variable)) = rest.split_once("{$") {
            let Some((name, after)) = variable.split_once('}') else {
                let mistake = self.report.at(offset, format!("`{{${variable}` is not closed"));
                self.report.note(mistake.help("write {$name}"));
                return None;
            };
            self.read(name, offset, false);
            pieces.extend([Text::Literal(plain.into()), Text::Variable(name.into())]);
            rest = after;
        }
        pieces.push(Text::Literal(rest.into()));
        Some(Template(pieces))
    }
}

/// Everything but unreserved characters as `%XX` (RFC 3986 section 2).
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_change_the_address_is_encoded() {
        let table = [("138001", "138001"), ("a/b?c", "a%2Fb%3Fc"), ("..", ".."), ("张 #", "%E5%BC%A0%20%23"), ("", "")];
        for (text, encoded) in table {
            assert_eq!(percent_encoded(text), encoded);
        }
    }
}
