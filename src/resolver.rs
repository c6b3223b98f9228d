//! Names of trunks' peers, looked up on a thread of their own: questions go to name servers, answers to the control loop.

use crate::metrics::Metrics;
use busyhour_sip::dns::{Answer, Fault, Question};
use busyhour_sip::{Found, Search, Unfound, Wanted};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::time::timeout;

/// Names waiting to be looked up; the stack asks again for one that finds no room.
const WAITING_MAX: usize = 1_000;
/// Each server is asked so many times.
const ROUNDS: usize = 2;
/// Servers of `/etc/resolv.conf` that are asked, as by the system.
const SERVERS_MAX: usize = 3;
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;
/// Bytes of an answer in a datagram.
const DATAGRAM_MAX: usize = 4_096;

/// Whom to ask, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSetup {
    /// Empty: those the system asks.
    pub servers: Vec<SocketAddr>,
    /// A server that says nothing for so long is passed over.
    pub timeout: Duration,
}

impl Default for DnsSetup {
    fn default() -> DnsSetup {
        DnsSetup { servers: Vec::new(), timeout: Duration::from_secs(2) }
    }
}

/// What came of a name.
pub type Resolved = (Wanted, Result<Found, Unfound>);

/// The control loop's side of it.
pub struct Resolver {
    asked: Sender<Wanted>,
    answers: UnboundedReceiver<Resolved>,
}

impl Resolver {
    /// Starts the thread; it ends with the `Resolver`.
    ///
    /// # Errors
    /// No thread or no runtime can be made.
    pub fn start(setup: DnsSetup, metrics: Arc<Metrics>) -> io::Result<Resolver> {
        let (asked, asks) = channel(WAITING_MAX);
        let (told, answers) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || runtime.block_on(serve(Arc::new(setup), asks, told, metrics));
        std::thread::Builder::new().name("dns".into()).spawn(run)?;
        Ok(Resolver { asked, answers })
    }

    /// Looks a name up; never waits.
    pub fn ask(&self, wanted: Wanted) {
        if self.asked.try_send(wanted).is_err() {
            tracing::warn!("more than {WAITING_MAX} names of trunks wait to be looked up: one is put off");
        }
    }

    /// What came of the next name.
    pub async fn answer(&mut self) -> Resolved {
        match self.answers.recv().await {
            Some(answered) => answered,
            None => std::future::pending().await,
        }
    }
}

/// Each name in a task of its own: none waits for the server of another. They are as many as the configuration names.
async fn serve(
    setup: Arc<DnsSetup>,
    mut asks: Receiver<Wanted>,
    told: UnboundedSender<Resolved>,
    metrics: Arc<Metrics>,
) {
    let (finished, mut outcomes) = unbounded_channel();
    // Told once, until it is otherwise.
    let mut troubles: HashMap<String, Unfound> = HashMap::new();
    loop {
        tokio::select! {
            wanted = asks.recv() => {
                let Some(wanted) = wanted else { return };
                let (setup, finished) = (Arc::clone(&setup), finished.clone());
                tokio::spawn(async move { finished.send(resolve(&setup, wanted).await) });
            }
            Some((wanted, outcome)) = outcomes.recv() => {
                let name = wanted.peer.to_string();
                match &outcome {
                    Ok(found) => {
                        metrics.resolved.with_label_values(&["found"]).inc();
                        if troubles.remove(&name).is_some() {
                            tracing::info!("{name} is found again, at {} addresses", found.peers.len());
                        }
                    }
                    Err(why) => {
                        metrics.resolved.with_label_values(&[word(*why)]).inc();
                        if troubles.insert(name.clone(), *why) != Some(*why) {
                            tracing::warn!("{name} is not found: {why}; what was known of it still holds");
                        }
                    }
                }
                // Control that has ended hears nothing any more.
                let _ = told.send((wanted, outcome));
            }
        }
    }
}

fn word(why: Unfound) -> &'static str {
    match why {
        Unfound::Silent => "silent",
        Unfound::Nowhere => "nowhere",
    }
}

async fn resolve(setup: &DnsSetup, wanted: Wanted) -> Resolved {
    let servers = if setup.servers.is_empty() { of_system() } else { setup.servers.clone() };
    let mut search = Search::new(wanted);
    while let Some(question) = search.question() {
        search.handle(ask(&servers, setup.timeout, &question).await);
    }
    search.outcome()
}

/// The first good answer of any server, or what the last one said.
async fn ask(servers: &[SocketAddr], patience: Duration, question: &Question) -> Result<Answer, Fault> {
    let mut last = Fault::Malformed;
    for server in (0..ROUNDS).flat_map(|_| servers) {
        match timeout(patience, exchange(*server, question)).await {
            Ok(Ok(Ok(answer))) => return Ok(answer),
            Ok(Ok(Err(fault))) => last = fault,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    Err(last)
}

/// One question to one server, by datagram, and again by TCP when the answer is too long for one (RFC 7766 section 5).
async fn exchange(server: SocketAddr, question: &Question) -> io::Result<Result<Answer, Fault>> {
    // A port and a number that nobody else can guess (RFC 5452 section 9): the system chooses the port.
    let id = RandomState::new().hash_one(question.name.len()) as u16;
    let Some(asked) = question.to_bytes(id) else { return Ok(Ok(Answer::default())) };
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&asked).await?;
    let mut buffer = [0; DATAGRAM_MAX];
    loop {
        let size = socket.recv(&mut buffer).await?;
        match question.read(id, &buffer[..size]) {
            // Late, or forged: the right one may still come.
            Err(Fault::NotOurs) => {}
            Err(Fault::Truncated) => return by_tcp(server, question, id, &asked).await,
            answer => return Ok(answer),
        }
    }
}

async fn by_tcp(server: SocketAddr, question: &Question, id: u16, asked: &[u8]) -> io::Result<Result<Answer, Fault>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&[&(asked.len() as u16).to_be_bytes()[..], asked].concat()).await?;
    let size = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(size)];
    stream.read_exact(&mut answer).await?;
    Ok(question.read(id, &answer))
}

/// The system's name servers, as they are now; none in the file: this machine.
fn of_system() -> Vec<SocketAddr> {
    let file = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let listed: Vec<SocketAddr> = name_servers(&file).take(SERVERS_MAX).collect();
    if listed.is_empty() { vec![(Ipv4Addr::LOCALHOST, DNS_PORT).into()] } else { listed }
}

fn name_servers(file: &str) -> impl Iterator<Item = SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        Some(SocketAddr::new(address.parse().ok()?, DNS_PORT))
    };
    file.lines().filter_map(server)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
