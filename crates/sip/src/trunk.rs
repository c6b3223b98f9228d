//! Trunks that we register at or probe, and the digest they ask of us.

use crate::client::{Outcome, Owner};
use crate::credentials::Posed;
use crate::event::{Event, Flow, Peer, PeerState, Transport, TrunkPeer};
use crate::hop::{AVOID, Hop, Hops, Standing};
use crate::incoming::{contact, contact_for};
use crate::named::Names;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::{Alarm, cseq, host};
use crate::{Contacts, HeaderName, Host, Method, NameAddr, Request, Response, Terms, Uri};
use busyhour_model::{KeySecret, Time, Trouble, TrunkId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::Duration;

/// First wait after a failed registration; doubled each time up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(5);
/// Longest wait between tries to register.
const RETRY_MAX: Duration = Duration::from_secs(300);
/// Hops of a service route; a longer one is not followed.
const SERVICE_MAX: usize = 8;

/// What we know of a trunk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Told to the switch last.
    told: Option<Standing>,
    /// Whether its registrar took us; `None` where we do not register, and before the first answer.
    pub(crate) registered: Option<Standing>,
    /// The peer that holds the registration.
    pub(crate) registrar: Option<Peer>,
    pub(crate) hops: Hops,
    pub(crate) names: Names,
    /// At most one of a registrar or phone, and one of a proxy.
    pub(crate) posed: Vec<Posed>,
    /// Where the carrier wants our other requests to pass (Service-Route, RFC 3608).
    pub(crate) service: Vec<String>,
    /// What was configured last.
    pub(crate) configured: Option<TrunkPeer>,
    /// Call-ID and last CSeq of the registration.
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    expires: u32,
    /// When and where the REGISTER was sent that has no final response yet.
    pub(crate) asked: Option<(Time, Flow)>,
    failures: u32,
    register: Option<Timer>,
    probe: Option<Timer>,
    pub(crate) resolve: Option<Timer>,
    /// How often it wants to be pinged.
    pub(crate) ping_every: Option<Duration>,
}

impl Stack {
    /// Starts and stops registrations and probes as the configuration says.
    pub(crate) fn configure_lines(&mut self, now: Time) {
        let trunks = self.config.trunks.clone();
        let gone: Vec<TrunkId> =
            self.lines.keys().copied().filter(|id| !trunks.iter().any(|trunk| trunk.trunk == *id)).collect();
        for id in gone {
            self.leave_line(now, id);
            if let Some(mut line) = self.lines.remove(&id) {
                self.net.stop(&mut line.register);
                self.net.stop(&mut line.probe);
                self.net.stop(&mut line.resolve);
            }
        }
        for trunk in &trunks {
            self.configure_line(now, trunk);
        }
    }

    fn configure_line(&mut self, now: Time, trunk: &TrunkPeer) {
        let id = trunk.trunk;
        let (high, low) = (self.net.random.draw(), self.net.random.draw());
        let (call_id, cseq) = self.left_at(id).unwrap_or_else(|| (format!("{high:016x}{low:016x}"), 0));
        let line = self.lines.entry(id).or_insert_with(|| Line { call_id, cseq, ..Line::default() });
        // A registration is not renewed because an agent changed.
        if line.configured.as_ref() == Some(trunk) {
            return;
        }
        line.names.configure(now, &trunk.named);
        let peers = line.names.peers(&trunk.peers);
        let stays = line.registrar.is_none_or(|at| peers.iter().any(|peer| peer.is_at(&at)));
        if !stays || line.configured.as_ref().is_some_and(|old| old.registration() != trunk.registration()) {
            self.leave_line(now, id);
        }
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.configured = Some(trunk.clone());
        line.hops.configure(&peers);
        let wants_register = trunk.register.filter(|_| trunk.registers());
        let wants_probe = trunk.probe.is_some() && trunk.is_reachable();
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
        self.resolve_line_at(id);
    }

    pub(crate) fn register_line_at(&mut self, trunk: TrunkId, at: Time) {
        if let Some(line) = self.lines.get_mut(&trunk) {
            let old = line.register.replace(self.net.timers.set(at, Alarm::Register(trunk)));
            if let Some(old) = old {
                self.net.timers.cancel(old);
            }
        }
    }

