//! Header values taken apart: Via, name-addr, CSeq, lists and parameters (RFC 3261 section 25.1).

use crate::parts::{AddressParts, ViaParts, owned_params};
use crate::uri::{Host, Params, Uri, param, write_params};
use crate::{Fault, HeaderName, Headers, Method};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// One hop of a Via (RFC 3261 section 20.42).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// `UDP`, `TCP`, …, as it came.
    pub transport: String,
    /// sent-by host.
    pub host: Host,
    /// sent-by port.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, `ttl`, `maddr`, ….
    pub params: Params,
}

/// `"display" <uri>;params`, the form of From, To, Contact, Route, P-Asserted-Identity, ….
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAddr {
    /// Display name without quotes and escapes; bytes that are no UTF-8 are replaced (the header keeps them).
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// Header parameters.
    pub params: Params,
}

/// The Contact fields of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contacts {
    /// `*`: every binding (REGISTER only).
    Star,
    /// Addresses, in order; empty when there is no Contact.
    List(Vec<NameAddr>),
}

impl Via {
    /// A hop of ours with `branch` and an `rport` to be filled in (RFC 3581).
    pub fn new(transport: &str, host: Host, port: Option<u16>, branch: &str) -> Via {
        let params = vec![("branch".to_owned(), Some(branch.to_owned())), ("rport".to_owned(), None)];
        Via { transport: transport.to_owned(), host, port, params }
    }

    /// The hop in `text`. Fails with `Fault::Header(Via)`.
    pub fn parse(text: &[u8]) -> Result<Via, Fault> {
        let parts = ViaParts::split(text).ok_or(Fault::Header(HeaderName::Via))?;
        Ok(Via {
            transport: lossy(parts.transport),
            host: parts.host().ok_or(Fault::Header(HeaderName::Via))?,
            port: parts.port,
            params: owned_params(parts.params),
        })
    }

    /// Raw value of a parameter: `Some("")` without value.
    pub fn param(&self, name: &str) -> Option<&str> {
        param(&self.params, name)
    }

    /// Transaction id.
    pub fn branch(&self) -> Option<&str> {
        self.param("branch").filter(|branch| !branch.is_empty())
    }

    /// `received`, when it is an address (IPv6 with or without brackets).
    pub fn received(&self) -> Option<IpAddr> {
        self.param("received")?.trim_matches(['[', ']']).parse().ok()
    }

    /// `rport`: `None` not asked for, `Some(None)` asked for, `Some(Some(port))` filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.param("rport").map(|port| port.parse().ok())
    }

    /// Sets a parameter in place or at the end.
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        set_param(&mut self.params, name, value);
    }
}

impl NameAddr {
    /// `<uri>`.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr { display: None, uri, params: Params::new() }
    }

    /// The address in `text`, with or without angle brackets. Fails with [`Fault::Address`].
    pub fn parse(text: &[u8]) -> Result<NameAddr, Fault> {
        let parts = AddressParts::split(text).ok_or(Fault::Address)?;
        let display = parts.display.map(|display| unquote(display).into_owned()).filter(|display| !display.is_empty());
        Ok(NameAddr { display, uri: Uri::parse(parts.uri)?, params: owned_params(parts.params) })
    }

    /// Raw value of a header parameter: `Some("")` without value.
    pub fn param(&self, name: &str) -> Option<&str> {
        param(&self.params, name)
    }

    /// `tag`.
    pub fn tag(&self) -> Option<&str> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }

    /// Sets a header parameter in place or at the end.
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        set_param(&mut self.params, name, value);
    }
}

fn set_param(params: &mut Params, name: &str, value: Option<&str>) {
    let value = value.map(str::to_owned);
    match params.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
        Some(found) => found.1 = value,
        None => params.push((name.to_owned(), value)),
    }
}

/// What a message's fields mean. Everything `Message::parse` lets through has valid Via, From, To, Call-ID and CSeq.
impl Headers {
    /// The first hop.
    pub fn top_via(&self) -> Result<Via, Fault> {
        Via::parse(self.list(HeaderName::Via).next().ok_or(Fault::Missing(HeaderName::Via))?)
    }

