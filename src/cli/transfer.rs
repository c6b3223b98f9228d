//! Where `busyhour ctl transfer` sends a caller.

use clap::Args;

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct TransferArgs {
    /// Into this queue
    #[arg(long)]
    queue: Option<String>,
    /// To this node of the call's dialplan
    #[arg(long)]
    node: Option<String>,
    /// To this agent, who is rung; nobody there: back to the partner
    #[arg(long)]
    agent: Option<String>,
    /// To what an agent could dial: a number of ours or one outside
    #[arg(long)]
    number: Option<String>,
    /// To whom the agent talks in this other call
    #[arg(long)]
    to_call: Option<String>,
    /// Into a free slot for parked callers
    #[arg(long)]
    park: bool,
}

impl TransferArgs {
    /// What is sent to, and its name; clap sees that there is one.
    pub(super) fn place(&self) -> (&str, &str) {
        let TransferArgs { queue, node, agent, number, to_call, park } = self;
        if *park {
            return ("park", "true");
        }
        let said = [("queue", queue), ("node", node), ("agent", agent), ("number", number), ("call", to_call)];
        said.into_iter().find_map(|(key, place)| Some((key, place.as_deref()?))).unwrap_or_default()
    }
}
