//! A carrier is asked to call somebody else itself.

use crate::exchange::{CARRIER, Exchange};
use crate::process::Process;
use crate::{SECOND, sipp, wanted};
use std::fs;

const PLAN: &str = r#"
name = "elsewhere"
start = "pass"
[node.pass]
transfer = "02112345678"
failed = "end"
[node.end]
hangup = 486
"#;

const CONFIG: &str = r#"
skills = []
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "elsewhere"
"#;

#[test]
fn a_carrier_is_referred_and_takes_the_caller_along() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::of_plan("transfer", CONFIG, PLAN);
    fs::write(exchange.folder.join("numbers.csv"), "SEQUENTIAL\n95118\n").unwrap();
    let mut dial = sipp(&exchange, "referred.xml", CARRIER, 27_500);
    dial.args(["-mp", "27600", "-inf", "numbers.csv", "-r", "2", "-m", "3"]);
    Process::start("sipp", &exchange.folder, &mut dial).succeeds_within(40 * SECOND);
    for record in exchange.records(3) {
        assert_eq!(record["cause"], "passed_on", "{record}");
    }
}
