//! Several heard at once: who listens, who whispers, who joins in, and what that does to the two who talk.

use super::*;

const S: LegId = LegId(3);
const HERTZ: [(LegId, f64); 3] = [(A, 400.0), (B, 700.0), (S, 1_200.0)];

/// A and B talk; S is there too.
fn three() -> Rig {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.open(S);
    rig.command(Command::Connect { leg: S, audio: audio(S, Codec::Pcmu) });
    rig
}

impl Rig {
    fn hears(&mut self, leg: LegId, from: &[LegId]) {
        self.command(Command::Hear { leg, from: from.to_vec() });
    }

    /// All three say their tones for so many frames, from packet `first` on, less those that `lost` says.
    fn all_say(&mut self, first: u16, frames: u16, lost: impl Fn(LegId, u16) -> bool) {
        for frame in first..first + frames {
            for (leg, hertz) in HERTZ {
                let codec = if leg == S { Codec::Pcmu } else { Codec::Pcma };
                let payload_type = if leg == S { 0 } else { 8 };
                let from = usize::from(frame) * 160;
                let said: Vec<i16> = tone::Sine::new(hertz, -13.0).skip(from).take(160).collect();
                let said: Vec<u8> =
                    said.into_iter().map(|sample| g711::encode(codec.g711().unwrap(), sample)).collect();
                if !lost(leg, frame) {
                    self.hear(leg, phone(leg), &packet(frame, u32::from(frame) * 160, payload_type, &said));
                }
            }
            self.pass(FRAME);
        }
    }

    /// How loud each of the three is in the last second a leg heard, in dBm0; and forgets it.
    fn loud(&mut self, leg: LegId) -> [f64; 3] {
        let codec = if leg == S { Codec::Pcmu } else { Codec::Pcma };
        let codes = self.codes(leg);
        self.rtp.retain(|got| got.leg != leg);
        let last = &codes[codes.len().saturating_sub(8_000)..];
        HERTZ.map(|(_, hertz)| level(codec, last, hertz))
    }
}

/// Which of them is heard at the level it was said at; the others not at all.
fn assert_heard(levels: [f64; 3], who: &[LegId]) {
    for ((leg, _), level) in HERTZ.into_iter().zip(levels) {
        let heard = who.contains(&leg);
        assert!(if heard { (level + 13.0).abs() < 1.0 } else { level < -45.0 }, "{leg:?} of {who:?}: {levels:?}");
    }
}

#[test]
fn who_listens_hears_both_and_neither_is_touched() {
    let mut rig = three();
    rig.hears(S, &[A, B]);
    rig.all_say(0, 100, |_, _| false);
    let said = |hertz| tone::Sine::new(hertz, -13.0).take(16_000).map(g711::encode_a).collect::<Vec<u8>>();
    assert_eq!((rig.codes(B), rig.codes(A)), (said(400.0), said(700.0)), "bit for bit");
    rig.assert_unbroken(S);
    let first = rig.got(S)[0].at;
    assert!(first.since(Time::from_secs(1_000)) <= Duration::from_millis(81), "heard soon: {first:?}");
    assert_heard(rig.loud(S), &[A, B]);
}

#[test]
fn a_whisper_is_heard_by_one_and_who_joins_in_by_all() {
    let mut rig = three();
    rig.hears(S, &[A, B]);
    rig.hears(B, &[A, S]);
    rig.all_say(0, 75, |_, _| false);
    assert_heard(rig.loud(A), &[B]);
    assert_heard(rig.loud(B), &[A, S]);
    assert_heard(rig.loud(S), &[A, B]);
    rig.hears(A, &[B, S]);
    rig.all_say(75, 75, |_, _| false);
    assert_heard(rig.loud(A), &[B, S]);
    assert_heard(rig.loud(B), &[A, S]);
    for leg in [A, B] {
        rig.hears(leg, &[]);
    }
    rig.all_say(150, 75, |_, _| false);
    for leg in [A, B, S] {
        rig.assert_unbroken(leg);
    }
    assert_heard(rig.loud(A), &[B]);
    assert_heard(rig.loud(B), &[A]);
}

#[test]
fn loss_of_one_is_silence_of_that_one_only() {
    let mut rig = three();
    rig.hears(S, &[A, B]);
    rig.all_say(0, 100, |leg, frame| leg == A && frame >= 25);
    rig.assert_unbroken(S);
    assert_heard(rig.loud(S), &[B]);
    rig.all_say(100, 100, |_, _| false);
    assert_heard(rig.loud(S), &[A, B]);
}

#[test]
fn who_leaves_is_missed_and_who_hears_nobody_any_more_hears_its_partner() {
    let mut rig = three();
    rig.hears(S, &[A, B]);
    rig.hears(B, &[A, S]);
    rig.all_say(0, 60, |_, _| false);
    rig.command(Command::Close { leg: S });
    rig.all_say(60, 60, |leg, _| leg == S);
    assert_heard(rig.loud(B), &[A]);
    rig.command(Command::Close { leg: A });
    let before = rig.got(B).len();
    rig.all_say(120, 20, |leg, _| leg != B);
    assert_eq!(rig.got(B).len(), before, "nobody is left, nothing is sent");
    rig.hears(LegId(77), &[A]);
    assert_eq!(rig.worker.counters().strays, 1);
}

