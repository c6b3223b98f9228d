//! Kamailio as the carrier in front: a registered trunk, digest both ways, Record-Route, and what is said within calls.

use crate::capture::Capture;
use crate::exchange::Exchange;
use crate::process::{Process, until};
use crate::{CALLER_HERTZ, SECOND, sipp_to, sound, wanted};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Where Kamailio listens, the callers behind it and the customers we call are.
const PROXY: &str = "127.0.0.2:27600";
pub(crate) const CALLERS: &str = "127.0.0.4";
pub(crate) const CUSTOMERS: (&str, u16) = ("127.0.0.5", 27_640);

const CONFIG: &str = r#"
skills = []
[[trunk]]
name = "ims"
peer = "udp:127.0.0.2:27600"
domain = "ims.example"
user = "02195118"
password = "carriers-secret"
register = "60s"
probe = "30s"
[[number]]
number = "02195118"
dialplan = "through"
"#;

/// Heard early, then on to somebody outside, by the trunk the call came from.
const THROUGH: &str = r#"
name = "through"
start = "hear"
[node.hear]
play = "system/beep"
early = true
then = "on"
[node.on]
dial = "13900139000"
timeout = "20s"
else = "end"
[node.end]
hangup = 486
"#;

/// Starts one that listens there.
pub(crate) fn kamailio(exchange: &Exchange, name: &str, listen: &str) -> Process {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kamailio/carrier.cfg");
    let customer = format!("{}:{}", CUSTOMERS.0, CUSTOMERS.1);
    let config = fs::read_to_string(template).unwrap();
    let config =
        config.replace("=udp:LISTEN", &format!("=udp:{listen}")).replace("sip:CUSTOMER", &format!("sip:{customer}"));
    let folder = exchange.folder.join(name);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("kamailio.cfg");
    fs::write(&file, config.replace("== US)", "== 127.0.0.1)")).unwrap();
    let mut command = Command::new("kamailio");
    command.args(["-DD", "-E", "-m", "16", "-M", "4", "-f"]).arg(&file);
    command.arg("-Y").arg(&folder).arg("-w").arg(&folder);
    command.process_group(0);
    Process::start(name, &exchange.folder, &mut command)
}

/// Both legs were answered, and sound went over each of them both ways.
#[track_caller]
pub(crate) fn talked(record: &Value) {
    let legs = record["legs"].as_array().unwrap();
    let sounds = |leg: &Value| ["packets_in", "packets_out"].iter().all(|way| leg["stats"][way].as_u64() > Some(50));
    assert!(legs.len() == 2 && legs.iter().all(|leg| leg["status"] == 200 && sounds(leg)), "{record}");
}

#[test]
fn a_registered_trunk_works_both_ways_through_a_proxy() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::of_plan("through", CONFIG, THROUGH);
    let capture = Capture::start(&exchange.folder, exchange.sip, exchange.media);
    let _proxy = kamailio(&exchange, "kamailio", PROXY);
    fs::write(exchange.folder.join("numbers.csv"), "SEQUENTIAL\n02195118\n").unwrap();
    sound::write_call(&exchange.folder.join("caller.pcap"), CALLER_HERTZ, 6, &[]);
    until("the trunk is registered", 20 * SECOND, || exchange.said().contains("trunk answers").then_some(()));
    let mut customers = sipp_to(PROXY, &exchange, "agent.xml", CUSTOMERS.0, CUSTOMERS.1);
    customers.args(["-mp", "27660", "-rtp_echo", "-m", "3"]);
    let customers = Process::start("customers", &exchange.folder, &mut customers);
    let mut callers = sipp_to(PROXY, &exchange, "interconnect.xml", CALLERS, 27_620);
    callers.args(["-mp", "27680", "-inf", "numbers.csv", "-r", "2", "-m", "3"]);
    Process::start("callers", &exchange.folder, &mut callers).succeeds_within(40 * SECOND);
    customers.succeeds_within(20 * SECOND);
    for record in exchange.records(3) {
        assert_eq!(record["cause"], "caller_hung_up", "{record}");
        talked(&record);
    }
    capture.ends_clean(3);
}
