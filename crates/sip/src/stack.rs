//! The SIP core: bytes in, bytes and events out, nothing else.

use crate::counters::Counters;
use crate::error::Error;
use crate::event::{Config, Event, Flow, Invite, Transmit};
use busyhour_model::{Audio, Direction, LegId, Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// A SIP endpoint for many legs, without I/O. One input, then drain every `poll_…` to `None`, then the next input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stack {
    config: Config,
    seed: u64,
    counters: Counters,
    events: VecDeque<Event>,
}
#[allow(missing_docs, unused_variables)]
impl Stack {
    pub fn new(config: Config, seed: u64) -> Stack {
        Stack { config, seed, counters: Counters::default(), events: VecDeque::new() }
    }
    pub fn reconfigure(&mut self, now: Time, config: Config) {}
    pub fn handle_datagram(&mut self, now: Time, flow: Flow, bytes: &[u8]) {}
    pub fn handle_stream(&mut self, now: Time, flow: Flow, bytes: &[u8]) {}
    pub fn handle_closed(&mut self, now: Time, flow: Flow) {}
    pub fn handle_unreachable(&mut self, now: Time, flow: Flow) {}
    pub fn handle_timeout(&mut self, now: Time) {}
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }
    pub fn poll_close(&mut self) -> Option<Flow> {
        None
    }
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    pub fn invite(&mut self, now: Time, invite: Invite) -> Result<LegId, Error> {
        Err(Error::NoContact)
    }
    pub fn ring(&mut self, now: Time, leg: LegId, early: Option<SocketAddr>) -> Result<Option<Audio>, Error> {
        Err(Error::UnknownLeg)
    }
    pub fn answer(&mut self, now: Time, leg: LegId, local: SocketAddr) -> Result<Option<Audio>, Error> {
        Err(Error::UnknownLeg)
    }
    pub fn refuse(&mut self, now: Time, leg: LegId, status: u16, retry_after: Option<Duration>) -> Result<(), Error> {
        Err(Error::UnknownLeg)
    }
    pub fn hang_up(&mut self, now: Time, leg: LegId) -> Result<(), Error> {
        Err(Error::UnknownLeg)
    }
    pub fn reinvite(&mut self, now: Time, leg: LegId, direction: Direction) -> Result<(), Error> {
        Err(Error::UnknownLeg)
    }
    pub fn contacts(&self, account: &str) -> usize {
        0
    }
    pub fn unregister(&mut self, now: Time, account: &Name) {}
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
    pub fn legs(&self) -> usize {
        0
    }
    pub fn dialogs(&self) -> usize {
        0
    }
    pub fn transactions(&self) -> usize {
        0
    }
    pub fn timers(&self) -> usize {
        0
    }
}
