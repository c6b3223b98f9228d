//! Server transactions (RFC 3261 section 17.2, with the Accepted state of RFC 6026).

use crate::counters::{Clock, Way};
use crate::event::{Flow, Transport};
use crate::parts::ViaParts;
use crate::reliable::Reliable;
use crate::timer::Timer;
use crate::transaction::{Alarm, COOKIE, T1, T1_64, T2, T4, Transactions, way_back};
use crate::{HeaderName, Method, Request, Response, Verb};
use busyhour_model::{LegId, Time};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// A provisional response is repeated so often, or proxies give up (section 13.3.1.1).
const PROVISIONAL_EVERY: Duration = Duration::from_secs(60);

/// A request of a peer's and how far its answer is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) verb: Verb,
    /// The leg that answers it (INVITE only).
    pub(crate) leg: Option<LegId>,
    key: String,
    merge: Option<String>,
    flow: Flow,
    /// Where to answer when the connection is gone (section 18.2.2).
    fallback: SocketAddr,
    state: State,
    last: Option<Bytes>,
    status: u16,
    interval: Duration,
    resend: Option<Timer>,
    end: Option<Timer>,
    /// Its reliable provisional responses (INVITE only).
    pub(crate) reliable: Reliable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Trying, Proceeding.
    Open,
    /// A final response is sent; for INVITE not a 2xx.
    Completed,
    /// The refusal is acknowledged, or the 2xx is.
    Confirmed,
    /// A 2xx to an INVITE is sent and repeated until its ACK comes.
    Accepted,
}

/// How a request relates to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The first of its transaction.
    New(u64),
    /// The same request by another way (section 8.2.2.2).
    Merged(u64),
    /// No room.
    Full,
}

impl Transactions {
    /// Whether this request belongs to a known transaction; if so its last response is repeated.
    pub(crate) fn is_again(&mut self, request: &Request) -> bool {
        let Some(&id) = transaction_key(request, &request.method).and_then(|key| self.keys.get(&key)) else {
            return false;
        };
        let Some(server) = self.servers.get(&id) else { return false };
        self.counters.retransmission(Way::In, server.verb);
        // A 2xx comes again by its own timer, unless its dialog is over.
        let answers = match server.state {
            State::Open | State::Completed => true,
            State::Accepted => server.resend.is_none(),
            State::Confirmed => false,
        };
        if answers {
            self.send_last(id);
        }
        true
    }

    /// Opens a transaction for a request [`Transactions::is_again`] did not know.
    pub(crate) fn open(&mut self, flow: Flow, request: &Request) -> Arrival {
        let verb = Verb::from(&request.method);
        let Some(hop) = request.headers.hop() else { return Arrival::Full };
        let Some(key) = transaction_key(request, &request.method) else { return Arrival::Full };
        if self.servers.len() >= self.limits.transactions && !matches!(verb, Verb::Bye | Verb::Cancel) {
            return Arrival::Full;
        }
        let id = self.next_id();
        let merge = merge_key(request);
        let merged = merge.as_ref().is_some_and(|merge| self.merges.contains_key(merge));
        let merge = merge.filter(|_| !merged);
        self.keys.insert(key.clone(), id);
        if let Some(merge) = &merge {
            self.merges.insert(merge.clone(), id);
        }
        self.servers.insert(id, Server::new(verb, key, merge, flow, &hop));
        if merged { Arrival::Merged(id) } else { Arrival::New(id) }
    }

    /// The INVITE transaction that a CANCEL names (section 9.2).
    pub(crate) fn cancelled(&self, request: &Request) -> Option<u64> {
        self.keys.get(&transaction_key(request, &Method::Invite)?).copied()
    }

    /// Whether this ACK ends a refusal's retransmission; if not, it belongs to a dialog.
    pub(crate) fn receive_ack(&mut self, now: Time, request: &Request) -> bool {
        let Some(id) = self.cancelled(request) else { return false };
        let Some(server) = self.servers.get_mut(&id) else { return false };
        match server.state {
            State::Completed => {
                server.state = State::Confirmed;
                let linger = if server.flow.transport.is_stream() { Duration::ZERO } else { T4 };
                self.settle(now, id, linger);
                true
            }
            State::Confirmed => server.status >= 300,
            State::Open | State::Accepted => false,
        }
    }

