//! Where each request and each outcome goes.

use crate::cause::Reason;
use crate::client::{Outcome, Owner};
use crate::credentials::TRIES_MAX;
use crate::dialog::Dialog;
use crate::event::{Event, Flow, Origin};
use crate::expiry::Expiry;
use crate::leg::{Phase, Session, tagged};
use crate::server::Arrival;
use crate::stack::Stack;
use crate::transaction::stamp_via;
use crate::{Method, Request, Response, Verb};
use busyhour_model::{LegId, Time};

/// A dialog of ours: its leg, and while it is early the INVITE that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) leg: LegId,
    pub(crate) early: Option<u64>,
}

impl Stack {
    pub(crate) fn receive_request(&mut self, now: Time, flow: Flow, mut request: Request) {
        stamp_via(&mut request, flow.remote);
        self.net.counters.request(crate::Way::In, Verb::from(&request.method), flow.transport);
        match request.method {
            Method::Ack => return self.receive_ack(now, &request),
            _ if self.net.is_again(&request) => return,
            Method::Cancel => return self.receive_cancel(now, flow, &request),
            _ => {}
        }
        match request.headers.to_tag() {
            Some(tag) => self.receive_within(now, flow, &request, &tag),
            None => self.receive_outside(now, flow, &request),
        }
    }

    /// A request that belongs to no dialog yet.
    fn receive_outside(&mut self, now: Time, flow: Flow, request: &Request) {
        if self.is_shunned(now, &flow, request) {
            return;
        }
        if request.method == Method::Options {
            let status = self.objection(request).unwrap_or(200);
            return self.respond_stateless(flow, request, status);
        }
        if self.is_too_much(now, &request.method) {
            return self.overloaded(flow, request);
        }
        let Ok(origin) = self.admit(now, flow, request) else { return };
        let server = match self.net.open(flow, request) {
            Arrival::New(server) => server,
            Arrival::Merged(server) => return self.respond(now, server, request, 482),
            Arrival::Full => return self.overloaded(flow, request),
        };
        if let Some(status) = self.objection(request) {
            return self.respond(now, server, request, status);
        }
        let status = match (&request.method, origin) {
            (Method::Invite, origin) => return self.receive_invite(now, server, flow, request, origin),
            (Method::Register, Origin::Account(account)) => return self.register(now, server, flow, request, &account),
            (Method::Subscribe, origin) => return self.subscribe(now, server, flow, request, &origin),
            (Method::Publish, _) => 489,
            (Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify, _) => 481,
            (Method::Refer, _) => 403,
            _ => 405,
        };
        self.respond(now, server, request, status);
    }

    /// CANCEL (section 9.2): answered by itself, then the INVITE with 487, even if an answer to it waits to be sent.
    fn receive_cancel(&mut self, now: Time, flow: Flow, request: &Request) {
        let Some(invite) = self.net.cancelled(request) else { return self.respond_stateless(flow, request, 481) };
        if let Arrival::New(server) = self.net.open(flow, request) {
            self.respond(now, server, request, 200);
        }
        let Some(leg) = self.net.servers.get(&invite).and_then(|server| server.leg) else { return };
        if self.refuse_incoming(now, leg, 487, None) {
            self.reason_told(leg, Reason::of(&request.headers));
            self.events.push_back(Event::Cancelled { leg });
        } else if self.net.withdraw(now, invite, 487, None) {
            self.reason_told(leg, Reason::of(&request.headers));
            self.end(leg, true);
        }
    }

    /// The dialog that a request with these tags belongs to (section 12.2.2).
    pub(crate) fn find(&self, request: &Request, to_tag: &str) -> Option<Place> {
        let from_tag = request.headers.from_tag().unwrap_or_default();
        self.find_dialog(request.headers.call_id(), to_tag, &from_tag)
    }

