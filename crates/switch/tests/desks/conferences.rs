//! Three and more in one talk: who hears whom, who stays when one leaves, and what is on tape.

use crate::exchange::{Exchange, secs};
use crate::phone::{Phone, callee_hangs_up, callee_holds, caller_acknowledges, caller_hangs_up};
use crate::{agent, queue_in, row};
use busyhour_media::{Command, Event, Track};
use busyhour_model::{AgentState, CallId, Cause, Guest, LegId, What};
use busyhour_sip::{HeaderName, Request, Response};
use busyhour_switch::{Denied, Destination, QueueSetup, Reply, Request as Ask, Setup};
use std::collections::{BTreeMap, BTreeSet};

const CALL: CallId = CallId(1);
/// More than fit.
const MANY: usize = 9;

/// A caller from carrier 5 talks to 1001; 1002 and 1009 have phones, and numbers outside are called by carrier 5.
struct Scene {
    exchange: Exchange,
    phones: Vec<Phone>,
    caller: Response,
    /// Of 1001.
    invite: Request,
    hears: BTreeMap<LegId, BTreeSet<LegId>>,
    tapes: Vec<(LegId, Track)>,
    bridges: Vec<(LegId, LegId)>,
}

impl Scene {
    fn new() -> Scene {
        let more = |setup: &mut Setup| {
            setup.agents.extend(["1002", "1009"].map(|number| agent(number, "4711")));
            setup.numbers[0].number = "95118".into();
        };
        let queue = QueueSetup { wrap_up: secs(30), ..QueueSetup::new("card".into()) };
        let mut exchange = queue_in(queue, agent("1001", "4711"), more);
        let phones = [(2, "1002"), (3, "1009")].map(|(n, user)| Phone::registered(&mut exchange, n, user)).into();
        let caller = exchange.call(5, "13800138000", "95118", "").unwrap();
        caller_acknowledges(&mut exchange, 5, &caller);
        let invite = exchange.request(1, "INVITE").unwrap();
        exchange.answer(1, &invite, 200, &[]);
        let (hears, tapes, bridges) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut scene = Scene { exchange, phones, caller, invite, hears, tapes, bridges };
        scene.note();
        scene
    }

    fn note(&mut self) {
        for command in std::mem::take(&mut self.exchange.media) {
            match command {
                Command::Hear { leg, from } if from.is_empty() => drop(self.hears.remove(&leg)),
                Command::Hear { leg, from } => drop(self.hears.insert(leg, from.into_iter().collect())),
                Command::Record { leg, track, .. } => self.tapes.push((leg, track)),
                Command::StopRecord { leg, .. } => self.tapes.retain(|(of, _)| *of != leg),
                Command::Close { leg } => {
                    self.tapes.retain(|(of, _)| *of != leg);
                    self.hears.remove(&leg);
                }
                Command::Bridge { a, b } => self.bridges.push((a, b)),
                _ => {}
            }
        }
    }

    fn ask(&mut self, request: Ask) -> Result<Reply, Denied> {
        let reply = self.exchange.switch.handle_request(self.exchange.now, request);
        self.exchange.drain();
        self.note();
        reply
    }

    fn add(&mut self, who: Destination) -> Result<Reply, Denied> {
        self.ask(Ask::AddParty { call: CALL, who })
    }

    /// Whoever is rung at `n` answers.
    fn answers(&mut self, n: u8) -> Request {
        let invite = self.exchange.request(n, "INVITE").unwrap();
        self.exchange.answer(n, &invite, 200, &[]);
        self.note();
        invite
    }

    /// 1002 talks too.
    fn three() -> (Scene, Request) {
        let mut scene = Scene::new();
        assert_eq!(scene.add(Destination::Agent("1002".into())), Ok(Reply::Done));
        let invite = scene.answers(2);
        (scene, invite)
    }

    fn press(&mut self, leg: LegId, keys: &str) {
        for digit in keys.chars() {
            self.exchange.switch.handle_media(self.exchange.now, Event::Digit { leg, digit });
            self.exchange.drain();
        }
        self.note();
    }

    /// Who joined, left and was passed on to whom, in short.
    fn told(&self) -> Vec<String> {
        let short = |what: &What| match what {
            What::GuestJoined(Guest { call: CALL, party, .. }) => Some(format!("+{}", party.name())),
            What::GuestLeft(Guest { call: CALL, party, .. }) => Some(format!("-{}", party.name())),
            What::Transferred { call: CALL, party, to } => Some(format!("{}>{to}", party.name())),
            _ => None,
        };
        self.exchange.facts.iter().filter_map(short).collect()
    }

    fn ended(&self) -> Option<Cause> {
        let cause = |what: &What| match what {
            What::Ended { call: CALL, cause } => Some(*cause),
            _ => None,
        };
        self.exchange.facts.iter().find_map(cause)
    }

    fn taped(&self) -> usize {
        self.exchange.facts.iter().filter(|what| matches!(what, What::ConversationTaped(_))).count()
    }
}

