//! A peer is asked to call somebody else by itself (REFER, RFC 3515), and tells how that went.

use crate::client::{Outcome, Owner};
use crate::event::Event;
use crate::leg::{Phase, Referral};
use crate::receive::Place;
use crate::stack::Stack;
use crate::{Error, HeaderName, Method, NameAddr, Request, Uri};
use busyhour_model::{LegId, Time};

/// What stands for a subscription that ended before the call it was about did.
const NO_NEWS: u16 = 480;

impl Stack {
    /// Asks a leg's peer to call `number` instead of us: `Event::Referred` tells once how that went, unless the leg ends first.
    /// The leg goes on in any case; hang it up when it is not needed any more.
    ///
    /// # Errors
    /// The leg is not answered, or its peer was asked already and has not told yet.
    pub fn refer(&mut self, now: Time, leg: LegId, number: &str) -> Result<(), Error> {
        let found = self.legs.get_mut(&leg).filter(|leg| !leg.gone).ok_or(Error::UnknownLeg)?;
        let trunk = found.trunk;
        let Phase::Up(session) = &mut found.phase else { return Err(Error::WrongState) };
        if session.referral == Some(Referral::Asked) {
            return Err(Error::WrongState);
        }
        if session.unconfirmed.is_some() {
            session.referral = Some(Referral::To(number.to_owned()));
            return Ok(());
        }
        session.referral = Some(Referral::Asked);
        let mut request = session.dialog.request(Method::Refer);
        let host = session.dialog.peer_host();
        let target = NameAddr::new(Uri::sip(Some(number), host, None));
        request.headers.push(HeaderName::ReferTo, target.to_string());
        let dialog = session.dialog.clone();
        let flow = self.hop(&dialog);
        self.send(now, request, flow, Owner::Refer(leg), trunk);
        Ok(())
    }

    /// Our 2xx was acknowledged: what had to wait for that is asked now.
    pub(crate) fn refer_now(&mut self, now: Time, place: Place) {
        let waiting = self.session(place).and_then(|session| match &session.referral {
            Some(Referral::To(number)) => Some(number.clone()),
            Some(Referral::Asked) | None => None,
        });
        if let Some(number) = waiting {
            // It is answered, and was not asked yet.
            let _ = self.refer(now, place.leg, &number);
        }
    }

    /// What the peer says to REFER itself: a 2xx is a promise to tell more.
    pub(crate) fn settle_refer(&mut self, leg: LegId, outcome: &Outcome) {
        let status = match &outcome.result {
            Ok(response) if (200..300).contains(&response.status) => return,
            Ok(response) => response.status,
            Err(failure) => failure.status(),
        };
        self.referred(leg, status);
    }

    /// A NOTIFY within a dialog: how the call of a REFER goes (section 2.4.5).
    pub(crate) fn receive_referral(&mut self, now: Time, place: Place, server: u64, request: &Request) {
        let about = request.headers.text(HeaderName::Event).unwrap_or_default();
        let package = about.split(';').next().unwrap_or_default().trim();
        let asked = self.session(place).is_some_and(|session| session.referral == Some(Referral::Asked));
        if !package.eq_ignore_ascii_case("refer") || !asked {
            return self.respond(now, server, request, 481);
        }
        self.respond(now, server, request, 200);
        let over = request.headers.text(HeaderName::SubscriptionState).unwrap_or_default();
        let over = over.trim_start().to_ascii_lowercase().starts_with("terminated");
        match status(&request.body).filter(|status| *status >= 200) {
            Some(status) => self.referred(place.leg, status),
            None if over => self.referred(place.leg, NO_NEWS),
            None => {}
        }
    }

    fn referred(&mut self, leg: LegId, status: u16) {
        if let Some(Phase::Up(session)) = self.legs.get_mut(&leg).filter(|leg| !leg.gone).map(|leg| &mut leg.phase)
            && session.referral.take().is_some()
        {
            self.events.push_back(Event::Referred { leg, status });
        }
    }
}

/// The status of a `message/sipfrag`: `SIP/2.0 200 OK`.
fn status(body: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(body.split(|byte| *byte == b'\n').next()?).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|version| version.eq_ignore_ascii_case("SIP/2.0"))?;
    words.next()?.parse().ok().filter(|status| (100..700).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_tells_its_status_and_nothing_else_does() {
        let table: [(&[u8], Option<u16>); 6] = [
            (b"SIP/2.0 200 OK\r\n", Some(200)),
            (b"SIP/2.0 100 Trying", Some(100)),
            (b"sip/2.0 486\r\nVia: x\r\n", Some(486)),
            (b"SIP/2.0 99999 x", None),
            (b"HTTP/1.1 200 OK", None),
            (b"\xff", None),
        ];
        for (body, expected) in table {
            assert_eq!(status(body), expected, "{body:?}");
        }
    }
}
