//! Bots who talk with callers: when they are on the line, what is recorded of it, and that nobody is lost.

use crate::exchange::{Exchange, MUSIC, secs, setup, trunk};
use crate::phone::{Phone, caller_acknowledges};
use crate::{agent, queue_in, row};
use busyhour_ivr::{Dialplan, Names, TalkEnd, Values};
use busyhour_media::{Command, Track};
use busyhour_model::{
    AgentState, CallId, Entrance, ForkId, LegId, Name, OfferOutcome, Party, Sound, TapeId, Voice, What,
};
use busyhour_switch::{AgentSetup, BotCall, BotSaid, ForkNews, NumberRoute, QueueSetup, Reply, Request, Setup};

const CALL: CallId = CallId(1);
/// A bot first, then goodbye.
const CHATTY: &str = "name = \"plan\"\nstart = \"chat\"\n[node.chat]\nbot = \"robin\"\nthen = \"end\"\nfailed = \"end\"\n\
    [node.end]\nhangup = 480\n";

/// What bots were told since.
fn told(exchange: &mut Exchange) -> Vec<(ForkId, ForkNews)> {
    std::iter::from_fn(|| exchange.switch.poll_fork()).collect()
}

/// The one bot that was called.
fn called(exchange: &mut Exchange) -> (ForkId, BotCall) {
    match &told(exchange)[..] {
        [(fork, ForkNews::Called(called))] => (*fork, (**called).clone()),
        other => panic!("{other:?}"),
    }
}

fn says(exchange: &mut Exchange, fork: ForkId, said: BotSaid) {
    exchange.switch.handle_bot(exchange.now, fork, said);
    exchange.drain();
}

fn over(fork: ForkId, outcome: &str) -> (ForkId, ForkNews) {
    (fork, ForkNews::Over { outcome: outcome.into() })
}

fn chat(change: impl FnOnce(&mut Setup)) -> (Exchange, ForkId, BotCall) {
    let names = Names { bots: vec!["robin".into()], ..Names::default() };
    let plan = Dialplan::parse("plan.toml", CHATTY, &names).unwrap().plan;
    let number = NumberRoute { number: "*".into(), trunk: None, dialplan: "plan".into(), calls_max: None };
    let plans = vec![("plan".into(), plan)];
    let mut setup = Setup { numbers: vec![number], dialplans: plans, ..setup(vec![trunk(5)], MUSIC) };
    change(&mut setup);
    let mut exchange = Exchange::new(setup);
    exchange.call(5, "13800138000", "95118", "");
    let (fork, called) = called(&mut exchange);
    (exchange, fork, called)
}

fn begun(exchange: &Exchange) -> Vec<(Track, LegId)> {
    let begun = |command: &Command| match command {
        Command::Record { leg, track, .. } => Some((*track, *leg)),
        _ => None,
    };
    exchange.media.iter().filter_map(begun).collect()
}

#[test]
fn a_talk_with_a_bot_is_recorded_from_when_they_hear_each_other_by_the_rules_of_all_conversations() {
    let (mut exchange, fork, BotCall { leg, .. }) = chat(|setup| setup.recording.beep = true);
    assert_eq!(begun(&exchange), [], "nobody is there yet");
    exchange.run(secs(2));
    says(&mut exchange, fork, BotSaid::Taken);
    assert_eq!(begun(&exchange), [(Track::Left, LegId(1)), (Track::Right, leg)]);
    let conversation = exchange.facts.iter().find_map(|what| match what {
        What::ConversationTaped(conversation) => Some((**conversation).clone()),
        _ => None,
    });
    let conversation = conversation.unwrap();
    assert_eq!((conversation.left, conversation.right), (Party::Trunk("t5".into()), Party::Bot("robin".into())));
    assert_eq!((conversation.began, &*conversation.retention), (exchange.now, "default"));
    let beeps = exchange.media.iter().filter(|command| match command {
        Command::Play { leg: LegId(1), sounds, .. } => {
            sounds[..] == [Sound::Prompt { language: "".into(), id: "system/beep".into() }]
        }
        _ => false,
    });
    assert_eq!(beeps.count(), 1);

    for (on, stood) in [(true, "paused"), (false, "recording")] {
        let asked = Request::PauseRecording { call: CALL, on, by: "alice".into() };
        assert_eq!(exchange.switch.handle_request(exchange.now, asked), Ok(Reply::Done));
        exchange.drain();
        let Ok(Reply::Calls(rows)) = exchange.switch.handle_request(exchange.now, Request::Calls) else { panic!() };
        assert_eq!(rows[0].recording.as_deref(), Some(stood));
    }
    says(&mut exchange, fork, BotSaid::Ended(TalkEnd::Ended { outcome: None, values: "".into() }));
    let tape = conversation.tape;
    for leg in [LegId(1), leg] {
        assert!(exchange.media.contains(&Command::StopRecord { leg, tape }), "{leg}");
    }
    assert_eq!(told(&mut exchange), [over(fork, "then")]);
    assert!(exchange.media.contains(&Command::Close { leg }));
    file(&mut exchange, tape);
    assert!(matches!(exchange.facts.last(), Some(What::Ended { .. })), "{:?}", exchange.facts.last());
}

