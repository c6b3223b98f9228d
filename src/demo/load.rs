//! The load: agents' phones and callers on real sockets, all in one thread of their own.

use crate::clock::Clock;
use busyhour_model::{G711, Time};
use busyhour_sim::peer::{
    AGENT_HZ, Action, Answering, CALLER_HZ, Caller, CallerSetup, Ending, Out, Outcome, Phone, PhoneSetup,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

/// Reports the demo has not read yet; the load waits when it is full.
const REPORTS_MAX: usize = 4096;
/// Datagrams a caller has not read yet; further ones are lost, as on any network.
const DATAGRAMS_MAX: usize = 64;
/// A finished caller answers retransmissions for so long.
const LINGER: Duration = Duration::from_secs(5);
/// A caller gives the agent so long to answer; queueing included.
const PATIENCE: Duration = Duration::from_secs(600);
/// Tries to find an even free port.
const PORT_TRIES: usize = 64;

/// What is asked of the load.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// SIP address of the switch.
    pub(super) switch: SocketAddr,
    /// Its domain.
    pub(super) domain: String,
    /// Agents' numbers and passwords.
    pub(super) agents: Vec<(String, String)>,
    /// Where phones live.
    pub(super) phones_at: IpAddr,
    /// Where callers live: the trunk.
    pub(super) callers_at: IpAddr,
    /// What they dial.
    pub(super) dialled: String,
    /// Calls in all; `None`: until stopped.
    pub(super) calls: Option<u64>,
    /// Calls per second.
    pub(super) rate: f64,
    /// Shortest and longest talk.
    pub(super) talk: (Duration, Duration),
    /// What everything random comes from.
    pub(super) seed: u64,
}

/// How far the demo is; the load follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Phones register.
    Registering,
    /// Callers call.
    Calling,
    /// No new callers; those there are finish.
    Draining,
    /// Phones unregister, everything ends.
    Leaving,
}

/// What the load tells the demo.
#[derive(Debug)]
pub(super) enum Report {
    /// A caller dialled.
    Dialled,
    /// A caller's call is over.
    Caller(Box<Outcome>),
    /// An agent's call is over.
    Agent(String, Box<Outcome>),
    /// All callers have dialled.
    AllDialled,
    /// Something that should not have happened.
    Trouble(String),
    /// Ctrl-C.
    Interrupted,
}

/// The running load.
pub(super) struct Running {
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) stage: watch::Sender<Stage>,
    thread: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Waits for the thread's end; say `Stage::Leaving` before.
    pub(super) fn join(self) -> io::Result<()> {
        drop(self.reports);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the load generator panicked")))
    }
}

/// Starts the load; phones begin to register at once.
pub(super) fn start(load: Load, clock: Clock) -> io::Result<Running> {
    let (report, reports) = mpsc::channel(REPORTS_MAX);
    let (stage, follow) = watch::channel(Stage::Registering);
    let thread = std::thread::Builder::new().name("load".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let world = World { load: Rc::new(load), clock, report, stage: follow };
        tokio::task::LocalSet::new().block_on(&runtime, run(world))
    })?;
    Ok(Running { reports, stage, thread })
}

/// What every peer's task holds.
#[derive(Clone)]
struct World {
    load: Rc<Load>,
    clock: Clock,
    report: mpsc::Sender<Report>,
    stage: watch::Receiver<Stage>,
}

impl World {
    /// The demo may have stopped listening; then nobody minds.
    async fn tell(&self, report: Report) {
        let _ = self.report.send(report).await;
    }
}

async fn run(world: World) -> io::Result<()> {
    tokio::task::spawn_local(interruptions(world.clone()));
    let mut tasks = Vec::new();
    for index in 0..world.load.agents.len() {
        let (sip, media) = (bind(world.load.phones_at).await?, bind(world.load.phones_at).await?);
        tasks.push(tokio::task::spawn_local(phone(world.clone(), index, sip, media)));
    }
    let mut stage = world.stage.clone();
    let _ = stage.wait_for(|s| *s >= Stage::Calling).await;
    callers(&world).await?;
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    Ok(())
}

async fn interruptions(world: World) {
    while tokio::signal::ctrl_c().await.is_ok() {
        world.tell(Report::Interrupted).await;
    }
}

