//! Offer/answer as peers in the field do it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::Keys;
use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
use busyhour_model::Fingerprint;

fn local() -> Local {
    Local {
        address: "192.0.2.1:40000".parse().unwrap(),
        session_id: 7,
        version: 3,
        terms: Terms::default(),
        first: None,
        secret: KeySecret { bytes: [3; 32], certificate: Some(Fingerprint([0xA3; 32])) },
        standing: None,
    }
}

fn offer_of(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n{media}")
}

fn answered(media: &str, wanted: Direction) -> Result<(String, Audio), SdpError> {
    answer(&local(), offer_of(media).as_bytes(), wanted)
        .map(|(text, audio)| (String::from_utf8(text.to_vec()).unwrap(), audio))
}

#[test]
fn our_offer_is_understood_by_ourselves() {
    let offer = offer(&local(), SendRecv);
    let theirs = Local {
        address: "[2001:db8::2]:5000".parse().unwrap(),
        session_id: 1,
        version: 1,
        terms: Terms::default(),
        first: None,
        secret: KeySecret::default(),
        standing: None,
    };
    let (answer, heard) = answer(&theirs, &offer, SendRecv).unwrap();
    let agreed = accepted(&theirs, &offer, &answer).unwrap();
    assert_eq!(
        (heard.remote, heard.remote_rtcp),
        ("192.0.2.1:40000".parse().unwrap(), "192.0.2.1:40001".parse().unwrap())
    );
    assert_eq!(agreed.remote, theirs.address);
    for audio in [heard, agreed] {
        assert_eq!((audio.codec, audio.payload_type, audio.telephone_event), (Codec::Pcma, 8, Some(101)));
        assert_eq!((audio.ptime_ms, audio.direction), (20, SendRecv));
    }
}

#[test]
fn the_first_codec_of_theirs_that_we_speak_is_taken_by_their_number() {
    let cases = [
        ("m=audio 5000 RTP/AVP 0 8\r\n", Codec::Pcmu, 0, None),
        ("m=audio 5000 RTP/AVP 18 8 0\r\n", Codec::Pcma, 8, None),
        (
            "m=audio 5000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 pcma/8000/1\r\n",
            Codec::Pcma,
            97,
            None,
        ),
        ("m=audio 5000/1 RTP/AVP 9 0 96\na=rtpmap:96 TELEPHONE-EVENT/8000\na=fmtp:96 0-16\n", Codec::Pcmu, 0, Some(96)),
        (
            "m=audio 5000 RTP/AVP 8 96 97\r\na=rtpmap:96 telephone-event/48000\r\na=rtpmap:97 telephone-event/8000\r\n",
            Codec::Pcma,
            8,
            Some(97),
        ),
        ("m=audio 5000 RTP/AVP 0 8\r\na=rtpmap:0 G722/8000\r\n", Codec::Pcma, 8, None),
    ];
    for (media, codec, payload_type, event) in cases {
        let (text, audio) = answered(media, SendRecv).unwrap();
        assert_eq!((audio.codec, audio.payload_type, audio.telephone_event), (codec, payload_type, event), "{media}");
        let formats =
            [Some(payload_type), event].into_iter().flatten().map(|number| format!(" {number}")).collect::<String>();
        assert!(text.contains(&format!("m=audio 40000 RTP/AVP{formats}\r\n")), "{text}");
    }
}

#[test]
fn every_stream_is_answered_in_its_place() {
    let (text, audio) = answered(
        "m=video 6000 RTP/AVP 31\r\nm=audio 0 RTP/AVP 8\r\nm=audio 7000 RTP/SAVP 8\r\nm=audio 5000 RTP/AVP 8\r\nm=audio 5002 RTP/AVP 8\r\nm=image 9 udptl t38\r\n",
        SendRecv,
    )
    .unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
    let expected = [
        "m=video 0 RTP/AVP 31",
        "m=audio 0 RTP/AVP 8",
        "m=audio 0 RTP/SAVP 8",
        "m=audio 40000 RTP/AVP 8",
        "m=audio 0 RTP/AVP 8",
        "m=image 0 udptl t38",
    ];
    assert_eq!((lines, audio.remote.port()), (expected.to_vec(), 5000));
}

