//! The laws a finished world must have kept; those of every moment are the switch's own `check`.

use crate::world::World;
use busyhour_model::{
    AgentState, CallId, Candidate, Deafness, DequeueReason, Entrance, Fact, Name, Party, Rule, Time, What,
};
use busyhour_switch::{CONVERSATION, Flow, Transport};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Why a bot rests, and how long at most.
const BOT_FAILED: &str = "bot_failed";
const REST: Duration = Duration::from_secs(30);

/// A UDP flow.
pub(crate) fn flow(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Udp, local, remote, connection: 0 }
}

impl World {
    /// Checks what must hold once every call is over; panics with the law's name.
    ///
    /// # Panics
    /// When a law is broken.
    pub fn check_ended(&self) {
        let vitals = self.switch.vitals();
        assert_eq!(
            (vitals.calls, vitals.legs, vitals.ports_in_use),
            (0, 0, 0),
            "L4: nothing is left after the last call: {vitals:?}"
        );
        self.check_facts();
        self.check_records();
        self.check_lost_phones();
        self.check_bots_come_back();
        self.check_resumed();
        self.check_callbacks();
        self.check_last_agents();
        self.check_surveys();
        self.check_replay();
        self.check_tapes();
        self.talks.check_ended();
        self.check_conversations();
        self.check_talk();
    }

    /// S18: who talked, both at once and nobody are the whole time that two heard each other, to a twentieth of a second; and who was not heard
    /// in it is named, with the cause.
    fn check_talk(&self) {
        for record in &self.records {
            let (talk, call) = (record.talk, record.call);
            let parts = talk.caller_ms + talk.partner_ms + talk.silence_ms;
            assert_eq!(parts, talk.ms + talk.both_ms, "{call}: {talk:?}");
            assert!(talk.ms.abs_diff(record.talk_ms) <= 50, "{call}: {talk:?} in {} ms of talk", record.talk_ms);
            for leg in record.legs.iter().filter(|leg| leg.unheard.is_some()) {
                assert!(matches!(leg.unheard, Some(Deafness::NothingCame | Deafness::Stopped)), "{call}: {leg:?}");
            }
            // The two who had all of the talk: where others were there, it is not known here who talked when.
            let both: Vec<_> = record.legs.iter().filter(|leg| leg.answered.is_some()).collect();
            let whole = record.hold_ms == 0 && record.transfers.is_empty() && talk.ms > 4_000 && both.len() == 2;
            for leg in both.iter().filter(|leg| whole && leg.stats.packets_in == 0 && leg.stats.packets_out > 200) {
                assert_eq!(leg.unheard, Some(Deafness::NothingCame), "{call}: {leg:?}");
            }
        }
    }

    /// What is named in the records is on tape, as long as they say, and nothing else is.
    fn check_tapes(&self) {
        let named = self.records.iter().flat_map(|record| &record.recordings);
        let named = named.filter(|tape| *tape.name != *CONVERSATION && !self.deleted.contains(&tape.tape));
        let named: BTreeMap<_, _> = named.map(|recording| (recording.tape, recording.ms)).collect();
        let kept: BTreeMap<_, _> = self.tapes.iter().map(|(tape, sound)| (*tape, sound.len() as u64 / 8)).collect();
        assert_eq!(named, kept, "recordings kept are those in the records");
    }

