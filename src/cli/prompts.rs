//! `busyhour prompts …`: what is done with recordings before callers hear them.

use super::{WRONG, plural, print_all};
use crate::prompts::build::build;
use crate::prompts::check::{Finding, check};
use crate::prompts::phrases::{Phrase, listed};
use crate::table;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Prompts {
    /// Recordings that are missing, clipped, too quiet or loud, silent at the edges, or in a wrong format (exit 1)
    Check {
        /// The folder with {zh,en}/<id>.wav; its phrases.tsv, or ours, says which there should be
        folder: PathBuf,
        /// Print all measures as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the recordings that are missing with espeak-ng and flite, then check them all
    Build {
        /// The folder for {zh,en}/<id>.wav
        #[arg(long, value_name = "DIR", default_value = "prompts")]
        out: PathBuf,
        /// Lines of id, Chinese, numeric pinyin, English with tabs between; else the folder's phrases.tsv, or ours
        #[arg(long, value_name = "FILE")]
        recipe: Option<PathBuf>,
        /// Make all again, over the recordings there are
        #[arg(long)]
        again: bool,
    },
}

pub(super) fn run(command: &Prompts) -> Result<ExitCode, String> {
    match command {
        Prompts::Check { folder, json } => with_phrases(None, folder, |phrases| judge(phrases, folder, *json)),
        Prompts::Build { out, recipe, again } => with_phrases(recipe.as_deref(), out, |phrases| {
            println!("{} made", plural(build(phrases, out, *again)?, "recording"));
            judge(phrases, out, false)
        }),
    }
}

fn with_phrases(
    list: Option<&Path>,
    folder: &Path,
    then: impl FnOnce(&[Phrase]) -> Result<ExitCode, String>,
) -> Result<ExitCode, String> {
    match listed(list, folder) {
        Ok(phrases) => then(&phrases),
        Err(mistakes) => {
            print_all(&mistakes);
            Ok(ExitCode::from(WRONG))
        }
    }
}

fn judge(phrases: &[Phrase], folder: &Path, json: bool) -> Result<ExitCode, String> {
    let findings = check(phrases, folder).map_err(|e| format!("{} cannot be read: {e}", folder.display()))?;
    let faulty: Vec<&Finding> = findings.iter().filter(|finding| !finding.faults.is_empty()).collect();
    if json {
        println!("{}", json!({ "ok": faulty.is_empty(), "prompts": findings }));
    } else {
        show(folder, &findings, &faulty);
    }
    Ok(if faulty.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(folder: &Path, findings: &[Finding], faulty: &[&Finding]) {
    let row = |finding: &&Finding| {
        let length = finding.length_ms.map_or("-".into(), |ms| format!("{:.1} s", ms as f64 / 1_000.0));
        let level = finding.level_db.map_or("-".into(), |db| format!("{db:.1} dB"));
        vec![finding.file.clone(), length, level, finding.faults.join("; ")]
    };
    if !faulty.is_empty() {
        table::print(&["FILE", "LENGTH", "LEVEL", "FAULT"], &faulty.iter().map(row).collect::<Vec<_>>(), "");
    }
    for extra in findings.iter().filter(|finding| finding.is_extra) {
        println!("{}: no phrase has this id; a dialplan may play it all the same", extra.file);
    }
    let there = findings.iter().filter(|finding| finding.length_ms.is_some()).count();
    println!("{}: {}, {}", folder.display(), plural(there, "recording"), plural(faulty.len(), "fault"));
}
