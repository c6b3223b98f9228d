//! Telephone numbers as Chinese carriers write them, normalised once; routed, reported and masked by that.

use serde::{Deserialize, Serialize};

/// What kind of subscriber a number names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// `1xxxxxxxxxx`.
    Mobile,
    /// Area code and 7-8 digits.
    Landline,
    /// A hotline or service number: 95xxx, 400, 800, 10xxx, 12xxx, 1xx.
    Short,
    /// From or to another country.
    International,
    /// Withheld or unusable.
    #[default]
    Anonymous,
}

/// One telephone number. `raw` is what came; the rest is derived from it and never disagrees with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Number {
    /// The user part as it came on the wire.
    pub raw: String,
    /// `+` and digits (ITU-T E.164), empty for short and anonymous numbers.
    pub e164: String,
    /// As dialled within China: `13800138000`, `02112345678`, `95118`, `4008671888`, `0085221234567`; empty when anonymous.
    pub national: String,
    /// What it is.
    pub kind: NumberKind,
    /// Area code without the leading 0, for landlines and for short numbers that came with one.
    pub area: Option<String>,
}
