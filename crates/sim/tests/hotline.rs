//! One behaviour each, as a caller, an agent or a carrier's engineer would notice it.

#![allow(clippy::unwrap_used)]

use busyhour_ivr::{Dialplan, Names};
use busyhour_ledger::VisitEnd;
use busyhour_model::calendar::Clock;
use busyhour_model::{
    AgentState, CallId, Cause, Codec, Days, DequeueReason, Entrance, Mailbox, Name, OfferOutcome, Opening, Party,
    Pattern, Rule, Schedule, Side, What,
};
use busyhour_sim::peer::{Action, Answering, CALLER_HZ, Ending, PhoneSetup};
use busyhour_sim::{Deed, Scenario, World, to_an_agent};
use busyhour_switch::{Closing, Denied, Destination, Reply, Request, TierSetup};
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// To an agent, talk five seconds, hang up.
fn conversation() -> Vec<Action> {
    let mut script = to_an_agent(false);
    script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(5 * SECOND), Action::HangUp]);
    script
}

/// Callers who do this, two seconds apart.
fn with_callers(mut scenario: Scenario, scripts: Vec<Vec<Action>>) -> Scenario {
    for (index, script) in scripts.into_iter().enumerate() {
        let caller = scenario.caller(index, script);
        scenario.deeds.push((2 * SECOND * (1 + index as u32), Deed::Call(Box::new(caller))));
    }
    scenario
}

/// Runs a minute and until every call is over; every law must hold, nobody may complain.
fn ended(scenario: Scenario) -> World {
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

/// A hotline that asks for a few words, plays them and keeps them at key 3; 2 records again.
const MEMO: &str = r##"
name = "hotline"
start = "speak"
[node.speak]
record = "memo"
silence = "2s"
then = "confirm"
else = "sorry"
[node.confirm]
menu = { recording = "$memo" }
keys = { 2 = "speak", 3 = "bye" }
too_many = "bye"
[node.sorry]
hangup = 486
[node.bye]
hangup = true
[[test]]
name = "kept"
steps = [{ speak = "3s" }, { enter = "confirm" }, { hear = "recording" }, { press = "3" }, { hangup = true }]
[[test]]
name = "ended by a key, and again too short"
steps = [{ speak = "30s" }, { press = "#" }, { enter = "confirm" }, { press = "2" }, { speak = "500ms" }, { hangup = 486 }]
"##;

fn with_plan(mut scenario: Scenario, source: &str) -> Scenario {
    let names = Names { queues: vec!["enquiry".into()], ..Names::default() };
    let plan = Dialplan::parse("hotline.toml", source, &names).unwrap().plan;
    for outcome in plan.test() {
        assert_eq!(outcome.failure, None, "{}", outcome.name);
    }
    scenario.setup.dialplans[0].1 = plan;
    scenario
}

#[test]
fn what_a_caller_records_is_the_callers_tone_heard_again_and_named_in_the_record() {
    let answered = Action::AwaitAnswer(30 * SECOND);
    let beep = Action::Wait(2 * SECOND);
    let kept = vec![
        answered,
        beep,
        Action::Wait(4 * SECOND),
        Action::Press('#'),
        Action::Wait(2 * SECOND),
        Action::Press('3'),
    ];
    let again = vec![
        answered,
        beep,
        Action::Wait(3 * SECOND),
        Action::Press('#'),
        Action::Wait(2 * SECOND),
        Action::Press('2'),
        beep,
        Action::Wait(6 * SECOND),
        Action::Press('#'),
        Action::Wait(2 * SECOND),
        Action::Press('3'),
    ];
    let hung_up = vec![answered, beep, Action::Wait(3 * SECOND), Action::HangUp];
    let at_once = vec![answered, Action::Wait(600 * SECOND / 1000), Action::HangUp];
    let world = ended(with_callers(with_plan(Scenario::calm(1, 3), MEMO), vec![kept, again, hung_up, at_once]));
    let seconds: Vec<Vec<u64>> =
        world.records.iter().map(|r| r.recordings.iter().map(|one| (one.ms + 700) / 1000).collect()).collect();
    let mut lengths: Vec<(u64, Vec<u64>)> = world.records.iter().map(|r| r.call.0).zip(seconds).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [(1, vec![6]), (2, vec![8]), (3, vec![5]), (4, vec![])]);
    for (tape, sound) in &world.tapes {
        let samples: Vec<i16> = sound.iter().map(|code| busyhour_media::g711::decode_a(*code)).collect();
        let level = busyhour_media::tone::level(&samples[800..samples.len() - 800], f64::from(CALLER_HZ));
        assert!(level > -20.0, "{tape} has the caller's tone at {level}");
    }
    assert_eq!(count(&world, |what| matches!(what, What::Discarded { .. })), 2);
}

/// A hotline that takes messages for the agent 1001.
const VOICEMAIL: &str = r##"
name = "hotline"
start = "leave"
[node.leave]
voicemail = { agent = "1001" }
silence = "2s"
then = "bye"
full = "full"
else = "bye"
[node.full]
hangup = 486
[node.bye]
hangup = true
[[test]]
name = "kept"
steps = [{ voicemail = "1001" }, { speak = "3s" }, { enter = "bye" }]
[[test]]
name = "no room"
steps = [{ mailbox_full = true }, { pass = "1s" }]
"##;

