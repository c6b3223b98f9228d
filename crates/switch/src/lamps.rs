//! The lamps of agents' phones: how many messages wait for each agent.

use crate::mailboxes::Mailboxes;
use crate::plant::Plant;
use crate::setup::AgentSetup;
use busyhour_model::Mailbox;
use busyhour_sip::Summary;

impl Plant {
    /// Tells every agent's phones how many messages there are, when that may have changed.
    pub(crate) fn tell_lamps(&mut self) {
        if !std::mem::take(&mut self.mailboxes.changed) {
            return;
        }
        for (_, agent) in self.directory.agents() {
            self.sip.mailbox(self.now, &agent.number, self.mailboxes.summary(agent));
        }
    }
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
