//! The sections that grow with the centre: skills, sites, teams, schedules, bots, tiers, trunks, numbers, queues, agents.

use super::agent::{self, Agent};
use super::bot::{self, Bot};
use super::group::{self, Group};
use super::phone::{self, Phone};
use super::queue::{self, Queue};
use super::recording::{self, Filing};
use super::schedule::{self, Timetable};
use super::sheet::{Read, Section, Sheet, text};
use super::tier::{self, Tier};
use super::trunk::{self, NumberEntry, Trunk};
use busyhour_model::Name;
use busyhour_switch::{AgentSetup, Change, RecordingSetup};

/// The team of an agent of whom none is said.
pub(super) const NO_TEAM: &str = "default";

/// As read; names not yet checked against each other.
pub(super) struct Roster {
    pub(super) at: usize,
    pub(super) skills: Vec<Read<String>>,
    pub(super) sites: Vec<Read<String>>,
    pub(super) teams: Vec<Read<String>>,
    pub(super) schedules: Vec<Timetable>,
    pub(super) bots: Vec<Bot>,
    pub(super) tiers: Vec<Tier>,
    pub(super) trunks: Vec<Trunk>,
    pub(super) groups: Vec<Group>,
    pub(super) numbers: Vec<NumberEntry>,
    pub(super) queues: Vec<Queue>,
    pub(super) agents: Vec<Agent>,
    pub(super) phones: Vec<Phone>,
    /// Those of the CSV file.
    pub(super) staff: Vec<Agent>,
    /// Those added while it ran.
    pub(super) added: Vec<AgentSetup>,
    pub(super) recording: RecordingSetup,
    /// How they are filed.
    pub(super) filing: Filing,
    utc_offset_minutes: i32,
}

/// The names a configuration gives, for whoever mentions one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    skills: Vec<Name>,
    sites: Vec<Name>,
    teams: Vec<Name>,
    schedules: Vec<Name>,
    queues: Vec<Name>,
    retentions: Vec<Name>,
    bots: Vec<Name>,
    /// Once they are read.
    pub(super) prompts: Option<Vec<Name>>,
    /// What no new agent may be called: phones' numbers and agents' aliases.
    pub(super) taken: Vec<Name>,
    /// The clock of dates.
    pub utc_offset_minutes: i32,
}

impl Words {
    /// What may stand for a `skill`, `site`, `schedule`, `queue`, `retention`, `bot`, `prompt` or `team`; `None`: not known yet.
    pub(super) fn of(&self, kind: &str) -> Option<&[Name]> {
        Some(match kind {
            "skill" => &self.skills,
            "site" => &self.sites,
            "schedule" => &self.schedules,
            "queue" => &self.queues,
            "retention" => &self.retentions,
            "bot" => &self.bots,
            "prompt" => self.prompts.as_deref()?,
            _ => &self.teams,
        })
    }
}

/// `kept`: there is a data folder.
pub(super) fn read(root: &mut Section, sheet: &mut Sheet, utc_offset_minutes: i32, kept: bool) -> Roster {
    let calendars = root.sections(sheet, "calendar");
    let calendars: Vec<_> = calendars.into_iter().filter_map(|s| schedule::calendar(s, sheet)).collect();
    sheet.unique("calendar", calendars.iter().map(|calendar| &calendar.name));
    let timetables = root.sections(sheet, "schedule");
    let (recording, filing) = recording::read(root, sheet, kept);
    let timetable = |s, sheet: &mut _| schedule::timetable(s, sheet, &calendars, utc_offset_minutes);
    Roster {
        at: root.at(),
        skills: root.list(sheet, "skills", text).unwrap_or_default(),
        sites: root.list(sheet, "sites", text).unwrap_or_default(),
        teams: root.list(sheet, "teams", text).unwrap_or_default(),
        schedules: timetables.into_iter().filter_map(|s| timetable(s, sheet)).collect(),
        bots: root.sections(sheet, "bot").into_iter().filter_map(|s| bot::bot(s, sheet)).collect(),
        tiers: root.sections(sheet, "tier").into_iter().filter_map(|s| tier::tier(s, sheet)).collect(),
        trunks: root.sections(sheet, "trunk").into_iter().filter_map(|s| trunk::trunk(s, sheet)).collect(),
        groups: root.sections(sheet, "trunk_group").into_iter().filter_map(|s| group::group(s, sheet)).collect(),
        numbers: root.sections(sheet, "number").into_iter().filter_map(|s| trunk::number(s, sheet)).collect(),
        queues: root.sections(sheet, "queue").into_iter().filter_map(|s| queue::queue(s, sheet)).collect(),
        agents: root.sections(sheet, "agent").into_iter().flat_map(|s| agent::agents(s, sheet)).collect(),
        phones: root.sections(sheet, "phone").into_iter().flat_map(|s| phone::phones(s, sheet)).collect(),
        staff: Vec::new(),
        added: Vec::new(),
        recording,
        filing,
        utc_offset_minutes,
    }
}

impl Roster {
    /// The names a call out may name: trunks and groups of them.
    pub(super) fn outward(&self) -> impl Iterator<Item = &Read<String>> {
        self.trunks.iter().map(|trunk| &trunk.name).chain(self.groups.iter().map(|group| &group.name))
    }

    /// All agents.
    pub(super) fn agents(&self) -> impl Iterator<Item = &AgentSetup> {
        self.agents.iter().chain(&self.staff).map(|agent| &agent.setup).chain(&self.added)
    }

    /// Lays a change over it.
    pub(super) fn take(&mut self, change: Change) {
        match change {
            Change::Agent(setup) => {
                let mut known = self.agents.iter_mut().chain(&mut self.staff);
                match known.find(|agent| agent.setup.number == setup.number) {
                    Some(agent) => agent.setup = *setup,
                    None => self.added.push(*setup),
                }
            }
            Change::NoAgent(number) => {
                self.agents.retain(|agent| agent.setup.number != number);
                self.staff.retain(|agent| agent.setup.number != number);
            }
            Change::Queue(setup) => {
                let known = self.queues.iter_mut().find(|queue| queue.setup.name == setup.name);
                known.expect("a change is of a known queue").setup = *setup;
            }
        }
    }

    pub(super) fn words(&self) -> Words {
        let names = |list: &[Read<String>]| list.iter().map(|name| name.value.as_str().into()).collect::<Vec<Name>>();
        let mut teams = names(&self.teams);
        teams.push(NO_TEAM.into());
        let queues = self.queues.iter().map(|queue| queue.setup.name.clone()).collect();
        let schedules = self.schedules.iter().map(|s| s.name.value.as_str().into()).collect();
        let phones = self.phones.iter().map(|phone| &phone.account.user);
        let taken = phones.chain(self.agents().flat_map(|agent| &agent.aliases)).cloned().collect();
        Words {
            skills: names(&self.skills),
            sites: names(&self.sites),
            teams,
            schedules,
            queues,
            retentions: self.recording.keep.iter().map(|(name, _)| name.clone()).collect(),
            bots: self.bots.iter().map(|bot| bot.setup.name.clone()).collect(),
            prompts: None,
            taken,
            utc_offset_minutes: self.utc_offset_minutes,
        }
    }
}
