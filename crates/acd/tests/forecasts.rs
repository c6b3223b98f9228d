//! What is foreseen, what callers are told of it, and who helps because of it.
#![allow(clippy::unwrap_used)]

mod scene;

use busyhour_acd::{Backup, Command, Forecast, Foreseen, LookAhead, Need, Policy, QueueSpec, Spot, Whom};
use busyhour_model::{AgentId, CallId, QueueId, SkillId, Time};
use scene::{Scene, call, queue, serve};
use std::time::Duration;

const LEADER: SkillId = SkillId(2);

/// Twenty calls of a second each: the queue knows its traffic.
fn practise(scene: &mut Scene) {
    for id in 0..20 {
        serve(scene, 100 * id, id);
    }
}

/// The next caller of queue 0 waits so long, and so long if no backup helped.
fn foresee(scene: &mut Scene, secs: u64, mean: u64, alone: u64) -> Vec<String> {
    let (mean, alone, ring) = (Duration::from_secs(mean), Duration::from_secs(alone), Duration::ZERO);
    let next = Forecast { mean, most: 2 * mean, ring, spot: Spot { ahead: 1, own: 1, pool: 1 } };
    let (queue, required) = (QueueId(0), Vec::new());
    let classes = vec![Foreseen { queue, priority: 0, required, next, alone }];
    scene.at(secs, Command::Foresee { classes })
}

#[test]
fn backups_help_only_while_the_wait_is_foreseen_to_be_long() {
    let backup = vec![Backup { of: Need::Skill(LEADER, 1), wait: Duration::from_secs(60) }];
    let policy = Policy { backup, ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[], &[(LEADER, 1)], &[(LEADER, 1)]]);
    scene.enqueue(5, 1);
    scene.accept(5, 1, 0);
    assert_eq!(scene.enqueue(6, 2), [""; 0], "the leaders are for others");
    assert_eq!(foresee(&mut scene, 7, 60, 60), [""; 0]);
    assert_eq!(foresee(&mut scene, 8, 61, 61), ["a1 Ringing", "c2->a1"]);
    assert_eq!(foresee(&mut scene, 9, 20, 49), [""; 0]);
    assert_eq!(scene.enqueue(10, 3), ["a2 Ringing", "c3->a2"], "alone it would still be long");
    scene.accept(11, 2, 1);
    assert_eq!(foresee(&mut scene, 12, 20, 48), [""; 0]);
    scene.at(13, Command::Released { agent: AgentId(1) });
    assert_eq!(scene.enqueue(14, 4), [""; 0], "it is over");
    assert_eq!(foresee(&mut scene, 15, 61, 61), ["a1 Ringing", "c4->a1"]);
    scene.accept(15, 4, 1);
    scene.accept(15, 3, 2);
    assert_eq!(scene.at(16, Command::Foresee { classes: Vec::new() }), [""; 0]);
    assert_eq!(scene.at(17, Command::Released { agent: AgentId(2) }), ["a2 Ready"]);
    assert_eq!(scene.enqueue(18, 5), [""; 0], "no forecast, no help");
}

#[test]
fn callers_are_told_what_was_foreseen_as_long_as_it_is_fresh() {
    let policy = Policy { wait_predicted_max: Some(Duration::from_secs(150)), ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[]]);
    scene.enqueue(5, 1);
    scene.accept(5, 1, 0);
    scene.enqueue(6, 2);
    scene.enqueue(7, 3);
    let told = |scene: &Scene, secs| scene.acd.place(Time::from_secs(secs), CallId(3)).unwrap().wait;
    assert_eq!(told(&scene, 8), None, "nothing is known yet");
    foresee(&mut scene, 10, 80, 80);
    assert_eq!(told(&scene, 25), Some(Duration::from_secs(80)), "as foreseen for one with one ahead");
    assert_eq!(told(&scene, 26), None, "too old");
    assert_eq!(scene.acd.next_wait(Time::from_secs(25), QueueId(0)), Some(Duration::from_secs(120)), "two are ahead");
    assert_eq!(scene.enqueue(20, 4), [""; 0], "120 s");
    assert_eq!(scene.enqueue(21, 5), ["c5 Full"], "160 s");
}

#[test]
fn who_is_only_asked_about_takes_nobodys_turn() {
    let mut scene = Scene::new(queue(), &[&[], &[]]);
    scene.at(0, Command::SetQueue(Box::new(QueueSpec { id: QueueId(1), waiting_max: Some(0), ..queue() })));
    practise(&mut scene);
    for id in 1_000..1_006 {
        scene.enqueue(2_000, id);
    }
    let how = LookAhead { replications: 20, ..LookAhead::default() };
    let [ours, theirs, full] = [0, 1, 2].map(|queue| Whom::Next(QueueId(queue)));
    let look = |whom: &[Whom]| scene.acd.look_ahead(Time::from_secs(2_000), whom, &how);
    let alone = look(&[ours]);
    assert_eq!(look(&[theirs, ours, full, ours])[1..], [alone[0], None, alone[0]], "the others change nothing");
    assert!(look(&[theirs])[0].is_some(), "the limits of a queue are not for ghosts");
    let foreseen = scene.acd.foresee(Time::from_secs(2_000), &how);
    assert_eq!(foreseen.iter().map(|f| (f.queue.0, f.next.spot.ahead)).collect::<Vec<_>>(), [(0, 4), (1, 4)]);
    assert_eq!((foreseen[0].next, foreseen[0].alone), (alone[0].unwrap(), alone[0].unwrap().mean));
}

