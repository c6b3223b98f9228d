//! Mistakes in a dialplan are all found at once, each where it is, with what to do.
#![allow(clippy::unwrap_used)]

use busyhour_ivr::{Dialplan, Names};
use busyhour_model::{Diagnostic, Name};

fn names() -> Names {
    let list = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
    Names {
        schedules: vec![("office".into(), busyhour_model::Schedule::default())],
        queues: list(&["enquiry", "general"]),
        skills: list(&["card"]),
        trunks: list(&["carrier"]),
        bots: list(&["robin"]),
        tiers: list(&["gold"]),
        prompts: list(&["ivr/welcome", "ivr/bye", "ivr/invalid", "ivr/timeout", "digits/1"]),
        languages: list(&["zh", "en"]),
        recordings: [].into(),
        mute: true,
    }
}

fn mistakes(source: &str) -> Vec<Diagnostic> {
    Dialplan::parse("plan.toml", source, &names()).expect_err("this plan has mistakes")
}

/// A good plan around one node.
fn around(node: &str) -> String {
    format!(
        "name = \"plan\"\nstart = \"start\"\n[lists]\nvip = [\"138*\"]\n[node.start]\n{node}\n\
         [node.other]\nmenu = \"ivr/welcome\"\nkeys = {{ 1 = \"end\" }}\ntoo_many = \"end\"\n[node.end]\nhangup = true\n"
    )
}

/// The text from the caret on.
fn caret(mistake: &Diagnostic) -> String {
    mistake.text.chars().skip(mistake.column.saturating_sub(1)).collect()
}

