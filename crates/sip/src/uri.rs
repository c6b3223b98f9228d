//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966); others are carried as they came.

use crate::Fault;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Parameters in order: name and raw value, escapes and quotes kept.
pub type Params = Vec<(String, Option<String>)>;

/// What stands before the first colon.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scheme {
    /// `sip`.
    Sip,
    /// `sips`.
    Sips,
    /// `tel`.
    Tel,
    /// Anything else; 416 in a Request-URI.
    Other(String),
}

/// Where a SIP URI or a Via points.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Host {
    /// A name, in its own spelling. Empty in a `tel` or unknown URI.
    Domain(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; brackets are written.
    V6(Ipv6Addr),
}

/// A URI, taken apart but not unescaped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Uri {
    /// Which kind.
    pub scheme: Scheme,
    /// User part, escapes kept. The number of a `tel` URI; all of an unknown one.
    pub user: Option<String>,
    /// Password, escapes kept.
    pub password: Option<String>,
    /// Host.
    pub host: Host,
    /// Port.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
    /// What follows `?`, raw.
    pub headers: Option<String>,
}

impl Uri {
    /// `sip:user@host:port`; `user` is escaped as needed.
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Uri {
        let user = user.map(escape);
        Uri { scheme: Scheme::Sip, user, password: None, host, port, params: Params::new(), headers: None }
    }

    /// The URI in `text`. Bytes that are not UTF-8 are kept as their escapes. Fails with [`Fault::Uri`].
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Uri, Fault> {
        Parts::split(text.as_ref()).map(Parts::owned)
    }

    /// Raw value of a parameter: `None` absent, `Some("")` without value. Names compare without case.
    pub fn param(&self, name: &str) -> Option<&str> {
        param(&self.params, name)
    }

    /// The user part without escapes; bytes that are no UTF-8 are replaced.
    pub fn user_unescaped(&self) -> Option<String> {
        Some(String::from_utf8_lossy(&unescape(self.user.as_ref()?, b"")).into_owned())
    }

    /// Same resource by RFC 3261 section 19.1.4 (and RFC 3966 section 4 for `tel`).
    pub fn equivalent(&self, other: &Uri) -> bool {
        if self == other || self.scheme != other.scheme {
            return self == other;
        }
        match self.scheme {
            Scheme::Other(_) => false,
            Scheme::Tel => digits(&self.user) == digits(&other.user) && same_params(&self.params, &other.params, true),
            Scheme::Sip | Scheme::Sips => {
                same_text(&self.user, &other.user)
                    && same_text(&self.password, &other.password)
                    && self.host.equivalent(&other.host)
                    && self.port == other.port
                    && same_params(&self.params, &other.params, false)
                    && header_set(&self.headers) == header_set(&other.headers)
            }
        }
    }

    /// Port to connect to when none is named: 5061 for sips, else 5060.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.scheme == Scheme::Sips { 5061 } else { 5060 })
    }
}

