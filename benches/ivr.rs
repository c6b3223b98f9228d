//! What a dialplan costs: CPU time to read it, per step of a caller's walk, and per caller who hears something.
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]
#![allow(unsafe_code)] // reads the clock of this thread

use busyhour_ivr::{Caller, Dialplan, Input, Names, Session, Step};
use busyhour_media::{Command, Config, Library, Worker};
use busyhour_model::{Audio, Codec, LegId, Name, Number, PlayId, Side, Sound, Time};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const RUNS: usize = 11;
/// Dialplans read in one run: a bank's.
const FLOWS: usize = 300;
const CALLS: usize = 10_000;
const LEGS: u64 = 1_000;
const HEARD: Duration = Duration::from_secs(10);

/// CPU time of this thread.
fn cpu() -> Duration {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `at` outlives the call and is written only by it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut at) };
    Duration::new(at.tv_sec as u64, at.tv_nsec as u32)
}

/// Least and median CPU time of all runs.
fn timed(mut work: impl FnMut()) -> (Duration, Duration) {
    let mut spent: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begin = cpu();
            work();
            cpu() - begin
        })
        .collect();
    spent.sort_unstable();
    (spent[0], spent[RUNS / 2])
}

fn names() -> Names {
    let list = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
    let phrases = include_str!("../prompts/phrases.tsv");
    Names {
        queues: list(&["enquiry", "complaint", "general"]),
        prompts: phrases.lines().filter_map(|line| line.split('\t').next()).map(Name::from).collect(),
        languages: list(&["zh", "en"]),
        ..Names::default()
    }
}

/// What happens to one caller: language, a wrong key, an agent's number, a queue, twice the place, out and back.
fn walk() -> Vec<(u64, Input)> {
    let keys = |at: u64, keys: &str| {
        keys.chars().enumerate().map(move |(n, key)| (at + n as u64, Input::Digit(key))).collect()
    };
    let place = Input::Place { ahead: 12, wait: Some(Duration::from_secs(312)) };
    let parts: [Vec<(u64, Input)>; 8] = [
        vec![(0, Input::Start), (4, Input::PlayEnded)],
        keys(6, "1"),
        keys(9, "7"),
        keys(12, "1"),
        vec![(14, Input::PlayEnded), (21, Input::Timeout), (21, place), (29, Input::PlayEnded)],
        vec![(40, Input::Timeout), (48, Input::PlayEnded)],
        keys(60, "*"),
        keys(62, "1"),
    ];
    parts.concat()
}

/// Steps of one walk.
fn steps(plan: &Dialplan, caller: &Caller, walk: &[(u64, Input)]) -> usize {
    let mut session = Session::new(Time::ZERO, plan, caller.clone());
    let mut steps = 0;
    for (at, input) in walk {
        session.handle(Time::from_secs(1_000 + at), plan, input.clone());
        while let Some(step) = session.poll_step() {
            steps += usize::from(!matches!(step, Step::Entered(_)));
            black_box(step);
        }
    }
    steps
}

fn reading(source: &str, names: &Names) {
    let (least, median) = timed(|| {
        (0..FLOWS).for_each(|_| {
            black_box(Dialplan::parse("hotline.toml", source, names).unwrap());
        });
    });
    let nodes = Dialplan::parse("hotline.toml", source, names).unwrap().plan.nodes().count();
    println!(
        "{FLOWS} dialplans of {nodes} nodes and {} lines read and checked: {least:.0?}, median {median:.0?}",
        source.lines().count()
    );
}

fn walking(source: &str, names: &Names) {
    let plan = Dialplan::parse("hotline.toml", source, names).unwrap().plan;
    let caller =
        Caller { from: Number::parse("13800138000"), to: Number::parse("95118"), origin: "carrier".into(), tier: None };
    let walk = walk();
    let each = steps(&plan, &caller, &walk);
    let (least, median) = timed(|| (0..CALLS).for_each(|_| assert_eq!(steps(&plan, &caller, &walk), each)));
    let per = |spent: Duration, count: usize| spent.as_nanos() as f64 / (CALLS * count) as f64;
    println!(
        "{CALLS} walks of {} inputs and {each} steps (prompts, menus, numbers read, a queue left and entered again): {:.0} ns a step, \
         median {:.0}; {:.1} us a walk",
        walk.len(),
        per(least, each),
        per(median, each),
        per(least, 1) / 1e3,
    );
}

/// Plays something to many legs for some seconds of virtual time; CPU time and packets made.
fn played(sounds: &[Sound], codec: Codec) -> (Duration, usize) {
    let mut worker = Worker::new(Arc::new(Library::new()), Config { seed: 1, ..Config::default() });
    let begin = Time::from_secs(1_000);
    for leg in 0..LEGS {
        let address = SocketAddr::from(([127, 0, 0, 1], 10_000 + 2 * leg as u16));
        let (id, audio) = (LegId(leg), Audio::plain(address, codec));
        worker.handle_command(begin, Command::Open { leg: id, local: address, side: Side::Trunk });
        worker.handle_command(begin, Command::Connect { leg: id, audio });
        let at = begin + Duration::from_micros(20 * leg);
        worker.handle_command(at, Command::Play { leg: id, play: PlayId(1), sounds: sounds.to_vec(), repeat: true });
    }
    let (mut now, mut packets, from) = (begin, 0, cpu());
    while now < begin + HEARD {
        worker.handle_timeout(now);
        while let Some(transmit) = worker.poll_transmit() {
            packets += usize::from(!transmit.rtcp);
            black_box(transmit.bytes);
        }
        while worker.poll_event().is_some() {}
        // The media thread wakes once a millisecond.
        now = worker.poll_timeout().unwrap().max(now + Duration::from_millis(1));
    }
    (cpu() - from, packets)
}

fn hearing() {
    let moh = Sound::Prompt { language: "zh".into(), id: "system/moh".into() };
    for (name, codec) in [("A-law", Codec::Pcma), ("µ-law", Codec::Pcmu)] {
        let mut runs: Vec<(Duration, usize)> = (0..RUNS).map(|_| played(std::slice::from_ref(&moh), codec)).collect();
        runs.sort_unstable();
        let (spent, packets) = runs[0];
        let seconds = LEGS as f64 * HEARD.as_secs_f64();
        println!(
            "{LEGS} legs hearing music in {name}, one wake-up a millisecond, no sockets: {:.0} ns a packet, {:.1} us a leg and second",
            spent.as_nanos() as f64 / packets as f64,
            spent.as_nanos() as f64 / seconds / 1e3,
        );
    }
}

fn main() {
    let (source, names) = (include_str!("../dialplans/hotline.toml"), names());
    println!("CPU time, least of {RUNS} runs");
    reading(source, &names);
    walking(source, &names);
    hearing();
    println!("a whole waiting leg with sockets, of a running switch: `cargo bench --bench ringing`");
}
