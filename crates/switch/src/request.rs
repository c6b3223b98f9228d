//! What people ask of the switch — agent desktop, supervisor, operator — and what they are told, at once.

use crate::guests::PartyRow;
use crate::row::{AgentRow, BanRow, CallRow, PlaceRow, QueueRow, TrunkRow};
use crate::setup::{AgentSetup, QueueSetup, Setup};
use crate::standing::{StandingRow, Towards};
use crate::transfer::Destination;
use crate::trial::Trial;
use busyhour_model::{AgentState, CallId, ForkId, LegId, Mailbox, Message, Name, TapeId, Voice};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// A person's wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// All agents.
    Agents,
    /// All queues.
    Queues,
    /// Calls in progress.
    Calls,
    /// Trunks.
    Trunks,
    /// Sources met with silence.
    Bans,
    /// Answer a source again.
    Unban {
        /// Any address of it.
        address: IpAddr,
    },
    /// Sign in, ready.
    Ready {
        /// Agent number.
        agent: Name,
    },
    /// Not ready (signs in when signed out).
    NotReady {
        /// Agent number.
        agent: Name,
        /// Why.
        reason: Name,
        /// An offer is withdrawn at once; otherwise not ready after it.
        force: bool,
    },
    /// After-call work ends so much later.
    ExtendWrapUp {
        /// Agent number.
        agent: Name,
        /// By how much.
        by: Duration,
    },
    /// Sign out.
    SignOut {
        /// Agent number.
        agent: Name,
    },
    /// The contacts of an account are forgotten; it may register again.
    Unregister {
        /// Agent or phone.
        account: Name,
    },
    /// The phones of an account are asked to fetch their settings and register again.
    Resync {
        /// Agent or phone.
        account: Name,
    },
    /// Where a waiting call stands.
    Place {
        /// Which.
        call: CallId,
    },
    /// End a call.
    HangUp {
        /// Which.
        call: CallId,
    },
    /// Why an agent is or is not offered a call now.
    Standing {
        /// Agent number.
        agent: Name,
        /// Towards what.
        towards: Towards,
    },
    /// Send a caller who talks on; the partner is free. A queue counts from the time of the queue the call came from.
    Transfer {
        /// Which.
        call: CallId,
        /// Where to.
        to: Destination,
    },
    /// Ring a supervisor, who hears a call then; one who is there already is heard so from now on.
    Monitor {
        /// Which.
        call: CallId,
        /// Who: an agent's number.
        supervisor: Name,
        /// Who hears the supervisor.
        voice: Voice,
    },
    /// A supervisor leaves a call.
    Unmonitor {
        /// Which.
        call: CallId,
        /// Who.
        supervisor: Name,
    },
    /// A program hears a call from now on, until it leaves or the call is over (`ForkNews::Over`).
    Attach {
        /// Which.
        call: CallId,
        /// New, and none the switch would choose.
        fork: ForkId,
        /// Who asks.
        by: Name,
    },
    /// It leaves.
    Detach {
        /// Which.
        call: CallId,
        /// As it came.
        fork: ForkId,
    },
    /// A supervisor who hears a call takes it from its agent, who is free then.
    TakeOver {
        /// Which.
        call: CallId,
        /// Who.
        supervisor: Name,
    },
    /// Ring somebody who is to talk in a call too, an agent or a number outside; or bring in whom its agent talks to in another call.
    AddParty {
        /// Which.
        call: CallId,
        /// Who.
        who: Destination,
    },
    /// Hang up on a further party of a call, or on the caller's partner.
    DropParty {
        /// Which.
        call: CallId,
        /// The party's.
        leg: LegId,
    },
    /// Who is in a call.
    Parties {
        /// Which.
        call: CallId,
    },
    /// Leave what is said out of a call's recording, or put it in again.
    PauseRecording {
        /// Which.
        call: CallId,
        /// Leave it out.
        on: bool,
        /// Who asks.
        by: Name,
    },
    /// Messages, the oldest of each mailbox first.
    Messages {
        /// Of this one only.
        mailbox: Option<Mailbox>,
    },
    /// One message.
    Message {
        /// Which.
        tape: TapeId,
    },
    /// Somebody listened to a message.
    MessageHeard {
        /// Which.
        tape: TapeId,
    },
    /// Remove a message and its recording.
    DeleteMessage {
        /// Which.
        tape: TapeId,
    },
    /// A trunk takes no new calls, or takes them again; until the next start.
    DrainTrunk {
        /// Trunk name.
        trunk: Name,
        /// Which of the two.
        drained: bool,
        /// Who asks.
        by: Name,
    },
    /// Call a number by one trunk, play to whoever answers, hang up.
    TryTrunk {
        /// Trunk name.
        trunk: Name,
        /// As an agent would dial it.
        number: String,
        /// Who asks.
        by: Name,
    },
    /// How such a call went or goes.
    Trial {
        /// Which.
        call: CallId,
    },
    /// Replace the configuration.
    Reload(Box<Setup>),
    /// Change one agent or queue of it; at once, for waiting calls too.
    Change {
        /// What it is from now on.
        change: Change,
        /// What is otherwise, for the fact.
        says: Name,
        /// Who asks.
        by: Name,
    },
}

