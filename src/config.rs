//! One TOML file and the dialplans -> everything the switch and the shell are told; or every mistake at once, located.

mod agent;
mod bot;
mod causes;
mod check;
mod csv;
mod dns;
mod group;
mod hep;
mod identity;
mod limits;
mod live;
mod phone;
mod policy;
mod queue;
mod recording;
mod rewriting;
mod roster;
mod schedule;
mod server;
mod sheet;
mod staff;
mod terms;
mod tier;
mod tls;
mod trunk;
mod tts;
mod upload;
pub mod written;

use crate::dialplans::{Shelf, Source};
use crate::forks::BotSetup;
use crate::net::{TlsSetup, advertised};
use crate::prompts;
use crate::resolver::DnsSetup;
use crate::tapes::Archive;
use crate::trace::HepSetup;
use crate::tts::TtsSetup;
use busyhour_ivr::Names;
use busyhour_media::Country;
use busyhour_model::{Diagnostic, Name, Severity};
use busyhour_sip::{Networks, Transport};
use busyhour_switch::Setup;
use serde::Deserialize;
use sheet::{Read, Section, Sheet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

pub use live::{Amend, Amended, Kind, Live, Refused};
pub use recording::Filing;
pub use roster::Words;
pub(crate) use sheet::parse_duration;
pub use staff::Staff;

/// The documented sample; used when no file is named.
pub const SAMPLE: &str = include_str!("../busyhour.toml");
/// What the sample is called in messages.
pub const SAMPLE_NAME: &str = "(built-in busyhour.toml)";
/// The ready-to-run dialplan inside the program.
pub const HOTLINE: &str = include_str!("../dialplans/hotline.toml");
/// The password of the sample's agents; a warning as long as it is used.
const SAMPLE_PASSWORD: &str = "busyhour-sample";
/// Bytes of one file; larger ones are no configuration.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What a file says, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// For the switch. `locals` are the configured addresses; the bound ones replace them at start.
    pub setup: Setup,
    /// For the shell.
    pub shell: Shell,
    /// Certificates and what trunks want of TLS.
    pub tls: TlsSetup,
    /// The texts the dialplans of `setup` were read from, in their order.
    pub sources: Vec<Source>,
    /// Who talks with callers.
    pub bots: Vec<BotSetup>,
    /// Names and clock, for changes while it runs.
    pub words: Words,
    /// The file of agents, when there is one.
    pub staff: Option<Staff>,
    /// What was changed while it ran.
    pub live: Live,
}

/// What concerns sockets, files and threads only.
#[derive(Clone, Debug, PartialEq)]
pub struct Shell {
    /// SIP on these.
    pub sip: Vec<(Transport, SocketAddr)>,
    /// Pages whose scripts may connect by WebSocket; empty: all.
    pub origins: Vec<String>,
    /// Who is told other addresses.
    pub networks: Networks,
    /// The address peers reach us at, when it is not the one bound.
    pub advertise: Option<IpAddr>,
    /// HTTP on this one; `None`: no HTTP.
    pub http: Option<SocketAddr>,
    /// What the links are made of that phones fetch their settings from; `None`: there are none.
    pub provision_key: Option<String>,
    /// Folder of journal and store; `None`: nothing is written and records live in memory.
    pub data: Option<PathBuf>,
    /// How recordings are filed.
    pub filing: Filing,
    /// Folder whose prompts replace the built-in ones of the same id.
    pub prompts: Option<PathBuf>,
    /// Whose telephone tones are heard.
    pub country: &'static Country,
    /// Media threads.
    pub media_threads: usize,
    /// How log lines look.
    pub log: LogFormat,
    /// At a graceful stop calls may go on so long.
    pub drain: Duration,
    /// Waits are foreseen this often while somebody waits; zero: never.
    pub forecast_every: Duration,
    /// The newest SIP messages are kept within so many bytes; 0: none.
    pub trace: usize,
    /// Where SIP messages are mirrored to.
    pub hep: Option<HepSetup>,
    /// Who is told of each message a caller leaves.
    pub message_webhook: Option<String>,
    /// Who is asked for names of trunks.
    pub dns: DnsSetup,
    /// Who speaks what is not recorded.
    pub tts: Option<TtsSetup>,
}

impl Site {
    /// Headers by which trunks are told apart: only they and we know what stands in them.
    pub fn secrets(&self) -> impl Iterator<Item = Name> {
        self.setup.trunks.iter().filter_map(|trunk| Some(trunk.secret.as_ref()?.header.clone()))
    }
}

impl Shell {
    /// Where recordings are; `None`: nothing is recorded.
    pub fn archive(&self) -> Option<Archive> {
        let folder = self.data.as_deref()?.join("recordings");
        Some(Archive { folder, keys: self.filing.keys.clone() })
    }

