//! What a session wants done next, and what it is told.

use crate::bot::{Talk, TalkEnd};
use crate::keyed::Pin;
use crate::lookup::{LookUp, LookUpAnswer};
use busyhour_model::{
    DequeueReason, LookUpOutcome, Mailbox, Message, Name, Number, OfferOutcome, Schedule, Sound, TapeId,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who calls, when a session begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The calling number.
    pub from: Number,
    /// The dialled number.
    pub to: Number,
    /// Trunk or agent number the call came by.
    pub origin: Name,
    /// What the caller's number says of the caller.
    pub tier: Option<Name>,
}

impl Caller {
    /// What was dialled, in national form; as it came, when that is no number but a name.
    pub(crate) fn dialled(&self) -> &String {
        if self.to.national.is_empty() { &self.to.raw } else { &self.to.national }
    }
}

/// What the session is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Begin at the first node.
    Start,
    /// What was played last has been heard to its end.
    PlayEnded,
    /// A key: `0`-`9`, `*`, `#`, `A`-`D`.
    Digit(char),
    /// `poll_timeout` is due.
    Timeout,
    /// Answer to `Step::AskPlace`, at once.
    Place {
        /// Calls ahead.
        ahead: u32,
        /// Predicted further wait.
        wait: Option<Duration>,
    },
    /// Answer to `Step::AskQueues`, at once: the state of each queue there is.
    Queues(BTreeMap<Name, QueueState>),
    /// Answer to a `Step::LookUp`.
    LookedUp {
        /// To which.
        id: u32,
        /// What came back.
        answer: LookUpAnswer,
    },
    /// How a `Step::Talk` ended, unless the session made an end of it.
    Talked {
        /// Which.
        id: u32,
        /// How.
        end: TalkEnd,
    },
    /// The queue gave the call back. (When an agent takes it, the session just ends.)
    Dequeued(DequeueReason),
    /// The agent number asked for is unknown, offline or busy: answer to `Enqueue { agent: Some }` instead of waiting.
    AgentUnavailable(AgentAvailability),
    /// The dialled party did not answer. (When it does, the session sleeps until `PartnerLeft`.)
    DialFailed(OfferOutcome),
    /// Answer to `Step::Callback`, at once: the caller will be called back, or not.
    Callback {
        /// It is promised.
        taken: bool,
    },
    /// Answer to `Step::SignIn`, at once.
    SignedIn {
        /// The caller is that agent from now on.
        done: bool,
    },
    /// How `Step::Refer` went.
    Referred {
        /// The other side answered.
        answered: bool,
    },
    /// The dialled party or agent hung up and the caller is still here.
    PartnerLeft,
    /// The caller is a fax machine: its calling tone was heard (ITU-T T.30).
    Fax,
    /// Answer to `Step::OpenMailbox`, at once.
    Mailbox {
        /// Not full, and somebody's.
        open: bool,
    },
    /// Answer to `Step::AskMessages`, at once.
    Messages(Vec<Message>),
    /// Answer to `Step::Record`, once the recording has ended and is filed.
    Recorded {
        /// `None`: nothing could be recorded.
        tape: Option<TapeId>,
        /// How long it is without the silence at its end.
        voice: Duration,
    },
}

/// Why a keyed-in agent cannot be rung now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentAvailability {
    /// In a call, ringing or in wrap-up.
    Busy,
    /// Not signed in or not ready.
    Offline,
    /// No such number.
    Unknown,
}

/// What a branch may ask of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueState {
    /// Open by its schedule.
    pub open: bool,
    /// Calls waiting.
    pub waiting: u32,
    /// Agents who could serve it, signed in.
    pub signed_in: u32,
    /// Of those, ready.
    pub ready: u32,
    /// Predicted wait of the next caller.
    pub wait: Option<Duration>,
}

