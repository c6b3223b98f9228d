//! Supervisors who hear a call, are heard by its agent, or by all.

use crate::exchange::{Exchange, secs};
use crate::phone::Phone;
use crate::{agent, queue_in, row};
use busyhour_media::Command;
use busyhour_model::Voice::{self, Barge, Listen, Whisper};
use busyhour_model::{AgentState, CallId, LegId, Monitoring, TakeOver, What};
use busyhour_switch::{Denied, Destination, QueueSetup, Reply, Request};
use std::collections::BTreeMap;

const CALL: CallId = CallId(1);

/// A caller talks to 1001; 1002 and 1009 have phones. Who hears whom from now on is noted.
struct Scene {
    exchange: Exchange,
    hears: BTreeMap<LegId, Vec<LegId>>,
}

impl Scene {
    fn new() -> Scene {
        let more = |setup: &mut busyhour_switch::Setup| {
            setup.agents.extend(["1002", "1009"].map(|number| agent(number, "4711")));
        };
        let mut exchange = queue_in(QueueSetup::new("card".into()), agent("1001", "4711"), more);
        for (n, user) in [(2, "1002"), (3, "1009")] {
            Phone::registered(&mut exchange, n, user);
        }
        exchange.call(5, "13800138000", "95118", "");
        let invite = exchange.request(1, "INVITE").unwrap();
        exchange.answer(1, &invite, 200, &[]);
        let mut scene = Scene { exchange, hears: BTreeMap::new() };
        scene.note();
        scene
    }

    fn note(&mut self) {
        for command in std::mem::take(&mut self.exchange.media) {
            match command {
                Command::Hear { leg, from } if from.is_empty() => drop(self.hears.remove(&leg)),
                Command::Hear { leg, from } => drop(self.hears.insert(leg, from)),
                _ => {}
            }
        }
    }

    fn ask(&mut self, supervisor: &str, voice: Voice) -> Result<Reply, Denied> {
        let asked = Request::Monitor { call: CALL, supervisor: supervisor.into(), voice };
        let reply = self.exchange.switch.handle_request(self.exchange.now, asked);
        self.exchange.drain();
        self.note();
        reply
    }

    /// 1009 is there.
    fn there(voice: Voice) -> Scene {
        let mut scene = Scene::new();
        assert_eq!(scene.ask("1009", voice), Ok(Reply::Done));
        assert!(scene.hears.is_empty(), "it rings");
        let invite = scene.exchange.request(3, "INVITE").unwrap();
        scene.exchange.answer(3, &invite, 200, &[]);
        scene.note();
        scene
    }

    /// A key on the phone of 1009.
    fn press(&mut self, digit: char) {
        self.exchange.switch.handle_media(self.exchange.now, busyhour_media::Event::Digit { leg: LEGS[2], digit });
        self.exchange.drain();
    }

    fn told(&self) -> Vec<Option<Voice>> {
        let told = |what: &What| match what {
            What::Monitored(Monitoring { call: CALL, by, voice }) if **by == *"1009" => Some(*voice),
            _ => None,
        };
        self.exchange.facts.iter().filter_map(told).collect()
    }
}

/// Of the caller, 1001 and 1009, as they were opened.
const LEGS: [LegId; 3] = [LegId(1), LegId(2), LegId(3)];

fn mixes(voice: Voice) -> BTreeMap<LegId, Vec<LegId>> {
    let [caller, agent, supervisor] = LEGS;
    let listens = (supervisor, vec![caller, agent]);
    let whispers = (agent, vec![caller, supervisor]);
    let joins = (caller, vec![agent, supervisor]);
    match voice {
        Listen => [listens].into(),
        Whisper => [listens, whispers].into(),
        Barge => [listens, whispers, joins].into(),
    }
}

#[test]
fn a_supervisor_is_heard_by_whom_it_wants_and_by_nobody_else() {
    for voice in [Listen, Whisper, Barge] {
        let scene = Scene::there(voice);
        assert_eq!(scene.hears, mixes(voice), "{voice:?}");
        assert_eq!(scene.told(), [Some(voice)]);
    }
}

