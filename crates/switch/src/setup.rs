//! What a switch is told at its start and at each reload. Validated by the shell; names are unique.

use crate::conversations::RecordingSetup;
use crate::groups::TrunkGroup;
use crate::limits::TrunkLimits;
use crate::mailboxes::VoicemailSetup;
use crate::parking::Slots;
use crate::policy::TrunkPolicy;
use busyhour_acd::{AgentChoice, Policy};
use busyhour_ivr::Dialplan;
use busyhour_model::{KeySecret, Name, Pattern, Schedule, Time};
use busyhour_sip::{Account, Limits, NamedPeer, Networks, Peer, Secret, Terms, Transport};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Everything configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Digest realm and host part of our identities.
    pub domain: String,
    /// Our SIP sockets, as peers reach them.
    pub locals: Vec<(Transport, SocketAddr)>,
    /// Who is told other addresses than ours, of SIP and of sound.
    pub networks: Networks,
    /// Our address in SDP.
    pub media_address: IpAddr,
    /// The same of the other family, IPv6 or IPv4, when both are spoken.
    pub media_other: Option<IpAddr>,
    /// First and last RTP port (even, inclusive); RTCP is the port above.
    pub media_ports: (u16, u16),
    /// Trunks.
    pub trunks: Vec<TrunkSetup>,
    /// Trunks that stand for each other.
    pub groups: Vec<TrunkGroup>,
    /// Dialled number (national form, or a prefix ending in `*`) to dialplan name, tried in order of length, longest first.
    pub numbers: Vec<NumberRoute>,
    /// Dialplans, by name.
    pub dialplans: Vec<(Name, Dialplan)>,
    /// Schedules queues are open by, by name.
    pub schedules: Vec<(Name, Schedule)>,
    /// Tiers of callers.
    pub tiers: Vec<TierSetup>,
    /// Queues.
    pub queues: Vec<QueueSetup>,
    /// Agents.
    pub agents: Vec<AgentSetup>,
    /// Phones that are nobody's own: agents sign in there by PIN.
    pub phones: Vec<Account>,
    /// Star codes agents dial.
    pub codes: StarCodes,
    /// What holds for all mailboxes.
    pub voicemail: VoicemailSetup,
    /// What is recorded of conversations.
    pub recording: RecordingSetup,
    /// An agent's phone rings so long.
    pub ring_timeout: Duration,
    /// A leg without RTP or RTCP for so long while it should send ends the call; zero: never.
    pub silence_timeout: Duration,
    /// An agent's phone silent for so long while it should send is lost: the caller waits again; zero: never.
    pub agent_silence_timeout: Duration,
    /// A call lasts at most so long.
    pub call_max: Duration,
    /// Calls at once; the next gets 503.
    pub calls_max: usize,
    /// Calls that one agent dials to numbers outside, or passes on there, within each of these spans, the next gets 403; none named:
    /// any number. Bounds what a stolen password can cost.
    pub outside_limits: Vec<(u32, Duration)>,
    /// What sound phones are offered, and what is taken from them.
    pub terms: Terms,
    /// What keys of sound are made of: of the system's randomness, another one at each start.
    pub secret: KeySecret,
    /// Bounds of the SIP stack.
    pub limits: Limits,
}

/// A trunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrunkSetup {
    /// Its name.
    pub name: Name,
    /// Source addresses.
    pub sources: Vec<IpNet>,
    /// It is known by its certificate, over TLS; with `sources` by both.
    pub certified: bool,
    /// It is known by a header, and by its source or certificate as well.
    pub secret: Option<Secret>,
    /// Where our calls go, as [`busyhour_sip::TrunkPeer::peers`]; so the next seven.
    pub peers: Vec<Peer>,
    /// The same by name.
    pub named: Vec<NamedPeer>,
    /// They are an outbound proxy.
    pub proxy: bool,
    /// Only by this socket of ours.
    pub bind: Option<SocketAddr>,
    /// How long a peer may be silent before the next is tried.
    pub patience: Duration,
    /// Our user part at the carrier, where it is not the digest user.
    pub user: Option<Name>,
    /// Our user part in From, whoever calls.
    pub from_user: Option<Name>,
    /// The digest names the domain.
    pub digest_domain: bool,
    /// Host part at the carrier.
    pub domain: Option<String>,
    /// Digest user and password at the carrier.
    pub credentials: Option<Account>,
    /// Keep registered, for so long a time.
    pub register: Option<Duration>,
    /// OPTIONS this often.
    pub probe: Option<Duration>,
    /// Ping connections this often.
    pub keep_alive: Option<Duration>,
    /// What sound it is offered, and what is taken from it.
    pub terms: Terms,
    /// Channels, both ways together; the next call gets `full_status`.
    pub channels: u32,
    /// 486 or 503.
    pub full_status: u16,
    /// Where to look for the dialled number.
    pub dialled_from: DialledFrom,
    /// Numbers: what it is told, what it is believed.
    pub policy: TrunkPolicy,
    /// How much it takes beside its channels.
    pub limits: TrunkLimits,
}

