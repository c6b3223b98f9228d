//! What a leg hears of a program that speaks.

use super::*;
use crate::speech::{MARKS_MAX, WAITING_MAX};
use crate::{Live, Taped};

const FORK: ForkId = ForkId(9);

impl Rig {
    /// A leg that listens to a program.
    fn listening(codec: Codec) -> Rig {
        let mut rig = Rig::pair(codec, codec);
        rig.command(Command::Listen { leg: A, fork: FORK });
        rig
    }

    fn said(&mut self, sound: Vec<i16>, mark: Option<&str>) {
        self.command(Command::Say { leg: A, fork: FORK, sound, mark: mark.map(Name::from) });
    }

    /// What the program is told.
    fn told(&mut self) -> Vec<Live> {
        std::iter::from_fn(|| self.worker.poll_tape())
            .map(|taped| match taped {
                Taped::Live { fork: FORK, live } => live,
                other => panic!("{other:?}"),
            })
            .collect()
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
fn a_leg_hears_a_program_after_40_ms_and_silence_behind_it_without_an_end() {
    for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722] {
        let mut rig = Rig::listening(codec);
        rig.said(sine(1000.0, 4000), None);
        rig.pass(Duration::from_secs(2));
        rig.assert_unbroken(A);
        let heard = rig.heard(codec);
        assert!(heard.len() > 15_900, "packets go on: {}", heard.len());
        assert!(heard[..320].iter().chain(&heard[4400..]).all(|sample| sample.abs() <= 60), "{codec:?}");
        assert!((tone::level(&heard[400..4200], 1000.0) + 10.0).abs() < 0.3);
    }
}

#[test]
fn sound_that_comes_in_pieces_is_one_sound_and_nothing_relayed_is_heard_meanwhile() {
    let mut rig = Rig::listening(Codec::Pcma);
    rig.command(Command::Bridge { a: A, b: B });
    for piece in sine(1000.0, 8000).chunks(161) {
        rig.said(piece.to_vec(), None);
        rig.say(B, 8, 0, &[0x11; 160]);
    }
    let heard = rig.heard(Codec::Pcma);
    assert!((tone::level(&heard[320..7000], 1000.0) + 10.0).abs() < 0.3, "no gap at any piece");
    rig.command(Command::Unfork { leg: A, fork: FORK });
    rig.say(B, 8, 60, &[0x11; 160]);
    assert_eq!(rig.codes(A), [0x11; 160], "the partner is heard again");
    rig.said(sine(1000.0, 800), Some("late"));
    assert_eq!(rig.told(), [], "nobody listens");
}

#[test]
fn marks_are_reached_when_all_before_them_was_heard_or_is_hushed() {
    let mut rig = Rig::listening(Codec::Pcma);
    rig.said(sine(1000.0, 800), Some("one"));
    rig.said(sine(1000.0, 8000), Some("two"));
    rig.said(vec![], Some("three"));
    rig.pass(MS * 139);
    assert_eq!(rig.told(), [Live::Reached("one".into())]);
    rig.pass(MS * 300);
    assert_eq!(rig.told(), []);
    rig.command(Command::Hush { leg: A, fork: ForkId(3) });
    rig.command(Command::Hush { leg: A, fork: FORK });
    rig.rtp.clear();
    rig.pass(MS * 40);
    assert_eq!(rig.told(), [Live::Reached("two".into()), Live::Reached("three".into())]);
    assert!(rig.heard(Codec::Pcma).iter().all(|sample| sample.abs() <= 8), "the caller interrupted it");
}

#[test]
fn a_prompt_is_heard_instead_of_the_program_and_the_program_no_more() {
    let mut rig = Rig::listening(Codec::Pcma);
    rig.said(sine(1000.0, 80_000), None);
    rig.pass(MS * 100);
    rig.play(A, 4, vec![prompt("short")], false);
    // A fork that ends late stops nothing that is not its own.
    rig.command(Command::Unfork { leg: A, fork: FORK });
    rig.rtp.clear();
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.codes(A)[..400], [0x22; 400]);
    assert!(rig.events.iter().any(|(_, event)| *event == Event::PlayEnded { leg: A, play: PlayId(4) }));
    assert_eq!(rig.rtp.len(), 3, "nothing follows");
}

#[test]
fn there_is_room_for_30_s_and_64_marks_and_what_is_too_much_is_told() {
    let mut rig = Rig::listening(Codec::Pcma);
    rig.said(vec![1000; WAITING_MAX - 10], None);
    rig.said(vec![1000; 15], None);
    assert_eq!(rig.told(), [Live::Unsaid(5)]);
    (0..=MARKS_MAX).for_each(|n| rig.said(vec![], Some(&n.to_string())));
    assert_eq!(rig.told(), [Live::Reached("0".into())], "given up for the last");
    rig.command(Command::Say { leg: LegId(5), fork: FORK, sound: vec![1], mark: None });
    assert_eq!(rig.worker.counters().strays, 1);
    rig.pass(Duration::from_secs(31));
    assert_eq!(rig.told().len(), MARKS_MAX);
}
