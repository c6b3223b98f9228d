//! Many seeds of bad wires, absent agents and impatient callers: the laws hold after every input, and nothing is left.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "seeds are shared out to threads around pure worlds"
)]

use busyhour_model::{Fact, What};
use busyhour_sim::{STORM, Scenario, World};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Calls end by themselves or by a time-out of the switch within this.
const CALM: Duration = Duration::from_secs(700);

/// Runs one seed; every law is checked on the way and at the end.
fn storm(seed: u64) -> World {
    let mut world = World::new(Scenario::storm(seed));
    world.run(STORM);
    world.settle(CALM);
    world.check_ended();
    world
}

/// What kind of thing happened, so that it can be said what the storms had.
fn kind(fact: &Fact) -> String {
    match &fact.what {
        What::Enqueued { entrance, .. } => format!("entered {entrance:?}"),
        What::Dequeued { reason, .. } => format!("dequeued {reason:?}"),
        What::Offered { why, .. } => format!("offered {:?}", why.rule),
        What::OfferEnded { outcome, .. } => format!("offer {outcome:?}"),
        What::Ended { cause, .. } => format!("ended {cause:?}"),
        What::AgentEntered { reason: Some(reason), .. } if **reason == *"bot_failed" => reason.to_string(),
        What::AgentEntered { state, .. } => format!("agent {state:?}"),
        What::TrunkRefused { reason, .. } => format!("trunk {reason}"),
        What::Held { on, .. } => format!("held {on}"),
        What::Qualified { answers, .. } => format!("qualified {answers}"),
        What::Registered { contacts, .. } => format!("registered {}", contacts.min(&1)),
        other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
    }
}

/// What 256 storms must have had, or they test nothing.
const WEATHER: [&str; 63] = [
    "bot_failed",
    "Talked",
    "Unheard",
    "Connected",
    "Disconnected",
    "NodeEntered",
    "Announced",
    "Reloaded",
    "Changed",
    "entered First",
    "entered Returned",
    "entered Resumed",
    "entered Transferred",
    "entered PhoneLost",
    "entered Callback",
    "CallbackAsked",
    "ended CallbackFailed",
    "ended CallbackExpired",
    "Transferred",
    "Recorded",
    "ConversationTaped",
    "RecordingHandled",
    "Monitored",
    "TalkedWithBot",
    "Attached",
    "TakenOver",
    "GuestJoined",
    "GuestLeft",
    "Briefed",
    "Discarded",
    "MessageLeft",
    "MessageHeard",
    "MessageDeleted",
    "dequeued Left",
    "dequeued Abandoned",
    "dequeued Closed",
    "dequeued Full",
    "dequeued NoAgents",
    "dequeued TimedOut",
    "offered PreferredAgent",
    "offer Answered",
    "offer NoAnswer",
    "offer Refused",
    "offer Unreachable",
    "offer Abandoned",
    "ended CallerHungUp",
    "ended CallerCancelled",
    "ended PartnerHungUp",
    "ended IvrHungUp",
    "ended PassedOn",
    "ended PeerVanished",
    "agent Ready",
    "agent NotReady",
    "agent Ringing",
    "agent Talking",
    "agent WrapUp",
    "agent SignedOut",
    "trunk unknown_number",
    "trunk channels_full",
    "held true",
    "registered 0",
    "qualified false",
    "qualified true",
];

/// `BUSYHOUR_SEEDS=10000` for more, `BUSYHOUR_SEED=17` for one with its whole panic.
#[test]
fn no_storm_breaks_a_law() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("BUSYHOUR_SEED") {
        storm(seed);
        return;
    }
    let seeds = number("BUSYHOUR_SEEDS").unwrap_or(256);
    let (next, failed, seen) = (AtomicU64::new(0), Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| storm(seed))) {
                Ok(world) => seen.lock().expect("no panic inside").extend(world.facts.iter().map(kind)),
                Err(_) => drop(failed.lock().expect("no panic inside").insert(seed)),
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().expect("no panic inside");
    assert!(failed.is_empty(), "{} of {seeds} seeds failed; replay with BUSYHOUR_SEED=…: {failed:?}", failed.len());
    let seen = seen.into_inner().expect("no panic inside");
    let missing: Vec<_> = WEATHER.iter().filter(|kind| seeds >= 256 && !seen.contains(**kind)).collect();
    assert!(missing.is_empty(), "the storms never had {missing:?}; they had {seen:?}");
}

#[test]
fn the_same_seed_is_the_same_storm() {
    for seed in [3, 14] {
        let run = || {
            let mut world = World::new(Scenario::storm(seed));
            world.run(STORM);
            world.facts
        };
        assert_eq!(run(), run());
    }
}
