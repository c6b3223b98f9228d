//! A call is a chain of phases; each owns only what is valid in it, consumes itself and returns the next.

mod briefing;
mod calling;
mod ended;
mod in_ivr;
mod parked;
mod passing;
mod promised;
mod queued;
mod ringing;
mod talking;
mod trying;

pub(crate) use briefing::Briefing;
pub(crate) use calling::Calling;
pub(crate) use ended::Ended;
pub(crate) use in_ivr::InIvr;
pub(crate) use parked::Parked;
pub(crate) use passing::{Back, Passing, RING_OUTSIDE};
pub(crate) use promised::Promised;
pub(crate) use queued::Queued;
pub(crate) use ringing::{Ringing, Rung};
pub(crate) use talking::{Partner, Talking};
pub(crate) use trying::Trying;

use crate::call::Call;
use crate::event::Event;
use crate::plant::{CLOSE_MAX, Plant};
use busyhour_model::{AgentId, Audio, LegId, QueueId, Sound, Time};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Phase {
    InIvr(InIvr),
    Queued(Queued),
    Ringing(Ringing),
    Briefing(Briefing),
    Talking(Talking),
    Passing(Passing),
    Parked(Parked),
    Promised(Promised),
    Calling(Calling),
    Trying(Trying),
    Ended(Ended),
}

/// Why a partner is rung or talked to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// The ACD's offer.
    Offer { queue: QueueId, agent: AgentId },
    /// The dialplan's or an agent's own dialling; an agent rung so is kept from other calls.
    Dial {
        agent: Option<AgentId>,
        /// Pressed when it is answered.
        keys: Vec<Sound>,
    },
}

impl Purpose {
    /// The agent kept from other calls by it.
    pub(crate) fn agent(&self) -> Option<AgentId> {
        match self {
            Purpose::Offer { agent, .. } => Some(*agent),
            Purpose::Dial { agent, .. } => *agent,
        }
    }

    /// The queue that gave the partner.
    pub(crate) fn queue(&self) -> Option<QueueId> {
        match self {
            Purpose::Offer { queue, .. } => Some(*queue),
            Purpose::Dial { .. } => None,
        }
    }
}

impl Phase {
    pub(crate) fn in_ivr() -> Phase {
        Phase::InIvr(InIvr)
    }

    pub(crate) fn queued(queue: QueueId) -> Phase {
        Phase::Queued(Queued { queue })
    }

    pub(crate) fn promised() -> Phase {
        Phase::Promised(Promised { again: None })
    }

    pub(crate) fn trying(now: Time) -> Phase {
        Phase::Trying(Trying { leg: None, deadline: now })
    }

