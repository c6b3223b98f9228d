//! The shipped dialplans are free of mistakes and pass their own tests.
#![allow(clippy::unwrap_used)]

use busyhour_ivr::{Dialplan, Names, TestOutcome};
use busyhour_model::Name;

fn names() -> Names {
    let list = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
    let phrases = include_str!("../../../prompts/phrases.tsv");
    let recorded = phrases.lines().flat_map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let languages = [("zh", columns[2]), ("en", columns[3])];
        languages
            .map(|(language, text)| (text != "-").then(|| (language.into(), columns[0].into())))
            .into_iter()
            .flatten()
    });
    Names {
        queues: list(&["enquiry", "complaint", "general"]),
        prompts: phrases.lines().filter_map(|line| line.split('\t').next()).map(Name::from).collect(),
        languages: list(&["zh", "en"]),
        recordings: recorded.collect(),
        ..Names::default()
    }
}

#[test]
fn the_hotline_passes_its_own_tests() {
    passes("hotline.toml", include_str!("../../../dialplans/hotline.toml"), 16);
}

#[test]
fn signing_in_by_voice_passes_its_own_tests() {
    passes("sign-in.toml", include_str!("../../../dialplans/sign-in.toml"), 4);
}

fn passes(file: &str, source: &str, tests: usize) {
    let parsed = Dialplan::parse(file, source, &names())
        .map_err(|mistakes| mistakes.iter().map(|mistake| format!("{mistake}\n")).collect::<String>())
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(parsed.warnings, [], "warnings");
    let outcomes = parsed.plan.test();
    let failed: Vec<&TestOutcome> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(outcomes.len() >= tests, "it has tests");
}

#[test]
fn a_test_hears_what_is_spoken_and_a_text_nobody_speaks_is_a_mistake() {
    let source = |heard: &str| {
        format!(
            "name = \"p\"\nstart = \"a\"\n[variables]\nname = \"张三\"\n[node.a]\n\
             play = [{{ speak = \"您好，{{$name}}\" }}, \"ivr/welcome\"]\nthen = \"b\"\n[node.b]\nhangup = true\n\
             [[test]]\nname = \"t\"\nsteps = [{{ hear = [\"{heard}\", \"ivr/welcome\"] }}, {{ hangup = true }}]\n"
        )
    };
    let failure = |heard: &str| {
        let parsed = Dialplan::parse("p.toml", &source(heard), &names()).unwrap();
        parsed.plan.test()[0].failure.as_ref().map(|failure| failure.instead.clone())
    };
    assert_eq!(failure("您好，张三"), None);
    assert!(failure("您好，李四").unwrap().contains("您好，张三"));
    let mistakes = Dialplan::parse("p.toml", &source("再见"), &names()).unwrap_err();
    assert!(mistakes[0].message.contains("no prompt is named `再见`"), "{mistakes:?}");
}

#[test]
fn a_test_talks_with_a_bot_and_goes_on_where_that_ends() {
    let source = |end: &str, then: &str| {
        format!(
            "name = \"p\"\nstart = \"a\"\n[node.a]\nbot = \"robin\"\nset = {{ topic = \"$.topic\" }}\noutcomes = {{ sales = \"b\" }}\n\
             then = \"c\"\ntimed_out = \"d\"\nfailed = \"e\"\n[node.b]\nbranch = [{{ \"$topic\" = \"loan\", goto = \"c\" }}]\nelse = \"e\"\n\
             [node.c]\nhangup = 480\n[node.d]\nhangup = 481\n[node.e]\nhangup = 482\n\
             [[test]]\nname = \"t\"\nsteps = [{{ bot = \"robin\"{end} }}, {{ hangup = {then} }}]\n"
        )
    };
    let table = [
        (", outcome = \"sales\", values = { topic = \"loan\" }", "480"),
        (", outcome = \"sales\"", "482"),
        (", outcome = \"then\"", "480"),
        (", outcome = \"failed\"", "482"),
        ("", "481"),
    ];
    let names = Names { bots: vec!["robin".into()], ..names() };
    for (end, then) in table {
        let parsed = Dialplan::parse("p.toml", &source(end, then), &names).unwrap();
        assert_eq!(parsed.plan.test()[0].failure, None, "{end}");
    }
    let parsed =
        Dialplan::parse("p.toml", &source("", "481").replace("{ bot = \"robin\" }", "{ bot = \"wren\" }"), &names);
    let failure = parsed.unwrap().plan.test()[0].failure.clone().unwrap();
    assert_eq!(
        (&*failure.expected, failure.instead.contains("talked with bot robin")),
        ("to talk with bot wren", true)
    );
}