#[test]
fn hold_and_resume_turn_the_right_way() {
    let cases = [
        ("", "", SendRecv, SendRecv),
        ("", "a=sendonly\r\n", SendRecv, RecvOnly),
        ("", "a=recvonly\r\n", SendRecv, SendOnly),
        ("", "a=inactive\r\n", SendRecv, Inactive),
        ("a=sendonly\r\n", "", SendRecv, RecvOnly),
        ("a=inactive\r\n", "a=sendrecv\r\n", SendRecv, SendRecv),
        ("", "", SendOnly, SendOnly),
        ("", "a=sendonly\r\n", SendOnly, Inactive),
        ("", "c=IN IP4 0.0.0.0\r\n", SendRecv, RecvOnly),
        ("", "c=IN IP4 0.0.0.0\r\na=inactive\r\n", SendRecv, Inactive),
    ];
    for (session, media, wanted, ours) in cases {
        let (text, audio) = answered(&format!("{session}m=audio 5000 RTP/AVP 8\r\n{media}"), wanted).unwrap();
        assert_eq!(audio.direction, ours, "{session}{media}");
        let word = format!("a={}\r\n", format!("{ours:?}").to_lowercase());
        assert!(text.ends_with(&word), "{text}");
    }
}

#[test]
fn addresses_and_packet_times_are_read_where_they_stand() {
    let cases = [
        ("c=IN IP4 203.0.113.5/127\r\na=ptime:30\r\n", "203.0.113.5:5000", "203.0.113.5:5001", 30),
        ("c=IN IP6 2001:db8::5\r\na=rtcp:9000\r\n", "[2001:db8::5]:5000", "[2001:db8::5]:9000", 20),
        ("a=rtcp:9000 IN IP4 203.0.113.6\r\na=ptime:200\r\n", "198.51.100.9:5000", "203.0.113.6:9000", 60),
        ("a=ptime:0\r\na=maxptime:10\r\n", "198.51.100.9:5000", "198.51.100.9:5001", 10),
        ("a=ptime: 25 \r\nx\r\n=\r\na\r\n", "198.51.100.9:5000", "198.51.100.9:5001", 20),
    ];
    for (lines, rtp, rtcp, ptime_ms) in cases {
        let (_, audio) = answered(&format!("m=audio 5000 RTP/AVP 8\r\n{lines}"), SendRecv).unwrap();
        assert_eq!((audio.remote, audio.remote_rtcp), (rtp.parse().unwrap(), rtcp.parse().unwrap()), "{lines}");
        assert_eq!(audio.ptime_ms, ptime_ms, "{lines}");
    }
}

#[test]
fn offers_we_cannot_take_are_refused_with_their_status() {
    let many = "m=audio 5000 RTP/AVP 8\r\n".repeat(33);
    let cases = [
        ("m=audio 5000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\n", 488),
        ("m=video 5000 RTP/AVP 31\r\n", 488),
        ("m=audio 5000 RTP/SAVP 8\r\n", 488),
        ("m=audio 0 RTP/AVP 8\r\n", 488),
        ("", 488),
        ("m=audio 70000 RTP/AVP 8\r\n", 400),
        ("m=audio 5000 RTP/AVP\r\n", 400),
        (&many, 400),
    ];
    for (media, status) in cases {
        assert_eq!(answered(media, SendRecv).unwrap_err().status(), status, "{media}");
    }
    assert_eq!(answer(&local(), b"\xff\x00", SendRecv).unwrap_err(), SdpError::Malformed);
    let no_address = b"v=0\r\nc=IN IP4 pbx.example.com\r\nm=audio 5000 RTP/AVP 8\r\n";
    assert_eq!(answer(&local(), no_address, SendRecv).unwrap_err(), SdpError::NoCommonCodec);
}

