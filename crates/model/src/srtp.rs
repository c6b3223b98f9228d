//! How a stream is kept secret (SRTP, RFC 3711): suites, a key either way, and how both sides come to them.

use crate::Name;
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

/// How both sides come to a stream's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keying {
    /// They stand in the descriptions (RFC 4568).
    Said(Srtp),
    /// By a handshake where the sound goes (DTLS-SRTP, RFC 5763): no sound goes before it.
    Handshake(Handshake),
}

/// What was agreed on for a handshake. RTCP goes where RTP goes (RFC 5761).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    /// We begin it, as its client.
    pub active: bool,
    /// Of the certificate that the peer must show.
    pub fingerprint: Fingerprint,
    /// Where the peer tries out the way first.
    pub ice: Option<Ice>,
}

/// How a peer that tries out ways to us names itself and us (ICE, RFC 8445); we only answer (ICE-lite).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ice {
    /// Our `ice-ufrag`.
    pub ufrag: Name,
    /// Our `ice-pwd`.
    pub pwd: Name,
    /// The peer's `ice-ufrag`.
    pub theirs: Name,
}

impl fmt::Debug for Ice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ice({}:{})", self.ufrag, self.theirs)
    }
}

/// SHA-256 of a certificate (RFC 8122), in descriptions as `AB:CD:…`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// 32 times two hexadecimal digits, with colons between them.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        let mut bytes = [0; 32];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let digits = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        parts.next().is_none().then_some(Fingerprint(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, byte)| write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" }))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What our master keys are made of, and how our certificate is known.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySecret {
    /// Unpredictable, and never shown.
    pub bytes: [u8; 32],
    /// Of the certificate that we show in handshakes; `None`: we shake hands with nobody.
    pub certificate: Option<Fingerprint>,
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written_in_either_case() {
        let fingerprint = Fingerprint(std::array::from_fn(|at| 0xF0 ^ at as u8));
        let text = fingerprint.to_string();
        assert!(text.starts_with("F0:F1:F2:") && text.len() == 95, "{text}");
        assert_eq!([&text, &text.to_lowercase()].map(|text| Fingerprint::parse(text)), [Some(fingerprint); 2]);
        for wrong in ["", "F0:F1", &text[1..], &text[..94], &format!("{text}:00"), &text.replace(':', "")] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Fingerprint::parse(&text.replace("F0", "+0")), None);
    }
}
