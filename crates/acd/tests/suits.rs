//! Why an agent is not offered a call: every obstacle is named, and nothing else is.
#![allow(clippy::unwrap_used)]

use busyhour_acd::{
    Acd, AgentChoice, AgentSpec, Command, Enqueue, Need, Obstacle, Policy, QueueSpec, Reserve, Standing, Whom,
};
use busyhour_model::{AgentId, AgentState, CallId, QueueId, SkillId, Time};
use std::time::Duration;

const CREDIT: SkillId = SkillId(1);
const ENGLISH: SkillId = SkillId(2);
const QUEUE: Whom = Whom::Next(QueueId(0));

fn queue() -> QueueSpec {
    QueueSpec {
        id: QueueId(0),
        required: vec![(CREDIT, 3)],
        relax: vec![(Duration::from_secs(15), vec![(CREDIT, 1)])],
        priority: 0,
        goal: Duration::from_secs(20),
        choice: AgentChoice::LeastSkilled,
        wait_max: None,
        waiting_max: None,
        overflow_no_agents: false,
        wrap_up: Duration::ZERO,
        policy: Policy::default(),
    }
}

struct Scene(Acd);

impl Scene {
    /// Agent 0, alone, with credit at this level; ready from second 1 on.
    fn new(queue: QueueSpec, level: u8) -> Scene {
        let mut scene = Scene(Acd::new(1));
        scene.at(0, Command::SetQueue(Box::new(queue)));
        scene.agent(0, level);
        scene
    }

    fn agent(&mut self, id: u32, level: u8) {
        let agent = AgentId(id);
        self.at(0, Command::SetAgent(AgentSpec::new(agent, vec![(CREDIT, level)])));
        self.at(1, Command::SignIn { agent, not_ready: None });
    }

    fn at(&mut self, secs: u64, command: Command) {
        self.0.apply(Time::from_secs(secs), command, &mut Vec::new()).unwrap();
        self.0.check();
    }

    fn enqueue(&mut self, secs: u64, call: u64, required: Vec<(SkillId, u8)>, agent: Option<u32>) {
        let (call, queue, since) = (CallId(call), QueueId(0), Time::from_secs(secs));
        self.at(
            secs,
            Command::Enqueue(Enqueue {
                call,
                queue,
                required,
                priority: 0,
                since,
                agent: agent.map(AgentId),
                prefer: None,
            }),
        );
    }

    fn suits(&self, secs: u64, whom: Whom) -> Standing {
        self.0.suits(Time::from_secs(secs), AgentId(0), whom).unwrap()
    }

    fn obstacles(&self, secs: u64, whom: Whom) -> Vec<Obstacle> {
        self.suits(secs, whom).obstacles
    }
}

#[test]
fn who_may_take_the_next_call_has_nothing_in_the_way() {
    let mut scene = Scene::new(queue(), 3);
    assert_eq!(scene.obstacles(2, QUEUE), []);
    assert_eq!(scene.suits(2, QUEUE).from_age, Some(Duration::ZERO));
    scene.at(3, Command::NotReady { agent: AgentId(0), reason: "lunch".into() });
    assert_eq!(scene.obstacles(4, QUEUE), [Obstacle::State(AgentState::NotReady)]);
    assert_eq!(scene.0.suits(Time::from_secs(4), AgentId(9), QUEUE), None, "nobody has that id");
    assert_eq!(scene.0.suits(Time::from_secs(4), AgentId(0), Whom::Next(QueueId(9))), None);
    assert_eq!(scene.0.suits(Time::from_secs(4), AgentId(0), Whom::Call(CallId(9))), None);
}

#[test]
fn a_skill_too_low_is_in_the_way_until_it_is_relaxed() {
    let mut scene = Scene::new(queue(), 2);
    let low = Obstacle::Skill { skill: CREDIT, wanted: 3, held: 2 };
    let age = Duration::from_secs(15);
    assert_eq!(scene.obstacles(2, QUEUE), [low, Obstacle::Age(age)]);
    scene.enqueue(10, 1, Vec::new(), None);
    assert_eq!(scene.obstacles(24, Whom::Call(CallId(1))), [low, Obstacle::Age(age)]);
    scene.at(25, Command::Tick);
    scene.enqueue(30, 2, vec![(ENGLISH, 1)], None);
    let english = Obstacle::Skill { skill: ENGLISH, wanted: 1, held: 0 };
    let busy = Obstacle::State(AgentState::Ringing);
    assert_eq!(scene.obstacles(60, Whom::Call(CallId(2))), [busy, low, english]);
    assert_eq!(scene.suits(60, Whom::Call(CallId(2))).from_age, None);
}

#[test]
fn expressions_sites_and_reserves_are_named() {
    let english = Need::Skill(ENGLISH, 1);
    let spec = |policy| QueueSpec { required: Vec::new(), relax: Vec::new(), policy, ..queue() };
    let table = [
        (Policy { need: Some(english), ..Policy::default() }, vec![Obstacle::Need]),
        (Policy { sites: vec![(7, Duration::ZERO)], ..Policy::default() }, vec![Obstacle::Site(0)]),
        (
            Policy { sites: vec![(0, Duration::from_secs(5))], ..Policy::default() },
            vec![Obstacle::Age(Duration::from_secs(5))],
        ),
        (
            Policy { reserve: vec![Reserve { of: Need::Skill(CREDIT, 1), keep: 1 }], ..Policy::default() },
            vec![Obstacle::Reserve { idle: 1, keep: 1 }],
        ),
        (Policy { reserve: vec![Reserve { of: Need::Skill(CREDIT, 1), keep: 0 }], ..Policy::default() }, vec![]),
    ];
    for (policy, obstacles) in table {
        let scene = Scene::new(spec(policy.clone()), 1);
        assert_eq!(scene.obstacles(2, QUEUE), obstacles, "{policy:?}");
    }
}

#[test]
fn a_call_in_other_hands_is_not_for_this_agent() {
    let mut scene = Scene::new(queue(), 3);
    scene.agent(1, 3);
    scene.enqueue(5, 1, Vec::new(), None);
    assert_eq!(scene.obstacles(5, Whom::Call(CallId(1))), [], "it is this agent who is rung");
    scene.enqueue(6, 2, Vec::new(), None);
    let ringing = Obstacle::State(AgentState::Ringing);
    assert_eq!(scene.obstacles(6, Whom::Call(CallId(2))), [Obstacle::Offered(AgentId(1)), ringing]);
    scene.enqueue(7, 3, Vec::new(), Some(1));
    assert_eq!(scene.obstacles(7, Whom::Call(CallId(3))), [Obstacle::Personal(AgentId(1)), ringing]);
    scene.enqueue(8, 4, Vec::new(), Some(0));
    assert_eq!(scene.obstacles(8, Whom::Call(CallId(4))), [ringing], "the own call waits for the end of this one");
}

#[test]
fn idle_agents_who_suit_better_are_counted() {
    let mut scene = Scene::new(QueueSpec { choice: AgentChoice::MostSkilled, ..queue() }, 3);
    scene.agent(1, 5);
    scene.agent(2, 4);
    scene.agent(3, 3);
    assert_eq!(scene.suits(2, QUEUE).better, 2);
}
