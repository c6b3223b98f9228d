//! Where everything stands: layers from the start downwards, few crossings, straight long arrows.

use super::Graph;

/// Pixels between cards side by side.
const BESIDE: f64 = 34.0;
/// Pixels between an arrow passing a layer and what is beside it.
const PASSING: f64 = 16.0;
/// Pixels between layers.
const BELOW: f64 = 58.0;
/// Beyond so many places long arrows go straight over what is between.
const SLOTS_MAX: usize = 20_000;
/// Rounds of putting each layer in order by its neighbours.
const ROUNDS: usize = 24;
/// Rounds of moving everything towards its neighbours.
const PULLS: usize = 96;

/// Something with a place in a layer: a node, or an arrow that passes.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// `None`: an arrow passes.
    pub(super) vertex: Option<usize>,
    pub(super) layer: usize,
    pub(super) width: f64,
    /// Of its middle.
    pub(super) x: f64,
}

/// Slots, the way of each arrow through them, and the layers from top to bottom.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) slots: Vec<Slot>,
    /// For each arrow of the graph the slots from its upper to its lower end; empty for a loop to itself.
    pub(super) ways: Vec<Vec<usize>>,
    /// Top and height of each layer.
    pub(super) layers: Vec<(f64, f64)>,
    pub(super) width: f64,
    /// The slots of each layer from left to right.
    pub(super) order: Vec<Vec<usize>>,
    up: Vec<Vec<usize>>,
    down: Vec<Vec<usize>>,
}

impl Layout {
    /// `sizes` are width and height of each node's card.
    pub(super) fn new(graph: &Graph, sizes: &[(f64, f64)]) -> Layout {
        let layers = layers(graph);
        let mut layout = Layout {
            slots: Vec::new(),
            ways: Vec::new(),
            layers: Vec::new(),
            width: 0.0,
            order: vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)],
            up: Vec::new(),
            down: Vec::new(),
        };
        for (vertex, layer) in layers.iter().enumerate() {
            layout.slot(Some(vertex), *layer, sizes[vertex].0);
        }
        for arrow in &graph.arrows {
            let (upper, lower) = if arrow.back { (arrow.to, arrow.from) } else { (arrow.from, arrow.to) };
            layout.way(upper, lower);
        }
        layout.arrange(graph.start);
        layout.spread();
        layout.stack(sizes);
        layout
    }

    fn slot(&mut self, vertex: Option<usize>, layer: usize, width: f64) -> usize {
        self.slots.push(Slot { vertex, layer, width, x: 0.0 });
        self.up.push(Vec::new());
        self.down.push(Vec::new());
        self.slots.len() - 1
    }

    fn way(&mut self, upper: usize, lower: usize) {
        let mut way = Vec::new();
        if upper != lower {
            let between = self.slots[upper].layer + 1..self.slots[lower].layer;
            way.push(upper);
            if self.slots.len() + between.len() <= SLOTS_MAX {
                way.extend(between.map(|layer| self.slot(None, layer, 4.0)));
            }
            way.push(lower);
            for pair in way.windows(2) {
                self.down[pair[0]].push(pair[1]);
                self.up[pair[1]].push(pair[0]);
            }
        }
        self.ways.push(way);
    }

    /// Puts each layer in the order that crosses least: first as met from the start, then by neighbours, keeping the best.
    fn arrange(&mut self, start: usize) {
        let mut met = vec![false; self.slots.len()];
        for root in [start].into_iter().chain(0..self.slots.len()) {
            let mut open = vec![root];
            while let Some(slot) = open.pop() {
                if !std::mem::replace(&mut met[slot], true) {
                    self.order[self.slots[slot].layer].push(slot);
                    open.extend(self.down[slot].iter().rev());
                }
            }
        }
        let mut best = (self.crossings(), self.order.clone());
        let mut positions = self.positions();
        for round in 0..ROUNDS {
            let down = round % 2 == 0;
            let count = self.order.len();
            for at in 0..count {
                self.sort_layer(if down { at } else { count - 1 - at }, down, &mut positions);
            }
            self.swap_neighbours(&mut positions);
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.order.clone());
            }
        }
        self.order = best.1;
    }

    fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0; self.slots.len()];
        for layer in &self.order {
            layer.iter().enumerate().for_each(|(at, slot)| positions[*slot] = at);
        }
        positions
    }

    /// By the mean place of the neighbours above, or below; who has none stays.
    fn sort_layer(&mut self, layer: usize, by_upper: bool, positions: &mut [usize]) {
        let key = |(at, slot): (usize, &usize)| {
            let near = if by_upper { &self.up[*slot] } else { &self.down[*slot] };
            let sum: usize = near.iter().map(|slot| positions[*slot]).sum();
            (if near.is_empty() { at as f64 } else { sum as f64 / near.len() as f64 }, *slot)
        };
        let mut keyed: Vec<(f64, usize)> = self.order[layer].iter().enumerate().map(key).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.order[layer] = keyed.into_iter().map(|(_, slot)| slot).collect();
        self.order[layer].iter().enumerate().for_each(|(at, slot)| positions[*slot] = at);
    }

    /// Swaps two side by side where that crosses less.
    fn swap_neighbours(&mut self, positions: &mut [usize]) {
        for layer in &mut self.order {
            for at in 1..layer.len() {
                let (left, right) = (layer[at - 1], layer[at]);
                let count = |a: usize, b: usize| {
                    let sides = [(&self.up[a], &self.up[b]), (&self.down[a], &self.down[b])];
                    sides.iter().map(|(a, b)| crossed(a, b, positions)).sum::<usize>()
                };
                if count(right, left) < count(left, right) {
                    layer.swap(at - 1, at);
                    positions.swap(left, right);
                }
            }
        }
    }

    fn crossings(&self) -> usize {
        let positions = self.positions();
        let pairs = |layer: &Vec<usize>| {
            let mut ends: Vec<usize> = Vec::new();
            let mut count = 0;
            for slot in layer {
                let mut below: Vec<usize> = self.down[*slot].iter().map(|slot| positions[*slot]).collect();
                below.sort_unstable();
                count += below.iter().map(|end| ends.len() - ends.partition_point(|e| e <= end)).sum::<usize>();
                for end in below {
                    ends.insert(ends.partition_point(|e| *e <= end), end);
                }
            }
            count
        };
        self.order.iter().map(pairs).sum()
    }

    /// Gives every slot its x: as near to its neighbours as the order and the widths allow.
    fn spread(&mut self) {
        for pull in 0..PULLS {
            let (above, below) = match pull % 4 {
                _ if pull >= PULLS / 2 => (true, true),
                0 | 1 => (true, false),
                _ => (false, true),
            };
            let count = self.order.len();
            for at in 0..count {
                self.pull_layer(if pull % 4 < 2 { at } else { count - 1 - at }, above, below);
            }
        }
        let left = self.slots.iter().map(|slot| slot.x - slot.width / 2.0).fold(f64::INFINITY, f64::min);
        self.slots.iter_mut().for_each(|slot| slot.x -= left);
        self.width = self.slots.iter().map(|slot| slot.x + slot.width / 2.0).fold(0.0, f64::max);
    }

    fn pull_layer(&mut self, layer: usize, above: bool, below: bool) {
        let mut offset = 0.0;
        let mut wanted = Vec::new();
        let mut offsets = Vec::new();
        let mut last: Option<&Slot> = None;
        for slot in &self.order[layer] {
            let own = &self.slots[*slot];
            if let Some(last) = last {
                let gap = if own.vertex.is_some() && last.vertex.is_some() { BESIDE } else { PASSING };
                offset += (last.width + own.width) / 2.0 + gap;
            }
            last = Some(own);
            offsets.push(offset);
            let (target, weight) = self.pull(*slot, above, below);
            wanted.push((target - offset, weight));
        }
        for ((slot, x), offset) in self.order[layer].iter().zip(in_order(&wanted)).zip(offsets) {
            self.slots[*slot].x = x + offset;
        }
    }

    /// Where its neighbours want it, and how much; a passing arrow wants to be straight above all.
    fn pull(&self, slot: usize, above: bool, below: bool) -> (f64, f64) {
        let own = &self.slots[slot];
        let near = self.up[slot].iter().filter(|_| above).chain(self.down[slot].iter().filter(|_| below));
        let (mut sum, mut weight) = (own.x * 0.02, 0.02);
        for other in near.map(|slot| &self.slots[*slot]) {
            let strength = match (own.vertex, other.vertex) {
                (None, None) => 24.0,
                (Some(_), Some(_)) => 1.0,
                _ => 2.0,
            };
            sum += other.x * strength;
            weight += strength;
        }
        (sum / weight, weight)
    }

    fn stack(&mut self, sizes: &[(f64, f64)]) {
        let mut top = 0.0;
        for layer in &self.order {
            let heights = layer.iter().filter_map(|slot| self.slots[*slot].vertex).map(|vertex| sizes[vertex].1);
            let height = heights.fold(0.0, f64::max);
            self.layers.push((top, height));
            top += height + BELOW;
        }
    }
}

