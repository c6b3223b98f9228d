//! Ladders of requests too large for a datagram, and of connections nobody uses (RFC 3261 section 18.1.1).

use crate::phone::{PHONE, Phone};
use crate::{World, addr, config, millis, rtp, secs, trunk};
use busyhour_model::{LegId, TrunkId};
use busyhour_sip::{Event, Flow, Invite, Message, Request, Target, Transport, Verb, Way};
use std::net::SocketAddr;
use std::time::Duration;

fn carrier() -> SocketAddr {
    addr("10.2.0.1:5060")
}

fn world() -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk(3, carrier())], &["8001"]), 11);
    world
}

/// Calls with so many bytes of data about the caller.
fn call(world: &mut World, target: Target, bytes: usize) -> LegId {
    let headers = vec![("X-Data".to_owned(), "x".repeat(bytes))];
    let invite = Invite { headers, ..Invite::new(target, "13800138000", rtp()) };
    world.ask(0, |stack, now| stack.invite(now, invite)).unwrap()
}

fn by_trunk() -> Target {
    Target::Trunk { trunk: TrunkId(3), number: "95118".into() }
}

/// Every request that was sent: by what, and what its Via says of it.
fn sent(world: &World) -> Vec<(Transport, String, Request)> {
    let requests = world.log.iter().filter_map(|(_, flow, message)| match message {
        Message::Request(request) => Some((flow.transport, request.clone())),
        Message::Response(_) => None,
    });
    requests.map(|(by, request)| (by, request.headers.top_via().unwrap().transport, request)).collect()
}

#[test]
fn a_large_invite_goes_by_tcp_and_a_small_one_by_udp() {
    for (bytes, by, via) in [(1300, Transport::Tcp, "TCP"), (10, Transport::Udp, "UDP")] {
        let mut world = world();
        call(&mut world, by_trunk(), bytes);
        let (flow, said, _) = sent(&world).remove(0);
        assert_eq!((flow, said.as_str()), (by, via), "{bytes} bytes");
    }
}

#[test]
fn a_call_set_up_by_tcp_for_its_size_goes_on() {
    let mut world = World::pair(3);
    let invite = Invite {
        headers: vec![("X-Data".into(), "x".repeat(1300))],
        ..Invite::new(Target::Trunk { trunk: TrunkId(1), number: "95118".into() }, "1", rtp())
    };
    let leg = world.ask(0, |stack, now| stack.invite(now, invite)).unwrap();
    world.run(millis(100));
    let theirs = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.answer(now, theirs, rtp())).unwrap();
    world.run(millis(100));
    assert!(world.events(0).iter().any(|event| matches!(event, Event::Answered { .. })));
    world.hang_up(0, leg);
    world.run(millis(100));
    let methods: Vec<_> = sent(&world).into_iter().map(|(by, _, request)| (request.method.to_string(), by)).collect();
    assert_eq!(methods[0], ("INVITE".to_owned(), Transport::Tcp));
    assert_eq!(methods.last(), Some(&("BYE".to_owned(), Transport::Udp)), "what fits goes by datagram: {methods:?}");
    world.assert_quiet();
}

#[test]
fn a_peer_without_tcp_gets_the_same_invite_by_udp_and_is_remembered() {
    let mut world = world();
    call(&mut world, by_trunk(), 1300);
    let local = world.ends[0].at;
    let flow = Flow { transport: Transport::Tcp, local, remote: carrier(), connection: 0 };
    world.ask(0, |stack, now| stack.handle_unreachable(now, flow));
    call(&mut world, by_trunk(), 1300);
    let sent = sent(&world);
    let by: Vec<_> = sent.iter().map(|(by, via, _)| (*by, via.as_str())).collect();
    assert_eq!(by, [(Transport::Tcp, "TCP"), (Transport::Udp, "UDP"), (Transport::Udp, "UDP")]);
    let branch = |at: usize| sent[at].2.headers.top_via().unwrap().branch().unwrap().to_owned();
    assert_eq!(branch(0), branch(1), "should both arrive, they are one request");
    assert!(world.events(0).is_empty(), "nothing failed");
    // An hour later it may have learnt it.
    world.run(secs(3_601));
    call(&mut world, by_trunk(), 1300);
    assert_eq!(self::sent(&world).last().unwrap().0, Transport::Tcp);
}

