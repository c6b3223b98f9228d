//! Dialplan files: where they stand, and what they say when read together.

use crate::config::{HOTLINE, read_file};
use busyhour_ivr::{Dialplan, Names, Parsed};
use busyhour_model::{Diagnostic, Name};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The text of one dialplan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file as people know it.
    pub file: String,
    /// What it says.
    pub text: String,
}

/// The dialplans that could be read, and every mistake in these and the others.
#[derive(Debug, Default)]
pub struct Shelf {
    /// In the order of their files.
    pub plans: Vec<(Source, Parsed)>,
    /// Mistakes and warnings, file by file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Shelf {
    /// Reads the `*.toml` of a folder; without one the built-in dialplan.
    pub fn folder(folder: Option<&Path>, names: &Names) -> Shelf {
        let Some(folder) = folder else {
            let built_in = Source { file: "(built-in dialplans/hotline.toml)".into(), text: HOTLINE.into() };
            return Shelf::default().with(built_in, names);
        };
        match toml_files(folder) {
            Ok(files) => Shelf::files(&files, names),
            Err(e) => {
                let mistake = Diagnostic::whole(&folder.display().to_string(), format!("cannot read this folder: {e}"));
                let help =
                    "`server.dialplans` names the folder of the *.toml dialplans; leave it out for the built-in one";
                Shelf { plans: Vec::new(), diagnostics: vec![mistake.help(help)] }
            }
        }
    }

    /// Reads these files, and the `*.toml` of those that are folders.
    pub fn files(paths: &[PathBuf], names: &Names) -> Shelf {
        paths.iter().fold(Shelf::default(), |mut shelf, path| {
            if path.is_dir() {
                let below = Shelf::folder(Some(path), names);
                shelf.plans.extend(below.plans);
                shelf.diagnostics.extend(below.diagnostics);
                return shelf;
            }
            let file = path.display().to_string();
            match read_file(path) {
                Ok(text) => shelf.with(Source { file, text }, names),
                Err(message) => {
                    shelf.diagnostics.push(Diagnostic::whole(&file, message));
                    shelf
                }
            }
        })
    }

    fn with(mut self, source: Source, names: &Names) -> Shelf {
        match Dialplan::parse(&source.file, &source.text, names) {
            Err(mistakes) => self.diagnostics.extend(mistakes),
            Ok(parsed) => {
                self.diagnostics.extend(parsed.warnings.iter().cloned());
                let name = parsed.plan.name();
                if self.plans.iter().any(|(_, other)| other.plan.name() == name) {
                    let message = format!("a second dialplan is named `{name}`");
                    self.diagnostics.push(Diagnostic::whole(&source.file, message));
                }
                self.plans.push((source, parsed));
            }
        }
        self
    }

    /// Files of those that record something.
    pub fn recording(&self) -> impl Iterator<Item = &str> {
        self.plans.iter().filter(|(_, parsed)| parsed.plan.records()).map(|(source, _)| source.file.as_str())
    }

    /// Ids of all prompts they name.
    pub fn prompts(&self) -> BTreeSet<Name> {
        self.plans.iter().flat_map(|(_, parsed)| parsed.prompts.iter().cloned()).collect()
    }

    /// The plans by name.
    pub fn dialplans(&self) -> Vec<(Name, Dialplan)> {
        self.plans.iter().map(|(_, parsed)| (parsed.plan.name().clone(), parsed.plan.clone())).collect()
    }
}

fn toml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    Ok(paths)
}
