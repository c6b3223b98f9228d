//! Calls from us, until they are answered (RFC 3261 section 13.2).

use crate::cause::Reason;
use crate::client::{Failure, Outcome, Owner};
use crate::dialog::Dialog;
use crate::error::Error;
use crate::event::{Event, Flow, Target};
use crate::expiry::MIN;
use crate::incoming::contact_for;
use crate::invite::Invite;
use crate::leg::{Again, Calling, EARLY_MAX, Early, Final, Fork, Leg, Phase, Session, tag};
use crate::media::Media;
use crate::registrar::Binding;
use crate::reply::{ALLOW, SUPPORTED};
use crate::sdp;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::{Alarm, cseq};
use crate::{Contacts, HeaderName, Host, Method, NOT_SELECTED, Request, Response, Uri};
use busyhour_model::{Audio, Direction, LegId, Time, TrunkId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// What phones are told that rang in vain: no call was missed (RFC 3326 section 2).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
/// An early dialog is over, others may go on (RFC 6228).
const GONE: u16 = 199;

/// One INVITE to be: the Request-URI and where it goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Way {
    uri: Uri,
    flow: Flow,
    /// By these proxies (RFC 3327 section 5.5).
    path: Option<Box<str>>,
}

impl Stack {
    /// Calls somebody; an account at all its contacts at once.
    pub fn invite(&mut self, now: Time, invite: Invite) -> Result<LegId, Error> {
        if self.legs.len() >= self.config.limits.legs {
            return Err(Error::Full);
        }
        let leg = LegId(self.next_leg);
        let (trunk, calling) = self.call_out(now, leg, invite)?;
        self.next_leg += 1;
        self.legs.insert(leg, Leg { trunk, phase: Phase::Calling(Box::new(calling)), gone: false });
        Ok(leg)
    }

    /// Sends the INVITEs of a leg.
    pub(crate) fn call_out(
        &mut self,
        now: Time,
        leg: LegId,
        invite: Invite,
    ) -> Result<(Option<TrunkId>, Calling), Error> {
        let (mut ways, trunk) = self.ways(now, &invite)?;
        let terms = self.terms(trunk);
        terms.offered(invite.codec).next().ok_or(Error::NoCodec)?;
        let secret = self.new_secret();
        let mut media = Media::new(invite.local, self.net.random.draw() >> 2, terms, secret);
        media.prefer(invite.codec);
        // A trunk's peers are tried one after the other, an account's contacts all at once.
        let rest = if trunk.is_some() { ways.split_off(1) } else { Vec::new() };
        let mut calling = Calling::new(media);
        for way in ways {
            self.send_invite(now, leg, trunk, &invite, &way, &mut calling);
        }
        if calling.forks.is_empty() {
            return Err(Error::NoContact);
        }
        if trunk.is_some() && (!rest.is_empty() || invite.replaceable) {
            let timer = Some(self.patience(now, leg, trunk));
            calling.again = Some(Box::new(Again { invite, rest, timer }));
        }
        Ok((trunk, calling))
    }

    fn send_invite(
        &mut self,
        now: Time,
        leg: LegId,
        trunk: Option<TrunkId>,
        invite: &Invite,
        way: &Way,
        calling: &mut Calling,
    ) {
        let mut media = calling.media.clone();
        if way.flow.transport.is_websocket() {
            media.shake_hands();
        }
        let offer = media.offer(Direction::SendRecv);
        let request = self.build_invite(invite, way, leg, &offer, trunk);
        if let Some(dialog) = Dialog::calling(&request, way.flow, trunk.is_none()) {
            let client = self.send(now, request, way.flow, Owner::Setup(leg), trunk);
            calling.forks.push(Fork { client, dialog, media, open: true });
        }
    }

    /// How long a trunk's peer may say nothing while there are others, or other trunks.
    fn patience(&mut self, now: Time, leg: LegId, trunk: Option<TrunkId>) -> Timer {
        let line = trunk.and_then(|trunk| self.line_config(trunk));
        let patience = line.map_or(Duration::ZERO, |line| line.patience);
        self.net.timers.set(now + patience, Alarm::Impatient(leg))
    }