/// A URI cut into its parts, checked, nothing copied.
pub(crate) struct Parts<'a> {
    scheme: &'a [u8],
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    host: &'a [u8],
    port: Option<u16>,
    params: &'a [u8],
    pub(crate) headers: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    pub(crate) fn split(text: &'a [u8]) -> Result<Parts<'a>, Fault> {
        let colon = memchr::memchr(b':', text).ok_or(Fault::Uri)?;
        let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
        if !is_scheme(scheme) || rest.is_empty() || !is_printable(rest) {
            return Err(Fault::Uri);
        }
        let mut parts = Parts { scheme, user: None, password: None, host: b"", port: None, params: b"", headers: None };
        if scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips") {
            parts.split_sip(rest)?;
        } else if scheme.eq_ignore_ascii_case(b"tel") {
            let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
            parts.user = Some(&rest[..end]).filter(|number| !number.is_empty());
            parts.params = &rest[end..];
            parts.user.ok_or(Fault::Uri)?;
        } else {
            parts.user = Some(rest);
        }
        let named = |param: (&[u8], Option<&[u8]>)| !param.0.is_empty();
        split_params(parts.params).all(named).then_some(parts).ok_or(Fault::Uri)
    }

    fn split_sip(&mut self, rest: &'a [u8]) -> Result<(), Fault> {
        let mut rest = rest;
        if let Some(at) = memchr::memchr(b'@', rest) {
            let (user, password) = cut(&rest[..at], b':');
            (self.user, self.password) = (Some(user), password);
            rest = &rest[at + 1..];
        }
        let end = rest.iter().position(|byte| matches!(byte, b';' | b'?')).unwrap_or(rest.len());
        (self.host, self.port) = host_port(&rest[..end]).ok_or(Fault::Uri)?;
        (self.params, self.headers) = cut(&rest[end..], b'?');
        Ok(())
    }

    fn owned(self) -> Uri {
        let scheme = match &*self.scheme.to_ascii_lowercase() {
            b"sip" => Scheme::Sip,
            b"sips" => Scheme::Sips,
            b"tel" => Scheme::Tel,
            _ => Scheme::Other(kept(self.scheme)),
        };
        Uri {
            scheme,
            user: self.user.map(kept),
            password: self.password.map(kept),
            host: Host::parse(self.host).unwrap_or(Host::Domain(String::new())),
            port: self.port,
            params: split_params(self.params).map(|(name, value)| (kept(name), value.map(kept))).collect(),
            headers: self.headers.map(kept),
        }
    }
}

/// Before and after the first `at`.
fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(position) => (&text[..position], Some(&text[position + 1..])),
        None => (text, None),
    }
}

/// Host (checked) and port of `host[:port]`, white space around the colon allowed (RFC 3261 section 25.1, COLON in sent-by).
pub(crate) fn host_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let start = if text.first() == Some(&b'[') { memchr::memchr(b']', text)? } else { 0 };
    let colon = memchr::memchr(b':', &text[start..]).map(|at| start + at);
    let host = text[..colon.unwrap_or(text.len())].trim_ascii_end();
    is_host(host).then_some(())?;
    let port = match colon {
        Some(at) => Some(std::str::from_utf8(text[at + 1..].trim_ascii()).ok()?.parse().ok()?),
        None => None,
    };
    Some((host, port))
}

fn is_host(text: &[u8]) -> bool {
    match text {
        [b'[', address @ .., b']'] => std::str::from_utf8(address).is_ok_and(|address| reference(address).is_some()),
        name => !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte)),
    }
}

fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

/// No white space, control or bracket, and every `%` begins an escape. Bytes beyond ASCII are let through: they are seen in the field.
fn is_printable(text: &[u8]) -> bool {
    let mut escapes = memchr::memchr_iter(b'%', text);
    let is_hex = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
    text.iter().all(|byte| *byte > b' ' && !matches!(byte, 0x7f | b'<' | b'>' | b'"'))
        && escapes.all(|at| is_hex(at + 1) && is_hex(at + 2))
}

/// The parameters in `;name=value;name`.
fn split_params(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let rest = text.strip_prefix(b";");
    rest.into_iter().flat_map(|rest| rest.split(|byte| *byte == b';')).map(|param| cut(param, b'='))
}

/// As text; bytes that are not UTF-8 as escapes, so that none is lost.
fn kept(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    text
}

