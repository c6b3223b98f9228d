//! A dialplan's own tests, run against a session in virtual time.

mod happened;

use crate::bot::Talk;
use crate::plan::Dialplan;
use crate::script::{Act, Failure, Move, QUIET, RECORDING, Script, TestOutcome};
use crate::session::Session;
use crate::step::{Caller, DialTarget, Input, Preference, Preferred, QueueState, Step};
use busyhour_model::{CallId, Mailbox, Message, Name, Number, Sound, TapeId, Time};
use happened::{Happened, found};
use std::collections::BTreeMap;
use std::time::Duration;

/// Every prompt takes so long.
const PROMPT: Duration = Duration::from_secs(2);
/// Every key pressed takes so long.
const KEY: Duration = Duration::from_millis(200);
/// A test waits at most so long for what it expects.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Of what happened instead, the first so many are told.
const TOLD_MAX: usize = 8;
/// Moments at which something happens while a test waits for one thing.
const MOMENTS_MAX: usize = 10_000;

impl Dialplan {
    /// Run the dialplan's own tests; nothing but the plan and virtual time takes part.
    pub fn test(&self) -> Vec<TestOutcome> {
        self.scripts.iter().map(|script| Rehearsal::new(self, script).run(script)).collect()
    }
}

/// One test under way.
struct Rehearsal<'p> {
    plan: &'p Dialplan,
    session: Session,
    now: Time,
    /// When what plays will have been heard.
    play_ends: Option<Time>,
    place: (u32, Option<Duration>),
    queues: BTreeMap<Name, QueueState>,
    /// The look-up that waits for an answer.
    asked: Option<u32>,
    /// The talk with a bot that has no end yet.
    talk: Option<u32>,
    /// Whether the next call-back asked for is refused.
    refuses: bool,
    refuses_sign_in: bool,
    transfer_fails: bool,
    /// The last survey, and the scores by question.
    survey: (Name, BTreeMap<Name, u32>),
    taping: Option<Spoken>,
    /// The next mailbox opened is full.
    mailbox_full: bool,
    messages: u32,
    /// What happened and was not yet expected.
    log: Vec<Happened>,
}

/// A recording under way.
struct Spoken {
    longest: Duration,
    silence: Option<Duration>,
    keys: String,
    voice: Duration,
    ends: Time,
}

impl Spoken {
    fn heard(&self) -> Input {
        Input::Recorded { tape: Some(TapeId(1)), voice: self.voice }
    }
}

