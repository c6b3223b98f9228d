//! Listening to a mailbox: how many are new, then each message in its turn, heard again, kept or deleted by key.

use crate::parse::Reader;
use crate::phrase::prompt;
use crate::plan::{NodeId, Verb};
use crate::recording::Owner;
use crate::say::{self, Form};
use crate::session::{Session, Stage};
use crate::source::{Fields, Value};
use crate::step::Step;
use busyhour_model::{Message, Sound, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// What is heard beside the messages: how many are new, none at all, which keys there are, deleted, no more.
const PROMPTS: [&str; 5] = ["vm/new", "vm/none", "vm/keys", "vm/deleted", "vm/end"];
/// Who presses no key so long after a message has listened enough.
const PATIENCE: Duration = Duration::from_secs(10);

/// Let somebody listen to messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listen {
    pub(crate) owner: Owner,
    pub(crate) then: NodeId,
}

/// How far somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Listening {
    /// What is in the mailbox?
    Opening,
    /// The first of these, and then the others.
    Hearing(VecDeque<Message>),
    /// That was all.
    Closing,
}

impl<'t> Reader<'t> {
    /// `messages = "queue"`, or `{ agent = "$caller" }`.
    pub(crate) fn messages(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let owner = self.owner(value).unwrap_or(Owner::Queue("".into()));
        PROMPTS.iter().for_each(|id| self.prompt(id, fields.offset));
        Verb::Listen(Listen { owner, then: self.target(fields, "then") })
    }
}

impl Session {
    pub(crate) fn listen(&mut self, listen: &Listen) -> Option<NodeId> {
        self.answer();
        self.typed.clear();
        let Some(mailbox) = self.mailbox(&listen.owner) else { return Some(listen.then) };
        self.stage = Stage::Listening(Listening::Opening);
        self.steps.push_back(Step::AskMessages { mailbox });
        None
    }

    /// The mailbox is open: new messages first, then by age.
    pub(crate) fn messages_told(&mut self, mut messages: Vec<Message>) {
        if self.stage != Stage::Listening(Listening::Opening) {
            return;
        }
        messages.sort_by_key(|message| (message.heard, message.left));
        if messages.is_empty() {
            return self.close_mailbox("vm/none");
        }
        let new = messages.iter().filter(|message| !message.heard).count();
        let mut sounds = self.words(&["vm/new"]);
        sounds.extend(self.words(&say::say(&self.language, Form::Number(None), &new.to_string())));
        self.hear_message(sounds, messages.into());
    }

    /// The first of these is heard, after `sounds`.
    fn hear_message(&mut self, mut sounds: Vec<Sound>, messages: VecDeque<Message>) {
        let Some(message) = messages.front() else { return self.close_mailbox("vm/end") };
        let left = self.local(message.left);
        let told =
            [(Form::Telephone, message.from.to_string()), (Form::Date, left.date()), (Form::TimeOfDay, left.time())];
        for (form, value) in told.iter().filter(|(_, value)| !value.is_empty()) {
            sounds.extend(self.words(&say::say(&self.language, *form, value)));
        }
        sounds.push(Sound::Tape(message.tape));
        sounds.extend(self.words(&["vm/keys"]));
        self.deadline = None;
        self.stage = Stage::Listening(Listening::Hearing(messages));
        self.play(sounds, false);
    }

    fn close_mailbox(&mut self, id: &str) {
        self.stage = Stage::Listening(Listening::Closing);
        self.play(self.words(&[id]), false);
    }

    fn words(&self, ids: &[&str]) -> Vec<Sound> {
        ids.iter().map(|id| prompt(&self.language, id)).collect()
    }

    /// What was playing has been heard to its end.
    pub(crate) fn listened(&mut self, now: Time, listen: &Listen) -> Option<NodeId> {
        match &self.stage {
            Stage::Listening(Listening::Hearing(messages)) => {
                let tape = messages.front().map(|message| message.tape);
                self.steps.extend(tape.map(|tape| Step::MessageHeard { tape }));
                self.deadline = Some(now + PATIENCE);
                None
            }
            Stage::Listening(Listening::Closing) => Some(listen.then),
            _ => None,
        }
    }

    /// 1: again; 2 or #: the next; 3: delete; *: enough.
    pub(crate) fn key_when_listening(&mut self, listen: &Listen, key: char) -> Option<NodeId> {
        let Stage::Listening(Listening::Hearing(messages)) = &mut self.stage else { return None };
        let mut messages = std::mem::take(messages);
        let tape = messages.front()?.tape;
        self.steps.push_back(Step::Stop);
        if key == '3' {
            self.steps.push_back(Step::DeleteMessage { tape });
            messages.pop_front();
            self.hear_message(self.words(&["vm/deleted"]), messages);
            return None;
        }
        self.steps.push_back(Step::MessageHeard { tape });
        match key {
            '*' => return Some(listen.then),
            '2' | '#' => drop(messages.pop_front()),
            _ => {}
        }
        self.hear_message(Vec::new(), messages);
        None
    }
}