    /// The dialog with these tags, ours first.
    pub(crate) fn find_dialog(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<Place> {
        let id = tagged(local_tag)?;
        let leg = self.legs.get(&id)?;
        let here = |dialog: &Dialog| dialog.matches(call_id, local_tag, remote_tag);
        match &leg.phase {
            Phase::Incoming(incoming) => here(&incoming.session.dialog).then_some(Place { leg: id, early: None }),
            Phase::Up(session) => here(&session.dialog).then_some(Place { leg: id, early: None }),
            Phase::Calling(calling) => {
                let early = calling.early.iter().position(|early| here(&early.session.dialog))?;
                Some(Place { leg: id, early: Some(early as u64) })
            }
        }
    }

    /// A request of ours went out again under this number: what follows in its dialog has higher ones (section 12.2.1.1).
    pub(crate) fn count_within(&mut self, request: &Request, number: u32) {
        let headers = &request.headers;
        let (Some(ours), Some(theirs)) = (headers.from_tag(), headers.to_tag()) else { return };
        let Some(leg) = tagged(&ours).and_then(|id| self.legs.get_mut(&id)) else { return };
        let sessions: Vec<&mut Session> = match &mut leg.phase {
            Phase::Incoming(incoming) => vec![&mut incoming.session],
            Phase::Up(session) => vec![session],
            Phase::Calling(calling) => calling.early.iter_mut().map(|early| &mut early.session).collect(),
        };
        let mut dialogs = sessions.into_iter().map(|session| &mut session.dialog);
        if let Some(dialog) = dialogs.find(|dialog| dialog.matches(headers.call_id(), &ours, &theirs)) {
            dialog.local_cseq = dialog.local_cseq.max(number);
        }
    }

    /// The session at a place found just now.
    pub(crate) fn session(&mut self, place: Place) -> Option<&mut Session> {
        match &mut self.legs.get_mut(&place.leg)?.phase {
            Phase::Incoming(incoming) => Some(&mut incoming.session),
            Phase::Up(session) => Some(session),
            Phase::Calling(calling) => Some(&mut calling.early.get_mut(place.early? as usize)?.session),
        }
    }

    /// What became of a request of ours; `from` is where its response came from.
    pub(crate) fn settle(&mut self, now: Time, from: Option<Flow>, outcome: Outcome) {
        if let Ok(response) = &outcome.result
            && matches!(response.status, 401 | 407)
            && self.authorize(now, from, &outcome, response)
        {
            return;
        }
        if let (Owner::Register(trunk) | Owner::Probe(trunk), Some(from), Ok(response)) =
            (outcome.owner, from, &outcome.result)
        {
            self.keep_alive(now, trunk, &from, response);
        }
        match outcome.owner {
            Owner::Setup(leg) => self.settle_setup(now, leg, outcome),
            Owner::Reinvite(leg) => self.settle_reinvite(now, leg, outcome),
            Owner::Refresh(leg) => self.settle_refresh(now, leg, &outcome),
            Owner::Refer(leg) => self.settle_refer(leg, &outcome),
            Owner::Register(trunk) => self.settle_register(now, trunk, outcome),
            Owner::Probe(trunk) => self.settle_probe(now, trunk, &outcome),
            Owner::Leaving(_) => self.settle_leaving(now, from, &outcome),
            Owner::Qualify => self.settle_qualify(now, &outcome),
            Owner::Lamp(lamp) => self.settle_lamp(now, lamp, outcome),
            Owner::Bye(trunk, sent) => self.settle_bye(now, trunk, sent, &outcome),
            Owner::Nobody => {
                if let Ok(response) = outcome.result {
                    self.settle_stray(now, outcome.id, &response);
                }
            }
        }
    }

    /// A 2xx to an INVITE that nobody wants any more: acknowledged and hung up (section 13.2.2.4).
    pub(crate) fn settle_stray(&mut self, now: Time, id: u64, response: &Response) {
        let Some(client) = self.net.clients.get(&id) else { return };
        if client.verb != Verb::Invite || !(200..300).contains(&response.status) {
            return;
        }
        let (trunk, pracks) = (client.trunk, client.pracks);
        let made = client.request().and_then(|request| Dialog::calling(&request, client.flow, trunk.is_none()));
        let Some(mut dialog) = made else { return };
        dialog.adopt(response);
        self.acknowledge(id, &dialog, dialog.local_cseq);
        // Each may have been challenged and sent again; gaps are legal (section 12.2.1.1).
        dialog.local_cseq += pracks * (1 + u32::from(TRIES_MAX));
        self.send_bye(now, &mut dialog, trunk);
    }

    /// ACKs the 2xx that made or changed `dialog`, now and whenever it comes again.
    pub(crate) fn acknowledge(&mut self, client: u64, dialog: &Dialog, cseq: u32) {
        let flow = self.hop(dialog);
        let trunk = self.net.clients.get(&client).and_then(|client| client.trunk);
        let mut ack = dialog.ack(cseq);
        self.authorize_ack(client, flow, &mut ack);
        let ack = self.net.send_ack(trunk, flow, ack);
        self.net.remember_ack(client, &dialog.remote_tag, flow, ack);
    }

    pub(crate) fn hop(&self, dialog: &Dialog) -> Flow {
        dialog.hop(|connection| self.net.connections.contains_key(&connection))
    }

    pub(crate) fn send_bye(&mut self, now: Time, dialog: &mut Dialog, trunk: Option<busyhour_model::TrunkId>) {
        let flow = self.hop(dialog);
        let mut bye = dialog.request(Method::Bye);
        dialog.say_why(&mut bye.headers);
        let owner = trunk.map_or(Owner::Nobody, |trunk| Owner::Bye(trunk, now));
        self.send(now, bye, flow, owner, trunk);
    }

    /// Takes a leg away; a timer of its own stops.
    pub(crate) fn remove(&mut self, id: LegId) -> Option<Phase> {
        let mut leg = self.legs.remove(&id)?;
        if let Phase::Calling(calling) = &mut leg.phase
            && let Some(again) = &mut calling.again
        {
            self.net.stop(&mut again.timer);
        }
        if let Phase::Up(session) = &mut leg.phase {
            let again = session.pending.as_mut().and_then(|pending| pending.timer.take());
            let expiry = session.expiry.as_mut().and_then(Expiry::take_timer);
            again.into_iter().chain(expiry).for_each(|timer| self.net.timers.cancel(timer));
        }
        Some(leg.phase)
    }

    /// A leg is over without the switch having asked for it.
    pub(crate) fn end(&mut self, id: LegId, by_peer: bool) {
        let gone = self.legs.get(&id).is_some_and(|leg| leg.gone);
        if self.remove(id).is_some() && !gone {
            self.events.push_back(Event::Ended { leg: id, by_peer });
        }
    }
}
