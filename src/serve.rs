//! A running busyhour: threads, sockets and files around one switch. `busyhour serve`, the demo and the tests start it here.

use crate::clock::{Clock, CpuTime};
use crate::config::{Shell, Site};
use crate::control::{Ask, Control, State};
use crate::convert::{self, Conversions, Converting};
use crate::desk::Desk;
use crate::dtls::{Certificate, Handshakes};
use crate::forecaster::Forecaster;
use crate::forks::{Forks, Said};
use crate::http;
use crate::journal::Journal;
use crate::lookup::LookUps;
use crate::media::Plane;
use crate::metrics::Metrics;
use crate::net::{Bound, Certificates, Manners};
use crate::notify::Notifier;
use crate::prompts::Catalogue;
use crate::recorder::{Recorder, Sinks, Told};
use crate::resolver::{DnsSetup, Resolver};
use crate::retention::Retention;
use crate::store::Store;
use crate::tapes::{self, Format, Tapes};
use crate::timer::Timer;
use crate::trace::{self, Tracer, Traces};
use crate::tts::Tts;
use crate::turns::ask_for_short_turns;
use crate::upload::{self, Uploading, Uploads};
use busyhour_media::{Config as MediaConfig, Taped};
use busyhour_model::{Message, Name, Sound as Heard};
use busyhour_sip::Transport;
use busyhour_switch::{Denied, Reply, Request, Setup, Switch, Vitals};
use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Questions waiting for the control loop.
const ASKS_MAX: usize = 1_024;

/// What is wanted of a start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file reloads read; `None`: the built-in sample.
    pub config: Option<PathBuf>,
    /// What all random choices come from; `None`: unpredictable.
    pub seed: Option<u64>,
}

/// Why it did not start; one plain sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// A running busyhour. Dropping it without [`Running::stop`] stops it at once.
pub struct Running {
    desk: Desk,
    sip: Vec<(Transport, SocketAddr)>,
    http: Option<SocketAddr>,
    http_stop: Option<oneshot::Sender<()>>,
    control: Option<JoinHandle<()>>,
    http_thread: Option<JoinHandle<()>>,
    recorder_thread: Option<JoinHandle<()>>,
    store_thread: Option<JoinHandle<()>>,
    tapes_thread: Option<JoinHandle<()>>,
    trace_thread: Option<JoinHandle<()>>,
    retention: Option<Retention>,
    keeping: Option<Keeping>,
    drain: Duration,
}

/// Binds, opens and starts everything; nothing is left behind when it fails.
pub fn start(mut site: Site, options: Options) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::start();
    let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one(clock.now().as_micros()));
    let bound = Bound::new(&site.shell.sip, site.shell.advertise).map_err(StartError)?;
    let http = site.shell.http.map(bind_http).transpose()?;
    let certificates = Certificates::new(&site.tls).map_err(StartError)?;
    let (journal, store, store_thread) = files(&site.shell, &metrics)?;
    let (sip, certificate) = settle(&mut site.setup, &bound)?;
    let (told, events) = mpsc::unbounded_channel();
    let (tracer, traces, trace_thread) = start_trace(&site, &metrics)?;
    let Sound { plane, tapes, tapes_thread, forks, bots } =
        start_sound(&site, (certificate, seed), clock, &told, &metrics, &store, traces.as_ref())?;
    let (uploads, conversions, keeping) = start_keeping(&site, &tapes, &store, clock, &metrics)?;
    let sinks = (&store, &tapes, conversions, &uploads);
    let (recorder, recorder_thread) = start_recorder(&site, &metrics, journal, sinks)?;
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (control, cpu) = Wiring {
        setup: site.setup.clone(),
        messages: store.messages().map_err(|e| StartError(format!("messages cannot be read: {e}")))?,
        seed,
        bound,
        manners: Manners::new(certificates.clone(), &site.shell.origins, site.setup.networks.clone()),
        plane: Arc::clone(&plane),
        events,
        asks: asked,
        recorder: recorder.clone(),
        metrics: Arc::clone(&metrics),
        clock,
        forecast_every: site.shell.forecast_every,
        dns: site.shell.dns.clone(),
        forks: (forks.clone(), bots),
        tracer,
    }
    .start()?;
    let drain = site.shell.drain;
    let desk = Desk {
        asks,
        recorder,
        store,
        metrics,
        tapes,
        uploads,
        plane,
        forks,
        certificates,
        cpu,
        clock,
        site: Arc::new(Mutex::new(site)),
        traces,
        config: options.config,
        draining: Arc::default(),
        turn: Arc::default(),
    };
    desk.keep_versions("start");
    let (http, http_stop, http_thread) = start_http(http, &desk)?;
    Ok(Running {
        retention: Some(Retention::start(desk.clone()).map_err(|e| no_thread(&e))?),
        desk,
        sip,
        http,
        http_stop,
        control: Some(control),
        http_thread,
        keeping: Some(keeping),
        recorder_thread: Some(recorder_thread),
        store_thread: Some(store_thread),
        tapes_thread: Some(tapes_thread),
        trace_thread,
        drain,
    })
}

