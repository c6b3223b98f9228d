//! An agent's softphone: registers, rings, answers, talks in a tone, holds, hangs up — or misbehaves as told.

use super::outcome::Outcome;
use super::registration::Registration;
use super::session::{Identity, Phase, Session};
use super::stream::Stream;
use super::wire::{Message, Out, Start, response};
use busyhour_model::Seed;
use busyhour_model::{G711, Time};
use rsip::Method;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Calls a phone remembers, finished ones included; the oldest finished one makes room.
const LINES_MAX: usize = 8;
/// Outcomes nobody asked for yet; the oldest is dropped.
const OUTCOMES_MAX: usize = 64;
/// A finished call answers retransmissions for so long.
const LINGER: Duration = Duration::from_secs(33);

/// What a phone does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// Rings, and answers after a time between both.
    After(Duration, Duration),
    /// Rings for ever.
    Never,
    /// Refuses with this status.
    Refuse(u16),
    /// Does not say a word.
    Vanish,
}

/// How a phone ends its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Waits for the other side's BYE.
    Wait,
    /// Hangs up after a time between both.
    HangUp(Duration, Duration),
    /// Falls silent after this, in SIP and in RTP.
    Vanish(Duration),
}

/// A phone and how it behaves.
#[derive(Clone, Debug)]
pub struct PhoneSetup {
    /// User part and digest username.
    pub number: String,
    /// Digest password.
    pub password: String,
    /// Host part of its address of record, and of the registrar.
    pub domain: String,
    /// Where its SIP comes from.
    pub sip: SocketAddr,
    /// Where its RTP comes from.
    pub media: SocketAddr,
    /// Where it registers; `None`: nowhere, it is called directly.
    pub registrar: Option<SocketAddr>,
    /// Asks for registrations of this length.
    pub expires: Duration,
    /// What it speaks, best first.
    pub codecs: Vec<G711>,
    /// The tone it sends, a multiple of 50 Hz; 0: no packet at all.
    pub tone_hz: u32,
    /// The tone it listens for.
    pub listen_hz: u32,
    /// When called.
    pub answering: Answering,
    /// When talking.
    pub ending: Ending,
    /// Holds the other side so long after the answer, for so long.
    pub hold: Option<(Duration, Duration)>,
}

/// One call of a phone and what it is to do next.
#[derive(Clone, Debug)]
struct Line {
    session: Session,
    answer_at: Option<Time>,
    hold_at: Option<Time>,
    resume_at: Option<Time>,
    end_at: Option<Time>,
    vanish_at: Option<Time>,
    forget_at: Option<Time>,
    talked: bool,
    vanished: bool,
}

/// A softphone; see the module.
#[derive(Clone, Debug)]
pub struct Phone {
    setup: PhoneSetup,
    registration: Option<Registration>,
    lines: Vec<Line>,
    outcomes: VecDeque<Outcome>,
    complaints: Vec<String>,
    seed: Seed,
    out: VecDeque<Out>,
}

impl Phone {
    /// A phone that registers at once when it has a registrar.
    pub fn new(now: Time, setup: PhoneSetup, seed: u64) -> Phone {
        let mut seed = Seed(seed);
        let mut phone = Phone {
            registration: None,
            lines: Vec::new(),
            outcomes: VecDeque::new(),
            complaints: Vec::new(),
            out: VecDeque::new(),
            seed: Seed(seed.draw()),
            setup,
        };
        phone.registration = phone
            .setup
            .registrar
            .map(|registrar| Registration::new(phone.identity(), registrar, phone.setup.expires, Seed(seed.draw())));
        phone.register(now, true);
        phone
    }

    fn identity(&self) -> Identity {
        let PhoneSetup { number, password, domain, sip, .. } = &self.setup;
        Identity {
            sip: *sip,
            user: number.clone(),
            withheld: false,
            domain: domain.clone(),
            password: Some(password.clone()),
        }
    }

    fn stream(&mut self) -> Stream {
        let PhoneSetup { media, codecs, tone_hz, listen_hz, .. } = &self.setup;
        Stream::new(*media, codecs.clone(), *tone_hz, *listen_hz, self.seed.draw())
    }

    /// Its agent number.
    pub fn number(&self) -> &str {
        &self.setup.number
    }

    /// Registers anew, or with `wanted` false removes the binding.
    pub fn register(&mut self, now: Time, wanted: bool) {
        if let Some(registration) = &mut self.registration {
            registration.register(now, wanted, &mut self.out);
        }
    }

