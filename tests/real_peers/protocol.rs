//! Behaviour that RFCs name, each by SIPp: as the carrier who calls us, and as the one we call.

use crate::exchange::{CARRIER, Exchange};
use crate::scenario::{FREE, NOTHING, SOUND, Scenario};
use crate::{SECOND, wanted};
use serde_json::Value;

/// Who we call.
const CALLEE: (&str, u16) = ("127.0.0.5", 27_640);

const CONFIG: &str = r#"
skills = []
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[trunk]]
name = "onward"
peer = "udp:127.0.0.5:27640"
[[number]]
number = "95118"
dialplan = "plan"
"#;

/// Heard early for some seconds, then four keys are awaited.
const HEARD: &str = r#"
name = "plan"
start = "hear"
[node.hear]
play = "ivr/welcome"
early = true
then = "keys"
[node.keys]
collect = "number"
length = 4
timeout = "30s"
then = "end"
too_many = "end"
[node.end]
hangup = true
"#;

/// On to somebody outside.
const ONWARD: &str = r#"
name = "plan"
start = "on"
[node.on]
dial = { number = "13900139000", trunk = "onward" }
timeout = "20s"
else = "end"
[node.end]
hangup = 486
"#;

/// The record of one call by this scenario.
fn caller(name: &str, scenario: Scenario) -> Value {
    let exchange = Exchange::of_plan(name, CONFIG, HEARD);
    call(&exchange, scenario);
    exchange.records(1).remove(0)
}

/// The record of a call to who behaves like this.
fn callee(name: &str, scenario: Scenario) -> Value {
    let exchange = Exchange::of_plan(name, CONFIG, ONWARD);
    let callee = scenario.starts(&exchange, "callee", CALLEE, &[]);
    call(&exchange, plain());
    callee.succeeds_within(10 * SECOND);
    exchange.records(1).remove(0)
}

fn call(exchange: &Exchange, scenario: Scenario) {
    scenario.starts(exchange, "caller", (CARRIER, 27_660), &[]).succeeds_within(40 * SECOND);
}

/// A caller who talks for some seconds.
fn plain() -> Scenario {
    Scenario::calls().sends("INVITE", NOTHING, SOUND).gets(200, &[]).sends("ACK", NOTHING, NOTHING).waits(2_000).ends()
}

/// Sound of the same session, described anew.
fn anew(direction: &str) -> String {
    SOUND.replace("peer 1 1", "peer 1 2") + &format!("a={direction}\n")
}

#[test]
fn rfc3311_a_caller_offers_anew_before_and_after_the_answer() {
    if !wanted() {
        return;
    }
    let scenario = Scenario::calls()
        .sends("INVITE", "Supported: 100rel\nAllow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE", SOUND)
        .gets(183, &[("RSeq:", "[0-9]+"), ("body", "m=audio")])
        .sends("PRACK", &format!("RAck: [${FREE}] 1 INVITE"), NOTHING)
        .gets(200, &[("CSeq:", "PRACK")])
        .sends("UPDATE", NOTHING, &anew("sendonly"))
        .gets(200, &[("CSeq:", "UPDATE"), ("body", "a=recvonly")])
        .gets(200, &[("CSeq:", "INVITE")])
        .sends("ACK", NOTHING, NOTHING)
        .sends("UPDATE", NOTHING, &anew("sendrecv").replace("1 2", "1 3"))
        .gets(200, &[("CSeq:", "UPDATE"), ("body", "m=audio [1-9]")])
        .ends();
    assert_eq!(caller("rfc3311", scenario)["cause"], "caller_hung_up");
}

#[test]
fn rfc4028_too_short_a_session_is_refused_and_a_longer_one_kept_alive() {
    if !wanted() {
        return;
    }
    let scenario = Scenario::calls()
        .sends("INVITE", "Supported: timer\nSession-Expires: 60", SOUND)
        .gets(422, &[("Min-SE:", "90")])
        .sends("ACK", NOTHING, NOTHING)
        .sends("INVITE", "Supported: timer\nSession-Expires: 90;refresher=uac\nMin-SE: 90", SOUND)
        .gets(200, &[("Session-Expires:", "90;refresher=uac"), ("Require:", "timer")])
        .sends("ACK", NOTHING, NOTHING)
        .sends("UPDATE", "Supported: timer\nSession-Expires: 90;refresher=uac", NOTHING)
        .gets(200, &[("Session-Expires:", "90;refresher=uac")])
        .ends();
    assert_eq!(caller("rfc4028", scenario)["cause"], "caller_hung_up");
}