#[test]
fn the_wait_without_backups_is_foreseen_too() {
    let backup = vec![Backup { of: Need::Skill(LEADER, 1), wait: Duration::from_secs(60) }];
    let policy = Policy { backup, ..Policy::default() };
    let mut scene = Scene::new(QueueSpec { policy, ..queue() }, &[&[], &[(LEADER, 1)]]);
    practise(&mut scene);
    (1_000..1_010).for_each(|id| drop(scene.enqueue(2_000, id)));
    scene.accept(2_000, 1_000, 0);
    foresee(&mut scene, 2_001, 100, 100);
    scene.accept(2_001, 1_001, 1);
    let foreseen = &scene.acd.foresee(Time::from_secs(2_001), &LookAhead::default())[0];
    let ratio = foreseen.alone.as_secs_f64() / foreseen.next.mean.as_secs_f64();
    assert!((1.6..2.4).contains(&ratio), "one serves half as fast as two: {foreseen:?}");
}

#[test]
fn the_time_an_agents_phone_rings_is_part_of_the_wait() {
    let mut scene = Scene::new(queue(), &[&[]]);
    for id in 0..20 {
        scene.enqueue(100 * id, id);
        scene.accept(100 * id + 10, id, 0);
        scene.at(100 * id + 30, Command::Released { agent: AgentId(0) });
    }
    (1_000..1_006).for_each(|id| drop(scene.enqueue(2_000, id)));
    scene.accept(2_010, 1_000, 0);
    let place = |scene: &Scene| scene.acd.place(Time::from_secs(2_010), CallId(1_005)).unwrap().wait.unwrap();
    assert_eq!(place(&scene), Duration::from_secs(5 * 30 + 10), "five ends, ten seconds after the last");
    let how = LookAhead { replications: 400, error: 0.0, ..LookAhead::default() };
    let told = scene.acd.look_ahead(Time::from_secs(2_010), &[Whom::Call(CallId(1_005))], &how)[0].unwrap();
    assert_eq!(told.ring, Duration::from_secs(10));
    assert!((150.0..170.0).contains(&told.mean.as_secs_f64()), "{told:?}");
    assert_eq!(told.at(2).as_micros(), ((told.mean - told.ring) * 3 / 5 + told.ring).as_micros());
}

#[test]
fn where_several_are_rung_each_caller_is_still_served_once() {
    let mut scene =
        Scene::new(QueueSpec { policy: Policy { ring_max: 2, ..Policy::default() }, ..queue() }, &[&[], &[]]);
    for id in 0..20 {
        scene.enqueue(100 * id, id);
        scene.accept(100 * id, id, (id % 2) as u32);
        scene.at(100 * id + 10, Command::Released { agent: AgentId((id % 2) as u32) });
    }
    // One call rings both agents, three wait.
    (1_000..1_004).for_each(|id| drop(scene.enqueue(2_000, id)));
    let how = LookAhead { replications: 400, error: 0.0, ..LookAhead::default() };
    let told = scene.acd.look_ahead(Time::from_secs(2_000), &[Whom::Call(CallId(1_003)), Whom::Next(QueueId(0))], &how);
    let [Some(last), Some(next)] = told[..] else { panic!("{told:?}") };
    // The second agent takes the first who waits at once; then one ends every five seconds.
    let near = |mean: Duration, secs: f64| (mean.as_secs_f64() / secs - 1.0).abs() < 0.15;
    assert!(near(last.mean, 10.0) && near(next.mean, 15.0), "{told:?}");
}

#[test]
fn a_crowd_is_foreseen_by_the_pace_of_its_beginning() {
    let mut scene = Scene::new(queue(), &[&[]]);
    practise(&mut scene);
    scene.enqueue(2_000, 1_000);
    scene.accept(2_000, 1_000, 0);
    let mut out = Vec::new();
    for id in 0..30_000 {
        let (now, call) = (Time::from_micros(2_000_000_000 + 10_000 * id), Command::Enqueue(call(2_000 + id)));
        scene.acd.apply(now, call, &mut out).unwrap();
    }
    let how = LookAhead { horizon: Duration::from_secs(1_000_000), ..LookAhead::default() };
    let told = scene.acd.look_ahead(Time::from_secs(2_300), &[Whom::Next(QueueId(0))], &how)[0].unwrap();
    let wait = told.mean.as_secs_f64();
    assert!(told.spot.ahead == 30_000 && (27_500.0..32_500.0).contains(&wait), "a second each: {told:?}");
}
