//! Header values cut into parts and checked, nothing copied (RFC 3261 section 25.1).

use crate::uri::{Host, Params, Parts, host_port};
use crate::value::{is_token, lossy};

/// The elements of a list, split at commas outside quotes and angle brackets, white space around them removed; empty ones left out.
pub(crate) fn commas(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(text, b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

fn split(text: &[u8], at: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = outside(text, at).unwrap_or(text.len());
        rest = text.get(end + 1..);
        Some(&text[..end])
    })
}

/// Where `wanted` first stands outside quotes and angle brackets.
fn outside(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr3(wanted, b'"', b'<', &text[at..])?;
        match text[at] {
            found if found == wanted => return Some(at),
            b'"' => at += quoted_end(&text[at..])?,
            _ => at += angled_end(&text[at..])?,
        }
    }
}

/// Where the angle brackets that `text` starts with end.
fn angled_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'>', b'"', &text[at..])?;
        match text[at] {
            b'>' => return Some(at + 1),
            _ => at += quoted_end(&text[at..])?,
        }
    }
}

/// A Via cut into its parts, checked, nothing copied.
pub(crate) struct ViaParts<'a> {
    pub(crate) transport: &'a [u8],
    host: &'a [u8],
    pub(crate) port: Option<u16>,
    pub(crate) params: &'a [u8],
}

impl<'a> ViaParts<'a> {
    pub(crate) fn host(&self) -> Option<Host> {
        Host::parse(self.host)
    }

    /// The same as it was spelt.
    pub(crate) fn host_text(&self) -> &'a str {
        std::str::from_utf8(self.host).unwrap_or_default()
    }

    /// Raw value of a parameter: empty without value.
    pub(crate) fn param(&self, name: &str) -> Option<&'a [u8]> {
        raw_param(self.params, name)
    }

    /// Transaction id.
    pub(crate) fn branch(&self) -> Option<&'a str> {
        std::str::from_utf8(self.param("branch")?).ok().filter(|branch| !branch.is_empty())
    }

    pub(crate) fn split(text: &'a [u8]) -> Option<ViaParts<'a>> {
        let rest = after_slash(text.trim_ascii(), b"SIP")?;
        let rest = after_slash(rest, b"2.0")?;
        let space = rest.iter().position(u8::is_ascii_whitespace)?;
        let (transport, rest) = (&rest[..space], rest[space..].trim_ascii_start());
        is_token(transport).then_some(())?;
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (host, port) = host_port(rest[..end].trim_ascii_end())?;
        let params = &rest[end..];
        are_params(params).then_some(ViaParts { transport, host, port, params })
    }
}

/// What follows `word / ` in `text`.
fn after_slash<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(word.len())?;
    let rest = rest.trim_ascii_start().strip_prefix(b"/")?;
    start.eq_ignore_ascii_case(word).then(|| rest.trim_ascii_start())
}

/// A name-addr or addr-spec cut into its parts, checked but for the URI, nothing copied.
pub(crate) struct AddressParts<'a> {
    pub(crate) display: Option<&'a [u8]>,
    pub(crate) uri: &'a [u8],
    pub(crate) params: &'a [u8],
}

