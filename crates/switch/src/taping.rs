//! What a call records: tapes under way, those filed, and those thrown away again.

use crate::call::Call;
use crate::phase::Phase;
use crate::plant::Plant;
use busyhour_ivr::Input;
use busyhour_media::{self as media, Filed, Limits, Track};
use busyhour_model::{Name, TapeId, What};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Recordings of one call, those thrown away among them; further ones fail.
const TAPES_MAX: usize = 100;

/// One recording of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taping {
    tape: TapeId,
    /// What for.
    name: Name,
    /// A shorter one is thrown away when the caller hangs up.
    shortest: Duration,
    /// How long it is without the silence at its end, once it has ended.
    voice: Option<Duration>,
    /// Its file is complete, or there is none.
    filed: bool,
    discarded: bool,
}

/// What `Step::Record` asks for.
pub(crate) struct Wanted {
    pub(crate) name: Name,
    pub(crate) shortest: Duration,
    pub(crate) limits: Limits,
}

impl Call {
    /// Begins to record the caller.
    pub(crate) fn record(&mut self, plant: &mut Plant, phase: Phase, wanted: Wanted) -> Phase {
        if self.tapes.len() >= TAPES_MAX {
            return self.run_program(plant, phase, Input::Recorded { tape: None, voice: Duration::ZERO });
        }
        let Wanted { name, shortest, limits } = wanted;
        let tape = plant.tape(self.id);
        plant.fact(What::RecordingBegan { call: self.id, tape, name: name.clone() });
        let (leg, since) = (self.caller, plant.now);
        plant.media.push_back(media::Command::Record { leg, tape, track: Track::Mono, since, limits });
        self.tapes.push(Taping { tape, name, shortest, voice: None, filed: false, discarded: false });
        phase
    }

    pub(crate) fn tape_ended(&mut self, tape: TapeId, voice: Duration) {
        if let Some(taping) = self.tapes.iter_mut().find(|taping| taping.tape == tape) {
            taping.voice = Some(voice);
        }
    }

    /// A recording's file is complete: the dialplan goes on, unless the caller has hung up.
    pub(crate) fn filed(&mut self, plant: &mut Plant, phase: Phase, tape: TapeId, file: Option<Filed>) -> Phase {
        plant.tapes.remove(&tape);
        let id = self.id;
        let Some(taping) = self.tapes.iter_mut().find(|taping| taping.tape == tape && !taping.filed) else {
            return phase;
        };
        taping.filed = true;
        let (voice, found) = (taping.voice.unwrap_or_default(), file.is_some());
        if let Some(Filed { file, ms, gap_ms, sha256 }) = file {
            let name = taping.name.clone();
            plant.fact(What::Recorded { call: id, tape, name, file, ms, gap_ms, sha256 });
        }
        let too_short = voice < taping.shortest;
        if phase.runs_program() {
            return self.run_program(plant, phase, Input::Recorded { tape: found.then_some(tape), voice });
        }
        if too_short && found {
            self.discard(plant, tape);
        }
        phase
    }

    /// Throws a recording away.
    pub(crate) fn discard(&mut self, plant: &mut Plant, tape: TapeId) {
        let taping = self.tapes.iter_mut().find(|taping| taping.tape == tape && taping.filed && !taping.discarded);
        if let Some(taping) = taping {
            taping.discarded = true;
            plant.fact(What::Discarded { call: self.id, tape });
        }
    }

    /// Recordings whose files are still being written.
    pub(crate) fn unfiled(&self) -> impl Iterator<Item = TapeId> + '_ {
        self.tapes.iter().filter(|taping| !taping.filed).map(|taping| taping.tape)
    }

    /// Waits no longer for files.
    pub(crate) fn give_up_tapes(&mut self, plant: &mut Plant) {
        for taping in self.tapes.iter_mut().filter(|taping| !taping.filed) {
            taping.filed = true;
            plant.tapes.remove(&taping.tape);
        }
    }
}
