//! Conversations with real phones are recorded: caller left, agent right, through hold, pause and transfer; searched, played and kept by command.

use crate::exchange::Exchange;
use crate::process::until;
use crate::transfers::{COLLEAGUE_HERTZ, phone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use serde_json::Value;
use std::path::Path;
use std::thread;

pub(crate) fn recordings(exchange: &Exchange, args: &[&str]) -> std::process::Output {
    exchange.ask(&[&["recordings"], args].concat())
}

pub(crate) fn listed(exchange: &Exchange, args: &[&str]) -> Vec<Value> {
    let said = recordings(exchange, &[args, &["--json"]].concat());
    assert!(said.status.success(), "{said:?}");
    serde_json::from_slice(&said.stdout).unwrap()
}

/// For how many seconds each side of a recording has these tones.
pub(crate) fn heard<const N: usize>(file: &Path, tones: [f64; N]) -> [[f64; N]; 2] {
    sound::sides(file).map(|side| tones.map(|hertz| sound::seconds_of(&side, hertz)))
}

/// A caller talks to one agent, who pauses the recording, holds, and passes the caller on to another; the call.
fn conversations(exchange: &Exchange) -> String {
    let mut agent = phone(exchange, "1001", 27_400, AGENT_HERTZ);
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut caller = phone(exchange, "caller", 27_440, CALLER_HERTZ);
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    caller.chooses_an_agent();
    agent.hears_of("CALL_ESTABLISHED", 20 * SECOND);
    thread::sleep(4 * SECOND);
    let call = exchange.rows("/api/calls/active")[0]["call"].clone();
    let call = format!("c{call}");
    assert!(recordings(exchange, &["pause", &call]).status.success());
    thread::sleep(3 * SECOND);
    assert!(recordings(exchange, &["resume", &call]).status.success());
    thread::sleep(2 * SECOND);
    agent.command("hold", "");
    until("the caller is on hold", 5 * SECOND, || (exchange.agents("hold") == 1).then_some(()));
    thread::sleep(3 * SECOND);
    agent.command("resume", "");
    until("both talk again", 5 * SECOND, || (exchange.agents("talking") == 1).then_some(()));
    let mut colleague = phone(exchange, "1002", 27_480, COLLEAGUE_HERTZ);
    until("the colleague is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    agent.command("transfer", &format!("sip:1002@127.0.0.1:{}", exchange.sip));
    colleague.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    thread::sleep(4 * SECOND);
    caller.command("hangup", "");
    colleague.hears_of("CALL_CLOSED", 3 * SECOND);
    call
}

#[test]
fn what_real_phones_say_is_recorded_on_two_sides_and_found_again() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::start("recordings");
    let call = conversations(&exchange);
    let record = exchange.records(1).remove(0);
    let all = until("both conversations are filed", 10 * SECOND, || {
        let all = listed(&exchange, &["list", "--call", &call]);
        (all.len() == 2 && all.iter().all(|one| one["state"] == "complete")).then_some(all)
    });
    let [second, first] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (&first["right"], &second["right"]),
        (&serde_json::json!({"agent": "1001"}), &serde_json::json!({"agent": "1002"}))
    );
    assert_eq!((&first["from"], &first["to"]), (&"138****8000".into(), &"95118".into()));
    assert_eq!(first["left"], serde_json::json!({"trunk": "carrier"}));
    let recorded = first["ms"].as_i64().unwrap() + second["ms"].as_i64().unwrap();
    let talked = record["talk_ms"].as_i64().unwrap() + record["hold_ms"].as_i64().unwrap();
    assert!((recorded - talked).abs() < 1_000, "{recorded} ms of {talked}");

    let tape = |one: &Value| one["tape"].to_string();
    let play = |one: &Value| {
        let file = exchange.folder.join(format!("{}.wav", tape(one)));
        assert!(recordings(&exchange, &["play", &tape(one), "-o", &file.display().to_string()]).status.success());
        file
    };
    // Of about 4 + 3 paused + 2 + 3 on hold + a few seconds; a phone on hold says nothing.
    let spoken = |ms: &Value| ms.as_f64().unwrap() / 1_000.0;
    let [left, right] = heard(&play(first), [CALLER_HERTZ, AGENT_HERTZ]);
    let without_pause = spoken(&first["ms"]) - 3.0;
    assert!((left[0] - without_pause).abs() < 1.2 && left[1] < 0.3, "left: {left:?} of {without_pause}");
    assert!(right[0] < 0.3 && right[1] > 4.0 && right[1] < without_pause - 2.0, "right: {right:?} of {without_pause}");
    let [left, right] = heard(&play(second), [CALLER_HERTZ, COLLEAGUE_HERTZ]);
    assert!(left[0] > 3.0 && left[1] < 0.3 && right[0] < 0.3 && right[1] > 3.0, "{left:?} {right:?}");

    is_kept_as_told(&exchange, first, second);
}

fn is_kept_as_told(exchange: &Exchange, first: &Value, second: &Value) {
    assert_eq!(listed(exchange, &["list", "--agent", "1002"]), std::slice::from_ref(second));
    assert_eq!(listed(exchange, &["list", "--number", "02112345678"]), [Value::Null; 0]);
    assert_eq!(listed(exchange, &["sample", "--count", "1", "--seed", "3", "--by", "agent"]).len(), 1);
    let tape = |one: &Value| one["tape"].to_string();
    assert!(recordings(exchange, &["hold", &tape(first), "--reason", "case 7"]).status.success());
    until("it is held", 5 * SECOND, || (listed(exchange, &["list", "--held"]).len() == 1).then_some(()));
    let refused = recordings(exchange, &["delete", &tape(first)]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("held: case 7"), "{refused:?}");
    assert!(recordings(exchange, &["delete", &tape(second)]).status.success());
    let gone = || exchange.bytes(&format!("/api/recordings/{}/audio", tape(second))).is_none().then_some(());
    until("it is removed", 5 * SECOND, gone);
    let story = |one: &Value| {
        let story: Value =
            serde_json::from_str(&exchange.page(&format!("/api/recordings/{}", tape(one))).unwrap()).unwrap();
        story["deeds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|deed| deed["deed"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(story(first), ["paused", "resumed", "played", "held"]);
    assert_eq!(story(second), ["played", "removed"]);
}
