//! The calls of a day on one worker, each doing something else every few seconds.

use crate::phone::Phone;
use busyhour_media::{Command, Config, Event, Library, Limits, Taped, Track, Worker};
use busyhour_model::{Codec, Direction, LegId, PlayId, Seed, Side, Sound, TapeId, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const CALLS: usize = 10;
const FRAME: Duration = Duration::from_millis(20);
/// A dead caller is told after so long.
const SILENCE: Duration = Duration::from_secs(20);

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) calls: u64,
    pub(crate) packets: u64,
    pub(crate) keys: u64,
    pub(crate) tapes: u64,
    pub(crate) mixes: u64,
    pub(crate) plays: u64,
    pub(crate) silences: u64,
    pub(crate) restarts: u64,
    pub(crate) moves: u64,
    pub(crate) lost: u64,
}

struct Call {
    id: u64,
    caller: LegId,
    agent: Option<LegId>,
    supervisor: Option<LegId>,
    tape: Option<TapeId>,
    held: bool,
    poor: bool,
    ends: Time,
}

/// A centre with its phones; see the module.
pub(crate) struct Centre {
    worker: Worker,
    now: Time,
    seed: Seed,
    phones: BTreeMap<LegId, Phone>,
    calls: Vec<Call>,
    next: u64,
    told: Told,
    /// Keys pressed and plays begun that are still to be told of.
    keys: u64,
    plays: BTreeSet<(LegId, PlayId)>,
    /// Behind the last sample of each track under way.
    tapes: BTreeMap<(TapeId, Track), u64>,
}

impl Centre {
    pub(crate) fn new(seed: u64) -> Centre {
        let config = Config { silence_timeout: SILENCE, agent_silence_timeout: SILENCE, seed };
        Centre {
            worker: Worker::new(Arc::new(Library::new()), config),
            now: Time::from_secs(1_000),
            seed: Seed(seed),
            phones: BTreeMap::new(),
            calls: Vec::new(),
            next: 0,
            told: Told::default(),
            keys: 0,
            plays: BTreeSet::new(),
            tapes: BTreeMap::new(),
        }
    }

    pub(crate) fn legs(&self) -> usize {
        self.worker.legs()
    }

    /// A second passes: each call may do something, then all talk.
    pub(crate) fn second(&mut self) {
        if self.calls.len() < CALLS {
            self.arrive();
        }
        for i in 0..self.calls.len() {
            let mut call = self.calls.remove(i);
            if call.ends > self.now {
                self.act(&mut call);
                self.calls.insert(i, call);
            } else {
                self.hang_up(&call);
                break;
            }
        }
        for _ in 0..50 {
            self.frame();
        }
        assert_eq!((self.worker.legs(), self.keys), (self.phones.len(), 0));
        assert!(self.worker.poll_timeout().is_some_and(|at| at > self.now), "what was due is done");
    }

    /// All end but the first, which lasts the whole day; in that one nothing but talk goes on. How many bytes the worker's whole
    /// state has then, written out.
    pub(crate) fn calm_down(&mut self) -> usize {
        while self.calls.len() > 1 {
            let call = self.calls.pop().unwrap();
            self.hang_up(&call);
        }
        let mut first = self.calls.pop().unwrap();
        let agent = first.agent.expect("somebody has answered the first call");
        if first.held {
            self.hold(&mut first, agent);
        }
        if let Some(supervisor) = first.supervisor.take() {
            self.dismiss(agent, supervisor);
        }
        if let Some(tape) = first.tape.take() {
            [first.caller, agent].iter().for_each(|leg| self.command(Command::StopRecord { leg: *leg, tape }));
        }
        self.stop(first.caller);
        self.calls.push(first);
        assert_eq!(self.legs(), 2);
        postcard::to_stdvec(self.worker.snapshot()).unwrap().len()
    }

    /// The day is over; nothing is left.
    pub(crate) fn close(mut self) -> Told {
        while let Some(call) = self.calls.pop() {
            self.hang_up(&call);
        }
        assert_eq!((self.worker.legs(), self.worker.poll_timeout()), (0, None));
        assert!(self.phones.is_empty() && self.tapes.is_empty() && self.plays.is_empty());
        let counters = self.worker.counters();
        assert_eq!((counters.dropped, counters.strays, counters.prompts_missing), (0, 0, 0));
        self.told
    }

