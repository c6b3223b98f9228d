//! A phone with an account, for packet ladders.

use super::{DOMAIN, Raw, World, addr, millis};
use busyhour_sip::digest::{Algorithm, Challenge, respond};
use busyhour_sip::{Account, HeaderName, Response};
use std::net::SocketAddr;

pub const PHONE: &str = "10.1.0.7:5062";

/// A phone that knows its password.
pub struct Phone {
    pub at: SocketAddr,
    pub user: &'static str,
    pub password: String,
    pub algorithm: Algorithm,
    pub challenge: Option<Challenge>,
    pub nc: u32,
    pub cseq: u32,
    pub call_id: String,
    pub serial: u32,
}

impl Phone {
    pub fn new(at: &str, user: &'static str) -> Phone {
        let password = format!("secret-{user}");
        let call_id = format!("reg-{at}");
        Phone {
            at: addr(at),
            user,
            password,
            algorithm: Algorithm::Sha256,
            challenge: None,
            nc: 0,
            cseq: 0,
            call_id,
            serial: 0,
        }
    }

    pub fn authorization(&mut self, method: &str, uri: &str) -> String {
        let Some(challenge) = &self.challenge else { return String::new() };
        self.nc += 1;
        let account = Account { user: self.user.into(), password: self.password.as_str().into() };
        format!("Authorization: {}\r\n", respond(challenge, &account, method, uri, "cn", self.nc))
    }

    /// Sends one request outside a dialog; the responses that come back.
    pub fn send(&mut self, world: &mut World, method: &str, more: &str, body: &str) -> Vec<Response> {
        let uri = if method == "REGISTER" { format!("sip:{DOMAIN}") } else { format!("sip:95118@{DOMAIN}") };
        let to = if method == "REGISTER" { format!("<sip:{}@{DOMAIN}>", self.user) } else { format!("<{uri}>") };
        self.send_to(world, method, &uri, &to, more, body);
        world.run(millis(20));
        let responses = world.responses_to(self.at);
        self.learn(&responses);
        responses
    }

    /// Sends a request anywhere.
    pub fn send_to(&mut self, world: &mut World, method: &str, uri: &str, to: &str, more: &str, body: &str) {
        self.cseq += 1;
        self.serial += 1;
        let authorization = self.authorization(method, uri);
        let (branch, tag) = (
            format!("z9hG4bK{}-{}", self.at.to_string().replace(':', "-"), self.serial),
            format!("<sip:{}@{DOMAIN}>;tag=t{}", self.user, self.at.port()),
        );
        let raw = Raw {
            method,
            uri,
            from: self.at,
            branch: &branch,
            call_id: &self.call_id,
            from_line: &tag,
            to_line: to,
            cseq: self.cseq,
            more: &format!("{authorization}{more}"),
            body,
        };
        world.raw(self.at, 0, &raw.text());
    }

    /// Takes the challenge there is among responses.
    pub fn learn(&mut self, responses: &[Response]) {
        if let Some(challenged) = responses.iter().find(|response| response.status == 401) {
            let all = challenged.headers.all(HeaderName::WwwAuthenticate).map(|value| Challenge::parse(value).unwrap());
            self.challenge = all.into_iter().find(|challenge| challenge.algorithm == self.algorithm);
            self.nc = 0;
        }
    }

    pub fn register(&mut self, world: &mut World, more: &str) -> Response {
        self.send(world, "REGISTER", more, "").remove(0)
    }

    /// Registers its own address, answering the challenge.
    pub fn sign_in(&mut self, world: &mut World) {
        let contact = format!("Contact: <sip:{}@{}>\r\n", self.user, self.at);
        if self.challenge.is_none() {
            assert_eq!(self.register(world, &contact).status, 401);
        }
        assert_eq!(self.register(world, &contact).status, 200);
    }
}
