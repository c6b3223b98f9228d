//! Mailboxes as phones see them: how many messages wait, and the lamps that show it (RFC 3842).

use crate::client::{Outcome, Owner};
use crate::event::Flow;
use crate::incoming::contact_for;
use crate::registrar::Binding;
use crate::stack::Stack;
use crate::subscription::Subscription;
use crate::transaction::{Map, cseq};
use crate::{HeaderName, Host, Method, NameAddr, Request, Uri};
use busyhour_model::{Name, Time};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The event package (section 3.1), and what its NOTIFY carries (section 3.5).
pub(crate) const PACKAGE: &str = "message-summary";
/// The one body of that package.
pub(crate) const BODY: &str = "application/simple-message-summary";

/// Voice messages that wait for somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Not heard yet: these light the lamp.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
}

/// What waits for whom, and who is told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mailboxes {
    /// Of accounts that have messages or lamps; everybody else costs nothing.
    accounts: BTreeMap<Name, Mailbox>,
    lamps: Map<u64, Lamp>,
    last: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mailbox {
    summary: Summary,
    /// Oldest first.
    lamps: Vec<u64>,
}

/// A phone that shows how a mailbox stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lamp {
    account: Name,
    pub(crate) wiring: Wiring,
    /// What its last NOTIFY said.
    told: Summary,
    state: State,
}

/// How it is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Wiring {
    /// It subscribed.
    Subscribed(Box<Subscription>),
    /// It is told unasked.
    Unasked(Box<Unasked>),
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

/// One NOTIFY at a time: over UDP a second might overtake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Ready,
    /// A NOTIFY has no final response yet.
    Out {
        /// Another is to follow.
        again: bool,
    },
    /// An unasked NOTIFY had no answer: none until it registers again.
    Silent,
    /// An unasked NOTIFY was refused: none any more.
    Refused,
}

impl Summary {
    /// Section 3.5; urgent messages are not told apart.
    fn body(self, account: &str, domain: Host) -> Bytes {
        let waiting = if self.new > 0 { "yes" } else { "no" };
        let of = Uri::sip(Some(account), domain, None);
        let Summary { new, old } = self;
        format!("Messages-Waiting: {waiting}\r\nMessage-Account: {of}\r\nVoice-Message: {new}/{old} (0/0)\r\n").into()
    }
}

impl Mailboxes {
    pub(crate) fn subscription(&self, id: u64) -> Option<&Subscription> {
        self.lamps.get(&id)?.subscription()
    }

    pub(crate) fn subscription_mut(&mut self, id: u64) -> Option<&mut Subscription> {
        match &mut self.lamps.get_mut(&id)?.wiring {
            Wiring::Subscribed(subscription) => Some(subscription),
            Wiring::Unasked(_) => None,
        }
    }

    fn lamps_of(&self, account: &str) -> &[u64] {
        self.accounts.get(account).map_or(&[], |mailbox| &mailbox.lamps)
    }

    /// The subscriptions of an account, the one that ends first at the head.
    pub(crate) fn subscriptions_of(&self, account: &str) -> Vec<(Time, u64)> {
        let expiry = |id: &u64| Some((self.subscription(*id)?.expires, *id));
        let mut found: Vec<(Time, u64)> = self.lamps_of(account).iter().filter_map(expiry).collect();
        found.sort_unstable();
        found
    }

    pub(crate) fn len(&self) -> usize {
        self.lamps.len()
    }

    fn summary(&self, account: &str) -> Summary {
        self.accounts.get(account).map_or_else(Summary::default, |mailbox| mailbox.summary)
    }

    /// The number the next lamp will have.
    pub(crate) fn next(&self) -> u64 {
        self.last + 1
    }

    /// A new lamp, dark as far as we know.
    pub(crate) fn put(&mut self, account: &Name, wiring: Wiring) -> u64 {
        self.last = self.next();
        let lamp = Lamp { account: account.clone(), wiring, told: Summary::default(), state: State::Ready };
        self.lamps.insert(self.last, lamp);
        self.accounts.entry(account.clone()).or_default().lamps.push(self.last);
        self.last
    }

