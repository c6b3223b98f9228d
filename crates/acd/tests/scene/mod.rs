//! A small call centre told in seconds, and what was decided in few letters.
#![allow(clippy::unwrap_used, dead_code, reason = "each test file uses what it needs")]

use busyhour_acd::{Acd, AgentChoice, AgentSpec, Command, Decision, Denied, Enqueue, Policy, QueueSpec, Skill};
use busyhour_model::{AgentId, AgentState, CallId, QueueId, Time};
use std::time::Duration;

/// One matcher, one queue 0 without requirements, seconds as time.
pub(crate) struct Scene {
    pub(crate) acd: Acd,
}

pub(crate) fn queue() -> QueueSpec {
    QueueSpec {
        id: QueueId(0),
        required: Vec::new(),
        relax: Vec::new(),
        priority: 0,
        goal: Duration::from_secs(20),
        choice: AgentChoice::LongestIdle,
        wait_max: None,
        waiting_max: None,
        overflow_no_agents: false,
        wrap_up: Duration::ZERO,
        policy: Policy::default(),
    }
}

pub(crate) fn call(id: u64) -> Enqueue {
    Enqueue {
        call: CallId(id),
        queue: QueueId(0),
        required: Vec::new(),
        priority: 0,
        since: Time::from_secs(1_000_000),
        agent: None,
        prefer: None,
    }
}

impl Scene {
    /// Agents 0.. with these skills, signed in and ready.
    pub(crate) fn new(queue: QueueSpec, agents: &[&[Skill]]) -> Scene {
        let mut scene = Scene { acd: Acd::new(1) };
        scene.at(0, Command::SetQueue(Box::new(queue)));
        for (id, skills) in agents.iter().enumerate() {
            let agent = AgentId(id as u32);
            scene.at(0, Command::SetAgent(AgentSpec::new(agent, skills.to_vec())));
            scene.at(0, Command::SignIn { agent, not_ready: None });
        }
        scene
    }

    /// What was decided, short: `c1->a0`, `a0 Ready`, `c1 TimedOut`, `c1<-a0`.
    pub(crate) fn at(&mut self, secs: u64, command: Command) -> Vec<String> {
        self.try_at(secs, command).unwrap()
    }

    pub(crate) fn try_at(&mut self, secs: u64, command: Command) -> Result<Vec<String>, Denied> {
        let mut out = Vec::new();
        let done = self.acd.apply(Time::from_secs(secs), command, &mut out);
        self.acd.check();
        done.map(|()| out.iter().map(short).collect())
    }

    pub(crate) fn enqueue(&mut self, secs: u64, id: u64) -> Vec<String> {
        self.at(secs, Command::Enqueue(call(id)))
    }

    pub(crate) fn accept(&mut self, secs: u64, id: u64, agent: u32) {
        self.at(secs, Command::Accepted { call: CallId(id), agent: AgentId(agent) });
    }

    pub(crate) fn state(&self, agent: u32) -> AgentState {
        self.acd.agent(AgentId(agent)).unwrap().state
    }
}

pub(crate) fn short(decision: &Decision) -> String {
    match decision {
        Decision::Offer { call, agent, .. } => format!("{call}->{agent}"),
        Decision::Withdraw { call, agent } => format!("{call}<-{agent}"),
        Decision::Overflow { call, reason } => format!("{call} {reason:?}"),
        Decision::Agent { agent, state, reason } => {
            format!("{agent} {state:?}{}", reason.as_ref().map(|r| format!(" {r}")).unwrap_or_default())
        }
    }
}

/// Takes a call of this number and ends it, so that the agent is idle again.
pub(crate) fn serve(scene: &mut Scene, secs: u64, id: u64) -> u32 {
    let told = scene.enqueue(secs, id);
    let agent = told.last().unwrap().split("->a").nth(1).unwrap().parse().unwrap();
    scene.accept(secs, id, agent);
    scene.at(secs + 1, Command::Released { agent: AgentId(agent) });
    agent
}
