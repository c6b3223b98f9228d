//! Each outcome of each verb of the dialplan language, brought about by callers, phones and the operator.

#![allow(clippy::unwrap_used)]

use busyhour_ivr::{Dialplan, Names, TalkEnd, language};
use busyhour_model::{Schedule, What};
use busyhour_sim::peer::{Action, Answering, Ending, PhoneSetup};
use busyhour_sim::{Deed, NUMBER, Scenario, Service, World};
use busyhour_switch::{BotSaid, Request};
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);

/// How one outcome comes about.
struct Row {
    verb: &'static str,
    /// The key that says where it leads.
    outcome: &'static str,
    /// The rest of `[node.test]`, and other tables.
    node: &'static str,
    script: Vec<Action>,
    setup: fn(&mut Scenario),
}

/// A caller who does nothing, in a town where everything works.
fn row(verb: &'static str, outcome: &'static str, node: &'static str) -> Row {
    Row { verb, outcome, node, script: Vec::new(), setup: |_| {} }
}

impl Row {
    /// Answered, the caller does this.
    fn does<const N: usize>(mut self, script: [Action; N]) -> Row {
        self.script = [Action::AwaitAnswer(30 * SECOND)].into_iter().chain(script).collect();
        self
    }

    fn with(mut self, setup: fn(&mut Scenario)) -> Row {
        self.setup = setup;
        self
    }

    /// Every outcome of the node leads to a node of its own, which hangs up.
    fn plan(&self) -> String {
        let (test, others) = self.node.split_once("\n[").unwrap_or((self.node, ""));
        let start = if others.starts_with("node.start]") { "start" } else { "test" };
        let outcomes = language::outcomes().into_iter().filter(|(verb, _)| *verb == self.verb);
        let keys: Vec<&str> = outcomes.map(|(_, key)| key).collect();
        let led = keys.iter().filter(|key| **key != self.verb && !test.contains(&format!("\n{key} =")));
        let led = led.map(|key| match *key {
            "outcomes" => "outcomes = { sales = \"outcomes\" }\n".into(),
            "keys" => "keys = { 1 = \"keys\" }\n".into(),
            key => format!("{key} = \"{key}\"\n"),
        });
        let ends = keys.iter().filter(|key| !others.starts_with(&format!("node.{key}]")));
        let ends = ends.map(|key| format!("[node.{key}]\nhangup = true\n"));
        let (led, ends): (String, String) = (led.collect(), ends.collect());
        format!("name = \"hotline\"\nstart = \"{start}\"\n{ends}[node.test]\n{led}{}\n", self.node)
    }

    /// The nodes the first call entered, when everything is over and every law was kept.
    fn walked(&self) -> Vec<String> {
        let mut scenario = Scenario::calm(1, 2);
        for queue in &mut scenario.setup.queues {
            (queue.wait_max, queue.relax) = (None, Vec::new());
        }
        let plan = self.plan();
        let parsed = Dialplan::parse(
            "hotline.toml",
            &plan,
            &Names {
                queues: vec!["enquiry".into()],
                trunks: vec!["carrier".into()],
                bots: vec!["robin".into()],
                ..Names::default()
            },
        );
        scenario.setup.dialplans[0].1 = parsed.unwrap_or_else(|mistakes| panic!("{plan}\n{mistakes:#?}")).plan;
        let caller = scenario.caller(2, self.script.clone());
        scenario.deeds.push((2 * SECOND, Deed::Call(Box::new(caller))));
        (self.setup)(&mut scenario);
        let mut world = World::new(scenario);
        world.run(60 * SECOND);
        world.settle(200 * SECOND);
        world.check_ended();
        for outcome in world.outcomes() {
            assert!(outcome.clean && outcome.complaints.is_empty(), "{outcome:?}");
        }
        let entered = |what: &What| match what {
            What::NodeEntered { plan, node, .. } if **plan == *"hotline" => Some(node.to_string()),
            _ => None,
        };
        world.facts.iter().filter_map(|fact| entered(&fact.what)).collect()
    }
}

/// The only agent of the queue has a break.
fn pause(scenario: &mut Scenario) {
    let pause = Request::NotReady { agent: "1001".into(), reason: "break".into(), force: false };
    scenario.deeds.push((SECOND, Deed::Ask(Box::new(pause))));
}

