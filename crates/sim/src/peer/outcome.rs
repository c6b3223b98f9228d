//! What one peer experienced of one call.

use super::Heard;
use busyhour_model::Time;
use std::time::Duration;

/// Complaints kept per call; later ones are dropped.
const COMPLAINTS_MAX: usize = 16;

/// Who ended an answered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// This peer.
    Us,
    /// The other side.
    Them,
}

/// One call, as one peer saw it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Its Call-ID.
    pub call_id: String,
    /// When the INVITE went out or came in.
    pub started: Time,
    /// INVITE to the first 100.
    pub trying: Option<Duration>,
    /// INVITE to the first 18x.
    pub ringing: Option<Duration>,
    /// INVITE to its 2xx.
    pub answered: Option<Duration>,
    /// The INVITE's final status, sent or received; 0 while there is none, 408 when none ever came.
    pub status: u16,
    /// What NOTIFY told of a transfer this peer asked for.
    pub transfers: Vec<u16>,
    /// RTP packets sent.
    pub sent: u32,
    /// What was heard of the other side.
    pub heard: Heard,
    /// Who ended it, when it was answered.
    pub ended_by: Option<EndedBy>,
    /// When it was over.
    pub ended: Option<Time>,
    /// Its end was confirmed: BYE answered, or the final response acknowledged.
    pub clean: bool,
    /// Everything that should not have happened, in plain words.
    pub complaints: Vec<String>,
}

impl Outcome {
    /// The other side's tone was heard.
    pub fn heard_partner(&self) -> bool {
        self.heard.first_tone.is_some()
    }

    /// INVITE to the other side's tone.
    pub fn tone_after(&self) -> Option<Duration> {
        self.heard.first_tone.map(|at| at.since(self.started))
    }

    pub(super) fn complain(&mut self, what: impl Into<String>) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(what.into());
        }
    }
}
