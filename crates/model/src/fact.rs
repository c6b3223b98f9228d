//! What happened: past tense, serialisable, never changed. Records, metrics and boards are folds over these.

use crate::{AgentId, CallId, LegId, Name, Number, QueueId, Side, StreamStats, TapeId, Time, Why};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// When.
    pub at: Time,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. Facts of a call start with `Arrived` and end with exactly one `Ended`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum What {
    /// A new call: an INVITE from a trunk or an agent's phone was taken, or a caller asked to be called back.
    Arrived {
        /// The call.
        call: CallId,
        /// Its first leg; a call-back has none yet.
        leg: Option<LegId>,
        /// It is a call-back asked for in this call.
        callback_of: Option<CallId>,
        /// Who sent it.
        origin: Party,
        /// The caller, normalised.
        from: Number,
        /// The dialled number, normalised.
        to: Number,
        /// The SIP Call-ID of the first leg, to find it in a capture.
        sip_call_id: Name,
    },
    /// The caller got our 200, or the customer called back answered.
    Answered {
        /// The call.
        call: CallId,
    },
    /// The caller entered a dialplan node.
    NodeEntered {
        /// The call.
        call: CallId,
        /// Dialplan.
        plan: Name,
        /// Node.
        node: Name,
    },
    /// The dialplan asked another program; what was asked and answered is no fact.
    LookedUp {
        /// Which.
        call: CallId,
        /// Dialplan.
        plan: Name,
        /// Node.
        node: Name,
        /// How it ended.
        outcome: LookUpOutcome,
        /// Requests made.
        attempts: u32,
        /// From the first request on.
        took: Duration,
    },
    /// The caller left the dialplan.
    IvrLeft {
        /// The call.
        call: CallId,
        /// Dialplan.
        plan: Name,
        /// `to_agent`, `dialled`, `hung_up`, `caller_hung_up`, `failed`.
        outcome: Name,
    },
    /// The call began to wait for an agent.
    Enqueued {
        /// The call.
        call: CallId,
        /// Queue id, for machines.
        queue_id: QueueId,
        /// Queue name, for people.
        queue: Name,
        /// Priority class head start in points.
        priority: i32,
        /// Calls of that queue already waiting.
        ahead: u32,
        /// Since when it counts as waiting: the place it has.
        since: Time,
        /// How it came to have that place.
        entrance: Entrance,
        /// Tier of the caller, when there is one.
        #[serde(default)]
        tier: Option<Name>,
        /// Predicted wait; `None` when it need not wait or nothing can be said.
        #[serde(default)]
        wait: Option<Duration>,
    },
    /// The call left its queue without an agent.
    Dequeued {
        /// The call.
        call: CallId,
        /// Queue name.
        queue: Name,
        /// Why.
        reason: DequeueReason,
    },
    /// Position and wait were told to the caller.
    Announced {
        /// The call.
        call: CallId,
        /// Queue name.
        queue: Name,
        /// Calls ahead.
        ahead: u32,
        /// Predicted further wait.
        wait: Option<Duration>,
    },
    /// The call was offered to an agent.
    Offered {
        /// The call.
        call: CallId,
        /// Queue name.
        queue: Name,
        /// Agent number.
        agent: Name,
        /// Why this agent.
        why: Why,
        /// Agent number of the runner-up, when that is an agent: ids mean somebody else after a restart.
        #[serde(default)]
        runner_up: Option<Name>,
    },
    /// The offer was answered, by a human or by time.
    OfferEnded {
        /// The call.
        call: CallId,
        /// Queue name.
        queue: Name,
        /// Agent number.
        agent: Name,
        /// How.
        outcome: OfferOutcome,
    },
    /// A further leg was opened towards a phone or a trunk.
    LegOpened {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// To whom.
        party: Party,
    },
    /// A leg was answered with 2xx.
    LegAnswered {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// A leg is over and its media port released.
    LegEnded {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// Which side it faced.
        side: Side,
        /// Final SIP status; 200 for a leg that was answered and hung up.
        status: u16,
        /// What its stream carried.
        stats: StreamStats,
    },
    /// Caller and the other party began to talk.
    Connected {
        /// The call.
        call: CallId,
        /// The caller's partner.
        party: Party,
        /// Queue, when one was passed.
        queue: Option<Name>,
    },
    /// One party put the other on hold, or took it back.
    Held {
        /// The call.
        call: CallId,
        /// Who holds.
        leg: LegId,
        /// On or off.
        on: bool,
    },
    /// Talking ended (the call may go on elsewhere).
    Disconnected {
        /// The call.
        call: CallId,
        /// The caller's partner.
        party: Party,
    },
    /// The caller will be called back: another call keeps the place.
    CallbackAsked {
        /// The call.
        call: CallId,
        /// The call-back.
        callback: CallId,
        /// Queue name.
        queue: Name,
    },
    /// A caller who talked was sent on, by the partner or a supervisor.
    Transferred {
        /// The call.
        call: CallId,
        /// Whom the caller talked to.
        party: Party,
        /// Queue or dialplan node.
        to: Name,
    },
    /// The caller began to be recorded.
    RecordingBegan {
        /// The call.
        call: CallId,
        /// The tape.
        tape: TapeId,
        /// What for: a variable of the dialplan.
        name: Name,
    },
    /// A recording is a complete file.
    Recorded {
        /// The call.
        call: CallId,
        /// The tape.
        tape: TapeId,
        /// What for.
        name: Name,
        /// Below the folder of recordings.
        file: Name,
        /// Milliseconds of sound.
        ms: u64,
        /// Of them silence because the disk was too slow.
        gap_ms: u64,
        /// SHA-256 of the file, hexadecimal.
        sha256: Name,
    },
    /// A recording was thrown away; its file is removed.
    Discarded {
        /// The call.
        call: CallId,
        /// The tape.
        tape: TapeId,
    },
    /// The call is over; all its legs are down.
    Ended {
        /// The call.
        call: CallId,
        /// Why.
        cause: Cause,
    },
    /// An agent is now in this state.
    AgentEntered {
        /// Agent id, for machines.
        agent_id: AgentId,
        /// Agent number.
        agent: Name,
        /// The new state.
        state: AgentState,
        /// Not-ready reason.
        reason: Option<Name>,
    },
    /// A phone registered (`contacts` > 0) or none is left (0).
    Registered {
        /// Agent number.
        agent: Name,
        /// Contacts now bound.
        contacts: u32,
    },
    /// A trunk began or stopped to answer.
    TrunkState {
        /// Trunk name.
        trunk: Name,
        /// Answering.
        up: bool,
    },
    /// A call was refused at a trunk before it became a call.
    TrunkRefused {
        /// Trunk name.
        trunk: Name,
        /// `channels_full`, `unknown_number`, `overload`, ….
        reason: Name,
        /// SIP status sent.
        status: u16,
    },
    /// Configuration was loaded or refused.
    Reloaded {
        /// Taken.
        ok: bool,
    },
    /// Somebody changed one agent or queue; the rest of the configuration stayed.
    Changed {
        /// `agent 1001`, `queue enquiry`.
        what: Name,
        /// The keys and their values, no password; `removed`.
        change: Name,
        /// Who asked, as far as known: the address of the peer.
        by: Name,
    },
    /// Something of ours broke and was contained.
    Fault {
        /// The call it hit, if one.
        call: Option<CallId>,
        /// What broke.
        detail: Name,
    },
}

/// A party outside the switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A carrier, by trunk name.
    Trunk(Name),
    /// An agent, by agent number.
    Agent(Name),
}

