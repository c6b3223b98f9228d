//! A phone's registration: REGISTER, its challenge, its refreshes and its end (RFC 3261 section 10.2).

use super::digest::Challenge;
use super::exchange::Pending;
use super::session::Identity;
use super::wire::{Message, Out, Start, request};
use busyhour_model::Seed;
use busyhour_model::Time;
use rsip::{Header, Method};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// A refused or unanswered REGISTER is tried again after so long.
const RETRY: Duration = Duration::from_secs(5);
/// Challenges answered in a row before the password is taken to be wrong.
const CHALLENGES_MAX: u8 = 2;

#[derive(Clone, Debug)]
pub(super) struct Registration {
    me: Identity,
    registrar: SocketAddr,
    expires: u32,
    pub(super) call_id: String,
    tag: String,
    cseq: u32,
    wanted: bool,
    challenge: Option<Challenge>,
    challenged: u8,
    pending: Option<Pending>,
    again: Option<Time>,
    seed: Seed,
    /// The registrar's last word: 200 with `expires` above 0.
    pub(super) registered: bool,
    /// Last final status; 0 before the first.
    pub(super) status: u16,
}

impl Registration {
    pub(super) fn new(me: Identity, registrar: SocketAddr, expires: Duration, mut seed: Seed) -> Registration {
        Registration {
            call_id: format!("{}@{}", seed.token(), me.sip.ip()),
            tag: seed.token(),
            me,
            registrar,
            expires: expires.as_secs() as u32,
            cseq: 0,
            wanted: true,
            challenge: None,
            challenged: 0,
            pending: None,
            again: None,
            seed,
            registered: false,
            status: 0,
        }
    }

    /// Registers, or with `wanted` false removes the binding.
    pub(super) fn register(&mut self, now: Time, wanted: bool, out: &mut VecDeque<Out>) {
        self.wanted = wanted;
        self.again = None;
        self.cseq += 1;
        let uri = format!("sip:{}", self.me.domain);
        let branch = format!("z9hG4bK{}", self.seed.token());
        let (sip, user, domain) = (self.me.sip, &self.me.user, &self.me.domain);
        let expires = if wanted { self.expires } else { 0 };
        let mut headers = vec![
            Header::Via(format!("SIP/2.0/UDP {sip};rport;branch={branch}").into()),
            Header::MaxForwards("70".into()),
            Header::From(format!("<sip:{user}@{domain}>;tag={}", self.tag).into()),
            Header::To(format!("<sip:{user}@{domain}>").into()),
            Header::CallId(self.call_id.as_str().into()),
            Header::CSeq(format!("{} REGISTER", self.cseq).into()),
            Header::Contact(format!("<sip:{user}@{sip}>;expires={expires}").into()),
        ];
        if let (Some(challenge), Some(password)) = (&mut self.challenge, &self.me.password) {
            headers.push(Header::Authorization(challenge.answer(user, password, "REGISTER", &uri).into()));
        }
        let Some(bytes) = request(Method::Register, &uri, headers, String::new()) else { return };
        out.push_back(Out::Sip { to: self.registrar, bytes: bytes.clone() });
        self.pending = Some(Pending::new(now, Method::Register, branch, self.cseq, uri, self.registrar, bytes));
    }

    pub(super) fn handle(&mut self, now: Time, message: &Message, out: &mut VecDeque<Out>) {
        let Start::Response(status) = message.start else { return };
        let Some(pending) = self.pending.as_mut().filter(|p| p.branch == message.branch()) else { return };
        if status < 200 {
            return pending.proceed(now);
        }
        self.pending = None;
        self.status = status;
        match status {
            200 => {
                self.challenged = 0;
                self.registered = self.wanted;
                let granted = u64::from(message.expires.unwrap_or(self.expires));
                self.again = self.wanted.then(|| now + Duration::from_secs(granted.div_ceil(2).max(1)));
            }
            401 | 407 if self.challenged < CHALLENGES_MAX && Challenge::choose(&message.challenges).is_some() => {
                self.challenged += 1;
                self.challenge = Challenge::choose(&message.challenges);
                self.register(now, self.wanted, out);
            }
            _ => self.fail(now),
        }
    }

    fn fail(&mut self, now: Time) {
        self.registered = false;
        self.challenge = None;
        self.challenged = 0;
        self.again = Some(now + RETRY);
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.pending.as_ref().and_then(|p| p.resend.poll_timeout()).into_iter().chain(self.again).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Time, out: &mut VecDeque<Out>) {
        match self.pending.as_mut().map(|p| p.resend.handle_timeout(now)) {
            Some(Ok(again)) => out.extend(again),
            Some(Err(())) => {
                self.pending = None;
                self.fail(now);
            }
            None => {}
        }
        if self.again.is_some_and(|at| at <= now) && self.pending.is_none() {
            self.register(now, self.wanted, out);
        }
    }
}
