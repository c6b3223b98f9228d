//! `busyhour import`: agents from a CSV file, checked, compared, put in place and taken over by the running server.

use super::show;
use crate::client::Server;
use crate::config::{self, Loaded, Staff, read_bytes};
use crate::replace::{keep, replace};
use busyhour_model::{Diagnostic, Name};
use busyhour_switch::AgentSetup;
use std::collections::BTreeMap;
use std::path::Path;

/// Changes shown one by one; the rest is counted.
const SHOWN_MAX: usize = 40;

/// What an import would change.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Difference {
    added: Vec<Name>,
    changed: Vec<Name>,
    removed: Vec<Name>,
}

impl Difference {
    pub(super) fn between(old: &[AgentSetup], new: &[AgentSetup]) -> Difference {
        let by_number = |agents| -> BTreeMap<Name, AgentSetup> {
            let pair = |agent: &AgentSetup| (agent.number.clone(), agent.clone());
            <[AgentSetup]>::iter(agents).map(pair).collect()
        };
        let (old, new) = (by_number(old), by_number(new));
        let numbers = |from: &BTreeMap<Name, AgentSetup>, fits: &dyn Fn(&Name, &AgentSetup) -> bool| {
            from.iter().filter(|(number, agent)| fits(number, agent)).map(|(number, _)| number.clone()).collect()
        };
        Difference {
            added: numbers(&new, &|number, _| !old.contains_key(number)),
            changed: numbers(&new, &|number, agent| old.get(number).is_some_and(|before| before != agent)),
            removed: numbers(&old, &|number, _| !new.contains_key(number)),
        }
    }

    fn print(&self) {
        let lists = [("+", &self.added), ("~", &self.changed), ("-", &self.removed)];
        let all = lists.iter().flat_map(|(sign, numbers)| numbers.iter().map(move |number| (sign, number)));
        for (sign, number) in all.take(SHOWN_MAX) {
            println!("{sign} {number}");
        }
        let counts = lists.map(|(_, numbers)| numbers.len());
        if counts.iter().sum::<usize>() > SHOWN_MAX {
            println!("…");
        }
        println!("{} added, {} changed, {} removed", counts[0], counts[1], counts[2]);
    }
}

/// What came of it.
pub(super) enum Imported {
    /// In place, and taken over where a server runs.
    Done,
    /// Something in the files is wrong; nothing was touched.
    Wrong(Vec<Diagnostic>),
}

/// `dry`: only checks and compares.
pub(super) fn import(file: &Path, config: &Path, server: &Server, dry: bool, json: bool) -> Result<Imported, String> {
    let bytes = read_bytes(file).map_err(|message| format!("{}: {message}", file.display()))?;
    let staff = Staff::new(file.into(), bytes).map_err(|message| format!("{}: {message}", file.display()))?;
    let Loaded { site, diagnostics } = config::load_with(Some(config), Some(&staff));
    let Some(site) = site else { return Ok(Imported::Wrong(diagnostics)) };
    let Some(Staff { path, .. }) = site.staff else {
        return Err(format!("{} names no file of agents; add `agents = \"agents.csv\"` at its top", config.display()));
    };
    diagnostics.iter().for_each(|d| eprintln!("{d}\n"));
    // Before the first import there may be no file yet.
    let old = config::load(Some(config)).site.map(|site| site.setup.agents).unwrap_or_default();
    let difference = Difference::between(&old, &site.setup.agents);
    if json {
        println!("{}", serde_json::json!({ "dry_run": dry, "difference": difference }));
    } else {
        difference.print();
    }
    if dry {
        return Ok(Imported::Done);
    }
    let unwritten = |e| format!("{} cannot be written: {e}", path.display());
    let before = keep(&path).map_err(unwritten)?;
    replace(&path, &staff.bytes()).map_err(unwritten)?;
    before.iter().for_each(|before| eprintln!("the file before is kept as {}", before.display()));
    match show::reload(server, false) {
        Ok(true) => Ok(Imported::Done),
        Ok(false) => Err(format!("{} is in place, but the server refused to reload", path.display())),
        Err(message) => {
            eprintln!("{} is in place and holds from the next start on: {message}", path.display());
            Ok(Imported::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_tells_who_comes_changes_and_goes() {
        let agent =
            |number: &str, level| AgentSetup { skills: vec![("card".into(), level)], ..AgentSetup::new(number.into()) };
        let (old, new) = ([agent("1", 1), agent("2", 1), agent("3", 1)], [agent("4", 1), agent("3", 2), agent("1", 1)]);
        let list = |number: &str| vec![Name::from(number)];
        let expected = Difference { added: list("4"), changed: list("3"), removed: list("2") };
        assert_eq!(Difference::between(&old, &new), expected);
    }
}
