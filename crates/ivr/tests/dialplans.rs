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
    let source = include_str!("../../../dialplans/hotline.toml");
    let parsed = Dialplan::parse("dialplans/hotline.toml", source, &names())
        .map_err(|mistakes| mistakes.iter().map(|mistake| format!("{mistake}\n")).collect::<String>())
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(parsed.warnings, [], "warnings");
    let outcomes = parsed.plan.test();
    let failed: Vec<&TestOutcome> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(outcomes.len() >= 16, "it has tests");
}
