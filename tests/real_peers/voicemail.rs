//! A caller leaves a message; it lights the lamp of the agent's phone, is told by webhook, fetched by HTTP, and heard on that phone.

use crate::exchange::{CARRIER, Exchange, PASSWORD, PHONES};
use crate::process::{Process, until};
use crate::softphone::{Line, Softphone};
use crate::{CALLER_HERTZ, SECOND, sipp, sound, wanted};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

const PLAN: &str = r#"
name = "messages"
start = "leave"
[node.leave]
voicemail = { agent = "1001" }
then = "end"
else = "end"
[node.end]
hangup = true
"#;

const CONFIG: &str = r#"
skills = []
[voicemail]
webhook = "WEBHOOK"
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "messages"
[[agent]]
number = "1001"
password = "correct-horse-7"
auto_ready = true
"#;

/// The first request's body; answered with 204.
fn told(listener: &TcpListener) -> serde_json::Value {
    listener.set_nonblocking(true).unwrap();
    let (mut stream, _) = until("a message is told", 20 * SECOND, || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(10 * SECOND)).unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        request.extend(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        if let Some(body) = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()) {
            write!(stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
            return body;
        }
        assert_ne!(read, 0, "the webhook sent no JSON: {text}");
    }
}

#[test]
fn a_message_is_left_told_fetched_and_heard() {
    if !wanted() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let webhook = format!("http://{}/messages", listener.local_addr().unwrap());
    let exchange = Exchange::of_plan("voicemail", &CONFIG.replace("WEBHOOK", &webhook), PLAN);
    let server = format!("127.0.0.1:{}", exchange.sip);
    let voice = |name: &str, hertz: f64| {
        let path = exchange.folder.join(format!("{name}-voice.wav"));
        sound::write_tone(&path, hertz, 60);
        path
    };
    let (address, port) = (PHONES.parse().unwrap(), 27_400);
    let account = format!(
        "<sip:1001@{server};transport=udp>;auth_user=1001;auth_pass={PASSWORD};regint=60;audio_codecs=PCMA/8000/1"
    );
    let line = Line { name: "agent", address, port, account, voice: &voice("agent", 1_130.0) };
    let mut agent = Softphone::start(&exchange.folder, &line);
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    // baresip asks for its lamp too, but 1.0 asks again and again as fast as it can when it is challenged: SIPp is the desk phone.
    fs::write(
        exchange.folder.join("agents.csv"),
        format!("SEQUENTIAL\n1001;[authentication username=1001 password={PASSWORD}]\n"),
    )
    .unwrap();
    let mut ask = sipp(&exchange, "lamp.xml", PHONES, 27_480);
    let lamp = Process::start("lamp", &exchange.folder, ask.args(["-inf", "agents.csv", "-m", "1"]));
    let (address, port) = (CARRIER.parse().unwrap(), 27_440);
    let account = format!("<sip:13800138000@{CARRIER}:{port}>;regint=0;audio_codecs=PCMA/8000/1");
    let line = Line { name: "caller", address, port, account, voice: &voice("caller", CALLER_HERTZ) };
    let mut caller = Softphone::start(&exchange.folder, &line);
    caller.command("dial", &format!("sip:95118@{server}"));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    thread::sleep(5 * SECOND);
    caller.command("hangup", "");

    let message = &told(&listener)["message"];
    assert_eq!((message["mailbox"]["agent"].as_str(), message["from"].as_str()), (Some("1001"), Some("13800138000")));
    let listed = exchange.rows("/api/voicemail?agent=1001");
    assert_eq!(listed, std::slice::from_ref(message));
    let tape = &message["tape"];
    let audio = exchange.bytes(&format!("/api/voicemail/{tape}/audio")).unwrap();
    let file = exchange.folder.join("message.wav");
    fs::write(&file, audio).unwrap();
    assert!(sound::seconds_of_tone(&file, CALLER_HERTZ) >= 3.0, "the message is what the caller said");

    agent.command("dial", &format!("sip:*97@{server}"));
    agent.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    until("the message was heard", 60 * SECOND, || {
        let row = exchange.rows("/api/voicemail?agent=1001").pop()?;
        (row["heard"] == true).then_some(())
    });
    lamp.succeeds_within(10 * SECOND);
    agent.command("sndcode", "3");
    until("the message is deleted", 5 * SECOND, || exchange.rows("/api/voicemail").is_empty().then_some(()));
    agent.hears_of("CALL_CLOSED", 20 * SECOND);
    exchange.records(2);
    let ear = agent.ear();
    assert!(sound::seconds_of_tone(&ear, CALLER_HERTZ) >= 3.0, "the agent hears the caller's words");
    assert_eq!(exchange.bytes(&format!("/api/voicemail/{tape}/audio")), None, "gone");
}
