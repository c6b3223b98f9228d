//! Connections as the stack sees them: unread bytes and patience (RFC 3261 section 18).

use crate::Framer;
use crate::event::Flow;
use crate::timer::Timer;
use busyhour_model::TrunkId;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A message that is not complete after so long ends its connection.
pub(crate) const MESSAGE_MAX: Duration = Duration::from_secs(5);

/// One open connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) flow: Flow,
    pub(crate) framer: Framer,
    /// Runs while a message is incomplete.
    pub(crate) stalled: Option<Timer>,
    /// Whether requests of ours went over it.
    pub(crate) awaited: bool,
    /// The trunks whose certificate the peer has shown.
    pub(crate) certified: Vec<TrunkId>,
}

impl Connection {
    pub(crate) fn new(flow: Flow) -> Connection {
        Connection { flow, framer: Framer::default(), stalled: None, awaited: false, certified: Vec::new() }
    }
}
