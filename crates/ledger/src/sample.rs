//! Which of many are looked at: drawn by a seed, as evenly from each stratum as there are enough.

use busyhour_model::Seed;
use std::collections::BTreeMap;

/// Draws `count` of `all`, each a number and its stratum. The same seed draws the same, in whatever order they come; what is added or removed
/// changes as little as it can. Returned by rounds: one of each stratum, then another of each that has one left.
pub fn sample<S: Ord>(all: impl IntoIterator<Item = (u64, S)>, count: usize, seed: u64) -> Vec<u64> {
    let mut strata: BTreeMap<S, Vec<(u64, u64)>> = BTreeMap::new();
    for (number, stratum) in all {
        strata.entry(stratum).or_default().push((Seed(seed ^ number.rotate_left(32)).draw(), number));
    }
    let mut rounds: Vec<(usize, u64, u64)> = Vec::new();
    for drawn in strata.values_mut() {
        drawn.sort_unstable();
        rounds.extend(drawn.iter().enumerate().map(|(round, (draw, number))| (round, *draw, *number)));
    }
    rounds.sort_unstable();
    rounds.into_iter().take(count).map(|(_, _, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: std::ops::Range<u64>, stratum: &'static str) -> Vec<(u64, &'static str)> {
        range.map(|number| (number, stratum)).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_whatever_the_order_and_another_draws_others() {
        let all = of(0..1_000, "");
        let backwards: Vec<_> = all.iter().rev().copied().collect();
        assert_eq!(sample(all.clone(), 50, 7), sample(backwards, 50, 7));
        assert_ne!(sample(all.clone(), 50, 7), sample(all.clone(), 50, 8));
        assert_eq!(sample(all.clone(), 5_000, 7).len(), 1_000);
        let fewer = sample(all.into_iter().filter(|(number, _)| *number != 500), 50, 7);
        let kept = sample(of(0..1_000, ""), 50, 7).iter().filter(|number| fewer.contains(number)).count();
        assert!(kept >= 49);
    }

    #[test]
    fn every_stratum_has_its_share_and_small_ones_leave_theirs_to_others() {
        let all = [of(0..900, "1001"), of(1_000..1_004, "1002"), of(2_000..2_050, "1003")].concat();
        let drawn = sample(all, 64, 1);
        let from = |range: std::ops::Range<u64>| drawn.iter().filter(|number| range.contains(number)).count();
        assert_eq!((from(0..900), from(1_000..1_004), from(2_000..2_050)), (30, 4, 30));
    }

    /// Each of 100 is drawn about as often as any other.
    #[test]
    fn nobody_is_preferred() {
        let mut times = [0; 100];
        for seed in 0..2_000 {
            for number in sample(of(0..100, ""), 10, seed) {
                times[number as usize] += 1;
            }
        }
        assert!(times.iter().all(|times| (140..=260).contains(times)), "{times:?}");
    }
}
