//! Slow peers and limits, at sockets of their own.

use super::crowds::HANDSHAKES_PER_PEER_MAX;
use super::*;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_millis(50);

/// A TCP and a TLS socket, the latter without certificate, served with little patience.
fn net(streams: &[Transport]) -> (Net, Receiver<StreamEvent>, Vec<SocketAddr>) {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let addresses: Vec<_> = streams.iter().map(|transport| (*transport, at)).collect();
    let bound = Bound::new(&addresses, None).unwrap();
    let told = bound.locals().into_iter().map(|(_, address)| address).collect();
    let certificates = Certificates::new(&TlsSetup::default()).unwrap();
    let (net, events) =
        bound.serve(Manners { patience: PATIENCE, ..Manners::new(certificates, &[], Networks::default()) }).unwrap();
    (net, events, told)
}

/// The next event, connections accepted on the way.
async fn next(net: &mut Net, events: &mut Receiver<StreamEvent>) -> StreamEvent {
    loop {
        match events.recv().await.unwrap() {
            StreamEvent::Accepted(transport, local, stream, remote) => {
                if let Err(refusal) = net.accept(transport, local, stream, remote) {
                    return StreamEvent::Refused(Flow { transport, local, remote, connection: 0 }, refusal);
                }
            }
            event => return event,
        }
    }
}

#[tokio::test]
async fn a_peer_that_never_finishes_its_handshake_is_let_go() {
    let (mut net, mut events, at) = net(&[Transport::Ws]);
    let mut peer = TcpStream::connect(at[0]).await.unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert!(matches!(next(&mut net, &mut events).await, StreamEvent::Refused(_, Refusal::Slow)));
    let StreamEvent::Closed(flow) = next(&mut net, &mut events).await else { panic!("it is still there") };
    assert!(net.close(flow) && !net.knows(flow));
    assert_eq!(peer.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn without_a_certificate_nobody_is_served_by_tls() {
    let (mut net, mut events, at) = net(&[Transport::Tls]);
    let _peer = TcpStream::connect(at[0]).await.unwrap();
    assert!(matches!(next(&mut net, &mut events).await, StreamEvent::Refused(_, Refusal::NoCertificate)));
}

#[tokio::test]
async fn one_address_has_few_handshakes_at_once_and_others_still_come_in() {
    let (mut net, mut events, at) = net(&[Transport::Ws, Transport::Tcp]);
    let mut peers = Vec::new();
    for _ in 0..=HANDSHAKES_PER_PEER_MAX {
        peers.push(TcpStream::connect(at[0]).await.unwrap());
    }
    assert!(matches!(next(&mut net, &mut events).await, StreamEvent::Refused(_, Refusal::Full | Refusal::Slow)));
    assert!(net.connections().get(&Transport::Ws).is_some_and(|open| *open <= HANDSHAKES_PER_PEER_MAX));
}

#[tokio::test]
async fn a_connection_is_used_again_until_it_is_closed() {
    let (mut net, mut events, at) = net(&[Transport::Tcp]);
    let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let flow = Flow { transport: Transport::Tcp, local: at[0], remote: far.local_addr().unwrap(), connection: 0 };
    let transmit = |text: &'static str| Transmit { flow, trunk: None, bytes: Bytes::from_static(text.as_bytes()) };
    net.send(transmit("one"), None).unwrap();
    net.send(transmit("two"), None).unwrap();
    assert_eq!(net.connections(), BTreeMap::from([(Transport::Tcp, 1)]));
    let (mut stream, _) = far.accept().await.unwrap();
    let mut read = [0; 6];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"onetwo");
    drop(stream);
    let StreamEvent::Closed(gone) = next(&mut net, &mut events).await else { panic!("it is still there") };
    assert!(net.close(gone));
    net.send(transmit("six"), None).unwrap();
    far.accept().await.unwrap().0.read_exact(&mut read[..3]).await.unwrap();
    assert_eq!(&read[..3], b"six");
}

#[tokio::test]
async fn a_websocket_is_never_opened_by_us() {
    let (mut net, _events, at) = net(&[Transport::Ws]);
    let flow = Flow { transport: Transport::Ws, local: at[0], remote: at[0], connection: 0 };
    let sent = net.send(Transmit { flow, trunk: None, bytes: Bytes::from_static(b"x") }, None);
    assert_eq!(sent, Err(Unsent::Unreachable(flow)));
}

/// RFC 3261 section 18.4, by the system's own ICMP.
#[tokio::test]
async fn a_datagram_to_a_closed_port_comes_back_and_the_next_goes_out() {
    for ours in ["127.0.0.1:0", "[::1]:0"] {
        let ours: SocketAddr = ours.parse().unwrap();
        let bound = Bound::new(&[(Transport::Udp, ours)], None).unwrap();
        let local = bound.locals()[0].1;
        let certificates = Certificates::new(&TlsSetup::default()).unwrap();
        let (mut net, mut events) = bound.serve(Manners::new(certificates, &[], Networks::default())).unwrap();
        let peer = UdpSocket::bind(ours).await.unwrap();
        let closed = std::net::UdpSocket::bind(ours).unwrap().local_addr().unwrap();
        net.writable().await;
        let mut send = |remote, bytes: &'static [u8]| {
            let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
            net.send(Transmit { flow, bytes: bytes.into(), trunk: None }, None)
        };
        for _ in 0..3 {
            send(closed, b"to nobody").unwrap();
            // What the one before left behind in the socket is not about this.
            send(peer.local_addr().unwrap(), b"to the peer").unwrap();
            let mut buffer = [0; 64];
            assert_eq!(peer.recv(&mut buffer).await.unwrap(), 11);
            let Some(StreamEvent::Undelivered(quoted)) = events.recv().await else { panic!("nothing came back") };
            assert_eq!(quoted, "to nobody");
        }
    }
}

#[tokio::test]
async fn a_datagram_tells_who_sent_it_and_how_long_it_has_waited() {
    for ours in ["127.0.0.1:0", "[::1]:0"] {
        let ours: SocketAddr = ours.parse().unwrap();
        let bound = Bound::new(&[(Transport::Udp, ours)], None).unwrap();
        let local = bound.locals()[0].1;
        let certificates = Certificates::new(&TlsSetup::default()).unwrap();
        let (net, _events) = bound.serve(Manners::new(certificates, &[], Networks::default())).unwrap();
        let peer = UdpSocket::bind(ours).await.unwrap();
        peer.send_to(b"OPTIONS", local).await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        net.readable().await;
        let mut inbox = Inbox::default();
        let (flow, waited, bytes) = net.datagram(0, &mut inbox).unwrap();
        assert_eq!((flow.local, flow.remote, bytes), (local, peer.local_addr().unwrap(), &b"OPTIONS"[..]));
        assert!(waited >= Duration::from_millis(25), "{waited:?}");
        assert!(net.datagram(0, &mut inbox).is_none());
    }
}
