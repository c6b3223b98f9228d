//! What comes to a call.

use crate::transfer::{Onward, Side};
use busyhour_ivr::{LookUpAnswer, TalkEnd};
use busyhour_media::Filed;
use busyhour_model::{AgentId, Audio, CallId, DequeueReason, ForkId, LegId, Name, PlayId, QueueId, TapeId, Why};
use std::time::Duration;

/// What can happen to a call.
#[derive(Debug)]
pub(crate) enum Event {
    /// The call is set up: enter the dialplan.
    Begin,
    Progress {
        leg: LegId,
        status: u16,
        audio: Option<Audio>,
    },
    LegAnswered {
        leg: LegId,
        audio: Audio,
    },
    MediaChanged {
        leg: LegId,
        audio: Audio,
    },
    Gone {
        leg: LegId,
        how: Gone,
    },
    /// Whom we called is elsewhere.
    Moved {
        leg: LegId,
        how: Gone,
        to: String,
    },
    Digit {
        leg: LegId,
        digit: char,
    },
    /// The calling tone of a fax machine is heard.
    Fax {
        leg: LegId,
    },
    PlayEnded {
        leg: LegId,
        play: PlayId,
    },
    Closed {
        leg: LegId,
    },
    TapeEnded {
        tape: TapeId,
        voice: Duration,
    },
    Filed {
        tape: TapeId,
        file: Option<Filed>,
    },
    Offered {
        queue: QueueId,
        agent: AgentId,
        why: Why,
    },
    Withdrawn {
        agent: AgentId,
    },
    Overflowed(DequeueReason),
    Timeout,
    HangUp,
    /// To a node of its dialplan.
    Jump(Name),
    /// Whose leg this is sends the other side on.
    PassOn {
        leg: LegId,
        onward: Onward,
    },
    /// An agent's leg, not answered yet, is to have the call.
    PickedUp {
        leg: LegId,
        agent: Option<AgentId>,
    },
    /// The owner of a leg goes on with another one.
    Replace {
        old: LegId,
        new: LegId,
    },
    /// Its far side goes on in another call, in place of that one's partner.
    Give {
        leg: LegId,
        to: CallId,
        /// So does its owner, with this leg.
        whole: bool,
    },
    /// The caller's side was asked to call somebody else; whether that was answered.
    Referred {
        answered: bool,
    },
    /// A look-up of the dialplan was answered.
    LookedUp {
        id: u32,
        answer: LookUpAnswer,
    },
    /// A bot ended its talk, or failed.
    Talked {
        fork: ForkId,
        end: TalkEnd,
    },
    /// Out of another call comes a further party, and perhaps the leg its agent goes on with here.
    Joined {
        side: Side,
        own: Option<LegId>,
    },
    /// A supervisor who hears the call takes it from its agent.
    TakenOver {
        leg: LegId,
    },
}

impl Event {
    /// The leg it is about, if that may be nobody's but one party's.
    pub(crate) fn leg(&self) -> Option<LegId> {
        match self {
            Event::Progress { leg, .. }
            | Event::LegAnswered { leg, .. }
            | Event::MediaChanged { leg, .. }
            | Event::Gone { leg, .. }
            | Event::Moved { leg, .. }
            | Event::Digit { leg, .. }
            | Event::Fax { leg }
            | Event::PlayEnded { leg, .. } => Some(*leg),
            _ => None,
        }
    }
}

/// How a leg's signalling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Cancelled,
    Refused(u16),
    HungUp,
    Vanished,
}

impl Gone {
    pub(crate) fn status(self) -> u16 {
        match self {
            Gone::Cancelled => 487,
            Gone::Refused(status) => status,
            Gone::HungUp => 200,
            Gone::Vanished => 408,
        }
    }
}
