//! A WAV file's bytes to A-law at 8 kHz mono, or why not; and the header of a file of A-law.

use crate::g711;
use crate::resample::{RATES, lowered};
use thiserror::Error;

/// The longest prompt: ten minutes.
pub const PROMPT_BYTES_MAX: usize = 10 * 60 * 8000;

/// Why a prompt file is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WavError {
    /// No RIFF/WAVE header.
    #[error("this is not a WAV file (no RIFF/WAVE header)")]
    NotWav,
    /// It ends in the middle of a chunk, or has no `fmt ` or `data` chunk.
    #[error("the WAV file has no complete `{0}` chunk")]
    NoChunk(&'static str),
    /// Something we do not convert.
    #[error(
        "{0}; wanted is mono A-law, µ-law or 16-bit PCM of 8 to 48 kHz (try: sox in.wav -r 8000 -c 1 -e a-law out.wav)"
    )]
    Format(String),
    /// Nothing in it.
    #[error("the WAV file has no sound in it")]
    Empty,
    /// More than we keep in memory.
    #[error("the sound is longer than ten minutes")]
    TooLong,
    /// The library is full.
    #[error("there are already {} prompts", crate::PROMPTS_MAX)]
    TooMany,
}

/// Lengths from here on mean that the length was not known: programs write 0x7ffff000, 0x7fffffff or 0xffffffff.
const UNTOLD: usize = 0x7fff_0000;

/// Bytes before the first sample of a file that begins with [`header`].
pub const HEADER_LEN: usize = 58;

/// The header of a file of A-law at 8 kHz with `frames` samples of each channel; more than fit are told as the most.
pub fn header(channels: u16, frames: u64) -> [u8; HEADER_LEN] {
    let len = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let (data, wide) = (frames * u64::from(channels), u32::from(channels));
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &len(data + HEADER_LEN as u64 - 8),
        b"WAVEfmt \x12\0\0\0\x06\0",
        &channels.to_le_bytes(),
        &8000u32.to_le_bytes(),
        &(8000 * wide).to_le_bytes(),
        &channels.to_le_bytes(),
        &8u16.to_le_bytes(),
        b"\0\0fact\x04\0\0\0",
        &len(frames),
        b"data",
        &len(data),
        b"",
    ];
    let mut header = [0; HEADER_LEN];
    let bytes = parts.into_iter().flatten();
    header.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    header
}

/// The right header for a file of `file_len` bytes that begins with this [`header`], and its frames; `None` when it does not.
pub fn mended(head: &[u8], file_len: u64) -> Option<([u8; HEADER_LEN], u64)> {
    let channels = u16::from_le_bytes([*head.get(22)?, *head.get(23)?]);
    let rest = file_len.checked_sub(HEADER_LEN as u64)?;
    let frames = rest.checked_div(channels.into())?;
    let (known, header) = (header(channels, 0), header(channels, frames));
    let same = |range: std::ops::Range<usize>| head.get(range.clone()) == known.get(range);
    (same(0..4) && same(8..46) && same(50..54)).then_some((header, frames))
}

/// A file of A-law at 8 kHz, mono.
pub fn file(sound: &[u8]) -> Vec<u8> {
    [&header(1, sound.len() as u64)[..], sound].concat()
}

/// The A-law samples of a WAV file.
///
/// # Errors
/// It is no such file, or too long.
pub fn read(bytes: &[u8]) -> Result<Vec<u8>, WavError> {
    let Written { tag, bits, rate, data } = Written::of(bytes)?;
    match (tag, bits, rate) {
        // Bit for bit, where nothing has to be done.
        (6, 8, 8000) => limited(data.to_vec()),
        _ => limited(samples(bytes)?.into_iter().map(g711::encode_a).collect()),
    }
}

/// The samples of a WAV file, at 8 kHz.
///
/// # Errors
/// As those of [`read`].
pub fn samples(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    let Written { tag, bits, rate, data } = Written::of(bytes)?;
    let wide: Vec<i16> = match (tag, bits) {
        (6, 8) => data.iter().map(|code| g711::decode_a(*code)).collect(),
        (7, 8) => data.iter().map(|code| g711::decode_u(*code)).collect(),
        (1, 16) => data.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect(),
        _ => return Err(WavError::Format(format!("the sound has format tag {tag} with {bits} bits"))),
    };
    if wide.len() as u64 > PROMPT_BYTES_MAX as u64 * u64::from(rate) / 8000 {
        return Err(WavError::TooLong);
    }
    limited(lowered(&wide, rate))
}

/// What a file says of its sound, and the sound.
struct Written<'f> {
    tag: u16,
    bits: u16,
    rate: u32,
    data: &'f [u8],
}

