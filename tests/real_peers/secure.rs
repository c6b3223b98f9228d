//! SIP over TLS with other people's programs: baresip registered and called with sound, OpenSSL well-behaved and hostile.

use crate::authority::Authority;
use crate::exchange::{CARRIER, Exchange, PASSWORD, PHONES};
use crate::process::{Process, until};
use crate::softphone::{Line, Softphone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// A switch with a certificate for `localhost` and 127.0.0.1; its port of TLS, and the file of who signed it.
pub(crate) fn secure(name: &str) -> (Exchange, u16, PathBuf) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-tls"));
    fs::create_dir_all(&folder).unwrap();
    let authority = Authority::new();
    authority.issue(&["localhost", "127.0.0.1"]).write(&folder, "busyhour");
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let (exchange, port) = Exchange::secure(name, &folder);
    (exchange, port, folder.join("ca.pem"))
}

#[test]
fn a_softphone_on_tls_takes_a_call_with_sound_both_ways() {
    if !wanted() {
        return;
    }
    let (exchange, port, _) = secure("secure");
    let voice = |name: &str, hertz: f64| -> PathBuf {
        let path = exchange.folder.join(format!("{name}-voice.wav"));
        sound::write_tone(&path, hertz, 60);
        path
    };
    let account = format!(
        "<sip:1001@127.0.0.1:{port};transport=tls>;auth_user=1001;auth_pass={PASSWORD};regint=60;answermode=auto;audio_codecs=PCMA/8000/1"
    );
    let line = Line {
        name: "agent",
        address: PHONES.parse().unwrap(),
        port: 27_500,
        account,
        voice: &voice("agent", AGENT_HERTZ),
    };
    let mut agent = Softphone::start(&exchange.folder, &line);
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let account = format!("<sip:13800138000@{CARRIER}:27540>;regint=0;audio_codecs=PCMA/8000/1");
    let line = Line {
        name: "caller",
        address: CARRIER.parse().unwrap(),
        port: 27_540,
        account,
        voice: &voice("caller", CALLER_HERTZ),
    };
    let mut caller = Softphone::start(&exchange.folder, &line);
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    caller.chooses_an_agent();
    agent.hears_of("CALL_ESTABLISHED", 20 * SECOND);
    thread::sleep(5 * SECOND);
    caller.command("hangup", "");
    agent.hears_of("CALL_CLOSED", 3 * SECOND);
    let record = exchange.records(1).remove(0);
    assert_eq!((&record["agent"], &record["cause"]), (&"1001".into(), &"caller_hung_up".into()), "{record}");
    for (ear, hertz) in [(caller.ear(), AGENT_HERTZ), (agent.ear(), CALLER_HERTZ)] {
        let heard = sound::seconds_of_tone(&ear, hertz);
        assert!(heard >= 4.0, "{}: {heard} s of {hertz} Hz", ear.display());
    }
    let page = exchange.page("/metrics").unwrap();
    assert!(page.contains(r#"method="REGISTER",transport="tls""#), "{page}");
}

#[test]
fn openssl_verifies_us_and_is_answered_and_its_hostile_ways_are_shut_out() {
    if !wanted() {
        return;
    }
    let (exchange, port, ca) = secure("openssl");
    let at = format!("127.0.0.1:{port}");
    let client = |name: &str, more: &[&str]| {
        let mut command = Command::new("sh");
        // The request, and time for its answer before the end of the input ends the connection.
        let script = format!(
            "(printf 'OPTIONS sip:x SIP/2.0\\r\\nVia: SIP/2.0/TLS {CARRIER};branch=z9hG4bKo\\r\\nMax-Forwards: 70\\r\\n\
             From: <sip:o@x>;tag=o\\r\\nTo: <sip:x>\\r\\nCall-ID: o\\r\\nCSeq: 1 OPTIONS\\r\\nContent-Length: 0\\r\\n\\r\\n'; sleep 2) | \
             openssl s_client -connect {at} -verify_return_error -CAfile {} -quiet \"$@\"",
            ca.display()
        );
        command.args(["-c", &script, "sh"]).args(more);
        Process::start(name, &exchange.folder, &mut command)
    };
    let good = client("good", &["-servername", "localhost", "-verify_hostname", "localhost"]);
    until("we answer", 10 * SECOND, || good.said().contains("SIP/2.0 200 OK").then_some(()));
    let old = client("old", &["-tls1_1"]);
    until("old TLS is refused", 10 * SECOND, || old.said().contains("alert").then_some(()));
    let refused = |least: u64| {
        until("it is counted", 10 * SECOND, || {
            let page = exchange.page("/metrics").unwrap();
            let counts = page.lines().filter(|line| line.starts_with("busyhour_sip_refused_connections_total{"));
            let sum: u64 = counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
            (sum >= least).then_some(())
        });
    };
    refused(1);
    let mut noise = TcpStream::connect(&at).unwrap();
    noise.write_all(&[0x16, 0x03, 0x01, 0xff, 0xff, 0x41, 0x41]).unwrap();
    noise.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = noise.read_to_end(&mut Vec::new());
    refused(2);
    // Half a handshake, then nothing: let go after its time.
    let mut silent = TcpStream::connect(&at).unwrap();
    silent.set_read_timeout(Some(10 * SECOND)).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "closed by us");
    refused(3);
    let still = client("still", &["-servername", "localhost"]);
    until("others are served all the time", 10 * SECOND, || still.said().contains("SIP/2.0 200 OK").then_some(()));
}
