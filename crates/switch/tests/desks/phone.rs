//! A hand-written phone, registered with its account's password.

use crate::exchange::{Exchange, sdp};
use busyhour_sip::digest::{Challenge, respond};
use busyhour_sip::{Account, HeaderName, Response};

/// A phone at `10.9.n.1`.
pub struct Phone {
    n: u8,
    account: Account,
    /// What it says it is called.
    called: String,
    challenge: Option<Challenge>,
    pub sent: u32,
}

impl Phone {
    pub fn new(n: u8, user: &str) -> Phone {
        Phone::called(n, user, user)
    }

    /// One whose identity is another name than its account's.
    pub fn called(n: u8, user: &str, called: &str) -> Phone {
        let account = Account { user: user.into(), password: "secret".into() };
        Phone { n, account, called: called.into(), challenge: None, sent: 0 }
    }

    /// A registered phone.
    pub fn registered(exchange: &mut Exchange, n: u8, user: &str) -> Phone {
        let mut phone = Phone::new(n, user);
        assert_eq!(phone.register(exchange, 600), 200);
        phone
    }

    pub fn register(&mut self, exchange: &mut Exchange, expires: u32) -> u16 {
        let called = self.called.clone();
        self.ask(exchange, "REGISTER", &called, &format!("Expires: {expires}\r\n"), "")
    }

    /// Dials; the answer at once, 0 for none that is final.
    pub fn dial(&mut self, exchange: &mut Exchange, number: &str) -> u16 {
        let status = self.ask(exchange, "INVITE", number, "Content-Type: application/sdp\r\n", &sdp(self.n));
        if status < 200 { 0 } else { status }
    }

    /// Whom the call dialled last is to go on to; what is told of that at once.
    pub fn refer(&mut self, exchange: &mut Exchange, to: &str) -> u16 {
        self.refer_to(exchange, &format!("sip:{to}@hotline.example"))
    }

    /// The same of any URI.
    pub fn refer_to(&mut self, exchange: &mut Exchange, uri: &str) -> u16 {
        let (n, user, call) = (self.n, &self.called, self.sent);
        let answered = exchange.response(&format!("{n}-{call}")).unwrap();
        let (dialog, cseq) = (answered.headers.text(HeaderName::To).unwrap(), call + 100);
        let message = format!(
            "REFER sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.{n}.1:5060;branch=z9hG4bKrefer{call}\r\n\
             From: <sip:{user}@hotline.example>;tag={call}\r\nTo: {dialog}\r\nCall-ID: {n}-{call}\r\nCSeq: {cseq} REFER\r\n\
             Max-Forwards: 70\r\nContact: <sip:{user}@10.9.{n}.1:5060>\r\nRefer-To: <{uri}>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        exchange.receive(n, message.as_bytes());
        let mut told = 0;
        while let Some(notify) = exchange.request(n, "NOTIFY") {
            told = String::from_utf8_lossy(&notify.body)[8..11].parse().unwrap();
            exchange.answer(n, &notify, 200, &[]);
        }
        told
    }

    pub fn ask(&mut self, exchange: &mut Exchange, method: &str, to: &str, more: &str, body: &str) -> u16 {
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
        let (n, sent, user) = (self.n, self.sent, &self.called);
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