    pub(crate) fn ways(&mut self, now: Time, invite: &Invite) -> Result<(Vec<Way>, Option<TrunkId>), Error> {
        match &invite.target {
            Target::Account(account) => {
                let bindings = self.registrar.contacts(account);
                let way = |binding: &Binding| Way {
                    uri: binding.uri.clone(),
                    flow: binding.flow,
                    path: binding.path.clone(),
                };
                let ways: Vec<Way> = bindings.iter().map(way).collect();
                if ways.is_empty() { Err(Error::NoContact) } else { Ok((ways, None)) }
            }
            Target::Trunk { trunk, number } => {
                self.line_config(*trunk).filter(|line| line.is_reachable()).ok_or(Error::NoTrunkPeer)?;
                let ways: Vec<Way> = self
                    .trunk_flows(now, *trunk)
                    .into_iter()
                    .map(|flow| {
                        let domain = self.trunk_domain(*trunk, flow);
                        let port = (domain.ip() == Some(flow.remote.ip())).then(|| flow.remote.port());
                        Way { uri: invite.identity.form.uri(number, &domain, port), flow, path: None }
                    })
                    .collect();
                if ways.is_empty() { Err(Error::NoSocket) } else { Ok((ways, Some(*trunk))) }
            }
        }
    }

    /// The peer that was tried does not take the call: the next one, unless somebody rang already (RFC 3263 section 4.3).
    /// False: there is none.
    fn try_next(&mut self, now: Time, leg: LegId, failed: Flow, pause: Option<Duration>) -> bool {
        let more = |calling: &mut Calling| calling.again.as_ref().is_some_and(|again| !again.rest.is_empty());
        if !self.calling(leg).is_some_and(|calling| calling.early.is_empty() && more(calling)) {
            return false;
        }
        let Some(Leg { trunk, phase: Phase::Calling(mut calling), gone }) = self.legs.remove(&leg) else {
            return false;
        };
        let Some(mut again) = calling.again.take() else { return false };
        self.net.stop(&mut again.timer);
        if let Some(trunk) = trunk {
            self.avoid_peer(now, trunk, &failed, pause);
        }
        calling.forks.iter_mut().for_each(|fork| fork.open = false);
        // No other peer is to know the keys of this one.
        calling.media.renew(self.new_secret());
        let way = again.rest.remove(0);
        self.send_invite(now, leg, trunk, &again.invite, &way, &mut calling);
        if !again.rest.is_empty() || again.invite.replaceable {
            again.timer = Some(self.patience(now, leg, trunk));
            calling.again = Some(again);
        }
        self.legs.insert(leg, Leg { trunk, phase: Phase::Calling(calling), gone });
        true
    }

    /// Where a 3xx says the callee is (section 21.3): a number at the same carrier, never another host.
    fn note_moved(&mut self, leg: LegId, response: &Response) {
        let Ok(Contacts::List(contacts)) = response.headers.contacts() else { return };
        if let Some(calling) = self.calling(leg).filter(|_| (300..400).contains(&response.status)) {
            calling.moved = contacts.iter().find_map(|contact| contact.uri.user_unescaped());
        }
    }

    /// A peer has not said a word to our INVITE.
    pub(crate) fn lose_patience(&mut self, now: Time, leg: LegId) {
        let Some(calling) = self.calling(leg) else { return };
        if let Some(again) = &mut calling.again {
            again.timer = None;
        }
        let Some(client) = calling.forks.iter().find(|fork| fork.open).map(|fork| fork.client) else { return };
        let Some(flow) = self.net.clients.get(&client).map(|client| client.flow) else { return };
        let trunk = self.legs.get(&leg).and_then(|leg| leg.trunk);
        let goes_on = self.try_next(now, leg, flow, None);
        if let Some(client) = self.net.clients.get_mut(&client) {
            client.owner = Owner::Nobody;
        }
        self.net.cancel(now, client);
        trunk.into_iter().for_each(|trunk| self.leave_registrar(now, trunk));
        if !goes_on {
            self.fork_failed(leg, client, Final { status: Failure::Timeout.status(), ..Final::default() });
        }
    }

    /// The peer said something: it is given the time it needs, and who rings is not called by another way.
    fn heard(&mut self, leg: LegId, status: u16) {
        let Some(again) = self.calling(leg).and_then(|calling| calling.again.as_mut()) else { return };
        let mut timer = again.timer.take();
        self.net.stop(&mut timer);
        if status > 100
            && let Some(calling) = self.calling(leg)
        {
            calling.again = None;
        }
    }

