//! The vectors of the RFCs, and what a network and an attacker can do to sealed packets.
#![allow(clippy::unwrap_used)]

use super::*;
use busyhour_model::{MasterKey, Suite};

/// Bytes written as hexadecimal digits, with white space anywhere.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn key(suite: Suite, seed: u8) -> MasterKey {
    let bytes: Vec<u8> = (0..suite.key_len() + suite.salt_len()).map(|n| n as u8 ^ seed).collect();
    MasterKey::new(suite, &bytes).unwrap()
}

/// The two ends of a stream.
fn ends(suite: Suite) -> [Secured; 2] {
    let (one, other) = (key(suite, 1), key(suite, 2));
    let end =
        |ours: &MasterKey, theirs: &MasterKey| Secured::new(Srtp { suite, ours: ours.clone(), theirs: theirs.clone() });
    [end(&one, &other), end(&other, &one)]
}

fn rtp(ssrc: u32, sequence: u16, body: &[u8]) -> Vec<u8> {
    [&[0x80, 8][..], &sequence.to_be_bytes(), &[0; 4], &ssrc.to_be_bytes(), body].concat()
}

fn sealed(from: &mut Secured, packet: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    out.extend_from_slice(packet);
    from.seal(&mut out, 6);
    out.split_off(6)
}

