//! SIP messages: what came, checked as far as RFC 3261 lets one check without a transaction.

use crate::header::{Line, LineKind, Lines};
use crate::parts::{AddressParts, ViaParts, commas};
use crate::{Header, HeaderName, Headers, Limits, Method, NameAddr, Uri};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What it asks for.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Header fields. `Content-Length` is written from `body`, whatever stands here.
    pub headers: Headers,
    /// Body; empty for none.
    pub body: Bytes,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// 100-699.
    pub status: u16,
    /// Reason phrase, as it came.
    pub reason: Bytes,
    /// Header fields. `Content-Length` is written from `body`, whatever stands here.
    pub headers: Headers,
    /// Body; empty for none.
    pub body: Bytes,
}

/// Either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
pub enum Fault {
    /// Not even a start line with `SIP/` in it: not worth an answer.
    #[error("not a SIP message")]
    NotSip,
    /// The start line is malformed.
    #[error("malformed start line")]
    StartLine,
    /// Not `SIP/2.0`.
    #[error("SIP version not supported")]
    Version,
    /// A URI is malformed.
    #[error("malformed URI")]
    Uri,
    /// An address is malformed.
    #[error("malformed address")]
    Address,
    /// A line of the header is no header field.
    #[error("malformed header line")]
    Line,
    /// The header does not end.
    #[error("header without end")]
    Unfinished,
    /// The value of this field is malformed.
    #[error("malformed {}", .0.as_str())]
    Header(HeaderName),
    /// This field has to be there.
    #[error("missing {}", .0.as_str())]
    Missing(HeaderName),
    /// This field may only be there once.
    #[error("more than one {}", .0.as_str())]
    Repeated(HeaderName),
    /// The method of CSeq is not that of the request (RFC 3261 section 8.1.1.5).
    #[error("CSeq names another method")]
    CSeqMethod,
    /// Fewer bytes than Content-Length promised (RFC 3261 section 18.3).
    #[error("body shorter than Content-Length")]
    Truncated,
    /// More than [`Limits::header_bytes`].
    #[error("header too long")]
    HeaderTooLong,
    /// More than [`Limits::body_bytes`].
    #[error("body too long")]
    BodyTooLong,
    /// The body is not an SDP we understand.
    #[error("malformed session description")]
    Body,
}

impl Fault {
    /// The status that answers a request with this fault.
    pub fn status(self) -> u16 {
        match self {
            Fault::Version => 505,
            Fault::HeaderTooLong | Fault::BodyTooLong => 513,
            _ => 400,
        }
    }
}

/// A message that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ParseError {
    /// Why.
    pub fault: Fault,
    /// The answer, when it was a request (not ACK) with at least a Via: status, and whatever was there of Via, From, To, Call-ID and CSeq, as it
    /// came. Goes to the source address; a To tag may be added with [`Response::set_to_tag`]. `None`: silence.
    pub reply: Option<Box<Response>>,
}

impl Message {
    /// The message in `bytes` (one datagram, or one frame of a stream). Bytes after the body are ignored (RFC 3261 section 18.3).
    pub fn parse(bytes: &Bytes, limits: &Limits) -> Result<Message, ParseError> {
        Reader::read(bytes, limits)
    }

    /// Its header fields.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }
}

impl Request {
    /// A request without header fields.
    pub fn new(method: Method, uri: Uri) -> Request {
        Request { method, uri, headers: Headers::new(), body: Bytes::new() }
    }

    /// A response to this request: Via, From, To, Call-ID and CSeq as they came (RFC 3261 section 8.2.6.2), for 100 also Timestamp,
    /// for 101-299 Record-Route (section 12.1.1).
    pub fn reply(&self, status: u16) -> Response {
        let mut reply = Response::to(&self.headers, status);
        match status {
            100 => reply.headers.copy(HeaderName::Timestamp, &self.headers),
            101..300 => reply.headers.copy(HeaderName::RecordRoute, &self.headers),
            _ => {}
        }
        reply
    }

    /// The session description in the body.
    pub fn sdp(&self) -> Option<Bytes> {
        crate::sdp::find(self.headers.first(HeaderName::ContentType), &self.body)
    }

    /// Sets body and Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: Bytes) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
    }
}

impl Response {
    /// What every response repeats of its request (RFC 3261 section 8.2.6.2).
    const COPIED: [HeaderName; 5] =
        [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];

    /// With what it repeats of the request's header fields.
    pub(crate) fn to(request: &Headers, status: u16) -> Response {
        let mut headers = Headers::with_capacity(12);
        Response::COPIED.into_iter().for_each(|name| headers.copy(name, request));
        Response { status, reason: Bytes::from_static(reason(status).as_bytes()), headers, body: Bytes::new() }
    }