    /// Sends a response; a final one ends the transaction in its time.
    pub(crate) fn respond(&mut self, now: Time, id: u64, response: &Response) {
        self.respond_in_turn(now, id, response, None);
    }

    /// Sends a response once those before it are acknowledged; with `rseq` it is to be acknowledged itself.
    pub(crate) fn respond_in_turn(&mut self, now: Time, id: u64, response: &Response, rseq: Option<u32>) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        if server.state != State::Open || server.reliable.holds(response, rseq) {
            return;
        }
        server.reliable.awaited = rseq.map(|rseq| (rseq, now));
        let (verb, udp) = (server.verb, server.flow.transport == Transport::Udp);
        server.last = Some(response.to_bytes());
        server.status = response.status;
        self.send_last(id);
        let span = match (verb, response.status) {
            (_, 100) => return,
            (Verb::Invite, 101..200) if rseq.is_some() => return self.repeat_in(now, id, T1),
            (Verb::Invite, 101..200) => return self.repeat_in(now, id, PROVISIONAL_EVERY),
            (_, 101..200) => return,
            (Verb::Invite, 200..300) => {
                self.become_final(id, State::Accepted);
                self.repeat_in(now, id, T1);
                T1_64
            }
            (Verb::Invite, _) => {
                self.become_final(id, State::Completed);
                if udp {
                    self.repeat_in(now, id, T1);
                } else {
                    self.stop_resending(id);
                }
                T1_64
            }
            _ => {
                self.become_final(id, State::Completed);
                if udp { T1_64 } else { Duration::ZERO }
            }
        };
        self.end_in(now, id, span);
    }

    /// The ACK to our 2xx came.
    pub(crate) fn confirm(&mut self, id: u64) {
        if let Some(server) = self.servers.get_mut(&id)
            && server.state == State::Accepted
        {
            server.state = State::Confirmed;
            server.last = None;
            self.stop_resending(id);
        }
    }

    /// Timer G, a 2xx without ACK, a reliable response without PRACK, or a provisional response's minute. Names the leg whose
    /// reliable response nobody acknowledged.
    pub(crate) fn resend_response(&mut self, now: Time, id: u64) -> Option<LegId> {
        let server = self.servers.get(&id)?;
        let (verb, interval, open) = (server.verb, server.interval, server.state == State::Open);
        let awaited = server.reliable.awaited;
        if open && awaited.is_none() {
            self.counters.fired(Clock::Provisional);
            self.send_last(id);
            self.repeat_in(now, id, PROVISIONAL_EVERY);
            return None;
        }
        let left = awaited.map_or(T1_64, |(_, since)| T1_64.saturating_sub(now.since(since)));
        let refused = server.status >= 300;
        if open && left.is_zero() {
            let leg = server.leg;
            self.counters.fired(Clock::Unheard);
            return leg;
        }
        self.counters.fired(if open {
            Clock::Reliable
        } else if refused {
            Clock::G
        } else {
            Clock::Ok
        });
        self.counters.retransmission(Way::Out, verb);
        self.send_last(id);
        // Section 3 of RFC 3262 doubles without end, as for the INVITE.
        self.repeat_in(now, id, (interval * 2).min(if open { left } else { T2 }));
        None
    }

    /// Timers H, I, J, L. Names the leg whose 2xx nobody acknowledged.
    pub(crate) fn end_server(&mut self, id: u64) -> Option<(LegId, u64)> {
        let server = self.servers.remove(&id)?;
        self.counters.fired(server.clock());
        self.keys.remove(&server.key);
        if let Some(merge) = &server.merge {
            self.merges.remove(merge);
        }
        let (mut resend, mut end) = (server.resend, server.end);
        self.stop(&mut resend);
        self.stop(&mut end);
        let unconfirmed = server.verb == Verb::Invite && matches!(server.state, State::Accepted | State::Completed);
        self.counters.timeouts += u64::from(unconfirmed);
        server.leg.filter(|_| server.state == State::Accepted).map(|leg| (leg, id))
    }

    fn become_final(&mut self, id: u64, state: State) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.state = state;
        }
    }

    fn send_last(&mut self, id: u64) {
        let Some(server) = self.servers.get(&id) else { return };
        let Some(last) = server.last.clone() else { return };
        let (mut flow, verb, status) = (server.flow, server.verb, server.status);
        if flow.transport.is_stream() && !self.connections.contains_key(&flow.connection) {
            flow.remote = server.fallback;
        }
        self.counters.response(Way::Out, verb, status);
        self.transmit(flow, last);
    }

    fn repeat_in(&mut self, now: Time, id: u64, interval: Duration) {
        self.stop_resending(id);
        if let Some(server) = self.servers.get_mut(&id) {
            server.interval = interval;
            server.resend = Some(self.timers.set(now + interval, Alarm::ServerResend(id)));
        }
    }

    /// Stops a response's timer; repeated requests are still answered.
    pub(crate) fn stop_resending(&mut self, id: u64) {
        if let Some(mut timer) = self.servers.get_mut(&id).map(|server| server.resend.take()) {
            self.stop(&mut timer);
        }
    }

    fn settle(&mut self, now: Time, id: u64, linger: Duration) {
        self.stop_resending(id);
        self.end_in(now, id, linger);
    }

    fn end_in(&mut self, now: Time, id: u64, span: Duration) {
        if let Some(server) = self.servers.get_mut(&id) {
            let old = server.end.replace(self.timers.set(now + span, Alarm::ServerEnd(id)));
            if let Some(old) = old {
                self.timers.cancel(old);
            }
        }
    }
}