impl<'a> AddressParts<'a> {
    pub(crate) fn split(text: &'a [u8]) -> Option<AddressParts<'a>> {
        let text = text.trim_ascii();
        let Some(open) = outside(text, b'<') else { return AddressParts::split_bare(text) };
        let close = open + memchr::memchr(b'>', &text[open..])?;
        let (display, uri, params) =
            (text[..open].trim_ascii(), &text[open + 1..close], text[close + 1..].trim_ascii_start());
        let sound = is_display(display) && are_params(params);
        sound.then_some(AddressParts { display: Some(display).filter(|display| !display.is_empty()), uri, params })
    }

    /// Without brackets parameters belong to the field, and `,` and `?` may not occur (RFC 3261 section 20.10).
    fn split_bare(text: &'a [u8]) -> Option<AddressParts<'a>> {
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        let (uri, params) = (text[..end].trim_ascii_end(), &text[end..]);
        let sound = memchr::memchr2(b',', b'?', uri).is_none() && are_params(params);
        sound.then_some(AddressParts { display: None, uri, params })
    }

    /// Raw value of a header parameter: empty without value.
    pub(crate) fn param(&self, name: &str) -> Option<&'a [u8]> {
        raw_param(self.params, name)
    }

    /// Whether address and URI are sound.
    pub(crate) fn check(text: &[u8]) -> bool {
        AddressParts::split(text).is_some_and(|parts| Parts::split(parts.uri).is_ok())
    }
}

/// A quoted string or words. Words may hold more than RFC 3261 allows (unquoted Chinese is common), but nothing that cuts a list or an address.
fn is_display(text: &[u8]) -> bool {
    match text {
        [b'"', ..] => quoted_end(text) == Some(text.len()),
        words => !words.iter().any(|byte| b"\",;".contains(byte)),
    }
}

/// Where the quoted string that `text` starts with ends.
fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// The parameters in `;name = value;name`; `None` in place of a malformed one.
fn split_params(text: &[u8]) -> impl Iterator<Item = Option<(&[u8], Option<&[u8]>)>> {
    let text = text.trim_ascii();
    let rest = if text.is_empty() { None } else { Some(text.strip_prefix(b";").unwrap_or(b"")) };
    rest.into_iter().flat_map(|rest| split(rest, b';')).map(|param| {
        let (name, value) = match memchr::memchr(b'=', param) {
            Some(at) => (param[..at].trim_ascii(), Some(param[at + 1..].trim_ascii())),
            None => (param.trim_ascii(), None),
        };
        let sound = is_token(name) && value.is_none_or(is_value);
        sound.then_some((name, value))
    })
}

/// A quoted string, or anything printable without separators; empty is let through.
fn is_value(text: &[u8]) -> bool {
    match text {
        [b'"', ..] => quoted_end(text) == Some(text.len()),
        plain => plain.iter().all(|byte| *byte > b' ' && *byte != 0x7f && !b"\",;<>".contains(byte)),
    }
}

fn are_params(text: &[u8]) -> bool {
    split_params(text).all(|param| param.is_some())
}

fn raw_param<'a>(params: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut params = split_params(params).flatten();
    params.find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value.unwrap_or_default())
}

pub(crate) fn owned_params(text: &[u8]) -> Params {
    split_params(text).flatten().map(|(name, value)| (lossy(name), value.map(lossy))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `outside`, byte by byte.
    fn outside_slowly(text: &[u8], wanted: u8) -> Option<usize> {
        let (mut quoted, mut angled, mut escaped) = (false, false, false);
        text.iter().position(|&byte| {
            if escaped {
                escaped = false;
                return false;
            }
            if byte == wanted && !quoted && !angled {
                return true;
            }
            match byte {
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'<' if !quoted => angled = true,
                b'>' if !quoted => angled = false,
                _ => {}
            }
            false
        })
    }

    #[test]
    fn every_short_text_is_cut_as_if_read_byte_by_byte() {
        const LETTERS: &[u8] = b"a,\"\\<>";
        for number in 0..LETTERS.len().pow(7) {
            let text: Vec<u8> = (0..7).map(|at| LETTERS[number / LETTERS.len().pow(at) % LETTERS.len()]).collect();
            for wanted in [b',', b'<'] {
                let shown = String::from_utf8_lossy(&text);
                assert_eq!(outside(&text, wanted), outside_slowly(&text, wanted), "{shown}");
            }
        }
    }

    #[test]
    fn a_list_is_cut_only_where_nothing_holds_it_together() {
        let text = br#""Last, First \" , <" <sip:a@h;x=1,2>;p="q,r" , ,<sip:b@h>"#;
        let elements: Vec<_> = commas(text).collect();
        assert_eq!(elements, [&br#""Last, First \" , <" <sip:a@h;x=1,2>;p="q,r""#[..], b"<sip:b@h>"]);
    }
}
