//! Who may call: trunks by address, accounts by digest, and nobody who keeps guessing (RFC 3261 section 22, RFC 8760).

use crate::ban::{self, Asker, Ban, BanReason, Bans};
use crate::digest::{self, Algorithm, Challenge, Credentials, Freshness, Nonces};
use crate::event::{Account, Event, Flow, Origin, Secret};
use crate::stack::Stack;
use crate::transaction::Map;
use crate::{HeaderName, Headers, Method, Request, Response};
use busyhour_model::{Name, Time, TrunkId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Verified against when the user is unknown, so that both cases take the same time.
const NO_PASSWORD: &str = "no account has this password";

/// Passwords, nonces, and who guesses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Guard {
    accounts: Map<Name, Account>,
    /// Accounts by their other names.
    aliases: Map<Name, Name>,
    nonces: Nonces,
    bans: Bans,
}

/// What a request's credentials are worth.
enum Verdict {
    /// Right.
    Account(Name),
    /// None, or spent or foreign ones.
    Challenge { stale: bool },
    /// Wrong, for this user.
    Wrong(String),
    /// This user failed too often at this source.
    Locked,
}

impl Guard {
    pub(crate) fn new(seed: u64) -> Guard {
        let (accounts, aliases) = (Map::default(), Map::default());
        Guard { accounts, aliases, nonces: Nonces::new(seed), bans: Bans::default() }
    }

    pub(crate) fn set_accounts(&mut self, accounts: &[Account], aliases: &[(Name, Name)]) {
        self.accounts = accounts.iter().map(|account| (account.user.clone(), account.clone())).collect();
        self.aliases = aliases.iter().cloned().collect();
    }

    /// The account of this name, its own or another one.
    pub(crate) fn named(&self, name: &str) -> Option<&Name> {
        self.accounts.get(name).map(|account| &account.user).or_else(|| self.aliases.get(name))
    }

    pub(crate) fn knows(&self, account: &str) -> bool {
        self.accounts.contains_key(account)
    }

    fn has_known_nonce(&self, realm: &str, source: IpNet, request: &Request) -> bool {
        given(realm, request).is_some_and(|credentials| self.nonces.is_known(source, &credentials.nonce))
    }

    fn check(&mut self, now: Time, realm: &str, flow: &Flow, request: &Request) -> Verdict {
        let Some(credentials) = given(realm, request) else { return Verdict::Challenge { stale: false } };
        let source = ban::source(flow.remote.ip());
        if !self.nonces.is_known(source, &credentials.nonce) {
            // Anybody may have sent it: nothing is counted, and nothing said of the password.
            return Verdict::Challenge { stale: true };
        }
        if self.bans.is_locked(now, source, &credentials.username) {
            return Verdict::Locked;
        }
        let account = self.accounts.get(credentials.username.as_str());
        let password = account.map_or(NO_PASSWORD, |account| &account.password);
        let right = credentials.verify(password, request.method.as_str());
        let Some(account) = account.filter(|_| right && credentials.auth.is_some()) else {
            return Verdict::Wrong(credentials.username);
        };
        let name = account.user.clone();
        match self.nonces.spend(now, &credentials) {
            Freshness::Fresh => Verdict::Account(name),
            Freshness::Stale => Verdict::Challenge { stale: true },
        }
    }
}

/// The credentials of a request for us.
fn given(realm: &str, request: &Request) -> Option<Credentials> {
    let mut all = request.headers.all(HeaderName::Authorization).filter_map(|value| Credentials::parse(value).ok());
    all.find(|credentials| credentials.realm == realm)
}

impl Secret {
    /// Whether a request has it. Takes the same time wherever the first difference is.
    fn is_in(&self, headers: &Headers) -> bool {
        headers.named(&self.header).is_some_and(|value| digest::is_same(value, self.value.as_bytes()))
    }
}

impl Stack {
    /// The trunk that a request belongs to by its source, certificate and secret: the longest match wins.
    pub(crate) fn trunk_of(&self, flow: &Flow, request: &Request) -> Option<TrunkId> {
        self.trunk_at(flow, |secret| secret.is_in(&request.headers))
    }

    /// The same of a source, where `knows` says of a trunk's secret whether it was told.
    fn trunk_at(&self, flow: &Flow, knows: impl Fn(&Secret) -> bool) -> Option<TrunkId> {
        let source = flow.remote.ip();
        let shown = self.net.connections.get(&flow.connection).map_or(&[][..], |connection| &connection.certified);
        let host_bits = |trunk: &crate::TrunkPeer| {
            let listed = trunk.sources.iter().filter(|net| net.contains(&source)).map(|net| net.prefix_len()).max();
            let is_peer = trunk.register.is_some() && self.is_peer(trunk.trunk, source);
            let knows = trunk.secret.as_ref().map(&knows);
            if knows == Some(false) {
                return None;
            }
            let bits = match trunk.certified {
                true if !shown.contains(&trunk.trunk) => None,
                true if trunk.sources.is_empty() => Some(u8::MAX),
                _ if is_peer => Some(u8::MAX),
                _ => listed,
            };
            // One with a secret before one without at the same address.
            Some((bits?, knows))
        };
        let matching = self.config.trunks.iter().filter_map(|trunk| Some((host_bits(trunk)?, trunk.trunk)));
        matching.max_by_key(|(bits, _)| *bits).map(|(_, trunk)| trunk)
    }

