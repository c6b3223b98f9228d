//! A running server over every kind of connection: TLS with names, trunks and reloads, WebSockets, slow and hostile peers.
#![allow(clippy::unwrap_used)]

mod authority;
mod peer;
mod web;
mod websocket;

use authority::{Authority, Issued};
use busyhour::{config, serve};
use busyhour_sip::{HeaderName, Transport};
use peer::{OFFER, Peer, Stream, tcp, tls};
use rustls::{ServerConnection, StreamOwned};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `FURTHER` may hold more sections.
const CONFIG: &str = r#"
skills = ["enquiry", "complaint", "general"]
[server]
drain = "0s"
calls_max = 100
[sip]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
tls = ["127.0.0.1:0"]
ws = ["127.0.0.1:0"]
wss = ["127.0.0.1:0"]
[media]
ports = "38000-38998"
[http]
enabled = false
[[certificate]]
chain = "one.pem"
key = "one.key"
[[certificate]]
chain = "two.pem"
key = "two.key"
[[number]]
number = "*"
dialplan = "hotline"
[[queue]]
name = "enquiry"
skills = { enquiry = 1 }
[[queue]]
name = "complaint"
skills = { complaint = 1 }
[[queue]]
name = "general"
skills = { general = 1 }
[[agent]]
numbers = "1001-1002"
password = "not-the-sample"
skills = { enquiry = 3, complaint = 1, general = 2 }
"#;

struct Server {
    running: serve::Running,
    folder: PathBuf,
}

impl Server {
    fn start(test: &str, authority: &Authority, further: &str) -> Server {
        Server::of(test, authority, &format!("{CONFIG}{further}"))
    }

    fn of(test: &str, authority: &Authority, config: &str) -> Server {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("transports").join(test);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("centre.toml"), config).unwrap();
        std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
        authority.issue(&["one.example", "127.0.0.1"]).write(&folder, "one");
        authority.issue(&["two.example", "*.three.example"]).write(&folder, "two");
        let config = folder.join("centre.toml");
        let loaded = config::load(Some(&config));
        let site = loaded.site.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let options = serve::Options { config: Some(config), seed: Some(7) };
        Server { running: serve::start(site, options).unwrap(), folder }
    }

    fn at(&self, transport: Transport) -> SocketAddr {
        self.running.sip().iter().find(|(its, _)| *its == transport).unwrap().1
    }

    fn reload(&self) -> busyhour::desk::Reloaded {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.running.desk().reload("test"))
    }

    fn metrics(&self) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.running.desk().metrics_page()).unwrap()
    }
}

fn shown(wire: &peer::Tls) -> Vec<u8> {
    wire.stream.conn.peer_certificates().unwrap()[0].to_vec()
}

fn der(issued: &Issued) -> Vec<u8> {
    issued.der().0[0].to_vec()
}

#[test]
fn a_phone_registers_by_tls_and_sees_the_certificate_of_the_name_it_asks_for() {
    let authority = Authority::new();
    let server = Server::start("names", &authority, "");
    let at = server.at(Transport::Tls);
    // The client refuses any that is not for the name it asked for.
    for name in ["one.example", "two.example", "desk.three.example", "127.0.0.1"] {
        tls(at, name, &authority.client(None)).unwrap();
    }
    assert!(tls(at, "four.example", &authority.client(None)).is_err());
    assert!(tls(at, "one.example", &Authority::new().client(None)).is_err(), "an authority nobody knows");
    let mut phone = Peer::new(tls(at, "one.example", &authority.client(None)).unwrap(), "TLS", "1001");
    let answer = phone.register();
    assert_eq!(answer.status, 200);
    assert!(answer.headers.text(HeaderName::Contact).unwrap().contains("peer.invalid;transport=tls"));
}

#[test]
fn a_reload_brings_a_new_certificate_and_ends_no_call() {
    let authority = Authority::new();
    let server = Server::start("reload", &authority, "[[trunk]]\nname = \"local\"\nsources = [\"127.0.0.1\"]\n");
    let at = server.at(Transport::Tls);
    let mut caller = Peer::new(tls(at, "one.example", &authority.client(None)).unwrap(), "TLS", "13800138000");
    let answer = caller.ask("INVITE", "sip:95118@busyhour.local", OFFER);
    assert_eq!(answer.status, 200);
    assert!(answer.headers.text(HeaderName::Contact).unwrap().ends_with(";transport=tls>"));
    caller.tell_within("ACK", &answer);

    let fresh = authority.issue(&["one.example"]);
    fresh.write(&server.folder, "one");
    assert!(server.reload().ok);
    assert_ne!(shown(&caller.wire), der(&fresh));
    let newcomer = tls(at, "one.example", &authority.client(None)).unwrap();
    assert_eq!(shown(&newcomer), der(&fresh));

    std::fs::write(server.folder.join("one.key"), &authority.issue(&["one.example"]).key).unwrap();
    let refused = server.reload();
    let errors = refused.diagnostics.iter().filter(|d| d.severity == busyhour_model::Severity::Error);
    let told: Vec<_> = errors.map(|d| (d.line, d.column, d.message.as_str())).collect();
    assert_eq!(told, [(17, 9, "one.pem with one.key: the key is not that of the certificate")]);
    assert!(!refused.ok);
    assert_eq!(shown(&tls(at, "one.example", &authority.client(None)).unwrap()), der(&fresh), "the old one stays");

    assert_eq!(caller.ask_within("BYE", &answer).status, 200, "the call went on over all this");
}

