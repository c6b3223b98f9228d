//! Ladders of how a trunk is reached: one peer after the other (RFC 3263), proxies (RFC 3261 section 8.1.2), IMS registration.

use crate::carrier::call;
use crate::{OFFER, Raw, World, addr, config, millis, secs, trunk};
use busyhour_model::{Trouble, TrunkId};
use busyhour_sip::digest::Credentials;
use busyhour_sip::{
    Account, Event, HeaderName, Message, Origin, Peer, Request, Secrecy, Secret, Terms, Transport, TrunkPeer,
};
use std::net::SocketAddr;

const FIRST: &str = "10.2.0.1:5060";
const SECOND: &str = "10.2.0.2:5060";

fn two_peers() -> TrunkPeer {
    let peer = |at, priority| Peer { priority, ..Peer::new(Transport::Udp, addr(at)) };
    TrunkPeer { peers: vec![peer(FIRST, 0), peer(SECOND, 1)], ..trunk(3, addr(FIRST)) }
}

fn world(trunk: TrunkPeer) -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    let mut config = config(at, vec![trunk], &[]);
    config.locals.push((Transport::Udp, addr("10.0.0.1:5070")));
    world.add(at, config, 11);
    world
}

/// Requests of ours within 20 ms, and where they went.
fn sent(world: &mut World) -> Vec<(SocketAddr, Request)> {
    world.run(millis(20));
    let taken = std::mem::take(&mut world.inbox).into_iter().filter_map(|(to, message)| match message {
        Message::Request(request) => Some((to, request)),
        Message::Response(_) => None,
    });
    taken.collect()
}

fn invites(world: &mut World) -> Vec<(SocketAddr, Request)> {
    sent(world).into_iter().filter(|(_, request)| request.method.as_str() == "INVITE").collect()
}

fn answer(world: &mut World, from: SocketAddr, request: &Request, status: u16, more: &[(HeaderName, &str)]) {
    let mut response = request.reply(status);
    response.set_to_tag("carrier");
    for (name, value) in more {
        response.headers.push(*name, value);
    }
    if status == 200 && request.method.as_str() == "INVITE" {
        response.headers.push(HeaderName::Contact, "<sip:c@10.2.0.9:5060>");
        response.set_body("application/sdp", OFFER.into());
    }
    world.raw(from, 0, std::str::from_utf8(&response.to_bytes()).unwrap());
}

/// RFC 3263 section 4.3: 503 leads to the next peer at once, the call knows nothing of it, and later calls begin there.
#[test]
fn a_peer_that_says_503_is_passed_over() {
    let mut world = world(two_peers());
    let leg = call(&mut world);
    let (to, invite) = invites(&mut world).remove(0);
    assert_eq!(to, addr(FIRST));
    answer(&mut world, to, &invite, 503, &[(HeaderName::RetryAfter, "60")]);
    let (to, invite) = invites(&mut world).remove(0);
    assert_eq!((to, world.events(0)), (addr(SECOND), Vec::new()));
    answer(&mut world, to, &invite, 200, &[]);
    assert!(matches!(world.event(0), Event::Answered { leg: answered, .. } if answered == leg));
    world.inbox.clear();
    call(&mut world);
    assert_eq!(invites(&mut world)[0].0, addr(SECOND), "the first is left alone for a minute");
    world.run(secs(61));
    world.inbox.clear();
    call(&mut world);
    assert_eq!(invites(&mut world)[0].0, addr(FIRST));
}

/// Who has refused the call knows the keys it was offered: the next peer gets others.
#[test]
fn the_next_peer_is_offered_other_keys() {
    let terms = Terms { srtp: Secrecy::Required, ..Terms::default() };
    let mut world = world(TrunkPeer { terms, ..two_peers() });
    call(&mut world);
    let keys = |request: &Request| -> Vec<String> {
        let body = std::str::from_utf8(&request.body).unwrap();
        body.lines().filter(|line| line.starts_with("a=crypto:")).map(str::to_owned).collect()
    };
    let (to, first) = invites(&mut world).remove(0);
    answer(&mut world, to, &first, 503, &[]);
    let (_, second) = invites(&mut world).remove(0);
    assert!(!keys(&first).is_empty() && keys(&first).len() == keys(&second).len());
    assert!(keys(&first).iter().all(|key| !keys(&second).contains(key)));
}

