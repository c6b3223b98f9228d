//! What a queue's policy changes for callers and agents: one small scene per key.
#![allow(clippy::unwrap_used)]

mod scene;

use busyhour_acd::{AgentSpec, Command, Enqueue, LookAhead, Need, Order, Policy, QueueSpec, Reserve, Skill, Whom};
use busyhour_model::{AgentId, AgentState, CallId, QueueId, SkillId, Time};
use scene::{Scene, call, queue, serve};
use std::time::Duration;

#[test]
fn the_order_of_agents_is_the_queues_choice() {
    let table: [(Order, [u32; 5]); 5] = [
        (Order::LongestIdle, [0, 1, 2, 0, 1]),
        (Order::Linear, [0, 0, 0, 0, 0]),
        (Order::RoundRobin, [0, 1, 2, 0, 1]),
        (Order::FewestCalls, [0, 1, 2, 0, 1]),
        (Order::LeastOccupied, [0, 1, 2, 0, 1]),
    ];
    for (order, served) in table {
        let policy = Policy { order, ..Policy::default() };
        let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[], &[], &[]]);
        let rung: Vec<u32> = (1..6).map(|id| serve(&mut scene, 10 * id, id)).collect();
        assert_eq!(rung, served, "{order:?}");
    }
}

#[test]
fn by_lot_chances_are_the_weights() {
    let policy = Policy { order: Order::Random, ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[], &[]]);
    let spec = AgentSpec { weight: 3, ..AgentSpec::new(AgentId(1), Vec::new()) };
    scene.at(1, Command::SetAgent(spec));
    let rung: u32 = (1..2_001).map(|id| serve(&mut scene, 10 * id, id)).sum();
    assert!((1_420..1_580).contains(&rung), "three in four of 2000, not {rung}");
}

#[test]
fn the_fastest_at_this_business_is_first_but_not_after_one_lucky_call() {
    let policy = Policy { order: Order::Fastest, ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[], &[]]);
    let mut now = 0;
    let mut rung = Vec::new();
    for id in 1..80 {
        let told = scene.enqueue(now, id);
        let agent: u32 = told.last().unwrap().split("->a").nth(1).unwrap().parse().unwrap();
        rung.push(agent);
        scene.accept(now, id, agent);
        // Agent 0 takes two minutes, agent 1 a minute.
        now += if agent == 0 { 120 } else { 60 };
        scene.at(now, Command::Released { agent: AgentId(agent) });
        now += 1;
    }
    assert!(rung[..8].contains(&0) && rung[..8].contains(&1), "both are tried: {rung:?}");
    assert!(rung[20..].iter().all(|&agent| agent == 1), "{rung:?}");
}

#[test]
fn who_is_preferred_comes_first_and_who_is_excluded_never() {
    let skill = |id| Need::Skill(SkillId(id), 1);
    let policy = Policy {
        need: Some(Need::All(vec![Need::Any(vec![skill(1), skill(2)]), Need::Not(skill(9).into())])),
        preferred: Some(skill(2)),
        ..Policy::default()
    };
    let agents: [&[Skill]; 4] =
        [&[(SkillId(1), 1)], &[(SkillId(2), 1)], &[(SkillId(2), 1), (SkillId(9), 1)], &[(SkillId(3), 1)]];
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &agents);
    assert_eq!(scene.enqueue(5, 1), ["a1 Ringing", "c1->a1"]);
    assert_eq!(scene.enqueue(5, 2), ["a0 Ringing", "c2->a0"]);
    assert_eq!(scene.enqueue(5, 3), [""; 0]);
}

