//! Everything a call may use: the SIP stack, the ACD, media, ports, trunks, names and the journal. Calls it plainly, never a call.

use crate::bots::ForkNews;
use crate::callbacks::{Asked, Callbacks};
use crate::causes::Causes;
use crate::directory::Directory;
use crate::event::Gone;
use crate::journal::{Entry, Marks, Snapshot};
use crate::lamps::News;
use crate::legs::{Leg, Legs};
use crate::limits::Recent;
use crate::mailboxes::Mailboxes;
use crate::memory::{LastAgents, Redials};
use crate::plans::Plans;
use crate::ports::Ports;
use crate::seats::Seats;
use crate::setup::Setup;
use crate::tiers::Tiers;
use crate::transfer::Given;
use crate::trial::Trials;
use crate::trunks::{Channel, Trunks};
use busyhour_acd::{Acd, Command, Decision, Denied};
use busyhour_ivr::LookUp;
use busyhour_media as media;
use busyhour_model::{
    AgentId, Audio, CallId, Codec, Fact, ForkId, LegId, OfferOutcome, Party, PlayId, Release, Sound, StreamStats,
    TapeId, Time, What,
};
use busyhour_sip::{Identity, Invite, Reason, Stack, Target, cause_of};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plant {
    /// The time of the input being handled.
    pub(crate) now: Time,
    /// What is configured, less the dialplans (those are in `plans`).
    pub(crate) setup: Setup,
    pub(crate) sip: Stack,
    pub(crate) acd: Acd,
    pub(crate) directory: Directory,
    pub(crate) tiers: Tiers,
    pub(crate) trunks: Trunks,
    pub(crate) plans: Plans,
    pub(crate) ports: Ports,
    pub(crate) legs: Legs,
    pub(crate) redials: Redials,
    pub(crate) last_agents: LastAgents,
    pub(crate) callbacks: Callbacks,
    /// Call-backs asked for and not yet made.
    pub(crate) asked: VecDeque<Asked>,
    /// Verdicts not yet told to their calls.
    pub(crate) decisions: VecDeque<Decision>,
    pub(crate) media: VecDeque<media::Command>,
    pub(crate) entries: VecDeque<Entry>,
    /// Look-ups the world has not yet taken.
    pub(crate) lookups: VecDeque<(CallId, LookUp)>,
    /// What programs that hear calls are told, and the world has not yet taken.
    pub(crate) forks: VecDeque<(ForkId, ForkNews)>,
    last_fork: ForkId,
    marks: Marks,
    plays: u64,
    /// Whose recordings are not filed yet.
    pub(crate) tapes: BTreeMap<TapeId, CallId>,
    last_tape: TapeId,
    pub(crate) mailboxes: Mailboxes,
    /// Calls in slots.
    pub(crate) parked: BTreeMap<u32, CallId>,
    /// Calls that agents made beside the one they hold.
    pub(crate) consults: BTreeMap<AgentId, CallId>,
    /// Agents whose held call is over, and who go on in the other one.
    pub(crate) adopted: VecDeque<(CallId, AgentId)>,
    /// Legs whose agents want who is on hold and whom they talk to in one call.
    pub(crate) conferred: VecDeque<LegId>,
    /// Taken out of one call, on the way into another.
    #[serde(skip)]
    pub(crate) given: Option<Given>,
    pub(crate) news: News,
    pub(crate) seats: Seats,
    pub(crate) trials: Trials,
    /// When agents called numbers outside.
    pub(crate) called_out: Recent,
}

/// Where a leg's sound is: as bound, and as its peer knows it.
#[derive(Clone, Copy, Debug)]
struct RtpPlace {
    bound: SocketAddr,
    told: SocketAddr,
}

impl Plant {
    pub(crate) fn new(now: Time, setup: Setup, sip: Stack, seed: u64) -> Plant {
        let ports = Ports::new(now, setup.media_ports);
        let acd = Acd::new(seed);
        let began = Entry::Began(now, Snapshot::of(&acd));
        Plant {
            now,
            setup,
            sip,
            acd,
            directory: Directory::default(),
            tiers: Tiers::default(),
            trunks: Trunks::default(),
            plans: Plans::default(),
            ports,
            legs: Legs::default(),
            redials: Redials::default(),
            last_agents: LastAgents::default(),
            callbacks: Callbacks::default(),
            asked: VecDeque::new(),
            decisions: VecDeque::new(),
            media: VecDeque::new(),
            entries: VecDeque::from([began]),
            lookups: VecDeque::new(),
            forks: VecDeque::new(),
            last_fork: ForkId::default(),
            marks: Marks::new(now),
            plays: 0,
            tapes: BTreeMap::new(),
            last_tape: TapeId::default(),
            mailboxes: Mailboxes::default(),
            parked: BTreeMap::new(),
            consults: BTreeMap::new(),
            adopted: VecDeque::new(),
            conferred: VecDeque::new(),
            given: None,
            news: News::default(),
            seats: Seats::default(),
            trials: Trials::default(),
            called_out: Recent::default(),
        }
    }

