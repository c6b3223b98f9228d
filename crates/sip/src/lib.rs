//! Bytes to dialogs: parsing, transactions, dialogs, registrar, digest, SDP offer/answer. No I/O, no clock.

mod counters;
mod error;
mod event;
mod random;
mod stack;
mod timer;

pub use counters::{Counters, Verb, Way};
pub use error::Error;
pub use event::*;
pub use stack::Stack;
pub use timer::{Timer, Timers};