fn file(exchange: &mut Exchange, tape: TapeId) {
    let file = Some(busyhour_media::Filed { file: Name::from("x.wav"), ms: 1, ..Default::default() });
    exchange.switch.handle_media(exchange.now, busyhour_media::Event::Filed { leg: LegId(1), tape, file });
    exchange.drain();
}

#[test]
fn who_says_nothing_is_not_recorded_and_what_comes_too_late_is_nothing() {
    let (mut exchange, fork, BotCall { leg, .. }) = chat(|_| ());
    says(&mut exchange, fork, BotSaid::Ended(TalkEnd::Failed));
    assert_eq!((begun(&exchange), told(&mut exchange)), (vec![], vec![over(fork, "failed")]));
    assert!(matches!(exchange.facts.last(), Some(What::Ended { .. })));
    for late in [BotSaid::Taken, BotSaid::Ended(TalkEnd::Failed)] {
        says(&mut exchange, fork, late);
    }
    assert!(exchange.media.contains(&Command::Close { leg }) && told(&mut exchange).is_empty());
}

#[test]
fn a_bot_whose_leg_fails_has_failed_and_a_caller_who_hangs_up_leaves_it() {
    let (mut exchange, fork, BotCall { leg, .. }) = chat(|_| ());
    let failed = busyhour_media::Event::Failed { leg, detail: "too many legs are open".into() };
    exchange.switch.handle_media(exchange.now, failed);
    exchange.drain();
    assert_eq!(told(&mut exchange), [over(fork, "left")], "its leg is gone before the talk is");
    assert!(exchange.facts.iter().any(|what| matches!(what, What::TalkedWithBot(talk) if *talk.outcome == *"failed")));
    let (mut exchange, fork, _) = chat(|_| ());
    says(&mut exchange, fork, BotSaid::Taken);
    exchange.hang_up_all();
    assert_eq!(told(&mut exchange), [over(fork, "left")]);
}

/// The queue `card` with the bot 9001 and, a level below, the agent 1001, who has a phone.
fn bot_agent(change: impl FnOnce(&mut Setup)) -> Exchange {
    let level = |level| vec![("card".into(), level)];
    let bot = AgentSetup { bot: Some("claims".into()), skills: level(2), auto_ready: true, ..agent("9001", "") };
    let bot = AgentSetup { password: "".into(), pin: None, ..bot };
    let person = AgentSetup { skills: level(1), ..agent("1001", "4711") };
    let choice = busyhour_acd::AgentChoice::MostSkilled;
    let queue = QueueSetup { required: level(1), choice, wrap_up: secs(9), ..QueueSetup::new("card".into()) };
    queue_in(queue, person, |setup| {
        setup.agents.push(bot);
        change(setup);
    })
}

fn stands(exchange: &mut Exchange) -> (AgentState, Option<String>) {
    let row = row(exchange, "9001");
    assert_eq!((row.phone.as_deref(), row.contacts), (Some("claims"), 1));
    (row.state, row.reason.map(|reason| reason.to_string()))
}

const READY: (AgentState, Option<String>) = (AgentState::Ready, None);

/// A caller, and the bot that is rung.
fn rung(change: impl FnOnce(&mut Setup)) -> (Exchange, ForkId, BotCall) {
    let mut exchange = bot_agent(change);
    assert_eq!(stands(&mut exchange), READY, "no phone has registered");
    let answered = exchange.call(5, "13800138000", "95118", "").unwrap();
    caller_acknowledges(&mut exchange, 5, &answered);
    let (fork, called) = called(&mut exchange);
    assert_eq!((called.agent.as_deref(), called.queue.as_deref()), (Some("9001"), Some("card")));
    assert_eq!((&*called.talk.bot, &*called.from), ("claims", "13800138000"));
    assert_eq!(stands(&mut exchange).0, AgentState::Ringing);
    assert!(exchange.request(1, "INVITE").is_none());
    (exchange, fork, called)
}

fn talking(change: impl FnOnce(&mut Setup)) -> (Exchange, ForkId, BotCall) {
    let (mut exchange, fork, called) = rung(change);
    says(&mut exchange, fork, BotSaid::Taken);
    assert_eq!(stands(&mut exchange).0, AgentState::Talking);
    (exchange, fork, called)
}

