//! Where a waiting call stands, and how long it will wait.

use crate::acd::Acd;
use crate::call::Call;
use crate::command::Place;
use crate::group::Group;
use crate::slab::Slot;
use busyhour_model::{CallId, Time};
use std::collections::BTreeSet;
use std::time::Duration;

impl Acd {
    /// Calls that would be served before this one as things are, and the further wait that follows from it: one
    /// handling after the other, shared by the agents who are at work and may take this call.
    ///
    /// `None` for calls that do not wait. The wait is `None` until a call of the queue was handled, when nobody is at
    /// work and for calls that want one agent in person.
    pub fn place(&self, now: Time, call: CallId) -> Option<Place> {
        let now = now.max(self.now);
        let call = &self.calls.slab[self.calls.find(call)?];
        if call.ringing().is_some() {
            return None;
        }
        if let Some(agent) = call.direct {
            let line = self.agent_ref(agent).personal.iter(&self.calls.slab);
            let ahead = line.take_while(|(_, other)| other.seq != call.seq).count() as u32;
            return Some(Place { ahead, wait: None });
        }
        let ahead = self.rivals(call).into_iter().map(|class| self.ahead_in(class, call, now)).sum();
        Some(Place { ahead, wait: self.wait(call, ahead, now) })
    }

    /// Classes that share somebody signed in with the class of this call, and that class itself.
    fn rivals(&self, call: &Call) -> BTreeSet<Slot> {
        let groups = self.classes[call.class].edges.iter().map(|edge| &self.groups[edge.group]);
        let shared = groups.filter(|group| group.signed_in > 0).flat_map(Group::classes);
        shared.chain([call.class]).collect()
    }

    /// Calls of that class which beat this call now.
    fn ahead_in(&self, class: Slot, call: &Call, now: Time) -> u32 {
        let key = |call: &Call| (-self.score(call, now), call.since, call.seq);
        let own = key(call);
        self.lanes[class as usize].line.iter(&self.calls.slab).take_while(|(_, other)| key(other) < own).count() as u32
    }

    /// The prediction says that this call, not yet in line, would wait longer than its queue wants.
    pub(crate) fn would_wait_too_long(&self, call: &Call) -> bool {
        let policy = &self.queue_ref(self.lanes[call.class as usize].queue).spec.policy;
        let Some(most) = policy.wait_predicted_max.filter(|_| call.direct.is_none()) else { return false };
        let ahead = self.rivals(call).into_iter().map(|class| self.ahead_in(class, call, self.now)).sum();
        self.wait(call, ahead, self.now).is_some_and(|wait| wait > most)
    }

    fn wait(&self, call: &Call, ahead: u32, now: Time) -> Option<Duration> {
        let class = &self.classes[call.class];
        let seconds = self.queue_ref(self.lanes[call.class as usize].queue).handling.seconds()?;
        let age = now.since(call.since).as_micros() as u64;
        let fitting = class.edges.iter().filter(|edge| edge.min_age <= age).map(|edge| &self.groups[edge.group]);
        let at_work: u32 = fitting.map(|group| group.signed_in - group.not_ready).sum();
        let turns = f64::from(ahead + 1) / f64::from(at_work);
        (at_work > 0).then(|| Duration::from_secs_f64((seconds * turns).min(WAIT_MAX_S)))
    }
}

/// Nobody is told of a longer wait than a day.
const WAIT_MAX_S: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use crate::{Acd, AgentChoice, AgentSpec, Command, Enqueue, Place, Policy, QueueSpec};
    use busyhour_model::{AgentId, CallId, QueueId, SkillId, Time};
    use std::time::Duration;

    fn queue(id: u32, priority: i32) -> Command {
        Command::SetQueue(Box::new(QueueSpec {
            id: QueueId(id),
            required: vec![(SkillId(1), 1)],
            relax: Vec::new(),
            priority,
            goal: Duration::from_secs(20),
            choice: AgentChoice::LongestIdle,
            wait_max: None,
            waiting_max: None,
            overflow_no_agents: false,
            wrap_up: Duration::from_secs(10),
            policy: Policy::default(),
        }))
    }

    fn enqueue(call: u64, queue: u32, since: u64) -> Command {
        let (call, queue, since) = (CallId(call), QueueId(queue), Time::from_secs(since));
        Command::Enqueue(Enqueue { call, queue, required: Vec::new(), priority: 0, since, agent: None, prefer: None })
    }

    #[test]
    fn the_caller_is_told_how_many_are_ahead_and_how_long_that_takes() {
        let mut acd = Acd::new(1);
        let mut out = Vec::new();
        let mut apply =
            |acd: &mut Acd, secs, command| acd.apply(Time::from_secs(secs), command, &mut out).expect("allowed");
        apply(&mut acd, 0, queue(1, 0));
        apply(&mut acd, 0, queue(2, 1000));
        for id in 0..2 {
            let agent = AgentId(id);
            apply(&mut acd, 0, Command::SetAgent(AgentSpec::new(agent, vec![(SkillId(1), 1)])));
            apply(&mut acd, 0, Command::SignIn { agent, not_ready: None });
            apply(&mut acd, 0, enqueue(u64::from(id), 1, 0));
            apply(&mut acd, 0, Command::Accepted { call: CallId(u64::from(id)), agent });
        }
        apply(&mut acd, 1, enqueue(10, 1, 1));
        assert_eq!(acd.place(Time::from_secs(1), CallId(10)), Some(Place { ahead: 0, wait: None }), "nothing known");
        apply(&mut acd, 90, Command::Released { agent: AgentId(0) });
        apply(&mut acd, 101, enqueue(11, 1, 101));
        apply(&mut acd, 102, enqueue(12, 1, 102));
        apply(&mut acd, 103, enqueue(20, 2, 103));
        let place = |call| acd.place(Time::from_secs(103), CallId(call));
        assert_eq!(place(10), None, "being offered");
        assert_eq!(place(20), Some(Place { ahead: 0, wait: None }), "no call of that queue was handled yet");
        // 100 s per call, two agents: a call every 50 s.
        assert_eq!(place(11), Some(Place { ahead: 1, wait: Some(Duration::from_secs(100)) }));
        assert_eq!(place(12), Some(Place { ahead: 2, wait: Some(Duration::from_secs(150)) }));
        apply(&mut acd, 104, Command::NotReady { agent: AgentId(0), reason: "lunch".into() });
        assert_eq!(acd.place(Time::from_secs(104), CallId(99)), None, "unknown");
    }
}
