//! Session timers, both roles (RFC 4028): a session nobody refreshes is over, though no BYE came.

use crate::client::{Outcome, Owner};
use crate::counters::Clock;
use crate::event::Event;
use crate::leg::{Phase, Session};
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::{Alarm, cseq};
use crate::{HeaderName, Headers, Method, Request, Response};
use busyhour_model::{Direction, LegId, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The option tag.
pub(crate) const OPTION: &str = "timer";
/// Sessions are refreshed no more often: the least the standard allows (section 5).
pub(crate) const MIN: Duration = Duration::from_secs(90);
/// Who does not refresh hangs up so long before the end at least (section 10).
const EARLY: Duration = Duration::from_secs(32);
/// A refresh that met one of the peer's is tried again after this.
const GLARE: Duration = Duration::from_secs(2);
/// Longest interval a peer may ask us to refresh by; a day is as good as never.
const MAX_SECS: u32 = 24 * 3600;

/// When a session ends unless it is refreshed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Expiry {
    every: Duration,
    refresher: Refresher,
    /// When it is to be refreshed by us, or has not been by them.
    timer: Option<Timer>,
    /// The peer takes UPDATE.
    updates: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Refresher {
    Us,
    Them,
}

impl Expiry {
    /// The timer to cancel when the leg goes.
    pub(crate) fn take_timer(&mut self) -> Option<Timer> {
        self.timer.take()
    }

    pub(crate) fn every(&self) -> Duration {
        self.every
    }

    /// From now to what is due next.
    fn due(&self) -> Duration {
        match self.refresher {
            Refresher::Us => self.every / 2,
            Refresher::Them => self.every - EARLY.min(self.every / 3),
        }
    }
}

/// Session-Expires: seconds, and who refreshes.
fn said(headers: &Headers) -> Option<(Duration, Option<String>)> {
    let text = headers.text(HeaderName::SessionExpires)?;
    let mut parts = text.split(';').map(str::trim);
    let secs: u32 = parts.next()?.parse().ok()?;
    let refresher = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("refresher").then(|| value.trim().to_ascii_lowercase())
    });
    Some((Duration::from_secs(secs.min(MAX_SECS).into()), refresher))
}

fn supports(headers: &Headers) -> bool {
    headers.supported().chain(headers.require()).any(|token| token.eq_ignore_ascii_case(OPTION))
}

/// Whether an INVITE or UPDATE wants to be refreshed more often than we would (422, section 9).
pub(crate) fn is_too_brief(request: &Request) -> bool {
    matches!(request.method, Method::Invite | Method::Update)
        && supports(&request.headers)
        && said(&request.headers).is_some_and(|(every, _)| every < MIN)
}

impl Stack {
    /// What a request of ours that begins or refreshes a session says of it; nothing when timers are off. `least`: the largest
    /// Min-SE heard in the dialog (section 7.4).
    pub(crate) fn ask_expiry(&self, headers: &mut Headers, every: Duration, least: Duration, refresher: Option<&str>) {
        if self.config.limits.session_expires.is_zero() {
            return;
        }
        let refresher = refresher.map(|who| format!(";refresher={who}")).unwrap_or_default();
        headers.push(HeaderName::SessionExpires, format!("{}{refresher}", every.max(least).as_secs()));
        headers.push(HeaderName::MinSe, least.as_secs().to_string());
    }

    /// What a 2xx of ours to an INVITE or UPDATE agrees to (section 9), and what holds from now on.
    pub(crate) fn grant_expiry(&self, request: &Request, response: &mut Response) -> Option<Expiry> {
        let ours = self.config.limits.session_expires;
        let (theirs, knows) = (said(&request.headers), supports(&request.headers));
        if ours.is_zero() && theirs.is_none() {
            return None;
        }
        let least = min_se(&request.headers);
        let every = theirs.as_ref().map_or(ours, |(every, _)| if ours.is_zero() { *every } else { (*every).min(ours) });
        let every = every.max(least);
        let they_refresh = knows && theirs.and_then(|(_, who)| who).is_none_or(|who| who == "uac");
        let who = if they_refresh { "uac" } else { "uas" };
        response.headers.push(HeaderName::SessionExpires, format!("{};refresher={who}", every.as_secs()));
        if they_refresh {
            response.headers.push(HeaderName::Require, OPTION);
        }
        let refresher = if they_refresh { Refresher::Them } else { Refresher::Us };
        let updates = request.headers.tokens(HeaderName::Allow).any(|token| token == "UPDATE");
        Some(Expiry { every, refresher, timer: None, updates })
    }

