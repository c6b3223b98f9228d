//! Where one caller stands in a dialplan.

use crate::asking::Attempt;
use crate::condition::Circumstances;
use crate::keyed::{Keyed, Value};
use crate::lookup::Pending;
use crate::messages::Listening;
use crate::phrase::{self, Item, Text};
use crate::plan::{Case, Dial, Dialled, Dialplan, Node, NodeId, Play, Verb};
use crate::recording::Taping;
use crate::step::{Caller, DialTarget, Input, QueueState, Step};
use crate::waiting::Programme;
use busyhour_model::{Name, OfferOutcome, Sound, Time, calendar::Local};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Nodes entered after one input before the session gives up.
pub const CHAIN_MAX: u32 = 100;
/// Nodes entered in one session before it gives up.
pub const ENTERED_MAX: u32 = 10_000;

/// One call's walk through one dialplan. Plain data: it can be written out in mid-call and read back.
///
/// Tell it `handle`, then drain `poll_step` to `None`; call `handle` with `Input::Timeout` when `poll_timeout` is due.
/// The plan given must be the one it began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub(crate) caller: Caller,
    pub(crate) node: NodeId,
    pub(crate) name: Name,
    pub(crate) language: Name,
    pub(crate) values: BTreeMap<Name, Value>,
    /// Of them, what agents are told.
    pub(crate) show: Vec<Name>,
    /// Keys nobody has asked for yet.
    pub(crate) typed: Keyed,
    /// A terminator that may still follow an entry already complete by its length.
    pub(crate) swallow: Option<(char, Time)>,
    pub(crate) stage: Stage,
    pub(crate) deadline: Option<Time>,
    /// Where the sub-flows it is in return to.
    pub(crate) returns: Vec<NodeId>,
    /// Which question of a survey is being asked.
    pub(crate) question: usize,
    /// Look-ups begun.
    pub(crate) lookups: u32,
    /// Talks with bots begun.
    pub(crate) talks: u32,
    /// The agent talked to last.
    pub(crate) served_by: Option<Name>,
    /// For how many whole minutes the caller had waited when an agent answered last.
    pub(crate) waited: Option<u64>,
    answered: bool,
    entered: u32,
    /// When it was last told something, on the clock of the plan.
    at: Time,
    utc_offset_minutes: i32,
    pub(crate) steps: VecDeque<Step>,
}

/// What the session is waiting for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    New,
    Playing,
    Asking(Attempt),
    Waiting(Programme),
    Dialling,
    /// A branch that asks about queues.
    Deciding,
    LookingUp(Pending),
    /// In this of its talks.
    WithBot(u32),
    Listening(Listening),
    Recording(Taping),
    Promising,
    SigningIn,
    Transferring,
    Ended,
}

impl Session {
    /// A session that has not begun; `Input::Start` begins it.
    pub fn new(now: Time, plan: &Dialplan, caller: Caller) -> Session {
        let value = |text: &Name| Value { text: text.to_string(), secret: false };
        let tier = caller.tier.clone().into_iter().map(|tier| ("tier".into(), value(&tier)));
        Session {
            caller,
            node: plan.start,
            name: plan.node(plan.start).map_or_else(|| "".into(), |node| node.name.clone()),
            language: plan.language.clone(),
            values: plan.variables.iter().map(|(name, text)| (name.clone(), value(text))).chain(tier).collect(),
            show: plan.show.clone(),
            typed: Keyed::default(),
            swallow: None,
            stage: Stage::New,
            deadline: None,
            returns: Vec::new(),
            question: 0,
            lookups: 0,
            talks: 0,
            served_by: None,
            waited: None,
            answered: false,
            entered: 0,
            at: now,
            utc_offset_minutes: plan.utc_offset_minutes,
            steps: VecDeque::new(),
        }
    }

    /// The same caller, language and variables on another plan, which the session has not begun.
    pub fn moved(&self, plan: &Dialplan) -> Session {
        let mut moved = Session::new(self.at, plan, self.caller.clone());
        moved.language.clone_from(&self.language);
        moved.values.extend(self.values.clone());
        if moved.show.is_empty() {
            moved.show.clone_from(&self.show);
        }
        (moved.answered, moved.entered, moved.waited) = (self.answered, self.entered, self.waited);
        moved.served_by.clone_from(&self.served_by);
        moved
    }

    /// Goes on at the node of this name, whatever it was doing; false: there is none.
    pub fn jump(&mut self, now: Time, plan: &Dialplan, node: &str) -> bool {
        let Some(id) = plan.nodes.iter().position(|n| *n.name == *node) else { return false };
        self.at = now;
        self.steps.clear();
        self.typed.clear();
        self.returns.clear();
        self.go(now, plan, Some(NodeId(id as u16)));
        true
    }