#[test]
fn an_answer_is_read_against_what_we_offered() {
    let offered = offer(&local(), SendOnly);
    let cases = [
        ("m=audio 5000 RTP/AVP 0 101\r\na=ptime:40\r\n", Ok((Codec::Pcmu, Some(101), SendOnly, 40))),
        ("m=audio 5000 RTP/AVP 8\r\na=inactive\r\n", Ok((Codec::Pcma, None, Inactive, 20))),
        (
            "m=audio 5000 RTP/AVP 8 97\r\na=rtpmap:97 telephone-event/8000\r\n",
            Ok((Codec::Pcma, Some(97), SendOnly, 20)),
        ),
        ("m=audio 0 RTP/AVP 8\r\n", Err(SdpError::NoCommonCodec)),
        ("m=audio 5000 RTP/AVP 18\r\n", Err(SdpError::NoCommonCodec)),
    ];
    for (media, expected) in cases {
        let audio = accepted(&local(), &offered, offer_of(media).as_bytes());
        assert_eq!(
            audio.map(|audio| (audio.codec, audio.telephone_event, audio.direction, audio.ptime_ms)),
            expected,
            "{media}"
        );
    }
}

#[test]
fn a_description_is_found_in_a_multipart_body() {
    let body = Bytes::from_static(
        b"preamble\r\n--b 1\r\nContent-Type: application/isup\r\n\r\n\x01\xff\r\n--b 1\r\nX: y\r\nc : Application/SDP ;q=1\r\n\r\nv=0\r\ns=-\r\n\r\n--b 1--\r\n",
    );
    let found = find(Some(b"Multipart/Mixed; charset=x; Boundary=\"b 1\""), &body);
    assert_eq!(found.as_deref(), Some(&b"v=0\r\ns=-\r\n"[..]));
    let sdp = Bytes::from_static(b"v=0\r\n");
    assert_eq!(find(Some(b"application/SDP;x=y"), &sdp), Some(sdp.clone()));
    for other in [&b"application/isup"[..], b"multipart/mixed", b"multipart/mixed;boundary=zz", b"x", b""] {
        assert_eq!(find(Some(other), &body), None);
    }
    assert_eq!(find(None, &sdp), None);
}

/// RFC 3264 section 5.1: the offer lists what is spoken, the preferred first; section 6.1: the answer may have an order of its own.
#[test]
fn codecs_are_offered_and_taken_as_the_terms_say() {
    let with = |codecs: &[Codec], keys, telephone_event, ptime_ms| Local {
        terms: Terms { codecs: codecs.to_vec(), keys, telephone_event, ptime_ms, ..Terms::default() },
        ..local()
    };
    let only = with(&[Codec::Pcmu], Keys::Events, 96, 30);
    let both = with(&[Codec::Pcmu, Codec::Pcma], Keys::Tones, 101, 20);
    for (local, lines) in [
        (
            &only,
            "RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=ptime:30\r\n",
        ),
        (&both, "RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\n"),
    ] {
        let text = String::from_utf8(offer(local, SendRecv).to_vec()).unwrap();
        assert!(text.contains(lines), "{text}");
    }
    let theirs = offer_of("m=audio 5000 RTP/AVP 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\n");
    let taken = |local: &Local| answer(local, theirs.as_bytes(), SendRecv).map(|(_, audio)| heard(&audio));
    assert_eq!(taken(&only), Ok((Codec::Pcmu, Some(97), false)));
    assert_eq!(taken(&both), Ok((Codec::Pcmu, None, true)), "keys are tones");
    assert_eq!(taken(&with(&[], Keys::Info, 101, 20)), Ok((Codec::Pcma, None, false)), "who offers has the order");
    let alaw = offer_of("m=audio 5000 RTP/AVP 8\r\n");
    assert_eq!(answer(&only, alaw.as_bytes(), SendRecv).unwrap_err(), SdpError::NoCommonCodec);
}

