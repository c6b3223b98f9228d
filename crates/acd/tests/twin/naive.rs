//! The obvious matcher: every call and every agent looked at, every time. Same decisions, no idea in common.

use busyhour_acd::{
    AgentChoice, AgentSpec, Command, Decision, Denied, Enqueue, Foreseen, Order, QueueSpec, Site, Skill,
};
use busyhour_model::{
    AgentId, AgentState, CallId, Candidate, DequeueReason, Name, OfferOutcome, QueueId, Rank, Rule, Seed, SkillId,
    Time, Why,
};
use std::collections::BTreeMap;
use std::time::Duration;

fn held(agent: &Agent) -> Vec<Skill> {
    agent.skills.iter().map(|(&skill, &level)| (skill, level)).collect()
}

/// A rule got wrong on purpose: the comparison has to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    NoAgeing,
    NoRelaxation,
    RelaxesLate,
    NewestFirst,
    ShortestIdle,
    IgnoresLevels,
    IgnoresSkillCount,
    PersonalLast,
    DeclineLosesPlace,
    AbandonLosesTurn,
    TimesOutBeforeWrapUp,
    CountsRingingAsWaiting,
    SignOutKeepsStranded,
    TickAtOnce,
    IgnoresNeed,
    IgnoresPreferred,
    IgnoresSites,
    IgnoresReserve,
    IgnoresOrder,
    IgnoresWeight,
    IgnoresPrediction,
    ForcesNobody,
    NeverExtends,
    KeepsExpired,
    IgnoresPreference,
    IgnoresMisses,
    NeverPauses,
    WishesForEver,
    IgnoresWishes,
    IgnoresEfficiency,
    IgnoresLoad,
    IgnoresForecast,
    BelievesForEver,
    ScalesByNothing,
    HelpsAlways,
    HelpsLastOne,
    GoesTooSoon,
    RingsOne,
    RingsOn,
    NobodyRings,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    Out,
    NotReady(Name),
    Ready,
    Ringing(Work),
    Talking(Work),
    WrapUp(Time, Work),
}

/// All of `Why` but what the call says by itself.
#[derive(Clone, Copy)]
struct Reason {
    rule: Rule,
    rank: Rank,
    agents_idle: u32,
    calls_waiting: u32,
    runner_up: Option<Candidate>,
}

impl Reason {
    /// The agent was given: only the call was chosen.
    fn of_agent(rule: Rule, calls_waiting: u32, runner_up: Option<Candidate>) -> Reason {
        Reason { rule, rank: Rank::default(), agents_idle: 1, calls_waiting, runner_up }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Work {
    pub(crate) call: CallId,
    queue: Option<QueueId>,
    began: Time,
    wrap_up: Duration,
    after: Box<State>,
}

#[derive(Clone)]
pub(crate) struct Agent {
    skills: BTreeMap<SkillId, u8>,
    pub(crate) state: State,
    turn: u64,
    site: Site,
    weight: u32,
    since: Time,
    calls: u64,
    talk: Duration,
    contact: Time,
    inbound: Time,
    /// When occupied began or ended.
    busy: Vec<(Time, bool)>,
    expires: Vec<(SkillId, Time)>,
    prefers: BTreeMap<QueueId, i32>,
    misses: u32,
    /// Not ready until then.
    pause: Option<Time>,
}

impl Agent {
    fn drop_expired(&mut self, now: Time, twist: Twist) {
        let over: Vec<SkillId> = self.expires.iter().filter(|e| e.1 <= now).map(|e| e.0).collect();
        if twist != Twist::KeepsExpired {
            self.skills.retain(|skill, _| !over.contains(skill));
        }
        self.expires.retain(|(skill, at)| *at > now && self.skills.contains_key(skill));
    }
}

#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    queue: QueueId,
    extra: BTreeMap<SkillId, u8>,
    priority: i32,
    since: Time,
    seq: u64,
    pub(crate) direct: Option<AgentId>,
    /// Waits for `direct` only until then.
    wish: Option<Time>,
    pub(crate) ringing: Vec<AgentId>,
}

/// Calls that ask for the same.
pub(crate) type Class = (QueueId, i32, BTreeMap<SkillId, u8>);

/// What was foreseen for a class, and when; `None` when it was not named.
type Past = Vec<(Time, Option<Foreseen>)>;

#[derive(Clone)]
pub(crate) struct Naive {
    seed: u64,
    twist: Twist,
    /// Queue, agent, seconds, and whether the queue then wanted to know who.
    handled: Vec<(QueueId, AgentId, f64, bool, Time)>,
    rung: BTreeMap<QueueId, AgentId>,
    /// How long phones rang before each conversation that is over.
    rings: Vec<(QueueId, Duration)>,
    now: Time,
    pub(crate) queues: BTreeMap<QueueId, QueueSpec>,
    pub(crate) agents: BTreeMap<AgentId, Agent>,
    pub(crate) calls: Vec<Call>,
    /// Of each class there ever was.
    pub(crate) foreseen: BTreeMap<Class, Past>,
    seq: u64,
    turn: u64,
    out: Vec<Decision>,
}

fn levels(skills: &[Skill]) -> BTreeMap<SkillId, u8> {
    let mut map = BTreeMap::new();
    for &(skill, level) in skills.iter().filter(|s| s.1 > 0) {
        let held = map.entry(skill).or_insert(0);
        *held = level.max(*held);
    }
    map
}

fn kind(state: &State) -> AgentState {
    match state {
        State::Out => AgentState::SignedOut,
        State::NotReady(_) => AgentState::NotReady,
        State::Ready => AgentState::Ready,
        State::Ringing(_) => AgentState::Ringing,
        State::Talking(_) => AgentState::Talking,
        State::WrapUp(..) => AgentState::WrapUp,
    }
}

fn class(call: &Call) -> Class {
    (call.queue, call.priority, call.extra.clone())
}

impl Naive {
    pub(crate) fn new(seed: u64, twist: Twist) -> Naive {
        let (queues, agents) = (BTreeMap::new(), BTreeMap::new());
        let (handled, rung, rings) = (Vec::new(), BTreeMap::new(), Vec::new());
        let (now, calls, out) = (Time::ZERO, Vec::new(), Vec::new());
        let foreseen = BTreeMap::new();
        Naive { seed, twist, handled, rung, rings, now, queues, agents, calls, foreseen, seq: 0, turn: 0, out }
    }

