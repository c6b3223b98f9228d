//! Sounds that were spoken, kept as files under the hash of their text; those unheard for longest make room.

use super::Hook;
use crate::digest::digest;
use crate::replace::replace;
use busyhour_media::wav;
use busyhour_model::Words;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A folder of files.
pub(super) struct Cache {
    folder: Option<PathBuf>,
    max: usize,
    /// Another voice says the same text in another way.
    voice: String,
}

impl Cache {
    pub(super) fn open(folder: Option<PathBuf>, max: usize, hook: &Hook) -> io::Result<Cache> {
        let folder = folder.filter(|_| max > 0);
        if let Some(folder) = &folder {
            fs::create_dir_all(folder)?;
        }
        Ok(Cache { folder, max, voice: format!("{hook:?}") })
    }

    /// The A-law of a text that was spoken before.
    pub(super) fn find(&self, words: &Words) -> Option<Vec<u8>> {
        let path = self.path(words)?;
        let sound = wav::read(&fs::read(&path).ok()?).ok()?;
        // When it was last heard; if that cannot be noted, it goes earlier.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(sound)
    }

    /// Keeps a sound; whether that works is not for the caller who waits for it.
    pub(super) fn keep(&self, words: &Words, sound: &[u8]) {
        let (Some(folder), Some(path)) = (&self.folder, self.path(words)) else { return };
        let kept = replace(&path, &wav::file(sound)).and_then(|()| make_room(folder, self.max));
        if let Err(e) = kept {
            tracing::warn!("spoken texts cannot be kept in {}: {e}", folder.display());
        }
    }

    fn path(&self, words: &Words) -> Option<PathBuf> {
        let parts = [&*self.voice, &*words.language, &*words.text];
        let said: Vec<u8> =
            parts.iter().flat_map(|part| [&(part.len() as u64).to_le_bytes(), part.as_bytes()].concat()).collect();
        let name = digest(&said[..]).expect("a slice can be read");
        Some(self.folder.as_ref()?.join(name + ".wav"))
    }
}

/// Removes the oldest files when there are more than `max`.
fn make_room(folder: &Path, max: usize) -> io::Result<()> {
    let files = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = files.into_iter().map(|file| file.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    if files.len() > max {
        files.sort_by_cached_key(|path| fs::metadata(path).and_then(|file| file.modified()).ok());
        for path in &files[..files.len() - max] {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
