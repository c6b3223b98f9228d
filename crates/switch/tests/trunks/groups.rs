//! Which trunk a call out takes, and when another one is tried.

use crate::exchange::{Exchange, dialling, secs, setup, trunk};
use busyhour_model::What;
use busyhour_switch::{GroupMember, NEXT_ON, Setup, TrunkGroup};
use std::time::Duration;

/// A caller of trunk 1 is dialled on by trunks 2, 3 and 4: priorities and weights of each.
fn grouped(members: &[(u8, u32, u32)], to: &str) -> Setup {
    let trunks = (1..=4).map(trunk).collect();
    let mut setup = setup(trunks, &dialling(to));
    let member = |(n, priority, weight): &(u8, u32, u32)| GroupMember {
        trunk: format!("t{n}").into(),
        priority: *priority,
        weight: *weight,
    };
    let members = members.iter().map(member).collect();
    setup.groups = vec![TrunkGroup { name: "default".into(), members, next_on: NEXT_ON.to_vec() }];
    setup.trunks[0].channels = 50;
    setup
}

const TO: &str = "\"13800138000\"";
const ORDER: [(u8, u32, u32); 3] = [(2, 1, 1), (3, 2, 1), (4, 3, 1)];

/// The trunk that has an INVITE, which it answers by this status.
fn answered(exchange: &mut Exchange, status: u16) -> Option<u8> {
    let (n, invite) = (2..=4).find_map(|n| Some((n, exchange.request(n, "INVITE")?)))?;
    exchange.answer(n, &invite, status, &[]);
    Some(n)
}

#[test]
fn the_next_trunk_is_tried_when_one_cannot() {
    for status in NEXT_ON {
        let mut exchange = Exchange::new(grouped(&ORDER, TO));
        exchange.call(1, "13900139000", "95118", "");
        let tried: Vec<Option<u8>> = (0..4).map(|_| answered(&mut exchange, status)).collect();
        assert_eq!(tried, [Some(2), Some(3), Some(4), None], "{status}");
        let last = exchange.response("call-1").map(|response| response.status);
        assert!(matches!(last, Some(404 | 480 | 486)), "{status}: {last:?}");
        exchange.run(secs(40));
        assert_eq!(exchange.switch.vitals().legs, 0);
    }
}

#[test]
fn a_callee_who_says_no_is_not_called_by_another_trunk() {
    for status in [486, 404, 403, 603, 600] {
        let mut exchange = Exchange::new(grouped(&ORDER, TO));
        exchange.call(1, "13900139000", "95118", "");
        assert_eq!(answered(&mut exchange, status), Some(2), "{status}");
        assert_eq!(answered(&mut exchange, status), None, "{status}");
    }
}

#[test]
fn once_a_telephone_rang_no_second_one_is_rung() {
    for status in [180, 183] {
        let mut exchange = Exchange::new(grouped(&ORDER, TO));
        exchange.call(1, "13900139000", "95118", "");
        let invite = exchange.request(2, "INVITE").unwrap();
        exchange.answer(2, &invite, status, &[]);
        exchange.answer(2, &invite, 503, &[]);
        assert_eq!(answered(&mut exchange, 503), None, "{status}");
        assert!(exchange.facts.iter().any(|what| matches!(what, What::LegRang { .. })));
    }
}

#[test]
fn a_call_that_went_on_to_another_trunk_is_answered_there() {
    let mut exchange = Exchange::new(grouped(&ORDER, TO));
    exchange.call(1, "13900139000", "95118", "");
    assert_eq!(answered(&mut exchange, 503), Some(2));
    assert_eq!(answered(&mut exchange, 200), Some(3));
    assert_eq!(exchange.response("call-1").unwrap().status, 200);
    let connected = |what: &What| matches!(what, What::Connected { party, .. } if &**party.name() == "t3");
    assert!(exchange.facts.iter().any(connected));
}

