//! Ladders of strangers, phones and registrations: digest, bans, the registrar.

use crate::phone::{PHONE, Phone};
use crate::{DOMAIN, OFFER, Raw, World, addr, config, millis, secs, trunk};
use busyhour_sip::digest::{Algorithm, Challenge};
use busyhour_sip::{Ban, BanReason, Event, HeaderName, Origin, Response};

fn world() -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk(3, addr("10.2.0.1:5060"))], &["8001", "8002"]), 11);
    world
}

fn bans(world: &mut World) -> Vec<Ban> {
    let now = world.now;
    world.stack(0).bans(now)
}

fn contacts(response: &Response) -> Vec<String> {
    response.headers.list(HeaderName::Contact).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn a_phone_registers_with_either_hash_and_reuses_its_nonce() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut world = world();
        let mut phone = Phone::new(PHONE, "8001");
        phone.algorithm = algorithm;
        phone.sign_in(&mut world);
        assert_eq!(world.events(0), [Event::Registered { account: "8001".into(), contacts: 1 }]);
        for _ in 0..12 {
            phone.sign_in(&mut world);
        }
        assert_eq!((phone.nc, world.stack(0).contacts("8001")), (13, 1));
        assert!(world.events(0).is_empty(), "nothing changed");
    }
}

#[test]
fn both_hashes_are_offered_the_better_one_first() {
    let mut world = world();
    let response = Phone::new(PHONE, "8001").register(&mut world, "");
    let offered: Vec<_> =
        response.headers.all(HeaderName::WwwAuthenticate).map(|value| Challenge::parse(value).unwrap()).collect();
    assert_eq!(
        offered.iter().map(|challenge| challenge.algorithm).collect::<Vec<_>>(),
        [Algorithm::Sha256, Algorithm::Md5]
    );
    assert!(offered.iter().all(|challenge| challenge.qop_auth && challenge.realm == DOMAIN && !challenge.stale));
    assert_eq!(world.stack(0).transactions(), 0, "a stranger costs no memory");
}

#[test]
fn a_replayed_count_is_stale_and_an_old_nonce_too() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    phone.nc -= 1;
    assert_eq!(phone.register(&mut world, "").status, 401);
    assert!(phone.challenge.as_ref().unwrap().stale);
    assert_eq!(phone.register(&mut world, "").status, 200);
    world.run(secs(400));
    assert_eq!(phone.register(&mut world, "").status, 401);
    assert!(phone.challenge.as_ref().unwrap().stale);
}

#[test]
fn an_unknown_user_is_answered_like_a_wrong_password() {
    let mut answers = Vec::new();
    for (user, password) in [("8001", "wrong"), ("9999", "wrong")] {
        let mut world = world();
        let mut phone = Phone::new(PHONE, user);
        phone.password = password.to_owned();
        phone.register(&mut world, "");
        let response = phone.register(&mut world, "");
        let names: Vec<String> =
            response.headers.iter().map(|header| String::from_utf8_lossy(header.spelling()).into_owned()).collect();
        answers.push((response.status, names));
        assert_eq!(world.stack(0).counters().auth_failures, 1);
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn ten_wrong_passwords_bring_a_minute_of_silence() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    phone.password = "guess".to_owned();
    phone.register(&mut world, "");
    for _ in 0..10 {
        assert_eq!(phone.send(&mut world, "REGISTER", "", "").len(), 1);
    }
    assert!(phone.send(&mut world, "REGISTER", "", "").is_empty());
    assert_eq!(world.stack(0).counters().banned, 1);
    let mut other = Phone::new("10.1.0.8:5062", "8002");
    other.sign_in(&mut world);
    world.run(secs(61));
    phone.password = "secret-8001".to_owned();
    phone.challenge = None;
    phone.sign_in(&mut world);
}

#[test]
fn an_old_password_in_an_office_locks_one_account_and_nobody_else() {
    let mut world = world();
    let mut old = Phone::new("198.51.100.4:31000", "8001");
    old.password = "last-year".to_owned();
    old.register(&mut world, "");
    for _ in 0..50 {
        old.send(&mut world, "REGISTER", "", "");
    }
    assert_eq!(world.stack(0).counters().auth_failures, 10, "the rest is not even verified");
    Phone::new("198.51.100.4:31001", "8002").sign_in(&mut world);
    assert!(bans(&mut world).is_empty());
}

/// Wrong passwords of five accounts.
fn guess(world: &mut World, at: &str) -> Phone {
    let mut phone = Phone::new(at, "7000");
    for user in ["7000", "7001", "7002", "8001", "8002"] {
        (phone.user, phone.password) = (user, "guess".to_owned());
        (0..3).for_each(|_| drop(phone.send(world, "REGISTER", "", "")));
    }
    phone
}

#[test]
fn who_guesses_at_several_accounts_is_banned_until_forgiven() {
    let mut world = world();
    let mut phone = guess(&mut world, "203.0.113.66:5060");
    let bans = bans(&mut world);
    assert_eq!(
        (bans.len(), bans[0].source.to_string().as_str(), bans[0].reason),
        (1, "203.0.113.66/32", BanReason::Guessing)
    );
    assert!(matches!(world.event(0), Event::Banned { reason: BanReason::Guessing, .. }));
    for method in ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"] {
        assert!(phone.send(&mut world, method, "", "").is_empty(), "{method}");
    }
    world.raw(phone.at, 0, "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\r\n");
    assert!(world.statuses().is_empty(), "nor is what cannot be read");
    let now = world.now;
    assert!(world.stack(0).unban(now, phone.at.ip()) && !world.stack(0).unban(now, phone.at.ip()));
    assert_eq!(phone.send(&mut world, "OPTIONS", "", "")[0].status, 200);
}

