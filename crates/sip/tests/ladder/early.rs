//! Ladders of early dialogs (RFC 3261 sections 12.1 and 13.2): several answers, offers before the answer, and hanging up early.

use crate::carrier::{OFFERED, TO, call, carrier, requests, send, to_of, world};
use crate::{OFFER, Raw, World, millis, rtp, secs};
use busyhour_model::LegId;
use busyhour_sip::{Event, HeaderName, Request};

fn out(world: &mut World) -> (LegId, Request) {
    let leg = call(world);
    (leg, requests(world).remove(0))
}

/// A response of one branch behind a forking proxy, with sound at this port.
fn branch(world: &mut World, invite: &Request, status: u16, tag: &str, port: Option<u16>) {
    let mut response = invite.reply(status);
    response.set_to_tag(tag);
    response.headers.push(HeaderName::Contact, "<sip:c@10.2.0.1:5060>");
    if let Some(port) = port {
        response.set_body("application/sdp", OFFER.replace("4000", &port.to_string()).into());
    }
    world.raw(carrier(), 0, std::str::from_utf8(&response.to_bytes()).unwrap());
}

/// A request of the callee's within the early dialog with this tag; what it gets.
fn from_callee(world: &mut World, invite: &Request, tag: &str, method: &str, body: &str) -> u16 {
    let party = |name| invite.headers.text(name).unwrap().to_owned();
    let raw = Raw {
        method,
        uri: "sip:02195118@10.0.0.1:5060",
        from: carrier(),
        branch: &format!("z9hG4bK{method}{tag}{}", body.len()),
        call_id: invite.headers.call_id(),
        from_line: &format!("{};tag={tag}", party(HeaderName::To)),
        to_line: &party(HeaderName::From),
        cseq: 1,
        more: if body.is_empty() { "" } else { OFFERED },
        body,
    };
    world.raw(carrier(), 0, &raw.text());
    world.run(millis(20));
    world.responses_to(carrier()).pop().unwrap().status
}

fn ports(events: &[Event]) -> Vec<Option<u16>> {
    let port = |event: &Event| match event {
        Event::Progress { audio, .. } => audio.as_ref().map(|audio| audio.remote.port()),
        Event::Answered { audio, .. } | Event::MediaChanged { audio, .. } => Some(audio.remote.port()),
        other => panic!("{other:?}"),
    };
    events.iter().map(port).collect()
}

/// Section 13.2.2.4 and RFC 3960: each branch is heard by its own sound; a 2xx without any has that of its branch, and the
/// later 2xx is acknowledged and hung up.
#[test]
fn each_branch_has_its_own_early_media() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    branch(&mut world, &invite, 183, "a", Some(4100));
    branch(&mut world, &invite, 180, "b", None);
    branch(&mut world, &invite, 183, "b", Some(4200));
    assert_eq!(ports(&world.events(0)), [Some(4100), None, Some(4200)]);
    branch(&mut world, &invite, 200, "a", None);
    assert_eq!(ports(&world.events(0)), [Some(4100)]);
    branch(&mut world, &invite, 200, "b", Some(4200));
    let sent = requests(&mut world);
    let sent: Vec<_> = sent.iter().map(|it| (it.method.as_str(), it.headers.to_tag().unwrap())).collect();
    assert_eq!(sent, [("ACK", "a".into()), ("ACK", "b".into()), ("BYE", "b".into())]);
    assert_eq!((world.events(0), world.stack(0).legs()), (Vec::new(), 1));
    world.hang_up(0, leg);
    world.run(secs(40));
}

/// Section 13.2.1: a 180 after the 183, without sound, takes none away.
#[test]
fn a_180_after_a_183_leaves_the_sound_as_it_is() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    for (status, port) in [(183, Some(4100)), (180, None), (183, Some(4100)), (200, None)] {
        branch(&mut world, &invite, status, "a", port);
    }
    let events = world.events(0);
    assert_eq!(ports(&events), [Some(4100), None, Some(4100), Some(4100)]);
    assert!(matches!(events[1], Event::Progress { status: 180, .. }));
    world.hang_up(0, leg);
    world.run(secs(40));
}

/// Section 13.2.1, RFC 3311 section 5.2: the answer is exchanged before the call is; what the 183 said and the 200 says again
/// does not undo it.
#[test]
fn an_update_before_the_answer_is_not_undone_by_it() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    branch(&mut world, &invite, 180, "a", None);
    assert_eq!(from_callee(&mut world, &invite, "a", "UPDATE", OFFER), 491, "our offer has no answer yet");
    branch(&mut world, &invite, 183, "b", Some(4100));
    assert_eq!(from_callee(&mut world, &invite, "b", "UPDATE", &OFFER.replace("4000", "14444")), 200);
    branch(&mut world, &invite, 183, "b", Some(4100));
    branch(&mut world, &invite, 200, "b", Some(4100));
    assert_eq!(ports(&world.events(0)), [None, Some(4100), Some(14444), None, Some(14444)]);
    world.hang_up(0, leg);
    world.run(secs(40));
}

