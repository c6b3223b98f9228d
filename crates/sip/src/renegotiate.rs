//! Hanging up and our own re-INVITEs (RFC 3261 sections 14.1 and 15.1.1).

use crate::client::{Outcome, Owner};
use crate::error::Error;
use crate::event::Event;
use crate::expiry::Expiry;
use crate::leg::{GLARES_MAX, Pending, Phase, Session};
use crate::reply::SUPPORTED;
use crate::stack::Stack;
use crate::transaction::Alarm;
use crate::{HeaderName, Method, Response, sdp};
use busyhour_model::{Direction, LegId, Time};
use bytes::Bytes;
use std::time::Duration;

/// ITU-T Q.850: somebody else was given the call.
pub const NOT_SELECTED: u8 = 26;
/// Final status of an unanswered call that the switch hangs up.
const DECLINE: u16 = 603;

impl Stack {
    /// Ends a leg in whatever state it is; no event names it again.
    pub fn hang_up(&mut self, now: Time, leg: LegId) -> Result<(), Error> {
        let found = self.legs.get_mut(&leg).filter(|leg| !leg.gone).ok_or(Error::UnknownLeg)?;
        match &found.phase {
            Phase::Incoming(_) => {
                self.refuse_incoming(now, leg, DECLINE, None);
            }
            Phase::Calling(_) => {
                if let Some(Phase::Calling(calling)) = self.remove(leg) {
                    self.drop_forks(now, &calling, None);
                }
            }
            Phase::Up(session) => match session.unconfirmed.as_ref().filter(|unconfirmed| unconfirmed.first) {
                Some(answer) if self.net.withdraw(now, answer.server, DECLINE, session.dialog.why()) => {
                    self.remove(leg);
                }
                // The callee may not hang up before the ACK (section 15).
                Some(_) => found.gone = true,
                None => self.bye(now, leg),
            },
        }
        Ok(())
    }

    /// Why the leg will be hung up, cancelled or refused, by ITU-T Q.850; told in `Reason` (RFC 3326).
    pub fn give_reason(&mut self, leg: LegId, cause: u8) {
        match self.legs.get_mut(&leg).map(|leg| &mut leg.phase) {
            Some(Phase::Incoming(incoming)) => incoming.session.dialog.cause = Some(cause),
            Some(Phase::Up(session)) => session.dialog.cause = Some(cause),
            Some(Phase::Calling(calling)) => {
                calling.forks.iter_mut().for_each(|fork| fork.dialog.cause = Some(cause));
            }
            None => {}
        }
    }

    /// Sends BYE; the leg is gone.
    pub(crate) fn bye(&mut self, now: Time, leg: LegId) {
        let trunk = self.legs.get(&leg).and_then(|leg| leg.trunk);
        if let Some(Phase::Up(mut session)) = self.remove(leg) {
            if let Some(unconfirmed) = &session.unconfirmed {
                self.net.stop_resending(unconfirmed.server);
            }
            self.send_bye(now, &mut session.dialog, trunk);
        }
    }

    /// Offers anew, to hold or resume: `MediaChanged` or `OfferRefused` follows. A glare (491) is tried again by itself.
    pub fn reinvite(&mut self, now: Time, leg: LegId, direction: Direction) -> Result<(), Error> {
        let session = self.up(leg).ok_or(Error::UnknownLeg)?;
        if session.unconfirmed.is_some() || session.pending.is_some() {
            return Err(Error::WrongState);
        }
        session.pending = Some(Pending { direction, offer: Bytes::new(), client: None, timer: None, glares: 0 });
        self.send_reinvite(now, leg);
        Ok(())
    }

    fn up(&mut self, leg: LegId) -> Option<&mut Session> {
        match &mut self.legs.get_mut(&leg).filter(|leg| !leg.gone)?.phase {
            Phase::Up(session) => Some(session),
            Phase::Incoming(_) | Phase::Calling(_) => None,
        }
    }

    fn send_reinvite(&mut self, now: Time, leg: LegId) {
        let usual = self.config.limits.session_expires;
        let trunk = self.legs.get(&leg).and_then(|leg| leg.trunk);
        let Some(session) = self.up(leg) else { return };
        let Some(pending) = &mut session.pending else { return };
        let offer = session.media.offer(pending.direction);
        pending.offer = offer.clone();
        pending.timer = None;
        let mut request = session.dialog.request(Method::Invite);
        let dialog = session.dialog.clone();
        let every = session.expiry.as_ref().map_or(usual, Expiry::every);
        request.headers.push(HeaderName::Supported, SUPPORTED);
        self.ask_expiry(&mut request.headers, every, dialog.min_se, None);
        request.set_body("application/sdp", offer);
        let flow = self.hop(&dialog);
        let client = self.send(now, request, flow, Owner::Reinvite(leg), trunk);
        if let Some(pending) = self.up(leg).and_then(|session| session.pending.as_mut()) {
            pending.client = Some(client);
        }
    }

