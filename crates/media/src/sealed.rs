//! Recordings sealed with AES-256-GCM, chunk by chunk: what is cut off, changed or put elsewhere is noticed, the rest is readable.
//!
//! The format stands in `docs/recordings.md`.

use crate::wav;
use ring::{aead, hkdf, hmac};
use std::fmt;
use thiserror::Error;

/// Bytes of a chunk before it is sealed: a second of two channels.
pub const CHUNK: usize = 16_000;
/// Bytes that sealing adds to each chunk.
pub const TAG: usize = 16;
/// Bytes in front of the first chunk.
pub const HEAD_LEN: usize = 40;
/// Keys of one file at most.
pub const KEYS_MAX: usize = 1_000;

const MAGIC: &[u8; 8] = b"BHSEALED";
const VERSION: u8 = 1;
const KEY_LEN: usize = 32;
const SALT_LEN: usize = 16;
/// What keys of files and ids of keys are derived for.
const FILE_LABEL: &[u8] = b"busyhour sealed recording 1";
const ID_LABEL: &[u8] = b"busyhour key id";

/// Why something sealed cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// Another kind of file.
    #[error("this is no sealed recording")]
    NotSealed,
    /// Made by a newer program.
    #[error("it is sealed in version {0} of the format; version {VERSION} is known")]
    Version(u8),
    /// Its key is not among those given.
    #[error("it is sealed with key {0}, which is not in the file of keys")]
    NoKey(KeyId),
    /// Changed, moved from elsewhere, or sealed with another key of the same id.
    #[error("chunk {0} is not as it was sealed")]
    Broken(u64),
    /// It has no last chunk.
    #[error("its end is missing")]
    Cut,
}

/// Why a file of keys is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeysError {
    /// On this line is something else.
    #[error("line {0}: a key is 64 hexadecimal digits")]
    NoKey(usize),
    /// Empty.
    #[error("there is no key in it")]
    None,
    /// Nobody needs so many.
    #[error("there are more than {KEYS_MAX} keys in it")]
    TooMany,
}

/// What a key is called: derived from it, and no help in finding it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

/// A key recordings are sealed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_LEN]);

/// All keys there are, the newest last: what is sealed anew is sealed with that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

/// What is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file as it is.
    File,
    /// A-law at 8 kHz with so many channels, one or two: the sound of a WAV file, whose header follows from it.
    Sound(u8),
}

/// What the chunk at a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Whole, and others follow.
    Inner = 0,
    /// The last one, shorter than a whole one.
    Last = 1,
    /// The last one, empty, put behind what a killed program had written.
    Mended = 2,
}

/// The seal of one file.
pub struct Seal {
    head: [u8; HEAD_LEN],
    content: Content,
    cipher: aead::LessSafeKey,
}

impl Key {
    /// Of random bytes.
    pub fn new(bytes: [u8; KEY_LEN]) -> Key {
        Key(bytes)
    }

    /// What it is called.
    pub fn id(&self) -> KeyId {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), ID_LABEL);
        let mut id = [0; 8];
        id.copy_from_slice(&tag.as_ref()[..8]);
        KeyId(id)
    }

    /// As it stands in a file of keys.
    pub fn written(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

impl Keys {
    /// A key on each line, `#` begins a comment.
    ///
    /// # Errors
    /// Something else stands on a line, there is no key, or there are more than [`KEYS_MAX`].
    pub fn read(text: &str) -> Result<Keys, KeysError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let said = line.split('#').next().unwrap_or_default().trim();
            if !said.is_empty() {
                keys.push(key(said).ok_or(KeysError::NoKey(index + 1))?);
            }
        }
        match keys.len() {
            0 => Err(KeysError::None),
            1..=KEYS_MAX => Ok(Keys(keys)),
            _ => Err(KeysError::TooMany),
        }
    }

    /// The one to seal with.
    pub fn newest(&self) -> &Key {
        &self.0[self.0.len() - 1]
    }

    fn find(&self, id: [u8; 8]) -> Result<&Key, SealError> {
        self.0.iter().rev().find(|key| key.id() == KeyId(id)).ok_or(SealError::NoKey(KeyId(id)))
    }
}

fn key(text: &str) -> Option<Key> {
    let mut key = [0; KEY_LEN];
    let digits = text.as_bytes();
    if digits.len() != 2 * KEY_LEN {
        return None;
    }
    let four = |digit: u8| char::from(digit).to_digit(16);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (four(pair[0])? * 16 + four(pair[1])?) as u8;
    }
    Some(Key(key))
}

impl Seal {
    /// Of a new file; `salt` is random, never the same twice.
    pub fn new(key: &Key, content: Content, salt: [u8; SALT_LEN]) -> Seal {
        let mut head = [0; HEAD_LEN];
        head[..8].copy_from_slice(MAGIC);
        head[8] = VERSION;
        head[9] = match content {
            Content::File => 0,
            Content::Sound(channels) => channels,
        };
        head[12..16].copy_from_slice(&(CHUNK as u32).to_le_bytes());
        head[16..24].copy_from_slice(&key.id().0);
        head[24..].copy_from_slice(&salt);
        Seal { head, content, cipher: cipher(key, &salt) }
    }

