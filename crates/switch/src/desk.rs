//! What people ask: agents by star code or API, supervisors and operators by API; answered at once.

use crate::call::Call;
use crate::directory::Directory;
use crate::event::Event;
use crate::phase::{Phase, Promised};
use crate::plant::Plant;
use crate::request::{Denied, Reply, Request};
use crate::row::{AgentRow, BanRow, CallRow, PeerRow, PlaceRow, QueueRow, TrunkRow};
use crate::switch::Switch;
use busyhour_acd::{AgentView, Command, Denied as AcdDenied, Place};
use busyhour_ivr::Dialplan;
use busyhour_model::{AgentId, AgentState, CallId, Mailbox, Name, QueueId, Time, Trouble, TrunkId};
use busyhour_sip::PeerState;
use std::collections::BTreeMap;
use std::time::Duration;

/// Our own tiny dialplans: what an agent hears after a star code, and dialling out. Name and text.
const PLANS: [(&str, &str); 11] = [
    ("desk/ready", include_str!("desk/ready.toml")),
    ("desk/not-ready", include_str!("desk/not-ready.toml")),
    ("desk/signed-in", include_str!("desk/signed-in.toml")),
    ("desk/sign-out", include_str!("desk/sign-out.toml")),
    ("desk/refused", include_str!("desk/refused.toml")),
    ("desk/parked", include_str!("desk/parked.toml")),
    (SIGN_IN, include_str!("../../../dialplans/sign-in.toml")),
    (VOICEMAIL, include_str!("desk/voicemail.toml")),
    ("desk/colleague", include_str!("desk/colleague.toml")),
    (OUTSIDE, include_str!("desk/outside.toml")),
    (WAITING, include_str!("desk/waiting.toml")),
];
/// The reason of an agent who is not ready and rung by nobody, colleagues neither.
pub(crate) const DND: &str = "dnd";
/// The plan that asks for agent number and PIN; one of the configuration's may have its name and place.
pub(crate) const SIGN_IN: &str = "desk/sign-in";
/// The plan of an agent who listens to messages.
pub(crate) const VOICEMAIL: &str = "desk/voicemail";
/// A number that is nobody's here.
pub(crate) const OUTSIDE: &str = "desk/outside";
/// The plan for waiting in a queue that the call's own plan does not know, and the queue's name in it.
pub(crate) const WAITING: &str = "desk/waiting";
pub(crate) const ANY_QUEUE: &str = "any";

/// The desk's dialplans, compiled.
pub(crate) fn plans() -> Vec<(Name, Dialplan)> {
    let names = busyhour_ivr::Names { queues: vec![ANY_QUEUE.into()], ..busyhour_ivr::Names::default() };
    let compile = |(name, text): &(&str, &str)| {
        let parsed = Dialplan::parse(name, text, &names);
        (Name::from(*name), parsed.expect("the desk's dialplans are part of the source and tested").plan)
    };
    PLANS.iter().map(compile).collect()
}

/// Whether this is a star code's answer rather than a conversation.
pub(crate) fn is_desk(plan: &str) -> bool {
    PLANS[..6].iter().any(|(name, _)| *name == plan)
}

/// The dialplan for a number that is not ours: a colleague's, or an outside one.
pub(crate) fn outward(plant: &Plant, dialled: &str) -> &'static str {
    match plant.directory.agent_called(dialled) {
        Some(_) => "desk/colleague",
        None => OUTSIDE,
    }
}

impl Switch {
    /// A person asks; the answer is final at once.
    ///
    /// # Errors
    /// `Denied` says why not, in words for that person; nothing changed then.
    pub fn handle_request(&mut self, now: Time, request: Request) -> Result<Reply, Denied> {
        self.plant.now = now.max(self.plant.now);
        let reply = self.request(request);
        self.settle();
        reply
    }

