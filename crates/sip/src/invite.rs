//! A call that we are to make.

use crate::event::Target;
use crate::identity::Identity;
use busyhour_model::Codec;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// An INVITE to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// To whom.
    pub target: Target,
    /// User part of From.
    pub from: String,
    /// Display name of From.
    pub display: Option<String>,
    /// How else it is said who calls.
    pub identity: Identity,
    /// Our RTP address to offer.
    pub local: SocketAddr,
    /// The codec to offer first: what the other side of the call speaks.
    pub codec: Option<Codec>,
    /// Further headers, name and value.
    pub headers: Vec<(String, String)>,
    /// Max-Forwards: one less than in the INVITE that causes it (RFC 7332 section 4), else [`MAX_FORWARDS`].
    pub max_forwards: u8,
    /// Somebody else can be called instead: the last peer of a trunk, too, is given up when it says nothing for its patience.
    pub replaceable: bool,
}

impl Invite {
    /// A call from us to `target`, as this user, with our sound at `local`.
    pub fn new(target: Target, from: impl Into<String>, local: SocketAddr) -> Invite {
        Invite {
            target,
            from: from.into(),
            display: None,
            identity: Identity::default(),
            local,
            codec: None,
            headers: Vec::new(),
            max_forwards: MAX_FORWARDS,
            replaceable: false,
        }
    }
}

/// Max-Forwards of what we send by ourselves (RFC 3261 section 8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;
