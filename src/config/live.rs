//! What was changed while it ran: a file in the data folder, laid over the configuration at every start and reload.

use super::queue;
use super::roster::{Roster, Words};
use super::sheet::{Section, Sheet, flag, text};
use super::{agent, read_bytes};
use crate::replace::replace;
use busyhour_model::{Diagnostic, Severity};
use busyhour_switch::{AgentSetup, Change, QueueSetup};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use toml::de::DeTable;
use toml::{Table, Value};

/// Its name in the data folder.
const FILE: &str = "live.toml";
/// What stands at its top.
const HEAD: &str = "# What was changed while busyhour ran, by `busyhour ctl` and the API. Laid over the configuration at every start and
# reload. To undo a change delete its line, or this file, and `busyhour reload`.\n";

/// What can be changed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An `[[agent]]`.
    Agent,
    /// A `[[queue]]`.
    Queue,
}

impl Kind {
    /// `agent`, `queue`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Agent => "agent",
            Kind::Queue => "queue",
        }
    }

    /// The key that names one.
    fn key(self) -> &'static str {
        match self {
            Kind::Agent => "number",
            Kind::Queue => "name",
        }
    }
}

/// A change of one agent or queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Amend {
    /// These keys, as in the configuration; `"none"` clears one.
    Set(Table),
    /// A new agent.
    Add(Table),
    /// Nobody has this number any more.
    Remove,
}

/// What a change comes to; nothing is changed yet.
#[derive(Debug)]
pub struct Amended {
    /// All changes with this one.
    pub live: Live,
    /// For the switch.
    pub change: Change,
    /// In words, without passwords.
    pub says: String,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Why not.
#[derive(Debug)]
pub enum Refused {
    /// Nobody and nothing is called so.
    Unknown(Diagnostic),
    /// Somebody has that number already.
    Known(Diagnostic),
    /// The keys or values.
    Wrong(Vec<Diagnostic>),
}

/// All changes, and what the configuration says without them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// Where they are kept; `None`: they last until the next reload.
    path: Option<PathBuf>,
    entries: BTreeMap<(Kind, String), Table>,
    agents: Vec<AgentSetup>,
    queues: Vec<QueueSetup>,
}

/// The file in the data folder and what it says; empty when there is none.
pub(super) fn open(data: Option<&PathBuf>) -> (Option<PathBuf>, String, Vec<Diagnostic>) {
    let Some(path) = data.map(|folder| folder.join(FILE)) else { return (None, String::new(), Vec::new()) };
    if !path.exists() {
        return (Some(path), String::new(), Vec::new());
    }
    let read = read_bytes(&path).and_then(|bytes| String::from_utf8(bytes).map_err(|e| e.to_string()));
    let wrong = |message| vec![Diagnostic::whole(&path.display().to_string(), message)];
    let (source, found) = read.map_or_else(|message| (String::new(), wrong(message)), |source| (source, Vec::new()));
    (Some(path), source, found)
}

impl Live {
    /// Reads the file and lays it over the roster; `sheet` is of the file.
    pub(super) fn lay(path: Option<PathBuf>, source: &str, sheet: &mut Sheet, roster: &mut Roster) -> Live {
        let queues = roster.queues.iter().map(|queue| queue.setup.clone()).collect();
        let mut live = Live { path, entries: BTreeMap::new(), agents: roster.agents().cloned().collect(), queues };
        let (table, mistakes) = DeTable::parse_recoverable(source);
        for mistake in &mistakes {
            sheet.error(mistake.span().map_or(0, |s| s.start), mistake.message());
        }
        let mut root = Section::new(table.get_ref(), 0, FILE);
        for kind in [Kind::Agent, Kind::Queue] {
            for mut section in root.sections(sheet, kind.word()) {
                let at = section.at();
                let Some(name) = section.need(sheet, kind.key(), text) else { continue };
                match live.laid(kind, &name.value, section, sheet) {
                    Some(change) => roster.take(change),
                    None => {
                        let message = format!("{} `{}` is configured no more", kind.word(), name.value);
                        sheet.warn(at, message, "this changes nothing; delete it");
                    }
                }
            }
        }
        root.finish(sheet);
        sheet.resolve(&roster.words());
        live.entries = entries(source);
        live
    }

