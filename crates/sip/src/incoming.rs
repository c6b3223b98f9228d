//! Calls to us, until they are answered (RFC 3261 section 13.3).

use crate::dialog::Dialog;
use crate::error::Error;
use crate::event::{Event, Flow, Incoming as News, Origin};
use crate::expiry::is_too_brief;
use crate::identity::{Identities, first_number};
use crate::invite::MAX_FORWARDS;
use crate::leg::{Incoming, Leg, Phase, Session, Unconfirmed, tag};
use crate::media::Media;
use crate::reliable::Wish;
use crate::reply::{ALLOW, SUPPORTED};
use crate::sdp::{self, Local};
use crate::stack::Stack;
use crate::{HeaderName, Limits, Message, Request, Response, Scheme, Terms, Uri};
use busyhour_model::{Audio, Direction, KeySecret, LegId, Time};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

impl Stack {
    /// An INVITE outside a dialog, from somebody who may call.
    pub(crate) fn receive_invite(&mut self, now: Time, server: u64, flow: Flow, request: &Request, origin: Origin) {
        if self.legs.len() >= self.config.limits.legs {
            self.net.counters.overloaded += 1;
            return self.respond(now, server, request, 503);
        }
        if is_too_brief(request) {
            return self.respond(now, server, request, 422);
        }
        let offer = match body_of(request) {
            Ok(offer) => offer,
            Err(status) => return self.respond(now, server, request, status),
        };
        let trunk = if let Origin::Trunk(trunk) = origin { Some(trunk) } else { None };
        let (terms, secret) = (self.terms(trunk), self.new_secret());
        let allowed = match offer.as_ref().map(|offer| allowed_by(offer, flow.local, &terms, secret)).transpose() {
            Ok(allowed) => allowed,
            Err(status) => return self.respond(now, server, request, status),
        };
        let replaces = match self.replaced(request) {
            Ok(replaces) => replaces,
            Err(status) => return self.respond(now, server, request, status),
        };
        let leg = LegId(self.next_leg);
        let contact = contact_for(request.uri.user.as_deref(), flow, &request.uri.scheme);
        let local_tag = tag(leg, self.net.random.draw());
        let Some(dialog) = Dialog::answering(request, flow, &local_tag, contact, trunk.is_none()) else {
            return self.respond(now, server, request, 400);
        };
        self.next_leg += 1;
        self.net.respond(now, server, &request.reply(100));
        if let Some(server) = self.net.servers.get_mut(&server) {
            server.leg = Some(leg);
        }
        let media = Media::new(flow.local, self.net.random.draw() >> 2, terms, secret);
        let incoming = Incoming {
            server,
            request: request.to_bytes(),
            offer,
            session: Session::new(dialog, media),
            answered: None,
            reliable: Wish::of(&request.headers),
        };
        self.legs.insert(leg, Leg { trunk, phase: Phase::Incoming(Box::new(incoming)), gone: false });
        self.events.push_back(Event::Incoming(Box::new(News { replaces, ..news(leg, origin, request, allowed) })));
    }

    /// Rings: 180, or 183 with our answer when `early` names our RTP address; then what the answer lets us send.
    pub fn ring(&mut self, now: Time, leg: LegId, early: Option<SocketAddr>) -> Result<Option<Audio>, Error> {
        let incoming = self.incoming(leg)?;
        let offer = incoming.offer.clone();
        let Some((address, offer)) = early.zip(offer) else {
            // The first reliable response would have to bring our offer (RFC 3261 section 13.2.1): it comes with the 200.
            if incoming.offer.is_none() && incoming.reliable == Wish::Must {
                return Ok(None);
            }
            self.provisional(now, leg, 180, None)?;
            return Ok(None);
        };
        incoming.session.media.move_to(address);
        let answer = incoming.session.media.answer(&offer).map_err(|_| Error::NoCodec)?;
        incoming.answered = Some(answer.clone());
        let audio = incoming.session.media.agreed.clone();
        self.provisional(now, leg, 183, Some(answer))?;
        Ok(audio)
    }

    /// Answers: 200 with our answer, or with our offer when the INVITE brought none (`None`; `Confirmed` brings the rest).
    pub fn answer(&mut self, now: Time, leg: LegId, local: SocketAddr) -> Result<Option<Audio>, Error> {
        let incoming = self.incoming(leg)?;
        let server = incoming.server;
        let media = &mut incoming.session.media;
        media.move_to(local);
        let (body, offered) = match (&incoming.offer, &incoming.answered) {
            (Some(offer), None) => (media.answer(offer).map_err(|_| Error::NoCodec)?, None),
            (_, Some(answered)) => (answered.clone(), None),
            (None, None) => {
                let offer = media.offer(Direction::SendRecv);
                (offer.clone(), Some(offer))
            }
        };
        let audio = media.agreed.clone();
        let cseq = incoming.session.dialog.remote_cseq.unwrap_or(0);
        let mut response = self.response(leg, 200, Some(body))?;
        let expiry = self.invite_of(leg).and_then(|request| self.grant_expiry(&request, &mut response));
        self.net.respond(now, server, &response);
        if let Some(Leg { trunk, phase: Phase::Incoming(incoming), gone }) = self.legs.remove(&leg) {
            let mut session = incoming.session;
            session.unconfirmed = Some(Unconfirmed { server, cseq, offer: offered, first: true });
            self.legs.insert(leg, Leg { trunk, phase: Phase::Up(Box::new(session)), gone });
            self.arm_expiry(now, leg, expiry);
        }
        Ok(audio)
    }

