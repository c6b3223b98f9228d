//! Which call gets which agent, and when; how long the others will wait.
//!
//! One pure, single-writer machine: [`Acd::apply`] takes a [`Command`] and appends [`Decision`]s. Agents with the same
//! skills form a *group*; calls with the same requirement form a *class*, one FIFO each. Who may serve whom is compiled
//! into edges between groups and classes, so skills cost nothing when a match is made. After every command no waiting
//! class may be served, at the age of its oldest call, by a group with somebody idle: therefore an arriving call only
//! looks at idle groups, a freed agent only at the heads of classes, and one timer per class is enough for relaxation.

mod acd;
mod agent;
mod ahead;
mod alarm;
mod bid;
mod call;
mod class;
mod command;
mod digest;
pub mod erlang;
mod expiry;
mod forecast;
mod graph;
mod group;
mod habits;
mod index;
mod law;
mod lifecycle;
mod matching;
mod merit;
mod need;
mod place;
mod policy;
mod queue;
mod rung;
mod slab;
mod suits;
mod traffic;
mod view;
mod wish;

pub use acd::{AGENTS_MAX, Acd, CALLS_MAX, CLASSES_MAX, PERSONAL_MAX, QUEUES_MAX, SKILLS_MAX, STEPS_MAX};
pub use ahead::{LookAhead, Whom};
pub use command::{
    AgentChoice, AgentSpec, AgentView, Command, Decision, Denied, Enqueue, Place, Prefer, QueueSpec, QueueView, Skill,
};
pub use digest::Digest;
pub use forecast::{FRESH, Forecast, Foreseen, Spot};
pub use need::{Misread, Need};
pub use policy::{Backup, NoAnswer, Order, Policy, Reserve, Site, Weights};
pub use rung::RING_MAX;
pub use suits::{Obstacle, Standing};
pub use view::Counts;
