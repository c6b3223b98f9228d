//! `[[queue]]`: what its calls need, how long they may wait, and which agent is chosen.

use super::policy;
use super::server::ringing;
use super::sheet::{Read, Section, Sheet, duration, flag, integer, one_of, text};
use busyhour_acd::{AgentChoice, SKILLS_MAX, STEPS_MAX};
use busyhour_switch::{CallbackSetup, Closing, QueueSetup};
use std::time::Duration;
use toml::de::DeValue;

/// A queue, and where its keys stand.
pub(super) struct Queue {
    pub(super) at: usize,
    pub(super) name: Read<String>,
    places: Vec<(&'static str, usize)>,
    pub(super) setup: QueueSetup,
}

impl Queue {
    /// Where the value of a key stands, or the queue itself.
    pub(super) fn place(&self, key: &str) -> usize {
        self.places.iter().find(|(k, _)| *k == key).map_or(self.at, |(_, at)| *at)
    }
}

pub(super) fn queue(mut section: Section, sheet: &mut Sheet) -> Option<Queue> {
    let name = section.need(sheet, "name", text);
    let setup = QueueSetup::new(name.as_ref().map_or("", |name| &name.value).into());
    let setup = lay(&mut section, sheet, setup);
    let (at, places) = (section.at(), section.places());
    section.finish(sheet);
    Some(Queue { at, name: name?, places, setup })
}

/// Lays what the section says over `setup`.
pub(super) fn lay(section: &mut Section, sheet: &mut Sheet, mut setup: QueueSetup) -> QueueSetup {
    section.lay_levels(sheet, "skills", &mut setup.required);
    let mut steps = Vec::new();
    if let Some(sections) = section.sections_if_any(sheet, "relax") {
        setup.relax.clear();
        for mut step in sections {
            let after = step.need(sheet, "after", duration);
            let mut skills = Vec::new();
            step.lay_levels(sheet, "skills", &mut skills);
            step.finish(sheet);
            setup.relax.extend(after.as_ref().map(|after| (after.value, skills)));
            steps.extend(after);
        }
    }
    for pair in steps.windows(2).filter(|pair| pair[0].value >= pair[1].value) {
        sheet.error(pair[1].at, "relaxation steps come in rising order of `after`");
    }
    section.lay(sheet, "priority", integer, &mut setup.priority);
    section.lay(sheet, "goal", goal, &mut setup.goal);
    section.lay(sheet, "choice", choice, &mut setup.choice);
    section.lay_option(sheet, "wait_max", duration, &mut setup.wait_max);
    section.lay_option(sheet, "waiting_max", integer, &mut setup.waiting_max);
    section.lay(sheet, "overflow_no_agents", flag, &mut setup.overflow_no_agents);
    section.lay(sheet, "auto_answer", flag, &mut setup.auto_answer);
    section.lay(sheet, "wrap_up", duration, &mut setup.wrap_up);
    section.lay_option(sheet, "redial_within", duration, &mut setup.redial_within);
    section.lay_mention(sheet, "schedule", &mut setup.schedule);
    section.lay(sheet, "closing", closing, &mut setup.closing);
    section.lay_option(sheet, "record", flag, &mut setup.record);
    section.lay_mention(sheet, "retention", &mut setup.retention);
    callback(section, sheet, &mut setup.callback);
    policy::lay(section, sheet, &mut setup.policy);
    limits(section, sheet, &setup);
    setup
}

/// `callback = { max = 100, expires = "4h", … }`
fn callback(section: &mut Section, sheet: &mut Sheet, setup: &mut CallbackSetup) {
    let mut callback = section.section(sheet, "callback");
    callback.lay(sheet, "max", integer, &mut setup.max);
    callback.lay(sheet, "expires", duration, &mut setup.expires);
    callback.lay(sheet, "retries", integer, &mut setup.retries);
    callback.lay(sheet, "pause", duration, &mut setup.pause);
    callback.lay(sheet, "ring", ringing, &mut setup.ring);
    callback.finish(sheet);
}

/// What the ACD takes of one queue.
fn limits(section: &Section, sheet: &mut Sheet, setup: &QueueSetup) {
    let policy = &setup.policy;
    let longest = setup.relax.iter().map(|(_, skills)| skills.len()).chain([setup.required.len()]).max().unwrap_or(0);
    let counts = [
        ("skills", longest, SKILLS_MAX),
        ("relaxation steps", setup.relax.len(), STEPS_MAX),
        ("sites", policy.sites.len(), SKILLS_MAX),
        ("reserves", policy.reserve.len(), SKILLS_MAX),
        ("backups", policy.backup.len(), SKILLS_MAX),
    ];
    counts.into_iter().for_each(|(what, count, max)| sheet.at_most(section.at(), what, count, max));
}

fn choice(value: &DeValue) -> Result<AgentChoice, String> {
    one_of(
        value,
        "chooses nobody",
        &[
            ("least_skilled", AgentChoice::LeastSkilled),
            ("most_skilled", AgentChoice::MostSkilled),
            ("longest_idle", AgentChoice::LongestIdle),
        ],
    )
}

fn closing(value: &DeValue) -> Result<Closing, String> {
    let known = [("stay", Closing::Stay), ("overflow", Closing::Overflow)];
    one_of(value, "does nothing to those who wait", &known)
}

fn goal(value: &DeValue) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err("a service goal of zero makes every call infinitely urgent".into()),
        goal => Ok(goal),
    }
}
