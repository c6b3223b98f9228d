//! The lamps of phones: how many messages wait for each agent, who is on the phone, who can be reached, which queues have callers.

use crate::desk::DND;
use crate::mailboxes::Mailboxes;
use crate::plant::Plant;
use crate::setup::AgentSetup;
use busyhour_model::{AgentId, AgentState, Mailbox, Name, Party, QueueId, What};
use busyhour_sip::{Activity, Busy, Direction, Presence, Shown, Stage, Summary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Who and what may stand otherwise than the phones were told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct News {
    agents: BTreeSet<Name>,
    /// The matcher was told something: more or fewer may wait.
    pub(crate) matched: bool,
    /// Callers waiting as told last, by `QueueId`.
    waiting: Vec<Option<u32>>,
}

impl News {
    pub(crate) fn note_party(&mut self, party: &Party) {
        if let Party::Agent(agent) = party {
            self.agents.insert(agent.clone());
        }
    }

    /// A fact that changes what lamps show.
    pub(crate) fn note(&mut self, what: &What) {
        if let What::AgentEntered { agent, .. } = what {
            self.agents.insert(agent.clone());
        }
    }
}

impl Plant {
    /// Everybody and everything may stand otherwise: the configuration is another.
    pub(crate) fn all_is_news(&mut self) {
        self.mailboxes.changed = true;
        self.news.agents.extend(self.directory.agents().map(|(_, agent)| agent.number.clone()));
        (self.news.waiting, self.news.matched) = (Vec::new(), true);
    }

    /// Tells the phones what may have changed; the newest counts, however often it changed.
    pub(crate) fn tell_lamps(&mut self) {
        if std::mem::take(&mut self.news.matched) {
            self.tell_of_queues();
        }
        for number in std::mem::take(&mut self.news.agents) {
            if let Some(id) = self.directory.agent_id(&number) {
                self.agent_shown(id).into_iter().for_each(|shown| self.sip.show(self.now, &number, shown));
            }
        }
        if std::mem::take(&mut self.mailboxes.changed) {
            let accounts: Vec<Name> = self.accounts().cloned().collect();
            for account in accounts {
                let summary = self.messages_at(&account);
                self.sip.mailbox(self.now, &account, summary);
            }
        }
    }

    /// What a phone is told of messages: those of whoever has it.
    pub(crate) fn messages_at(&self, account: &Name) -> Summary {
        let agent = self.agent_at(account).and_then(|agent| self.directory.agent_id(&agent));
        let agent = agent.and_then(|id| self.directory.agent(id));
        agent.map_or_else(Summary::default, |agent| self.mailboxes.summary(agent))
    }

    fn tell_of_queues(&mut self) {
        let waiting: Vec<_> = self.directory.queues().map(|(id, _)| (id, self.acd.waiting_in(id))).collect();
        for (id, now) in waiting {
            let at = id.0 as usize;
            if self.news.waiting.len() <= at {
                self.news.waiting.resize(at + 1, None);
            }
            if self.news.waiting[at].replace(now) != Some(now) {
                let name = self.directory.queue_name(id).clone();
                self.queue_shown(id).into_iter().for_each(|shown| self.sip.show(self.now, &name, shown));
            }
        }
    }

    /// What lamps show of an agent.
    pub(crate) fn agent_shown(&self, id: AgentId) -> [Shown; 2] {
        let number = self.directory.agent_number(id);
        let busy = self.legs.of_agent(number).find(|leg| !leg.closing).map(|leg| Busy {
            id: leg.call.0,
            stage: if leg.answered { Stage::Confirmed } else { Stage::Early },
            direction: if leg.incoming { Direction::Initiator } else { Direction::Recipient },
        });
        let view = self.acd.agent(id);
        let state = view.as_ref().map_or(AgentState::SignedOut, |view| view.state);
        let reason = view.and_then(|view| view.reason);
        [Shown::Dialog(busy), Shown::Presence(presence(state, reason))]
    }

    /// What lamps show of a queue: lit while somebody waits. It loses to an agent of the same name.
    pub(crate) fn queue_shown(&self, id: QueueId) -> Vec<Shown> {
        if self.directory.agent_id(self.directory.queue_name(id)).is_some() {
            return Vec::new();
        }
        let waiting = self.acd.waiting_in(id);
        let lit = Busy { id: 1, stage: Stage::Confirmed, direction: Direction::Recipient };
        let activity = (waiting > 0).then_some(Activity::Busy);
        let presence = Presence { open: true, activity, note: format!("{waiting} waiting").into() };
        vec![Shown::Dialog((waiting > 0).then_some(lit)), Shown::Presence(presence)]
    }
}

/// An agent's state as presence.
fn presence(state: AgentState, reason: Option<Name>) -> Presence {
    let dnd = reason.as_deref() == Some(DND);
    let (open, activity, note) = match state {
        AgentState::NotReady if dnd => (false, Some(Activity::Busy), "do not disturb"),
        AgentState::SignedOut => (false, None, "signed out"),
        AgentState::Ready => (true, None, "ready"),
        AgentState::NotReady => (false, Some(Activity::Away), "not ready"),
        AgentState::WrapUp => (false, Some(Activity::Busy), "wrap-up"),
        AgentState::Ringing | AgentState::Talking | AgentState::Hold => {
            (false, Some(Activity::OnThePhone), "on the phone")
        }
    };
    let note = match reason.filter(|_| state == AgentState::NotReady && !dnd) {
        Some(reason) => format!("{note}: {reason}").into(),
        None => note.into(),
    };
    Presence { open, activity, note }
}

impl Mailboxes {
    /// An agent's own messages and those of the queues the agent attends to.
    pub(crate) fn summary(&self, agent: &AgentSetup) -> Summary {
        let attended = agent.mailboxes.iter().cloned().map(Mailbox::Queue);
        let mut summary = Summary::default();
        for mailbox in attended.chain([Mailbox::Agent(agent.number.clone())]) {
            for message in self.of(&mailbox) {
                *if message.heard { &mut summary.old } else { &mut summary.new } += 1;
            }
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use busyhour_model::{CallId, Message, TapeId, Time};

    #[test]
    fn a_lamp_counts_the_own_messages_and_those_of_queues_attended_to() {
        let mut mailboxes = Mailboxes::default();
        let boxes = [Mailbox::Agent("1001".into()), Mailbox::Queue("loan".into()), Mailbox::Queue("card".into())];
        for (n, mailbox) in boxes.into_iter().cycle().take(7).enumerate() {
            let (tape, call, left, heard) = (TapeId(n as u64), CallId(1), Time::from_secs(n as u64), n == 3);
            mailboxes.put(Message { tape, mailbox, call, from: "".into(), left, ms: 1, file: "".into(), heard });
        }
        let mut agent = AgentSetup::new("1001".into());
        assert_eq!(mailboxes.summary(&agent), Summary { new: 2, old: 1 });
        agent.mailboxes = vec!["loan".into()];
        assert_eq!(mailboxes.summary(&agent), Summary { new: 4, old: 1 });
        assert_eq!(mailboxes.summary(&AgentSetup::new("1002".into())), Summary::default());
    }
}
