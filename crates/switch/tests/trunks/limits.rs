//! How many calls a trunk takes, and what the next one is told.

use crate::exchange::{Exchange, MUSIC, dialling, secs, setup, trunk};
use busyhour_model::Pattern;
use busyhour_sip::{Account, Response};
use busyhour_switch::{NumberRoute, Request, Setup, TierChannels, TierSetup, TrunkLimits, TrunkSetup};
use std::collections::BTreeSet;
use std::time::Duration;

fn limited(n: u8, limits: TrunkLimits) -> TrunkSetup {
    TrunkSetup { limits, ..trunk(n) }
}

fn inbound(limits: TrunkLimits) -> Setup {
    setup(vec![limited(1, limits)], MUSIC)
}

fn statuses(exchange: &mut Exchange, calls: &[(&str, &str)]) -> Vec<u16> {
    calls.iter().map(|(from, to)| exchange.call(1, from, to, "").map_or(0, |response| response.status)).collect()
}

fn retry_after(response: &Response) -> Option<u32> {
    response.headers.retry_after()
}

#[test]
fn calls_in_have_channels_of_their_own() {
    let mut exchange = Exchange::new(inbound(TrunkLimits { channels_in: Some(2), ..TrunkLimits::default() }));
    let call = ("13800138000", "95118");
    assert_eq!(statuses(&mut exchange, &[call; 3]), [200, 200, 486]);
    assert_eq!(exchange.refusals(), [("t1", "channels_in_full")]);
    exchange.hang_up_all();
    assert_eq!(statuses(&mut exchange, &[call]), [200]);
}

#[test]
fn who_comes_too_fast_is_told_when_to_come_again() {
    let mut exchange = Exchange::new(inbound(TrunkLimits { rate_in: Some(3), ..TrunkLimits::default() }));
    let call = ("13800138000", "95118");
    assert_eq!(statuses(&mut exchange, &[call; 3]), [200; 3]);
    let refused = exchange.call(1, call.0, call.1, "").unwrap();
    assert_eq!((refused.status, retry_after(&refused)), (503, Some(1)));
    exchange.run(Duration::from_millis(334));
    assert_eq!(statuses(&mut exchange, &[call; 2]), [200, 503]);
    assert_eq!(exchange.refusals(), [("t1", "rate"); 2]);
}

#[test]
fn a_number_may_have_only_so_many_calls() {
    let mut setup = inbound(TrunkLimits::default());
    let only = NumberRoute { number: "95118".into(), trunk: None, dialplan: "plan".into(), calls_max: Some(2) };
    setup.numbers.push(only);
    let mut exchange = Exchange::new(setup);
    let calls = ["95118", "02195118", "95118", "4008671888"].map(|to| ("13800138000", to));
    assert_eq!(statuses(&mut exchange, &calls), [200, 200, 486, 200]);
    assert_eq!(exchange.refusals(), [("t1", "number_full")]);
}

/// Ten channels, three of them kept for gold, of whom no more than four are let in.
#[test]
fn channels_are_kept_free_for_a_tier_that_has_no_more_than_its_cap() {
    let gold = TierChannels { tier: Some("gold".into()), keep: 3, max: Some(4) };
    let mut setup = inbound(TrunkLimits { tiers: vec![gold], ..TrunkLimits::default() });
    let numbers = vec![Pattern::parse("1390*").unwrap()];
    setup.tiers = vec![TierSetup { name: "gold".into(), numbers, priority: 0 }];
    let mut exchange = Exchange::new(setup);
    let (anybody, gold) = (("13800138000", "95118"), ("13900139000", "95118"));
    assert_eq!(statuses(&mut exchange, &[anybody; 8]), [200, 200, 200, 200, 200, 200, 200, 486]);
    assert_eq!(statuses(&mut exchange, &[gold; 4]), [200, 200, 200, 486]);
    assert_eq!(exchange.refusals(), [("t1", "reserved"), ("t1", "channels_full")]);
    exchange.hang_up_all();
    assert_eq!(statuses(&mut exchange, &[gold; 5]), [200, 200, 200, 200, 486]);
    assert_eq!(exchange.refusals()[2..], [("t1", "tier_full")]);
}

