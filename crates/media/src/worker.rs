//! The media machine: all legs of one worker, driven by commands, packets and time.

use crate::heard::{Kind, Room};
use crate::leg::Leg;
use crate::mix::Mix;
use crate::outbox::Outbox;
use crate::play::{Playing, SOUNDS_MAX};
use crate::reel::{Out, Reel};
use crate::speech::Speech;
use crate::talk::Talking;
use crate::watch::Refusal;
use crate::{Command, Event, Library, Live, TapeEnd, Taped, Track, Transmit};
use busyhour_model::{Audio, ForkId, LegId, Name, PlayId, Seed, Side, Sound, StreamStats, TapeId, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

mod measure;
mod programs;
mod shaking;

/// Legs of one worker: as many port pairs as one address has.
pub const LEGS_MAX: usize = 32_768;

/// What a worker is told at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `Event::Silent` after so long without RTP or RTCP; zero: never.
    pub silence_timeout: Duration,
    /// The same for agents' legs: who waits for an agent should not wait long for a dead phone.
    pub agent_silence_timeout: Duration,
    /// Of SSRCs and first sequence numbers and timestamps; unpredictable in production (RFC 3550 section 8).
    pub seed: u64,
}

impl Config {
    fn silence(&self, side: Side) -> Duration {
        match side {
            Side::Trunk => self.silence_timeout,
            Side::Agent => self.agent_silence_timeout,
        }
    }
}

/// What went wrong without anybody to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Prompts asked for that are not in the library, and sounds beyond the longest play.
    pub prompts_missing: u64,
    /// Commands and packets for legs we do not have.
    pub strays: u64,
    /// Packets not sent because too many waited.
    pub dropped: u64,
}

/// Everything a worker knows except its prompts: written out in one process, it goes on in another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    config: Config,
    legs: BTreeMap<LegId, Leg>,
    deadlines: BTreeSet<(Time, LegId)>,
    /// Bridges that are measured, by their callers' legs.
    talks: BTreeMap<LegId, Talking>,
    outbox: Outbox,
    events: VecDeque<Event>,
    taped: VecDeque<Taped>,
    random: Seed,
    counters: Counters,
    #[serde(skip)]
    room: Room,
}

/// The media machine. One input, then drain `poll_transmit`, `poll_tape` and `poll_event` to `None`, then the next.
#[derive(Clone, Debug)]
pub struct Worker {
    state: Snapshot,
    library: Arc<Library>,
}

/// One leg on its way from one worker to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moved(Leg);