    fn request(&mut self, request: Request) -> Result<Reply, Denied> {
        match request {
            Request::Agents => Ok(Reply::Agents(self.agent_rows())),
            Request::Queues => Ok(Reply::Queues(self.queue_rows())),
            Request::Calls => Ok(Reply::Calls(self.call_rows())),
            Request::Place { call } => self.place(call),
            Request::Trunks => Ok(Reply::Trunks(self.trunk_rows())),
            Request::Bans => Ok(Reply::Bans(self.ban_rows())),
            Request::Unban { address } => match self.plant.sip.unban(self.plant.now, address) {
                true => Ok(Reply::Done),
                false => Err(Denied::NotBanned(address)),
            },
            Request::Ready { agent } => self.ready(&agent),
            Request::NotReady { agent, reason, force } => self.not_ready(&agent, reason, force),
            Request::ExtendWrapUp { agent, by } => {
                let id = self.known(&agent)?;
                self.agent_command(&agent, Command::ExtendWrapUp { agent: id, by })
            }
            Request::SignOut { agent } => self.sign_out(&agent),
            Request::Unregister { account } => self.unregister(&account),
            Request::Resync { account } => self.resync(&account),
            Request::HangUp { call } => {
                if !self.calls.contains_key(&call) {
                    return Err(Denied::UnknownCall(call));
                }
                self.tell(call, Event::HangUp);
                Ok(Reply::Done)
            }
            Request::Standing { agent, towards } => self.standing(agent, towards),
            Request::Monitor { call, supervisor, voice } => self.monitor(call, &supervisor, voice),
            Request::Unmonitor { call, supervisor } => self.unmonitor(call, &supervisor),
            Request::Attach { call, fork, by } => self.attach(call, fork, by),
            Request::Detach { call, fork } => self.detach(call, fork),
            Request::TakeOver { call, supervisor } => self.hand_over(call, &supervisor),
            Request::AddParty { call, who } => self.add_party(call, who),
            Request::DropParty { call, leg } => self.drop_party(call, leg),
            Request::Parties { call } => self.parties(call),
            Request::PauseRecording { call, on, by } => self.pause_recording(call, on, by),
            Request::Transfer { call, to } => self.transfer(call, to),
            Request::Change { change, says, by } => self.change(change, says, by),
            Request::Messages { mailbox } => Ok(self.messages(mailbox.as_ref())),
            Request::Message { tape } => self.message(tape),
            Request::MessageHeard { tape } => self.message_heard(tape),
            Request::DeleteMessage { tape } => self.message_deleted(tape),
            Request::DrainTrunk { trunk, drained, by } => self.drain_trunk(&trunk, drained, by),
            Request::TryTrunk { trunk, number, by } => self.try_trunk(&trunk, &number, by),
            Request::Trial { call } => self.trial(call),
            Request::Reload(setup) => {
                self.configure(*setup);
                Ok(Reply::Done)
            }
        }
    }