fn ended(values: Option<&str>) -> BotSaid {
    let values = values.map_or(Values::Null, |values| values.parse().unwrap());
    BotSaid::Ended(TalkEnd::Ended { outcome: None, values })
}

fn key(exchange: &mut Exchange, digit: char) {
    exchange.switch.handle_media(exchange.now, busyhour_media::Event::Digit { leg: LegId(1), digit });
    exchange.drain();
}

#[test]
fn a_bot_takes_a_call_as_an_agent_and_ends_it() {
    let (mut exchange, fork, BotCall { leg, .. }) = talking(|_| ());
    assert!(exchange.media.contains(&Command::Bridge { a: LegId(1), b: leg }));
    assert_eq!(begun(&exchange), [(Track::Left, LegId(1)), (Track::Right, leg)]);
    let connected = |what: &What| matches!(what, What::Connected { party: Party::Agent(agent), queue: Some(_), .. } if **agent == *"9001");
    assert!(exchange.facts.iter().any(connected));
    key(&mut exchange, '5');
    assert_eq!(told(&mut exchange), [(fork, ForkNews::Key('5'))]);
    says(&mut exchange, fork, ended(None));
    assert_eq!(told(&mut exchange), [over(fork, "left")]);
    assert!(exchange.media.contains(&Command::Close { leg: LegId(1) }), "the dialplan has nothing more to say");
    assert_eq!(stands(&mut exchange), READY, "a bot has no work after a call");
}

#[test]
fn a_bot_that_is_not_reached_rests_and_the_caller_gets_the_next_agent() {
    let (mut exchange, fork, _) = rung(|_| ());
    says(&mut exchange, fork, BotSaid::Ended(TalkEnd::Failed));
    assert_eq!(stands(&mut exchange), (AgentState::NotReady, Some("bot_failed".into())));
    let invite = exchange.request(1, "INVITE").unwrap();
    let outcome = |what: &What| match what {
        What::OfferEnded { agent, outcome, .. } if **agent == *"9001" => Some(*outcome),
        _ => None,
    };
    assert_eq!(exchange.facts.iter().find_map(outcome), Some(OfferOutcome::Unreachable));
    exchange.answer(1, &invite, 200, &[]);
    exchange.run(secs(29));
    assert_eq!(stands(&mut exchange).0, AgentState::NotReady);
    exchange.run(secs(2));
    assert_eq!(stands(&mut exchange), READY, "it is tried again");
}

#[test]
fn the_queue_says_how_long_a_bot_rests_and_a_person_whether_it_comes_back() {
    let (mut exchange, fork, _) = rung(|setup| setup.queues[0].policy.no_answer.pause = Some(secs(5)));
    says(&mut exchange, fork, BotSaid::Ended(TalkEnd::Failed));
    exchange.run(secs(6));
    assert_eq!(stands(&mut exchange), READY);
    for taken in [false, true] {
        let (mut exchange, fork, _) = if taken { talking(|_| ()) } else { rung(|_| ()) };
        let away = Request::NotReady { agent: "9001".into(), reason: "repair".into(), force: false };
        exchange.switch.handle_request(exchange.now, away).unwrap();
        says(&mut exchange, fork, BotSaid::Ended(TalkEnd::Failed));
        exchange.run(secs(60));
        assert_eq!(stands(&mut exchange).0, AgentState::NotReady, "taken: {taken}");
    }
}

#[test]
fn the_caller_of_a_bot_that_dies_waits_in_front() {
    let (mut exchange, fork, _) = talking(|_| ());
    exchange.run(secs(1));
    exchange.call(5, "13800138001", "95118", "");
    let second = exchange.request(1, "INVITE").unwrap();
    exchange.answer(1, &second, 486, &[]);
    says(&mut exchange, fork, BotSaid::Ended(TalkEnd::Failed));
    assert_eq!(stands(&mut exchange), (AgentState::NotReady, Some("bot_failed".into())));
    let entered = |what: &What| matches!(what, What::Enqueued { call: CALL, entrance: Entrance::PhoneLost, .. });
    assert!(exchange.facts.iter().any(entered), "{:?}", exchange.facts);
    exchange.run(secs(31));
    let (_, called) = called_of(&mut exchange);
    assert_eq!(called.call, CALL, "who was there first");
}

/// The last bot that was called.
fn called_of(exchange: &mut Exchange) -> (ForkId, BotCall) {
    let called = |(fork, news)| match news {
        ForkNews::Called(called) => Some((fork, *called)),
        _ => None,
    };
    told(exchange).into_iter().filter_map(called).next_back().unwrap()
}

