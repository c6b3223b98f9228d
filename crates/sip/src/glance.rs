//! A look at a message that is only to be filed: its Call-ID, its method and the leg our tag names. Nothing is checked.

use crate::leg::tagged;
use crate::{HeaderName, Method, Verb, Way};
use busyhour_model::LegId;

/// What a glance at a message tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance<'m> {
    /// The first line, without its end.
    pub first: &'m str,
    /// The value of Call-ID.
    pub call_id: &'m str,
    /// The method in CSeq, so that responses have one too.
    pub verb: Verb,
    /// Of a response.
    pub status: Option<u16>,
    from: Option<LegId>,
    to: Option<LegId>,
}

impl Glance<'_> {
    /// Looks at `message`; `None` when it has no first line of SIP, no Call-ID or no CSeq, or is not UTF-8 up to there.
    pub fn of(message: &[u8]) -> Option<Glance<'_>> {
        let mut lines = message.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let first = std::str::from_utf8(lines.next()?).ok()?;
        let status = match first.strip_prefix("SIP/2.0 ") {
            Some(rest) => Some(rest.get(..3)?.parse().ok()?),
            None => first.ends_with(" SIP/2.0").then_some(None)?,
        };
        let (mut call_id, mut verb, mut from, mut to) = (None, None, None, None);
        for line in lines.take_while(|line| !line.is_empty()) {
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let value = || std::str::from_utf8(line[colon + 1..].trim_ascii()).ok();
            match HeaderName::parse(line[..colon].trim_ascii_end()) {
                HeaderName::CallId => call_id = call_id.or_else(value),
                HeaderName::CSeq => verb = value()?.split_ascii_whitespace().nth(1).map(verb_of),
                HeaderName::From => from = value().and_then(leg_in),
                HeaderName::To => to = value().and_then(leg_in),
                _ => {}
            }
        }
        Some(Glance { first, call_id: call_id?, verb: verb?, status, from, to })
    }

    /// The leg that our own tag names, in a message that went this way.
    pub fn leg(&self, way: Way) -> Option<LegId> {
        // Who sent the request is in From, of its response too.
        let asked_by_us = (way == Way::Out) == self.status.is_none();
        if asked_by_us { self.from } else { self.to }
    }
}

fn verb_of(name: &str) -> Verb {
    Method::parse(name.as_bytes()).map_or(Verb::Other, |method| Verb::from(&method))
}

fn leg_in(value: &str) -> Option<LegId> {
    let at = value.to_ascii_lowercase().rfind(";tag=")? + 5;
    tagged(value.get(at..)?.split([';', '>', ',', ' ']).next()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OK: &str = "SIP/2.0 200 OK\r\nf: <sip:a@b>;tag=12.0a0b\r\nT: <sip:c@d>;TAG=2a.00ff;x=1\r\ni : q@w\r\nCSeq: 1 INVITE\r\n\r\nx";

    #[test]
    fn our_tag_names_the_leg_whichever_side_it_is_on() {
        let glance = Glance::of(OK.as_bytes()).unwrap();
        assert_eq!((glance.call_id, glance.verb, glance.status), ("q@w", Verb::Invite, Some(200)));
        assert_eq!(glance.leg(Way::Out), Some(LegId(0x2a)), "what we answer has our tag in To");
        assert_eq!(glance.leg(Way::In), Some(LegId(0x12)), "what answers us has it in From");
        let ask = OK.replace("SIP/2.0 200 OK", "BYE sip:c@d SIP/2.0");
        assert_eq!(Glance::of(ask.as_bytes()).unwrap().leg(Way::Out), Some(LegId(0x12)));
        assert_eq!(Glance::of(ask.as_bytes()).unwrap().leg(Way::In), Some(LegId(0x2a)));
    }

    #[test]
    fn what_is_no_message_is_not_filed() {
        for other in
            ["", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 2\r\n", "BYE sip:a SIP/2.0\r\nCall-ID: x\r\n\r\n"]
        {
            assert_eq!(Glance::of(other.as_bytes()), None, "{other:?}");
        }
    }
}
