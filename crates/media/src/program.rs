//! A leg whose peer is a program: what that says is taken as a phone's sound is, and what a phone would hear is handed out to it.

use crate::g711;
use crate::leg::Leg;
use crate::mix::Mix;
use crate::rtp::{HEADER_LEN, Header};
use crate::speech::Speech;
use crate::{Live, Taped, Track};
use busyhour_model::{Codec, ForkId, G711, LegId, Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Where programs are: no datagram comes from there, none is sent there.
pub const NOWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
/// Samples said and handed out at once: 20 ms.
const FRAME: usize = 160;
/// One packet of them.
pub(crate) type Packet = [u8; HEADER_LEN + FRAME];

/// What such a leg has beside all others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) speech: Speech,
    /// Whom it hears was said (`Command::Hear`); else it is the partner.
    pub(crate) tuned: bool,
    sequence: u16,
    /// The next sample to be said or handed out.
    at: u64,
}

impl Program {
    pub(crate) fn new(fork: ForkId) -> Program {
        Program { speech: Speech::new(fork), tuned: false, sequence: 0, at: 0 }
    }

    /// Hands out the next 20 ms of what it hears, if they are due; the packet of what it says meanwhile. While nobody would hear
    /// that, it waits.
    pub(crate) fn turn(
        &mut self,
        now: Time,
        mix: &mut Mix,
        is_heard: bool,
        taped: &mut VecDeque<Taped>,
    ) -> Option<Packet> {
        if mix.due(FRAME as u64) > now {
            return None;
        }
        let (before, mut sound) = (mix.at(), vec![0; FRAME]);
        mix.frame(now, &mut sound);
        // What was late beyond measure is left out.
        let skipped = mix.at() - before - FRAME as u64;
        let at = self.at + skipped;
        self.at = at + FRAME as u64;
        let live = Live::Heard { track: Track::Left, at, sound };
        taped.push_back(Taped::Live { fork: self.speech.fork, live });
        let mut packet = [g711::silence(G711::A); HEADER_LEN + FRAME];
        let payload_type = Codec::Pcma.assigned().1;
        let (sequence, ssrc) = (self.sequence, self.speech.fork.0 as u32);
        let header = Header { marker: false, payload_type, sequence, timestamp: at as u32, ssrc };
        packet[..HEADER_LEN].copy_from_slice(&header.bytes());
        if is_heard {
            self.speech.fill(G711::A, &mut packet[HEADER_LEN..]);
        }
        self.sequence = self.sequence.wrapping_add(1);
        Some(packet)
    }
}

impl Leg {
    /// What this program says, whose leg it is.
    pub(crate) fn speech(&mut self, fork: ForkId) -> Option<&mut Speech> {
        Some(&mut self.program.as_mut()?.speech).filter(|speech| speech.fork == fork)
    }

    /// The next mark reached, and whose it is.
    pub(crate) fn reached(&mut self) -> Option<(ForkId, Name)> {
        let speech = &mut self.program.as_mut()?.speech;
        Some((speech.fork, speech.reached()?))
    }

    /// Hears these together from now on. None: its partner, as it comes; a program, which hears everything by its mix, nobody.
    pub(crate) fn tune(&mut self, now: Time, from: &[LegId]) {
        match from.is_empty() && self.program.is_none() {
            true => self.mix = None,
            false => self.mix.get_or_insert_with(|| Mix::new(now)).tune(from),
        }
    }

    /// What is due between a program and its leg: the packet of what the program says.
    pub(crate) fn converse(&mut self, now: Time, is_heard: bool, taped: &mut VecDeque<Taped>) -> Option<Packet> {
        let (program, mix) = (self.program.as_mut()?, self.mix.as_mut()?);
        self.line.as_ref()?;
        program.turn(now, mix, is_heard, taped)
    }
}