    /// What a 2xx to our INVITE or UPDATE agrees to (section 7.2).
    pub(crate) fn adopt_expiry(&mut self, now: Time, leg: LegId, response: &Response) {
        let ours = self.config.limits.session_expires;
        let updates = response.headers.tokens(HeaderName::Allow).any(|token| token == "UPDATE");
        let expiry = match said(&response.headers) {
            Some((every, who)) => {
                let refresher = if who.as_deref() == Some("uas") { Refresher::Them } else { Refresher::Us };
                Some(Expiry { every: every.max(MIN), refresher, timer: None, updates })
            }
            // The peer knows no timers; refreshing shows whether it is still there all the same.
            None if !ours.is_zero() => Some(Expiry { every: ours, refresher: Refresher::Us, timer: None, updates }),
            None => None,
        };
        self.arm_expiry(now, leg, expiry);
    }

    /// From now on this holds.
    pub(crate) fn arm_expiry(&mut self, now: Time, leg: LegId, expiry: Option<Expiry>) {
        let Some(Phase::Up(session)) = self.legs.get_mut(&leg).map(|leg| &mut leg.phase) else { return };
        let updates = session.expiry.as_ref().is_some_and(|old| old.updates);
        if let Some(timer) = session.expiry.as_mut().and_then(Expiry::take_timer) {
            self.net.timers.cancel(timer);
        }
        session.expiry = expiry.map(|mut expiry| {
            expiry.updates |= updates;
            expiry.timer = Some(self.net.timers.set(now + expiry.due(), Alarm::Expiry(leg)));
            expiry
        });
    }

    /// It is time to refresh, or too late.
    pub(crate) fn expire(&mut self, now: Time, leg: LegId) {
        let Some(session) = self.session_up(leg) else { return };
        let busy = session.unconfirmed.is_some() || session.pending.is_some();
        let direction = session.media.wanted;
        let Some(expiry) = session.expiry.as_mut() else { return };
        expiry.timer = None;
        let (refresher, updates, every) = (expiry.refresher, expiry.updates, expiry.every);
        self.net.counters.fired(if refresher == Refresher::Them { Clock::Expired } else { Clock::Refresh });
        match refresher {
            Refresher::Them => self.give_up(now, leg),
            Refresher::Us if busy => self.refresh_again(now, leg),
            Refresher::Us if updates => self.send_update(now, leg, every),
            Refresher::Us => self.refresh_by_invite(now, leg, direction),
        }
    }

    fn give_up(&mut self, now: Time, leg: LegId) {
        self.net.counters.timeouts += 1;
        self.bye(now, leg);
        self.events.push_back(Event::Ended { leg, by_peer: false });
    }

    fn refresh_again(&mut self, now: Time, leg: LegId) {
        self.refresh_at(leg, now + GLARE);
    }

    /// A refresh was refused: the session goes on, and the next is tried when it would have been due.
    pub(crate) fn refresh_later(&mut self, now: Time, leg: LegId) {
        let due = self.session_up(leg).and_then(|session| session.expiry.as_ref()).map(Expiry::due);
        if let Some(due) = due {
            self.refresh_at(leg, now + due);
        }
    }

    fn refresh_at(&mut self, leg: LegId, at: Time) {
        let Some(expiry) = self.session_up(leg).and_then(|session| session.expiry.as_mut()) else { return };
        // What runs was armed by the peer's own refresh meanwhile.
        if expiry.timer.is_none() {
            let timer = self.net.timers.set(at, Alarm::Expiry(leg));
            if let Some(expiry) = self.session_up(leg).and_then(|session| session.expiry.as_mut()) {
                expiry.timer = Some(timer);
            }
        }
    }

    fn refresh_by_invite(&mut self, now: Time, leg: LegId, direction: Direction) {
        // It is up and nothing is pending: both were asked just now.
        let _ = self.reinvite(now, leg, direction);
    }

