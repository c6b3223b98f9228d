//! Agents who sign in by PIN at phones that are not their own: the whole switch and hand-written phones.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[allow(dead_code)]
#[path = "../trunks/exchange.rs"]
mod exchange;

mod aliases;
mod attached;
mod bots;
mod briefings;
mod conferences;
mod conversations;
mod fax;
mod monitors;
mod phone;
mod transfers;
mod voice;

use busyhour_ivr::{Dialplan, Names};
use busyhour_model::{AgentState, Name, What};
use busyhour_sip::{Account, HeaderName};
use busyhour_switch::{
    AgentRow, AgentSetup, Denied, Destination, Limits, NumberRoute, QueueSetup, Reply, Request, Setup, Slots, StarCodes,
};
use exchange::{Exchange, MUSIC, secs};
use phone::Phone;

/// Waits for an agent.
const WAITING: &str = "name = \"plan\"\nstart = \"wait\"\n[node.wait]\nqueue = \"card\"\ntimed_out = \"end\"\nfull = \"end\"\n\
    no_agents = \"end\"\n[node.end]\nhangup = 480\n";

fn agent(number: &str, pin: &str) -> AgentSetup {
    AgentSetup { password: "secret".into(), pin: Some(pin.into()), ..AgentSetup::new(number.into()) }
}

/// Agents 1001 and 1002, phones 8001 and 8002 that are nobody's.
fn setup() -> Setup {
    let phone = |user: &str| Account { user: user.into(), password: "secret".into() };
    Setup {
        agents: vec![agent("1001", "4711"), agent("1002", "0815")],
        phones: vec![phone("8001"), phone("8002")],
        numbers: Vec::new(),
        ..exchange::setup(Vec::new(), MUSIC)
    }
}

fn row(exchange: &mut Exchange, number: &str) -> AgentRow {
    let Ok(Reply::Agents(rows)) = exchange.switch.handle_request(exchange.now, Request::Agents) else {
        panic!("no agents")
    };
    rows.into_iter().find(|row| *row.agent == *number).unwrap()
}

/// At which phone an agent is, and how.
fn stands(exchange: &mut Exchange, number: &str) -> (Option<String>, AgentState) {
    let row = row(exchange, number);
    (row.phone.map(|phone| phone.to_string()), row.state)
}

fn at(phone: &str, state: AgentState) -> (Option<String>, AgentState) {
    (Some(phone.into()), state)
}

/// Signs in and hangs up.
fn sign_in(exchange: &mut Exchange, phone: &mut Phone, said: &str) {
    assert_eq!(phone.dial(exchange, &format!("*70{said}")), 200);
    exchange.hang_up_all();
}

fn refused(exchange: &Exchange) -> Vec<Name> {
    let reason = |what: &What| match what {
        What::SeatRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    exchange.facts.iter().filter_map(reason).collect()
}

fn left(exchange: &Exchange) -> Vec<Name> {
    let reason = |what: &What| match what {
        What::Unseated { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    exchange.facts.iter().filter_map(reason).collect()
}

#[test]
fn who_signs_in_by_pin_is_rung_there_and_calls_from_there() {
    let mut exchange = Exchange::new(setup());
    let (mut guest, mut colleague) = (Phone::registered(&mut exchange, 1, "8001"), Phone::new(2, "1002"));
    assert_eq!(colleague.register(&mut exchange, 600), 200);
    assert_eq!(guest.dial(&mut exchange, "1002"), 403, "a phone without an agent calls nobody");
    sign_in(&mut exchange, &mut guest, "1001*4711");
    assert_eq!(stands(&mut exchange, "1001"), at("8001", AgentState::Ready));
    assert_eq!(colleague.dial(&mut exchange, "1001"), 0);
    assert!(exchange.request(1, "INVITE").is_some(), "the phone where the agent sits rings");
    exchange.hang_up_all();
    assert_eq!(guest.dial(&mut exchange, "1002"), 0);
    assert!(exchange.request(2, "INVITE").is_some());
    let from = |what: &What| match what {
        What::Arrived { origin, .. } => Some(origin.name().to_string()),
        _ => None,
    };
    assert_eq!(exchange.facts.iter().rev().find_map(from).as_deref(), Some("1001"), "what it dials is the agent's");
    let told = format!("{:?}", exchange.facts);
    assert!(!told.contains("4711") && told.contains("Seated"), "no PIN in the facts: {told}");
}

#[test]
fn a_seat_ends_by_signing_out_and_with_the_registration() {
    let mut exchange = Exchange::new(setup());
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    sign_in(&mut exchange, &mut guest, "1001*4711#");
    assert_eq!(guest.dial(&mut exchange, "*73"), 200);
    exchange.hang_up_all();
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::SignedOut));
    sign_in(&mut exchange, &mut guest, "1001*4711");
    assert_eq!(guest.register(&mut exchange, 0), 200);
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::SignedOut));
    assert_eq!(left(&exchange), ["signed_out", "phone_gone"].map(Name::from));
}

