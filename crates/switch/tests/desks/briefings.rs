//! What an agent is told of a caller before hearing the caller, and what both hear of the agent.

use crate::exchange::{Exchange, secs};
use crate::phone::{Phone, callee_hangs_up, caller_acknowledges, caller_hangs_up};
use crate::{agent, queue_in, row};
use busyhour_ivr::{Dialplan, Names};
use busyhour_media::{Command, Event};
use busyhour_model::{AgentState, Briefing, LegId, Sound, What};
use busyhour_sip::{Request, Response};
use busyhour_switch::{QueueSetup, Reply, Request as Ask, Setup};

/// A caller has waited two minutes and more for 1001, who has answered just now; 1002 has a phone.
struct Scene {
    exchange: Exchange,
    caller: Response,
    invite: Request,
}

impl Scene {
    fn new(keys: &str) -> Scene {
        let plan = format!(
            "name = \"plan\"\nstart = \"wait\"\n[variables]\nwish = \"7\"\n[node.wait]\nqueue = \"card\"\nelse = \"end\"\n{keys}\n\
             [node.end]\nhangup = 480\n"
        );
        let names = Names { queues: vec!["card".into()], ..Names::default() };
        let plan = Dialplan::parse("plan.toml", &plan, &names).unwrap().plan;
        let change = |setup: &mut Setup| {
            setup.agents.push(agent("1002", "0815"));
            setup.dialplans = vec![("plan".into(), plan)];
        };
        let queue = QueueSetup { wrap_up: secs(30), ..QueueSetup::new("card".into()) };
        let mut exchange = queue_in(queue, agent("1001", "4711"), change);
        Phone::registered(&mut exchange, 2, "1002");
        let rest = Ask::NotReady { agent: "1001".into(), reason: "break".into(), force: false };
        exchange.switch.handle_request(exchange.now, rest).unwrap();
        let caller = exchange.call(5, "13800138000", "95118", "").unwrap();
        caller_acknowledges(&mut exchange, 5, &caller);
        exchange.run(secs(135));
        exchange.switch.handle_request(exchange.now, Ask::Ready { agent: "1001".into() }).unwrap();
        exchange.drain();
        let invite = exchange.request(1, "INVITE").unwrap();
        exchange.media.clear();
        exchange.run(secs(4));
        exchange.answer(1, &invite, 200, &[]);
        Scene { exchange, caller, invite }
    }

    fn tell(&mut self, event: Event) {
        self.exchange.switch.handle_media(self.exchange.now, event);
        self.exchange.drain();
    }

    /// What a leg was let hear by us, in order; the play of the last.
    fn played(&self, leg: LegId) -> Vec<String> {
        let one = |command: &Command| match command {
            Command::Play { leg: of, sounds, .. } if *of == leg => {
                Some(sounds.iter().map(name).collect::<Vec<_>>().join(" "))
            }
            _ => None,
        };
        self.exchange.media.iter().filter_map(one).collect()
    }

    fn play_ends(&mut self, leg: LegId) {
        let last = |command: &Command| match command {
            Command::Play { leg: of, play, .. } if *of == leg => Some(*play),
            _ => None,
        };
        let play = self.exchange.media.iter().rev().find_map(last).unwrap();
        self.tell(Event::PlayEnded { leg, play });
    }

    fn talks(&self) -> bool {
        self.exchange.media.iter().any(|command| matches!(command, Command::Bridge { .. }))
    }