    pub(crate) fn apply(&mut self, now: Time, command: Command) -> (Vec<Decision>, Result<(), Denied>) {
        self.advance(now);
        let done = self.execute(command);
        self.advance(now);
        (std::mem::take(&mut self.out), done)
    }

    /// The next moment at which anything changes by itself: one timer per agent, per call and step.
    pub(crate) fn due(&self) -> Option<Time> {
        let wraps = self.agents.values().filter_map(|a| match a.state {
            State::WrapUp(until, _) => Some(until),
            _ => None,
        });
        let waiting = || self.calls.iter().filter(|c| c.ringing.is_empty());
        let late = waiting().filter_map(|c| self.queues[&c.queue].wait_max.map(|w| c.since + w));
        let steps = waiting().filter(|c| c.direct.is_none()).flat_map(|c| {
            let spec = &self.queues[&c.queue];
            let ages = spec.relax.iter().map(|s| s.0).chain(spec.policy.sites.iter().map(|s| s.1));
            ages.map(|age| c.since + age).filter(|&at| at > self.now).collect::<Vec<_>>()
        });
        let lapses = self.agents.values().flat_map(|a| a.expires.iter().map(|e| e.1));
        let pauses = self.agents.values().filter_map(|a| a.pause);
        let wishes = waiting().filter_map(|c| c.wish).filter(|_| self.twist != Twist::WishesForEver);
        wraps.chain(lapses).chain(pauses).chain(wishes).chain(late).chain(steps).min()
    }

    fn advance(&mut self, now: Time) {
        let now = now.max(self.now);
        while let Some(due) = self.due().filter(|&due| due <= now) {
            self.now = if self.twist == Twist::TickAtOnce { now } else { due.max(self.now) };
            if self.twist == Twist::TimesOutBeforeWrapUp {
                self.time_out();
            }
            self.lapse();
            let mut ended: Vec<(Time, AgentId)> = self
                .agents
                .iter()
                .filter_map(|(&id, a)| match a.state {
                    State::WrapUp(until, _) if until <= self.now => Some((until, id)),
                    _ => None,
                })
                .collect();
            ended.sort();
            for (_, id) in ended {
                let State::WrapUp(_, work) = self.agents[&id].state.clone() else { unreachable!() };
                self.go_on(id, *work.after);
            }
            let mut over: Vec<_> = self.agents.iter().filter_map(|(&id, a)| Some((a.pause?, id))).collect();
            over.retain(|pause| pause.0 <= self.now);
            over.sort();
            for (_, id) in over {
                self.become_ready(id);
            }
            self.release(|n, c| {
                let late = n.queues[&c.queue].wait_max.is_some_and(|w| c.since + w <= n.now);
                c.wish.is_some_and(|until| until <= n.now) && !late && n.twist != Twist::WishesForEver
            });
            self.settle();
            self.time_out();
        }
        self.now = now;
    }

    /// Skills that end now, the longest ended first.
    fn lapse(&mut self) {
        let ends = |(&id, a): (&AgentId, &Agent)| {
            let first = a.expires.iter().map(|e| e.1).min()?;
            (first <= self.now).then_some((first, id))
        };
        let mut due: Vec<_> = self.agents.iter().filter_map(ends).collect();
        due.sort();
        for (_, id) in due {
            let agent = self.agents.get_mut(&id).unwrap();
            let before = agent.skills.clone();
            agent.drop_expired(self.now, self.twist);
            if agent.skills != before {
                self.regrouped(id);
            }
        }
    }

    /// The agent has other skills than before.
    fn regrouped(&mut self, id: AgentId) {
        if self.agents[&id].state == State::Ready {
            self.seek(id);
        }
        self.overflow_stranded();
    }

    /// Calls that wish for somebody and are to wait for anybody now.
    fn release(&mut self, which: impl Fn(&Naive, &Call) -> bool) {
        let mut free: Vec<Call> =
            self.calls.iter().filter(|c| c.ringing.is_empty() && which(self, c)).cloned().collect();
        free.sort_by_key(|c| c.seq);
        for call in free {
            let call = Call { direct: None, wish: None, ..self.take(call.id) };
            self.admit(&call, false);
        }
    }

    fn release_wishes(&mut self, agent: AgentId) {
        self.release(|_, c| c.wish.is_some() && c.direct == Some(agent));
    }

    /// Not ready, and nobody waits for this agent who only wished to.
    fn rest(&mut self, agent: AgentId, reason: Name) {
        self.enter(agent, State::NotReady(reason));
        self.release_wishes(agent);
    }

    fn time_out(&mut self) {
        let late = |n: &Naive, c: &Call| n.queues[&c.queue].wait_max.is_some_and(|w| c.since + w <= n.now);
        self.overflow_where(DequeueReason::TimedOut, late);
    }

    fn overflow_where(&mut self, reason: DequeueReason, when: impl Fn(&Naive, &Call) -> bool) {
        let mut gone: Vec<Call> =
            self.calls.iter().filter(|c| c.ringing.is_empty() && when(self, c)).cloned().collect();
        gone.sort_by_key(|c| c.seq);
        for call in gone {
            self.calls.retain(|c| c.id != call.id);
            self.out.push(Decision::Overflow { call: call.id, reason });
        }
    }

    fn overflow_stranded(&mut self) {
        self.overflow_where(DequeueReason::NoAgents, |n, c| n.stranded(c));
    }

    fn stranded(&self, call: &Call) -> bool {
        let somebody = match call.direct {
            Some(agent) => self.agents[&agent].state != State::Out,
            None => self.agents.values().any(|a| a.state != State::Out && self.least_age(call, a).is_some()),
        };
        self.queues[&call.queue].overflow_no_agents && !somebody
    }

