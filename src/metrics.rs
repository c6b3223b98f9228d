//! All metrics of the product, in one place: folds over facts, and what the switch tells when it is asked.

use busyhour_ledger::{CallRecord, Ledger, Stay, VisitEnd};
use busyhour_model::{AgentState, Fact, Name, Side, StreamStats, Time, What};
use busyhour_sip::Counters;
use busyhour_switch::{AgentRow, CallRow, QueueRow, QueueSetup, TrunkRow};
use prometheus::core::Collector;
use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::collections::BTreeMap;
use std::time::Duration;

const SETUP_S: &[f64] = &[0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
const WAIT_S: &[f64] =
    &[3.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 120.0, 300.0, 480.0, 600.0, 900.0, 1800.0, 2400.0];
const ERROR_S: &[f64] = &[5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
const MATCH_S: &[f64] = &[0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.1];
const JITTER_S: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];

/// Everything `/metrics` shows.
pub struct Metrics {
    registry: Registry,
    sip_requests: IntCounterVec,
    sip_responses: IntCounterVec,
    sip_retransmissions: IntCounterVec,
    sip_refused: IntCounterVec,
    trunk_up: IntGaugeVec,
    trunk_channels: IntGaugeVec,
    trunk_limit: IntGaugeVec,
    trunk_rejected: IntCounterVec,
    calls_active: IntGaugeVec,
    setup: Histogram,
    nodes: IntCounterVec,
    exits: IntCounterVec,
    offered: IntCounterVec,
    answered: IntCounterVec,
    abandoned: IntCounterVec,
    overflowed: IntCounterVec,
    wait: HistogramVec,
    prediction: HistogramVec,
    waiting: IntGaugeVec,
    oldest: GaugeVec,
    agents: IntGaugeVec,
    agent_seconds: CounterVec,
    /// From an input's arrival to the INVITE it causes.
    pub matching: Histogram,
    rtp_packets: IntCounterVec,
    rtp_lost: IntCounterVec,
    jitter: HistogramVec,
    reload_success: Gauge,
    reloads: IntCounterVec,
    faults: IntCounter,
    cpu: CounterVec,
    /// Of the journal.
    pub journal: crate::journal::JournalCounts,
    /// Of the store.
    pub store: crate::store::StoreCounts,
    /// Facts that never reached the recorder.
    pub facts_lost: IntCounter,
    /// Datagrams and messages not sent because a socket refused or a queue was full.
    pub unsent: IntCounter,
}

/// What the switch told at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// When.
    pub now: Time,
    /// On the wire.
    pub counters: Counters,
    /// Agents.
    pub agents: Vec<AgentRow>,
    /// Queues.
    pub queues: Vec<QueueRow>,
    /// Calls.
    pub calls: Vec<CallRow>,
    /// Trunks.
    pub trunks: Vec<TrunkRow>,
    /// What queues require of agents.
    pub specs: Vec<QueueSetup>,
    /// CPU time of the control thread and of the media threads.
    pub cpu: (Duration, Duration),
}

/// Registers while it makes them.
struct Maker(Registry);

impl Maker {
    fn keep<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names and labels here are constants that Prometheus takes");
        self.0.register(Box::new(collector.clone())).expect("every name here is used once");
        collector
    }

    fn counts(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn count(&self, name: &str, help: &str) -> IntCounter {
        self.keep(IntCounter::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.keep(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.into())))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.into()), labels))
    }
}