    fn stage(&mut self) -> String {
        match self.exchange.switch.handle_request(self.exchange.now, Ask::Calls) {
            Ok(Reply::Calls(rows)) => rows[0].stage.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Facts of the call's end of waiting, in short.
    fn told(&self) -> Vec<String> {
        let short = |what: &What| match what {
            What::OfferEnded { outcome, .. } => Some(format!("{outcome:?}")),
            What::Briefed(Briefing { took, .. }) => Some(format!("briefed {}", took.as_secs())),
            What::Connected { party, queue, .. } => {
                Some(format!("{} of {}", party.name(), queue.as_deref().unwrap_or("-")))
            }
            What::Dequeued { reason, .. } => Some(format!("{reason:?}")),
            _ => None,
        };
        self.exchange.facts.iter().filter_map(short).collect()
    }
}

fn name(sound: &Sound) -> String {
    match sound {
        Sound::Prompt { language, id } => format!("{language}:{id}"),
        other => format!("{other:?}"),
    }
}

const CALLER: LegId = LegId(1);
const AGENT: LegId = LegId(2);
const BRIEFED: &str =
    "announce_agent = [\"agent/whisper-queue\", { number = \"$waited\", unit = \"minutes\" }, { digits = \"$wish\" }]";

#[test]
fn the_agent_is_told_of_the_caller_who_waits_on() {
    let mut scene = Scene::new(BRIEFED);
    assert_eq!(scene.stage(), "briefing");
    assert_eq!(scene.played(AGENT), ["zh:agent/whisper-queue zh:digits/2l zh:unit/minute zh:digits/7"]);
    assert_eq!((scene.played(CALLER), scene.talks()), (vec![], false), "the caller's music goes on");
    assert_eq!(row(&mut scene.exchange, "1001").state, AgentState::Talking);
    scene.exchange.run(secs(5));
    scene.play_ends(AGENT);
    assert!(scene.talks());
    assert_eq!(scene.stage(), "talking");
    assert_eq!(scene.told(), ["briefed 5", "Answered", "1001 of card"]);
}

#[test]
fn nothing_is_said_where_nothing_is_to_be_said() {
    let mut scene = Scene::new("");
    assert!(scene.talks());
    assert_eq!((scene.played(AGENT), scene.stage().as_str()), (vec![], "talking"));
    assert_eq!(scene.told(), ["Answered", "1001 of card"]);
}

/// By a key, and in any case after twenty seconds.
#[test]
fn what_is_said_can_be_cut_short_and_has_an_end() {
    let mut scene = Scene::new(BRIEFED);
    scene.tell(Event::Digit { leg: AGENT, digit: '5' });
    assert_eq!(scene.told(), ["briefed 0", "Answered", "1001 of card"]);
    let mut scene = Scene::new(BRIEFED);
    scene.exchange.run(secs(19));
    assert!(!scene.talks());
    scene.exchange.run(secs(1));
    assert!(scene.talks());
    assert_eq!(scene.told(), ["briefed 20", "Answered", "1001 of card"]);
    let stopped = |command: &Command| *command == Command::Stop { leg: AGENT };
    assert!(scene.exchange.media.iter().any(stopped), "what was being said");
}

#[test]
fn music_follows_what_was_being_said_to_the_caller() {
    let mut scene = Scene::new(BRIEFED);
    scene.tell(Event::PlayEnded { leg: CALLER, play: busyhour_model::PlayId(1) });
    assert_eq!(scene.played(CALLER), [":system/moh"]);
}

#[test]
fn a_caller_who_hangs_up_meanwhile_has_given_up_waiting() {
    let mut scene = Scene::new(BRIEFED);
    let caller = scene.caller.clone();
    scene.exchange.run(secs(2));
    caller_hangs_up(&mut scene.exchange, 5, &caller);
    assert_eq!(scene.told(), ["briefed 2", "Abandoned", "Abandoned"]);
    assert!(scene.exchange.request(1, "BYE").is_some());
    assert_eq!(row(&mut scene.exchange, "1001").state, AgentState::WrapUp);
    assert!(!scene.talks());
}

#[test]
fn an_agent_who_hangs_up_on_it_gets_no_other_call_and_the_caller_waits_on() {
    let mut scene = Scene::new(BRIEFED);
    let invite = scene.invite.clone();
    callee_hangs_up(&mut scene.exchange, 1, &invite);
    assert_eq!(scene.stage(), "queued");
    let row = row(&mut scene.exchange, "1001");
    assert_eq!((row.state, row.reason.as_deref()), (AgentState::NotReady, Some("refused")));
    assert_eq!(scene.played(CALLER), [":system/moh"]);
    scene.exchange.switch.handle_request(scene.exchange.now, Ask::Ready { agent: "1002".into() }).unwrap();
    scene.exchange.drain();
    let invite = scene.exchange.request(2, "INVITE").unwrap();
    scene.exchange.answer(2, &invite, 200, &[]);
    scene.play_ends(LegId(3));
    assert_eq!(scene.told(), ["briefed 0", "Refused", "briefed 0", "Answered", "1002 of card"]);
}

/// Both hear it, and each other after it.
#[test]
fn caller_and_agent_hear_who_the_agent_is() {
    let scene = Scene::new("agent_greeting = [{ agent_number = \"$served_by\" }, \"agent/serving\"]");
    let said = "zh:agent/number zh:digits/1 zh:digits/0 zh:digits/0 zh:digits/1 zh:agent/serving";
    assert_eq!((scene.played(CALLER), scene.played(AGENT)), (vec![said.into()], vec![said.into()]));
    assert!(scene.talks());
}

#[test]
fn an_agent_has_a_greeting_of_the_own_voice() {
    let greets = |setup: &mut Setup| setup.agents[0].greeting = Some("agent/1001".into());
    let mut scene = Scene::new("agent_greeting = \"agent/serving\"");
    assert_eq!(scene.played(CALLER), ["zh:agent/serving"]);
    let mut exchange = queue_in(QueueSetup::new("card".into()), agent("1001", "4711"), greets);
    exchange.call(5, "13800138000", "95118", "");
    let invite = exchange.request(1, "INVITE").unwrap();
    exchange.media.clear();
    exchange.answer(1, &invite, 200, &[]);
    scene.exchange = exchange;
    assert_eq!(
        (scene.played(CALLER), scene.played(AGENT)),
        (vec!["zh:agent/1001".into()], vec!["zh:agent/1001".into()])
    );
}
