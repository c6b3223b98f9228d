//! Fax machines and modems, known by their first tone: pure, long and of a known pitch.

use crate::g711;
use busyhour_model::{FaxTone, G711};
use serde::{Deserialize, Serialize};

/// Samples looked at together: 20 ms.
const BLOCK: u16 = 160;
/// Mean square of the weakest tone: -40 dBm0.
const POWER_MIN: f32 = 25_250.0;
/// What may be left of a block's power when its one tone is taken out: 17 dB of noise, the loss of one packet beside.
const REST_MAX: f32 = 0.08;
/// Sound that is weaker than a tenth of a tone is a pause beside it.
const PAUSE: f32 = 0.1;
/// Blocks of a calling tone, 0.5 s ± 15 % less its edges, and of the pause that must follow.
const CALLING: std::ops::RangeInclusive<u16> = 19..=30;
const CALLING_PAUSE: u16 = 5;
/// Blocks after which an answering tone is certain: a second of 2.6 s at least.
const ANSWERING: u16 = 50;
/// Sound that is missing for longer than this many samples is a pause.
const GAP: i32 = 800;
/// 2 cos(2 pi f / 8000) of 1,050 and 1,150 Hz, and of 2,070 and 2,130 Hz: what lines and machines may be off by.
const PITCHES: [(f32, f32, FaxTone); 2] = [(1.239, 1.358, FaxTone::Calling), (-0.205, -0.109, FaxTone::Answering)];

/// Listens to one stream until something is found.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Ear {
    /// The last two samples.
    before: [f32; 2],
    /// Of the block: squares of x(n) + x(n-2), products of that with x(n-1), squares of x(n-1).
    sums: [f32; 3],
    samples: u16,
    tone: Option<Run>,
    /// The powers of the last two blocks without a tone: the later may hold a weak tone's beginning.
    beside: [f32; 2],
    /// The timestamp that continues what was heard.
    next: Option<u32>,
}

/// A tone that sounds, or just did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Run {
    tone: FaxTone,
    power: f32,
    /// It began out of a pause.
    clean: bool,
    blocks: u16,
    /// Blocks since its last.
    after: u16,
}

impl Ear {
    /// Takes the sound of one packet: its RTP timestamp and payload. `Some` when a machine is known by its tone.
    pub fn take(&mut self, timestamp: u32, law: G711, payload: &[u8]) -> Option<FaxTone> {
        let gap = self.next.map_or(0, |next| timestamp.wrapping_sub(next) as i32);
        self.next = Some(timestamp.wrapping_add(payload.len() as u32));
        let paused = if gap > GAP { (0..CALLING_PAUSE).find_map(|_| self.judge(None, 0.0)) } else { None };
        payload.iter().fold(paused, |found, code| self.hear(g711::decode(law, *code)).or(found))
    }

    fn hear(&mut self, sample: i16) -> Option<FaxTone> {
        let ([middle, first], last) = (self.before, f32::from(sample));
        let outer = last + first;
        let products = [outer * outer, outer * middle, middle * middle];
        self.sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
        self.before = [last, middle];
        self.samples += 1;
        if self.samples < BLOCK {
            return None;
        }
        let [outer, mixed, power] = self.sums;
        (self.sums, self.samples) = Default::default();
        // Of a pure tone x(n) + x(n-2) = 2 cos(w) x(n-1): the best factor is its pitch, what it leaves is noise.
        let pitch = mixed / power.max(1.0);
        let pure = outer - mixed * pitch <= REST_MAX * power && power >= POWER_MIN * f32::from(BLOCK);
        let tone = PITCHES.iter().find(|(low, high, _)| pure && (*low..*high).contains(&pitch)).map(|of| of.2);
        self.judge(tone, power)
    }

    /// A block with this tone, or without one, and its power.
    fn judge(&mut self, tone: Option<FaxTone>, power: f32) -> Option<FaxTone> {
        let Some(run) = &mut self.tone else {
            match tone {
                Some(tone) => {
                    let clean = self.beside.iter().any(|beside| *beside < PAUSE * power);
                    self.tone = Some(Run { tone, power, clean, blocks: 1, after: 0 });
                }
                None => self.beside = [self.beside[1], power],
            }
            return None;
        };
        if tone == Some(run.tone) && run.after <= 1 {
            // One block in between was spoilt by a lost packet, or by a phase that is reversed.
            (run.blocks, run.after) = (run.blocks.saturating_add(1 + run.after), 0);
            let found = run.tone == FaxTone::Answering && run.blocks >= ANSWERING;
            return found.then_some(FaxTone::Answering);
        }
        run.after += 1;
        let quiet = tone.is_none() && power < PAUSE * run.power;
        // The first block after it may still hold some of it.
        if run.after == 1 || quiet && run.after <= CALLING_PAUSE {
            let calling = run.tone == FaxTone::Calling && run.clean && CALLING.contains(&run.blocks);
            return (run.after == CALLING_PAUSE && calling).then_some(FaxTone::Calling);
        }
        (self.tone, self.beside) = (None, [power; 2]);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Sine, amplitude};
    use G711::{A, Mu};
    use busyhour_model::Seed;

    const SECOND: usize = 8_000;

    fn tone(hertz: f64, dbm0: f64, ms: usize) -> Vec<i16> {
        Sine::new(hertz, dbm0).take(8 * ms).collect()
    }

    fn silence(ms: usize) -> Vec<i16> {
        vec![0; 8 * ms]
    }

