//! One INVITE session with its audio, from either end (RFC 3261 sections 9, 12 to 15).

mod requests;
mod responses;

use super::digest::Challenge;
use super::exchange::{Answer, Pending, Resend};
use super::outcome::{EndedBy, Outcome};
use super::stream::Stream;
use super::wire::{Message, Out, Start, address, param, request};
use busyhour_model::Seed;
use busyhour_model::{Direction, Time};
use rsip::{Header, Method};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Answers kept for retransmissions of what they answer.
const ANSWERS_MAX: usize = 8;

/// Whose session it is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// Where its SIP comes from.
    pub(super) sip: SocketAddr,
    /// User part.
    pub(super) user: String,
    /// It is to be shown to nobody.
    pub(super) withheld: bool,
    /// Host part of its address of record.
    pub(super) domain: String,
    /// Digest password, if it may be challenged.
    pub(super) password: Option<String>,
}

impl Identity {
    /// What is said of itself, and is of no interest to the other side of a call.
    pub(super) fn marks(&self, method: Method) -> Vec<Header> {
        let ip = self.sip.ip();
        let mut marks = vec![
            Header::UserAgent(format!("peer at {ip}").into()),
            Header::Organization(ip.to_string().into()),
            Header::Warning(format!("399 {ip} \"peer\"").into()),
        ];
        match method {
            Method::Invite if self.withheld => marks.push(Header::Other("Privacy".into(), "id".into())),
            Method::Bye => marks.push(Header::Other("Reason".into(), format!("Q.850;cause=16;text=\"{ip}\""))),
            _ => {}
        }
        marks
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Our INVITE is on its way.
    Calling,
    /// Their INVITE rings.
    Ringing,
    /// Our 200 waits for its ACK.
    Answered,
    /// Both sides know that they talk.
    Confirmed,
    /// Our BYE, or our refusal, waits to be confirmed.
    Closing,
    /// Over; retransmissions are still answered.
    Done,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    me: Identity,
    /// Where the other side's first word came from, or ours goes.
    peer: SocketAddr,
    pub(super) call_id: String,
    local: String,
    remote: String,
    /// To of the first INVITE, as CANCEL must repeat it (section 9.1).
    dialled: String,
    target: String,
    routes: Vec<String>,
    cseq: u32,
    remote_cseq: u32,
    phase: Phase,
    invite: Option<Message>,
    /// What our INVITE takes the place of.
    replaces: Option<String>,
    cancelled: bool,
    hang_up_due: bool,
    pending: Vec<Pending>,
    answers: Vec<Answer>,
    ack: Option<(u32, Resend)>,
    challenge: Option<Challenge>,
    /// A re-INVITE that met another one (491) and when it is tried again.
    again: Option<(Time, Direction)>,
    seed: Seed,
    pub(super) stream: Stream,
    pub(super) outcome: Outcome,
    pub(super) out: VecDeque<Out>,
}

impl Session {
    fn new(now: Time, me: Identity, peer: SocketAddr, stream: Stream, mut seed: Seed) -> Session {
        let local = format!("<sip:{}@{}>;tag={}", me.user, me.domain, seed.token());
        Session {
            peer,
            call_id: format!("{}@{}", seed.token(), me.sip.ip()),
            local,
            remote: String::new(),
            dialled: String::new(),
            target: String::new(),
            routes: Vec::new(),
            cseq: 0,
            remote_cseq: 0,
            phase: Phase::Calling,
            invite: None,
            replaces: None,
            cancelled: false,
            hang_up_due: false,
            pending: Vec::new(),
            answers: Vec::new(),
            ack: None,
            challenge: None,
            again: None,
            seed,
            stream,
            outcome: Outcome { started: now, ..Outcome::default() },
            out: VecDeque::new(),
            me,
        }
    }