    pub(crate) fn fact(&mut self, what: What) {
        self.news.note(&what);
        self.trials.note(self.now, &what);
        self.entries.push_back(Entry::Fact(Fact { at: self.now, what }));
    }

    /// Tells the ACD, in the journal and in fact. Its verdicts reach their calls after the present handler.
    pub(crate) fn acd(&mut self, command: Command) -> Result<(), Denied> {
        // What is due happens first, by a command of its own: a denied one changes nothing.
        if command != Command::Tick && self.acd.poll_timeout().is_some_and(|at| at <= self.now) {
            self.acd(Command::Tick)?;
        }
        let mut decisions = Vec::new();
        let told = self.acd.apply(self.now, command.clone(), &mut decisions);
        self.decisions.extend(decisions);
        told?;
        self.entries.push_back(Entry::Command(self.now, command));
        self.marks.commanded();
        self.news.matched = true;
        Ok(())
    }

    /// The next line of the journal. Marks come when nothing else is left: all that was decided has been told by then,
    /// and whatever is to be sent has been.
    pub(crate) fn poll_entry(&mut self) -> Option<Entry> {
        self.entries.pop_front().or_else(|| self.marks.poll(self.now, &self.acd))
    }

    /// Registers the caller's leg and opens its media, by the family of what it offers; false when no port is free.
    pub(crate) fn take_leg(
        &mut self,
        id: LegId,
        call: CallId,
        party: Party,
        channel: Option<Channel>,
        offered: Option<&Audio>,
    ) -> bool {
        let Some(port) = self.ports.take(self.now) else { return false };
        let met = self.sip.met_at(id).map(|flow| flow.remote.ip());
        let place = self.place(port, met, offered.map(|audio| audio.remote.ip()).or(met));
        self.open(id, call, party, place, channel, true);
        true
    }

    /// Where sound for a peer met there goes and comes, that itself has it there.
    fn place(&self, port: u16, met: Option<IpAddr>, sound: Option<IpAddr>) -> RtpPlace {
        let Setup { media_address, media_other, networks, .. } = &self.setup;
        let fits = |ours: &IpAddr| sound.is_none_or(|sound| sound.is_ipv4() == ours.is_ipv4());
        let ours = Some(*media_address).filter(fits).or(media_other.filter(fits)).unwrap_or(*media_address);
        let bound = SocketAddr::new(ours, port);
        RtpPlace { bound, told: met.map_or(bound, |met| networks.told(bound, met)) }
    }

    /// Rings a party on a new leg, and offers it first what `other` speaks: then nothing is to be transcoded.
    pub(crate) fn ring_leg(
        &mut self,
        call: CallId,
        other: LegId,
        party: Party,
        invite: Ring,
    ) -> Result<LegId, OfferOutcome> {
        let channel = invite.channel.clone();
        let spoken = self.legs.leg(other).and_then(|leg| leg.audio.as_ref()).map(|audio| audio.codec);
        let rung = self.invite(invite, spoken);
        match rung {
            Some((leg, place)) => {
                self.open(leg, call, party.clone(), place, channel, false);
                self.fact(What::LegOpened { call, leg, party });
                Ok(leg)
            }
            None => {
                channel.inspect(|channel| self.trunks.release(channel));
                Err(OfferOutcome::Unreachable)
            }
        }
    }

    fn invite(&mut self, ring: Ring, codec: Option<Codec>) -> Option<(LegId, RtpPlace)> {
        let port = self.ports.take(self.now)?;
        let met = self.sip.heads_for(&ring.target);
        let place = self.place(port, met, met);
        let local = place.told;
        let Ring { target, from, display, identity, headers, max_forwards, after, replaceable, .. } = ring;
        let invite = Invite { target, from, display, identity, local, codec, headers, max_forwards, replaceable };
        match self.sip.invite_at(self.now, self.now + after, invite) {
            Ok(leg) => Some((leg, place)),
            Err(_) => {
                self.ports.give(self.now, port);
                None
            }
        }
    }

