//! `busyhour demo` as a visitor and as CI run it.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::process::{Command, Output};

fn demo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_busyhour")).arg("demo").args(args).env_remove("RUST_LOG").output().unwrap()
}

#[test]
fn every_call_is_answered_heard_both_ways_recorded_and_put_away() {
    let output = demo(&[
        "--calls",
        "4",
        "--rate",
        "4",
        "--agents",
        "2",
        "--talk",
        "1.5",
        "--seed",
        "7",
        "--json",
        "--reloads",
        "3",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert!(output.status.success(), "{summary:#}\n{said}");
    for field in ["calls", "answered", "two_way_audio", "records"] {
        assert_eq!(summary[field], 4, "{field} in {summary:#}");
    }
    assert_eq!(summary["reloads"], 3, "{summary:#}");
    for field in ["calls", "legs", "dialogs", "ports"] {
        assert_eq!(summary["leaks"][field], 0, "{field} in {summary:#}");
    }
    assert_eq!((&summary["failed"], &summary["abandoned"], &summary["seed"]), (&0.into(), &0.into(), &7.into()));
    assert!(summary["setup_ms"]["p99"].as_f64().unwrap() > 0.0, "{summary:#}");
    let cpu = |field: &str| summary[field].as_f64().unwrap();
    assert!(cpu("control_cpu_ms_per_call") <= cpu("cpu_ms_per_call"), "{summary:#}");
    assert!(said.contains("callers dial 95118"), "{said}");
}

#[test]
fn numbers_that_make_no_sense_are_refused_with_the_range() {
    for (args, range) in [(["--rate", "0"], "between 0.01 and 1000"), (["--talk", "0.5"], "between 1 and 600")] {
        let output = demo(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(range), "{said}");
    }
}
