//! A node as a card: its name and verb, on its lower edge the outcomes that lead on, on its upper edge those that lead back.

use super::Graph;
use crate::describe::Kind;

/// Height of a line in pixels.
pub(super) const LINE: f64 = 14.0;
/// Between the edge of a card and what stands in it.
pub(super) const PAD: f64 = 10.0;
/// What the sides of a card that asks lean in by.
pub(super) const LEAN: f64 = 9.0;
const NAME: f64 = 22.0;
/// Letters of a line of an outcome, and of what a node is about; the whole is in the tooltip.
const OUTCOME_LETTERS: usize = 22;
const ABOUT_LETTERS: usize = 34;
const ABOUT_LINES: usize = 2;

/// An outcome on the edge of a card.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// Its arrow in the graph.
    pub(super) arrow: usize,
    pub(super) lines: Vec<String>,
    pub(super) width: f64,
}

/// A node's card.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) about: Vec<String>,
    /// Outcomes that lead back.
    pub(super) tabs: Vec<Cell>,
    /// Outcomes that lead on, or to the node itself.
    pub(super) cells: Vec<Cell>,
    pub(super) width: f64,
    /// Between its edge and what stands in it.
    pub(super) pad: f64,
}

impl Card {
    pub(super) fn new(graph: &Graph, at: usize, leaving: &[usize]) -> Card {
        let vertex = &graph.vertices[at];
        let mut about = wrapped(&vertex.about, ABOUT_LETTERS);
        if about.len() > ABOUT_LINES {
            about.truncate(ABOUT_LINES);
            about.last_mut().expect("two lines").push('…');
        }
        let is_tab = |arrow: &usize| graph.arrows[*arrow].back && graph.arrows[*arrow].to != at;
        let (tabs, cells): (Vec<usize>, Vec<usize>) = leaving.iter().partition(|arrow| is_tab(arrow));
        let cell = |arrow: usize| Cell::new(graph, arrow);
        let tabs: Vec<Cell> = tabs.into_iter().map(cell).collect();
        let labelled = |arrow: &usize| !graph.arrows[*arrow].label.is_empty();
        let cells: Vec<Cell> = cells.into_iter().filter(labelled).map(cell).collect();
        let row = |cells: &[Cell]| cells.iter().map(|cell| cell.width).sum::<f64>();
        let pad = if vertex.kind == Kind::Asked { PAD + LEAN } else { PAD };
        let head = letters(&vertex.name, 13.0) * 1.1 + letters(vertex.verb, 11.0) + PAD + 2.0 * pad;
        let lines = about.iter().map(|line| letters(line, 11.0) + 2.0 * pad);
        let width = lines.fold(head, f64::max).max(row(&cells)).max(row(&tabs) + 60.0).max(84.0);
        Card { about, tabs, cells, width, pad }
    }

    pub(super) fn tabs_height(&self) -> f64 {
        rows(&self.tabs)
    }

    pub(super) fn body_height(&self) -> f64 {
        NAME + PAD / 2.0 + LINE * self.about.len() as f64
    }

    pub(super) fn cells_height(&self) -> f64 {
        rows(&self.cells)
    }

    pub(super) fn size(&self) -> (f64, f64) {
        (self.width, self.tabs_height() + self.body_height() + self.cells_height())
    }
}

/// Left edge and width of each tab, at the left or at the right end of the card, and from where to where there is none:
/// arrows come in there.
pub(super) fn at_ends(tabs: &[Cell], width: f64, left: impl Fn(&Cell) -> bool) -> (Vec<(f64, f64)>, (f64, f64)) {
    let mut ends = (PAD, width - PAD);
    let place = |tab: &Cell| {
        if left(tab) {
            ends.0 += tab.width;
            (ends.0 - tab.width, tab.width)
        } else {
            ends.1 -= tab.width;
            (ends.1, tab.width)
        }
    };
    (tabs.iter().map(place).collect(), ends)
}

/// Left edge and width of each cell, spread over the width of the card.
pub(super) fn spread(cells: &[Cell], width: f64) -> Vec<(f64, f64)> {
    let spare = (width - cells.iter().map(|cell| cell.width).sum::<f64>()).max(0.0) / cells.len().max(1) as f64;
    let mut left = 0.0;
    let place = |cell: &Cell| {
        let own = (left, cell.width + spare);
        left += own.1;
        own
    };
    cells.iter().map(place).collect()
}

impl Cell {
    fn new(graph: &Graph, arrow: usize) -> Cell {
        let own = &graph.arrows[arrow];
        let looped = if own.from == own.to { " ↻" } else { "" };
        let label = if own.label.is_empty() { "then" } else { &own.label };
        let lines = wrapped(&format!("{label}{looped}"), OUTCOME_LETTERS);
        let width = lines.iter().map(|line| letters(line, 11.0)).fold(14.0, f64::max) + 12.0;
        Cell { arrow, lines, width }
    }
}

fn rows(cells: &[Cell]) -> f64 {
    cells.iter().map(|cell| LINE * cell.lines.len() as f64 + 6.0).fold(0.0, f64::max)
}

/// About so many pixels: Chinese letters are square, others narrower.
fn letters(text: &str, size: f64) -> f64 {
    text.chars().map(|c| if c as u32 > 0x2E7F { size } else { size * 0.62 }).sum()
}

/// Lines of at most about so many letters, broken at spaces.
fn wrapped(text: &str, letters_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < letters_max => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
