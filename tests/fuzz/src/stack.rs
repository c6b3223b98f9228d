//! What must hold for any datagrams at a SIP stack.

use busyhour_model::{Time, TrunkId};
use busyhour_sip::{Config, Flow, Limits, Message, Networks, Stack, Transport, TrunkPeer};
use std::time::Duration;

/// Any bytes from a trunk, cut at `\0`: what is sent is SIP, and after the last timer only the legs are left that the switch would have to end.
pub fn stack(data: &[u8]) {
    let mut stack = Stack::new(config(), 1);
    let flow = Flow {
        transport: Transport::Udp,
        local: ([192, 0, 2, 1], 5060).into(),
        remote: ([198, 51, 100, 7], 5060).into(),
        connection: 0,
    };
    let mut now = Time::from_secs(1);
    for datagram in data.split(|byte| *byte == 0) {
        stack.handle_datagram(now, flow, datagram);
        now += Duration::from_millis(100);
        drain(&mut stack);
    }
    for _ in 0..10_000 {
        let Some(next) = stack.poll_timeout() else { break };
        now = now.max(next);
        stack.handle_timeout(now);
        drain(&mut stack);
    }
    assert!(stack.transactions() <= stack.legs(), "transactions without a leg outlive their timers");
}

fn drain(stack: &mut Stack) {
    while let Some(transmit) = stack.poll_transmit() {
        assert!(transmit.bytes.ends_with(b"\r\n") || Message::parse(&transmit.bytes, &Limits::default()).is_ok());
    }
    while stack.poll_event().is_some() {}
    while stack.poll_close().is_some() {}
}

fn config() -> Config {
    let sources = vec!["198.51.100.0/24".parse().expect("a network")];
    let trunk = TrunkPeer { sources, ..TrunkPeer::new(TrunkId(1)) };
    Config {
        domain: "example.com".into(),
        user_agent: "fuzz".into(),
        locals: vec![(Transport::Udp, ([192, 0, 2, 1], 5060).into())],
        networks: Networks::default(),
        trunks: vec![trunk],
        accounts: vec![],
        aliases: vec![],
        terms: busyhour_sip::Terms::default(),
        secret: busyhour_model::KeySecret::default(),
        limits: Limits { legs: 8, transactions: 16, ..Limits::default() },
    }
}
