//! A caller talks with a bot: what it hears and is told, and that nobody is lost whatever becomes of it.

use crate::stage::SECOND;
use busyhour_ivr::{Dialplan, Names, TalkEnd};
use busyhour_model::{BotTalk, Name, What};
use busyhour_sim::peer::Action;
use busyhour_sim::{Bots, Deed, Scenario, World};
use busyhour_switch::{BotCall, BotSaid, Destination, ForkNews, Request};
use std::time::Duration;

/// A bot first; an agent when that finds out what it is about, or cannot be talked with.
const PLAN: &str = r#"
    name = "hotline"
    start = "assistant"
    [node.assistant]
    bot = "robin"
    data = { number = "$caller" }
    timeout = "20s"
    set = { topic = "$.topic" }
    outcomes = { agent = "sorted" }
    then = "bye"
    timed_out = "bye"
    failed = "wait"
    [node.sorted]
    branch = [{ "$topic" = "loan", goto = "wait" }]
    else = "bye"
    [node.wait]
    queue = "enquiry"
    else = "bye"
    [node.bye]
    hangup = true
"#;

fn town(script: Vec<Action>, answer: fn(&BotCall) -> Option<BotSaid>, deed: Option<(Duration, Request)>) -> World {
    let mut scenario = Scenario::calm(1, 1);
    let names = Names { queues: vec!["enquiry".into()], bots: vec!["robin".into()], ..Names::default() };
    let plan = Dialplan::parse("hotline.toml", PLAN, &names).unwrap().plan;
    scenario.setup.dialplans = vec![("hotline".into(), plan)];
    scenario.setup.numbers.retain(|route| *route.dialplan == *"hotline");
    scenario.bots = Bots { answer, ..Bots::default() };
    let script = [Action::AwaitAnswer(5 * SECOND)].into_iter().chain(script);
    let caller = scenario.caller(0, script.collect());
    scenario.deeds.push((2 * SECOND, Deed::Call(Box::new(caller))));
    scenario.deeds.push((3 * SECOND, Deed::Restore));
    scenario.deeds.extend(deed.map(|(at, request)| (at, Deed::Ask(Box::new(request)))));
    let mut world = World::new(scenario);
    world.run(40 * SECOND);
    world.settle(60 * SECOND);
    world.check_ended();
    assert!(world.outcomes().iter().all(|outcome| outcome.complaints.is_empty()), "{:?}", world.outcomes());
    world
}

/// How the only talk ended and how long it was.
fn talk(world: &World) -> (Name, Duration) {
    let mut talks = world.facts.iter().filter_map(|fact| match &fact.what {
        What::TalkedWithBot(BotTalk { outcome, took, node, bot, .. }) => {
            assert_eq!((&**node, &**bot), ("assistant", "robin"));
            Some((outcome.clone(), *took))
        }
        _ => None,
    });
    let talk = talks.next().unwrap();
    assert_eq!(talks.next(), None);
    talk
}

fn is_served(world: &World) -> bool {
    world.facts.iter().any(|fact| matches!(fact.what, What::Connected { .. }))
}

#[test]
fn a_bot_hears_the_caller_is_told_of_keys_and_passes_on_what_it_found_out() {
    let found = |called: &BotCall| {
        assert_eq!((&*called.from, &*called.talk.data), ("13800138000", r#"{"number":"13800138000"}"#));
        let values = serde_json::json!({ "topic": "loan" });
        Some(BotSaid::Ended(TalkEnd::Ended { outcome: Some("agent".into()), values }))
    };
    let wait = Action::Wait(10 * SECOND);
    let world = town(vec![Action::Press('4'), Action::Press('2'), wait, Action::HangUp], found, None);
    let (outcome, took) = talk(&world);
    assert_eq!(&*outcome, "agent");
    assert!(is_served(&world));
    let told: Vec<_> = world.told_to_bots().iter().map(|(_, news)| news).collect();
    let [ForkNews::Called(_), ForkNews::Key('4'), ForkNews::Key('2'), ForkNews::Over { outcome }] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(&**outcome, "agent");
    let frames = took.as_millis() as u64 / 20;
    assert!((frames.saturating_sub(4)..=frames).contains(&world.heard_by_bots()[0]), "all that was said, to its end");
}

#[test]
fn a_bot_that_fails_or_says_nothing_loses_no_caller() {
    let world = town(vec![Action::Wait(10 * SECOND), Action::HangUp], |_| Some(BotSaid::Ended(TalkEnd::Failed)), None);
    assert_eq!((&*talk(&world).0, is_served(&world)), ("failed", true));
    let world = town(vec![Action::Wait(30 * SECOND), Action::HangUp], |_| None, None);
    assert_eq!(talk(&world), ("timed_out".into(), 20 * SECOND));
}

#[test]
fn who_hangs_up_or_is_sent_elsewhere_leaves_the_bot_at_once() {
    let late = |_: &BotCall| Some(BotSaid::Ended(TalkEnd::Failed));
    let world = town(vec![Action::Wait(SECOND / 10), Action::HangUp], late, None);
    assert_eq!(&*talk(&world).0, "left");
    let hang_up = Request::HangUp { call: busyhour_model::CallId(1) };
    let world = town(vec![Action::Wait(20 * SECOND)], |_| None, Some((6 * SECOND, hang_up)));
    assert_eq!(&*talk(&world).0, "left");
    assert!(talk(&world).1 < 5 * SECOND);
    let to = Destination::Node("wait".into());
    let jump = Request::Transfer { call: busyhour_model::CallId(1), to };
    let world = town(vec![Action::Wait(20 * SECOND), Action::HangUp], |_| None, Some((6 * SECOND, jump)));
    // Only who talks to somebody can be sent on: the caller stays with the bot.
    assert_eq!((&*talk(&world).0, is_served(&world)), ("timed_out", false));
}
