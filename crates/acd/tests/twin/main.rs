//! The matcher and its naive twin decide alike, command by command, over random systems.
//!
//! `BUSYHOUR_TWIN_COMMANDS=1000000 cargo test -p busyhour-acd --test twin` runs a million commands.
#![allow(clippy::unwrap_used)]

mod naive;

use busyhour_acd::{
    Acd, AgentChoice, AgentSpec, Backup, Command, Decision, Digest, Enqueue, Forecast, Foreseen, Need, NoAnswer, Order,
    Policy, Prefer, QueueSpec, Reserve, Site, Skill, Spot, Weights, Whom,
};
use busyhour_model::{AgentId, CallId, OfferOutcome, QueueId, Rule, Seed, SkillId, Time};
use naive::{Naive, State, Twist};
use std::time::Duration;

/// Random systems; more in a full run.
const SYSTEMS: u64 = if option_env!("BUSYHOUR_TWIN_COMMANDS").is_none() { 120 } else { 480 };
const COMMANDS: u64 = match option_env!("BUSYHOUR_TWIN_COMMANDS") {
    None => 96_000,
    Some(text) => match u64::from_str_radix(text, 10) {
        Ok(count) => count,
        Err(_) => panic!("BUSYHOUR_TWIN_COMMANDS is no number"),
    },
};

/// What a system is made of.
struct Dice(Seed);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0.below(sides)
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.roll(from.len() as u64) as usize].clone())
    }

    /// Quarters of a second, so that things often happen at the same moment.
    fn span(&mut self, quarters: u64) -> Duration {
        Duration::from_millis(250 * self.roll(quarters))
    }
}

/// A random call centre and what happens in it.
struct System {
    dice: Dice,
    now: Time,
    skills: u64,
    queues: u64,
    agents: u64,
    /// Skill sets agents have, so that groups have several members.
    sets: Vec<Vec<Skill>>,
    calls: u64,
    /// Arrivals per ten commands.
    load: u64,
    started: u64,
    sites: u64,
}

impl System {
    fn new(seed: u64) -> System {
        let mut dice = Dice(Seed(seed));
        let skills = 1 + dice.roll(6);
        let sets = 1 + dice.roll(40);
        let sets = (0..sets).map(|_| skill_set(&mut dice, skills, 4)).collect();
        let sites = 1 + dice.roll(2);
        let (queues, agents, load) = (1 + dice.roll(8), 1 + dice.roll(120), 1 + dice.roll(6));
        System { dice, now: Time::from_secs(1000), skills, queues, agents, sets, calls: 0, load, started: 0, sites }
    }

    fn queue_spec(&mut self) -> QueueSpec {
        let dice = &mut self.dice;
        let steps = dice.roll(4) * u64::from(dice.one_in(2));
        let mut at = Duration::ZERO;
        let relax = (0..steps)
            .map(|step| {
                at += Duration::from_millis(250 + 250 * dice.roll(40));
                (at, skill_set(dice, self.skills, 2u64.saturating_sub(step)))
            })
            .collect();
        QueueSpec {
            id: QueueId(dice.roll(self.queues) as u32),
            required: skill_set(dice, self.skills, 3),
            relax,
            priority: [0, 0, 0, 50, 200][dice.roll(5) as usize],
            goal: Duration::from_secs([5, 10, 20, 60][dice.roll(4) as usize]),
            choice: [AgentChoice::LeastSkilled, AgentChoice::MostSkilled, AgentChoice::LongestIdle]
                [dice.roll(3) as usize],
            wait_max: dice.one_in(2).then(|| dice.span(240)),
            waiting_max: dice.one_in(3).then(|| dice.roll(8) as u32),
            overflow_no_agents: dice.one_in(3),
            wrap_up: [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(5)][dice.roll(3) as usize],
            policy: policy(dice, self.skills, self.sites),
        }
    }

