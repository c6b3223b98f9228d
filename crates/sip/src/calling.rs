//! Calls from us, until they are answered (RFC 3261 section 13.2).

use crate::client::{Outcome, Owner};
use crate::dialog::Dialog;
use crate::error::Error;
use crate::event::{Account, Event, Flow, Invite, Target, Transport};
use crate::expiry::MIN;
use crate::incoming::contact_for;
use crate::leg::{Calling, EARLY_MAX, Early, Fork, Leg, Phase, Session, tag};
use crate::media::Media;
use crate::reply::{ALLOW, SUPPORTED};
use crate::sdp;
use crate::stack::Stack;
use crate::transaction::{cseq, host};
use crate::{HeaderName, Host, Method, NameAddr, Request, Response, Uri};
use busyhour_model::{Audio, Direction, LegId, Time, TrunkId};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

/// One INVITE to be: the Request-URI and where it goes.
struct Way {
    uri: Uri,
    flow: Flow,
}

impl Stack {
    /// Calls somebody; an account at all its contacts at once.
    #[expect(clippy::needless_pass_by_value, reason = "a command is handed over")]
    pub fn invite(&mut self, now: Time, invite: Invite) -> Result<LegId, Error> {
        if self.legs.len() >= self.config.limits.legs {
            return Err(Error::Full);
        }
        let (ways, trunk, domain) = self.ways(&invite.target)?;
        let leg = LegId(self.next_leg);
        self.next_leg += 1;
        let mut media = Media::new(invite.local, self.net.random.draw() >> 2);
        let offer = media.offer(Direction::SendRecv);
        let mut forks = Vec::with_capacity(ways.len());
        for way in ways {
            let request = self.build_invite(&invite, &way, leg, &domain, &offer, trunk);
            let Some(dialog) = Dialog::calling(&request, way.flow, trunk.is_none()) else { continue };
            let client = self.net.send(now, request, way.flow, Owner::Setup(leg), trunk);
            forks.push(Fork { client, dialog, open: true });
        }
        if forks.is_empty() {
            return Err(Error::NoContact);
        }
        let calling = Calling { forks, media, offer, early: Vec::new(), best: None };
        self.legs.insert(leg, Leg { trunk, phase: Phase::Calling(Box::new(calling)), gone: false });
        Ok(leg)
    }

    fn ways(&self, target: &Target) -> Result<(Vec<Way>, Option<TrunkId>, Host), Error> {
        match target {
            Target::Account(account) => {
                let bindings = self.registrar.contacts(account);
                let ways: Vec<Way> =
                    bindings.iter().map(|binding| Way { uri: binding.uri.clone(), flow: binding.flow }).collect();
                if ways.is_empty() { Err(Error::NoContact) } else { Ok((ways, None, self.own_host())) }
            }
            Target::Trunk { trunk, number } => {
                let (flow, domain) = self.trunk_flow(*trunk).ok_or(Error::NoTrunkPeer)?;
                let flow = flow.ok_or(Error::NoSocket)?;
                let port = if domain.ip() == Some(flow.remote.ip()) { Some(flow.remote.port()) } else { None };
                let uri = Uri::sip(Some(number), domain.clone(), port);
                Ok((vec![Way { uri, flow }], Some(*trunk), domain))
            }
        }
    }

    /// Where a trunk's requests go (`None` inside: no socket of ours fits) and the host part of its identities.
    pub(crate) fn trunk_flow(&self, trunk: TrunkId) -> Option<(Option<Flow>, Host)> {
        let line = self.config.trunks.iter().find(|line| line.trunk == trunk)?;
        let (transport, remote) = line.peer?;
        let domain = line.domain.as_ref().and_then(|domain| Host::parse(domain.as_bytes()));
        Some((self.flow_to(transport, remote), domain.unwrap_or_else(|| host(remote.ip()))))
    }

    fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let fits = |(ours, local): &&(Transport, SocketAddr)| *ours == transport && local.is_ipv4() == remote.is_ipv4();
        let (_, local) = self.config.locals.iter().find(fits)?;
        Some(Flow { transport, local: *local, remote, connection: 0 })
    }

    pub(crate) fn own_host(&self) -> Host {
        Host::parse(self.config.domain.as_bytes()).unwrap_or_else(|| Host::Domain("localhost".to_owned()))
    }

    fn build_invite(
        &mut self,
        invite: &Invite,
        way: &Way,
        leg: LegId,
        domain: &Host,
        offer: &Bytes,
        trunk: Option<TrunkId>,
    ) -> Request {
        let mut request = Request::new(Method::Invite, way.uri.clone());
        let mut from = NameAddr::new(Uri::sip(
            Some(&invite.from).filter(|user| !user.is_empty()).map(|user| &**user),
            domain.clone(),
            None,
        ));
        from.display.clone_from(&invite.display);
        from.set_param("tag", Some(&tag(leg, self.net.random.draw())));
        let to = match &invite.target {
            Target::Account(account) => Uri::sip(Some(account), domain.clone(), None),
            Target::Trunk { number, .. } => Uri::sip(Some(number), domain.clone(), None),
        };
        let call_id = format!("{:016x}{:016x}@{}", self.net.random.draw(), self.net.random.draw(), self.config.domain);
        let registered = trunk.and_then(|trunk| self.credentials(trunk)).map(|account| account.user.to_string());
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, from.to_string());
        headers.push(HeaderName::To, NameAddr::new(to).to_string());
        headers.push(HeaderName::CallId, call_id);
        headers.push(HeaderName::CSeq, cseq(1, &Method::Invite));
        headers.push(
            HeaderName::Contact,
            contact_for(Some(registered.as_deref().unwrap_or(&invite.from)), way.flow, &way.uri.scheme),
        );
        headers.push(HeaderName::Allow, ALLOW);
        headers.push(HeaderName::Supported, SUPPORTED);
        self.ask_expiry(headers, self.config.limits.session_expires.max(MIN), None);
        headers.push(HeaderName::UserAgent, &self.config.user_agent);
        for (name, value) in &invite.headers {
            headers.push_named(name, value);
        }
        request.set_body("application/sdp", offer.clone());
        request
    }

    /// The credentials a trunk may see.
    pub(crate) fn credentials(&self, trunk: TrunkId) -> Option<&Account> {
        self.config.trunks.iter().find(|line| line.trunk == trunk)?.credentials.as_ref()
    }

    pub(crate) fn settle_setup(&mut self, now: Time, leg: LegId, outcome: Outcome) {
        let id = outcome.id;
        match outcome.result {
            Ok(response) if response.status < 200 => {
                if self.acknowledge_provisional(now, leg, id, &response) {
                    self.progress(leg, id, &response);
                }
            }
            Ok(response) if response.status < 300 => self.answered(now, leg, id, &response),
            Ok(response) if response.status == 422 && self.invite_longer(now, leg, id, &response) => {}
            Ok(response) => {
                let after = response.headers.retry_after().map(|secs| Duration::from_secs(u64::from(secs)));
                self.fork_failed(leg, id, response.status, after);
            }
            Err(failure) => self.fork_failed(leg, id, failure.status(), None),
        }
    }

    fn calling(&mut self, leg: LegId) -> Option<&mut Calling> {
        match &mut self.legs.get_mut(&leg)?.phase {
            Phase::Calling(calling) => Some(calling),
            Phase::Incoming(_) | Phase::Up(_) => None,
        }
    }

    fn progress(&mut self, leg: LegId, id: u64, response: &Response) {
        let Some(calling) = self.calling(leg).filter(|_| response.status > 100) else { return };
        let offer = calling.offer.clone();
        let session = calling.early_session(id, response);
        let audio = session.and_then(|session| session.media_from(&offer, response).unwrap_or(None));
        self.events.push_back(Event::Progress { leg, status: response.status, audio });
    }

    fn answered(&mut self, now: Time, leg: LegId, id: u64, response: &Response) {
        let made = self.calling(leg).and_then(|calling| calling.take_session(id, response));
        let Some(mut session) = made else { return self.settle_stray(now, id, response) };
        let Some(Leg { trunk, phase: Phase::Calling(calling), gone }) = self.legs.remove(&leg) else { return };
        self.drop_forks(now, &calling, Some(id));
        // PRACKs have numbers of their own in between.
        let number = response.headers.cseq().map_or(session.dialog.local_cseq, |cseq| cseq.0);
        self.acknowledge(id, &session.dialog, number);
        let agreed = session.media_from(&calling.offer, response).map(|_| session.media.agreed.clone());
        let Ok(Some(audio)) = agreed else {
            self.send_bye(now, &mut session.dialog, trunk);
            return self.events.push_back(Event::Refused { leg, status: 488, retry_after: None });
        };
        self.legs.insert(leg, Leg { trunk, phase: Phase::Up(Box::new(session)), gone });
        self.adopt_expiry(now, leg, response);
        self.events.push_back(Event::Answered { leg, audio });
    }

    fn fork_failed(&mut self, leg: LegId, id: u64, status: u16, retry_after: Option<Duration>) {
        let Some(calling) = self.calling(leg) else { return };
        for fork in calling.forks.iter_mut().filter(|fork| fork.client == id) {
            fork.open = false;
        }
        calling.early.retain(|early| early.client != id);
        if calling.best.is_none_or(|(best, _)| rank(status) < rank(best)) {
            calling.best = Some((status, retry_after));
        }
        let best = calling.best;
        if calling.forks.iter().all(|fork| !fork.open) {
            self.remove(leg);
            let (status, retry_after) = best.unwrap_or((status, retry_after));
            self.events.push_back(Event::Refused { leg, status, retry_after });
        }
    }

    /// Cancels every INVITE that is still open, but `winner`; late answers are hung up.
    pub(crate) fn drop_forks(&mut self, now: Time, calling: &Calling, winner: Option<u64>) {
        for fork in calling.forks.iter().filter(|fork| fork.open && Some(fork.client) != winner) {
            if let Some(client) = self.net.clients.get_mut(&fork.client) {
                client.owner = Owner::Nobody;
            }
            self.net.cancel(now, fork.client);
        }
    }

    /// An INVITE was sent again with credentials under a new number.
    pub(crate) fn rename_fork(&mut self, leg: LegId, old: u64, new: u64) {
        let Some(calling) = self.calling(leg) else { return };
        calling.early.retain(|early| early.client != old);
        for fork in calling.forks.iter_mut().filter(|fork| fork.client == old) {
            fork.client = new;
            fork.dialog.local_cseq += 1;
        }
    }
}

