//! A phone asks us to call somebody else for it (REFER, RFC 3515 and 5589), or to let it take a leg's place (Replaces, RFC 3891).

use crate::client::Owner;
use crate::event::Event;
use crate::leg::{Phase, Wanted};
use crate::receive::Place;
use crate::stack::Stack;
use crate::uri::escaped_headers;
use crate::{HeaderName, Headers, Method, NameAddr, Request, Scheme, Uri, reason};
use busyhour_model::{LegId, Time};
use std::time::Duration;

/// The option tag of Replaces.
pub(crate) const REPLACES: &str = "replaces";
/// The option tag of REFER without NOTIFY (RFC 4488).
pub(crate) const NO_SUBSCRIPTION: &str = "norefersub";
/// A transfer is over, one way or the other, by then.
const EXPIRES: Duration = Duration::from_secs(180);

impl Stack {
    /// REFER within a dialog: taken at once, how it goes is told by NOTIFY (RFC 3515 section 2.4).
    pub(crate) fn receive_refer(&mut self, now: Time, place: Place, server: u64, request: &Request) {
        let up = self.legs.get(&place.leg).is_some_and(|leg| matches!(leg.phase, Phase::Up(_)) && leg.trunk.is_none());
        // A carrier has no business with our other lines.
        if !up {
            return self.respond(now, server, request, 403);
        }
        let target = match refer_to(&request.headers) {
            Ok(target) => target,
            Err(status) => return self.respond(now, server, request, status),
        };
        let silent = request.headers.named("Refer-Sub").is_some_and(|value| value.trim_ascii().starts_with(b"false"));
        let number = request.headers.cseq().map_or(0, |cseq| cseq.0);
        let Some(session) = self.session(place) else { return };
        if session.wanted.is_some() {
            return self.respond(now, server, request, 491);
        }
        session.wanted = Some(Wanted { number, silent, until: now + EXPIRES });
        let mut response = self.decorated(request, 202);
        if let Some(session) = self.session(place) {
            response.headers.push(HeaderName::Contact, &session.dialog.contact);
        }
        if silent {
            response.headers.push_named("Refer-Sub", "false");
        }
        self.net.respond(now, server, &response);
        self.tell_transfer(now, place.leg, 100);
        let replaces = match replaced_by(&target) {
            None => None,
            Some(dialog) => match self.leg_of(&dialog) {
                Some(place) => Some(place.leg),
                None => return self.tell_transfer(now, place.leg, 481),
            },
        };
        let to = target.user_unescaped().unwrap_or_default();
        self.events.push_back(Event::TransferAsked { leg: place.leg, to, replaces });
    }

    /// Tells the peer that sent REFER how its transfer goes: a status below 200 as news, another as the last word.
    pub fn tell_transfer(&mut self, now: Time, leg: LegId, status: u16) {
        let found = self.legs.get_mut(&leg).filter(|leg| !leg.gone).map(|leg| &mut leg.phase);
        let Some(Phase::Up(session)) = found else { return };
        let Some(wanted) = session.wanted.clone() else { return };
        if status >= 200 {
            session.wanted = None;
        }
        if wanted.silent {
            return;
        }
        let state = match status {
            ..200 => format!("active;expires={}", wanted.until.since(now).as_secs()),
            _ => "terminated;reason=noresource".to_owned(),
        };
        let mut request = session.dialog.request(Method::Notify);
        request.headers.push(HeaderName::Event, format!("refer;id={}", wanted.number));
        request.headers.push(HeaderName::SubscriptionState, state);
        let line = format!("SIP/2.0 {status} {}\r\n", reason(status));
        request.set_body("message/sipfrag;version=2.0", line.into());
        let dialog = session.dialog.clone();
        let flow = self.hop(&dialog);
        self.net.send(now, request, flow, Owner::Nobody, None);
    }

    /// Whose place an INVITE is to take, if anybody's (RFC 3891 section 3).
    pub(crate) fn replaced(&self, request: &Request) -> Result<Option<LegId>, u16> {
        let mut given = request.headers.all(HeaderName::Replaces);
        let Some(value) = given.next() else { return Ok(None) };
        let text = std::str::from_utf8(value).map_err(|_| 400u16)?;
        let dialog = Named::parse(text).filter(|_| given.next().is_none()).ok_or(400u16)?;
        let place = self.leg_of(&dialog).ok_or(481u16)?;
        let leg = self.legs.get(&place.leg).filter(|leg| !leg.gone).ok_or(481u16)?;
        match leg.phase {
            Phase::Up(_) if dialog.early_only => Err(486),
            // It rings at somebody else's: only who called may be replaced there.
            Phase::Incoming(_) => Err(481),
            Phase::Up(_) | Phase::Calling(_) => Ok(Some(place.leg)),
        }
    }

    /// The leg of a dialog that a peer names: from its own point of view or, as some phones have it, from ours.
    fn leg_of(&self, dialog: &Named) -> Option<Place> {
        self.find_dialog(&dialog.call_id, &dialog.to_tag, &dialog.from_tag)
            .or_else(|| self.find_dialog(&dialog.call_id, &dialog.from_tag, &dialog.to_tag))
    }
}

/// A dialog by name: `call-id;to-tag=ours;from-tag=theirs`.
struct Named {
    call_id: String,
    to_tag: String,
    from_tag: String,
    early_only: bool,
}

impl Named {
    fn parse(text: &str) -> Option<Named> {
        let mut parts = text.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty())?.to_owned();
        let mut named = Named { call_id, to_tag: String::new(), from_tag: String::new(), early_only: false };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "to-tag" => named.to_tag = value.trim().to_owned(),
                "from-tag" => named.from_tag = value.trim().to_owned(),
                "early-only" => named.early_only = true,
                _ => {}
            }
        }
        (!named.to_tag.is_empty() && !named.from_tag.is_empty()).then_some(named)
    }
}

/// The one target of a REFER.
fn refer_to(headers: &Headers) -> Result<Uri, u16> {
    let mut given = headers.all(HeaderName::ReferTo);
    let target = given.next().and_then(|value| NameAddr::parse(value).ok()).ok_or(400u16)?;
    if given.next().is_some() {
        return Err(400);
    }
    let invites = target.uri.param("method").is_none_or(|method| method.eq_ignore_ascii_case("INVITE"));
    let ours = matches!(target.uri.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel);
    match (ours, invites) {
        (true, true) => Ok(target.uri),
        (false, _) => Err(416),
        (true, false) => Err(501),
    }
}

/// The dialog named in `Refer-To: <sip:x@y?Replaces=…>`.
fn replaced_by(target: &Uri) -> Option<Named> {
    let found = escaped_headers(target).into_iter().find(|(name, _)| name.eq_ignore_ascii_case("Replaces"))?;
    Named::parse(&found.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_is_named_by_three_words_in_any_order() {
        let named = Named::parse("a@b;from-tag=x ; TO-TAG = y;early-only").unwrap();
        assert_eq!((named.call_id.as_str(), named.to_tag.as_str(), named.from_tag.as_str()), ("a@b", "y", "x"));
        assert!(named.early_only);
        for wrong in ["", "a@b", "a@b;to-tag=x", ";to-tag=x;from-tag=y", "a@b;to-tag=;from-tag=y"] {
            assert!(Named::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_stands_behind_the_question_mark_is_unescaped() {
        let target = Uri::parse(b"sip:1002@pbx?Replaces=a%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy&Require=replaces").unwrap();
        let named = replaced_by(&target).unwrap();
        assert_eq!((named.call_id.as_str(), named.to_tag.as_str(), named.from_tag.as_str()), ("a@b", "x", "y"));
    }
}
