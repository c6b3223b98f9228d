//! Stories as a supervisor reads them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::Ledger;
use busyhour_model::{
    AgentId, CallId, Cause, Deafness, DequeueReason, Fact, FaxHeard, FaxTone, LegId, Name, Number, OfferOutcome, Party,
    Release, Side, StreamStats, Talk, Talked, Unheard, What, Why,
};

const CALL: CallId = CallId(42);

/// The record of a call with these facts, so many seconds after its arrival, and whether it goes on.
fn record(facts: Vec<(f64, What)>) -> (CallRecord, bool) {
    let mut ledger = Ledger::new();
    let arrived = What::Arrived {
        call: CALL,
        leg: Some(LegId(1)),
        callback_of: None,
        origin: Party::Trunk("ct".into()),
        from: Number::parse("13800138000"),
        to: Number::parse("95118"),
        sip_call_id: "x@y".into(),
    };
    for (at, what) in std::iter::once((0.0, arrived)).chain(facts) {
        let at = Time::from_secs(1000) + Duration::from_secs_f64(at);
        if let Some(record) = ledger.apply(&Fact { at, what }) {
            return (record, false);
        }
    }
    (ledger.open_call(CALL).unwrap().clone(), true)
}

fn told(facts: Vec<(f64, What)>, language: Language) -> Vec<String> {
    let (record, going_on) = record(facts);
    let lines = explain(&record, language, going_on);
    assert!(lines.iter().all(|line| !line.says.contains(['{', '}'])), "a blank is left: {lines:#?}");
    assert!(lines.is_sorted_by_key(|line| line.at));
    lines.into_iter().map(|l| format!("{} {}", l.at.since(Time::from_secs(1000)).as_secs_f64(), l.says)).collect()
}

fn enqueued(priority: i32) -> What {
    let (queue_id, queue, entrance) = (Default::default(), "credit".into(), Default::default());
    What::Enqueued {
        call: CALL,
        queue_id,
        queue,
        priority,
        ahead: 3,
        since: Time::from_secs(1000 + 10),
        entrance,
        tier: None,
        wait: None,
    }
}

fn offered(agent: &str, why: Why, runner_up: Option<&str>, from_age: u64) -> What {
    let why = Why { from_age: Duration::from_secs(from_age), ..why };
    What::Offered { call: CALL, queue: "credit".into(), agent: agent.into(), why, runner_up: runner_up.map(Name::from) }
}

fn offer_ended(agent: &str, outcome: OfferOutcome) -> What {
    What::OfferEnded { call: CALL, queue: "credit".into(), agent: agent.into(), outcome }
}

fn long_story() -> Vec<(f64, What)> {
    let freed = Why {
        rule: Rule::HighestScore,
        waited: Duration::from_secs(48),
        score: 340.0,
        agents_idle: 1,
        calls_waiting: 4,
        runner_up: Some(Candidate::Call(CallId(43), 310.25)),
        ..Why::default()
    };
    let sought = Why {
        rule: Rule::LeastSkilled,
        waited: Duration::from_secs(60),
        score: 400.0,
        rank: Rank::new(true, 1, 2),
        agents_idle: 5,
        calls_waiting: 1,
        runner_up: Some(Candidate::Agent(AgentId(7), Rank::new(true, 1, 5))),
        ..Why::default()
    };
    vec![
        (10.0, enqueued(100)),
        (12.0, What::Announced { call: CALL, queue: "credit".into(), ahead: 3, wait: Some(Duration::from_secs(40)) }),
        (58.0, offered("1002", freed, None, 0)),
        (70.0, offer_ended("1002", OfferOutcome::NoAnswer)),
        (70.0, offered("1003", sought, Some("1009"), 15)),
        (73.5, offer_ended("1003", OfferOutcome::Answered)),
        (90.0, What::Ended { call: CALL, cause: Cause::CallerHungUp }),
    ]
}

