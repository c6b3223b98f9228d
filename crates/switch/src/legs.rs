//! Legs: one INVITE session or one program, one media stream; and what each needs until its media has closed.

use crate::trunks::Channel;
use busyhour_model::{Audio, CallId, ForkId, LegId, Name, Party, PlayId, Release};
use busyhour_sip::Reason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leg {
    pub(crate) call: CallId,
    pub(crate) party: Party,
    /// The peer invited us.
    pub(crate) incoming: bool,
    /// An agent's phone hears the answer to a star code: no call of that agent's.
    pub(crate) aside: bool,
    /// Our RTP port; a program has none.
    pub(crate) port: Option<u16>,
    /// Its peer is this program.
    pub(crate) program: Option<ForkId>,
    /// Our RTP address as its peer knows it.
    pub(crate) told: SocketAddr,
    /// The channel it holds.
    pub(crate) channel: Option<Channel>,
    /// What was agreed, once it was.
    pub(crate) audio: Option<Audio>,
    /// Where its keys came from first, while they may come twice.
    pub(crate) keys: Option<Keys>,
    /// What it hears from us.
    pub(crate) play: Option<PlayId>,
    /// Answered with 2xx, by us or by the peer.
    pub(crate) answered: bool,
    /// Signalling is down and media is closing.
    pub(crate) closing: bool,
    /// Final status, for the record.
    pub(crate) status: u16,
    /// What its peer said of why it ends.
    pub(crate) reason: Reason,
    /// The cause its peer is to be told; `None`: what the status stands for.
    pub(crate) cause: Option<u8>,
    /// How it ended.
    pub(crate) release: Option<Release>,
}

/// Where a key is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Keys {
    Media,
    Info,
}

impl Leg {
    /// Whether a key counts. Who has no telephone-events may tell each as a tone in the sound and by INFO: those of the first kind
    /// heard count.
    pub(crate) fn takes_key(&mut self, from: Keys) -> bool {
        let doubtful = self.audio.as_ref().is_some_and(|audio| audio.tones);
        !doubtful || *self.keys.get_or_insert(from) == from
    }
}

/// Every leg from its opening until its media has closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Legs {
    legs: BTreeMap<LegId, Leg>,
    /// Of agents, the oldest first.
    agents: BTreeMap<Name, Vec<LegId>>,
    /// Of programs that have not been told that it is over.
    programs: BTreeMap<ForkId, LegId>,
    /// Legs without ports.
    portless: usize,
}

impl Legs {
    pub(crate) fn open(&mut self, id: LegId, leg: Leg) {
        if let Party::Agent(agent) = &leg.party {
            self.agents.entry(agent.clone()).or_default().push(id);
        }
        self.portless += usize::from(leg.port.is_none());
        self.programs.extend(leg.program.map(|fork| (fork, id)));
        let former = self.legs.insert(id, leg);
        debug_assert!(former.is_none(), "leg {id} opened twice");
    }

    pub(crate) fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(&id)
    }

    pub(crate) fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.get_mut(&id)
    }

    /// The legs of an agent's phones, the oldest first.
    pub(crate) fn of_agent(&self, agent: &str) -> impl Iterator<Item = &Leg> {
        self.agents.get(agent).into_iter().flatten().filter_map(|id| self.legs.get(id))
    }

    pub(crate) fn close(&mut self, id: LegId) -> Option<Leg> {
        let leg = self.legs.remove(&id)?;
        self.portless -= usize::from(leg.port.is_none());
        if let Party::Agent(agent) = &leg.party
            && let Some(own) = self.agents.get_mut(agent)
        {
            own.retain(|known| *known != id);
            if own.is_empty() {
                self.agents.remove(agent);
            }
        }
        Some(leg)
    }

    /// The program at a leg, while it may be told something.
    pub(crate) fn program(&self, leg: LegId) -> Option<ForkId> {
        self.leg(leg)?.program.filter(|fork| self.programs.contains_key(fork))
    }

    /// The leg of a program that has not been told that it is over.
    pub(crate) fn of_program(&self, fork: ForkId) -> Option<LegId> {
        self.programs.get(&fork).copied()
    }

    /// The program that is to be told that it is over, and says nothing more then.
    pub(crate) fn take_program(&mut self, leg: LegId) -> Option<ForkId> {
        let fork = self.program(leg)?;
        self.programs.remove(&fork).map(|_| fork)
    }

    /// Legs without ports.
    pub(crate) fn portless(&self) -> usize {
        self.portless
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LegId, &Leg)> {
        self.legs.iter().map(|(id, leg)| (*id, leg))
    }

    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }
}
