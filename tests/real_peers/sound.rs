//! Tones: made for the peers to send, looked for in what they heard.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

const RATE: usize = 8_000;
const FRAME: usize = 160;
const AMPLITUDE: f64 = 8_000.0;
const A_LAW: u8 = 8;
const TELEPHONE_EVENT: u8 = 101;

fn tone(hertz: f64, first: usize, samples: usize) -> Vec<i16> {
    (first..first + samples).map(|n| (AMPLITUDE * (TAU * hertz * n as f64 / RATE as f64).sin()) as i16).collect()
}

/// A 16-bit mono WAV file with a tone.
pub(crate) fn write_tone(path: &Path, hertz: f64, seconds: usize) {
    let samples = tone(hertz, 0, RATE * seconds);
    let bytes = u32::try_from(samples.len() * 2).unwrap();
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    for (field, width) in [(1u32, 2), (1, 2), (RATE as u32, 4), (2 * RATE as u32, 4), (2, 2), (16, 2)] {
        file.extend(&field.to_le_bytes()[..width]);
    }
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    fs::write(path, file).unwrap();
}

/// For how many seconds a tone is clearly heard in a 16-bit mono WAV file: a tenth of a second counts when the tone
/// has at least a quarter of the amplitude it was sent with.
pub(crate) fn seconds_of_tone(path: &Path, hertz: f64) -> f64 {
    seconds_of(&samples(path), hertz)
}

/// The same in samples.
pub(crate) fn seconds_of(samples: &[f64], hertz: f64) -> f64 {
    let heard = |tenth: &&[f64]| goertzel(tenth, hertz) > AMPLITUDE / 4.0;
    samples.chunks_exact(RATE / 10).filter(heard).count() as f64 / 10.0
}

/// Left and right of an A-law WAV file of two channels.
pub(crate) fn sides(path: &Path) -> [Vec<f64>; 2] {
    let both = samples(path);
    [0, 1].map(|side| both.iter().skip(side).step_by(2).copied().collect())
}

/// The samples of a WAV file, 16-bit or A-law, at 8 kHz; of one at a multiple of that the means, of both its sides together.
pub(crate) fn samples(path: &Path) -> Vec<f64> {
    const FORMAT_A_LAW: u8 = 6;
    let file = fs::read(path).unwrap();
    let data = file.windows(4).position(|word| word == b"data").expect("a WAV file has a data chunk") + 8;
    let times = u32::from_le_bytes([file[24], file[25], file[26], file[27]]) as usize / RATE;
    let samples: Vec<f64> = match file[20] {
        FORMAT_A_LAW => file[data..].iter().map(|code| linear(*code)).collect(),
        _ => file[data..].chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]]))).collect(),
    };
    let times = if times == 1 { 1 } else { times * usize::from(file[22]) };
    samples.chunks_exact(times).map(|together| together.iter().sum::<f64>() / times as f64).collect()
}

/// The middle of the interval an A-law code stands for.
fn linear(code: u8) -> f64 {
    let code = code ^ 0x55;
    let (segment, step) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let magnitude = if segment == 0 { 2 * step + 1 } else { (2 * step + 33) << (segment - 1) } << 3;
    f64::from(if code & 0x80 == 0 { -magnitude } else { magnitude })
}

/// The amplitude of one frequency in these samples (Goertzel).
fn goertzel(samples: &[f64], hertz: f64) -> f64 {
    let turn = 2.0 * (TAU * hertz / RATE as f64).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (sample + turn * last - before, last);
    }
    let power = last * last + before * before - turn * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// ITU-T G.711 A-law, written for this test from the standard's table 1a.
fn a_law(sample: i16) -> u8 {
    let sign = if sample >= 0 { 0x80 } else { 0 };
    let magnitude = (if sample >= 0 { i32::from(sample) } else { -1 - i32::from(sample) } >> 3).min(4_095);
    let chord = (31 - (magnitude | 16).leading_zeros() as i32 - 4).max(0);
    let step = if chord <= 1 { magnitude >> 1 & 15 } else { magnitude >> chord & 15 };
    let segment = if magnitude < 32 { 0 } else { chord };
    let value = if segment == 0 { magnitude >> 1 } else { segment << 4 | step };
    (u8::try_from(value).unwrap() | sign) ^ 0x55
}

/// A capture file for SIPp to play.
struct Film {
    file: Vec<u8>,
    sequence: u16,
}

