//! Phones that name a call of ours: they pick it up, go on with it elsewhere (RFC 3891), or make one of two (RFC 5589), by SIPp.

use crate::exchange::{CARRIER, Exchange, PASSWORD, PHONES};
use crate::process::{Process, until};
use crate::scenario::{BESIDE_TAG, NOTHING, SOUND, Scenario};
use crate::{CALLER_HERTZ, SECOND, sipp, sound, wanted};
use serde_json::Value;
use std::fs;

const CONFIG: &str = r#"
skills = []
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "plan"
[[agent]]
numbers = "1001-1003"
password = "correct-horse-7"
skills = {}
"#;

/// Rings an agent.
const RING: &str = r#"
name = "plan"
start = "ring"
[node.ring]
dial = { agent = "1001" }
timeout = "30s"
else = "end"
[node.end]
hangup = 486
"#;

/// An exchange at which these agents are registered, each at the port of its own; and a caller's voice.
fn exchange(name: &str, agents: &[(&str, u16)]) -> Exchange {
    let exchange = Exchange::of_plan(name, CONFIG, RING);
    sound::write_call(&exchange.folder.join("caller.pcap"), CALLER_HERTZ, 15, &[]);
    for (agent, port) in agents {
        let line = format!("SEQUENTIAL\n{agent};[authentication username={agent} password={PASSWORD}]\n");
        fs::write(exchange.folder.join("agent.csv"), line).unwrap();
        let mut register = sipp(&exchange, "register.xml", PHONES, *port);
        register.args(["-inf", "agent.csv", "-m", "1"]);
        Process::start("register", &exchange.folder, &mut register).succeeds_within(10 * SECOND);
    }
    exchange
}

/// Somebody who does this, and echoes what is heard.
fn somebody(exchange: &Exchange, name: &str, address: &str, port: u16, scenario: Scenario) -> Process {
    // A Call-ID that may stand in a URI.
    scenario.starts(exchange, name, (address, port), &["-rtp_echo", "-cid_str", &format!("{name}-%u")])
}

/// The caller talks until being hung up on.
fn caller(exchange: &Exchange) -> Process {
    let scenario = Scenario::calls().sends("INVITE", NOTHING, SOUND).gets(200, &[]).sends("ACK", NOTHING, NOTHING);
    somebody(exchange, "caller", CARRIER, 27_660, scenario.plays("caller.pcap").ended())
}

/// Who rings, answers, and talks until being hung up on.
fn answers(scenario: Scenario) -> Scenario {
    let scenario = scenario.takes("INVITE", &[]).answers("180 Ringing", "a", NOTHING, NOTHING);
    scenario.answers("200 OK", "a", NOTHING, SOUND).takes("ACK", &[])
}

/// How Replaces names the dialog of the first call in which we said or heard this, when the wire has had it.
fn named(exchange: &Exchange, party: &str, first: &str) -> String {
    let found = || {
        let page = exchange.page("/api/calls/1/trace?full=true&unmasked=true")?;
        let ladder: Value = serde_json::from_str(&page).unwrap();
        let of_party = |rung: &&Value| {
            let peer = rung["peer"].as_u64().and_then(|peer| usize::try_from(peer).ok()).unwrap();
            ladder["peers"][peer]["party"] == party && rung["first"].as_str().unwrap().starts_with(first)
        };
        let rungs = ladder["rungs"].as_array().unwrap();
        let message = rungs.iter().rfind(of_party)?["message"].as_str().unwrap().to_owned();
        let value = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let tag = |name: &str| Some(value(name)?.split_once("tag=")?.1.to_owned());
        // As the phone names it that called us, or that we called: both are understood.
        Some(format!("{};to-tag={};from-tag={}", value("Call-ID: ")?, tag("To: ")?, tag("From: ")?))
    };
    until(&format!("{first} of {party} is seen"), 10 * SECOND, found)
}

/// Sound both ways on these legs of a record.
#[track_caller]
fn talked(record: &Value, legs: &[usize]) {
    for leg in legs {
        let stats = &record["legs"][*leg]["stats"];
        for way in ["packets_in", "packets_out"] {
            assert!(stats[way].as_u64().unwrap() > 50, "leg {leg}, {way}: {record}");
        }
    }
}

