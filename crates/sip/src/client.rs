//! Client transactions (RFC 3261 section 17.1, with the Accepted state of RFC 6026).

use crate::counters::{Clock, Way};
use crate::event::{Flow, Transport};
use crate::timer::Timer;
use crate::transaction::{Alarm, COOKIE, INVITE_MAX, T1, T1_64, T2, T4, Transactions, cseq, our_via};
use crate::{HeaderName, Limits, Message, Method, Request, Response, Verb};
use busyhour_model::{LegId, Time, TrunkId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Dialogs of one forked INVITE whose ACK is kept for repetition.
const ACKS_MAX: usize = 16;

/// A request too large for a datagram waits so long for a sign that its peer takes TCP.
const STREAM_WAIT: Duration = Duration::from_secs(1);
/// A peer that takes no TCP is not asked again for so long.
const DATAGRAMS_ONLY: Duration = Duration::from_secs(3600);
/// Such peers remembered at once.
const DATAGRAMS_ONLY_MAX: usize = 1_000;

/// A request of ours and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) verb: Verb,
    pub(crate) flow: Flow,
    /// The request as sent.
    pub(crate) bytes: Bytes,
    pub(crate) owner: Owner,
    /// The trunk it goes to, whose credentials may answer a challenge.
    pub(crate) trunk: Option<TrunkId>,
    /// Challenges answered on the way here.
    pub(crate) tries: u8,
    /// PRACKs sent in dialogs of this INVITE; what follows there has higher numbers.
    pub(crate) pracks: u32,
    /// Where it goes instead when no connection comes about: it went by TCP only for its size.
    datagram: Option<Flow>,
    token: u64,
    state: State,
    cancel: Cancel,
    /// Why it is cancelled (RFC 3326).
    pub(crate) reason: Option<String>,
    interval: Duration,
    resend: Option<Timer>,
    end: Option<Timer>,
    /// ACKs sent, by To tag, for responses that come again.
    acks: Vec<(String, Flow, Bytes)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Calling, Trying.
    Sent,
    Proceeding,
    Completed,
    Accepted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Cancel {
    No,
    /// Waits for a provisional response (section 9.1).
    Wanted,
    Sent,
}

/// Who wants to know the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// Nobody; a 2xx to an INVITE is then acknowledged and hung up.
    Nobody,
    /// A leg that is being set up.
    Setup(LegId),
    /// A leg that renegotiates.
    Reinvite(LegId),
    /// A leg whose session is refreshed by UPDATE.
    Refresh(LegId),
    /// A leg whose peer is asked to call somebody else.
    Refer(LegId),
    /// The registration at a trunk.
    Register(TrunkId),
    /// A trunk that is measured by its answer to a BYE, and when that was sent first.
    Bye(TrunkId, Time),
    /// The probe of a trunk.
    Probe(TrunkId),
    /// A registration at a trunk that is taken back.
    Leaving(TrunkId),
    /// A phone that is asked whether it is there.
    Qualify,
    /// The lamp that a NOTIFY is for.
    Lamp(u64),
}

/// News for the owner of a client transaction.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) id: u64,
    pub(crate) owner: Owner,
    /// Where the request went.
    pub(crate) flow: Flow,
    pub(crate) result: Result<Response, Failure>,
}

/// No response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Timers B, C, F.
    Timeout,
    /// Transport error (section 17.1.4).
    Unreachable,
}

impl Failure {
    /// The response it stands for (section 8.1.3.1).
    pub(crate) fn status(self) -> u16 {
        match self {
            Failure::Timeout => 408,
            Failure::Unreachable => 503,
        }
    }
}

