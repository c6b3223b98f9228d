//! Every dialplan that was ever in force, kept in the data folder: its text, when it came, and by whom.

use crate::client::escaped;
use crate::dialplans::Source;
use crate::digest::digest;
use crate::replace::replace;
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Versions kept of one dialplan; older ones are forgotten.
pub const VERSIONS_MAX: usize = 1_000;
/// The list of versions in each dialplan's folder.
const INDEX: &str = "versions.jsonl";

/// One dialplan's coming into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counted from 1 for each dialplan.
    pub version: u32,
    /// SHA-256 of the text, in hex.
    pub hash: String,
    /// When.
    pub at: Time,
    /// By whom, or by what.
    pub who: String,
    /// The file it stood in.
    pub file: String,
}

/// The folder of all versions.
#[derive(Clone, Debug)]
pub struct Versions {
    folder: PathBuf,
}

impl Versions {
    /// Below the data folder.
    pub fn below(data: &Path) -> Versions {
        Versions { folder: data.join("dialplans") }
    }

    /// Notes that `source` is in force as dialplan `name`; nothing happens when it was already.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn keep(&self, name: &Name, source: &Source, at: Time, who: &str) -> io::Result<()> {
        let hash = digest(source.text.as_bytes())?;
        let mut versions = self.of(name)?;
        if versions.last().is_some_and(|last| last.hash == hash) {
            return Ok(());
        }
        let folder = self.folder_of(name);
        std::fs::create_dir_all(&folder)?;
        replace(&text_file(&folder, &hash), source.text.as_bytes())?;
        let version = versions.last().map_or(1, |last| last.version + 1);
        versions.push(Version { version, hash, at, who: who.into(), file: source.file.clone() });
        let forgotten: Vec<Version> = versions.drain(..versions.len().saturating_sub(VERSIONS_MAX)).collect();
        let lines = versions.iter().map(|version| serde_json::to_string(version).map(|line| line + "\n"));
        replace(&folder.join(INDEX), lines.collect::<Result<String, _>>()?.as_bytes())?;
        for old in forgotten.iter().filter(|old| versions.iter().all(|kept| kept.hash != old.hash)) {
            // What cannot be removed takes room, no more.
            let _ = std::fs::remove_file(text_file(&folder, &old.hash));
        }
        Ok(())
    }

    /// All versions of a dialplan, the oldest first; the last is in force unless the dialplan is gone.
    ///
    /// # Errors
    /// The list is there and cannot be read.
    pub fn of(&self, name: &Name) -> io::Result<Vec<Version>> {
        match std::fs::read_to_string(self.folder_of(name).join(INDEX)) {
            Ok(lines) => lines.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }

    /// The text of a version.
    ///
    /// # Errors
    /// It cannot be read, or is no longer what it was.
    pub fn text(&self, name: &Name, version: &Version) -> io::Result<String> {
        let text = std::fs::read_to_string(text_file(&self.folder_of(name), &version.hash))?;
        if digest(text.as_bytes())? == version.hash {
            Ok(text)
        } else {
            Err(io::Error::other(format!("the kept text of version {} was changed", version.version)))
        }
    }

    /// A dialplan may be named anything; `%` and `-` keep it one folder, and never `..`.
    fn folder_of(&self, name: &Name) -> PathBuf {
        self.folder.join(format!("plan-{}", escaped(name)))
    }
}

fn text_file(folder: &Path, hash: &str) -> PathBuf {
    folder.join(format!("{}.toml", hash.get(..16).unwrap_or(hash)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { file: "hotline.toml".into(), text: text.into() }
    }

    fn versions(test: &str) -> Versions {
        let folder = std::env::temp_dir().join(format!("busyhour-versions-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Versions::below(&folder)
    }

    #[test]
    fn a_text_is_kept_once_for_each_time_it_comes_into_force() {
        let versions = versions("kept");
        let name = Name::from("../hot line");
        for (at, text) in ["a", "a", "b", "a"].into_iter().enumerate() {
            versions.keep(&name, &source(text), Time::from_secs(at as u64), "test").unwrap();
        }
        let kept = versions.of(&name).unwrap();
        assert_eq!(
            kept.iter().map(|v| (v.version, v.at.as_micros() / 1_000_000)).collect::<Vec<_>>(),
            [(1, 0), (2, 2), (3, 3)]
        );
        assert_eq!(kept.iter().map(|v| versions.text(&name, v).unwrap()).collect::<String>(), "aba");
        assert!(versions.folder.read_dir().unwrap().all(|entry| entry.unwrap().file_name() == "plan-..%2Fhot%20line"));
        std::fs::write(text_file(&versions.folder_of(&name), &kept[1].hash), "c").unwrap();
        assert!(versions.text(&name, &kept[1]).unwrap_err().to_string().contains("version 2 was changed"));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let versions = versions("forgotten");
        let name = Name::from("hotline");
        for number in 0..VERSIONS_MAX + 2 {
            versions.keep(&name, &source(&number.to_string()), Time::ZERO, "test").unwrap();
        }
        let kept = versions.of(&name).unwrap();
        assert_eq!(
            (kept.len(), kept[0].version, versions.text(&name, &kept[0]).unwrap().as_str()),
            (VERSIONS_MAX, 3, "2")
        );
        let texts = versions.folder_of(&name).read_dir().unwrap().count() - 1;
        assert_eq!(texts, VERSIONS_MAX);
    }
}
