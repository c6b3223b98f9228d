//! What a phone said is on the tape at its time, whatever the line did to it; and tapes are heard again.

use super::*;
use crate::{Limits, TapeEnd, Taped, Track, keypad};
use busyhour_model::TapeId;

const TAPE: TapeId = TapeId(5);
const SILENCE: u8 = 0xD5;

impl Rig {
    fn record(&mut self, limits: Limits) {
        self.record_on(A, TAPE, Track::Mono, self.now, limits);
    }

    fn record_on(&mut self, leg: LegId, tape: TapeId, track: Track, since: Time, limits: Limits) {
        self.command(Command::Record { leg, tape, track, since, limits });
    }

    /// The samples of a track by their place, and where it ended; hand-outs follow one another without a hole.
    fn taped(&mut self, wanted: Track) -> (u64, Vec<u8>, Option<u64>) {
        let (mut first, mut all, mut end) = (None, vec![], None);
        let taped: Vec<Taped> = std::iter::from_fn(|| self.worker.poll_tape()).collect();
        for one in taped {
            match one {
                Taped::Sound { track, at, sound, .. } if track == wanted => {
                    assert!(end.is_none() && sound.len() <= 8000 + 1600);
                    assert_eq!(*first.get_or_insert(at) + all.len() as u64, at, "no hole");
                    all.extend(sound);
                }
                Taped::End { track, at, .. } if track == wanted => end = Some(at),
                _ => {}
            }
        }
        all.truncate(end.map_or(usize::MAX, |end| (end - first.unwrap_or(end)) as usize));
        (first.unwrap_or(0), all, end)
    }

    fn tape_ends(&self) -> Vec<(TapeEnd, u64, u64)> {
        let end = |(_, event): &(Time, Event)| match event {
            Event::TapeEnded { end, ms, voice_ms, .. } => Some((*end, *ms, *voice_ms)),
            _ => None,
        };
        self.events.iter().filter_map(end).collect()
    }

    /// Frame `sequence` of a phone whose clock began with 0 comes now.
    fn frame(&mut self, sequence: u16, code: u8) {
        self.hear(A, phone(A), &packet(sequence, sequence as u32 * 160, 8, &[code; 160]));
    }
}

/// Eight seconds of frames, each of its own code.
fn speech(frames: u16) -> Vec<u8> {
    (0..frames).flat_map(|frame| [frame as u8; 160]).collect()
}

#[test]
fn what_was_said_is_on_the_tape_of_a_law_bit_for_bit_in_any_codec() {
    for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722] {
        let payload_type = codec.assigned().1;
        let mut rig = Rig::pair(codec, codec);
        rig.record(Limits::default());
        rig.pass(FRAME);
        let said = if codec == Codec::Pcma { speech(400) } else { tone_codes(codec, 400.0) };
        rig.say(A, payload_type, 65_500, &said);
        rig.command(Command::StopRecord { leg: A, tape: TAPE });
        let (_, sound, end) = rig.taped(Track::Mono);
        assert_eq!(end, Some(said.len() as u64 + 160));
        if codec == Codec::Pcma {
            assert_eq!(sound[..said.len()], said);
        } else {
            assert!((level(Codec::Pcma, &sound, 400.0) + 10.0).abs() < 0.5, "{codec:?}");
        }
        assert_eq!(rig.tape_ends()[0].0, TapeEnd::Stopped);
    }
}

#[test]
fn lost_and_reordered_packets_shift_nothing() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(Limits::default());
    for sequence in 0..200u16 {
        rig.pass(FRAME);
        match sequence {
            10..20 | 100 => {}
            // 51 overtakes 50; 60 comes 160 ms late, 80 too late.
            50 => {}
            51 => [51, 50].into_iter().for_each(|s| rig.frame(s, s as u8)),
            60 | 80 => {}
            68 => [68, 60].into_iter().for_each(|s| rig.frame(s, s as u8)),
            130 => [130, 80].into_iter().for_each(|s| rig.frame(s, s as u8)),
            s => rig.frame(s, s as u8),
        }
    }
    rig.command(Command::StopRecord { leg: A, tape: TAPE });
    let (_, sound, _) = rig.taped(Track::Mono);
    for (frame, codes) in sound.chunks(160).enumerate() {
        let lost = matches!(frame, 10..20 | 100 | 80);
        let code = if lost { SILENCE } else { frame as u8 };
        assert!(codes.iter().all(|c| *c == code), "frame {frame} is {:?}", &codes[..4]);
    }
    assert_eq!(sound.len(), 32_000);
}

