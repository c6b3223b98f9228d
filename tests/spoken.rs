//! A caller of a running server hears a text that nobody recorded.
#![allow(clippy::unwrap_used)]

use busyhour::client::Server;
use busyhour::clock::Clock;
use busyhour::{config, serve};
use busyhour_media::{g711, tone::Sine, wav};
use busyhour_model::G711;
use busyhour_sim::peer::{AGENT_HZ, Action, CALLER_HZ, Caller, CallerSetup, Out, Outcome};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UdpSocket;

const PATIENCE: Duration = Duration::from_secs(60);
const PLAN: &str = r#"
name = "hello"
start = "hello"
[node.hello]
play = ["ivr/welcome", { speak = "您好，{$caller}" }]
then = "end"
[node.end]
hangup = true
"#;
/// The voice is the tone for which callers listen.
const CONFIG: &str = r#"
[server]
data = "data"
dialplans = "plans"
[sip]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
[media]
ports = "36000-36998"
[http]
listen = "127.0.0.1:0"
[tts]
command = ["sh", "FOLDER/speak", "{language}"]
timeout = "20s"
[[trunk]]
name = "local"
sources = ["127.0.0.1"]
[[number]]
number = "*"
dialplan = "hello"
"#;

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spoken");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("plans")).unwrap();
    std::fs::write(folder.join("plans/hello.toml"), PLAN).unwrap();
    let tone: Vec<u8> = Sine::new(f64::from(AGENT_HZ), -10.0).take(8_000).map(g711::encode_a).collect();
    std::fs::write(folder.join("voice.wav"), wav::file(&tone)).unwrap();
    let at = folder.display();
    std::fs::write(folder.join("speak"), format!("cd {at}; read text; echo \"$1 $text\" >> log; cat voice.wav\n"))
        .unwrap();
    folder
}

/// Calls, listens for the voice, and stays until the server hangs up. `seed` makes the call one of its own.
async fn call(server: SocketAddr, seed: u64) -> Outcome {
    let (sip, media) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let setup = CallerSetup {
        number: "13800138000".into(),
        withheld: false,
        dialled: "95118".into(),
        domain: server.to_string(),
        sip: sip.local_addr().unwrap(),
        media: media.local_addr().unwrap(),
        target: server,
        codecs: vec![G711::A],
        tone_hz: CALLER_HZ,
        listen_hz: AGENT_HZ,
        script: vec![Action::AwaitAnswer(PATIENCE), Action::AwaitTone(PATIENCE)],
    };
    let clock = Clock::start();
    let mut caller = Caller::new(clock.now(), setup, seed);
    let (mut text, mut sound) = ([0; 8192], [0; 2048]);
    while !caller.is_done() {
        while let Some(out) = caller.poll_transmit() {
            match out {
                Out::Sip { to, bytes } => drop(sip.send_to(&bytes, to).await.unwrap()),
                Out::Rtp { to, bytes } => drop(media.send_to(&bytes, to).await.unwrap()),
            }
        }
        let due = caller.poll_timeout().map_or(clock.now() + PATIENCE, |at| at);
        tokio::select! {
            Ok((length, from)) = sip.recv_from(&mut text) => caller.handle_datagram(clock.now(), from, &text[..length]),
            Ok((length, _)) = media.recv_from(&mut sound) => caller.handle_rtp(clock.now(), &sound[..length]),
            () = tokio::time::sleep_until(clock.instant(due).into()) => caller.handle_timeout(clock.now()),
        }
    }
    while let Some(Out::Sip { to, bytes }) = caller.poll_transmit() {
        sip.send_to(&bytes, to).await.unwrap();
    }
    caller.outcome()
}

#[test]
fn a_caller_hears_a_text_nobody_recorded_and_it_is_made_once() {
    let folder = folder();
    let loaded = config::read("centre.toml", &CONFIG.replace("FOLDER", &folder.display().to_string()), &folder);
    let site = loaded.site.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let running = serve::start(site, serve::Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..2 {
        let outcome = runtime.block_on(call(running.sip_addr().unwrap(), seed));
        assert!(outcome.heard_partner() && outcome.status == 200, "{outcome:?}");
    }
    let page = Server(format!("http://{}", running.http_addr().unwrap())).bytes("/metrics").unwrap();
    let page = String::from_utf8(page).unwrap();
    for line in ["busyhour_tts_texts_total{outcome=\"made\"} 1", "busyhour_tts_texts_total{outcome=\"cached\"} 1"] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
    assert_eq!(std::fs::read_to_string(folder.join("log")).unwrap(), "zh 您好，13800138000\n");
    assert_eq!(std::fs::read_dir(folder.join("data/spoken")).unwrap().count(), 1);
    running.stop();
}
