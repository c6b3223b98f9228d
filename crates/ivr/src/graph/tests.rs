//! Drawings: nothing lies on anything else, nothing is left out, whatever the plan.

use super::card::Card;
use super::layout::Layout;
use super::*;
use crate::step::Names;
use proptest::prelude::*;

fn read(source: &str) -> Graph {
    let queues = ["enquiry", "complaint", "general"].map(Name::from).to_vec();
    Dialplan::parse("plan.toml", source, &Names { queues, ..Names::default() }).unwrap().plan.graph()
}

fn hotline() -> Graph {
    read(include_str!("../../../../dialplans/hotline.toml"))
}

/// Menus, each with some keys to any others.
fn menus(targets: &[Vec<usize>]) -> String {
    let menu = |(at, targets): (usize, &Vec<usize>)| {
        let keys: Vec<_> = targets.iter().take(9).zip(1..).map(|(to, key)| format!("{key} = \"n{to}\"")).collect();
        format!("[node.n{at}]\nmenu = \"a\"\nkeys = {{ {} }}\ntoo_many = \"n0\"\n", keys.join(", "))
    };
    let nodes: String = targets.iter().enumerate().map(menu).collect();
    format!("name = \"menus\"\nstart = \"n0\"\n{nodes}")
}

fn laid_out(graph: &Graph) -> (Layout, Vec<(f64, f64)>) {
    let leaving = graph.leaving();
    let sizes: Vec<_> = (0..graph.vertices.len()).map(|at| Card::new(graph, at, &leaving[at]).size()).collect();
    (Layout::new(graph, &sizes), sizes)
}

/// Cards side by side do not touch, layers neither, and every arrow goes down layer by layer.
fn check(graph: &Graph) {
    let (layout, sizes) = laid_out(graph);
    for row in &layout.order {
        for pair in row.windows(2).map(|pair| [&layout.slots[pair[0]], &layout.slots[pair[1]]]) {
            let gap = pair[1].x - pair[0].x - (pair[0].width + pair[1].width) / 2.0;
            assert!(gap > 10.0, "{gap} between {pair:?}");
        }
    }
    for (vertex, (_, height)) in sizes.iter().enumerate() {
        assert!(layout.layers[layout.slots[vertex].layer].1 >= *height);
    }
    assert!(layout.layers.windows(2).all(|pair| pair[0].0 + pair[0].1 < pair[1].0));
    for (way, arrow) in layout.ways.iter().zip(&graph.arrows) {
        let layers: Vec<_> = way.iter().map(|slot| layout.slots[*slot].layer).collect();
        assert!(layers.windows(2).all(|pair| pair[0] < pair[1]), "{arrow:?}");
        assert_eq!(way.is_empty(), arrow.from == arrow.to);
    }
}

#[test]
fn every_node_and_outcome_is_drawn() {
    let graph = hotline();
    check(&graph);
    let (svg, dot, mermaid) = (graph.svg(), graph.dot(), graph.mermaid());
    for vertex in &graph.vertices {
        for text in [&svg, &dot, &mermaid] {
            assert!(text.contains(&*vertex.name), "{}", vertex.name);
        }
    }
    for words in ["1 · too_many", "no_agents", "9 ↻", "ivr/menu-consult"] {
        assert!(svg.contains(words), "{words}");
    }
    let arrows = |text: &str, mark: &str| text.matches(mark).count();
    let loops = graph.arrows.iter().filter(|arrow| arrow.from == arrow.to).count();
    assert_eq!(arrows(&svg, "marker-end"), graph.arrows.len() - loops);
    assert_eq!(arrows(&dot, " -> "), graph.arrows.len());
    assert_eq!(arrows(&mermaid, "-->") + arrows(&mermaid, "-.->"), graph.arrows.len());
    assert_eq!(svg, hotline().svg(), "the same plan, the same picture");
}

#[test]
fn what_leads_back_is_drawn_apart() {
    let graph = hotline();
    let name = |vertex: usize| graph.vertices[vertex].name.to_string();
    let back = graph.arrows.iter().filter(|arrow| arrow.back).map(|arrow| (name(arrow.from), name(arrow.to)));
    let back: Vec<_> = back.collect();
    for (from, to) in [("enquiry", "main"), ("general", "main"), ("agent-unknown", "agent-number"), ("main", "main")] {
        assert!(back.contains(&(from.into(), to.into())), "{from} -> {to}: {back:?}");
    }
    assert!(back.iter().all(|(from, _)| from != "language"));
}

#[test]
fn what_the_file_says_cannot_break_the_picture() {
    let graph = read(
        "name = \"<&\\\"\"\nstart = \"a\"\n[node.a]\nbranch = [{ caller = [\"138*\"], time = \"09:00-18:00\", goto = \"b\" }]\n\
         else = \"b\"\n[node.b]\nplay = \"<x>&\"\nthen = \"c\"\n[node.c]\nhangup = true\n",
    );
    let svg = graph.svg();
    assert!(svg.contains("&lt;x&gt;&amp;") && !svg.contains("<x>") && svg.contains("&lt;&amp;&quot;"), "{svg}");
    assert!(graph.arrows[0].label.contains("caller 138*, time 09:00-18:00 · else"), "{}", graph.arrows[0].label);
    assert!(graph.dot().starts_with("digraph \"<&\\\"\" {"), "{}", graph.dot());
}

#[test]
fn a_plan_of_the_largest_size_is_drawn() {
    let chain: Vec<Vec<usize>> = (0..1_999).map(|at| vec![at + 1, 1_999]).chain([vec![]]).collect();
    let graph = read(&menus(&chain));
    assert_eq!(graph.svg().matches("<g transform").count(), 2_001);
}

proptest! {
    #[test]
    fn nothing_lies_on_anything_else(targets in prop::collection::vec(prop::collection::vec(0..1_000usize, 0..6), 1..30)) {
        let count = targets.len();
        let targets: Vec<Vec<usize>> = targets.into_iter().map(|to| to.into_iter().map(|to| to % count).collect()).collect();
        let graph = read(&menus(&targets));
        check(&graph);
        prop_assert!(!graph.svg().contains("NaN"));
    }
}
