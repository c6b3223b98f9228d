//! Ladders of the registrar's limits: how long, how many, by which way (RFC 3261 section 10, RFC 3327).

use crate::phone::{PHONE, Phone};
use crate::{World, addr, config, millis, rtp, secs};
use busyhour_model::Name;
use busyhour_sip::{HeaderName, Invite, Limits, Message, Request, Target};

fn world(limits: Limits) -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, busyhour_sip::Config { limits, ..config(at, Vec::new(), &["8001"]) }, 11);
    world
}

fn limits() -> Limits {
    Limits { sha256: true, ..Limits::default() }
}

/// A phone that has its challenge.
fn challenged(world: &mut World) -> Phone {
    let mut phone = Phone::new(PHONE, "8001");
    assert_eq!(phone.register(world, "").status, 401);
    phone
}

fn contact(expires: u32) -> String {
    format!("Contact: <sip:8001@{PHONE}>;expires={expires}\r\n")
}

/// Requests that came to the phone.
fn requests(world: &mut World) -> Vec<Request> {
    let request = |message| match message {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    };
    world.inbox(millis(100)).into_iter().filter_map(request).collect()
}

fn invite(world: &mut World) -> Request {
    let invite = Invite::new(Target::Account("8001".into()), "13800138000", rtp());
    world.ask(0, |stack, now| stack.invite(now, invite)).unwrap();
    requests(world).remove(0)
}

#[test]
fn section_10_3_too_brief_and_too_long_a_registration() {
    let mut world = world(Limits { register_min: 120, register_max: 300, ..limits() });
    let mut phone = challenged(&mut world);
    let brief = phone.register(&mut world, &contact(119));
    assert_eq!((brief.status, brief.headers.text(HeaderName::MinExpires)), (423, Some("120")));
    for asked in [contact(3600), format!("Contact: <sip:8001@{PHONE}>\r\n")] {
        let granted = phone.register(&mut world, &asked);
        assert!(granted.headers.text(HeaderName::Contact).unwrap().ends_with("expires=300"), "{granted:?}");
    }
    world.run(secs(301));
    assert_eq!(world.stack(0).contacts("8001"), 0);
}

#[test]
fn section_10_3_one_phone_more_than_there_may_be_replaces_the_first() {
    let mut world = world(Limits { contacts: 1, ..limits() });
    let mut phone = challenged(&mut world);
    phone.register(&mut world, &contact(600));
    let listed = phone.register(&mut world, "Contact: <sip:8001@10.1.0.8:5060>\r\n");
    let contacts: Vec<_> = listed.headers.list(HeaderName::Contact).collect();
    assert_eq!(contacts.len(), 1);
    assert!(contacts[0].starts_with(b"<sip:8001@10.1.0.8:5060>"));
}

#[test]
fn rfc_3327_calls_go_by_the_path_the_phone_came_by() {
    let mut world = world(limits());
    let mut proxy = challenged(&mut world);
    let path = "<sip:edge.example;lr>";
    let behind = format!("Contact: <sip:8001@192.168.0.9:5070>\r\nRequire: path\r\nPath: {path}\r\n");
    let registered = proxy.register(&mut world, &behind);
    assert_eq!((registered.status, registered.headers.text(HeaderName::Path)), (200, Some(path)));
    let invite = invite(&mut world);
    assert_eq!(invite.uri.to_string(), "sip:8001@192.168.0.9:5070");
    assert_eq!(invite.headers.text(HeaderName::Route), Some(path));
    let long = format!("{}Path: {}\r\n", contact(600), [path; 5].join(", "));
    assert_eq!(proxy.register(&mut world, &long).status, 400, "more hops than anybody has");
}

#[test]
fn a_phone_is_asked_to_register_again() {
    let mut world = world(limits());
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    let account = Name::from("8001");
    assert_eq!(world.ask(0, |stack, now| stack.resync(now, &account)), 1);
    let notify = requests(&mut world).remove(0);
    assert_eq!(notify.method.as_str(), "NOTIFY");
    assert_eq!(notify.headers.text(HeaderName::Event), Some("check-sync;reboot=false"));
    assert_eq!(notify.headers.text(HeaderName::SubscriptionState), Some("terminated"));
}
