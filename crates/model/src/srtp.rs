//! How a stream is kept secret (SRTP, RFC 3711): suites, and a key either way.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What seals packets, by the names of RFC 4568, RFC 6188 and RFC 7714; the better before the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// `AEAD_AES_256_GCM`.
    Gcm256,
    /// `AEAD_AES_128_GCM`.
    Gcm128,
    /// `AES_256_CM_HMAC_SHA1_80`.
    Cm256Sha80,
    /// `AES_CM_128_HMAC_SHA1_80`.
    Cm128Sha80,
    /// `AES_CM_128_HMAC_SHA1_32`.
    Cm128Sha32,
}

impl Suite {
    /// All of them, the best first.
    pub const ALL: [Suite; 5] = [Suite::Gcm256, Suite::Gcm128, Suite::Cm256Sha80, Suite::Cm128Sha80, Suite::Cm128Sha32];

    /// As a description names it.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Gcm256 => "AEAD_AES_256_GCM",
            Suite::Gcm128 => "AEAD_AES_128_GCM",
            Suite::Cm256Sha80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::Cm128Sha80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Cm128Sha32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of a master key.
    pub fn key_len(self) -> usize {
        match self {
            Suite::Gcm256 | Suite::Cm256Sha80 => 32,
            Suite::Gcm128 | Suite::Cm128Sha80 | Suite::Cm128Sha32 => 16,
        }
    }

    /// Bytes of a master salt.
    pub fn salt_len(self) -> usize {
        match self {
            Suite::Gcm256 | Suite::Gcm128 => 12,
            Suite::Cm256Sha80 | Suite::Cm128Sha80 | Suite::Cm128Sha32 => 14,
        }
    }
}

/// A master key and the salt behind it. It is never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKey(Box<[u8]>);

impl MasterKey {
    /// The key and the salt, one behind the other; `None` when they are not as long as the suite wants.
    pub fn new(suite: Suite, bytes: &[u8]) -> Option<MasterKey> {
        (bytes.len() == suite.key_len() + suite.salt_len()).then(|| MasterKey(bytes.into()))
    }

    /// The key and the salt, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// What was agreed on for one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Srtp {
    /// What seals packets.
    pub suite: Suite,
    /// What we send is sealed by it.
    pub ours: MasterKey,
    /// What the peer sends is sealed by it.
    pub theirs: MasterKey,
}

/// What our master keys are made of; unpredictable, and never shown.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySecret(pub [u8; 32]);

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}
