//! What is to happen in a world: who calls when, how phones behave, how bad the wires are, what the operator does.

use crate::bots::Bots;
use crate::network::Faults;
use crate::peer::{AGENT_HZ, Action, Answering, CALLER_HZ, CallerSetup, Ending, PhoneSetup};
use crate::supervision::Supervision;
use crate::town;
use busyhour_media::Library;
use busyhour_model::{CallId, G711, Name, Seed, Voice};
use busyhour_switch::{Destination, Request, Setup};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Something somebody does at a given time.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A caller dials.
    Call(Box<CallerSetup>),
    /// An agent, supervisor or operator asks the switch.
    Ask(Box<Request>),
    /// A supervisor does something with a call that talks.
    Supervise {
        /// Agent number.
        supervisor: Name,
        /// What.
        how: Supervision,
    },
    /// An agent dials from the phone.
    Dial {
        /// Agent number.
        number: String,
        /// What is dialled.
        code: String,
    },
    /// An agent holds the first call, or takes it back.
    Hold {
        /// Agent number.
        number: String,
        /// Hold or take back.
        on: bool,
    },
    /// An agent goes on with the call on the other phone: the last with this number.
    TakeOver {
        /// Agent number.
        number: String,
    },
    /// An agent hangs up.
    HangUp {
        /// Agent number.
        number: String,
    },
    /// An agent passes the first call on by the phone (REFER).
    PassOn {
        /// Agent number.
        number: String,
        /// To whom; `None`: to the other side of the second call.
        to: Option<String>,
    },
    /// A phone takes back its registration.
    Unregister {
        /// Agent number.
        number: String,
    },
    /// A phone registers anew.
    Register {
        /// Agent number.
        number: String,
    },
    /// A phone's cable is pulled out, or put back.
    Plug {
        /// Agent number.
        number: String,
        /// Put back.
        on: bool,
    },
    /// Switch and media worker are written out and read back.
    Restore,
}

/// A scenario; equal ones lead to equal worlds.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Of everything random in the world.
    pub seed: u64,
    /// The switch's configuration.
    pub setup: Setup,
    /// Prompts.
    pub library: Arc<Library>,
    /// Waits are foreseen this often while somebody waits.
    pub foresee: Option<Duration>,
    /// The wires.
    pub faults: Faults,
    /// Who answers look-ups.
    pub service: Service,
    /// Who talks with callers.
    pub bots: Bots,
    /// Nothing that is recorded can be written.
    pub disk_full: bool,
    /// Agents' phones.
    pub phones: Vec<PhoneSetup>,
    /// What happens, and how long after the start.
    pub deeds: Vec<(Duration, Deed)>,
}

/// The program dialplans ask, behind an unreliable wire.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Status and body by address.
    pub answer: fn(&str) -> (u16, &'static str),
    /// An answer takes at most so long.
    pub delay_max: Duration,
    /// Requests never answered.
    pub lost_per_mille: u32,
}

impl Default for Service {
    /// Knows nobody.
    fn default() -> Service {
        Service { answer: |_| (404, ""), delay_max: Duration::from_millis(50), lost_per_mille: 0 }
    }
}

/// Callers and agents behave badly within this time from the start.
pub const STORM: Duration = Duration::from_secs(90);

impl Scenario {
    /// Good wires, so many agents who answer, nobody calls yet.
    pub fn calm(seed: u64, agents: usize) -> Scenario {
        let mut scenario = Scenario {
            seed,
            setup: town::setup(agents),
            library: town::library(),
            foresee: Some(SECOND),
            faults: Faults::NONE,
            service: Service::default(),
            bots: Bots::default(),
            disk_full: false,
            phones: Vec::new(),
            deeds: Vec::new(),
        };
        scenario.phones = (0..agents).map(|index| scenario.phone(index)).collect();
        scenario
    }

