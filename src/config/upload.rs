//! `[recording.upload]`: the storage recordings are copied to.

use super::server::address;
use super::sheet::{Read, Section, Sheet, duration, flag, text};
use crate::storage::{CREDENTIALS_VARIABLE, StorageSetup};
use crate::upload::UploadSetup;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

/// Days a file may stay here after it was copied.
const DAYS_MAX: u32 = 36_600;

/// The section within `[recording]`, when there is one.
pub(super) fn read(recording: &mut Section, sheet: &mut Sheet) -> Option<UploadSetup> {
    if !recording.has("upload") {
        return None;
    }
    let mut section = recording.section(sheet, "upload");
    let at = section.at();
    let endpoint = section.need(sheet, "endpoint", endpoint);
    let region = section.or(sheet, "region", word, "us-east-1".into());
    let bucket = section.need(sheet, "bucket", word);
    let prefix = section.or(sheet, "prefix", prefix, String::new());
    let path_style = section.or(sheet, "path_style", flag, true);
    let credentials = section.read(sheet, "credentials", text);
    let keep_local = section.read(sheet, "keep_local", days).map(|read| read.value);
    section.finish(sheet);
    let credentials = credentials_file(sheet, credentials, at);
    let storage = StorageSetup {
        endpoint: endpoint?.value,
        region,
        bucket: bucket?.value,
        prefix,
        path_style,
        credentials: credentials?,
    };
    Some(UploadSetup { storage, keep_local })
}

/// That of the key, else that of the environment.
fn credentials_file(sheet: &mut Sheet, given: Option<Read<String>>, at: usize) -> Option<PathBuf> {
    let path = given.map(|read| sheet.folder.join(read.value));
    let path = path.or_else(|| std::env::var_os(CREDENTIALS_VARIABLE).map(PathBuf::from));
    if path.is_none() {
        let mistake =
            sheet.at(at, "[recording.upload] needs `credentials`, a file with aws_access_key_id and its secret");
        sheet.note(mistake.help(format!("or the environment's {CREDENTIALS_VARIABLE} names the file")));
    }
    path
}

fn endpoint(value: &DeValue) -> Result<String, String> {
    let example = "https://s3.eu-central-1.amazonaws.com";
    let endpoint = address(&text(value)?, example)?;
    let endpoint = endpoint.trim_end_matches('/');
    let bare = endpoint.matches('/').count() == 2;
    bare.then(|| endpoint.into())
        .ok_or_else(|| format!("`{endpoint}`: an endpoint ends before the path, like {example}"))
}

fn word(value: &DeValue) -> Result<String, String> {
    let word = text(value)?;
    let fits = word.len() <= 63 && word.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    fits.then_some(word).ok_or_else(|| "this has at most 63 letters, digits, `-`, `.` and `_`".into())
}

/// It ends with `/`.
fn prefix(value: &DeValue) -> Result<String, String> {
    let prefix = text(value)?;
    let fits = prefix.len() <= 500 && !prefix.starts_with('/') && !prefix.chars().any(char::is_control);
    let closed = if prefix.ends_with('/') { prefix } else { prefix + "/" };
    fits.then_some(closed).ok_or_else(|| "a prefix has at most 500 characters and begins without `/`".into())
}

/// `"30d"`, `"12h"`.
fn days(value: &DeValue) -> Result<Duration, String> {
    let days = || text(value).ok()?.strip_suffix('d')?.parse::<u32>().ok().filter(|days| *days <= DAYS_MAX);
    days().map_or_else(|| duration(value), |days| Ok(Duration::from_secs(24 * 3600) * days))
}