#[test]
fn rfc3891_a_ringing_call_is_picked_up_and_then_taken_over_by_another_phone() {
    if !wanted() {
        return;
    }
    let exchange = exchange("replaces", &[("1001", 27_000)]);
    let rings = Scenario::called()
        .takes("INVITE", &[])
        .answers("180 Ringing", "a", NOTHING, NOTHING)
        .takes("CANCEL", &[])
        .replies("200 OK", NOTHING, NOTHING)
        .answers("487 Request Terminated", "a", NOTHING, NOTHING)
        .takes("ACK", &[]);
    let rung = somebody(&exchange, "rung", PHONES, 27_000, rings);
    let caller = caller(&exchange);

    let ringing = named(&exchange, "1001", "SIP/2.0 180");
    let picks_up = Scenario::dials("1002", "1001")
        .challenged()
        .invites_as("1002", "Replaces: nobody;to-tag=x;from-tag=y")
        .gets(481, &[])
        .sends("ACK", NOTHING, NOTHING)
        .invites_as("1002", &format!("Require: replaces\nReplaces: {ringing}"))
        .gets(200, &[("body", "m=audio [1-9]")])
        .sends("ACK", NOTHING, NOTHING)
        .ended();
    let first = somebody(&exchange, "first", PHONES, 27_020, picks_up);
    rung.succeeds_within(10 * SECOND);

    let talk = named(&exchange, "1002", "SIP/2.0 200");
    let stranger = Scenario::dials("1003", "1002").challenged();
    let stranger =
        stranger.invites_as("1003", &format!("Replaces: {talk}")).gets(403, &[]).sends("ACK", NOTHING, NOTHING);
    let stranger = somebody(&exchange, "stranger", PHONES, 27_060, stranger);
    stranger.succeeds_within(10 * SECOND);
    let takes_over = Scenario::dials("1002", "1002")
        .challenged()
        .waits(1_500)
        .invites_as("1002", &format!("Replaces: {talk};early-only"))
        .gets(486, &[])
        .sends("ACK", NOTHING, NOTHING)
        .invites_as("1002", &format!("Replaces: {talk}"))
        .gets(200, &[])
        .sends("ACK", NOTHING, NOTHING)
        .waits(3_000)
        .ends();
    let second = somebody(&exchange, "second", PHONES, 27_040, takes_over);
    first.succeeds_within(10 * SECOND);
    assert_eq!(exchange.rows("/api/calls/active").len(), 1, "who is replaced is hung up on, and the call goes on");
    for phone in [second, caller] {
        phone.succeeds_within(20 * SECOND);
    }
    let record = exchange.records(1).remove(0);
    assert_eq!((&record["cause"], &record["agent"]), (&"partner_hung_up".into(), &"1002".into()), "{record}");
    talked(&record, &[0, 2, 3]);
}

#[test]
fn rfc5589_7_an_agent_asks_a_colleague_and_makes_one_of_both_calls() {
    if !wanted() {
        return;
    }
    let exchange = exchange("attended", &[("1001", 27_000), ("1003", 27_040)]);
    let colleague = answers(Scenario::called()).waits(4_000);
    let colleague =
        somebody(&exchange, "colleague", PHONES, 27_040, colleague.sends("BYE", NOTHING, NOTHING).gets(200, &[]));
    let to = format!(
        "Refer-To: <sip:1003@[remote_ip]?Replaces=b%2F%2F%2F[call_id]%3Bto-tag%3D[${BESIDE_TAG}]%3Bfrom-tag%3Db[pid]c[call_number]>"
    );
    let asks = answers(Scenario::called())
        .waits(1_000)
        .dials_beside("1001", "1003")
        .challenged()
        .invites_as("1001", NOTHING)
        .gets(200, &[])
        .sends("ACK", NOTHING, NOTHING)
        .waits(1_000)
        .turns()
        .sends("REFER", &to, NOTHING)
        .gets(202, &[])
        .takes("NOTIFY", &[("Subscription-State:", "active;expires="), ("body", "SIP/2.0 100 Trying")])
        .replies("200 OK", NOTHING, NOTHING)
        .takes("BYE", &[])
        .replies("200 OK", NOTHING, NOTHING)
        .takes("NOTIFY", &[("Subscription-State:", "terminated;reason=noresource"), ("body", "SIP/2.0 200 OK")])
        .replies("200 OK", NOTHING, NOTHING)
        .ended();
    let agent = somebody(&exchange, "agent", PHONES, 27_000, asks);
    let caller = caller(&exchange);
    for phone in [agent, colleague, caller] {
        phone.succeeds_within(20 * SECOND);
    }
    let record = exchange.records(2).into_iter().find(|record| record["to"]["raw"] == "95118").unwrap();
    assert_eq!((&record["cause"], &record["agent"]), (&"partner_hung_up".into(), &"1003".into()), "{record}");
    talked(&record, &[0, 1, 2]);
}
