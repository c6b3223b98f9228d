//! Agents in a CSV file of their own, every mistake located.

use super::agent::{self, Agent, NUMBER_HELP};
use super::csv::{self, Field};
use super::roster::NO_TEAM;
use super::sheet::{self, Read, Sheet};
use busyhour_acd::SKILLS_MAX;
use busyhour_model::Name;
use busyhour_switch::AgentSetup;
use std::path::PathBuf;

/// What the columns are called, in the order in which a new file has them.
const COLUMNS: [&str; 11] =
    ["number", "name", "password", "pin", "aliases", "team", "site", "skills", "queues", "weight", "auto_ready"];
/// Spreadsheets begin a file in UTF-8 with this.
const MARK: &str = "\u{feff}";

/// A file of agents, as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staff {
    /// Where it belongs.
    pub path: PathBuf,
    /// What it is called in messages.
    pub shown: String,
    /// What it says, without the mark of UTF-8.
    pub source: String,
    /// It begins with that mark.
    pub(super) marked: bool,
}

impl Staff {
    /// From the bytes of a file.
    ///
    /// # Errors
    /// One sentence, when they are no UTF-8.
    pub fn new(path: PathBuf, bytes: Vec<u8>) -> Result<Staff, String> {
        let source = String::from_utf8(bytes).map_err(|e| {
            let valid = e.utf8_error().valid_up_to();
            let line = e.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line} is not in UTF-8, maybe in GBK: save it as \"CSV UTF-8 (comma delimited)\"")
        })?;
        let (shown, stripped) = (path.display().to_string(), source.strip_prefix(MARK).map(str::to_string));
        Ok(Staff { path, shown, marked: stripped.is_some(), source: stripped.unwrap_or(source) })
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        [if self.marked { MARK } else { "" }, &self.source].concat().into_bytes()
    }
}

/// Reads all agents; `sheet` is of the file.
pub(super) fn read(sheet: &mut Sheet, source: &str) -> Vec<Agent> {
    let rows = match csv::rows(source) {
        Ok(rows) => rows,
        Err((at, message)) => {
            sheet.error(at, message);
            return Vec::new();
        }
    };
    let Some((header, rows)) = rows.split_first() else {
        let mistake = sheet.at(0, "there is no header");
        sheet.note(mistake.help(format!("the first line names the columns: {}", COLUMNS.join(","))));
        return Vec::new();
    };
    let columns = columns(sheet, header);
    rows.iter().filter_map(|row| agent(sheet, &columns, row)).collect()
}

/// The columns by their place.
fn columns(sheet: &mut Sheet, header: &[Field]) -> Vec<Option<&'static str>> {
    let mut columns: Vec<Option<&'static str>> = Vec::new();
    if header.len() == 1 && header[0].text.contains([';', '\t']) {
        let mistake = sheet.at(header[0].at, "the columns are not separated by commas");
        sheet.note(mistake.help("save it as \"CSV UTF-8 (comma delimited)\""));
        return columns;
    }
    for field in header {
        let known = COLUMNS.into_iter().find(|column| field.text.eq_ignore_ascii_case(column));
        if known.is_none() {
            let mistake = sheet.at(field.at, format!("no column is named `{}`", field.text));
            let near = mistake.suggest(&field.text, COLUMNS);
            let all = format!("known: {}", COLUMNS.join(", "));
            sheet.note(if near.help.is_none() { near.help(all) } else { near });
        } else if columns.contains(&known) {
            sheet.error(field.at, format!("a second column is named `{}`", field.text));
        }
        columns.push(known);
    }
    for needed in ["number", "password"] {
        if !columns.contains(&Some(needed)) {
            sheet.error(0, format!("the header needs `{needed}`"));
        }
    }
    columns
}

