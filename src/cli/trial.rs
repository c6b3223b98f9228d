//! `busyhour trunks call`: a number is called by a trunk, and each step is told as it comes.

use super::show;
use crate::client::{Server, escaped};
use busyhour_model::{Release, StreamStats};
use busyhour_switch::{Happened, Step, Trial};
use serde_json::Value;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between two looks at the server.
const LOOK: Duration = Duration::from_millis(250);
/// A trial rings for 45 s and is over some seconds after the answer.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Calls, and waits for the end; success only when it was answered and sound went over it.
pub(super) fn run(server: &Server, trunk: &str, number: &str, json: bool) -> Result<ExitCode, String> {
    let path = format!("/api/trunks/{}/call", escaped(trunk));
    let order = format!("{path}?number={}&who={}", escaped(number), escaped(&show::user()));
    let answer = server.send("POST", &order, &Value::Null).map_err(|e| e.to_string())?;
    let mut trial: Trial =
        serde_json::from_value(answer).map_err(|e| format!("{} is another program: {e}", server.0))?;
    let (path, until) = (format!("{path}/{}", trial.call), Instant::now() + WAIT_MAX);
    let mut told = 0;
    loop {
        let news = trial.steps.iter().skip(told).filter(|_| !json);
        news.for_each(|step| println!("{}", line(step)));
        told = trial.steps.len();
        if trial.over.is_some() {
            break;
        }
        if Instant::now() >= until {
            return Err(format!("call {0} is still going on; `busyhour ctl hangup {0}` ends it", trial.call));
        }
        std::thread::sleep(LOOK);
        trial = server.get(&path).map_err(|e| e.to_string())?;
    }
    match json {
        true => println!("{:#}", serde_json::json!(trial)),
        false => println!("call {}: {}", trial.call, verdict(&trial)),
    }
    Ok(if trial.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(step: &Step) -> String {
    let seconds = step.after_ms as f64 / 1_000.0;
    let says = match &step.what {
        Happened::NotCalled { reason } => format!("not called: {reason}"),
        Happened::Called { peer } => format!("INVITE to {peer}"),
        Happened::Progress { status, sound } => format!("{status}{}", if *sound { " with sound" } else { "" }),
        Happened::Answered { codec, telephone_event, ptime_ms, sound } => {
            let codec = codec.name();
            let keys =
                telephone_event.map_or("no telephone-events".into(), |number| format!("telephone-event {number}"));
            format!("200: {codec}, {ptime_ms} ms, {keys}, sound to {sound}")
        }
        Happened::Ended { status, release, stats } => ended(*status, *release, stats),
    };
    format!("{seconds:7.3} s  {says}")
}

fn ended(status: u16, release: Option<Release>, stats: &StreamStats) -> String {
    let why = release.map_or(String::new(), |release| {
        let who = if release.by_peer { "by the far end" } else { "by us" };
        let said = if release.told { ", as its Reason says" } else { "" };
        format!(" {who}, cause {}{said}", release.cause)
    });
    let trip = stats.rtt_us.map_or("not measured".into(), |rtt| format!("{:.1} ms", f64::from(rtt) / 1_000.0));
    let StreamStats { packets_in, packets_out, lost_in, .. } = stats;
    format!(
        "ended with {status}{why}; packets sent {packets_out}, heard {packets_in}, lost {lost_in}; round trip {trip}"
    )
}

fn verdict(trial: &Trial) -> &'static str {
    let answered = trial.steps.iter().any(|step| matches!(step.what, Happened::Answered { .. }));
    match (trial.is_good(), answered) {
        (true, _) => "answered, and sound went over it",
        (false, true) => "answered, but no sound was sent or heard",
        (false, false) => "not answered",
    }
}
