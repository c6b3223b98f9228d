//! Ladders of reliable provisional responses (100rel, RFC 3262), with a hand-written carrier on the other side.

use crate::carrier::{OFFERED, TO, answer, call, carrier, requests, send, to_of, world, world_with};
use crate::{OFFER, World, millis, rtp, secs, trunk};
use busyhour_model::LegId;
use busyhour_sip::{Account, Clock, Event, HeaderName, Request, Response, TrunkPeer};

fn invite(world: &mut World, more: &str) -> LegId {
    let responses = send(world, TO, "INVITE", 1, &format!("{OFFERED}{more}"), OFFER);
    assert_eq!(responses[0].status, 100);
    world.incoming(0).leg
}

fn ring(world: &mut World, leg: LegId, early: bool) -> Response {
    world.ask(0, |stack, now| stack.ring(now, leg, early.then(rtp))).unwrap();
    world.run(millis(100));
    world.responses_to(carrier()).pop().unwrap()
}

fn rseq(response: &Response) -> u32 {
    response.headers.text(HeaderName::RSeq).unwrap().parse().unwrap()
}

fn prack(world: &mut World, to: &Response, cseq: u32, rack: &str, body: &str) -> Vec<Response> {
    let to = to_of(to);
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    send(world, &to, "PRACK", cseq, &format!("RAck: {rack}\r\n{kind}"), body)
}

/// Section 3: by T1, doubled each time, until the PRACK; the 200 waits for it, and so does a second 18x.
#[test]
fn a_response_with_sound_is_repeated_until_its_prack_and_the_answer_waits() {
    let mut world = world();
    let leg = invite(&mut world, "Supported: 100rel\r\n");
    let early = ring(&mut world, leg, true);
    assert_eq!((early.status, early.headers.require().next()), (183, Some("100rel")));
    world.run(millis(3500));
    assert_eq!(world.responses_to(carrier()).len(), 3, "after .5, 1.5 and 3.5 s");
    assert_eq!(world.fired(0), [(Clock::Reliable, 3)]);
    world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
    world.run(millis(300));
    assert_eq!(world.responses_to(carrier()), [], "section 3: no 2xx before the PRACK");
    let number = rseq(&early);
    assert_eq!(prack(&mut world, &early, 2, &format!("{} 1 INVITE", number + 1), "").pop().unwrap().status, 481);
    assert_eq!(prack(&mut world, &early, 3, &format!("{number} 2 INVITE"), "").pop().unwrap().status, 481);
    let told: Vec<u16> = prack(&mut world, &early, 4, &format!("{number} 1 INVITE"), "")
        .iter()
        .map(|response| response.status)
        .collect();
    assert_eq!(told, [200, 200], "to PRACK, then to INVITE");
    send(&mut world, &to_of(&early), "ACK", 1, "", "");
    assert_eq!(world.event(0), Event::Confirmed { leg, audio: None });
    world.hang_up(0, leg);
    world.run(secs(40));
}

/// Section 3: ringing without sound is reliable only for who insists; the numbers follow one another.
#[test]
fn who_insists_gets_every_response_reliably_and_in_turn() {
    let mut world = world();
    let leg = invite(&mut world, "Supported: 100rel\r\n");
    assert!(!ring(&mut world, leg, false).headers.has(HeaderName::RSeq), "180 without sound, to who only may");

    let mut world = self::world();
    let leg = invite(&mut world, "Require: 100rel\r\n");
    let ringing = ring(&mut world, leg, false);
    let first = rseq(&ringing);
    world.ask(0, |stack, now| stack.ring(now, leg, Some(rtp()))).unwrap();
    world.run(millis(100));
    assert_eq!(world.responses_to(carrier()), [], "one at a time");
    let told = prack(&mut world, &ringing, 2, &format!("{first} 1 INVITE"), "");
    assert_eq!(told.iter().map(|response| response.status).collect::<Vec<_>>(), [200, 183]);
    assert_eq!(rseq(&told[1]), first + 1);
    world.ask(0, |stack, now| stack.refuse(now, leg, 486, None)).unwrap();
    world.run(millis(100));
    assert_eq!(world.responses_to(carrier()).pop().unwrap().status, 486, "a refusal does not wait");
    send(&mut world, &to_of(&ringing), "ACK", 1, "", "");
    assert_eq!(prack(&mut world, &ringing, 3, &format!("{} 1 INVITE", first + 1), "").pop().unwrap().status, 481);
}

