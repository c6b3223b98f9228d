//! The thread that foresees waits: it gets a copy of the matcher, plays it forward and hands back what it saw. It runs at the
//! lowest priority and at most a tenth of the time, and only while somebody waits.

use crate::metrics::Metrics;
use busyhour_acd::{Acd, Foreseen, LookAhead};
use busyhour_model::Time;
use busyhour_switch::Switch;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// It rests so many times as long as it worked.
const REST: u32 = 9;
/// As polite as a thread can be (nice(2)).
const NICENESS: i32 = 19;

/// The control loop's side of it.
pub struct Forecaster {
    copies: SyncSender<Start>,
    answers: UnboundedReceiver<Answer>,
    metrics: Arc<Metrics>,
    every: Duration,
    seed: u64,
    /// When the next copy may be taken; `None` while one is out.
    next: Option<Time>,
}

/// A copy of the matcher, from which futures start.
struct Start {
    acd: Box<Acd>,
    taken: Time,
    seed: u64,
}

struct Answer {
    classes: Vec<Foreseen>,
    taken: Time,
    spent: Duration,
}

impl Forecaster {
    /// Starts the thread; it ends with the `Forecaster`. Zero: nothing is foreseen.
    pub fn start(every: Duration, seed: u64, metrics: Arc<Metrics>) -> io::Result<Forecaster> {
        let (copies, taken) = sync_channel(1);
        let (told, answers) = unbounded_channel();
        std::thread::Builder::new().name("forecast".into()).spawn(move || foresee(&taken, &told))?;
        let next = (!every.is_zero()).then_some(Time::ZERO);
        Ok(Forecaster { copies, answers, metrics, every, seed, next })
    }

    /// When it wants to look at the switch.
    pub fn due(&self, switch: &Switch) -> Option<Time> {
        self.next.filter(|_| switch.to_foresee().is_some())
    }

    /// Takes a copy when it is due.
    pub fn look(&mut self, now: Time, switch: &Switch) {
        let Some(acd) = switch.to_foresee().filter(|_| self.next.is_some_and(|at| at <= now)) else { return };
        let began = Instant::now();
        let acd = Box::new(acd.clone());
        self.metrics.forecast_copy.observe(began.elapsed().as_secs_f64());
        self.seed = self.seed.wrapping_add(1);
        self.next = None;
        if self.copies.try_send(Start { acd, taken: now, seed: self.seed }).is_err() {
            tracing::error!("the forecast thread has ended; waits are estimated from now on");
        }
    }

    /// What the thread saw; never when nothing is being foreseen.
    pub async fn answer(&mut self) -> Vec<Foreseen> {
        let Some(Answer { classes, taken, spent }) = self.answers.recv().await else {
            return std::future::pending().await;
        };
        self.metrics.forecast.observe(spent.as_secs_f64());
        self.next = Some(taken + self.every.max(spent * (1 + REST)));
        classes
    }
}

fn foresee(copies: &Receiver<Start>, told: &UnboundedSender<Answer>) {
    // Who may not be polite works all the same: the rest between two forecasts stays.
    let _ = rustix::process::nice(NICENESS);
    while let Ok(Start { acd, taken, seed }) = copies.recv() {
        let began = Instant::now();
        let classes = acd.foresee(taken, &LookAhead { seed, ..LookAhead::default() });
        drop(acd);
        if told.send(Answer { classes, taken, spent: began.elapsed() }).is_err() {
            return;
        }
    }
}
