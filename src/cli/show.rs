//! What a running server says, as tables or JSON.

use crate::client::{ClientError, Server, escaped};
use crate::explain::Explained;
use crate::metrics::word;
use crate::table::{self, moment, span};
use busyhour_ledger::{CallRecord, Delays, Traffic, TrafficRow};
use busyhour_model::{Diagnostic, Time, Trouble};
use busyhour_switch::{AgentRow, BanRow, CallRow, PeerRow, QueueRow, StandingRow, TrunkRow};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Shown = Result<(), String>;

pub(super) fn fetch<T: DeserializeOwned>(server: &Server, path: &str, json: bool) -> Result<Option<T>, String> {
    if !json {
        return server.get(path).map(Some).map_err(|e| e.to_string());
    }
    let value: Value = server.get(path).map_err(|e| e.to_string())?;
    println!("{value:#}");
    Ok(None)
}

pub(super) fn now() -> Time {
    Time::from_micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64)
}

fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or("-".into(), |t| t.to_string())
}

pub(super) fn calls(server: &Server, limit: u32, since: Option<Duration>, json: bool) -> Shown {
    let since = since.map_or(Time::ZERO, |ago| now() - ago).as_micros();
    let path = format!("/api/calls?limit={limit}&since={since}");
    let Some(records) = fetch::<Vec<CallRecord>>(server, &path, json)? else { return Ok(()) };
    let wait = |ms: Option<u64>| or_dash(ms.map(|ms| span(Duration::from_millis(ms))));
    let row = |r: &CallRecord| {
        vec![
            r.call.to_string(),
            moment(r.arrived),
            r.from.national.clone(),
            r.to.national.clone(),
            or_dash(r.queue.as_ref()),
            or_dash(r.agent.as_ref()),
            wait(r.customer_wait_ms),
            wait(r.queue_wait_ms),
            span(Duration::from_millis(r.talk_ms)),
            or_dash(r.mos_min().map(|mos| format!("{mos:.1}"))),
            r.legs.len().to_string(),
            snake(&format!("{:?}", r.cause)),
            or_dash(r.release().map(|release| release.cause)),
        ]
    };
    let heads = [
        "CALL",
        "ARRIVED",
        "FROM",
        "TO",
        "QUEUE",
        "AGENT",
        "FROM-DIAL",
        "WAIT",
        "TALK",
        "MOS",
        "LEGS",
        "CAUSE",
        "Q.850",
    ];
    table::print(&heads, &records.iter().map(row).collect::<Vec<_>>(), "no calls");
    Ok(())
}

pub(super) fn explain(server: &Server, call: &str, arrived: Option<&str>, language: &str, json: bool) -> Shown {
    let arrived = arrived.map_or(String::new(), |text| format!("&arrived={}", escaped(text)));
    let path = format!("/api/calls/{}/explain?language={language}{arrived}", escaped(call));
    let Some(told) = fetch::<Explained>(server, &path, json)? else { return Ok(()) };
    println!("{}, arrived {}{}", told.call, moment(told.arrived), if told.going_on { ", going on" } else { "" });
    let mut clock = String::new();
    for line in &told.story {
        let now = time_of_day(line.at);
        println!("{:>12}  {}", if now == clock { "" } else { &now }, line.says);
        clock = now;
    }
    for other in &told.others {
        println!("another {} arrived {}: `--arrived` chooses", told.call, moment(*other));
    }
    Ok(())
}

/// `09:32:31.250`
fn time_of_day(at: Time) -> String {
    let text = moment(at);
    format!("{}.{:03}", text[11..].trim_end_matches('Z'), at.as_micros() / 1_000 % 1_000)
}

