//! Reloads while calls run: each brings a dialplan that differs from the one before.

use crate::config;
use crate::serve::Running;
use busyhour_ivr::{Dialplan, Names};
use busyhour_switch::{Request, Setup};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Reloads still to come, and when.
pub(super) struct Reloads {
    setup: Setup,
    names: Names,
    every: Duration,
    due: Instant,
    left: u32,
    pub(super) done: u32,
}

impl Reloads {
    pub(super) fn new(switch: &Running, count: u32, every: Duration) -> Result<Reloads, String> {
        let ground = config::ground(None).map_err(|_| "the built-in configuration is wrong")?;
        let setup = switch.desk().site.lock().unwrap_or_else(PoisonError::into_inner).setup.clone();
        Ok(Reloads { setup, names: ground.names, every, due: Instant::now(), left: count, done: 0 })
    }

    /// Reloads when it is time; what went wrong.
    pub(super) fn turn(&mut self, switch: &Running) -> Result<(), String> {
        if self.left == 0 || Instant::now() < self.due {
            return Ok(());
        }
        (self.left, self.due) = (self.left - 1, self.due + self.every);
        let text = format!("{}\n[node.version-{}]\nhangup = true\n", config::HOTLINE, self.done);
        let parsed =
            Dialplan::parse("hotline.toml", &text, &self.names).map_err(|_| "the changed dialplan is wrong")?;
        self.setup.dialplans = vec![(parsed.plan.name().clone(), parsed.plan)];
        match switch.request(Request::Reload(Box::new(self.setup.clone()))) {
            Some(Ok(_)) => self.done += 1,
            refused => return Err(format!("reload {} was refused: {refused:?}", self.done + 1)),
        }
        Ok(())
    }
}
