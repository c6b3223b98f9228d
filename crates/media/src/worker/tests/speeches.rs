//! A leg whose peer is a program: what it says and hears.

use super::*;
use crate::program::NOWHERE;
use crate::speech::{MARKS_MAX, WAITING_MAX};
use crate::{Limits, Live, Taped, Track};

const FORK: ForkId = ForkId(9);
/// The program's leg.
const P: LegId = LegId(5);

impl Rig {
    /// A phone at A that talks with a program, and one at B that does not.
    fn with_program(codec: Codec) -> Rig {
        let mut rig = Rig::pair(codec, codec);
        rig.command(Command::Program { leg: P, side: Side::Agent, fork: FORK });
        rig.command(Command::Connect {
            leg: P,
            audio: Audio { remote: NOWHERE, remote_rtcp: NOWHERE, ..audio(P, Codec::Pcma) },
        });
        rig.command(Command::Bridge { a: A, b: P });
        rig
    }

    fn said(&mut self, sound: Vec<i16>, mark: Option<&str>) {
        self.command(Command::Say { leg: P, fork: FORK, sound, mark: mark.map(Name::from) });
    }

    /// What the program is told beside sound; and that without a hole.
    fn told(&mut self) -> (Vec<Live>, Vec<i16>) {
        let (mut told, mut sound, mut next) = (Vec::new(), Vec::new(), None);
        for taped in std::iter::from_fn(|| self.worker.poll_tape()) {
            match taped {
                Taped::Live { fork: FORK, live: Live::Heard { track: Track::Left, at, sound: frame } } => {
                    assert!(next.is_none_or(|next| next == at), "no hole");
                    next = Some(at + frame.len() as u64);
                    sound.extend(frame);
                }
                Taped::Live { fork: FORK, live } => told.push(live),
                Taped::Sound { .. } | Taped::End { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        (told, sound)
    }

    fn heard(&mut self, codec: Codec) -> Vec<i16> {
        let codes = self.codes(A);
        self.rtp.clear();
        samples(codec, &codes)
    }
}

fn sine(hertz: f64, samples: usize) -> Vec<i16> {
    tone::Sine::new(hertz, -10.0).take(samples).collect()
}

#[test]
fn a_phone_hears_a_program_after_40_ms_and_silence_behind_it_without_an_end() {
    for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722] {
        let mut rig = Rig::with_program(codec);
        rig.said(sine(1000.0, 4000), None);
        rig.pass(Duration::from_secs(2));
        rig.assert_unbroken(A);
        let heard = rig.heard(codec);
        assert!(heard.len() > 15_900, "packets go on: {}", heard.len());
        assert!(heard[..320].iter().chain(&heard[4400..]).all(|sample| sample.abs() <= 60), "{codec:?}");
        assert!((tone::level(&heard[400..4200], 1000.0) + 10.0).abs() < 0.3);
        assert!(rig.rtp.iter().all(|got| got.leg != P), "nothing is sent to it");
    }
}

#[test]
fn a_program_hears_its_partner_in_any_codec_and_whoever_it_is_said_to() {
    for (codec, payload_type) in [(Codec::Pcma, 8), (Codec::Pcmu, 0), (Codec::G722, 9)] {
        let mut rig = Rig::with_program(codec);
        rig.say(A, payload_type, 0, &tone_codes(codec, 400.0));
        let (_, heard) = rig.told();
        assert_eq!(heard.len(), 4000, "a frame each 20 ms");
        assert!((tone::level(&heard[800..], 400.0) + 10.0).abs() < 0.3, "{codec:?}");
    }
    let mut rig = Rig::with_program(Codec::Pcma);
    let talk = |rig: &mut Rig, from: u16| {
        for n in from..from + 50 {
            for (leg, hertz) in [(A, 400.0), (B, 1000.0)] {
                let codes = &tone_codes(Codec::Pcma, hertz)[..160];
                rig.hear(leg, phone(leg), &packet(n, u32::from(n) * 160, 8, codes));
            }
            rig.pass(FRAME);
        }
        let heard = rig.told().1;
        [400.0, 1000.0].map(|hertz| tone::level(&heard[4000..], hertz) > -20.0)
    };
    assert_eq!(talk(&mut rig, 0), [true, false]);
    rig.command(Command::Hear { leg: P, from: vec![A, B] });
    rig.command(Command::Bridge { a: A, b: P });
    assert_eq!(talk(&mut rig, 50), [true, true], "a guest is heard too");
    rig.command(Command::Hear { leg: P, from: vec![] });
    assert_eq!(talk(&mut rig, 100), [true, false], "its partner again");
    rig.command(Command::Unbridge { leg: A });
    assert_eq!(talk(&mut rig, 150), [false, false]);
    rig.command(Command::Bridge { a: P, b: B });
    assert_eq!(talk(&mut rig, 200), [false, true], "the next one");
    rig.command(Command::Close { leg: B });
    assert_eq!(talk(&mut rig, 250), [false, false], "nobody is there any more");
    rig.command(Command::Close { leg: P });
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.told().1.len(), 0);
}

#[test]
fn a_program_goes_on_in_another_worker_without_a_gap() {
    let mut rig = Rig::with_program(Codec::Pcma);
    rig.said(sine(1000.0, 8000), None);
    rig.pass(MS * 500);
    let moved = rig.worker.release(rig.now, P).unwrap();
    rig.worker.adopt(moved);
    rig.command(Command::Bridge { a: A, b: P });
    rig.pass(MS * 700);
    rig.assert_unbroken(A);
    let heard = rig.heard(Codec::Pcma);
    assert!((tone::level(&heard[400..8000], 1000.0) + 10.0).abs() < 0.3);
    assert_eq!(rig.told().1.len(), 1200 * 8);
}

#[test]
fn nobody_else_speaks_for_a_program() {
    let mut rig = Rig::with_program(Codec::Pcma);
    for from in [phone(P), phone(A), "0.0.0.0:9".parse().unwrap()] {
        rig.hear(P, from, &packet(0, 0, 8, &[0x11; 160]));
    }
    rig.hear(A, NOWHERE, &packet(0, 0, 8, &[0x11; 160]));
    rig.pass(MS * 100);
    assert!(rig.heard(Codec::Pcma).iter().all(|sample| sample.abs() <= 8));
    assert_eq!(rig.worker.stats(P).unwrap().refused_in, 3);
    assert_eq!(rig.worker.stats(A).unwrap().refused_in, 1);
}

#[test]
fn what_a_program_says_while_its_partner_hears_a_prompt_is_heard_behind_it() {
    let mut rig = Rig::with_program(Codec::Pcma);
    rig.play(A, 4, vec![prompt("long")], false);
    rig.said(sine(1000.0, 1600), Some("all"));
    rig.pass(MS * 100);
    assert_eq!(rig.codes(A)[..800], [0x11; 800]);
    assert_eq!(rig.told().0, []);
    rig.rtp.clear();
    rig.pass(MS * 300);
    let heard = rig.heard(Codec::Pcma);
    assert!(heard.iter().filter(|sample| sample.abs() > 1000).count() >= 1200, "all of it");
    assert_eq!(rig.told().0, [Live::Reached("all".into())]);
}

#[test]
fn a_program_is_on_tape_as_it_was_heard() {
    let mut rig = Rig::with_program(Codec::Pcma);
    let (tape, since) = (TapeId(3), rig.now);
    let record = |track| Command::Record { leg: P, tape, track, since, limits: Limits::default() };
    rig.command(record(Track::Right));
    rig.said(sine(1000.0, 4000), None);
    rig.pass(Duration::from_secs(1));
    rig.command(Command::StopRecord { leg: P, tape });
    let mut taped: Vec<u8> = vec![];
    for one in std::iter::from_fn(|| rig.worker.poll_tape()) {
        if let Taped::Sound { sound, track: Track::Right, .. } = one {
            taped.extend(sound);
        }
    }
    let taped = samples(Codec::Pcma, &taped);
    assert!((tone::level(&taped[400..4200], 1000.0) + 10.0).abs() < 0.3, "{}", taped.len());
}

#[test]
fn marks_are_reached_when_all_before_them_was_heard_or_is_hushed() {
    let mut rig = Rig::with_program(Codec::Pcma);
    rig.said(sine(1000.0, 800), Some("one"));
    rig.said(sine(1000.0, 8000), Some("two"));
    rig.said(vec![], Some("three"));
    rig.pass(MS * 160);
    assert_eq!(rig.told().0, [Live::Reached("one".into())]);
    rig.pass(MS * 300);
    assert_eq!(rig.told().0, []);
    rig.command(Command::Hush { leg: P, fork: ForkId(3) });
    rig.command(Command::Hush { leg: P, fork: FORK });
    rig.rtp.clear();
    rig.pass(MS * 40);
    assert_eq!(rig.told().0, [Live::Reached("two".into()), Live::Reached("three".into())]);
    assert!(rig.heard(Codec::Pcma).iter().all(|sample| sample.abs() <= 8), "the caller interrupted it");
}

#[test]
fn there_is_room_for_30_s_and_64_marks_and_what_is_too_much_is_told() {
    let mut rig = Rig::with_program(Codec::Pcma);
    rig.said(vec![1000; WAITING_MAX - 10], None);
    rig.said(vec![1000; 15], None);
    assert_eq!(rig.told().0, [Live::Unsaid(5)]);
    (0..=MARKS_MAX).for_each(|n| rig.said(vec![], Some(&n.to_string())));
    assert_eq!(rig.told().0, [Live::Reached("0".into())], "given up for the last");
    rig.command(Command::Say { leg: LegId(7), fork: FORK, sound: vec![1], mark: None });
    assert_eq!(rig.worker.counters().strays, 1);
    rig.command(Command::Say { leg: A, fork: FORK, sound: vec![1], mark: Some("late".into()) });
    assert_eq!(rig.told().0, [], "not its leg");
    rig.pass(Duration::from_secs(31));
    assert_eq!(rig.told().0.len(), MARKS_MAX);
}
