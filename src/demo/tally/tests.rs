//! A call that went well is passed; anything missing from one is noticed and named.

use super::*;
use busyhour_ledger::Ledger;
use busyhour_model::{AgentId, Cause, Entrance, LegId, Number, QueueId, Side, StreamStats, Why};
use busyhour_sim::peer::Heard;

const CALL: CallId = CallId(1);

fn at(ms: u64) -> Time {
    Time::from_secs(1_700_000_000) + Duration::from_millis(ms)
}

fn enqueued(queue: &Name) -> What {
    let (queue_id, queue, since, entrance) = (QueueId(0), queue.clone(), at(500), Entrance::First);
    What::Enqueued { call: CALL, queue_id, queue, priority: 0, ahead: 0, since, entrance, tier: None, wait: None }
}

/// A caller dials at 0 ms, waits from 500 on, agent 1001 answers at 1500, both talk until 4000.
fn facts() -> Vec<Fact> {
    let (agent, queue) = (Name::from("1001"), Name::from("enquiry"));
    let trunk = Party::Trunk("carrier".into());
    let number = |n| Number { raw: String::from(n), ..Number::default() };
    let over = |leg, side| What::LegEnded {
        call: CALL,
        leg: LegId(leg),
        side,
        status: 200,
        stats: StreamStats::default(),
        release: None,
    };
    let entered = |state| What::AgentEntered { agent_id: AgentId(0), agent: agent.clone(), state, reason: None };
    let talk = || Party::Agent(agent.clone());
    let story = [
        (0, entered(AgentState::Ready)),
        (
            0,
            What::Arrived {
                call: CALL,
                leg: Some(LegId(1)),
                callback_of: None,
                origin: trunk,
                from: number("13800138000"),
                to: number("95118"),
                sip_call_id: "x".into(),
            },
        ),
        (10, What::Answered { call: CALL }),
        (10, What::LegAnswered { call: CALL, leg: LegId(1) }),
        (500, enqueued(&queue)),
        (
            500,
            What::Offered {
                call: CALL,
                queue: queue.clone(),
                agent: agent.clone(),
                why: Why::default(),
                runner_up: None,
            },
        ),
        (500, What::LegOpened { call: CALL, leg: LegId(2), party: talk() }),
        (1500, What::LegAnswered { call: CALL, leg: LegId(2) }),
        (
            1500,
            What::OfferEnded {
                call: CALL,
                queue: queue.clone(),
                agent: agent.clone(),
                outcome: OfferOutcome::Answered,
            },
        ),
        (1500, What::Connected { call: CALL, party: talk(), queue: Some(queue) }),
        (4000, What::Disconnected { call: CALL, party: talk() }),
        (4000, over(1, Side::Trunk)),
        (4001, over(2, Side::Agent)),
        (4001, What::Ended { call: CALL, cause: Cause::CallerHungUp }),
    ];
    story.into_iter().map(|(ms, what)| Fact { at: at(ms), what }).collect()
}

fn heard() -> Outcome {
    let heard = Heard { tone: 120, tone_level: 5600.0, first_tone: Some(at(1520)), ..Heard::default() };
    Outcome {
        call_id: "x".into(),
        started: at(0),
        status: 200,
        clean: true,
        heard,
        ended: Some(at(4000)),
        ..Outcome::default()
    }
}

/// What the tally says of the call when its sides are as given.
fn judged(facts: &[Fact], caller: Option<Outcome>, agent: Option<Outcome>) -> Tally {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::new());
    for fact in facts {
        tally.fact(fact);
        ledger.apply(fact).into_iter().for_each(|record| tally.record(record));
    }
    caller.into_iter().for_each(|outcome| tally.caller(outcome));
    agent.into_iter().for_each(|outcome| tally.agent("1001", outcome));
    tally.close();
    tally
}

#[test]
fn a_good_call_passes_with_its_times() {
    let agent = Outcome { started: at(501), answered: Some(Duration::from_millis(999)), ..heard() };
    let tally = judged(&facts(), Some(heard()), Some(agent));
    assert_eq!((tally.judged, tally.answered, tally.two_way, tally.failed), (1, 1, 1, 0), "{:?}", tally.failures);
    assert_eq!((tally.matching.percentile(0.5), tally.offer.percentile(0.5)), (0, 1000));
    assert_eq!(tally.through.percentile(0.99), 20_000);
    assert!(tally.in_switch.is_empty() && tally.waiting.is_empty());
}

#[test]
fn whatever_is_missing_is_named() {
    let deaf = || Outcome { heard: Heard::default(), ..heard() };
    let faint = || Outcome { heard: Heard { tone_level: 900.0, ..heard().heard }, ..heard() };
    let without = |gone: fn(&What) -> bool| facts().into_iter().filter(|f| !gone(&f.what)).collect::<Vec<_>>();
    let unconfirmed = || Outcome { clean: false, ..heard() };
    let unended = without(|w| matches!(w, What::LegEnded { leg: LegId(2), .. }));
    let unfinished = without(|w| matches!(w, What::Ended { .. }));
    let table = [
        (facts(), Some(deaf()), Some(heard()), "the caller did not hear the agent"),
        (facts(), Some(heard()), Some(deaf()), "the agent did not hear the caller"),
        (facts(), Some(faint()), Some(heard()), "the caller did not hear the agent"),
        (facts(), Some(unconfirmed()), Some(heard()), "the caller's hang-up was not confirmed"),
        (facts(), None, Some(heard()), "the caller's phone did not see its end"),
        (facts(), Some(heard()), None, "the agent's phone did not see its end"),
        (unended, Some(heard()), Some(heard()), "a leg without a status"),
        (unfinished, Some(heard()), Some(heard()), "the switch wrote no record"),
    ];
    for (facts, caller, agent, complaint) in table {
        let tally = judged(&facts, caller, agent);
        assert_eq!(tally.failed, 1, "{complaint}: {:?}", tally.failures);
        assert!(tally.failures[0].contains(complaint), "{complaint}: {:?}", tally.failures);
    }
}

#[test]
fn percentiles_are_the_nearest_rank() {
    let mut samples = Samples::default();
    (1..=100).for_each(|n| samples.add(Duration::from_micros(n)));
    assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| samples.percentile(share)), [1, 50, 99, 100]);
    assert_eq!(Samples::default().percentile(0.5), 0);
}
