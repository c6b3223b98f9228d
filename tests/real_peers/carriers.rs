//! What carriers insist on, by SIPp: PRACK before the answer, REFER taken.

use crate::capture::Capture;
use crate::exchange::{CARRIER, Exchange};
use crate::process::Process;
use crate::scenario::{NOTHING, SOUND, Scenario};
use crate::{SECOND, sipp, sipp_to, wanted};
use std::fs;

const PASS_ON: &str = r#"
name = "elsewhere"
start = "pass"
[node.pass]
transfer = "02112345678"
failed = "end"
[node.end]
hangup = 486
"#;

const EARLY: &str = r#"
name = "early"
start = "hear"
[node.hear]
play = "system/beep"
early = true
then = "talk"
[node.talk]
play = "ivr/welcome"
then = "end"
[node.end]
hangup = true
"#;

const CONFIG: &str = r#"
skills = []
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "PLAN"
"#;

#[test]
fn a_carrier_is_referred_and_takes_the_caller_along() {
    if !wanted() {
        return;
    }
    assert_eq!(causes("elsewhere", PASS_ON, "referred.xml", 27_500), ["passed_on"; 3]);
}

/// The provisional response with the beep comes again until its PRACK; only then the answer.
#[test]
fn a_carrier_who_insists_on_prack_gets_its_early_sound_reliably() {
    if !wanted() {
        return;
    }
    assert_eq!(causes("early", EARLY, "reliable.xml", 27_520), ["caller_hung_up"; 3]);
}

/// Both ends on `::1`, with sound that comes back; every packet as Wireshark would have it.
#[test]
fn a_carrier_on_ipv6_calls_by_udp_and_tcp() {
    const SIX: &str = "[media]\naddress = \"::1\"";
    if !wanted() {
        return;
    }
    let config = CONFIG.replace("PLAN", "early").replace("127.0.0.2", "::1");
    let plan = EARLY.replace("\"ivr/welcome\"", &format!("[{}]", ["\"ivr/welcome\""; 6].join(", ")));
    let exchange = Exchange::of_plan("six", &format!("{config}{SIX}"), &plan);
    let capture = Capture::start(&exchange.folder, exchange.sip, exchange.media);
    let scenario = Scenario::calls().sends("INVITE", NOTHING, SOUND).gets(200, &[("body", "c=IN IP6 ::1")]);
    scenario.sends("ACK", NOTHING, NOTHING).waits(6_000).ends().write(&exchange.folder.join("caller.xml"));
    let callers = [("u1", 27_540), ("t1", 27_560)].map(|(transport, port)| {
        let remote = format!("[::1]:{}", exchange.sip);
        let file = exchange.folder.join("caller.xml").display().to_string();
        let mut caller = sipp_to(&remote, &exchange, &file, "::1", port);
        caller.args(["-t", transport, "-mp", &(port + 2).to_string(), "-m", "1", "-rtp_echo"]);
        Process::start(transport, &exchange.folder, &mut caller)
    });
    callers.into_iter().for_each(|caller| caller.succeeds_within(20 * SECOND));
    for record in exchange.records(2) {
        let stats = &record["legs"][0]["stats"];
        assert!(stats["packets_in"].as_u64() > Some(200) && stats["packets_out"].as_u64() > Some(200), "{record}");
    }
    capture.ends_clean(2);
}

/// Three calls by this scenario to this dialplan; how their records say they ended.
fn causes(name: &str, plan: &str, scenario: &str, port: u16) -> Vec<String> {
    let exchange = Exchange::of_plan(name, &CONFIG.replace("PLAN", name), plan);
    fs::write(exchange.folder.join("numbers.csv"), "SEQUENTIAL\n95118\n").unwrap();
    let mut dial = sipp(&exchange, scenario, CARRIER, port);
    dial.args(["-mp", "27600", "-inf", "numbers.csv", "-r", "2", "-m", "3"]);
    Process::start("sipp", &exchange.folder, &mut dial).succeeds_within(40 * SECOND);
    exchange.records(3).iter().map(|record| record["cause"].as_str().unwrap().to_owned()).collect()
}