#[test]
fn a_silent_trunk_is_given_up_for_another_and_the_last_one_is_not() {
    let mut exchange = Exchange::new(grouped(&ORDER[..2], TO));
    exchange.call(1, "13900139000", "95118", "");
    let invite = exchange.request(2, "INVITE").unwrap();
    exchange.run(Duration::from_millis(3_900));
    assert!(exchange.request(3, "INVITE").is_none());
    exchange.run(Duration::from_millis(200));
    let second = exchange.request(3, "INVITE").unwrap();
    // It lives after all, and learns that it is too late.
    exchange.answer(2, &invite, 100, &[]);
    assert!(exchange.request(2, "CANCEL").is_some());
    exchange.run(secs(20));
    assert!(exchange.request(3, "CANCEL").is_none(), "there is no other");
    exchange.answer(3, &second, 200, &[]);
    assert_eq!(exchange.response("call-1").unwrap().status, 200);
}

#[test]
fn a_trunk_that_says_it_is_trying_or_has_no_substitute_that_works_is_waited_for() {
    for (tries, members, drained) in [(true, 2, false), (false, 1, false), (false, 2, true)] {
        let mut setup = grouped(&ORDER[..members], TO);
        setup.trunks[2].limits.drained = drained;
        let mut exchange = Exchange::new(setup);
        exchange.call(1, "13900139000", "95118", "");
        let invite = exchange.request(2, "INVITE").unwrap();
        if tries {
            exchange.answer(2, &invite, 100, &[]);
        }
        exchange.run(secs(20));
        assert!(exchange.request(3, "INVITE").is_none() && exchange.request(2, "CANCEL").is_none());
        exchange.answer(2, &invite, 200, &[]);
        assert_eq!(exchange.response("call-1").unwrap().status, 200);
    }
}

#[test]
fn full_and_dead_trunks_are_passed_over() {
    let mut setup = grouped(&ORDER, TO);
    (setup.trunks[1].channels, setup.trunks[2].limits.drained) = (1, true);
    let mut exchange = Exchange::new(setup);
    let calls: Vec<Option<u8>> = (0..3)
        .map(|_| {
            exchange.call(1, "13900139000", "95118", "");
            answered(&mut exchange, 183)
        })
        .collect();
    assert_eq!(calls, [Some(2), Some(4), Some(4)]);
    assert_eq!(exchange.refusals(), [("t2", "channels_full"), ("t2", "channels_full")]);
}

#[test]
fn a_number_barred_on_one_trunk_goes_by_another() {
    let mut setup = grouped(&ORDER, "\"0085221234567\"");
    setup.trunks[3].policy.allowed = vec![busyhour_model::Pattern::parse("00852*").unwrap()];
    let mut exchange = Exchange::new(setup);
    exchange.call(1, "13900139000", "95118", "");
    assert_eq!(answered(&mut exchange, 183), Some(4));
    assert_eq!(exchange.refusals(), [("t2", "barred"), ("t3", "barred")]);
}

#[test]
fn trunks_of_one_priority_share_by_weight() {
    let mut exchange = Exchange::new(grouped(&[(2, 1, 3), (3, 1, 1), (4, 2, 1)], TO));
    let mut taken = [0; 5];
    for _ in 0..8 {
        exchange.call(1, "13900139000", "95118", "");
        taken[usize::from(answered(&mut exchange, 183).unwrap())] += 1;
    }
    assert_eq!(taken[2..], [6, 2, 0]);
}

/// Without a group all trunks in the order of the file; the first cannot be the last resort of its own call.
#[test]
fn a_trunk_named_alone_has_no_substitute() {
    let mut setup = grouped(&[], "{ number = \"13800138000\", trunk = \"t3\" }");
    setup.groups.clear();
    let mut exchange = Exchange::new(setup);
    exchange.call(1, "13900139000", "95118", "");
    assert_eq!(answered(&mut exchange, 503), Some(3));
    assert_eq!(answered(&mut exchange, 503), None);
}
