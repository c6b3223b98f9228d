//! The shared words: ids, time, audio vocabulary, numbers, diagnostics and facts.

mod audio;
pub mod calendar;
mod conversation;
mod diagnostic;
mod fact;
mod fork;
mod hearing;
mod id;
mod mailbox;
mod number;
mod outcome;
mod pattern;
mod people;
mod schedule;
mod seed;
mod srtp;
mod time;
mod why;

pub use audio::{Audio, Codec, Direction, G711, Gain, Side, Sound, StreamStats, WORDS_MAX, Words};
pub use conversation::{Conversation, Deed, Handled};
pub use diagnostic::{Diagnostic, Severity};
pub use fact::{Fact, What};
pub use fork::{Attached, BotTalk};
pub use hearing::{Deafness, FaxHeard, FaxTone, Talk, Talked, Unheard};
pub use id::{AgentId, CallId, ForkId, LegId, PlanId, PlayId, QueueId, SkillId, TapeId, TrunkId};
pub use mailbox::{Mailbox, Message};
pub use number::{Number, NumberKind};
pub use outcome::{
    AgentState, Cause, DequeueReason, Entrance, LookUpOutcome, OfferOutcome, Overload, Party, Release, Trouble, Voice,
};
pub use pattern::Pattern;
pub use people::{Briefing, Guest, Monitoring, TakeOver};
pub use schedule::{Days, Opening, Schedule};
pub use seed::Seed;
pub use srtp::{Fingerprint, Handshake, Ice, KeySecret, Keying, MasterKey, Srtp, Suite};
pub use time::Time;
pub use why::{Candidate, Rank, Rule, Why};

/// A name people chose: a queue, a trunk, an agent number (工号), a node. Cheap to clone.
pub type Name = std::sync::Arc<str>;