#[test]
fn a_peer_whose_tcp_swallows_everything_gets_it_by_udp_after_a_second() {
    let mut world = world();
    call(&mut world, by_trunk(), 1300);
    world.run(millis(999));
    assert_eq!(sent(&world).len(), 1);
    world.run(millis(2));
    assert_eq!(sent(&world)[1].0, Transport::Udp);
    world.run(millis(500));
    assert_eq!(sent(&world)[2].0, Transport::Udp, "and then as often as any");
    assert_eq!(world.stack(0).counters().retransmissions.get(&(Way::Out, Verb::Invite)), Some(&1));
}

#[test]
fn a_phone_stays_where_it_was_met_whatever_the_size() {
    let mut world = world();
    Phone::new(PHONE, "8001").sign_in(&mut world);
    call(&mut world, Target::Account("8001".into()), 3_000);
    assert_eq!(sent(&world).remove(0).0, Transport::Udp);
}

#[test]
fn never_by_tcp_when_the_configuration_says_so() {
    let mut world = world();
    let mut settings = config(world.ends[0].at, vec![trunk(3, carrier())], &[]);
    settings.limits.datagram_bytes = 0;
    world.ask(0, |stack, now| stack.reconfigure(now, settings));
    call(&mut world, by_trunk(), 3_000);
    assert_eq!(sent(&world).remove(0).0, Transport::Udp);
}

#[test]
fn rfc_3261_17_1_4_what_went_over_a_connection_fails_with_it() {
    let mut world = world();
    let mut line = trunk(3, carrier());
    line.peers = vec![busyhour_sip::Peer::new(Transport::Tcp, carrier())];
    let settings = config(world.ends[0].at, vec![line], &[]);
    world.ask(0, |stack, now| stack.reconfigure(now, settings));
    let leg = call(&mut world, by_trunk(), 10);
    // The shell opened number 9 for it, and not a byte came back.
    let flow = Flow { transport: Transport::Tcp, local: world.ends[0].at, remote: carrier(), connection: 9 };
    world.ask(0, |stack, now| stack.handle_closed(now, flow));
    assert_eq!(world.event(0), Event::Refused { leg, status: 503, retry_after: None });
}

const IDLE: Duration = Duration::from_secs(1_800);

#[test]
fn a_connection_nobody_uses_is_closed() {
    let mut world = world();
    for _ in 0..3 {
        world.stream(addr("10.2.0.9:40000"), 0, 7, b"\r\n\r\n");
        world.run(IDLE - secs(1));
        assert_eq!(world.ends[0].closed, 0, "something came");
    }
    world.run(secs(2));
    assert_eq!(world.ends[0].closed, 1);
    world.assert_quiet();
}

#[test]
fn a_connection_with_a_phone_behind_it_stays() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    let mut register = |world: &mut World| {
        phone.cseq += 1;
        phone.serial += 1;
        let authorization = phone.authorization("REGISTER", "sip:busyhour");
        let (tag, to) = (format!("<sip:8001@{}>;tag=t", crate::DOMAIN), format!("<sip:8001@{}>", crate::DOMAIN));
        let raw = crate::Raw {
            method: "REGISTER",
            uri: "sip:busyhour",
            from: phone.at,
            branch: &format!("z9hG4bK-{}", phone.serial),
            call_id: "registration",
            from_line: &tag,
            to_line: &to,
            cseq: phone.cseq,
            more: &format!("{authorization}Contact: <sip:8001@10.1.0.7;transport=tcp>\r\nExpires: 3600\r\n"),
            body: "",
        };
        world.stream(phone.at, 0, 7, raw.text().as_bytes());
        world.run(millis(20));
        let responses = world.responses_to(phone.at);
        phone.learn(&responses);
        responses[0].status
    };
    assert_eq!((register(&mut world), register(&mut world)), (401, 200));
    world.run(secs(3_500));
    assert_eq!(world.ends[0].closed, 0, "silent, but registered");
    // Registered no longer, it goes with the next look.
    world.run(secs(3_500));
    assert_eq!((world.ends[0].closed, world.stack(0).contacts("8001")), (1, 0));
}