    /// Dials `uri` by way of `peer`, perhaps to take the place of another dialog.
    pub(super) fn call(
        now: Time,
        me: Identity,
        uri: &str,
        peer: SocketAddr,
        stream: Stream,
        seed: Seed,
        replaces: Option<String>,
    ) -> Session {
        let mut session = Session::new(now, me, peer, stream, seed);
        session.outcome.call_id.clone_from(&session.call_id);
        session.dialled = format!("<{uri}>");
        session.remote.clone_from(&session.dialled);
        uri.clone_into(&mut session.target);
        session.replaces = replaces;
        session.invite_with(now, Direction::SendRecv);
        session
    }

    /// Takes an INVITE and says 100; then `ring`, `answer` or `refuse`.
    pub(super) fn take(
        now: Time,
        me: Identity,
        from: SocketAddr,
        invite: Message,
        stream: Stream,
        seed: Seed,
    ) -> Session {
        let mut session = Session::new(now, me, from, stream, seed);
        session.phase = Phase::Ringing;
        session.call_id.clone_from(&invite.call_id);
        session.outcome.call_id.clone_from(&invite.call_id);
        let tag = param(&session.local, "tag").unwrap_or_default();
        session.local = format!("{};tag={tag}", invite.to);
        session.remote.clone_from(&invite.from);
        session.target = invite.contact.clone().unwrap_or_default();
        session.routes.clone_from(&invite.routes);
        session.remote_cseq = invite.cseq;
        session.complain_about(&invite);
        session.respond(now, from, &invite, 100, String::new());
        if !invite.body.is_empty()
            && let Err(why) = session.stream.accept(&invite.body)
        {
            session.outcome.complain(why);
        }
        session.outcome.trying = Some(Duration::ZERO);
        session.invite = Some(invite);
        session
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Says 180.
    pub(super) fn ring(&mut self, now: Time) {
        if let (Phase::Ringing, Some(invite)) = (self.phase, self.invite.clone()) {
            self.outcome.ringing = Some(now.since(self.outcome.started));
            self.respond(now, self.peer, &invite, 180, String::new());
        }
    }

    /// Says 200 and begins to talk.
    pub(super) fn answer(&mut self, now: Time) {
        let (Phase::Ringing, Some(invite)) = (self.phase, self.invite.clone()) else { return };
        if !invite.body.is_empty() && !self.stream.agreed() {
            return self.refuse(now, 488);
        }
        let sdp = self.stream.answer();
        self.respond(now, self.peer, &invite, 200, sdp);
        self.outcome.answered = Some(now.since(self.outcome.started));
        self.outcome.status = 200;
        self.phase = Phase::Answered;
        self.stream.start(now);
    }

    /// Turns the ringing call down.
    pub(super) fn refuse(&mut self, now: Time, status: u16) {
        if let (Phase::Ringing, Some(invite)) = (self.phase, self.invite.clone()) {
            self.respond(now, self.peer, &invite, status, String::new());
            self.outcome.status = status;
            self.phase = Phase::Closing;
        }
    }

    /// Ends the session as its phase allows: CANCEL, 480 or BYE (after the ACK: section 15).
    pub(super) fn hang_up(&mut self, now: Time) {
        match self.phase {
            Phase::Calling => {
                self.cancelled = true;
                self.cancel(now);
            }
            Phase::Ringing => self.refuse(now, 480),
            Phase::Answered => self.hang_up_due = true,
            Phase::Confirmed => {
                self.stream.stop();
                self.phase = Phase::Closing;
                self.outcome.ended_by = Some(EndedBy::Us);
                self.send(now, Method::Bye, Vec::new(), String::new());
            }
            Phase::Closing | Phase::Done => {}
        }
    }

    /// Re-INVITEs the other side on hold (`sendonly`) or back.
    pub(super) fn hold(&mut self, now: Time, on: bool) {
        if self.phase == Phase::Confirmed {
            self.invite_with(now, if on { Direction::SendOnly } else { Direction::SendRecv });
        }
    }

    /// Asks for the other side to be passed on to `target`, a URI without brackets (RFC 3515).
    pub(super) fn refer(&mut self, now: Time, target: &str) {
        if self.phase == Phase::Confirmed {
            let headers = vec![Header::Other("Refer-To".into(), format!("<{target}>")), self.contact()];
            self.send(now, Method::Refer, headers, String::new());
        }
    }

    /// Its dialog as Replaces names it (RFC 3891): the other side's tag first.
    pub(super) fn named(&self) -> String {
        let tag = |of: &str| param(of, "tag").unwrap_or_default().to_owned();
        format!("{};to-tag={};from-tag={}", self.call_id, tag(&self.remote), tag(&self.local))
    }

    /// Presses a key by INFO with `application/dtmf-relay`.
    pub(super) fn press_info(&mut self, now: Time, key: char) {
        if self.phase == Phase::Confirmed {
            self.send(now, Method::Info, Vec::new(), format!("Signal={key}\r\nDuration=160\r\n"));
        }
    }

    fn invite_with(&mut self, now: Time, direction: Direction) {
        let sdp = self.stream.offer(direction);
        let mut extra = self.authorization("INVITE");
        extra.extend(self.replaces.clone().map(|dialog| Header::Other("Replaces".into(), dialog)));
        self.send(now, Method::Invite, extra, sdp);
    }

    fn authorization(&mut self, method: &str) -> Vec<Header> {
        let (Some(challenge), Some(password)) = (&mut self.challenge, &self.me.password) else { return Vec::new() };
        let answer = challenge.answer(&self.me.user, password, method, &self.target);
        vec![Header::Authorization(answer.as_str().into()), Header::ProxyAuthorization(answer.into())]
    }

    /// CANCEL waits for a provisional response (section 9.1).
    fn cancel(&mut self, now: Time) {
        let Some(invite) = self.pending.iter_mut().find(|p| p.method == Method::Invite) else { return };
        if !invite.proceeding || self.pending.iter().any(|p| p.method == Method::Cancel) {
            return;
        }
        let Some(invite) = self.pending.iter_mut().find(|p| p.method == Method::Invite) else { return };
        invite.expire(now);
        let (branch, cseq, uri) = (invite.branch.clone(), invite.cseq, invite.uri.clone());
        let headers = self.headers(Method::Cancel, &branch, cseq, self.dialled.clone());
        self.launch(now, Method::Cancel, branch, cseq, uri, headers, String::new());
    }

    fn send(&mut self, now: Time, method: Method, extra: Vec<Header>, body: String) {
        self.cseq += 1;
        let branch = format!("z9hG4bK{}", self.seed.token());
        let mut headers = self.headers(method, &branch, self.cseq, self.remote.clone());
        headers.extend(self.me.marks(method).into_iter().chain(extra));
        self.launch(now, method, branch, self.cseq, self.target.clone(), headers, body);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a request line and its transaction")]
    fn launch(
        &mut self,
        now: Time,
        method: Method,
        branch: String,
        cseq: u32,
        uri: String,
        headers: Vec<Header>,
        body: String,
    ) {
        let Some(bytes) = request(method, &uri, headers, body) else {
            return self.outcome.complain(format!("cannot send {method} to {uri}"));
        };
        let to = self.next_hop();
        self.out.push_back(Out::Sip { to, bytes: bytes.clone() });
        self.pending.push(Pending::new(now, method, branch, cseq, uri, to, bytes));
    }

    fn next_hop(&self) -> SocketAddr {
        let uri = self.routes.first().map_or(self.target.as_str(), |route| super::wire::bare_uri(route));
        if self.phase == Phase::Calling { self.peer } else { address(uri).unwrap_or(self.peer) }
    }

    fn headers(&self, method: Method, branch: &str, cseq: u32, to: String) -> Vec<Header> {
        let mut headers = vec![Header::Via(format!("SIP/2.0/UDP {};rport;branch={branch}", self.me.sip).into())];
        headers.extend(self.routes.iter().map(|route| Header::Route(route.as_str().into())));
        headers.extend([
            Header::MaxForwards("70".into()),
            Header::From(self.local.as_str().into()),
            Header::To(to.into()),
            Header::CallId(self.call_id.as_str().into()),
            Header::CSeq(format!("{cseq} {method}").into()),
        ]);
        if method == Method::Invite {
            headers.push(self.contact());
            headers.push(Header::Allow("INVITE, ACK, BYE, CANCEL, INFO, OPTIONS, UPDATE".into()));
        }
        headers
    }

    fn contact(&self) -> Header {
        Header::Contact(format!("<sip:{}@{}>", self.me.user, self.me.sip).into())
    }

    fn complain_about(&mut self, message: &Message) {
        for fault in &message.faults {
            self.outcome.complain(format!("{:?} for {}: {fault}", message.start, message.cseq_method));
        }
    }

    /// A message of this session.
    pub(super) fn handle(&mut self, now: Time, from: SocketAddr, message: &Message) {
        self.complain_about(message);
        match message.start {
            Start::Request(method) => self.handle_request(now, from, method, message),
            Start::Response(status) => self.handle_response(now, status, message),
        }
    }

    fn finish(&mut self, now: Time, clean: bool) {
        if self.phase != Phase::Done {
            self.stream.stop();
            self.phase = Phase::Done;
            self.outcome.clean = clean;
            self.outcome.ended = Some(now);
            self.pending.retain(|p| p.method != Method::Invite);
        }
    }

    /// What was experienced so far.
    pub(super) fn outcome(&self) -> Outcome {
        Outcome { heard: self.stream.heard().clone(), sent: self.stream.sent, ..self.outcome.clone() }
    }

    pub(super) fn handle_rtp(&mut self, now: Time, bytes: &[u8]) {
        if self.phase != Phase::Done
            && let Err(why) = self.stream.handle_rtp(now, bytes)
        {
            self.outcome.complain(why);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let requests = self.pending.iter().filter_map(|p| p.resend.poll_timeout());
        let answers = self.answers.iter().filter_map(|a| a.resend.poll_timeout());
        requests.chain(answers).chain(self.stream.poll_timeout()).chain(self.again.as_ref().map(|a| a.0)).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.stream.handle_timeout(now, &mut self.out);
        if let Some((_, direction)) = self.again.take_if(|(at, _)| *at <= now)
            && self.phase == Phase::Confirmed
        {
            self.invite_with(now, direction);
        }
        let mut given_up = Vec::new();
        self.pending.retain_mut(|p| match p.resend.handle_timeout(now) {
            Ok(out) => {
                self.out.extend(out);
                true
            }
            Err(()) => {
                given_up.push(p.method);
                false
            }
        });
        for method in given_up {
            self.request_given_up(now, method);
        }
        let mut unacknowledged = None;
        for answer in &mut self.answers {
            match answer.resend.handle_timeout(now) {
                Ok(out) => self.out.extend(out),
                Err(()) => unacknowledged = Some(answer.status),
            }
        }
        if let Some(status) = unacknowledged {
            self.answer_given_up(now, status);
        }
    }

    fn request_given_up(&mut self, now: Time, method: Method) {
        self.outcome.complain(format!("no answer to {method}"));
        match (method, self.phase) {
            (Method::Invite, Phase::Calling) => {
                self.outcome.status = 408;
                self.finish(now, false);
            }
            (Method::Bye, _) => self.finish(now, false),
            (Method::Invite, _) => self.hang_up(now),
            _ => {}
        }
    }

    fn answer_given_up(&mut self, now: Time, status: u16) {
        self.outcome.complain(format!("no ACK for our {status}"));
        if self.phase == Phase::Answered {
            self.phase = Phase::Confirmed;
            self.hang_up(now);
        } else if self.phase == Phase::Closing && status >= 300 {
            self.finish(now, false);
        }
    }
}
