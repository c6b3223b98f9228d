//! The thread that removes recordings whose time is over: at the start, then once an hour.

use crate::desk::Desk;
use busyhour_model::{Deed, Handled, What};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(3600);
/// Between two goes when there was more than one go removes: others use the disk as well.
const AGAIN: Duration = Duration::from_secs(2);
/// By whom.
const BY: &str = "retention";

/// Ends the thread when dropped.
pub struct Retention {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Retention {
    /// Starts it.
    pub fn start(desk: Desk) -> std::io::Result<Retention> {
        let (stop, stopped) = channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let thread = std::thread::Builder::new().name("retention".into()).spawn(move || {
            let mut pause = Duration::ZERO;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                pause = if runtime.block_on(sweep(&desk)) { AGAIN } else { EVERY };
            }
        })?;
        Ok(Retention { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Retention {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// Whether something was removed.
async fn sweep(desk: &Desk) -> bool {
    match desk.store().expired(desk.clock.now(), desk.retentions()).await {
        Ok(tapes) => {
            if !tapes.is_empty() {
                tracing::info!("{} recordings are removed: their time is over", tapes.len());
            }
            let some = !tapes.is_empty();
            tapes.into_iter().for_each(|tape| {
                desk.tell(What::RecordingHandled(Handled { tape, deed: Deed::Removed, by: BY.into() }))
            });
            some
        }
        Err(e) => {
            tracing::warn!("old recordings cannot be looked for: {e}");
            false
        }
    }
}
