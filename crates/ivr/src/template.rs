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

    /// Whether this may be the text, whatever the variables are.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let mut rest = Some(text);
        for (at, piece) in self.0.iter().enumerate() {
            let Text::Literal(piece) = piece else { continue };
            rest = match rest {
                Some(rest) if at == 0 => rest.strip_prefix(&**piece),
                Some(rest) if at + 1 == self.0.len() => rest.strip_suffix(&**piece).map(|_| ""),
                Some(rest) => rest.split_once(&**piece).map(|(_, after)| after),
                None => None,
            };
        }
        // Written out whole, nothing may follow.
        rest.is_some_and(|rest| rest.is_empty() || self.0.len() > 1)
    }
}

impl<'t> Reader<'t> {
    /// A text with `{$variable}`s; `leaks` when it is heard. What is only sent may be secret.
    pub(crate) fn template(&mut self, value: &'t Value<'t>, leaks: bool) -> Option<Template> {
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
            self.read(name, offset, leaks);
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
    fn a_text_fits_when_the_pieces_written_out_are_in_it() {
        let literal = |text: &str| Text::Literal(text.into());
        let variable = || Text::Variable("name".into());
        let whole = Template(vec![literal("您好")]);
        let two = Template(vec![literal("您好，"), variable(), literal("，余额"), variable(), literal("元")]);
        let table = [
            (&whole, "您好", true),
            (&whole, "您好！", false),
            (&two, "您好，张三，余额5元", true),
            (&two, "您好，，余额元", true),
            (&two, "您好，张三，余额5", false),
            (&two, "张三，余额5元", false),
            (&two, "您好，张三5元", false),
        ];
        for (template, text, fits) in table {
            assert_eq!(template.fits(text), fits, "{text}");
        }
    }

    #[test]
    fn what_could_change_the_address_is_encoded() {
        let table = [("138001", "138001"), ("a/b?c", "a%2Fb%3Fc"), ("..", ".."), ("张 #", "%E5%BC%A0%20%23"), ("", "")];
        for (text, encoded) in table {
            assert_eq!(percent_encoded(text), encoded);
        }
    }
}