#[test]
fn an_office_with_phones_is_not_banned_for_a_guesser_in_it() {
    let mut world = world();
    let mut honest = Phone::new("198.51.100.4:31001", "8002");
    honest.sign_in(&mut world);
    guess(&mut world, "198.51.100.4:31000");
    assert!(bans(&mut world).is_empty());
    honest.sign_in(&mut world);
}

#[test]
fn a_scanner_hears_nothing_and_a_carrier_is_never_taken_for_one() {
    let mut world = world();
    let mut scanner = Phone::new("203.0.113.66:5060", "100");
    let name = "User-Agent: friendly-scanner\r\n";
    assert!(scanner.send(&mut world, "OPTIONS", name, "").is_empty());
    assert_eq!((world.stack(0).counters().banned, world.log.len()), (1, 0));
    assert!(bans(&mut world).is_empty(), "anybody can send a datagram in another's name");
    let mut carrier = Phone::new("10.2.0.1:5060", "100");
    assert_eq!(carrier.send(&mut world, "OPTIONS", name, "")[0].status, 200);
}

#[test]
fn a_scanner_that_connected_is_banned_for_ten_minutes_under_any_name() {
    let mut world = world();
    let at = addr("203.0.113.66:40000");
    let options = |world: &mut World, connection: u64, name: &str| {
        let text = format!(
            "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/TCP {at};branch=z9hG4bK{connection}\r\nFrom: <sip:x@y>;tag=1\r\n\
             To: <sip:{DOMAIN}>\r\nCall-ID: {connection}\r\nCSeq: 1 OPTIONS\r\n{name}Content-Length: 0\r\n\r\n"
        );
        world.stream(at, 0, connection, text.as_bytes());
        world.statuses()
    };
    assert!(options(&mut world, 5, "User-Agent: sipcli/v1.8\r\n").is_empty());
    assert!(matches!(world.event(0), Event::Banned { reason: BanReason::Scanner, .. }));
    assert!(options(&mut world, 6, "").is_empty(), "without its name too");
    let mut datagrams = Phone::new("203.0.113.66:5060", "100");
    assert!(datagrams.send(&mut world, "OPTIONS", "", "").is_empty(), "nor by datagrams");
    world.run(secs(601));
    assert_eq!(options(&mut world, 7, ""), [200], "a ban ends by itself");
}

#[test]
fn forged_datagrams_lock_and_ban_nobody() {
    let mut world = world();
    let mut attacker = Phone::new("203.0.113.66:5060", "100");
    attacker.register(&mut world, "");
    let office = "198.51.100.4:31000";
    let mut forged = Phone::new(office, "8001");
    // The best that can be done without seeing the answers: a nonce that was minted for oneself.
    forged.challenge = attacker.challenge.clone();
    for user in ["7000", "7001", "8001", "8002"] {
        (forged.user, forged.password) = (user, "guess".to_owned());
        for _ in 0..20 {
            let uri = format!("sip:{DOMAIN}");
            forged.send_to(&mut world, "REGISTER", &uri, &format!("<sip:{user}@{DOMAIN}>"), "", "");
        }
    }
    assert!(bans(&mut world).is_empty());
    assert_eq!(world.stack(0).counters().auth_failures, 0);
    world.run(millis(20));
    world.responses_to(forged.at);
    Phone::new(office, "8001").sign_in(&mut world);
}