impl Client {
    /// Whether the final response is still to come.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Sent | State::Proceeding)
    }

    /// Which timer its end is.
    fn clock(&self) -> Clock {
        match (self.verb == Verb::Invite, self.state) {
            (true, State::Sent) => Clock::B,
            (true, State::Proceeding) if self.cancel == Cancel::Sent => Clock::Cancelled,
            (true, State::Proceeding) => Clock::C,
            (true, State::Completed) => Clock::D,
            (_, State::Accepted) => Clock::M,
            (false, State::Sent | State::Proceeding) => Clock::F,
            (false, State::Completed) => Clock::K,
        }
    }

    pub(crate) fn reliable(&self) -> bool {
        self.flow.transport.is_stream()
    }

    /// The trunk it goes to, whether or not its credentials may be used.
    fn line(&self) -> Option<TrunkId> {
        match self.owner {
            Owner::Probe(trunk) | Owner::Leaving(trunk) => Some(trunk),
            _ => self.trunk,
        }
    }

    /// The request, parsed again.
    pub(crate) fn request(&self) -> Option<Request> {
        let limits = Limits { header_bytes: usize::MAX, body_bytes: usize::MAX, ..Limits::default() };
        match Message::parse(&self.bytes, &limits) {
            Ok(Message::Request(request)) => Some(request),
            _ => None,
        }
    }

    /// ACK to a non-2xx, or CANCEL: the request's own Via, URI, Route (sections 17.1.1.3 and 9.1).
    fn companion(&self, method: Method, to: Option<&Response>) -> Option<Bytes> {
        let request = self.request()?;
        let mut companion = Request::new(method, request.uri.clone());
        companion.headers.push(HeaderName::Via, request.headers.list(HeaderName::Via).next()?);
        companion.headers.copy(HeaderName::Route, &request.headers);
        companion.headers.push(HeaderName::MaxForwards, "70");
        companion.headers.copy(HeaderName::From, &request.headers);
        companion.headers.copy(HeaderName::To, to.map_or(&request.headers, |response| &response.headers));
        companion.headers.copy(HeaderName::CallId, &request.headers);
        let number = request.headers.cseq().ok()?.0;
        companion.headers.push(HeaderName::CSeq, cseq(number, &companion.method));
        if let Some(reason) = self.reason.as_ref().filter(|_| companion.method == Method::Cancel) {
            companion.headers.push(HeaderName::Reason, reason);
        }
        Some(companion.to_bytes())
    }
}

impl Transactions {
    /// Sends `request` (without Via) and watches over it.
    pub(crate) fn send(
        &mut self,
        now: Time,
        mut request: Request,
        flow: Flow,
        owner: Owner,
        trunk: Option<TrunkId>,
    ) -> u64 {
        let id = self.next_id();
        let token = self.random.draw();
        let branch = format!("{COOKIE}{id:x}.{token:016x}");
        request.headers.push_front(HeaderName::Via, our_via(flow, &branch).to_string());
        if matches!(owner, Owner::Register(_)) && flow.transport.is_stream() {
            crate::alive::ask_to_keep(&mut request);
        }
        let verb = Verb::from(&request.method);
        let mut client = Client::new(verb, flow, request.to_bytes(), owner, trunk, token);
        if let Some(wide) = self.wider(now, &client) {
            request.headers.set_top(HeaderName::Via, our_via(wide, &branch).to_string());
            client.bytes = request.to_bytes();
            client.datagram = Some(std::mem::replace(&mut client.flow, wide));
        }
        self.start(now, id, client);
        id
    }

    fn start(&mut self, now: Time, id: u64, mut client: Client) {
        if let Some(connection) = self.connections.get_mut(&client.flow.connection) {
            connection.awaited = true;
        }
        client.end = Some(self.timers.set(now + T1_64, Alarm::ClientEnd(id)));
        if !client.reliable() || client.datagram.is_some() {
            let wait = if client.datagram.is_some() { STREAM_WAIT } else { T1 };
            client.resend = Some(self.timers.set(now + wait, Alarm::ClientResend(id)));
        }
        if client.reliable() && client.flow.connection == 0 && self.dialled.len() < self.limits.connections {
            self.dialled.insert((client.flow.transport, client.flow.remote), ());
        }
        self.transmit_request(client.line(), client.flow, client.verb, client.bytes.clone());
        self.clients.insert(id, client);
    }

    /// Cancels an INVITE: at once, or as soon as the peer has shown that it knows of it.
    pub(crate) fn cancel(&mut self, now: Time, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match (client.state, client.cancel) {
            (State::Sent, Cancel::No) => client.cancel = Cancel::Wanted,
            (State::Proceeding, Cancel::No | Cancel::Wanted) => self.send_cancel(now, id),
            _ => {}
        }
    }

    fn send_cancel(&mut self, now: Time, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.cancel = Cancel::Sent;
        let Some(bytes) = client.companion(Method::Cancel, None) else { return };
        let cancel = Client::new(Verb::Cancel, client.flow, bytes, Owner::Nobody, None, client.token);
        self.rearm(now, id, T1_64);
        self.start(now, id | 1, cancel);
    }

