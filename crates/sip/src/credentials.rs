//! The digest a trunk asks of us: answered once, then sent ahead with every request (RFC 3261 section 22).

use crate::client::{Outcome, Owner};
use crate::digest::{self, Challenge};
use crate::event::{Flow, TrunkPeer};
use crate::stack::Stack;
use crate::transaction::cseq;
use crate::{HeaderName, Method, Request, Response, Verb};
use busyhour_model::{Time, TrunkId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Challenges answered for one request.
pub(crate) const TRIES_MAX: u8 = 2;

/// A challenge, answered again and again (RFC 7616 section 3.4).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Posed {
    challenge: Challenge,
    /// By a proxy.
    proxy: bool,
    uses: u32,
}

impl Posed {
    /// The strongest challenge of a 401 or 407.
    pub(crate) fn of(response: &Response) -> Option<Posed> {
        let (name, proxy) = match response.status {
            401 => (HeaderName::WwwAuthenticate, false),
            407 => (HeaderName::ProxyAuthenticate, true),
            _ => return None,
        };
        Challenge::strongest(response.headers.all(name)).map(|challenge| Posed { challenge, proxy, uses: 0 })
    }

    /// Answers it in a request to this trunk, under the next count. False: there are no credentials.
    pub(crate) fn answer(&mut self, trunk: &TrunkPeer, cnonce: u64, request: &mut Request) -> bool {
        let Some(account) = &trunk.credentials else { return false };
        let uri = match &trunk.domain {
            Some(domain) if trunk.digest_domain => format!("sip:{domain}"),
            _ => request.uri.to_string(),
        };
        self.uses += 1;
        let (method, cnonce) = (request.method.as_str(), format!("{cnonce:016x}"));
        let value = digest::respond(&self.challenge, account, method, &uri, &cnonce, self.uses);
        let names = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
        names.iter().for_each(|name| request.headers.remove(*name));
        request.headers.push(names[usize::from(self.proxy)], value);
        true
    }
}

/// Makes a challenged request one to be sent again; its new number.
pub(crate) fn renew(request: &mut Request) -> Option<u32> {
    request.headers.remove(HeaderName::Via);
    let (number, method) = request.headers.cseq().ok()?;
    request.headers.set(HeaderName::CSeq, cseq(number + 1, &method));
    Some(number + 1)
}

impl Stack {
    /// Sends a request, with a trunk's credentials when it has asked for them before.
    pub(crate) fn send(
        &mut self,
        now: Time,
        mut request: Request,
        flow: Flow,
        owner: Owner,
        trunk: Option<TrunkId>,
    ) -> u64 {
        if let Some(trunk) = trunk {
            self.authorize_ahead(trunk, flow, &mut request);
        }
        self.net.send(now, request, flow, owner, trunk)
    }

    /// Sends a challenged request again with the trunk's credentials (section 22.2). False: the challenge stands as the answer.
    pub(crate) fn authorize(&mut self, now: Time, from: Option<Flow>, outcome: &Outcome, response: &Response) -> bool {
        let Some(client) = self.net.clients.get(&outcome.id) else { return false };
        let Some(trunk) = client.trunk else { return false };
        let dropped = outcome.owner == Owner::Nobody && matches!(client.verb, Verb::Invite | Verb::Register);
        let (flow, tries) = (client.flow, client.tries);
        // Credentials go to configured peers only, and answer only what these said themselves.
        let by_peer = from.is_some_and(|from| self.is_or_was_peer(trunk, from.remote.ip()));
        let Some(mut request) = client.request().filter(|_| by_peer && !dropped && tries < TRIES_MAX) else {
            return false;
        };
        let strongest = Posed::of(response).filter(|posed| tries == 0 || posed.challenge.stale);
        let (Some(posed), Some(line)) = (strongest, self.lines.get_mut(&trunk)) else { return false };
        let proxy = posed.proxy;
        line.posed.retain(|posed| posed.proxy != proxy);
        line.posed.push(posed);
        let Some(number) = renew(&mut request) else { return false };
        if !self.put_credentials(trunk, flow, &mut request, proxy) {
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
                    line.cseq = number;
                }
            }
            Owner::Refresh(_)
            | Owner::Refer(_)
            | Owner::Bye(..)
            | Owner::Probe(_)
            | Owner::Qualify
            | Owner::Lamp(_)
            | Owner::Leaving(_)
            | Owner::Nobody => {}
        }
        self.count_within(&request, number);
        true
    }

    /// Answers what was asked before, to save a round trip: the proxy's challenge, in a REGISTER the registrar's.
    pub(crate) fn authorize_ahead(&mut self, trunk: TrunkId, flow: Flow, request: &mut Request) {
        let posed = self.lines.get(&trunk).map_or(&[][..], |line| &line.posed);
        let [registrar, proxy] = [false, true].map(|by_proxy| posed.iter().any(|posed| posed.proxy == by_proxy));
        self.put_credentials(trunk, flow, request, proxy && (request.method != Method::Register || !registrar));
    }

    /// The same nonce under the next count. False: there is no such challenge, or the answer would go to a stranger.
    fn put_credentials(&mut self, trunk: TrunkId, flow: Flow, request: &mut Request, proxy: bool) -> bool {
        if !self.is_or_was_peer(trunk, flow.remote.ip()) {
            return false;
        }
        let Some(line) = self.lines.get_mut(&trunk) else { return false };
        let posed = line.posed.iter_mut().find(|posed| posed.proxy == proxy);
        let (Some(posed), Some(config)) = (posed, &line.configured) else { return false };
        posed.answer(config, self.net.random.draw(), request)
    }

    /// The ACK to a 2xx has the credentials of its INVITE (section 22.1).
    pub(crate) fn authorize_ack(&self, client: u64, flow: Flow, ack: &mut Request) {
        let Some(client) = self.net.clients.get(&client) else { return };
        let Some(trunk) = client.trunk.filter(|trunk| self.is_or_was_peer(*trunk, flow.remote.ip())) else { return };
        if self.lines.get(&trunk).is_none_or(|line| line.posed.is_empty()) {
            return;
        }
        let Some(invite) = client.request() else { return };
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            ack.headers.copy(name, &invite.headers);
        }
    }

    /// Whether an address is that of a peer of this trunk, or was before its name led elsewhere: calls in progress go on there.
    fn is_or_was_peer(&self, trunk: TrunkId, ip: IpAddr) -> bool {
        self.is_peer(trunk, ip) || self.lines.get(&trunk).is_some_and(|line| line.names.were_at(ip))
    }

    /// Whether an address is that of a peer of this trunk.
    pub(crate) fn is_peer(&self, trunk: TrunkId, ip: IpAddr) -> bool {
        self.lines.get(&trunk).is_some_and(|line| line.hops.iter().any(|hop| hop.peer.address.ip() == ip))
    }
}
