//! The registrar: which phones an account can be reached at (RFC 3261 section 10.3).

use crate::ban;
use crate::event::{Event, Flow, Transport};
use crate::mailbox::messages_of;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::{Alarm, Map};
use crate::{Contacts, HeaderName, NameAddr, Request, Uri};
use busyhour_model::{Name, Time};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// The option tag of RFC 3327.
pub(crate) const PATH: &str = "path";
/// Hops between a phone and us.
const PATH_MAX: usize = 4;
/// Shortest subscription, and registration where nothing else is configured; a shorter one gets 423.
pub(crate) const EXPIRES_MIN: u32 = 60;
/// Longest one, and the one given when none is asked for.
pub(crate) const EXPIRES_MAX: u32 = 3600;

/// All bindings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Registrar {
    accounts: Map<Name, Bindings>,
    /// How many bindings are met at an address.
    met: Map<(Transport, SocketAddr), u32>,
    /// How many are met from a source.
    hosts: Map<IpNet, u32>,
    /// Whose bindings came over a connection, once each.
    streams: BTreeSet<(u64, Name)>,
    /// Whose phone an OPTIONS asks, by its transaction.
    asked: Map<u64, Name>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Bindings {
    list: Vec<Binding>,
    /// Those that do not answer, at most as many as there may be of the others.
    silent: Vec<Binding>,
    timer: Option<Timer>,
    /// When the phones are asked next whether they are there.
    qualify: Option<Timer>,
}

/// One phone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Binding {
    /// Contact.
    pub(crate) uri: Uri,
    /// Where to send: where it registered from, unless Contact says a port of the same host.
    pub(crate) flow: Flow,
    met: Flow,
    /// Call-ID of its REGISTER.
    pub(crate) call_id: String,
    cseq: u32,
    expires: Time,
    /// The proxies on the way to it, as Route says them (RFC 3327).
    pub(crate) path: Option<Box<str>>,
    /// The OPTIONS that asks it.
    asked: Option<u64>,
}

/// What a REGISTER asks for one contact.
struct Wish {
    uri: Uri,
    /// Seconds; 0 removes it.
    expires: u32,
}

impl Registrar {
    /// The phones of an account, in the order they registered.
    pub(crate) fn contacts(&self, account: &str) -> &[Binding] {
        self.accounts.get(account).map_or(&[], |bindings| &bindings.list)
    }

    /// All of them, silent ones too.
    pub(crate) fn known(&self, account: &str) -> impl Iterator<Item = &Binding> {
        self.accounts.get(account).into_iter().flat_map(|bindings| bindings.list.iter().chain(&bindings.silent))
    }

