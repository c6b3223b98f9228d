//! Requests within a dialog (RFC 3261 sections 12.2.2, 14.2 and 15.1.2, RFC 3311).

use crate::cause::Reason;
use crate::event::{Event, Flow};
use crate::expiry::is_too_brief;
use crate::incoming::body_of;
use crate::leg::{Phase, Unconfirmed};
use crate::receive::Place;
use crate::reply::{ALLOW, SUPPORTED};
use crate::server::Arrival;
use crate::stack::Stack;
use crate::{HeaderName, Keys, Method, Request, Response};
use busyhour_model::{LegId, Time};
use bytes::Bytes;

/// Within what time a refused offer may be tried again, at most, in seconds (section 14.2).
const AGAIN_MAX: u64 = 10;

/// How a leg stands when an offer comes.
enum Turn {
    /// It may be answered.
    Free,
    /// Our own offer is out: 491.
    Glare,
    /// Theirs is not answered yet: 500.
    Busy,
}

impl Stack {
    pub(crate) fn receive_within(&mut self, now: Time, flow: Flow, request: &Request, to_tag: &str) {
        let Some(place) = self.find(request, to_tag) else {
            return self.receive_renewal(now, flow, request, to_tag);
        };
        let server = match self.net.open(flow, request) {
            Arrival::New(server) | Arrival::Merged(server) => server,
            Arrival::Full => return self.overloaded(flow, request),
        };
        let number = request.headers.cseq().map_or(0, |cseq| cseq.0);
        let Some(session) = self.session(place) else { return };
        if session.dialog.remote_cseq.is_some_and(|last| number <= last) {
            return self.respond(now, server, request, 500);
        }
        session.dialog.remote_cseq = Some(number);
        if let Some(status) = self.objection(request) {
            return self.respond(now, server, request, status);
        }
        match request.method {
            Method::Bye => self.receive_bye(now, place, server, request),
            _ if self.legs.get(&place.leg).is_some_and(|leg| leg.gone) => self.respond(now, server, request, 481),
            Method::Invite | Method::Update => self.receive_offer(now, place, server, request),
            Method::Info => self.receive_info(now, place, server, request),
            Method::Options => self.respond(now, server, request, 200),
            Method::Prack => self.receive_prack(now, place, server, request),
            Method::Subscribe | Method::Publish => self.respond(now, server, request, 489),
            Method::Notify => self.receive_referral(now, place, server, request),
            Method::Refer => self.receive_refer(now, place, server, request),
            _ => self.respond(now, server, request, 405),
        }
    }

    fn receive_bye(&mut self, now: Time, place: Place, server: u64, request: &Request) {
        if place.early.is_some() {
            return self.respond(now, server, request, 481);
        }
        self.respond(now, server, request, 200);
        if !self.legs.get(&place.leg).is_some_and(|leg| leg.gone) {
            self.reason_told(place.leg, Reason::of(&request.headers));
        }
        if self.refuse_incoming(now, place.leg, 487, None) {
            return self.events.push_back(Event::Cancelled { leg: place.leg });
        }
        let unconfirmed = self.session(place).and_then(|session| session.unconfirmed.take());
        if let Some(unconfirmed) = unconfirmed
            && !self.net.withdraw(now, unconfirmed.server, 487, None)
        {
            self.net.stop_resending(unconfirmed.server);
        }
        self.end(place.leg, true);
    }

    fn turn(&self, place: Place) -> Turn {
        match self.legs.get(&place.leg).map(|leg| &leg.phase) {
            Some(Phase::Incoming(incoming)) if incoming.answered.is_none() => Turn::Busy,
            Some(Phase::Incoming(_)) | None => Turn::Free,
            Some(Phase::Up(session)) => {
                let ours = session.pending.as_ref().is_some_and(|pending| pending.client.is_some());
                let unanswered = session.unconfirmed.as_ref().is_some_and(|unconfirmed| unconfirmed.offer.is_some());
                if ours || unanswered { Turn::Glare } else { Turn::Free }
            }
            Some(Phase::Calling(calling)) => {
                let early = place.early.and_then(|at| calling.early.get(at as usize));
                if early.is_some_and(|early| early.session.media.agreed.is_some()) { Turn::Free } else { Turn::Glare }
            }
        }
    }

    /// A re-INVITE or UPDATE, answered at once.
    fn receive_offer(&mut self, now: Time, place: Place, server: u64, request: &Request) {
        let invite = request.method == Method::Invite;
        if is_too_brief(request) {
            return self.respond(now, server, request, 422);
        }
        let body = match body_of(request) {
            Ok(body) => body,
            Err(status) => return self.respond(now, server, request, status),
        };
        let up = self.legs.get(&place.leg).is_some_and(|leg| matches!(leg.phase, Phase::Up(_)));
        match self.turn(place) {
            Turn::Glare if invite || body.is_some() => return self.respond(now, server, request, 491),
            Turn::Busy if invite || body.is_some() => return self.try_again(now, server, request),
            _ if invite && !up => return self.try_again(now, server, request),
            _ => {}
        }
        let Some(session) = self.session(place) else { return };
        let before = session.media.agreed.clone();
        let (answer, offer) = match &body {
            Some(offer) => match session.media.answer(offer) {
                Ok(answer) => (Some(answer), None),
                Err(error) => return self.respond(now, server, request, error.status()),
            },
            None if invite => {
                let offer = session.media.offer(session.media.wanted);
                (Some(offer.clone()), Some(offer))
            }
            None => (None, None),
        };
        session.dialog.refresh(&request.headers);
        session.dialog.hear_min_se(&request.headers);
        let (contact, agreed) = (session.dialog.contact.clone(), session.media.agreed.clone());
        if invite {
            self.await_ack(
                place,
                Unconfirmed { server, cseq: request.headers.cseq().map_or(0, |cseq| cseq.0), offer, first: false },
            );
            if let Some(server) = self.net.servers.get_mut(&server) {
                server.leg = Some(place.leg);
            }
        }
        let mut response = self.accepting(request, &contact, answer);
        if up {
            let expiry = self.grant_expiry(request, &mut response);
            self.arm_expiry(now, place.leg, expiry);
        }
        self.net.respond(now, server, &response);
        if let Some(audio) = agreed.filter(|agreed| before.as_ref() != Some(agreed)) {
            self.events.push_back(Event::MediaChanged { leg: place.leg, audio });
        }
    }