    /// Something happened.
    pub fn handle(&mut self, now: Time, plan: &Dialplan, input: Input) {
        self.at = now;
        let Some(node) = plan.node(self.node) else { return self.end(500) };
        let next = match input {
            Input::Start if self.stage == Stage::New => Some(plan.start),
            Input::Start => None,
            Input::Digit(key) => self.key(now, node, key),
            Input::PlayEnded => self.play_ended(now, node),
            Input::Timeout if self.deadline.is_some_and(|at| at <= now) => {
                self.deadline = None;
                self.timed_out(now, node)
            }
            Input::Timeout => None,
            Input::Place { ahead, wait } => self.place_told(node, ahead, wait),
            Input::Queues(queues) => self.queues_told(plan, node, &queues),
            Input::LookedUp { id, answer } => self.looked_up(now, node, id, answer),
            Input::Talked { id, end } => self.talked(node, id, end),
            Input::Dequeued(reason) => self.dequeued(node, reason),
            Input::AgentUnavailable(availability) => self.agent_unavailable(node, availability),
            Input::DialFailed(outcome) => self.dial_ended(node, Some(outcome)),
            Input::Callback { taken } => self.promised(node, taken),
            Input::SignedIn { done } => self.signed_in(node, done),
            Input::Referred { answered } => self.referred(node, answered),
            Input::PartnerLeft => self.partner_left(node),
            Input::Fax => self.fax(plan),
            Input::Recorded { tape, voice } => self.recorded(&node.verb, tape, voice),
            Input::Messages(messages) => {
                self.messages_told(messages);
                None
            }
            Input::Mailbox { open } => self.opened(now, &node.verb, open),
        };
        self.go(now, plan, next);
    }

