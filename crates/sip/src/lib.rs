//! Bytes to dialogs: parsing, transactions, dialogs, registrar, digest, SDP offer/answer. No I/O, no clock.

mod counters;
mod write;
pub mod value;
pub mod uri;
pub mod sdp;
mod method;
mod message;
mod header;
mod framer;
pub mod digest;
mod error;
mod event;
mod random;
mod stack;
mod timer;

pub use counters::{Counters, Verb, Way};
pub use error::Error;
pub use event::*;
pub use framer::{Frame, FrameError, Framer};
pub use header::{Header, HeaderName, Headers};
pub use message::{Fault, Message, ParseError, Request, Response, reason};
pub use method::Method;
pub use stack::Stack;
pub use timer::{Timer, Timers};
pub use uri::{Host, Params, Scheme, Uri};
pub use value::{Contacts, NameAddr, Via};
