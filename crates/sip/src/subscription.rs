//! Subscriptions to a mailbox: SUBSCRIBE and the dialog it makes (RFC 6665, RFC 3842).

use crate::client::Owner;
use crate::dialog::Dialog;
use crate::event::{Flow, Origin};
use crate::incoming::contact_for;
use crate::mailbox::{BODY, PACKAGE, Wiring};
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

/// One subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) dialog: Dialog,
    pub(crate) expires: Time,
    /// Event as it came, its `id` included (RFC 6665 section 8.2.1).
    event: String,
    timer: Option<Timer>,
}

impl Subscription {
    /// The next NOTIFY, without its body; `over` is why it is the last one.
    pub(crate) fn notify(&mut self, now: Time, over: Option<&str>) -> Request {
        let state = match over {
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={}", self.expires.since(now).as_millis().div_ceil(1000)),
        };
        let mut request = self.dialog.request(Method::Notify);
        request.headers.push(HeaderName::Event, &self.event);
        request.headers.push(HeaderName::SubscriptionState, state);
        request
    }
}

impl Stack {
    /// A SUBSCRIBE that is to make a dialog.
    pub(crate) fn subscribe(&mut self, now: Time, server: u64, flow: Flow, request: &Request, origin: &Origin) {
        let span = match asked(request) {
            Ok(span) => span,
            Err(status) => return self.respond(now, server, request, status),
        };
        let Some(account) = self.owner(origin, request) else { return self.respond(now, server, request, 403) };
        if span > 0 {
            self.make_room(now, account);
        }
        if self.mailboxes.len() >= self.config.limits.lamps {
            self.net.counters.overloaded += 1;
            return self.respond(now, server, request, 503);
        }
        let tag = tag(self.mailboxes.next(), self.net.random.draw());
        let ours = contact_for(Some(account), flow, &request.uri.scheme);
        let Some(dialog) = Dialog::answering(request, flow, &tag, ours, true) else {
            return self.respond(now, server, request, 400);
        };
        let event = request.headers.text(HeaderName::Event).unwrap_or(PACKAGE).to_owned();
        let subscription = Subscription { dialog, expires: now, event, timer: None };
        let id = self.mailboxes.put(account, Wiring::Subscribed(Box::new(subscription)));
        self.grant(now, id, server, request, span);
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
        let Some(dialog) = self.mailboxes.subscription_mut(id).map(|subscription| &mut subscription.dialog) else {
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
            Ok(span) => {
                if let Some(subscription) = self.mailboxes.subscription_mut(id) {
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
        let Some(subscription) = self.mailboxes.subscription_mut(id) else { return };
        let (tag, contact) = (subscription.dialog.local_tag.clone(), subscription.dialog.contact.clone());
        let mut response = request.reply(200);
        response.set_to_tag(&tag);
        response.headers.push(HeaderName::Contact, contact);
        response.headers.push(HeaderName::Expires, span.to_string());
        response.headers.push(HeaderName::AllowEvents, PACKAGE);
        response.headers.push(HeaderName::Server, &self.config.user_agent);
        self.net.respond(now, server, &response);
        if span == 0 {
            return self.end_subscription(now, id, "timeout");
        }
        let expires = now + Duration::from_secs(u64::from(span));
        let timer = self.net.timers.set(expires, Alarm::Subscription(id));
        if let Some(subscription) = self.mailboxes.subscription_mut(id) {
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
        if let Some(Wiring::Subscribed(mut subscription)) = self.mailboxes.take(id).map(|lamp| lamp.wiring) {
            self.net.stop(&mut subscription.timer);
        }
    }

    /// What is watched by accounts that are configured no more.
    pub(crate) fn drop_mailboxes(&mut self, now: Time) {
        for account in self.mailboxes.accounts() {
            if self.guard.knows(&account) {
                continue;
            }
            for (_, id) in self.mailboxes.subscriptions_of(&account) {
                self.end_subscription(now, id, "noresource");
            }
            self.mailboxes.forget(&account);
        }
    }

    /// A mailbox is its account's own, by whatever number of ours that is no other account.
    fn owner<'a>(&self, origin: &'a Origin, request: &Request) -> Option<&'a Name> {
        let Origin::Account(account) = origin else { return None };
        let named = request.uri.user_unescaped().unwrap_or_default();
        (named == **account || !self.guard.knows(&named)).then_some(account)
    }

    fn find_subscription(&self, request: &Request, to_tag: &str) -> Option<u64> {
        let id = watched(to_tag)?;
        let from_tag = request.headers.from_tag().unwrap_or_default();
        let dialog = &self.mailboxes.subscription(id)?.dialog;
        dialog.matches(request.headers.call_id(), to_tag, &from_tag).then_some(id)
    }

    /// A phone that starts again leaves a subscription behind: the one that would end first makes room.
    fn make_room(&mut self, now: Time, account: &Name) {
        let subscriptions = self.mailboxes.subscriptions_of(account);
        if let Some((_, first)) = subscriptions.first().filter(|_| subscriptions.len() >= self.config.limits.contacts) {
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

/// The seconds a SUBSCRIBE asks for, or what is wrong with it.
fn asked(request: &Request) -> Result<u32, u16> {
    let headers = &request.headers;
    let package = headers.text(HeaderName::Event).and_then(|event| event.split(';').next()).unwrap_or_default();
    if !package.trim().eq_ignore_ascii_case(PACKAGE) {
        return Err(489);
    }
    if !accepts(headers, BODY) {
        return Err(406);
    }
    match headers.expires().unwrap_or(EXPIRES_MAX).min(EXPIRES_MAX) {
        1..EXPIRES_MIN => Err(423),
        span => Ok(span),
    }
}
