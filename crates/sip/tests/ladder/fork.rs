//! Ladders of calls to accounts: several phones rung at once, and proxies that fork (RFC 3261 sections 13.2.2.4 and 16.7).

use crate::phone::{PHONE, Phone};
use crate::{DOMAIN, OFFER, Raw, World, addr, config, millis, request, rtp, trunk};
use busyhour_model::{Direction, LegId};
use busyhour_sip::digest::Challenge;
use busyhour_sip::{Error, Event, HeaderName, Invite, Message, NOT_SELECTED, Request, Response, Target};
use std::net::SocketAddr;

fn world() -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk(3, addr("10.2.0.1:5060"))], &["8001", "8002"]), 11);
    world
}

fn ring_account(world: &mut World) -> Result<LegId, Error> {
    let invite = Invite {
        display: Some("来电".into()),
        headers: vec![("X-Call".into(), "c1".into())],
        ..Invite::new(Target::Account("8001".into()), "13800138000", rtp())
    };
    world.ask(0, |stack, now| stack.invite(now, invite))
}

fn invites(world: &mut World) -> Vec<(SocketAddr, Request)> {
    world.run(millis(20));
    std::mem::take(&mut world.inbox).into_iter().map(|(to, message)| (to, request(&message).clone())).collect()
}

fn reply(invite: &Request, status: u16, tag: &str) -> Response {
    let mut response = invite.reply(status);
    response.set_to_tag(tag);
    response.headers.push(HeaderName::Contact, "<sip:8001@10.1.0.7:5062>");
    if status == 200 {
        response.set_body("application/sdp", OFFER.into());
    }
    response
}

fn answer(world: &mut World, from: SocketAddr, response: &Response) {
    world.raw(from, 0, std::str::from_utf8(&response.to_bytes()).unwrap());
}

#[test]
fn a_phone_behind_nat_is_called_where_it_registered_from() {
    let mut world = world();
    let mut phone = Phone::new("198.51.100.4:31000", "8001");
    phone.register(&mut world, "");
    phone.register(&mut world, "Contact: <sip:8001@192.168.1.20:5060>\r\n");
    ring_account(&mut world).unwrap();
    let sent = invites(&mut world);
    assert_eq!(sent[0].0, phone.at);
    assert_eq!(sent[0].1.uri.to_string(), "sip:8001@192.168.1.20:5060");
    assert_eq!(sent[0].1.headers.named("X-Call"), Some(&b"c1"[..]));
    let mut ok = sent[0].1.reply(200);
    ok.set_to_tag("p");
    ok.headers.push(HeaderName::Contact, "<sip:8001@192.168.1.20:5060>");
    ok.set_body("application/sdp", OFFER.into());
    answer(&mut world, phone.at, &ok);
    let ack = invites(&mut world);
    assert_eq!((ack[0].0, ack[0].1.method.as_str()), (phone.at, "ACK"));
}

#[test]
fn of_two_phones_the_first_to_answer_wins_and_the_other_is_cancelled() {
    let mut world = world();
    let (mut a, mut b) = (Phone::new(PHONE, "8001"), Phone::new("10.1.0.8:5062", "8001"));
    a.sign_in(&mut world);
    b.sign_in(&mut world);
    world.events(0);
    let leg = ring_account(&mut world).unwrap();
    let sent = invites(&mut world);
    assert_eq!(sent.len(), 2);
    for (at, invite) in &sent {
        answer(&mut world, *at, &reply(invite, 180, "r"));
    }
    answer(&mut world, a.at, &reply(&sent[0].1, 200, "r"));
    let events = world.events(0);
    assert!(matches!(events.last(), Some(Event::Answered { leg: answered, .. }) if *answered == leg), "{events:?}");
    let after = invites(&mut world);
    let mut methods: Vec<_> =
        after.iter().map(|(to, request)| (to.ip().to_string(), request.method.to_string())).collect();
    methods.sort();
    assert_eq!(methods, [("10.1.0.7".to_owned(), "ACK".to_owned()), ("10.1.0.8".to_owned(), "CANCEL".to_owned())]);
    assert!(after.iter().any(|(_, request)| request.headers.has(HeaderName::Reason)), "RFC 3326: answered elsewhere");
    // The second answers before the CANCEL reaches it: acknowledged and hung up, and nobody is told.
    answer(&mut world, b.at, &reply(&sent[1].1, 200, "q"));
    let late: Vec<_> = invites(&mut world).into_iter().map(|(_, request)| request.method.to_string()).collect();
    assert_eq!(late, ["ACK", "BYE"]);
    assert!(world.events(0).is_empty());
    // The winner's 200 comes again: the same ACK, no second leg.
    answer(&mut world, a.at, &reply(&sent[0].1, 200, "r"));
    let again: Vec<_> = invites(&mut world).into_iter().map(|(_, request)| request.method.to_string()).collect();
    assert_eq!(again.iter().filter(|method| *method == "ACK").count(), 1);
    assert!(world.events(0).is_empty());
    world.hang_up(0, leg);
}

/// RFC 3326 section 3.1: whose phone rang in vain sees no missed call, whoever took it; who was not wanted any more does.
#[test]
fn a_phone_is_told_that_somebody_else_answered() {
    for (cause, told) in [(Some(NOT_SELECTED), true), (Some(16), false), (None, false)] {
        let mut world = world();
        Phone::new(PHONE, "8001").sign_in(&mut world);
        let leg = ring_account(&mut world).unwrap();
        let (at, invite) = invites(&mut world).remove(0);
        answer(&mut world, at, &reply(&invite, 180, "a"));
        if let Some(cause) = cause {
            world.ask(0, |stack, _| stack.give_reason(leg, cause));
        }
        world.hang_up(0, leg);
        let (_, cancel) = invites(&mut world).remove(0);
        let said = cancel.headers.text(HeaderName::Reason);
        assert_eq!(
            (cancel.method.as_str(), said.is_some_and(|why| why.starts_with("SIP;cause=200"))),
            ("CANCEL", told)
        );
    }
}

