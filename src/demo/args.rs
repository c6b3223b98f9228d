//! What `busyhour demo` can be told.

use clap::Args as ClapArgs;
use std::time::Duration;

/// Options of `busyhour demo`.
#[derive(Clone, Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Stop after so many calls; without it the demo runs until Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub calls: Option<u64>,
    /// New calls per second
    #[arg(long, default_value_t = 2.0, value_parser = rate)]
    pub rate: f64,
    /// Simulated agents
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub agents: u32,
    /// Every conversation lasts so many seconds [default: 3 to 8, at random]
    #[arg(long, value_parser = talk)]
    pub talk: Option<f64>,
    /// Change the dialplan and reload so many times while calls run
    #[arg(long, default_value_t = 0, requires = "calls", value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub reloads: u32,
    /// What all random choices come from [default: a new one for each run]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Print the summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

const AFTER: &str = "\
Exit code 0: every call was answered with sound measured both ways, every leg ended, nothing leaked, every record is complete.
Exit code 1: not so; what went wrong is said.

The JSON summary:
  calls, answered, abandoned     calls dialled; answered by an agent; given up while waiting
  two_way_audio                  calls in which caller and agent each heard the other's tone at the level it was sent
  setup_ms {p50,p99}             caller's INVITE to its 200
  match_latency_us {p50,p99}     call waiting and agent free to the decision, by the facts
  offer_ms {p50,p99}             the decision to the INVITE at the agent's phone
  voice_through_ms {p50,p99}     agent's answer to the agent's voice at the caller
  cpu_ms_per_call                CPU time of the switch (control and media threads; not the simulated peers) per call
  control_cpu_ms_per_call        of that, the control thread: signalling, menu, routing, facts
  leaks {calls,legs,dialogs,ports}  what the switch still holds after the last call
  reloads                        times a changed dialplan was taken meanwhile
  records                        call records written; missing and incomplete ones are among the failures
  failed, failures[]             how many things went wrong; the first twenty in words
  agents, seed, seconds          as run

Examples:
  busyhour demo
  busyhour demo --calls 200 --rate 10 --agents 50 --json
  busyhour demo --calls 500 --rate 25 --agents 200 --reloads 20   a new dialplan every second, and no call notices";

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=1000.0).contains(&rate) => Ok(rate),
        _ => Err("calls per second are between 0.01 and 1000".into()),
    }
}

fn talk(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(secs) if (1.0..=600.0).contains(&secs) => Ok(secs),
        _ => Err("a conversation lasts between 1 and 600 seconds".into()),
    }
}

impl Args {
    /// Shortest and longest talk.
    pub(super) fn talk_span(&self) -> (Duration, Duration) {
        self.talk.map_or((Duration::from_secs(3), Duration::from_secs(8)), |secs| {
            let span = Duration::from_secs_f64(secs);
            (span, span)
        })
    }

    /// Time between two reloads, so that all happen while calls come in.
    pub(super) fn reload_every(&self) -> Option<Duration> {
        let dialling = self.calls.unwrap_or(0) as f64 / self.rate;
        (self.reloads > 0).then(|| Duration::from_secs_f64(dialling / f64::from(self.reloads)))
    }

    /// A run of a given number of calls that takes longer than this hangs.
    pub(super) fn watchdog(&self) -> Duration {
        let calls = self.calls.unwrap_or(0) as f64;
        let dialling = calls / self.rate;
        let talking = calls * (self.talk_span().1.as_secs_f64() + 6.0) / f64::from(self.agents);
        Duration::from_secs_f64(60.0 + dialling + 2.0 * talking)
    }
}
