//! How long a free agent waits for the next caller: from the agent's BYE leaving the phone to the next caller's INVITE there.
//!
//! `cargo bench --bench ringing -- [--quick] [another build's binary]`. The server runs as a process of its own on
//! loopback, with journal, store and music. All agents are in calls, the given number of callers waits; a hundred times a second the agent who
//! has talked longest hangs up, is rung for the head of the queue and answers at once, and a new caller takes the freed
//! place. Phones and callers say nothing; callers hear music, 50 packets a second each, unless said otherwise. Both
//! moments are of the wire: the clock before the BYE's system call, the kernel's stamp of the INVITE. Between two
//! hang-ups the same thread sends a datagram to a thread that only sends it back: what the machine itself takes.

#[path = "ringing/echo.rs"]
mod echo;
#[path = "ringing/load.rs"]
mod load;
#[path = "ringing/server.rs"]
mod server;
#[allow(dead_code, reason = "the load needs epoll only")]
#[path = "../src/media/sys.rs"]
mod sys;
#[path = "ringing/wire.rs"]
mod wire;

use load::{Load, Music};
use server::{Cpu, Server};
use std::time::{Duration, Instant};

const AGENTS: [u64; 3] = [50, 200, 1_000];
const WAITING: [u64; 3] = [10, 100, 1_000];
/// Hang-ups per cell, and the pause between two.
const OFFERS: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(10);
/// Hang-ups before the measured ones.
const WARM: u32 = 50;
/// Nobody does anything for so long.
const ALONE: Duration = Duration::from_secs(4);
/// After the last hang-up its INVITE may take so long.
const LAST: Duration = Duration::from_millis(500);

const ELSEWHERE: &str = "measured elsewhere, with SIPp on two cores, from `agent free` to `INVITE sent`:
  Asterisk app_queue         p50 350 ms, p99 1,300-1,600 ms; 53 s at 1,000 members
  FreeSWITCH mod_callcenter  p50 600 ms, p99 1,100 ms; 3,100 / 5,400 ms with 900 others waiting
  waiting alone              Asterisk 7 % of a core at 1,000 waiting x 1,000 members; FreeSWITCH's scan saturates one
  memory per waiting caller  Asterisk 170-240 kB, FreeSWITCH 380-615 kB
target: p99 below 1,000 us at 1,000 agents and 1,000 waiting; waiting alone 0, no polling; 30 kB per waiting caller";

fn main() {
    let quick = std::env::args().any(|word| word == "--quick");
    println!("{ELSEWHERE}\n");
    println!("server, load and whatever else runs share {} CPUs, {}", cpus(), load_average());
    println!("{} hang-ups a cell, one each {} ms; music to all who wait; us", OFFERS, PAUSE.as_millis());
    println!("in the switch: mean from the BYE taken in to the INVITE sent, by its own histogram");
    println!("CPU per call: arrival, queue, offer, talk, end, without the music; rest: records, journal, store");
    println!("held up: share of the time the control thread was ready and had no CPU");
    println!(
        "agents waiting |  BYE->INVITE p50    p90    p99    max |  bare echo p50    p90    p99    max | in the switch | \
         CPU per call: control  media   rest | held up"
    );
    let (agents, waiting): (&[u64], &[u64]) = if quick { (&AGENTS[2..], &WAITING[2..]) } else { (&AGENTS, &WAITING) };
    for &agents in agents {
        for &waiting in waiting {
            println!("{agents:>6} {waiting:>7} | {}", offers(agents, waiting));
        }
    }
    println!("\nwaiting alone, {} agents in calls, {} s; CPU in % of a core", AGENTS[0], ALONE.as_secs());
    println!("waiting music |  control   media    rest | memory per waiting caller");
    for &waiting in waiting {
        for music in [Music::Off, Music::On] {
            println!("{waiting:>7} {music:>5?} |  {}", alone(waiting, music));
        }
    }
    println!("\n{}", load_average());
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("load average {}", text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

/// One cell of the grid, as it is printed.
fn offers(agents: u64, waiting: u64) -> String {
    let (server, mut load) = scene(agents, Music::On);
    load.callers(waiting);
    hang_ups(&mut load, WARM);
    (load.rung, load.echoed) = (Vec::new(), Vec::new());
    let (began, before, matching) = (Instant::now(), server.cpu(), server.matching());
    load.pass(ALONE / 4);
    let idle = (began.elapsed(), server.cpu().since(before));
    let (began, before) = (Instant::now(), server.cpu());
    hang_ups(&mut load, OFFERS);
    let (span, cpu) = (began.elapsed(), server.cpu().since(before));
    let matched = server.matching().since(matching);
    assert_eq!((load.unrung(), load.rung.len()), (0, OFFERS as usize), "each freed agent is rung\n{}", server.log());
    let per_call = |pick: fn(&Cpu) -> Duration| {
        let waiting = pick(&idle.1).div_f64(idle.0.as_secs_f64()).mul_f64(span.as_secs_f64());
        pick(&cpu).saturating_sub(waiting).as_secs_f64() * 1e6 / f64::from(OFFERS)
    };
    format!(
        "{} | {} | {:>13.0} | {:>21.0} {:>6.0} {:>6.0} | {:>5.1} %",
        quantiles(18, &mut load.rung),
        quantiles(16, &mut load.echoed),
        matched,
        per_call(|cpu| cpu.control),
        per_call(|cpu| cpu.media),
        per_call(|cpu| cpu.rest),
        100.0 * cpu.held_up.as_secs_f64() / span.as_secs_f64(),
    )
}

/// A server whose agents are all in calls.
fn scene(agents: u64, music: Music) -> (Server, Load) {
    let another = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let binary = another.as_deref().unwrap_or(env!("CARGO_BIN_EXE_busyhour"));
    let server = Server::start(binary, agents);
    let mut load = Load::new(server.sip(), music);
    load.register(agents);
    load.occupy(agents);
    (server, load)
}

fn hang_ups(load: &mut Load, count: u32) {
    let began = Instant::now();
    for n in 0..count {
        while !load.free_one() {
            load.pass(Duration::from_millis(1));
        }
        let due = PAUSE * n + PAUSE / 2;
        load.pass(due.saturating_sub(began.elapsed()));
        load.ping();
        load.pass((due + PAUSE / 2).saturating_sub(began.elapsed()));
    }
    load.pass(LAST);
}

fn quantiles(width: usize, spans: &mut [Duration]) -> String {
    spans.sort_unstable();
    let at = |share: f64| spans[((spans.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
    format!("{:>width$.0} {:>6.0} {:>6.0} {:>6.0}", at(0.5), at(0.9), at(0.99), at(1.0))
}

/// What so many waiting callers cost while nothing happens.
fn alone(waiting: u64, music: Music) -> String {
    let (server, mut load) = scene(AGENTS[0], music);
    let memory = server.memory_kb();
    load.callers(waiting);
    let per_caller = (server.memory_kb() - memory) / waiting as f64;
    let (began, before) = (Instant::now(), server.cpu());
    load.pass(ALONE);
    let (cpu, span) = (server.cpu().since(before), began.elapsed().as_secs_f64());
    let percent = |used: Duration| 100.0 * used.as_secs_f64() / span;
    format!(
        "{:>7.2} {:>7.2} {:>7.2} | {per_caller:>6.1} kB",
        percent(cpu.control),
        percent(cpu.media),
        percent(cpu.rest)
    )
}
