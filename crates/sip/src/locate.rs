//! Where the peer with a name is: NAPTR, then SRV, then addresses, as far as nothing was said (RFC 3263 section 4).

use crate::dns::{Answer, Fault, Kind, Question, Record};
use crate::event::{Peer, Transport};
use busyhour_model::{Name, TrunkId};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Hosts of one service; further ones are not asked for.
const TARGETS_MAX: usize = 16;
/// Addresses of one host that are used.
const ADDRESSES_MAX: usize = 8;

/// A peer by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPeer {
    /// A domain or a host.
    pub host: Name,
    /// How; `None`: as its NAPTR or SRV records say, else UDP.
    pub transport: Option<Transport>,
    /// `None`: as its SRV records say, else the transport's own.
    pub port: Option<u16>,
    /// As [`Peer::priority`]; SRV orders those it leads to.
    pub priority: u16,
    /// As [`Peer::weight`], shared by its addresses; SRV says another.
    pub weight: u16,
}

impl NamedPeer {
    /// Whether both have the same answer.
    pub(crate) fn is_alike(&self, other: &NamedPeer) -> bool {
        (&self.host, self.transport, self.port) == (&other.host, other.transport, other.port)
    }
}

impl fmt::Display for NamedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.transport.map_or("sip", Transport::as_str))?;
        write!(f, ":{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// What a trunk wants to know; the answer goes to [`crate::Stack::handle_resolved`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Whose.
    pub trunk: TrunkId,
    /// Which.
    pub peer: NamedPeer,
    /// What we could reach it by.
    pub sockets: Vec<(Transport, SocketAddr)>,
}

/// Where a peer is. Priorities are those of SRV, the peer's own not among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// At least one.
    pub peers: Vec<Peer>,
    /// For so long.
    pub ttl: Duration,
}

/// Why it was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfound {
    /// A name server has not answered, or not well.
    #[error("no answer of a name server")]
    Silent,
    /// They say there is nothing.
    #[error("it has no address we could use")]
    Nowhere,
}

/// A service that a host offers.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Target {
    host: String,
    transport: Transport,
    port: u16,
    priority: u16,
    weight: u16,
    addresses: Vec<IpAddr>,
    /// A question about it went unanswered.
    unanswered: bool,
}

/// One search, question by question: ask [`Search::question`], [`Search::handle`] what comes, until there is none; then see
/// the [`Search::outcome`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Search {
    wanted: Wanted,
    naptr: bool,
    /// SRV names to be asked until one is known.
    services: VecDeque<(Transport, String)>,
    /// Addresses to be asked.
    hosts: VecDeque<(usize, Kind)>,
    targets: Vec<Target>,
    ttl: u32,
    failed: bool,
}

impl Search {
    /// Before the first question.
    pub fn new(wanted: Wanted) -> Search {
        let mut search = Search {
            wanted,
            naptr: false,
            services: VecDeque::new(),
            hosts: VecDeque::new(),
            targets: Vec::new(),
            ttl: u32::MAX,
            failed: false,
        };
        match (search.wanted.peer.transport, search.wanted.peer.port) {
            (transport, Some(port)) => search.end_at(transport.unwrap_or(Transport::Udp), port),
            (Some(transport), None) => search.services.push_back(search.service(transport)),
            (None, None) => search.naptr = true,
        }
        search
    }

    /// The next question; `None`: it is over.
    pub fn question(&self) -> Option<Question> {
        let host = &self.wanted.peer.host;
        if self.failed {
            None
        } else if self.naptr {
            Some(Question { kind: Kind::Naptr, name: host.to_string() })
        } else if let Some((_, name)) = self.services.front() {
            Some(Question { kind: Kind::Srv, name: name.clone() })
        } else {
            let (target, kind) = *self.hosts.front()?;
            Some(Question { kind, name: self.targets[target].host.clone() })
        }
    }

    /// What came of the question.
    pub fn handle(&mut self, answer: Result<Answer, Fault>) {
        if let Ok(answer) = &answer
            && !answer.records.is_empty()
        {
            self.ttl = self.ttl.min(answer.ttl);
        }
        if !self.naptr && self.services.is_empty() {
            return self.handle_addresses(answer.ok());
        }
        let Ok(Answer { records, .. }) = answer else {
            // A server that cannot say by which transport may not lead us to another one.
            self.failed = true;
            return;
        };
        match std::mem::take(&mut self.naptr) {
            true => self.handle_naptr(&records),
            false => self.handle_srv(records),
        }
    }

