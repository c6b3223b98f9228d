//! The sections that grow with the centre: skills, trunks, numbers, queues, agents.

use super::sheet::{Read, Section, Sheet, duration, flag, integer, level, parsed, text};
use busyhour_acd::AgentChoice;
use busyhour_model::Name;
use busyhour_sip::{Account, Transport};
use busyhour_switch::{AgentSetup, DialledFrom, NumberRoute, QueueSetup, TrunkSetup};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::time::Duration;
use toml::de::DeValue;

/// Agents one `numbers = "1001-1010"` may define.
const RANGE_MAX: u64 = 10_000;

/// Skills by name with level, and where each is named.
pub(super) type Skills = Vec<(Read<String>, u8)>;

/// As read; names not yet checked against each other.
#[derive(Default)]
pub(super) struct Roster {
    pub(super) at: usize,
    pub(super) skills: Vec<Read<String>>,
    pub(super) trunks: Vec<Trunk>,
    pub(super) numbers: Vec<NumberEntry>,
    pub(super) queues: Vec<Queue>,
    pub(super) agents: Vec<Agent>,
}

pub(super) struct Trunk {
    pub(super) at: usize,
    pub(super) name: Read<String>,
    pub(super) sources: Vec<Read<IpNet>>,
    pub(super) peer: Option<(Transport, SocketAddr)>,
    pub(super) domain: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) register: Option<Read<Duration>>,
    pub(super) probe: Option<Duration>,
    pub(super) channels: u32,
    pub(super) full_status: u16,
    pub(super) caller_id: Option<String>,
    pub(super) dialled_from: DialledFrom,
}

pub(super) struct NumberEntry {
    pub(super) number: Read<String>,
    pub(super) trunk: Option<Read<String>>,
    pub(super) dialplan: Read<String>,
}

pub(super) struct Queue {
    pub(super) at: usize,
    pub(super) name: Read<String>,
    pub(super) skills: Skills,
    pub(super) relax: Vec<(Read<Duration>, Skills)>,
    pub(super) priority: i32,
    pub(super) goal: Duration,
    pub(super) choice: AgentChoice,
    pub(super) wait_max: Option<Duration>,
    pub(super) waiting_max: Option<u32>,
    pub(super) overflow_no_agents: bool,
    pub(super) wrap_up: Duration,
}

pub(super) struct Agent {
    pub(super) number: Read<String>,
    pub(super) password: Read<String>,
    pub(super) name: String,
    pub(super) team: String,
    pub(super) skills: Skills,
    pub(super) auto_ready: bool,
}

pub(super) fn read(root: &mut Section, sheet: &mut Sheet) -> Roster {
    Roster {
        at: root.at(),
        skills: root.list(sheet, "skills", text).unwrap_or_default(),
        trunks: root.sections(sheet, "trunk").into_iter().filter_map(|s| trunk(s, sheet)).collect(),
        numbers: root.sections(sheet, "number").into_iter().filter_map(|s| number(s, sheet)).collect(),
        queues: root.sections(sheet, "queue").into_iter().filter_map(|s| queue(s, sheet)).collect(),
        agents: root.sections(sheet, "agent").into_iter().flat_map(|s| agents(s, sheet)).collect(),
    }
}

fn trunk(mut section: Section, sheet: &mut Sheet) -> Option<Trunk> {
    let name = section.need(sheet, "name", text);
    let trunk = name.map(|name| Trunk {
        at: section.at(),
        name,
        sources: section.list(sheet, "sources", network).unwrap_or_default(),
        peer: section.read(sheet, "peer", peer).map(|r| r.value),
        domain: section.read(sheet, "domain", text).map(|r| r.value),
        user: section.read(sheet, "user", text).map(|r| r.value),
        password: section.read(sheet, "password", text).map(|r| r.value),
        register: section.read(sheet, "register", duration),
        probe: section.read(sheet, "probe", duration).map(|r| r.value),
        channels: section.or(sheet, "channels", integer, 30),
        full_status: section.or(sheet, "full_status", full_status, 503),
        caller_id: section.read(sheet, "caller_id", text).map(|r| r.value),
        dialled_from: section.or(sheet, "dialled_from", dialled_from, DialledFrom::RequestUri),
    });
    section.finish(sheet);
    trunk
}

