//! Programs that hear a call: who is heard on which side, from when to when, and who is told of it.

use crate::exchange::Exchange;
use crate::phone::Phone;
use crate::{agent, queue_in};
use busyhour_media::{Command, Track};
use busyhour_model::{Attached, CallId, ForkId, LegId, What};
use busyhour_switch::{Denied, Destination, ForkNews, QueueSetup, Reply, Request};
use std::collections::BTreeSet;

const CALL: CallId = CallId(1);
const FORK: ForkId = ForkId(99);
const CALLER: (LegId, Track) = (LegId(1), Track::Left);

/// A caller waits, or talks to 1001; 1002 has a phone. Whom a program hears is noted.
struct Scene {
    exchange: Exchange,
    heard: BTreeSet<(ForkId, LegId, Track)>,
    over: Vec<ForkId>,
}

impl Scene {
    fn new() -> Scene {
        let more = |setup: &mut busyhour_switch::Setup| setup.agents.push(agent("1002", "4711"));
        let mut exchange = queue_in(QueueSetup::new("card".into()), agent("1001", "4711"), more);
        Phone::registered(&mut exchange, 2, "1002");
        exchange.call(5, "13800138000", "95118", "");
        let mut scene = Scene { exchange, heard: BTreeSet::new(), over: Vec::new() };
        scene.note();
        scene
    }

    fn answered(mut self) -> Scene {
        let invite = self.exchange.request(1, "INVITE").unwrap();
        self.exchange.answer(1, &invite, 200, &[]);
        self.note();
        self
    }

    fn note(&mut self) {
        for command in std::mem::take(&mut self.exchange.media) {
            match command {
                Command::Fork { leg, fork, track } => assert!(self.heard.insert((fork, leg, track)), "begun once"),
                Command::Unfork { leg, fork } => {
                    let known = self.heard.iter().find(|(of, heard, _)| (*of, *heard) == (fork, leg)).copied();
                    self.heard.remove(&known.expect("what ends has begun"));
                }
                Command::Close { leg } => self.heard.retain(|(_, heard, _)| *heard != leg),
                _ => {}
            }
        }
        while let Some((fork, news)) = self.exchange.switch.poll_fork() {
            assert_eq!(news, ForkNews::Over { outcome: "ended".into() });
            self.over.push(fork);
        }
    }

    fn ask(&mut self, request: Request) -> Result<Reply, Denied> {
        let reply = self.exchange.switch.handle_request(self.exchange.now, request);
        self.exchange.drain();
        self.note();
        reply
    }

    fn attach(&mut self, fork: u64) -> Result<Reply, Denied> {
        self.ask(Request::Attach { call: CALL, fork: ForkId(fork), by: "asr at 127.0.0.1:9".into() })
    }

    fn told(&self) -> Vec<bool> {
        let told = |what: &What| match what {
            What::Attached(Attached { call: CALL, by, on }) if **by == *"asr at 127.0.0.1:9" => Some(*on),
            _ => None,
        };
        self.exchange.facts.iter().filter_map(told).collect()
    }

    fn hears(&self, sides: &[(LegId, Track)]) -> bool {
        self.heard == sides.iter().map(|(leg, track)| (FORK, *leg, *track)).collect()
    }
}

#[test]
fn a_program_hears_the_caller_and_whoever_talks_to_the_caller() {
    let mut scene = Scene::new();
    assert_eq!(scene.attach(FORK.0), Ok(Reply::Done));
    assert!(scene.hears(&[CALLER]), "{:?}", scene.heard);
    let mut scene = scene.answered();
    assert!(scene.hears(&[CALLER, (LegId(2), Track::Right)]), "{:?}", scene.heard);
    scene.ask(Request::Transfer { call: CALL, to: Destination::Agent("1002".into()) }).unwrap();
    assert!(scene.hears(&[CALLER]), "nobody talks to the caller: {:?}", scene.heard);
    let invite = scene.exchange.request(2, "INVITE").unwrap();
    scene.exchange.answer(2, &invite, 200, &[]);
    scene.note();
    assert!(scene.hears(&[CALLER, (LegId(3), Track::Right)]), "{:?}", scene.heard);
    assert_eq!(scene.told(), [true]);
    scene.ask(Request::HangUp { call: CALL }).unwrap();
    assert_eq!((scene.heard.len(), scene.over), (0, vec![FORK]));
}

#[test]
fn a_program_leaves_and_only_so_many_may_listen() {
    let mut scene = Scene::new().answered();
    for fork in [FORK.0, 2, 3] {
        assert_eq!(scene.attach(fork), Ok(Reply::Done));
    }
    assert_eq!(scene.attach(4), Err(Denied::NotMonitored(CALL)));
    for (fork, reply) in [(2, Ok(Reply::Done)), (3, Ok(Reply::Done)), (3, Err(Denied::NotMonitored(CALL)))] {
        assert_eq!(scene.ask(Request::Detach { call: CALL, fork: ForkId(fork) }), reply);
    }
    assert!(scene.hears(&[CALLER, (LegId(2), Track::Right)]), "{:?}", scene.heard);
    assert_eq!(scene.told(), [true, true, true, false, false]);
    scene.ask(Request::HangUp { call: CALL }).unwrap();
    assert_eq!(scene.attach(5), Err(Denied::UnknownCall(CALL)), "it is over");
    let other = Request::Attach { call: CallId(7), fork: FORK, by: "x".into() };
    assert_eq!(scene.ask(other), Err(Denied::UnknownCall(CallId(7))));
    assert_eq!(scene.told(), [true, true, true, false, false, false]);
}