    /// The first hop, nothing copied.
    pub(crate) fn hop(&self) -> Option<ViaParts<'_>> {
        ViaParts::split(self.list(HeaderName::Via).next()?)
    }

    /// All hops, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, Fault> {
        self.list(HeaderName::Via).map(Via::parse).collect()
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, Fault> {
        self.address(HeaderName::From)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, Fault> {
        self.address(HeaderName::To)
    }

    /// The first address of a field such as P-Asserted-Identity, Refer-To or From.
    pub fn address(&self, name: HeaderName) -> Result<NameAddr, Fault> {
        NameAddr::parse(self.first(name).ok_or(Fault::Missing(name))?).map_err(|_| Fault::Header(name))
    }

    /// All addresses of a list field such as Route, P-Asserted-Identity or Diversion.
    pub fn addresses(&self, name: HeaderName) -> Result<Vec<NameAddr>, Fault> {
        self.list(name).map(|text| NameAddr::parse(text).map_err(|_| Fault::Header(name))).collect()
    }

    /// Route set in the order of the fields.
    pub fn routes(&self) -> Result<Vec<NameAddr>, Fault> {
        self.addresses(HeaderName::Route)
    }

    /// Record-Route in the order of the fields; the caller's dialog reverses it (RFC 3261 section 12.1.2).
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, Fault> {
        self.addresses(HeaderName::RecordRoute)
    }

    /// Contact.
    pub fn contacts(&self) -> Result<Contacts, Fault> {
        if self.first(HeaderName::Contact) == Some(b"*") {
            return Ok(Contacts::Star);
        }
        self.addresses(HeaderName::Contact).map(Contacts::List)
    }

    /// The `tag` of From.
    pub fn from_tag(&self) -> Option<String> {
        tag(self.first(HeaderName::From)?)
    }

    /// The `tag` of To.
    pub fn to_tag(&self) -> Option<String> {
        tag(self.first(HeaderName::To)?)
    }

    /// Call-ID; empty when there is none.
    pub fn call_id(&self) -> &str {
        self.text(HeaderName::CallId).unwrap_or("")
    }

    /// Sequence number (below 2^31, RFC 3261 section 8.1.1.5) and method.
    pub fn cseq(&self) -> Result<(u32, Method), Fault> {
        parse_cseq(self.first(HeaderName::CSeq).ok_or(Fault::Missing(HeaderName::CSeq))?)
            .ok_or(Fault::Header(HeaderName::CSeq))
    }

    /// Seconds in Expires; `None` when absent or no number, saturating at 2^32-1.
    pub fn expires(&self) -> Option<u32> {
        self.number(HeaderName::Expires)
    }

    /// Max-Forwards, 0-255.
    pub fn max_forwards(&self) -> Option<u8> {
        u8::try_from(self.number(HeaderName::MaxForwards)?).ok()
    }

    /// Content-Length in bytes.
    pub fn content_length(&self) -> Option<u32> {
        self.number(HeaderName::ContentLength)
    }

    /// Seconds in Retry-After, comment and parameters left out.
    pub fn retry_after(&self) -> Option<u32> {
        self.number(HeaderName::RetryAfter)
    }

    /// `type/subtype` in lower case, parameters left out.
    pub fn content_type(&self) -> Option<String> {
        let value = self.text(HeaderName::ContentType)?;
        Some(value.split(';').next()?.split_whitespace().collect::<String>().to_ascii_lowercase())
    }

    /// The tokens of a list field such as Require, Supported or Allow.
    pub fn tokens(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.list(name).filter_map(|token| std::str::from_utf8(token).ok())
    }

    /// Whether a list field has this token, in any case.
    pub fn has_token(&self, name: HeaderName, token: &str) -> bool {
        self.tokens(name).any(|found| found.eq_ignore_ascii_case(token))
    }

    /// Option tags the peer insists on.
    pub fn require(&self) -> impl Iterator<Item = &str> {
        self.tokens(HeaderName::Require)
    }

    /// Option tags the peer understands.
    pub fn supported(&self) -> impl Iterator<Item = &str> {
        self.tokens(HeaderName::Supported)
    }

    /// The first value of `name`, when it is UTF-8.
    pub fn text(&self, name: HeaderName) -> Option<&str> {
        std::str::from_utf8(self.first(name)?).ok()
    }

    fn number(&self, name: HeaderName) -> Option<u32> {
        digits(self.first(name)?)
    }
}

/// The `tag` of an address.
fn tag(text: &[u8]) -> Option<String> {
    AddressParts::split(text)?.param("tag").filter(|tag| !tag.is_empty()).map(lossy)
}

/// The number that `text` starts with; saturates.
fn digits(text: &[u8]) -> Option<u32> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let number =
        text[..end].iter().fold(0u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    (end > 0).then_some(number)
}

/// The bytes of a token.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"-.!%*_+`'~";
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut other = 0;
    while other < others.len() {
        table[others[other] as usize] = true;
        other += 1;
    }
    table
};

/// Whether `text` is a token (RFC 3261 section 25.1).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN[*byte as usize])
}

/// `text` when it is a token (RFC 3261 section 25.1).
pub fn token(text: &[u8]) -> Option<&str> {
    is_token(text).then(|| std::str::from_utf8(text).ok()).flatten()
}

