//! `busyhour demo`: the switch, agents and callers in one process, on real sockets; sound is measured at both ends of every call.

mod args;
mod load;
mod reloads;
mod site;
mod summary;
mod table;
mod tally;

pub use args::Args;

use crate::clock::Clock;
use crate::recorder::Told;
use crate::serve;
use crate::store::ROWS_MAX;
use anyhow::Context;
use busyhour_model::{AgentState, Time};
use load::{Load, Report, Stage};
use reloads::Reloads;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use summary::{Run, Summary};
use table::Table;
use tally::Tally;

/// All phones are registered and ready within this.
const REGISTER_MAX: Duration = Duration::from_secs(60);
/// After the last call everything is put away within this.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// The table is drawn this often.
const DRAW_EVERY: Duration = Duration::from_millis(500);
const TURN: Duration = Duration::from_millis(20);

/// Runs the demo; the exit code says whether all went as it should.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let seed = args.seed.unwrap_or_else(|| std::process::id().into());
    let (site, agents) = site::build(args.agents, args.calls.is_none())?;
    let domain = site.setup.domain.clone();
    let options = serve::Options { config: None, seed: Some(seed) };
    let switch = serve::start(site, options)?;
    let sip = switch.sip_addr().context("the demo has no UDP address")?;
    let mut table = Table::new(args.json);
    table.say(&banner(sip, switch.http_addr(), args))?;
    let load = Load {
        switch: sip,
        domain,
        agents,
        phones_at: site::SWITCH,
        callers_at: site::CARRIER,
        dialled: site::HOTLINE.into(),
        calls: args.calls,
        rate: args.rate,
        talk: args.talk_span(),
        seed,
    };
    let told = switch.listen();
    let load = load::start(load, Clock::start()).context("cannot start the load generator")?;
    let show = Show {
        switch,
        load,
        told,
        table,
        tally: Tally::default(),
        started: None,
        interrupted: false,
        all_dialled: false,
    };
    show.play(args, seed)
}

fn banner(sip: SocketAddr, http: Option<SocketAddr>, args: &Args) -> String {
    let mut text = format!("busyhour demo: {} agents register, callers dial {} at {sip}", args.agents, site::HOTLINE);
    if args.calls.is_none() {
        text += &format!(
            "\n\nCall in yourself, with any softphone on this machine:\n  account {guest}   password {guest}   server {sip} (UDP or TCP)   dial {}\n",
            site::HOTLINE,
            guest = site::GUEST
        );
        if let Some(http) = http {
            text += &format!("Look inside: busyhour agents --url http://{http}   metrics: http://{http}/metrics\n");
        }
        text += "Ctrl-C ends it.\n";
    }
    text
}

/// Call records in the store; `None` when it cannot be asked, or when there are more than it lists at once.
fn stored(switch: &serve::Running, calls: u64) -> Option<u64> {
    let limit = u32::try_from(calls + 1).ok().filter(|limit| *limit <= ROWS_MAX)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    let rows = runtime.block_on(switch.desk().store().calls(limit, Time::ZERO)).ok()?;
    Some(rows.len() as u64)
}

/// The demo while it runs.
struct Show {
    switch: serve::Running,
    load: load::Running,
    told: Receiver<Told>,
    table: Table,
    tally: Tally,
    /// When calling began, and the CPU time spent before.
    started: Option<(Instant, (Duration, Duration))>,
    interrupted: bool,
    all_dialled: bool,
}

