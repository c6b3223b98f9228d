//! Keys as the two tones of the keypad (ITU-T Q.23): made, and heard in the sound (Q.24).

use crate::dtmf::{KEY, PRESSED, tone_id};
use crate::{g711, tone};
use busyhour_model::G711;
use serde::{Deserialize, Serialize};
use std::f32::consts::{PI, TAU};

/// The tones of the rows and columns, and their levels: the higher is sent louder.
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const LEVELS: [f64; 2] = [-9.0, -7.0];
const KEYPAD: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
/// 2 cos(2 pi f / 8000) of the rows and columns.
const COEFFICIENTS: [f32; 8] = [1.707_738, 1.645_281, 1.568_687, 1.478_205, 1.164_104, 0.996_37, 0.798_618, 0.568_533];

/// Samples looked at together: 12.75 ms. Two whole ones fit into the 40 ms of a key, and three into those of a pause.
const BLOCK: usize = 102;
/// Blocks without the key after which it is no longer pressed: less is a click in the line.
const MISSED: u8 = 3;
/// A key fills so many of three blocks at least, or 27 ms: Q.24 hears those of 40 ms, and none of 23 ms.
const LONG_MIN: f32 = 2.1;
/// A key has sounded for so long at most when it is told: three blocks and what little was left of the one before.
pub(crate) const TOLD_AFTER: usize = 4 * BLOCK;
/// Sound missing for longer (50 ms) is a pause, not loss.
const GAP_MAX: i32 = 400;
/// Sound that comes so much too late belongs to a sender that started over: 10 s.
const LATE_MAX: i32 = 80_000;
/// The amplitude in 16-bit steps that each of both tones has at least: -35 dBm0.
const AMPLITUDE_MIN: f32 = 406.0;
/// How many times stronger than the other tone either may be: 10.4 dB, so that 8 dB always are.
const TWIST_MAX: f32 = 11.0;
/// How many times stronger than its neighbours each is at least: 6 dB.
const ALONE_MIN: f32 = 4.0;
/// How far either tone may be off. Q.24: 1.5 % are heard, 3.5 % are not.
const OFF_MAX: f32 = 0.02;
/// The share of both tones in all sound: as the filters hear them, which are weaker off their tones, and as they are.
const PURITY_MIN: [f32; 2] = [0.65, 0.82];

/// Every key as its two tones and the pause after them, in A-law.
pub(crate) fn tones() -> impl Iterator<Item = (String, Vec<u8>)> {
    KEYPAD.iter().zip(ROWS).flat_map(|(keys, low)| {
        keys.chars().zip(COLUMNS).map(move |(key, high)| {
            let [low, high] = [(low, LEVELS[0]), (high, LEVELS[1])].map(|(hertz, dbm0)| tone::Sine::new(hertz, dbm0));
            let pressed = low.zip(high).take(PRESSED).map(|(low, high)| g711::encode_a(low + high));
            let pause = std::iter::repeat_n(g711::silence(G711::A), KEY - PRESSED);
            (tone_id(key), pressed.chain(pause).collect())
        })
    })
}

/// Listens to one stream for keys: eight Goertzel filters, and what they found in the last blocks.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Ear {
    filters: [(f32, f32); 8],
    energy: f32,
    samples: usize,
    /// In the last block, and where its two tones were in their turns at its end.
    last: Option<char>,
    phases: [f32; 2],
    /// Heard twice in a row, but not yet for long enough.
    short: Option<char>,
    /// Of the last two blocks.
    energies: [f32; 2],
    pressed: Option<char>,
    /// Blocks since that was heard.
    missed: u8,
    /// The timestamp that continues what was heard.
    next: Option<u32>,
}

impl Ear {
    /// Takes the sound of one packet: its RTP timestamp and payload. `Some` when a key begins to be pressed.
    pub fn take(&mut self, timestamp: u32, law: G711, payload: &[u8]) -> Option<char> {
        let gap = self.next.map_or(0, |next| timestamp.wrapping_sub(next) as i32);
        if (-LATE_MAX..0).contains(&gap) {
            return None;
        }
        if !(0..=GAP_MAX).contains(&gap) {
            *self = Ear::default();
        }
        self.next = Some(timestamp.wrapping_add(payload.len() as u32));
        payload.iter().fold(None, |key, code| self.hear(g711::decode(law, *code)).or(key))
    }

