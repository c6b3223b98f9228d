//! Numbers in and out: who is believed, what is shown to whom, and what is never called.

use crate::exchange::{Exchange, MUSIC, dialling, setup, trunk};
use busyhour_model::What;
use busyhour_sip::{HeaderName, Request};
use busyhour_switch::{
    NumberForm, PassedOn, Place, Present, Reply, Request as Asked, Rewrite, RewriteRule, Rewriting, Telling,
    TrunkPolicy, TrunkSetup,
};

fn with(policy: TrunkPolicy) -> TrunkSetup {
    TrunkSetup { policy, ..trunk(1) }
}

/// The caller's number in the facts, whether it is withheld, and what a supervisor sees.
fn caller(trunk: TrunkSetup, from: &str, more: &str) -> (String, bool, String) {
    let mut exchange = Exchange::new(setup(vec![trunk], MUSIC));
    exchange.call(1, from, "95118", more);
    let arrived = exchange.facts.iter().find_map(|what| match what {
        What::Arrived { from, .. } => Some(from.national.clone()),
        _ => None,
    });
    let withheld = exchange.facts.iter().find_map(|what| match what {
        What::Identified { withheld, headers, .. } => {
            assert!(headers.iter().any(|(name, value)| name == "From" && value.contains(from)), "{headers:?}");
            Some(*withheld)
        }
        _ => None,
    });
    let Ok(Reply::Calls(rows)) = exchange.switch.handle_request(exchange.now, Asked::Calls) else { panic!("calls") };
    (arrived.unwrap(), withheld.unwrap(), rows[0].from.clone())
}

#[test]
fn a_withheld_number_routes_the_call_and_is_shown_to_nobody() {
    let said = "P-Asserted-Identity: <tel:+8613900139000>\r\nPrivacy: id\r\n";
    let (number, withheld, seen) = caller(trunk(1), "anonymous", said);
    assert_eq!((number.as_str(), withheld, seen.as_str()), ("13900139000", true, "anonymous"));
    let stranger = with(TrunkPolicy { trusted: false, ..TrunkPolicy::default() });
    let (number, withheld, seen) = caller(stranger, "anonymous", said);
    assert_eq!((number.as_str(), withheld, seen.as_str()), ("", true, "anonymous"));
    let (number, withheld, seen) = caller(trunk(1), "13800138000", "");
    assert_eq!((number.as_str(), withheld, seen.as_str()), ("13800138000", false, "138****8000"));
}

#[test]
fn a_pilot_number_is_the_400_number_it_stands_for() {
    let rule = RewriteRule {
        places: vec![Place::RequestUri],
        digits: "02151234500".into(),
        prefix: false,
        length: (1, 32),
        change: Rewrite::To("4008671888".into()),
    };
    let policy = TrunkPolicy { rewrite_in: Rewriting(vec![rule]), ..TrunkPolicy::default() };
    let mut exchange = Exchange::new(setup(vec![with(policy)], MUSIC));
    exchange.call(1, "13800138000", "02151234500", "");
    let to = exchange.facts.iter().find_map(|what| match what {
        What::Arrived { to, .. } => Some((to.national.as_str(), to.raw.as_str())),
        _ => None,
    });
    assert_eq!(to, Some(("4008671888", "02151234500")));
}

/// The INVITE to carrier 2 when a caller of carrier 1 is passed on to a mobile.
fn passed_on(policy: TrunkPolicy, from: &str, more: &str) -> Request {
    let out = TrunkSetup { policy, ..trunk(2) };
    let plan = dialling("{ number = \"13800138000\", trunk = \"t2\" }");
    let mut exchange = Exchange::new(setup(vec![trunk(1), out], &plan));
    exchange.call(1, from, "02151234507", more);
    exchange.request(2, "INVITE").unwrap()
}

fn text(request: &Request, name: HeaderName) -> &str {
    request.headers.text(name).unwrap_or_default()
}

/// One rule for all numbers, and the caller's own in From: what a carrier for passing on wants.
#[test]
fn a_caller_is_passed_on_with_the_numbers_the_carrier_wants() {
    let everywhere = RewriteRule {
        places: Vec::new(),
        digits: "".into(),
        prefix: true,
        length: (1, 32),
        change: Rewrite::As(NumberForm::E164),
    };
    let policy = TrunkPolicy {
        rewrite_out: Rewriting(vec![everywhere]),
        identity: Telling::Pai,
        present: Present::Caller,
        passed_on: vec![PassedOn::Diversion, PassedOn::HistoryInfo],
        owned: vec![busyhour_model::Pattern::parse("021512345*").unwrap()],
        caller_id: Some("02151234500".into()),
        ..TrunkPolicy::default()
    };
    let invite = passed_on(policy.clone(), "13900139000", "");
    assert_eq!(invite.uri.user.as_deref(), Some("+8613800138000"));
    assert!(text(&invite, HeaderName::From).starts_with("<sip:+8613900139000@10.9.2.1>"));
    assert_eq!(text(&invite, HeaderName::PAssertedIdentity), "<sip:+862151234507@10.9.2.1>");
    assert!(text(&invite, HeaderName::Diversion).starts_with("<sip:+862151234507@10.9.2.1>"));
    assert!(text(&invite, HeaderName::HistoryInfo).contains("index=1.1"));
    let said = "P-Asserted-Identity: <tel:+8613900139000>\r\nPrivacy: id\r\n";
    let withheld = passed_on(policy, "anonymous", said);
    assert!(text(&withheld, HeaderName::From).contains("anonymous.invalid"));
    assert!(!String::from_utf8_lossy(&withheld.to_bytes()).contains("13900139000"), "nowhere in the INVITE");
}

#[test]
fn without_a_word_one_of_ours_is_shown_and_nothing_else_is_told() {
    let policy = TrunkPolicy { caller_id: Some("02195118".into()), ..TrunkPolicy::default() };
    let invite = passed_on(policy, "13900139000", "");
    assert!(text(&invite, HeaderName::From).starts_with("<sip:02195118@10.9.2.1>"));
    for name in [HeaderName::PAssertedIdentity, HeaderName::Diversion, HeaderName::HistoryInfo, HeaderName::Privacy] {
        assert!(!invite.headers.has(name), "{name:?}");
    }
}

#[test]
fn a_hotline_or_a_number_abroad_is_not_called_and_the_fact_says_why() {
    for number in ["4008671888", "95118", "0085221234567"] {
        let plan = dialling(&format!("{{ number = \"{number}\", trunk = \"t2\" }}"));
        let mut exchange = Exchange::new(setup(vec![trunk(1), trunk(2)], &plan));
        let response = exchange.call(1, "13900139000", "02151234507", "").unwrap();
        assert_eq!(response.status, 486, "{number}: as a busy one");
        assert_eq!(exchange.refusals(), [("t2", "barred")]);
        assert!(exchange.request(2, "INVITE").is_none());
    }
}
