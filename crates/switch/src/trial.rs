//! Trials: an operator has a number called by one trunk, and reads what becomes of it.

use crate::call::Call;
use crate::desk;
use crate::event::Event;
use crate::plant::Plant;
use crate::request::{Denied, Reply};
use crate::switch::Switch;
use busyhour_ivr::{Caller, Session};
use busyhour_model::{
    Audio, CallId, Cause, Codec, LegId, Name, Number, NumberKind, Party, Release, StreamStats, Time, What,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Trials going on or over that are remembered.
const TRIALS_MAX: usize = 16;
/// Steps kept of one; a far end that goes on telling of its progress is not heard any more.
const STEPS_MAX: usize = 32;

/// A trial, as far as it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its call.
    pub call: CallId,
    /// The trunk tried.
    pub trunk: Name,
    /// Since when.
    pub began: Time,
    /// In order.
    pub steps: Vec<Step>,
    /// Nothing more will come; why the call ended.
    pub over: Option<Cause>,
}

/// One thing that happened in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Milliseconds after the beginning.
    pub after_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What can happen in a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Happened {
    /// We do not call: `barred`, `drained`, `channels_out_full`, `rate`, `unreachable`, ….
    NotCalled {
        /// Which of those.
        reason: Name,
    },
    /// The INVITE goes there.
    Called {
        /// `udp:203.0.113.5:5060`.
        peer: String,
    },
    /// A provisional response.
    Progress {
        /// 180, 183, ….
        status: u16,
        /// It brought sound.
        sound: bool,
    },
    /// 200.
    Answered {
        /// What is spoken from now on.
        codec: Codec,
        /// Keys as telephone-events, by this payload type.
        telephone_event: Option<u8>,
        /// Milliseconds of sound per packet that we send.
        ptime_ms: u8,
        /// Where our sound goes.
        sound: SocketAddr,
    },
    /// Its leg is over.
    Ended {
        /// Final status; 200 when it was answered.
        status: u16,
        /// Who ended it, and why.
        release: Option<Release>,
        /// What was heard and sent.
        stats: StreamStats,
    },
}

impl Trial {
    /// It was answered, and sound was sent or heard.
    pub fn is_good(&self) -> bool {
        let answered = self.steps.iter().any(|step| matches!(step.what, Happened::Answered { .. }));
        let carried = |step: &Step| match step.what {
            Happened::Ended { stats, .. } => stats.packets_in + stats.packets_out > 0,
            _ => false,
        };
        answered && self.steps.iter().any(carried)
    }

    fn say(&mut self, now: Time, what: Happened) {
        if self.steps.len() < STEPS_MAX || matches!(what, Happened::Answered { .. } | Happened::Ended { .. }) {
            self.steps.push(Step { after_ms: now.since(self.began).as_millis() as u64, what });
        }
    }
}

/// The last of them, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trials(VecDeque<Trial>);

impl Trials {
    pub(crate) fn get(&self, call: CallId) -> Option<&Trial> {
        self.0.iter().find(|trial| trial.call == call)
    }

    /// The oldest that is over makes room; false: all go on.
    fn begin(&mut self, trial: Trial) -> bool {
        if self.0.len() >= TRIALS_MAX {
            let Some(oldest) = self.0.iter().position(|trial| trial.over.is_some()) else { return false };
            self.0.remove(oldest);
        }
        self.0.push_back(trial);
        true
    }

    fn say(&mut self, now: Time, call: CallId, what: Happened) {
        if let Some(trial) = self.0.iter_mut().find(|trial| trial.call == call) {
            trial.say(now, what);
        }
    }

    /// What is a fact of every call.
    pub(crate) fn note(&mut self, now: Time, what: &What) {
        match what {
            // Behind an INVITE it says only that no other trunk stands for this one.
            What::DialRefused { call, reason, .. } if self.get(*call).is_some_and(|trial| trial.steps.is_empty()) => {
                self.say(now, *call, Happened::NotCalled { reason: reason.clone() });
            }
            What::LegEnded { call, status, release, stats, .. } => {
                self.say(now, *call, Happened::Ended { status: *status, release: *release, stats: *stats });
            }
            What::Ended { call, cause } => {
                self.0.iter_mut().filter(|trial| trial.call == *call).for_each(|trial| trial.over = Some(*cause));
            }
            _ => {}
        }
    }
}

