//! Ladders of registrations that we take back (RFC 3261 section 10.2.2).

use crate::carrier::{answer, carrier, requests, world_with};
use crate::{World, addr, config, millis, secs, trunk};
use busyhour_model::TrunkId;
use busyhour_sip::digest::Credentials;
use busyhour_sip::{Account, Event, HeaderName, Message, Request, TrunkPeer};

const CHALLENGE: [(HeaderName, &str); 1] =
    [(HeaderName::WwwAuthenticate, "Digest realm=\"ct\", nonce=\"n1\", qop=\"auth\"")];

fn line(user: &str) -> TrunkPeer {
    let credentials = Some(Account { user: user.into(), password: format!("of-{user}").into() });
    TrunkPeer { register: Some(secs(600)), credentials, ..trunk(3, carrier()) }
}

/// The trunk is taken by its registrar.
fn registered(line: &TrunkPeer) -> (World, Request) {
    let mut world = world_with(line.clone());
    let register = one(&mut world);
    answer(&mut world, &register, 200, &[], false);
    assert_eq!(world.event(0), Event::TrunkState { trunk: TrunkId(3), trouble: None });
    (world, register)
}

fn reconfigure(world: &mut World, trunks: Vec<TrunkPeer>) {
    world.ask(0, |stack, now| stack.reconfigure(now, config(addr("10.0.0.1:5060"), trunks, &[])));
}

