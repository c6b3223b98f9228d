//! The program run once, and a server of it that runs until it is dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub(crate) const CONFIG: &str = r#"
skills = ["enquiry", "complaint", "general"]
[server]
data = "data"
drain = "0s"
[sip]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
[media]
ports = "30000-49999"
[http]
listen = "127.0.0.1:0"
[[trunk]]
name = "local"
sources = ["127.0.0.2"]
[[number]]
number = "*"
dialplan = "hotline"
[[queue]]
name = "enquiry"
skills = { enquiry = 1 }
[[queue]]
name = "complaint"
skills = { complaint = 1 }
[[queue]]
name = "general"
skills = { general = 1 }
[[agent]]
numbers = "1001-1002"
password = "not-the-sample"
skills = { enquiry = 3, complaint = 1, general = 2 }
"#;

pub(crate) fn busyhour(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_busyhour")).args(args).env_remove("RUST_LOG").output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder of this test's own, with `centre.toml` in it.
pub(crate) fn folder(test: &str, config: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("centre.toml"), config).unwrap();
    folder
}

/// A running `busyhour serve`, told to stop when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) sip: String,
    pub(crate) config: PathBuf,
}

impl Server {
    pub(crate) fn start(test: &str) -> Server {
        Server::start_in(&folder(test, CONFIG))
    }

    pub(crate) fn start_in(folder: &Path) -> Server {
        let config = folder.join("centre.toml");
        let mut child = Command::new(env!("CARGO_BIN_EXE_busyhour"))
            .args(["serve", "--config", config.to_str().unwrap()])
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut url, mut sip, mut seen) = (None, None, String::new());
        while url.is_none() {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {seen}")).unwrap();
            let after = |mark: &str| Some(line.split_once(mark)?.1.split([' ', ')']).next()?.to_string());
            sip = sip.or_else(|| after("SIP over UDP on "));
            url = after("HTTP on ");
            seen += &line;
        }
        // The rest is read so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, url: url.unwrap(), sip: sip.unwrap(), config }
    }

    pub(crate) fn ask(&self, args: &[&str]) -> Output {
        busyhour(&[args, &["--url", &self.url]].concat())
    }

    pub(crate) fn http(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_string())
    }

    /// Facts reach the metrics some milliseconds after the answer that tells of them.
    pub(crate) fn until_metrics(&self, line: &str) {
        let page = || self.http("GET", "/metrics").1;
        let told = (0..200).any(|_| page().lines().any(|l| l == line));
        assert!(told, "{line} is not in\n{}", page());
    }

    pub(crate) fn stop(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