    fn agent_spec(&mut self) -> AgentSpec {
        let id = AgentId(self.dice.roll(self.agents) as u32);
        let (site, weight) = (self.dice.roll(self.sites) as Site, self.dice.roll(4) as u32);
        let now = self.now;
        let expires = |dice: &mut Dice| (SkillId(dice.roll(self.skills) as u32), now + dice.span(240));
        let expires = (0..self.dice.roll(3) * self.dice.roll(2)).map(|_| expires(&mut self.dice)).collect();
        let prefers =
            |dice: &mut Dice| (QueueId(dice.roll(self.queues) as u32), [-40, 0, 30, 60][dice.roll(4) as usize]);
        let prefers = (0..self.dice.roll(3) * self.dice.roll(2)).map(|_| prefers(&mut self.dice)).collect();
        AgentSpec { site, weight, expires, prefers, ..AgentSpec::new(id, self.dice.pick(&self.sets).unwrap()) }
    }

    fn next(&mut self, twin: &Naive) -> Command {
        self.started += 1;
        if self.started <= self.queues {
            let spec = self.queue_spec();
            return Command::SetQueue(Box::new(QueueSpec { id: QueueId(self.started as u32 - 1), ..spec }));
        }
        if self.started <= self.queues + self.agents {
            let spec = self.agent_spec();
            let id = AgentId((self.started - self.queues) as u32 - 1);
            return Command::SetAgent(AgentSpec { id, ..spec });
        }
        match self.dice.roll(4) {
            0 => {}
            1 => {
                // Sometimes a microsecond too soon.
                let early = Duration::from_micros(u64::from(self.dice.one_in(4)));
                let due = twin.due().map_or(self.now, |due| due - early);
                self.now = due.max(self.now).min(self.now + Duration::from_secs(5));
            }
            _ => self.now += self.dice.span(6),
        }
        match self.dice.roll(42) {
            40.. => self.foresee(twin),
            0 => Command::SetQueue(Box::new(self.queue_spec())),
            1 => Command::SetAgent(self.agent_spec()),
            2 if self.dice.one_in(4) => Command::RemoveQueue { queue: QueueId(self.dice.roll(self.queues + 1) as u32) },
            2 => Command::RemoveAgent { agent: self.any_agent() },
            3..6 => Command::SignOut { agent: self.any_agent() },
            6..9 => Command::NotReady {
                agent: self.any_agent(),
                reason: ["lunch", "tea"][self.dice.roll(2) as usize].into(),
            },
            9 if self.dice.one_in(3) => Command::Moved {
                agent: self.agents_in(twin, |state| matches!(state, State::Talking(_))),
                call: CallId(1_000_000 + self.dice.roll(5)),
            },
            9 => Command::Occupy { agent: self.any_agent(), call: CallId(1_000_000 + self.dice.roll(5)) },
            10 => match self.dice.roll(4) {
                3 => Command::Rest {
                    agent: self.agents_in(twin, |state| matches!(state, State::NotReady(_))),
                    pause: self.dice.span(20),
                },
                0 => Command::ExtendWrapUp {
                    agent: self.agents_in(twin, |state| matches!(state, State::WrapUp(..))),
                    by: self.dice.span(20),
                },
                1 => Command::ForceNotReady {
                    agent: self.agents_in(twin, |state| matches!(state, State::Ringing(_))),
                    reason: "forced".into(),
                },
                _ => Command::Tick,
            },
            11..15 => {
                let not_ready = self.dice.one_in(5).then(|| "late".into());
                let idle = self.agents_in(twin, |state| *state == State::Out);
                Command::SignIn { agent: idle, not_ready }
            }
            15..19 => {
                let agent = self.agents_in(twin, |state| matches!(state, State::NotReady(_)));
                Command::Ready { agent }
            }
            other if other < 19 + 2 * self.load => self.enqueue(),
            _ => self.progress(twin),
        }
    }

