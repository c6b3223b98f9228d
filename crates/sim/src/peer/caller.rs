//! A caller at the far end of a trunk: dials, listens, presses keys, talks in a tone and hangs up, by a script.

use super::outcome::Outcome;
use super::session::{Identity, Phase, Session};
use super::stream::Stream;
use super::wire::{Message, Out};
use busyhour_model::Seed;
use busyhour_model::{G711, Time};
use std::net::SocketAddr;
use std::time::Duration;

/// One thing a caller does; the next begins when it is done. After the last one the caller waits for the other side's BYE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Waits for the 200, hangs up after so long.
    AwaitAnswer(Duration),
    /// Waits for new sound of any kind, hangs up after so long.
    AwaitSound(Duration),
    /// Waits for the partner's tone, hangs up after so long.
    AwaitTone(Duration),
    /// Lets time pass.
    Wait(Duration),
    /// Presses a key by RFC 4733, with three end packets.
    Press(char),
    /// Presses a key by SIP INFO.
    PressInfo(char),
    /// Hangs up; before the answer: CANCEL.
    HangUp,
}

/// A caller and what it does.
#[derive(Clone, Debug)]
pub struct CallerSetup {
    /// Calling number.
    pub number: String,
    /// Nobody may see it (RFC 3323).
    pub withheld: bool,
    /// Dialled number.
    pub dialled: String,
    /// Host part of the dialled address.
    pub domain: String,
    /// Where its SIP comes from.
    pub sip: SocketAddr,
    /// Where its RTP comes from.
    pub media: SocketAddr,
    /// Where its INVITE goes.
    pub target: SocketAddr,
    /// What it speaks, best first.
    pub codecs: Vec<G711>,
    /// The tone it sends, a multiple of 50 Hz; 0: no packet at all.
    pub tone_hz: u32,
    /// The tone it listens for.
    pub listen_hz: u32,
    /// What it does.
    pub script: Vec<Action>,
}

/// A caller; see the module.
#[derive(Clone, Debug)]
pub struct Caller {
    session: Session,
    script: Vec<Action>,
    step: usize,
    /// When the present action began, and how many packets of sound had been heard then.
    since: Time,
    sound_before: u32,
    /// The present key is on its way.
    pressed: bool,
}

impl Caller {
    /// A caller that dials at once.
    pub fn new(now: Time, setup: CallerSetup, seed: u64) -> Caller {
        let mut seed = Seed(seed);
        let CallerSetup { number, withheld, dialled, domain, sip, media, target, codecs, tone_hz, listen_hz, script } =
            setup;
        let me = Identity { sip, user: number, withheld, domain: sip.ip().to_string(), password: None };
        let stream = Stream::new(media, codecs, tone_hz, listen_hz, seed.draw());
        let session = Session::call(now, me, &format!("sip:{dialled}@{domain}"), target, stream, seed, None);
        Caller { session, script, step: 0, since: now, sound_before: 0, pressed: false }
    }

    /// Its Call-ID, to tell whose datagram came in.
    pub fn call_id(&self) -> &str {
        &self.session.call_id
    }

    /// A SIP datagram from `from`.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        match Message::read(bytes) {
            Ok(message) if message.call_id == self.session.call_id => self.session.handle(now, from, &message),
            Ok(message) => self.session.outcome.complain(format!("message of another call: {:?}", message.start)),
            Err(why) => self.session.outcome.complain(format!("rsip cannot read a datagram: {why}")),
        }
        self.act(now);
    }

    /// An RTP packet at the media address.
    pub fn handle_rtp(&mut self, now: Time, bytes: &[u8]) {
        self.session.handle_rtp(now, bytes);
        self.act(now);
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.session.poll_timeout().into_iter().chain(self.deadline()).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.session.handle_timeout(now);
        self.act(now);
    }

    /// What to send next.
    pub fn poll_transmit(&mut self) -> Option<Out> {
        self.session.out.pop_front()
    }

    /// Whether the call is over. It still answers retransmissions.
    pub fn is_done(&self) -> bool {
        self.session.phase() == Phase::Done
    }

    /// Whether it got its 200 and has not ended yet.
    pub fn is_talking(&self) -> bool {
        self.session.phase() == Phase::Confirmed
    }

    /// Hangs up now, whatever the script says.
    pub fn hang_up(&mut self, now: Time) {
        self.step = self.script.len();
        self.session.hang_up(now);
    }

    /// What was experienced so far.
    pub fn outcome(&self) -> Outcome {
        self.session.outcome()
    }

    /// When the present action gives up or is done.
    fn deadline(&self) -> Option<Time> {
        if self.is_done() {
            return None;
        }
        match self.script.get(self.step)? {
            Action::AwaitAnswer(most) | Action::AwaitSound(most) | Action::AwaitTone(most) => Some(self.since + *most),
            Action::Wait(span) => Some(self.since + *span),
            Action::Press(_) | Action::PressInfo(_) | Action::HangUp => None,
        }
    }

    /// Goes on in the script as far as possible.
    fn act(&mut self, now: Time) {
        while let Some(action) = self.script.get(self.step).copied().filter(|_| !self.is_done()) {
            let late = self.deadline().is_some_and(|d| d <= now);
            let done = match action {
                Action::AwaitAnswer(_) => self.session.phase() == Phase::Confirmed,
                Action::AwaitSound(_) => self.session.stream.heard().sound > self.sound_before,
                Action::AwaitTone(_) => self.session.stream.heard().first_tone.is_some(),
                Action::Wait(_) => late,
                Action::Press(key) => self.press(key),
                Action::PressInfo(key) => {
                    self.session.press_info(now, key);
                    true
                }
                Action::HangUp => {
                    self.session.hang_up(now);
                    true
                }
            };
            if !done && late {
                self.session.outcome.complain(format!("gave up in {action:?}"));
                return self.hang_up(now);
            }
            if !done {
                return;
            }
            self.step += 1;
            (self.since, self.pressed) = (now, false);
            self.sound_before = self.session.stream.heard().sound;
        }
    }

    /// Whether `key` has been pressed and released.
    fn press(&mut self, key: char) -> bool {
        if !self.pressed {
            self.pressed = true;
            if !self.session.stream.press(key) {
                self.session.outcome.complain(format!("no telephone-event for key {key}"));
            }
        }
        !self.session.stream.is_pressing()
    }
}
