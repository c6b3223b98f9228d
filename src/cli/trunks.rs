//! `busyhour trunks …`: listed, drained, tried, how their calls fared, and what they make of a number.

use super::{AskArgs, WRONG, show, trial};
use crate::config;
use crate::table;
use busyhour_model::Number;
use busyhour_switch::{Place, TrunkPolicy, TrunkSetup};
use clap::{Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Trunks {
    /// All of a running server, and their channels
    List(AskArgs),
    /// How the calls of each that are over fared, each way, since the start of the server
    Stats(AskArgs),
    /// No new calls; those going on are left alone, and the registration is kept as long as there are any
    Drain {
        /// Trunk name
        trunk: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Take a drained trunk into use again
    Undrain {
        /// Trunk name
        trunk: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Call a number by one, play music to whoever answers for 4 s, hang up; each step is told, and success is sound
    Call {
        /// Trunk name
        trunk: String,
        /// The number, as an agent would dial it
        number: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// What each header of a trunk makes of a number, and whether it may be called
    Test {
        /// Trunk name
        trunk: String,
        /// Of a call from the trunk, or to it
        way: Way,
        /// The number: as the carrier writes it (in), or as it is dialled here (out)
        number: String,
        /// Configuration file; without it the built-in sample
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Way {
    In,
    Out,
}

pub(super) fn run(command: &Trunks) -> ExitCode {
    let told = match command {
        Trunks::Test { trunk, way, number, config, json } => {
            return test(trunk, *way, number, config.as_deref(), *json);
        }
        Trunks::Call { trunk, number, ask } => {
            let called = trial::run(&ask.server(), trunk, number, ask.json);
            return called.unwrap_or_else(|message| super::failed(&message));
        }
        Trunks::List(ask) => show::trunks(&ask.server(), ask.json),
        Trunks::Stats(ask) => show::traffic(&ask.server(), ask.json),
        Trunks::Drain { trunk, ask } => show::trunk(&ask.server(), trunk, "drain", ask.json),
        Trunks::Undrain { trunk, ask } => show::trunk(&ask.server(), trunk, "undrain", ask.json),
    };
    told.map_or_else(|message| super::failed(&message), |()| ExitCode::SUCCESS)
}

fn test(trunk: &str, way: Way, number: &str, config: Option<&Path>, json: bool) -> ExitCode {
    let loaded = config::load(config);
    let Some(site) = loaded.site else {
        super::print_all(&loaded.diagnostics);
        return ExitCode::from(WRONG);
    };
    let Some(setup) = site.setup.trunks.iter().find(|setup| *setup.name == *trunk) else {
        let known: Vec<&str> = site.setup.trunks.iter().map(|setup| &*setup.name).collect();
        eprintln!("busyhour: no trunk is named `{trunk}`; there are: {}", known.join(", "));
        return ExitCode::FAILURE;
    };
    let rows = Place::ALL.map(|place| row(setup, way, place, number));
    match (json, way) {
        (true, _) => println!("{}", serde_json::json!(rows.iter().map(as_json).collect::<Vec<_>>())),
        (false, Way::In) => print(&["HEADER", "BECOMES", "MEANS", "KIND"], &rows),
        (false, Way::Out) => {
            print(&["HEADER", "BECOMES", "MEANS", "KIND"], &rows);
            println!("{}", verdict(&setup.policy, number));
        }
    }
    ExitCode::SUCCESS
}

fn row(setup: &TrunkSetup, way: Way, place: Place, number: &str) -> [String; 4] {
    let table = match way {
        Way::In => &setup.policy.rewrite_in,
        Way::Out => &setup.policy.rewrite_out,
    };
    let becomes = table.apply(place, number);
    let means = Number::parse(&becomes);
    let kind = format!("{:?}", means.kind).to_lowercase();
    [place.word().into(), becomes, means.national, kind]
}

fn as_json([header, becomes, means, kind]: &[String; 4]) -> serde_json::Value {
    serde_json::json!({ "header": header, "becomes": becomes, "means": means, "kind": kind })
}

fn print(heads: &[&str], rows: &[[String; 4]]) {
    table::print(heads, &rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>(), "nothing");
}

/// Whether the number may be called, and as whom.
fn verdict(policy: &TrunkPolicy, number: &str) -> String {
    match policy.allows(&Number::parse(number)) {
        true => format!("may be called; shown otherwise than as one of ours: {}", shown(policy)),
        false => "is barred: calls to it are refused; `allowed` of the trunk lets it through".into(),
    }
}

fn shown(policy: &TrunkPolicy) -> &str {
    match policy.shown("") {
        "" => "the number that was dialled",
        number => number,
    }
}
