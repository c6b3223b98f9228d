//! A dialplan as nodes and arrows, drawn as SVG or written for Graphviz and Mermaid.

mod card;
mod layout;
mod svg;
mod text;

use crate::describe::Kind;
use crate::plan::{Dialplan, NodeId};
use busyhour_model::Name;

/// Nodes and arrows; `Dialplan::graph` makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    name: Name,
    start: usize,
    vertices: Vec<Vertex>,
    arrows: Vec<Arrow>,
}

/// A node to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Vertex {
    name: Name,
    verb: &'static str,
    kind: Kind,
    about: String,
}

/// All outcomes of one node that lead to the same other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrow {
    from: usize,
    to: usize,
    /// Their names; empty when the node has no other outcome.
    label: String,
    /// It leads back to where the caller has been.
    back: bool,
}

impl Dialplan {
    /// The plan as it is drawn.
    pub fn graph(&self) -> Graph {
        let vertices = self.nodes.iter().map(|node| {
            let (verb, kind, about) = node.verb.described();
            Vertex { name: node.name.clone(), verb, kind, about }
        });
        let mut graph = Graph {
            name: self.name.clone(),
            start: usize::from(self.start.0),
            vertices: vertices.collect(),
            arrows: (0..self.nodes.len()).flat_map(|from| self.arrows(from)).collect(),
        };
        graph.mark_back();
        graph
    }

    fn arrows(&self, from: usize) -> Vec<Arrow> {
        let outcomes = self.node(NodeId(from as u16)).map(|node| node.verb.outcomes()).unwrap_or_default();
        let alone = outcomes.len() == 1;
        let mut arrows: Vec<Arrow> = Vec::new();
        for outcome in outcomes {
            let to = usize::from(outcome.target.0);
            match arrows.iter_mut().find(|arrow| arrow.to == to) {
                Some(arrow) => arrow.label = format!("{} · {}", arrow.label, outcome.label),
                None => {
                    let label = if alone { String::new() } else { outcome.label.to_string() };
                    arrows.push(Arrow { from, to, label, back: false });
                }
            }
        }
        arrows
    }
}

impl Graph {
    /// Places of the arrows that leave each node.
    fn leaving(&self) -> Vec<Vec<usize>> {
        let mut leaving = vec![Vec::new(); self.vertices.len()];
        for (at, arrow) in self.arrows.iter().enumerate() {
            leaving[arrow.from].push(at);
        }
        leaving
    }

    /// Depth first from the start: an arrow to a node on the path leads back. Without recursion, as a plan may be one long chain.
    fn mark_back(&mut self) {
        let leaving = self.leaving();
        let mut state = vec![State::New; self.vertices.len()];
        for root in [self.start].into_iter().chain(0..self.vertices.len()) {
            if state[root] != State::New {
                continue;
            }
            state[root] = State::OnPath;
            let mut path = vec![(root, 0)];
            while let Some((vertex, next)) = path.last_mut() {
                let Some(arrow) = leaving[*vertex].get(*next).map(|at| &mut self.arrows[*at]) else {
                    state[*vertex] = State::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                match state[arrow.to] {
                    State::OnPath => arrow.back = true,
                    State::New => {
                        state[arrow.to] = State::OnPath;
                        path.push((arrow.to, 0));
                    }
                    State::Done => {}
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnPath,
    Done,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
