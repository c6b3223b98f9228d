//! What a session does with the other side's requests.

use super::{ANSWERS_MAX, Phase, Session};
use crate::peer::exchange::{Answer, Resend};
use crate::peer::outcome::EndedBy;
use crate::peer::wire::{Message, Out, Start, param, response};
use busyhour_model::{Direction, Time};
use rsip::{Header, Method};
use std::net::SocketAddr;

impl Session {
    pub(super) fn handle_request(&mut self, now: Time, from: SocketAddr, method: Method, message: &Message) {
        let known = self.answers.iter().find(|a| a.method == method && a.branch == message.branch());
        if let Some(answer) = known {
            return self.out.push_back(answer.resend.out());
        }
        if method == Method::Ack {
            return self.handle_ack(now, message);
        }
        if method == Method::Cancel {
            return self.handle_cancel(now, from, message);
        }
        if param(&message.to, "tag") != param(&self.local, "tag")
            || param(&message.from, "tag") != param(&self.remote, "tag")
        {
            self.outcome.complain(format!("{method} with tags of another dialog"));
            return self.respond(now, from, message, 481, String::new());
        }
        if message.cseq <= self.remote_cseq {
            return self.respond(now, from, message, 500, String::new());
        }
        self.remote_cseq = message.cseq;
        match method {
            Method::Bye => self.handle_bye(now, from, message),
            _ if self.phase == Phase::Done || self.phase == Phase::Closing => {
                self.respond(now, from, message, 481, String::new())
            }
            Method::Invite | Method::Update => self.handle_offer(now, from, message),
            Method::Refer if self.phase == Phase::Confirmed => self.handle_refer(now, from, message),
            Method::Notify => {
                self.respond(now, from, message, 200, String::new());
                let status = message.body.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<u16>().ok());
                let status = status.filter(|_| self.outcome.transfers.len() < ANSWERS_MAX);
                self.outcome.transfers.extend(status);
            }
            Method::Info | Method::Options | Method::Message => self.respond(now, from, message, 200, String::new()),
            _ => {
                self.outcome.complain(format!("{method} within a dialog"));
                self.respond(now, from, message, 405, String::new());
            }
        }
    }

    /// REFER: some numbers answer, some are busy, and some carriers cannot (RFC 3515).
    fn handle_refer(&mut self, now: Time, from: SocketAddr, message: &Message) {
        let status = match self.me.user.bytes().last().unwrap_or_default() % 3 {
            0 => return self.respond(now, from, message, 405, String::new()),
            1 => 200,
            _ => 486,
        };
        self.respond(now, from, message, 202, String::new());
        let headers =
            vec![Header::Event("refer".into()), Header::SubscriptionState("terminated;reason=noresource".into())];
        self.send(now, Method::Notify, headers, format!("SIP/2.0 {status} Told"));
    }

    fn handle_ack(&mut self, now: Time, message: &Message) {
        let Some(answer) = self.answers.iter_mut().find(|a| a.method == Method::Invite && a.cseq == message.cseq)
        else {
            return;
        };
        let status = answer.status;
        answer.resend.stop();
        if self.phase == Phase::Closing && status >= 300 {
            return self.finish(now, true);
        }
        if !message.body.is_empty() && !self.stream.agreed() {
            let taken = self.stream.accept(&message.body);
            let _ = taken.map_err(|why| self.outcome.complain(why));
        }
        if self.phase == Phase::Answered {
            self.phase = Phase::Confirmed;
            if self.hang_up_due {
                self.hang_up(now);
            }
        }
    }

    fn handle_cancel(&mut self, now: Time, from: SocketAddr, message: &Message) {
        let ours = self.invite.as_ref().is_some_and(|i| i.branch() == message.branch());
        self.respond(now, from, message, if ours { 200 } else { 481 }, String::new());
        if ours {
            self.refuse(now, 487);
        }
    }

    fn handle_bye(&mut self, now: Time, from: SocketAddr, message: &Message) {
        self.respond(now, from, message, 200, String::new());
        match self.phase {
            Phase::Answered | Phase::Confirmed => {
                self.answers.iter_mut().for_each(|a| a.resend.stop());
                self.outcome.ended_by = Some(EndedBy::Them);
                self.finish(now, true);
            }
            Phase::Ringing => self.refuse(now, 487),
            Phase::Calling => self.outcome.complain("BYE before our INVITE was answered"),
            Phase::Closing | Phase::Done => {}
        }
    }

    /// Their re-INVITE or UPDATE.
    fn handle_offer(&mut self, now: Time, from: SocketAddr, message: &Message) {
        if self.pending.iter().any(|p| p.method == Method::Invite) {
            return self.respond(now, from, message, 491, String::new());
        }
        let refused = !message.body.is_empty() && self.stream.accept(&message.body).is_err();
        if refused {
            self.outcome.complain("re-INVITE without a codec of ours");
            return self.respond(now, from, message, 488, String::new());
        }
        let offerless = message.body.is_empty();
        let sdp = match (offerless, message.is(Method::Update)) {
            (true, true) => String::new(),
            (true, false) => self.stream.offer(Direction::SendRecv),
            (false, _) => self.stream.answer(),
        };
        if let Some(contact) = &message.contact {
            self.target.clone_from(contact);
        }
        self.respond(now, from, message, 200, sdp);
    }

    pub(super) fn respond(&mut self, now: Time, from: SocketAddr, message: &Message, status: u16, body: String) {
        let Start::Request(method) = message.start else { return };
        let tag = param(&self.local, "tag").unwrap_or_default();
        let mut extra = self.me.marks(Method::Options);
        extra.extend((method == Method::Invite && status != 100).then(|| self.contact()));
        let bytes = response(message, status, tag, extra, body);
        self.out.push_back(Out::Sip { to: from, bytes: bytes.clone() });
        let final_invite = method == Method::Invite && status >= 200;
        let resend = if final_invite { Resend::new(now, from, bytes, true) } else { Resend::once(from, bytes) };
        self.answers.retain(|a| a.method != method || a.branch != message.branch());
        if self.answers.len() >= ANSWERS_MAX {
            self.answers.remove(0);
        }
        self.answers.push(Answer { branch: message.branch().to_owned(), method, cseq: message.cseq, status, resend });
    }
}
