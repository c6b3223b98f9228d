//! Markov chains solved exactly: the oracle.

use std::collections::HashMap;

/// What the chain says of servers and classes.
#[derive(Debug)]
pub(crate) struct Exact {
    /// Share of time busy, by server.
    pub(crate) busy: Vec<f64>,
    /// Share of calls that find no place, by class.
    pub(crate) blocked: Vec<f64>,
    /// Mean wait of the others, by class, in handling times.
    pub(crate) wait: Vec<f64>,
}

/// Idle servers, longest idle first, and classes of waiting calls, oldest first.
type State = (Vec<u8>, Vec<u8>);

/// Arrivals by class, handling rate 1, so many places to wait. Servers by the classes they know (bits).
struct Chain {
    rates: [f64; 3],
    servers: [u8; 5],
    places: usize,
    index: HashMap<State, usize>,
    states: Vec<State>,
    /// From, to, rate.
    flows: Vec<(usize, usize, f64)>,
}

impl Chain {
    fn number(&mut self, state: State) -> usize {
        if let Some(&at) = self.index.get(&state) {
            return at;
        }
        self.states.push(state.clone());
        self.index.insert(state, self.states.len() - 1);
        self.states.len() - 1
    }

    /// First come, first served; the longest idle who can.
    fn arrive(&self, (idle, line): &State, class: u8) -> Option<State> {
        let (mut idle, mut line) = (idle.clone(), line.clone());
        match idle.iter().position(|&server| self.servers[server as usize] >> class & 1 == 1) {
            Some(at) => {
                idle.remove(at);
            }
            None if line.len() == self.places => return None,
            None => line.push(class),
        }
        Some((idle, line))
    }

    fn release(&self, (idle, line): &State, server: u8) -> State {
        let (mut idle, mut line) = (idle.clone(), line.clone());
        match line.iter().position(|&class| self.servers[server as usize] >> class & 1 == 1) {
            Some(at) => {
                line.remove(at);
            }
            None => idle.push(server),
        }
        (idle, line)
    }

    fn explore(&mut self) {
        self.number(((0..5).collect(), Vec::new()));
        let mut at = 0;
        while at < self.states.len() {
            let state = self.states[at].clone();
            for class in 0..3 {
                if let Some(next) = self.arrive(&state, class) {
                    let to = self.number(next);
                    self.flows.push((at, to, self.rates[class as usize]));
                }
            }
            for server in (0..5).filter(|server| !state.0.contains(server)) {
                let next = self.release(&state, server);
                let to = self.number(next);
                self.flows.push((at, to, 1.0));
            }
            at += 1;
        }
    }

    /// By Gauss-Seidel on the balance of each state.
    fn stationary(&self) -> Vec<f64> {
        let count = self.states.len();
        let (mut into, mut out) = (vec![Vec::new(); count], vec![0.0; count]);
        for &(from, to, rate) in self.flows.iter().filter(|flow| flow.0 != flow.1) {
            into[to].push((from, rate));
            out[from] += rate;
        }
        let mut share = vec![1.0 / count as f64; count];
        for _ in 0..2_000 {
            let mut moved = 0.0f64;
            for at in 0..count {
                let next = into[at].iter().map(|&(from, rate)| share[from] * rate).sum::<f64>() / out[at];
                moved = moved.max((next - share[at]).abs());
                share[at] = next;
            }
            let sum: f64 = share.iter().sum();
            share.iter_mut().for_each(|p| *p /= sum);
            if moved < 1e-13 {
                break;
            }
        }
        share
    }
}

/// Solves it.
pub(crate) fn solve(rates: [f64; 3], servers: [u8; 5], places: usize) -> Exact {
    #[allow(clippy::disallowed_methods, reason = "only looked up, never walked")]
    let index = HashMap::new();
    let mut chain = Chain { rates, servers, places, index, states: Vec::new(), flows: Vec::new() };
    chain.explore();
    let share = chain.stationary();
    let sum = |of: &dyn Fn(&State) -> f64| share.iter().zip(&chain.states).map(|(p, s)| p * of(s)).sum::<f64>();
    let busy = (0..5).map(|server| sum(&|s| f64::from(u8::from(!s.0.contains(&server))))).collect();
    let refused = |class: u8| sum(&|s| f64::from(u8::from(chain.arrive(s, class).is_none())));
    let blocked: Vec<f64> = (0..3).map(refused).collect();
    let line = |class: u8| sum(&|s| s.1.iter().filter(|&&c| c == class).count() as f64);
    let wait = (0..3u8).map(|c| line(c) / rates[c as usize] / (1.0 - blocked[c as usize])).collect();
    Exact { busy, blocked, wait }
}

/// One pool with so many places to wait: share blocked and mean wait, in the unit of `handling`.
pub(crate) fn pooled(agents: u32, places: u32, erlangs: f64, handling: f64) -> (f64, f64) {
    let (mut weight, mut sum, mut line) = (1.0, 1.0, 0.0);
    for n in 1..=agents + places {
        weight *= erlangs / f64::from(n.min(agents));
        sum += weight;
        line += weight * f64::from(n.saturating_sub(agents));
    }
    let blocked = weight / sum;
    (blocked, line / sum / erlangs * handling / (1.0 - blocked))
}
