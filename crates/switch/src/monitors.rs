//! Supervisors in a call: who only listens, whom the agent hears, whom all hear.

use crate::call::Call;
use crate::event::{Event, Gone};
use crate::phase::{Partner, Phase, Purpose, Talking};
use crate::plant::{Plant, Ring};
use crate::program::hold_for;
use crate::request::{Denied, Reply};
use crate::switch::Switch;
use busyhour_acd::Command;
use busyhour_media as media;
use busyhour_model::{AgentId, CallId, LegId, Monitoring, Name, Party, Time, Voice, What};
use busyhour_sip::Identity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Supervisors in one call.
const MONITORS_MAX: usize = 4;
/// Keys by which a supervisor changes how it is heard.
const KEYS: [(char, Voice); 3] = [('4', Voice::Listen), ('5', Voice::Whisper), ('6', Voice::Barge)];

/// The key by which a supervisor takes the call from its agent.
const TAKE_OVER: char = '7';

/// One supervisor in a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Monitor {
    pub(crate) leg: LegId,
    supervisor: Name,
    voice: Voice,
    answered: bool,
    /// It rings until then.
    rings: Time,
    /// Kept from the ACD's calls.
    pub(crate) held: Option<AgentId>,
}

/// All supervisors of a call, and what was told of whom each leg hears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Monitors {
    list: Vec<Monitor>,
    told: BTreeMap<LegId, Vec<LegId>>,
}

impl Monitors {
    /// Supervisors kept from the ACD's calls.
    pub(crate) fn held(&self) -> impl Iterator<Item = AgentId> + '_ {
        self.list.iter().filter_map(|monitor| monitor.held)
    }

    pub(crate) fn legs(&self) -> impl Iterator<Item = LegId> + '_ {
        self.list.iter().map(|monitor| monitor.leg)
    }

    /// When one has rung long enough.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.list.iter().filter(|monitor| !monitor.answered).map(|monitor| monitor.rings).min()
    }

    /// Those whom all hear.
    fn joined(&self) -> impl Iterator<Item = LegId> + '_ {
        self.list.iter().filter(|monitor| monitor.answered && monitor.voice == Voice::Barge).map(|monitor| monitor.leg)
    }

    /// Whom each leg of a call hears in a mix: two who talk hear each other without one.
    fn mixes(&self, talking: &[LegId], agent: Option<LegId>) -> BTreeMap<LegId, Vec<LegId>> {
        let answered = || self.list.iter().filter(|monitor| monitor.answered);
        let heard_by = |leg: LegId| {
            let heard = move |monitor: &&Monitor| match monitor.voice {
                Voice::Listen => false,
                Voice::Whisper => Some(leg) == agent,
                Voice::Barge => true,
            };
            answered().filter(move |monitor| monitor.leg != leg).filter(heard).map(|monitor| monitor.leg)
        };
        let mut mixes = BTreeMap::new();
        for monitor in answered() {
            mixes.insert(monitor.leg, talking.iter().copied().chain(heard_by(monitor.leg)).collect());
        }
        for leg in talking {
            let supervisors: Vec<LegId> = heard_by(*leg).collect();
            if !supervisors.is_empty() || talking.len() > 2 {
                let others = talking.iter().copied().filter(|other| other != leg);
                mixes.insert(*leg, others.chain(supervisors).collect());
            }
        }
        mixes
    }

    fn at(&mut self, leg: LegId) -> Option<&mut Monitor> {
        self.list.iter_mut().find(|monitor| monitor.leg == leg)
    }
}