#[test]
fn how_it_is_heard_changes_by_request_and_by_key() {
    let mut scene = Scene::there(Listen);
    assert_eq!(scene.ask("1009", Barge), Ok(Reply::Done));
    assert_eq!(scene.hears, mixes(Barge));
    for (key, voice) in [('5', Whisper), ('8', Whisper), ('4', Listen), ('4', Listen), ('6', Barge)] {
        scene.press(key);
        scene.note();
        assert_eq!(scene.hears, mixes(voice), "{key}");
    }
    assert_eq!(scene.told(), [Listen, Barge, Whisper, Listen, Barge].map(Some));
}

#[test]
fn a_supervisor_leaves_and_the_talk_is_as_before() {
    let mut scene = Scene::there(Barge);
    assert_eq!(row(&mut scene.exchange, "1009").state, AgentState::SignedOut, "it took no calls before");
    let leaves = Request::Unmonitor { call: CALL, supervisor: "1009".into() };
    assert_eq!(scene.exchange.switch.handle_request(scene.exchange.now, leaves.clone()), Ok(Reply::Done));
    scene.exchange.drain();
    scene.note();
    assert!(scene.hears.keys().all(|leg| *leg == LEGS[2]), "both hear each other again: {:?}", scene.hears);
    assert!(scene.exchange.request(3, "BYE").is_some());
    let again = scene.exchange.switch.handle_request(scene.exchange.now, leaves);
    assert_eq!(again, Err(Denied::NotMonitored(CALL)));
    assert_eq!(scene.told(), [Some(Barge), None]);
}

/// Who is signed in gets no other call meanwhile, and may again afterwards.
#[test]
fn a_supervisor_is_kept_from_other_calls() {
    let mut scene = Scene::new();
    let ready = |scene: &mut Scene, agent: &str| {
        scene.exchange.switch.handle_request(scene.exchange.now, Request::Ready { agent: agent.into() }).unwrap();
        scene.exchange.drain();
    };
    ready(&mut scene, "1009");
    assert_eq!(scene.ask("1009", Listen), Ok(Reply::Done));
    let invite = scene.exchange.request(3, "INVITE").unwrap();
    assert_eq!(row(&mut scene.exchange, "1009").state, AgentState::Talking);
    scene.exchange.call(5, "13900139000", "95118", "");
    assert!(scene.exchange.request(3, "INVITE").is_none(), "the next caller waits");
    scene.exchange.answer(3, &invite, 486, &[]);
    assert!(scene.exchange.request(3, "INVITE").is_some(), "and is offered when it is free again");
}

#[test]
fn whoever_the_caller_talks_to_next_is_heard_too() {
    let mut scene = Scene::there(Whisper);
    let to = Destination::Agent("1002".into());
    scene.exchange.switch.handle_request(scene.exchange.now, Request::Transfer { call: CALL, to }).unwrap();
    scene.exchange.drain();
    scene.note();
    assert_eq!(scene.hears.get(&LEGS[2]), Some(&vec![LEGS[0]]), "meanwhile the caller alone");
    let invite = scene.exchange.request(2, "INVITE").unwrap();
    scene.exchange.answer(2, &invite, 200, &[]);
    scene.note();
    let next = LegId(4);
    assert_eq!(scene.hears.get(&LEGS[2]), Some(&vec![LEGS[0], next]));
    assert_eq!(scene.hears.get(&next), Some(&vec![LEGS[0], LEGS[2]]));
}

#[test]
fn the_supervisor_goes_with_the_call() {
    let mut scene = Scene::there(Listen);
    scene.exchange.hang_up_all();
    assert!(scene.exchange.request(3, "BYE").is_some());
    assert_eq!(scene.told(), [Some(Listen), None]);
    scene.exchange.run(secs(15));
    assert!(scene.exchange.facts.iter().any(|what| matches!(what, What::Ended { call: CALL, .. })));
}

