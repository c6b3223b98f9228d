//! One peer's end of an audio stream: SDP, a tone every 20 ms, key presses (RFC 4733), and an ear.

use super::tone::{FRAME, Meter, tone_frame};
use super::{Heard, Out};
use busyhour_model::{Direction, G711, Time};
use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

const PACKET: Duration = Duration::from_millis(20);
/// Event packets while a key is held (100 ms), and after its release (RFC 4733 section 2.5.1.4).
const PRESS_STEPS: u8 = 5;
const END_STEPS: u8 = 3;
/// Packets of ordinary sound between two keys (100 ms).
const KEY_GAP: u8 = 5;
/// Ticks made good after a late call; older ones are skipped.
const CATCH_UP_MAX: u32 = 5;
/// Keys waiting to be pressed.
const KEYS_MAX: usize = 32;
const TELEPHONE_EVENT: u8 = 101;

/// The other side's description.
#[derive(Clone, Debug)]
struct Remote {
    to: SocketAddr,
    codec: G711,
    event: Option<u8>,
    direction: Direction,
}

/// A key being pressed.
#[derive(Clone, Debug)]
struct Press {
    event: u8,
    timestamp: u32,
    step: u8,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    local: SocketAddr,
    codecs: Vec<G711>,
    tone_hz: u32,
    frame: [u8; FRAME],
    direction: Direction,
    version: u32,
    remote: Option<Remote>,
    next: Option<Time>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    fresh: bool,
    keys: VecDeque<u8>,
    press: Option<Press>,
    gap: u8,
    last_heard: Option<u16>,
    meter: Meter,
    pub(super) sent: u32,
}

impl Stream {
    pub(super) fn new(local: SocketAddr, codecs: Vec<G711>, tone_hz: u32, listen_hz: u32, random: u64) -> Stream {
        Stream {
            local,
            codecs,
            tone_hz,
            frame: [0; FRAME],
            direction: Direction::SendRecv,
            version: 0,
            remote: None,
            next: None,
            sequence: random as u16,
            timestamp: (random >> 16) as u32,
            ssrc: (random >> 32) as u32,
            fresh: true,
            keys: VecDeque::new(),
            press: None,
            gap: 0,
            last_heard: None,
            meter: Meter::new(listen_hz),
            sent: 0,
        }
    }

    /// An offer of all our codecs, `direction` as we mean it.
    pub(super) fn offer(&mut self, direction: Direction) -> String {
        self.direction = direction;
        self.describe(&self.codecs.clone(), TELEPHONE_EVENT)
    }

    /// The answer to what `accept` took.
    pub(super) fn answer(&mut self) -> String {
        let Some(remote) = self.remote.clone() else { return self.offer(Direction::SendRecv) };
        self.direction = remote.direction.reversed();
        self.describe(&[remote.codec], remote.event.unwrap_or(TELEPHONE_EVENT))
    }

    fn describe(&mut self, codecs: &[G711], event: u8) -> String {
        self.version += 1;
        let (ip, port) = (self.local.ip(), self.local.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let numbers: String = codecs.iter().map(|c| format!(" {}", number(*c))).collect();
        let maps: String = codecs.iter().map(|c| format!("a=rtpmap:{} {}/8000\r\n", number(*c), name(*c))).collect();
        let direction = match self.direction {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        };
        format!(
            "v=0\r\no=- {} {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP{numbers} {event}\r\n\
             {maps}a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-16\r\na=ptime:20\r\na={direction}\r\n",
            self.ssrc, self.version
        )
    }

    /// Takes the other side's offer or answer; the error says what is wrong with it.
    pub(super) fn accept(&mut self, sdp: &str) -> Result<(), &'static str> {
        let field = |prefix: &str| sdp.lines().find_map(|l| l.strip_prefix(prefix).map(str::trim));
        let media = field("m=audio ").ok_or("SDP has no audio")?;
        let mut words = media.split_whitespace();
        let port: u16 = words.next().and_then(|p| p.split('/').next()?.parse().ok()).ok_or("SDP port unreadable")?;
        let formats: Vec<u8> = words.skip(1).filter_map(|n| n.parse().ok()).collect();
        let line = sdp.lines().rfind(|l| l.starts_with("c=IN ")).ok_or("SDP has no connection address")?;
        let ip = line.split_whitespace().nth(2).and_then(|a| a.parse().ok()).ok_or("SDP address unreadable")?;
        if port == 0 {
            return Err("SDP refuses the audio");
        }
        let known = [G711::A, G711::Mu];
        let shared = |n: &u8| known.into_iter().find(|c| number(*c) == *n && self.codecs.contains(c));
        let codec = formats.iter().find_map(shared).ok_or("SDP shares no codec")?;
        let event = formats.into_iter().find(|n| field(&format!("a=rtpmap:{n} telephone-event/8000")).is_some());
        let direction =
            match ["sendonly", "recvonly", "inactive"].into_iter().find(|d| field(&format!("a={d}")).is_some()) {
                Some("sendonly") => Direction::SendOnly,
                Some("recvonly") => Direction::RecvOnly,
                Some(_) => Direction::Inactive,
                None => Direction::SendRecv,
            };
        self.frame = tone_frame(codec, self.tone_hz);
        self.remote = Some(Remote { to: SocketAddr::new(ip, port), codec, event, direction });
        Ok(())
    }

