//! Digest authentication (RFC 7616, RFC 8760), MD5 and SHA-256, qop=auth.

use crate::parts::commas;
use crate::value::{quote, token, unquote};
use crate::{Account, Fault, HeaderName};
use busyhour_model::Time;
use ipnet::IpNet;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Which hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// `MD5`, also when none is named.
    #[default]
    Md5,
    /// `SHA-256`.
    Sha256,
}

/// The value of WWW-Authenticate or Proxy-Authenticate. `to_string()` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Protection space.
    pub realm: String,
    /// Server's nonce.
    pub nonce: String,
    /// To be sent back.
    pub opaque: Option<String>,
    /// Which hash.
    pub algorithm: Algorithm,
    /// Whether `auth` is among the qop values; false for a server of RFC 2069.
    pub qop_auth: bool,
    /// The nonce was too old; the password may be right.
    pub stale: bool,
}

/// The value of Authorization or Proxy-Authorization. `to_string()` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// User.
    pub username: String,
    /// Protection space.
    pub realm: String,
    /// Server's nonce.
    pub nonce: String,
    /// The Request-URI as the client saw it.
    pub uri: String,
    /// Hash in hex.
    pub response: String,
    /// Which hash.
    pub algorithm: Algorithm,
    /// Sent back.
    pub opaque: Option<String>,
    /// Client's nonce and nonce count (8 hex digits, as it came), when qop=auth.
    pub auth: Option<(String, String)>,
}

impl Algorithm {
    fn parse(text: &str) -> Option<Algorithm> {
        [Algorithm::Md5, Algorithm::Sha256].into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
    }

    /// As written in a field.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// The hash in lower-case hex of `parts` joined by colons.
    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

impl Challenge {
    /// A challenge of ours.
    pub fn new(realm: &str, nonce: String, algorithm: Algorithm, stale: bool) -> Challenge {
        Challenge { realm: realm.to_owned(), nonce, opaque: None, algorithm, qop_auth: true, stale }
    }

    /// The challenge in a field value. Fails with [`Fault::Header`] for another scheme, algorithm or qop than ours.
    pub fn parse(value: &[u8]) -> Result<Challenge, Fault> {
        Challenge::read(value).ok_or(Fault::Header(HeaderName::WwwAuthenticate))
    }

