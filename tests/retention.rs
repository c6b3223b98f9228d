//! A running server removes recordings whose time is over, file and row, and keeps those that are held.
#![allow(clippy::unwrap_used)]

use busyhour::client::Server;
use busyhour::{config, serve};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CONFIG: &str = r#"
[server]
data = "data"
[recording]
keep = "30d"
[sip]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
[media]
ports = "37000-37098"
[http]
listen = "127.0.0.1:0"
[[number]]
number = "*"
dialplan = "none"
"#;
const PLAN: &str = "name = \"none\"\nstart = \"end\"\n[node.end]\nhangup = true\n";

fn start(folder: &Path) -> serve::Running {
    let config = CONFIG.replace("data = \"data\"", "data = \"data\"\ndialplans = \"plans\"");
    let loaded = config::read("centre.toml", &config, folder);
    let site = loaded.site.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    serve::start(site, serve::Options::default()).unwrap()
}

/// A recording that began so many days ago, as the store and the disk have it.
fn recorded(data: &Path, days: u64, held: Option<&str>) -> (u64, PathBuf) {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let began = (now - Duration::from_secs(days * 24 * 3600)).as_micros() as u64;
    let name = busyhour::tapes::name(busyhour_model::TapeId(began));
    let file = data.join("recordings").join(&name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "sound").unwrap();
    let json = format!(
        "{{\"tape\":{began},\"call\":1,\"began\":{began},\"from\":\"138\",\"to\":\"95118\",\"left\":{{\"trunk\":\"t\"}},\
         \"right\":{{\"agent\":\"1001\"}},\"queue\":null,\"retention\":\"default\"}}"
    );
    let store = rusqlite::Connection::open(data.join("calls.sqlite")).unwrap();
    let sql = "INSERT INTO recordings VALUES (?1, 1, ?1, '138', '95118', NULL, '1001', NULL, 'default', ?2, 'complete', 1000, 0, ?3, 'ab', ?4)";
    store.execute(sql, rusqlite::params![began as i64, held, name, json]).unwrap();
    (began, file)
}

#[test]
fn what_was_kept_long_enough_is_removed_and_what_is_held_or_young_stays() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("retention");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("plans")).unwrap();
    std::fs::write(folder.join("plans/none.toml"), PLAN).unwrap();
    start(&folder).stop();
    let data = folder.join("data");
    let (old, old_file) = recorded(&data, 31, None);
    let (_, held_file) = recorded(&data, 400, Some("case 7"));
    let (_, young_file) = recorded(&data, 29, None);

    let running = start(&folder);
    let since = Instant::now();
    let server = Server(format!("http://{}", running.http_addr().unwrap()));
    let story = || server.get::<Value>(&format!("/api/recordings/{old}")).unwrap();
    while old_file.exists() || !story()["recording"].is_null() {
        assert!(since.elapsed() < Duration::from_secs(20), "{} is still there", old_file.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(story()["deeds"][0]["by"], "retention");
    assert!(held_file.exists() && young_file.exists());
    assert_eq!(server.get::<Vec<Value>>("/api/recordings").unwrap().len(), 2);
    running.stop();
}