/// `text` with everything escaped that may not stand in a user part (RFC 3261 section 25.1, user).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// `text` without escapes, except those of the bytes in `except`.
fn unescape(text: &str, except: &[u8]) -> Vec<u8> {
    let bytes = text.as_bytes();
    let hex = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let escaped = hex(at + 1).zip(hex(at + 2)).map(|(high, low)| (high * 16 + low) as u8);
        match escaped.filter(|_| byte == b'%') {
            Some(plain) if !except.contains(&plain) => {
                out.push(plain);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Escapes of reserved characters differ from the characters themselves (RFC 3261 section 19.1.4).
const RESERVED: &[u8] = b";/?:@&=+$,%";

fn same_text(one: &Option<String>, other: &Option<String>) -> bool {
    let plain = |text: &Option<String>| text.as_ref().map(|text| unescape(text, RESERVED));
    one == other || plain(one) == plain(other)
}

/// The digits of a telephone number, without visual separators (RFC 3966 section 5.1.1).
fn digits(number: &Option<String>) -> String {
    number
        .iter()
        .flat_map(|number| number.chars())
        .filter(|digit| !"-.()".contains(*digit))
        .map(|digit| digit.to_ascii_lowercase())
        .collect()
}

/// Parameters in both agree; those in one only must not be of the kinds that matter (`strict`: must not be at all).
fn same_params(one: &Params, other: &Params, strict: bool) -> bool {
    const DECISIVE: &[&str] = &["user", "ttl", "method", "maddr", "transport"];
    let agree = |(name, value): &(String, Option<String>), there: &Params| match param(there, name) {
        Some(found) => {
            let plain = |text: &str| unescape(text, RESERVED).to_ascii_lowercase();
            plain(found) == plain(value.as_deref().unwrap_or(""))
        }
        None => !strict && !DECISIVE.iter().any(|decisive| decisive.eq_ignore_ascii_case(name)),
    };
    one.iter().all(|mine| agree(mine, other)) && other.iter().all(|theirs| agree(theirs, one))
}

/// The header fields that a request to this URI is to have, unescaped (section 19.1.1).
pub(crate) fn escaped_headers(uri: &Uri) -> Vec<(String, String)> {
    let plain = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    header_set(&uri.headers).into_iter().map(|(name, value)| (plain(name), plain(value))).collect()
}

fn header_set(headers: &Option<String>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let split = |header: &str| {
        let (name, value) = header.split_once('=').unwrap_or((header, ""));
        (unescape(name, b"").to_ascii_lowercase(), unescape(value, b""))
    };
    let mut set: Vec<_> = headers.iter().flat_map(|headers| headers.split('&')).map(split).collect();
    set.sort();
    set
}

/// Raw value of the parameter `name`: `None` absent, `Some("")` without value.
pub fn param<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_deref().unwrap_or(""))
}

/// What stands between the brackets. The grammar of RFC 3261 let a third colon in (RFC 5118 section 4.10).
fn reference(address: &str) -> Option<Ipv6Addr> {
    address.parse().or_else(|_| address.replacen(":::", "::", 1).parse()).ok()
}

impl Host {
    /// The host in `text`, brackets around IPv6 wanted.
    pub fn parse(text: &[u8]) -> Option<Host> {
        is_host(text).then_some(())?;
        let text = std::str::from_utf8(text).ok()?;
        if let Some(address) = text.strip_prefix('[') {
            return reference(address.strip_suffix(']')?).map(Host::V6);
        }
        Some(text.parse().map_or_else(|_| Host::Domain(text.to_owned()), Host::V4))
    }

    /// Same host: addresses as numbers, names without case.
    pub fn equivalent(&self, other: &Host) -> bool {
        match (self, other) {
            (Host::Domain(one), Host::Domain(other)) => one.eq_ignore_ascii_case(other),
            _ => self == other,
        }
    }

    /// The address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Domain(_) => None,
            Host::V4(ip) => Some(IpAddr::V4(*ip)),
            Host::V6(ip) => Some(IpAddr::V6(*ip)),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        match ip {
            IpAddr::V4(ip) => Host::V4(ip),
            IpAddr::V6(ip) => Host::V6(ip),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Domain(name) => f.write_str(name),
            Host::V4(ip) => write!(f, "{ip}"),
            Host::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(name) => name,
        })
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        f.write_str(self.user.as_deref().unwrap_or(""))?;
        if matches!(self.scheme, Scheme::Sip | Scheme::Sips) {
            self.password.iter().try_for_each(|password| write!(f, ":{password}"))?;
            f.write_str(if self.user.is_some() { "@" } else { "" })?;
            self.host.fmt(f)?;
            self.port.iter().try_for_each(|port| write!(f, ":{port}"))?;
        }
        write_params(f, &self.params)?;
        self.headers.iter().try_for_each(|headers| write!(f, "?{headers}"))
    }
}

