//! Provisional responses that arrive for sure, both roles (100rel, RFC 3262).

use crate::client::Owner;
use crate::incoming::body_of;
use crate::leg::{Early, Phase};
use crate::receive::Place;
use crate::stack::Stack;
use crate::transaction::Transactions;
use crate::{Event, HeaderName, Headers, Method, Request, Response};
use busyhour_model::{LegId, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The option tag.
pub(crate) const OPTION: &str = "100rel";
/// RSeq begins below this (section 3), so that it never wraps within a call.
const RSEQ_FIRST_MAX: u64 = 1 << 30;
/// Responses that wait for a PRACK; a call does not ring more often than that.
const HELD_MAX: usize = 8;

/// What the sender of an INVITE makes of reliable provisional responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    /// It does not know them.
    No,
    /// It knows them: what carries sound is sent so.
    May,
    /// It takes no others.
    Must,
}

impl Wish {
    pub(crate) fn of(headers: &Headers) -> Wish {
        match () {
            () if headers.require().any(|token| token.eq_ignore_ascii_case(OPTION)) => Wish::Must,
            () if headers.supported().any(|token| token.eq_ignore_ascii_case(OPTION)) => Wish::May,
            () => Wish::No,
        }
    }

    /// Whether a provisional response is to be reliable.
    pub(crate) fn covers(self, carries_sound: bool) -> bool {
        self == Wish::Must || self == Wish::May && carries_sound
    }
}

/// What an INVITE's transaction knows of its reliable responses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reliable {
    /// RSeq of the last one made; 0: none yet.
    last: u32,
    /// The one that was sent and is not acknowledged, and since when.
    pub(crate) awaited: Option<(u32, Time)>,
    /// What follows once it is.
    held: VecDeque<Held>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    response: Response,
    rseq: Option<u32>,
}

impl Reliable {
    /// Whether a response must wait, and does.
    pub(crate) fn holds(&mut self, response: &Response, rseq: Option<u32>) -> bool {
        if self.awaited.is_none() {
            return false;
        }
        if response.status >= 300 {
            // A refusal needs no patience (section 3).
            self.awaited = None;
            self.held.clear();
            return false;
        }
        if self.held.len() < HELD_MAX || response.status >= 200 {
            self.held.push_back(Held { response: response.clone(), rseq });
        }
        true
    }
}

impl Transactions {
    /// Sends a provisional response until it is acknowledged.
    pub(crate) fn respond_reliably(&mut self, now: Time, id: u64, mut response: Response) {
        let first = 1 + self.random.below(RSEQ_FIRST_MAX) as u32;
        let Some(server) = self.servers.get_mut(&id) else { return };
        server.reliable.last = if server.reliable.last == 0 { first } else { server.reliable.last + 1 };
        let rseq = server.reliable.last;
        response.headers.push(HeaderName::Require, OPTION);
        response.headers.push(HeaderName::RSeq, rseq.to_string());
        self.respond_in_turn(now, id, &response, Some(rseq));
    }

    /// A PRACK names this RSeq: what it acknowledges is not repeated any more. False: it acknowledges nothing.
    fn acknowledged(&mut self, id: u64, rseq: u32) -> bool {
        let Some(server) = self.servers.get_mut(&id) else { return false };
        let awaited = server.reliable.awaited.take_if(|(awaited, _)| *awaited == rseq).is_some();
        if awaited {
            self.stop_resending(id);
        }
        awaited
    }

    /// True when an answer waited: a refusal is sent in its place. `why` is told in `Reason` (RFC 3326).
    pub(crate) fn withdraw(&mut self, now: Time, id: u64, status: u16, why: Option<String>) -> bool {
        let held = self.servers.get_mut(&id).and_then(|server| server.reliable.held.pop_back());
        let Some(Held { response, .. }) = held else { return false };
        let mut refusal = Response::to(&response.headers, status);
        if let Some(why) = why {
            refusal.headers.push(HeaderName::Reason, why);
        }
        self.respond(now, id, &refusal);
        true
    }

    /// What waited is sent, up to the next that is to be acknowledged.
    pub(crate) fn release(&mut self, now: Time, id: u64) {
        while let Some(server) = self.servers.get_mut(&id)
            && server.reliable.awaited.is_none()
            && let Some(Held { response, rseq }) = server.reliable.held.pop_front()
        {
            self.respond_in_turn(now, id, &response, rseq);
        }
    }
}

