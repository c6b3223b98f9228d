//! WebSockets (RFC 7118): the handshake, messages both ways, the end.

use super::authority::Authority;
use super::peer::{Peer, tcp, tls};
use super::web::{Web, connect};
use super::{OFFER, Server};
use busyhour_sip::{HeaderName, Transport};
use std::io::{Read, Write};
use tokio_tungstenite::tungstenite;

#[test]
fn a_browser_registers_and_talks_over_both_kinds_of_websocket() {
    let authority = Authority::new();
    let trunk = "[[trunk]]\nname = \"local\"\nsources = [\"127.0.0.1\"]\n";
    let server = Server::start("websocket", &authority, trunk);
    let (plain, agreed) = connect(tcp(server.at(Transport::Ws)), "chat, sip", None).unwrap();
    assert_eq!(agreed, "sip");
    talk(Peer::new(plain, "WS", "1001"));
    let secure = tls(server.at(Transport::Wss), "one.example", &authority.client(None)).unwrap().stream;
    talk(Peer::new(connect(secure, "sip", None).unwrap().0, "WSS", "1002"));
}

fn talk<S: Read + Write>(mut browser: Peer<Web<S>>) {
    assert_eq!(browser.register().status, 200);
    assert!(browser.is_served());
    let answer = browser.ask("INVITE", "sip:*71@busyhour.local", OFFER);
    assert!(answer.headers.text(HeaderName::Via).unwrap().contains("peer.invalid"), "{}", answer.status);
    browser.wire.0.send(tungstenite::Message::Ping(tungstenite::Bytes::from_static(b"there?"))).unwrap();
    loop {
        match browser.wire.0.read().unwrap() {
            tungstenite::Message::Pong(said) => break assert_eq!(&said[..], b"there?"),
            _ => continue,
        }
    }
}

#[test]
fn rfc_7118_4_whoever_does_not_ask_for_sip_is_refused() {
    let server = Server::start("subprotocol", &Authority::new(), "");
    assert_eq!(connect(tcp(server.at(Transport::Ws)), "chat", None).err(), Some(400));
}

#[test]
fn pages_of_others_may_not_connect() {
    let server = Server::start("origins", &Authority::new(), "");
    let config = std::fs::read_to_string(server.folder.join("centre.toml")).unwrap();
    drop(server);
    let config = config.replace("[sip]\n", "[sip]\norigins = [\"https://desk.example\"]\n");
    let mut site = busyhour::config::read(
        "centre.toml",
        &config,
        &super::Path::new(env!("CARGO_TARGET_TMPDIR")).join("transports/origins"),
    )
    .site
    .unwrap();
    site.setup.media_ports = (39_000, 39_098);
    let running = busyhour::serve::start(site, busyhour::serve::Options::default()).unwrap();
    let at = running.sip().iter().find(|(transport, _)| *transport == Transport::Ws).unwrap().1;
    assert!(connect(tcp(at), "sip", Some("https://desk.example")).is_ok());
    assert_eq!(connect(tcp(at), "sip", Some("https://thief.example")).err(), Some(403));
    assert_eq!(connect(tcp(at), "sip", None).err(), Some(403));
}

#[test]
fn a_browser_that_leaves_is_registered_no_longer() {
    let server = Server::start("leaves", &Authority::new(), "");
    let facts = server.running.listen();
    let mut browser = Peer::new(connect(tcp(server.at(Transport::Ws)), "sip", None).unwrap().0, "WS", "1001");
    assert_eq!(browser.register().status, 200);
    drop(browser);
    let unregistered = std::iter::from_fn(|| facts.recv_timeout(super::peer::PATIENCE).ok())
        .any(|told| format!("{told:?}").contains("contacts: 0"));
    assert!(unregistered);
}
