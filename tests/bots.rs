//! A caller of a running server talks with a bot over real sockets, and goes on in the dialplan; another is listened to.
#![allow(clippy::unwrap_used)]

mod caller;
mod robin;

use busyhour::client::Server;
use busyhour::recorder::Told;
use busyhour::{config, serve};
use busyhour_media::{g711, tone};
use busyhour_model::{Attached, G711, What};
use busyhour_sim::peer::{AGENT_HZ, Action, CALLER_HZ, EndedBy};
use caller::{PATIENCE, call};
use futures_util::{SinkExt, StreamExt};
use robin::talk;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::{Error, Message};

const PLAN: &str = r#"
name = "hello"
start = "assistant"
[node.assistant]
bot = "robin"
data = { number = "$caller" }
set = { topic = "$.topic" }
outcomes = { agent = "sorted" }
then = "end"
failed = "sorry"
[node.sorted]
branch = [{ "$topic" = "loan", goto = "loan" }]
else = "end"
[node.loan]
play = "ivr/welcome"
then = "end"
[node.sorry]
play = "ivr/system-error"
then = "end"
[node.end]
hangup = true
"#;
const CONFIG: &str = r#"
[server]
dialplans = "plans"
data = "data"
[sip]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
[media]
ports = "38000-38098"
[http]
listen = "127.0.0.1:0"
[[bot]]
name = "robin"
url = "ws://BOT/"
[[trunk]]
name = "local"
sources = ["127.0.0.1"]
[[number]]
number = "*"
dialplan = "hello"
"#;

fn folder(name: &str, plan: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("plans")).unwrap();
    std::fs::write(folder.join("plans/hello.toml"), plan).unwrap();
    folder
}

#[test]
fn a_caller_talks_with_a_bot_by_sound_and_keys_and_goes_on_with_what_it_found_out() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let door = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (folder, at) = (folder("bots", PLAN), door.local_addr().unwrap().to_string());
    let loaded = config::read("centre.toml", &CONFIG.replace("BOT", &at), &folder);
    let site = loaded.site.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let running = serve::start(site, serve::Options::default()).unwrap();
    let (facts, sip) = (running.listen(), running.sip_addr().unwrap());
    let script = [Action::AwaitTone(PATIENCE), Action::Press('5')];
    let (outcome, (start, heard)) =
        runtime.block_on(async { tokio::join!(call(sip, 1, &script), talk(&door, f64::from(AGENT_HZ))) });
    assert_eq!((&start["from"], &start["data"]["number"]), (&json!("13800138000"), &json!("13800138000")));
    assert!(
        outcome.heard_partner() && outcome.ended_by == Some(EndedBy::Them),
        "the caller hears the bot: {outcome:?}"
    );
    let level = |samples: &[i16]| tone::level(samples, f64::from(CALLER_HZ));
    assert!((level(&heard[4_000..]) - level(&heard[2_000..6_000])).abs() < 1.0, "the bot hears the caller, evenly");
    assert!(level(&heard[4_000..]) > -20.0, "and loud: {}", level(&heard[4_000..]));

    drop(door);
    runtime.block_on(call(sip, 2, &[]));
    let page = Server(format!("http://{}", running.http_addr().unwrap())).bytes("/metrics").unwrap();
    let page = String::from_utf8(page).unwrap();
    for line in [
        "busyhour_bot_talk_seconds_count{bot=\"robin\",outcome=\"agent\"} 1",
        "busyhour_bot_talk_seconds_count{bot=\"robin\",outcome=\"failed\"} 1",
        "busyhour_forks_active 0",
        "busyhour_fork_lost_seconds_total 0",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
    running.stop();
    recorded(&folder.join("data/recordings"));
    let nodes = facts.iter().filter_map(|told| match told {
        Told::Fact(fact) => match fact.what {
            What::NodeEntered { node, .. } => Some(node.to_string()),
            _ => None,
        },
        Told::Record(_) => None,
    });
    assert_eq!(nodes.collect::<Vec<_>>(), ["assistant", "sorted", "loan", "end", "assistant", "sorry", "end"]);
}

#[test]
fn a_caller_of_a_queue_talks_with_a_bot_that_is_an_agent_when_another_one_cannot_be_reached() {
    const QUEUE: &str = "name = \"hello\"\nstart = \"wait\"\n[node.wait]\nqueue = \"card\"\nelse = \"end\"\n[node.end]\n\
                         hangup = true\n";
    const AGENTS: &str = "[[queue]]\nname = \"card\"\n[[agent]]\nnumbers = \"9001-9002\"\nbot = \"robin\"\n[[trunk]]";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let door = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (folder, at) = (folder("bot-agents", QUEUE), door.local_addr().unwrap().to_string());
    let config = CONFIG.replace("BOT", &at).replace("38", "36").replace("[[trunk]]", AGENTS);
    let loaded = config::read("centre.toml", &config, &folder);
    let site = loaded.site.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let running = serve::start(site, serve::Options::default()).unwrap();
    let (sip, server) = (running.sip_addr().unwrap(), Server(format!("http://{}", running.http_addr().unwrap())));
    let script = [Action::AwaitTone(PATIENCE), Action::Press('5')];
    let (outcome, (start, _)) = runtime.block_on(async {
        tokio::join!(call(sip, 1, &script), async {
            drop(door.accept().await.unwrap());
            talk(&door, f64::from(AGENT_HZ)).await
        })
    });
    assert!(outcome.heard_partner() && outcome.ended_by == Some(EndedBy::Them), "{outcome:?}");
    assert_eq!((&start["queue"], &start["bot"]), (&json!("card"), &json!("robin")));
    let agents: Vec<Value> = server.get("/api/agents").unwrap();
    let mut stand: Vec<_> = agents.iter().map(|row| (row["state"].clone(), row["reason"].clone())).collect();
    stand.sort_by_key(|(state, _)| state.to_string());
    assert_eq!(stand, [(json!("not_ready"), json!("bot_failed")), (json!("ready"), Value::Null)]);
    let served = agents.iter().find(|row| row["state"] == "ready").unwrap();
    assert_eq!((&start["agent"], &served["phone"]), (&served["agent"], &json!("robin")));
    running.stop();
    recorded(&folder.join("data/recordings"));
}