    fn arrive(&mut self) {
        let id = self.told.calls;
        self.told.calls += 1;
        let poor = id > 0 && self.seed.per_mille(250);
        let caller = self.open(id, Side::Trunk, poor);
        let talk = Duration::from_secs(5 + self.seed.below(300));
        let ends = if id == 0 { Time::from_secs(u32::MAX.into()) } else { self.now + talk };
        self.calls.push(Call { id, caller, agent: None, supervisor: None, tape: None, held: false, poor, ends });
        self.play(caller, "system/beep", false);
    }

    fn open(&mut self, call: u64, side: Side, poor: bool) -> LegId {
        let leg = LegId(self.next);
        self.next += 1;
        let phone = Phone::new(call, leg.0, poor, &mut self.seed);
        let local = SocketAddr::from(([192, 0, 2, 1], 2 * (leg.0 % 30_000) as u16));
        self.phones.insert(leg, phone);
        self.command(Command::Open { leg, local, side });
        self.connect(leg);
        leg
    }

    fn connect(&mut self, leg: LegId) {
        let audio = self.phones[&leg].audio();
        self.command(Command::Connect { leg, audio });
    }

    fn play(&mut self, leg: LegId, prompt: &str, repeat: bool) {
        self.stop(leg);
        let play = PlayId(self.told.plays);
        self.told.plays += 1;
        if !repeat {
            self.plays.insert((leg, play));
        }
        let sounds = vec![Sound::Prompt { language: "zh".into(), id: prompt.into() }];
        self.command(Command::Play { leg, play, sounds, repeat });
    }

    fn stop(&mut self, leg: LegId) {
        self.plays.retain(|(of, _)| *of != leg);
        self.command(Command::Stop { leg });
    }

    /// What a call does in this second, if anything.
    fn act(&mut self, call: &mut Call) {
        let Some(agent) = call.agent else {
            if self.seed.per_mille(400) {
                self.answer(call);
            }
            return;
        };
        let lasting = call.id == 0;
        match self.seed.below(200) {
            0..10 => self.hold(call, agent),
            10..14 if !call.held => self.change_law(agent),
            14..18 => self.change_place(agent),
            18..22 if !lasting && !call.held => {
                self.told.restarts += 1;
                let leg = if self.seed.per_mille(500) { call.caller } else { agent };
                self.phones.get_mut(&leg).unwrap().restart(&mut self.seed);
            }
            22..32 if !call.held => {
                let pressed = self.phones.get_mut(&call.caller).unwrap().press();
                (self.keys, self.told.keys) = (self.keys + u64::from(pressed), self.told.keys + u64::from(pressed));
            }
            32..42 => self.record(call, agent),
            42..52 => self.supervise(call, agent),
            52..56 => self.play(call.caller, "system/beep", false),
            56..60 => self.phones.get_mut(&call.caller).unwrap().pause(100),
            60..62 if !lasting => self.pass_on(call, agent),
            62 if !lasting && !call.held => self.phones.get_mut(&call.caller).unwrap().dead = true,
            _ => {}
        }
    }

    fn answer(&mut self, call: &mut Call) {
        let agent = self.open(call.id, Side::Agent, call.poor);
        self.stop(call.caller);
        self.command(Command::Bridge { a: call.caller, b: agent });
        call.agent = Some(agent);
    }

    /// The agent lets the caller hear music, or comes back.
    fn hold(&mut self, call: &mut Call, agent: LegId) {
        call.held = !call.held;
        if call.held {
            self.phones.get_mut(&agent).unwrap().direction = Direction::Inactive;
            self.play(call.caller, "system/moh", true);
        } else {
            self.phones.get_mut(&agent).unwrap().direction = Direction::SendRecv;
            self.stop(call.caller);
        }
        self.connect(agent);
    }

    fn change_law(&mut self, leg: LegId) {
        let phone = self.phones.get_mut(&leg).unwrap();
        phone.codec = if phone.codec == Codec::Pcma { Codec::Pcmu } else { Codec::Pcma };
        self.connect(leg);
    }

    fn change_place(&mut self, leg: LegId) {
        self.told.moves += 1;
        self.phones.get_mut(&leg).unwrap().move_to(leg.0, self.told.moves);
        self.connect(leg);
    }

