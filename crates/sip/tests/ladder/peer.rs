//! Ladders with a hand-written carrier: what it may send within and outside a dialog, and what each gets.

use crate::carrier::{carrier, world};
use crate::{OFFER, Raw, World, addr, config, millis, request, rtp, secs, trunk};
use busyhour_model::{Direction, LegId, TrunkId};
use busyhour_sip::{Event, HeaderName, Message, Origin, Response, Transport};

const ANSWER: &str = OFFER;

/// The carrier's side of one dialog.
struct Dialog {
    to: String,
    uri: String,
    cseq: u32,
    sip: &'static str,
}

impl Dialog {
    fn new() -> Dialog {
        Dialog { to: "<sip:95118@10.0.0.1>".to_owned(), uri: "sip:95118@10.0.0.1".to_owned(), cseq: 0, sip: "d1" }
    }

    fn text(&self, method: &str, cseq: u32, more: &str, body: &str) -> String {
        let raw = Raw {
            method,
            uri: &self.uri,
            from: carrier(),
            branch: &format!("z9hG4bK{method}{cseq}{}", self.sip),
            call_id: self.sip,
            from_line: "<sip:13800138000@10.2.0.1>;tag=c",
            to_line: &self.to,
            cseq,
            more,
            body,
        };
        raw.text()
    }

    /// A request of this dialog; what comes back within 100 ms.
    fn send(&mut self, world: &mut World, method: &str, more: &str, body: &str) -> Vec<Response> {
        if method != "ACK" {
            self.cseq += 1;
        }
        let branch_cseq = self.cseq;
        let text = self.text(method, branch_cseq, more, body);
        world.raw(carrier(), 0, &text);
        world.run(millis(100));
        let responses = world.responses_to(carrier());
        if let Some(tag) = responses.last().and_then(|response| response.headers.to_tag())
            && !self.to.contains("tag=")
        {
            self.to = format!("{};tag={tag}", self.to);
        }
        responses
    }

    fn offer(&mut self, world: &mut World, method: &str, body: &str) -> Response {
        let more = "Contact: <sip:c@10.2.0.1:5060>\r\nContent-Type: application/sdp\r\n";
        self.send(world, method, more, body).pop().unwrap()
    }
}

/// A call from the carrier, answered and acknowledged.
fn up(world: &mut World) -> (Dialog, LegId) {
    let mut dialog = Dialog::new();
    dialog.offer(world, "INVITE", OFFER);
    let incoming = world.incoming(0);
    assert_eq!(incoming.origin, Origin::Trunk(TrunkId(3)));
    world.ask(0, |stack, now| stack.answer(now, incoming.leg, rtp())).unwrap();
    world.run(millis(100));
    let ok = world.responses_to(carrier()).pop().unwrap();
    assert_eq!(ok.status, 200);
    dialog.to = String::from_utf8_lossy(ok.headers.first(HeaderName::To).unwrap()).into_owned();
    dialog.send(world, "ACK", "", "");
    assert_eq!(world.event(0), Event::Confirmed { leg: incoming.leg, audio: None });
    (dialog, incoming.leg)
}