#[test]
fn messages_are_kept_until_there_is_no_room_also_when_the_caller_just_hangs_up() {
    let answered = Action::AwaitAnswer(30 * SECOND);
    let speak = |rest: &[Action]| [&[answered, Action::Wait(5 * SECOND)], rest].concat();
    let callers = [vec![Action::Press('#')], vec![Action::HangUp], vec![Action::Press('#')]].map(|rest| speak(&rest));
    let at_once = vec![answered, Action::Wait(600 * SECOND / 1000), Action::HangUp];
    let [kept, hung_up, refused] = callers;
    let mut scenario = with_callers(with_plan(Scenario::calm(1, 3), VOICEMAIL), vec![at_once, kept, hung_up, refused]);
    scenario.setup.voicemail.messages_max = 2;
    scenario.deeds.last_mut().unwrap().0 = 30 * SECOND;
    let mut world = ended(scenario);
    let left: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match &fact.what {
            What::MessageLeft { message } => Some((message.call.0, message.mailbox.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(left, [(2, "agent 1001".into()), (3, "agent 1001".into())]);
    assert_eq!(world.tapes.len(), 2, "what was too short is thrown away");
    let ask = |world: &mut World, request| world.switch.handle_request(world.now(), request);
    let mailbox = Some(Mailbox::Agent("1001".into()));
    let Ok(Reply::Messages(messages)) = ask(&mut world, Request::Messages { mailbox }) else { panic!("messages") };
    let tape = messages[0].tape;
    assert!(messages.iter().all(|message| !message.heard && message.ms > 3000), "{messages:?}");
    assert_eq!(ask(&mut world, Request::MessageHeard { tape }), Ok(Reply::Done));
    assert_eq!(ask(&mut world, Request::DeleteMessage { tape }), Ok(Reply::Done));
    assert_eq!(ask(&mut world, Request::DeleteMessage { tape }), Err(Denied::UnknownMessage(tape)));
    world.run(61 * SECOND);
    assert_eq!(world.tapes.len(), 1, "its recording is gone with it");
    world.run(31 * 24 * 3600 * SECOND);
    assert_eq!(count(&world, |what| matches!(what, What::MessageDeleted { expired: true, .. })), 1, "after a month");
    assert!(world.tapes.is_empty());
}

#[test]
fn an_agent_listens_to_messages_by_a_code_and_is_offered_no_call_meanwhile() {
    let leave = vec![Action::AwaitAnswer(30 * SECOND), Action::Wait(5 * SECOND), Action::HangUp];
    let mut scenario = with_callers(with_plan(Scenario::calm(1, 1), VOICEMAIL), vec![leave]);
    scenario.deeds.push((20 * SECOND, Deed::Dial { number: "1001".into(), code: "*97".into() }));
    let mut world = World::new(scenario);
    world.run(22 * SECOND);
    let Ok(Reply::Agents(rows)) = world.switch.handle_request(world.now(), Request::Agents) else { panic!("agents") };
    assert_eq!((rows[0].state, rows[0].messages), (AgentState::Talking, 1));
    world.run(50 * SECOND);
    assert_eq!(count(&world, |what| matches!(what, What::MessageHeard { .. })), 1);
    world.settle(200 * SECOND);
    let Ok(Reply::Agents(rows)) = world.switch.handle_request(world.now(), Request::Agents) else { panic!("agents") };
    assert_eq!((rows[0].state, rows[0].messages), (AgentState::Ready, 0), "and a list of messages shows it");
}

fn count(world: &World, fits: impl Fn(&What) -> bool) -> usize {
    world.facts.iter().filter(|fact| fits(&fact.what)).count()
}

fn cause(world: &World) -> Cause {
    let mut ends = world.facts.iter().filter_map(|fact| match fact.what {
        What::Ended { cause, .. } => Some(cause),
        _ => None,
    });
    ends.next_back().expect("a call ended")
}

#[test]
fn caller_and_agent_hear_each_other_and_everything_is_torn_down() {
    let world = ended(with_callers(Scenario::calm(1, 3), vec![conversation()]));
    let outcome = &world.outcomes()[0];
    assert!(outcome.heard_partner(), "the caller hears the agent: {outcome:?}");
    assert_eq!((outcome.status, cause(&world)), (200, Cause::CallerHungUp));
    let record = &world.records[0];
    assert_eq!(record.legs.len(), 2, "{record:?}");
    for leg in &record.legs {
        assert!(leg.stats.packets_in > 200 && leg.stats.packets_out > 200, "sound both ways: {leg:?}");
        assert_eq!((leg.stats.lost_in, leg.stats.refused_in), (0, 0));
    }
}

#[test]
fn an_a_law_caller_understands_a_mu_law_agent() {
    let mut scenario = Scenario::calm(2, 1);
    scenario.phones[0].codecs = vec![Codec::Pcmu];
    scenario.setup.agents[0].skills = vec![("enquiry".into(), 1)];
    let mut scenario = with_callers(scenario, vec![conversation()]);
    if let Deed::Call(caller) = &mut scenario.deeds[0].1 {
        caller.codecs = vec![Codec::Pcma];
    }
    assert!(ended(scenario).outcomes()[0].heard_partner());
}

#[test]
fn keys_by_sip_info_work_as_well() {
    let mut script = to_an_agent(true);
    script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(SECOND), Action::HangUp]);
    assert!(ended(with_callers(Scenario::calm(3, 3), vec![script])).outcomes()[0].heard_partner());
}

#[test]
fn when_the_agent_hangs_up_the_caller_is_hung_up_on() {
    let mut scenario = Scenario::calm(4, 1);
    scenario.phones[0].ending = Ending::HangUp(3 * SECOND, 4 * SECOND);
    let mut script = to_an_agent(false);
    script.push(Action::AwaitTone(60 * SECOND));
    let world = ended(with_callers(scenario, vec![script]));
    assert_eq!(cause(&world), Cause::PartnerHungUp);
    assert!(world.outcomes()[0].heard_partner());
}

#[test]
fn an_agent_who_does_not_answer_is_passed_and_the_caller_reaches_the_next() {
    let mut scenario = Scenario::calm(5, 4);
    scenario.phones[0].answering = Answering::Never;
    scenario.setup.agents[3].skills = vec![("enquiry".into(), 1)];
    let world = ended(with_callers(scenario, vec![conversation()]));
    let unanswered = |w: &What| matches!(w, What::OfferEnded { outcome: OfferOutcome::NoAnswer, .. });
    assert_eq!(count(&world, unanswered), 1);
    assert_eq!(count(&world, |w| matches!(w, What::Connected { .. })), 1);
    let away = |w: &What| matches!(w, What::AgentEntered { state: AgentState::NotReady, reason: Some(r), .. } if &**r == "no_answer");
    assert_eq!(count(&world, away), 1, "who lets it ring is not offered the next call");
}

#[test]
fn a_phone_that_refuses_or_is_gone_costs_the_caller_nothing_but_time() {
    for answering in [Answering::Refuse(486), Answering::Refuse(603), Answering::Vanish] {
        let mut scenario = Scenario::calm(6, 4);
        scenario.phones[0].answering = answering;
        scenario.setup.agents[3].skills = vec![("enquiry".into(), 1)];
        let world = ended(with_callers(scenario, vec![conversation()]));
        assert!(world.outcomes()[0].heard_partner(), "{answering:?}");
    }
}

#[test]
fn a_gold_caller_is_served_before_those_who_came_earlier() {
    let mut scenario = Scenario::calm(23, 1);
    let gold = vec![Pattern::parse("13800138002").unwrap()];
    scenario.setup.tiers = vec![TierSetup { name: "gold".into(), numbers: gold, priority: 500 }];
    scenario.setup.queues[0].wait_max = None;
    let mut long = to_an_agent(false);
    long.extend([Action::AwaitTone(60 * SECOND), Action::Wait(15 * SECOND), Action::HangUp]);
    let scenario = with_callers(scenario, vec![long, conversation(), conversation()]);
    let mut world = World::new(scenario.clone());
    world.run(12 * SECOND);
    let Ok(Reply::Queues(rows)) = world.switch.handle_request(world.now(), Request::Queues) else {
        panic!("queues are shown to whoever asks");
    };
    let waiting = [("gold".into(), 1), ("default".into(), 1)];
    let row = rows.iter().find(|row| &*row.queue == "enquiry").unwrap();
    assert_eq!((row.waiting, &row.tiers[..]), (2, &waiting[..]), "{rows:?}");
    let world = ended(scenario);
    let served: Vec<CallId> = world
        .facts
        .iter()
        .filter_map(|f| match f.what {
            What::Connected { call, .. } => Some(call),
            _ => None,
        })
        .collect();
    assert_eq!(served, [CallId(1), CallId(3), CallId(2)], "the third call is the gold one");
    let tiers: Vec<_> =
        world.records.iter().map(|r| (r.call, r.visits[0].tier.clone(), r.visits[0].priority)).collect();
    assert!(
        tiers.contains(&(CallId(3), Some("gold".into()), 500)) && tiers.contains(&(CallId(2), None, 0)),
        "{tiers:?}"
    );
}

/// One agent who talks for 42 s, a caller who waits when the queues close 40 s after the start, and one who comes later.
fn evening(closing: Closing) -> World {
    let mut scenario = Scenario::calm(21, 1);
    // The world begins on a Monday at 14:13:20.
    let clock = Clock::parse("09:00-14:14").unwrap();
    let open = vec![Opening { days: Days::WEEKDAYS, clock }];
    scenario.setup.schedules = vec![("office".into(), Schedule { open, ..Schedule::default() })];
    for queue in &mut scenario.setup.queues {
        (queue.schedule, queue.closing, queue.wait_max) = (Some("office".into()), closing, None);
    }
    let mut long = to_an_agent(false);
    long.extend([Action::AwaitTone(60 * SECOND), Action::Wait(42 * SECOND), Action::HangUp]);
    let late = Deed::Call(Box::new(scenario.caller(7, to_an_agent(false))));
    scenario.deeds.push((45 * SECOND, late));
    ended(with_callers(scenario, vec![long, conversation()]))
}

#[test]
fn who_waits_when_a_queue_closes_is_served_and_who_comes_later_is_told() {
    let world = evening(Closing::Stay);
    assert_eq!(count(&world, |w| matches!(w, What::Connected { .. })), 2);
    let closed = |w: &What| matches!(w, What::Dequeued { reason: DequeueReason::Closed, .. });
    assert_eq!(count(&world, closed), 1, "the last one");
    let record = world.records.iter().find(|record| record.visits.last().is_some_and(|v| v.wait_ms() == 0)).unwrap();
    assert_eq!(record.visits[0].end, Some(VisitEnd::Closed), "offered, and closed: {record:?}");
}

#[test]
fn a_queue_that_keeps_nobody_sends_callers_away_the_moment_it_closes() {
    let world = evening(Closing::Overflow);
    assert_eq!(count(&world, |w| matches!(w, What::Connected { .. })), 1, "who talks goes on talking");
    let closed = world.facts.iter().filter(|f| matches!(f.what, What::Dequeued { reason: DequeueReason::Closed, .. }));
    let at: Vec<u64> = closed.map(|fact| fact.at.as_micros() % 60_000_000).collect();
    assert_eq!((at.len(), at[0]), (2, 0), "on the stroke of the minute");
}

#[test]
fn a_reload_that_closes_a_queue_holds_for_those_who_wait() {
    let mut scenario = Scenario::calm(22, 1);
    let mut closed = scenario.setup.clone();
    closed.schedules = vec![("never".into(), Schedule::default())];
    for queue in &mut closed.queues {
        (queue.schedule, queue.closing) = (Some("never".into()), Closing::Overflow);
    }
    scenario.deeds.push((12 * SECOND, Deed::Ask(Box::new(Request::Reload(Box::new(closed))))));
    let mut long = to_an_agent(false);
    long.extend([Action::AwaitTone(60 * SECOND), Action::Wait(20 * SECOND), Action::HangUp]);
    let world = ended(with_callers(scenario, vec![long, conversation()]));
    assert_eq!(count(&world, |w| matches!(w, What::Dequeued { reason: DequeueReason::Closed, .. })), 1);
}

#[test]
fn waiting_callers_are_served_in_the_order_they_came() {
    let mut scenario = Scenario::calm(7, 1);
    scenario.setup.queues[0].wait_max = None;
    let world = ended(with_callers(scenario, vec![conversation(), conversation(), conversation()]));
    let served: Vec<_> = world.facts.iter().filter(|f| matches!(f.what, What::Connected { .. })).collect();
    assert_eq!(served.len(), 3);
    assert!(served.is_sorted_by_key(|fact| fact.what.call()));
}

#[test]
fn a_caller_who_goes_to_the_menu_and_comes_back_has_lost_no_place() {
    let mut scenario = Scenario::calm(20, 1);
    scenario.setup.queues[0].wait_max = None;
    let mut busy = to_an_agent(false);
    busy.extend([Action::AwaitTone(60 * SECOND), Action::Wait(15 * SECOND), Action::HangUp]);
    let mut out_and_back = to_an_agent(false);
    out_and_back.extend([Action::Wait(4 * SECOND), Action::Press('*'), Action::Wait(SECOND), Action::Press('1')]);
    out_and_back.extend([Action::AwaitTone(60 * SECOND), Action::Wait(2 * SECOND), Action::HangUp]);
    let world = ended(with_callers(scenario, vec![busy, out_and_back, conversation()]));
    assert_eq!(count(&world, |w| matches!(w, What::Enqueued { entrance: Entrance::Returned, .. })), 1);
    let served: Vec<_> = world.facts.iter().filter(|f| matches!(f.what, What::Connected { .. })).collect();
    assert!(served.len() == 3 && served.is_sorted_by_key(|fact| fact.what.call()), "{served:?}");
    let record = world.records.iter().find(|record| record.call.0 == 2).unwrap();
    assert_eq!(record.visits.len(), 1, "one stay: {:?}", record.visits);
    assert_eq!(record.queue_wait_ms, Some(record.visits[0].wait_ms()));
}

#[test]
fn a_caller_who_gives_up_in_the_queue_is_counted_as_abandoned() {
    let mut scenario = Scenario::calm(8, 1);
    scenario.phones[0].answering = Answering::After(20 * SECOND, 20 * SECOND);
    scenario.setup.ring_timeout = 30 * SECOND;
    let mut script = to_an_agent(false);
    script.extend([Action::Wait(4 * SECOND), Action::HangUp]);
    let world = ended(with_callers(scenario, vec![script]));
    assert_eq!(count(&world, |w| matches!(w, What::OfferEnded { outcome: OfferOutcome::Abandoned, .. })), 1);
    assert_eq!(count(&world, |w| matches!(w, What::Dequeued { reason: DequeueReason::Abandoned, .. })), 1);
    assert_eq!(cause(&world), Cause::CallerHungUp);
}

#[test]
fn a_held_caller_hears_music_and_then_the_agent_again() {
    let mut scenario = Scenario::calm(9, 1);
    scenario.phones[0].hold = Some((SECOND, 2 * SECOND));
    let world = ended(with_callers(scenario, vec![conversation()]));
    assert_eq!(count(&world, |w| matches!(w, What::Held { on: true, .. })), 1);
    assert_eq!(count(&world, |w| matches!(w, What::Held { on: false, .. })), 1);
    assert!(world.outcomes()[0].heard_partner());
    let spent = world.ledger.agents().next().unwrap().1.total(world.now(), AgentState::Hold);
    assert!((SECOND..3 * SECOND).contains(&spent), "the agent's time on hold is told apart: {spent:?}");
}

#[test]
fn a_full_trunk_says_busy_and_its_channels_come_back() {
    let mut scenario = Scenario::calm(10, 2);
    scenario.setup.trunks[0].channels = 1;
    let mut scripts = vec![conversation(), conversation()];
    scripts.extend([vec![Action::Wait(20 * SECOND), Action::HangUp]]);
    let world = {
        let mut world = World::new(with_callers(scenario, scripts));
        world.run(60 * SECOND);
        world.settle(100 * SECOND);
        world.check_ended();
        world
    };
    let statuses: Vec<u16> = world.outcomes().iter().map(|o| o.status).collect();
    assert_eq!(statuses, [200, 486, 486]);
    assert_eq!(count(&world, |w| matches!(w, What::TrunkRefused { status: 486, .. })), 2);
}

#[test]
fn a_number_nobody_has_is_404() {
    let mut scenario = with_callers(Scenario::calm(11, 1), vec![conversation()]);
    if let Deed::Call(caller) = &mut scenario.deeds[0].1 {
        caller.dialled = "12345678".into();
    }
    let mut world = World::new(scenario);
    world.run(60 * SECOND);
    assert_eq!(world.outcomes()[0].status, 404);
    assert!(world.records.is_empty());
}

#[test]
fn star_codes_make_an_agent_not_ready_ready_and_signed_out() {
    let mut scenario = Scenario::calm(12, 1);
    let codes = ["*722", "*71", "*73"];
    for (index, code) in codes.iter().enumerate() {
        let deed = Deed::Dial { number: "1001".into(), code: (*code).into() };
        scenario.deeds.push((SECOND * (5 + 5 * index as u32), deed));
    }
    let world = ended(scenario);
    let states = world.facts.iter().filter_map(|f| match &f.what {
        What::AgentEntered { state, reason, .. } => Some((*state, reason.as_deref().map(str::to_owned))),
        _ => None,
    });
    let wanted = [
        (AgentState::Ready, None),
        (AgentState::NotReady, Some("2".to_owned())),
        (AgentState::Ready, None),
        (AgentState::SignedOut, None),
    ];
    assert_eq!(states.collect::<Vec<_>>(), wanted);
    assert_eq!(count(&world, |w| matches!(w, What::Answered { .. })), codes.len());
}

#[test]
fn an_agent_dials_a_colleague_and_both_are_kept_from_the_queue() {
    let mut scenario = Scenario::calm(13, 2);
    scenario.deeds.push((5 * SECOND, Deed::Dial { number: "1001".into(), code: "1002".into() }));
    scenario.phones[1].ending = Ending::HangUp(3 * SECOND, 3 * SECOND);
    let mut world = World::new(scenario);
    world.run(8 * SECOND);
    let Ok(Reply::Agents(rows)) = world.switch.handle_request(world.now(), Request::Agents) else { panic!("agents") };
    assert!(rows.iter().all(|row| row.state == AgentState::Talking), "{rows:?}");
    world.run(20 * SECOND);
    world.settle(100 * SECOND);
    world.check_ended();
    let Ok(Reply::Agents(rows)) = world.switch.handle_request(world.now(), Request::Agents) else { panic!("agents") };
    assert!(rows.iter().all(|row| row.state == AgentState::Ready), "{rows:?}");
}

#[test]
fn an_agent_dials_out_by_the_trunk_which_sees_a_number_of_ours() {
    let mut scenario = Scenario::calm(17, 1);
    scenario.phones.push(scenario.customer());
    scenario.deeds.push((5 * SECOND, Deed::Dial { number: "1001".into(), code: "02187654321".into() }));
    let mut world = World::new(scenario);
    world.run(8 * SECOND);
    let Ok(Reply::Trunks(trunks)) = world.switch.handle_request(world.now(), Request::Trunks) else { panic!("trunks") };
    assert_eq!((trunks[0].channels_in, trunks[0].channels_out), (0, 1));
    world.run(20 * SECOND);
    world.settle(100 * SECOND);
    world.check_ended();
    let out = &world.records[0].legs[1];
    assert!(out.stats.packets_in > 100 && out.stats.packets_out > 100, "sound both ways: {out:?}");
    assert_eq!(cause(&world), Cause::PartnerHungUp);
}

#[test]
fn a_number_that_cannot_be_dialled_out_is_480() {
    let mut scenario = Scenario::calm(18, 1);
    scenario.setup.trunks[0].peers.clear();
    scenario.deeds.push((5 * SECOND, Deed::Dial { number: "1001".into(), code: "02187654321".into() }));
    let mut world = World::new(scenario);
    world.run(20 * SECOND);
    world.check_ended();
    assert_eq!(cause(&world), Cause::Refused(480));
}

#[test]
fn a_switch_read_back_in_mid_call_goes_on_as_if_nothing_had_been() {
    let run = |restore: bool| {
        let mut scenario = with_callers(Scenario::calm(14, 2), vec![conversation(), conversation(), conversation()]);
        if restore {
            scenario.deeds.extend([2500, 3200, 5000, 7777, 9000, 12_000].map(|at| (ms(at), Deed::Restore)));
        }
        ended(scenario).facts
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn a_reload_in_mid_call_disturbs_nobody() {
    let mut scenario = with_callers(Scenario::calm(15, 3), vec![conversation(), conversation()]);
    let setup = Scenario::calm(15, 2).setup;
    scenario.deeds.push((ms(7000), Deed::Ask(Box::new(Request::Reload(Box::new(setup))))));
    let world = ended(scenario);
    assert!(world.outcomes().iter().all(|o| o.heard_partner() && o.status == 200));
}

/// Twenty versions, one every half second, each leading callers on by another node; who has begun ends on the version begun with.
#[test]
fn no_call_fails_while_the_dialplan_changes_twenty_times() {
    let calls = 12;
    let mut scenario = with_callers(enquiries(17, 12), vec![conversation(); calls]);
    let names = Names { queues: scenario.setup.queues.iter().map(|q| q.name.clone()).collect(), ..Names::default() };
    let hotline = include_str!("../../../dialplans/hotline.toml");
    for version in 0..20 {
        let text = hotline
            .replace("welcome", &format!("welcome-{version}"))
            .replace(&format!("ivr/welcome-{version}"), "ivr/welcome")
            .replace("\"main\"", &format!("\"main-{version}\""))
            .replace("[node.main]", &format!("[node.main-{version}]"));
        let plan = Dialplan::parse("hotline.toml", &text, &names).unwrap().plan;
        let mut setup = scenario.setup.clone();
        setup.dialplans.iter_mut().filter(|(name, _)| **name == *"hotline").for_each(|own| own.1 = plan.clone());
        scenario.deeds.push((ms(1900 + 1100 * version), Deed::Ask(Box::new(Request::Reload(Box::new(setup))))));
    }
    scenario.deeds.sort_by_key(|(at, _)| *at);
    let world = ended(scenario);
    assert!(world.outcomes().iter().all(|o| o.heard_partner() && o.status == 200));
    let reloaded = count(&world, |what| matches!(what, What::Reloaded { ok: true }));
    assert_eq!((world.outcomes().len(), reloaded), (calls, 1 + 20), "the start counts as one");
    let entered = |number: CallId| {
        let of = world.facts.iter().filter_map(move |fact| match &fact.what {
            What::NodeEntered { call, node, .. } if *call == number => Some(node.to_string()),
            _ => None,
        });
        let numbered = of.filter(|node| node.starts_with("welcome-") || node.starts_with("main-"));
        numbered.map(|node| node.split_once('-').unwrap().1.to_string()).collect::<BTreeSet<_>>()
    };
    let versions: Vec<BTreeSet<String>> = world.records.iter().map(|record| entered(record.call)).collect();
    assert!(versions.iter().all(|nodes| nodes.len() == 1), "one version for each call: {versions:?}");
    assert!(versions.iter().flatten().collect::<BTreeSet<_>>().len() > 5, "{versions:?}");
}

/// All may take enquiries; nobody waits too long.
fn enquiries(seed: u64, agents: usize) -> Scenario {
    let mut scenario = Scenario::calm(seed, agents);
    for queue in &mut scenario.setup.queues {
        queue.wait_max = None;
    }
    scenario.setup.agents.iter_mut().for_each(|agent| agent.skills = vec![("enquiry".into(), 1)]);
    scenario
}

#[test]
fn when_an_agents_phone_vanishes_in_mid_call_the_caller_is_the_next_to_be_served() {
    let mut scenario = enquiries(16, 2);
    scenario.phones[0].ending = Ending::Vanish(4 * SECOND);
    // Both agents talk, the third caller waits, then the first agent's phone vanishes.
    let mut short = to_an_agent(false);
    short.extend([Action::AwaitTone(60 * SECOND), Action::Wait(12 * SECOND), Action::HangUp]);
    let mut lost = to_an_agent(false);
    lost.extend([Action::AwaitTone(60 * SECOND), Action::Wait(40 * SECOND), Action::HangUp]);
    let world = ended(with_callers(scenario, vec![lost, short, conversation()]));
    let again = world.facts.iter().find(|f| matches!(f.what, What::Enqueued { entrance: Entrance::PhoneLost, .. }));
    let again = again.expect("the caller waits again");
    let dead = world.facts.iter().find(|f| matches!(f.what, What::Connected { .. })).unwrap().at + 4 * SECOND;
    assert!(again.at.since(dead) <= 10 * SECOND, "noticed within ten seconds: {:?}", again.at.since(dead));
    let served: Vec<_> = world.facts.iter().filter(|f| matches!(f.what, What::Connected { .. })).collect();
    let order: Vec<u64> = served.iter().map(|f| f.what.call().unwrap().0).collect();
    assert_eq!((order.len(), order[2]), (4, again.what.call().unwrap().0), "before who waited already: {order:?}");
    let away = |w: &What| matches!(w, What::AgentEntered { state: AgentState::NotReady, reason: Some(r), .. } if &**r == "phone_lost");
    assert_eq!(count(&world, away), 1, "nobody else is given to a dead phone");
}

#[test]
fn a_caller_who_gives_up_and_calls_again_soon_has_the_old_place() {
    for (pause, order) in [(2, [1, 4, 3]), (16, [1, 3, 4])] {
        let mut busy = to_an_agent(false);
        busy.extend([Action::AwaitTone(60 * SECOND), Action::Wait(SECOND * (14 + pause)), Action::HangUp]);
        let mut gives_up = to_an_agent(false);
        gives_up.extend([Action::Wait(3 * SECOND), Action::HangUp]);
        let patient = {
            let mut script = to_an_agent(false);
            script.extend([Action::AwaitTone(100 * SECOND), Action::Wait(2 * SECOND), Action::HangUp]);
            script
        };
        let mut scenario = with_callers(enquiries(25, 1), vec![busy, gives_up, patient.clone()]);
        scenario.setup.queues[0].redial_within = Some(12 * SECOND);
        let mut again = scenario.caller(3, patient);
        again.number = scenario.caller(1, Vec::new()).number;
        scenario.deeds.push((SECOND * (10 + pause), Deed::Call(Box::new(again))));
        let world = ended(scenario);
        let served = world.facts.iter().filter(|f| matches!(f.what, What::Connected { .. }));
        assert_eq!(served.map(|f| f.what.call().unwrap().0).collect::<Vec<_>>(), order, "after {pause} s");
        let resumed = |w: &What| matches!(w, What::Enqueued { entrance: Entrance::Resumed, .. });
        assert_eq!(count(&world, resumed), usize::from(pause < 12));
    }
}

/// Two callers talk to the only two agents, the first briefly; the second's number calls again in twelve seconds. Who
/// talks to the second, who to the third, and by which rule.
fn calls_again(talk: Duration, change: impl Fn(&mut Scenario)) -> (Name, Name, Rule) {
    let scripts = [SECOND, talk].map(|talk| {
        let mut script = to_an_agent(false);
        script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(talk), Action::HangUp]);
        script
    });
    let mut scenario = with_callers(enquiries(35, 2), scripts.into());
    let mut again = scenario.caller(2, conversation());
    again.number = scenario.caller(1, Vec::new()).number;
    scenario.deeds.push((12 * SECOND, Deed::Call(Box::new(again))));
    change(&mut scenario);
    let world = ended(scenario);
    let offers = |call| &world.records.iter().find(|record| record.call == CallId(call)).unwrap().offers;
    let (second, third) = (offers(2).last().unwrap(), offers(3).last().unwrap());
    (second.agent.clone(), third.agent.clone(), third.why.rule)
}

#[test]
fn who_calls_again_gets_the_agent_of_the_last_call_if_that_one_is_free_soon() {
    let unchanged = |_: &mut Scenario| {};
    let (last, now, rule) = calls_again(SECOND, unchanged);
    assert!(last == now && rule == Rule::PreferredAgent, "idle, though for a shorter time: {last} {now} {rule:?}");
    let (last, now, rule) = calls_again(10 * SECOND, unchanged);
    assert!(last == now && rule == Rule::PreferredAgent, "waited for, the other being idle: {last} {now} {rule:?}");
    let (last, now, rule) = calls_again(40 * SECOND, unchanged);
    assert!(last != now && rule != Rule::PreferredAgent, "not for ever: {last} {now} {rule:?}");
    let (last, now, rule) = calls_again(SECOND, |scenario| {
        let pause = |agent: &str| Request::NotReady { agent: agent.into(), reason: "lunch".into(), force: false };
        scenario.deeds.push((11 * SECOND, Deed::Ask(Box::new(pause("1002")))));
    });
    assert!(last != now && rule != Rule::PreferredAgent, "away: {last} {now} {rule:?}");
    let (.., rule) = calls_again(SECOND, |scenario| {
        let Deed::Call(again) = &mut scenario.deeds[2].1 else { panic!("the third call") };
        again.number = "anonymous".into();
    });
    assert_ne!(rule, Rule::PreferredAgent, "nobody knows who that is");
}

#[test]
fn a_caller_sent_to_another_queue_goes_before_those_who_came_later() {
    let mut scenario = enquiries(21, 2);
    scenario.setup.agents[1].skills = vec![("complaint".into(), 1)];
    let to_complaints = |wait| {
        let mut script = to_an_agent(false);
        script.pop();
        script.extend([Action::Press('2'), Action::AwaitTone(90 * SECOND), Action::Wait(wait), Action::HangUp]);
        script
    };
    let mut enquirer = to_an_agent(false);
    enquirer.extend([Action::AwaitTone(60 * SECOND), Action::Wait(30 * SECOND), Action::HangUp]);
    let scripts = vec![enquirer, to_complaints(20 * SECOND), to_complaints(2 * SECOND)];
    let mut scenario = with_callers(scenario, scripts);
    let to = Destination::Queue("complaint".into());
    scenario.deeds.push((12 * SECOND, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))));
    let world = ended(scenario);
    assert_eq!(count(&world, |w| matches!(w, What::Transferred { .. })), 1);
    let served = world.facts.iter().filter(|f| matches!(f.what, What::Connected { .. }));
    let order: Vec<u64> = served.map(|f| f.what.call().unwrap().0).collect();
    assert_eq!(order, [1, 2, 1, 3]);
    let record = world.records.iter().find(|record| record.call == CallId(1)).unwrap();
    assert_eq!(record.visits.iter().map(|v| v.since).collect::<Vec<_>>(), [record.visits[0].entered; 2]);
}

