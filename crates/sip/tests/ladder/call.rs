//! Ladders of whole calls between two stacks: set-up, hang-up, races and lost messages.

use crate::{World, millis, rtp, secs};
use busyhour_model::{Direction, LegId, TrunkId};
use busyhour_sip::{Clock, Event, HeaderName, Invite, Message, Target};

fn to_trunk() -> Invite {
    let target = Target::Trunk { trunk: TrunkId(1), number: "95118".to_owned() };
    Invite::new(target, "13800138000", rtp())
}

pub fn call(world: &mut World) -> LegId {
    world.ask(0, |stack, now| stack.invite(now, to_trunk())).unwrap()
}

/// Both legs of an answered call.
pub fn up(world: &mut World) -> (LegId, LegId) {
    let caller = call(world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.answer(now, callee, rtp())).unwrap().unwrap();
    world.run(millis(50));
    assert!(matches!(world.event(0), Event::Answered { leg, .. } if leg == caller));
    assert_eq!(world.event(1), Event::Confirmed { leg: callee, audio: None });
    (caller, callee)
}

fn statuses(world: &World, method: &str) -> Vec<u16> {
    let of = |message: &Message| match message {
        Message::Response(response) if response.headers.cseq().unwrap().1.as_str() == method => Some(response.status),
        _ => None,
    };
    world.log.iter().filter_map(|(_, _, message)| of(message)).collect()
}

fn requests(world: &World, method: &str) -> usize {
    world
        .log
        .iter()
        .filter(|(_, _, message)| matches!(message, Message::Request(it) if it.method.as_str() == method))
        .count()
}

#[test]
fn a_call_rings_is_answered_and_hung_up_by_the_caller() {
    let mut world = World::pair(1);
    let caller = call(&mut world);
    world.run(millis(50));
    let incoming = world.incoming(1);
    assert_eq!((incoming.dialled.as_str(), incoming.caller.from.as_str()), ("95118", "13800138000"));
    assert!(incoming.audio.is_some());
    assert_eq!(world.ask(1, |stack, now| stack.ring(now, incoming.leg, None)), Ok(None));
    world.run(millis(50));
    assert_eq!(world.event(0), Event::Progress { leg: caller, status: 180, audio: None });
    world.ask(1, |stack, now| stack.answer(now, incoming.leg, rtp())).unwrap().unwrap();
    world.run(millis(50));
    let Event::Answered { leg, audio } = world.event(0) else { panic!("not answered") };
    assert_eq!((leg, audio.remote, audio.direction), (caller, rtp(), Direction::SendRecv));
    world.events(1);
    world.hang_up(0, caller);
    world.run(millis(50));
    assert_eq!(world.event(1), Event::Ended { leg: incoming.leg, by_peer: true });
    assert_eq!(statuses(&world, "INVITE"), [100, 180, 200]);
    world.assert_quiet();
}

#[test]
fn the_callee_hangs_up() {
    let mut world = World::pair(2);
    let (caller, callee) = up(&mut world);
    world.hang_up(1, callee);
    world.run(millis(50));
    assert_eq!(world.event(0), Event::Ended { leg: caller, by_peer: true });
    world.assert_quiet();
}