    fn record(&mut self, call: &mut Call, agent: LegId) {
        let legs = [(call.caller, Track::Left), (agent, Track::Right)];
        match call.tape {
            None => {
                let tape = TapeId(self.told.tapes);
                self.told.tapes += 1;
                for (leg, track) in legs {
                    self.tapes.insert((tape, track), 0);
                    let limits = Limits::default();
                    self.command(Command::Record { leg, tape, track, since: self.now, limits });
                }
                call.tape = Some(tape);
            }
            Some(tape) if self.seed.per_mille(500) => {
                let on = self.seed.per_mille(500);
                legs.iter().for_each(|(leg, _)| self.command(Command::PauseRecord { leg: *leg, tape, on }));
            }
            Some(tape) => {
                legs.iter().for_each(|(leg, _)| self.command(Command::StopRecord { leg: *leg, tape }));
                call.tape = None;
            }
        }
    }

    /// A supervisor comes to listen, whispers, or leaves.
    fn supervise(&mut self, call: &mut Call, agent: LegId) {
        match call.supervisor {
            None => {
                let leg = self.open(call.id, Side::Agent, false);
                self.told.mixes += 1;
                self.command(Command::Hear { leg, from: vec![call.caller, agent] });
                call.supervisor = Some(leg);
            }
            Some(supervisor) if self.seed.per_mille(500) => {
                self.command(Command::Hear { leg: agent, from: vec![call.caller, supervisor] });
            }
            Some(supervisor) => {
                self.dismiss(agent, supervisor);
                call.supervisor = None;
            }
        }
    }

    fn dismiss(&mut self, agent: LegId, supervisor: LegId) {
        self.command(Command::Hear { leg: agent, from: Vec::new() });
        self.leave(supervisor);
    }

    /// Another agent takes the call.
    fn pass_on(&mut self, call: &mut Call, agent: LegId) {
        if call.held || call.tape.is_some() || call.supervisor.is_some() {
            return;
        }
        self.leave(agent);
        self.answer(call);
    }

    fn hang_up(&mut self, call: &Call) {
        let legs = [Some(call.caller), call.agent, call.supervisor];
        legs.into_iter().flatten().for_each(|leg| self.leave(leg));
        if let Some(tape) = call.tape {
            assert!(self.tapes.keys().all(|(of, _)| *of != tape), "a tape ends with its leg");
        }
    }

    fn leave(&mut self, leg: LegId) {
        self.plays.retain(|(of, _)| *of != leg);
        self.command(Command::Close { leg });
        assert!(!self.phones.contains_key(&leg), "closed at once");
    }

    fn command(&mut self, command: Command) {
        self.worker.handle_command(self.now, command);
        self.drain();
    }

    /// All phones say 20 ms.
    fn frame(&mut self) {
        self.now += FRAME;
        let (worker, now) = (&mut self.worker, self.now);
        for (leg, phone) in &mut self.phones {
            let from = phone.address;
            phone.say(&mut self.seed, |bytes| worker.handle_rtp(now, *leg, from, bytes));
        }
        worker.handle_timeout(now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.worker.poll_transmit() {
            let phone = self.phones.get_mut(&transmit.leg).unwrap();
            if !transmit.rtcp {
                self.told.packets += 1;
                phone.hear(transmit.to, transmit.bytes);
            }
        }
        while let Some(taped) = self.worker.poll_tape() {
            match taped {
                Taped::Sound { tape, track, at, sound } => {
                    let end = self.tapes.get_mut(&(tape, track)).unwrap();
                    assert_eq!(at, *end, "no hole on a tape");
                    *end += sound.len() as u64;
                }
                Taped::End { tape, track, at, .. } => assert_eq!(self.tapes.remove(&(tape, track)), Some(at)),
                Taped::Wanted { .. } | Taped::Live { .. } | Taped::Shake { .. } => panic!("nobody asked for that"),
            }
        }
        while let Some(event) = self.worker.poll_event() {
            self.told(event);
        }
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Digit { digit, .. } => {
                assert_eq!(digit, '5');
                self.keys -= 1;
            }
            Event::PlayEnded { leg, play } => assert!(self.plays.remove(&(leg, play)), "told once"),
            Event::Silent { leg } => {
                assert!(self.phones[&leg].dead, "only the dead are silent");
                self.told.silences += 1;
                let call = self.calls.iter_mut().find(|call| call.caller == leg).unwrap();
                call.ends = self.now;
            }
            Event::Closed { leg, stats } => {
                let phone = self.phones.remove(&leg).expect("closed once");
                self.told.lost += stats.lost_in;
                phone.check(&stats);
            }
            Event::Failed { detail, .. } => panic!("{detail}"),
            _ => {}
        }
    }
}
