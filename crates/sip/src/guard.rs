//! Who may call: trunks by address, accounts by digest, and nobody who keeps guessing (RFC 3261 section 22, RFC 8760).

use crate::digest::{Algorithm, Challenge, Credentials, Freshness, Nonces};
use crate::event::{Account, Flow, Origin};
use crate::stack::Stack;
use crate::transaction::Map;
use crate::{HeaderName, Method, Request, Response};
use busyhour_model::{Name, Time, TrunkId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Failures within [`WINDOW`] that ban a source.
const FAILURES_MAX: u32 = 10;
/// Failures are counted, and a ban lasts, so long.
const WINDOW: Duration = Duration::from_secs(60);
/// Sources watched at once; beyond it the one that failed longest ago is forgotten.
const SOURCES_MAX: usize = 10_000;
/// Verified against when the user is unknown, so that both cases take the same time.
const NO_PASSWORD: &str = "no account has this password";

/// Passwords, nonces, and who guesses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Guard {
    accounts: Map<Name, Account>,
    nonces: Nonces,
    failures: BTreeMap<IpAddr, (Time, u32)>,
}

/// What a request's credentials are worth.
enum Verdict {
    /// Right.
    Account(Name),
    /// None, or spent ones.
    Challenge { stale: bool },
    /// Wrong.
    Wrong,
}

impl Guard {
    pub(crate) fn new(seed: u64) -> Guard {
        Guard { accounts: Map::default(), nonces: Nonces::new(seed), failures: BTreeMap::new() }
    }

    pub(crate) fn set_accounts(&mut self, accounts: &[Account]) {
        self.accounts = accounts.iter().map(|account| (account.user.clone(), account.clone())).collect();
    }

    pub(crate) fn knows(&self, account: &str) -> bool {
        self.accounts.contains_key(account)
    }

    /// Whether this source is met with silence.
    pub(crate) fn is_banned(&self, now: Time, source: IpAddr) -> bool {
        self.failures.get(&source).is_some_and(|(last, count)| *count >= FAILURES_MAX && now.since(*last) < WINDOW)
    }

    fn count_failure(&mut self, now: Time, source: IpAddr) {
        if self.failures.len() >= SOURCES_MAX && !self.failures.contains_key(&source) {
            self.failures.retain(|_, (last, _)| now.since(*last) < WINDOW);
            if self.failures.len() >= SOURCES_MAX
                && let Some(oldest) = self.failures.iter().min_by_key(|(_, (last, _))| *last).map(|(source, _)| *source)
            {
                self.failures.remove(&oldest);
            }
        }
        let entry = self.failures.entry(source).or_insert((now, 0));
        let expired = now.since(entry.0) >= WINDOW;
        *entry = (now, if expired { 1 } else { entry.1 + 1 });
    }

    fn check(&mut self, now: Time, realm: &str, request: &Request) -> Verdict {
        let given = request.headers.all(HeaderName::Authorization).filter_map(|value| Credentials::parse(value).ok());
        let Some(credentials) = given.into_iter().find(|credentials| credentials.realm == realm) else {
            return Verdict::Challenge { stale: false };
        };
        let account = self.accounts.get(credentials.username.as_str());
        let password = account.map_or(NO_PASSWORD, |account| &account.password);
        let right = credentials.verify(password, request.method.as_str());
        let Some(account) = account.filter(|_| right && credentials.auth.is_some()) else { return Verdict::Wrong };
        let name = account.user.clone();
        match self.nonces.spend(now, &credentials) {
            Freshness::Fresh => Verdict::Account(name),
            Freshness::Stale => Verdict::Challenge { stale: true },
            Freshness::Forged => Verdict::Challenge { stale: false },
        }
    }
}

