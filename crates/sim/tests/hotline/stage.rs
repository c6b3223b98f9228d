//! Towns with callers, what is done in them, and what is asked of them afterwards.

use busyhour_ivr::{Dialplan, Names};
use busyhour_model::{CallId, Cause, Name, What};
use busyhour_sim::peer::Action;
use busyhour_sim::{Deed, Scenario, World, to_an_agent};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The caller has the first agent by then.
pub(crate) const TALKING: Duration = Duration::from_secs(14);

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// To an agent, talk five seconds, hang up.
pub(crate) fn conversation() -> Vec<Action> {
    let mut script = to_an_agent(false);
    script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(5 * SECOND), Action::HangUp]);
    script
}

/// Callers who do this, two seconds apart.
pub(crate) fn with_callers(mut scenario: Scenario, scripts: Vec<Vec<Action>>) -> Scenario {
    for (index, script) in scripts.into_iter().enumerate() {
        let caller = scenario.caller(index, script);
        scenario.deeds.push((2 * SECOND * (1 + index as u32), Deed::Call(Box::new(caller))));
    }
    scenario
}

/// All may take enquiries; nobody waits too long.
pub(crate) fn enquiries(seed: u64, agents: usize) -> Scenario {
    let mut scenario = Scenario::calm(seed, agents);
    for queue in &mut scenario.setup.queues {
        queue.wait_max = None;
    }
    scenario.setup.agents.iter_mut().for_each(|agent| agent.skills = vec![("enquiry".into(), 1)]);
    scenario
}

/// A caller who asks for enquiries and stays for most of a minute; only agent 1001 takes those, two colleagues have other work.
pub(crate) fn hotline(seed: u64) -> Scenario {
    let mut scenario = Scenario::calm(seed, 3);
    for queue in &mut scenario.setup.queues {
        (queue.wait_max, queue.relax) = (None, Vec::new());
    }
    for (index, agent) in scenario.setup.agents.iter_mut().enumerate() {
        agent.skills = if index == 0 { vec![("enquiry".into(), 1)] } else { Vec::new() };
    }
    let mut script = to_an_agent(false);
    script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(46 * SECOND), Action::HangUp]);
    let caller = scenario.caller(0, script);
    scenario.deeds.push((2 * SECOND, Deed::Call(Box::new(caller))));
    scenario
}

/// And then these happen.
pub(crate) fn with(mut scenario: Scenario, deeds: Vec<(Duration, Deed)>) -> Scenario {
    scenario.deeds.extend(deeds);
    scenario
}

pub(crate) fn pass_on(to: Option<&str>) -> Deed {
    Deed::PassOn { number: "1001".into(), to: to.map(str::to_owned) }
}

pub(crate) fn dial(number: &str, code: &str) -> Deed {
    Deed::Dial { number: number.into(), code: code.into() }
}

pub(crate) fn with_plan(mut scenario: Scenario, source: &str) -> Scenario {
    let names = Names { queues: vec!["enquiry".into()], ..Names::default() };
    let plan = Dialplan::parse("hotline.toml", source, &names).unwrap().plan;
    for outcome in plan.test() {
        assert_eq!(outcome.failure, None, "{}", outcome.name);
    }
    scenario.setup.dialplans[0].1 = plan;
    scenario
}

/// Runs a minute and until every call is over; every law must hold, nobody may complain.
pub(crate) fn ended(scenario: Scenario) -> World {
    let mut world = World::new(scenario);
    world.run(60 * SECOND);
    world.settle(200 * SECOND);
    world.check_ended();
    for outcome in world.outcomes() {
        assert_eq!(outcome.complaints, Vec::<String>::new());
        assert!(outcome.clean, "the caller's end was confirmed: {outcome:?}");
    }
    world
}

pub(crate) fn count(world: &World, fits: impl Fn(&What) -> bool) -> usize {
    world.facts.iter().filter(|fact| fits(&fact.what)).count()
}

pub(crate) fn cause(world: &World) -> Cause {
    let mut ends = world.facts.iter().filter_map(|fact| match fact.what {
        What::Ended { cause, .. } => Some(cause),
        _ => None,
    });
    ends.next_back().expect("a call ended")
}

/// Whom the first caller talked to, in order.
pub(crate) fn partners(world: &World) -> Vec<Name> {
    let connected = world.facts.iter().filter_map(|fact| match &fact.what {
        What::Connected { call: CallId(1), party, .. } => Some(party.name().clone()),
        _ => None,
    });
    connected.collect()
}

/// The caller heard an agent's tone to the end of the call.
pub(crate) fn heard_to_the_end(world: &World) -> bool {
    let caller = &world.outcomes()[0];
    caller.ended.unwrap().since(caller.heard.last_tone.unwrap()) < SECOND
}
