//! What a caller notices of each outcome of each node.
#![allow(clippy::unwrap_used)]

mod call;
mod fax;
mod menus;
mod questions;
mod recordings;

use crate::call::{Call, START, caller, short};
use busyhour_ivr::{AgentAvailability, Caller, Dialplan, Input, QueueState, SUB_DEPTH_MAX, Session, Step};
use busyhour_model::{DequeueReason, OfferOutcome, Sound};
use std::time::Duration;

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

#[test]
fn an_agent_signs_in_by_a_pin_nobody_is_shown_or_is_refused() {
    let node = "collect = \"pin\"\nlength = 4\nsecret = true\nthen = \"in\"\ntoo_many = \"n3\"\n[node.in]\n\
                sign_in = \"$caller\"\npin = \"$pin\"\nthen = \"n1\"\nrefused = \"n2\"";
    for (done, next) in [(true, "@n1 bye601"), (false, "@n2 bye602")] {
        let mut call = Call::from("1001", node);
        call.start();
        call.press("471");
        call.session.handle(call.now, &call.plan, Input::Digit('1'));
        let shown = format!("{:?}", call.session);
        assert!(shown.contains("SignIn") && !shown.contains("4711"), "{shown}");
        assert_eq!(call.steps(), "@in sign-in(1001 4711)");
        assert_eq!(call.tell(Input::SignedIn { done }), next);
        assert_eq!(call.tell(Input::SignedIn { done: !done }), "", "once");
    }
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

/// In the plan's own language, whatever the caller's; the greeting is for the caller.
#[test]
fn the_agent_is_told_of_the_caller_and_the_caller_of_the_agent() {
    let mut call = Call::new(
        "set = { language = \"en\", wish = \"3\" }\nthen = \"wait\"\n[node.wait]\nqueue = \"q\"\nelse = \"n1\"\n\
         announce_agent = [\"vip\", { number = \"$waited\", unit = \"minutes\" }, { digits = \"$wish\" }]\n\
         agent_greeting = { agent_number = \"$served_by\" }",
    );
    call.start();
    let heard = |sounds: Vec<Sound>| short(&Step::Play { sounds, repeat: false });
    let told = heard(call.session.briefing(&call.plan, Duration::from_secs(239)));
    assert_eq!(told, "play[zh:vip zh:digits/3 zh:unit/minute zh:digits/3]");
    call.session.served_by("42".into());
    assert_eq!(heard(call.session.agent_greeting(&call.plan)), "play[en:agent/number en:digits/4 en:digits/2]");
    call.tell(Input::PartnerLeft);
    assert_eq!(call.session.briefing(&call.plan, Duration::ZERO), [], "not where nobody waits");
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
