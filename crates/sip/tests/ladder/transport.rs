//! Ladders of transports: TLS, `sips`, certificates, WebSockets.

use crate::{DOMAIN, OFFER, Raw, World, addr, config, millis, rtp, secs, trunk};
use busyhour_model::{Fingerprint, TrunkId};
use busyhour_sip::digest::{Algorithm, Challenge, respond};
use busyhour_sip::{
    Account, Config, Event, Flow, HeaderName, Invite, Message, Method, Origin, Request, Response, Secrecy, Target,
    Transport,
};
use std::net::SocketAddr;

fn world() -> World {
    world_with(|_| {})
}

fn world_with(change: impl FnOnce(&mut Config)) -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    let mut config = config(at, vec![trunk(3, addr("10.2.0.1:5061"))], &["8001"]);
    config.locals.extend([Transport::Tls, Transport::Ws, Transport::Wss].map(|transport| (transport, at)));
    change(&mut config);
    world.add(at, config, 11);
    world
}

/// A peer at the other end of one connection.
struct Peer {
    transport: Transport,
    at: SocketAddr,
    connection: u64,
    via: &'static str,
    contact: &'static str,
    challenge: Option<Challenge>,
    serial: u32,
}

impl Peer {
    fn new(transport: Transport, via: &'static str, contact: &'static str) -> Peer {
        Peer { transport, at: addr("10.1.0.9:49152"), connection: 5, via, contact, challenge: None, serial: 0 }
    }

    /// A browser: it does not know its own address (RFC 7118 section 5.2.1).
    fn browser() -> Peer {
        Peer::new(Transport::Wss, "WSS df7jal23ls0d.invalid", "sip:8001@df7jal23ls0d.invalid;transport=ws")
    }

    fn flow(&self) -> Flow {
        Flow { transport: self.transport, local: addr("10.0.0.1:5060"), remote: self.at, connection: self.connection }
    }

    fn text(&mut self, method: &str, uri: &str, to: &str, body: &str) -> String {
        self.serial += 1;
        let authorization = self.challenge.as_ref().map_or(String::new(), |challenge| {
            let account = Account { user: "8001".into(), password: "secret-8001".into() };
            format!("Authorization: {}\r\n", respond(challenge, &account, method, uri, "cn", self.serial))
        });
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let raw = Raw {
            method,
            uri,
            from: self.at,
            branch: &format!("z9hG4bK-{}", self.serial),
            call_id: "call-of-the-peer",
            from_line: &format!("<sip:8001@{DOMAIN}>;tag=t1"),
            to_line: to,
            cseq: self.serial,
            more: &format!("{authorization}{kind}Contact: <{}>\r\n", self.contact),
            body,
        };
        raw.text().replace(&format!("UDP {}", self.at), self.via)
    }

    /// Sends a request; what comes back over the very same connection.
    fn send(&mut self, world: &mut World, method: &str, uri: &str, body: &str) -> Vec<Response> {
        let to = if method == "REGISTER" { format!("<sip:8001@{DOMAIN}>") } else { format!("<{uri}>") };
        let text = self.text(method, uri, &to, body);
        world.over(self.transport, self.at, 0, self.connection, text.as_bytes());
        world.run(millis(20));
        let responses = world.responses_to(self.at);
        let challenges = responses.iter().flat_map(|response| response.headers.all(HeaderName::WwwAuthenticate));
        let challenges = challenges.map(|value| Challenge::parse(value).unwrap());
        self.challenge = challenges.into_iter().find(|it| it.algorithm == Algorithm::Md5).or(self.challenge.take());
        responses
    }

    fn sign_in(&mut self, world: &mut World) {
        let uri = format!("sip:{DOMAIN}");
        assert_eq!(self.send(world, "REGISTER", &uri, "")[0].status, 401);
        assert_eq!(self.send(world, "REGISTER", &uri, "")[0].status, 200);
        assert_eq!(world.events(0), [Event::Registered { account: "8001".into(), contacts: 1 }]);
    }
}

fn call(target: Target) -> Invite {
    Invite::new(target, "13800138000", rtp())
}

/// The INVITE that calling the account sends, and by what way.
fn invite_of(world: &mut World) -> (Flow, Request) {
    world.ask(0, |stack, now| stack.invite(now, call(Target::Account("8001".into())))).unwrap();
    last_request(world)
}

fn last_request(world: &World) -> (Flow, Request) {
    let sent = world.log.iter().rev().find_map(|(_, flow, message)| match message {
        Message::Request(request) => Some((*flow, request.clone())),
        Message::Response(_) => None,
    });
    sent.unwrap()
}

