//! A world in virtual time: callers, agents, wires, faults, laws.

mod laws;
mod network;
pub mod peer;
mod scenario;
mod town;
mod world;

pub use network::Faults;
pub use scenario::{Deed, STORM, Scenario, Service, to_an_agent};
pub use town::NUMBER;
pub use world::World;