#[test]
fn both_hang_up_at_once() {
    let mut world = World::pair(3);
    let (caller, callee) = up(&mut world);
    world.hang_up(0, caller);
    world.hang_up(1, callee);
    world.assert_quiet();
    assert!(world.events(0).is_empty() && world.events(1).is_empty());
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let mut world = World::pair(4);
    let caller = call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    let audio = world.ask(1, |stack, now| stack.ring(now, callee, Some(rtp()))).unwrap();
    assert!(audio.is_some());
    world.run(millis(50));
    assert!(matches!(world.event(0), Event::Progress { leg, status: 183, audio: Some(_) } if leg == caller));
    assert_eq!(world.ask(1, |stack, now| stack.answer(now, callee, rtp())).unwrap(), audio);
    world.run(millis(50));
    assert!(matches!(world.event(0), Event::Answered { .. }));
    let bodies: Vec<_> = world
        .log
        .iter()
        .filter_map(|(_, _, message)| match message {
            Message::Response(response) if !response.body.is_empty() => Some(response.body.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(bodies[0], bodies[1], "183 and 200 carry the same answer");
    world.hang_up(0, caller);
    world.assert_quiet();
}

#[test]
fn a_refused_call_tells_its_status_and_when_to_try_again() {
    let mut world = World::pair(5);
    let caller = call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.refuse(now, callee, 486, Some(secs(7)))).unwrap();
    world.run(millis(50));
    assert_eq!(world.event(0), Event::Refused { leg: caller, status: 486, retry_after: Some(secs(7)) });
    assert_eq!(requests(&world, "ACK"), 1);
    world.assert_quiet();
}

/// RFC 3326: why, by ITU-T Q.850, in the refusal and in the BYE.
#[test]
fn who_is_refused_or_hung_up_on_is_told_the_cause() {
    let reasons = |world: &World| -> Vec<String> {
        let reason = |message: &Message| {
            let headers = match message {
                Message::Request(request) => &request.headers,
                Message::Response(response) => &response.headers,
            };
            headers.first(HeaderName::Reason).map(|value| String::from_utf8_lossy(value).into_owned())
        };
        world.log.iter().filter_map(|(_, _, message)| reason(message)).collect()
    };
    let mut world = World::pair(31);
    call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world
        .ask(1, |stack, now| {
            stack.give_reason(callee, 21);
            stack.refuse(now, callee, 603, None)
        })
        .unwrap();
    world.assert_quiet();
    assert_eq!(reasons(&world), ["Q.850;cause=21"]);
    let mut world = World::pair(32);
    let (_, callee) = up(&mut world);
    world.ask(1, |stack, _| stack.give_reason(callee, 16));
    world.hang_up(1, callee);
    world.assert_quiet();
    assert_eq!(reasons(&world), ["Q.850;cause=16"]);
}

#[test]
fn a_call_is_cancelled_while_it_rings() {
    let mut world = World::pair(6);
    let caller = call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.ring(now, callee, None)).unwrap();
    world.run(millis(50));
    world.events(0);
    world.hang_up(0, caller);
    world.run(millis(50));
    assert_eq!(world.event(1), Event::Cancelled { leg: callee });
    assert_eq!(statuses(&world, "INVITE"), [100, 180, 487]);
    assert_eq!(statuses(&world, "CANCEL"), [200]);
    world.assert_quiet();
}

#[test]
fn cancel_waits_for_the_first_provisional_response() {
    let mut world = World::pair(7);
    world.weather.delay = 40;
    let caller = call(&mut world);
    world.hang_up(0, caller);
    assert_eq!(requests(&world, "CANCEL"), 0);
    world.run(millis(60));
    assert_eq!(requests(&world, "CANCEL"), 0);
    world.run(millis(30));
    assert_eq!(requests(&world, "CANCEL"), 1);
    world.assert_quiet();
    assert!(matches!(world.events(1)[..], [Event::Incoming(_), Event::Cancelled { .. }]));
}

#[test]
fn an_answer_that_crosses_a_cancel_is_acknowledged_and_hung_up() {
    let mut world = World::pair(8);
    let caller = call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.answer(now, callee, rtp())).unwrap();
    world.hang_up(0, caller);
    world.run(millis(100));
    assert_eq!(requests(&world, "CANCEL"), 1);
    assert_eq!(
        world.events(1),
        [Event::Confirmed { leg: callee, audio: None }, Event::Ended { leg: callee, by_peer: true }]
    );
    assert!(world.events(0).is_empty());
    world.assert_quiet();
}

#[test]
fn an_unanswered_call_that_we_hang_up_is_declined() {
    let mut world = World::pair(9);
    let caller = call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.hang_up(1, callee);
    world.run(millis(50));
    assert_eq!(world.event(0), Event::Refused { leg: caller, status: 603, retry_after: None });
    world.assert_quiet();
}

#[test]
fn a_lost_200_is_sent_again_and_a_lost_ack_too() {
    for lost in ["200", "ACK"] {
        let mut world = World::pair(10);
        world.lose = match lost {
            "200" => |message| matches!(message, Message::Response(it) if it.status == 200),
            _ => |message| matches!(message, Message::Request(it) if it.method.as_str() == "ACK"),
        };
        let caller = call(&mut world);
        world.run(millis(50));
        let callee = world.incoming(1).leg;
        world.ask(1, |stack, now| stack.answer(now, callee, rtp())).unwrap();
        world.run(millis(1000));
        assert!(world.events(1).is_empty());
        world.lose = |_| false;
        world.run(secs(3));
        assert!(matches!(world.event(0), Event::Answered { .. }));
        assert_eq!(world.event(1), Event::Confirmed { leg: callee, audio: None });
        world.hang_up(0, caller);
        world.assert_quiet();
    }
}

