//! The worker in virtual time: what two phones hear, in which packets, and what attackers and bad lines can do to it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::dtmf;
use crate::rtp::{self, Header};
use crate::{g711, g722, rtcp, tone, wav};
use busyhour_model::{Codec, Direction};
use proptest::prelude::*;
use std::sync::LazyLock;

mod anything;
mod forks;
mod hearing;
mod keys;
mod levels;
mod mixes;
#[cfg(feature = "opus")]
mod opus;
mod passed;
mod plays;
mod secret;
mod shaking;
mod speeches;
mod strangers;
mod taping;
mod wide;

const A: LegId = LegId(1);
const B: LegId = LegId(2);
const MS: Duration = Duration::from_millis(1);
const FRAME: Duration = Duration::from_millis(20);

/// One RTP packet as a phone received it.
#[derive(Clone, Debug, PartialEq)]
struct Got {
    at: Time,
    leg: LegId,
    to: SocketAddr,
    header: Header,
    payload: Vec<u8>,
}

/// A worker, its clock, and all it has sent and told.
#[derive(Clone)]
struct Rig {
    worker: Worker,
    now: Time,
    rtp: Vec<Got>,
    rtcp: Vec<(Time, LegId, Vec<u8>)>,
    events: Vec<(Time, Event)>,
}

fn phone(leg: LegId) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, leg.0 as u8], 4000))
}

fn rtcp_of(leg: LegId) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, leg.0 as u8], 4001))
}

fn audio(leg: LegId, codec: Codec) -> Audio {
    Audio { telephone_event: Some(100 + leg.0 as u8), ..Audio::plain(phone(leg), codec) }
}

fn prompt(id: &str) -> Sound {
    Sound::Prompt { language: "zh".into(), id: id.into() }
}

fn packet(sequence: u16, timestamp: u32, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    Header { marker: false, payload_type, sequence, timestamp, ssrc: 77 }.write(payload, &mut bytes);
    bytes
}

/// 100 ms and 50 ms of recognisable codes.
static LIBRARY: LazyLock<Arc<Library>> = LazyLock::new(|| {
    let mut library = Library::new();
    library.insert("zh", "long", &wav::tests::wav(6, 8000, 1, 8, &[0x11; 800])).unwrap();
    library.insert("zh", "short", &wav::tests::wav(6, 8000, 1, 8, &[0x22; 400])).unwrap();
    Arc::new(library)
});

impl Rig {
    fn new(silence_ms: u64) -> Rig {
        let silence_timeout = Duration::from_millis(silence_ms);
        let config = Config { silence_timeout, agent_silence_timeout: silence_timeout / 4, seed: 7 };
        let worker = Worker::new(LIBRARY.clone(), config);
        Rig { worker, now: Time::from_secs(1_000), rtp: vec![], rtcp: vec![], events: vec![] }
    }

    /// Two connected legs.
    fn pair(a: Codec, b: Codec) -> Rig {
        let mut rig = Rig::new(0);
        for (leg, codec) in [(A, a), (B, b)] {
            rig.open(leg);
            rig.command(Command::Connect { leg, audio: audio(leg, codec) });
        }
        rig
    }

    fn bridged(a: Codec, b: Codec) -> Rig {
        let mut rig = Rig::pair(a, b);
        rig.command(Command::Bridge { a: A, b: B });
        rig
    }

    fn open(&mut self, leg: LegId) {
        let local = SocketAddr::from(([192, 0, 2, 1], 2 * (leg.0 % 30_000) as u16));
        self.command(Command::Open { leg, local, side: Side::Trunk });
    }

    fn command(&mut self, command: Command) {
        self.worker.handle_command(self.now, command);
        self.drain();
    }

    fn play(&mut self, leg: LegId, play: u64, sounds: Vec<Sound>, repeat: bool) {
        self.command(Command::Play { leg, play: PlayId(play), sounds, repeat });
    }

    fn connect_with(&mut self, leg: LegId, change: impl FnOnce(&mut Audio)) {
        let mut audio = audio(leg, Codec::Pcma);
        change(&mut audio);
        self.command(Command::Connect { leg, audio });
    }

    fn hear(&mut self, leg: LegId, from: SocketAddr, bytes: &[u8]) {
        self.worker.handle_rtp(self.now, leg, from, bytes);
        self.drain();
    }