    /// How long the call must have waited for this agent; `None` for never.
    pub(crate) fn least_age(&self, call: &Call, agent: &Agent) -> Option<Duration> {
        let holds = |wanted: &BTreeMap<SkillId, u8>| {
            wanted.iter().all(|(skill, level)| {
                agent.skills.get(skill).is_some_and(|held| held >= level || self.twist == Twist::IgnoresLevels)
            })
        };
        let spec = &self.queues[&call.queue];
        let needed = spec.policy.need.as_ref().is_none_or(|need| need.holds(&held(agent)));
        if !holds(&call.extra) || !(needed || self.twist == Twist::IgnoresNeed) {
            return None;
        }
        if !self.helps(call, agent) {
            return None;
        }
        let sites = &spec.policy.sites;
        let here = sites.iter().find(|s| s.0 == agent.site).map(|s| s.1);
        let local = match here {
            _ if sites.is_empty() || self.twist == Twist::IgnoresSites => Duration::ZERO,
            from => from?,
        };
        if holds(&levels(&spec.required)) {
            return Some(local);
        }
        if self.twist == Twist::NoRelaxation {
            return None;
        }
        let fitting = spec.relax.iter().filter(|(_, required)| holds(&levels(required))).map(|s| s.0).min();
        let late = if self.twist == Twist::RelaxesLate { Duration::from_micros(1) } else { Duration::ZERO };
        fitting.map(|age| local.max(age + late))
    }

    /// The agent is no backup, or one of those that are called for.
    fn helps(&self, call: &Call, agent: &Agent) -> bool {
        let skills = held(agent);
        let backup = &self.queues[&call.queue].policy.backup;
        let mut waits = backup.iter().filter(|b| b.of.holds(&skills)).map(|b| b.wait).peekable();
        if waits.peek().is_none() || self.twist == Twist::HelpsAlways {
            return true;
        }
        let past = &self.foreseen[&class(call)];
        let called_for = |wait: Duration| {
            past.iter().fold(false, |helps, (_, foreseen)| {
                let alone = foreseen.as_ref().map_or(Duration::ZERO, |foreseen| foreseen.alone);
                let least = if self.twist == Twist::GoesTooSoon { alone } else { alone + alone / 4 };
                alone > wait || helps && least > wait
            })
        };
        match self.twist {
            Twist::HelpsLastOne => waits.last().is_some_and(called_for),
            _ => waits.any(called_for),
        }
    }

    fn fits(&self, call: &Call, id: AgentId) -> bool {
        let agent = &self.agents[&id];
        let reserve = &self.queues[&call.queue].policy.reserve;
        let keep = reserve.iter().filter(|r| r.of.holds(&held(agent))).map(|r| r.keep).max().unwrap_or(0);
        let like = |a: &Agent| {
            a.state == State::Ready && (&a.skills, a.site, &a.prefers) == (&agent.skills, agent.site, &agent.prefers)
        };
        let others = || self.agents.iter().filter(|(other, a)| **other != id && like(a)).count();
        (keep == 0 || others() >= keep as usize || self.twist == Twist::IgnoresReserve)
            && self.least_age(call, agent).is_some_and(|age| self.now.since(call.since) >= age)
    }

    /// Preferred skills, site, level.
    fn rank(&self, call: &Call, id: AgentId) -> (bool, usize, i64) {
        let agent = &self.agents[&id];
        let policy = &self.queues[&call.queue].policy;
        let missed = policy.preferred.as_ref().is_some_and(|preferred| !preferred.holds(&held(agent)));
        let site = policy.sites.iter().position(|s| s.0 == agent.site).unwrap_or(0);
        let level = match policy.order {
            Order::Weighted => self.shortfall(call, id),
            _ => self.level(call, agent),
        };
        (missed && self.twist != Twist::IgnoresPreferred, site, level)
    }

    /// Whose turn it is, unless they are idle in that order.
    fn turn(&self, call: &Call, id: AgentId) -> f64 {
        let agent = &self.agents[&id];
        let micros = |time: Time| time.as_micros() as f64;
        match self.queues[&call.queue].policy.order {
            _ if self.twist == Twist::IgnoresOrder => 0.0,
            Order::LongestIdle => 0.0,
            Order::LongestSinceContact => micros(agent.contact),
            Order::LongestSinceCall => micros(agent.inbound),
            Order::LeastOccupied => self.occupancy(agent),
            Order::FewestCalls => agent.calls as f64,
            Order::LeastTalk => agent.talk.as_micros() as f64,
            Order::Linear => f64::from(id.0),
            Order::RoundRobin => match self.rung.get(&call.queue) {
                Some(last) if id <= *last => f64::from(id.0) + 1e9,
                _ => f64::from(id.0),
            },
            Order::Random => {
                let draw = Seed(self.seed ^ call.seq << 20 ^ u64::from(id.0)).draw();
                -(((draw >> 11) + 1) as f64 / (1u64 << 53) as f64).ln() / f64::from(agent.weight.max(1))
            }
            Order::LongestSinceQueueCall => {
                let own = self.handled.iter().filter(|h| h.0 == call.queue && h.1 == id && h.3);
                own.map(|h| micros(h.4)).fold(0.0, f64::max)
            }
            Order::Fastest => {
                let own = self.handled.iter().filter(|h| h.0 == call.queue && h.1 == id && h.3);
                let (calls, seconds) = own.fold((0.0, 0.0), |(n, s), h| (n + 1.0, s + h.2));
                (seconds + 8.0 * self.handling(call.queue).unwrap_or(0.0)) / (calls + 8.0)
            }
            Order::Weighted => 0.0,
        }
    }

