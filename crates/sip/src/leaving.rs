//! Registrations at trunks that are taken back (RFC 3261 section 10.2.2).

use crate::client::{Outcome, Owner};
use crate::credentials::{Posed, renew};
use crate::event::{Flow, TrunkPeer};
use crate::stack::Stack;
use busyhour_model::{Time, TrunkId};
use serde::{Deserialize, Serialize};

/// Registrations on their way back at once; one more runs out by itself.
const LEAVING_MAX: usize = 1_000;

/// A registration on its way back, and what its trunk was: the configuration may know it otherwise by now, or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Leaving {
    trunk: TrunkPeer,
    call_id: String,
    /// Of the last request that may be sent for it.
    cseq: u32,
    challenged: bool,
}

impl Stack {
    /// Whether a trunk is still to say that it has taken a registration back.
    pub fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Takes back what is registered at a trunk, or about to be, as it is configured until now.
    pub(crate) fn leave_line(&mut self, now: Time, trunk: TrunkId) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        let (registrar, asked) = (line.registrar.take(), line.asked.take());
        line.registered = None;
        line.service.clear();
        let Some(config) = line.configured.clone() else { return };
        // What is said to a REGISTER under way counts no more.
        let under_way = self.net.clients.values_mut().filter(|client| client.owner == Owner::Register(trunk));
        under_way.for_each(|client| client.owner = Owner::Nobody);
        let held = registrar.and_then(|at| self.flow_to(&at, config.bind));
        let Some(flow) = held.or(asked.map(|(_, flow)| flow)) else { return };
        if self.leaving.len() >= LEAVING_MAX {
            return;
        }
        let Some(mut request) = self.build_register(trunk, flow, 0) else { return };
        self.authorize_ahead(trunk, flow, &mut request);
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        // A challenge is answered under the next number.
        line.cseq += 1;
        let leaving = Leaving { trunk: config, call_id: line.call_id.clone(), cseq: line.cseq, challenged: false };
        let id = self.net.send(now, request, flow, Owner::Leaving(trunk), None);
        self.leaving.insert(id, leaving);
    }

    /// Call-ID and number that go on where a trunk registers again before it was left: its registrar sees what came last.
    pub(crate) fn left_at(&self, trunk: TrunkId) -> Option<(String, u32)> {
        let mine = self.leaving.values().filter(|leaving| leaving.trunk.trunk == trunk);
        mine.map(|leaving| (leaving.call_id.clone(), leaving.cseq)).max_by_key(|(_, cseq)| *cseq)
    }

    /// Whatever the registrar says is the end of it, but for a challenge, which is answered once.
    pub(crate) fn settle_leaving(&mut self, now: Time, from: Option<Flow>, outcome: &Outcome) {
        if outcome.result.as_ref().is_ok_and(|response| response.status < 200) {
            return;
        }
        let (Some(leaving), Ok(response)) = (self.leaving.remove(&outcome.id), &outcome.result) else { return };
        let by_peer = from.is_some_and(|from| from.remote.ip() == outcome.flow.remote.ip());
        let request = self.net.clients.get(&outcome.id).and_then(|client| client.request());
        let (Some(mut request), Some(mut posed)) = (request, Posed::of(response)) else { return };
        if leaving.challenged || !by_peer || renew(&mut request).is_none() {
            return;
        }
        let cnonce = self.net.random.draw();
        if posed.answer(&leaving.trunk, cnonce, &mut request) {
            let id = self.net.send(now, request, outcome.flow, outcome.owner, None);
            self.leaving.insert(id, Leaving { challenged: true, ..leaving });
        }
    }
}
