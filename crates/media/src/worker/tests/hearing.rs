//! Who talks in a bridge, through holds, loss and new partners; and what is told when one is not heard.

use super::*;
use crate::Limits;
use busyhour_model::{CallId, Deafness, FaxTone, G711, Keying, MasterKey, Srtp, Suite, Talk};

const C: LegId = LegId(3);
const SECOND: Duration = Duration::from_secs(1);

/// Caller A and partner B, measured.
fn measured() -> Rig {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.command(Command::Measure { call: CallId(9), caller: A, partner: B });
    rig
}

/// What a leg sends in one frame.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    Talk,
    Hush,
    /// Nothing is sent.
    Nothing,
}

/// What caller and partner do, for so many milliseconds each.
type Script = &'static [(u64, Says, Says)];

use Says::{Hush, Nothing, Talk as Loud};

impl Rig {
    /// Both send this for so long.
    fn both(&mut self, ms: u64, legs: [LegId; 2], says: [Says; 2]) {
        for _ in 0..ms / 20 {
            self.pass(FRAME);
            for (leg, says) in legs.into_iter().zip(says) {
                let frame = match says {
                    Loud => tone_codes(Codec::Pcma, 700.0)[..160].to_vec(),
                    Hush => vec![0xD5; 160],
                    Nothing => continue,
                };
                let stamp = (self.now.as_micros() / 125) as u32;
                self.hear(leg, phone(leg), &packet((stamp / 160) as u16, stamp, 8, &frame));
            }
        }
    }

    fn talk(&mut self, ms: u64, caller: Says, partner: Says) {
        self.both(ms, [A, B], [caller, partner]);
    }

    fn talked(&self) -> Vec<(u64, LegId, Talk)> {
        let talked = |(_, event): &(Time, Event)| match event {
            Event::Talked { call, partner, talk } => Some((call.0, *partner, *talk)),
            _ => None,
        };
        self.events.iter().filter_map(talked).collect()
    }

    fn unheard(&self) -> Vec<(LegId, Deafness)> {
        let unheard = |(_, event): &(Time, Event)| match event {
            Event::Unheard { leg, why } => Some((*leg, *why)),
            _ => None,
        };
        self.events.iter().filter_map(unheard).collect()
    }
}

fn talk(parts: [u64; 5]) -> Talk {
    let [ms, caller_ms, partner_ms, both_ms, silence_ms] = parts;
    Talk { ms, caller_ms, partner_ms, both_ms, silence_ms }
}

#[test]
fn talk_overlap_and_silence_are_what_was_said() {
    // Whole, caller, partner, both, nobody.
    let table: [(&str, Script, [u64; 5]); 7] = [
        ("nobody", &[(3_000, Hush, Hush)], [3_000, 0, 0, 0, 3_000]),
        ("by turns", &[(2_000, Loud, Hush), (1_000, Hush, Hush), (3_000, Hush, Loud)], [6_000, 2_000, 3_000, 0, 1_000]),
        ("both", &[(1_000, Loud, Hush), (500, Loud, Loud), (1_000, Hush, Loud)], [2_500, 1_500, 1_500, 500, 0]),
        ("a breath", &[(1_000, Loud, Hush), (180, Hush, Hush), (1_000, Loud, Hush)], [2_180, 2_180, 0, 0, 0]),
        ("a pause", &[(1_000, Loud, Hush), (240, Hush, Hush), (1_000, Loud, Hush)], [2_240, 2_000, 0, 0, 240]),
        ("silence not sent", &[(1_000, Loud, Nothing), (4_000, Nothing, Loud)], [5_000, 1_000, 4_000, 0, 0]),
        (
            "into each other",
            &[(1_000, Loud, Hush), (100, Hush, Loud), (400, Loud, Loud), (1_000, Hush, Hush), (500, Loud, Hush)],
            [3_000, 2_000, 500, 500, 1_000],
        ),
    ];
    for (what, said, expected) in table {
        let mut rig = measured();
        said.iter().for_each(|(ms, caller, partner)| rig.talk(*ms, *caller, *partner));
        rig.command(Command::Unbridge { leg: B });
        assert_eq!(rig.talked(), [(9, B, talk(expected))], "{what}");
    }
}

#[test]
fn who_is_on_hold_is_not_measured_and_who_comes_back_is() {
    let mut rig = measured();
    rig.talk(1_000, Loud, Hush);
    rig.connect_with(B, |audio| audio.direction = Direction::RecvOnly);
    rig.talk(5_000, Loud, Loud);
    rig.connect_with(B, |_| {});
    rig.talk(2_000, Hush, Loud);
    rig.command(Command::Close { leg: A });
    assert_eq!(rig.talked(), [(9, B, talk([3_000, 1_000, 2_000, 0, 0]))]);
    let closed = rig.events.iter().position(|(_, event)| matches!(event, Event::Closed { .. })).unwrap();
    assert!(matches!(rig.events[closed - 1].1, Event::Talked { .. }), "before its leg is gone: {:?}", rig.events);
}

