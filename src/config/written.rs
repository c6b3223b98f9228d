//! An agent or a queue as it is, in the keys of the configuration: what is shown may be laid over again.

use busyhour_acd::Need;
use busyhour_model::calendar::{self, Local};
use busyhour_model::{Name, Time};
use busyhour_switch::{AgentSetup, QueueSetup};
use serde::Serialize;
use std::time::Duration;
use toml::{Table, Value};

/// Every key of an `[[agent]]` but number, aliases, password and PIN.
pub fn agent(setup: &AgentSetup, utc_offset_minutes: i32) -> Table {
    let until = |end: Time| calendar::written(Local::of(end - Duration::from_secs(1), utc_offset_minutes).day);
    let skill = |(name, level): &(Name, u8)| {
        let level = i64::from(*level);
        let held = match setup.expires.iter().find(|(known, _)| known == name) {
            Some((_, end)) => table([("level", level.into()), ("until", until(*end).into())]),
            None => level.into(),
        };
        (name.to_string(), held)
    };
    let points = |(queue, points): &(Name, i32)| (queue.to_string(), i64::from(*points).into());
    keys([
        ("name", setup.name.as_str().into()),
        ("bot", setup.bot.as_deref().unwrap_or("none").into()),
        ("team", (*setup.team).into()),
        ("site", setup.site.as_deref().unwrap_or("none").into()),
        ("skills", Value::Table(setup.skills.iter().map(skill).collect())),
        ("queues", Value::Table(setup.prefers.iter().map(points).collect())),
        ("mailboxes", Value::Array(setup.mailboxes.iter().map(|queue| (**queue).into()).collect())),
        ("weight", i64::from(setup.weight).into()),
        ("auto_ready", setup.auto_ready.into()),
        ("auto_answer", setup.auto_answer.into()),
        ("greeting", setup.greeting.as_deref().unwrap_or("none").into()),
        ("calls_max", setup.calls_max.map_or("none".into(), |max| i64::from(max).into())),
    ])
}

/// Every key of a `[[queue]]` but its name.
pub fn queue(setup: &QueueSetup) -> Table {
    let (policy, callback) = (&setup.policy, &setup.callback);
    let step = |(after, skills): &(Duration, Vec<(Name, u8)>)| {
        table([("after", span(*after).into()), ("skills", levels(skills))])
    };
    let weights = &policy.weights;
    let weights = [
        ("skill", weights.skill),
        ("load", weights.load),
        ("business", weights.business),
        ("efficiency", weights.efficiency),
    ];
    let no_answer = [
        ("misses_max", i64::from(policy.no_answer.misses_max).into()),
        ("pause", optional(policy.no_answer.pause.map(span))),
    ];
    let callback = [
        ("max", i64::from(callback.max).into()),
        ("expires", span(callback.expires).into()),
        ("retries", i64::from(callback.retries).into()),
        ("pause", span(callback.pause).into()),
        ("ring", span(callback.ring).into()),
    ];
    let sites =
        policy.sites.iter().map(|(site, after)| table([("site", (**site).into()), ("after", span(*after).into())]));
    let reserve =
        policy.reserve.iter().map(|r| table([("of", r.of.to_string().into()), ("keep", i64::from(r.keep).into())]));
    let backup = policy.backup.iter().map(|b| table([("of", b.of.to_string().into()), ("wait", span(b.wait).into())]));
    keys([
        ("skills", levels(&setup.required)),
        ("relax", Value::Array(setup.relax.iter().map(step).collect())),
        ("priority", i64::from(setup.priority).into()),
        ("goal", span(setup.goal).into()),
        ("choice", word(setup.choice)),
        ("wait_max", optional(setup.wait_max.map(span))),
        ("waiting_max", setup.waiting_max.map_or("none".into(), |max| i64::from(max).into())),
        ("overflow_no_agents", setup.overflow_no_agents.into()),
        ("auto_answer", setup.auto_answer.into()),
        ("wrap_up", span(setup.wrap_up).into()),
        ("redial_within", optional(setup.redial_within.map(span))),
        ("schedule", setup.schedule.as_deref().unwrap_or("none").into()),
        ("closing", word(setup.closing)),
        ("record", setup.record.map_or("none".into(), Value::from)),
        ("retention", setup.retention.as_deref().unwrap_or("none").into()),
        ("callback", table(callback)),
        ("order", word(policy.order)),
        ("need", optional(policy.need.as_ref().map(Need::to_string))),
        ("prefer", optional(policy.preferred.as_ref().map(Need::to_string))),
        ("weight", i64::from(policy.weight).into()),
        ("wait_predicted_max", optional(policy.wait_predicted_max.map(span))),
        ("ring_max", i64::from(policy.ring_max).into()),
        ("weights", table(weights.map(|(part, weight)| (part, i64::from(weight).into())))),
        ("no_answer", table(no_answer)),
        ("sites", Value::Array(sites.collect())),
        ("reserve", Value::Array(reserve.collect())),
        ("backup", Value::Array(backup.collect())),
    ])
}

fn keys<const N: usize>(keys: [(&str, Value); N]) -> Table {
    keys.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

fn table<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Table(keys(pairs))
}

fn levels(skills: &[(Name, u8)]) -> Value {
    Value::Table(skills.iter().map(|(name, level)| (name.to_string(), i64::from(*level).into())).collect())
}

fn optional(text: Option<String>) -> Value {
    text.unwrap_or_else(|| "none".into()).into()
}

/// A word of a table, as it is read.
fn word(word: impl Serialize) -> Value {
    Value::try_from(word).expect("a word is a string")
}

/// `1h30m`, `20s`, `300ms`.
fn span(span: Duration) -> String {
    let mut rest = span.as_millis();
    let mut text = String::new();
    for (unit, ms) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= ms {
            text += &format!("{}{unit}", rest / ms);
            rest %= ms;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}
