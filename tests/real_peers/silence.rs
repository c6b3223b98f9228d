//! A phone that stops answering, a baresip stopped in its tracks: callers go to the other agent until it answers again.

use crate::exchange::{CARRIER, Exchange};
use crate::kamailio::talked;
use crate::process::until;
use crate::scenario::{NOTHING, SOUND, Scenario};
use crate::transfers::phone;
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use serde_json::Value;

/// Asked each ten seconds, an answer may take 32 s (RFC 3261 timer F).
const CONFIG: &str = r#"
skills = ["any"]
[sip]
qualify = "10s"
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "plan"
[[queue]]
name = "line"
skills = { any = 1 }
wrap_up = "0s"
[[agent]]
numbers = "1001-1002"
password = "correct-horse-7"
skills = { any = 1 }
auto_ready = true
"#;

const PLAN: &str = r#"
name = "plan"
start = "line"
[node.line]
queue = "line"
else = "end"
[node.end]
hangup = 480
"#;

/// A caller who talks for some seconds; what the record says of it, the `so_many`th.
fn call(exchange: &Exchange, so_many: usize) -> Value {
    let caller = Scenario::calls().sends("INVITE", NOTHING, SOUND).gets(200, &[]).sends("ACK", NOTHING, NOTHING);
    let caller = caller.plays("caller.pcap").waits(3_000).ends().starts(exchange, "caller", (CARRIER, 27_660), &[]);
    caller.succeeds_within(20 * SECOND);
    let newest = exchange.records(so_many).into_iter().max_by_key(|record| record["call"].as_u64()).unwrap();
    talked(&newest);
    newest
}

#[test]
fn rfc3261_11_a_phone_that_stops_answering_is_not_rung_until_it_answers_again() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::of_plan("silence", CONFIG, PLAN);
    sound::write_call(&exchange.folder.join("caller.pcap"), CALLER_HERTZ, 6, &[]);
    let gone = phone(&exchange, "1001", 27_400, AGENT_HERTZ);
    let other = phone(&exchange, "1002", 27_480, AGENT_HERTZ);
    until("both agents are ready", 10 * SECOND, || (exchange.agents("ready") == 2).then_some(()));
    let counted = |outcome: &str, count: u32| {
        let series = format!("busyhour_phones_qualified_total{{outcome=\"{outcome}\"}} {count}");
        exchange.page("/metrics").unwrap().contains(&series)
    };

    gone.process.freezes();
    until("its silence is noticed", 45 * SECOND, || (exchange.agents("signed_out") == 1).then_some(()));
    let row = exchange.rows("/api/agents").into_iter().find(|row| row["agent"] == "1001").unwrap();
    assert_eq!((&row["contacts"], &row["silent"]), (&0.into(), &1.into()), "{row}");
    let shown = String::from_utf8(exchange.ask(&["agents"]).stdout).unwrap();
    assert!(shown.lines().any(|line| line.starts_with("1001") && line.contains("0, 1 silent")), "{shown}");
    assert!(counted("silent", 1) && !counted("answers", 1));
    // Of two legs the second is the agent's: nobody else was rung.
    assert_eq!(call(&exchange, 1)["agent"], "1002", "who was idle for longest is not there");

    gone.process.thaws();
    until("it answers again", 15 * SECOND, || (exchange.agents("ready") == 2).then_some(()));
    assert!(counted("silent", 1) && counted("answers", 1));
    drop(other);
    until("the other agent is gone", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    assert_eq!(call(&exchange, 2)["agent"], "1001");
}