impl TrunkSetup {
    /// Whether calls can go out by it.
    pub fn leads_out(&self) -> bool {
        !(self.peers.is_empty() && self.named.is_empty())
    }

    /// A trunk nobody is known by, that leads nowhere.
    pub fn new(name: Name) -> TrunkSetup {
        TrunkSetup {
            name,
            sources: Vec::new(),
            certified: false,
            secret: None,
            peers: Vec::new(),
            named: Vec::new(),
            proxy: false,
            bind: None,
            patience: Duration::from_secs(4),
            user: None,
            from_user: None,
            digest_domain: false,
            domain: None,
            credentials: None,
            register: None,
            probe: None,
            keep_alive: None,
            terms: Terms::default(),
            channels: 10,
            full_status: 486,
            dialled_from: DialledFrom::default(),
            policy: TrunkPolicy::default(),
            limits: TrunkLimits::default(),
        }
    }
}

/// Which header names the dialled number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialledFrom {
    /// The Request-URI.
    #[default]
    RequestUri,
    /// The To header.
    To,
    /// Diversion / History-Info, else the Request-URI.
    Diversion,
}

/// One dialled number, or a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberRoute {
    /// National form (`95118`, `02195118` normalise alike), a prefix with `*`, or `*` alone.
    pub number: String,
    /// Only for calls from this trunk.
    pub trunk: Option<Name>,
    /// Dialplan name.
    pub dialplan: Name,
    /// Calls to such a number at once; the next gets 486.
    pub calls_max: Option<u32>,
}

/// Callers who are treated alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierSetup {
    /// Its name.
    pub name: Name,
    /// Their numbers: a whole one before prefixes, a national prefix before one with `+`, a longer before a shorter.
    pub numbers: Vec<Pattern>,
    /// Added to the head start in every queue, points.
    pub priority: i32,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueSetup {
    /// Its name.
    pub name: Name,
    /// Skills required, by name, with least level.
    pub required: Vec<(Name, u8)>,
    /// After so long, these instead.
    pub relax: Vec<(Duration, Vec<(Name, u8)>)>,
    /// Head start, points.
    pub priority: i32,
    /// Service goal.
    pub goal: Duration,
    /// Which agent.
    pub choice: AgentChoice,
    /// Overflow after so long.
    pub wait_max: Option<Duration>,
    /// Overflow beyond so many.
    pub waiting_max: Option<u32>,
    /// Overflow when nobody is signed in.
    pub overflow_no_agents: bool,
    /// Phones are asked to answer its offers by themselves.
    pub auto_answer: bool,
    /// After-call work.
    pub wrap_up: Duration,
    /// Who gave up waiting and calls again within this has the old place.
    pub redial_within: Option<Duration>,
    /// How callers who asked for it are called back.
    pub callback: CallbackSetup,
    /// What else it asks for; skills and sites by name.
    pub policy: Policy<Name, Name>,
    /// Open by this schedule; `None`: always.
    pub schedule: Option<Name>,
    /// What becomes of those who wait when it closes.
    pub closing: Closing,
    /// Whether its conversations are recorded; `None`: as [`RecordingSetup`] says.
    pub record: Option<bool>,
    /// For how long those recordings are kept: a name of the configuration.
    pub retention: Option<Name>,
}

/// What becomes of those who wait when a queue closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// They are served.
    #[default]
    Stay,
    /// They overflow (`Closed`), but for those whose agent is being rung.
    Overflow,
}

/// How callers are called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackSetup {
    /// So many may wait for it; 0: nobody is called back.
    pub max: u32,
    /// One waits at most so long.
    pub expires: Duration,
    /// After so many further attempts to reach the customer it ends.
    pub retries: u32,
    /// Between attempts.
    pub pause: Duration,
    /// The customer's phone rings so long.
    pub ring: Duration,
}

impl Default for CallbackSetup {
    fn default() -> CallbackSetup {
        CallbackSetup {
            max: 100,
            expires: Duration::from_secs(4 * 3600),
            retries: 2,
            pause: Duration::from_secs(300),
            ring: Duration::from_secs(45),
        }
    }
}

impl QueueSetup {
    /// A queue that asks for nothing.
    pub fn new(name: Name) -> QueueSetup {
        QueueSetup {
            name,
            required: Vec::new(),
            relax: Vec::new(),
            priority: 0,
            goal: Duration::from_secs(20),
            choice: AgentChoice::default(),
            wait_max: None,
            waiting_max: None,
            overflow_no_agents: false,
            auto_answer: false,
            wrap_up: Duration::ZERO,
            redial_within: None,
            callback: CallbackSetup::default(),
            policy: Policy::default(),
            schedule: None,
            closing: Closing::Stay,
            record: None,
            retention: None,
        }
    }

