//! A phone on a WebSocket (RFC 7118), as Wireshark sees it: registered, called with sound both ways, and calling.

use crate::capture::Capture;
use crate::exchange::{CARRIER, Exchange, free_port};
use crate::kamailio::talked;
use crate::peer::{OFFER, Peer, Wire, tcp};
use crate::scenario::{NOTHING, SOUND, Scenario};
use crate::web::connect;
use crate::{CALLER_HERTZ, SECOND, sound, wanted};
use busyhour_sip::{HeaderName, Request};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

const CONFIG: &str = r#"
skills = []
[sip]
ws = ["127.0.0.1:PORT"]
# Its sound is nobody's: no browser's.
srtp = "refused"
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "plan"
[[agent]]
number = "1001"
password = "not-the-sample"
"#;

const PLAN: &str = r#"
name = "plan"
start = "ring"
[node.ring]
dial = { agent = "1001" }
timeout = "20s"
else = "end"
[node.end]
hangup = 486
"#;

/// Answers what the phone was asked.
pub(crate) fn answer(phone: &mut Peer<impl Wire>, request: &Request, status: u16, body: &str) {
    let mut response = request.reply(status);
    response.set_to_tag("phone");
    response.headers.push(HeaderName::Contact, "<sip:1001@peer.invalid;transport=ws>");
    if !body.is_empty() {
        response.set_body("application/sdp", body.to_owned().into());
    }
    phone.wire.send(std::str::from_utf8(&response.to_bytes()).unwrap());
}

/// The request that must come next.
pub(crate) fn takes(phone: &mut Peer<impl Wire>, method: &str) -> Request {
    let request = phone.request();
    assert_eq!(request.method.as_str(), method);
    request
}

/// A port at which whatever comes goes back, until nothing has come for a while.
fn echo() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(20 * SECOND)).unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut packet = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            socket.send_to(&packet[..length], from).unwrap();
        }
    });
    port
}

#[test]
fn rfc7118_a_phone_on_a_websocket_is_called_and_calls_and_wireshark_finds_no_fault() {
    if !wanted() {
        return;
    }
    let web = free_port();
    let exchange = Exchange::of_plan("browser", &CONFIG.replace("PORT", &web.to_string()), PLAN);
    let capture = Capture::with_web(&exchange.folder, exchange.sip, Some(web), exchange.media);
    let wire = connect(tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, web))), "sip", None).unwrap().0;
    let mut phone = Peer::new(wire, "WS", "1001");
    assert_eq!(phone.register().status, 200);
    let sound = OFFER.replace("4000", &echo().to_string());

    sound::write_call(&exchange.folder.join("caller.pcap"), CALLER_HERTZ, 8, &[]);
    let caller = Scenario::calls().sends("INVITE", NOTHING, SOUND).gets(200, &[]).sends("ACK", NOTHING, NOTHING);
    let caller = caller.plays("caller.pcap").waits(6_000).ends().starts(&exchange, "caller", (CARRIER, 27_660), &[]);
    let rings = takes(&mut phone, "INVITE");
    answer(&mut phone, &rings, 180, NOTHING);
    answer(&mut phone, &rings, 200, &sound);
    takes(&mut phone, "ACK");
    let bye = takes(&mut phone, "BYE");
    answer(&mut phone, &bye, 200, NOTHING);
    caller.succeeds_within(20 * SECOND);

    let answered = phone.ask("INVITE", "sip:*71@busyhour.local", &sound);
    assert_eq!(answered.status, 200);
    phone.tell_within("ACK", &answered);
    let bye = takes(&mut phone, "BYE");
    answer(&mut phone, &bye, 200, NOTHING);

    let records = exchange.records(2);
    talked(records.iter().find(|record| record["to"]["raw"] == "95118").unwrap());
    let capture = capture.ends_clean(2);
    let seen = |filter: &str| capture.rows(&format!("websocket && {filter}"), "frame.number").len();
    for (filter, least) in [
        ("sip.Method == \"REGISTER\"", 2),
        ("sip.Method == \"INVITE\" && sdp", 2),
        ("sip.Method == \"ACK\"", 2),
        ("sip.Method == \"BYE\"", 2),
        ("sip.Status-Code == 200", 5),
    ] {
        assert!(seen(filter) >= least, "{filter}: {} over the WebSocket, {least} were sent", seen(filter));
    }
}
