//! Calls out that meet more than an answer: trials of a trunk, callees who have moved, keys as tones in the sound.

use crate::exchange::{CARRIER, Exchange};
use crate::process::Process;
use crate::scenario::{NOTHING, SOUND, Scenario};
use crate::softphone::{Line, Softphone};
use crate::{CALLER_HERTZ, SECOND, sound, wanted};
use std::process::Output;

const CONFIG: &str = r#"
skills = []
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
dtmf = "inband"
[[trunk]]
name = "onward"
peer = "udp:127.0.0.5:27640"
[[trunk]]
name = "follows"
peer = "udp:127.0.0.6:27650"
redirects = 1
[[number]]
number = "95118"
dialplan = "plan"
"#;

/// Who is called by either trunk.
const ONWARD: (&str, u16) = ("127.0.0.5", 27_640);
const FOLLOWS: (&str, u16) = ("127.0.0.6", 27_650);

/// By the trunk that follows nobody, then by the one that does.
const MOVED: &str = r#"
name = "plan"
start = "on"
[node.on]
dial = { number = "13900139000", trunk = "onward" }
else = "again"
[node.again]
dial = { number = "13900139000", trunk = "follows" }
else = "end"
[node.end]
hangup = 486
"#;

/// Three keys are pressed for the caller, who answers by four, and those are called.
const KEYS: &str = r##"
name = "plan"
start = "press"
[node.press]
dtmf = "12#"
then = "keys"
[node.keys]
collect = "number"
length = 4
timeout = "10s"
then = "on"
too_many = "end"
[node.on]
dial = { number = "$number", trunk = "onward" }
else = "end"
[node.end]
hangup = 486
"##;

/// Rings, talks, and is hung up on.
fn answers(scenario: Scenario) -> Scenario {
    // SIPp echoes on one port, whichever call it is.
    let sound = SOUND.replace("auto_media_port", "media_port");
    let said = scenario.answers("180 Ringing", "a", NOTHING, NOTHING).answers("200 OK", "a", NOTHING, &sound);
    said.takes("ACK", &[]).ended()
}

/// A caller who plays `caller.pcap` and hangs up so long after the answer.
fn call(exchange: &Exchange, milliseconds: u32) -> Process {
    let scenario = Scenario::calls().sends("INVITE", NOTHING, SOUND).gets(200, &[]).sends("ACK", NOTHING, NOTHING);
    scenario.plays("caller.pcap").waits(milliseconds).ends().starts(exchange, "caller", (CARRIER, 27_660), &[])
}

/// A trial is told step by step, and its exit code says whether sound went over the trunk. Then callees move.
#[test]
fn a_trunk_is_tried_by_command_and_who_has_moved_is_followed_where_the_trunk_says_so() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::of_plan("moved", CONFIG, MOVED);
    let trial = || -> (bool, String) {
        let Output { status, stdout, stderr } = exchange.ask(&["trunks", "call", "onward", "13900139000"]);
        (status.success(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
    };
    let takes = || Scenario::called().takes("INVITE", &[]);
    let busy = takes().answers("486 Busy Here", "a", "Reason: Q.850;cause=17", NOTHING).takes("ACK", &[]);
    for (name, scenario, good, told) in [
        (
            "good",
            answers(takes()),
            true,
            &["180", "200: PCMA, 20 ms, telephone-event 101", "answered, and sound went"][..],
        ),
        ("busy", busy, false, &["ended with 486 by the far end, cause 17, as its Reason says", "not answered"]),
    ] {
        let callee = scenario.starts(&exchange, name, ONWARD, &["-rtp_echo"]);
        let (success, said) = trial();
        assert!(
            told.iter().all(|text| said.contains(text)) && said.contains("INVITE to udp:127.0.0.5:27640"),
            "{said}"
        );
        assert_eq!(success, good, "{said}");
        callee.succeeds_within(10 * SECOND);
    }

    sound::write_call(&exchange.folder.join("caller.pcap"), CALLER_HERTZ, 4, &[]);
    let elsewhere = "Contact: <sip:13700137000@198.51.100.9>";
    let moves = || takes().answers("302 Moved Temporarily", "a", elsewhere, NOTHING).takes("ACK", &[]);
    let unfollowed = moves().starts(&exchange, "unfollowed", ONWARD, &[]);
    let followed = Scenario::called().takes_unless("13900139000", &moves());
    let followed = answers(followed).starts(&exchange, "followed", FOLLOWS, &["-rtp_echo", "-m", "2"]);
    let caller = call(&exchange, 2_500);
    for peer in [unfollowed, followed, caller] {
        peer.succeeds_within(20 * SECOND);
    }
    let records = exchange.records(3);
    let record = records.iter().find(|record| record["to"]["raw"] == "95118").unwrap();
    assert_eq!(record["cause"], "caller_hung_up", "{record}");
    let legs = record["legs"].as_array().unwrap();
    let statuses: Vec<_> = legs.iter().map(|leg| leg["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 302, 302, 200], "{record}");
    for way in ["packets_in", "packets_out"] {
        assert!([0, 3].iter().all(|leg| legs[*leg]["stats"][way].as_u64().unwrap() > 50), "{way}: {record}");
    }
}

#[test]
fn q23_keys_are_heard_and_pressed_as_tones_in_the_sound() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::of_plan("inband", CONFIG, KEYS);
    let keys = [(2.0, '1'), (2.3, '3'), (2.6, '9'), (2.9, '0')];
    sound::write_keys(&exchange.folder.join("caller.pcap"), 5, &keys);
    let callee = Scenario::called().takes("INVITE", &[("To:", "sip:1390@")]);
    let callee = answers(callee).starts(&exchange, "callee", ONWARD, &["-rtp_echo"]);
    let caller = call(&exchange, 4_000);
    callee.succeeds_within(20 * SECOND);
    caller.succeeds_within(20 * SECOND);

    let voice = exchange.folder.join("voice.wav");
    sound::write_tone(&voice, CALLER_HERTZ, 30);
    let line = Line {
        name: "listener",
        address: CARRIER.parse().unwrap(),
        port: 27_440,
        account: format!("<sip:13800138000@{CARRIER}:27440>;regint=0;audio_codecs=PCMA/8000/1"),
        voice: &voice,
    };
    let mut listener = Softphone::start(&exchange.folder, &line);
    listener.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    listener.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    std::thread::sleep(3 * SECOND);
    listener.command("hangup", "");
    exchange.records(2);
    let ear = listener.ear();
    // 1, 2 and # (ITU-T Q.23): two of the first row, and each a column of its own.
    for (hertz, least) in [(697.0, 0.2), (941.0, 0.1), (1_209.0, 0.1), (1_336.0, 0.1), (1_477.0, 0.1)] {
        let heard = sound::seconds_of_tone(&ear, hertz);
        assert!((least..1.0).contains(&heard), "{hertz} Hz for {heard} s");
    }
    assert!(sound::seconds_of_tone(&ear, 852.0) < 0.1, "nobody pressed a key of the third row");
}
