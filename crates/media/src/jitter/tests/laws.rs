//! What holds for whatever comes: nothing twice, no gap, no growth; and what a sender may do to its clock.

use super::*;

const FRAMES: [usize; 6] = [80, 120, 160, 240, 320, 480];

/// A sample that tells its place.
fn ramp(at: usize) -> i16 {
    (at * 7 % 60_000) as i16
}

/// What may happen.
#[derive(Clone, Debug)]
enum Input {
    Packet(u32, u32, usize),
    Comfort(u32, Vec<u8>),
    Pull(usize),
    Skip(u64),
}

fn inputs() -> impl Strategy<Value = Input> {
    let near = (0..40u32).prop_map(|n| n * 160);
    let timestamp = prop_oneof![9 => near, 1 => any::<u32>()];
    prop_oneof![
        8 => (1..3u32, timestamp.clone(), 0..700usize).prop_map(|(s, t, len)| Input::Packet(s, t, len)),
        1 => (timestamp, prop::collection::vec(any::<u8>(), 0..14)).prop_map(|(t, bytes)| Input::Comfort(t, bytes)),
        8 => (0..600usize).prop_map(Input::Pull),
        1 => (0..9000u64).prop_map(Input::Skip),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_sample_is_of_one_kind_and_nothing_grows(inputs in prop::collection::vec(inputs(), 1..300)) {
        let mut jitter = Jitter::default();
        let (mut pulled, mut skipped) = (0, 0);
        for (n, input) in inputs.into_iter().enumerate() {
            match input {
                Input::Packet(stream, at, len) => jitter.take(stream, at, (0..len).map(|n| ramp(at as usize + n))),
                Input::Comfort(at, bytes) => jitter.take_comfort(1, at, &bytes),
                Input::Pull(len) => {
                    jitter.pull(&mut vec![0; len]);
                    pulled += len as i64;
                }
                Input::Skip(len) => {
                    jitter.skip(len);
                    skipped += len as i64;
                }
            }
            if n % 50 == 7 {
                jitter = postcard::from_bytes(&postcard::to_allocvec(&jitter).unwrap()).unwrap();
            }
            let Counts { played, concealed, silent, inserted, dropped, .. } = jitter.counts();
            prop_assert_eq!(jitter.out, pulled + skipped);
            prop_assert_eq!(pulled, (played + concealed + silent) as i64);
            prop_assert_eq!(jitter.next, jitter.out + dropped as i64 - inserted as i64);
            prop_assert!(jitter.sound.len() <= ROOM, "{} samples wait", jitter.sound.len());
            prop_assert!(jitter.sound.last().is_none_or(|last| *last != MISSING));
            prop_assert!(jitter.held <= PERIOD_MAX);
        }
    }

    /// However packets are cut, delayed by up to 30 ms, reordered and doubled, and whatever is asked for: what is said is heard, all of
    /// it, once, in its order.
    #[test]
    fn what_comes_in_time_is_heard_bit_for_bit(
        ptime in prop::sample::select(FRAMES.to_vec()),
        frames in prop::collection::vec(prop::sample::select(FRAMES.to_vec()), 12..30),
        seed in any::<u64>(),
    ) {
        let mut seed = Seed(seed);
        let len: usize = frames.iter().sum::<usize>().min(6000);
        // The first is the slowest, and the first to come: the others know their places by it.
        let first = ptime as i64 + 90 * MS;
        let mut packets = vec![(first, 0)];
        for n in 1..len / ptime {
            for _ in 0..if seed.per_mille(100) { 2 } else { 1 } {
                let travels = seed.below(30 * MS as u64) as i64;
                packets.push((first.max(((n + 1) * ptime) as i64 + travels), n));
            }
        }
        packets.sort();
        let (mut jitter, mut heard, mut now) = (Jitter::default(), vec![], 0);
        let mut waiting = packets.into_iter().peekable();
        for frame in frames {
            now += frame as i64;
            while let Some((_, n)) = waiting.next_if(|(came, _)| *came <= now) {
                let timestamp = 0xFFFF_F000u32.wrapping_add((n * ptime) as u32);
                jitter.take(1, timestamp, (n * ptime..(n + 1) * ptime).map(ramp));
            }
            let mut buffer = vec![0; frame];
            jitter.pull(&mut buffer);
            heard.extend(buffer);
        }
        let begin = heard.windows(3).position(|three| three == [ramp(100), ramp(101), ramp(102)]);
        if let Some(begin) = begin {
            let Counts { played, late, .. } = jitter.counts();
            let played = played as usize - 100;
            prop_assert_eq!(late, 0);
            let said: Vec<i16> = (100..100 + played).map(ramp).collect();
            prop_assert!(heard[begin..begin + played] == said, "{} samples", played);
        } else {
            prop_assert!(jitter.counts().played < 103);
        }
    }
}

/// 24 hours with a sender whose clock is off: what waits stays as little as on the first minute.
#[test]
fn a_day_with_a_clock_that_is_off_ends_as_it_began() {
    let said: Vec<i16> = speech().into_iter().take(30 * 8000).collect();
    for ppm in [-100i64, 100, 1000] {
        let (mut jitter, mut buffer, mut sent) = (Jitter::default(), [0; 480], 0usize);
        let hours = if ppm == 100 { 24 } else { 3 };
        let (mut longest, mut room) = (0, 0);
        for now in (0..hours * 3600 * 8000i64).step_by(480) {
            while (sent as i64 + 1) * 480 * 1_000_000 / (1_000_000 + ppm) <= now {
                let from = sent * 480 % said.len();
                jitter.take(1, (sent * 480) as u32, said[from..from + 480].iter().copied());
                sent += 1;
            }
            jitter.pull(&mut buffer);
            if now == 60 * 8000 {
                room = jitter.sound.capacity();
            }
            longest = longest.max(if now > 60 * 8000 { jitter.delay() } else { 0 });
        }
        let Counts { played, concealed, silent, inserted, dropped, .. } = jitter.counts();
        let off = (hours * 3600 * 8000 * ppm / 1_000_000).abs();
        assert!(longest <= 80 * MS, "{ppm} ppm: {longest} samples waited");
        assert!(jitter.sound.capacity() <= room.max(2 * 480 + 80 * MS as usize), "{ppm} ppm: room grew");
        assert!(
            (dropped as i64 - inserted as i64 - off * ppm.signum()).abs() < 1000,
            "{ppm} ppm: what is off is made up"
        );
        let made = (concealed + silent) as f64 / played as f64;
        assert!(made < 0.001, "{ppm} ppm: {made} made up");
    }
}

/// Half a second of a worse network is enough to wait longer; a better one is believed after half a minute.
#[test]
fn the_delay_grows_quickly_and_shrinks_slowly() {
    let clean: Vec<i16> = speech().into_iter().cycle().take(120 * 8000).collect();
    let mut seed = Seed(4);
    let jitter = |n: usize| if (500..1000).contains(&n) { 100 } else { 5 };
    let travels = &mut |n| Some(20 * MS + seed.below(jitter(n) * MS as u64) as i64);
    let out = Wire { ptime: 160, frame: 160, travels }.carry(&clean);
    let at = |seconds: f64| out.delays[(seconds * 50.0) as usize] / MS;
    let table = [(9.9, 0, 30), (10.7, 60, 110), (19.9, 80, 110), (24.0, 60, 110), (55.0, 0, 30), (119.0, 0, 30)];
    for (seconds, least, most) in table {
        assert!((least..=most).contains(&at(seconds)), "{} ms after {seconds} s", at(seconds));
    }
}

/// Jitter of 600 ms: half of that is waited, what is later is lost, and nothing more waits.
#[test]
fn no_network_makes_it_wait_longer_than_the_most() {
    let clean: Vec<i16> = speech().into_iter().cycle().take(60 * 8000).collect();
    let mut seed = Seed(5);
    let travels = &mut |_| Some(20 * MS + seed.below(600 * MS as u64) as i64);
    let out = Wire { ptime: 160, frame: 160, travels }.carry(&clean);
    let longest = *out.delays.iter().max().unwrap();
    assert!((DELAY_MAX - 160..=DELAY_MAX + 160).contains(&longest), "{longest} samples");
    assert!(out.jitter.sound.capacity() <= 2 * ROOM);
    let Counts { late, played, .. } = out.jitter.counts();
    assert!(late > played / 3 && played > late, "{late} late, {played} played");
}

/// Says the ramp from sample `from` on in packets of 20 ms with these timestamps; what is heard meanwhile.
fn say(jitter: &mut Jitter, stream: u32, timestamp: u32, frames: usize) -> Vec<i16> {
    let mut heard = vec![];
    for n in 0..frames {
        let at = timestamp.wrapping_add(n as u32 * 160);
        jitter.take(stream, at, (0..160).map(|n| ramp((at.wrapping_add(n) % 1_000_000) as usize)));
        let mut buffer = [0; 160];
        jitter.pull(&mut buffer);
        heard.extend(buffer);
    }
    heard
}

/// A new stream, and a clock that jumps far ahead or back, is heard from its first packet on; one that jumps back a little soon.
#[test]
fn a_sender_that_starts_over_is_heard_again() {
    let jumps = [(2, 77), (1, 500_000), (1, 90_000), (1, 160), (1, 4_000_000_000), (1, 84_800), (1, 77_600)];
    for (stream, timestamp) in jumps {
        let mut jitter = Jitter::default();
        say(&mut jitter, 1, 72_000, 50);
        let heard = say(&mut jitter, stream, timestamp, 30);
        let lost = if timestamp == 77_600 { 12 } else { 0 };
        let sought = |n: u32| ramp((timestamp.wrapping_add(n * 160 + 100) % 1_000_000) as usize);
        let told = format!("stream {stream} at {timestamp}");
        assert!((lost..25).all(|n| heard.contains(&sought(n))), "{told}");
        assert!(jitter.delay() <= DELAY_FIRST + 20, "{told}: {}", jitter.delay());
    }
}

/// More than may wait at once, and a stream that is asked for nothing: the newest is kept.
#[test]
fn no_more_waits_than_there_is_room_for() {
    let mut jitter = Jitter::default();
    for n in 0..500u32 {
        jitter.take(1, n * 160, [7; 160].into_iter());
        assert!(jitter.sound.len() <= ROOM);
    }
    assert!(jitter.sound.len() > 160);
    let mut buffer = [0; 160];
    (0..30).for_each(|_| jitter.pull(&mut buffer));
    assert!(jitter.counts().played > 0);
}

/// A sender that pauses: what it says is heard from its first sample on, its pause as the noise it told.
#[test]
fn a_pause_sounds_as_it_was_told() {
    for (told, dbm0) in [(Some(40u8), -40.0 + 6.18), (Some(65), -65.0 + 6.18), (None, -90.0)] {
        let (mut jitter, mut pauses) = (Jitter::default(), vec![]);
        for spurt in 0..8u32 {
            let begin = spurt * 8000;
            for n in 0..50u32 {
                match n {
                    0..25 => jitter.take(1, begin + n * 160, sine(500.0, 160).into_iter()),
                    25 => told.iter().for_each(|level| jitter.take_comfort(1, begin + n * 160, &[*level])),
                    _ => {}
                }
                let mut buffer = [0; 160];
                jitter.pull(&mut buffer);
                if spurt > 3 && (32..49).contains(&n) {
                    pauses.extend(buffer);
                }
            }
        }
        let level = 10.0 * power(&pauses).max(0.1).log10() - 20.0 * tone::amplitude(0.0).log10() + 3.01;
        let near = if told.is_some() { (level - dbm0).abs() < 1.5 } else { level < -80.0 };
        assert!(near, "{told:?}: {level:.1} dBm0");
        let Counts { played, concealed, .. } = jitter.counts();
        // Once the first second is over, a little is left out to wait less.
        assert!((32_000 - 320..=32_000).contains(&played), "{told:?}: {played} played");
        let most = if told.is_some() { 0 } else { 8 * (480 + 160) };
        assert!(concealed <= most, "{told:?}: {concealed} concealed");
    }
}