    /// Anything may happen: bad wires, absent agents, impatient callers, a reload, a restart.
    pub fn storm(seed: u64) -> Scenario {
        let mut random = Seed(seed);
        let mut scenario = Scenario::calm(seed, 1 + random.below(5) as usize);
        scenario.faults = faults(&mut random);
        if random.per_mille(400) {
            town::choose_policies(&mut scenario.setup, &mut random);
        }
        if random.per_mille(200) {
            scenario.setup.trunks[0].channels = 1 + random.below(3) as u32;
        }
        if random.per_mille(300) {
            town::brief_agents(&mut scenario.setup);
        }
        scenario.setup.ring_timeout = random.between(5 * SECOND, 45 * SECOND);
        if random.per_mille(300) {
            scenario.setup.limits.qualify = random.between(10 * SECOND, 60 * SECOND);
        }
        for phone in &mut scenario.phones {
            phone.answering = answering(&mut random);
            phone.ending = ending(&mut random);
            phone.hold =
                random.per_mille(150).then(|| (random.between(SECOND, 3 * SECOND), random.between(SECOND, 4 * SECOND)));
            if random.per_mille(300) {
                phone.codecs = vec![G711::Mu];
            }
        }
        if seed % 8 == 5 {
            // A phone that is heard by nobody.
            scenario.phones[0].tone_hz = 0;
        }
        let mut customer = scenario.customer();
        (customer.answering, customer.ending) = (answering(&mut random), ending(&mut random));
        scenario.phones.push(customer);
        for index in 0..2 + random.below(7) {
            let at = random.between(SECOND, STORM - 20 * SECOND);
            let mut caller = scenario.caller(index as usize, script(&mut random));
            if random.per_mille(300) {
                caller.number = scenario.caller(0, Vec::new()).number;
            }
            match random.below(20) {
                0 => caller.dialled = "12345678".into(),
                1..4 => caller.dialled = town::DIRECT.into(),
                4..7 => (caller.dialled, caller.script) = (town::MACHINE.into(), to_the_machine(&mut random)),
                _ => {}
            }
            scenario.deeds.push((at, Deed::Call(Box::new(caller))));
        }
        for _ in 0..random.below(8) {
            let deed = scenario.meddling(&mut random);
            scenario.deeds.push((random.between(SECOND, STORM), deed));
        }
        for _ in 0..random.below(6) {
            scenario.pass_on(&mut random);
        }
        for _ in 0..random.below(4) {
            scenario.join_in(&mut random);
        }
        scenario.withhold(&mut random);
        scenario.bots = Bots::moody(random.between(SECOND / 10, 8 * SECOND), random.between(SECOND / 100, SECOND));
        if random.per_mille(300) {
            scenario.unplug(&mut random);
        }
        if random.per_mille(400) {
            town::add_bot(&mut scenario.setup);
        }
        scenario
    }

    /// A phone's cable is pulled out, and put back before or after anybody may have noticed.
    fn unplug(&mut self, random: &mut Seed) {
        let number = random.choose(&self.setup.agents).expect("a scenario has agents").number.to_string();
        let out = random.between(SECOND, STORM / 3);
        let back = out + random.between(SECOND, STORM);
        self.deeds.push((out, Deed::Plug { number: number.clone(), on: false }));
        self.deeds.push((back, Deed::Plug { number, on: true }));
    }

    /// Some callers, each with a number of its own, show it to nobody.
    fn withhold(&mut self, random: &mut Seed) {
        for (index, (_, deed)) in self.deeds.iter_mut().enumerate() {
            if let Deed::Call(caller) = deed
                && random.per_mille(200)
            {
                (caller.number, caller.withheld) = (format!("1390013{:04}", 9000 + index), true);
            }
        }
    }

    /// An agent passes whoever is there on, perhaps after asking a colleague, and may not wait for how that goes.
    fn pass_on(&mut self, random: &mut Seed) {
        let number = random.choose(&self.setup.agents).expect("a scenario has agents").number.to_string();
        let whom = [
            "1001",
            "1002",
            "1003",
            town::NUMBER,
            town::MACHINE,
            "enquiry",
            "13912345678",
            "nobody",
            "801",
            "*68",
            "*8",
        ];
        let whom = |random: &mut Seed| random.choose(&whom).expect("several").to_string();
        let mut at = random.between(5 * SECOND, STORM);
        let mut then = |random: &mut Seed, deed| {
            at += random.between(Duration::from_millis(20), 4 * SECOND);
            self.deeds.push((at, deed));
        };
        let asks = random.per_mille(600);
        if asks {
            then(random, Deed::Hold { number: number.clone(), on: true });
            let code = whom(random);
            then(random, Deed::Dial { number: number.clone(), code });
        }
        let to = (!asks || random.per_mille(200)).then(|| whom(random));
        then(random, Deed::PassOn { number: number.clone(), to });
        if random.per_mille(400) {
            then(random, Deed::HangUp { number });
        }
    }