    /// Millionths short of a perfect agent by the weights of the queue.
    fn shortfall(&self, call: &Call, agent: AgentId) -> i64 {
        let spec = &self.queues[&call.queue];
        let weights = spec.policy.weights;
        let is = &self.agents[&agent];
        let required = levels(&spec.required);
        let wanted: Vec<SkillId> = required.keys().chain(call.extra.keys()).copied().collect();
        let held: f64 = wanted.iter().map(|skill| f64::from(*is.skills.get(skill).unwrap_or(&0)) / 100.0).sum();
        let skill = if wanted.is_empty() { 1.0 } else { held / wanted.len() as f64 };
        let load = if self.twist == Twist::IgnoresLoad { 1.0 } else { 1.0 - self.occupancy(is) };
        let business = f64::from((*is.prefers.get(&call.queue).unwrap_or(&0)).clamp(0, 100)) / 100.0;
        let usual = self.handling(call.queue).unwrap_or(0.0);
        let own = self.handled.iter().filter(|h| h.0 == call.queue && h.1 == agent && h.3);
        let (calls, seconds) = own.fold((0.0, 0.0), |(n, s), h| (n + 1.0, s + h.2));
        let own = (seconds + 8.0 * usual) / (calls + 8.0);
        let fast =
            if usual + own > 0.0 && self.twist != Twist::IgnoresEfficiency { usual / (usual + own) } else { 0.5 };
        let parts =
            [(weights.skill, skill), (weights.load, load), (weights.business, business), (weights.efficiency, fast)];
        let (sum, total) = parts
            .iter()
            .fold((0.0, 0.0), |(sum, total), (w, part)| (sum + f64::from(*w) * part, total + f64::from(*w)));
        (1e6 * (1.0 - sum / f64::max(total, 1.0))).round() as i64
    }

    /// Share of time occupied until now, by half an hour's exponential window.
    fn occupancy(&self, agent: &Agent) -> f64 {
        let (mut share, mut at, mut busy) = (0.0, Time::ZERO, false);
        for &(time, next) in agent.busy.iter().chain([&(self.now, false)]) {
            let decay = (-(time.since(at).as_micros() as f64) / 1_800e6).exp();
            let target = f64::from(u8::from(busy));
            share = target + (share - target) * decay;
            (at, busy) = (time, next);
        }
        share
    }

    fn handling(&self, queue: QueueId) -> Option<f64> {
        let spans = self.handled.iter().filter(|h| h.0 == queue).map(|h| h.2);
        spans.fold(None, |mean, new| Some(mean.map_or(new, |mean| mean + (new - mean) / 16.0)))
    }

    /// How long it would wait, by those who come first and those at work.
    fn predicted(&self, call: &Call) -> Option<Duration> {
        let there: Vec<&Agent> = self.agents.values().filter(|a| a.state != State::Out).collect();
        let rival = |c: &Call| {
            let shared = |a: &&Agent| self.least_age(c, a).is_some() && self.least_age(call, a).is_some();
            class(c) == class(call) || there.iter().any(shared)
        };
        let key = |c: &Call| (c.since, c.seq);
        let before = |c: &Call| match self.score(c).total_cmp(&self.score(call)) {
            std::cmp::Ordering::Equal => key(c) < key(call),
            order => order.is_gt(),
        };
        let open = self.calls.iter().filter(|c| c.ringing.is_empty() && c.direct.is_none());
        let ahead: Vec<&Call> = open.filter(|c| rival(c) && before(c)).collect();
        let newest = self.foreseen[&class(call)].last();
        if let Some((at, Some(foreseen))) = newest
            && (self.now.since(*at) <= Duration::from_secs(15) || self.twist == Twist::BelievesForEver)
            && foreseen.next.mean > Duration::ZERO
            && self.twist != Twist::IgnoresForecast
        {
            let place =
                if self.twist == Twist::ScalesByNothing { foreseen.next.spot.ahead } else { ahead.len() as u32 };
            return Some(foreseen.next.at(place).min(Duration::from_secs(86_400)));
        }
        let takes = |c: &Call, a: &Agent| self.least_age(c, a).is_some_and(|least| least <= self.now.since(c.since));
        let at_work = || there.iter().filter(|a| !matches!(a.state, State::NotReady(_)));
        let own = at_work().filter(|a| takes(call, a)).count();
        let pool = at_work().filter(|a| takes(call, a) || ahead.iter().any(|c| takes(c, a))).count();
        let turns = ahead.len() as f64 / pool as f64 + 1.0 / own as f64;
        let seconds = self.handling(call.queue)?;
        let rings: Vec<Duration> = self.rings.iter().filter(|r| r.0 == call.queue).map(|r| r.1).collect();
        let ring = match self.twist {
            Twist::NobodyRings => Duration::ZERO,
            _ => rings.iter().sum::<Duration>() / rings.len().max(1) as u32,
        };
        (own > 0).then(|| Duration::from_secs_f64((seconds * turns).min(86_400.0)) + ring)
    }

    fn level(&self, call: &Call, agent: &Agent) -> i64 {
        let spec = &self.queues[&call.queue];
        match spec.choice {
            AgentChoice::LongestIdle => 0,
            AgentChoice::LeastSkilled if self.twist == Twist::IgnoresSkillCount => 0,
            AgentChoice::LeastSkilled => agent.skills.len() as i64,
            AgentChoice::MostSkilled => {
                let mut wanted = levels(&spec.required);
                wanted.extend(call.extra.clone());
                let sum: i64 = wanted.keys().filter_map(|skill| agent.skills.get(skill)).map(|&l| i64::from(l)).sum();
                i64::from(u32::MAX) - sum
            }
        }
    }

    fn score(&self, call: &Call) -> f64 {
        let spec = &self.queues[&call.queue];
        let base = f64::from(spec.priority) + f64::from(call.priority);
        let goal = (spec.goal.as_micros() as u64).max(1_000);
        if self.twist == Twist::NoAgeing {
            return base;
        }
        let weight = if self.twist == Twist::IgnoresWeight { 100 } else { spec.policy.weight };
        base + f64::from(weight) / goal as f64 * self.now.since(call.since).as_micros() as f64
    }

    /// The same for an agent who likes some queues more than others.
    fn score_for(&self, call: &Call, id: AgentId) -> f64 {
        let points = self.agents[&id].prefers.get(&call.queue).copied().unwrap_or(0);
        self.score(call) + if self.twist == Twist::IgnoresPreference { 0.0 } else { f64::from(points) }
    }

