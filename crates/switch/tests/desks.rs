//! Agents who sign in by PIN at phones that are not their own: the whole switch and hand-written phones.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "trunks/exchange.rs"]
mod exchange;

use busyhour_model::{AgentState, Name, What};
use busyhour_sip::digest::{Challenge, respond};
use busyhour_sip::{Account, HeaderName, Response};
use busyhour_switch::{AgentRow, AgentSetup, Reply, Request, Setup};
use exchange::{Exchange, MUSIC, sdp, secs};

/// A phone at `10.9.n.1`.
struct Phone {
    n: u8,
    account: Account,
    challenge: Option<Challenge>,
    sent: u32,
}

impl Phone {
    fn new(n: u8, user: &str) -> Phone {
        let account = Account { user: user.into(), password: "secret".into() };
        Phone { n, account, challenge: None, sent: 0 }
    }

    /// A registered phone.
    fn registered(exchange: &mut Exchange, n: u8, user: &str) -> Phone {
        let mut phone = Phone::new(n, user);
        assert_eq!(phone.register(exchange, 600), 200);
        phone
    }

    fn register(&mut self, exchange: &mut Exchange, expires: u32) -> u16 {
        let user = self.account.user.clone();
        self.ask(exchange, "REGISTER", &user, &format!("Expires: {expires}\r\n"), "")
    }

    /// Dials; the answer at once, 0 for none that is final.
    fn dial(&mut self, exchange: &mut Exchange, number: &str) -> u16 {
        let status = self.ask(exchange, "INVITE", number, "Content-Type: application/sdp\r\n", &sdp(self.n));
        if status < 200 { 0 } else { status }
    }

    fn ask(&mut self, exchange: &mut Exchange, method: &str, to: &str, more: &str, body: &str) -> u16 {
        match self.send(exchange, method, to, more, body) {
            Some(response) if response.status == 401 => {
                let challenge = response.headers.all(HeaderName::WwwAuthenticate).next().unwrap();
                self.challenge = Some(Challenge::parse(challenge).unwrap());
                self.send(exchange, method, to, more, body).map_or(0, |response| response.status)
            }
            other => other.map_or(0, |response| response.status),
        }
    }

    fn send(&mut self, exchange: &mut Exchange, method: &str, to: &str, more: &str, body: &str) -> Option<Response> {
        self.sent += 1;
        let (n, sent, user) = (self.n, self.sent, &self.account.user);
        let uri = format!("sip:{to}@hotline.example");
        let authorization = self.challenge.take().map(|challenge| {
            let response = respond(&challenge, &self.account, method, &uri, "cn", 1);
            format!("Authorization: {response}\r\n")
        });
        let authorization = authorization.unwrap_or_default();
        let message = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.{n}.1:5060;branch=z9hG4bK{n}-{sent}\r\n\
             From: <sip:{user}@hotline.example>;tag={sent}\r\nTo: <{uri}>\r\nCall-ID: {n}-{sent}\r\n\
             CSeq: {sent} {method}\r\nMax-Forwards: 70\r\nContact: <sip:{user}@10.9.{n}.1:5060>\r\n\
             {authorization}{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        exchange.receive(n, message.as_bytes());
        exchange.response(&format!("{n}-{sent}"))
    }
}

fn agent(number: &str, pin: &str) -> AgentSetup {
    AgentSetup { password: "secret".into(), pin: Some(pin.into()), ..AgentSetup::new(number.into()) }
}

/// Agents 1001 and 1002, phones 8001 and 8002 that are nobody's.
fn setup() -> Setup {
    let phone = |user: &str| Account { user: user.into(), password: "secret".into() };
    Setup {
        agents: vec![agent("1001", "4711"), agent("1002", "0815")],
        phones: vec![phone("8001"), phone("8002")],
        numbers: Vec::new(),
        ..exchange::setup(Vec::new(), MUSIC)
    }
}

fn row(exchange: &mut Exchange, number: &str) -> AgentRow {
    let Ok(Reply::Agents(rows)) = exchange.switch.handle_request(exchange.now, Request::Agents) else {
        panic!("no agents")
    };
    rows.into_iter().find(|row| *row.agent == *number).unwrap()
}

/// At which phone an agent is, and how.
fn stands(exchange: &mut Exchange, number: &str) -> (Option<String>, AgentState) {
    let row = row(exchange, number);
    (row.phone.map(|phone| phone.to_string()), row.state)
}

fn at(phone: &str, state: AgentState) -> (Option<String>, AgentState) {
    (Some(phone.into()), state)
}

/// Signs in and hangs up.
fn sign_in(exchange: &mut Exchange, phone: &mut Phone, said: &str) {
    assert_eq!(phone.dial(exchange, &format!("*70{said}")), 200);
    exchange.hang_up_all();
}

fn refused(exchange: &Exchange) -> Vec<Name> {
    let reason = |what: &What| match what {
        What::SeatRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    exchange.facts.iter().filter_map(reason).collect()
}

fn left(exchange: &Exchange) -> Vec<Name> {
    let reason = |what: &What| match what {
        What::Unseated { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    exchange.facts.iter().filter_map(reason).collect()
}

#[test]
fn who_signs_in_by_pin_is_rung_there_and_calls_from_there() {
    let mut exchange = Exchange::new(setup());
    let (mut guest, mut colleague) = (Phone::registered(&mut exchange, 1, "8001"), Phone::new(2, "1002"));
    assert_eq!(colleague.register(&mut exchange, 600), 200);
    assert_eq!(guest.dial(&mut exchange, "1002"), 403, "a phone without an agent calls nobody");
    sign_in(&mut exchange, &mut guest, "1001*4711");
    assert_eq!(stands(&mut exchange, "1001"), at("8001", AgentState::Ready));
    assert_eq!(colleague.dial(&mut exchange, "1001"), 0);
    assert!(exchange.request(1, "INVITE").is_some(), "the phone where the agent sits rings");
    exchange.hang_up_all();
    assert_eq!(guest.dial(&mut exchange, "1002"), 0);
    assert!(exchange.request(2, "INVITE").is_some());
    let from = |what: &What| match what {
        What::Arrived { origin, .. } => Some(origin.name().to_string()),
        _ => None,
    };
    assert_eq!(exchange.facts.iter().rev().find_map(from).as_deref(), Some("1001"), "what it dials is the agent's");
    let told = format!("{:?}", exchange.facts);
    assert!(!told.contains("4711") && told.contains("Seated"), "no PIN in the facts: {told}");
}

#[test]
fn a_seat_ends_by_signing_out_and_with_the_registration() {
    let mut exchange = Exchange::new(setup());
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    sign_in(&mut exchange, &mut guest, "1001*4711#");
    assert_eq!(guest.dial(&mut exchange, "*73"), 200);
    exchange.hang_up_all();
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::SignedOut));
    sign_in(&mut exchange, &mut guest, "1001*4711");
    assert_eq!(guest.register(&mut exchange, 0), 200);
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::SignedOut));
    assert_eq!(left(&exchange), ["signed_out", "phone_gone"].map(Name::from));
}

