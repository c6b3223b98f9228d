//! `busyhour dialplan versions | rollback | diff`: what was, the way back, and what is different.

use crate::cli::{AskArgs, WRONG, print_all, show};
use crate::client::{Server, escaped};
use crate::config;
use crate::desk::dialplans::InForce;
use crate::dialplans::Source;
use crate::table::{self, moment};
use crate::versions::Version;
use busyhour_ivr::{Dialplan, Names, Parsed};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

/// Letters of a hash that tell versions apart.
const HASH_SHOWN: usize = 12;

pub(super) fn list(name: Option<&str>, ask: &AskArgs) -> ExitCode {
    let listed = match name {
        Some(name) => versions(name, ask),
        None => in_force(ask),
    };
    ended(listed.map(|()| ExitCode::SUCCESS))
}

fn in_force(ask: &AskArgs) -> Result<(), String> {
    let Some(plans) = show::fetch::<Vec<InForce>>(&ask.server(), "/api/dialplans", ask.json)? else { return Ok(()) };
    let row = |plan: &InForce| {
        let kept = |word: fn(&Version) -> String| plan.version.as_ref().map_or("-".into(), word);
        let (number, since, who) = (kept(|v| v.version.to_string()), kept(|v| moment(v.at)), kept(|v| v.who.clone()));
        vec![plan.name.to_string(), number, since, who, plan.nodes.to_string(), plan.file.clone()]
    };
    let heads = ["DIALPLAN", "VERSION", "SINCE", "BY", "NODES", "FILE"];
    table::print(&heads, &plans.iter().map(row).collect::<Vec<_>>(), "no dialplan is in force");
    Ok(())
}

fn versions(name: &str, ask: &AskArgs) -> Result<(), String> {
    let path = format!("/api/dialplans/{}/versions", escaped(name));
    let Some(versions) = show::fetch::<Vec<Version>>(&ask.server(), &path, ask.json)? else { return Ok(()) };
    let row = |version: &Version| {
        let hash = version.hash.get(..HASH_SHOWN).unwrap_or_default().to_string();
        vec![version.version.to_string(), moment(version.at), version.who.clone(), hash, version.file.clone()]
    };
    let rows: Vec<_> = versions.iter().rev().map(row).collect();
    table::print(&["VERSION", "SINCE", "BY", "SHA-256", "FILE"], &rows, "no version was kept");
    Ok(())
}

pub(super) fn roll_back(name: &str, version: Option<u32>, ask: &AskArgs) -> ExitCode {
    let version = version.map_or(String::new(), |version| format!("&version={version}"));
    let path = format!("/api/dialplans/{}/rollback?who={}{version}", escaped(name), escaped(&show::user()));
    let taken = show::taken(&ask.server(), &path, "rolled back", ask.json);
    ended(taken.map(|taken| if taken { ExitCode::SUCCESS } else { ExitCode::from(WRONG) }))
}

pub(super) fn diff(old: &str, new: &str, config: Option<&Path>, ask: &AskArgs) -> ExitCode {
    let names = match config::ground(config) {
        Ok(ground) => ground.names,
        Err(mistakes) => {
            print_all(&mistakes);
            return ExitCode::from(WRONG);
        }
    };
    let both = [old, new].map(|which| source(which, &ask.server()));
    let [Ok(old), Ok(new)] = both else {
        let fault = both.into_iter().find_map(Result::err).unwrap_or_default();
        return ended(Err(fault));
    };
    let (Some(was), Some(is)) = (read(&old, &names), read(&new, &names)) else { return ExitCode::from(WRONG) };
    let changes = is.changes(&new.text, &was, &old.text);
    if ask.json {
        println!("{}", serde_json::json!(changes));
    } else {
        changes.iter().for_each(|change| println!("{change}"));
        if changes.is_empty() {
            println!("no difference in meaning");
        }
    }
    ExitCode::SUCCESS
}

/// A file, or `NAME` or `NAME@VERSION` of a running server.
fn source(which: &str, server: &Server) -> Result<Source, String> {
    let path = Path::new(which);
    if path.exists() {
        let text = config::read_file(path)?;
        return Ok(Source { file: which.into(), text });
    }
    let (name, query) = match which.rsplit_once('@') {
        Some((name, version)) => (name, format!("?version={}", escaped(version))),
        None => (which, String::new()),
    };
    let answer: Value = server
        .get(&format!("/api/dialplans/{}{query}", escaped(name)))
        .map_err(|e| format!("{which} is no file, and {e}"))?;
    let text = answer.get("text").and_then(Value::as_str).unwrap_or_default();
    Ok(Source { file: which.into(), text: text.into() })
}

fn read(source: &Source, names: &Names) -> Option<Parsed> {
    Dialplan::parse(&source.file, &source.text, names).map_err(|mistakes| print_all(&mistakes)).ok()
}

fn ended(outcome: Result<ExitCode, String>) -> ExitCode {
    outcome.unwrap_or_else(|message| {
        eprintln!("busyhour: {message}");
        ExitCode::FAILURE
    })
}
