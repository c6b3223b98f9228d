//! Who sits at which phone: agents who signed in by PIN at one that is not their own.

use crate::call::Call;
use crate::phase::Phase;
use crate::plant::Plant;
use busyhour_acd::Command;
use busyhour_ivr::{Input, Pin};
use busyhour_model::{AgentState, CallId, Name, OfferOutcome, Time, What};
use busyhour_sip::{Target, is_same};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So many wrong PINs in a row at one phone, or for one agent, and none is looked at for a while.
const WRONG_MAX: u32 = 5;
const LOCKED: Duration = Duration::from_secs(300);
/// Compared with when the agent is unknown or has no PIN, so that all cases take the same way.
const NO_PIN: &str = "no agent has this PIN";

/// At most one agent at an account, at most one account for an agent; own phones are not listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seats {
    /// Agents by account.
    agents: BTreeMap<Name, Name>,
    /// The same, turned.
    accounts: BTreeMap<Name, Name>,
    /// By account, no more than there are.
    wrong_at: BTreeMap<Name, Wrong>,
    /// By agent, no more than there are.
    wrong_for: BTreeMap<Name, Wrong>,
}

/// Wrong PINs since the last right one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Wrong {
    count: u32,
    last: Time,
}

impl Seats {
    fn put(&mut self, account: &Name, agent: &Name) {
        self.agents.insert(account.clone(), agent.clone());
        self.accounts.insert(agent.clone(), account.clone());
    }

    fn take(&mut self, agent: &Name) -> Option<Name> {
        let account = self.accounts.remove(agent)?;
        self.agents.remove(&account);
        Some(account)
    }

    fn is_locked(&self, now: Time, account: &Name, agent: &Name) -> bool {
        let wrong = [self.wrong_at.get(account), self.wrong_for.get(agent)];
        wrong.into_iter().flatten().any(|wrong| wrong.count >= WRONG_MAX && now < wrong.last + LOCKED)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Name)> {
        self.agents.iter()
    }

    /// Both maps say the same.
    pub(crate) fn check(&self) {
        let turned = self.accounts.iter().map(|(agent, account)| (account, agent)).collect::<BTreeMap<_, _>>();
        assert!(self.agents.iter().eq(turned), "an account serves at most one agent, an agent sits at most at one");
    }
}

fn count(wrong: &mut BTreeMap<Name, Wrong>, now: Time, of: &Name) {
    let known = wrong.entry(of.clone()).or_insert(Wrong { count: 0, last: now });
    let count = if now >= known.last + LOCKED { 0 } else { known.count };
    *known = Wrong { count: count + 1, last: now };
}

impl Call {
    /// An agent signs in at the phone that calls. Who calls by a trunk has no phone of ours.
    pub(crate) fn sign_in(&mut self, plant: &mut Plant, phase: Phase, agent: &str, Pin(pin): &Pin) -> Phase {
        let done = match &self.phone {
            Some(phone) => plant.sit_down(phone, agent, pin).is_ok(),
            None => {
                plant.seat_refused(self.origin.name(), "no_phone");
                false
            }
        };
        self.run_program(plant, phase, Input::SignedIn { done })
    }
}

impl Plant {
    /// Whose phone this account is now: who signed in there, else its own agent, unless that one sits elsewhere.
    pub(crate) fn agent_at(&self, account: &Name) -> Option<Name> {
        let own = || self.directory.agent_id(account).filter(|_| !self.seats.accounts.contains_key(account));
        self.seats.agents.get(account).or_else(|| own().map(|_| account)).cloned()
    }

    /// The account that rings for an agent; `None` for one whose own phone somebody else has.
    pub(crate) fn place_of<'a>(&'a self, agent: &'a Name) -> Option<&'a Name> {
        let own = Some(agent).filter(|own| !self.seats.agents.contains_key(*own));
        self.seats.accounts.get(agent).or(own)
    }

    /// Where an agent is rung for a call; `Err`: why not.
    pub(crate) fn phone_for(&self, agent: &Name, call: CallId) -> Result<Target, OfferOutcome> {
        if !self.has_room_beside(agent, Some(call)) {
            return Err(OfferOutcome::Refused);
        }
        if self.rests(agent) {
            return Err(OfferOutcome::Unreachable);
        }
        self.place_of(agent).cloned().map(Target::Account).ok_or(OfferOutcome::Unreachable)
    }

    /// Whether an agent may have this call, or one more, beside all others.
    pub(crate) fn has_room_beside(&self, agent: &Name, call: Option<CallId>) -> bool {
        let setup = self.directory.agent_id(agent).and_then(|id| self.directory.agent(id));
        setup.and_then(|setup| setup.calls_max).is_none_or(|most| self.calls_of(agent, call) < most as usize)
    }

    /// How many calls an agent has, made, rung and held ones, but for this one.
    pub(crate) fn calls_of(&self, agent: &Name, but: Option<CallId>) -> usize {
        let others = self.legs.of_agent(agent).filter(|leg| !leg.closing && !leg.aside && Some(leg.call) != but);
        others.map(|leg| leg.call).collect::<BTreeSet<_>>().len()
    }