/// The one talk that came about is on tape: the caller left, the bot right.
fn recorded(folder: &Path) {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { files.push(entry) }
        }
    }
    assert_eq!(files.len(), 1, "{files:?}");
    let file = std::fs::read(&files[0]).unwrap();
    let data = file.windows(4).position(|four| four == b"data").unwrap() + 8;
    let side = |side: usize| -> Vec<i16> {
        file[data + side..].iter().step_by(2).map(|code| g711::decode(G711::A, *code)).collect()
    };
    let level = |side: &[i16], hertz: u32| tone::level(&side[12_000..20_000], f64::from(hertz));
    let (left, right) = (side(0), side(1));
    assert!(level(&left, CALLER_HZ) > -20.0 && level(&left, AGENT_HZ) < -40.0, "the caller is left");
    assert!(level(&right, AGENT_HZ) > -20.0 && level(&right, CALLER_HZ) < -40.0, "the bot is right");
}

/// A caller who is asked something and says nothing but a tone.
const ASKING: &str = "name = \"hello\"\nstart = \"ask\"\n[node.ask]\nmenu = \"ivr/language\"\nkeys = { 1 = \"end\" }\ntimeout = \"60s\"\n\
                      too_many = \"end\"\n[node.end]\nhangup = true\n";

#[test]
fn a_program_listens_to_a_call_until_it_is_over_and_that_is_written_down() {
    let folder = folder("listens", ASKING);
    let loaded = config::read("centre.toml", &CONFIG.replace("BOT", "127.0.0.1:9").replace("38", "39"), &folder);
    let site = loaded.site.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let running = serve::start(site, serve::Options::default()).unwrap();
    let (facts, sip, http) = (running.listen(), running.sip_addr().unwrap(), running.http_addr().unwrap());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let caller = std::thread::spawn(move || runtime().block_on(call(sip, 1, &[])));
    let mut what = facts.iter().filter_map(|told| match told {
        Told::Fact(fact) => Some(fact.what),
        Told::Record(_) => None,
    });
    assert!(what.any(|what| matches!(what, What::Answered { .. })));
    let connect = async |path: &str| {
        let stream = tokio::net::TcpStream::connect(http).await.unwrap();
        tokio_tungstenite::client_async(format!("ws://{http}{path}"), stream).await.map(|(socket, _)| socket)
    };
    let heard = runtime().block_on(async {
        let Err(Error::Http(refused)) = connect("/api/calls/c99/sound").await else { panic!("no such call") };
        assert_eq!(refused.status(), 404);
        let mut rude = connect("/api/calls/c1/sound?who=bob").await.unwrap();
        rude.send("hello".into()).await.unwrap();
        while !rude.next().await.unwrap().unwrap().is_close() {}
        let mut socket = connect("/api/calls/c1/sound?who=alice").await.unwrap();
        let start = json!({ "event": "start", "protocol": 1, "call": "c1", "rate": 8000 }).to_string();
        assert_eq!(socket.next().await.unwrap().unwrap(), start.into());
        let mut heard: Vec<i16> = Vec::new();
        while heard.len() < 8_000 {
            let Message::Binary(sound) = socket.next().await.unwrap().unwrap() else { panic!("nothing is lost") };
            assert_eq!((sound[0], sound.len()), (0, 321), "the caller alone");
            heard.extend(sound[1..].chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
        }
        let hang_up = move || Server(format!("http://{http}")).send("POST", "/api/calls/c1/hangup", &json!(null));
        tokio::task::spawn_blocking(hang_up).await.unwrap().unwrap();
        let stop: Message = json!({ "event": "stop", "outcome": "ended" }).to_string().into();
        while socket.next().await.unwrap().unwrap() != stop {}
        assert!(socket.next().await.unwrap().unwrap().is_close());
        heard
    });
    assert!(tone::level(&heard[4_000..], f64::from(CALLER_HZ)) > -20.0);
    assert!(caller.join().unwrap().complaints.is_empty());
    running.stop();
    let attached = what.filter_map(|what| match what {
        What::Attached(Attached { by, on, .. }) => Some((by.split(" at 127.0.0.1:").next().unwrap().to_owned(), on)),
        _ => None,
    });
    let both = |who: &str| [true, false].map(|on| (who.to_owned(), on));
    assert_eq!(attached.collect::<Vec<_>>(), [both("bob"), both("alice")].concat());
}
