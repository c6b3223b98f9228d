//! Trunks as calls see them: a peer that is gone costs a caller some seconds and no call.
#![allow(clippy::unwrap_used)]

use busyhour_model::{Party, What};
use busyhour_sim::peer::{Ending, PhoneSetup};
use busyhour_sim::{Deed, Scenario, World};
use busyhour_switch::{Peer, Transport};
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

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