#[test]
fn a_bot_that_cannot_help_passes_the_caller_on_with_what_it_found_out() {
    let show = |setup: &mut Setup| {
        let required = vec![("person".into(), 1)];
        setup.queues.push(QueueSetup { required: required.clone(), ..QueueSetup::new("people".into()) });
        setup.agents[0].skills = required;
        let names = Names { queues: vec!["card".into()], ..Names::default() };
        let plan = crate::WAITING.replace("start =", "show = [\"topic\"]\nvariables = { topic = \"\" }\nstart =");
        setup.numbers[0].number = "95118".into();
        setup.dialplans[0].1 = Dialplan::parse("plan.toml", &plan, &names).unwrap().plan;
    };
    let pass_on =
        |to: &str| BotSaid::Transfer { to: to.into(), values: r#"{ "topic": "loan", "a b": 1 }"#.parse().unwrap() };
    let (mut exchange, fork, _) = talking(show);
    for (to, status) in [("nobody", 404), ("9001", 486)] {
        says(&mut exchange, fork, pass_on(to));
        assert_eq!(told(&mut exchange), [(fork, ForkNews::Refused(status))], "{to}");
    }
    assert_eq!(stands(&mut exchange).0, AgentState::Talking, "they talk on");
    says(&mut exchange, fork, pass_on("1001"));
    let invite = exchange.request(1, "INVITE").unwrap();
    exchange.answer(1, &invite, 486, &[]);
    assert_eq!(told(&mut exchange), [(fork, ForkNews::Refused(486))], "back from who does not want to");
    exchange.switch.handle_request(exchange.now, Request::Ready { agent: "1001".into() }).unwrap();
    says(&mut exchange, fork, pass_on("people"));
    assert_eq!(told(&mut exchange), [over(fork, "left")]);
    let invite = exchange.request(1, "INVITE").unwrap();
    assert!(format!("{invite:?}").contains("topic=loan"), "{invite:?}");
    assert_eq!(stands(&mut exchange), READY);
}

#[test]
fn a_supervisor_takes_the_call_of_a_bot_and_colleagues_dial_one() {
    let (mut exchange, fork, BotCall { leg, .. }) = talking(|setup| setup.agents.push(agent("1002", "0815")));
    Phone::registered(&mut exchange, 2, "1002");
    let supervisor = || "1002".into();
    let monitor = Request::Monitor { call: CALL, supervisor: supervisor(), voice: Voice::Whisper };
    exchange.switch.handle_request(exchange.now, monitor).unwrap();
    exchange.drain();
    let invite = exchange.request(2, "INVITE").unwrap();
    exchange.answer(2, &invite, 200, &[]);
    let hears = |command: &Command| matches!(command, Command::Hear { leg: of, from } if *of == leg && from.len() == 2);
    assert!(exchange.media.iter().any(hears), "the bot hears who whispers");
    exchange.switch.handle_request(exchange.now, Request::TakeOver { call: CALL, supervisor: supervisor() }).unwrap();
    exchange.drain();
    assert_eq!(told(&mut exchange), [over(fork, "left")]);
    assert_eq!(stands(&mut exchange), READY);

    let mut exchange = bot_agent(|setup| setup.numbers.clear());
    let mut phone = Phone::new(1, "1001");
    assert_eq!(phone.dial(&mut exchange, "9001"), 0);
    let (fork, _) = called(&mut exchange);
    assert_eq!(stands(&mut exchange).0, AgentState::Talking, "kept for it");
    says(&mut exchange, fork, BotSaid::Ended(TalkEnd::Failed));
    assert_eq!(stands(&mut exchange), READY);
}

#[test]
fn a_bot_of_a_reload_is_ready_and_one_that_is_none_any_more_needs_a_phone() {
    let mut setup = None;
    let mut exchange = bot_agent(|given| setup = Some(given.clone()));
    let mut setup = setup.unwrap();
    exchange.switch.handle_request(exchange.now, Request::SignOut { agent: "9001".into() }).unwrap();
    let mut reload = |exchange: &mut Exchange, bot: Option<&str>| {
        let agent = setup.agents.iter_mut().find(|agent| *agent.number == *"9001").unwrap();
        agent.bot = bot.map(Name::from);
        exchange.switch.handle_request(exchange.now, Request::Reload(Box::new(setup.clone()))).unwrap();
        exchange.drain();
        row(exchange, "9001").state
    };
    assert_eq!(reload(&mut exchange, Some("claims")), AgentState::SignedOut, "somebody wanted it so");
    assert_eq!(reload(&mut exchange, None), AgentState::SignedOut);
    assert_eq!(reload(&mut exchange, Some("claims")), AgentState::Ready);
    assert_eq!(reload(&mut exchange, None), AgentState::SignedOut, "nobody has registered");
}
