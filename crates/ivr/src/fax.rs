//! A fax machine that calls goes on at a node of its own, from wherever the dialplan has it.

use crate::plan::{Dialplan, NodeId};
use crate::session::{Session, Stage};
use crate::step::Step;

impl Session {
    /// Whether a fax machine goes elsewhere from here. One that leaves a message, is passed on or talks to somebody stays.
    pub fn minds_fax(&self, plan: &Dialplan) -> bool {
        let busy = matches!(
            self.stage,
            Stage::New
                | Stage::Dialling
                | Stage::Recording(_)
                | Stage::Promising
                | Stage::SigningIn
                | Stage::Transferring
                | Stage::Ended
        );
        plan.on_fax.is_some() && !busy
    }

    /// The caller is one.
    pub(crate) fn fax(&mut self, plan: &Dialplan) -> Option<NodeId> {
        if !self.minds_fax(plan) {
            return None;
        }
        match self.stage {
            Stage::Waiting(_) => self.steps.push_back(Step::LeaveQueue),
            Stage::WithBot(_) => self.steps.push_back(Step::Talked { outcome: "left".into() }),
            _ => {}
        }
        self.steps.push_back(Step::Stop);
        self.typed.clear();
        self.returns.clear();
        plan.on_fax
    }
}