/// An agent or a queue as it is from now on; validated by the shell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// An agent, new or known.
    Agent(Box<AgentSetup>),
    /// Nobody has this number any more. Signed out, with a call in hand when it ends.
    NoAgent(Name),
    /// A known queue; its waiting calls keep their places.
    Queue(Box<QueueSetup>),
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Change::Agent(agent) => write!(f, "agent {}", agent.number),
            Change::NoAgent(number) => write!(f, "agent {number}"),
            Change::Queue(queue) => write!(f, "queue {}", queue.name),
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// It is so now.
    Done,
    /// Agents, by number.
    Agents(Vec<AgentRow>),
    /// Queues, by name.
    Queues(Vec<QueueRow>),
    /// Calls, by id.
    Calls(Vec<CallRow>),
    /// Trunks, by name.
    Trunks(Vec<TrunkRow>),
    /// Sources met with silence, by address.
    Bans(Vec<BanRow>),
    /// An agent towards a call.
    Standing(StandingRow),
    /// One waiting call's place.
    Place(PlaceRow),
    /// Who is in a call: caller, partner, guests, supervisors.
    Parties(Vec<PartyRow>),
    /// Messages.
    Messages(Vec<Message>),
    /// One trial.
    Trial(Box<Trial>),
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Denied {
    /// Nobody has that number.
    #[error("no agent has the number {0}")]
    UnknownAgent(Name),
    /// No such call in progress.
    #[error("no call {0} is in progress")]
    UnknownCall(CallId),
    /// No such message.
    #[error("there is no message {}", .0.0)]
    UnknownMessage(TapeId),
    /// That address is answered already.
    #[error("{0} is not banned")]
    NotBanned(IpAddr),
    /// No such queue.
    #[error("there is no queue {0}")]
    UnknownQueue(Name),
    /// No such trunk.
    #[error("there is no trunk {0}")]
    UnknownTrunk(Name),
    /// Nothing a trunk could be asked to call.
    #[error("`{0}` is no telephone number")]
    NoNumber(String),
    /// No more calls or trials now.
    #[error("too many calls or trials are going on")]
    TooMany,
    /// The call waits for nobody.
    #[error("call {0} neither waits in a queue nor is it being offered")]
    NotWaiting(CallId),
    /// Nobody's caller: only a caller from a trunk who talks can be sent on.
    #[error("call {0} is no caller talking to somebody")]
    NotTalking(CallId),
    /// Nobody can listen to it so.
    #[error(
        "call {0} cannot be listened to: that agent takes part in it, or too many listen, or the agent is not among them"
    )]
    NotMonitored(CallId),
    /// Nobody can be added, or sent on.
    #[error(
        "call {0} is a conference that is full, or in which somebody is being rung, or whose parties are not sent on"
    )]
    Conference(CallId),
    /// Whom nobody could ring.
    #[error("whom to add to call {0} cannot be rung: in it already, busy, away, no person, or no trunk leads there")]
    NotReached(CallId),
    /// No such party.
    #[error("{leg} is neither the partner nor a further party of call {call}")]
    NoParty {
        /// Which.
        call: CallId,
        /// Whose.
        leg: LegId,
    },
    /// Nothing is being recorded of it.
    #[error("call {0} is no conversation that is recorded")]
    NotRecorded(CallId),
    /// No such node.
    #[error("the call's dialplan {plan} has no node {node}")]
    UnknownNode {
        /// Dialplan.
        plan: Name,
        /// Node.
        node: Name,
    },
    /// Nobody can be parked now.
    #[error("no slot for parked callers is free")]
    NoSlot,
    /// Nothing to dial.
    #[error("{0} is neither a queue, an agent, a number of ours nor a telephone number")]
    NoWay(String),
    /// By calls or callers passed on (`outside_limits`).
    #[error("agent {0} has called outside as often as one may")]
    CalledTooOften(Name),
    /// Nobody registers by that name.
    #[error("no agent and no phone has the number {0}")]
    UnknownAccount(Name),
    /// The agent's phone is not registered.
    #[error("the phone of agent {0} is not registered")]
    NoPhone(Name),
    /// The agent's state does not allow it.
    #[error("agent {agent} is {state:?}")]
    WrongState {
        /// Who.
        agent: Name,
        /// State.
        state: AgentState,
    },
}
