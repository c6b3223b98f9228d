//! The laws that hold after every input, and the quick ones every debug build checks.

use crate::phase::{Phase, Promised, Purpose};
use crate::switch::Switch;
use crate::trunks::Way;
use busyhour_model::{AgentState, CallId, Name};
use std::collections::{BTreeMap, BTreeSet};

impl Switch {
    /// Every law, the whole state; panics with the law's name. For tests and the simulator.
    ///
    /// # Panics
    /// When a law is broken.
    pub fn check(&self) {
        self.check_quick();
        self.plant.acd.check();
        self.waiting_calls_are_the_queued_ones();
        self.busy_agents_are_in_their_calls();
        self.legs_belong_to_calls();
        self.guests_are_where_two_talk();
        self.channels_are_live_legs();
        self.who_may_not_stay_is_about_to_go();
        self.callbacks_are_promised();
        self.what_holds_is_configured();
        self.tapes_belong_to_calls();
        self.forks_are_where_they_belong();
        self.seats_are_one_to_one();
        self.agents_have_as_many_calls_as_they_may();
        self.lamps_show_the_mailboxes();
        self.lamps_show_who_is_busy();
    }

    /// Laws cheap enough for every input of a debug build.
    pub(crate) fn check_quick(&self) {
        let vitals = self.vitals();
        let ported = vitals.legs - self.plant.legs.portless();
        assert_eq!(ported, vitals.ports_in_use, "S10: one RTP port pair per live leg, none for a program's");
        assert_eq!(vitals.calls, vitals.timers, "S11: one timer per live call");
        assert_eq!(self.plant.plans.calls() as usize, vitals.calls, "every call uses one dialplan version");
    }

    /// Every agent and queue of the directory is as the setup says, reloaded or changed by itself.
    fn what_holds_is_configured(&self) {
        let (plant, setup) = (&self.plant, &self.plant.setup);
        let agents: BTreeMap<_, _> = setup.agents.iter().map(|agent| (&agent.number, agent)).collect();
        let queues: BTreeMap<_, _> = setup.queues.iter().map(|queue| (&queue.name, queue)).collect();
        assert!(plant.directory.agents().map(|(_, agent)| agent).eq(agents.into_values()), "agents are as configured");
        assert!(plant.directory.queues().map(|(_, queue)| queue).eq(queues.into_values()), "queues are as configured");
    }

    /// Who sits where is configured, registered, and not at home.
    fn seats_are_one_to_one(&self) {
        let plant = &self.plant;
        plant.seats.check();
        for (account, agent) in plant.seats.iter() {
            let known = plant.accounts().any(|known| known == account) && plant.directory.agent_id(agent).is_some();
            assert!(known && account != agent, "agent {agent} sits at {account}");
            assert!(plant.sip.contacts(account) > 0, "agent {agent} sits at {account}, which is gone");
        }
    }

    /// Whose number of calls is limited has no more. The simulator lowers no limit: a lower one holds from the next call on.
    fn agents_have_as_many_calls_as_they_may(&self) {
        for (_, agent) in self.plant.directory.agents() {
            let calls = self.plant.calls_of(&agent.number, None);
            assert!(agent.calls_max.is_none_or(|most| calls <= most as usize), "{calls} calls of {}", agent.number);
        }
    }

    /// What phones are told is what the mailboxes hold, whoever left, heard or removed a message.
    fn lamps_show_the_mailboxes(&self) {
        for account in self.plant.accounts() {
            let told = self.plant.sip.waiting(account);
            assert_eq!(told, self.plant.messages_at(account), "account {account} is told of the messages");
        }
    }

    /// What lamps show of agents and queues is how they stand, and each lamp was told so last.
    fn lamps_show_who_is_busy(&self) {
        let plant = &self.plant;
        for (id, agent) in plant.directory.agents() {
            for shown in plant.agent_shown(id) {
                assert_eq!(plant.sip.shown(&agent.number, shown.package()), shown, "the lamp of {}", agent.number);
            }
            let own = plant.legs.iter().filter(|(_, leg)| leg.party.agent() == Some(&agent.number)).map(|(_, leg)| leg);
            assert!(own.eq(plant.legs.of_agent(&agent.number)), "the legs of {}", agent.number);
        }
        for (id, queue) in plant.directory.queues() {
            for shown in plant.queue_shown(id) {
                assert_eq!(plant.sip.shown(&queue.name, shown.package()), shown, "the lamp of {}", queue.name);
            }
        }
        plant.sip.check_lamps();
    }

    /// The ACD's waiting calls are exactly the calls in `Queued`, its offered ones exactly those `Ringing` for an offer.
    fn waiting_calls_are_the_queued_ones(&self) {
        let by_acd: BTreeSet<(CallId, bool)> =
            self.plant.acd.waiting().map(|(call, _, agent)| (call, agent.is_some())).collect();
        let by_phase = self.calls.values().filter_map(|call| match call.phase() {
            Phase::Queued(_) | Phase::Promised(Promised { again: None }) => Some((call.id, false)),
            Phase::Ringing(r) if matches!(r.rung[0].purpose, Purpose::Offer { .. }) => Some((call.id, true)),
            _ => None,
        });
        assert_eq!(by_acd, by_phase.collect(), "waiting calls of the ACD are the calls in Queued and Ringing");
    }

