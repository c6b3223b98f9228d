//! Everything that can happen.

use crate::{
    AgentId, AgentState, Attached, BotTalk, Briefing, CallId, Cause, Conversation, DequeueReason, Entrance, FaxHeard,
    Guest, Handled, LegId, LookUpOutcome, Mailbox, Message, Monitoring, Name, Number, OfferOutcome, Overload, Party,
    QueueId, Release, Side, StreamStats, TakeOver, Talked, TapeId, Time, Trouble, Unheard, Why,
};
use {serde::Deserialize, serde::Serialize, std::time::Duration};

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
    /// The call is a trial: an operator has a number called by this trunk.
    TrialBegan {
        /// The call.
        call: CallId,
        /// Trunk name.
        trunk: Name,
        /// Who asked, as far as known.
        by: Name,
    },
    /// Who calls, as the trunk said it.
    Identified {
        /// The call.
        call: CallId,
        /// The number is shown to nobody.
        withheld: bool,
        /// The Request-URI and the headers that say who calls and whom, as they came.
        headers: Vec<(String, String)>,
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
    /// The caller has talked with a bot.
    TalkedWithBot(BotTalk),
    /// A survey begins; it is about the last talk.
    SurveyBegun {
        /// The call.
        call: CallId,
        /// Survey.
        survey: Name,
    },
    /// The caller answered a question of it.
    Surveyed {
        /// The call.
        call: CallId,
        /// Question.
        question: Name,
        /// By this key.
        key: char,
        /// Which is worth this.
        score: u32,
        /// Of the first question: whether that says satisfied.
        satisfied: Option<bool>,
    },
    /// It is over; it has no end of its own when the call ends in the middle.
    SurveyEnded {
        /// The call.
        call: CallId,
        /// All was answered that was to be asked.
        complete: bool,
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
    /// An agent who had answered an offer was told of the caller; `OfferEnded` follows.
    Briefed(Briefing),
    /// A further leg was opened towards a phone or a trunk.
    LegOpened {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// To whom.
        party: Party,
    },
    /// A telephone outside rings: the first 18x of such a leg.
    LegRang {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// 180, 183, ….
        status: u16,
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
        /// Who ended it, and why.
        #[serde(default)]
        release: Option<Release>,
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
    /// It was measured who talked while they did; comes after `Disconnected`, once for each stretch they were heard.
    Talked(Talked),
    /// A fax machine or modem was heard.
    FaxHeard(FaxHeard),
    /// One-way audio.
    Unheard(Unheard),
    /// A leg is another call's from now on: its owner was passed on by an agent in both.
    LegLeft {
        /// The call it leaves.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// The call it goes to.
        to: CallId,
    },
    /// A leg came from another call.
    LegJoined {
        /// The call it comes to.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// Whose it is.
        party: Party,
        /// It does not ring any more.
        answered: bool,
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
        /// What for: a variable of the dialplan, or `voicemail`.
        name: Name,
        /// The message it will be.
        message: Option<Box<Message>>,
    },
    /// A conversation began to be recorded. `Recorded` follows with the name `conversation`, unless nothing came of it.
    ConversationTaped(Box<Conversation>),
    /// A supervisor hears the call, is heard otherwise, or hears it no more.
    Monitored(Monitoring),
    /// A program hears the call, or does no more.
    Attached(Attached),
    /// A further party talks in the call, with all who do.
    GuestJoined(Guest),
    /// It does no more; or it has the place of the partner, who is gone: then `Connected` follows.
    GuestLeft(Guest),
    /// A supervisor took the call from its agent; `Transferred` and `Connected` follow.
    TakenOver(TakeOver),
    /// A conversation's recording could not be written.
    RecordingLost {
        /// The call.
        call: CallId,
        /// The tape.
        tape: TapeId,
    },
    /// Somebody did something with a conversation's recording.
    RecordingHandled(Handled),
    /// A caller's message is in a mailbox.
    MessageLeft {
        /// The message.
        message: Box<Message>,
    },
    /// Somebody listened to a message for the first time.
    MessageHeard {
        /// Which.
        tape: TapeId,
        /// Where it is.
        mailbox: Mailbox,
    },
    /// A message and its recording were removed.
    MessageDeleted {
        /// Which.
        tape: TapeId,
        /// Where it was.
        mailbox: Mailbox,
        /// It had been kept for as long as messages are.
        expired: bool,
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
    /// A registered phone gave no answer to OPTIONS and is not rung, or it answers again.
    Qualified {
        /// Its account.
        phone: Name,
        /// It does again.
        answers: bool,
    },
    /// An agent signed in by PIN at a phone; calls ring there.
    Seated {
        /// Agent number.
        agent: Name,
        /// Its account.
        phone: Name,
    },
    /// An agent has a phone that is not the own one no more.
    Unseated {
        /// Agent number.
        agent: Name,
        /// Its account.
        phone: Name,
        /// `signed_out`, `elsewhere`, `taken`, `phone_gone`, `removed`.
        reason: Name,
    },
    /// Nobody was signed in at a phone.
    SeatRefused {
        /// Its account, or the trunk of who has no phone of ours.
        phone: Name,
        /// `wrong_pin`, `locked`, `busy`, `no_phone`.
        reason: Name,
    },
    /// A trunk began or stopped to answer.
    TrunkState {
        /// Trunk name.
        trunk: Name,
        /// Answering.
        up: bool,
        /// Why not.
        #[serde(default)]
        trouble: Option<Trouble>,
    },
    /// A trunk answered our REGISTER, or our BYE, or gave no answer to that.
    TrunkAnswered {
        /// Trunk name.
        trunk: Name,
        /// `REGISTER`, `BYE`.
        method: Name,
        /// From the first time it was sent, through challenges, to the final response or to giving up.
        took: Duration,
        /// By 2xx.
        successful: bool,
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
    /// A number outside was not called.
    DialRefused {
        /// The call.
        call: CallId,
        /// Trunk name, when one was chosen.
        trunk: Option<Name>,
        /// `barred`, `no_trunk`, `channels_full`, ….
        reason: Name,
    },
    /// A source of SIP requests is met with silence for a while.
    Banned {
        /// An IPv4 address, or an IPv6 network.
        source: Name,
        /// `scanner`, `guessing`.
        reason: Name,
        /// Until when.
        until: Time,
    },
    /// The control loop is behind: new calls and registrations are refused, or no longer are.
    Overload(Overload),
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
