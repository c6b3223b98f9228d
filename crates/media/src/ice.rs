//! The answering half of ICE (ICE-lite, RFC 8445): a peer tries out ways to us by Binding requests (STUN, RFC 8489).

use busyhour_model::Ice;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::net::{IpAddr, SocketAddr};

const COOKIE: u32 = 0x2112_A442;
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const HEADER: usize = 20;
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const INTEGRITY_LEN: usize = 20;
const MAPPED: u16 = 0x0020;
const NOMINATES: u16 = 0x0025;
const CHECKSUM: u16 = 0x8028;
/// What a checksum is mixed with, so that it is no other protocol's (section 14.7).
const CHECKSUM_MASK: u32 = 0x5354_554E;

/// A request of a peer that knows our names, and shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Check<'a> {
    /// The cookie and the transaction.
    id: &'a [u8],
    /// The peer has chosen this way.
    pub(crate) nominates: bool,
}

impl Check<'_> {
    /// `None`: it is another's, or none.
    pub(crate) fn read<'a>(bytes: &'a [u8], ice: &Ice) -> Option<Check<'a>> {
        let asked = word(bytes, 0)? == REQUEST && bytes.get(4..8)? == COOKIE.to_be_bytes();
        (asked && HEADER + usize::from(word(bytes, 2)?) == bytes.len()).then_some(())?;
        let (mut at, mut named, mut nominates, mut signed) = (HEADER, false, false, false);
        loop {
            let (kind, len) = (word(bytes, at)?, usize::from(word(bytes, at + 2)?));
            let value = bytes.get(at + 4..at + 4 + len)?;
            match kind {
                // The last of all; what is not signed before it is nobody's.
                CHECKSUM => {
                    let whole = at + 8 == bytes.len() && value == checksum(&bytes[..at]).to_be_bytes();
                    return (whole && named && signed).then_some(Check { id: &bytes[4..HEADER], nominates });
                }
                INTEGRITY => {
                    signature(&bytes[..at], &ice.pwd).verify_slice(value).ok()?;
                    signed = true;
                }
                // What follows the signature anybody may have added.
                _ if signed => return None,
                USERNAME => named = is_named(value, ice),
                NOMINATES => nominates = true,
                _ => {}
            }
            at += 4 + len.next_multiple_of(4);
        }
    }

    /// Writes the answer to a request from there.
    pub(crate) fn answer(&self, from: SocketAddr, pwd: &str, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&SUCCESS.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(self.id);
        map(from, self.id, out);
        sign(pwd, start, out);
    }
}

/// `ours:theirs` (RFC 8445 section 7.2.2).
fn is_named(value: &[u8], ice: &Ice) -> bool {
    let theirs = value.strip_prefix(ice.ufrag.as_bytes()).and_then(|rest| rest.strip_prefix(b":"));
    theirs == Some(ice.theirs.as_bytes())
}

/// XOR-MAPPED-ADDRESS (section 14.2).
fn map(from: SocketAddr, id: &[u8], out: &mut Vec<u8>) {
    let port = (from.port() ^ (COOKIE >> 16) as u16).to_be_bytes();
    let mut attribute = |family: u8, octets: &[u8]| {
        out.extend_from_slice(&MAPPED.to_be_bytes());
        out.extend_from_slice(&[0, 4 + octets.len() as u8, 0, family, port[0], port[1]]);
        out.extend(octets.iter().zip(id).map(|(octet, key)| octet ^ key));
    };
    match from.ip() {
        IpAddr::V4(ip) => attribute(1, &ip.octets()),
        IpAddr::V6(ip) => attribute(2, &ip.octets()),
    }
}

/// Ends the message that begins at `start` by its signature and its checksum, and says how long it is.
fn sign(pwd: &str, start: usize, out: &mut Vec<u8>) {
    let signature = signature(&out[start..], pwd).finalize().into_bytes();
    out.extend_from_slice(&INTEGRITY.to_be_bytes());
    out.extend_from_slice(&(INTEGRITY_LEN as u16).to_be_bytes());
    out.extend_from_slice(&signature);
    let len = (out.len() - start - HEADER + 8) as u16;
    out[start + 2..start + 4].copy_from_slice(&len.to_be_bytes());
    let checksum = checksum(&out[start..]);
    out.extend_from_slice(&CHECKSUM.to_be_bytes());
    out.extend_from_slice(&[0, 4]);
    out.extend_from_slice(&checksum.to_be_bytes());
}

