//! How things begin and end, and who took part: the words facts are made of.

use crate::{Name, Side};
use serde::{Deserialize, Serialize};

/// Who hears a supervisor in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// Nobody.
    Listen,
    /// The agent.
    Whisper,
    /// All.
    Barge,
}

/// A party outside the switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A carrier, by trunk name.
    Trunk(Name),
    /// An agent, by agent number.
    Agent(Name),
    /// A bot that a dialplan lets callers talk with, by its name.
    Bot(Name),
}

impl Party {
    /// The side such a party's legs face.
    pub fn side(&self) -> Side {
        match self {
            Party::Trunk(_) => Side::Trunk,
            Party::Agent(_) | Party::Bot(_) => Side::Agent,
        }
    }

    /// The agent number, when it is an agent.
    pub fn agent(&self) -> Option<&Name> {
        match self {
            Party::Agent(agent) => Some(agent),
            Party::Trunk(_) | Party::Bot(_) => None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        match self {
            Party::Trunk(name) | Party::Agent(name) | Party::Bot(name) => name,
        }
    }
}

/// How a call came into a queue, which decides what place it has there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entrance {
    /// For the first time: behind those who came before.
    #[default]
    First,
    /// Back from the dialplan, to the place it had.
    Returned,
    /// Of a caller who gave up and called again soon: to the place had then.
    Resumed,
    /// Sent by an agent, with the time of the queue it came from.
    Transferred,
    /// The agent's phone was lost in mid-call: back to the head.
    PhoneLost,
    /// Without a caller on the line: to be called back, with the place the caller had.
    Callback,
}

/// How a look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookUpOutcome {
    /// With an answer.
    Found,
    /// With the answer that there is nothing.
    NotFound,
    /// With an answer that helps nobody.
    Refused,
    /// Without an answer in time.
    Unreachable,
}

/// New calls and registrations are refused, or no longer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overload {
    /// Refused from now on.
    pub on: bool,
    /// Requests refused in the episode that ends.
    pub refused: u64,
}

/// Why a call left its queue without an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DequeueReason {
    /// The caller hung up.
    Abandoned,
    /// It waited longer than the queue allows.
    TimedOut,
    /// The queue was full when it came.
    Full,
    /// Nobody was signed in.
    NoAgents,
    /// The caller pressed a key to leave.
    Left,
    /// The queue is closed by its schedule.
    Closed,
}

/// How an offer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferOutcome {
    /// The agent took it.
    Answered,
    /// The agent let it ring.
    NoAnswer,
    /// The agent's phone refused it.
    Refused,
    /// The phone could not be reached.
    Unreachable,
    /// The caller hung up while it rang.
    Abandoned,
    /// It was taken back: another agent answered first, or this one was signed out or stopped.
    Withdrawn,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The caller hung up (BYE).
    CallerHungUp,
    /// The caller gave up before our answer (CANCEL).
    CallerCancelled,
    /// The agent or dialled party hung up.
    PartnerHungUp,
    /// The dialplan ended the call.
    IvrHungUp,
    /// The caller's side called somebody else itself, as the dialplan asked it to.
    PassedOn,
    /// Its other side was passed on into another call.
    Joined,
    /// The call was refused with a final response.
    Refused(u16),
    /// No sound or signalling from a peer for too long.
    PeerVanished,
    /// A supervisor or operator ended it.
    OperatorHungUp,
    /// It lasted as long as a call may.
    TooLong,
    /// A call-back never reached the customer.
    CallbackFailed,
    /// A call-back waited as long as one may.
    CallbackExpired,
    /// A fault of ours.
    Fault,
}

/// How the signalling of a leg ended, beside its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// By the peer; else by us.
    pub by_peer: bool,
    /// ITU-T Q.850: what was said, else what the status stands for (RFC 3398).
    pub cause: u8,
    /// The peer said it (RFC 3326).
    pub told: bool,
    /// The status the peer gave as the reason, where it said one.
    pub sip: Option<u16>,
}

/// What an agent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Not there.
    SignedOut,
    /// Signed in, taking no calls.
    NotReady,
    /// Free for a call.
    Ready,
    /// A call is being offered.
    Ringing,
    /// In a call.
    Talking,
    /// In a call whose other side hears music. The ACD makes no difference between this and talking.
    Hold,
    /// After-call work.
    WrapUp,
}

/// What is wrong with a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The carrier answers, and refuses us: this status of SIP.
    Refused(u16),
    /// No answer at all.
    Silent,
    /// The name of every peer is unknown, or nobody could be asked for it.
    Unresolved,
}

impl Trouble {
    /// All kinds, as metrics name them.
    pub const KINDS: [&'static str; 3] = ["refused", "silent", "unresolved"];

    /// Its kind.
    pub fn kind(self) -> &'static str {
        match self {
            Trouble::Refused(_) => "refused",
            Trouble::Silent => "silent",
            Trouble::Unresolved => "unresolved",
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Refused(status) => write!(f, "refused, {status}"),
            Trouble::Silent => f.write_str("no answer"),
            Trouble::Unresolved => f.write_str("name not resolved"),
        }
    }
}
