//! One packet that was accepted, as all who listen get it.

use crate::outgoing::Origin;
use busyhour_model::{Codec, G711};

/// One accepted packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    pub(crate) origin: Origin,
    pub(crate) kind: Kind,
    pub(crate) digit: Option<char>,
    /// A key sounds in it.
    pub(crate) toned: bool,
    /// Of speech G.711 codes, also where it came as something else.
    pub(crate) payload: &'a [u8],
    /// The same at 16 kHz, where the partner speaks a codec that knows it and does not hear it as it came.
    pub(crate) wideband: &'a [i16],
    /// As it came, where that is not G.711 and is not made louder.
    pub(crate) native: Option<(Codec, &'a [u8])>,
}

/// Room for one packet on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    pub(crate) opened: Vec<u8>,
    pub(crate) sound: Vec<u8>,
    pub(crate) wideband: Vec<i16>,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Speech(G711),
    /// Speech that only who speaks the same codec is to hear.
    Undecoded,
    Event,
    /// How silence sounds (RFC 3389).
    Comfort,
    /// Nothing the partner should hear.
    Other,
}
