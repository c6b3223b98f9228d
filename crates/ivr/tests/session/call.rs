//! A caller in a dialplan, and the clock beside it.

use busyhour_ivr::{Caller, DialTarget, Dialplan, Input, Keep, Names, Preferred, Session, Step};
use busyhour_model::calendar::Clock;
use busyhour_model::{Days, Name, Number, Opening, Schedule, Sound, Time};
use std::time::Duration;

/// Monday 2026-11-23 10:00 in China.
pub(crate) const START: Time = Time::from_secs(1_795_399_200);

/// A session of a plan and the clock beside it.
pub(crate) struct Call {
    pub(crate) plan: Dialplan,
    pub(crate) session: Session,
    pub(crate) now: Time,
}

/// Open on Mondays.
pub(crate) fn office() -> Schedule {
    let clock = Clock::parse("09:00-18:00").unwrap();
    let open = vec![Opening { days: Days::parse("mon").unwrap(), clock }];
    Schedule { utc_offset_minutes: 480, open, ..Schedule::default() }
}

pub(crate) fn caller(number: &str) -> Caller {
    Caller { from: Number::parse(number), to: Number::parse("95118"), origin: "t".into(), tier: None }
}

impl Call {
    pub(crate) fn new(nodes: &str) -> Call {
        Call::from("13800138000", nodes)
    }

    /// The nodes `n1` … `n4` hang up with 601 … 604; `start` is given.
    pub(crate) fn from(number: &str, nodes: &str) -> Call {
        let ends: String = (1..=4).map(|n| format!("[node.n{n}]\nhangup = 60{n}\n")).collect();
        let list = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
        let names = Names {
            queues: list(&["q"]),
            skills: list(&["zh", "en", "card"]),
            trunks: list(&["t"]),
            tiers: list(&["gold"]),
            bots: list(&["robin"]),
            schedules: vec![("office".into(), office()), ("never".into(), Schedule::default())],
            ..Names::default()
        };
        let source =
            format!("name = \"p\"\nstart = \"start\"\n[lists]\nvip = [\"139*\"]\n[node.start]\n{nodes}\n{ends}");
        let plan = match Dialplan::parse("p.toml", &source, &names) {
            Ok(parsed) => parsed.plan,
            Err(mistakes) => panic!("{}", mistakes.iter().map(|m| format!("{m}\n")).collect::<String>()),
        };
        let session = Session::new(START, &plan, caller(number));
        Call { plan, session, now: START }
    }

    /// Tell it one thing; everything it wants then, in short.
    pub(crate) fn tell(&mut self, input: Input) -> String {
        self.session.handle(self.now, &self.plan, input);
        self.steps()
    }

    pub(crate) fn steps(&mut self) -> String {
        let steps: Vec<_> = std::iter::from_fn(|| self.session.poll_step()).map(|step| short(&step)).collect();
        steps.join(" ")
    }

    pub(crate) fn start(&mut self) -> String {
        self.tell(Input::Start)
    }

    pub(crate) fn press(&mut self, keys: &str) -> String {
        let steps: Vec<_> =
            keys.chars().map(|key| self.tell(Input::Digit(key))).filter(|steps| !steps.is_empty()).collect();
        steps.join(" ")
    }

    /// Go to the next deadline, which must be so many milliseconds away.
    pub(crate) fn wait(&mut self, millis: u64) -> String {
        let due = self.session.poll_timeout().expect("a deadline");
        assert_eq!(due.since(self.now), Duration::from_millis(millis));
        self.now = due;
        self.tell(Input::Timeout)
    }
}

