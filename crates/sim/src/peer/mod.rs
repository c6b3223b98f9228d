//! SIP and RTP user agents without sockets: an agent's softphone and a caller, in virtual or real time.
//!
//! They read and write with rsip and rtp-rs, never with `busyhour-sip` or `busyhour-media`, so that a misreading of ours is not made twice.

mod caller;
mod digest;
mod exchange;
mod outcome;
mod phone;
mod registration;
mod session;
mod stream;
mod tone;
mod wire;

pub use caller::{Action, Caller, CallerSetup};
pub use outcome::{EndedBy, Outcome};
pub use phone::{Answering, Ending, Phone, PhoneSetup};
pub use tone::Heard;
pub use wire::Out;

/// The tone callers send; no multiple of it is near a DTMF frequency, nor near a fax machine.
pub const CALLER_HZ: u32 = 1800;
/// The tone agents send.
pub const AGENT_HZ: u32 = 1900;

#[cfg(test)]
mod tests;