    /// Carries out a star code and names the dialplan that says so; `None` when it is none.
    pub(crate) fn star_code(&mut self, account: &Name, dialled: &str) -> Option<&'static str> {
        let codes = self.plant.setup.codes.clone();
        let (reply, plan) = if dialled == &*codes.ready {
            (self.ready(account), "desk/ready")
        } else if dialled == &*codes.sign_out {
            (self.sign_out(account), "desk/sign-out")
        } else if dialled == &*codes.dnd {
            self.toggle_dnd(account)
        } else {
            let reason = dialled.strip_prefix(&*codes.not_ready)?;
            let reason = if reason.is_empty() { "break" } else { reason };
            (self.not_ready(account, reason.into(), false), "desk/not-ready")
        };
        Some(if reply.is_ok() { plan } else { "desk/refused" })
    }

    /// Do-not-disturb is a reason of not being ready: it ends by being ready, or signed out.
    fn toggle_dnd(&mut self, agent: &Name) -> (Result<Reply, Denied>, &'static str) {
        match self.plant.may_be_disturbed(agent) {
            true => (self.not_ready(agent, DND.into(), false), "desk/not-ready"),
            false => (self.ready(agent), "desk/ready"),
        }
    }

    fn ready(&mut self, agent: &Name) -> Result<Reply, Denied> {
        let id = self.known(agent)?;
        if self.state(id) == AgentState::SignedOut {
            return self.sign_in(agent, id, None);
        }
        self.agent_command(agent, Command::Ready { agent: id })
    }

    fn not_ready(&mut self, agent: &Name, reason: Name, force: bool) -> Result<Reply, Denied> {
        let id = self.known(agent)?;
        if self.state(id) == AgentState::SignedOut {
            return self.sign_in(agent, id, Some(reason));
        }
        let command = match force {
            true => Command::ForceNotReady { agent: id, reason },
            false => Command::NotReady { agent: id, reason },
        };
        self.agent_command(agent, command)
    }

    fn sign_in(&mut self, agent: &Name, id: AgentId, not_ready: Option<Name>) -> Result<Reply, Denied> {
        if self.plant.contacts(agent) == 0 {
            return Err(Denied::NoPhone(agent.clone()));
        }
        self.agent_command(agent, Command::SignIn { agent: id, not_ready })
    }

    fn sign_out(&mut self, agent: &Name) -> Result<Reply, Denied> {
        let id = self.known(agent)?;
        let reply = self.agent_command(agent, Command::SignOut { agent: id })?;
        self.plant.stand_up(agent, "signed_out");
        Ok(reply)
    }

    fn unregister(&mut self, account: &Name) -> Result<Reply, Denied> {
        self.registered_phone(account)?;
        self.plant.sip.unregister(account);
        Ok(Reply::Done)
    }

    fn resync(&mut self, account: &Name) -> Result<Reply, Denied> {
        self.registered_phone(account)?;
        self.plant.sip.resync(self.plant.now, account);
        Ok(Reply::Done)
    }

    fn registered_phone(&self, account: &Name) -> Result<(), Denied> {
        match self.plant.sip.contacts(account) {
            _ if !self.plant.accounts().any(|known| known == account) => Err(Denied::UnknownAccount(account.clone())),
            0 => Err(Denied::NoPhone(account.clone())),
            _ => Ok(()),
        }
    }

    fn agent_command(&mut self, agent: &Name, command: Command) -> Result<Reply, Denied> {
        self.plant.acd(command).map(|()| Reply::Done).map_err(|denied| match denied {
            AcdDenied::WrongState { state, .. } => Denied::WrongState { agent: agent.clone(), state },
            _ => Denied::UnknownAgent(agent.clone()),
        })
    }

    fn known(&self, agent: &Name) -> Result<AgentId, Denied> {
        self.plant.directory.agent_id(agent).ok_or_else(|| Denied::UnknownAgent(agent.clone()))
    }

    fn state(&self, id: AgentId) -> AgentState {
        self.plant.acd.agent(id).map_or(AgentState::SignedOut, |view| view.state)
    }

    fn agent_rows(&self) -> Vec<AgentRow> {
        let plant = &self.plant;
        let row = |(id, setup): (AgentId, &crate::AgentSetup)| {
            let view = plant.acd.agent(id)?;
            Some(AgentRow {
                agent: setup.number.clone(),
                name: setup.name.clone(),
                team: setup.team.clone(),
                site: setup.site.clone(),
                state: self.state_of(&view),
                since: view.since,
                reason: view.reason,
                call: view.call,
                contacts: plant.contacts(&setup.number) as u32,
                silent: plant.silent_contacts(&setup.number) as u32,
                phone: setup.bot.as_ref().or_else(|| plant.place_of(&setup.number)).cloned(),
                skills: setup.skills_at(plant.now),
                messages: plant.mailboxes.unheard(&Mailbox::Agent(setup.number.clone())),
            })
        };
        plant.directory.agents().filter_map(row).collect()
    }

    /// As the ACD sees it, and whether a call in hand is on hold.
    pub(crate) fn state_of(&self, view: &AgentView) -> AgentState {
        let call = view.call.and_then(|call| self.calls.get(&call));
        match call.map(|call| (call, call.phase())) {
            Some((call, Phase::Talking(talking))) if talking.is_held_by(call, view.agent) => AgentState::Hold,
            _ => view.state,
        }
    }

    fn queue_rows(&self) -> Vec<QueueRow> {
        let plant = &self.plant;
        let waiting = self.waiting_by_tier();
        let row = |(id, setup): (QueueId, &crate::QueueSetup)| {
            let view = plant.acd.queue(id)?;
            let tiers = plant.tiers.names().map(Some).chain([None]);
            let count = |tier: Option<&Name>| waiting.get(&(id, tier.cloned())).copied().unwrap_or(0);
            Some(QueueRow {
                tiers: tiers.map(|tier| (tier.cloned().unwrap_or_else(|| "default".into()), count(tier))).collect(),
                queue: setup.name.clone(),
                open: plant.is_open(id),
                waiting: view.waiting,
                ringing: view.ringing,
                callbacks: plant.callbacks.waiting(id),
                messages: plant.mailboxes.unheard(&Mailbox::Queue(setup.name.clone())),
                oldest: view.oldest,
                agents_signed_in: view.agents_signed_in,
                agents_ready: view.agents_ready,
                wait_ms: plant.acd.next_wait(plant.now, id).map(millis),
            })
        };
        plant.directory.queues().filter_map(row).collect()
    }

    /// Calls waiting by queue and tier; a tier that is no longer configured is none.
    fn waiting_by_tier(&self) -> BTreeMap<(QueueId, Option<Name>), u32> {
        let mut counts = BTreeMap::new();
        for call in self.calls.values() {
            if let Some(queue) = call.in_line() {
                let tier = call.tier.clone().filter(|tier| self.plant.tiers.names().any(|name| name == tier));
                *counts.entry((queue, tier)).or_insert(0) += 1;
            }
        }
        counts
    }

    fn trunk_rows(&self) -> Vec<TrunkRow> {
        let row = |id: TrunkId, t: &crate::trunks::Trunk| TrunkRow {
            trunk: t.setup.name.clone(),
            channels_in: t.channels_in,
            channels_out: t.channels_out,
            channels: t.setup.channels,
            up: t.trouble.is_none(),
            drained: t.drained,
            trouble: t.trouble,
            peers: self.peer_rows(id),
        };
        self.plant.trunks.active().map(|(id, trunk)| row(id, trunk)).collect()
    }

    /// The peers of a trunk, and the names that led to none.
    fn peer_rows(&self, trunk: TrunkId) -> Vec<PeerRow> {
        let named = self.plant.sip.named_peers(trunk);
        let row = |state: PeerState| {
            let by = named.iter().find(|by| by.peers.iter().any(|peer| peer.is_at(&state.peer)));
            PeerRow {
                peer: format!("{}:{}", state.peer.transport, state.peer.address),
                name: by.map(|by| by.peer.to_string()),
                stale: by.is_some_and(|by| by.failing),
                up: state.standing.map(|standing| standing.is_ok()),
                trouble: state.standing.and_then(Result::err),
                registered: state.registered,
            }
        };
        let nowhere = named.iter().filter(|name| name.peers.is_empty()).map(|name| PeerRow {
            peer: name.peer.to_string(),
            name: Some(name.peer.to_string()),
            stale: false,
            up: name.failing.then_some(false),
            trouble: name.failing.then_some(Trouble::Unresolved),
            registered: false,
        });
        self.plant.sip.peers(trunk).into_iter().map(row).chain(nowhere).collect()
    }

    fn ban_rows(&self) -> Vec<BanRow> {
        let row = |ban: busyhour_sip::Ban| BanRow {
            source: net_name(ban.source),
            reason: ban.reason.as_str().into(),
            since: ban.since,
            until: ban.until,
            silenced: ban.silenced,
        };
        self.plant.sip.bans(self.plant.now).into_iter().map(row).collect()
    }

    fn place(&self, id: CallId) -> Result<Reply, Denied> {
        let call = self.calls.get(&id).ok_or(Denied::UnknownCall(id))?;
        let place = self.plant.acd.place(self.plant.now, id).ok_or(Denied::NotWaiting(id))?;
        let queue = call.place(&self.plant.directory);
        Ok(Reply::Place(PlaceRow { call: id, queue, ahead: place.ahead, wait_ms: place.wait.map(millis) }))
    }

    fn call_rows(&self) -> Vec<CallRow> {
        let places = self.plant.acd.places(self.plant.now);
        self.calls.values().map(|call| self.call_row(call, places.get(&call.id))).collect()
    }

    fn call_row(&self, call: &Call, place: Option<&Place>) -> CallRow {
        CallRow {
            call: call.id,
            stage: call.phase().stage().into(),
            arrived: call.arrived,
            from: if call.withheld { "anonymous".into() } else { call.from.masked() },
            to: call.to.national.clone(),
            at: call.place(&self.plant.directory),
            ahead: place.map(|place| place.ahead),
            data: call.shown_data().into_iter().collect(),
            wait_ms: place.and_then(|place| place.wait).map(millis),
            recording: call.rolling().map(|rolling| rolling.stands().into()),
            partner: call.phase().partner().and_then(|leg| Some(self.plant.legs.leg(leg)?.party.name().clone())),
        }
    }
}

