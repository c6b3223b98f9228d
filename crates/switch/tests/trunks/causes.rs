//! Why calls end, from one trunk to the other: statuses and causes of Q.850 (RFC 3326, RFC 3398).

use crate::exchange::{Exchange, dialling, secs, setup, trunk};
use busyhour_model::{Release, What};
use busyhour_sip::{HeaderName, Response};
use busyhour_switch::{CauseRule, Causes, GroupMember, Setup, TrunkGroup};

/// Trunk 1 calls; 2 and 3 are called.
fn passing() -> Setup {
    setup((1..=3).map(trunk).collect(), &dialling("{ number = \"13800138000\", trunk = \"t2\" }"))
}

fn grouped(next_on: &[u16]) -> Setup {
    let mut setup = setup((1..=3).map(trunk).collect(), &dialling("\"13800138000\""));
    let member = |(trunk, priority): (&str, u32)| GroupMember { trunk: trunk.into(), priority, weight: 1 };
    let members = [("t2", 1), ("t3", 2)].map(member).to_vec();
    setup.groups = vec![TrunkGroup { name: "default".into(), members, next_on: next_on.to_vec() }];
    setup
}

fn rule(status: Option<u16>, cause: Option<u8>, to_status: Option<u16>, to_cause: Option<u8>) -> Causes {
    Causes(vec![CauseRule { status, cause, to_status, to_cause }])
}

/// What the caller by trunk 1 is told when trunk 2 says this.
fn told(setup: Setup, status: u16, reason: &str) -> (u16, String) {
    let mut exchange = Exchange::new(setup);
    exchange.call(1, "13900139000", "95118", "");
    let invite = exchange.request(2, "INVITE").unwrap();
    let more = [(HeaderName::Reason, reason)];
    exchange.answer(2, &invite, status, if reason.is_empty() { &[] } else { &more });
    let Response { status, headers, .. } = exchange.response("call-1").unwrap();
    (status, headers.text(HeaderName::Reason).unwrap_or_default().to_owned())
}

/// RFC 3398 sections 7.2.4.1 and 8.2.6.1: the dialplan chooses the status, the cause is the callee's.
#[test]
fn the_caller_is_told_the_callees_cause() {
    for (status, reason, expected) in [
        (486, "", (486, "Q.850;cause=17")),
        (404, "", (404, "Q.850;cause=1")),
        (503, "Q.850;cause=17;text=\"busy\"", (486, "Q.850;cause=17")),
        (503, "Q.850;cause=42", (404, "Q.850;cause=42")),
        (480, "SIP;cause=486", (480, "Q.850;cause=18")),
    ] {
        let (told, why) = told(passing(), status, reason);
        assert_eq!((told, &*why), expected, "{status} {reason}");
    }
}

#[test]
fn a_trunk_has_causes_of_its_own() {
    let mut setup = passing();
    setup.trunks[1].policy.causes_in = rule(Some(480), Some(20), Some(486), Some(17));
    assert_eq!(told(setup.clone(), 480, "Q.850;cause=20"), (486, "Q.850;cause=17".to_owned()));
    setup.trunks[0].policy.causes_out = rule(None, Some(17), Some(600), Some(31));
    assert_eq!(told(setup.clone(), 480, "Q.850;cause=20"), (600, "Q.850;cause=31".to_owned()));
    assert_eq!(told(setup, 480, ""), (480, "Q.850;cause=18".to_owned()), "no rule is for this");
}

#[test]
fn a_group_goes_on_after_a_cause() {
    for (next_on, reason, goes_on) in
        [(vec![34], "Q.850;cause=34", true), (vec![34], "Q.850;cause=38", false), (vec![503], "Q.850;cause=17", false)]
    {
        let mut exchange = Exchange::new(grouped(&next_on));
        exchange.call(1, "13900139000", "95118", "");
        let invite = exchange.request(2, "INVITE").unwrap();
        exchange.answer(2, &invite, 503, &[(HeaderName::Reason, reason)]);
        assert_eq!(exchange.request(3, "INVITE").is_some(), goes_on, "{next_on:?} {reason}");
    }
}

/// How each leg ended, the callee's first.
fn releases(exchange: &Exchange) -> Vec<(u16, Release)> {
    let ended = |what: &What| match what {
        What::LegEnded { status, release: Some(release), .. } => Some((*status, *release)),
        _ => None,
    };
    exchange.facts.iter().filter_map(ended).collect()
}

#[test]
fn what_was_said_stands_in_the_facts() {
    let mut exchange = Exchange::new(passing());
    exchange.call(1, "13900139000", "95118", "");
    let invite = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &invite, 503, &[(HeaderName::Reason, "Q.850;cause=17, SIP;cause=486")]);
    exchange.run(secs(1));
    let heard = Release { by_peer: true, cause: 17, told: true, sip: Some(486) };
    let said = Release { by_peer: false, cause: 17, told: false, sip: None };
    assert_eq!(releases(&exchange), [(503, heard), (486, said)]);
}

/// RFC 3326 section 2: who is hung up on is told, too, and a cause of an earlier failure is forgotten by then.
#[test]
fn a_bye_is_normal_clearing() {
    let mut exchange = Exchange::new(grouped(&[503]));
    exchange.call(1, "13900139000", "95118", "");
    let first = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &first, 503, &[]);
    let second = exchange.request(3, "INVITE").unwrap();
    exchange.answer(3, &second, 200, &[]);
    exchange.hang_up_all();
    let bye = exchange.request(3, "BYE").unwrap();
    assert_eq!(bye.headers.text(HeaderName::Reason), Some("Q.850;cause=16"));
}