#[test]
fn who_cannot_listen_is_told_why() {
    let mut scene = Scene::new();
    assert_eq!(scene.ask("7777", Listen), Err(Denied::UnknownAgent("7777".into())));
    assert_eq!(scene.ask("1001", Listen), Err(Denied::NotMonitored(CALL)), "takes part in it");
    let asked = Request::Monitor { call: CallId(9), supervisor: "1009".into(), voice: Listen };
    assert_eq!(scene.exchange.switch.handle_request(scene.exchange.now, asked), Err(Denied::UnknownCall(CallId(9))));
}

#[test]
fn a_supervisor_who_does_not_answer_is_not_rung_for_ever() {
    let mut scene = Scene::new();
    scene.exchange.switch.handle_request(scene.exchange.now, Request::Ready { agent: "1009".into() }).unwrap();
    scene.exchange.drain();
    assert_eq!(scene.ask("1009", Listen), Ok(Reply::Done));
    let invite = scene.exchange.request(3, "INVITE").unwrap();
    scene.exchange.answer(3, &invite, 180, &[]);
    scene.exchange.run(secs(14));
    assert!(scene.exchange.request(3, "CANCEL").is_none());
    scene.exchange.run(secs(2));
    assert!(scene.exchange.request(3, "CANCEL").is_some());
    assert_eq!(row(&mut scene.exchange, "1009").state, AgentState::Ready);
    assert_eq!(scene.told(), []);
}

/// By key or by request; the agent is free, and what was said by whom is on two tapes.
#[test]
fn a_supervisor_takes_the_call_from_the_agent() {
    for by_key in [true, false] {
        let mut scene = Scene::there(Listen);
        if by_key {
            scene.press('7');
        } else {
            let asked = Request::TakeOver { call: CALL, supervisor: "1009".into() };
            assert_eq!(scene.exchange.switch.handle_request(scene.exchange.now, asked), Ok(Reply::Done));
            scene.exchange.drain();
        }
        let bridged = |command: &Command| *command == Command::Bridge { a: LEGS[0], b: LEGS[2] };
        assert!(scene.exchange.media.iter().any(bridged));
        scene.note();
        assert!(scene.hears.keys().all(|leg| *leg == LEGS[1]), "no mix is left: {:?}", scene.hears);
        assert!(scene.exchange.request(1, "BYE").is_some());
        assert_eq!(row(&mut scene.exchange, "1001").state, AgentState::Ready);
        assert_eq!(scene.told(), [Some(Listen), None]);
        let short = |what: &What| match what {
            What::TakenOver(TakeOver { by, from, .. }) => Some(format!("{by} takes over from {from}")),
            What::Transferred { party, to, .. } => Some(format!("{} > {to}", party.name())),
            What::ConversationTaped(conversation) => Some(format!("with {}", conversation.right.name())),
            _ => None,
        };
        let told: Vec<_> = scene.exchange.facts.iter().filter_map(short).collect();
        assert_eq!(told, ["with 1001", "1009 takes over from 1001", "1001 > 1009", "with 1009"]);
    }
}

#[test]
fn only_who_hears_a_call_can_take_it() {
    let mut scene = Scene::new();
    let asked = Request::TakeOver { call: CALL, supervisor: "1009".into() };
    scene.ask("1009", Listen).unwrap();
    assert_eq!(scene.exchange.switch.handle_request(scene.exchange.now, asked), Err(Denied::NotMonitored(CALL)));
}

#[test]
fn who_joins_in_is_on_the_tape_and_who_listens_is_not() {
    let mut scene = Scene::there(Listen);
    let taped = |scene: &Scene| {
        let of_hers = |command: &Command| match command {
            Command::Record { leg, track, .. } if *leg == LEGS[2] => Some(format!("{track:?}")),
            Command::StopRecord { leg, .. } if *leg == LEGS[2] => Some("stop".into()),
            _ => None,
        };
        scene.exchange.media.iter().filter_map(of_hers).collect::<Vec<_>>()
    };
    for (key, told) in [('5', &[][..]), ('6', &["Beside(1)"][..]), ('4', &["stop"][..])] {
        scene.exchange.media.clear();
        scene.press(key);
        assert_eq!(taped(&scene), told, "{key}");
    }
}
