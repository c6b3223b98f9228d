//! What callers notice of a restart: nothing. Read back, they stand where they stood and have waited since they came.
#![allow(clippy::unwrap_used)]

use busyhour_acd::{Acd, AgentChoice, AgentSpec, Command, Decision, Enqueue, Policy, QueueSpec};
use busyhour_model::{AgentId, CallId, OfferOutcome, QueueId, Time};
use std::time::Duration;

const AGENT: AgentId = AgentId(0);

fn queue(id: u32, priority: i32) -> Command {
    Command::SetQueue(Box::new(QueueSpec {
        id: QueueId(id),
        required: Vec::new(),
        relax: Vec::new(),
        priority,
        goal: Duration::from_secs(20),
        choice: AgentChoice::LongestIdle,
        wait_max: Some(Duration::from_secs(300)),
        waiting_max: None,
        overflow_no_agents: false,
        wrap_up: Duration::ZERO,
        policy: Policy::default(),
    }))
}

fn apply(acd: &mut Acd, secs: u64, command: Command) -> Vec<Decision> {
    let mut out = Vec::new();
    acd.apply(Time::from_secs(secs), command, &mut out).unwrap();
    acd.check();
    out
}

/// Calls 1 to 5 wait in two queues; 5 came with a place of earlier, 2 was offered and not answered.
fn waiting() -> Acd {
    let mut acd = Acd::new(1);
    apply(&mut acd, 0, queue(0, 0));
    apply(&mut acd, 0, queue(1, 150));
    apply(&mut acd, 0, Command::SetAgent(AgentSpec::new(AGENT, Vec::new())));
    for (secs, id, queue, since) in [(10, 1, 0, 10), (20, 2, 1, 20), (30, 3, 0, 30), (40, 4, 1, 40), (50, 5, 0, 15)] {
        let (call, queue, since) = (CallId(id), QueueId(queue), Time::from_secs(since));
        let enqueue = Enqueue { call, queue, required: Vec::new(), priority: 0, since, agent: None, prefer: None };
        apply(&mut acd, secs, Command::Enqueue(enqueue));
    }
    apply(&mut acd, 60, Command::SignIn { agent: AGENT, not_ready: None });
    apply(&mut acd, 70, Command::Declined { call: CallId(2), agent: AGENT, outcome: OfferOutcome::NoAnswer });
    acd
}

/// Who is served when, and how long each had waited.
fn served(mut acd: Acd) -> Vec<(CallId, Duration)> {
    let mut order = Vec::new();
    let mut out = apply(&mut acd, 100, Command::Ready { agent: AGENT });
    for secs in (110..).step_by(10) {
        let offer = out.iter().find_map(|decision| match decision {
            Decision::Offer { call, why, .. } => Some((*call, why.waited)),
            _ => None,
        });
        let Some((call, waited)) = offer else { break };
        order.push((call, waited));
        apply(&mut acd, secs, Command::Accepted { call, agent: AGENT });
        out = apply(&mut acd, secs, Command::Released { agent: AGENT });
    }
    order
}

#[test]
fn callers_keep_their_place_and_the_time_they_came() {
    let acd = waiting();
    let read = Acd::from_bytes(&acd.to_bytes()).unwrap();
    assert_eq!(read.digest(), acd.digest());
    for call in (1..=5).map(CallId) {
        assert_eq!(read.place(Time::from_secs(90), call), acd.place(Time::from_secs(90), call), "{call}");
    }
    let seconds = |id, secs| (CallId(id), Duration::from_secs(secs));
    let expected = [seconds(2, 80), seconds(1, 100), seconds(4, 80), seconds(5, 115), seconds(3, 110)];
    assert_eq!(served(read), expected);
    assert_eq!(served(acd), expected);
}

#[test]
fn who_waits_too_long_overflows_at_the_time_it_would_have() {
    let mut read = Acd::from_bytes(&waiting().to_bytes()).unwrap();
    assert_eq!(read.poll_timeout(), Some(Time::from_secs(310)), "300 s after the first came");
    let overflowed = |out: Vec<Decision>| out.iter().filter(|d| matches!(d, Decision::Overflow { .. })).count();
    assert_eq!(overflowed(apply(&mut read, 310, Command::Tick)), 1);
    assert_eq!(overflowed(apply(&mut read, 330, Command::Tick)), 3, "those of 15, 20 and 30 s");
}

#[test]
fn bytes_that_are_no_state_are_refused() {
    let bytes = waiting().to_bytes();
    assert_eq!(Acd::from_bytes(&bytes[..bytes.len() - 1]), None);
    assert_eq!(Acd::from_bytes(b"not a state"), None);
}