    /// Of most classes, one nobody knows among them.
    fn foresee(&mut self, twin: &Naive) -> Command {
        let dice = &mut self.dice;
        let stranger = (QueueId(dice.roll(self.queues) as u32), 7, Default::default());
        let known: Vec<_> = twin.foreseen.keys().filter(|_| !dice.one_in(4)).cloned().collect();
        let classes = known.into_iter().chain([stranger]).map(|(queue, priority, extra)| {
            let (ring, mean, alone) = (dice.span(20), dice.span(120), dice.span(240));
            let next = Forecast {
                mean,
                most: 2 * mean,
                ring,
                spot: Spot { ahead: dice.roll(6) as u32, own: 1 + dice.roll(5) as u32, pool: 6 },
            };
            Foreseen { queue, priority, required: extra.into_iter().collect(), next, alone }
        });
        Command::Foresee { classes: classes.collect() }
    }

    /// Somebody picks up, refuses, hangs up or gives up.
    fn progress(&mut self, twin: &Naive) -> Command {
        let ringing: Vec<(CallId, AgentId)> =
            twin.calls.iter().flat_map(|c| c.ringing.iter().map(|&agent| (c.id, agent))).collect();
        let waiting: Vec<CallId> = twin.calls.iter().map(|c| c.id).collect();
        match self.dice.roll(10) {
            0 => Command::Leave { call: self.dice.pick(&waiting).unwrap_or(CallId(7)) },
            1..6 => {
                let agent = self.agents_in(twin, |state| matches!(state, State::Talking(_)));
                Command::Released { agent }
            }
            pick => {
                let Some((call, agent)) = self.dice.pick(&ringing) else { return Command::Tick };
                let agent = if self.dice.one_in(50) { self.any_agent() } else { agent };
                let outcomes = [
                    OfferOutcome::NoAnswer,
                    OfferOutcome::Refused,
                    OfferOutcome::Unreachable,
                    OfferOutcome::Abandoned,
                    OfferOutcome::Answered,
                ];
                match pick {
                    6 => Command::Declined { call, agent, outcome: self.dice.pick(&outcomes).unwrap() },
                    7 if self.dice.one_in(3) => Command::Leave { call },
                    _ => Command::Accepted { call, agent },
                }
            }
        }
    }

    fn enqueue(&mut self) -> Command {
        let call = CallId(if self.dice.one_in(50) { self.dice.roll(self.calls + 1) } else { self.calls });
        self.calls += 1;
        let required = if self.dice.one_in(3) { skill_set(&mut self.dice, self.skills, 2) } else { Vec::new() };
        let back = if self.dice.one_in(4) { self.dice.span(80) } else { Duration::ZERO };
        Command::Enqueue(Enqueue {
            call,
            queue: QueueId(self.dice.roll(self.queues) as u32),
            required,
            priority: [0, 0, 0, 0, 30, -20][self.dice.roll(6) as usize],
            since: self.now - back,
            agent: self.dice.one_in(8).then(|| self.any_agent()),
            prefer: self.dice.one_in(5).then(|| Prefer { agent: self.any_agent(), patience: self.dice.span(20) }),
        })
    }

    fn any_agent(&mut self) -> AgentId {
        AgentId(self.dice.roll(self.agents) as u32)
    }

    fn agents_in(&mut self, twin: &Naive, wanted: impl Fn(&State) -> bool) -> AgentId {
        let found: Vec<AgentId> = twin.agents.iter().filter(|(_, a)| wanted(&a.state)).map(|(&id, _)| id).collect();
        self.dice.pick(&found).unwrap_or(AgentId(3))
    }
}

fn need(dice: &mut Dice, skills: u64, depth: u64) -> Need {
    let some = |dice: &mut Dice| (0..1 + dice.roll(2)).map(|_| need(dice, skills, depth - 1)).collect();
    match dice.roll(if depth == 0 { 2 } else { 5 }) {
        0 | 1 => Need::Skill(SkillId(dice.roll(skills) as u32), 1 + dice.roll(2) as u8),
        2 => Need::All(some(dice)),
        3 => Need::Any(some(dice)),
        _ => Need::Not(need(dice, skills, depth - 1).into()),
    }
}

