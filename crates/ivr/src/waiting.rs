//! The in-queue programme: music, place and wait, comfort, keys to leave; the place is kept all the while.

use crate::phrase::{self, Text};
use crate::plan::{Announce, Dialplan, Node, NodeId, Queue, Verb};
use crate::say;
use crate::session::{Session, Stage};
use crate::step::{AgentAvailability, Preference, Preferred, Step, Wish};
use busyhour_model::{DequeueReason, Name, Sound, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Music between two announcements lasts at least so long.
const MUSIC_MIN: Duration = Duration::from_secs(3);

/// Where a waiting caller is between music and announcements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Programme {
    music: Vec<Sound>,
    announce_at: Option<Time>,
    comfort_at: Option<Time>,
    /// Something is being said; music comes back after it.
    speaking: bool,
    /// The place was asked for and not yet told.
    asked: bool,
}

impl Session {
    /// Begin to wait.
    pub(crate) fn enqueue(&mut self, now: Time, queue: &Queue) -> Option<NodeId> {
        let agent: Option<Name> = match &queue.agent {
            None => None,
            Some(text) => match self.text(text) {
                Some(agent) => Some(agent.into()),
                None => return Some(queue.unknown),
            },
        };
        self.answer();
        let Wish { skills, priority } = self.wish(queue);
        let prefer = queue.prefer.iter().filter_map(|preference| self.preference(preference)).collect();
        let (queue_name, wait_busy) = (queue.queue.clone(), queue.wait_busy);
        self.steps.push_back(Step::Enqueue { queue: queue_name, skills, priority, agent, wait_busy, prefer });
        self.wait(now, queue);
        None
    }

    /// `None`: the variable has no value.
    fn preference(&self, wanted: &Preference<Text>) -> Option<Preference<Name>> {
        let whom = match &wanted.whom {
            Preferred::Agent(number) => Preferred::Agent(self.text(number)?.into()),
            Preferred::Last { within } => Preferred::Last { within: *within },
        };
        Some(Preference { whom, patience: wanted.patience })
    }

    /// Waits in a queue somebody else put the call into, with the programme of the plan's node for it: the node the
    /// caller is at if it is one, else the plan's first. No `Step::Enqueue` follows. `None`: the plan has no such node.
    pub fn rejoin(&mut self, now: Time, plan: &Dialplan, queue: &str) -> Option<Wish> {
        let fits = |id: NodeId| match plan.node(id) {
            Some(Node { name, verb: Verb::Queue(node) }) if *node.queue == *queue => Some((id, name, node)),
            _ => None,
        };
        let all = (0..plan.nodes.len()).map(|id| NodeId(id as u16));
        let (id, name, node) = std::iter::once(self.node).chain(all).find_map(fits)?;
        (self.node, self.name) = (id, name.clone());
        self.steps.clear();
        self.steps.push_back(Step::Entered(name.clone()));
        self.wait(now, node);
        Some(self.wish(node))
    }

    /// What calls of this node ask of the queue.
    fn wish(&self, queue: &Queue) -> Wish {
        let skills = queue.skills.iter().filter_map(|(name, level)| Some((self.text(name)?.into(), *level)));
        let extra: i32 = self.variable("priority").and_then(|text| text.parse().ok()).unwrap_or(0);
        Wish { skills: skills.collect(), priority: queue.priority.saturating_add(extra) }
    }

    /// The programme begins: greeting, then music.
    fn wait(&mut self, now: Time, queue: &Queue) {
        self.typed.clear();
        let greeting = self.sounds(&queue.greeting);
        self.stage = Stage::Waiting(Programme {
            music: self.sounds(&queue.music),
            announce_at: queue.announce.as_ref().map(|announce| now + announce.after),
            comfort_at: queue.comfort.as_ref().map(|comfort| now + comfort.after),
            speaking: false,
            asked: false,
        });
        if greeting.is_empty() { self.resume_waiting(now) } else { self.speak_sounds(greeting) }
    }

    /// The caller talks to this agent, `$served_by` from now on.
    pub fn served_by(&mut self, agent: Name) {
        self.served_by = Some(agent);
    }

    /// What agents are told of the caller: the `show` of the plan, or of the last one that has any, without what is not set.
    pub fn shown(&self) -> Vec<(Name, String)> {
        self.show.iter().filter_map(|name| Some((name.clone(), self.variable(name)?))).collect()
    }

    /// Back to the music: after an announcement, and when an agent who was rung did not take the call.
    /// Does nothing when the session is not in a queue.
    pub fn resume_waiting(&mut self, now: Time) {
        let Some(programme) = self.programme() else { return };
        (programme.speaking, programme.asked) = (false, false);
        let earliest = now + MUSIC_MIN;
        programme.announce_at = programme.announce_at.map(|at| at.max(earliest));
        programme.comfort_at = programme.comfort_at.map(|at| at.max(earliest));
        let music = programme.music.clone();
        if !music.is_empty() {
            self.play(music, true);
        }
        self.await_next();
    }

    /// What the agent who answers hears of a caller who has waited so long, in the plan's own language: `announce_agent`.
    pub fn briefing(&mut self, plan: &Dialplan, waited: Duration) -> Vec<Sound> {
        self.waited = Some(waited.as_secs() / 60);
        let phrase = self.queue_node(plan).map_or(&[][..], |queue| &queue.announce_agent);
        phrase::sounds(phrase, &plan.language, |text| self.text(text))
    }

