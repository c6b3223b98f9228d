//! Subscriptions: SUBSCRIBE and the dialog it makes (RFC 6665); who may watch what.

use crate::client::Owner;
use crate::dialog::Dialog;
use crate::event::{Flow, Origin};
use crate::incoming::contact_for;
use crate::lamp::{Topic, Wiring};
use crate::package::{EVENTS, Package};
use crate::registrar::{EXPIRES_MAX, EXPIRES_MIN};
use crate::reply::accepts;
use crate::server::Arrival;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::Alarm;
use crate::{HeaderName, Method, Request};
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Subscriptions of one account: a phone with expansion modules has some hundred keys.
const WATCHED_MAX: usize = 500;

/// One subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) dialog: Dialog,
    pub(crate) expires: Time,
    /// Event as it came, its `id` included (RFC 6665 section 8.2.1).
    event: String,
    timer: Option<Timer>,
    /// Whose phone asked.
    pub(crate) watcher: Name,
    /// Of its next NOTIFY (RFC 4235 section 4.1.1).
    version: u32,
}

impl Subscription {
    /// The next NOTIFY, without its body, and the version of what it says; `over` is why it is the last one.
    pub(crate) fn notify(&mut self, now: Time, over: Option<&str>) -> (Request, u32) {
        let state = match over {
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={}", self.expires.since(now).as_millis().div_ceil(1000)),
        };
        let mut request = self.dialog.request(Method::Notify);
        request.headers.push(HeaderName::Event, &self.event);
        request.headers.push(HeaderName::SubscriptionState, state);
        self.version += 1;
        (request, self.version - 1)
    }
}

impl Stack {
    /// A SUBSCRIBE that is to make a dialog.
    pub(crate) fn subscribe(&mut self, now: Time, server: u64, flow: Flow, request: &Request, origin: &Origin) {
        match self.begin_subscription(now, flow, request, origin) {
            Ok((id, span)) => self.grant(now, id, server, request, span),
            Err(status) => self.respond(now, server, request, status),
        }
    }

    fn begin_subscription(
        &mut self,
        now: Time,
        flow: Flow,
        request: &Request,
        origin: &Origin,
    ) -> Result<(u64, u32), u16> {
        let (package, span) = asked(request)?;
        let Origin::Account(watcher) = origin else { return Err(403) };
        let topic = self.topic(package, watcher, request)?;
        if span > 0 {
            self.make_room(now, &topic, watcher);
        }
        let full = self.lamps.len() >= self.config.limits.lamps;
        if full || self.lamps.watched_by(watcher) >= WATCHED_MAX {
            self.net.counters.overloaded += 1;
            return Err(503);
        }
        let tag = tag(self.lamps.next(), self.net.random.draw());
        let ours = contact_for(Some(&topic.of), flow, &request.uri.scheme);
        let dialog = Dialog::answering(request, flow, &tag, ours, true).ok_or(400u16)?;
        let event = request.headers.text(HeaderName::Event).unwrap_or(package.event()).to_owned();
        let subscription =
            Subscription { dialog, expires: now, event, timer: None, watcher: watcher.clone(), version: 0 };
        Ok((self.lamps.put(&topic, Wiring::Subscribed(Box::new(subscription))), span))
    }

    /// A request within the dialog of a subscription, or within none.
    pub(crate) fn receive_renewal(&mut self, now: Time, flow: Flow, request: &Request, to_tag: &str) {
        let Some(id) = self.find_subscription(request, to_tag) else {
            return self.respond_stateless(flow, request, 481);
        };
        let server = match self.net.open(flow, request) {
            Arrival::New(server) | Arrival::Merged(server) => server,
            Arrival::Full => return self.overloaded(flow, request),
        };
        let Some(dialog) = self.lamps.subscription_mut(id).map(|subscription| &mut subscription.dialog) else {
            return;
        };
        let number = request.headers.cseq().map_or(0, |cseq| cseq.0);
        if dialog.remote_cseq.is_some_and(|last| number <= last) {
            return self.respond(now, server, request, 500);
        }
        dialog.remote_cseq = Some(number);
        if let Some(status) = self.objection(request) {
            return self.respond(now, server, request, status);
        }
        if request.method != Method::Subscribe {
            return self.respond(now, server, request, 405);
        }
        match asked(request) {
            Ok((package, _)) if self.lamps.package(id) != Some(package) => self.respond(now, server, request, 489),
            Ok((_, span)) => {
                if let Some(subscription) = self.lamps.subscription_mut(id) {
                    subscription.dialog.refresh(&request.headers);
                    subscription.dialog.meet(flow);
                }
                self.grant(now, id, server, request, span);
            }
            Err(status) => self.respond(now, server, request, status),
        }
    }

