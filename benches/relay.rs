//! What does one relayed RTP packet cost? CPU time of the media plane beside a bare relay that only copies datagrams; and what more
//! does one cost whose keys are tones?
//!
//! `cargo bench --bench relay -- [legs] [seconds]`. Both relays hold one socket per leg, wake at most once a millisecond,
//! receive with recvmmsg and carry the same load in turns: 20 ms G.711 packets from every leg, over loopback.

#[allow(dead_code, reason = "the bare relay needs half of it")]
#[path = "../src/media/sys.rs"]
mod sys;

use busyhour::media::Plane;
use busyhour_media::keypad::Ear;
use busyhour_media::rtp::Header;
use busyhour_media::{Command, Config, Library};
use busyhour_model::{Audio, Codec, Direction, LegId, Side, Time};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use sys::{Batch, Epoll};

const TICK: Duration = Duration::from_millis(1);
/// Turns each relay gets; the lower CPU time counts, the other was disturbed.
const TURNS: usize = 3;

fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<u64>().ok());
    let legs = numbers.next().unwrap_or(200).max(2) / 2 * 2;
    let seconds = numbers.next().unwrap_or(5);
    println!("{legs} legs = {} calls, 50 packets/s of 172 bytes each way, {seconds} s a turn, loopback", legs / 2);
    let turns: Vec<_> = (0..TURNS).map(|_| (bare(legs, seconds), plane(legs, seconds))).collect();
    for (i, (bare, plane)) in turns.iter().enumerate() {
        println!("turn {}: bare {bare}; plane {plane}", i + 1);
    }
    let best = |pick: fn(&(Turn, Turn)) -> f64| turns.iter().map(pick).fold(f64::INFINITY, f64::min);
    let (bare, plane) = (best(|turn| turn.0.ns()), best(|turn| turn.1.ns()));
    println!("CPU per relayed packet: bare {bare:.0} ns, plane {plane:.0} ns, ratio {:.2}", plane / bare);
    let heard = (0..TURNS).map(|_| listen()).fold(f64::INFINITY, f64::min);
    println!("Listening for keys as tones: {heard:.0} ns more per packet ({LISTENED} packets of 160 samples, noise)");
}

/// Packets the ear hears.
const LISTENED: u32 = 100_000;

/// Time per packet of a leg whose keys are tones.
fn listen() -> f64 {
    let mut seed = busyhour_model::Seed(7);
    let noise: Vec<u8> = (0..160 * 64).map(|_| seed.draw() as u8).collect();
    let mut ear = Ear::default();
    let began = Instant::now();
    let keys = (0..LISTENED).filter(|n| {
        let payload = &noise[(n % 64) as usize * 160..][..160];
        ear.take(n * 160, busyhour_model::G711::A, payload).is_some()
    });
    assert_eq!(keys.count(), 0, "noise is no key");
    began.elapsed().as_nanos() as f64 / f64::from(LISTENED)
}

/// What one relay used and did.
struct Turn {
    cpu: Duration,
    relayed: u64,
    load: Load,
}

/// What the phones saw.
struct Load {
    said: u64,
    heard: u64,
}

impl Turn {
    fn ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.relayed.max(1) as f64
    }
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let missing = self.load.said.saturating_sub(self.load.heard);
        write!(f, "{:.0} ns ({} packets, {missing} not heard)", self.ns(), self.relayed)
    }
}

fn sockets(count: u64) -> Vec<UdpSocket> {
    let socket = |_| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
        socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        socket
    };
    (0..count).map(socket).collect()
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("a bound socket has an address")
}

