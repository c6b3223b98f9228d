//! The answers a stack gives by itself (RFC 3261 section 8.2).

use crate::counters::Way;
use crate::event::{Flow, Transport};
use crate::expiry;
use crate::package::EVENTS;
use crate::registrar::{EXPIRES_MIN, PATH};
use crate::reliable::OPTION;
use crate::stack::Stack;
use crate::transaction::way_back;
use crate::transfer::{NO_SUBSCRIPTION, REPLACES};
use crate::{HeaderName, Headers, Method, Request, Response, Scheme, Verb};
use busyhour_model::Time;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::time::Duration;

/// Methods of ours.
pub(crate) const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, REGISTER, SUBSCRIBE";
/// Extensions of ours.
pub(crate) const SUPPORTED: &str = "100rel, timer, replaces, norefersub, path";
/// What a full stack tells its clients.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Stack {
    /// A response to `request`; a final one gets a To tag that is the same for every repetition (section 8.2.7).
    pub(crate) fn reply(&self, request: &Request, status: u16) -> Response {
        let mut response = request.reply(status);
        if status > 100 {
            let headers = &request.headers;
            let seen = (headers.call_id(), headers.from_tag(), headers.text(HeaderName::CSeq));
            let hash = foldhash::fast::FixedState::default().hash_one(seen);
            response.set_to_tag(&format!("s{hash:016x}"));
        }
        response.headers.push(HeaderName::Server, &self.config.user_agent);
        response
    }

    /// The answer to what is not a valid request, straight back.
    pub(crate) fn answer_malformed(&mut self, flow: Flow, mut reply: Response) {
        reply.set_to_tag("malformed");
        let verb = reply.headers.cseq().map_or(Verb::Other, |cseq| Verb::from(&cseq.1));
        self.net.counters.response(Way::Out, verb, reply.status);
        // Where no Via can be read, the way back is the way it came.
        let mut back = flow;
        if let Some(hop) = reply.headers.hop() {
            back = way_back(flow, &hop);
            if flow.transport == Transport::Udp && hop.port == Some(0) {
                back.remote = SocketAddr::new(flow.remote.ip(), 5060);
            }
        }
        self.net.transmit(back, reply.to_bytes());
    }

    /// Answers within a transaction.
    pub(crate) fn respond(&mut self, now: Time, server: u64, request: &Request, status: u16) {
        let response = self.decorated(request, status);
        self.net.respond(now, server, &response);
    }

    /// Answers without keeping anything.
    pub(crate) fn respond_stateless(&mut self, flow: Flow, request: &Request, status: u16) {
        let response = self.decorated(request, status);
        self.respond_apart(flow, request, response);
    }

    /// The same with a response of the caller's. A stranger is not told what program this is (section 20.35).
    pub(crate) fn respond_apart(&mut self, flow: Flow, request: &Request, mut response: Response) {
        if self.is_strangers(&flow) {
            response.headers.remove(HeaderName::Server);
        }
        self.net.respond_stateless(flow, request, &response);
    }

    /// No room: 503, counted.
    pub(crate) fn overloaded(&mut self, flow: Flow, request: &Request) {
        self.net.counters.overloaded += 1;
        let mut response = self.decorated(request, 503);
        response.headers.set(HeaderName::RetryAfter, self.draw_retry_after().to_string());
        self.respond_apart(flow, request, response);
    }

    /// A reply with the header fields its status asks for (section 20, table 2).
    pub(crate) fn decorated(&self, request: &Request, status: u16) -> Response {
        let mut response = self.reply(request, status);
        let headers = &mut response.headers;
        match status {
            200 if request.method == Method::Options => {
                headers.push(HeaderName::Allow, ALLOW);
                headers.push(HeaderName::Accept, "application/sdp, application/dtmf-relay, application/dtmf");
                headers.push(HeaderName::AcceptEncoding, "identity");
                headers.push(HeaderName::AcceptLanguage, "en");
                headers.push(HeaderName::Supported, SUPPORTED);
                headers.push(HeaderName::AllowEvents, EVENTS);
            }
            405 | 501 => headers.push(HeaderName::Allow, ALLOW),
            415 => {
                let accept = if request.method == Method::Info {
                    "application/dtmf-relay, application/dtmf"
                } else {
                    "application/sdp"
                };
                headers.push(HeaderName::Accept, accept);
                headers.push(HeaderName::AcceptEncoding, "identity");
            }
            420 => {
                let unknown = request.headers.require().filter(|token| !known(&request.method, token));
                headers.push(HeaderName::Unsupported, unknown.collect::<Vec<_>>().join(", "));
            }
            422 => headers.push(HeaderName::MinSe, expiry::MIN.as_secs().to_string()),
            423 if request.method == Method::Register => {
                headers.push(HeaderName::MinExpires, self.config.limits.register_min.to_string());
            }
            423 => headers.push(HeaderName::MinExpires, EXPIRES_MIN.to_string()),
            489 if request.method == Method::Subscribe => headers.push(HeaderName::AllowEvents, EVENTS),
            // Section 20.43.
            488 => {
                headers.push(HeaderName::Warning, format!("305 {} \"Incompatible media format\"", self.config.domain))
            }
            503 => headers.push(HeaderName::RetryAfter, RETRY_AFTER.as_secs().to_string()),
            _ => {}
        }
        response
    }

    /// What is wrong with a request, whoever sent it (section 8.2).
    pub(crate) fn objection(&self, request: &Request) -> Option<u16> {
        let headers = &request.headers;
        let encoded = headers.tokens(HeaderName::ContentEncoding).any(|token| !token.eq_ignore_ascii_case("identity"));
        match &request.method {
            Method::Other(_) => Some(501),
            _ if matches!(request.uri.scheme, Scheme::Other(_)) => Some(416),
            // We send a call on; nothing else passes through us (section 16.3).
            Method::Invite if headers.max_forwards() == Some(0) => Some(483),
            _ if headers.require().any(|token| !known(&request.method, token)) => Some(420),
            _ if encoded && !request.body.is_empty() => Some(415),
            Method::Invite if !accepts(headers, "application/sdp") => Some(406),
            _ => None,
        }
    }
}

/// Extensions that may be required of us.
fn known(method: &Method, token: &str) -> bool {
    match method {
        Method::Invite => [OPTION, expiry::OPTION, REPLACES].iter().any(|known| token.eq_ignore_ascii_case(known)),
        Method::Refer => [NO_SUBSCRIPTION, REPLACES].iter().any(|known| token.eq_ignore_ascii_case(known)),
        Method::Register => token.eq_ignore_ascii_case(PATH),
        Method::Update => token.eq_ignore_ascii_case(expiry::OPTION),
        _ => false,
    }
}

/// Whether the sender can read a body of this type, one of `application/…` (section 20.1: no Accept means it can).
pub(crate) fn accepts(headers: &Headers, body: &str) -> bool {
    let range = |token: &str| token.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    !headers.has(HeaderName::Accept)
        || headers.tokens(HeaderName::Accept).any(|token| [body, "application/*", "*/*"].contains(&&*range(token)))
}
