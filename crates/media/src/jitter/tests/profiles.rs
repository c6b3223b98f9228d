//! Profiles of networks: before, a fixed delay of 60 ms and silence for what is lost or late; after, the buffer.

use super::*;

/// How long a packet sent at that sample travels; `None`: it is lost.
type Network = fn(&mut Seed, i64) -> Option<i64>;

/// One network, and what the buffer must make of it.
struct Profile {
    network: Network,
    /// The share that is not heard as it was said is at most so much, per mille: with the fixed delay, and with the buffer.
    unheard: [f64; 2],
    /// How long sound waits for its network, in milliseconds.
    waited: f64,
    /// How far the levels of the bands are off at most, in dB: before, and after.
    off: [f64; 2],
}

fn lossy(seed: &mut Seed, per_mille: u32) -> Option<i64> {
    (!seed.per_mille(per_mille)).then_some(20 * MS)
}

fn spread(seed: &mut Seed, ms: i64) -> Option<i64> {
    Some(20 * MS + seed.below((ms * MS) as u64) as i64)
}

/// Nothing passes for `ms` of each `every` ms, then all of it at once.
fn stalled(at: i64, ms: i64, every: i64) -> Option<i64> {
    Some(20 * MS + (ms * MS - (at + 250 * MS) % (every * MS)).max(0))
}

/// What a fixed delay of 60 ms makes of it, and the share not heard.
fn fixed(clean: &[i16], ptime: usize, travels: &mut dyn FnMut(usize) -> Option<i64>) -> (Nearness, f64) {
    let came: Vec<Option<i64>> = (0..clean.len() / ptime).map(travels).collect();
    let first = came.iter().flatten().next().unwrap() + 60 * MS;
    let silence = vec![0; ptime];
    let heard = |n: usize| came[n].is_some_and(|travelled| travelled <= first);
    let frames = clean.chunks_exact(ptime).enumerate();
    let pairs = frames.map(|(n, said)| (said, if heard(n) { said } else { &silence[..] }));
    let lost = (0..came.len()).filter(|n| !heard(*n)).count();
    (nearness(pairs), lost as f64 / came.len() as f64)
}

#[rustfmt::skip]
const PROFILES: [Profile; 16] = [
    // Calm: a tenth of the fixed delay.
    Profile { network: |_, _| Some(20 * MS), unheard: [0.0, 0.0], waited: 8.0, off: [0.0, 0.02] },
    // Loss of 1, 3, 5 and 10 %, and bursts of 60 ms: as much is lost, half of it is not missed.
    Profile { network: |seed, _| lossy(seed, 10), unheard: [10.0, 10.0], waited: 8.0, off: [0.15, 0.08] },
    Profile { network: |seed, _| lossy(seed, 30), unheard: [30.0, 32.0], waited: 8.0, off: [0.45, 0.2] },
    Profile { network: |seed, _| lossy(seed, 50), unheard: [50.0, 50.0], waited: 8.0, off: [0.7, 0.35] },
    Profile { network: |seed, _| lossy(seed, 100), unheard: [110.0, 110.0], waited: 8.0, off: [1.5, 0.66] },
    Profile { network: |_, at| (at / (60 * MS) % 20 != 7).then_some(20 * MS), unheard: [52.0, 52.0], waited: 8.0, off: [0.75, 0.4] },
    // Jitter below 60 ms: less delay and nothing lost. Above: nearly nothing lost.
    Profile { network: |seed, _| spread(seed, 20), unheard: [0.0, 0.0], waited: 30.0, off: [0.0, 0.02] },
    Profile { network: |seed, _| spread(seed, 50), unheard: [0.0, 1.0], waited: 50.0, off: [0.0, 0.02] },
    Profile { network: |seed, _| spread(seed, 100), unheard: [320.0, 4.0], waited: 100.0, off: [4.5, 0.05] },
    Profile { network: |seed, _| spread(seed, 200), unheard: [670.0, 6.0], waited: 200.0, off: [9.0, 0.2] },
    // Single spikes are not worth a longer delay; stalls that come again are, up to their length.
    Profile { network: |_, at| stalled(at, 150, 10_000), unheard: [9.0, 8.0], waited: 8.0, off: [0.3, 0.27] },
    Profile { network: |_, at| stalled(at, 80, 1000), unheard: [20.0, 4.0], waited: 85.0, off: [0.35, 0.05] },
    Profile { network: |_, at| stalled(at, 200, 2000), unheard: [70.0, 20.0], waited: 200.0, off: [1.2, 0.25] },
    // One packet in twenty is overtaken.
    Profile { network: |seed, _| Some(if seed.per_mille(50) { 50 * MS } else { 20 * MS }), unheard: [0.0, 1.0], waited: 45.0, off: [0.0, 0.02] },
    // Senders whose clocks are off by 500 ppm.
    Profile { network: |_, at| Some(60 * MS - at / 2000), unheard: [0.0, 0.0], waited: 12.0, off: [0.0, 0.05] },
    Profile { network: |_, at| Some(20 * MS + at / 2000), unheard: [0.0, 5.0], waited: 22.0, off: [0.0, 0.08] },
];