    /// S17: what two parties say is recorded, all the time they can hear each other and no longer: to the second. A bot is a party.
    fn check_conversations(&self) {
        let (mut since, mut bots) = (BTreeMap::new(), BTreeMap::new());
        let mut heard: BTreeMap<CallId, [u64; 3]> = BTreeMap::new();
        for Fact { at, what } in &self.facts {
            match what {
                What::Connected { call, .. } => drop(since.insert(*call, *at)),
                What::Disconnected { call, .. } => {
                    let spell = since.remove(call).map_or(0, |since| at.since(since).as_millis() as u64);
                    heard.entry(*call).or_default()[0] += spell;
                }
                What::LegOpened { leg, party: Party::Bot(_), .. } => drop(bots.insert(*leg, None)),
                What::LegAnswered { leg, .. } => drop(bots.entry(*leg).and_modify(|since| *since = Some(*at))),
                What::LegEnded { call, leg, .. } => {
                    let since = bots.remove(leg).flatten().map_or(*at, |since| since);
                    heard.entry(*call).or_default()[0] += at.since(since).as_millis() as u64;
                }
                What::ConversationTaped(conversation) => heard.entry(conversation.call).or_default()[2] += 1,
                What::Recorded { call, name, ms, .. } if **name == *CONVERSATION => {
                    heard.entry(*call).or_default()[1] += ms;
                }
                What::RecordingLost { call, tape } => assert!(self.disk_full, "{tape} of {call} is lost"),
                _ => {}
            }
        }
        for (call, [talked, recorded, tapes]) in heard.into_iter().filter(|_| !self.disk_full) {
            assert!(talked.abs_diff(recorded) <= 1000 * tapes, "{call}: {recorded} of {talked} ms are recorded");
        }
    }

    /// The journal, replayed from its beginning, has come to the state of the ACD, and its marks were right on the way.
    fn check_replay(&self) {
        let mut replay = self.replay.clone();
        let marked = replay.take(&self.switch.mark());
        assert_eq!(marked, Ok(()), "the journal replayed ends in the same state");
        let tally = replay.tally();
        assert!(tally.marks > 0 && tally.skipped == 0 && tally.runs == 1, "the whole journal was replayed: {tally:?}");
    }

    /// Facts of a call start with `Arrived` and end with its only `Ended`; legs that open also end.
    fn check_facts(&self) {
        let mut calls: BTreeMap<CallId, Vec<&Fact>> = BTreeMap::new();
        for fact in &self.facts {
            calls.entry(fact.what.call().unwrap_or_default()).or_default().push(fact);
            assert!(!matches!(fact.what, What::Fault { .. }), "nothing of ours broke: {fact:?}");
        }
        let of_no_call = calls.remove(&CallId::default()).unwrap_or_default();
        let configured = |fact: &&&Fact| matches!(fact.what, What::Reloaded { .. } | What::Changed { .. });
        let reloads: Vec<Time> = of_no_call.iter().filter(configured).map(|f| f.at).collect();
        for (call, facts) in calls {
            assert!(matches!(facts[0].what, What::Arrived { .. }), "{call} starts with Arrived: {facts:#?}");
            let ends = facts.iter().filter(|f| matches!(f.what, What::Ended { .. })).count();
            let last = facts.last().map(|f| &f.what);
            assert!(ends == 1 && matches!(last, Some(What::Ended { .. })), "{call} ends once, last: {facts:#?}");
            assert!(facts.is_sorted_by_key(|f| f.at), "{call}: time goes forward");
            check_offers(call, &facts);
            check_places(call, &facts, &reloads);
            check_legs(call, &facts);
        }
    }

    /// Who was given an agent whose phone vanishes waits again, at once.
    fn check_lost_phones(&self) {
        let (mut given, mut again, mut away) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for Fact { at, what } in &self.facts {
            match what {
                // Who is away already and picks up a call is away again after it.
                What::Connected { call, party: Party::Agent(agent), queue: Some(_) } if !away.contains(agent) => {
                    given.insert(agent, (*at, *call));
                }
                What::Enqueued { call, entrance: Entrance::PhoneLost, .. } => {
                    again.insert((*at, *call));
                }
                What::AgentEntered { state: AgentState::Talking | AgentState::Hold | AgentState::WrapUp, .. } => {}
                What::AgentEntered { agent, reason, .. } => {
                    let is_away = matches!(reason.as_deref(), Some("phone_lost" | BOT_FAILED));
                    if is_away {
                        away.insert(agent)
                    } else {
                        away.remove(agent)
                    };
                    let lost = given.remove(agent).filter(|_| is_away);
                    // An agent who was asking a colleague as well is away only after that.
                    let waits = lost.is_none_or(|(since, call)| {
                        again.range((since, CallId(0))..=(*at, call)).any(|(_, waits)| *waits == call)
                    });
                    assert!(waits, "{lost:?} lost the phone of {agent} at {at:?} and does not wait");
                }
                _ => {}
            }
        }
    }

