//! The SIP core: bytes in, bytes and events out, nothing else.

use crate::connection::{Connection, IDLE_MAX, MESSAGE_MAX};
use crate::counters::Counters;
use crate::delay::Delay;
use crate::event::{Config, Event, Flow, Transmit, Transport};
use crate::guard::Guard;
use crate::lamp::Lamps;
use crate::leaving::Leaving;
use crate::leg::{Leg, Phase};
use crate::locate::Wanted;
use crate::overload::Overload;
use crate::registrar::Registrar;
use crate::stun;
use crate::transaction::{Alarm, Map, Transactions};
use crate::trunk::Line;
use crate::{Frame, FrameError, Message};
use busyhour_model::{LegId, Time, TrunkId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A SIP endpoint for many legs, without I/O. One input, then drain every `poll_…` to `None`, then the next input.
///
/// It is plain data: written out in mid-call and read back, it goes on with the very same bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stack {
    pub(crate) config: Config,
    pub(crate) net: Transactions,
    pub(crate) legs: Map<LegId, Leg>,
    pub(crate) next_leg: u64,
    pub(crate) guard: Guard,
    pub(crate) overload: Overload,
    pub(crate) registrar: Registrar,
    pub(crate) lamps: Lamps,
    pub(crate) lines: BTreeMap<TrunkId, Line>,
    /// By the request that waits for its answer.
    pub(crate) leaving: BTreeMap<u64, Leaving>,
    pub(crate) events: VecDeque<Event>,
    /// Not told yet.
    pub(crate) delays: VecDeque<Delay>,
    /// Names to look up.
    pub(crate) wanted: VecDeque<Wanted>,
    closes: VecDeque<Flow>,
}

impl Stack {
    /// A stack without legs. Everything unpredictable in it comes from `seed`, which must be a secret.
    pub fn new(config: Config, seed: u64) -> Stack {
        let net = Transactions::new(config.limits.clone(), config.user_agent.clone(), seed);
        let mut stack = Stack {
            overload: Overload::default(),
            guard: Guard::new(seed ^ 0x6e6f_6e63_6573),
            config,
            net,
            legs: Map::default(),
            next_leg: 1,
            registrar: Registrar::default(),
            lamps: Lamps::default(),
            lines: BTreeMap::new(),
            leaving: BTreeMap::new(),
            events: VecDeque::new(),
            delays: VecDeque::new(),
            wanted: VecDeque::new(),
            closes: VecDeque::new(),
        };
        stack.net.streams = stack.config.streams();
        stack.guard.set_accounts(&stack.config.accounts, &stack.config.aliases);
        stack.configure_lines(Time::ZERO);
        stack
    }

    /// Takes a new configuration; legs and contacts of accounts that still exist go on.
    pub fn reconfigure(&mut self, now: Time, config: Config) {
        self.config = config;
        self.net.limits = self.config.limits.clone();
        self.net.streams = self.config.streams();
        self.net.user_agent.clone_from(&self.config.user_agent);
        self.guard.set_accounts(&self.config.accounts, &self.config.aliases);
        for account in self.registrar.accounts() {
            if !self.guard.knows(&account) {
                self.unregister(&account);
            }
            self.begin_qualifying(now, &account);
        }
        self.drop_lamps(now);
        self.configure_lines(now);
    }

    /// A datagram came: one whole message.
    pub fn handle_datagram(&mut self, now: Time, flow: Flow, bytes: &[u8]) {
        if bytes.trim_ascii().is_empty() || bytes.iter().all(|byte| *byte == 0) {
            return;
        }
        if flow.transport == Transport::Udp
            && let Some(reply) = stun::answer(bytes, flow.remote)
        {
            if !self.is_ignored(now, &flow) {
                self.net.transmit(flow, reply.into());
            }
            return;
        }
        self.receive(now, flow, &Bytes::copy_from_slice(bytes));
    }

    /// Bytes of the connection `flow.connection` came; of a WebSocket one whole message.
    pub fn handle_stream(&mut self, now: Time, flow: Flow, bytes: &[u8]) {
        if !self.has_room_for(now, flow) {
            return;
        }
        if flow.transport.is_websocket() {
            return self.handle_whole(now, flow, bytes);
        }
        if let Some(connection) = self.net.connections.get_mut(&flow.connection) {
            connection.framer.push(bytes);
        }
        let mut whole = 0;
        while let Some(frame) = self.next_frame(flow) {
            whole += 1;
            match frame {
                Ok(Frame::Message(bytes)) => self.receive(now, flow, &bytes),
                Ok(Frame::Ping) => self.net.transmit(flow, Bytes::from_static(b"\r\n")),
                Ok(Frame::Pong) => {}
                Err(error) => return self.abandon(now, flow, &error),
            }
        }
        self.watch(now, flow.connection, whole > 0);
    }

