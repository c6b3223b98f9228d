//! Keys pressed and played, as telephone events and as tones.

use super::*;
use crate::leg::ECHO;
use busyhour_model::G711;

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
fn keys_for_a_partner_without_telephone_events_are_tones() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.connect_with(B, |audio| audio.telephone_event = None);
    rig.say(A, 8, 0, &[1; 480]);
    for (press, digit) in "56".chars().enumerate() {
        for (i, (_, payload)) in dtmf::press(digit, 60).enumerate() {
            let sequence = 3 + (press * 6 + i) as u16;
            rig.hear(A, phone(A), &packet(sequence, 480 * (1 + press as u32), 101, &payload));
            rig.pass(FRAME);
        }
    }
    rig.pass(FRAME * 20);
    rig.say(A, 8, 35, &[2; 480]);
    assert_eq!((rig.digits().as_str(), tones_in(&rig.codes(B)).as_str()), ("56", "56"));
    assert_eq!(rig.events.len(), 2, "nobody is told of a play: {:?}", rig.events);
    assert!([1, 2].iter().all(|code| rig.codes(B).contains(code)), "speech before and behind");
    rig.assert_unbroken(B);
}

/// RFC 4733 is not agreed on: keys are told where the terms say that they are tones, and are heard by the partner as they came.
#[test]
fn keys_in_the_sound_are_told_where_they_are_to_be_heard_there() {
    for (tones, expected) in [(true, "9501*#"), (false, "")] {
        let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcmu);
        rig.connect_with(A, |audio| (audio.telephone_event, audio.tones) = (None, tones));
        let pressed: Vec<u8> =
            "9501*#".chars().flat_map(|digit| LIBRARY.find("", &dtmf::tone_id(digit)).unwrap().to_vec()).collect();
        rig.say(A, 8, 0, &pressed);
        assert_eq!(rig.digits(), expected);
        assert_eq!(rig.got(B).len(), pressed.len() / 160);
        rig.assert_unbroken(B);
    }
}

/// A line without telephone-events may echo what is pressed for it; a little later the same key is one of its own.
#[test]
fn the_echo_of_our_tones_is_no_key() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.connect_with(A, |audio| (audio.telephone_event, audio.tones) = (None, true));
    rig.play(A, 1, vec![Sound::Key('5')], false);
    let tone = LIBRARY.find("", &dtmf::tone_id('5')).unwrap().to_vec();
    rig.pass(FRAME * 3);
    rig.say(A, 8, 0, &tone);
    assert_eq!(rig.digits(), "");
    rig.pass(FRAME * 10 + ECHO);
    rig.say(A, 8, 100, &tone);
    assert_eq!(rig.digits(), "5");
}

/// The keys heard in A-law sound.
fn tones_in(codes: &[u8]) -> String {
    let mut ear = crate::keypad::Ear::default();
    codes.chunks(80).enumerate().filter_map(|(n, codes)| ear.take(80 * n as u32, G711::A, codes)).collect()
}
