//! What a program hears of a leg while it is said.

use super::*;
use crate::fork::FORKS_MAX;
use crate::{Live, Taped, Track};

const FORK: ForkId = ForkId(9);

impl Rig {
    fn forked(&mut self, leg: LegId, fork: ForkId, track: Track) {
        self.command(Command::Fork { leg, fork, track });
    }

    /// What was handed out for a side of a fork: without a hole, in frames of 20 ms.
    fn live(&mut self, fork: ForkId, side: Track) -> Vec<i16> {
        let mut all: Vec<i16> = vec![];
        while let Some(taped) = self.worker.poll_tape() {
            match taped {
                Taped::Live { fork: of, live: Live::Heard { track, at, sound } } if of == fork && track == side => {
                    assert_eq!((at, sound.len()), (all.len() as u64, 160), "no hole");
                    all.extend(sound);
                }
                _ => {}
            }
        }
        all
    }
}

fn loud(samples: &[i16], hertz: f64) -> f64 {
    tone::level(&samples[samples.len() - 4000..], hertz)
}

#[test]
fn a_program_hears_what_is_said_soon_in_any_codec_and_the_talk_is_not_touched() {
    for (codec, payload_type) in [(Codec::Pcma, 8), (Codec::Pcmu, 0), (Codec::G722, 9)] {
        let mut rig = Rig::bridged(codec, codec);
        rig.forked(A, FORK, Track::Left);
        let said = tone_codes(codec, 400.0);
        rig.say(A, payload_type, 0, &said);
        assert_eq!(rig.codes(B), said, "bit for bit");
        rig.pass(MS * 60);
        let heard = rig.live(FORK, Track::Left);
        assert_eq!(heard.len(), 4480, "a frame each 20 ms");
        assert!((tone::level(&heard[800..4000], 400.0) + 10.0).abs() < 0.3, "{codec:?}");
        let linear = samples(codec, &said);
        let at = heard.windows(3000).position(|heard| *heard == linear[..3000]);
        assert!(codec == Codec::G722 || at.is_some_and(|at| at <= 480), "{codec:?} after 60 ms at most: {at:?}");
    }
}

#[test]
fn loss_and_wrong_order_are_put_right_and_silence_is_handed_out_too() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.forked(A, FORK, Track::Left);
    rig.pass(Duration::from_secs(1));
    let code = |sequence: u16| 0xD5 ^ (0x10 + sequence as u8);
    for sequence in [0, 2, 1, 3, 6, 5] {
        rig.hear(A, phone(A), &packet(sequence, u32::from(sequence) * 160, 8, &[code(sequence); 160]));
        rig.pass(FRAME);
    }
    rig.pass(FRAME * 10);
    let heard = rig.live(FORK, Track::Left);
    assert_eq!(heard.len(), 160 * (50 + 6 + 10));
    let first = |n| heard.iter().position(|sample| *sample == g711::decode_a(code(n)));
    let firsts = [0, 1, 2, 3, 6].map(|n| first(n).unwrap());
    assert!(firsts[0] >= 8_000 && heard[..8_000].iter().all(|sample| *sample == 0), "{firsts:?}");
    let late = firsts.map(|at| at - firsts[0]).into_iter().zip([0, 160, 320, 480, 960]);
    assert!(late.into_iter().all(|(at, due)| usize::abs_diff(at, due) <= 40), "each at its time, to 5 ms: {firsts:?}");
}

#[test]
fn both_sides_are_heard_until_the_fork_ends_also_in_another_worker() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.forked(A, FORK, Track::Left);
    rig.forked(B, FORK, Track::Right);
    rig.say(A, 8, 0, &tone_codes(Codec::Pcma, 400.0));
    rig.say(B, 8, 0, &tone_codes(Codec::Pcma, 1000.0));
    let mut moved = rig.clone();
    assert!((loud(&rig.live(FORK, Track::Right), 1000.0) + 10.0).abs() < 1.0);
    rig.command(Command::Unfork { leg: B, fork: FORK });
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.live(FORK, Track::Right), [], "no more");

    moved.live(FORK, Track::Left);
    let leg = moved.worker.release(moved.now, A).unwrap();
    let config = moved.worker.state.config.clone();
    moved.worker = Worker::new(LIBRARY.clone(), config);
    moved.worker.adopt(leg);
    moved.pass(Duration::from_secs(1));
    assert!(matches!(moved.worker.poll_tape(), Some(Taped::Live { fork: FORK, live: Live::Heard { at: 8000, .. } })));
}

#[test]
fn who_wakes_too_late_leaves_a_hole_that_can_be_seen() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.forked(A, FORK, Track::Left);
    rig.now += Duration::from_secs(1);
    rig.worker.handle_timeout(rig.now);
    let places: Vec<u64> = std::iter::from_fn(|| rig.worker.poll_tape())
        .map(|taped| match taped {
            Taped::Live { live: Live::Heard { at, .. }, .. } => at,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(places, [7840], "one frame, the newest");
}

#[test]
fn one_program_too_many_hears_nothing() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    for fork in 0..=FORKS_MAX as u64 {
        rig.forked(A, ForkId(fork), Track::Left);
    }
    rig.forked(LegId(7), FORK, Track::Left);
    assert_eq!(rig.worker.counters().strays, 2);
    rig.pass(FRAME);
    let heard: Vec<ForkId> = std::iter::from_fn(|| rig.worker.poll_tape())
        .map(|taped| match taped {
            Taped::Live { fork, .. } => fork,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(heard, (0..FORKS_MAX as u64).map(ForkId).collect::<Vec<_>>());
}
