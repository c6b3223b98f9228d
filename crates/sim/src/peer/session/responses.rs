//! What a session does with the answers to its own requests.

use super::{Phase, Session};
use crate::peer::digest::Challenge;
use crate::peer::exchange::{Pending, Resend};
use crate::peer::wire::{Message, request};
use busyhour_model::{Direction, Time};
use rsip::Method;
use std::time::Duration;

impl Session {
    pub(super) fn handle_response(&mut self, now: Time, status: u16, message: &Message) {
        let matching = |p: &Pending| p.branch == message.branch() && p.method.to_string() == message.cseq_method;
        let Some(at) = self.pending.iter().position(matching) else {
            let again = self
                .ack
                .as_ref()
                .filter(|(cseq, _)| *cseq == message.cseq && message.cseq_method == "INVITE" && status >= 200);
            return self.out.extend(again.map(|(_, ack)| ack.out()));
        };
        if status < 200 {
            self.pending[at].proceed(now);
            return self.handle_provisional(now, status, message);
        }
        let request = self.pending.remove(at);
        match request.method {
            Method::Invite if self.phase == Phase::Calling => self.handle_final(now, status, message, &request),
            Method::Invite => self.handle_reinvited(now, status, message, &request),
            Method::Bye => {
                if status != 200 && status != 481 {
                    self.outcome.complain(format!("BYE was answered with {status}"));
                }
                self.finish(now, true);
            }
            Method::Cancel => {}
            other if status >= 300 => self.outcome.complain(format!("{other} was answered with {status}")),
            _ => {}
        }
    }

    fn handle_provisional(&mut self, now: Time, status: u16, message: &Message) {
        if message.cseq_method != "INVITE" || self.phase != Phase::Calling {
            return;
        }
        let after = now.since(self.outcome.started);
        if status == 100 {
            self.outcome.trying.get_or_insert(after);
        } else {
            self.outcome.ringing.get_or_insert(after);
            self.remote.clone_from(&message.to);
            if !message.body.is_empty() {
                let taken = self.stream.accept(&message.body);
                let _ = taken.map_err(|why| self.outcome.complain(why));
            }
        }
        if self.cancelled {
            self.cancel(now);
        }
    }

    /// The final response to our first INVITE.
    fn handle_final(&mut self, now: Time, status: u16, message: &Message, invite: &Pending) {
        if status < 300 {
            self.remote.clone_from(&message.to);
            self.target = message.contact.clone().unwrap_or_default();
            self.routes = message.routes.iter().rev().cloned().collect();
            self.outcome.status = status;
            self.outcome.answered = Some(now.since(self.outcome.started));
            self.phase = Phase::Confirmed;
            self.acknowledge(invite, message, true);
            if let Err(why) = self.stream.accept(&message.body) {
                self.outcome.complain(why);
                self.cancelled = true;
            }
            self.stream.start(now);
            if self.cancelled {
                self.hang_up(now);
            }
            return;
        }
        self.acknowledge(invite, message, false);
        let first = self.challenge.is_none();
        if (status == 401 || status == 407) && first && self.me.password.is_some() {
            self.challenge = Challenge::choose(&message.challenges);
            if self.challenge.is_some() {
                return self.invite_with(now, Direction::SendRecv);
            }
        }
        self.outcome.status = status;
        self.finish(now, true);
    }

    /// The final response to a re-INVITE of ours.
    fn handle_reinvited(&mut self, now: Time, status: u16, message: &Message, invite: &Pending) {
        self.acknowledge(invite, message, status < 300);
        match status {
            200..300 => {
                let taken = self.stream.accept(&message.body);
                let _ = taken.map_err(|why| self.outcome.complain(why));
            }
            // Section 14.1: between 2.1 and 4 s later, for the owner of the Call-ID; up to 2 s for the other.
            491 => {
                let range = if self.invite.is_none() { (2100, 4000) } else { (10, 2000) };
                let span = self.seed.between(Duration::from_millis(range.0), Duration::from_millis(range.1));
                self.again = Some((now + span, self.stream.direction()));
            }
            _ if self.phase == Phase::Confirmed => {
                self.outcome.complain(format!("re-INVITE was answered with {status}"))
            }
            _ => {}
        }
    }

    /// ACK: a request of its own after a 2xx (section 13.2.2.4), part of the INVITE otherwise (17.1.1.3).
    fn acknowledge(&mut self, invite: &Pending, message: &Message, success: bool) {
        let branch = if success { format!("z9hG4bK{}", self.seed.token()) } else { invite.branch.clone() };
        let uri = if success { &self.target } else { &invite.uri };
        let headers = self.headers(Method::Ack, &branch, invite.cseq, message.to.clone());
        let Some(bytes) = request(Method::Ack, uri, headers, String::new()) else {
            return self.outcome.complain(format!("cannot send ACK to {uri}"));
        };
        let to = if success { self.next_hop() } else { invite.resend.to };
        let ack = Resend::once(to, bytes);
        self.out.push_back(ack.out());
        self.ack = Some((invite.cseq, ack));
    }
}