    /// The session description in the body.
    pub fn sdp(&self) -> Option<Bytes> {
        crate::sdp::find(self.headers.first(HeaderName::ContentType), &self.body)
    }

    /// Sets body and Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: Bytes) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
    }

    /// Adds `tag` to To, unless it has one.
    pub fn set_to_tag(&mut self, tag: &str) {
        let Some(to) = self.headers.first(HeaderName::To) else { return };
        let tagged = match AddressParts::split(to).and_then(|address| address.param("tag")) {
            // Nothing after `;tag=` is in the way of a tag.
            Some(b"") => {
                let Ok(mut address) = NameAddr::parse(to) else { return };
                address.set_param("tag", Some(tag));
                address.to_string().into_bytes()
            }
            Some(_) => return,
            None => [to, b";tag=", tag.as_bytes()].concat(),
        };
        self.headers.set(HeaderName::To, tagged);
    }
}

/// The start line, and where it was wrong.
enum Start {
    Request { method: Option<Method>, uri: Result<Uri, Fault> },
    Response { status: u16, reason: Bytes },
}

/// A message half read. The first fault is kept and reading goes on, so that there is something to answer with.
struct Reader<'a> {
    bytes: &'a Bytes,
    headers: Headers,
    fault: Option<Fault>,
}

impl Reader<'_> {
    fn read(bytes: &Bytes, limits: &Limits) -> Result<Message, ParseError> {
        let mut reader = Reader { bytes, headers: Headers::with_capacity(16), fault: None };
        let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let mut lines = Lines::new(bytes, skipped);
        let start = lines.next().and_then(|line| reader.start(line));
        let Some(start) = start else { return Err(ParseError { fault: Fault::NotSip, reply: None }) };
        let body_at = reader.fields(&mut lines, limits);
        let body = reader.body(body_at, limits);
        reader.check(&start);
        reader.finish(start, body)
    }

    fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// `None`: not SIP at all, or a response that cannot be understood.
    fn start(&mut self, line: Line) -> Option<Start> {
        let text = &self.bytes[line.start..line.end];
        if text.starts_with(b"SIP/") {
            return self.status_line(line);
        }
        memchr::memmem::find(text, b"SIP/")?;
        let first = memchr::memchr(b' ', text)?;
        let last = memchr::memrchr(b' ', text).filter(|last| *last > first);
        let method = Method::parse(&text[..first]);
        let uri = match last {
            Some(last) => request_uri(&text[first + 1..last]),
            None => Err(Fault::StartLine),
        };
        match last.map(|last| &text[last + 1..]) {
            Some(version) if version.eq_ignore_ascii_case(b"SIP/2.0") => {}
            Some(version) if is_version(version) => self.blame(Fault::Version),
            _ => self.blame(Fault::StartLine),
        }
        if line.kind != LineKind::Whole || method.is_none() {
            self.blame(Fault::StartLine);
        }
        Some(Start::Request { method, uri })
    }

    /// `SIP/2.0 200 OK`; the space before an empty reason is often forgotten.
    fn status_line(&self, line: Line) -> Option<Start> {
        let text = self.bytes[line.start..line.end].strip_prefix(b"SIP/2.0 ")?;
        let (digits, rest) = text.split_at_checked(3)?;
        let status = crate::value::number(digits).filter(|status| (100..700).contains(status))?;
        let reason = match rest {
            [] => Bytes::new(),
            [b' ', ..] => self.bytes.slice(line.end - rest.len() + 1..line.end),
            _ => return None,
        };
        (line.kind == LineKind::Whole).then_some(Start::Response { status: status as u16, reason })
    }

    /// Reads header fields to the empty line; where the body starts.
    fn fields(&mut self, lines: &mut Lines<'_>, limits: &Limits) -> usize {
        for line in lines.by_ref() {
            if line.end > limits.header_bytes {
                self.blame(Fault::HeaderTooLong);
                break;
            }
            let text = match line.kind {
                LineKind::Whole if line.start == line.end => return line.end + 2,
                LineKind::Whole => self.bytes.slice(line.start..line.end),
                LineKind::Folded => unfold(&self.bytes[line.start..line.end]),
                LineKind::Broken => {
                    self.blame(Fault::Line);
                    continue;
                }
            };
            match Header::parse(text) {
                Some(header) => self.headers.push_header(header),
                None => self.blame(Fault::Line),
            }
        }
        self.blame(Fault::Unfinished);
        self.bytes.len()
    }

    fn body(&mut self, start: usize, limits: &Limits) -> Bytes {
        let rest = self.bytes.slice(start.min(self.bytes.len())..);
        let length = match self.headers.first(HeaderName::ContentLength).map(crate::value::number) {
            None => rest.len(),
            Some(Some(length)) => length as usize,
            Some(None) => {
                self.blame(Fault::Header(HeaderName::ContentLength));
                return Bytes::new();
            }
        };
        if length > limits.body_bytes {
            self.blame(Fault::BodyTooLong);
        } else if length > rest.len() {
            self.blame(Fault::Truncated);
        } else {
            return rest.slice(..length);
        }
        Bytes::new()
    }

    fn check(&mut self, start: &Start) {
        let is_request = matches!(start, Start::Request { .. });
        let mut seen = [0u16; HeaderName::Other as usize + 1];
        let mut fault = None;
        for header in &self.headers {
            seen[header.name as usize] = seen[header.name as usize].saturating_add(1);
            if fault.is_none() && !is_sound(header, is_request) {
                fault = Some(Fault::Header(header.name));
            }
        }
        let once = [
            HeaderName::CallId,
            HeaderName::CSeq,
            HeaderName::From,
            HeaderName::To,
            HeaderName::MaxForwards,
            HeaderName::ContentLength,
        ];
        let repeated = once.into_iter().find(|name| seen[*name as usize] > 1).map(Fault::Repeated);
        let missing = Response::COPIED.into_iter().find(|name| seen[*name as usize] == 0).map(Fault::Missing);
        if let Some(fault) = repeated.or(missing).or(fault) {
            self.blame(fault);
        }
        if let (Start::Request { method: Some(method), .. }, Ok((_, named))) = (start, self.headers.cseq())
            && *method != named
        {
            self.blame(Fault::CSeqMethod);
        }
    }

    fn finish(self, start: Start, body: Bytes) -> Result<Message, ParseError> {
        match start {
            Start::Response { status, reason } => match self.fault {
                None => Ok(Message::Response(Response { status, reason, headers: self.headers, body })),
                Some(fault) => Err(ParseError { fault, reply: None }),
            },
            Start::Request { method, uri } => match (self.fault, method, uri) {
                (None, Some(method), Ok(uri)) => {
                    Ok(Message::Request(Request { method, uri, headers: self.headers, body }))
                }
                (fault, method, uri) => {
                    let fault = fault.or(uri.err()).unwrap_or(Fault::StartLine);
                    let answerable = method != Some(Method::Ack) && self.headers.has(HeaderName::Via);
                    Err(ParseError {
                        fault,
                        reply: answerable.then(|| Box::new(Response::to(&self.headers, fault.status()))),
                    })
                }
            },
        }
    }
}