    /// What an entry makes of what the configuration says; `None` when it says nothing.
    fn laid(&self, kind: Kind, name: &str, mut section: Section, sheet: &mut Sheet) -> Option<Change> {
        let change = match kind {
            Kind::Agent => {
                let added = section.or(sheet, "added", flag, false);
                let removed = section.or(sheet, "removed", flag, false);
                let known = self.agents.iter().find(|known| *known.number == *name).cloned();
                let auto_ready = section.has("bot");
                let new = AgentSetup { auto_ready, ..AgentSetup::new(name.into()) };
                let base = if added { Some(new) } else { known }?;
                if added && !section.has("password") && !section.has("bot") {
                    sheet.error(section.at(), "a new agent needs `password`, or `bot`");
                }
                let setup = agent::lay(&mut section, sheet, base);
                if removed { Change::NoAgent(name.into()) } else { Change::Agent(setup.into()) }
            }
            Kind::Queue => {
                let base = self.queues.iter().find(|known| *known.name == *name).cloned()?;
                Change::Queue(queue::lay(&mut section, sheet, base).into())
            }
        };
        section.finish(sheet);
        Some(change)
    }

    /// What `amend` comes to.
    ///
    /// # Errors
    /// Why not; every mistake at once.
    pub fn amend(&self, words: &Words, kind: Kind, name: &str, amend: &Amend) -> Result<Amended, Refused> {
        self.stands(kind, name, matches!(amend, Amend::Add(_)))?;
        if matches!(amend, Amend::Add(_)) && words.taken.iter().any(|taken| **taken == *name) {
            let mistake = Diagnostic::whole(name, "a phone or an agent's alias is called so");
            return Err(Refused::Known(mistake.help("choose another number")));
        }
        let key = (kind, name.to_string());
        let mut live = self.clone();
        let entry = match amend {
            Amend::Set(keys) => merged(self.entries.get(&key).cloned().unwrap_or_default(), keys),
            Amend::Add(keys) => merged(Table::from_iter([("added".into(), true.into())]), keys),
            Amend::Remove => Table::from_iter([("removed".into(), true.into())]),
        };
        let (shown, source) = (format!("{} {name}", kind.word()), lines(&entry));
        let mut sheet = Sheet::new(&shown, &source);
        sheet.utc_offset_minutes = words.utc_offset_minutes;
        if let Amend::Set(keys) | Amend::Add(keys) = amend {
            let ours = keys.keys().filter(|key| ["added", "removed"].contains(&key.as_str()));
            ours.for_each(|key| sheet.error(0, format!("`{key}` is no key to set")));
            if kind == Kind::Agent && !agent::fits(name) {
                sheet.error(0, format!("`{name}` {}", agent::NUMBER_HELP));
            }
        }
        let table = DeTable::parse_recoverable(&source).0;
        let change = match amend {
            // An agent who was added has nothing below to be laid over.
            Amend::Remove => Some(Change::NoAgent(name.into())),
            _ => self.laid(kind, name, Section::new(table.get_ref(), 0, &shown), &mut sheet),
        };
        sheet.resolve(words);
        let diagnostics = sheet.into_found();
        let Some(change) = change.filter(|_| diagnostics.iter().all(|d| d.severity == Severity::Warning)) else {
            return Err(Refused::Wrong(diagnostics));
        };
        match *amend == Amend::Remove && !self.agents.iter().any(|known| *known.number == *name) {
            true => live.entries.remove(&key),
            false => live.entries.insert(key, entry),
        };
        Ok(Amended { live, change, says: says(amend), diagnostics })
    }

