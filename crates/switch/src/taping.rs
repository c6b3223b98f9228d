//! What a call records: tapes under way, those filed, and those thrown away again.

use crate::call::Call;
use crate::phase::Phase;
use crate::plant::Plant;
use busyhour_ivr::{Input, Keep};
use busyhour_media::{self as media, Filed, Limits, Track};
use busyhour_model::{Mailbox, Message, Name, TapeId, What};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Recordings of one call, those thrown away among them; further ones fail.
const TAPES_MAX: usize = 100;

/// One recording of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taping {
    tape: TapeId,
    /// What for.
    keep: Keep,
    /// A shorter one is thrown away when the caller hangs up.
    shortest: Duration,
    /// How long it is without the silence at its end, once it has ended.
    voice: Option<Duration>,
    /// Its file is complete, or surely there is none.
    filed: Option<Option<Filed>>,
    /// Thrown away, or given to a mailbox.
    discarded: bool,
}

/// What `Step::Record` asks for.
pub(crate) struct Wanted {
    pub(crate) keep: Keep,
    pub(crate) shortest: Duration,
    pub(crate) limits: Limits,
}

impl Call {
    /// Begins to record the caller.
    pub(crate) fn record(&mut self, plant: &mut Plant, phase: Phase, wanted: Wanted) -> Phase {
        if self.tapes.len() >= TAPES_MAX {
            return self.run_program(plant, phase, Input::Recorded { tape: None, voice: Duration::ZERO });
        }
        let Wanted { keep, shortest, limits } = wanted;
        let tape = plant.tape(self.id);
        let message = match &keep {
            Keep::Message(mailbox) => Some(Box::new(self.message(plant, tape, mailbox))),
            Keep::Variable(_) => None,
        };
        plant.fact(What::RecordingBegan { call: self.id, tape, name: name(&keep), message });
        let (leg, since) = (self.caller, plant.now);
        plant.media.push_back(media::Command::Record { leg, tape, track: Track::Mono, since, limits });
        self.tapes.push(Taping { tape, keep, shortest, voice: None, filed: None, discarded: false });
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
        if self.conversations.contains(&tape) {
            self.conversation_filed(plant, tape, file);
            return phase;
        }
        let Some(taping) = self.tapes.iter_mut().find(|taping| taping.tape == tape && taping.filed.is_none()) else {
            return phase;
        };
        taping.filed = Some(file.clone());
        let (voice, keep) = (taping.voice.unwrap_or_default(), taping.keep.clone());
        let (found, long_enough) = (file.is_some(), voice >= taping.shortest);
        if let Some(Filed { file, ms, gap_ms, sha256 }) = file {
            plant.fact(What::Recorded { call: self.id, tape, name: name(&keep), file, ms, gap_ms, sha256 });
        }
        if let Keep::Message(mailbox) = &keep
            && long_enough
        {
            self.deposit(plant, mailbox, tape);
        }
        if phase.runs_program() {
            return self.run_program(plant, phase, Input::Recorded { tape: found.then_some(tape), voice });
        }
        if !long_enough {
            self.discard(plant, tape);
        }
        phase
    }

    /// Puts a recording into a mailbox: it is the mailbox's from now on.
    pub(crate) fn deposit(&mut self, plant: &mut Plant, mailbox: &Mailbox, tape: TapeId) {
        let taping = self.tapes.iter_mut().find(|taping| taping.tape == tape && !taping.discarded);
        let Some((taping, Filed { file, ms, .. })) = taping.and_then(|taping| {
            let filed = taping.filed.clone()??;
            Some((taping, filed))
        }) else {
            return;
        };
        taping.discarded = true;
        let message = Message { file, ms, ..self.message(plant, tape, mailbox) };
        plant.mailboxes.put(message.clone());
        plant.fact(What::MessageLeft { message: Box::new(message) });
    }

    /// Throws a recording away.
    pub(crate) fn discard(&mut self, plant: &mut Plant, tape: TapeId) {
        let taping = self
            .tapes
            .iter_mut()
            .find(|taping| taping.tape == tape && matches!(taping.filed, Some(Some(_))) && !taping.discarded);
        if let Some(taping) = taping {
            taping.discarded = true;
            plant.fact(What::Discarded { call: self.id, tape });
        }
    }

    /// Recordings whose files are still being written.
    pub(crate) fn unfiled(&self) -> impl Iterator<Item = TapeId> + '_ {
        let asked = self.tapes.iter().filter(|taping| taping.filed.is_none()).map(|taping| taping.tape);
        asked.chain(self.conversations.iter().copied())
    }

    /// Waits no longer for files.
    pub(crate) fn give_up_tapes(&mut self, plant: &mut Plant) {
        for taping in self.tapes.iter_mut().filter(|taping| taping.filed.is_none()) {
            taping.filed = Some(None);
            plant.tapes.remove(&taping.tape);
        }
        for tape in self.conversations.clone() {
            plant.tapes.remove(&tape);
            self.conversation_filed(plant, tape, None);
        }
    }
}

fn name(keep: &Keep) -> Name {
    match keep {
        Keep::Variable(name) => name.clone(),
        Keep::Message(_) => "voicemail".into(),
    }
}