    /// How many contacts an agent can be rung at. A bot is always there, as far as anybody knows.
    pub(crate) fn contacts(&self, agent: &Name) -> usize {
        if self.bot_of(agent).is_some() {
            return 1;
        }
        self.place_of(agent).map_or(0, |account| self.sip.contacts(account))
    }

    /// How many more there are that do not answer.
    pub(crate) fn silent_contacts(&self, agent: &Name) -> usize {
        self.place_of(agent).map_or(0, |account| self.sip.silent_contacts(account))
    }

    /// All who may register.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Name> {
        let phones = self.setup.phones.iter().map(|phone| &phone.user);
        let people = self.directory.agents().filter(|(_, agent)| agent.bot.is_none());
        people.map(|(_, agent)| &agent.number).chain(phones)
    }

    /// An agent signs in at this phone. Nothing of what was dialled or keyed in is kept. `Err`: why not.
    pub(crate) fn sit_down(&mut self, account: &Name, number: &str, pin: &str) -> Result<Name, &'static str> {
        let agent = self.directory.agent_called(number).cloned().unwrap_or_else(|| number.into());
        let allowed = self.check_pin(account, &agent, pin).and_then(|()| self.check_seat(account, &agent));
        if let Err(reason) = allowed {
            self.seat_refused(account, reason);
            return Err(reason);
        }
        if let Some(former) = self.agent_at(account).filter(|former| *former != agent) {
            self.sign_out_of(&former, "taken");
        }
        self.stand_up(&agent, "elsewhere");
        if *account != agent {
            self.seats.put(account, &agent);
        }
        self.fact(What::Seated { agent: agent.clone(), phone: account.clone() });
        self.seats_changed();
        if let Some(id) = self.directory.agent_id(&agent)
            && self.acd.agent(id).is_some_and(|view| view.state == AgentState::SignedOut)
        {
            let _ = self.acd(Command::SignIn { agent: id, not_ready: None });
        }
        Ok(agent)
    }

    fn seat_refused(&mut self, phone: &Name, reason: &str) {
        self.fact(What::SeatRefused { phone: phone.clone(), reason: reason.into() });
    }

    fn check_pin(&mut self, account: &Name, agent: &Name, pin: &str) -> Result<(), &'static str> {
        let now = self.now;
        if self.seats.is_locked(now, account, agent) {
            return Err("locked");
        }
        let id = self.directory.agent_id(agent);
        let known = id.and_then(|id| self.directory.agent(id)?.pin.as_deref());
        let same = is_same(known.unwrap_or(NO_PIN).as_bytes(), pin.as_bytes());
        if same && known.is_some() {
            self.seats.wrong_at.remove(account);
            self.seats.wrong_for.remove(agent);
            return Ok(());
        }
        count(&mut self.seats.wrong_at, now, account);
        if id.is_some() {
            count(&mut self.seats.wrong_for, now, agent);
        }
        Err("wrong_pin")
    }

    /// A phone that can ring, and nobody taken out of a call. What an agent hears of us is none.
    fn check_seat(&self, account: &Name, agent: &Name) -> Result<(), &'static str> {
        let calls = |agent: &Name| self.legs.of_agent(agent).any(|leg| !leg.closing && !leg.aside);
        if self.sip.contacts(account) == 0 {
            return Err("no_phone");
        }
        let busy = calls(agent) || self.agent_at(account).is_some_and(|former| calls(&former));
        if busy { Err("busy") } else { Ok(()) }
    }

    /// The agent gives a phone that is not the own one back.
    pub(crate) fn stand_up(&mut self, agent: &Name, reason: &str) {
        if let Some(phone) = self.seats.take(agent) {
            self.fact(What::Unseated { agent: agent.clone(), phone, reason: reason.into() });
            self.seats_changed();
        }
    }

    /// Nobody rings the agent any more: signed out, wherever that was.
    pub(crate) fn sign_out_of(&mut self, agent: &Name, reason: &str) {
        if let Some(id) = self.directory.agent_id(agent) {
            let _ = self.acd(Command::SignOut { agent: id });
        }
        self.stand_up(agent, reason);
    }

    /// Who sits elsewhere and is at the own phone again: it needs no PIN.
    pub(crate) fn come_back(&mut self, account: &Name) {
        let own = self.seats.accounts.contains_key(account) && !self.seats.agents.contains_key(account);
        if own && self.check_seat(account, account).is_ok() {
            self.stand_up(account, "elsewhere");
        }
    }

    /// Agents and phones that are configured no more have no seats.
    pub(crate) fn clear_seats(&mut self) {
        let accounts: Vec<Name> = self.accounts().cloned().collect();
        let known = |name: &Name| accounts.contains(name);
        let gone = |(account, agent): &(&Name, &Name)| !known(account) || self.directory.agent_id(agent).is_none();
        let gone: Vec<Name> = self.seats.iter().filter(gone).map(|(_, agent)| agent.clone()).collect();
        gone.iter().for_each(|agent| self.sign_out_of(agent, "removed"));
        self.seats.wrong_at.retain(|account, _| known(account));
        self.seats.wrong_for.retain(|agent, _| known(agent));
    }

    /// Other messages wait at a phone with another agent.
    fn seats_changed(&mut self) {
        self.mailboxes.changed = true;
    }
}
