//! A codec that is not G.711: passed on as it is to who speaks it, heard by everybody else.

use super::*;
use crate::Limits;
use busyhour_model::G711;

const WIDE: u8 = 9;
const TAPE: TapeId = TapeId(5);

#[test]
fn who_speaks_the_same_hears_every_bit() {
    let mut rig = Rig::bridged(Codec::G722, Codec::G722);
    let said: Vec<u8> = (0..8_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    rig.say(A, WIDE, 65_530, &said);
    assert_eq!(rig.codes(B), said);
    assert!(rig.got(B).iter().all(|got| got.header.payload_type == WIDE));
    rig.assert_unbroken(B);
}

#[test]
fn who_speaks_another_hears_the_tone_both_ways_with_the_numbers_of_the_stream() {
    for other in [Codec::Pcma, Codec::Pcmu] {
        let mut rig = Rig::bridged(Codec::G722, other);
        rig.say(A, WIDE, 100, &tone_codes(Codec::G722, 400.0));
        rig.say(B, other.assigned().1, 500, &tone_codes(other, 1_000.0));
        for (leg, codec, hertz) in [(A, Codec::G722, 1_000.0), (B, other, 400.0)] {
            let heard = level(codec, &rig.codes(leg), hertz);
            assert!((heard + 10.0).abs() < 0.7, "{leg:?} hears {hertz} Hz at {heard} dBm0");
            assert!(rig.got(leg).iter().all(|got| got.header.payload_type == codec.assigned().1));
            rig.assert_unbroken(leg);
        }
    }
}

#[test]
fn a_lost_packet_stays_lost_for_the_hearer_and_does_no_harm_to_the_next() {
    let mut rig = Rig::bridged(Codec::G722, Codec::Pcma);
    let said = tone_codes(Codec::G722, 400.0);
    for (n, frame) in said.chunks(160).enumerate().filter(|(n, _)| n % 10 != 9) {
        rig.hear(A, phone(A), &packet(n as u16, n as u32 * 160, WIDE, frame));
        rig.pass(FRAME);
    }
    let numbers: Vec<u16> = rig.got(B).iter().map(|got| got.header.sequence).collect();
    assert_eq!(numbers[9].wrapping_sub(numbers[8]), 2, "the gap is seen");
    let heard = level(Codec::Pcma, &rig.got(B)[10].payload, 400.0);
    assert!((heard + 10.0).abs() < 1.0, "{heard} dBm0");
}

#[test]
fn prompts_and_mixes_are_made_of_it_and_with_it() {
    let mut rig = Rig::pair(Codec::G722, Codec::Pcma);
    let beep = Sound::Prompt { language: "".into(), id: "system/beep".into() };
    rig.play(A, 1, vec![beep], false);
    rig.pass(Duration::from_secs(1));
    let heard = level(Codec::G722, &rig.codes(A)[..3_200], 1_000.0);
    assert!((heard + 12.0).abs() < 0.7, "{heard} dBm0");
    assert!(rig.got(A).iter().all(|got| got.header.payload_type == WIDE && got.payload.len() == 160));

    for (hearer, source, hertz) in [(A, B, 700.0), (B, A, 400.0)] {
        rig.rtp.clear();
        rig.command(Command::Hear { leg: hearer, from: vec![source] });
        let (said, heard) = if source == A { (Codec::G722, Codec::Pcma) } else { (Codec::Pcma, Codec::G722) };
        rig.say(source, said.assigned().1, 0, &tone_codes(said, hertz));
        let heard = samples(heard, &rig.codes(hearer));
        let heard = tone::level(&heard[heard.len() - 1_600..], hertz);
        assert!((heard + 10.0).abs() < 1.0, "{hearer:?}: {heard} dBm0");
    }
}

#[test]
fn keys_are_heard_in_it_and_nothing_of_them_is_taped() {
    let mut rig = Rig::pair(Codec::G722, Codec::G722);
    rig.connect_with(A, |audio| {
        (audio.codec, audio.payload_type, audio.tones) = (Codec::G722, WIDE, true);
    });
    let (since, limits, track) = (rig.now, Limits::default(), crate::Track::Mono);
    rig.command(Command::Record { leg: A, tape: TAPE, track, since, limits });
    let mut encoder = g722::Encoder::default();
    let library = Library::new();
    let pressed = library.find("", &dtmf::tone_id('7')).unwrap();
    let pause = [g711::silence(G711::A); 1_600];
    let codes = pause.iter().chain(&pressed[..]).chain(&pause);
    let said: Vec<u8> = codes.map(|code| encoder.encode_narrow(g711::decode_a(*code))).collect();
    rig.say(A, WIDE, 0, &said);
    assert_eq!(rig.digits(), "7");
}

#[test]
fn a_codec_changes_in_mid_call_and_all_is_heard_on() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    for codec in [Codec::Pcma, Codec::G722, Codec::Pcmu, Codec::G722] {
        rig.command(Command::Connect { leg: A, audio: audio(A, codec) });
        rig.rtp.clear();
        let first = 1_000 + 100 * u16::from(codec.assigned().1);
        rig.say(A, codec.assigned().1, first, &tone_codes(codec, 400.0));
        rig.say(B, 8, first, &tone_codes(Codec::Pcma, 1_000.0));
        assert!((level(Codec::Pcma, &rig.codes(B), 400.0) + 10.0).abs() < 0.7, "{codec:?}");
        assert!((level(codec, &rig.codes(A), 1_000.0) + 10.0).abs() < 0.7, "{codec:?}");
    }
}