#[test]
fn a_supervisor_reads_who_was_chosen_by_which_rule_and_who_came_second() {
    let expected = [
        "0 a call from 138****8000 to 95118 came from ct",
        "10 it began to wait in queue credit with a head start of 100 points; calls already waiting there: 3",
        "12 the caller was told to expect 40 s of waiting",
        "58 agent 1002 became free and chose among the calls waiting for such an agent: 4",
        "58 rule: the call with the highest score; at the same score the one that waits longer",
        "58 it had waited 48 s; score 340 points = head start 100 + 240 for the wait",
        "58 second: call c43 with 310.2 points",
        "70 agent 1002: no answer after 12 s of ringing",
        "70 the call looked for an agent; free and able to take it: 5; chosen: agent 1003",
        "70 rule: of those who suit the call best, the one with the fewest skills, then the longest idle",
        "70 it had waited 60 s; score 400 points = head start 100 + 300 for the wait",
        "70 second: agent 1009, who has 5 skills, the chosen one 2",
        "70 only calls that have waited 15 s may go to agent 1003: requirements were relaxed or the site is a farther one",
        "73.5 agent 1003: answered after 3.5 s of ringing",
        "90 the call ended: the caller hung up",
    ];
    assert_eq!(told(long_story(), Language::En), expected);
}

/// RFC 3326: what the trunks said stands in the story, and why it ended in the record.
#[test]
fn how_trunks_ended_it_is_told() {
    let party = |trunk: &str| Party::Trunk(trunk.into());
    let ended = |leg, status, by_peer, cause| What::LegEnded {
        call: CALL,
        leg: LegId(leg),
        side: Side::Trunk,
        status,
        stats: StreamStats::default(),
        release: Some(Release { by_peer, cause, told: true, sip: None }),
    };
    let facts = vec![
        (1.0, What::LegOpened { call: CALL, leg: LegId(2), party: party("cu") }),
        (2.0, ended(2, 480, true, 17)),
        (3.0, What::LegOpened { call: CALL, leg: LegId(3), party: party("cm") }),
        (4.0, What::LegAnswered { call: CALL, leg: LegId(3) }),
        (9.0, ended(3, 200, true, 16)),
        (9.5, ended(1, 200, false, 16)),
        (9.5, What::Ended { call: CALL, cause: Cause::PartnerHungUp }),
    ];
    assert_eq!(
        told(facts.clone(), Language::En)[1..],
        [
            "2 trunk cu refused by 480; cause 17 of Q.850, user busy",
            "9 the far end of trunk cm hung up; cause 16 of Q.850, normal clearing",
            "9.5 the call ended: the agent or dialled party hung up",
        ]
    );
    assert_eq!(told(facts.clone(), Language::Zh)[1], "2 线路 cu 以 480 拒绝;Q.850 原因值 17(用户忙)");
    assert_eq!(record(facts.clone()).0.release().unwrap().cause, 16);
    let refused = facts.into_iter().filter(|(at, _)| *at != 9.0).collect();
    assert_eq!(record(refused).0.release().unwrap().cause, 17, "of the leg its peer ended");
}

#[test]
fn it_is_told_in_chinese_too() {
    let story = told(long_story(), Language::Zh);
    assert_eq!(story[1], "10 进入队列 credit 排队,起始分 100;队列中已有等待来电 3 个");
    assert_eq!(story[7], "70 坐席 1002:振铃 12 秒后未接听");
    assert_eq!(story[11], "70 次选:坐席 1009,其技能数为 5,而选中者为 2");
    assert_eq!(story.len(), told(long_story(), Language::En).len());
}

#[test]
fn what_decided_between_two_agents_is_the_first_difference_of_their_ranks() {
    let table = [
        (Rank::new(true, 0, 9), Rank::new(false, 0, 1), "who lacks the preferred skills"),
        (
            Rank::new(true, 0, 9),
            Rank::new(true, 2, 1),
            "whose site is choice 3 of the queue, that of the chosen one is choice 1",
        ),
        (Rank::new(false, 0, 1), Rank::new(false, 0, 4), "who has 4 skills, the chosen one 1"),
        (
            Rank::new(true, 0, u32::MAX - 9),
            Rank::new(true, 0, u32::MAX),
            "whose levels of the wanted skills add up to 0, those of the chosen one to 9",
        ),
        (Rank::new(true, 0, 2), Rank::new(true, 0, 2), "who suits it as well but comes later by this rule"),
    ];
    for (rank, second, because) in table {
        let why = Why { rank, runner_up: Some(Candidate::Agent(AgentId(1), second)), ..Why::default() };
        let story = told(vec![(1.0, enqueued(0)), (1.0, offered("1", why, Some("2"), 0))], Language::En);
        assert_eq!(story[5], format!("1 second: agent 2, {because}"));
    }
}