impl Worker {
    /// A worker without legs.
    pub fn new(library: Arc<Library>, config: Config) -> Worker {
        let random = Seed(config.seed);
        let state = Snapshot {
            config,
            legs: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            talks: BTreeMap::new(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            taped: VecDeque::new(),
            random,
            counters: Counters::default(),
            room: Room::default(),
        };
        Worker { state, library }
    }

    /// A worker that goes on where another was.
    pub fn restore(state: Snapshot, library: Arc<Library>) -> Worker {
        Worker { state, library }
    }

    /// All there is to know about this worker.
    pub fn snapshot(&self) -> &Snapshot {
        &self.state
    }

    /// Takes a command. Those for unknown legs are counted, except that `Close` is always answered.
    pub fn handle_command(&mut self, now: Time, command: Command) {
        let leg = command.leg();
        match command {
            Command::Open { leg, local, side } => drop(self.open(leg, local, side)),
            Command::Program { leg, side, fork } => self.program(now, leg, side, fork),
            Command::Connect { leg, audio } => self.connect(now, leg, audio),
            Command::Play { leg, play, sounds, repeat } => self.play(now, leg, play, sounds, repeat),
            Command::Stop { leg } => self.with(leg, Leg::stop),
            Command::Bridge { a, b } => self.bridge(now, a, b),
            Command::Unbridge { leg } => self.unbridge(now, leg),
            Command::Measure { call, caller, partner } => self.measure(now, call, caller, partner),
            Command::Hear { leg, from } => {
                let tuned = |leg: &mut Leg| leg.program.iter_mut().for_each(|program| program.tuned = !from.is_empty());
                self.state.legs.entry(leg).and_modify(tuned);
                self.tune(now, leg, &from);
            }
            Command::Record { leg, tape, .. } | Command::StopRecord { leg, tape } => {
                self.record(now, leg, tape, command)
            }
            Command::PauseRecord { leg, tape, on } => self.with(leg, |leg| leg.reels.pause(tape, on)),
            Command::Fork { leg, fork, track } => self.fork(now, leg, fork, track),
            Command::Say { leg, fork, sound, mark } => self.say(leg, fork, &sound, mark),
            Command::Hush { leg, fork } => self.with(leg, |leg| leg.speech(fork).into_iter().for_each(Speech::hush)),
            Command::Unfork { leg, fork } => self.with(leg, |leg| leg.forks.end(fork)),
            Command::Supply { leg, wanted, sound } => {
                self.state.counters.prompts_missing += u64::from(sound.is_none());
                self.with(leg, |leg| leg.supply(&wanted, sound));
            }
            Command::Shake { leg, attempt, datagram } => self.send_shake(leg, attempt, &datagram),
            Command::Key { leg, attempt, keys } => self.key(now, leg, attempt, keys),
            Command::Close { leg } => self.close(now, leg),
        }
        self.compare(leg);
        self.arm(leg);
    }

    /// Takes an RTP packet that came to this leg's port. Nothing is allocated for it once the buffers have grown.
    pub fn handle_rtp(&mut self, now: Time, leg: LegId, from: SocketAddr, bytes: &[u8]) {
        let state = &mut self.state;
        let Some(hearer) = state.legs.get_mut(&leg) else {
            state.counters.strays += 1;
            return;
        };
        if let Some(kind) = hearer.beside(bytes) {
            return self.beside(now, leg, from, bytes, kind);
        }
        let was_silent = hearer.silent;
        let Some(heard) = hearer.hear(now, from, bytes, &mut state.room) else { return };
        let (partner, listeners) = (hearer.partner, std::mem::take(&mut hearer.listeners));
        let (spurt, fax) = hearer.hearing.hear(now, &heard, partner.is_some());
        if !hearer.reels.is_empty() {
            hearer.reels.hear(now, &heard, &mut Out { taped: &mut state.taped, events: &mut state.events });
        }
        if !hearer.forks.is_empty() {
            hearer.forks.hear(leg, &heard);
        }
        if let Some(digit) = heard.digit {
            state.events.push_back(Event::Digit { leg, digit });
        }
        for listener in &listeners {
            let mix = state.legs.get_mut(listener).and_then(|listener| listener.mix.as_mut());
            mix.into_iter().for_each(|mix| mix.hear(leg, &heard));
        }
        if let Some(hearer) = state.legs.get_mut(&leg) {
            hearer.listeners = listeners;
        }
        if let Some(partner) = partner.and_then(|id| state.legs.get_mut(&id)) {
            partner.relay(now, &heard, &mut state.outbox);
            if let Some(digit) = heard.digit.filter(|_| heard.kind == Kind::Event) {
                let id = partner.id;
                partner.sound_key(now, digit);
                self.arm(id);
            }
        }
        if was_silent {
            self.arm(leg);
        }
        if let Some(spurt) = spurt {
            self.talks(leg, spurt);
        }
        if let Some(tone) = fax {
            self.state.events.push_back(Event::Fax { leg, tone });
        }
    }

    /// Takes an RTCP packet that came to this leg's RTCP port; false: it is not its peer's.
    pub fn handle_rtcp(&mut self, now: Time, leg: LegId, from: SocketAddr, bytes: &[u8]) -> bool {
        let Some(leg) = self.state.legs.get_mut(&leg) else {
            self.state.counters.strays += 1;
            return false;
        };
        leg.hear_rtcp(now, from, bytes)
    }

    /// Notes that what was sent to a leg's peer came back (ICMP).
    pub fn handle_undelivered(&mut self, leg: LegId) {
        self.with(leg, |leg| leg.hearing.refused(Refusal::Undelivered));
    }

    /// Does everything that is due by now.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((_, id)) = self.state.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            let Snapshot { legs, deadlines, .. } = &mut self.state;
            deadlines.pop_first();
            if let Some(leg) = legs.get_mut(&id) {
                leg.armed = None;
            }
            self.converse(now, id);
            let Snapshot { config, legs, outbox, events, taped, .. } = &mut self.state;
            if let Some(leg) = legs.get_mut(&id) {
                leg.reels.handle_timeout(now, &mut Out { taped, events });
                leg.forks.handle_timeout(now, taped);
                let silence = config.silence(leg.side);
                leg.handle_timeout(now, silence, &self.library, outbox, |event| events.push_back(event));
                let marks = std::iter::from_fn(|| leg.reached());
                taped.extend(marks.map(|(fork, name)| Taped::Live { fork, live: Live::Reached(name) }));
            }
            self.arm(id);
        }
    }

    /// When `handle_timeout` is to be called, unless something else happens before.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.state.deadlines.first().map(|(at, _)| *at)
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.state.outbox.pop()
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.state.events.pop_front()
    }

    /// The next that was recorded, is said live, or is to be heard.
    pub fn poll_tape(&mut self) -> Option<Taped> {
        self.state.taped.pop_front()
    }

    /// Legs open.
    pub fn legs(&self) -> usize {
        self.state.legs.len()
    }

    /// Legs open, whose side and local address, in the order of their ids.
    pub fn open_legs(&self) -> impl Iterator<Item = (LegId, Side, SocketAddr)> + '_ {
        self.state.legs.values().map(|leg| (leg.id, leg.side, leg.local))
    }

    /// Legs hearing a play now.
    pub fn playing(&self) -> usize {
        self.state.legs.values().filter(|leg| leg.is_playing()).count()
    }

    /// Whom a leg hears when nothing is played to it: several in a mix, else its bridge partner.
    pub fn hears(&self, leg: LegId) -> impl Iterator<Item = LegId> + '_ {
        let hearer = self.state.legs.get(&leg);
        let mix = hearer.and_then(|leg| leg.mix.as_ref());
        let partner = hearer.and_then(|leg| leg.partner).filter(|_| mix.is_none());
        mix.into_iter().flat_map(Mix::sources).chain(partner)
    }

    /// What a leg has carried so far.
    pub fn stats(&self, leg: LegId) -> Option<StreamStats> {
        self.state.legs.get(&leg).map(Leg::stats)
    }

    /// What went wrong so far.
    pub fn counters(&self) -> Counters {
        Counters { dropped: self.state.outbox.dropped, ..self.state.counters }
    }

    /// Takes a leg out, to be adopted by another worker. Its bridge ends, and who hears whom in mixes.
    pub fn release(&mut self, now: Time, leg: LegId) -> Option<Moved> {
        self.unbridge(now, leg);
        self.untune(now, leg);
        let mut moved = self.state.legs.remove(&leg)?;
        if let Some(at) = moved.armed.take() {
            self.state.deadlines.remove(&(at, leg));
        }
        Some(Moved(moved))
    }

    /// Takes a leg over from another worker.
    pub fn adopt(&mut self, Moved(leg): Moved) {
        let id = leg.id;
        self.state.legs.insert(id, leg);
        self.arm(id);
    }

    /// False, and told: it cannot be.
    fn open(&mut self, leg: LegId, local: SocketAddr, side: Side) -> bool {
        let Snapshot { legs, random, events, .. } = &mut self.state;
        let fits = legs.len() < LEGS_MAX && !legs.contains_key(&leg);
        if fits {
            legs.insert(leg, Leg::new(leg, local, side, random));
        } else {
            let detail = if legs.contains_key(&leg) { "the leg is already open" } else { "too many legs are open" };
            events.push_back(Event::Failed { leg, detail: detail.into() });
        }
        fits
    }

    fn connect(&mut self, now: Time, leg: LegId, audio: Audio) {
        let mut random = self.state.random.clone();
        self.with(leg, |leg| leg.connect(now, audio, &mut random));
        self.state.random = random;
        let announced = self.state.legs.get_mut(&leg).and_then(|leg| leg.announce(false));
        self.state.taped.extend(announced);
        self.run_talk(now, leg);
    }

    fn play(&mut self, now: Time, leg: LegId, play: PlayId, sounds: Vec<Sound>, repeat: bool) {
        let missing = |sound: &&Sound| match sound {
            Sound::Prompt { language, id } => !self.library.contains(language, id),
            Sound::Silence(_) | Sound::Key(_) | Sound::Tape(_) | Sound::Spoken(_) => false,
        };
        let missing = sounds.iter().filter(missing).count() + sounds.len().saturating_sub(SOUNDS_MAX);
        self.state.counters.prompts_missing += missing as u64;
        let playing = Playing::new(play, sounds, repeat);
        self.state.taped.extend(playing.wanted().map(|sound| Taped::Wanted { leg, sound: sound.clone() }));
        self.with(leg, |leg| leg.play(now, playing));
    }

    fn record(&mut self, now: Time, leg: LegId, tape: TapeId, command: Command) {
        let Snapshot { legs, taped, events, counters, .. } = &mut self.state;
        let out = &mut Out { taped, events };
        match (legs.get_mut(&leg), command) {
            (Some(of), Command::Record { track, since, limits, .. }) => {
                of.reels.begin(Reel::new(now, leg, tape, track, since, limits), out);
            }
            (Some(of), _) => of.reels.stop(now, tape, out),
            (None, Command::Record { .. }) => {
                counters.strays += 1;
                out.events.push_back(Event::TapeEnded { leg, tape, end: TapeEnd::Failed, ms: 0, voice_ms: 0 });
            }
            (None, _) => counters.strays += 1,
        }
    }

    fn fork(&mut self, now: Time, leg: LegId, fork: ForkId, track: Track) {
        let begun = self.state.legs.get_mut(&leg).is_some_and(|of| of.forks.begin(now, leg, fork, track));
        self.state.counters.strays += u64::from(!begun);
    }

    fn say(&mut self, leg: LegId, fork: ForkId, sound: &[i16], mark: Option<Name>) {
        let Snapshot { legs, taped, counters, .. } = &mut self.state;
        let Some(hearer) = legs.get_mut(&leg) else { return counters.strays += 1 };
        let Some(speech) = hearer.speech(fork) else { return };
        let unsaid = speech.say(sound);
        let given_up = mark.and_then(|mark| speech.mark(mark));
        let told = given_up.map(Live::Reached).into_iter().chain((unsaid > 0).then_some(Live::Unsaid(unsaid)));
        taped.extend(told.map(|live| Taped::Live { fork, live }));
    }

    fn bridge(&mut self, now: Time, a: LegId, b: LegId) {
        let both = a != b && [a, b].iter().all(|leg| self.state.legs.contains_key(leg));
        if !both {
            self.state.counters.strays += 1;
            return;
        }
        for (one, other) in [(a, b), (b, a)] {
            if self.state.legs.get(&one).is_some_and(|leg| leg.partner != Some(other)) {
                self.unbridge(now, one);
            }
            self.with(one, |leg| leg.partner = Some(other));
            self.follow(now, one);
        }
    }

    /// Notes at both ends of a bridge whether they speak alike.
    fn compare(&mut self, leg: LegId) {
        let legs = &mut self.state.legs;
        let wide = |id| legs.get(&id).map(Leg::wide);
        let Some(partner) = legs.get(&leg).and_then(|leg| leg.partner) else { return };
        let levelled = [leg, partner].iter().any(|id| legs.get(id).is_some_and(Leg::is_levelled));
        let foreign = wide(leg) != wide(partner) || levelled;
        let wideband = [leg, partner].iter().all(|id| legs.get(id).is_some_and(Leg::is_wideband));
        for id in [leg, partner] {
            legs.entry(id).and_modify(|leg| (leg.foreign, leg.wideband) = (foreign, wideband));
        }
    }

    fn unbridge(&mut self, now: Time, leg: LegId) {
        self.end_talk(now, leg);
        let partner = self.state.legs.get_mut(&leg).and_then(|leg| leg.partner.take());
        if let Some(id) = partner {
            self.state.legs.entry(id).and_modify(|partner| partner.partner = None);
            [leg, id].into_iter().for_each(|leg| self.follow(now, leg));
        }
    }

    /// Lets a leg hear these; none: its partner.
    fn tune(&mut self, now: Time, leg: LegId, from: &[LegId]) {
        let legs = &mut self.state.legs;
        let mut from: Vec<LegId> = from.iter().copied().filter(|id| *id != leg && legs.contains_key(id)).collect();
        let Some(hearer) = legs.get_mut(&leg) else { return self.state.counters.strays += 1 };
        if from.is_empty() && hearer.program.is_some() {
            from.extend(hearer.partner);
        }
        let before: Vec<LegId> = hearer.mix.iter().flat_map(Mix::sources).collect();
        hearer.tune(now, &from);
        let after: Vec<LegId> = hearer.mix.iter().flat_map(Mix::sources).collect();
        for id in before.into_iter().chain(after.iter().copied()) {
            let Some(source) = legs.get_mut(&id) else { continue };
            source.listeners.retain(|listener| *listener != leg);
            if after.contains(&id) {
                source.listeners.push(leg);
            }
        }
    }

    /// A leg hears nobody in a mix any more, and is heard by nobody.
    fn untune(&mut self, now: Time, leg: LegId) {
        let Some(gone) = self.state.legs.get_mut(&leg) else { return };
        let sources: Vec<LegId> = gone.mix.iter().flat_map(Mix::sources).collect();
        gone.tune(now, &[]);
        let listeners = std::mem::take(&mut gone.listeners);
        for id in sources {
            if let Some(source) = self.state.legs.get_mut(&id) {
                source.listeners.retain(|listener| *listener != leg);
            }
        }
        for id in listeners {
            let Some(listener) = self.state.legs.get_mut(&id) else { continue };
            let left: Vec<LegId> = listener.mix.iter().flat_map(Mix::sources).filter(|source| *source != leg).collect();
            listener.tune(now, &left);
        }
    }

    fn close(&mut self, now: Time, leg: LegId) {
        self.unbridge(now, leg);
        self.untune(now, leg);
        let state = &mut self.state;
        let stats = match state.legs.get_mut(&leg) {
            Some(closing) => {
                state.taped.extend(closing.announce(true));
                closing.reels.close(now, &mut Out { taped: &mut state.taped, events: &mut state.events });
                closing.close(now, &mut state.outbox)
            }
            None => StreamStats::default(),
        };
        if let Some(at) = state.legs.remove(&leg).and_then(|leg| leg.armed) {
            state.deadlines.remove(&(at, leg));
        }
        state.events.push_back(Event::Closed { leg, stats });
    }

    fn with(&mut self, leg: LegId, change: impl FnOnce(&mut Leg)) {
        match self.state.legs.get_mut(&leg) {
            Some(leg) => change(leg),
            None => self.state.counters.strays += 1,
        }
    }

    /// Puts a leg's next deadline where it belongs.
    fn arm(&mut self, id: LegId) {
        let Snapshot { legs, deadlines, config, .. } = &mut self.state;
        let Some(leg) = legs.get_mut(&id) else { return };
        let due = leg.due(config.silence(leg.side));
        if leg.armed != due {
            if let Some(at) = leg.armed {
                deadlines.remove(&(at, id));
            }
            deadlines.extend(due.map(|at| (at, id)));
            leg.armed = due;
        }
    }
}

#[cfg(test)]
mod tests;