/// A Request-URI carries no headers (RFC 3261 section 19.1.1).
fn request_uri(text: &[u8]) -> Result<Uri, Fault> {
    Uri::parse(text).and_then(|uri| if uri.headers.is_some() { Err(Fault::Uri) } else { Ok(uri) })
}

fn is_version(text: &[u8]) -> bool {
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let Some(version) = text.strip_prefix(b"SIP/") else { return false };
    memchr::memchr(b'.', version).is_some_and(|dot| is_number(&version[..dot]) && is_number(&version[dot + 1..]))
}

/// Whether the value is what RFC 3261 section 25.1 says, for the fields that every element has to understand.
fn is_sound(header: &Header, is_request: bool) -> bool {
    let value = header.value();
    match header.name {
        HeaderName::Via => {
            let mut hops = commas(value).peekable();
            hops.peek().is_some() && hops.all(|hop| ViaParts::split(hop).is_some())
        }
        HeaderName::From | HeaderName::To => AddressParts::check(value),
        HeaderName::Contact => !is_request || value == b"*" || commas(value).all(AddressParts::check),
        HeaderName::CallId => !value.is_empty() && value.iter().all(u8::is_ascii_graphic),
        HeaderName::CSeq => crate::value::parse_cseq(value).is_some(),
        HeaderName::MaxForwards => !is_request || crate::value::number(value).is_some_and(|hops| hops <= 255),
        _ => true,
    }
}

/// Every line break and the white space after it as one space (RFC 3261 section 7.3.1).
fn unfold(text: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(text.len());
    for part in text.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(if line.is_empty() { part } else { part.trim_ascii_start() });
    }
    line.into()
}

/// The reason phrase of a status (RFC 3261 section 21 and later RFCs).
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "Unknown",
    }
}
