//! Callers record, leave messages and are listened to.

use crate::stage::{SECOND, count, ended, with_callers, with_plan};
use busyhour_model::{AgentState, Mailbox, What};
use busyhour_sim::peer::{Action, CALLER_HZ};
use busyhour_sim::{Deed, Scenario, World};
use busyhour_switch::{Denied, Reply, Request};

/// A hotline that asks for a few words, plays them and keeps them at key 3; 2 records again.
const MEMO: &str = r##"
name = "hotline"
start = "speak"
[node.speak]
record = "memo"
silence = "2s"
then = "confirm"
else = "sorry"
[node.confirm]
menu = { recording = "$memo" }
keys = { 2 = "speak", 3 = "bye" }
too_many = "bye"
[node.sorry]
hangup = 486
[node.bye]
hangup = true
[[test]]
name = "kept"
steps = [{ speak = "3s" }, { enter = "confirm" }, { hear = "recording" }, { press = "3" }, { hangup = true }]
[[test]]
name = "ended by a key, and again too short"
steps = [{ speak = "30s" }, { press = "#" }, { enter = "confirm" }, { press = "2" }, { speak = "500ms" }, { hangup = 486 }]
"##;

#[test]
fn what_a_caller_records_is_the_callers_tone_heard_again_and_named_in_the_record() {
    let answered = Action::AwaitAnswer(30 * SECOND);
    let beep = Action::Wait(2 * SECOND);
    let kept = vec![
        answered,
        beep,
        Action::Wait(4 * SECOND),
        Action::Press('#'),
        Action::Wait(2 * SECOND),
        Action::Press('3'),
    ];
    let again = vec![
        answered,
        beep,
        Action::Wait(3 * SECOND),
        Action::Press('#'),
        Action::Wait(2 * SECOND),
        Action::Press('2'),
        beep,
        Action::Wait(6 * SECOND),
        Action::Press('#'),
        Action::Wait(2 * SECOND),
        Action::Press('3'),
    ];
    let hung_up = vec![answered, beep, Action::Wait(3 * SECOND), Action::HangUp];
    let at_once = vec![answered, Action::Wait(600 * SECOND / 1000), Action::HangUp];
    let world = ended(with_callers(with_plan(Scenario::calm(1, 3), MEMO), vec![kept, again, hung_up, at_once]));
    let seconds: Vec<Vec<u64>> =
        world.records.iter().map(|r| r.recordings.iter().map(|one| (one.ms + 700) / 1000).collect()).collect();
    let mut lengths: Vec<(u64, Vec<u64>)> = world.records.iter().map(|r| r.call.0).zip(seconds).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [(1, vec![6]), (2, vec![8]), (3, vec![5]), (4, vec![])]);
    for (tape, sound) in &world.tapes {
        let samples: Vec<i16> = sound.iter().map(|code| busyhour_media::g711::decode_a(*code)).collect();
        let level = busyhour_media::tone::level(&samples[800..samples.len() - 800], f64::from(CALLER_HZ));
        assert!(level > -20.0, "{tape} has the caller's tone at {level}");
    }
    assert_eq!(count(&world, |what| matches!(what, What::Discarded { .. })), 2);
}

/// A hotline that takes messages for the agent 1001.
const VOICEMAIL: &str = r##"
name = "hotline"
start = "leave"
[node.leave]
voicemail = { agent = "1001" }
silence = "2s"
then = "bye"
full = "full"
else = "bye"
[node.full]
hangup = 486
[node.bye]
hangup = true
[[test]]
name = "kept"
steps = [{ voicemail = "1001" }, { speak = "3s" }, { enter = "bye" }]
[[test]]
name = "no room"
steps = [{ mailbox_full = true }, { pass = "1s" }]
"##;

#[test]
fn messages_are_kept_until_there_is_no_room_also_when_the_caller_just_hangs_up() {
    let answered = Action::AwaitAnswer(30 * SECOND);
    let speak = |rest: &[Action]| [&[answered, Action::Wait(5 * SECOND)], rest].concat();
    let callers = [vec![Action::Press('#')], vec![Action::HangUp], vec![Action::Press('#')]].map(|rest| speak(&rest));
    let at_once = vec![answered, Action::Wait(600 * SECOND / 1000), Action::HangUp];
    let [kept, hung_up, refused] = callers;
    let mut scenario = with_callers(with_plan(Scenario::calm(1, 3), VOICEMAIL), vec![at_once, kept, hung_up, refused]);
    scenario.setup.voicemail.messages_max = 2;
    scenario.deeds.last_mut().unwrap().0 = 30 * SECOND;
    let mut world = ended(scenario);
    let left: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match &fact.what {
            What::MessageLeft { message } => Some((message.call.0, message.mailbox.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(left, [(2, "agent 1001".into()), (3, "agent 1001".into())]);
    assert_eq!(world.tapes.len(), 2, "what was too short is thrown away");
    let ask = |world: &mut World, request| world.switch.handle_request(world.now(), request);
    let mailbox = Some(Mailbox::Agent("1001".into()));
    let Ok(Reply::Messages(messages)) = ask(&mut world, Request::Messages { mailbox }) else { panic!("messages") };
    let tape = messages[0].tape;
    assert!(messages.iter().all(|message| !message.heard && message.ms > 3000), "{messages:?}");
    assert_eq!(ask(&mut world, Request::MessageHeard { tape }), Ok(Reply::Done));
    assert_eq!(ask(&mut world, Request::DeleteMessage { tape }), Ok(Reply::Done));
    assert_eq!(ask(&mut world, Request::DeleteMessage { tape }), Err(Denied::UnknownMessage(tape)));
    world.run(61 * SECOND);
    assert_eq!(world.tapes.len(), 1, "its recording is gone with it");
    world.run(31 * 24 * 3600 * SECOND);
    assert_eq!(count(&world, |what| matches!(what, What::MessageDeleted { expired: true, .. })), 1, "after a month");
    assert!(world.tapes.is_empty());
}

#[test]
fn an_agent_listens_to_messages_by_a_code_and_is_offered_no_call_meanwhile() {
    let leave = vec![Action::AwaitAnswer(30 * SECOND), Action::Wait(5 * SECOND), Action::HangUp];
    let mut scenario = with_callers(with_plan(Scenario::calm(1, 1), VOICEMAIL), vec![leave]);
    scenario.deeds.push((20 * SECOND, Deed::Dial { number: "1001".into(), code: "*97".into() }));
    let mut world = World::new(scenario);
    world.run(22 * SECOND);
    let Ok(Reply::Agents(rows)) = world.switch.handle_request(world.now(), Request::Agents) else { panic!("agents") };
    assert_eq!((rows[0].state, rows[0].messages), (AgentState::Talking, 1));
    world.run(50 * SECOND);
    assert_eq!(count(&world, |what| matches!(what, What::MessageHeard { .. })), 1);
    world.settle(200 * SECOND);
    let Ok(Reply::Agents(rows)) = world.switch.handle_request(world.now(), Request::Agents) else { panic!("agents") };
    assert_eq!((rows[0].state, rows[0].messages), (AgentState::Ready, 0), "and a list of messages shows it");
}