    fn read(value: &[u8]) -> Option<Challenge> {
        let params = params(value)?;
        let qop = param(&params, "qop");
        let qop_auth = qop.is_some_and(|qop| qop.split(',').any(|option| option.trim().eq_ignore_ascii_case("auth")));
        let usable = qop_auth || qop.is_none();
        usable.then_some(())?;
        Some(Challenge {
            realm: param(&params, "realm")?.to_owned(),
            nonce: param(&params, "nonce")?.to_owned(),
            opaque: param(&params, "opaque").map(str::to_owned),
            algorithm: Algorithm::parse(param(&params, "algorithm").unwrap_or("MD5"))?,
            qop_auth,
            stale: param(&params, "stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The strongest challenge of ours among the field values of a 401 or 407 (RFC 8760 section 2.4).
    pub fn strongest<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Challenge> {
        values.filter_map(Challenge::read).max_by_key(|challenge| challenge.algorithm)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", quote(&self.realm), quote(&self.nonce))?;
        self.opaque.iter().try_for_each(|opaque| write!(f, ", opaque={}", quote(opaque)))?;
        f.write_str(if self.stale { ", stale=true" } else { "" })?;
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        f.write_str(if self.qop_auth { ", qop=\"auth\"" } else { "" })
    }
}

impl Credentials {
    /// The credentials in a field value. Fails with [`Fault::Header`].
    pub fn parse(value: &[u8]) -> Result<Credentials, Fault> {
        Credentials::read(value).ok_or(Fault::Header(HeaderName::Authorization))
    }

    fn read(value: &[u8]) -> Option<Credentials> {
        let params = params(value)?;
        let auth = match param(&params, "qop") {
            None => None,
            Some(qop) => {
                let nc = param(&params, "nc")?;
                let sound = qop.eq_ignore_ascii_case("auth") && nc.len() <= 8 && is_hex(nc);
                sound.then_some(())?;
                Some((param(&params, "cnonce")?.to_owned(), nc.to_owned()))
            }
        };
        Some(Credentials {
            username: param(&params, "username")?.to_owned(),
            realm: param(&params, "realm")?.to_owned(),
            nonce: param(&params, "nonce")?.to_owned(),
            uri: param(&params, "uri")?.to_owned(),
            response: param(&params, "response").filter(|response| is_hex(response))?.to_owned(),
            algorithm: Algorithm::parse(param(&params, "algorithm").unwrap_or("MD5"))?,
            opaque: param(&params, "opaque").map(str::to_owned),
            auth,
        })
    }

    /// The nonce count; `None` without qop.
    pub fn count(&self) -> Option<u32> {
        u32::from_str_radix(&self.auth.as_ref()?.1, 16).ok()
    }

    /// Whether the response is right for this password and method. Takes the same time wherever the first difference is.
    pub fn verify(&self, password: &str, method: &str) -> bool {
        is_same(self.expected(password, method).as_bytes(), self.response.to_ascii_lowercase().as_bytes())
    }

    fn expected(&self, password: &str, method: &str) -> String {
        let secret = self.algorithm.hash(&[&self.username, &self.realm, password]);
        let what = self.algorithm.hash(&[method, &self.uri]);
        match &self.auth {
            Some((cnonce, nc)) => self.algorithm.hash(&[&secret, &self.nonce, nc, cnonce, "auth", &what]),
            None => self.algorithm.hash(&[&secret, &self.nonce, &what]),
        }
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username={}, realm={}", quote(&self.username), quote(&self.realm))?;
        write!(f, ", nonce={}, uri={}, response=\"{}\"", quote(&self.nonce), quote(&self.uri), self.response)?;
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        self.opaque.iter().try_for_each(|opaque| write!(f, ", opaque={}", quote(opaque)))?;
        self.auth.iter().try_for_each(|(cnonce, nc)| write!(f, ", qop=auth, cnonce={}, nc={nc}", quote(cnonce)))
    }
}

/// The Authorization value that answers `challenge`; `nc` counts the uses of its nonce from 1.
pub fn respond(challenge: &Challenge, account: &Account, method: &str, uri: &str, cnonce: &str, nc: u32) -> String {
    let mut credentials = Credentials {
        username: account.user.to_string(),
        realm: challenge.realm.clone(),
        nonce: challenge.nonce.clone(),
        uri: uri.to_owned(),
        response: String::new(),
        algorithm: challenge.algorithm,
        opaque: challenge.opaque.clone(),
        auth: challenge.qop_auth.then(|| (cnonce.to_owned(), format!("{nc:08x}"))),
    };
    credentials.response = credentials.expected(&account.password, method);
    credentials.to_string()
}

/// The parameters after `Digest`, unquoted.
fn params(value: &[u8]) -> Option<Vec<(&str, Cow<'_, str>)>> {
    let (scheme, rest) = value.trim_ascii().split_at_checked(6)?;
    let sound = scheme.eq_ignore_ascii_case(b"Digest") && rest.first().is_some_and(u8::is_ascii_whitespace);
    sound.then_some(())?;
    commas(rest)
        .map(|param| {
            let equals = memchr::memchr(b'=', param)?;
            let name = token(param[..equals].trim_ascii_end())?;
            Some((name, unquote(param[equals + 1..].trim_ascii_start())))
        })
        .collect()
}

fn param<'a>(params: &'a [(&str, Cow<'_, str>)], name: &str) -> Option<&'a str> {
    params.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Equal? In a time that depends on the lengths alone.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// What a nonce is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// In time, and this count was not used before.
    Fresh,
    /// Too old or used up: challenge again with `stale=true`.
    Stale,
}

/// The nonces we minted and how often each was used. A nonce is its moment and a mark that only we can make, so an unused one costs nothing.
#[derive(Clone, Serialize, Deserialize)]
pub struct Nonces {
    secret: u64,
    last: u64,
    /// Nonces up to this one that are not in `used` were pushed out of it.
    floor: u64,
    /// Per nonce the highest count seen, and which of the 64 up to it (RFC 7616 section 3.4, nc).
    used: BTreeMap<u64, (u32, u64)>,
}

impl Nonces {
    /// How long a nonce lives.
    pub const LIFETIME: Duration = Duration::from_secs(300);
    /// Nonces in use at once; the oldest becomes stale when one more is used.
    pub const USED_MAX: usize = 100_000;

    /// No nonce yet; `seed` is the secret.
    pub fn new(seed: u64) -> Nonces {
        Nonces { secret: seed, last: 0, floor: 0, used: BTreeMap::new() }
    }

    /// A new nonce for who asks from there.
    pub fn mint(&mut self, now: Time, source: IpNet) -> String {
        self.last = now.as_micros().max(self.last + 1);
        self.nonce(self.last, source)
    }

    fn nonce(&self, moment: u64, source: IpNet) -> String {
        let source = match source.addr() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let (secret, time) = (self.secret.to_be_bytes(), moment.to_be_bytes());
        let mark = Sha256::digest([&secret[..], &time, &source.octets()].concat());
        format!("{moment:016x}{}", hex(&mark[..16]))
    }

    /// Whether this nonce was minted for that source, at any time. Who shows it there has received what we sent there: the source
    /// is not forged.
    pub fn is_known(&self, source: IpNet, nonce: &str) -> bool {
        moment_of(nonce).is_some_and(|moment| is_same(self.nonce(moment, source).as_bytes(), nonce.as_bytes()))
    }

    /// Uses a known `nonce` once. Call it after [`Credentials::verify`], so that only who knows a password can use a nonce up.
    /// Without qop a nonce is good for one request.
    pub fn spend(&mut self, now: Time, credentials: &Credentials) -> Freshness {
        let Some(moment) = moment_of(&credentials.nonce) else { return Freshness::Stale };
        self.forget(now);
        let is_new = !self.used.contains_key(&moment);
        if now.since(Time::from_micros(moment)) > Nonces::LIFETIME || (is_new && moment <= self.floor) {
            return Freshness::Stale;
        }
        let count = credentials.count().unwrap_or(1);
        if is_used(self.used.entry(moment).or_default(), count) { Freshness::Stale } else { Freshness::Fresh }
    }

    fn forget(&mut self, now: Time) {
        while let Some(oldest) = self.used.first_entry() {
            let expired = now.since(Time::from_micros(*oldest.key())) > Nonces::LIFETIME;
            if !expired && self.used.len() < Nonces::USED_MAX {
                return;
            }
            self.floor = self.used.pop_first().map_or(self.floor, |(moment, _)| moment);
        }
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonces({} in use)", self.used.len())
    }
}

/// When a nonce was minted.
fn moment_of(nonce: &str) -> Option<u64> {
    u64::from_str_radix(nonce.get(..16)?, 16).ok()
}

/// Marks `count` as used; whether it was before, or is too far back to tell.
fn is_used((highest, seen): &mut (u32, u64), count: u32) -> bool {
    if count > *highest {
        let step = count - *highest;
        *seen = seen.checked_shl(step).unwrap_or(0) | 1;
        *highest = count;
        return false;
    }
    let bit = 1u64.checked_shl(*highest - count).unwrap_or(0);
    let used = count == 0 || bit == 0 || *seen & bit != 0;
    *seen |= bit;
    used
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn account(user: &str, password: &str) -> Account {
        Account { user: user.into(), password: password.into() }
    }

    fn here() -> IpNet {
        "203.0.113.9/32".parse().unwrap()
    }

    #[test]
    fn responses_are_those_of_the_rfcs() {
        let credentials = |algorithm: &str, response: &str| {
            format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\""
            )
        };
        // RFC 7616 section 3.9.1; RFC 2617 section 3.5 without a nonce count is RFC 2069's example.
        let cases = [
            (credentials("MD5", "8ca523f5e9506fed4657c9700eebdbec"), "Circle of Life"),
            (
                credentials("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
                "Circle of Life",
            ),
            (
                "digest username=\"Mufasa\",realm=\"testrealm@host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",\
                 uri=\"/dir/index.html\",response=\"670FD8C2DF070C60B045671B8B24FF02\""
                    .to_owned(),
                "Circle Of Life",
            ),
        ];
        for (value, password) in cases {
            let credentials = Credentials::parse(value.as_bytes()).unwrap();
            assert!(credentials.verify(password, "GET"), "{value}");
            assert!(!credentials.verify("circle of life", "GET") && !credentials.verify(password, "PUT"), "{value}");
            assert_eq!(Credentials::parse(credentials.to_string().as_bytes()), Ok(credentials));
        }
    }

    #[test]
    fn what_we_answer_to_our_own_challenge_is_right() {
        let mut nonces = Nonces::new(7);
        let now = Time::from_secs(1_000);
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let challenge = Challenge::new("busy\"hour", nonces.mint(now, here()), algorithm, true);
            let challenge = Challenge::parse(challenge.to_string().as_bytes()).unwrap();
            assert!(challenge.stale && challenge.qop_auth && challenge.algorithm == algorithm);
            let value = respond(&challenge, &account("8001", "s3cret"), "REGISTER", "sip:h", "abc", 11);
            assert!(value.contains("nc=0000000b"), "{value}");
            let credentials = Credentials::parse(value.as_bytes()).unwrap();
            assert!(credentials.verify("s3cret", "REGISTER"));
            assert_eq!(nonces.spend(now, &credentials), Freshness::Fresh);
        }
    }

    #[test]
    fn credentials_that_are_none_are_refused() {
        let sound = "Digest username=u, realm=r, nonce=n, uri=\"sip:h\", response=0f, qop=auth, nc=0000000A, cnonce=c";
        assert_eq!(Credentials::parse(sound.as_bytes()).map(|credentials| credentials.count()), Ok(Some(10)));
        let changes = [
            ("=0f", "=\"0f\\\"\""),
            ("=0f", "=xy"),
            ("=0000000A", "=+1"),
            ("=0000000A", "=100000000"),
            ("qop=auth", "qop=auth-int"),
            ("Digest ", "Basic "),
            ("Digest ", "Digest"),
            ("username=u, ", ""),
            ("cnonce=c", "c"),
            ("nonce=n, ", "algorithm=SHA-512, nonce=n, "),
        ];
        for (old, new) in changes {
            assert!(Credentials::parse(sound.replacen(old, new, 1).as_bytes()).is_err(), "{new}");
        }
        for value in ["", "Digest", "NoOneKnowsThisScheme opaque-data=here"] {
            assert!(Credentials::parse(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn the_strongest_challenge_we_understand_is_taken() {
        let values = [
            &b"Digest realm=r, nonce=n1, algorithm=MD5, qop=\"auth,auth-int\""[..],
            b"Digest realm=\"r\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth\"",
            b"Digest realm=\"r\", nonce=\"n3\", algorithm=SHA-512-256",
            b"Basic realm=\"r\"",
        ];
        assert_eq!(Challenge::strongest(values.into_iter()).unwrap().nonce, "n2");
        assert_eq!(Challenge::strongest(values[2..].iter().copied()), None);
        assert!(Challenge::parse(b"Digest realm=r, nonce=n, qop=\"auth-int\"").is_err());
    }

    #[test]
    fn a_nonce_is_spent_once_per_count_and_dies_of_age() {
        let mut nonces = Nonces::new(1);
        let now = Time::from_secs(5_000);
        let nonce = nonces.mint(now, here());
        assert_ne!(nonce, nonces.mint(now, here()));
        let mut spend = |nonce: &str, nc: Option<u32>, after: u64| {
            let auth = nc.map(|nc| ("c".to_owned(), format!("{nc:08x}")));
            let text = |text: &str| text.to_owned();
            let credentials = Credentials {
                username: text("u"),
                realm: text("r"),
                nonce: text(nonce),
                uri: text("sip:h"),
                response: text(""),
                algorithm: Algorithm::Md5,
                opaque: None,
                auth,
            };
            nonces.spend(now + Duration::from_secs(after), &credentials)
        };
        use Freshness::{Fresh, Stale};
        let steps = [
            (Some(1), 0, Fresh),
            (Some(1), 0, Stale),
            (Some(3), 1, Fresh),
            (Some(2), 1, Fresh),
            (Some(2), 1, Stale),
            (Some(200), 2, Fresh),
            (Some(100), 2, Stale),
            (Some(199), 300, Fresh),
            (Some(0), 3, Stale),
            (Some(u32::MAX), 300, Fresh),
            (Some(201), 300, Stale),
            (None, 300, Stale),
            (Some(u32::MAX), 301, Stale),
        ];
        for (nc, after, verdict) in steps {
            assert_eq!(spend(&nonce, nc, after), verdict, "{nc:?} after {after} s");
        }
        assert_eq!(spend("张张张张张张张张", Some(1), 0), Stale);
    }

    #[test]
    fn a_nonce_is_known_where_it_was_sent_and_nowhere_else() {
        let mut nonces = Nonces::new(1);
        let nonce = nonces.mint(Time::from_secs(5_000), here());
        assert!(nonces.is_known(here(), &nonce));
        for (source, nonce) in [
            ("198.51.100.4/32", nonce.clone()),
            ("2001:db8::/64", nonce.clone()),
            ("203.0.113.9/32", nonce.replace(char::is_alphabetic, "0")),
            ("203.0.113.9/32", "张张张张张张张张".to_owned()),
            ("203.0.113.9/32", String::new()),
        ] {
            assert!(!nonces.is_known(source.parse().unwrap(), &nonce), "{source} {nonce}");
        }
    }

    #[test]
    fn the_oldest_nonce_gives_way_when_too_many_are_in_use() {
        let mut nonces = Nonces::new(1);
        let now = Time::from_secs(5_000);
        let mut credentials = Credentials::parse(
            b"Digest username=u, realm=r, nonce=n, uri=\"sip:h\", response=0, qop=auth, cnonce=c, nc=1",
        )
        .unwrap();
        let first = nonces.mint(now, here());
        for nonce in std::iter::once(first.clone()).chain((0..Nonces::USED_MAX).map(|_| String::new())) {
            credentials.nonce = if nonce.is_empty() { nonces.mint(now, here()) } else { nonce };
            assert_eq!(nonces.spend(now, &credentials), Freshness::Fresh);
        }
        assert_eq!(nonces.used.len(), Nonces::USED_MAX);
        credentials.nonce = first;
        assert_eq!(nonces.spend(now, &credentials), Freshness::Stale);
    }
}