#[test]
fn a_forged_flood_throttles_nobody_who_receives_our_answers() {
    let mut world = world();
    let office = "198.51.100.4:31000";
    let mut phone = Phone::new(office, "8001");
    phone.register(&mut world, "");
    let mut forged = Phone::new("198.51.100.4:666", "100");
    for _ in 0..3_100 {
        forged.send_to(&mut world, "OPTIONS", "sip:x", "<sip:x>", "", "");
    }
    world.run(millis(20));
    world.inbox.clear();
    assert!(world.stack(0).counters().throttled >= 100);
    phone.sign_in(&mut world);
    let text = format!(
        "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/TCP 198.51.100.4:40000;branch=z9hG4bK1\r\nFrom: <sip:8002@{DOMAIN}>;tag=1\r\n\
         To: <sip:8002@{DOMAIN}>\r\nCall-ID: tcp\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"
    );
    (0..4_000).for_each(|_| forged.send_to(&mut world, "OPTIONS", "sip:x", "<sip:x>", "", ""));
    world.run(millis(20));
    world.inbox.clear();
    world.stream(addr("198.51.100.4:40000"), 0, 5, text.as_bytes());
    assert_eq!(world.statuses(), [401]);
}

#[test]
fn a_stranger_is_not_told_what_answers() {
    let mut world = world();
    let mut stranger = Phone::new("203.0.113.66:5060", "100");
    let mut carrier = Phone::new("10.2.0.1:5060", "100");
    for method in ["OPTIONS", "REGISTER", "INVITE", "BYE"] {
        let response = stranger.send(&mut world, method, "", "").remove(0);
        assert!(!response.headers.has(HeaderName::Server), "{method}: {}", response.status);
    }
    let response = carrier.send(&mut world, "OPTIONS", "", "").remove(0);
    assert_eq!(response.headers.text(HeaderName::Server), Some("busyhour"));
}

#[test]
fn a_stranger_cannot_tell_which_numbers_exist() {
    for method in ["INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "BYE", "REFER", "NOTIFY"] {
        let mut answers = Vec::new();
        for user in ["8001", "9999"] {
            let mut world = world();
            let mut phone = Phone::new("203.0.113.66:5060", "100");
            phone.send_to(
                &mut world,
                method,
                &format!("sip:{user}@{DOMAIN}"),
                &format!("<sip:{user}@{DOMAIN}>"),
                "",
                "",
            );
            world.run(millis(20));
            let answer = world.responses_to(phone.at).remove(0);
            answers.push(String::from_utf8_lossy(&answer.to_bytes()).replace(user, "USER"));
        }
        assert!(answers[0].starts_with("SIP/2.0 401 "), "{method}: {}", answers[0]);
        assert_eq!(answers[0], answers[1]);
    }
}

#[test]
fn a_stranger_that_asks_without_end_is_answered_at_a_bounded_rate() {
    let mut world = world();
    let mut stranger = Phone::new("203.0.113.66:5060", "100");
    let uri = format!("sip:{DOMAIN}");
    for _ in 0..3_100 {
        stranger.send_to(&mut world, "OPTIONS", &uri, &format!("<{uri}>"), "", "");
    }
    assert_eq!((world.log.len(), world.stack(0).counters().throttled), (3_000, 100));
    Phone::new(PHONE, "8001").sign_in(&mut world);
    assert!(bans(&mut world).is_empty());
}

#[test]
fn an_account_speaks_only_for_itself() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    let uri = format!("sip:{DOMAIN}");
    let authorization = phone.authorization("REGISTER", &uri);
    let raw = Raw {
        method: "REGISTER",
        uri: &uri,
        from: phone.at,
        branch: "z9hG4bKother",
        call_id: "x",
        from_line: "<sip:8001@pbx.example>;tag=1",
        to_line: "<sip:8002@pbx.example>",
        cseq: 9,
        more: &authorization,
        body: "",
    };
    world.raw(phone.at, 0, &raw.text());
    assert_eq!(world.statuses(), [403]);
    assert_eq!(world.stack(0).contacts("8002"), 0);
}