impl Plant {
    /// Whether an agent may be rung by colleagues.
    pub(crate) fn may_be_disturbed(&self, agent: &Name) -> bool {
        let view = self.directory.agent_id(agent).and_then(|id| self.acd.agent(id));
        let dnd = |view: AgentView| view.state == AgentState::NotReady && view.reason.as_deref() == Some(DND);
        !view.is_some_and(dnd)
    }
}

/// A network as people write it: one address is just that.
pub(crate) fn net_name(net: ipnet::IpNet) -> Name {
    match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string().into(),
        false => net.to_string().into(),
    }
}

fn millis(span: Duration) -> u64 {
    span.as_millis() as u64
}

impl Call {
    /// The queue in whose line it is.
    fn in_line(&self) -> Option<QueueId> {
        match self.phase() {
            Phase::Queued(queued) => Some(queued.queue),
            Phase::Promised(Promised { again: None }) => self.callback.as_ref().map(|callback| callback.queue),
            _ => None,
        }
    }

    /// The queue it waits in, else the node it is at.
    fn place(&self, directory: &Directory) -> Name {
        let promised = self.callback.as_ref().map(|callback| callback.queue);
        match self.phase().queue().or(promised) {
            Some(queue) => directory.queue_name(queue).clone(),
            None => self.session.node().clone(),
        }
    }
}
