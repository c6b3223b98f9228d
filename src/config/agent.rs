//! `[[agent]]`: who takes calls, where, and what they can do.

use super::roster::NO_TEAM;
use super::sheet::{Read, Section, Sheet, flag, held, integer, parsed, text};
use busyhour_acd::SKILLS_MAX;
use busyhour_model::{Name, calendar};
use busyhour_switch::AgentSetup;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Agents one `numbers = "1001-1010"` may define.
const RANGE_MAX: u64 = 10_000;
/// What is said of a number that does not fit.
pub(super) const NUMBER_HELP: &str = "is no agent number; use letters, digits, `-`, `_`, `.`";
/// Digits of a PIN.
const PIN_DIGITS: RangeInclusive<usize> = 4..=12;
/// Points an agent may give or take a queue.
const POINTS_MAX: u32 = 1_000_000;

/// Keys of an agent's phone.
const OF_PHONES: [&str; 3] = ["password", "pin", "auto_answer"];

/// Calls of one agent that may be limited to.
const CALLS_MAX: u32 = 100;

/// Other numbers and names of one agent.
pub(super) const ALIASES_MAX: usize = 8;

/// An agent, and where number, password and aliases stand.
pub(super) struct Agent {
    pub(super) number: Read<String>,
    pub(super) password: usize,
    pub(super) aliases: Vec<Read<String>>,
    pub(super) setup: AgentSetup,
}

pub(super) fn agents(mut section: Section, sheet: &mut Sheet) -> Vec<Agent> {
    let numbers = match section.read(sheet, "numbers", range) {
        Some(range) => range.value.into_iter().map(|value| Read { value, at: range.at }).collect(),
        None => section.need(sheet, "number", agent_number).into_iter().collect::<Vec<_>>(),
    };
    let password = if section.has("bot") { Some(section.at()) } else { password(&mut section, sheet) };
    let aliases = section.list(sheet, "aliases", agent_number).unwrap_or_default();
    sheet.at_most(section.at(), "aliases", aliases.len(), ALIASES_MAX);
    if let Some(alias) = aliases.first().filter(|_| numbers.len() > 1) {
        sheet.error(alias.at, format!("`{}` would be an alias of {} agents", alias.value, numbers.len()));
    }
    // Nobody is there to say that it is ready.
    let auto_ready = section.has("bot");
    let base = AgentSetup { name: String::new(), auto_ready, ..AgentSetup::new("".into()) };
    let mut setup = lay(&mut section, sheet, base);
    setup.aliases = aliases.iter().map(|alias| alias.value.as_str().into()).collect();
    section.finish(sheet);
    let Some(password) = password else { return Vec::new() };
    let agent = |number: Read<String>| {
        let name = if setup.name.is_empty() { number.value.clone() } else { setup.name.clone() };
        let setup = AgentSetup { number: number.value.as_str().into(), name, ..setup.clone() };
        Agent { number, password, aliases: aliases.clone(), setup }
    };
    numbers.into_iter().map(agent).collect()
}

fn password(section: &mut Section, sheet: &mut Sheet) -> Option<usize> {
    section.need(sheet, "password", text).map(|password| password.at)
}

/// A bot has no phone: what is about one is a mistake.
fn phoneless(section: &mut Section, sheet: &mut Sheet, setup: &AgentSetup) {
    let places = section.places();
    for (key, at) in places.into_iter().filter(|(key, _)| setup.bot.is_some() && OF_PHONES.contains(key)) {
        let mistake = sheet.at(at, format!("a bot has no phone: `{key}` means nothing beside `bot`"));
        sheet.note(mistake.help("leave one of them out"));
    }
}

/// Lays what the section says over `setup`.
pub(super) fn lay(section: &mut Section, sheet: &mut Sheet, mut setup: AgentSetup) -> AgentSetup {
    section.lay(sheet, "password", name, &mut setup.password);
    section.lay_mention(sheet, "bot", &mut setup.bot);
    section.lay_option(sheet, "pin", pin, &mut setup.pin);
    section.lay(sheet, "name", text, &mut setup.name);
    let mut team = Some(setup.team);
    section.lay_mention(sheet, "team", &mut team);
    setup.team = team.unwrap_or_else(|| NO_TEAM.into());
    section.lay_mention(sheet, "site", &mut setup.site);
    skills(section, sheet, &mut setup);
    for (queue, points) in section.map(sheet, "queues", points) {
        let name = Name::from(queue.value.as_str());
        sheet.mention("queue", queue);
        setup.prefers.retain(|(known, _)| *known != name);
        setup.prefers.extend(points.map(|points| (name, points)));
    }
    if let Some(queues) = section.list(sheet, "mailboxes", text) {
        setup.mailboxes = queues.iter().map(|queue| queue.value.as_str().into()).collect();
        queues.into_iter().for_each(|queue| sheet.mention("queue", queue));
    }
    section.lay(sheet, "weight", weight, &mut setup.weight);
    section.lay(sheet, "auto_ready", flag, &mut setup.auto_ready);
    section.lay(sheet, "auto_answer", flag, &mut setup.auto_answer);
    section.lay_name_of(sheet, "greeting", "prompt", &mut setup.greeting);
    section.lay_option(sheet, "calls_max", calls, &mut setup.calls_max);
    phoneless(section, sheet, &setup);
    sheet.at_most(section.at(), "skills", setup.skills.len(), SKILLS_MAX);
    sheet.at_most(section.at(), "queues", setup.prefers.len(), SKILLS_MAX);
    sheet.at_most(section.at(), "mailboxes", setup.mailboxes.len(), SKILLS_MAX);
    setup
}

