//! A configuration taken over, at the start and while calls run.

use crate::desk;
use crate::setup::Setup;
use crate::switch::Switch;
use crate::tiers::Tiers;
use busyhour_acd::Command;
use busyhour_model::{AgentId, CallId, QueueId, What};
use busyhour_sip::{Account, Config, TrunkPeer};
use std::collections::BTreeSet;

impl Switch {
    /// Makes `setup` hold from now on. Calls in progress keep their dialplan version, queue and agent.
    pub(crate) fn configure(&mut self, mut setup: Setup) {
        let mut plans = std::mem::take(&mut setup.dialplans);
        plans.extend(desk::plans());
        let plant = &mut self.plant;
        plant.plans.configure(&plans);
        plant.trunks.configure(&setup.trunks, &setup.numbers);
        plant.tiers = Tiers::new(&setup.tiers);
        plant.directory.configure(&setup.agents, &setup.queues);
        let used: Vec<u16> = plant.legs.iter().map(|(_, leg)| leg.port).collect();
        plant.ports.resize(plant.now, setup.media_ports, &used);
        plant.sip.reconfigure(plant.now, sip_config(&setup, plant.trunks.peers()));
        plant.setup = setup;
        self.configure_acd();
        // Queues may close at other times now.
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        calls.into_iter().for_each(|call| self.tend(call));
        self.plant.fact(What::Reloaded { ok: true });
    }

    fn configure_acd(&mut self) {
        let plant = &mut self.plant;
        for queue in plant.directory.queue_specs() {
            let _ = plant.acd(Command::SetQueue(Box::new(queue)));
        }
        for agent in plant.directory.agent_specs() {
            let _ = plant.acd(Command::SetAgent(agent));
        }
        // Whoever has a call in hand leaves with it: these are asked again at the next reload.
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

/// What the SIP stack needs of a setup.
pub(crate) fn sip_config(setup: &Setup, trunks: Vec<TrunkPeer>) -> Config {
    let accounts = setup.agents.iter().map(|a| Account { user: a.number.clone(), password: a.password.clone() });
    Config {
        domain: setup.domain.clone(),
        user_agent: concat!("busyhour/", env!("CARGO_PKG_VERSION")).into(),
        locals: setup.locals.clone(),
        trunks,
        accounts: accounts.collect(),
        limits: setup.limits.clone(),
    }
}
