//! What only shows when the parts are laid side by side: unknown and doubled names, gaps, and dangerous settings.

use super::SAMPLE_PASSWORD;
use super::agent::Agent;
use super::queue::Queue;
use super::roster::Roster;
use super::server::Server;
use super::sheet::Sheet;
use super::tier::Tier;
use super::trunk::{NumberEntry, Trunk};
use busyhour_acd::{Need, Policy};
use busyhour_model::Name;
use busyhour_sip::Network;
use busyhour_switch::{AgentSetup, QueueSetup, Slots, level};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of calls nobody takes.
const OVERFLOWS: &str = "its calls would wait until they overflow; give somebody the skills";

/// Names against names.
pub(super) fn roster(roster: &Roster, sheet: &mut Sheet, staff: &mut Sheet) {
    sheet.unique("skill", roster.skills.iter());
    sheet.unique("site", roster.sites.iter());
    sheet.unique("team", roster.teams.iter());
    sheet.unique("schedule", roster.schedules.iter().map(|s| &s.name));
    sheet.unique("bot", roster.bots.iter().map(|bot| &bot.name));
    sheet.unique("tier", roster.tiers.iter().map(|t| &t.name));
    tiers(&roster.tiers, sheet);
    sheet.unique("trunk or group of trunks", roster.outward());
    groups(roster, sheet);
    sheet.unique("queue", roster.queues.iter().map(|q| &q.name));
    sheet.unique("agent", roster.agents.iter().map(|a| &a.number));
    staff.unique("agent", roster.staff.iter().map(|a| &a.number));
    twice(roster, sheet, staff);
    phones(roster, sheet);
    let words = roster.words();
    sheet.resolve(&words);
    staff.resolve(&words);
    // An agent that could not be read serves nobody: that would be told twice.
    let whole = sheet.is_right() && staff.is_right();
    let agents: Vec<&AgentSetup> = roster.agents().collect();
    for queue in &roster.queues {
        if whole {
            staffing(queue, &agents, sheet);
        }
    }
    passwords(&roster.agents, sheet);
    passwords(&roster.staff, staff);
    trunks(roster, sheet);
}

/// What is heard instead of a text nobody speaks can be heard.
pub(super) fn fallback(server: &Server, prompts: &[Name], sheet: &mut Sheet) {
    if let Some(id) = &server.tts_fallback {
        sheet.known("prompt", id, prompts.iter().map(|id| &**id));
    }
}

/// An agent is in one of the two files.
fn twice(roster: &Roster, sheet: &Sheet, staff: &mut Sheet) {
    let known: BTreeMap<&str, usize> = roster.agents.iter().map(|a| (&*a.number.value, a.number.at)).collect();
    for agent in &roster.staff {
        if let Some(at) = known.get(&*agent.number.value) {
            let line = sheet.at(*at, "").line;
            let mistake = staff.at(agent.number.at, format!("agent `{}` has an [[agent]] too", agent.number.value));
            staff.note(mistake.help(format!("on line {line} of the configuration; leave one of them out")));
        }
    }
}

/// A phone that is nobody's own has no agent's number; who signs in there has a PIN.
fn phones(roster: &Roster, sheet: &mut Sheet) {
    sheet.unique("phone", roster.phones.iter().map(|phone| &phone.number));
    let agents: BTreeSet<&str> = roster.agents().map(|agent| &*agent.number).collect();
    for phone in roster.phones.iter().filter(|phone| agents.contains(&*phone.number.value)) {
        let mistake = sheet.at(phone.number.at, format!("`{}` is an agent's number too", phone.number.value));
        sheet.note(mistake.help("the own phone of an agent needs no [[phone]]; choose another number"));
    }
    if let Some(phone) = roster.phones.first().filter(|_| roster.agents().all(|agent| agent.pin.is_none())) {
        sheet.warn(phone.number.at, "no agent can sign in at this phone", "give agents a `pin`");
    }
}

/// An alias is one agent's, and nothing else that is dialled.
pub(super) fn aliases(roster: &Roster, slots: Option<Slots>, sheet: &mut Sheet, staff: &mut Sheet) {
    let numbers = roster.numbers.iter().filter(|entry| entry.trunk.is_none()).map(|entry| &*entry.number.value);
    let mut taken: BTreeMap<&str, &str> = numbers.map(|number| (number, "a [[number]]")).collect();
    taken.extend(roster.queues.iter().map(|queue| (&*queue.name.value, "a queue")));
    taken.extend(roster.phones.iter().map(|phone| (&*phone.number.value, "a phone")));
    taken.extend(roster.agents().map(|agent| (&*agent.number, "an agent's number")));
    let slot = |alias: &str| slots.and_then(|slots| slots.find(alias)).map(|_| "a slot of `codes.park_slots`");
    let mut other = |alias| taken.insert(alias, "an alias").or_else(|| slot(alias));
    alone(&roster.agents, sheet, &mut other);
    alone(&roster.staff, staff, &mut other);
}

