//! The whole state as bytes, and a fingerprint of them: equal states, equal fingerprints, on any machine.
//!
//! The bytes are postcard's: integers by value whatever the machine, maps in order, floats bit by bit. The fingerprint is
//! FNV-1a over words of eight bytes, little-endian, the last filled up with zeros, folded after each word because a
//! product never reaches downwards; last comes the number of bytes. It finds accidents, not forgeries.

use crate::acd::Acd;
use busyhour_model::Time;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A fingerprint of a state; 16 hexadecimal digits in text, because not every reader of JSON keeps 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub u64);

impl Digest {
    /// Of the bytes of a state.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut fold = Fold::new();
        fold.extend(bytes);
        fold.digest()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Digest).map_err(serde::de::Error::custom)
    }
}

impl Acd {
    /// The fingerprint of the whole state: `Digest::of(&acd.to_bytes())` without the bytes.
    pub fn digest(&self) -> Digest {
        postcard::serialize_with_flavor(self, Fold::new()).expect("all of the state is plain data")
    }

    /// The whole state as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("all of the state is plain data")
    }

    /// The state these are the bytes of; `None` when they are not, or come from a version with other state. Bytes whose
    /// digest is not known to be right may give a state that breaks laws.
    pub fn from_bytes(bytes: &[u8]) -> Option<Acd> {
        postcard::from_bytes(bytes).ok()
    }

    /// The latest time it was told.
    pub fn now(&self) -> Time {
        self.now
    }
}

struct Fold {
    state: u64,
    /// The bytes not yet folded in.
    word: u64,
    bytes: u64,
}

/// Of 64-bit FNV-1a (draft-eastlake-fnv, section 5).
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Fold {
    fn new() -> Fold {
        Fold { state: OFFSET, word: 0, bytes: 0 }
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.word |= u64::from(byte) << (8 * (self.bytes % 8));
        self.bytes += 1;
        if self.bytes.is_multiple_of(8) {
            self.mix(self.word);
            self.word = 0;
        }
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.push(byte));
    }

    #[inline]
    fn mix(&mut self, word: u64) {
        let product = (self.state ^ word).wrapping_mul(PRIME);
        self.state = product ^ product >> 32;
    }

    fn digest(mut self) -> Digest {
        self.mix(self.word);
        self.mix(self.bytes);
        Digest(self.state)
    }
}

impl Flavor for Fold {
    type Output = Digest;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Digest> {
        Ok(self.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_byte_and_every_length_counts() {
        let mut seen = BTreeSet::new();
        for length in 0..40 {
            let zeros = vec![0; length];
            assert!(seen.insert(Digest::of(&zeros).0), "{length} zeros");
            for at in 0..length {
                for bit in 0..8 {
                    let mut bytes = zeros.clone();
                    bytes[at] = 1 << bit;
                    assert!(seen.insert(Digest::of(&bytes).0), "{length} bytes, bit {bit} of byte {at}");
                }
            }
        }
    }

    #[test]
    fn it_is_the_same_on_every_machine_and_in_text() {
        assert_eq!(Digest::of(b"busyhour").to_string(), "d94971a469ecb3f5");
    }
}