#[test]
fn it_waits_no_longer_than_the_network_wants_and_loss_is_half_as_bad() {
    let clean = speech();
    for (n, profile) in PROFILES.iter().enumerate() {
        for frame in [80, 160] {
            let (mut seed, mut same) = (Seed(1), Seed(1));
            let before = fixed(&clean, 160, &mut |n| (profile.network)(&mut seed, 160 * n as i64));
            let travels = &mut |n| (profile.network)(&mut same, 160 * n as i64);
            let out = Wire { ptime: 160, frame, travels }.carry(&clean);
            let after = (out.nearness(&clean, frame), out.concealed());
            let waited = out.waited(frame);
            let told = format!("{n}, frames of {frame}: {before:?}, {after:?} after {waited:.1} ms");
            let most = |of: (Nearness, f64)| [of.0.distance, of.1 * 1000.0];
            for (at, of) in [before, after].into_iter().enumerate() {
                let [off, unheard] = most(of);
                assert!(off <= profile.off[at] && unheard <= profile.unheard[at], "profile {told}");
            }
            assert!(waited <= profile.waited, "profile {told}");
            assert!(after.0.ratio >= 28.0, "profile {told}");
        }
    }
}

/// 10 to 60 ms in, 10 to 60 ms out, through jitter of 15 ms: whatever is asked for, all of it is heard.
#[test]
fn packets_and_frames_of_all_lengths_go_together() {
    let clean = speech();
    for ptime in [80, 160, 240, 320, 480] {
        for frame in [80, 160, 240, 320, 480] {
            let mut seed = Seed(2);
            let out = Wire { ptime, frame, travels: &mut |_| spread(&mut seed, 15) }.carry(&clean);
            let (near, waited) = (out.nearness(&clean, frame), out.waited(frame));
            let told = format!("{ptime} in, {frame} out: {near:?}, {} concealed, {waited:.1} ms", out.concealed());
            assert!(near.ratio > 33.0 && near.distance < 0.1 && out.concealed() < 0.01, "{told}");
            // The longer of both, the jitter, and what is too little to be worth a change.
            assert!(waited <= (ptime.max(frame) as f64 / 8.0) + 15.0 + 8.0, "{told}");
        }
    }
}

/// What was lost of a steady sound is as if it had not been.
#[test]
fn a_tone_through_loss_stays_a_tone() {
    for hertz in [200.0, 425.0, 1000.0, 1750.0] {
        let clean = sine(hertz, 80_000);
        let mut seed = Seed(3);
        let out = Wire { ptime: 160, frame: 160, travels: &mut |_| lossy(&mut seed, 50) }.carry(&clean);
        let heard = tone::level(&out.sound[16_000..], hertz);
        let rest = out.sound[16_000..].chunks_exact(160).map(power).fold(f64::INFINITY, f64::min);
        assert!((heard + 13.0).abs() < 0.5, "{hertz} Hz at {heard:.1} dBm0");
        assert!(rest > 0.4 * power(&clean), "{hertz} Hz: {:.2} at its quietest", rest / power(&clean));
    }
}