#[test]
fn each_partner_is_measured_for_itself_and_only_while_told_to() {
    let mut rig = measured();
    rig.open(C);
    rig.command(Command::Connect { leg: C, audio: audio(C, Codec::Pcma) });
    rig.talk(1_000, Loud, Loud);
    rig.command(Command::Bridge { a: A, b: C });
    rig.both(1_000, [A, C], [Loud, Loud]);
    rig.command(Command::Measure { call: CallId(10), caller: C, partner: A });
    rig.both(2_000, [A, C], [Hush, Loud]);
    rig.worker.release(rig.now, C).unwrap();
    rig.drain();
    assert_eq!(rig.talked(), [(9, B, talk([1_000, 1_000, 1_000, 1_000, 0])), (10, A, talk([2_000, 2_000, 0, 0, 0]))]);
    rig.command(Command::Measure { call: CallId(11), caller: A, partner: B });
    assert_eq!(rig.worker.counters().strays, 1, "they are not bridged");
}

#[test]
fn wideband_that_is_only_passed_on_is_not_measured_and_what_is_recorded_is() {
    for recorded in [false, true] {
        let mut rig = Rig::bridged(Codec::G722, Codec::G722);
        rig.command(Command::Measure { call: CallId(9), caller: A, partner: B });
        for (leg, tape) in [(A, TapeId(1)), (B, TapeId(2))].into_iter().filter(|_| recorded) {
            let (since, limits, track) = (rig.now, Limits::default(), crate::Track::Mono);
            rig.command(Command::Record { leg, tape, track, since, limits });
        }
        let said = tone_codes(Codec::G722, 700.0);
        for round in 0..10 {
            [A, B].into_iter().for_each(|leg| rig.say(leg, 9, round * 25, &said));
        }
        rig.command(Command::Unbridge { leg: A });
        // The first packet was said before.
        let expected = [(9, B, talk([10_000, 4_980, 5_000, 0, 20]))];
        assert_eq!(rig.talked(), expected[..usize::from(recorded)]);
        assert_eq!(rig.unheard(), []);
    }
}

#[test]
fn a_measure_goes_on_in_another_process() {
    let mut rig = measured();
    rig.talk(1_000, Loud, Hush);
    let written = postcard::to_stdvec(rig.worker.snapshot()).unwrap();
    rig.worker = Worker::restore(postcard::from_bytes(&written).unwrap(), LIBRARY.clone());
    rig.talk(1_000, Hush, Loud);
    rig.command(Command::Unbridge { leg: A });
    assert_eq!(rig.talked(), [(9, B, talk([2_000, 1_000, 1_000, 0, 0]))]);
}

fn keep_secret(audio: &mut Audio) {
    let (suite, key) = (Suite::Cm128Sha80, |byte| MasterKey::new(Suite::Cm128Sha80, &[byte; 30]).unwrap());
    audio.srtp = Some(Box::new(Keying::Said(Srtp { suite, ours: key(1), theirs: key(2) })));
}

#[test]
fn who_is_not_heard_is_named_with_the_likely_cause_once() {
    let speech = vec![0x22; 160];
    // What B's line is, and what comes to it instead.
    type Case<'a> = (&'a str, fn(&mut Audio), Option<(SocketAddr, Vec<u8>)>, Deafness);
    let from = |address: &str| address.parse::<SocketAddr>().unwrap();
    let cases: [Case<'_>; 7] = [
        ("nothing", |_| {}, None, Deafness::NothingCame),
        ("a NAT", |audio| audio.remote = "192.168.1.9:4000".parse().unwrap(), None, Deafness::PrivateAddress),
        ("recvonly", |audio| audio.direction = Direction::SendOnly, None, Deafness::SendsNothing),
        ("G.729", |_| {}, Some((phone(B), packet(0, 0, 18, &speech))), Deafness::PayloadType),
        ("no RTP", |_| {}, Some((phone(B), vec![0; 20])), Deafness::NoRtp),
        ("plain sound", keep_secret, Some((phone(B), packet(0, 0, 8, &speech))), Deafness::Keys),
        ("elsewhere", |_| {}, Some((from("198.51.100.7:9"), packet(0, 0, 8, &speech))), Deafness::OtherAddress),
    ];
    for (what, line, comes, why) in cases {
        let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
        rig.connect_with(B, line);
        rig.command(Command::Measure { call: CallId(9), caller: A, partner: B });
        for frame in 0..1_000u16 {
            rig.talk(20, Loud, Nothing);
            if let Some((from, bytes)) = comes.clone().filter(|_| frame < 150) {
                let mut bytes = bytes;
                bytes[2..4].copy_from_slice(&frame.to_be_bytes());
                rig.hear(B, from, &bytes);
            }
        }
        assert_eq!(rig.unheard(), [(B, why)], "{what}");
        let (at, _) = rig.events.iter().find(|(_, event)| matches!(event, Event::Unheard { .. })).unwrap();
        assert_eq!(at.since(Time::from_secs(1_000)), 4 * SECOND, "{what}");
    }
}