/// What a caller says who is somebody else than From says, and was passed on to us.
const IDENTITY: &str = "P-Asserted-Identity: <tel:+8613800138111>\nDiversion: <sip:95555@[local_ip]>;reason=unconditional\n\
    History-Info: <sip:95555@[local_ip]>;index=1,<sip:95118@[local_ip]>;index=1.1";

#[test]
fn rfc3325_the_carrier_says_who_calls() {
    if !wanted() {
        return;
    }
    let scenario =
        Scenario::calls().sends("INVITE", IDENTITY, SOUND).gets(200, &[]).sends("ACK", NOTHING, NOTHING).ends();
    let record = caller("rfc3325", scenario);
    // As people without the right to numbers see it.
    assert_eq!((&record["from"]["national"], &record["withheld"]), (&"138****8111".into(), &false.into()), "{record}");
}

#[test]
fn rfc3323_a_caller_who_withholds_the_number_is_shown_to_nobody() {
    if !wanted() {
        return;
    }
    let from = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=[pid]c[call_number]";
    let lines = format!("{from}\n{IDENTITY}\nPrivacy: id");
    let scenario =
        Scenario::calls().sends("INVITE", &lines, SOUND).gets(200, &[]).sends("ACK", NOTHING, NOTHING).ends();
    let record = caller("rfc3323", scenario);
    assert_eq!((&record["from"]["kind"], &record["withheld"]), (&"anonymous".into(), &true.into()), "{record}");
}

#[test]
fn rfc3261_13_2_1_a_caller_who_offers_nothing_gets_our_offer() {
    if !wanted() {
        return;
    }
    let offer = ("body", "m=audio [1-9][0-9]* RTP/AVP 8 0 101");
    let scenario = Scenario::calls()
        .sends("INVITE", NOTHING, NOTHING)
        .gets(200, &[offer])
        .sends("ACK", NOTHING, SOUND)
        .waits(500)
        .sends("INVITE", NOTHING, NOTHING)
        .gets(200, &[offer])
        .sends("ACK", NOTHING, &anew("sendrecv"))
        .ends();
    assert_eq!(caller("rfc3261-delayed", scenario)["cause"], "caller_hung_up");
}

#[test]
fn rfc5621_a_description_among_other_parts_is_found() {
    if !wanted() {
        return;
    }
    let parts = format!(
        "--part\nContent-Type: application/sdp\n\n{SOUND}\n--part\nContent-Type: application/isup;version=etsi356\n\
         Content-Disposition: signal;handling=optional\n\nnot understood\n--part--\n"
    );
    let scenario = Scenario::calls()
        .sends("INVITE", "Content-Type: multipart/mixed;boundary=part", &parts)
        .gets(200, &[("body", "m=audio [1-9]")])
        .sends("ACK", NOTHING, NOTHING)
        .ends();
    assert_eq!(caller("rfc5621", scenario)["cause"], "caller_hung_up");
}

#[test]
fn rfc6086_keys_by_info_are_collected_and_what_we_do_not_serve_is_refused_in_a_call() {
    if !wanted() {
        return;
    }
    let mut scenario = Scenario::calls()
        .sends("INVITE", NOTHING, SOUND)
        .gets(200, &[("Allow:", "UPDATE"), ("Supported:", "100rel")])
        .sends("ACK", NOTHING, NOTHING)
        .sends("OPTIONS", NOTHING, NOTHING)
        .gets(200, &[("Allow:", "INVITE")])
        .sends("MESSAGE", "Content-Type: text/plain", "hello\n")
        .gets(405, &[("Allow:", "INVITE")])
        .sends("WHATEVER", NOTHING, NOTHING)
        .gets(501, &[])
        .sends("INVITE", "Require: nothing-known", SOUND)
        .gets(420, &[("Unsupported:", "nothing-known")])
        .sends("ACK", NOTHING, NOTHING);
    // Keys that come while the caller still hears the early prompt are no answer to what follows.
    scenario = scenario.waits(1_000);
    for key in 1..=4 {
        let body = format!("Signal={key}\nDuration=160\n");
        scenario = scenario.sends("INFO", "Content-Type: application/dtmf-relay", &body).gets(200, &[]);
    }
    let record = caller("rfc6086", scenario.takes("BYE", &[]).replies("200 OK", NOTHING, NOTHING));
    assert_eq!(record["cause"], "ivr_hung_up", "{record}");
}

