//! Signing in by voice: who called is an agent at that phone from now on, known by number and PIN.

use crate::keyed::Pin;
use crate::parse::Reader;
use crate::phrase::Text;
use crate::plan::{Node, NodeId, Verb};
use crate::session::{Session, Stage};
use crate::source::{Fields, Value};
use crate::step::Step;
use serde::{Deserialize, Serialize};

/// Let an agent sign in at the phone that calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignIn {
    pub(crate) agent: Text,
    pin: Text,
    pub(crate) then: NodeId,
    pub(crate) refused: NodeId,
}

impl<'t> Reader<'t> {
    /// `sign_in = "$number"`, `pin = "$pin"`; both may be secret.
    pub(crate) fn sign_in(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let nothing = || Text::Literal("".into());
        let pin = fields.need("pin", &mut self.report).and_then(|value| {
            let pin = self.scalar(value, false)?;
            self.pin_read(&pin, value.span().start);
            Some(pin)
        });
        Verb::SignIn(SignIn {
            agent: self.scalar(value, false).unwrap_or_else(nothing),
            pin: pin.unwrap_or_else(nothing),
            then: self.target(fields, "then"),
            refused: self.target(fields, "refused"),
        })
    }
}

impl Session {
    pub(crate) fn sign_in(&mut self, sign_in: &SignIn) -> Option<NodeId> {
        let value = |text: &Text| self.text(text).unwrap_or_default();
        let (agent, pin) = (value(&sign_in.agent), Pin(value(&sign_in.pin)));
        self.stage = Stage::SigningIn;
        self.steps.push_back(Step::SignIn { agent, pin });
        None
    }

    pub(crate) fn signed_in(&mut self, node: &Node, done: bool) -> Option<NodeId> {
        let (Stage::SigningIn, Verb::SignIn(sign_in)) = (&self.stage, &node.verb) else { return None };
        Some(if done { sign_in.then } else { sign_in.refused })
    }
}
