//! Trunks whose peers have names: what is asked of name servers (RFC 3263 section 4), and what becomes of the answers.

use crate::{OFFER, World, addr, config, millis, rtp, secs, trunk};
use busyhour_model::{Time, Trouble, TrunkId};
use busyhour_sip::dns::{Answer, Fault, Kind, Question, Record};
use busyhour_sip::{
    Account, Event, Found, HeaderName, Invite, Message, NamedPeer, Peer, Search, Target, Transport, TrunkPeer, Unfound,
    Wanted,
};
use std::net::SocketAddr;

const UDP: Transport = Transport::Udp;
const TCP: Transport = Transport::Tcp;
const TLS: Transport = Transport::Tls;

fn named(transport: Option<Transport>, port: Option<u16>) -> NamedPeer {
    NamedPeer { host: "carrier.example".into(), transport, port, priority: 0, weight: 1 }
}

fn wanted(peer: NamedPeer, ours: &[Transport]) -> Wanted {
    let sockets = ours.iter().map(|transport| (*transport, addr("10.0.0.1:5060"))).collect();
    Wanted { trunk: TrunkId(3), peer, sockets }
}

fn naptr(order: u16, service: &str, replacement: &str) -> Record {
    let (flags, service) = ("s".into(), service.into());
    Record::Naptr { order, preference: 0, flags, service, replacement: replacement.into() }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Record {
    Record::Srv { priority, weight, port, target: target.into() }
}

fn a(last: u8) -> Record {
    Record::Address([10, 2, 0, last].into())
}

/// What a zone says; nothing of all others.
type Zone<'z> = &'z [(Kind, &'z str, &'z [Record])];

/// Searches in a zone; what was asked, and what was found.
fn search(wanted: Wanted, zone: Zone) -> (Vec<String>, Result<Found, Unfound>) {
    let (mut search, mut asked) = (Search::new(wanted), Vec::new());
    while let Some(Question { kind, name }) = search.question() {
        let records = zone.iter().find(|(of, known, _)| (*of, *known) == (kind, &*name)).map_or(&[][..], |(.., r)| r);
        search.handle(Ok(Answer { records: records.to_vec(), ttl: 60 }));
        asked.push(format!("{kind:?} {name}"));
        assert!(asked.len() < 100, "bounded");
    }
    (asked, search.outcome().1)
}

fn places(found: &Found) -> Vec<String> {
    let place = |peer: &Peer| format!("{}:{} {} {}", peer.transport, peer.address, peer.priority, peer.weight);
    found.peers.iter().map(place).collect()
}

/// Sections 4.1 and 4.2: what was said is not asked, and each step only when the one before leads nowhere.
#[test]
fn sections_4_1_and_4_2_what_is_asked_in_which_order() {
    let all = [UDP, TCP, TLS];
    let offers = [naptr(20, "SIP+D2U", "_sip._udp.x"), naptr(10, "SIPS+D2T", "_sips._tcp.x"), naptr(1, "SIP+D2S", "y")];
    let host: (Kind, &str, &[Record]) = (Kind::A, "carrier.example", &[a(1)]);
    let naptr: (Kind, &str, &[Record]) = (Kind::Naptr, "carrier.example", &offers);
    let by_tls: (Kind, &str, &[Record]) = (Kind::Srv, "_sips._tcp.x", &[srv(0, 5, 5071, "b.x")]);
    let by_udp: (Kind, &str, &[Record]) = (Kind::Srv, "_sip._udp.x", &[srv(0, 5, 5070, "b.x")]);
    let by_tcp: (Kind, &str, &[Record]) = (Kind::Srv, "_sip._tcp.carrier.example", &[srv(0, 5, 5072, "b.x")]);
    let b: (Kind, &str, &[Record]) = (Kind::A, "b.x", &[a(2)]);
    type Row<'r> = (NamedPeer, &'r [Transport], Zone<'r>, &'r str, &'r str);
    let table: [Row; 9] = [
        (named(Some(TLS), Some(5099)), &all, &[host], "A carrier.example", "tls:10.2.0.1:5099 0 1"),
        (named(None, Some(5099)), &all, &[host, naptr], "A carrier.example", "udp:10.2.0.1:5099 0 1"),
        (
            named(Some(TCP), None),
            &all,
            &[naptr, by_tcp, b],
            "Srv _sip._tcp.carrier.example, A b.x",
            "tcp:10.2.0.2:5072 0 5",
        ),
        (
            named(Some(TLS), None),
            &all,
            &[host],
            "Srv _sips._tcp.carrier.example, A carrier.example",
            "tls:10.2.0.1:5061 0 1",
        ),
        (
            named(None, None),
            &all,
            &[naptr, by_tls, by_udp, b],
            "Naptr carrier.example, Srv _sips._tcp.x, A b.x",
            "tls:10.2.0.2:5071 0 5",
        ),
        (
            named(None, None),
            &[UDP],
            &[naptr, by_tls, by_udp, b],
            "Naptr carrier.example, Srv _sip._udp.x, A b.x",
            "udp:10.2.0.2:5070 0 5",
        ),
        (
            named(None, None),
            &all,
            &[by_tcp, b],
            "Naptr carrier.example, Srv _sip._udp.carrier.example, Srv _sip._tcp.carrier.example, A b.x",
            "tcp:10.2.0.2:5072 0 5",
        ),
        (
            named(None, None),
            &[UDP],
            &[host],
            "Naptr carrier.example, Srv _sip._udp.carrier.example, A carrier.example",
            "udp:10.2.0.1:5060 0 1",
        ),
        (
            named(None, None),
            &[UDP],
            &[(Kind::Srv, "_sip._udp.carrier.example", &[srv(0, 0, 0, "")]), host],
            "Naptr carrier.example, Srv _sip._udp.carrier.example",
            "",
        ),
    ];
    for (peer, ours, zone, asked, found) in table {
        let (questions, outcome) = search(wanted(peer.clone(), ours), zone);
        assert_eq!(questions.join(", "), asked, "{peer:?} by {ours:?}");
        let there = outcome.map_or_else(|_| Vec::new(), |found| places(&found));
        assert_eq!(there.join(", "), found, "{peer:?} by {ours:?}");
    }
}

/// RFC 2782: priorities and weights are those of the peers; the addresses of one host share its weight. All of it bounded.
#[test]
fn an_srv_answer_becomes_peers_with_its_priorities_and_weights() {
    let records = [srv(20, 7, 5060, "c.x"), srv(10, 60, 5060, "b.x"), srv(10, 40, 5062, "a.x")];
    let zone: Zone = &[
        (Kind::Srv, "_sip._udp.carrier.example", &records),
        (Kind::A, "a.x", &[a(1)]),
        (Kind::A, "b.x", &[a(3), a(2)]),
        (Kind::A, "c.x", &[a(4)]),
    ];
    let (_, found) = search(wanted(named(Some(UDP), None), &[UDP]), zone);
    let expected =
        ["udp:10.2.0.1:5062 10 40", "udp:10.2.0.2:5060 10 30", "udp:10.2.0.3:5060 10 30", "udp:10.2.0.4:5060 20 7"];
    assert_eq!(places(&found.unwrap()), expected, "in order, however the server shuffles them");
    let many: Vec<Record> = (0..40).map(|n| srv(n, 0, 5060, "a.x")).collect();
    let wide: Vec<Record> = (0..40).map(a).collect();
    let zone: Zone = &[(Kind::Srv, "_sip._udp.carrier.example", &many), (Kind::A, "a.x", &wide)];
    let (asked, found) = search(wanted(named(Some(UDP), None), &[UDP]), zone);
    assert_eq!((asked.len(), found.unwrap().peers.len()), (17, 16 * 8));
}

/// A server that fails spoils the whole answer: better the old one than a part of a new one, or another transport.
#[test]
fn an_answer_with_a_gap_is_none() {
    let mut peer = wanted(named(Some(UDP), None), &[UDP]);
    let run = |wanted: Wanted, fails: &dyn Fn(&Question) -> bool| {
        let mut search = Search::new(wanted);
        while let Some(question) = search.question() {
            let record = match question.kind {
                Kind::Srv => vec![srv(1, 1, 5060, "a.x"), srv(2, 1, 5060, "b.x")],
                Kind::A => vec![a(1)],
                Kind::Aaaa | Kind::Naptr => Vec::new(),
            };
            let answer =
                if fails(&question) { Err(Fault::Refused(2)) } else { Ok(Answer { records: record, ttl: 60 }) };
            search.handle(answer);
        }
        search.outcome().1
    };
    assert!(run(peer.clone(), &|_| false).is_ok());
    assert_eq!(run(peer.clone(), &|question| question.kind == Kind::Srv), Err(Unfound::Silent));
    assert_eq!(run(peer.clone(), &|question| question.name == "b.x"), Err(Unfound::Silent));
    peer.sockets.push((UDP, addr("[2001:db8::1]:5060")));
    assert!(run(peer, &|question| question.kind == Kind::Aaaa).is_ok(), "IPv4 is enough");
    let unsaid = wanted(named(None, None), &[UDP, TLS]);
    assert_eq!(run(unsaid, &|question| question.kind == Kind::Naptr), Err(Unfound::Silent));
}

const FIRST: &str = "10.2.0.1:5060";
const SECOND: &str = "10.2.0.2:5060";

fn by_name() -> TrunkPeer {
    let domain = Some("carrier.example".into());
    TrunkPeer { peers: Vec::new(), named: vec![named(None, None)], domain, ..trunk(3, addr(FIRST)) }
}

fn world(trunk: TrunkPeer) -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk], &[]), 11);
    world.run(millis(1));
    world
}

