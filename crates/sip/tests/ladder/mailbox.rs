//! Ladders of waiting messages: subscriptions (RFC 6665, RFC 3842), and phones that are told unasked.

use crate::phone::{PHONE, Phone};
use crate::{DOMAIN, World, addr, config, millis, secs, trunk};
use busyhour_model::Seed;
use busyhour_sip::{HeaderName, Request, Response, Stack, Summary};
use std::net::SocketAddr;

const OWN: &str = "sip:8001@pbx.example";
const ASK: &str = "Event: message-summary\r\nAccept: application/simple-message-summary\r\n";

fn world() -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk(3, addr("10.2.0.1:5060"))], &["8001", "8002"]), 11);
    world
}

/// A world that tells phones unasked.
fn unasked() -> World {
    let mut world = world();
    let mut next = config(world.ends[0].at, vec![], &["8001", "8002"]);
    next.limits.mwi_unsolicited = true;
    world.ask(0, |stack, now| stack.reconfigure(now, next));
    world
}

fn mail(world: &mut World, new: u32, old: u32) {
    world.ask(0, |stack, now| stack.mailbox(now, "8001", Summary { new, old }));
}

/// The phone's side of a subscription.
struct Watch {
    phone: Phone,
    /// To, with our tag once there is one.
    to: String,
    /// Where requests of the dialog go.
    uri: String,
}

impl Watch {
    fn new(at: &str, user: &'static str) -> Watch {
        let mut phone = Phone::new(at, user);
        phone.call_id = format!("sub-{at}");
        let uri = format!("sip:{user}@{DOMAIN}");
        Watch { phone, to: format!("<{uri}>"), uri }
    }

    /// A phone that has subscribed and answered the first NOTIFY.
    fn begun(world: &mut World, at: &str) -> Watch {
        let mut watch = Watch::new(at, "8001");
        assert_eq!(watch.subscribe(world, "Expires: 600\r\n").status, 200);
        assert_eq!(watch.hear(world, 200).len(), 1);
        watch
    }

    /// One SUBSCRIBE and its response; NOTIFYs stay in the inbox.
    fn send(&mut self, world: &mut World, more: &str) -> Response {
        let more = format!("Contact: <sip:{}@{}>\r\n{more}", self.phone.user, self.phone.at);
        self.phone.send_to(world, "SUBSCRIBE", &self.uri, &self.to, &more, "");
        world.run(millis(20));
        let mut responses = world.responses_to(self.phone.at);
        self.phone.learn(&responses);
        responses.remove(0)
    }

    /// SUBSCRIBE to messages, the challenge answered.
    fn subscribe(&mut self, world: &mut World, more: &str) -> Response {
        let more = format!("{ASK}{more}");
        let mut response = self.send(world, &more);
        if response.status == 401 {
            response = self.send(world, &more);
        }
        if response.status == 200 {
            self.to = response.headers.text(HeaderName::To).unwrap().to_owned();
            let contact = response.headers.text(HeaderName::Contact).unwrap();
            self.uri = contact.trim_matches(['<', '>']).to_owned();
        }
        response
    }

    /// The NOTIFYs that came within 20 ms, each answered; with 0 none is.
    fn hear(&self, world: &mut World, status: u16) -> Vec<Request> {
        let heard = heard(world, self.phone.at, 20);
        for notify in heard.iter().filter(|_| status > 0) {
            answer(world, self.phone.at, notify, status);
        }
        heard
    }
}

fn heard(world: &mut World, at: SocketAddr, span: u64) -> Vec<Request> {
    world.run(millis(span));
    world.requests_to(at)
}

fn answer(world: &mut World, at: SocketAddr, request: &Request, status: u16) {
    let mut response = request.reply(status);
    response.set_to_tag("phone");
    world.raw(at, 0, std::str::from_utf8(&response.to_bytes()).unwrap());
}