    /// Accounts with contacts, by name.
    pub(crate) fn accounts(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self.accounts.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Whether a phone registered from this very address and port.
    pub(crate) fn is_met_at(&self, flow: &Flow) -> bool {
        self.met.contains_key(&(flow.transport, flow.remote))
    }

    /// Whether phones are registered from this source.
    pub(crate) fn is_met_from(&self, source: IpNet) -> bool {
        self.hosts.contains_key(&source)
    }

    fn note(&mut self, account: &Name, flow: &Flow) {
        *self.met.entry((flow.transport, flow.remote)).or_default() += 1;
        *self.hosts.entry(ban::source(flow.remote.ip())).or_default() += 1;
        if flow.transport.is_stream() {
            self.streams.insert((flow.connection, account.clone()));
        }
    }

    fn unnote(&mut self, account: &Name, flow: &Flow) {
        decrement(&mut self.met, &(flow.transport, flow.remote));
        decrement(&mut self.hosts, &ban::source(flow.remote.ip()));
        if flow.transport.is_stream() && !self.contacts(account).iter().any(|binding| binding.came_over(flow)) {
            self.streams.remove(&(flow.connection, account.clone()));
        }
    }

    /// Whether a phone is registered over this connection.
    pub(crate) fn is_used(&self, flow: &Flow) -> bool {
        !self.accounts_over(flow).is_empty()
    }

    /// Who has bindings that came over this connection.
    fn accounts_over(&self, flow: &Flow) -> Vec<Name> {
        let after = (flow.connection, Name::from(""))..(flow.connection + 1, Name::from(""));
        self.streams.range(after).map(|(_, account)| account.clone()).collect()
    }

    /// Keeps the bindings for which `keep` holds.
    fn retain(&mut self, account: &Name, keep: impl Fn(&Binding) -> bool) {
        let Some(bindings) = self.accounts.get_mut(account) else { return };
        let gone: Vec<Flow> =
            bindings.list.iter().filter(|binding| !keep(binding)).map(|binding| binding.met).collect();
        bindings.list.retain(|binding| keep(binding));
        bindings.silent.retain(|binding| keep(binding));
        for flow in &gone {
            self.unnote(account, flow);
        }
    }

    fn put(&mut self, account: &Name, binding: Binding, most: usize) {
        self.note(account, &binding.met);
        let bindings = self.accounts.entry(account.clone()).or_default();
        bindings.silent.retain(|silent| !silent.uri.equivalent(&binding.uri));
        let known = bindings.list.iter().position(|known| known.uri.equivalent(&binding.uri));
        // A phone that restarts at a new port must not lock itself out: the contact that would expire first makes room.
        let first_out = || (0..bindings.list.len()).min_by_key(|at| bindings.list[*at].expires);
        let full = bindings.list.len() >= most.max(1);
        match known.or_else(|| first_out().filter(|_| full)) {
            Some(at) => {
                let replaced = std::mem::replace(&mut bindings.list[at], binding);
                self.unnote(account, &replaced.met);
            }
            None => {
                // Nearly everybody has one phone: no room for three more.
                bindings.list.reserve_exact(1);
                bindings.list.push(binding);
            }
        }
    }

    pub(crate) fn is_qualifying(&self, account: &Name) -> bool {
        self.accounts.get(account).is_some_and(|bindings| bindings.qualify.is_some())
    }

    /// An account's phones are asked then.
    pub(crate) fn qualify_by(&mut self, account: &Name, timer: Timer) {
        if let Some(bindings) = self.accounts.get_mut(account) {
            bindings.qualify = Some(timer);
        }
    }

    /// That time has come.
    pub(crate) fn qualified(&mut self, account: &Name) {
        if let Some(bindings) = self.accounts.get_mut(account) {
            bindings.qualify = None;
        }
    }

    /// Whether what a phone was asked last is not settled yet.
    pub(crate) fn is_asked(&self, binding: &Binding) -> bool {
        binding.asked.is_some_and(|id| self.asked.contains_key(&id))
    }

    /// A phone was sent this OPTIONS.
    pub(crate) fn asked(&mut self, account: &Name, uri: &Uri, id: u64) {
        let Some(bindings) = self.accounts.get_mut(account) else { return };
        for binding in bindings.list.iter_mut().chain(&mut bindings.silent).filter(|binding| binding.uri == *uri) {
            binding.asked = Some(id);
            self.asked.insert(id, account.clone());
        }
    }

    /// What became of an OPTIONS: whose phone went silent by it or answers again, and how many contacts there were before.
    pub(crate) fn answered(&mut self, id: u64, answers: bool, most: usize) -> Option<(Name, usize)> {
        let account = self.asked.remove(&id)?;
        let bindings = self.accounts.get_mut(&account)?;
        let before = bindings.list.len();
        let side = if answers { &mut bindings.silent } else { &mut bindings.list };
        let binding = side.remove(side.iter().position(|binding| binding.asked == Some(id))?);
        if answers {
            self.put(&account, binding, most);
        } else {
            let met = binding.met;
            bindings.silent.truncate(most.max(1) - 1);
            bindings.silent.insert(0, binding);
            self.unnote(&account, &met);
        }
        Some((account, before))
    }
}

/// One less; none is no entry.
fn decrement<K: Eq + std::hash::Hash>(counts: &mut Map<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Stack {
    /// How many contacts an account has.
    pub fn contacts(&self, account: &str) -> usize {
        self.registrar.contacts(account).len()
    }

    /// Forgets every contact of an account.
    pub fn unregister(&mut self, account: &str) {
        let account: Name = account.into();
        let before = self.contacts(&account);
        self.registrar.retain(&account, |_| false);
        self.tell_contacts(&account, before);
    }

    /// REGISTER from the account itself.
    pub(crate) fn register(&mut self, now: Time, server: u64, flow: Flow, request: &Request, account: &Name) {
        let wishes = match self.wishes(request, account) {
            Ok(wishes) => wishes,
            Err(status) => return self.respond(now, server, request, status),
        };
        let Ok(path) = path(request) else { return self.respond(now, server, request, 400) };
        let before = self.contacts(account);
        let (call_id, cseq) = (request.headers.call_id().to_owned(), request.headers.cseq().map_or(0, |cseq| cseq.0));
        for wish in wishes {
            if wish.expires == 0 {
                self.registrar.retain(account, |binding| !binding.uri.equivalent(&wish.uri));
            } else {
                let expires = now + Duration::from_secs(u64::from(wish.expires));
                let binding = Binding {
                    flow: if path.is_some() { flow } else { reach(flow, &wish.uri) },
                    met: flow,
                    uri: wish.uri,
                    call_id: call_id.clone(),
                    cseq,
                    expires,
                    path: path.clone(),
                    asked: None,
                };
                self.registrar.put(account, binding, self.config.limits.contacts);
            }
        }
        self.answer_register(now, server, request, account);
        self.tell_contacts(account, before);
        self.begin_qualifying(now, account);
        self.lamps_registered(now, account);
    }

    /// Section 10.3 steps 6 and 7, checked whole before anything changes.
    fn wishes(&self, request: &Request, account: &Name) -> Result<Vec<Wish>, u16> {
        let headers = &request.headers;
        let (least, most) = (self.config.limits.register_min, self.config.limits.register_max);
        let default = headers.expires().unwrap_or(most);
        let bound = self.registrar.contacts(account);
        let (call_id, cseq) = (headers.call_id(), headers.cseq().map_err(|_| 400u16)?.0);
        let late = |binding: &Binding| binding.call_id == call_id && cseq <= binding.cseq;
        let wishes: Vec<Wish> = match headers.contacts().map_err(|_| 400u16)? {
            Contacts::Star if headers.expires() != Some(0) => return Err(400),
            Contacts::Star => {
                let known = self.registrar.known(account);
                known.map(|binding| Wish { uri: binding.uri.clone(), expires: 0 }).collect()
            }
            Contacts::List(list) => list.into_iter().map(|contact| wish(contact, default, most)).collect(),
        };
        if wishes.len() > self.config.limits.contacts.max(self.registrar.known(account).count()) {
            return Err(403);
        }
        for wish in &wishes {
            if (1..least).contains(&wish.expires) {
                return Err(423);
            }
            if bound.iter().any(|binding| binding.uri.equivalent(&wish.uri) && late(binding)) {
                return Err(500);
            }
        }
        Ok(wishes)
    }

    fn answer_register(&mut self, now: Time, server: u64, request: &Request, account: &Name) {
        let mut response = self.reply(request, 200);
        for binding in self.registrar.contacts(account) {
            let mut contact = NameAddr::new(binding.uri.clone());
            let left = binding.expires.since(now).as_millis().div_ceil(1000);
            contact.set_param("expires", Some(&left.to_string()));
            response.headers.push(HeaderName::Contact, contact.to_string());
        }
        request.headers.all(HeaderName::Path).for_each(|path| response.headers.push(HeaderName::Path, path));
        self.net.respond(now, server, &response);
    }

    /// Sets the account's timer to its next expiry, and tells the switch when the first contact came or the last went.
    pub(crate) fn tell_contacts(&mut self, account: &Name, before: usize) {
        self.lamps.match_contacts(&messages_of(account), self.registrar.contacts(account));
        let Some(bindings) = self.registrar.accounts.get_mut(account) else { return };
        if let Some(timer) = bindings.timer.take() {
            self.net.timers.cancel(timer);
        }
        let contacts = bindings.list.len();
        match bindings.list.iter().chain(&bindings.silent).map(|binding| binding.expires).min() {
            Some(next) => bindings.timer = Some(self.net.timers.set(next, Alarm::Binding(account.clone()))),
            None => {
                self.net.stop(&mut bindings.qualify);
                self.registrar.accounts.remove(account);
            }
        }
        if (before == 0) != (contacts == 0) {
            self.events.push_back(Event::Registered { account: account.clone(), contacts: contacts as u32 });
        }
    }

    /// Drops what has expired.
    pub(crate) fn expire_contacts(&mut self, now: Time, account: &Name) {
        let before = self.contacts(account);
        self.registrar.retain(account, |binding| binding.expires > now);
        self.tell_contacts(account, before);
    }

    /// Drops the contacts registered over a connection that is gone.
    pub(crate) fn drop_contacts_of(&mut self, flow: &Flow) {
        for account in self.registrar.accounts_over(flow) {
            let before = self.contacts(&account);
            self.registrar.retain(&account, |binding| !binding.came_over(flow));
            self.tell_contacts(&account, before);
        }
    }
}

impl Binding {
    fn came_over(&self, flow: &Flow) -> bool {
        self.met.transport.is_stream() && self.met.connection == flow.connection
    }
}

fn wish(contact: NameAddr, default: u32, most: u32) -> Wish {
    let asked = contact.param("expires").map_or(default, |text| text.parse().unwrap_or(most));
    Wish { uri: contact.uri, expires: asked.min(most) }
}

/// What Path says (RFC 3327 section 5.3); too long a one is no way.
fn path(request: &Request) -> Result<Option<Box<str>>, ()> {
    let hops: Vec<_> = request.headers.list(HeaderName::Path).map(String::from_utf8_lossy).collect();
    match hops.len() {
        0 => Ok(None),
        1..=PATH_MAX => Ok(Some(hops.join(", ").into())),
        _ => Err(()),
    }
}

/// A phone is sent to where it registered from; only a port of that same host may differ (it listens there).
fn reach(flow: Flow, uri: &Uri) -> Flow {
    let same_host = flow.transport == Transport::Udp && uri.host.ip() == Some(flow.remote.ip());
    if same_host { Flow { remote: SocketAddr::new(flow.remote.ip(), uri.port_or_default()), ..flow } } else { flow }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(user: &str, connection: u64) -> Binding {
        let remote = SocketAddr::from(([10, 0, 0, 1], 5060));
        let flow = Flow { transport: Transport::Tcp, local: remote, remote, connection };
        let (uri, call_id) = (Uri::sip(Some(user), remote.ip().into(), None), String::new());
        Binding { uri, flow, met: flow, call_id, cseq: 1, expires: Time::ZERO, path: None, asked: None }
    }

    #[test]
    fn whose_phones_came_over_a_connection_is_known_until_they_leave_or_move() {
        let (mut registrar, [one, two]) = (Registrar::default(), ["8001", "8002"].map(Name::from));
        let over = |registrar: &Registrar, connection| registrar.accounts_over(&binding("", connection).met);
        registrar.put(&two, binding("8002", 5), 4);
        registrar.put(&one, binding("8001", 5), 4);
        registrar.put(&one, binding("desk", 5), 4);
        registrar.put(&one, binding("8001", 6), 4);
        assert_eq!(over(&registrar, 5), [one.clone(), two.clone()], "the desk phone is still there");
        registrar.retain(&one, |binding| binding.met.connection != 5);
        assert_eq!((over(&registrar, 5), over(&registrar, 6)), (vec![two.clone()], vec![one.clone()]));
        registrar.put(&two, binding("8002", 7), 4);
        assert_eq!((over(&registrar, 5), over(&registrar, 7)), (vec![], vec![two]));
        registrar.retain(&one, |_| false);
        assert_eq!(registrar.streams.len(), 1);
    }
}