#[test]
fn who_signs_in_elsewhere_leaves_the_phone_and_takes_the_other_ones() {
    let mut exchange = Exchange::new(setup());
    let mut phones = [(1, "8001"), (2, "1002"), (3, "1001")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    let _ = exchange.switch.handle_request(exchange.now, Request::Ready { agent: "1002".into() });
    exchange.drain();
    sign_in(&mut exchange, &mut phones[0], "1001*4711");
    sign_in(&mut exchange, &mut phones[1], "1001*4711");
    assert_eq!(stands(&mut exchange, "1001"), at("1002", AgentState::Ready));
    assert_eq!(stands(&mut exchange, "1002"), (None, AgentState::SignedOut), "somebody else has the own phone");
    assert_eq!(phones[0].dial(&mut exchange, "1002"), 403);
    assert_eq!(phones[2].dial(&mut exchange, "*71"), 200, "the own phone needs no PIN");
    exchange.hang_up_all();
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::Ready));
    assert_eq!(stands(&mut exchange, "1002").0.as_deref(), Some("1002"));
}

#[test]
fn nobody_is_taken_out_of_a_call() {
    let mut exchange = Exchange::new(setup());
    let mut phones = [(1, "8001"), (2, "1002"), (4, "8002")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    sign_in(&mut exchange, &mut phones[0], "1001*4711");
    assert_eq!(phones[0].dial(&mut exchange, "1002"), 0, "it rings");
    assert_eq!(phones[2].dial(&mut exchange, "*701001*4711"), 200);
    assert_eq!(refused(&exchange), ["busy"].map(Name::from));
    assert_eq!(stands(&mut exchange, "1001").0.as_deref(), Some("8001"));
}

#[test]
fn five_wrong_pins_and_none_is_looked_at_for_five_minutes() {
    let mut exchange = Exchange::new(setup());
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    for wrong in ["1001*1", "1001*", "1001", "9999*4711", "1001*47111", "1001*4711"] {
        sign_in(&mut exchange, &mut guest, wrong);
    }
    let mut expected = vec![Name::from("wrong_pin"); 5];
    expected.push("locked".into());
    assert_eq!(refused(&exchange), expected);
    assert_eq!(stands(&mut exchange, "1001").1, AgentState::SignedOut);
    exchange.run(secs(301));
    sign_in(&mut exchange, &mut guest, "1001*4711");
    assert_eq!(stands(&mut exchange, "1001").1, AgentState::Ready);
}

#[test]
fn an_agent_without_a_pin_is_nobodys_to_be_whatever_is_said() {
    let mut setup = setup();
    setup.agents.push(AgentSetup { pin: None, ..agent("1003", "") });
    let mut exchange = Exchange::new(setup);
    let mut phone = Phone::registered(&mut exchange, 1, "8001");
    for said in ["1003", "1003*", "1003*no%20agent%20has%20this%20PIN", "1009*no%20agent%20has%20this%20PIN"] {
        phone.dial(&mut exchange, &format!("*70{said}"));
        exchange.hang_up_all();
    }
    assert_eq!(refused(&exchange), ["wrong_pin"; 4].map(Name::from));
    assert_eq!(stands(&mut exchange, "1003").0, Some("1003".into()));
}

#[test]
fn a_reload_keeps_who_sits_where_unless_the_phone_is_no_more() {
    let mut exchange = Exchange::new(setup());
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    sign_in(&mut exchange, &mut guest, "1001*4711");
    let reload = |exchange: &mut Exchange, setup: Setup| {
        exchange.switch.handle_request(exchange.now, Request::Reload(Box::new(setup))).unwrap();
        exchange.drain();
    };
    reload(&mut exchange, setup());
    assert_eq!(stands(&mut exchange, "1001"), at("8001", AgentState::Ready));
    reload(&mut exchange, Setup { phones: Vec::new(), ..setup() });
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::SignedOut));
}

