//! Where a waiting call stands, and how long it will wait.

use crate::acd::{Acd, micros};
use crate::call::Call;
use crate::command::Place;
use crate::forecast::Spot;
use crate::group::Group;
use crate::slab::Slot;
use crate::traffic::ghost;
use busyhour_model::{CallId, QueueId, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Acd {
    /// Calls that would be served before this one as things are, and the further wait that follows from it: by the
    /// forecast of its class while that is fresh, else one handling after the other, shared by the agents who are at work
    /// and may take this call.
    ///
    /// `None` for calls that do not wait. The wait is `None` for calls that want one agent in person and, without a
    /// forecast, until a call of the queue was handled and when nobody is at work.
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
        let spot = self.spot(call, now);
        Some(Place { ahead: spot.ahead, wait: self.wait(call, spot, now) })
    }

    /// How long a call that came to this queue now would wait, asking for nothing special; zero when somebody is idle.
    pub fn next_wait(&self, now: Time, queue: QueueId) -> Option<Duration> {
        let class = self.known_queue(queue).ok()?.plain;
        let call = self.newcomer(class);
        if self.has_agent_for(&call) {
            return Some(Duration::ZERO);
        }
        let now = now.max(self.now);
        self.wait(&call, self.spot(&call, now), now)
    }

    /// A call of this class that would come now.
    pub(crate) fn newcomer(&self, class: Slot) -> Call {
        Call::new(ghost(class), self.now, u64::MAX, class, None)
    }

    /// Every call that waits, as [`Acd::place`] says of one: all lines are walked once, not once per call.
    pub fn places(&self, now: Time) -> BTreeMap<CallId, Place> {
        let now = now.max(self.now);
        let mut places = BTreeMap::new();
        for agent in self.agents.iter().flatten() {
            for ((_, call), ahead) in agent.personal.iter(&self.calls.slab).zip(0..) {
                places.insert(call.id, Place { ahead, wait: None });
            }
        }
        for (class, _) in self.classes.iter() {
            self.places_in(class, now, &mut places);
        }
        places
    }

    fn places_in(&self, class: Slot, now: Time, places: &mut BTreeMap<CallId, Place>) {
        let line = self.lanes[class as usize].line;
        let Some((_, head)) = line.iter(&self.calls.slab).next() else { return };
        let rivals = self.rivals(head);
        let mut lines: Vec<_> = rivals
            .iter()
            .map(|&rival| self.lanes[rival as usize].line.iter(&self.calls.slab).map(|(_, call)| call).peekable())
            .collect();
        let mut passed = vec![0; lines.len()];
        let mut known: Option<((usize, usize), Spot)> = None;
        for (_, call) in line.iter(&self.calls.slab) {
            let own = self.turn(call, now);
            for (line, passed) in lines.iter_mut().zip(&mut passed) {
                while line.next_if(|other| self.turn(other, now) < own).is_some() {
                    *passed += 1;
                }
            }
            let before = rivals.iter().zip(&passed).filter(|(_, passed)| **passed > 0).map(|(&rival, _)| rival);
            // Down the line fewer agents fit and more classes are ahead: as long as neither changes, so do the agents.
            let age = micros(now, call.since);
            let same = (self.fitting(class, age).count(), before.clone().count());
            let crew = match known {
                Some((of, crew)) if of == same => crew,
                _ => self.crew(class, age, before, now),
            };
            known = Some((same, crew));
            let spot = Spot { ahead: passed.iter().sum(), ..crew };
            places.insert(call.id, Place { ahead: spot.ahead, wait: self.wait(call, spot, now) });
        }
    }

    /// Where a call stands, in line or on its way there.
    pub(crate) fn spot(&self, call: &Call, now: Time) -> Spot {
        let ahead = self.rivals(call).into_iter().map(|rival| (rival, self.ahead_in(rival, call, now)));
        let ahead: Vec<(Slot, u32)> = ahead.filter(|rival| rival.1 > 0).collect();
        let crew = self.crew(call.class, micros(now, call.since), ahead.iter().map(|rival| rival.0), now);
        Spot { ahead: ahead.iter().map(|rival| rival.1).sum(), ..crew }
    }

    /// Agents at work who may take a call of this class at that age, and those who may take it or the head of one of the
    /// others.
    fn crew(&self, class: Slot, age: u64, others: impl Iterator<Item = Slot>, now: Time) -> Spot {
        let at_work = |&group: &Slot| self.groups[group].signed_in - self.groups[group].not_ready;
        let own: BTreeSet<Slot> = self.fitting(class, age).collect();
        let mut pool = own.clone();
        for other in others {
            pool.extend(self.fitting(other, now.as_micros().saturating_sub(self.fronts[other as usize].since)));
        }
        Spot { ahead: 0, own: own.iter().map(at_work).sum(), pool: pool.iter().map(at_work).sum() }
    }

    /// Groups that may take a call of this class at that age.
    fn fitting(&self, class: Slot, age: u64) -> impl Iterator<Item = Slot> {
        self.classes[class].edges.iter().filter(move |edge| edge.min_age <= age).map(|edge| edge.group)
    }

    /// Its turn among all: the lower the sooner.
    fn turn(&self, call: &Call, now: Time) -> (f64, Time, u64) {
        (-self.score(call, now), call.since, call.seq)
    }

    /// Classes that share somebody signed in with the class of this call, and that class itself.
    fn rivals(&self, call: &Call) -> BTreeSet<Slot> {
        let groups = self.classes[call.class].edges.iter().map(|edge| &self.groups[edge.group]);
        let shared = groups.filter(|group| group.signed_in > 0).flat_map(Group::classes);
        shared.chain([call.class]).collect()
    }

    /// Calls of that class which beat this call now: counted from both ends of the line, for they stand in order.
    fn ahead_in(&self, class: Slot, call: &Call, now: Time) -> u32 {
        let own = self.turn(call, now);
        let line = &self.lanes[class as usize].line;
        let ends = line.iter(&self.calls.slab).zip(line.iter_back(&self.calls.slab)).zip(0..);
        for (((_, first), (_, last)), passed) in ends {
            if self.turn(first, now) >= own {
                return passed;
            }
            if self.turn(last, now) < own {
                return line.len - passed;
            }
        }
        line.len
    }

    /// The prediction says that this call, not yet in line, would wait longer than its queue wants.
    pub(crate) fn would_wait_too_long(&self, call: &Call) -> bool {
        let policy = &self.queue_ref(self.lanes[call.class as usize].queue).spec.policy;
        let Some(most) = policy.wait_predicted_max.filter(|_| call.direct.is_none()) else { return false };
        let spot = self.spot(call, self.now);
        self.wait(call, spot, self.now).is_some_and(|wait| wait > most)
    }

    fn wait(&self, call: &Call, spot: Spot, now: Time) -> Option<Duration> {
        if let Some(foreseen) = self.classes[call.class].outlook.wait(now, spot.ahead) {
            return Some(foreseen.min(WAIT_MAX));
        }
        let queue = self.queue_ref(self.lanes[call.class as usize].queue);
        let seconds = queue.handling.seconds()? * spot.turns();
        (spot.own > 0).then(|| Duration::from_secs_f64(seconds.min(WAIT_MAX.as_secs_f64())) + queue.habits.ring())
    }
}

/// Nobody is told of a longer wait than a day.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

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