impl Call {
    /// An event that is a supervisor's alone; the others go on to the phase.
    pub(crate) fn monitored(&mut self, plant: &mut Plant, event: Event) -> Option<Event> {
        if matches!(event, Event::Timeout) {
            self.give_up_ringing(plant);
        }
        let Some(leg) = event.leg() else { return Some(event) };
        let id = self.id;
        let Some(monitor) = self.monitors.at(leg) else { return Some(event) };
        match event {
            Event::LegAnswered { audio, .. } => {
                monitor.answered = true;
                let (by, voice) = (monitor.supervisor.clone(), monitor.voice);
                plant.answered(leg);
                plant.fact(What::LegAnswered { call: id, leg });
                plant.connect(leg, audio);
                plant.fact(What::Monitored(Monitoring { call: id, by, voice: Some(voice) }));
            }
            Event::MediaChanged { audio, .. } => plant.connect(leg, audio),
            Event::Digit { digit: TAKE_OVER, .. } => return Some(Event::TakenOver { leg }),
            Event::Digit { digit, .. } => {
                if let Some((_, voice)) = KEYS.iter().find(|(key, _)| *key == digit) {
                    self.speaks(plant, leg, *voice);
                }
            }
            Event::Gone { how, .. } | Event::Moved { how, .. } => self.unmonitored(plant, leg, how),
            _ => {}
        }
        None
    }

    /// How a supervisor is heard from now on.
    fn speaks(&mut self, plant: &mut Plant, leg: LegId, voice: Voice) {
        let id = self.id;
        let Some(monitor) = self.monitors.at(leg) else { return };
        if std::mem::replace(&mut monitor.voice, voice) != voice && monitor.answered {
            let by = monitor.supervisor.clone();
            plant.fact(What::Monitored(Monitoring { call: id, by, voice: Some(voice) }));
        }
    }

    /// Who has not answered in time is not waited for.
    fn give_up_ringing(&mut self, plant: &mut Plant) {
        let now = plant.now;
        let late = |monitor: &Monitor| !monitor.answered && monitor.rings <= now;
        while let Some(at) = self.monitors.list.iter().position(late) {
            plant.drop_leg(self.monitors.list[at].leg, 487);
            self.dismiss(plant, at);
        }
    }

    /// A supervisor is gone.
    fn unmonitored(&mut self, plant: &mut Plant, leg: LegId, how: Gone) {
        plant.lost_leg(leg, how.status());
        let Some(at) = self.monitors.list.iter().position(|monitor| monitor.leg == leg) else { return };
        self.dismiss(plant, at);
    }

    fn dismiss(&mut self, plant: &mut Plant, at: usize) {
        let Monitor { supervisor: by, answered, held, .. } = self.monitors.list.remove(at);
        if let Some(agent) = held {
            plant.release(agent);
        }
        if answered {
            plant.fact(What::Monitored(Monitoring { call: self.id, by, voice: None }));
        }
    }

    /// The call is over for all of them; their legs go down with the others.
    pub(crate) fn dismiss_all(&mut self, plant: &mut Plant) {
        while !self.monitors.list.is_empty() {
            self.dismiss(plant, 0);
        }
        self.monitors.told.clear();
    }

    /// Tells the media plane whom each leg hears, where that has changed.
    pub(crate) fn tune(&mut self, plant: &mut Plant) {
        if self.monitors.list.is_empty() && self.monitors.told.is_empty() && self.guests.is_empty() {
            return;
        }
        let (talking, agent) = match self.phase() {
            Phase::Talking(Talking { partner, .. }) => {
                let agent = if partner.party.agent().is_some() { partner.leg } else { self.caller };
                ([self.caller, partner.leg].into_iter().chain(self.guests.talking()).collect(), Some(agent))
            }
            _ => (vec![self.caller], None),
        };
        let mixes = self.monitors.mixes(&talking, agent);
        let told = std::mem::replace(&mut self.monitors.told, mixes.clone());
        for leg in told.keys().filter(|leg| !mixes.contains_key(leg)) {
            if plant.legs.leg(*leg).is_some_and(|leg| !leg.closing) {
                plant.media.push_back(media::Command::Hear { leg: *leg, from: Vec::new() });
            }
        }
        for (leg, from) in mixes {
            if told.get(&leg) != Some(&from) {
                plant.media.push_back(media::Command::Hear { leg, from });
            }
        }
        let beside: Vec<LegId> = self.guests.talking().chain(self.monitors.joined()).collect();
        if let Phase::Talking(Talking { rolling: Some(rolling), .. }) = self.phase_mut() {
            rolling.take_in(plant, &beside);
        }
    }

