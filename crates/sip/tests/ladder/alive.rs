//! Ladders of keep-alives: connections to trunks are pinged (RFC 5626 section 4.4.1), phones are told their address by STUN
//! (section 8).

use crate::{World, addr, config, millis, secs, trunk};
use busyhour_model::{Time, Trouble, TrunkId};
use busyhour_sip::{Account, Event, Flow, HeaderName, Message, Peer, Request, Stack, Transport, TrunkPeer};
use std::net::SocketAddr;

const FIRST: &str = "10.2.0.1:5060";
const SECOND: &str = "10.2.0.2:5060";

fn registered() -> TrunkPeer {
    let peer = |at, priority| Peer { priority, ..Peer::new(Transport::Tcp, addr(at)) };
    TrunkPeer {
        peers: vec![peer(FIRST, 0), peer(SECOND, 1)],
        credentials: Some(Account { user: "02195118".into(), password: "pw".into() }),
        register: Some(secs(3_600)),
        keep_alive: Some(secs(90)),
        ..trunk(3, addr(FIRST))
    }
}

fn world(trunk: TrunkPeer) -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk], &[]), 11);
    world
}

fn requests(world: &mut World) -> Vec<(SocketAddr, Request)> {
    world.run(millis(20));
    let taken = std::mem::take(&mut world.inbox).into_iter().filter_map(|(to, message)| match message {
        Message::Request(request) => Some((to, request)),
        Message::Response(_) => None,
    });
    taken.collect()
}

/// Answers over connection `id`.
fn answer(
    world: &mut World,
    from: SocketAddr,
    id: u64,
    request: &Request,
    more: &[(HeaderName, &str)],
    timer: Option<u32>,
) {
    let mut response = request.reply(200);
    response.set_to_tag("carrier");
    for (name, value) in more {
        response.headers.push(*name, value);
    }
    if let Some(timer) = timer {
        response.headers.push_named("Flow-Timer", timer.to_string());
    }
    world.over(Transport::Tcp, from, 0, id, &response.to_bytes());
}

/// After how long the next ping is sent on connection `id`, at most `max`.
fn next_ping(world: &mut World, id: u64, max: u64) -> Option<u64> {
    world.kept.clear();
    (1..=max).find(|_| {
        world.run(secs(1));
        let pings = world.kept.drain(..).filter(|(flow, bytes)| flow.connection == id && &bytes[..] == b"\r\n\r\n");
        pings.count() > 0
    })
}

/// Pinged between 80 % and all of the time; a pong each time and nothing happens.
#[test]
fn rfc_5626_section_4_4_1_a_registered_connection_is_pinged_as_long_as_it_answers() {
    let mut world = world(registered());
    let (to, register) = requests(&mut world).remove(0);
    assert!(register.headers.top_via().unwrap().to_string().contains(";keep"), "RFC 6223 section 4.1");
    answer(&mut world, to, 7, &register, &[], None);
    world.events(0);
    for _ in 0..5 {
        let after = next_ping(&mut world, 7, 100).unwrap();
        assert!((72 - 1..=91).contains(&after), "{after} s");
        world.over(Transport::Tcp, to, 0, 7, b"\r\n");
        world.run(secs(10));
        assert!(world.kept.is_empty(), "a pong is not answered");
    }
    assert_eq!((world.ends[0].closed, requests(&mut world).len()), (0, 0));
}