    /// Lets time pass, waking the worker exactly when it asked for it.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.worker.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline in the past is work forgotten");
            self.now = at;
            self.worker.handle_timeout(at);
            self.drain();
            assert!(self.worker.poll_timeout() > Some(at), "what was due is done");
        }
        self.now = end;
    }

    /// `leg`'s phone says these codes in frames of 20 ms, from packet number `first` on.
    fn say(&mut self, leg: LegId, payload_type: u8, first: u16, codes: &[u8]) {
        for (i, frame) in codes.chunks(160).enumerate() {
            let sequence = first.wrapping_add(i as u16);
            self.hear(leg, phone(leg), &packet(sequence, sequence as u32 * 160, payload_type, frame));
            self.pass(FRAME);
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.worker.poll_transmit() {
            let Transmit { leg, to, rtcp, bytes } = transmit;
            if rtcp {
                self.rtcp.push((self.now, leg, bytes.to_vec()));
            } else {
                let (header, payload) = rtp::read(bytes).unwrap();
                self.rtp.push(Got { at: self.now, leg, to, header, payload: payload.to_vec() });
            }
        }
        while let Some(event) = self.worker.poll_event() {
            self.events.push((self.now, event));
        }
    }

    fn got(&self, leg: LegId) -> Vec<&Got> {
        self.rtp.iter().filter(|got| got.leg == leg).collect()
    }

    fn codes(&self, leg: LegId) -> Vec<u8> {
        self.got(leg).iter().flat_map(|got| got.payload.clone()).collect()
    }

    fn digits(&self) -> String {
        let digit =
            |(_, event): &(Time, Event)| if let Event::Digit { digit, .. } = event { Some(*digit) } else { None };
        self.events.iter().filter_map(digit).collect()
    }

    fn assert_unbroken(&self, leg: LegId) {
        for pair in self.got(leg).windows(2) {
            let (old, new) = (pair[0].header, pair[1].header);
            assert_eq!(new.sequence, old.sequence.wrapping_add(1), "no gap in the numbers");
            assert_eq!(new.ssrc, old.ssrc);
            let step = new.timestamp.wrapping_sub(old.timestamp);
            assert!((1..80_000).contains(&step), "time goes on, not by {step}");
            let passed = pair[1].at.since(pair[0].at).as_micros() as i64 / 125;
            assert!((step as i64 - passed).abs() <= 160, "{step} samples in {passed} samples of time");
        }
    }
}

fn tone_codes(codec: Codec, hertz: f64) -> Vec<u8> {
    let (mut wide, samples) = (g722::Encoder::default(), tone::Sine::new(hertz, -10.0).take(4000));
    samples.map(|s| codec.g711().map_or_else(|| wide.encode_narrow(s), |law| g711::encode(law, s))).collect()
}

fn level(codec: Codec, codes: &[u8], hertz: f64) -> f64 {
    tone::level(&samples(codec, codes), hertz)
}

fn samples(codec: Codec, codes: &[u8]) -> Vec<i16> {
    let mut wide = g722::Decoder::default();
    let sample = |code| codec.g711().map_or_else(|| wide.decode_narrow(code), |law| g711::decode(law, code));
    codes.iter().copied().map(sample).collect()
}

#[test]
fn each_of_two_bridged_phones_hears_the_other_bit_for_bit() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    let (of_a, of_b) = (tone_codes(Codec::Pcma, 400.0), tone_codes(Codec::Pcma, 1000.0));
    rig.say(A, 8, 65_530, &of_a);
    rig.say(B, 8, 10, &of_b);
    assert_eq!(rig.codes(B), of_a);
    assert_eq!(rig.codes(A), of_b);
    assert!(rig.rtp.iter().all(|got| got.to == phone(got.leg) && got.header.payload_type == 8));
    assert!(rig.got(B)[0].header.marker && !rig.got(B)[1].header.marker);
    rig.assert_unbroken(A);
    rig.assert_unbroken(B);
    assert!((level(Codec::Pcma, &rig.codes(B), 400.0) + 10.0).abs() < 0.2);
    assert_ne!(rig.got(B)[0].header.ssrc, 77, "our own source, not the other phone's");
}

#[test]
fn phones_of_different_laws_hear_each_other_at_the_right_level() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcmu);
    rig.say(A, 8, 0, &tone_codes(Codec::Pcma, 400.0));
    rig.say(B, 0, 0, &tone_codes(Codec::Pcmu, 1000.0));
    assert_eq!((rig.got(A)[0].header.payload_type, rig.got(B)[0].header.payload_type), (8, 0));
    for (leg, codec, hertz) in [(B, Codec::Pcmu, 400.0), (A, Codec::Pcma, 1000.0)] {
        let level = level(codec, &rig.codes(leg), hertz);
        assert!((level + 10.0).abs() < 0.3, "{hertz} Hz at {level}");
    }
}