impl<'p> Rehearsal<'p> {
    fn new(plan: &'p Dialplan, script: &Script) -> Rehearsal<'p> {
        let caller = Caller {
            from: Number::parse(&script.from),
            to: Number::parse(&script.to),
            origin: script.origin.clone(),
            tier: script.tier.clone(),
        };
        Rehearsal {
            plan,
            session: Session::new(script.at, plan, caller),
            now: script.at,
            play_ends: None,
            place: (0, None),
            queues: BTreeMap::new(),
            asked: None,
            talk: None,
            refuses: false,
            refuses_sign_in: false,
            transfer_fails: false,
            survey: ("".into(), BTreeMap::new()),
            taping: None,
            mailbox_full: false,
            messages: 0,
            log: Vec::new(),
        }
    }

    fn run(mut self, script: &Script) -> TestOutcome {
        self.tell(Input::Start);
        for (Move { line, column, what }, step) in script.steps.iter().zip(1..) {
            if let Err(instead) = self.act(what) {
                let failure = Failure { step, column: *column, expected: what.to_string(), instead };
                return TestOutcome { name: script.name.clone(), line: *line, failure: Some(failure) };
            }
        }
        TestOutcome { name: script.name.clone(), line: script.line, failure: None }
    }

    /// What happened instead, when it is not what was expected.
    fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Press(keys) => keys.chars().for_each(|key| self.press(key)),
            Act::Speak(span) => return self.speak(*span),
            Act::Pass(span) => self.pass(self.now + *span),
            Act::Place(ahead, wait) => self.place = (*ahead, *wait),
            Act::QueueIs(queue, state) => drop(self.queues.insert(queue.clone(), *state)),
            Act::Dequeue(reason) => self.tell(Input::Dequeued(*reason)),
            Act::Agent(availability) => self.tell(Input::AgentUnavailable(*availability)),
            Act::FailTransfer => self.transfer_fails = true,
            Act::RefuseCallback => self.refuses = true,
            Act::RefuseSignIn => self.refuses_sign_in = true,
            Act::FillMailbox => self.mailbox_full = true,
            Act::Messages(count) => self.messages = *count,
            Act::DialFails(outcome) => self.tell(Input::DialFailed(*outcome)),
            Act::PartnerLeaves => self.tell(Input::PartnerLeft),
            Act::Fax => self.tell(Input::Fax),
            Act::Language(language) if self.session.language() == language => {}
            Act::Language(_) => return Err(format!("language `{}`", self.session.language())),
            Act::LookUp(_, answer) => {
                self.expect(act)?;
                if let (Some(id), Some(answer)) = (self.asked.take(), answer) {
                    self.tell(Input::LookedUp { id, answer: answer.clone() });
                }
            }
            Act::Talk(_, end) => {
                self.expect(act)?;
                if let (Some(id), Some(end)) = (self.talk.take(), end) {
                    self.tell(Input::Talked { id, end: end.clone() });
                }
            }
            expected => return self.expect(expected),
        }
        Ok(())
    }

    /// A key ends a recording, or the session hears it.
    fn press(&mut self, key: char) {
        if let Some(taping) = self.taping.take_if(|taping| taping.keys.contains(key)) {
            self.tell(taping.heard());
        }
        self.tell(Input::Digit(key));
    }

    /// Let time pass until something is recorded, and speak.
    fn speak(&mut self, span: Duration) -> Result<(), String> {
        let until = self.now + PATIENCE;
        for _ in 0..MOMENTS_MAX {
            if let Some(taping) = &mut self.taping {
                taping.voice = span.min(taping.longest);
                let silence = taping.silence.map_or(taping.longest, |silence| taping.voice + silence);
                taping.ends = self.now + silence.min(taping.longest);
                return Ok(());
            }
            let Some(at) = self.next_moment().filter(|at| *at <= until) else { break };
            self.pass(at);
        }
        Err(format!("nothing is recorded in node `{}`", self.session.node()))
    }

    /// Let time pass until what is expected has happened.
    fn expect(&mut self, expected: &Act) -> Result<(), String> {
        let until = self.now + PATIENCE;
        for _ in 0..MOMENTS_MAX {
            if let Some(end) = found(&self.log, expected) {
                self.log.drain(..end);
                return Ok(());
            }
            match self.next_moment().filter(|at| *at <= until) {
                Some(at) => self.pass(at),
                None => break,
            }
        }
        let mut log: Vec<_> = self.log.iter().take(TOLD_MAX).map(Happened::to_string).collect();
        match self.log.len() {
            0 => log.push("nothing".into()),
            more if more > TOLD_MAX => log.push("…".into()),
            _ => {}
        }
        Err(format!("{} (now in node `{}`)", log.join(", "), self.session.node()))
    }

    fn next_moment(&self) -> Option<Time> {
        let taped = self.taping.as_ref().map(|taping| taping.ends);
        self.play_ends.into_iter().chain(taped).chain(self.session.poll_timeout()).min()
    }

    /// Go through everything that is due until `until`.
    fn pass(&mut self, until: Time) {
        for _ in 0..MOMENTS_MAX {
            let Some(at) = self.next_moment().filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            if self.play_ends == Some(at) {
                self.play_ends = None;
                self.tell(Input::PlayEnded);
            } else if let Some(taping) = self.taping.take_if(|taping| taping.ends <= at) {
                self.tell(taping.heard());
            } else {
                self.tell(Input::Timeout);
            }
        }
        self.now = self.now.max(until);
    }

    fn tell(&mut self, input: Input) {
        self.session.handle(self.now, self.plan, input);
        while let Some(step) = self.session.poll_step() {
            self.note(step);
        }
    }

    /// One of this caller's, left now.
    fn message(&self, id: u32, mailbox: &Mailbox) -> Message {
        let (from, file) = (self.session.caller.from.national.as_str().into(), "".into());
        let (tape, mailbox) = (TapeId(id.into()), mailbox.clone());
        Message { tape, mailbox, call: CallId(1), from, left: self.now, ms: 2000, file, heard: false }
    }

    fn heard(&mut self, sounds: Vec<Sound>, repeat: bool) {
        self.play_ends = (!repeat).then(|| self.now + length(&sounds));
        let pressed = pressed(&sounds);
        let prompts = sounds.into_iter().filter_map(|sound| match sound {
            Sound::Prompt { id, .. } => Some(Happened::Heard(id)),
            Sound::Silence(_) | Sound::Key(_) => None,
            Sound::Tape(_) => Some(Happened::Heard(RECORDING.into())),
            Sound::Spoken(words) => Some(Happened::Heard(words.text)),
        });
        self.log.extend(prompts);
        self.log.extend(pressed);
    }

    fn open(&mut self, mailbox: Mailbox) {
        let open = !std::mem::take(&mut self.mailbox_full);
        let (Mailbox::Queue(whose) | Mailbox::Agent(whose)) = mailbox;
        self.log.push(Happened::Mailbox(whose));
        self.tell(Input::Mailbox { open });
    }

    fn begin_talk(&mut self, id: u32, bot: Name) {
        self.talk = Some(id);
        self.log.push(Happened::Talked(bot));
    }

    fn sign_in(&mut self, agent: Name) {
        self.log.push(Happened::SignedIn(agent));
        let done = !std::mem::take(&mut self.refuses_sign_in);
        self.tell(Input::SignedIn { done });
    }

    fn note(&mut self, step: Step) {
        match step {
            Step::Entered(node) => self.log.push(Happened::Entered(node)),
            Step::Play { sounds, repeat } => self.heard(sounds, repeat),
            Step::Stop => self.play_ends = None,
            Step::OpenMailbox { mailbox } => self.open(mailbox),
            Step::AskMessages { mailbox } => {
                let messages = (1..=self.messages).map(|id| self.message(id, &mailbox)).collect();
                self.tell(Input::Messages(messages));
            }
            Step::Record { longest, silence, keys, .. } => {
                let ends = self.now + silence.unwrap_or(longest).min(longest);
                self.taping = Some(Spoken { longest, silence, keys, voice: Duration::ZERO, ends });
            }
            Step::Enqueue { queue, skills, priority, agent, prefer, .. } => {
                let skills = skills.into_iter().map(|(name, _)| name).collect();
                let prefer = prefer.into_iter().find_map(named);
                let tier = self.session.tier();
                self.log.push(Happened::Queued { queue, priority, skills, agent, prefer, tier });
            }
            Step::AskQueues(names) => {
                let state = |name: Name| (name.clone(), self.queues.get(&name).copied().unwrap_or(QUIET));
                self.tell(Input::Queues(names.into_iter().map(state).collect()));
            }
            Step::LookUp(asked) => {
                self.asked = Some(asked.id);
                self.log.push(Happened::Asked(asked.url.into()));
            }
            Step::Talk(Talk { id, bot, .. }) => self.begin_talk(id, bot),
            Step::SurveyBegun { survey } => self.survey = (survey, BTreeMap::new()),
            Step::Surveyed { question, score, .. } => drop(self.survey.1.insert(question, score)),
            Step::SurveyEnded { .. } => self.log.push(Happened::Surveyed(self.survey.0.clone(), self.survey.1.clone())),
            Step::AskPlace => self.tell(Input::Place { ahead: self.place.0, wait: self.place.1 }),
            Step::Dial { to, keys, .. } => {
                let to = match to {
                    DialTarget::Number { number, .. } => number.into(),
                    DialTarget::Agent(agent) => agent,
                };
                self.log.push(Happened::Dialled(to));
                self.log.extend(pressed(&keys));
            }
            Step::Refer { number } => {
                self.log.push(Happened::PassedOn(number.into()));
                let answered = !std::mem::take(&mut self.transfer_fails);
                self.tell(Input::Referred { answered });
            }
            Step::Callback { number } => {
                let number = number.unwrap_or_else(|| self.session.caller.from.national.clone());
                self.log.push(Happened::CalledBack(number.into()));
                let taken = !std::mem::take(&mut self.refuses);
                self.tell(Input::Callback { taken });
            }
            Step::SignIn { agent, .. } => self.sign_in(agent.into()),
            Step::HangUp { status, .. } => {
                self.play_ends = None;
                self.log.push(Happened::HungUp(status));
            }
            Step::Ring
            | Step::Answer
            | Step::PauseRecording { .. }
            | Step::PassedOn
            | Step::Announced { .. }
            | Step::LookedUp { .. }
            | Step::TellKey(_)
            | Step::Talked { .. }
            | Step::Discard { .. }
            | Step::Deposit { .. }
            | Step::MessageHeard { .. }
            | Step::DeleteMessage { .. }
            | Step::LeaveQueue => {}
        }
    }
}

/// An agent who is preferred by number.
fn named(preference: Preference<Name>) -> Option<Name> {
    match preference.whom {
        Preferred::Agent(number) => Some(number),
        Preferred::Last { .. } => None,
    }
}

fn pressed(sounds: &[Sound]) -> Option<Happened> {
    let key = |sound: &Sound| match sound {
        Sound::Key(key) => Some(*key),
        _ => None,
    };
    let keys: String = sounds.iter().filter_map(key).collect();
    (!keys.is_empty()).then_some(Happened::Pressed(keys))
}

fn length(sounds: &[Sound]) -> Duration {
    let one = |sound: &Sound| match sound {
        Sound::Prompt { .. } | Sound::Tape(_) | Sound::Spoken(_) => PROMPT,
        Sound::Key(_) => KEY,
        Sound::Silence(millis) => Duration::from_millis(u64::from(*millis)),
    };
    sounds.iter().map(one).sum()
}
