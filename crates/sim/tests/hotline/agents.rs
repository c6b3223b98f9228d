//! Agents answer, hold, refuse, vanish and dial.

use crate::stage::{SECOND, cause, conversation, count, dial, ended, enquiries, with_callers};
use busyhour_model::{AgentState, Cause, Deafness, Entrance, Fact, G711, OfferOutcome, Unheard, What};
use busyhour_sim::peer::{Action, Answering, Ending};
use busyhour_sim::{Deed, Scenario, World, to_an_agent};
use busyhour_switch::{Reply, Request};
use std::time::Duration;

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
fn who_talked_is_in_the_record_and_the_sound_was_fine() {
    let world = ended(with_callers(Scenario::calm(1, 3), vec![conversation()]));
    let record = &world.records[0];
    let talk = record.talk;
    assert!(talk.ms > 5_000 && talk.ms == record.talk_ms, "{talk:?} of {} ms", record.talk_ms);
    assert!(talk.both_ms * 20 > talk.ms * 19 && talk.silence_ms * 20 < talk.ms, "both send a tone: {talk:?}");
    assert!(record.legs.iter().all(|leg| leg.mos_in.is_some_and(|mos| mos > 4.3)), "{record:?}");
    assert!(record.legs.iter().all(|leg| leg.fax.is_none() && leg.unheard.is_none()), "{record:?}");
}

#[test]
fn an_agent_who_is_not_heard_is_named_with_the_cause_while_the_call_goes_on() {
    let mut scenario = Scenario::calm(1, 1);
    scenario.setup.agent_silence_timeout = Duration::ZERO;
    scenario.phones[0].tone_hz = 0;
    let mut script = to_an_agent(false);
    script.extend([Action::Wait(20 * SECOND), Action::HangUp]);
    let world = ended(with_callers(scenario, vec![script]));
    let record = &world.records[0];
    let named = |fact: &&Fact| matches!(fact.what, What::Unheard(Unheard { why: Deafness::NothingCame, .. }));
    let named: Vec<_> = world.facts.iter().filter(named).collect();
    let connected = world.facts.iter().find(|fact| matches!(fact.what, What::Connected { .. })).unwrap();
    assert_eq!(named.iter().map(|fact| fact.at).collect::<Vec<_>>(), [connected.at + 4 * SECOND]);
    assert_eq!(record.legs.iter().map(|leg| leg.unheard).collect::<Vec<_>>(), [None, Some(Deafness::NothingCame)]);
    let talk = record.talk;
    assert!(talk.partner_ms == 0 && talk.both_ms == 0 && talk.caller_ms * 20 > talk.ms * 19, "{talk:?}");
}

#[test]
fn an_a_law_caller_understands_a_mu_law_agent() {
    let mut scenario = Scenario::calm(2, 1);
    scenario.phones[0].codecs = vec![G711::Mu];
    scenario.setup.agents[0].skills = vec![("enquiry".into(), 1)];
    let mut scenario = with_callers(scenario, vec![conversation()]);
    if let Deed::Call(caller) = &mut scenario.deeds[0].1 {
        caller.codecs = vec![G711::A];
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
fn an_agent_who_takes_a_caller_that_has_us_on_hold_hears_music_until_the_caller_is_back() {
    let mut scenario = Scenario::calm(9, 4);
    let hold = |on| Deed::Hold { number: "1004".into(), on };
    let hang_up = Deed::HangUp { number: "1004".into() };
    for (at, deed) in [(2, dial("1004", "95118")), (30, hold(true)), (52, hold(false)), (58, hang_up)] {
        scenario.deeds.push((at * SECOND, deed));
    }
    let world = ended(scenario);
    let record = &world.records[0];
    let connected = world.facts.iter().find(|fact| matches!(fact.what, What::Connected { .. })).unwrap().at;
    let held = |fact: &Fact| match fact.what {
        What::Held { on, .. } => Some((on, fact.at == connected)),
        _ => None,
    };
    assert_eq!(world.facts.iter().filter_map(held).collect::<Vec<_>>(), [(true, true), (false, false)], "{record:?}");
    assert!(record.hold_ms > 5_000 && (5_500..7_000).contains(&record.talk_ms), "{record:?}");
    let ear = &world.phone_outcomes(record.agent.as_deref().unwrap())[0];
    assert!(ear.heard.packets > 600 && ear.heard.sound == ear.heard.packets, "music, then a voice: {ear:?}");
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
    scenario.deeds.push((5 * SECOND, dial("1001", "1002")));
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