/// Every phone says a packet each 20 ms to its leg, spread over the milliseconds, and counts what it hears.
fn talk(phones: &[UdpSocket], legs: &[SocketAddr], span: Duration) -> Load {
    let mut load = Load { said: 0, heard: 0 };
    let mut buffer = [0; 2048];
    let began = Instant::now();
    for tick in 0..span.as_millis() as usize {
        let (slot, sequence) = (tick % 20, tick / 20);
        for i in (slot..phones.len()).step_by(20) {
            while phones[i].recv(&mut buffer).is_ok() {
                load.heard += 1;
            }
            let (sequence, timestamp) = (sequence as u16, sequence as u32 * 160);
            let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: i as u32 };
            let mut bytes = [0xD5; 172];
            bytes[..12].copy_from_slice(&header.bytes());
            load.said += phones[i].send_to(&bytes, legs[i]).is_ok() as u64;
        }
        std::thread::sleep((TICK * tick as u32).saturating_sub(began.elapsed()));
    }
    std::thread::sleep(Duration::from_millis(300));
    for phone in phones {
        while phone.recv(&mut buffer).is_ok() {
            load.heard += 1;
        }
    }
    load
}

fn bare(legs: u64, seconds: u64) -> Turn {
    let (phones, ours) = (sockets(legs), sockets(legs));
    let ends: Vec<SocketAddr> = ours.iter().map(address).collect();
    let partners: Vec<SocketAddr> = (0..phones.len()).map(|i| address(&phones[i ^ 1])).collect();
    let (stop, cpu, relayed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let load = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut epoll = Epoll::new().expect("epoll works");
            let mut batch = Batch::new();
            for (i, socket) in ours.iter().enumerate() {
                epoll.add(socket, i as u64).expect("a socket can be watched");
            }
            while !stop.load(Relaxed) {
                let ready = epoll.wait(Some(Duration::from_millis(100)));
                let began = Instant::now();
                for leg in (0..ready).map(|i| epoll.token(i) as usize) {
                    for i in 0..batch.receive(&ours[leg]) {
                        let Some((_, bytes)) = batch.datagram(i) else { continue };
                        let sent = ours[leg ^ 1].send_to(bytes, partners[leg]).is_ok();
                        relayed.fetch_add(sent as u64, Relaxed);
                    }
                }
                cpu.store(sys::thread_cpu().as_nanos() as u64, Relaxed);
                std::thread::sleep(TICK.saturating_sub(began.elapsed()));
            }
        });
        let load = talk(&phones, &ends, Duration::from_secs(seconds));
        stop.store(true, Relaxed);
        load
    });
    Turn { cpu: Duration::from_nanos(cpu.into_inner()), relayed: relayed.into_inner(), load }
}

fn plane(legs: u64, seconds: u64) -> Turn {
    let epoch = Instant::now();
    let clock = move || Time::from_secs(1_000) + epoch.elapsed();
    let (failed, count) = (Arc::new(AtomicU64::new(0)), move |failed: &AtomicU64| failed.fetch_add(1, Relaxed));
    let listener = {
        let failed = failed.clone();
        move |event| {
            if let busyhour_media::Event::Failed { .. } = event {
                count(&failed);
            }
        }
    };
    let plane = Plane::start(1, &Arc::new(Library::new()), &Config::default(), clock, listener, drop, None)
        .expect("threads start");
    let phones = sockets(legs);
    let mut ends = Vec::new();
    for (i, phone) in phones.iter().enumerate() {
        let (leg, remote) = (LegId(i as u64), address(phone));
        let local = SocketAddr::from(([127, 0, 0, 1], 10_000 + 2 * i as u16));
        let audio = Audio {
            remote,
            remote_rtcp: SocketAddr::new(remote.ip(), 9),
            codec: Codec::Pcma,
            payload_type: 8,
            telephone_event: Some(101),
            tones: false,
            ptime_ms: 20,
            direction: Direction::SendRecv,
            srtp: None,
        };
        plane.send(Command::Open { leg, local, side: Side::Trunk });
        plane.send(Command::Connect { leg, audio });
        if i % 2 == 1 {
            plane.send(Command::Bridge { a: LegId(i as u64 - 1), b: leg });
        }
        ends.push(local);
    }
    while plane.figures().legs < legs {
        std::thread::sleep(TICK);
    }
    assert_eq!(failed.load(Relaxed), 0, "ports from 10000 on must be free");
    let (cpu, sent) = (plane.cpu(), plane.figures().sent);
    let load = talk(&phones, &ends, Duration::from_secs(seconds));
    Turn { cpu: plane.cpu() - cpu, relayed: plane.figures().sent - sent, load }
}
