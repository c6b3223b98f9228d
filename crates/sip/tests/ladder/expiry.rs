//! Ladders of session timers (RFC 4028), with a hand-written carrier on the other side.

use crate::carrier::{OFFERED, TO, answer, call, carrier, requests, send, to_of, world};
use crate::{OFFER, World, millis, rtp, secs};
use busyhour_model::{Direction, LegId};
use busyhour_sip::{Clock, Event, HeaderName, Request, Response};

/// A call whose INVITE says this of timers, answered and acknowledged; our 200.
fn up(world: &mut World, more: &str) -> (LegId, Response) {
    send(world, TO, "INVITE", 1, &format!("{OFFERED}{more}"), OFFER);
    let leg = world.incoming(0).leg;
    world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
    world.run(millis(100));
    let ok = world.responses_to(carrier()).pop().unwrap();
    send(world, &to_of(&ok), "ACK", 1, "", "");
    world.events(0);
    (leg, ok)
}

/// Section 9: by the caller's own word if it has one, else as we would; who does not know timers is refreshed by us.
#[test]
fn our_answer_says_by_when_and_by_whom_the_session_is_refreshed() {
    let table = [
        ("Supported: timer\r\nSession-Expires: 600\r\n", "600;refresher=uac", Some("timer")),
        ("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", "600;refresher=uas", None),
        ("Supported: timer\r\n", "1800;refresher=uac", Some("timer")),
        ("Supported: timer\r\nSession-Expires: 7200\r\nMin-SE: 3600\r\n", "3600;refresher=uac", Some("timer")),
        ("", "1800;refresher=uas", None),
        ("Session-Expires: 600\r\n", "600;refresher=uas", None),
    ];
    for (more, expected, required) in table {
        let (_, ok) = up(&mut world(), more);
        assert_eq!(ok.headers.text(HeaderName::SessionExpires), Some(expected), "{more}");
        assert_eq!(ok.headers.require().next(), required, "{more}");
    }
}

/// Sections 5 and 9: no more often than each 90 s, when the caller understands that.
#[test]
fn who_wants_to_refresh_too_often_is_told_the_least() {
    let mut world = world();
    let more = format!("{OFFERED}Supported: timer\r\nSession-Expires: 60\r\n");
    let refused = send(&mut world, TO, "INVITE", 1, &more, OFFER).pop().unwrap();
    assert_eq!((refused.status, refused.headers.text(HeaderName::MinSe)), (422, Some("90")));
    let (_, ok) = up(&mut self::world(), "Session-Expires: 60\r\n");
    assert_eq!(ok.headers.text(HeaderName::SessionExpires), Some("90;refresher=uas"), "it would not know 422");
}

/// Section 10: who is to refresh and does not, is gone; each refresh begins the time anew.
#[test]
fn a_session_its_peer_does_not_refresh_is_hung_up() {
    let mut world = world();
    let (leg, ok) = up(&mut world, "Supported: timer\r\nSession-Expires: 90\r\n");
    let to = to_of(&ok);
    world.run(secs(50));
    let update = send(&mut world, &to, "UPDATE", 2, "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", "");
    assert_eq!(update[0].headers.text(HeaderName::SessionExpires), Some("90;refresher=uac"));
    let brief = send(&mut world, &to, "UPDATE", 3, "Supported: timer\r\nSession-Expires: 30;refresher=uac\r\n", "");
    assert_eq!(brief[0].status, 422);
    world.run(secs(50));
    assert_eq!(world.events(0), [], "60 s after the refresh: 90 less a third");
    world.run(secs(12));
    assert_eq!(world.events(0), [Event::Ended { leg, by_peer: false }]);
    assert!(world.fired(0).contains(&(Clock::Expired, 1)));
    assert_eq!(requests(&mut world)[0].method.as_str(), "BYE");
}

