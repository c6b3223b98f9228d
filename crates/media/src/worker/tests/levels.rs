//! Sound that is made louder or softer on its way, each way by itself.

use super::*;
use busyhour_model::Gain;

const GAIN: Gain = Gain { heard: 6, sent: -3 };

fn levelled(a: Codec, b: Codec) -> Rig {
    let mut rig = Rig::bridged(a, b);
    rig.command(Command::Connect { leg: A, audio: Audio { gain: GAIN, ..audio(A, a) } });
    rig
}

#[test]
fn what_a_peer_says_and_what_it_hears_has_its_level_in_every_codec() {
    const CODECS: [Codec; 3] = [Codec::Pcma, Codec::Pcmu, Codec::G722];
    for (a, b) in CODECS.into_iter().flat_map(|a| CODECS.map(|b| (a, b))) {
        let mut rig = levelled(a, b);
        rig.say(A, a.assigned().1, 100, &tone_codes(a, 400.0));
        rig.say(B, b.assigned().1, 500, &tone_codes(b, 1_000.0));
        for (leg, codec, hertz, expected) in [(B, b, 400.0, -4.0), (A, a, 1_000.0, -13.0)] {
            let heard = level(codec, &rig.codes(leg), hertz);
            assert!((heard - expected).abs() < 0.7, "{a:?} {b:?}: {leg:?} hears {hertz} Hz at {heard} dBm0");
            rig.assert_unbroken(leg);
        }
    }
}

#[test]
fn prompts_and_long_packets_have_it_too() {
    let mut rig = levelled(Codec::Pcma, Codec::Pcma);
    let beep = Sound::Prompt { language: "".into(), id: "system/beep".into() };
    rig.play(A, 1, vec![beep], false);
    rig.pass(Duration::from_secs(1));
    let heard = level(Codec::Pcma, &rig.codes(A)[..3_200], 1_000.0);
    assert!((heard + 15.0).abs() < 0.3, "{heard} dBm0");
    rig.rtp.clear();
    let said = tone_codes(Codec::Pcma, 1_000.0);
    rig.hear(B, phone(B), &packet(1, 0, 8, &said[..1_280]));
    let heard = level(Codec::Pcma, &rig.codes(A), 1_000.0);
    assert!((heard + 13.0).abs() < 0.3, "{heard} dBm0");
}

/// The tools know 8 kHz: at 16 kHz the same samples are a tone an octave higher.
#[test]
fn what_lies_above_the_telephone_band_has_it_as_well() {
    let mut rig = levelled(Codec::G722, Codec::G722);
    let (mut encoder, mut decoder) = (g722::Encoder::default(), g722::Decoder::default());
    let said: Vec<i16> = tone::Sine::new(2_500.0, -10.0).take(16_000).collect();
    let said: Vec<u8> = said.as_chunks::<2>().0.iter().map(|pair| encoder.encode(*pair)).collect();
    rig.say(A, 9, 100, &said);
    rig.say(B, 9, 500, &said);
    for (leg, expected) in [(B, -4.0), (A, -13.0)] {
        let samples: Vec<i16> = rig.codes(leg).iter().flat_map(|code| decoder.decode(*code)).collect();
        let heard = tone::level(&samples[4_000..], 2_500.0);
        assert!((heard - expected).abs() < 0.8, "{leg:?} hears 5 kHz at {heard} dBm0");
    }
}

#[test]
fn what_nobody_understands_stays_as_it_is() {
    let mut rig = levelled(Codec::G729, Codec::G729);
    let said = [7; 1_600];
    rig.say(A, 18, 0, &said);
    rig.say(B, 18, 0, &said);
    assert_eq!((rig.codes(A), rig.codes(B)), (said.to_vec(), said.to_vec()));
}
