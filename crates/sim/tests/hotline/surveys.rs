//! After the agent hung up, callers are asked how it was.

use crate::stage::SECOND;
use busyhour_ivr::{Dialplan, Names};
use busyhour_ledger::{Survey, SurveyEnd};
use busyhour_model::{CallId, Name, Time};
use busyhour_sim::peer::{Action, Ending};
use busyhour_sim::{Deed, Scenario, World};
use busyhour_switch::{Destination, Request};
use std::time::Duration;

const PLAN: &str = r#"
    name = "hotline"
    start = "line"
    [node.line]
    queue = "enquiry"
    served = "which"
    else = "bye"
    [node.which]
    branch = [{ caller = "13800138003", goto = "short" }]
    else = "long"
    [node.long]
    survey = "service"
    then = "bye"
    [node.short]
    survey = "short"
    then = "bye"
    [node.bye]
    hangup = true
    [survey.service]
    questions = [
      { ask = "survey/five", name = "mark", keys = { 1 = 5, 2 = 4, 3 = 3, 4 = 2, 5 = 1 } },
      { ask = "survey/reason", name = "reason", keys = { 1 = 1, 2 = 2 }, when = { "$mark" = "<=2" } },
      { ask = "survey/solved", name = "solved", keys = { 1 = 1, 2 = 0 } },
    ]
    [survey.short]
    questions = [{ ask = "survey/five", name = "mark", keys = { 1 = 5, 2 = 4, 3 = 3, 4 = 2, 5 = 1 } }]
"#;

/// What the first caller, and the next ones, do after the talk, of which the agent makes an end.
fn town(scripts: Vec<Vec<Action>>, deeds: Vec<(Duration, Deed)>) -> World {
    let mut scenario = Scenario::calm(1, 1);
    let phrases = include_str!("../../../../prompts/phrases.tsv");
    let prompts = phrases.lines().filter_map(|line| line.split('\t').next()).map(Name::from).collect();
    let queues = scenario.setup.queues.iter().map(|queue| queue.name.clone()).collect();
    let names = Names { prompts, queues, ..Names::default() };
    let plan = Dialplan::parse("hotline.toml", PLAN, &names).unwrap().plan;
    scenario.setup.dialplans = vec![("hotline".into(), plan)];
    scenario.setup.numbers.retain(|route| *route.dialplan == *"hotline");
    if deeds.is_empty() {
        scenario.phones[0].ending = Ending::HangUp(5 * SECOND, 5 * SECOND);
    }
    scenario.deeds.extend(deeds);
    for (index, after) in scripts.into_iter().enumerate() {
        let talk = [Action::AwaitAnswer(5 * SECOND), Action::AwaitTone(50 * SECOND), Action::Wait(6 * SECOND)];
        let caller = scenario.caller(index, talk.into_iter().chain(after).collect());
        scenario.deeds.push((SECOND * (1 + 60 * index as u32), Deed::Call(Box::new(caller))));
    }
    let mut world = World::new(scenario);
    world.run(Duration::from_secs(240));
    world.settle(Duration::from_secs(100));
    world.check_ended();
    world
}

fn press(keys: &str) -> Vec<Action> {
    keys.chars().flat_map(|key| [Action::Wait(3 * SECOND), Action::Press(key)]).collect()
}

/// How it ended, and the scores.
fn told(survey: &Survey) -> (&str, SurveyEnd, Vec<u32>) {
    (&survey.survey, survey.end.unwrap(), survey.answers.iter().map(|answer| answer.score).collect())
}

#[test]
fn what_callers_answer_after_the_talk_is_in_the_record_with_agent_and_queue() {
    let halfway = press("4").into_iter().chain([Action::Wait(2 * SECOND), Action::HangUp]).collect();
    let silent = vec![Action::Wait(60 * SECOND)];
    let world = town(vec![press("11"), halfway, silent, press("2")], Vec::new());
    let mut records: Vec<_> = world.records.iter().collect();
    records.sort_unstable_by_key(|record| record.call);
    let surveys: Vec<_> = records.iter().flat_map(|record| &record.surveys).collect();
    let want = [
        ("service", SurveyEnd::Complete, vec![5, 1]),
        ("service", SurveyEnd::CutShort, vec![2]),
        ("service", SurveyEnd::NoAnswer, vec![]),
        ("short", SurveyEnd::Complete, vec![4]),
    ];
    assert_eq!(surveys.iter().map(|survey| told(survey)).collect::<Vec<_>>(), want);
    for (record, survey) in records.iter().zip(&surveys) {
        assert_eq!((survey.agent.as_deref(), survey.queue.as_deref()), (Some("1001"), Some("enquiry")));
        assert!(record.talk_ms < 6_000 && survey.begun < survey.ended, "{record:#?}");
    }
    let counts = world.ledger.counts("enquiry", Time::ZERO, Time::from_secs(u64::MAX / 2_000_000));
    let rates = [counts.invitation_rate(), counts.participation_rate(), counts.satisfaction()];
    assert_eq!(rates.map(|rate| rate.to_string()), ["100.00", "75.00", "66.67"]);
    assert_eq!(counts.surveys.marks, 11);
}

#[test]
fn an_agent_sends_the_caller_to_the_survey() {
    let send = Request::Transfer { call: CallId(1), to: Destination::Node("long".into()) };
    let world = town(vec![press("31")], vec![(6 * SECOND, Deed::Ask(Box::new(send)))]);
    let survey = &world.records[0].surveys[0];
    assert_eq!(told(survey), ("service", SurveyEnd::Complete, vec![3, 1]));
    assert_eq!(survey.agent.as_deref(), Some("1001"));
}
