//! Agents who dial the code alone and key in who they are.

use crate::exchange::{self, Exchange, secs};
use crate::phone::Phone;
use crate::{at, refused, setup, sign_in, stands};
use busyhour_ivr::{Dialplan, Names};
use busyhour_media as media;
use busyhour_model::{AgentState, Name, What};
use busyhour_switch::{NumberRoute, Request, Setup};

/// Signs 1001 in, whoever calls.
const OWN: &str = "name = \"own\"\nstart = \"own\"\n[node.own]\nsign_in = \"1001\"\npin = \"4711\"\nthen = \"in\"\nrefused = \"out\"\n\
    [node.in]\nhangup = 486\n[node.out]\nhangup = 403\n";

/// Keys pressed in the newest call.
fn press(exchange: &mut Exchange, keys: &str) {
    let leg = exchange.facts.iter().rev().find_map(|what| match what {
        What::Arrived { leg, .. } => *leg,
        _ => None,
    });
    for digit in keys.chars() {
        exchange.switch.handle_media(exchange.now, media::Event::Digit { leg: leg.unwrap(), digit });
        exchange.drain();
    }
}

/// The nodes entered so far.
fn entered(exchange: &Exchange) -> Vec<&str> {
    fn node(what: &What) -> Option<&str> {
        match what {
            What::NodeEntered { node, .. } => Some(node),
            _ => None,
        }
    }
    exchange.facts.iter().filter_map(node).collect()
}

/// 8001, which is nobody's, calls 7000 or a number of this plan.
fn with_plan(name: &str) -> Setup {
    let plan = Dialplan::parse("own.toml", OWN, &Names::default()).unwrap().plan;
    let route = |(number, dialplan): (&str, &str)| NumberRoute {
        number: number.into(),
        trunk: None,
        dialplan: dialplan.into(),
        calls_max: None,
    };
    let mut setup = Setup {
        agents: setup().agents,
        phones: setup().phones,
        ..exchange::setup(vec![exchange::trunk(5)], exchange::MUSIC)
    };
    setup.dialplans.push((name.into(), plan));
    setup.numbers = [("7000", name), ("95118", "plan")].map(route).into();
    setup
}

#[test]
fn who_keys_in_number_and_pin_is_rung_there_and_no_fact_has_the_pin() {
    let mut exchange = Exchange::new(setup());
    let mut phones = [(1, "8001"), (2, "1002")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    assert_eq!(phones[0].dial(&mut exchange, "*70"), 200);
    assert_eq!(entered(&exchange), ["number"], "it is asked for the agent number");
    press(&mut exchange, "1001#");
    assert_eq!(entered(&exchange), ["number", "pin"]);
    press(&mut exchange, "4711#");
    assert_eq!(stands(&mut exchange, "1001"), at("8001", AgentState::Ready));
    assert_eq!(entered(&exchange), ["number", "pin", "sign-in", "signed-in"]);
    exchange.hang_up_all();
    assert_eq!(phones[1].dial(&mut exchange, "1001"), 0);
    assert!(exchange.request(1, "INVITE").is_some(), "the phone where the agent sits rings");
    let told = format!("{:?}", exchange.facts);
    assert!(!told.contains("4711") && told.contains("Seated"), "no PIN in the facts: {told}");
}

#[test]
fn who_errs_is_asked_three_times_and_guesses_no_further_than_by_dialling() {
    let mut exchange = Exchange::new(setup());
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    assert_eq!(guest.dial(&mut exchange, "*70#"), 200);
    press(&mut exchange, "1001#4712#1001#4713#1001#4714#");
    let attempt = ["number", "pin", "sign-in", "refused"];
    let expected = [&attempt[..], &["count", "again"], &attempt, &["count", "again"], &attempt, &["given-up"]].concat();
    assert_eq!(entered(&exchange), expected);
    press(&mut exchange, "5");
    assert_eq!(entered(&exchange).last(), Some(&"end"), "and is hung up on");
    assert_eq!(refused(&exchange), ["wrong_pin"; 3].map(Name::from));
    for wrong in ["1001*1", "1001*2"] {
        sign_in(&mut exchange, &mut guest, wrong);
    }
    assert_eq!(guest.dial(&mut exchange, "*70"), 200);
    press(&mut exchange, "1001#4711#");
    assert_eq!(refused(&exchange).last().map(|reason| &**reason), Some("locked"), "five wrong PINs, however said");
    exchange.run(secs(301));
    assert_eq!(guest.dial(&mut exchange, "*70"), 200);
    press(&mut exchange, "1001#4711#");
    assert_eq!(stands(&mut exchange, "1001").1, AgentState::Ready);
}

#[test]
fn at_the_own_phone_and_at_a_colleagues_one_signs_in_as_well() {
    let mut exchange = Exchange::new(setup());
    let mut phones = [(1, "1001"), (2, "1002")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    for (phone, account) in phones.iter_mut().zip(["1001", "1002"]) {
        assert_eq!(phone.dial(&mut exchange, "*70"), 200);
        press(&mut exchange, "1001#4711#");
        exchange.hang_up_all();
        assert_eq!(stands(&mut exchange, "1001"), at(account, AgentState::Ready));
    }
    assert_eq!(refused(&exchange), [] as [Name; 0], "the call by which one signs in is no call in hand");
    assert_eq!(phones[0].dial(&mut exchange, "*70"), 200);
    press(&mut exchange, "1002#0815#");
    exchange.hang_up_all();
    assert_eq!(stands(&mut exchange, "1002"), at("1001", AgentState::Ready), "they have changed phones");
    assert_eq!(stands(&mut exchange, "1001"), at("1002", AgentState::Ready));
}

#[test]
fn a_dialplan_signs_in_the_phone_that_calls_and_nobody_by_a_trunk() {
    let mut exchange = Exchange::new(with_plan("own"));
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    assert_eq!(guest.dial(&mut exchange, "95118"), 403, "a phone without an agent calls nobody");
    assert_eq!(exchange.call(5, "8001", "7000", "").map(|response| response.status), Some(403));
    assert_eq!(refused(&exchange), [Name::from("no_phone")], "though the PIN is right");
    assert_eq!(guest.dial(&mut exchange, "7000"), 486, "but where one signs in");
    assert_eq!(stands(&mut exchange, "1001"), at("8001", AgentState::Ready));
    assert_eq!(guest.dial(&mut exchange, "95118"), 200, "it has an agent now");
}

#[test]
fn a_dialplan_of_the_same_name_takes_the_place_of_ours() {
    let mut exchange = Exchange::new(with_plan("desk/sign-in"));
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    assert_eq!(guest.dial(&mut exchange, "*70"), 486);
    assert_eq!(stands(&mut exchange, "1001"), at("8001", AgentState::Ready));
    let reload = Request::Reload(Box::new(setup()));
    exchange.switch.handle_request(exchange.now, reload).unwrap();
    exchange.drain();
    assert_eq!(guest.dial(&mut exchange, "*70"), 200, "and ours is back when it has gone");
    assert_eq!(entered(&exchange).last(), Some(&"number"));
}