#[test]
fn a_sender_that_starts_over_or_jumps_goes_on_at_the_time_it_is() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(Limits::default());
    let said = |rig: &mut Rig, ssrc: u32, timestamp: u32, sequence: u16, code: u8| {
        for i in 0..25u16 {
            rig.pass(FRAME);
            let (sequence, timestamp) = (sequence + i, timestamp.wrapping_add(i as u32 * 160));
            let mut bytes = vec![];
            Header { marker: false, payload_type: 8, sequence, timestamp, ssrc }.write(&[code; 160], &mut bytes);
            rig.hear(A, phone(A), &bytes);
        }
    };
    said(&mut rig, 1, u32::MAX - 1000, 7, 1);
    rig.pass(Duration::from_secs(2));
    said(&mut rig, 2, 99, 60_000, 2);
    said(&mut rig, 2, 5_000_000, 60_025, 3);
    rig.command(Command::StopRecord { leg: A, tape: TAPE });
    let (_, sound, _) = rig.taped(Track::Mono);
    let frames: Vec<u8> = sound.chunks(160).map(|codes| codes[0]).collect();
    let expected = [vec![1; 25], vec![SILENCE; 100], vec![2; 25], vec![3; 25]].concat();
    assert_eq!(frames, expected);
}

#[test]
fn a_phone_whose_clock_is_wrong_stays_in_step_by_20_ms() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(Limits::default());
    // 0.1 % too slow: 20 s lose a frame. A beep of one frame each second shows where it is.
    for sequence in 0..6_000u16 {
        rig.pass(FRAME + Duration::from_micros(20));
        rig.frame(sequence, if sequence % 50 == 0 { 1 } else { SILENCE });
    }
    rig.command(Command::StopRecord { leg: A, tape: TAPE });
    let (_, sound, _) = rig.taped(Track::Mono);
    let beeps = sound.iter().enumerate().filter(|(i, code)| **code == 1 && (*i == 0 || sound[i - 1] != 1));
    for (second, (at, _)) in beeps.enumerate() {
        let spoken = second as i64 * 8008;
        assert!((at as i64 - spoken).abs() <= 320, "beep {second} at {at}, not {spoken}");
    }
}

#[test]
fn a_recording_ends_by_length_silence_or_key_and_says_so_once() {
    let limits = || Limits {
        longest: Some(Duration::from_secs(3)),
        silence: Some(Duration::from_secs(1)),
        keys: "#".to_string(),
    };
    let loud = tone_codes(Codec::Pcma, 400.0);
    let quiet: Vec<u8> = tone::Sine::new(400.0, -50.0).take(40_000).map(g711::encode_a).collect();

    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(limits());
    (0..8).for_each(|i| rig.say(A, 8, i * 25, &loud));
    assert_eq!(rig.tape_ends(), [(TapeEnd::Longest, 3000, 2980)]);
    assert_eq!(rig.taped(Track::Mono).2, Some(24_000));

    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(limits());
    rig.say(A, 8, 0, &[loud.clone(), quiet].concat());
    assert_eq!(rig.tape_ends(), [(TapeEnd::Silence, 980, 480)]);
    assert_eq!(rig.taped(Track::Mono).2, Some(7840), "half a second of the silence is left");

    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(limits());
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.tape_ends(), [(TapeEnd::Silence, 500, 0)], "nobody spoke");

    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(limits());
    rig.say(A, 8, 0, &loud);
    for (sequence, digit) in [(25, 1), (30, 11), (40, 11)] {
        rig.hear(A, phone(A), &packet(sequence, sequence as u32 * 160, 101, &[digit, 10, 0, 160]));
    }
    assert_eq!(rig.tape_ends(), [(TapeEnd::Key('#'), 500, 480)]);
    assert_eq!(rig.digits(), "1##", "keys are told as ever");
    rig.command(Command::Close { leg: A });
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.tape_ends().len(), 1);
}

