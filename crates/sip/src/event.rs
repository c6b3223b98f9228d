//! What the stack tells the switch, and what the switch asks of it.

use crate::Terms;
use crate::cause::Reason;
use crate::identity::Identities;
use crate::locate::NamedPeer;
use crate::network::Networks;
use crate::registrar::{EXPIRES_MAX, EXPIRES_MIN};
pub use crate::transport::Transport;
use busyhour_model::{Audio, KeySecret, LegId, Name, Time, Trouble, TrunkId};
use bytes::Bytes;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// Where bytes came from or go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Our socket.
    pub local: SocketAddr,
    /// The peer.
    pub remote: SocketAddr,
    /// The shell's number of a connection. 0: none yet; the shell reuses one to `remote` or opens one.
    pub connection: u64,
}

/// Bytes for a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// For which trunk it is: whose name and certificates hold should a connection be opened for it.
    pub trunk: Option<TrunkId>,
    /// One whole SIP message (or a keep-alive).
    pub bytes: Bytes,
}

/// Who an INVITE outside a dialog came from, after authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A configured trunk, known by its source address.
    Trunk(TrunkId),
    /// An account of ours, known by digest.
    Account(Name),
}

/// A new INVITE; 100 is sent already, authentication passed, the offer (if any) understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// The new leg.
    pub leg: LegId,
    /// Who.
    pub origin: Origin,
    /// What is said of the caller.
    pub caller: Identities,
    /// User part of the Request-URI, raw.
    pub dialled: String,
    /// User part of To, raw.
    pub to: String,
    /// User part of the first Diversion (RFC 5806) or History-Info (RFC 7044) entry, raw.
    pub diversion: Option<String>,
    /// SIP Call-ID.
    pub call_id: String,
    /// What the offer allows us to send; `None` for a delayed offer.
    pub audio: Option<Audio>,
    /// The leg whose place it wants to take (RFC 3891): one that is answered, or one of ours that rings.
    pub replaces: Option<LegId>,
    /// Max-Forwards: how often it may still be sent on; 1 at least.
    pub max_forwards: u8,
}

/// Whom to INVITE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Every contact registered for this account; the first to answer wins, the others are cancelled.
    Account(Name),
    /// A number at a trunk.
    Trunk {
        /// Which.
        trunk: TrunkId,
        /// User part of the Request-URI.
        number: String,
    },
}

/// What happened to a leg, a registration or a trunk.
///
/// A leg starts with `Incoming` or with [`crate::Stack::invite`]. It ends with exactly one `Cancelled`, `Refused` or `Ended`,
/// or silently by our own `refuse` / `hang_up`: after those no event names it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A new call.
    Incoming(Box<Incoming>),
    /// The caller cancelled before our final response; 487 is sent. The leg is gone.
    Cancelled {
        /// The leg.
        leg: LegId,
    },
    /// A provisional response (101-199) to our INVITE.
    Progress {
        /// The leg.
        leg: LegId,
        /// 180, 183, ….
        status: u16,
        /// Early media, when the response carried an answer.
        audio: Option<Audio>,
    },
    /// Our INVITE was answered; ACK is sent.
    Answered {
        /// The leg.
        leg: LegId,
        /// What was agreed.
        audio: Audio,
    },
    /// Our INVITE failed for good (408 also for no answer at all, 503 for a transport error). The leg is gone.
    Refused {
        /// The leg.
        leg: LegId,
        /// Best final response (RFC 3261 16.7).
        status: u16,
        /// Retry-After.
        retry_after: Option<Duration>,
    },
    /// Our INVITE was answered that the callee is elsewhere (3xx). The leg is gone; whether to call there is for the switch to say.
    Moved {
        /// The leg.
        leg: LegId,
        /// 300, 301, 302, ….
        status: u16,
        /// User part of the first Contact that has one, raw.
        to: String,
    },
    /// The peer says why a leg ends: the next event of that leg tells how.
    ReasonTold {
        /// The leg.
        leg: LegId,
        /// By `Reason` (RFC 3326).
        reason: Reason,
    },
    /// How the call went that the peer was asked to make by [`crate::Stack::refer`].
    Referred {
        /// The leg.
        leg: LegId,
        /// Final: 2xx when the other side answered.
        status: u16,
    },
    /// A phone wants the other side of its call passed on (REFER, RFC 3515), and was told that we try:
    /// [`crate::Stack::tell_transfer`] tells how it goes.
    TransferAsked {
        /// The phone's leg.
        leg: LegId,
        /// To whom: user part of Refer-To, raw.
        to: String,
        /// To the other side of this leg instead (attended, RFC 5589 section 7).
        replaces: Option<LegId>,
    },
    /// The ACK to our 200 came.
    Confirmed {
        /// The leg.
        leg: LegId,
        /// The answer, when the ACK carried it (delayed offer).
        audio: Option<Audio>,
    },
    /// A re-INVITE or UPDATE changed what we may send (hold, resume, new address); the stack has answered it already.
    MediaChanged {
        /// The leg.
        leg: LegId,
        /// What holds now.
        audio: Audio,
    },
    /// Our re-INVITE was refused; what was agreed before still holds.
    OfferRefused {
        /// The leg.
        leg: LegId,
        /// Why.
        status: u16,
    },
    /// A key pressed, by INFO (`application/dtmf-relay`, `application/dtmf`).
    Digit {
        /// The leg.
        leg: LegId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
    },
    /// The peer hung up, or the session died (no ACK to our 200, 481, 408). The leg is gone.
    Ended {
        /// The leg.
        leg: LegId,
        /// True when the peer sent BYE, false when it vanished.
        by_peer: bool,
    },
    /// A phone gave no answer to OPTIONS ([`Limits::qualify`]), or answers again; `Registered` follows when it was the only one.
    Qualified {
        /// Its account.
        account: Name,
        /// It does again.
        answers: bool,
    },
    /// The number of contacts of an account changed between none and some.
    Registered {
        /// The account.
        account: Name,
        /// Contacts bound now.
        contacts: u32,
    },
    /// Inputs wait so long that new requests are refused, or no longer do.
    Overload {
        /// Refused from now on.
        on: bool,
        /// Requests refused in the episode that ends.
        refused: u64,
    },
    /// A source is met with silence from now on.
    Banned {
        /// An IPv4 address, or an IPv6 network of 64 bits.
        source: IpNet,
        /// Why.
        reason: crate::BanReason,
        /// Until when.
        until: Time,
    },
    /// A trunk began or stopped to answer our OPTIONS or accept our REGISTER.
    TrunkState {
        /// Which.
        trunk: TrunkId,
        /// What is wrong with it; `None`: nothing.
        trouble: Option<Trouble>,
    },
}

