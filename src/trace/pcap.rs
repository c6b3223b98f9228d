//! A capture file of one call for Wireshark: each message as one UDP datagram, whatever carried it.

use super::Seen;
use busyhour_sip::Way;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Packets begin with their IP header (LINKTYPE_RAW).
const RAW_IP: u32 = 101;
/// Bytes of one message; the rest of a longer one is left out and its packet says so.
const BYTES_MAX: usize = 65_000;
const UDP: u8 = 17;

/// A file in the classic format with microseconds, in the order of `messages`.
pub fn pcap<'m>(messages: impl IntoIterator<Item = &'m Seen>) -> Vec<u8> {
    let mut file = Vec::new();
    for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, RAW_IP] {
        file.extend(field.to_le_bytes());
    }
    for seen in messages {
        let (from, to) = match seen.way {
            Way::In => (seen.flow.remote, seen.flow.local),
            Way::Out => (seen.flow.local, seen.flow.remote),
        };
        let payload = &seen.bytes[..seen.bytes.len().min(BYTES_MAX)];
        let packet = datagram(from, to, payload);
        let left_out = seen.bytes.len() - payload.len();
        let micros = seen.at.as_micros();
        let secs = (micros / 1_000_000) as u32;
        for field in [secs, (micros % 1_000_000) as u32, packet.len() as u32, (packet.len() + left_out) as u32] {
            file.extend(field.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// IP (RFC 791, RFC 8200) and UDP (RFC 768) around `payload`.
fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 8) as u16;
    let mut udp = Vec::with_capacity(payload.len() + 8);
    for field in [from.port(), to.port(), length, 0] {
        udp.extend(field.to_be_bytes());
    }
    udp.extend(payload);
    let (mut ip, addresses) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut ip = vec![0x45, 0];
            ip.extend((length + 20).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
            let addresses = [from.octets(), to.octets()].concat();
            ip.extend(&addresses);
            let sum = checksum([&ip[..]]);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            (ip, addresses)
        }
        (from, to) => {
            let mut ip = vec![0x60, 0, 0, 0];
            ip.extend(length.to_be_bytes());
            ip.extend([UDP, 64]);
            let addresses = [mapped(from).octets(), mapped(to).octets()].concat();
            ip.extend(&addresses);
            (ip, addresses)
        }
    };
    let pseudo = [&[0, UDP][..], &length.to_be_bytes()].concat();
    let sum = checksum([&addresses[..], &pseudo, &udp]);
    udp[6..8].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    ip.extend(udp);
    ip
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// The Internet checksum (RFC 1071); only the last part may be odd.
fn checksum<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> u16 {
    let words = parts.into_iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn checksums_come_out_right_for_both_families() {
        for (from, to) in [("10.0.0.1:5060", "10.0.0.2:5070"), ("[2001:db8::1]:5060", "[2001:db8::2]:5070")] {
            let packet = datagram(from.parse().unwrap(), to.parse().unwrap(), b"odd");
            let header = if from.starts_with('[') { 40 } else { 20 };
            let addresses = if header == 40 { &packet[8..40] } else { &packet[12..20] };
            assert_eq!(checksum([addresses, &[0, UDP, 0, 11], &packet[header..]]), 0, "of UDP");
            if header == 20 {
                assert_eq!(checksum([&packet[..20]]), 0, "of IP");
            }
            assert_eq!(packet.len(), header + 8 + 3);
        }
    }
}
