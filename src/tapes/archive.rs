//! The folder of recordings and the keys they are sealed with: files are made, found, read, mended and removed here.

use super::body::Body;
use super::file::{TapeFile, UNFINISHED};
use crate::digest::digest;
use busyhour_media::Filed;
use busyhour_media::sealed::{self, Content, Key, Keys, Seal};
use busyhour_model::calendar::Local;
use busyhour_model::{TapeId, Time};
use ring::rand::{SecureRandom, SystemRandom};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the names of recordings end with.
const WAV: &str = "wav";
const SEALED: &str = "wav.sealed";
pub(super) const OPUS: &str = "opus";
pub(super) const OPUS_SEALED: &str = "opus.sealed";
/// In the order in which they are removed: who makes one of the latter of one of the former looks for that one afterwards.
const ENDINGS: [&str; 4] = [WAV, SEALED, OPUS, OPUS_SEALED];
/// Behind the name of a file that is made of another; what a killed process left of it is nothing.
pub(super) const MADE: &str = "made";

/// Where recordings are, and whether they are sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Below it is one folder a day.
    pub folder: PathBuf,
    /// Keys, read anew for each recording; `None`: they lie as they are.
    pub keys: Option<PathBuf>,
}

/// A file found unfinished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The tape.
    pub tape: TapeId,
    /// As if it had ended then.
    pub file: Filed,
}

/// `2026-11-25/1795594616000000.wav`, by the day in UTC.
pub fn name(tape: TapeId) -> String {
    ending(tape, WAV)
}

pub(super) fn ending(tape: TapeId, ending: &str) -> String {
    format!("{}/{}.{ending}", Local::of(Time::from_micros(tape.0), 0).date(), tape.0)
}

/// The keys in a file.
///
/// # Errors
/// It cannot be read, or something else is in it.
pub fn keys(path: &Path) -> Result<Keys, String> {
    let read = fs::read_to_string(path).map_err(|e| e.to_string());
    let keys = read.and_then(|text| Keys::read(&text).map_err(|e| e.to_string()));
    keys.map_err(|e| format!("the keys in {} cannot be read: {e}", path.display()))
}

/// Puts a new key behind those in a file, which only its owner may read.
///
/// # Errors
/// What is in it are no keys, or it cannot be written.
pub fn new_key(path: &Path) -> Result<Key, String> {
    if path.exists() {
        keys(path)?;
    }
    let key = random().map(Key::new);
    let written = key.and_then(|key| {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        writeln!(file, "{}  # {}", key.written(), key.id())?;
        file.sync_all()?;
        Ok(key)
    });
    written.map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

/// Bytes nobody can foresee.
fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no randomness"))?;
    Ok(bytes)
}

impl Archive {
    pub(super) fn keys(&self) -> Result<Keys, String> {
        keys(self.keys.as_deref().ok_or("it is sealed, and `key_file` of [recording] names no keys")?)
    }

    pub(super) fn create(&self, tape: TapeId, channels: u8) -> io::Result<TapeFile> {
        let sealed = self.seal(Content::Sound(channels))?;
        let name = ending(tape, if sealed.is_some() { SEALED } else { WAV });
        let path = self.folder.join(&name);
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(unfinished(&path))?;
        let body = match sealed {
            Some(seal) => Body::sealed(file, seal),
            None => Body::wav(file, channels),
        };
        Ok(TapeFile::new(body?, unfinished(&path), path, name, channels))
    }

    /// For a new file, where they are sealed.
    pub(super) fn seal(&self, content: Content) -> io::Result<Option<Seal>> {
        let Some(path) = &self.keys else { return Ok(None) };
        let keys = keys(path).map_err(io::Error::other)?;
        Ok(Some(Seal::new(keys.newest(), content, random()?)))
    }

    /// A finished tape's file.
    pub fn find(&self, tape: TapeId) -> Option<PathBuf> {
        ENDINGS.iter().map(|end| self.folder.join(ending(tape, end))).find(|path| path.exists())
    }

    /// A finished tape as a file that players know.
    pub(super) fn read(&self, tape: TapeId) -> Result<Vec<u8>, String> {
        let path = self.find(tape).ok_or("its file is gone")?;
        self.opened(fs::read(path).map_err(|e| e.to_string())?)
    }

    /// The file that players know in one of ours.
    pub(super) fn opened(&self, file: Vec<u8>) -> Result<Vec<u8>, String> {
        if sealed::is_sealed(&file) {
            sealed::opened(&file, &self.keys()?).map_err(|e| e.to_string())
        } else {
            Ok(file)
        }
    }

    /// Removes a finished file; one that is not there is as good as removed.
    pub(super) fn remove(&self, tape: TapeId) -> io::Result<()> {
        ENDINGS.iter().try_for_each(|end| self.remove_file(&ending(tape, end)))
    }

    /// Removes one of its files, by its name below the folder.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        remove(&self.folder.join(name))
    }

    /// Finishes every file that a killed process left; those without a sound in them are removed. What cannot be finished stays.
    pub(super) fn mend(&self) -> io::Result<Vec<io::Result<Mended>>> {
        let mut found = Vec::new();
        for day in fs::read_dir(&self.folder)? {
            let day = day?.path();
            if day.is_dir() {
                found.extend(fs::read_dir(day)?.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>()?);
            }
        }
        let ends = |path: &Path, with: &str| path.extension().is_some_and(|ending| ending == with);
        found.iter().filter(|path| ends(path, MADE)).try_for_each(fs::remove_file)?;
        found.retain(|path| ends(path, UNFINISHED));
        found.sort();
        Ok(found.iter().filter_map(|path| self.mend_one(path).transpose()).collect())
    }

    fn mend_one(&self, path: &Path) -> io::Result<Option<Mended>> {
        let whole = path.with_extension("");
        let tape = path.file_name().and_then(|name| name.to_str()?.split('.').next()?.parse().ok()).map(TapeId);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let frames = match whole.extension().is_some_and(|ending| ending == WAV) {
            true => Body::mend_wav(&file)?,
            false => Body::mend_sealed(&file, || self.keys().map_err(io::Error::other))?,
        };
        let (Some(tape), 1..) = (tape, frames) else { return fs::remove_file(path).map(|()| None) };
        fs::rename(path, &whole)?;
        let name = whole.strip_prefix(&self.folder).unwrap_or(&whole).display().to_string();
        let sha256 = digest(File::open(whole)?)?.into();
        Ok(Some(Mended { tape, file: Filed { file: name.into(), ms: frames / 8, gap_ms: 0, sha256 } }))
    }
}

/// Configurations that ask for it are refused.
#[cfg(not(feature = "opus"))]
impl Archive {
    pub(crate) fn make_opus(
        &self,
        _: TapeId,
        _: (&str, &str),
        _: impl Fn() -> bool,
    ) -> io::Result<Option<super::Made>> {
        Err(io::Error::other("this build has no Opus"))
    }
}

/// One that is not there is as good as removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    name.into()
}
