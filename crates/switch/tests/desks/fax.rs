//! Fax machines that call: they are no calls for agents, where the dialplan has a place for them.

use crate::exchange::Exchange;
use crate::{agent, queue_in, row};
use busyhour_ivr::{Dialplan, Names};
use busyhour_media::Event;
use busyhour_model::{AgentState, FaxTone, LegId, What};
use busyhour_switch::QueueSetup;

/// A caller for whom the only agent is rung.
fn rung(on_fax: &str) -> Exchange {
    let names = Names { queues: vec!["card".into()], ..Names::default() };
    let source = format!("{on_fax}\n{}", crate::WAITING);
    let plan = Dialplan::parse("plan.toml", &source, &names).unwrap().plan;
    let mut exchange = queue_in(QueueSetup::new("card".into()), agent("1001", "4711"), |setup| {
        setup.dialplans[0].1 = plan;
    });
    exchange.call(5, "13800138000", "95118", "");
    exchange
}

fn hears(exchange: &mut Exchange, leg: u64, tone: FaxTone) {
    exchange.switch.handle_media(exchange.now, Event::Fax { leg: LegId(leg), tone });
    exchange.drain();
}

fn entered(exchange: &Exchange, wanted: &str) -> bool {
    exchange.facts.iter().any(|what| matches!(what, What::NodeEntered { node, .. } if **node == *wanted))
}

#[test]
fn a_fax_machine_leaves_the_queue_and_the_agent_who_was_rung() {
    let mut exchange = rung("on_fax = \"end\"");
    assert_eq!(row(&mut exchange, "1001").state, AgentState::Ringing);
    hears(&mut exchange, 1, FaxTone::Answering);
    assert!(!entered(&exchange, "end"), "no fax machine calls with that tone");
    hears(&mut exchange, 1, FaxTone::Calling);
    assert!(entered(&exchange, "end"));
    assert_eq!(row(&mut exchange, "1001").state, AgentState::Ready);
}

#[test]
fn who_talks_already_or_has_nowhere_to_go_stays() {
    let mut exchange = rung("");
    hears(&mut exchange, 1, FaxTone::Calling);
    assert_eq!(row(&mut exchange, "1001").state, AgentState::Ringing);
    let mut exchange = rung("on_fax = \"end\"");
    let invite = exchange.request(1, "INVITE").unwrap();
    exchange.answer(1, &invite, 200, &[]);
    for leg in [1, 2] {
        hears(&mut exchange, leg, FaxTone::Calling);
    }
    assert_eq!((row(&mut exchange, "1001").state, entered(&exchange, "end")), (AgentState::Talking, false));
}
