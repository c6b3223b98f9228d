//! Messages and RTCP reports mirrored to a Homer collector as HEP3 (HEP3 Network Protocol Specification, revision 36), one datagram each,
//! or one after the other by TCP.

mod calls;
mod link;

use super::{Reported, Seen};
use busyhour_media::report;
use busyhour_model::{Name, Time};
use busyhour_sip::{Flow, Glance, Transport, Way};
use calls::Calls;
use link::Link;
use prometheus::IntCounter;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of one message; the rest of a longer one is left out, so that a datagram takes it.
const BYTES_MAX: usize = 65_000;
/// Bytes of a Call-ID as a correlation id.
const CALL_ID_MAX: usize = 128;
/// Protocol types: SIP, and RTCP as JSON.
const SIP: u8 = 1;
const RTCP: u8 = 5;

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
    /// It is reached by TCP instead of UDP.
    pub by_tcp: bool,
    /// Who we are to it.
    pub capture_id: u32,
    /// What it knows us by.
    pub key: Option<String>,
    /// People's numbers are shown.
    pub unmasked: bool,
    /// RTCP reports are mirrored, too.
    pub rtcp: bool,
}

/// What became of the mirrored messages.
#[derive(Clone)]
pub struct HepCounts {
    /// On their way; whether they came nobody tells.
    pub sent: IntCounter,
    /// The socket took them not, the collector's machine refuses them, or it is not there or too slow by TCP.
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
    link: Link,
    secrets: Secrets,
    calls: Calls,
    packet: Vec<u8>,
}

/// What a packet says of its payload.
struct Head<'a> {
    kind: u8,
    at: Time,
    from: SocketAddr,
    to: SocketAddr,
    transport: Transport,
    call_id: &'a str,
}

impl Hep {
    pub(super) fn open(setup: HepSetup, secrets: Secrets, counts: HepCounts) -> std::io::Result<Hep> {
        let link = Link::open(&setup, counts)?;
        Ok(Hep { setup, link, secrets, calls: Calls::default(), packet: Vec::new() })
    }

    /// Sends a message of SIP, or counts it as lost; never waits.
    pub(super) fn mirror(&mut self, seen: &Seen) {
        let Some(glance) = Glance::of(&seen.bytes) else { return };
        let Flow { transport, local, remote, .. } = seen.flow;
        let (from, to) = match seen.way {
            Way::In => (remote, local),
            Way::Out => (local, remote),
        };
        if self.setup.rtcp {
            self.calls.note(&glance, seen.way);
        }
        let head = Head { kind: SIP, at: seen.at, from, to, transport, call_id: glance.call_id };
        let payload = write(&mut self.packet, &self.setup, &head, &seen.bytes);
        {
            let secrets = self.secrets.0.lock().unwrap_or_else(PoisonError::into_inner);
            busyhour_sip::veil(&mut self.packet[payload..], !self.setup.unmasked, &secrets);
        }
        self.link.send(&self.packet);
    }

    /// Sends each report of an RTCP packet, or counts it as lost, as it is when nobody knows any more whose leg that is.
    pub(super) fn report(&mut self, reported: &Reported) {
        let Reported { at, leg, from, to, ref bytes } = *reported;
        let Some(call_id) = self.calls.of(leg) else { return self.link.lose() };
        let head = Head { kind: RTCP, at, from, to, transport: Transport::Udp, call_id };
        for report in report::reports(bytes) {
            let json = serde_json::to_vec(&report).unwrap_or_default();
            write(&mut self.packet, &self.setup, &head, &json);
            self.link.send(&self.packet);
        }
    }
}

/// One packet; gives where its payload begins.
fn write(packet: &mut Vec<u8>, setup: &HepSetup, head: &Head<'_>, payload: &[u8]) -> usize {
    packet.clear();
    packet.extend(b"HEP3\0\0");
    let Head { kind, at, from, to, transport, call_id } = *head;
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
    let protocol = if transport == Transport::Udp { libc::IPPROTO_UDP } else { libc::IPPROTO_TCP };
    let micros = at.as_micros();
    put(packet, chunk::FAMILY, &[family as u8]);
    put(packet, chunk::PROTOCOL, &[protocol as u8]);
    put(packet, chunk::FROM_PORT, &from.port().to_be_bytes());
    put(packet, chunk::TO_PORT, &to.port().to_be_bytes());
    put(packet, chunk::SECONDS, &((micros / 1_000_000) as u32).to_be_bytes());
    put(packet, chunk::MICROSECONDS, &((micros % 1_000_000) as u32).to_be_bytes());
    put(packet, chunk::TYPE, &[kind]);
    put(packet, chunk::CAPTURE_ID, &setup.capture_id.to_be_bytes());
    if let Some(key) = &setup.key {
        put(packet, chunk::KEY, key.as_bytes());
    }
    put(packet, chunk::CORRELATION_ID, &call_id.as_bytes()[..call_id.len().min(CALL_ID_MAX)]);
    let payload = &payload[..payload.len().min(BYTES_MAX)];
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
mod tests;
