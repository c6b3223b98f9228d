//! Attended transfers, asked for in either call (RFC 5589 section 7, RFC 3891).

use crate::exchange::Exchange;
use crate::phone::Phone;
use crate::{agent, setup};
use busyhour_switch::{Reply, Request, Setup};

/// 1002 has called 1001, who asks 1003 beside it: the REFER comes in the second call and names the first.
#[test]
fn who_asks_in_the_second_call_passes_on_who_called_first() {
    let agents = ["1001", "1002", "1003"].map(|number| agent(number, "4711")).into();
    let mut exchange = Exchange::new(Setup { agents, ..setup() });
    let [mut asking, mut caller, _] =
        [(1, "1001"), (2, "1002"), (3, "1003")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    assert_eq!(caller.dial(&mut exchange, "1001"), 0);
    let first = exchange.request(1, "INVITE").unwrap();
    exchange.answer(1, &first, 200, &[]);
    assert_eq!(asking.dial(&mut exchange, "1003"), 0);
    let second = exchange.request(3, "INVITE").unwrap();
    exchange.answer(3, &second, 200, &[]);

    let (call_id, ours) = (first.headers.call_id(), first.headers.from_tag().unwrap());
    let named = format!("{call_id}%3Bto-tag%3D{ours}%3Bfrom-tag%3Dfar").replace('@', "%40");
    let told = asking.refer_to(&mut exchange, &format!("sip:1002@hotline.example?Replaces={named}"));
    assert_eq!(told, 200);
    let Ok(Reply::Calls(calls)) = exchange.switch.handle_request(exchange.now, Request::Calls) else { panic!("none") };
    let [call] = &calls[..] else { panic!("one call is left: {calls:?}") };
    assert_eq!((&*call.from, call.partner.as_deref()), ("1002", Some("1003")), "who called first has whom was asked");
    let hung_up = exchange.request(1, "BYE").unwrap();
    assert_eq!(
        hung_up.headers.call_id(),
        call_id,
        "the other one's answer is not acknowledged yet (RFC 3261 section 15)"
    );
    assert!(exchange.request(2, "BYE").is_none() && exchange.request(3, "BYE").is_none());
}