    /// A supervisor who hears the call, and is to talk in it.
    pub(crate) fn promoted(&mut self, plant: &mut Plant, leg: LegId) -> Option<Partner> {
        let at = self.monitors.list.iter().position(|monitor| monitor.leg == leg && monitor.answered)?;
        let Monitor { supervisor, held, .. } = self.monitors.list.remove(at);
        plant.fact(What::Monitored(Monitoring { call: self.id, by: supervisor.clone(), voice: None }));
        let purpose = Purpose::Dial { agent: held, keys: Vec::new() };
        Some(Partner { leg, party: Party::Agent(supervisor), purpose })
    }
}

impl Switch {
    /// Rings a supervisor, who hears a call then, and is heard as `voice` says; one who is there already is heard so from now on.
    pub(crate) fn monitor(&mut self, id: CallId, supervisor: &Name, voice: Voice) -> Result<Reply, Denied> {
        let number = self.plant.directory.agent_called(supervisor).cloned();
        let number = number.ok_or_else(|| Denied::UnknownAgent(supervisor.clone()))?;
        let plant = &mut self.plant;
        let call = self.calls.get_mut(&id).filter(|call| !call.phase().is_ended()).ok_or(Denied::UnknownCall(id))?;
        if let Some(leg) = call.monitors.list.iter().find(|m| m.supervisor == number).map(|monitor| monitor.leg) {
            call.speaks(plant, leg, voice);
            call.tune(plant);
            return Ok(Reply::Done);
        }
        let takes_part = plant.legs.of_agent(&number).any(|leg| leg.call == id);
        if takes_part || !call.has_caller() || call.monitors.list.len() >= MONITORS_MAX {
            return Err(Denied::NotMonitored(id));
        }
        let target = plant.phone_for(&number, id).map_err(|_| Denied::NoPhone(number.clone()))?;
        let agent = plant.directory.agent_id(&number).ok_or_else(|| Denied::UnknownAgent(supervisor.clone()))?;
        let busy = |_| Denied::NoPhone(number.clone());
        let held = hold_for(plant, agent, id).map_err(busy)?.then_some(agent);
        let ring = Ring {
            target,
            from: call.shown_number(),
            display: None,
            identity: Identity::default(),
            headers: Vec::new(),
            max_forwards: call.max_forwards,
            channel: None,
            after: Duration::ZERO,
            replaceable: false,
        };
        match call.ring_agent(plant, number.clone(), ring, None) {
            Ok(leg) => {
                let (answered, rings) = (false, plant.now + plant.setup.ring_timeout);
                call.monitors.list.push(Monitor { leg, supervisor: number, voice, answered, rings, held });
                Ok(Reply::Done)
            }
            Err(_) => {
                held.into_iter().for_each(|agent| drop(plant.acd(Command::Released { agent })));
                Err(Denied::NoPhone(number))
            }
        }
    }

    /// A supervisor who hears a call takes it from its agent.
    pub(crate) fn hand_over(&mut self, id: CallId, supervisor: &Name) -> Result<Reply, Denied> {
        let number = self.plant.directory.agent_called(supervisor).unwrap_or(supervisor);
        let call = self.calls.get(&id).ok_or(Denied::UnknownCall(id))?;
        let listens = |monitor: &&Monitor| monitor.supervisor == *number && monitor.answered;
        let found = call.monitors.list.iter().find(listens).filter(|_| call.phase().is_talking());
        let leg = found.ok_or(Denied::NotMonitored(id))?.leg;
        self.tell(id, Event::TakenOver { leg });
        Ok(Reply::Done)
    }

    /// A supervisor leaves a call.
    pub(crate) fn unmonitor(&mut self, id: CallId, supervisor: &Name) -> Result<Reply, Denied> {
        let number = self.plant.directory.agent_called(supervisor).unwrap_or(supervisor).clone();
        let call = self.calls.get_mut(&id).ok_or(Denied::UnknownCall(id))?;
        let found = call.monitors.list.iter().position(|monitor| monitor.supervisor == number);
        let at = found.ok_or(Denied::NotMonitored(id))?;
        self.plant.drop_leg(call.monitors.list[at].leg, 200);
        call.dismiss(&mut self.plant, at);
        call.tune(&mut self.plant);
        Ok(Reply::Done)
    }
}
