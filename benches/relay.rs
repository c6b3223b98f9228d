//! What does a packet of sound cost on its way, and how long is it under way? The media plane beside bare relays that only copy
//! datagrams, in turns, in one run.
//!
//! `cargo bench --bench relay -- [legs] [seconds] [threads] [phones on one socket]`; the goal line is `4000 5 2 50`.
//! `cargo bench --bench relay -- soak 4000 180 2 50` carries that for so long and fails when sound or memory is lost. A leg takes
//! up to four descriptors (`ulimit -n`).

#[path = "relay/bare.rs"]
mod bare;
#[path = "relay/phones.rs"]
mod phones;
#[path = "relay/plane.rs"]
mod plane;
#[path = "relay/soak.rs"]
mod soak;
#[allow(dead_code, reason = "the bare relays need half of it")]
#[path = "../src/media/sys.rs"]
mod sys;
#[path = "relay/wire.rs"]
mod wire;

use phones::{Load, Phones};
use plane::{Scene, Stage};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);
/// Turns each gets; the lowest CPU time counts, the others were disturbed.
const ROUNDS: usize = 3;
/// What comes before a turn of the plane, unmeasured.
const WARM_UP: Duration = Duration::from_secs(2);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let mut numbers = words.iter().filter_map(|word| word.parse::<usize>().ok());
    let mut number = |default: usize| numbers.next().unwrap_or(default).max(1);
    let workload = Workload {
        legs: number(200).max(2) / 2 * 2,
        span: Duration::from_secs(number(5) as u64),
        threads: number(1),
        behind: number(1),
    };
    println!("{workload}");
    if words.iter().any(|word| word == "soak") {
        return soak::run(&workload);
    }
    memory(&workload);
    compare(&workload);
}

/// What is carried.
struct Workload {
    legs: usize,
    span: Duration,
    threads: usize,
    /// Phones on one socket.
    behind: usize,
}

/// What one relay used and did.
struct Turn {
    cpu: Duration,
    /// Packets sent.
    packets: u64,
    load: Load,
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Workload { legs, span, threads, behind } = self;
        write!(f, "{legs} legs = {} calls, each leg 50 packets/s of 172 bytes over loopback for {span:?}; ", legs / 2)?;
        write!(f, "threads: {threads}, phones on one socket: {behind}")
    }
}

impl Turn {
    /// CPU time of a packet.
    fn ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.packets.max(1) as f64
    }
}

/// One thing to measure, by name.
type Row<'a> = (&'a str, Box<dyn Fn(&mut Phones) -> Turn + 'a>);

/// All in turns, and the best of each beside the floor.
fn compare(workload: &Workload) {
    let Workload { legs, span, threads, behind } = *workload;
    let on_stage = |scene| -> Box<dyn Fn(&mut Phones) -> Turn> {
        Box::new(move |phones| {
            let stage = Stage::new(phones, legs, threads, scene);
            stage.begin();
            // Buffers grow, files are made.
            stage.turn(phones, WARM_UP);
            stage.turn(phones, span)
        })
    };
    let mut rows: Vec<Row<'_>> = vec![
        ("bare, a socket per leg", Box::new(move |phones| bare::sockets(phones, legs, threads, span))),
        ("plane, relayed", on_stage(Scene::Relayed)),
        ("plane, A-law to µ-law", on_stage(Scene::Converted)),
        ("plane, relayed and recorded", on_stage(Scene::Recorded)),
        ("plane, music to each leg", on_stage(Scene::Music)),
    ];
    // Only their ports tell phones apart there.
    if behind == 1 {
        rows.push(("bare, 64 legs on one port", Box::new(move |phones| bare::shared(phones, legs, threads, span))));
    }
    let mut turns: Vec<Vec<Turn>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (row, turns) in rows.iter().zip(&mut turns) {
            turns.push(row.1(&mut Phones::new(legs, behind)));
        }
    }
    let best = |turns: &[Turn]| turns.iter().map(Turn::ns).fold(f64::INFINITY, f64::min);
    let (floor, relayed) = (best(&turns[0]), best(&turns[1]));
    println!(
        "{:<28} {:>20} {:>7} {:>9}   not heard, delay p50 / p99 / p99.9",
        "CPU a packet sent", "ns, turns", "x bare", "x relayed"
    );
    for (row, turns) in rows.iter().zip(&turns) {
        let of_turns: Vec<String> = turns.iter().map(|turn| format!("{:.0}", turn.ns())).collect();
        let least = best(turns);
        print!("{:<28} {:>20} {:>7.2} {:>9.2}   ", row.0, of_turns.join(" "), least / floor, least / relayed);
        let calmest = turns.iter().min_by(|a, b| a.load.delays.of_1000(990).total_cmp(&b.load.delays.of_1000(990)));
        match calmest {
            Some(Turn { load, .. }) if load.delays.are_known() => {
                println!("{} of {}, {}", load.missing(), load.said, load.delays);
            }
            Some(Turn { load, .. }) if load.said > 0 => println!("{} of {}", load.missing(), load.said),
            _ => println!("–"),
        }
    }
}

/// Resident memory of the process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// What a leg adds to the process: open and connected, then bridged and talking. Measured first, while nothing was ever freed.
fn memory(workload: &Workload) {
    let Workload { legs, threads, behind, .. } = *workload;
    let mut phones = Phones::new(legs, behind);
    // What talking takes of the phones themselves.
    phones.connect(&(0..legs).map(|leg| phones.address(leg)).collect::<Vec<_>>());
    phones.talk(Duration::from_millis(100));
    let empty = resident();
    let stage = Stage::new(&mut phones, legs, threads, Scene::Relayed);
    let idle = resident();
    stage.begin();
    stage.turn(&mut phones, Duration::from_secs(1));
    let [idle, bridged] = [idle, resident()].map(|now| now.saturating_sub(empty) as f64 / legs as f64 / 1000.0);
    println!("memory a leg (resident, without the kernel's): {idle:.2} kB open, {bridged:.2} kB bridged and talking");
}
