//! The switch: one deterministic machine. One input, then drain every `poll_…` to `None`, then the next input.

use crate::bots::{BotSaid, ForkNews};
use crate::call::Call;
use crate::event::{Event, Gone};
use crate::journal::Entry;
use crate::legs::Keys;
use crate::plant::Plant;
use crate::setup::Setup;
use busyhour_acd::{Acd, Command, Decision, Foreseen};
use busyhour_ivr::{LookUp, LookUpAnswer};
use busyhour_media as media;
use busyhour_model::{
    AgentId, CallId, FaxHeard, FaxTone, ForkId, LegId, Name, Overload, Talked, TapeId, Time, TrunkId, Unheard, What,
};
use busyhour_sip as sip;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// A whole telephone switch as plain data: it can be written out and read back between two inputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Switch {
    pub(crate) plant: Plant,
    pub(crate) calls: BTreeMap<CallId, Call>,
    /// One deadline per call.
    timers: BTreeSet<(Time, CallId)>,
    pub(crate) due: BTreeMap<CallId, Time>,
    pub(crate) next_call: u64,
}

/// What is alive in a switch; all zero some seconds after the last call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vitals {
    /// Calls.
    pub calls: usize,
    /// Legs with a media stream.
    pub legs: usize,
    /// SIP dialogs, early or confirmed.
    pub dialogs: usize,
    /// SIP transactions.
    pub transactions: usize,
    /// RTP ports in use.
    pub ports_in_use: usize,
    /// Timers of calls.
    pub timers: usize,
    /// Of the calls, those that wait to call somebody back.
    pub callbacks: usize,
}

impl Switch {
    /// A switch that starts now, with nobody signed in. Equal inputs and `seed` give equal outputs.
    pub fn new(now: Time, setup: Setup, seed: u64) -> Switch {
        let config = crate::reload::sip_config(&setup, Vec::new());
        let mut switch = Switch {
            plant: Plant::new(now, setup.clone(), sip::Stack::new(config, seed), seed),
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            due: BTreeMap::new(),
            next_call: 1,
        };
        switch.configure(setup);
        switch.settle();
        switch
    }

    /// A UDP datagram came.
    pub fn handle_datagram(&mut self, now: Time, flow: sip::Flow, bytes: &[u8]) {
        self.at(now).sip.handle_datagram(now, flow, bytes);
        self.settle();
    }

    /// The next input waited so long before it is handled.
    pub fn handle_wait(&mut self, now: Time, wait: Duration) {
        self.at(now).sip.handle_wait(now, wait);
        self.settle();
    }

    /// Bytes came on TCP connection `flow.connection`.
    pub fn handle_stream(&mut self, now: Time, flow: sip::Flow, bytes: &[u8]) {
        self.at(now).sip.handle_stream(now, flow, bytes);
        self.settle();
    }

    /// The peer of a new connection has shown the certificate of the trunks with these names.
    pub fn handle_certified(&mut self, now: Time, flow: sip::Flow, trunks: &[Name]) {
        self.at(now);
        let trunks: Vec<_> = trunks.iter().filter_map(|name| self.plant.trunks.by_name(name)).collect();
        self.plant.sip.handle_certified(now, flow, &trunks);
        self.settle();
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, now: Time, flow: sip::Flow) {
        self.at(now).sip.handle_closed(now, flow);
        self.settle();
    }

    /// Nothing can be sent to that peer.
    pub fn handle_unreachable(&mut self, now: Time, flow: sip::Flow) {
        self.at(now).sip.handle_unreachable(now, flow);
        self.settle();
    }

    /// The network gave a datagram back that begins so.
    pub fn handle_undelivered(&mut self, now: Time, quoted: &[u8]) {
        self.at(now).sip.handle_undelivered(now, quoted);
        self.settle();
    }

    /// The media plane says something.
    pub fn handle_media(&mut self, now: Time, event: media::Event) {
        self.at(now);
        self.on_media(event);
        self.settle();
    }