#[test]
fn a_prompt_is_heard_instead_and_the_mix_after_it() {
    let mut rig = three();
    rig.hears(S, &[A, B]);
    rig.all_say(0, 30, |_, _| false);
    rig.play(S, 1, vec![prompt("short")], false);
    rig.all_say(30, 80, |_, _| false);
    rig.assert_unbroken(S);
    assert!(rig.events.iter().any(|(_, event)| matches!(event, Event::PlayEnded { .. })));
    assert_heard(rig.loud(S), &[A, B]);
}

/// What was lost is not heard as a hole, and on a calm network sound waits for its packet and the next frame, no longer.
#[test]
fn lost_packets_leave_no_holes_and_nothing_waits_long() {
    let mut rig = three();
    rig.hears(S, &[A]);
    rig.all_say(0, 200, |leg, frame| leg != A || frame % 10 == 7);
    let codes = rig.codes(S);
    let quietest = codes[8_000..].chunks_exact(160).map(|frame| level(Codec::Pcmu, frame, 400.0)).fold(0.0, f64::min);
    assert!((quietest + 13.0).abs() < 3.0, "{quietest:.1} dBm0");
    rig.rtp.clear();
    let (said, click) = (rig.now, [g711::encode_a(-32_000); 160]);
    rig.hear(A, phone(A), &packet(200, 200 * 160, 8, &click));
    rig.pass(FRAME * 4);
    let loud = |got: &&&Got| got.payload.iter().any(|code| g711::decode_u(*code) < -20_000);
    let heard = rig.got(S).iter().find(loud).unwrap().at;
    assert!(heard.since(said) <= FRAME + FRAME / 2, "heard after {:?}", heard.since(said));
}

/// Packets of 10 to 60 ms in, frames of 10 to 60 ms out.
#[test]
fn every_length_of_packets_is_heard_in_every_length_of_frames() {
    for ptime in [10u16, 20, 30, 40, 60] {
        for heard_in in [10u8, 20, 30, 40, 60] {
            let mut rig = three();
            rig.command(Command::Connect { leg: S, audio: Audio { ptime_ms: heard_in, ..audio(S, Codec::Pcmu) } });
            rig.hears(S, &[A]);
            let said: Vec<u8> = tone::Sine::new(400.0, -13.0).take(16_000).map(g711::encode_a).collect();
            for (n, codes) in said.chunks_exact(usize::from(ptime) * 8).enumerate() {
                rig.hear(A, phone(A), &packet(n as u16, n as u32 * u32::from(ptime) * 8, 8, codes));
                rig.pass(MS * ptime.into());
            }
            rig.assert_unbroken(S);
            assert!(rig.got(S).iter().all(|got| got.payload.len() == usize::from(heard_in) * 8));
            let codes = rig.codes(S);
            let parts = codes[4_000..].chunks_exact(160).map(|part| level(Codec::Pcmu, part, 400.0));
            let quietest = parts.fold(0.0, f64::min);
            assert!((quietest + 13.0).abs() < 1.5, "{ptime} ms in {heard_in} ms: {quietest:.1} dBm0");
        }
    }
}

/// RFC 3389: a phone that pauses tells how its silence sounds, asked or not.
#[test]
fn comfort_noise_is_heard_in_a_mix_and_not_in_the_way_of_the_relay() {
    let mut rig = three();
    rig.hears(S, &[A]);
    let speech = tone_codes(Codec::Pcma, 400.0);
    for spurt in 0..4u16 {
        let (first, time) = (spurt * 26, u32::from(spurt) * 8_000);
        for frame in 0..50u16 {
            let timestamp = time + u32::from(frame) * 160;
            match frame {
                0..25 => rig.hear(A, phone(A), &packet(first + frame, timestamp, 8, &speech[..160])),
                25 => rig.hear(A, phone(A), &packet(first + frame, timestamp, 13, &[50])),
                _ => {}
            }
            rig.pass(FRAME);
        }
    }
    let stats = rig.worker.stats(A).unwrap();
    assert_eq!((stats.packets_in, stats.refused_in, stats.lost_in), (4 * 26, 0, 0));
    rig.assert_unbroken(B);
    assert_eq!(rig.got(B).len(), 4 * 25, "no partner has asked for it");
    assert!(rig.got(B).iter().all(|got| got.header.payload_type == 8));
    let codes = rig.codes(S);
    let pause: Vec<f64> =
        codes[codes.len() - 3_200..].iter().map(|code| f64::from(g711::decode_u(*code)).powi(2)).collect();
    let dbov = 10.0 * (pause.iter().sum::<f64>() / 3_200.0).log10() - 20.0 * 32_767f64.log10();
    assert!((dbov + 50.0).abs() < 1.5, "{dbov:.1} dBov");
}
