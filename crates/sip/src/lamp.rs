//! Lamps: what phones are told of mailboxes, lines and people, one NOTIFY at a time (RFC 6665).

use crate::client::{Outcome, Owner};
use crate::event::Flow;
use crate::mailbox::Unasked;
use crate::package::{Package, Shown};
use crate::registrar::Binding;
use crate::stack::Stack;
use crate::subscription::Subscription;
use crate::transaction::Map;
use crate::{Host, Request};
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What can be watched: one package's view of one account, queue or slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) of: Name,
    pub(crate) package: Package,
}

/// How everything stands, and who is told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lamps {
    /// What is not as at the start, or watched; everything else costs nothing.
    sights: BTreeMap<Topic, Sight>,
    lamps: Map<u64, Lamp>,
    /// Subscriptions, by who asked.
    watchers: BTreeMap<Name, usize>,
    last: u64,
    /// What may be watched beside accounts.
    watchable: BTreeSet<Name>,
}

/// How one topic stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sight {
    shown: Shown,
    /// Oldest first.
    lamps: Vec<u64>,
}

/// A phone that shows how a topic stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lamp {
    topic: Topic,
    pub(crate) wiring: Wiring,
    /// What its last NOTIFY said.
    told: Shown,
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

/// One NOTIFY at a time: over UDP a second might overtake it, and a storm of news becomes its newest.
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

impl Lamps {
    fn sight(&self, topic: &Topic) -> Option<&Sight> {
        self.sights.get(topic)
    }

    fn sight_mut(&mut self, topic: &Topic) -> &mut Sight {
        let fresh = || Sight { shown: Shown::nothing(topic.package), lamps: Vec::new() };
        self.sights.entry(topic.clone()).or_insert_with(fresh)
    }

    pub(crate) fn subscription(&self, id: u64) -> Option<&Subscription> {
        self.lamps.get(&id)?.subscription()
    }

    pub(crate) fn subscription_mut(&mut self, id: u64) -> Option<&mut Subscription> {
        match &mut self.lamps.get_mut(&id)?.wiring {
            Wiring::Subscribed(subscription) => Some(subscription),
            Wiring::Unasked(_) => None,
        }
    }

    /// The package a lamp shows.
    pub(crate) fn package(&self, id: u64) -> Option<Package> {
        Some(self.lamps.get(&id)?.topic.package)
    }

    pub(crate) fn of(&self, topic: &Topic) -> &[u64] {
        self.sight(topic).map_or(&[], |sight| &sight.lamps)
    }

    pub(crate) fn has_sight(&self, topic: &Topic) -> bool {
        self.sight(topic).is_some()
    }

    /// The subscriptions to a topic, the one that ends first at the head.
    pub(crate) fn subscriptions_to(&self, topic: &Topic) -> Vec<(Time, u64)> {
        let expiry = |id: &u64| Some((self.subscription(*id)?.expires, *id));
        let mut found: Vec<(Time, u64)> = self.of(topic).iter().filter_map(expiry).collect();
        found.sort_unstable();
        found
    }

    /// Subscriptions this account asked for.
    pub(crate) fn watched_by(&self, watcher: &str) -> usize {
        self.watchers.get(watcher).copied().unwrap_or(0)
    }

    pub(crate) fn len(&self) -> usize {
        self.lamps.len()
    }

    pub(crate) fn shown(&self, topic: &Topic) -> Shown {
        self.sight(topic).map_or_else(|| Shown::nothing(topic.package), |sight| sight.shown.clone())
    }

    /// The number the next lamp will have.
    pub(crate) fn next(&self) -> u64 {
        self.last + 1
    }

    /// A new lamp, dark as far as we know.
    pub(crate) fn put(&mut self, topic: &Topic, wiring: Wiring) -> u64 {
        self.last = self.next();
        if let Wiring::Subscribed(subscription) = &wiring {
            *self.watchers.entry(subscription.watcher.clone()).or_default() += 1;
        }
        let told = Shown::nothing(topic.package);
        self.lamps.insert(self.last, Lamp { topic: topic.clone(), wiring, told, state: State::Ready });
        let id = self.last;
        self.sight_mut(topic).lamps.push(id);
        id
    }

    pub(crate) fn take(&mut self, id: u64) -> Option<Lamp> {
        let lamp = self.lamps.remove(&id)?;
        if let Some(watcher) = lamp.subscription().map(|subscription| &subscription.watcher)
            && let Some(count) = self.watchers.get_mut(watcher)
        {
            *count -= 1;
            if *count == 0 {
                self.watchers.remove(watcher);
            }
        }
        self.sight_mut(&lamp.topic).lamps.retain(|known| *known != id);
        self.tidy(&lamp.topic);
        Some(lamp)
    }

    /// Forgets a topic that stands as at the start and that nobody watches.
    fn tidy(&mut self, topic: &Topic) {
        let idle = |sight: &Sight| sight.lamps.is_empty() && sight.shown == Shown::nothing(topic.package);
        if self.sight(topic).is_some_and(idle) {
            self.sights.remove(topic);
        }
    }

    /// Forgets the contacts told unasked that are bound no more.
    pub(crate) fn match_contacts(&mut self, topic: &Topic, bindings: &[Binding]) {
        for id in self.of(topic).to_vec() {
            let unbound = |unasked: &Unasked| !bindings.iter().any(|binding| unasked.is_at(binding));
            if self.unasked(id).is_some_and(unbound) {
                self.take(id);
            }
        }
    }

    pub(crate) fn unasked(&self, id: u64) -> Option<&Unasked> {
        match &self.lamps.get(&id)?.wiring {
            Wiring::Unasked(unasked) => Some(unasked),
            Wiring::Subscribed(_) => None,
        }
    }