/// Sections 7.4 and 10: half-way through, by UPDATE if the peer takes it; no answer ends the session.
#[test]
fn a_session_we_are_to_refresh_is_updated_half_way() {
    let mut world = world();
    let (leg, _) = up(&mut world, "Allow: INVITE, ACK, BYE, UPDATE\r\nSession-Expires: 200\r\n");
    world.run(secs(99));
    assert_eq!(requests(&mut world), []);
    world.run(secs(1));
    let update = requests(&mut world).remove(0);
    assert_eq!(update.method.as_str(), "UPDATE");
    assert!(world.fired(0).contains(&(Clock::Refresh, 1)));
    assert_eq!(update.headers.text(HeaderName::SessionExpires), Some("200;refresher=uac"));
    answer(&mut world, &update, 200, &[(HeaderName::SessionExpires, "200;refresher=uac")], false);
    world.run(secs(101));
    let update = requests(&mut world).into_iter().find(|request| request.method.as_str() == "UPDATE").unwrap();
    answer(&mut world, &update, 481, &[], false);
    world.run(millis(100));
    assert_eq!(world.events(0), [Event::Ended { leg, by_peer: false }]);
}

/// Who takes no UPDATE gets a re-INVITE.
#[test]
fn a_peer_without_update_is_refreshed_by_invite() {
    let mut world = world();
    up(&mut world, "Session-Expires: 100\r\n");
    world.run(secs(50));
    let invite = requests(&mut world).remove(0);
    assert_eq!(invite.method.as_str(), "INVITE");
    assert_eq!(invite.headers.text(HeaderName::SessionExpires), Some("100"));
    answer(&mut world, &invite, 200, &[], true);
    assert!(requests(&mut world).iter().any(|request| request.method.as_str() == "ACK"));
}

/// Section 10: a refusal that says nothing of the session ends nothing; the next refresh comes in its time, by either method.
#[test]
fn a_refused_refresh_is_tried_again_in_its_time() {
    for (allow, method) in [("Allow: UPDATE\r\n", "UPDATE"), ("", "INVITE")] {
        let mut world = world();
        up(&mut world, &format!("{allow}Session-Expires: 200\r\n"));
        for status in [403, 500] {
            world.run(secs(99));
            assert_eq!(requests(&mut world), [], "{method} too soon after {status}");
            world.run(secs(1));
            let refresh = requests(&mut world).remove(0);
            assert_eq!(refresh.method.as_str(), method);
            answer(&mut world, &refresh, status, &[], false);
            world.run(millis(10));
            assert!(requests(&mut world).iter().all(|request| request.method.as_str() == "ACK"));
        }
        assert!(world.events(0).iter().all(|event| matches!(event, Event::OfferRefused { .. })));
    }
}

/// Section 7.4: a 422 within the session lengthens it; one that asks for no more than we offer is not asked again at once.
#[test]
fn a_422_within_the_session_is_met_or_left_alone() {
    let mut world = world();
    let (leg, _) = up(&mut world, "Allow: UPDATE\r\nSession-Expires: 200\r\n");
    world.run(secs(100));
    let refresh = requests(&mut world).remove(0);
    answer(&mut world, &refresh, 422, &[(HeaderName::MinSe, "400")], false);
    world.run(secs(3));
    let refresh = requests(&mut world).remove(0);
    assert_eq!(refresh.headers.text(HeaderName::SessionExpires), Some("400;refresher=uac"));
    answer(&mut world, &refresh, 422, &[(HeaderName::MinSe, "400")], false);
    world.run(secs(199));
    assert_eq!(requests(&mut world), [], "that would never end");
    world.run(secs(1));
    let refresh = requests(&mut world).remove(0);
    answer(&mut world, &refresh, 200, &[(HeaderName::SessionExpires, "400;refresher=uac")], false);
    world.ask(0, |stack, now| stack.reinvite(now, leg, Direction::SendOnly)).unwrap();
    let hold = requests(&mut world).remove(0);
    answer(&mut world, &hold, 422, &[(HeaderName::MinSe, "3600")], false);
    world.run(secs(5));
    let hold = requests(&mut world).into_iter().rfind(|request| request.method.as_str() == "INVITE").unwrap();
    assert_eq!(hold.headers.text(HeaderName::SessionExpires), Some("3600"));
    assert!(world.events(0).is_empty(), "the caller is held all the same");
}