#[test]
fn a_trunk_is_known_by_its_certificate() {
    let authority = Authority::new();
    let trunk = "[[trunk]]\nname = \"carrier\"\ntls = { ca = \"ca.pem\", client_names = [\"sbc.example\"] }\n";
    let server = Server::start("known", &authority, trunk);
    let at = server.at(Transport::Tls);
    let status = |shows: Option<Issued>| {
        let wire = tls(at, "one.example", &authority.client(shows.as_ref())).unwrap();
        Peer::new(wire, "TLS", "13800138000").ask("INVITE", "sip:95118@busyhour.local", OFFER).status
    };
    assert_eq!(status(Some(authority.issue(&["sbc.example"]))), 200);
    assert_eq!(status(Some(authority.issue(&["other.example"]))), 401, "of that authority, but another's");
    assert_eq!(status(Some(Authority::new().issue(&["sbc.example"]))), 401, "of that name, but nobody's authority");
    assert_eq!(status(None), 401);
}

#[test]
fn a_trunk_is_called_by_tls_when_its_server_is_who_it_should_be() {
    for (name, right) in [("sbc.example", true), ("thief.example", false)] {
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let trunk = format!(
            "[[trunk]]\nname = \"carrier\"\npeer = \"tls:{}\"\ndomain = \"sbc.example\"\nprobe = \"1s\"\n\
             tls = {{ ca = \"ca.pem\", certificate = \"one.pem\", key = \"one.key\" }}\n",
            listener.local_addr().unwrap()
        );
        let server = Server::start(name, &authority, &trunk);
        let mut session = ServerConnection::new(authority.server(&authority.issue(&[name]))).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
        if !right {
            assert!(
                session.is_handshaking()
                    || session.complete_io(&mut stream).is_err()
                    || stream.read(&mut [0; 1]).unwrap_or(0) == 0
            );
            while !server.metrics().contains(r#"busyhour_sip_refused_connections_total{reason="tls",transport="tls"}"#)
            {
                std::thread::yield_now();
            }
            continue;
        }
        let mut carrier = Peer::new(Stream::new(StreamOwned::new(session, stream)), "TLS", "sbc");
        let probe = carrier.request();
        assert_eq!((probe.method.as_str(), probe.uri.to_string()), ("OPTIONS", "sip:sbc.example".to_owned()));
        let via = probe.headers.text(HeaderName::Via).unwrap();
        assert!(via.starts_with("SIP/2.0/TLS 127.0.0.1:"), "{via}");
        assert!(carrier.wire.stream.conn.peer_certificates().is_some(), "we showed ours");
    }
}

#[test]
fn noise_at_the_port_of_tls_is_counted_and_shut_out() {
    let server = Server::start("noise", &Authority::new(), "");
    let mut stream = tcp(server.at(Transport::Tls));
    std::io::Write::write_all(&mut stream, b"OPTIONS sip:busyhour SIP/2.0\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    // An alert, then the end.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 16, "{rest:?}");
    while !server.metrics().contains(r#"busyhour_sip_refused_connections_total{reason="tls",transport="tls"} 1"#) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn both_families_are_spoken_each_with_sound_of_its_own() {
    let config = CONFIG
        .replace("tcp = [\"127.0.0.1:0\"]", "tcp = [\"127.0.0.1:0\", \"[::1]:0\"]")
        .replace("[media]\n", "[media]\naddress = [\"127.0.0.1\", \"::1\"]\n");
    let trunk = "[[trunk]]\nname = \"local\"\nsources = [\"127.0.0.1\", \"::1\"]\n";
    let server = Server::of("families", &Authority::new(), &format!("{config}{trunk}"));
    for (six, family, sound) in [(false, "127.0.0.1", "c=IN IP4 127.0.0.1\r\n"), (true, "[::1]", "c=IN IP6 ::1\r\n")] {
        let mut ours = server.running.sip().iter().filter(|(transport, _)| *transport == Transport::Tcp);
        let at = ours.find(|(_, at)| at.is_ipv6() == six).unwrap().1;
        let mut caller = Peer::new(Stream::new(tcp(at)), "TCP", "13800138000");
        let offer = if six { OFFER.replace("IP4 127.0.0.1", "IP6 ::1") } else { OFFER.to_owned() };
        let answer = caller.ask("INVITE", "sip:95118@busyhour.local", &offer);
        let contact = answer.headers.text(HeaderName::Contact).unwrap();
        assert_eq!(
            (answer.status, contact),
            (200, format!("<sip:95118@{family}:{};transport=tcp>", at.port()).as_str())
        );
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(body.contains(sound), "{body}");
        caller.tell_within("ACK", &answer);
        assert_eq!(caller.ask_within("BYE", &answer).status, 200);
    }
}

#[test]
fn a_trunk_whose_port_is_closed_is_down_before_any_timer() {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let trunk = format!("[[trunk]]\nname = \"gone\"\npeer = \"udp:{closed}\"\nprobe = \"1s\"\n");
    let server = Server::start("closed", &Authority::new(), &trunk);
    // Timer F says so too, but only after 32 s.
    let fired = r#"busyhour_sip_timers_fired_total{timer="F"} 0"#;
    while !server.metrics().contains("busyhour_sip_undelivered_total 1") {
        assert!(server.metrics().contains(fired), "nobody told us");
        std::thread::sleep(Duration::from_millis(5));
    }
}
