//! A server that goes: its registrars hear of it.

use crate::server::{CONFIG, Server, folder};
use busyhour_sip::{Limits, Message, Request};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// A carrier, and a server that registers there.
fn registering(test: &str) -> (UdpSocket, Server) {
    let carrier = UdpSocket::bind("127.0.0.3:0").unwrap();
    carrier.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let at = carrier.local_addr().unwrap();
    let trunk = format!(
        "[[trunk]]\nname = \"carrier\"\npeer = \"udp:{at}\"\nuser = \"8001\"\npassword = \"pw\"\nregister = \"10m\"\n"
    );
    let server = Server::start_in(&folder(test, &format!("{CONFIG}{trunk}")));
    (carrier, server)
}

/// The next REGISTER at the carrier that did not come before, and where it came from.
fn register(carrier: &UdpSocket, last: u32) -> (Request, SocketAddr) {
    let mut buffer = [0; 65_535];
    loop {
        let (length, from) = carrier.recv_from(&mut buffer).unwrap();
        match Message::parse(&buffer[..length].to_vec().into(), &Limits::default()) {
            Ok(Message::Request(request)) if request.headers.cseq().unwrap().0 > last => return (request, from),
            _ => {}
        }
    }
}

/// RFC 3261 section 10.2.2, challenged on its way.
#[test]
fn a_server_that_stops_is_registered_no_more() {
    let (carrier, server) = registering("leaving");
    let answer = |request: &Request, to, status, header: &str| {
        let mut response = request.reply(status);
        response.set_to_tag("c");
        let text = String::from_utf8(response.to_bytes().to_vec()).unwrap();
        carrier.send_to(text.replacen("\r\n\r\n", &format!("\r\n{header}\r\n"), 1).as_bytes(), to).unwrap();
    };
    let (here, from) = register(&carrier, 0);
    assert_eq!(here.headers.expires(), Some(600));
    answer(&here, from, 200, "");
    server.until_metrics("busyhour_trunk_up{trunk=\"carrier\"} 1");
    let stopped = std::thread::spawn(move || server.stop());
    let (gone, from) = register(&carrier, 1);
    assert_eq!(gone.headers.expires(), Some(0));
    answer(&gone, from, 401, "WWW-Authenticate: Digest realm=\"ct\", nonce=\"n\", qop=\"auth\"\r\n");
    let (again, from) = register(&carrier, 2);
    assert_eq!((again.headers.expires(), again.headers.named("Authorization").is_some()), (Some(0), true));
    answer(&again, from, 200, "");
    assert_eq!(stopped.join().unwrap(), 0);
}

/// Its registrar is silent: the stop waits no longer than it may, and the next start finds nothing in its way.
#[test]
fn a_registrar_that_is_silent_does_not_keep_a_server() {
    let (carrier, server) = registering("silent");
    register(&carrier, 0);
    assert_eq!(server.stop(), 0);
    assert_eq!(register(&carrier, 1).0.headers.expires(), Some(0));
}
