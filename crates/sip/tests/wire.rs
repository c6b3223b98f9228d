//! Parser and writer against generated messages, against rsip, and against damaged ones.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

#[path = "wire/corpus.rs"]
mod corpus;
#[path = "../../../tests/fuzz/src/sip.rs"]
#[allow(unreachable_pub)]
mod property;

use busyhour_sip::{Contacts, Limits, Message, Request};
use bytes::Bytes;
use corpus::{config, damaged, plain, well_formed};
use proptest::prelude::proptest;
use rsip::headers::ToTypedHeader;
use rsip::message::HeadersExt;
use rsip::prelude::UntypedHeader;

fn parse(bytes: &[u8]) -> Request {
    match Message::parse(&Bytes::copy_from_slice(bytes), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{}\n{other:?}", String::from_utf8_lossy(bytes)),
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_well_formed_message_is_written_byte_for_byte(bytes in well_formed()) {
        assert_eq!(parse(&bytes).to_bytes(), bytes);
        property::message(&bytes);
    }

    #[test]
    fn rsip_reads_the_same_in_a_plain_message(text in plain()) {
        let ours = parse(text.as_bytes());
        let theirs = rsip::Request::try_from(text.as_str()).unwrap();
        assert_eq!((ours.method.to_string(), ours.uri.to_string()), (theirs.method.to_string(), theirs.uri.to_string()));
        let (via, hop) = (ours.headers.top_via().unwrap(), theirs.via_header().unwrap().typed().unwrap());
        assert_eq!((via.branch(), via.port), (hop.branch().map(|branch| branch.value()), hop.uri.port().map(|port| *port.value())));
        let (from, caller) = (ours.headers.from().unwrap(), theirs.from_header().unwrap().typed().unwrap());
        assert_eq!((from.tag(), from.uri.to_string()), (caller.tag().map(|tag| tag.value()), caller.uri.to_string()));
        let (to, called) = (ours.headers.to().unwrap(), theirs.to_header().unwrap().typed().unwrap());
        assert_eq!((to.tag(), to.uri.to_string()), (None, called.uri.to_string()));
        assert_eq!(ours.headers.call_id(), theirs.call_id_header().unwrap().value());
        let (number, method) = ours.headers.cseq().unwrap();
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        assert_eq!((number, method.to_string()), (cseq.seq, cseq.method.to_string()));
        let Ok(Contacts::List(contacts)) = ours.headers.contacts() else { panic!("a contact") };
        let contact = theirs.contact_header().unwrap().typed().unwrap();
        assert_eq!(contacts[0].uri.to_string(), contact.uri.to_string());
        assert_eq!(ours.body, theirs.body);
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn no_damage_breaks_a_parser(bytes in damaged()) {
        property::message(&bytes);
        property::stream(&bytes);
        property::description(&bytes);
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let value = line.splitn(2, |byte| *byte == b':').nth(1).unwrap_or(line).trim_ascii();
            property::address(value);
            property::uri(value);
            property::digest(value);
            property::dns(value);
            property::description(&[b"v=0\nc=IN IP4 192.0.2.9\n", line, b"\nm=audio 9 RTP/AVP 0 12\na=rtpmap:12 PCMA/8000\n", line].concat());
        }
        if let Some(body) = memchr::memmem::find(&bytes, b"v=0") {
            property::description(&bytes[body..]);
        }
    }
}

#[test]
fn a_tag_that_is_empty_is_replaced_by_ours() {
    let text = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n\
                To: \"e\" <sip:a@b>;tag=\r\nCall-ID: f\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let mut reply = parse(text.as_bytes()).reply(180);
    reply.set_to_tag("ours");
    assert_eq!(reply.headers.first(busyhour_sip::HeaderName::To), Some(&b"\"e\" <sip:a@b>;tag=ours"[..]));
}