fn asked(world: &mut World) -> Option<Wanted> {
    world.stack(0).poll_wanted()
}

fn at(places: &[(&str, u16)], ttl: u64) -> Found {
    let peer = |(place, priority): &(&str, u16)| Peer { priority: *priority, ..Peer::new(UDP, addr(place)) };
    Found { peers: places.iter().map(peer).collect(), ttl: secs(ttl) }
}

fn resolved(world: &mut World, wanted: &Wanted, outcome: &Result<Found, Unfound>) {
    world.ask(0, |stack, now: Time| {
        stack.handle_resolved(now, wanted, outcome.as_ref().map_err(|why| *why));
    });
}

fn try_call(world: &mut World) -> Option<busyhour_model::LegId> {
    let target = Target::Trunk { trunk: TrunkId(3), number: "13900139000".to_owned() };
    let invite = Invite::new(target, "02195118", rtp());
    world.ask(0, |stack, now| stack.invite(now, invite)).ok()
}

/// Requests of ours within 20 ms, and where they went.
fn sent(world: &mut World) -> Vec<(SocketAddr, busyhour_sip::Request)> {
    world.run(millis(20));
    let taken = std::mem::take(&mut world.inbox).into_iter().filter_map(|(to, message)| match message {
        Message::Request(request) => Some((to, request)),
        Message::Response(_) => None,
    });
    taken.collect()
}

