//! busyhour against other people's programs: SIPp, baresip, Chromium, promtool, tshark, sngrep, moto, aiortc. `./test peers` installs them and runs this;
//! without BUSYHOUR_PEERS nothing here runs, so that `cargo test` needs no root and no packages. `apart` gives each test a network
//! of its own; anything else means that one test runs at a time.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[expect(dead_code, reason = "what only tests/transports needs")]
#[path = "../transports/authority.rs"]
mod authority;
mod bots;
mod browser;
mod capture;
mod carriers;
mod centres;
mod chromium;
mod conferences;
mod dialogs;
mod exchange;
mod failover;
mod groups;
mod homer;
mod kamailio;
mod linphone;
mod monitors;
mod network;
mod outward;
#[expect(dead_code, reason = "what only tests/transports needs")]
#[path = "../transports/peer.rs"]
mod peer;
mod process;
mod prompts;
mod protocol;
mod recordings;
#[path = "../robin/mod.rs"]
mod robin;
mod scanners;
mod scenario;
mod secret;
mod secure;
mod signing_in;
mod silence;
mod softphone;
mod sound;
mod storage;
mod transfers;
mod voicemail;
#[path = "../transports/web.rs"]
mod web;
mod webrtc;

use capture::Capture;
use exchange::{CARRIER, Exchange, PASSWORD, PHONES};
use process::{Process, output, until};
use prompts::Prompts;
use softphone::{Line, Softphone};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

const CALLER_HERTZ: f64 = 620.0;
const AGENT_HERTZ: f64 = 1_130.0;
/// Codecs of a softphone.
const A_LAW: &str = "PCMA/8000/1";
const MU_LAW: &str = "PCMU/8000/1";
const WIDEBAND: &str = "G722/16000/1";
const SECOND: Duration = Duration::from_secs(1);

fn wanted() -> bool {
    match std::env::var("BUSYHOUR_PEERS").as_deref() {
        Ok("apart") => network::apart(),
        Ok(_) => (),
        Err(_) => eprintln!("not run: `./test peers` installs the peers and runs this"),
    }
    std::env::var_os("BUSYHOUR_PEERS").is_some()
}

/// SIPp with one of our scenarios, from `address` to the switch.
fn sipp(exchange: &Exchange, scenario: &str, address: &str, port: u16) -> Command {
    sipp_to(&format!("127.0.0.1:{}", exchange.sip), exchange, scenario, address, port)
}

/// The same to somebody else.
fn sipp_to(remote: &str, exchange: &Exchange, scenario: &str, address: &str, port: u16) -> Command {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp");
    let mut command = Command::new("sipp");
    command.current_dir(&exchange.folder).arg(remote);
    command.arg("-sf").arg(scenarios.join(scenario)).args(["-i", address, "-mi", address, "-nostdin", "-trace_err"]);
    command.args(["-p", &port.to_string()]);
    command
}