/// Each node as far down as its longest way from the start, arrows that lead back left out.
fn layers(graph: &Graph) -> Vec<usize> {
    let leaving = graph.leaving();
    let forward = || graph.arrows.iter().filter(|arrow| !arrow.back);
    let mut entering = vec![0; graph.vertices.len()];
    forward().for_each(|arrow| entering[arrow.to] += 1);
    let mut layers = vec![0; graph.vertices.len()];
    let mut open: Vec<usize> = (0..graph.vertices.len()).filter(|vertex| entering[*vertex] == 0).collect();
    while let Some(vertex) = open.pop() {
        for arrow in leaving[vertex].iter().map(|at| &graph.arrows[*at]).filter(|arrow| !arrow.back) {
            layers[arrow.to] = layers[arrow.to].max(layers[vertex] + 1);
            entering[arrow.to] -= 1;
            if entering[arrow.to] == 0 {
                open.push(arrow.to);
            }
        }
    }
    layers
}

/// Arrows of `left` that cross those of `right` when it stands left of it.
fn crossed(left: &[usize], right: &[usize], positions: &[usize]) -> usize {
    let over = |end: &usize| right.iter().filter(|other| positions[**other] < positions[*end]).count();
    left.iter().map(over).sum()
}

/// The rising values nearest to `wanted` (value, weight), by pooling neighbours that are out of order.
fn in_order(wanted: &[(f64, f64)]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (value, weight) in wanted {
        pools.push((*value, *weight, 1));
        while let [.., (a, wa, na), (b, wb, nb)] = pools[..]
            && a > b
        {
            pools.truncate(pools.len() - 2);
            pools.push(((a * wa + b * wb) / (wa + wb), wa + wb, na + nb));
        }
    }
    pools.into_iter().flat_map(|(value, _, count)| std::iter::repeat_n(value, count)).collect()
}
