//! Calls that wait for their turn: a leg whose INVITE goes out later.

use crate::error::Error;
use crate::event::Event;
use crate::invite::Invite;
use crate::leg::{Calling, Leg, Phase};
use crate::media::Media;
use crate::stack::Stack;
use crate::transaction::Alarm;
use busyhour_model::{KeySecret, LegId, Time};

impl Stack {
    /// Calls somebody at a time to come; the leg is there already, and ends by `hang_up` as any other.
    pub fn invite_at(&mut self, now: Time, at: Time, invite: Invite) -> Result<LegId, Error> {
        if at <= now {
            return self.invite(now, invite);
        }
        if self.legs.len() >= self.config.limits.legs {
            return Err(Error::Full);
        }
        let (_, trunk) = self.ways(now, &invite)?;
        let leg = LegId(self.next_leg);
        self.next_leg += 1;
        let mut calling = Calling::new(Media::new(invite.local, 0, self.terms(trunk), KeySecret::default()));
        calling.later = Some(Box::new(invite));
        self.legs.insert(leg, Leg { trunk, phase: Phase::Calling(Box::new(calling)), gone: false });
        self.net.timers.set(at, Alarm::Invite(leg));
        Ok(leg)
    }

    /// The time of an INVITE has come, unless the leg is gone.
    pub(crate) fn invite_now(&mut self, now: Time, leg: LegId) {
        let Some(invite) = self.calling(leg).and_then(|calling| calling.later.take()) else { return };
        match self.call_out(now, leg, *invite) {
            Ok((_, sent)) => {
                if let Some(calling) = self.calling(leg) {
                    *calling = sent;
                }
            }
            Err(_) => {
                self.remove(leg);
                self.events.push_back(Event::Refused { leg, status: 503, retry_after: None });
            }
        }
    }
}