    /// Whether a key sounds now.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    fn hear(&mut self, sample: i16) -> Option<char> {
        let sample = f32::from(sample);
        for ((s1, s2), coefficient) in self.filters.iter_mut().zip(COEFFICIENTS) {
            (*s1, *s2) = (sample + coefficient * *s1 - *s2, *s1);
        }
        self.energy += sample * sample;
        self.samples += 1;
        if self.samples < BLOCK { None } else { self.judge() }
    }

    /// At the end of a block: a key that is heard twice in a row is pressed, when with the block before or behind it is long enough.
    fn judge(&mut self) -> Option<char> {
        let key = self.key();
        let heard = key.map(|(key, _)| key);
        let in_tune = key.is_some_and(|(_, tones)| self.in_tune(tones));
        let twice = heard.filter(|_| heard == self.last && in_tune);
        let [first, second, third] = [self.energies[0], self.energies[1], self.energy];
        let long = |most: f32| first + second + third >= LONG_MIN * most;
        let short = self.short.take();
        let key = twice.filter(|_| long(second.max(third))).or(short.filter(|_| long(first.max(second))));
        (self.last, self.energies, self.energy) = (heard, [second, third], 0.0);
        (self.filters, self.samples) = ([(0.0, 0.0); 8], 0);
        if heard.is_some() && heard == self.pressed {
            self.missed = 0;
            return None;
        }
        self.missed += 1;
        if key.is_some() {
            (self.pressed, self.missed) = (key, 0);
            return key;
        }
        self.short = twice;
        if self.missed >= MISSED {
            (self.pressed, self.missed) = (None, 0);
        }
        None
    }

    /// Whether both tones have turned since the last block as often as they should, and there is little else.
    fn in_tune(&mut self, tones: [usize; 2]) -> bool {
        let hertz = [ROWS[tones[0]], COLUMNS[tones[1]]];
        let filters = [tones[0], ROWS.len() + tones[1]];
        let (mut in_tune, mut both) = (true, 0.0);
        for ((hertz, filter), phase) in hertz.into_iter().zip(filters).zip(&mut self.phases) {
            let ((s1, s2), (sin, cos)) = (self.filters[filter], (TAU * hertz as f32 / 8000.0).sin_cos());
            let (real, imaginary) = (s1 - s2 * cos, s2 * sin);
            let (now, turns) = (imaginary.atan2(real) / TAU, hertz as f32 * BLOCK as f32 / 8000.0);
            let off = now - std::mem::replace(phase, now) - turns;
            let off = off - off.round();
            in_tune &= off.abs() <= OFF_MAX * turns;
            // What a filter of this length hears of a tone that is off by so much.
            let heard = if off == 0.0 { 1.0 } else { (PI * off).sin() / (PI * off) };
            both += (real * real + imaginary * imaginary) / (heard * heard);
        }
        in_tune && both >= PURITY_MIN[1] * self.energy * BLOCK as f32 / 2.0
    }

    /// The key whose two tones make up this block, and which they are.
    fn key(&self) -> Option<(char, [usize; 2])> {
        let mut powers = [0.0; 8];
        for ((power, (s1, s2)), coefficient) in powers.iter_mut().zip(self.filters).zip(COEFFICIENTS) {
            *power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
        }
        let (row, low) = loudest(&powers[..4])?;
        let (column, high) = loudest(&powers[4..])?;
        let (samples, both) = (BLOCK as f32, low + high);
        let loud = low.min(high) >= (AMPLITUDE_MIN * samples / 2.0).powi(2);
        let alike = low.max(high) <= low.min(high) * TWIST_MAX;
        let pure = both >= PURITY_MIN[0] * self.energy * samples / 2.0;
        let key = KEYPAD.get(row).and_then(|keys| keys.chars().nth(column)).filter(|_| loud && alike && pure)?;
        Some((key, [row, column]))
    }
}

