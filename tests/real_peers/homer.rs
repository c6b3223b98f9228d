//! What is mirrored to Homer, read by sngrep as the collector.

use crate::exchange::{Exchange, PASSWORD, PHONES};
use crate::process::{Process, output, until};
use crate::{SECOND, sipp, wanted};
use std::fs;
use std::net::UdpSocket;
use std::process::Command;

#[test]
fn sngrep_reads_every_message_mirrored_as_hep3_and_no_password_follows_from_them() {
    if !wanted() {
        return;
    }
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let exchange = Exchange::mirrored("homer", port);
    let file = exchange.folder.join("homer.pcap");
    let mut collector = Command::new("sngrep");
    collector.args(["-N", "-q", "-L", &format!("udp:127.0.0.1:{port}"), "-O"]).arg(&file);
    let mut collector = Process::start("sngrep", &exchange.folder, &mut collector);
    until("sngrep listens", 5 * SECOND, || UdpSocket::bind(("127.0.0.1", port)).is_err().then_some(()));
    let agents: String =
        (1001..=1006).map(|n| format!("{n};[authentication username={n} password={PASSWORD}]\n")).collect();
    fs::write(exchange.folder.join("agents.csv"), format!("SEQUENTIAL\n{agents}")).unwrap();
    let mut register = sipp(&exchange, "register.xml", PHONES, 27_000);
    register.args(["-inf", "agents.csv", "-m", "6"]);
    Process::start("register", &exchange.folder, &mut register).succeeds_within(10 * SECOND);
    let sent = "busyhour_hep_packets_total{outcome=\"sent\"} 24";
    until("24 messages are mirrored", 5 * SECOND, || exchange.page("/metrics")?.contains(sent).then_some(()));
    collector.stop();

    let rows = |filter: &str, fields: &[&str]| {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&file).args(["-d", &format!("udp.port=={},sip", exchange.sip)]);
        command.args(["-Y", filter, "-T", "fields"]).args(fields.iter().flat_map(|field| ["-e", field]));
        output(&mut command).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rows("_ws.malformed || _ws.expert.severity == 0x00800000", &["frame.number"]), [""; 0]);
    let asked = rows("sip.Method == \"REGISTER\"", &["ip.src", "udp.srcport", "ip.dst", "udp.dstport"]);
    assert_eq!(asked, vec![format!("{PHONES}\t27000\t127.0.0.1\t{}", exchange.sip); 12]);
    let told = rows("sip.Status-Code", &["sip.Status-Code"]);
    assert_eq!(["401", "200"].map(|code| told.iter().filter(|told| *told == code).count()), [6, 6], "{told:?}");
    let answers = rows("sip.auth.digest.response", &["sip.auth.digest.response"]);
    assert_eq!(answers.len(), 6);
    assert!(answers.iter().all(|answer| answer.trim_matches('"').bytes().all(|byte| byte == b'*')), "{answers:?}");
}