/// The same for a peer that says nothing for the time configured; its late answer is hung up.
#[test]
fn a_silent_peer_is_given_up_after_a_while_and_answers_in_vain() {
    let mut world = world(two_peers());
    let leg = call(&mut world);
    let (first, lost) = invites(&mut world).remove(0);
    world.run(millis(3_950));
    assert!(invites(&mut world).iter().all(|(to, _)| *to == first), "not yet");
    world.run(millis(100));
    let (second, invite) = invites(&mut world).into_iter().find(|(to, _)| *to == addr(SECOND)).unwrap();
    answer(&mut world, second, &invite, 180, &[]);
    assert!(matches!(world.event(0), Event::Progress { leg: rung, status: 180, .. } if rung == leg));
    answer(&mut world, first, &lost, 200, &[]);
    let late: Vec<_> = sent(&mut world).into_iter().map(|(_, request)| request.method.as_str().to_owned()).collect();
    assert!(late.contains(&"ACK".to_owned()) && late.contains(&"BYE".to_owned()), "{late:?}");
    assert_eq!(world.events(0), [], "the call knows nothing of it");
    answer(&mut world, second, &invite, 200, &[]);
    assert!(matches!(world.event(0), Event::Answered { leg: answered, .. } if answered == leg));
}

/// Who rang, or said 100, is waited for; another refusal is the callee's word.
#[test]
fn a_peer_that_rings_or_refuses_is_not_passed_over() {
    for first in [100, 180] {
        let mut world = world(two_peers());
        call(&mut world);
        let (to, invite) = invites(&mut world).remove(0);
        answer(&mut world, to, &invite, first, &[]);
        world.run(secs(30));
        assert_eq!(invites(&mut world).len(), 0, "after {first}");
    }
    let mut world = world(two_peers());
    let leg = call(&mut world);
    let (to, invite) = invites(&mut world).remove(0);
    answer(&mut world, to, &invite, 486, &[]);
    assert_eq!(world.event(0), Event::Refused { leg, status: 486, retry_after: None });
    assert!(invites(&mut world).is_empty());
}

/// Hung up while the second peer is tried: no timer and no INVITE is left.
#[test]
fn a_call_given_up_tries_nobody_else() {
    let mut world = world(two_peers());
    let leg = call(&mut world);
    sent(&mut world);
    world.hang_up(0, leg);
    world.run(secs(6));
    assert!(invites(&mut world).iter().all(|(to, _)| *to == addr(FIRST)));
    world.run(secs(60));
    world.assert_quiet();
}

