//! A journal played again: its commands to a fresh ACD, whose decisions and states must be those that were written.

use crate::journal::{Entry, Snapshot, Unreadable};
use busyhour_acd::{Acd, Command, Decision, Denied, Digest};
use busyhour_model::{AgentId, AgentState, CallId, Name, Time, What, Why};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Plays entries again, in their order.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// `None` until the first snapshot.
    acd: Option<Acd>,
    /// Decisions whose facts have not come yet.
    states: VecDeque<(AgentId, AgentState, Option<Name>)>,
    offers: VecDeque<(CallId, Why)>,
    tally: Replayed,
}

/// How much was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Starts of a switch.
    pub runs: u64,
    /// Commands that were played.
    pub commands: u64,
    /// What the ACD decided then.
    pub decisions: u64,
    /// Fingerprints compared, all equal.
    pub marks: u64,
    /// Commands before the first snapshot that can be read: they cannot be played.
    pub skipped: u64,
    /// Snapshots of another version.
    pub foreign: u64,
}

/// The first thing that is not as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Difference {
    /// A command that was carried out is denied.
    #[error("the command was carried out, in the replay it is denied: {0}")]
    Denied(Denied),
    /// Another state.
    #[error("the state of the ACD was {written}, in the replay it is {replayed}")]
    State {
        /// In the journal.
        written: Digest,
        /// In the replay.
        replayed: Digest,
    },
    /// An agent went elsewhere.
    #[error("agent {agent} became {state:?}, in the replay {replayed}")]
    Agent {
        /// Agent number.
        agent: Name,
        /// In the journal.
        state: AgentState,
        /// In the replay.
        replayed: String,
    },
    /// An offer that the replay does not make, or for other reasons.
    #[error("call {call} was offered to agent {agent}, in the replay it is not, or for other reasons")]
    Offer {
        /// Which.
        call: CallId,
        /// Agent number.
        agent: Name,
    },
    /// A decision that never came true.
    #[error("in the replay {0} by now")]
    Missing(String),
    /// A snapshot whose bytes changed.
    #[error("{0}")]
    Damaged(Unreadable),
}

impl Replay {
    /// Plays the next entry.
    ///
    /// # Errors
    /// The first difference; what follows it means nothing.
    pub fn take(&mut self, entry: &Entry) -> Result<(), Difference> {
        match entry {
            Entry::Began(_, snapshot) => {
                let tally = Replayed { runs: self.tally.runs + 1, ..self.tally };
                *self = Replay { tally, ..Replay::default() };
                self.load(snapshot)
            }
            Entry::Snapshot(at, snapshot) => {
                self.compare(*at, snapshot.digest)?;
                if self.acd.is_none() { self.load(snapshot) } else { Ok(()) }
            }
            Entry::Mark(at, digest) => self.compare(*at, *digest),
            Entry::Command(at, command) => self.command(*at, command),
            Entry::Fact(fact) if self.acd.is_some() => self.fact(&fact.what),
            Entry::Fact(_) => Ok(()),
        }
    }

    /// How much was played so far.
    pub fn tally(&self) -> Replayed {
        self.tally
    }

    fn load(&mut self, snapshot: &Snapshot) -> Result<(), Difference> {
        match snapshot.read() {
            Ok(acd) => self.acd = Some(acd),
            Err(Unreadable::Foreign(_)) => self.tally.foreign += 1,
            Err(damaged) => return Err(Difference::Damaged(damaged)),
        }
        Ok(())
    }

    fn command(&mut self, at: Time, command: &Command) -> Result<(), Difference> {
        let Some(acd) = &mut self.acd else {
            self.tally.skipped += 1;
            return Ok(());
        };
        let mut decisions = Vec::new();
        acd.apply(at, command.clone(), &mut decisions).map_err(Difference::Denied)?;
        self.tally.commands += 1;
        self.tally.decisions += decisions.len() as u64;
        for decision in decisions {
            match decision {
                Decision::Agent { agent, state, reason } => self.states.push_back((agent, state, reason)),
                Decision::Offer { call, why, .. } => self.offers.push_back((call, why)),
                Decision::Withdraw { .. } | Decision::Overflow { .. } => {}
            }
        }
        Ok(())
    }

    /// Facts follow the decisions they tell, in the same order.
    fn fact(&mut self, what: &What) -> Result<(), Difference> {
        match what {
            What::AgentEntered { agent_id, state, .. } if self.is_hold(*agent_id, *state) => Ok(()),
            What::AgentEntered { agent_id, agent, state, reason } => {
                let next = self.states.pop_front();
                if next.as_ref().is_some_and(|(id, to, why)| (id, to, why) == (agent_id, state, reason)) {
                    return Ok(());
                }
                let replayed = next.map_or("nobody".into(), |(id, to, _)| format!("{id} became {to:?}"));
                Err(Difference::Agent { agent: agent.clone(), state: *state, replayed })
            }
            What::Offered { call, agent, why, .. } => {
                // An offer that no longer stood when its turn came was never made.
                while let Some(offer) = self.offers.pop_front() {
                    if offer == (*call, *why) {
                        return Ok(());
                    }
                }
                Err(Difference::Offer { call: *call, agent: agent.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Hold and its end are no decisions of the ACD: to it the agent talks all the while.
    fn is_hold(&self, agent: AgentId, state: AgentState) -> bool {
        let decided = || self.states.iter().any(|(id, ..)| *id == agent);
        let talks =
            || self.acd.as_ref().and_then(|acd| acd.agent(agent)).is_some_and(|v| v.state == AgentState::Talking);
        match state {
            AgentState::Hold => true,
            AgentState::Talking => !decided() && talks(),
            _ => false,
        }
    }

    /// Everything decided above was told by now, and the state is this.
    fn compare(&mut self, at: Time, written: Digest) -> Result<(), Difference> {
        self.offers.clear();
        if let Some((id, state, _)) = self.states.pop_front() {
            return Err(Difference::Missing(format!("agent {id} became {state:?}")));
        }
        let Some(acd) = &mut self.acd else { return Ok(()) };
        // A denied command is no line of the journal, but the time it came at was seen.
        acd.apply(at, Command::Tick, &mut Vec::new()).map_err(Difference::Denied)?;
        let replayed = acd.digest();
        if replayed != written {
            return Err(Difference::State { written, replayed });
        }
        self.tally.marks += 1;
        Ok(())
    }
}