    fn open(
        &mut self,
        id: LegId,
        call: CallId,
        party: Party,
        place: RtpPlace,
        channel: Option<Channel>,
        incoming: bool,
    ) {
        let side = party.side();
        self.news.note_party(&party);
        let (audio, play, answered, closing, status) = (None, None, false, false, 0);
        let (reason, cause, release) = (Reason::default(), None, None);
        let RtpPlace { bound, told } = place;
        let leg = Leg {
            call,
            party,
            incoming,
            aside: false,
            port: Some(bound.port()),
            program: None,
            told,
            channel,
            audio,
            keys: None,
            play,
            answered,
            closing,
            status,
            reason,
            cause,
            release,
        };
        self.legs.open(id, leg);
        self.media.push_back(media::Command::Open { leg: id, local: bound, side });
    }

    /// A leg whose peer is a program that is called, and the program.
    pub(crate) fn open_program(&mut self, call: CallId, party: Party) -> (LegId, ForkId) {
        let (id, fork, side) = (self.sip.foreign_leg(), ForkId(self.last_fork.0 + 1), party.side());
        self.last_fork = fork;
        self.news.note_party(&party);
        self.fact(What::LegOpened { call, leg: id, party: party.clone() });
        let (channel, audio, keys, play, cause, release) = (None, None, None, None, None, None);
        let leg = Leg {
            call,
            party,
            incoming: false,
            aside: false,
            port: None,
            program: Some(fork),
            told: media::NOWHERE,
            channel,
            audio,
            keys,
            play,
            answered: false,
            closing: false,
            status: 0,
            reason: Reason::default(),
            cause,
            release,
        };
        self.legs.open(id, leg);
        self.media.push_back(media::Command::Program { leg: id, side, fork });
        (id, fork)
    }

    /// Our RTP address of a leg, as its peer knows it.
    pub(crate) fn local(&self, id: LegId) -> SocketAddr {
        self.legs.leg(id).map_or(SocketAddr::new(self.setup.media_address, 0), |leg| leg.told)
    }

    /// Sends and receives by this from now on.
    pub(crate) fn connect(&mut self, id: LegId, audio: Audio) {
        if let Some(leg) = self.legs.leg_mut(id) {
            leg.audio = Some(audio.clone());
            self.media.push_back(media::Command::Connect { leg: id, audio });
        }
    }

    /// Notes that a leg was answered.
    pub(crate) fn answered(&mut self, id: LegId) {
        if let Some(leg) = self.legs.leg_mut(id) {
            (leg.answered, leg.status, leg.cause) = (true, 200, None);
            self.news.note_party(&leg.party);
        }
    }

    pub(crate) fn is_answered(&self, id: LegId) -> bool {
        self.legs.leg(id).is_some_and(|leg| leg.answered)
    }

    pub(crate) fn play(&mut self, id: LegId, sounds: Vec<Sound>, repeat: bool) {
        self.plays += 1;
        let play = PlayId(self.plays);
        if let Some(leg) = self.legs.leg_mut(id) {
            leg.play = Some(play);
            self.media.push_back(media::Command::Play { leg: id, play, sounds, repeat });
        }
    }

    /// Nothing is played there.
    pub(crate) fn is_quiet(&self, id: LegId) -> bool {
        self.legs.leg(id).is_some_and(|leg| leg.play.is_none())
    }

    /// Plays a synthesised sound for ever: music, ring-back.
    pub(crate) fn play_system(&mut self, id: LegId, sound: &str) {
        self.play(id, vec![Sound::Prompt { language: "".into(), id: sound.into() }], true);
    }

    pub(crate) fn stop(&mut self, id: LegId) {
        if let Some(leg) = self.legs.leg_mut(id)
            && leg.play.take().is_some()
        {
            self.media.push_back(media::Command::Stop { leg: id });
        }
    }

    /// A new tape of a call, named after the moment: no restart uses it again.
    pub(crate) fn tape(&mut self, call: CallId) -> TapeId {
        self.last_tape = TapeId(self.now.as_micros().max(self.last_tape.0 + 1));
        self.tapes.insert(self.last_tape, call);
        self.last_tape
    }

    pub(crate) fn bridge(&mut self, a: LegId, b: LegId) {
        self.media.push_back(media::Command::Bridge { a, b });
    }

    /// It is measured who talks from now on, until their bridge ends.
    pub(crate) fn measure(&mut self, call: CallId, caller: LegId, partner: LegId) {
        self.media.push_back(media::Command::Measure { call, caller, partner });
    }

    pub(crate) fn unbridge(&mut self, leg: LegId) {
        self.media.push_back(media::Command::Unbridge { leg });
    }