const CALLER: LegId = LegId(1);
const AGENT: LegId = LegId(2);
const GUEST: LegId = LegId(3);

/// Each of these hears all others.
fn all_of(legs: &[LegId]) -> BTreeMap<LegId, BTreeSet<LegId>> {
    let others = |leg: &LegId| legs.iter().copied().filter(|other| other != leg).collect();
    legs.iter().map(|leg| (*leg, others(leg))).collect()
}

#[test]
fn three_hear_each_other_until_one_leaves() {
    let mut scene = Scene::new();
    assert_eq!(scene.add(Destination::Agent("1002".into())), Ok(Reply::Done));
    assert!(scene.hears.is_empty(), "it rings");
    assert_eq!(scene.add(Destination::Agent("1009".into())), Err(Denied::Conference(CALL)), "one after another");
    let invite = scene.answers(2);
    assert_eq!(scene.add(Destination::Agent("1002".into())), Err(Denied::NotReached(CALL)), "is there");
    assert_eq!(scene.hears, all_of(&[CALLER, AGENT, GUEST]));
    assert_eq!(scene.tapes, [(CALLER, Track::Left), (AGENT, Track::Right), (GUEST, Track::Beside(1))]);
    let Ok(Reply::Parties(rows)) = scene.ask(Ask::Parties { call: CALL }) else { panic!() };
    let parties: Vec<_> = rows.iter().map(|row| (row.leg, &**row.party.name(), &*row.role)).collect();
    assert_eq!(parties, [(CALLER, "t5", "caller"), (AGENT, "1001", "partner"), (GUEST, "1002", "guest")]);
    callee_hangs_up(&mut scene.exchange, 2, &invite);
    scene.note();
    assert_eq!(scene.hears, BTreeMap::new(), "the two are as before");
    assert_eq!(scene.tapes, [(CALLER, Track::Left), (AGENT, Track::Right)]);
    assert_eq!((scene.told(), scene.taped()), (vec!["+1002".into(), "-1002".into()], 1));
}

#[test]
fn a_guest_is_hung_up_on_by_request() {
    let (mut scene, _) = Scene::three();
    let drop = |leg| Ask::DropParty { call: CALL, leg };
    assert_eq!(scene.ask(drop(LegId(9))), Err(Denied::NoParty { call: CALL, leg: LegId(9) }));
    assert_eq!(scene.ask(drop(GUEST)), Ok(Reply::Done));
    assert!(scene.exchange.request(2, "BYE").is_some());
    assert_eq!((scene.hears.len(), scene.told().len()), (0, 2));
}

/// As whom: the caller's number is nothing for whom the agent asks to help.
#[test]
fn a_number_outside_joins_and_is_not_shown_who_called() {
    let mut scene = Scene::new();
    assert_eq!(scene.add(Destination::Number("13912345678".into())), Ok(Reply::Done));
    let invite = scene.answers(5);
    assert!(!invite.headers.text(HeaderName::From).unwrap_or_default().contains("13800138000"));
    assert_eq!(scene.hears, all_of(&[CALLER, AGENT, GUEST]));
    assert_eq!(scene.add(Destination::Number("nobody".into())), Err(Denied::NoWay("nobody".into())));
    assert_eq!(scene.add(Destination::Number("95118".into())), Err(Denied::NotReached(CALL)), "a dialplan of ours");
}

#[test]
fn whoever_does_not_come_is_not_waited_for() {
    let mut scene = Scene::new();
    scene.add(Destination::Agent("1002".into())).unwrap();
    let invite = scene.exchange.request(2, "INVITE").unwrap();
    scene.exchange.answer(2, &invite, 180, &[]);
    scene.exchange.run(secs(16));
    assert!(scene.exchange.request(2, "CANCEL").is_some());
    scene.add(Destination::Agent("1009".into())).unwrap();
    let invite = scene.exchange.request(3, "INVITE").unwrap();
    scene.exchange.answer(3, &invite, 486, &[]);
    assert_eq!((scene.told(), scene.ended()), (vec![], None), "the two talk on");
    assert_eq!(scene.add(Destination::Agent("1009".into())), Ok(Reply::Done), "and may ask again");
}

/// The agent is free, the caller goes on with the guest, and that is another conversation.
#[test]
fn the_agent_leaves_the_others_with_each_other() {
    let (mut scene, guest) = Scene::three();
    let invite = scene.invite.clone();
    callee_hangs_up(&mut scene.exchange, 1, &invite);
    scene.note();
    assert_eq!(row(&mut scene.exchange, "1001").state, AgentState::WrapUp);
    assert_eq!((scene.bridges.last(), scene.hears.len()), (Some(&(CALLER, GUEST)), 0));
    assert_eq!(scene.tapes, [(CALLER, Track::Left), (GUEST, Track::Right)]);
    assert_eq!((scene.told(), scene.taped()), (["+1002", "-1002", "1001>1002"].map(String::from).into(), 2));
    callee_hangs_up(&mut scene.exchange, 2, &guest);
    scene.exchange.run(secs(15));
    assert_eq!(scene.ended(), Some(Cause::PartnerHungUp), "one alone is no call");
}

