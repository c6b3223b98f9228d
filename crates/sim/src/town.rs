//! The small hotline every scenario is set in: one trunk, three queues, agents 1001 and up, the shipped dialplan.

use crate::world::START;
use busyhour_acd::{AgentChoice, Backup, Need, NoAnswer, Order, Policy, Reserve, Weights};
use busyhour_ivr::{Dialplan, Names};
use busyhour_media::Library;
use busyhour_model::calendar::Clock;
use busyhour_model::{Days, Name, Opening, Pattern, Schedule, Seed};
use busyhour_switch::{
    AgentSetup, CallbackSetup, Change, Closing, Limits, Network, Networks, NumberRoute, Peer, QueueSetup, Recorded,
    RecordingSetup, Request, Setup, Slots, StarCodes, TierSetup, Transport, TrunkPolicy, TrunkSetup, VoicemailSetup,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Where the carrier takes our calls to its customers.
pub(crate) const CUSTOMERS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 255, 1)), 5060);
/// Where carriers and their callers are, beyond a NAT, and what they are told of where we are.
const CARRIERS: &str = "10.9.0.0/16";
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10));
/// The hotline's number.
pub const NUMBER: &str = "95118";
/// A number that rings agent 1001 and answers only when the agent does.
pub(crate) const DIRECT: &str = "95119";
/// Answered by a machine.
pub(crate) const MACHINE: &str = "95120";
const QUEUES: [&str; 3] = ["enquiry", "complaint", "general"];
/// Two agents out of three are at one of these.
const SITES: [&str; 2] = ["shanghai", "chengdu"];
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
const PLAN: &str = include_str!("../../../dialplans/hotline.toml");
const DIRECT_PLAN: &str = r#"
name = "direct"
start = "ring"

[node.ring]
dial = { agent = "1001" }
timeout = "20s"
else = "end"

[node.end]
hangup = 480
"#;
/// A machine that talks, listens and passes callers on.
const MACHINE_PLAN: &str = r##"
name = "machine"
start = "ask"

[node.ask]
menu = "ivr/welcome"
keys = { 1 = "leave", 2 = "speak", 3 = "pass", 4 = "listen", 5 = "press", 6 = "chat" }
timeout = "2s"
too_many = "end"

[node.leave]
voicemail = "enquiry"
longest = "5s"
then = "ask"
else = "end"

[node.speak]
record = "words"
longest = "4s"
silence = "0s"
then = "keep"
else = "ask"

[node.keep]
menu = [{ recording = "$words" }]
keys = { 1 = "deposit", 2 = "speak" }
timeout = "2s"
too_many = "end"

[node.deposit]
voicemail = { agent = "1001" }
recording = "$words"
then = "ask"
else = "end"

[node.pass]
transfer = "02195118"
timeout = "5s"
failed = "ask"

[node.listen]
messages = "enquiry"
then = "ask"

[node.press]
dtmf = "1,2#"
then = "ask"

[node.chat]
bot = "robin"
timeout = "10s"
outcomes = { agent = "wait" }
then = "ask"
failed = "end"

[node.wait]
queue = "enquiry"
else = "end"

[node.end]
hangup = 480
cause = 16
"##;
const PHRASES: &str = include_str!("../../../prompts/phrases.tsv");
/// Every prompt here is that long: scenarios are about order, not about listening.
const PROMPT_MS: usize = 300;

/// The hotline with so many agents.
pub(crate) fn setup(agents: usize) -> Setup {
    let host = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    Setup {
        domain: "hotline.example".into(),
        locals: vec![(Transport::Udp, SocketAddr::new(host, 5060))],
        networks: Networks(vec![Network { peers: vec![CARRIERS.parse().expect("a network")], advertise: OUTSIDE }]),
        media_address: host,
        media_other: None,
        media_ports: (20_000, 20_198),
        groups: Vec::new(),
        trunks: vec![trunk()],
        numbers: [(NUMBER, "hotline"), (DIRECT, "direct"), (MACHINE, "machine")].map(route).into(),
        dialplans: plans(),
        schedules: Vec::new(),
        tiers: Vec::new(),
        queues: QUEUES.map(queue).into(),
        agents: (0..agents).map(agent).collect(),
        phones: Vec::new(),
        codes: StarCodes {
            slots: Some(Slots { first: 801, last: 802, patience: Duration::from_secs(20) }),
            ..StarCodes::default()
        },
        voicemail: VoicemailSetup::default(),
        recording: RecordingSetup { conversations: Recorded::All, ..RecordingSetup::default() },
        ring_timeout: Duration::from_secs(12),
        silence_timeout: Duration::from_secs(8),
        agent_silence_timeout: Duration::from_secs(5),
        call_max: Duration::from_secs(600),
        calls_max: 50,
        outside_limits: Vec::new(),
        terms: busyhour_switch::Terms::default(),
        secret: busyhour_model::KeySecret::default(),
        limits: Limits { session_expires: Duration::from_secs(90), ..Limits::default() },
    }
}