#[test]
fn a_phone_calls_after_a_challenge_and_is_known_by_its_account() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    let more = format!("Contact: <sip:8001@{PHONE}>\r\nContent-Type: application/sdp\r\n");
    assert_eq!(phone.send(&mut world, "INVITE", &more, OFFER)[0].status, 401);
    let responses = phone.send(&mut world, "INVITE", &more, OFFER);
    assert_eq!(responses[0].status, 100);
    let incoming = world.incoming(0);
    assert_eq!(incoming.origin, Origin::Account("8001".into()));
    assert_eq!(incoming.audio.unwrap().remote, addr("10.0.0.9:4000"));
}

#[test]
fn several_contacts_are_listed_expire_and_are_removed() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    let two = "Contact: <sip:8001@10.1.0.8:5060>;expires=100, <sip:8001@10.1.0.9:5060>;expires=200\r\n";
    let response = phone.register(&mut world, two);
    assert_eq!(
        contacts(&response),
        [
            "<sip:8001@10.1.0.7:5062>;expires=3600",
            "<sip:8001@10.1.0.8:5060>;expires=100",
            "<sip:8001@10.1.0.9:5060>;expires=200"
        ]
    );
    world.run(secs(101));
    assert_eq!(contacts(&phone.register(&mut world, "")).len(), 2, "a query lists what is left");
    let gone = "Contact: <sip:8001@10.1.0.9:5060>;expires=0\r\n";
    assert_eq!(contacts(&phone.register(&mut world, gone)).len(), 1);
    world.events(0);
    assert!(contacts(&phone.register(&mut world, "Contact: *\r\nExpires: 0\r\n")).is_empty());
    assert_eq!(world.events(0), [Event::Registered { account: "8001".into(), contacts: 0 }]);
    world.assert_quiet();
}

#[test]
fn a_registration_that_is_not_renewed_ends_by_itself() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    world.events(0);
    world.run(secs(3599));
    assert!(world.events(0).is_empty());
    world.run(secs(1));
    assert_eq!(world.events(0), [Event::Registered { account: "8001".into(), contacts: 0 }]);
}

#[test]
fn what_a_registrar_must_refuse() {
    let own = "Contact: <sip:8001@10.1.0.7:5062>";
    let cases = [
        (format!("{own};expires=59\r\n"), 423),
        (format!("{own}\r\nExpires: 30\r\n"), 423),
        ("Contact: *\r\n".to_owned(), 400),
        ("Contact: *\r\nExpires: 60\r\n".to_owned(), 400),
        (format!("{own}\r\nRequire: gruu\r\n"), 420),
    ];
    for (more, status) in cases {
        let mut world = world();
        let mut phone = Phone::new(PHONE, "8001");
        phone.register(&mut world, "");
        let response = phone.register(&mut world, &more);
        assert_eq!(response.status, status, "{more}");
        assert_eq!(response.headers.has(HeaderName::MinExpires), status == 423);
        assert_eq!(response.headers.text(HeaderName::Unsupported), (status == 420).then_some("gruu"));
        assert_eq!(world.stack(0).contacts("8001"), 0);
    }
}

#[test]
fn an_overtaken_registration_changes_nothing() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    phone.cseq -= 2;
    let late = format!("Contact: <sip:8001@{PHONE}>;expires=0\r\n");
    assert_eq!(phone.register(&mut world, &late).status, 500);
    assert_eq!(world.stack(0).contacts("8001"), 1);
}

#[test]
fn a_fifth_contact_takes_the_place_of_the_one_that_would_expire_first() {
    let mut world = world();
    let mut phone = Phone::new(PHONE, "8001");
    phone.register(&mut world, "");
    for port in 1..=5 {
        let expires = 1000 - port;
        phone.register(&mut world, &format!("Contact: <sip:8001@10.1.0.7:{port}>;expires={expires}\r\n"));
    }
    let left = contacts(&phone.register(&mut world, ""));
    assert_eq!(left.len(), 4);
    assert!(!left.iter().any(|contact| contact.contains(":4>")), "{left:?}");
}