    fn send_update(&mut self, now: Time, leg: LegId, every: Duration) {
        let trunk = self.legs.get(&leg).and_then(|leg| leg.trunk);
        let Some(session) = self.session_up(leg) else { return };
        let mut request = session.dialog.request(Method::Update);
        let dialog = session.dialog.clone();
        request.headers.push(HeaderName::Supported, OPTION);
        self.ask_expiry(&mut request.headers, every, dialog.min_se, Some("uac"));
        let flow = self.hop(&dialog);
        self.send(now, request, flow, Owner::Refresh(leg), trunk);
    }

    /// What became of an UPDATE that refreshes.
    pub(crate) fn settle_refresh(&mut self, now: Time, leg: LegId, outcome: &Outcome) {
        match &outcome.result {
            Ok(response) if response.status < 200 => {}
            Ok(response) if response.status < 300 => {
                if let Some(session) = self.session_up(leg) {
                    session.dialog.refresh(&response.headers);
                }
                self.adopt_expiry(now, leg, response);
            }
            Ok(response) if response.status == 422 => {
                let helps = self.lengthen(leg, response);
                if helps { self.refresh_again(now, leg) } else { self.refresh_later(now, leg) }
            }
            Ok(response) if matches!(response.status, 405 | 501) => {
                if let Some(expiry) = self.session_up(leg).and_then(|session| session.expiry.as_mut()) {
                    expiry.updates = false;
                }
                self.refresh_again(now, leg);
            }
            Ok(response) if response.status == 491 => self.refresh_again(now, leg),
            Ok(response) if !matches!(response.status, 408 | 481) => self.refresh_later(now, leg),
            // The peer knows nothing of the session any more, or is gone (section 10).
            Ok(_) | Err(_) => {
                if self.session_up(leg).is_some() {
                    self.give_up(now, leg);
                }
            }
        }
    }

    /// A 422 within the session: the interval becomes the one the peer takes. False: it is no longer than ours.
    pub(crate) fn lengthen(&mut self, leg: LegId, response: &Response) -> bool {
        let least = min_se(&response.headers);
        let Some(session) = self.session_up(leg) else { return false };
        session.dialog.hear_min_se(&response.headers);
        session.expiry.as_mut().filter(|expiry| expiry.every < least).map(|expiry| expiry.every = least).is_some()
    }

    /// A 422 to our INVITE: once more, by the interval the peer takes (section 7.3). False: that does not help.
    pub(crate) fn invite_longer(&mut self, now: Time, leg: LegId, id: u64, response: &Response) -> bool {
        let Some(client) = self.net.clients.get(&id) else { return false };
        let (flow, trunk) = (client.flow, client.trunk);
        let Some(mut request) = client.request() else { return false };
        let least = min_se(&response.headers);
        if said(&request.headers).is_none_or(|(every, _)| every >= least) {
            return false;
        }
        let Ok((number, method)) = request.headers.cseq() else { return false };
        request.headers.remove(HeaderName::Via);
        request.headers.set(HeaderName::CSeq, cseq(number + 1, &method));
        request.headers.set(HeaderName::SessionExpires, least.as_secs().to_string());
        request.headers.set(HeaderName::MinSe, least.as_secs().to_string());
        let new = self.send(now, request, flow, Owner::Setup(leg), trunk);
        self.rename_fork(leg, id, new);
        let fork = self.calling(leg).and_then(|calling| calling.forks.iter_mut().find(|fork| fork.client == new));
        fork.into_iter().for_each(|fork| fork.dialog.hear_min_se(&response.headers));
        true
    }

    fn session_up(&mut self, leg: LegId) -> Option<&mut Session> {
        match &mut self.legs.get_mut(&leg).filter(|leg| !leg.gone)?.phase {
            Phase::Up(session) => Some(session),
            Phase::Incoming(_) | Phase::Calling(_) => None,
        }
    }
}

/// Min-SE; the standard's own when there is none.
pub(crate) fn min_se(headers: &Headers) -> Duration {
    let secs = headers.text(HeaderName::MinSe).and_then(|text| text.split(';').next()?.trim().parse::<u32>().ok());
    Duration::from_secs(secs.unwrap_or(0).min(MAX_SECS).into()).max(MIN)
}