    /// A re-INVITE that overtook the ACK to our last 2xx stands for it.
    fn await_ack(&mut self, place: Place, next: Unconfirmed) {
        let Some(session) = self.session(place) else { return };
        if let Some(last) = session.unconfirmed.replace(next) {
            self.net.confirm(last.server);
            if last.first {
                self.events.push_back(Event::Confirmed { leg: place.leg, audio: None });
            }
        }
    }

    fn accepting(&self, request: &Request, contact: &str, body: Option<Bytes>) -> Response {
        let mut response = self.reply(request, 200);
        response.headers.push(HeaderName::Contact, contact);
        response.headers.push(HeaderName::Allow, ALLOW);
        response.headers.push(HeaderName::Supported, SUPPORTED);
        if let Some(body) = body {
            response.set_body("application/sdp", body);
        }
        response
    }

    fn try_again(&mut self, now: Time, server: u64, request: &Request) {
        let mut response = self.reply(request, 500);
        response.headers.push(HeaderName::RetryAfter, self.net.random.below(AGAIN_MAX + 1).to_string());
        self.net.respond(now, server, &response);
    }

    fn receive_info(&mut self, now: Time, place: Place, server: u64, request: &Request) {
        let digit = match request.headers.content_type().as_deref() {
            Some("application/dtmf-relay") => signal(&request.body),
            Some("application/dtmf") => lone_digit(&request.body),
            None if request.body.is_empty() => return self.respond(now, server, request, 200),
            _ => return self.respond(now, server, request, 415),
        };
        let Some(digit) = digit else { return self.respond(now, server, request, 400) };
        self.respond(now, server, request, 200);
        // A carrier whose keys are heard as tones would press each twice.
        if self.session(place).is_some_and(|session| session.media.terms().keys != Keys::Tones) {
            self.events.push_back(Event::Digit { leg: place.leg, digit });
        }
    }

    /// An ACK: to a refusal, or to a 2xx of ours.
    pub(crate) fn receive_ack(&mut self, now: Time, request: &Request) {
        if self.net.receive_ack(now, request) {
            return;
        }
        let number = request.headers.cseq().map_or(0, |cseq| cseq.0);
        let place = request.headers.to_tag().and_then(|tag| self.find(request, &tag));
        let unconfirmed = place
            .and_then(|place| self.session(place))
            .and_then(|session| session.unconfirmed.take_if(|unconfirmed| unconfirmed.cseq == number));
        let Some((place, unconfirmed)) = place.zip(unconfirmed) else {
            self.net.counters.dropped += 1;
            return;
        };
        self.net.confirm(unconfirmed.server);
        if self.legs.get(&place.leg).is_some_and(|leg| leg.gone) {
            return self.bye(now, place.leg);
        }
        self.confirmed(now, place, &unconfirmed, request);
    }

    fn confirmed(&mut self, now: Time, place: Place, unconfirmed: &Unconfirmed, ack: &Request) {
        let leg = place.leg;
        let Some(session) = self.session(place) else { return };
        let mut audio = None;
        if let Some(offer) = &unconfirmed.offer {
            let before = session.media.agreed.clone();
            let accepted = body_of(ack).ok().flatten().map(|body| session.media.accept(offer, &body));
            let Some(Ok(agreed)) = accepted else {
                self.bye(now, leg);
                return self.events.push_back(Event::Ended { leg, by_peer: false });
            };
            if !unconfirmed.first && before.as_ref() != Some(&agreed) {
                self.events.push_back(Event::MediaChanged { leg, audio: agreed.clone() });
            }
            audio = Some(agreed);
        }
        if unconfirmed.first {
            self.events.push_back(Event::Confirmed { leg, audio });
        }
        self.refer_now(now, place);
    }

    /// Nobody acknowledged our 2xx: the session is over (section 13.3.1.4).
    pub(crate) fn unacknowledged(&mut self, now: Time, leg: LegId, server: u64) {
        let Some(found) = self.legs.get(&leg) else { return };
        let ours = matches!(&found.phase, Phase::Up(session) if session.unconfirmed.as_ref().is_some_and(|it| it.server == server));
        let gone = found.gone;
        if ours {
            self.bye(now, leg);
            if !gone {
                self.events.push_back(Event::Ended { leg, by_peer: false });
            }
        }
    }
}

/// `Signal=5`, as Cisco and many softphones send it.
fn signal(body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value.trim())
    })?;
    key(value)
}

fn lone_digit(body: &[u8]) -> Option<char> {
    key(std::str::from_utf8(body).ok()?.trim())
}

/// A key by its own sign, or by its RFC 4733 event number (10 is `*`, 11 is `#`).
fn key(text: &str) -> Option<char> {
    match text {
        "10" => Some('*'),
        "11" => Some('#'),
        _ => {
            let mut chars = text.chars();
            let digit = chars.next()?.to_ascii_uppercase();
            (chars.next().is_none() && matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(digit)
        }
    }
}
