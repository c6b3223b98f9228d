//! The parser takes exactly the keys of the tables, no more and no less.

use super::*;
use crate::plan::Dialplan;
use crate::script::ACTS;
use crate::step::Names;
use crate::verb::VERBS;
use std::collections::BTreeSet;

/// A value the parser takes as one of the kind.
fn sample(kind: Kind) -> &'static str {
    match kind {
        Kind::True | Kind::Flag | Kind::TrueOrValue | Kind::Status => "true",
        Kind::Text | Kind::Value | Kind::Texts | Kind::ValueOrTable(_) => "\"1\"",
        Kind::Node => "\"x\"",
        Kind::Duration => "\"2s\"",
        Kind::Number(..) | Kind::Length => "1",
        Kind::Comparisons => "[\">1\"]",
        Kind::Phrase => "[]",
        Kind::Button => "\"1\"",
        Kind::Buttons
        | Kind::Ways
        | Kind::Values
        | Kind::Skills
        | Kind::Lists
        | Kind::Named(_)
        | Kind::Scores
        | Kind::Conditions => "{}",
        Kind::Word(words) => match words {
            ["callers", ..] => "\"callers\"",
            ["timed_out", ..] => "\"full\"",
            _ => "\"busy\"",
        },
        Kind::Table("item") => "{ number = 1 }",
        Kind::Table(_) => "{ play = [] }",
        Kind::Tables(_) | Kind::Steps => "[]",
        Kind::Nodes => "{}",
    }
}

/// The keys the parser asked for when it met one nobody knows.
fn taken(source: &str) -> BTreeSet<String> {
    let found = Dialplan::parse("f", source, &Names::default()).unwrap_err();
    let help = found.iter().filter(|m| m.message.contains("unknown key `xyzzy`")).find_map(|m| m.help.clone());
    let help = help.unwrap_or_else(|| panic!("{source}\n{found:#?}"));
    help.strip_prefix("known here: ").unwrap().split(", ").map(str::to_string).collect()
}

fn names(keys: &[&[Key]]) -> BTreeSet<String> {
    keys.iter().flat_map(|group| group.iter()).map(|key| key.name.to_string()).collect()
}

fn plan(node: &str) -> String {
    format!("name = \"p\"\nstart = \"x\"\n[node.x]\n{node}\n")
}

#[test]
fn every_verb_takes_what_its_table_says() {
    assert_eq!(NODES.iter().map(|(verb, _)| *verb).collect::<Vec<_>>(), VERBS);
    for (verb, keys) in NODES {
        let own = &keys[0][0];
        assert_eq!((own.name, own.needed), (*verb, true));
        assert_eq!(taken(&plan(&format!("{verb} = {}\nxyzzy = 1", sample(own.kind)))), names(keys), "{verb}");
    }
}

#[test]
fn every_step_of_a_test_takes_what_its_table_says() {
    assert_eq!(STEPS.iter().map(|(act, _)| *act).collect::<Vec<_>>(), ACTS);
    for (act, keys) in STEPS {
        let step = format!("[[test]]\nname = \"t\"\nsteps = [{{ {act} = {}, xyzzy = 1 }}]", sample(keys[0][0].kind));
        assert_eq!(taken(&plan(&format!("goto = \"x\"\n{step}"))), names(keys), "{act}");
    }
}

#[test]
fn every_other_table_takes_what_it_says() {
    let items: Vec<String> = ["silence = \"1s\"", "recording = \"1\"", "speak = \"1\"", "prompt = \"1\"", "number = 1"]
        .map(|item| plan(&format!("play = [{{ {item}, xyzzy = 1 }}]\nthen = \"x\"")))
        .into();
    let dials: Vec<String> = ["agent = \"1\"", "number = \"1\""]
        .map(|to| plan(&format!("dial = {{ {to}, xyzzy = 1 }}\nelse = \"x\"")))
        .into();
    let mailboxes: Vec<String> = ["agent = \"1\"", "queue = \"1\""]
        .map(|whose| plan(&format!("voicemail = {{ {whose}, xyzzy = 1 }}\nthen = \"x\"\nelse = \"x\"")))
        .into();
    let sources = [
        ("plan", vec![format!("xyzzy = 1\n{}", plan("goto = \"x\""))]),
        ("item", items),
        ("case", vec![plan("branch = [{ xyzzy = 1, queue = \"q\" }]\nelse = \"x\"")]),
        ("announce", vec![plan("queue = \"q\"\nelse = \"x\"\nannounce = { xyzzy = 1 }")]),
        ("last_agent", vec![plan("queue = \"q\"\nelse = \"x\"\nlast_agent = { xyzzy = 1 }")]),
        ("comfort", vec![plan("queue = \"q\"\nelse = \"x\"\ncomfort = { play = [], xyzzy = 1 }")]),
        ("dial", dials),
        ("mailbox", mailboxes),
        ("survey", vec![plan("survey = \"s\"\nthen = \"x\"\n[survey.s]\nxyzzy = 1")]),
        ("question", vec![plan("survey = \"s\"\nthen = \"x\"\n[survey.s]\nquestions = [{ name = \"q\", xyzzy = 1 }]")]),
        ("test", vec![plan("goto = \"x\"\n[[test]]\nname = \"t\"\nsteps = []\nxyzzy = 1")]),
    ];
    assert_eq!(sources.len(), TABLES.len());
    for ((name, sources), (table, keys)) in sources.iter().zip(TABLES) {
        assert_eq!(name, table);
        let taken: BTreeSet<String> = sources.iter().flat_map(|source| taken(source)).collect();
        assert_eq!(taken, names(keys), "{name}");
    }
}

/// What a table calls needed is missed when it is not there, and nothing else is.
#[test]
fn what_is_needed_is_missed() {
    for (verb, keys) in NODES {
        let found = Dialplan::parse("f", &plan(&format!("{verb} = {}", sample(keys[0][0].kind))), &Names::default());
        let found = found.err().unwrap_or_default();
        for key in keys.iter().flat_map(|group| group.iter()).skip(1).filter(|key| key.kind != Kind::Node || key.needed)
        {
            let missed = found.iter().any(|m| m.message == format!("node `x` needs `{}`", key.name));
            assert_eq!(missed, key.needed, "{verb}: {}: {found:#?}", key.name);
        }
    }
}