impl Server {
    /// Which timer its end is.
    fn clock(&self) -> Clock {
        match (self.verb == Verb::Invite, self.state) {
            (false, _) => Clock::J,
            (true, State::Completed) => Clock::H,
            (true, State::Confirmed) if self.status >= 300 => Clock::I,
            (true, _) => Clock::L,
        }
    }

    fn new(verb: Verb, key: String, merge: Option<String>, flow: Flow, hop: &ViaParts<'_>) -> Server {
        let flow = way_back(flow, hop);
        let fallback = SocketAddr::new(flow.remote.ip(), hop.port.unwrap_or(flow.transport.default_port()));
        let (state, interval) = (State::Open, T1);
        Server {
            verb,
            leg: None,
            key,
            merge,
            flow,
            fallback,
            state,
            last: None,
            status: 0,
            interval,
            resend: None,
            end: None,
            reliable: Reliable::default(),
        }
    }
}

/// RFC 3261 section 17.2.3. An ACK or CANCEL looks for its INVITE under that method.
fn transaction_key(request: &Request, method: &Method) -> Option<String> {
    let method = if *method == Method::Ack { &Method::Invite } else { method };
    let hop = request.headers.hop()?;
    let (host, port, branch) = (hop.host_text(), hop.port.unwrap_or(5060), hop.branch().unwrap_or_default());
    if branch.len() > COOKIE.len() && branch.starts_with(COOKIE) {
        return Some(format!("{branch} {host}:{port} {method}"));
    }
    let number = request.headers.cseq().ok()?.0;
    let tag = request.headers.from_tag().unwrap_or_default();
    Some(format!("{} {tag} {} {number} {host}:{port} {branch} {method}", request.uri, request.headers.call_id()))
}

/// What merged requests have in common; only requests outside dialogs can be merged.
fn merge_key(request: &Request) -> Option<String> {
    if matches!(request.method, Method::Ack | Method::Cancel) || request.headers.to_tag().is_some() {
        return None;
    }
    let tag = request.headers.from_tag()?;
    Some(format!("{tag} {} {}", request.headers.text(HeaderName::CSeq)?, request.headers.call_id()))
}