pub(crate) fn write_params(f: &mut fmt::Formatter<'_>, params: &Params) -> fmt::Result {
    for (name, value) in params {
        write!(f, ";{name}")?;
        value.iter().try_for_each(|value| write!(f, "={value}"))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_form_comes_back_as_it_was() {
        let forms = [
            "sip:95118@10.0.0.1",
            "sip:alice:secret@example.com:5070;lr;transport=tcp?Subject=hi&Priority=urgent",
            "sips:[2001:db8::1]:5061",
            "sip:user;par=u%40example.net@example.com",
            "sip:*72%23@h",
            "tel:+86-21-12345678;phone-context=x",
            "tel:95118",
            "soap.beep://192.0.2.103:3002",
            "nobodyKnowsThisScheme:totallyopaquecontent",
            "sip:张三@host",
            "sip:@h",
            "urn:service:sos",
            "sip:h;x=;y",
        ];
        for form in forms {
            assert_eq!(Uri::parse(form).unwrap().to_string(), form);
        }
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        let forms = [
            "",
            "sip",
            "sip:",
            ":x",
            "sip:a b@h",
            "<sip:a@h>",
            "sip:a@h:99999",
            "sip:a@h:",
            "sip:a@",
            "sip:a@[::1",
            "sip:a@h;;x",
            "sip:a@h; lr",
            "sip:%4@h",
            "sip:a@h:50 60",
            "tel:",
            "tel:;x=1",
            "1sip:x",
            "sip:a\"b@h",
            "sip:a@h;",
            "sip:a@[1.2.3.4]",
        ];
        for form in forms {
            assert_eq!(Uri::parse(form), Err(Fault::Uri), "{form}");
        }
    }

    #[test]
    fn parts_are_where_rfc_3261_puts_them() {
        let uri = Uri::parse("sip:j%40s0n:pw@[2001:db8::9]:5070;maddr=1.2.3.4;LR?a=b").unwrap();
        assert_eq!(uri.user_unescaped().as_deref(), Some("j@s0n"));
        assert_eq!((uri.password.as_deref(), uri.port, uri.headers.as_deref()), (Some("pw"), Some(5070), Some("a=b")));
        assert_eq!(uri.host.ip(), Some("2001:db8::9".parse().unwrap()));
        assert_eq!((uri.param("lr"), uri.param("MADDR"), uri.param("x")), (Some(""), Some("1.2.3.4"), None));
    }

    #[test]
    fn bytes_that_are_no_text_survive_as_escapes() {
        let uri = Uri::parse(b"sip:caf\xe9@h").unwrap();
        assert_eq!(uri.to_string(), "sip:caf%E9@h");
        assert_eq!(Uri::sip(Some("a b@#张"), Host::Domain("h".into()), None).to_string(), "sip:a%20b%40%23%E5%BC%A0@h");
    }

    #[test]
    fn equivalence_follows_the_examples_of_section_19_1_4() {
        let same = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("tel:+86-21-123", "tel:+86(21)123"),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
            ("sip:a@h;x=1;x=2", "sip:a@h;x=1;x=2"),
        ];
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a%3Bb@h", "sip:a;b@h"),
            ("sip:a@h", "sips:a@h"),
            ("tel:123;x=1", "tel:123"),
        ];
        let equivalent = |one: &str, other: &str| Uri::parse(one).unwrap().equivalent(&Uri::parse(other).unwrap());
        for (one, other) in same {
            assert!(equivalent(one, other) && equivalent(other, one), "{one} {other}");
        }
        for (one, other) in different {
            assert!(!equivalent(one, other) && !equivalent(other, one), "{one} {other}");
        }
    }
}