/// Half of the queues want nothing special.
fn policy(dice: &mut Dice, skills: u64, sites: u64) -> Policy {
    if dice.one_in(2) {
        return Policy::default();
    }
    let maybe = |dice: &mut Dice, odds| dice.one_in(odds).then(|| need(dice, skills, 2));
    let mut from = |site: u64| dice.one_in(3).then(|| (site as Site, dice.span(60)));
    let sites = (0..sites + 1).filter_map(&mut from).collect();
    let reserve = (0..dice.roll(3) * dice.roll(2))
        .map(|_| Reserve { of: need(dice, skills, 1), keep: dice.roll(4) as u32 })
        .collect();
    let backup =
        (0..dice.roll(3) * dice.roll(2)).map(|_| Backup { of: need(dice, skills, 1), wait: dice.span(200) }).collect();
    Policy {
        order: ORDERS[dice.roll(12) as usize],
        need: maybe(dice, 4),
        preferred: maybe(dice, 3),
        sites,
        reserve,
        backup,
        weight: [100, 100, 0, 50, 300][dice.roll(5) as usize],
        weights: Weights {
            skill: dice.roll(3) as u32,
            load: dice.roll(2) as u32,
            business: dice.roll(3) as u32,
            efficiency: dice.roll(2) as u32,
        },
        no_answer: NoAnswer { misses_max: dice.roll(4) as u32, pause: dice.one_in(2).then(|| dice.span(20)) },
        ring_max: [0, 1, 1, 2, 5][dice.roll(5) as usize],
        wait_predicted_max: dice.one_in(4).then(|| dice.span(100)),
    }
}

const ORDERS: [Order; 12] = [
    Order::LongestIdle,
    Order::LongestSinceContact,
    Order::LongestSinceCall,
    Order::LeastOccupied,
    Order::FewestCalls,
    Order::LeastTalk,
    Order::RoundRobin,
    Order::Linear,
    Order::Random,
    Order::Fastest,
    Order::Weighted,
    Order::LongestSinceQueueCall,
];

fn skill_set(dice: &mut Dice, skills: u64, most: u64) -> Vec<Skill> {
    (0..dice.roll(most + 1)).map(|_| (SkillId(dice.roll(skills) as u32), 1 + dice.roll(3) as u8)).collect()
}

/// Runs both over one system; says where they first differ.
fn compare(seed: u64, commands: u64, twist: Twist) -> Result<Tally, String> {
    let mut system = System::new(seed);
    let (mut acd, mut twin) = (Acd::new(seed), Naive::new(seed, twist));
    let mut tally = Tally::default();
    let mut out = Vec::new();
    for step in 0..commands {
        let command = system.next(&twin);
        let now = system.now;
        let told = format!("system {seed}, command {step} at {now:?}: {command:?}");
        let done = acd.apply(now, command.clone(), &mut out);
        let (expected, allowed) = twin.apply(now, command);
        if out != expected || done != allowed {
            return Err(format!("{told}\n acd  {done:?} {out:?}\n twin {allowed:?} {expected:?}"));
        }
        if step % 64 == 0 || step + 1 == commands {
            acd.check();
            if twist == Twist::None {
                explains(&acd, &twin, now).map_err(|wrong| format!("{told}\n {wrong}"))?;
            }
        }
        if step % 16 == 0 {
            let places = acd.places(now);
            let each = twin.calls.iter().filter_map(|call| Some((call.id, acd.place(now, call.id)?)));
            assert_eq!(places, each.collect(), "{told}");
        }
        let punctual = match twin.due() {
            Some(due) if acd.poll_timeout().is_none_or(|at| at > due) => {
                twin.clone().apply(due, Command::Tick).0.is_empty()
            }
            _ => true,
        };
        if !punctual {
            return Err(format!("{told}\n due {:?}, acd sleeps till {:?}", twin.due(), acd.poll_timeout()));
        }
        tally.count(&out, done.is_err());
        out.clear();
    }
    Ok(tally)
}

