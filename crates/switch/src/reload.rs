//! A configuration taken over, at the start and while calls run, whole or in one agent or queue.

use crate::desk;
use crate::request::{Change, Denied, Reply};
use crate::setup::{AgentSetup, QueueSetup, Setup};
use crate::switch::Switch;
use crate::tiers::Tiers;
use busyhour_acd::Command;
use busyhour_model::{AgentId, CallId, Name, QueueId, What};
use busyhour_sip::{Account, Config, TrunkPeer};
use std::collections::BTreeSet;

impl Switch {
    /// Makes `setup` hold from now on. Calls in progress keep their dialplan version, queue and agent.
    pub(crate) fn configure(&mut self, mut setup: Setup) {
        let mut plans = std::mem::take(&mut setup.dialplans);
        let own = plans.iter().any(|(name, _)| **name == *desk::SIGN_IN);
        plans.extend(desk::plans().into_iter().filter(|(name, _)| !own || **name != *desk::SIGN_IN));
        let plant = &mut self.plant;
        plant.plans.configure(&plans);
        plant.trunks.configure(&setup.trunks, &setup.groups, &setup.numbers);
        plant.tiers = Tiers::new(&setup.tiers);
        let bots = plant.bots();
        plant.directory.configure(&setup.agents, &setup.queues);
        let used: Vec<u16> = plant.legs.iter().filter_map(|(_, leg)| leg.port).collect();
        plant.ports.resize(plant.now, setup.media_ports, &used);
        plant.sip.reconfigure(plant.now, sip_config(&setup, plant.trunks.peers()));
        plant.setup = setup;
        plant.let_watch();
        self.configure_acd();
        self.plant.bots_changed(&bots);
        self.plant.clear_seats();
        self.plant.all_is_news();
        self.tend_all();
        self.plant.fact(What::Reloaded { ok: true });
    }

    /// A trunk takes no new calls, or takes them again.
    pub(crate) fn drain_trunk(&mut self, trunk: &Name, drained: bool, by: Name) -> Result<Reply, Denied> {
        let id = self.plant.trunks.by_name(trunk).ok_or_else(|| Denied::UnknownTrunk(trunk.clone()))?;
        self.plant.trunks.drain(id, drained);
        let change = if drained { "drained" } else { "taken into use again" };
        self.plant.fact(What::Changed { what: format!("trunk {trunk}").into(), change: change.into(), by });
        Ok(Reply::Done)
    }

    /// The stack forgets trunks that are going and have no call any more.
    pub(crate) fn let_go_of_trunks(&mut self) {
        let plant = &mut self.plant;
        if std::mem::take(&mut plant.trunks.emptied) {
            plant.sip.reconfigure(plant.now, sip_config(&plant.setup, plant.trunks.peers()));
        }
    }

    fn configure_acd(&mut self) {
        let plant = &mut self.plant;
        for queue in plant.directory.queue_specs() {
            let _ = plant.acd(Command::SetQueue(Box::new(queue)));
        }
        for agent in plant.directory.agent_specs() {
            let _ = plant.acd(Command::SetAgent(agent));
        }
        self.forget_gone();
    }

    /// The ACD forgets whom and what no configuration names any more.
    fn forget_gone(&mut self) {
        let plant = &mut self.plant;
        // Whoever has a call in hand leaves with it: these are asked again at the next reload or change.
        let agents: BTreeSet<AgentId> = plant.directory.agents().map(|(id, _)| id).collect();
        let gone: Vec<AgentId> = plant.acd.agents().map(|view| view.agent).filter(|id| !agents.contains(id)).collect();
        for agent in gone {
            let _ = plant.acd(Command::SignOut { agent });
            let _ = plant.acd(Command::RemoveAgent { agent });
        }
        let queues: BTreeSet<QueueId> = plant.directory.queues().map(|(id, _)| id).collect();
        let gone: Vec<QueueId> = plant.acd.queues().map(|view| view.queue).filter(|id| !queues.contains(id)).collect();
        for queue in gone {
            let _ = plant.acd(Command::RemoveQueue { queue });
        }
    }
}

impl Switch {
    /// One agent or queue is otherwise from now on; for waiting calls too, at once.
    pub(crate) fn change(&mut self, change: Change, says: Name, by: Name) -> Result<Reply, Denied> {
        let what = format!("{change}").into();
        match change {
            Change::Agent(agent) => self.change_agent(*agent),
            Change::NoAgent(number) => self.remove_agent(&number)?,
            Change::Queue(queue) => self.change_queue(&queue)?,
        }
        self.plant.fact(What::Changed { what, change: says, by });
        Ok(Reply::Done)
    }

    fn change_agent(&mut self, agent: AgentSetup) {
        let plant = &mut self.plant;
        let bots = plant.bots();
        let spec = plant.directory.change_agent(&agent);
        let known = plant.setup.agents.iter_mut().find(|known| known.number == agent.number);
        let account = |agent: &AgentSetup| (agent.password.clone(), agent.aliases.clone(), agent.bot.is_some());
        let same = |known: &AgentSetup| account(known) == account(&agent);
        let same_account = known.as_deref().is_some_and(same);
        match known {
            Some(known) => *known = agent,
            None => plant.setup.agents.push(agent),
        }
        if !same_account {
            plant.sip.reconfigure(plant.now, sip_config(&plant.setup, plant.trunks.peers()));
        }
        plant.let_watch();
        let _ = plant.acd(Command::SetAgent(spec));
        plant.bots_changed(&bots);
        plant.all_is_news();
    }

    fn remove_agent(&mut self, number: &Name) -> Result<(), Denied> {
        let plant = &mut self.plant;
        let id = plant.directory.agent_id(number).ok_or_else(|| Denied::UnknownAgent(number.clone()))?;
        plant.directory.remove_agent(id);
        plant.setup.agents.retain(|known| known.number != *number);
        plant.sip.reconfigure(plant.now, sip_config(&plant.setup, plant.trunks.peers()));
        plant.let_watch();
        self.forget_gone();
        self.plant.clear_seats();
        // A queue of the same name is seen from now on.
        self.plant.all_is_news();
        Ok(())
    }

    fn change_queue(&mut self, queue: &QueueSetup) -> Result<(), Denied> {
        let plant = &mut self.plant;
        let known = plant.setup.queues.iter_mut().find(|known| known.name == queue.name);
        *known.ok_or_else(|| Denied::UnknownQueue(queue.name.clone()))? = queue.clone();
        let spec = plant.directory.change_queue(queue);
        let _ = plant.acd(Command::SetQueue(Box::new(spec)));
        self.tend_all();
        Ok(())
    }

    /// Queues may close at other times now.
    fn tend_all(&mut self) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        calls.into_iter().for_each(|call| self.tend(call));
    }
}

/// What the SIP stack needs of a setup.
pub(crate) fn sip_config(setup: &Setup, trunks: Vec<TrunkPeer>) -> Config {
    let people = setup.agents.iter().filter(|agent| agent.bot.is_none());
    let accounts = people.map(|a| Account { user: a.number.clone(), password: a.password.clone() });
    let accounts = accounts.chain(setup.phones.iter().cloned());
    Config {
        domain: setup.domain.clone(),
        user_agent: concat!("busyhour/", env!("CARGO_PKG_VERSION")).into(),
        locals: setup.locals.clone(),
        networks: setup.networks.clone(),
        trunks,
        accounts: accounts.collect(),
        aliases: setup.agents.iter().flat_map(AgentSetup::aliases_to_number).collect(),
        terms: setup.terms.clone(),
        secret: setup.secret,
        limits: setup.limits.clone(),
    }
}
