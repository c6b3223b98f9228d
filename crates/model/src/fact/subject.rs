//! Which call a fact is about.

use super::What;
use crate::{Briefing, CallId, Guest, Monitoring, TakeOver};

impl What {
    /// The call this is about, if one.
    pub fn call(&self) -> Option<CallId> {
        match self {
            What::Arrived { call, .. }
            | What::TrialBegan { call, .. }
            | What::Identified { call, .. }
            | What::Answered { call }
            | What::NodeEntered { call, .. }
            | What::LookedUp { call, .. }
            | What::SurveyBegun { call, .. }
            | What::Surveyed { call, .. }
            | What::SurveyEnded { call, .. }
            | What::IvrLeft { call, .. }
            | What::Enqueued { call, .. }
            | What::Dequeued { call, .. }
            | What::Announced { call, .. }
            | What::Offered { call, .. }
            | What::OfferEnded { call, .. }
            | What::Briefed(Briefing { call, .. })
            | What::LegOpened { call, .. }
            | What::LegRang { call, .. }
            | What::LegAnswered { call, .. }
            | What::LegEnded { call, .. }
            | What::Connected { call, .. }
            | What::Held { call, .. }
            | What::Disconnected { call, .. }
            | What::CallbackAsked { call, .. }
            | What::DialRefused { call, .. }
            | What::Transferred { call, .. }
            | What::LegLeft { call, .. }
            | What::LegJoined { call, .. }
            | What::RecordingBegan { call, .. }
            | What::Recorded { call, .. }
            | What::Monitored(Monitoring { call, .. })
            | What::GuestJoined(Guest { call, .. })
            | What::GuestLeft(Guest { call, .. })
            | What::TakenOver(TakeOver { call, .. })
            | What::RecordingLost { call, .. }
            | What::Discarded { call, .. }
            | What::Ended { call, .. } => Some(*call),
            What::TalkedWithBot(talk) => Some(talk.call),
            What::Attached(attached) => Some(attached.call),
            What::Talked(talked) => Some(talked.call),
            What::FaxHeard(heard) => Some(heard.call),
            What::Unheard(unheard) => Some(unheard.call),
            What::MessageLeft { message } => Some(message.call),
            What::ConversationTaped(conversation) => Some(conversation.call),
            What::Fault { call, .. } => *call,
            What::AgentEntered { .. }
            | What::Registered { .. }
            | What::Qualified { .. }
            | What::Seated { .. }
            | What::Unseated { .. }
            | What::SeatRefused { .. }
            | What::MessageHeard { .. }
            | What::MessageDeleted { .. }
            | What::RecordingHandled(_)
            | What::TrunkState { .. }
            | What::TrunkAnswered { .. }
            | What::TrunkRefused { .. }
            | What::Banned { .. }
            | What::Overload(_)
            | What::Reloaded { .. }
            | What::Changed { .. } => None,
        }
    }
}
