//! A leg while its keys come by a handshake.

use super::Leg;
use crate::handshake::{Beside, Handshaking, Shake};
use crate::ice::Check;
use crate::line::Line;
use crate::outbox::Outbox;
use crate::srtp::Secured;
use crate::watch::Refusal;
use crate::{Event, Taped};
use busyhour_model::{Deafness, Srtp, Time};
use std::net::SocketAddr;
use std::time::Duration;

impl Leg {
    /// What a datagram is that is not sound.
    pub(crate) fn beside(&self, bytes: &[u8]) -> Option<Beside> {
        self.line.as_ref()?.handshaking.as_ref().and_then(|_| Handshaking::beside(bytes))
    }

    /// Answers a peer that tries out a way and knows our names; nobody else.
    pub(crate) fn check(&mut self, from: SocketAddr, bytes: &[u8], outbox: &mut Outbox) {
        let Some(handshaking) = self.line.as_mut().and_then(|line| line.handshaking.as_mut()) else { return };
        let ice = handshaking.agreed.ice.clone();
        let Some((ice, check)) = ice.as_ref().and_then(|ice| Some((ice, Check::read(bytes, ice)?))) else {
            return self.stats.refused_in += 1;
        };
        handshaking.prove(from, check.nominates);
        outbox.push(self.id, from, false, |out| check.answer(from, &ice.pwd, out));
        self.note_unkeyed();
    }

    /// A datagram of the handshake, to be handed out if it may be the peer's.
    pub(crate) fn shake(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> Option<Taped> {
        let line = self.line.as_mut()?;
        let handshaking = line.handshaking.as_mut()?;
        let ready = handshaking.is_ready() && handshaking.admits(from);
        let heard = ready && (handshaking.agreed.ice.is_some() || line.latch.hear(now, from));
        if !heard || !handshaking.take(from, bytes) {
            self.stats.refused_in += 1;
            return None;
        }
        let (leg, attempt, shake) = (self.id, handshaking.attempt, Shake::Datagram(bytes.to_vec()));
        self.note_unkeyed();
        Some(Taped::Shake { leg, attempt, shake })
    }

    /// What whoever shakes hands does not know yet of it; at the `end` of the leg that it is over.
    pub(crate) fn announce(&mut self, end: bool) -> Option<Taped> {
        let line = self.line.as_ref().filter(|_| !end);
        let shaking = line.and_then(|line| line.handshaking.as_ref());
        let attempt = shaking.filter(|shaking| shaking.is_ready() || self.announced == Some(shaking.attempt));
        let before = std::mem::replace(&mut self.announced, attempt.map(|shaking| shaking.attempt));
        let (attempt, shake) = match (before, attempt) {
            (before, Some(shaking)) if before != Some(shaking.attempt) => {
                let Handshaking { agreed, attempt, .. } = &**shaking;
                (*attempt, Shake::Begin { active: agreed.active, fingerprint: agreed.fingerprint })
            }
            (Some(before), None) => (before, Shake::End),
            _ => return None,
        };
        Some(Taped::Shake { leg: self.id, attempt, shake })
    }

    /// Sends a datagram of ours; not of a handshake that is over.
    pub(crate) fn send_shake(&mut self, attempt: u32, datagram: &[u8], outbox: &mut Outbox) {
        let Some(line) = &self.line else { return };
        let shaking = line.handshaking.as_ref().filter(|shaking| shaking.attempt == attempt);
        let to = shaking.and_then(|shaking| shaking.answers_to().or_else(|| line.destination()));
        if let Some(to) = to {
            outbox.push(self.id, to, false, |out| out.extend_from_slice(datagram));
        }
    }

    /// The handshake has come to its end: sound may go, or never will.
    pub(crate) fn key(&mut self, now: Time, attempt: u32, keys: Result<Srtp, Deafness>) -> Option<Event> {
        let line = self.line.as_mut()?;
        let shaking = line.handshaking.as_mut().filter(|shaking| shaking.attempt == attempt)?;
        if line.secured.is_some() {
            return None;
        }
        match keys {
            Ok(srtp) => {
                line.secured = Some(Box::new(Secured::new(srtp)));
                self.hearing.keyed();
                self.wake(now);
                None
            }
            Err(why) => {
                shaking.failed = Some(why);
                self.hearing.tell().then_some(Event::Unheard { leg: self.id, why })
            }
        }
    }

    /// Something came of the peer while there are no keys: if nothing else comes, that is why.
    fn note_unkeyed(&mut self) {
        if self.line.as_ref().is_some_and(|line| line.secured.is_none()) {
            self.hearing.refused(Refusal::Unkeyed);
        }
    }

    /// Goes on with what is played, now that the line is open; or waits until it is.
    pub(super) fn wake(&mut self, now: Time) {
        let open = self.is_open();
        if let Some(playing) = &mut self.playing {
            let next = playing.next.unwrap_or(now.max(self.frame_at));
            playing.next = open.then_some(next);
        }
        if let (Some(mix), Some(line)) = (&mut self.mix, &self.line) {
            mix.catch_up(now, line.frame_len() as u64, Duration::ZERO);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.line.as_ref().is_some_and(Line::is_open)
    }
}
