//! The media plane with phones around it: what it is to do with their packets, and what it used.

use crate::phones::Phones;
use crate::{TICK, Turn};
use busyhour::media::Plane;
use busyhour::tapes::{Archive, TapeCounts, Tapes};
use busyhour_media::{Command, Config, Event, Library, Limits, Track};
use busyhour_model::{Audio, Codec, LegId, PlayId, Side, Sound, TapeId, Time};
use prometheus::{Counter, IntCounter, IntGauge};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::thread::JoinHandleExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Our first port.
const PORT: u16 = 10_000;

/// What is done with a leg's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// They go to the partner as they are.
    Relayed,
    /// The partner has the other law.
    Converted,
    /// Beside that, both sides are written to files.
    Recorded,
    /// Nobody speaks, all hear music.
    Music,
}

/// A plane, its phones' legs, and where recordings go.
pub(crate) struct Stage {
    plane: Plane,
    legs: usize,
    scene: Scene,
    recorder: Option<(Tapes, JoinHandle<()>, PathBuf)>,
}

impl Stage {
    /// Opens a leg for each phone; `legs` ends are told to the phones.
    pub(crate) fn new(phones: &mut Phones, legs: usize, threads: usize, scene: Scene) -> Stage {
        let epoch = Instant::now();
        let clock = move || Time::from_secs(1_000) + epoch.elapsed();
        let failed = Arc::new(AtomicU64::new(0));
        let listener = {
            let failed = failed.clone();
            move |event| {
                failed.fetch_add(u64::from(matches!(event, Event::Failed { .. })), Relaxed);
            }
        };
        let recorder = (scene == Scene::Recorded).then(recorder);
        let tapes = recorder.as_ref().map(|(tapes, ..)| tapes.clone());
        let recording = move |taped| {
            if let Some(tapes) = &tapes {
                tapes.take(taped);
            }
        };
        let library = Arc::new(Library::new());
        let plane = Plane::start(threads, &library, &Config::default(), clock, listener, recording, None)
            .expect("threads start");
        let ends: Vec<SocketAddr> = (0..legs).map(|leg| (Ipv4Addr::LOCALHOST, PORT + 2 * leg as u16).into()).collect();
        for (i, local) in ends.iter().enumerate() {
            let (leg, side) = (LegId(i as u64), if i % 2 == 0 { Side::Trunk } else { Side::Agent });
            plane.send(Command::Open { leg, local: *local, side });
        }
        let stage = Stage { plane, legs, scene, recorder };
        stage.settle();
        assert_eq!(failed.load(Relaxed), 0, "ports from {PORT} on must be free");
        for (i, _) in ends.iter().enumerate() {
            let remote = phones.address(i);
            let codec = if scene == Scene::Converted && i % 2 == 1 { Codec::Pcmu } else { Codec::Pcma };
            stage.plane.send(Command::Connect { leg: LegId(i as u64), audio: audio(remote, codec) });
        }
        phones.connect(&ends);
        phones.types = if scene == Scene::Converted { [8, 0] } else { [8, 8] };
        stage
    }

    /// What is done with packets begins.
    pub(crate) fn begin(&self) {
        let moh = Sound::Prompt { language: "zh".into(), id: "system/moh".into() };
        for i in 0..self.legs as u64 {
            let (leg, since) = (LegId(i), Time::from_secs(1_000));
            if self.scene == Scene::Music {
                self.plane.send(Command::Play { leg, play: PlayId(1), sounds: vec![moh.clone()], repeat: true });
            } else if i % 2 == 1 {
                self.plane.send(Command::Bridge { a: LegId(i - 1), b: leg });
            }
            if self.scene == Scene::Recorded {
                let (tape, limits) = (TapeId(1_795_594_616_000_000 + i / 2), Limits::default());
                let track = if i % 2 == 0 { Track::Left } else { Track::Right };
                self.plane.send(Command::Record { leg, tape, track, since, limits });
            }
        }
    }

    /// The phones talk, or listen, for so long.
    pub(crate) fn turn(&self, phones: &mut Phones, span: Duration) -> Turn {
        let (cpu, sent) = (self.cpu(), self.plane.figures().sent);
        let load = if self.scene == Scene::Music { phones.listen(span) } else { phones.talk(span) };
        Turn { cpu: self.cpu() - cpu, packets: self.plane.figures().sent - sent, load }
    }

    /// CPU time of the plane, and of writing files where it records.
    fn cpu(&self) -> Duration {
        let writing = self.recorder.as_ref().map(|(_, thread, _)| cpu_of(thread));
        self.plane.cpu() + writing.unwrap_or_default()
    }

    /// Waits until every leg is open.
    fn settle(&self) {
        while self.plane.figures().legs < self.legs as u64 {
            std::thread::sleep(TICK);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        (0..self.legs as u64).for_each(|leg| self.plane.send(Command::Close { leg: LegId(leg) }));
        while self.plane.figures().legs > 0 {
            std::thread::sleep(TICK);
        }
        if let Some((tapes, thread, folder)) = self.recorder.take() {
            tapes.close();
            let _ = thread.join();
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// CPU time another thread has used.
#[allow(unsafe_code, reason = "the standard library has no CPU clock")]
fn cpu_of(thread: &JoinHandle<()>) -> Duration {
    let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: the thread is not joined yet, and both places are ours to write.
    let failed = unsafe {
        libc::pthread_getcpuclockid(thread.as_pthread_t(), &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut time) != 0
    };
    if failed { Duration::ZERO } else { Duration::new(time.tv_sec as u64, time.tv_nsec as u32) }
}

/// Who writes files, in a folder that is removed afterwards.
fn recorder() -> (Tapes, JoinHandle<()>, PathBuf) {
    let count = |name| IntCounter::new(name, "x").expect("a name is a name");
    let counts = TapeCounts {
        active: IntGauge::new("active", "x").expect("a name is a name"),
        seconds: count("seconds"),
        errors: count("errors"),
        lost: Counter::new("lost", "x").expect("a name is a name"),
        mended: count("mended"),
    };
    let folder = std::env::temp_dir().join(format!("busyhour-relay-{}", std::process::id()));
    let (tapes, inbox) = Tapes::new(counts);
    let thread =
        tapes.start(inbox, Some(Archive { folder: folder.clone(), keys: None }), drop).expect("a thread starts");
    (tapes, thread, folder)
}

fn audio(remote: SocketAddr, codec: Codec) -> Audio {
    // RTCP is discarded: it is no part of what is measured.
    Audio { remote_rtcp: SocketAddr::new(remote.ip(), 9), ..Audio::plain(remote, codec) }
}
