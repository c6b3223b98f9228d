//! What callers and agents notice: one small scene per rule.
#![allow(clippy::unwrap_used)]

mod scene;

use busyhour_acd::{
    AgentChoice, AgentSpec, CLASSES_MAX, Command, Denied, Enqueue, PERSONAL_MAX, QueueSpec, SKILLS_MAX, STEPS_MAX,
};
use busyhour_model::{AgentId, AgentState, CallId, DequeueReason, OfferOutcome, QueueId, SkillId, Time};
use scene::{Scene, call, queue};
use std::time::Duration;

const ENGLISH: SkillId = SkillId(1);

#[test]
fn a_caller_gets_the_agent_idle_longest() {
    let mut scene = Scene::new(queue(), &[&[], &[]]);
    assert_eq!(scene.enqueue(5, 1), ["a0 Ringing", "c1->a0"]);
    assert_eq!(scene.enqueue(6, 2), ["a1 Ringing", "c2->a1"]);
    assert_eq!(scene.enqueue(7, 3), [""; 0]);
    scene.accept(8, 1, 0);
    assert_eq!(scene.at(9, Command::Released { agent: AgentId(0) }), ["a0 Ringing", "c3->a0"]);
}

#[test]
fn generalists_stay_free_for_those_who_need_them() {
    let spec = QueueSpec { choice: AgentChoice::LeastSkilled, ..queue() };
    let mut scene = Scene::new(spec, &[&[(ENGLISH, 1)], &[]]);
    assert_eq!(scene.enqueue(5, 1), ["a1 Ringing", "c1->a1"]);
    let english = Enqueue { required: vec![(ENGLISH, 1)], ..call(2) };
    assert_eq!(scene.at(5, Command::Enqueue(english)), ["a0 Ringing", "c2->a0"]);
}

#[test]
fn a_caller_who_was_not_answered_is_next_and_the_agent_is_set_not_ready() {
    let mut scene = Scene::new(queue(), &[&[]]);
    scene.enqueue(5, 1);
    scene.enqueue(6, 2);
    let (call, agent) = (CallId(1), AgentId(0));
    let outcome = OfferOutcome::NoAnswer;
    assert_eq!(scene.at(20, Command::Declined { call, agent, outcome }), ["a0 NotReady no_answer"]);
    assert_eq!(scene.at(30, Command::Ready { agent }), ["a0 Ringing", "c1->a0"]);
}

#[test]
fn after_call_work_ends_by_itself_or_when_the_agent_says_so() {
    let spec = QueueSpec { wrap_up: Duration::from_secs(10), ..queue() };
    let mut scene = Scene::new(spec, &[&[]]);
    let agent = AgentId(0);
    scene.enqueue(5, 1);
    scene.accept(6, 1, 0);
    assert_eq!(scene.at(60, Command::Released { agent }), ["a0 WrapUp"]);
    assert_eq!(scene.acd.poll_timeout(), Some(Time::from_secs(70)));
    assert_eq!(scene.at(70, Command::Tick), ["a0 Ready"]);
    scene.enqueue(71, 2);
    scene.accept(72, 2, 0);
    scene.at(80, Command::NotReady { agent, reason: "lunch".into() });
    assert_eq!(scene.at(90, Command::Released { agent }), ["a0 WrapUp"]);
    assert_eq!(scene.at(100, Command::Tick), ["a0 NotReady lunch"]);
    scene.at(101, Command::Ready { agent });
    scene.enqueue(102, 3);
    scene.accept(103, 3, 0);
    scene.at(110, Command::Released { agent });
    assert_eq!(scene.at(111, Command::Ready { agent }), ["a0 Ready"]);
    assert_eq!(scene.acd.poll_timeout(), None);
}

#[test]
fn signing_out_waits_for_the_call_in_hand_but_not_for_ringing() {
    let mut scene = Scene::new(queue(), &[&[], &[]]);
    let agent = AgentId(0);
    scene.enqueue(5, 1);
    assert_eq!(scene.at(6, Command::SignOut { agent }), ["c1<-a0", "a0 SignedOut", "a1 Ringing", "c1->a1"]);
    scene.accept(7, 1, 1);
    assert_eq!(scene.at(8, Command::SignOut { agent: AgentId(1) }), [""; 0]);
    assert_eq!(scene.state(1), AgentState::Talking);
    assert_eq!(scene.at(9, Command::Released { agent: AgentId(1) }), ["a1 SignedOut"]);
}

