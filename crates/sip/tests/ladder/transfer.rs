//! Ladders of transfers that phones ask for (RFC 3515, RFC 5589) and of legs that take another's place (RFC 3891).

use crate::phone::{PHONE, Phone};
use crate::{DOMAIN, OFFER, World, addr, config, millis, rtp, secs, trunk};
use busyhour_model::LegId;
use busyhour_sip::{Event, HeaderName, Message, Request, Response};

/// A phone that has signed in and called us; the legs of its calls, each with To as our 200 had it and its Call-ID.
struct Desk {
    world: World,
    phone: Phone,
    calls: Vec<(LegId, String, String)>,
}

impl Desk {
    fn new() -> Desk {
        let at = addr("10.0.0.1:5060");
        let mut world = World::new(1);
        world.add(at, config(at, vec![trunk(3, addr("10.2.0.1:5060"))], &["8001"]), 11);
        let mut phone = Phone::new(PHONE, "8001");
        phone.sign_in(&mut world);
        world.events(0);
        Desk { world, phone, calls: Vec::new() }
    }

    /// One more call of the phone, answered.
    fn call(&mut self) -> LegId {
        self.phone.call_id = format!("call-{}", self.calls.len());
        let more = format!("Contact: <sip:8001@{PHONE}>\r\nContent-Type: application/sdp\r\n");
        self.phone.send(&mut self.world, "INVITE", &more, OFFER);
        let leg = self.world.incoming(0).leg;
        self.world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
        self.world.run(millis(20));
        let ok = self.world.responses_to(self.phone.at).pop().unwrap();
        let to = ok.headers.text(HeaderName::To).unwrap().to_owned();
        self.phone.cseq -= 1;
        self.phone.send_to(&mut self.world, "ACK", "sip:95118@10.0.0.1", &to, "", "");
        self.world.events(0);
        self.calls.push((leg, to, self.phone.call_id.clone()));
        leg
    }

    /// A request in the phone's first call; its response, and what else we sent.
    fn within(&mut self, method: &str, more: &str) -> (Response, Vec<Request>) {
        let (_, to, call_id) = self.calls[0].clone();
        self.phone.call_id = call_id;
        self.phone.send_to(&mut self.world, method, "sip:95118@10.0.0.1", &to, more, "");
        let sent = self.sent();
        (self.world.responses_to(self.phone.at).pop().unwrap(), sent)
    }

    fn sent(&mut self) -> Vec<Request> {
        self.world.run(millis(20));
        let mut requests = Vec::new();
        self.world.inbox.retain(|(_, message)| match message {
            Message::Request(request) => {
                requests.push(request.clone());
                false
            }
            Message::Response(_) => true,
        });
        for request in &requests {
            let ok = request.reply(200);
            self.world.raw(self.phone.at, 0, std::str::from_utf8(&ok.to_bytes()).unwrap());
        }
        requests
    }

    fn tell(&mut self, leg: LegId, status: u16) -> Vec<Request> {
        self.world.ask(0, |stack, now| stack.tell_transfer(now, leg, status));
        self.sent()
    }

    /// Replaces as the phone names its last call: our tag is the one of the far side.
    fn replaces(&self) -> String {
        let (_, to, call_id) = self.calls.last().unwrap();
        let ours = to.split("tag=").nth(1).unwrap();
        format!("{call_id};to-tag={ours};from-tag=t{}", self.phone.at.port())
    }
}

fn fragment(notify: &Request) -> (&str, &str, &str) {
    let state = notify.headers.text(HeaderName::SubscriptionState).unwrap();
    (notify.headers.text(HeaderName::Event).unwrap(), state, std::str::from_utf8(&notify.body).unwrap())
}

/// RFC 3515 sections 2.4.2 to 2.4.5: 202, a NOTIFY at once, news, and a last one.
#[test]
fn a_phone_that_transfers_is_told_how_it_goes() {
    let mut desk = Desk::new();
    let leg = desk.call();
    let (response, sent) = desk.within("REFER", &format!("Refer-To: <sip:8002@{DOMAIN}>\r\n"));
    assert_eq!(response.status, 202);
    let event = format!("refer;id={}", desk.phone.cseq);
    assert_eq!(fragment(&sent[0]), (event.as_str(), "active;expires=180", "SIP/2.0 100 Trying\r\n"));
    assert_eq!(sent[0].headers.content_type().as_deref(), Some("message/sipfrag"));
    assert_eq!(desk.world.event(0), Event::TransferAsked { leg, to: "8002".into(), replaces: None });
    let (again, _) = desk.within("REFER", "Refer-To: <sip:8003@x>\r\n");
    assert_eq!((again.status, desk.world.events(0)), (491, Vec::new()), "one at a time");
    desk.world.run(secs(10));
    let sent = desk.tell(leg, 180);
    assert_eq!(fragment(&sent[0]), (event.as_str(), "active;expires=169", "SIP/2.0 180 Ringing\r\n"));
    let sent = desk.tell(leg, 486);
    assert_eq!(fragment(&sent[0]), (event.as_str(), "terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n"));
    assert!(desk.tell(leg, 200).is_empty(), "the subscription is over");
    let (response, _) = desk.within("REFER", "Refer-To: tel:+8613800138000\r\n");
    assert_eq!(response.status, 202, "and another may begin");
    assert_eq!(desk.world.event(0), Event::TransferAsked { leg, to: "+8613800138000".into(), replaces: None });
}