    /// Whether it is there now, as it should be.
    fn stands(&self, kind: Kind, name: &str, new: bool) -> Result<(), Refused> {
        let entry = self.entries.get(&(kind, name.to_string()));
        let says = |key: &str| entry.is_some_and(|entry| entry.get(key) == Some(&true.into()));
        let mut known: Vec<&str> = match kind {
            Kind::Agent => self.agents.iter().map(|agent| &*agent.number).collect(),
            Kind::Queue => self.queues.iter().map(|queue| &*queue.name).collect(),
        };
        known.extend(self.entries.keys().filter(|(k, _)| *k == kind).map(|(_, name)| name.as_str()));
        let there = !says("removed") && (says("added") || known.contains(&name)) && known.contains(&name);
        let mistake = |message: String| Diagnostic::whole(&format!("{} {name}", kind.word()), message);
        match (there, new) {
            (true, true) => {
                let help = "change that one, or choose another number";
                Err(Refused::Known(mistake(format!("an agent has the number `{name}` already")).help(help)))
            }
            (false, false) => {
                let unknown = mistake(format!("no {} is called `{name}`", kind.word())).suggest(name, known);
                let all = format!("`busyhour {}s` lists them all", kind.word());
                Err(Refused::Unknown(if unknown.help.is_none() { unknown.help(all) } else { unknown }))
            }
            _ => Ok(()),
        }
    }

    /// Keeps them for the next start.
    ///
    /// # Errors
    /// The file cannot be written; it is as before.
    pub fn write(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let entry = |((kind, name), keys): (&(Kind, String), &Table)| {
            let name = Value::from(name.as_str());
            format!("\n[[{}]]\n{} = {name}\n{}", kind.word(), kind.key(), lines(keys))
        };
        let text = HEAD.to_string() + &self.entries.iter().map(entry).collect::<String>();
        replace(path, text.as_bytes())
    }

    /// Whether they survive a restart.
    pub fn is_kept(&self) -> bool {
        self.path.is_some()
    }

    /// What is otherwise than the configuration says, no password; empty when nothing is.
    pub fn changed(&self, kind: Kind, name: &str) -> Table {
        masked(self.entries.get(&(kind, name.to_string())).cloned().unwrap_or_default())
    }

    /// How many of a kind are otherwise than the configuration says.
    pub fn count(&self, kind: Kind) -> usize {
        self.entries.keys().filter(|(known, _)| *known == kind).count()
    }
}

/// The tables of the file, by what they are about.
fn entries(source: &str) -> BTreeMap<(Kind, String), Table> {
    let mut whole = source.parse::<Table>().unwrap_or_default();
    let mut entries = BTreeMap::new();
    for kind in [Kind::Agent, Kind::Queue] {
        let Some(Value::Array(tables)) = whole.remove(kind.word()) else { continue };
        for table in tables {
            let Value::Table(mut table) = table else { continue };
            if let Some(Value::String(name)) = table.remove(kind.key()) {
                entries.insert((kind, name), table);
            }
        }
    }
    entries
}

/// Keys laid over keys; a table's one by one.
fn merged(mut entry: Table, keys: &Table) -> Table {
    for (key, value) in keys {
        match (entry.get_mut(key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => old.extend(new.clone()),
            _ => drop(entry.insert(key.clone(), value.clone())),
        }
    }
    entry
}

/// A key a line.
fn lines(keys: &Table) -> String {
    let plain = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let spelled = |key: &str| if plain(key) { key.to_string() } else { Value::from(key).to_string() };
    keys.iter().map(|(key, value)| format!("{} = {value}\n", spelled(key))).collect()
}

fn masked(mut keys: Table) -> Table {
    for secret in ["password", "pin"] {
        if let Some(value) = keys.get_mut(secret) {
            *value = "***".into();
        }
    }
    keys
}

fn says(amend: &Amend) -> String {
    let told = |keys: &Table| lines(&masked(keys.clone())).trim_end().replace('\n', ", ");
    match amend {
        Amend::Set(keys) => told(keys),
        Amend::Add(keys) => format!("added, {}", told(keys)),
        Amend::Remove => "removed".into(),
    }
}