    /// Whether the registrar holds a binding of this phone.
    pub fn is_registered(&self) -> bool {
        self.registration.as_ref().is_some_and(|r| r.registered)
    }

    /// Last final status of a REGISTER; 0 before the first.
    pub fn register_status(&self) -> u16 {
        self.registration.as_ref().map_or(0, |r| r.status)
    }

    /// Behaves like this from the next call on.
    pub fn behave(&mut self, answering: Answering, ending: Ending) {
        (self.setup.answering, self.setup.ending) = (answering, ending);
    }

    /// Whether a call is ringing, being dialled or talking.
    pub fn in_call(&self) -> bool {
        self.lines.iter().any(Line::is_live)
    }

    /// Dials `user` (a star code, a number) by way of the registrar.
    pub fn dial(&mut self, now: Time, user: &str) {
        self.dial_for(now, user, None);
    }

    /// Takes over a dialog of another phone, by the name [`Phone::dialog`] gives it.
    pub fn take_over(&mut self, now: Time, dialog: String) {
        self.dial_for(now, "x", Some(dialog));
    }

    /// Its first live call, as Replaces names it.
    pub fn dialog(&self) -> Option<String> {
        self.lines.iter().find(|line| line.is_live()).map(|line| line.session.named())
    }

    fn dial_for(&mut self, now: Time, user: &str, replaces: Option<String>) {
        let Some(registrar) = self.setup.registrar else { return };
        let uri = format!("sip:{user}@{}", self.setup.domain);
        let (stream, seed) = (self.stream(), Seed(self.seed.draw()));
        let session = Session::call(now, self.identity(), &uri, registrar, stream, seed, replaces);
        self.add(Line::new(session));
        self.settle(now);
    }