#[test]
fn a_reload_that_leaves_too_few_channels_ends_nobodys_call() {
    let mut exchange = Exchange::new(inbound(TrunkLimits::default()));
    let call = ("13800138000", "95118");
    assert_eq!(statuses(&mut exchange, &[call; 6]), [200; 6]);
    let keep = TierChannels { tier: Some("gold".into()), keep: 3, max: None };
    let mut smaller = inbound(TrunkLimits { tiers: vec![keep], ..TrunkLimits::default() });
    smaller.trunks[0].channels = 4;
    exchange.switch.handle_request(exchange.now, Request::Reload(Box::new(smaller))).unwrap();
    exchange.drain();
    assert_eq!(statuses(&mut exchange, &[call]), [486]);
    exchange.hang_up_all();
    assert_eq!(statuses(&mut exchange, &[call; 2]), [200, 486], "three of four are kept");
}

fn outbound(limits: TrunkLimits) -> Exchange {
    let plan = dialling("{ number = \"13800138000\", trunk = \"t2\" }");
    let mut setup = setup(vec![trunk(1), limited(2, limits)], &plan);
    setup.trunks[0].channels = 50;
    Exchange::new(setup)
}

#[test]
fn calls_out_are_spaced_and_wait_a_short_while_for_their_turn() {
    let wait_max = Duration::from_millis(500);
    let mut exchange = outbound(TrunkLimits { rate_out: Some(4), wait_max, ..TrunkLimits::default() });
    let calls = [("13900139000", "95118"); 4];
    assert_eq!(statuses(&mut exchange, &calls), [0, 0, 0, 486], "the fourth would wait 750 ms");
    assert_eq!(exchange.refusals(), [("t2", "rate")]);
    let mut called = BTreeSet::new();
    let mut counts = Vec::new();
    for _ in 0..4 {
        called.extend(invited(&mut exchange));
        counts.push(called.len());
        exchange.run(Duration::from_millis(250));
    }
    assert_eq!(counts, [1, 2, 3, 3], "one every 250 ms");
}

/// The Call-IDs of INVITEs to carrier 2, sent for the first time or again.
fn invited(exchange: &mut Exchange) -> BTreeSet<String> {
    std::iter::from_fn(|| exchange.request(2, "INVITE")).map(|invite| invite.headers.call_id().to_owned()).collect()
}

#[test]
fn who_hangs_up_while_a_call_waits_for_its_turn_rings_nobody() {
    let mut exchange = outbound(TrunkLimits { rate_out: Some(1), ..TrunkLimits::default() });
    statuses(&mut exchange, &[("13900139000", "95118"); 2]);
    let first = invited(&mut exchange);
    exchange.hang_up_all();
    exchange.run(secs(3));
    assert!(first.len() == 1 && invited(&mut exchange).is_subset(&first));
}

#[test]
fn a_number_is_called_only_so_often() {
    let callee = vec![(1, secs(60)), (2, secs(3600))];
    let mut exchange = outbound(TrunkLimits { callee, ..TrunkLimits::default() });
    let call = [("13900139000", "95118")];
    for (expected, after) in [(0, 0), (486, 30), (0, 60), (486, 120), (0, 3700)] {
        exchange.run(secs(after));
        assert_eq!(statuses(&mut exchange, &call), [expected], "after {after} s");
        exchange.hang_up_all();
    }
    assert_eq!(exchange.refusals(), [("t2", "called_too_often"); 2]);
}

