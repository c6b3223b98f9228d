//! Ladders of calls we make by a trunk, its credentials, its registration and its probes.

use crate::carrier::{TO, call, carrier, send, world, world_with};
use crate::{OFFER, Raw, World, addr, millis, request, rtp, secs, trunk};
use busyhour_model::{LegId, Trouble, TrunkId};
use busyhour_sip::digest::{Algorithm, Challenge, Credentials};
use busyhour_sip::{Account, Event, HeaderName, Invite, Origin, Request, Target, TrunkPeer};

fn out(world: &mut World) -> (LegId, Request) {
    let leg = call(world);
    (leg, next(world))
}

fn next(world: &mut World) -> Request {
    let inbox = world.inbox(millis(20));
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    request(&inbox[0]).clone()
}

fn answer(world: &mut World, request: &Request, status: u16, more: &[(HeaderName, &str)]) {
    let mut response = request.reply(status);
    response.set_to_tag("carrier");
    for (name, value) in more {
        response.headers.push(*name, value);
    }
    if status == 200 && request.method.as_str() == "INVITE" || status == 183 {
        response.headers.push(HeaderName::Contact, "<sip:c@10.2.0.1:5060>");
        response.set_body("application/sdp", OFFER.into());
    }
    world.raw(carrier(), 0, std::str::from_utf8(&response.to_bytes()).unwrap());
}

fn challenge(algorithm: Algorithm) -> String {
    Challenge {
        realm: "carrier".into(),
        nonce: "n1".into(),
        opaque: Some("o".into()),
        algorithm,
        qop_auth: true,
        stale: false,
    }
    .to_string()
}

fn with_credentials() -> TrunkPeer {
    let credentials = Some(Account { user: "trunk".into(), password: "pw".into() });
    TrunkPeer { credentials, domain: Some("ims.example".to_owned()), ..trunk(3, carrier()) }
}

fn credentials(request: &Request, name: HeaderName) -> Credentials {
    Credentials::parse(request.headers.first(name).unwrap()).unwrap()
}

#[test]
fn a_challenged_call_goes_on_with_the_trunks_credentials() {
    let mut world = world_with(with_credentials());
    let (leg, invite) = out(&mut world);
    assert_eq!(invite.uri.to_string(), "sip:13900139000@ims.example");
    let (md5, sha) = (challenge(Algorithm::Md5), challenge(Algorithm::Sha256));
    answer(&mut world, &invite, 407, &[(HeaderName::ProxyAuthenticate, &md5), (HeaderName::ProxyAuthenticate, &sha)]);
    let sent = world.inbox(millis(20));
    assert_eq!(request(&sent[0]).method.as_str(), "ACK");
    let again = request(&sent[1]).clone();
    let given = credentials(&again, HeaderName::ProxyAuthorization);
    assert_eq!((given.algorithm, given.verify("pw", "INVITE")), (Algorithm::Sha256, true));
    assert_eq!(again.headers.cseq().unwrap().0, 2);
    answer(&mut world, &again, 200, &[]);
    assert!(matches!(world.event(0), Event::Answered { leg: told, .. } if told == leg));
    assert_eq!(next(&mut world).headers.cseq().unwrap().0, 2, "the ACK names the INVITE it is for");
    world.hang_up(0, leg);
    let bye = next(&mut world);
    assert_eq!(bye.headers.cseq().unwrap().0, 3);
    answer(&mut world, &bye, 401, &[(HeaderName::WwwAuthenticate, &sha)]);
    let bye = next(&mut world);
    assert!(credentials(&bye, HeaderName::Authorization).verify("pw", "BYE"));
    answer(&mut world, &bye, 200, &[]);
    world.assert_quiet();
}

#[test]
fn wrong_credentials_are_not_sent_twice_and_strangers_get_none() {
    let mut world = world_with(with_credentials());
    let (leg, invite) = out(&mut world);
    answer(&mut world, &invite, 401, &[(HeaderName::WwwAuthenticate, &challenge(Algorithm::Md5))]);
    let again = request(&world.inbox(millis(20))[1]).clone();
    answer(&mut world, &again, 401, &[(HeaderName::WwwAuthenticate, &challenge(Algorithm::Md5))]);
    assert_eq!(world.event(0), Event::Refused { leg, status: 401, retry_after: None });
    world.inbox(millis(20));
    let (leg, invite) = out(&mut world);
    let mut response = invite.reply(401);
    response.set_to_tag("x");
    response.headers.push(HeaderName::WwwAuthenticate, challenge(Algorithm::Md5));
    world.raw(addr("203.0.113.5:5060"), 0, std::str::from_utf8(&response.to_bytes()).unwrap());
    assert_eq!(world.event(0), Event::Refused { leg, status: 401, retry_after: None });
    assert!(world.inbox(millis(20)).iter().all(|message| !message.headers().has(HeaderName::Authorization)));
}

