//! One recording's file: A-law WAV that is playable whenever the program stops, and bit for bit what its header says.

use crate::digest::digest;
use busyhour_media::wav::{self, HEADER_LEN};
use busyhour_media::{Filed, g711};
use busyhour_model::calendar::Local;
use busyhour_model::{G711, TapeId, Time};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Behind the name of a file that is being written.
const UNFINISHED: &str = "part";
/// Silence that is written at once for what a failing disk did not take: a minute of two channels.
const OWED_MAX: u64 = 60 * 8000 * 2;

/// A file being written.
pub(super) struct TapeFile {
    file: File,
    folder: PathBuf,
    name: String,
    channels: u16,
    /// Bytes of sound in the file.
    written: u64,
    /// Bytes of silence to write first, for those the disk refused.
    owed: u64,
    refused: u64,
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
    format!("{}/{}.wav", Local::of(Time::from_micros(tape.0), 0).date(), tape.0)
}

impl TapeFile {
    pub(super) fn create(folder: &Path, tape: TapeId, channels: u16) -> io::Result<TapeFile> {
        let name = name(tape);
        let path = unfinished(&folder.join(&name));
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        file.write_all_at(&wav::header(channels, 0), 0)?;
        Ok(TapeFile { file, folder: folder.into(), name, channels, written: 0, owed: 0, refused: 0 })
    }

    /// Adds sound. What cannot be written is silence if anything can be written later.
    pub(super) fn add(&mut self, sound: &[u8]) -> io::Result<()> {
        let silence = std::iter::repeat_n(g711::silence(G711::A), self.owed as usize);
        let bytes: Vec<u8> = silence.chain(sound.iter().copied()).collect();
        let added = self.file.write_all_at(&bytes, HEADER_LEN as u64 + self.written);
        match added {
            Ok(()) => (self.written, self.owed) = (self.written + bytes.len() as u64, 0),
            Err(_) => {
                self.refused += sound.len() as u64;
                self.owed = (self.owed + sound.len() as u64).min(OWED_MAX);
            }
        }
        added
    }

    /// Cuts off what lies behind `frames`, and gives the file its header and its name.
    pub(super) fn finish(self, frames: u64, gap: u64) -> io::Result<Filed> {
        let wide = u64::from(self.channels);
        let frames = frames.min(self.written / wide);
        self.file.set_len(HEADER_LEN as u64 + frames * wide)?;
        self.file.write_all_at(&wav::header(self.channels, frames), 0)?;
        let path = self.folder.join(&self.name);
        fs::rename(unfinished(&path), &path)?;
        let sha256 = digest(File::open(&path)?)?.into();
        let gap_ms = (gap + self.refused / wide) / 8;
        Ok(Filed { file: self.name.into(), ms: frames / 8, gap_ms, sha256 })
    }
}

/// The A-law of a finished file of one channel.
pub(super) fn sound(folder: &Path, tape: TapeId) -> Result<Vec<u8>, String> {
    let bytes = fs::read(folder.join(name(tape))).map_err(|e| e.to_string())?;
    wav::read(&bytes).map_err(|e| e.to_string())
}

/// Removes a finished file; one that is not there is as good as removed.
pub(super) fn remove(folder: &Path, tape: TapeId) -> io::Result<()> {
    match fs::remove_file(folder.join(name(tape))) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Finishes every file that a killed process left; those without a sound in them are removed.
pub(super) fn mend(folder: &Path) -> io::Result<Vec<Mended>> {
    let mut mended = Vec::new();
    for day in fs::read_dir(folder)? {
        let day = day?.path();
        if !day.is_dir() {
            continue;
        }
        for file in fs::read_dir(day)? {
            let path = file?.path();
            if path.extension().is_some_and(|ending| ending == UNFINISHED) {
                mended.extend(mend_one(folder, &path)?);
            }
        }
    }
    mended.sort_by_key(|one| one.tape);
    Ok(mended)
}

fn mend_one(folder: &Path, path: &Path) -> io::Result<Option<Mended>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut head = [0; HEADER_LEN];
    let read = file.read_at(&mut head, 0)?;
    let tape = path.file_name().and_then(|name| name.to_str()?.split('.').next()?.parse().ok()).map(TapeId);
    let (Some((header, frames)), Some(tape)) = (wav::mended(&head[..read], file.metadata()?.len()), tape) else {
        return fs::remove_file(path).map(|()| None);
    };
    if frames == 0 {
        return fs::remove_file(path).map(|()| None);
    }
    file.write_all_at(&header, 0)?;
    let name = name(tape);
    fs::rename(path, folder.join(&name))?;
    let sha256 = digest(File::open(folder.join(&name))?)?.into();
    Ok(Some(Mended { tape, file: Filed { file: name.into(), ms: frames / 8, gap_ms: 0, sha256 } }))
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension(format!("wav.{UNFINISHED}"))
}
