//! Legs whose sound is kept secret (RFC 3711), beside others whose is not.

use super::*;
use crate::srtp::Secured;
use busyhour_model::{Keying, MasterKey, Srtp, Suite};

fn key(suite: Suite, seed: u8) -> MasterKey {
    MasterKey::new(suite, &vec![seed; suite.key_len() + suite.salt_len()]).unwrap()
}

/// A is secret, B is not, and they are bridged; and what A's phone has.
fn half_secret(suite: Suite) -> (Rig, Secured) {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    let agreed = |ours, theirs| Srtp { suite, ours: key(suite, ours), theirs: key(suite, theirs) };
    rig.connect_with(A, |audio| audio.srtp = Some(Box::new(Keying::Said(agreed(1, 2)))));
    (rig, Secured::new(agreed(2, 1)))
}

impl Rig {
    /// What was sent to a phone and not looked at yet.
    fn sent(&mut self, leg: LegId) -> Vec<Vec<u8>> {
        let sent = self.got(leg).iter().map(|got| [&got.header.bytes()[..], &got.payload].concat()).collect();
        self.rtp.retain(|got| got.leg != leg);
        sent
    }

    fn reports(&mut self, leg: LegId) -> Vec<Vec<u8>> {
        self.rtcp.iter().filter(|(_, of, _)| *of == leg).map(|(_, _, bytes)| bytes.clone()).collect()
    }
}

fn sealed(phone: &mut Secured, packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    phone.seal(&mut packet, 0);
    packet
}

#[test]
fn a_secret_leg_and_a_plain_one_hear_each_other_bit_for_bit() {
    for suite in Suite::ALL {
        let (mut rig, mut secured) = half_secret(suite);
        for n in 0..50u16 {
            let (said, answered) = ([n as u8; 160], [n as u8 ^ 0x55; 160]);
            rig.hear(A, phone(A), &sealed(&mut secured, &packet(n, u32::from(n) * 160, 8, &said)));
            let heard = rig.sent(B).pop().unwrap();
            assert_eq!(heard[12..], said, "{suite:?}");
            rig.hear(B, phone(B), &packet(n, u32::from(n) * 160, 8, &answered));
            let mut heard = rig.sent(A).pop().unwrap();
            assert!(heard.len() > 172 && heard[12..172] != answered, "{suite:?}: sealed");
            secured.open(&mut heard).unwrap();
            assert_eq!(heard[12..], answered, "{suite:?}");
        }
        let stats = rig.worker.stats(A).unwrap();
        assert_eq!((stats.packets_in, stats.packets_out, stats.refused_in), (50, 50, 0));
    }
}

#[test]
fn nobody_without_the_key_is_heard_or_sent_to_even_if_first() {
    let (mut rig, mut secured) = half_secret(Suite::Gcm128);
    let attacker: SocketAddr = "198.51.100.66:9".parse().unwrap();
    for n in 0..300u16 {
        rig.hear(A, attacker, &packet(n, u32::from(n) * 160, 8, &[1; 160]));
        rig.hear(A, phone(A), &packet(n, u32::from(n) * 160, 8, &[1; 160]));
    }
    assert!(rig.sent(B).is_empty(), "not one packet");
    assert_eq!(rig.worker.stats(A).unwrap().refused_in, 600);
    // Behind a NAT that nobody announced; with the key it is believed at once.
    rig.hear(A, attacker, &sealed(&mut secured, &packet(7, 0, 8, &[2; 160])));
    assert_eq!(rig.sent(B).len(), 1);
}

#[test]
fn keys_are_secret_and_reports_too() {
    let (mut rig, mut secured) = half_secret(Suite::Cm128Sha80);
    rig.hear(A, phone(A), &sealed(&mut secured, &packet(1, 0, 8, &[2; 160])));
    rig.pass(Duration::from_secs(6));
    let reports = rig.reports(A);
    assert!(!reports.is_empty());
    for mut report in reports {
        assert!(crate::rtcp::read(&report[..report.len() - 14], 0).is_none(), "nobody else reads it");
        secured.open_rtcp(&mut report).unwrap();
        assert!(crate::rtcp::read(&report, 0).is_some());
    }
    let event = sealed(&mut secured, &packet(2, 160, 101, &[5, 10, 0, 160]));
    rig.hear(A, phone(A), &event);
    assert_eq!(rig.digits(), "5");
}

#[test]
fn a_new_key_in_mid_call_loses_no_packet() {
    let suite = Suite::Gcm256;
    let (mut rig, mut secured) = half_secret(suite);
    rig.hear(A, phone(A), &sealed(&mut secured, &packet(1, 0, 8, &[1; 160])));
    let agreed = |ours, theirs| Srtp { suite, ours: key(suite, ours), theirs: key(suite, theirs) };
    rig.connect_with(A, |audio| audio.srtp = Some(Box::new(Keying::Said(agreed(1, 9)))));
    secured.renegotiate(agreed(9, 1));
    rig.hear(A, phone(A), &sealed(&mut secured, &packet(2, 160, 8, &[2; 160])));
    rig.connect_with(A, |audio| audio.srtp = None);
    rig.hear(A, phone(A), &packet(3, 320, 8, &[3; 160]));
    let heard: Vec<u8> = rig.sent(B).iter().map(|packet| packet[12]).collect();
    assert_eq!(heard, [1, 2, 3]);
}
