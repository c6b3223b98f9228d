//! Opus on one side or on both: its clock is six times ours, and its packets are of any length.

use super::*;
use crate::opus::Opus;
use crate::{Limits, Track};

const NUMBER: u8 = 111;
const TAPE: TapeId = TapeId(5);

/// Half a second of a tone in packets of 20 ms.
fn packets(hertz: f64) -> Vec<Vec<u8>> {
    let (samples, mut opus) = (tone::Sine::new(hertz, -10.0).take(4_000).collect::<Vec<i16>>(), Opus::default());
    let coded = |frame: &[i16]| {
        let mut packet = Vec::new();
        opus.encode(frame.iter().copied(), &mut packet);
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
        rig.got(A).iter().for_each(|got| opus.decode(&got.payload, &mut codes));
        let heard = level(Codec::Pcma, &codes[800..], 1_000.0);
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
