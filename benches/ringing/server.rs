//! The server under test, a process of its own, and what the system says of it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// It serves within so long, or something is wrong.
const START_MAX: Duration = Duration::from_secs(20);
/// The first agent's number; the others follow.
pub(crate) const FIRST_AGENT: u64 = 1001;
pub(crate) const PASSWORD: &str = "ringing-ringing";
pub(crate) const DOMAIN: &str = "ringing.test";
pub(crate) const HOTLINE: &str = "95118";
/// Where callers come from: the trunk.
pub(crate) const CARRIER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const DIALPLAN: &str = r#"
name = "ringing"
start = "wait"
[node.wait]
queue = "hotline"
else = "end"
[node.end]
hangup = true
"#;

/// See the module. Dropping it ends the process and removes its files.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    sip: SocketAddr,
    http: SocketAddr,
}

/// CPU time used by kind of thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) control: Duration,
    pub(crate) media: Duration,
    /// Recorder, journal, store, HTTP, the main thread.
    pub(crate) rest: Duration,
    /// How long the control thread was ready to run and had no CPU.
    pub(crate) held_up: Duration,
}

/// The switch's own histogram: input taken to INVITE sent, in sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Matching {
    pub(crate) offers: f64,
    pub(crate) seconds: f64,
}

impl Server {
    /// Starts `binary` with so many agents configured, and waits until it serves.
    pub(crate) fn start(binary: &str, agents: u64) -> Server {
        let folder = std::env::temp_dir().join(format!("busyhour-ringing-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("dialplans")).expect("the temporary folder can be written");
        let (sip, http) = free_ports();
        fs::write(folder.join("dialplans/ringing.toml"), DIALPLAN).expect("as above");
        fs::write(folder.join("busyhour.toml"), config(sip, http, agents)).expect("as above");
        let log = File::create(folder.join("log")).expect("as above");
        let child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(folder.join("busyhour.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the binary can be started");
        let mut server = Server { child, folder, sip, http };
        server.await_start();
        server
    }

    fn await_start(&mut self) {
        let until = Instant::now() + START_MAX;
        while TcpStream::connect(self.http).is_err() {
            let ended = self.child.try_wait().expect("a child can be asked").is_some();
            assert!(!ended && Instant::now() < until, "the server did not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it said, calls that ended aside.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        text.lines().filter(|line| !line.contains("call ended")).map(|line| format!("{line}\n")).collect()
    }

    pub(crate) fn sip(&self) -> SocketAddr {
        self.sip
    }

    fn proc(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{path}", self.child.id()))
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut cpu = Cpu::default();
        let tasks = fs::read_dir(self.proc("task")).expect("the server runs");
        for task in tasks.flatten().map(|entry| entry.path()) {
            let read = |file| fs::read_to_string(task.join(file)).unwrap_or_default();
            let stat = read("schedstat");
            let mut numbers = stat.split_whitespace().map(|n| Duration::from_nanos(n.parse().unwrap_or_default()));
            let (used, held_up) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
            match read("comm").trim() {
                "control" => (cpu.control, cpu.held_up) = (used, held_up),
                name if name.starts_with("media") => cpu.media += used,
                _ => cpu.rest += used,
            }
        }
        cpu
    }

    /// Resident memory in kB.
    pub(crate) fn memory_kb(&self) -> f64 {
        let status = fs::read_to_string(self.proc("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }

    /// The switch's own view of its offers so far.
    pub(crate) fn matching(&self) -> Matching {
        let page = self.page("/metrics");
        let value = |name: &str| page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Matching {
            offers: value("busyhour_acd_match_seconds_count").unwrap_or_default(),
            seconds: value("busyhour_acd_match_seconds_sum").unwrap_or_default(),
        }
    }

    fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http).expect("the server has an HTTP address");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http);
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the server answers");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Matching {
    /// Microseconds per offer since `before`.
    pub(crate) fn since(self, before: Matching) -> f64 {
        1e6 * (self.seconds - before.seconds) / (self.offers - before.offers).max(1.0)
    }
}

impl Cpu {
    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            control: self.control - before.control,
            media: self.media - before.media,
            rest: self.rest.saturating_sub(before.rest),
            held_up: self.held_up - before.held_up,
        }
    }
}

/// Two ports of loopback that are free now.
fn free_ports() -> (SocketAddr, SocketAddr) {
    let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    (sip.expect("loopback has free ports"), http.expect("loopback has free ports"))
}

fn config(sip: SocketAddr, http: SocketAddr, agents: u64) -> String {
    let mut text = String::from("skills = [\"hotline\"]\n");
    let (first, last) = (FIRST_AGENT, FIRST_AGENT + agents - 1);
    write!(
        text,
        "[server]\ndomain = \"{DOMAIN}\"\ndata = \"data\"\ndialplans = \"dialplans\"\ncalls_max = 5000\nring_timeout = \"60s\"\n\
         [sip]\nudp = [\"{sip}\"]\ntcp = [\"{sip}\"]\nqualify = \"0s\"\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"20000-31999\"\nsilence_timeout = \"0s\"\n\
         agent_silence_timeout = \"0s\"\n\
         [http]\nlisten = \"{http}\"\n\
         [[trunk]]\nname = \"carrier\"\nsources = [\"{CARRIER}\"]\nchannels = 10000\n\
         [[number]]\nnumber = \"{HOTLINE}\"\ndialplan = \"ringing\"\n\
         [[queue]]\nname = \"hotline\"\nskills = {{ hotline = 1 }}\nwrap_up = \"0s\"\n\
         [[agent]]\nnumbers = \"{first}-{last}\"\npassword = \"{PASSWORD}\"\nskills = {{ hotline = 1 }}\nauto_ready = true\n"
    )
    .expect("a string takes everything");
    text
}
