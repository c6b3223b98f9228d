//! SIP messages read and written with rsip, the second opinion on what `busyhour-sip` says on the wire.

use rsip::headers::UntypedHeader;
use rsip::{Header, Headers, Method, SipMessage};
use std::net::SocketAddr;

/// Something for the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// A SIP datagram.
    Sip {
        /// Destination.
        to: SocketAddr,
        /// Bytes.
        bytes: Vec<u8>,
    },
    /// An RTP packet, from the peer's media address.
    Rtp {
        /// Destination.
        to: SocketAddr,
        /// Bytes.
        bytes: Vec<u8>,
    },
}

/// What stands in the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A request.
    Request(Method),
    /// A response's status.
    Response(u16),
}

/// One message, as far as a telephone needs it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) start: Start,
    pub(super) vias: Vec<String>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) cseq_method: String,
    pub(super) contact: Option<String>,
    pub(super) expires: Option<u32>,
    pub(super) routes: Vec<String>,
    pub(super) challenges: Vec<String>,
    pub(super) body: String,
    /// What a strict reader holds against it.
    pub(super) faults: Vec<&'static str>,
}

impl Message {
    /// Reads a datagram; the error says why rsip could not.
    pub(super) fn read(bytes: &[u8]) -> Result<Message, String> {
        let (start, headers, body) = match SipMessage::try_from(bytes).map_err(|e| e.to_string())? {
            SipMessage::Request(r) => (Start::Request(r.method), r.headers, r.body),
            SipMessage::Response(r) => (Start::Response(r.status_code.into()), r.headers, r.body),
        };
        let mut message = Message {
            start,
            vias: Vec::new(),
            from: String::new(),
            to: String::new(),
            call_id: String::new(),
            cseq: 0,
            cseq_method: String::new(),
            contact: None,
            expires: None,
            routes: Vec::new(),
            challenges: Vec::new(),
            body: String::from_utf8_lossy(&body).into_owned(),
            faults: Vec::new(),
        };
        let (mut length, mut forwards) = (None, false);
        for header in headers.iter() {
            match header {
                Header::ContentLength(h) => length = h.value().trim().parse::<usize>().ok(),
                Header::MaxForwards(h) => forwards = h.value().trim().parse::<u8>().is_ok(),
                other => message.take(other),
            }
        }
        message.judge(length == Some(body.len()), forwards);
        Ok(message)
    }

    fn take(&mut self, header: &Header) {
        match header {
            Header::Via(h) => self.vias.push(h.value().to_owned()),
            Header::From(h) => self.from = h.value().to_owned(),
            Header::To(h) => self.to = h.value().to_owned(),
            Header::CallId(h) => self.call_id = h.value().to_owned(),
            Header::CSeq(h) => {
                let mut words = h.value().split_whitespace();
                self.cseq = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
                self.cseq_method = words.next().unwrap_or_default().to_owned();
            }
            Header::Contact(h) => {
                self.contact.get_or_insert_with(|| bare_uri(h.value()).to_owned());
                self.expires = param(h.value(), "expires").and_then(|e| e.parse().ok()).or(self.expires);
            }
            Header::Expires(h) => self.expires = self.expires.or(h.value().trim().parse().ok()),
            Header::RecordRoute(h) => self.routes.extend(h.value().split(',').map(|r| r.trim().to_owned())),
            Header::WwwAuthenticate(h) => self.challenges.push(h.value().to_owned()),
            Header::ProxyAuthenticate(h) => self.challenges.push(h.value().to_owned()),
            _ => {}
        }
    }

