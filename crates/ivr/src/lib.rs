//! A dialplan, and where a caller stands in it.

mod asking;
mod branch;
mod check;
mod condition;
mod describe;
mod diff;
mod field;
mod graph;
mod keyed;
pub mod language;
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
mod sub;
mod sum;
mod verb;
mod waiting;

pub use diff::{Aspect, Change};
pub use graph::Graph;
pub use keyed::{KEYS_MAX, VALUE_MAX};
pub use parse::{Parsed, VARIABLES_MAX};
pub use phrase::ITEMS_MAX;
pub use plan::{Dialplan, NODES_MAX};
pub use script::{Failure, TestOutcome};
pub use session::{CHAIN_MAX, ENTERED_MAX, Session};
pub use source::DIAGNOSTICS_MAX;
pub use step::{AgentAvailability, Caller, DialTarget, Input, Names, QueueState, Step, Wish};
pub use sub::SUB_DEPTH_MAX;
