//! Passing a caller on: the caller's side is asked to call somebody else itself.

use crate::parse::Reader;
use crate::phrase::Text;
use crate::plan::{Node, NodeId, Verb};
use crate::session::{Session, Stage};
use crate::source::{Fields, Value};
use crate::step::Step;
use busyhour_model::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So long it may take to be answered there, when the plan does not say.
const PATIENCE: Duration = Duration::from_secs(30);

/// Let the caller's side call somebody else itself; the call is over then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) number: Text,
    pub(crate) timeout: Duration,
    pub(crate) failed: NodeId,
}

impl<'t> Reader<'t> {
    /// `transfer = "02112345678"`, or `"$variable"`.
    pub(crate) fn transfer(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let number = self.scalar(value, true).unwrap_or(Text::Literal("".into()));
        let timeout = self.duration(fields, "timeout", PATIENCE);
        Verb::Transfer(Transfer { number, timeout, failed: self.target(fields, "failed") })
    }
}

impl Session {
    pub(crate) fn transfer(&mut self, now: Time, transfer: &Transfer) -> Option<NodeId> {
        self.answer();
        let Some(number) = self.text(&transfer.number) else { return Some(transfer.failed) };
        self.typed.clear();
        self.stage = Stage::Transferring;
        self.deadline = Some(now + transfer.timeout);
        self.steps.push_back(Step::Refer { number });
        None
    }

    pub(crate) fn referred(&mut self, node: &Node, answered: bool) -> Option<NodeId> {
        let (Stage::Transferring, Verb::Transfer(transfer)) = (&self.stage, &node.verb) else { return None };
        if answered {
            self.stage = Stage::Ended;
            self.deadline = None;
            self.steps.push_back(Step::PassedOn);
            return None;
        }
        Some(transfer.failed)
    }

    /// The caller's side was asked to call somebody else: when it hangs up now, it has.
    pub fn is_passed_on(&self) -> bool {
        self.stage == Stage::Transferring
    }
}