impl Plant {
    /// Notes where a trial's INVITE went, when that is news.
    pub(crate) fn trial_called(&mut self, call: CallId, leg: LegId) {
        let Some(flow) = self.sip.met_at(leg) else { return };
        let peer = format!("{}:{}", flow.transport, flow.remote);
        let told = |step: &Step| if let Happened::Called { peer } = &step.what { Some(peer.clone()) } else { None };
        if self.trials.get(call).and_then(|trial| trial.steps.iter().rev().find_map(told)).as_ref() != Some(&peer) {
            self.trials.say(self.now, call, Happened::Called { peer });
        }
    }

    pub(crate) fn trial_progress(&mut self, call: CallId, status: u16, sound: bool) {
        self.trials.say(self.now, call, Happened::Progress { status, sound });
    }

    pub(crate) fn trial_answered(&mut self, call: CallId, audio: &Audio) {
        let Audio { codec, telephone_event, ptime_ms, remote: sound, .. } = *audio;
        self.trials.say(self.now, call, Happened::Answered { codec, telephone_event, ptime_ms, sound });
    }
}

impl Switch {
    /// Begins to call a number by this trunk and no other.
    pub(crate) fn try_trunk(&mut self, trunk: &Name, number: &str, by: Name) -> Result<Reply, Denied> {
        let plant = &mut self.plant;
        let known = plant.trunks.active().find(|(_, known)| known.setup.name == *trunk);
        let user = known.map(|(_, known)| known.setup.user.clone()).ok_or(Denied::UnknownTrunk(trunk.clone()))?;
        let to = Number::parse(number);
        if to.kind == NumberKind::Anonymous {
            return Err(Denied::NoNumber(number.to_owned()));
        }
        let full = self.calls.len() - plant.callbacks.len() >= plant.setup.calls_max;
        let (call, began) = (CallId(self.next_call), plant.now);
        let trial = Trial { call, trunk: trunk.clone(), began, steps: Vec::new(), over: None };
        if full || !plant.trials.begin(trial) {
            return Err(Denied::TooMany);
        }
        self.next_call += 1;
        let plan = plant.plans.enter(desk::OUTSIDE).expect("the desk's own dialplans are always configured");
        let from = Number::parse(plant.trunks.own_number(trunk).or(user.as_deref()).unwrap_or("anonymous"));
        let origin = Party::Trunk(trunk.clone());
        let caller = Caller { from: from.clone(), to: to.clone(), origin: trunk.clone(), tier: None };
        let session = Session::new(began, plant.plans.plan(plan), caller);
        plant.fact(What::Arrived {
            call,
            leg: None,
            callback_of: None,
            origin: origin.clone(),
            from: from.clone(),
            to: to.clone(),
            sip_call_id: "".into(),
        });
        plant.fact(What::TrialBegan { call, trunk: trunk.clone(), by });
        self.calls.insert(call, Call::tried(call, began, origin, from, to, plan, session));
        self.tell(call, Event::Begin);
        self.trial(call)
    }

    /// What has become of a trial.
    pub(crate) fn trial(&self, call: CallId) -> Result<Reply, Denied> {
        let trial = self.plant.trials.get(call).ok_or(Denied::UnknownCall(call))?;
        Ok(Reply::Trial(Box::new(trial.clone())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn trial(call: u64) -> Trial {
        Trial { call: CallId(call), trunk: "ct".into(), began: Time::ZERO, steps: Vec::new(), over: None }
    }

    #[test]
    fn the_oldest_that_is_over_makes_room() {
        let mut trials = Trials::default();
        assert!((0..TRIALS_MAX as u64).all(|call| trials.begin(trial(call))));
        assert!(!trials.begin(trial(99)), "all go on");
        trials.note(Time::ZERO, &What::Ended { call: CallId(3), cause: Cause::IvrHungUp });
        assert!(trials.begin(trial(99)));
        assert_eq!((trials.get(CallId(3)), trials.0.len()), (None, TRIALS_MAX));
    }

    #[test]
    fn a_far_end_that_goes_on_for_ever_is_not_heard_but_its_end_is() {
        let mut trials = Trials::default();
        trials.begin(trial(1));
        for _ in 0..100 {
            trials.say(Time::ZERO, CallId(1), Happened::Progress { status: 183, sound: false });
        }
        let ended = Happened::Ended { status: 486, release: None, stats: StreamStats::default() };
        trials.say(Time::from_secs(2), CallId(1), ended.clone());
        let steps = &trials.get(CallId(1)).unwrap().steps;
        assert_eq!((steps.len(), steps.last()), (STEPS_MAX + 1, Some(&Step { after_ms: 2_000, what: ended })));
    }
}
