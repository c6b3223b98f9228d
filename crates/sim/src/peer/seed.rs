//! SplitMix64: tags, branches and durations from one number.

use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Seed(pub(super) u64);

impl Seed {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A token fit for tags and branches.
    pub(super) fn token(&mut self) -> String {
        format!("{:016x}", self.next())
    }

    /// A span between both, inclusive.
    pub(super) fn span(&mut self, (least, most): (Duration, Duration)) -> Duration {
        let range = most.saturating_sub(least).as_micros() as u64 + 1;
        least + Duration::from_micros(self.next() % range)
    }
}