/// Each peer is probed by itself; the trunk is down only when none answers.
#[test]
fn a_trunk_is_up_while_one_of_its_peers_is() {
    let mut world = world(TrunkPeer { probe: Some(secs(10)), ..two_peers() });
    let probes = sent(&mut world);
    assert_eq!(probes.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [addr(FIRST), addr(SECOND)]);
    answer(&mut world, addr(SECOND), &probes[1].1, 200, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
    for _ in 0..4 {
        world.run(secs(10));
        for (to, probe) in sent(&mut world) {
            if to == addr(SECOND) && probe.method.as_str() == "OPTIONS" {
                answer(&mut world, to, &probe, 200, &[]);
            }
        }
    }
    assert_eq!(world.events(0), [], "the second still answers");
    let states: Vec<_> = world.stack(0).peers(TrunkId(3)).into_iter().map(|state| state.standing).collect();
    assert_eq!(states, [Some(Err(Trouble::Silent)), Some(Ok(()))]);
    call(&mut world);
    assert_eq!(invites(&mut world)[0].0, addr(SECOND), "the first is known to be down");
    world.run(secs(60));
    assert!(world.events(0).contains(&Event::TrunkState { trunk: TrunkId(3), trouble: Some(Trouble::Silent) }));
}

/// RFC 3261 section 8.1.2 and carriers' IMS: the proxy in Route, the domain in the Request-URI, To and digest, the own socket.
#[test]
fn an_ims_line_registers_and_calls_by_its_proxy() {
    let credentials = Some(Account { user: "+862195118@ims.example".into(), password: "pw".into() });
    let line = TrunkPeer {
        peers: vec![Peer::new(Transport::Udp, addr(FIRST))],
        proxy: true,
        bind: Some(addr("10.0.0.1:5070")),
        domain: Some("ims.example".into()),
        user: Some("02195118".into()),
        digest_domain: true,
        register: Some(secs(600)),
        credentials,
        ..trunk(3, addr(FIRST))
    };
    let mut world = world(line);
    let (to, register) = sent(&mut world).remove(0);
    assert_eq!((to, register.uri.to_string().as_str()), (addr(FIRST), "sip:ims.example"));
    let route = "<sip:10.2.0.1:5060;lr>";
    assert_eq!(register.headers.text(HeaderName::Route), Some(route));
    assert_eq!(register.headers.text(HeaderName::To), Some("<sip:02195118@ims.example>"));
    assert_eq!(register.headers.text(HeaderName::Contact), Some("<sip:02195118@10.0.0.1:5070>"));
    assert_eq!(register.headers.top_via().unwrap().port, Some(5070), "one socket for all of it");
    let challenge = [(HeaderName::WwwAuthenticate, "Digest realm=\"ims.example\", nonce=\"n1\", qop=\"auth\"")];
    answer(&mut world, to, &register, 401, &challenge);
    let (_, register) = sent(&mut world).remove(0);
    let given =
        |request: &Request| Credentials::parse(request.headers.first(HeaderName::Authorization).unwrap()).unwrap();
    let credentials = given(&register);
    assert_eq!(
        (credentials.username.as_str(), credentials.uri.as_str()),
        ("+862195118@ims.example", "sip:ims.example")
    );
    assert!(credentials.verify("pw", "REGISTER"));
    answer(&mut world, to, &register, 200, &[(HeaderName::Contact, "<sip:02195118@10.0.0.1:5070>;expires=600")]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
    call(&mut world);
    let (to, invite) = sent(&mut world).remove(0);
    assert_eq!((to, invite.uri.to_string().as_str()), (addr(FIRST), "sip:13900139000@ims.example"));
    assert_eq!(invite.headers.text(HeaderName::Route), Some(route));
    assert_eq!(invite.headers.top_via().unwrap().port, Some(5070));
    let credentials = given(&invite);
    assert_eq!(credentials.auth.as_ref().map(|auth| auth.1.as_str()), Some("00000002"), "the nonce serves again");
    let challenge = [(HeaderName::ProxyAuthenticate, "Digest realm=\"ims.example\", nonce=\"n2\", qop=\"auth\"")];
    answer(&mut world, to, &invite, 407, &challenge);
    let invite = invites(&mut world).remove(0).1;
    assert!(!invite.headers.has(HeaderName::Authorization), "the proxy wants its own");
    world.run(secs(600));
    let names = |request: &Request| {
        [HeaderName::Authorization, HeaderName::ProxyAuthorization].map(|name| request.headers.has(name))
    };
    let again = sent(&mut world).into_iter().find(|(_, request)| request.method.as_str() == "REGISTER").unwrap().1;
    assert_eq!((names(&again), names(&invite)), ([true, false], [false, true]), "each keeps its nonce");
    call(&mut world);
    let (to, invite) = invites(&mut world).remove(0);
    assert_eq!(names(&invite), [false, true]);
    answer(&mut world, to, &invite, 200, &[(HeaderName::RecordRoute, "<sip:10.2.0.1;lr>")]);
    let (to, ack) = sent(&mut world).remove(0);
    assert_eq!((to, ack.method.as_str()), (addr(FIRST), "ACK"), "by the Route set of the dialog");
}

/// A registrar that is gone: the next peer at once.
#[test]
fn a_registration_goes_to_the_next_peer() {
    let credentials = Some(Account { user: "02195118".into(), password: "pw".into() });
    let mut world = world(TrunkPeer { register: Some(secs(600)), credentials, ..two_peers() });
    assert_eq!(sent(&mut world)[0].0, addr(FIRST));
    world.run(secs(33));
    let (to, register) = sent(&mut world).into_iter().find(|(to, _)| *to == addr(SECOND)).unwrap();
    answer(&mut world, to, &register, 200, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
}

fn ims(peers: Vec<Peer>) -> TrunkPeer {
    let credentials = Some(Account { user: "02195118".into(), password: "pw".into() });
    let domain = Some("ims.example".into());
    TrunkPeer { peers, proxy: true, domain, register: Some(secs(600)), credentials, ..trunk(3, addr(FIRST)) }
}

fn nonce_count(request: &Request) -> Option<String> {
    Credentials::parse(request.headers.first(HeaderName::Authorization)?).unwrap().auth.map(|auth| auth.1)
}

/// RFC 3608 section 5, RFC 7616 section 3.4: requests pass where the registrar says, behind the proxy, and each answers the one
/// challenge under a count of its own; those of the dialog follow its Route set and nothing else (RFC 3261 section 12.2.1.1).
#[test]
fn calls_follow_the_service_route_and_answer_ahead() {
    let mut world = world(ims(vec![Peer::new(Transport::Udp, addr(FIRST))]));
    let (to, register) = sent(&mut world).remove(0);
    assert_eq!(register.headers.text(HeaderName::Supported), Some("path"), "RFC 3327 section 5.1");
    let challenge = [(HeaderName::WwwAuthenticate, "Digest realm=\"ims.example\", nonce=\"n1\", qop=\"auth\"")];
    answer(&mut world, to, &register, 401, &challenge);
    let (_, register) = sent(&mut world).remove(0);
    let taken = [
        (HeaderName::ServiceRoute, "<sip:orig@scscf.ims.example;lr>"),
        (HeaderName::Path, "<sip:10.2.0.1;lr>"),
        (HeaderName::Contact, "<sip:02195118@10.0.0.1:5060>;expires=600"),
    ];
    answer(&mut world, to, &register, 200, &taken);
    let leg = call(&mut world);
    let (_, invite) = sent(&mut world).remove(0);
    let routes: Vec<_> = invite.headers.routes().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["<sip:10.2.0.1:5060;lr>", "<sip:orig@scscf.ims.example;lr>"]);
    assert_eq!(nonce_count(&invite).as_deref(), Some("00000002"));
    answer(&mut world, to, &invite, 200, &[(HeaderName::RecordRoute, "<sip:10.2.0.1;lr>")]);
    let (_, ack) = sent(&mut world).remove(0);
    assert_eq!(nonce_count(&ack).as_deref(), Some("00000002"), "section 22.1: the INVITE's own");
    world.hang_up(0, leg);
    let (to, bye) = sent(&mut world).remove(0);
    assert_eq!((to, bye.headers.text(HeaderName::Route)), (addr(FIRST), Some("<sip:10.2.0.1;lr>")));
    assert_eq!(nonce_count(&bye).as_deref(), Some("00000003"));
}

/// A refusal is told apart from silence: another thing is to be mended.
#[test]
fn a_refused_registration_is_told_from_a_silent_one() {
    let mut world = world(ims(vec![Peer::new(Transport::Udp, addr(FIRST))]));
    let (to, register) = sent(&mut world).remove(0);
    answer(&mut world, to, &register, 403, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: Some(Trouble::Refused(403)) });
    world.run(secs(45));
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: Some(Trouble::Silent) });
}

