//! What only the whole graph shows: nodes nobody reaches, loops in which nobody is ever asked or waited for, missing translations.

use crate::parse::Played;
use crate::phrase::Text;
use crate::plan::{Dialplan, NodeId, Verb};
use crate::source::Report;
use crate::step::Names;
use crate::sub;
use busyhour_model::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Note unreachable nodes and endless loops; `offsets` are the places of the nodes in the file.
pub(crate) fn graph(plan: &Dialplan, offsets: &[usize], report: &mut Report) {
    loops(plan, offsets, report);
    // A target that could not be read would make good nodes look unreachable.
    if report.is_clean() {
        for mistake in sub::mistakes(plan) {
            let at = report.at(offsets[mistake.at], mistake.message);
            report.note(at.help(mistake.help));
        }
        unreachable(plan, offsets, report);
    }
}

/// Where each node leads, for walks without regard to what a caller does.
pub(crate) struct Graph {
    /// Into a sub-flow, and everywhere else.
    next: Vec<(Option<NodeId>, Vec<NodeId>)>,
}

impl Graph {
    pub(crate) fn of(plan: &Dialplan) -> Graph {
        let next = plan.nodes.iter().map(|node| match node.verb {
            Verb::Sub { node, then } => (Some(node), vec![then]),
            ref verb => (None, verb.outcomes().iter().map(|outcome| outcome.target).collect()),
        });
        Graph { next: next.collect() }
    }

    /// Nodes reached from any of `first`, through sub-flows or past them.
    pub(crate) fn reached(&self, first: impl IntoIterator<Item = NodeId>, through_subs: bool) -> Vec<bool> {
        let mut reached = vec![false; self.next.len()];
        let mut open: Vec<NodeId> = first.into_iter().collect();
        while let Some(id) = open.pop() {
            let Some((sub, others)) = self.next.get(usize::from(id.0)) else { continue };
            if !std::mem::replace(&mut reached[usize::from(id.0)], true) {
                open.extend(others.iter().copied().chain(sub.filter(|_| through_subs)));
            }
        }
        reached
    }
}

fn unreachable(plan: &Dialplan, offsets: &[usize], report: &mut Report) {
    let reached = Graph::of(plan).reached([plan.start].into_iter().chain(plan.on_fax), true);
    for ((node, offset), _) in plan.nodes.iter().zip(offsets).zip(&reached).filter(|(_, reached)| !**reached) {
        let warning = report.at(*offset, format!("no path leads to node `{}`", node.name)).warning();
        report.note(warning);
    }
}

