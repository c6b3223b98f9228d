//! Ladders of REFER (RFC 3515): the carrier is asked to call somebody else, and tells how that went.

use crate::carrier::{OFFERED, TO, answer, carrier, requests, send, to_of, world};
use crate::{OFFER, World, millis, rtp, secs};
use busyhour_model::LegId;
use busyhour_sip::{Event, HeaderName, Request};

/// A call from the carrier that was answered; acknowledged when `acknowledged`. The leg, and To with our tag.
fn up(acknowledged: bool) -> (World, LegId, String) {
    let mut world = world();
    send(&mut world, TO, "INVITE", 1, OFFERED, OFFER);
    let leg = world.incoming(0).leg;
    world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
    world.run(millis(100));
    let ok = world.responses_to(carrier()).pop().unwrap();
    let to = to_of(&ok);
    if acknowledged {
        send(&mut world, &to, "ACK", 1, "", "");
        world.events(0);
    }
    (world, leg, to)
}

fn refer(world: &mut World, leg: LegId) -> Option<Request> {
    world.ask(0, |stack, now| stack.refer(now, leg, "02112345678")).unwrap();
    asked(world)
}

fn asked(world: &mut World) -> Option<Request> {
    requests(world).into_iter().find(|request| request.method.as_str() == "REFER")
}

fn reply(world: &mut World, request: &Request, status: u16) {
    answer(world, request, status, &[], false);
    world.run(millis(100));
}

fn notify(world: &mut World, to: &str, cseq: u32, state: &str, fragment: &str) -> u16 {
    let more = format!("Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n");
    send(world, to, "NOTIFY", cseq, &more, fragment).pop().unwrap().status
}

/// Sections 2.4.4 and 2.4.5: 202, then NOTIFYs; the final one tells.
#[test]
fn the_peer_calls_somebody_else_and_tells_that_it_was_answered() {
    let (mut world, leg, to) = up(true);
    let request = refer(&mut world, leg).unwrap();
    let target = request.headers.text(HeaderName::ReferTo).unwrap();
    assert_eq!(target, "<sip:02112345678@carrier.example>");
    assert!(request.headers.text(HeaderName::Contact).is_some(), "section 2.4.1: REFER refreshes the target");
    let again = world.ask(0, |stack, now| stack.refer(now, leg, "1"));
    assert!(again.is_err(), "one at a time");
    reply(&mut world, &request, 202);
    assert_eq!(notify(&mut world, &to, 2, "active;expires=60", "SIP/2.0 100 Trying"), 200);
    assert_eq!(world.events(0), []);
    assert_eq!(notify(&mut world, &to, 3, "terminated;reason=noresource", "SIP/2.0 200 OK"), 200);
    assert_eq!(world.event(0), Event::Referred { leg, status: 200 });
    assert_eq!(notify(&mut world, &to, 4, "terminated", "SIP/2.0 200 OK"), 481, "nothing is asked any more");
    world.hang_up(0, leg);
    world.run(secs(40));
}

#[test]
fn a_peer_that_cannot_or_whose_call_fails_or_that_forgets_says_so() {
    for (reply, told, status) in [
        (405, None, 405),
        (202, Some(("terminated", "SIP/2.0 486 Busy Here")), 486),
        (202, Some(("terminated;reason=giveup", "")), 480),
    ] {
        let (mut world, leg, to) = up(true);
        let request = refer(&mut world, leg).unwrap();
        self::reply(&mut world, &request, reply);
        if let Some((state, fragment)) = told {
            assert_eq!(notify(&mut world, &to, 2, state, fragment), 200);
        }
        assert_eq!(world.event(0), Event::Referred { leg, status });
        world.hang_up(0, leg);
        world.run(secs(40));
    }
    let (mut world, leg, _) = up(true);
    refer(&mut world, leg);
    world.run(secs(40));
    assert_eq!(world.events(0), [Event::Referred { leg, status: 408 }], "nobody answers");
}

/// RFC 3261 section 13.3.1.4: nothing is asked of a dialog whose 2xx is not acknowledged.
#[test]
fn a_referral_waits_for_the_ack() {
    let (mut world, leg, to) = up(false);
    assert!(refer(&mut world, leg).is_none());
    send(&mut world, &to, "ACK", 1, "", "");
    assert!(asked(&mut world).is_some());
}

#[test]
fn a_notify_nobody_asked_for_is_refused() {
    let (mut world, _, to) = up(true);
    assert_eq!(notify(&mut world, &to, 2, "active", "SIP/2.0 200 OK"), 481);
}