#[test]
fn a_carriers_calls_by_udp_and_tcp_reach_the_agents_and_every_leg_hangs_up() {
    const BY_UDP: usize = 6;
    const BY_TCP: usize = 2;
    if !wanted() {
        return;
    }
    let exchange = Exchange::start("carrier");
    let capture = Capture::start(&exchange.folder, exchange.sip, exchange.media);
    let agents: String =
        (1001..=1006).map(|n| format!("{n};[authentication username={n} password={PASSWORD}]\n")).collect();
    fs::write(exchange.folder.join("agents.csv"), format!("SEQUENTIAL\n{agents}")).unwrap();
    fs::write(exchange.folder.join("numbers.csv"), "SEQUENTIAL\n95118\n").unwrap();
    sound::write_call(&exchange.folder.join("caller.pcap"), CALLER_HERTZ, 12, &[(2.0, 1), (4.0, 1)]);

    let mut register = sipp(&exchange, "register.xml", PHONES, 27_000);
    register.args(["-inf", "agents.csv", "-m", "6"]);
    Process::start("register", &exchange.folder, &mut register).succeeds_within(10 * SECOND);
    until("six agents are ready", 5 * SECOND, || (exchange.agents("ready") == 6).then_some(()));

    let mut answer = sipp(&exchange, "agent.xml", PHONES, 27_000);
    answer.args(["-mp", "27100", "-rtp_echo", "-m", &(BY_UDP + BY_TCP).to_string()]);
    let phones = Process::start("phones", &exchange.folder, &mut answer).listens(27_000);
    let dial = |name: &str, transport: &str, port: u16, calls: usize| {
        let mut dial = sipp(&exchange, "carrier.xml", CARRIER, port);
        dial.args(["-t", transport, "-mp", &(port + 100).to_string(), "-inf", "numbers.csv"]);
        dial.args(["-r", "1", "-m", &calls.to_string()]);
        Process::start(name, &exchange.folder, &mut dial)
    };
    let (by_udp, by_tcp) = (dial("by-udp", "u1", 27_200, BY_UDP), dial("by-tcp", "t1", 27_400, BY_TCP));
    by_udp.succeeds_within(60 * SECOND);
    by_tcp.succeeds_within(20 * SECOND);
    phones.succeeds_within(20 * SECOND);

    for record in exchange.records(BY_UDP + BY_TCP) {
        assert_eq!(record["cause"], "caller_hung_up", "{record}");
        assert!(record["agent"].is_string() && record["queue"] == "enquiry", "{record}");
        let legs = record["legs"].as_array().unwrap();
        assert_eq!(legs.len(), 2, "{record}");
        for leg in legs {
            assert_eq!(leg["status"], 200, "{record}");
            // The phones echo, so both legs carry sound both ways; the shortest talk lasts about three seconds.
            for way in ["packets_in", "packets_out"] {
                assert!(leg["stats"][way].as_u64().unwrap() > 100, "{way}: {record}");
            }
            assert_eq!(leg["stats"]["refused_in"], 0, "{record}");
        }
    }
    let calls = BY_UDP + BY_TCP;
    let stats = &exchange.rows("/api/trunks/stats")[0];
    assert!(stats["trunk"] == "carrier" && stats["direction"] == "in", "{stats}");
    for count in ["bids", "invites", "seizures", "answered", "completed"] {
        assert_eq!(stats["counts"][count], calls, "{count}: {stats}");
    }
    assert!(stats["ratios"]["asr"] == "100.00" && stats["ratios"]["isa"] == "0.00", "{stats}");
    capture.ends_clean(calls);
}

/// A softphone caller reaches a softphone agent through the hotline, each with its codecs; `hangs_up` ends the call, the other is to
/// notice.
fn softphones_talk(test: &str, hangs_up: &str, codecs: [&str; 2]) {
    softphones_talk_by(&Exchange::start(test), hangs_up, codecs);
}