/// The packets of libsrtp's own test, whose key and salt are those of RFC 3711 appendix B.3.
#[test]
fn packets_sealed_by_aes_in_counter_mode_are_those_of_others() {
    let suite = Suite::Cm128Sha80;
    let of_rfc = MasterKey::new(suite, &hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6")).unwrap();
    let mut end = Secured::new(Srtp { suite, ours: of_rfc.clone(), theirs: of_rfc });
    let plain = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    let secret = hex("800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb");
    assert_eq!(sealed(&mut end, &plain), secret);
    let mut packet = secret;
    end.open(&mut packet).unwrap();
    assert_eq!(packet, plain);
    let report = hex("81c8000b cafebabe abababab abababab abababab abababab");
    end.reports = 1;
    let mut out = report.clone();
    end.seal_rtcp(&mut out, 0);
    assert_eq!(out, hex("81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798"));
    end.open_rtcp(&mut out).unwrap();
    assert_eq!(out, report);
}

/// RFC 7714 section 16.1: there the key is the session's; ours are derived, so the session is asked.
#[test]
fn packets_sealed_by_gcm_are_those_of_rfc_7714() {
    let plain = hex(
        "8040f17b 8041f8d3 5501a0b2 47616c6c 696120 65737420 6f6d6e69 73206469 76697361 20696e20 70617274 65732074 726573",
    );
    for (suite, key, expected) in [
        (
            Suite::Gcm128,
            "000102030405060708090a0b0c0d0e0f",
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833\
             899d7f27 beb16a91 52cf765e e4390cce",
        ),
        (
            Suite::Gcm256,
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b\
             7aa3db36 dfffd6b0 f9bb7878 d7a76c13",
        ),
    ] {
        let session = Session::of_session_keys(suite, &hex(key), &hex("517569642070726f2071756f"));
        let mut out = plain.clone();
        session.seal_rtp(&mut out, 0, 12, 0x5501_a0b2, 0xf17b);
        assert_eq!(out, hex(expected), "{suite:?}");
        session.open_rtp(&mut out, 12, 0x5501_a0b2, 0xf17b).unwrap();
        assert_eq!(out, plain);
    }
}

#[test]
fn what_one_end_seals_the_other_opens_in_every_suite() {
    for suite in Suite::ALL {
        let [mut one, mut other] = ends(suite);
        for (n, len) in [0, 1, 15, 16, 17, 160, 480].into_iter().enumerate() {
            let plain = rtp(7, 65_533 + n as u16 % 3, &vec![n as u8; len]);
            let plain = if n > 2 { rtp(7, n as u16, &vec![n as u8; len]) } else { plain };
            let mut packet = sealed(&mut one, &plain);
            assert!(len < 8 || !packet.windows(8).any(|bytes| bytes == [n as u8; 8]), "{suite:?} {len} is readable");
            other.open(&mut packet).unwrap();
            assert_eq!(packet, plain, "{suite:?} {len}");
            let report = [&[0x80, 201, 0, 7][..], &7u32.to_be_bytes(), &vec![n as u8; len / 4 * 4]].concat();
            let mut packet = report.clone();
            one.seal_rtcp(&mut packet, 0);
            other.open_rtcp(&mut packet).unwrap();
            assert_eq!(packet, report, "{suite:?} {len}");
        }
    }
}

/// Contributing sources and an extension stay readable.
#[test]
fn only_what_follows_the_whole_header_is_sealed() {
    let [mut one, mut other] = ends(Suite::Cm128Sha80);
    let mut plain = rtp(7, 9, &[]);
    plain[0] = 0x92;
    plain.extend([1, 1, 1, 1, 2, 2, 2, 2, 0xBE, 0xDE, 0, 1, 5, 5, 5, 5]);
    plain.extend([9; 20]);
    let mut packet = sealed(&mut one, &plain);
    assert_eq!(packet[..28], plain[..28]);
    assert_ne!(packet[28..48], plain[28..48]);
    other.open(&mut packet).unwrap();
    assert_eq!(packet, plain);
    let mut torn = sealed(&mut one, &plain);
    torn[23] = 200;
    assert_eq!(other.open(&mut torn), None, "an extension longer than the packet");
}

#[test]
fn no_bit_can_be_changed_and_nothing_comes_twice() {
    for suite in Suite::ALL {
        let [mut one, mut other] = ends(suite);
        let packet = sealed(&mut one, &rtp(7, 100, &[3; 20]));
        for bit in 0..packet.len() * 8 {
            let mut changed = packet.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(other.open(&mut changed), None, "{suite:?} bit {bit}");
        }
        let (mut first, mut again) = (packet.clone(), packet.clone());
        assert_eq!((other.open(&mut first), other.open(&mut again)), (Some(()), None), "{suite:?}");
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
        one.seal_rtcp(&mut report, 0);
        for bit in 0..report.len() * 8 {
            let mut changed = report.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(other.open_rtcp(&mut changed), None, "{suite:?} bit {bit} of a report");
        }
        let (mut first, mut again) = (report.clone(), report);
        assert_eq!((other.open_rtcp(&mut first), other.open_rtcp(&mut again)), (Some(()), None), "{suite:?}");
        for len in 0..40 {
            assert_eq!(other.open(&mut vec![0x80; len]), None);
            assert_eq!(other.open_rtcp(&mut vec![0x80; len]), None);
        }
    }
}

#[test]
fn numbers_wrap_packets_overtake_and_old_ones_are_refused() {
    let [mut one, mut other] = ends(Suite::Gcm128);
    let sequence = |n: u32| (65_000 + n) as u16;
    let packets: Vec<Vec<u8>> = (0..70_000).map(|n| sealed(&mut one, &rtp(7, sequence(n), &[n as u8; 8]))).collect();
    let mut open = |n: usize| {
        let mut packet = packets[n].clone();
        other.open(&mut packet).map(|()| packet[12])
    };
    for n in (0..70_000).step_by(2) {
        assert_eq!(open(n), Some(n as u8), "{n}, though every other is lost");
        if n >= 100 {
            assert_eq!((open(n - 99), open(n - 99)), (Some((n - 99) as u8), None), "late, once");
        }
    }
    assert_eq!(open(69_999 - 200), None, "too old to know");
    assert_eq!(open(0), None, "of the round before");
}

#[test]
fn a_sender_that_starts_over_is_heard_and_so_is_who_comes_back() {
    let [mut one, mut other] = ends(Suite::Gcm256);
    let mut pass = |ssrc, sequence| {
        let mut packet = sealed(&mut one, &rtp(ssrc, sequence, &[5; 8]));
        other.open(&mut packet)
    };
    assert_eq!([pass(1, 60_000), pass(2, 5), pass(3, 5), pass(1, 60_001)], [Some(()); 4]);
    for ssrc in 10..10 + 2 * STREAMS_MAX as u32 {
        assert_eq!(pass(ssrc, 1), Some(()));
    }
    assert!(other.heard.len() <= STREAMS_MAX);
}

#[test]
fn a_new_key_takes_over_and_the_same_one_goes_on() {
    let suite = Suite::Gcm128;
    let [mut one, mut other] = ends(suite);
    let mut packet = sealed(&mut one, &rtp(7, 1, &[5; 8]));
    other.open(&mut packet).unwrap();
    let again = sealed(&mut one, &rtp(7, 2, &[5; 8]));
    other.renegotiate(Srtp { suite, ours: key(suite, 2), theirs: key(suite, 1) });
    let (mut first, mut twice) = (again.clone(), again);
    assert_eq!((other.open(&mut first), other.open(&mut twice)), (Some(()), None), "what came is still known");
    one.renegotiate(Srtp { suite, ours: key(suite, 3), theirs: key(suite, 2) });
    let mut packet = sealed(&mut one, &rtp(7, 3, &[5; 8]));
    assert_eq!(other.open(&mut packet.clone()), None);
    other.renegotiate(Srtp { suite, ours: key(suite, 2), theirs: key(suite, 3) });
    assert_eq!(other.open(&mut packet), Some(()));
}

/// A snapshot goes on where it was, and shows no key.
#[test]
fn written_out_and_read_back_it_goes_on() {
    let [mut one, other] = ends(Suite::Cm256Sha80);
    let written = postcard::to_stdvec(&other).unwrap();
    let mut read: Secured = postcard::from_bytes(&written).unwrap();
    let mut packet = sealed(&mut one, &rtp(7, 1, &[5; 8]));
    read.open(&mut packet).unwrap();
    assert!(!format!("{read:?}").contains("0, 1, 2, 3"), "{read:?}");
}
