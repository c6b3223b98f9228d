//! What is mirrored to Homer, read by sngrep as the collector; reports of sound, of which sngrep shows none, by hand.

use crate::exchange::{CARRIER, Exchange, PASSWORD, PHONES};
use crate::process::{Process, output, until};
use crate::softphone::{Line, Softphone};
use crate::{CALLER_HERTZ, SECOND, sipp, sound, wanted};
use serde_json::Value;
use std::collections::BTreeMap;
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

/// The chunks of a packet by their type.
fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    assert_eq!((&packet[..4], usize::from(word(4))), (&b"HEP3"[..], packet.len()));
    let (mut chunks, mut at) = (BTreeMap::new(), 6);
    while at < packet.len() {
        let end = at + usize::from(word(at + 4));
        chunks.insert(word(at + 2), packet[at + 6..end].to_vec());
        at = end;
    }
    chunks
}

/// A source port, the Call-ID, and the report itself.
type Told = (u16, String, Value);

/// baresip sends a report each five seconds, and so do we: its caller is listened to in the hotline's first menu.
#[test]
fn rtcp_of_both_sides_is_mirrored_under_the_call_id() {
    if !wanted() {
        return;
    }
    let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
    collector.set_read_timeout(Some(SECOND / 10)).unwrap();
    let exchange = Exchange::mirrored("homer-rtcp", collector.local_addr().unwrap().port());
    let voice = exchange.folder.join("caller-voice.wav");
    sound::write_tone(&voice, CALLER_HERTZ, 60);
    let (address, port) = (CARRIER.parse().unwrap(), 27_440);
    let account = format!("<sip:13800138000@{CARRIER}:{port}>;regint=0;audio_codecs=PCMA/8000/1");
    let mut caller =
        Softphone::start(&exchange.folder, &Line { name: "caller", address, port, account, voice: &voice });
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    let (mut call_ids, mut theirs, mut ours) = (Vec::new(), Vec::<Told>::new(), Vec::<Told>::new());
    until("both sides have reported on what they hear", 30 * SECOND, || {
        let mut buffer = [0; 65_535];
        let length = collector.recv(&mut buffer).ok()?;
        let packet = chunks(&buffer[..length]);
        let call_id = String::from_utf8(packet[&17].clone()).unwrap();
        if packet[&11] == [1] {
            call_ids.extend(packet[&15].starts_with(b"INVITE ").then_some(call_id));
        } else {
            assert_eq!(packet[&11], [5]);
            let source = u16::from_be_bytes([packet[&7][0], packet[&7][1]]);
            let told = (source, call_id, serde_json::from_slice(&packet[&15]).unwrap());
            let mine = (exchange.media.0..=exchange.media.1).contains(&source);
            (if mine { &mut ours } else { &mut theirs }).push(told);
        }
        let heard = |told: &[Told]| told.iter().any(|(.., report)| report["report_count"] == 1);
        (heard(&theirs) && heard(&ours)).then_some(())
    });
    caller.command("hangup", "");
    assert_eq!(call_ids.len(), 1);
    for (source, call_id, report) in theirs.iter().chain(&ours) {
        assert_eq!((source % 2, call_id), (1, &call_ids[0]), "{report}");
    }
    let ssrc = |told: &[Told]| told[0].2["ssrc"].clone();
    for (told, other) in [(&theirs, &ours), (&ours, &theirs)] {
        let report = &told.iter().find(|(.., report)| report["report_count"] == 1).unwrap().2;
        assert_eq!(report["report_blocks"][0]["source_ssrc"], ssrc(other), "each reports on the other");
        assert!(report["sender_information"]["packets"].as_u64() > Some(100), "{report}");
    }
    exchange.records(1);
}