    /// Best first.
    fn by_score(&self, calls: &mut [&Call], score: impl Fn(&Call) -> f64) {
        calls.sort_by(|a, b| {
            let order = score(b).total_cmp(&score(a));
            let newest = self.twist == Twist::NewestFirst;
            order.then(if newest {
                (b.since, b.seq).cmp(&(a.since, a.seq))
            } else {
                (a.since, a.seq).cmp(&(b.since, b.seq))
            })
        });
    }

    /// Ready agents who fit, best first.
    fn candidates(&self, call: &Call) -> Vec<AgentId> {
        let ready = self.agents.iter().filter(|(_, a)| a.state == State::Ready);
        let mut fitting: Vec<_> = ready
            .filter(|(id, _)| self.fits(call, **id))
            .map(|(&id, a)| {
                let idle = if self.twist == Twist::ShortestIdle { u64::MAX - a.turn } else { a.turn };
                (self.rank(call, id), self.turn(call, id), idle, id)
            })
            .collect();
        fitting.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        fitting.into_iter().map(|(_, _, _, id)| id).collect()
    }

    /// Calls in classes whose oldest call the agent could take, and personal calls.
    fn calls_waiting(&self, id: AgentId) -> u32 {
        let waiting = || self.calls.iter().filter(|c| c.ringing.is_empty());
        let mut classes = BTreeMap::new();
        for call in waiting().filter(|c| c.direct.is_none()) {
            let (fits, calls) = classes.entry((call.queue, call.priority, &call.extra)).or_insert((false, 0));
            *fits |= self.fits(call, id);
            *calls += 1;
        }
        let personal = waiting().filter(|c| c.direct == Some(id)).count() as u32;
        personal + classes.values().filter(|c| c.0).map(|c| c.1).sum::<u32>()
    }

    fn settle(&mut self) {
        loop {
            let mut open: Vec<&Call> =
                self.calls.iter().filter(|c| c.ringing.is_empty() && c.direct.is_none()).collect();
            self.by_score(&mut open, |call| self.score(call));
            let Some((call, agents)) = open.into_iter().find_map(|call| {
                let agents = self.candidates(call);
                (!agents.is_empty()).then(|| (call.clone(), agents))
            }) else {
                return;
            };
            let waiting = self.calls_waiting(agents[0]);
            self.offer_to_best(&call, &agents, waiting);
        }
    }

    fn offer_to_best(&mut self, call: &Call, agents: &[AgentId], waiting: u32) {
        let spec = &self.queues[&call.queue];
        let rule = match spec.choice {
            _ if spec.policy.order != Order::LongestIdle => match spec.policy.order {
                Order::LongestIdle => unreachable!(),
                Order::LongestSinceContact => Rule::LongestSinceContact,
                Order::LongestSinceCall => Rule::LongestSinceCall,
                Order::LeastOccupied => Rule::LeastOccupied,
                Order::FewestCalls => Rule::FewestCalls,
                Order::LeastTalk => Rule::LeastTalk,
                Order::RoundRobin => Rule::RoundRobin,
                Order::Linear => Rule::Linear,
                Order::Random => Rule::Random,
                Order::Fastest => Rule::Fastest,
                Order::LongestSinceQueueCall => Rule::LongestSinceQueueCall,
                Order::Weighted => Rule::Weighted,
            },
            AgentChoice::LeastSkilled => Rule::LeastSkilled,
            AgentChoice::MostSkilled => Rule::MostSkilled,
            AgentChoice::LongestIdle => Rule::LongestIdle,
        };
        let ring_max = if self.twist == Twist::RingsOne { 1 } else { spec.policy.ring_max.max(1) };
        let (mut agents, calls_waiting) = (agents.to_vec(), waiting);
        for _ in 0..ring_max {
            let told = |id: &AgentId| {
                let (missing, site, level) = self.rank(call, *id);
                Rank::new(!missing, site as u16, level as u32)
            };
            let Some(&first) = agents.first() else { return };
            let runner_up = agents.get(1).map(|id| Candidate::Agent(*id, told(id)));
            let (rank, agents_idle) = (told(&first), agents.len() as u32);
            self.offer(call, first, Reason { rule, rank, agents_idle, calls_waiting, runner_up });
            agents = self.candidates(call);
        }
    }

    fn offer(&mut self, call: &Call, agent: AgentId, reason: Reason) {
        let Reason { rule, rank, agents_idle, calls_waiting, runner_up } = reason;
        let waited = self.now.since(call.since);
        let score = match rule {
            Rule::HighestScore => self.score_for(call, agent),
            _ => self.score(call),
        };
        self.calls.iter_mut().find(|c| c.id == call.id).unwrap().ringing.push(agent);
        let wrap_up = self.queues[&call.queue].wrap_up;
        let (queue, began) = (Some(call.queue), self.now);
        self.rung.insert(call.queue, agent);
        self.enter(agent, State::Ringing(Work { call: call.id, queue, began, wrap_up, after: State::Ready.into() }));
        let from_age = match call.direct {
            Some(_) => Duration::ZERO,
            None => self.least_age(call, &self.agents[&agent]).unwrap(),
        };
        let why = Why { rule, waited, from_age, score, rank, agents_idle, calls_waiting, runner_up };
        self.out.push(Decision::Offer { call: call.id, queue: call.queue, agent, why });
    }