    /// What caller and agent hear when they begin to talk, in the caller's language: `agent_greeting`.
    pub fn agent_greeting(&self, plan: &Dialplan) -> Vec<Sound> {
        self.queue_node(plan).map_or_else(Vec::new, |queue| self.sounds(&queue.agent_greeting))
    }

    /// The node it waits at.
    fn queue_node<'p>(&self, plan: &'p Dialplan) -> Option<&'p Queue> {
        match (&self.stage, &plan.node(self.node)?.verb) {
            (Stage::Waiting(_), Verb::Queue(queue)) => Some(queue),
            _ => None,
        }
    }

    /// What was said has been heard.
    pub(crate) fn spoken(&mut self, now: Time) {
        if self.programme().is_some_and(|programme| programme.speaking) {
            self.resume_waiting(now);
        }
    }

    /// The place or the comfort prompts are due.
    pub(crate) fn speak(&mut self, now: Time, queue: &Queue) {
        let Some(programme) = self.programme() else { return };
        if programme.announce_at.is_some_and(|at| at <= now) {
            let every = queue.announce.as_ref().and_then(|announce| announce.every);
            programme.announce_at = every.map(|every| now + every);
            return self.ask_place();
        }
        let Some(comfort) = queue.comfort.as_ref().filter(|_| programme.comfort_at.is_some_and(|at| at <= now)) else {
            return self.await_next();
        };
        programme.comfort_at = comfort.every.map(|every| now + every);
        match self.sounds(&comfort.phrase) {
            sounds if sounds.is_empty() => self.await_next(),
            sounds => self.speak_sounds(sounds),
        }
    }

    /// The answer to `Step::AskPlace`.
    pub(crate) fn place_told(&mut self, node: &Node, ahead: u32, wait: Option<Duration>) -> Option<NodeId> {
        let (Some(programme), Verb::Queue(queue)) = (self.programme(), &node.verb) else { return None };
        let announce = queue.announce.as_ref()?;
        if !std::mem::take(&mut programme.asked) {
            return None;
        }
        let sounds = self.place_sounds(announce, ahead, wait);
        if sounds.is_empty() {
            self.await_next();
        } else {
            self.speak_sounds(sounds);
            self.steps.push_back(Step::Announced { ahead, wait });
        }
        None
    }

    pub(crate) fn key_while_waiting(&mut self, queue: &Queue, key: char) -> Option<NodeId> {
        if queue.announce.as_ref().is_some_and(|announce| announce.key == Some(key)) {
            self.ask_place();
            return None;
        }
        let target = queue.keys.get(&key)?;
        self.steps.push_back(Step::LeaveQueue);
        self.steps.push_back(Step::Stop);
        Some(*target)
    }

    /// The queue gave the call back.
    pub(crate) fn dequeued(&mut self, node: &Node, reason: DequeueReason) -> Option<NodeId> {
        let queue = self.left_waiting(node)?;
        match reason {
            DequeueReason::TimedOut => Some(queue.timed_out),
            DequeueReason::Full => Some(queue.full),
            DequeueReason::NoAgents => Some(queue.no_agents),
            DequeueReason::Closed => Some(queue.closed),
            DequeueReason::Abandoned | DequeueReason::Left => {
                self.end(480);
                None
            }
        }
    }

    /// The agent asked for cannot be rung now.
    pub(crate) fn agent_unavailable(&mut self, node: &Node, availability: AgentAvailability) -> Option<NodeId> {
        let queue = self.left_waiting(node)?;
        Some(match availability {
            AgentAvailability::Busy => queue.busy,
            AgentAvailability::Offline => queue.offline,
            AgentAvailability::Unknown => queue.unknown,
        })
    }

    /// The queue node, when waiting there is over; what was still to be played for it is dropped.
    fn left_waiting<'p>(&mut self, node: &'p Node) -> Option<&'p Queue> {
        let (Stage::Waiting(_), Verb::Queue(queue)) = (&self.stage, &node.verb) else { return None };
        self.steps.retain(|step| !matches!(step, Step::Play { .. } | Step::AskPlace));
        Some(queue)
    }

    fn ask_place(&mut self) {
        self.deadline = None;
        if let Some(programme) = self.programme() {
            programme.asked = true;
            self.steps.push_back(Step::AskPlace);
        }
    }

    fn place_sounds(&self, announce: &Announce, ahead: u32, wait: Option<Duration>) -> Vec<Sound> {
        let place = if announce.position { say::place(&self.language, ahead) } else { Vec::new() };
        let wait =
            wait.filter(|_| announce.wait).map(|wait| say::predicted_wait(&self.language, wait)).unwrap_or_default();
        place.iter().chain(&wait).map(|id| phrase::prompt(&self.language, id)).collect()
    }

    fn speak_sounds(&mut self, sounds: Vec<Sound>) {
        self.deadline = None;
        if let Some(programme) = self.programme() {
            programme.speaking = true;
        }
        self.play(sounds, false);
    }

    /// Sleep until something is to be said, unless something is being said.
    fn await_next(&mut self) {
        let Some(programme) = self.programme() else { return };
        let next = programme.announce_at.into_iter().chain(programme.comfort_at).min();
        self.deadline = next.filter(|_| !programme.speaking && !programme.asked);
    }

    fn programme(&mut self) -> Option<&mut Programme> {
        match &mut self.stage {
            Stage::Waiting(programme) => Some(programme),
            _ => None,
        }
    }
}
