//! Agents called by other numbers and names than their own, and how many calls at once one may have.

use crate::exchange::{self, Exchange, dialling, secs};
use crate::phone::Phone;
use crate::{agent, at, queue, row, setup, sign_in, stands};
use busyhour_ivr::{Dialplan, Names};
use busyhour_model::{AgentState, Mailbox, Name, What};
use busyhour_sip::HeaderName;
use busyhour_switch::{AgentSetup, Change, NumberRoute, QueueSetup, Request, Setup};

/// 1001 is called 601 and li.na too.
fn called() -> Setup {
    let li_na = AgentSetup { aliases: vec!["601".into(), "li.na".into()], ..agent("1001", "4711") };
    Setup { agents: vec![li_na, agent("1002", "0815")], ..setup() }
}

fn phones<const N: usize>(exchange: &mut Exchange, users: [&str; N]) -> [Phone; N] {
    let mut n = 0;
    users.map(|user| {
        n += 1;
        Phone::registered(exchange, n, user)
    })
}

#[test]
fn an_agent_is_dialled_by_an_alias_as_by_the_number() {
    let mut exchange = Exchange::new(called());
    let mut phones = phones(&mut exchange, ["1001", "1002"]);
    for (n, name) in ["1001", "601", "li.na"].into_iter().enumerate() {
        assert_eq!(phones[1].dial(&mut exchange, name), 0, "{name} rings");
        assert!(exchange.request(1, "INVITE").is_some(), "{name}");
        let opened = |what: &What| matches!(what, What::LegOpened { party, .. } if **party.name() == *"1001");
        assert_eq!(exchange.facts.iter().filter(|what| opened(what)).count(), n + 1, "it is told as the number's");
        exchange.hang_up_all();
    }
    assert_eq!(phones[1].dial(&mut exchange, "602"), 480, "nobody's alias is a number outside");
}

#[test]
fn a_dialplan_and_a_pin_find_an_agent_by_an_alias() {
    let names = Names::default();
    let plan = |to: &str| Dialplan::parse("plan.toml", &dialling(to), &names).unwrap().plan;
    let number = NumberRoute { number: "95*".into(), trunk: None, dialplan: "plan".into(), calls_max: None };
    let setup = Setup {
        agents: called().agents,
        phones: called().phones,
        numbers: vec![number],
        dialplans: vec![("plan".into(), plan("{ agent = \"li.na\" }"))],
        ..exchange::setup(vec![exchange::trunk(5)], crate::MUSIC)
    };
    let mut exchange = Exchange::new(setup);
    let [_, _, mut guest] = phones(&mut exchange, ["1001", "1002", "8001"]);
    exchange.call(5, "13800138000", "95118", "");
    assert!(exchange.request(1, "INVITE").is_some());
    exchange.hang_up_all();
    sign_in(&mut exchange, &mut guest, "601*4711");
    assert_eq!(stands(&mut exchange, "1001"), at("8001", AgentState::Ready));
}

#[test]
fn a_message_for_an_alias_is_in_the_agents_mailbox() {
    const PLAN: &str = "name = \"plan\"\nstart = \"leave\"\n[node.leave]\nvoicemail = { agent = \"601\" }\nbeep = false\n\
        then = \"end\"\nelse = \"away\"\n[node.end]\nhangup = 480\n[node.away]\nhangup = 404\n";
    let plan = Dialplan::parse("plan.toml", PLAN, &Names::default()).unwrap().plan;
    let setup = exchange::setup(vec![exchange::trunk(5)], crate::MUSIC);
    let mut exchange =
        Exchange::new(Setup { agents: called().agents, dialplans: vec![("plan".into(), plan)], ..setup });
    exchange.call(5, "13800138000", "95118", "");
    let message = exchange.facts.iter().find_map(|what| match what {
        What::RecordingBegan { message, .. } => message.clone(),
        _ => None,
    });
    assert_eq!(message.expect("there is such a mailbox").mailbox, Mailbox::Agent("1001".into()));
}

#[test]
fn a_phone_may_be_called_by_an_alias_of_its_account() {
    let mut exchange = Exchange::new(called());
    let mut phone = Phone::called(1, "1001", "li.na");
    assert_eq!(phone.register(&mut exchange, 600), 200);
    assert_eq!(row(&mut exchange, "1001").contacts, 1);
    let [_, mut colleague] = phones(&mut exchange, ["1001", "1002"]);
    assert_eq!(phone.dial(&mut exchange, "1002"), 0);
    let shown = exchange.request(2, "INVITE").unwrap();
    assert!(shown.headers.text(HeaderName::From).unwrap().contains("sip:1001@"), "whoever it says it is");
    exchange.hang_up_all();
    assert_eq!(Phone::called(3, "1001", "1002").register(&mut exchange, 600), 403, "and nobody else");
    assert_eq!(colleague.ask(&mut exchange, "SUBSCRIBE", "601", "Event: dialog\r\nExpires: 600\r\n", ""), 200);
    let own = "Event: message-summary\r\nExpires: 600\r\n";
    assert_eq!(phone.ask(&mut exchange, "SUBSCRIBE", "601", own, ""), 200);
    assert_eq!(colleague.ask(&mut exchange, "SUBSCRIBE", "601", own, ""), 403, "another agent's messages");
}

