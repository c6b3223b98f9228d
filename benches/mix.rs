//! What does a member of a conference cost? CPU time per packet said and frame heard, by members, on a calm and on a bad network.
//!
//! `cargo bench --bench mix -- [seconds]`. All packets of a conference in virtual time, without sockets: PCMA, 20 ms, speech from prompts.

#[allow(dead_code, reason = "only the CPU clock is needed")]
#[path = "../src/media/sys.rs"]
mod sys;

use busyhour_media::rtp::Header;
use busyhour_media::{Command, Config, Library, Worker, wav};
use busyhour_model::{Audio, Codec, LegId, Seed, Side, Time};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/zh/survey/five.wav");
/// Turns each conference gets; the lowest time counts, the others were disturbed.
const TURNS: usize = 5;

/// A network: packets lost, per mille, and the most that one is late.
#[derive(Clone, Copy)]
struct Network {
    name: &'static str,
    lost: u32,
    late_ms: u64,
}

const NETWORKS: [Network; 3] = [
    Network { name: "calm", lost: 0, late_ms: 0 },
    Network { name: "5 % lost", lost: 50, late_ms: 0 },
    Network { name: "5 % lost, jitter 40 ms", lost: 50, late_ms: 40 },
];

fn main() {
    let seconds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(60);
    let speech =
        wav::read(&std::fs::read(SPEECH).expect("the prompts are in the tree")).expect("a prompt is a WAV file");
    println!("{seconds} s of each conference, 50 packets/s of 20 ms PCMA from every member, each hears all others");
    for members in [2, 3, 8, 16] {
        for network in NETWORKS {
            let turns = (0..TURNS).map(|_| conference(members, seconds, network, &speech));
            let ns = turns.fold(f64::INFINITY, f64::min);
            let each = ns / (members - 1) as f64;
            println!("{members:>2} members, {}: {ns:.0} ns, {each:.0} ns for each it hears", network.name);
        }
    }
}

/// Nanoseconds for a packet of one member, heard by all others, and a frame that it hears of all others.
fn conference(members: u64, seconds: u64, network: Network, speech: &[u8]) -> f64 {
    let start = Time::from_secs(1_000);
    let mut worker = opened(members, start);
    let mut packets = packets(members, seconds, network, speech);
    packets.sort_by_key(|(at, ..)| *at);
    let mut packets = packets.into_iter().peekable();
    let (mut frames, began) = (0u64, sys::thread_cpu());
    for ms in 0..seconds * 1000 {
        let now = start + Duration::from_millis(ms);
        while let Some((_, leg, bytes)) = packets.next_if(|(at, ..)| *at <= ms) {
            worker.handle_rtp(now, leg, address(leg), &bytes);
        }
        worker.handle_timeout(now);
        while let Some(transmit) = worker.poll_transmit() {
            frames += u64::from(!transmit.rtcp);
        }
    }
    (sys::thread_cpu() - began).as_nanos() as f64 / frames as f64
}

/// Every packet of every member that arrives, and in which millisecond.
fn packets(members: u64, seconds: u64, network: Network, speech: &[u8]) -> Vec<(u64, LegId, Vec<u8>)> {
    let mut seed = Seed(1);
    let mut packets = Vec::new();
    for (leg, n) in (0..members).flat_map(|leg| (0..seconds * 50).map(move |n| (leg, n))) {
        let (late, lost) = (seed.below(network.late_ms + 1), seed.per_mille(network.lost));
        if lost {
            continue;
        }
        let (sequence, timestamp) = (n as u16, n as u32 * 160);
        let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: leg as u32 };
        let mut bytes = Vec::with_capacity(172);
        header.write(&speech[(n as usize * 160 + leg as usize * 4000) % (speech.len() - 160)..][..160], &mut bytes);
        packets.push((n * 20 + leg % 20 + late, LegId(leg), bytes));
    }
    packets
}

fn opened(members: u64, now: Time) -> Worker {
    let mut worker = Worker::new(Arc::new(Library::new()), Config::default());
    for leg in (0..members).map(LegId) {
        let audio = Audio::plain(address(leg), Codec::Pcma);
        worker.handle_command(now, Command::Open { leg, local: address(leg), side: Side::Trunk });
        worker.handle_command(now, Command::Connect { leg, audio });
    }
    for leg in (0..members).map(LegId) {
        let from = (0..members).map(LegId).filter(|other| *other != leg).collect();
        worker.handle_command(now, Command::Hear { leg, from });
    }
    worker
}

fn address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000 + 2 * leg.0 as u16))
}
