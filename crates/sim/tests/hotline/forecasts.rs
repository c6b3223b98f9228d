//! Waits foreseen all the time, as callers and operators notice it.

use crate::stage::SECOND;
use busyhour_acd::{Backup, Need};
use busyhour_model::{AgentState, Seed, What};
use busyhour_sim::peer::Action;
use busyhour_sim::{Deed, Scenario, World, to_an_agent};
use busyhour_switch::{Denied, Reply, Request};
use std::time::Duration;

/// Every agent takes everything, complaints come first, everybody waits as long as it takes.
fn busy(seed: u64, agents: usize, calls: usize, foresee: Option<Duration>) -> Scenario {
    let mut scenario = Scenario::calm(seed, agents);
    scenario.foresee = foresee;
    scenario.setup.trunks[0].channels = 45;
    for queue in &mut scenario.setup.queues {
        (queue.required, queue.wait_max, queue.waiting_max) = (Vec::new(), None, None);
    }
    let mut dice = Seed(seed);
    let mut at = SECOND;
    for index in 0..calls {
        // Half of the callers complain.
        let mut script = to_an_agent(false);
        if dice.below(2) == 0 {
            script.pop();
            script.push(Action::Press('2'));
        }
        let talk = dice.between(4 * SECOND, 16 * SECOND);
        script.extend([Action::AwaitTone(400 * SECOND), Action::Wait(talk), Action::HangUp]);
        let caller = scenario.caller(index, script);
        scenario.deeds.push((at, Deed::Call(Box::new(caller))));
        at += dice.between(Duration::ZERO, 5 * SECOND);
    }
    scenario
}

fn played(scenario: Scenario) -> World {
    let mut world = World::new(scenario);
    world.run(200 * SECOND);
    world.settle(400 * SECOND);
    world.check_ended();
    world
}

/// By how much waits were predicted wrong, on average, seconds either way; and how many.
fn error(world: &World) -> (f64, usize) {
    let errors: Vec<f64> =
        world.records.iter().filter_map(|r| r.prediction_error_ms()).map(|ms| ms as f64 / 1e3).collect();
    (errors.iter().map(|error| error.abs()).sum::<f64>() / errors.len() as f64, errors.len())
}

#[test]
fn what_callers_are_told_is_nearer_the_truth_when_waits_are_foreseen() {
    let (mut foreseen, mut simple) = (0.0, 0.0);
    for seed in 1..4 {
        let [with, without] = [Some(SECOND), None].map(|foresee| error(&played(busy(seed, 3, 50, foresee))));
        foreseen += with.0;
        simple += without.0;
        assert!(with.1 > 40, "all who had to wait count, told or not: {}", with.1);
    }
    assert!(foreseen < 0.8 * simple, "{foreseen} {simple}");
}

#[test]
fn anybody_may_ask_where_a_waiting_call_stands() {
    let mut world = World::new(busy(1, 2, 20, Some(SECOND)));
    world.run(60 * SECOND);
    let now = world.now();
    let Ok(Reply::Calls(calls)) = world.switch.handle_request(now, Request::Calls) else { panic!("calls") };
    let Ok(Reply::Queues(queues)) = world.switch.handle_request(now, Request::Queues) else { panic!("queues") };
    let waiting: Vec<_> = calls.iter().filter(|row| row.ahead.is_some()).collect();
    assert!(
        waiting.len() > 5 && waiting.iter().all(|row| &*row.stage == "queued" && row.wait_ms.is_some()),
        "{calls:#?}"
    );
    for row in &waiting {
        let Ok(Reply::Place(place)) = world.switch.handle_request(now, Request::Place { call: row.call }) else {
            panic!("{row:?}")
        };
        assert_eq!((Some(place.ahead), place.wait_ms, &place.queue), (row.ahead, row.wait_ms, &row.at));
    }
    let last = |queue: &str| waiting.iter().filter(|row| &*row.at == queue).filter_map(|row| row.wait_ms).max();
    for row in queues.iter().filter(|row| row.waiting > 0) {
        assert!(row.wait_ms > last(&row.queue), "the next waits longer than the last in line: {row:?}");
    }
    let talks = calls.iter().find(|row| &*row.stage == "talking").unwrap().call;
    let denied = world.switch.handle_request(now, Request::Place { call: talks });
    assert_eq!(denied, Err(Denied::NotWaiting(talks)));
}

#[test]
fn backups_are_rung_only_while_a_long_wait_is_foreseen() {
    let rung = |foresee| {
        let mut scenario = busy(2, 3, 30, foresee);
        scenario.setup.agents[2].skills.push(("leader".into(), 1));
        for queue in &mut scenario.setup.queues {
            queue.policy.backup = vec![Backup { of: Need::Skill("leader".into(), 1), wait: 25 * SECOND }];
        }
        let world = played(scenario);
        let rings = world.facts.iter().filter(|fact| {
            matches!(&fact.what, What::AgentEntered { agent, state: AgentState::Ringing, .. } if &**agent == "1003")
        });
        rings.count()
    };
    assert_eq!(rung(None), 0, "nobody knows that it would be long");
    let rings = rung(Some(SECOND));
    assert!((3..20).contains(&rings), "{rings} of 30 calls");
}