/// Section 3: 32 seconds without PRACK reject the INVITE.
#[test]
fn a_response_nobody_acknowledges_ends_the_call() {
    let mut world = world();
    let leg = invite(&mut world, "Require: 100rel\r\n");
    ring(&mut world, leg, true);
    world.run(secs(33));
    let responses = world.responses_to(carrier());
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 183).count(), 6, "T1 doubled: .5 to 31.5 s");
    assert_eq!(statuses.iter().find(|status| **status >= 300), Some(&504), "{statuses:?}");
    assert_eq!(world.events(0), [Event::Cancelled { leg }]);
}

/// RFC 3261 sections 9.2 and 15.1.2: an answer that waits for a PRACK is withdrawn when either side hangs up before. Why we do is told
/// (RFC 3326 section 2); who did it knows.
#[test]
fn an_answer_that_waits_is_withdrawn_when_somebody_hangs_up() {
    for (by, status, reason) in [("BYE", 487, None), ("CANCEL", 487, None), ("us", 603, Some("Q.850;cause=16"))] {
        let mut world = world();
        let leg = invite(&mut world, "Supported: 100rel\r\n");
        let early = ring(&mut world, leg, true);
        world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
        let responses = match by {
            "BYE" => send(&mut world, &to_of(&early), "BYE", 2, "", ""),
            "CANCEL" => send(&mut world, TO, "CANCEL", 1, "", ""),
            _ => {
                world.ask(0, |stack, _| stack.give_reason(leg, 16));
                world.hang_up(0, leg);
                world.run(millis(100));
                world.responses_to(carrier())
            }
        };
        let told: Vec<u16> = responses.iter().filter(|told| told.status >= 200).map(|told| told.status).collect();
        assert_eq!(told.last(), Some(&status), "{by}: {told:?}");
        assert_eq!(responses.last().unwrap().headers.text(HeaderName::Reason), reason, "{by}");
        send(&mut world, &to_of(&early), "ACK", 1, "", "");
        world.run(secs(40));
        let ended = (by != "us").then_some(Event::Ended { leg, by_peer: true });
        assert_eq!(world.events(0), ended.into_iter().collect::<Vec<_>>(), "{by}");
        let stack = &world.ends[0].stack;
        assert_eq!((stack.legs(), stack.transactions(), stack.timers()), (0, 0, 0), "{by}");
    }
}

/// Section 5: an offer in the PRACK is answered in its 200.
#[test]
fn a_prack_may_change_the_sound() {
    let mut world = world();
    let leg = invite(&mut world, "Supported: 100rel\r\n");
    let early = ring(&mut world, leg, true);
    let hold = OFFER.replace("sendrecv", "sendonly");
    let ok = prack(&mut world, &early, 2, &format!("{} 1 INVITE", rseq(&early)), &hold).pop().unwrap();
    assert_eq!(ok.status, 200);
    assert!(String::from_utf8_lossy(&ok.body).contains("a=recvonly"));
    assert!(matches!(world.event(0), Event::MediaChanged { leg: changed, .. } if changed == leg));
}

fn out(world: &mut World) -> (LegId, Request) {
    let leg = call(world);
    (leg, requests(world).remove(0))
}

fn progress(world: &mut World, invite: &Request, status: u16, rseq: Option<u32>, sound: bool) {
    let rseq = rseq.map(|rseq| rseq.to_string());
    let reliable = rseq.iter().flat_map(|rseq| [(HeaderName::Require, "100rel"), (HeaderName::RSeq, rseq.as_str())]);
    answer(world, invite, status, &reliable.collect::<Vec<_>>(), sound);
}