    /// Of a file that begins with `head`.
    ///
    /// # Errors
    /// It begins otherwise, or its key is not among `keys`.
    pub fn of(head: &[u8], keys: &Keys) -> Result<Seal, SealError> {
        let head: [u8; HEAD_LEN] =
            head.get(..HEAD_LEN).and_then(|head| head.try_into().ok()).ok_or(SealError::NotSealed)?;
        let content = match head[9] {
            0 => Content::File,
            channels @ (1 | 2) => Content::Sound(channels),
            _ => return Err(SealError::NotSealed),
        };
        if head[..8] != *MAGIC || head[12..16] != (CHUNK as u32).to_le_bytes() {
            return Err(SealError::NotSealed);
        }
        if head[8] != VERSION {
            return Err(SealError::Version(head[8]));
        }
        let mut id = [0; 8];
        id.copy_from_slice(&head[16..24]);
        Ok(Seal { head, content, cipher: cipher(keys.find(id)?, &head[24..]) })
    }

    /// What stands in front of the first chunk.
    pub fn head(&self) -> &[u8; HEAD_LEN] {
        &self.head
    }

    /// What is sealed.
    pub fn content(&self) -> Content {
        self.content
    }

    /// A chunk of at most [`CHUNK`] bytes as it stands in the file.
    ///
    /// A chunk of one number and part is sealed twice only when it is the same: who has both would learn what differs.
    pub fn seal(&self, number: u64, part: Part, chunk: &[u8]) -> Vec<u8> {
        let mut sealed = chunk.to_vec();
        let (nonce, head) = (nonce(number, part), aead::Aad::from(&self.head));
        let done = self.cipher.seal_in_place_append_tag(nonce, head, &mut sealed);
        done.expect("a chunk is shorter than what the cipher takes");
        sealed
    }

    /// What was sealed as this chunk.
    ///
    /// # Errors
    /// It is not as it was sealed, or was sealed as another.
    pub fn open<'c>(&self, number: u64, part: Part, sealed: &'c mut [u8]) -> Result<&'c mut [u8], SealError> {
        let (nonce, head) = (nonce(number, part), aead::Aad::from(&self.head));
        self.cipher.open_in_place(nonce, head, sealed).map_err(|_| SealError::Broken(number))
    }

    /// The last chunk, whoever put it there.
    ///
    /// # Errors
    /// As those of [`Seal::open`].
    pub fn open_last(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let opened = |part| self.open(number, part, &mut sealed.to_vec()).map(|chunk| chunk.to_vec());
        opened(Part::Last).or_else(|_| opened(Part::Mended))
    }
}

/// Each file has a key of its own, so that chunks of all files may be numbered alike.
fn cipher(key: &Key, salt: &[u8]) -> aead::LessSafeKey {
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&key.0);
    let key = derived.expand(&[FILE_LABEL], &aead::AES_256_GCM).expect("one key is not too much to derive");
    aead::LessSafeKey::new(key.into())
}

fn nonce(number: u64, part: Part) -> aead::Nonce {
    let mut nonce = [0; aead::NONCE_LEN];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = part as u8;
    aead::Nonce::assume_unique_for_key(nonce)
}

