//! What a queue's policy changes for callers and agents: one small scene per key.
#![allow(clippy::unwrap_used)]

mod scene;

use busyhour_acd::{
    AgentSpec, Command, Enqueue, LookAhead, Need, NoAnswer, Order, Policy, Prefer, QueueSpec, Reserve, Skill, Weights,
    Whom,
};
use busyhour_model::{AgentId, AgentState, CallId, OfferOutcome, QueueId, SkillId, Time};
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
    scene.at(1, Command::SetQueue(Box::new(vip)));
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
    scene.at(1, Command::SetQueue(Box::new(QueueSpec { id: QueueId(1), policy: heavy, ..queue() })));
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
    assert!(last.spot.ahead == 3 && (45.0..55.0).contains(&mean), "{last:?}");
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
    scene.at(0, Command::SetQueue(Box::new(QueueSpec { id: QueueId(1), ..queue() })));
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

#[test]
fn who_misses_a_call_stays_ready_until_it_happens_too_often_and_then_rests_a_while() {
    let no_answer = NoAnswer { misses_max: 2, pause: Some(Duration::from_secs(30)) };
    let policy = Policy { no_answer, ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[], &[]]);
    let missed = |agent| Command::Declined { call: CallId(1), agent: AgentId(agent), outcome: OfferOutcome::NoAnswer };
    assert_eq!(scene.enqueue(5, 1), ["a0 Ringing", "c1->a0"]);
    assert_eq!(scene.at(20, missed(0)), ["a1 Ringing", "c1->a1", "a0 Ready"], "the other one first");
    assert_eq!(scene.at(35, missed(1)), ["a0 Ringing", "c1->a0", "a1 Ready"]);
    assert_eq!(scene.at(50, missed(0)), ["a0 NotReady no_answer", "a1 Ringing", "c1->a1"], "the second in a row");
    scene.accept(51, 1, 1);
    scene.at(52, Command::Released { agent: AgentId(1) });
    assert_eq!(scene.enqueue(53, 3), ["a1 Ringing", "c3->a1"]);
    let missed_again = Command::Declined { call: CallId(3), agent: AgentId(1), outcome: OfferOutcome::NoAnswer };
    assert_eq!(scene.at(60, missed_again), ["a1 Ringing", "c3->a1"], "not in a row: one was taken between");
    scene.accept(61, 3, 1);
    assert_eq!(scene.at(80, Command::Tick), ["a0 Ready"]);
    let unreachable = Command::Declined { call: CallId(2), agent: AgentId(0), outcome: OfferOutcome::Unreachable };
    assert_eq!(scene.enqueue(81, 2), ["a0 Ringing", "c2->a0"]);
    assert_eq!(scene.at(82, unreachable), ["a0 NotReady unreachable"], "a phone that is gone is no matter of patience");
    assert_eq!(scene.at(500, Command::Tick), [""; 0]);
}

#[test]
fn the_dynamic_queue_weighs_skill_load_business_and_efficiency() {
    let card = SkillId(1);
    let weights = |skill, load, business, efficiency| {
        let weights = Weights { skill, load, business, efficiency };
        let policy = Policy { order: Order::Weighted, weights, ..Policy::default() };
        QueueSpec { policy, required: vec![(card, 1)], ..queue() }
    };
    // Agent 0 knows most, agent 1 likes this queue, agent 2 is fast; agent 1 was busiest.
    let rung = |queue: QueueSpec| {
        let fastest = QueueSpec { policy: Policy { order: Order::Weighted, ..Policy::default() }, ..queue.clone() };
        let mut scene = Scene::new(fastest, &[]);
        for (id, level, points) in [(0, 90, 0), (1, 50, 80), (2, 40, 0)] {
            let (agent, prefers) = (AgentId(id), vec![(QueueId(0), points)]);
            scene.at(0, Command::SetAgent(AgentSpec { prefers, ..AgentSpec::new(agent, vec![(card, level)]) }));
        }
        let mut now = 0;
        for (round, (agent, secs)) in [(0, 100), (2, 20), (1, 400), (0, 100), (2, 20), (1, 400)].into_iter().enumerate()
        {
            scene.at(now, Command::SignIn { agent: AgentId(agent), not_ready: None });
            scene.enqueue(now, round as u64);
            scene.accept(now, round as u64, agent);
            scene.at(now + secs, Command::Released { agent: AgentId(agent) });
            scene.at(now + secs, Command::SignOut { agent: AgentId(agent) });
            now += secs;
        }
        scene.at(now, Command::SetQueue(Box::new(queue)));
        for agent in [1, 2, 0].map(AgentId) {
            scene.at(now, Command::SignIn { agent, not_ready: None });
        }
        scene.enqueue(now, 99).last().unwrap().clone()
    };
    assert_eq!(rung(weights(1, 0, 0, 0)), "c99->a0");
    assert_eq!(rung(weights(0, 0, 1, 0)), "c99->a1");
    assert_eq!(rung(weights(0, 0, 0, 1)), "c99->a2");
    assert_eq!(rung(weights(0, 1, 0, 0)), "c99->a2", "the least occupied of late");
    assert_eq!(rung(weights(0, 0, 0, 0)), "c99->a1", "nothing counts: the longest idle");
    assert_eq!(rung(weights(50, 0, 20, 0)), "c99->a0", ".45 + 0 against .25 + .16");
}