#[test]
fn callers_overflow_when_they_waited_too_long_when_it_is_full_and_when_nobody_is_there() {
    let spec = QueueSpec {
        wait_max: Some(Duration::from_secs(30)),
        waiting_max: Some(1),
        overflow_no_agents: true,
        ..queue()
    };
    let mut scene = Scene::new(spec, &[&[]]);
    scene.enqueue(5, 1);
    scene.enqueue(6, 2);
    assert_eq!(scene.enqueue(7, 3), ["c3 Full"]);
    assert_eq!(scene.acd.poll_timeout(), Some(Time::from_secs(36)));
    assert_eq!(scene.at(36, Command::Tick), ["c2 TimedOut"]);
    scene.enqueue(37, 4);
    let out = scene.at(38, Command::SignOut { agent: AgentId(0) });
    assert_eq!(out, ["c1<-a0", "a0 SignedOut", "c1 NoAgents", "c4 NoAgents"]);
    assert_eq!(scene.enqueue(39, 5), ["c5 NoAgents"]);
}

#[test]
fn who_had_a_place_gets_it_back_though_the_queue_is_full() {
    let mut scene = Scene::new(QueueSpec { waiting_max: Some(1), ..queue() }, &[&[]]);
    scene.enqueue(1, 1);
    scene.accept(1, 1, 0);
    scene.enqueue(2, 2);
    scene.at(3, Command::Leave { call: CallId(2) });
    scene.enqueue(4, 3);
    let back = Enqueue { since: Time::from_secs(2), ..call(2) };
    assert!(scene.at(5, Command::Enqueue(back)).is_empty(), "one more than the queue takes, but no new one");
    assert_eq!(scene.enqueue(6, 4), ["c4 Full"]);
    assert_eq!(scene.at(7, Command::Released { agent: AgentId(0) })[1], "c2->a0", "ahead of who came meanwhile");
}

#[test]
fn a_call_that_needs_more_than_anyone_here_can_relaxes_on_time() {
    let relax = vec![(Duration::from_secs(15), vec![(ENGLISH, 1)])];
    let spec = QueueSpec { required: vec![(ENGLISH, 3)], relax, ..queue() };
    let mut scene = Scene::new(spec, &[&[(ENGLISH, 1)]]);
    assert_eq!(scene.enqueue(5, 1), [""; 0]);
    assert_eq!(scene.acd.poll_timeout(), Some(Time::from_secs(20)));
    assert_eq!(scene.at(20, Command::Tick), ["a0 Ringing", "c1->a0"]);
}

#[test]
fn a_need_is_not_relaxed_a_microsecond_too_early() {
    let relax = vec![(Duration::from_secs(15), vec![(ENGLISH, 1)])];
    let spec = QueueSpec { required: vec![(ENGLISH, 3)], relax, ..queue() };
    let mut scene = Scene::new(spec, &[&[(ENGLISH, 1)]]);
    let since = Time::from_micros(5_000_001);
    let placed = Command::Enqueue(Enqueue { since, ..call(1) });
    assert_eq!(scene.at(20, placed), [""; 0], "with a place of 14.999999 s ago");
    assert_eq!(scene.acd.poll_timeout(), Some(Time::from_micros(20_000_001)));
}

#[test]
fn a_caller_who_keyed_an_agent_number_waits_for_that_agent_before_all_others() {
    let mut scene = Scene::new(queue(), &[&[], &[]]);
    scene.enqueue(5, 1);
    scene.enqueue(5, 2);
    scene.enqueue(6, 3);
    scene.at(7, Command::Enqueue(Enqueue { agent: Some(AgentId(0)), ..call(4) }));
    scene.accept(8, 1, 0);
    scene.accept(8, 2, 1);
    assert_eq!(scene.at(9, Command::Released { agent: AgentId(1) }), ["a1 Ringing", "c3->a1"]);
    assert_eq!(scene.at(9, Command::Released { agent: AgentId(0) }), ["a0 Ringing", "c4->a0"]);
}