#[test]
fn another_site_helps_after_a_while() {
    let policy = Policy { sites: vec![(1, Duration::ZERO), (2, Duration::from_secs(30))], ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[]);
    for (id, site) in [(0, 2), (1, 1), (2, 3)] {
        let agent = AgentId(id);
        scene.at(1, Command::SetAgent(AgentSpec { site, ..AgentSpec::new(agent, Vec::new()) }));
        scene.at(1, Command::SignIn { agent, not_ready: None });
    }
    assert_eq!(scene.enqueue(5, 1), ["a1 Ringing", "c1->a1"]);
    assert_eq!(scene.enqueue(6, 2), [""; 0]);
    assert_eq!(scene.acd.poll_timeout(), Some(Time::from_secs(36)));
    assert_eq!(scene.at(36, Command::Tick), ["a0 Ringing", "c2->a0"]);
    assert_eq!(scene.enqueue(37, 3), [""; 0], "site 3 is not on the list");
}

#[test]
fn reserved_agents_are_left_for_others() {
    let reserve = vec![Reserve { of: Need::All(Vec::new()), keep: 1 }];
    let mut scene = Scene::new(QueueSpec { policy: Policy { reserve, ..Policy::default() }, ..queue() }, &[&[], &[]]);
    let vip = QueueSpec { id: QueueId(1), ..queue() };
    scene.at(1, Command::SetQueue(vip));
    assert_eq!(scene.enqueue(5, 1), ["a0 Ringing", "c1->a0"]);
    assert_eq!(scene.enqueue(6, 2), [""; 0], "the last one is kept");
    assert_eq!(scene.at(7, Command::Enqueue(Enqueue { queue: QueueId(1), ..call(3) })), ["a1 Ringing", "c3->a1"]);
    scene.accept(8, 1, 0);
    scene.accept(8, 3, 1);
    assert_eq!(scene.at(9, Command::Released { agent: AgentId(0) }), ["a0 Ready"]);
    assert_eq!(scene.at(10, Command::Released { agent: AgentId(1) }), ["a1 Ringing", "c2->a1"], "now two are free");
}

#[test]
fn a_weight_makes_a_queue_age_faster() {
    let mut scene = Scene::new(queue(), &[&[]]);
    let heavy = Policy { weight: 300, ..Policy::default() };
    scene.at(1, Command::SetQueue(QueueSpec { id: QueueId(1), policy: heavy, ..queue() }));
    scene.enqueue(5, 1);
    scene.accept(6, 1, 0);
    scene.enqueue(10, 2);
    scene.at(50, Command::Enqueue(Enqueue { queue: QueueId(1), ..call(3) }));
    let spare = scene.acd.clone();
    assert_eq!(scene.at(60, Command::Released { agent: AgentId(0) }), ["a0 Ringing", "c2->a0"], "250 points to 150");
    scene.acd = spare;
    assert_eq!(scene.at(80, Command::Released { agent: AgentId(0) }), ["a0 Ringing", "c3->a0"], "350 points to 450");
}

#[test]
fn callers_who_would_wait_too_long_are_told_at_once() {
    let policy = Policy { wait_predicted_max: Some(Duration::from_secs(150)), ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[]]);
    scene.enqueue(5, 1);
    scene.accept(5, 1, 0);
    scene.at(105, Command::Released { agent: AgentId(0) });
    scene.enqueue(106, 2);
    scene.accept(106, 2, 0);
    assert_eq!(scene.enqueue(107, 3), [""; 0], "100 s");
    assert_eq!(scene.enqueue(108, 4), ["c4 Full"], "200 s");
}