impl Stack {
    /// PRACK: the peer has a provisional response of ours (section 3). It may bring an offer (section 5).
    pub(crate) fn receive_prack(&mut self, now: Time, place: Place, server: u64, request: &Request) {
        let invite = self.rung_by(place.leg);
        let named = rack(&request.headers).filter(|rack| rack.method.eq_ignore_ascii_case("INVITE"));
        let named = invite.zip(named).filter(|((_, number), rack)| rack.number == *number);
        let Some(((invite, _), _)) = named.filter(|((invite, _), rack)| self.net.acknowledged(*invite, rack.rseq))
        else {
            return self.respond(now, server, request, 481);
        };
        self.answer_prack(now, place, server, request);
        self.net.release(now, invite);
    }

    /// The transaction and the CSeq number of the INVITE that rings here.
    fn rung_by(&mut self, leg: LegId) -> Option<(u64, u32)> {
        let server = match &self.legs.get(&leg)?.phase {
            Phase::Incoming(incoming) => incoming.server,
            Phase::Up(session) => {
                return session.unconfirmed.as_ref().map(|unconfirmed| (unconfirmed.server, unconfirmed.cseq));
            }
            Phase::Calling(_) => return None,
        };
        Some((server, self.invite_of(leg)?.headers.cseq().ok()?.0))
    }

    fn answer_prack(&mut self, now: Time, place: Place, server: u64, request: &Request) {
        let body = match body_of(request) {
            Ok(body) => body,
            Err(status) => return self.respond(now, server, request, status),
        };
        let Some(session) = self.session(place) else { return };
        let before = session.media.agreed.clone();
        let Some(offer) = body.filter(|_| before.is_some()) else { return self.respond(now, server, request, 200) };
        match session.media.answer(&offer) {
            Ok(answer) => {
                let agreed = session.media.agreed.clone();
                let mut response = self.reply(request, 200);
                response.set_body("application/sdp", answer);
                self.net.respond(now, server, &response);
                if let Some(audio) = agreed.filter(|agreed| before.as_ref() != Some(agreed)) {
                    self.events.push_back(Event::MediaChanged { leg: place.leg, audio });
                }
            }
            Err(error) => self.respond(now, server, request, error.status()),
        }
    }

    /// A provisional response nobody acknowledged for 32 s: the call cannot be made (section 3).
    pub(crate) fn unheard(&mut self, now: Time, leg: LegId, server: u64) {
        self.net.counters.timeouts += 1;
        if self.refuse_incoming(now, leg, 504, None) {
            self.events.push_back(Event::Cancelled { leg });
        } else if let Some(server) = self.net.servers.get_mut(&server) {
            // The call was answered meanwhile: whether the peer hears of it is told by its ACK.
            server.reliable.awaited = None;
        }
        self.net.release(now, server);
    }

    /// A response to our INVITE; false: it is to be ignored, because it came before or out of its turn (section 4).
    pub(crate) fn acknowledge_provisional(&mut self, now: Time, leg: LegId, client: u64, response: &Response) -> bool {
        let required = response.headers.require().any(|token| token.eq_ignore_ascii_case(OPTION));
        let rseq = response.headers.text(HeaderName::RSeq).and_then(|text| text.trim().parse::<u32>().ok());
        let (Some(rseq), true) = (rseq, required) else { return true };
        let Some(found) = self.legs.get_mut(&leg) else { return false };
        let trunk = found.trunk;
        let Phase::Calling(calling) = &mut found.phase else { return false };
        let Some(Early { session, rseq: last, .. }) = calling.early_dialog(client, response) else { return false };
        if last.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return false;
        }
        *last = Some(rseq);
        let Ok(number) = response.headers.cseq().map(|cseq| cseq.0) else { return false };
        let mut prack = session.dialog.request(Method::Prack);
        prack.headers.push(HeaderName::RAck, format!("{rseq} {number} INVITE"));
        let dialog = session.dialog.clone();
        let flow = self.hop(&dialog);
        self.send(now, prack, flow, Owner::Nobody, trunk);
        if let Some(invite) = self.net.clients.get_mut(&client) {
            invite.pracks += 1;
        }
        true
    }
}

/// RAck: `776656 1 INVITE` (section 7.2).
struct Rack {
    rseq: u32,
    number: u32,
    method: String,
}

fn rack(headers: &Headers) -> Option<Rack> {
    let mut words = headers.text(HeaderName::RAck)?.split_ascii_whitespace();
    Some(Rack {
        rseq: words.next()?.parse().ok()?,
        number: words.next()?.parse().ok()?,
        method: words.next()?.to_owned(),
    })
}