#[test]
fn an_answer_nobody_acknowledges_ends_after_32_seconds() {
    let mut world = World::pair(11);
    world.lose = |message| matches!(message, Message::Request(it) if it.method.as_str() == "ACK");
    call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.answer(now, callee, rtp())).unwrap();
    world.run(millis(31_900));
    assert!(world.events(1).is_empty());
    let copies = statuses(&world, "INVITE").iter().filter(|status| **status == 200).count();
    assert_eq!(copies, 11, "at 0, .5, 1.5, 3.5, 7.5, 11.5, … 31.5 s");
    world.run(millis(200));
    assert_eq!(world.event(1), Event::Ended { leg: callee, by_peer: false });
    assert_eq!(requests(&world, "BYE"), 1);
    assert_eq!(world.fired(1), [(Clock::L, 1), (Clock::Ok, 10)]);
    world.assert_quiet();
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut world = World::pair(12);
    let caller = call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.answer(now, callee, rtp())).unwrap();
    world.hang_up(1, callee);
    assert_eq!((requests(&world, "BYE"), world.stack(1).legs()), (0, 0));
    world.run(millis(100));
    let events = world.events(0);
    assert!(
        matches!(events[..], [Event::Answered { .. }, Event::Ended { leg, by_peer: true }] if leg == caller),
        "{events:?}"
    );
    world.assert_quiet();
}

#[test]
fn a_lost_bye_is_sent_again() {
    let mut world = World::pair(13);
    let (caller, callee) = up(&mut world);
    world.lose = |message| matches!(message, Message::Request(it) if it.method.as_str() == "BYE");
    world.hang_up(0, caller);
    world.run(millis(400));
    world.lose = |_| false;
    world.run(millis(300));
    assert_eq!(world.event(1), Event::Ended { leg: callee, by_peer: true });
    world.assert_quiet();
}

#[test]
fn a_silent_peer_is_given_up_after_timer_b_with_seven_invites() {
    let mut world = World::pair(14);
    world.lose = |_| true;
    let caller = call(&mut world);
    world.run(millis(31_999));
    assert!(world.events(0).is_empty());
    assert_eq!(requests(&world, "INVITE"), 7);
    world.run(millis(1));
    assert_eq!(world.event(0), Event::Refused { leg: caller, status: 408, retry_after: None });
    assert_eq!(world.fired(0), [(Clock::A, 6), (Clock::B, 1)]);
    world.assert_quiet();
}

#[test]
fn a_silent_peer_gets_eleven_byes_by_timer_f() {
    let mut world = World::pair(15);
    let (caller, callee) = up(&mut world);
    world.lose = |_| true;
    world.hang_up(0, caller);
    world.run(secs(33));
    assert_eq!(requests(&world, "BYE"), 11);
    assert_eq!(world.fired(0), [(Clock::E, 10), (Clock::F, 1), (Clock::M, 1)]);
    assert_eq!(world.stack(0).legs(), 0);
    world.hang_up(1, callee);
    world.assert_quiet();
}

#[test]
fn a_refusal_nobody_acknowledges_is_repeated_until_timer_h() {
    let mut world = World::pair(16);
    world.lose = |message| matches!(message, Message::Request(it) if it.method.as_str() == "ACK");
    call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.refuse(1, callee, 486);
    world.run(secs(33));
    assert_eq!(statuses(&world, "INVITE").iter().filter(|status| **status == 486).count(), 11);
    assert_eq!((world.fired(0), world.fired(1)), (vec![(Clock::D, 1)], vec![(Clock::G, 10), (Clock::H, 1)]));
    world.assert_quiet();
}

#[test]
fn an_invite_that_rings_too_long_is_cancelled_by_the_stack() {
    let mut world = World::pair(17);
    let caller = call(&mut world);
    world.run(millis(50));
    let callee = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.ring(now, callee, None)).unwrap();
    world.run(secs(301));
    let events = world.events(0);
    assert_eq!(events.last(), Some(&Event::Refused { leg: caller, status: 408, retry_after: None }));
    assert!(events.len() >= 5, "180 comes every minute");
    assert_eq!((world.fired(0), world.fired(1)), (vec![(Clock::C, 1)], vec![(Clock::Provisional, 4)]));
    assert_eq!(world.event(1), Event::Cancelled { leg: callee });
    world.assert_quiet();
}

#[test]
fn an_unreachable_peer_is_told_at_once() {
    let mut world = World::pair(18);
    world.lose = |_| true;
    let caller = call(&mut world);
    let flow = world.log[0].1;
    world.ask(0, |stack, now| stack.handle_unreachable(now, flow));
    assert_eq!(world.event(0), Event::Refused { leg: caller, status: 503, retry_after: None });
    world.assert_quiet();
}

