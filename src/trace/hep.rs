//! Messages mirrored to a Homer collector as HEP3 (HEP3 Network Protocol Specification, revision 36), one datagram each.

use super::Seen;
use busyhour_model::Name;
use busyhour_sip::{Glance, Transport, Way};
use prometheus::IntCounter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of one message; the rest of a longer one is left out, so that a datagram takes it.
const BYTES_MAX: usize = 65_000;
/// Bytes of a Call-ID as a correlation id.
const CALL_ID_MAX: usize = 128;
/// Protocol type of SIP.
const SIP: u8 = 1;

/// Chunk types of the generic vendor, in the specification's words.
mod chunk {
    pub(super) const FAMILY: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const FROM_V4: u16 = 3;
    pub(super) const TO_V4: u16 = 4;
    pub(super) const FROM_V6: u16 = 5;
    pub(super) const TO_V6: u16 = 6;
    pub(super) const FROM_PORT: u16 = 7;
    pub(super) const TO_PORT: u16 = 8;
    pub(super) const SECONDS: u16 = 9;
    pub(super) const MICROSECONDS: u16 = 10;
    pub(super) const TYPE: u16 = 11;
    pub(super) const CAPTURE_ID: u16 = 12;
    pub(super) const KEY: u16 = 14;
    pub(super) const PAYLOAD: u16 = 15;
    pub(super) const CORRELATION_ID: u16 = 17;
}

/// Where messages are mirrored to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HepSetup {
    /// The collector.
    pub collector: SocketAddr,
    /// Who we are to it.
    pub capture_id: u32,
    /// What it knows us by.
    pub key: Option<String>,
    /// People's numbers are shown.
    pub unmasked: bool,
}

/// What became of the mirrored messages.
#[derive(Clone)]
pub struct HepCounts {
    /// On their way; whether they came nobody tells.
    pub sent: IntCounter,
    /// The socket took them not, or the collector's machine refuses them.
    pub lost: IntCounter,
}

/// Headers whose values nobody is to see; they only become more.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<Mutex<Vec<Name>>>);

impl Secrets {
    pub(super) fn hide(&self, headers: impl IntoIterator<Item = Name>) {
        let mut hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.extend(headers);
        hidden.sort_unstable();
        hidden.dedup();
    }
}

/// The way to the collector.
pub(super) struct Hep {
    setup: HepSetup,
    socket: UdpSocket,
    secrets: Secrets,
    counts: HepCounts,
    packet: Vec<u8>,
}

impl Hep {
    pub(super) fn open(setup: HepSetup, secrets: Secrets, counts: HepCounts) -> std::io::Result<Hep> {
        let any: IpAddr =
            if setup.collector.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(setup.collector)?;
        socket.set_nonblocking(true)?;
        Ok(Hep { setup, socket, secrets, counts, packet: Vec::new() })
    }

    /// Sends a message of SIP, or counts it as lost; never waits.
    pub(super) fn mirror(&mut self, seen: &Seen) {
        let Some(glance) = Glance::of(&seen.bytes) else { return };
        let payload = write(&mut self.packet, &self.setup, seen, glance.call_id);
        {
            let secrets = self.secrets.0.lock().unwrap_or_else(PoisonError::into_inner);
            busyhour_sip::veil(&mut self.packet[payload..], !self.setup.unmasked, &secrets);
        }
        match self.socket.send(&self.packet) {
            Ok(_) => self.counts.sent.inc(),
            Err(_) => self.counts.lost.inc(),
        }
    }
}

/// The packet of one message; gives where its payload begins.
fn write(packet: &mut Vec<u8>, setup: &HepSetup, seen: &Seen, call_id: &str) -> usize {
    packet.clear();
    packet.extend(b"HEP3\0\0");
    let (from, to) = match seen.way {
        Way::In => (seen.flow.remote, seen.flow.local),
        Way::Out => (seen.flow.local, seen.flow.remote),
    };
    let family = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            put(packet, chunk::FROM_V4, &from.octets());
            put(packet, chunk::TO_V4, &to.octets());
            libc::AF_INET
        }
        (from, to) => {
            put(packet, chunk::FROM_V6, &wide(from).octets());
            put(packet, chunk::TO_V6, &wide(to).octets());
            libc::AF_INET6
        }
    };
    let protocol = if seen.flow.transport == Transport::Udp { libc::IPPROTO_UDP } else { libc::IPPROTO_TCP };
    let micros = seen.at.as_micros();
    put(packet, chunk::FAMILY, &[family as u8]);
    put(packet, chunk::PROTOCOL, &[protocol as u8]);
    put(packet, chunk::FROM_PORT, &from.port().to_be_bytes());
    put(packet, chunk::TO_PORT, &to.port().to_be_bytes());
    put(packet, chunk::SECONDS, &((micros / 1_000_000) as u32).to_be_bytes());
    put(packet, chunk::MICROSECONDS, &((micros % 1_000_000) as u32).to_be_bytes());
    put(packet, chunk::TYPE, &[SIP]);
    put(packet, chunk::CAPTURE_ID, &setup.capture_id.to_be_bytes());
    if let Some(key) = &setup.key {
        put(packet, chunk::KEY, key.as_bytes());
    }
    put(packet, chunk::CORRELATION_ID, &call_id.as_bytes()[..call_id.len().min(CALL_ID_MAX)]);
    let payload = &seen.bytes[..seen.bytes.len().min(BYTES_MAX)];
    put(packet, chunk::PAYLOAD, payload);
    let length = packet.len() as u16;
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    packet.len() - payload.len()
}

