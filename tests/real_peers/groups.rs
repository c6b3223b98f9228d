//! A group of trunks: two Kamailios share calls by weight, one dies, then both, and comes back; who is left takes the calls.

use crate::exchange::Exchange;
use crate::kamailio::{CALLERS, CUSTOMERS, kamailio};
use crate::process::{Process, until};
use crate::scenario::{NOTHING, SOUND, Scenario};
use crate::{SECOND, sipp_to, wanted};
use std::collections::BTreeMap;

/// The proxies; the spare trunk leads to their customers without one.
const HEAVY: &str = "127.0.0.2:27800";
const LIGHT: &str = "127.0.0.6:27800";

const CONFIG: &str = r#"
skills = []
[[trunk]]
name = "heavy"
peer = "udp:127.0.0.2:27800"
domain = "ims.example"
user = "02195118"
password = "carriers-secret"
probe = "1s"
[[trunk]]
name = "light"
peer = "udp:127.0.0.6:27800"
domain = "ims.example"
user = "02195118"
password = "carriers-secret"
probe = "1s"
[[trunk]]
name = "spare"
peer = "udp:127.0.0.5:27640"
[[trunk]]
name = "callers"
sources = ["127.0.0.4"]
[[trunk_group]]
name = "out"
trunks = [{ trunk = "heavy", weight = 3 }, { trunk = "light", weight = 1 }, { trunk = "spare", priority = 2 }]
[[number]]
number = "95118"
dialplan = "onward"
"#;

const ONWARD: &str = r#"
name = "onward"
start = "on"
[node.on]
dial = { number = "13900139000", trunk = "out" }
timeout = "20s"
else = "end"
[node.end]
hangup = 486
"#;

/// So many calls, which must succeed.
fn calls(exchange: &Exchange, count: u32) {
    let scenario = Scenario::calls().sends("INVITE", NOTHING, SOUND).gets(200, &[]).sends("ACK", NOTHING, NOTHING);
    let callers =
        scenario.ends().starts(exchange, "callers", (CALLERS, 27_820), &["-m", &count.to_string(), "-r", "10"]);
    callers.succeeds_within(20 * SECOND);
}

/// How many of all calls, each answered, every trunk of the group took.
fn shares(exchange: &Exchange, calls: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for record in exchange.records(calls) {
        let legs = record["legs"].as_array().unwrap();
        assert!(legs.len() == 2 && legs.iter().all(|leg| leg["status"] == 200), "{record}");
        *shares.entry(legs[1]["party"]["trunk"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    shares
}

/// Waits until a trunk is seen like this, by the gauge and by `busyhour ctl trunks`.
#[track_caller]
fn wait_for(exchange: &Exchange, trunk: &str, up: bool) {
    let gauge = format!("busyhour_trunk_up{{trunk=\"{trunk}\"}} {}", u8::from(up));
    until(&gauge, 10 * SECOND, || exchange.page("/metrics")?.contains(&gauge).then_some(()));
    let shown = String::from_utf8(exchange.ask(&["ctl", "trunks"]).stdout).unwrap();
    let row = shown.lines().find(|line| line.starts_with(trunk)).unwrap();
    assert_eq!(row.contains("down: no answer"), !up, "{shown}");
}

#[test]
fn two_proxies_share_by_weight_and_who_is_down_is_passed_over_until_it_answers() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::of_plan("groups", CONFIG, ONWARD);
    let heavy = kamailio(&exchange, "kamailio-heavy", HEAVY);
    let light = kamailio(&exchange, "kamailio-light", LIGHT);
    let mut customers = sipp_to(HEAVY, &exchange, "agent.xml", CUSTOMERS.0, CUSTOMERS.1);
    let _customers = Process::start("customers", &exchange.folder, customers.args(["-mp", "27840", "-rtp_echo"]));
    ["heavy", "light"].iter().for_each(|trunk| wait_for(&exchange, trunk, true));
    let share = |heavy: usize, light: usize, spare: usize| {
        let all = [("heavy", heavy), ("light", light), ("spare", spare)];
        let some = all.into_iter().filter(|(_, calls)| *calls > 0);
        assert_eq!(shares(&exchange, heavy + light + spare), some.map(|(trunk, n)| (trunk.to_owned(), n)).collect());
    };
    calls(&exchange, 8);
    share(6, 2, 0);

    heavy.dies();
    wait_for(&exchange, "heavy", false);
    calls(&exchange, 3);
    share(6, 5, 0);

    light.dies();
    wait_for(&exchange, "light", false);
    calls(&exchange, 2);
    share(6, 5, 2);

    let _heavy = kamailio(&exchange, "kamailio-heavy", HEAVY);
    wait_for(&exchange, "heavy", true);
    calls(&exchange, 3);
    share(9, 5, 2);
}