/// Each loop of outcomes that happen at once is reported at the first of its nodes.
fn loops(plan: &Dialplan, offsets: &[usize], report: &mut Report) {
    let mut seen = vec![Mark::New; plan.nodes.len()];
    let returning = sub::returning_at_once(plan);
    for first in 0..plan.nodes.len() {
        if seen[first] == Mark::New {
            walk(plan, &returning, NodeId(first as u16), &mut seen, |path| {
                let name = |id: &NodeId| plan.node(*id).map_or("", |node| &node.name);
                let around: Vec<_> = path.iter().chain(&path[..1]).map(name).collect();
                let message = format!("endless loop: {}", around.join(" -> "));
                let mistake = report.at(offsets[usize::from(path[0].0)], message);
                report.note(mistake.help("let it pass a menu, an entry or a wait, or hang up"));
            });
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnPath,
    Done,
}

/// Depth first from `first`, without recursion: a plan may be a chain of all its nodes. Gives each loop met to `found`.
fn walk(plan: &Dialplan, returning: &[bool], first: NodeId, seen: &mut [Mark], mut found: impl FnMut(&[NodeId])) {
    let next = |id: NodeId| {
        let verb = plan.node(id).map(|node| &node.verb);
        if let Some(&Verb::Sub { node, then }) = verb {
            let returns = returning.get(usize::from(node.0)).copied().unwrap_or(false);
            return std::iter::once(node).chain(Some(then).filter(|_| returns)).collect();
        }
        let outcomes = verb.map(Verb::outcomes).unwrap_or_default();
        outcomes.into_iter().filter(|outcome| !outcome.waits).map(|outcome| outcome.target).collect::<Vec<_>>()
    };
    let mut path = vec![first];
    let mut open = vec![next(first)];
    seen[usize::from(first.0)] = Mark::OnPath;
    while let (Some(id), Some(targets)) = (path.last().copied(), open.last_mut()) {
        let Some(target) = targets.pop() else {
            seen[usize::from(id.0)] = Mark::Done;
            path.pop();
            open.pop();
            continue;
        };
        match seen.get(usize::from(target.0)) {
            Some(Mark::New) => {
                seen[usize::from(target.0)] = Mark::OnPath;
                path.push(target);
                open.push(next(target));
            }
            Some(Mark::OnPath) => {
                let start = path.iter().position(|id| *id == target).unwrap_or(0);
                found(&path[start..]);
            }
            Some(Mark::Done) | None => {}
        }
    }
}

/// Note every prompt that a caller may come to in a language it is not recorded in.
pub(crate) fn translations(plan: &Dialplan, played: &[Played], names: &Names, report: &mut Report) {
    let recorded = |language: &Name, id: &Name| names.recordings.contains(&(language.clone(), id.clone()));
    // With a language that does not exist, or targets that could not be read, everything would be told once more.
    if names.recordings.is_empty() || !report.is_clean() {
        return;
    }
    let spoken = spoken(plan);
    for Played { node, id, language, offset } in played.iter().filter(|played| !played.id.starts_with("system/")) {
        let heard = language.as_ref().map_or_else(|| spoken[usize::from(node.0)].clone(), |one| [one.clone()].into());
        for language in heard.iter().filter(|language| !recorded(language, id)) {
            let others = names.languages.iter().filter(|other| recorded(other, id)).map(|other| format!("`{other}`"));
            let others: Vec<_> = others.collect();
            let mistake =
                report.at(*offset, format!("`{id}` is recorded in {}, not in `{language}`", others.join(", ")));
            let help =
                format!("callers come here in `{language}`: add {language}/{id}.wav to the prompts, or choose another");
            report.note(mistake.help(help));
        }
    }
}

/// A sub-flow by its first node and the language it is entered in; `None`: in none.
type Flow = Option<(NodeId, Name)>;

/// The languages each node may be entered in. A caller comes back from a sub-flow in the language it is left in.
fn spoken(plan: &Dialplan) -> Vec<BTreeSet<Name>> {
    let mut spoken = vec![BTreeSet::new(); plan.nodes.len()];
    let mut seen = BTreeSet::new();
    // Who goes on where behind a sub-flow, and the languages it is left in.
    let (mut back, mut left_in) = (BTreeMap::<Flow, Vec<_>>::new(), BTreeMap::<Flow, BTreeSet<Name>>::new());
    let roots = [plan.start].into_iter().chain(plan.on_fax);
    let mut open: Vec<_> = roots.map(|root| (Flow::None, root, plan.language.clone())).collect();
    while let Some((flow, id, language)) = open.pop() {
        let Some(node) = plan.node(id).filter(|_| seen.insert((flow.clone(), id, language.clone()))) else { continue };
        spoken[usize::from(id.0)].insert(language.clone());
        match node.verb {
            Verb::Sub { node, then } => {
                let inner = Some((node, language.clone()));
                back.entry(inner.clone()).or_default().push((flow.clone(), then));
                let known = left_in.get(&inner).into_iter().flatten();
                open.extend(known.map(|language| (flow.clone(), then, language.clone())));
                open.push((inner, node, language));
            }
            Verb::Return => {
                let back = back.get(&flow).into_iter().flatten();
                open.extend(back.map(|(flow, then)| (flow.clone(), *then, language.clone())));
                left_in.entry(flow).or_default().insert(language);
            }
            ref verb => {
                let next = switched(verb).unwrap_or(&language);
                open.extend(verb.outcomes().iter().map(|outcome| (flow.clone(), outcome.target, next.clone())));
            }
        }
    }
    spoken
}

/// The language a node changes to.
fn switched(verb: &Verb) -> Option<&Name> {
    let Verb::Set { values, .. } = verb else { return None };
    values.iter().find_map(|(name, text)| match text {
        Text::Literal(language) if **name == *"language" => Some(language),
        _ => None,
    })
}
