//! Trunks as calls see them: full, unreachable, with a dead peer.

use crate::stage::{SECOND, cause, conversation, count, dial, with_callers};
use busyhour_model::{Cause, Party, What};
use busyhour_sim::peer::{Action, Ending, PhoneSetup};
use busyhour_sim::{Deed, Scenario, World};
use busyhour_switch::{Peer, Reply, Request, Transport};
use std::net::SocketAddr;
use std::time::Duration;

#[test]
fn a_full_trunk_says_busy_and_its_channels_come_back() {
    let mut scenario = Scenario::calm(10, 2);
    scenario.setup.trunks[0].channels = 1;
    let mut scripts = vec![conversation(), conversation()];
    scripts.extend([vec![Action::Wait(20 * SECOND), Action::HangUp]]);
    let world = {
        let mut world = World::new(with_callers(scenario, scripts));
        world.run(60 * SECOND);
        world.settle(100 * SECOND);
        world.check_ended();
        world
    };
    let statuses: Vec<u16> = world.outcomes().iter().map(|o| o.status).collect();
    assert_eq!(statuses, [200, 486, 486]);
    assert_eq!(count(&world, |w| matches!(w, What::TrunkRefused { status: 486, .. })), 2);
}

#[test]
fn a_number_nobody_has_is_404() {
    let mut scenario = with_callers(Scenario::calm(11, 1), vec![conversation()]);
    if let Deed::Call(caller) = &mut scenario.deeds[0].1 {
        caller.dialled = "12345678".into();
    }
    let mut world = World::new(scenario);
    world.run(60 * SECOND);
    assert_eq!(world.outcomes()[0].status, 404);
    assert!(world.records.is_empty());
}

#[test]
fn an_agent_dials_out_by_the_trunk_which_sees_a_number_of_ours() {
    let mut scenario = Scenario::calm(17, 1);
    scenario.phones.push(scenario.customer());
    scenario.deeds.push((5 * SECOND, dial("1001", "02187654321")));
    let mut world = World::new(scenario);
    world.run(8 * SECOND);
    let Ok(Reply::Trunks(trunks)) = world.switch.handle_request(world.now(), Request::Trunks) else { panic!("trunks") };
    assert_eq!((trunks[0].channels_in, trunks[0].channels_out), (0, 1));
    world.run(20 * SECOND);
    world.settle(100 * SECOND);
    world.check_ended();
    let out = &world.records[0].legs[1];
    assert!(out.stats.packets_in > 100 && out.stats.packets_out > 100, "sound both ways: {out:?}");
    assert_eq!(cause(&world), Cause::PartnerHungUp);
}

#[test]
fn a_number_that_cannot_be_dialled_out_is_480() {
    let mut scenario = Scenario::calm(18, 1);
    scenario.setup.trunks[0].peers.clear();
    scenario.deeds.push((5 * SECOND, dial("1001", "02187654321")));
    let mut world = World::new(scenario);
    world.run(20 * SECOND);
    world.check_ended();
    assert_eq!(cause(&world), Cause::Refused(480));
}

/// The carrier's first address is dead: the call an agent dials goes to the second, later ones begin there.
#[test]
fn calls_go_on_to_the_next_peer_when_a_carriers_first_is_gone() {
    let mut scenario = Scenario::calm(1, 2);
    let second = SocketAddr::from(([10, 9, 255, 2], 5060));
    let first = scenario.setup.trunks[0].peers[0];
    scenario.setup.trunks[0].peers = vec![first, Peer { priority: 1, ..Peer::new(Transport::Udp, second) }];
    let customer = PhoneSetup {
        sip: second,
        media: SocketAddr::new(second.ip(), 4000),
        ending: Ending::HangUp(3 * SECOND, 5 * SECOND),
        ..scenario.customer()
    };
    scenario.phones.push(customer);
    for (at, number) in [(2, "1001"), (20, "1002")] {
        let code = "13912345678".into();
        scenario.deeds.push((at * SECOND, Deed::Dial { number: number.into(), code }));
    }
    let mut world = World::new(scenario);
    world.run(40 * SECOND);
    world.settle(200 * SECOND);
    world.check_ended();
    let rang: Vec<Duration> = world
        .records
        .iter()
        .map(|record| {
            let connected = |fact: &&busyhour_model::Fact| {
                matches!(&fact.what, What::Connected { call, party: Party::Trunk(_), .. } if *call == record.call)
            };
            world.facts.iter().find(connected).unwrap().at.since(record.arrived)
        })
        .collect();
    assert!(rang[0] >= 4 * SECOND && rang[0] < 6 * SECOND, "the first call waits for the silent peer: {rang:?}");
    assert!(rang[1] < 2 * SECOND, "the second does not: {rang:?}");
}