#[test]
fn a_trunk_registration_is_kept_lost_and_found_again() {
    let mut world = world_with(TrunkPeer { register: Some(secs(30)), ..with_credentials() });
    let register = next(&mut world);
    assert_eq!((register.uri.to_string().as_str(), register.headers.expires()), ("sip:ims.example", Some(30)));
    answer(&mut world, &register, 401, &[(HeaderName::WwwAuthenticate, &challenge(Algorithm::Md5))]);
    let register = next(&mut world);
    assert_eq!(credentials(&register, HeaderName::Authorization).auth.unwrap().1, "00000001");
    answer(&mut world, &register, 423, &[(HeaderName::MinExpires, "600")]);
    let register = next(&mut world);
    assert_eq!(
        (register.headers.expires(), credentials(&register, HeaderName::Authorization).auth.unwrap().1),
        (Some(600), "00000002".to_owned())
    );
    answer(&mut world, &register, 200, &[(HeaderName::Contact, "<sip:trunk@10.0.0.1:5060>;expires=120")]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
    assert!(world.inbox(secs(80)).is_empty());
    let refresh = request(&world.inbox(secs(10))[0]).clone();
    assert!(refresh.headers.cseq().unwrap().0 > register.headers.cseq().unwrap().0);
    answer(&mut world, &refresh, 403, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: Some(Trouble::Refused(403)) });
    world.inbox(secs(4));
    let retry = request(&world.inbox(secs(2))[0]).clone();
    answer(&mut world, &retry, 200, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
    send(&mut world, TO, "INVITE", 1, "Contact: <sip:c@10.2.0.1>\r\n", "");
    assert_eq!(world.incoming(0).origin, Origin::Trunk(TrunkId(3)));
}

#[test]
fn a_probed_trunk_is_down_after_two_misses_and_up_at_the_first_answer() {
    let mut world = world_with(TrunkPeer { probe: Some(secs(5)), ..trunk(3, carrier()) });
    let probe = next(&mut world);
    assert_eq!(probe.method.as_str(), "OPTIONS");
    answer(&mut world, &probe, 404, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
    world.run(secs(14));
    assert!(world.events(0).is_empty());
    world.run(secs(2));
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: Some(Trouble::Silent) });
    let last = request(world.inbox(secs(0)).last().unwrap()).clone();
    answer(&mut world, &last, 200, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
    let probe = request(world.inbox(secs(5)).last().unwrap()).clone();
    answer(&mut world, &probe, 503, &[]);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: Some(Trouble::Refused(503)) });
}

#[test]
fn update_changes_early_media() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    answer(&mut world, &invite, 183, &[]);
    assert!(matches!(world.event(0), Event::Progress { status: 183, audio: Some(_), .. }));
    let from = String::from_utf8_lossy(invite.headers.first(HeaderName::From).unwrap()).into_owned();
    let to = String::from_utf8_lossy(invite.headers.first(HeaderName::To).unwrap()).into_owned();
    let raw = Raw {
        method: "UPDATE",
        uri: "sip:02195118@10.0.0.1:5060",
        from: carrier(),
        branch: "z9hG4bKu1",
        call_id: invite.headers.call_id(),
        from_line: &format!("{to};tag=carrier"),
        to_line: &from,
        cseq: 1,
        more: "Contact: <sip:c@10.2.0.1>\r\nContent-Type: application/sdp\r\n",
        body: &OFFER.replace("4000", "4444"),
    };
    world.raw(carrier(), 0, &raw.text());
    assert_eq!(world.statuses(), [200]);
    assert!(
        matches!(world.event(0), Event::MediaChanged { leg: told, audio } if told == leg && audio.remote.port() == 4444)
    );
}

#[test]
fn an_answer_we_cannot_play_is_hung_up() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    let mut response = invite.reply(200);
    response.set_to_tag("x");
    response.headers.push(HeaderName::Contact, "<sip:c@10.2.0.1:5060>");
    world.raw(carrier(), 0, std::str::from_utf8(&response.to_bytes()).unwrap());
    assert_eq!(world.event(0), Event::Refused { leg, status: 488, retry_after: None });
    let methods: Vec<_> = world.inbox(millis(20)).iter().map(|message| request(message).method.to_string()).collect();
    assert_eq!(methods, ["ACK", "BYE"]);
}

/// RFC 7332 section 4: the call out says how often it may still be sent on, also once more with credentials.
#[test]
fn a_call_out_says_how_often_it_may_be_sent_on() {
    let mut world = world_with(with_credentials());
    let target = Target::Trunk { trunk: TrunkId(3), number: "13900139000".into() };
    let invite = Invite { max_forwards: 9, ..Invite::new(target, "1", rtp()) };
    world.ask(0, |stack, now| stack.invite(now, invite)).unwrap();
    let first = next(&mut world);
    answer(&mut world, &first, 407, &[(HeaderName::ProxyAuthenticate, &challenge(Algorithm::Md5))]);
    let again = world
        .inbox(millis(20))
        .iter()
        .map(|sent| request(sent).clone())
        .find(|sent| *sent.method.as_str() == *"INVITE");
    for invite in [first, again.unwrap()] {
        assert_eq!(invite.headers.max_forwards(), Some(9));
    }
}