pub(super) fn standing(server: &Server, agent: &str, queue: Option<&str>, call: Option<&str>, json: bool) -> Shown {
    let (key, what) = queue.map(|queue| ("queue", queue)).or(call.map(|call| ("call", call))).unwrap_or_default();
    let path = format!("/api/explain/agent/{}?{key}={}", escaped(agent), escaped(what));
    let Some(row) = fetch::<StandingRow>(server, &path, json)? else { return Ok(()) };
    match row.may_take {
        true => println!("agent {agent} may be offered it; idle agents who suit it better: {}", row.better),
        false => println!("agent {agent} is not offered it:"),
    }
    row.says.iter().for_each(|says| println!("  {says}"));
    Ok(())
}

/// `CallerHungUp` -> `caller hung up`.
fn snake(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

pub(super) fn agents(server: &Server, json: bool) -> Shown {
    let Some(rows) = fetch::<Vec<AgentRow>>(server, "/api/agents", json)? else { return Ok(()) };
    let now = now();
    let row = |a: &AgentRow| {
        let skills: Vec<String> = a.skills.iter().map(|(skill, level)| format!("{skill}={level}")).collect();
        vec![
            a.agent.to_string(),
            a.name.clone(),
            a.team.to_string(),
            word(a.state).replace('_', " "),
            span(now.since(a.since)),
            or_dash(a.reason.as_ref()),
            or_dash(a.call),
            phones(a),
            or_dash(a.phone.as_ref().filter(|phone| **phone != a.agent)),
            skills.join(" "),
        ]
    };
    let heads = ["AGENT", "NAME", "TEAM", "STATE", "FOR", "REASON", "CALL", "PHONES", "AT", "SKILLS"];
    table::print(&heads, &rows.iter().map(row).collect::<Vec<_>>(), "no agents are configured");
    Ok(())
}

/// How many phones ring, and how many would if they answered.
fn phones(agent: &AgentRow) -> String {
    match agent.silent {
        0 => agent.contacts.to_string(),
        silent => format!("{}, {silent} silent", agent.contacts),
    }
}

pub(super) fn queues(server: &Server, json: bool) -> Shown {
    let Some(rows) = fetch::<Vec<Value>>(server, "/api/queues", json)? else { return Ok(()) };
    let now = now();
    let row = |value: &Value| {
        let q: QueueRow = serde_json::from_value(value.clone()).ok()?;
        let count = |key: &str| or_dash(value.get("last_24h").and_then(|c| c.get(key)));
        let rate = |key: &str| or_dash(value.get(key).and_then(Value::as_str));
        Some(vec![
            q.queue.to_string(),
            if q.open { "yes" } else { "no" }.into(),
            q.waiting.to_string(),
            q.ringing.to_string(),
            q.callbacks.to_string(),
            q.messages.to_string(),
            or_dash(q.oldest.map(|at| span(now.since(at)))),
            or_dash(q.wait_ms.map(|ms| span(Duration::from_millis(ms)))),
            format!("{}/{}", q.agents_ready, q.agents_signed_in),
            count("offered"),
            count("answered"),
            rate("answer_rate"),
            rate("service_level_20s"),
            rate("abandonment_rate"),
            rate("satisfaction"),
        ])
    };
    let heads = [
        "QUEUE",
        "OPEN",
        "WAITING",
        "RINGING",
        "CALLBACKS",
        "MESSAGES",
        "OLDEST",
        "NEXT",
        "READY/IN",
        "OFFERED",
        "ANSWERED",
        "ANSWER%",
        "IN20S%",
        "ABANDON%",
        "SATISFIED%",
    ];
    table::print(&heads, &rows.iter().filter_map(row).collect::<Vec<_>>(), "no queues are configured");
    Ok(())
}

pub(super) fn active(server: &Server, json: bool) -> Shown {
    let Some(rows) = fetch::<Vec<CallRow>>(server, "/api/calls/active", json)? else { return Ok(()) };
    let now = now();
    let row = |c: &CallRow| {
        let (from, to) = (c.from.clone(), c.to.clone());
        let since = span(now.since(c.arrived));
        let wait = c.wait_ms.map(|ms| span(Duration::from_millis(ms)));
        let (at, partner) = (c.at.to_string(), or_dash(c.partner.as_ref()));
        vec![c.call.to_string(), c.stage.to_string(), since, from, to, at, or_dash(c.ahead), or_dash(wait), partner]
    };
    let heads = ["CALL", "STAGE", "FOR", "FROM", "TO", "AT", "AHEAD", "WAITS", "WITH"];
    table::print(&heads, &rows.iter().map(row).collect::<Vec<_>>(), "no calls are going on");
    Ok(())
}

pub(super) fn trunks(server: &Server, json: bool) -> Shown {
    let Some(rows) = fetch::<Vec<TrunkRow>>(server, "/api/trunks", json)? else { return Ok(()) };
    let row = |t: &TrunkRow| {
        let (channels_in, channels_out) = (t.channels_in.to_string(), t.channels_out.to_string());
        let state = if t.drained { "drained".into() } else { found(Some(t.up), t.trouble, false) };
        let of_trunk = [t.trunk.to_string(), state];
        let channels = [channels_in, channels_out, t.channels.to_string(), String::new()];
        of_trunk.into_iter().chain(channels).collect::<Vec<_>>()
    };
    let peer = |p: &PeerRow| {
        let nothing = || String::new();
        vec![nothing(), found(p.up, p.trouble, p.registered), nothing(), nothing(), nothing(), by_name(p)]
    };
    let lines = rows.iter().flat_map(|t| std::iter::once(row(t)).chain(t.peers.iter().map(peer)));
    let heads = ["TRUNK", "STATE", "IN", "OUT", "LIMIT", "PEER"];
    table::print(&heads, &lines.collect::<Vec<_>>(), "no trunks are configured");
    Ok(())
}

pub(super) fn traffic(server: &Server, json: bool) -> Shown {
    let Some(rows) = fetch::<Vec<TrafficRow>>(server, "/api/trunks/stats", json)? else { return Ok(()) };
    let row = |t: &TrafficRow| {
        let counts = [t.counts.bids, t.counts.seizures, t.counts.answered].map(|count| count.to_string());
        let ratios = Traffic::RATIOS.iter().map(|(_, ratio)| ratio(&t.counts).to_string());
        let named = [t.trunk.to_string(), t.direction.as_str().to_owned()];
        let acd = or_dash(t.acd_ms.map(|ms| span(Duration::from_millis(ms))));
        let delays = Traffic::DELAYS.iter().map(|(_, delays)| mean(&delays(&t.counts)));
        named.into_iter().chain(counts).chain(ratios).chain([acd]).chain(delays).collect::<Vec<_>>()
    };
    let heads = [
        "TRUNK", "WAY", "BIDS", "SEIZURES", "ANSWERED", "ASR", "NER", "ABR", "SER", "SEER", "ISA", "SCR", "ACD", "SRD",
        "RRD", "SDD",
    ];
    table::print(&heads, &rows.iter().map(row).collect::<Vec<_>>(), "no call of a trunk is over yet");
    Ok(())
}

/// The mean, and of how many.
fn mean(delays: &Delays) -> String {
    or_dash(delays.mean_ms().map(|ms| format!("{ms} ms of {}", delays.count)))
}

pub(super) fn bans(server: &Server, json: bool) -> Shown {
    let Some(rows) = fetch::<Vec<BanRow>>(server, "/api/bans", json)? else { return Ok(()) };
    let now = now();
    let row = |b: &BanRow| {
        let (since, left) = (moment(b.since), span(b.until.since(now)));
        vec![b.source.to_string(), b.reason.to_string(), since, left, b.silenced.to_string()]
    };
    let heads = ["SOURCE", "REASON", "SINCE", "FOR", "SILENCED"];
    table::print(&heads, &rows.iter().map(row).collect::<Vec<_>>(), "nobody is banned");
    Ok(())
}

pub(super) fn unban(server: &Server, address: &str, json: bool) -> Shown {
    let path = format!("/api/bans/{}", escaped(address));
    order_by(server, "DELETE", &path, json, &format!("{address}: answered again"))
}

/// An address, and the name that led to it.
fn by_name(peer: &PeerRow) -> String {
    match &peer.name {
        Some(name) if *name != peer.peer => {
            format!("{} of {name}{}", peer.peer, if peer.stale { ", not found any more" } else { "" })
        }
        _ => peer.peer.clone(),
    }
}

/// `up`, or what is wrong.
fn found(up: Option<bool>, trouble: Option<Trouble>, registered: bool) -> String {
    match (up, trouble) {
        (_, Some(trouble)) => format!("down: {trouble}"),
        (_, None) if registered => "registered".into(),
        (Some(true), None) => "up".into(),
        (Some(false), None) => "down".into(),
        (None, None) => "not asked".into(),
    }
}

pub(super) fn status(server: &Server, json: bool) -> Shown {
    let Some(value) = fetch::<Value>(server, "/api/status", json)? else { return Ok(()) };
    let mut rows = Vec::new();
    flatten("", &value, &mut rows);
    table::print(&["WHAT", "VALUE"], &rows, "nothing");
    Ok(())
}

fn flatten(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                flatten(&if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, value, rows);
            }
        }
        Value::String(text) => rows.push(vec![name.into(), text.clone()]),
        other => rows.push(vec![name.into(), other.to_string()]),
    }
}