impl Show {
    fn play(mut self, args: &Args, seed: u64) -> anyhow::Result<ExitCode> {
        if self.assemble(args.agents) {
            self.started = Some((Instant::now(), self.switch.desk().cpu()));
            self.load.stage.send_replace(Stage::Calling);
            self.calls(args)?;
        }
        let (elapsed, cpu) = self.spent();
        self.table.draw(&self.tally, elapsed, cpu)?;
        if args.calls.is_none() {
            // Stopped by Ctrl-C in mid-call: what is unfinished is nobody's failure.
            let until_now = std::mem::take(&mut self.tally);
            self.load.stage.send_replace(Stage::Draining);
            self.settle();
            self.tally = until_now;
        } else {
            self.tally.close();
            self.settle();
            let stored = stored(&self.switch, self.tally.dialled);
            if let Some(stored) = stored.filter(|stored| *stored != self.tally.records) {
                self.tally.fail(format!("the store holds {stored} records, not {}", self.tally.records));
            }
        }
        let vitals = self.switch.vitals();
        self.load.stage.send_replace(Stage::Leaving);
        let Show { switch, load, tally, mut table, .. } = self;
        load.join().context("the load generator failed")?;
        switch.stop();
        let summary = Summary::new(tally, vitals, Run { agents: args.agents, seed, elapsed, cpu });
        table.say(&summary.text())?;
        if args.json {
            println!("{}", serde_json::to_string_pretty(&summary)?);
        }
        let right = if args.calls.is_some() { summary.is_right() } else { summary.is_faultless() };
        Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Time and CPU since calling began.
    fn spent(&self) -> (Duration, (Duration, Duration)) {
        let Some((at, before)) = self.started else { return Default::default() };
        let (control, media) = self.switch.desk().cpu();
        (at.elapsed(), (control.saturating_sub(before.0), media.saturating_sub(before.1)))
    }

    /// Waits until every phone is registered and every agent ready.
    fn assemble(&mut self, agents: u32) -> bool {
        let until = Instant::now() + REGISTER_MAX;
        while !self.interrupted {
            self.turn();
            let ready = self.tally.agents.values().filter(|s| **s == AgentState::Ready).count();
            if ready == agents as usize {
                return true;
            }
            if Instant::now() > until {
                self.tally
                    .fail(format!("only {ready} of {agents} agents were ready after {} s", REGISTER_MAX.as_secs()));
                return false;
            }
        }
        false
    }

    /// Until all calls are over, the watchdog barks, or Ctrl-C.
    fn calls(&mut self, args: &Args) -> anyhow::Result<()> {
        let watchdog = args.calls.map(|_| Instant::now() + args.watchdog());
        let mut draw = Instant::now();
        let reloads = args.reload_every().map(|every| Reloads::new(&self.switch, args.reloads, every)).transpose();
        let mut reloads = reloads.map_err(anyhow::Error::msg)?;
        while !self.interrupted && (!self.all_dialled || self.tally.judged < self.tally.dialled) {
            self.turn();
            if let Some(Err(refused)) = reloads.as_mut().map(|reloads| reloads.turn(&self.switch)) {
                self.tally.fail(refused);
            }
            self.tally.reloads = reloads.as_ref().map_or(0, |reloads| reloads.done);
            if Instant::now() >= draw {
                let (elapsed, cpu) = self.spent();
                self.table.draw(&self.tally, elapsed, cpu)?;
                draw += DRAW_EVERY;
            }
            if watchdog.is_some_and(|at| Instant::now() > at) {
                let (judged, limit) = (self.tally.judged, args.watchdog().as_secs());
                self.tally.fail(format!("stopped by the watchdog: {judged} calls were over after {limit} s"));
                break;
            }
        }
        Ok(())
    }

    /// Waits until the switch holds nothing any more.
    fn settle(&mut self) {
        let until = Instant::now() + SETTLE_MAX;
        while Instant::now() < until {
            self.turn();
            let vitals = self.switch.vitals();
            if vitals.calls + vitals.legs + vitals.dialogs + vitals.ports_in_use == 0 {
                return;
            }
        }
    }

    /// Takes in whatever was told in the last 20 ms.
    fn turn(&mut self) {
        std::thread::sleep(TURN);
        while let Ok(told) = self.told.try_recv() {
            match told {
                Told::Fact(fact) => self.tally.fact(&fact),
                Told::Record(record) => self.tally.record(*record),
            }
        }
        while let Ok(report) = self.load.reports.try_recv() {
            match report {
                Report::Dialled => self.tally.dialled += 1,
                Report::AllDialled => self.all_dialled = true,
                Report::Caller(outcome) => self.tally.caller(*outcome),
                Report::Agent(number, outcome) => self.tally.agent(&number, *outcome),
                Report::Trouble(what) => self.tally.fail(what),
                Report::Interrupted => self.interrupted = true,
            }
        }
    }
}