#[test]
fn a_caller_sent_to_a_queue_the_dialplan_does_not_know_hears_the_desks_music() {
    let mut scenario = enquiries(22, 1);
    let mut night = scenario.setup.queues[0].clone();
    night.name = "night".into();
    scenario.setup.queues.push(night);
    scenario.setup.queues.iter_mut().for_each(|queue| queue.wrap_up = 5 * SECOND);
    let mut scenario = with_callers(
        scenario,
        vec![{
            let mut script = to_an_agent(false);
            script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(25 * SECOND), Action::HangUp]);
            script
        }],
    );
    let to = Destination::Queue("night".into());
    scenario.deeds.push((12 * SECOND, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))));
    let world = ended(scenario);
    assert_eq!(count(&world, |w| matches!(w, What::NodeEntered { plan, .. } if &**plan == "desk/waiting")), 1);
    assert_eq!(count(&world, |w| matches!(w, What::Connected { .. })), 2);
}

#[test]
fn a_caller_sent_to_a_menu_comes_back_to_the_queue_with_the_first_time() {
    let mut scenario = enquiries(23, 1);
    scenario.setup.queues[0].wrap_up = 5 * SECOND;
    let mut script = to_an_agent(false);
    script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(12 * SECOND), Action::Press('1')]);
    script.extend([Action::Wait(15 * SECOND), Action::HangUp]);
    let mut scenario = with_callers(scenario, vec![script]);
    let to = Destination::Node("main".into());
    scenario.deeds.push((12 * SECOND, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))));
    let world = ended(scenario);
    assert_eq!(count(&world, |w| matches!(w, What::Enqueued { entrance: Entrance::Returned, .. })), 1);
    assert_eq!(count(&world, |w| matches!(w, What::Connected { .. })), 2);
}