#[test]
fn what_came_back_is_the_cause_where_nothing_came_or_sound_stopped() {
    let private = "192.168.1.9:4000".parse().unwrap();
    for (remote, heard_ms, why) in [
        (phone(B), 0, Deafness::Unreachable),
        (private, 0, Deafness::PrivateAddress),
        (phone(B), 15_000, Deafness::Unreachable),
    ] {
        let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
        rig.connect_with(B, |audio| audio.remote = remote);
        rig.command(Command::Measure { call: CallId(9), caller: A, partner: B });
        rig.talk(heard_ms, Loud, Loud);
        rig.worker.handle_undelivered(B);
        rig.talk(20_000, Loud, Nothing);
        assert_eq!(rig.unheard(), [(B, why)], "{remote} {heard_ms}");
    }
}

#[test]
fn a_muted_microphone_and_sound_that_stops_are_named_and_what_is_right_is_not() {
    // What A does, then what both do; who is named.
    let table: [(&str, Script, Option<Deafness>); 6] = [
        ("both talk", &[(60_000, Loud, Loud)], None),
        ("muted", &[(30_000, Loud, Hush)], Some(Deafness::Muted)),
        ("muted later", &[(1_000, Loud, Loud), (60_000, Loud, Hush)], None),
        ("stopped", &[(15_000, Loud, Loud), (30_000, Loud, Nothing)], Some(Deafness::Stopped)),
        (
            "silence is not sent",
            &[(3_000, Loud, Loud), (2_000, Loud, Nothing), (9_000, Loud, Loud), (30_000, Loud, Nothing)],
            None,
        ),
        ("a word at the end", &[(500, Loud, Loud), (3_000, Loud, Nothing)], None),
    ];
    for (what, said, expected) in table {
        let mut rig = measured();
        said.iter().for_each(|(ms, caller, partner)| rig.talk(*ms, *caller, *partner));
        rig.command(Command::Close { leg: A });
        assert_eq!(rig.unheard(), expected.map(|why| (B, why)).as_slice(), "{what}");
    }
}

#[test]
fn who_hangs_up_early_because_nothing_is_heard_is_told_of_too() {
    for (ms, told) in [(1_500, vec![]), (2_500, vec![(B, Deafness::NothingCame)])] {
        let mut rig = measured();
        rig.talk(ms, Loud, Nothing);
        rig.command(Command::Close { leg: A });
        assert_eq!(rig.unheard(), told, "after {ms} ms");
    }
}

#[test]
fn a_partner_who_moves_must_be_heard_from_there() {
    let mut rig = measured();
    rig.talk(6_000, Loud, Loud);
    rig.connect_with(B, |audio| audio.direction = Direction::Inactive);
    rig.connect_with(B, |audio| audio.remote = "203.0.113.99:4000".parse().unwrap());
    for _ in 0..250 {
        rig.talk(20, Loud, Nothing);
    }
    assert_eq!(rig.unheard(), [(B, Deafness::NothingCame)]);
}

#[test]
fn a_fax_machine_that_calls_is_told_of_once_and_not_looked_for_in_a_talk() {
    let cng = |rig: &mut Rig, first: u16| {
        let tone = tone::Sine::new(1_100.0, -15.0).take(4_000).map(|s| g711::encode(G711::A, s));
        let codes: Vec<u8> = tone.chain(std::iter::repeat_n(0xD5, 24_000)).collect();
        rig.say(A, 8, first, &codes);
    };
    let fax = |rig: &Rig| rig.events.iter().filter(|(_, event)| matches!(event, Event::Fax { .. })).count();
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.say(A, 8, 0, &[0xD5; 1_600]);
    cng(&mut rig, 10);
    cng(&mut rig, 185);
    assert_eq!(fax(&rig), 1);
    assert!(rig.events.iter().any(|(_, event)| *event == Event::Fax { leg: A, tone: FaxTone::Calling }));
    let mut rig = measured();
    rig.talk(16_000, Loud, Loud);
    cng(&mut rig, 9_000);
    assert_eq!(fax(&rig), 0);
    rig.command(Command::Unbridge { leg: A });
    cng(&mut rig, 9_175);
    cng(&mut rig, 9_350);
    assert_eq!(fax(&rig), 1, "back in the dialplan");
}

#[test]
fn what_the_peer_reports_of_our_sound_is_kept() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.say(B, 8, 0, &[0x22; 1_600]);
    assert_eq!(rig.worker.stats(A).unwrap().lost_out, None);
    let ssrc = rig.got(A)[0].header.ssrc;
    let block = |lost| crate::incoming::Report {
        ssrc,
        fraction_lost: 9,
        lost,
        highest: 9,
        jitter: 80,
        last_sr: 0,
        delay_since_sr: 0,
    };
    for (lost, kept) in [(3, 3), (0xFF_FFFE, 0)] {
        let mut bytes = [0; rtcp::LEN_MAX];
        let len = rtcp::write(rig.now, 5, "peer", None, Some(block(lost)), false, &mut bytes);
        rig.worker.handle_rtcp(rig.now, A, rtcp_of(A), &bytes[..len]);
        let stats = rig.worker.stats(A).unwrap();
        assert_eq!((stats.lost_out, stats.jitter_out_us, stats.rtt_us), (Some(kept), Some(10_000), None));
    }
}
