//! A hand-written carrier with one call to us, for packet ladders.

use super::{Raw, World, addr, config, millis, rtp, trunk};
use busyhour_model::{LegId, TrunkId};
use busyhour_sip::{HeaderName, Invite, Message, Request, Response, Target, TrunkPeer};
use std::net::SocketAddr;

/// To of the carrier's INVITE.
pub const TO: &str = "<sip:95118@10.0.0.1>";
/// What an INVITE with an offer says beside it.
pub const OFFERED: &str = "Contact: <sip:c@10.2.0.1:5060>\r\nContent-Type: application/sdp\r\n";

pub fn carrier() -> SocketAddr {
    addr("10.2.0.1:5060")
}

/// Our stack with this carrier as its trunk 3.
pub fn world() -> World {
    world_with(trunk(3, carrier()))
}

/// The same, where the carrier is this trunk.
pub fn world_with(trunk: TrunkPeer) -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk], &[]), 11);
    world
}

/// A request of the carrier's call; what comes back within 100 ms.
pub fn send(world: &mut World, to_line: &str, method: &str, cseq: u32, more: &str, body: &str) -> Vec<Response> {
    // A CANCEL has the branch of what it cancels.
    let branch = format!("z9hG4bK{}{cseq}", if method == "CANCEL" { "INVITE" } else { method });
    let raw = Raw {
        method,
        uri: "sip:95118@10.0.0.1",
        from: carrier(),
        branch: &branch,
        call_id: "d1",
        from_line: "<sip:13800138000@carrier.example>;tag=c",
        to_line,
        cseq,
        more,
        body,
    };
    world.raw(carrier(), 0, &raw.text());
    world.run(millis(100));
    world.responses_to(carrier())
}

/// We call a number by this carrier.
pub fn call(world: &mut World) -> LegId {
    let target = Target::Trunk { trunk: TrunkId(3), number: "13900139000".to_owned() };
    let invite = Invite::new(target, "02195118", rtp());
    world.ask(0, |stack, now| stack.invite(now, invite)).unwrap()
}

/// To of our response, with our tag.
pub fn to_of(response: &Response) -> String {
    response.headers.text(HeaderName::To).unwrap().to_owned()
}

/// Requests of ours that the carrier gets within 100 ms.
pub fn requests(world: &mut World) -> Vec<Request> {
    let requests = world.inbox(millis(100)).into_iter().filter_map(|message| match message {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    });
    requests.collect()
}

/// The carrier's response to a request of ours, with these headers and perhaps an answer to our offer.
pub fn answer(world: &mut World, request: &Request, status: u16, more: &[(HeaderName, &str)], sound: bool) {
    let mut response = request.reply(status);
    response.set_to_tag("carrier");
    for (name, value) in more {
        response.headers.push(*name, value);
    }
    response.headers.push(HeaderName::Contact, "<sip:c@10.2.0.1:5060>");
    if sound {
        response.set_body("application/sdp", super::OFFER.into());
    }
    world.raw(carrier(), 0, std::str::from_utf8(&response.to_bytes()).unwrap());
}