/// Vendor 0, type, length with these six bytes, value.
fn put(packet: &mut Vec<u8>, kind: u16, value: &[u8]) {
    for field in [0, kind, value.len() as u16 + 6] {
        packet.extend(field.to_be_bytes());
    }
    packet.extend(value);
}

fn wide(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_model::Time;
    use busyhour_sip::Flow;
    use std::collections::BTreeMap;
    use std::time::Duration;

    const REGISTER: &str = "REGISTER sip:h SIP/2.0\r\nCall-ID: q@w\r\nCSeq: 2 REGISTER\r\nX-Door: open sesame\r\n\
        From: <sip:13800138000@h>\r\nAuthorization: Digest username=\"1001\", response=\"0123456789abcdef\"\r\n\r\n";

    /// Value by chunk type: a reading of the specification that shares nothing with the writer.
    fn decoded(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        assert_eq!((&packet[..4], usize::from(word(4))), (&b"HEP3"[..], packet.len()));
        let (mut chunks, mut at) = (BTreeMap::new(), 6);
        while at < packet.len() {
            let length = usize::from(word(at + 4));
            assert_eq!(word(at), 0, "the generic vendor");
            assert!(chunks.insert(word(at + 2), packet[at + 6..at + length].to_vec()).is_none(), "each chunk once");
            at += length;
        }
        assert_eq!(at, packet.len());
        chunks
    }

    fn seen(way: Way, transport: Transport, local: &str, remote: &str, text: &str) -> Seen {
        let flow = Flow { transport, local: local.parse().unwrap(), remote: remote.parse().unwrap(), connection: 0 };
        Seen { at: Time::from_micros(1_790_000_000_000_123), way, flow, bytes: text.to_owned().into() }
    }

    fn mirror(collector: &UdpSocket, setup: HepSetup) -> Hep {
        collector.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let count = |name: &str| IntCounter::new(name, "x").unwrap();
        let (secrets, counts) = (Secrets::default(), HepCounts { sent: count("sent"), lost: count("lost") });
        secrets.hide(["X-Door".into()]);
        Hep::open(setup, secrets, counts).unwrap()
    }

    fn setup(collector: &UdpSocket) -> HepSetup {
        let collector = collector.local_addr().unwrap();
        HepSetup { collector, capture_id: 2_001, key: Some("hotline".into()), unmasked: true }
    }

    #[test]
    fn a_collector_reads_who_sent_what_to_whom_and_when_and_no_secret() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut hep = mirror(&collector, setup(&collector));
        hep.mirror(&seen(Way::In, Transport::Udp, "10.0.0.1:5060", "10.0.0.2:5070", "\r\n\r\n"));
        hep.mirror(&seen(Way::In, Transport::Udp, "10.0.0.1:5060", "10.0.0.2:5070", REGISTER));
        let mut buffer = [0; 65_535];
        let length = collector.recv(&mut buffer).unwrap();
        let payload = REGISTER.replace("open sesame", "**** ******").replace("0123456789abcdef", "****************");
        let wanted: [(u16, &[u8]); 13] = [
            (1, &[2]),
            (2, &[17]),
            (3, &[10, 0, 0, 2]),
            (4, &[10, 0, 0, 1]),
            (7, &5070_u16.to_be_bytes()),
            (8, &5060_u16.to_be_bytes()),
            (9, &1_790_000_000_u32.to_be_bytes()),
            (10, &123_u32.to_be_bytes()),
            (11, &[1]),
            (12, &2_001_u32.to_be_bytes()),
            (14, b"hotline"),
            (15, payload.as_bytes()),
            (17, b"q@w"),
        ];
        assert_eq!(decoded(&buffer[..length]), wanted.map(|(kind, value)| (kind, value.to_vec())).into());
        assert_eq!((hep.counts.sent.get(), hep.counts.lost.get()), (1, 0), "a keep-alive is no message");
    }

    #[test]
    fn what_we_send_by_tls_and_ipv6_goes_the_other_way_and_numbers_are_starred_unless_wished() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut hep = mirror(&collector, HepSetup { key: None, unmasked: false, ..setup(&collector) });
        hep.mirror(&seen(Way::Out, Transport::Tls, "[2001:db8::1]:5061", "[2001:db8::2]:40000", REGISTER));
        let mut buffer = [0; 65_535];
        let length = collector.recv(&mut buffer).unwrap();
        let chunks = decoded(&buffer[..length]);
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets().to_vec();
        assert_eq!((&chunks[&1], &chunks[&2]), (&vec![10], &vec![6]));
        assert_eq!((&chunks[&5], &chunks[&6]), (&address("2001:db8::1"), &address("2001:db8::2")));
        assert!(!chunks.contains_key(&14) && !chunks.contains_key(&3), "neither key nor IPv4");
        assert!(String::from_utf8_lossy(&chunks[&15]).contains("sip:138****8000@h"));
    }

    #[test]
    fn a_message_as_long_as_ours_may_be_fits_and_a_dead_collector_is_counted() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut hep = mirror(&collector, setup(&collector));
        let long = format!("{REGISTER}{}", "x".repeat(200_000)).replace("q@w", &"q".repeat(500));
        let long = seen(Way::In, Transport::Tcp, "10.0.0.1:5060", "10.0.0.2:5070", &long);
        hep.mirror(&long);
        let mut buffer = vec![0; 65_535];
        let length = collector.recv(&mut buffer).unwrap();
        let chunks = decoded(&buffer[..length]);
        assert_eq!((chunks[&15].len(), chunks[&17].len()), (BYTES_MAX, CALL_ID_MAX));
        drop(collector);
        // Who is not there says so with the next one.
        hep.mirror(&long);
        hep.mirror(&long);
        assert_eq!(hep.counts.lost.get(), 1);
    }
}
