//! Calls in bad weather: random actions at both ends while messages are lost, doubled and reordered; and a stack written out in mid-call.

use crate::{Weather, World, leg_of, millis, rtp, secs};
use busyhour_model::{Direction, LegId, Seed, TrunkId};
use busyhour_sip::{Event, Invite, Message, Stack, Target, Transport};
use std::collections::BTreeSet;

/// Seeds of an ordinary run; `BUSYHOUR_SEEDS=10000 cargo test storm` runs more.
#[expect(clippy::disallowed_methods, reason = "only a test asks how long it may run")]
fn seeds() -> u64 {
    std::env::var("BUSYHOUR_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// What one end knows of a leg of its own.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Stage {
    Incoming,
    Calling,
    Up,
}

struct Party {
    legs: Vec<(LegId, Stage)>,
}

fn invite() -> Invite {
    let target = Target::Trunk { trunk: TrunkId(1), number: "95118".to_owned() };
    Invite::new(target, "13800138000", rtp())
}

fn learn(world: &mut World, parties: &mut [Party; 2]) {
    for (end, party) in parties.iter_mut().enumerate() {
        for event in world.events(end) {
            let Some(leg) = leg_of(&event) else { continue };
            match event {
                Event::Incoming(_) => party.legs.push((leg, Stage::Incoming)),
                Event::Answered { .. } => {
                    party.legs.iter_mut().filter(|known| known.0 == leg).for_each(|known| known.1 = Stage::Up)
                }
                Event::Cancelled { .. } | Event::Refused { .. } | Event::Ended { .. } => {
                    party.legs.retain(|known| known.0 != leg)
                }
                _ => assert!(party.legs.iter().any(|known| known.0 == leg), "an event of an unknown leg: {event:?}"),
            }
        }
    }
}

fn act(world: &mut World, parties: &mut [Party; 2], end: usize, draws: &mut Seed) {
    let party = &mut parties[end];
    if party.legs.is_empty() {
        return;
    }
    let at = draws.below(party.legs.len() as u64) as usize;
    let (leg, stage) = party.legs[at];
    match (draws.below(8), stage) {
        (0, Stage::Incoming) => drop(world.ask(end, |stack, now| stack.ring(now, leg, None)).unwrap()),
        (1, Stage::Incoming) => drop(world.ask(end, |stack, now| stack.ring(now, leg, Some(rtp()))).unwrap()),
        (2..5, Stage::Incoming) => {
            world.ask(end, |stack, now| stack.answer(now, leg, rtp())).unwrap();
            party.legs[at].1 = Stage::Up;
        }
        (5, Stage::Incoming) => {
            world.refuse(end, leg, 486);
            party.legs.remove(at);
        }
        (0..3, Stage::Up) => {
            let direction = [Direction::SendOnly, Direction::SendRecv, Direction::Inactive][draws.below(3) as usize];
            let _ = world.ask(end, |stack, now| stack.reinvite(now, leg, direction));
        }
        (6, _) => {
            world.hang_up(end, leg);
            party.legs.remove(at);
        }
        _ => {}
    }
}

fn read_back(world: &mut World, end: usize) {
    let bytes = postcard::to_stdvec(world.stack(end)).unwrap();
    *world.stack(end) = postcard::from_bytes::<Stack>(&bytes).unwrap();
}

/// What a hundred storms must have had, or they test nothing.
const WEATHER: [&str; 6] = ["PRACK", "UPDATE", "CANCEL", "183", "487", "491"];

/// One storm; returns how many legs only one end still knew when it was over, and the methods and statuses it had.
fn storm(seed: u64) -> (usize, BTreeSet<String>) {
    let mut draws = Seed(seed.wrapping_mul(77));
    let mut world = World::pair(seed);
    world.weather =
        Weather { loss: draws.below(150), double: draws.below(200), delay: 5, jitter: 1 + draws.below(900) };
    let (stream, timers) = (draws.below(4) == 0, draws.below(3) == 0);
    for end in 0..2 {
        let mut config = crate::config(world.ends[end].at, vec![crate::trunk(1, world.ends[1 - end].at)], &[]);
        if stream {
            config.trunks[0].peers[0].transport = Transport::Tcp;
        }
        if timers {
            config.limits.session_expires = secs(90);
        }
        world.ask(end, |stack, now| stack.reconfigure(now, config));
    }
    let mut parties = [Party { legs: Vec::new() }, Party { legs: Vec::new() }];
    for _ in 0..40 {
        let end = draws.below(2) as usize;
        if draws.below(8) == 0 || parties.iter().all(|party| party.legs.is_empty()) {
            let leg = world.ask(end, |stack, now| stack.invite(now, invite())).unwrap();
            parties[end].legs.push((leg, Stage::Calling));
        } else {
            act(&mut world, &mut parties, end, &mut draws);
        }
        world.run(millis(draws.below(3000)));
        learn(&mut world, &mut parties);
        if draws.below(20) == 0 {
            read_back(&mut world, end);
        }
    }
    world.run(secs(if timers { 200 } else { 60 }));
    learn(&mut world, &mut parties);
    for end in 0..2 {
        for (leg, _) in std::mem::take(&mut parties[end].legs) {
            if !world.ends[end].over.contains(&leg) {
                world.hang_up(end, leg);
            }
        }
        world.run(secs(40));
        learn(&mut world, &mut parties);
    }
    let torn = parties.iter().map(|party| party.legs.len()).sum();
    world.assert_quiet();
    let kind = |message: &Message| match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => response.status.to_string(),
    };
    (torn, world.log.iter().map(|(.., message)| kind(message)).collect())
}

