//! Callers passed on by agents, from the phone (REFER) and by request, and what happens when nobody is there.

use crate::stage::{SECOND, TALKING, dial, ended, heard_to_the_end, hotline, partners, pass_on, with};
use busyhour_ledger::VisitEnd;
use busyhour_model::{AgentState, CallId, Cause, Entrance, Name, Party, What};
use busyhour_sim::peer::{Action, Answering, Ending, PhoneSetup};
use busyhour_sim::{Deed, World, to_an_agent};
use busyhour_switch::{Destination, NumberRoute, Request};
use std::time::Duration;

/// Agent 1001 holds the caller and calls 1002 a second later.
fn consult() -> Vec<(Duration, Deed)> {
    vec![(TALKING, Deed::Hold { number: "1001".into(), on: true }), (TALKING + SECOND, dial("1001", "1002"))]
}

fn ask(to: Destination) -> Deed {
    Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))
}

/// What agent 1001's phone was told of transfers.
fn told(world: &World) -> Vec<u16> {
    world.phone_outcomes("1001").iter().flat_map(|outcome| outcome.transfers.clone()).collect()
}

fn transferred(world: &World) -> Vec<Name> {
    let facts = world.facts.iter().filter_map(|fact| match &fact.what {
        What::Transferred { to, .. } => Some(to.clone()),
        _ => None,
    });
    facts.collect()
}

/// RFC 5589 section 6: the caller goes on with the colleague, the first agent hears how it went and is free.
#[test]
fn a_blind_transfer_rings_the_colleague_and_frees_the_agent() {
    let world = ended(with(hotline(1), vec![(TALKING, pass_on(Some("1002")))]));
    assert_eq!(partners(&world), ["1001", "1002"].map(Name::from));
    assert_eq!(told(&world), [100, 180, 200]);
    assert_eq!(transferred(&world), [Name::from("1002")]);
    assert!(heard_to_the_end(&world));
    let first = &world.phone_outcomes("1001")[0];
    assert!(first.clean && first.complaints.is_empty(), "{first:?}");
    let record = &world.records[0];
    assert_eq!((record.cause, record.agent.as_deref()), (Cause::CallerHungUp, Some("1002")));
}

/// Who is busy does not get the caller, and the agent has the caller back.
#[test]
fn a_blind_transfer_that_is_refused_leaves_the_caller_where_it_was() {
    let mut scenario = with(hotline(2), vec![(TALKING, pass_on(Some("1002")))]);
    scenario.phones[1].answering = Answering::Refuse(486);
    let world = ended(scenario);
    assert_eq!(partners(&world), ["1001", "1001"].map(Name::from));
    assert_eq!((told(&world), transferred(&world)), (vec![100, 486], Vec::new()));
    assert!(heard_to_the_end(&world));
}

/// Many phones hang up as soon as REFER is taken: then the agent is called back, and when that fails the queue serves again.
#[test]
fn an_agent_who_hung_up_is_rung_again_and_then_the_queue() {
    let hangs_up = |seed| {
        let hangs_up = Deed::HangUp { number: "1001".into() };
        let mut scenario = with(hotline(seed), vec![(TALKING, pass_on(Some("1002"))), (TALKING + SECOND, hangs_up)]);
        scenario.phones[1].answering = Answering::Never;
        scenario
    };
    let world = ended(hangs_up(3));
    assert_eq!((partners(&world), transferred(&world)), (["1001", "1001"].map(Name::from).to_vec(), Vec::new()));
    let mut scenario = hangs_up(4);
    scenario.setup.agents[2].skills = vec![("enquiry".into(), 1)];
    scenario.deeds.extend([
        (SECOND, Deed::Unregister { number: "1003".into() }),
        (TALKING + 2 * SECOND, Deed::Unregister { number: "1001".into() }),
        (TALKING + 3 * SECOND, Deed::Register { number: "1003".into() }),
    ]);
    let world = ended(scenario);
    let again = world.facts.iter().any(|f| matches!(f.what, What::Enqueued { entrance: Entrance::Transferred, .. }));
    assert!(again, "back to the queue");
    assert_eq!(partners(&world), ["1001", "1003"].map(Name::from));
}