/// RFC 6228 section 4: a branch is over; others ring on.
#[test]
fn a_199_ends_one_branch_only() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    branch(&mut world, &invite, 183, "a", Some(4100));
    branch(&mut world, &invite, 180, "b", None);
    branch(&mut world, &invite, 199, "a", None);
    assert_eq!((world.events(0).len(), world.stack(0).dialogs()), (2, 1));
    assert_eq!(from_callee(&mut world, &invite, "a", "UPDATE", ""), 481);
    branch(&mut world, &invite, 200, "b", Some(4200));
    assert_eq!(ports(&world.events(0)), [Some(4200)]);
    world.hang_up(0, leg);
    world.run(secs(40));
}

/// A call of the carrier that rings: its leg, and To with our tag.
fn rung(world: &mut World) -> (LegId, String) {
    send(world, TO, "INVITE", 1, OFFERED, OFFER);
    let leg = world.incoming(0).leg;
    world.ask(0, |stack, now| stack.ring(now, leg, None)).unwrap();
    world.run(millis(20));
    (leg, to_of(&world.responses_to(carrier())[0]))
}

/// Section 15: only the caller may end an early dialog by BYE.
#[test]
fn a_callee_does_not_hang_up_before_the_answer() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    branch(&mut world, &invite, 180, "a", None);
    assert_eq!(from_callee(&mut world, &invite, "a", "BYE", ""), 481);
    assert_eq!(world.events(0).len(), 1, "it rings on");
    world.hang_up(0, leg);
    world.run(secs(40));
}

/// Section 15: the caller ends its early dialog by BYE, and its INVITE with it.
#[test]
fn a_caller_hangs_up_before_the_answer() {
    let mut world = world();
    let (leg, to) = rung(&mut world);
    let told = send(&mut world, &to, "BYE", 2, "", "");
    assert_eq!(told.iter().map(|response| response.status).collect::<Vec<_>>(), [200, 487]);
    assert_eq!(world.event(0), Event::Cancelled { leg });
    send(&mut world, &to, "ACK", 1, "", "");
    world.run(secs(40));
}

/// RFC 3311 section 5.2: an offer before we have answered the first is to come again later; after that it is answered.
#[test]
fn a_callers_update_waits_for_our_first_answer() {
    let mut world = world();
    let (leg, to) = rung(&mut world);
    let early = send(&mut world, &to, "UPDATE", 2, OFFERED, OFFER).remove(0);
    assert_eq!((early.status, early.headers.has(HeaderName::RetryAfter)), (500, true));
    assert_eq!(
        send(&mut world, &to, "UPDATE", 3, "", "")[0].status,
        200,
        "without an offer there is nothing to wait for"
    );
    world.ask(0, |stack, now| stack.ring(now, leg, Some(rtp()))).unwrap();
    world.run(millis(20));
    world.responses_to(carrier());
    let moved = OFFER.replace("4000", "14444");
    assert_eq!(send(&mut world, &to, "UPDATE", 4, OFFERED, &moved)[0].status, 200);
    assert_eq!(ports(&world.events(0)), [Some(14444)]);
    world.hang_up(0, leg);
    world.run(secs(40));
}

/// Section 13.2.1, RFC 3262 section 5: the first reliable response to an INVITE without offer brings ours. Who takes no others
/// hears no 180 from us, which has none.
#[test]
fn a_reliable_180_does_not_come_without_the_offer_it_owes() {
    let mut world = world();
    send(&mut world, TO, "INVITE", 1, "Contact: <sip:c@10.2.0.1:5060>\r\nRequire: 100rel\r\n", "");
    let leg = world.incoming(0).leg;
    world.ask(0, |stack, now| stack.ring(now, leg, None)).unwrap();
    world.run(secs(2));
    assert_eq!(world.responses_to(carrier()), []);
    world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
    world.run(millis(20));
    let ok = world.responses_to(carrier()).remove(0);
    assert!(ok.status == 200 && !ok.body.is_empty());
    send(&mut world, &to_of(&ok), "ACK", 1, "Content-Type: application/sdp\r\n", OFFER);
    assert!(matches!(world.event(0), Event::Confirmed { audio: Some(_), .. }));
    world.hang_up(0, leg);
    world.run(secs(40));
}

/// Section 9.2: a CANCEL that comes after the answer is answered, and changes nothing.
#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let mut world = world();
    send(&mut world, TO, "INVITE", 1, OFFERED, OFFER);
    let leg = world.incoming(0).leg;
    world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
    world.run(millis(20));
    let to = to_of(&world.responses_to(carrier())[0]);
    let invite = Raw {
        method: "CANCEL",
        uri: "sip:95118@10.0.0.1",
        from: carrier(),
        branch: "z9hG4bKINVITE1",
        call_id: "d1",
        from_line: "<sip:13800138000@carrier.example>;tag=c",
        to_line: TO,
        cseq: 1,
        more: "",
        body: "",
    };
    world.raw(carrier(), 0, &invite.text());
    world.run(millis(20));
    assert_eq!(world.responses_to(carrier())[0].status, 200);
    send(&mut world, &to, "ACK", 1, "", "");
    assert_eq!(world.events(0), [Event::Confirmed { leg, audio: None }]);
    world.hang_up(0, leg);
    world.run(secs(40));
}