#[test]
fn a_phone_that_switches_law_without_asking_is_still_understood() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.say(A, 0, 0, &tone_codes(Codec::Pcmu, 400.0));
    assert!((level(Codec::Pcma, &rig.codes(B), 400.0) + 10.0).abs() < 0.3);
}

#[test]
fn numbers_go_on_unbroken_from_prompt_to_talk_to_music_to_another_partner() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.open(LegId(3));
    rig.connect_with(LegId(3), |_| {});
    rig.play(A, 1, vec![prompt("long")], false);
    rig.pass(MS * 107);
    rig.say(B, 8, 40_000, &[1; 800]);
    rig.pass(Duration::from_secs(3));
    rig.play(A, 2, vec![prompt("short")], true);
    rig.pass(MS * 333);
    rig.say(B, 8, 41_000, &[2; 480]);
    rig.command(Command::Stop { leg: A });
    rig.say(B, 8, 41_003, &[3; 480]);
    rig.command(Command::Bridge { a: A, b: LegId(3) });
    rig.pass(MS * 5);
    rig.say(LegId(3), 8, 7, &[4; 480]);
    rig.say(B, 8, 41_006, &[5; 480]);
    rig.assert_unbroken(A);
    let codes = rig.codes(A);
    for (code, heard) in [(1, true), (2, false), (3, true), (4, true), (5, false)] {
        assert_eq!(codes.contains(&code), heard, "talk {code}");
    }
    let markers = rig.got(A).iter().filter(|got| got.header.marker).count();
    assert_eq!(markers, 5, "each change of source begins a talkspurt");
}

#[test]
fn loss_order_and_duplicates_reach_the_other_phone_as_they_came() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    for sequence in [100u16, 101, 103, 102, 102, 106, 99] {
        rig.hear(A, phone(A), &packet(sequence, sequence as u32 * 160, 8, &[sequence as u8; 160]));
    }
    let first = rig.got(B)[0].header;
    let steps: Vec<_> = rig
        .got(B)
        .iter()
        .map(|got| {
            let step = got.header.sequence.wrapping_sub(first.sequence);
            assert_eq!(got.header.timestamp.wrapping_sub(first.timestamp), step as u32 * 160);
            (step, got.payload[0])
        })
        .collect();
    assert_eq!(steps, [(0, 100), (1, 101), (3, 103), (2, 102), (6, 106)]);
    let stats = rig.worker.stats(A).unwrap();
    assert_eq!((stats.packets_in, stats.lost_in, stats.refused_in), (6, 2, 0));
}

#[test]
fn a_phone_that_starts_over_is_heard_again_within_two_packets() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.say(A, 8, 100, &[1; 800]);
    rig.say(A, 8, 50_000, &[2; 800]);
    assert_eq!(rig.codes(B).iter().filter(|code| **code == 2).count(), 640);
    rig.assert_unbroken(B);
}

#[test]
fn nothing_is_sent_or_heard_against_the_negotiated_direction() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (direction, hears, speaks) in
        [(SendRecv, true, true), (SendOnly, true, false), (RecvOnly, false, true), (Inactive, false, false)]
    {
        let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
        rig.connect_with(A, |audio| audio.direction = direction);
        rig.say(A, 8, 0, &[1; 800]);
        rig.say(B, 8, 0, &[2; 800]);
        assert_eq!((rig.got(A).is_empty(), rig.got(B).is_empty()), (!hears, !speaks), "we are {direction:?}");
        rig.play(A, 1, vec![prompt("long")], false);
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.codes(A).contains(&0x11), hears, "we are {direction:?}");
        assert_eq!(rig.events.len(), 1, "a play on hold still ends");
    }
}

#[test]
fn hold_and_resume_leave_no_gap_in_the_numbers() {
    for hold in [true, false] {
        let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
        rig.say(B, 8, 0, &[1; 800]);
        rig.connect_with(A, |audio| match hold {
            true => audio.direction = Direction::Inactive,
            false => audio.remote = "0.0.0.0:4000".parse().unwrap(),
        });
        rig.say(B, 8, 5, &[2; 8000]);
        rig.connect_with(A, |_| {});
        rig.say(B, 8, 55, &[3; 800]);
        assert_eq!(rig.codes(A), [[1; 800], [3; 800]].concat());
        rig.assert_unbroken(A);
    }
}

#[test]
fn music_nobody_may_hear_wakes_nobody_and_goes_on_on_resume() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.play(A, 1, vec![prompt("short")], true);
    rig.pass(Duration::from_millis(210));
    let heard = rig.got(A).len();
    rig.connect_with(A, |audio| audio.direction = Direction::RecvOnly);
    rig.pass(FRAME);
    let report = rig.worker.poll_timeout().unwrap();
    assert!(report > rig.now + Duration::from_millis(100), "only a report is due");
    rig.pass(Duration::from_secs(3));
    assert_eq!(rig.got(A).len(), heard);
    rig.connect_with(A, |_| {});
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.got(A).len(), heard + 11);
    rig.assert_unbroken(A);
}

