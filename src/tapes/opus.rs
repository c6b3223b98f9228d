//! A recording's WAV file made into an Ogg/Opus file beside it, sealed as that one would be today.

use super::Made;
use super::archive::{Archive, MADE, OPUS, OPUS_SEALED, ending, remove};
use super::body::{Body, chunk, piece};
use crate::digest::digest;
use busyhour_media::ogg::OggOpus;
use busyhour_media::sealed::{self, CHUNK, Content, Seal, TAG};
use busyhour_media::wav::{self, HEADER_LEN};
use busyhour_model::TapeId;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Sides of a conversation.
const SIDES: u8 = 2;

/// A conversation's sound as it lies in its file.
enum Source {
    Wav(File),
    Sealed(File, Box<Seal>),
}

/// An Ogg/Opus file being written.
enum Target {
    Plain(File),
    Sealed(Body),
}

impl Archive {
    /// Makes an Ogg/Opus file of a recording's `file`, which must be what was recorded, and leaves both; `None`: it was removed
    /// meanwhile, or is not wanted any more. What fails leaves nothing behind.
    ///
    /// # Errors
    /// The file cannot be read or is another, or the new one cannot be written.
    pub(crate) fn make_opus(
        &self,
        tape: TapeId,
        (file, sha256): (&str, &str),
        wanted: impl Fn() -> bool,
    ) -> io::Result<Option<Made>> {
        let whole = self.folder.join(file);
        let is = digest(File::open(&whole)?)?;
        if is != sha256 {
            return Err(io::Error::other(format!("its SHA-256 is {is}, and was {sha256} when it was recorded")));
        }
        let name = ending(tape, if self.keys.is_some() { OPUS_SEALED } else { OPUS });
        let (path, unfinished) = (self.folder.join(&name), self.folder.join(format!("{name}.{MADE}")));
        let made = self.encode(&whole, &unfinished, wanted).and_then(|frames| match frames {
            Some(frames) => Ok(Some(Made { file: name, sha256: digest(File::open(&unfinished)?)?, ms: frames / 8 })),
            None => Ok(None),
        });
        if !matches!(made, Ok(Some(_))) {
            // At the next start at the latest.
            drop(remove(&unfinished));
            return made;
        }
        fs::rename(&unfinished, &path)?;
        File::open(path.parent().unwrap_or(&self.folder))?.sync_all()?;
        if whole.exists() {
            return made;
        }
        remove(&path).map(|()| None)
    }

    /// The frames written; `None`: it is not wanted any more.
    fn encode(&self, whole: &Path, to: &Path, wanted: impl Fn() -> bool) -> io::Result<Option<u64>> {
        let source = Source::open(self, File::open(whole)?)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(to)?;
        let mut target = match self.seal(Content::File)? {
            Some(seal) => Target::Sealed(Body::sealed(file, seal)?),
            None => Target::Plain(file),
        };
        let mut ogg = OggOpus::new().map_err(io::Error::other)?;
        let mut frames = 0;
        for number in 0.. {
            if !wanted() {
                return Ok(None);
            }
            let second = source.second(number)?;
            target.add(&ogg.add(&second).map_err(io::Error::other)?)?;
            frames += (second.len() / usize::from(SIDES)) as u64;
            if second.len() < CHUNK {
                break;
            }
        }
        target.add(&ogg.finish().map_err(io::Error::other)?)?;
        target.finish()?;
        File::open(to)?.sync_all()?;
        Ok(Some(frames))
    }
}

impl Source {
    fn open(archive: &Archive, file: File) -> io::Result<Source> {
        let other = || io::Error::other("this is no conversation of two sides");
        let head = piece(&file, 0, HEADER_LEN)?;
        if sealed::is_sealed(&head) {
            let keys = archive.keys().map_err(io::Error::other)?;
            let seal = Seal::of(&head, &keys).map_err(io::Error::other)?;
            let sides = seal.content() == Content::Sound(SIDES);
            return sides.then(|| Source::Sealed(file, Box::new(seal))).ok_or_else(other);
        }
        let frames = file.metadata()?.len().saturating_sub(HEADER_LEN as u64) / u64::from(SIDES);
        let sides = head == wav::header(SIDES.into(), frames);
        sides.then_some(Source::Wav(file)).ok_or_else(other)
    }

    /// So many bytes of sound from that second on; fewer at the end.
    fn second(&self, number: u64) -> io::Result<Vec<u8>> {
        match self {
            Source::Wav(file) => piece(file, HEADER_LEN as u64 + number * CHUNK as u64, CHUNK),
            Source::Sealed(file, seal) => {
                let mut sealed = chunk(file, number)?;
                if sealed.len() < CHUNK + TAG {
                    return seal.open_last(number, &sealed).map_err(io::Error::other);
                }
                let opened = seal.open(number, sealed::Part::Inner, &mut sealed);
                opened.map(|second| second.to_vec()).map_err(io::Error::other)
            }
        }
    }
}

impl Target {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Target::Plain(file) => file.write_all(bytes),
            Target::Sealed(body) => body.add(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Target::Plain(_) => Ok(()),
            Target::Sealed(body) => {
                let len = body.len();
                body.finish(len)
            }
        }
    }
}
