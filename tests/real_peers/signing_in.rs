//! An agent signs in by voice at a phone that is nobody's, and the next call of the queue rings there.

use crate::exchange::{CARRIER, Exchange, PASSWORD, PHONES};
use crate::process::until;
use crate::softphone::{Line, Softphone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use std::fs;
use std::path::Path;
use std::thread;

const PIN: &str = "907316";

const PLAN: &str = r#"
name = "waiting"
start = "wait"
[node.wait]
queue = "card"
else = "end"
[node.end]
hangup = true
"#;

const CONFIG: &str = r#"
skills = ["card"]
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "waiting"
[[queue]]
name = "card"
skills = { card = 1 }
[[phone]]
number = "8001"
password = "correct-horse-7"
[[agent]]
number = "1001"
password = "correct-horse-7"
pin = "907316"
skills = { card = 1 }
"#;

/// One key after the other, as telephone-events (RFC 4733).
fn press(phone: &mut Softphone, keys: &str) {
    for key in keys.chars() {
        phone.command("sndcode", &key.to_string());
        thread::sleep(SECOND * 3 / 10);
    }
}

/// Whether a file in there has these bytes.
fn holds(folder: &Path, wanted: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => holds(&path, wanted),
        false => fs::read(&path).unwrap().windows(wanted.len()).any(|window| window == wanted),
    })
}

#[test]
fn an_agent_keys_in_number_and_pin_at_a_phone_of_nobody_and_takes_the_queues_call_there() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::of_plan("signing-in", CONFIG, PLAN);
    let server = format!("127.0.0.1:{}", exchange.sip);
    let voice = |name: &str, hertz: f64| {
        let path = exchange.folder.join(format!("{name}-voice.wav"));
        sound::write_tone(&path, hertz, 60);
        path
    };
    let account = format!(
        "<sip:8001@{server};transport=udp>;auth_user=8001;auth_pass={PASSWORD};regint=60;audio_codecs=PCMA/8000/1;answermode=auto"
    );
    let (address, port) = (PHONES.parse().unwrap(), 27_400);
    let line = Line { name: "desk", address, port, account, voice: &voice("desk", AGENT_HERTZ) };
    let mut desk = Softphone::start(&exchange.folder, &line);
    let said = || fs::read_to_string(exchange.folder.join("desk.log")).unwrap_or_default();
    until("the phone has registered", 10 * SECOND, || said().contains("200 OK").then_some(()));
    desk.command("dial", &format!("sip:*70@{server}"));
    desk.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    thread::sleep(2 * SECOND);
    press(&mut desk, "1001#111111#");
    let counted = |outcome: &str| format!("busyhour_sign_ins_by_pin_total{{outcome=\"{outcome}\"}} 1");
    let is_told = |outcome: &str| exchange.page("/metrics").is_some_and(|page| page.contains(&counted(outcome)));
    until("the wrong PIN is refused", 5 * SECOND, || is_told("wrong_pin").then_some(()));
    press(&mut desk, &format!("1001#{PIN}#"));
    until("the agent is ready", 5 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    assert!(is_told("seated"));
    assert_eq!(exchange.rows("/api/agents")[0]["phone"], "8001");
    desk.hears_of("CALL_CLOSED", 20 * SECOND);

    let (address, port) = (CARRIER.parse().unwrap(), 27_440);
    let account = format!("<sip:13800138000@{CARRIER}:{port}>;regint=0;audio_codecs=PCMA/8000/1");
    let line = Line { name: "caller", address, port, account, voice: &voice("caller", CALLER_HERTZ) };
    let mut caller = Softphone::start(&exchange.folder, &line);
    caller.command("dial", &format!("sip:95118@{server}"));
    desk.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    thread::sleep(4 * SECOND);
    caller.command("hangup", "");
    desk.hears_of("CALL_CLOSED", 5 * SECOND);
    let records = exchange.records(2);
    let served = records.iter().find(|record| record["queue"] == "card").expect("the queue's call");
    assert_eq!((&served["agent"], &served["cause"]), (&"1001".into(), &"caller_hung_up".into()), "{served}");
    assert!(sound::seconds_of_tone(&caller.ear(), AGENT_HERTZ) >= 2.0, "the caller hears the agent");
    assert!(!exchange.said().contains(PIN), "the log has no PIN");
    assert!(!holds(&exchange.folder.join("data"), PIN.as_bytes()), "neither journal nor store has it");
}
