//! A dialplan, and where a caller stands in it.

mod asking;
mod bot;
mod branch;
mod check;
mod condition;
mod describe;
mod diff;
mod fax;
mod field;
mod graph;
mod keyed;
pub mod language;
mod lookup;
mod messages;
mod moment;
mod parse;
mod phrase;
mod plan;
mod recording;
mod rehearsal;
mod say;
mod script;
mod session;
mod sign_in;
mod source;
mod step;
mod sub;
mod sum;
mod survey;
mod template;
mod transfer;
mod verb;
mod waiting;

pub use bot::{Talk, TalkEnd, Values};
pub use diff::{Aspect, Change};
pub use graph::Graph;
pub use keyed::{KEYS_MAX, Pin, VALUE_MAX};
pub use lookup::{LookUp, LookUpAnswer};
pub use parse::{Parsed, VARIABLES_MAX};
pub use phrase::ITEMS_MAX;
pub use plan::{Dialplan, NODES_MAX, SHOWN_MAX};
pub use recording::LONGEST_MAX;
pub use script::{Failure, TestOutcome};
pub use session::{CHAIN_MAX, ENTERED_MAX, Session};
pub use source::DIAGNOSTICS_MAX;
pub use step::{
    AgentAvailability, Caller, DialTarget, Input, Keep, Names, Preference, Preferred, QueueState, Step, Wish,
};
pub use sub::SUB_DEPTH_MAX;
pub use survey::QUESTIONS_MAX;
pub use template::percent_encoded;
