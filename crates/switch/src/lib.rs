//! What a call is: phases, legs, trunks, directory, desk. Owns the SIP stack, the IVR sessions and the ACD; touches nothing else.

mod arrival;
mod attached;
mod bots;
mod call;
mod callbacks;
mod causes;
mod conversations;
mod desk;
mod directory;
mod event;
mod groups;
mod guests;
mod hours;
mod journal;
mod lamps;
mod laws;
mod legs;
mod limits;
mod mailboxes;
mod memory;
mod monitors;
mod outward;
mod parking;
mod phase;
mod places;
mod plans;
mod plant;
mod policy;
mod ports;
mod program;
mod reload;
mod replay;
mod request;
mod rewriting;
mod row;
mod seats;
mod setup;
mod standing;
mod switch;
mod taping;
mod tiers;
mod transfer;
mod trial;
mod trunks;

pub use bots::{BotCall, BotSaid, ForkNews};
pub use busyhour_sip::{
    Account, Counters, Flow, Form, Found, Keys, Limits, NamedPeer, Network, Networks, Peer, Secrecy, Secret, Terms,
    Transmit, Transport, Unfound, Wanted,
};
pub use causes::{CauseRule, Causes};
pub use conversations::{CONVERSATION, DEFAULT_RETENTION, Recorded, RecordingSetup};
pub use groups::{GroupMember, NEXT_ON, TrunkGroup};
pub use guests::PartyRow;
pub use journal::{Entry, Snapshot, Unreadable};
pub use limits::{TierChannels, TrunkLimits};
pub use mailboxes::VoicemailSetup;
pub use parking::Slots;
pub use policy::{BARRED, PassedOn, Present, Telling, TrunkPolicy};
pub use replay::{Difference, Replay, Replayed};
pub use request::{Change, Denied, Reply, Request};
pub use rewriting::{NumberForm, Place, Rewrite, RewriteRule, Rewriting};
pub use row::{AgentRow, BanRow, CallRow, PeerRow, PlaceRow, QueueRow, TrunkRow};
pub use setup::{
    AgentSetup, CallbackSetup, Closing, DialledFrom, NumberRoute, QueueSetup, Setup, StarCodes, TierSetup, TrunkSetup,
    level,
};
pub use standing::{ObstacleRow, StandingRow, Towards};
pub use switch::{Switch, Vitals};
pub use transfer::Destination;
pub use trial::{Happened, Step, Trial};