fn body(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

/// Voice-Message of a NOTIFY.
fn counts(request: &Request) -> &str {
    let line = body(request).lines().find_map(|line| line.strip_prefix("Voice-Message: "));
    line.unwrap().strip_suffix(" (0/0)").unwrap()
}

fn state(request: &Request) -> &str {
    request.headers.text(HeaderName::SubscriptionState).unwrap()
}

#[test]
fn rfc_3842_5_a_subscriber_is_told_at_once_and_of_every_change() {
    let mut world = world();
    let mut watch = Watch::new(PHONE, "8001");
    let granted = watch.subscribe(&mut world, "Expires: 600\r\n");
    assert_eq!(granted.status, 200);
    assert_eq!(granted.headers.expires(), Some(600));
    assert_eq!(granted.headers.text(HeaderName::AllowEvents), Some("message-summary, dialog, presence"));
    let first = watch.hear(&mut world, 200).remove(0);
    assert_eq!(first.uri.to_string(), format!("sip:8001@{PHONE}"));
    assert_eq!(first.headers.cseq().unwrap().0, 1);
    assert_eq!(first.headers.call_id(), watch.phone.call_id);
    assert_eq!(first.headers.from_tag(), granted.headers.to_tag());
    assert!(first.headers.has(HeaderName::Contact), "RFC 6665 section 4.2.2: NOTIFY refreshes the target");
    assert_eq!(first.headers.text(HeaderName::Event), Some("message-summary"));
    assert_eq!(state(&first), "active;expires=600");
    assert_eq!(first.headers.content_type().unwrap(), "application/simple-message-summary");
    assert_eq!(body(&first), format!("Messages-Waiting: no\r\nMessage-Account: {OWN}\r\nVoice-Message: 0/0 (0/0)\r\n"));
    world.run(secs(10));
    mail(&mut world, 2, 8);
    let second = watch.hear(&mut world, 200).remove(0);
    assert_eq!((second.headers.cseq().unwrap().0, state(&second)), (2, "active;expires=590"));
    assert_eq!(
        body(&second),
        format!("Messages-Waiting: yes\r\nMessage-Account: {OWN}\r\nVoice-Message: 2/8 (0/0)\r\n")
    );
    mail(&mut world, 2, 8);
    assert!(watch.hear(&mut world, 200).is_empty(), "nothing changed");
    mail(&mut world, 0, 3);
    assert!(
        body(&watch.hear(&mut world, 200)[0]).starts_with("Messages-Waiting: no\r\n"),
        "old messages light no lamp"
    );
    assert!(world.events(0).is_empty());
}

#[test]
fn rfc_6665_4_2_1_refreshing_keeps_the_dialog_and_its_id() {
    let mut world = world();
    let mut watch = Watch::new(PHONE, "8001");
    let ask = "Event: message-summary;id=7\r\nExpires: 100\r\n";
    assert_eq!(watch.send(&mut world, ask).status, 401);
    let granted = watch.send(&mut world, ask);
    watch.to = granted.headers.text(HeaderName::To).unwrap().to_owned();
    assert_eq!(watch.hear(&mut world, 200)[0].headers.text(HeaderName::Event), Some("message-summary;id=7"));
    world.run(secs(90));
    assert_eq!(watch.send(&mut world, ask).headers.to_tag(), granted.headers.to_tag());
    assert_eq!(state(&watch.hear(&mut world, 200)[0]), "active;expires=100");
    world.run(secs(90));
    assert_eq!(world.stack(0).lamps(), 1, "the first 100 s no longer count");
    watch.phone.cseq -= 1;
    assert_eq!(watch.send(&mut world, ask).status, 500, "no newer CSeq");
    assert_eq!(watch.send(&mut world, "Event: presence\r\n").status, 489);
}

#[test]
fn rfc_6665_4_4_1_a_subscription_ends_by_good_bye_or_by_its_time() {
    let mut world = world();
    mail(&mut world, 1, 0);
    for (at, good_bye) in [(PHONE, true), ("10.1.0.8:5060", false)] {
        let mut watch = Watch::begun(&mut world, at);
        if good_bye {
            let last = watch.subscribe(&mut world, "Expires: 0\r\n");
            assert_eq!((last.status, last.headers.expires()), (200, Some(0)));
        } else {
            world.run(secs(599));
            assert_eq!(world.stack(0).lamps(), 1);
            world.run(secs(1));
        }
        let last = watch.hear(&mut world, 200).remove(0);
        assert_eq!((state(&last), counts(&last)), ("terminated;reason=timeout", "1/0"));
        assert_eq!(world.stack(0).lamps(), 0);
        assert_eq!(watch.send(&mut world, ASK).status, 481, "the dialog is over");
        mail(&mut world, 0, 1);
        assert!(watch.hear(&mut world, 200).is_empty());
        mail(&mut world, 1, 0);
        world.run(secs(40));
    }
    world.assert_quiet();
}

#[test]
fn rfc_6665_4_4_3_a_question_asked_once_leaves_nothing_behind() {
    let mut world = world();
    mail(&mut world, 3, 1);
    let mut watch = Watch::new(PHONE, "8001");
    assert_eq!(watch.subscribe(&mut world, "Expires: 0\r\n").status, 200);
    let only = watch.hear(&mut world, 200).remove(0);
    assert_eq!((state(&only), counts(&only)), ("terminated;reason=timeout", "3/1"));
    assert_eq!(world.stack(0).lamps(), 0);
    world.assert_quiet();
}

#[test]
fn rfc_6665_4_2_1_1_what_a_notifier_must_refuse() {
    let cases = [
        ("Event: reg\r\n", 489),
        ("Event: message-summary2\r\n", 489),
        ("", 489),
        ("Event: message-summary\r\nExpires: 59\r\n", 423),
        ("Event: message-summary\r\nAccept: application/pidf+xml\r\n", 406),
        ("Event: message-summary\r\nRequire: eventlist\r\n", 420),
        ("Event: MESSAGE-SUMMARY\r\nAccept: */*\r\n", 200),
        ("o: message-summary\r\n", 200),
    ];
    for (more, status) in cases {
        let mut world = world();
        let mut watch = Watch::new(PHONE, "8001");
        assert_eq!(watch.send(&mut world, more).status, 401);
        let response = watch.send(&mut world, more);
        assert_eq!(response.status, status, "{more}");
        assert_eq!(response.headers.text(HeaderName::MinExpires), (status == 423).then_some("60"));
        let events = response.headers.text(HeaderName::AllowEvents);
        assert_eq!(events, matches!(status, 489 | 200).then_some("message-summary, dialog, presence"), "{more}");
        assert_eq!(
            response.headers.expires(),
            (status == 200).then_some(3600),
            "the time given when none is asked for"
        );
        assert_eq!(world.stack(0).lamps(), usize::from(status == 200));
    }
}

#[test]
fn nobody_watches_the_mailbox_of_another() {
    let mut world = world();
    let mut watch = Watch::new(PHONE, "8002");
    for (number, status) in [("8001", 403), ("8002", 200), ("*97", 200)] {
        watch.uri = format!("sip:{number}@{DOMAIN}");
        watch.to = format!("<{}>", watch.uri);
        watch.phone.call_id = format!("sub-{number}");
        assert_eq!(watch.subscribe(&mut world, "").status, status, "{number}");
    }
    for notify in watch.hear(&mut world, 200) {
        assert!(body(&notify).contains("Message-Account: sip:8002@"));
    }
    let mut trunk = Watch::new("10.2.0.1:5060", "8001");
    assert_eq!(trunk.send(&mut world, ASK).status, 403);
    assert_eq!(world.stack(0).lamps(), 2);
}

#[test]
fn rfc_6665_4_2_2_a_phone_that_knows_of_no_subscription_or_is_silent_has_none() {
    for (status, left) in [(200, 1), (481, 0), (489, 0), (500, 1), (0, 0)] {
        let mut world = world();
        let watch = Watch::begun(&mut world, PHONE);
        mail(&mut world, 1, 0);
        assert_eq!(watch.hear(&mut world, status).len(), 1);
        world.run(secs(33));
        assert_eq!(world.stack(0).lamps(), left, "{status}");
        mail(&mut world, 0, 0);
        world.inbox.clear();
        assert_eq!(watch.hear(&mut world, 200).len(), left, "{status}");
    }
}

#[test]
fn a_phone_is_told_one_thing_at_a_time_and_the_last_at_last() {
    let mut world = world();
    let watch = Watch::begun(&mut world, PHONE);
    for new in 1..=9 {
        mail(&mut world, new, 0);
    }
    let heard = watch.hear(&mut world, 200);
    assert_eq!(heard.iter().map(counts).collect::<Vec<_>>(), ["1/0"]);
    let heard = watch.hear(&mut world, 200);
    assert_eq!(heard.iter().map(counts).collect::<Vec<_>>(), ["9/0"]);
    assert!(watch.hear(&mut world, 200).is_empty());
}

#[test]
fn phones_that_start_again_and_again_have_bounded_subscriptions() {
    let mut world = world();
    let first = Watch::begun(&mut world, PHONE);
    world.run(secs(1));
    for n in 0..3 {
        Watch::begun(&mut world, &format!("10.1.1.{n}:5060"));
    }
    assert_eq!(world.stack(0).lamps(), 4);
    Watch::begun(&mut world, "10.1.1.9:5060");
    assert_eq!(state(&first.hear(&mut world, 200)[0]), "terminated;reason=probation;retry-after=3600");
    assert_eq!(world.stack(0).lamps(), 4, "the one that would end first made room");
    Watch::new("10.1.1.10:5060", "8001").subscribe(&mut world, "Expires: 0\r\n");
    assert_eq!(world.stack(0).lamps(), 4, "a question asked once drives nobody out");

    let mut next = config(world.ends[0].at, vec![], &["8001", "8002"]);
    next.limits.lamps = 4;
    world.ask(0, |stack, now| stack.reconfigure(now, next));
    let refused = Watch::new("10.1.2.1:5060", "8002").subscribe(&mut world, "");
    assert_eq!((refused.status, refused.headers.retry_after()), (503, Some(5)));
    assert_eq!(world.stack(0).counters().overloaded, 1);
}

#[test]
fn a_removed_account_is_watched_no_more() {
    let mut world = world();
    let watch = Watch::begun(&mut world, PHONE);
    let next = config(world.ends[0].at, vec![], &["8002"]);
    world.ask(0, |stack, now| stack.reconfigure(now, next));
    assert_eq!(state(&watch.hear(&mut world, 200)[0]), "terminated;reason=noresource");
    mail(&mut world, 1, 0);
    assert!(watch.hear(&mut world, 200).is_empty(), "nothing is kept for a stranger");
    world.assert_quiet();
}

#[test]
fn options_says_that_messages_can_be_watched() {
    let mut world = world();
    let options = Phone::new(PHONE, "8001").send(&mut world, "OPTIONS", "", "").remove(0);
    assert_eq!(options.headers.text(HeaderName::AllowEvents), Some("message-summary, dialog, presence"));
    assert!(options.headers.has_token(HeaderName::Allow, "SUBSCRIBE"));
}

#[test]
fn a_registered_phone_is_told_unasked() {
    let mut world = unasked();
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    assert!(heard(&mut world, phone.at, 20).is_empty(), "no messages, no word");
    assert_eq!(world.stack(0).lamps(), 0, "nor any memory");
    mail(&mut world, 1, 0);
    let told = heard(&mut world, phone.at, 20).remove(0);
    assert_eq!(told.uri.to_string(), format!("sip:8001@{PHONE}"));
    assert_eq!((told.headers.from().unwrap().uri.to_string(), told.headers.to_tag()), (OWN.to_owned(), None));
    assert_eq!((told.headers.text(HeaderName::Event), state(&told)), (Some("message-summary"), "active"));
    assert_eq!(counts(&told), "1/0");
    answer(&mut world, phone.at, &told, 200);
    phone.sign_in(&mut world);
    assert!(heard(&mut world, phone.at, 20).is_empty(), "it knows already");
    phone.call_id = "started-again".to_owned();
    phone.sign_in(&mut world);
    let told = heard(&mut world, phone.at, 20).remove(0);
    assert_eq!(counts(&told), "1/0", "it has forgotten");
    assert_eq!(world.stack(0).lamps(), 1, "what it was before is forgotten too");
    answer(&mut world, phone.at, &told, 200);
    mail(&mut world, 0, 0);
    let told = heard(&mut world, phone.at, 20).remove(0);
    assert_eq!(counts(&told), "0/0");
    answer(&mut world, phone.at, &told, 200);
    phone.register(&mut world, "Contact: *\r\nExpires: 0\r\n");
    assert_eq!(world.stack(0).lamps(), 0);
    world.assert_quiet();
}

#[test]
fn a_phone_that_refuses_to_be_told_unasked_is_left_alone() {
    for status in [481, 489, 405, 0] {
        let mut world = unasked();
        let mut phone = Phone::new(PHONE, "8001");
        phone.sign_in(&mut world);
        mail(&mut world, 1, 0);
        let told = heard(&mut world, phone.at, 20).remove(0);
        if status > 0 {
            answer(&mut world, phone.at, &told, status);
        }
        world.run(secs(40));
        world.inbox.clear();
        mail(&mut world, 2, 0);
        assert!(heard(&mut world, phone.at, 20).is_empty(), "{status}");
        phone.sign_in(&mut world);
        let after = heard(&mut world, phone.at, 20).len();
        assert_eq!(after, usize::from(status == 0), "who was silent is alive again; who refused knows what it wants");
    }
}

#[test]
fn who_subscribed_is_not_told_twice_and_nobody_unasked_by_default() {
    for asked in [true, false] {
        let mut world = if asked { unasked() } else { world() };
        Phone::new("10.1.0.8:5060", "8001").sign_in(&mut world);
        let watch = asked.then(|| Watch::begun(&mut world, PHONE));
        mail(&mut world, 1, 0);
        assert_eq!(watch.map(|watch| watch.hear(&mut world, 200).len()), asked.then_some(1));
        assert!(heard(&mut world, addr("10.1.0.8:5060"), 20).is_empty());
    }
}

/// Changes, renewals and losses at random; then calm.
fn storm(seed: u64) {
    let mut draws = Seed(seed);
    let mut world = world();
    world.seed = Seed(seed ^ 77);
    let mut watch = Watch::begun(&mut world, PHONE);
    world.weather = crate::Weather { loss: draws.below(300), double: draws.below(200), delay: 5, jitter: 200 };
    let mut shown = (0, "0/0".to_owned());
    let mut mailbox = String::from("0/0");
    for step in 0..80 {
        if step == 60 {
            world.weather = crate::Weather { delay: 5, ..crate::Weather::default() };
        }
        if step < 60 && draws.below(2) == 0 {
            let (new, old) = (draws.below(4) as u32, draws.below(2) as u32);
            mailbox = format!("{new}/{old}");
            mail(&mut world, new, old);
        }
        if draws.below(6) == 0 {
            let more = format!("{ASK}Expires: 600\r\nContact: <sip:8001@{PHONE}>\r\n");
            let (uri, to) = (watch.uri.clone(), watch.to.clone());
            watch.phone.send_to(&mut world, "SUBSCRIBE", &uri, &to, &more, "");
        }
        if draws.below(10) == 0 {
            let bytes = postcard::to_stdvec(world.stack(0)).unwrap();
            *world.stack(0) = postcard::from_bytes::<Stack>(&bytes).unwrap();
        }
        let span = draws.below(1500);
        for notify in heard(&mut world, watch.phone.at, span) {
            let number = notify.headers.cseq().unwrap().0;
            if number > shown.0 {
                shown = (number, counts(&notify).to_owned());
            }
            if step >= 60 || draws.below(3) > 0 {
                answer(&mut world, watch.phone.at, &notify, 200);
            }
        }
    }
    if world.stack(0).lamps() == 1 {
        assert_eq!(shown.1, mailbox, "seed {seed}");
    }
}

#[test]
fn whatever_is_lost_a_lamp_that_is_subscribed_shows_the_truth() {
    (0..100).for_each(storm);
}