/// What only the system can say: which addresses were bound, what keys are made of, and how we show ourselves in handshakes.
fn settle(setup: &mut Setup, bound: &Bound) -> Result<(Vec<(Transport, SocketAddr)>, Certificate), StartError> {
    setup.locals = bound.locals();
    let no_randomness = || StartError("the system gives no randomness".into());
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut setup.secret.bytes).map_err(|_| no_randomness())?;
    let certificate = Certificate::new().map_err(|_| no_randomness())?;
    setup.secret.certificate = Some(certificate.fingerprint());
    Ok((setup.locals.clone(), certificate))
}

/// The threads for what was filed.
type Keeping = (Option<Converting>, Option<Uploading>);

/// Starts them, where recordings are to be converted or copied.
fn start_keeping(
    site: &Site,
    tapes: &Tapes,
    store: &Store,
    clock: Clock,
    metrics: &Metrics,
) -> Result<(Uploads, Conversions, Keeping), StartError> {
    let uploaded = upload::start(&site.shell, tapes, store, clock, metrics.uploads.clone());
    let (uploads, uploading) = uploaded.map_err(|e| no_thread(&e))?;
    let converted = convert::start(&site.shell, store, &uploads, clock, metrics.conversions.clone());
    let (conversions, converting) = converted.map_err(|e| no_thread(&e))?;
    Ok((uploads, conversions, (converting, uploading)))
}

/// The recorder, and who is told of messages.
fn start_recorder(
    site: &Site,
    metrics: &Arc<Metrics>,
    journal: Option<Journal>,
    (store, tapes, conversions, uploads): (&Store, &Tapes, Conversions, &Uploads),
) -> Result<(Recorder, JoinHandle<()>), StartError> {
    let notifier = Notifier::start(site.shell.message_webhook.clone(), metrics.notified.clone());
    let notifier = notifier.map_err(|e| no_thread(&e))?;
    let sinks = Sinks { store: store.clone(), tapes: tapes.clone(), notifier, conversions, uploads: uploads.clone() };
    Recorder::start(Arc::clone(metrics), journal, sinks).map_err(|e| no_thread(&e))
}

fn bind_http(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = TcpListener::bind(address).and_then(|l| {
        l.set_nonblocking(true)?;
        let address = l.local_addr()?;
        Ok((l, address))
    });
    bound.map_err(|e| StartError(crate::net::refused("HTTP", address, &e)))
}

