//! A world in virtual time: callers, agents, wires, faults, laws.

pub mod peer;