/// Wideband costs a transcoding wherever the other side has none: it is spoken where both do, or where the terms name it.
#[test]
fn wideband_is_spoken_where_the_peer_has_nothing_else_where_the_other_side_speaks_it_and_where_the_terms_say() {
    let with = |codecs: &[Codec], first| Local {
        terms: Terms { codecs: codecs.to_vec(), ..Terms::default() },
        first,
        ..local()
    };
    let taken = |codecs: &[Codec], formats: &str| {
        let theirs = offer_of(&format!("m=audio 5000 RTP/AVP {formats}\r\n"));
        answer(&with(codecs, None), theirs.as_bytes(), SendRecv)
            .map(|(_, audio)| (audio.codec, audio.payload_type))
            .ok()
    };
    assert_eq!(taken(&[], "9 0 8"), Some((Codec::Pcmu, 0)));
    assert_eq!(taken(&[], "9"), Some((Codec::G722, 9)));
    assert_eq!(taken(&[], "97\r\na=rtpmap:97 g722/8000/1"), Some((Codec::G722, 97)));
    assert_eq!(
        taken(&[], "97\r\na=rtpmap:97 G722/16000"),
        None,
        "its clock is said to be 8000 (RFC 3551 section 4.5.2)"
    );
    assert_eq!(taken(&[Codec::G722, Codec::Pcma], "8 9"), Some((Codec::G722, 9)));
    assert_eq!(taken(&[Codec::Pcma], "9"), None);

    for (codecs, first, formats) in [
        (&[][..], None, " 8 0 101"),
        (&[], Some(Codec::G722), " 9 8 0 101"),
        (&[], Some(Codec::Pcmu), " 0 8 101"),
        (&[Codec::Pcma], Some(Codec::G722), " 8 101"),
        (&[Codec::Pcma, Codec::G722], Some(Codec::G722), " 9 8 101"),
    ] {
        let local = with(codecs, first);
        let offered = offer(&local, SendRecv);
        let text = String::from_utf8(offered.to_vec()).unwrap();
        assert!(text.contains(&format!("RTP/AVP{formats}\r\n")), "{text}");
        let reply = offer_of("m=audio 5000 RTP/AVP 9 8 0\r\n");
        let agreed = accepted(&local, &offered, reply.as_bytes()).map(|audio| audio.codec);
        let expected = if formats.contains('9') { Codec::G722 } else { Codec::Pcma };
        assert_eq!(agreed, Ok(expected), "{codecs:?} {first:?}");
    }
}

/// What nobody here understands is for two who both speak it: taken where the terms name it and the peer has nothing else, offered
/// alone.
#[test]
fn a_codec_that_is_only_passed_on_is_taken_last_and_offered_alone() {
    let with = |codecs: &[Codec], first| Local {
        terms: Terms { codecs: codecs.to_vec(), ..Terms::default() },
        first,
        ..local()
    };
    let both = [Codec::G729, Codec::Pcma];
    for (codecs, formats, expected) in [
        (&both[..], "18 8", Some(Codec::Pcma)),
        (&both, "18", Some(Codec::G729)),
        (&both, "98\r\na=rtpmap:98 G729/8000/1", Some(Codec::G729)),
        (&[], "18", None),
    ] {
        let theirs = offer_of(&format!("m=audio 5000 RTP/AVP {formats}\r\n"));
        let taken = answer(&with(codecs, None), theirs.as_bytes(), SendRecv).ok();
        assert_eq!(taken.as_ref().map(|(_, audio)| audio.codec), expected, "{formats}");
        let text = taken.map(|(text, _)| String::from_utf8(text.to_vec()).unwrap()).unwrap_or_default();
        assert_eq!(text.contains(" annexb=no\r\n"), expected == Some(Codec::G729), "{text}");
    }
    for (codecs, first, formats) in [
        (&[][..], Some(Codec::G729), Some(" 18 101")),
        (&both, Some(Codec::G729), Some(" 18 101")),
        (&both, Some(Codec::Pcmu), Some(" 8 101")),
        (&both, None, Some(" 8 101")),
        (&[Codec::Pcma], Some(Codec::G729), None),
    ] {
        let local = with(codecs, first);
        assert_eq!(local.terms.offered(first).next().is_some(), formats.is_some(), "{codecs:?} {first:?}");
        let text = String::from_utf8(offer(&local, SendRecv).to_vec()).unwrap();
        assert!(formats.is_none_or(|formats| text.contains(&format!("RTP/AVP{formats}\r\n"))), "{text}");
    }
}

