//! `busyhour ctl monitor` and `ctl parties`: who hears a call, and who talks in it.

use super::AskArgs;
use super::show::{fetch, order_by};
use crate::client::escaped;
use crate::table;
use busyhour_switch::PartyRow;
use clap::Args;

#[derive(Args)]
pub(super) struct MonitorArgs {
    /// Call, like c42
    call: String,
    /// Number of the supervisor, an agent
    #[arg(long)]
    agent: String,
    /// Who hears the supervisor: nobody (listen), the agent (whisper), all (barge)
    #[arg(long, default_value = "listen", value_parser = ["listen", "whisper", "barge"])]
    voice: String,
    /// Take the call from its agent, once the supervisor hears it
    #[arg(long, conflicts_with_all = ["voice", "leave"])]
    take_over: bool,
    /// Leave instead
    #[arg(long, conflicts_with = "voice")]
    leave: bool,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Args)]
pub(super) struct PartiesArgs {
    /// Call, like c42
    call: String,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Args)]
#[group(multiple = false)]
struct ChangeArgs {
    /// Ring this agent, who talks with all then
    #[arg(long)]
    add: Option<String>,
    /// Ring this number outside, which an agent of the call could dial
    #[arg(long)]
    add_number: Option<String>,
    /// Bring in whom the agent talks to in this other call
    #[arg(long)]
    add_call: Option<String>,
    /// Hang up on this leg, like l7
    #[arg(long)]
    drop: Option<String>,
}

pub(super) fn monitor(args: &MonitorArgs) -> Result<(), String> {
    let MonitorArgs { call, agent, voice, take_over, leave, ask } = args;
    let (call, whose) = (escaped(call), escaped(agent));
    let hears = format!("/api/calls/{call}/monitor?agent={whose}");
    let (method, path, done) = match (take_over, leave) {
        (true, _) => {
            ("POST", format!("/api/calls/{call}/take-over?agent={whose}"), format!("{agent} has the call from now on"))
        }
        (false, true) => ("DELETE", hears, format!("{agent} has left")),
        (false, false) => {
            let keys = "keys 4, 5, 6, 7 there: listen, whisper, barge, take over";
            ("POST", format!("{hears}&voice={voice}"), format!("the phone of {agent} rings; {keys}; now: {voice}"))
        }
    };
    order_by(&ask.server(), method, &path, ask.json, &done)
}

pub(super) fn parties(args: &PartiesArgs) -> Result<(), String> {
    let PartiesArgs { call, change: ChangeArgs { add, add_number, add_call, drop }, ask } = args;
    let (path, server) = (format!("/api/calls/{}/parties", escaped(call)), ask.server());
    if let Some(leg) = drop {
        let path = format!("{path}?leg={}", escaped(leg));
        return order_by(&server, "DELETE", &path, ask.json, &format!("{leg} has left"));
    }
    let added = [("agent", add), ("number", add_number), ("call", add_call)];
    if let Some((key, who)) = added.into_iter().find_map(|(key, who)| Some((key, who.as_deref()?))) {
        let path = format!("{path}?{key}={}", escaped(who));
        return order_by(&server, "POST", &path, ask.json, &format!("{key} {who} is added to call {call}"));
    }
    let Some(rows) = fetch::<Vec<PartyRow>>(&server, &path, ask.json)? else { return Ok(()) };
    let row = |party: &PartyRow| {
        let stands = if party.answered { "answered" } else { "rings" };
        vec![party.leg.to_string(), party.role.to_string(), party.party.name().to_string(), stands.into()]
    };
    table::print(&["LEG", "ROLE", "WHO", "STATE"], &rows.iter().map(row).collect::<Vec<_>>(), "nobody is in it");
    Ok(())
}
