//! How a recording's sound lies in its file: as WAV, or sealed chunk by chunk.

use busyhour_media::sealed::{CHUNK, Content, HEAD_LEN, Keys, Part, Seal, SealError, TAG};
use busyhour_media::wav::{self, HEADER_LEN};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A file's sound while it grows.
pub(super) enum Body {
    Wav { file: File, channels: u8, len: u64 },
    Sealed(Box<Sealed>),
}

/// Only whole chunks are on the disk: of one that still grows, nothing may be seen twice.
pub(super) struct Sealed {
    file: File,
    seal: Seal,
    /// Chunks on the disk.
    whole: u64,
    /// What comes behind them. More than a chunk only while the disk refuses.
    rest: Vec<u8>,
}

impl Body {
    pub(super) fn wav(file: File, channels: u8) -> io::Result<Body> {
        file.write_all_at(&wav::header(channels.into(), 0), 0)?;
        Ok(Body::Wav { file, channels, len: 0 })
    }

    pub(super) fn sealed(file: File, seal: Seal) -> io::Result<Body> {
        file.write_all_at(seal.head(), 0)?;
        Ok(Body::Sealed(Box::new(Sealed { file, seal, whole: 0, rest: Vec::new() })))
    }

    /// Bytes of sound there are.
    pub(super) fn len(&self) -> u64 {
        match self {
            Body::Wav { len, .. } => *len,
            Body::Sealed(sealed) => sealed.whole * CHUNK as u64 + sealed.rest.len() as u64,
        }
    }

    /// Adds all of these bytes, or none.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Body::Wav { file, len, .. } => {
                file.write_all_at(bytes, HEADER_LEN as u64 + *len)?;
                *len += bytes.len() as u64;
            }
            Body::Sealed(sealed) => {
                sealed.flush()?;
                sealed.rest.extend(bytes);
                // What is refused now is kept and tried again: the bytes are added all the same.
                let _ = sealed.flush();
            }
        }
        Ok(())
    }

    /// Cuts off what lies behind `len`, at most what there is, and makes an end.
    pub(super) fn finish(self, len: u64) -> io::Result<()> {
        match self {
            Body::Wav { file, channels, .. } => {
                file.set_len(HEADER_LEN as u64 + len)?;
                file.write_all_at(&wav::header(channels.into(), len / u64::from(channels)), 0)
            }
            Body::Sealed(sealed) => sealed.finish(len),
        }
    }

    /// Makes an end of a WAV file that a killed process left; its frames, none when it is not to be kept.
    pub(super) fn mend_wav(file: &File) -> io::Result<u64> {
        let mut head = [0; HEADER_LEN];
        let read = file.read_at(&mut head, 0)?;
        let Some((header, frames)) = wav::mended(&head[..read], file.metadata()?.len()) else { return Ok(0) };
        file.write_all_at(&header, 0)?;
        Ok(frames)
    }

    /// The same of a sealed one: all chunks up to the first that was not written whole.
    pub(super) fn mend_sealed(file: &File, keys: impl Fn() -> io::Result<Keys>) -> io::Result<u64> {
        let mut head = [0; HEAD_LEN];
        if file.read_at(&mut head, 0)? < HEAD_LEN {
            return Ok(0);
        }
        let seal = Seal::of(&head, &keys()?).map_err(io::Error::other)?;
        let Content::Sound(channels) = seal.content() else { return Err(io::Error::other(SealError::NotSealed)) };
        let mut number = 0;
        let last = loop {
            let mut chunk = chunk(file, number)?;
            if chunk.len() < CHUNK + TAG {
                break seal.open_last(number, &chunk).ok();
            }
            if seal.open(number, Part::Inner, &mut chunk).is_err() {
                break None;
            }
            number += 1;
        };
        if last.is_none() {
            file.set_len(at(number))?;
            file.write_all_at(&seal.seal(number, Part::Mended, &[]), at(number))?;
        }
        Ok((number * CHUNK as u64 + last.map_or(0, |last| last.len() as u64)) / u64::from(channels))
    }
}

impl Sealed {
    fn flush(&mut self) -> io::Result<()> {
        while let Some(chunk) = self.rest.get(..CHUNK) {
            self.file.write_all_at(&self.seal.seal(self.whole, Part::Inner, chunk), at(self.whole))?;
            self.rest.drain(..CHUNK);
            self.whole += 1;
        }
        Ok(())
    }

    fn finish(mut self, len: u64) -> io::Result<()> {
        self.flush()?;
        let (number, left) = (len / CHUNK as u64, (len % CHUNK as u64) as usize);
        if number < self.whole {
            let mut sealed = chunk(&self.file, number)?;
            self.rest = self.seal.open(number, Part::Inner, &mut sealed).map_err(io::Error::other)?.to_vec();
        }
        self.rest.truncate(left);
        // The end is cut off first: killed in between, the file is mended in front of it.
        self.file.set_len(at(number))?;
        self.file.write_all_at(&self.seal.seal(number, Part::Last, &self.rest), at(number))
    }
}

/// Where a chunk begins.
fn at(number: u64) -> u64 {
    HEAD_LEN as u64 + number * (CHUNK + TAG) as u64
}

/// What of a chunk is there.
pub(super) fn chunk(file: &File, number: u64) -> io::Result<Vec<u8>> {
    piece(file, at(number), CHUNK + TAG)
}

/// What there is of these bytes.
pub(super) fn piece(file: &File, from: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; len];
    let mut read = 0;
    while read < len {
        match file.read_at(&mut piece[read..], from + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    piece.truncate(read);
    Ok(piece)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use busyhour_media::sealed::{self, Key};

    /// A chunk that was refused must not be sealed again as another one.
    #[test]
    fn what_the_disk_refuses_is_kept_until_it_takes_it() {
        let path = std::env::temp_dir().join(format!("busyhour-refused-{}", std::process::id()));
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let (key, salt) = (Key::new([1; 32]), [2; 16]);
        let keys = Keys::read(&key.written()).unwrap();
        let Body::Sealed(mut sealed) = Body::sealed(open(), Seal::new(&key, Content::File, salt)).unwrap() else {
            panic!()
        };
        sealed.file = File::open(&path).unwrap();
        let mut body = Body::Sealed(sealed);
        body.add(&[7; CHUNK]).unwrap();
        assert!(body.add(&[8; CHUNK]).is_err(), "nothing more is taken while that waits");
        let Body::Sealed(mut sealed) = body else { panic!() };
        sealed.file = open();
        let mut body = Body::Sealed(sealed);
        body.add(&[9; 10]).unwrap();
        assert_eq!(body.len(), CHUNK as u64 + 10);
        body.finish(CHUNK as u64 + 10).unwrap();
        let plain = sealed::opened(&std::fs::read(&path).unwrap(), &keys).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(plain, [vec![7; CHUNK], vec![9; 10]].concat());
    }
}
