//! `[[queue]]`: what its calls need, how long they may wait, and which agent is chosen.

use super::sheet::{Given, Read, Section, Sheet, duration, flag, integer, one_of, text};
use busyhour_acd::{AgentChoice, Backup, Need, Order, Reserve};
use busyhour_model::Name;
use busyhour_switch::{Closing, QueueSetup};
use std::time::Duration;
use toml::de::DeValue;

/// A queue, and where its keys stand.
pub(super) struct Queue {
    pub(super) at: usize,
    pub(super) name: Read<String>,
    pub(super) relax: Vec<Read<Duration>>,
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
    let (setup, relax) = lay(&mut section, sheet, setup);
    let (at, places) = (section.at(), section.places());
    section.finish(sheet);
    Some(Queue { at, name: name?, relax, places, setup })
}

/// Lays what the section says over `setup`; and where the relaxation steps stand.
pub(super) fn lay(
    section: &mut Section,
    sheet: &mut Sheet,
    mut setup: QueueSetup,
) -> (QueueSetup, Vec<Read<Duration>>) {
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
    section.lay(sheet, "priority", integer, &mut setup.priority);
    section.lay(sheet, "goal", goal, &mut setup.goal);
    section.lay(sheet, "choice", choice, &mut setup.choice);
    section.lay_option(sheet, "wait_max", duration, &mut setup.wait_max);
    section.lay_option(sheet, "waiting_max", integer, &mut setup.waiting_max);
    section.lay(sheet, "overflow_no_agents", flag, &mut setup.overflow_no_agents);
    section.lay(sheet, "wrap_up", duration, &mut setup.wrap_up);
    section.lay_option(sheet, "redial_within", duration, &mut setup.redial_within);
    section.lay_mention(sheet, "schedule", &mut setup.schedule);
    section.lay(sheet, "closing", closing, &mut setup.closing);
    policy(section, sheet, &mut setup);
    (setup, steps)
}

fn policy(section: &mut Section, sheet: &mut Sheet, setup: &mut QueueSetup) {
    let policy = &mut setup.policy;
    section.lay(sheet, "order", order, &mut policy.order);
    lay_need(section, sheet, "need", &mut policy.need);
    lay_need(section, sheet, "prefer", &mut policy.preferred);
    section.lay(sheet, "weight", weight, &mut policy.weight);
    section.lay_option(sheet, "wait_predicted_max", duration, &mut policy.wait_predicted_max);
    if let Some(sections) = section.sections_if_any(sheet, "sites") {
        policy.sites.clear();
        for mut site in sections {
            let name = site.need(sheet, "site", text);
            let mut after = Duration::ZERO;
            site.lay(sheet, "after", duration, &mut after);
            site.finish(sheet);
            let Some(name) = name else { continue };
            sheet.mention("site", name.clone());
            policy.sites.push((name.value.into(), after));
        }
    }
    if let Some(sections) = section.sections_if_any(sheet, "reserve") {
        policy.reserve.clear();
        for mut reserve in sections {
            let of = reserve.need(sheet, "of", text).and_then(|text| expression(sheet, &text));
            let keep = reserve.need(sheet, "keep", integer);
            reserve.finish(sheet);
            policy.reserve.extend(of.zip(keep).map(|(of, keep)| Reserve { of, keep: keep.value }));
        }
    }
    if let Some(sections) = section.sections_if_any(sheet, "backup") {
        policy.backup.clear();
        for mut backup in sections {
            let of = backup.need(sheet, "of", text).and_then(|text| expression(sheet, &text));
            let wait = backup.need(sheet, "wait", duration);
            backup.finish(sheet);
            policy.backup.extend(of.zip(wait).map(|(of, wait)| Backup { of, wait: wait.value }));
        }
    }
}

fn lay_need(section: &mut Section, sheet: &mut Sheet, key: &'static str, need: &mut Option<Need<Name>>) {
    match section.option(sheet, key, text) {
        Given::Not => {}
        Given::None => *need = None,
        Given::Some(text) => *need = expression(sheet, &text),
    }
}

/// `mandarin>=2 and (card or loan) and not trainee`.
fn expression(sheet: &mut Sheet, text: &Read<String>) -> Option<Need<Name>> {
    let begin = sheet.inside(text);
    let mut skills = Vec::new();
    let need = Need::parse(&text.value, &mut |name, at| {
        skills.push(Read { value: name.to_string(), at: begin + at });
        Name::from(name)
    });
    skills.into_iter().for_each(|skill| sheet.mention("skill", skill));
    need.map_err(|misread| sheet.error(begin + misread.at, misread.what)).ok()
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

fn order(value: &DeValue) -> Result<Order, String> {
    one_of(
        value,
        "is no order of agents",
        &[
            ("longest_idle", Order::LongestIdle),
            ("longest_since_contact", Order::LongestSinceContact),
            ("longest_since_call", Order::LongestSinceCall),
            ("least_occupied", Order::LeastOccupied),
            ("fewest_calls", Order::FewestCalls),
            ("least_talk", Order::LeastTalk),
            ("round_robin", Order::RoundRobin),
            ("linear", Order::Linear),
            ("random", Order::Random),
            ("fastest", Order::Fastest),
        ],
    )
}

fn goal(value: &DeValue) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err("a service goal of zero makes every call infinitely urgent".into()),
        goal => Ok(goal),
    }
}

/// Ageing in percent.
fn weight(value: &DeValue) -> Result<u32, String> {
    match integer::<u32>(value)? {
        weight @ 1..=10_000 => Ok(weight),
        other => Err(format!("{other} is no weight: 1 to 10000 percent; 100 ages as `goal` says")),
    }
}