#[test]
fn who_signs_in_elsewhere_leaves_the_phone_and_takes_the_other_ones() {
    let mut exchange = Exchange::new(setup());
    let mut phones = [(1, "8001"), (2, "1002"), (3, "1001")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    let _ = exchange.switch.handle_request(exchange.now, Request::Ready { agent: "1002".into() });
    exchange.drain();
    sign_in(&mut exchange, &mut phones[0], "1001*4711");
    sign_in(&mut exchange, &mut phones[1], "1001*4711");
    assert_eq!(stands(&mut exchange, "1001"), at("1002", AgentState::Ready));
    assert_eq!(stands(&mut exchange, "1002"), (None, AgentState::SignedOut), "somebody else has the own phone");
    assert_eq!(phones[0].dial(&mut exchange, "1002"), 403);
    assert_eq!(phones[2].dial(&mut exchange, "*71"), 200, "the own phone needs no PIN");
    exchange.hang_up_all();
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::Ready));
    assert_eq!(stands(&mut exchange, "1002").0.as_deref(), Some("1002"));
}

#[test]
fn nobody_is_taken_out_of_a_call() {
    let mut exchange = Exchange::new(setup());
    let mut phones = [(1, "8001"), (2, "1002"), (4, "8002")].map(|(n, user)| Phone::registered(&mut exchange, n, user));
    sign_in(&mut exchange, &mut phones[0], "1001*4711");
    assert_eq!(phones[0].dial(&mut exchange, "1002"), 0, "it rings");
    assert_eq!(phones[2].dial(&mut exchange, "*701001*4711"), 200);
    assert_eq!(refused(&exchange), ["busy"].map(Name::from));
    assert_eq!(stands(&mut exchange, "1001").0.as_deref(), Some("8001"));
}

#[test]
fn five_wrong_pins_and_none_is_looked_at_for_five_minutes() {
    let mut exchange = Exchange::new(setup());
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    for wrong in ["1001*1", "1001*", "1001", "9999*4711", "1001*47111", "1001*4711"] {
        sign_in(&mut exchange, &mut guest, wrong);
    }
    let mut expected = vec![Name::from("wrong_pin"); 5];
    expected.push("locked".into());
    assert_eq!(refused(&exchange), expected);
    assert_eq!(stands(&mut exchange, "1001").1, AgentState::SignedOut);
    exchange.run(secs(301));
    sign_in(&mut exchange, &mut guest, "1001*4711");
    assert_eq!(stands(&mut exchange, "1001").1, AgentState::Ready);
}

#[test]
fn a_reload_keeps_who_sits_where_unless_the_phone_is_no_more() {
    let mut exchange = Exchange::new(setup());
    let mut guest = Phone::registered(&mut exchange, 1, "8001");
    sign_in(&mut exchange, &mut guest, "1001*4711");
    let reload = |exchange: &mut Exchange, setup: Setup| {
        exchange.switch.handle_request(exchange.now, Request::Reload(Box::new(setup))).unwrap();
        exchange.drain();
    };
    reload(&mut exchange, setup());
    assert_eq!(stands(&mut exchange, "1001"), at("8001", AgentState::Ready));
    reload(&mut exchange, Setup { phones: Vec::new(), ..setup() });
    assert_eq!(stands(&mut exchange, "1001"), at("1001", AgentState::SignedOut));
}
