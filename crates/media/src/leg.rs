//! One leg: what it hears, what it sends, and when it must act by itself.

mod reports;
mod shaking;

use crate::fork::Forks;
use crate::heard::{Heard, Kind, Room};
use crate::hearing::Hearing;
use crate::incoming::{Arrival, Incoming};
use crate::line::Line;
use crate::mix::Mix;
use crate::outbox::Outbox;
use crate::outgoing::{Origin, Outgoing};
use crate::play::{Frame, Playing};
use crate::program::{NOWHERE, Program};
use crate::reel::Reels;
use crate::watch::Refusal;
use crate::{Event, Library, dtmf, g711, keypad, rtp, wide};
use busyhour_model::{Audio, Codec, Deafness, G711, LegId, Seed, Side, Sound, StreamStats, Time};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A play that is later than this goes on from now instead of hurrying after its clock.
const LAG_MAX: Duration = Duration::from_millis(200);
/// How long after a key of ours its echo may still come: across networks and back, and what echo cancellers take for near (G.168).
pub(crate) const ECHO: Duration = Duration::from_millis(300);
/// The longest packet we make, in samples: 60 ms.
pub(crate) const FRAME_MAX: usize = 480;

/// One leg's whole state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) side: Side,
    pub(crate) local: SocketAddr,
    pub(crate) partner: Option<LegId>,
    /// What comes must be decoded for the partner: it speaks another codec, and not both are of G.711, or hears it at another level.
    pub(crate) foreign: bool,
    /// Both know more than the telephone band: what must be decoded for the partner is passed on at 16 kHz.
    pub(crate) wideband: bool,
    /// Our entry in the worker's deadlines.
    pub(crate) armed: Option<Time>,
    pub(crate) silent: bool,
    pub(crate) line: Option<Line>,
    /// The handshake that was announced last.
    announced: Option<u32>,
    incoming: Incoming,
    outgoing: Outgoing,
    digits: dtmf::Receiver,
    ear: keypad::Ear,
    /// Until then what sounds like a key may be the echo of ours.
    echo_until: Time,
    /// The stream both listen to.
    digits_stream: u32,
    playing: Option<Playing>,
    pub(crate) reels: Reels,
    /// Programs that hear it.
    pub(crate) forks: Forks,
    /// Its peer is a program.
    pub(crate) program: Option<Box<Program>>,
    /// What it hears instead of its partner; a program hears its partner by it too.
    pub(crate) mix: Option<Mix>,
    /// Who hears it in a mix.
    pub(crate) listeners: Vec<LegId>,
    pub(crate) hearing: Hearing,
    /// The frame clock of the play that was replaced, so that the next frame is not too early.
    frame_at: Time,
    cname: u64,
    stats: StreamStats,
}

impl Leg {
    pub(crate) fn new(id: LegId, local: SocketAddr, side: Side, random: &mut Seed) -> Leg {
        Leg {
            id,
            side,
            local,
            partner: None,
            foreign: false,
            wideband: false,
            armed: None,
            silent: false,
            line: None,
            announced: None,
            incoming: Incoming::default(),
            outgoing: Outgoing::new(random),
            digits: dtmf::Receiver::default(),
            ear: keypad::Ear::default(),
            echo_until: Time::ZERO,
            digits_stream: 0,
            playing: None,
            reels: Reels::default(),
            forks: Forks::default(),
            program: None,
            mix: None,
            listeners: Vec::new(),
            hearing: Hearing::default(),
            frame_at: Time::ZERO,
            cname: random.draw(),
            stats: StreamStats::default(),
        }
    }

    pub(crate) fn connect(&mut self, now: Time, audio: Audio, random: &mut Seed) {
        self.silent = false;
        self.hearing.connect(now, self.side, &audio, self.stats.packets_in);
        match &mut self.line {
            Some(line) => line.renegotiate(now, audio),
            None => {
                // Legs connected together must not report together.
                let spread = Duration::from_millis(random.draw() % 2500);
                self.line = Some(Line::new(now, audio, now + reports::EVERY - spread));
            }
        }
        self.wake(now);
    }

    pub(crate) fn play(&mut self, now: Time, mut playing: Playing) {
        self.note_frame_clock();
        playing.next = self.is_open().then_some(now.max(self.frame_at));
        self.playing = Some(playing);
    }

    /// Something has come that the play waits for.
    pub(crate) fn supply(&mut self, wanted: &Sound, sound: Option<Arc<[u8]>>) {
        if let Some(playing) = &mut self.playing {
            playing.supply(wanted, sound);
        }
    }