#[test]
fn keys_are_not_heard_on_the_tape_even_if_the_phone_sends_their_tone_as_well() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(Limits::default());
    for sequence in 0..30u16 {
        rig.pass(FRAME);
        if (10..15).contains(&sequence) {
            let held = ((sequence - 9) * 160).to_be_bytes();
            rig.hear(A, phone(A), &packet(100 + 2 * sequence, 1600, 101, &[3, 10, held[0], held[1]]));
        }
        rig.hear(A, phone(A), &packet(101 + 2 * sequence, sequence as u32 * 160, 8, &[1; 160]));
    }
    rig.command(Command::StopRecord { leg: A, tape: TAPE });
    let frames: Vec<u8> = rig.taped(Track::Mono).1.chunks(160).map(|codes| codes[0]).collect();
    assert_eq!(frames, [vec![1; 10], vec![SILENCE; 5], vec![1; 15]].concat());
}

#[test]
fn a_key_that_is_only_heard_as_its_tones_is_not_on_the_tape_either() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.connect_with(A, |audio| (audio.telephone_event, audio.tones) = (None, true));
    rig.record(Limits::default());
    rig.pass(FRAME);
    let key: Vec<u8> = keypad::tones().nth(5).unwrap().1;
    let quiet = vec![SILENCE; 4_000];
    let said = [&tone_codes(Codec::Pcma, 400.0)[..], &quiet, &key, &quiet, &tone_codes(Codec::Pcma, 400.0)].concat();
    rig.say(A, 8, 0, &said);
    rig.command(Command::StopRecord { leg: A, tape: TAPE });
    assert_eq!(rig.digits(), "5");
    let (_, sound, _) = rig.taped(Track::Mono);
    let at = tone_codes(Codec::Pcma, 400.0).len();
    let around = &sound[at..at + quiet.len() * 2 + key.len()];
    assert!(around.iter().all(|code| *code == SILENCE), "{:?}", around.iter().position(|code| *code != SILENCE));
    let voices = [&sound[..at], &sound[at + quiet.len() * 2 + key.len()..]];
    assert!(voices.iter().all(|voice| level(Codec::Pcma, voice, 400.0) > -13.0), "what is said before and after stays");
}

/// Agreed on telephone-events in the middle of a key, nobody listens for its end any more.
#[test]
fn a_key_cut_off_by_new_terms_silences_nothing_after_it() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.connect_with(A, |audio| (audio.telephone_event, audio.tones) = (None, true));
    rig.record(Limits::default());
    let key: Vec<u8> = keypad::tones().nth(5).unwrap().1;
    rig.pass(FRAME);
    rig.say(A, 8, 0, &key[..640]);
    rig.connect_with(A, |_| ());
    rig.say(A, 8, 4, &[1; 1_600]);
    rig.command(Command::StopRecord { leg: A, tape: TAPE });
    assert_eq!(rig.digits(), "5");
    assert!(rig.taped(Track::Mono).1[640..2_240].iter().all(|code| *code == 1));
}

#[test]
fn what_is_said_while_a_tape_is_paused_is_silence_and_the_time_runs_on() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.record(Limits::default());
    for sequence in 0..60u16 {
        if sequence == 20 || sequence == 40 {
            rig.command(Command::PauseRecord { leg: A, tape: TAPE, on: sequence == 20 });
        }
        rig.pass(FRAME);
        rig.frame(sequence, 1);
    }
    rig.command(Command::StopRecord { leg: A, tape: TAPE });
    let frames: Vec<u8> = rig.taped(Track::Mono).1.chunks(160).map(|codes| codes[0]).collect();
    assert_eq!(frames, [vec![1; 20], vec![SILENCE; 20], vec![1; 20]].concat());
}

