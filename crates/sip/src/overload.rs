//! Overload control: what is refused while inputs wait too long to be handled; what is going on always comes first.

use crate::Method;
use crate::event::Event;
use crate::stack::Stack;
use busyhour_model::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A wait nobody told anew for so long says nothing any more.
const STALE: Duration = Duration::from_secs(1);
/// Who is refused comes back after so many seconds, spread so that not all come at once.
const RETRY_AFTER: std::ops::Range<u64> = 2..11;

/// Waits so long, and growing, for so long are overload (the interval of RFC 8289): what a moment's halt leaves gets shorter.
const LASTING: Duration = Duration::from_millis(100);

/// Too long from the one wait on, short again below the other.
struct Band {
    begins: Duration,
    ends: Duration,
}

/// Registrations and subscriptions are repeated and give way first.
const REGISTRATIONS: Band = Band { begins: Duration::from_millis(50), ends: Duration::from_millis(10) };
/// New calls.
const CALLS: Band = Band { begins: Duration::from_millis(100), ends: Duration::from_millis(20) };

/// How long inputs wait, and what is refused for that.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Overload {
    told: Time,
    registrations: Gate,
    calls: Gate,
    /// Requests refused in this episode.
    refused: u64,
}

/// Whether requests of a kind are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Gate {
    #[default]
    Open,
    /// Waits are too long since then, when one was so long.
    Closing {
        since: Time,
        wait: Duration,
    },
    Closed,
}

impl Gate {
    fn tell(self, band: &Band, now: Time, wait: Duration) -> Gate {
        match self {
            Gate::Closed if wait > band.ends => Gate::Closed,
            Gate::Open if wait > band.begins => Gate::Closing { since: now, wait },
            Gate::Closing { since, wait: first } if wait > band.begins => {
                if now.since(since) < LASTING {
                    self
                } else if wait < first {
                    Gate::Closing { since: now, wait }
                } else {
                    Gate::Closed
                }
            }
            _ => Gate::Open,
        }
    }
}

impl Overload {
    /// Takes a wait just measured; whether an episode began or ended.
    fn tell(&mut self, now: Time, wait: Duration) -> Option<bool> {
        let before = self.registrations == Gate::Closed;
        if now.since(self.told) >= STALE {
            (self.registrations, self.calls) = (Gate::Open, Gate::Open);
        }
        self.told = now;
        self.registrations = self.registrations.tell(&REGISTRATIONS, now, wait);
        self.calls = self.calls.tell(&CALLS, now, wait);
        let after = self.registrations == Gate::Closed;
        (before != after).then_some(after)
    }

    fn refuses(&self, now: Time, method: &Method) -> bool {
        let gate = if *method == Method::Invite { self.calls } else { self.registrations };
        gate == Gate::Closed && now.since(self.told) < STALE
    }
}

impl Stack {
    /// How long the next input waited before it is handled. While that is too long, new requests outside dialogs get 503.
    pub fn handle_wait(&mut self, now: Time, wait: Duration) {
        if let Some(on) = self.overload.tell(now, wait) {
            let refused = std::mem::take(&mut self.overload.refused);
            self.events.push_back(Event::Overload { on, refused });
        }
    }

    /// Whether a request outside dialogs has to come again later.
    pub(crate) fn is_too_much(&mut self, now: Time, method: &Method) -> bool {
        let refused = self.overload.refuses(now, method);
        self.overload.refused += u64::from(refused);
        refused
    }

    /// Seconds until a refused peer may come back.
    pub(crate) fn draw_retry_after(&mut self) -> u64 {
        RETRY_AFTER.start + self.net.random.draw() % (RETRY_AFTER.end - RETRY_AFTER.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Which of REGISTER and INVITE are refused after each of these waits, told each 50 ms.
    fn refused(waits: &[u64]) -> Vec<(bool, bool)> {
        let (mut overload, mut now) = (Overload::default(), Time::from_secs(1_000));
        let after = waits.iter().map(|wait| {
            now += millis(50);
            overload.tell(now, millis(*wait));
            (overload.refuses(now, &Method::Register), overload.refuses(now, &Method::Invite))
        });
        after.collect()
    }

    #[test]
    fn registrations_give_way_before_calls_and_both_come_back_later() {
        let seen = refused(&[0, 60, 70, 80, 90, 110, 150, 190, 50, 21, 20, 11, 10, 0]);
        let (none, registrations, both) = ((false, false), (true, false), (true, true));
        let expected = [none, none, none, registrations, registrations, registrations, registrations];
        assert_eq!(seen[..7], expected);
        assert_eq!(seen[7..], [both, both, both, registrations, registrations, none, none]);
    }

    #[test]
    fn a_queue_that_gets_shorter_is_no_overload_until_it_grows_again() {
        let after_a_halt = [900, 800, 700, 600, 500, 400, 300, 200, 120, 110, 90];
        assert!(refused(&after_a_halt).iter().all(|refused| *refused == (false, false)));
        assert_eq!(refused(&[900, 800, 700, 750, 800])[3..], [(false, false), (true, true)]);
    }

    #[test]
    fn what_was_told_long_ago_refuses_nobody() {
        let mut overload = Overload::default();
        let now = Time::from_secs(1_000);
        assert_eq!(overload.tell(now, millis(500)), None);
        assert_eq!(overload.tell(now + LASTING, millis(500)), Some(true));
        let now = now + LASTING;
        assert!(overload.refuses(now + millis(899), &Method::Invite));
        assert!(!overload.refuses(now + STALE, &Method::Invite));
        assert_eq!(overload.tell(now + STALE, millis(15)), Some(false), "nor does it keep on what would not begin");
    }
}