    /// Our SIP addresses, as phones are told.
    pub fn locals(&self) -> Vec<(Transport, SocketAddr)> {
        self.sip.iter().map(|(transport, at)| (*transport, advertised(*at, self.advertise))).collect()
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The outcome of reading: a site unless there are errors, and all that was noticed.
#[derive(Debug)]
pub struct Loaded {
    /// What was read; `None` when any of `diagnostics` is an error.
    pub site: Option<Site>,
    /// Mistakes and warnings, file by file in the order of the lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads `path`, or the built-in sample.
pub fn load(path: Option<&Path>) -> Loaded {
    load_with(path, None)
}

/// The same with these agents in place of those in the file of agents; called so in messages.
pub fn load_with(path: Option<&Path>, staff: Option<&Staff>) -> Loaded {
    match open(path) {
        Ok((shown, source)) => read_with(&shown, &source, folder_of(path), staff),
        Err(diagnostics) => Loaded { site: None, diagnostics },
    }
}

/// What `path`, or the built-in sample, is called and says.
fn open(path: Option<&Path>) -> Result<(String, String), Vec<Diagnostic>> {
    let Some(path) = path else { return Ok((SAMPLE_NAME.into(), SAMPLE.into())) };
    let shown = path.display().to_string();
    let missing = |message| vec![Diagnostic::whole(&shown, message).help("name an existing file with --config FILE")];
    let source = read_file(path).map_err(missing)?;
    Ok((shown, source))
}

/// What relative paths in the file start from.
fn folder_of(path: Option<&Path>) -> &Path {
    path.and_then(Path::parent).unwrap_or(Path::new(""))
}

/// What dialplans stand on: the names they may use and the folder they are in.
#[derive(Debug)]
pub struct Ground {
    /// Queues, skills, prompts, ….
    pub names: Names,
    /// `server.dialplans`.
    pub folder: Option<PathBuf>,
    /// What is wrong with the configuration itself.
    pub diagnostics: Vec<Diagnostic>,
}

/// The ground `path`, or the built-in sample, gives to dialplans, whatever they say.
///
/// # Errors
/// The file cannot be read or is no TOML.
pub fn ground(path: Option<&Path>) -> Result<Ground, Vec<Diagnostic>> {
    let (shown, source) = open(path)?;
    let mut sheet = Sheet::new(&shown, &source);
    let Some(Sections { server, roster, beside, .. }) = sections(&mut sheet, &source, folder_of(path), None) else {
        return Err(sheet.into_found());
    };
    let names = names(&roster, &server, &prompts::Catalogue::of(server.shell.prompts.as_deref()));
    let mut diagnostics = sheet.into_found();
    diagnostics.extend(beside);
    Ok(Ground { names, folder: server.dialplans, diagnostics })
}

/// Reads `source`, called `file` in messages; relative paths in it are below `folder`.
pub fn read(file: &str, source: &str, folder: &Path) -> Loaded {
    read_with(file, source, folder, None)
}

fn read_with(file: &str, source: &str, folder: &Path, staff: Option<&Staff>) -> Loaded {
    let mut sheet = Sheet::new(file, source);
    let Some(Sections { server, roster, staff, live, beside }) = sections(&mut sheet, source, folder, staff) else {
        return Loaded { site: None, diagnostics: sheet.into_found() };
    };
    let prompts = prompts::Catalogue::of(server.shell.prompts.as_deref());
    let mut shelf = Shelf::folder(server.dialplans.as_deref(), &names(&roster, &server, &prompts));
    let dialplans = shelf.dialplans();
    let plans: Vec<&str> = dialplans.iter().map(|(name, _)| &**name).collect();
    let whole = shelf.diagnostics.iter().all(|d| d.severity == Severity::Warning);
    check::numbers(&roster, &plans, whole, &mut sheet);
    check::server(&server, &mut sheet);
    check::certified(&roster, &server, &mut sheet);
    check::bound(&roster, &server, &mut sheet);
    check::fallback(&server, &prompts.ids(), &mut sheet);
    let mut words = roster.words();
    words.prompts = Some(prompts.ids());
    sheet.resolve(&words);
    check::backups(&roster, &server, &mut sheet);
    let mut diagnostics = sheet.into_found();
    diagnostics.extend(beside);
    diagnostics.append(&mut shelf.diagnostics);
    diagnostics.extend(prompts.unreadable().cloned());
    if server.shell.data.is_none() && server.dialplans.is_some() {
        diagnostics.extend(shelf.recording().map(|file| {
            let nowhere = "callers' words are recorded, and `server.data` is not set: every recording fails";
            Diagnostic::whole(file, nowhere).warning().help("set `server.data` to a folder that is kept")
        }));
    }
    if whole {
        let greetings = roster.agents().filter_map(|agent| agent.greeting.clone());
        diagnostics.extend(prompts.unused(&shelf.prompts().into_iter().chain(greetings).collect()));
    }
    let refused = diagnostics.iter().any(|d| d.severity == Severity::Error);
    let sources = shelf.plans.into_iter().map(|(source, _)| source).collect();
    let site = (!refused).then(|| Site {
        setup: server.setup(&roster, dialplans),
        shell: server.shell,
        tls: TlsSetup {
            identities: server.identities,
            trunks: roster.trunks.iter().filter_map(trunk::Trunk::tls).collect(),
        },
        sources,
        bots: roster.bots.iter().map(|bot| bot.setup.clone()).collect(),
        words,
        staff,
        live,
    });
    Loaded { site, diagnostics }
}

/// All sections of a configuration, the file of agents and the changes while it ran.
struct Sections {
    server: server::Server,
    roster: roster::Roster,
    staff: Option<Staff>,
    live: Live,
    /// What is wrong with the file of agents and that of changes.
    beside: Vec<Diagnostic>,
}

/// All of it, checked among itself; `None`: it is no TOML.
fn sections(sheet: &mut Sheet, source: &str, folder: &Path, staff: Option<&Staff>) -> Option<Sections> {
    let (table, mistakes) = DeTable::parse_recoverable(source);
    if !mistakes.is_empty() {
        for mistake in mistakes {
            sheet.error(mistake.span().map_or(0, |s| s.start), mistake.message());
        }
        return None;
    }
    let mut root = Section::new(table.get_ref(), 0, "the file");
    sheet.folder = folder.to_path_buf();
    let mut server = server::read(&mut root, sheet, folder);
    sheet.utc_offset_minutes = server.utc_offset_minutes;
    let mut roster = roster::read(&mut root, sheet, server.utc_offset_minutes, server.shell.data.is_some());
    server.shell.filing = std::mem::take(&mut roster.filing);
    let given = root.read(sheet, "agents", sheet::text);
    root.finish(sheet);
    let staff = given.and_then(|path| open_staff(&path, folder, staff, sheet));
    let (shown, rows) = staff.as_ref().map_or(("", ""), |staff| (&*staff.shown, &*staff.source));
    let mut list = Sheet::new(shown, rows);
    list.utc_offset_minutes = server.utc_offset_minutes;
    if staff.is_some() {
        roster.staff = staff::read(&mut list, rows);
    }
    let (path, source, mut beside) = live::open(server.shell.data.as_ref());
    let shown = path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let mut changes = Sheet::new(&shown, &source);
    changes.utc_offset_minutes = server.utc_offset_minutes;
    let live = Live::lay(path, &source, &mut changes, &mut roster);
    check::roster(&roster, sheet, &mut list);
    check::aliases(&roster, server.slots, sheet, &mut list);
    beside.extend(list.into_found());
    beside.extend(changes.into_found());
    Some(Sections { server, roster, staff, live, beside })
}

/// The file of agents; `instead` may stand in for it.
fn open_staff(path: &Read<String>, folder: &Path, instead: Option<&Staff>, sheet: &mut Sheet) -> Option<Staff> {
    let target = folder.join(&path.value);
    if let Some(staff) = instead {
        return Some(Staff { path: target, ..staff.clone() });
    }
    let staff = read_bytes(&target).and_then(|bytes| Staff::new(target.clone(), bytes));
    let wrong = |message| {
        let help = "`agents` names a CSV file with the header number,name,password,team,site,skills,auto_ready";
        sheet.note(sheet.at(path.at, format!("{}: {message}", target.display())).help(help));
    };
    staff.map_err(wrong).ok()
}

fn names(roster: &roster::Roster, server: &server::Server, prompts: &prompts::Catalogue) -> Names {
    Names {
        queues: roster.queues.iter().map(|q| q.name.value.as_str().into()).collect(),
        skills: roster.skills.iter().map(|s| s.value.as_str().into()).collect(),
        trunks: roster.outward().map(|name| name.value.as_str().into()).collect(),
        bots: roster.bots.iter().map(|bot| bot.setup.name.clone()).collect(),
        tiers: roster.tiers.iter().map(|t| t.name.value.as_str().into()).collect(),
        schedules: roster.schedules.iter().map(schedule::Timetable::setup).collect(),
        prompts: prompts.ids(),
        languages: prompts.languages(),
        recordings: prompts.recordings(),
        mute: server.shell.tts.is_none(),
    }
}

/// The text of a file of ours.
pub(crate) fn read_file(path: &Path) -> Result<String, String> {
    let bytes = read_bytes(path)?;
    String::from_utf8(bytes).map_err(|e| format!("cannot read this file: {e}"))
}

/// What a file holds, when it is small enough for a configuration.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|e| format!("cannot read this file: {e}"))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("this file has {size} bytes; a configuration has at most {FILE_BYTES_MAX}"));
    }
    std::fs::read(path).map_err(|e| format!("cannot read this file: {e}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
