//! Requests that cannot be delivered: no connection, or ICMP (RFC 3261 sections 17.1.4 and 18.4).

use crate::client::{Client, Failure, Outcome, Owner};
use crate::transaction::{COOKIE, Transactions};
use crate::{Flow, Method, Verb};
use busyhour_model::Time;

impl Transactions {
    /// Fails every request for which `lost` holds (section 17.1.4), oldest first.
    pub(crate) fn fail_clients(&mut self, now: Time, lost: impl Fn(&Flow) -> bool) -> Vec<Outcome> {
        let mut ids: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| client.is_open() && lost(&client.flow))
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.fail(now, id)).collect()
    }

    /// Fails the open request that `quoted` begins (section 18.4). What belongs to a dialog is repeated until its timer ends: no talk is
    /// given up for a peer that is away for a moment.
    pub(crate) fn fail_quoted(&mut self, now: Time, quoted: &[u8]) -> Option<Outcome> {
        let id = self.quoted(quoted)?;
        let lost = |client: &Client| client.is_open() && !client.reliable() && client.owner.has_no_dialog();
        let lost = self.clients.get(&id).is_some_and(lost);
        lost.then(|| self.fail(now, id)).flatten()
    }

    fn fail(&mut self, now: Time, id: u64) -> Option<Outcome> {
        if self.narrow(now, id) {
            return None;
        }
        let client = self.clients.get(&id)?;
        let (owner, flow) = (client.owner, client.flow);
        self.forget_client(id);
        Some(Outcome { id, owner, flow, result: Err(Failure::Unreachable) })
    }

    /// The request whose first bytes these are, all that ICMP quotes of it. Who has not seen it cannot name it.
    fn quoted(&self, bytes: &[u8]) -> Option<u64> {
        let start = String::from_utf8_lossy(bytes);
        let (method, rest) = start.split_once(' ')?;
        let branch = rest.split_once(COOKIE)?.1;
        let end = branch.find(|c: char| !c.is_ascii_hexdigit() && c != '.')?;
        self.of_branch(&branch[..end], Verb::from(&Method::parse(method.as_bytes())?))
    }
}

impl Owner {
    fn has_no_dialog(self) -> bool {
        use Owner::{Leaving, Probe, Qualify, Register, Setup};
        matches!(self, Setup(_) | Register(_) | Leaving(_) | Probe(_) | Qualify)
    }
}
