//! The handle others hold of a running switch: they ask it, hear it and reload it.

pub mod dialplans;
pub mod live;

use crate::clock::{Clock, CpuTime};
use crate::config::{self, Loaded, Site};
use crate::control::{Ask, State};
use crate::forks::Forks;
use crate::media::Plane;
use crate::metrics::{Metrics, Picture};
use crate::net::Certificates;
use crate::recorder::{Recorder, Told};
use crate::store::Store;
use crate::tapes::Tapes;
use crate::trace::Traces;
use crate::upload::Uploads;
use busyhour_model::{Diagnostic, Fact, Name, What};
use busyhour_switch::{CallRow, Denied, Entry, QueueSetup, Reply, Request};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long a stop waits for the last BYEs to be answered.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often a stop looks whether the calls are gone.
const LOOK: Duration = Duration::from_millis(20);

/// Clones lead to the same switch.
#[derive(Clone)]
pub struct Desk {
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) recorder: Recorder,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tapes: Tapes,
    pub(crate) uploads: Uploads,
    pub(crate) plane: Arc<Plane>,
    pub(crate) forks: Forks,
    pub(crate) certificates: Certificates,
    pub(crate) cpu: Arc<CpuTime>,
    pub(crate) clock: Clock,
    /// What holds now; the addresses in it are the bound ones.
    pub(crate) site: Arc<Mutex<Site>>,
    /// What went over the wire, when it is kept.
    pub(crate) traces: Option<Traces>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) draining: Arc<AtomicBool>,
    /// Held by whoever reloads or changes something: one after another.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
}

/// The outcome of a reload.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// Taken; otherwise the running configuration is untouched.
    pub ok: bool,
    /// All that was noticed.
    pub diagnostics: Vec<Diagnostic>,
}

impl Desk {
    /// Asks the switch; `None` when it has stopped.
    pub async fn request(&self, request: Request) -> Option<Result<Reply, Denied>> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Request(request, reply)).await.ok()?;
        answer.await.ok()
    }

    /// How the switch is; `None` when it has stopped.
    pub async fn state(&self) -> Option<State> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::State(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Whether new calls are taken.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Call records.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Everything that happens from now on.
    pub fn listen(&self) -> Receiver<Told> {
        self.recorder.listen()
    }

    /// The recorder's ledger.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// CPU time of control and of media so far.
    pub fn cpu(&self) -> (Duration, Duration) {
        (self.cpu.spent(), self.plane.cpu())
    }

    /// The `/metrics` page; `None` when the switch has stopped.
    pub async fn metrics_page(&self) -> Option<String> {
        let state = self.state().await?;
        let mut picture = Picture {
            now: state.now,
            counters: state.counters,
            specs: self.queue_specs(),
            cpu: self.cpu(),
            ..Picture::default()
        };
        for request in [Request::Agents, Request::Queues, Request::Calls, Request::Trunks] {
            match self.request(request).await?.ok()? {
                Reply::Agents(rows) => picture.agents = rows,
                Reply::Queues(rows) => picture.queues = rows,
                Reply::Calls(rows) => picture.calls = rows,
                Reply::Trunks(rows) => picture.trunks = rows,
                Reply::Done
                | Reply::Standing(_)
                | Reply::Place(_)
                | Reply::Parties(_)
                | Reply::Messages(_)
                | Reply::Bans(_)
                | Reply::Trial(_) => {}
            }
        }
        Some(self.metrics.page(&picture, &self.recorder.ledger()))
    }

    fn queue_specs(&self) -> Vec<QueueSetup> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner).setup.queues.clone()
    }

    /// Reads the configuration again and applies it whole, or not at all. `who` wanted it.
    pub async fn reload(&self, who: &str) -> Reloaded {
        let _turn = self.turn.lock().await;
        let Loaded { site, mut diagnostics } = config::load(self.config.as_deref());
        let Some(mut site) = site else {
            tracing::warn!("the configuration is refused; the running one stays: {} mistakes", diagnostics.len());
            self.tell(What::Reloaded { ok: false });
            return Reloaded { ok: false, diagnostics };
        };
        let shell = {
            let running = self.site.lock().unwrap_or_else(PoisonError::into_inner);
            site.setup.locals.clone_from(&running.setup.locals);
            site.setup.secret = running.setup.secret;
            site.setup.networks.clone_from(&running.setup.networks);
            running.shell.clone()
        };
        if site.shell != shell {
            let file = self.config.as_ref().map_or(config::SAMPLE_NAME.into(), |p| p.display().to_string());
            let message = "addresses, folders, files of keys, the format of recordings, threads, log format, [dns], [hep], [recording.upload] and [tts] change only at a restart";
            diagnostics.push(Diagnostic::whole(&file, message).warning());
        }
        if let Some(traces) = &self.traces {
            traces.hide(site.secrets());
        }
        let taken = self.request(Request::Reload(Box::new(site.setup.clone()))).await;
        let ok = matches!(taken, Some(Ok(_)));
        if ok {
            self.forks.know(site.bots.clone());
            // They were looked through when they were read: this fails only by what no file tells.
            if let Err(why) = self.certificates.replace(&site.tls) {
                tracing::error!("the certificates cannot be used, the old ones stay: {why}");
            }
            {
                let mut running = self.site.lock().unwrap_or_else(PoisonError::into_inner);
                (running.setup, running.sources, running.tls) = (site.setup, site.sources, site.tls);
                (running.words, running.staff, running.live) = (site.words, site.staff, site.live);
                running.bots = site.bots;
            }
            self.keep_versions(who);
            tracing::info!("the configuration is reloaded by {who}");
        } else {
            self.tell(What::Reloaded { ok: false });
        }
        Reloaded { ok, diagnostics }
    }

    /// For how long recordings are kept, by name; the first is the default.
    pub(crate) fn retentions(&self) -> Vec<(Name, Duration)> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner).setup.recording.keep.clone()
    }

    /// A fact only the shell knows.
    pub(crate) fn tell(&self, what: What) {
        self.recorder.take(Entry::Fact(Fact { at: self.clock.now(), what }));
    }

    /// From now on every new call gets 503.
    async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        let mut setup = self.site.lock().unwrap_or_else(PoisonError::into_inner).setup.clone();
        setup.calls_max = 0;
        self.request(Request::Reload(Box::new(setup))).await;
    }

    /// Takes no more calls, lets those going on end for `patience`, then ends them.
    pub async fn wind_down(&self, patience: Duration) {
        if !patience.is_zero() {
            self.drain().await;
            self.until_idle(patience).await;
        }
        let Some(Ok(Reply::Calls(calls))) = self.request(Request::Calls).await else { return };
        for CallRow { call, .. } in calls {
            self.request(Request::HangUp { call }).await;
        }
        self.until_idle(FAREWELL).await;
    }

    async fn until_idle(&self, patience: Duration) {
        let began = Instant::now();
        while began.elapsed() < patience {
            match self.state().await {
                Some(state) if state.vitals.calls - state.vitals.callbacks + state.vitals.dialogs > 0 => {
                    tokio::time::sleep(LOOK).await
                }
                _ => return,
            }
        }
    }
}
