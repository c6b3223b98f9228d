//! Phones that are asked by OPTIONS whether they are still there (RFC 3261 section 11): who is silent is not called until an answer comes.

use crate::client::{Outcome, Owner};
use crate::event::Event;
use crate::registrar::Binding;
use crate::stack::Stack;
use crate::transaction::Alarm;
use crate::{HeaderName, Transport};
use busyhour_model::{Name, Time};
use std::time::Duration;

impl Stack {
    /// How many contacts of an account are not called because they do not answer.
    pub fn silent_contacts(&self, account: &str) -> usize {
        self.registrar.known(account).count() - self.contacts(account)
    }

    /// The first time comes anywhere within the period: phones that registered at once are not all asked at once.
    pub(crate) fn begin_qualifying(&mut self, now: Time, account: &Name) {
        let period = self.config.limits.qualify;
        let asked = self.registrar.known(account).any(Binding::is_qualified);
        if asked && !period.is_zero() && !self.registrar.is_qualifying(account) {
            let wait = Duration::from_millis(self.net.random.below(period.as_millis() as u64 + 1));
            self.registrar.qualify_by(account, self.net.timers.set(now + wait, Alarm::Qualify(account.clone())));
        }
    }

    /// OPTIONS to each of an account's phones that is reached by UDP and may not still answer the last one.
    pub(crate) fn qualify(&mut self, now: Time, account: &Name) {
        self.registrar.qualified(account);
        let period = self.config.limits.qualify;
        if period.is_zero() || !self.registrar.known(account).any(Binding::is_qualified) {
            return;
        }
        let open = |binding: &Binding| self.registrar.is_asked(binding);
        let due = self.registrar.known(account).filter(|binding| binding.is_qualified() && !open(binding));
        let due: Vec<_> = due.map(|binding| (binding.uri.clone(), binding.flow, binding.path.clone())).collect();
        for (uri, flow, path) in &due {
            let mut request = self.build_options(uri, *flow);
            path.iter().for_each(|path| request.headers.push(HeaderName::Route, &**path));
            let id = self.net.send(now, request, *flow, Owner::Qualify, None);
            self.registrar.asked(account, uri, id);
        }
        self.registrar.qualify_by(account, self.net.timers.set(now + period, Alarm::Qualify(account.clone())));
    }

    /// Any answer shows life, but 408 of a proxy on the way.
    pub(crate) fn settle_qualify(&mut self, now: Time, outcome: &Outcome) {
        let status = outcome.result.as_ref().ok().map(|response| response.status);
        if status.is_some_and(|status| status < 200) {
            return;
        }
        let answers = status.is_some_and(|status| status != 408);
        let most = self.config.limits.contacts;
        let Some((account, before)) = self.registrar.answered(outcome.id, answers, most) else { return };
        self.events.push_back(Event::Qualified { account: account.clone(), answers });
        self.tell_contacts(&account, before);
        if answers {
            self.lamps_registered(now, &account);
        }
    }
}

impl Binding {
    /// A connection shows by itself that its phone is gone; UDP does not.
    fn is_qualified(&self) -> bool {
        self.flow.transport == Transport::Udp
    }
}
