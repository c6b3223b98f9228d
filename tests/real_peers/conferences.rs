//! Three real phones in one talk: an agent is told of the caller, asks a colleague, joins both by keys, leaves them.

use crate::exchange::Exchange;
use crate::process::until;
use crate::softphone::Softphone;
use crate::transfers::{COLLEAGUE_HERTZ, phone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread;

/// What the agent is told is this for 2 s, so that it can be told from voices.
const BRIEFING_HERTZ: f64 = 1_750.0;
const CONFIG: &str = r#"
skills = ["enquiry"]
[server]
prompts = "PROMPTS"
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "hotline"
[[queue]]
name = "enquiry"
skills = { enquiry = 1 }
[[agent]]
number = "1001"
password = "correct-horse-7"
skills = { enquiry = 1 }
auto_ready = true
[[agent]]
number = "1002"
password = "correct-horse-7"
"#;
const PLAN: &str = r#"
name = "hotline"
start = "wait"
[node.wait]
queue = "enquiry"
announce_agent = "agent/whisper-queue"
else = "end"
[node.end]
hangup = 480
"#;

/// For how many seconds a phone heard the caller, the agent, the colleague and the briefing, in all its calls.
fn heard(phone: Softphone) -> [f64; 4] {
    let ears = phone.ears();
    [CALLER_HERTZ, AGENT_HERTZ, COLLEAGUE_HERTZ, BRIEFING_HERTZ]
        .map(|hertz| ears.iter().map(|ear| sound::seconds_of_tone(ear, hertz)).sum())
}

#[test]
fn three_phones_hear_each_other_and_only_the_agent_is_told_of_the_caller() {
    if !wanted() {
        return;
    }
    let prompts = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conferences-prompts");
    fs::create_dir_all(prompts.join("zh/agent")).unwrap();
    sound::write_tone(&prompts.join("zh/agent/whisper-queue.wav"), BRIEFING_HERTZ, 2);
    let config = CONFIG.replace("PROMPTS", &prompts.display().to_string());
    let exchange = Exchange::of_plan("conferences", &config, PLAN);
    let mut agent = phone(&exchange, "1001", 27_400, AGENT_HERTZ);
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut colleague = phone(&exchange, "1002", 27_480, COLLEAGUE_HERTZ);
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ);
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    agent.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    thread::sleep(6 * SECOND);
    agent.command("hold", "");
    thread::sleep(SECOND);
    agent.command("dial", &format!("sip:1002@127.0.0.1:{}", exchange.sip));
    colleague.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    thread::sleep(3 * SECOND);
    agent.command("sndcode", "*");
    agent.command("sndcode", "3");
    agent.hears_of("CALL_CLOSED", 5 * SECOND);
    thread::sleep(6 * SECOND);
    let call = format!("c{}", exchange.rows("/api/calls/active")[0]["call"]);
    let parties = exchange.ask(&["ctl", "parties", &call]);
    assert!(String::from_utf8_lossy(&parties.stdout).contains("guest"), "{parties:?}");
    agent.command("hangup", "");
    thread::sleep(4 * SECOND);
    caller.command("hangup", "");
    colleague.hears_of("CALL_CLOSED", 3 * SECOND);
    exchange.records(2);
    let (caller, agent, colleague) = (heard(caller), heard(agent), heard(colleague));
    let few = |seconds: f64| seconds < 0.4;
    let told = format!("caller, agent, colleague: {caller:?} {agent:?} {colleague:?}");
    assert!((1.2..2.8).contains(&agent[3]) && few(caller[3]) && few(colleague[3]), "who is told of the caller: {told}");
    assert!(few(caller[0]) && few(agent[1]) && few(colleague[2]), "nobody hears itself: {told}");
    // 4 s of two, then 6 s of three; the agent and the colleague 3 s before, the caller and the colleague 4 s after.
    assert!((8.0..12.5).contains(&caller[1]) && (8.0..12.5).contains(&agent[0]), "caller and agent: {told}");
    assert!((7.0..11.5).contains(&agent[2]) && (7.0..11.5).contains(&colleague[1]), "agent and colleague: {told}");
    assert!((8.0..12.5).contains(&caller[2]) && (8.0..12.5).contains(&colleague[0]), "caller and colleague: {told}");
    tapes(&exchange);
}

/// Of the caller's conversations one has both others together on its right side.
fn tapes(exchange: &Exchange) {
    let said = exchange.ask(&["recordings", "list", "--json"]);
    let all: Vec<Value> = serde_json::from_slice(&said.stdout).unwrap();
    let tones = |one: &Value| {
        let tape = one["tape"].to_string();
        let file = exchange.folder.join(format!("{tape}.wav"));
        let played = exchange.ask(&["recordings", "play", &tape, "-o", &file.display().to_string()]);
        assert!(played.status.success(), "{played:?}");
        let tones = [CALLER_HERTZ, AGENT_HERTZ, COLLEAGUE_HERTZ];
        sound::sides(&file).map(|side| tones.map(|hertz| sound::seconds_of(&side, hertz)))
    };
    let heard: Vec<_> = all.iter().filter(|one| one["state"] == "complete").map(tones).collect();
    let together = heard.iter().filter(|[left, right]| left[0] > 4.0 && right[1] > 4.0 && right[2] > 4.0).count();
    assert_eq!(together, 1, "one tape has all three: {heard:?}");
    assert!(heard.iter().all(|[left, right]| left[1] < 0.4 && left[2] < 0.4 && right[0] < 0.4), "sides: {heard:?}");
}
