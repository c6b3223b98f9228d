//! A far end of a day: what it says, with its faults, and what it must hear.

use busyhour_media::rtp::{self, Header};
use busyhour_model::{Audio, Codec, Direction, Seed, StreamStats};
use std::net::SocketAddr;

/// In front of each packet of speech: what has this is relayed and not music. Behind it, as eight digits of it, whose call it is. These
/// codes come through every conversion unchanged.
const MARK: [u8; 8] = [0x11, 0x35, 0x17, 0x33, 0x19, 0x31, 0x1B, 0x2F];
const EVENT: u8 = 101;
/// Packets of a key of 60 ms; the last is sent three times.
const PRESS: [(u8, u16); 5] = [(0, 160), (0, 320), (0x80, 480), (0x80, 480), (0x80, 480)];

pub(crate) struct Phone {
    pub(crate) address: SocketAddr,
    pub(crate) codec: Codec,
    pub(crate) direction: Direction,
    /// Its packets get lost, doubled and swapped, and those of its partner.
    pub(crate) poor: bool,
    /// Says nothing more.
    pub(crate) dead: bool,
    call: u64,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Packets of a key still to be said.
    press: Vec<(u8, u16)>,
    /// Frames that it is silent, as who suppresses silence.
    pause: u32,
    waiting: Option<Vec<u8>>,
    /// Accepted, refused and lost, as the worker should count them.
    said: u64,
    strays: u64,
    pub(crate) lost: u64,
    heard: u64,
    last: Option<Header>,
}

impl Phone {
    pub(crate) fn new(call: u64, leg: u64, poor: bool, seed: &mut Seed) -> Phone {
        Phone {
            address: address(leg, 0),
            codec: law(seed),
            direction: Direction::SendRecv,
            poor,
            dead: false,
            call,
            ssrc: seed.draw() as u32,
            sequence: seed.draw() as u16,
            // Half of them wrap soon.
            timestamp: if seed.per_mille(500) { u32::MAX - 160 * 500 } else { seed.draw() as u32 },
            press: Vec::new(),
            pause: 0,
            waiting: None,
            said: 0,
            strays: 0,
            lost: 0,
            heard: 0,
            last: None,
        }
    }

    pub(crate) fn audio(&self) -> Audio {
        Audio { telephone_event: Some(EVENT), direction: self.direction, ..Audio::plain(self.address, self.codec) }
    }

    /// Its port is another from now on.
    pub(crate) fn move_to(&mut self, leg: u64, moves: u64) {
        self.address = address(leg, moves);
        self.waiting = None;
    }

    /// Its stream is another from now on, or jumps within the same.
    pub(crate) fn restart(&mut self, seed: &mut Seed) {
        if self.poor || self.dead || self.pause > 0 || self.said == 0 {
            return;
        }
        if seed.per_mille(500) {
            self.ssrc = self.ssrc.wrapping_add(1);
            self.sequence = seed.draw() as u16;
        } else {
            // Believed from its second packet on.
            self.sequence = self.sequence.wrapping_add(10_000);
            self.strays += 1;
            self.said -= 1;
        }
        self.timestamp = seed.draw() as u32;
    }

    pub(crate) fn press(&mut self) -> bool {
        let free = self.pause == 0 && !self.poor && !self.dead;
        if free {
            self.press = PRESS.iter().rev().copied().collect();
        }
        free
    }

    pub(crate) fn pause(&mut self, frames: u32) {
        self.pause = frames;
    }

    /// What comes of it in this frame of 20 ms.
    pub(crate) fn say(&mut self, seed: &mut Seed, mut send: impl FnMut(&[u8])) {
        if self.dead || !self.direction.receives() {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            self.timestamp = self.timestamp.wrapping_add(160);
            return;
        }
        let packet = self.packet();
        if !self.poor {
            self.said += 1;
            return send(&packet);
        }
        match (self.waiting.take(), seed.below(100)) {
            (Some(late), _) => {
                self.said += 2;
                send(&packet);
                send(&late);
            }
            (None, 0..5) => self.lost += 1,
            (None, 5..8) => self.waiting = Some(packet),
            (None, 8..11) => {
                self.said += 1;
                send(&packet);
                send(&packet);
            }
            (None, _) => {
                self.said += 1;
                send(&packet);
            }
        }
    }

    fn name(&self) -> [u8; 8] {
        std::array::from_fn(|digit| MARK[(self.call >> (3 * digit)) as usize & 7])
    }

    fn packet(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(172);
        let begins = self.press.len() == PRESS.len();
        let (sequence, timestamp, ssrc) = (self.sequence, self.timestamp, self.ssrc);
        self.sequence = sequence.wrapping_add(1);
        match self.press.pop() {
            Some((flags, held)) => {
                let header = Header { marker: begins, payload_type: EVENT, sequence, timestamp, ssrc };
                header.write(&[5, flags | 10, (held >> 8) as u8, held as u8], &mut bytes);
                if self.press.is_empty() {
                    self.timestamp = timestamp.wrapping_add(160 * PRESS.len() as u32);
                }
            }
            None => {
                let payload_type = payload_type(self.codec);
                let mut payload = [0xD5; 160];
                payload[..8].copy_from_slice(&MARK);
                payload[8..16].copy_from_slice(&self.name());
                let header = Header { marker: false, payload_type, sequence, timestamp, ssrc };
                header.write(&payload, &mut bytes);
                self.timestamp = timestamp.wrapping_add(160);
            }
        }
        bytes
    }

    /// Takes what is sent to it.
    pub(crate) fn hear(&mut self, to: SocketAddr, bytes: &[u8]) {
        assert_eq!(to, self.address, "call {}", self.call);
        let (header, payload) = rtp::read(bytes).unwrap();
        if payload.starts_with(&MARK) {
            assert_eq!(payload[8..16], self.name(), "call {} hears another", self.call);
        }
        self.heard += 1;
        let Some(last) = self.last.replace(header) else { return };
        assert_eq!(header.ssrc, last.ssrc, "one stream for the whole call");
        if !self.poor {
            assert_eq!(header.sequence, last.sequence.wrapping_add(1), "call {}: a gap in the numbers", self.call);
            let step = header.timestamp.wrapping_sub(last.timestamp) as i32;
            assert!((0..8000 * 3600).contains(&step), "call {}: time goes by {step}", self.call);
        }
    }

    /// What the worker counted is what happened.
    pub(crate) fn check(&self, stats: &StreamStats) {
        let counted = (stats.packets_in, stats.packets_out, stats.refused_in);
        assert_eq!(counted, (self.said, self.heard, self.strays), "call {}", self.call);
        assert!(stats.lost_in <= self.lost, "call {}: {} lost of {}", self.call, stats.lost_in, self.lost);
    }
}

/// Each leg's peer is on a host of its own.
fn address(leg: u64, moves: u64) -> SocketAddr {
    let [.., b, c] = (leg as u16).to_be_bytes();
    SocketAddr::from(([203, 0, b, c], 4000 + 2 * (moves % 1000) as u16))
}

fn law(seed: &mut Seed) -> Codec {
    if seed.per_mille(500) { Codec::Pcma } else { Codec::Pcmu }
}

fn payload_type(codec: Codec) -> u8 {
    if codec == Codec::Pcma { 8 } else { 0 }
}