#[test]
fn a_caller_waits_a_little_for_the_last_agent_and_then_for_anybody() {
    let mut scene = Scene::new(queue(), &[&[], &[]]);
    let wishes = |id, patience| {
        let prefer = Some(Prefer { agent: AgentId(1), patience: Duration::from_secs(patience) });
        Command::Enqueue(Enqueue { prefer, ..call(id) })
    };
    assert_eq!(scene.at(1, wishes(1, 0)), ["a1 Ringing", "c1->a1"], "not the longest idle, but the wished for");
    scene.accept(2, 1, 1);
    assert_eq!(scene.at(3, wishes(2, 0)), ["a0 Ringing", "c2->a0"], "busy, and no patience");
    scene.accept(4, 2, 0);
    scene.at(5, wishes(3, 20));
    scene.at(5, wishes(4, 40));
    assert_eq!(scene.at(10, Command::Released { agent: AgentId(0) }), ["a0 Ready"], "both wait for agent 1");
    assert_eq!(scene.at(25, Command::Tick), ["a0 Ringing", "c3->a0"], "twenty seconds are over");
    assert_eq!(scene.at(30, Command::Released { agent: AgentId(1) }), ["a1 Ringing", "c4->a1"]);
    scene.accept(31, 4, 1);
    scene.at(32, wishes(5, 600));
    scene.at(33, Command::NotReady { agent: AgentId(1), reason: "lunch".into() });
    scene.accept(33, 3, 0);
    assert_eq!(scene.at(34, Command::Released { agent: AgentId(1) }), ["a1 NotReady lunch"], "and c5 is anybody's");
    assert_eq!(scene.at(35, Command::Released { agent: AgentId(0) }), ["a0 Ringing", "c5->a0"]);
}

#[test]
fn several_ring_at_once_and_who_was_not_needed_keeps_the_turn() {
    let policy = Policy { ring_max: 2, ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[], &[], &[]]);
    assert_eq!(scene.enqueue(5, 1), ["a0 Ringing", "c1->a0", "a1 Ringing", "c1->a1"]);
    let accepted = Command::Accepted { call: CallId(1), agent: AgentId(1) };
    assert_eq!(scene.at(6, accepted), ["a1 Talking", "c1<-a0", "a0 Ready"]);
    assert_eq!(scene.enqueue(7, 2), ["a0 Ringing", "c2->a0", "a2 Ringing", "c2->a2"], "a0 is still the longest idle");
    let refused = Command::Declined { call: CallId(2), agent: AgentId(0), outcome: OfferOutcome::Refused };
    assert_eq!(scene.at(8, refused), ["a0 NotReady refused"], "the other one rings on");
    assert_eq!(scene.at(9, Command::SignOut { agent: AgentId(2) }), ["c2<-a2", "a2 SignedOut"]);
    assert_eq!(scene.at(10, Command::Released { agent: AgentId(1) }), ["a1 Ringing", "c2->a1"]);
    assert_eq!(scene.at(11, Command::Leave { call: CallId(2) }), ["a1 Ready"]);
}
