//! Trials: an operator has a number called by a trunk, and is told how that went.

use crate::exchange::{Exchange, MUSIC, carrier, secs, setup, trunk};
use busyhour_model::{CallId, Cause, Party, What};
use busyhour_sip::HeaderName;
use busyhour_switch::{
    Denied, Happened, NumberRoute, Reply, Request, Setup, Trial, TrunkLimits, TrunkPolicy, TrunkSetup,
};

const NUMBER: &str = "13800138000";

fn exchange(trunk: TrunkSetup) -> Exchange {
    Exchange::new(Setup { calls_max: 3, ..setup(vec![trunk], MUSIC) })
}

fn ask(exchange: &mut Exchange, request: Request) -> Result<Trial, Denied> {
    let reply = exchange.switch.handle_request(exchange.now, request);
    exchange.drain();
    reply.map(|reply| if let Reply::Trial(trial) = reply { *trial } else { panic!("{reply:?}") })
}

fn begin(exchange: &mut Exchange, trunk: &str, number: &str) -> Result<Trial, Denied> {
    ask(exchange, Request::TryTrunk { trunk: trunk.into(), number: number.into(), by: "alice".into() })
}

/// How the trial stands.
fn now(exchange: &mut Exchange, call: CallId) -> Trial {
    ask(exchange, Request::Trial { call }).unwrap()
}

/// What happened, in a word each.
fn words(trial: &Trial) -> Vec<String> {
    let word = |what: &Happened| match what {
        Happened::NotCalled { reason } => format!("not called: {reason}"),
        Happened::Called { peer } => format!("called {peer}"),
        Happened::Progress { status, sound } => format!("{status} {sound}"),
        Happened::Answered { codec, sound, .. } => format!("answered {codec:?} {sound}"),
        Happened::Ended { status, release, .. } => {
            format!("ended {status} {:?}", release.map(|release| (release.by_peer, release.cause)))
        }
    };
    trial.steps.iter().map(|step| word(&step.what)).collect()
}

#[test]
fn a_number_that_answers_is_played_to_and_hung_up() {
    let mut exchange = exchange(trunk(1));
    let call = begin(&mut exchange, "t1", NUMBER).unwrap().call;
    let invite = exchange.request(1, "INVITE").unwrap();
    assert_eq!(invite.uri.user_unescaped().unwrap(), NUMBER);
    exchange.run(secs(1));
    exchange.answer(1, &invite, 180, &[]);
    exchange.run(secs(2));
    exchange.answer(1, &invite, 200, &[]);
    assert!(exchange.request(1, "ACK").is_some());
    assert_eq!(now(&mut exchange, call).over, None);
    exchange.run(secs(3));
    assert!(exchange.request(1, "BYE").is_none(), "it is played to for a while");
    exchange.run(secs(1));
    let bye = exchange.request(1, "BYE").unwrap();
    exchange.run(secs(1));
    exchange.answer(1, &bye, 200, &[]);
    let (method, took) = ("BYE".into(), secs(1));
    assert!(exchange.facts.contains(&What::TrunkAnswered { trunk: "t1".into(), method, took, successful: true }));
    let trial = now(&mut exchange, call);
    assert_eq!(
        words(&trial),
        ["called udp:10.9.1.1:5060", "180 false", "answered Pcma 10.9.1.1:4000", "ended 200 Some((false, 16))"]
    );
    let after: Vec<u64> = trial.steps.iter().map(|step| step.after_ms).collect();
    assert_eq!((after, trial.over), (vec![0, 1_000, 3_000, 7_000], Some(Cause::IvrHungUp)));
    assert!(!trial.is_good(), "no media plane here: no sound was sent");
    let began = What::TrialBegan { call, trunk: "t1".into(), by: "alice".into() };
    assert!(
        exchange.facts.contains(&began) && exchange.facts.contains(&What::LegAnswered { call, leg: leg(&exchange) })
    );
    exchange.run(secs(60));
    assert_eq!(exchange.switch.vitals().calls, 0);
}

/// The leg the last call opened.
fn leg(exchange: &Exchange) -> busyhour_model::LegId {
    let opened = |what: &What| match what {
        What::LegOpened { leg, party: Party::Trunk(_), .. } => Some(*leg),
        _ => None,
    };
    exchange.facts.iter().rev().find_map(opened).unwrap()
}

#[test]
fn a_number_that_is_refused_says_so_with_the_reason() {
    let mut exchange = exchange(trunk(1));
    let call = begin(&mut exchange, "t1", NUMBER).unwrap().call;
    let invite = exchange.request(1, "INVITE").unwrap();
    exchange.answer(1, &invite, 486, &[(HeaderName::Reason, "Q.850;cause=17")]);
    let trial = now(&mut exchange, call);
    assert_eq!(words(&trial), ["called udp:10.9.1.1:5060", "ended 486 Some((true, 17))"]);
    assert_eq!(trial.over, Some(Cause::Refused(486)));
    let call = begin(&mut exchange, "t1", NUMBER).unwrap().call;
    exchange.request(1, "ACK");
    let invite = exchange.request(1, "INVITE").unwrap();
    exchange.answer(1, &invite, 503, &[]);
    let words = words(&now(&mut exchange, call));
    assert_eq!(words, ["called udp:10.9.1.1:5060", "ended 503 Some((true, 41))"], "no other trunk stands for it");
}