/// Whether a file that begins so is sealed.
pub fn is_sealed(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// What is in a sealed file, as a file of its own: sound gets the header of a WAV file.
///
/// # Errors
/// It cannot be opened as a whole.
pub fn opened(file: &[u8], keys: &Keys) -> Result<Vec<u8>, SealError> {
    let seal = Seal::of(file, keys)?;
    let chunks = file[HEAD_LEN..].chunks(CHUNK + TAG);
    let mut plain = match seal.content {
        Content::File => Vec::new(),
        Content::Sound(_) => vec![0; wav::HEADER_LEN],
    };
    let mut whole = false;
    for (number, chunk) in (0..).zip(chunks) {
        whole = chunk.len() < CHUNK + TAG;
        if whole {
            plain.extend(seal.open_last(number, chunk)?);
        } else {
            plain.extend_from_slice(seal.open(number, Part::Inner, &mut chunk.to_vec())?);
        }
    }
    if !whole {
        return Err(SealError::Cut);
    }
    if let Content::Sound(channels) = seal.content {
        let frames = (plain.len() - wav::HEADER_LEN) / usize::from(channels);
        plain[..wav::HEADER_LEN].copy_from_slice(&wav::header(channels.into(), frames as u64));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SALT: [u8; SALT_LEN] = *b"a salt of a test";

    fn keys(of: &[u8]) -> Keys {
        Keys::read(&of.iter().map(|byte| Key([*byte; KEY_LEN]).written() + " # a comment\n\n").collect::<String>())
            .unwrap()
    }

    fn plain(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at / 251 + at % 251) as u8).collect()
    }

    /// As a file is written.
    fn file(seal: &Seal, plain: &[u8]) -> Vec<u8> {
        let mut file = seal.head().to_vec();
        let whole = plain.len() / CHUNK;
        for (number, chunk) in plain.chunks(CHUNK).take(whole).enumerate() {
            file.extend(seal.seal(number as u64, Part::Inner, chunk));
        }
        file.extend(seal.seal(whole as u64, Part::Last, &plain[whole * CHUNK..]));
        file
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        file(&Seal::new(keys(&[7]).newest(), Content::File, SALT), plain)
    }

    #[test]
    fn what_is_sealed_is_opened_again_whatever_its_length() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5] {
            assert_eq!(opened(&sealed(&plain(len)), &keys(&[7])).unwrap(), plain(len), "{len}");
        }
        let sound = file(&Seal::new(keys(&[7]).newest(), Content::Sound(2), SALT), &plain(CHUNK + 8));
        let wav = [&wav::header(2, CHUNK as u64 / 2 + 4)[..], &plain(CHUNK + 8)].concat();
        assert_eq!(opened(&sound, &keys(&[7])).unwrap(), wav);
        let seal = Seal::of(&sound, &keys(&[7])).unwrap();
        let mended = [&sound[..HEAD_LEN + CHUNK + TAG], &seal.seal(1, Part::Mended, &[])].concat();
        assert_eq!(opened(&mended, &keys(&[7])).unwrap()[wav::HEADER_LEN..], plain(CHUNK));
    }

    /// Computed by Python's `cryptography` as docs/recordings.md says.
    #[test]
    fn others_seal_alike() {
        let key = Key([7; KEY_LEN]);
        let file = file(&Seal::new(&key, Content::Sound(1), SALT), b"sound");
        assert_eq!(key.id().to_string(), "7f06ec91102e98b6");
        assert_eq!(
            hex(&file),
            "42485345414c454401010000803e00007f06ec91102e98b6612073616c74206f6620612074657374dd6f1c09a7952d5e93472e5e90d2019ebba410ce71"
        );
    }

    #[test]
    fn whatever_is_changed_cut_off_or_put_elsewhere_is_noticed() {
        let whole = sealed(&plain(3 * CHUNK + 5));
        let chunk = |number: usize| HEAD_LEN + number * (CHUNK + TAG)..HEAD_LEN + (number + 1) * (CHUNK + TAG);
        for at in [20, 30, HEAD_LEN, HEAD_LEN + CHUNK, chunk(2).start + 9, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, &keys(&[7])).is_err(), "changed at {at}");
        }
        for cut in [0, HEAD_LEN - 1, HEAD_LEN, chunk(1).start, chunk(2).start, chunk(3).start, chunk(2).start + 400] {
            assert!(opened(&whole[..cut], &keys(&[7])).is_err(), "cut at {cut}");
        }
        assert_eq!(opened(&whole[..chunk(1).start], &keys(&[7])), Err(SealError::Cut));
        let swapped = [&whole[..HEAD_LEN], &whole[chunk(1)], &whole[chunk(0)], &whole[chunk(2).start..]].concat();
        assert_eq!(opened(&swapped, &keys(&[7])), Err(SealError::Broken(0)));
        let left_out = [&whole[..chunk(1).start], &whole[chunk(2).start..]].concat();
        assert_eq!(opened(&left_out, &keys(&[7])), Err(SealError::Broken(1)));
        let other = file(&Seal::new(keys(&[7]).newest(), Content::File, [9; SALT_LEN]), &plain(3 * CHUNK + 5));
        let mixed = [&whole[..chunk(1).start], &other[chunk(1).start..]].concat();
        assert_eq!(opened(&mixed, &keys(&[7])), Err(SealError::Broken(1)));
    }

    #[test]
    fn old_keys_open_the_newest_seals_and_another_is_named() {
        let old = sealed(b"old");
        assert_eq!(opened(&old, &keys(&[7, 8])).unwrap(), b"old");
        assert_eq!(keys(&[7, 8]).newest(), &Key([8; KEY_LEN]));
        assert_eq!(opened(&old, &keys(&[8])), Err(SealError::NoKey(Key([7; KEY_LEN]).id())));
        let mut newer = old;
        newer[8] = 2;
        assert_eq!(opened(&newer, &keys(&[7])), Err(SealError::Version(2)));
        assert_eq!(opened(&[0; 100], &keys(&[7])), Err(SealError::NotSealed));
        assert!(!format!("{:?}", keys(&[7])).contains("0707"), "a key is not told");
    }

    #[test]
    fn a_file_of_keys_says_what_is_wrong_with_it() {
        let key = Key([7; KEY_LEN]).written();
        let many = format!("{key}\n").repeat(KEYS_MAX + 1);
        for (text, error) in [
            ("", KeysError::None),
            ("# nothing\n\n", KeysError::None),
            (&format!("{key}\n{}", &key[1..]), KeysError::NoKey(2)),
            (&key.replace('7', "x"), KeysError::NoKey(1)),
            (&many, KeysError::TooMany),
        ] {
            assert_eq!(Keys::read(text), Err(error));
        }
        assert_eq!(Keys::read(&many[..many.len() - 65]).unwrap().0.len(), KEYS_MAX);
    }
}
