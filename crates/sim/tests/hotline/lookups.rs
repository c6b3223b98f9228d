//! A dialplan asks another program: callers are served whatever becomes of the answer.

use crate::stage::SECOND;
use busyhour_ivr::{Dialplan, Names};
use busyhour_model::{LookUpOutcome, Name, What};
use busyhour_sim::peer::Action;
use busyhour_sim::{Deed, Scenario, Service, World};
use std::time::Duration;

/// Known callers may choose; nobody else waits for long.
const PLAN: &str = r#"
    name = "hotline"
    start = "pin"
    [node.pin]
    collect = "pin"
    prompt = "ivr/enter-pin"
    length = 4
    secret = true
    then = "who"
    too_many = "bye"
    [node.who]
    lookup = "https://crm.example/customers/{$caller}"
    headers = { "X-Pin" = "{$pin}" }
    body = { pin = "$pin" }
    timeout = "2s"
    retries = 1
    music = "ivr/wait"
    set = { level = "$.customer.level", priority = "$.points" }
    then = "known"
    not_found = "stranger"
    failed = "failed"
    [node.known]
    branch = [{ "$level" = "gold", goto = "gold" }]
    else = "bye"
    [node.gold]
    play = ["queue/priority", { number = "$priority" }]
    then = "bye"
    [node.stranger]
    play = "ivr/verify-bad"
    then = "bye"
    [node.failed]
    play = "ivr/system-error"
    then = "bye"
    [node.bye]
    hangup = true
"#;

fn customers(url: &str) -> (u16, &'static str) {
    match url.strip_prefix("https://crm.example/customers/") {
        Some("13800138000") => (200, r#"{"customer":{"level":"gold"},"points":50}"#),
        Some("13800138001") => (200, "<html>"),
        Some("13800138002") => (503, ""),
        _ => (404, ""),
    }
}

/// So many callers, a second apart, who key in a PIN and wait; some hang up before the answer.
fn town(seed: u64, callers: usize, service: Service, patience: Duration) -> World {
    let mut scenario = Scenario::calm(seed, 1);
    let phrases = include_str!("../../../../prompts/phrases.tsv");
    let prompts = phrases.lines().filter_map(|line| line.split('\t').next()).map(Name::from).collect();
    let names = Names { prompts, ..Names::default() };
    let plan = Dialplan::parse("hotline.toml", PLAN, &names).unwrap().plan;
    scenario.setup.dialplans = vec![("hotline".into(), plan)];
    scenario.setup.numbers.retain(|route| *route.dialplan == *"hotline");
    scenario.service = service;
    for index in 0..callers {
        let pin = "5823".chars().map(Action::Press);
        let first = [Action::AwaitAnswer(5 * SECOND), Action::Wait(SECOND)];
        let script = first.into_iter().chain(pin).chain([Action::Wait(patience), Action::HangUp]);
        let caller = scenario.caller(index, script.collect());
        scenario.deeds.push((SECOND * (1 + index as u32), Deed::Call(Box::new(caller))));
        scenario.deeds.push((SECOND * (1 + index as u32) + Duration::from_millis(1700), Deed::Restore));
    }
    let mut world = World::new(scenario);
    world.run(Duration::from_secs(40));
    world.settle(Duration::from_secs(60));
    world.check_ended();
    world
}

fn nodes(world: &World) -> Vec<&str> {
    let told = |node: &&str| !["pin", "who", "known", "bye"].contains(node);
    world.facts.iter().filter_map(|fact| node(&fact.what)).filter(told).collect()
}

fn node(what: &What) -> Option<&str> {
    match what {
        What::NodeEntered { node, .. } => Some(node),
        _ => None,
    }
}

/// Of the look-ups at the node `who`, the plan's only one.
fn outcomes(world: &World) -> Vec<(LookUpOutcome, u32)> {
    let look_up = |what: &What| match what {
        What::LookedUp { node, outcome, attempts, .. } if **node == *"who" => Some((*outcome, *attempts)),
        _ => None,
    };
    world.facts.iter().filter_map(|fact| look_up(&fact.what)).collect()
}

#[test]
fn each_answer_leads_its_own_way() {
    use LookUpOutcome::{Found, NotFound, Refused, Unreachable};
    let service = Service { answer: customers, ..Service::default() };
    let world = town(1, 4, service, 20 * SECOND);
    assert_eq!(outcomes(&world), [(Found, 1), (Refused, 1), (Unreachable, 2), (NotFound, 1)]);
    assert_eq!(nodes(&world), ["gold", "failed", "failed", "stranger"]);
    let told = format!("{:?}{:?}", world.journal, world.records);
    assert!(!told.contains("5823"), "nobody is told the PIN");
    let snapshot = format!("{:?}", world.switch);
    assert!(!snapshot.contains("5823"));
}

#[test]
fn nobody_waits_longer_than_the_plan_says() {
    let service = Service { answer: customers, lost_per_mille: 1000, ..Service::default() };
    let world = town(2, 1, service, 20 * SECOND);
    assert_eq!(outcomes(&world), [(LookUpOutcome::Unreachable, 2)]);
    let took = world.facts.iter().find_map(|fact| match fact.what {
        What::LookedUp { took, .. } => Some(took),
        _ => None,
    });
    assert_eq!(took, Some(4 * SECOND));
}

#[test]
fn late_and_lost_answers_and_callers_who_have_left_disturb_nobody() {
    for seed in 0..20 {
        let service = Service { answer: customers, delay_max: 5 * SECOND, lost_per_mille: 300 };
        let patience = Duration::from_millis(500 + 300 * seed);
        let world = town(seed, 4, service, patience);
        assert_eq!(world.records.len(), 4, "seed {seed}");
    }
}
