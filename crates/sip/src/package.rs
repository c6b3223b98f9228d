//! Event packages: what can be subscribed to, by name and body (RFC 3842, RFC 4235, RFC 3856).

use crate::busy::{Busy, Presence};
use crate::mailbox::Summary;
use crate::{Host, Uri};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// An event package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Package {
    /// Messages that wait (RFC 3842).
    Messages,
    /// Whether somebody is on the phone (RFC 4235).
    Dialog,
    /// Whether somebody can be reached (RFC 3856).
    Presence,
}

/// How something stands, in the words of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shown {
    /// Of [`Package::Messages`].
    Messages(Summary),
    /// Of [`Package::Dialog`]; `None`: idle.
    Dialog(Option<Busy>),
    /// Of [`Package::Presence`].
    Presence(Presence),
}

/// Event name and body of each package, in the order of [`Package`].
const TABLE: [(&str, &str); 3] = [
    ("message-summary", "application/simple-message-summary"),
    ("dialog", "application/dialog-info+xml"),
    ("presence", "application/pidf+xml"),
];
/// Allow-Events.
pub(crate) const EVENTS: &str = "message-summary, dialog, presence";

impl Package {
    /// Its name in Event.
    pub(crate) fn event(self) -> &'static str {
        TABLE[self as usize].0
    }

    /// The type of what its NOTIFY carries.
    pub(crate) fn body(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The package that an Event header names, its parameters left aside.
    pub(crate) fn of(event: &str) -> Option<Package> {
        let named = event.split(';').next().unwrap_or_default().trim();
        [Package::Messages, Package::Dialog, Package::Presence]
            .into_iter()
            .find(|package| named.eq_ignore_ascii_case(package.event()))
    }
}

impl Shown {
    /// How things stand at the start.
    pub(crate) fn nothing(package: Package) -> Shown {
        match package {
            Package::Messages => Shown::Messages(Summary::default()),
            Package::Dialog => Shown::Dialog(None),
            Package::Presence => Shown::Presence(Presence::default()),
        }
    }

    /// In whose words.
    pub fn package(&self) -> Package {
        match self {
            Shown::Messages(_) => Package::Messages,
            Shown::Dialog(_) => Package::Dialog,
            Shown::Presence(_) => Package::Presence,
        }
    }

    /// What a NOTIFY says of it, `told` being what the one before said.
    pub(crate) fn body(&self, told: &Shown, of: &str, domain: &Host, version: u32) -> Bytes {
        let of = Uri::sip(Some(of), domain.clone(), None).to_string();
        match (self, told) {
            (Shown::Messages(summary), _) => summary.body(&of),
            (Shown::Dialog(busy), Shown::Dialog(told)) => Busy::body(*busy, *told, &of, version),
            (Shown::Dialog(busy), _) => Busy::body(*busy, None, &of, version),
            (Shown::Presence(presence), _) => presence.body(&of),
        }
        .into()
    }
}
