//! Keys in descriptions (RFC 4568).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use busyhour_model::{KeySecret, MasterKey, Suite};
use sha2::{Digest, Sha256};
use std::fmt;

/// What we offer, the better first: more would be too much for a datagram.
pub(super) const OFFERED: [Suite; 2] = [Suite::Gcm128, Suite::Cm128Sha80];

/// `a=crypto:1 AEAD_AES_128_GCM inline:…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crypto {
    pub(super) tag: u32,
    pub(super) suite: Suite,
    pub(super) key: MasterKey,
}

impl Crypto {
    /// `None`: we cannot use it. Neither can we use more than one key, a master key identifier, or parameters of the session that
    /// change what is done.
    pub(super) fn parse(value: &str) -> Option<Crypto> {
        let mut words = value.split_ascii_whitespace();
        let (tag, suite, keys) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        let suite = Suite::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(suite))?;
        // How far the window reaches changes nothing for us, and what begins with `-` may be passed over.
        words.all(|param| param.starts_with("WSH=") || param.starts_with('-')).then_some(())?;
        let mut parts = keys.strip_prefix("inline:")?.split('|');
        let key = MasterKey::new(suite, &BASE64.decode(parts.next()?).ok()?)?;
        let identified = parts.any(|part| part.contains(':'));
        (!identified && !keys.contains(';')).then_some(Crypto { tag, suite, key })
    }

    /// A line of ours, its key made of the secret of the stream.
    pub(super) fn ours(tag: u32, suite: Suite, secret: &KeySecret) -> Crypto {
        let block = |n: u8| Sha256::digest([&secret.bytes[..], suite.name().as_bytes(), &[n]].concat());
        let bytes: Vec<u8> =
            block(1).iter().chain(&block(2)).copied().take(suite.key_len() + suite.salt_len()).collect();
        let key = MasterKey::new(suite, &bytes).expect("as many bytes were taken as the suite wants");
        Crypto { tag, suite, key }
    }
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} inline:{}", self.tag, self.suite.name(), BASE64.encode(self.key.bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of RFC 4568 section 6.1, as phones write it, and what we cannot use.
    #[test]
    fn lines_are_read_as_peers_write_them() {
        let key = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
        for rest in ["", "|2^20", "|1024", " WSH=64", " -FEC"] {
            let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}{rest}");
            let crypto = Crypto::parse(&line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((crypto.tag, crypto.suite, crypto.key.bytes().len()), (1, Suite::Cm128Sha80, 30));
        }
        for wrong in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key};inline:{key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} KDR=1"),
            format!("1 AEAD_AES_128_GCM inline:{key}"),
            format!("1 F8_128_HMAC_SHA1_80 inline:{key}"),
            format!("x AES_CM_128_HMAC_SHA1_80 inline:{key}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:****".to_string(),
            "1 AES_CM_128_HMAC_SHA1_80".to_string(),
            String::new(),
        ] {
            assert_eq!(Crypto::parse(&wrong), None, "{wrong}");
        }
    }

    fn secret(byte: u8) -> KeySecret {
        KeySecret { bytes: [byte; 32], certificate: None }
    }

    #[test]
    fn our_lines_are_read_again_and_each_suite_has_a_key_of_its_own() {
        let lines = Suite::ALL.map(|suite| Crypto::ours(3, suite, &secret(7)));
        for line in &lines {
            assert_eq!(Crypto::parse(&line.to_string()).as_ref(), Some(line));
            assert!(!format!("{line:?}").contains(&BASE64.encode(line.key.bytes())), "keys are not shown");
        }
        assert!((0..5).all(|n| (0..n).all(|m| lines[n].key.bytes()[..8] != lines[m].key.bytes()[..8])));
        assert_ne!(lines[0], Crypto::ours(3, Suite::Gcm256, &secret(8)));
    }
}
