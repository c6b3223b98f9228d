//! A caller of a running server hears a text that nobody recorded.
#![allow(clippy::unwrap_used)]

mod caller;

use busyhour::client::Server;
use busyhour::{config, serve};
use busyhour_media::{g711, tone::Sine, wav};
use busyhour_sim::peer::{AGENT_HZ, Action};
use caller::{PATIENCE, call};
use std::path::{Path, PathBuf};

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

#[test]
fn a_caller_hears_a_text_nobody_recorded_and_it_is_made_once() {
    let folder = folder();
    let loaded = config::read("centre.toml", &CONFIG.replace("FOLDER", &folder.display().to_string()), &folder);
    let site = loaded.site.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let running = serve::start(site, serve::Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..2 {
        let outcome = runtime.block_on(call(running.sip_addr().unwrap(), seed, &[Action::AwaitTone(PATIENCE)]));
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