#[test]
fn every_call_ends_at_both_ends_whatever_is_lost() {
    let mut seen = BTreeSet::new();
    for seed in 0..seeds() {
        let (torn, had) = std::panic::catch_unwind(|| storm(seed)).unwrap_or_else(|_| panic!("seed {seed} fails"));
        assert_eq!(torn, 0, "seed {seed}: one end kept a call the other had left");
        seen.extend(had);
    }
    assert!(WEATHER.iter().all(|kind| seen.contains(*kind)), "{seen:?}");
}

#[test]
fn a_stack_written_out_in_mid_call_goes_on_with_the_same_bytes() {
    for pause in [0, 15, 30, 45, 60, 75, 90, 400, 700] {
        let run = |swap: bool| {
            let mut world = World::pair(99);
            let caller = world.ask(0, |stack, now| stack.invite(now, invite())).unwrap();
            let mut callee = None;
            for step in 0..60u64 {
                world.run(millis(15));
                if swap && step * 15 == pause {
                    read_back(&mut world, 0);
                    read_back(&mut world, 1);
                }
                for event in world.events(1) {
                    if let Event::Incoming(incoming) = event {
                        callee = Some(incoming.leg);
                    }
                }
                let leg = callee.unwrap_or(LegId(0));
                match step {
                    3 => drop(world.ask(1, |stack, now| stack.ring(now, leg, Some(rtp()))).unwrap()),
                    5 => drop(world.ask(1, |stack, now| stack.answer(now, leg, rtp())).unwrap()),
                    9 => world.ask(0, |stack, now| stack.reinvite(now, caller, Direction::SendOnly)).unwrap(),
                    30 => world.hang_up(0, caller),
                    _ => {}
                }
            }
            world.assert_quiet();
            world.log.iter().map(|(at, flow, message)| format!("{at:?} {flow:?} {message:?}")).collect::<Vec<_>>()
        };
        assert_eq!(run(false), run(true), "read back after {pause} ms");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || {
        let mut world = World::pair(5);
        world.weather = Weather { loss: 100, double: 100, delay: 5, jitter: 300 };
        let leg = world.ask(0, |stack, now| stack.invite(now, invite())).unwrap();
        world.run(secs(9));
        world.hang_up(0, leg);
        world.run(secs(99));
        world.log.iter().map(|(at, _, message)| format!("{at:?} {message:?}")).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