/// The reasons against every agent are right: whoever is not offered a call has one, and ages are the twin's.
fn explains(acd: &Acd, twin: &Naive, now: Time) -> Result<(), String> {
    for call in &twin.calls {
        for (&id, agent) in &twin.agents {
            let standing = acd.suits(now, id, Whom::Call(call.id)).ok_or("nobody to ask about")?;
            let rung = call.ringing.contains(&id);
            let age = if !call.ringing.is_empty() || call.direct.is_some() {
                standing.from_age
            } else {
                twin.least_age(call, agent)
            };
            if standing.obstacles.is_empty() != rung || standing.from_age != age {
                return Err(format!("{id} towards {}: {standing:?}, by the twin from {age:?}", call.id));
            }
        }
    }
    Ok(())
}

/// What a run reached: a comparison of nothing proves nothing.
#[derive(Default, Debug)]
struct Tally {
    offers: u64,
    by_agent: u64,
    direct: u64,
    runners_up: u64,
    overflows: u64,
    withdrawn: u64,
    denied: u64,
}

impl Tally {
    fn count(&mut self, decisions: &[Decision], denied: bool) {
        self.denied += u64::from(denied);
        for decision in decisions {
            match decision {
                Decision::Offer { why, .. } => {
                    self.offers += 1;
                    self.by_agent += u64::from(why.rule == Rule::HighestScore);
                    self.direct += u64::from(why.rule == Rule::DirectAgent);
                    self.runners_up += u64::from(why.runner_up.is_some());
                }
                Decision::Overflow { .. } => self.overflows += 1,
                Decision::Withdraw { .. } => self.withdrawn += 1,
                Decision::Agent { .. } => {}
            }
        }
    }

    fn add(&mut self, other: &Tally) {
        self.offers += other.offers;
        self.by_agent += other.by_agent;
        self.direct += other.direct;
        self.runners_up += other.runners_up;
        self.overflows += other.overflows;
        self.withdrawn += other.withdrawn;
        self.denied += other.denied;
    }
}

#[test]
fn decides_as_the_naive_twin_does() {
    let mut total = Tally::default();
    for seed in 0..SYSTEMS {
        match compare(seed, COMMANDS / SYSTEMS, Twist::None) {
            Ok(tally) => total.add(&tally),
            Err(difference) => panic!("{difference}"),
        }
    }
    let enough = COMMANDS / 200;
    let least = total.offers.min(total.by_agent).min(total.runners_up).min(total.overflows).min(total.denied);
    assert!(least > enough && total.direct > enough / 2 && total.withdrawn > enough / 10, "{total:?}");
}

#[test]
fn a_twin_with_one_rule_wrong_is_found_out() {
    let twists = [
        Twist::NoAgeing,
        Twist::NoRelaxation,
        Twist::RelaxesLate,
        Twist::NewestFirst,
        Twist::ShortestIdle,
        Twist::IgnoresLevels,
        Twist::IgnoresSkillCount,
        Twist::PersonalLast,
        Twist::DeclineLosesPlace,
        Twist::AbandonLosesTurn,
        Twist::TimesOutBeforeWrapUp,
        Twist::CountsRingingAsWaiting,
        Twist::SignOutKeepsStranded,
        Twist::TickAtOnce,
        Twist::IgnoresNeed,
        Twist::IgnoresPreferred,
        Twist::IgnoresSites,
        Twist::IgnoresReserve,
        Twist::IgnoresOrder,
        Twist::IgnoresWeight,
        Twist::IgnoresPrediction,
        Twist::ForcesNobody,
        Twist::NeverExtends,
        Twist::KeepsExpired,
        Twist::IgnoresPreference,
        Twist::IgnoresMisses,
        Twist::NeverPauses,
        Twist::WishesForEver,
        Twist::IgnoresWishes,
        Twist::IgnoresEfficiency,
        Twist::IgnoresLoad,
        Twist::IgnoresForecast,
        Twist::BelievesForEver,
        Twist::ScalesByNothing,
        Twist::HelpsAlways,
        Twist::HelpsLastOne,
        Twist::GoesTooSoon,
        Twist::RingsOne,
        Twist::RingsOn,
        Twist::NobodyRings,
    ];
    for twist in twists {
        let found = (0..SYSTEMS).find(|&seed| compare(seed, 1_200, twist).is_err());
        assert!(found.is_some(), "{twist:?} went unnoticed");
    }
}

