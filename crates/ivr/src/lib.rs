//! A dialplan, and where a caller stands in it.

mod asking;
mod check;
mod condition;
mod field;
mod keyed;
mod moment;
mod parse;
mod phrase;
mod plan;
mod rehearsal;
mod say;
mod script;
mod session;
mod source;
mod step;
mod verb;
mod waiting;

pub use keyed::KEYS_MAX;
pub use parse::Parsed;
pub use phrase::ITEMS_MAX;
pub use plan::{Dialplan, NODES_MAX};
pub use script::{Failure, TestOutcome};
pub use session::{CHAIN_MAX, ENTERED_MAX, Session};
pub use source::DIAGNOSTICS_MAX;
pub use step::{AgentAvailability, Caller, DialTarget, Input, Names, Step, Wish};