#[test]
fn a_browser_is_called_over_its_websocket() {
    let mut world = world();
    let mut browser = Peer::browser();
    browser.sign_in(&mut world);
    let (flow, invite) = invite_of(&mut world);
    assert_eq!(flow, browser.flow());
    assert_eq!(invite.uri.to_string(), browser.contact);
    assert!(invite.headers.text(HeaderName::Via).unwrap().starts_with("SIP/2.0/WSS 10.0.0.1:5060;"));
    assert!(invite.headers.text(HeaderName::Contact).unwrap().ends_with("@10.0.0.1:5060;transport=ws>"));
}

#[test]
fn rfc_7118_5_a_websocket_brings_whole_messages_without_length() {
    let mut world = world();
    let mut browser = Peer::browser();
    let text = browser.text("OPTIONS", "sip:busyhour", "<sip:busyhour>", "").replace("Content-Length: 0\r\n", "");
    for _ in 0..2 {
        world.over(browser.transport, browser.at, 0, browser.connection, text.as_bytes());
        let (_, flow, message) = world.log.last().unwrap();
        assert!(matches!(message, Message::Response(it) if it.status == 200));
        assert_eq!(*flow, browser.flow());
    }
    world.over(browser.transport, browser.at, 0, browser.connection, b"nonsense");
    assert_eq!((world.stack(0).counters().malformed, world.ends[0].closed), (1, 0));
}

#[test]
fn a_keep_alive_is_answered_on_every_connection() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
        let mut world = world();
        let flow = Flow { transport, ..Peer::browser().flow() };
        let stack = world.stack(0);
        stack.handle_stream(busyhour_model::Time::from_secs(1), flow, b"\r\n\r\n");
        let pong = stack.poll_transmit().unwrap();
        assert_eq!((pong.flow, &pong.bytes[..]), (flow, &b"\r\n"[..]), "{transport}");
    }
}

#[test]
fn rfc_5626_the_contact_of_a_websocket_dies_with_it() {
    let mut world = world();
    let mut browser = Peer::browser();
    browser.sign_in(&mut world);
    let flow = browser.flow();
    world.ask(0, |stack, now| stack.handle_closed(now, flow));
    assert_eq!(world.events(0), [Event::Registered { account: "8001".into(), contacts: 0 }]);
}

#[test]
fn rfc_3261_12_1_1_sips_is_answered_by_sips() {
    let cases = [
        (Transport::Tls, "TLS", "sips:95118@busyhour", "<sips:95118@10.0.0.1:5060>"),
        (Transport::Tls, "TLS", "sip:95118@busyhour", "<sip:95118@10.0.0.1:5060;transport=tls>"),
        (Transport::Wss, "WSS", "sips:95118@busyhour", "<sips:95118@10.0.0.1:5060;transport=ws>"),
        (Transport::Tcp, "TCP", "sip:95118@busyhour", "<sip:95118@10.0.0.1:5060;transport=tcp>"),
    ];
    for (transport, via, uri, contact) in cases {
        let mut world = world();
        let mut peer = Peer::new(transport, "", "sips:8001@10.1.0.9");
        peer.via = format!("{via} 10.1.0.9:49152").leak();
        assert_eq!(peer.send(&mut world, "INVITE", uri, OFFER)[0].status, 401);
        assert_eq!(peer.send(&mut world, "INVITE", uri, OFFER)[0].status, 100);
        let leg = world.incoming(0).leg;
        world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
        let (_, flow, answer) = world.log.last().unwrap();
        assert_eq!(answer.headers().text(HeaderName::Contact), Some(contact));
        assert_eq!(*flow, peer.flow());
    }
}

#[test]
fn a_phone_with_a_sips_contact_is_called_by_sips() {
    let mut world = world();
    Peer::new(Transport::Tls, "TLS 10.1.0.9:49152", "sips:8001@10.1.0.9:49152").sign_in(&mut world);
    let (_, invite) = invite_of(&mut world);
    assert!(invite.headers.text(HeaderName::Via).unwrap().starts_with("SIP/2.0/TLS 10.0.0.1:5060;"));
    assert_eq!(invite.headers.text(HeaderName::Contact), Some("<sips:13800138000@10.0.0.1:5060>"));
}

#[test]
fn a_trunk_with_a_certificate_is_known_by_it_alone() {
    let at = addr("10.0.0.1:5060");
    let uri = "sip:95118@busyhour";
    for (sources, shown, admitted) in [
        (vec![], vec![TrunkId(3)], true),
        (vec![], vec![], false),
        (vec![], vec![TrunkId(4)], false),
        (vec!["10.1.0.0/16"], vec![TrunkId(3)], true),
        (vec!["10.1.0.0/16"], vec![], false),
        (vec!["10.2.0.0/16"], vec![TrunkId(3)], false),
    ] {
        let mut world = world();
        let mut line = trunk(3, addr("10.2.0.1:5061"));
        line.certified = true;
        line.sources = sources.iter().map(|net| net.parse().unwrap()).collect();
        world.ask(0, |stack, now| stack.reconfigure(now, config(at, vec![line], &[])));
        let mut peer = Peer::new(Transport::Tls, "TLS 10.1.0.9:49152", "sip:sbc@10.1.0.9");
        let flow = peer.flow();
        world.ask(0, |stack, now| stack.handle_certified(now, flow, &shown));
        let status = peer.send(&mut world, "INVITE", uri, OFFER)[0].status;
        assert_eq!(status, if admitted { 100 } else { 401 }, "{sources:?} {shown:?}");
        if admitted {
            assert_eq!(world.incoming(0).origin, Origin::Trunk(TrunkId(3)));
        }
    }
}