/// No pong for 10 s: the connection is given up, and the registration made at the next peer.
#[test]
fn rfc_5626_section_4_5_a_connection_without_pong_is_given_up_for_the_next() {
    let mut world = world(registered());
    let (to, register) = requests(&mut world).remove(0);
    answer(&mut world, to, 7, &register, &[], None);
    world.events(0);
    assert!(next_ping(&mut world, 7, 100).is_some());
    world.run(secs(8));
    assert_eq!((world.ends[0].closed, requests(&mut world).len()), (0, 0), "not yet");
    world.run(secs(2));
    let (to, register) = requests(&mut world).remove(0);
    assert_eq!((world.ends[0].closed, to, register.method.as_str()), (1, addr(SECOND), "REGISTER"));
    assert_eq!(world.stack(0).counters().pongs_missed, 1);
    answer(&mut world, to, 8, &register, &[], None);
    assert!(
        world.events(0).iter().all(|event| !matches!(event, Event::TrunkState { trouble: Some(Trouble::Silent), .. }))
    );
    assert!(next_ping(&mut world, 8, 100).is_some(), "the new one is kept");
    assert_eq!(next_ping(&mut world, 7, 1), None);
}

/// What the carrier wants: Flow-Timer (RFC 5626 section 5.4), or `keep` of our Via (RFC 6223), within bounds of ours.
#[test]
fn the_carrier_says_how_often_it_is_pinged() {
    for (timer, keep, expected) in [(Some(30), None, 24..=30), (None, Some("40"), 32..=40), (Some(1), None, 8..=10)] {
        let mut world = world(registered());
        let (to, mut register) = requests(&mut world).remove(0);
        if let Some(keep) = keep {
            let mut via = register.headers.top_via().unwrap();
            via.set_param("keep", Some(keep));
            register.headers.set_top(HeaderName::Via, via.to_string());
        }
        answer(&mut world, to, 7, &register, &[], timer);
        let after = next_ping(&mut world, 7, 100).unwrap();
        assert!((expected.start() - 1..=expected.end() + 1).contains(&after), "{timer:?} {keep:?}: {after} s");
    }
    let mut world = world(TrunkPeer { keep_alive: None, ..registered() });
    let (to, register) = requests(&mut world).remove(0);
    answer(&mut world, to, 7, &register, &[], Some(30));
    assert_eq!(next_ping(&mut world, 7, 200), None, "switched off");
}

/// A probed trunk is pinged as well, and a connection that is closed no more.
#[test]
fn a_probed_connection_is_pinged_until_it_is_closed() {
    let mut world = world(TrunkPeer { register: None, probe: Some(secs(3_000)), ..registered() });
    let probes = requests(&mut world);
    for (id, (to, probe)) in (7..).zip(&probes) {
        answer(&mut world, *to, id, probe, &[], None);
    }
    assert_eq!(probes.len(), 2);
    assert!(next_ping(&mut world, 8, 100).is_some());
    let flow = Flow { transport: Transport::Tcp, local: addr("10.0.0.1:5060"), remote: addr(SECOND), connection: 8 };
    world.ask(0, |stack, now| stack.handle_closed(now, flow));
    assert_eq!(next_ping(&mut world, 8, 200), None);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
}

/// RFC 5626 section 8: a phone's Binding request on the SIP port is answered with its address, a flood of them is not.
#[test]
fn rfc_5626_section_8_phones_are_told_their_address_by_stun() {
    let at = addr("10.0.0.1:5060");
    let mut stack = Stack::new(config(at, Vec::new(), &["1001"]), 11);
    let flow = |transport| Flow { transport, local: at, remote: addr("192.0.2.1:32853"), connection: 0 };
    let request = *b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl";
    stack.handle_datagram(Time::from_secs(1), flow(Transport::Udp), &request);
    let reply = stack.poll_transmit().unwrap();
    assert_eq!(reply.flow.remote, addr("192.0.2.1:32853"));
    assert_eq!(
        reply.bytes[..],
        *b"\x01\x01\0\x0c\x21\x12\xa4\x42abcdefghijkl\0\x20\0\x08\0\x01\xa1\x47\xe1\x12\xa6\x43"
    );
    assert_eq!(stack.counters().malformed, 0);
    let answered = (0..10_000)
        .filter(|_| {
            stack.handle_datagram(Time::from_secs(2), flow(Transport::Udp), &request);
            stack.poll_transmit().is_some()
        })
        .count();
    assert_eq!(answered, 3_000, "as many as a stranger may ask");
}