/// One node; the message, what stands at the caret, and the help.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("goto = \"othr\"", "no node is named `othr`", "\"othr\"", "did you mean `other`?"),
    ("ply = \"ivr/bye\"\nthen = \"other\"", "unknown verb `ply`", "ply", "did you mean `play`?"),
    ("then = \"other\"", "node `start` says nothing to do", "start]", "give it one of: answer"),
    ("answer = true\nring = true\nthen = \"other\"", "more than one verb: answer, ring", "start]", ""),
    ("answer = true", "node `start` needs `then`", "start]", ""),
    ("answer = false\nthen = \"other\"", "does nothing", "false", "goto"),
    ("callback = false\nthen = \"other\"\nrefused = \"end\"", "does nothing", "false", "callback = true"),
    ("callback = true\nthen = \"other\"", "node `start` needs `refused`", "start]", ""),
    ("sign_in = \"1001\"\nthen = \"other\"\nrefused = \"end\"", "node `start` needs `pin`", "start]", ""),
    (
        "collect = \"pin\"\nlength = 4\nthen = \"in\"\ntoo_many = \"end\"\n\
         [node.in]\nsign_in = \"1001\"\npin = \"$pin\"\nthen = \"other\"\nrefused = \"end\"",
        "the variable `pin` holds a PIN and is not secret",
        "\"$pin\"",
        "secret = true",
    ),
    (
        "sign_in = \"1001\"\npin = \"1\"\nthen = \"other\"\nrefused = \"start\"",
        "endless loop: start -> start",
        "start]",
        "",
    ),
    ("record = \"x\"\nend_keys = \"#a\"\nelse = \"end\"\nthen = \"other\"", "`#a` has what is no key", "\"#a\"", ""),
    (
        "record = \"x\"\nlongest = \"11m\"\nelse = \"end\"\nthen = \"other\"",
        "`longest` is at most \"10m\"",
        "start]",
        "",
    ),
    ("dtmf = \"12e\"\nthen = \"other\"", "`12e` is not what a telephone can press", "\"12e\"", "0 to 9, *, #, A to D"),
    ("record = \"x\"\nthen = \"other\"", "needs `too_short`", "start]", ""),
    ("answer = 1\nthen = \"other\"", "expected true or false, found integer", "1", ""),
    ("play = \"ivr/by\"\nthen = \"other\"", "no prompt is named `ivr/by`", "\"ivr/by\"", "did you mean `ivr/bye`?"),
    ("play = \"system/mho\"\nthen = \"other\"", "no prompt", "\"system/mho\"", "did you mean `system/moh`?"),
    ("play = [\"ivr/bye\", 3]\nthen = \"other\"", "expected a string, found integer", "3]", ""),
    ("play = [{ silence = \"1 s\" }]\nthen = \"other\"", "`1 s` is not a duration", "\"1 s\"", "\"300ms\""),
    (
        "play = \"ivr/bye\"\ninterupt = false\nthen = \"other\"",
        "unknown key `interupt`",
        "interupt",
        "did you mean `interrupt`?",
    ),
    (
        "play = \"ivr/bye\"\nxyzzy = 1\nthen = \"other\"",
        "unknown key `xyzzy`",
        "xyzzy",
        "known here: play, interrupt, early, then",
    ),
    ("say = { number = \"$balance\" }\nthen = \"other\"", "nothing sets the variable `balance`", "\"$balance\"", ""),
    ("say = { number = 1, unit = \"minits\" }\nthen = \"other\"", "no unit is named `minits`", "\"minits\"", "minutes"),
    ("say = { number = 1, digits = 2 }\nthen = \"other\"", "say exactly one value", "{ number", "telephone"),
    ("say = { date = \"2026-02-30\" }\nthen = \"other\"", "`2026-02-30` is not a date like", "\"2026-02-30\"", ""),
    ("say = { time = \"9 am\" }\nthen = \"other\"", "`9 am` is not a time of day like", "\"9 am\"", ""),
    ("say = { amount = \"much\" }\nthen = \"other\"", "`much` is not an amount like", "\"much\"", ""),
    ("menu = \"ivr/bye\"\nkeys = { 12 = \"other\" }\ntoo_many = \"end\"", "`12` is not a key", "12 =", "0 to 9"),
    ("menu = \"ivr/bye\"\nkeys = { 1 = \"other\" }", "node `start` needs `too_many`", "start]", ""),
    (
        "menu = \"ivr/bye\"\nkeys = { 1 = \"other\" }\nretries = 99\ntoo_many = \"end\"",
        "99 is not between 0 and 20",
        "99",
        "",
    ),
    (
        "menu = \"ivr/bye\"\nkeys = { 1 = \"other\" }\ntimeout = 5\ntoo_many = \"end\"",
        "expected a duration, found integer",
        "5",
        "20s",
    ),
    ("collect = \"n\"\nlength = [4, 2]\nthen = \"other\"\ntoo_many = \"end\"", "2 is not between 4 and 63", "2]", ""),
    (
        "collect = \"caller\"\nlength = 4\nthen = \"other\"\ntoo_many = \"end\"",
        "`caller` cannot be set",
        "\"caller\"",
        "",
    ),
    ("collect = \"n\"\nlength = 4\nthen = \"other\"\ntoo_many = \"end\"", "`n` is set and never used", "\"n\"", ""),
    (
        "collect = \"pin\"\nsecret = true\nlength = 4\nthen = \"aloud\"\ntoo_many = \"end\"\n[node.aloud]\nsay = { digits = \"$pin\" }\nthen = \"other\"",
        "the variable `pin` is secret",
        "\"$pin\"",
        "",
    ),
    (
        "collect = \"pin\"\nsecret = true\nlength = 4\nthen = \"aloud\"\ntoo_many = \"end\"\n[node.aloud]\nplay = { speak = \"{$pin}\" }\nthen = \"other\"",
        "the variable `pin` is secret",
        "\"{$pin}\"",
        "",
    ),
    ("play = { speak = \"您好\" }\nthen = \"other\"", "nobody to speak this", "\"您好\"", "[tts]"),
    ("play = { speak = \"{$nobody}\" }\nthen = \"other\"", "nothing sets the variable `nobody`", "\"{$nobody}\"", ""),
    ("set = { language = \"eng\" }\nthen = \"other\"", "no language is named `eng`", "\"eng\"", "did you mean `en`?"),
    ("set = { tier = \"glod\" }\nthen = \"other\"", "no tier is named `glod`", "\"glod\"", "did you mean `gold`?"),
    ("set = { tier = \"$caller\" }\nthen = \"other\"", "a tier is written out", "\"$caller\"", ""),
    ("set = { priority = \"high\" }\nthen = \"other\"", "a priority is a number", "\"high\"", ""),
    (
        "branch = [{ caler = \"138*\", goto = \"end\" }]\nelse = \"other\"",
        "unknown key `caler`",
        "caler",
        "did you mean `caller`?",
    ),
    ("branch = [{ caller = \"13x\", goto = \"end\" }]\nelse = \"other\"", "`13x` is not a number", "\"13x\"", "@vip"),
    (
        "branch = [{ caller = \"@vips\", goto = \"end\" }]\nelse = \"other\"",
        "no list is named `vips`",
        "\"@vips\"",
        "did you mean `vip`?",
    ),
    (
        "branch = [{ weekday = \"mo-fr\", goto = \"end\" }]\nelse = \"other\"",
        "`mo-fr` is not a weekday",
        "\"mo-fr\"",
        "",
    ),
    ("branch = [{ time = \"9-18\", goto = \"end\" }]\nelse = \"other\"", "`9-18` is not a time of day", "\"9-18\"", ""),
    ("branch = [{ date = \"2026-02-30\", goto = \"end\" }]\nelse = \"other\"", "is not a date", "\"2026-02-30\"", ""),
    (
        "branch = [{ schedule = \"offize\", goto = \"end\" }]\nelse = \"other\"",
        "no schedule is named `offize`",
        "\"offize\"",
        "did you mean `office`?",
    ),
    ("branch = [{ goto = \"end\" }]\nelse = \"other\"", "this case has no condition", "{ goto", "else"),
    (
        "branch = [{ origin = \"carier\", goto = \"end\" }]\nelse = \"other\"",
        "no trunk is named",
        "\"carier\"",
        "did you mean `carrier`?",
    ),
    (
        "branch = [{ tier = \"glod\", goto = \"end\" }]\nelse = \"other\"",
        "no tier is named `glod`",
        "\"glod\"",
        "`gold`",
    ),
    (
        "branch = [{ waiting = \">=20\", goto = \"end\" }]\nelse = \"other\"",
        "`waiting` is asked of a queue",
        "\">=20\"",
        "queue = ",
    ),
    (
        "branch = [{ queue = \"enquiry\", goto = \"end\" }]\nelse = \"other\"",
        "nothing is asked of this queue",
        "\"enq",
        "waiting",
    ),
    (
        "branch = [{ queue = \"enquiry\", waiting = \"many\", goto = \"end\" }]\nelse = \"other\"",
        "`many` is not a comparison like 0 or",
        "\"many\"",
        "",
    ),
    (
        "branch = [{ queue = \"enquiry\", wait = \">10\", goto = \"end\" }]\nelse = \"other\"",
        "`>10` is not a comparison like \">10m\"",
        "\">10\"",
        "",
    ),
    (
        "branch = [{ queue = \"enquirx\", open = true, goto = \"end\" }]\nelse = \"other\"",
        "no queue is named `enquirx`",
        "\"enquirx\"",
        "did you mean `enquiry`?",
    ),
    ("sub = \"othr\"\nthen = \"end\"", "no node is named `othr`", "\"othr\"", "did you mean `other`?"),
    ("sub = \"other\"", "node `start` needs `then`", "start]", ""),
    ("sub = \"other\"\nthen = \"end\"", "the sub-flow of node `start` never returns", "start]", "`return = true`"),
    (
        "sub = \"a\"\nthen = \"other\"\n[node.a]\nmenu = \"ivr/bye\"\nkeys = { 1 = \"start\", 2 = \"b\" }\ntoo_many = \"b\"\n[node.b]\nreturn = true",
        "the sub-flow of node `start` leads back into it without returning",
        "start]",
        "`return`",
    ),
    ("sub = \"a\"\nthen = \"start\"\n[node.a]\nreturn = true", "endless loop: start -> start", "start]", "hang up"),
    (
        "sub = \"b\"\nthen = \"a\"\n[node.a]\nsub = \"b\"\nthen = \"b\"\n[node.b]\nreturn = true",
        "node `b` returns, but a path from the start leads here",
        "b]",
        "enter it with `sub",
    ),
    ("sub = \"start\"\nthen = \"other\"", "endless loop: start -> start", "start]", ""),
    ("return = false", "`return = false` does nothing", "false", ""),
    ("set = { n = \"$n * 2\" }\nthen = \"other\"", "`*` is not +, - or a comparison", "\"$n * 2\"", "$tries + 1"),
    ("set = { n = \"$m + 2\" }\nthen = \"other\"", "nothing sets the variable `m`", "\"$m + 2\"", ""),
    ("set = { language = \"$n + 2\" }\nthen = \"other\"", "a language is written out", "\"$n + 2\"", ""),
    ("lookup = \"crm\"\nthen = \"other\"\nfailed = \"end\"", "not the address of a web service", "\"crm\"", "https://"),
    (
        "lookup = \"https://c/{$n\"\nthen = \"other\"\nfailed = \"end\"",
        "`{$n` is not closed",
        "\"https://c/{$n\"",
        "{$name}",
    ),
    (
        "lookup = \"https://c/{$n}\"\nthen = \"other\"\nfailed = \"end\"",
        "nothing sets the variable `n`",
        "\"https://c/",
        "",
    ),
    (
        "lookup = \"https://c{$caller}/x\"\nthen = \"other\"\nfailed = \"end\"",
        "the host is written out",
        "\"https://c{",
        "",
    ),
    ("lookup = \"https://c/\"\nthen = \"other\"", "node `start` needs `failed`", "start]", ""),
    (
        "lookup = \"https://c/\"\nset = { n = \"name\" }\nthen = \"other\"\nfailed = \"end\"",
        "`name` is not a path into the answer",
        "\"name\"",
        "$.customer.name",
    ),
    (
        "lookup = \"https://c/\"\nheaders = { Host = \"x\" }\nthen = \"other\"\nfailed = \"end\"",
        "`Host` is not a header to set",
        "Host",
        "",
    ),
    (
        "lookup = \"https://c/\"\ntimeout = \"2m\"\nthen = \"other\"\nfailed = \"end\"",
        "a look-up is given between",
        "\"2m\"",
        "",
    ),
    ("lookup = \"https://c/\"\nthen = \"other\"\nfailed = \"start\"", "endless loop: start -> start", "start]", ""),
    ("bot = \"robyn\"\nthen = \"other\"\nfailed = \"end\"", "no bot is named `robyn`", "\"robyn\"", "`robin`"),
    ("bot = \"robin\"\nthen = \"other\"", "node `start` needs `failed`", "start]", ""),
    (
        "bot = \"robin\"\nthen = \"other\"\nfailed = \"end\"\noutcomes = { failed = \"end\" }",
        "`failed` is an outcome of every bot",
        "failed = \"end\" }",
        "",
    ),
    (
        "bot = \"robin\"\nthen = \"other\"\nfailed = \"end\"\nset = { n = \"name\" }",
        "`name` is not a path into the answer",
        "\"name\"",
        "$.customer.name",
    ),
    ("bot = \"robin\"\nthen = \"other\"\nfailed = \"start\"", "endless loop: start -> start", "start]", ""),
    (
        "survey = \"servis\"\nthen = \"other\"\n[survey.service]\nquestions = []",
        "no survey is named `servis`",
        "\"servis\"",
        "did you mean `service`?",
    ),
    (
        "survey = \"s\"\nthen = \"other\"\n[survey.s]\nquestions = []",
        "a survey has 1 to 16 questions",
        "[survey.s]",
        "",
    ),
    (
        "survey = \"s\"\nthen = \"other\"\n[survey.s]\nquestions = [{ ask = \"ivr/bye\", name = \"n\", keys = { 1 = \"5\" } }]",
        "expected an integer, found string",
        "\"5\"",
        "",
    ),
    (
        "survey = \"s\"\nthen = \"other\"\n[survey.s]\nquestions = [{ ask = \"ivr/bye\", name = \"n\", keys = { 1 = 5 }, when = { n = \"1\" } }]",
        "`n` is not a variable",
        "n = \"1\"",
        "\"$n\"",
    ),
    ("goto = \"other\"\n[survey.s]\nquestions = []", "the survey `s` is never asked", "s]", "survey = \"s\""),
    ("queue = \"enquiri\"\nelse = \"other\"", "no queue is named `enquiri`", "\"enquiri\"", "did you mean `enquiry`?"),
    ("queue = \"enquiry\"\ntimed_out = \"other\"\nno_agents = \"end\"", "node `start` needs `full`", "start]", ""),
    (
        "queue = \"enquiry\"\nagent = \"7\"\ntimed_out = \"other\"\nfull = \"end\"\nno_agents = \"end\"\noffline = \"end\"\nunknown = \"end\"",
        "node `start` needs `busy`",
        "start]",
        "",
    ),
    (
        "queue = \"enquiry\"\nskills = { cards = 1 }\nelse = \"other\"",
        "no skill is named `cards`",
        "cards =",
        "did you mean `card`?",
    ),
    (
        "queue = \"enquiry\"\nagent = \"7\"\nprefer = \"8\"\nelse = \"other\"",
        "a call for one `agent` only prefers nobody",
        "\"enquiry\"",
        "leave out",
    ),
    ("queue = \"enquiry\"\nprefer = \"$agnt\"\nelse = \"other\"", "nothing sets the variable `agnt`", "\"$agnt\"", ""),
    ("queue = \"enquiry\"\npatience = \"9s\"\nelse = \"other\"", "`patience` is with", "\"9s\"", ""),
    ("queue = \"enquiry\"\nannounce = { every = \"0s\" }\nelse = \"other\"", "`every` is at least", "\"0s\"", ""),
    (
        "dial = { number = \"021\", trunk = \"carier\" }\nelse = \"other\"",
        "no trunk is named",
        "\"carier\"",
        "did you mean `carrier`?",
    ),
    (
        "dial = \"021\"\nno_answer = \"other\"\nbusy = \"end\"\nfailed = \"end\"",
        "node `start` needs `hung_up`",
        "start]",
        "",
    ),
    ("hangup = 200", "200 is not between 400 and 699", "200", ""),
    ("goto = \"start\"", "endless loop: start -> start", "start]", "hang up"),
    (
        "play = \"ivr/bye\"\nthen = \"b\"\n[node.b]\nqueue = \"enquiry\"\nno_agents = \"start\"\nelse = \"other\"",
        "endless loop",
        "b]",
        "hang up",
    ),
    ("goto = \"other\"\n[node.lost]\ngoto = \"end\"", "no path leads to node `lost`", "lost]", ""),
];

