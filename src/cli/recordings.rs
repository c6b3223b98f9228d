//! `busyhour recordings …`: conversations, searched, sampled, saved to listen to, held, retained, deleted; and paused while they run.

use super::AskArgs;
use super::show::{now, user};
use crate::client::escaped;
use crate::store::{Kept, KeptState};
use crate::table::{self, moment, span};
use crate::tapes::{self, Format};
use busyhour_media::sealed;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Subcommand)]
pub(super) enum Recordings {
    /// Recordings, the newest first
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Some of them, drawn at random, for who judges the quality: the same seed draws the same
    Sample {
        #[command(flatten)]
        which: Which,
        /// So many
        #[arg(long, default_value_t = 50)]
        count: usize,
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// As many of each as there are enough
        #[arg(long, value_parser = ["agent", "queue"])]
        by: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// One recording, and who did what with it
    Show {
        #[command(flatten)]
        one: One,
    },
    /// Write a recording to a file, WAV or Ogg/Opus as it is kept, caller left, agent right; that is written down
    Play {
        #[command(flatten)]
        one: One,
        /// The file; without it RECORDING.wav or RECORDING.opus
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Keep a recording whatever its retention says
    Hold {
        #[command(flatten)]
        one: One,
        /// Why: a case, a letter
        #[arg(long)]
        reason: String,
    },
    /// Keep it no longer than its retention says
    Release {
        #[command(flatten)]
        one: One,
    },
    /// Keep a recording for another time
    Retain {
        #[command(flatten)]
        one: One,
        /// `default`, or one of `retentions` of [recording]
        retention: String,
    },
    /// Remove a recording
    Delete {
        #[command(flatten)]
        one: One,
    },
    /// Make the first or the next key recordings are sealed with, in the file that `key_file` of [recording] names
    Key {
        /// The file; new recordings are sealed with the key on its last line
        file: PathBuf,
    },
    /// Open a sealed file from the data folder or from storage; needs no server
    Decrypt {
        /// The sealed file
        sealed: PathBuf,
        /// The file of keys
        #[arg(long)]
        keys: PathBuf,
        /// The file to write; without it as the sealed one, without `.sealed`
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Leave what is said now out of a call's recording
    Pause {
        /// Call, like c42
        call: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Record it again
    Resume {
        /// Call, like c42
        call: String,
        #[command(flatten)]
        ask: AskArgs,
    },
}

#[derive(Args)]
pub(super) struct One {
    /// Recording, as `list` shows it
    recording: u64,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Args)]
pub(super) struct Which {
    /// Of this call, like c42
    #[arg(long)]
    call: Option<String>,
    /// With this agent
    #[arg(long)]
    agent: Option<String>,
    /// From this queue
    #[arg(long)]
    queue: Option<String>,
    /// From or to this number
    #[arg(long)]
    number: Option<String>,
    /// Kept for this
    #[arg(long)]
    retention: Option<String>,
    /// Only those held
    #[arg(long)]
    held: bool,
    /// Begun within this time, like 2h or 7d
    #[arg(long, value_parser = super::since)]
    since: Option<Duration>,
    /// At least so long, like 1m30s
    #[arg(long, value_parser = super::since)]
    longer: Option<Duration>,
}

impl Which {
    fn query(&self) -> String {
        let said = [
            ("call", self.call.clone()),
            ("agent", self.agent.clone()),
            ("queue", self.queue.clone()),
            ("number", self.number.clone()),
            ("retention", self.retention.clone()),
            ("held", self.held.then(|| "true".into())),
            ("since", self.since.map(|span| (now() - span).as_micros().to_string())),
            ("longer_ms", self.longer.map(|span| span.as_millis().to_string())),
        ];
        let said = said.into_iter().filter_map(|(key, value)| Some(format!("&{key}={}", escaped(&value?))));
        said.collect()
    }
}

pub(super) fn run(command: &Recordings) -> Result<(), String> {
    match command {
        Recordings::List { which, limit, ask } => list(ask, &format!("/api/recordings?limit={limit}{}", which.query())),
        Recordings::Sample { which, count, seed, by, ask } => {
            let by = by.as_ref().map(|by| format!("&by={by}")).unwrap_or_default();
            list(ask, &format!("/api/recordings/sample?count={count}&seed={seed}{by}{}", which.query()))
        }
        Recordings::Show { one } => show(one),
        Recordings::Play { one, output } => {
            let path = format!("/api/recordings/{}/audio?who={}", one.recording, escaped(&user()));
            let sound = one.ask.server().bytes(&path).map_err(|e| e.to_string())?;
            let (ending, _) = Format::of(&sound).words();
            let file = output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.{ending}", one.recording)));
            std::fs::write(&file, sound).map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
            println!("{}", file.display());
            Ok(())
        }
        Recordings::Hold { one, reason } => change(one, "POST", &format!("/hold?reason={}&", escaped(reason))),
        Recordings::Release { one } => change(one, "DELETE", "/hold?"),
        Recordings::Retain { one, retention } => {
            change(one, "POST", &format!("/retention?retention={}&", escaped(retention)))
        }
        Recordings::Delete { one } => change(one, "DELETE", "?"),
        Recordings::Key { file } => {
            println!("{}  key {}", file.display(), tapes::new_key(file)?.id());
            Ok(())
        }
        Recordings::Decrypt { sealed, keys, output } => decrypt(sealed, keys, output.as_deref()),
        Recordings::Pause { call, ask } => roll(ask, call, "pause"),
        Recordings::Resume { call, ask } => roll(ask, call, "resume"),
    }
}

fn decrypt(sealed: &Path, keys: &Path, output: Option<&Path>) -> Result<(), String> {
    let file = std::fs::read(sealed).map_err(|e| format!("{} cannot be read: {e}", sealed.display()))?;
    let plain = sealed::opened(&file, &tapes::keys(keys)?).map_err(|e| format!("{}: {e}", sealed.display()))?;
    let output = match output {
        Some(output) => output.to_path_buf(),
        None if sealed.extension().is_some_and(|ending| ending == "sealed") => sealed.with_extension(""),
        None => return Err("say where to, by --output FILE".into()),
    };
    std::fs::write(&output, plain).map_err(|e| format!("{} cannot be written: {e}", output.display()))?;
    println!("{}", output.display());
    Ok(())
}

fn list(ask: &AskArgs, path: &str) -> Result<(), String> {
    if ask.json {
        println!("{}", ask.server().get::<Value>(path).map_err(|e| e.to_string())?);
        return Ok(());
    }
    let found: Vec<Kept> = ask.server().get(path).map_err(|e| e.to_string())?;
    let heads = ["RECORDING", "CALL", "BEGAN", "LENGTH", "FROM", "TO", "LEFT", "RIGHT", "QUEUE", "RETENTION", "STATE"];
    table::print(&heads, &found.iter().map(row).collect::<Vec<_>>(), "no recordings");
    Ok(())
}

fn row(kept: &Kept) -> Vec<String> {
    let of = &kept.conversation;
    let state = match (kept.state, &kept.held) {
        (KeptState::Rolling, _) => "under way",
        (KeptState::Lost, _) => "lost",
        (KeptState::Complete, Some(_)) => "held",
        (KeptState::Complete, None) => "kept",
    };
    vec![
        of.tape.0.to_string(),
        of.call.to_string(),
        moment(of.began),
        span(Duration::from_millis(kept.ms)),
        of.from.to_string(),
        of.to.to_string(),
        of.left.name().to_string(),
        of.right.name().to_string(),
        of.queue.as_deref().unwrap_or("-").to_owned(),
        of.retention.to_string(),
        state.to_owned(),
    ]
}

fn show(one: &One) -> Result<(), String> {
    let story: Value =
        one.ask.server().get(&format!("/api/recordings/{}", one.recording)).map_err(|e| e.to_string())?;
    if one.ask.json {
        println!("{story}");
        return Ok(());
    }
    let kept: Option<Kept> = serde_json::from_value(story["recording"].clone()).map_err(|e| e.to_string())?;
    match &kept {
        Some(kept) => {
            let heads =
                ["RECORDING", "CALL", "BEGAN", "LENGTH", "FROM", "TO", "LEFT", "RIGHT", "QUEUE", "RETENTION", "STATE"];
            table::print(&heads, &[row(kept)], "");
            println!("file {}  sha256 {}  gaps {} ms", kept.file, kept.sha256, kept.gap_ms);
            println!("{}", stored(kept));
        }
        None => println!("removed"),
    }
    let deeds: Vec<crate::store::Done> = serde_json::from_value(story["deeds"].clone()).map_err(|e| e.to_string())?;
    let deed = |d: &crate::store::Done| vec![moment(d.at), d.deed.to_string(), d.by.to_string(), d.detail.to_string()];
    table::print(&["WHEN", "WHAT", "BY", "DETAIL"], &deeds.iter().map(deed).collect::<Vec<_>>(), "nobody did anything");
    Ok(())
}

fn stored(kept: &Kept) -> String {
    match (&kept.place, kept.uploaded, &kept.fault) {
        (_, _, Some(fault)) => format!("not in storage: {fault}"),
        (Some(place), Some(at), None) => {
            let only = if kept.local { "" } else { "  no longer here" };
            format!("storage {place}  since {}{only}", moment(at))
        }
        _ => "not in storage".into(),
    }
}

fn change(one: &One, method: &str, what: &str) -> Result<(), String> {
    told(&one.ask, method, &format!("/api/recordings/{}{what}who={}", one.recording, escaped(&user())))
}

fn roll(ask: &AskArgs, call: &str, what: &str) -> Result<(), String> {
    told(ask, "POST", &format!("/api/calls/{call}/recording/{what}?who={}", escaped(&user())))
}

fn told(ask: &AskArgs, method: &str, path: &str) -> Result<(), String> {
    let answer = ask.server().send(method, path, &Value::Null).map_err(|e| e.to_string())?;
    if ask.json {
        println!("{answer}");
    }
    Ok(())
}
