//! Phones on loopback: each says a packet of 20 ms in its turn, hears the others, and knows how long each packet took.

use crate::wire::{self, Many};
use busyhour_media::rtp::Header;
use socket2::SockAddr;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Packets of a phone in a second.
const RATE: usize = 50;
/// Milliseconds between two packets of a phone: so many turns there are.
const TURNS: usize = 1000 / RATE;
/// Bytes of a packet: its header and 20 ms of G.711.
const PACKET: usize = 172;
/// Where in a packet stands when it was sent.
const STAMP: std::ops::Range<usize> = 12..20;

/// See the module. Several may share a socket, as those behind one gateway would if it had one port.
pub(crate) struct Phones {
    sockets: Vec<UdpSocket>,
    behind: usize,
    /// Whom each sends to.
    to: Vec<SockAddr>,
    sequence: u64,
    /// Payload types of the even ones and of the odd.
    pub(crate) types: [u8; 2],
}

/// What they said and heard.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) said: u64,
    pub(crate) heard: u64,
    pub(crate) delays: Delays,
}

impl Load {
    pub(crate) fn missing(&self) -> u64 {
        self.said.saturating_sub(self.heard)
    }
}

/// How long packets took from phone to phone.
pub(crate) struct Delays {
    /// By spans of [`WIDTH_US`]; the last has all that took longer.
    counts: Vec<u64>,
}

const WIDTH_US: usize = 10;
const WIDTHS: usize = 20_000;

impl Default for Delays {
    fn default() -> Delays {
        Delays { counts: vec![0; WIDTHS] }
    }
}

impl Delays {
    fn count(&mut self, span: Duration) {
        self.counts[(span.as_micros() as usize / WIDTH_US).min(WIDTHS - 1)] += 1;
    }

    /// Nothing changed packets on their way.
    pub(crate) fn are_known(&self) -> bool {
        self.counts.iter().any(|count| *count > 0)
    }

    /// What so many of 1,000 took at most, in milliseconds.
    pub(crate) fn of_1000(&self, part: u64) -> f64 {
        let (all, mut seen) = (self.counts.iter().sum::<u64>(), 0);
        let slowest = self.counts.iter().position(|count| {
            seen += count;
            seen * 1000 >= all * part
        });
        (slowest.unwrap_or(0) + 1) as f64 * WIDTH_US as f64 / 1000.0
    }
}

impl std::fmt::Display for Delays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, p99, p999] = [500, 990, 999].map(|part| self.of_1000(part));
        write!(f, "{half:.2} / {p99:.2} / {p999:.2} ms")
    }
}

impl Phones {
    /// So many, `behind` of them on one socket.
    pub(crate) fn new(count: usize, behind: usize) -> Phones {
        let sockets: Vec<UdpSocket> = (0..count.div_ceil(behind)).map(|_| wire::bound()).collect();
        sockets.iter().for_each(wire::stamp);
        Phones { sockets, behind, to: Vec::new(), sequence: 0, types: [8, 8] }
    }

    /// Where a phone listens.
    pub(crate) fn address(&self, phone: usize) -> SocketAddr {
        wire::address(&self.sockets[phone / self.behind])
    }

    /// Connects each to the leg at the same place of `legs`.
    pub(crate) fn connect(&mut self, legs: &[SocketAddr]) {
        self.to = legs.iter().map(|leg| (*leg).into()).collect();
    }

    /// All say a packet each 20 ms, spread over the milliseconds, and count what they hear.
    pub(crate) fn talk(&mut self, span: Duration) -> Load {
        self.run(span, true)
    }

    /// They only listen.
    pub(crate) fn listen(&mut self, span: Duration) -> Load {
        self.run(span, false)
    }

    fn run(&mut self, span: Duration, talking: bool) -> Load {
        let (mut load, mut many) = (Load::default(), Many::new());
        let turns: Vec<Vec<(usize, Vec<usize>)>> = (0..TURNS).map(|turn| self.turn(turn)).collect();
        let began = Instant::now();
        for tick in 0..span.as_millis() as usize {
            self.sequence += u64::from(tick % TURNS == 0);
            for (socket, phones) in &turns[tick % TURNS] {
                self.hear(*socket, &mut many, &mut load);
                if talking {
                    load.said += self.say(*socket, phones, &mut many);
                }
            }
            std::thread::sleep(Duration::from_millis(tick as u64).saturating_sub(began.elapsed()));
        }
        // What is still under way.
        std::thread::sleep(Duration::from_millis(200));
        (0..self.sockets.len()).for_each(|socket| self.hear(socket, &mut many, &mut load));
        load
    }

    /// Whose turn it is, by their sockets.
    fn turn(&self, turn: usize) -> Vec<(usize, Vec<usize>)> {
        let of = |socket: usize| {
            let phones = socket * self.behind..((socket + 1) * self.behind).min(self.to.len());
            (socket, phones.filter(|phone| phone % TURNS == turn).collect::<Vec<usize>>())
        };
        (0..self.sockets.len()).map(of).filter(|(_, phones)| !phones.is_empty()).collect()
    }

    fn say(&self, socket: usize, phones: &[usize], many: &mut Many) -> u64 {
        let mut said = 0;
        for phones in phones.chunks(wire::MANY) {
            let now = wire::wall().as_nanos() as u64;
            for (i, phone) in phones.iter().enumerate() {
                let (sequence, timestamp) = (self.sequence as u16, self.sequence as u32 * 160);
                let (payload_type, ssrc) = (self.types[phone % 2], *phone as u32);
                let header = Header { marker: false, payload_type, sequence, timestamp, ssrc };
                let mut bytes = [0xD5; PACKET];
                bytes[..12].copy_from_slice(&header.bytes());
                bytes[STAMP].copy_from_slice(&now.to_be_bytes());
                many.put(i, &bytes);
            }
            said += many.send(&self.sockets[socket], phones.iter().map(|phone| &self.to[*phone])) as u64;
        }
        said
    }

    fn hear(&self, socket: usize, many: &mut Many, load: &mut Load) {
        loop {
            let count = many.receive(&self.sockets[socket]);
            for (bytes, came) in (0..count).map(|i| many.datagram(i)) {
                load.heard += u64::from(bytes.len() == PACKET);
                let sent = bytes.get(STAMP).and_then(|stamp| Some(u64::from_be_bytes(stamp.try_into().ok()?)));
                // What is no stamp of this minute was changed on its way, or is music.
                let span = sent.zip(came).and_then(|(sent, came)| came.checked_sub(Duration::from_nanos(sent)));
                let span = span.filter(|span| *span < Duration::from_secs(60));
                span.into_iter().for_each(|span| load.delays.count(span));
            }
            if count < wire::MANY {
                return;
            }
        }
    }
}