/// Section 7.3: a 422 to our INVITE is met, once, by the interval the peer wants.
#[test]
fn a_carrier_who_wants_longer_sessions_gets_them() {
    let mut world = world();
    let leg = call(&mut world);
    let first = requests(&mut world).remove(0);
    assert_eq!(first.headers.text(HeaderName::SessionExpires), Some("1800"));
    assert_eq!(first.headers.text(HeaderName::MinSe), Some("90"));
    answer(&mut world, &first, 422, &[(HeaderName::MinSe, "3600")], false);
    let again = requests(&mut world).into_iter().find(|request| request.method.as_str() == "INVITE").unwrap();
    assert_eq!(again.headers.text(HeaderName::SessionExpires), Some("3600"));
    assert_eq!((again.headers.text(HeaderName::MinSe), again.headers.cseq().unwrap().0), (Some("3600"), 2));
    assert_eq!(again.headers.call_id(), first.headers.call_id());
    answer(&mut world, &again, 200, &[(HeaderName::SessionExpires, "3600;refresher=uas")], true);
    world.run(millis(100));
    assert!(matches!(world.event(0), Event::Answered { leg: answered, .. } if answered == leg));
    world.run(secs(3600 - 32 - 1));
    assert_eq!(world.events(0), []);
    world.run(secs(2));
    assert_eq!(world.events(0), [Event::Ended { leg, by_peer: false }], "the carrier did not refresh");
}

/// Section 7.4: what we send later in a dialog says the largest Min-SE heard in it, in a 422 or in a request.
#[test]
fn the_largest_min_se_of_a_dialog_is_said_in_it_from_then_on() {
    let min_se = |request: &Request| request.headers.text(HeaderName::MinSe).map(str::to_owned);
    let hold = |world: &mut World, leg| {
        world.ask(0, |stack, now| stack.reinvite(now, leg, Direction::SendOnly)).unwrap();
        requests(world).into_iter().rfind(|request| request.method.as_str() == "INVITE").unwrap()
    };
    let mut world = world();
    let leg = call(&mut world);
    let first = requests(&mut world).remove(0);
    answer(&mut world, &first, 422, &[(HeaderName::MinSe, "3600")], false);
    let again = requests(&mut world).into_iter().rfind(|request| request.method.as_str() == "INVITE").unwrap();
    answer(&mut world, &again, 200, &[(HeaderName::SessionExpires, "3600;refresher=uac")], true);
    world.run(millis(100));
    let held = hold(&mut world, leg);
    assert_eq!((min_se(&held).as_deref(), held.headers.text(HeaderName::SessionExpires)), (Some("3600"), Some("3600")));

    let mut world = self::world();
    let (leg, ok) = up(&mut world, "Supported: timer\r\nSession-Expires: 2000\r\nMin-SE: 300\r\n");
    let held = hold(&mut world, leg);
    assert_eq!(min_se(&held).as_deref(), Some("300"));
    answer(&mut world, &held, 200, &[], true);
    for least in ["500", "200"] {
        let more = format!("Supported: timer\r\nSession-Expires: 2000\r\nMin-SE: {least}\r\n");
        send(&mut world, &to_of(&ok), "UPDATE", if least == "500" { 2 } else { 3 }, &more, "");
        let held = hold(&mut world, leg);
        assert_eq!(min_se(&held).as_deref(), Some("500"), "after {least}");
        answer(&mut world, &held, 422, &[(HeaderName::MinSe, "90")], false);
        world.run(secs(1));
    }
}