    /// Where a leg's peer was met, or will be.
    pub fn met_at(&self, leg: LegId) -> Option<Flow> {
        let dialog = match &self.legs.get(&leg)?.phase {
            Phase::Incoming(incoming) => &incoming.session.dialog,
            Phase::Calling(calling) => &calling.forks.first()?.dialog,
            Phase::Up(session) => &session.dialog,
        };
        Some(dialog.met())
    }

    /// The name of a leg that is none of SIP's: its party is reached otherwise. Nothing of it is known here.
    pub fn foreign_leg(&mut self) -> LegId {
        let leg = LegId(self.next_leg);
        self.next_leg += 1;
        leg
    }

    /// Where calls for a target go first.
    pub fn heads_for(&self, target: &Target) -> Option<IpAddr> {
        match target {
            Target::Account(account) => Some(self.registrar.contacts(account).first()?.flow.remote.ip()),
            Target::Trunk { trunk, .. } => Some(self.lines.get(trunk)?.hops.iter().next()?.peer.address.ip()),
        }
    }

    pub(crate) fn own_host(&self) -> Host {
        Host::parse(self.config.domain.as_bytes()).unwrap_or_else(|| Host::Domain("localhost".to_owned()))
    }

    fn build_invite(
        &mut self,
        invite: &Invite,
        way: &Way,
        leg: LegId,
        offer: &Bytes,
        trunk: Option<TrunkId>,
    ) -> Request {
        let domain = &trunk.map_or_else(|| self.own_host(), |trunk| self.trunk_domain(trunk, way.flow));
        let mut request = Request::new(Method::Invite, way.uri.clone());
        let identity = &invite.identity;
        let line = trunk.and_then(|trunk| self.line_config(trunk));
        let user = line.and_then(|line| line.from_user.as_deref()).unwrap_or(&invite.from);
        let mut from = identity.from(user, invite.display.as_deref(), domain);
        from.set_param("tag", Some(&tag(leg, self.net.random.draw())));
        let to = match &invite.target {
            Target::Account(account) => account,
            Target::Trunk { number, .. } => &**number,
        };
        let to = identity.to(to, domain);
        let call_id = format!("{:016x}{:016x}@{}", self.net.random.draw(), self.net.random.draw(), self.config.domain);
        let registered = trunk.and_then(|trunk| self.trunk_user(trunk));
        // A Contact does not betray who is withheld (RFC 3323 section 4.1.1.1).
        let shown = if identity.private { "anonymous" } else { &*invite.from };
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, invite.max_forwards.to_string());
        headers.push(HeaderName::From, from.to_string());
        headers.push(HeaderName::To, to.to_string());
        identity.write(headers, &way.uri, domain);
        headers.push(HeaderName::CallId, call_id);
        headers.push(HeaderName::CSeq, cseq(1, &Method::Invite));
        headers.push(
            HeaderName::Contact,
            contact_for(Some(registered.as_deref().unwrap_or(shown)), way.flow, &way.uri.scheme),
        );
        headers.push(HeaderName::Allow, ALLOW);
        headers.push(HeaderName::Supported, SUPPORTED);
        self.ask_expiry(headers, self.config.limits.session_expires, MIN, None);
        headers.push(HeaderName::UserAgent, &self.config.user_agent);
        for (name, value) in &invite.headers {
            headers.push_named(name, value);
        }
        way.path.iter().for_each(|path| request.headers.push(HeaderName::Route, &**path));
        if let Some(trunk) = trunk {
            self.push_route(trunk, way.flow, &mut request);
        }
        request.set_body("application/sdp", offer.clone());
        request
    }

    pub(crate) fn settle_setup(&mut self, now: Time, leg: LegId, outcome: Outcome) {
        let id = outcome.id;
        match outcome.result {
            Ok(response) if response.status < 200 => {
                self.heard(leg, response.status);
                if self.acknowledge_provisional(now, leg, id, &response) {
                    self.progress(leg, id, &response);
                }
            }
            Ok(response) if response.status < 300 => self.answered(now, leg, id, &response),
            Ok(response) if response.status == 422 && self.invite_longer(now, leg, id, &response) => {}
            Ok(response) => {
                self.note_moved(leg, &response);
                let after = Final::of(&response).retry_after;
                if response.status != 503 || !self.try_next(now, leg, outcome.flow, after) {
                    self.fork_failed(leg, id, Final::of(&response));
                }
            }
            Err(failure) if !self.try_next(now, leg, outcome.flow, None) => {
                self.fork_failed(leg, id, Final { status: failure.status(), ..Final::default() });
            }
            Err(_) => {}
        }
    }

    pub(crate) fn calling(&mut self, leg: LegId) -> Option<&mut Calling> {
        match &mut self.legs.get_mut(&leg)?.phase {
            Phase::Calling(calling) => Some(calling),
            Phase::Incoming(_) | Phase::Up(_) => None,
        }
    }

    fn progress(&mut self, leg: LegId, id: u64, response: &Response) {
        let Some(calling) = self.calling(leg).filter(|_| response.status > 100) else { return };
        if response.status == GONE {
            let tag = response.headers.to_tag();
            let here = |early: &Early| early.client == id && Some(&early.session.dialog.remote_tag) == tag.as_ref();
            return calling.early.retain(|early| !here(early));
        }
        let session = calling.early_session(id, response);
        let audio = session.and_then(|session| session.media_from(response).unwrap_or(None));
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
        let agreed = session.media_from(response).map(|_| session.media.agreed.clone());
        let Ok(Some(audio)) = agreed else {
            self.send_bye(now, &mut session.dialog, trunk);
            return self.events.push_back(Event::Refused { leg, status: 488, retry_after: None });
        };
        self.legs.insert(leg, Leg { trunk, phase: Phase::Up(Box::new(session)), gone });
        self.adopt_expiry(now, leg, response);
        self.events.push_back(Event::Answered { leg, audio });
    }

    fn fork_failed(&mut self, leg: LegId, id: u64, last: Final) {
        let Some(calling) = self.calling(leg) else { return };
        for fork in calling.forks.iter_mut().filter(|fork| fork.client == id) {
            fork.open = false;
        }
        calling.early.retain(|early| early.client != id);
        if calling.best.is_none_or(|best| rank(last.status) < rank(best.status)) {
            calling.best = Some(last);
        }
        let (Final { status, retry_after, reason }, moved) = (calling.best.unwrap_or(last), calling.moved.clone());
        if calling.forks.iter().all(|fork| !fork.open) {
            self.remove(leg);
            self.reason_told(leg, reason);
            self.events.push_back(match moved.filter(|_| (300..400).contains(&status)) {
                Some(to) => Event::Moved { leg, status, to },
                None => Event::Refused { leg, status, retry_after },
            });
        }
    }

    /// Tells why a leg ends, when its peer says it.
    pub(crate) fn reason_told(&mut self, leg: LegId, reason: Option<Reason>) {
        self.events.extend(reason.map(|reason| Event::ReasonTold { leg, reason }));
    }

    /// Cancels every INVITE that is still open, but `winner`; late answers are hung up.
    pub(crate) fn drop_forks(&mut self, now: Time, calling: &Calling, winner: Option<u64>) {
        for fork in calling.forks.iter().filter(|fork| fork.open && Some(fork.client) != winner) {
            if let Some(client) = self.net.clients.get_mut(&fork.client) {
                client.owner = Owner::Nobody;
                let elsewhere = winner.is_some() || fork.dialog.cause == Some(NOT_SELECTED);
                client.reason = if elsewhere { Some(ELSEWHERE.to_owned()) } else { fork.dialog.why() };
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
    /// Before the first INVITE.
    pub(crate) fn new(media: Media) -> Calling {
        Calling { forks: Vec::new(), media, early: Vec::new(), best: None, again: None, moved: None, later: None }
    }

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
                let mut session = self.forks.iter().find(|fork| fork.client == id)?.session();
                session.dialog.adopt(response);
                self.early.push(Early { client: id, session, rseq: None });
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
            None => self.forks.iter().find(|fork| fork.client == id)?.session(),
        };
        session.dialog.adopt(response);
        Some(session)
    }
}

impl Fork {
    fn session(&self) -> Session {
        Session::new(self.dialog.clone(), self.media.clone())
    }
}

impl Session {
    /// Takes the answer in a response, if there is one. `Err`: there is, and it cannot be used. Once offers have gone on, what
    /// a response repeats of the first answer is ignored (section 13.2.1).
    pub(crate) fn media_from(&mut self, response: &Response) -> Result<Option<Audio>, ()> {
        let body = sdp::find(response.headers.first(HeaderName::ContentType), &response.body);
        let Some(body) = body.filter(|_| !self.media.renewed) else { return Ok(None) };
        self.media.accept(&self.media.sent(), &body).map(Some).map_err(|_| ())
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
