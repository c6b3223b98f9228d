//! One recording's file being written: readable whenever the program stops, and at its end bit for bit what it says.

use super::body::Body;
use crate::digest::digest;
use busyhour_media::{Filed, g711};
use busyhour_model::G711;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// Behind the name of a file that is being written.
pub(super) const UNFINISHED: &str = "part";
/// Silence that is written at once for what a failing disk did not take: a minute of two channels.
const OWED_MAX: u64 = 60 * 8000 * 2;

/// A file being written.
pub(super) struct TapeFile {
    body: Body,
    unfinished: PathBuf,
    path: PathBuf,
    /// Below the folder of recordings.
    name: String,
    channels: u8,
    /// Bytes of silence to write first, for those the disk refused.
    owed: u64,
    refused: u64,
}

impl TapeFile {
    pub(super) fn new(body: Body, unfinished: PathBuf, path: PathBuf, name: String, channels: u8) -> TapeFile {
        TapeFile { body, unfinished, path, name, channels, owed: 0, refused: 0 }
    }

    /// Adds sound. What cannot be written is silence if anything can be written later.
    pub(super) fn add(&mut self, sound: &[u8]) -> io::Result<()> {
        let added = match self.owed as usize {
            0 => self.body.add(sound),
            owed => self.body.add(&[&vec![g711::silence(G711::A); owed][..], sound].concat()),
        };
        match added {
            Ok(()) => self.owed = 0,
            Err(_) => {
                self.refused += sound.len() as u64;
                self.owed = (self.owed + sound.len() as u64).min(OWED_MAX);
            }
        }
        added
    }

    /// Cuts off what lies behind `frames`, and gives the file its end and its name.
    pub(super) fn finish(self, frames: u64, gap: u64) -> io::Result<Filed> {
        let wide = u64::from(self.channels);
        let frames = frames.min(self.body.len() / wide);
        self.body.finish(frames * wide)?;
        fs::rename(&self.unfinished, &self.path)?;
        let sha256 = digest(File::open(&self.path)?)?.into();
        let gap_ms = (gap + self.refused / wide) / 8;
        Ok(Filed { file: self.name.into(), ms: frames / 8, gap_ms, sha256 })
    }
}
