//! The matcher alone, under random traffic, does what the theory of queues says.
//!
//! `BUSYHOUR_THEORY=full cargo test -p busyhour-acd --test theory` runs ten times as many calls.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_macros, reason = "figures are shown with --nocapture")]

mod ahead;
mod centre;
mod exact;

use busyhour_acd::{AgentChoice, AgentSpec, Need, Order, Policy, QueueSpec, Reserve, Skill, erlang};
use busyhour_model::{AgentId, SkillId};
use centre::{Centre, End, Fate, agrees, ended, interval, mean, of_queue, queue, skill, waits};
use std::time::Duration;

const TIMES: u64 = if option_env!("BUSYHOUR_THEORY").is_none() { 1 } else { 10 };
const AHT_S: f64 = 180.0;

fn aht() -> Duration {
    Duration::from_secs_f64(AHT_S)
}

fn within(fates: &[Fate], goal: f64) -> Vec<f64> {
    fates.iter().map(|fate| f64::from(u8::from(fate.end == End::Served && fate.wait <= goal))).collect()
}

#[test]
fn patient_callers_wait_as_erlang_c_says() {
    for (agents, erlangs) in [(10, 8.0), (50, 45.0), (100, 90.0), (100, 95.0), (300, 285.0)] {
        let exact = erlang::patient(agents, erlangs, aht(), Duration::from_secs(20)).unwrap();
        let fates =
            Centre { calls: 1_500 * u64::from(agents).max(100) * TIMES, ..Centre::pool(agents, erlangs, AHT_S) }
                .fates();
        let waited: Vec<f64> = fates.iter().map(|fate| f64::from(u8::from(fate.wait > 0.0))).collect();
        agrees(&format!("{agents} agents: P(W > 0)"), &waited, exact.waits, 0.4);
        agrees(&format!("{agents} agents: E[W]"), &waits(&fates), exact.wait_mean, 0.8);
        agrees(&format!("{agents} agents: P(W <= 20 s)"), &within(&fates, 20.0), exact.within, 0.2);
    }
}

#[test]
fn impatient_callers_fare_as_erlang_a_says() {
    for (agents, erlangs) in [(10, 10.0), (50, 50.0), (100, 95.0), (100, 110.0)] {
        let patience = Duration::from_secs(120);
        let exact = erlang::impatient(agents, erlangs, aht(), patience, Duration::from_secs(20));
        let pool = Centre { patience: Some(120.0), calls: 250_000 * TIMES, ..Centre::pool(agents, erlangs, AHT_S) };
        let fates = pool.fates();
        agrees(&format!("{agents} agents: P(abandon)"), &ended(&fates, End::Abandoned), exact.abandons, 0.2);
        agrees(&format!("{agents} agents: E[W]"), &waits(&fates), exact.wait_mean, 0.2);
        agrees(&format!("{agents} agents: answered in 20 s"), &within(&fates, 20.0), exact.within, 0.1);
    }
}

/// Five servers who know A, AB, B, BC and C; eight places to wait; handling 1000 s for 1.
fn five_servers() -> Centre {
    let skills: [&[Skill]; 5] = [&[skill(0)], &[skill(0), skill(1)], &[skill(1)], &[skill(1), skill(2)], &[skill(2)]];
    Centre {
        queues: (0..3).map(|id| queue(id, &[skill(id)], 20)).collect(),
        agents: skills.iter().zip(0..).map(|(skills, id)| AgentSpec::new(AgentId(id), skills.to_vec())).collect(),
        arrivals: [1.2, 1.5, 0.9].map(|rate| rate / 1000.0).to_vec(),
        handling: 1000.0,
        patience: None,
        stays: u64::MAX,
        places: Some(8),
        calls: 600_000 * TIMES,
        seed: 1,
    }
}