#[test]
fn the_best_refusal_of_all_phones_is_told_once() {
    for (first, second, told) in [(486, 480, 480), (404, 603, 603), (503, 486, 486), (486, 408, 486)] {
        let mut world = world();
        for at in [PHONE, "10.1.0.8:5062"] {
            Phone::new(at, "8001").sign_in(&mut world);
        }
        world.events(0);
        let leg = ring_account(&mut world).unwrap();
        let sent = invites(&mut world);
        answer(&mut world, sent[0].0, &reply(&sent[0].1, first, "a"));
        assert!(world.events(0).is_empty());
        answer(&mut world, sent[1].0, &reply(&sent[1].1, second, "b"));
        assert_eq!(world.events(0), [Event::Refused { leg, status: told, retry_after: None }]);
    }
}

#[test]
fn a_forking_proxy_brings_several_early_dialogs_and_one_call() {
    let mut world = world();
    Phone::new(PHONE, "8001").sign_in(&mut world);
    world.events(0);
    let leg = ring_account(&mut world).unwrap();
    let (at, invite) = invites(&mut world).remove(0);
    for tag in ["a", "b", "c"] {
        answer(&mut world, at, &reply(&invite, 180, tag));
    }
    assert_eq!((world.events(0).len(), world.stack(0).dialogs()), (3, 3));
    answer(&mut world, at, &reply(&invite, 200, "b"));
    answer(&mut world, at, &reply(&invite, 200, "c"));
    let sent: Vec<_> = invites(&mut world)
        .into_iter()
        .map(|(_, request)| (request.method.to_string(), request.headers.to_tag().unwrap()))
        .collect();
    let expected = [("ACK", "b"), ("ACK", "c"), ("BYE", "c")].map(|(method, tag)| (method.to_owned(), tag.to_owned()));
    assert_eq!(sent, expected);
    assert!(matches!(world.event(0), Event::Answered { leg: answered, .. } if answered == leg));
    world.ask(0, |stack, now| stack.reinvite(now, leg, Direction::SendOnly)).unwrap();
    let reinvite = invites(&mut world).into_iter().find(|(_, request)| request.method.as_str() == "INVITE").unwrap();
    assert_eq!(reinvite.1.headers.to_tag().as_deref(), Some("b"));
}

#[test]
fn a_proxy_that_forks_without_end_costs_bounded_memory() {
    let mut world = world();
    Phone::new(PHONE, "8001").sign_in(&mut world);
    let leg = ring_account(&mut world).unwrap();
    let (at, invite) = invites(&mut world).remove(0);
    for n in 0..40 {
        answer(&mut world, at, &reply(&invite, 180, &format!("tag{n}")));
    }
    assert_eq!(world.stack(0).dialogs(), 16);
    world.events(0);
    answer(&mut world, at, &reply(&invite, 200, "tag39"));
    assert!(matches!(world.event(0), Event::Answered { leg: answered, .. } if answered == leg));
}

#[test]
fn a_phone_over_tcp_is_called_on_its_own_connection_and_forgotten_with_it() {
    let mut world = world();
    let mut phone = Phone::new("10.1.0.7:43210", "8001");
    let uri = format!("sip:{DOMAIN}");
    for cseq in 1..=2 {
        let authorization = phone.authorization("REGISTER", &uri);
        let more = format!("{authorization}Contact: <sip:8001@10.1.0.7:43210;transport=tcp>\r\n");
        let raw = Raw {
            method: "REGISTER",
            uri: &uri,
            from: phone.at,
            branch: &format!("z9hG4bKt{cseq}"),
            call_id: "tcp",
            from_line: "<sip:8001@pbx.example>;tag=1",
            to_line: "<sip:8001@pbx.example>",
            cseq,
            more: &more,
            body: "",
        };
        for byte in raw.text().as_bytes() {
            world.stream(phone.at, 0, 5, &[*byte]);
        }
        let (_, flow, message) = world.log.last().unwrap();
        assert_eq!(flow.connection, 5);
        let Message::Response(response) = message else { panic!("no response") };
        if cseq == 1 {
            phone.challenge =
                Some(Challenge::parse(response.headers.first(HeaderName::WwwAuthenticate).unwrap()).unwrap());
        } else {
            assert_eq!(response.status, 200);
        }
    }
    world.events(0);
    let leg = ring_account(&mut world).unwrap();
    let flow = world.log.last().unwrap().1;
    assert_eq!((flow.connection, flow.remote), (5, phone.at));
    world.ask(0, |stack, now| stack.handle_closed(now, flow));
    let events = world.events(0);
    let expected = [
        Event::Registered { account: "8001".into(), contacts: 0 },
        Event::Refused { leg, status: 503, retry_after: None },
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_removed_account_loses_its_contacts_at_reload() {
    let mut world = world();
    Phone::new(PHONE, "8001").sign_in(&mut world);
    world.events(0);
    let next = config(world.ends[0].at, vec![], &["8002"]);
    world.ask(0, |stack, now| stack.reconfigure(now, next));
    assert_eq!(world.events(0), [Event::Registered { account: "8001".into(), contacts: 0 }]);
    assert_eq!(ring_account(&mut world), Err(Error::NoContact));
}
