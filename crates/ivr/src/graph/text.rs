//! The graph for other programs: Graphviz and Mermaid.

use super::Graph;
use crate::describe::Kind;
use std::fmt::Write;

impl Graph {
    /// For Graphviz.
    pub fn dot(&self) -> String {
        let mut out = format!("digraph {} {{\n  node [fontname=\"sans-serif\", style=filled];\n", quoted(&self.name));
        for (at, vertex) in self.vertices.iter().enumerate() {
            let (shape, colour) = dot_look(vertex.kind);
            let label = quoted(&format!("{}\n{} {}", vertex.name, vertex.verb, vertex.about));
            let pen = if at == self.start { ", penwidth=3" } else { "" };
            push(&mut out, format_args!("  n{at} [label={label}, shape={shape}, fillcolor=\"{colour}\"{pen}];\n"));
        }
        for arrow in &self.arrows {
            let back = if arrow.back { ", style=dashed, color=gray, constraint=false" } else { "" };
            let label = quoted(&arrow.label);
            push(&mut out, format_args!("  n{} -> n{} [label={label}{back}];\n", arrow.from, arrow.to));
        }
        out + "}\n"
    }

    /// For Mermaid.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart TD\n");
        for (at, vertex) in self.vertices.iter().enumerate() {
            let label = mermaid_text(&format!("{}\n{} {}", vertex.name, vertex.verb, vertex.about));
            let (open, close) = match vertex.kind {
                Kind::Asked => ("[/", "/]"),
                Kind::Divided => ("{{", "}}"),
                Kind::Waited | Kind::Rung => ("[[", "]]"),
                Kind::Ended => ("([", "])"),
                Kind::Silent | Kind::Heard => ("[", "]"),
            };
            push(&mut out, format_args!("  n{at}{open}\"{label}\"{close}\n"));
        }
        for arrow in &self.arrows {
            let line = if arrow.back { "-.->" } else { "-->" };
            let label = mermaid_text(&arrow.label);
            let label = if label.is_empty() { label } else { format!("|\"{label}\"|") };
            push(&mut out, format_args!("  n{} {line}{label} n{}\n", arrow.from, arrow.to));
        }
        out
    }
}

pub(super) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all");
}

fn dot_look(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Silent => ("box", "#eceff1"),
        Kind::Heard => ("note", "#dbeafe"),
        Kind::Asked => ("parallelogram", "#fef3c7"),
        Kind::Divided => ("hexagon", "#ede9fe"),
        Kind::Waited => ("box3d", "#ccfbf1"),
        Kind::Rung => ("component", "#dcfce7"),
        Kind::Ended => ("oval", "#fee2e2"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn mermaid_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>")
}
