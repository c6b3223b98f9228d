//! What a phone behind a NAT is told of its own address: Binding requests on the SIP port (RFC 5626 section 8, RFC 5389).

use std::net::{IpAddr, SocketAddr};

/// The second word of each message, and what addresses are hidden by (section 6).
const COOKIE: u32 = 0x2112_a442;
const BINDING: u16 = 0x0001;
const HEADER: usize = 20;
/// Attributes of RFC 5389 a request may carry; none changes the answer.
const KNOWN: [u16; 7] = [0x0001, 0x0006, 0x0008, 0x0009, 0x000a, 0x0014, 0x0015];
/// Of the unknown ones, so many are named.
const UNKNOWN_MAX: usize = 8;

/// The answer to a Binding request; `None`: it is none. No SIP message begins with a byte this small.
pub(crate) fn answer(bytes: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (kind, len) = (word(0)?, usize::from(word(2)?));
    if kind != BINDING || bytes.get(4..8)? != COOKIE.to_be_bytes() || len % 4 != 0 || bytes.len() != HEADER + len {
        return None;
    }
    let mut unknown = Vec::new();
    let mut at = HEADER;
    while at < bytes.len() {
        let (attribute, size) = (word(at)?, usize::from(word(at + 2)?));
        // Those from 0x8000 on may be passed over (section 15).
        if attribute < 0x8000 && !KNOWN.contains(&attribute) && unknown.len() < UNKNOWN_MAX {
            unknown.push(attribute);
        }
        at += 4 + size.next_multiple_of(4);
    }
    let id = &bytes[4..HEADER];
    Some(if at > bytes.len() {
        message(0x0111, id, &[error(400)])
    } else if unknown.is_empty() {
        message(0x0101, id, &[attribute(0x0020, &hidden(from, id))])
    } else {
        let named: Vec<u8> = unknown.iter().flat_map(|attribute| attribute.to_be_bytes()).collect();
        message(0x0111, id, &[error(420), attribute(0x000a, &named)])
    })
}

/// `id`: the cookie and the transaction.
fn message(kind: u16, id: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let attributes = attributes.concat();
    [&kind.to_be_bytes()[..], &(attributes.len() as u16).to_be_bytes(), id, &attributes].concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// ERROR-CODE without a phrase (section 15.6).
fn error(code: u16) -> Vec<u8> {
    attribute(0x0009, &[0, 0, (code / 100) as u8, (code % 100) as u8])
}

/// XOR-MAPPED-ADDRESS (section 15.2).
fn hidden(from: SocketAddr, id: &[u8]) -> Vec<u8> {
    let port = from.port() ^ (COOKIE >> 16) as u16;
    let (family, octets) = match from.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let octets: Vec<u8> = octets.iter().zip(id).map(|(octet, key)| octet ^ key).collect();
    [&[0, family][..], &port.to_be_bytes(), &octets].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// RFC 5769 section 2: the transaction of its samples.
    const ID: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn request(attributes: &[u8]) -> Vec<u8> {
        message(BINDING, &[&COOKIE.to_be_bytes()[..], &ID].concat(), &[attributes.to_vec()])
    }

    /// RFC 5769 sections 2.2 and 2.3: the addresses as its vectors have them.
    #[test]
    fn rfc_5769_sections_2_2_and_2_3_addresses_are_hidden_as_in_the_vectors() {
        let v4 = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        let v6 = [
            0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
            0xbe, 0xd2, 0xb9, 0xd9,
        ];
        let table: [(&str, &[u8]); 2] =
            [("192.0.2.1:32853", &v4), ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", &v6)];
        for (from, attribute) in table {
            let reply = answer(&request(&[]), from.parse().unwrap()).unwrap();
            assert_eq!((&reply[..2], &reply[4..8], &reply[8..20]), (&[1, 1][..], &COOKIE.to_be_bytes()[..], &ID[..]));
            assert_eq!((usize::from(reply[3]), &reply[20..]), (attribute.len(), attribute), "{from}");
        }
    }

    #[test]
    fn what_is_no_binding_request_is_not_answered_and_what_is_not_understood_is_refused() {
        let from = "192.0.2.1:32853".parse().unwrap();
        let good = request(&[0x80, 0x22, 0, 1, b'x', 0, 0, 0]);
        assert_eq!(answer(&good, from).unwrap()[..2], [1, 1], "its name may be passed over");
        for (at, byte) in [(0, 1), (1, 2), (3, 4), (4, 0)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(answer(&bad, from), None, "byte {at}");
        }
        assert_eq!(answer(b"OPTIONS sip:a SIP/2.0\r\n\r\n", from), None);
        let refused = answer(&request(&[0, 3, 0, 4, 0, 0, 0, 6]), from).unwrap();
        assert_eq!(refused[..2], [1, 0x11]);
        assert_eq!(refused[20..], [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 2, 0, 3, 0, 0], "CHANGE-REQUEST of RFC 3489");
        let torn = answer(&request(&[0x80, 0x22, 0, 9, b'x', 0, 0, 0]), from).unwrap();
        assert_eq!(torn[20..], [0, 9, 0, 4, 0, 0, 4, 0]);
    }
}
