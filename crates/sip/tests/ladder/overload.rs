//! More calls than we can take: those taken are as many as ever, and those in progress do not notice (RFC 7339's aim, RFC 3261 section 21.5.4).

use crate::{DOMAIN, OFFER, Raw, World, addr, config, millis, rtp, secs, trunk};
use busyhour_sip::{Event, HeaderName, Message};
use std::collections::BTreeSet;
use std::time::Duration;

const CARRIER: &str = "10.2.0.1:5060";
/// What a virtual processor needs for a call, and for a refusal.
const CALL: Duration = Duration::from_millis(10);
const REFUSAL: Duration = Duration::from_micros(200);
/// Datagrams the socket holds.
const QUEUE_MAX: u32 = 2_000;

fn request(world: &mut World, method: &str, n: u32, to_tag: &str, body: &str) {
    let (uri, call_id, branch) = (format!("sip:95118@{DOMAIN}"), format!("call-{n}"), format!("z9hG4bK{method}{n}"));
    let more = format!("Contact: <sip:13800138000@{CARRIER}>\r\nContent-Type: application/sdp\r\n");
    let raw = Raw {
        method,
        uri: &uri,
        from: addr(CARRIER),
        branch: &branch,
        call_id: &call_id,
        from_line: "<sip:13800138000@10.2.0.1>;tag=c",
        to_line: &format!("<{uri}>{to_tag}"),
        cseq: if method == "BYE" { 2 } else { 1 },
        more: &more,
        body,
    };
    world.raw(addr(CARRIER), 0, &raw.text());
}

/// Calls taken in 10 s of so many INVITEs a second, and the longest wait of one.
fn taken(world: &mut World, rate: u32, controlled: bool) -> (u32, Duration) {
    let began = world.now;
    let mut free = began;
    let (mut calls, mut longest) = (0, Duration::ZERO);
    for n in 0..rate * 10 {
        let came = began + secs(1) * n / rate;
        if free.since(came) > CALL * QUEUE_MAX {
            continue;
        }
        free = free.max(came);
        world.now = world.now.max(free);
        let wait = free.since(came);
        if controlled {
            world.ask(0, |stack, now| stack.handle_wait(now, wait));
        }
        request(world, "INVITE", rate * 100_000 + n, "", OFFER);
        let leg = world.events(0).into_iter().find_map(|event| match event {
            Event::Incoming(incoming) => Some(incoming.leg),
            _ => None,
        });
        if let Some(leg) = leg {
            world.refuse(0, leg, 486);
            longest = longest.max(wait);
            calls += u32::from(wait < millis(500));
        }
        free += if leg.is_some() { CALL } else { REFUSAL };
    }
    (calls, longest)
}

fn world() -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk(3, addr(CARRIER))], &["8001"]), 11);
    world
}

#[test]
fn goodput_stays_flat_at_five_times_the_capacity() {
    let (peak, _) = taken(&mut world(), 100, true);
    assert!(peak >= 990, "{peak}");
    for rate in [200, 300, 500] {
        let (calls, longest) = taken(&mut world(), rate, true);
        assert!(calls * 100 >= peak * 85 && longest < millis(200), "{calls} of {peak} at {rate}/s, {longest:?}");
    }
    let (calls, longest) = taken(&mut world(), 300, false);
    assert!(calls < peak / 4 && longest > secs(5), "without it nearly every call waits too long: {calls}, {longest:?}");
}

#[test]
fn a_halt_refuses_nobody() {
    let mut world = world();
    // The processor was away for 600 ms at half its load.
    for n in 0..100 {
        let came = world.now + millis(20) * n;
        let handled = came.max(world.now + millis(600) + CALL * n);
        world.ask(0, |stack, _| stack.handle_wait(handled, handled.since(came)));
    }
    assert_eq!(world.stack(0).counters().overloaded, 0);
    assert!(world.events(0).is_empty());
}

#[test]
fn calls_in_progress_and_probes_do_not_notice() {
    let mut world = world();
    request(&mut world, "INVITE", 1, "", OFFER);
    let leg = world.incoming(0).leg;
    world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
    let answered = world.log.iter().rev().find_map(|(_, _, message)| message.headers().to_tag()).unwrap();
    world.ask(0, |stack, now| stack.handle_wait(now, secs(1)));
    world.now += millis(100);
    world.ask(0, |stack, now| stack.handle_wait(now, secs(1)));
    assert_eq!(world.event(0), Event::Overload { on: true, refused: 0 });
    world.log.clear();
    let spread: BTreeSet<String> = (2..60)
        .map(|n| {
            request(&mut world, "INVITE", n, "", OFFER);
            let (_, _, Message::Response(response)) = world.log.pop().unwrap() else { panic!("no response") };
            assert_eq!(response.status, 503);
            response.headers.text(HeaderName::RetryAfter).unwrap().to_owned()
        })
        .collect();
    assert!(spread.len() >= 8, "{spread:?}");
    request(&mut world, "OPTIONS", 90, "", "");
    request(&mut world, "BYE", 1, &format!(";tag={answered}"), "");
    let statuses: Vec<u16> = world.log.iter().map(|(_, _, message)| status(message)).collect();
    assert_eq!(statuses, [200, 200]);
    assert_eq!(world.event(0), Event::Ended { leg, by_peer: true });
    assert_eq!((world.stack(0).legs(), world.stack(0).counters().overloaded), (0, 58));
    world.ask(0, |stack, now| stack.handle_wait(now + secs(2), Duration::ZERO));
    assert_eq!(world.event(0), Event::Overload { on: false, refused: 58 });
    request(&mut world, "INVITE", 91, "", OFFER);
    assert!(matches!(world.event(0), Event::Incoming(_)), "and the next call is taken at once");
}

fn status(message: &Message) -> u16 {
    match message {
        Message::Response(response) => response.status,
        Message::Request(_) => 0,
    }
}