    /// Whether the last NOTIFY said something else than holds now.
    pub(crate) fn is_behind(&self, id: u64) -> bool {
        self.lamps.get(&id).is_some_and(|lamp| lamp.told != self.shown(&lamp.topic))
    }

    /// A phone that gave no answer may be told again.
    pub(crate) fn wake(&mut self, topic: &Topic) {
        for id in self.of(topic).to_vec() {
            if let Some(lamp) = self.lamps.get_mut(&id).filter(|lamp| lamp.state == State::Silent) {
                lamp.state = State::Ready;
            }
        }
    }

    /// Everything watched or standing otherwise than at the start.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        self.sights.keys().cloned().collect()
    }

    /// Subscriptions, by who asked for them.
    pub(crate) fn subscriptions(&self) -> Vec<(u64, Name)> {
        let asked = |(id, lamp): (&u64, &Lamp)| Some((*id, lamp.subscription()?.watcher.clone()));
        let mut all: Vec<_> = self.lamps.iter().filter_map(asked).collect();
        all.sort_unstable();
        all
    }

    /// Forgets a topic; its subscriptions are ended before.
    pub(crate) fn forget(&mut self, topic: &Topic) {
        self.of(topic).to_vec().into_iter().for_each(|id| drop(self.take(id)));
        self.sights.remove(topic);
    }
}

impl Lamp {
    fn subscription(&self) -> Option<&Subscription> {
        match &self.wiring {
            Wiring::Subscribed(subscription) => Some(subscription),
            Wiring::Unasked(_) => None,
        }
    }

    /// The NOTIFY with how the topic stands.
    fn notify(&mut self, now: Time, shown: Shown, domain: &Host, over: Option<&str>, flow: Flow) -> Request {
        let (mut request, version) = match &mut self.wiring {
            Wiring::Unasked(unasked) => (unasked.notify(&self.topic.of, domain.clone(), flow), 0),
            Wiring::Subscribed(subscription) => subscription.notify(now, over),
        };
        let body = shown.body(&self.told, &self.topic.of, domain, version);
        self.told = shown;
        request.set_body(self.topic.package.body(), body);
        request
    }
}

impl Stack {
    /// How an account, a queue or a slot stands from now on; whoever watches it is told of a change.
    /// Nothing is kept for what is not configured.
    pub fn show(&mut self, now: Time, of: &str, shown: Shown) {
        let topic = Topic { of: of.into(), package: shown.package() };
        if !self.is_watchable(&topic) || self.lamps.shown(&topic) == shown {
            return;
        }
        self.lamps.sight_mut(&topic).shown = shown;
        for (_, id) in self.lamps.subscriptions_to(&topic) {
            self.notify(now, id);
        }
        if topic.package == Package::Messages {
            self.notify_unasked(now, &topic);
        }
        self.lamps.tidy(&topic);
    }

    /// What may be watched beside accounts from now on, by name; lamps of anything else end.
    pub fn let_watch(&mut self, now: Time, names: BTreeSet<Name>) {
        self.lamps.watchable = names;
        self.drop_lamps(now);
    }

    /// How it stands, as said last.
    pub fn shown(&self, of: &str, package: Package) -> Shown {
        self.lamps.shown(&Topic { of: of.into(), package })
    }

    /// Phones that are told of something: by subscription, or unasked.
    pub fn lamps(&self) -> usize {
        self.lamps.len()
    }

    /// What a lamp was told last is how its topic stands, unless a NOTIFY to it is out or it does not answer.
    ///
    /// # Panics
    /// When it is not so.
    pub fn check_lamps(&self) {
        for (id, lamp) in &self.lamps.lamps {
            let subscribed = lamp.subscription().is_some();
            if subscribed && lamp.state != (State::Out { again: true }) {
                assert!(!self.lamps.is_behind(*id), "lamp {id} was told {:?} last", lamp.told);
            }
        }
        let subscribed = self.lamps.lamps.values().filter(|lamp| lamp.subscription().is_some()).count();
        assert_eq!(self.lamps.watchers.values().sum::<usize>(), subscribed, "every subscription has a watcher");
    }

    /// Whether there is such a thing: accounts, and what else the configuration names.
    pub(crate) fn is_watchable(&self, topic: &Topic) -> bool {
        let named = topic.package != Package::Messages && self.lamps.watchable.contains(&topic.of);
        named || self.guard.knows(&topic.of)
    }

    /// Sends a lamp how its topic stands, at once or when the answer to the NOTIFY before has come.
    pub(crate) fn notify(&mut self, now: Time, id: u64) {
        let Some(lamp) = self.lamps.lamps.get_mut(&id) else { return };
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
        let lamp = self.lamps.lamps.get(&id)?;
        let shown = self.lamps.shown(&lamp.topic);
        let open = |connection| self.net.connections.contains_key(&connection);
        let flow = match &lamp.wiring {
            Wiring::Unasked(unasked) => {
                self.registrar.contacts(&lamp.topic.of).iter().find(|binding| unasked.is_at(binding))?.flow
            }
            Wiring::Subscribed(subscription) => subscription.dialog.hop(open),
        };
        let lamp = self.lamps.lamps.get_mut(&id)?;
        Some((lamp.notify(now, shown, &domain, over, flow), flow))
    }

    /// What became of a NOTIFY of ours.
    pub(crate) fn settle_lamp(&mut self, now: Time, id: u64, outcome: Outcome) {
        let status = match outcome.result {
            Ok(response) if response.status < 200 => return,
            Ok(response) => Some(response.status),
            Err(_) => None,
        };
        let Some(lamp) = self.lamps.lamps.get_mut(&id) else { return };
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
