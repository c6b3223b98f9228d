//! Callers parked in slots and picked up, and calls taken from where they ring.

use crate::stage::{SECOND, TALKING, dial, ended, hotline, partners, pass_on, with};
use busyhour_ledger::VisitEnd;
use busyhour_model::{AgentState, CallId, Entrance, Name, OfferOutcome, Party, What};
use busyhour_sim::peer::{Action, Answering};
use busyhour_sim::{Deed, Scenario, World};
use busyhour_switch::{Destination, Request, Slots};
use std::time::Duration;

/// Two slots, where callers wait twenty seconds.
fn parking(seed: u64) -> Scenario {
    let mut scenario = hotline(seed);
    scenario.setup.codes.slots = Some(Slots { first: 801, last: 802, patience: 20 * SECOND });
    scenario
}

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::from(*name)).collect()
}

/// Transferred to a slot, and picked up by whoever dials it; a second caller there is refused.
#[test]
fn a_caller_is_parked_and_picked_up_by_dialling_the_slot() {
    let deeds = vec![(TALKING, pass_on(Some("802"))), (TALKING + 8 * SECOND, dial("1003", "802"))];
    let world = ended(with(parking(1), deeds));
    assert_eq!(partners(&world), names(&["1001", "1003"]));
    assert_eq!(&*world.records[0].transfers[0].to, "802");
    let caller = &world.outcomes()[0];
    assert!(caller.ended.unwrap().since(caller.heard.last_tone.unwrap()) < SECOND, "the colleague to the end");
    assert_eq!(world.phone_outcomes("1003")[0].status, 200);
    let empty = ended(with(parking(2), vec![(TALKING, dial("1003", "801"))]));
    assert_eq!(empty.phone_outcomes("1003")[0].status, 404, "nobody is there");
}

/// On hold and the code dialled: the first free slot, said to the agent.
#[test]
fn the_code_for_parking_says_the_slot() {
    let hold = Deed::Hold { number: "1001".into(), on: true };
    let deeds = vec![
        (TALKING, hold),
        (TALKING + SECOND, dial("1001", "*68")),
        (TALKING + 9 * SECOND, dial("1002", "801")),
        (TALKING + 12 * SECOND, dial("1003", "*68")),
    ];
    let world = ended(with(parking(3), deeds));
    assert_eq!(partners(&world), names(&["1001", "1002"]));
    let said = |plan: &str| {
        let hears = |what: &What| matches!(what, What::NodeEntered { plan: told, .. } if &**told == plan);
        world.facts.iter().filter(|fact| hears(&fact.what)).count()
    };
    assert!(said("desk/parked") > 0 && said("desk/refused") > 0, "who has nobody on hold parks nobody");
}

/// Nobody comes: who parked the caller is rung, then the queue serves again.
#[test]
fn a_parked_caller_nobody_wants_goes_back() {
    let world = ended(with(parking(4), vec![(TALKING, pass_on(Some("801")))]));
    assert_eq!(partners(&world), names(&["1001", "1001"]));
    let mut scenario = parking(5);
    scenario.setup.agents[2].skills = vec![("enquiry".into(), 1)];
    let deeds = vec![
        (SECOND, Deed::Unregister { number: "1003".into() }),
        (TALKING, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to: Destination::Slot }))),
        (TALKING + 5 * SECOND, Deed::Unregister { number: "1001".into() }),
        (TALKING + 6 * SECOND, Deed::Register { number: "1003".into() }),
    ];
    let world = ended(with(scenario, deeds));
    assert_eq!(partners(&world), names(&["1001", "1003"]));
    assert!(world.facts.iter().any(|f| matches!(f.what, What::Enqueued { entrance: Entrance::Transferred, .. })));
}

/// 1003 calls 1002, who parks that call; 1001 has the first caller on hold, who stays so long, and dials the slot.
fn picked_up_beside(seed: u64, stay: Duration, then: Vec<(Duration, Deed)>) -> World {
    let mut scenario = parking(seed);
    let Deed::Call(first) = &mut scenario.deeds[0].1 else { panic!("the caller") };
    first.script.truncate(first.script.len() - 2);
    first.script.extend([Action::Wait(stay), Action::HangUp]);
    let deeds = vec![
        (TALKING, Deed::Hold { number: "1001".into(), on: true }),
        (TALKING, dial("1003", "1002")),
        (TALKING + 6 * SECOND, Deed::PassOn { number: "1002".into(), to: Some("801".into()) }),
        (TALKING + 8 * SECOND, dial("1001", "801")),
        (TALKING + 10 * SECOND, dial("1001", "1002")),
    ];
    ended(with(with(scenario, deeds), then))
}

