//! What a mark and a snapshot in the journal cost the control loop: CPU time each, with the size of the state beside it.
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]

use busyhour_acd::{Acd, AgentChoice, AgentSpec, Command, Enqueue, Policy, QueueSpec};
use busyhour_model::{AgentId, CallId, QueueId, SkillId, Time};
use busyhour_switch::Snapshot;
use std::hint::black_box;
use std::time::{Duration, Instant};

const RUNS: usize = 101;
/// Agents, queues (one skill each), calls waiting.
const SIZES: [(u32, u32, u64); 4] = [(50, 5, 50), (1_500, 30, 1_000), (1_500, 30, 100_000), (10_000, 100, 100_000)];

fn queue(id: u32) -> QueueSpec {
    QueueSpec {
        id: QueueId(id),
        required: vec![(SkillId(id), 1)],
        relax: vec![(Duration::from_secs(60), Vec::new())],
        priority: 0,
        goal: Duration::from_secs(20),
        choice: AgentChoice::LeastSkilled,
        wait_max: Some(Duration::from_secs(3_600)),
        waiting_max: None,
        overflow_no_agents: false,
        wrap_up: Duration::from_secs(10),
        policy: Policy::default(),
    }
}

/// A centre whose agents all talk while so many callers wait.
fn centre((agents, queues, waiting): (u32, u32, u64)) -> Acd {
    let (mut acd, mut out) = (Acd::new(1), Vec::new());
    let start = 1_790_000_000_000_000;
    let mut tell = |micros: u64, command| acd.apply(Time::from_micros(start + micros), command, &mut out).unwrap();
    (0..queues).for_each(|id| tell(0, Command::SetQueue(queue(id).into())));
    for id in 0..agents {
        let (agent, skills) =
            (AgentId(id), (0..3).map(|n| (SkillId((id + n * (1 + id / 7 % 5)) % queues), 2)).collect());
        tell(0, Command::SetAgent(AgentSpec::new(agent, skills)));
        tell(1, Command::SignIn { agent, not_ready: None });
    }
    for id in 0..u64::from(agents) + waiting {
        let (call, queue, since) = (CallId(id), QueueId(id as u32 % queues), Time::from_micros(start + 1_000 * id));
        tell(
            1_000 * id,
            Command::Enqueue(Enqueue {
                call,
                queue,
                required: Vec::new(),
                priority: 0,
                since,
                agent: None,
                prefer: None,
            }),
        );
    }
    acd
}

/// Least and median of all runs, microseconds.
fn timed<T>(mut work: impl FnMut() -> T) -> (f64, f64) {
    let mut spans: Vec<Duration> = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let began = Instant::now();
        black_box(work());
        spans.push(began.elapsed());
    }
    spans.sort_unstable();
    let micros = |span: Duration| span.as_secs_f64() * 1e6;
    (micros(spans[0]), micros(spans[RUNS / 2]))
}

fn main() {
    println!("{:>8} {:>8} {:>10} {:>22} {:>22}", "agents", "waiting", "bytes", "mark us (least, med)", "snapshot us");
    for size in SIZES {
        let acd = centre(size);
        let (mark, snapshot) = (timed(|| acd.digest()), timed(|| Snapshot::of(&acd)));
        let (waiting, bytes) = (acd.counts().waiting, acd.to_bytes().len());
        println!(
            "{:>8} {waiting:>8} {bytes:>10} {:>12.0} {:>9.0} {:>12.0} {:>9.0}",
            size.0, mark.0, mark.1, snapshot.0, snapshot.1
        );
    }
}