/// An even port, so that RTCP meant for it never reaches another peer's RTP.
async fn bind(ip: IpAddr) -> io::Result<UdpSocket> {
    let mut odd = Vec::new();
    for _ in 0..PORT_TRIES {
        let socket = UdpSocket::bind((ip, 0)).await?;
        if socket.local_addr()?.port() % 2 == 0 {
            // Until the socket was once seen writable, `try_send_to` refuses.
            socket.writable().await?;
            return Ok(socket);
        }
        odd.push(socket);
    }
    Err(io::Error::other(format!("no even free port at {ip}")))
}

async fn phone(world: World, index: usize, sip: UdpSocket, media: UdpSocket) -> io::Result<()> {
    let load = &world.load;
    let (number, password) = load.agents[index].clone();
    let setup = PhoneSetup {
        number: number.clone(),
        password,
        domain: load.domain.clone(),
        sip: sip.local_addr()?,
        media: media.local_addr()?,
        registrar: Some(load.switch),
        expires: Duration::from_secs(600),
        // Every third phone speaks µ-law only: the switch has to convert.
        codecs: if index % 3 == 2 { vec![G711::Mu] } else { vec![G711::A, G711::Mu] },
        tone_hz: AGENT_HZ,
        listen_hz: CALLER_HZ,
        answering: Answering::After(Duration::from_millis(200), Duration::from_millis(1200)),
        ending: Ending::HangUp(load.talk.0, load.talk.1),
        hold: None,
    };
    let mut phone = Phone::new(world.clock.now(), setup, load.seed ^ (index as u64 + 1).wrapping_mul(0x9E37_79B9));
    let mut stage = world.stage.clone();
    let mut leaving = None;
    let (mut text, mut sound) = ([0u8; 4096], [0u8; 2048]);
    loop {
        while let Some(out) = phone.poll_transmit() {
            transmit(out, &sip, &media);
        }
        while let Some(outcome) = phone.poll_outcome() {
            world.tell(Report::Agent(number.clone(), Box::new(outcome))).await;
        }
        if leaving.is_some_and(|until| !phone.is_registered() || world.clock.now() >= until) {
            return Ok(());
        }
        let deadline = phone.poll_timeout().into_iter().chain(leaving).min();
        tokio::select! {
            Ok((length, from)) = sip.recv_from(&mut text) => {
                phone.handle_datagram(world.clock.now(), from, &text[..length]);
            }
            Ok((length, _)) = media.recv_from(&mut sound) => phone.handle_rtp(world.clock.now(), &sound[..length]),
            () = sleep_until(world.clock, deadline) => phone.handle_timeout(world.clock.now()),
            changed = stage.changed() => {
                if (changed.is_err() || *stage.borrow() == Stage::Leaving) && leaving.is_none() {
                    leaving = Some(world.clock.now() + LINGER);
                    for complaint in phone.complaints() {
                        world.tell(Report::Trouble(format!("phone {number}: {complaint}"))).await;
                    }
                    phone.register(world.clock.now(), false);
                }
            }
        }
    }
}

async fn sleep_until(clock: Clock, at: Option<Time>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock.instant(at).into()).await,
        None => std::future::pending().await,
    }
}

/// Bytes that find no room in the socket are lost, as on any network.
fn transmit(out: Out, sip: &UdpSocket, media: &UdpSocket) {
    let _ = match out {
        Out::Sip { to, bytes } => sip.try_send_to(&bytes, to),
        Out::Rtp { to, bytes } => media.try_send_to(&bytes, to),
    };
}

type Datagrams = mpsc::Sender<(SocketAddr, Vec<u8>)>;
type Inboxes = Rc<RefCell<HashMap<String, Datagrams>>>;

/// The carrier: one SIP socket, callers behind it, told apart by Call-ID.
async fn callers(world: &World) -> io::Result<()> {
    let sip = Rc::new(bind(world.load.callers_at).await?);
    let inboxes = Inboxes::default();
    let carrier = tokio::task::spawn_local(deliver(sip.clone(), inboxes.clone()));
    let mut tasks = tokio::task::JoinSet::new();
    let mut stage = world.stage.clone();
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / world.load.rate));
    let mut placed = 0;
    while world.load.calls.is_none_or(|calls| placed < calls) && *stage.borrow() == Stage::Calling {
        tokio::select! {
            _ = tick.tick() => {
                tasks.spawn_local(caller(world.clone(), placed, sip.clone(), inboxes.clone()));
                placed += 1;
            }
            Some(ended) = tasks.join_next() => ended.map_err(io::Error::other)??,
            _ = stage.changed() => {}
        }
    }
    world.tell(Report::AllDialled).await;
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => ended.map_err(io::Error::other)??,
                None => break,
            },
            _ = stage.wait_for(|s| *s == Stage::Leaving) => break,
        }
    }
    carrier.abort();
    Ok(())
}