#[test]
fn written_out_in_mid_run_and_read_back_it_goes_on_alike() {
    for seed in 0..12 {
        let (mut system, mut twin) = (System::new(seed), Naive::new(seed, Twist::None));
        let mut acd = Acd::new(seed);
        let mut restored: Option<Acd> = None;
        for step in 0..1_200 {
            let command = system.next(&twin);
            let (mut out, mut again) = (Vec::new(), Vec::new());
            let done = acd.apply(system.now, command.clone(), &mut out);
            if let Some(restored) = &mut restored {
                assert_eq!(restored.apply(system.now, command.clone(), &mut again), done);
                assert_eq!(again, out, "system {seed}, command {step}: {command:?}");
            }
            assert_eq!(twin.apply(system.now, command), (out, done));
            if step % 200 == 0 {
                let bytes = postcard::to_allocvec(&acd).unwrap();
                let read: Acd = postcard::from_bytes(&bytes).unwrap();
                assert_eq!(read, acd);
                assert_eq!(postcard::to_allocvec(&read).unwrap(), bytes, "equal states, equal bytes");
                restored = Some(read);
            }
        }
        assert_eq!(restored.as_ref(), Some(&acd));
    }
}

/// Commands as the switch journals them: what is due by a command of its own, and nothing that was denied.
struct Journalled {
    acd: Acd,
    lines: Vec<String>,
    decided: Vec<Decision>,
}

impl Journalled {
    fn tell(&mut self, now: Time, command: Command) {
        if command != Command::Tick && self.acd.poll_timeout().is_some_and(|at| at <= now) {
            self.tell(now, Command::Tick);
        }
        if self.acd.apply(now, command.clone(), &mut self.decided).is_ok() {
            self.lines.push(serde_json::to_string(&(now, command)).unwrap());
        }
    }

    /// The decisions of the lines from this one on, after which the state must be the same.
    fn replay(&self, mut acd: Acd, from: usize) -> Vec<Decision> {
        let mut decided = Vec::new();
        for line in &self.lines[from..] {
            let (at, command) = serde_json::from_str(line).unwrap();
            acd.apply(at, command, &mut decided).unwrap();
        }
        // A denied command is no line of the journal, but the time it came at was seen.
        acd.apply(self.acd.now(), Command::Tick, &mut decided).unwrap();
        assert_eq!(acd, self.acd);
        assert_eq!(acd.digest(), self.acd.digest());
        decided
    }
}

#[test]
fn the_text_of_a_journal_leads_to_the_same_decisions_and_the_same_state() {
    for seed in 0..24 {
        let (mut system, mut twin) = (System::new(seed), Naive::new(seed, Twist::None));
        let mut live = Journalled { acd: Acd::new(seed), lines: Vec::new(), decided: Vec::new() };
        let mut snapshots = vec![(Acd::new(seed).to_bytes(), 0, 0)];
        for step in 0..1_200 {
            if step % 400 == 399 {
                assert_eq!(live.acd.digest(), Digest::of(&live.acd.to_bytes()));
                snapshots.push((live.acd.to_bytes(), live.lines.len(), live.decided.len()));
            }
            let command = system.next(&twin);
            let _ = twin.apply(system.now, command.clone());
            live.tell(system.now, command);
        }
        for (bytes, line, decision) in snapshots {
            let acd = Acd::from_bytes(&bytes).unwrap();
            assert_eq!(live.replay(acd, line), live.decided[decision..], "system {seed} from line {line}");
        }
    }
}

#[test]
fn no_command_leaves_the_fingerprint_as_it_was_unless_it_leaves_the_state() {
    for seed in 0..12 {
        let (mut system, mut twin, mut acd) = (System::new(seed), Naive::new(seed, Twist::None), Acd::new(seed));
        for _ in 0..600 {
            let before = acd.clone();
            let command = system.next(&twin);
            let _ = twin.apply(system.now, command.clone());
            let _ = acd.apply(system.now, command, &mut Vec::new());
            assert_eq!(acd == before, acd.digest() == before.digest());
        }
    }
}