/// The customer who is dialled.
fn customer(scenario: &mut Scenario, answering: Answering) {
    let customer = PhoneSetup { answering, ..scenario.customer() };
    scenario.phones.push(customer);
}

fn answer(scenario: &mut Scenario, answer: fn(&str) -> (u16, &'static str)) {
    scenario.service = Service { answer, ..Service::default() };
}

fn ended(outcome: Option<&str>) -> BotSaid {
    BotSaid::Ended(TalkEnd::Ended { outcome: outcome.map(Into::into), values: "".into() })
}

/// Not a packet comes from the caller.
fn silent(scenario: &mut Scenario) {
    for (_, deed) in &mut scenario.deeds {
        if let Deed::Call(caller) = deed {
            caller.tone_hz = 0;
        }
    }
}

const ASKED: &str = "lookup = \"https://crm.example/{$caller}\"";
const TALKED: &str = "bot = \"robin\"\ntimeout = \"8s\"";
const QUEUED: &str = "queue = \"enquiry\"";
const OF_1001: &str = "queue = \"enquiry\"\nagent = \"1001\"";
const DIALLED: &str = "dial = { number = \"13900139000\", trunk = \"carrier\" }\ntimeout = \"5s\"";
/// By a phone; a carrier's caller has none.
const SIGNED_IN: &str = "sign_in = \"1002\"\npin = \"4711\"";
const RECORDED: &str = "record = \"words\"\nlongest = \"3s\"";
const LEFT: &str = "voicemail = \"enquiry\"\nlongest = \"3s\"";
/// By who has left one.
const LISTENED: &str = r##"messages = "enquiry"
[node.start]
voicemail = "enquiry"
longest = "3s"
then = "test"
else = "then""##;
const SURVEYED: &str = r##"survey = "visit"
[survey.visit]
questions = [{ name = "score", ask = "ivr/language", keys = { 1 = 1, 5 = 5 } }]"##;
/// Returns only by a key.
const STAYED: &str = r##"sub = "sub"
[node.sub]
menu = "ivr/language"
keys = { 1 = "back" }
too_many = "back"
[node.back]
return = true"##;
/// Called back, from where the caller waits.
const PROMISED: &str =
    "callback = true\n[node.start]\nqueue = \"enquiry\"\nkeys = { 1 = \"test\" }\nelse = \"refused\"";

fn has_pin(town: &mut Scenario) {
    town.setup.agents[1].pin = Some("4711".into());
}

fn dials(town: &mut Scenario) {
    has_pin(town);
    town.deeds.push((9 * SECOND, Deed::Dial { number: "1002".into(), code: NUMBER.into() }));
}

/// With a bot.
fn talks() -> [Row; 4] {
    [
        row("bot", "then", TALKED).with(|town| town.bots.answer = |_| Some(ended(None))),
        row("bot", "outcomes", TALKED).with(|town| town.bots.answer = |_| Some(ended(Some("sales")))),
        row("bot", "timed_out", TALKED),
        row("bot", "failed", TALKED).with(|town| town.bots.answer = |_| Some(BotSaid::Ended(TalkEnd::Failed))),
    ]
}

fn rows() -> Vec<Row> {
    use Action::{Press, Wait};
    let rows = vec![
        row("answer", "then", "answer = true"),
        row("ring", "then", "ring = true"),
        row("pause_recording", "then", "pause_recording = true"),
        row("play", "then", "play = \"ivr/welcome\""),
        row("say", "then", "say = { number = 1205 }"),
        row("menu", "keys", "menu = \"ivr/language\"").does([Wait(SECOND), Press('1')]),
        row("menu", "too_many", "menu = \"ivr/language\"").does([Press('7'), Wait(SECOND), Press('8')]),
        row("collect", "then", "collect = \"pin\"\nlength = 2").does([Press('4'), Press('7')]),
        row("collect", "too_many", "collect = \"pin\"\nlength = 2").does([Press('4')]),
        row("survey", "then", SURVEYED).does([Wait(SECOND), Press('5')]),
        row("lookup", "then", ASKED).with(|town| answer(town, |_| (200, "{}"))),
        row("lookup", "not_found", ASKED).with(|town| answer(town, |_| (404, ""))),
        row("lookup", "failed", ASKED).with(|town| answer(town, |_| (500, ""))),
        row("goto", "goto", "goto = \"goto\""),
        row("sub", "sub", STAYED).does([Action::Wait(SECOND), Action::HangUp]),
        row("sub", "then", "sub = \"sub\"\n[node.sub]\nreturn = true"),
        row("return", "return", "return = true\n[node.start]\nsub = \"test\"\nthen = \"return\""),
        row("set", "then", "set = { level = \"gold\" }"),
        row("branch", "branch", "branch = [{ caller = \"138*\", goto = \"branch\" }]"),
        row("branch", "else", "branch = [{ caller = \"139*\", goto = \"branch\" }]"),
        row("record", "then", RECORDED),
        row("record", "too_short", RECORDED).does([Wait(6 * TENTH), Press('#')]),
        row("record", "failed", RECORDED).with(|town| town.disk_full = true),
        row("voicemail", "then", LEFT),
        row("voicemail", "full", LEFT).with(|town| town.setup.voicemail.messages_max = 0),
        row("voicemail", "too_short", LEFT).with(silent),
        row("voicemail", "failed", LEFT).with(|town| town.disk_full = true),
        row("dtmf", "then", "dtmf = \"12,#\""),
        row("messages", "then", LISTENED),
        row("sign_in", "then", SIGNED_IN).with(dials),
        row("sign_in", "refused", SIGNED_IN).with(has_pin),
        row("queue", "keys", QUEUED).does([Wait(3 * SECOND), Press('1')]).with(pause),
        row("queue", "served", QUEUED).with(|town| town.phones[0].ending = Ending::HangUp(SECOND, 2 * SECOND)),
        row("queue", "timed_out", QUEUED).with(|town| {
            pause(town);
            town.setup.queues[0].wait_max = Some(5 * SECOND);
        }),
        row("queue", "full", QUEUED).with(|town| {
            pause(town);
            town.setup.queues[0].waiting_max = Some(0);
        }),
        row("queue", "no_agents", QUEUED).with(|town| town.phones.clear()),
        row("queue", "closed", QUEUED).with(|town| {
            town.setup.schedules = vec![("never".into(), Schedule::default())];
            town.setup.queues[0].schedule = Some("never".into());
        }),
        row("queue", "busy", OF_1001).with(|town| {
            town.deeds.push((SECOND / 2, Deed::Dial { number: "1001".into(), code: "1002".into() }));
            town.phones[1].ending = Ending::HangUp(9 * SECOND, 10 * SECOND);
        }),
        row("queue", "offline", OF_1001).with(|town| drop(town.phones.remove(0))),
        row("queue", "unknown", "queue = \"enquiry\"\nagent = \"1009\""),
        row("dial", "no_answer", DIALLED).with(|town| customer(town, Answering::Never)),
        row("dial", "busy", DIALLED).with(|town| customer(town, Answering::Refuse(486))),
        row("dial", "failed", DIALLED).with(|town| customer(town, Answering::Refuse(503))),
        row("dial", "hung_up", DIALLED).with(|town| customer(town, Answering::After(SECOND, SECOND))),
        row("transfer", "failed", "transfer = \"02195118\"").does([]),
        row("callback", "then", PROMISED).does([Wait(3 * SECOND), Press('1')]).with(|town| {
            pause(town);
            town.setup.queues[0].callback.expires = 20 * SECOND;
        }),
        row("callback", "refused", PROMISED).does([Wait(3 * SECOND), Press('1')]).with(|town| {
            pause(town);
            town.setup.queues[0].callback.max = 0;
        }),
        row("hangup", "hangup", "hangup = true"),
    ];
    rows.into_iter().chain(talks()).collect()
}

#[test]
fn each_outcome_of_each_verb_leads_to_its_own_node() {
    let mut strayed = Vec::new();
    for row in rows() {
        let walked = row.walked();
        let last = if row.verb == "hangup" { "test" } else { row.outcome };
        if !walked.contains(&"test".into()) || walked.last().is_none_or(|node| node != last) {
            strayed.push((row.verb, row.outcome, walked));
        }
    }
    assert!(strayed.is_empty(), "{strayed:#?}");
}

#[test]
fn no_outcome_of_the_language_is_without_a_caller_who_comes_to_it() {
    let told: BTreeSet<_> = rows().iter().map(|row| (row.verb, row.outcome)).collect();
    assert_eq!(told, language::outcomes());
}