/// `other` says what an alias is already.
fn alone<'r>(agents: &'r [Agent], sheet: &mut Sheet, other: &mut impl FnMut(&'r str) -> Option<&'r str>) {
    for alias in agents.iter().flat_map(|agent| &agent.aliases) {
        if let Some(other) = other(&alias.value) {
            let mistake = sheet.at(alias.at, format!("`{}` is {other} already", alias.value));
            sheet.note(mistake.help("an alias is one agent's and nothing else that is dialled; choose another"));
        }
    }
}

/// What a queue asks for and nobody offers.
fn staffing(queue: &Queue, agents: &[&AgentSetup], sheet: &mut Sheet) {
    let (name, setup) = (&queue.name.value, &queue.setup);
    let skilled = QueueSetup { policy: Policy::default(), ..setup.clone() };
    let serving: Vec<_> = agents.iter().filter(|a| skilled.admits(&a.skills, None)).collect();
    if serving.is_empty() {
        let message = format!("no agent has the skills of queue `{name}`");
        return sheet.warn(queue.at, message, OVERFLOWS);
    }
    let meets = |need: &Need<Name>, agent: &AgentSetup| need.holds_for(|skill| level(&agent.skills, skill));
    let policy = &setup.policy;
    if policy.need.as_ref().is_some_and(|need| !serving.iter().any(|a| meets(need, a))) {
        let message = format!("nobody who has the skills of queue `{name}` meets its `need`");
        return sheet.warn(queue.place("need"), message, OVERFLOWS);
    }
    for (site, _) in policy.sites.iter().filter(|(site, _)| !agents.iter().any(|a| a.site.as_ref() == Some(site))) {
        let message = format!("no agent works at site `{site}`, which queue `{name}` asks for");
        sheet.warn(queue.place("sites"), message, "give some agents `site`, or take it out");
    }
    if !agents.iter().any(|a| setup.admits(&a.skills, a.site.as_ref())) {
        let message = format!("nobody who may take calls of queue `{name}` works at one of its sites");
        return sheet.warn(queue.place("sites"), message, OVERFLOWS);
    }
    if policy.preferred.as_ref().is_some_and(|need| !serving.iter().any(|a| meets(need, a))) {
        let message = format!("nobody whom queue `{name}` may ring meets its `prefer`");
        sheet.warn(queue.place("prefer"), message, "it changes nothing then");
    }
    let reserves = policy.reserve.iter().map(|reserve| ("reserve", &reserve.of));
    for (key, of) in reserves.chain(policy.backup.iter().map(|backup| ("backup", &backup.of))) {
        if !serving.iter().any(|a| meets(of, a)) {
            let message = format!("a `{key}` of queue `{name}` is about nobody it may ring");
            sheet.warn(queue.place(key), message, "it changes nothing then");
        }
    }
}

/// A number is of one tier.
fn tiers(tiers: &[Tier], sheet: &mut Sheet) {
    let mut seen = BTreeMap::new();
    for (tier, number) in tiers.iter().flat_map(|tier| tier.numbers.iter().map(move |number| (tier, number))) {
        if let Some(other) = seen.insert(&number.value, &tier.name.value) {
            sheet.error(number.at, format!("this number is of tier `{other}` already"));
        }
    }
}

/// Backups wait for forecasts.
pub(super) fn backups(roster: &Roster, server: &Server, sheet: &mut Sheet) {
    for queue in roster.queues.iter().filter(|queue| !queue.setup.policy.backup.is_empty()) {
        if server.shell.forecast_every.is_zero() {
            let message = format!("a `backup` of queue `{}` never helps: no wait is foreseen", queue.name.value);
            sheet.warn(queue.place("backup"), message, "set `forecast.every`, like \"1s\"");
        }
    }
}

fn passwords(agents: &[Agent], sheet: &mut Sheet) {
    let readable: Vec<&Agent> = agents.iter().filter(|agent| &*agent.setup.password == SAMPLE_PASSWORD).collect();
    let Some(first) = readable.first() else { return };
    let message = match readable.len() {
        1 => format!("agent {} has the password of the sample configuration", first.number.value),
        count => format!("{count} agents have the password of the sample configuration"),
    };
    let help = "anybody can read it; choose another before opening this to a network";
    sheet.warn(first.password, message, help);
}

/// Trunks of groups are there and calls can go out by them; tiers of trunks are there.
fn groups(roster: &Roster, sheet: &mut Sheet) {
    for member in roster.groups.iter().flat_map(|group| &group.members) {
        sheet.known("trunk", member, roster.trunks.iter().map(|trunk| trunk.name.value.as_str()));
        let named = roster.trunks.iter().find(|trunk| trunk.name.value == member.value);
        if named.is_some_and(|trunk| trunk.hops().next().is_none()) {
            let message = format!("no call can go out by trunk `{}`", member.value);
            sheet.warn(member.at, message, "set its `peer`");
        }
    }
    for tier in roster.trunks.iter().flat_map(|trunk| &trunk.tiers) {
        sheet.known("tier", tier, roster.tiers.iter().map(|tier| tier.name.value.as_str()));
    }
}

