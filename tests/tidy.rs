//! The shape of the tree: who may use whom, what may not stand in crates/, how long a file may be.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every crate, which of our crates it may use, and which others. A new arrow is a reviewed line here.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("model", &[], &["serde"]),
    ("sip", &["model"], &["base64", "bytes", "foldhash", "ipnet", "md-5", "memchr", "serde", "sha2", "thiserror"]),
    (
        "media",
        &["model"],
        &["aes", "ctr", "hmac", "ogg", "ring", "ropus", "rtcp-types", "rtp-rs", "serde", "sha1", "thiserror"],
    ),
    ("ivr", &["model"], &["serde", "serde_json", "toml"]),
    ("acd", &["model"], &["postcard", "serde", "thiserror"]),
    ("switch", &["model", "sip", "media", "ivr", "acd"], &["bytes", "ipnet", "serde", "thiserror"]),
    ("ledger", &["model"], &["serde"]),
    (
        "sim",
        &["model", "switch", "media", "ledger", "ivr", "acd"],
        &["bytes", "md-5", "postcard", "rsip", "rtp-rs", "serde", "sha2"],
    ),
];

/// What the tests of a pure crate may use besides.
const TEST_ONLY: &[&str] = &["postcard", "proptest", "rsip", "serde_json", "sipx-sip"];

/// The world, as it would be spelt in a pure crate.
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "std::thread",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::fs",
    "std::env",
    "std::process",
    "Mutex",
    "RwLock",
    "Condvar",
    "RandomState",
    "thread_local!",
    "println!",
    "print!",
    "async fn",
    ".await",
    "tokio::",
    "rand::",
    "static mut",
];

/// Unfinished work does not stand in the tree; it is an issue.
const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "TODO", "FIXME", "XXX"];

/// Where this or that machine keeps things, and other places to fetch packages from than the public ones.
const LOCAL: &[&str] = &[
    "../shared",
    "/work/main",
    "/work/shared",
    "/root/",
    "/tmp/target-",
    "replace-with",
    "--index-url",
    "--extra-index-url",
    "--registry",
    "registry.npmjs.org",
    "CARGO_REGISTRIES",
];