fn agent(sheet: &mut Sheet, columns: &[Option<&'static str>], row: &[Field]) -> Option<Agent> {
    if row.len() != columns.len() {
        let mistake = sheet.at(row[0].at, format!("{} fields under {} columns", row.len(), columns.len()));
        sheet.note(mistake.help("a field with a comma in it stands in double quotes"));
        return None;
    }
    let field = |column: &str| columns.iter().position(|c| *c == Some(column)).map(|at| &row[at]);
    let given = |column: &str| field(column).filter(|field| !field.text.is_empty());
    let number = given("number").filter(|field| agent::fits(&field.text));
    if number.is_none() {
        let text = field("number").map_or("", |field| &field.text);
        let at = field("number").map_or(row[0].at, |field| field.at);
        sheet.error(at, format!("`{text}` {NUMBER_HELP}"));
    }
    let password = given("password");
    if password.is_none()
        && let Some(field) = field("password")
    {
        sheet.error(field.at, "a password may not be empty");
    }
    let mut setup = AgentSetup::new(number.map_or("", |field| &field.text).into());
    setup.password = password.map_or("", |field| &field.text).into();
    if let Some(name) = given("name") {
        setup.name.clone_from(&name.text);
    }
    setup.team = given("team").map_or_else(|| NO_TEAM.into(), |field| mentioned(sheet, "team", field));
    setup.site = given("site").map(|field| mentioned(sheet, "site", field));
    lists(sheet, given("skills"), given("queues"), &mut setup);
    if let Some(field) = given("pin") {
        match agent::pinned(&field.text) {
            Ok(pin) => setup.pin = Some(pin),
            Err(message) => sheet.error(field.at, message),
        }
    }
    if let Some(field) = given("weight") {
        match field.text.parse().map_err(|_| format!("`{}` is no whole number", field.text)).and_then(agent::weighed) {
            Ok(weight) => setup.weight = weight,
            Err(message) => sheet.error(field.at, message),
        }
    }
    if let Some(field) = given("auto_ready") {
        match &*field.text.to_ascii_lowercase() {
            "yes" | "true" | "1" => setup.auto_ready = true,
            "no" | "false" | "0" => {}
            other => sheet.error(field.at, format!("`{other}` is neither `yes` nor `no`")),
        }
    }
    let aliases = aliases(sheet, given("aliases"));
    setup.aliases = aliases.iter().map(|alias| alias.value.as_str().into()).collect();
    let (number, password) = (number?, password?);
    Some(Agent { number: Read { value: number.text.clone(), at: number.at }, password: password.at, aliases, setup })
}

/// `8001 lee`.
fn aliases(sheet: &mut Sheet, field: Option<&Field>) -> Vec<Read<String>> {
    let alias = |(at, item): (usize, &str)| Read { value: item.to_string(), at };
    let aliases: Vec<_> = field.into_iter().flat_map(items).map(alias).collect();
    for alias in aliases.iter().filter(|alias| !agent::fits(&alias.value)) {
        sheet.error(alias.at, format!("`{}` {NUMBER_HELP}", alias.value));
    }
    sheet.at_most(field.map_or(0, |field| field.at), "aliases", aliases.len(), agent::ALIASES_MAX);
    aliases
}

fn mentioned(sheet: &mut Sheet, kind: &'static str, field: &Field) -> Name {
    sheet.mention(kind, Read { value: field.text.clone(), at: field.at });
    field.text.as_str().into()
}

/// `enquiry=3 vip=2@2026-12-31`, and `enquiry=50`.
fn lists(sheet: &mut Sheet, skills: Option<&Field>, queues: Option<&Field>, setup: &mut AgentSetup) {
    for (at, item) in skills.into_iter().flat_map(items) {
        match skill(item) {
            Ok((name, level, until)) => {
                if setup.skills.iter().any(|(held, _)| **held == *name) {
                    sheet.error(at, format!("a second level of `{name}`"));
                }
                sheet.mention("skill", Read { value: name.into(), at });
                agent::hold(setup, &name.into(), Some((level, until)), sheet.utc_offset_minutes);
            }
            Err(message) => sheet.error(at, message),
        }
    }
    for (at, item) in queues.into_iter().flat_map(items) {
        let points = item.split_once('=').and_then(|(queue, points)| Some((queue, points.parse::<i32>().ok()?)));
        match points.map(|(queue, points)| (queue, agent::liked(points))) {
            Some((queue, Ok(points))) => {
                sheet.mention("queue", Read { value: queue.into(), at });
                setup.prefers.push((queue.into(), points));
            }
            Some((_, Err(message))) => sheet.error(at, message),
            None => sheet.error(at, format!("`{item}` is no queue with points like `enquiry=50`")),
        }
    }
    let at = skills.or(queues).map_or(0, |field| field.at);
    sheet.at_most(at, "skills", setup.skills.len(), SKILLS_MAX);
    sheet.at_most(at, "queues", setup.prefers.len(), SKILLS_MAX);
}

/// The words of a field, and where each stands.
fn items(field: &Field) -> impl Iterator<Item = (usize, &str)> {
    field.text.split_whitespace().map(|item| (field.at + item.as_ptr() as usize - field.text.as_ptr() as usize, item))
}

/// `vip`, `vip=2`, `vip=2@2026-12-31`.
pub(super) fn skill(item: &str) -> Result<(&str, u8, Option<i32>), String> {
    let (rest, until) = match item.split_once('@') {
        Some((rest, date)) => (rest, Some(sheet::dated(date)?)),
        None => (item, None),
    };
    let (name, level) = rest.split_once('=').unwrap_or((rest, "1"));
    let level = level.parse().map_err(|_| format!("`{level}` is no skill level: 1 (lowest) to 100"))?;
    Ok((name, sheet::levelled(level)?, until))
}
