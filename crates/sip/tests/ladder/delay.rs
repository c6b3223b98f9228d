//! How long a trunk takes to answer, as RFC 6076 measures it.

use crate::carrier::{answer, call, carrier, requests, world, world_with};
use crate::{World, millis, secs, trunk};
use busyhour_model::TrunkId;
use busyhour_sip::{Account, Delay, HeaderName, Method, TrunkPeer};
use std::time::Duration;

/// The delays measured since the last look.
fn delays(world: &mut World) -> Vec<Delay> {
    std::iter::from_fn(|| world.stack(0).poll_delay()).collect()
}

fn delay(method: Method, took: Duration, successful: bool) -> Delay {
    Delay { trunk: TrunkId(3), method, took, successful }
}

/// Section 4.1: from the first REGISTER to the 2xx, whatever is asked between; a refused one has no delay.
#[test]
fn section_4_1_a_registration_takes_its_challenge_too() {
    let credentials = Some(Account { user: "02195118".into(), password: "pw".into() });
    let mut world = world_with(TrunkPeer { credentials, register: Some(secs(600)), ..trunk(3, carrier()) });
    let refused = requests(&mut world).remove(0);
    answer(&mut world, &refused, 500, &[], false);
    world.run(secs(5));
    let first = requests(&mut world).remove(0);
    let challenge = [(HeaderName::WwwAuthenticate, "Digest realm=\"ims.example\", nonce=\"n1\", qop=\"auth\"")];
    answer(&mut world, &first, 401, &challenge, false);
    let second = requests(&mut world).remove(0);
    assert_eq!(delays(&mut world), []);
    let sent = world.log.iter().filter(|(_, _, message)| message.headers().cseq() == first.headers.cseq());
    let sent = sent.map(|(at, ..)| *at).min().unwrap();
    answer(&mut world, &second, 200, &[], false);
    assert_eq!(delays(&mut world), [delay(Method::Register, world.now.since(sent), true)]);
    assert!(world.now.since(sent) >= millis(100), "the challenge took that long");
}

/// Section 4.4: from the BYE to its final response.
#[test]
fn section_4_4_a_bye_is_measured_to_its_answer() {
    for (status, successful) in [(200, true), (481, false)] {
        let mut world = world();
        let leg = call(&mut world);
        let invite = requests(&mut world).remove(0);
        answer(&mut world, &invite, 200, &[], true);
        requests(&mut world);
        world.hang_up(0, leg);
        let bye = requests(&mut world).remove(0);
        answer(&mut world, &bye, status, &[], false);
        assert_eq!(delays(&mut world), [delay(Method::Bye, millis(100), successful)]);
        world.assert_quiet();
    }
}

/// The same without any: after 64 T1 it is given up (RFC 3261 section 17.1.2.2).
#[test]
fn section_4_4_a_bye_nobody_answers_is_failed_after_32_s() {
    let mut world = world();
    let leg = call(&mut world);
    let invite = requests(&mut world).remove(0);
    answer(&mut world, &invite, 200, &[], true);
    requests(&mut world);
    world.hang_up(0, leg);
    world.run(secs(40));
    assert_eq!(delays(&mut world), [delay(Method::Bye, secs(32), false)]);
}