#[test]
fn skills_first_come_longest_idle_as_the_markov_chain_says() {
    let exact = exact::solve([1.2, 1.5, 0.9], [0b001, 0b011, 0b010, 0b110, 0b100], 8);
    println!("{exact:?}");
    let table =
        ([0.70351, 0.81763, 0.66878, 0.76281, 0.57466], [0.02164, 0.02071, 0.01730], [0.76770, 0.41346, 0.47103]);
    let near = |solved: &[f64], known: &[f64]| solved.iter().zip(known).all(|(a, b)| (a - b).abs() < 0.000_02);
    let right = near(&exact.busy, &table.0) && near(&exact.blocked, &table.1) && near(&exact.wait, &table.2);
    assert!(right, "{exact:?}");
    let centre = five_servers();
    let mut run = centre.start();
    while run.arrived < centre.calls && run.step() {}
    let elapsed = run.now.as_micros() as f64 / 1e6;
    for (server, busy) in run.busy.iter().enumerate() {
        let share = busy / elapsed;
        assert!((share / exact.busy[server] - 1.0).abs() < 0.01, "server {server} is busy {share}");
    }
    for class in 0..3 {
        let fates = of_queue(&run.fates, class);
        agrees(&format!("class {class}: blocked"), &ended(&fates, End::Blocked), exact.blocked[class], 0.2);
        let waits: Vec<f64> = waits(&fates).iter().map(|wait| wait / 1000.0).collect();
        agrees(&format!("class {class}: E[W]"), &waits, exact.wait[class], 0.06);
    }
}

/// Six classes, 90 agents, 15 first at home in each, who know so many skills; 30 places to wait, handling 10 minutes.
fn six_classes(skills: u32, calls: u64) -> Centre {
    let agent = |id: u32| {
        let (home, turn) = (id / 15, id % 15);
        // Second and third skills spread evenly over the other classes.
        let other = |n: u32| (home + 1 + (turn + n) % 5) % 6;
        let known = std::iter::once((SkillId(home), 2)).chain((0..skills - 1).map(|n| (SkillId(other(n)), 1)));
        AgentSpec::new(AgentId(id), known.collect())
    };
    Centre {
        queues: (0..6)
            .map(|id| QueueSpec { choice: AgentChoice::MostSkilled, ..queue(id, &[skill(id)], 20) })
            .collect(),
        agents: (0..90).map(agent).collect(),
        arrivals: vec![84.0 / 6.0 / 600.0; 6],
        handling: 600.0,
        patience: None,
        stays: u64::MAX,
        places: Some(30),
        calls,
        seed: 3,
    }
}

#[test]
fn a_second_skill_gains_nearly_all_that_pooling_can() {
    let run = |skills| {
        let fates = six_classes(skills, 600_000 * TIMES).fates();
        let (blocked, half) = interval(&ended(&fates, End::Blocked));
        println!("{skills} skills: {blocked} +- {half} blocked");
        (blocked, mean(&waits(&fates)) / 60.0)
    };
    let (one, two, three, pooled) = (run(1), run(2), run(3), run(6));
    let exact = exact::pooled(90, 30, 84.0, 10.0);
    println!("one {one:?}, two {two:?}, three {three:?}, all {pooled:?}, exactly {exact:?}");
    assert!((exact.0 - 0.003_643).abs() < 1e-5 && (exact.1 - 0.4500).abs() < 1e-3, "{exact:?}");
    let gain = |part: fn((f64, f64)) -> f64, some| (part(one) - part(some)) / (part(one) - part(pooled));
    assert!(gain(|p| p.0, two) >= 0.975, "blocking gain of a second skill {}", gain(|p| p.0, two));
    assert!(gain(|p| p.1, two) >= 0.93, "waiting gain of a second skill {}", gain(|p| p.1, two));
    assert!(gain(|p| p.0, three) > gain(|p| p.0, two) && gain(|p| p.1, three) > gain(|p| p.1, two));
}

/// Waits of those served: six classes with ten specialists each, 30 generalists; generalists hold level 2 so that "most skilled" means them.
fn generalists(choice: AgentChoice) -> Vec<f64> {
    let specialist = |id: u32| AgentSpec::new(AgentId(id), vec![skill(id / 10)]);
    let generalist = |id: u32| AgentSpec::new(AgentId(id), (0..6).map(|s| (SkillId(s), 2)).collect());
    let centre = Centre {
        queues: (0..6).map(|id| QueueSpec { choice, ..queue(id, &[skill(id)], 20) }).collect(),
        agents: (0..60).map(specialist).chain((60..90).map(generalist)).collect(),
        arrivals: vec![78.0 / 6.0 / AHT_S; 6],
        handling: AHT_S,
        patience: Some(180.0),
        stays: u64::MAX,
        places: None,
        calls: 400_000 * TIMES,
        seed: 5,
    };
    centre.fates().iter().filter(|fate| fate.end == End::Served).map(|fate| fate.wait).collect()
}

