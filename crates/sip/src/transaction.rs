//! What client and server transactions share: timers, the way out, connections, counts (RFC 3261 sections 17 and 18).

use crate::client::Client;
use crate::connection::Connection;
use crate::counters::{Counters, Way};
use crate::event::{Flow, Limits, Transmit, Transport};
use crate::parts::ViaParts;
use crate::server::Server;
use crate::timer::{Timer, Timers};
use crate::{Host, Method, Request, Response, Verb, Via};
use busyhour_model::{LegId, Name, Seed, Time, TrunkId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Keyed lookups only: nothing may depend on the order of iteration.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// Begins every branch (RFC 3261 section 8.1.1.7).
pub(crate) const COOKIE: &str = "z9hG4bK";
/// Round-trip estimate (RFC 3261 section 17.1.1.1).
pub(crate) const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions of anything but an INVITE.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub(crate) const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J, L, M.
pub(crate) const T1_64: Duration = Duration::from_secs(32);
/// Timer C: an INVITE of ours lasts no longer.
pub(crate) const INVITE_MAX: Duration = Duration::from_secs(300);

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Alarm {
    /// Timers A and E.
    ClientResend(u64),
    /// Timers B, C, D, F, K, M.
    ClientEnd(u64),
    /// Timer G, and the 2xx of section 13.3.1.4.
    ServerResend(u64),
    /// Timers H, I, J, L.
    ServerEnd(u64),
    /// Our re-INVITE may be tried again (section 14.1).
    Reinvite(LegId),
    /// A trunk's peer has said nothing to our INVITE.
    Impatient(LegId),
    /// A session is to be refreshed, or was not.
    Expiry(LegId),
    /// The time of an INVITE has come.
    Invite(LegId),
    /// A contact of this account expires.
    Binding(Name),
    /// The phones of this account are asked whether they are there.
    Qualify(Name),
    /// A subscription expires.
    Subscription(u64),
    /// Time to register at this trunk.
    Register(TrunkId),
    /// Time to probe this trunk.
    Probe(TrunkId),
    /// A name of this trunk is to be looked up.
    Resolve(TrunkId),
    /// A ping of this connection is due, or its pong.
    Ping(u64),
    /// A message on this connection is still incomplete.
    Stalled(u64),
    /// Nothing may have come over this connection for a long time.
    Idle(u64),
}

/// Every transaction, and the way to the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Transactions {
    pub(crate) limits: Limits,
    pub(crate) user_agent: String,
    pub(crate) random: Seed,
    pub(crate) timers: Timers<Alarm>,
    pub(crate) counters: Counters,
    pub(crate) connections: Map<u64, Connection>,
    /// Our TCP sockets, for messages too large for a datagram.
    pub(crate) streams: Vec<SocketAddr>,
    /// Peers that took no TCP, and until when they are not asked again.
    pub(crate) datagrams_only: Map<SocketAddr, Time>,
    /// Peers to which requests went by connections that were still to be opened.
    pub(crate) dialled: Map<(Transport, SocketAddr), ()>,
    pub(crate) clients: Map<u64, Client>,
    pub(crate) servers: Map<u64, Server>,
    /// Server transactions by RFC 3261 section 17.2.3.
    pub(crate) keys: Map<String, u64>,
    /// Server transactions of requests outside dialogs, to find merged ones (section 8.2.2.2).
    pub(crate) merges: Map<String, u64>,
    out: VecDeque<Transmit>,
    next: u64,
}

impl Transactions {
    pub(crate) fn new(limits: Limits, user_agent: String, seed: u64) -> Transactions {
        Transactions {
            limits,
            user_agent,
            random: Seed(seed),
            timers: Timers::default(),
            counters: Counters::default(),
            connections: Map::default(),
            streams: Vec::new(),
            datagrams_only: Map::default(),
            dialled: Map::default(),
            clients: Map::default(),
            servers: Map::default(),
            keys: Map::default(),
            merges: Map::default(),
            out: VecDeque::new(),
            next: 0,
        }
    }

    /// A number no other transaction has; even, so that an INVITE's CANCEL can be its successor.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.next += 2;
        self.next
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// Sends `bytes`; a connection that is gone is left to the shell to open anew.
    pub(crate) fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.transmit_for(None, flow, bytes);
    }

    fn transmit_for(&mut self, trunk: Option<TrunkId>, mut flow: Flow, bytes: Bytes) {
        if flow.transport.is_stream() && !self.connections.contains_key(&flow.connection) {
            flow.connection = 0;
        }
        self.out.push_back(Transmit { flow, trunk, bytes });
    }

    /// Sends a request that has its Via.
    pub(crate) fn transmit_request(&mut self, trunk: Option<TrunkId>, flow: Flow, verb: Verb, bytes: Bytes) {
        self.counters.request(Way::Out, verb, flow.transport);
        self.transmit_for(trunk, flow, bytes);
    }

    /// Sends a response without keeping it (section 8.2.7).
    pub(crate) fn respond_stateless(&mut self, flow: Flow, request: &Request, response: &Response) {
        let Some(hop) = request.headers.hop() else { return };
        self.counters.response(Way::Out, Verb::from(&request.method), response.status);
        self.transmit(way_back(flow, &hop), response.to_bytes());
    }

    /// Sends an ACK to a 2xx: its own branch, no transaction (section 13.2.2.4).
    pub(crate) fn send_ack(&mut self, trunk: Option<TrunkId>, flow: Flow, mut ack: Request) -> Bytes {
        let branch = format!("{COOKIE}{:x}.{:016x}", self.next_id(), self.random.draw());
        ack.headers.push_front(crate::HeaderName::Via, our_via(flow, &branch).to_string());
        let bytes = ack.to_bytes();
        self.transmit_request(trunk, flow, Verb::Ack, bytes.clone());
        bytes
    }

    pub(crate) fn stop(&mut self, timer: &mut Option<Timer>) {
        if let Some(timer) = timer.take() {
            self.timers.cancel(timer);
        }
    }
}

/// Our Via for a request over `flow`.
pub(crate) fn our_via(flow: Flow, branch: &str) -> Via {
    Via::new(flow.transport.via(), host(flow.local.ip()), Some(flow.local.port()), branch)
}

/// An address as a URI's or a Via's host.
pub(crate) fn host(ip: IpAddr) -> Host {
    match ip {
        IpAddr::V4(ip) => Host::V4(ip),
        IpAddr::V6(ip) => Host::V6(ip),
    }
}

/// Where the response to a request that came over `flow` goes (sections 18.2.2, RFC 3581 section 4). `maddr` is not followed: it would
/// let anybody make us send to anybody.
pub(crate) fn way_back(mut flow: Flow, hop: &ViaParts<'_>) -> Flow {
    if flow.transport == Transport::Udp && hop.param("rport").is_none() {
        flow.remote = SocketAddr::new(flow.remote.ip(), hop.port.unwrap_or(5060));
    }
    flow
}

/// Notes on the top Via where the request really came from (sections 18.2.1, RFC 3581 section 4).
pub(crate) fn stamp_via(request: &mut Request, remote: SocketAddr) {
    let Ok(mut via) = request.headers.top_via() else { return };
    let asked = via.rport().is_some();
    if !asked && via.host.ip() == Some(remote.ip()) && via.received().is_none() {
        return;
    }
    via.set_param("received", Some(&remote.ip().to_string()));
    if asked {
        via.set_param("rport", Some(&remote.port().to_string()));
    }
    request.headers.set_top(crate::HeaderName::Via, via.to_string());
}

/// CSeq value.
pub(crate) fn cseq(number: u32, method: &Method) -> String {
    format!("{number} {method}")
}
