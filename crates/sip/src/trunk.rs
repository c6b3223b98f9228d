//! Trunks that we register at or probe, and the digest they ask of us.

use crate::client::{Outcome, Owner};
use crate::digest::{self, Algorithm, Challenge};
use crate::event::{Event, Flow, TrunkPeer};
use crate::incoming::contact;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::{Alarm, cseq};
use crate::{Contacts, HeaderName, Method, NameAddr, Request, Response, Uri};
use busyhour_model::{Time, TrunkId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Probes that may go unanswered before a trunk counts as down.
const MISSES_MAX: u32 = 2;
/// First wait after a failed registration; doubled each time up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(5);
/// Longest wait between tries to register.
const RETRY_MAX: Duration = Duration::from_secs(300);
/// Challenges answered for one request.
pub(crate) const TRIES_MAX: u8 = 2;

/// What we know of a trunk's peer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Told to the switch last.
    up: Option<bool>,
    challenge: Option<(Challenge, u32)>,
    /// Call-ID and last CSeq of the registration.
    call_id: String,
    cseq: u32,
    expires: u32,
    failures: u32,
    misses: u32,
    /// The last probe, while it is unanswered.
    probing: Option<u64>,
    register: Option<Timer>,
    probe: Option<Timer>,
}

impl Stack {
    /// Starts and stops registrations and probes as the configuration says.
    pub(crate) fn configure_lines(&mut self, now: Time) {
        let trunks = self.config.trunks.clone();
        let gone: Vec<TrunkId> =
            self.lines.keys().copied().filter(|id| !trunks.iter().any(|trunk| trunk.trunk == *id)).collect();
        for id in gone {
            if let Some(mut line) = self.lines.remove(&id) {
                self.net.stop(&mut line.register);
                self.net.stop(&mut line.probe);
            }
        }
        for trunk in &trunks {
            self.configure_line(now, trunk);
        }
    }

    fn configure_line(&mut self, now: Time, trunk: &TrunkPeer) {
        let id = trunk.trunk;
        let (high, low) = (self.net.random.draw(), self.net.random.draw());
        let fresh = || Line { call_id: format!("{high:016x}{low:016x}"), ..Line::default() };
        let line = self.lines.entry(id).or_insert_with(fresh);
        let wants_register = trunk.register.filter(|_| trunk.peer.is_some() && trunk.credentials.is_some());
        let wants_probe = trunk.probe.is_some() && trunk.peer.is_some();
        let was_register = line.register.take();
        let was_probe = line.probe.take();
        for timer in [was_register, was_probe].into_iter().flatten() {
            self.net.timers.cancel(timer);
        }
        if let Some(span) = wants_register {
            line.expires = span.as_secs() as u32;
            self.register_line_at(id, now);
        }
        if wants_probe {
            self.probe_line_at(id, now);
        }
    }

    fn register_line_at(&mut self, trunk: TrunkId, at: Time) {
        if let Some(line) = self.lines.get_mut(&trunk) {
            let old = line.register.replace(self.net.timers.set(at, Alarm::Register(trunk)));
            if let Some(old) = old {
                self.net.timers.cancel(old);
            }
        }
    }

    fn probe_line_at(&mut self, trunk: TrunkId, at: Time) {
        if let Some(line) = self.lines.get_mut(&trunk) {
            let old = line.probe.replace(self.net.timers.set(at, Alarm::Probe(trunk)));
            if let Some(old) = old {
                self.net.timers.cancel(old);
            }
        }
    }

