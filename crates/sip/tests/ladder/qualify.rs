//! Ladders of phones that are asked whether they are still there (RFC 3261 section 11).

use crate::phone::{PHONE, Phone};
use crate::{World, addr, config, millis, secs};
use busyhour_sip::{Event, Limits, Message, Request};

const DESK: &str = "10.1.0.9:5062";

/// Our stack, which asks every minute, and account 8001 registered at the first phone.
fn world() -> (World, Phone) {
    world_asking(60)
}

/// The same, asking this often.
fn world_asking(seconds: u64) -> (World, Phone) {
    let at = addr("10.0.0.1:5060");
    let mut world = World::new(1);
    let limits = Limits { sha256: true, qualify: secs(seconds), ..Limits::default() };
    world.add(at, busyhour_sip::Config { limits, ..config(at, Vec::new(), &["8001"]) }, 11);
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    assert_eq!(world.event(0), Event::Registered { account: "8001".into(), contacts: 1 });
    (world, phone)
}

/// The OPTIONS that came within this many seconds, each once, and to which phone.
fn asked(world: &mut World, within: u64) -> Vec<(String, Request)> {
    world.run(secs(within));
    let mut asked: Vec<(String, Request)> = Vec::new();
    for (to, message) in std::mem::take(&mut world.inbox) {
        let Message::Request(request) = message else { continue };
        let branch = |request: &Request| request.headers.top_via().unwrap().branch().map(str::to_owned);
        if request.method.as_str() == "OPTIONS" && asked.iter().all(|(_, known)| branch(known) != branch(&request)) {
            asked.push((to.to_string(), request));
        }
    }
    asked
}

/// The next one, at the latest a second after it came.
fn next(world: &mut World) -> (String, Request) {
    (0..=61).find_map(|_| asked(world, 1).pop()).unwrap()
}

fn answer(world: &mut World, at: &str, options: &Request, status: u16) {
    let mut response = options.reply(status);
    response.set_to_tag("phone");
    world.raw(addr(at), 0, std::str::from_utf8(&response.to_bytes()).unwrap());
    world.run(millis(20));
}

/// How many are rung, and how many are silent.
fn phones(world: &mut World) -> (usize, usize) {
    (world.stack(0).contacts("8001"), world.stack(0).silent_contacts("8001"))
}

fn qualified(answers: bool) -> Event {
    Event::Qualified { account: "8001".into(), answers }
}

fn registered(contacts: u32) -> Event {
    Event::Registered { account: "8001".into(), contacts }
}

#[test]
fn a_phone_that_answers_is_asked_every_minute() {
    let (mut world, _) = world();
    let (to, mut options) = next(&mut world);
    assert_eq!((to.as_str(), options.uri.to_string()), (PHONE, format!("sip:8001@{PHONE}")));
    for status in [200, 486, 404, 501] {
        answer(&mut world, PHONE, &options, status);
        assert!(asked(&mut world, 57).is_empty());
        options = next(&mut world).1;
    }
    assert_eq!((phones(&mut world), world.events(0)), ((1, 0), vec![]), "any answer shows life");
}

#[test]
fn a_silent_phone_is_not_called_until_it_answers_again() {
    let (mut world, _) = world();
    next(&mut world);
    asked(&mut world, 33);
    assert_eq!((phones(&mut world), world.events(0)), ((0, 1), vec![qualified(false), registered(0)]));
    next(&mut world);
    asked(&mut world, 33);
    assert_eq!((phones(&mut world), world.events(0)), ((0, 1), vec![]), "it is told once");
    let options = next(&mut world).1;
    answer(&mut world, PHONE, &options, 200);
    assert_eq!((phones(&mut world), world.events(0)), ((1, 0), vec![qualified(true), registered(1)]));
}

/// Timer F is 32 s: who asked anew every ten seconds would never hear of it.
#[test]
fn a_phone_is_not_asked_anew_while_it_may_still_answer() {
    let (mut world, _) = world_asking(10);
    next(&mut world);
    assert_eq!((asked(&mut world, 33).len(), phones(&mut world)), (1, (0, 1)), "it is the first one all the time");
    let options = next(&mut world).1;
    answer(&mut world, PHONE, &options, 200);
    assert_eq!(world.events(0), [qualified(false), registered(0), qualified(true), registered(1)]);
    assert!(asked(&mut world, 8).is_empty());
    assert_eq!(asked(&mut world, 3).len(), 1, "answered, it is asked again ten seconds later");
}

#[test]
fn a_phone_that_registers_is_called_at_once_whatever_it_was_asked_before() {
    let (mut world, mut phone) = world();
    next(&mut world);
    asked(&mut world, 33);
    assert_eq!(world.events(0), [qualified(false), registered(0)]);
    phone.sign_in(&mut world);
    assert_eq!((phones(&mut world), world.events(0)), ((1, 0), vec![registered(1)]));
    next(&mut world);
    phone.sign_in(&mut world);
    asked(&mut world, 33);
    assert_eq!((phones(&mut world), world.events(0)), ((1, 0), vec![]), "it registered after it was asked");
}

#[test]
fn a_silent_phone_leaves_when_it_expires_or_says_so_and_is_asked_no_more() {
    let (mut world, mut phone) = world();
    phone.register(&mut world, &format!("Contact: <sip:8001@{PHONE}>;expires=120\r\n"));
    asked(&mut world, 121 + 33);
    assert_eq!((phones(&mut world), asked(&mut world, 200).len()), ((0, 0), 0));
    let mut phone = Phone::new(PHONE, "8001");
    phone.sign_in(&mut world);
    next(&mut world);
    asked(&mut world, 33);
    assert_eq!(phones(&mut world), (0, 1));
    assert_eq!(phone.register(&mut world, "Contact: *\r\nExpires: 0\r\n").status, 200);
    asked(&mut world, 33);
    assert_eq!((phones(&mut world), asked(&mut world, 200).len()), ((0, 0), 0));
}

#[test]
fn of_two_phones_only_the_silent_one_is_not_called() {
    let (mut world, _) = world();
    Phone::new(DESK, "8001").sign_in(&mut world);
    for _ in 0..3 {
        for (to, options) in asked(&mut world, 30) {
            if to == DESK {
                answer(&mut world, DESK, &options, 200);
            }
        }
    }
    assert_eq!((phones(&mut world), world.events(0)), ((1, 1), vec![qualified(false)]));
}

#[test]
fn phones_that_register_at_once_are_not_all_asked_at_once() {
    let at = addr("10.0.0.1:5060");
    let users: Vec<String> = (8001..8061).map(|user| user.to_string()).collect();
    let users: Vec<&'static str> = users.into_iter().map(|user| &*Box::leak(user.into_boxed_str())).collect();
    let mut world = World::new(1);
    let limits = Limits { sha256: true, qualify: secs(60), ..Limits::default() };
    world.add(at, busyhour_sip::Config { limits, ..config(at, Vec::new(), &users) }, 11);
    for (n, user) in users.iter().enumerate() {
        Phone::new(&format!("10.1.{n}.7:5062"), user).sign_in(&mut world);
    }
    let mut most = 0;
    let mut sum = 0;
    for _ in 0..12 {
        let now = asked(&mut world, 5);
        (most, sum) = (most.max(now.len()), sum + now.len());
        for (to, options) in now {
            answer(&mut world, &to, &options, 200);
        }
    }
    assert!((55..=120).contains(&sum) && most <= 15, "{most} of {sum} within 5 s");
}
