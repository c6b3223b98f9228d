//! What a handshake for keys of sound costs (DTLS-SRTP): CPU time of one end, and memory while its call lasts.
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]
#![allow(unsafe_code)] // reads the clock of this process

use busyhour::dtls::{Certificate, Handshakes};
use busyhour_media::{Command, Shake};
use busyhour_model::LegId;
use prometheus::{IntCounterVec, Opts};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const RUNS: u64 = 5;
/// In one run; all of them stay, as calls do.
const LEGS: u64 = 1_000;

/// CPU time of all threads.
fn cpu() -> Duration {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `at` outlives the call and is written only by it.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut at) };
    Duration::new(at.tv_sec as u64, at.tv_nsec as u32)
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

struct End {
    handshakes: Handshakes,
    told: Receiver<Command>,
    certificate: Certificate,
}

fn end() -> End {
    let certificate = Certificate::new().unwrap();
    let counts = IntCounterVec::new(Opts::new("n", "h"), &["outcome"]).unwrap();
    let ((handshakes, shakes), (tell, told)) = (Handshakes::new(), channel());
    shakes.start(certificate.clone(), counts, move |command| drop(tell.send(command))).unwrap();
    End { handshakes, told, certificate }
}

/// One leg's handshake, from its beginning until both ends have their keys.
fn shake(one: &End, other: &End, leg: LegId) {
    for (end, far, active) in [(one, other, true), (other, one, false)] {
        end.handshakes.take(leg, 1, Shake::Begin { active, fingerprint: far.certificate.fingerprint() });
    }
    let mut keyed = [false; 2];
    while keyed != [true; 2] {
        for (at, (from, to)) in [(one, other), (other, one)].into_iter().enumerate() {
            match from.told.recv_timeout(Duration::from_micros(50)) {
                Ok(Command::Shake { leg, datagram, .. }) => to.handshakes.take(leg, 1, Shake::Datagram(datagram)),
                Ok(Command::Key { keys, .. }) => keyed[at] = keys.is_ok(),
                _ => {}
            }
        }
    }
}

fn main() {
    let (one, other) = (end(), end());
    let mut spent = Vec::new();
    shake(&one, &other, LegId(0));
    let before = resident();
    for run in 0..RUNS {
        let begin = cpu();
        (1..=LEGS).for_each(|leg| shake(&one, &other, LegId(run * LEGS + leg)));
        spent.push((cpu() - begin).as_secs_f64() * 1e6 / (2 * LEGS) as f64);
    }
    let bytes = (resident() - before) / (2 * RUNS * LEGS);
    spent.sort_unstable_by(f64::total_cmp);
    println!("one end of a handshake: {:.0} µs of CPU (least), {:.0} (median)", spent[0], spent[spent.len() / 2]);
    println!("one end of a call that has its keys: {bytes} bytes");
}