fn one(world: &mut World) -> Request {
    let mut requests = requests(world);
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

/// User, CSeq and Expires of a REGISTER.
fn said(register: &Request) -> (String, u32, Option<u32>) {
    assert_eq!(register.method.as_str(), "REGISTER");
    let user = register.headers.to().unwrap().uri.user.unwrap();
    (user, register.headers.cseq().unwrap().0, register.headers.expires())
}

fn is_of(request: &Request, user: &str) -> bool {
    let given = Credentials::parse(request.headers.first(HeaderName::Authorization).unwrap()).unwrap();
    given.username == user && given.verify(&format!("of-{user}"), "REGISTER")
}

#[test]
fn a_trunk_that_does_not_register_any_more_says_so_and_comes_back() {
    let (mut world, register) = registered(&line("8001"));
    reconfigure(&mut world, vec![TrunkPeer { register: None, ..line("8001") }]);
    let gone = one(&mut world);
    assert_eq!((said(&register), said(&gone)), (("8001".into(), 1, Some(600)), ("8001".into(), 2, Some(0))));
    assert_eq!(gone.headers.call_id(), register.headers.call_id());
    assert_eq!(gone.headers.text(HeaderName::Contact), register.headers.text(HeaderName::Contact));
    answer(&mut world, &gone, 401, &CHALLENGE, false);
    let again = one(&mut world);
    assert_eq!((said(&again).1, said(&again).2, is_of(&again, "8001")), (3, Some(0), true));
    answer(&mut world, &again, 200, &[], false);
    world.run(secs(700));
    assert_eq!((requests(&mut world), world.events(0)), (vec![], vec![]), "it stays away");
    reconfigure(&mut world, vec![line("8001")]);
    assert_eq!(said(&one(&mut world)), ("8001".into(), 4, Some(600)));
}

/// Nothing of the trunk is left but its good-bye, which knows the password; it is said once, however often it is challenged.
#[test]
fn a_trunk_that_is_removed_says_so() {
    let (mut world, _) = registered(&line("8001"));
    reconfigure(&mut world, Vec::new());
    let gone = one(&mut world);
    assert_eq!((said(&gone).2, world.stack(0).is_leaving()), (Some(0), true));
    answer(&mut world, &gone, 401, &CHALLENGE, false);
    let again = one(&mut world);
    assert_eq!((said(&again).2, is_of(&again, "8001"), world.stack(0).is_leaving()), (Some(0), true, true));
    answer(&mut world, &again, 401, &CHALLENGE, false);
    assert_eq!((requests(&mut world), world.stack(0).is_leaving()), (vec![], false));
    world.assert_quiet();
}

#[test]
fn a_registrar_that_is_silent_is_waited_for_as_long_as_timer_f() {
    let (mut world, _) = registered(&line("8001"));
    reconfigure(&mut world, Vec::new());
    world.run(secs(31));
    assert!(world.stack(0).is_leaving());
    world.run(secs(2));
    assert!(!world.stack(0).is_leaving());
    world.assert_quiet();
}

/// Another user: the old one leaves by the old password, while the new one registers; neither's answer is taken for the other's.
#[test]
fn a_registration_that_is_changed_is_left_for_the_new_one() {
    let (mut world, register) = registered(&line("8001"));
    reconfigure(&mut world, vec![line("8002")]);
    let sent = requests(&mut world);
    let all: Vec<_> = sent.iter().map(said).collect();
    assert_eq!(all, [("8001".into(), 2, Some(0)), ("8002".into(), 4, Some(600))]);
    assert!(sent.iter().all(|request| request.headers.call_id() == register.headers.call_id()));
    answer(&mut world, &sent[0], 401, &CHALLENGE, false);
    let again = one(&mut world);
    assert_eq!((said(&again), is_of(&again, "8001")), (("8001".into(), 3, Some(0)), true));
    answer(&mut world, &again, 200, &[], false);
    let registered = |world: &mut World| world.stack(0).peers(TrunkId(3))[0].registered;
    assert!(!registered(&mut world));
    answer(&mut world, &sent[1], 401, &CHALLENGE, false);
    let again = one(&mut world);
    assert_eq!((said(&again).2, is_of(&again, "8002")), (Some(600), true));
    answer(&mut world, &again, 200, &[], false);
    assert!(registered(&mut world));
    // A password or a limit is no other registration.
    let mut same = line("8002");
    (same.credentials.as_mut().unwrap().password, same.register) = ("new".into(), Some(secs(900)));
    reconfigure(&mut world, vec![same]);
    assert_eq!(said(&one(&mut world)).2, Some(900));
}

/// The registrar may have heard what it has not answered yet: that is taken back too, and what it says of it later counts no more.
#[test]
fn a_registration_under_way_is_taken_back() {
    for late in [401, 200] {
        let mut world = world_with(line("8001"));
        let register = one(&mut world);
        reconfigure(&mut world, vec![line("8002")]);
        let all: Vec<_> = requests(&mut world).iter().map(said).collect();
        assert_eq!(all, [("8001".into(), 2, Some(0)), ("8002".into(), 4, Some(600))]);
        answer(&mut world, &register, late, &CHALLENGE, false);
        assert_eq!((requests(&mut world), world.events(0)), (vec![], vec![]), "{late}");
    }
}

/// Section 10.3 step 7: by Call-ID and CSeq the registrar sees that the registration came after the good-bye.
#[test]
fn a_trunk_that_is_back_at_once_goes_on_with_its_numbers() {
    let (mut world, register) = registered(&line("8001"));
    reconfigure(&mut world, Vec::new());
    reconfigure(&mut world, vec![line("8001")]);
    let sent = requests(&mut world);
    let all: Vec<_> = sent.iter().map(said).collect();
    assert_eq!(all, [("8001".into(), 2, Some(0)), ("8001".into(), 4, Some(600))]);
    assert!(sent.iter().all(|request| request.headers.call_id() == register.headers.call_id()));
}

#[test]
fn a_stranger_who_challenges_is_not_answered() {
    let (mut world, _) = registered(&line("8001"));
    reconfigure(&mut world, Vec::new());
    let gone = one(&mut world);
    let mut response = gone.reply(401);
    response.headers.push(CHALLENGE[0].0, CHALLENGE[0].1);
    world.raw(addr("10.6.6.6:5060"), 0, std::str::from_utf8(&response.to_bytes()).unwrap());
    assert_eq!(requests(&mut world), vec![]);
}

#[test]
fn no_more_than_a_thousand_are_taken_back_at_once() {
    let line = |id: u32| TrunkPeer {
        trunk: TrunkId(id),
        peers: vec![busyhour_sip::Peer::new(
            busyhour_sip::Transport::Udp,
            ([10, 3, (id >> 8) as u8, id as u8], 5060).into(),
        )],
        ..line("8001")
    };
    let mut world = world_with(line(1));
    reconfigure(&mut world, (1..=1_001).map(line).collect());
    world.run(millis(20));
    world.log.clear();
    reconfigure(&mut world, Vec::new());
    let leaves = |message: &Message| message.headers().expires() == Some(0);
    assert_eq!(world.log.iter().filter(|(_, _, message)| leaves(message)).count(), 1_000);
    world.assert_quiet();
}