    /// 200, and the state at once (RFC 6665 section 4.2.1.2). No time is a question asked once, or good-bye (section 4.4.3).
    fn grant(&mut self, now: Time, id: u64, server: u64, request: &Request, span: u32) {
        let Some(subscription) = self.lamps.subscription_mut(id) else { return };
        let (tag, contact) = (subscription.dialog.local_tag.clone(), subscription.dialog.contact.clone());
        let mut response = request.reply(200);
        response.set_to_tag(&tag);
        response.headers.push(HeaderName::Contact, contact);
        response.headers.push(HeaderName::Expires, span.to_string());
        response.headers.push(HeaderName::AllowEvents, EVENTS);
        response.headers.push(HeaderName::Server, &self.config.user_agent);
        self.net.respond(now, server, &response);
        if span == 0 {
            return self.end_subscription(now, id, "timeout");
        }
        let expires = now + Duration::from_secs(u64::from(span));
        let timer = self.net.timers.set(expires, Alarm::Subscription(id));
        if let Some(subscription) = self.lamps.subscription_mut(id) {
            subscription.expires = expires;
            let mut before = subscription.timer.replace(timer);
            self.net.stop(&mut before);
        }
        self.notify(now, id);
    }

    /// The last NOTIFY of a subscription, which is gone with it.
    pub(crate) fn end_subscription(&mut self, now: Time, id: u64, reason: &str) {
        if let Some((request, flow)) = self.notification(now, id, Some(reason)) {
            self.net.send(now, request, flow, Owner::Nobody, None);
        }
        self.drop_lamp(id);
    }

    pub(crate) fn drop_lamp(&mut self, id: u64) {
        if let Some(Wiring::Subscribed(mut subscription)) = self.lamps.take(id).map(|lamp| lamp.wiring) {
            self.net.stop(&mut subscription.timer);
        }
    }

    /// Ends what is watched by, or shows, what is configured no more.
    pub(crate) fn drop_lamps(&mut self, now: Time) {
        for (id, watcher) in self.lamps.subscriptions() {
            if !self.guard.knows(&watcher) {
                self.end_subscription(now, id, "noresource");
            }
        }
        for topic in self.lamps.topics() {
            if self.is_watchable(&topic) {
                continue;
            }
            for (_, id) in self.lamps.subscriptions_to(&topic) {
                self.end_subscription(now, id, "noresource");
            }
            self.lamps.forget(&topic);
        }
    }

    /// What is to be watched. A mailbox is its account's own, by whatever number of ours that is no other account.
    fn topic(&self, package: Package, watcher: &Name, request: &Request) -> Result<Topic, u16> {
        let said = request.uri.user_unescaped().unwrap_or_default();
        let account = self.guard.named(&said);
        let topic = Topic { of: account.cloned().unwrap_or_else(|| said.as_str().into()), package };
        match package {
            Package::Messages if account.is_some_and(|account| account != watcher) => Err(403),
            Package::Messages => Ok(Topic { of: watcher.clone(), package }),
            _ if self.is_watchable(&topic) => Ok(topic),
            _ => Err(404),
        }
    }

    fn find_subscription(&self, request: &Request, to_tag: &str) -> Option<u64> {
        let id = watched(to_tag)?;
        let from_tag = request.headers.from_tag().unwrap_or_default();
        let dialog = &self.lamps.subscription(id)?.dialog;
        dialog.matches(request.headers.call_id(), to_tag, &from_tag).then_some(id)
    }

    /// A phone that starts again leaves a subscription behind: the one that would end first makes room.
    fn make_room(&mut self, now: Time, topic: &Topic, watcher: &Name) {
        let mut own = self.lamps.subscriptions_to(topic);
        own.retain(|(_, id)| self.lamps.subscription(*id).is_some_and(|known| known.watcher == *watcher));
        if let Some((_, first)) = own.first().filter(|_| own.len() >= self.config.limits.contacts) {
            self.end_subscription(now, *first, "probation;retry-after=3600");
        }
    }
}

/// A tag of ours names its subscription; no leg's tag looks like it.
fn tag(id: u64, random: u64) -> String {
    format!("w{id:x}.{random:016x}")
}

fn watched(tag: &str) -> Option<u64> {
    u64::from_str_radix(tag.strip_prefix('w')?.split_once('.')?.0, 16).ok()
}

/// The package and the seconds a SUBSCRIBE asks for, or what is wrong with it.
fn asked(request: &Request) -> Result<(Package, u32), u16> {
    let headers = &request.headers;
    let package = headers.text(HeaderName::Event).and_then(Package::of).ok_or(489u16)?;
    if !accepts(headers, package.body()) {
        return Err(406);
    }
    match headers.expires().unwrap_or(EXPIRES_MAX).min(EXPIRES_MAX) {
        1..EXPIRES_MIN => Err(423),
        span => Ok((package, span)),
    }
}
