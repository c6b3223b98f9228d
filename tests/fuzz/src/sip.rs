//! What must hold for any bytes at the parsers of `busyhour-sip`. Used by the fuzz targets and by the crate's own tests.

use busyhour_model::{Direction, Fingerprint, KeySecret};
use busyhour_sip::digest::{Challenge, Credentials};
use busyhour_sip::dns::{Kind, Question, RECORDS_MAX};
use busyhour_sip::{Frame, Framer, HeaderName, Headers, Limits, Message, NameAddr, Terms, Uri, Via, sdp};
use bytes::Bytes;

/// What is taken can be written, is taken again, and then no longer changes. What is not may have an answer, which is taken.
pub fn message(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    match Message::parse(&bytes, &Limits::default()) {
        Ok(message) => {
            let written = message.to_bytes();
            let again = Message::parse(&written, &Limits::default()).expect("what we wrote");
            assert_eq!(again.to_bytes(), written);
            read(message.headers());
            if let Message::Request(request) = &message {
                let mut reply = request.reply(180);
                reply.set_to_tag("tag");
                assert!(Message::parse(&reply.to_bytes(), &Limits::default()).is_ok());
                assert!(reply.headers.to_tag().is_some());
                let _ = request.sdp();
            }
        }
        Err(error) => {
            if let Some(mut reply) = error.reply {
                reply.set_to_tag("tag");
                assert!(reply.to_bytes().starts_with(b"SIP/2.0 "));
            }
        }
    }
}

/// Every accessor; those that `Message::parse` has checked must succeed.
fn read(headers: &Headers) {
    assert!(headers.top_via().is_ok() && headers.vias().is_ok_and(|vias| !vias.is_empty()));
    assert!(headers.from().is_ok() && headers.to().is_ok() && headers.cseq().is_ok() && !headers.call_id().is_empty());
    let _ = (headers.contacts(), headers.routes(), headers.record_routes(), headers.expires(), headers.max_forwards());
    let _ = (headers.content_type(), headers.content_length(), headers.retry_after(), headers.require().count());
    let _ = headers.addresses(HeaderName::PAssertedIdentity);
}

/// A URI that is taken is written so that it is taken again, the same.
pub fn uri(data: &[u8]) {
    let Ok(uri) = Uri::parse(data) else { return };
    let again = Uri::parse(uri.to_string()).expect("what we wrote");
    assert_eq!(again, uri);
    assert!(uri.equivalent(&again));
    let _ = (uri.user_unescaped(), uri.port_or_default());
}

/// So are addresses and hops.
pub fn address(data: &[u8]) {
    if let Ok(address) = NameAddr::parse(data) {
        assert_eq!(NameAddr::parse(address.to_string().as_bytes()).expect("what we wrote").uri, address.uri);
    }
    if let Ok(via) = Via::parse(data) {
        assert_eq!(Via::parse(via.to_string().as_bytes()).expect("what we wrote").to_string(), via.to_string());
    }
}

/// An offer that is taken gets an answer that fits what we could have offered.
pub fn description(data: &[u8]) {
    let local = sdp::Local {
        first: None,
        address: ([192, 0, 2, 1], 40_000).into(),
        session_id: 1,
        version: 1,
        terms: Terms::default(),
        secret: KeySecret { bytes: [0; 32], certificate: Some(Fingerprint([1; 32])) },
        standing: None,
    };
    if let Ok((answer, audio)) = sdp::answer(&local, data, Direction::SendRecv) {
        assert!(audio.remote.port() != 0 && audio.payload_type < 128 && (10..=60).contains(&audio.ptime_ms));
        let agreed = sdp::accepted(&local, data, &answer).expect("the offerer understands our answer");
        assert_eq!(
            (agreed.codec, agreed.payload_type, agreed.remote),
            (audio.codec, audio.payload_type, local.address)
        );
    }
    let ours = sdp::offer(&local, Direction::SendRecv);
    let _ = sdp::accepted(&local, &ours, data);
    let _ = sdp::find(Some(b"multipart/mixed;boundary=b"), &Bytes::copy_from_slice(data));
}

/// A stream gives the same messages in one piece and in pieces.
pub fn stream(data: &[u8]) {
    let limits = Limits { header_bytes: 512, body_bytes: 256, ..Limits::default() };
    let size = usize::from(data.first().copied().unwrap_or(1) % 16) + 1;
    let (whole, whole_lost) = frames(&[data], &limits);
    let (cut, cut_lost) = frames(&data.chunks(size).collect::<Vec<_>>(), &limits);
    assert_eq!((whole, whole_lost), (cut, cut_lost));
}

fn frames(chunks: &[&[u8]], limits: &Limits) -> (Vec<Bytes>, bool) {
    let (mut framer, mut messages) = (Framer::default(), Vec::new());
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.poll(limits) {
                Ok(Some(Frame::Message(bytes))) => messages.push(bytes),
                Ok(Some(Frame::Ping | Frame::Pong)) => {}
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

/// Challenges and credentials that are taken are written so that they are taken again, the same. A field has no line breaks.
pub fn digest(data: &[u8]) {
    if data.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return;
    }
    if let Ok(challenge) = Challenge::parse(data) {
        assert_eq!(Challenge::parse(challenge.to_string().as_bytes()).expect("what we wrote"), challenge);
    }
    if let Ok(credentials) = Credentials::parse(data) {
        assert_eq!(Credentials::parse(credentials.to_string().as_bytes()).expect("what we wrote"), credentials);
        let _ = credentials.verify("password", "REGISTER");
    }
}

/// What a name server answers never holds more than its maximum, and names in it may be asked for or are said to be none.
pub fn dns(data: &[u8]) {
    for kind in [Kind::A, Kind::Aaaa, Kind::Srv, Kind::Naptr] {
        let question = Question { kind, name: "a.example".to_owned() };
        let head = question.to_bytes(7).expect("a name");
        // As if it answered this question: what it says begins where the question ends.
        let mut reply = [&head, data].concat();
        (reply[2], reply[7]) = (0x81, 4);
        if let Ok(answer) = question.read(7, &reply) {
            assert!(answer.records.len() <= RECORDS_MAX);
        }
        let _ = question.read(7, data);
        let _ = Question { kind, name: String::from_utf8_lossy(data).into_owned() }.to_bytes(7);
    }
}
