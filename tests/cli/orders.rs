//! What an operator orders of a running server: trunks drained and used again, sources answered again.

use crate::server::{Server, err, out};
use crate::{call_in, dial, final_response};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn a_drained_trunk_takes_no_call_until_it_is_used_again() {
    let server = Server::start("drained");
    let state = || out(&server.ask(&["ctl", "trunks"])).lines().nth(1).unwrap().to_owned();
    let order = |args: &[&str]| {
        let output = server.ask(args);
        (output.status.code(), out(&output) + &err(&output))
    };
    assert_eq!(order(&["trunks", "drain", "local"]), (Some(0), "trunk local: drained\n".into()));
    assert!(state().contains("drained"), "{}", state());
    let (refused, _) = dial(&server);
    assert!(final_response(&refused).starts_with("SIP/2.0 503"), "a carrier goes elsewhere");
    assert!(order(&["trunks", "call", "local", "13800138000"]).1.contains("not called: drained"));
    assert_eq!(server.http("POST", "/api/trunks/local/undrain"), (200, "{\"done\":true}".into()));
    assert!(!state().contains("drained"), "{}", state());
    let _carrier = call_in(&server);

    for verb in ["drain", "undrain"] {
        let (code, said) = order(&["trunks", verb, "remote"]);
        assert_eq!((code, said.contains("there is no trunk remote")), (Some(1), true), "{said}");
        assert_eq!(server.http("POST", &format!("/api/trunks/remote/{verb}")).0, 404);
        assert_eq!(server.http("GET", &format!("/api/trunks/local/{verb}")).0, 405);
    }
}

/// Asks by TCP under this name whether anybody is there; whether that is answered.
fn scans(server: &Server, program: &str) -> bool {
    let mut stream = TcpStream::connect(&server.sip).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let us = stream.local_addr().unwrap();
    let options = format!(
        "OPTIONS sip:{} SIP/2.0\r\nVia: SIP/2.0/TCP {us};branch=z9hG4bK-x;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:x@{us}>;tag=x\r\nTo: <sip:{}>\r\nCall-ID: {us}\r\nCSeq: 1 OPTIONS\r\n\
         User-Agent: {program}\r\nContent-Length: 0\r\n\r\n",
        server.sip, server.sip
    );
    stream.write_all(options.as_bytes()).unwrap();
    stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0)
}

#[test]
fn who_is_banned_is_shown_and_can_be_answered_again() {
    let server = Server::start("banned");
    assert_eq!(out(&server.ask(&["ctl", "bans"])), "nobody is banned\n");
    assert!(!scans(&server, "friendly-scanner") && !scans(&server, "Softphone/1.0"));
    let shown = out(&server.ask(&["ctl", "bans"]));
    let row = shown.lines().nth(1).unwrap_or_else(|| panic!("{shown}"));
    assert!(shown.starts_with("SOURCE") && row.starts_with("127.0.0.1") && row.contains("scanner"), "{shown}");
    let rows: serde_json::Value = serde_json::from_str(&server.http("GET", "/api/bans").1).unwrap();
    assert_eq!((rows[0]["reason"].as_str(), rows.as_array().unwrap().len()), (Some("scanner"), 1), "{rows}");

    let unban = |address: &str| {
        let output = server.ask(&["ctl", "unban", address]);
        (output.status.code(), out(&output) + &err(&output))
    };
    assert_eq!(unban("127.0.0.1"), (Some(0), "127.0.0.1: answered again\n".into()));
    assert!(scans(&server, "Softphone/1.0"));
    let (code, said) = unban("127.0.0.1");
    assert_eq!((code, said.contains("`busyhour ctl bans` lists who is")), (Some(1), true), "{said}");
    let (code, said) = unban("nobody");
    assert_eq!((code, said.contains("`nobody` is no IP address")), (Some(1), true), "{said}");
    assert_eq!(server.http("DELETE", "/api/bans/127.0.0.1").0, 404);
    assert_eq!(server.http("DELETE", "/api/bans/nobody").0, 400);
}
