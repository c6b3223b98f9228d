//! A rate kept as two counts and rounded once, when somebody reads it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `part` of `whole`. Shown in per cent with two decimals, rounded half up: 2/3 is `66.67`; of nothing it is `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    /// Numerator.
    pub part: u64,
    /// Denominator.
    pub whole: u64,
}

impl Ratio {
    /// Hundredths of a per cent, rounded half up; `None` of nothing.
    pub fn hundredths(self) -> Option<u64> {
        let (part, whole) = (u128::from(self.part), u128::from(self.whole));
        (whole > 0).then(|| ((part * 20_000 + whole) / (2 * whole)) as u64)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hundredths() {
            Some(h) => write!(f, "{}.{:02}", h / 100, h % 100),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_rounded_once_half_up() {
        let table = [
            (2, 3, "66.67"),
            (1, 3, "33.33"),
            (1, 8, "12.50"),
            (1, 32, "3.13"),
            (1, 20_000, "0.01"),
            (1, 20_001, "0.00"),
            (0, 7, "0.00"),
            (7, 7, "100.00"),
            (0, 0, "-"),
            (u64::MAX, u64::MAX, "100.00"),
        ];
        for (part, whole, shown) in table {
            assert_eq!(Ratio { part, whole }.to_string(), shown, "{part}/{whole}");
        }
    }
}