    pub(crate) fn ringing(leg: LegId, purpose: Purpose, deadline: Time) -> Phase {
        Phase::Ringing(Ringing { rung: vec![Rung::new(leg, purpose, deadline)] })
    }

    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        match self {
            Phase::InIvr(phase) => phase.handle(call, plant, &event),
            Phase::Queued(phase) => phase.handle(call, plant, event),
            Phase::Ringing(phase) => phase.handle(call, plant, event),
            Phase::Briefing(phase) => phase.handle(call, plant, &event),
            Phase::Talking(phase) => phase.handle(call, plant, event),
            Phase::Passing(phase) => phase.handle(call, plant, event),
            Phase::Parked(phase) => phase.handle(call, plant, &event),
            Phase::Promised(phase) => phase.handle(call, plant, &event),
            Phase::Calling(phase) => phase.handle(call, plant, event),
            Phase::Trying(phase) => phase.handle(call, plant, event),
            Phase::Ended(phase) => phase.handle(call, plant, &event),
        }
    }

    /// Another leg stands for one that rang: the number is called by another trunk.
    pub(crate) fn relieved(mut self, old: LegId, new: LegId) -> Phase {
        let leg = match &mut self {
            Phase::Ringing(phase) => phase.rung.iter_mut().map(|rung| &mut rung.leg).find(|leg| **leg == old),
            Phase::Calling(phase) => Some(&mut phase.customer),
            Phase::Passing(phase) => Some(&mut phase.rung.leg),
            _ => None,
        };
        leg.into_iter().filter(|leg| **leg == old).for_each(|leg| *leg = new);
        self
    }

    /// The caller is gone: give up what only this phase holds.
    pub(crate) fn abandoned(self, call: &mut Call, plant: &mut Plant) {
        match self {
            Phase::InIvr(_) => call.ivr_left(plant, "caller_hung_up"),
            Phase::Queued(phase) => phase.abandoned(call, plant),
            Phase::Ringing(phase) => phase.abandoned(call, plant),
            Phase::Briefing(phase) => phase.abandoned(call, plant),
            Phase::Talking(phase) => phase.finish(call, plant),
            Phase::Passing(phase) => phase.abandoned(plant),
            Phase::Parked(phase) => phase.abandoned(plant),
            Phase::Promised(phase) => phase.abandoned(call, plant),
            Phase::Calling(phase) => phase.abandoned(plant),
            Phase::Trying(_) | Phase::Ended(_) => {}
        }
    }

    pub(crate) fn media_changed(self, call: &Call, plant: &mut Plant, leg: LegId, audio: &Audio) -> Phase {
        match self {
            Phase::Talking(phase) => Phase::Talking(phase.media_changed(call, plant, leg, audio)),
            other => other,
        }
    }

    /// Caller and partner have changed places.
    pub(crate) fn turned(mut self, call: &mut Call) -> Phase {
        if let Phase::Talking(phase) = &mut self {
            call.turn(&mut phase.partner);
        }
        self
    }

    /// Whether the dialplan session is listening.
    pub(crate) fn runs_program(&self) -> bool {
        matches!(self, Phase::InIvr(_) | Phase::Queued(_))
    }

    pub(crate) fn is_talking(&self) -> bool {
        matches!(self, Phase::Talking(_))
    }

    /// Whether somebody else may take the call from where it rings or waits.
    pub(crate) fn may_be_picked_up(&self) -> bool {
        matches!(self, Phase::Ringing(_) | Phase::Parked(_))
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self, Phase::Ended(_))
    }

    pub(crate) fn deadline(&self, call: &Call, plant: &Plant) -> Option<Time> {
        match self {
            Phase::InIvr(_) => call.session.poll_timeout(),
            Phase::Queued(phase) => {
                call.session.poll_timeout().into_iter().chain(plant.closing_look(phase.queue)).min()
            }
            Phase::Ringing(phase) => phase.rung.iter().map(|rung| rung.deadline).min(),
            Phase::Briefing(phase) => Some(phase.deadline()),
            Phase::Talking(_) => None,
            Phase::Passing(phase) => Some(phase.rung.deadline),
            Phase::Parked(phase) => Some(phase.deadline),
            Phase::Promised(phase) => phase.deadline(call, plant),
            Phase::Calling(phase) => Some(phase.deadline),
            Phase::Trying(phase) => Some(phase.deadline),
            Phase::Ended(phase) => Some(phase.since + CLOSE_MAX),
        }
    }

    /// `ivr`, `queued`, `callback`, `ringing`, `briefing`, `talking`, `parked`, `ended`: the stage in metrics and boards.
    pub(crate) fn stage(&self) -> &'static str {
        match self {
            Phase::InIvr(_) => "ivr",
            Phase::Queued(_) => "queued",
            Phase::Ringing(_) => "ringing",
            Phase::Briefing(_) => "briefing",
            Phase::Talking(_) => "talking",
            Phase::Passing(_) => "ringing",
            Phase::Parked(_) => "parked",
            Phase::Promised(_) => "callback",
            Phase::Calling(_) | Phase::Trying(_) => "ringing",
            Phase::Ended(_) => "ended",
        }
    }

    /// Whom the caller talks to, or who is passing the caller on.
    pub(crate) fn partner_mut(&mut self) -> Option<&mut Partner> {
        match self {
            Phase::Talking(phase) => Some(&mut phase.partner),
            Phase::Passing(phase) => phase.from.as_mut(),
            _ => None,
        }
    }

    /// The partner's leg, talked to or the first of those rung.
    pub(crate) fn partner(&self) -> Option<LegId> {
        match self {
            Phase::Ringing(phase) => phase.rung.first().map(|rung| rung.leg),
            Phase::Briefing(phase) => Some(phase.leg),
            Phase::Talking(phase) => Some(phase.partner.leg),
            Phase::Passing(phase) => Some(phase.rung.leg),
            Phase::Calling(phase) => Some(phase.customer),
            Phase::Trying(phase) => phase.leg,
            _ => None,
        }
    }

    /// Why partners are rung or talked to.
    fn purposes(&self) -> impl Iterator<Item = &Purpose> {
        let (rung, talking) = match self {
            Phase::Ringing(phase) => (phase.rung.as_slice(), None),
            Phase::Talking(phase) => (&[][..], Some(&phase.partner.purpose)),
            Phase::Passing(phase) => (std::slice::from_ref(&phase.rung), phase.from.as_ref().map(|from| &from.purpose)),
            Phase::Calling(phase) => (&[][..], Some(&phase.purpose)),
            _ => (&[][..], None),
        };
        rung.iter().map(|rung| &rung.purpose).chain(talking)
    }

    /// The queue whose call this is.
    pub(crate) fn queue(&self) -> Option<QueueId> {
        match self {
            Phase::Queued(phase) => Some(phase.queue),
            Phase::Briefing(phase) => Some(phase.queue),
            _ => self.purposes().find_map(Purpose::queue),
        }
    }

    /// Partners who are agents the ACD counts as busy with this call.
    pub(crate) fn agents(&self) -> impl Iterator<Item = AgentId> {
        let briefed = if let Phase::Briefing(phase) = self { Some(phase.agent) } else { None };
        self.purposes().filter_map(Purpose::agent).chain(briefed)
    }
}
