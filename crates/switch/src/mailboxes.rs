//! Messages callers left: by mailbox, so many in each, kept so long.

use crate::call::Call;
use crate::plant::Plant;
use crate::request::{Denied, Reply};
use crate::switch::Switch;
use busyhour_model::{Mailbox, Message, Name, TapeId, Time, What};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Messages heard in one call; the others in the next.
const LISTENED_MAX: usize = 100;

/// What holds for all mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoicemailSetup {
    /// Messages of one mailbox; a full one takes no more.
    pub messages_max: usize,
    /// A message is removed after so long.
    pub keep: Duration,
}

impl Default for VoicemailSetup {
    fn default() -> VoicemailSetup {
        VoicemailSetup { messages_max: 100, keep: Duration::from_secs(30 * 24 * 3600) }
    }
}

/// All messages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mailboxes {
    messages: BTreeMap<TapeId, Message>,
    by_mailbox: BTreeSet<(Mailbox, TapeId)>,
    by_age: BTreeSet<(Time, TapeId)>,
    /// Something is not as the phones were told; so is a change of who attends to what.
    pub(crate) changed: bool,
}

impl Mailboxes {
    pub(crate) fn put(&mut self, message: Message) {
        self.changed = true;
        self.by_mailbox.insert((message.mailbox.clone(), message.tape));
        self.by_age.insert((message.left, message.tape));
        self.messages.insert(message.tape, message);
    }

    /// The oldest first.
    pub(crate) fn of(&self, mailbox: &Mailbox) -> impl Iterator<Item = &Message> {
        let all = (mailbox.clone(), TapeId(0))..=(mailbox.clone(), TapeId(u64::MAX));
        self.by_mailbox.range(all).filter_map(|(_, tape)| self.messages.get(tape))
    }

    /// Messages nobody has listened to.
    pub(crate) fn unheard(&self, mailbox: &Mailbox) -> u32 {
        self.of(mailbox).filter(|message| !message.heard).count() as u32
    }

    /// By mailbox, the oldest of each first.
    fn all(&self) -> impl Iterator<Item = &Message> {
        self.by_mailbox.iter().filter_map(|(_, tape)| self.messages.get(tape))
    }

    fn take(&mut self, tape: TapeId) -> Option<Message> {
        let message = self.messages.remove(&tape)?;
        self.changed = true;
        self.by_mailbox.remove(&(message.mailbox.clone(), tape));
        self.by_age.remove(&(message.left, tape));
        Some(message)
    }
}

impl Plant {
    /// Whether a mailbox is somebody's and has room.
    pub(crate) fn has_room(&self, mailbox: &Mailbox) -> bool {
        let known = match mailbox {
            Mailbox::Queue(queue) => self.directory.queue_id(queue).is_some(),
            Mailbox::Agent(agent) => self.directory.agent_called(agent).is_some(),
        };
        known && self.mailboxes.of(&self.by_number(mailbox)).count() < self.setup.voicemail.messages_max
    }

    /// An agent's mailbox is the one of the number, whatever the agent is called by.
    fn by_number(&self, mailbox: &Mailbox) -> Mailbox {
        match mailbox {
            Mailbox::Agent(called) => Mailbox::Agent(self.directory.agent_called(called).unwrap_or(called).clone()),
            Mailbox::Queue(_) => mailbox.clone(),
        }
    }

    /// What somebody hears of a mailbox by telephone: of an agent's, also the queues' that agent attends to.
    pub(crate) fn messages_for(&self, mailbox: &Mailbox) -> Vec<Message> {
        let mailbox = self.by_number(mailbox);
        let agent = match &mailbox {
            Mailbox::Agent(number) => self.directory.agent_id(number).and_then(|id| self.directory.agent(id)),
            Mailbox::Queue(_) => None,
        };
        let attended = agent.into_iter().flat_map(|setup| setup.mailboxes.iter().cloned().map(Mailbox::Queue));
        std::iter::once(mailbox)
            .chain(attended)
            .flat_map(|mailbox| self.mailboxes.of(&mailbox).cloned().collect::<Vec<_>>())
            .take(LISTENED_MAX)
            .collect()
    }

    /// When the oldest message has been kept long enough.
    pub(crate) fn message_expires(&self) -> Option<Time> {
        self.mailboxes.by_age.first().map(|(left, _)| *left + self.setup.voicemail.keep)
    }

    pub(crate) fn delete_message(&mut self, tape: TapeId, expired: bool) -> Option<()> {
        let Message { mailbox, .. } = self.mailboxes.take(tape)?;
        self.fact(What::MessageDeleted { tape, mailbox, expired });
        Some(())
    }

    /// Somebody listens to a message.
    pub(crate) fn hear_message(&mut self, tape: TapeId) -> Option<()> {
        let message = self.mailboxes.messages.get_mut(&tape)?;
        if !std::mem::replace(&mut message.heard, true) {
            let mailbox = message.mailbox.clone();
            self.mailboxes.changed = true;
            self.fact(What::MessageHeard { tape, mailbox });
        }
        Some(())
    }

    /// Removes what has been kept long enough.
    pub(crate) fn expire_messages(&mut self) {
        while self.message_expires().is_some_and(|at| at <= self.now)
            && let Some((_, tape)) = self.mailboxes.by_age.first().copied()
        {
            self.delete_message(tape, true);
        }
    }
}

impl Call {
    /// What a recording of this call will be in a mailbox.
    pub(crate) fn message(&self, plant: &Plant, tape: TapeId, mailbox: &Mailbox) -> Message {
        let (from, mailbox) = (Name::from(self.from.national.as_str()), plant.by_number(mailbox));
        let (call, left) = (self.id, plant.now);
        Message { tape, mailbox, call, from, left, ms: 0, file: "".into(), heard: false }
    }
}

impl Switch {
    /// Messages left before this start; before anything else happens.
    pub fn handle_messages(&mut self, now: Time, messages: Vec<Message>) {
        self.plant.now = now.max(self.plant.now);
        messages.into_iter().for_each(|message| self.plant.mailboxes.put(message));
        self.plant.expire_messages();
        self.plant.tell_lamps();
    }

    pub(crate) fn messages(&self, mailbox: Option<&Mailbox>) -> Reply {
        let mailboxes = &self.plant.mailboxes;
        Reply::Messages(match mailbox {
            Some(mailbox) => mailboxes.of(mailbox).cloned().collect(),
            None => mailboxes.all().cloned().collect(),
        })
    }

    pub(crate) fn message(&self, tape: TapeId) -> Result<Reply, Denied> {
        let message = self.plant.mailboxes.messages.get(&tape).ok_or(Denied::UnknownMessage(tape))?;
        Ok(Reply::Messages(vec![message.clone()]))
    }

    pub(crate) fn message_heard(&mut self, tape: TapeId) -> Result<Reply, Denied> {
        self.plant.hear_message(tape).map(|()| Reply::Done).ok_or(Denied::UnknownMessage(tape))
    }

    pub(crate) fn message_deleted(&mut self, tape: TapeId) -> Result<Reply, Denied> {
        self.plant.delete_message(tape, false).map(|()| Reply::Done).ok_or(Denied::UnknownMessage(tape))
    }
}
