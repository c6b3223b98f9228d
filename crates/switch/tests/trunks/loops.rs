//! Calls that a carrier sends back to us (RFC 7332): they end.

use crate::exchange::{Exchange, dialling, setup, trunk};
use busyhour_model::What;
use busyhour_switch::TrunkSetup;

/// A call that may still be sent on so often goes out by the second carrier, which sends it back to us each time, until it is
/// answered by something; how often it went out, and what the answer was.
fn go_round(exchange: &mut Exchange, mut hops: u8) -> (Vec<u8>, u16) {
    let mut sent_on = Vec::new();
    loop {
        if let Some(answer) = exchange.call_sent_on(2, "13900139000", "02151234507", "", hops) {
            return (sent_on, answer.status);
        }
        let out = exchange.request(2, "INVITE").unwrap();
        hops = out.headers.max_forwards().unwrap();
        sent_on.push(hops);
        assert!(sent_on.len() <= 70, "it never ends");
    }
}

#[test]
fn a_call_that_its_carrier_sends_back_to_us_ends() {
    let plan = dialling("{ number = \"13800138000\", trunk = \"t2\" }");
    let mut exchange = Exchange::new(setup(vec![TrunkSetup { channels: 200, ..trunk(2) }], &plan));
    let (sent_on, status) = go_round(&mut exchange, 4);
    assert_eq!((sent_on, status), (vec![3, 2, 1, 0], 483));
    let (sent_on, status) = go_round(&mut exchange, 70);
    assert_eq!((sent_on.len(), status), (70, 483));
    exchange.hang_up_all();
    let ends = exchange.facts.iter().filter(|fact| matches!(fact, What::Ended { .. })).count();
    assert_eq!(ends, 74, "no call is made of what is refused, and none is left");
}