impl Calling {
    /// The early dialog a response belongs to, made if it is the first; `None` without To tag.
    fn early_session(&mut self, id: u64, response: &Response) -> Option<&mut Session> {
        self.early_dialog(id, response).map(|early| &mut early.session)
    }

    pub(crate) fn early_dialog(&mut self, id: u64, response: &Response) -> Option<&mut Early> {
        let tag = response.headers.to_tag()?;
        let known = self.early.iter().position(|early| early.client == id && early.session.dialog.remote_tag == tag);
        let at = match known {
            Some(at) => at,
            None if self.early.len() >= EARLY_MAX => return None,
            None => {
                let mut dialog = self.forks.iter().find(|fork| fork.client == id)?.dialog.clone();
                dialog.adopt(response);
                self.early.push(Early { client: id, session: Session::new(dialog, self.media.clone()), rseq: None });
                self.early.len() - 1
            }
        };
        self.early.get_mut(at)
    }

    /// The session that a 2xx makes.
    fn take_session(&mut self, id: u64, response: &Response) -> Option<Session> {
        let tag = response.headers.to_tag().unwrap_or_default();
        let known = self.early.iter().find(|early| early.client == id && early.session.dialog.remote_tag == tag);
        let mut session = match known {
            Some(early) => early.session.clone(),
            None => Session::new(self.forks.iter().find(|fork| fork.client == id)?.dialog.clone(), self.media.clone()),
        };
        session.dialog.adopt(response);
        Some(session)
    }
}

impl Session {
    /// Takes the answer in a response, if there is one. `Err`: there is, and it cannot be used.
    pub(crate) fn media_from(&mut self, offer: &[u8], response: &Response) -> Result<Option<Audio>, ()> {
        let Some(body) = sdp::find(response.headers.first(HeaderName::ContentType), &response.body) else {
            return Ok(None);
        };
        self.media.accept(offer, &body).map(Some).map_err(|_| ())
    }
}

/// Order of final responses, best first (section 16.7 step 6).
fn rank(status: u16) -> (u16, u16) {
    match status {
        600.. => (0, status),
        401 | 407 | 415 | 420 | 484 => (status / 100, 0),
        // An unreachable phone says less than one that answered.
        408 | 503 => (status / 100, 999),
        _ => (status / 100, status),
    }
}
