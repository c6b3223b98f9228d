//! Every centre under `dialplans/` is a configuration without mistakes, and its dialplans pass their own tests.
#![allow(clippy::unwrap_used)]

use busyhour::config;
use busyhour_ivr::TestOutcome;
use std::path::{Path, PathBuf};

/// Folders of `dialplans/` with a whole centre in each.
fn centres() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialplans");
    let mut found: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// The one thing to be warned of: passwords everybody can read.
const WARNING: &str = "the password of the sample configuration";

#[test]
fn every_centre_is_a_right_configuration() {
    for centre in centres() {
        let loaded = config::load(Some(&centre.join("busyhour.toml")));
        let other: Vec<String> =
            loaded.diagnostics.iter().filter(|d| !d.message.contains(WARNING)).map(ToString::to_string).collect();
        assert!(loaded.site.is_some() && other.is_empty(), "{}", other.join("\n"));
    }
}

#[test]
fn every_dialplan_of_a_centre_passes_its_own_tests() {
    for centre in centres() {
        let loaded = config::load(Some(&centre.join("busyhour.toml")));
        for (name, plan) in loaded.site.unwrap().setup.dialplans {
            let outcomes = plan.test();
            let failed: Vec<&TestOutcome> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
            assert!(failed.is_empty(), "{} {name}: {failed:#?}", centre.display());
            assert!(!outcomes.is_empty(), "{} {name} proves nothing", centre.display());
        }
    }
}

#[test]
fn every_centre_shows_its_flows_as_they_are() {
    for centre in centres() {
        let loaded = config::load(Some(&centre.join("busyhour.toml")));
        for (name, plan) in loaded.site.unwrap().setup.dialplans {
            // The second line of a centre has a picture of its own name.
            let own = centre.join(format!("{name}.svg"));
            let picture = if own.is_file() { own } else { centre.join("graph.svg") };
            let same = std::fs::read_to_string(&picture).unwrap() == plan.graph().svg();
            assert!(same, "draw {} again: busyhour dialplan graph", picture.display());
        }
    }
}

#[test]
fn a_centre_brings_all_its_files() {
    for centre in centres() {
        for file in ["README.md", "prompts/phrases.tsv"] {
            assert!(centre.join(file).is_file(), "{} has no {file}", centre.display());
        }
        let phrases = std::fs::read_to_string(centre.join("prompts/phrases.tsv")).unwrap();
        for line in phrases.lines() {
            let [id, _, pinyin, english] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            for (language, text) in [("zh", pinyin), ("en", english)] {
                let file = centre.join("prompts").join(language).join(format!("{id}.wav"));
                assert_eq!(file.is_file(), text != "-", "{}", file.display());
            }
        }
    }
}