pub(super) fn agent(server: &Server, agent: &str, verb: &str, query: &str, json: bool) -> Shown {
    order(server, &format!("/api/agents/{}/{verb}{query}", escaped(agent)), json, &format!("agent {agent}: {verb}"))
}

pub(super) fn trunk(server: &Server, trunk: &str, verb: &str, json: bool) -> Shown {
    let path = format!("/api/trunks/{}/{verb}?who={}", escaped(trunk), escaped(&user()));
    order(server, &path, json, &format!("trunk {trunk}: {verb}ed"))
}

pub(super) fn hang_up(server: &Server, call: &str, json: bool) -> Shown {
    order(server, &format!("/api/calls/{}/hangup", escaped(call)), json, &format!("call {call}: hung up"))
}

pub(super) fn transfer(server: &Server, call: &str, (key, place): (&str, &str), json: bool) -> Shown {
    let path = format!("/api/calls/{}/transfer?{key}={}", escaped(call), escaped(place));
    order(server, &path, json, &format!("call {call}: sent to {key} {place}"))
}

fn order(server: &Server, path: &str, json: bool, done: &str) -> Shown {
    order_by(server, "POST", path, json, done)
}

pub(super) fn order_by(server: &Server, method: &str, path: &str, json: bool, done: &str) -> Shown {
    let answer = server.send(method, path, &Value::Null).map_err(|e| e.to_string())?;
    if json {
        println!("{answer:#}");
    } else {
        println!("{done}");
    }
    Ok(())
}

/// Whether the new configuration was taken.
pub(super) fn reload(server: &Server, json: bool) -> Result<bool, String> {
    taken(server, &format!("/api/reload?who={}", escaped(&user())), "reloaded", json)
}

/// Who types, as the system knows them.
pub(super) fn user() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "somebody".into())
}

/// Asks for a configuration to be taken; whether it was.
pub(super) fn taken(server: &Server, path: &str, done: &str, json: bool) -> Result<bool, String> {
    let (status, answer) = server.exchange("POST", path, &Value::Null).map_err(|e| e.to_string())?;
    let found = answer.get("diagnostics").cloned().unwrap_or_default();
    let Ok(diagnostics) = serde_json::from_value::<Vec<Diagnostic>>(found) else {
        return Err(ClientError::Stranger(server.0.clone()).to_string());
    };
    if json {
        println!("{answer:#}");
    } else {
        diagnostics.iter().for_each(|d| eprintln!("{d}\n"));
        println!("{}", if status == 200 { done } else { "refused; the running configuration is untouched" });
    }
    Ok(status == 200)
}