fn trunks(roster: &Roster, sheet: &mut Sheet) {
    let mut sources: Vec<(ipnet::IpNet, &Trunk)> = Vec::new();
    let by_secret = |trunk: &Trunk| trunk.secret.as_ref().map(|secret| secret.value.clone());
    for trunk in &roster.trunks {
        for source in &trunk.sources {
            // Those with secrets of their own may share an address.
            let alike = |other: &Trunk| by_secret(other) == by_secret(trunk);
            if let Some((_, other)) = sources.iter().find(|(net, other)| *net == source.value && alike(other)) {
                let message = format!("{} is already a source of trunk `{}`", source.value, other.name.value);
                sheet.error(source.at, message);
            }
            sources.push((source.value, trunk));
        }
        let name = &trunk.name.value;
        if trunk.user.is_some() != trunk.password.is_some() {
            sheet.error(trunk.at, format!("trunk `{name}` needs both `user` and `password`, or neither"));
        }
        if let Some(register) = &trunk.register
            && (trunk.user.is_none() || trunk.hops().next().is_none())
        {
            sheet.error(register.at, format!("to register, trunk `{name}` needs `peer`, `user` and `password`"));
        }
        if let Some(secret) = trunk
            .secret
            .as_ref()
            .filter(|_| trunk.sources.is_empty() && trunk.register.is_none() && trunk.tls.is_none())
        {
            let help = "list the carrier's addresses in `sources`: the header alone lets nobody in";
            sheet.warn(secret.at, format!("trunk `{name}` is known by nothing but a header"), help);
        }
        if let Some(proxy) = trunk.proxy.as_ref().filter(|_| !trunk.peers.is_empty()) {
            sheet.error(proxy.at, format!("trunk `{name}` is reached by `outbound_proxy` or by peers, not by both"));
        }
        if let Some(flag) = trunk.digest_domain.as_ref().filter(|flag| flag.value && trunk.domain.is_none()) {
            sheet.error(flag.at, format!("`digest_domain` of trunk `{name}` names a `domain` that is not there"));
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
        let same = |other: &NumberEntry| {
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

/// Trunks that only TLS can tell apart.
pub(super) fn certified(roster: &Roster, server: &Server, sheet: &mut Sheet) {
    let by_certificate = |trunk: &&Trunk| trunk.tls.as_ref().is_some_and(|tls| !tls.client_names.is_empty());
    if server.sip.iter().any(|(transport, _)| transport.is_secure()) {
        return;
    }
    for trunk in roster.trunks.iter().filter(by_certificate) {
        let name = &trunk.name.value;
        let message = format!("trunk `{name}` is known by a certificate, and nobody can show one here");
        sheet.warn(trunk.at, message, "listen for TLS: `sip.tls`");
    }
}

/// Trunks that want a socket of their own.
pub(super) fn bound(roster: &Roster, server: &Server, sheet: &mut Sheet) {
    for (trunk, bind) in roster.trunks.iter().filter_map(|trunk| Some((trunk, trunk.bind.as_ref()?))) {
        let ours = |transport| server.sip.iter().any(|(t, at)| *t == transport && at.value == bind.value);
        if let Some(transport) = trunk.hops().filter_map(|hop| hop.value.transport()).find(|way| !ours(*way)) {
            let name = &trunk.name.value;
            let mistake =
                sheet.at(bind.at, format!("{} of trunk `{name}` is no {transport} address of ours", bind.value));
            sheet.note(mistake.help(format!("add it to `sip.{transport}`")));
        }
    }
}

/// Addresses and ports.
pub(super) fn server(server: &Server, sheet: &mut Sheet) {
    for (_, address) in &server.sip {
        let everybody = |network: &Network| {
            let all = network.peers.iter().any(|net| net.prefix_len() == 0);
            all && network.advertise.is_ipv4() == address.value.is_ipv4()
        };
        let told = server.shell.advertise.is_some() || server.shell.networks.0.iter().any(everybody);
        if address.value.ip().is_unspecified() && !told {
            let mistake = sheet.at(address.at, format!("{} is no address peers can reach", address.value.ip()));
            sheet
                .note(mistake.help("name the address of one interface, or say in `sip.advertise` what peers are told"));
        }
    }
    if server.sip.is_empty() {
        sheet.error(0, "no SIP address is left: `sip.udp` and `sip.tcp` are both empty");
    }
    let secure = server.sip.iter().find(|(transport, _)| transport.is_secure());
    if let Some((transport, address)) = secure.filter(|_| server.identities.is_empty()) {
        let mistake = sheet.at(address.at, format!("`sip.{transport}` needs a certificate"));
        sheet.note(mistake.help("add [[certificate]] with `chain` and `key`, the names of PEM files"));
    }
    if let Some(address) = server.media_addresses.iter().find(|address| address.value.is_unspecified()) {
        sheet.error(address.at, "`media.address` goes into SDP: name the address of one interface");
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
