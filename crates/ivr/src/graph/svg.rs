//! The graph as one SVG file that needs nothing else.

use super::Graph;
use super::card::{Card, Cell, LEAN, LINE, at_ends, spread};
use super::layout::Layout;
use super::text::push;
use crate::describe::Kind;

/// Around everything, and above it for the title.
const MARGIN: f64 = 24.0;
const TITLE: f64 = 34.0;
/// Between arrows that come in side by side.
const ENTRY: f64 = 12.0;

const KINDS: [(Kind, &str, &str, &str); 7] = [
    (Kind::Heard, "hear", "#e0edff", "#3b74d1"),
    (Kind::Asked, "ask", "#fff1cc", "#b7791f"),
    (Kind::Divided, "decide", "#eee6ff", "#7c4ddb"),
    (Kind::Waited, "wait for an agent", "#c9f3ea", "#0f8a78"),
    (Kind::Rung, "ring somebody", "#d9f5dd", "#2f8f46"),
    (Kind::Silent, "do", "#eef1f4", "#64748b"),
    (Kind::Ended, "end", "#ffdfdf", "#c24141"),
];

const STYLE: &str = "text{font:11px 'Noto Sans CJK SC','DejaVu Sans',sans-serif;fill:#1e293b}.n{font-weight:bold;font-size:13px}\
.v{text-anchor:end}.c{text-anchor:middle}.t{font-size:16px;font-weight:bold}.w{fill:none;stroke:#475569;stroke-width:1.4}\
.b{fill:none;stroke:#9aa8ba;stroke-width:1;stroke-dasharray:4 3}.w:hover,.b:hover{stroke:#d9480f;stroke-width:3}\
.l{fill:#64748b;font-size:10px;text-anchor:middle}";

/// What is drawn, and where.
struct Picture<'g> {
    graph: &'g Graph,
    cards: Vec<Card>,
    layout: Layout,
    /// For each arrow its ends, leaving and entering.
    ends: Vec<[(f64, f64); 2]>,
}

impl Graph {
    /// One picture, downwards from the start. The same plan gives the same text.
    pub fn svg(&self) -> String {
        let picture = Picture::new(self);
        let bottom = picture.layout.layers.last().map_or(0.0, |(top, height)| top + height);
        let (width, height) = (picture.layout.width.max(640.0) + 2.0 * MARGIN, bottom + TITLE + 2.0 * MARGIN);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
             <title>{name}</title><style>{STYLE}</style>\n<defs>{}{}</defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text class=\"t\" x=\"{MARGIN}\" y=\"{MARGIN}\">{name}</text>\n",
            tip("w", "#475569"),
            tip("b", "#9aa8ba"),
            name = escaped(&self.name)
        );
        legend(&mut out, width);
        push(&mut out, format_args!("<g transform=\"translate({MARGIN},{})\">\n", MARGIN + TITLE));
        (0..self.arrows.len()).for_each(|arrow| picture.wire(&mut out, arrow));
        (0..self.vertices.len()).for_each(|vertex| picture.card(&mut out, vertex));
        out + "</g>\n</svg>\n"
    }
}

/// The tip of an arrow.
fn tip(class: &str, colour: &str) -> String {
    format!(
        "<marker id=\"{class}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\" markerUnits=\"userSpaceOnUse\"><path d=\"M0,0L8,4L0,8z\" fill=\"{colour}\"/></marker>"
    )
}

fn legend(out: &mut String, width: f64) {
    let mut right = width - MARGIN;
    for (_, name, fill, stroke) in KINDS.iter().rev() {
        right -= name.len() as f64 * 6.6;
        push(out, format_args!("<text x=\"{right:.0}\" y=\"{MARGIN}\">{name}</text>"));
        right -= 17.0;
        let top = MARGIN - 10.0;
        push(
            out,
            format_args!(
                "<rect x=\"{right:.0}\" y=\"{top}\" width=\"12\" height=\"12\" rx=\"3\" fill=\"{fill}\" stroke=\"{stroke}\"/>\n"
            ),
        );
        right -= 12.0;
    }
}

