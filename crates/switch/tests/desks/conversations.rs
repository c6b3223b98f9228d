//! Which conversations are recorded, from when to when, and what is left out.

use crate::exchange::{Exchange, secs};
use crate::phone::Phone;
use crate::{agent, queue_in, setup};
use busyhour_ivr::{Dialplan, Names};
use busyhour_media::{Command, Event, Filed, Track};
use busyhour_model::{CallId, Conversation, Deed, Handled, LegId, Name, Party, TapeId, What};
use busyhour_switch::{Denied, Destination, QueueSetup, Recorded, RecordingSetup, Reply, Request, Setup};

fn taped(exchange: &Exchange) -> Vec<Conversation> {
    let taped = |what: &What| match what {
        What::ConversationTaped(conversation) => Some((**conversation).clone()),
        _ => None,
    };
    exchange.facts.iter().filter_map(taped).collect()
}

/// Track, tape and leg of each tape that was begun.
fn begun(exchange: &Exchange) -> Vec<(Track, TapeId, LegId)> {
    let begun = |command: &Command| match command {
        Command::Record { leg, tape, track, since, .. } => {
            assert_eq!(*since, exchange.now, "both sides count from one moment");
            Some((*track, *tape, *leg))
        }
        _ => None,
    };
    exchange.media.iter().filter_map(begun).collect()
}

fn count(exchange: &Exchange, wanted: impl Fn(&Command) -> bool) -> usize {
    exchange.media.iter().filter(|command| wanted(command)).count()
}

/// A caller of the queue whose only agent has answered.
fn talking(queue: QueueSetup) -> Exchange {
    talking_in(queue, |_| ())
}

fn talking_in(queue: QueueSetup, change: impl FnOnce(&mut Setup)) -> Exchange {
    let mut exchange = queue_in(queue, agent("1001", "4711"), change);
    exchange.call(5, "13800138000", "95118", "");
    let invite = exchange.request(1, "INVITE").unwrap();
    exchange.media.clear();
    exchange.answer(1, &invite, 200, &[]);
    exchange
}

fn file(exchange: &mut Exchange, tape: TapeId, file: Option<Filed>) {
    let now = exchange.now;
    exchange.switch.handle_media(now, Event::Filed { leg: LegId(1), tape, file });
    exchange.drain();
}

#[test]
fn a_customer_and_an_agent_are_recorded_and_the_call_is_over_when_the_file_is_whole() {
    let mut exchange = talking(QueueSetup { retention: Some("case".into()), ..QueueSetup::new("card".into()) });
    let [conversation] = &taped(&exchange)[..] else { panic!("one is recorded") };
    let tape = conversation.tape;
    let (began, call) = (exchange.now, CallId(1));
    let (left, right) = (Party::Trunk("t5".into()), Party::Agent("1001".into()));
    let (from, to) = ("13800138000".into(), "95118".into());
    let (queue, retention) = (Some("card".into()), "case".into());
    assert_eq!(*conversation, Conversation { tape, call, began, from, to, left, right, queue, retention });
    let tracks: Vec<_> = begun(&exchange).iter().map(|(track, of, _)| (*track, *of)).collect();
    assert_eq!(tracks, [(Track::Left, tape), (Track::Right, tape)]);
    let bridge = exchange.media.iter().position(|command| matches!(command, Command::Bridge { .. })).unwrap();
    let record = exchange.media.iter().position(|command| matches!(command, Command::Record { .. })).unwrap();
    assert!(bridge < record, "not before they hear each other");

    exchange.run(secs(20));
    exchange.hang_up_all();
    assert!(!exchange.facts.iter().any(|what| matches!(what, What::Ended { .. })), "its file is still being written");
    let filed = Filed { file: "x.wav".into(), ms: 20_000, ..Filed::default() };
    file(&mut exchange, tape, Some(filed));
    let ends: Vec<&What> = exchange.facts.iter().rev().take(2).collect();
    assert!(matches!(ends[0], What::Ended { .. }) && matches!(ends[1], What::Recorded { ms: 20_000, .. }), "{ends:?}");
}

#[test]
fn a_file_that_could_not_be_written_is_told_and_holds_nobody_up() {
    let mut exchange = talking(QueueSetup::new("card".into()));
    let tape = taped(&exchange)[0].tape;
    exchange.hang_up_all();
    file(&mut exchange, tape, None);
    assert!(exchange.facts.contains(&What::RecordingLost { call: CallId(1), tape }));
    assert!(exchange.facts.iter().any(|what| matches!(what, What::Ended { .. })));
}