fn number(mut section: Section, sheet: &mut Sheet) -> Option<NumberEntry> {
    let number = section.need(sheet, "number", pattern);
    let trunk = section.read(sheet, "trunk", text);
    let dialplan = section.need(sheet, "dialplan", text);
    section.finish(sheet);
    Some(NumberEntry { number: number?, trunk, dialplan: dialplan? })
}

fn queue(mut section: Section, sheet: &mut Sheet) -> Option<Queue> {
    let name = section.need(sheet, "name", text);
    let mut relax = Vec::new();
    for mut step in section.sections(sheet, "relax") {
        let after = step.need(sheet, "after", duration);
        let skills = step.map(sheet, "skills", level);
        step.finish(sheet);
        relax.extend(after.map(|after| (after, skills)));
    }
    let queue = name.map(|name| Queue {
        at: section.at(),
        name,
        skills: section.map(sheet, "skills", level),
        relax,
        priority: section.or(sheet, "priority", integer, 0),
        goal: section.or(sheet, "goal", goal, Duration::from_secs(20)),
        choice: section.or(sheet, "choice", choice, AgentChoice::LeastSkilled),
        wait_max: section.read(sheet, "wait_max", duration).map(|r| r.value),
        waiting_max: section.read(sheet, "waiting_max", integer).map(|r| r.value),
        overflow_no_agents: section.or(sheet, "overflow_no_agents", flag, false),
        wrap_up: section.or(sheet, "wrap_up", duration, Duration::ZERO),
    });
    section.finish(sheet);
    queue
}

fn agents(mut section: Section, sheet: &mut Sheet) -> Vec<Agent> {
    let numbers = match section.read(sheet, "numbers", range) {
        Some(range) => range.value.into_iter().map(|value| Read { value, at: range.at }).collect(),
        None => section.need(sheet, "number", agent_number).into_iter().collect::<Vec<_>>(),
    };
    let password = section.need(sheet, "password", text);
    let name = section.read(sheet, "name", text).map(|r| r.value);
    let team = section.or(sheet, "team", text, "default".into());
    let skills = section.map(sheet, "skills", level);
    let auto_ready = section.or(sheet, "auto_ready", flag, false);
    section.finish(sheet);
    let Some(password) = password else { return Vec::new() };
    let agent = |number: Read<String>| Agent {
        name: name.clone().unwrap_or_else(|| number.value.clone()),
        number,
        password: password.clone(),
        team: team.clone(),
        skills: skills.clone(),
        auto_ready,
    };
    numbers.into_iter().map(agent).collect()
}

impl Roster {
    pub(super) fn trunk_setups(&self) -> Vec<TrunkSetup> {
        let account = |t: &Trunk| {
            let (user, password) = (t.user.as_deref()?, t.password.as_deref()?);
            Some(Account { user: user.into(), password: password.into() })
        };
        let setup = |t: &Trunk| TrunkSetup {
            name: t.name.value.as_str().into(),
            sources: t.sources.iter().map(|r| r.value).collect(),
            peer: t.peer,
            domain: t.domain.clone(),
            credentials: account(t),
            register: t.register.as_ref().map(|r| r.value),
            probe: t.probe,
            channels: t.channels,
            full_status: t.full_status,
            caller_id: t.caller_id.clone(),
            dialled_from: t.dialled_from,
        };
        self.trunks.iter().map(setup).collect()
    }

    pub(super) fn number_routes(&self) -> Vec<NumberRoute> {
        let route = |n: &NumberEntry| NumberRoute {
            number: n.number.value.clone(),
            trunk: n.trunk.as_ref().map(|t| t.value.as_str().into()),
            dialplan: n.dialplan.value.as_str().into(),
        };
        self.numbers.iter().map(route).collect()
    }

