//! Callees who have moved (3xx, RFC 3261 section 21.3): followed where the trunk says so, within its rules.

use crate::exchange::{Exchange, dialling, setup, trunk};
use busyhour_sip::{HeaderName, Request};
use busyhour_switch::{TrunkPolicy, TrunkSetup};

/// A caller of the first carrier dials out by the second, which follows so many redirections.
fn dialled(redirects: u8) -> (Exchange, Request) {
    let out = TrunkSetup { policy: TrunkPolicy { redirects, ..TrunkPolicy::default() }, ..trunk(2) };
    let plan = dialling("{ number = \"13800138000\", trunk = \"t2\" }");
    let mut exchange = Exchange::new(setup(vec![trunk(1), out], &plan));
    exchange.call(1, "13900139000", "02151234507", "");
    let invite = exchange.request(2, "INVITE").unwrap();
    (exchange, invite)
}

fn moved(exchange: &mut Exchange, invite: &Request, to: &str) -> Option<Request> {
    exchange.answer(2, invite, 302, &[(HeaderName::Contact, &format!("<sip:{to}@198.51.100.9>"))]);
    exchange.request(2, "INVITE")
}

fn refused(exchange: &mut Exchange) -> u16 {
    exchange.response("call-1").map_or(0, |response| response.status)
}

#[test]
fn a_callee_who_has_moved_is_followed_as_often_as_the_trunk_says() {
    let (mut exchange, invite) = dialled(2);
    let second = moved(&mut exchange, &invite, "13700137000").unwrap();
    assert_eq!(second.uri.to_string(), "sip:13700137000@10.9.2.1:5060", "the same carrier, not the host it names");
    let third = moved(&mut exchange, &second, "13600136000").unwrap();
    assert!(moved(&mut exchange, &third, "13500135000").is_none(), "a third time is too often");
    assert_eq!(refused(&mut exchange), 486);
    exchange.hang_up_all();
    let (mut exchange, invite) = dialled(0);
    assert!(
        moved(&mut exchange, &invite, "13700137000").is_none(),
        "it is a refusal unless somebody wants it followed"
    );
    assert_eq!(refused(&mut exchange), 486);
}

#[test]
fn whoever_is_named_may_not_be_called_if_nobody_may_call_there() {
    let (mut exchange, invite) = dialled(3);
    assert!(moved(&mut exchange, &invite, "0085221234567").is_none());
    assert_eq!(exchange.refusals(), [("t2", "barred")]);
    assert_eq!(refused(&mut exchange), 486);
}

#[test]
fn who_answers_there_has_the_call() {
    let (mut exchange, invite) = dialled(1);
    let second = moved(&mut exchange, &invite, "13700137000").unwrap();
    exchange.answer(2, &second, 200, &[]);
    assert_eq!(refused(&mut exchange), 200);
    exchange.hang_up_all();
}
