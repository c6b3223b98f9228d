//! Ladders of two families and of peers on both sides of a NAT: which address of ours each is told.

use crate::phone::{PHONE, Phone};
use crate::{World, addr, config, millis, rtp, trunk};
use busyhour_model::TrunkId;
use busyhour_sip::{Event, Flow, HeaderName, Invite, Message, Network, Networks, Request, Target, Transport};
use std::net::SocketAddr;

const SIX: &str = "[2001:db8::1]:5060";

/// Trunk 4 is on IPv4, trunk 6 on IPv6; ours is 10.0.0.1, beyond a NAT 203.0.113.10.
fn world() -> World {
    let at = addr("10.0.0.1:5060");
    let mut settings =
        config(at, vec![trunk(4, addr("198.51.100.1:5060")), trunk(6, addr("[2001:db8:7::1]:5070"))], &["8001"]);
    settings.locals.extend([(Transport::Udp, addr(SIX)), (Transport::Tcp, addr(SIX))]);
    settings.networks = Networks(vec![
        Network { peers: vec!["0.0.0.0/0".parse().unwrap()], advertise: "203.0.113.10".parse().unwrap() },
        Network { peers: vec!["10.0.0.0/8".parse().unwrap()], advertise: "10.0.0.1".parse().unwrap() },
    ]);
    let mut world = World::new(1);
    world.add(at, settings, 11);
    world
}

fn call(world: &mut World, target: Target, local: SocketAddr) -> (Flow, Request) {
    let invite = Invite::new(target, "1", local);
    world.ask(0, |stack, now| stack.invite(now, invite)).unwrap();
    match world.log.pop().unwrap() {
        (_, flow, Message::Request(request)) => (flow, request),
        other => panic!("{other:?}"),
    }
}

fn said(request: &Request) -> (String, String) {
    let via = request.headers.top_via().unwrap();
    let contact = request.headers.text(HeaderName::Contact).unwrap().to_owned();
    (format!("{}:{}", via.host, via.port.unwrap()), contact)
}

#[test]
fn a_trunk_on_ipv6_is_called_from_our_ipv6_address() {
    let mut world = world();
    let target = Target::Trunk { trunk: TrunkId(6), number: "95118".into() };
    assert_eq!(world.stack(0).heads_for(&target), Some("2001:db8:7::1".parse().unwrap()));
    let (flow, invite) = call(&mut world, target, addr("[2001:db8::1]:4000"));
    assert_eq!((flow.local, flow.remote), (addr(SIX), addr("[2001:db8:7::1]:5070")));
    assert_eq!(invite.uri.to_string(), "sip:95118@[2001:db8:7::1]:5070");
    assert_eq!(said(&invite), (SIX.to_owned(), "<sip:1@[2001:db8::1]:5060>".to_owned()));
    let sdp = String::from_utf8(invite.body.to_vec()).unwrap();
    assert!(sdp.contains("c=IN IP6 2001:db8::1\r\n"), "{sdp}");
}

#[test]
fn beyond_the_nat_peers_are_told_the_address_they_can_reach() {
    let mut world = world();
    let target = Target::Trunk { trunk: TrunkId(4), number: "95118".into() };
    let (flow, invite) = call(&mut world, target, rtp());
    assert_eq!(flow.local, addr("203.0.113.10:5060"));
    assert_eq!(said(&invite), ("203.0.113.10:5060".to_owned(), "<sip:1@203.0.113.10:5060>".to_owned()));
    Phone::new(PHONE, "8001").sign_in(&mut world);
    let (_, invite) = call(&mut world, Target::Account("8001".into()), rtp());
    assert_eq!(said(&invite), ("10.0.0.1:5060".to_owned(), "<sip:1@10.0.0.1:5060>".to_owned()));
}

#[test]
fn a_call_from_ipv6_is_met_there_and_its_answers_go_back_there() {
    let mut world = world();
    let (ours, theirs) = (addr(SIX), addr("[2001:db8:7::1]:5070"));
    let flow = Flow { transport: Transport::Udp, local: ours, remote: theirs, connection: 0 };
    let text = format!(
        "INVITE sip:95118@{ours} SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8:9::9]:5080;branch=z9hG4bKsix;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:1@[2001:db8:7::1]>;tag=t\r\nTo: <sip:95118@{ours}>\r\nCall-ID: six\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:1@{theirs}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{}",
        OFFER_SIX.len(),
        OFFER_SIX
    );
    world.ask(0, |stack, now| stack.handle_datagram(now, flow, text.as_bytes()));
    let incoming = world.incoming(0);
    assert_eq!(incoming.audio.as_ref().unwrap().remote, addr("[2001:db8:7::1]:4000"));
    assert_eq!(world.stack(0).met_at(incoming.leg).map(|flow| flow.remote), Some(theirs));
    world.ask(0, |stack, now| stack.answer(now, incoming.leg, addr("[2001:db8::1]:4000"))).unwrap();
    let (_, back, answer) = world.log.last().unwrap();
    // RFC 3581: back to where it came from, which the Via tells bare, without brackets.
    assert_eq!(*back, flow);
    let via = answer.headers().text(HeaderName::Via).unwrap();
    assert!(via.contains("received=2001:db8:7::1") && via.contains("rport=5070"), "{via}");
    assert_eq!(answer.headers().text(HeaderName::Contact), Some("<sip:95118@[2001:db8::1]:5060>"));
    world.run(millis(50));
    assert!(!world.events(0).iter().any(|event| matches!(event, Event::Ended { .. })));
}

const OFFER_SIX: &str =
    "v=0\r\no=- 1 1 IN IP6 2001:db8:7::1\r\ns=-\r\nc=IN IP6 2001:db8:7::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
