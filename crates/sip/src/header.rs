//! Header fields in the order and the bytes they came in.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($name:ident = $text:literal $(/ $compact:literal)?;)*) => {
        /// A header field's name, whatever its spelling: case does not matter, nor whether the compact form came.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// A name we have no word for; see [`Headers::named`].
            Other,
        }

        impl HeaderName {
            /// The name in its usual spelling; empty for `Other`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(HeaderName::$name => $text,)*
                    HeaderName::Other => "",
                }
            }

            /// The name that these bytes spell, long or compact (RFC 3261 section 7.3.3).
            pub fn parse(text: &[u8]) -> HeaderName {
                if let [letter] = text {
                    return match letter.to_ascii_lowercase() {
                        $($($compact => HeaderName::$name,)?)*
                        _ => HeaderName::Other,
                    };
                }
                let mut slot = slot(text);
                while let Some((name, found)) = SLOTS[slot] {
                    if name.as_bytes().eq_ignore_ascii_case(text) {
                        return found;
                    }
                    slot = (slot + 1) % SLOTS.len();
                }
                HeaderName::Other
            }
        }

        const NAMES: &[(&str, HeaderName)] = &[$(($text, HeaderName::$name)),*];
    };
}

/// The names by [`slot`], each at the first free place from there.
const SLOTS: [Option<(&str, HeaderName)>; 256] = {
    let mut slots = [None; 256];
    let mut at = 0;
    while at < NAMES.len() {
        let mut slot = slot(NAMES[at].0.as_bytes());
        while slots[slot].is_some() {
            slot = (slot + 1) % slots.len();
        }
        slots[slot] = Some(NAMES[at]);
        at += 1;
    }
    slots
};

/// Where a name stands, by its length and a few of its letters in any case.
const fn slot(text: &[u8]) -> usize {
    let (first, middle, last) = match text {
        [first, .., last] => (*first, text[text.len() / 2], *last),
        _ => return 0,
    };
    ((first | 32) as usize * 7 + (middle | 32) as usize * 31 + (last | 32) as usize * 3 + text.len() * 13) % 256
}

names! {
    Via = "Via" / b'v';
    From = "From" / b'f';
    To = "To" / b't';
    CallId = "Call-ID" / b'i';
    CSeq = "CSeq";
    MaxForwards = "Max-Forwards";
    Contact = "Contact" / b'm';
    ContentLength = "Content-Length" / b'l';
    ContentType = "Content-Type" / b'c';
    Route = "Route";
    RecordRoute = "Record-Route";
    Expires = "Expires";
    Allow = "Allow";
    Supported = "Supported" / b'k';
    Require = "Require";
    UserAgent = "User-Agent";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
    ProxyRequire = "Proxy-Require";
    Unsupported = "Unsupported";
    Accept = "Accept";
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    AlertInfo = "Alert-Info";
    AllowEvents = "Allow-Events" / b'u';
    CallInfo = "Call-Info";
    ContentDisposition = "Content-Disposition";
    ContentEncoding = "Content-Encoding" / b'e';
    ContentLanguage = "Content-Language";
    Date = "Date";
    Diversion = "Diversion";
    Event = "Event" / b'o';
    HistoryInfo = "History-Info";
    MimeVersion = "MIME-Version";
    MinExpires = "Min-Expires";
    MinSe = "Min-SE";
    Organization = "Organization";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    Path = "Path";
    Privacy = "Privacy";
    RAck = "RAck";
    RSeq = "RSeq";
    Reason = "Reason";
    ReferTo = "Refer-To" / b'r';
    ReferredBy = "Referred-By" / b'b';
    RemotePartyId = "Remote-Party-ID";
    Replaces = "Replaces";
    RetryAfter = "Retry-After";
    Server = "Server";
    ServiceRoute = "Service-Route";
    SessionExpires = "Session-Expires" / b'x';
    Subject = "Subject" / b's';
    SubscriptionState = "Subscription-State";
    Timestamp = "Timestamp";
    UserToUser = "User-to-User";
    Warning = "Warning";
}

/// One header field, its line kept as it came (a folded one unfolded).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Which.
    pub name: HeaderName,
    line: Bytes,
    name_end: u32,
    value_start: u32,
    value_end: u32,
}

impl Header {
    /// A header field as we write it: `Name: value`. Line breaks in `value` become spaces, so no value can forge a header.
    pub fn new(name: &str, value: &[u8]) -> Header {
        Header::spelt(HeaderName::parse(name.as_bytes()), name, value)
    }

