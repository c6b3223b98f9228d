//! A hand-written phone, registered with its account's password.

use crate::exchange::{Exchange, sdp};
use busyhour_sip::digest::{Challenge, respond};
use busyhour_sip::{Account, HeaderName, Request, Response};

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
        let status = self.ask(exchange, "INVITE", number, "Content-Type: application/sdp\r\n", &sdp(self.n, "8"));
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

/// Whom we called at `10.9.n.1`, by this INVITE, hangs up.
pub fn callee_hangs_up(exchange: &mut Exchange, n: u8, invite: &Request) {
    let header = |name| invite.headers.text(name).unwrap_or_default();
    let (from, to) = (format!("{};tag=far", header(HeaderName::To)), header(HeaderName::From));
    say(exchange, n, "9000 BYE", invite.headers.call_id(), (&from, to), "");
}

/// The same one puts us on hold.
pub fn callee_holds(exchange: &mut Exchange, n: u8, invite: &Request) {
    let header = |name| invite.headers.text(name).unwrap_or_default();
    let (from, to) = (format!("{};tag=far", header(HeaderName::To)), header(HeaderName::From));
    let sdp = format!("{}a=sendonly\r\n", sdp(n, "8"));
    say(exchange, n, "8000 INVITE", invite.headers.call_id(), (&from, to), &sdp);
}

/// Who called from there, and was answered so, hangs up.
pub fn caller_hangs_up(exchange: &mut Exchange, n: u8, answered: &Response) {
    caller_says(exchange, n, "9000 BYE", answered);
}

/// Who called from there has heard the answer: without that the call lasts for half a minute.
pub fn caller_acknowledges(exchange: &mut Exchange, n: u8, answered: &Response) {
    caller_says(exchange, n, "1 ACK", answered);
}

fn caller_says(exchange: &mut Exchange, n: u8, cseq: &str, answered: &Response) {
    let header = |name| answered.headers.text(name).unwrap_or_default();
    say(exchange, n, cseq, answered.headers.call_id(), (header(HeaderName::From), header(HeaderName::To)), "");
}

fn say(exchange: &mut Exchange, n: u8, cseq: &str, call_id: &str, (from, to): (&str, &str), sdp: &str) {
    let method = cseq.split(' ').next_back().unwrap();
    let message = format!(
        "{method} sip:x@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.{n}.1:5060;branch=z9hG4bK{method}-{call_id}\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:far@10.9.{n}.1:5060>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    exchange.receive(n, message.as_bytes());
}