/// RFC 4488: who wants no NOTIFY gets none.
#[test]
fn refer_sub_false_is_a_transfer_without_news() {
    let mut desk = Desk::new();
    let leg = desk.call();
    let (response, sent) =
        desk.within("REFER", "Refer-To: <sip:8002@x>\r\nRefer-Sub: false\r\nRequire: norefersub\r\n");
    assert_eq!((response.status, response.headers.named("Refer-Sub")), (202, Some(&b"false"[..])));
    assert!(sent.is_empty() && desk.tell(leg, 200).is_empty());
    assert!(matches!(desk.world.event(0), Event::TransferAsked { .. }));
}

/// RFC 3515 section 2.4.2 and RFC 3261 section 21.4: what cannot be done is refused at once.
#[test]
fn a_refer_that_asks_for_something_else_is_refused() {
    let table = [
        ("", 400),
        ("Refer-To: <sip:a@x>\r\nRefer-To: <sip:b@x>\r\n", 400),
        ("Refer-To: <http://example.com/>\r\n", 416),
        ("Refer-To: <sip:a@x;method=BYE>\r\n", 501),
        ("Refer-To: <sip:a@x>\r\nRequire: strange\r\n", 420),
    ];
    for (more, status) in table {
        let mut desk = Desk::new();
        desk.call();
        let (response, sent) = desk.within("REFER", more);
        assert_eq!((response.status, sent.len(), desk.world.events(0).len()), (status, 0, 0), "{more}");
    }
}

/// RFC 5589 section 7: the other call is named by Replaces, from either end; one we do not have fails in a NOTIFY.
#[test]
fn an_attended_transfer_names_the_other_call() {
    let mut desk = Desk::new();
    let (leg, other) = (desk.call(), desk.call());
    let named = desk.replaces().replace(';', "%3B").replace('=', "%3D");
    let (response, _) = desk.within("REFER", &format!("Refer-To: <sip:8002@{DOMAIN}?Replaces={named}>\r\n"));
    assert_eq!(response.status, 202);
    assert_eq!(desk.world.event(0), Event::TransferAsked { leg, to: "8002".into(), replaces: Some(other) });
    desk.tell(leg, 200);
    let gone = "Refer-To: <sip:8002@x?Replaces=gone%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\n";
    let (response, sent) = desk.within("REFER", gone);
    assert_eq!((response.status, fragment(&sent[1]).2), (202, "SIP/2.0 481 Call/Transaction Does Not Exist\r\n"));
    assert_eq!(desk.world.events(0), []);
}

/// RFC 3891 section 3: an INVITE may name the leg it takes over; early-only spares one that is answered.
#[test]
fn an_invite_with_replaces_names_the_leg_it_takes_over() {
    let mut desk = Desk::new();
    let leg = desk.call();
    let replaces = desk.replaces();
    let mut second = Phone::new("10.1.0.8:5062", "8001");
    second.sign_in(&mut desk.world);
    desk.world.events(0);
    let more = |replaces: &str| {
        format!("Contact: <sip:8001@10.1.0.8:5062>\r\nContent-Type: application/sdp\r\nReplaces: {replaces}\r\n")
    };
    let mut invite = |replaces: &str| {
        second.call_id.push('x');
        let required = format!("{}Require: replaces\r\n", more(replaces));
        let responses = second.send(&mut desk.world, "INVITE", &required, OFFER);
        (responses.last().unwrap().status, desk.world.events(0))
    };
    assert_eq!(invite("nobody;to-tag=1;from-tag=2").0, 481);
    assert_eq!(invite("nonsense").0, 400);
    assert_eq!(invite(&format!("{replaces};early-only")).0, 486);
    let (status, events) = invite(&replaces);
    assert_eq!(status, 100);
    assert!(matches!(&events[..], [Event::Incoming(incoming)] if incoming.replaces == Some(leg)), "{events:?}");
}

/// A carrier's REFER is none of its business, and one outside a dialog nobody's.
#[test]
fn strangers_transfer_nothing() {
    use crate::carrier::{OFFERED, TO, send, to_of, world};
    let mut world = world();
    send(&mut world, TO, "INVITE", 1, OFFERED, OFFER);
    let leg = world.incoming(0).leg;
    world.ask(0, |stack, now| stack.answer(now, leg, rtp())).unwrap();
    world.run(millis(100));
    let ok = world.responses_to(crate::carrier::carrier()).pop().unwrap();
    send(&mut world, &to_of(&ok), "ACK", 1, "", "");
    world.events(0);
    assert_eq!(send(&mut world, &to_of(&ok), "REFER", 2, "Refer-To: <sip:1@x>\r\n", "")[0].status, 403);
    assert_eq!(send(&mut world, TO, "REFER", 3, "Refer-To: <sip:1@x>\r\n", "")[0].status, 403);
    assert_eq!(world.events(0), []);
}
