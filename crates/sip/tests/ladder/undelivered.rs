//! RFC 3261 section 18.4: ICMP quotes how a request of ours began.

use crate::call::{call, up};
use crate::{World, millis, secs};
use busyhour_model::Direction;
use busyhour_sip::{Event, Message};

/// The request that was sent so many messages after the first.
fn sent(world: &World, at: usize) -> String {
    match &world.log[at].2 {
        Message::Request(request) => String::from_utf8(request.to_bytes().to_vec()).unwrap(),
        Message::Response(_) => panic!("a response"),
    }
}

#[test]
fn a_request_the_network_gives_back_fails_at_once_and_no_other() {
    let mut world = World::pair(18);
    world.lose = |_| true;
    let (first, second) = (call(&mut world), call(&mut world));
    let (other, quoted) = (sent(&world, 0), sent(&world, 1));
    let branch = quoted.find("z9hG4bK").unwrap();
    let end = branch + quoted[branch..].find(';').unwrap();
    let last = if &quoted[end - 1..end] == "0" { "1" } else { "0" };
    let guessed = [&quoted[..end - 1], last, &quoted[end..]].concat();
    let changed = quoted.replacen("INVITE", "BYE", 1);
    for nobodys in [&quoted[..end], &guessed, &changed, "", "INVITE"] {
        world.ask(0, |stack, now| stack.handle_undelivered(now, nobodys.as_bytes()));
        assert!(world.events(0).is_empty());
    }
    world.ask(0, |stack, now| stack.handle_undelivered(now, &quoted.as_bytes()[..=end]));
    assert_eq!(world.event(0), Event::Refused { leg: second, status: 503, retry_after: None });
    assert_eq!(world.stack(0).counters().undelivered, 1);
    for bytes in [quoted, other] {
        world.ask(0, |stack, now| stack.handle_undelivered(now, bytes.as_bytes()));
    }
    assert_eq!(world.event(0), Event::Refused { leg: first, status: 503, retry_after: None });
    world.assert_quiet();
}

#[test]
fn a_talk_goes_on_when_its_peer_is_away_for_a_moment() {
    let mut world = World::pair(18);
    let (caller, callee) = up(&mut world);
    let before = world.log.len();
    world.lose = |_| true;
    world.ask(0, |stack, now| stack.reinvite(now, caller, Direction::SendOnly)).unwrap();
    let hold = sent(&world, before);
    assert!(hold.starts_with("INVITE "));
    world.ask(0, |stack, now| stack.handle_undelivered(now, hold.as_bytes()));
    assert!(world.events(0).is_empty());
    world.run(secs(3));
    world.lose = |_| false;
    world.run(secs(2));
    let held = |event: &Event| matches!(event, Event::MediaChanged { leg, .. } if *leg == callee);
    assert!(world.events(1).iter().any(held), "it is repeated");
    world.hang_up(0, caller);
    world.run(millis(100));
    world.assert_quiet();
}
