//! What programs outside have to do with calls.

use crate::{CallId, Name};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A caller's talk with a bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotTalk {
    /// The call.
    pub call: CallId,
    /// Dialplan.
    pub plan: Name,
    /// Node.
    pub node: Name,
    /// Which bot.
    pub bot: Name,
    /// How it ended: `then`, `timed_out`, `failed`, one of the node's own, or `left`: the caller is elsewhere, or has hung up.
    pub outcome: Name,
    /// From calling the bot on.
    pub took: Duration,
}

/// A program that hears a call by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The call.
    pub call: CallId,
    /// Who runs it, as far as known.
    pub by: Name,
    /// It does, or does no more.
    pub on: bool,
}