    /// Whether somebody with these skills, at this site, may take its calls: some time, the later steps included.
    pub fn admits(&self, skills: &[(Name, u8)], site: Option<&Name>) -> bool {
        let holds = |wanted: &[(Name, u8)]| wanted.iter().all(|(name, least)| level(skills, name) >= *least);
        let skilled = holds(&self.required) || self.relax.iter().any(|(_, required)| holds(required));
        let needed = self.policy.need.as_ref().is_none_or(|need| need.holds_for(|name| level(skills, name)));
        let sites = &self.policy.sites;
        skilled && needed && (sites.is_empty() || site.is_some_and(|site| sites.iter().any(|(s, _)| s == site)))
    }
}

/// The level of a skill among these; 0 for none.
pub fn level(skills: &[(Name, u8)], name: &Name) -> u8 {
    skills.iter().find(|(held, _)| held == name).map_or(0, |(_, level)| *level)
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSetup {
    /// Agent number (工号), user part and digest username.
    pub number: Name,
    /// Other numbers and names the agent is called by, nobody's number or alias else.
    pub aliases: Vec<Name>,
    /// SIP password.
    pub password: Name,
    /// A bot takes the calls, by its name: there is no phone and no password.
    pub bot: Option<Name>,
    /// Signs in at other phones by it; `None`: only at the own one.
    pub pin: Option<Name>,
    /// Display name.
    pub name: String,
    /// Team, for reports.
    pub team: Name,
    /// Where; queues may prefer sites.
    pub site: Option<Name>,
    /// Chances in a lot.
    pub weight: u32,
    /// Skills, by name, with level.
    pub skills: Vec<(Name, u8)>,
    /// Skills held only until then.
    pub expires: Vec<(Name, Time)>,
    /// Points by which the agent prefers calls of a queue, or puts them last.
    pub prefers: Vec<(Name, i32)>,
    /// Queues whose messages the agent listens to beside the own ones.
    pub mailboxes: Vec<Name>,
    /// Ready as soon as the phone registers.
    pub auto_ready: bool,
    /// The phone is asked to answer offers by itself.
    pub auto_answer: bool,
    /// The prompt callers of queues and the agent hear before they hear each other, instead of what the dialplan says.
    pub greeting: Option<Name>,
    /// Calls at once, made, rung and held ones; `None`: as many as there may be in each state.
    pub calls_max: Option<u32>,
}

impl AgentSetup {
    /// Each alias, and whose it is.
    pub(crate) fn aliases_to_number(&self) -> impl Iterator<Item = (Name, Name)> {
        self.aliases.iter().map(|alias| (alias.clone(), self.number.clone()))
    }

    /// Skills not expired yet.
    pub fn skills_at(&self, now: Time) -> Vec<(Name, u8)> {
        let held = |name: &Name| !self.expires.iter().any(|(known, at)| known == name && *at <= now);
        self.skills.iter().filter(|(name, _)| held(name)).cloned().collect()
    }

    /// An agent without skills.
    pub fn new(number: Name) -> AgentSetup {
        AgentSetup {
            name: number.to_string(),
            number,
            aliases: Vec::new(),
            password: "".into(),
            bot: None,
            pin: None,
            team: "default".into(),
            site: None,
            weight: 1,
            skills: Vec::new(),
            expires: Vec::new(),
            prefers: Vec::new(),
            mailboxes: Vec::new(),
            auto_ready: false,
            auto_answer: false,
            greeting: None,
            calls_max: None,
        }
    }
}

/// What agents dial to change their state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StarCodes {
    /// Sign in, ready.
    pub ready: Name,
    /// Not ready; digits after it choose the reason.
    pub not_ready: Name,
    /// Sign out.
    pub sign_out: Name,
    /// Do not disturb, or do again.
    pub dnd: Name,
    /// Sign in at this phone, whosever it is: followed by number, `*` and PIN.
    pub sign_in: Name,
    /// Listen to messages.
    pub voicemail: Name,
    /// Park the caller on hold.
    pub park: Name,
    /// Pressed in a call made beside one on hold: all three hear each other.
    pub conference: Name,
    /// Pick up a call that rings in the team, or with a number after it at that colleague's.
    pub pickup: Name,
    /// Where callers are parked; dialled to pick them up. `None`: nobody is parked.
    pub slots: Option<Slots>,
}

impl Default for StarCodes {
    fn default() -> StarCodes {
        StarCodes {
            ready: "*71".into(),
            not_ready: "*72".into(),
            sign_out: "*73".into(),
            sign_in: "*70".into(),
            dnd: "*78".into(),
            voicemail: "*97".into(),
            park: "*68".into(),
            conference: "*3".into(),
            pickup: "*8".into(),
            slots: None,
        }
    }
}