    /// After a 491, when its time has come.
    pub(crate) fn retry_reinvite(&mut self, now: Time, leg: LegId) {
        let busy = self.up(leg).is_some_and(|session| session.unconfirmed.is_some());
        if busy { self.wait_out_glare(now, leg) } else { self.send_reinvite(now, leg) }
    }

    /// A re-INVITE was sent again with credentials.
    pub(crate) fn rename_reinvite(&mut self, leg: LegId, new: u64) {
        if let Some(pending) = self.up(leg).and_then(|session| session.pending.as_mut()) {
            pending.client = Some(new);
        }
    }

    pub(crate) fn settle_reinvite(&mut self, now: Time, leg: LegId, outcome: Outcome) {
        let awaited =
            self.up(leg).and_then(|session| session.pending.as_ref()).is_some_and(|it| it.client == Some(outcome.id));
        match outcome.result {
            Ok(response) if response.status < 200 => {}
            Ok(response) if response.status < 300 => {
                self.reinvite_accepted(leg, outcome.id, &response, awaited);
                if awaited {
                    self.adopt_expiry(now, leg, &response);
                }
            }
            _ if !awaited => {}
            Ok(response) if response.status == 491 => self.wait_out_glare(now, leg),
            Ok(response) if response.status == 422 && self.lengthen(leg, &response) => self.wait_out_glare(now, leg),
            Ok(response) if !matches!(response.status, 408 | 481) => self.reinvite_refused(now, leg, response.status),
            // The peer knows nothing of the dialog any more (section 12.2.1.2).
            Ok(_) | Err(_) => {
                self.bye(now, leg);
                self.events.push_back(Event::Ended { leg, by_peer: false });
            }
        }
    }

    fn reinvite_accepted(&mut self, leg: LegId, id: u64, response: &Response, awaited: bool) {
        let Some((flow, request)) = self.net.clients.get(&id).and_then(|client| Some((client.flow, client.request()?)))
        else {
            return;
        };
        let Ok((number, _)) = request.headers.cseq() else { return };
        let Some(session) = self.up(leg).filter(|_| awaited) else {
            // Hung up meanwhile: the BYE is out, only the ACK is owed.
            if let Some(dialog) = crate::dialog::Dialog::calling(&request, flow, false) {
                self.acknowledge(id, &dialog, number);
            }
            return;
        };
        session.dialog.refresh(&response.headers);
        let Some(pending) = session.pending.take() else { return };
        let answer = sdp::find(response.headers.first(crate::HeaderName::ContentType), &response.body);
        let accepted = answer.map(|answer| session.media.accept(&pending.offer, &answer));
        let dialog = session.dialog.clone();
        match accepted {
            Some(Ok(audio)) => {
                session.media.wanted = pending.direction;
                self.events.push_back(Event::MediaChanged { leg, audio });
            }
            _ => self.events.push_back(Event::OfferRefused { leg, status: 488 }),
        }
        self.acknowledge(id, &dialog, number);
    }

    fn reinvite_refused(&mut self, now: Time, leg: LegId, status: u16) {
        if let Some(session) = self.up(leg) {
            session.pending = None;
            self.refresh_later(now, leg);
            self.events.push_back(Event::OfferRefused { leg, status });
        }
    }

    /// Section 14.1: who owns the Call-ID waits longer.
    fn wait_out_glare(&mut self, now: Time, leg: LegId) {
        let (long, short) = (210 + self.net.random.below(191), self.net.random.below(201));
        let Some(session) = self.up(leg) else { return };
        let caller = session.dialog.caller;
        let Some(pending) = &mut session.pending else { return };
        pending.glares += 1;
        pending.client = None;
        if pending.glares > GLARES_MAX {
            return self.reinvite_refused(now, leg, 491);
        }
        let wait = Duration::from_millis(10 * if caller { long } else { short });
        let timer = self.net.timers.set(now + wait, Alarm::Reinvite(leg));
        if let Some(pending) = self.up(leg).and_then(|session| session.pending.as_mut()) {
            pending.timer = Some(timer);
        }
    }
}