fn answer(
    world: &mut World,
    from: SocketAddr,
    request: &busyhour_sip::Request,
    status: u16,
    more: &[(HeaderName, &str)],
) {
    let mut response = request.reply(status);
    response.set_to_tag("carrier");
    for (name, value) in more {
        response.headers.push(*name, value);
    }
    if status == 200 && request.method.as_str() == "INVITE" {
        response.headers.push(HeaderName::Contact, format!("<sip:c@{from}>"));
        response.set_body("application/sdp", OFFER.into());
    }
    world.raw(from, 0, std::str::from_utf8(&response.to_bytes()).unwrap());
}

/// The name stands in what we send, and calls go where it leads; asked again when the answer runs out, and not before.
#[test]
fn a_name_is_looked_up_kept_for_its_time_and_looked_up_again() {
    let mut world = world(by_name());
    let wanted = asked(&mut world).unwrap();
    assert_eq!((wanted.peer.to_string().as_str(), asked(&mut world)), ("sip:carrier.example", None));
    assert_eq!(try_call(&mut world), None, "nobody knows where yet");
    resolved(&mut world, &wanted, &Ok(at(&[(SECOND, 20), (FIRST, 10)], 300)));
    try_call(&mut world).unwrap();
    let (to, invite) = sent(&mut world).remove(0);
    assert_eq!((to, invite.uri.to_string().as_str()), (addr(FIRST), "sip:13900139000@carrier.example"));
    world.run(millis(4_010));
    assert!(sent(&mut world).iter().any(|(to, _)| *to == addr(SECOND)), "the next when that one is silent");
    world.run(secs(294));
    assert_eq!(asked(&mut world), None);
    world.run(secs(3));
    assert!(asked(&mut world).is_some());
    world.run(secs(60));
    assert_eq!(asked(&mut world), None, "a question is out");
    world.run(secs(61));
    assert!(asked(&mut world).is_some(), "and is given up some time");
}

/// A trunk nobody can find is told apart from one that is silent; found again, it is well.
#[test]
fn a_name_that_leads_nowhere_is_a_trouble_of_its_own() {
    let mut world = world(by_name());
    let wanted = asked(&mut world).unwrap();
    resolved(&mut world, &wanted, &Err(Unfound::Silent));
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: Some(Trouble::Unresolved) });
    assert!(world.stack(0).named_peers(TrunkId(3))[0].failing);
    for wait in [2, 4, 8, 16, 32, 60, 60] {
        world.run(secs(wait) - millis(10));
        assert_eq!(asked(&mut world), None, "{wait} s");
        world.run(millis(20));
        let wanted = asked(&mut world).unwrap();
        resolved(&mut world, &wanted, &Err(Unfound::Nowhere));
        assert_eq!(world.events(0), [], "told once");
    }
    resolved(&mut world, &wanted, &Ok(at(&[(FIRST, 0)], 60)));
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
}

