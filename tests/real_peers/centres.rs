//! The shipped centres over real SIP: what callers hear, by the sound of it, and whom they reach.

use crate::exchange::{CARRIER, Exchange, PASSWORD, PHONES};
use crate::process::{Process, until};
use crate::prompts::Prompts;
use crate::softphone::{Line, Softphone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sipp, sound, wanted};
use std::fs;
use std::path::Path;
use std::thread;

/// What one caller does and meets in a centre.
struct Centre {
    /// Its folder in `dialplans`.
    name: &'static str,
    /// Dialled by the carrier.
    number: &'static str,
    /// Seconds after the answer, and a key.
    keys: &'static [(u64, char)],
    /// Prompts heard in this order, perhaps with others between.
    hears: &'static [&'static str],
    /// Where the keys lead to.
    queue: &'static str,
    /// Who answers there.
    agent: &'static str,
    /// After the talk, of which the agent makes an end then: the key of the survey, and what it is worth.
    rates: Option<(char, u32)>,
}

/// A customer of no tier anywhere.
const CALLER: &str = "13912345678";
/// SIPp's callers, who press the same keys.
const BY_SIPP: usize = 3;

fn a_caller_is_served(centre: &Centre) {
    if !wanted() {
        return;
    }
    let exchange = Exchange::of_centre(centre.name);
    let server = format!("127.0.0.1:{}", exchange.sip);
    let voice = |name: &str, hertz: f64| {
        let path = exchange.folder.join(format!("{name}-voice.wav"));
        sound::write_tone(&path, hertz, 90);
        path
    };
    let (address, port) = (PHONES.parse().unwrap(), 27_400);
    let account = format!(
        "<sip:{number}@{server};transport=udp>;auth_user={number};auth_pass={PASSWORD};regint=60;answermode=auto;audio_codecs=PCMA/8000/1",
        number = centre.agent
    );
    let mut agent = Softphone::start(
        &exchange.folder,
        &Line { name: "agent", address, port, account, voice: &voice("agent", AGENT_HERTZ) },
    );
    let page = format!("/api/agents/{}/ready", centre.agent);
    until("the agent is ready", 10 * SECOND, || {
        exchange.post(&page);
        (exchange.agents("ready") == 1).then_some(())
    });
    let (address, port) = (CARRIER.parse().unwrap(), 27_440);
    let account = format!("<sip:{CALLER}@{CARRIER}:{port}>;regint=0;audio_codecs=PCMA/8000/1");
    let mut caller = Softphone::start(
        &exchange.folder,
        &Line { name: "caller", address, port, account, voice: &voice("caller", CALLER_HERTZ) },
    );
    caller.command("dial", &format!("sip:{}@{server}", centre.number));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    let mut at = 0;
    for (second, key) in centre.keys {
        thread::sleep((*second - at) as u32 * SECOND);
        caller.command("sndcode", &key.to_string());
        at = *second;
    }
    agent.hears_of("CALL_ESTABLISHED", 20 * SECOND);
    thread::sleep(4 * SECOND);
    let (hangs_up, other) = if centre.rates.is_some() { (&mut agent, &mut caller) } else { (&mut caller, &mut agent) };
    hangs_up.command("hangup", "");
    if let Some((key, _)) = centre.rates {
        thread::sleep(5 * SECOND);
        other.command("sndcode", &key.to_string());
    }
    other.hears_of("CALL_CLOSED", 10 * SECOND);

    let record = &exchange.records(1)[0];
    if let Some((_, score)) = centre.rates {
        let survey = &record["surveys"][0];
        assert_eq!((&survey["agent"], &survey["queue"]), (&record["agent"], &record["queue"]), "{record}");
        assert_eq!(survey["answers"][0]["score"], score, "{record}");
    }
    assert_eq!(
        (record["queue"].as_str(), record["agent"].as_str()),
        (Some(centre.queue), Some(centre.agent)),
        "{record}"
    );
    let ear = caller.ear();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = folder.join("dialplans").join(centre.name).join("prompts");
    let heard: Vec<String> =
        Prompts::read(&[&folder.join("prompts"), &own]).heard_in(&ear).into_iter().map(|heard| heard.id).collect();
    let mut rest = heard.iter();
    let missing = centre.hears.iter().find(|id| !rest.any(|heard| heard == *id));
    assert_eq!(missing, None, "not heard in this order; heard: {heard:?}");
    assert!(sound::seconds_of_tone(&ear, AGENT_HERTZ) >= 3.0, "the caller hears the agent");
    by_sipp(&exchange, centre);
}