impl Film {
    fn new() -> Film {
        let words = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1];
        Film { file: words.into_iter().flat_map(u32::to_le_bytes).collect(), sequence: 0 }
    }

    fn packet(&mut self, frame: usize, payload_type: u8, marker: bool, timestamp: usize, payload: &[u8]) {
        self.sequence += 1;
        let mut rtp = vec![0x80, payload_type | u8::from(marker) << 7];
        rtp.extend(self.sequence.to_be_bytes());
        rtp.extend((timestamp as u32).to_be_bytes());
        rtp.extend(0x0bad_cafe_u32.to_be_bytes());
        rtp.extend(payload);
        record(&mut self.file, frame, &rtp);
    }

    fn sound(&mut self, frame: usize, samples: impl IntoIterator<Item = i16>) {
        let sound: Vec<u8> = samples.into_iter().map(a_law).collect();
        self.packet(frame, A_LAW, frame == 0, frame * FRAME, &sound);
    }
}

/// `seconds` of tone in A-law, with keys pressed (RFC 4733) at their times.
pub(crate) fn write_call(path: &Path, hertz: f64, seconds: usize, keys: &[(f64, u8)]) {
    const KEY_FRAMES: usize = 8;
    let mut film = Film::new();
    for frame in 0..seconds * RATE / FRAME {
        let Some((at, key)) = pressed(frame, KEY_FRAMES, keys) else {
            film.sound(frame, tone(hertz, frame * FRAME, FRAME));
            continue;
        };
        let first = (at * RATE as f64 / FRAME as f64).ceil() as usize;
        let passed = frame - first + 1;
        let duration = u16::try_from(passed * FRAME).unwrap().to_be_bytes();
        let (end, copies) = if passed == KEY_FRAMES { (0x80, 3) } else { (0, 1) };
        for _ in 0..copies {
            let payload = [key, end | 10, duration[0], duration[1]];
            film.packet(frame, TELEPHONE_EVENT, passed == 1, first * FRAME, &payload);
        }
    }
    fs::write(path, film.file).unwrap();
}

/// `seconds` of silence in A-law, with keys pressed as tones (ITU-T Q.23) at their times, 100 ms each.
pub(crate) fn write_keys(path: &Path, seconds: usize, keys: &[(f64, char)]) {
    const KEY_FRAMES: usize = 5;
    const ROWS: [(f64, &str); 4] = [(697.0, "123A"), (770.0, "456B"), (852.0, "789C"), (941.0, "*0#D")];
    const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
    let mut film = Film::new();
    for frame in 0..seconds * RATE / FRAME {
        let Some((_, key)) = pressed(frame, KEY_FRAMES, keys) else {
            film.sound(frame, [0; FRAME]);
            continue;
        };
        let (row, column) = ROWS.iter().find_map(|(row, keys)| Some((*row, COLUMNS[keys.find(key)?]))).unwrap();
        let both = tone(row, frame * FRAME, FRAME).into_iter().zip(tone(column, frame * FRAME, FRAME));
        film.sound(frame, both.map(|(low, high)| low / 2 + high / 2));
    }
    fs::write(path, film.file).unwrap();
}

/// The key held down in a frame, and since when.
fn pressed<K: Copy>(frame: usize, frames: usize, keys: &[(f64, K)]) -> Option<(f64, K)> {
    let (second, span) = (frame as f64 * FRAME as f64 / RATE as f64, 0.02 * frames as f64);
    keys.iter().copied().find(|(at, _)| (*at..at + span).contains(&second))
}

/// One Ethernet, IPv4 and UDP frame around an RTP packet; SIPp puts the real addresses in.
fn record(file: &mut Vec<u8>, frame: usize, rtp: &[u8]) {
    let udp = u16::try_from(8 + rtp.len()).unwrap();
    let mut bytes = vec![0; 12];
    bytes.extend([0x08, 0x00, 0x45, 0x00]);
    bytes.extend((20 + udp).to_be_bytes());
    bytes.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 2, 127, 0, 0, 1]);
    bytes.extend([0x17, 0x70, 0x17, 0x70]);
    bytes.extend(udp.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(rtp);
    let micros = frame as u64 * FRAME as u64 * 1_000_000 / RATE as u64;
    let length = u32::try_from(bytes.len()).unwrap();
    for word in [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, length, length] {
        file.extend(word.to_le_bytes());
    }
    file.extend(bytes);
}
