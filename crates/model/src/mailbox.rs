//! Where callers leave messages, and a message.

use crate::{CallId, Name, TapeId, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whose messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mailbox {
    /// A queue's, by name.
    Queue(Name),
    /// An agent's, by agent number.
    Agent(Name),
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mailbox::Queue(name) => write!(f, "queue {name}"),
            Mailbox::Agent(number) => write!(f, "agent {number}"),
        }
    }
}

/// What a caller left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its recording, and its name.
    pub tape: TapeId,
    /// Where it is.
    pub mailbox: Mailbox,
    /// The call it was left in.
    pub call: CallId,
    /// The caller's number, national; empty when withheld.
    pub from: Name,
    /// When it was left.
    pub left: Time,
    /// Milliseconds of sound; 0 while it is being recorded.
    pub ms: u64,
    /// Below the folder of recordings.
    pub file: Name,
    /// Somebody has listened to it.
    pub heard: bool,
}
