//! `busyhour voicemail …`: callers' messages, listed, saved to listen to, marked and deleted.

use super::AskArgs;
use crate::client::escaped;
use crate::table::{self, moment, span};
use busyhour_model::Message;
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Subcommand)]
pub(super) enum Voicemail {
    /// Messages, the oldest of each mailbox first
    List {
        /// Only this queue's
        #[arg(long, conflicts_with = "agent")]
        queue: Option<String>,
        /// Only this agent's
        #[arg(long)]
        agent: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Write a message's sound to a WAV file and mark it as heard
    Play {
        /// Message, as `list` shows it
        message: u64,
        /// The file; without it MESSAGE.wav
        #[arg(long, short)]
        output: Option<PathBuf>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Mark a message as heard
    Heard {
        /// Message, as `list` shows it
        message: u64,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Remove a message and its recording
    Delete {
        /// Message, as `list` shows it
        message: u64,
        #[command(flatten)]
        ask: AskArgs,
    },
}

pub(super) fn run(command: &Voicemail) -> Result<(), String> {
    match command {
        Voicemail::List { queue, agent, ask } => list(ask, queue.as_deref(), agent.as_deref()),
        Voicemail::Play { message, output, ask } => {
            let default = PathBuf::from(format!("{message}.wav"));
            play(ask, *message, output.as_deref().unwrap_or(&default))
        }
        Voicemail::Heard { message, ask } => change(ask, "POST", *message, "/heard"),
        Voicemail::Delete { message, ask } => change(ask, "DELETE", *message, ""),
    }
}

fn list(ask: &AskArgs, queue: Option<&str>, agent: Option<&str>) -> Result<(), String> {
    let query = match (queue, agent) {
        (Some(queue), _) => format!("?queue={}", escaped(queue)),
        (None, Some(agent)) => format!("?agent={}", escaped(agent)),
        (None, None) => String::new(),
    };
    let path = format!("/api/voicemail{query}");
    if ask.json {
        println!("{}", ask.server().get::<serde_json::Value>(&path).map_err(|e| e.to_string())?);
        return Ok(());
    }
    let messages: Vec<Message> = ask.server().get(&path).map_err(|e| e.to_string())?;
    let row = |message: &Message| {
        vec![
            message.tape.0.to_string(),
            message.mailbox.to_string(),
            moment(message.left),
            message.from.to_string(),
            span(Duration::from_millis(message.ms)),
            if message.heard { "heard" } else { "new" }.into(),
        ]
    };
    let heads = ["MESSAGE", "MAILBOX", "LEFT", "FROM", "LENGTH", "STATE"];
    table::print(&heads, &messages.iter().map(row).collect::<Vec<_>>(), "no messages");
    Ok(())
}

fn play(ask: &AskArgs, message: u64, file: &Path) -> Result<(), String> {
    let sound = ask.server().bytes(&format!("/api/voicemail/{message}/audio")).map_err(|e| e.to_string())?;
    std::fs::write(file, sound).map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
    println!("{}", file.display());
    change(ask, "POST", message, "/heard")
}

fn change(ask: &AskArgs, method: &str, message: u64, what: &str) -> Result<(), String> {
    let path = format!("/api/voicemail/{message}{what}");
    let answer = ask.server().send(method, &path, &serde_json::Value::Null).map_err(|e| e.to_string())?;
    if ask.json {
        println!("{answer}");
    }
    Ok(())
}