    /// REGISTER at the trunk (section 10.2).
    pub(crate) fn register_line(&mut self, now: Time, trunk: TrunkId) {
        let Some((Some(flow), domain)) = self.trunk_flow(trunk) else { return };
        let Some(user) = self.credentials(trunk).map(|account| account.user.clone()) else { return };
        let tag = format!("{:016x}", self.net.random.draw());
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        line.cseq += 1;
        line.register = None;
        let address = NameAddr::new(Uri::sip(Some(&user), domain.clone(), None));
        let mut from = address.clone();
        from.set_param("tag", Some(&tag));
        let mut request = Request::new(Method::Register, Uri::sip(None, domain, None));
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, from.to_string());
        headers.push(HeaderName::To, address.to_string());
        headers.push(HeaderName::CallId, &line.call_id);
        headers.push(HeaderName::CSeq, cseq(line.cseq, &Method::Register));
        headers.push(HeaderName::Contact, contact(Some(&user), flow));
        headers.push(HeaderName::Expires, line.expires.to_string());
        headers.push(HeaderName::UserAgent, &self.config.user_agent);
        self.authorize_ahead(trunk, &mut request);
        self.net.send(now, request, flow, Owner::Register(trunk), Some(trunk));
    }

    pub(crate) fn settle_register(&mut self, now: Time, trunk: TrunkId, outcome: Outcome) {
        let status = outcome.result.as_ref().ok().map(|response| response.status);
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        match outcome.result {
            Ok(response) if response.status < 200 => {}
            Ok(response) if response.status < 300 => {
                line.failures = 0;
                let granted = granted(&response, line.expires);
                // Before it runs out: with time for a lost packet or two.
                let refresh = Duration::from_secs(u64::from(granted.saturating_sub(granted.min(64) / 2).max(5)));
                self.register_line_at(trunk, now + refresh);
                self.tell_line(trunk, true, status);
            }
            Ok(response) if response.status == 423 && line.failures == 0 => {
                line.failures += 1;
                line.expires = response
                    .headers
                    .text(HeaderName::MinExpires)
                    .and_then(|text| text.trim().parse().ok())
                    .unwrap_or(3600);
                self.register_line_at(trunk, now);
            }
            Ok(_) | Err(_) => {
                line.failures += 1;
                let wait = (RETRY_MIN * (1 << (line.failures - 1).min(6))).min(RETRY_MAX);
                self.register_line_at(trunk, now + wait);
                self.tell_line(trunk, false, status);
            }
        }
    }

    /// OPTIONS to the trunk.
    pub(crate) fn probe_line(&mut self, now: Time, trunk: TrunkId) {
        let Some((Some(flow), domain)) = self.trunk_flow(trunk) else { return };
        let Some(period) = self.config.trunks.iter().find(|line| line.trunk == trunk).and_then(|line| line.probe)
        else {
            return;
        };
        let own = self.own_host();
        let (tag, call_id) = (self.net.random.draw(), self.net.random.draw());
        let mut from = NameAddr::new(Uri::sip(Some("ping"), own, None));
        from.set_param("tag", Some(&format!("{tag:016x}")));
        let uri = Uri::sip(None, domain, None);
        let mut request = Request::new(Method::Options, uri.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, from.to_string());
        headers.push(HeaderName::To, NameAddr::new(uri).to_string());
        headers.push(HeaderName::CallId, format!("{call_id:016x}"));
        headers.push(HeaderName::CSeq, cseq(1, &Method::Options));
        headers.push(HeaderName::Contact, contact(None, flow));
        headers.push(HeaderName::Accept, "application/sdp");
        headers.push(HeaderName::UserAgent, &self.config.user_agent);
        let id = self.net.send(now, request, flow, Owner::Probe(trunk), None);
        let missed = self.lines.get_mut(&trunk).and_then(|line| line.probing.replace(id)).is_some();
        if missed {
            self.miss_probe(trunk, None);
        }
        self.probe_line_at(trunk, now + period.max(Duration::from_secs(1)));
    }

    pub(crate) fn settle_probe(&mut self, trunk: TrunkId, outcome: &Outcome) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        let last = line.probing.take_if(|id| *id == outcome.id).is_some();
        match outcome.result.as_ref().map(|response| response.status) {
            Ok(100..200) => line.probing = Some(outcome.id).filter(|_| last),
            // It says itself that it takes no calls.
            Ok(503) => {
                line.misses = MISSES_MAX;
                self.miss_probe(trunk, Some(503));
            }
            // Any other answer shows life.
            Ok(status) => {
                line.misses = 0;
                self.tell_line(trunk, true, Some(status));
            }
            Err(_) if last => self.miss_probe(trunk, None),
            Err(_) => {}
        }
    }

    fn miss_probe(&mut self, trunk: TrunkId, status: Option<u16>) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        line.misses += 1;
        if line.misses >= MISSES_MAX {
            self.tell_line(trunk, false, status);
        }
    }

    fn tell_line(&mut self, trunk: TrunkId, up: bool, status: Option<u16>) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        if line.up.replace(up) != Some(up) {
            self.events.push_back(Event::TrunkState { trunk, up, status });
        }
    }

    /// Sends a challenged request again with the trunk's credentials (section 22.2). False: the challenge stands as the answer.
    pub(crate) fn authorize(&mut self, now: Time, from: Option<Flow>, outcome: &Outcome, response: &Response) -> bool {
        let Some(client) = self.net.clients.get(&outcome.id) else { return false };
        let Some(trunk) = client.trunk else { return false };
        // Credentials go to the configured peer only, and answer only what it said itself.
        let peer = self.config.trunks.iter().find(|line| line.trunk == trunk).and_then(|line| line.peer);
        let from_peer = peer.is_some_and(|(_, peer)| {
            peer.ip() == client.flow.remote.ip() && from.is_some_and(|from| from.remote.ip() == peer.ip())
        });
        let dropped = outcome.owner == Owner::Nobody && client.verb == crate::Verb::Invite;
        let (flow, tries) = (client.flow, client.tries);
        let Some(mut request) = client.request().filter(|_| from_peer && !dropped && tries < TRIES_MAX) else {
            return false;
        };
        let Some(challenge) = best_challenge(response).filter(|challenge| tries == 0 || challenge.stale) else {
            return false;
        };
        let Some(line) = self.lines.get_mut(&trunk) else { return false };
        line.challenge = Some((challenge, 0));
        request.headers.remove(HeaderName::Via);
        let Ok((number, method)) = request.headers.cseq() else { return false };
        request.headers.set(HeaderName::CSeq, cseq(number + 1, &method));
        let name = if response.status == 407 { HeaderName::ProxyAuthorization } else { HeaderName::Authorization };
        if !self.put_credentials(trunk, &mut request, name) {
            return false;
        }
        let id = self.net.send(now, request.clone(), flow, outcome.owner, Some(trunk));
        if let Some(client) = self.net.clients.get_mut(&id) {
            client.tries = tries + 1;
        }
        match outcome.owner {
            Owner::Setup(leg) => self.rename_fork(leg, outcome.id, id),
            Owner::Reinvite(leg) => self.rename_reinvite(leg, id),
            Owner::Register(trunk) => {
                if let Some(line) = self.lines.get_mut(&trunk) {
                    line.cseq = number + 1;
                }
            }
            Owner::Refresh(_) | Owner::Refer(_) | Owner::Probe(_) | Owner::Lamp(_) | Owner::Nobody => {}
        }
        self.count_within(&request, number + 1);
        true
    }

    /// Uses the last challenge again, to save a round trip.
    fn authorize_ahead(&mut self, trunk: TrunkId, request: &mut Request) {
        if self.lines.get(&trunk).is_some_and(|line| line.challenge.is_some()) {
            self.put_credentials(trunk, request, HeaderName::Authorization);
        }
    }

    fn put_credentials(&mut self, trunk: TrunkId, request: &mut Request, name: HeaderName) -> bool {
        let cnonce = format!("{:016x}", self.net.random.draw());
        let Some(account) = self.credentials(trunk).cloned() else { return false };
        let Some((challenge, uses)) = self.lines.get_mut(&trunk).and_then(|line| line.challenge.as_mut()) else {
            return false;
        };
        *uses += 1;
        let uri = request.uri.to_string();
        let value = digest::respond(challenge, &account, request.method.as_str(), &uri, &cnonce, *uses);
        request.headers.remove(name);
        request.headers.push(name, value);
        true
    }
}

/// The challenge we can answer best: SHA-256 before MD5 (RFC 8760 section 2.4).
fn best_challenge(response: &Response) -> Option<Challenge> {
    let name = if response.status == 407 { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
    let mut known = response.headers.all(name).filter_map(|value| Challenge::parse(value).ok());
    let first = known.next()?;
    if first.algorithm == Algorithm::Sha256 {
        return Some(first);
    }
    Some(known.find(|challenge| challenge.algorithm == Algorithm::Sha256).unwrap_or(first))
}

/// Seconds a registrar granted us: our Contact's `expires`, else Expires, else what we asked for.
fn granted(response: &Response, asked: u32) -> u32 {
    let of_contact = match response.headers.contacts() {
        Ok(Contacts::List(list)) => list.iter().filter_map(|contact| contact.param("expires")?.parse().ok()).max(),
        _ => None,
    };
    of_contact.or(response.headers.expires()).unwrap_or(asked)
}