    fn judge(&mut self, length_right: bool, forwards: bool) {
        let is_invite = self.cseq_method == "INVITE";
        let (request, status) = match &self.start {
            Start::Request(method) => (Some(*method), 0),
            Start::Response(status) => (None, *status),
        };
        let rules = [
            (length_right, "Content-Length is missing or wrong"),
            (request.is_none() || forwards, "Max-Forwards is missing"),
            (request.is_none_or(|m| m.to_string() == self.cseq_method), "CSeq names another method"),
            (!self.vias.is_empty() && !self.branch().is_empty(), "Via is missing or has no branch"),
            (self.cseq > 0, "CSeq is missing"),
            (!self.call_id.is_empty(), "Call-ID is missing"),
            (param(&self.from, "tag").is_some(), "From has no tag"),
            (request.is_some() || status == 100 || param(&self.to, "tag").is_some(), "To has no tag"),
            (
                !is_invite || self.contact.is_some() || !(request == Some(Method::Invite) || status / 100 == 2),
                "Contact is missing",
            ),
        ];
        self.faults = rules.iter().filter(|(kept, _)| !kept).map(|(_, fault)| *fault).collect();
    }

    /// Branch of the topmost Via.
    pub(super) fn branch(&self) -> &str {
        self.vias.first().and_then(|via| param(via, "branch")).unwrap_or_default()
    }

    /// Whether this is a request of `method`.
    pub(super) fn is(&self, method: Method) -> bool {
        self.start == Start::Request(method)
    }
}

/// The value of `name` among the parameters of a header value.
pub(super) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let tail = value.rsplit_once('>').map_or(value, |(_, tail)| tail);
    tail.split(';').skip(1).find_map(|p| {
        let (key, value) = p.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim().trim_matches('"'))
    })
}

/// The URI of a `name-addr` or `addr-spec` header value.
pub(super) fn bare_uri(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default().trim(),
    }
}

/// The address a literal SIP URI leads to.
pub(super) fn address(uri: &str) -> Option<SocketAddr> {
    let host = uri.trim_start_matches("sip:").split([';', '?', '>']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    host.parse().ok().or_else(|| Some(SocketAddr::new(host.parse().ok()?, 5060)))
}

/// A request's bytes. `None` when rsip cannot read the URI.
pub(super) fn request(method: Method, uri: &str, headers: Vec<Header>, body: String) -> Option<Vec<u8>> {
    let request = rsip::Request {
        method,
        uri: rsip::Uri::try_from(uri).ok()?,
        version: rsip::Version::V2,
        headers: with_body(headers, &body),
        body: body.into_bytes(),
    };
    Some(request.to_string().into_bytes())
}

/// A response's bytes to `to`; `tag` joins To when it has none, `extra` follows the copied headers.
pub(super) fn response(to: &Message, status: u16, tag: &str, extra: Vec<Header>, body: String) -> Vec<u8> {
    let mut headers: Vec<Header> = to.vias.iter().map(|via| Header::Via(via.as_str().into())).collect();
    headers.extend(to.routes.iter().map(|route| Header::RecordRoute(route.as_str().into())));
    let tagged = status == 100 || param(&to.to, "tag").is_some();
    headers.extend([
        Header::From(to.from.as_str().into()),
        Header::To(if tagged { to.to.clone() } else { format!("{};tag={tag}", to.to) }.into()),
        Header::CallId(to.call_id.as_str().into()),
        Header::CSeq(format!("{} {}", to.cseq, to.cseq_method).into()),
    ]);
    headers.extend(extra);
    let response = rsip::Response {
        status_code: status.into(),
        version: rsip::Version::V2,
        headers: with_body(headers, &body),
        body: body.into_bytes(),
    };
    response.to_string().into_bytes()
}

fn with_body(mut headers: Vec<Header>, body: &str) -> Headers {
    if !body.is_empty() {
        let kind = match body {
            sdp if sdp.starts_with("v=") => "application/sdp",
            fragment if fragment.starts_with("SIP/2.0") => "message/sipfrag",
            _ => "application/dtmf-relay",
        };
        headers.push(Header::ContentType(kind.into()));
    }
    headers.push(Header::ContentLength(body.len().to_string().into()));
    headers.into()
}