    pub(crate) fn take(&mut self, id: u64) -> Option<Lamp> {
        let lamp = self.lamps.remove(&id)?;
        if let Some(mailbox) = self.accounts.get_mut(&lamp.account) {
            mailbox.lamps.retain(|known| *known != id);
        }
        self.tidy(&lamp.account);
        Some(lamp)
    }

    /// Forgets a mailbox without messages that nobody watches.
    fn tidy(&mut self, account: &Name) {
        let idle = |mailbox: &Mailbox| mailbox.lamps.is_empty() && mailbox.summary == Summary::default();
        if self.accounts.get(account).is_some_and(idle) {
            self.accounts.remove(account);
        }
    }

    /// Forgets the contacts told unasked that are bound no more.
    pub(crate) fn match_contacts(&mut self, account: &Name, bindings: &[Binding]) {
        for id in self.lamps_of(account).to_vec() {
            let unbound = |unasked: &Unasked| !bindings.iter().any(|binding| unasked.is_at(binding));
            if self.lamps.get(&id).and_then(Lamp::unasked).is_some_and(unbound) {
                self.take(id);
            }
        }
    }

    /// Accounts with messages or lamps, by name.
    pub(crate) fn accounts(&self) -> Vec<Name> {
        self.accounts.keys().cloned().collect()
    }

    /// Forgets an account; its subscriptions are ended before.
    pub(crate) fn forget(&mut self, account: &str) {
        for id in self.accounts.remove(account).into_iter().flat_map(|mailbox| mailbox.lamps) {
            self.lamps.remove(&id);
        }
    }
}

impl Lamp {
    fn subscription(&self) -> Option<&Subscription> {
        match &self.wiring {
            Wiring::Subscribed(subscription) => Some(subscription),
            Wiring::Unasked(_) => None,
        }
    }

    fn unasked(&self) -> Option<&Unasked> {
        match &self.wiring {
            Wiring::Unasked(unasked) => Some(unasked),
            Wiring::Subscribed(_) => None,
        }
    }
}

impl Unasked {
    fn is_at(&self, binding: &Binding) -> bool {
        self.registered == binding.call_id && self.uri.equivalent(&binding.uri)
    }

    /// A NOTIFY outside any dialog, to where the phone is registered.
    fn notify(&mut self, account: &str, domain: Host, flow: Flow) -> Request {
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
        headers.push(HeaderName::Event, PACKAGE);
        headers.push(HeaderName::SubscriptionState, "active");
        request
    }
}

impl Stack {
    /// How many messages wait for an account; its phones are told of a change. Nothing is kept for an account that is not configured.
    pub fn mailbox(&mut self, now: Time, account: &str, summary: Summary) {
        if !self.guard.knows(account) || self.waiting(account) == summary {
            return;
        }
        let account = Name::from(account);
        self.mailboxes.accounts.entry(account.clone()).or_default().summary = summary;
        for (_, id) in self.mailboxes.subscriptions_of(&account) {
            self.notify(now, id);
        }
        self.notify_unasked(now, &account);
        self.mailboxes.tidy(&account);
    }

    /// How many messages wait for an account, as said last.
    pub fn waiting(&self, account: &str) -> Summary {
        self.mailboxes.summary(account)
    }

    /// Phones that are told of their messages: by subscription, or unasked.
    pub fn lamps(&self) -> usize {
        self.mailboxes.len()
    }

    /// The phone of this account registered: if it does not know of its messages, it is told.
    pub(crate) fn lamps_registered(&mut self, now: Time, account: &Name) {
        for id in self.mailboxes.lamps_of(account).to_vec() {
            if let Some(lamp) = self.mailboxes.lamps.get_mut(&id).filter(|lamp| lamp.state == State::Silent) {
                lamp.state = State::Ready;
            }
        }
        self.notify_unasked(now, account);
    }

