//! `busyhour trunks call`, with a carrier of a few lines and without any.

use crate::server::{CONFIG, Server, err, folder, out};
use std::net::UdpSocket;

/// A carrier on 127.0.0.2 that answers an INVITE by this status, and everything after it until the call is over.
fn answering(carrier: UdpSocket, status: &'static str) -> std::thread::JoinHandle<()> {
    carrier.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let (len, us) = carrier.recv_from(&mut buffer).unwrap();
            let request = String::from_utf8_lossy(&buffer[..len]).into_owned();
            let copied = ["Via:", "From:", "Call-ID:", "CSeq:"];
            let same: String = request
                .lines()
                .filter(|l| copied.iter().any(|c| l.starts_with(c)))
                .map(|l| format!("{l}\r\n"))
                .collect();
            let to = request.lines().find(|line| line.starts_with("To:")).unwrap();
            let to = if to.contains("tag=") { to.to_owned() } else { format!("{to};tag=far") };
            let sdp =
                "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n";
            let body =
                format!("Contact: <sip:far@{}>\r\nContent-Type: application/sdp\r\n", carrier.local_addr().unwrap());
            let answer = |status: &str, head: &str, sdp: &str| {
                format!("SIP/2.0 {status}\r\n{same}{to}\r\n{head}Content-Length: {}\r\n\r\n{sdp}", sdp.len())
            };
            let text = match request.split(' ').next().unwrap() {
                "ACK" if status.starts_with('2') => continue,
                "ACK" => return,
                "INVITE" if status.starts_with('2') => answer(status, &body, sdp),
                "INVITE" => answer(status, "Reason: Q.850;cause=17\r\n", ""),
                _ => answer("200 OK", "", ""),
            };
            carrier.send_to(text.as_bytes(), us).unwrap();
            if request.starts_with("BYE") {
                return;
            }
        }
    })
}

#[test]
fn a_trunk_is_tried_by_a_call_and_each_step_is_told() {
    for (status, good, told) in [
        ("200 OK", true, ["INVITE to udp:127.0.0.2:", "200: PCMA, 20 ms, no telephone-events", "answered, and sound"]),
        (
            "486 Busy Here",
            false,
            ["INVITE to udp:", "ended with 486 by the far end, cause 17, as its Reason says", "not answered"],
        ),
    ] {
        let carrier = UdpSocket::bind("127.0.0.2:0").unwrap();
        let peer = format!("sources = [\"127.0.0.2\"]\npeer = \"udp:{}\"\n", carrier.local_addr().unwrap());
        let config = CONFIG.replace("sources = [\"127.0.0.2\"]\n", &peer);
        let server = Server::start_in(&folder(&format!("trunks-call-{}", &status[..3]), &config));
        let far = answering(carrier, status);
        let output = server.ask(&["trunks", "call", "local", "13800138000"]);
        let shown = out(&output);
        assert!(told.iter().all(|text| shown.contains(text)), "{shown}{}", err(&output));
        assert_eq!(output.status.success(), good, "{shown}");
        far.join().unwrap();
        let stats = out(&server.ask(&["trunks", "stats"]));
        assert!(stats.lines().any(|line| line.starts_with("local") && line.contains("out  1")), "{stats}");
    }
}

#[test]
fn what_cannot_be_tried_says_why() {
    let server = Server::start("trunks-call-none");
    let refused = |args: &[&str]| {
        let output = server.ask(&[&["trunks", "call"], args].concat());
        assert_eq!(output.status.code(), Some(1));
        out(&output) + &err(&output)
    };
    assert!(refused(&["remote", "13800138000"]).contains("there is no trunk remote"));
    assert!(refused(&["local", "tomorrow"]).contains("`tomorrow` is no telephone number"));
    assert!(refused(&["local", "13800138000"]).contains("not called: unreachable"));
    assert_eq!(server.http("POST", "/api/trunks/local/call").0, 400);
    assert_eq!(server.http("GET", "/api/trunks/local/call/c99").0, 404);
}
