//! Opus on one side or on both: its clock is six times ours, and its packets are of any length.

use super::*;
use crate::opus::Opus;
use crate::{Limits, Taped, Track};

const NUMBER: u8 = 111;
const TAPE: TapeId = TapeId(5);

/// Half a second of a tone in packets of 20 ms.
fn packets(hertz: f64) -> Vec<Vec<u8>> {
    let (samples, mut opus) = (tone::Sine::new(hertz, -10.0).take(4_000).collect::<Vec<i16>>(), Opus::default());
    let coded = |frame: &[i16]| {
        let mut packet = Vec::new();
        opus.encode(8_000, frame.iter().copied(), &mut packet);
        packet
    };
    samples.chunks_exact(160).map(coded).collect()
}

impl Rig {
    /// A's phone says these packets, from number `first` on, its clock about to wrap.
    fn say_opus(&mut self, first: u16, packets: &[Vec<u8>]) {
        for (n, payload) in packets.iter().enumerate() {
            let timestamp = 0xFFFF_F000u32.wrapping_add(n as u32 * 960);
            self.hear(A, phone(A), &packet(first.wrapping_add(n as u16), timestamp, NUMBER, payload));
            self.pass(FRAME);
        }
    }
}

#[test]
fn who_speaks_it_too_hears_every_bit_by_a_clock_of_48_khz() {
    let mut rig = Rig::bridged(Codec::Opus, Codec::Opus);
    let said = packets(400.0);
    rig.say_opus(65_530, &said);
    let got = rig.got(B);
    assert_eq!(got.iter().map(|got| got.payload.clone()).collect::<Vec<_>>(), said);
    let steps = got.windows(2).map(|pair| pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp));
    assert!(steps.eq(std::iter::repeat_n(960, said.len() - 1)));
}

#[test]
fn who_speaks_another_hears_it_and_is_heard_and_it_is_taped_in_step() {
    for other in [Codec::Pcma, Codec::Pcmu, Codec::G722] {
        let mut rig = Rig::bridged(Codec::Opus, other);
        let (since, limits) = (rig.now, Limits::default());
        rig.command(Command::Record { leg: A, tape: TAPE, track: Track::Mono, since, limits });
        rig.say_opus(100, &packets(400.0));
        let heard = tone::level(&samples(other, &rig.codes(B))[800..], 400.0);
        assert!((heard + 10.0).abs() < 1.5, "{other:?} hears {heard} dBm0");
        rig.assert_unbroken(B);

        rig.say(B, other.assigned().1, 500, &tone_codes(other, 1_000.0));
        let mut codes = Vec::new();
        let mut opus = Opus::default();
        rig.got(A).iter().for_each(|got| opus.decode(8_000, &got.payload, &mut codes));
        let heard = tone::level(&codes[800..], 1_000.0);
        assert!((heard + 10.0).abs() < 1.5, "Opus hears {heard} dBm0");
        let steps = |pair: &[&Got]| pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp);
        assert!(rig.got(A).windows(2).all(|pair| steps(pair) == 960));
    }
}

#[test]
fn its_lost_packets_are_counted_and_its_jitter_told_by_its_own_clock() {
    let mut rig = Rig::bridged(Codec::Opus, Codec::Pcma);
    for (n, payload) in packets(400.0).iter().enumerate().filter(|(n, _)| n % 5 != 4) {
        let timestamp = n as u32 * 960;
        rig.hear(A, phone(A), &packet(n as u16, timestamp, NUMBER, payload));
        rig.pass(if n % 2 == 0 { FRAME - 5 * MS } else { FRAME + 5 * MS });
        rig.pass(if n % 5 == 3 { FRAME } else { Duration::ZERO });
    }
    let stats = rig.worker.stats(A).unwrap();
    assert_eq!(stats.lost_in, 4);
    assert!((1_000..8_000).contains(&stats.jitter_us), "{stats:?}");
}

/// Beyond what telephones carry: the tools know 8 kHz, so the samples of 16 kHz are taken for half the pitch.
#[test]
fn what_lies_above_the_telephone_band_is_heard_by_whoever_knows_wideband_and_taped_below_it() {
    const HERTZ: f64 = 5_000.0;
    const LOW: f64 = 350.0;
    let said: Vec<i16> = tone::Sine::new(HERTZ / 2.0, -10.0).take(16_000).collect();
    let low: Vec<i16> = tone::Sine::new(LOW / 2.0, -16.0).take(16_000).collect();
    let said: Vec<i16> = said.into_iter().zip(low).map(|(high, low)| high + low).collect();
    let heard = |samples: &[i16]| [HERTZ, LOW].map(|hertz| tone::level(&samples[4_000..], hertz / 2.0));
    let right = |[high, low]: [f64; 2]| (high + 10.0).abs() < 1.5 && (low + 16.0).abs() < 1.5;

    let mut rig = Rig::bridged(Codec::Opus, Codec::G722);
    let (since, limits) = (rig.now, Limits::default());
    rig.command(Command::Record { leg: A, tape: TAPE, track: Track::Mono, since, limits });
    let mut opus = Opus::default();
    let coded = |frame: &[i16]| {
        let mut packet = Vec::new();
        opus.encode(16_000, frame.iter().copied(), &mut packet);
        packet
    };
    let packets: Vec<Vec<u8>> = said.chunks_exact(320).map(coded).collect();
    rig.say_opus(100, &packets);
    let mut decoder = g722::Decoder::default();
    let samples: Vec<i16> = rig.codes(B).iter().flat_map(|code| decoder.decode(*code)).collect();
    assert!(right(heard(&samples)), "G.722 hears {:?}", heard(&samples));
    rig.assert_unbroken(B);

    let mut encoder = g722::Encoder::default();
    let codes: Vec<u8> = said.as_chunks::<2>().0.iter().map(|pair| encoder.encode(*pair)).collect();
    rig.say(B, 9, 500, &codes);
    let (mut opus, mut samples) = (Opus::default(), Vec::new());
    rig.got(A).iter().for_each(|got| opus.decode(16_000, &got.payload, &mut samples));
    assert!(right(heard(&samples)), "Opus hears {:?}", heard(&samples));

    rig.command(Command::StopRecord { leg: A, tape: TAPE });
    let sound = |taped| if let Taped::Sound { sound, .. } = taped { sound } else { Vec::new() };
    let tape: Vec<u8> = std::iter::from_fn(|| rig.worker.poll_tape()).flat_map(sound).collect();
    let [low, mirrored] = [LOW, 8_000.0 - HERTZ].map(|hertz| level(Codec::Pcma, &tape[1_600..6_400], hertz));
    // The filter of G.722 lowers 5 kHz by 20 dB, 6 kHz by 86 dB.
    assert!((low + 16.0).abs() < 1.5 && mirrored < -28.0, "on the tape {low} dBm0, and {mirrored} of the mirror");
}

#[test]
fn packets_of_odd_lengths_become_packets_and_broken_ones_none() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Opus);
    for (n, len) in [100usize, 240, 163, 30].into_iter().cycle().take(40).enumerate() {
        rig.hear(A, phone(A), &packet(n as u16, n as u32 * 160, 8, &vec![0xD5; len]));
        rig.pass(FRAME);
    }
    assert_eq!(rig.got(B).len(), 40);
    assert!(rig.got(B).iter().all(|got| !got.payload.is_empty()));
    let mut rig = Rig::bridged(Codec::Opus, Codec::G722);
    rig.hear(A, phone(A), &packet(1, 960, NUMBER, &[0xFB]));
    assert_eq!(rig.got(B).len(), 0);
}
