//! What a caller notices of each outcome of each node.
#![allow(clippy::unwrap_used)]

use busyhour_ivr::{
    AgentAvailability, Caller, DialTarget, Dialplan, Input, Keep, LookUpAnswer, Names, Preferred, QueueState,
    SUB_DEPTH_MAX, Session, Step,
};
use busyhour_model::calendar::Clock;
use busyhour_model::{
    CallId, Days, DequeueReason, Mailbox, Message, Name, Number, OfferOutcome, Opening, Schedule, Sound, TapeId, Time,
};
use std::time::Duration;

/// Monday 2026-11-23 10:00 in China.
const START: Time = Time::from_secs(1_795_399_200);

/// A session of a plan and the clock beside it.
struct Call {
    plan: Dialplan,
    session: Session,
    now: Time,
}

/// Open on Mondays.
fn office() -> Schedule {
    let clock = Clock::parse("09:00-18:00").unwrap();
    let open = vec![Opening { days: Days::parse("mon").unwrap(), clock }];
    Schedule { utc_offset_minutes: 480, open, ..Schedule::default() }
}

fn caller(number: &str) -> Caller {
    Caller { from: Number::parse(number), to: Number::parse("95118"), origin: "t".into(), tier: None }
}

impl Call {
    fn new(nodes: &str) -> Call {
        Call::from("13800138000", nodes)
    }