async fn deliver(sip: Rc<UdpSocket>, inboxes: Inboxes) {
    let mut buffer = [0u8; 8192];
    loop {
        let Ok((length, from)) = sip.recv_from(&mut buffer).await else { continue };
        let bytes = &buffer[..length];
        let text = String::from_utf8_lossy(bytes);
        let call_id = text.lines().find_map(|l| l.strip_prefix("Call-ID:")).map(str::trim).unwrap_or_default();
        if let Some(inbox) = inboxes.borrow().get(call_id) {
            let _ = inbox.try_send((from, bytes.to_vec()));
        }
    }
}

async fn caller(world: World, index: u64, sip: Rc<UdpSocket>, inboxes: Inboxes) -> io::Result<()> {
    let media = bind(world.load.callers_at).await?;
    let mut caller =
        Caller::new(world.clock.now(), caller_setup(&world.load, index, &sip, &media)?, mix(world.load.seed, index));
    let (inbox, mut datagrams) = mpsc::channel(DATAGRAMS_MAX);
    let call_id = caller.call_id().to_owned();
    inboxes.borrow_mut().insert(call_id.clone(), inbox);
    world.tell(Report::Dialled).await;
    let mut buffer = [0u8; 2048];
    let mut until = None;
    let mut stage = world.stage.clone();
    while until.is_none_or(|until| world.clock.now() < until) {
        while let Some(out) = caller.poll_transmit() {
            transmit(out, &sip, &media);
        }
        if caller.is_done() && until.is_none() {
            until = Some(world.clock.now() + LINGER);
            world.tell(Report::Caller(Box::new(caller.outcome()))).await;
        }
        let deadline = caller.poll_timeout().into_iter().chain(until).min();
        tokio::select! {
            Some((from, bytes)) = datagrams.recv() => caller.handle_datagram(world.clock.now(), from, &bytes),
            Ok((length, _)) = media.recv_from(&mut buffer) => caller.handle_rtp(world.clock.now(), &buffer[..length]),
            () = sleep_until(world.clock, deadline) => caller.handle_timeout(world.clock.now()),
            _ = stage.changed() => {
                // Without a number of calls there is no need to wait for the end of each when the demo is stopped.
                if world.load.calls.is_none() && *stage.borrow() >= Stage::Draining {
                    caller.hang_up(world.clock.now());
                }
            }
        }
    }
    inboxes.borrow_mut().remove(&call_id);
    Ok(())
}

fn mix(seed: u64, index: u64) -> u64 {
    seed.wrapping_add((index + 1).wrapping_mul(0xA076_1D64_78BD_642F))
}

/// Presses 1 for the language and 1 for the service, each into the running prompt; every other caller hangs up first if the
/// agent does not, the rest wait for the agent's BYE.
fn caller_setup(load: &Load, index: u64, sip: &UdpSocket, media: &UdpSocket) -> io::Result<CallerSetup> {
    let short = Duration::from_millis(300);
    let answer = Duration::from_secs(40);
    let mut script = vec![
        Action::AwaitAnswer(answer),
        Action::AwaitSound(answer),
        Action::Wait(short),
        Action::Press('1'),
        Action::Wait(short),
        Action::Press('1'),
        Action::AwaitTone(PATIENCE),
    ];
    if index.is_multiple_of(2) {
        let spread = (load.talk.1.saturating_sub(load.talk.0)).mul_f64((mix(load.seed, index) % 1000) as f64 / 1000.0);
        script.extend([Action::Wait(load.talk.0 + spread), Action::HangUp]);
    }
    Ok(CallerSetup {
        number: format!("138{:08}", index % 100_000_000),
        withheld: false,
        dialled: load.dialled.clone(),
        domain: load.switch.to_string(),
        sip: sip.local_addr()?,
        media: media.local_addr()?,
        target: load.switch,
        codecs: if index % 5 == 4 { vec![G711::Mu, G711::A] } else { vec![G711::A, G711::Mu] },
        tone_hz: CALLER_HZ,
        listen_hz: AGENT_HZ,
        script,
    })
}
