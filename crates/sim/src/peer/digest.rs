//! Digest answers to a challenge (RFC 7616 and its MD5 predecessor RFC 2617), computed apart from `busyhour-sip`.

use md5::Md5;
use sha2::{Digest, Sha256};

/// A challenge being answered, again and again while the nonce lives.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Option<String>,
    qop: bool,
    count: u32,
}

impl Challenge {
    /// The first of `offered` (WWW-Authenticate or Proxy-Authenticate values) that we know.
    pub(super) fn choose(offered: &[String]) -> Option<Challenge> {
        offered.iter().find_map(|value| Challenge::read(value))
    }

    fn read(value: &str) -> Option<Challenge> {
        let value = value.trim().strip_prefix("Digest ")?;
        let params: Vec<(String, String)> = split_quoted(value)
            .filter_map(|p| {
                let (key, value) = p.split_once('=')?;
                Some((key.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
            })
            .collect();
        let find = |key: &str| params.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        let algorithm = find("algorithm");
        let known = algorithm.as_deref().is_none_or(|a| ["MD5", "SHA-256"].iter().any(|k| a.eq_ignore_ascii_case(k)));
        let qop = find("qop").is_some_and(|q| q.split(',').any(|q| q.trim() == "auth"));
        known.then_some(())?;
        Some(Challenge {
            realm: find("realm")?,
            nonce: find("nonce")?,
            opaque: find("opaque"),
            algorithm,
            qop,
            count: 0,
        })
    }

    /// The (Proxy-)Authorization value for one more request.
    pub(super) fn answer(&mut self, user: &str, password: &str, method: &str, uri: &str) -> String {
        self.count += 1;
        let (realm, nonce) = (&self.realm, &self.nonce);
        let secret = self.hash(&format!("{user}:{realm}:{password}"));
        let request = self.hash(&format!("{method}:{uri}"));
        let nc = format!("{:08x}", self.count);
        let cnonce = &self.hash(&format!("{user}{nonce}{nc}"))[..16];
        let mut answer = format!(r#"Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}""#);
        let proof = if self.qop {
            answer += &format!(r#", qop=auth, nc={nc}, cnonce="{cnonce}""#);
            self.hash(&format!("{secret}:{nonce}:{nc}:{cnonce}:auth:{request}"))
        } else {
            self.hash(&format!("{secret}:{nonce}:{request}"))
        };
        answer += &format!(r#", response="{proof}""#);
        answer.extend(self.algorithm.iter().map(|a| format!(", algorithm={a}")));
        answer.extend(self.opaque.iter().map(|o| format!(r#", opaque="{o}""#)));
        answer
    }

    fn hash(&self, text: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
        match self.algorithm.as_deref() {
            Some(a) if a.eq_ignore_ascii_case("SHA-256") => hex(&Sha256::digest(text)),
            _ => hex(&Md5::digest(text)),
        }
    }
}

/// Comma-separated parts, commas within quotes apart.
fn split_quoted(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_match_independent_computation() {
        let md5 = r#"Digest realm="a, b", nonce="n1", algorithm=MD5, qop="auth,auth-int", opaque="o""#.to_owned();
        let unknown = r#"Digest realm="x", nonce="n", algorithm=SHA-512-256"#.to_owned();
        let mut challenge = Challenge::choose(&[unknown, md5]).unwrap();
        assert_eq!(challenge.realm, "a, b");
        for count in 1..=12 {
            let answer = challenge.answer("1001", "secret", "REGISTER", "sip:h");
            assert!(answer.contains(&format!("nc={count:08x},")), "{answer}");
        }
        // RFC 2617 section 3.5 without qop reduces to RFC 2069; this is RFC 2069's example as corrected by its erratum.
        let mut plain = Challenge::read(
            r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        )
        .unwrap();
        let answer = plain.answer("Mufasa", "CircleOfLife", "GET", "/dir/index.html");
        assert!(answer.contains(r#"response="1949323746fe6a43ef61f9606e7febea""#), "{answer}");
    }
}