    /// Section 4.1: the best transport we have, else the first with an SRV record.
    fn handle_naptr(&mut self, records: &[Record]) {
        let usable = |record: &Record| match record {
            Record::Naptr { order, preference, flags, service, replacement } if flags.eq_ignore_ascii_case("s") => {
                let transport = transport_of(service).filter(|transport| self.has(*transport))?;
                Some(((*order, *preference), transport, replacement.clone()))
            }
            _ => None,
        };
        let best = records.iter().filter_map(usable).min_by_key(|(rank, ..)| *rank);
        let unsaid = || {
            let ours = [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().filter(|t| self.has(*t));
            ours.map(|transport| self.service(transport)).collect()
        };
        self.services = best.map_or_else(unsaid, |(_, transport, name)| VecDeque::from([(transport, name)]));
        if self.services.is_empty() {
            self.end_at(Transport::Udp, Transport::Udp.default_port());
        }
    }

    /// Section 4.2: the hosts of the first service that has some, else the name itself is a host.
    fn handle_srv(&mut self, mut records: Vec<Record>) {
        let Some((transport, _)) = self.services.pop_front() else { return };
        // Servers shuffle their answers: in order, the same answer is the same.
        records.sort_by_cached_key(|record| match record {
            Record::Srv { priority, port, target, .. } => (*priority, target.clone(), *port),
            Record::Address(_) | Record::Naptr { .. } => (u16::MAX, String::new(), 0),
        });
        if records.is_empty() {
            if self.services.is_empty() {
                let unsaid = Transport::Udp;
                let transport = self.wanted.peer.transport.unwrap_or(unsaid);
                self.end_at(transport, transport.default_port());
            }
            return;
        }
        self.services.clear();
        for record in records.into_iter().take(TARGETS_MAX) {
            match record {
                // The root: "decidedly not available at this domain" (RFC 2782).
                Record::Srv { target, .. } if target.is_empty() => {}
                Record::Srv { priority, weight, port, target } => {
                    self.target(target, transport, port, priority, weight);
                }
                Record::Address(_) | Record::Naptr { .. } => {}
            }
        }
    }

    fn handle_addresses(&mut self, answer: Option<Answer>) {
        let Some((target, _)) = self.hosts.pop_front() else { return };
        let target = &mut self.targets[target];
        target.unanswered |= answer.is_none();
        let addresses = answer.into_iter().flat_map(|answer| answer.records).filter_map(|record| match record {
            Record::Address(ip) => Some(ip),
            Record::Srv { .. } | Record::Naptr { .. } => None,
        });
        target.addresses.extend(addresses);
        target.addresses.sort_unstable();
        target.addresses.dedup();
        target.addresses.truncate(ADDRESSES_MAX);
    }

    /// The peer's own name is the host.
    fn end_at(&mut self, transport: Transport, port: u16) {
        let (host, weight) = (self.wanted.peer.host.to_string(), self.wanted.peer.weight);
        self.target(host, transport, port, 0, weight);
    }

    fn target(&mut self, host: String, transport: Transport, port: u16, priority: u16, weight: u16) {
        let speaks =
            |v4: bool| self.wanted.sockets.iter().any(|(ours, local)| *ours == transport && local.is_ipv4() == v4);
        let at = self.targets.len();
        let kinds = [(Kind::A, speaks(true)), (Kind::Aaaa, speaks(false))];
        self.hosts.extend(kinds.into_iter().filter(|(_, speaks)| *speaks).map(|(kind, _)| (at, kind)));
        let target = Target { host, transport, port, priority, weight, addresses: Vec::new(), unanswered: false };
        self.targets.push(target);
    }

    fn has(&self, transport: Transport) -> bool {
        self.wanted.sockets.iter().any(|(ours, _)| *ours == transport)
    }

    fn service(&self, transport: Transport) -> (Transport, String) {
        let prefix = match transport {
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
            _ => "_sip._udp",
        };
        (transport, format!("{prefix}.{}", self.wanted.peer.host))
    }

    /// What it was for, and what came of it.
    ///
    /// # Errors
    /// Why nothing was found. A host that might have an address and went unanswered spoils all: better the whole of an older
    /// answer than a part of this one.
    pub fn outcome(self) -> (Wanted, Result<Found, Unfound>) {
        let unanswered = self.targets.iter().any(|target| target.unanswered && target.addresses.is_empty());
        let peers: Vec<Peer> = self.targets.iter().flat_map(Target::peers).collect();
        let outcome = match peers.is_empty() {
            _ if self.failed || unanswered => Err(Unfound::Silent),
            true => Err(Unfound::Nowhere),
            false => Ok(Found { peers, ttl: Duration::from_secs(u64::from(self.ttl)) }),
        };
        (self.wanted, outcome)
    }
}

impl Target {
    /// One for each address; together they have its weight.
    fn peers(&self) -> impl Iterator<Item = Peer> {
        let weight = self.weight.div_ceil(self.addresses.len().max(1) as u16);
        self.addresses.iter().map(move |ip| Peer {
            transport: self.transport,
            address: SocketAddr::new(*ip, self.port),
            priority: self.priority,
            weight,
        })
    }
}

/// The services of RFC 3263 section 4.1.
fn transport_of(service: &str) -> Option<Transport> {
    match service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}
