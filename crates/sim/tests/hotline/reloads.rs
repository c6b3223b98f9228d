//! Setups, dialplans and the whole switch are exchanged in mid-call.

use crate::stage::{conversation, count, ended, enquiries, ms, with_callers};
use busyhour_ivr::{Dialplan, Names};
use busyhour_model::{CallId, What};
use busyhour_sim::{Deed, Scenario};
use busyhour_switch::Request;
use std::collections::BTreeSet;

#[test]
fn a_switch_read_back_in_mid_call_goes_on_as_if_nothing_had_been() {
    let run = |restore: bool| {
        let mut scenario = with_callers(Scenario::calm(14, 2), vec![conversation(), conversation(), conversation()]);
        if restore {
            scenario.deeds.extend([2500, 3200, 5000, 7777, 9000, 12_000].map(|at| (ms(at), Deed::Restore)));
        }
        ended(scenario).facts
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn a_reload_in_mid_call_disturbs_nobody() {
    let mut scenario = with_callers(Scenario::calm(15, 3), vec![conversation(), conversation()]);
    let setup = Scenario::calm(15, 2).setup;
    scenario.deeds.push((ms(7000), Deed::Ask(Box::new(Request::Reload(Box::new(setup))))));
    let world = ended(scenario);
    assert!(world.outcomes().iter().all(|o| o.heard_partner() && o.status == 200));
}

/// Twenty versions, one every half second, each leading callers on by another node; who has begun ends on the version begun with.
#[test]
fn no_call_fails_while_the_dialplan_changes_twenty_times() {
    let calls = 12;
    let mut scenario = with_callers(enquiries(17, 12), vec![conversation(); calls]);
    let names = Names { queues: scenario.setup.queues.iter().map(|q| q.name.clone()).collect(), ..Names::default() };
    let hotline = include_str!("../../../../dialplans/hotline.toml");
    for version in 0..20 {
        let text = hotline
            .replace("welcome", &format!("welcome-{version}"))
            .replace(&format!("ivr/welcome-{version}"), "ivr/welcome")
            .replace("\"main\"", &format!("\"main-{version}\""))
            .replace("[node.main]", &format!("[node.main-{version}]"));
        let plan = Dialplan::parse("hotline.toml", &text, &names).unwrap().plan;
        let mut setup = scenario.setup.clone();
        setup.dialplans.iter_mut().filter(|(name, _)| **name == *"hotline").for_each(|own| own.1 = plan.clone());
        scenario.deeds.push((ms(1900 + 1100 * version), Deed::Ask(Box::new(Request::Reload(Box::new(setup))))));
    }
    scenario.deeds.sort_by_key(|(at, _)| *at);
    let world = ended(scenario);
    assert!(world.outcomes().iter().all(|o| o.heard_partner() && o.status == 200));
    let reloaded = count(&world, |what| matches!(what, What::Reloaded { ok: true }));
    assert_eq!((world.outcomes().len(), reloaded), (calls, 1 + 20), "the start counts as one");
    let entered = |number: CallId| {
        let of = world.facts.iter().filter_map(move |fact| match &fact.what {
            What::NodeEntered { call, node, .. } if *call == number => Some(node.to_string()),
            _ => None,
        });
        let numbered = of.filter(|node| node.starts_with("welcome-") || node.starts_with("main-"));
        numbered.map(|node| node.split_once('-').unwrap().1.to_string()).collect::<BTreeSet<_>>()
    };
    let versions: Vec<BTreeSet<String>> = world.records.iter().map(|record| entered(record.call)).collect();
    assert!(versions.iter().all(|nodes| nodes.len() == 1), "one version for each call: {versions:?}");
    assert!(versions.iter().flatten().collect::<BTreeSet<_>>().len() > 5, "{versions:?}");
}
