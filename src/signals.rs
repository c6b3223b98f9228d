//! What the system says to a running busyhour: end, or read your configuration again.

use crate::serve::{Running, StartError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals from its making on; none ends the process unheard, however early it comes.
pub struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Starts to listen. To be made before anybody can know that busyhour runs.
    pub fn new() -> Result<Signals, StartError> {
        let heard = || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let entered = runtime.enter();
            let terminate = signal(SignalKind::terminate())?;
            let interrupt = signal(SignalKind::interrupt())?;
            let hang_up = signal(SignalKind::hangup())?;
            drop(entered);
            Ok(Signals { runtime, terminate, interrupt, hang_up })
        };
        heard().map_err(|e: std::io::Error| StartError(format!("signals cannot be heard: {e}")))
    }

    /// Runs until SIGTERM or SIGINT, winding down gracefully; a second signal ends it at once. SIGHUP reloads.
    pub fn govern(self, running: &Running, drain: Duration) -> Result<(), StartError> {
        let Signals { runtime, mut terminate, mut interrupt, mut hang_up } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hang_up.recv() => {
                        for found in running.desk().reload("SIGHUP").await.diagnostics {
                            tracing::warn!("{}:{}:{}: {}", found.file, found.line, found.column, found.message);
                        }
                    }
                    () = tokio::time::sleep(Duration::from_secs(1)) => {
                        if !running.is_alive() {
                            return Err(StartError("the control loop has ended; this is a fault of busyhour".into()));
                        }
                    }
                }
            }
            tracing::info!("stopping: no more calls; those going on may last {drain:?}; a second signal ends them now");
            tokio::select! {
                () = running.desk().wind_down(drain) => {}
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        })
    }
}