    /// ANSam by V.8: 2,100 Hz whose level swings by a fifth 15 times a second, its phase turned every 450 ms.
    fn answer(swing: f64, turned: bool) -> Vec<i16> {
        let at = |(n, sample): (usize, i16)| {
            let swing = 1.0 + swing * (std::f64::consts::TAU * 15.0 * n as f64 / 8_000.0).sin();
            let turn = if turned && n / 3_600 % 2 == 1 { -1.0 } else { 1.0 };
            (f64::from(sample) * swing * turn) as i16
        };
        Sine::new(2_100.0, -14.0).take(3 * SECOND).enumerate().map(at).collect()
    }

    fn noise(sound: &[i16], dbm0: f64) -> Vec<i16> {
        let (mut seed, peak) = (Seed(3), amplitude(dbm0) * 1.5f64.sqrt());
        let mut noise = || (seed.below(20_001) as f64 / 10_000.0 - 1.0) * peak;
        sound.iter().map(|sample| sample.saturating_add(noise() as i16)).collect()
    }

    /// What is found in packets of `frame` samples, without those `lost`, and in which second.
    fn found_with(sound: &[i16], law: G711, frame: usize, lost: &[usize]) -> Option<(FaxTone, usize)> {
        let mut ear = Ear::default();
        let packets = sound.chunks(frame).enumerate().filter(|(at, _)| !lost.contains(at));
        packets.into_iter().find_map(|(at, samples)| {
            let codes: Vec<u8> = samples.iter().map(|sample| g711::encode(law, *sample)).collect();
            let tone = ear.take((at * frame) as u32, law, &codes)?;
            Some((tone, at * frame / SECOND))
        })
    }

    fn found(sound: &[i16]) -> Option<(FaxTone, usize)> {
        found_with(sound, A, 160, &[])
    }

    #[test]
    fn a_calling_machine_is_known_by_its_first_tone() {
        let calls = |hertz, dbm0, ms| [silence(730), tone(hertz, dbm0, ms), silence(3_000)].concat();
        for hertz in [1_062.0, 1_100.0, 1_138.0] {
            for dbm0 in [-6.0, -15.0, -38.0] {
                for ms in [425, 500, 575] {
                    for begin in [0, 40, 111] {
                        let sound = calls(hertz, dbm0, ms);
                        assert_eq!(
                            found(&sound[begin..]),
                            Some((FaxTone::Calling, 1)),
                            "{hertz} Hz, {dbm0} dBm0, {ms} ms"
                        );
                    }
                }
            }
        }
        let sound = calls(1_100.0, -15.0, 500);
        for (law, frame) in [(Mu, 80), (Mu, 240), (A, 480)] {
            assert_eq!(found_with(&sound, law, frame, &[]), Some((FaxTone::Calling, 1)), "{law:?} by {frame}");
        }
        assert_eq!(found(&noise(&sound, -36.0)), Some((FaxTone::Calling, 1)), "over noise");
        for lost in 0..sound.len() / 160 {
            assert_eq!(found_with(&sound, A, 160, &[lost]).map(|found| found.0), Some(FaxTone::Calling), "{lost} lost");
        }
        let unsaid: Vec<usize> = (63..205).collect();
        let again = [sound.clone(), sound].concat();
        assert_eq!(found_with(&again, A, 160, &unsaid), Some((FaxTone::Calling, 4)), "silence that is not sent");
    }

    #[test]
    fn a_machine_that_answers_is_known_within_two_seconds_however_its_tone_is_made() {
        for (swing, turned) in [(0.0, false), (0.0, true), (0.2, false), (0.2, true)] {
            let sound = [silence(500), answer(swing, turned), silence(500)].concat();
            assert_eq!(found(&sound), Some((FaxTone::Answering, 1)), "{swing} {turned}");
            assert_eq!(found(&noise(&sound, -36.0)), Some((FaxTone::Answering, 1)), "{swing} {turned} over noise");
            assert_eq!(found_with(&sound, Mu, 160, &[40, 60]), Some((FaxTone::Answering, 1)), "{swing} {turned}");
        }
    }

    #[test]
    fn other_tones_are_no_machine() {
        let call = |hertz: f64, ms: usize| [silence(500), tone(hertz, -15.0, ms), silence(3_000)].concat();
        for hertz in
            [425.0, 450.0, 950.0, 1_000.0, 1_020.0, 1_200.0, 1_300.0, 1_400.0, 1_800.0, 2_000.0, 2_200.0, 2_225.0]
        {
            for ms in [500, 3_000] {
                assert_eq!(found(&call(hertz, ms)), None, "{hertz} Hz for {ms} ms");
            }
        }
        for (hertz, ms) in [(1_100.0, 300), (1_100.0, 700), (1_100.0, 4_000), (2_100.0, 800)] {
            assert_eq!(found(&call(hertz, ms)), None, "{hertz} Hz for {ms} ms");
        }
        let weak = [silence(500), tone(1_100.0, -50.0, 500), silence(3_000)].concat();
        assert_eq!(found(&weak), None, "too weak");
        let melody = [tone(1_046.5, -15.0, 500), tone(1_108.7, -15.0, 500), tone(1_174.7, -15.0, 500)].concat();
        assert_eq!(found(&melody), None, "a note of a melody");
        let chord: Vec<i16> =
            tone(1_100.0, -15.0, 500).iter().zip(tone(660.0, -20.0, 500)).map(|(a, b)| a + b).collect();
        assert_eq!(found(&[silence(500), chord, silence(500)].concat()), None, "not alone");
    }
}