    /// The phone of the agent `1001 + index`; answers in a moment, waits for the caller's BYE.
    pub fn phone(&self, index: usize) -> PhoneSetup {
        let agent = &self.setup.agents[index];
        let host = Ipv4Addr::new(10, 1, (index / 250) as u8, 1 + (index % 250) as u8);
        PhoneSetup {
            number: agent.number.to_string(),
            password: agent.password.to_string(),
            domain: self.setup.domain.clone(),
            sip: SocketAddr::new(host.into(), 5060),
            media: SocketAddr::new(host.into(), 4000),
            registrar: Some(self.setup.locals[0].1),
            expires: Duration::from_secs(600),
            codecs: vec![G711::A, G711::Mu],
            tone_hz: AGENT_HZ,
            listen_hz: CALLER_HZ,
            answering: Answering::After(SECOND / 2, SECOND),
            ending: Ending::Wait,
            hold: None,
        }
    }

    /// Who answers when we call a customer by the trunk, one at a time: in a moment, and hangs up some seconds later.
    pub fn customer(&self) -> PhoneSetup {
        PhoneSetup {
            number: "customer".into(),
            sip: town::CUSTOMERS,
            media: SocketAddr::new(town::CUSTOMERS.ip(), 4000),
            registrar: None,
            tone_hz: CALLER_HZ,
            listen_hz: AGENT_HZ,
            ending: Ending::HangUp(3 * SECOND, 5 * SECOND),
            ..self.phone(0)
        }
    }

    /// A caller behind the trunk who does this.
    pub fn caller(&self, index: usize, script: Vec<Action>) -> CallerSetup {
        let host = Ipv4Addr::new(10, 9, (index / 250) as u8, 1 + (index % 250) as u8);
        CallerSetup {
            number: format!("1380013{:04}", 8000 + index),
            withheld: false,
            dialled: town::NUMBER.into(),
            domain: self.setup.domain.clone(),
            sip: SocketAddr::new(host.into(), 5060),
            media: SocketAddr::new(host.into(), 4000),
            target: self.setup.locals[0].1,
            codecs: vec![G711::A, G711::Mu],
            tone_hz: CALLER_HZ,
            listen_hz: AGENT_HZ,
            script,
        }
    }

