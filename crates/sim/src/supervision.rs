//! What supervisors do with calls that talk, and the law of those with more than two parties.

use crate::scenario::{Deed, STORM, Scenario};
use crate::town;
use crate::world::World;
use busyhour_model::{CallId, Name, Seed, Voice};
use busyhour_switch::{CallRow, Destination, PartyRow, Reply, Request};
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What a supervisor may do with a call that talks.
#[derive(Clone, Debug)]
pub enum Supervision {
    /// Hear it, and be heard so.
    Hear(Voice),
    /// Its recording is paused, or goes on.
    Pause,
    /// Whoever hears it takes it from its agent.
    TakeOver,
    /// Somebody is to talk in it too.
    Add(Destination),
    /// Whom its agent talks to in another call is.
    Merge,
    /// Whoever came last is hung up on.
    Drop,
}

impl Scenario {
    /// A supervisor joins in and takes over, or somebody is asked to talk too, until that one is sent away again.
    pub(crate) fn join_in(&mut self, random: &mut Seed) {
        let supervisor = random.choose(&self.setup.agents).expect("a scenario has agents").number.clone();
        let whom = [
            Destination::Agent("1001".into()),
            Destination::Agent("1002".into()),
            Destination::Agent("1003".into()),
            Destination::Number("13912345678".into()),
            Destination::Number(town::NUMBER.into()),
        ];
        let [first, then] = match random.per_mille(400) {
            true => [Supervision::Hear(Voice::Barge), Supervision::TakeOver],
            false => [Supervision::Add(random.choose(&whom).expect("five").clone()), Supervision::Drop],
        };
        let at = random.between(10 * SECOND, STORM);
        self.deeds.push((at, Deed::Supervise { supervisor: supervisor.clone(), how: first }));
        if random.per_mille(600) {
            let later = at + random.between(SECOND, 8 * SECOND);
            self.deeds.push((later, Deed::Supervise { supervisor, how: then }));
        }
    }
}

impl World {
    /// With the first call that talks, if one does. Any answer is right.
    pub(crate) fn supervise(&mut self, supervisor: Name, how: Supervision) {
        let Ok(Reply::Calls(rows)) = self.switch.handle_request(self.now, Request::Calls) else { return };
        let mut talking = rows.into_iter().filter(|row| &*row.stage == "talking");
        let Some(CallRow { call, recording, .. }) = talking.next() else { return };
        let fork = self.talks.attached();
        if self.switch.handle_request(self.now, Request::Attach { call, fork, by: "somebody".into() }).is_err() {
            self.talks.refused(fork);
        }
        self.drain_switch();
        let asked = match how {
            Supervision::Hear(voice) => Request::Monitor { call, supervisor, voice },
            Supervision::Pause => {
                Request::PauseRecording { call, on: recording.as_deref() != Some("paused"), by: supervisor }
            }
            Supervision::Add(who) => Request::AddParty { call, who },
            Supervision::Merge => match talking.next() {
                Some(other) => Request::AddParty { call, who: Destination::Call(other.call) },
                None => return,
            },
            Supervision::Drop => match self.parties(call).into_iter().rfind(|party| &*party.role != "supervisor") {
                Some(party) => Request::DropParty { call, leg: party.leg },
                None => return,
            },
            Supervision::TakeOver => match self.parties(call).into_iter().find(|party| &*party.role == "supervisor") {
                Some(party) => Request::TakeOver { call, supervisor: party.party.name().clone() },
                None => return,
            },
        };
        let _ = self.switch.handle_request(self.now, asked);
        self.drain_switch();
    }

    fn parties(&mut self, call: CallId) -> Vec<PartyRow> {
        match self.switch.handle_request(self.now, Request::Parties { call }) {
            Ok(Reply::Parties(parties)) => parties,
            _ => Vec::new(),
        }
    }

    /// S19: in a call of three and more each hears all others, and not itself.
    pub(crate) fn check_conferences(&self) {
        for legs in self.switch.conferences() {
            for leg in &legs {
                let others: BTreeSet<_> = legs.iter().copied().filter(|other| other != leg).collect();
                let heard: BTreeSet<_> = self.worker.hears(*leg).collect();
                assert!(others.is_subset(&heard) && !heard.contains(leg), "{leg} of {legs:?} hears {heard:?}");
            }
        }
    }
}
