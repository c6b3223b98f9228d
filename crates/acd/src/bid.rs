//! What an agent could take: the heads of classes, outbidding each other.

use crate::acd::Acd;
use crate::call::Call;
use crate::class::Front;
use crate::group::{Group, ToClass};
use crate::slab::{NONE, Slab, Slot};
use busyhour_model::Candidate;

/// The head of a class, as a candidate for an agent.
#[derive(Clone, Copy)]
pub(crate) struct Bid {
    pub(crate) score: f64,
    pub(crate) since: u64,
    pub(crate) call: Slot,
    pub(crate) class: Slot,
}

impl Bid {
    /// Loses against everybody.
    pub(crate) const NONE: Bid = Bid { score: f64::NEG_INFINITY, since: u64::MAX, call: NONE, class: NONE };

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
    #[inline(always)]
    pub(crate) fn bids(&self, group: Slot, others: u32) -> Bids {
        let (edges, now) = (&self.groups[group], self.now.as_micros());
        let mut race = Race::EMPTY;
        for &class in &edges.at_once {
            let front = &self.fronts[class as usize];
            race.enter(class, front.score(now, front.since), front.waiting);
        }
        for edge in &edges.later {
            let front = &self.fronts[edge.class as usize];
            if front.fits(edge, others, now) {
                race.enter(edge.class, front.score(now, front.since) + edge.points, front.waiting);
            }
        }
        if race.undecided() {
            return self.bids_by_time(edges, others);
        }
        let bid = |(score, class)| match self.fronts.get(class as usize) {
            Some(&Front { since, head, .. }) => Bid { score, since, call: head, class },
            None => Bid::NONE,
        };
        Bids { best: bid(race.best), second: bid(race.second), waiting: race.waiting }
    }

    /// The same where scores are equal: then time decides.
    #[cold]
    fn bids_by_time(&self, edges: &Group, others: u32) -> Bids {
        let now = self.now.as_micros();
        let at_once = edges.at_once.iter().map(|&class| (class, 0.0, self.fronts[class as usize].head != NONE));
        let later = edges.later.iter();
        let later = later.map(|e| (e.class, e.points, self.fronts[e.class as usize].fits(e, others, now)));
        let mut bids = Bids { best: Bid::NONE, second: Bid::NONE, waiting: 0 };
        for (class, points, _) in at_once.chain(later).filter(|edge| edge.2) {
            let front = &self.fronts[class as usize];
            let bid = front.bid(class, now);
            let bid = Bid { score: bid.score + points, ..bid };
            bids.waiting += front.waiting;
            if bid.beats(&bids.best, &self.calls.slab) {
                (bids.best, bids.second) = (bid, bids.best);
            } else if bid.beats(&bids.second, &self.calls.slab) {
                bids.second = bid;
            }
        }
        bids
    }

    /// The call that would have been chosen otherwise: the best head of another class or the one behind the best.
    #[inline(always)]
    pub(crate) fn next_best(&self, group: Slot, bids: &Bids) -> Option<Candidate> {
        let mut second = bids.second;
        let mut id = self.lanes.get(second.class as usize).map(|lane| lane.head);
        let slot = self.calls.slab[bids.best.call].next;
        if slot != NONE {
            let now = self.now.as_micros();
            let call = &self.calls.slab[slot];
            let (since, class) = (call.since.as_micros(), bids.best.class);
            let (min_age, points) = self.groups[group].terms(class);
            let next = Bid { score: self.fronts[class as usize].score(now, since) + points, since, call: slot, class };
            if since.saturating_add(min_age) <= now && next.beats(&second, &self.calls.slab) {
                (second, id) = (next, Some(call.id));
            }
        }
        id.map(|id| Candidate::Call(id, second.score))
    }
}

/// The two best heads by score alone, found without a branch: who leads is anybody's guess.
struct Race {
    best: (f64, Slot),
    second: (f64, Slot),
    waiting: u32,
    /// Another scores as the second does.
    tied: bool,
}

impl Race {
    /// Nobody: an empty class does not beat this.
    const EMPTY: Race =
        Race { best: (Front::EMPTY.base, NONE), second: (Front::EMPTY.base, NONE), waiting: 0, tied: false };

    #[inline(always)]
    fn enter(&mut self, class: Slot, score: f64, waiting: u32) {
        self.waiting += waiting;
        let (best, second) = (self.best, self.second);
        let leads = score > best.0;
        let loser = (if best.0 < score { best.0 } else { score }, if leads { best.1 } else { class });
        self.best = (if leads { score } else { best.0 }, if leads { class } else { best.1 });
        let follows = loser.0 > second.0;
        self.second = (if follows { loser.0 } else { second.0 }, if follows { loser.1 } else { second.1 });
        self.tied = (self.tied & !follows) | (loser.0 == second.0);
    }

    fn undecided(&self) -> bool {
        self.second.1 != NONE && (self.tied || self.best.0 == self.second.0)
    }
}

impl Front {
    #[inline]
    pub(crate) fn bid(&self, class: Slot, now: u64) -> Bid {
        Bid { score: self.score(now, self.since), since: self.since, call: self.head, class }
    }

    /// Its head has waited long enough for this edge, and enough others are idle.
    #[inline]
    fn fits(&self, edge: &ToClass, others: u32, now: u64) -> bool {
        self.since.saturating_add(edge.min_age) <= now && others >= edge.keep
    }
}