    /// Whether a trunk sends from there, told its secret or not.
    fn is_trunks(&self, flow: &Flow) -> bool {
        self.trunk_at(flow, |_| true).is_some()
    }

    /// Who sends this request outside a dialog. `Err`: it was answered, or is met with silence.
    pub(crate) fn admit(&mut self, now: Time, flow: Flow, request: &Request) -> Result<Origin, ()> {
        let is_phone = request.method == Method::Register || self.registrar.is_met_at(&flow);
        if let Some(trunk) = self.trunk_of(&flow, request).filter(|_| !is_phone) {
            return Ok(Origin::Trunk(trunk));
        }
        match self.guard.check(now, &self.config.domain, &flow, request) {
            Verdict::Account(account) => return self.identify(flow, request, account),
            Verdict::Challenge { stale } => self.challenge(now, flow, request, stale),
            Verdict::Locked => self.net.counters.banned += 1,
            Verdict::Wrong(user) => {
                self.net.counters.auth_failures += 1;
                if self.guard.bans.count_failure(now, ban::source(flow.remote.ip()), &user) {
                    self.ban(now, &flow, BanReason::Guessing);
                }
                self.challenge(now, flow, request, false);
            }
        }
        Err(())
    }

    /// Whether nobody we know sends from there: neither a trunk nor a registered phone.
    pub(crate) fn is_strangers(&self, flow: &Flow) -> bool {
        !self.registrar.is_met_at(flow) && !self.is_trunks(flow)
    }

    /// Whether a request outside dialogs is met with silence: its source is banned, a scanner, or asks too much. Trunks and
    /// registered phones never are.
    pub(crate) fn is_shunned(&mut self, now: Time, flow: &Flow, request: &Request) -> bool {
        if !self.is_strangers(flow) {
            return false;
        }
        let source = ban::source(flow.remote.ip());
        if self.guard.bans.silence(now, source) {
            self.net.counters.banned += 1;
            return true;
        }
        if request.headers.text(HeaderName::UserAgent).is_some_and(ban::is_scanner) {
            self.net.counters.banned += 1;
            // A datagram may be anybody's: then only what bears the name is not answered.
            if flow.transport.is_stream() {
                self.ban(now, flow, BanReason::Scanner);
            }
            return true;
        }
        let proven = flow.transport.is_stream() || self.guard.has_known_nonce(&self.config.domain, source, request);
        let shunned = !self.guard.bans.take(now, Asker { source, proven });
        self.net.counters.throttled += u64::from(shunned);
        shunned
    }

    /// The same of what is no request: nobody is asked who it is.
    pub(crate) fn is_ignored(&mut self, now: Time, flow: &Flow) -> bool {
        let asker = Asker { source: ban::source(flow.remote.ip()), proven: flow.transport.is_stream() };
        self.is_strangers(flow) && (self.is_banned(now, flow) || !self.guard.bans.take(now, asker))
    }

    /// Whether what cannot be read gets no answer either.
    pub(crate) fn is_banned(&mut self, now: Time, flow: &Flow) -> bool {
        let banned = self.guard.bans.silence(now, ban::source(flow.remote.ip())) && !self.is_trunks(flow);
        self.net.counters.banned += u64::from(banned);
        banned
    }

    /// Bans a source, unless it is a trunk's or phones are registered from there: an office is not taken down by one of its own.
    fn ban(&mut self, now: Time, flow: &Flow, reason: BanReason) {
        let source = ban::source(flow.remote.ip());
        if !self.is_trunks(flow) && !self.registrar.is_met_from(source) {
            let until = self.guard.bans.ban(now, source, reason);
            self.events.push_back(Event::Banned { source, reason, until });
        }
    }

    /// Sources met with silence now.
    pub fn bans(&self, now: Time) -> Vec<Ban> {
        self.guard.bans.list(now)
    }

    /// Lifts the ban of the source this address belongs to; whether there was one.
    pub fn unban(&mut self, now: Time, address: IpAddr) -> bool {
        self.guard.bans.forgive(now, ban::source(address))
    }

    /// An account speaks only for itself, by any of its names: To of a REGISTER, From of anything else.
    fn identify(&mut self, flow: Flow, request: &Request, account: Name) -> Result<Origin, ()> {
        let claimed = if request.method == Method::Register { request.headers.to() } else { request.headers.from() };
        let user = claimed.ok().and_then(|address| address.uri.user_unescaped());
        if user.and_then(|user| self.guard.named(&user)) == Some(&account) {
            return Ok(Origin::Account(account));
        }
        self.respond_stateless(flow, request, 403);
        Err(())
    }

    /// 401 with a challenge for each hash offered, the better one first (RFC 8760 section 2.4). Nothing is kept of it (section 8.2.7).
    fn challenge(&mut self, now: Time, flow: Flow, request: &Request, stale: bool) {
        let mut response: Response = self.reply(request, 401);
        let nonce = self.guard.nonces.mint(now, ban::source(flow.remote.ip()));
        let offered: &[Algorithm] =
            if self.config.limits.sha256 { &[Algorithm::Sha256, Algorithm::Md5] } else { &[Algorithm::Md5] };
        for &algorithm in offered {
            let (realm, nonce) = (self.config.domain.clone(), nonce.clone());
            let challenge = Challenge { realm, nonce, opaque: None, algorithm, qop_auth: true, stale };
            response.headers.push(HeaderName::WwwAuthenticate, challenge.to_string());
        }
        self.respond_apart(flow, request, response);
    }
}