#[test]
fn the_queue_says_whether_it_records_else_the_configuration() {
    use Recorded::{All, Customers, None as Nobody};
    for (conversations, record, expected) in [
        (Customers, None, true),
        (All, None, true),
        (Nobody, None, false),
        (Nobody, Some(true), true),
        (All, Some(false), false),
    ] {
        let queue = QueueSetup { record, ..QueueSetup::new("card".into()) };
        let exchange = talking_in(queue, |setup| setup.recording.conversations = conversations);
        assert_eq!(taped(&exchange).len(), usize::from(expected), "{conversations:?} {record:?}");
    }
}

/// Two agents.
fn colleagues(conversations: Recorded) -> Exchange {
    let recording = RecordingSetup { conversations, ..RecordingSetup::default() };
    let mut exchange = Exchange::new(Setup { recording, ..setup() });
    let [mut one, _] = [(1, "1001"), (2, "1002")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    assert_eq!(one.dial(&mut exchange, "1002"), 0);
    let invite = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &invite, 200, &[]);
    exchange
}

#[test]
fn colleagues_are_recorded_only_where_all_are() {
    assert!(taped(&colleagues(Recorded::Customers)).is_empty());
    let [conversation] = &taped(&colleagues(Recorded::All))[..] else { panic!("one is recorded") };
    assert_eq!(conversation.agents().map(|agent| &**agent).collect::<Vec<_>>(), ["1001", "1002"]);
}

#[test]
fn what_is_said_can_be_left_out_for_a_while() {
    let mut exchange = talking(QueueSetup::new("card".into()));
    let (call, tape) = (CallId(1), taped(&exchange)[0].tape);
    let stands = |exchange: &mut Exchange| {
        let Ok(Reply::Calls(rows)) = exchange.switch.handle_request(exchange.now, Request::Calls) else { panic!() };
        rows[0].recording.clone()
    };
    assert_eq!(stands(&mut exchange), Some("recording".into()));
    for (on, stood) in [(true, "paused"), (true, "paused"), (false, "recording")] {
        let asked = Request::PauseRecording { call, on, by: "alice".into() };
        assert_eq!(exchange.switch.handle_request(exchange.now, asked), Ok(Reply::Done));
        exchange.drain();
        assert_eq!(stands(&mut exchange), Some(stood.into()));
    }
    let paused = |wanted: bool| {
        count(&exchange, |c| matches!(c, Command::PauseRecord { tape: of, on, .. } if *of == tape && *on == wanted))
    };
    assert_eq!((paused(true), paused(false)), (2, 2), "both sides, once");
    let told = |deed| What::RecordingHandled(Handled { tape, deed, by: "alice".into() });
    let facts: Vec<_> = exchange.facts.iter().filter(|w| matches!(w, What::RecordingHandled(_))).collect();
    assert_eq!(facts, [&told(Deed::Paused), &told(Deed::Resumed)]);
}

/// Passed on too, until somebody says otherwise.
#[test]
fn who_does_not_want_to_be_recorded_is_not() {
    let names = Names { queues: vec!["card".into()], ..Names::default() };
    let plan = "name = \"plan\"\nstart = \"no\"\n[node.no]\npause_recording = true\nthen = \"card\"\n\
        [node.card]\nqueue = \"card\"\ntimed_out = \"end\"\nfull = \"end\"\nno_agents = \"end\"\n[node.end]\nhangup = true\n";
    let plan = Dialplan::parse("plan.toml", plan, &names).unwrap().plan;
    let mut exchange = talking_in(QueueSetup::new("card".into()), |setup| {
        setup.dialplans[0].1 = plan;
        setup.recording.beep = true;
        setup.agents.push(agent("1002", "0815"));
    });
    let deeds = |exchange: &Exchange| {
        let deed = |what: &What| match what {
            What::RecordingHandled(Handled { deed, by, .. }) => Some((deed.clone(), by.to_string())),
            _ => None,
        };
        exchange.facts.iter().filter_map(deed).collect::<Vec<_>>()
    };
    let left_out = |exchange: &Exchange| {
        let tapes = begun(exchange);
        let paused = |leg, tape| count(exchange, |c| *c == Command::PauseRecord { leg, tape, on: true }) == 1;
        tapes.len() == 2 && tapes.iter().all(|(_, tape, leg)| paused(*leg, *tape))
    };
    let paused = |by: &str| (Deed::Paused, by.to_owned());
    assert!(left_out(&exchange));
    assert_eq!(deeds(&exchange), [paused("dialplan")]);
    assert_eq!(count(&exchange, |command| format!("{command:?}").contains("system/beep")), 0);
    let ask = |exchange: &mut Exchange, on| {
        let asked = Request::PauseRecording { call: CallId(1), on, by: "alice".into() };
        assert_eq!(exchange.switch.handle_request(exchange.now, asked), Ok(Reply::Done));
    };
    ask(&mut exchange, false);
    ask(&mut exchange, true);
    Phone::registered(&mut exchange, 2, "1002");
    let to = Destination::Agent("1002".into());
    exchange.switch.handle_request(exchange.now, Request::Transfer { call: CallId(1), to }).unwrap();
    exchange.drain();
    exchange.media.clear();
    let invite = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &invite, 200, &[]);
    assert!(left_out(&exchange));
    let resumed = (Deed::Resumed, "alice".to_owned());
    assert_eq!(deeds(&exchange), [paused("dialplan"), resumed, paused("alice"), paused("alice")]);
}