/// A queue by its name, a number of ours, one outside: whatever an agent could dial.
#[test]
fn a_blind_transfer_may_go_to_a_queue_a_plan_or_outside() {
    let world = ended(with(hotline(5), vec![(TALKING, pass_on(Some("enquiry")))]));
    assert_eq!((partners(&world), told(&world)), (["1001", "1001"].map(Name::from).to_vec(), vec![100, 200]));
    let world = ended(with(hotline(6), vec![(TALKING, pass_on(Some("95120")))]));
    assert_eq!(transferred(&world), [Name::from("machine")]);
    assert!(world.facts.iter().any(|f| matches!(&f.what, What::NodeEntered { plan, .. } if &**plan == "machine")));
    let mut scenario = with(hotline(7), vec![(TALKING, pass_on(Some("13912345678")))]);
    let customer = PhoneSetup { tone_hz: busyhour_sim::peer::AGENT_HZ, ending: Ending::Wait, ..scenario.customer() };
    scenario.phones.push(customer);
    let world = ended(scenario);
    assert_eq!(told(&world), [100, 180, 200]);
    assert_eq!(partners(&world)[1], *world.records[0].origin.name());
    assert!(heard_to_the_end(&world));
    let world = ended(with(hotline(8), vec![(TALKING, pass_on(Some("nowhere")))]));
    assert_eq!((partners(&world).len(), told(&world)), (1, vec![100, 404]));
}

/// RFC 5589 section 7: on hold, ask, pass on. The caller and the colleague go on in the caller's call, the agent is in neither.
#[test]
fn an_attended_transfer_joins_the_two_far_sides() {
    let world = ended(with(with(hotline(9), consult()), vec![(TALKING + 8 * SECOND, pass_on(None))]));
    assert_eq!(partners(&world), ["1001", "1002"].map(Name::from));
    assert_eq!((told(&world), transferred(&world)), (vec![100, 200], vec![Name::from("1002")]));
    assert!(heard_to_the_end(&world));
    let consult = world.records.iter().find(|record| record.call == CallId(2)).unwrap();
    assert_eq!((consult.cause, consult.agent.as_deref()), (Cause::Joined, Some("1002")));
    let caller = world.records.iter().find(|record| record.call == CallId(1)).unwrap();
    assert_eq!(caller.legs.len(), 3, "the caller's, the agent's and the one that came: {:?}", caller.legs);
    assert!(caller.hold_ms >= 7_000, "{}", caller.hold_ms);
}

/// Whose calls are limited to one asks nobody beside it, and is rung by nobody.
#[test]
fn an_agent_who_may_have_one_call_makes_none_beside_the_one_on_hold() {
    let mut scenario = with(with(hotline(19), consult()), vec![(TALKING + 2 * SECOND, dial("1002", "1001"))]);
    scenario.setup.agents[0].calls_max = Some(1);
    let world = ended(scenario);
    assert_eq!(partners(&world), [Name::from("1001")]);
    let refused = |number| world.phone_outcomes(number).iter().map(|outcome| outcome.status).max();
    assert_eq!((refused("1001"), refused("1002")), (Some(403), Some(486)));
}

/// Passed on while the colleague's phone still rings: it rings on, for the caller.
#[test]
fn a_transfer_before_the_colleague_answers_rings_on() {
    let mut scenario = with(with(hotline(10), consult()), vec![(TALKING + 4 * SECOND, pass_on(None))]);
    scenario.phones[1].answering = Answering::After(8 * SECOND, 8 * SECOND);
    let world = ended(scenario);
    assert_eq!(partners(&world), ["1001", "1002"].map(Name::from));
    let rung = world.phone_outcomes("1002");
    assert_eq!((rung.len(), rung[0].status), (1, 200), "one call, not two");
    assert!(heard_to_the_end(&world));
}

/// An agent who waits in a queue for a caller passes the place on, not its end.
#[test]
fn a_caller_gets_the_place_the_agent_had_in_another_queue() {
    const STRAIGHT: &str = "name = \"straight\"\nstart = \"wait\"\n[node.wait]\nqueue = \"complaint\"\nelse = \"end\"\n\
        [node.end]\nhangup = true\n";
    let mut scenario = hotline(17);
    let names = busyhour_ivr::Names { queues: vec!["complaint".into()], ..busyhour_ivr::Names::default() };
    let plan = busyhour_ivr::Dialplan::parse("straight.toml", STRAIGHT, &names).unwrap().plan;
    scenario.setup.dialplans.push(("straight".into(), plan));
    let route = NumberRoute { number: "95130".into(), trunk: None, dialplan: "straight".into(), calls_max: None };
    scenario.setup.numbers.push(route);
    scenario.setup.queues.iter_mut().for_each(|queue| queue.overflow_no_agents = false);
    scenario.setup.agents[1].skills = vec![("complaint".into(), 1)];
    let world = ended(with(
        scenario,
        vec![
            (SECOND, Deed::Unregister { number: "1002".into() }),
            (TALKING, Deed::Hold { number: "1001".into(), on: true }),
            (TALKING + SECOND, dial("1001", "95130")),
            (TALKING + 9 * SECOND, pass_on(None)),
            (TALKING + 12 * SECOND, Deed::Register { number: "1002".into() }),
        ],
    ));
    assert_eq!((partners(&world), told(&world)), (["1001", "1002"].map(Name::from).to_vec(), vec![100, 200]));
    let visit = |call, at: usize| world.records.iter().find(|r| r.call == CallId(call)).unwrap().visits[at].clone();
    assert_eq!(visit(1, 1).since, visit(2, 0).since);
    assert_eq!(visit(2, 0).end, Some(VisitEnd::Left), "the agent did not give up waiting");
}

