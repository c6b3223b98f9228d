//! The worker in virtual time: what two phones hear, in which packets, and what attackers and bad lines can do to it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::dtmf;
use crate::rtp::{self, Header};
use crate::{g711, rtcp, tone, wav};
use busyhour_model::{Codec, Direction};
use proptest::prelude::*;
use std::sync::LazyLock;

mod taping;

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
    Audio {
        remote: phone(leg),
        remote_rtcp: rtcp_of(leg),
        codec,
        payload_type: if codec == Codec::Pcma { 8 } else { 0 },
        telephone_event: Some(100 + leg.0 as u8),
        ptime_ms: 20,
        direction: Direction::SendRecv,
    }
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
    tone::Sine::new(hertz, -10.0).take(4000).map(|s| g711::encode(codec, s)).collect()
}

fn level(codec: Codec, codes: &[u8], hertz: f64) -> f64 {
    let samples: Vec<i16> = codes.iter().map(|code| g711::decode(codec, *code)).collect();
    tone::level(&samples, hertz)
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
fn a_key_is_told_once_and_relayed_with_the_partners_payload_type() {
    for lost in 0..8 {
        let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
        let mut sequence = 0;
        for (i, digit) in "9501*#".chars().enumerate() {
            for (n, (_, payload)) in dtmf::press(digit, 100).enumerate() {
                sequence += 1;
                if n != lost {
                    rig.hear(A, phone(A), &packet(sequence, 5000 + i as u32 * 1600, 101, &payload));
                }
                rig.pass(FRAME);
            }
        }
        assert_eq!(rig.digits(), "9501*#", "packet {lost} of each press lost");
        assert!(rig.got(B).iter().all(|got| got.header.payload_type == 102 && got.payload.len() == 4));
        assert_eq!(rig.got(B).len(), 42);
    }
}

#[test]
fn a_key_played_is_pressed_once_by_telephone_events_and_time_goes_on() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcma);
    rig.play(A, 1, vec![Sound::Silence(30), Sound::Key('5'), Sound::Key('#'), Sound::Silence(20)], false);
    rig.pass(Duration::from_millis(600));
    assert!(matches!(rig.events.last(), Some((_, Event::PlayEnded { .. }))), "{:?}", rig.events);
    let mut receiver = dtmf::Receiver::default();
    let events: Vec<&Got> = rig.got(A).into_iter().filter(|got| got.header.payload_type == 101).collect();
    let heard: String = events.iter().filter_map(|got| receiver.take(got.header.timestamp, &got.payload)).collect();
    assert_eq!(heard, "5#");
    let marked = events.iter().filter(|got| got.header.marker).count();
    let ends = events.iter().filter(|got| got.payload[1] & 0x80 != 0).count();
    assert_eq!((events.len(), marked, ends), (14, 2, 6), "five packets each 20 ms, the last three times");
    let all = rig.got(A);
    for pair in all.windows(2) {
        assert_eq!(pair[1].header.sequence, pair[0].header.sequence.wrapping_add(1));
    }
    let first = all[0];
    for got in all.iter().filter(|got| got.header.payload_type == 8) {
        let step = got.header.timestamp.wrapping_sub(first.header.timestamp);
        assert_eq!(u64::from(step), got.at.since(first.at).as_micros() as u64 / 125, "speech is in its place");
    }
}

#[test]
fn a_key_played_to_a_phone_without_telephone_events_is_its_two_tones() {
    let mut rig = Rig::pair(Codec::Pcma, Codec::Pcmu);
    rig.connect_with(B, |audio| (audio.codec, audio.payload_type, audio.telephone_event) = (Codec::Pcmu, 0, None));
    rig.play(B, 1, vec![Sound::Key('6')], false);
    rig.pass(Duration::from_millis(300));
    let codes = rig.codes(B);
    assert_eq!(codes.len(), 1600);
    for (hertz, loud) in [(770.0, true), (1477.0, true), (697.0, false), (1336.0, false)] {
        assert_eq!(level(Codec::Pcmu, &codes[..800], hertz) > -15.0, loud, "{hertz} Hz");
    }
}

#[test]
fn a_partner_without_telephone_events_gets_speech_only_and_no_gap() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.connect_with(B, |audio| audio.telephone_event = None);
    rig.say(A, 8, 0, &[1; 480]);
    for (i, (_, payload)) in dtmf::press('5', 60).enumerate() {
        rig.hear(A, phone(A), &packet(3 + i as u16, 480, 101, &payload));
        rig.pass(FRAME);
    }
    rig.say(A, 8, 9, &[2; 480]);
    assert_eq!((rig.digits().as_str(), rig.got(B).len()), ("5", 6));
    rig.assert_unbroken(B);
}

#[test]
fn a_hijacker_hears_nothing_and_is_heard_for_five_packets_at_most() {
    let attacker: SocketAddr = "198.51.100.66:6666".parse().unwrap();
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    for sequence in 0..100 {
        rig.hear(A, attacker, &packet(sequence, sequence as u32 * 160, 8, &[9; 160]));
        rig.pass(FRAME);
    }
    rig.say(A, 8, 0, &[1; 1600]);
    for sequence in 100..200 {
        rig.hear(A, attacker, &packet(sequence, sequence as u32 * 160, 8, &[9; 160]));
        rig.hear(A, attacker, &packet(sequence, 0, 101, &[3, 10, 0, 160]));
        rig.say(B, 8, sequence, &[2; 160]);
    }
    assert_eq!(rig.codes(B).iter().filter(|code| **code == 9).count(), 5 * 160);
    assert_eq!(rig.codes(B).iter().filter(|code| **code == 1).count(), 1600, "the true caller lost nothing");
    assert_eq!(rig.digits(), "");
    assert!(rig.rtp.iter().all(|got| got.to == phone(got.leg)), "nothing was sent to the attacker");
    assert_eq!(rig.worker.stats(A).unwrap().refused_in, 95 + 200);
}

