//! The busyhour under test: its own process, its own ports, its own folder.

use crate::process::{Process, output, until};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use toml::{Table, Value};

/// What the agents' phones know.
pub(crate) const PASSWORD: &str = "correct-horse-7";
/// Where the carrier's calls come from.
pub(crate) const CARRIER: &str = "127.0.0.2";
/// Where the agents' phones are.
pub(crate) const PHONES: &str = "127.0.0.3";

/// A running switch with the shipped hotline, six agents and a trunk from `CARRIER`, or with a shipped centre.
pub(crate) struct Exchange {
    /// Its SIP port on 127.0.0.1, UDP and TCP.
    pub(crate) sip: u16,
    /// Its RTP and RTCP ports.
    pub(crate) media: (u16, u16),
    /// Everything the test writes.
    pub(crate) folder: PathBuf,
    http: SocketAddr,
    process: Process,
}

impl Exchange {
    /// Starts one and waits until it is ready. `name` is the test's own.
    pub(crate) fn start(name: &str) -> Exchange {
        Exchange::with(name, toml::from_str(HOTLINE).unwrap())
    }

    /// The same with TLS on the port it tells, by the certificate `busyhour.pem` in `folder`.
    pub(crate) fn secure(name: &str, folder: &Path) -> (Exchange, u16) {
        let mut config: Table = toml::from_str(HOTLINE).unwrap();
        let port = free_port();
        section(&mut config, "sip").insert("tls".into(), vec![format!("127.0.0.1:{port}")].into());
        let path = |end: &str| Value::from(folder.join(format!("busyhour.{end}")).display().to_string());
        let certificate = Table::from_iter([("chain".to_owned(), path("pem")), ("key".to_owned(), path("key"))]);
        config.insert("certificate".into(), vec![certificate].into());
        (Exchange::with(name, config), port)
    }

    /// The same, mirroring its messages to a collector on this port.
    pub(crate) fn mirrored(name: &str, collector: u16) -> Exchange {
        let mut config: Table = toml::from_str(HOTLINE).unwrap();
        section(&mut config, "hep").insert("collector".into(), format!("127.0.0.1:{collector}").into());
        Exchange::with(name, config)
    }

    /// The same, keeping sound of phones secret (`[sip] srtp`) as it says.
    pub(crate) fn secret(name: &str, srtp: &str) -> Exchange {
        let mut config: Table = toml::from_str(HOTLINE).unwrap();
        section(&mut config, "sip").insert("srtp".into(), srtp.into());
        Exchange::with(name, config)
    }

    /// The same with a trunk that speaks these codecs, in this order.
    #[cfg(feature = "opus")]
    pub(crate) fn speaking(name: &str, codecs: &[&str]) -> Exchange {
        let mut config: Table = toml::from_str(HOTLINE).unwrap();
        let trunk = config["trunk"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
        trunk.insert("codecs".into(), codecs.to_vec().into());
        Exchange::with(name, config)
    }

    /// The same with this `[recording]`.
    pub(crate) fn recording(name: &str, recording: &str) -> Exchange {
        let mut config: Table = toml::from_str(HOTLINE).unwrap();
        config.insert("recording".into(), toml::from_str::<Table>(recording).unwrap().into());
        Exchange::with(name, config)
    }

    /// Starts a shipped centre, `dialplans/<centre>`, always open; its first trunk comes from `CARRIER`.
    pub(crate) fn of_centre(centre: &str) -> Exchange {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialplans").join(centre);
        let mut config: Table = toml::from_str(&fs::read_to_string(folder.join("busyhour.toml")).unwrap()).unwrap();
        for key in ["dialplans", "prompts"] {
            if let Some(Value::String(path)) = section(&mut config, "server").get_mut(key) {
                *path = folder.join(&*path).display().to_string();
            }
        }
        let Some(Value::Array(trunks)) = config.get_mut("trunk") else { panic!("{centre} has no trunk") };
        trunks[0].as_table_mut().unwrap().insert("sources".into(), vec![CARRIER.to_owned()].into());
        // A test may run at night.
        for schedule in config.get_mut("schedule").and_then(Value::as_array_mut).into_iter().flatten() {
            let always =
                toml::from_str("open = [{ days = [\"mon-sun\", \"holiday\"], time = \"00:00-24:00\" }]").unwrap();
            let Value::Table(schedule) = schedule else { continue };
            schedule.retain(|key, _| key == "name");
            schedule.extend::<Table>(always);
        }
        for agents in config["agent"].as_array_mut().unwrap() {
            agents.as_table_mut().unwrap().insert("password".into(), PASSWORD.into());
        }
        Exchange::with(centre, config)
    }

    /// Starts one with this configuration and one dialplan.
    pub(crate) fn of_plan(name: &str, config: &str, plan: &str) -> Exchange {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-plans"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("plan.toml"), plan).unwrap();
        let mut config: Table = toml::from_str(config).unwrap();
        section(&mut config, "server").insert("dialplans".into(), folder.display().to_string().into());
        Exchange::with(name, config)
    }

    /// The line of baresip's `accounts` that `busyhour provision` renders for an agent.
    pub(crate) fn account(&self, agent: &str) -> String {
        let mut command = program();
        command.args(["provision", agent, "--transport", "udp", "--config"]).arg(self.folder.join("busyhour.toml"));
        output(&mut command).trim().to_owned()
    }

    /// What a command of `busyhour` that asks this server says.
    pub(crate) fn ask(&self, args: &[&str]) -> Output {
        program().args(args).args(["--url", &format!("http://{}", self.http)]).output().unwrap()
    }

    /// Starts one with this configuration on ports of its own.
    fn with(name: &str, mut config: Table) -> Exchange {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        let (sip, http) = (free_port(), SocketAddr::from(([127, 0, 0, 1], free_port())));
        let media = (28_000, 28_099);
        // On loopback of the family of its sound.
        let six = section(&mut config, "media").get("address").and_then(Value::as_str) == Some("::1");
        let host = if six { "::1" } else { "127.0.0.1" };
        let bound = vec![SocketAddr::new(host.parse().unwrap(), sip).to_string()];
        for (name, key, value) in [
            ("server", "domain", Value::from(bound[0].trim_end_matches(&format!(":{sip}")))),
            ("server", "data", "data".into()),
            // SIPp takes a question for the call it waits for; a test that asks says how often.
            ("sip", "qualify", section(&mut config, "sip").remove("qualify").unwrap_or("0s".into())),
            ("sip", "udp", bound.clone().into()),
            ("sip", "tcp", bound.into()),
            ("media", "address", host.into()),
            ("media", "ports", format!("{}-{}", media.0, media.1).into()),
            ("http", "listen", http.to_string().into()),
        ] {
            section(&mut config, name).insert(key.into(), value);
        }
        fs::write(folder.join("busyhour.toml"), toml::to_string(&config).unwrap()).unwrap();
        let mut command = program();
        command.arg("serve").arg("--config").arg(folder.join("busyhour.toml"));
        let process = Process::start("busyhour", &folder, &mut command);
        let exchange = Exchange { sip, media, folder, http, process };
        until("busyhour is ready", Duration::from_secs(20), || exchange.page("/readyz").map(|_| ()));
        exchange
    }

    /// The body of a page, when it is answered with 200.
    pub(crate) fn page(&self, path: &str) -> Option<String> {
        self.answer("GET", path).map(|body| String::from_utf8(body).unwrap())
    }

    /// The same of a page that is no text.
    pub(crate) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        self.answer("GET", path)
    }