    pub(super) fn queue_setups(&self) -> Vec<QueueSetup> {
        let setup = |q: &Queue| QueueSetup {
            name: q.name.value.as_str().into(),
            required: levels(&q.skills),
            relax: q.relax.iter().map(|(after, skills)| (after.value, levels(skills))).collect(),
            priority: q.priority,
            goal: q.goal,
            choice: q.choice,
            wait_max: q.wait_max,
            waiting_max: q.waiting_max,
            overflow_no_agents: q.overflow_no_agents,
            wrap_up: q.wrap_up,
        };
        self.queues.iter().map(setup).collect()
    }

    pub(super) fn agent_setups(&self) -> Vec<AgentSetup> {
        let setup = |a: &Agent| AgentSetup {
            number: a.number.value.as_str().into(),
            password: a.password.value.as_str().into(),
            name: a.name.clone(),
            team: a.team.as_str().into(),
            skills: levels(&a.skills),
            auto_ready: a.auto_ready,
        };
        self.agents.iter().map(setup).collect()
    }
}

fn levels(skills: &Skills) -> Vec<(Name, u8)> {
    skills.iter().map(|(name, level)| (name.value.as_str().into(), *level)).collect()
}

/// A network, or one address.
fn network(value: &DeValue) -> Result<IpNet, String> {
    let source = text(value)?;
    let single = || source.parse::<std::net::IpAddr>().map(IpNet::from);
    source
        .parse()
        .or_else(|_| single())
        .map_err(|_| format!("`{source}` is no address or network; write \"203.0.113.0/24\""))
}

/// `"udp:203.0.113.5:5060"`; UDP and 5060 may be left out.
fn peer(value: &DeValue) -> Result<(Transport, SocketAddr), String> {
    let whole = text(value)?;
    let (transport, address) = match whole.split_once(':') {
        Some(("udp", rest)) => (Transport::Udp, rest),
        Some(("tcp", rest)) => (Transport::Tcp, rest),
        _ => (Transport::Udp, whole.as_str()),
    };
    let bare = || address.parse::<std::net::IpAddr>().map(|ip| SocketAddr::new(ip, 5060));
    let parsed = address.parse().or_else(|_| bare());
    parsed
        .map(|a| (transport, a))
        .map_err(|_| format!("`{whole}` is no peer; write \"udp:203.0.113.5:5060\" or \"tcp:…\""))
}

fn full_status(value: &DeValue) -> Result<u16, String> {
    match integer::<u16>(value)? {
        status @ (486 | 503) => Ok(status),
        other => Err(format!("{other} is not the answer of a full trunk: 486 or 503")),
    }
}

fn dialled_from(value: &DeValue) -> Result<DialledFrom, String> {
    match text(value)?.as_str() {
        "request_uri" => Ok(DialledFrom::RequestUri),
        "to" => Ok(DialledFrom::To),
        "diversion" => Ok(DialledFrom::Diversion),
        other => Err(format!("`{other}` names no header: \"request_uri\", \"to\" or \"diversion\"")),
    }
}

fn choice(value: &DeValue) -> Result<AgentChoice, String> {
    match text(value)?.as_str() {
        "least_skilled" => Ok(AgentChoice::LeastSkilled),
        "most_skilled" => Ok(AgentChoice::MostSkilled),
        "longest_idle" => Ok(AgentChoice::LongestIdle),
        other => Err(format!("`{other}` chooses nobody: \"least_skilled\", \"most_skilled\" or \"longest_idle\"")),
    }
}

fn goal(value: &DeValue) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err("a service goal of zero makes every call infinitely urgent".into()),
        goal => Ok(goal),
    }
}

/// Digits, a prefix and `*`, or `*`.
fn pattern(value: &DeValue) -> Result<String, String> {
    let number = text(value)?;
    let digits = number.strip_suffix('*').unwrap_or(&number);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(number)
    } else {
        Err(format!("`{number}` is no dialled number; write digits, a prefix like \"400*\", or \"*\""))
    }
}

fn agent_number(value: &DeValue) -> Result<String, String> {
    let number = parsed::<String>(value)?;
    let fits = number.len() <= 32 && number.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if fits { Ok(number) } else { Err(format!("`{number}` is no agent number; use letters, digits, `-`, `_`, `.`")) }
}

/// `"1001-1010"`.
fn range(value: &DeValue) -> Result<Vec<String>, String> {
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
