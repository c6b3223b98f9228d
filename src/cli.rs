//! What `busyhour` does when typed: the commands, their help, and the exit codes 0 (ok), 1 (failed), 2 (wrong usage or configuration).

mod amend;
mod dialplan;
mod import;
mod people;
mod prompts;
mod provision;
mod recordings;
mod show;
mod trace;
mod transfer;
mod trial;
mod trunks;
mod voicemail;

use crate::client::{Server, escaped};
use crate::config::{self, Loaded};
use crate::signals::Signals;
use crate::{demo, journal, log, serve};
use busyhour_model::{Diagnostic, Severity};
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Wrong usage or wrong configuration; clap uses the same.
const WRONG: u8 = 2;

#[derive(Parser)]
#[command(name = "busyhour", version, about = "A SIP/RTP softswitch and ACD for contact-centre hotlines.")]
#[command(after_help = "Examples:
  busyhour demo                          watch a hotline work, nothing to configure
  busyhour check --config centre.toml    every mistake in a configuration, located
  busyhour dialplan test hotline.toml    the tests inside a dialplan
  busyhour serve --config centre.toml    run it
  busyhour calls --since 1h              what happened
  busyhour explain c42                   why that agent got that call
  busyhour trace c42                     what it said on the wire
  busyhour journal check data            whether the journal replays to the same decisions
  busyhour ctl not-ready 1001 --reason lunch

