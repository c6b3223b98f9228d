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