    /// What a response means to the owner of its request; `None`: nothing.
    pub(crate) fn receive_response(&mut self, now: Time, response: Response) -> Option<Outcome> {
        let found = self.find(&response);
        let Some((id, verb)) = found else {
            self.counters.dropped += 1;
            return None;
        };
        self.counters.response(Way::In, verb, response.status);
        let client = self.clients.get(&id)?;
        let (owner, flow) = (client.owner, client.flow);
        let news = if verb == Verb::Invite {
            self.step_invite(now, id, &response)
        } else {
            self.step_other(now, id, response.status)
        };
        news.then_some(Outcome { id, owner, flow, result: Ok(response) })
    }

    /// RFC 3261 section 17.1.3; the branch carries our own number.
    fn find(&self, response: &Response) -> Option<(u64, Verb)> {
        if response.headers.list(HeaderName::Via).count() != 1 {
            return None;
        }
        let hop = response.headers.hop()?;
        let verb = Verb::from(&response.headers.cseq().ok()?.1);
        Some((self.of_branch(hop.branch()?.strip_prefix(COOKIE)?, verb)?, verb))
    }

    /// The request with this branch, which carries our own number and what nobody can guess.
    pub(crate) fn of_branch(&self, branch: &str, verb: Verb) -> Option<u64> {
        let (id, token) = branch.split_once('.')?;
        let id = u64::from_str_radix(id, 16).ok()? | u64::from(verb == Verb::Cancel);
        let client = self.clients.get(&id)?;
        (client.verb == verb && u64::from_str_radix(token, 16) == Ok(client.token)).then_some(id)
    }