#[test]
fn a_phone_behind_a_nat_is_sent_to_where_it_speaks_from() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    let public: SocketAddr = "198.51.100.7:33000".parse().unwrap();
    rig.connect_with(A, |audio| audio.remote = "192.168.1.2:4000".parse().unwrap());
    rig.hear(A, public, &packet(0, 0, 8, &[1; 160]));
    rig.worker.handle_rtcp(rig.now, A, "198.51.100.7:33001".parse().unwrap(), &receiver_report(0, 0, 0));
    rig.say(B, 8, 0, &[2; 160]);
    assert_eq!(rig.got(A)[0].to, public);
}

/// What a phone's RTCP says; of our stream `ssrc` when there is an echo.
fn receiver_report(ssrc: u32, last_sr: u32, delay_since_sr: u32) -> Vec<u8> {
    let report =
        crate::incoming::Report { ssrc, fraction_lost: 0, lost: 0, highest: 0, jitter: 0, last_sr, delay_since_sr };
    let mut out = [0; rtcp::LEN_MAX];
    let len = rtcp::write(Time::ZERO, 77, "phone", None, Some(report), false, &mut out);
    out[..len].to_vec()
}

#[test]
fn reports_go_out_every_five_seconds_and_measure_the_round_trip() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.say(B, 8, 0, &[1; 8000 * 20]);
    let reports: Vec<_> = rig.rtcp.iter().filter(|(_, leg, _)| *leg == A).cloned().collect();
    assert!((4..=5).contains(&reports.len()), "{} reports in 20 s", reports.len());
    for pair in reports.windows(2) {
        assert_eq!(pair[1].0.since(pair[0].0), Duration::from_secs(5));
    }
    let (sent_at, _, bytes) = reports.last().unwrap();
    let (ssrc, ntp) = rtcp::read(bytes, 0).unwrap().sr.unwrap();
    let delay = Duration::from_millis(500);
    rig.now = rig.now.max(*sent_at + delay) + MS * 40;
    let held = rig.now.since(*sent_at) - MS * 40;
    let echo = receiver_report(ssrc, (ntp >> 16) as u32, (held.as_micros() * 65_536 / 1_000_000) as u32);
    rig.worker.handle_rtcp(rig.now, A, rtcp_of(A), &echo);
    let rtt = rig.worker.stats(A).unwrap().rtt_us.unwrap();
    assert!(rtt.abs_diff(40_000) < 50, "{rtt} us");
}

#[test]
fn silence_is_told_once_until_sound_comes_again_and_never_on_hold() {
    let mut rig = Rig::new(2000);
    rig.open(A);
    rig.pass(Duration::from_secs(10));
    let start = rig.now;
    rig.connect_with(A, |_| {});
    rig.say(A, 8, 0, &[1; 160]);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.events, [(start + MS * 2000, Event::Silent { leg: A })]);
    rig.say(A, 8, 1, &[1; 160]);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.events.len(), 2, "told again");
    rig.say(A, 8, 2, &[1; 160]);
    rig.connect_with(A, |audio| audio.direction = Direction::SendOnly);
    rig.pass(Duration::from_secs(100));
    assert_eq!(rig.events.len(), 2, "silent by agreement");
}

#[test]
fn an_agents_phone_is_silent_sooner_unless_rtcp_says_that_it_lives() {
    let mut rig = Rig::new(8000);
    let local = phone(A);
    rig.command(Command::Open { leg: A, local, side: Side::Agent });
    rig.connect_with(A, |_| {});
    let start = rig.now;
    rig.pass(Duration::from_millis(1500));
    rig.worker.handle_rtcp(rig.now, A, rtcp_of(A), &receiver_report(1, 0, 0));
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.events, [(start + MS * 3500, Event::Silent { leg: A })]);
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
    other.worker.adopt(one.worker.release(A).unwrap());
    assert!(one.worker.release(A).is_none() && one.worker.legs() == 1);
    other.pass(Duration::from_secs(1));
    assert_eq!((other.got(A).len(), other.events.len()), (5, 1));
    other.assert_unbroken(A);
}

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
        (leg.clone(), 1..4u64, 0..9u8, any::<u8>(), direction).prop_map(|(leg, other, which, n, direction)| {
            let codec = if n % 2 == 0 { Codec::Pcma } else { Codec::Pcmu };
            let (leg, b) = (LegId(leg), LegId(other));
            let audio = Audio { ptime_ms: n, direction, ..audio(leg, codec) };
            let sounds = vec![prompt("short"), Sound::Silence(n as u32), prompt("nope")];
            match which {
                0 => Command::Open { leg, local: phone(leg), side: Side::Agent },
                1 | 2 => Command::Connect { leg, audio },
                3 | 4 => Command::Play { leg, play: PlayId(n as u64), sounds, repeat: n % 3 == 0 },
                5 => Command::Stop { leg },
                6 => Command::Bridge { a: leg, b },
                7 => Command::Unbridge { leg },
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
        prop_assert!(rig.rtp.iter().all(|got| got.to == phone(got.leg)));
    }
}