#[test]
fn a_request_after_the_connection_is_gone_asks_for_a_new_one_at_the_port_of_tls() {
    let mut world = world();
    let mut line = trunk(3, addr("10.2.0.1:5061"));
    line.sources = vec!["10.1.0.0/16".parse().unwrap()];
    let mut settings = config(addr("10.0.0.1:5060"), vec![line], &[]);
    settings.locals.push((Transport::Tls, addr("10.0.0.1:5061")));
    world.ask(0, |stack, now| stack.reconfigure(now, settings));
    let mut peer = Peer::new(Transport::Tls, "TLS 10.1.0.9:49152", "sip:sbc@10.1.0.9;transport=tls");
    peer.send(&mut world, "INVITE", "sip:95118@busyhour", OFFER);
    let leg = world.incoming(0).leg;
    world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
    let flow = peer.flow();
    world.ask(0, |stack, now| stack.handle_closed(now, flow));
    world.hang_up(0, leg);
    // Without an ACK it waits for its time.
    world.run(secs(40));
    let (flow, bye) = last_request(&world);
    assert_eq!((bye.method.as_str(), flow.connection, flow.remote), ("BYE", 0, addr("10.1.0.9:5061")));
}

/// One agent at a browser and at a desk phone: each is offered what it understands (RFC 8827, RFC 3264), in one leg.
#[test]
fn a_browser_is_offered_a_handshake_and_the_desk_phone_of_its_agent_plain_sound() {
    for (srtp, of_browser) in [(Secrecy::Accepted, "UDP/TLS/RTP/SAVPF"), (Secrecy::Refused, "RTP/AVP")] {
        let mut world = world_with(|config| {
            config.terms.srtp = srtp;
            config.secret.certificate = Some(Fingerprint([7; 32]));
        });
        let mut browser = Peer::browser();
        browser.sign_in(&mut world);
        let mut desk = Peer::new(Transport::Tcp, "TCP 10.1.0.8:5060", "sip:8001@10.1.0.8:5060;transport=tcp");
        (desk.at, desk.connection) = (addr("10.1.0.8:5060"), 6);
        desk.send(&mut world, "REGISTER", &format!("sip:{DOMAIN}"), "");
        desk.send(&mut world, "REGISTER", &format!("sip:{DOMAIN}"), "");
        let leg = world.ask(0, |stack, now| stack.invite(now, call(Target::Account("8001".into())))).unwrap();
        let sent: Vec<(Flow, Request)> = world
            .log
            .iter()
            .filter_map(|(_, flow, message)| match message {
                Message::Request(request) if request.method == Method::Invite => Some((*flow, request.clone())),
                _ => None,
            })
            .collect();
        let [(_, to_browser), (_, to_desk)] = [&browser, &desk]
            .map(|peer| sent.iter().find(|(flow, _)| flow.remote == peer.at).expect("both are rung").clone());
        let media = |request: &Request| {
            let text = String::from_utf8(request.body.to_vec()).unwrap();
            text.lines().find(|line| line.starts_with("m=audio")).unwrap().split(' ').nth(2).unwrap().to_owned()
        };
        assert_eq!([media(&to_browser), media(&to_desk)], [of_browser, "RTP/AVP"]);
        let mut answer = to_browser.reply(200);
        answer.set_to_tag("browser");
        answer.headers.push(HeaderName::Contact, "<sip:8001@df7jal23ls0d.invalid;transport=ws>");
        let sound = OFFER.replace("RTP/AVP", of_browser)
            + "a=rtcp-mux\r\na=setup:active\r\na=fingerprint:sha-256 "
            + &Fingerprint([8; 32]).to_string()
            + "\r\n";
        answer.set_body("application/sdp", sound.into());
        world.over(browser.transport, browser.at, 0, browser.connection, &answer.to_bytes());
        world.run(millis(20));
        let audio = world.events(0).into_iter().find_map(|event| match event {
            Event::Answered { leg: of, audio } if of == leg => Some(audio),
            _ => None,
        });
        let secret = audio.expect("it talks").srtp.is_some();
        assert_eq!(secret, srtp == Secrecy::Accepted);
    }
}
