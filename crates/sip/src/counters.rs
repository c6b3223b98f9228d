//! What went over the wire, counted; the shell turns it into metrics.

use crate::{Method, Transport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which way a message went, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

/// A method as a label: a bounded set, so that peers cannot grow the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// RFC 3261.
    Invite,
    /// RFC 3261.
    Ack,
    /// RFC 3261.
    Bye,
    /// RFC 3261.
    Cancel,
    /// RFC 3261.
    Options,
    /// RFC 3261.
    Register,
    /// RFC 6086.
    Info,
    /// RFC 3311.
    Update,
    /// RFC 3262.
    Prack,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3515.
    Refer,
    /// RFC 3428.
    Message,
    /// RFC 3903.
    Publish,
    /// Any other.
    Other,
}

impl From<&Method> for Verb {
    fn from(method: &Method) -> Verb {
        match method {
            Method::Invite => Verb::Invite,
            Method::Ack => Verb::Ack,
            Method::Bye => Verb::Bye,
            Method::Cancel => Verb::Cancel,
            Method::Options => Verb::Options,
            Method::Register => Verb::Register,
            Method::Info => Verb::Info,
            Method::Update => Verb::Update,
            Method::Prack => Verb::Prack,
            Method::Subscribe => Verb::Subscribe,
            Method::Notify => Verb::Notify,
            Method::Refer => Verb::Refer,
            Method::Message => Verb::Message,
            Method::Publish => Verb::Publish,
            Method::Other(_) => Verb::Other,
        }
    }
}

impl Verb {
    /// The label, `OTHER` for what is not known by name.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Invite => "INVITE",
            Verb::Ack => "ACK",
            Verb::Bye => "BYE",
            Verb::Cancel => "CANCEL",
            Verb::Options => "OPTIONS",
            Verb::Register => "REGISTER",
            Verb::Info => "INFO",
            Verb::Update => "UPDATE",
            Verb::Prack => "PRACK",
            Verb::Subscribe => "SUBSCRIBE",
            Verb::Notify => "NOTIFY",
            Verb::Refer => "REFER",
            Verb::Message => "MESSAGE",
            Verb::Publish => "PUBLISH",
            Verb::Other => "OTHER",
        }
    }
}

/// A timer by the name its standard gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Clock {
    /// An INVITE is sent again.
    A,
    /// An INVITE nobody answered.
    B,
    /// An INVITE that rang for too long.
    C,
    /// The end of a refused INVITE of ours.
    D,
    /// Another request is sent again.
    E,
    /// Another request nobody answered.
    F,
    /// A refusal is sent again.
    G,
    /// A refusal nobody acknowledged.
    H,
    /// The end of a refused INVITE of theirs.
    I,
    /// The end of another request of theirs.
    J,
    /// The end of another request of ours.
    K,
    /// RFC 6026: the end of an INVITE we took.
    L,
    /// RFC 6026: the end of an INVITE of ours that was taken.
    M,
    /// A cancelled INVITE without a final response (section 9.1).
    Cancelled,
    /// A 2xx is sent again (section 13.3.1.4).
    Ok,
    /// A provisional response is sent again after a minute (section 13.3.1.1).
    Provisional,
    /// RFC 3262: a reliable response is sent again.
    Reliable,
    /// RFC 3262: a reliable response nobody acknowledged.
    Unheard,
    /// RFC 4028: a session is refreshed by us.
    Refresh,
    /// RFC 4028: a session its peer did not refresh.
    Expired,
}

impl Clock {
    /// All of them.
    pub const ALL: [Clock; 20] = [
        Clock::A,
        Clock::B,
        Clock::C,
        Clock::D,
        Clock::E,
        Clock::F,
        Clock::G,
        Clock::H,
        Clock::I,
        Clock::J,
        Clock::K,
        Clock::L,
        Clock::M,
        Clock::Cancelled,
        Clock::Ok,
        Clock::Provisional,
        Clock::Reliable,
        Clock::Unheard,
        Clock::Refresh,
        Clock::Expired,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Clock::A => "A",
            Clock::B => "B",
            Clock::C => "C",
            Clock::D => "D",
            Clock::E => "E",
            Clock::F => "F",
            Clock::G => "G",
            Clock::H => "H",
            Clock::I => "I",
            Clock::J => "J",
            Clock::K => "K",
            Clock::L => "L",
            Clock::M => "M",
            Clock::Cancelled => "cancelled",
            Clock::Ok => "2xx",
            Clock::Provisional => "provisional",
            Clock::Reliable => "reliable",
            Clock::Unheard => "unheard",
            Clock::Refresh => "refresh",
            Clock::Expired => "expired",
        }
    }
}

/// Counts since the start. Statuses are 100-699, so every table is bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests, first transmissions and retransmissions alike.
    pub requests: BTreeMap<(Way, Verb, Transport), u64>,
    /// Responses by status.
    pub responses: BTreeMap<(Way, Verb, u16), u64>,
    /// Retransmitted messages: ours by timer, theirs as seen.
    pub retransmissions: BTreeMap<(Way, Verb), u64>,
    /// Timers that fired.
    #[serde(default)]
    pub timers: BTreeMap<Clock, u64>,
    /// Bytes that were no SIP message; answered when enough could be read, else dropped.
    pub malformed: u64,
    /// Connections to trunks given up because a ping was not answered.
    pub pongs_missed: u64,
    /// Messages that matched nothing (late, duplicate, stray) or that we keep silent to.
    pub dropped: u64,
    /// Requests refused with 503 because a limit was reached.
    pub overloaded: u64,
    /// Wrong credentials.
    pub auth_failures: u64,
    /// Messages met with silence because their source is banned, or is locked out of that account.
    pub banned: u64,
    /// Requests of strangers met with silence because their source asks too much.
    pub throttled: u64,
    /// Transactions of ours that ended without a final response.
    pub timeouts: u64,
    /// Requests of ours that the network gave back (ICMP).
    #[serde(default)]
    pub undelivered: u64,
}

impl Counters {
    pub(crate) fn request(&mut self, way: Way, verb: Verb, transport: Transport) {
        *self.requests.entry((way, verb, transport)).or_default() += 1;
    }

    pub(crate) fn response(&mut self, way: Way, verb: Verb, status: u16) {
        *self.responses.entry((way, verb, status.clamp(100, 699))).or_default() += 1;
    }

    pub(crate) fn fired(&mut self, clock: Clock) {
        *self.timers.entry(clock).or_default() += 1;
    }

    pub(crate) fn retransmission(&mut self, way: Way, verb: Verb) {
        *self.retransmissions.entry((way, verb)).or_default() += 1;
    }
}
