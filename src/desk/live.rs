//! One agent or queue changed while calls run: checked whole, kept, then told to the switch.

use super::Desk;
use crate::config::{Amend, Amended, Kind, Refused, written};
use busyhour_model::{Diagnostic, Name};
use busyhour_switch::{Change, Denied, Request, Setup};
use serde::Serialize;
use std::sync::PoisonError;
use toml::Table;

/// An agent or a queue in the keys of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// As it is.
    pub now: Table,
    /// What of it is otherwise than the configuration says.
    pub changed: Table,
    /// Whether that survives a restart.
    pub kept: bool,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum NotAmended {
    /// What was asked for.
    Refused(Refused),
    /// It could not be kept: the system's words.
    NotKept(String),
    /// The switch has changed meanwhile.
    Denied(Denied),
    /// The switch has stopped.
    Stopped,
}

impl Desk {
    /// As it is now; `None`: nobody and nothing is called so.
    pub fn shown(&self, kind: Kind, name: &str) -> Option<Shown> {
        let site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        let setup = &site.setup;
        let now = match kind {
            Kind::Agent => {
                let agent = setup.agents.iter().find(|agent| *agent.number == *name)?;
                written::agent(agent, site.words.utc_offset_minutes)
            }
            Kind::Queue => written::queue(setup.queues.iter().find(|queue| *queue.name == *name)?),
        };
        Some(Shown { now, changed: site.live.changed(kind, name), kept: site.live.is_kept() })
    }

    /// How many are otherwise than the configuration says.
    pub fn changed(&self, kind: Kind) -> usize {
        self.site.lock().unwrap_or_else(PoisonError::into_inner).live.count(kind)
    }

    /// Changes it, or nothing. It is kept before it is in force; `by` wanted it. Warnings come back.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn amend(&self, kind: Kind, name: &str, amend: &Amend, by: &str) -> Result<Vec<Diagnostic>, NotAmended> {
        let _turn = self.turn.lock().await;
        let (change, says, diagnostics) = {
            let mut site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
            let amended = site.live.amend(&site.words, kind, name, amend).map_err(NotAmended::Refused)?;
            let Amended { live, change, says, diagnostics } = amended;
            live.write().map_err(|e| NotAmended::NotKept(e.to_string()))?;
            site.live = live;
            take(&mut site.setup, &change);
            (change, says, diagnostics)
        };
        tracing::info!(%change, says, by, "changed while running");
        let request = Request::Change { change, says: says.as_str().into(), by: Name::from(by) };
        self.request(request).await.ok_or(NotAmended::Stopped)?.map_err(NotAmended::Denied)?;
        Ok(diagnostics)
    }
}

fn take(setup: &mut Setup, change: &Change) {
    match change {
        Change::Agent(agent) => match setup.agents.iter_mut().find(|known| known.number == agent.number) {
            Some(known) => known.clone_from(agent),
            None => setup.agents.push((**agent).clone()),
        },
        Change::NoAgent(number) => setup.agents.retain(|known| known.number != *number),
        Change::Queue(queue) => {
            setup.queues.iter_mut().filter(|known| known.name == queue.name).for_each(|known| known.clone_from(queue));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{config, serve};
    use busyhour_sip::Transport;
    use std::net::SocketAddr;
    use std::pin::pin;
    use std::time::Duration;
    use tokio::time::timeout;

    #[test]
    fn a_change_waits_until_another_or_a_reload_is_done() {
        let mut site = config::load(None).site.unwrap();
        let (sip, shell) = (SocketAddr::from(([127, 0, 0, 1], 0)), &mut site.shell);
        (shell.sip, shell.http, shell.data) = (vec![(Transport::Udp, sip)], None, None);
        let running = serve::start(site, serve::Options::default()).unwrap();
        let desk = running.desk();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let turn = desk.turn.lock().await;
            let mut change = pin!(desk.amend(Kind::Agent, "nobody", &Amend::Remove, "test"));
            assert!(timeout(Duration::ZERO, &mut change).await.is_err(), "it would be refused at once");
            drop(turn);
            assert!(matches!(change.await, Err(NotAmended::Refused(_))));
        });
    }
}