/// The caller gives up while the agent asks a colleague: the agent goes on with the colleague and is offered nothing meanwhile.
#[test]
fn an_agent_who_asks_a_colleague_keeps_that_call_when_the_caller_hangs_up() {
    let mut scenario = with(hotline(11), consult());
    scenario.deeds.push((70 * SECOND, Deed::Ask(Box::new(Request::HangUp { call: CallId(2) }))));
    let waits = {
        let mut script = to_an_agent(false);
        script.extend([Action::AwaitTone(120 * SECOND), Action::Wait(SECOND), Action::HangUp]);
        scenario.caller(1, script)
    };
    let Deed::Call(first) = &mut scenario.deeds[0].1 else { panic!("the caller") };
    first.script.truncate(first.script.len() - 2);
    first.script.extend([Action::Wait(18 * SECOND), Action::HangUp]);
    scenario.deeds.push((40 * SECOND, Deed::Call(Box::new(waits))));
    let mut world = World::new(scenario);
    world.run(80 * SECOND);
    world.settle(200 * SECOND);
    world.check_ended();
    let ends = |call| world.records.iter().find(|r| r.call == CallId(call)).unwrap().ended;
    assert!(ends(1) < ends(2));
    let offered = world.facts.iter().find(|f| matches!(f.what, What::Offered { call: CallId(3), .. })).unwrap().at;
    assert!(offered >= ends(2), "offered only after the consultation");
    let states = world.facts.iter().filter_map(|fact| match &fact.what {
        What::AgentEntered { agent, state, .. } if &**agent == "1001" && fact.at >= ends(1) => Some(*state),
        _ => None,
    });
    assert_eq!(states.take(2).collect::<Vec<_>>(), [AgentState::Talking, AgentState::WrapUp]);
}

/// An agent who has called a customer passes that one on: the customer goes on with the colleague.
#[test]
fn a_customer_the_agent_called_is_passed_on() {
    let mut scenario = hotline(12);
    scenario.deeds.clear();
    let customer = PhoneSetup { ending: Ending::HangUp(30 * SECOND, 30 * SECOND), ..scenario.customer() };
    scenario.phones.push(customer);
    let world =
        ended(with(scenario, vec![(5 * SECOND, dial("1001", "13912345678")), (12 * SECOND, pass_on(Some("1002")))]));
    assert_eq!(told(&world), [100, 180, 200]);
    let last = partners(&world).pop().unwrap();
    assert_eq!(&*last, "1002");
    assert!(world.phone_outcomes("1002")[0].heard_partner(), "the customer is heard");
}

/// RFC 3891: the agent goes on at the desk with the call the other phone has.
#[test]
fn an_agent_takes_the_call_over_on_another_phone() {
    let mut scenario = with(hotline(16), vec![(TALKING, Deed::TakeOver { number: "1001".into() })]);
    let place = |port: u16| std::net::SocketAddr::from(([10, 1, 9, 9], port));
    let desk = PhoneSetup { sip: place(5060), media: place(4000), ..scenario.phones[0].clone() };
    let desk = PhoneSetup { answering: Answering::Refuse(480), ..desk };
    scenario.phones.push(desk);
    let world = ended(scenario);
    assert_eq!(partners(&world), [Name::from("1001")], "the same talk");
    assert!(heard_to_the_end(&world));
    assert_eq!(world.records[0].legs.len(), 3);
    assert!(world.records[0].talk_ms > 40_000, "{}", world.records[0].talk_ms);
}

/// The same by request, for desktops without a phone that can: to an agent, and to the agent's other call.
#[test]
fn transfers_by_request_are_like_those_by_phone() {
    let world = ended(with(hotline(13), vec![(TALKING, ask(Destination::Agent("1002".into())))]));
    assert_eq!(partners(&world), ["1001", "1002"].map(Name::from));
    let joins = || vec![(TALKING + 8 * SECOND, ask(Destination::Call(CallId(2))))];
    let world = ended(with(with(hotline(14), consult()), joins()));
    assert_eq!(partners(&world), ["1001", "1002"].map(Name::from));
    assert!(heard_to_the_end(&world));
    let world = ended(with(with(hotline(15), consult().split_off(1)), joins()));
    assert_eq!(partners(&world), [Name::from("1001")], "no second call without hold, and nothing to join");
    assert!(matches!(world.records[0].origin, Party::Trunk(_)));
}