/// What a stack needs to know of the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Digest realm and host part of our identities.
    pub domain: String,
    /// `User-Agent` / `Server`.
    pub user_agent: String,
    /// Our sockets, the first of each transport is used for new transactions. Never an unspecified address.
    pub locals: Vec<(Transport, SocketAddr)>,
    /// Who is told other addresses than those.
    pub networks: Networks,
    /// Trunks, by source address and as targets.
    pub trunks: Vec<TrunkPeer>,
    /// Accounts that may register and call.
    pub accounts: Vec<Account>,
    /// Other names of accounts, no two alike and none an account's own, and whose.
    pub aliases: Vec<(Name, Name)>,
    /// What sound phones are offered, and what is taken from them.
    pub terms: Terms,
    /// What keys are made of: of the system's randomness, another one at each start.
    pub secret: KeySecret,
    /// Bounds of every collection.
    pub limits: Limits,
}

impl Config {
    /// Our TCP sockets.
    pub(crate) fn streams(&self) -> Vec<SocketAddr> {
        self.locals.iter().filter(|(transport, _)| *transport == Transport::Tcp).map(|(_, local)| *local).collect()
    }
}

/// A trunk as the stack sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkPeer {
    /// Which.
    pub trunk: TrunkId,
    /// Source addresses that are this trunk. A registered trunk's peer is added by itself.
    pub sources: Vec<IpNet>,
    /// Requests are this trunk's only over a connection whose peer has shown its certificate ([`crate::Stack::handle_certified`]).
    /// Without `sources` that is enough.
    pub certified: bool,
    /// Requests are this trunk's only with this header: carriers that share an address are told apart by it.
    pub secret: Option<Secret>,
    /// Where our requests go; another one when the first does not answer.
    pub peers: Vec<Peer>,
    /// The same by name; they are found by [`crate::Search`] and ordered among `peers`.
    pub named: Vec<NamedPeer>,
    /// The peers are an outbound proxy, named in `Route` of what we send outside dialogs (RFC 3261 section 8.1.2).
    pub proxy: bool,
    /// Only by this socket of ours, so that what we send and the Contact we register are the same.
    pub bind: Option<SocketAddr>,
    /// A peer that says nothing to an INVITE for so long is given up for the next.
    pub patience: Duration,
    /// Host part of Request-URI, From and To; the peer's address when absent.
    pub domain: Option<String>,
    /// User part of our identities, where it is not that of `credentials`.
    pub user: Option<Name>,
    /// User part of From in all our calls, whoever calls.
    pub from_user: Option<Name>,
    /// The digest names `domain` instead of the Request-URI, as IMS registrars want it.
    pub digest_domain: bool,
    /// For 401/407 from this trunk, and only from it.
    pub credentials: Option<Account>,
    /// Keep a registration of `user`, or `credentials.user`, at this trunk, for so long a time.
    pub register: Option<Duration>,
    /// Probe with OPTIONS this often.
    pub probe: Option<Duration>,
    /// Ping connections we register or probe over this often, unless the trunk asks for another time (RFC 5626 section 4.4.1).
    pub keep_alive: Option<Duration>,
    /// What sound is offered to it, and taken from it.
    pub terms: Terms,
}