    fn enter(&mut self, id: AgentId, state: State) {
        let reason = if let State::NotReady(reason) = &state { Some(reason.clone()) } else { None };
        self.out.push(Decision::Agent { agent: id, state: kind(&state), reason });
        let now = self.now;
        let agent = self.agents.get_mut(&id).unwrap();
        let left = std::mem::replace(&mut agent.state, state);
        let busy = |state: &State| matches!(state, State::Ringing(_) | State::Talking(_) | State::WrapUp(..));
        if busy(&left) != busy(&agent.state) {
            agent.busy.push((now, busy(&agent.state)));
        }
        match (&left, &agent.state) {
            (State::Out, _) => (agent.calls, agent.talk, agent.misses) = (0, Duration::ZERO, 0),
            (State::NotReady(_), _) => (agent.misses, agent.pause) = (0, None),
            (State::Ringing(_), State::Talking(_)) => (agent.calls, agent.misses) = (agent.calls + 1, 0),
            (State::Talking(work), _) => {
                let ring = agent.since.since(work.began);
                self.rings.extend(work.queue.filter(|q| self.queues.contains_key(q)).map(|queue| (queue, ring)));
                agent.talk += now.since(agent.since);
                agent.contact = now;
                if work.queue.is_some() {
                    agent.inbound = now;
                }
            }
            _ => {}
        }
        let over = !matches!(agent.state, State::WrapUp(..));
        agent.since = now;
        if let State::Talking(work) | State::WrapUp(_, work) = left
            && let Some(queue) = work.queue
            && over
            && let Some(spec) = self.queues.get(&queue)
        {
            let known = matches!(spec.policy.order, Order::Fastest | Order::Weighted | Order::LongestSinceQueueCall);
            self.handled.push((queue, id, now.since(work.began).as_secs_f64(), known, now));
        }
    }

    fn go_on(&mut self, id: AgentId, after: State) {
        match after {
            State::Ready => self.become_ready(id),
            State::Out => self.depart(id, None),
            State::NotReady(reason) => self.rest(id, reason),
            other => self.enter(id, other),
        }
    }

    fn become_ready(&mut self, id: AgentId) {
        self.turn += 1;
        self.agents.get_mut(&id).unwrap().turn = self.turn;
        if !self.seek(id) {
            self.enter(id, State::Ready);
        }
    }

    /// The best call for an agent with no call in hand.
    fn seek(&mut self, id: AgentId) -> bool {
        let waiting: Vec<&Call> = self.calls.iter().filter(|c| c.ringing.is_empty()).collect();
        let total = self.calls_waiting(id);
        let direct = waiting.iter().filter(|c| c.direct == Some(id)).min_by_key(|c| (c.since, c.seq));
        let mut open: Vec<&Call> = waiting.iter().filter(|c| c.direct.is_none() && self.fits(c, id)).copied().collect();
        self.by_score(&mut open, |call| self.score_for(call, id));
        let direct = if self.twist == Twist::PersonalLast && !open.is_empty() { None } else { direct };
        if let Some(call) = direct {
            let call = (*call).clone();
            let rule = if call.wish.is_some() { Rule::PreferredAgent } else { Rule::DirectAgent };
            self.offer(&call, id, Reason::of_agent(rule, total, None));
            return true;
        }
        let Some(&call) = open.first() else { return false };
        let runner_up = open.get(1).map(|c| Candidate::Call(c.id, self.score_for(c, id)));
        let call = call.clone();
        self.offer(&call, id, Reason::of_agent(Rule::HighestScore, total, runner_up));
        true
    }

    /// A call that is in no line: an agent, a place or overflow.
    fn admit(&mut self, call: &Call, new: bool) {
        let comes = |agent| !matches!(self.agents[&agent].state, State::Out | State::NotReady(_));
        let crowd = |agent| self.calls.iter().filter(|c| c.direct == Some(agent) && c.ringing.is_empty()).count();
        let vain = |agent| !comes(agent) || crowd(agent) >= busyhour_acd::PERSONAL_MAX as usize;
        if call.wish.is_some() && call.direct.is_some_and(vain) {
            return self.admit(&Call { direct: None, wish: None, ..call.clone() }, new);
        }
        let direct_ready = call.direct.is_some_and(|a| self.agents[&a].state == State::Ready);
        let agents = if call.direct.is_some() { Vec::new() } else { self.candidates(call) };
        let mut ahead = self.calls.iter().filter(|c| c.queue == call.queue).filter(|c| c.ringing.is_empty()).count();
        if self.twist == Twist::CountsRingingAsWaiting {
            ahead = self.calls.iter().filter(|c| c.queue == call.queue).count();
        }
        let full = self.queues[&call.queue].waiting_max.is_some_and(|max| ahead >= max as usize);
        let most = self.queues[&call.queue].policy.wait_predicted_max.filter(|_| call.direct.is_none());
        let hopeless = most.is_some_and(|most| self.predicted(call).is_some_and(|wait| wait > most));
        let full = full || (hopeless && self.twist != Twist::IgnoresPrediction);
        self.calls.push(Call { ringing: Vec::new(), ..call.clone() });
        if direct_ready {
            let rule = if call.wish.is_some() { Rule::PreferredAgent } else { Rule::DirectAgent };
            self.offer(call, call.direct.unwrap(), Reason::of_agent(rule, 1, None));
        } else if !agents.is_empty() {
            self.offer_to_best(call, &agents, 1);
        } else if self.stranded(call) {
            self.overflow_where(DequeueReason::NoAgents, |_, c| c.id == call.id);
        } else if new && full {
            self.overflow_where(DequeueReason::Full, |_, c| c.id == call.id);
        }
    }

    fn depart(&mut self, id: AgentId, offered: Option<Call>) {
        self.enter(id, State::Out);
        if let Some(call) = offered {
            self.admit(&call, false);
        }
        self.release_wishes(id);
        if self.twist != Twist::SignOutKeepsStranded {
            self.overflow_stranded();
        }
    }

    fn wrong<T>(&self, agent: AgentId) -> Result<T, Denied> {
        Err(Denied::WrongState { agent, state: kind(&self.agents[&agent].state) })
    }

    fn take(&mut self, call: CallId) -> Call {
        let at = self.calls.iter().position(|c| c.id == call).unwrap();
        self.calls.remove(at)
    }

