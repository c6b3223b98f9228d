//! RFC 4475 at a whole stack: every message sent by a trunk gets the answer its section wants, or silence.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use busyhour_model::{Time, TrunkId};
use busyhour_sip::{Config, Event, Flow, Limits, Networks, Stack, Transport, TrunkPeer};

fn stack() -> Stack {
    let trunk = TrunkPeer { sources: vec!["198.51.100.0/24".parse().unwrap()], ..TrunkPeer::new(TrunkId(1)) };
    let config = Config {
        domain: "example.com".into(),
        user_agent: "torture".into(),
        locals: vec![(Transport::Udp, "192.0.2.200:5060".parse().unwrap())],
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

fn send(stack: &mut Stack, label: &str) -> (Vec<u16>, Vec<Event>) {
    let bytes = std::fs::read(format!("{}/../../tests/torture/{label}.dat", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let flow = Flow {
        transport: Transport::Udp,
        local: "192.0.2.200:5060".parse().unwrap(),
        remote: "198.51.100.7:5070".parse().unwrap(),
        connection: 0,
    };
    stack.handle_datagram(Time::from_secs(1), flow, &bytes);
    let answers = std::iter::from_fn(|| stack.poll_transmit()).map(|transmit| {
        assert_eq!(transmit.flow.remote.ip(), flow.remote.ip(), "{label}: the answer leaves for a stranger");
        let status = transmit.bytes.strip_prefix(b"SIP/2.0 ").expect("an answer, not a request");
        std::str::from_utf8(&status[..3]).unwrap().parse().unwrap()
    });
    let answers = answers.collect();
    (answers, std::iter::from_fn(|| stack.poll_event()).collect())
}

/// First answer to each request, of which all but 100 are final. A REGISTER is challenged before anything else about it is looked at.
const ANSWERED: &[(&str, u16)] = &[
    ("esc01", 100),
    ("longreq", 100),
    ("baddate", 100),
    ("inv2543", 100),
    ("wsinv", 481),
    ("intmeth", 501),
    ("esc02", 501),
    ("mpart01", 405),
    ("lwsdisp", 200),
    ("semiuri", 200),
    ("transports", 200),
    ("badbranch", 200),
    ("zeromf", 200),
    ("escnull", 401),
    ("dblreq", 401),
    ("cparam01", 401),
    ("cparam02", 401),
    ("regaut01", 401),
    ("regescrt", 401),
    ("unksm2", 401),
    ("unkscm", 416),
    ("novelsc", 416),
    ("bext01", 420),
    ("invut", 415),
    ("sdp01", 406),
    ("badinv01", 400),
    ("badvers", 505),
    ("badaspec", 400),
    ("baddn", 400),
    ("clerr", 400),
    ("escruri", 400),
    ("insuf", 400),
    ("ltgtruri", 400),
    ("lwsruri", 400),
    ("lwsstart", 400),
    ("mcl01", 400),
    ("mismatch01", 400),
    ("mismatch02", 400),
    ("multi01", 400),
    ("ncl", 400),
    ("quotbal", 400),
    ("regbadct", 400),
    ("scalar02", 400),
    ("trws", 400),
];

/// Responses to nothing we sent, whether sound or not, and what is no SIP.
const SILENT: &[&str] = &["unreason", "noreason", "bcast", "scalarlg", "bigcode", "test"];

#[test]
fn every_request_gets_the_answer_of_its_section() {
    for (label, status) in ANSWERED {
        let (answers, events) = send(&mut stack(), label);
        assert_eq!(answers, [*status], "{label}");
        let calls = events.iter().filter(|event| matches!(event, Event::Incoming(_))).count();
        assert_eq!(calls, usize::from(*status == 100), "{label}");
    }
}

#[test]
fn responses_to_nothing_are_dropped() {
    for label in SILENT {
        assert_eq!(send(&mut stack(), label), (vec![], vec![]), "{label}");
    }
}

#[test]
fn the_whole_corpus_one_after_another_leaves_only_its_calls() {
    let mut stack = stack();
    let mut calls = 0;
    for label in ANSWERED.iter().map(|(label, _)| label).chain(SILENT) {
        let (_, events) = send(&mut stack, label);
        calls += events.iter().filter(|event| matches!(event, Event::Incoming(_))).count();
    }
    assert_eq!((stack.legs(), calls), (4, 4));
}
