//! How well waits are predicted, by looking ahead and by what others announce.

use crate::centre::{Centre, Run, mean, queue, seconds, skill};
use busyhour_acd::{Acd, AgentChoice, AgentSpec, Command, LookAhead, QueueSpec, Whom};
use busyhour_model::{AgentId, CallId, SkillId, Time};
use std::collections::BTreeMap;
use std::time::Duration;

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

/// What was predicted for one call, seconds.
struct Told {
    /// By looking ahead for this call, at that moment.
    ahead: f64,
    /// As callers are told: from the newest forecast of the class, some seconds old, by the place of the call.
    place: f64,
    /// One handling after the other, shared by those at work.
    simple: f64,
    /// The mean wait of the last five minutes.
    recent: f64,
}

/// Forecasts are made this often.
const EVERY: Duration = Duration::from_secs(1);

/// What was predicted, and what it was.
fn predictions(centre: &Centre, count: usize) -> Vec<(Told, f64)> {
    let mut run = centre.start();
    while run.arrived < 20_000 {
        run.step();
    }
    let (mut told, mut done, mut due) = (BTreeMap::new(), Vec::new(), run.now);
    let mut recent: Vec<Vec<(f64, f64)>> = vec![Vec::new(); centre.queues.len()];
    let mut seen = run.fates.len();
    while done.len() < count {
        let last = run.arrived;
        while run.next() > due {
            // Nobody asks what was foreseen while none of the next calls is one of those that stay.
            if run.arrived % centre.stays >= centre.stays - 5 {
                foresee(&mut run.acd, due);
            }
            due += EVERY;
        }
        run.step();
        for fate in &run.fates[seen..] {
            recent[fate.queue].push((run.now.as_micros() as f64 / 1e6, fate.wait));
        }
        seen = run.fates.len();
        for (call, at) in std::mem::take(&mut run.served) {
            let predicted: Option<Told> = told.remove(&call);
            done.extend(predicted.map(|told| (told, run.fates[at].wait)));
        }
        let call = CallId(run.arrived);
        if run.arrived > last && run.arrived.is_multiple_of(centre.stays) && run.waiting.contains_key(&call) {
            told.insert(call, predict(&run, call, &mut recent));
        }
    }
    done
}

fn looking(seed: u64) -> LookAhead {
    let usual = LookAhead { seed, ..LookAhead::default() };
    if TIMES == 1 { LookAhead { replications: 30, ..usual } } else { usual }
}

fn foresee(acd: &mut Acd, now: Time) {
    let classes = acd.foresee(now, &looking(now.as_micros()));
    acd.apply(now, Command::Foresee { classes }, &mut Vec::new()).unwrap();
}

fn predict(run: &Run, call: CallId, recent: &mut [Vec<(f64, f64)>]) -> Told {
    let forecast = run.acd.look_ahead(run.now, &[Whom::Call(call)], &looking(call.0))[0].unwrap();
    let now = run.now.as_micros() as f64 / 1e6;
    let waits = &mut recent[run.waiting[&call].0];
    waits.retain(|wait| wait.0 > now - 300.0);
    let waited: Vec<f64> = waits.iter().map(|wait| wait.1).collect();
    let told = |acd: &Acd| seconds(acd.place(run.now, call).unwrap().wait.unwrap());
    let mut forgetful = run.acd.clone();
    forgetful.apply(run.now, Command::Foresee { classes: Vec::new() }, &mut Vec::new()).unwrap();
    Told {
        ahead: seconds(forecast.mean),
        place: told(&run.acd),
        simple: told(&forgetful),
        recent: if waited.is_empty() { 0.0 } else { mean(&waited) },
    }
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
        let by = |which: fn(&Told) -> f64| errors(told.iter().map(|(told, actual)| (which(told), *actual)));
        let (ahead, place, simple, recent) = (by(|t| t.ahead), by(|t| t.place), by(|t| t.simple), by(|t| t.recent));
        println!("load {load}: error and bias; known {known}, looked ahead {ahead:.3?}, told {place:.3?}");
        println!("  one handling after the other {simple:.3?}, mean of 5 min {recent:.3?}");
        // The bias is known to a standard error.
        let (slack, bias_max) =
            if TIMES == 1 { (1.15, 0.06) } else { (1.03, 0.01 + 2.0 * known / (QUICK as f64 * TIMES as f64).sqrt()) };
        for (error, bias) in [ahead, place] {
            assert!(error <= known * slack && error < 0.75 * recent.0, "{error}, known {known}, recent {recent:?}");
            assert!(error < 0.9 * simple.0, "{error}, simple {simple:?}");
            assert!(bias.abs() <= bias_max, "{bias}");
        }
    }
}