/// Calls go where the registration is held; when that peer falls silent, the next one is asked to register us.
#[test]
fn calls_and_refreshes_stay_with_the_registrar_while_it_lives() {
    let peer = |at| Peer::new(Transport::Udp, addr(at));
    let mut world = world(TrunkPeer { probe: Some(secs(10)), ..ims(vec![peer(FIRST), peer(SECOND)]) });
    let (at, register) = sent(&mut world).into_iter().find(|(_, it)| it.method.as_str() == "REGISTER").unwrap();
    answer(&mut world, at, &register, 200, &[]);
    for _ in 0..12 {
        let leg = call(&mut world);
        assert!(invites(&mut world).iter().all(|(to, _)| *to == at), "by lot the other one would come up");
        world.hang_up(0, leg);
    }
    let mut elsewhere = false;
    for _ in 0..4 {
        world.run(secs(10));
        for (to, it) in sent(&mut world).into_iter().filter(|(to, _)| *to != at) {
            elsewhere |= it.method.as_str() == "REGISTER";
            answer(&mut world, to, &it, 200, &[]);
        }
    }
    assert!(elsewhere);
    let states = world.stack(0).peers(TrunkId(3));
    assert!(states.iter().all(|state| state.registered == (state.peer.address != at)), "{states:?}");
}