/// The second call of somebody with a first one on hold, as a consultation is; there is no third.
#[test]
fn who_holds_a_caller_picks_up_another_call_beside() {
    let hang_up = Deed::Ask(Box::new(Request::HangUp { call: CallId(2) }));
    let world = picked_up_beside(8, 24 * SECOND, vec![(55 * SECOND, hang_up)]);
    let talked = world.facts.iter().filter_map(|fact| match &fact.what {
        What::Connected { call: CallId(2), party, .. } => Some(party.name().clone()),
        _ => None,
    });
    assert_eq!(talked.collect::<Vec<_>>(), names(&["1002", "1001"]));
    assert_eq!(statuses(&world, "1001"), [200, 200, 486]);
    let ends = |call| world.records.iter().find(|record| record.call == CallId(call)).unwrap().ended;
    assert!(ends(1) < ends(2), "it goes on when the first caller hangs up");
    let states = world.facts.iter().filter_map(|fact| match &fact.what {
        What::AgentEntered { agent, state, .. } if &**agent == "1001" && fact.at >= ends(1) => Some((*state, fact.at)),
        _ => None,
    });
    let states: Vec<_> = states.take(2).collect();
    assert_eq!(states[0].0, AgentState::Talking);
    assert!(states[1].0 == AgentState::WrapUp && states[1].1 >= ends(2), "busy until it is over: {states:?}");
}

#[test]
fn when_the_call_picked_up_is_over_the_agent_may_ask_somebody_else() {
    let then = vec![
        (TALKING + 13 * SECOND, Deed::Ask(Box::new(Request::HangUp { call: CallId(2) }))),
        (TALKING + 16 * SECOND, dial("1001", "1003")),
        (TALKING + 22 * SECOND, Deed::HangUp { number: "1001".into() }),
    ];
    let world = picked_up_beside(10, 46 * SECOND, then);
    assert_eq!(statuses(&world, "1001"), [200, 200, 200, 486], "the last one while it was beside");
}

#[test]
fn who_talks_to_a_caller_picks_up_nobody() {
    let deeds = vec![
        (TALKING, dial("1003", "1002")),
        (TALKING + 6 * SECOND, Deed::PassOn { number: "1002".into(), to: Some("801".into()) }),
        (TALKING + 8 * SECOND, dial("1001", "801")),
        (TALKING + 12 * SECOND, Deed::Ask(Box::new(Request::HangUp { call: CallId(2) }))),
    ];
    let world = ended(with(parking(11), deeds));
    assert_eq!(statuses(&world, "1001"), [200, 486]);
}

/// How an agent's calls were answered, whoever made them.
fn statuses(world: &World, agent: &str) -> Vec<u16> {
    let mut statuses: Vec<u16> = world.phone_outcomes(agent).iter().map(|outcome| outcome.status).collect();
    statuses.sort_unstable();
    statuses
}

/// The two others go on with each other.
#[test]
fn a_caller_on_hold_is_passed_on_to_who_was_picked_up() {
    let world = picked_up_beside(9, 46 * SECOND, vec![(TALKING + 14 * SECOND, pass_on(None))]);
    assert_eq!(partners(&world), names(&["1001", "1003"]));
}

/// A call offered to somebody of the team is taken by a colleague: answered once, by the queue's count, and nobody else rings.
#[test]
fn a_ringing_call_is_picked_up_by_a_colleague() {
    for code in ["*8", "*81001"] {
        let mut scenario = parking(6);
        scenario.phones[0].answering = Answering::Never;
        let world = ended(with(scenario, vec![(8 * SECOND, dial("1002", code))]));
        assert_eq!(partners(&world), names(&["1002"]), "{code}");
        let record = &world.records[0];
        assert_eq!(
            (record.visits[0].end, record.offers[0].outcome),
            (Some(VisitEnd::Answered), Some(OfferOutcome::Withdrawn))
        );
    }
    let mut scenario = parking(7);
    scenario.phones[0].answering = Answering::After(8 * SECOND, 8 * SECOND);
    scenario.setup.agents[1].team = "others".into();
    let world = ended(with(scenario, vec![(8 * SECOND, dial("1002", "*8")), (9 * SECOND, dial("1003", "*81002"))]));
    let refused = [world.phone_outcomes("1002")[0].status, world.phone_outcomes("1003")[0].status];
    assert_eq!(refused, [404, 404], "another team's, and one that does not ring");
    assert!(world.records.iter().all(|record| matches!(record.origin, Party::Trunk(_))));
}
