//! Ladders of why calls end: Reason in BYE, CANCEL and final responses (RFC 3326, RFC 6432), both ways.

use crate::carrier::{OFFERED, TO, answer, requests, send, to_of, world};
use crate::{OFFER, World, millis, rtp};
use busyhour_model::{LegId, TrunkId};
use busyhour_sip::{Event, HeaderName, Invite, Message, Reason, Target};

const BUSY: Reason = Reason { cause: Some(17), status: Some(486) };

fn call(world: &mut World) -> LegId {
    let target = Target::Trunk { trunk: TrunkId(3), number: "13900139000".to_owned() };
    let invite = Invite::new(target, "02195118", rtp());
    world.ask(0, |stack, now| stack.invite(now, invite)).unwrap()
}

/// RFC 3326 section 2, RFC 6432: a final response brings both reasons, and they are told before the leg is gone.
#[test]
fn a_refusal_tells_why() {
    let mut world = world();
    let leg = call(&mut world);
    let invite = requests(&mut world).remove(0);
    answer(&mut world, &invite, 480, &[(HeaderName::Reason, "Q.850;cause=17;text=\"busy\", SIP;cause=486")], false);
    let told = Event::ReasonTold { leg, reason: BUSY };
    assert_eq!(world.events(0), [told, Event::Refused { leg, status: 480, retry_after: None }]);
}

/// The same in BYE, whoever called; a BYE without it says nothing.
#[test]
fn a_bye_tells_why() {
    for (more, told) in [("Reason: Q.850 ;cause=17\r\nReason: SIP ;cause=486\r\n", true), ("", false)] {
        let mut world = world();
        send(&mut world, TO, "INVITE", 1, OFFERED, OFFER);
        let leg = world.incoming(0).leg;
        world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
        world.run(millis(50));
        let to = to_of(&world.responses_to(crate::carrier::carrier())[0]);
        send(&mut world, &to, "ACK", 1, "", "");
        world.events(0);
        send(&mut world, &to, "BYE", 2, more, "");
        let ended = Event::Ended { leg, by_peer: true };
        let expected =
            if told { vec![Event::ReasonTold { leg, reason: BUSY }, ended.clone()] } else { vec![ended.clone()] };
        assert_eq!(world.events(0), expected);
        world.assert_quiet();
    }
}

/// The same in CANCEL: another of the carrier's phones answered.
#[test]
fn a_cancel_tells_why() {
    let mut world = World::pair(3);
    let target = Target::Trunk { trunk: TrunkId(1), number: "95118".to_owned() };
    let invite = Invite::new(target, "13800138000", rtp());
    let caller = world.ask(0, |stack, now| stack.invite(now, invite)).unwrap();
    world.run(millis(50));
    let leg = world.incoming(1).leg;
    world.ask(0, |stack, _| stack.give_reason(caller, 102));
    world.hang_up(0, caller);
    world.run(millis(50));
    let reason = Reason { cause: Some(102), status: None };
    assert_eq!(world.events(1), [Event::ReasonTold { leg, reason }, Event::Cancelled { leg }]);
    let cancels = |message: &Message| matches!(message, Message::Request(it) if it.method.as_str() == "CANCEL");
    assert_eq!(world.log.iter().filter(|(_, _, message)| cancels(message)).count(), 1);
    world.assert_quiet();
}

/// A CANCEL that waits for the peer's first word (RFC 3261 section 9.1) says why all the same.
#[test]
fn a_cancel_that_had_to_wait_tells_why() {
    let mut world = world();
    let leg = call(&mut world);
    let invite = requests(&mut world).remove(0);
    world.ask(0, |stack, _| stack.give_reason(leg, 16));
    world.hang_up(0, leg);
    answer(&mut world, &invite, 180, &[], false);
    let sent = requests(&mut world);
    let cancel = sent.iter().find(|request| request.method.as_str() == "CANCEL").unwrap();
    assert_eq!(cancel.headers.text(HeaderName::Reason), Some("Q.850;cause=16"));
}
