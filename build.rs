//! Makes the table of built-in prompts: every `prompts/{zh,en}/**/*.wav`, with its language and id.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("prompts");
    let mut table = String::from("&[\n");
    for language in ["en", "zh"] {
        let mut files = Vec::new();
        walk(&root.join(language), &mut files)?;
        files.sort();
        for file in files {
            let id = file.strip_prefix(root.join(language)).expect("walked from there").with_extension("");
            writeln!(table, "    ({language:?}, {:?}, include_bytes!({file:?})),", id).expect("a string takes it all");
        }
    }
    table.push(']');
    println!("cargo::rerun-if-changed=prompts");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("prompts.rs"), table)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "wav") {
            files.push(path);
        }
    }
    Ok(())
}
