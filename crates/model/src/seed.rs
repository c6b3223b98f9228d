//! Everything random comes from one number: SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A stream of numbers; equal seeds give equal streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, parts: u32) -> bool {
        self.below(1000) < u64::from(parts)
    }

    /// A span between both, inclusive, in whole microseconds.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let range = most.saturating_sub(least).as_micros() as u64 + 1;
        least + Duration::from_micros(self.below(range))
    }

    /// One of them; `None` of an empty slice.
    pub fn choose<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len() as u64) as usize)
    }

    /// Another stream, independent of this one.
    pub fn fork(&mut self) -> Seed {
        Seed(self.draw())
    }

    /// 16 hexadecimal digits, for tags and branches.
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.draw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        let mut seed = Seed(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| seed.draw()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