    /// `poll_timeout` is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.at(now);
        if self.plant.sip.poll_timeout().is_some_and(|at| at <= now) {
            self.plant.sip.handle_timeout(now);
        }
        if self.plant.acd.poll_timeout().is_some_and(|at| at <= now) {
            let _ = self.plant.acd(Command::Tick);
        }
        self.plant.expire_messages();
        self.settle();
        while let Some(&(at, call)) = self.timers.first()
            && at <= now
        {
            self.tell(call, Event::Timeout);
            self.settle();
        }
    }

    /// The world is about to end: registrations at trunks are taken back, as long as [`Switch::is_leaving`].
    pub fn handle_end(&mut self, now: Time) {
        self.at(now).trunks.leave();
        self.settle();
    }

    /// Whether a trunk is still to say that it has taken a registration back.
    pub fn is_leaving(&self) -> bool {
        self.plant.sip.is_leaving()
    }

    /// The matcher, when it is time to foresee waits: copy it and let [`Acd::foresee`] work on the copy.
    pub fn to_foresee(&self) -> Option<&Acd> {
        Some(&self.plant.acd).filter(|acd| acd.wants_forecast())
    }

    /// The waits foreseen on a copy of the matcher.
    pub fn handle_forecast(&mut self, now: Time, classes: Vec<Foreseen>) {
        self.at(now);
        if !classes.is_empty() || self.plant.acd.has_forecast() {
            let _ = self.plant.acd(Command::Foresee { classes });
        }
        self.settle();
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Time> {
        let call = self.timers.first().map(|(at, _)| *at);
        let message = self.plant.message_expires();
        [call, message, self.plant.sip.poll_timeout(), self.plant.acd.poll_timeout()].into_iter().flatten().min()
    }

    /// Bytes for a peer.
    pub fn poll_transmit(&mut self) -> Option<sip::Transmit> {
        self.plant.sip.poll_transmit()
    }

    /// What a trunk is called.
    pub fn trunk_name(&self, trunk: TrunkId) -> &Name {
        &self.plant.trunks.trunk(trunk).setup.name
    }

    /// A name of a trunk's peer to look up; what is found goes to [`Switch::handle_resolved`].
    pub fn poll_wanted(&mut self) -> Option<sip::Wanted> {
        self.plant.sip.poll_wanted()
    }

    /// A name was looked up, or could not be.
    pub fn handle_resolved(&mut self, now: Time, wanted: &sip::Wanted, outcome: Result<&sip::Found, sip::Unfound>) {
        self.at(now).sip.handle_resolved(now, wanted, outcome);
        self.settle();
    }

    /// A connection to close.
    pub fn poll_close(&mut self) -> Option<sip::Flow> {
        self.plant.sip.poll_close()
    }

    /// A command for the media plane.
    pub fn poll_media(&mut self) -> Option<media::Command> {
        self.plant.media.pop_front()
    }

    /// A look-up for the world to make; its answer goes to [`Switch::handle_lookup`] with the same call and id.
    pub fn poll_lookup(&mut self) -> Option<(CallId, LookUp)> {
        self.plant.lookups.pop_front()
    }

    /// A look-up was answered. The call may be over, or have given this one up: then nothing happens.
    pub fn handle_lookup(&mut self, now: Time, call: CallId, id: u32, answer: LookUpAnswer) {
        self.at(now);
        self.tell(call, Event::LookedUp { id, answer });
        self.settle();
    }

    /// News for a program that hears a call.
    pub fn poll_fork(&mut self) -> Option<(ForkId, ForkNews)> {
        self.plant.forks.pop_front()
    }

    /// A bot says something to us. Its talk may be over: then nothing happens.
    pub fn handle_bot(&mut self, now: Time, fork: ForkId, said: BotSaid) {
        self.at(now);
        self.bot_said(fork, said);
        self.settle();
    }

    /// The next line of the journal.
    pub fn poll_entry(&mut self) -> Option<Entry> {
        self.plant.poll_entry()
    }

    /// A mark of the ACD as it is now, for the end of a journal. Only after everything was drained.
    pub fn mark(&self) -> Entry {
        crate::journal::mark(&self.plant.acd)
    }

    /// Wire-level counts since the start.
    pub fn counters(&self) -> &sip::Counters {
        self.plant.sip.counters()
    }

    /// What is alive.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            calls: self.calls.len(),
            legs: self.plant.legs.len(),
            dialogs: self.plant.sip.dialogs(),
            transactions: self.plant.sip.transactions(),
            ports_in_use: self.plant.ports.in_use(),
            timers: self.timers.len(),
            callbacks: self.plant.callbacks.len(),
        }
    }

    fn at(&mut self, now: Time) -> &mut Plant {
        self.plant.now = now.max(self.plant.now);
        &mut self.plant
    }

    /// Lets events and verdicts reach their calls until nothing is left to say.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some(decision) = self.plant.decisions.pop_front() {
                self.on_decision(decision);
            } else if let Some(asked) = self.plant.asked.pop_front() {
                self.promise(asked);
            } else if let Some((call, agent)) = self.plant.adopted.pop_front() {
                self.adopt(call, agent);
            } else if let Some(leg) = self.plant.conferred.pop_front() {
                // Who asks by keys hears whether it has come to be.
                let _ = self.confer(leg, None);
            } else if let Some(event) = self.plant.sip.poll_event() {
                self.on_sip(event);
            } else if let Some(delay) = self.plant.sip.poll_delay() {
                let sip::Delay { trunk, method, took, successful } = delay;
                let (trunk, method) = (self.trunk_name(trunk).clone(), method.as_str().into());
                self.plant.fact(What::TrunkAnswered { trunk, method, took, successful });
            } else {
                break;
            }
        }
        self.plant.tell_lamps();
        self.let_go_of_trunks();
        #[cfg(debug_assertions)]
        self.check_quick();
    }

    /// The call an agent made beside another is the only one left.
    fn adopt(&mut self, call: CallId, agent: AgentId) {
        let number = self.plant.directory.agent_number(agent);
        match self.calls.get_mut(&call).filter(|call| !call.phase().is_ended()) {
            Some(call) => call.adopt(agent, number),
            None => self.plant.release(agent),
        }
    }

    fn on_sip(&mut self, event: sip::Event) {
        use sip::Event as E;
        match event {
            E::Incoming(incoming) => self.arrive(*incoming),
            E::ReasonTold { leg, reason } => {
                self.plant.legs.leg_mut(leg).into_iter().for_each(|leg| leg.reason = reason);
            }
            E::Cancelled { leg } => self.gone(leg, Gone::Cancelled),
            E::Refused { leg, status, .. } => self.gone(leg, Gone::Refused(status)),
            E::Moved { leg, status, to } => {
                self.plant.heard(leg, Gone::Refused(status));
                if let Some(call) = self.plant.legs.leg(leg).map(|leg| leg.call) {
                    self.tell(call, Event::Moved { leg, how: Gone::Refused(status), to });
                }
            }
            E::Ended { leg, by_peer } => self.gone(leg, if by_peer { Gone::HungUp } else { Gone::Vanished }),
            E::Progress { leg, status, audio } => self.tell_leg(leg, Event::Progress { leg, status, audio }),
            E::Answered { leg, audio } => self.tell_leg(leg, Event::LegAnswered { leg, audio }),
            E::Confirmed { leg, audio: Some(audio) } | E::MediaChanged { leg, audio } => {
                self.tell_leg(leg, Event::MediaChanged { leg, audio });
            }
            E::Confirmed { audio: None, .. } | E::OfferRefused { .. } => {}
            E::Referred { leg, status } => {
                self.tell_leg(leg, Event::Referred { answered: (200..300).contains(&status) });
            }
            E::TransferAsked { leg, to, replaces } => self.transfer_asked(leg, &to, replaces),
            E::Digit { leg, digit } => self.pressed(leg, digit, Keys::Info),
            E::Registered { account, contacts } => self.registered(&account, contacts),
            E::Qualified { account: phone, answers } => self.plant.fact(What::Qualified { phone, answers }),
            E::Overload { on, refused } => self.plant.fact(What::Overload(Overload { on, refused })),
            E::Banned { source, reason, until } => {
                let (source, reason) = (crate::desk::net_name(source), reason.as_str().into());
                self.plant.fact(What::Banned { source, reason, until });
            }
            E::TrunkState { trunk, trouble } => {
                self.plant.trunks.set_trouble(trunk, trouble);
                let trunk = self.plant.trunks.trunk(trunk).setup.name.clone();
                self.plant.fact(What::TrunkState { trunk, up: trouble.is_none(), trouble });
            }
        }
    }

    fn on_media(&mut self, event: media::Event) {
        match event {
            media::Event::Digit { leg, digit } => self.pressed(leg, digit, Keys::Media),
            media::Event::PlayEnded { leg, play } => self.tell_leg(leg, Event::PlayEnded { leg, play }),
            media::Event::TapeEnded { tape, voice_ms, .. } => {
                self.tell_taper(tape, Event::TapeEnded { tape, voice: Duration::from_millis(voice_ms) });
            }
            media::Event::Filed { tape, file, .. } => self.tell_taper(tape, Event::Filed { tape, file }),
            media::Event::Silent { leg } => {
                self.plant.drop_leg(leg, 408);
                self.gone(leg, Gone::Vanished);
            }
            media::Event::Failed { leg, detail } => {
                let call = self.plant.legs.leg(leg).map(|leg| leg.call);
                self.plant.fact(What::Fault { call, detail: detail.into() });
                self.plant.drop_leg(leg, 503);
                self.gone(leg, Gone::Vanished);
            }
            media::Event::Talked { call, partner, talk } => {
                self.plant.heard_of(partner, |leg| What::Talked(Talked { call, party: leg.party.clone(), talk }))
            }
            media::Event::Fax { leg: id, tone } => {
                self.plant.heard_of(id, |leg| What::FaxHeard(FaxHeard { call: leg.call, leg: id, tone }));
                if tone == FaxTone::Calling {
                    self.tell_leg(id, Event::Fax { leg: id });
                }
            }
            media::Event::Unheard { leg: id, why } => self
                .plant
                .heard_of(id, |leg| What::Unheard(Unheard { call: leg.call, leg: id, side: leg.party.side(), why })),
            media::Event::Closed { leg, stats } => {
                if let Some(call) = self.plant.closed_leg(leg, stats) {
                    self.tell(call, Event::Closed { leg });
                }
            }
        }
    }

    fn pressed(&mut self, leg: LegId, digit: char, from: Keys) {
        if self.plant.legs.leg_mut(leg).is_some_and(|leg| leg.takes_key(from)) {
            self.tell_leg(leg, Event::Digit { leg, digit });
        }
    }

    /// A leg's signalling is down: its call hears of it once.
    pub(crate) fn gone(&mut self, leg: LegId, how: Gone) {
        let how = self.plant.heard(leg, how);
        if let Some(call) = self.plant.legs.leg(leg).map(|leg| leg.call) {
            self.tell(call, Event::Gone { leg, how });
        }
    }

    /// Tells a leg's call, unless the leg is going down.
    pub(crate) fn tell_leg(&mut self, leg: LegId, event: Event) {
        if let Some(call) = self.plant.legs.leg(leg).filter(|leg| !leg.closing).map(|leg| leg.call) {
            self.tell(call, event);
        }
    }

    /// Tells the call that records.
    fn tell_taper(&mut self, tape: TapeId, event: Event) {
        if let Some(call) = self.plant.tapes.get(&tape).copied() {
            self.tell(call, event);
        }
    }

    fn on_decision(&mut self, decision: Decision) {
        match decision {
            Decision::Offer { call, queue, agent, why } => {
                let stands = self.plant.acd.agent(agent).is_some_and(|view| view.call == Some(call));
                if stands {
                    self.tell(call, Event::Offered { queue, agent, why });
                }
            }
            Decision::Withdraw { call, agent } => self.tell(call, Event::Withdrawn { agent }),
            Decision::Overflow { call, reason } => self.tell(call, Event::Overflowed(reason)),
            Decision::Agent { agent, state, reason } => {
                let number = self.plant.directory.agent_number(agent).clone();
                self.plant.fact(What::AgentEntered { agent_id: agent, agent: number, state, reason });
            }
        }
    }

    /// A phone registered or vanished: agents who asked for it are ready at once, and none is offered calls without a phone.
    fn registered(&mut self, account: &Name, contacts: u32) {
        self.plant.fact(What::Registered { agent: account.clone(), contacts });
        let Some(agent) = self.plant.agent_at(account) else { return };
        let Some(id) = self.plant.directory.agent_id(&agent) else { return };
        let auto_ready = self.plant.directory.agent(id).is_some_and(|setup| setup.auto_ready);
        let _ = match contacts {
            0 => return self.plant.sign_out_of(&agent, "phone_gone"),
            _ if auto_ready => self.plant.acd(Command::SignIn { agent: id, not_ready: None }),
            _ => Ok(()),
        };
    }

    /// Lets a call handle an event. A panic ends that call, is told in the facts, and nobody else notices.
    pub(crate) fn tell(&mut self, id: CallId, event: Event) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let plant = &mut self.plant;
        if catch_unwind(AssertUnwindSafe(|| call.handle(plant, event))).is_err() {
            call.fail(plant);
        }
        self.tend(id);
    }

    /// Sets the call's timer, or buries it when its last leg is down.
    pub(crate) fn tend(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if let Some(at) = self.due.remove(&id) {
            self.timers.remove(&(at, id));
        }
        if let Some(cause) = call.over() {
            self.plant.plans.leave(call.plan);
            self.calls.remove(&id);
            self.plant.fact(What::Ended { call: id, cause });
            return;
        }
        let at = call.deadline(&self.plant);
        self.timers.insert((at, id));
        self.due.insert(id, at);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::setup::{NumberRoute, StarCodes, TrunkSetup};
    use busyhour_ivr::{Dialplan, Names};
    use busyhour_model::{Cause, StreamStats};

    const PLAN: &str = r#"
        name = "music"
        start = "hear"
        [node.hear]
        play = ["ivr/welcome"]
        then = "end"
        [node.end]
        hangup = 480
    "#;

    fn setup() -> Setup {
        let plan = Dialplan::parse("music.toml", PLAN, &Names::default()).unwrap().plan;
        Setup {
            domain: "hotline.example".into(),
            locals: vec![(sip::Transport::Udp, "10.0.0.1:5060".parse().unwrap())],
            networks: sip::Networks::default(),
            media_address: "10.0.0.1".parse().unwrap(),
            media_other: None,
            media_ports: (20_000, 20_008),
            groups: Vec::new(),
            trunks: vec![TrunkSetup {
                sources: vec!["10.9.0.0/16".parse().unwrap()],
                channels: 2,
                ..TrunkSetup::new("carrier".into())
            }],
            numbers: vec![NumberRoute {
                number: "95118".into(),
                trunk: None,
                dialplan: "music".into(),
                calls_max: None,
            }],
            dialplans: vec![("music".into(), plan)],
            schedules: Vec::new(),
            tiers: Vec::new(),
            queues: Vec::new(),
            agents: Vec::new(),
            phones: Vec::new(),
            codes: StarCodes::default(),
            voicemail: crate::mailboxes::VoicemailSetup::default(),
            recording: crate::conversations::RecordingSetup::default(),
            ring_timeout: Duration::from_secs(15),
            silence_timeout: Duration::ZERO,
            agent_silence_timeout: Duration::ZERO,
            call_max: Duration::from_secs(600),
            calls_max: 2,
            outside_limits: Vec::new(),
            terms: busyhour_sip::Terms::default(),
            secret: busyhour_model::KeySecret::default(),
            limits: sip::Limits::default(),
        }
    }

    /// Sends the INVITE of caller `n` and returns the status lines that come back, and the facts.
    fn invite(switch: &mut Switch, now: Time, n: u8) -> (Vec<String>, Vec<What>) {
        let remote = std::net::SocketAddr::from(([10, 9, 0, n], 5060));
        let local = "10.0.0.1:5060".parse().unwrap();
        let flow = sip::Flow { transport: sip::Transport::Udp, local, remote, connection: 0 };
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 10.9.0.{n}\r\ns=-\r\nc=IN IP4 10.9.0.{n}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
        );
        let message = format!(
            "INVITE sip:95118@hotline.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.0.{n}:5060;branch=z9hG4bK{n}\r\n\
             From: <sip:13800138000@10.9.0.{n}>;tag={n}\r\nTo: <sip:95118@hotline.example>\r\nCall-ID: {n}\r\n\
             CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:13800138000@10.9.0.{n}:5060>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        switch.handle_datagram(now, flow, message.as_bytes());
        drain(switch)
    }

    fn drain(switch: &mut Switch) -> (Vec<String>, Vec<What>) {
        let (mut lines, mut facts) = (Vec::new(), Vec::new());
        while let Some(transmit) = switch.poll_transmit() {
            lines.push(String::from_utf8_lossy(&transmit.bytes).lines().next().unwrap().to_owned());
        }
        while let Some(entry) = switch.poll_entry() {
            if let Entry::Fact(fact) = entry {
                facts.push(fact.what);
            }
        }
        switch.check();
        (lines, facts)
    }

    fn close_all(switch: &mut Switch, now: Time) {
        while let Some(command) = switch.poll_media() {
            if let media::Command::Close { leg } = command {
                switch.handle_media(now, media::Event::Closed { leg, stats: StreamStats::default() });
            }
        }
    }

    #[test]
    fn a_panic_in_one_call_ends_that_call_and_no_other() {
        let now = Time::from_secs(1_790_000_000);
        let mut switch = Switch::new(now, setup(), 1);
        let (lines, _) = invite(&mut switch, now, 1);
        assert_eq!(lines, ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]);
        invite(&mut switch, now, 2);
        let leg = switch.calls[&CallId(1)].caller;
        switch.calls.get_mut(&CallId(1)).unwrap().corrupt();
        switch.handle_media(now, media::Event::Digit { leg, digit: '1' });
        let (lines, facts) = drain(&mut switch);
        assert!(facts.iter().any(|f| matches!(f, What::Fault { call: Some(CallId(1)), .. })), "{facts:?}");
        assert!(lines.is_empty() || lines.iter().all(|l| l.starts_with("BYE ")), "{lines:?}");
        close_all(&mut switch, now);
        let (_, facts) = drain(&mut switch);
        assert!(matches!(facts.last(), Some(What::Ended { call: CallId(1), cause: Cause::Fault })), "{facts:?}");
        assert_eq!(switch.calls.keys().collect::<Vec<_>>(), [&CallId(2)], "the other call goes on");
    }

    #[test]
    fn one_call_more_than_there_may_be_gets_503_and_retry_after() {
        let now = Time::from_secs(1_790_000_000);
        let mut switch = Switch::new(now, setup(), 1);
        invite(&mut switch, now, 1);
        invite(&mut switch, now, 2);
        let (lines, facts) = invite(&mut switch, now, 3);
        assert_eq!(lines.last().unwrap(), "SIP/2.0 503 Service Unavailable");
        assert!(facts.iter().any(|f| matches!(f, What::TrunkRefused { status: 503, .. })), "{facts:?}");
    }

    #[test]
    fn a_media_plane_that_never_closes_a_leg_does_not_keep_the_call() {
        let now = Time::from_secs(1_790_000_000);
        let mut switch = Switch::new(now, setup(), 1);
        invite(&mut switch, now, 1);
        switch.handle_request(now, crate::Request::HangUp { call: CallId(1) }).unwrap();
        assert_eq!(switch.vitals().calls, 1);
        while let Some(at) = switch.poll_timeout().filter(|at| *at <= now + Duration::from_secs(40)) {
            switch.handle_timeout(at);
            drain(&mut switch);
        }
        let vitals = switch.vitals();
        assert_eq!((vitals.calls, vitals.legs, vitals.ports_in_use), (0, 0, 0));
    }

    #[test]
    fn a_dialplan_asks_how_a_queue_stands() {
        const PLAN: &str = r#"
            name = "music"
            start = "ask"
            [node.ask]
            branch = [{ queue = "card", open = true, waiting = 0, agents = "<1", ready = 0, goto = "nobody" }]
            else = "end"
            [node.nobody]
            hangup = 486
            [node.end]
            hangup = 480
        "#;
        let names = Names { queues: vec!["card".into()], ..Names::default() };
        let plan = Dialplan::parse("music.toml", PLAN, &names).unwrap().plan;
        let queues = vec![crate::QueueSetup::new("card".into())];
        let setup = Setup { dialplans: vec![("music".into(), plan)], queues, ..setup() };
        let now = Time::from_secs(1_790_000_000);
        let (lines, _) = invite(&mut Switch::new(now, setup.clone(), 1), now, 1);
        assert_eq!(lines.last().unwrap(), "SIP/2.0 486 Busy Here");
        let (lines, _) = invite(&mut Switch::new(now, Setup { queues: Vec::new(), ..setup }, 1), now, 1);
        assert_eq!(lines.last().unwrap(), "SIP/2.0 480 Temporarily Unavailable", "a queue that is no more");
    }
}
