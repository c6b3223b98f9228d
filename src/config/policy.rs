//! What a `[[queue]]` may ask for beyond skills: needs, order of agents, sites, reserves, weights.

use super::sheet::{Given, Read, Section, Sheet, duration, integer, one_of, text};
use busyhour_acd::{Backup, Need, Order, Policy, RING_MAX, Reserve, Weights};
use busyhour_model::Name;
use std::time::Duration;
use toml::de::DeValue;

/// Lays what the section says over `policy`.
pub(super) fn lay(section: &mut Section, sheet: &mut Sheet, policy: &mut Policy<Name, Name>) {
    section.lay(sheet, "order", order, &mut policy.order);
    lay_need(section, sheet, "need", &mut policy.need);
    lay_need(section, sheet, "prefer", &mut policy.preferred);
    section.lay(sheet, "weight", weight, &mut policy.weight);
    section.lay_option(sheet, "wait_predicted_max", duration, &mut policy.wait_predicted_max);
    section.lay(sheet, "ring_max", ring_max, &mut policy.ring_max);
    let mut weights = section.section(sheet, "weights");
    weights.lay(sheet, "skill", part, &mut policy.weights.skill);
    weights.lay(sheet, "load", part, &mut policy.weights.load);
    weights.lay(sheet, "business", part, &mut policy.weights.business);
    weights.lay(sheet, "efficiency", part, &mut policy.weights.efficiency);
    if policy.weights == (Weights { skill: 0, load: 0, business: 0, efficiency: 0 }) {
        sheet.error(weights.at(), "nothing counts when all weights are 0");
    }
    weights.finish(sheet);
    let mut no_answer = section.section(sheet, "no_answer");
    no_answer.lay(sheet, "misses_max", misses, &mut policy.no_answer.misses_max);
    no_answer.lay_option(sheet, "pause", duration, &mut policy.no_answer.pause);
    no_answer.finish(sheet);
    lists(section, sheet, policy);
}

fn lists(section: &mut Section, sheet: &mut Sheet, policy: &mut Policy<Name, Name>) {
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

fn order(value: &DeValue) -> Result<Order, String> {
    one_of(
        value,
        "is no order of agents",
        &[
            ("longest_idle", Order::LongestIdle),
            ("longest_since_contact", Order::LongestSinceContact),
            ("longest_since_call", Order::LongestSinceCall),
            ("longest_since_queue_call", Order::LongestSinceQueueCall),
            ("least_occupied", Order::LeastOccupied),
            ("fewest_calls", Order::FewestCalls),
            ("least_talk", Order::LeastTalk),
            ("round_robin", Order::RoundRobin),
            ("linear", Order::Linear),
            ("random", Order::Random),
            ("fastest", Order::Fastest),
            ("weighted", Order::Weighted),
        ],
    )
}

/// Ageing in percent.
fn weight(value: &DeValue) -> Result<u32, String> {
    match integer::<u32>(value)? {
        weight @ 1..=10_000 => Ok(weight),
        other => Err(format!("{other} is no weight: 1 to 10000 percent; 100 ages as `goal` says")),
    }
}

/// A weight beside others.
fn part(value: &DeValue) -> Result<u32, String> {
    within(value, 0, 1_000)
}

/// Agents rung at once.
fn ring_max(value: &DeValue) -> Result<u32, String> {
    within(value, 1, RING_MAX)
}

/// Calls missed in a row.
fn misses(value: &DeValue) -> Result<u32, String> {
    within(value, 1, 100)
}

fn within(value: &DeValue, least: u32, most: u32) -> Result<u32, String> {
    let count = integer::<u32>(value)?;
    let fits = (least..=most).contains(&count);
    if fits { Ok(count) } else { Err(format!("{count} is not between {least} and {most}")) }
}