    /// The peer of a new connection has shown the certificate of these trunks. Comes before its first bytes, if at all.
    pub fn handle_certified(&mut self, now: Time, flow: Flow, trunks: &[TrunkId]) {
        if self.has_room_for(now, flow)
            && let Some(connection) = self.net.connections.get_mut(&flow.connection)
        {
            connection.certified = trunks.to_vec();
        }
    }

    /// Whether the connection is known or could be made so; one too many is closed.
    fn has_room_for(&mut self, now: Time, flow: Flow) -> bool {
        let known = self.net.connections.contains_key(&flow.connection);
        if !known && self.net.connections.len() >= self.config.limits.connections {
            self.net.counters.overloaded += 1;
            self.closes.push_back(flow);
            return false;
        }
        match self.net.connections.get_mut(&flow.connection) {
            Some(connection) => connection.heard = now,
            None => {
                let idle = self.net.timers.set(now + IDLE_MAX, Alarm::Idle(flow.connection));
                self.net.connections.insert(flow.connection, Connection::new(now, flow, idle));
            }
        }
        true
    }

    /// One message of a WebSocket is one of ours, with or without Content-Length (RFC 7118 section 5); a keep-alive is
    /// answered as on a stream.
    fn handle_whole(&mut self, now: Time, flow: Flow, bytes: &[u8]) {
        match bytes {
            b"\r\n\r\n" => self.net.transmit(flow, Bytes::from_static(b"\r\n")),
            _ => self.handle_datagram(now, flow, bytes),
        }
    }

    /// The connection is closed: its contacts are gone, its requests failed.
    pub fn handle_closed(&mut self, now: Time, flow: Flow) {
        let mut awaited = self.net.dialled.remove(&(flow.transport, flow.remote)).is_some();
        if let Some(mut connection) = self.net.connections.remove(&flow.connection) {
            self.net.stop(&mut connection.stalled);
            self.net.timers.cancel(connection.idle);
            connection.pings.take().into_iter().for_each(|pings| self.net.timers.cancel(pings.timer()));
            self.drop_contacts_of(&connection.flow);
            awaited |= connection.awaited;
        }
        if awaited {
            let dialled = |of: &Flow| of.connection == 0 && (of.transport, of.remote) == (flow.transport, flow.remote);
            let lost = |of: &Flow| of.transport.is_stream() && of.connection == flow.connection || dialled(of);
            for outcome in self.net.fail_clients(now, lost) {
                self.settle(now, None, outcome);
            }
        }
    }

    /// The network gave a datagram of ours back (RFC 3261 section 18.4): `quoted` is how it began, as far as ICMP tells.
    pub fn handle_undelivered(&mut self, now: Time, quoted: &[u8]) {
        if let Some(outcome) = self.net.fail_quoted(now, quoted) {
            self.net.counters.undelivered += 1;
            self.settle(now, None, outcome);
        }
    }

