//! Prompts and music: paced, repeated, replaced, and told when they were heard.

use super::*;

#[test]
fn a_play_sends_a_frame_each_20_ms_and_ends_when_it_was_heard() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    let start = rig.now;
    rig.play(A, 1, vec![prompt("long"), Sound::Silence(50), prompt("short")], false);
    rig.pass(Duration::from_secs(1));
    let times: Vec<u64> = rig.got(A).iter().map(|got| got.at.since(start).as_millis() as u64).collect();
    assert_eq!(times, (0..10).map(|i| i * 20).collect::<Vec<_>>());
    let expected = [vec![0x11; 800], vec![0xD5; 400], vec![0x22; 400]].concat();
    assert_eq!(rig.codes(A), expected);
    assert_eq!(rig.events, [(start + FRAME * 10, Event::PlayEnded { leg: A, play: PlayId(1) })]);
    rig.assert_unbroken(A);
}

#[test]
fn a_play_is_paced_by_the_negotiated_ptime_and_never_drifts() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    for (ms, frames) in [(30u8, 2000usize), (60, 1000), (0, 3000), (10, 6000)] {
        rig.connect_with(A, |audio| audio.ptime_ms = ms);
        let start = rig.now;
        rig.rtp.clear();
        rig.play(A, 1, vec![Sound::Silence(60_000)], false);
        rig.pass(Duration::from_secs(61));
        assert_eq!(rig.got(A).len(), frames, "ptime {ms}");
        assert_eq!(rig.events.pop().unwrap().0, start + Duration::from_secs(60));
    }
}

#[test]
fn a_replaced_stopped_or_repeated_play_never_ends_and_keeps_the_pace() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.play(A, 1, vec![prompt("long")], false);
    rig.pass(MS * 30);
    rig.play(A, 2, vec![prompt("short")], true);
    rig.pass(Duration::from_secs(1));
    rig.assert_unbroken(A);
    let last = rig.got(A).last().unwrap().at;
    rig.command(Command::Stop { leg: A });
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.got(A).last().unwrap().at, last, "nothing more after a stop");
    assert_eq!(rig.got(A).len(), 2 + 50);
    assert_eq!(rig.got(A)[2].payload, [0x22; 160]);
    assert_eq!(rig.events, []);
}

#[test]
fn a_play_ordered_before_the_leg_is_connected_starts_with_the_connection() {
    let mut rig = Rig::new(0);
    rig.open(A);
    rig.play(A, 1, vec![prompt("short")], false);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.rtp, []);
    let start = rig.now;
    rig.connect_with(A, |_| {});
    rig.pass(Duration::from_secs(1));
    assert_eq!((rig.got(A)[0].at, rig.got(A).len()), (start, 3));
}

#[test]
fn a_missing_prompt_is_skipped_and_counted() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.play(A, 1, vec![prompt("nope"), prompt("short")], false);
    rig.pass(MS * 100);
    rig.play(A, 2, vec![prompt("nope")], false);
    rig.pass(MS * 100);
    rig.play(A, 3, vec![prompt("nope"), Sound::Silence(0)], true);
    rig.pass(MS * 100);
    rig.play(A, 4, vec![Sound::Silence(1); SOUNDS_MAX + 5], false);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.worker.counters().prompts_missing, 3 + 5);
    let ended: Vec<_> = rig.events.iter().map(|(_, event)| event.clone()).collect();
    assert_eq!(ended[..2], [1, 2].map(|play| Event::PlayEnded { leg: A, play: PlayId(play) }));
    assert_eq!(rig.got(A).len(), 3 + 13, "256 ms of silence at most");
}

#[test]
fn a_worker_that_slept_goes_on_instead_of_hurrying() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.play(A, 1, vec![Sound::Silence(10_000)], false);
    rig.pass(MS * 100);
    let before = rig.got(A).len();
    rig.now += Duration::from_secs(3);
    rig.worker.handle_timeout(rig.now);
    rig.drain();
    assert_eq!(rig.got(A).len(), before + 1);
    rig.pass(MS * 100);
    assert_eq!(rig.got(A).len(), before + 6);
}