    /// Whether there is a codec both can speak.
    pub(super) fn agreed(&self) -> bool {
        self.remote.is_some()
    }

    /// Which way we last said that sound may flow.
    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// Sound flows from now on, unless this peer has none.
    pub(super) fn start(&mut self, now: Time) {
        if self.tone_hz > 0 {
            self.next.get_or_insert(now);
        }
    }

    /// Silence from now on.
    pub(super) fn stop(&mut self) {
        self.next = None;
        self.keys.clear();
    }

    /// Presses a key (0-9, *, #, A-D); false when the other side knows no telephone-event, or there is no such key.
    pub(super) fn press(&mut self, key: char) -> bool {
        let event = "0123456789*#ABCD".find(key.to_ascii_uppercase());
        let possible = self.remote.as_ref().is_some_and(|r| r.event.is_some()) && self.keys.len() < KEYS_MAX;
        self.keys.extend(event.filter(|_| possible).map(|e| e as u8));
        possible && event.is_some()
    }

    /// Whether keys are still being pressed.
    pub(super) fn is_pressing(&self) -> bool {
        self.press.is_some() || !self.keys.is_empty()
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.next
    }

    pub(super) fn handle_timeout(&mut self, now: Time, out: &mut VecDeque<Out>) {
        let Some(next) = self.next else { return };
        let due = if next > now { 0 } else { now.since(next).as_micros() / PACKET.as_micros() + 1 } as u32;
        self.timestamp = self.timestamp.wrapping_add(due.saturating_sub(CATCH_UP_MAX) * FRAME as u32);
        for _ in 0..due.min(CATCH_UP_MAX) {
            self.tick(out);
        }
        self.next = Some(next + PACKET * due);
    }

    /// Sends what belongs into the present 20 ms.
    fn tick(&mut self, out: &mut VecDeque<Out>) {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(FRAME as u32);
        let Some(remote) = &self.remote else { return };
        let silent = !self.direction.sends() || !remote.direction.receives() || remote.to.ip().is_unspecified();
        if silent {
            return;
        }
        self.gap = self.gap.saturating_sub(1);
        if self.press.is_none() && self.gap == 0 {
            self.press = self.keys.pop_front().map(|event| Press { event, timestamp, step: 0 });
        }
        let to = remote.to;
        let packet = match (&mut self.press, remote.event) {
            (Some(press), Some(kind)) => {
                let payload = press.payload();
                let packet =
                    RtpPacketBuilder::new().payload_type(kind).timestamp(press.timestamp).marked(press.step == 0);
                press.step += 1;
                if press.step == PRESS_STEPS + END_STEPS {
                    (self.press, self.gap) = (None, KEY_GAP);
                }
                packet.sequence(Seq::from(self.sequence)).ssrc(self.ssrc).payload(&payload).build()
            }
            _ => RtpPacketBuilder::new()
                .payload_type(number(remote.codec))
                .timestamp(timestamp)
                .marked(self.fresh)
                .sequence(Seq::from(self.sequence))
                .ssrc(self.ssrc)
                .payload(&self.frame)
                .build(),
        };
        self.fresh = false;
        self.sequence = self.sequence.wrapping_add(1);
        if let Ok(bytes) = packet {
            self.sent += 1;
            out.push_back(Out::Rtp { to, bytes });
        }
    }

    /// Hears a packet; the error says what is wrong with it.
    pub(super) fn handle_rtp(&mut self, now: Time, bytes: &[u8]) -> Result<(), &'static str> {
        let packet = RtpReader::new(bytes).map_err(|_| "RTP unreadable")?;
        let codec = match packet.payload_type() {
            8 => G711::A,
            0 => G711::Mu,
            // RTCP on the RTP port (RFC 5761 section 4).
            72..=76 => return Ok(()),
            kind if kind == TELEPHONE_EVENT || self.remote.as_ref().is_some_and(|r| r.event == Some(kind)) => {
                return Ok(());
            }
            _ => return Err("RTP of a payload type nobody agreed to"),
        };
        let sequence = u16::from(packet.sequence_number());
        let step = self.last_heard.map_or(1, |last| sequence.wrapping_sub(last) as i16);
        // A jump of a second or more is a new source behind the same port, not loss.
        if step <= 0 && step > -50 {
            return Ok(());
        }
        self.last_heard = Some(sequence);
        let lost = if (2..50).contains(&step) { step as u32 - 1 } else { 0 };
        self.meter.hear(now, codec, packet.payload(), lost);
        Ok(())
    }

    pub(super) fn heard(&self) -> &Heard {
        self.meter.heard()
    }
}

impl Press {
    /// Event, end bit and volume, duration (RFC 4733 section 2.3).
    fn payload(&self) -> [u8; 4] {
        let end = self.step >= PRESS_STEPS;
        let duration = u16::from((self.step + 1).min(PRESS_STEPS)) * FRAME as u16;
        let [high, low] = duration.to_be_bytes();
        [self.event, if end { 0x8A } else { 0x0A }, high, low]
    }
}

fn number(codec: G711) -> u8 {
    match codec {
        G711::A => 8,
        G711::Mu => 0,
    }
}

fn name(codec: G711) -> &'static str {
    match codec {
        G711::A => "PCMA",
        G711::Mu => "PCMU",
    }
}