#[test]
fn rfc3326_why_the_caller_went_is_in_the_record() {
    if !wanted() {
        return;
    }
    let scenario = Scenario::calls()
        .sends("INVITE", NOTHING, SOUND)
        .gets(200, &[])
        .sends("ACK", NOTHING, NOTHING)
        .waits(500)
        .sends("BYE", "Reason: Q.850;cause=31;text=\"Normal, unspecified\"", NOTHING)
        .gets(200, &[]);
    let record = caller("rfc3326", scenario);
    let release = &record["legs"][0]["release"];
    assert_eq!((&release["by_peer"], &release["cause"]), (&true.into(), &31.into()), "{record}");
}

/// Whoever answers: rings, talks, is hung up on.
fn answers(scenario: Scenario) -> Scenario {
    let said = scenario.answers("180 Ringing", "a", NOTHING, NOTHING).answers("200 OK", "a", NOTHING, SOUND);
    said.takes("ACK", &[]).takes("BYE", &[]).replies("200 OK", NOTHING, NOTHING)
}

#[test]
fn rfc3261_13_2_2_4_of_two_who_answer_one_is_kept() {
    if !wanted() {
        return;
    }
    let scenario = Scenario::called()
        .takes("INVITE", &[])
        .answers("183 Session Progress", "a", NOTHING, SOUND)
        .answers("180 Ringing", "b", NOTHING, NOTHING)
        .answers("200 OK", "a", NOTHING, SOUND)
        .takes("ACK", &[("To:", "tag=a")])
        .answers("200 OK", "b", NOTHING, SOUND)
        .takes("ACK", &[("To:", "tag=b")])
        .takes("BYE", &[("To:", "tag=b")])
        .replies("200 OK", NOTHING, NOTHING)
        .takes("BYE", &[("To:", "tag=a")])
        .replies("200 OK", NOTHING, NOTHING);
    assert_eq!(callee("rfc3261-forked", scenario)["cause"], "caller_hung_up");
}

#[test]
fn rfc4028_7_2_a_callee_who_wants_longer_sessions_is_asked_again() {
    if !wanted() {
        return;
    }
    let scenario = Scenario::called()
        .takes("INVITE", &[("Supported:", "timer"), ("Session-Expires:", "[0-9]+")])
        .answers("422 Session Interval Too Small", "a", "Min-SE: 2400", NOTHING)
        .takes("ACK", &[])
        .takes("INVITE", &[("Min-SE:", "2400"), ("Session-Expires:", "2400"), ("CSeq:", "[0-9]+ INVITE")]);
    assert_eq!(callee("rfc4028-callee", answers(scenario))["cause"], "caller_hung_up");
}

#[test]
fn rfc3262_rfc3311_a_callee_offers_anew_before_the_answer_and_asks_for_ours_after_it() {
    if !wanted() {
        return;
    }
    let scenario = Scenario::called()
        .takes("INVITE", &[("Supported:", "100rel"), ("Allow:", "UPDATE")])
        .answers("183 Session Progress", "a", "Require: 100rel\nRSeq: 7", SOUND)
        .takes("PRACK", &[("RAck:", "7 [0-9]+ INVITE")])
        .replies("200 OK", NOTHING, NOTHING)
        .sends("UPDATE", NOTHING, &anew("sendonly"))
        .gets(200, &[("CSeq:", "UPDATE"), ("body", "a=recvonly")])
        .answers("200 OK", "a", NOTHING, NOTHING)
        .takes("ACK", &[])
        .sends("INVITE", NOTHING, NOTHING)
        .gets(200, &[("body", "m=audio [1-9]")])
        .sends("ACK", NOTHING, &anew("sendrecv").replace("1 2", "1 3"))
        .sends("REFER", "Refer-To: <sip:13922222222@127.0.0.5>", NOTHING)
        .gets(403, &[])
        .takes("BYE", &[])
        .replies("200 OK", NOTHING, NOTHING);
    assert_eq!(callee("rfc3262", scenario)["cause"], "caller_hung_up");
}
