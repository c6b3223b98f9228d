//! Ladders of busy lamps: who is on the phone (RFC 4235), who can be reached (RFC 3856).

use crate::phone::{PHONE, Phone};
use crate::{DOMAIN, World, addr, config, millis, secs, trunk};
use busyhour_sip::{Activity, Busy, Direction, HeaderName, Package, Presence, Request, Response, Shown, Stage};

const ACCOUNTS: [&str; 3] = ["8001", "8002", "8003"];

fn world() -> World {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    world.add(at, config(at, vec![trunk(3, addr("10.2.0.1:5060"))], &ACCOUNTS), 11);
    world.ask(0, |stack, now| stack.let_watch(now, ["card".into()].into()));
    world
}

fn busy(id: u64, stage: Stage, direction: Direction) -> Option<Busy> {
    Some(Busy { id, stage, direction })
}

fn show(world: &mut World, of: &str, shown: Shown) {
    world.ask(0, |stack, now| stack.show(now, of, shown));
    world.ends[0].stack.check_lamps();
}

fn line(world: &mut World, of: &str, busy: Option<Busy>) {
    show(world, of, Shown::Dialog(busy));
}

/// A key with a lamp on the phone of 8001.
struct Key {
    phone: Phone,
    uri: String,
    to: String,
}

impl Key {
    fn new(at: &str, of: &str) -> Key {
        let mut phone = Phone::new(at, "8001");
        phone.call_id = format!("key-{at}-{of}");
        let uri = format!("sip:{of}@{DOMAIN}");
        Key { phone, to: format!("<{uri}>"), uri }
    }

    fn send(&mut self, world: &mut World, more: &str) -> Response {
        let more = format!("Contact: <sip:8001@{}>\r\n{more}", self.phone.at);
        for _ in 0..2 {
            self.phone.send_to(world, "SUBSCRIBE", &self.uri, &self.to, &more, "");
            world.run(millis(20));
            let mut responses = world.responses_to(self.phone.at);
            self.phone.learn(&responses);
            let response = responses.remove(0);
            if response.status == 200 {
                self.to = response.headers.text(HeaderName::To).unwrap().to_owned();
                self.uri = response.headers.text(HeaderName::Contact).unwrap().trim_matches(['<', '>']).to_owned();
            }
            if response.status != 401 {
                return response;
            }
        }
        panic!("challenged twice");
    }

    /// A phone that watches; what it was told first is answered.
    fn lit(world: &mut World, at: &str, of: &str, package: &str) -> (Key, Request) {
        let mut key = Key::new(at, of);
        assert_eq!(key.send(world, &format!("Event: {package}\r\nExpires: 600\r\n")).status, 200);
        let first = key.hear(world, 200).remove(0);
        (key, first)
    }

    fn hear(&self, world: &mut World, status: u16) -> Vec<Request> {
        world.run(millis(20));
        let heard = world.requests_to(self.phone.at);
        for notify in heard.iter().filter(|_| status > 0) {
            let mut response = notify.reply(status);
            response.set_to_tag("phone");
            world.raw(self.phone.at, 0, std::str::from_utf8(&response.to_bytes()).unwrap());
        }
        heard
    }

    /// The dialogs of the one NOTIFY that came, answered: id, direction, state.
    fn dialogs(&self, world: &mut World) -> String {
        let heard = self.hear(world, 200);
        assert_eq!(heard.len(), 1, "one NOTIFY");
        dialogs(&heard[0])
    }
}