impl Party {
    /// The side such a party's legs face.
    pub fn side(&self) -> Side {
        match self {
            Party::Trunk(_) => Side::Trunk,
            Party::Agent(_) => Side::Agent,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        match self {
            Party::Trunk(name) | Party::Agent(name) => name,
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

impl What {
    /// The call this is about, if one.
    pub fn call(&self) -> Option<CallId> {
        match self {
            What::Arrived { call, .. }
            | What::Answered { call }
            | What::NodeEntered { call, .. }
            | What::LookedUp { call, .. }
            | What::IvrLeft { call, .. }
            | What::Enqueued { call, .. }
            | What::Dequeued { call, .. }
            | What::Announced { call, .. }
            | What::Offered { call, .. }
            | What::OfferEnded { call, .. }
            | What::LegOpened { call, .. }
            | What::LegAnswered { call, .. }
            | What::LegEnded { call, .. }
            | What::Connected { call, .. }
            | What::Held { call, .. }
            | What::Disconnected { call, .. }
            | What::CallbackAsked { call, .. }
            | What::Transferred { call, .. }
            | What::RecordingBegan { call, .. }
            | What::Recorded { call, .. }
            | What::Discarded { call, .. }
            | What::Ended { call, .. } => Some(*call),
            What::Fault { call, .. } => *call,
            What::AgentEntered { .. }
            | What::Registered { .. }
            | What::TrunkState { .. }
            | What::TrunkRefused { .. }
            | What::Reloaded { .. }
            | What::Changed { .. } => None,
        }
    }
}