impl Metrics {
    /// All series, at zero.
    pub fn new() -> Metrics {
        let m = Maker(Registry::new());
        let build = m.gauges("busyhour_build_info", "Build information.", &["version", "revision"]);
        let revision = option_env!("BUSYHOUR_REVISION").unwrap_or("unknown");
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), revision]).set(1);
        let journal = crate::journal::JournalCounts {
            errors: m.count("busyhour_journal_errors_total", "Failed writes of the journal."),
            lost: m.count("busyhour_journal_lost_entries_total", "Journal entries given up."),
        };
        let store = crate::store::StoreCounts {
            errors: m.count("busyhour_store_errors_total", "Failed transactions of the record store."),
            lost: m.count("busyhour_store_lost_records_total", "Call records given up by the store."),
            spooled: m.keep(IntGauge::new("busyhour_store_spooled_records", "Call records waiting for the store.")),
        };
        Metrics {
            sip_requests: m.counts(
                "busyhour_sip_requests_total",
                "SIP requests received or sent, by method and direction.",
                &["direction", "method", "transport"],
            ),
            sip_responses: m.counts(
                "busyhour_sip_responses_total",
                "SIP responses by method and code.",
                &["direction", "method", "code"],
            ),
            sip_retransmissions: m.counts(
                "busyhour_sip_retransmissions_total",
                "Retransmitted SIP messages.",
                &["direction", "method"],
            ),
            sip_refused: m.counts(
                "busyhour_sip_refused_messages_total",
                "SIP messages not served, by reason.",
                &["reason"],
            ),
            trunk_up: m.gauges("busyhour_trunk_up", "1 when the trunk answers OPTIONS or is registered.", &["trunk"]),
            trunk_channels: m.gauges(
                "busyhour_trunk_channels",
                "Channels in use on the trunk.",
                &["trunk", "direction"],
            ),
            trunk_limit: m.gauges("busyhour_trunk_channels_limit", "Licensed channels on the trunk.", &["trunk"]),
            trunk_rejected: m.counts(
                "busyhour_trunk_rejected_calls_total",
                "Calls refused at the trunk, by reason.",
                &["trunk", "reason"],
            ),
            calls_active: m.gauges("busyhour_calls_active", "Calls in progress, by stage.", &["stage"]),
            setup: m.histogram("busyhour_call_setup_seconds", "Time from INVITE to our 200.", SETUP_S),
            nodes: m.counts("busyhour_ivr_nodes_entered_total", "IVR nodes entered.", &["flow", "node"]),
            exits: m.counts("busyhour_ivr_exits_total", "IVR exits by outcome.", &["flow", "outcome"]),
            offered: m.counts("busyhour_queue_offered_calls_total", "Calls that asked for an agent.", &["queue"]),
            answered: m.counts("busyhour_queue_answered_calls_total", "Calls answered by an agent.", &["queue"]),
            abandoned: m.counts(
                "busyhour_queue_abandoned_calls_total",
                "Calls abandoned, by stage.",
                &["queue", "stage"],
            ),
            overflowed: m.counts(
                "busyhour_queue_overflowed_calls_total",
                "Calls that left the queue without an agent, by reason.",
                &["queue", "reason"],
            ),
            wait: m.histograms("busyhour_queue_wait_seconds", "Wait until answer.", &["queue"], WAIT_S),
            prediction: m.histograms(
                "busyhour_queue_prediction_error_seconds",
                "Absolute error of the announced wait.",
                &["queue"],
                ERROR_S,
            ),
            waiting: m.gauges("busyhour_queue_waiting_calls", "Calls waiting now.", &["queue", "tier"]),
            oldest: m.keep(GaugeVec::new(
                Opts::new("busyhour_queue_oldest_wait_seconds", "Age of the oldest waiting call."),
                &["queue"],
            )),
            agents: m.gauges("busyhour_agents", "Agents by queue and state.", &["queue", "state"]),
            agent_seconds: m.keep(CounterVec::new(
                Opts::new("busyhour_agent_state_seconds_total", "Agent time by state, summed over agents of the team."),
                &["team", "state"],
            )),
            matching: m.histogram(
                "busyhour_acd_match_seconds",
                "Time from the event that made a match possible to the agent's INVITE on the wire.",
                MATCH_S,
            ),
            rtp_packets: m.counts("busyhour_rtp_packets_total", "RTP packets.", &["direction", "side"]),
            rtp_lost: m.counts("busyhour_rtp_lost_packets_total", "RTP packets lost.", &["side"]),
            jitter: m.histograms(
                "busyhour_rtp_jitter_seconds",
                "Interarrival jitter per finished stream.",
                &["side"],
                JITTER_S,
            ),
            reload_success: m
                .keep(Gauge::new("busyhour_config_reload_success_timestamp_seconds", "Time of the last good reload.")),
            reloads: m.counts("busyhour_config_reloads_total", "Reloads by result.", &["result"]),
            faults: m.count("busyhour_faults_total", "Faults of ours that were contained."),
            cpu: m.keep(CounterVec::new(
                Opts::new("busyhour_cpu_seconds_total", "CPU time by part of the program."),
                &["part"],
            )),
            facts_lost: m.count("busyhour_facts_lost_total", "Facts that never reached journal and records."),
            unsent: m.count("busyhour_sip_unsent_messages_total", "SIP messages no socket took."),
            journal,
            store,
            registry: m.0,
        }
    }

    /// One fact, and what it did to queues.
    pub fn fact(&self, fact: &Fact, stays: &[Stay]) {
        match &fact.what {
            What::NodeEntered { plan, node, .. } => self.nodes.with_label_values(&[plan, node]).inc(),
            What::IvrLeft { plan, outcome, .. } => self.exits.with_label_values(&[plan, outcome]).inc(),
            What::LegEnded { side, stats, .. } => self.stream(*side, stats),
            What::TrunkRefused { trunk, reason, .. } => self.trunk_rejected.with_label_values(&[trunk, reason]).inc(),
            What::Reloaded { ok } => {
                self.reloads.with_label_values(&[if *ok { "accepted" } else { "rejected" }]).inc();
                if *ok {
                    self.reload_success.set(fact.at.as_micros() as f64 / 1e6);
                }
            }
            What::Fault { .. } => self.faults.inc(),
            _ => {}
        }
        stays.iter().for_each(|stay| self.stay(stay));
    }

    /// A call that ended.
    pub fn record(&self, record: &CallRecord) {
        if let Some(answered) = record.answered {
            self.setup.observe(answered.since(record.arrived).as_secs_f64());
        }
    }

    fn stay(&self, stay: &Stay) {
        let visit = match stay {
            Stay::Began(queue) => return self.offered.with_label_values(&[queue]).inc(),
            Stay::Ended(visit) => visit,
        };
        let queue = &*visit.queue;
        let overflow = |reason| self.overflowed.with_label_values(&[queue, reason]).inc();
        match visit.end {
            Some(VisitEnd::Answered) => {
                self.answered.with_label_values(&[queue]).inc();
                self.wait.with_label_values(&[queue]).observe(visit.wait_ms() as f64 / 1e3);
                if let Some(error_ms) = visit.prediction_error_ms() {
                    self.prediction.with_label_values(&[queue]).observe(error_ms as f64 / 1e3);
                }
            }
            Some(VisitEnd::AbandonedWaiting) => self.abandoned.with_label_values(&[queue, "waiting"]).inc(),
            Some(VisitEnd::AbandonedRinging) => self.abandoned.with_label_values(&[queue, "ringing"]).inc(),
            Some(VisitEnd::TimedOut) => overflow("timed_out"),
            Some(VisitEnd::Full) => overflow("full"),
            Some(VisitEnd::NoAgents) => overflow("no_agents"),
            Some(VisitEnd::Left) => overflow("left"),
            Some(VisitEnd::Refused) => overflow("refused"),
            None => {}
        }
    }

    fn stream(&self, side: Side, stats: &StreamStats) {
        let side = match side {
            Side::Trunk => "trunk",
            Side::Agent => "agent",
        };
        self.rtp_packets.with_label_values(&["in", side]).inc_by(stats.packets_in);
        self.rtp_packets.with_label_values(&["out", side]).inc_by(stats.packets_out);
        self.rtp_lost.with_label_values(&[side]).inc_by(stats.lost_in);
        if stats.packets_in > 0 {
            self.jitter.with_label_values(&[side]).observe(f64::from(stats.jitter_us) / 1e6);
        }
    }

    /// The page, with what the switch says right now.
    pub fn page(&self, picture: &Picture, ledger: &Ledger) -> String {
        self.wire(&picture.counters);
        self.trunks(&picture.trunks);
        self.calls(&picture.calls);
        self.queues(picture);
        self.agent_time(picture, ledger);
        self.cpu.reset();
        let (control, media) = picture.cpu;
        self.cpu.with_label_values(&["control"]).inc_by(control.as_secs_f64());
        self.cpu.with_label_values(&["media"]).inc_by(media.as_secs_f64());
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    fn wire(&self, counters: &Counters) {
        let way = |way: busyhour_sip::Way| if way == busyhour_sip::Way::In { "in" } else { "out" };
        self.sip_requests.reset();
        for ((w, verb, transport), n) in &counters.requests {
            let transport = if *transport == busyhour_sip::Transport::Udp { "udp" } else { "tcp" };
            self.sip_requests.with_label_values(&[way(*w), verb.as_str(), transport]).inc_by(*n);
        }
        self.sip_responses.reset();
        for ((w, verb, status), n) in &counters.responses {
            self.sip_responses.with_label_values(&[way(*w), verb.as_str(), &status.to_string()]).inc_by(*n);
        }
        self.sip_retransmissions.reset();
        for ((w, verb), n) in &counters.retransmissions {
            self.sip_retransmissions.with_label_values(&[way(*w), verb.as_str()]).inc_by(*n);
        }
        self.sip_refused.reset();
        let reasons = [
            ("malformed", counters.malformed),
            ("stray", counters.dropped),
            ("overload", counters.overloaded),
            ("authentication", counters.auth_failures),
            ("banned", counters.banned),
        ];
        for (reason, n) in reasons {
            self.sip_refused.with_label_values(&[reason]).inc_by(n);
        }
    }

    fn trunks(&self, trunks: &[TrunkRow]) {
        [&self.trunk_up, &self.trunk_channels, &self.trunk_limit].iter().for_each(|g| g.reset());
        for row in trunks {
            self.trunk_up.with_label_values(&[&row.trunk]).set(row.up.into());
            self.trunk_channels.with_label_values(&[&*row.trunk, "in"]).set(row.channels_in.into());
            self.trunk_channels.with_label_values(&[&*row.trunk, "out"]).set(row.channels_out.into());
            self.trunk_limit.with_label_values(&[&row.trunk]).set(row.channels.into());
        }
    }

    fn calls(&self, calls: &[CallRow]) {
        for stage in ["ivr", "queued", "ringing", "talking"] {
            self.calls_active.with_label_values(&[stage]).set(0);
        }
        for row in calls {
            self.calls_active.with_label_values(&[&row.stage]).inc();
        }
    }

    fn queues(&self, picture: &Picture) {
        self.waiting.reset();
        self.oldest.reset();
        for row in &picture.queues {
            // Series exist from the start, so that a rate over the first call is right.
            self.offered.with_label_values(&[&row.queue]);
            self.answered.with_label_values(&[&row.queue]);
            self.wait.with_label_values(&[&row.queue]);
            self.waiting.with_label_values(&[&*row.queue, "default"]).set(row.waiting.into());
            let age = row.oldest.map_or(0.0, |at| picture.now.since(at).as_secs_f64());
            self.oldest.with_label_values(&[&row.queue]).set(age);
        }
        self.agents.reset();
        for spec in &picture.specs {
            for state in STATES {
                self.agents.with_label_values(&[&*spec.name, word(state)]);
            }
            for agent in picture.agents.iter().filter(|a| serves(a, &spec.required)) {
                self.agents.with_label_values(&[&*spec.name, word(agent.state)]).inc();
            }
        }
    }

    fn agent_time(&self, picture: &Picture, ledger: &Ledger) {
        let teams: BTreeMap<&Name, &Name> = picture.agents.iter().map(|a| (&a.agent, &a.team)).collect();
        self.agent_seconds.reset();
        for (agent, times) in ledger.agents() {
            let team = teams.get(agent).map_or("unknown", |team| team);
            for state in STATES {
                let seconds = times.total(picture.now, state).as_secs_f64();
                self.agent_seconds.with_label_values(&[team, word(state)]).inc_by(seconds);
            }
        }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

const STATES: [AgentState; 6] = [
    AgentState::SignedOut,
    AgentState::NotReady,
    AgentState::Ready,
    AgentState::Ringing,
    AgentState::Talking,
    AgentState::WrapUp,
];

/// The label of a state.
pub fn word(state: AgentState) -> &'static str {
    match state {
        AgentState::SignedOut => "signed_out",
        AgentState::NotReady => "not_ready",
        AgentState::Ready => "ready",
        AgentState::Ringing => "ringing",
        AgentState::Talking => "talking",
        AgentState::WrapUp => "wrap_up",
    }
}

fn serves(agent: &AgentRow, required: &[(Name, u8)]) -> bool {
    required.iter().all(|(skill, least)| agent.skills.iter().any(|(held, level)| held == skill && level >= least))
}
