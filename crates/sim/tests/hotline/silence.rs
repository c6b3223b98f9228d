//! Phones whose cable is pulled out: found silent, not rung, and back once they answer (RFC 3261 section 11).

use crate::stage::{SECOND, conversation, count, enquiries};
use busyhour_model::{AgentState, Name, OfferOutcome, What};
use busyhour_sim::{Deed, Scenario, World};
use std::time::Duration;

/// Asks so often; who is gone is found within this and 32 s.
const PERIOD: Duration = Duration::from_secs(20);
const FOUND: Duration = Duration::from_secs(20 + 32 + 1);

/// Two agents for enquiries, whose phones are asked.
fn asking(seed: u64) -> Scenario {
    let mut scenario = enquiries(seed, 2);
    scenario.setup.limits.qualify = PERIOD;
    scenario
}

fn plug(scenario: &mut Scenario, at: Duration, on: bool) {
    scenario.deeds.push((at, Deed::Plug { number: "1001".into(), on }));
}

/// A caller for each of these times.
fn call(scenario: &mut Scenario, times: &[Duration]) {
    for (index, at) in times.iter().enumerate() {
        let caller = scenario.caller(index, conversation());
        scenario.deeds.push((*at, Deed::Call(Box::new(caller))));
    }
}

fn ended(mut world: World) -> World {
    world.settle(200 * SECOND);
    world.check_ended();
    assert!(world.outcomes().iter().all(|outcome| outcome.heard_partner()));
    world
}

/// Who was connected to callers, in order.
fn partners(world: &World) -> Vec<Name> {
    let connected = world.facts.iter().filter_map(|fact| match &fact.what {
        What::Connected { party, .. } => Some(party.name().clone()),
        _ => None,
    });
    connected.collect()
}

fn states(world: &World, of: &str) -> Vec<AgentState> {
    let entered = world.facts.iter().filter_map(|fact| match &fact.what {
        What::AgentEntered { agent, state, .. } if &**agent == of => Some(*state),
        _ => None,
    });
    entered.collect()
}

#[test]
fn callers_go_to_the_other_agent_and_the_silent_phone_is_not_rung() {
    for seed in 0..20 {
        let mut scenario = asking(seed);
        plug(&mut scenario, 5 * SECOND, false);
        let begin = 5 * SECOND + FOUND;
        call(&mut scenario, &[begin, begin + SECOND, begin + 2 * SECOND]);
        let mut world = World::new(scenario);
        world.run(begin + 30 * SECOND);
        let world = ended(world);
        assert_eq!(partners(&world), ["1002"; 3].map(Name::from), "{seed}");
        assert_eq!(count(&world, |what| matches!(what, What::Offered { agent, .. } if &**agent == "1001")), 0);
        assert_eq!(states(&world, "1001"), [AgentState::Ready, AgentState::SignedOut], "{seed}: and everybody is told");
    }
}

#[test]
fn a_phone_that_answers_again_is_rung_again() {
    for seed in 0..20 {
        let mut scenario = asking(seed);
        plug(&mut scenario, 5 * SECOND, false);
        let back = 5 * SECOND + FOUND;
        plug(&mut scenario, back, true);
        // It did not know that it was gone: it answers the next question, and does not register.
        let begin = back + PERIOD + SECOND;
        call(&mut scenario, &[begin, begin + SECOND]);
        let mut world = World::new(scenario);
        world.run(begin + 30 * SECOND);
        let world = ended(world);
        let mut both = partners(&world);
        both.sort_unstable();
        assert_eq!(both, ["1001", "1002"].map(Name::from), "{seed}");
        let told = |answers: bool| {
            count(&world, |what| matches!(what, What::Qualified { answers: its, .. } if *its == answers))
        };
        assert_eq!((told(false), told(true)), (1, 1), "{seed}");
    }
}

#[test]
fn a_cable_put_back_in_time_costs_nothing() {
    let mut scenario = asking(3);
    plug(&mut scenario, 30 * SECOND, false);
    plug(&mut scenario, 55 * SECOND, true);
    call(&mut scenario, &[90 * SECOND, 91 * SECOND]);
    let mut world = World::new(scenario);
    world.run(120 * SECOND);
    let world = ended(world);
    assert_eq!(count(&world, |what| matches!(what, What::Qualified { .. })), 0);
    let missed = |what: &What| matches!(what, What::OfferEnded { outcome, .. } if *outcome != OfferOutcome::Answered);
    assert_eq!(count(&world, missed), 0);
}
