//! `busyhour dialplan …`: what is done with dialplans before they take calls.

mod versions;

use super::{AskArgs, WRONG, plural, print_all};
use crate::config::{self, Ground};
use crate::dialplans::{Shelf, Source};
use crate::schema;
use busyhour_ivr::TestOutcome;
use busyhour_model::{Diagnostic, Severity};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Dialplan {
    /// Tell every mistake: file, line, column, what to do
    Check {
        #[command(flatten)]
        files: Files,
        /// Print the mistakes as JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw the flow, to standard output
    Graph {
        /// The dialplan
        file: PathBuf,
        /// How
        #[arg(long, value_enum, default_value = "svg")]
        format: Format,
        /// Whose queues, prompts, skills, … it may name; without it the built-in sample
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// What changed between two versions: nodes, where outcomes lead, prompts, settings
    Diff {
        /// A file, or a dialplan of the running server: NAME, NAME@3
        old: String,
        /// The same
        new: String,
        /// Whose queues, prompts, skills, … they may name; without it the built-in sample
        #[arg(long, short)]
        config: Option<PathBuf>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Dialplans in force at the running server, or every version kept of one
    Versions {
        /// Of this dialplan
        name: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Put an older version into the file in force and reload
    Rollback {
        /// Dialplan
        name: String,
        /// Which version; without it the one before
        version: Option<u32>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Print the JSON Schema of the language, for editors
    Schema,
    /// Apply changed dialplans (and the rest of the configuration), whole or not at all
    Reload(AskArgs),
    /// Run the tests inside, in virtual time
    Test {
        #[command(flatten)]
        files: Files,
        /// Only tests with this in their name
        #[arg(long, default_value = "")]
        filter: String,
        /// Print the outcomes as JSON
        #[arg(long)]
        json: bool,
    },
}

/// How a flow is drawn.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// A picture for any browser
    Svg,
    /// For Graphviz
    Dot,
    /// For Mermaid
    Mermaid,
}

#[derive(Args)]
pub(super) struct Files {
    /// Dialplans or folders of them; without any those of the configuration
    files: Vec<PathBuf>,
    /// Whose queues, prompts, skills, … they may name; without it the built-in sample
    #[arg(long, short)]
    config: Option<PathBuf>,
}

impl Files {
    fn read(&self) -> Shelf {
        let Ground { names, folder, mut diagnostics } = match config::ground(self.config.as_deref()) {
            Ok(ground) => ground,
            Err(diagnostics) => return Shelf { plans: Vec::new(), diagnostics },
        };
        let mut shelf = match &self.files[..] {
            [] => Shelf::folder(folder.as_deref(), &names),
            files => Shelf::files(files, &names),
        };
        diagnostics.retain(|found| found.severity == Severity::Error);
        diagnostics.append(&mut shelf.diagnostics);
        Shelf { diagnostics, ..shelf }
    }
}

pub(super) fn run(command: &Dialplan) -> ExitCode {
    match command {
        Dialplan::Check { files, json } => check(&files.read(), *json),
        Dialplan::Graph { file, format, config } => {
            graph(&Files { files: vec![file.clone()], config: config.clone() }.read(), *format)
        }
        Dialplan::Diff { old, new, config, ask } => versions::diff(old, new, config.as_deref(), ask),
        Dialplan::Versions { name, ask } => versions::list(name.as_deref(), ask),
        Dialplan::Rollback { name, version, ask } => versions::roll_back(name, *version, ask),
        Dialplan::Schema => {
            println!("{:#}", schema::dialplans());
            ExitCode::SUCCESS
        }
        Dialplan::Reload(ask) => super::reload(ask),
        Dialplan::Test { files, filter, json } => test(&files.read(), filter, *json),
    }
}

fn check(shelf: &Shelf, json: bool) -> ExitCode {
    let found = &shelf.diagnostics;
    let errors = found.iter().filter(|d| d.severity == Severity::Error).count();
    if json {
        println!("{}", json!({ "ok": errors == 0, "diagnostics": found }));
    } else {
        print_all(found);
        let word = if errors == 0 { "ok" } else { "refused" };
        let (plans, warnings) = (plural(shelf.plans.len(), "dialplan"), plural(found.len() - errors, "warning"));
        println!("{word}: {plans} without errors; {}, {warnings}", plural(errors, "error"));
    }
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(WRONG) }
}

fn graph(shelf: &Shelf, format: Format) -> ExitCode {
    let errors = shelf.diagnostics.iter().filter(|d| d.severity == Severity::Error).cloned();
    print_all(&errors.collect::<Vec<_>>());
    let [(_, parsed)] = &shelf.plans[..] else { return ExitCode::from(WRONG) };
    let graph = parsed.plan.graph();
    let drawn = match format {
        Format::Svg => graph.svg(),
        Format::Dot => graph.dot(),
        Format::Mermaid => graph.mermaid(),
    };
    print!("{drawn}");
    ExitCode::SUCCESS
}

fn test(shelf: &Shelf, filter: &str, json: bool) -> ExitCode {
    let mistakes: Vec<Diagnostic> =
        shelf.diagnostics.iter().filter(|d| d.severity == Severity::Error).cloned().collect();
    let outcome = |(source, parsed): &(Source, busyhour_ivr::Parsed)| {
        let mut tests = parsed.plan.test();
        tests.retain(|test| test.name.contains(filter));
        (source.clone(), tests)
    };
    let run: Vec<(Source, Vec<TestOutcome>)> = shelf.plans.iter().map(outcome).collect();
    let tests = || run.iter().flat_map(|(_, tests)| tests);
    let failed = tests().filter(|test| test.failure.is_some()).count();
    if json {
        let files: Vec<_> = run.iter().map(|(source, tests)| json!({ "file": source.file, "tests": tests })).collect();
        println!("{}", json!({ "ok": failed + mistakes.len() == 0, "files": files, "diagnostics": mistakes }));
    } else {
        print_all(&mistakes);
        for (source, tests) in &run {
            tests.iter().for_each(|test| tell(source, test));
        }
        println!("{} passed, {failed} failed", tests().count() - failed);
    }
    match (mistakes.len(), failed) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::FAILURE,
        _ => ExitCode::from(WRONG),
    }
}

fn tell(source: &Source, test: &TestOutcome) {
    let Some(failure) = &test.failure else { return println!("ok      {}", test.name) };
    println!("FAILED  {}", test.name);
    let message = format!("step {}: expected {}", failure.step, failure.expected);
    let text = source.text.lines().nth(test.line - 1).unwrap_or_default().into();
    let place =
        Diagnostic { line: test.line, column: failure.column, text, ..Diagnostic::whole(&source.file, message) };
    println!("{place}\n  instead: {}\n", failure.instead);
}