fn body(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

fn dialogs(request: &Request) -> String {
    let lines = body(request).lines().filter(|line| line.starts_with("<dialog "));
    let short = |line: &str| line.replace("<dialog id=", "").replace("direction=", "").replace("</dialog>", "");
    lines.map(short).collect::<Vec<_>>().join(" ").replace("<state>", "").replace("</state>", "").replace('>', " ")
}

#[test]
fn rfc_4235_3_a_watcher_is_told_the_full_state_and_each_change() {
    let mut world = world();
    let (key, first) = Key::lit(&mut world, PHONE, "8002", "dialog");
    assert_eq!(first.headers.content_type().unwrap(), "application/dialog-info+xml");
    assert_eq!(first.headers.text(HeaderName::Event), Some("dialog"));
    assert_eq!(
        body(&first),
        "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" \
         state=\"full\" entity=\"sip:8002@pbx.example\">\r\n<dialog id=\"0\"><state>terminated</state></dialog>\r\n\
         </dialog-info>\r\n"
    );
    line(&mut world, "8002", busy(7, Stage::Early, Direction::Recipient));
    let second = key.hear(&mut world, 200).remove(0);
    assert!(body(&second).contains("version=\"1\""), "4.1.1: versions rise by one");
    assert_eq!(dialogs(&second), "\"7\" \"recipient\" early");
    line(&mut world, "8002", busy(7, Stage::Confirmed, Direction::Recipient));
    assert_eq!(key.dialogs(&mut world), "\"7\" \"recipient\" confirmed");
    line(&mut world, "8002", busy(8, Stage::Trying, Direction::Initiator));
    assert_eq!(key.dialogs(&mut world), "\"7\" \"recipient\" terminated \"8\" \"initiator\" trying");
    line(&mut world, "8002", None);
    assert_eq!(key.dialogs(&mut world), "\"8\" \"initiator\" terminated");
    line(&mut world, "8002", None);
    line(&mut world, "8003", busy(9, Stage::Early, Direction::Recipient));
    assert!(key.hear(&mut world, 200).is_empty(), "no news, and somebody else's");
}

#[test]
fn a_storm_of_changes_is_told_by_its_newest() {
    let mut world = world();
    let (key, _) = Key::lit(&mut world, PHONE, "8002", "dialog");
    for id in 1..100 {
        line(&mut world, "8002", busy(id, Stage::Early, Direction::Recipient));
        line(&mut world, "8002", busy(id, Stage::Confirmed, Direction::Recipient));
    }
    let out = key.hear(&mut world, 200);
    assert_eq!((out.len(), dialogs(&out[0]).as_str()), (1, "\"1\" \"recipient\" early"), "one NOTIFY is out at a time");
    assert_eq!(key.dialogs(&mut world), "\"1\" \"recipient\" terminated \"99\" \"recipient\" confirmed");
    assert!(key.hear(&mut world, 200).is_empty());
    world.ends[0].stack.check_lamps();
}

#[test]
fn rfc_3856_6_presence_says_who_can_be_reached_and_what_keeps_them() {
    let mut world = world();
    let (key, first) = Key::lit(&mut world, PHONE, "8002", "presence");
    assert_eq!(first.headers.content_type().unwrap(), "application/pidf+xml");
    assert!(body(&first).contains("<basic>closed</basic></status></tuple>"), "{}", body(&first));
    let note = "lunch & <rest>".into();
    show(&mut world, "8002", Shown::Presence(Presence { open: true, activity: Some(Activity::Away), note }));
    let second = key.hear(&mut world, 200).remove(0);
    let said = body(&second);
    assert!(said.contains("<basic>open</basic></status><note>lunch &amp; &lt;rest&gt;</note>"), "{said}");
    assert!(said.contains("<rpid:activities><rpid:away/></rpid:activities>"), "{said}");
    assert!(said.contains("entity=\"sip:8002@pbx.example\""), "{said}");
}

#[test]
fn a_queue_is_watched_by_its_name_and_what_is_not_there_gets_404() {
    let mut world = world();
    line(&mut world, "card", busy(0, Stage::Confirmed, Direction::Recipient));
    let (key, first) = Key::lit(&mut world, PHONE, "card", "dialog");
    assert_eq!(dialogs(&first), "\"0\" \"recipient\" confirmed");
    assert_eq!(Key::new("10.1.0.8:5060", "loan").send(&mut world, "Event: dialog\r\n").status, 404);
    line(&mut world, "loan", busy(1, Stage::Confirmed, Direction::Recipient));
    assert_eq!(world.stack(0).shown("loan", Package::Dialog), Shown::Dialog(None), "nothing is kept of it");
    world.ask(0, |stack, now| stack.let_watch(now, [].into()));
    let last = key.hear(&mut world, 200).remove(0);
    assert_eq!(last.headers.text(HeaderName::SubscriptionState), Some("terminated;reason=noresource"));
    assert_eq!(world.stack(0).lamps(), 0);
}

#[test]
fn a_watcher_that_is_configured_no_more_sees_nothing_any_more() {
    let mut world = world();
    let (key, _) = Key::lit(&mut world, PHONE, "8002", "dialog");
    let next = config(world.ends[0].at, vec![], &ACCOUNTS[1..]);
    world.ask(0, |stack, now| stack.reconfigure(now, next));
    assert_eq!(key.hear(&mut world, 200).len(), 1);
    line(&mut world, "8002", busy(7, Stage::Early, Direction::Recipient));
    assert!(key.hear(&mut world, 200).is_empty());
}

#[test]
fn trunks_watch_nobody() {
    let mut world = world();
    let raw = crate::Raw {
        method: "SUBSCRIBE",
        uri: "sip:8002@pbx.example",
        from: addr("10.2.0.1:5060"),
        branch: "z9hG4bKs1",
        call_id: "s1",
        from_line: "<sip:c@carrier.example>;tag=c",
        to_line: "<sip:8002@pbx.example>",
        cseq: 1,
        more: "Event: dialog\r\nContact: <sip:c@10.2.0.1>\r\n",
        body: "",
    };
    world.raw(raw.from, 0, &raw.text());
    assert_eq!(world.statuses(), [403]);
}

#[test]
fn rfc_6665_4_2_2_a_phone_that_knows_no_such_subscription_is_told_no_more_until_it_asks_again() {
    let mut world = world();
    let (key, _) = Key::lit(&mut world, PHONE, "8002", "dialog");
    line(&mut world, "8002", busy(7, Stage::Early, Direction::Recipient));
    assert_eq!(key.hear(&mut world, 481).len(), 1);
    line(&mut world, "8002", None);
    assert!(key.hear(&mut world, 200).is_empty());
    let (_, first) = Key::lit(&mut world, "10.1.0.8:5062", "8002", "dialog");
    assert_eq!(dialogs(&first), "\"0\" terminated", "a subscription of its own knows no dialog");
}

#[test]
fn rfc_6665_4_4_1_a_lamp_nobody_renews_goes_dark() {
    let mut world = world();
    let (mut key, _) = Key::lit(&mut world, PHONE, "8002", "dialog");
    world.run(secs(500));
    assert_eq!(key.send(&mut world, "Event: dialog\r\nExpires: 600\r\n").status, 200);
    assert_eq!(key.hear(&mut world, 200).len(), 1, "4.2.1.2: each SUBSCRIBE is answered by the state");
    world.run(secs(600));
    let last = key.hear(&mut world, 200).remove(0);
    assert_eq!(last.headers.text(HeaderName::SubscriptionState), Some("terminated;reason=timeout"));
    assert_eq!(world.stack(0).lamps(), 0);
}

#[test]
fn one_phone_watches_no_more_than_500_lines() {
    let mut world = world();
    let lines = (0..501).map(|n| format!("q{n}").as_str().into()).collect();
    world.ask(0, |stack, now| stack.let_watch(now, lines));
    let mut challenge = None;
    for n in 0..501 {
        let mut key = Key::new(PHONE, &format!("q{n}"));
        key.phone.challenge = challenge.take();
        key.phone.nc = n + 1;
        key.phone.serial = n * 3;
        let status = key.send(&mut world, "Event: dialog\r\n").status;
        key.hear(&mut world, 200);
        assert_eq!(status, if n < 500 { 200 } else { 503 }, "{n}");
        challenge = key.phone.challenge.take();
    }
    assert_eq!(world.stack(0).lamps(), 500);
}
