//! What an agent could take: the heads of classes, outbidding each other.

use crate::acd::Acd;
use crate::call::Call;
use crate::class::Front;
use crate::slab::{NONE, Slab, Slot};
use busyhour_model::Candidate;

/// The head of a class, as a candidate for an agent.
#[derive(Clone, Copy)]
pub(crate) struct Bid {
    pub(crate) score: f64,
    pub(crate) since: u64,
    pub(crate) call: Slot,
    pub(crate) class: Slot,
    pub(crate) min_age: u64,
    /// The agent's preference for the queue, in the score already.
    pub(crate) points: f64,
}

impl Bid {
    /// Loses against everybody.
    pub(crate) const NONE: Bid =
        Bid { score: f64::NEG_INFINITY, since: u64::MAX, call: NONE, class: NONE, min_age: 0, points: 0.0 };

    /// Higher score first; at the same score who waits longer, then who came first.
    #[inline]
    pub(crate) fn beats(&self, other: &Bid, calls: &Slab<Call>) -> bool {
        if self.score != other.score {
            return self.score > other.score;
        }
        match self.since == other.since {
            false => self.since < other.since,
            true => other.call == NONE || calls[self.call].seq < calls[other.call].seq,
        }
    }
}

/// What an agent could take.
pub(crate) struct Bids {
    pub(crate) best: Bid,
    pub(crate) second: Bid,
    pub(crate) waiting: u32,
}

impl Acd {
    /// The heads an agent of this group may serve now, beside whom so many are idle.
    pub(crate) fn bids(&self, group: Slot, others: u32) -> Bids {
        let now = self.now.as_micros();
        let mut bids = Bids { best: Bid::NONE, second: Bid::NONE, waiting: 0 };
        let group = &self.groups[group];
        for &class in &group.at_once {
            // An empty class has `since` at the end of time.
            let front = &self.fronts[class as usize];
            if front.since <= now {
                bids.add(front.bid(class, now), front.waiting, &self.calls.slab);
            }
        }
        for edge in &group.later {
            let front = &self.fronts[edge.class as usize];
            if front.since.saturating_add(edge.min_age) <= now && others >= edge.keep {
                let bid = front.bid(edge.class, now);
                let (score, min_age, points) = (bid.score + edge.points, edge.min_age, edge.points);
                bids.add(Bid { score, min_age, points, ..bid }, front.waiting, &self.calls.slab);
            }
        }
        bids
    }

    /// The call that would have been chosen otherwise: the best head of another class or the one behind the best.
    pub(crate) fn next_best(&self, bids: &Bids) -> Option<Candidate> {
        let mut second = bids.second;
        let mut id = self.lanes.get(second.class as usize).map(|lane| lane.head);
        let slot = self.calls.slab[bids.best.call].next;
        if slot != NONE {
            let now = self.now.as_micros();
            let call = &self.calls.slab[slot];
            let since = call.since.as_micros();
            let score = self.fronts[bids.best.class as usize].score(now, since) + bids.best.points;
            let next = Bid { score, since, call: slot, ..bids.best };
            if since.saturating_add(next.min_age) <= now && next.beats(&second, &self.calls.slab) {
                (second, id) = (next, Some(call.id));
            }
        }
        id.map(|id| Candidate::Call(id, second.score))
    }
}

impl Bids {
    #[inline]
    fn add(&mut self, bid: Bid, waiting: u32, calls: &Slab<Call>) {
        self.waiting += waiting;
        if bid.beats(&self.best, calls) {
            (self.best, self.second) = (bid, self.best);
        } else if bid.beats(&self.second, calls) {
            self.second = bid;
        }
    }
}

impl Front {
    #[inline]
    pub(crate) fn bid(&self, class: Slot, now: u64) -> Bid {
        let score = self.score(now, self.since);
        Bid { score, since: self.since, call: self.head, class, min_age: 0, points: 0.0 }
    }
}