/// `Entered` is left out: node names of ends are seen by their status.
pub(crate) fn short(step: &Step) -> String {
    let sound = |sound: &Sound| match sound {
        Sound::Prompt { language, id } => format!("{language}:{id}"),
        Sound::Key(key) => format!("key{key}"),
        Sound::Silence(millis) => format!("{millis}ms"),
        Sound::Tape(tape) => tape.to_string(),
        Sound::Spoken(words) => format!("{}:“{}”", words.language, words.text),
    };
    match step {
        Step::Entered(node) => format!("@{node}"),
        Step::Ring => "ring".into(),
        Step::Answer => "answer".into(),
        Step::PauseRecording { on } => format!("pause recording {on}"),
        Step::Play { sounds, repeat } => {
            let sounds: Vec<_> = sounds.iter().map(sound).collect();
            format!("{}[{}]", if *repeat { "loop" } else { "play" }, sounds.join(" "))
        }
        Step::Stop => "stop".into(),
        Step::Enqueue { queue, skills, priority, agent, wait_busy, prefer } => {
            let skills: Vec<_> = skills.iter().map(|(name, level)| format!("{name}{level}")).collect();
            let (skills, agent) = (skills.join("+"), agent.as_deref().unwrap_or("-"));
            let rather = prefer.iter().map(|p| match &p.whom {
                Preferred::Agent(number) => format!(" {number} for {}", p.patience.as_secs()),
                Preferred::Last { within } => format!(" last of {} for {}", within.as_secs(), p.patience.as_secs()),
            });
            format!("queue({queue} {priority} {skills} {agent} {wait_busy}{})", rather.collect::<String>())
        }
        Step::AskPlace => "place?".into(),
        Step::SurveyBegun { survey } => format!("survey({survey})"),
        Step::Surveyed { question, key, score, satisfied } => {
            let verdict = satisfied.map_or("", |yes| if yes { " satisfied" } else { " unsatisfied" });
            format!("{question}:{key}={score}{verdict}")
        }
        Step::SurveyEnded { complete } => if *complete { "complete" } else { "gave-up" }.into(),
        Step::Talk(talk) => format!("talk{}({} {} {})", talk.id, talk.bot, talk.language, talk.data),
        Step::TellKey(key) => format!("key({key})"),
        Step::Talked { outcome } => format!("talked({outcome})"),
        Step::LookUp(asked) => format!("ask{}", asked.id),
        Step::LookedUp { outcome, attempts, .. } => format!("{outcome:?}{attempts}").to_lowercase(),
        Step::AskQueues(queues) => format!("queues?{}", queues.join("+")),
        Step::Announced { ahead, .. } => format!("announced({ahead})"),
        Step::LeaveQueue => "leave".into(),
        Step::Dial { to, timeout, keys } => {
            let to = match to {
                DialTarget::Number { number, trunk } => format!("{number} {}", trunk.as_deref().unwrap_or("-")),
                DialTarget::Agent(agent) => format!("agent {agent}"),
            };
            let keys: String = keys.iter().map(|key| format!(" {}", sound(key))).collect();
            format!("dial({to} {}{keys})", timeout.as_secs())
        }
        Step::Refer { number } => format!("refer({number})"),
        Step::PassedOn => "passed on".into(),
        Step::Callback { number } => format!("callback({})", number.as_deref().unwrap_or("-")),
        Step::SignIn { agent, pin } => format!("sign-in({agent} {})", pin.0),
        Step::Record { keep, longest, silence, keys, .. } => {
            let keep = match keep {
                Keep::Variable(name) => name.to_string(),
                Keep::Message(mailbox) => mailbox.to_string(),
            };
            let silence = silence.map_or(0, |silence| silence.as_secs());
            format!("record({keep} {} {silence} {keys:?})", longest.as_secs())
        }
        Step::OpenMailbox { mailbox } => format!("open({mailbox})"),
        Step::Deposit { mailbox, tape } => format!("deposit({mailbox} {tape})"),
        Step::AskMessages { mailbox } => format!("messages({mailbox})"),
        Step::MessageHeard { tape } => format!("heard({tape})"),
        Step::DeleteMessage { tape } => format!("delete({tape})"),
        Step::Discard { tape } => format!("discard({tape})"),
        Step::HangUp { status, cause: None } => format!("bye{status}"),
        Step::HangUp { status, cause: Some(cause) } => format!("bye{status}/{cause}"),
    }
}
