//! Legs whose keys come by a handshake: what comes beside their sound, and what is handed out of it.

use super::{Snapshot, Worker};
use crate::handshake::Beside;
use busyhour_model::{Deafness, LegId, Srtp, Time};
use std::net::SocketAddr;

impl Worker {
    /// Takes what came to a leg's port and is no sound.
    pub(super) fn beside(&mut self, now: Time, leg: LegId, from: SocketAddr, bytes: &[u8], kind: Beside) {
        let Snapshot { legs, outbox, taped, .. } = &mut self.state;
        let Some(hearer) = legs.get_mut(&leg) else { return };
        match kind {
            Beside::Check => {
                hearer.check(from, bytes, outbox);
                taped.extend(hearer.announce(false));
            }
            Beside::Shake => taped.extend(hearer.shake(now, from, bytes)),
            Beside::Report => {
                hearer.hear_rtcp(now, from, bytes);
            }
        }
    }

    pub(super) fn send_shake(&mut self, leg: LegId, attempt: u32, datagram: &[u8]) {
        let Snapshot { legs, outbox, counters, .. } = &mut self.state;
        match legs.get_mut(&leg) {
            Some(leg) => leg.send_shake(attempt, datagram, outbox),
            None => counters.strays += 1,
        }
    }

    pub(super) fn key(&mut self, now: Time, leg: LegId, attempt: u32, keys: Result<Srtp, Deafness>) {
        let Snapshot { legs, events, counters, .. } = &mut self.state;
        match legs.get_mut(&leg) {
            Some(leg) => events.extend(leg.key(now, attempt, keys)),
            None => counters.strays += 1,
        }
    }
}
