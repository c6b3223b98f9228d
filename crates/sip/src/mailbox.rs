//! Mailboxes as phones see them: how many messages wait (RFC 3842), and telling contacts that never asked.

use crate::client::Owner;
use crate::event::Flow;
use crate::incoming::contact_for;
use crate::lamp::{Topic, Wiring};
use crate::package::{Package, Shown};
use crate::registrar::Binding;
use crate::stack::Stack;
use crate::transaction::cseq;
use crate::{HeaderName, Host, Method, NameAddr, Request, Uri};
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};

/// Voice messages that wait for somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Not heard yet: these light the lamp.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
}

/// A registered contact without subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Unasked {
    /// Contact, and Call-ID of its REGISTER: a phone that starts again is another one.
    uri: Uri,
    registered: String,
    call_id: String,
    tag: String,
    cseq: u32,
}

impl Summary {
    /// Section 3.5; urgent messages are not told apart.
    pub(crate) fn body(self, of: &str) -> String {
        let waiting = if self.new > 0 { "yes" } else { "no" };
        let Summary { new, old } = self;
        format!("Messages-Waiting: {waiting}\r\nMessage-Account: {of}\r\nVoice-Message: {new}/{old} (0/0)\r\n")
    }
}

impl Unasked {
    pub(crate) fn is_at(&self, binding: &Binding) -> bool {
        self.registered == binding.call_id && self.uri.equivalent(&binding.uri)
    }

    /// A NOTIFY outside any dialog, to where the phone is registered.
    pub(crate) fn notify(&mut self, account: &str, domain: Host, flow: Flow) -> Request {
        self.cseq += 1;
        let to = NameAddr::new(Uri::sip(Some(account), domain, None));
        let mut from = to.clone();
        from.set_param("tag", Some(&self.tag));
        let mut request = Request::new(Method::Notify, self.uri.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, from.to_string());
        headers.push(HeaderName::To, to.to_string());
        headers.push(HeaderName::CallId, &self.call_id);
        headers.push(HeaderName::CSeq, cseq(self.cseq, &Method::Notify));
        headers.push(HeaderName::Contact, contact_for(Some(account), flow, &self.uri.scheme));
        headers.push(HeaderName::Event, Package::Messages.event());
        headers.push(HeaderName::SubscriptionState, "active");
        request
    }
}

/// The messages of an account.
pub(crate) fn messages_of(account: &Name) -> Topic {
    Topic { of: account.clone(), package: Package::Messages }
}

impl Stack {
    /// How many messages wait for an account; its phones are told of a change. Nothing is kept for an account that is not configured.
    pub fn mailbox(&mut self, now: Time, account: &str, summary: Summary) {
        self.show(now, account, Shown::Messages(summary));
    }

    /// How many messages wait for an account, as said last.
    pub fn waiting(&self, account: &str) -> Summary {
        match self.shown(account, Package::Messages) {
            Shown::Messages(summary) => summary,
            Shown::Dialog(_) | Shown::Presence(_) => Summary::default(),
        }
    }

    /// The phone of this account registered: if it does not know of its messages, it is told.
    pub(crate) fn lamps_registered(&mut self, now: Time, account: &Name) {
        let topic = messages_of(account);
        self.lamps.wake(&topic);
        self.notify_unasked(now, &topic);
    }

    /// Tells every contact that does not know, when the account has no subscription.
    pub(crate) fn notify_unasked(&mut self, now: Time, topic: &Topic) {
        let known = self.lamps.has_sight(topic);
        if !known || !self.config.limits.mwi_unsolicited || !self.lamps.subscriptions_to(topic).is_empty() {
            return;
        }
        self.add_unasked(topic);
        for id in self.lamps.of(topic).to_vec() {
            if self.lamps.is_behind(id) {
                self.notify(now, id);
            }
        }
    }

    /// Asks each phone of an account to fetch its settings and register again (`check-sync`); how many there are.
    pub fn resync(&mut self, now: Time, account: &Name) -> usize {
        let contact = |binding: &Binding| (binding.uri.clone(), binding.call_id.clone(), binding.flow);
        let contacts: Vec<_> = self.registrar.contacts(account).iter().map(contact).collect();
        for (uri, registered, flow) in &contacts {
            let mut draw = || format!("{:016x}", self.net.random.draw());
            let (call_id, tag) = (draw(), draw());
            let mut unasked = Unasked { uri: uri.clone(), registered: registered.clone(), call_id, tag, cseq: 0 };
            let mut request = unasked.notify(account, self.own_host(), *flow);
            request.headers.set(HeaderName::Event, "check-sync;reboot=false");
            request.headers.set(HeaderName::SubscriptionState, "terminated");
            self.send(now, request, *flow, Owner::Nobody, None);
        }
        contacts.len()
    }

    /// A lamp for each contact that has none.
    fn add_unasked(&mut self, topic: &Topic) {
        for binding in self.registrar.contacts(&topic.of) {
            let has = |id: &u64| self.lamps.unasked(*id).is_some_and(|unasked| unasked.is_at(binding));
            if self.lamps.len() >= self.config.limits.lamps || self.lamps.of(topic).iter().any(has) {
                continue;
            }
            let mut draw = || format!("{:016x}", self.net.random.draw());
            let (call_id, tag) = (draw(), draw());
            let (uri, registered) = (binding.uri.clone(), binding.call_id.clone());
            let unasked = Unasked { uri, registered, call_id, tag, cseq: 0 };
            self.lamps.put(topic, Wiring::Unasked(Box::new(unasked)));
        }
    }
}