    /// A bot that failed is tried again by itself.
    fn check_bots_come_back(&self) {
        let mut rest = BTreeMap::new();
        for Fact { at, what } in &self.facts {
            match what {
                What::AgentEntered { agent, reason: Some(reason), .. } if **reason == *BOT_FAILED => {
                    rest.insert(agent, *at);
                }
                What::AgentEntered { agent, .. } => drop(rest.remove(agent)),
                _ => {}
            }
        }
        for (agent, since) in rest {
            assert!(self.now.since(since) <= REST, "bot {agent} rests since {since:?}, for ever");
        }
    }

    /// Who calls again has the place that caller gave up there, once.
    fn check_resumed(&self) {
        let (mut callers, mut places, mut given_up) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for Fact { what, .. } in &self.facts {
            match what {
                What::Arrived { call, from, .. } => drop(callers.insert(*call, &from.national)),
                What::Enqueued { call, queue, since, entrance, .. } => {
                    if *entrance == Entrance::Resumed {
                        let former = given_up.remove(&(callers[call], queue));
                        assert_eq!(former, Some(*since), "{call} has the place its caller gave up in {queue}");
                    }
                    places.insert(*call, *since);
                }
                What::Dequeued { call, queue, reason: DequeueReason::Abandoned } => {
                    given_up.insert((callers[call], queue), places[call]);
                }
                _ => {}
            }
        }
    }

    /// Who asks to be called back keeps the place, in a call of its own whose record names the first.
    fn check_callbacks(&self) {
        let mut places = BTreeMap::new();
        let mut asked: BTreeMap<CallId, (CallId, Time)> = BTreeMap::new();
        for Fact { what, .. } in &self.facts {
            match what {
                What::Enqueued { call, entrance: Entrance::Callback, since, .. } => {
                    assert_eq!(asked[call].1, *since, "{call} has the place of the caller");
                }
                What::Enqueued { call, queue, since, .. } => drop(places.insert((*call, queue), *since)),
                What::CallbackAsked { call, callback, queue } => {
                    asked.insert(*callback, (*call, places[&(*call, queue)]));
                }
                _ => {}
            }
        }
        for record in &self.records {
            let of = asked.get(&record.call).map(|(call, _)| *call);
            assert_eq!(record.callback_of, of, "{}: a record names the call it calls back for", record.call);
        }
    }

    /// Whom a call of the shipped dialplan wished for is who talked to this caller last when it began to wait.
    fn check_last_agents(&self) {
        let (mut callers, mut last, mut wished) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for Fact { what, .. } in &self.facts {
            match what {
                What::Arrived { call, from, .. } => drop(callers.insert(*call, &from.national)),
                What::Connected { call, party: Party::Agent(agent), queue: Some(_) } => {
                    last.insert(callers[call], agent);
                }
                What::Enqueued { call, .. } => drop(wished.insert(*call, last.get(callers[call]).copied())),
                What::Offered { call, agent, why, .. } if why.rule == Rule::PreferredAgent => {
                    assert_eq!(wished[call], Some(agent), "{call} wished for who talked to its caller last");
                }
                _ => {}
            }
        }
    }

    /// A survey is about the agent its call talked to last, and each that began is in the record, ended.
    fn check_surveys(&self) {
        let (mut last, mut begun) = (BTreeMap::new(), BTreeMap::<CallId, Vec<Option<&Name>>>::new());
        for Fact { what, .. } in &self.facts {
            match what {
                What::Connected { call, party: Party::Agent(agent), .. } => drop(last.insert(*call, agent)),
                What::SurveyBegun { call, .. } => begun.entry(*call).or_default().push(last.get(call).copied()),
                _ => {}
            }
        }
        for record in &self.records {
            let about: Vec<_> = record.surveys.iter().map(|survey| survey.agent.as_ref()).collect();
            let agents = begun.remove(&record.call).unwrap_or_default();
            assert_eq!(about, agents, "{}: its surveys are about whom it talked to last", record.call);
        }
    }

