//! How long a trunk takes to answer our REGISTER and BYE (RFC 6076 sections 4.1 and 4.4).

use crate::Method;
use crate::client::Outcome;
use crate::stack::Stack;
use busyhour_model::{Time, TrunkId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A request of ours that a trunk answered, or left without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// Which.
    pub trunk: TrunkId,
    /// REGISTER or BYE.
    pub method: Method,
    /// From the first time it was sent, through challenges, to the final response or to giving up.
    pub took: Duration,
    /// By 2xx.
    pub successful: bool,
}

impl Stack {
    /// The next request that was answered.
    pub fn poll_delay(&mut self) -> Option<Delay> {
        self.delays.pop_front()
    }

    /// What became of a BYE that was sent first at `sent`.
    pub(crate) fn settle_bye(&mut self, now: Time, trunk: TrunkId, sent: Time, outcome: &Outcome) {
        let status = outcome.result.as_ref().map_or(0, |response| response.status);
        if !(100..200).contains(&status) {
            self.measured(now, trunk, Method::Bye, sent, (200..300).contains(&status));
        }
    }

    pub(crate) fn measured(&mut self, now: Time, trunk: TrunkId, method: Method, sent: Time, successful: bool) {
        self.delays.push_back(Delay { trunk, method, took: now.since(sent), successful });
    }
}