    /// Takes a leg down: BYE, CANCEL, or `status` when it was never answered.
    pub(crate) fn drop_leg(&mut self, id: LegId, status: u16) {
        let Some(leg) = self.legs.leg(id) else { return };
        if leg.closing {
            return;
        }
        let refused = leg.incoming && !leg.answered;
        let cause = leg.cause.unwrap_or(if refused { cause_of(status) } else { NORMAL });
        let line = leg.channel.as_ref().map(|channel| self.trunks.trunk(channel.trunk));
        let (told, cause) = line.map_or((status, cause), |line| line.setup.policy.causes_out.told(status, cause));
        if line.is_some() || leg.cause.is_some() {
            self.sip.give_reason(id, cause);
        }
        match refused {
            true => drop(self.sip.refuse(self.now, id, told, None)),
            false => drop(self.sip.hang_up(self.now, id)),
        }
        if let Some(leg) = self.legs.leg_mut(id) {
            leg.release = Some(Release { by_peer: false, cause, told: false, sip: None });
        }
        self.lost_leg(id, if refused { told } else { status });
    }

    /// Notes how a leg's signalling ended that we did not end; what that means to us.
    pub(crate) fn heard(&mut self, id: LegId, how: Gone) -> Gone {
        let Some(leg) = self.legs.leg_mut(id) else { return how };
        let line = leg.channel.as_ref().map(|channel| self.trunks.trunk(channel.trunk));
        let unchanged = Causes::default();
        let table = line.map_or(&unchanged, |line| &line.setup.policy.causes_in);
        let (status, mut release) = table.heard(how.status(), leg.reason);
        release.by_peer = how != Gone::Vanished;
        leg.release = Some(release);
        if !leg.answered {
            leg.status = how.status();
        }
        if let Gone::Refused(_) = how { Gone::Refused(status) } else { how }
    }

    /// The caller of a leg that failed is told the same cause, should it not be answered.
    pub(crate) fn pass_cause(&mut self, failed: LegId, caller: LegId) {
        let cause = self.legs.leg(failed).and_then(|leg| leg.release).map(|release| release.cause);
        if let Some(leg) = self.legs.leg_mut(caller).filter(|leg| !leg.answered) {
            leg.cause = cause;
        }
    }

    /// Notes that a leg's signalling is down and closes its media.
    pub(crate) fn lost_leg(&mut self, id: LegId, status: u16) {
        if let Some(leg) = self.legs.leg_mut(id)
            && !leg.closing
        {
            leg.closing = true;
            self.news.note_party(&leg.party);
            if !leg.answered && leg.status == 0 {
                leg.status = status;
            }
            self.media.push_back(media::Command::Close { leg: id });
            self.dismiss_program(id, "left");
        }
    }

    /// The program at a leg, if one is, is told how it ended.
    pub(crate) fn dismiss_program(&mut self, id: LegId, outcome: &str) {
        let fork = self.legs.take_program(id);
        self.forks.extend(fork.map(|fork| (fork, ForkNews::Over { outcome: outcome.into() })));
    }

    /// What media heard of a leg becomes a fact of its call.
    pub(crate) fn heard_of(&mut self, id: LegId, what: impl FnOnce(&Leg) -> What) {
        if let Some(what) = self.legs.leg(id).map(what) {
            self.fact(what);
        }
    }

    /// A leg's media has closed: its port and channel are free. Returns its call.
    pub(crate) fn closed_leg(&mut self, id: LegId, stats: StreamStats) -> Option<CallId> {
        let leg = self.legs.close(id)?;
        leg.port.inspect(|port| self.ports.give(self.now, *port));
        leg.channel.inspect(|channel| self.trunks.release(channel));
        let (call, side, status, release) = (leg.call, leg.party.side(), leg.status, leg.release);
        self.fact(What::LegEnded { call, leg: id, side, status, stats, release });
        Some(call)
    }
}

/// Whom to ring, and as whom.
pub(crate) struct Ring {
    pub(crate) target: Target,
    pub(crate) from: String,
    pub(crate) display: Option<String>,
    pub(crate) identity: Identity,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) max_forwards: u8,
    /// The trunk's, taken already.
    pub(crate) channel: Option<Channel>,
    /// The INVITE goes out so much later.
    pub(crate) after: Duration,
    /// Another trunk may take the call instead.
    pub(crate) replaceable: bool,
}

/// Normal call clearing (Q.850).
const NORMAL: u8 = 16;

/// A media plane that has not closed a leg after so long is broken.
pub(crate) const CLOSE_MAX: Duration = Duration::from_secs(10);
