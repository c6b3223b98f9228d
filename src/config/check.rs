//! What only shows when the parts are laid side by side: unknown and doubled names, gaps, and dangerous settings.

use super::SAMPLE_PASSWORD;
use super::roster::{Queue, Roster, Skills};
use super::server::Server;
use super::sheet::Sheet;

/// Names against names.
pub(super) fn roster(roster: &Roster, sheet: &mut Sheet) {
    // An agent that could not be read serves nobody: that would be told twice.
    let whole = sheet.is_right();
    sheet.unique("skill", roster.skills.iter());
    sheet.unique("trunk", roster.trunks.iter().map(|t| &t.name));
    sheet.unique("queue", roster.queues.iter().map(|q| &q.name));
    sheet.unique("agent", roster.agents.iter().map(|a| &a.number));
    for queue in &roster.queues {
        known_skills(roster, &queue.skills, sheet);
        queue.relax.iter().for_each(|(_, skills)| known_skills(roster, skills, sheet));
        for pair in queue.relax.windows(2).filter(|p| p[0].0.value >= p[1].0.value) {
            sheet.error(pair[1].0.at, "relaxation steps come in rising order of `after`");
        }
        if whole && !roster.agents.iter().any(|agent| serves(&agent.skills, queue)) {
            let message = format!("no agent has the skills of queue `{}`", queue.name.value);
            sheet.warn(queue.at, message, "its calls would wait until they overflow; give somebody the skills");
        }
    }
    let mut last = None;
    for agent in &roster.agents {
        // A range of agents shares its positions: one mistake, one message.
        if last.replace(agent.number.at) == Some(agent.number.at) {
            continue;
        }
        known_skills(roster, &agent.skills, sheet);
        if agent.password.value == SAMPLE_PASSWORD {
            let message = format!("agent {} has the password of the sample configuration", agent.number.value);
            sheet.warn(
                agent.password.at,
                message,
                "anybody can read it; choose another before opening this to a network",
            );
        }
    }
    trunks(roster, sheet);
}

fn known_skills(roster: &Roster, skills: &Skills, sheet: &mut Sheet) {
    for (name, _) in skills {
        sheet.known("skill", name, roster.skills.iter().map(|s| s.value.as_str()));
    }
}

fn serves(held: &Skills, queue: &Queue) -> bool {
    let holds = |wanted: &Skills| {
        wanted.iter().all(|(name, least)| held.iter().any(|(h, level)| h.value == name.value && level >= least))
    };
    holds(&queue.skills) || queue.relax.iter().any(|(_, skills)| holds(skills))
}

fn trunks(roster: &Roster, sheet: &mut Sheet) {
    let mut sources: Vec<(ipnet::IpNet, &str)> = Vec::new();
    for trunk in &roster.trunks {
        for source in &trunk.sources {
            if let Some((_, other)) = sources.iter().find(|(net, _)| *net == source.value) {
                sheet.error(source.at, format!("{} is already a source of trunk `{other}`", source.value));
            }
            sources.push((source.value, &trunk.name.value));
        }
        let name = &trunk.name.value;
        if trunk.user.is_some() != trunk.password.is_some() {
            sheet.error(trunk.at, format!("trunk `{name}` needs both `user` and `password`, or neither"));
        }
        if let Some(register) = &trunk.register
            && (trunk.user.is_none() || trunk.peer.is_none())
        {
            sheet.error(register.at, format!("to register, trunk `{name}` needs `peer`, `user` and `password`"));
        }
        if trunk.sources.is_empty() && trunk.register.is_none() {
            let help = "list the carrier's addresses in `sources`, or set `register`";
            sheet.warn(trunk.at, format!("no call can come in by trunk `{name}`"), help);
        }
    }
}

/// Dialled numbers, once the dialplans are known. `whole`: all dialplans could be read, so a missing one is a mistake here.
pub(super) fn numbers(roster: &Roster, plans: &[&str], whole: bool, sheet: &mut Sheet) {
    for (i, entry) in roster.numbers.iter().enumerate() {
        let exists = plans.contains(&entry.dialplan.value.as_str());
        if whole || exists {
            sheet.known("dialplan", &entry.dialplan, plans.iter().copied());
        }
        let trunk = entry.trunk.as_ref();
        if let Some(trunk) = trunk {
            sheet.known("trunk", trunk, roster.trunks.iter().map(|t| t.name.value.as_str()));
        }
        let same = |other: &super::roster::NumberEntry| {
            other.number.value == entry.number.value
                && other.trunk.as_ref().map(|t| &t.value) == trunk.map(|t| &t.value)
        };
        if roster.numbers[..i].iter().any(same) {
            sheet.error(entry.number.at, format!("number `{}` is routed twice", entry.number.value));
        }
    }
    if roster.numbers.is_empty() {
        sheet.warn(roster.at, "no [[number]] leads to a dialplan", "every call from a trunk would be refused");
    }
}

/// Addresses and ports.
pub(super) fn server(server: &Server, sheet: &mut Sheet) {
    for address in server.udp.iter().chain(&server.tcp) {
        if address.value.ip().is_unspecified() && server.shell.advertise.is_none() {
            let mistake = sheet.at(address.at, format!("{} is no address peers can reach", address.value.ip()));
            sheet
                .note(mistake.help("name the address of one interface, or say in `sip.advertise` what peers are told"));
        }
    }
    if server.udp.is_empty() && server.tcp.is_empty() {
        sheet.error(0, "no SIP address is left: `sip.udp` and `sip.tcp` are both empty");
    }
    if server.media_address.value.is_unspecified() {
        sheet.error(server.media_address.at, "`media.address` goes into SDP: name the address of one interface");
    }
    if !server.http.value.ip().is_loopback() {
        let help =
            "anybody who reaches it may hang up calls; keep it on 127.0.0.1 or behind a proxy that asks who is there";
        sheet.warn(server.http.at, "the HTTP interface has no passwords and listens beyond this machine", help);
    }
    let (first, last) = server.media_ports.value;
    let pairs = usize::from((last - first) / 2 + 1);
    if pairs < server.calls_max.value * 2 {
        let message =
            format!("{pairs} media port pairs carry {} two-leg calls, not {}", pairs / 2, server.calls_max.value);
        sheet.warn(server.media_ports.at, message, "widen `media.ports` or lower `server.calls_max`");
    }
    for (i, code) in server.codes.iter().enumerate() {
        if server.codes[..i].iter().any(|c| c.value == code.value) {
            sheet.error(code.at, format!("star code `{}` is used twice", code.value));
        }
    }
}