#[test]
fn commands_in_the_wrong_state_are_refused_and_send_nothing() {
    use busyhour_sip::Error;
    let mut world = World::pair(19);
    let (caller, callee) = up(&mut world);
    let sent = world.log.len();
    world.ask(1, |stack, now| {
        assert_eq!(stack.answer(now, callee, rtp()), Err(Error::WrongState));
        assert_eq!(stack.ring(now, callee, None), Err(Error::WrongState));
        assert_eq!(stack.refuse(now, callee, 486, None), Err(Error::WrongState));
        assert_eq!(stack.hang_up(now, LegId(99)), Err(Error::UnknownLeg));
        assert_eq!(stack.reinvite(now, LegId(99), Direction::Inactive), Err(Error::UnknownLeg));
        let nobody = Invite { target: Target::Account("8001".into()), ..to_trunk() };
        assert_eq!(stack.invite(now, nobody), Err(Error::NoContact));
        let nowhere = Invite { target: Target::Trunk { trunk: TrunkId(9), number: "1".to_owned() }, ..to_trunk() };
        assert_eq!(stack.invite(now, nowhere), Err(Error::NoTrunkPeer));
    });
    assert_eq!(world.log.len(), sent);
    world.hang_up(0, caller);
    world.assert_quiet();
}

#[test]
fn hold_and_resume_reach_the_other_end() {
    let mut world = World::pair(20);
    let (caller, callee) = up(&mut world);
    for (direction, seen) in [
        (Direction::SendOnly, Direction::RecvOnly),
        (Direction::SendRecv, Direction::SendRecv),
        (Direction::Inactive, Direction::Inactive),
    ] {
        world.ask(0, |stack, now| stack.reinvite(now, caller, direction)).unwrap();
        world.run(millis(50));
        let Event::MediaChanged { leg, audio } = world.event(0) else { panic!("not agreed") };
        assert_eq!((leg, audio.direction), (caller, direction));
        let Event::MediaChanged { leg, audio } = world.event(1) else { panic!("not told") };
        assert_eq!((leg, audio.direction), (callee, seen));
    }
    world.hang_up(1, callee);
    world.run(millis(50));
    assert_eq!(world.event(0), Event::Ended { leg: caller, by_peer: true });
    world.assert_quiet();
}

#[test]
fn crossing_re_invites_are_both_told_491_and_both_succeed_later() {
    let mut world = World::pair(21);
    let (caller, callee) = up(&mut world);
    world.ask(0, |stack, now| stack.reinvite(now, caller, Direction::SendOnly)).unwrap();
    world.ask(1, |stack, now| stack.reinvite(now, callee, Direction::SendOnly)).unwrap();
    world.run(secs(10));
    assert_eq!(statuses(&world, "INVITE").iter().filter(|status| **status == 491).count(), 2);
    for end in 0..2 {
        let events = world.events(end);
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(
            matches!(&events[1], Event::MediaChanged { audio, .. } if audio.direction == Direction::Inactive || audio.direction == Direction::SendOnly),
            "{events:?}"
        );
    }
    world.hang_up(0, caller);
    world.assert_quiet();
}

#[test]
fn a_forgotten_dialog_ends_the_leg_that_renegotiates() {
    let mut world = World::pair(22);
    let (caller, callee) = up(&mut world);
    world.lose = |message| matches!(message, Message::Request(it) if it.method.as_str() == "BYE");
    world.hang_up(1, callee);
    world.run(secs(40));
    world.lose = |_| false;
    world.ask(0, |stack, now| stack.reinvite(now, caller, Direction::SendOnly)).unwrap();
    world.run(millis(50));
    assert_eq!(world.event(0), Event::Ended { leg: caller, by_peer: false });
    world.assert_quiet();
}

#[test]
fn a_call_over_tcp_needs_no_retransmission() {
    let mut world = World::pair(23);
    for end in 0..2 {
        let mut config = crate::config(world.ends[end].at, vec![crate::trunk(1, world.ends[1 - end].at)], &[]);
        config.trunks[0].peers[0].transport = busyhour_sip::Transport::Tcp;
        world.ask(end, |stack, now| stack.reconfigure(now, config));
    }
    world.weather.delay = 700;
    let caller = call(&mut world);
    world.run(secs(2));
    let callee = world.incoming(1).leg;
    world.ask(1, |stack, now| stack.answer(now, callee, rtp())).unwrap();
    world.run(secs(5));
    assert!(matches!(world.event(0), Event::Answered { .. }));
    world.hang_up(0, caller);
    world.run(secs(5));
    assert_eq!(world.events(1).last(), Some(&Event::Ended { leg: callee, by_peer: true }));
    assert_eq!((requests(&world, "INVITE"), requests(&world, "BYE")), (1, 1));
    world.assert_quiet();
}