    fn execute(&mut self, command: Command) -> Result<(), Denied> {
        match command {
            Command::SetQueue(spec) => {
                self.foreseen.entry((spec.id, 0, BTreeMap::new())).or_default();
                self.queues.insert(spec.id, *spec);
                self.settle();
                self.overflow_stranded();
                Ok(())
            }
            Command::RemoveQueue { queue } => {
                self.queues.get(&queue).ok_or(Denied::UnknownQueue(queue))?;
                if self.calls.iter().any(|c| c.queue == queue) {
                    return Err(Denied::NotEmpty(queue));
                }
                self.queues.remove(&queue);
                self.foreseen.retain(|class, _| class.0 != queue);
                self.rung.remove(&queue);
                self.handled.retain(|h| h.0 != queue);
                self.rings.retain(|r| r.0 != queue);
                Ok(())
            }
            Command::SetAgent(spec) => {
                self.set_agent(spec);
                Ok(())
            }
            Command::Enqueue(wish) => self.enqueue(&wish),
            Command::Leave { call } => self.leave(call),
            Command::Accepted { call, agent } => {
                let work = self.offered(call, agent)?;
                let rung = self.take(call).ringing;
                self.enter(agent, State::Talking(work));
                let stops = self.twist != Twist::RingsOn;
                for other in rung.into_iter().filter(|&other| other != agent && stops) {
                    self.out.push(Decision::Withdraw { call, agent: other });
                    self.let_go(other);
                }
                Ok(())
            }
            Command::Declined { call, agent, outcome } => self.declined(call, agent, outcome),
            Command::Tick => Ok(()),
            Command::Foresee { classes } => {
                let mut news: BTreeMap<Class, Foreseen> =
                    classes.into_iter().map(|f| ((f.queue, f.priority, levels(&f.required)), f)).collect();
                for (class, past) in &mut self.foreseen {
                    past.push((self.now, news.remove(class)));
                }
                self.settle();
                self.overflow_stranded();
                Ok(())
            }
            Command::RemoveAgent { agent }
            | Command::SignIn { agent, .. }
            | Command::SignOut { agent }
            | Command::Ready { agent }
            | Command::NotReady { agent, .. }
            | Command::Released { agent }
            | Command::ForceNotReady { agent, .. }
            | Command::ExtendWrapUp { agent, .. }
            | Command::Rest { agent, .. }
            | Command::Occupy { agent, .. }
            | Command::Moved { agent, .. } => {
                let state = self.agents.get(&agent).ok_or(Denied::UnknownAgent(agent))?.state.clone();
                self.personal(agent, state, command)
            }
        }
    }

    fn set_agent(&mut self, spec: AgentSpec) {
        let skills = levels(&spec.skills);
        let mut prefers: BTreeMap<QueueId, i32> = spec.prefers.into_iter().collect();
        prefers.retain(|_, points| *points != 0);
        let Some(agent) = self.agents.get_mut(&spec.id) else {
            let (now, never) = (self.now, Time::ZERO);
            let agent = Agent {
                skills,
                state: State::Out,
                turn: 0,
                site: spec.site,
                weight: spec.weight,
                since: now,
                calls: 0,
                talk: Duration::ZERO,
                contact: never,
                inbound: never,
                busy: Vec::new(),
                expires: spec.expires,
                prefers,
                misses: 0,
                pause: None,
            };
            self.agents.insert(spec.id, agent);
            self.agents.get_mut(&spec.id).unwrap().drop_expired(self.now, self.twist);
            return;
        };
        let before = (agent.skills.clone(), agent.site, agent.prefers.clone());
        (agent.skills, agent.site, agent.weight) = (skills, spec.site, spec.weight);
        (agent.expires, agent.prefers) = (spec.expires, prefers);
        agent.drop_expired(self.now, self.twist);
        if (&agent.skills, agent.site, &agent.prefers) != (&before.0, before.1, &before.2) {
            self.regrouped(spec.id);
        }
    }

    fn enqueue(&mut self, wish: &Enqueue) -> Result<(), Denied> {
        self.queues.get(&wish.queue).ok_or(Denied::UnknownQueue(wish.queue))?;
        if self.calls.iter().any(|c| c.id == wish.call) {
            return Err(Denied::AlreadyQueued(wish.call));
        }
        if let Some(agent) = wish.agent {
            self.agents.get(&agent).ok_or(Denied::UnknownAgent(agent))?;
        }
        let wished = wish.prefer.filter(|_| wish.agent.is_none() && self.twist != Twist::IgnoresWishes);
        let wished = wished.and_then(|prefer| {
            let until = self.now + prefer.patience;
            match self.agents.get(&prefer.agent)?.state {
                State::Ready => Some((prefer.agent, until)),
                State::Out | State::NotReady(_) => None,
                _ => (prefer.patience > Duration::ZERO).then_some((prefer.agent, until)),
            }
        });
        self.seq += 1;
        let call = Call {
            id: wish.call,
            queue: wish.queue,
            extra: levels(&wish.required),
            priority: wish.priority,
            since: wish.since.min(self.now),
            seq: self.seq,
            direct: wish.agent.or(wished.map(|w| w.0)),
            wish: wished.map(|w| w.1),
            ringing: Vec::new(),
        };
        self.foreseen.entry(class(&call)).or_default();
        self.admit(&call, call.since == self.now);
        Ok(())
    }

    fn leave(&mut self, id: CallId) -> Result<(), Denied> {
        let call = self.calls.iter().find(|c| c.id == id).cloned().ok_or(Denied::UnknownCall(id))?;
        self.take(id);
        call.ringing.into_iter().for_each(|agent| self.let_go(agent));
        Ok(())
    }

    /// The agent rang in vain and missed nothing.
    fn let_go(&mut self, agent: AgentId) {
        let State::Ringing(work) = self.agents[&agent].state.clone() else { unreachable!() };
        match *work.after {
            State::Ready if self.twist != Twist::AbandonLosesTurn => {
                let turn = self.agents[&agent].turn;
                self.become_ready(agent);
                self.agents.get_mut(&agent).unwrap().turn = turn;
            }
            after => self.go_on(agent, after),
        }
    }

    /// The agent rings no more; the call, if nobody else rings for it.
    fn stop(&mut self, call: CallId, agent: AgentId) -> Option<Call> {
        let rung = &mut self.calls.iter_mut().find(|c| c.id == call).unwrap().ringing;
        rung.retain(|&rung| rung != agent);
        rung.is_empty().then(|| self.take(call))
    }

