//! Recordings in a folder held against the phrases they should be: missing, clipped, too quiet, in a wrong format, silent at the edges.

use super::phrases::Phrase;
use super::{Keyed, walk};
use busyhour_media::Quality;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Mean level of a prompt, dBFS.
const LEVELS: std::ops::RangeInclusive<f64> = -23.0..=-17.0;
/// Length of a prompt.
const LENGTHS_MS: std::ops::RangeInclusive<u64> = 100..=60_000;
/// Silence at the beginning or the end that nobody minds.
const EDGE_MS_MAX: u64 = 300;

/// What was found about one recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Language and id, as below the folder.
    pub file: String,
    /// Its length.
    pub length_ms: Option<u64>,
    /// Its mean level, dBFS.
    pub level_db: Option<f64>,
    /// What is wrong with it.
    pub faults: Vec<String>,
    /// No phrase has this id: a dialplan may still play it.
    pub is_extra: bool,
}

/// Every recording there is or should be, by name.
///
/// # Errors
/// The folder cannot be read.
pub fn check(phrases: &[Phrase], folder: &Path) -> std::io::Result<Vec<Finding>> {
    let key = |phrase: &Phrase| ((phrase.language.to_string(), phrase.id.clone()), None);
    let mut files: BTreeMap<Keyed, Option<PathBuf>> = phrases.iter().map(key).collect();
    let mut extra = Vec::new();
    for (key, path) in walk(folder)? {
        match files.get_mut(&key) {
            Some(file) => *file = Some(path),
            None => extra.push((key, path)),
        }
    }
    let known = files.into_iter().map(|(key, path)| finding(&key, path.as_deref(), false));
    let mut findings: Vec<Finding> =
        known.chain(extra.iter().map(|(key, path)| finding(key, Some(path), true))).collect();
    findings.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(findings)
}

fn finding((language, id): &Keyed, path: Option<&Path>, is_extra: bool) -> Finding {
    let file = format!("{language}/{id}.wav");
    let told = |faults| Finding { file: file.clone(), length_ms: None, level_db: None, faults, is_extra };
    let Some(path) = path else { return told(vec!["missing".into()]) };
    let measured = std::fs::read(path).map_err(|e| e.to_string());
    match measured.and_then(|bytes| Quality::of(&bytes).map_err(|e| e.to_string())) {
        Err(fault) => told(vec![fault]),
        Ok(quality) => Finding {
            length_ms: Some(quality.length_ms),
            level_db: Some((quality.level_db * 10.0).round() / 10.0),
            ..told(faults(&quality))
        },
    }
}

fn faults(quality: &Quality) -> Vec<String> {
    let Quality { length_ms, level_db, lead_ms, tail_ms, .. } = *quality;
    let table = [
        (quality.is_clipped, "clipped: record it at a lower level".to_string()),
        (level_db < *LEVELS.start(), format!("too quiet: {level_db:.1} dBFS, wanted are -20 ± 3")),
        (level_db > *LEVELS.end(), format!("too loud: {level_db:.1} dBFS, wanted are -20 ± 3")),
        (!LENGTHS_MS.contains(&length_ms), format!("{length_ms} ms long")),
        (lead_ms > EDGE_MS_MAX, format!("{lead_ms} ms of silence before it")),
        (tail_ms > EDGE_MS_MAX, format!("{tail_ms} ms of silence after it")),
    ];
    table.into_iter().filter(|(is, _)| *is).map(|(_, fault)| fault).collect()
}