/// Which filter of a group heard most, and how much; `None` when it was not alone.
fn loudest(powers: &[f32]) -> Option<(usize, f32)> {
    let (at, most) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = powers.iter().enumerate().all(|(other, power)| other == at || power * ALONE_MIN <= most);
    alone.then_some((at, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use G711::{A, Mu};

    /// One stretch of sound: two tones, for so many samples.
    #[derive(Clone, Copy)]
    struct Tone {
        hertz: [f64; 2],
        dbm0: [f64; 2],
        samples: usize,
    }

    fn key(key: char, samples: usize) -> Tone {
        let row = KEYPAD.iter().position(|keys| keys.contains(key)).unwrap();
        let column = KEYPAD[row].find(key).unwrap();
        Tone { hertz: [ROWS[row], COLUMNS[column]], dbm0: LEVELS, samples }
    }

    fn pause(samples: usize) -> Tone {
        Tone { hertz: [1.0, 1.0], dbm0: [-90.0, -90.0], samples }
    }

    fn sound(tones: &[Tone]) -> Vec<i16> {
        let sine = |tone: &Tone, at: usize| tone::Sine::new(tone.hertz[at], tone.dbm0[at]);
        tones.iter().flat_map(|tone| sine(tone, 0).zip(sine(tone, 1)).take(tone.samples).map(|(a, b)| a + b)).collect()
    }

    /// The keys heard in packets of 20 ms, those of `lost` left out.
    fn heard_with(samples: &[i16], law: G711, lost: &[usize]) -> String {
        let mut ear = Ear::default();
        let mut keys = String::new();
        for (n, frame) in samples.chunks(160).enumerate().filter(|(n, _)| !lost.contains(n)) {
            let payload: Vec<u8> = frame.iter().map(|sample| g711::encode(law, *sample)).collect();
            keys.extend(ear.take(4_294_967_000u32.wrapping_add(160 * n as u32), law, &payload));
        }
        keys
    }

    fn heard(tones: &[Tone]) -> String {
        heard_with(&sound(tones), A, &[])
    }

    #[test]
    fn the_filters_stand_at_the_tones() {
        for (hertz, coefficient) in ROWS.into_iter().chain(COLUMNS).zip(COEFFICIENTS) {
            let exact = 2.0 * (std::f64::consts::TAU * hertz / 8000.0).cos();
            assert!((exact - f64::from(coefficient)).abs() < 1e-6, "{hertz} Hz: {exact}");
        }
    }

    /// Q.24: 40 ms of a key and 40 ms of pause are enough, wherever they begin.
    #[test]
    fn every_key_is_heard_once_wherever_it_begins() {
        for law in [A, Mu] {
            for begin in (0..320).step_by(7) {
                let mut tones = vec![pause(begin)];
                "1147*D0AA#".chars().for_each(|digit| tones.extend([key(digit, 320), pause(320)]));
                assert_eq!(heard_with(&sound(&tones), law, &[]), "1147*D0AA#", "{law:?} after {begin} samples");
            }
        }
    }

    #[test]
    fn a_key_may_be_off_by_as_much_as_q_24_says() {
        let all: Vec<char> = KEYPAD.iter().flat_map(|keys| keys.chars()).collect();
        for digit in all {
            for (off, expected) in [(1.015, true), (0.985, true), (1.035, false), (0.965, false)] {
                let exact = key(digit, 400);
                let tone = Tone { hertz: exact.hertz.map(|hertz| hertz * off), ..exact };
                assert_eq!(heard(&[pause(50), tone, pause(400)]) == digit.to_string(), expected, "{digit} by {off}");
            }
            for (dbm0, expected) in [
                ([-10.0, -3.0], true),
                ([-3.0, -10.0], true),
                ([-30.0, -30.0], true),
                ([-3.0, -15.0], false),
                ([-45.0, -45.0], false),
            ] {
                let tone = Tone { dbm0, ..key(digit, 400) };
                assert_eq!(heard(&[tone, pause(400)]) == digit.to_string(), expected, "{digit} at {dbm0:?}");
            }
        }
    }

    #[test]
    fn what_is_too_short_or_is_one_tone_is_no_key() {
        for begin in (0..204).step_by(3) {
            assert_eq!(heard(&[pause(begin), key('5', 130), pause(400)]), "", "16 ms after {begin} samples");
        }
        for hertz in ROWS.into_iter().chain(COLUMNS).chain([350.0, 440.0, 450.0, 480.0, 620.0, 1100.0, 2100.0]) {
            assert_eq!(heard(&[Tone { hertz: [hertz, 450.0], dbm0: [-7.0, -40.0], samples: 4000 }]), "", "{hertz} Hz");
        }
    }

    #[test]
    fn a_click_or_a_lost_packet_does_not_press_a_key_twice() {
        let clicked = heard(&[key('8', 500), pause(80), key('8', 500), pause(400)]);
        assert_eq!(clicked, "8");
        let pressed = sound(&[pause(160), key('3', 1600), pause(480), key('3', 1600), pause(480)]);
        for lost in 0..pressed.len() / 160 {
            assert_eq!(heard_with(&pressed, A, &[lost]), "33", "packet {lost} lost");
        }
    }

    #[test]
    fn sound_that_pauses_between_keys_without_packets_presses_both() {
        let pressed = sound(&[key('3', 1600), pause(640), key('3', 1600)]);
        assert_eq!(heard_with(&pressed, A, &[10, 11, 12, 13]), "33");
    }

    #[test]
    fn a_late_packet_is_passed_over() {
        let mut ear = Ear::default();
        let payload: Vec<u8> = sound(&[key('7', 320)]).iter().map(|sample| g711::encode_a(*sample)).collect();
        assert_eq!(ear.take(1000, A, &payload[..160]), None);
        assert_eq!(ear.take(840, A, &payload[..160]), None);
        assert_eq!(ear.take(1160, A, &payload[160..]), Some('7'));
    }

    #[test]
    fn the_sounds_of_the_system_press_nothing_but_keys() {
        let library = crate::Library::new();
        for id in ["moh", "beep", "ringback", "busy", "congestion", "call-waiting", "ringback-450", "busy-450"] {
            let sound = library.find("", &format!("system/{id}")).unwrap();
            assert_eq!(Ear::default().take(0, A, sound), None, "{id}");
        }
        for digit in "0123456789*#ABCD".chars() {
            let sound = library.find("", &tone_id(digit)).unwrap();
            assert_eq!(Ear::default().take(0, A, sound), Some(digit));
        }
    }
}