    pub(crate) fn probe_line_at(&mut self, trunk: TrunkId, at: Time) {
        if let Some(line) = self.lines.get_mut(&trunk) {
            let old = line.probe.replace(self.net.timers.set(at, Alarm::Probe(trunk)));
            if let Some(old) = old {
                self.net.timers.cancel(old);
            }
        }
    }

    /// REGISTER at the trunk (section 10.2).
    pub(crate) fn register_line(&mut self, now: Time, trunk: TrunkId) {
        let Some(flow) = self.trunk_flows(now, trunk).into_iter().next() else { return };
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        (line.register, line.asked) = (None, Some((now, flow)));
        let expires = line.expires;
        if let Some(request) = self.build_register(trunk, flow, expires) {
            self.send(now, request, flow, Owner::Register(trunk), Some(trunk));
        }
    }

    pub(crate) fn build_register(&mut self, trunk: TrunkId, flow: Flow, expires: u32) -> Option<Request> {
        let user = self.trunk_user(trunk)?;
        let domain = self.trunk_domain(trunk, flow);
        let tag = format!("{:016x}", self.net.random.draw());
        let line = self.lines.get_mut(&trunk)?;
        line.cseq += 1;
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
        headers.push(HeaderName::Expires, expires.to_string());
        headers.push(HeaderName::Supported, "path");
        headers.push(HeaderName::UserAgent, &self.config.user_agent);
        self.push_proxy(trunk, flow, &mut request);
        Some(request)
    }

    pub(crate) fn settle_register(&mut self, now: Time, trunk: TrunkId, outcome: Outcome) {
        let status = outcome.result.as_ref().ok().map(|response| response.status);
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        match outcome.result {
            Ok(response) if response.status < 200 => {}
            Ok(response) if response.status < 300 => {
                (line.failures, line.registered) = (0, Some(Ok(())));
                line.registrar = line.hops.peer(&outcome.flow);
                line.service = service_route(&response);
                let granted = granted(&response, line.expires);
                // Before it runs out: with time for a lost packet or two.
                let refresh = Duration::from_secs(u64::from(granted.saturating_sub(granted.min(64) / 2).max(5)));
                if let Some((sent, _)) = line.asked.take() {
                    self.measured(now, trunk, Method::Register, sent, true);
                }
                self.register_line_at(trunk, now + refresh);
                self.tell_line(trunk);
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
            result => {
                line.failures += 1;
                line.asked = None;
                // Another peer at once, the same ones ever later.
                let others = line.failures < line.hops.iter().count() as u32;
                if result.is_err() || status.is_some_and(|status| status >= 500) {
                    line.hops.avoid(now, &outcome.flow, AVOID);
                }
                let wait = (RETRY_MIN * (1 << (line.failures - 1).min(6))).min(RETRY_MAX);
                line.registrar = None;
                if !others {
                    line.registered = Some(Err(status.map_or(Trouble::Silent, Trouble::Refused)));
                }
                self.register_line_at(trunk, if others { now } else { now + wait });
                self.tell_line(trunk);
            }
        }
    }

    /// Where probes are sent at all, they are now.
    pub(crate) fn probe_again(&mut self, now: Time, trunk: TrunkId) {
        if self.lines.get(&trunk).is_some_and(|line| line.probe.is_some()) {
            self.probe_line_at(trunk, now);
        }
    }

    /// OPTIONS to each of the trunk's peers.
    pub(crate) fn probe_line(&mut self, now: Time, trunk: TrunkId) {
        let Some(period) = self.line_config(trunk).and_then(|line| line.probe) else { return };
        for flow in self.trunk_flows(now, trunk) {
            let request = self.build_probe(trunk, flow);
            let id = self.net.send(now, request, flow, Owner::Probe(trunk), None);
            if let Some(line) = self.lines.get_mut(&trunk) {
                line.hops.probed(&flow, id);
            }
        }
        self.leave_registrar(now, trunk);
        self.tell_line(trunk);
        self.probe_line_at(trunk, now + period.max(Duration::from_secs(1)));
    }

    fn build_probe(&mut self, trunk: TrunkId, flow: Flow) -> Request {
        let mut request = self.build_options(&Uri::sip(None, self.trunk_domain(trunk, flow), None), flow);
        self.push_proxy(trunk, flow, &mut request);
        request
    }

    pub(crate) fn build_options(&mut self, uri: &Uri, flow: Flow) -> Request {
        let own = self.own_host();
        let (tag, call_id) = (self.net.random.draw(), self.net.random.draw());
        let mut from = NameAddr::new(Uri::sip(Some("ping"), own, None));
        from.set_param("tag", Some(&format!("{tag:016x}")));
        let mut request = Request::new(Method::Options, uri.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, from.to_string());
        headers.push(HeaderName::To, NameAddr::new(uri.clone()).to_string());
        headers.push(HeaderName::CallId, format!("{call_id:016x}"));
        headers.push(HeaderName::CSeq, cseq(1, &Method::Options));
        headers.push(HeaderName::Contact, contact_for(None, flow, &uri.scheme));
        headers.push(HeaderName::Accept, "application/sdp");
        headers.push(HeaderName::UserAgent, &self.config.user_agent);
        request
    }

    pub(crate) fn settle_probe(&mut self, now: Time, trunk: TrunkId, outcome: &Outcome) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        let status = outcome.result.as_ref().ok().map(|response| response.status);
        match status {
            Some(100..200) => return,
            // It says itself that it takes no calls; any other answer shows life.
            Some(503) => line.hops.answered(&outcome.flow, outcome.id, Err(Trouble::Refused(503))),
            Some(_) => line.hops.answered(&outcome.flow, outcome.id, Ok(())),
            None => line.hops.answered(&outcome.flow, outcome.id, Err(Trouble::Silent)),
        }
        self.leave_registrar(now, trunk);
        self.tell_line(trunk);
    }

