//! A newtype for every id, so that a call is never mistaken for a leg.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

id! {
    /// One call: everything from the caller's INVITE to the last hang-up. Unique within a journal.
    CallId(u64), "c";
    /// One leg: one INVITE session with one peer, and its one media stream.
    LegId(u64), "l";
    /// One agent, interned from the agent number.
    AgentId(u32), "a";
    /// One queue, interned from its name.
    QueueId(u32), "q";
    /// One skill, interned from its name.
    SkillId(u32), "s";
    /// One trunk, interned from its name.
    TrunkId(u32), "t";
    /// One loaded version of one dialplan.
    PlanId(u32), "d";
    /// One recording of sound, and the file it becomes: microseconds since 1970 when it began, made unique. Never used again.
    TapeId(u64), "tape";
    /// One program that hears a call while it goes on, and perhaps speaks.
    ForkId(u64), "f";
    /// One request to play something to a leg; unique per leg.
    PlayId(u64), "p";
}