    /// The next thing to do.
    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// When `Input::Timeout` is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadline
    }

    /// The node it is in.
    pub fn node(&self) -> &Name {
        &self.name
    }

    /// The language prompts are played in.
    pub fn language(&self) -> &Name {
        &self.language
    }

    /// The caller's tier: by number, unless the plan has set another.
    pub fn tier(&self) -> Option<Name> {
        self.variable("tier").map(Name::from)
    }

    /// Walk on until input is needed.
    fn go(&mut self, now: Time, plan: &Dialplan, mut next: Option<NodeId>) {
        for _ in 0..CHAIN_MAX {
            let Some(id) = next else { return };
            next = self.enter(now, plan, id);
        }
        if next.is_some() {
            self.end(500);
        }
    }

    /// Do what a node says; the next node when nothing is to be waited for.
    fn enter(&mut self, now: Time, plan: &Dialplan, id: NodeId) -> Option<NodeId> {
        let node = plan.node(id).filter(|_| self.entered < ENTERED_MAX);
        let Some(Node { name, verb }) = node else {
            self.end(500);
            return None;
        };
        self.entered += 1;
        (self.node, self.name, self.deadline) = (id, name.clone(), None);
        self.steps.push_back(Step::Entered(name.clone()));
        match verb {
            Verb::Answer { then } => {
                self.answer();
                Some(*then)
            }
            Verb::Ring { then } => {
                if !self.answered {
                    self.steps.push_back(Step::Ring);
                }
                Some(*then)
            }
            Verb::PauseRecording { on, then } => {
                self.steps.push_back(Step::PauseRecording { on: *on });
                Some(*then)
            }
            Verb::Play(play) => self.play_node(play),
            Verb::Menu(menu) => self.ask(now, verb, &menu.ask),
            Verb::Collect(collect) => self.ask(now, verb, &collect.ask),
            Verb::Goto { then } => Some(*then),
            Verb::Set { values, then } => {
                self.set(values);
                Some(*then)
            }
            Verb::Sub { node, then } => self.enter_sub(*node, *then),
            Verb::Return => self.leave_sub(),
            Verb::Branch { cases, otherwise } => self.branch(plan, cases, *otherwise),
            Verb::Queue(queue) => self.enqueue(now, queue),
            Verb::Dial(dial) => self.dial(dial),
            Verb::Callback(callback) => {
                self.stage = Stage::Promising;
                let number = callback.number.as_ref().map(|number| self.text(number).unwrap_or_default());
                self.steps.push_back(Step::Callback { number });
                None
            }
            Verb::Transfer(transfer) => self.transfer(now, transfer),
            Verb::Survey(survey) => self.begin_survey(now, verb, survey),
            Verb::LookUp(asked) => self.look_up(now, asked),
            Verb::Bot(bot) => {
                self.talk(now, bot);
                None
            }
            Verb::Record(record) => self.record(now, record),
            Verb::Listen(listen) => self.listen(listen),
            Verb::SignIn(sign_in) => self.sign_in(sign_in),
            Verb::HangUp { status, cause } => {
                self.end_because(*status, *cause);
                None
            }
        }
    }

    /// Asking and waiting need an answered call; whoever comes first answers it.
    pub(crate) fn answer(&mut self) {
        if !self.answered {
            self.answered = true;
            self.steps.push_back(Step::Answer);
        }
    }

    pub(crate) fn end(&mut self, status: u16) {
        self.end_because(status, None);
    }

    fn end_because(&mut self, status: u16, cause: Option<u8>) {
        if self.stage != Stage::Ended {
            self.stage = Stage::Ended;
            self.deadline = None;
            self.steps.push_back(Step::HangUp { status, cause });
        }
    }

    pub(crate) fn play(&mut self, sounds: Vec<Sound>, repeat: bool) {
        self.steps.push_back(Step::Play { sounds, repeat });
    }

    pub(crate) fn sounds(&self, phrase: &[Item]) -> Vec<Sound> {
        phrase::sounds(phrase, &self.language, |text| self.text(text))
    }

    fn play_node(&mut self, play: &Play) -> Option<NodeId> {
        if !play.early {
            self.answer();
        }
        let sounds = self.sounds(&play.phrase);
        if sounds.is_empty() || play.interrupt && !self.typed.is_empty() {
            return Some(play.then);
        }
        self.stage = Stage::Playing;
        self.play(sounds, false);
        None
    }

    fn key(&mut self, now: Time, node: &Node, key: char) -> Option<NodeId> {
        let key = key.to_ascii_uppercase();
        if !matches!(key, '0'..='9' | '*' | '#' | 'A'..='D') || self.swallowed(now, key) {
            return None;
        }
        match (&self.stage, &node.verb) {
            (Stage::Waiting(_), Verb::Queue(queue)) => self.key_while_waiting(queue, key),
            (Stage::Asking(_), _) => self.key_when_asked(now, &node.verb, key),
            (Stage::Recording(taping), Verb::Record(record)) => {
                self.key_when_greeted(now, *taping, record);
                None
            }
            (Stage::Listening(_), Verb::Listen(listen)) => self.key_when_listening(listen, key),
            (Stage::Playing, Verb::Play(play)) => {
                self.typed.push(key);
                if play.interrupt {
                    self.steps.push_back(Step::Stop);
                }
                play.interrupt.then_some(play.then)
            }
            (Stage::LookingUp(_), _) => {
                self.typed.push(key);
                None
            }
            (Stage::WithBot(_), _) => {
                self.steps.push_back(Step::TellKey(key));
                None
            }
            _ => None,
        }
    }

    fn swallowed(&mut self, now: Time, key: char) -> bool {
        self.swallow.take().is_some_and(|(terminator, until)| terminator == key && now <= until)
    }

    fn play_ended(&mut self, now: Time, node: &Node) -> Option<NodeId> {
        match (&self.stage, &node.verb) {
            (Stage::Playing, Verb::Play(play)) => Some(play.then),
            (Stage::Asking(_), verb) => self.asked(now, verb),
            (Stage::Listening(_), Verb::Listen(listen)) => self.listened(now, listen),
            (Stage::Recording(taping), Verb::Record(record)) => {
                self.greeted(now, *taping, record);
                None
            }
            (Stage::Waiting(_), _) => {
                self.spoken(now);
                None
            }
            _ => None,
        }
    }

    fn timed_out(&mut self, now: Time, node: &Node) -> Option<NodeId> {
        match (&self.stage, &node.verb) {
            (Stage::Asking(_), verb) => self.not_keyed(now, verb),
            (Stage::Listening(_), Verb::Listen(listen)) => Some(listen.then),
            (Stage::Transferring, Verb::Transfer(transfer)) => Some(transfer.failed),
            (Stage::LookingUp(_), _) => self.look_up_timed_out(now, node),
            (Stage::WithBot(_), Verb::Bot(bot)) => Some(self.talk_timed_out(bot)),
            (Stage::Recording(_), Verb::Record(record)) => Some(record.failed),
            (Stage::Waiting(_), Verb::Queue(queue)) => {
                self.speak(now, queue);
                None
            }
            _ => None,
        }
    }

    fn dial(&mut self, dial: &Dial) -> Option<NodeId> {
        let to = match &dial.to {
            Dialled::Number { number, trunk } => {
                self.text(number).map(|number| DialTarget::Number { number, trunk: trunk.clone() })
            }
            Dialled::Agent(number) => self.text(number).map(|number| DialTarget::Agent(number.into())),
        };
        let Some(to) = to else { return Some(dial.failed) };
        // Not answered here: the caller is when the other side is, and hears it ring until then.
        self.typed.clear();
        self.stage = Stage::Dialling;
        let keys =
            dial.keys.as_ref().and_then(|keys| self.text(keys)).map(|keys| phrase::keys(&keys)).unwrap_or_default();
        self.steps.push_back(Step::Dial { to, timeout: dial.timeout, keys });
        None
    }

    fn promised(&mut self, node: &Node, taken: bool) -> Option<NodeId> {
        let (Stage::Promising, Verb::Callback(callback)) = (&self.stage, &node.verb) else { return None };
        Some(if taken { callback.then } else { callback.refused })
    }

    /// The agent or the dialled party hung up and the caller is still here.
    fn partner_left(&mut self, node: &Node) -> Option<NodeId> {
        let (Stage::Waiting(_), Verb::Queue(queue)) = (&self.stage, &node.verb) else {
            return self.dial_ended(node, None);
        };
        if queue.served.is_none() {
            self.end(crate::verb::DECLINED);
        }
        queue.served
    }

    fn dial_ended(&mut self, node: &Node, failed: Option<OfferOutcome>) -> Option<NodeId> {
        let (Stage::Dialling, Verb::Dial(dial)) = (&self.stage, &node.verb) else { return None };
        Some(match failed {
            None | Some(OfferOutcome::Answered) => dial.hung_up,
            Some(OfferOutcome::NoAnswer | OfferOutcome::Abandoned) => dial.no_answer,
            Some(OfferOutcome::Refused | OfferOutcome::Withdrawn) => dial.busy,
            Some(OfferOutcome::Unreachable) => dial.failed,
        })
    }

    /// A branch that asks about queues waits for the answer, which comes at once.
    fn branch(&mut self, plan: &Dialplan, cases: &[Case], otherwise: NodeId) -> Option<NodeId> {
        let queues: BTreeSet<&Name> = cases.iter().flat_map(Case::queues).collect();
        if queues.is_empty() {
            return Some(self.choose(plan, cases, &BTreeMap::new()).unwrap_or(otherwise));
        }
        self.stage = Stage::Deciding;
        self.steps.push_back(Step::AskQueues(queues.into_iter().cloned().collect()));
        None
    }

    fn queues_told(&self, plan: &Dialplan, node: &Node, queues: &BTreeMap<Name, QueueState>) -> Option<NodeId> {
        let (Stage::Deciding, Verb::Branch { cases, otherwise }) = (&self.stage, &node.verb) else { return None };
        Some(self.choose(plan, cases, queues).unwrap_or(*otherwise))
    }

    fn choose(&self, plan: &Dialplan, cases: &[Case], queues: &BTreeMap<Name, QueueState>) -> Option<NodeId> {
        let about = Circumstances {
            from: &self.caller.from,
            to: &self.caller.to,
            origin: &self.caller.origin,
            at: self.at,
            local: Local::of(self.at, plan.utc_offset_minutes),
            tier: self.tier(),
            queues,
        };
        let value = |name: &Name| self.variable(name).unwrap_or_default();
        let holds = |case: &&Case| case.conditions.iter().all(|condition| condition.holds(&about, value));
        cases.iter().find(holds).map(|case| case.goto)
    }

    /// All values are taken before any is set: the order in the file does not matter.
    fn set(&mut self, values: &[(Name, Text)]) {
        let taken: Vec<Value> = values.iter().map(|(_, text)| self.value(text)).collect();
        for ((name, _), value) in values.iter().zip(taken) {
            if **name == *"language" {
                self.language = value.text.into();
            } else {
                self.values.insert(name.clone(), value);
            }
        }
    }

    fn value(&self, text: &Text) -> Value {
        let secret = matches!(text, Text::Variable(from) if self.values.get(from).is_some_and(|value| value.secret));
        Value::new(self.text(text).unwrap_or_default(), secret)
    }

    /// A text's value; `None` when it is an unset or empty variable.
    pub(crate) fn text(&self, text: &Text) -> Option<String> {
        match text {
            Text::Literal(text) => Some(text.to_string()),
            Text::Variable(name) => self.variable(name),
            Text::Sum(sum) => Some(sum.value(|text| self.text(text)).to_string()),
        }
    }

    pub(crate) fn local(&self, at: Time) -> Local {
        Local::of(at, self.utc_offset_minutes)
    }

    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let text = match name {
            "caller" => &self.caller.from.national,
            "dialled" => self.caller.dialled(),
            "origin" => return Some(self.caller.origin.to_string()),
            "served_by" => return self.served_by.as_ref().map(Name::to_string),
            "waited" => return self.waited.map(|minutes| minutes.to_string()),
            "language" => return Some(self.language.to_string()),
            "today" => return Some(self.local(self.at).date()),
            "now" => return Some(self.local(self.at).time()),
            _ => &self.values.get(name)?.text,
        };
        (!text.is_empty()).then(|| text.clone())
    }
}