const FILE_LINES_MAX: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` (relative to the root), sorted, without build products and hidden folders but `.ci`.
fn files(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let skipped = ["target", "corpus", "artifacts", "node_modules", "data"].contains(&name.as_str());
            let hidden = name.starts_with('.') && name != ".ci";
            if path.is_dir() && !skipped && !hidden {
                walk(&path, found);
            } else if path.is_file() && name != ".git" {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    found
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    files(folder).into_iter().filter(is_rust).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn spot(path: &Path, line: usize) -> String {
    format!("{}:{}", path.strip_prefix(root()).unwrap().display(), line)
}

/// The lines before the tests of a file.
fn before_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
}

/// A file that is nothing but tests: `tests.rs`, or below a folder `tests`.
fn is_tests(path: &Path) -> bool {
    let below_root = path.strip_prefix(root()).unwrap();
    below_root.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// `word` in `line`, but not within a longer one (`print!` in `sprint!`, `.await` in `.await_key`).
fn says(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let begins = |at: usize| !word.starts_with(joins) || !line[..at].ends_with(joins);
    let ends = |at: usize| !word.ends_with(joins) || !line[at + word.len()..].starts_with(joins);
    let whole = |at: usize| begins(at) && ends(at);
    line.match_indices(word).any(|(at, _)| whole(at))
}

/// The code of a line: what stands before its comment.
fn code(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or("") }
}

#[track_caller]
fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{} violation(s):\n{}\n", violations.len(), violations.join("\n"));
}

/// The keys of `[section]` in a Cargo.toml with the line each stands on.
fn keys(manifest: &Path, section: &str) -> BTreeMap<String, usize> {
    let text = text(manifest);
    let table: toml::Table = text.parse().unwrap();
    let names = table.get(section).and_then(toml::Value::as_table);
    let line_of = |name: &str| text.lines().position(|line| line.starts_with(name)).map_or(1, |index| index + 1);
    names.into_iter().flat_map(toml::Table::keys).map(|name| (name.clone(), line_of(name))).collect()
}

fn crate_folders() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    folders.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_word_is_found_only_as_a_whole() {
    let table = [
        ("println!(\"x\")", "println!", true),
        ("sprint!(x)", "print!", false),
        ("self.await_key()", ".await", false),
        ("reply.await;", ".await", true),
        ("use std::fs;", "std::fs", true),
        ("HashMap<u8, u8>", "HashMap<", true),
    ];
    for (line, word, found) in table {
        assert_eq!(says(line, word), found, "{word} in {line}");
    }
    assert_eq!(code("// std::fs"), "");
    assert_eq!(code("let a = 1; // std::fs"), "let a = 1;");
}

#[test]
fn a_crate_uses_only_the_arrows_it_was_given() {
    let mut violations = Vec::new();
    for (name, ours, others) in ARROWS {
        let manifest = root().join("crates").join(name).join("Cargo.toml");
        let allowed: BTreeSet<String> =
            ours.iter().map(|arrow| format!("busyhour-{arrow}")).chain(others.iter().map(|&o| o.to_owned())).collect();
        let used = keys(&manifest, "dependencies");
        for (dependency, line) in used.iter().filter(|(dependency, _)| !allowed.contains(*dependency)) {
            violations.push(format!("{}: {name} may not use {dependency}", spot(&manifest, *line)));
        }
        for unused in allowed.iter().filter(|allowed| !used.contains_key(*allowed)) {
            violations.push(format!("tests/tidy.rs:10: {name} no longer uses {unused}: take the arrow out"));
        }
        for (dependency, line) in keys(&manifest, "dev-dependencies") {
            // A crate's own tests may want a feature of it.
            let is_itself = dependency == format!("busyhour-{name}");
            if !is_itself && !TEST_ONLY.contains(&dependency.as_str()) && !allowed.contains(&dependency) {
                violations.push(format!("{}: tests of {name} may not use {dependency}", spot(&manifest, line)));
            }
        }
    }
    none(&violations);
}

#[test]
fn every_crate_is_in_the_architecture_table_with_its_arrows() {
    let path = root().join("ARCHITECTURE.md");
    let text = text(&path);
    let rows = text.lines().enumerate().skip_while(|(_, line)| *line != "## The crates").skip(1);
    let rows = rows.take_while(|(_, line)| !line.starts_with("## ")).filter(|(_, line)| line.starts_with("| `"));
    let mut listed = BTreeSet::new();
    let mut violations = Vec::new();
    for (index, row) in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].split('`').nth(1).unwrap().to_owned();
        let arrows: BTreeSet<&str> = cells[3].split(", ").filter(|arrow| *arrow != "–").collect();
        match ARROWS.iter().find(|(known, ..)| *known == name) {
            Some((_, ours, _)) if arrows != ours.iter().copied().collect() => violations
                .push(format!("{}: `{name}` uses {ours:?}, the table says {arrows:?}", spot(&path, index + 1))),
            Some(_) => {}
            None if name == "busyhour" => continue,
            None => violations.push(format!("{}: there is no crate `{name}`", spot(&path, index + 1))),
        }
        listed.insert(name);
    }
    let known: BTreeSet<String> = ARROWS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    for folder in crate_folders().union(&known) {
        if !listed.contains(folder) {
            violations.push(format!("ARCHITECTURE.md:1: crate `{folder}` is missing from \"The crates\""));
        }
        if !known.contains(folder) {
            violations.push(format!("tests/tidy.rs:10: crate `{folder}` has no line in ARROWS"));
        }
    }
    none(&violations);
}

#[test]
fn versions_of_dependencies_stand_in_the_root_manifest_only() {
    let mut violations = Vec::new();
    for name in crate_folders() {
        let manifest = root().join("crates").join(&name).join("Cargo.toml");
        let text = text(&manifest);
        for section in ["dependencies", "dev-dependencies"] {
            let table: toml::Table = text.parse().unwrap();
            let Some(section) = table.get(section).and_then(toml::Value::as_table) else { continue };
            let pinned = section.iter().filter(|(_, value)| value.get("workspace").is_none());
            violations
                .extend(pinned.map(|(key, _)| format!("{}: {key} has no `workspace = true`", spot(&manifest, 1))));
        }
        if !text.contains("[lints]\nworkspace = true") {
            violations.push(format!("{}: the workspace's lints do not apply", spot(&manifest, 1)));
        }
    }
    none(&violations);
}

#[test]
fn the_world_does_not_stand_in_crates() {
    let mut violations = Vec::new();
    for path in rust_files("crates").into_iter().filter(|path| !is_tests(path)) {
        let text = text(&path);
        for (line, content) in before_tests(&text) {
            let found = IMPURE.iter().filter(|word| says(code(content), word));
            violations.extend(found.map(|word| format!("{}: {word}", spot(&path, line))));
        }
    }
    none(&violations);
}