#[test]
fn keeping_generalists_free_shortens_waits() {
    let table = [(AgentChoice::LeastSkilled, 2.03), (AgentChoice::LongestIdle, 2.19), (AgentChoice::MostSkilled, 2.84)];
    for (choice, known) in table {
        let (measured, half) = interval(&generalists(choice));
        println!("{choice:?}: {measured} +- {half}, known {known}");
        assert!((measured - known).abs() <= half + 0.01, "{choice:?}: {measured} +- {half}, known {known}");
    }
}

#[test]
fn goals_divide_the_waiting_and_make_none() {
    let waits = |goals: [u64; 2]| {
        let centre = Centre {
            queues: vec![queue(0, &[], goals[0]), queue(1, &[], goals[1])],
            arrivals: vec![0.4 * 99.0 / AHT_S, 0.6 * 99.0 / AHT_S],
            calls: 600_000 * TIMES,
            ..Centre::pool(100, 99.0, AHT_S)
        };
        let fates = centre.fates();
        let of = |queue| mean(&waits(&of_queue(&fates, queue)));
        (mean(&waits(&fates)), of(1) / of(0))
    };
    let (fifo, goals) = (waits([20, 20]), waits([20, 60]));
    println!("first come {fifo:?}, goals 20 and 60 s {goals:?}");
    assert!((fifo.0 / goals.0 - 1.0).abs() < 0.002, "waiting is conserved: {} {}", fifo.0, goals.0);
    assert!((fifo.1 - 1.0).abs() < 0.02, "equal goals, equal waits: {}", fifo.1);
    assert!((2.85..3.0).contains(&goals.1), "goals of 20 and 60 s divide waiting nearly 1:3, not 1:{}", goals.1);
}

#[test]
fn reserved_agents_protect_their_own_class() {
    for (keep, known) in [(0, [0.1016, 0.1405]), (2, [0.1673, 0.0932])] {
        let (a, b) = (Need::Skill(SkillId(0), 1), Need::Skill(SkillId(1), 1));
        let shared = Policy {
            need: Some(Need::Any(vec![a.clone(), b.clone()])),
            preferred: Some(a),
            reserve: vec![Reserve { of: b, keep }],
            ..Policy::default()
        };
        // Who is freed in pool B takes its own class first.
        let own = QueueSpec { priority: 1_000_000, ..queue(1, &[skill(1)], 20) };
        let centre = Centre {
            queues: vec![QueueSpec { policy: shared, ..queue(0, &[], 20) }, own],
            agents: (0..10).map(|id| AgentSpec::new(AgentId(id), vec![skill(id / 5)])).collect(),
            arrivals: vec![6.0 / 1000.0, 4.0 / 1000.0],
            handling: 1000.0,
            patience: Some(2000.0),
            stays: u64::MAX,
            places: None,
            calls: 500_000 * TIMES,
            seed: 7,
        };
        let fates = centre.fates();
        for (class, known) in known.into_iter().enumerate() {
            let gone = ended(&of_queue(&fates, class), End::Abandoned);
            let (measured, half) = interval(&gone);
            println!("keep {keep}: class {class} abandons {measured} +- {half}, known {known}");
            assert!((measured - known).abs() <= half, "keep {keep}, class {class}: {measured} +- {half}");
        }
    }
}

#[test]
fn longest_idle_shares_the_work_of_a_shift_evenly() {
    let variation = |order| {
        let policy = Policy { order, ..Policy::default() };
        let centre = Centre {
            queues: vec![QueueSpec { policy, ..queue(0, &[], 20) }],
            calls: (8.0 * 3600.0 * 80.0 / AHT_S) as u64,
            seed: 11,
            ..Centre::pool(100, 80.0, AHT_S)
        };
        let mut run = centre.start();
        while run.arrived < centre.calls && run.step() {}
        let average = mean(&run.busy);
        mean(&run.busy.iter().map(|busy| (busy - average).powi(2)).collect::<Vec<_>>()).sqrt() / average
    };
    let (idle, linear) = (variation(Order::LongestIdle), variation(Order::Linear));
    let occupied = variation(Order::LeastOccupied);
    println!("longest idle {idle}, least occupied {occupied}, linear {linear}");
    assert!(idle <= 0.021 && occupied <= 0.021, "{idle} {occupied}");
    assert!((0.25..0.40).contains(&linear), "{linear}");
}