    /// True when the owner is to be told.
    fn step_invite(&mut self, now: Time, id: u64, response: &Response) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        match (client.state, response.status) {
            (State::Sent | State::Proceeding, 100..200) => self.proceed(now, id),
            (State::Sent | State::Proceeding, 200..300) => self.enter(now, id, State::Accepted, T1_64),
            (State::Sent | State::Proceeding, _) => {
                let linger = if client.reliable() { Duration::ZERO } else { T1_64 };
                self.acknowledge_refusal(id, response);
                self.enter(now, id, State::Completed, linger);
            }
            (State::Accepted, 200..300) | (State::Completed, 300..) => return !self.repeat_ack(id, response),
            _ => {
                self.counters.dropped += 1;
                return false;
            }
        }
        true
    }

    fn proceed(&mut self, now: Time, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let first = client.state == State::Sent;
        client.state = State::Proceeding;
        let mut resend = client.resend.take();
        let wanted = client.cancel == Cancel::Wanted;
        self.stop(&mut resend);
        if first {
            self.rearm(now, id, INVITE_MAX);
        }
        if wanted {
            self.send_cancel(now, id);
        }
    }

    fn step_other(&mut self, now: Time, id: u64, status: u16) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        if !client.is_open() {
            let verb = client.verb;
            self.counters.retransmission(Way::In, verb);
            return false;
        }
        if status < 200 {
            client.state = State::Proceeding;
            client.interval = T2;
            return true;
        }
        let linger = if client.reliable() { Duration::ZERO } else { T4 };
        self.enter(now, id, State::Completed, linger);
        true
    }

    fn enter(&mut self, now: Time, id: u64, state: State, linger: Duration) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.state = state;
        let mut resend = client.resend.take();
        self.stop(&mut resend);
        self.rearm(now, id, linger);
    }

    fn rearm(&mut self, now: Time, id: u64, span: Duration) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let old = client.end.replace(self.timers.set(now + span, Alarm::ClientEnd(id)));
        if let Some(old) = old {
            self.timers.cancel(old);
        }
    }

    fn acknowledge_refusal(&mut self, id: u64, response: &Response) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(ack) = client.companion(Method::Ack, Some(response)) else { return };
        let (flow, line) = (client.flow, client.line());
        client.acks.push((String::new(), flow, ack.clone()));
        self.transmit_request(line, flow, Verb::Ack, ack);
    }

    /// Remembers the ACK to the 2xx from the dialog with this remote tag.
    pub(crate) fn remember_ack(&mut self, id: u64, tag: &str, flow: Flow, ack: Bytes) {
        if let Some(client) = self.clients.get_mut(&id)
            && client.acks.len() < ACKS_MAX
        {
            client.acks.push((tag.to_owned(), flow, ack));
        }
    }

    /// True when this final response was acknowledged before, and is again now.
    fn repeat_ack(&mut self, id: u64, response: &Response) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        let tag = if response.status < 300 { response.headers.to_tag().unwrap_or_default() } else { String::new() };
        let known = client.acks.iter().find(|(known, ..)| *known == tag).map(|(_, flow, ack)| (*flow, ack.clone()));
        let (full, line) = (client.acks.len() >= ACKS_MAX, client.line());
        self.counters.retransmission(Way::In, Verb::Invite);
        match known {
            Some((flow, ack)) => self.transmit_request(line, flow, Verb::Ack, ack),
            None => return full || response.status >= 300,
        }
        true
    }

    /// The flow that a request too large for a datagram takes (section 18.1.1). Phones stay where they were met: behind a NAT
    /// nobody else gets through.
    fn wider(&self, now: Time, client: &Client) -> Option<Flow> {
        let Flow { transport, remote, .. } = client.flow;
        let most = self.limits.datagram_bytes;
        let fits = most == 0 || client.bytes.len() <= most;
        if transport != Transport::Udp || fits || client.line().is_none() {
            return None;
        }
        let refused = self.datagrams_only.get(&remote).is_some_and(|until| now < *until);
        let local = self.streams.iter().find(|local| local.is_ipv4() == remote.is_ipv4()).filter(|_| !refused)?;
        Some(Flow { transport: Transport::Tcp, local: *local, remote, connection: 0 })
    }

    /// Sends by datagram after all what went by TCP for its size; false when it cannot, or did not.
    pub(crate) fn narrow(&mut self, now: Time, id: u64) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        let Some((flow, mut request)) = client.datagram.take_if(|_| client.state == State::Sent).zip(client.request())
        else {
            return false;
        };
        let via = request.headers.hop().map(|hop| our_via(flow, hop.branch().unwrap_or_default()));
        let Some(via) = via else { return false };
        request.headers.set_top(HeaderName::Via, via.to_string());
        (client.flow, client.bytes) = (flow, request.to_bytes());
        let (line, verb, bytes) = (client.line(), client.verb, client.bytes.clone());
        let old = client.resend.replace(self.timers.set(now + T1, Alarm::ClientResend(id)));
        if let Some(old) = old {
            self.timers.cancel(old);
        }
        if self.datagrams_only.len() >= DATAGRAMS_ONLY_MAX {
            self.datagrams_only.clear();
        }
        self.datagrams_only.insert(flow.remote, now + DATAGRAMS_ONLY);
        self.transmit_request(line, flow, verb, bytes);
        true
    }

    /// Timers A and E.
    pub(crate) fn resend_request(&mut self, now: Time, id: u64) {
        if self.narrow(now, id) {
            return;
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
        let capped = client.verb != Verb::Invite;
        client.interval *= 2;
        if capped {
            client.interval = client.interval.min(T2);
        }
        let (flow, verb, bytes, interval) = (client.flow, client.verb, client.bytes.clone(), client.interval);
        let line = client.line();
        client.resend = Some(self.timers.set(now + interval, Alarm::ClientResend(id)));
        self.counters.fired(if capped { Clock::E } else { Clock::A });
        self.counters.retransmission(Way::Out, verb);
        self.transmit_request(line, flow, verb, bytes);
    }

    /// Timers B, C, D, F, K, M.
    pub(crate) fn end_client(&mut self, now: Time, id: u64) -> Option<Outcome> {
        let client = self.clients.get_mut(&id)?;
        let (owner, flow) = (client.owner, client.flow);
        self.counters.fired(client.clock());
        if client.verb == Verb::Invite && client.state == State::Proceeding && client.cancel != Cancel::Sent {
            client.owner = Owner::Nobody;
            self.counters.timeouts += 1;
            self.send_cancel(now, id);
            return Some(Outcome { id, owner, flow, result: Err(Failure::Timeout) });
        }
        let open = client.is_open();
        self.forget_client(id);
        self.counters.timeouts += u64::from(open);
        open.then_some(Outcome { id, owner, flow, result: Err(Failure::Timeout) })
    }

    pub(crate) fn forget_client(&mut self, id: u64) {
        if let Some(mut client) = self.clients.remove(&id) {
            self.stop(&mut client.resend);
            self.stop(&mut client.end);
        }
    }
}

impl Client {
    fn new(verb: Verb, flow: Flow, bytes: Bytes, owner: Owner, trunk: Option<TrunkId>, token: u64) -> Client {
        Client {
            verb,
            flow,
            bytes,
            owner,
            trunk,
            tries: 0,
            pracks: 0,
            datagram: None,
            token,
            state: State::Sent,
            cancel: Cancel::No,
            reason: None,
            interval: T1,
            resend: None,
            end: None,
            acks: Vec::new(),
        }
    }
}