impl TrunkPeer {
    /// A trunk nobody is known by, that leads nowhere.
    pub fn new(trunk: TrunkId) -> TrunkPeer {
        TrunkPeer {
            trunk,
            sources: Vec::new(),
            certified: false,
            secret: None,
            peers: Vec::new(),
            named: Vec::new(),
            proxy: false,
            bind: None,
            patience: Duration::from_secs(4),
            domain: None,
            user: None,
            from_user: None,
            digest_domain: false,
            credentials: None,
            register: None,
            probe: None,
            keep_alive: None,
            terms: Terms::default(),
        }
    }

    /// Whether requests can go anywhere.
    pub(crate) fn is_reachable(&self) -> bool {
        !(self.peers.is_empty() && self.named.is_empty())
    }

    /// Whether we keep registered.
    pub(crate) fn registers(&self) -> bool {
        self.register.is_some() && self.credentials.is_some() && self.is_reachable()
    }

    /// What a registrar knows us by, where we keep registered: user, domain, and the socket of the contact.
    pub(crate) fn registration(&self) -> Option<(&Name, Option<&str>, Option<SocketAddr>)> {
        let account = self.credentials.as_ref().filter(|_| self.registers())?;
        Some((self.user.as_ref().unwrap_or(&account.user), self.domain.as_deref(), self.bind))
    }
}

/// A header whose value only a carrier and we know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name.
    pub header: Name,
    /// Its value.
    pub value: Name,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", self.header)
    }
}

/// One address of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Share of the calls among those of the same priority; 0: hardly ever first.
    pub weight: u16,
}

impl Peer {
    /// The only one.
    pub fn new(transport: Transport, address: SocketAddr) -> Peer {
        Peer { transport, address, priority: 0, weight: 1 }
    }

    /// Whether both are the same place.
    pub fn is_at(&self, other: &Peer) -> bool {
        (self.transport, self.address) == (other.transport, other.address)
    }
}

/// How one address of a trunk was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerState {
    /// Which.
    pub peer: Peer,
    /// What the last probe said; `None`: nobody asked, or nothing is known yet.
    pub standing: Option<Result<(), Trouble>>,
    /// We are registered at it.
    pub registered: bool,
}

/// A user and its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// User part, and digest username.
    pub user: Name,
    /// Clear-text password.
    pub password: Name,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.user)
    }
}

/// The named maximum of everything that can grow. At each the answer is 503 with Retry-After, or silence, and a count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Legs at once.
    pub legs: usize,
    /// Server transactions at once.
    pub transactions: usize,
    /// Contacts per account.
    pub contacts: usize,
    /// Shortest registration in seconds; a shorter one gets 423.
    pub register_min: u32,
    /// Longest registration in seconds, and the one given when none is asked for.
    pub register_max: u32,
    /// How often phones by UDP are asked whether they are there; zero: never.
    pub qualify: Duration,
    /// Phones told of something at once, by subscription or unasked; of one thing, by one account, as many subscriptions as contacts.
    pub lamps: usize,
    /// Connections at once.
    pub connections: usize,
    /// Larger requests to a trunk that is reached by UDP go by TCP, if it takes that (RFC 3261 section 18.1.1). 0: never.
    pub datagram_bytes: usize,
    /// Bytes of one message's header.
    pub header_bytes: usize,
    /// Bytes of one message's body.
    pub body_bytes: usize,
    /// Challenge with SHA-256 as well, before MD5 (RFC 8760). Off by default: baresip 1 refuses every challenge when one of
    /// them is not MD5, SIPp 3.6 looks only at the first. An answer by either hash is taken in any case.
    pub sha256: bool,
    /// Sessions are refreshed by this interval, at least 90 s, unless the peer wants it shorter (RFC 4028). Zero: never by us.
    pub session_expires: Duration,
    /// Tell registered phones of waiting messages unasked as well, when their account has no subscription (RFC 3842 leaves it
    /// open; many desk phones want it so). Off by default.
    pub mwi_unsolicited: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            legs: 20_000,
            transactions: 200_000,
            contacts: 4,
            register_min: EXPIRES_MIN,
            register_max: EXPIRES_MAX,
            qualify: Duration::ZERO,
            lamps: 100_000,
            connections: 10_000,
            datagram_bytes: 1_300,
            header_bytes: 65_536,
            body_bytes: 65_536,
            sha256: false,
            session_expires: Duration::from_secs(1800),
            mwi_unsolicited: false,
        }
    }
}