fn version(sdp: &[u8]) -> u64 {
    let text = std::str::from_utf8(sdp).unwrap();
    text.lines().find_map(|line| line.strip_prefix("o=")).unwrap().split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn both_styles_of_hold_are_answered_and_told() {
    let mut world = world();
    let (mut dialog, leg) = up(&mut world);
    let hold = OFFER.replace("sendrecv", "sendonly");
    let old = OFFER.replace("c=IN IP4 10.0.0.9", "c=IN IP4 0.0.0.0");
    let mut versions = Vec::new();
    for (method, offer, direction) in [
        ("INVITE", hold.as_str(), Some(Direction::RecvOnly)),
        ("INVITE", OFFER, Some(Direction::SendRecv)),
        ("INVITE", OFFER, None),
        ("INVITE", old.as_str(), Some(Direction::RecvOnly)),
        ("UPDATE", OFFER, Some(Direction::SendRecv)),
        ("UPDATE", &OFFER.replace("sendrecv", "inactive"), Some(Direction::Inactive)),
    ] {
        let response = dialog.offer(&mut world, method, offer);
        assert_eq!(response.status, 200, "{method} {offer}");
        versions.push(version(&response.body));
        let events = world.events(0);
        match direction {
            Some(direction) => assert!(
                matches!(&events[..], [Event::MediaChanged { leg: told, audio }] if *told == leg && audio.direction.sends() == direction.sends()),
                "{offer} {events:?}"
            ),
            None => assert!(events.is_empty(), "nothing changed"),
        }
        if method == "INVITE" {
            dialog.send(&mut world, "ACK", "", "");
        }
    }
    assert!(versions.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{versions:?}");
    assert_eq!(versions[1], versions[2], "the version rises only with a change");
    assert_eq!(dialog.send(&mut world, "BYE", "", "")[0].status, 200);
    assert_eq!(world.event(0), Event::Ended { leg, by_peer: true });
    world.assert_quiet();
}

#[test]
fn a_call_without_offer_gets_ours_and_answers_in_the_ack() {
    let mut world = world();
    let mut dialog = Dialog::new();
    dialog.send(&mut world, "INVITE", "Contact: <sip:c@10.2.0.1>\r\n", "");
    let incoming = world.incoming(0);
    assert_eq!(incoming.audio, None);
    assert_eq!(world.ask(0, |stack, now| stack.answer(now, incoming.leg, rtp())), Ok(None));
    world.run(millis(100));
    let ok = world.responses_to(carrier()).pop().unwrap();
    assert!(!ok.body.is_empty());
    dialog.to = String::from_utf8_lossy(ok.headers.first(HeaderName::To).unwrap()).into_owned();
    dialog.send(&mut world, "ACK", "Content-Type: application/sdp\r\n", ANSWER);
    let Event::Confirmed { audio: Some(audio), .. } = world.event(0) else { panic!("not confirmed") };
    assert_eq!(audio.remote, addr("10.0.0.9:4000"));
    // A re-INVITE without offer, the same way.
    let ok = dialog.send(&mut world, "INVITE", "Contact: <sip:c@10.2.0.1>\r\n", "").pop().unwrap();
    assert_eq!(version(&ok.body), 1);
    dialog.send(&mut world, "ACK", "Content-Type: application/sdp\r\n", &ANSWER.replace("4000", "4002"));
    assert!(matches!(world.event(0), Event::MediaChanged { audio, .. } if audio.remote.port() == 4002));
    // An ACK without the answer it owes ends the call.
    dialog.send(&mut world, "INVITE", "Contact: <sip:c@10.2.0.1>\r\n", "");
    dialog.send(&mut world, "ACK", "", "");
    assert_eq!(world.event(0), Event::Ended { leg: incoming.leg, by_peer: false });
}

#[test]
fn requests_within_a_dialog_get_what_they_deserve() {
    let cases: &[(&str, &str, &str, u16)] = &[
        ("OPTIONS", "", "", 200),
        ("INFO", "", "", 200),
        ("INFO", "Content-Type: application/json\r\n", "{}", 415),
        ("INFO", "Content-Type: application/dtmf-relay\r\n", "nothing", 400),
        ("PRACK", "RAck: 1 1 INVITE\r\n", "", 481),
        ("REFER", "Refer-To: <sip:x@y>\r\n", "", 403),
        ("MESSAGE", "Content-Type: text/plain\r\n", "hi", 405),
        ("SUBSCRIBE", "Event: x\r\n", "", 489),
        ("NOTIFY", "Event: x\r\n", "", 481),
        ("DANCE", "", "", 501),
        ("INFO", "Require: foo\r\n", "", 420),
        ("INVITE", "Content-Type: text/plain\r\n", "hello", 415),
        (
            "INVITE",
            "Content-Type: application/sdp\r\n",
            "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\nc=IN IP4 1.1.1.1\r\n",
            488,
        ),
    ];
    for (method, more, body, status) in cases {
        let mut world = world();
        let (mut dialog, _) = up(&mut world);
        let response = dialog.send(&mut world, method, more, body).pop().unwrap();
        assert_eq!(response.status, *status, "{method} {more}");
        assert_eq!(response.headers.has(HeaderName::Allow), matches!(status, 405 | 501) || *method == "OPTIONS");
        assert!(world.events(0).is_empty());
        assert_eq!(world.stack(0).legs(), 1);
    }
}

/// RFC 3261 sections 13.3.1.4 and 20.43: the answer says what we can, a 488 what was wrong.
#[test]
fn answers_and_refusals_say_what_we_can() {
    let mut world = world();
    let (mut dialog, _) = up(&mut world);
    let ok = dialog.offer(&mut world, "INVITE", OFFER);
    dialog.send(&mut world, "ACK", "", "");
    assert!(ok.headers.supported().any(|token| token == "replaces") && ok.headers.has(HeaderName::Allow));
    let refused = dialog.offer(&mut world, "INVITE", &OFFER.replace("RTP/AVP", "RTP/SAVP"));
    let warning = refused.headers.text(HeaderName::Warning);
    assert_eq!((refused.status, warning), (488, Some("305 pbx.example \"Incompatible media format\"")));
}

/// RFC 3261 section 20.11, RFC 5621: a body we cannot read but need not is no body; a description may lie deeper.
#[test]
fn optional_bodies_are_passed_over_and_nested_ones_found() {
    let contact = "Contact: <sip:c@10.2.0.1>\r\n";
    let inner = format!("--i\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--i--\r\n");
    let nested = format!("--o\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n{inner}\r\n--o--\r\n");
    let isup = format!("{contact}Content-Type: application/isup\r\nContent-Disposition: signal");
    for (more, body, status, offered) in [
        (format!("{isup};handling=required\r\n"), "x", 415, false),
        (format!("{isup}; handling=optional\r\n"), "x", 100, false),
        (format!("{contact}Content-Type: multipart/mixed;boundary=o\r\n"), &*nested, 100, true),
    ] {
        let mut world = world();
        let response = Dialog::new().send(&mut world, "INVITE", &more, body).pop().unwrap();
        assert_eq!(response.status, status, "{more}");
        if status == 100 {
            assert_eq!(world.incoming(0).audio.is_some(), offered, "{more}");
        }
    }
}

/// RFC 3261 section 12.2: re-INVITE and UPDATE move the target of what follows, other requests do not.
#[test]
fn a_target_refresh_moves_what_follows() {
    let mut world = world();
    let (mut dialog, leg) = up(&mut world);
    dialog.send(&mut world, "UPDATE", "Contact: <sip:moved@10.2.0.1:5062>\r\n", "");
    dialog.send(&mut world, "INFO", "Contact: <sip:wrong@10.2.0.1:5063>\r\n", "");
    world.hang_up(0, leg);
    let bye = world.inbox(millis(20)).remove(0);
    assert_eq!(request(&bye).uri.to_string(), "sip:moved@10.2.0.1:5062");
}

#[test]
fn keys_pressed_come_by_info_in_both_forms() {
    let mut world = world();
    let (mut dialog, leg) = up(&mut world);
    for (kind, body, digit) in [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", '5'),
        ("application/dtmf-relay", "Signal= *\r\nDuration= 160", '*'),
        ("application/dtmf-relay", "Signal=11\r\n", '#'),
        ("application/dtmf", "9", '9'),
        ("Application/DTMF; x=y", "#\r\n", '#'),
        ("application/dtmf-relay", "Signal=d", 'D'),
    ] {
        assert_eq!(dialog.send(&mut world, "INFO", &format!("Content-Type: {kind}\r\n"), body)[0].status, 200);
        assert_eq!(world.event(0), Event::Digit { leg, digit });
    }
}

#[test]
fn a_lower_cseq_is_refused_and_a_repeated_request_answered_again() {
    let mut world = world();
    let (mut dialog, _) = up(&mut world);
    let text = dialog.text("INFO", 9, "", "");
    for _ in 0..3 {
        world.raw(carrier(), 0, &text);
    }
    assert_eq!(world.statuses(), [200, 200, 200]);
    dialog.cseq = 5;
    assert_eq!(dialog.send(&mut world, "OPTIONS", "", "")[0].status, 500);
    assert_eq!(world.stack(0).counters().retransmissions.values().sum::<u64>(), 2);
}

#[test]
fn strangers_dialogs_are_481_and_stray_messages_are_silence() {
    let mut world = world();
    let mut dialog = Dialog { to: "<sip:x@y>;tag=1.2".to_owned(), ..Dialog::new() };
    for method in ["BYE", "INVITE", "INFO", "UPDATE", "CANCEL"] {
        assert_eq!(dialog.send(&mut world, method, "", "")[0].status, 481, "{method}");
    }
    assert!(dialog.send(&mut world, "ACK", "", "").is_empty());
    let reply = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n";
    world.raw(carrier(), 0, reply);
    world.raw(carrier(), 0, "\r\n\r\n");
    world.raw(carrier(), 0, "hello");
    assert!(world.statuses().is_empty());
    assert_eq!(world.stack(0).counters().dropped, 2);
    assert_eq!(world.stack(0).transactions(), 0);
}

#[test]
fn requests_outside_a_dialog_get_what_they_deserve() {
    let cases: &[(&str, &str, &str, u16)] = &[
        ("OPTIONS", "", "", 200),
        ("OPTIONS", "Require: strange\r\n", "", 420),
        ("INVITE", "Require: strange\r\n", "", 420),
        ("INVITE", "Contact: <sip:c@10.2.0.1>\r\nContent-Type: application/foo\r\n", "x", 415),
        (
            "INVITE",
            "Contact: <sip:c@10.2.0.1>\r\nContent-Type: application/sdp\r\nContent-Encoding: gzip\r\n",
            "x",
            415,
        ),
        ("INVITE", "Contact: <sip:c@10.2.0.1>\r\nContent-Type: application/sdp\r\n", "nonsense", 400),
        ("SUBSCRIBE", "Event: reg\r\n", "", 489),
        ("NOTIFY", "Event: presence\r\n", "", 481),
        ("BYE", "", "", 481),
        ("REFER", "Refer-To: <sip:x@y>\r\n", "", 403),
        ("MESSAGE", "Content-Type: text/plain\r\n", "hi", 405),
        ("DANCE", "", "", 501),
        ("REGISTER", "", "", 401),
    ];
    for (method, more, body, status) in cases {
        let mut world = world();
        let response = Dialog::new().send(&mut world, method, more, body).pop().unwrap();
        assert_eq!(response.status, *status, "{method} {more}");
        assert_eq!(response.headers.has(HeaderName::Unsupported), *status == 420);
        assert!(world.events(0).is_empty());
    }
    let mut world = world();
    for (uri, status) in [("soap.beep://10.0.0.1", 416), ("tel:95118", 100)] {
        let mut dialog = Dialog { uri: uri.to_owned(), sip: uri, ..Dialog::new() };
        assert_eq!(
            dialog.send(&mut world, "INVITE", "Contact: <sip:c@10.2.0.1>\r\n", "").pop().unwrap().status,
            status
        );
    }
    assert_eq!(world.incoming(0).dialled, "95118");
}

/// RFC 7332 section 4: what may not be sent on is refused; what may is told to whoever sends it on.
#[test]
fn an_invite_that_has_gone_round_in_a_loop_is_483() {
    for (said, status, left) in
        [("Max-Forwards: 0\r\n", 483, None), ("Max-Forwards: 1\r\n", 100, Some(1)), ("", 100, Some(70))]
    {
        let mut world = world();
        let text =
            Dialog::new().text("INVITE", 1, "Contact: <sip:c@10.2.0.1>\r\n", "").replace("Max-Forwards: 70\r\n", said);
        world.raw(carrier(), 0, &text);
        assert_eq!(world.statuses(), [status]);
        assert_eq!(left.map(|_| world.incoming(0).max_forwards), left);
    }
}

#[test]
fn a_merged_request_is_482() {
    let mut world = world();
    let text = Dialog::new().text("INVITE", 1, "Contact: <sip:c@10.2.0.1>\r\n", "");
    world.raw(carrier(), 0, &text);
    world.raw(carrier(), 0, &text.replace("z9hG4bKINVITE1", "z9hG4bKother"));
    assert_eq!(world.statuses(), [100, 482]);
    assert_eq!(world.events(0).len(), 1);
}

#[test]
fn a_peer_of_rfc_2543_without_branch_and_tag_calls_and_cancels() {
    let mut world = world();
    let old = |method: &str| {
        let text =
            Dialog::new().text(method, 1, if method == "INVITE" { "Contact: <sip:c@10.2.0.1>\r\n" } else { "" }, "");
        text.replace(&format!(";branch=z9hG4bK{method}1d1;rport"), "").replace(";tag=c", "")
    };
    for _ in 0..2 {
        world.raw(carrier(), 0, &old("INVITE"));
    }
    assert_eq!(world.statuses(), [100, 100]);
    let leg = world.incoming(0).leg;
    world.raw(carrier(), 0, &old("CANCEL"));
    assert_eq!(world.statuses(), [200, 487]);
    assert_eq!(world.event(0), Event::Cancelled { leg });
    world.raw(carrier(), 0, &old("ACK"));
    world.run(secs(3));
    assert!(world.statuses().is_empty(), "the refusal is acknowledged");
}

#[test]
fn responses_find_their_way_back() {
    for (via, expected) in [(";rport", "10.2.0.1:7777"), ("", "10.2.0.1:5060")] {
        let mut world = world();
        let text = Dialog::new()
            .text("OPTIONS", 1, "", "")
            .replace(";rport", via)
            .replace("Via: SIP/2.0/UDP 10.2.0.1:5060", "Via: SIP/2.0/UDP carrier.example:5060");
        world.raw(addr("10.2.0.1:7777"), 0, &text);
        world.run(millis(20));
        let (to, message) = world.inbox.remove(0);
        assert_eq!(to, addr(expected));
        let top = message.headers().top_via().unwrap();
        assert_eq!(top.received(), Some(addr(expected).ip()));
        assert_eq!(top.rport(), if via.is_empty() { None } else { Some(Some(7777)) });
    }
}

#[test]
fn a_full_stack_says_503_and_when_to_come_back() {
    let mut world = world();
    let at = world.ends[0].at;
    let mut small = config(at, vec![trunk(3, carrier())], &[]);
    small.limits.legs = 1;
    small.limits.transactions = 3;
    world.ask(0, |stack, now| stack.reconfigure(now, small));
    let mut statuses = Vec::new();
    for sip in ["a", "b", "c", "d"] {
        let mut dialog = Dialog { sip, ..Dialog::new() };
        let response = dialog.send(&mut world, "INVITE", "Contact: <sip:c@10.2.0.1>\r\n", "").pop().unwrap();
        assert_eq!(response.headers.has(HeaderName::RetryAfter), response.status == 503);
        statuses.push(response.status);
    }
    assert_eq!(statuses, [100, 503, 503, 503]);
    assert_eq!(world.stack(0).counters().overloaded, 3);
    assert_eq!(Dialog::new().send(&mut world, "OPTIONS", "", "")[0].status, 200, "the probe is always answered");
}

#[test]
fn route_sets_and_targets_are_kept_loose_and_strict() {
    for (first, uri, routes) in [
        ("<sip:p1.example;lr>", "sip:c@10.2.0.9:5070", vec!["<sip:p1.example;lr>", "<sip:10.2.0.1;lr>"]),
        ("<sip:p1.example>", "sip:p1.example", vec!["<sip:10.2.0.1;lr>", "<sip:c@10.2.0.9:5070>"]),
    ] {
        let mut world = world();
        let more = format!(
            "Record-Route: {first}, <sip:10.2.0.1;lr>\r\nContact: <sip:c@10.2.0.9:5070>\r\nContent-Type: application/sdp\r\n"
        );
        let mut dialog = Dialog::new();
        dialog.send(&mut world, "INVITE", &more, OFFER);
        let leg = world.incoming(0).leg;
        world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
        world.run(millis(100));
        let ok = world.responses_to(carrier()).pop().unwrap();
        assert_eq!(ok.headers.list(HeaderName::RecordRoute).count(), 2);
        dialog.to = String::from_utf8_lossy(ok.headers.first(HeaderName::To).unwrap()).into_owned();
        dialog.send(&mut world, "ACK", "", "");
        world.hang_up(0, leg);
        let bye = world.inbox(millis(20)).remove(0);
        let bye = request(&bye);
        assert_eq!(bye.uri.to_string(), uri);
        assert_eq!(
            bye.headers
                .list(HeaderName::Route)
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect::<Vec<_>>(),
            routes
        );
    }
}

#[test]
fn streams_are_cut_glued_kept_alive_and_given_up() {
    let mut world = world();
    let from = addr("10.2.0.1:40000");
    let options =
        |sip: &'static str| Dialog { sip, ..Dialog::new() }.text("OPTIONS", 1, "", "").replace("/UDP", "/TCP");
    let two = format!("{}\r\n\r\n{}", options("a"), options("b"));
    let (first, second) = two.split_at(133);
    world.stream(from, 0, 7, first.as_bytes());
    world.stream(from, 0, 7, second.as_bytes());
    let sent: Vec<_> = world
        .log
        .iter()
        .map(|(_, flow, message)| (flow.connection, matches!(message, Message::Response(it) if it.status == 200)))
        .collect();
    assert_eq!(sent, [(7, true), (7, true)]);
    let cut = options("c");
    world.stream(from, 0, 7, &cut.as_bytes()[..50]);
    world.run(millis(4900));
    assert_eq!(world.ends[0].closed, 0);
    world.run(millis(200));
    assert_eq!(world.ends[0].closed, 1);
    world.stream(from, 0, 8, cut.replace("Content-Length: 0", "Content-Length: x").as_bytes());
    assert_eq!(world.ends[0].closed, 2);
    assert!(matches!(&world.log.last().unwrap().2, Message::Response(it) if it.status == 400));
    assert_eq!(world.stack(0).counters().malformed, 2);
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    let mut world = world();
    let mut small = config(world.ends[0].at, vec![trunk(3, carrier())], &[]);
    small.limits.connections = 2;
    world.ask(0, |stack, now| stack.reconfigure(now, small));
    for connection in 1..=3 {
        world.stream(addr("10.2.0.1:40000"), 0, connection, b"\r\n\r\n");
    }
    assert_eq!((world.ends[0].closed, world.stack(0).counters().overloaded), (1, 1));
}

#[test]
fn a_response_goes_to_the_via_port_when_its_connection_is_gone() {
    let mut world = world();
    let from = addr("10.2.0.1:40000");
    let more = "Contact: <sip:c@10.2.0.1;transport=tcp>\r\n";
    world.stream(from, 0, 7, Dialog::new().text("INVITE", 1, more, "").as_bytes());
    let leg = world.incoming(0).leg;
    let flow = world.log[0].1;
    assert_eq!((flow.transport, flow.connection), (Transport::Tcp, 7));
    world.ask(0, |stack, now| stack.handle_closed(now, flow));
    world.refuse(0, leg, 486);
    let flow = world.log.last().unwrap().1;
    assert_eq!((flow.connection, flow.remote), (0, carrier()));
}
