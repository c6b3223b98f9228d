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

/// A WAV file of what libopus hears in an Ogg/Opus file.
#[cfg(feature = "opus")]
fn decoded(opus: &Path) -> std::path::PathBuf {
    let wav = opus.with_extension("decoded.wav");
    let mut command = std::process::Command::new("opusdec");
    crate::process::output(command.args(["--quiet", "--rate", "8000", "--force-wav"]).arg(opus).arg(&wav));
    wav
}

#[cfg(feature = "opus")]
#[test]
fn a_conversation_kept_as_opus_is_heard_on_two_sides_by_libopus() {
    if !wanted() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let keys = folder.join("opus-recordings.keys");
    std::fs::remove_file(&keys).ok();
    let mut key = crate::exchange::program();
    crate::process::output(key.args(["recordings", "key"]).arg(&keys));
    let exchange =
        Exchange::recording("opus-recordings", &format!("format = \"opus\"\nkey_file = \"{}\"", keys.display()));
    let call = conversations(&exchange);
    let all = until("both conversations are made Ogg/Opus", 30 * SECOND, || {
        let all = listed(&exchange, &["list", "--call", &call]);
        let made = |one: &Value| one["file"].as_str().unwrap_or_default().ends_with(".opus.sealed");
        (all.len() == 2 && all.iter().all(made)).then_some(all)
    });
    for (one, partner) in [(&all[1], AGENT_HERTZ), (&all[0], COLLEAGUE_HERTZ)] {
        let name = one["file"].as_str().unwrap();
        let sealed = exchange.folder.join("data/recordings").join(name);
        let tape = one["tape"].to_string();
        let [played, opened] = ["played", "opened"].map(|how| exchange.folder.join(format!("{tape}-{how}.opus")));
        let to = |file: &Path| file.display().to_string();
        assert!(recordings(&exchange, &["play", &tape, "-o", &to(&played)]).status.success());
        let mut decrypt = crate::exchange::program();
        decrypt.args(["recordings", "decrypt", &to(&sealed), "--keys", &to(&keys), "-o", &to(&opened)]);
        crate::process::output(&mut decrypt);
        assert!(std::fs::read(&played).unwrap() == std::fs::read(&opened).unwrap(), "both are the same file");
        assert!(!sealed.with_extension("").with_extension("wav.sealed").exists(), "what it was made of is gone");
        let [left, right] = sound::sides(&decoded(&played));
        let ms = one["ms"].as_u64().unwrap() as usize;
        assert_eq!((left.len() / 8, right.len() / 8), (ms, ms));
        let spoken = |side: &[f64]| [CALLER_HERTZ, partner].map(|hertz| sound::seconds_of(side, hertz));
        let ([left, across], [back, right]) = (spoken(&left), spoken(&right));
        assert!(left > 3.0 && across < 0.3 && back < 0.3 && right > 3.0, "{left} {across} {back} {right}");
    }
}

/// Each side keeps its length, level, pitch and time; the other is not heard there.
#[cfg(feature = "opus")]
#[test]
fn what_is_made_opus_is_in_step_to_a_millisecond_by_libopus() {
    use busyhour_media::{g711, ogg::OggOpus, tone};
    if !wanted() {
        return;
    }
    const LEN: usize = 80_100;
    let said = [(CALLER_HERTZ, 8_000), (350.0, 12_000)];
    let sides = said.map(|(hertz, from)| {
        let silence = std::iter::repeat_n(0xD5, from);
        silence.chain(tone::Sine::new(hertz, -12.0).map(g711::encode_a)).take(LEN).collect::<Vec<u8>>()
    });
    let codes: Vec<u8> = sides[0].iter().zip(&sides[1]).flat_map(|(left, right)| [*left, *right]).collect();
    let mut ogg = OggOpus::new().unwrap();
    let mut bytes = ogg.add(&codes).unwrap();
    bytes.extend(ogg.finish().unwrap());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("in-step.opus");
    std::fs::write(&file, bytes).unwrap();
    for (side, ((hertz, from), other)) in
        sound::sides(&decoded(&file)).iter().zip(said.iter().zip([350.0, CALLER_HERTZ]))
    {
        let heard: Vec<i16> = side.iter().map(|sample| *sample as i16).collect();
        assert_eq!(heard.len(), LEN);
        let begins = heard.iter().position(|sample| sample.abs() > 1_500).unwrap();
        assert!(begins.abs_diff(*from) <= 8, "{hertz} Hz begins {begins} of {from}");
        let level = |hertz| tone::level(&heard[from + 800..], hertz);
        assert!((level(*hertz) + 12.0).abs() < 1.5 && level(other) < -50.0, "{} {}", level(*hertz), level(other));
    }
}
