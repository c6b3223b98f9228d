//! The live table: redrawn in place in a terminal, a plain line now and then elsewhere.

use super::tally::{Samples, Tally};
use busyhour_model::AgentState;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Without a terminal a line this often.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Where progress goes.
pub(super) struct Table {
    out: Box<dyn Write>,
    in_place: bool,
    drawn: usize,
    plain_at: Duration,
}

impl Table {
    /// On standard output, or on standard error when that is kept for JSON.
    pub(super) fn new(json: bool) -> Table {
        let in_place = if json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        let out: Box<dyn Write> = if json { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        Table { out, in_place, drawn: 0, plain_at: PLAIN_EVERY }
    }

    /// Text above the table.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.drawn = 0;
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Draws the present state; `elapsed` since the first call, `cpu` spent by the switch since then.
    pub(super) fn draw(&mut self, tally: &Tally, elapsed: Duration, cpu: (Duration, Duration)) -> io::Result<()> {
        let lines = lines(tally, elapsed, cpu);
        if !self.in_place {
            if elapsed >= self.plain_at {
                self.plain_at = elapsed + PLAIN_EVERY;
                writeln!(self.out, "{}", lines[0].1)?;
            }
            return self.out.flush();
        }
        if self.drawn > 0 {
            write!(self.out, "\x1b[{}A\r\x1b[J", self.drawn)?;
        }
        self.drawn = lines.len();
        for (name, text) in lines {
            writeln!(self.out, "  {name:<8}{text}")?;
        }
        self.out.flush()
    }
}

/// Every line fits into 80 columns; a longer one would break and spoil the drawing in place.
fn lines(tally: &Tally, elapsed: Duration, cpu: (Duration, Duration)) -> Vec<(&'static str, String)> {
    let secs = elapsed.as_secs();
    let states = |state| tally.agents.values().filter(|s| **s == state).count();
    let calls = format!(
        "{:02}:{:02}  {} dialled, {} in progress, {} waiting, {} heard both ways, {} failed",
        secs / 60,
        secs % 60,
        tally.dialled,
        tally.in_switch.len(),
        tally.waiting.len(),
        tally.two_way,
        tally.failed
    );
    let agents = format!(
        "{} ready, {} ringing, {} talking, {} wrapping up",
        states(AgentState::Ready),
        states(AgentState::Ringing),
        states(AgentState::Talking) + states(AgentState::Hold),
        states(AgentState::WrapUp)
    );
    let ms = |samples: &Samples, what| {
        let value = |share| samples.percentile(share) as f64 / 1000.0;
        format!("{:.1} ms, 99 % within {:.1} ms: {what}", value(0.5), value(0.99))
    };
    let share = 100.0 * (cpu.0 + cpu.1).as_secs_f64() / elapsed.as_secs_f64().max(0.001);
    vec![
        ("calls", calls),
        ("agents", agents),
        ("answer", ms(&tally.setup, "dialled to answered")),
        ("offer", ms(&tally.offer, "agent chosen to phone rings")),
        ("voice", ms(&tally.through, "agent answers to caller hears")),
        ("switch", format!("{share:.1} % of a core, sound included")),
    ]
}
