//! Which conversations are recorded, and how: the caller's side left, the partner's right, from the moment they hear each other.

use crate::call::Call;
use crate::phase::Phase;
use crate::plant::Plant;
use crate::request::{Denied, Reply};
use crate::switch::Switch;
use busyhour_media::{self as media, Filed, Limits, Track};
use busyhour_model::{CallId, Conversation, Deed, Handled, LegId, Name, Party, QueueId, Sound, TapeId, Time, What};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How conversations are called among the recordings of a call.
pub const CONVERSATION: &str = "conversation";
/// Who pauses where a dialplan says so.
pub(crate) const DIALPLAN: &str = "dialplan";
/// The retention of whatever is given none.
pub const DEFAULT_RETENTION: &str = "default";

/// What is recorded of conversations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingSetup {
    /// Whose, where the queue says nothing.
    pub conversations: Recorded,
    /// Both hear a beep when it begins.
    pub beep: bool,
    /// For how long, by name; the first is [`DEFAULT_RETENTION`].
    pub keep: Vec<(Name, Duration)>,
}

impl Default for RecordingSetup {
    fn default() -> RecordingSetup {
        let keep = vec![(DEFAULT_RETENTION.into(), Duration::from_secs(180 * 24 * 3600))];
        RecordingSetup { conversations: Recorded::default(), beep: false, keep }
    }
}

/// Whose conversations are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// All, also between agents.
    All,
    /// Those with somebody outside.
    #[default]
    Customers,
    /// None.
    None,
}

/// A conversation's recording under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rolling {
    tape: TapeId,
    since: Time,
    /// Caller and partner.
    legs: [LegId; 2],
    /// Who is heard beside the partner, each with a number of its own.
    beside: Vec<(LegId, u8)>,
    paused: bool,
}

impl RecordingSetup {
    fn wants(&self, parties: [&Party; 2]) -> bool {
        match self.conversations {
            Recorded::All => true,
            Recorded::Customers => parties.iter().any(|party| matches!(party, Party::Trunk(_))),
            Recorded::None => false,
        }
    }
}

impl Rolling {
    /// Begins when caller and partner can hear each other, if that is wanted; `queue` brought them together.
    pub(crate) fn begin(
        call: &mut Call,
        plant: &mut Plant,
        (partner, party): (LegId, &Party),
        queue: Option<QueueId>,
    ) -> Option<Rolling> {
        // Passed on, a caller is recorded as before.
        call.recorded_as = queue.or(call.recorded_as);
        let setup = call.recorded_as.and_then(|queue| plant.directory.queue(queue));
        let asked = setup.and_then(|queue| queue.record);
        if !asked.unwrap_or_else(|| plant.setup.recording.wants([&call.origin, party])) {
            return None;
        }
        let retention = setup.and_then(|queue| queue.retention.clone()).unwrap_or_else(|| DEFAULT_RETENTION.into());
        let queue = queue.map(|queue| plant.directory.queue_name(queue).clone());
        let tape = plant.tape(call.id);
        let conversation = Conversation {
            tape,
            call: call.id,
            began: plant.now,
            from: call.shown_number().into(),
            to: call.to.national.as_str().into(),
            left: call.origin.clone(),
            right: party.clone(),
            queue,
            retention,
        };
        plant.fact(What::ConversationTaped(Box::new(conversation)));
        call.conversations.push(tape);
        let legs = [call.caller, partner];
        let since = plant.now;
        for (leg, track) in legs.into_iter().zip([Track::Left, Track::Right]) {
            plant.media.push_back(media::Command::Record { leg, tape, track, since, limits: Limits::default() });
            if plant.setup.recording.beep && call.unrecorded.is_none() && plant.is_quiet(leg) {
                plant.play(leg, vec![beep()], false);
            }
        }
        let mut rolling = Rolling { tape, since, legs, beside: Vec::new(), paused: false };
        if let Some(by) = &call.unrecorded {
            rolling.pause(plant, true, by.clone());
        }
        Some(rolling)
    }