/// RFC 3264 section 7: what was not offered is not agreed on.
#[test]
fn an_answer_is_held_to_the_terms_of_our_offer() {
    let terms = |codecs: &[Codec], keys| Terms { codecs: codecs.to_vec(), keys, ..Terms::default() };
    let reply = |terms: &Terms, media: &str| {
        let offered = offer(&Local { terms: terms.clone(), ..local() }, SendRecv);
        accepted(&Local { terms: terms.clone(), ..local() }, &offered, offer_of(media).as_bytes())
            .map(|audio| heard(&audio))
    };
    let only = terms(&[Codec::Pcmu], Keys::Events);
    assert_eq!(reply(&only, "m=audio 5000 RTP/AVP 8\r\n"), Err(SdpError::NoCommonCodec));
    assert_eq!(reply(&only, "m=audio 5000 RTP/AVP 8 0\r\n"), Ok((Codec::Pcmu, None, true)), "keys are tones there");
    let strict = terms(&[Codec::Pcmu], Keys::EventsOnly);
    assert_eq!(reply(&strict, "m=audio 5000 RTP/AVP 8 0\r\n"), Ok((Codec::Pcmu, None, false)));
    let event = "m=audio 5000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    assert_eq!(reply(&only, event), Ok((Codec::Pcmu, Some(101), false)));
    let both = terms(&[Codec::Pcmu, Codec::Pcma], Keys::Tones);
    assert_eq!(reply(&both, event), Ok((Codec::Pcma, None, true)), "who answers has chosen; events were not offered");
}

fn heard(audio: &Audio) -> (Codec, Option<u8>, bool) {
    (audio.codec, audio.telephone_event, audio.tones)
}

fn secret(srtp: Secrecy) -> Local {
    Local { terms: Terms { srtp, ..Terms::default() }, ..local() }
}

/// What `answer` says to an offer of these words, and the keys agreed on.
fn secretly(srtp: Secrecy, media: &str) -> Result<(String, Option<Srtp>), SdpError> {
    let answer = answer(&secret(srtp), offer_of(media).as_bytes(), SendRecv)?;
    Ok((String::from_utf8(answer.0.to_vec()).unwrap(), said(answer.1.srtp)))
}

fn said(keying: Option<Box<Keying>>) -> Option<Srtp> {
    keying.map(|keying| match *keying {
        Keying::Said(srtp) => srtp,
        Keying::Handshake(handshake) => panic!("{handshake:?}"),
    })
}

const KEY: &str = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

/// RFC 4568: both ends have the same two keys, whoever offers, and each end its own.
#[test]
fn two_of_us_agree_on_keys_where_either_wants_them() {
    use Secrecy::{Accepted, Offered, Refused, Required};
    for (offering, answering, secret_in_the_end) in [
        (Required, Accepted, Some(true)),
        (Required, Required, Some(true)),
        (Offered, Accepted, Some(true)),
        (Offered, Required, Some(true)),
        (Offered, Refused, Some(false)),
        (Accepted, Accepted, Some(false)),
        (Accepted, Offered, Some(false)),
        (Refused, Offered, Some(false)),
        (Required, Refused, None),
        (Accepted, Required, None),
        (Refused, Required, None),
    ] {
        let (one, other) =
            (secret(offering), Local { secret: KeySecret { bytes: [9; 32], certificate: None }, ..secret(answering) });
        let offer = offer(&one, SendRecv);
        let answered = answer(&other, &offer, SendRecv);
        assert_eq!(
            answered.as_ref().ok().map(|(_, audio)| audio.srtp.is_some()),
            secret_in_the_end,
            "{offering:?} {answering:?}"
        );
        let Ok((answer, theirs)) = answered else { continue };
        let ours = accepted(&one, &offer, &answer).unwrap();
        match (said(ours.srtp), said(theirs.srtp)) {
            (Some(ours), Some(theirs)) => {
                assert_eq!((&ours.ours, &ours.theirs, ours.suite), (&theirs.theirs, &theirs.ours, theirs.suite));
                assert_ne!(ours.ours, ours.theirs);
                assert_eq!(ours.suite, busyhour_model::Suite::Gcm128, "the better of those offered");
            }
            (ours, theirs) => assert_eq!((ours, theirs), (None, None), "{offering:?} {answering:?}"),
        }
    }
}

