//! Sub-flows: walk on elsewhere and come back.

use crate::check::Graph;
use crate::plan::{Dialplan, NodeId, Verb};
use crate::session::Session;

/// Sub-flows a caller can be in at once. A plan without recursion, and no other is read, needs few.
pub const SUB_DEPTH_MAX: usize = 16;

impl Session {
    pub(crate) fn enter_sub(&mut self, node: NodeId, then: NodeId) -> Option<NodeId> {
        if self.returns.len() >= SUB_DEPTH_MAX {
            self.end(500);
            return None;
        }
        self.returns.push(then);
        Some(node)
    }

    /// Back to whoever entered the sub-flow.
    pub(crate) fn leave_sub(&mut self) -> Option<NodeId> {
        let then = self.returns.pop();
        if then.is_none() {
            self.end(500);
        }
        then
    }
}

/// A mistake about sub-flows and the node it is at.
pub(crate) struct Mistake {
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// Nodes from which a `return` can be reached at once; a sub-flow passed on the way must return at once itself.
pub(crate) fn returning_at_once(plan: &Dialplan) -> Vec<bool> {
    let mut returns: Vec<bool> = plan.nodes.iter().map(|node| node.verb == Verb::Return).collect();
    let is = |returns: &[bool], id: &NodeId| returns.get(usize::from(id.0)).copied().unwrap_or(false);
    if !plan.nodes.iter().any(|node| matches!(node.verb, Verb::Sub { .. })) {
        return returns;
    }
    loop {
        let mut changed = false;
        for (at, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.verb != Verb::Return) {
            let now = match &node.verb {
                Verb::Sub { node, then } => is(&returns, node) && is(&returns, then),
                verb => verb.outcomes().iter().any(|outcome| !outcome.waits && is(&returns, &outcome.target)),
            };
            changed |= now && !std::mem::replace(&mut returns[at], true);
        }
        if !changed {
            return returns;
        }
    }
}

/// Sub-flows that lead to themselves or never return, and returns from nowhere.
pub(crate) fn mistakes(plan: &Dialplan) -> Vec<Mistake> {
    let graph = Graph::of(plan);
    let mut found = Vec::new();
    let is_return = |at: usize| plan.nodes[at].verb == Verb::Return;
    for (at, node) in plan.nodes.iter().enumerate() {
        let Verb::Sub { node: first, .. } = node.verb else { continue };
        let inside = graph.reached([first], true);
        if inside[at] {
            let message = format!("the sub-flow of node `{}` leads back into it without returning", node.name);
            found.push(Mistake { at, message, help: "let it `return`, or use `goto` instead of `sub`" });
        } else if !(0..inside.len()).any(|at| inside[at] && is_return(at)) {
            let message = format!("the sub-flow of node `{}` never returns", node.name);
            found.push(Mistake { at, message, help: "end it with `return = true`, or use `goto` instead of `sub`" });
        }
    }
    let outside = graph.reached([plan.start].into_iter().chain(plan.on_fax), false);
    for at in (0..outside.len()).filter(|at| outside[*at] && is_return(*at)) {
        let message =
            format!("node `{}` returns, but a path from the start leads here without a sub-flow", plan.nodes[at].name);
        found.push(Mistake { at, message, help: "enter it with `sub = \"…\"`" });
    }
    found
}