#[test]
fn a_hashed_collection_in_crates_names_its_fixed_seed() {
    let mut violations = Vec::new();
    for path in rust_files("crates").into_iter().filter(|path| !is_tests(path)) {
        let text = text(&path);
        let hashed = |line: &str| ["HashMap<", "HashSet<"].iter().any(|word| says(code(line), word));
        let seeded = ["FixedState", "FoldHash", "Hasher"].iter().any(|word| text.contains(word));
        let lines = before_tests(&text).filter(|(_, line)| hashed(line) && !seeded);
        violations.extend(lines.map(|(line, _)| format!("{}: hashed with a random seed", spot(&path, line))));
    }
    none(&violations);
}

#[test]
fn a_file_opens_with_one_sentence_about_itself() {
    let mut violations = Vec::new();
    for path in ["crates", "src", "tests", "benches"].iter().flat_map(|folder| rust_files(folder)) {
        let text = text(&path);
        // A fuzz target must open with `#![no_main]`, a program may open with a shebang.
        let first = text.lines().find(|line| !line.starts_with("#!"));
        if !first.is_some_and(|line| line.starts_with("//! ")) {
            violations.push(format!("{}: no `//!` sentence", spot(&path, 1)));
        }
    }
    none(&violations);
}

#[test]
fn a_file_is_one_noun_and_short() {
    let mut violations = Vec::new();
    for path in ["crates", "src", "benches", "tests"].iter().flat_map(|folder| rust_files(folder)) {
        let text = text(&path);
        let lines = if is_tests(&path) { text.lines().count() } else { before_tests(&text).count() };
        // The matcher's naive twin is read as one piece.
        if lines > FILE_LINES_MAX && !path.starts_with(root().join("crates/acd/tests/twin")) {
            violations.push(format!("{}: {lines} lines, in front of tests if it has any", spot(&path, FILE_LINES_MAX)));
        }
        let name = path.file_stem().unwrap().to_string_lossy().to_lowercase();
        if ["util", "utils", "helper", "helpers", "misc", "common", "manager"].contains(&name.as_str()) {
            violations.push(format!("{}: the name says nothing", spot(&path, 1)));
        }
    }
    none(&violations);
}

#[test]
fn names_are_the_fields_words() {
    let mut violations = Vec::new();
    for path in ["crates", "src"].iter().flat_map(|folder| rust_files(folder)) {
        let text = text(&path);
        for (line, content) in text.lines().enumerate() {
            let named = ["fn get_", "pub mod util", "pub mod helper"].iter().find(|word| content.contains(**word));
            violations.extend(named.map(|word| format!("{}: {word}", spot(&path, line + 1))));
            let types = ["struct ", "enum ", "trait "]
                .iter()
                .find_map(|kind| content.trim().strip_prefix("pub ")?.strip_prefix(kind));
            let word = types.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric()).next()).unwrap_or("");
            let vague =
                ["Manager", "Helper", "Util", "Processor", "Info", "Data"].iter().any(|tail| word.ends_with(tail));
            if vague {
                violations.push(format!("{}: {word}", spot(&path, line + 1)));
            }
        }
    }
    none(&violations);
}

#[test]
fn nothing_unfinished_stands_in_the_tree() {
    let mut violations = Vec::new();
    for path in ["crates", "src", "tests", "benches"].iter().flat_map(|folder| rust_files(folder)) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = text(&path);
        for (line, content) in text.lines().enumerate() {
            let found = UNFINISHED.iter().find(|word| says(content, word));
            violations.extend(found.map(|word| format!("{}: {word}", spot(&path, line + 1))));
        }
    }
    none(&violations);
}

#[test]
fn unwrap_does_not_stand_outside_tests() {
    let mut violations = Vec::new();
    for path in ["crates", "src"].iter().flat_map(|folder| rust_files(folder)).filter(|path| !is_tests(path)) {
        let text = text(&path);
        let lines = before_tests(&text).filter(|(_, line)| code(line).contains(".unwrap()"));
        violations.extend(lines.map(|(line, _)| format!("{}: unwrap()", spot(&path, line))));
    }
    none(&violations);
}

#[test]
fn nothing_names_one_machine_or_another_registry() {
    let mut violations = Vec::new();
    for path in files(".") {
        // Sounds, captures and databases are not text.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (line, content) in text.lines().enumerate() {
            let found = LOCAL.iter().find(|word| content.contains(**word) && !path.ends_with("tidy.rs"));
            violations.extend(found.map(|word| format!("{}: {word}", spot(&path, line + 1))));
            let public = "\"registry+https://github.com/rust-lang/crates.io-index\"";
            if path.ends_with("Cargo.lock") && content.starts_with("source = ") && !content.ends_with(public) {
                violations.push(format!("{}: {content}", spot(&path, line + 1)));
            }
        }
    }
    none(&violations);
}
