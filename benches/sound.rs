//! What does each thing cost that is done with sound? The media machine alone, without sockets: CPU time of a packet relayed,
//! converted, recorded, searched for keys, sealed; of a member of a mix and of a listener to music.
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]
#![allow(unsafe_code)] // reads the clock of this thread

use busyhour_media::rtp::Header;
use busyhour_media::{Command, Config, Library, Limits, Track, Worker};
use busyhour_model::{Audio, Codec, Keying, LegId, MasterKey, PlayId, Seed, Side, Sound, Srtp, Suite, TapeId, Time};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const RUNS: usize = 5;
const LEGS: u64 = 240;
const SECONDS: u64 = 5;
const FRAME: Duration = Duration::from_millis(20);

/// What is done with all legs.
#[derive(Clone, Copy)]
enum Scene {
    /// Bridged in pairs.
    Relayed,
    /// And of different laws.
    Converted,
    /// And of different codecs: each packet is decoded, resampled and encoded.
    Transcoded(Codec, Codec),
    /// And both sides on a tape.
    Recorded,
    /// And their keys are tones.
    Keys,
    /// And sealed.
    Sealed(Suite),
    /// So many hear each other together.
    Mixed(u64),
    /// All hear music and say nothing.
    Music,
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `at` outlives the call and is written only by it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut at) };
    Duration::new(at.tv_sec as u64, at.tv_nsec as u32)
}

fn address(leg: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 10_000 + 2 * leg as u16))
}

fn key(suite: Suite, seed: u8) -> MasterKey {
    MasterKey::new(suite, &vec![seed; suite.key_len() + suite.salt_len()]).unwrap()
}

/// What a leg agreed on with its phone; `phone`: what the phone did.
fn audio(leg: u64, scene: Scene, phone: bool) -> Audio {
    let codec = match scene {
        Scene::Converted if leg % 2 == 1 => Codec::Pcmu,
        Scene::Transcoded(even, odd) => [even, odd][leg as usize % 2],
        _ => Codec::Pcma,
    };
    let srtp = match scene {
        Scene::Sealed(suite) => {
            let (ours, theirs) = if phone { (2, 1) } else { (1, 2) };
            Some(Box::new(Keying::Said(Srtp { suite, ours: key(suite, ours), theirs: key(suite, theirs) })))
        }
        _ => None,
    };
    Audio { tones: matches!(scene, Scene::Keys), srtp, ..Audio::plain(address(leg), codec) }
}

fn open(worker: &mut Worker, now: Time, leg: u64, audio: Audio) {
    let (leg, local) = (LegId(leg), address(leg));
    worker.handle_command(now, Command::Open { leg, local, side: Side::Agent });
    worker.handle_command(now, Command::Connect { leg, audio });
}

fn stage(now: Time, scene: Scene) -> Worker {
    let mut worker = Worker::new(Arc::new(Library::new()), Config { seed: 1, ..Config::default() });
    (0..LEGS).for_each(|leg| open(&mut worker, now, leg, audio(leg, scene, false)));
    for id in 0..LEGS {
        let leg = LegId(id);
        match scene {
            Scene::Mixed(members) => {
                let first = id / members * members;
                let from = (first..first + members).filter(|other| *other != id).map(LegId).collect();
                worker.handle_command(now, Command::Hear { leg, from });
            }
            Scene::Music => {
                let sounds = vec![Sound::Prompt { language: "zh".into(), id: "system/moh".into() }];
                let at = now + Duration::from_micros(80 * id);
                worker.handle_command(at, Command::Play { leg, play: PlayId(1), sounds, repeat: true });
            }
            _ if id % 2 == 1 => worker.handle_command(now, Command::Bridge { a: LegId(id - 1), b: leg }),
            _ => {}
        }
        if let Scene::Recorded = scene {
            let track = if id % 2 == 0 { Track::Left } else { Track::Right };
            let (tape, since, limits) = (TapeId(id / 2), now, Limits::default());
            worker.handle_command(now, Command::Record { leg, tape, track, since, limits });
        }
    }
    worker
}