#[test]
fn an_alias_goes_with_its_agent() {
    let mut exchange = Exchange::new(called());
    let [mut phone, mut colleague] = phones(&mut exchange, ["1001", "1002"]);
    let change = Change::NoAgent("1001".into());
    let asked = Request::Change { change, says: "removed".into(), by: "test".into() };
    exchange.switch.handle_request(exchange.now, asked).unwrap();
    exchange.drain();
    assert_eq!(colleague.dial(&mut exchange, "li.na"), 480);
    let reload = Request::Reload(Box::new(called()));
    exchange.switch.handle_request(exchange.now, reload).unwrap();
    exchange.drain();
    assert_eq!(colleague.dial(&mut exchange, "li.na"), 480, "the phone is to register first");
    assert_eq!(phone.register(&mut exchange, 600), 200);
    assert_eq!(colleague.dial(&mut exchange, "li.na"), 0);
}

/// 1001 has so many calls at most.
fn limited(calls_max: u32) -> Setup {
    Setup {
        agents: vec![AgentSetup { calls_max: Some(calls_max), ..agent("1001", "4711") }, agent("1002", "0815")],
        ..setup()
    }
}

fn refused(exchange: &Exchange) -> Vec<Name> {
    let outcome = |what: &What| match what {
        What::OfferEnded { outcome, .. } => Some(format!("{outcome:?}").into()),
        _ => None,
    };
    exchange.facts.iter().filter_map(outcome).collect()
}

#[test]
fn one_call_more_than_an_agent_may_have_is_403_from_it_and_486_to_it() {
    let mut exchange = Exchange::new(limited(2));
    let [mut one, mut two] = phones(&mut exchange, ["1001", "1002"]);
    assert_eq!(one.dial(&mut exchange, "1002"), 0, "nobody is signed in: any number of calls");
    assert_eq!(two.dial(&mut exchange, "1001"), 0);
    assert_eq!(one.dial(&mut exchange, "1002"), 403);
    assert_eq!(two.dial(&mut exchange, "1001"), 486);
    assert_eq!(one.dial(&mut exchange, "*71"), 200, "a star code is no call");
    assert_eq!(two.dial(&mut exchange, "1002"), 0, "who is not limited is not");
    exchange.hang_up_all();
    assert_eq!(one.dial(&mut exchange, "1002"), 0, "and when they are over it may again");
}

#[test]
fn what_is_offered_beside_as_many_calls_as_may_be_is_not_rung() {
    for (calls_max, rings) in [(None, true), (Some(1), false), (Some(2), true)] {
        let mut exchange = queue(QueueSetup::new("card".into()), AgentSetup { calls_max, ..agent("1001", "4711") });
        let mut phone = Phone::new(1, "1001");
        phone.sent = 10;
        let sign = |exchange: &mut Exchange, request| {
            exchange.switch.handle_request(exchange.now, request).unwrap();
            exchange.drain();
        };
        sign(&mut exchange, Request::SignOut { agent: "1001".into() });
        assert_eq!(phone.dial(&mut exchange, "*97"), 200, "signed out it listens to messages");
        sign(&mut exchange, Request::Ready { agent: "1001".into() });
        exchange.call(5, "13800138000", "95118", "");
        exchange.run(secs(1));
        assert_eq!(exchange.request(1, "INVITE").is_some(), rings, "{calls_max:?}");
        assert_eq!(refused(&exchange), if rings { vec![] } else { vec![Name::from("Refused")] });
    }
}

#[test]
fn what_rings_at_an_agent_or_is_over_is_no_second_call() {
    let mut exchange = Exchange::new(limited(1));
    let [mut one, mut two] = phones(&mut exchange, ["1001", "1002"]);
    assert_eq!(two.dial(&mut exchange, "1001"), 0);
    assert_eq!(one.dial(&mut exchange, "*81001"), 200, "the only call is picked up at another phone of its agent");
    exchange.hang_up_all();
    assert_eq!(one.dial(&mut exchange, "1002"), 0);
    let rings = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &rings, 486, &[]);
    assert_eq!(one.dial(&mut exchange, "1002"), 0, "though the refusal is not acknowledged yet");
}

#[test]
fn who_has_as_many_calls_as_may_be_picks_up_none() {
    let mut setup = limited(1);
    setup.agents.push(agent("1003", "1234"));
    let mut exchange = Exchange::new(setup);
    let [mut one, mut two, _] = phones(&mut exchange, ["1001", "1002", "1003"]);
    assert_eq!(two.dial(&mut exchange, "1003"), 0);
    assert_eq!(one.dial(&mut exchange, "1002"), 0);
    assert_eq!(one.dial(&mut exchange, "*81003"), 403);
    assert_eq!(two.dial(&mut exchange, "*81003"), 200, "and it still rings");
}
