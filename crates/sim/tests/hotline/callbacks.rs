//! Callers called back, in the place they had.

use crate::stage::{SECOND, conversation, count, ended, enquiries, with_callers};
use busyhour_model::{CallId, Cause, OfferOutcome, Side, What};
use busyhour_sim::peer::{Action, Answering, Ending, PhoneSetup};
use busyhour_sim::{Deed, Scenario, World, to_an_agent};
use busyhour_switch::{Reply, Request};

/// One agent who talks until 20 s or so; a caller who wants to be called back at 9 s, and one who comes later and waits.
fn callback(seed: u64, answering: Answering) -> Scenario {
    let mut scenario = enquiries(seed, 1);
    scenario.setup.queues[0].callback.expires = 100 * SECOND;
    let customer = PhoneSetup { answering, ..scenario.customer() };
    scenario.phones.push(customer);
    let mut busy = to_an_agent(false);
    busy.extend([Action::AwaitTone(60 * SECOND), Action::Wait(16 * SECOND), Action::HangUp]);
    let mut asks = to_an_agent(false);
    asks.extend([Action::Wait(3 * SECOND), Action::Press('2')]);
    with_callers(scenario, vec![busy, asks, conversation()])
}

#[test]
fn a_caller_called_back_is_served_in_the_old_place_and_both_hear_each_other() {
    let world = ended(callback(30, Answering::After(SECOND, 2 * SECOND)));
    let served = world.facts.iter().filter(|f| matches!(f.what, What::Connected { .. }));
    let order: Vec<u64> = served.map(|f| f.what.call().unwrap().0).collect();
    assert_eq!(order, [1, 4, 3], "the call-back is call 4");
    let record = world.records.iter().find(|record| record.call == CallId(4)).unwrap();
    assert_eq!((record.callback_of, record.cause), (Some(CallId(2)), Cause::CallerHungUp), "{record:?}");
    assert_eq!(record.from.national, "13800138001");
    assert_eq!(record.legs.len(), 2);
    for leg in &record.legs {
        assert!(leg.stats.packets_in > 100 && leg.stats.packets_out > 100, "sound both ways: {leg:?}");
    }
    let asked = world.records.iter().find(|record| record.call == CallId(2)).unwrap();
    assert_eq!((asked.callback, asked.cause), (Some(CallId(4)), Cause::IvrHungUp));
    assert_eq!(record.visits[0].since, asked.visits[0].since);
}

#[test]
fn a_customer_who_is_busy_is_tried_again_and_then_no_more() {
    for answering in [Answering::Refuse(486), Answering::Never] {
        let world = ended(callback(31, answering));
        let record = world.records.iter().find(|record| record.call == CallId(4)).unwrap();
        let customers = record.legs.iter().filter(|leg| leg.side == Side::Trunk).count();
        assert_eq!((customers, record.cause), (2, Cause::CallbackFailed), "{record:?}");
        assert!(record.offers.iter().all(|offer| offer.outcome == Some(OfferOutcome::Answered)));
    }
}

#[test]
fn an_agent_who_hangs_up_on_a_ringing_customer_costs_the_customer_no_try() {
    let mut scenario = callback(35, Answering::Never);
    scenario.deeds.truncate(2);
    scenario.phones[0].ending = Ending::HangUp(12 * SECOND, 12 * SECOND);
    scenario.setup.queues[0].callback.ring = 30 * SECOND;
    let world = ended(scenario);
    let record = world.records.iter().find(|record| record.callback_of == Some(CallId(2))).unwrap();
    let customers = record.legs.iter().filter(|leg| leg.side == Side::Trunk).count();
    assert!(customers > 2, "rung for as long as the promise holds: {record:?}");
    assert_eq!(record.cause, Cause::CallbackExpired);
}

#[test]
fn a_callback_that_waits_is_seen_and_can_be_removed() {
    let mut world = World::new(callback(32, Answering::After(SECOND, 2 * SECOND)));
    world.run(15 * SECOND);
    let Ok(Reply::Queues(rows)) = world.switch.handle_request(world.now(), Request::Queues) else { panic!("queues") };
    let row = rows.iter().find(|row| &*row.queue == "enquiry").unwrap();
    assert_eq!((row.waiting, row.callbacks), (2, 1));
    assert_eq!(row.tiers.iter().map(|(_, waiting)| waiting).sum::<u32>(), 2, "whatever their tier");
    let Ok(Reply::Calls(rows)) = world.switch.handle_request(world.now(), Request::Calls) else { panic!("calls") };
    let row = rows.iter().find(|row| &*row.stage == "callback").expect("shown among the calls");
    assert_eq!((row.from.as_str(), &*row.at), ("138****8001", "enquiry"));
    world.switch.handle_request(world.now(), Request::HangUp { call: row.call }).unwrap();
    world.run(60 * SECOND);
    world.check_ended();
    let removed = world.records.iter().find(|record| record.call == CallId(4)).unwrap();
    assert_eq!((removed.cause, removed.legs.len()), (Cause::OperatorHungUp, 0));
}

#[test]
fn a_callback_nobody_has_time_for_expires() {
    let mut scenario = callback(33, Answering::After(SECOND, 2 * SECOND));
    scenario.setup.queues[0].callback.expires = 6 * SECOND;
    let world = ended(scenario);
    let record = world.records.iter().find(|record| record.call == CallId(4)).unwrap();
    assert_eq!(record.cause, Cause::CallbackExpired);
}

#[test]
fn who_shows_no_number_to_call_is_not_called_back() {
    for number in ["anonymous", "4008671888", "0014085551212"] {
        let mut scenario = callback(34, Answering::Never);
        if let Deed::Call(caller) = &mut scenario.deeds[1].1 {
            caller.number = number.into();
            caller.script.extend([Action::Wait(3 * SECOND), Action::HangUp]);
        }
        let world = ended(scenario);
        assert_eq!(count(&world, |w| matches!(w, What::CallbackAsked { .. })), 0, "{number}");
    }
}
