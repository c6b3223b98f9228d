//! `[[bot]]`: programs that talk with callers, and where they are.

use super::server::within;
use super::sheet::{Read, Section, Sheet, text};
use crate::forks::BotSetup;
use toml::de::DeValue;

/// A bot, and where its name stands.
pub(super) struct Bot {
    pub(super) name: Read<String>,
    pub(super) setup: BotSetup,
}

pub(super) fn bot(mut section: Section, sheet: &mut Sheet) -> Option<Bot> {
    let name = section.need(sheet, "name", text);
    let url = section.need(sheet, "url", url);
    let token = section.read(sheet, "token", token);
    section.finish(sheet);
    let (name, url) = (name?, url?);
    if let (Some(token), true) = (&token, url.value.starts_with("ws://")) {
        sheet.warn(token.at, "this token goes over the network readable for all", "let the bot be reached by wss://");
    }
    let setup = BotSetup { name: name.value.as_str().into(), url: url.value, token: token.map(|token| token.value) };
    Some(Bot { name, setup })
}

fn url(value: &DeValue) -> Result<String, String> {
    within(&text(value)?, ["ws://", "wss://"], "ws://127.0.0.1:9000/talk")
}

/// It goes into a header.
fn token(value: &DeValue) -> Result<String, String> {
    let token = text(value)?;
    let fits = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(token) } else { Err("a token is of printable ASCII characters, without blanks".into()) }
}