#[test]
fn an_agent_on_the_phone_is_never_given_a_second_call() {
    let spec = QueueSpec { wrap_up: Duration::from_secs(10), ..queue() };
    let mut scene = Scene::new(spec, &[&[]]);
    let agent = AgentId(0);
    assert_eq!(scene.at(1, Command::Occupy { agent, call: CallId(77) }), ["a0 Talking"]);
    assert_eq!(scene.enqueue(5, 1), [""; 0]);
    let again = scene.try_at(6, Command::Occupy { agent, call: CallId(78) });
    assert_eq!(again, Err(Denied::WrongState { agent, state: AgentState::Talking }));
    assert_eq!(scene.at(7, Command::Released { agent }), ["a0 Ringing", "c1->a0"], "own calls have no wrap-up");
    scene.accept(8, 1, 0);
    scene.at(9, Command::Released { agent });
    assert_eq!(scene.at(12, Command::Occupy { agent, call: CallId(79) }), ["a0 Talking"], "calls back in wrap-up");
    scene.enqueue(13, 2);
    assert_eq!(scene.at(30, Command::Released { agent }), ["a0 WrapUp"]);
    assert_eq!(scene.at(40, Command::Tick), ["a0 Ringing", "c2->a0"]);
}

#[test]
fn a_skill_taught_in_the_middle_of_the_day_counts_at_once() {
    let spec = QueueSpec { required: vec![(ENGLISH, 2)], ..queue() };
    let mut scene = Scene::new(spec, &[&[(ENGLISH, 1)]]);
    scene.enqueue(5, 1);
    let spec = AgentSpec::new(AgentId(0), vec![(ENGLISH, 2)]);
    assert_eq!(scene.at(6, Command::SetAgent(spec)), ["a0 Ringing", "c1->a0"]);
}

#[test]
fn a_late_tick_changes_nothing_but_the_time_of_telling() {
    let spec = QueueSpec { wait_max: Some(Duration::from_secs(30)), ..queue() };
    let mut scene = Scene::new(spec, &[]);
    scene.enqueue(5, 1);
    let agent = AgentId(0);
    scene.at(40, Command::SetAgent(AgentSpec::new(agent, Vec::new())));
    assert_eq!(scene.at(41, Command::SignIn { agent, not_ready: None }), ["a0 Ready"], "the call overflowed at 35");
}

#[test]
fn boards_see_agents_and_queues() {
    let mut scene = Scene::new(queue(), &[&[], &[]]);
    scene.enqueue(5, 1);
    scene.enqueue(6, 2);
    scene.enqueue(7, 3);
    let agent = scene.acd.agent(AgentId(1)).unwrap();
    assert_eq!((agent.state, agent.since, agent.call), (AgentState::Ringing, Time::from_secs(6), Some(CallId(2))));
    let view = scene.acd.queue(QueueId(0)).unwrap();
    assert_eq!((view.waiting, view.ringing, view.oldest), (1, 2, Some(Time::from_secs(7))));
    assert_eq!((view.agents_signed_in, view.agents_ready), (2, 0));
    let mut waiting: Vec<_> = scene.acd.waiting().collect();
    waiting.sort();
    let offered = |call, agent| (CallId(call), QueueId(0), Some(AgentId(agent)));
    assert_eq!(waiting, [offered(1, 0), offered(2, 1), (CallId(3), QueueId(0), None)]);
    let counts = scene.acd.counts();
    assert_eq!((counts.waiting, counts.ringing, counts.agents, counts.groups, counts.classes), (1, 2, 2, 1, 1));
}

#[test]
fn a_supervisor_stops_an_offer_and_an_agent_takes_more_time() {
    let spec = QueueSpec { wrap_up: Duration::from_secs(10), ..queue() };
    let mut scene = Scene::new(spec, &[&[], &[]]);
    let (a0, a1) = (AgentId(0), AgentId(1));
    scene.enqueue(5, 1);
    let reason = "coaching".into();
    let told = scene.at(6, Command::ForceNotReady { agent: a0, reason });
    assert_eq!(told, ["c1<-a0", "a0 NotReady coaching", "a1 Ringing", "c1->a1"]);
    scene.accept(7, 1, 1);
    let denied = scene.try_at(8, Command::ExtendWrapUp { agent: a1, by: Duration::from_secs(20) });
    assert_eq!(denied, Err(Denied::WrongState { agent: a1, state: AgentState::Talking }));
    scene.at(10, Command::Released { agent: a1 });
    scene.at(15, Command::ExtendWrapUp { agent: a1, by: Duration::from_secs(20) });
    assert_eq!(scene.at(20, Command::Tick), [""; 0]);
    assert_eq!(scene.at(40, Command::Tick), ["a1 Ready"]);
}