#[test]
fn each_mistake_is_found_where_it_is_with_what_to_do() {
    for (node, message, at, help) in MISTAKES {
        let source = around(node);
        let found = match Dialplan::parse("plan.toml", &source, &names()) {
            Ok(parsed) => parsed.warnings,
            Err(mistakes) => mistakes,
        };
        let Some(mistake) = found.iter().find(|mistake| mistake.message.contains(message)) else {
            panic!("{node}\nwants `{message}`, found {found:#?}");
        };
        assert!(caret(mistake).starts_with(at), "{node}\n{mistake}");
        assert!(mistake.help.as_deref().unwrap_or_default().contains(help), "{node}\n{mistake}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let source =
        "start = \"a\"\n[node.a]\nplay = \"ivr/welcme\"\nthen = \"b\n[node.c]\nqueue = \"enquiri\"\nelse = 3\n";
    let lines: Vec<_> = mistakes(source).iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [1, 3, 4, 4, 6, 7], "{:#?}", mistakes(source));
}

#[test]
fn a_file_that_is_no_dialplan_is_refused_with_its_first_needs() {
    let said: Vec<_> = mistakes("").into_iter().map(|mistake| mistake.message).collect();
    assert_eq!(said, ["the dialplan needs `name`", "the dialplan needs `node`", "the dialplan needs `start`"]);
}

#[test]
fn mistakes_in_a_dialplans_own_tests_are_mistakes_too() {
    let table = [
        ("{ her = \"ivr/bye\" }", "a step does or expects exactly one thing"),
        ("{ hear = \"ivr/by\" }", "no prompt is named `ivr/by`"),
        ("{ queue = \"enquire\" }", "no queue is named `enquire`"),
        ("{ enter = \"nowhere\" }", "no node is named `nowhere`"),
        ("{ dequeue = \"ful\" }", "`ful` is none of: timed_out, full, no_agents, closed"),
        ("{ press = \"1\", pass = \"1s\" }", "a step does or expects exactly one thing"),
    ];
    for (step, message) in table {
        let source = format!("{}[[test]]\nname = \"t\"\nsteps = [{step}]\n", around("goto = \"other\""));
        let found = mistakes(&source);
        assert!(found.iter().any(|mistake| mistake.message.contains(message)), "{step}: {found:#?}");
    }
}

#[test]
fn a_failing_test_of_a_dialplan_says_what_happened_instead() {
    let source = format!(
        "{}[[test]]\nname = \"t\"\nsteps = [{{ press = \"1\" }},\n{{ queue = \"general\" }}]\n",
        around("goto = \"other\"")
    );
    let outcome = Dialplan::parse("plan.toml", &source, &names()).unwrap().plan.test().remove(0);
    assert_eq!(outcome.line, source.lines().count());
    let failure = outcome.failure.unwrap();
    assert_eq!((failure.step, failure.column, &*failure.expected), (2, 1, "to be queued in `general`"));
    assert!(failure.instead.ends_with("entered `end`, hung up (480) (now in node `end`)"), "{failure:?}");
}

/// Recordings in two languages; `ivr/bye` was forgotten in English.
fn half_translated() -> Names {
    let recordings = ["ivr/welcome", "ivr/bye", "ivr/invalid", "ivr/timeout"].map(|id| ("zh".into(), id.into()));
    let english = ["ivr/welcome", "ivr/invalid", "ivr/timeout"].map(|id| ("en".into(), id.into()));
    Names { recordings: recordings.into_iter().chain(english).collect(), ..names() }
}

#[test]
fn a_prompt_is_recorded_in_every_language_a_caller_may_come_in() {
    let table = [
        ("play = \"ivr/bye\"\nthen = \"other\"", None),
        ("set = { language = \"en\" }\nthen = \"other\"", None),
        ("play = { prompt = \"ivr/bye\", language = \"en\" }\nthen = \"other\"", Some("\"ivr/bye\"")),
        (
            "set = { language = \"en\" }\nthen = \"goodbye\"\n[node.goodbye]\nplay = \"ivr/bye\"\nthen = \"other\"",
            Some("\"ivr/bye\""),
        ),
        (
            "sub = \"english\"\nthen = \"goodbye\"\n[node.english]\nset = { language = \"en\" }\nthen = \"back\"\n\
             [node.back]\nreturn = true\n[node.goodbye]\nplay = \"ivr/bye\"\nthen = \"other\"",
            Some("\"ivr/bye\""),
        ),
        (
            "sub = \"english\"\nthen = \"goodbye\"\n[node.english]\nset = { language = \"en\" }\nthen = \"chinese\"\n\
             [node.chinese]\nset = { language = \"zh\" }\nthen = \"back\"\n\
             [node.back]\nreturn = true\n[node.goodbye]\nplay = \"ivr/bye\"\nthen = \"other\"",
            None,
        ),
    ];
    for (node, caret_at) in table {
        let found = Dialplan::parse("plan.toml", &around(node), &half_translated()).err().unwrap_or_default();
        let missing = found.iter().find(|m| m.message == "`ivr/bye` is recorded in `zh`, not in `en`");
        assert_eq!(
            missing.map(|m| caret(m).starts_with(caret_at.unwrap_or("none"))),
            caret_at.map(|_| true),
            "{node}: {found:#?}"
        );
    }
}

#[test]
fn a_list_nobody_asks_for_is_told() {
    let used = around("branch = [{ caller = \"@vip\", goto = \"end\" }]\nelse = \"other\"");
    let warnings = |source: &str| Dialplan::parse("plan.toml", source, &names()).unwrap().warnings;
    assert_eq!(warnings(&used), []);
    let [warning] = &warnings(&around("goto = \"other\""))[..] else { panic!("one warning") };
    assert_eq!((&*warning.message, &*caret(warning)), ("the list `vip` is never used", "vip = [\"138*\"]"));
}

#[test]
fn a_plan_with_too_many_variables_is_refused() {
    let variables: String = (0..=busyhour_ivr::VARIABLES_MAX).map(|n| format!("v{n} = 1\n")).collect();
    let source = around("goto = \"other\"").replace("[lists]", &format!("[variables]\n{variables}[lists]"));
    assert!(mistakes(&source).iter().any(|mistake| mistake.message == "more than 200 variables"));
}