    /// They hear each other no more.
    pub(crate) fn end(&self, plant: &mut Plant) {
        let tape = self.tape;
        self.each_open(plant, |leg| media::Command::StopRecord { leg, tape });
    }

    /// These and nobody else are heard on the right side too, from now on.
    pub(crate) fn take_in(&mut self, plant: &mut Plant, legs: &[LegId]) {
        let tape = self.tape;
        self.beside.retain(|(leg, _)| {
            let stays = legs.contains(leg);
            if !stays && plant.legs.leg(*leg).is_some_and(|leg| !leg.closing) {
                plant.media.push_back(media::Command::StopRecord { leg: *leg, tape });
            }
            stays
        });
        for &leg in legs {
            let taken = |number: &u8| self.beside.iter().any(|(_, known)| known == number);
            let free = (1..=u8::MAX).find(|number| !taken(number));
            let Some(number) = free.filter(|_| self.beside.iter().all(|(known, _)| *known != leg)) else { continue };
            let (track, since, limits) = (Track::Beside(number), self.since, Limits::default());
            plant.media.push_back(media::Command::Record { leg, tape, track, since, limits });
            if self.paused {
                plant.media.push_back(media::Command::PauseRecord { leg, tape, on: true });
            }
            self.beside.push((leg, number));
        }
    }

    /// A leg that is going down ends its side by itself.
    fn each_open(&self, plant: &mut Plant, command: impl Fn(LegId) -> media::Command) {
        for leg in self.legs.into_iter().chain(self.beside.iter().map(|(leg, _)| *leg)) {
            if plant.legs.leg(leg).is_some_and(|leg| !leg.closing) {
                plant.media.push_back(command(leg));
            }
        }
    }

    pub(crate) fn stands(&self) -> &'static str {
        if self.paused { "paused" } else { "recording" }
    }

    fn pause(&mut self, plant: &mut Plant, on: bool, by: Name) {
        let tape = self.tape;
        if std::mem::replace(&mut self.paused, on) != on {
            self.each_open(plant, |leg| media::Command::PauseRecord { leg, tape, on });
            plant.fact(What::RecordingHandled(Handled {
                tape,
                deed: if on { Deed::Paused } else { Deed::Resumed },
                by,
            }));
        }
    }
}

/// What is heard when one begins, where that is wanted.
pub(crate) fn beep() -> Sound {
    Sound::Prompt { language: "".into(), id: "system/beep".into() }
}

impl Call {
    /// The recording of the conversation that goes on, with whomever.
    pub(crate) fn rolling(&self) -> Option<&Rolling> {
        match self.phase() {
            Phase::Talking(talking) => talking.rolling.as_ref(),
            _ => self.bot.as_ref()?.rolling.as_ref(),
        }
    }

    fn rolling_mut(&mut self) -> Option<&mut Rolling> {
        if self.phase().is_talking() {
            return if let Phase::Talking(talking) = self.phase_mut() { talking.rolling.as_mut() } else { None };
        }
        self.bot.as_mut()?.rolling.as_mut()
    }

    /// A conversation's file is complete, or there is none.
    pub(crate) fn conversation_filed(&mut self, plant: &mut Plant, tape: TapeId, file: Option<Filed>) {
        self.conversations.retain(|known| *known != tape);
        let call = self.id;
        plant.fact(match file {
            Some(Filed { file, ms, gap_ms, sha256 }) => {
                What::Recorded { call, tape, name: CONVERSATION.into(), file, ms, gap_ms, sha256 }
            }
            None => What::RecordingLost { call, tape },
        });
    }
}

impl Switch {
    /// What is said is left out of the recording from now on, or put in again.
    pub(crate) fn pause_recording(&mut self, id: CallId, on: bool, by: Name) -> Result<Reply, Denied> {
        let call = self.calls.get_mut(&id).ok_or(Denied::UnknownCall(id))?;
        let rolling = call.rolling_mut().ok_or(Denied::NotRecorded(id))?;
        rolling.pause(&mut self.plant, on, by.clone());
        call.unrecorded = on.then_some(by);
        Ok(Reply::Done)
    }
}