    /// S1, S2: an agent the ACD has ringing or talking is in exactly that call, and no call has two.
    fn busy_agents_are_in_their_calls(&self) {
        let mut by_call = BTreeMap::new();
        for view in self.plant.acd.agents() {
            match (view.state, view.call) {
                (AgentState::Ringing | AgentState::Talking, Some(call)) => {
                    assert!(self.calls.contains_key(&call), "agent {} is in {call}, which is over", view.agent);
                    *by_call.entry(call).or_insert(0) += 1;
                }
                (AgentState::Ringing | AgentState::Talking, None) => {
                    panic!("agent {} is busy with no call", view.agent)
                }
                (_, call) => assert_eq!(call, None, "agent {} is {:?} with a call", view.agent, view.state),
            }
        }
        let parked = self.calls.values().filter_map(|call| match call.phase() {
            Phase::Parked(parked) => Some((parked.slot, call.id)),
            _ => None,
        });
        assert_eq!(self.plant.parked, parked.collect(), "slots hold exactly the calls that are parked");
        for (agent, call) in &self.plant.consults {
            let talks = self.plant.acd.agent(*agent).is_some_and(|view| view.state == AgentState::Talking);
            let mut legs = self.plant.legs.of_agent(self.plant.directory.agent_number(*agent));
            let there = legs.any(|leg| leg.call == *call) && self.calls.contains_key(call);
            assert!(talks && there, "agent {agent} has {call} beside another call");
        }
        for call in self.calls.values() {
            let agents = by_call.get(&call.id).copied().unwrap_or(0);
            let others =
                usize::from(call.occupied.is_some()) + call.monitors.held().count() + call.guests.held().count();
            let held = others + call.phase().agents().count();
            assert_eq!(agents, held, "{}: agents by the ACD and by the call", call.id);
        }
    }

    /// A call in a queue that is closed and keeps nobody has its timer due.
    fn who_may_not_stay_is_about_to_go(&self) {
        for call in self.calls.values() {
            if let Phase::Queued(queued) = call.phase() {
                let look = self.plant.closing_look(queued.queue);
                assert!(
                    look.is_none_or(|at| self.due[&call.id] <= at),
                    "{} waits past the closing of its queue",
                    call.id
                );
            }
        }
    }

    /// Who joins a talk does so where two talk.
    fn guests_are_where_two_talk(&self) {
        for call in self.calls.values() {
            assert!(call.guests.is_empty() || call.phase().is_talking(), "{} has guests and nobody talks", call.id);
        }
    }

    fn legs_belong_to_calls(&self) {
        let by_calls: BTreeSet<_> = self.calls.values().flat_map(|call| call.open.iter().copied()).collect();
        let by_legs: BTreeSet<_> = self.plant.legs.iter().map(|(id, _)| id).collect();
        assert_eq!(by_legs, by_calls, "every leg belongs to one call");
    }

    /// Who is to be called back is exactly whom a call waits to call: one per queue and number.
    fn callbacks_are_promised(&self) {
        let promised: Vec<_> = self.calls.values().filter_map(|call| call.callback.as_ref()).collect();
        let known = promised.iter().all(|callback| self.plant.callbacks.contains(callback));
        assert!(known && promised.len() == self.plant.callbacks.len(), "call-backs are the calls that wait to call");
        assert!(self.plant.asked.is_empty(), "every call-back asked for is made at once");
    }

    /// Tapes that are not filed yet are exactly those that calls wait for.
    fn tapes_belong_to_calls(&self) {
        let by_calls: Vec<_> =
            self.calls.values().flat_map(|call| call.unfiled().map(|tape| (tape, call.id))).collect();
        let mut by_calls = by_calls;
        by_calls.sort_unstable();
        assert!(self.plant.tapes.iter().map(|(tape, call)| (*tape, *call)).eq(by_calls), "tapes belong to calls");
    }

    /// A caller hears and is heard by a bot exactly while the dialplan says so; programs hear who talks, and nobody else.
    fn forks_are_where_they_belong(&self) {
        for call in self.calls.values() {
            assert!(call.forks_are_right(), "{}: programs hear others than those who talk", call.id);
            assert!(
                call.bot_is_where_it_belongs(),
                "{} has a bot where it has none, or none where it has one",
                call.id
            );
        }
    }

    /// S12: channels in use, by way, tier and number, are exactly those of live legs; what is kept free for tiers is free.
    fn channels_are_live_legs(&self) {
        let trunks = &self.plant.trunks;
        let in_use = || self.plant.legs.iter().filter_map(|(_, leg)| leg.channel.as_ref());
        for (id, trunk) in trunks.all() {
            let name = &trunk.setup.name;
            let mine = || in_use().filter(move |channel| channel.trunk == id);
            let channels = |way| mine().filter(|channel| channel.way == way).count() as u32;
            let counted = (trunk.channels_in, trunk.channels_out);
            assert_eq!(counted, (channels(Way::In), channels(Way::Out)), "channels of {name}");
            assert_eq!(trunk.tiers, count(mine().filter_map(|channel| channel.tier.as_ref())), "tiers of {name}");
            assert!(trunk.squeezed || trunk.keeps_its_word(), "{name} has free what it keeps for tiers");
        }
        assert_eq!(trunks.numbers, count(in_use().filter_map(|channel| channel.number.as_ref())), "calls by number");
    }
}

fn count<'n>(names: impl Iterator<Item = &'n Name>) -> BTreeMap<Name, u32> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name.clone()).or_insert(0) += 1);
    counts
}