    /// Refuses an unanswered call with a 300-699 status; the leg is gone.
    pub fn refuse(&mut self, now: Time, leg: LegId, status: u16, retry_after: Option<Duration>) -> Result<(), Error> {
        self.incoming(leg)?;
        self.refuse_incoming(now, leg, status.clamp(300, 699), retry_after);
        Ok(())
    }

    /// True when there was an unanswered call, which is refused and gone now.
    pub(crate) fn refuse_incoming(
        &mut self,
        now: Time,
        leg: LegId,
        status: u16,
        retry_after: Option<Duration>,
    ) -> bool {
        let Ok(server) = self.incoming(leg).map(|incoming| incoming.server) else { return false };
        if let Ok(mut response) = self.response(leg, status, None) {
            if let Some(span) = retry_after {
                response.headers.push(HeaderName::RetryAfter, span.as_secs().to_string());
            }
            self.net.respond(now, server, &response);
        }
        self.remove(leg).is_some()
    }

    pub(crate) fn incoming(&mut self, leg: LegId) -> Result<&mut Incoming, Error> {
        match &mut self.legs.get_mut(&leg).filter(|leg| !leg.gone).ok_or(Error::UnknownLeg)?.phase {
            Phase::Incoming(incoming) => Ok(incoming),
            Phase::Calling(_) | Phase::Up(_) => Err(Error::WrongState),
        }
    }

    fn provisional(&mut self, now: Time, leg: LegId, status: u16, body: Option<Bytes>) -> Result<(), Error> {
        let sound = body.is_some();
        let response = self.response(leg, status, body)?;
        let incoming = self.incoming(leg)?;
        let server = incoming.server;
        match incoming.reliable.covers(sound) {
            true => self.net.respond_reliably(now, server, response),
            false => self.net.respond(now, server, &response),
        }
        Ok(())
    }

    /// The INVITE of an unanswered leg.
    pub(crate) fn invite_of(&mut self, leg: LegId) -> Option<Request> {
        match Message::parse(&self.incoming(leg).ok()?.request, &unbounded()) {
            Ok(Message::Request(request)) => Some(request),
            _ => None,
        }
    }

    /// A response to the leg's INVITE, in its dialog.
    fn response(&mut self, leg: LegId, status: u16, body: Option<Bytes>) -> Result<Response, Error> {
        let request = self.invite_of(leg).ok_or(Error::UnknownLeg)?;
        let incoming = self.incoming(leg)?;
        let mut response = request.reply(status);
        response.set_to_tag(&incoming.session.dialog.local_tag);
        if status >= 300 {
            incoming.session.dialog.say_why(&mut response.headers);
        } else {
            response.headers.push(HeaderName::Contact, &incoming.session.dialog.contact);
            response.headers.push(HeaderName::Allow, ALLOW);
        }
        if status == 200 {
            response.headers.push(HeaderName::Supported, SUPPORTED);
        }
        response.headers.push(HeaderName::Server, &self.config.user_agent);
        if let Some(body) = body {
            response.set_body("application/sdp", body);
        }
        Ok(response)
    }
}

fn unbounded() -> Limits {
    Limits { header_bytes: usize::MAX, body_bytes: usize::MAX, ..Limits::default() }
}

/// The offer or answer in a request; 415 for a body that is something else, and not said to be optional (section 20.11).
pub(crate) fn body_of(request: &Request) -> Result<Option<Bytes>, u16> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let headers = &request.headers;
    let mut disposition = headers.text(HeaderName::ContentDisposition).unwrap_or_default().split(';').map(str::trim);
    match sdp::find(headers.first(HeaderName::ContentType), &request.body) {
        None if !disposition.any(|param| param.eq_ignore_ascii_case("handling=optional")) => Err(415),
        found => Ok(found),
    }
}

/// What an offer would allow us to send, before we know from where.
fn allowed_by(offer: &Bytes, local: SocketAddr, terms: &Terms, secret: KeySecret) -> Result<Audio, u16> {
    let (terms, first, standing) = (terms.clone(), None, None);
    let local = Local { address: local, session_id: 0, version: 0, terms, first, secret, standing };
    sdp::answer(&local, offer, Direction::SendRecv).map(|(_, audio)| audio).map_err(|error| error.status())
}

/// Our Contact on a flow.
pub(crate) fn contact(user: Option<&str>, flow: Flow) -> String {
    contact_for(user, flow, &Scheme::Sip)
}

/// Our Contact where a request for `scheme` came in or goes out: `sips` answers `sips` (section 12.1.1, RFC 5630).
pub(crate) fn contact_for(user: Option<&str>, flow: Flow, scheme: &Scheme) -> String {
    let sips = *scheme == Scheme::Sips && flow.transport.is_secure();
    let mut uri = Uri::sip(None, crate::transaction::host(flow.local.ip()), Some(flow.local.port()));
    uri.user = user.filter(|user| !user.is_empty()).map(str::to_owned);
    if sips {
        uri.scheme = Scheme::Sips;
    }
    if let Some(transport) = flow.transport.uri_param(sips) {
        uri.params.push(("transport".to_owned(), Some(transport.to_owned())));
    }
    crate::NameAddr::new(uri).to_string()
}

fn news(leg: LegId, origin: Origin, request: &Request, audio: Option<Audio>) -> News {
    let headers = &request.headers;
    let to = headers.to().ok().and_then(|to| to.uri.user_unescaped()).unwrap_or_default();
    News {
        leg,
        caller: Identities::of(request),
        origin,
        dialled: request.uri.user_unescaped().unwrap_or_default(),
        to,
        diversion: first_number(headers, HeaderName::Diversion)
            .or_else(|| first_number(headers, HeaderName::HistoryInfo)),
        call_id: headers.call_id().to_owned(),
        audio,
        replaces: None,
        max_forwards: headers.max_forwards().unwrap_or(MAX_FORWARDS),
    }
}
