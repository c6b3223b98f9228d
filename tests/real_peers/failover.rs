//! A carrier by name: two Kamailios found by SRV from dnsmasq; one dies and comes back, then the name server dies.

use crate::exchange::Exchange;
use crate::kamailio::{CALLERS, CUSTOMERS, kamailio, talked};
use crate::process::{Process, until};
use crate::{CALLER_HERTZ, SECOND, sipp, sipp_to, sound, wanted};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The two proxies of the carrier, and its name server.
const FIRST: &str = "127.0.0.2:27700";
const OTHER: &str = "127.0.0.6:27700";
const NAME_SERVER: u16 = 27_753;

const CONFIG: &str = r#"
skills = []
[dns]
servers = ["127.0.0.1:27753"]
timeout = "500ms"
[[trunk]]
name = "ims"
peer = "sip:carrier.test"
peer_patience = "2s"
domain = "ims.example"
user = "02195118"
password = "carriers-secret"
register = "60s"
probe = "2s"
[[trunk]]
name = "callers"
sources = ["127.0.0.4"]
[[number]]
number = "02195118"
dialplan = "onward"
"#;

/// Heard early, then on to somebody outside by the carrier.
const ONWARD: &str = r#"
name = "onward"
start = "hear"
[node.hear]
play = "system/beep"
early = true
then = "on"
[node.on]
dial = { number = "13900139000", trunk = "ims" }
timeout = "20s"
else = "end"
[node.end]
hangup = 486
"#;

/// Authoritative for the carrier's names: NAPTR leads to UDP, SRV to the first proxy before the second.
fn name_server(folder: &Path) -> Process {
    let port = format!("--port={NAME_SERVER}");
    let mut command = Command::new("dnsmasq");
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--no-resolv", "--no-hosts", &port]);
    command.args(["--listen-address=127.0.0.1", "--bind-interfaces", "--log-facility=-", "--log-queries"]);
    command.args(["--local=/test/", "--naptr-record=carrier.test,50,10,s,SIP+D2U,,_sip._udp.carrier.test"]);
    for (host, address, priority) in [("a", FIRST, 1), ("b", OTHER, 2)] {
        let (ip, port) = address.split_once(':').unwrap();
        command.arg(format!("--srv-host=_sip._udp.carrier.test,{host}.carrier.test,{port},{priority},10"));
        command.arg(format!("--host-record={host}.carrier.test,{ip}"));
    }
    Process::start("dnsmasq", folder, &mut command)
}

/// The carrier's peer at an address, as `busyhour ctl trunks` shows it.
fn peer(exchange: &Exchange, address: &str) -> Option<Value> {
    let trunks = exchange.rows("/api/trunks");
    let ims = trunks.iter().find(|trunk| trunk["trunk"] == "ims").unwrap();
    let its = |peer: &&Value| peer["peer"] == format!("udp:{address}").as_str();
    ims["peers"].as_array().unwrap().iter().find(its).cloned()
}

fn wait_for(exchange: &Exchange, what: &str, address: &str, is: impl Fn(&Value) -> bool) {
    let seen = || peer(exchange, address).filter(|row| is(row)).map(|_| ());
    until(&format!("{address} is {what}"), 30 * SECOND, seen);
}

/// Calls that must succeed, from the callers to the switch itself or to a proxy.
fn calls(exchange: &Exchange, by: Option<&str>, count: u32) {
    let mut callers = match by {
        None => sipp(exchange, "interconnect.xml", CALLERS, 27_720),
        Some(proxy) => sipp_to(proxy, exchange, "interconnect.xml", CALLERS, 27_720),
    };
    callers.args(["-mp", "27780", "-inf", "numbers.csv", "-r", "2", "-m", &count.to_string()]);
    Process::start("callers", &exchange.folder, &mut callers).succeeds_within(40 * SECOND);
}

#[test]
fn a_carrier_found_by_name_loses_a_proxy_and_then_its_name_server_and_no_call() {
    if !wanted() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onward-names");
    fs::create_dir_all(&folder).unwrap();
    let names = name_server(&folder);
    let exchange = Exchange::of_plan("onward", CONFIG, ONWARD);
    let first = kamailio(&exchange, "kamailio-a", FIRST);
    let _other = kamailio(&exchange, "kamailio-b", OTHER);
    fs::write(exchange.folder.join("numbers.csv"), "SEQUENTIAL\n02195118\n").unwrap();
    sound::write_call(&exchange.folder.join("caller.pcap"), CALLER_HERTZ, 6, &[]);
    wait_for(&exchange, "registered at", FIRST, |row| row["registered"] == true && row["name"] == "sip:carrier.test");
    wait_for(&exchange, "up", OTHER, |row| row["up"] == true);
    let mut customers = sipp_to(FIRST, &exchange, "agent.xml", CUSTOMERS.0, CUSTOMERS.1);
    customers.args(["-mp", "27760", "-rtp_echo", "-m", "8"]);
    let customers = Process::start("customers", &exchange.folder, &mut customers);
    calls(&exchange, None, 2);
    calls(&exchange, Some(FIRST), 1);

    // It takes the INVITE and says nothing more: the call goes on by the other one.
    first.freezes();
    calls(&exchange, None, 1);
    first.dies();
    calls(&exchange, None, 2);
    wait_for(&exchange, "down", FIRST, |row| row["up"] == false && row["registered"] == false);
    wait_for(&exchange, "registered at", OTHER, |row| row["registered"] == true);
    calls(&exchange, Some(OTHER), 1);
    let shown = String::from_utf8(exchange.ask(&["ctl", "trunks"]).stdout).unwrap();
    let state = |address: &str| shown.lines().find(|line| line.contains(&format!("udp:{address} "))).unwrap();
    assert!(state(FIRST).contains("down: no answer") && state(OTHER).contains("registered"), "{shown}");

    let _first = kamailio(&exchange, "kamailio-a", FIRST);
    wait_for(&exchange, "up again", FIRST, |row| row["up"] == true);
    assert_eq!(peer(&exchange, OTHER).unwrap()["registered"], true, "calls stay where we are registered");

    drop(names);
    wait_for(&exchange, "not found any more", OTHER, |row| row["stale"] == true && row["up"] == true);
    calls(&exchange, None, 1);
    customers.succeeds_within(20 * SECOND);
    for record in exchange.records(8) {
        assert_eq!(record["cause"], "caller_hung_up", "{record}");
        talked(&record);
    }
    let metrics = exchange.page("/metrics").unwrap();
    assert!(metrics.contains("busyhour_dns_lookups_total{outcome=\"silent\"}"), "{metrics}");
}
