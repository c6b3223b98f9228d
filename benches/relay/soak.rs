//! The same load for long: does sound get lost, does memory grow, does it become slower?

use crate::phones::{Load, Phones};
use crate::plane::{Scene, Stage};
use crate::{Turn, Workload, resident};
use std::time::Duration;

/// A line is printed this often.
const EVERY: Duration = Duration::from_secs(10);
/// Packets that may be missing, of 1,000: an overloaded machine loses some in its sockets.
const MISSING_MAX: u64 = 1;
/// What the process may grow after its first line: buffers of its streams, no more.
const GROWTH_MAX: u64 = 4 << 20;

/// Carries the workload; ends the process with 1 when it does not hold.
pub(crate) fn run(workload: &Workload) {
    let Workload { legs, span, threads, behind } = *workload;
    let mut phones = Phones::new(legs, behind);
    let stage = Stage::new(&mut phones, legs, threads, Scene::Relayed);
    stage.begin();
    let (mut all, mut first) = (Load::default(), None);
    for line in 1..=(span.as_secs() / EVERY.as_secs()).max(1) {
        let Turn { cpu, packets, load } = stage.turn(&mut phones, EVERY);
        let memory = resident();
        println!(
            "{:>5} s: {} of {} packets not heard, delay {}, {:.2} µs a packet, {:.0} % of a core, {:.1} MB",
            line * EVERY.as_secs(),
            load.missing(),
            load.said,
            load.delays,
            cpu.as_secs_f64() * 1e6 / packets.max(1) as f64,
            cpu.as_secs_f64() / EVERY.as_secs_f64() * 100.0,
            memory as f64 / 1e6,
        );
        // What was late in one turn is heard in the next.
        (all.said, all.heard) = (all.said + load.said, all.heard + load.heard);
        first.get_or_insert(memory);
    }
    let grown = resident().saturating_sub(first.unwrap_or_default());
    let (said, missing) = (all.said, all.missing());
    println!("{missing} of {said} packets not heard, {:.1} MB grown", grown as f64 / 1e6);
    if missing * 1000 > said * MISSING_MAX || grown > GROWTH_MAX || said == 0 {
        println!("FAILED: at most {MISSING_MAX} of 1,000 packets and {} MB", GROWTH_MAX >> 20);
        std::process::exit(1);
    }
}
