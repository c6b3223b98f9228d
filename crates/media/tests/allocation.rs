//! A relayed packet costs no allocation once the buffers have grown, nor does a frame of music: the allocator is counted.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(unsafe_code, reason = "a global allocator cannot be written otherwise")]

use busyhour_media::rtp::Header;
use busyhour_media::{Command, Config, Library, Worker};
use busyhour_model::{Audio, CallId, Codec, LegId, PlayId, Side, Sound, Time};
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

struct Counted;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000 + 2 * leg.0 as u16))
}

/// A second of speech both ways between a leg of each law, relayed, while a third leg hears music and a fourth both of them.
fn second(worker: &mut Worker, start: Time, from: u16) -> u64 {
    let mut sent = 0;
    for i in 0..50 {
        let now = start + Duration::from_millis(20 * i as u64);
        for (leg, payload_type) in [(LegId(0), 8), (LegId(1), 0)] {
            let (sequence, ssrc) = (from + i, leg.0 as u32);
            let header = Header { marker: false, payload_type, sequence, timestamp: sequence as u32 * 160, ssrc };
            let mut packet = [0xD5; 172];
            packet[..12].copy_from_slice(&header.bytes());
            worker.handle_rtp(now, leg, address(leg), &packet);
        }
        worker.handle_timeout(now);
        while worker.poll_transmit().is_some() {
            sent += 1;
        }
    }
    sent
}

fn connected(codecs: &[Codec], start: Time) -> Worker {
    let mut worker = Worker::new(Arc::new(Library::new()), Config::default());
    for (leg, codec) in (0..).zip(codecs) {
        let leg = LegId(leg);
        let audio = Audio { telephone_event: None, tones: true, ..Audio::plain(address(leg), *codec) };
        worker.handle_command(start, Command::Open { leg, local: address(leg), side: Side::Trunk });
        worker.handle_command(start, Command::Connect { leg, audio });
    }
    worker.handle_command(start, Command::Bridge { a: LegId(0), b: LegId(1) });
    worker
}

#[test]
fn speech_and_music_flow_without_an_allocation() {
    let start = Time::from_secs(1_000);
    let mut worker = connected(&[Codec::Pcma, Codec::Pcmu, Codec::Pcmu, Codec::Pcma], start);
    worker.handle_command(start, Command::Measure { call: CallId(1), caller: LegId(0), partner: LegId(1) });
    let sounds = vec![Sound::Prompt { language: "zh".into(), id: "system/moh".into() }];
    worker.handle_command(start, Command::Play { leg: LegId(2), play: PlayId(1), sounds, repeat: true });
    worker.handle_command(start, Command::Hear { leg: LegId(3), from: vec![LegId(0), LegId(1)] });
    second(&mut worker, start, 0);
    let before = ALLOCATIONS.load(Relaxed);
    assert_eq!(second(&mut worker, start + Duration::from_secs(1), 50), 200);
    assert_eq!(ALLOCATIONS.load(Relaxed) - before, 0);
    #[cfg(feature = "opus")]
    wideband::is_passed_on_with_what_the_codec_allocates(start);
}

/// The codec itself allocates; nothing is added to that, and every bit is what codecs at 16 kHz make of each other.
#[cfg(feature = "opus")]
mod wideband {
    use super::*;
    use busyhour_media::g722;
    use ropus::{Application, Channels, DecodeMode, Decoder, Encoder};

    /// The codecs alone, as they are between two legs.
    struct Bare {
        ear: g722::Decoder,
        encoder: Encoder,
        decoder: Decoder,
        mouth: g722::Encoder,
    }

    impl Bare {
        fn new() -> Bare {
            Bare {
                ear: g722::Decoder::default(),
                encoder: Encoder::builder(16_000, Channels::Mono, Application::Voip).build().unwrap(),
                decoder: Decoder::new(16_000, Channels::Mono).unwrap(),
                mouth: g722::Encoder::default(),
            }
        }

        /// What a payload of G.722 is as Opus, its length, and what that is as G.722 again.
        fn echoed(&mut self, payload: &[u8]) -> ([u8; 1_275], usize, [u8; 160]) {
            let (mut said, mut opus, mut heard, mut back) = ([0; 320], [0; 1_275], [0; 320], [0; 160]);
            for (byte, pair) in payload.iter().zip(said.chunks_exact_mut(2)) {
                pair.copy_from_slice(&self.ear.decode(*byte));
            }
            let len = self.encoder.encode(&said, &mut opus).unwrap();
            assert_eq!(self.decoder.decode(&opus[..len], &mut heard, DecodeMode::Normal), Ok(320));
            for (pair, byte) in heard.chunks_exact(2).zip(&mut back) {
                *byte = self.mouth.encode([pair[0], pair[1]]);
            }
            (opus, len, back)
        }
    }

    /// A second of G.722 to a leg that speaks Opus, which says it back; allocations of the worker, and of the codecs alone.
    fn second(worker: &mut Worker, bare: &mut Bare, start: Time, from: u16) -> [u64; 2] {
        let mut counts = [0; 2];
        for sequence in from..from + 50 {
            let now = start + Duration::from_millis(20 * u64::from(sequence));
            let timestamp = u32::from(sequence) * 160;
            let header = Header { marker: false, payload_type: 9, sequence, timestamp, ssrc: 1 };
            let (mut packet, mut echo) = ([sequence as u8; 172], [0; 1_500]);
            packet[..12].copy_from_slice(&header.bytes());
            let before = ALLOCATIONS.load(Relaxed);
            worker.handle_rtp(now, LegId(0), address(LegId(0)), &packet);
            let opus = worker.poll_transmit().unwrap().bytes;
            let len = opus.len();
            echo[..len].copy_from_slice(opus);
            worker.handle_rtp(now, LegId(1), address(LegId(1)), &echo[..len]);
            let back = worker.poll_transmit().unwrap().bytes;
            let between = ALLOCATIONS.load(Relaxed);
            let (opus, opus_len, bare_back) = bare.echoed(&packet[12..]);
            counts = [counts[0] + between - before, counts[1] + ALLOCATIONS.load(Relaxed) - between];
            assert!(echo[12..len] == opus[..opus_len] && back[12..] == bare_back, "packet {sequence}");
        }
        counts
    }

    pub(super) fn is_passed_on_with_what_the_codec_allocates(start: Time) {
        let mut worker = connected(&[Codec::G722, Codec::Opus], start);
        let mut bare = Bare::new();
        second(&mut worker, &mut bare, start, 0);
        let [ours, codecs] = second(&mut worker, &mut bare, start, 50);
        assert_eq!(ours, codecs);
    }
}