/// What was known holds while name servers are silent, and calls do not wait for them.
#[test]
fn silent_name_servers_change_nothing() {
    let mut world = world(TrunkPeer { probe: Some(secs(30)), ..by_name() });
    let wanted = asked(&mut world).unwrap();
    resolved(&mut world, &wanted, &Ok(at(&[(FIRST, 0)], 60)));
    let (to, probe) = sent(&mut world).remove(0);
    assert_eq!((to, probe.method.as_str()), (addr(FIRST), "OPTIONS"), "probed as soon as it is known");
    answer(&mut world, to, &probe, 200, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
    world.run(secs(60));
    let wanted = asked(&mut world).unwrap();
    sent(&mut world).into_iter().for_each(|(to, probe)| answer(&mut world, to, &probe, 200, &[]));
    resolved(&mut world, &wanted, &Err(Unfound::Silent));
    assert_eq!(world.events(0), []);
    try_call(&mut world).unwrap();
    assert!(sent(&mut world).iter().any(|(to, request)| *to == addr(FIRST) && request.method.as_str() == "INVITE"));
    let state = world.stack(0).named_peers(TrunkId(3)).remove(0);
    assert!(state.failing && state.peers.len() == 1, "{state:?}");
}

/// The carrier moves: later calls go to the new place, the call in progress ends at the old one, challenged or not, and the
/// registration is made at the new one.
#[test]
fn a_changed_answer_moves_later_calls_and_the_registration_and_no_call_in_progress() {
    let credentials = Some(Account { user: "02195118".into(), password: "pw".into() });
    let mut world = world(TrunkPeer { register: Some(secs(600)), credentials, ..by_name() });
    let wanted = asked(&mut world).unwrap();
    resolved(&mut world, &wanted, &Ok(at(&[(FIRST, 0)], 60)));
    let (to, register) = sent(&mut world).remove(0);
    assert_eq!((to, register.method.as_str()), (addr(FIRST), "REGISTER"));
    answer(&mut world, to, &register, 200, &[]);
    let leg = try_call(&mut world).unwrap();
    let (to, invite) = sent(&mut world).remove(0);
    answer(&mut world, to, &invite, 200, &[]);
    sent(&mut world);
    resolved(&mut world, &wanted, &Ok(at(&[(SECOND, 0)], 60)));
    let (to, register) = sent(&mut world).remove(0);
    assert_eq!((to, register.method.as_str()), (addr(SECOND), "REGISTER"));
    answer(&mut world, to, &register, 200, &[]);
    world.hang_up(0, leg);
    let (to, bye) = sent(&mut world).remove(0);
    assert_eq!((to, bye.method.as_str()), (addr(FIRST), "BYE"));
    let challenge = [(HeaderName::ProxyAuthenticate, "Digest realm=\"x\", nonce=\"n\", qop=\"auth\"")];
    answer(&mut world, to, &bye, 407, &challenge);
    let (to, bye) = sent(&mut world).remove(0);
    assert!(to == addr(FIRST) && bye.headers.has(HeaderName::ProxyAuthorization));
    answer(&mut world, to, &bye, 200, &[]);
    try_call(&mut world).unwrap();
    assert_eq!(sent(&mut world)[0].0, addr(SECOND));
}

/// Peers by address and by name in one order; a name's own priorities decide within its place.
#[test]
fn addresses_and_names_are_mixed() {
    let literal = |place, priority| Peer { priority, ..Peer::new(UDP, addr(place)) };
    let peers = vec![literal("10.2.0.8:5060", 0), literal("10.2.0.9:5060", 2)];
    let mut line = TrunkPeer { peers, ..by_name() };
    line.named[0].priority = 1;
    let mut world = world(line);
    let order = |world: &mut World| {
        let mut states = world.stack(0).peers(TrunkId(3));
        states.sort_by_key(|state| state.peer.priority);
        states.iter().map(|state| state.peer.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(&mut world), ["10.2.0.8:5060", "10.2.0.9:5060"]);
    let wanted = asked(&mut world).unwrap();
    resolved(&mut world, &wanted, &Ok(at(&[(SECOND, 20), (FIRST, 10)], 60)));
    assert_eq!(order(&mut world), ["10.2.0.8:5060", FIRST, SECOND, "10.2.0.9:5060"]);
}