fn softphones_talk_by(exchange: &Exchange, hangs_up: &str, [of_caller, of_agent]: [&str; 2]) {
    let capture = Capture::start(&exchange.folder, exchange.sip, exchange.media);
    let voice = |name: &str, hertz: f64| -> PathBuf {
        let path = exchange.folder.join(format!("{name}-voice.wav"));
        sound::write_tone(&path, hertz, 60);
        path
    };
    let server = format!("127.0.0.1:{}", exchange.sip);
    let mut agent = Softphone::start(
        &exchange.folder,
        &Line {
            name: "agent",
            address: PHONES.parse().unwrap(),
            port: 27_400,
            account: format!(
                "<sip:1001@{server};transport=udp>;auth_user=1001;auth_pass={PASSWORD};regint=60;answermode=auto;audio_codecs={of_agent}"
            ),
            voice: &voice("agent", AGENT_HERTZ),
        },
    );
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut caller = Softphone::start(
        &exchange.folder,
        &Line {
            name: "caller",
            address: CARRIER.parse().unwrap(),
            port: 27_440,
            account: format!("<sip:13800138000@{CARRIER}:27440>;regint=0;audio_codecs={of_caller}"),
            voice: &voice("caller", CALLER_HERTZ),
        },
    );
    caller.command("dial", &format!("sip:95118@{server}"));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    caller.chooses_an_agent();
    agent.hears_of("CALL_ESTABLISHED", 20 * SECOND);
    thread::sleep(7 * SECOND);
    let (ends, notices) = if hangs_up == "caller" { (&mut caller, &mut agent) } else { (&mut agent, &mut caller) };
    ends.command("hangup", "");
    notices.hears_of("CALL_CLOSED", 3 * SECOND);

    let records = exchange.records(1);
    let cause = if hangs_up == "caller" { "caller_hung_up" } else { "partner_hung_up" };
    assert_eq!(records[0]["cause"], cause, "{}", records[0]);
    assert_eq!(records[0]["agent"], "1001", "{}", records[0]);
    sounded_well(&records[0]);
    let (caller_ear, agent_ear) = (caller.ear(), agent.ear());
    let shipped = Prompts::read(&[&Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts")]);
    let heard: Vec<_> = shipped.heard_in(&caller_ear).into_iter().map(|heard| heard.id).collect();
    assert_eq!(heard[..3], ["zh/ivr/menu-consult", "zh/ivr/press", "zh/digits/1"], "{heard:?}");
    for (ear, other, own) in [(caller_ear, AGENT_HERTZ, CALLER_HERTZ), (agent_ear, CALLER_HERTZ, AGENT_HERTZ)] {
        let heard = (sound::seconds_of_tone(&ear, other), sound::seconds_of_tone(&ear, own));
        assert!(heard.0 >= 6.0 && heard.1 < 0.3, "{}: {heard:?} s of the other's and of its own voice", ear.display());
    }
    capture.ends_clean(1);
}

/// Both said a tone all the time, and lost nothing of it.
fn sounded_well(record: &serde_json::Value) {
    let talk = |part: &str| record["talk"][part].as_u64().unwrap();
    assert!(talk("ms") > 6_000 && talk("ms").abs_diff(record["talk_ms"].as_u64().unwrap()) < 300, "{record}");
    for part in ["caller_ms", "partner_ms", "both_ms"] {
        assert!(talk(part) * 100 > talk("ms") * 93, "{part}: {record}");
    }
    for leg in record["legs"].as_array().unwrap() {
        assert!(leg["mos_in"].as_f64().unwrap() > 4.0, "{record}");
        assert!(leg["mos_out"].as_f64().is_none_or(|mos| mos > 4.0), "{record}");
        assert!(leg["fax"].is_null() && leg["unheard"].is_null(), "{record}");
    }
    let reported = record["legs"].as_array().unwrap().iter().any(|leg| leg["stats"]["lost_out"].is_u64());
    assert!(reported, "baresip says how it hears us: {record}");
}

#[test]
fn softphones_hear_each_other_and_the_agent_notices_the_caller_hang_up() {
    if wanted() {
        softphones_talk("caller-hangs-up", "caller", [MU_LAW, A_LAW]);
    }
}

#[test]
fn softphones_hear_each_other_and_the_caller_notices_the_agent_hang_up() {
    if wanted() {
        softphones_talk("agent-hangs-up", "agent", [MU_LAW, A_LAW]);
    }
}

#[test]
fn wideband_softphones_hear_the_prompts_and_each_other() {
    if wanted() {
        softphones_talk("wideband", "caller", [WIDEBAND, "PCMA/8000/1,G722/16000/1"]);
    }
}

#[cfg(feature = "opus")]
#[test]
fn a_softphone_with_opus_hears_the_prompts_and_one_that_has_only_a_law() {
    if wanted() {
        let exchange = Exchange::speaking("opus", &["opus", "pcma"]);
        softphones_talk_by(&exchange, "caller", ["opus/48000/2", A_LAW]);
    }
}

#[test]
fn a_wideband_softphone_and_one_that_has_only_a_law_hear_each_other() {
    if wanted() {
        softphones_talk("wideband-caller", "agent", [WIDEBAND, A_LAW]);
    }
}

#[test]
fn prometheus_accepts_the_metrics_page_and_the_rules() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::start("metrics");
    let page = exchange.folder.join("metrics.txt");
    fs::write(&page, exchange.page("/metrics").expect("/metrics is answered")).unwrap();
    output(Command::new("promtool").args(["check", "metrics"]).stdin(File::open(&page).unwrap()));
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/prometheus-rules.yml");
    output(Command::new("promtool").args(["check", "rules"]).arg(rules));
    assert!(!exchange.said().contains("ERROR"), "{}", exchange.said());
}