const VERIFY: &str = r##"
name = "hotline"
start = "wait"
show = ["level", "checked"]
[variables]
level = "gold"
[node.wait]
queue = "enquiry"
served = "verify"
else = "bye"
[node.verify]
collect = "pin"
length = 4
secret = true
then = "back"
too_many = "bye"
[node.back]
set = { checked = "yes & no" }
then = "again"
[node.again]
queue = "enquiry"
agent = "$served_by"
wait_busy = true
else = "bye"
[node.bye]
hangup = true
"##;

/// IVR to agent to IVR and back: the agent is told the caller's data, also what the IVR asked meanwhile.
#[test]
fn a_caller_sent_to_the_ivr_comes_back_to_the_same_agent_with_what_was_asked() {
    let mut scenario = with_plan(Scenario::calm(27, 3), VERIFY);
    scenario.setup.queues[0].wrap_up = 4 * SECOND;
    let mut script = vec![Action::AwaitAnswer(30 * SECOND), Action::AwaitTone(60 * SECOND), Action::Wait(9 * SECOND)];
    script.extend(['4', '3', '2', '1'].map(Action::Press));
    script.extend([Action::Wait(8 * SECOND), Action::AwaitTone(60 * SECOND), Action::Wait(2 * SECOND), Action::HangUp]);
    let mut scenario = with_callers(scenario, vec![script]);
    let to = Destination::Node("verify".into());
    scenario.deeds.push((8 * SECOND, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))));
    let mut world = World::new(scenario);
    world.run(9 * SECOND);
    let Ok(Reply::Calls(rows)) = world.switch.handle_request(world.now(), Request::Calls) else { panic!("calls") };
    assert_eq!(rows[0].data, [("level".into(), "gold".into())].into(), "what is not set yet is not shown");
    world.run(60 * SECOND);
    world.settle(200 * SECOND);
    world.check_ended();
    let agents: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match &fact.what {
            What::Connected { party: Party::Agent(agent), .. } => Some(agent.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(agents.len(), 2, "{agents:?}");
    assert_eq!(agents[0], agents[1], "though two others were idle");
    assert_eq!(world.told, ["level=gold", "level=gold;checked=yes%20%26%20no"]);
}

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

#[test]
fn only_a_talking_caller_can_be_sent_on_and_only_to_where_there_is_something() {
    let mut world = World::new(with_callers(enquiries(24, 1), vec![conversation()]));
    let now = world.now();
    let to = |queue: &str| Request::Transfer { call: CallId(1), to: Destination::Queue(queue.into()) };
    assert!(matches!(world.switch.handle_request(now, to("enquiry")), Err(Denied::UnknownCall(_))));
    world.run(3 * SECOND);
    let now = world.now();
    assert!(matches!(world.switch.handle_request(now, to("enquiry")), Err(Denied::NotTalking(_))));
    world.run(5 * SECOND);
    let now = world.now();
    assert!(matches!(world.switch.handle_request(now, to("nowhere")), Err(Denied::UnknownQueue(_))));
    let node = Request::Transfer { call: CallId(1), to: Destination::Node("nowhere".into()) };
    assert!(matches!(world.switch.handle_request(now, node), Err(Denied::UnknownNode { .. })));
}

#[test]
fn of_three_phones_that_ring_at_once_the_first_to_answer_has_the_caller() {
    let mut scenario = Scenario::calm(60, 4);
    scenario.setup.queues.iter_mut().for_each(|queue| queue.policy.ring_max = 3);
    for agent in &mut scenario.setup.agents {
        agent.skills = scenario.setup.queues.iter().map(|queue| (queue.name.clone(), 1)).collect();
    }
    for (phone, after) in scenario.phones.iter_mut().zip([9, 3, 6, 1]) {
        phone.answering = Answering::After(after * SECOND, after * SECOND);
    }
    let mut world = ended(with_callers(scenario, vec![conversation()]));
    assert!(world.outcomes()[0].heard_partner());
    let how = |wanted| count(&world, |what| matches!(what, What::OfferEnded { outcome, .. } if *outcome == wanted));
    assert_eq!((how(OfferOutcome::Answered), how(OfferOutcome::Withdrawn)), (1, 2));
    assert_eq!(world.records[0].agent.as_deref(), Some("1002"), "three seconds, the fourth phone did not ring");
    let Ok(Reply::Agents(rows)) = world.switch.handle_request(world.now(), Request::Agents) else { panic!("agents") };
    assert!(rows.iter().all(|row| row.state == AgentState::Ready), "nobody is left ringing: {rows:?}");
}
