//! Name servers of the tests' own: quick, silent, forging, with answers too long for a datagram.

use super::*;
use busyhour_model::TrunkId;
use busyhour_sip::dns::Kind;
use busyhour_sip::{NamedPeer, Transport};

/// A reply to one question: its flags, and one A record of an hour.
fn reply(question: &[u8], flags: u8, ip: [u8; 4]) -> Vec<u8> {
    let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4][..], &ip].concat();
    let mut bytes = [question, &record].concat();
    (bytes[2], bytes[3], bytes[7]) = (0x81 | flags, 0x80, 1);
    bytes
}

async fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

fn question() -> Question {
    Question { kind: Kind::A, name: "sbc.example".into() }
}

fn patience() -> Duration {
    Duration::from_millis(300)
}

async fn asked(servers: &[SocketAddr]) -> Result<Answer, Fault> {
    ask(servers, patience(), &question()).await
}

#[tokio::test]
async fn a_silent_server_is_passed_over_and_a_forged_answer_ignored() {
    let (_silent, first) = socket().await;
    let (server, second) = socket().await;
    let serving = tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (size, from) = server.recv_from(&mut buffer).await.unwrap();
        let good = reply(&buffer[..size], 0, [192, 0, 2, 1]);
        let mut forged = reply(&buffer[..size], 0, [192, 0, 2, 66]);
        forged[0] ^= 1;
        server.send_to(&forged, from).await.unwrap();
        server.send_to(&good, from).await.unwrap();
    });
    let answer = asked(&[first, second]).await.unwrap();
    assert_eq!(answer.ttl, 3600);
    assert_eq!(answer.records, [busyhour_sip::dns::Record::Address([192, 0, 2, 1].into())]);
    serving.await.unwrap();
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_comes_by_tcp() {
    let (server, at) = socket().await;
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (size, from) = server.recv_from(&mut buffer).await.unwrap();
        server.send_to(&reply(&buffer[..size], 2, [192, 0, 2, 66]), from).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut question).await.unwrap();
        let whole = reply(&question, 0, [192, 0, 2, 1]);
        stream.write_u16(whole.len() as u16).await.unwrap();
        stream.write_all(&whole).await.unwrap();
    });
    let answer = asked(&[at]).await.unwrap();
    assert_eq!(answer.records, [busyhour_sip::dns::Record::Address([192, 0, 2, 1].into())]);
}

#[tokio::test]
async fn whatever_servers_do_there_is_an_outcome() {
    let (_silent, at) = socket().await;
    let setup = DnsSetup { servers: vec![at], timeout: patience() };
    let metrics = Arc::new(Metrics::new());
    let mut resolver = Resolver::start(setup, Arc::clone(&metrics)).unwrap();
    let peer = NamedPeer { host: "carrier.example".into(), transport: None, port: None, priority: 0, weight: 1 };
    let sockets = vec![(Transport::Udp, "127.0.0.1:5060".parse().unwrap())];
    let wanted = Wanted { trunk: TrunkId(1), peer, sockets };
    resolver.ask(wanted.clone());
    assert_eq!(resolver.answer().await, (wanted, Err(Unfound::Silent)));
    assert_eq!(metrics.resolved.with_label_values(&["silent"]).get(), 1);
    assert_eq!(asked(&[]).await, Err(Fault::Malformed), "nobody to ask");
}

#[test]
fn name_servers_are_read_as_the_system_does() {
    let file = "# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.53\nnameserver\nnameserver fe80::1%eth0\n\
        nameserver 2001:db8::53 # second\n";
    let read: Vec<String> = name_servers(file).map(|server| server.to_string()).collect();
    assert_eq!(read, ["192.0.2.53:53", "[2001:db8::53]:53"]);
}
