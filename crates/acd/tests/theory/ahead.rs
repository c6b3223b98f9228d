//! How well waits are predicted, by looking ahead and by what others announce.

use crate::centre::{Centre, Run, mean, queue, seconds, skill};
use busyhour_acd::{AgentChoice, AgentSpec, LookAhead, QueueSpec, Whom};
use busyhour_model::{AgentId, CallId, SkillId};
use std::collections::BTreeMap;

/// Predictions of calls that had to wait.
const QUICK: usize = 300;
const TIMES: usize = if option_env!("BUSYHOUR_THEORY").is_none() { 1 } else { 10 };

/// Six classes, 90 agents with two skills each, patience 180 s.
fn centre(load: f64, shares: [f64; 6]) -> Centre {
    let handling = 180.0;
    let agent = |id: u32| {
        let (home, turn) = (id / 15, id % 15);
        AgentSpec::new(AgentId(id), vec![(SkillId(home), 2), (SkillId((home + 1 + turn % 5) % 6), 1)])
    };
    let spec = |id| QueueSpec { choice: AgentChoice::MostSkilled, ..queue(id, &[skill(id)], 20) };
    Centre {
        queues: (0..6).map(spec).collect(),
        agents: (0..90).map(agent).collect(),
        arrivals: shares.map(|share| share * load * 90.0 / handling).to_vec(),
        patience: Some(180.0),
        stays: 40,
        seed: 18,
        ..Centre::pool(90, 90.0, handling)
    }
}

/// Predicted by looking ahead and by the mean wait of the last five minutes; what it was.
fn predictions(centre: &Centre, count: usize) -> Vec<(f64, f64, f64)> {
    let mut run = centre.start();
    while run.arrived < 20_000 {
        run.step();
    }
    let (mut told, mut done) = (BTreeMap::new(), Vec::new());
    let mut recent: Vec<Vec<(f64, f64)>> = vec![Vec::new(); centre.queues.len()];
    let mut seen = run.fates.len();
    while done.len() < count {
        let last = run.arrived;
        run.step();
        for fate in &run.fates[seen..] {
            recent[fate.queue].push((run.now.as_micros() as f64 / 1e6, fate.wait));
        }
        seen = run.fates.len();
        for (call, at) in std::mem::take(&mut run.served) {
            let predicted: Option<(f64, f64)> = told.remove(&call);
            done.extend(predicted.map(|(ahead, mean)| (ahead, mean, run.fates[at].wait)));
        }
        let call = CallId(run.arrived);
        if run.arrived > last && run.arrived.is_multiple_of(centre.stays) && run.waiting.contains_key(&call) {
            told.insert(call, predict(&run, call, &mut recent));
        }
    }
    done
}

fn predict(run: &Run, call: CallId, recent: &mut [Vec<(f64, f64)>]) -> (f64, f64) {
    let how = LookAhead { seed: call.0, ..LookAhead::default() };
    let forecast = run.acd.look_ahead(run.now, &[Whom::Call(call)], &how)[0].unwrap();
    let now = run.now.as_micros() as f64 / 1e6;
    let waits = &mut recent[run.waiting[&call].0];
    waits.retain(|wait| wait.0 > now - 300.0);
    let waited: Vec<f64> = waits.iter().map(|wait| wait.1).collect();
    (seconds(forecast.mean), if waited.is_empty() { 0.0 } else { mean(&waited) })
}

/// Root of the mean square error and bias, in parts of the mean wait.
fn errors(pairs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let actual = mean(&pairs.iter().map(|p| p.1).collect::<Vec<_>>());
    let square = mean(&pairs.iter().map(|p| (p.0 - p.1).powi(2)).collect::<Vec<_>>());
    let bias = mean(&pairs.iter().map(|p| p.0 - p.1).collect::<Vec<_>>());
    (square.sqrt() / actual, bias / actual)
}

#[test]
fn looking_ahead_predicts_waits_far_better_than_recent_means() {
    let even = [1.0 / 6.0; 6];
    let skewed = [0.4, 0.12, 0.12, 0.12, 0.12, 0.12];
    for (load, shares, known) in [(1.0, even, 0.52), (1.1, even, 0.42), (1.1, skewed, 0.35)] {
        let told = predictions(&centre(load, shares), QUICK * TIMES);
        let (error, bias) = errors(told.iter().map(|t| (t.0, t.2)));
        let (recent, _) = errors(told.iter().map(|t| (t.1, t.2)));
        println!("load {load}: error {error:.3} (known {known}), bias {bias:+.4}, mean of 5 min {recent:.3}");
        let (slack, bias_max) = if TIMES == 1 { (1.15, 0.06) } else { (1.03, 0.01) };
        assert!(error <= known * slack && error < 0.75 * recent, "{error}, known {known}, recent mean {recent}");
        assert!(bias.abs() <= bias_max, "{bias}");
    }
}