#[test]
fn a_number_that_nobody_answers_is_given_up() {
    let mut exchange = exchange(trunk(1));
    let call = begin(&mut exchange, "t1", NUMBER).unwrap().call;
    let invite = exchange.request(1, "INVITE").unwrap();
    exchange.answer(1, &invite, 180, &[]);
    exchange.run(secs(45));
    assert!(exchange.request(1, "CANCEL").is_some());
    assert_eq!(now(&mut exchange, call).over, Some(Cause::Refused(480)));
}

#[test]
fn who_answers_and_hangs_up_ends_it() {
    let mut exchange = exchange(trunk(1));
    let call = begin(&mut exchange, "t1", NUMBER).unwrap().call;
    let invite = exchange.request(1, "INVITE").unwrap();
    exchange.answer(1, &invite, 200, &[]);
    let bye = format!(
        "BYE sip:10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKbye\r\nFrom: {};tag=far\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        carrier(1),
        invite.headers.text(HeaderName::To).unwrap(),
        invite.headers.text(HeaderName::From).unwrap(),
        invite.headers.call_id(),
    );
    exchange.receive(1, bye.as_bytes());
    let trial = now(&mut exchange, call);
    assert_eq!((trial.over, words(&trial).len()), (Some(Cause::CallerHungUp), 3), "{trial:?}");
}

#[test]
fn the_trunks_own_rules_hold_for_a_trial() {
    let drained = TrunkLimits { drained: true, ..TrunkLimits::default() };
    let full = TrunkLimits { channels_out: Some(0), ..TrunkLimits::default() };
    for (trunk, number, expected) in [
        (trunk(1), "0085221234567", "not called: barred"),
        (TrunkSetup { limits: drained, ..trunk(1) }, NUMBER, "not called: drained"),
        (TrunkSetup { limits: full, ..trunk(1) }, NUMBER, "not called: channels_out_full"),
        (TrunkSetup { peers: Vec::new(), ..trunk(1) }, NUMBER, "not called: unreachable"),
    ] {
        let mut exchange = exchange(trunk);
        let trial = begin(&mut exchange, "t1", number).unwrap();
        assert_eq!(words(&trial), [expected]);
        assert_eq!(now(&mut exchange, trial.call).over, Some(Cause::Refused(503)));
        assert!(exchange.request(1, "INVITE").is_none());
    }
}

#[test]
fn numbers_are_written_and_shown_as_the_trunk_has_them() {
    let policy = TrunkPolicy { caller_id: Some("02151234500".into()), ..TrunkPolicy::default() };
    let mut exchange = exchange(TrunkSetup { policy, ..trunk(1) });
    begin(&mut exchange, "t1", NUMBER).unwrap();
    let invite = exchange.request(1, "INVITE").unwrap();
    assert!(invite.headers.text(HeaderName::From).unwrap().contains("sip:02151234500@"), "{invite:?}");
    exchange.hang_up_all();
    for (numbers, shown) in [(&["*"][..], "<sip:anonymous@"), (&["*", "95118"], "<sip:95118@")] {
        let mut setup = setup(vec![trunk(1)], MUSIC);
        let all = setup.numbers[0].clone();
        setup.numbers = numbers.iter().map(|number| NumberRoute { number: (*number).into(), ..all.clone() }).collect();
        let mut exchange = Exchange::new(setup);
        begin(&mut exchange, "t1", NUMBER).unwrap();
        let invite = exchange.request(1, "INVITE").unwrap();
        assert!(invite.headers.text(HeaderName::From).unwrap().contains(shown), "{invite:?}");
        exchange.hang_up_all();
    }
}

#[test]
fn who_asks_for_what_cannot_be_is_told() {
    let mut exchange = exchange(trunk(1));
    assert_eq!(begin(&mut exchange, "t9", NUMBER), Err(Denied::UnknownTrunk("t9".into())));
    assert_eq!(begin(&mut exchange, "t1", "soon"), Err(Denied::NoNumber("soon".into())));
    assert_eq!(ask(&mut exchange, Request::Trial { call: CallId(99) }), Err(Denied::UnknownCall(CallId(99))));
    let calls: Vec<_> = (0..3).map(|_| begin(&mut exchange, "t1", NUMBER).unwrap().call).collect();
    assert_eq!(begin(&mut exchange, "t1", NUMBER), Err(Denied::TooMany));
    exchange.hang_up_all();
    assert!(calls.iter().all(|call| now(&mut exchange, *call).over == Some(Cause::OperatorHungUp)));
}