    /// The peer cannot be reached: no connection, or the system refused to send.
    pub fn handle_unreachable(&mut self, now: Time, flow: Flow) {
        let lost = |of: &Flow| of.transport == flow.transport && of.remote == flow.remote;
        for outcome in self.net.fail_clients(now, lost) {
            self.settle(now, None, outcome);
        }
    }

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(alarm) = self.net.timers.pop(now) {
            self.fire(now, alarm);
        }
    }

    /// When [`Stack::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.net.timers.next()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.net.poll_transmit()
    }

    /// The next connection to close. No [`Stack::handle_closed`] is expected for it, none hurts.
    pub fn poll_close(&mut self) -> Option<Flow> {
        self.closes.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What went over the wire.
    pub fn counters(&self) -> &Counters {
        &self.net.counters
    }

    /// Legs the switch still has.
    pub fn legs(&self) -> usize {
        self.legs.values().filter(|leg| !leg.gone).count()
    }

    /// Dialogs, early ones too.
    pub fn dialogs(&self) -> usize {
        let count = |leg: &Leg| match &leg.phase {
            Phase::Calling(calling) => calling.early.len(),
            Phase::Incoming(_) | Phase::Up(_) => 1,
        };
        self.legs.values().map(count).sum()
    }

    /// Client and server transactions, lingering ones too.
    pub fn transactions(&self) -> usize {
        self.net.clients.len() + self.net.servers.len()
    }

    /// Timers that run, but for the one each connection has.
    pub fn timers(&self) -> usize {
        self.net.timers.len() - self.net.connections.len()
    }

    fn fire(&mut self, now: Time, alarm: Alarm) {
        match alarm {
            Alarm::ClientResend(id) => self.net.resend_request(now, id),
            Alarm::ClientEnd(id) => {
                if let Some(outcome) = self.net.end_client(now, id) {
                    self.settle(now, None, outcome);
                }
            }
            Alarm::Expiry(leg) => self.expire(now, leg),
            Alarm::Invite(leg) => self.invite_now(now, leg),
            Alarm::ServerResend(id) => {
                if let Some(leg) = self.net.resend_response(now, id) {
                    self.unheard(now, leg, id);
                }
            }
            Alarm::ServerEnd(id) => {
                if let Some((leg, server)) = self.net.end_server(id) {
                    self.unacknowledged(now, leg, server);
                }
            }
            Alarm::Reinvite(leg) => self.retry_reinvite(now, leg),
            Alarm::Impatient(leg) => self.lose_patience(now, leg),
            Alarm::Binding(account) => self.expire_contacts(now, &account),
            Alarm::Qualify(account) => self.qualify(now, &account),
            Alarm::Subscription(id) => self.end_subscription(now, id, "timeout"),
            Alarm::Register(trunk) => self.register_line(now, trunk),
            Alarm::Probe(trunk) => self.probe_line(now, trunk),
            Alarm::Resolve(trunk) => self.resolve_line(now, trunk),
            Alarm::Ping(connection) => self.ping(now, connection),
            Alarm::Idle(connection) => self.look_at(now, connection),
            Alarm::Stalled(connection) => {
                if let Some(flow) = self.net.connections.get(&connection).map(|connection| connection.flow) {
                    self.net.counters.malformed += 1;
                    self.close(now, flow);
                }
            }
        }
    }

    /// Closes a connection nobody uses.
    fn look_at(&mut self, now: Time, id: u64) {
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        let (flow, due) = (connection.flow, connection.heard + IDLE_MAX);
        let used = due > now || self.registrar.is_used(&flow);
        // Cancelled by its own end, too: then there is nothing to cancel.
        let again = if due > now { due } else { now + IDLE_MAX };
        connection.idle = self.net.timers.set(again, Alarm::Idle(id));
        if !used {
            self.close(now, flow);
        }
    }

    fn receive(&mut self, now: Time, flow: Flow, bytes: &Bytes) {
        match Message::parse(bytes, &self.config.limits) {
            Ok(Message::Request(request)) => self.receive_request(now, flow, request),
            Ok(Message::Response(response)) => {
                if let Some(outcome) = self.net.receive_response(now, response) {
                    self.settle(now, Some(flow), outcome);
                }
            }
            Err(error) => {
                self.net.counters.malformed += 1;
                if let Some(reply) = error.reply
                    && !self.is_banned(now, &flow)
                {
                    self.answer_malformed(flow, *reply);
                }
            }
        }
    }

    fn next_frame(&mut self, flow: Flow) -> Option<Result<Frame, FrameError>> {
        self.net.connections.get_mut(&flow.connection)?.framer.poll(&self.config.limits).transpose()
    }

    /// A stream that cannot be framed any more: the answer its header allows, then the end.
    fn abandon(&mut self, now: Time, flow: Flow, error: &FrameError) {
        self.net.counters.malformed += 1;
        let limits = crate::Limits { header_bytes: usize::MAX, ..self.config.limits.clone() };
        match Message::parse(&error.header, &limits) {
            Ok(Message::Request(request)) => {
                let reply = self.reply(&request, error.fault.status());
                self.net.transmit(flow, reply.to_bytes());
            }
            Ok(Message::Response(_)) => {}
            Err(error) => {
                if let Some(reply) = error.reply {
                    self.answer_malformed(flow, *reply);
                }
            }
        }
        self.close(now, flow);
    }

    pub(crate) fn close(&mut self, now: Time, flow: Flow) {
        self.closes.push_back(flow);
        self.handle_closed(now, flow);
    }

    /// Gives an incomplete message [`MESSAGE_MAX`], counted from its first byte; `fresh`: one before it was completed just now.
    fn watch(&mut self, now: Time, id: u64, fresh: bool) {
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        let partial = connection.framer.is_partial();
        if (fresh || !partial)
            && let Some(running) = connection.stalled.take()
        {
            self.net.timers.cancel(running);
        }
        if partial && connection.stalled.is_none() {
            connection.stalled = Some(self.net.timers.set(now + MESSAGE_MAX, Alarm::Stalled(id)));
        }
    }
}