/// What a stolen password costs is bounded; colleagues are called as before, and others are not held up.
#[test]
fn an_agent_calls_outside_only_so_often() {
    let hour = secs(3_600);
    let mut exchange = Exchange::new(Setup { outside_limits: vec![(2, hour)], ..setup() });
    let mut phones = [(1, "1001"), (2, "1002")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    let mut dial = |exchange: &mut Exchange, phone: usize, number: &str| {
        let status = phones[phone].dial(exchange, number);
        exchange.hang_up_all();
        status
    };
    for _ in 0..2 {
        assert_ne!(dial(&mut exchange, 0, "02112345678"), 403);
    }
    assert_eq!(dial(&mut exchange, 0, "02112345678"), 403);
    assert_eq!(dial(&mut exchange, 0, "13900139000"), 403, "whatever the number");
    assert_ne!(dial(&mut exchange, 0, "1002"), 403);
    assert_ne!(dial(&mut exchange, 1, "02112345678"), 403);
    exchange.now += hour;
    assert_ne!(dial(&mut exchange, 0, "02112345678"), 403);
}

/// Passed on by REFER (RFC 3515) or by request, one counts like one who is called; to colleagues there is no limit.
#[test]
fn callers_passed_on_outside_count_like_calls() {
    let mut exchange = Exchange::new(Setup { outside_limits: vec![(2, secs(3_600))], ..setup() });
    let mut phones = [(1, "1001"), (2, "1002")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    let mut pass_on = |exchange: &mut Exchange, to: &str, by_phone: bool| {
        assert_eq!(phones[0].dial(exchange, "1002"), 0);
        let invite = exchange.request(2, "INVITE").unwrap();
        exchange.answer(2, &invite, 200, &[]);
        let outcome = if by_phone { phones[0].refer(exchange, to) } else { transfer(exchange, to) };
        exchange.hang_up_all();
        outcome
    };
    assert_ne!(pass_on(&mut exchange, "02112345678", true), 403);
    assert_eq!(pass_on(&mut exchange, "02112345678", false), 200);
    assert_eq!(pass_on(&mut exchange, "02112345678", true), 403);
    assert_eq!(pass_on(&mut exchange, "02112345678", false), 403);
    assert_ne!(pass_on(&mut exchange, "1001", true), 403);
    let refused = What::DialRefused { call: busyhour_model::CallId(3), trunk: None, reason: "agent_limit".into() };
    assert!(exchange.facts.contains(&refused));
    assert_eq!(phones[0].dial(&mut exchange, "13900139000"), 403);
    exchange.hang_up_all();
    assert_ne!(phones[1].dial(&mut exchange, "13900139000"), 403);
}

/// The one call is passed on by request: 200 or 403.
fn transfer(exchange: &mut Exchange, to: &str) -> u16 {
    let Ok(Reply::Calls(calls)) = exchange.switch.handle_request(exchange.now, Request::Calls) else { return 0 };
    let to = Destination::Number(to.to_owned());
    let asked = exchange.switch.handle_request(exchange.now, Request::Transfer { call: calls[0].call, to });
    exchange.drain();
    match asked {
        Ok(_) => 200,
        Err(Denied::CalledTooOften(agent)) if *agent == *"1001" => 403,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn who_must_not_be_disturbed_is_busy_for_colleagues_until_ready_again() {
    let mut exchange = Exchange::new(setup());
    let mut phones = [(1, "1001"), (2, "1002")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    assert_eq!(phones[1].dial(&mut exchange, "*78"), 200);
    exchange.hang_up_all();
    let shown = row(&mut exchange, "1002");
    assert_eq!((shown.state, shown.reason.as_deref()), (AgentState::NotReady, Some("dnd")));
    assert_eq!(phones[0].dial(&mut exchange, "1002"), 486);
    assert!(exchange.request(2, "INVITE").is_none());
    exchange.hang_up_all();
    assert_eq!(phones[1].dial(&mut exchange, "1001"), 0, "it calls as it likes");
    exchange.hang_up_all();
    assert_eq!(phones[0].dial(&mut exchange, "1002"), 486, "and is as before then");
    assert_eq!(phones[1].dial(&mut exchange, "*78"), 200);
    exchange.hang_up_all();
    assert_eq!(row(&mut exchange, "1002").state, AgentState::Ready);
    assert_eq!(phones[0].dial(&mut exchange, "1002"), 0);
    assert!(exchange.request(2, "INVITE").is_some());
}

/// A queue that 1001 serves, and its only agent is ready.
fn queue(queue: QueueSetup, agent: AgentSetup) -> Exchange {
    queue_in(queue, agent, |_| ())
}

/// The same, in a configuration that is changed so.
fn queue_in(queue: QueueSetup, agent: AgentSetup, change: impl FnOnce(&mut Setup)) -> Exchange {
    let names = Names { queues: vec!["card".into()], ..Names::default() };
    let plan = Dialplan::parse("plan.toml", WAITING, &names).unwrap().plan;
    let number = NumberRoute { number: "*".into(), trunk: None, dialplan: "plan".into(), calls_max: None };
    let mut setup = Setup {
        agents: vec![agent],
        queues: vec![queue],
        numbers: vec![number],
        dialplans: vec![("plan".into(), plan)],
        ..exchange::setup(vec![exchange::trunk(5)], MUSIC)
    };
    change(&mut setup);
    let mut exchange = Exchange::new(setup);
    Phone::registered(&mut exchange, 1, "1001");
    exchange.switch.handle_request(exchange.now, Request::Ready { agent: "1001".into() }).unwrap();
    exchange.drain();
    exchange
}

#[test]
fn offers_ask_the_phone_to_answer_by_itself_where_agent_or_queue_want_it() {
    let plain = || (QueueSetup::new("card".into()), agent("1001", "4711"));
    let (mut by_queue, mut by_agent) = (plain(), plain());
    (by_queue.0.auto_answer, by_agent.1.auto_answer) = (true, true);
    for ((setup, agent), asked) in [(plain(), false), (by_queue, true), (by_agent, true)] {
        let mut exchange = queue(setup, agent);
        exchange.call(5, "13800138000", "95118", "");
        let invite = exchange.request(1, "INVITE").unwrap();
        let said = ["Call-Info", "Alert-Info", "Answer-Mode"].map(|name| invite.headers.named(name).is_some());
        assert_eq!(said, [asked; 3]);
        let info = invite.headers.named("Call-Info").map(|value| String::from_utf8_lossy(value).into_owned());
        assert_eq!(info.as_deref(), asked.then_some("<sip:hotline.example>;answer-after=0"));
    }
}

#[test]
fn a_phone_that_declines_everything_is_offered_one_call_not_a_storm() {
    for status in [480, 486, 603] {
        let mut exchange = queue(QueueSetup::new("card".into()), agent("1001", "4711"));
        exchange.call(5, "13800138000", "95118", "");
        let invite = exchange.request(1, "INVITE").unwrap();
        exchange.answer(1, &invite, status, &[]);
        exchange.run(secs(30));
        assert!(exchange.request(1, "INVITE").is_none(), "{status}: not offered again");
        assert_eq!(row(&mut exchange, "1001").state, AgentState::NotReady);
    }
}

#[test]
fn an_administrator_forgets_where_a_phone_is() {
    let mut exchange = Exchange::new(setup());
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    sign_in(&mut exchange, &mut guest, "1001*4711");
    let unregister = |exchange: &mut Exchange, account: &str| {
        let reply = exchange.switch.handle_request(exchange.now, Request::Unregister { account: account.into() });
        exchange.drain();
        reply
    };
    assert_eq!(unregister(&mut exchange, "9999"), Err(Denied::UnknownAccount("9999".into())));
    assert_eq!(unregister(&mut exchange, "8001"), Ok(Reply::Done));
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::SignedOut));
    assert_eq!(unregister(&mut exchange, "8001"), Err(Denied::NoPhone("8001".into())));
}

#[test]
fn a_full_exchange_still_lets_agents_pick_up_and_has_no_call_more_by_it() {
    let slots = Slots { first: 801, last: 802, patience: secs(60) };
    let codes = StarCodes { slots: Some(slots), ..StarCodes::default() };
    let mut exchange = Exchange::new(Setup { calls_max: 1, codes, ..setup() });
    let mut phones = [(1, "1001"), (2, "1002"), (3, "8001")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    assert_eq!(phones[0].dial(&mut exchange, "1002"), 0);
    assert_eq!(phones[1].dial(&mut exchange, "1001"), 503, "no second call");
    assert_eq!(phones[2].dial(&mut exchange, "*701001*4711"), 503);
    let rings = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &rings, 180, &[]);
    assert_eq!(phones[1].dial(&mut exchange, "*8"), 200, "what rings is picked up: no call more");
    let cancel = exchange.request(2, "CANCEL").unwrap();
    let reason = cancel.headers.text(HeaderName::Reason).unwrap_or_default();
    assert_eq!(reason, "SIP;cause=200;text=\"Call completed elsewhere\"", "who rang in vain has missed no call");
    assert_eq!(exchange.switch.vitals().calls, 1);
}

#[test]
fn whose_phone_is_silent_is_gone_until_it_answers() {
    let limits = Limits { qualify: secs(60), ..Limits::default() };
    let agents = vec![AgentSetup { auto_ready: true, ..agent("1001", "4711") }];
    let mut exchange = Exchange::new(Setup { limits, agents, ..setup() });
    Phone::registered(&mut exchange, 1, "1001");
    assert_eq!(row(&mut exchange, "1001").state, AgentState::Ready);
    exchange.run(secs(60 + 32));
    let gone = row(&mut exchange, "1001");
    assert_eq!((gone.state, gone.contacts, gone.silent), (AgentState::SignedOut, 0, 1));
    exchange.run(secs(32));
    while exchange.request(1, "OPTIONS").is_some() {}
    let mut next = |_| {
        exchange.run(secs(1));
        exchange.request(1, "OPTIONS")
    };
    let options = (0..=60).find_map(&mut next).unwrap();
    exchange.answer(1, &options, 200, &[]);
    let back = row(&mut exchange, "1001");
    assert_eq!((back.state, back.contacts, back.silent), (AgentState::Ready, 1, 0));
    let told = exchange.facts.iter().filter_map(|what| match what {
        What::Qualified { answers, .. } => Some(*answers),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [false, true]);
}