Exit codes: 0 ok, 1 failed, 2 wrong usage or wrong configuration.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the switch until Ctrl-C or SIGTERM; SIGHUP reloads
    Serve(ConfigArgs),
    /// Read a configuration and its dialplans and tell every mistake
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print the mistakes as JSON
        #[arg(long)]
        json: bool,
    },
    /// Simulated callers and agents over real SIP and RTP on this machine
    Demo(demo::Args),
    /// Call records, newest first
    Calls {
        #[command(flatten)]
        ask: AskArgs,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Only calls of the last so long, like 30m, 2h, 1d
        #[arg(long, value_parser = since)]
        since: Option<Duration>,
    },
    /// Why a call went where it went: who was considered, by which rule, who came second
    Explain {
        /// Call, like c42
        call: String,
        /// When it arrived, or the beginning of that, like `2026-11-22 09:32`: ids begin anew at each start
        #[arg(long)]
        arrived: Option<String>,
        /// In which language
        #[arg(long, default_value = "en", value_parser = ["en", "zh"])]
        language: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// The SIP messages of a call going on or just over, as a ladder, picture or capture
    Trace(trace::Trace),
    /// Check a CSV file of agents, show what it changes, put it in place and let the running server take it over
    Import {
        /// CSV whose header has number and password, and may have name,team,site,skills,queues,weight,auto_ready
        file: PathBuf,
        /// Configuration file; its `agents` names the file to replace
        #[arg(long, short)]
        config: PathBuf,
        /// Only check and show
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Agents and what they are doing
    Agents(AskArgs),
    /// Queues: who waits, who could serve, and the last 24 hours
    Queues(AskArgs),
    /// Apply the changed configuration of a running server, whole or not at all
    Reload(AskArgs),
    /// Check and test dialplans
    #[command(subcommand)]
    Dialplan(dialplan::Dialplan),
    /// Make and check recordings
    #[command(subcommand)]
    Prompts(prompts::Prompts),
    /// Callers' messages: list, play, mark as heard, delete
    #[command(subcommand)]
    Voicemail(voicemail::Voicemail),
    /// Conversations: list, sample, play, hold, retain, delete, pause
    #[command(subcommand)]
    Recordings(recordings::Recordings),
    /// Trunks: list, drain, and what they make of a number
    #[command(subcommand)]
    Trunks(trunks::Trunks),
    /// What an agent's phone is told (its password too), for Yealink, Linphone and baresip
    Provision(provision::Provision),
    /// The journal in the data folder
    #[command(subcommand)]
    Journal(Journal),
    /// Steer a running server
    #[command(subcommand)]
    Ctl(Ctl),
}

#[derive(Subcommand)]
enum Journal {
    /// Play it again: the same decisions and states, or the first line that differs (exit 1)
    Check {
        /// The data folder, or one file of its journal
        path: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum Ctl {
    /// Sign an agent in, ready
    Ready {
        /// Agent number
        agent: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Make an agent not ready
    NotReady {
        /// Agent number
        agent: String,
        /// Why
        #[arg(long, default_value = "other")]
        reason: String,
        /// Withdraw the call being offered; otherwise not ready after it
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Let an agent's after-call work end later
    ExtendWrapUp {
        /// Agent number
        agent: String,
        /// By so many seconds
        seconds: u32,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Sign an agent out
    SignOut {
        /// Agent number
        agent: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Forget where a phone is: it rings again once it has registered anew
    Unregister {
        /// Number of an agent or a phone
        account: String,
        /// Only ask it to fetch its settings and register again (NOTIFY check-sync); desk phones do
        #[arg(long)]
        resync: bool,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show an agent, or change what it is while calls run
    Agent {
        /// Agent number
        agent: String,
        /// Keys of the configuration, like skills.card=3 team=service site=none
        #[arg(value_name = "KEY=VALUE")]
        keys: Vec<String>,
        /// A new agent; needs password=…
        #[arg(long, conflicts_with = "remove")]
        add: bool,
        /// Nobody has this number any more
        #[arg(long, conflicts_with = "keys")]
        remove: bool,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show a queue, or change how it works while calls run
    Queue {
        /// Queue name
        queue: String,
        /// Keys of the configuration, like order=fewest_calls wait_max=8m need="card and not sales"
        #[arg(value_name = "KEY=VALUE")]
        keys: Vec<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Why an agent is or is not offered a call now
    Why {
        /// Agent number
        agent: String,
        /// The next call of this queue
        #[arg(long, conflicts_with = "call", required_unless_present = "call")]
        queue: Option<String>,
        /// A call that waits, like c42
        #[arg(long)]
        call: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// End a call
    Hangup {
        /// Call, like c42
        call: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Send a caller who talks on: to a queue, where the first wait counts, or to somebody else
    Transfer {
        /// Call, like c42
        call: String,
        #[command(flatten)]
        to: transfer::TransferArgs,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Let a supervisor hear a call: the phone of that agent rings; keys 4 to 7 change who hears the supervisor, or take the call over
    Monitor(people::MonitorArgs),
    /// Who is in a call; a further party to talk in it too, or one to hang up on
    Parties(people::PartiesArgs),
    /// Calls going on
    Calls(AskArgs),
    /// Trunks and their channels
    Trunks(AskArgs),
    /// Addresses met with silence: scanners and password guessers
    Bans(AskArgs),
    /// Answer an address again
    Unban {
        /// Address, like 203.0.113.9
        address: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// What is alive in the switch
    Status(AskArgs),
}

#[derive(Args)]
struct ConfigArgs {
    /// Configuration file; without it the built-in sample, on loopback only
    #[arg(long, short)]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct AskArgs {
    /// HTTP address of the running server
    #[arg(long, env = "BUSYHOUR_URL", default_value = "http://127.0.0.1:9595")]
    url: String,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

fn since(text: &str) -> Result<Duration, String> {
    config::parse_duration(text).ok_or_else(|| "write a duration like 30m, 2h or 1d".into())
}

/// The whole program.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => return serve(&args),
        Command::Check { config, json } => return check(&config, json),
        Command::Demo(args) => demo::run(&args).map_err(|e| format!("{e:#}")),
        Command::Calls { ask, limit, since } => show::calls(&ask.server(), limit, since, ask.json).map(ok),
        Command::Explain { call, arrived, language, ask } => {
            show::explain(&ask.server(), &call, arrived.as_deref(), &language, ask.json).map(ok)
        }
        Command::Trace(args) => trace::run(&args).map(ok),
        Command::Import { file, config, dry_run, ask } => {
            import::import(&file, &config, &ask.server(), dry_run, ask.json).map(imported)
        }
        Command::Agents(ask) => show::agents(&ask.server(), ask.json).map(ok),
        Command::Queues(ask) => show::queues(&ask.server(), ask.json).map(ok),
        Command::Reload(ask) => return reload(&ask),
        Command::Dialplan(command) => return dialplan::run(&command),
        Command::Prompts(command) => prompts::run(&command),
        Command::Journal(Journal::Check { path, json }) => check_journal(&path, json),
        Command::Trunks(command) => return trunks::run(&command),
        Command::Provision(command) => return provision::run(&command),
        Command::Recordings(command) => recordings::run(&command).map(ok),
        Command::Voicemail(command) => voicemail::run(&command).map(ok),
        Command::Ctl(ctl) => steer(&ctl).map(ok),
    };
    outcome.unwrap_or_else(|message| failed(&message))
}

fn failed(message: &str) -> ExitCode {
    eprintln!("busyhour: {message}");
    ExitCode::FAILURE
}

fn ok(_: ()) -> ExitCode {
    ExitCode::SUCCESS
}

fn imported(imported: import::Imported) -> ExitCode {
    match imported {
        import::Imported::Done => ExitCode::SUCCESS,
        import::Imported::Wrong(diagnostics) => {
            print_all(&diagnostics);
            println!("refused; nothing is changed");
            ExitCode::from(WRONG)
        }
    }
}

impl AskArgs {
    fn server(&self) -> Server {
        Server(self.url.clone())
    }
}

fn steer(ctl: &Ctl) -> Result<(), String> {
    match ctl {
        Ctl::Ready { agent, ask } => show::agent(&ask.server(), agent, "ready", "", ask.json),
        Ctl::NotReady { agent, reason, force, ask } => {
            let query = format!("?reason={}&force={force}", escaped(reason));
            show::agent(&ask.server(), agent, "not-ready", &query, ask.json)
        }
        Ctl::ExtendWrapUp { agent, seconds, ask } => {
            show::agent(&ask.server(), agent, "extend-wrap-up", &format!("?seconds={seconds}"), ask.json)
        }
        Ctl::Agent { agent, keys, add, remove, ask } => {
            let method = match (add, remove) {
                (true, _) => "POST",
                (_, true) => "DELETE",
                _ => "PATCH",
            };
            amend::amend(&ask.server(), &format!("/api/agents/{}", escaped(agent)), method, keys, ask.json)
        }
        Ctl::Queue { queue, keys, ask } => {
            amend::amend(&ask.server(), &format!("/api/queues/{}", escaped(queue)), "PATCH", keys, ask.json)
        }
        Ctl::SignOut { agent, ask } => show::agent(&ask.server(), agent, "sign-out", "", ask.json),
        Ctl::Unregister { account, resync, ask } => {
            show::agent(&ask.server(), account, if *resync { "resync" } else { "unregister" }, "", ask.json)
        }
        Ctl::Why { agent, queue, call, ask } => {
            show::standing(&ask.server(), agent, queue.as_deref(), call.as_deref(), ask.json)
        }
        Ctl::Hangup { call, ask } => show::hang_up(&ask.server(), call, ask.json),
        Ctl::Transfer { call, to, ask } => show::transfer(&ask.server(), call, to.place(), ask.json),
        Ctl::Monitor(args) => people::monitor(args),
        Ctl::Parties(args) => people::parties(args),
        Ctl::Calls(ask) => show::active(&ask.server(), ask.json),
        Ctl::Trunks(ask) => show::trunks(&ask.server(), ask.json),
        Ctl::Bans(ask) => show::bans(&ask.server(), ask.json),
        Ctl::Unban { address, ask } => show::unban(&ask.server(), address, ask.json),
        Ctl::Status(ask) => show::status(&ask.server(), ask.json),
    }
}

fn serve(args: &ConfigArgs) -> ExitCode {
    let Loaded { site, diagnostics } = config::load(args.config.as_deref());
    print_all(&diagnostics);
    let Some(site) = site else { return ExitCode::from(WRONG) };
    log::start(site.shell.log, "info");
    let drain = site.shell.drain;
    let options = serve::Options { config: args.config.clone(), seed: None };
    let started = Signals::new().and_then(|signals| Ok((signals, serve::start(site, options)?)));
    let (signals, running) = match started {
        Ok(started) => started,
        Err(e) => {
            eprintln!("busyhour: {e}");
            return ExitCode::FAILURE;
        }
    };
    for (transport, address) in running.sip() {
        tracing::info!("SIP over {} on {address}", transport.via());
    }
    if let Some(address) = running.http_addr() {
        tracing::info!("HTTP on http://{address} (/metrics, /healthz, /readyz, /api)");
    }
    let outcome = signals.govern(&running, drain);
    drop(running);
    match outcome {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(e) => {
            tracing::error!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn check(args: &ConfigArgs, json: bool) -> ExitCode {
    let Loaded { site, mut diagnostics } = config::load(args.config.as_deref());
    if let Some(site) = &site {
        diagnostics.extend(crate::prompts::Catalogue::of(site.shell.prompts.as_deref()).library(site.shell.country).1);
    }
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    if json {
        println!("{}", serde_json::json!({ "ok": errors == 0, "diagnostics": diagnostics }));
    } else {
        print_all(&diagnostics);
        match &site {
            Some(site) if errors == 0 => println!("{}", summary(site, diagnostics.len())),
            _ => println!("{errors} errors, {} warnings", diagnostics.len() - errors),
        }
    }
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(WRONG) }
}

fn summary(site: &config::Site, warnings: usize) -> String {
    let setup = &site.setup;
    let parts = [
        plural(setup.trunks.len(), "trunk"),
        plural(setup.numbers.len(), "number"),
        plural(setup.dialplans.len(), "dialplan"),
        plural(setup.queues.len(), "queue"),
        plural(setup.agents.len(), "agent"),
    ];
    format!("ok: {}; {}", parts.join(", "), plural(warnings, "warning"))
}

/// `1 queue`, `2 queues`.
fn plural(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

fn print_all(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        eprintln!("{diagnostic}\n");
    }
}

fn check_journal(path: &Path, json: bool) -> Result<ExitCode, String> {
    let verdict = journal::check::check(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    if json {
        println!("{}", serde_json::json!(verdict));
    } else {
        println!("{verdict}");
    }
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn reload(ask: &AskArgs) -> ExitCode {
    match show::reload(&ask.server(), ask.json) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(WRONG),
        Err(message) => {
            eprintln!("busyhour: {message}");
            ExitCode::FAILURE
        }
    }
}
