//! How long a trunk takes to answer our REGISTER and BYE (RFC 6076 sections 4.1 and 4.4).

use crate::Method;
use crate::client::Outcome;
use crate::stack::Stack;
use busyhour_model::{Time, TrunkId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Delays nobody has taken yet; of more, the oldest are forgotten.
const DELAYS_MAX: usize = 10_000;

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
        if self.delays.len() >= DELAYS_MAX {
            self.delays.pop_front();
        }
        self.delays.push_back(Delay { trunk, method, took: now.since(sent), successful });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Limits, Networks};

    #[test]
    fn who_takes_no_delays_keeps_the_newest_only() {
        let config = Config {
            domain: "pbx.example".to_owned(),
            user_agent: String::new(),
            locals: Vec::new(),
            networks: Networks::default(),
            trunks: Vec::new(),
            accounts: Vec::new(),
            aliases: Vec::new(),
            terms: crate::Terms::default(),
            secret: busyhour_model::KeySecret::default(),
            limits: Limits::default(),
        };
        let mut stack = Stack::new(config, 1);
        for second in 0..=DELAYS_MAX as u64 {
            stack.measured(Time::from_secs(second), TrunkId(1), Method::Bye, Time::ZERO, true);
        }
        assert_eq!(stack.poll_delay().map(|delay| delay.took), Some(Duration::from_secs(1)));
        assert_eq!(std::iter::from_fn(|| stack.poll_delay()).count(), DELAYS_MAX - 1);
    }
}