fn files(shell: &Shell, metrics: &Metrics) -> Result<(Option<Journal>, Store, JoinHandle<()>), StartError> {
    let data = shell.data.as_deref();
    let cannot = |what: &str, folder: &Path, e: &dyn std::fmt::Display| {
        StartError(format!("{what} in {} cannot be written: {e}; see `server.data`", folder.display()))
    };
    let journal = match data {
        Some(folder) => {
            Some(Journal::open(folder, metrics.journal.clone()).map_err(|e| cannot("the journal", folder, &e))?)
        }
        None => None,
    };
    let opened = Store::open(data, metrics.store.clone());
    let (store, thread) = opened.map_err(|e| cannot("call records", data.unwrap_or(Path::new("memory")), &e))?;
    store.convert(shell.filing.format == Format::Opus);
    Ok((journal, store, thread))
}

/// The threads that carry sound and the one that files it.
struct Sound {
    plane: Arc<Plane>,
    tapes: Tapes,
    tapes_thread: JoinHandle<()>,
    forks: Forks,
    bots: mpsc::UnboundedReceiver<Said>,
}

/// Loads the prompts and starts the threads; recordings are files in `recordings` below the data folder.
fn start_sound(
    site: &Site,
    (certificate, seed): (Certificate, u64),
    clock: Clock,
    events: &mpsc::UnboundedSender<busyhour_media::Event>,
    metrics: &Metrics,
    store: &Store,
    traces: Option<&Traces>,
) -> Result<Sound, StartError> {
    let (library, faults) = Catalogue::of(site.shell.prompts.as_deref()).library(site.shell.country);
    for fault in faults {
        tracing::warn!("{}: {}", fault.file, fault.message);
    }
    let Setup { silence_timeout, agent_silence_timeout, .. } = site.setup;
    let media = MediaConfig { silence_timeout, agent_silence_timeout, seed };
    let (tapes, inbox) = Tapes::new(metrics.tapes.clone());
    // After the control loop has ended nobody listens to the media threads any more.
    let (told, filed, recording) = (events.clone(), events.clone(), tapes.clone());
    let listener = move |event| drop(told.send(event));
    let library = Arc::new(library);
    let (tts, speaking) = Tts::new();
    let (forks, waiting) = Forks::new(metrics.forks.clone());
    forks.know(site.bots.clone());
    let hearing = forks.clone();
    let (handshakes, shakes) = Handshakes::new();
    let recording = move |taped| match taped {
        Taped::Live { fork, live } => hearing.hear(fork, live),
        Taped::Shake { leg, attempt, shake } => handshakes.take(leg, attempt, shake),
        Taped::Wanted { leg, sound: Heard::Spoken(words) } => tts.ask(leg, words),
        taped => recording.take(taped),
    };
    let now = move || clock.now();
    let reporting = traces.and_then(Traces::reporting);
    let plane = Plane::start(site.shell.media_threads, &library, &media, now, listener, recording, reporting.as_ref());
    let plane = Arc::new(plane.map_err(|e| StartError(format!("the media threads cannot start: {e}")))?);
    let spoken = Arc::downgrade(&plane);
    let tell = move |command| {
        if let Some(plane) = spoken.upgrade() {
            plane.send(command);
        }
    };
    let started = shakes.start(certificate, metrics.handshakes.clone(), tell.clone());
    started.map_err(|e| StartError(format!("no keys can be agreed on by handshakes (DTLS): {e}")))?;
    let bots = forks.start(waiting, tell.clone()).map_err(|e| no_thread(&e))?;
    let started = speaking.start(site.shell.tts.clone(), library, metrics.tts.clone(), tell);
    started.map_err(|e| StartError(format!("texts cannot be spoken: {e}; see [tts]")))?;
    let (supplied, store) = (Arc::clone(&plane), store.clone());
    let (ready, mended) = std::sync::mpsc::channel();
    let tell = move |told| match told {
        tapes::Told::Event(event) => drop(filed.send(event)),
        tapes::Told::Command(command) => supplied.send(command),
        tapes::Told::Mended(mended) => store.mended(mended.tape, mended.file),
        tapes::Told::Ready => drop(ready.send(())),
    };
    let tapes_thread = tapes.start(inbox, site.shell.archive(), tell);
    let tapes_thread =
        tapes_thread.map_err(|e| StartError(format!("recordings cannot be written: {e}; see `server.data`")))?;
    mended.recv().map_err(|_| StartError("the thread for recordings ended at once".into()))?;
    Ok(Sound { plane, tapes, tapes_thread, forks, bots })
}

