//! What must hold for any text given as a dialplan.

use busyhour_ivr::{Dialplan, Names};

/// It is a plan whose tests run to an end, or there are diagnostics that say why not.
pub fn plan(data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    let names = Names { queues: vec!["sales".into()], languages: vec!["en".into(), "zh".into()], ..Names::default() };
    match Dialplan::parse("fuzz.toml", &source, &names) {
        Ok(parsed) => assert!(parsed.plan.nodes().count() > 0 && parsed.plan.test().len() <= source.len()),
        Err(diagnostics) => assert!(!diagnostics.is_empty()),
    }
}
