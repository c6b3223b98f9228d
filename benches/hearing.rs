//! What does it cost to hear who talks in a bridge, and whether a fax machine calls? CPU time per packet of 20 ms, without sockets.
//!
//! `cargo bench --bench hearing`. A worker relays speech between two legs, half of the packets loud, measured or not, in turns; the ear for
//! fax machines listens to the same packets.

use busyhour_media::fax::Ear;
use busyhour_media::rtp::Header;
use busyhour_media::{Command, Config, Library, Worker, g711, tone};
use busyhour_model::{Audio, CallId, Codec, G711, LegId, Seed, Side, Time};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Packets of one turn.
const PACKETS: u32 = 20_000;
/// Turns each gets; the lowest time counts, the others were disturbed.
const TURNS: usize = 200;
const LEGS: [LegId; 2] = [LegId(0), LegId(1)];

fn main() {
    let sound = speech();
    let best = |turn: &dyn Fn() -> f64| (0..TURNS).map(|_| turn()).fold(f64::INFINITY, f64::min);
    let (plain, measured) = (best(&|| relay(&sound, false)), best(&|| relay(&sound, true)));
    println!(
        "{PACKETS} packets of 160 samples, half of them loud, relayed by a worker without sockets; best of {TURNS} turns"
    );
    println!(
        "who talks is not measured: {plain:.0} ns a packet; measured: {measured:.0} ns, {:.0} ns more",
        measured - plain
    );
    println!("listening for fax machines, before the talk only: {:.0} ns a packet", best(&|| listen(&sound)));
}

/// A second of noise that is loud, then quiet.
fn speech() -> Vec<u8> {
    let mut seed = Seed(7);
    let mut noise = |dbm0| (seed.below(20_001) as f64 / 10_000.0 - 1.0) * tone::amplitude(dbm0);
    (0..16_000).map(|n| g711::encode(G711::A, noise(if n < 8_000 { -15.0 } else { -60.0 }) as i16)).collect()
}

fn relay(sound: &[u8], measured: bool) -> f64 {
    let mut worker = Worker::new(Arc::new(Library::new()), Config::default());
    let mut now = Time::from_secs(1_000);
    let address = |leg: LegId| SocketAddr::from(([203, 0, 113, leg.0 as u8], 4000));
    for leg in LEGS {
        let audio = Audio::plain(address(leg), Codec::Pcma);
        worker.handle_command(now, Command::Open { leg, local: address(leg), side: Side::Agent });
        worker.handle_command(now, Command::Connect { leg, audio });
    }
    let [a, b] = LEGS;
    worker.handle_command(now, Command::Bridge { a, b });
    if measured {
        worker.handle_command(now, Command::Measure { call: CallId(1), caller: a, partner: b });
    }
    let (mut bytes, mut sent) = ([0; 172], 0);
    let began = Instant::now();
    for n in 0..PACKETS / 2 {
        now += Duration::from_millis(20);
        for leg in LEGS {
            let header =
                Header { marker: false, payload_type: 8, sequence: n as u16, timestamp: n * 160, ssrc: leg.0 as u32 };
            bytes[..12].copy_from_slice(&header.bytes());
            bytes[12..].copy_from_slice(&sound[n as usize % 100 * 160..][..160]);
            worker.handle_rtp(now, leg, address(leg), &bytes);
            sent += std::iter::from_fn(|| worker.poll_transmit().map(drop)).count();
        }
    }
    assert_eq!(sent, PACKETS as usize, "all is relayed");
    began.elapsed().as_nanos() as f64 / f64::from(PACKETS)
}

fn listen(sound: &[u8]) -> f64 {
    let mut ear = Ear::default();
    let began = Instant::now();
    let found = (0..PACKETS).filter(|n| {
        let payload = &sound[*n as usize % 100 * 160..][..160];
        ear.take(n * 160, G711::A, payload).is_some()
    });
    assert_eq!(found.count(), 0, "noise is no fax machine");
    began.elapsed().as_nanos() as f64 / f64::from(PACKETS)
}