#[test]
fn two_legs_on_one_tape_are_in_step_through_loss_hold_and_other_threads() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcmu);
    let since = rig.now;
    rig.record_on(A, TAPE, Track::Left, since, Limits::default());
    rig.pass(Duration::from_secs(1));
    rig.record_on(B, TAPE, Track::Right, since, Limits::default());
    let moved = rig.worker.release(rig.now, B).unwrap();
    rig.worker.adopt(moved);
    for second in 0..4u16 {
        // Both say the same at the same time; B's clock began elsewhere.
        for frame in 0..50u16 {
            rig.pass(FRAME);
            let sequence = second * 50 + frame;
            let code = if frame == 25 { 1 } else { SILENCE };
            if sequence % 7 != 0 || frame == 25 {
                rig.frame(sequence, code);
            }
            let code = if frame == 25 { g711::encode_u(g711::decode_a(1)) } else { 0xFF };
            rig.hear(B, phone(B), &packet(900 + sequence, 77_000 + sequence as u32 * 160, 0, &[code; 160]));
        }
    }
    rig.command(Command::Close { leg: B });
    rig.command(Command::Close { leg: A });
    let kept = rig.worker.clone();
    let beeps = |rig: &mut Rig, track| {
        let (first, sound, _) = rig.taped(track);
        let begins = |i: &usize| sound[*i] != SILENCE && sound[*i] != 0x55 && (*i == 0 || sound[i - 1] != sound[*i]);
        (0..sound.len()).filter(begins).map(|i| i as u64 + first).collect::<Vec<_>>()
    };
    let left = beeps(&mut rig, Track::Left);
    rig.worker = kept;
    let right = beeps(&mut rig, Track::Right);
    assert_eq!(left.len(), 4);
    assert_eq!(left, right);
    assert_eq!(left[0], 8000 + 25 * 160);
}

#[test]
fn an_unknown_leg_and_a_third_tape_fail_at_once() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    let since = rig.now;
    rig.record_on(LegId(99), TAPE, Track::Mono, since, Limits::default());
    for tape in 1..=3 {
        rig.record_on(A, TapeId(tape), Track::Mono, since, Limits::default());
    }
    assert_eq!(rig.tape_ends(), [(TapeEnd::Failed, 0, 0); 2]);
    rig.command(Command::Close { leg: A });
    assert_eq!(rig.tape_ends().len(), 4);
    assert!(matches!(rig.events.last(), Some((_, Event::Closed { .. }))), "tapes end before the leg is closed");
}

#[test]
fn tapes_and_words_are_waited_for_in_silence_and_passed_over_when_they_cannot_come() {
    let mut rig = Rig::pair(Codec::Pcmu, Codec::Pcma);
    let words = Sound::Spoken(busyhour_model::Words { language: "zh".into(), text: "您好".into() });
    let sounds = vec![prompt("short"), words.clone(), Sound::Tape(TapeId(6)), Sound::Tape(TAPE), words.clone()];
    rig.play(A, 1, sounds, false);
    let wanted: Vec<Taped> = std::iter::from_fn(|| rig.worker.poll_tape()).collect();
    let expected = [words.clone(), Sound::Tape(TapeId(6)), Sound::Tape(TAPE)];
    assert_eq!(wanted, expected.map(|sound| Taped::Wanted { leg: A, sound }));
    rig.pass(Duration::from_millis(100));
    for _ in 0..2 {
        // Asked for by a play before as well.
        rig.command(Command::Supply { leg: A, wanted: words.clone(), sound: Some([0x11; 80].into()) });
    }
    rig.command(Command::Supply { leg: A, wanted: Sound::Tape(TapeId(6)), sound: None });
    rig.pass(Duration::from_millis(100));
    rig.command(Command::Supply { leg: A, wanted: Sound::Tape(TAPE), sound: Some([0x33; 160].into()) });
    rig.pass(Duration::from_secs(1));
    let u = |code: u8| g711::encode_u(g711::decode_a(code));
    let heard = rig.codes(A);
    let silences = heard.iter().filter(|code| **code == 0xFF).count();
    let said: Vec<u8> = heard.into_iter().filter(|code| *code != 0xFF).collect();
    assert_eq!(said, [vec![u(0x22); 400], vec![u(0x11); 80], vec![u(0x33); 160], vec![u(0x11); 80]].concat());
    assert!((800..1_600).contains(&silences), "{silences}");
    assert!(rig.events.iter().any(|(_, event)| matches!(event, Event::PlayEnded { .. })));
    assert_eq!(rig.worker.counters().prompts_missing, 1);
}