    /// Tells every contact that does not know, when the account has no subscription.
    fn notify_unasked(&mut self, now: Time, account: &Name) {
        let known = self.mailboxes.accounts.contains_key(account);
        if !known || !self.config.limits.mwi_unsolicited || !self.mailboxes.subscriptions_of(account).is_empty() {
            return;
        }
        self.add_unasked(account);
        let summary = self.mailboxes.summary(account);
        for id in self.mailboxes.lamps_of(account).to_vec() {
            if self.mailboxes.lamps.get(&id).is_some_and(|lamp| lamp.told != summary) {
                self.notify(now, id);
            }
        }
    }

    /// A lamp for each contact that has none.
    fn add_unasked(&mut self, account: &Name) {
        for binding in self.registrar.contacts(account) {
            let has = |id: &u64| {
                let unasked = self.mailboxes.lamps.get(id).and_then(Lamp::unasked);
                unasked.is_some_and(|unasked| unasked.is_at(binding))
            };
            if self.mailboxes.len() >= self.config.limits.lamps || self.mailboxes.lamps_of(account).iter().any(has) {
                continue;
            }
            let mut draw = || format!("{:016x}", self.net.random.draw());
            let (call_id, tag) = (draw(), draw());
            let (uri, registered) = (binding.uri.clone(), binding.call_id.clone());
            let unasked = Unasked { uri, registered, call_id, tag, cseq: 0 };
            self.mailboxes.put(account, Wiring::Unasked(Box::new(unasked)));
        }
    }

    /// Sends a lamp how its mailbox stands, at once or when the answer to the NOTIFY before has come.
    pub(crate) fn notify(&mut self, now: Time, id: u64) {
        let Some(lamp) = self.mailboxes.lamps.get_mut(&id) else { return };
        match lamp.state {
            State::Ready => lamp.state = State::Out { again: false },
            State::Out { .. } => return lamp.state = State::Out { again: true },
            State::Silent | State::Refused => return,
        }
        let Some((request, flow)) = self.notification(now, id, None) else { return self.drop_lamp(id) };
        self.net.send(now, request, flow, Owner::Lamp(id), None);
    }

    /// The NOTIFY itself; `over` is the reason why it is the last one of a subscription.
    pub(crate) fn notification(&mut self, now: Time, id: u64, over: Option<&str>) -> Option<(Request, Flow)> {
        let domain = self.own_host();
        let lamp = self.mailboxes.lamps.get_mut(&id)?;
        lamp.told = self.mailboxes.accounts.get(&lamp.account).map_or_else(Summary::default, |mailbox| mailbox.summary);
        let body = lamp.told.body(&lamp.account, domain.clone());
        let (mut request, flow) = match &mut lamp.wiring {
            Wiring::Unasked(unasked) => {
                let at = self.registrar.contacts(&lamp.account).iter().find(|binding| unasked.is_at(binding))?;
                (unasked.notify(&lamp.account, domain, at.flow), at.flow)
            }
            Wiring::Subscribed(subscription) => {
                let request = subscription.notify(now, over);
                let open = |connection| self.net.connections.contains_key(&connection);
                (request, subscription.dialog.hop(open))
            }
        };
        request.set_body(BODY, body);
        Some((request, flow))
    }

    /// What became of a NOTIFY of ours.
    pub(crate) fn settle_lamp(&mut self, now: Time, id: u64, outcome: Outcome) {
        let status = match outcome.result {
            Ok(response) if response.status < 200 => return,
            Ok(response) => Some(response.status),
            Err(_) => None,
        };
        let Some(lamp) = self.mailboxes.lamps.get_mut(&id) else { return };
        let again = lamp.state == State::Out { again: true };
        lamp.state = match (&lamp.wiring, status) {
            (_, Some(200..300)) => State::Ready,
            (Wiring::Unasked(_), None) => State::Silent,
            (Wiring::Unasked(_), Some(_)) => State::Refused,
            (Wiring::Subscribed(_), status) if ends_usage(status) => return self.drop_lamp(id),
            (Wiring::Subscribed(_), _) => State::Ready,
        };
        if again {
            self.notify(now, id);
        }
    }
}

/// Whether a NOTIFY with this answer, or none, was the last of its subscription (RFC 6665 section 4.2.2, RFC 5057 section 5.1).
fn ends_usage(status: Option<u16>) -> bool {
    matches!(status, None | Some(404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604))
}