#[test]
fn the_call_is_the_callers_and_ends_with_the_caller() {
    let (mut scene, _) = Scene::three();
    let caller = scene.caller.clone();
    caller_hangs_up(&mut scene.exchange, 5, &caller);
    assert!([1, 2].iter().all(|n| scene.exchange.request(*n, "BYE").is_some()));
    scene.exchange.run(secs(15));
    assert_eq!(scene.ended(), Some(Cause::CallerHungUp));
}

#[test]
fn an_agent_who_made_the_call_leaves_the_others_too() {
    let mut scene = Scene::new();
    assert_eq!(scene.phones[0].dial(&mut scene.exchange, "1009"), 0);
    scene.answers(3);
    let call = CallId(2);
    let who = Destination::Number("13912345678".into());
    assert_eq!(scene.ask(Ask::AddParty { call, who }), Ok(Reply::Done));
    scene.answers(5);
    let ([made, called, guest], dialled) = ([3, 4, 5].map(LegId), format!("2-{}", scene.phones[0].sent));
    assert_eq!(scene.hears, all_of(&[made, called, guest]));
    let answered = scene.exchange.response(&dialled).unwrap();
    caller_hangs_up(&mut scene.exchange, 2, &answered);
    scene.note();
    assert_eq!(scene.bridges.last(), Some(&(called, guest)));
    assert!(scene.exchange.request(3, "BYE").is_none());
}

#[test]
fn a_conference_has_so_many_parties_and_no_more() {
    let mut scene = Scene::new();
    for n in 1..MANY {
        assert_eq!(scene.add(Destination::Number("13912345678".into())), Ok(Reply::Done), "guest {n}");
        scene.answers(5);
    }
    assert_eq!(scene.hears[&CALLER].len(), MANY);
    assert_eq!(scene.add(Destination::Number("13912345678".into())), Err(Denied::Conference(CALL)));
    let to = Destination::Agent("1009".into());
    assert_eq!(scene.ask(Ask::Transfer { call: CALL, to }), Err(Denied::Conference(CALL)), "nobody is sent on");
}

/// 1001 has put the caller on hold and asks 1002.
fn asking() -> (Scene, LegId, LegId) {
    let mut scene = Scene::new();
    let invite = scene.invite.clone();
    callee_holds(&mut scene.exchange, 1, &invite);
    let mut phone = Phone::new(1, "1001");
    phone.sent = 10;
    assert_eq!(phone.dial(&mut scene.exchange, "1002"), 0);
    scene.answers(2);
    (scene, LegId(3), LegId(4))
}

/// Whatever the phone: the agent presses a code while asking, and goes on in the call in which it did.
#[test]
fn who_is_on_hold_and_who_is_asked_come_together_by_keys() {
    let (mut scene, own, asked) = asking();
    scene.press(own, "1*");
    scene.exchange.run(secs(3));
    scene.press(own, "3");
    assert!(scene.hears.is_empty(), "too late for a code");
    scene.press(asked, "*3");
    assert!(scene.hears.is_empty(), "it is the agent who asks");
    scene.press(own, "**3");
    assert_eq!(scene.hears, all_of(&[CALLER, own, asked]));
    assert!(scene.exchange.request(1, "BYE").is_some(), "the leg that was on hold");
    assert_eq!(scene.told(), ["+1002"]);
    assert_eq!(scene.bridges.last(), Some(&(CALLER, own)));
    let joined = |what: &What| matches!(what, What::Ended { call: CallId(2), cause: Cause::Joined });
    assert!(scene.exchange.facts.iter().any(joined));
    let row = row(&mut scene.exchange, "1001");
    assert_eq!((row.state, row.call), (AgentState::Talking, Some(CALL)));
}

#[test]
fn the_same_by_request() {
    let (mut scene, own, asked) = asking();
    assert_eq!(scene.add(Destination::Call(CallId(7))), Err(Denied::NotTalking(CallId(7))));
    assert_eq!(scene.add(Destination::Call(CallId(2))), Ok(Reply::Done));
    assert_eq!(scene.hears, all_of(&[CALLER, own, asked]));
}

#[test]
fn who_is_on_hold_in_a_conference_is_not_played_to() {
    let (mut scene, _) = Scene::three();
    let invite = scene.invite.clone();
    callee_holds(&mut scene.exchange, 1, &invite);
    let music = |command: &Command| matches!(command, Command::Play { repeat: true, .. });
    assert!(!scene.exchange.media.iter().any(music), "caller and guest talk on");
    scene.ask(Ask::DropParty { call: CALL, leg: GUEST }).unwrap();
    scene.exchange.media.clear();
    let (mut scene, guest) = Scene::three();
    let invite = scene.invite.clone();
    callee_holds(&mut scene.exchange, 1, &invite);
    callee_hangs_up(&mut scene.exchange, 2, &guest);
    assert!(scene.exchange.media.iter().any(music), "alone on hold");
}