/// The same hotline after an operator's edit: other wrap-up and policies, one agent more or less, fewer channels.
pub(crate) fn changed(setup: &Setup, random: &mut Seed) -> Setup {
    let mut setup = setup.clone();
    setup.trunks[0].channels = 2 + random.below(20) as u32;
    for queue in &mut setup.queues {
        queue.wrap_up = Duration::from_secs(random.below(5));
        queue.waiting_max = Some(random.below(4) as u32);
    }
    choose_policies(&mut setup, random);
    match random.below(3) {
        0 if setup.agents.len() > 1 => drop(setup.agents.pop()),
        1 => setup.agents.push(agent(setup.agents.len())),
        _ => change_agent(&mut setup.agents[0], random),
    }
    setup
}

/// One agent or queue changed by itself, one more agent, or one less.
pub(crate) fn change(setup: &Setup, random: &mut Seed) -> Request {
    let other = changed(setup, random);
    let change = match random.below(4) {
        0 => Change::NoAgent(random.choose(&setup.agents).expect("a town has agents").number.clone()),
        1 => Change::Agent(agent(random.below(1 + setup.agents.len() as u64) as usize).into()),
        2 => Change::Agent(random.choose(&other.agents).expect("one is always left").clone().into()),
        _ => Change::Queue(random.choose(&other.queues).expect("a town has queues").clone().into()),
    };
    Request::Change { change, says: "otherwise".into(), by: "10.0.0.9".into() }
}

/// Another skill less, one for a short time only, another favourite.
fn change_agent(agent: &mut AgentSetup, random: &mut Seed) {
    agent.skills.truncate(1);
    let queue = |random: &mut Seed| Name::from(*random.choose(&QUEUES).expect("three"));
    agent.expires = vec![(queue(random), START + Duration::from_secs(random.below(120)))];
    agent.prefers = vec![(queue(random), random.below(400) as i32 - 200)];
}

/// Every queue asks for something else, and some are open by a schedule.
pub(crate) fn choose_policies(setup: &mut Setup, random: &mut Seed) {
    setup.schedules = vec![("office".into(), schedule(random))];
    setup.tiers = vec![tier(random)];
    for queue in &mut setup.queues {
        queue.policy = policy(random);
        queue.schedule = random.per_mille(200).then(|| "office".into());
        queue.closing = if random.per_mille(500) { Closing::Overflow } else { Closing::Stay };
    }
}

/// Of some callers.
fn tier(random: &mut Seed) -> TierSetup {
    let number = format!("1380013800{}", random.below(4));
    let pattern = Pattern { digits: number.as_str().into(), prefix: random.per_mille(200) };
    TierSetup { name: "gold".into(), numbers: vec![pattern], priority: random.below(300) as i32 - 100 }
}

/// Closes within the first two minutes of a world, which begins on a Monday at 14:13:20, or opens then.
fn schedule(random: &mut Seed) -> Schedule {
    let edge = 14 * 60 + 14 + random.below(2) as u16;
    let clock = if random.per_mille(600) { Clock { from: 0, to: edge } } else { Clock { from: edge, to: 1440 } };
    Schedule { open: vec![Opening { days: Days::WEEKDAYS, clock }], ..Schedule::default() }
}

/// A library in which every phrase is a short sound.
pub(crate) fn library() -> Arc<Library> {
    let mut library = Library::new();
    let wav = wav(PROMPT_MS);
    for id in PHRASES.lines().filter_map(|line| line.split('\t').next()).filter(|id| !id.starts_with("system/")) {
        for language in ["zh", "en"] {
            library.insert(language, id, &wav).expect("a WAV file of ours is right");
        }
    }
    Arc::new(library)
}

fn plans() -> Vec<(Name, Dialplan)> {
    let names = Names { queues: QUEUES.map(Name::from).into(), bots: vec!["robin".into()], ..Names::default() };
    let parse = |(name, text): (&str, &str)| match Dialplan::parse(name, text, &names) {
        Ok(parsed) => (name.into(), parsed.plan),
        Err(mistakes) => panic!("the town's dialplans are right: {mistakes:?}"),
    };
    [("hotline", PLAN), ("direct", DIRECT_PLAN), ("machine", MACHINE_PLAN)].map(parse).into()
}

/// Agents are told of callers before they hear them, and callers of their agent.
pub(crate) fn brief_agents(setup: &mut Setup) {
    let more = "greeting = \"ivr/transfer\"\nannounce_agent = [\"agent/whisper-queue\", { number = \"$waited\", unit = \"minutes\" }]\n\
                agent_greeting = [{ agent_number = \"$served_by\" }, \"agent/serving\"]\n";
    let plan = PLAN.replace("greeting = \"ivr/transfer\"\n", more);
    let names = Names { queues: QUEUES.map(Name::from).into(), ..Names::default() };
    let plan = Dialplan::parse("hotline", &plan, &names).expect("the town's dialplan is right").plan;
    setup.dialplans.iter_mut().filter(|(name, _)| **name == *"hotline").for_each(|(_, old)| *old = plan.clone());
}