impl<'g> Picture<'g> {
    fn new(graph: &'g Graph) -> Picture<'g> {
        let leaving = graph.leaving();
        let mut cards: Vec<Card> = (0..graph.vertices.len()).map(|at| Card::new(graph, at, &leaving[at])).collect();
        let sizes: Vec<(f64, f64)> = cards.iter().map(Card::size).collect();
        let layout = Layout::new(graph, &sizes);
        // Outcomes stand in the order of where they lead, so that their arrows do not cross at once.
        let next = |arrow: usize| layout.ways[arrow].get(1).map_or(f64::INFINITY, |slot| layout.slots[*slot].x);
        let before = |arrow: usize| {
            let way = &layout.ways[arrow];
            way.len().checked_sub(2).map_or(0.0, |at| layout.slots[way[at]].x)
        };
        for card in &mut cards {
            card.cells.sort_by(|a, b| next(a.arrow).total_cmp(&next(b.arrow)));
            card.tabs.sort_by(|a, b| before(a.arrow).total_cmp(&before(b.arrow)));
        }
        let mut picture = Picture { graph, cards, layout, ends: vec![[(0.0, 0.0); 2]; graph.arrows.len()] };
        picture.find_ends(&leaving);
        picture
    }

    /// Left and top of a card.
    fn corner(&self, vertex: usize) -> (f64, f64) {
        let (slot, card) = (&self.layout.slots[vertex], &self.cards[vertex]);
        let (top, height) = self.layout.layers[slot.layer];
        (slot.x - card.width / 2.0, top + (height - card.size().1) / 2.0)
    }

    /// Where the outcomes that lead back stand on a card, and the room they leave.
    fn tabs(&self, vertex: usize) -> (Vec<(f64, f64)>, (f64, f64)) {
        let (card, x) = (&self.cards[vertex], self.layout.slots[vertex].x);
        let to_left = |tab: &Cell| {
            let way = &self.layout.ways[tab.arrow];
            self.layout.slots[way[way.len() - 2]].x < x
        };
        at_ends(&card.tabs, card.width, to_left)
    }

    fn find_ends(&mut self, leaving: &[Vec<usize>]) {
        for (vertex, leaving) in leaving.iter().enumerate() {
            let ((left, top), card) = (self.corner(vertex), &self.cards[vertex]);
            let bottom = top + card.size().1;
            for arrow in leaving {
                self.ends[*arrow][0] = (left + card.width / 2.0, bottom);
            }
            let rows = [(&card.cells, spread(&card.cells, card.width), bottom), (&card.tabs, self.tabs(vertex).0, top)];
            for (row, places, y) in rows {
                for (cell, (x, width)) in row.iter().zip(places) {
                    self.ends[cell.arrow][0] = (left + x + width / 2.0, y);
                }
            }
            self.find_entries(vertex, (left, top));
        }
    }

    /// Arrows come in at the middle of the upper edge, side by side, past the tabs; those that lead back at the nearer side.
    fn find_entries(&mut self, vertex: usize, (left, top): (f64, f64)) {
        let card = &self.cards[vertex];
        let arrows = self.graph.arrows.iter().enumerate();
        let (back, mut forward): (Vec<usize>, Vec<usize>) = arrows
            .filter(|(_, a)| a.to == vertex && a.from != vertex)
            .map(|(at, _)| at)
            .partition(|at| self.graph.arrows[*at].back);
        let from = |arrow: &usize| {
            let way = &self.layout.ways[*arrow];
            self.layout.slots[way[way.len() - 2]].x
        };
        forward.sort_by(|a, b| from(a).total_cmp(&from(b)));
        let (_, (least, most)) = self.tabs(vertex);
        let step = ENTRY.min((most - least) / forward.len().max(1) as f64);
        let half = step * forward.len() as f64 / 2.0;
        let first = left + (card.width / 2.0).max(least + half).min(most - half) - half + step / 2.0;
        let (y, side) = (top + card.tabs_height(), top + card.tabs_height() + card.body_height() / 2.0);
        let right = left + card.width;
        for (arrow, at) in forward.iter().zip(0..) {
            self.ends[*arrow][1] = (first + step * f64::from(at), y);
        }
        for arrow in back {
            let x = self.layout.slots[self.layout.ways[arrow][1]].x;
            self.ends[arrow][1] = (if x < (left + right) / 2.0 { left } else { right }, side);
        }
    }

    fn wire(&self, out: &mut String, arrow: usize) {
        let (way, own) = (&self.layout.ways[arrow], &self.graph.arrows[arrow]);
        if way.len() < 2 {
            return;
        }
        let [leave, enter] = self.ends[arrow];
        let passed = way[1..way.len() - 1].iter().map(|slot| {
            let slot = &self.layout.slots[*slot];
            let (top, height) = self.layout.layers[slot.layer];
            (slot.x, top, top + height)
        });
        let mut path = Path::new(leave);
        if own.back {
            passed.rev().for_each(|(x, top, bottom)| path.through(x, bottom, top));
            let (layer_top, layer_height) = self.layout.layers[self.layout.slots[own.to].layer];
            let outwards = if enter.0 > self.layout.slots[own.to].x { 14.0 } else { -14.0 };
            path.curve(enter.0 + outwards, layer_top + layer_height);
            path.round(enter);
        } else {
            passed.for_each(|(x, top, bottom)| path.through(x, top, bottom));
            path.curve(enter.0, enter.1);
        }
        let class = if own.back { "b" } else { "w" };
        let about = format!("{} → {}", self.graph.vertices[own.from].name, self.graph.vertices[own.to].name);
        let label = if own.label.is_empty() { String::new() } else { format!(": {}", own.label) };
        let title = escaped(&format!("{about}{label}"));
        push(
            out,
            format_args!(
                "<path class=\"{class}\" marker-end=\"url(#{class})\" d=\"{}\"><title>{title}</title></path>\n",
                path.text
            ),
        );
    }

    fn card(&self, out: &mut String, vertex: usize) {
        let (card, own, (left, top)) = (&self.cards[vertex], &self.graph.vertices[vertex], self.corner(vertex));
        let (_, _, fill, stroke) =
            KINDS.into_iter().find(|(kind, ..)| *kind == own.kind).expect("every kind has a colour");
        let title = escaped(format!("{}: {} {}", own.name, own.verb, own.about).trim_end());
        push(
            out,
            format_args!(
                "<g transform=\"translate({left:.1},{:.1})\"><title>{title}</title>\n",
                top + card.tabs_height()
            ),
        );
        let (width, body, cells) = (card.width, card.body_height(), card.cells_height());
        let tabs = card.tabs_height();
        row(out, &card.tabs, &self.tabs(vertex).0, (-tabs, tabs), ("#fff", "#9aa8ba"));
        let pen = if vertex == self.graph.start { 3.0 } else { 1.2 };
        let shape = outline(own.kind, width, body, body + cells);
        push(out, format_args!("<path d=\"{shape}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{pen}\"/>\n"));
        row(out, &card.cells, &spread(&card.cells, width), (body, cells), ("#ffffffb0", stroke));
        let (name, verb, pad) = (escaped(&own.name), own.verb, card.pad);
        push(out, format_args!("<text class=\"n\" x=\"{pad}\" y=\"17\">{name}</text>"));
        push(
            out,
            format_args!("<text class=\"v\" x=\"{:.1}\" y=\"17\" style=\"fill:{stroke}\">{verb}</text>", width - pad),
        );
        for (line, y) in card.about.iter().zip(1..) {
            let y = 19.0 + LINE * f64::from(y);
            push(out, format_args!("<text x=\"{pad}\" y=\"{y:.0}\">{}</text>", escaped(line)));
        }
        out.push_str("</g>\n");
    }
}

/// Outcomes side by side.
fn row(
    out: &mut String,
    cells: &[Cell],
    places: &[(f64, f64)],
    (top, height): (f64, f64),
    (fill, stroke): (&str, &str),
) {
    for (cell, (x, width)) in cells.iter().zip(places) {
        push(
            out,
            format_args!(
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\".6\"/>"
            ),
        );
        let middle = x + width / 2.0;
        let first = top + (height - LINE * cell.lines.len() as f64) / 2.0 + 11.0;
        for (line, at) in cell.lines.iter().zip(0..) {
            let y = first + LINE * f64::from(at);
            push(out, format_args!("<text class=\"c\" x=\"{middle:.1}\" y=\"{y:.1}\">{}</text>", escaped(line)));
        }
        out.push('\n');
    }
}

/// The edge of a card: each kind of node has a shape. Its outcomes begin below `body`.
fn outline(kind: Kind, width: f64, body: f64, height: f64) -> String {
    let cut = |cut: f64| {
        let (right, bottom) = (width - cut, height);
        format!("M{cut},0H{right:.1}L{width:.1},{cut}V{bottom:.1}H0V{cut}z")
    };
    let rounded = |r: f64| {
        let (right, lower) = (width - r, height - r);
        format!(
            "M{r},0H{right:.1}A{r},{r} 0 0 1 {width:.1},{r}V{lower:.1}A{r},{r} 0 0 1 {right:.1},{height:.1}H{r}A{r},{r} 0 0 1 0,{lower:.1}V{r}A{r},{r} 0 0 1 {r},0z"
        )
    };
    match kind {
        Kind::Divided => cut(9.0),
        Kind::Asked => format!("M{LEAN},0H{:.1}L{width:.1},{body:.1}V{height:.1}H0V{body:.1}z", width - LEAN),
        Kind::Ended => rounded(12.0),
        Kind::Waited | Kind::Rung => rounded(7.0),
        Kind::Heard | Kind::Silent => rounded(2.0),
    }
}

/// A path drawn from point to point, leaving and entering each upright.
struct Path {
    text: String,
    at: (f64, f64),
}

impl Path {
    fn new(at: (f64, f64)) -> Path {
        Path { text: format!("M{:.1},{:.1}", at.0, at.1), at }
    }

    fn curve(&mut self, x: f64, y: f64) {
        let middle = (self.at.1 + y) / 2.0;
        push(&mut self.text, format_args!("C{:.1},{middle:.1} {x:.1},{middle:.1} {x:.1},{y:.1}", self.at.0));
        self.at = (x, y);
    }

    /// Upright past a layer.
    fn through(&mut self, x: f64, near: f64, far: f64) {
        self.curve(x, near);
        push(&mut self.text, format_args!("V{far:.1}"));
        self.at = (x, far);
    }

    /// Upright, then sideways to the end.
    fn round(&mut self, (x, y): (f64, f64)) {
        push(&mut self.text, format_args!("Q{:.1},{y:.1} {x:.1},{y:.1}", self.at.0));
        self.at = (x, y);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