    /// Holds whom it talks to first, or takes them back.
    pub fn hold(&mut self, now: Time, on: bool) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.is_live()) {
            line.session.hold(now, on);
        }
        self.settle(now);
    }

    /// Passes whom it talks to first on to `to`, or to the other side of its second call.
    pub fn transfer(&mut self, now: Time, to: Option<&str>) {
        let live: Vec<usize> = (0..self.lines.len()).filter(|at| self.lines[*at].is_live()).collect();
        let target = match (to, live.as_slice()) {
            (Some(to), [_, ..]) => format!("sip:{to}@{}", self.setup.domain),
            (None, [_, second, ..]) => {
                let named = self.lines[*second].session.named();
                let escaped = named.replace('@', "%40").replace(';', "%3B").replace('=', "%3D");
                format!("sip:x@{}?Replaces={escaped}", self.setup.domain)
            }
            _ => return,
        };
        self.lines[live[0]].session.refer(now, &target);
        self.settle(now);
    }

    /// Ends whatever call there is.
    pub fn hang_up(&mut self, now: Time) {
        self.lines.iter_mut().for_each(|line| line.session.hang_up(now));
        self.settle(now);
    }

    fn add(&mut self, line: Line) {
        if self.lines.len() >= LINES_MAX
            && let Some(oldest) = self.lines.iter().position(|l| !l.is_live())
        {
            self.lines.remove(oldest);
        }
        self.lines.push(line);
    }

    /// A SIP datagram from `from`.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        match Message::read(bytes) {
            Ok(message) => self.handle_message(now, from, message),
            Err(why) => self.complain(format!("rsip cannot read a datagram: {why}")),
        }
        self.settle(now);
    }

    fn handle_message(&mut self, now: Time, from: SocketAddr, message: Message) {
        if let Some(line) = self.lines.iter_mut().find(|l| l.session.call_id == message.call_id) {
            if !line.vanished {
                line.session.handle(now, from, &message);
            }
            return;
        }
        if let Some(registration) = self.registration.as_mut().filter(|r| r.call_id == message.call_id) {
            return registration.handle(now, &message, &mut self.out);
        }
        match message.start {
            Start::Request(Method::Invite) if self.lines.len() >= LINES_MAX && self.lines.iter().all(Line::is_live) => {
                self.reply(from, &message, 503);
            }
            Start::Request(Method::Invite) => self.handle_invite(now, from, message),
            Start::Request(Method::Options) => self.reply(from, &message, 200),
            Start::Request(Method::Ack) | Start::Response(_) => {}
            Start::Request(_) => self.reply(from, &message, 481),
        }
    }

    fn reply(&mut self, from: SocketAddr, message: &Message, status: u16) {
        let bytes = response(message, status, &self.seed.token(), Vec::new(), String::new());
        self.out.push_back(Out::Sip { to: from, bytes });
    }

    fn handle_invite(&mut self, now: Time, from: SocketAddr, invite: Message) {
        let busy = self.in_call();
        let (stream, seed) = (self.stream(), Seed(self.seed.draw()));
        let session = Session::take(now, self.identity(), from, invite, stream, seed);
        let mut line = Line::new(session);
        match self.setup.answering {
            Answering::Vanish => {
                line.session.out.clear();
                line.vanished = true;
            }
            _ if busy => line.session.refuse(now, 486),
            Answering::Refuse(status) => line.session.refuse(now, status),
            Answering::Never => line.session.ring(now),
            Answering::After(least, most) => {
                line.session.ring(now);
                line.answer_at = Some(now + self.seed.between(least, most));
            }
        }
        self.add(line);
    }

    /// An RTP packet at the media address.
    pub fn handle_rtp(&mut self, now: Time, bytes: &[u8]) {
        if let Some(line) = self.lines.iter_mut().find(|l| l.is_live()) {
            line.session.handle_rtp(now, bytes);
        }
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        let lines = self.lines.iter().filter_map(Line::poll_timeout);
        lines.chain(self.registration.as_ref().and_then(Registration::poll_timeout)).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Some(registration) = &mut self.registration {
            registration.handle_timeout(now, &mut self.out);
        }
        for line in &mut self.lines {
            line.handle_timeout(now);
        }
        self.lines.retain(|l| l.forget_at.is_none_or(|at| at > now));
        self.settle(now);
    }

    /// After every input: plans what follows from it and collects what is to be sent.
    fn settle(&mut self, now: Time) {
        for line in &mut self.lines {
            if line.session.phase() == Phase::Confirmed && !line.talked {
                line.plan_talk(now, &self.setup, &mut self.seed);
            }
            if line.session.phase() == Phase::Done && line.forget_at.is_none() {
                line.forget_at = Some(now + LINGER);
                if self.outcomes.len() >= OUTCOMES_MAX {
                    self.outcomes.pop_front();
                }
                self.outcomes.push_back(line.session.outcome());
            }
            self.out.append(&mut line.session.out);
        }
    }

    fn complain(&mut self, what: String) {
        if self.complaints.len() < OUTCOMES_MAX {
            self.complaints.push(what);
        }
    }

    /// What to send next.
    pub fn poll_transmit(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    /// The next finished call.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// Finished calls nobody has polled.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter()
    }

    /// What should not have happened outside of calls.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

impl Line {
    fn new(session: Session) -> Line {
        Line {
            session,
            answer_at: None,
            hold_at: None,
            resume_at: None,
            end_at: None,
            vanish_at: None,
            forget_at: None,
            talked: false,
            vanished: false,
        }
    }

    fn is_live(&self) -> bool {
        self.session.phase() != Phase::Done && !self.vanished
    }

    fn plan_talk(&mut self, now: Time, setup: &PhoneSetup, seed: &mut Seed) {
        self.talked = true;
        self.hold_at = setup.hold.map(|(after, _)| now + after);
        self.resume_at = setup.hold.map(|(after, span)| now + after + span);
        self.end_at = match setup.ending {
            Ending::Wait => None,
            Ending::HangUp(least, most) => Some(now + seed.between(least, most)),
            Ending::Vanish(after) => {
                self.vanish_at = Some(now + after);
                None
            }
        };
    }

    fn poll_timeout(&self) -> Option<Time> {
        if self.vanished {
            return None;
        }
        let plans = [self.answer_at, self.hold_at, self.resume_at, self.end_at, self.vanish_at, self.forget_at];
        self.session.poll_timeout().into_iter().chain(plans.into_iter().flatten()).min()
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.vanished {
            return;
        }
        self.session.handle_timeout(now);
        let due = |at: &mut Option<Time>| at.take_if(|at| *at <= now).is_some();
        if due(&mut self.answer_at) {
            self.session.answer(now);
        }
        if due(&mut self.hold_at) {
            self.session.hold(now, true);
        }
        if due(&mut self.resume_at) {
            self.session.hold(now, false);
        }
        if due(&mut self.end_at) {
            self.session.hang_up(now);
        }
        self.vanished = due(&mut self.vanish_at);
    }
}