    /// The nodes `n1` … `n4` hang up with 601 … 604; `start` is given.
    fn from(number: &str, nodes: &str) -> Call {
        let ends: String = (1..=4).map(|n| format!("[node.n{n}]\nhangup = 60{n}\n")).collect();
        let list = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
        let names = Names {
            queues: list(&["q"]),
            skills: list(&["zh", "en", "card"]),
            trunks: list(&["t"]),
            tiers: list(&["gold"]),
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
    fn tell(&mut self, input: Input) -> String {
        self.session.handle(self.now, &self.plan, input);
        self.steps()
    }

    fn steps(&mut self) -> String {
        let steps: Vec<_> = std::iter::from_fn(|| self.session.poll_step()).map(|step| short(&step)).collect();
        steps.join(" ")
    }

    fn start(&mut self) -> String {
        self.tell(Input::Start)
    }

    fn press(&mut self, keys: &str) -> String {
        let steps: Vec<_> =
            keys.chars().map(|key| self.tell(Input::Digit(key))).filter(|steps| !steps.is_empty()).collect();
        steps.join(" ")
    }

    /// Go to the next deadline, which must be so many milliseconds away.
    fn wait(&mut self, millis: u64) -> String {
        let due = self.session.poll_timeout().expect("a deadline");
        assert_eq!(due.since(self.now), Duration::from_millis(millis));
        self.now = due;
        self.tell(Input::Timeout)
    }
}

/// `Entered` is left out: node names of ends are seen by their status.
fn short(step: &Step) -> String {
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

const RECORD: &str =
    "record = \"message\"\nlongest = \"30s\"\nend_keys = \"*#\"\nthen = \"hear\"\ntoo_short = \"n2\"\nfailed = \"n3\"
[node.hear]
menu = [\"p\", { recording = \"$message\" }]
keys = { 1 = \"n1\", 2 = \"start\" }
too_many = \"n4\"";

fn recorded(tape: Option<u64>, millis: u64) -> Input {
    Input::Recorded { tape: tape.map(TapeId), voice: Duration::from_millis(millis) }
}

#[test]
fn a_caller_records_hears_it_and_records_again() {
    let mut call = Call::new(RECORD);
    assert_eq!(call.start(), "@start answer play[:system/beep]");
    assert_eq!(call.press("5"), "", "keys during the beep are for nobody");
    assert_eq!(call.tell(Input::PlayEnded), "record(message 30 4 \"*#\")");
    assert_eq!(call.press("1"), "", "the recording ends at its keys, not here");
    assert_eq!(call.tell(recorded(Some(7), 5000)), "@hear play[zh:p tape7]");
    assert_eq!(call.press("2"), "stop @start play[:system/beep]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.tell(recorded(Some(8), 2000)), "discard(tape7) @hear play[zh:p tape8]");
    assert_eq!(call.press("1"), "stop @n1 bye601");
}

#[test]
fn a_recording_too_short_failed_or_never_filed_leads_elsewhere() {
    let begun = || {
        let mut call = Call::new(RECORD);
        call.start();
        call.tell(Input::PlayEnded);
        call
    };
    assert_eq!(begun().tell(recorded(Some(7), 999)), "discard(tape7) @n2 bye602");
    assert_eq!(begun().tell(recorded(None, 0)), "@n3 bye603");
    let mut call = begun();
    assert_eq!(call.wait(35_000), "@n3 bye603");
    assert_eq!(call.tell(recorded(Some(7), 5000)), "discard(tape7)", "too late");
    let mut call = Call::new(&RECORD.replace("record =", "beep = false\nsilence = \"0s\"\nrecord ="));
    assert_eq!(call.start(), "@start answer record(message 30 0 \"*#\")");
}

const VOICEMAIL: &str =
    "voicemail = \"q\"\ngreeting = \"hello\"\nthen = \"n1\"\ntoo_short = \"n2\"\nfailed = \"n3\"\nfull = \"n4\"";

#[test]
fn a_message_is_left_after_greeting_and_beep() {
    let mut call = Call::new(VOICEMAIL);
    assert_eq!(call.start(), "@start answer open(queue q)");
    assert_eq!(call.tell(Input::Mailbox { open: true }), "play[zh:hello]");
    assert_eq!(call.tell(Input::PlayEnded), "play[:system/beep]");
    assert_eq!(call.tell(Input::PlayEnded), "record(queue q 180 4 \"#\")");
    assert_eq!(call.tell(recorded(Some(7), 5000)), "@n1 bye601");
    let mut call = Call::new(VOICEMAIL);
    call.start();
    call.tell(Input::Mailbox { open: true });
    assert_eq!(call.press("1"), "stop play[:system/beep]", "who knows the greeting");
    call.tell(Input::PlayEnded);
    assert_eq!(call.tell(recorded(Some(7), 900)), "discard(tape7) @n2 bye602");
}

#[test]
fn a_full_mailbox_takes_no_message_and_nobodys_neither() {
    let mut call = Call::new(VOICEMAIL);
    call.start();
    assert_eq!(call.tell(Input::Mailbox { open: false }), "@n4 bye604");
    assert_eq!(call.tell(Input::Mailbox { open: true }), "", "once");
    let nobody = VOICEMAIL.replace("\"q\"", "{ agent = \"$whom\" }");
    let mut call = Call::new(&format!("set = {{ whom = \"\" }}\nthen = \"leave\"\n[node.leave]\n{nobody}"));
    assert_eq!(call.start(), "@start @leave answer @n4 bye604", "no agent was named");
}

#[test]
fn what_was_recorded_before_becomes_a_message() {
    let into = "then = \"leave\"\nelse = \"n2\"\n[node.leave]\nvoicemail = { agent = \"1001\" }\nrecording = \"$x\"\n\
                then = \"n1\"\nfull = \"n4\"\nelse = \"n3\"";
    let mut call = Call::new(&format!("record = \"x\"\n{into}"));
    call.start();
    call.tell(Input::PlayEnded);
    assert_eq!(call.tell(recorded(Some(7), 5000)), "@leave open(agent 1001)");
    assert_eq!(call.tell(Input::Mailbox { open: true }), "deposit(agent 1001 tape7) @n1 bye601");
}

fn message(tape: u64, heard: bool) -> Message {
    let (mailbox, left) = (Mailbox::Queue("q".into()), START - Duration::from_secs(tape * 3600));
    let (tape, from) = (TapeId(tape), if tape == 1 { "".into() } else { "10086".into() });
    Message { tape, mailbox, call: CallId(1), from, left, ms: 2000, file: "".into(), heard }
}

const LISTEN: &str = "messages = \"q\"\nthen = \"n1\"";

#[test]
fn messages_are_heard_new_ones_first_and_kept_deleted_or_heard_again() {
    let mut call = Call::new(LISTEN);
    assert_eq!(call.start(), "@start answer messages(queue q)");
    let heard = call.tell(Input::Messages(vec![message(1, false), message(2, true), message(3, false)]));
    assert!(heard.starts_with("play[zh:vm/new zh:digits/2 zh:digits/1y"), "{heard}");
    assert!(heard.ends_with("tape3 zh:vm/keys]"), "the older of the new ones: {heard}");
    assert_eq!(call.tell(Input::PlayEnded), "heard(tape3)");
    let again = call.press("1");
    assert!(again.starts_with("stop heard(tape3) play[zh:digits/1y"), "{again}");
    let next = call.press("3");
    assert!(next.starts_with("stop delete(tape3) play[zh:vm/deleted zh:"), "{next}");
    assert!(next.contains(" tape1 ") && !next.contains("digits/1y"), "a withheld number is not read: {next}");
    assert!(call.press("2").starts_with("stop heard(tape1) play["));
    assert_eq!(call.press("#"), "stop heard(tape2) play[zh:vm/end]");
    assert_eq!(call.press("1"), "", "there is nothing to hear again");
    assert_eq!(call.tell(Input::PlayEnded), "@n1 bye601");
}

#[test]
fn who_has_listened_enough_or_has_no_messages_goes_on() {
    let mut call = Call::new(LISTEN);
    call.start();
    assert_eq!(call.tell(Input::Messages(vec![])), "play[zh:vm/none]");
    assert_eq!(call.tell(Input::PlayEnded), "@n1 bye601");
    let listening = || {
        let mut call = Call::new(LISTEN);
        call.start();
        call.tell(Input::Messages(vec![message(1, false)]));
        call
    };
    assert_eq!(listening().press("*"), "stop heard(tape1) @n1 bye601");
    let mut call = listening();
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(10_000), "@n1 bye601", "who falls asleep");
}

#[test]
fn a_caller_is_passed_on_or_the_plan_goes_on() {
    let node = "transfer = \"02112345678\"\ntimeout = \"20s\"\nfailed = \"n1\"";
    let mut call = Call::new(node);
    assert_eq!(call.start(), "@start answer refer(02112345678)");
    assert_eq!(call.tell(Input::Referred { answered: true }), "passed on");
    assert_eq!(call.tell(Input::Referred { answered: false }), "", "once");
    let mut call = Call::new(node);
    call.start();
    assert_eq!(call.tell(Input::Referred { answered: false }), "@n1 bye601");
    let mut call = Call::new(node);
    call.start();
    assert_eq!(call.wait(20_000), "@n1 bye601", "nothing is heard of it");
}

#[test]
fn a_hang_up_may_say_why() {
    assert_eq!(Call::new("hangup = 603\ncause = 21").start(), "@start bye603/21");
}

#[test]
fn keys_are_pressed_to_the_caller_and_to_who_is_dialled() {
    let mut call = Call::new("dtmf = \"1,#\"\nthen = \"n1\"");
    assert_eq!(call.start(), "@start answer play[key1 500ms key#]");
    assert_eq!(call.press("1"), "", "nothing stops them");
    assert_eq!(call.tell(Input::PlayEnded), "@n1 bye601");
    let mut call = Call::new("dial = { number = \"02112345678\", dtmf = \"12\" }\nelse = \"n1\"");
    assert_eq!(call.start(), "@start dial(02112345678 - 30 key1 key2)");
}

#[test]
fn a_callback_is_promised_or_refused() {
    for (verb, asked) in [("true", "callback(-)"), ("\"$caller\"", "callback(13800138000)")] {
        let node = format!("callback = {verb}\nthen = \"n1\"\nrefused = \"n2\"");
        let mut call = Call::new(&node);
        assert_eq!(call.start(), format!("@start {asked}"));
        assert_eq!(call.tell(Input::Callback { taken: true }), "@n1 bye601");
        let mut call = Call::new(&node);
        call.start();
        assert_eq!(call.tell(Input::Callback { taken: false }), "@n2 bye602");
        assert_eq!(call.tell(Input::Callback { taken: true }), "", "once");
    }
}

const MENU: &str =
    "menu = \"m\"\nkeys = { 1 = \"n1\", \"*\" = \"n2\" }\ntimeout = \"3s\"\nretries = 1\ntoo_many = \"n3\"";

#[test]
fn a_menu_takes_a_key_during_or_after_its_prompt() {
    let mut call = Call::new(MENU);
    assert_eq!(call.start(), "@start answer play[zh:m]");
    assert_eq!(call.press("1"), "stop @n1 bye601");
    let mut call = Call::new(MENU);
    call.start();
    assert_eq!(call.tell(Input::PlayEnded), "");
    assert_eq!(call.press("*"), "@n2 bye602");
    assert_eq!(call.tell(Input::Digit('1')), "");
}

#[test]
fn a_menu_repeats_after_silence_and_wrong_keys_and_then_gives_up() {
    let mut call = Call::new(MENU);
    call.start();
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(3000), "play[zh:ivr/timeout zh:m]");
    assert_eq!(call.session.poll_timeout(), None);
    assert_eq!(call.press("7"), "stop @n3 bye603");
    let mut call = Call::new(MENU);
    call.start();
    assert_eq!(call.press("7"), "stop play[zh:ivr/invalid zh:m]");
}

#[test]
fn a_menu_that_must_be_heard_takes_the_key_at_its_end() {
    let mut call = Call::new(&format!("{MENU}\ninterrupt = false"));
    call.start();
    assert_eq!(call.press("1"), "");
    assert_eq!(call.tell(Input::PlayEnded), "@n1 bye601");
}

#[test]
fn keys_typed_ahead_skip_prompts_unless_the_menu_forbids_it() {
    let welcome = "play = \"w\"\nthen = \"menu\"\n[node.menu]\n";
    let mut call = Call::new(&format!("{welcome}{MENU}"));
    call.start();
    assert_eq!(call.press("1"), "stop @menu @n1 bye601");
    let mut call = Call::new(&format!("{welcome}{MENU}\ntype_ahead = false"));
    call.start();
    assert_eq!(call.press("1"), "stop @menu play[zh:m]");
    let mut call = Call::new(&format!("interrupt = false\n{welcome}{MENU}"));
    call.start();
    assert_eq!(call.press("1"), "");
    assert_eq!(call.tell(Input::PlayEnded), "@menu @n1 bye601");
}

const COLLECT: &str = "collect = \"v\"\nprompt = \"c\"\nlength = [2, 4]\ntimeout = \"8s\"\ndigit_timeout = \"2s\"\nretries = 1\n\
                       then = \"said\"\ntoo_many = \"n3\"\n[node.said]\nsay = { digits = \"$v\" }\nthen = \"n1\"";

#[test]
fn an_entry_ends_by_its_terminator_its_length_or_silence() {
    let heard = |digits: &str| {
        let ids: Vec<_> = digits.chars().map(|digit| format!("zh:digits/{digit}")).collect();
        format!("@said play[{}]", ids.join(" "))
    };
    let mut call = Call::new(COLLECT);
    assert_eq!(call.start(), "@start answer play[zh:c]");
    assert_eq!(call.press("12#"), format!("stop {}", heard("12")));
    let mut call = Call::new(COLLECT);
    call.start();
    assert_eq!(call.press("1234"), format!("stop {}", heard("1234")));
    assert_eq!(call.press("#"), "", "the terminator after a full entry belongs to it");
    assert_eq!(call.press("#"), "stop @n1 bye601");
    let mut call = Call::new(COLLECT);
    call.start();
    call.tell(Input::PlayEnded);
    call.press("123");
    assert_eq!(call.wait(2000), heard("123"));
}

#[test]
fn an_entry_too_short_or_missing_is_asked_again_and_then_given_up() {
    let mut call = Call::new(COLLECT);
    call.start();
    assert_eq!(call.press("1#"), "stop play[zh:ivr/invalid zh:c]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(8000), "@n3 bye603");
    let mut call = Call::new(COLLECT);
    call.start();
    call.press("1");
    assert_eq!(call.wait(2000), "play[zh:ivr/invalid zh:c]");
}

#[test]
fn a_secret_entry_is_compared_but_never_shown() {
    let nodes = "collect = \"pin\"\nsecret = true\nlength = 4\nthen = \"check\"\ntoo_many = \"n3\"\n\
                 [node.check]\nbranch = [{ \"$pin\" = \"4711\", goto = \"menu\" }]\nelse = \"n2\"\n[node.menu]\nmenu = \"m\"\nkeys = {}\ntoo_many = \"n1\"";
    let mut call = Call::new(nodes);
    call.start();
    call.press("471");
    let typing = format!("{:?}", call.session);
    assert_eq!(call.press("1"), "@check @menu play[zh:m]");
    let stored = format!("{:?}", call.session);
    assert!(!typing.contains("471") && !stored.contains("4711") && stored.contains("(secret)"), "{typing} {stored}");
}

const QUEUE: &str = "queue = \"q\"\npriority = 5\nskills = { card = 2, \"$language\" = 1 }\ngreeting = \"g\"\n\
                     announce = { after = \"10s\", every = \"30s\", key = \"0\" }\ncomfort = { after = \"15s\", every = \"60s\", play = \"c\" }\n\
                     keys = { 1 = \"n4\" }\ntimed_out = \"n1\"\nfull = \"n2\"\nno_agents = \"n3\"";
const MOH: &str = "loop[:system/moh]";

#[test]
fn a_caller_may_rather_have_one_agent_than_anybody() {
    for (keys, told) in [
        ("prefer = \"1001\"", " 1001 for 20"),
        ("prefer = \"1001\"\npatience = \"5s\"", " 1001 for 5"),
        ("last_agent = {}", " last of 86400 for 20"),
        ("last_agent = { within = \"1h\", patience = \"0s\" }", " last of 3600 for 0"),
        ("last_agent = { patience = \"1m\" }\nprefer = \"$caller\"", " 13800138000 for 20 last of 86400 for 60"),
    ] {
        let mut call = Call::new(&format!("queue = \"q\"\nelse = \"n1\"\n{keys}"));
        assert_eq!(call.start(), format!("@start answer queue(q 0  - false{told}) {MOH}"), "{keys}");
    }
}

#[test]
fn a_waiting_caller_hears_greeting_music_place_and_comfort() {
    let place = |ahead, secs| Input::Place { ahead, wait: Some(Duration::from_secs(secs)) };
    let mut call = Call::new(QUEUE);
    assert_eq!(call.start(), "@start answer queue(q 5 zh1+card2 - false) play[zh:g]");
    assert_eq!(call.tell(Input::PlayEnded), MOH);
    assert_eq!(call.wait(10_000), "place?");
    let told = "play[zh:queue/position zh:digits/2l zh:unit/wei zh:queue/waiting zh:queue/ewt zh:digits/3 zh:unit/minute] announced(2)";
    assert_eq!(call.tell(place(2, 150)), told);
    call.now += Duration::from_secs(5);
    assert_eq!(call.tell(Input::PlayEnded), MOH, "music between two announcements");
    assert_eq!(call.wait(3000), "play[zh:c]");
    assert_eq!(call.tell(Input::PlayEnded), MOH);
    assert_eq!(call.wait(22_000), "place?");
    assert_eq!(call.tell(Input::Place { ahead: 0, wait: None }), "play[zh:queue/next] announced(0)");
    assert_eq!(call.press("0"), "place?");
    assert_eq!(call.tell(place(0, 30)), "play[zh:queue/next zh:queue/ewt zh:queue/ewt-less] announced(0)");
    assert_eq!(call.press("5"), "");
    assert_eq!(call.press("1"), "leave stop @n4 bye604");
}

#[test]
fn music_returns_when_an_agent_did_not_answer() {
    let mut call = Call::new(QUEUE);
    call.start();
    call.now += Duration::from_secs(40);
    call.session.resume_waiting(call.now);
    assert_eq!(call.steps(), MOH);
    assert_eq!(call.wait(3000), "place?");
}

#[test]
fn a_queue_that_gives_the_call_back_leads_on_by_reason() {
    let table = [
        (DequeueReason::TimedOut, "@n1 bye601"),
        (DequeueReason::Full, "@n2 bye602"),
        (DequeueReason::NoAgents, "@n3 bye603"),
        (DequeueReason::Closed, "@n3 bye603"),
        (DequeueReason::Abandoned, "bye480"),
    ];
    for (reason, expected) in table {
        let mut call = Call::new(QUEUE);
        call.start();
        assert_eq!(call.tell(Input::Dequeued(reason)), expected);
        assert_eq!(call.session.poll_timeout(), None);
    }
    for (given, expected) in [("closed = \"n4\"\nelse = \"n2\"", "@n4 bye604"), ("else = \"n2\"", "@n2 bye602")] {
        let mut call = Call::new(&format!("{QUEUE}\n{given}"));
        call.start();
        assert_eq!(call.tell(Input::Dequeued(DequeueReason::Closed)), expected, "{given}");
    }
}

#[test]
fn a_branch_asks_whether_a_schedule_is_open() {
    let mut call = Call::new("branch = [{ schedule = \"office\", goto = \"n1\" }]\nelse = \"n2\"");
    assert_eq!(call.start(), "@start @n1 bye601", "a Monday morning");
    let mut call = Call::new("branch = [{ schedule = [\"never\"], goto = \"n1\" }]\nelse = \"n2\"");
    assert_eq!(call.start(), "@start @n2 bye602");
}

#[test]
fn after_the_agent_hung_up_the_call_ends_or_goes_on() {
    let mut call = Call::new(QUEUE);
    call.start();
    assert_eq!(call.tell(Input::PartnerLeft), "bye480");
    let mut call = Call::new(&format!("{QUEUE}\nserved = \"n4\""));
    call.start();
    assert_eq!(call.tell(Input::PartnerLeft), "@n4 bye604");
    assert_eq!(call.tell(Input::PartnerLeft), "");
}

#[test]
fn a_refused_place_is_not_followed_by_its_music() {
    let mut call = Call::new(QUEUE.replace("greeting = \"g\"\n", "").as_str());
    call.session.handle(call.now, &call.plan, Input::Start);
    while !matches!(call.session.poll_step(), Some(Step::Enqueue { .. })) {}
    assert_eq!(call.tell(Input::Dequeued(DequeueReason::Full)), "@n2 bye602");
}

#[test]
fn an_agent_number_has_four_outcomes() {
    let nodes = "collect = \"a\"\nlength = [1, 8]\nthen = \"agent\"\ntoo_many = \"n4\"\n[node.agent]\nqueue = \"q\"\nagent = \"$a\"\n\
                 busy = \"n1\"\noffline = \"n2\"\nunknown = \"n3\"\nelse = \"n4\"";
    let table = [
        (AgentAvailability::Busy, "@n1 bye601"),
        (AgentAvailability::Offline, "@n2 bye602"),
        (AgentAvailability::Unknown, "@n3 bye603"),
    ];
    for (availability, expected) in table {
        let mut call = Call::new(nodes);
        call.start();
        assert_eq!(call.press("1001#"), format!("@agent queue(q 0  1001 false) {MOH}"));
        assert_eq!(call.tell(Input::AgentUnavailable(availability)), expected);
    }
    let empty = "queue = \"q\"\nagent = \"$a\"\nunknown = \"n3\"\nelse = \"n4\"\n[variables]\na = \"\"";
    assert_eq!(Call::new(empty).start(), "@start @n3 bye603", "nothing was keyed in");
}

#[test]
fn dialling_out_has_its_outcomes() {
    let nodes = "dial = { number = \"02112345678\", trunk = \"t\" }\ntimeout = \"20s\"\nno_answer = \"n1\"\nbusy = \"n2\"\nfailed = \"n3\"\nhung_up = \"n4\"";
    let table = [
        (Input::DialFailed(OfferOutcome::NoAnswer), "@n1 bye601"),
        (Input::DialFailed(OfferOutcome::Refused), "@n2 bye602"),
        (Input::DialFailed(OfferOutcome::Unreachable), "@n3 bye603"),
        (Input::PartnerLeft, "@n4 bye604"),
    ];
    for (input, expected) in table {
        let mut call = Call::new(nodes);
        assert_eq!(call.start(), "@start dial(02112345678 t 20)");
        assert_eq!(call.press("1"), "");
        assert_eq!(call.tell(input), expected);
    }
    let agent = "dial = { agent = \"$caller\" }\nelse = \"n1\"";
    assert_eq!(Call::new(agent).start(), "@start dial(agent 13800138000 30)");
    assert_eq!(Call::from("anonymous", agent).start(), "@start @n1 bye601", "there is nobody to dial");
}

#[test]
fn branches_ask_who_calls_when_and_what_was_set() {
    let table = [
        ("caller = \"138*\"", true),
        ("caller = \"@vip\"", false),
        ("caller = [\"@vip\", \"+86138*\"]", true),
        ("dialled = \"95118\"", true),
        ("origin = \"t\"", true),
        ("kind = [\"landline\", \"mobile\"]", true),
        ("kind = \"anonymous\"", false),
        ("weekday = \"mon-fri\"", true),
        ("weekday = \"sat-sun\"", false),
        ("time = \"09:00-18:00\"", true),
        ("time = \"22:00-10:00\"", false),
        ("date = \"2026-11-20..2026-11-23\"", true),
        ("date = [\"2026-11-22\", \"2026-11-24\"]", false),
        ("\"$n\" = \">=10\"", true),
        ("\"$n\" = [\"9\", \"12\"]", true),
        ("\"$language\" = \"en\"", false),
        ("caller = \"138*\", weekday = \"sun\"", false),
    ];
    for (condition, holds) in table {
        let nodes = format!("branch = [{{ {condition}, goto = \"n1\" }}]\nelse = \"n2\"\n[variables]\nn = 12");
        let expected = if holds { "@start @n1 bye601" } else { "@start @n2 bye602" };
        assert_eq!(Call::new(&nodes).start(), expected, "{condition}");
    }
}

#[test]
fn what_is_not_recorded_is_spoken_in_the_callers_language_with_what_is_known() {
    let nodes = "set = { language = \"en\", name = \"\" }\nthen = \"say\"\n[node.say]\n\
                 play = [\"x\", { speak = \"Hello {$caller},{$name}\" }, { speak = \"{$name}\" }]\nthen = \"n1\"";
    let mut call = Call::new(nodes);
    assert_eq!(call.start(), "@start @say answer play[en:x en:“Hello 13800138000,”]", "nothing to say is not said");
    assert_eq!(call.tell(Input::PlayEnded), "@n1 bye601");
}

#[test]
fn what_is_set_is_used_language_priority_and_variables() {
    let nodes = "set = { language = \"en\", priority = 70, who = \"$caller\" }\nthen = \"say\"\n[node.say]\n\
                 play = [\"x\", { silence = \"300ms\" }, { telephone = \"$who\" }, { prompt = \"y\", language = \"zh\" }]\nthen = \"queue\"\n\
                 [node.queue]\nqueue = \"q\"\npriority = 5\nelse = \"n1\"";
    let mut call = Call::from("10086", nodes);
    let digits = "en:digits/1 en:digits/0 en:digits/0 en:digits/8 en:digits/6";
    assert_eq!(call.start(), format!("@start @say answer play[en:x 300ms {digits} zh:y]"));
    assert_eq!(call.tell(Input::PlayEnded), format!("@queue queue(q 75  - false) {MOH}"));
    assert_eq!((&**call.session.node(), &**call.session.language()), ("queue", "en"));
}

#[test]
fn ringing_comes_before_an_answer_and_a_call_may_be_refused_unanswered() {
    assert_eq!(Call::new("ring = true\nthen = \"n1\"").start(), "@start ring @n1 bye601");
    assert_eq!(
        Call::new("answer = true\nthen = \"r\"\n[node.r]\nring = true\nthen = \"n1\"").start(),
        "@start answer @r @n1 bye601"
    );
    assert_eq!(Call::new("hangup = 486").start(), "@start bye486");
    assert_eq!(Call::new("play = \"x\"\nearly = true\nthen = \"n1\"").start(), "@start play[zh:x]", "early media");
}

#[test]
fn a_call_that_runs_in_circles_is_ended() {
    let nodes = "collect = \"v\"\nlength = 1\nthen = \"start\"\ntoo_many = \"n1\"\nretries = 0\ninvalid_prompt = []";
    let mut call = Call::new(nodes);
    call.start();
    let mut steps = String::new();
    for _ in 0..20_000 {
        steps = call.press("1");
        if steps.contains("bye") {
            break;
        }
    }
    assert_eq!(steps, "bye500");
}

#[test]
fn a_session_read_back_in_mid_call_goes_on_as_if_nothing_had_happened() {
    let inputs = [
        Input::Start,
        Input::PlayEnded,
        Input::Timeout,
        Input::Place { ahead: 3, wait: None },
        Input::PlayEnded,
        Input::Digit('1'),
    ];
    let (mut kept, mut restored) = (Call::new(QUEUE), Call::new(QUEUE));
    for input in inputs {
        for call in [&mut kept, &mut restored] {
            call.now = call.session.poll_timeout().unwrap_or(call.now);
        }
        let plan: Dialplan = postcard::from_bytes(&postcard::to_stdvec(&restored.plan).unwrap()).unwrap();
        let session: Session = postcard::from_bytes(&postcard::to_stdvec(&restored.session).unwrap()).unwrap();
        assert_eq!((&plan, &session), (&restored.plan, &restored.session));
        (restored.plan, restored.session) = (plan, session);
        assert_eq!(kept.tell(input.clone()), restored.tell(input.clone()), "{input:?}");
    }
    assert_eq!(kept.session, restored.session);
}

#[test]
fn a_caller_has_a_tier_by_number_or_from_the_plan() {
    let ask = "branch = [{ \"$tier\" = \"gold\", goto = \"n1\" }]\nelse = \"n2\"";
    let mut call = Call::new(ask);
    assert_eq!((call.start().as_str(), call.session.tier()), ("@start @n2 bye602", None));
    let mut call = Call::new(ask);
    call.session = Session::new(START, &call.plan, Caller { tier: Some("gold".into()), ..caller("13800138000") });
    assert_eq!((call.start().as_str(), call.session.tier().as_deref()), ("@start @n1 bye601", Some("gold")));
    let mut call = Call::new(&format!("set = {{ tier = \"gold\" }}\nthen = \"ask\"\n[node.ask]\n{ask}"));
    assert_eq!((call.start().as_str(), call.session.tier().as_deref()), ("@start @ask @n1 bye601", Some("gold")));
}

#[test]
fn the_plan_says_what_the_clock_shows() {
    let mut call =
        Call::new("play = [{ date = \"$today\" }, { weekday = \"$today\" }, { time = \"$now\" }]\nthen = \"n1\"");
    let day = "zh:digits/2 zh:digits/0 zh:digits/2 zh:digits/6 zh:unit/year zh:digits/10 zh:digits/1 zh:unit/month \
               zh:digits/2 zh:digits/10 zh:digits/3 zh:unit/day";
    assert_eq!(call.start(), format!("@start answer play[{day} zh:time/mon zh:time/am zh:digits/10 zh:unit/oclock]"));
}

const BY_QUEUE: &str = "branch = [{ queue = \"q\", open = false, goto = \"n1\" },
    { queue = \"q\", waiting = \">=20\", wait = \">10m\", goto = \"n2\" }, { queue = \"q\", agents = \"<1\", goto = \"n3\" }]
    else = \"n4\"";

#[test]
fn a_branch_asks_how_a_queue_stands() {
    let quiet = QueueState { open: true, waiting: 0, signed_in: 3, ready: 1, wait: None };
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    let table = [
        (quiet, "604"),
        (QueueState { open: false, ..quiet }, "601"),
        (QueueState { waiting: 20, wait: minutes(11), ..quiet }, "602"),
        (QueueState { waiting: 19, wait: minutes(11), ..quiet }, "604"),
        (QueueState { waiting: 20, wait: minutes(10), ..quiet }, "604"),
        (QueueState { waiting: 20, wait: None, ..quiet }, "604"),
        (QueueState { signed_in: 0, ..quiet }, "603"),
    ];
    for (state, status) in table {
        let mut call = Call::new(BY_QUEUE);
        assert_eq!(call.start(), "@start queues?q");
        let told = call.tell(Input::Queues([("q".into(), state)].into()));
        assert!(told.ends_with(status), "{state:?}: {told}");
    }
    let mut call = Call::new(BY_QUEUE);
    call.start();
    assert_eq!(call.tell(Input::Queues([].into())), "@n4 bye604", "a queue that is no more is not as asked");
    assert_eq!(call.tell(Input::Queues([].into())), "");
}

#[test]
fn a_branch_asks_for_the_tier() {
    let plan = "branch = [{ tier = \"gold\", goto = \"n1\" }, { tier = \"\", goto = \"n2\" }]\nelse = \"n3\"";
    assert_eq!(Call::new(plan).start(), "@start @n2 bye602");
    let plan = format!("set = {{ tier = \"gold\" }}\nthen = \"b\"\n[node.b]\n{plan}");
    assert_eq!(Call::new(&plan).start(), "@start @b @n1 bye601");
}

#[test]
fn a_sub_flow_returns_to_whoever_entered_it() {
    let plan = "sub = \"outer\"\nthen = \"again\"\n[node.again]\nsub = \"outer\"\nthen = \"n1\"
        [node.outer]\nsub = \"inner\"\nthen = \"back\"\n[node.back]\nreturn = true
        [node.inner]\nmenu = \"m\"\nkeys = { 1 = \"back\" }\ntoo_many = \"n2\"";
    let mut call = Call::new(plan);
    assert_eq!(call.start(), "@start @outer @inner answer play[zh:m]");
    assert_eq!(call.press("1"), "stop @back @back @again @outer @inner play[zh:m]");
    assert_eq!(call.press("1"), "stop @back @back @n1 bye601");
}

#[test]
fn sub_flows_nest_to_a_limit() {
    let nested: String =
        (0..=SUB_DEPTH_MAX).map(|n| format!("sub = \"s{0}\"\nthen = \"back\"\n[node.s{0}]\n", n + 1)).collect();
    let plan = format!("sub = \"s0\"\nthen = \"n1\"\n[node.s0]\n{nested}return = true\n[node.back]\nreturn = true");
    assert!(Call::new(&plan).start().ends_with("@s15 bye500"));
}

#[test]
fn variables_are_added_and_compared_and_kept_short() {
    let plan = "set = { n = \"$n + 2\", old = \"$n > 0\" }\nthen = \"say\"
        [node.say]\nplay = [{ digits = \"$n\" }, { digits = \"$old\" }]\nthen = \"n1\"";
    assert_eq!(Call::new(plan).start(), "@start @say answer play[zh:digits/2 zh:digits/0]");
    let long = "9".repeat(5_000);
    let plan = format!(
        "set = {{ n = \"{long}\" }}\nthen = \"b\"\n[node.b]\nbranch = [{{ \"$n\" = \"{long}\", goto = \"n1\" }}]\nelse = \"n2\""
    );
    assert_eq!(Call::new(&plan).start(), "@start @b @n2 bye602");
}

const LOOK_UP: &str = "lookup = \"https://crm.example/c/{$caller}?q={$word}\"\nset = { level = \"$.level\" }\nheaders = { X-Key = \"k {$word}\" }
    body = { who = \"$caller\", n = 7, ok = true }\ntimeout = \"2s\"\nretries = 1\nmusic = \"m\"
    then = \"found\"\nnot_found = \"n2\"\nfailed = \"n3\"
    [node.found]\nbranch = [{ \"$level\" = \"gold\", goto = \"n1\" }]\nelse = \"n4\"\n[variables]\nword = \"a b/c\"";

fn found(level: &str) -> LookUpAnswer {
    LookUpAnswer::Found([("level".into(), level.to_owned()), ("caller".into(), "1".to_owned())].into())
}

#[test]
fn a_look_up_asks_by_http_and_goes_on_with_the_answer() {
    let mut call = Call::new(LOOK_UP);
    call.session.handle(call.now, &call.plan, Input::Start);
    let asked = std::iter::from_fn(|| call.session.poll_step()).find_map(|step| match step {
        Step::LookUp(asked) => Some(asked),
        _ => None,
    });
    let asked = asked.unwrap();
    assert_eq!(asked.url, "https://crm.example/c/13800138000?q=a%20b%2Fc");
    assert_eq!(asked.headers, [("X-Key".into(), "k a b/c".into())]);
    assert_eq!(asked.body.as_deref(), Some(r#"{"n":7,"ok":true,"who":"13800138000"}"#));
    assert_eq!(call.tell(Input::LookedUp { id: 1, answer: found("gold") }), "found1 stop @found @n1 bye601");
    let table = [
        (found("none"), "@found @n4 bye604"),
        (LookUpAnswer::NotFound, "@n2 bye602"),
        (LookUpAnswer::Refused, "@n3 bye603"),
    ];
    for (answer, steps) in table {
        let mut call = Call::new(LOOK_UP);
        assert_eq!(call.start(), "@start loop[zh:m] ask1");
        assert!(call.tell(Input::LookedUp { id: 1, answer }).ends_with(steps), "{steps}");
    }
}

#[test]
fn a_look_up_is_tried_again_and_late_answers_are_not_heard() {
    let mut call = Call::new(LOOK_UP);
    call.start();
    assert_eq!(call.wait(2_000), "ask2");
    assert_eq!(call.tell(Input::LookedUp { id: 1, answer: found("gold") }), "");
    assert_eq!(call.press("1"), "");
    assert_eq!(call.tell(Input::LookedUp { id: 2, answer: LookUpAnswer::Unreachable }), "unreachable2 stop @n3 bye603");
    assert_eq!(call.tell(Input::LookedUp { id: 2, answer: found("gold") }), "");
}

const SURVEY: &str = "survey = \"service\"\nthen = \"n1\"\n[survey.service]\nquestions = [
    { ask = \"q1\", name = \"five\", keys = { 1 = 5, 2 = 1 } },
    { ask = \"q2\", name = \"why\", keys = { 1 = 1 }, when = { \"$five\" = \"<=2\" } },
    { ask = \"q3\", name = \"solved\", keys = { 1 = 1, 2 = 0 } }]";

#[test]
fn a_survey_asks_what_is_to_be_asked_and_each_answer_counts_at_once() {
    let mut call = Call::new(SURVEY);
    assert_eq!(call.start(), "@start survey(service) answer play[zh:q1]");
    assert_eq!(call.press("1"), "stop five:1=5 satisfied play[zh:q3]");
    assert_eq!(call.press("2"), "stop solved:2=0 complete @n1 bye601");
    let mut call = Call::new(SURVEY);
    call.start();
    assert_eq!(call.press("2"), "stop five:2=1 unsatisfied play[zh:q2]");
    assert_eq!(call.press("1"), "stop why:1=1 play[zh:q3]");
}

#[test]
fn who_does_not_answer_a_question_is_asked_no_more() {
    let mut call = Call::new(SURVEY);
    call.start();
    assert_eq!(call.press("9"), "stop play[zh:ivr/invalid zh:q1]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(5_000), "gave-up @n1 bye601");
    let mut call = Call::new(SURVEY);
    call.start();
    assert_eq!(call.press("1"), "stop five:1=5 satisfied play[zh:q3]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(5_000), "play[zh:ivr/timeout zh:q3]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(5_000), "gave-up @n1 bye601");
}

#[test]
fn a_survey_in_mid_question_is_read_back_as_it_was() {
    let mut call = Call::new(SURVEY);
    call.start();
    call.press("2");
    let written = serde_json::to_string(&call.session).unwrap();
    call.session = serde_json::from_str(&written).unwrap();
    assert_eq!(call.press("1"), "stop why:1=1 play[zh:q3]");
}