/// `skills = { enquiry = 3, vip = { level = 2, until = "2026-12-31" } }`.
fn skills(section: &mut Section, sheet: &mut Sheet, setup: &mut AgentSetup) {
    for (skill, held) in section.map(sheet, "skills", held) {
        let name = Name::from(skill.value.as_str());
        sheet.mention("skill", skill);
        hold(setup, &name, held, sheet.utc_offset_minutes);
    }
}

/// From now on the agent holds the skill at this level, through that day; or not at all.
pub(super) fn hold(setup: &mut AgentSetup, skill: &Name, held: Option<(u8, Option<i32>)>, utc_offset_minutes: i32) {
    setup.skills.retain(|(known, _)| known != skill);
    setup.expires.retain(|(known, _)| known != skill);
    if let Some((level, until)) = held {
        setup.skills.push((skill.clone(), level));
        let midnight = until.map(|day| calendar::midnight(day + 1, utc_offset_minutes));
        setup.expires.extend(midnight.map(|end| (skill.clone(), end)));
    }
}

/// Points by which an agent prefers a queue; `None` for `"none"`.
fn points(value: &DeValue) -> Result<Option<i32>, String> {
    if value.as_str() == Some("none") {
        return Ok(None);
    }
    integer(value).and_then(liked).map(Some)
}

pub(super) fn liked(points: i32) -> Result<i32, String> {
    let fits = points.unsigned_abs() <= POINTS_MAX;
    if fits { Ok(points) } else { Err(format!("{points} points are more than {POINTS_MAX}")) }
}

fn name(value: &DeValue) -> Result<Name, String> {
    text(value).map(Name::from)
}

/// Digits, as they are dialled.
fn pin(value: &DeValue) -> Result<Name, String> {
    pinned(&text(value)?)
}

/// A PIN is never shown, in a mistake neither.
pub(super) fn pinned(pin: &str) -> Result<Name, String> {
    let fits = PIN_DIGITS.contains(&pin.len()) && pin.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = || format!("a PIN has {} to {} digits", PIN_DIGITS.start(), PIN_DIGITS.end());
    if fits { Ok(pin.into()) } else { Err(wrong()) }
}

fn weight(value: &DeValue) -> Result<u32, String> {
    integer(value).and_then(weighed)
}

/// Chances in a lot.
pub(super) fn weighed(weight: u32) -> Result<u32, String> {
    match weight {
        weight @ 1..=1_000 => Ok(weight),
        other => Err(format!("{other} is no weight of an agent: 1 to 1000")),
    }
}

fn calls(value: &DeValue) -> Result<u32, String> {
    match integer(value)? {
        calls @ 1..=CALLS_MAX => Ok(calls),
        other => Err(format!("{other} is no number of calls at once: 1 to {CALLS_MAX}, or leave it out")),
    }
}

pub(super) fn agent_number(value: &DeValue) -> Result<String, String> {
    let number = parsed::<String>(value)?;
    if fits(&number) { Ok(number) } else { Err(format!("`{number}` {NUMBER_HELP}")) }
}

/// Whether an agent may have this number.
pub(super) fn fits(number: &str) -> bool {
    let known = number.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    known && (1..=32).contains(&number.len())
}

/// `"1001-1010"`.
pub(super) fn range(value: &DeValue) -> Result<Vec<String>, String> {
    let range = text(value)?;
    let bounds =
        range.split_once('-').and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?, a.len())));
    match bounds {
        Some((first, last, _)) if last < first => Err(format!("the range {range} runs backwards")),
        Some((first, last, _)) if last - first >= RANGE_MAX => Err(format!("{range} is more than {RANGE_MAX} agents")),
        Some((first, last, width)) => Ok((first..=last).map(|n| format!("{n:0width$}")).collect()),
        None => Err(format!("`{range}` is no range of agent numbers; write \"1001-1010\"")),
    }
}