    /// A peer failed a request: others first, for a while.
    pub(crate) fn avoid_peer(&mut self, now: Time, trunk: TrunkId, flow: &Flow, span: Option<Duration>) {
        if let Some(line) = self.lines.get_mut(&trunk) {
            line.hops.avoid(now, flow, span.unwrap_or(AVOID));
        }
    }

    /// A registrar that is gone: with another peer at hand, that one is asked.
    pub(crate) fn leave_registrar(&mut self, now: Time, trunk: TrunkId) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        if line.registrar.is_some_and(|at| !line.hops.is_good(&at, now)) && line.hops.iter().any(|hop| hop.is_good(now))
        {
            line.registrar = None;
            self.register_line_at(trunk, now);
        }
    }

    /// A trunk is up while its registrar takes us and one of its peers lives, as far as that is known.
    pub(crate) fn tell_line(&mut self, trunk: TrunkId) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        let unresolved = Err(Trouble::Unresolved);
        let lost = (line.hops.iter().next().is_none() && line.names.are_unresolved()).then_some(unresolved);
        let known = || lost.into_iter().chain(line.registered).chain(line.hops.best());
        // Where nobody is asked, to be found is enough.
        let found = || (line.told == Some(unresolved)).then_some(Ok(()));
        let Some(standing) = known().find(Result::is_err).or(known().next()).or_else(found) else { return };
        if line.told.replace(standing) != Some(standing) {
            self.events.push_back(Event::TrunkState { trunk, trouble: standing.err() });
        }
    }

    /// How each address of a trunk was found, in the order of the configuration.
    pub fn peers(&self, trunk: TrunkId) -> Vec<PeerState> {
        let Some(line) = self.lines.get(&trunk) else { return Vec::new() };
        let state = |hop: &Hop| PeerState {
            peer: hop.peer,
            standing: hop.standing,
            registered: line.registrar.is_some_and(|at| at.is_at(&hop.peer)),
        };
        line.hops.iter().map(state).collect()
    }

    /// A trunk as it was configured last.
    pub(crate) fn line_config(&self, trunk: TrunkId) -> Option<&TrunkPeer> {
        self.lines.get(&trunk)?.configured.as_ref()
    }

    /// The ways to a trunk's peers, in the order to try them; none: it has no peer, or no socket of ours fits.
    pub(crate) fn trunk_flows(&mut self, now: Time, trunk: TrunkId) -> Vec<Flow> {
        let Some(line) = self.lines.get(&trunk) else { return Vec::new() };
        let mut peers = line.hops.order(now, &mut self.net.random);
        // Who holds our registration knows us.
        if let Some(at) = line.registrar.filter(|at| line.hops.is_good(at, now)) {
            peers.sort_by_key(|peer| !peer.is_at(&at));
        }
        let bind = self.line_config(trunk).and_then(|line| line.bind);
        peers.iter().filter_map(|peer| self.flow_to(peer, bind)).collect()
    }

    pub(crate) fn flow_to(&self, peer: &Peer, bind: Option<SocketAddr>) -> Option<Flow> {
        let (transport, remote) = (peer.transport, peer.address);
        let fits = |(ours, local): &&(Transport, SocketAddr)| {
            *ours == transport && local.is_ipv4() == remote.is_ipv4() && bind.is_none_or(|bind| bind == *local)
        };
        let told = |local: SocketAddr| self.config.networks.told(local, remote.ip());
        // A socket that is known there by its own address, before one that a NAT stands for.
        let own = self.config.locals.iter().filter(fits).find(|(_, local)| told(*local) == *local);
        let (_, local) = own.or_else(|| self.config.locals.iter().find(fits))?;
        Some(Flow { transport, local: told(*local), remote, connection: 0 })
    }

    /// What sound is offered to a trunk, or to a phone, and taken from it.
    pub(crate) fn terms(&self, trunk: Option<TrunkId>) -> Terms {
        let line = trunk.and_then(|trunk| self.line_config(trunk));
        line.map_or(&self.config.terms, |line| &line.terms).clone()
    }

    /// What the keys of one more stream are made of.
    pub(crate) fn new_secret(&mut self) -> KeySecret {
        let (root, draw) = (self.config.secret, self.net.random.draw().to_be_bytes());
        let bytes = Sha256::digest([&root.bytes[..], &draw, &self.next_leg.to_be_bytes()].concat()).into();
        KeySecret { bytes, ..root }
    }

    /// The host part of a trunk's identities.
    pub(crate) fn trunk_domain(&self, trunk: TrunkId, flow: Flow) -> Host {
        let domain = self.line_config(trunk).and_then(|line| line.domain.as_ref());
        domain.and_then(|domain| Host::parse(domain.as_bytes())).unwrap_or_else(|| host(flow.remote.ip()))
    }

    /// The user part of our identity at a trunk that knows us by one.
    pub(crate) fn trunk_user(&self, trunk: TrunkId) -> Option<String> {
        let line = self.line_config(trunk)?;
        line.user.as_ref().or(line.credentials.as_ref().map(|account| &account.user)).map(|user| user.to_string())
    }

    /// The Route of a request outside a dialog: the outbound proxy, then where the registrar sends us (RFC 3608 section 5).
    pub(crate) fn push_route(&self, trunk: TrunkId, flow: Flow, request: &mut Request) {
        let service = self.lines.get(&trunk).map_or(&[][..], |line| &line.service);
        let is_proxy = |route: &NameAddr| {
            route.uri.host.ip() == Some(flow.remote.ip()) && route.uri.port_or_default() == flow.remote.port()
        };
        let first = service.first().and_then(|first| NameAddr::parse(first.as_bytes()).ok());
        if !first.is_some_and(|first| is_proxy(&first)) {
            self.push_proxy(trunk, flow, request);
        }
        for route in service {
            request.headers.push(HeaderName::Route, route);
        }
    }

    /// An outbound proxy is named in what it is to pass on.
    fn push_proxy(&self, trunk: TrunkId, flow: Flow, request: &mut Request) {
        if self.line_config(trunk).is_some_and(|line| line.proxy) {
            let mut proxy = Uri::sip(None, host(flow.remote.ip()), Some(flow.remote.port()));
            if flow.transport.is_stream() {
                proxy.params.push(("transport".to_owned(), Some(flow.transport.as_str().to_owned())));
            }
            proxy.params.push(("lr".to_owned(), None));
            request.headers.push(HeaderName::Route, NameAddr::new(proxy).to_string());
        }
    }
}

/// Where the registrar wants requests to pass; nothing when that cannot be followed.
fn service_route(response: &Response) -> Vec<String> {
    let routes = response.headers.addresses(HeaderName::ServiceRoute).unwrap_or_default();
    let followed = if routes.len() > SERVICE_MAX { &[][..] } else { &routes[..] };
    followed.iter().map(NameAddr::to_string).collect()
}

/// Seconds a registrar granted us: our Contact's `expires`, else Expires, else what we asked for.
fn granted(response: &Response, asked: u32) -> u32 {
    let of_contact = match response.headers.contacts() {
        Ok(Contacts::List(list)) => list.iter().filter_map(|contact| contact.param("expires")?.parse().ok()).max(),
        _ => None,
    };
    of_contact.or(response.headers.expires()).unwrap_or(asked)
}