    fn spelt(name: HeaderName, spelling: &str, value: &[u8]) -> Header {
        let mut line = [spelling.as_bytes(), b": ", value].concat();
        let value_start = spelling.len() + 2;
        for byte in line[value_start..].iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')) {
            *byte = b' ';
        }
        Header {
            name,
            name_end: spelling.len() as u32,
            value_start: value_start as u32,
            value_end: line.len() as u32,
            line: line.into(),
        }
    }

    fn of(name: HeaderName, value: &[u8]) -> Header {
        Header::spelt(name, name.as_str(), value)
    }

    /// The field in `line` (no CRLF, unfolded); `None` without a name that is a token, or without a colon.
    pub fn parse(line: Bytes) -> Option<Header> {
        let colon = memchr::memchr(b':', &line)?;
        // LWS is of SP, HTAB and line breaks (RFC 3261 section 25.1); `trim_ascii` would take a form feed off as well.
        let is_black = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let end_of = |text: &[u8]| text.iter().rposition(is_black).map_or(0, |last| last + 1);
        let name_end = end_of(&line[..colon]);
        crate::value::is_token(&line[..name_end]).then_some(())?;
        let value_start = line[colon + 1..].iter().position(is_black).map_or(line.len(), |first| colon + 1 + first);
        let value_end = end_of(&line).max(value_start);
        let name = HeaderName::parse(&line[..name_end]);
        Some(Header {
            name,
            line,
            name_end: name_end as u32,
            value_start: value_start as u32,
            value_end: value_end as u32,
        })
    }

    /// The name as it was spelt.
    pub fn spelling(&self) -> &[u8] {
        &self.line[..self.name_end as usize]
    }

    /// The value without surrounding white space.
    pub fn value(&self) -> &[u8] {
        &self.line[self.value_start as usize..self.value_end as usize]
    }

    /// The whole line, without CRLF.
    pub fn line(&self) -> &[u8] {
        &self.line
    }
}

/// The header fields of a message, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// None yet.
    pub fn new() -> Headers {
        Headers::default()
    }

    pub(crate) fn with_capacity(count: usize) -> Headers {
        Headers(Vec::with_capacity(count))
    }

    /// Every field, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first field called `name`.
    pub fn first(&self, name: HeaderName) -> Option<&[u8]> {
        self.iter().find(|header| header.name == name).map(Header::value)
    }

    /// Whether a field called `name` is there.
    pub fn has(&self, name: HeaderName) -> bool {
        self.iter().any(|header| header.name == name)
    }

    /// The values of all fields called `name`, one per line.
    pub fn all(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |header| header.name == name).map(Header::value)
    }

    /// The elements of all fields called `name`, commas taken apart (RFC 3261 section 7.3.1).
    pub fn list(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(crate::parts::commas)
    }

    /// The value of the first field spelt `name` in any case, for names [`HeaderName`] does not know.
    pub fn named(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|header| header.spelling().eq_ignore_ascii_case(name.as_bytes())).map(Header::value)
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: HeaderName, value: impl AsRef<[u8]>) {
        self.0.push(Header::of(name, value.as_ref()));
    }

    /// Adds a field with a name of its own at the end. A name that is no token is left out.
    pub fn push_named(&mut self, name: &str, value: impl AsRef<[u8]>) {
        if crate::value::is_token(name.as_bytes()) {
            self.0.push(Header::new(name, value.as_ref()));
        }
    }

    /// Adds a field before all others.
    pub fn push_front(&mut self, name: HeaderName, value: impl AsRef<[u8]>) {
        self.0.insert(0, Header::of(name, value.as_ref()));
    }

    /// Adds a field as it came with another message.
    pub fn push_header(&mut self, header: Header) {
        self.0.push(header);
    }

    /// Adds every field called `name` of `other`, as it came.
    pub fn copy(&mut self, name: HeaderName, other: &Headers) {
        self.0.extend(other.iter().filter(|header| header.name == name).cloned());
    }

    /// Takes out every field called `name`.
    pub fn remove(&mut self, name: HeaderName) {
        self.0.retain(|header| header.name != name);
    }

    /// Makes `value` the only one of `name`: in place of the first, or at the end.
    pub fn set(&mut self, name: HeaderName, value: impl AsRef<[u8]>) {
        let header = Header::of(name, value.as_ref());
        let Some(at) = self.0.iter().position(|header| header.name == name) else { return self.0.push(header) };
        self.remove(name);
        self.0.insert(at, header);
    }

    /// Puts `value` in place of the first element of the first field called `name`; the other elements stay.
    pub fn set_top(&mut self, name: HeaderName, value: impl AsRef<[u8]>) {
        let Some(header) = self.0.iter_mut().find(|header| header.name == name) else {
            return self.push(name, value);
        };
        let mut line = value.as_ref().to_vec();
        for rest in crate::parts::commas(header.value()).skip(1) {
            line.extend_from_slice(b", ");
            line.extend_from_slice(rest);
        }
        *header = Header::of(name, &line);
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Where one logical line stands in a message, CRLF left out.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: LineKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    Whole,
    /// Goes on over a line break followed by white space.
    Folded,
    /// A lone CR or LF in it, or no CRLF at its end.
    Broken,
}

/// The logical lines of a header.
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Lines<'a> {
        Lines { bytes, at }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let start = self.at;
        let mut kind = LineKind::Whole;
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else { break };
            let is_crlf = rest[end..].starts_with(b"\r\n");
            let end_at = self.at + end;
            self.at = end_at + if is_crlf { 2 } else { 1 };
            if !is_crlf {
                kind = LineKind::Broken;
                if rest[end] == b'\r' {
                    continue;
                }
            } else if end_at > start && matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
                kind = if kind == LineKind::Broken { kind } else { LineKind::Folded };
                continue;
            }
            return Some(Line { start, end: end_at, kind });
        }
        self.at = self.bytes.len();
        (start < self.at).then_some(Line { start, end: self.at, kind: LineKind::Broken })
    }
}