#[test]
fn a_drained_trunk_takes_no_new_calls_and_ends_none() {
    let mut exchange = Exchange::new(inbound(TrunkLimits::default()));
    let call = ("13800138000", "95118");
    assert_eq!(statuses(&mut exchange, &[call]), [200]);
    let order = |drained| Request::DrainTrunk { trunk: "t1".into(), drained, by: "test".into() };
    exchange.switch.handle_request(exchange.now, order(true)).unwrap();
    exchange.drain();
    let refused = exchange.call(1, call.0, call.1, "").unwrap();
    assert_eq!((refused.status, retry_after(&refused)), (503, Some(60)));
    assert_eq!(exchange.switch.vitals().calls, 1, "the first one goes on");
    exchange.switch.handle_request(exchange.now, order(false)).unwrap();
    exchange.drain();
    assert_eq!(statuses(&mut exchange, &[call]), [200]);
}

fn registering(trunks: Vec<TrunkSetup>) -> Setup {
    let register = |trunk: TrunkSetup| TrunkSetup {
        credentials: Some(Account { user: "95118".into(), password: "pw".into() }),
        register: Some(secs(600)),
        ..trunk
    };
    setup(trunks.into_iter().map(register).collect(), MUSIC)
}

/// Carrier 1 hears a REGISTER that lasts so long, and agrees.
fn register(exchange: &mut Exchange, expires: u32) {
    exchange.run(Duration::from_millis(100));
    let register = exchange.request(1, "REGISTER").unwrap();
    assert_eq!(register.headers.expires(), Some(expires));
    exchange.answer(1, &register, 200, &[]);
}

/// RFC 3261 section 10.2.2: a drained trunk is registered as long as it has calls, and then says that it is not.
#[test]
fn a_drained_trunk_goes_from_its_registrar_after_its_last_call_and_comes_back() {
    let mut exchange = Exchange::new(registering(vec![trunk(1)]));
    register(&mut exchange, 600);
    assert_eq!(exchange.call(1, "13800138000", "95118", "").unwrap().status, 200);
    let drain = |drained| Request::DrainTrunk { trunk: "t1".into(), drained, by: "test".into() };
    exchange.switch.handle_request(exchange.now, drain(true)).unwrap();
    exchange.drain();
    assert_eq!(exchange.request(1, "REGISTER"), None, "its call goes on");
    exchange.hang_up_all();
    register(&mut exchange, 0);
    exchange.switch.handle_request(exchange.now, drain(false)).unwrap();
    exchange.drain();
    register(&mut exchange, 600);
}

/// The same of a trunk that a reload takes away.
#[test]
fn a_trunk_that_is_taken_away_goes_from_its_registrar_after_its_last_call() {
    let mut exchange = Exchange::new(registering(vec![trunk(1), trunk(2)]));
    register(&mut exchange, 600);
    assert_eq!(exchange.call(1, "13800138000", "95118", "").unwrap().status, 200);
    let without = Request::Reload(Box::new(registering(vec![trunk(2)])));
    exchange.switch.handle_request(exchange.now, without).unwrap();
    exchange.drain();
    assert_eq!(exchange.request(1, "REGISTER"), None, "its call goes on");
    exchange.hang_up_all();
    register(&mut exchange, 0);
    assert!(!exchange.switch.is_leaving());
}

/// At the end of the world no trunk is left, calls or none, and none is registered at again by what comes later.
#[test]
fn registrars_hear_of_the_end_of_the_world() {
    let mut exchange = Exchange::new(registering(vec![trunk(1)]));
    register(&mut exchange, 600);
    assert_eq!(exchange.call(1, "13800138000", "95118", "").unwrap().status, 200);
    exchange.switch.handle_end(exchange.now);
    exchange.drain();
    assert!(exchange.switch.is_leaving());
    register(&mut exchange, 0);
    assert!(!exchange.switch.is_leaving());
    exchange.hang_up_all();
    exchange.run(secs(60));
    assert_eq!(exchange.request(1, "REGISTER"), None);
}