/// Two carriers behind one address: the header says whose call it is, and without the right one it is nobody's.
#[test]
fn a_secret_header_tells_carriers_of_one_address_apart() {
    let secret = |value: &str| Some(Secret { header: "X-Trunk-Key".into(), value: value.into() });
    let named = |id, value| TrunkPeer { secret: secret(value), ..trunk(id, addr(FIRST)) };
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![named(3, "one-secret"), named(4, "two-secret")], &[]), 11);
    let invite = |world: &mut World, key: &str| {
        let raw = Raw {
            method: "INVITE",
            uri: "sip:95118@10.0.0.1",
            from: addr(FIRST),
            branch: &format!("z9hG4bK{}", key.len()),
            call_id: &format!("c{}", key.len()),
            from_line: "<sip:13800138000@carrier.example>;tag=c",
            to_line: "<sip:95118@10.0.0.1>",
            cseq: 1,
            more: &format!("Contact: <sip:c@10.2.0.1:5060>\r\n{key}"),
            body: "",
        };
        world.raw(addr(FIRST), 0, &raw.text());
        world.run(millis(20));
    };
    invite(&mut world, "x-trunk-key: two-secret\r\n");
    assert_eq!(world.incoming(0).origin, Origin::Trunk(TrunkId(4)));
    for wrong in ["", "X-Trunk-Key: two-secrets\r\n", "X-Trunk-Key: two\r\n"] {
        invite(&mut world, wrong);
        assert_eq!(world.events(0), [], "{wrong}");
    }
    assert!(!format!("{:?}", secret("two-secret")).contains("two"), "never in a log");
}

/// RFC 3261 section 21.3: a 3xx with somewhere to go is told as that, one without as a refusal; nobody is called by itself.
#[test]
fn a_callee_who_has_moved_is_told_and_not_followed() {
    for (contact, expected) in [("<sip:13700137000@198.51.100.9>", Some("13700137000")), ("<sip:198.51.100.9>", None)] {
        let mut world = world(two_peers());
        let leg = call(&mut world);
        let (to, invite) = invites(&mut world).remove(0);
        answer(&mut world, to, &invite, 302, &[(HeaderName::Contact, contact)]);
        let told = match expected {
            Some(to) => Event::Moved { leg, status: 302, to: to.into() },
            None => Event::Refused { leg, status: 302, retry_after: None },
        };
        assert_eq!((world.event(0), invites(&mut world).len()), (told, 0));
    }
}