#[test]
fn a_secret_stream_is_answered_as_it_was_offered_by_the_first_key_we_can_use() {
    let unknown = "a=crypto:1 F8_128_HMAC_SHA1_80 inline:x\r\n";
    let known =
        format!("a=crypto:7 AES_CM_128_HMAC_SHA1_32 {KEY}|2^31\r\na=crypto:8 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n");
    for protocol in ["RTP/SAVP", "RTP/AVP"] {
        let media = format!("m=audio 5000 {protocol} 8 101\r\na=rtpmap:101 telephone-event/8000\r\n{unknown}{known}");
        let (text, srtp) = secretly(Secrecy::Accepted, &media).unwrap();
        let srtp = srtp.unwrap();
        assert!(text.contains(&format!("m=audio 40000 {protocol} 8 101\r\n")), "{text}");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("a=crypto")).collect();
        let [line] = lines[..] else { panic!("{text}") };
        assert!(line.starts_with("a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:"), "{line}");
        assert_eq!(
            (srtp.suite.name(), srtp.theirs.bytes()[..4].to_vec()),
            ("AES_CM_128_HMAC_SHA1_32", b"=-n@".to_vec())
        );
    }
    let media = format!("m=audio 5000 RTP/SAVP 8\r\n{unknown}");
    assert_eq!(secretly(Secrecy::Accepted, &media), Err(SdpError::NoCommonCodec), "no key we can use");
    assert_eq!(
        secretly(Secrecy::Refused, &format!("m=audio 5000 RTP/SAVP 8\r\n{known}")),
        Err(SdpError::NoCommonCodec)
    );
    let (text, srtp) = secretly(Secrecy::Refused, &format!("m=audio 5000 RTP/AVP 8\r\n{known}")).unwrap();
    assert!(srtp.is_none() && !text.contains("crypto"), "{text}");
    assert_eq!(secretly(Secrecy::Required, "m=audio 5000 RTP/AVP 8\r\n"), Err(SdpError::NoCommonCodec));
}

/// An answer names one of our tags with its suite, or there are no keys.
#[test]
fn an_answer_with_a_key_we_did_not_offer_is_none() {
    let ours = secret(Secrecy::Required);
    let offered = offer(&ours, SendRecv);
    let text = String::from_utf8(offered.to_vec()).unwrap();
    assert!(text.contains("RTP/SAVP 8 0 101\r\n") && text.matches("a=crypto:").count() == 2, "{text}");
    for (line, agreed) in [
        (format!("a=crypto:2 AES_CM_128_HMAC_SHA1_80 {KEY}"), true),
        (format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}"), false),
        (format!("a=crypto:3 AES_CM_128_HMAC_SHA1_80 {KEY}"), false),
        (String::new(), false),
    ] {
        let answer = offer_of(&format!("m=audio 5000 RTP/SAVP 8\r\n{line}\r\n"));
        let accepted = accepted(&ours, &offered, answer.as_bytes());
        assert_eq!(accepted.map(|audio| audio.srtp.is_some()).ok(), agreed.then_some(true), "{line}");
    }
    let plain = offer(&secret(Secrecy::Offered), SendRecv);
    let answer = offer_of("m=audio 5000 RTP/AVP 8\r\n");
    assert_eq!(accepted(&secret(Secrecy::Offered), &plain, answer.as_bytes()).unwrap().srtp, None);
}

#[test]
fn what_is_secret_because_the_peer_wanted_it_stays_so_in_our_own_offers() {
    let mut local = secret(Secrecy::Accepted);
    let media = format!("m=audio 5000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n");
    let (_, audio) = answer(&local, offer_of(&media).as_bytes(), SendRecv).unwrap();
    local.standing = audio.srtp.as_deref().cloned();
    let text = String::from_utf8(offer(&local, SendOnly).to_vec()).unwrap();
    assert!(text.contains("RTP/SAVP 8 0 101\r\n") && text.contains("AES_CM_128_HMAC_SHA1_80 inline:"), "{text}");
}

mod handshakes;