#[test]
fn what_cannot_be_done_says_why_and_changes_nothing() {
    let mut scene = Scene::new(queue(), &[&[]]);
    scene.enqueue(5, 1);
    scene.enqueue(5, 2);
    let before = scene.acd.clone();
    let (agent, nobody, call1) = (AgentId(0), AgentId(9), CallId(1));
    let state = AgentState::Ringing;
    let many = vec![(ENGLISH, 1); SKILLS_MAX + 1];
    let limit = |what, max| Denied::Limit { what, max };
    for (command, denied) in [
        (Command::Ready { agent: nobody }, Denied::UnknownAgent(nobody)),
        (Command::Leave { call: CallId(9) }, Denied::UnknownCall(CallId(9))),
        (Command::Enqueue(call(1)), Denied::AlreadyQueued(call1)),
        (Command::Enqueue(Enqueue { queue: QueueId(9), ..call(3) }), Denied::UnknownQueue(QueueId(9))),
        (Command::Enqueue(Enqueue { agent: Some(nobody), ..call(3) }), Denied::UnknownAgent(nobody)),
        (Command::RemoveQueue { queue: QueueId(0) }, Denied::NotEmpty(QueueId(0))),
        (Command::RemoveAgent { agent }, Denied::WrongState { agent, state }),
        (Command::Released { agent }, Denied::WrongState { agent, state }),
        (Command::SignIn { agent, not_ready: None }, Denied::WrongState { agent, state }),
        (Command::Accepted { call: CallId(2), agent }, Denied::WrongState { agent, state }),
        (Command::Enqueue(Enqueue { required: many.clone(), ..call(3) }), limit("skills", SKILLS_MAX)),
        (Command::SetAgent(AgentSpec::new(agent, many.clone())), limit("skills", SKILLS_MAX)),
        (Command::SetQueue(Box::new(QueueSpec { required: many, ..queue() })), limit("skills", SKILLS_MAX)),
        (
            Command::SetQueue(Box::new(QueueSpec {
                relax: vec![(Duration::ZERO, Vec::new()); STEPS_MAX + 1],
                ..queue()
            })),
            limit("relaxation steps", STEPS_MAX),
        ),
        (
            Command::SetQueue(Box::new(QueueSpec { id: QueueId(u32::MAX), ..queue() })),
            limit("queue id", busyhour_acd::QUEUES_MAX - 1),
        ),
        (
            Command::SetAgent(AgentSpec::new(AgentId(u32::MAX), Vec::new())),
            limit("agent id", busyhour_acd::AGENTS_MAX - 1),
        ),
    ] {
        assert_eq!(scene.try_at(5, command.clone()), Err(denied), "{command:?}");
        assert_eq!(scene.acd, before, "{command:?}");
    }
}

#[test]
fn requirements_nobody_uses_any_more_make_room_for_new_ones() {
    let mut scene = Scene::new(queue(), &[]);
    let mut out = Vec::new();
    for priority in 1..(CLASSES_MAX as i32 + 50) {
        let wish = Enqueue { priority, ..call(1) };
        scene.acd.apply(Time::from_secs(1), Command::Enqueue(wish), &mut out).unwrap();
        scene.acd.apply(Time::from_secs(1), Command::Leave { call: CallId(1) }, &mut out).unwrap();
    }
    assert_eq!(scene.acd.counts().classes, CLASSES_MAX);
    assert_eq!(scene.enqueue(2, 1), [""; 0], "the queue's own class is kept");
}

#[test]
fn an_agents_personal_list_is_bounded() {
    let mut scene = Scene::new(queue(), &[&[]]);
    scene.at(1, Command::NotReady { agent: AgentId(0), reason: "lunch".into() });
    for id in 0..u64::from(PERSONAL_MAX) {
        assert_eq!(scene.at(2, Command::Enqueue(Enqueue { agent: Some(AgentId(0)), ..call(id) })), [""; 0]);
    }
    let one_more = Enqueue { agent: Some(AgentId(0)), ..call(999) };
    assert_eq!(scene.at(3, Command::Enqueue(one_more)), [format!("c999 {:?}", DequeueReason::Full)]);
}