/// Of what stands before MESSAGE-INTEGRITY, as if the message ended with that (section 14.5).
fn signature(before: &[u8], pwd: &str) -> Hmac<Sha1> {
    let mut hmac = Hmac::<Sha1>::new_from_slice(pwd.as_bytes()).expect("HMAC takes keys of any length");
    let len = (before.len() - HEADER + 4 + INTEGRITY_LEN) as u16;
    hmac.update(&before[..2]);
    hmac.update(&len.to_be_bytes());
    hmac.update(&before[4..]);
    hmac
}

/// CRC-32 of ITU-T V.42.
fn checksum(before: &[u8]) -> u32 {
    let crc = before.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    !crc ^ CHECKSUM_MASK
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|word| u16::from_be_bytes([word[0], word[1]]))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 5769 section 2.1, by `VOkJxbRl1RmTxUk/WvJxBt`.
    const VECTOR: [u8; 108] = [
        0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
        0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c,
        0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f,
        0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
        0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
        0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
    ];
    const PWD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

    fn ice(ufrag: &str, pwd: &str, theirs: &str) -> Ice {
        Ice { ufrag: ufrag.into(), pwd: pwd.into(), theirs: theirs.into() }
    }

    /// What a peer sends that tries out a way to us.
    pub(crate) fn request(ice: &Ice, nominates: bool) -> Vec<u8> {
        let name = format!("{}:{}", ice.ufrag, ice.theirs);
        let mut out = [&VECTOR[..HEADER], &USERNAME.to_be_bytes(), &(name.len() as u16).to_be_bytes()].concat();
        out.extend_from_slice(name.as_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
        if nominates {
            out.extend_from_slice(&[0, NOMINATES as u8, 0, 0]);
        }
        sign(&ice.pwd, 0, &mut out);
        out
    }

    /// Whether it is the answer to such a request, as the peer sees it that is there.
    pub(crate) fn is_answer(bytes: &[u8], ice: &Ice, there: SocketAddr) -> bool {
        let mut expected = Vec::new();
        Check { id: &VECTOR[4..HEADER], nominates: false }.answer(there, &ice.pwd, &mut expected);
        bytes == expected
    }

    #[test]
    fn rfc5769_section_2_1_the_sample_request_is_taken_and_no_changed_bit_of_it() {
        let ours = ice("evtj", PWD, "h6vY");
        assert_eq!(Check::read(&VECTOR, &ours), Some(Check { id: &VECTOR[4..20], nominates: false }));
        for other in [ice("evtj", "another", "h6vY"), ice("evt", PWD, "j:h6vY"), ice("evtj", PWD, "h6v")] {
            assert_eq!(Check::read(&VECTOR, &other), None, "{other:?}");
        }
        for bit in 0..VECTOR.len() * 8 {
            let mut changed = VECTOR;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Check::read(&changed, &ours), None, "bit {bit}");
        }
        assert!((0..VECTOR.len()).all(|len| Check::read(&VECTOR[..len], &ours).is_none()));
    }

    #[test]
    fn rfc5769_sections_2_2_and_2_3_answers_are_signed_as_in_the_vectors() {
        let id = &VECTOR[4..HEADER];
        let software = [&[0x80, 0x22, 0, 11][..], b"test vector "].concat();
        for (from, signed) in [
            ("192.0.2.1:32853", "2b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"),
            (
                "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
                "a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
            ),
        ] {
            let mut out = [&[1, 1, 0, 0][..], id, &software].concat();
            map(from.parse().unwrap(), id, &mut out);
            sign(PWD, 0, &mut out);
            let end: String = out[out.len() - 28..].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((end.as_str(), usize::from(out[3])), (signed, out.len() - HEADER), "{from}");
        }
    }

    #[test]
    fn a_chosen_way_is_told_and_nothing_may_follow_the_signature() {
        let ours = ice("abcd", PWD, "efgh");
        assert_eq!(Check::read(&request(&ours, true), &ours).map(|check| check.nominates), Some(true));
        let mut added = request(&ours, false);
        added.truncate(added.len() - 8);
        added.extend_from_slice(&[0, NOMINATES as u8, 0, 0]);
        added[3] = (added.len() - HEADER + 8) as u8;
        let end = checksum(&added);
        added.extend_from_slice(&[0x80, 0x28, 0, 4]);
        added.extend_from_slice(&end.to_be_bytes());
        assert_eq!(Check::read(&added, &ours), None);
    }
}
