//! `[tts]`: who speaks what is not recorded, and what is kept of it.

use super::server::{address, count};
use super::sheet::{Read, Section, Sheet, duration, text};
use crate::tts::{Hook, TtsSetup};
use std::path::Path;
use std::time::Duration;
use toml::de::DeValue;

/// Sounds kept at most.
const CACHE_MAX: usize = 100_000;

/// The section, when there is one, and where its fallback stands; sounds are kept in `spoken` below the data folder, unless it says where.
pub(super) fn read(
    root: &mut Section,
    sheet: &mut Sheet,
    folder: &Path,
    data: Option<&Path>,
) -> (Option<TtsSetup>, Option<Read<String>>) {
    let given = root.has("tts");
    let mut section = root.section(sheet, "tts");
    let at = section.at();
    let command = section.list(sheet, "command", text);
    let url = section.read(sheet, "url", url);
    let timeout = section.or(sheet, "timeout", patience, Duration::from_secs(3));
    let cache = section.read(sheet, "cache", text).map(|cache| folder.join(cache.value));
    let cache_max = section.or(sheet, "cache_max", kept, 10_000);
    let fallback = section.read(sheet, "fallback", text);
    section.finish(sheet);
    let hook = match (command, url) {
        (Some(command), None) if !command.is_empty() => {
            Some(Hook::Command(command.into_iter().map(|word| word.value).collect()))
        }
        (None, Some(url)) => Some(Hook::Url(url.value)),
        _ => None,
    };
    if given && hook.is_none() && sheet.is_right() {
        let mistake = sheet.at(at, "[tts] needs either `command` or `url`");
        sheet.note(mistake.help(
            "command = [\"espeak-ng\", \"--stdout\", \"-v\", \"cmn\"], or url = \"http://127.0.0.1:5002/speak\"",
        ));
    }
    let setup = hook.map(|hook| TtsSetup {
        hook,
        timeout,
        cache: cache.or_else(|| data.map(|data| data.join("spoken"))),
        cache_max,
        fallback: fallback.as_ref().map(|id| id.value.as_str().into()),
    });
    (setup, fallback)
}

fn url(value: &DeValue) -> Result<String, String> {
    let url = text(value)?;
    // A language is a word; with one in its place the rest must be an address.
    address(&url.replace("{language}", "zh"), "http://127.0.0.1:5002/speak").map(|_| url)
}

/// Nobody listens to silence for long.
fn patience(value: &DeValue) -> Result<Duration, String> {
    let span = duration(value)?;
    let fits = (Duration::from_millis(100)..=Duration::from_secs(30)).contains(&span);
    if fits { Ok(span) } else { Err("a text is waited for between 100ms and 30s".into()) }
}

fn kept(value: &DeValue) -> Result<usize, String> {
    count(value, 0, CACHE_MAX)
}
