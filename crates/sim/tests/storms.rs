//! Many seeds of bad wires, absent agents and impatient callers: the laws hold after every input, and nothing is left.

use busyhour_sim::{STORM, Scenario, World};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Calls end by themselves or by a time-out of the switch within this.
const CALM: Duration = Duration::from_secs(700);

/// Runs one seed; every law is checked on the way and at the end.
fn storm(seed: u64) {
    let mut world = World::new(Scenario::storm(seed));
    world.run(STORM);
    world.settle(CALM);
    world.check_ended();
}

/// `BUSYHOUR_SEEDS=10000` for more, `BUSYHOUR_SEED=17` for one with its whole panic.
#[test]
fn no_storm_breaks_a_law() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("BUSYHOUR_SEED") {
        return storm(seed);
    }
    let seeds = number("BUSYHOUR_SEEDS").unwrap_or(256);
    let failed: Vec<u64> = (0..seeds).filter(|seed| catch_unwind(AssertUnwindSafe(|| storm(*seed))).is_err()).collect();
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds failed; replay with BUSYHOUR_SEED={}: {failed:?}",
        failed.len(),
        failed[0]
    );
}

#[test]
fn the_same_seed_is_the_same_storm() {
    for seed in [3, 14] {
        let run = || {
            let mut world = World::new(Scenario::storm(seed));
            world.run(STORM);
            world.facts
        };
        assert_eq!(run(), run());
    }
}
