//! RFC 5118, message by message: read by the parser, then answered by a whole stack that lives on IPv6.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use busyhour_model::{Time, TrunkId};
use busyhour_sip::{
    Config, Event, Flow, HeaderName, Host, Limits, Message, Networks, Request, Stack, Transport, TrunkPeer,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::net::IpAddr;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/torture/ipv6");

/// Section, label, and the first answer of a stack that takes the sender for its trunk.
const MESSAGES: &[(&str, &str, u16)] = &[
    ("4.1", "ipv6-good", 401),
    ("4.2", "ipv6-bad", 400),
    ("4.3", "port-ambiguous", 401),
    ("4.4", "port-unambiguous", 401),
    ("4.5", "via-received-param-with-delim", 481),
    ("4.5", "via-received-param-no-delim", 200),
    // Well-formed; but nobody here knows G.726.
    ("4.6", "ipv6-in-sdp", 488),
    ("4.7", "mult-ip-in-header", 481),
    ("4.8", "mult-ip-in-sdp", 100),
    ("4.9", "ipv4-mapped-ipv6", 488),
    ("4.10", "ipv6-bug-abnf-3-colons", 200),
    ("4.10", "ipv6-correct-abnf-2-colons", 200),
];

fn bytes(label: &str) -> Bytes {
    std::fs::read(format!("{FOLDER}/{label}.dat")).unwrap().into()
}

fn request(label: &str) -> Request {
    match Message::parse(&bytes(label), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{label}: {other:?}"),
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn every_message_of_the_rfc_is_in_the_table() {
    let files = std::fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().path());
    let labels: BTreeSet<_> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let table: BTreeSet<_> = MESSAGES.iter().map(|(_, label, _)| (*label).to_owned()).collect();
    assert_eq!((table.len(), labels), (12, table));
}

#[test]
fn well_formed_messages_are_written_as_they_came() {
    for (section, label, _) in MESSAGES.iter().filter(|(.., status)| *status != 400) {
        assert_eq!(
            request(label).headers.top_via().unwrap().port.is_some(),
            ["4.7", "4.9"].contains(section),
            "{label}"
        );
        let again = Message::parse(&Message::Request(request(label)).to_bytes(), &Limits::default()).unwrap();
        assert_eq!(again, Message::Request(request(label)), "{label}");
    }
}

#[test]
fn a_colon_too_many_is_left_out_when_written() {
    let written = request("ipv6-bug-abnf-3-colons").uri.to_string();
    assert_eq!(written, request("ipv6-correct-abnf-2-colons").uri.to_string());
}

#[test]
fn references_end_at_their_brackets() {
    let uri = |label| request(label).uri;
    assert_eq!((uri("ipv6-good").host.ip(), uri("ipv6-good").port), (ip("2001:db8::10"), None));
    assert_eq!((uri("port-ambiguous").host.ip(), uri("port-ambiguous").port), (ip("2001:db8::10:5070"), None));
    assert_eq!((uri("port-unambiguous").host.ip(), uri("port-unambiguous").port), (ip("2001:db8::10"), Some(5070)));
    for label in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        assert_eq!(request(label).headers.top_via().unwrap().received(), ip("2001:db8::9:255"), "{label}");
    }
    let vias = request("mult-ip-in-header").headers.vias().unwrap();
    let hosts: Vec<_> = vias.iter().map(|via| (via.host.ip(), via.port)).collect();
    let families = [(ip("2001:db8::9:1"), Some(6050)), (ip("192.0.2.1"), None), (ip("2001:db8::9:255"), None)];
    assert_eq!((hosts, vias[2].received()), (families.to_vec(), ip("192.0.2.200")));
    let mapped = request("ipv4-mapped-ipv6").headers.top_via().unwrap();
    assert_eq!((mapped.host, mapped.port), (Host::V6("::ffff:192.0.2.10".parse().unwrap()), Some(19823)));
}

fn stack() -> Stack {
    let trunk = TrunkPeer { sources: vec!["2001:db8::/32".parse().unwrap()], ..TrunkPeer::new(TrunkId(1)) };
    let config = Config {
        domain: "example.com".into(),
        user_agent: "torture".into(),
        locals: vec![(Transport::Udp, "[2001:db8::10]:5060".parse().unwrap())],
        networks: Networks::default(),
        trunks: vec![trunk],
        accounts: vec![],
        aliases: vec![],
        terms: busyhour_sip::Terms::default(),
        secret: busyhour_model::KeySecret::default(),
        limits: Limits::default(),
    };
    Stack::new(config, 1)
}

#[test]
fn every_request_gets_the_answer_of_its_section() {
    for (_, label, status) in MESSAGES {
        let mut stack = stack();
        let (local, remote) = ("[2001:db8::10]:5060".parse().unwrap(), "[2001:db8::77]:5070".parse().unwrap());
        let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
        stack.handle_datagram(Time::from_secs(1), flow, &bytes(label));
        let answer = stack.poll_transmit().expect(label);
        let Ok(Message::Response(response)) = Message::parse(&answer.bytes, &Limits::default()) else {
            panic!("{label}")
        };
        assert_eq!((response.status, answer.flow.remote.ip()), (*status, flow.remote.ip()), "{label}");
        let calls =
            std::iter::from_fn(|| stack.poll_event()).filter(|event| matches!(event, Event::Incoming(_))).count();
        assert_eq!(calls, usize::from(*status == 100), "{label}");
        if *status != 400 {
            let via = response.headers.top_via().unwrap();
            assert_eq!(via.received(), Some(flow.remote.ip()), "{label}: RFC 3261 section 18.2.1");
            let text = response.headers.text(HeaderName::Via).unwrap();
            assert!(text.contains("received=2001:db8::77"), "{label}: {text}");
        }
    }
}