impl Written<'_> {
    fn of(bytes: &[u8]) -> Result<Written<'_>, WavError> {
        if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
            return Err(WavError::NotWav);
        }
        let format = chunk(bytes, b"fmt ").filter(|f| f.len() >= 16).ok_or(WavError::NoChunk("fmt "))?;
        let data = chunk(bytes, b"data").ok_or(WavError::NoChunk("data"))?;
        let [tag, channels, bits] = [0, 2, 14].map(|at| u16::from_le_bytes([format[at], format[at + 1]]));
        let rate = u32::from_le_bytes([format[4], format[5], format[6], format[7]]);
        if !RATES.contains(&rate) || channels != 1 {
            return Err(WavError::Format(format!("the sound has {rate} Hz and {channels} channel(s)")));
        }
        Ok(Written { tag, bits, rate, data })
    }
}

fn limited<S>(samples: Vec<S>) -> Result<Vec<S>, WavError> {
    match samples.len() {
        0 => Err(WavError::Empty),
        len if len > PROMPT_BYTES_MAX => Err(WavError::TooLong),
        _ => Ok(samples),
    }
}

/// The body of the first chunk with this id. A `data` chunk cut short by a crashed recorder is no chunk; one that a program
/// wrote to a pipe before it knew the length goes to the end.
fn chunk<'a>(bytes: &'a [u8], id: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let head = rest.get(..8)?;
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = rest.get(8..)?;
        if head[..4] == *id {
            return if len >= UNTOLD { Some(body) } else { body.get(..len) };
        }
        rest = body.get(len.checked_add(len & 1)?..)?;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A WAV file of this format tag and these sample bytes, with a chunk in between as editors write.
    pub(crate) fn wav(tag: u16, rate: u32, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        file.extend(tag.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend((rate * channels as u32 * bits as u32 / 8).to_le_bytes());
        file.extend((channels * bits / 8).to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"LIST\x03\0\0\0abc\0data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn all_three_formats_become_the_same_a_law() {
        assert_eq!(read(&wav(6, 8000, 1, 8, &[0xD5, 0x2A, 0xAA])).unwrap(), [0xD5, 0x2A, 0xAA]);
        let pcm: Vec<u8> = [8i16, -32256, 32256].iter().flat_map(|s| s.to_le_bytes()).collect();
        assert_eq!(read(&wav(1, 8000, 1, 16, &pcm)).unwrap(), [0xD5, 0x2A, 0xAA]);
        let double: Vec<u8> = [8i16; 400].iter().flat_map(|s| s.to_le_bytes()).collect();
        assert_eq!(read(&wav(1, 16000, 1, 16, &double)).unwrap().len(), 200);
        assert_eq!(read(&wav(7, 8000, 1, 8, &[0xFF, 0x00, 0x80])).unwrap(), [0xD5, 0x2A, 0xAA]);
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_reason() {
        let table = [
            (b"OggS".to_vec(), "not a WAV"),
            (wav(6, 8000, 1, 8, &[]), "no sound"),
            (wav(6, 96000, 1, 8, &[1]), "96000 Hz"),
            (wav(1, 8000, 2, 16, &[0; 4]), "2 channel"),
            (wav(1, 8000, 1, 8, &[0; 4]), "tag 1 with 8 bits"),
            (wav(85, 8000, 1, 16, &[0; 4]), "tag 85"),
            (wav(6, 8000, 1, 8, &vec![0; PROMPT_BYTES_MAX + 1]), "ten minutes"),
        ];
        for (bytes, words) in table {
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn our_own_header_is_read_again_and_mended_after_a_crash() {
        let sound = [0xD5, 0x2A, 0xAA, 0x11];
        let file = [&header(1, 4)[..], &sound].concat();
        assert_eq!(read(&file).unwrap(), sound);
        let crashed = [&header(1, 0)[..], &sound].concat();
        assert_eq!(read(&crashed), Err(WavError::Empty));
        assert_eq!(mended(&crashed, 62), Some((header(1, 4), 4)));
        let stereo = header(2, 0);
        assert_eq!(mended(&stereo, HEADER_LEN as u64 + 9), Some((header(2, 4), 4)), "half a frame is none");
        for bad in [&b""[..], b"RIFF", &wav(6, 8000, 1, 8, &sound), &header(0, 0), &[0; 58]] {
            assert_eq!(mended(bad, 500), None, "{bad:?}");
        }
    }

    #[test]
    fn a_file_from_a_pipe_does_not_know_its_length() {
        for untold in [0x7fff_f000u32, 0x7fff_ffff, u32::MAX] {
            let mut piped = wav(6, 8000, 1, 8, &[0xD5; 9]);
            let at = piped.len() - 9 - 4;
            piped[at..at + 4].copy_from_slice(&untold.to_le_bytes());
            assert_eq!(read(&piped).unwrap(), [0xD5; 9]);
        }
        assert_eq!(read(&file(&[0xD5; 9])).unwrap(), [0xD5; 9]);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let whole = wav(6, 8000, 1, 8, &[0xD5; 9]);
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