type Serving = (Option<SocketAddr>, Option<oneshot::Sender<()>>, Option<JoinHandle<()>>);

fn start_http(bound: Option<(TcpListener, SocketAddr)>, desk: &Desk) -> Result<Serving, StartError> {
    let Some((listener, address)) = bound else { return Ok((None, None, None)) };
    let (stop, stopped) = oneshot::channel();
    let (desk, thread) = (desk.clone(), std::thread::Builder::new().name("http".into()));
    let thread = thread.spawn(move || http::serve(listener, desk, stopped)).map_err(|e| no_thread(&e))?;
    Ok((Some(address), Some(stop), Some(thread)))
}

type Tracing = (Option<Tracer>, Option<Traces>, Option<JoinHandle<()>>);

/// The thread that keeps messages and mirrors them, unless neither is wanted.
fn start_trace(site: &Site, metrics: &Metrics) -> Result<Tracing, StartError> {
    let (bytes, hep) = (site.shell.trace, site.shell.hep.clone());
    if bytes == 0 && hep.is_none() {
        return Ok((None, None, None));
    }
    let hep = hep.map(|setup| (setup, metrics.hep.clone()));
    let started = trace::start(bytes, hep, metrics.untraced.clone());
    let (tracer, traces, thread) =
        started.map_err(|e| StartError(format!("messages cannot be kept or mirrored: {e}; see [hep]")))?;
    traces.hide(site.secrets());
    Ok((Some(tracer), Some(traces), Some(thread)))
}

fn no_thread(e: &std::io::Error) -> StartError {
    StartError(format!("the system gives no thread: {e}"))
}

/// What the control thread is made of.
struct Wiring {
    setup: Setup,
    messages: Vec<Message>,
    seed: u64,
    bound: Bound,
    manners: Manners,
    plane: Arc<Plane>,
    events: mpsc::UnboundedReceiver<busyhour_media::Event>,
    asks: mpsc::Receiver<Ask>,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    clock: Clock,
    forecast_every: Duration,
    dns: DnsSetup,
    /// Programs that hear calls, and what bots say to us.
    forks: (Forks, mpsc::UnboundedReceiver<Said>),
    tracer: Option<Tracer>,
}

impl Wiring {
    /// Starts the control thread and waits until it serves its sockets.
    fn start(self) -> Result<(JoinHandle<()>, Arc<CpuTime>), StartError> {
        let (ready, started) = std::sync::mpsc::channel();
        let run = move || {
            ask_for_short_turns();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let outcome = runtime.and_then(|runtime| {
                let entered = runtime.enter();
                let (net, streams) = self.bound.serve(self.manners)?;
                let timer = Timer::new()?;
                let forecaster = Forecaster::start(self.forecast_every, self.seed, Arc::clone(&self.metrics))?;
                let lookups = LookUps::start()?;
                let resolver = Resolver::start(self.dns, Arc::clone(&self.metrics))?;
                drop(entered);
                Ok((runtime, net, streams, timer, forecaster, lookups, resolver))
            });
            match outcome {
                Err(e) => drop(ready.send(Err(e))),
                Ok((runtime, net, streams, timer, forecaster, lookups, resolver)) => {
                    drop(ready.send(Ok(CpuTime::of_this_thread())));
                    let mut switch = Switch::new(self.clock.now(), self.setup, self.seed);
                    switch.handle_messages(self.clock.now(), self.messages);
                    let control = Control {
                        switch,
                        net,
                        streams,
                        plane: self.plane,
                        events: self.events,
                        asks: self.asks,
                        recorder: self.recorder,
                        metrics: self.metrics,
                        clock: self.clock,
                        timer,
                        forecaster,
                        lookups,
                        forks: self.forks.0,
                        bots: self.forks.1,
                        resolver,
                        tracer: self.tracer,
                    };
                    runtime.block_on(control.run());
                }
            }
        };
        let thread = std::thread::Builder::new().name("control".into()).spawn(run).map_err(|e| no_thread(&e))?;
        match started.recv() {
            Ok(Ok(cpu)) => Ok((thread, Arc::new(cpu))),
            Ok(Err(e)) => Err(StartError(format!("the control loop cannot start: {e}"))),
            Err(_) => Err(StartError("the control loop ended at once".into())),
        }
    }
}