#[test]
fn a_call_going_on_is_told_as_far_as_it_has_come() {
    let alone = Why { rule: Rule::LongestIdle, agents_idle: 1, ..Why::default() };
    let story = told(vec![(1.0, enqueued(0)), (2.0, offered("1", alone, None, 0))], Language::En);
    assert_eq!(story[5..], ["2 there was no second", "2 the phone of agent 1 is ringing"]);
}

#[test]
fn a_place_that_was_kept_is_told() {
    let left = What::Dequeued { call: CALL, queue: "credit".into(), reason: DequeueReason::Left };
    let story = told(vec![(15.0, enqueued(0)), (41.0, left)], Language::En);
    assert_eq!(story[2], "15 it has a place there as if it had come 5 s earlier");
    assert_eq!(story[3], "41 the caller left queue credit for the dialplan and may come back to the place");
}

#[test]
fn overflow_says_why_the_queue_let_it_go() {
    let left = What::Dequeued { call: CALL, queue: "credit".into(), reason: DequeueReason::TimedOut };
    let story = told(vec![(1.0, enqueued(0)), (41.0, left)], Language::En);
    assert_eq!(story[2], "41 it left queue credit after 40 s: overflow, it had waited as long as the queue allows");
}

#[test]
fn a_trial_says_who_asked_for_it() {
    let facts = || {
        let began = What::TrialBegan { call: CALL, trunk: "ct".into(), by: "alice".into() };
        vec![(0.0, began), (1.0, What::Ended { call: CALL, cause: Cause::IvrHungUp })]
    };
    assert_eq!(told(facts(), Language::En)[0], "0 a trial: alice had 95118 called by trunk ct");
    assert_eq!(told(facts(), Language::Zh)[0], "0 测试呼叫:alice 经 ct 拨打 95118");
}

#[test]
fn what_was_heard_is_told_at_the_end() {
    let poor = StreamStats { packets_in: 900, lost_in: 100, ..StreamStats::default() };
    let story = || {
        let talk = Talk { ms: 60_000, caller_ms: 24_000, partner_ms: 30_000, both_ms: 3_000, silence_ms: 9_000 };
        let party = Party::Agent("1001".into());
        let ended = |leg, stats| What::LegEnded {
            call: CALL,
            leg: LegId(leg),
            side: Side::Trunk,
            status: 200,
            stats,
            release: None,
        };
        vec![
            (1.0, What::FaxHeard(FaxHeard { call: CALL, leg: LegId(1), tone: FaxTone::Calling })),
            (2.0, What::LegOpened { call: CALL, leg: LegId(2), party: party.clone() }),
            (6.0, What::Unheard(Unheard { call: CALL, leg: LegId(2), side: Side::Agent, why: Deafness::NothingCame })),
            (62.0, What::Talked(Talked { call: CALL, party: party.clone(), talk })),
            (62.0, What::Talked(Talked { call: CALL, party, talk })),
            (62.0, ended(2, StreamStats::default())),
            (62.0, ended(1, poor)),
            (62.0, What::Ended { call: CALL, cause: Cause::CallerHungUp }),
        ]
    };
    let expected = [
        "62 a fax machine or modem was heard at ct",
        "62 what came from ct sounded poor: mean opinion score 3.39",
        "62 nothing was heard of 1001: no packet came; a firewall, or the phone sends nothing",
        "62 they heard each other for 120 s: the caller talked 40 % of it, the other side 50 %, both at once 5 %, nobody 15 %",
        "62 the call ended: the caller hung up",
    ];
    let lines = told(story(), Language::En);
    assert_eq!(lines[lines.len() - 5..], expected);
    assert!(told(story(), Language::Zh).iter().any(|line| line.contains("听不到 1001 的声音")));
}