/// Section 4: each once, in order; what came before or too early is ignored. The ACK has the number of the INVITE.
#[test]
fn what_a_carrier_sends_reliably_is_acknowledged_once_and_in_order() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    assert!(invite.headers.supported().any(|token| token == "100rel"));
    progress(&mut world, &invite, 183, Some(700), true);
    let prack = requests(&mut world).remove(0);
    assert_eq!((prack.method.as_str(), prack.headers.text(HeaderName::RAck)), ("PRACK", Some("700 1 INVITE")));
    assert!(matches!(world.event(0), Event::Progress { status: 183, audio: Some(_), .. }));
    answer(&mut world, &prack, 200, &[], false);
    progress(&mut world, &invite, 183, Some(700), true);
    progress(&mut world, &invite, 180, Some(702), false);
    assert_eq!(requests(&mut world), [], "again, and out of turn");
    assert_eq!(world.events(0), []);
    progress(&mut world, &invite, 180, Some(701), false);
    let prack = requests(&mut world).remove(0);
    assert_eq!(prack.headers.text(HeaderName::RAck), Some("701 1 INVITE"));
    assert_eq!(prack.headers.cseq().unwrap().0, 3);
    answer(&mut world, &prack, 200, &[], false);
    assert!(matches!(world.event(0), Event::Progress { leg: rung, status: 180, audio: None } if rung == leg));
    progress(&mut world, &invite, 200, None, true);
    let ack = requests(&mut world).remove(0);
    assert_eq!((ack.method.as_str(), ack.headers.cseq().unwrap().0), ("ACK", 1));
    assert!(matches!(world.event(0), Event::Answered { .. }));
    world.hang_up(0, leg);
    let bye = requests(&mut world).remove(0);
    assert_eq!(bye.headers.cseq().unwrap().0, 4);
    answer(&mut world, &bye, 200, &[], false);
    world.run(secs(40));
}

/// RFC 3261 section 12.2.1.1: the BYE to an answer that crossed our CANCEL has a higher number than the PRACK before it.
#[test]
fn an_answer_that_crosses_a_cancel_after_a_prack_is_hung_up_with_a_number_of_its_own() {
    let mut world = world();
    let (leg, invite) = out(&mut world);
    progress(&mut world, &invite, 183, Some(700), true);
    let prack = requests(&mut world).remove(0);
    assert_eq!(prack.headers.cseq().unwrap().0, 2);
    answer(&mut world, &prack, 200, &[], false);
    world.hang_up(0, leg);
    assert_eq!(requests(&mut world)[0].method.as_str(), "CANCEL");
    progress(&mut world, &invite, 200, None, true);
    let sent = requests(&mut world);
    let number = |method| sent.iter().find(|r| r.method.as_str() == method).map(|r| r.headers.cseq().unwrap().0);
    assert_eq!(number("ACK"), Some(1));
    assert!(number("BYE") > Some(2), "{:?}", number("BYE"));
}

/// RFC 3261 section 22.2: a challenged PRACK goes out again under the next number, and what follows under higher ones.
#[test]
fn after_a_challenged_prack_the_bye_has_a_number_of_its_own() {
    let credentials = Some(Account { user: "trunk".into(), password: "pw".into() });
    let mut world = world_with(TrunkPeer { credentials, ..trunk(3, carrier()) });
    let (leg, invite) = out(&mut world);
    progress(&mut world, &invite, 183, Some(700), true);
    let prack = requests(&mut world).remove(0);
    answer(&mut world, &prack, 407, &[(HeaderName::ProxyAuthenticate, "Digest realm=\"c\", nonce=\"n\"")], false);
    let again = requests(&mut world).remove(0);
    assert_eq!((again.method.as_str(), again.headers.cseq().unwrap().0), ("PRACK", 3));
    assert!(again.headers.has(HeaderName::ProxyAuthorization));
    answer(&mut world, &again, 200, &[], false);
    progress(&mut world, &invite, 200, None, true);
    world.run(millis(10));
    requests(&mut world);
    world.hang_up(0, leg);
    assert_eq!(requests(&mut world)[0].headers.cseq().unwrap().0, 4);
}
