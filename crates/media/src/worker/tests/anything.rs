//! Whatever comes, in whatever order.

use super::*;

/// Anything the outside may do to a worker.
#[derive(Clone, Debug)]
enum Input {
    Rtp(u64, u8, Vec<u8>),
    Rtcp(u64, Vec<u8>),
    Command(Command),
    Pass(u64),
}

fn inputs() -> impl Strategy<Value = Input> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    // Packets that look right in front, so that the parsers are reached.
    let likely = (any::<u16>(), any::<u32>(), prop::sample::select(vec![0u8, 8, 101, 102, 13, 96]), bytes());
    let likely = likely.prop_map(|(sequence, timestamp, pt, payload)| packet(sequence, timestamp, pt, &payload));
    let flagged = (likely.clone(), any::<u8>(), 0..200usize).prop_map(|(mut bytes, first, cut)| {
        bytes[0] = 0x80 | first & 0x3F;
        bytes.truncate(cut);
        bytes
    });
    let reports = (200..208u8, 0..32u8, bytes()).prop_map(|(kind, count, mut bytes)| {
        bytes.resize(bytes.len() / 4 * 4, 0);
        let words = bytes.len() as u16 / 4;
        [&[0x80 | count, kind], &words.to_be_bytes()[..], &bytes].concat()
    });
    let leg = 1..4u64;
    let direction = prop::sample::select(vec![Direction::SendRecv, Direction::SendOnly, Direction::Inactive]);
    let command =
        (leg.clone(), 1..4u64, 0..16u8, any::<u8>(), direction).prop_map(|(leg, other, which, n, direction)| {
            let codec = if n % 2 == 0 { Codec::Pcma } else { Codec::Pcmu };
            let (leg, b) = (LegId(leg), LegId(other));
            let audio = Audio { ptime_ms: n, direction, ..audio(leg, codec) };
            let sounds = vec![prompt("short"), Sound::Silence(n as u32), prompt("nope")];
            match which {
                0 => Command::Open { leg, local: phone(leg), side: if n % 2 == 0 { Side::Agent } else { Side::Trunk } },
                1 | 2 => Command::Connect { leg, audio },
                3 | 4 => Command::Play { leg, play: PlayId(n as u64), sounds, repeat: n % 3 == 0 },
                5 => Command::Stop { leg },
                6 => Command::Bridge { a: leg, b },
                7 => Command::Unbridge { leg },
                8 => Command::Hear { leg, from: vec![b, LegId(n as u64 % 4)] },
                9 => Command::Measure { call: busyhour_model::CallId(n.into()), caller: leg, partner: b },
                10 => Command::Fork { leg, fork: ForkId(u64::from(n % 8)), track: Track::Left },
                11 => Command::Unfork { leg, fork: ForkId(u64::from(n % 8)) },
                12 => Command::Program { leg, side: Side::Agent, fork: ForkId(u64::from(n % 8)) },
                13 => Command::Say { leg, fork: ForkId(u64::from(n % 8)), sound: vec![9; 999], mark: None },
                14 => Command::Hush { leg, fork: ForkId(u64::from(n % 8)) },
                _ => Command::Close { leg },
            }
        });
    prop_oneof![
        (leg.clone(), 0..5u8, prop_oneof![bytes(), likely, flagged]).prop_map(|(l, from, b)| Input::Rtp(l, from, b)),
        (leg, prop_oneof![bytes(), reports]).prop_map(|(l, b)| Input::Rtcp(l, b)),
        command.prop_map(Input::Command),
        (0..3_000_000u64).prop_map(Input::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_nothing_panics_every_close_is_answered_and_nothing_is_left(
        inputs in prop::collection::vec(inputs(), 1..120)
    ) {
        let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcmu);
        let mut closes = 0;
        for input in inputs {
            match input {
                Input::Rtp(leg, from, bytes) => rig.hear(LegId(leg), phone(LegId(from as u64)), &bytes),
                Input::Rtcp(leg, bytes) => {
                    rig.worker.handle_rtcp(rig.now, LegId(leg), rtcp_of(LegId(leg)), &bytes);
                    rig.drain();
                }
                Input::Command(command) => {
                    closes += matches!(command, Command::Close { .. }) as usize;
                    rig.command(command);
                }
                Input::Pass(micros) => rig.pass(Duration::from_micros(micros)),
            }
        }
        (1..4).for_each(|leg| rig.command(Command::Close { leg: LegId(leg) }));
        let closed = rig.events.iter().filter(|(_, event)| matches!(event, Event::Closed { .. })).count();
        prop_assert_eq!(closed, closes + 3);
        prop_assert_eq!((rig.worker.legs(), rig.worker.poll_timeout()), (0, None));
        for (_, event) in &rig.events {
            if let Event::Talked { talk, .. } = event {
                prop_assert_eq!(talk.caller_ms + talk.partner_ms + talk.silence_ms, talk.ms + talk.both_ms, "{:?}", talk);
            }
        }
        prop_assert!(rig.rtp.iter().all(|got| got.to == phone(got.leg)));
    }
}