impl Stack {
    /// The trunk that a request's source belongs to: the longest match wins.
    pub(crate) fn trunk_of(&self, flow: &Flow) -> Option<TrunkId> {
        let source = flow.remote.ip();
        let shown = self.net.connections.get(&flow.connection).map_or(&[][..], |connection| &connection.certified);
        let host_bits = |trunk: &crate::TrunkPeer| {
            let listed = trunk.sources.iter().filter(|net| net.contains(&source)).map(|net| net.prefix_len()).max();
            let is_peer = trunk.register.is_some() && trunk.peers.iter().any(|peer| peer.address.ip() == source);
            match trunk.certified {
                true if !shown.contains(&trunk.trunk) => None,
                true if trunk.sources.is_empty() => Some(u8::MAX),
                _ if is_peer => Some(u8::MAX),
                _ => listed,
            }
        };
        let matching = self.config.trunks.iter().filter_map(|trunk| Some((host_bits(trunk)?, trunk.trunk)));
        matching.max_by_key(|(bits, _)| *bits).map(|(_, trunk)| trunk)
    }

    /// Who sends this request outside a dialog. `Err`: it was answered, or is met with silence.
    pub(crate) fn admit(&mut self, now: Time, flow: Flow, request: &Request) -> Result<Origin, ()> {
        let source = flow.remote.ip();
        let is_phone = request.method == Method::Register || self.registrar.is_met_at(&flow);
        if let Some(trunk) = self.trunk_of(&flow).filter(|_| !is_phone) {
            return Ok(Origin::Trunk(trunk));
        }
        if self.guard.is_banned(now, source) {
            self.net.counters.banned += 1;
            return Err(());
        }
        match self.guard.check(now, &self.config.domain, request) {
            Verdict::Account(account) => return self.identify(flow, request, account),
            Verdict::Challenge { stale } => self.challenge(now, flow, request, stale),
            Verdict::Wrong => {
                self.net.counters.auth_failures += 1;
                self.guard.count_failure(now, source);
                self.challenge(now, flow, request, false);
            }
        }
        Err(())
    }

    /// An account speaks only for itself: To of a REGISTER, From of anything else.
    fn identify(&mut self, flow: Flow, request: &Request, account: Name) -> Result<Origin, ()> {
        let claimed = if request.method == Method::Register { request.headers.to() } else { request.headers.from() };
        let user = claimed.ok().and_then(|address| address.uri.user_unescaped());
        if user.as_deref() == Some(&*account) {
            return Ok(Origin::Account(account));
        }
        self.respond_stateless(flow, request, 403);
        Err(())
    }

    /// 401 with a challenge for each hash offered, the better one first (RFC 8760 section 2.4). Nothing is kept of it (section 8.2.7).
    fn challenge(&mut self, now: Time, flow: Flow, request: &Request, stale: bool) {
        let mut response: Response = self.reply(request, 401);
        let nonce = self.guard.nonces.mint(now);
        let offered: &[Algorithm] =
            if self.config.limits.sha256 { &[Algorithm::Sha256, Algorithm::Md5] } else { &[Algorithm::Md5] };
        for &algorithm in offered {
            let (realm, nonce) = (self.config.domain.clone(), nonce.clone());
            let challenge = Challenge { realm, nonce, opaque: None, algorithm, qop_auth: true, stale };
            response.headers.push(HeaderName::WwwAuthenticate, challenge.to_string());
        }
        self.net.respond_stateless(flow, request, &response);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessers_from_everywhere_do_not_fill_the_memory() {
        let mut guard = Guard::new(1);
        let source = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..SOURCES_MAX as u32 + 50 {
            guard.count_failure(Time::from_secs(1000) + Duration::from_millis(u64::from(n)), source(n));
        }
        assert_eq!(guard.failures.len(), SOURCES_MAX);
        assert!(!guard.failures.contains_key(&source(49)) && guard.failures.contains_key(&source(50)));
    }

    #[test]
    fn failures_far_apart_ban_nobody() {
        let mut guard = Guard::new(1);
        let source = IpAddr::from([10, 0, 0, 1]);
        for n in 0..50 {
            let now = Time::from_secs(1000 + 60 * n);
            guard.count_failure(now, source);
            assert!(!guard.is_banned(now, source));
        }
    }
}
