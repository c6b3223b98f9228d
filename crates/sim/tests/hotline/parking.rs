//! Callers parked in slots and picked up, and calls taken from where they ring.

use crate::stage::{SECOND, TALKING, dial, ended, hotline, partners, pass_on, with};
use busyhour_ledger::VisitEnd;
use busyhour_model::{CallId, Entrance, Name, OfferOutcome, Party, What};
use busyhour_sim::peer::Answering;
use busyhour_sim::{Deed, Scenario};
use busyhour_switch::{Destination, Request, Slots};

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