fn route((number, dialplan): (&str, &str)) -> NumberRoute {
    NumberRoute { number: number.into(), trunk: None, dialplan: dialplan.into(), calls_max: None }
}

fn trunk() -> TrunkSetup {
    TrunkSetup {
        sources: vec![CARRIERS.parse().expect("a network")],
        peers: vec![Peer::new(Transport::Udp, CUSTOMERS)],
        channels: 20,
        policy: TrunkPolicy { caller_id: Some("02195118".into()), ..TrunkPolicy::default() },
        ..TrunkSetup::new("carrier".into())
    }
}

fn queue(name: &str) -> QueueSetup {
    QueueSetup {
        name: name.into(),
        required: vec![(name.into(), 1)],
        relax: vec![(Duration::from_secs(15), Vec::new())],
        priority: 0,
        goal: Duration::from_secs(20),
        choice: AgentChoice::LongestIdle,
        wait_max: Some(Duration::from_secs(40)),
        waiting_max: Some(5),
        overflow_no_agents: true,
        auto_answer: false,
        wrap_up: Duration::from_secs(2),
        redial_within: Some(Duration::from_secs(30)),
        callback: CallbackSetup {
            max: 3,
            expires: Duration::from_secs(120),
            retries: 1,
            pause: Duration::from_secs(5),
            ring: Duration::from_secs(10),
        },
        policy: Policy::default(),
        schedule: None,
        closing: Closing::Stay,
        record: None,
        retention: None,
    }
}

/// Anything a queue may ask for besides its skills, often nothing.
fn policy(random: &mut Seed) -> Policy<Name, Name> {
    let mut some = |per_mille| random.per_mille(per_mille);
    let (needs, prefers, reserves, predicts, at_sites) = (some(300), some(300), some(300), some(300), some(400));
    let backs_up = some(300);
    let skill = |random: &mut Seed| Need::Skill(Name::from(*random.choose(&QUEUES).expect("three")), 1);
    let second = |random: &mut Seed| Duration::from_secs(random.below(20));
    Policy {
        order: *random.choose(&ORDERS).expect("twelve"),
        need: needs.then(|| Need::Any(vec![skill(random), Need::Not(skill(random).into())])),
        preferred: prefers.then(|| skill(random)),
        sites: SITES.iter().filter(|_| at_sites).map(|site| (Name::from(*site), second(random))).collect(),
        reserve: if reserves { vec![Reserve { of: skill(random), keep: 1 }] } else { Vec::new() },
        backup: if backs_up { vec![Backup { of: skill(random), wait: second(random) }] } else { Vec::new() },
        weight: 50 + random.below(200) as u32,
        wait_predicted_max: predicts.then(|| second(random)),
        ring_max: 1 + random.below(3) as u32,
        weights: Weights::default(),
        no_answer: NoAnswer {
            misses_max: random.below(3) as u32,
            pause: random.per_mille(500).then(|| second(random)),
        },
    }
}

fn agent(index: usize) -> AgentSetup {
    let skills = QUEUES.iter().enumerate().filter(|(q, _)| index % 4 == 3 || index % 3 == *q);
    AgentSetup {
        number: (1001 + index).to_string().into(),
        password: format!("secret-{index}").into(),
        name: format!("Agent {index}"),
        team: "town".into(),
        site: SITES.get(index % 3).map(|site| Name::from(*site)),
        weight: 1,
        skills: skills.map(|(_, name)| (Name::from(*name), 1)).collect(),
        expires: Vec::new(),
        prefers: Vec::new(),
        mailboxes: vec![QUEUES[0].into()],
        auto_ready: true,
        calls_max: (index == 4).then_some(1),
        ..AgentSetup::new("".into())
    }
}

/// One more agent, who is a bot and can do everything.
pub(crate) fn add_bot(setup: &mut Setup) {
    let bot = AgentSetup { bot: Some("robin".into()), password: "".into(), calls_max: None, ..agent(3) };
    setup.agents.push(AgentSetup { number: "9001".into(), ..bot });
}

/// A RIFF file of 400 Hz in A-law, 8 kHz.
fn wav(milliseconds: usize) -> Vec<u8> {
    let data: Vec<u8> = [[0x95; 10], [0x15; 10]].concat().into_iter().cycle().take(milliseconds * 8).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x06\0\x01\0");
    file.extend(8000u32.to_le_bytes());
    file.extend(8000u32.to_le_bytes());
    file.extend(b"\x01\0\x08\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}
