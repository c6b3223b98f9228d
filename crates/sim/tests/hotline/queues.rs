//! Who waits: the order of service, closing hours, giving up and coming back.

use crate::stage::{SECOND, cause, conversation, count, ended, enquiries, with_callers};
use busyhour_ledger::VisitEnd;
use busyhour_model::calendar::Clock;
use busyhour_model::{
    CallId, Cause, Days, DequeueReason, Entrance, Name, OfferOutcome, Opening, Pattern, Rule, Schedule, What,
};
use busyhour_sim::peer::{Action, Answering};
use busyhour_sim::{Deed, Scenario, World, to_an_agent};
use busyhour_switch::{Closing, Reply, Request, TierSetup};
use std::time::Duration;

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