    /// Posts without a body; whether that was answered with 200.
    pub(crate) fn post(&self, path: &str) -> bool {
        self.answer("POST", path).is_some()
    }

    fn answer(&self, method: &str, path: &str) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(self.http).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
        assert!(!head.to_lowercase().contains("chunked"), "{path} is sent in chunks, which this client does not read");
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    }

    /// A page of JSON rows.
    #[track_caller]
    pub(crate) fn rows(&self, path: &str) -> Vec<serde_json::Value> {
        let body = self.page(path).unwrap_or_else(|| panic!("{path} is not answered:\n{}", self.process.said()));
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        value.as_array().unwrap_or_else(|| panic!("{path} is no list: {body}")).clone()
    }

    /// Waits for the records of `calls` calls and for everything to be at rest again.
    #[track_caller]
    pub(crate) fn records(&self, calls: usize) -> Vec<serde_json::Value> {
        let limit = Duration::from_secs(15);
        until("no call is left", limit, || self.rows("/api/calls/active").is_empty().then_some(()));
        let records = until("every record is written", limit, || {
            Some(self.rows("/api/calls?limit=1000")).filter(|records| records.len() >= calls)
        });
        assert_eq!(records.len(), calls, "one record per call");
        records
    }

    /// How many agents are in a state.
    pub(crate) fn agents(&self, state: &str) -> usize {
        self.rows("/api/agents").iter().filter(|agent| agent["state"] == state).count()
    }

    /// The log of the switch.
    pub(crate) fn said(&self) -> String {
        self.process.said()
    }
}

/// The program itself.
pub(crate) fn program() -> Command {
    Command::new(std::env::var("BUSYHOUR_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_busyhour").into()))
}

/// A port nobody uses now, neither UDP nor TCP users of the loopback.
pub(crate) fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A section of a configuration, made when there is none.
fn section<'a>(config: &'a mut Table, name: &str) -> &'a mut Table {
    config.entry(name).or_insert_with(|| Table::new().into()).as_table_mut().unwrap()
}

const HOTLINE: &str = r#"
skills = ["enquiry", "complaint", "general"]
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
channels = 30
[[number]]
number = "95118"
dialplan = "hotline"
[[queue]]
name = "enquiry"
skills = { enquiry = 1 }
wrap_up = "1s"
[[queue]]
name = "complaint"
skills = { complaint = 1 }
[[queue]]
name = "general"
skills = { general = 1 }
[[agent]]
numbers = "1001-1006"
password = "correct-horse-7"
skills = { enquiry = 1, complaint = 1, general = 1 }
auto_ready = true
"#;