/// What the session wants done next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A node was entered (a fact; nothing to do).
    Entered(Name),
    /// Send 180.
    Ring,
    /// Send 200. Later steps follow at once; playing may start before the ACK.
    Answer,
    /// What is said in this call from now on is left out of its recordings, or is in them again.
    PauseRecording {
        /// Left out.
        on: bool,
    },
    /// Play these, replacing what plays. `Input::PlayEnded` follows unless `repeat`.
    Play {
        /// In this order.
        sounds: Vec<Sound>,
        /// For ever.
        repeat: bool,
    },
    /// Stop playing.
    Stop,
    /// Wait for an agent; the session lives on as the in-queue programme.
    Enqueue {
        /// Queue name.
        queue: Name,
        /// Skills required in addition, by name, with least level.
        skills: Vec<(Name, u8)>,
        /// Added head start, points.
        priority: i32,
        /// Only this agent number; answered with `AgentUnavailable` unless ready or `wait_busy`.
        agent: Option<Name>,
        /// Wait on the personal list although the agent is busy.
        wait_busy: bool,
        /// Rather one of these than anybody: the first who is there.
        prefer: Vec<Preference<Name>>,
    },
    /// Tell me `Input::Place` now.
    AskPlace,
    /// Tell me `Input::Queues` now.
    AskQueues(Vec<Name>),
    /// Ask another program; go on meanwhile and tell me `Input::LookedUp` when it has answered.
    LookUp(LookUp),
    /// Tell the facts how a look-up ended.
    LookedUp {
        /// The look-up's node: the session may be past it.
        node: Name,
        /// How.
        outcome: LookUpOutcome,
        /// Requests made.
        attempts: u32,
        /// From the first request on.
        took: Duration,
    },
    /// Let the caller talk with a bot; tell me `Input::Talked` when it says that this is over, or cannot be reached.
    Talk(Talk),
    /// Tell that bot of a key.
    TellKey(char),
    /// The talk is over.
    Talked {
        /// By which outcome.
        outcome: Name,
    },
    /// Tell the facts that a survey begins.
    SurveyBegun {
        /// Which.
        survey: Name,
    },
    /// Tell the facts that a question of it was answered.
    Surveyed {
        /// Question.
        question: Name,
        /// By this key.
        key: char,
        /// Which is worth this.
        score: u32,
        /// Of the first question: whether that says satisfied.
        satisfied: Option<bool>,
    },
    /// Tell the facts that it is over.
    SurveyEnded {
        /// All was answered that was to be asked.
        complete: bool,
    },
    /// Tell the facts that this place was announced.
    Announced {
        /// Calls ahead.
        ahead: u32,
        /// Predicted further wait.
        wait: Option<Duration>,
    },
    /// Leave the line. Entering that queue again in the same call leads to the same place.
    LeaveQueue,
    /// Ring somebody and connect.
    Dial {
        /// A number (by trunk) or an agent number.
        to: DialTarget,
        /// Give up ringing after this.
        timeout: Duration,
        /// Pressed when it is answered.
        keys: Vec<Sound>,
    },
    /// Let the caller's side call this number itself. `Input::Referred` follows.
    Refer {
        /// The number.
        number: String,
    },
    /// The session is over: the caller talks to somebody else without us.
    PassedOn,
    /// Keep the place in the queue left last and call back when an agent is there. Tell me `Input::Callback` now.
    Callback {
        /// Where to; the calling number when none is given.
        number: Option<String>,
    },
    /// Let an agent sign in at the phone that calls. Tell me `Input::SignedIn` now.
    SignIn {
        /// Agent number.
        agent: String,
        /// That shows it is this agent.
        pin: Pin,
    },
    /// Record the caller until one of these ends it. `Input::Recorded` follows.
    Record {
        /// What the recording is for.
        keep: Keep,
        /// It ends after so long.
        longest: Duration,
        /// A shorter one is not kept, should the caller hang up.
        shortest: Duration,
        /// It ends when the caller is silent for so long.
        silence: Option<Duration>,
        /// It ends at these keys.
        keys: String,
    },
    /// Is there room in this mailbox? `Input::Mailbox` follows at once.
    OpenMailbox {
        /// Which.
        mailbox: Mailbox,
    },
    /// Tell me `Input::Messages` now.
    AskMessages {
        /// Of which.
        mailbox: Mailbox,
    },
    /// Somebody has listened to a message.
    MessageHeard {
        /// Which.
        tape: TapeId,
    },
    /// Remove a message.
    DeleteMessage {
        /// Which.
        tape: TapeId,
    },
    /// Put a recording of this call into a mailbox.
    Deposit {
        /// Where.
        mailbox: Mailbox,
        /// Which.
        tape: TapeId,
    },
    /// Throw a recording of this call away.
    Discard {
        /// Which.
        tape: TapeId,
    },
    /// The session is over: hang up, or refuse with this status if the call was not answered yet.
    HangUp {
        /// Final status before an answer, 400-699.
        status: u16,
        /// ITU-T Q.850, for the caller's side.
        cause: Option<u8>,
    },
}

/// Whom a caller should rather get than anybody. Who that is, is written as `T`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preference<T> {
    /// Who.
    pub whom: Preferred<T>,
    /// So long for nobody else, if that agent is busy.
    pub patience: Duration,
}

/// A preferred agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preferred<T> {
    /// This agent number.
    Agent(T),
    /// Who talked to this caller last, if no longer ago.
    Last {
        /// Since the conversation began.
        within: Duration,
    },
}

/// What a call asks of a queue beside an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Skills required in addition, by name, with least level.
    pub skills: Vec<(Name, u8)>,
    /// Added head start, points.
    pub priority: i32,
}

/// What a recording is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// The dialplan's variable of this name.
    Variable(Name),
    /// A message, unless it is too short; also when the caller hangs up.
    Message(Mailbox),
}

/// Whom a dialplan rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DialTarget {
    /// A number by a trunk; the default outbound trunk when none is named.
    Number {
        /// The number.
        number: String,
        /// Trunk name.
        trunk: Option<Name>,
    },
    /// An agent's phone, past the ACD.
    Agent(Name),
}

/// The names a dialplan may use, for checking it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Queues.
    pub queues: Vec<Name>,
    /// Skills.
    pub skills: Vec<Name>,
    /// Trunks.
    pub trunks: Vec<Name>,
    /// Bots.
    pub bots: Vec<Name>,
    /// Tiers of callers.
    pub tiers: Vec<Name>,
    /// Schedules; a branch asks whether they are open.
    pub schedules: Vec<(Name, Schedule)>,
    /// Prompt ids (without language); empty: not checked.
    pub prompts: Vec<Name>,
    /// Languages that have prompts.
    pub languages: Vec<Name>,
    /// Language and id of every recording; empty: translations are not checked.
    pub recordings: BTreeSet<(Name, Name)>,
    /// Nobody speaks: a text for a synthesizer is a mistake.
    pub mute: bool,
}