    /// S3, S4: one record per call, and the ledger balances.
    fn check_records(&self) {
        let arrived = self.facts.iter().filter(|f| matches!(f.what, What::Arrived { .. })).count();
        assert_eq!(self.records.len(), arrived, "S3: one record per call");
        assert!(self.records.iter().all(|r| r.is_complete()), "every record is complete");
        assert_eq!((self.ledger.open_calls(), self.ledger.strays()), (0, 0), "S4: no call is open, no fact stray");
        if let Err(imbalance) = self.ledger.check() {
            panic!("S4: {imbalance:?}");
        }
    }
}

/// Every offer says why, completely and consistently; `rule` is the one by which calls of a queue choose agents.
pub(crate) fn check_why(fact: &Fact, rule: impl Fn(&Name) -> Rule) {
    let What::Offered { call, queue, agent, why, runner_up } = &fact.what else { return };
    let told = || format!("an offer says why: {fact:?}");
    assert!(why.agents_idle >= 1 && why.calls_waiting >= 1 && why.from_age <= why.waited, "{}", told());
    let right = match (why.rule, why.runner_up, runner_up) {
        (Rule::DirectAgent | Rule::PreferredAgent, None, None) => true,
        // Others of the line may be too young for this agent.
        (Rule::HighestScore, None, None) => why.calls_waiting == 1 || !why.from_age.is_zero(),
        (Rule::HighestScore, Some(Candidate::Call(other, score)), None) => {
            other != *call && score <= why.score && why.calls_waiting > 1
        }
        (by, None, None) => by == rule(queue) && why.agents_idle == 1,
        (by, Some(Candidate::Agent(_, rank)), Some(other)) => {
            by == rule(queue) && other != agent && why.rank <= rank && why.agents_idle > 1
        }
        _ => false,
    };
    assert!(right, "{}", told());
}

/// Every offer is answered once, and no agent is offered the call again before.
fn check_offers(call: CallId, facts: &[&Fact]) {
    let mut open = BTreeSet::new();
    for fact in facts {
        let right = match &fact.what {
            What::Offered { agent, .. } => open.insert(agent),
            What::OfferEnded { agent, .. } => open.remove(agent),
            What::Connected { queue: Some(_), .. } => open.is_empty(),
            _ => true,
        };
        assert!(right, "{call}: every offer is answered once: {facts:#?}");
    }
    assert!(open.is_empty(), "{call}: no offer is left open");
}

/// A new caller's place begins on entering; who comes back has the time and at least the priority of the first entry,
/// unless queues and tiers were given other points since.
fn check_places(call: CallId, facts: &[&Fact], reloads: &[Time]) {
    let mut places = BTreeMap::new();
    for fact in facts {
        let What::Enqueued { queue, since, priority, entrance, .. } = &fact.what else { continue };
        let former = places.insert(queue, (*since, *priority, fact.at));
        match entrance {
            Entrance::First => assert_eq!(*since, fact.at, "{call}: a new place begins now"),
            Entrance::Returned | Entrance::PhoneLost => {
                let kept = former.is_some_and(|(place, points, entered)| {
                    let reloaded = reloads.iter().any(|at| (entered..=fact.at).contains(at));
                    place == *since && (points <= *priority || reloaded)
                });
                assert!(kept, "{call} came back to another place than {former:?}: {facts:#?}");
            }
            Entrance::Resumed | Entrance::Transferred | Entrance::Callback => {
                assert!(*since <= fact.at, "{call}: sent on with a time to come")
            }
        }
    }
}

fn check_legs(call: CallId, facts: &[&Fact]) {
    let mut open: Vec<_> = Vec::new();
    for fact in facts {
        match fact.what {
            What::Arrived { leg, .. } => open.extend(leg),
            What::LegOpened { leg, .. } | What::LegJoined { leg, .. } => open.push(leg),
            What::LegEnded { leg, .. } | What::LegLeft { leg, .. } => {
                let at = open.iter().position(|l| *l == leg);
                open.remove(at.unwrap_or_else(|| panic!("{call}: {leg} ends without having been opened")));
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "{call}: legs {open:?} never ended");
}
