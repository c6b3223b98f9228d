//! The shell around the switch: sockets, threads, clock, files, HTTP, Prometheus and the command line.

pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod control;
pub mod demo;
pub mod desk;
pub mod dialplans;
pub mod explain;
pub mod forecaster;
pub mod http;
pub mod journal;
pub mod log;
pub mod media;
pub mod metrics;
pub mod net;
pub mod prompts;
pub mod recorder;
mod replace;
pub mod schema;
pub mod serve;
pub mod store;
pub mod table;
pub mod tapes;
pub mod timer;
mod turns;
pub mod versions;