/// What each phone says, packet by packet, sealed where that was agreed on.
fn said(scene: Scene) -> Vec<Vec<Vec<u8>>> {
    let (now, mut seed) = (Time::from_secs(1_000), Seed(7));
    let noise: Vec<u8> = (0..160 * 64).map(|_| seed.draw() as u8).collect();
    // Who seals, or speaks Opus, is a machine as ours, between the phone and the wire.
    let beyond =
        if let Scene::Sealed(_) = scene { Scene::Relayed } else { Scene::Transcoded(Codec::G722, Codec::G722) };
    let is_made = |leg: &u64| matches!(scene, Scene::Sealed(_)) || audio(*leg, scene, true).codec.ticks() > 1;
    let mut phones = Worker::new(Arc::new(Library::new()), Config { seed: 2, ..Config::default() });
    for leg in (0..LEGS).filter(is_made) {
        open(&mut phones, now, leg, audio(leg, scene, true));
        open(&mut phones, now, LEGS + leg, audio(LEGS + leg, beyond, true));
        phones.handle_command(now, Command::Bridge { a: LegId(leg), b: LegId(LEGS + leg) });
    }
    let mut packet = |leg: u64, n: u64| {
        let payload_type = audio(leg, if is_made(&leg) { beyond } else { scene }, true).payload_type;
        let (sequence, timestamp) = (n as u16, n as u32 * 160);
        let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: leg as u32 };
        let mut bytes = Vec::new();
        header.write(&noise[(leg + n) as usize % 64 * 160..][..160], &mut bytes);
        if is_made(&leg) {
            phones.handle_rtp(now, LegId(LEGS + leg), address(LEGS + leg), &bytes);
            bytes = phones.poll_transmit().unwrap().bytes.to_vec();
        }
        bytes
    };
    (0..SECONDS * 50).map(|n| (0..LEGS).map(|leg| packet(leg, n)).collect()).collect()
}

/// CPU time, and packets sent.
fn run(scene: Scene, said: &[Vec<Vec<u8>>]) -> (Duration, u64) {
    let begin = Time::from_secs(1_000);
    let mut worker = stage(begin, scene);
    let (mut sent, from) = (0, cpu());
    let mut drain = |worker: &mut Worker| {
        while let Some(transmit) = worker.poll_transmit() {
            sent += u64::from(!transmit.rtcp);
            black_box(transmit.bytes);
        }
        while let Some(taped) = worker.poll_tape() {
            black_box(taped);
        }
        while worker.poll_event().is_some() {}
    };
    for (n, round) in said.iter().enumerate() {
        // As the media thread does: a pass each millisecond, a twentieth of the legs in each.
        for ms in 0..20 {
            let now = begin + FRAME * n as u32 + Duration::from_millis(ms);
            if !matches!(scene, Scene::Music) {
                for leg in (ms..LEGS).step_by(20) {
                    worker.handle_rtp(now, LegId(leg), address(leg), &round[leg as usize]);
                }
            }
            worker.handle_timeout(now);
            drain(&mut worker);
        }
    }
    (cpu() - from, sent)
}

fn main() {
    println!(
        "CPU time of the media machine, least of {RUNS} runs; {LEGS} legs, 50 packets/s of 160 samples each, {SECONDS} s, a pass a millisecond"
    );
    let scenes = [
        ("relayed", Scene::Relayed),
        ("A-law to µ-law and back", Scene::Converted),
        ("A-law to G.722 and back", Scene::Transcoded(Codec::Pcma, Codec::G722)),
        #[cfg(feature = "opus")]
        ("A-law to Opus and back, at 8 kHz", Scene::Transcoded(Codec::Pcma, Codec::Opus)),
        #[cfg(feature = "opus")]
        ("G.722 to Opus and back, at 16 kHz", Scene::Transcoded(Codec::G722, Codec::Opus)),
        ("relayed and recorded, both sides", Scene::Recorded),
        ("relayed and searched for keys", Scene::Keys),
        ("opened and sealed, AES_CM_128_HMAC_SHA1_80", Scene::Sealed(Suite::Cm128Sha80)),
        ("opened and sealed, AEAD_AES_128_GCM", Scene::Sealed(Suite::Gcm128)),
        ("opened and sealed, AEAD_AES_256_GCM", Scene::Sealed(Suite::Gcm256)),
        ("member of 3 in a mix", Scene::Mixed(3)),
        ("member of 8 in a mix", Scene::Mixed(8)),
        ("member of 16 in a mix", Scene::Mixed(16)),
        ("listener to music", Scene::Music),
    ];
    for (name, scene) in scenes {
        let said = said(scene);
        let (spent, sent) = (0..RUNS).map(|_| run(scene, &said)).min().unwrap();
        let whole = LEGS * SECONDS * 50;
        assert!(sent + LEGS * 10 >= whole, "{name}: {sent} of {whole} packets went out");
        println!("{name:<44} {:>6.0} ns a packet sent", spent.as_nanos() as f64 / sent as f64);
    }
}