pub(crate) fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// A quoted string without quotes and escapes; anything else as it is. Bytes that are no UTF-8 are replaced.
pub fn unquote(text: &[u8]) -> Cow<'_, str> {
    let [b'"', inner @ .., b'"'] = text else { return String::from_utf8_lossy(text) };
    if memchr::memchr(b'\\', inner).is_none() {
        return String::from_utf8_lossy(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    Cow::Owned(lossy(&plain))
}

/// `text` as a quoted string. Control characters are escaped, but line breaks, which cannot be, become spaces (RFC 3261 section 25.1, quoted-pair).
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '\r' | '\n' => quoted.push(' '),
            '"' | '\\' | '\0'..' ' | '\x7f' => quoted.extend(['\\', letter]),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

/// Number below 2^31 and method (RFC 3261 section 8.1.1.5).
pub(crate) fn parse_cseq(text: &[u8]) -> Option<(u32, Method)> {
    let space = text.iter().position(u8::is_ascii_whitespace)?;
    let number = number(&text[..space]).filter(|number| *number < 1 << 31)?;
    Some((number, Method::parse(text[space..].trim_ascii_start())?))
}

/// The number that all of `text` is; `None` beyond 32 bits.
pub(crate) fn number(text: &[u8]) -> Option<u32> {
    let add = |sum: u32, digit: &u8| {
        digit.is_ascii_digit().then(|| sum.checked_mul(10)?.checked_add(u32::from(digit - b'0'))).flatten()
    };
    if text.is_empty() { None } else { text.iter().try_fold(0, add) }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        self.port.iter().try_for_each(|port| write!(f, ":{port}"))?;
        write_params(f, &self.params)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.display.iter().try_for_each(|display| write!(f, "{} ", quote(display)))?;
        write!(f, "<{}>", self.uri)?;
        write_params(f, &self.params)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_comes_back_as_it_was() {
        for text in ["", "Alice", "a \"b\" \\c", "tab\tnul\0del\x7f", "张三", "\u{85}"] {
            assert_eq!(unquote(quote(text).as_bytes()), text);
        }
        assert_eq!(quote("no\r\nVia: forged"), "\"no  Via: forged\"");
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        let cases = [
            ("sip:a@h;tag=1", None, "sip:a@h", Some("1")),
            ("<sip:a@h;lr>;TAG=1", None, "sip:a@h;lr", Some("1")),
            ("\"A \\\"B\\\"\" <sip:a@h>", Some("A \"B\""), "sip:a@h", None),
            ("\"\" <sip:a@h>", None, "sip:a@h", None),
            ("张三 (销售) <tel:+8610>;tag=x.y", Some("张三 (销售)"), "tel:+8610", Some("x.y")),
        ];
        for (text, display, uri, tag) in cases {
            let address = NameAddr::parse(text.as_bytes()).unwrap();
            assert_eq!(
                (address.display.as_deref(), &*address.uri.to_string(), address.tag()),
                (display, uri, tag),
                "{text}"
            );
            assert_eq!(NameAddr::parse(address.to_string().as_bytes()), Ok(address));
        }
        for text in [
            "",
            "<>",
            "<sip:a@h",
            "\"A <sip:a@h>",
            "A, B <sip:a@h>",
            "sip:a@h?x=y",
            "<sip:a@h>;",
            "<sip:a@h> x",
            "<sip:a@h>;t=\"x",
        ] {
            assert!(NameAddr::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn hops_are_read_with_and_without_brackets() {
        let via = Via::parse(b"SIP/2.0/TCP [2001:db8::1]:5070;branch=z9hG4bKx;received=2001:db8::2;rport=9").unwrap();
        assert_eq!(
            (via.port, via.received(), via.rport()),
            (Some(5070), Some("2001:db8::2".parse().unwrap()), Some(Some(9)))
        );
        let mut ours = Via::new("UDP", via.host, None, "z9hG4bKy");
        assert_eq!((ours.rport(), ours.branch(), ours.received()), (Some(None), Some("z9hG4bKy"), None));
        ours.set_param("rport", Some("7"));
        assert_eq!(ours.to_string(), "SIP/2.0/UDP [2001:db8::1];branch=z9hG4bKy;rport=7");
        for text in ["SIP/2.0/UDP", "SIP/3.0/UDP h", "SIP/2.0 h", "SIP/2.0/UDP h;;branch=x", "SIP/2.0/UDP h:x", ""] {
            assert!(Via::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_no_numbers() {
        assert_eq!(parse_cseq(b"2147483647  BYE"), Some((2_147_483_647, Method::Bye)));
        for text in ["2147483648 BYE", "-1 BYE", "1", "1 ", "x BYE", "1 B E"] {
            assert_eq!(parse_cseq(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            (number(b"4294967295"), number(b"4294967296"), number(b""), number(b"+1")),
            (Some(u32::MAX), None, None, None)
        );
        assert_eq!((digits(b"99999999999;x"), digits(b"30 (busy)"), digits(b"x")), (Some(u32::MAX), Some(30), None));
    }
}
