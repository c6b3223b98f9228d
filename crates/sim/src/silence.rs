//! The law of silent phones: who gives no answer to OPTIONS is rung no more until it is heard again.

use busyhour_model::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// An answer may take so long (RFC 3261 timer F).
const PATIENCE: Duration = Duration::from_secs(32);

/// What the wire tells of each phone; see the module.
#[derive(Debug)]
pub(crate) struct Silence {
    /// How often phones are asked; zero: nobody is, and this is no law.
    period: Duration,
    /// When each that ever registered was heard last.
    heard: BTreeMap<SocketAddr, Time>,
    /// When each was first asked since.
    asked: BTreeMap<SocketAddr, Time>,
    /// First lines and branches of requests: who has one is sent it again.
    sent: BTreeSet<String>,
}

impl Silence {
    pub(crate) fn new(period: Duration) -> Silence {
        Silence { period, heard: BTreeMap::new(), asked: BTreeMap::new(), sent: BTreeSet::new() }
    }

    /// Somebody says something to us.
    pub(crate) fn heard(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        if bytes.starts_with(b"REGISTER ") || self.heard.contains_key(&from) {
            self.heard.insert(from, now);
            self.asked.remove(&from);
        }
    }

    /// We say something to somebody.
    ///
    /// # Panics
    /// When a phone is rung and would not have been, had it been asked in time and its silence been minded.
    pub(crate) fn check(&mut self, now: Time, to: SocketAddr, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let is_first = |text: &str| !text.lines().any(|line| line.starts_with("To:") && line.contains(";tag="));
        let method = ["OPTIONS ", "INVITE "].iter().position(|method| text.starts_with(method));
        let Some(method) = method.filter(|_| !self.period.is_zero() && is_first(&text)) else { return };
        if !self.sent.insert(text.lines().take(2).collect()) {
            return;
        }
        if method == 0 {
            self.asked.entry(to).or_insert(now);
        } else if let Some(heard) = self.heard.get(&to) {
            let (since, most) = match self.asked.get(&to) {
                Some(asked) => (*asked, PATIENCE),
                None => (*heard, self.period.max(PATIENCE)),
            };
            let silent = now.since(since);
            assert!(silent <= most, "L16: {to}, heard last at {heard:?}, is rung at {now:?}: silent for {silent:?}");
        }
    }
}
