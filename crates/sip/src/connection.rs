//! Connections as the stack sees them: unread bytes and patience (RFC 3261 section 18).

use crate::Framer;
use crate::alive::Pings;
use crate::event::Flow;
use crate::timer::Timer;
use busyhour_model::{Time, TrunkId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A message that is not complete after so long ends its connection.
pub(crate) const MESSAGE_MAX: Duration = Duration::from_secs(5);

/// A connection over which nothing came for so long is closed, unless a phone is registered over it.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(1800);

/// One open connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) flow: Flow,
    pub(crate) framer: Framer,
    /// When something came last.
    pub(crate) heard: Time,
    /// Looks whether anything came.
    pub(crate) idle: Timer,
    /// Runs while a message is incomplete.
    pub(crate) stalled: Option<Timer>,
    /// Whether requests of ours went over it.
    pub(crate) awaited: bool,
    /// While it is kept alive.
    pub(crate) pings: Option<Pings>,
    /// The trunks whose certificate the peer has shown.
    pub(crate) certified: Vec<TrunkId>,
}

impl Connection {
    pub(crate) fn new(now: Time, flow: Flow, idle: Timer) -> Connection {
        Connection {
            flow,
            framer: Framer::default(),
            heard: now,
            idle,
            stalled: None,
            awaited: false,
            pings: None,
            certified: Vec::new(),
        }
    }
}
