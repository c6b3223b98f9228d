//! Why the stack did not do what the switch asked.

use serde::{Deserialize, Serialize};

/// A command the stack refuses; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Error {
    /// The account has no registered contact.
    #[error("the account has no registered contact")]
    NoContact,
    /// The trunk is unknown or has no peer address.
    #[error("the trunk is unknown or has no peer address")]
    NoTrunkPeer,
    /// A limit of [`crate::Limits`] is reached.
    #[error("a limit of the stack is reached")]
    Full,
    /// No such leg.
    #[error("no such leg")]
    UnknownLeg,
    /// The leg is in a state that does not allow it (RFC 3261 section 13, RFC 3264 section 4).
    #[error("the leg is in a state that does not allow it")]
    WrongState,
    /// None of our sockets has the transport the peer needs.
    #[error("none of our sockets has the transport the peer needs")]
    NoSocket,
    /// The peer's offer cannot be answered, or nothing can be offered that the other side would understand.
    #[error("the two sides have no codec in common")]
    NoCodec,
}