impl Running {
    /// For whoever asks from other threads or from async code.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// SIP addresses, as peers reach them, the first of each transport first.
    pub fn sip(&self) -> &[(Transport, SocketAddr)] {
        &self.sip
    }

    /// The first UDP address.
    pub fn sip_addr(&self) -> Option<SocketAddr> {
        self.sip.iter().find(|(t, _)| *t == Transport::Udp).map(|(_, a)| *a)
    }

    /// The HTTP address.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Asks the switch from a thread without a runtime; `None` when it has stopped.
    pub fn request(&self, request: Request) -> Option<Result<Reply, Denied>> {
        let (reply, answer) = oneshot::channel();
        self.desk.asks.blocking_send(Ask::Request(request, reply)).ok()?;
        answer.blocking_recv().ok()
    }

    /// How the switch is, from a thread without a runtime.
    pub fn state(&self) -> Option<State> {
        let (reply, answer) = oneshot::channel();
        self.desk.asks.blocking_send(Ask::State(reply)).ok()?;
        answer.blocking_recv().ok()
    }

    /// What is alive; all zero when it has stopped.
    pub fn vitals(&self) -> Vitals {
        self.state().map(|s| s.vitals).unwrap_or_default()
    }

    /// Everything that happens from now on.
    pub fn listen(&self) -> Receiver<Told> {
        self.desk.listen()
    }

    /// CPU time of the control thread and the media threads together.
    pub fn cpu(&self) -> Duration {
        let (control, media) = self.desk.cpu();
        control + media
    }

    /// Agent numbers configured now.
    pub fn agents(&self) -> Vec<Name> {
        let site = self.desk.site.lock().unwrap_or_else(PoisonError::into_inner);
        site.setup.agents.iter().map(|a| a.number.clone()).collect()
    }

    /// Whether the control loop is still there; false after a fault that ended it.
    pub fn is_alive(&self) -> bool {
        self.control.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Graceful: no more calls, those going on may end within `server.drain`, every record is written.
    pub fn stop(mut self) {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(self.desk.wind_down(self.drain));
        }
        self.end();
    }

    /// Ends all threads; what the recorder and the store still hold is written.
    fn end(&mut self) {
        // A loop that has ended already takes no order.
        let _ = self.desk.asks.blocking_send(Ask::Stop);
        if let Some(control) = self.control.take()
            && control.join().is_err()
        {
            tracing::error!("the control loop ended by a panic");
        }
        if let Some(traces) = &self.desk.traces {
            traces.close();
        }
        self.trace_thread.take().map(JoinHandle::join);
        self.desk.tapes.close();
        self.tapes_thread.take().map(JoinHandle::join);
        drop(self.retention.take());
        drop(self.keeping.take());
        drop(self.http_stop.take());
        self.http_thread.take().map(JoinHandle::join);
        self.desk.recorder.close();
        self.recorder_thread.take().map(JoinHandle::join);
        self.desk.store.close();
        self.store_thread.take().map(JoinHandle::join);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.control.is_some() {
            self.end();
        }
    }
}
