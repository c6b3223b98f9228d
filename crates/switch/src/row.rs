//! What people are shown: one row for each agent, queue, call, trunk or peer.

use busyhour_model::{AgentState, CallId, Name, Time, Trouble};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRow {
    /// Agent number.
    pub agent: Name,
    /// Display name.
    pub name: String,
    /// Team.
    pub team: Name,
    /// Site, when one is given.
    pub site: Option<Name>,
    /// State.
    pub state: AgentState,
    /// Since when.
    pub since: Time,
    /// Not-ready reason.
    pub reason: Option<Name>,
    /// Call in hand.
    pub call: Option<CallId>,
    /// Registered contacts.
    pub contacts: u32,
    /// Registered too, but silent when asked whether they are there, and not rung.
    #[serde(default)]
    pub silent: u32,
    /// The account that rings: the own one, or where the agent signed in by PIN; `None` when somebody else has the own one.
    #[serde(default)]
    pub phone: Option<Name>,
    /// Skills and levels.
    pub skills: Vec<(Name, u8)>,
    /// Messages in the own mailbox nobody has listened to.
    pub messages: u32,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// Name.
    pub queue: Name,
    /// Open by its schedule.
    pub open: bool,
    /// Calls waiting.
    pub waiting: u32,
    /// Of those, by tier; who has none is `default`.
    pub tiers: Vec<(Name, u32)>,
    /// Calls being offered.
    pub ringing: u32,
    /// Of the calls waiting and being offered, or out of line for a while: those that wait to call somebody back.
    pub callbacks: u32,
    /// Messages in its mailbox nobody has listened to.
    pub messages: u32,
    /// Since when the oldest waits.
    pub oldest: Option<Time>,
    /// Agents who could serve it, signed in.
    pub agents_signed_in: u32,
    /// Of those, ready.
    pub agents_ready: u32,
    /// Predicted wait of the next caller in milliseconds; `None` when nothing can be said.
    pub wait_ms: Option<u64>,
}

/// Where one waiting call stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRow {
    /// Which.
    pub call: CallId,
    /// Where it waits.
    pub queue: Name,
    /// Calls served before it as things are.
    pub ahead: u32,
    /// Predicted further wait in milliseconds; `None` when nothing can be said.
    pub wait_ms: Option<u64>,
}

/// One call in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRow {
    /// Which.
    pub call: CallId,
    /// `ivr`, `queued`, `callback`, `ringing`, `briefing`, `talking`, `ended`.
    pub stage: Name,
    /// Since when the call exists.
    pub arrived: Time,
    /// Caller, masked.
    pub from: String,
    /// Dialled number.
    pub to: String,
    /// Queue or node it is in.
    pub at: Name,
    /// Calls served before it as things are, when it waits.
    pub ahead: Option<u32>,
    /// Predicted further wait in milliseconds, when it waits and something can be said.
    pub wait_ms: Option<u64>,
    /// Partner, when ringing or talking.
    pub partner: Option<Name>,
    /// Its conversation is recorded, or that is paused.
    pub recording: Option<Name>,
    /// What the dialplan shows of the caller.
    pub data: BTreeMap<Name, String>,
}

/// One trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkRow {
    /// Name.
    pub trunk: Name,
    /// Channels in use, inbound.
    pub channels_in: u32,
    /// Channels in use, outbound.
    pub channels_out: u32,
    /// Limit.
    pub channels: u32,
    /// Answers, or was never asked.
    pub up: bool,
    /// Takes no new calls.
    #[serde(default)]
    pub drained: bool,
    /// Why not.
    pub trouble: Option<Trouble>,
    /// Its addresses.
    pub peers: Vec<PeerRow>,
}

/// One address of a trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRow {
    /// `udp:203.0.113.5:5060`; a name that leads nowhere stands for itself.
    pub peer: String,
    /// The name that led there, `sip:carrier.example`.
    #[serde(default)]
    pub name: Option<String>,
    /// The name could not be looked up last: this is where it was.
    #[serde(default)]
    pub stale: bool,
    /// Answers our probes; `None`: not asked, or not known yet.
    pub up: Option<bool>,
    /// Why not.
    pub trouble: Option<Trouble>,
    /// We are registered at it.
    pub registered: bool,
}

/// One banned source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanRow {
    /// An IPv4 address, or an IPv6 network.
    pub source: Name,
    /// `scanner`, `guessing`.
    pub reason: Name,
    /// Since when.
    pub since: Time,
    /// Until when.
    pub until: Time,
    /// Messages met with silence so far.
    pub silenced: u64,
}