#[test]
fn what_is_not_recorded_cannot_be_paused() {
    let mut exchange = colleagues(Recorded::Customers);
    let ask = |exchange: &mut Exchange, call| {
        exchange.switch.handle_request(exchange.now, Request::PauseRecording { call, on: true, by: Name::from("a") })
    };
    assert_eq!(ask(&mut exchange, CallId(1)), Err(Denied::NotRecorded(CallId(1))));
    assert_eq!(ask(&mut exchange, CallId(9)), Err(Denied::UnknownCall(CallId(9))));
}

/// The caller is passed on to a colleague: what follows is another conversation.
#[test]
fn a_conversation_ends_with_the_partner() {
    let second = |setup: &mut Setup| setup.agents.push(agent("1002", "0815"));
    let mut exchange = talking_in(QueueSetup::new("card".into()), second);
    Phone::registered(&mut exchange, 2, "1002");
    let [(_, first, caller), (_, _, partner)] = begun(&exchange)[..] else { panic!("two sides") };
    let to = Destination::Agent("1002".into());
    exchange.switch.handle_request(exchange.now, Request::Transfer { call: CallId(1), to }).unwrap();
    exchange.drain();
    for leg in [caller, partner] {
        let stopped = |command: &Command| *command == Command::StopRecord { leg, tape: first };
        assert_eq!(count(&exchange, stopped), 1, "{leg:?}");
    }
    exchange.media.clear();
    let invite = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &invite, 200, &[]);
    let [(Track::Left, second, same), (Track::Right, _, other)] = begun(&exchange)[..] else { panic!("two sides") };
    assert!(same == caller && other != partner && second != first);
    let with: Vec<_> = taped(&exchange).into_iter().map(|of| (of.right.name().clone(), of.queue)).collect();
    assert_eq!(with, [("1001".into(), Some("card".into())), ("1002".into(), None)]);
}

/// What its queue says goes with a caller who is passed on.
#[test]
fn a_caller_who_is_not_to_be_recorded_is_not_when_passed_on() {
    let second = |setup: &mut Setup| setup.agents.push(agent("1002", "0815"));
    let mut exchange = talking_in(QueueSetup { record: Some(false), ..QueueSetup::new("card".into()) }, second);
    Phone::registered(&mut exchange, 2, "1002");
    let to = Destination::Agent("1002".into());
    exchange.switch.handle_request(exchange.now, Request::Transfer { call: CallId(1), to }).unwrap();
    exchange.drain();
    let invite = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &invite, 200, &[]);
    assert!(taped(&exchange).is_empty());
}

#[test]
fn a_file_that_never_comes_holds_the_call_up_for_ten_seconds() {
    let mut exchange = talking(QueueSetup::new("card".into()));
    let tape = taped(&exchange)[0].tape;
    exchange.hang_up_all();
    exchange.run(secs(11));
    assert!(exchange.facts.contains(&What::RecordingLost { call: CallId(1), tape }));
    assert!(exchange.facts.iter().any(|what| matches!(what, What::Ended { .. })));
}

#[test]
fn both_hear_a_beep_where_that_is_wanted() {
    let exchange = talking_in(QueueSetup::new("card".into()), |setup| setup.recording.beep = true);
    let beeps = |command: &Command| match command {
        Command::Play { sounds, repeat: false, .. } => format!("{sounds:?}").contains("system/beep"),
        _ => false,
    };
    assert_eq!(count(&exchange, beeps), 2);
}