    fn offered(&self, call: CallId, agent: AgentId) -> Result<Work, Denied> {
        self.calls.iter().find(|c| c.id == call).ok_or(Denied::UnknownCall(call))?;
        match &self.agents.get(&agent).ok_or(Denied::UnknownAgent(agent))?.state {
            State::Ringing(work) if work.call == call => Ok(work.clone()),
            _ => self.wrong(agent),
        }
    }

    fn declined(&mut self, call: CallId, agent: AgentId, outcome: OfferOutcome) -> Result<(), Denied> {
        self.offered(call, agent)?;
        let reason = match outcome {
            OfferOutcome::NoAnswer => "no_answer",
            OfferOutcome::Refused => "refused",
            OfferOutcome::Unreachable => "unreachable",
            OfferOutcome::Abandoned => return self.leave(call),
            OfferOutcome::Answered | OfferOutcome::Withdrawn => return self.wrong(agent),
        };
        let queue = self.calls.iter().find(|c| c.id == call).unwrap().queue;
        let mut call = self.stop(call, agent);
        if let Some(call) = call.as_mut().filter(|_| self.twist == Twist::DeclineLosesPlace) {
            call.since = self.now;
        }
        let rule = self.queues[&queue].policy.no_answer;
        let missed = outcome != OfferOutcome::Unreachable;
        self.agents.get_mut(&agent).unwrap().misses += u32::from(missed);
        let misses = self.agents[&agent].misses;
        if missed && misses < rule.misses_max && self.twist != Twist::IgnoresMisses {
            let State::Ringing(work) = self.agents[&agent].state.clone() else { unreachable!() };
            call.inspect(|call| self.admit(call, false));
            self.go_on(agent, *work.after);
            return Ok(());
        }
        self.rest(agent, reason.into());
        if missed && self.twist != Twist::NeverPauses {
            self.agents.get_mut(&agent).unwrap().pause = rule.pause.map(|pause| self.now + pause);
        }
        call.inspect(|call| self.admit(call, false));
        Ok(())
    }

    /// Commands about one agent who exists.
    fn personal(&mut self, agent: AgentId, state: State, command: Command) -> Result<(), Denied> {
        match (command, state) {
            (Command::RemoveAgent { .. }, State::Out) => {
                self.overflow_where(DequeueReason::NoAgents, |_, c| c.direct == Some(agent));
                self.agents.remove(&agent);
                self.handled.iter_mut().filter(|h| h.1 == agent).for_each(|h| h.3 = false);
            }
            (Command::SignIn { not_ready: None, .. }, State::Out) => self.become_ready(agent),
            (Command::SignIn { not_ready: Some(reason), .. }, State::Out) => self.rest(agent, reason),
            (Command::SignOut { .. } | Command::Ready { .. } | Command::NotReady { .. }, State::Out) => {
                return self.wrong(agent);
            }
            (Command::ForceNotReady { reason, .. }, State::Ringing(work)) if self.twist != Twist::ForcesNobody => {
                self.out.push(Decision::Withdraw { call: work.call, agent });
                let call = self.stop(work.call, agent);
                self.rest(agent, reason);
                call.inspect(|call| self.admit(call, false));
            }
            (Command::ForceNotReady { reason, .. }, state) => {
                return self.personal(agent, state, Command::NotReady { agent, reason });
            }
            (Command::ExtendWrapUp { by, .. }, State::WrapUp(until, work)) => {
                let by = if self.twist == Twist::NeverExtends { Duration::ZERO } else { by };
                self.agents.get_mut(&agent).unwrap().state = State::WrapUp(until + by, work);
            }
            (Command::Rest { pause, .. }, State::NotReady(_)) => {
                self.agents.get_mut(&agent).unwrap().pause = Some(self.now + pause);
            }
            (Command::SignOut { .. }, State::Talking(work)) => {
                self.agents.get_mut(&agent).unwrap().state = State::Talking(Work { after: State::Out.into(), ..work });
            }
            (Command::SignOut { .. }, State::Ringing(work)) => {
                self.out.push(Decision::Withdraw { call: work.call, agent });
                let call = self.stop(work.call, agent);
                self.depart(agent, call);
            }
            (Command::SignOut { .. }, _) => self.depart(agent, None),
            (Command::Ready { .. }, State::Ready) => {}
            (Command::Ready { .. }, State::NotReady(_) | State::WrapUp(..)) => self.become_ready(agent),
            (Command::Ready { .. }, busy) => self.plan(agent, busy, State::Ready),
            (Command::NotReady { reason, .. }, busy @ (State::Talking(_) | State::Ringing(_))) => {
                self.plan(agent, busy, State::NotReady(reason));
            }
            (Command::NotReady { reason, .. }, state) => {
                if state != State::NotReady(reason.clone()) {
                    self.rest(agent, reason);
                }
            }
            (Command::Released { .. }, State::Talking(work)) => {
                if work.wrap_up > Duration::ZERO && *work.after != State::Out {
                    self.enter(agent, State::WrapUp(self.now + work.wrap_up, work));
                } else {
                    self.go_on(agent, *work.after);
                }
            }
            (Command::Occupy { call, .. }, free @ (State::Ready | State::NotReady(_))) => {
                let (queue, began, wrap_up) = (None, self.now, Duration::ZERO);
                self.enter(agent, State::Talking(Work { call, queue, began, wrap_up, after: free.into() }));
            }
            (Command::Moved { call, .. }, State::Talking(work)) => {
                self.agents.get_mut(&agent).unwrap().state = State::Talking(Work { call, ..work });
            }
            (Command::Occupy { call, .. }, State::WrapUp(_, work)) => {
                self.enter(agent, State::Talking(Work { call, queue: None, began: self.now, ..work }));
            }
            _ => return self.wrong(agent),
        }
        Ok(())
    }

    fn plan(&mut self, agent: AgentId, busy: State, after: State) {
        let after = after.into();
        let state = match busy {
            State::Talking(work) => State::Talking(Work { after, ..work }),
            State::Ringing(work) => State::Ringing(Work { after, ..work }),
            other => other,
        };
        self.agents.get_mut(&agent).unwrap().state = state;
    }
}
