//! A collector written by hand, by UDP and by TCP.

use super::*;
use busyhour_model::{LegId, Time};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
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

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

fn mirror(setup: HepSetup) -> (Hep, HepCounts) {
    let count = |name: &str| IntCounter::new(name, "x").unwrap();
    let (secrets, counts) = (Secrets::default(), HepCounts { sent: count("sent"), lost: count("lost") });
    secrets.hide(["X-Door".into()]);
    (Hep::open(setup, secrets, counts.clone()).unwrap(), counts)
}

fn bound() -> UdpSocket {
    let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
    collector.set_read_timeout(PATIENCE).unwrap();
    collector
}

fn setup(collector: SocketAddr) -> HepSetup {
    HepSetup { collector, by_tcp: false, capture_id: 2_001, key: Some("hotline".into()), unmasked: true, rtcp: true }
}

#[test]
fn a_collector_reads_who_sent_what_to_whom_and_when_and_no_secret() {
    let collector = bound();
    let (mut hep, counts) = mirror(setup(collector.local_addr().unwrap()));
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
    assert_eq!((counts.sent.get(), counts.lost.get()), (1, 0), "a keep-alive is no message");
}

#[test]
fn what_we_send_by_tls_and_ipv6_goes_the_other_way_and_numbers_are_starred_unless_wished() {
    let collector = bound();
    let setup = setup(collector.local_addr().unwrap());
    let (mut hep, _) = mirror(HepSetup { key: None, unmasked: false, ..setup });
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
    let collector = bound();
    let (mut hep, counts) = mirror(setup(collector.local_addr().unwrap()));
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
    assert_eq!(counts.lost.get(), 1);
}

/// The next packet of a connection.
fn next(stream: &mut TcpStream) -> Vec<u8> {
    let mut packet = vec![0; 6];
    stream.read_exact(&mut packet).unwrap();
    packet.resize(usize::from(u16::from_be_bytes([packet[4], packet[5]])), 0);
    stream.read_exact(&mut packet[6..]).unwrap();
    packet
}

fn accepted(collector: &TcpListener) -> TcpStream {
    let (stream, _) = collector.accept().unwrap();
    stream.set_read_timeout(PATIENCE).unwrap();
    stream
}

/// A collector that closes the connection is connected to again for the next message, and the last is written before the end.
#[test]
fn by_tcp_each_packet_follows_the_other_on_whatever_connection_there_is() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut hep, counts) = mirror(HepSetup { by_tcp: true, ..setup(collector.local_addr().unwrap()) });
    let message = |number: usize| REGISTER.replace("q@w", &format!("q{number}@w"));
    let mut say =
        |number| hep.mirror(&seen(Way::In, Transport::Udp, "10.0.0.1:5060", "10.0.0.2:5070", &message(number)));
    let call_id = |packet: Vec<u8>| String::from_utf8(decoded(&packet)[&17].clone()).unwrap();
    (1..=2).for_each(&mut say);
    let mut first = accepted(&collector);
    assert_eq!([1, 2].map(|_| call_id(next(&mut first))), ["q1@w", "q2@w"]);
    drop(first);
    (3..=4).for_each(&mut say);
    drop(hep);
    // All is written: who would have to come is there.
    collector.set_nonblocking(true).unwrap();
    let mut second = accepted(&collector);
    assert_eq!([3, 4].map(|_| call_id(next(&mut second))), ["q3@w", "q4@w"]);
    assert_eq!((second.read(&mut [0]).unwrap(), counts.sent.get(), counts.lost.get()), (0, 4, 0));
}

/// Nobody is there: all is counted, and nothing waits, not even the end.
#[test]
fn by_tcp_what_no_collector_takes_is_counted() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (mut hep, counts) = mirror(HepSetup { by_tcp: true, ..setup(nowhere) });
    for _ in 0..2_000 {
        hep.mirror(&seen(Way::In, Transport::Udp, "10.0.0.1:5060", "10.0.0.2:5070", REGISTER));
    }
    drop(hep);
    assert_eq!((counts.sent.get(), counts.lost.get()), (0, 2_000));
}

/// An answer of ours on leg 42.
const ANSWER: &str =
    "SIP/2.0 200 OK\r\nFrom: <sip:c@h>;tag=x\r\nTo: <sip:h@h>;tag=2a.00ff\r\nCall-ID: q@w\r\nCSeq: 1 INVITE\r\n\r\n";
/// A sender's report with one block and an SDES, then a receiver's without any, written by hand.
const REPORTS: &[u8] = &[
    0x81, 200, 0, 12, 0x11, 0x22, 0x33, 0x44, 0xE8, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, 250, 0, 0, 0x9C,
    0x40, 0x55, 0x66, 0x77, 0x88, 64, 0, 0, 3, 0, 1, 0, 10, 0, 0, 0, 80, 1, 2, 3, 4, 0, 1, 0, 0, //
    0x81, 202, 0, 2, 0x11, 0x22, 0x33, 0x44, 1, 1, b'x', 0, //
    0x80, 201, 0, 1, 0x11, 0x22, 0x33, 0x44,
];
const SENDER: &str = concat!(
    r#"{"sender_information":{"ntp_timestamp_sec":3892314113,"ntp_timestamp_usec":2147483648,"rtp_timestamp":160,"#,
    r#""packets":250,"octets":40000},"ssrc":287454020,"type":200,"report_count":1,"report_blocks":[{"source_ssrc":1432778632,"#,
    r#""fraction_lost":64,"packets_lost":3,"highest_seq_no":65546,"ia_jitter":80,"lsr":16909060,"dlsr":65536}]}"#
);
const RECEIVER: &str = r#"{"ssrc":287454020,"type":201,"report_count":0,"report_blocks":[]}"#;

#[test]
fn a_report_is_told_as_json_under_the_call_id_of_its_leg() {
    let collector = bound();
    let (mut hep, counts) = mirror(setup(collector.local_addr().unwrap()));
    let (from, to) = ("10.0.0.2:4001".parse().unwrap(), "10.0.0.1:20001".parse().unwrap());
    let at = Time::from_micros(1_790_000_000_000_123);
    let reported = Reported { at, leg: LegId(0x2a), from, to, bytes: Bytes::from_static(REPORTS) };
    hep.report(&reported);
    assert_eq!((counts.sent.get(), counts.lost.get()), (0, 1), "whose leg that is nobody knows");
    hep.mirror(&seen(Way::Out, Transport::Udp, "10.0.0.1:5060", "10.0.0.2:5070", ANSWER));
    hep.report(&reported);
    let mut buffer = [0; 65_535];
    let mut next = || {
        let length = collector.recv(&mut buffer).unwrap();
        decoded(&buffer[..length])
    };
    assert_eq!(next()[&11], [1]);
    let wanted: [(u16, &[u8]); 13] = [
        (1, &[2]),
        (2, &[17]),
        (3, &[10, 0, 0, 2]),
        (4, &[10, 0, 0, 1]),
        (7, &4001_u16.to_be_bytes()),
        (8, &20_001_u16.to_be_bytes()),
        (9, &1_790_000_000_u32.to_be_bytes()),
        (10, &123_u32.to_be_bytes()),
        (11, &[5]),
        (12, &2_001_u32.to_be_bytes()),
        (14, b"hotline"),
        (15, SENDER.as_bytes()),
        (17, b"q@w"),
    ];
    assert_eq!(next(), wanted.map(|(kind, value)| (kind, value.to_vec())).into());
    assert_eq!(String::from_utf8_lossy(&next()[&15]), RECEIVER);
    assert_eq!((counts.sent.get(), counts.lost.get()), (3, 1));
}
