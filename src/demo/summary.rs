//! The demo's verdict, for people and as JSON.

use super::tally::{Samples, Tally};
use busyhour_switch::Vitals;
use serde::Serialize;
use std::time::Duration;

/// Two percentiles.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
}

impl Percentiles {
    /// In units of `micros` microseconds.
    fn of(samples: &Samples, micros: f64) -> Percentiles {
        let value = |share| (samples.percentile(share) as f64 / micros * 100.0).round() / 100.0;
        Percentiles { p50: value(0.5), p99: value(0.99) }
    }
}

/// What the switch still holds after the last call.
#[derive(Debug, Serialize)]
struct Leaks {
    calls: usize,
    legs: usize,
    dialogs: usize,
    ports: usize,
}

/// See `busyhour demo --help`.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    calls: u64,
    answered: u64,
    abandoned: u64,
    two_way_audio: u64,
    setup_ms: Percentiles,
    match_latency_us: Percentiles,
    offer_ms: Percentiles,
    voice_through_ms: Percentiles,
    cpu_ms_per_call: f64,
    control_cpu_ms_per_call: f64,
    leaks: Leaks,
    reloads: u32,
    records: u64,
    failed: u64,
    failures: Vec<String>,
    agents: u32,
    seed: u64,
    seconds: f64,
}

/// The run around the calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) agents: u32,
    pub(super) seed: u64,
    pub(super) elapsed: Duration,
    /// CPU time of the control thread and of the media threads.
    pub(super) cpu: (Duration, Duration),
}

impl Summary {
    pub(super) fn new(tally: Tally, vitals: Vitals, run: Run) -> Summary {
        let per_call = |cpu: Duration| (cpu.as_secs_f64() * 1e6 / tally.dialled.max(1) as f64).round() / 1000.0;
        Summary {
            calls: tally.dialled,
            reloads: tally.reloads,
            answered: tally.answered,
            abandoned: tally.abandoned,
            two_way_audio: tally.two_way,
            setup_ms: Percentiles::of(&tally.setup, 1000.0),
            match_latency_us: Percentiles::of(&tally.matching, 1.0),
            offer_ms: Percentiles::of(&tally.offer, 1000.0),
            voice_through_ms: Percentiles::of(&tally.through, 1000.0),
            cpu_ms_per_call: per_call(run.cpu.0 + run.cpu.1),
            control_cpu_ms_per_call: per_call(run.cpu.0),
            leaks: Leaks {
                calls: vitals.calls,
                legs: vitals.legs,
                dialogs: vitals.dialogs,
                ports: vitals.ports_in_use,
            },
            records: tally.records,
            failed: tally.failed,
            failures: tally.failures,
            agents: run.agents,
            seed: run.seed,
            seconds: (run.elapsed.as_secs_f64() * 10.0).round() / 10.0,
        }
    }

    /// Whether everything was as it should be.
    pub(super) fn is_right(&self) -> bool {
        let Leaks { calls, legs, dialogs, ports } = self.leaks;
        self.failed == 0
            && [self.answered, self.two_way_audio, self.records].iter().all(|n| *n == self.calls)
            && calls + legs + dialogs + ports == 0
    }

    /// Whether at least nothing went wrong, of a run that was stopped in the middle.
    pub(super) fn is_faultless(&self) -> bool {
        self.failed == 0
    }

    /// The verdict in words.
    pub(super) fn text(&self) -> String {
        let Leaks { calls, legs, dialogs, ports } = &self.leaks;
        let mut text = format!(
            "\n{} calls in {} s: {} answered, {} heard both ways, {} records, {} failures\n\
             left behind: {calls} calls, {legs} legs, {dialogs} dialogs, {ports} ports\n\
             the switch spent {} ms of CPU per call, {} ms of it on signalling and routing",
            self.calls,
            self.seconds,
            self.answered,
            self.two_way_audio,
            self.records,
            self.failed,
            self.cpu_ms_per_call,
            self.control_cpu_ms_per_call
        );
        text.extend(self.failures.iter().map(|f| format!("\n  failed: {f}")));
        text
    }
}
