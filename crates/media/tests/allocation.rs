//! A relayed packet costs no allocation once the buffers have grown, nor does a frame of music: the allocator is counted.
#![allow(unsafe_code, reason = "a global allocator cannot be written otherwise")]

use busyhour_media::rtp::Header;
use busyhour_media::{Command, Config, Library, Worker};
use busyhour_model::{Audio, CallId, Codec, Direction, LegId, PlayId, Side, Sound, Time};
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

#[test]
fn speech_and_music_flow_without_an_allocation() {
    let mut worker = Worker::new(Arc::new(Library::new()), Config::default());
    let start = Time::from_secs(1_000);
    for (leg, codec, payload_type) in
        [(0, Codec::Pcma, 8), (1, Codec::Pcmu, 0), (2, Codec::Pcmu, 0), (3, Codec::Pcma, 8)]
    {
        let leg = LegId(leg);
        let (remote, remote_rtcp) = (address(leg), address(leg));
        let (ptime_ms, direction) = (20, Direction::SendRecv);
        let audio = Audio {
            remote,
            remote_rtcp,
            codec,
            payload_type,
            telephone_event: None,
            tones: true,
            gain: busyhour_model::Gain::default(),
            ptime_ms,
            direction,
            srtp: None,
        };
        worker.handle_command(start, Command::Open { leg, local: address(leg), side: Side::Trunk });
        worker.handle_command(start, Command::Connect { leg, audio });
    }
    worker.handle_command(start, Command::Bridge { a: LegId(0), b: LegId(1) });
    worker.handle_command(start, Command::Measure { call: CallId(1), caller: LegId(0), partner: LegId(1) });
    let sounds = vec![Sound::Prompt { language: "zh".into(), id: "system/moh".into() }];
    worker.handle_command(start, Command::Play { leg: LegId(2), play: PlayId(1), sounds, repeat: true });
    worker.handle_command(start, Command::Hear { leg: LegId(3), from: vec![LegId(0), LegId(1)] });
    second(&mut worker, start, 0);
    let before = ALLOCATIONS.load(Relaxed);
    assert_eq!(second(&mut worker, start + Duration::from_secs(1), 50), 200);
    assert_eq!(ALLOCATIONS.load(Relaxed) - before, 0);
}
