//! `[recording]`: which conversations are recorded, and for how long that is kept.

use super::sheet::{Read, Section, Sheet, duration, flag, one_of, text};
use super::upload;
use crate::tapes::{self, Format};
use crate::upload::UploadSetup;
use busyhour_switch::{DEFAULT_RETENTION, Recorded, RecordingSetup};
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// As long as anything is kept.
const YEARS_MAX: u64 = 100;
const NO_FOLDER: &str = "recordings are files: say where, by `server.data`";

/// How recordings are filed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filing {
    /// Keys they are sealed with; `None`: they lie as they are.
    pub keys: Option<PathBuf>,
    /// What conversations are kept as.
    pub format: Format,
    /// Where they are copied to.
    pub upload: Option<UploadSetup>,
}

/// What is recorded, and how that is filed. `kept`: there is a data folder.
pub(super) fn read(root: &mut Section, sheet: &mut Sheet, kept: bool) -> (RecordingSetup, Filing) {
    let mut section = root.section(sheet, "recording");
    let mut setup = RecordingSetup::default();
    let at = section.read(sheet, "conversations", recorded).map(|read| {
        setup.conversations = read.value;
        read.at
    });
    section.lay(sheet, "beep", flag, &mut setup.beep);
    section.lay(sheet, "keep", age, &mut setup.keep[0].1);
    for (name, keep) in section.map(sheet, "retentions", age) {
        if name.value == DEFAULT_RETENTION {
            sheet.error(name.at, format!("what has no other retention has `{DEFAULT_RETENTION}`; say `keep` instead"));
        }
        setup.keep.push((name.value.as_str().into(), keep));
    }
    let keys = section.read(sheet, "key_file", text).map(|path| keys(sheet, &path));
    let format = section.or(sheet, "format", format, Format::default());
    let upload = upload::read(&mut section, sheet);
    section.finish(sheet);
    if !kept {
        match at {
            Some(at) if setup.conversations != Recorded::None => sheet.error(at, NO_FOLDER),
            _ => setup.conversations = Recorded::None,
        }
    }
    (setup, Filing { keys, format, upload })
}

/// Without its keys nothing is recorded, and calls go on: a folder may be missing at a start.
fn keys(sheet: &mut Sheet, path: &Read<String>) -> PathBuf {
    let file = sheet.folder.join(&path.value);
    if let Err(why) = tapes::keys(&file) {
        let help = "`busyhour recordings key FILE` makes one; until it is there every recording fails";
        sheet.warn(path.at, why, help);
    }
    file
}

fn recorded(value: &DeValue) -> Result<Recorded, String> {
    let known = [("customers", Recorded::Customers), ("all", Recorded::All), ("none", Recorded::None)];
    one_of(value, "are nobody's conversations", &known)
}

fn format(value: &DeValue) -> Result<Format, String> {
    let format = one_of(value, "is no format of recordings", &[("wav", Format::Wav), ("opus", Format::Opus)])?;
    if format == Format::Opus && cfg!(not(feature = "opus")) {
        return Err("this build has no Opus: `cargo build --release --features opus` makes one that has".into());
    }
    Ok(format)
}

/// `"180d"`, `"20y"`: how long something is kept.
fn age(value: &DeValue) -> Result<Duration, String> {
    let years = || text(value).ok()?.strip_suffix('y')?.parse::<u64>().ok();
    let days = || text(value).ok()?.strip_suffix('d')?.parse::<u64>().ok();
    let whole = years().map(|years| years.saturating_mul(365)).or_else(days);
    let age = whole.map(|days| DAY * u32::try_from(days).unwrap_or(u32::MAX)).map_or_else(|| duration(value), Ok);
    let age = age.map_err(|_| "this is no time to keep something; write \"180d\" or \"20y\"".to_string())?;
    let fits = (DAY..=DAY * 366 * YEARS_MAX as u32).contains(&age);
    fits.then_some(age).ok_or_else(|| format!("recordings are kept for \"1d\" to \"{YEARS_MAX}y\""))
}