#[test]
fn close_says_goodbye_and_is_answered_once_and_leaves_nothing_behind() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.play(A, 1, vec![prompt("long")], true);
    rig.say(A, 8, 0, &[1; 1600]);
    rig.rtcp.clear();
    for leg in [A, B] {
        rig.command(Command::Close { leg });
    }
    let stats = StreamStats { packets_in: 10, packets_out: 11, ..StreamStats::default() };
    assert_eq!(rig.events.len(), 2);
    assert_eq!(rig.events[0].1, Event::Closed { leg: A, stats });
    let (_, leg, bye) = &rig.rtcp[0];
    assert_eq!((*leg, bye[bye.len() - 7]), (A, 203), "RTCP BYE is the last of the compound");
    assert_eq!((rig.worker.legs(), rig.worker.poll_timeout()), (0, None));
    rig.hear(A, phone(A), &packet(0, 0, 8, &[1; 160]));
    rig.command(Command::Stop { leg: A });
    assert_eq!((rig.worker.counters().strays, rig.events.len()), (2, 2));
}

#[test]
fn bridging_anew_ends_the_old_bridge_for_all_and_unbridge_for_both() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    let c = LegId(3);
    rig.open(c);
    rig.connect_with(c, |_| {});
    rig.command(Command::Bridge { a: A, b: c });
    rig.say(B, 8, 0, &[1; 160]);
    assert_eq!(rig.rtp, [], "B has no partner any more");
    rig.command(Command::Unbridge { leg: c });
    rig.say(A, 8, 0, &[1; 160]);
    rig.say(c, 8, 0, &[1; 160]);
    rig.command(Command::Bridge { a: A, b: A });
    rig.command(Command::Bridge { a: A, b: LegId(99) });
    rig.say(A, 8, 1, &[1; 160]);
    assert_eq!(rig.rtp, []);
}

#[test]
fn more_legs_than_ports_are_refused_and_their_close_answered() {
    let mut rig = Rig::new(0);
    for leg in 0..LEGS_MAX as u64 {
        rig.open(LegId(leg));
    }
    assert_eq!(rig.events, []);
    rig.open(LegId(LEGS_MAX as u64));
    assert!(matches!(rig.events[0].1, Event::Failed { .. }));
    rig.command(Command::Close { leg: LegId(LEGS_MAX as u64) });
    assert!(matches!(rig.events[1].1, Event::Closed { .. }));
}

#[test]
fn a_worker_written_out_in_mid_call_and_read_back_goes_on_as_if_nothing_had_been() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcmu);
    rig.play(A, 1, vec![prompt("long"), prompt("short")], true);
    rig.say(A, 8, 0, &tone_codes(Codec::Pcma, 400.0));
    rig.hear(A, phone(A), &packet(25, 9999, 101, &[1, 10, 0, 160]));
    let bytes = postcard::to_allocvec(rig.worker.snapshot()).unwrap();
    let mut other = rig.clone();
    other.worker = Worker::restore(postcard::from_bytes(&bytes).unwrap(), rig.worker.library.clone());
    for rig in [&mut rig, &mut other] {
        rig.hear(A, phone(A), &packet(26, 9999, 101, &[1, 0x8A, 1, 160]));
        rig.pass(MS * 500);
        rig.command(Command::Stop { leg: A });
        rig.say(A, 8, 27, &[1; 1600]);
        rig.say(B, 0, 0, &[1; 1600]);
        rig.pass(Duration::from_secs(20));
        rig.command(Command::Close { leg: A });
    }
    assert_eq!((rig.rtp, rig.rtcp, rig.events), (other.rtp, other.rtcp, other.events));
}

#[test]
fn a_leg_moved_to_another_worker_goes_on_there() {
    let mut one = Rig::pair(Codec::Pcma, Codec::Pcma);
    one.play(A, 1, vec![prompt("long")], false);
    one.pass(MS * 50);
    let mut other = Rig { worker: Rig::new(0).worker, ..one.clone() };
    other.worker.adopt(one.worker.release(one.now, A).unwrap());
    assert!(one.worker.release(one.now, A).is_none() && one.worker.legs() == 1);
    other.pass(Duration::from_secs(1));
    assert_eq!((other.got(A).len(), other.events.len()), (5, 1));
    other.assert_unbroken(A);
}