/// SIPp calls the same number and presses the same keys; nobody is there any more, so the callers wait until they hang up.
fn by_sipp(exchange: &Exchange, centre: &Centre) {
    fs::write(exchange.folder.join("numbers.csv"), format!("SEQUENTIAL\n{}\n", centre.number)).unwrap();
    let keys: Vec<(f64, u8)> =
        (0..).zip(centre.keys).map(|(n, (_, key))| (2.0 + f64::from(n), key.to_digit(10).unwrap() as u8)).collect();
    sound::write_call(&exchange.folder.join("caller.pcap"), CALLER_HERTZ, 12, &keys);
    let mut dial = sipp(exchange, "carrier.xml", CARRIER, 27_200);
    dial.args(["-mp", "27300", "-inf", "numbers.csv", "-r", "2", "-m", &BY_SIPP.to_string()]);
    Process::start("sipp", &exchange.folder, &mut dial).succeeds_within(40 * SECOND);
    for record in exchange.records(1 + BY_SIPP) {
        assert_eq!(record["queue"], centre.queue, "{record}");
        let surveyed = record["surveys"].as_array().is_some_and(|surveys| !surveys.is_empty());
        assert_eq!(record["cause"], if surveyed { "ivr_hung_up" } else { "caller_hung_up" }, "{record}");
    }
}

#[test]
fn fintech_400_hears_of_a_fraud() {
    a_caller_is_served(&Centre {
        name: "fintech-400",
        number: "02158881888",
        keys: &[(12, '7')],
        hears: &["zh/ivr/welcome", "zh/ivr/recorded", "zh/menu/repayment", "zh/ivr/press"],
        queue: "fraud",
        agent: "6191",
        rates: None,
    });
}

#[test]
fn national_95_secures_an_account() {
    a_caller_is_served(&Centre {
        name: "national-95",
        number: "+8695118",
        keys: &[(12, '1')],
        hears: &["zh/ivr/welcome", "zh/ivr/recorded", "zh/menu/security", "zh/ivr/press", "zh/survey/invite"],
        queue: "security",
        agent: "10741",
        rates: Some(('2', 4)),
    });
}

#[test]
fn securities_95_answers_a_question() {
    a_caller_is_served(&Centre {
        name: "securities-95",
        number: "95199",
        keys: &[(12, '0')],
        hears: &["zh/ivr/welcome", "zh/ivr/recorded", "zh/menu/quotes", "zh/ivr/press"],
        queue: "account",
        agent: "3001",
        rates: None,
    });
}

#[test]
fn bank_3site_blocks_a_lost_card() {
    a_caller_is_served(&Centre {
        name: "bank-3site",
        number: "95190",
        keys: &[(12, '1'), (16, '1')],
        hears: &["zh/ivr/welcome", "zh/ivr/recorded", "zh/menu/loss", "zh/ivr/press", "zh/loss/home"],
        queue: "loss",
        agent: "1001",
        rates: None,
    });
}

#[test]
fn guarantee_rescue_hears_the_urgent_first() {
    a_caller_is_served(&Centre {
        name: "guarantee-rescue",
        number: "4008205501",
        keys: &[(7, '1'), (11, '1')],
        hears: &["zh/ivr/welcome", "zh/menu/guarantee", "zh/ivr/press", "zh/grade/urgent"],
        queue: "urgent",
        agent: "855",
        rates: None,
    });
}