#[test]
fn a_wait_is_foreseen_without_touching_anything() {
    let mut scene = Scene::new(queue(), &[&[], &[]]);
    let how = LookAhead { replications: 400, ..LookAhead::default() };
    let look = |scene: &Scene, secs, whom| scene.acd.look_ahead(Time::from_secs(secs), &[whom], &how)[0];
    let next = Whom::Next(QueueId(0));
    assert_eq!(look(&scene, 1, next).unwrap().mean, Duration::ZERO, "somebody is free");
    for id in 0..200 {
        serve(&mut scene, 100 * id, id);
        // Talks of 49 s on top.
        scene.enqueue(100 * id + 2, 1_000 + id);
        let agent = scene.acd.agents().find(|agent| agent.state == AgentState::Ringing).unwrap().agent;
        scene.accept(100 * id + 2, 1_000 + id, agent.0);
        scene.at(100 * id + 51, Command::Released { agent });
    }
    assert_eq!(look(&scene, 20_000, Whom::Call(CallId(5))), None, "gone");
    for id in 5_000..5_006 {
        scene.enqueue(20_000, id);
    }
    for (id, agent) in [(5_000, 0), (5_001, 1)] {
        scene.accept(20_000, id, agent);
    }
    let before = scene.acd.clone();
    let last = look(&scene, 20_000, Whom::Call(CallId(5_005))).unwrap();
    assert_eq!(look(&scene, 20_000, Whom::Call(CallId(5_005))), Some(last), "same seed, same forecast");
    assert_eq!(scene.acd, before);
    let both = [Whom::Call(CallId(5_005)), Whom::Call(CallId(9)), Whom::Call(CallId(5_002)), next];
    let told = scene.acd.look_ahead(Time::from_secs(20_000), &both, &how);
    let [Some(fourth), None, Some(first), Some(fifth)] = told[..] else { panic!("{told:?}") };
    assert!(first.mean < fourth.mean && fourth.mean < fifth.mean, "{told:?}");
    // Talks of 25 s on average, two agents: three ahead take four ends of 12.5 s each.
    let mean = last.mean.as_secs_f64();
    assert!(last.ahead == 3 && (45.0..55.0).contains(&mean), "{last:?}");
    assert_eq!(last.at(1), last.mean / 2, "half the place, half the wait");
    assert!(last.most > last.mean);
}

#[test]
fn a_skill_that_ends_at_midnight_is_not_asked_for_at_midnight() {
    let skill = (SkillId(1), 1);
    let mut scene = Scene::new(QueueSpec { required: vec![skill], overflow_no_agents: true, ..queue() }, &[]);
    let expires = vec![(skill.0, Time::from_secs(100))];
    scene.at(1, Command::SetAgent(AgentSpec { expires, ..AgentSpec::new(AgentId(0), vec![skill]) }));
    scene.at(1, Command::SignIn { agent: AgentId(0), not_ready: None });
    assert_eq!(scene.enqueue(99, 1), ["a0 Ringing", "c1->a0"]);
    assert_eq!(scene.enqueue(99, 2), [""; 0], "waits for the one who has the skill");
    assert_eq!(scene.at(100, Command::Tick), ["c2 NoAgents"], "nobody has it any more");
    scene.accept(101, 1, 0);
    assert_eq!(scene.at(102, Command::Released { agent: AgentId(0) }), ["a0 Ready"], "the call in hand went on");
}

#[test]
fn an_agent_takes_the_preferred_business_first() {
    let mut scene = Scene::new(queue(), &[]);
    scene.at(0, Command::SetQueue(QueueSpec { id: QueueId(1), ..queue() }));
    let prefers = vec![(QueueId(1), 50)];
    scene.at(0, Command::SetAgent(AgentSpec { prefers, ..AgentSpec::new(AgentId(0), Vec::new()) }));
    scene.enqueue(1, 1);
    scene.at(2, Command::Enqueue(Enqueue { queue: QueueId(1), ..call(2) }));
    scene.at(11, Command::Enqueue(Enqueue { queue: QueueId(1), ..call(3) }));
    // 60, 55 + 50 and 10 + 50 points: a call gains 100 in 20 seconds.
    assert_eq!(scene.at(13, Command::SignIn { agent: AgentId(0), not_ready: None }), ["a0 Ringing", "c2->a0"]);
    scene.accept(13, 2, 0);
    // 65 and 15 + 50: who waits longer.
    assert_eq!(scene.at(14, Command::Released { agent: AgentId(0) }), ["a0 Ringing", "c1->a0"]);
}