    fn meddling(&self, random: &mut Seed) -> Deed {
        let agent = random.choose(&self.setup.agents).expect("a scenario has agents").number.clone();
        let number = agent.to_string();
        match random.below(15) {
            0 => Deed::Ask(Box::new(Request::Ready { agent })),
            1 => Deed::Ask(Box::new(Request::NotReady { agent, reason: "break".into(), force: random.per_mille(500) })),
            2 => Deed::Ask(Box::new(Request::SignOut { agent })),
            3 => Deed::Ask(Box::new(Request::Reload(Box::new(town::changed(&self.setup, random))))),
            4 => Deed::Dial {
                number,
                code: random.choose(&["*71", "*72", "*722", "*73", "*97"]).expect("five").to_string(),
            },
            5 => {
                Deed::Dial { number, code: random.choose(&["1001", "1002", town::NUMBER]).expect("three").to_string() }
            }
            6 => Deed::Unregister { number },
            7 => Deed::Register { number },
            8 | 9 => Deed::Ask(Box::new(transfer(random))),
            10 => Deed::Ask(Box::new(Request::ExtendWrapUp { agent, by: random.between(SECOND, 5 * SECOND) })),
            11 | 12 => Deed::Ask(Box::new(town::change(&self.setup, random))),
            13 => {
                let hows = [
                    Supervision::Pause,
                    Supervision::Hear(Voice::Listen),
                    Supervision::Hear(Voice::Whisper),
                    Supervision::Merge,
                ];
                Deed::Supervise { supervisor: agent, how: random.choose(&hows).expect("four").clone() }
            }
            _ => Deed::Restore,
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn faults(random: &mut Seed) -> Faults {
    if random.per_mille(300) {
        return Faults::NONE;
    }
    Faults {
        loss: random.below(200) as u32,
        duplication: random.below(100) as u32,
        delay_min: Duration::from_millis(random.below(20)),
        delay_max: Duration::from_millis(20 + random.below(400)),
    }
}

fn answering(random: &mut Seed) -> Answering {
    match random.below(10) {
        0 => Answering::Never,
        1 => Answering::Refuse(if random.per_mille(500) { 486 } else { 603 }),
        2 => Answering::Vanish,
        _ => Answering::After(Duration::from_millis(50), 3 * SECOND),
    }
}

fn ending(random: &mut Seed) -> Ending {
    match random.below(8) {
        0..4 => Ending::Wait,
        4 => Ending::Vanish(random.between(SECOND, 5 * SECOND)),
        _ => Ending::HangUp(SECOND, 8 * SECOND),
    }
}

/// What a caller may do: reach an agent, press anything, give up anywhere.
fn script(random: &mut Seed) -> Vec<Action> {
    let patience = random.between(5 * SECOND, 60 * SECOND);
    let mut script = match random.below(10) {
        0 => vec![Action::Wait(random.between(Duration::ZERO, SECOND / 5)), Action::HangUp],
        1 => vec![
            Action::AwaitAnswer(30 * SECOND),
            Action::Wait(random.between(Duration::ZERO, 8 * SECOND)),
            Action::HangUp,
        ],
        2 => random_keys(random),
        3 => out_and_back(random),
        4 => gives_up(random),
        5 => to_be_called_back(random),
        _ => to_an_agent(random.per_mille(200)),
    };
    script.push(Action::AwaitTone(patience));
    script.push(Action::Wait(random.between(SECOND, 6 * SECOND)));
    if random.per_mille(700) {
        script.push(Action::HangUp);
    }
    script
}

/// Language 1, service 1.
pub fn to_an_agent(by_info: bool) -> Vec<Action> {
    let press = if by_info { Action::PressInfo } else { Action::Press };
    vec![
        Action::AwaitAnswer(30 * SECOND),
        Action::AwaitSound(10 * SECOND),
        press('1'),
        Action::Wait(SECOND / 2),
        press('1'),
    ]
}

/// One of the first callers, if talking then, goes on elsewhere.
fn transfer(random: &mut Seed) -> Request {
    let queue = |name: &str| Destination::Queue(name.into());
    let places = [queue("enquiry"), queue("complaint"), queue("nowhere"), Destination::Node("main".into())];
    let to = random.choose(&places).expect("four places").clone();
    Request::Transfer { call: CallId(1 + random.below(5)), to }
}

/// To an agent; out of the queue by `*` after so long, and from the menu back into it.
fn out_and_back(random: &mut Seed) -> Vec<Action> {
    let mut script = to_an_agent(false);
    for _ in 0..1 + random.below(3) {
        script.push(Action::Wait(random.between(SECOND, 6 * SECOND)));
        script.push(Action::Press('*'));
        script.push(Action::Wait(random.between(SECOND / 2, 3 * SECOND)));
        script.push(Action::Press(*random.choose(&['1', '1', '1', '2', '3']).expect("five keys")));
    }
    script
}

/// Waits a little, then wants to be called back.
fn to_be_called_back(random: &mut Seed) -> Vec<Action> {
    let mut script = to_an_agent(false);
    script.extend([Action::Wait(random.between(SECOND, 6 * SECOND)), Action::Press('2')]);
    script
}

/// Waits for an agent, and not for long.
fn gives_up(random: &mut Seed) -> Vec<Action> {
    let mut script = to_an_agent(false);
    script.extend([Action::Wait(random.between(SECOND, 8 * SECOND)), Action::HangUp]);
    script
}

/// Leaves messages, listens to them, is passed on, in any order.
fn to_the_machine(random: &mut Seed) -> Vec<Action> {
    let mut script = vec![Action::AwaitAnswer(30 * SECOND)];
    for _ in 0..1 + random.below(6) {
        script.push(Action::Press(*random.choose(&['1', '1', '2', '3', '4', '4', '5', '6', '#']).expect("nine")));
        script.push(Action::Wait(random.between(SECOND / 2, 6 * SECOND)));
    }
    script.push(Action::HangUp);
    script
}

fn random_keys(random: &mut Seed) -> Vec<Action> {
    let mut script = vec![Action::AwaitAnswer(30 * SECOND)];
    for _ in 0..random.below(8) {
        let key = *random.choose(&['0', '1', '2', '3', '4', '5', '9', '*', '#']).expect("nine keys");
        script.push(Action::Wait(random.between(SECOND / 10, 3 * SECOND)));
        script.push(Action::Press(key));
    }
    script
}
