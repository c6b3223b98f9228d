//! Bots who talk with callers: when they are on the line, what is recorded of it, and that nobody is lost.

use crate::exchange::{Exchange, MUSIC, secs, setup, trunk};
use busyhour_ivr::{Dialplan, Names, TalkEnd};
use busyhour_media::{Command, Track};
use busyhour_model::{CallId, ForkId, LegId, Name, Party, Sound, TapeId, What};
use busyhour_switch::{BotCall, BotSaid, ForkNews, NumberRoute, Reply, Request, Setup};

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