    pub(crate) fn stop(&mut self) {
        self.note_frame_clock();
        self.playing = None;
    }

    /// The codec agreed on, where it is not G.711.
    pub(crate) fn wide(&self) -> Option<Codec> {
        self.line.as_ref().map(|line| line.audio.codec).filter(|codec| codec.g711().is_none())
    }

    /// Its codec knows more than the telephone band, and so do we of it.
    pub(crate) fn is_wideband(&self) -> bool {
        self.wide().is_some_and(Codec::is_understood)
    }

    /// Its peer hears it louder than it is said, or less loud: what is relayed to it cannot stay as it is.
    pub(crate) fn is_levelled(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.gain().sent != 0)
    }

    /// The codes of a payload, in `sound`, if they are not just what came and anybody needs them; in `wideband` its samples at 16 kHz, if
    /// the partner is to hear them.
    fn spoken(&mut self, kind: Kind, payload: &[u8], wideband: &mut Vec<i16>, sound: &mut Vec<u8>) -> Option<G711> {
        let line = self.line.as_mut()?;
        let gain = line.gain().heard;
        let law = match kind {
            Kind::Speech(law) if gain != 0 => {
                sound.extend_from_slice(payload);
                law
            }
            Kind::Undecoded if line.audio.codec.is_understood() => {
                let heard = !self.listeners.is_empty() || !self.reels.is_empty() || !self.forks.is_empty();
                let changed = gain != 0 || self.foreign;
                (changed || line.audio.tones || heard)
                    .then(|| line.decode(payload, changed && self.wideband, wideband, sound))?;
                G711::A
            }
            _ => return None,
        };
        if gain != 0 {
            sound.iter_mut().for_each(|code| *code = g711::louder(law, *code, gain));
            wideband.iter_mut().for_each(|sample| *sample = g711::amplified(*sample, gain));
        }
        Some(law)
    }

    /// Takes an RTP packet; `None` when it is refused or was heard before. What is not G.711 is decoded only where somebody wants that.
    pub(crate) fn hear<'a>(
        &mut self,
        now: Time,
        from: SocketAddr,
        bytes: &'a [u8],
        room: &'a mut Room,
    ) -> Option<Heard<'a>> {
        let Room { opened, sound, wideband } = room;
        wideband.clear();
        let (header, payload, kind) = match self.admit(now, from, bytes, opened) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.hearing.refused(refusal);
                self.stats.refused_in += 1;
                return None;
            }
        };
        match self.incoming.take(header.ssrc, header.sequence) {
            Arrival::New => self.stats.packets_in += 1,
            Arrival::Duplicate => return None,
            Arrival::Stray => {
                self.stats.refused_in += 1;
                return None;
            }
        }
        self.silent = false;
        let stream = self.incoming.stream();
        if self.digits_stream != stream {
            self.digits_stream = stream;
            (self.digits, self.ear) = Default::default();
        }
        if matches!(kind, Kind::Speech(_) | Kind::Undecoded) {
            self.incoming.measure(now, header.timestamp);
        }
        let levelled = self.line.as_ref().is_some_and(|line| line.gain().heard != 0);
        let native = self.wide().filter(|_| kind == Kind::Undecoded && !levelled).map(|codec| (codec, payload));
        sound.clear();
        let (kind, payload) = match self.spoken(kind, payload, wideband, sound) {
            Some(law) => (Kind::Speech(law), &sound[..]),
            None => (kind, payload),
        };
        let (digit, toned) = match kind {
            Kind::Event => (self.digits.take(header.timestamp, payload), false),
            Kind::Speech(law) => {
                let tones = now >= self.echo_until && self.line.as_ref().is_some_and(|line| line.audio.tones);
                let digit = tones.then(|| self.ear.take(header.timestamp, law, payload)).flatten();
                (digit, tones && self.ear.is_pressed())
            }
            Kind::Undecoded | Kind::Comfort | Kind::Other => (None, false),
        };
        let origin = Origin { leg: self.id, stream, header };
        Some(Heard { origin, kind, digit, toned, payload, wideband, native })
    }

    fn admit<'a>(
        &mut self,
        now: Time,
        from: SocketAddr,
        bytes: &'a [u8],
        opened: &'a mut Vec<u8>,
    ) -> Result<(rtp::Header, &'a [u8], Kind), Refusal> {
        let line = self.line.as_mut().ok_or(Refusal::Early)?;
        line.is_open().then_some(()).ok_or(Refusal::Unkeyed)?;
        line.admits(from).then_some(()).ok_or(Refusal::Elsewhere)?;
        if self.program.is_some() != (from == NOWHERE) {
            return Err(Refusal::Elsewhere);
        }
        let bytes = match &mut line.secured {
            Some(secured) => {
                opened.clear();
                opened.extend_from_slice(bytes);
                secured.open(opened).ok_or(Refusal::Sealed)?;
                &opened[..]
            }
            None => bytes,
        };
        let (mut header, payload) = rtp::read(bytes).ok_or(Refusal::NoRtp)?;
        let kind = line.kind(header.payload_type, payload).ok_or(Refusal::PayloadType)?;
        // Its partner speaks something else, and nobody can say it in that.
        let lost = kind == Kind::Undecoded && self.foreign && !line.audio.codec.is_understood();
        (!lost).then_some(()).ok_or(Refusal::PayloadType)?;
        match line.secured {
            // What the peer has sealed is the peer's, wherever it comes from.
            Some(_) => line.latch.believe(now, from),
            None => line.latch.hear(now, from).then_some(()).ok_or(Refusal::Elsewhere)?,
        }
        if line.source.replace(from).is_some_and(|source| source != from) {
            self.incoming.restart();
        }
        line.heard_at = now;
        header.timestamp = line.ours(header.timestamp);
        Ok((header, payload, kind))
    }

    /// Sends on what the partner heard, unless a play is running.
    pub(crate) fn relay(&mut self, now: Time, heard: &Heard<'_>, outbox: &mut Outbox) {
        // A packet that could not be decoded is as good as lost.
        let broken = matches!(heard.kind, Kind::Speech(_)) && heard.payload.is_empty();
        if self.playing.is_some() || self.mix.is_some() || broken {
            return;
        }
        let Some((line, (to, payload_type))) = self.line.as_mut().and_then(|line| {
            let outlet = line.outlet(heard.kind)?;
            Some((line, outlet))
        }) else {
            return self.outgoing.interrupt();
        };
        let len = heard.native.map_or(heard.payload.len() as u32, |(codec, payload)| wide::samples(codec, payload));
        let Some(header) = self.outgoing.relay(now, heard.origin, payload_type, len) else { return };
        let pushed = match (heard.native, heard.kind) {
            (Some((codec, payload)), _) if codec == line.audio.codec && line.gain().sent == 0 => {
                line.send(self.id, (to, header), outbox, |out| out.extend_from_slice(payload))
            }
            _ if !heard.wideband.is_empty() => line.speak_wideband(self.id, (to, header), heard.wideband, outbox),
            (_, Kind::Speech(law)) => line.speak(self.id, (to, header), law, heard.payload, outbox),
            _ => line.send(self.id, (to, header), outbox, |out| out.extend_from_slice(heard.payload)),
        };
        self.stats.packets_out += pushed as u64;
    }

    /// A key that the partner pressed, for a peer without telephone-events: as its tones, unless something is played.
    pub(crate) fn sound_key(&mut self, now: Time, digit: char) {
        let wants = self.line.as_ref().is_some_and(|line| line.audio.telephone_event.is_none());
        match &mut self.playing {
            _ if !wants => {}
            Some(playing) => {
                playing.add_key(digit);
            }
            None => self.play(now, Playing::key(digit)),
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Time,
        silence_timeout: Duration,
        library: &Library,
        outbox: &mut Outbox,
        mut tell: impl FnMut(Event),
    ) {
        while let Some(due) = self.playing.as_ref().and_then(|playing| playing.next).filter(|due| *due <= now) {
            if let Some(ended) = self.frame(now, due, library, outbox) {
                tell(ended);
            }
        }
        while let Some(due) = self.mixed_at().filter(|due| *due <= now) {
            self.mixed(now, due, outbox);
        }
        if self.silent_at(silence_timeout).is_some_and(|at| at <= now) {
            self.silent = true;
            tell(Event::Silent { leg: self.id });
        }
        if let Some(why) = self.unheard(now, false) {
            tell(Event::Unheard { leg: self.id, why });
        }
        if self.line.as_ref().is_some_and(|line| line.report_at <= now) {
            self.report(now, false, outbox);
        }
    }

    /// Why nothing is heard of it that should be, if it is time to look, or at the `end`. A program says nothing because it wants to.
    pub(crate) fn unheard(&mut self, now: Time, end: bool) -> Option<Deafness> {
        if self.program.is_some() {
            self.hearing.expect(None);
            return None;
        }
        let Line { audio, latch, .. } = self.line.as_ref()?;
        self.hearing.look(now, end, self.stats.packets_in, audio, latch, self.local.ip())
    }

    /// Whether the peer wants to hear: who does not has put us on hold.
    pub(crate) fn is_sent_to(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.audio.direction.sends())
    }

    /// When to call `handle_timeout` next.
    pub(crate) fn due(&self, silence_timeout: Duration) -> Option<Time> {
        let play = self.playing.as_ref().and_then(|playing| playing.next);
        let report = self.line.as_ref().map(|line| line.report_at);
        let (silent, forks) = (self.silent_at(silence_timeout), self.forks.due());
        let times = [play, report, silent, self.reels.due(), forks, self.mixed_at(), self.hearing.due()];
        times.into_iter().flatten().min()
    }

    pub(crate) fn stats(&self) -> StreamStats {
        StreamStats { lost_in: self.incoming.lost(), jitter_us: self.incoming.jitter_us(), ..self.stats }
    }

    pub(crate) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// When the next packet of the mix is due.
    fn mixed_at(&self) -> Option<Time> {
        Some(self.mix.as_ref()?.due(self.line.as_ref()?.frame_len() as u64))
    }

    /// Sends it, unless a play is running.
    fn mixed(&mut self, now: Time, due: Time, outbox: &mut Outbox) {
        let (Some(mix), Some(line)) = (&mut self.mix, &mut self.line) else { return };
        let mut buffer = [0; FRAME_MAX];
        let frame = &mut buffer[..line.frame_len()];
        mix.frame(now, frame);
        if self.playing.is_some() {
            return;
        }
        let law = line.law();
        let Some((to, payload_type)) = line.outlet(Kind::Speech(law)) else { return self.outgoing.interrupt() };
        let header = self.outgoing.play(due, payload_type, frame.len() as u32);
        let mut codes = [0; FRAME_MAX];
        codes.iter_mut().zip(&*frame).for_each(|(code, sample)| *code = g711::encode(law, *sample));
        let pushed = line.speak(self.id, (to, header), law, &codes[..frame.len()], outbox);
        self.stats.packets_out += pushed as u64;
    }

    /// Sends the next frame of the play; its end, when there was none.
    fn frame(&mut self, now: Time, due: Time, library: &Library, outbox: &mut Outbox) -> Option<Event> {
        let (playing, line) = (self.playing.as_mut()?, self.line.as_mut()?);
        let mut buffer = [0; FRAME_MAX];
        let frame = &mut buffer[..line.frame_len()];
        let ms = frame.len() / 8;
        if playing.is_key() {
            self.echo_until = due + ECHO;
        }
        let next = playing.fill(library, line.law(), line.audio.telephone_event.is_some(), frame);
        if next == Frame::End {
            let play = playing.play;
            (self.playing, self.frame_at) = (None, due);
            return play.map(|play| Event::PlayEnded { leg: self.id, play });
        }
        playing.advance(now, due, Duration::from_millis(ms as u64), LAG_MAX);
        let kind = if next == Frame::Sound { Kind::Speech(line.law()) } else { Kind::Event };
        match line.outlet(kind) {
            Some((to, payload_type)) if kind == Kind::Event => self.press(due, next, (to, payload_type), outbox),
            Some((to, payload_type)) => {
                let header = self.outgoing.play(due, payload_type, frame.len() as u32);
                let pushed = line.speak(self.id, (to, header), line.law(), frame, outbox);
                self.stats.packets_out += pushed as u64;
            }
            None => {
                self.outgoing.interrupt();
                // Nobody waits for the end of a loop: nothing is due until the peer wants to hear again.
                playing.next = playing.next.filter(|_| !playing.repeat);
            }
        }
        None
    }

    /// One packet of a key; the last is sent three times (RFC 4733 section 2.5.1.4).
    fn press(&mut self, due: Time, key: Frame, (to, payload_type): (SocketAddr, u8), outbox: &mut Outbox) {
        let Frame::Key { digit, held, first, last } = key else { return };
        let Some(payload) = dtmf::payload(digit, held, last) else { return };
        for again in 0..if last { 3 } else { 1 } {
            let header = self.outgoing.press(due, payload_type, held.into(), first && again == 0);
            let Some(line) = &mut self.line else { return };
            let pushed = line.send(self.id, (to, header), outbox, |out| out.extend_from_slice(&payload));
            self.stats.packets_out += pushed as u64;
        }
    }

    fn silent_at(&self, timeout: Duration) -> Option<Time> {
        let line = self.line.as_ref().filter(|line| line.audio.direction.receives())?;
        (!self.silent && !timeout.is_zero()).then(|| line.heard_at + timeout)
    }

    fn note_frame_clock(&mut self) {
        if let Some(next) = self.playing.as_ref().and_then(|playing| playing.next) {
            self.frame_at = next;
        }
    }
}
