//! The series by subject: names, labels and help, and how a row of the switch fills them.

use super::Picture;
use super::traffic::TRAFFIC;
use busyhour_ledger::{Bound, CallRecord, Ledger, QueueVisit, Survey, SurveyEnd, VisitEnd, legs_at_trunks};
use busyhour_model::{AgentState, LookUpOutcome, Name, Trouble, What};
use busyhour_sip::{Clock, Counters, Way};
use busyhour_switch::TrunkRow;
use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts,
    Registry,
};
use std::collections::BTreeMap;
use std::time::Duration;

const WAIT_S: &[f64] =
    &[3.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 120.0, 300.0, 480.0, 600.0, 900.0, 1800.0, 2400.0];
const ERROR_S: &[f64] = &[5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
const LOOK_UP_S: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const DELAY_S: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 11.0, 20.0, 32.0];
pub(super) const DURATION_S: &[f64] = &[1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];

/// Registers while it makes them.
pub(super) struct Maker(pub(super) Registry);

impl Maker {
    pub(super) fn keep<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names and labels here are constants that Prometheus takes");
        self.0.register(Box::new(collector.clone())).expect("every name here is used once");
        collector
    }

    pub(super) fn counts(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn count(&self, name: &str, help: &str) -> IntCounter {
        self.keep(IntCounter::new(name, help))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> CounterVec {
        self.keep(CounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.keep(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.into())))
    }

    pub(super) fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.into()), labels))
    }
}

/// SIP messages.
pub(super) struct Wire {
    requests: IntCounterVec,
    responses: IntCounterVec,
    retransmissions: IntCounterVec,
    timers: IntCounterVec,
    refused: IntCounterVec,
    pongs_missed: IntCounter,
    undelivered: IntCounter,
}

impl Wire {
    pub(super) fn new(m: &Maker) -> Wire {
        let requests = "SIP requests received or sent, by method and direction.";
        let (responses, repeated) = ("SIP responses by method and code.", "Retransmitted SIP messages.");
        let refused = "SIP messages not served, by reason.";
        let timers =
            "Timers that fired: A-K (RFC 3261), L, M (RFC 6026), repetitions and session timers (RFC 3262, 4028).";
        Wire {
            requests: m.counts("busyhour_sip_requests_total", requests, &["direction", "method", "transport"]),
            responses: m.counts("busyhour_sip_responses_total", responses, &["direction", "method", "code"]),
            retransmissions: m.counts("busyhour_sip_retransmissions_total", repeated, &["direction", "method"]),
            timers: m.counts("busyhour_sip_timers_fired_total", timers, &["timer"]),
            refused: m.counts("busyhour_sip_refused_messages_total", refused, &["reason"]),
            pongs_missed: m.count("busyhour_sip_pongs_missed_total", "Connections to trunks given up without a pong."),
            undelivered: m.count("busyhour_sip_undelivered_total", "SIP requests given back by the network (ICMP)."),
        }
    }

    pub(super) fn show(&self, counters: &Counters) {
        let way = |way: &Way| if *way == Way::In { "in" } else { "out" };
        [&self.requests, &self.responses, &self.retransmissions, &self.timers, &self.refused]
            .iter()
            .for_each(|c| c.reset());
        for ((w, verb, transport), n) in &counters.requests {
            let transport = transport.as_str();
            self.requests.with_label_values(&[way(w), verb.as_str(), transport]).inc_by(*n);
        }
        for ((w, verb, status), n) in &counters.responses {
            self.responses.with_label_values(&[way(w), verb.as_str(), &status.to_string()]).inc_by(*n);
        }
        for ((w, verb), n) in &counters.retransmissions {
            self.retransmissions.with_label_values(&[way(w), verb.as_str()]).inc_by(*n);
        }
        for clock in Clock::ALL {
            let fired = counters.timers.get(&clock).copied().unwrap_or_default();
            self.timers.with_label_values(&[clock.as_str()]).inc_by(fired);
        }
        let reasons = [
            ("malformed", counters.malformed),
            ("stray", counters.dropped),
            ("overload", counters.overloaded),
            ("authentication", counters.auth_failures),
            ("banned", counters.banned),
            ("rate", counters.throttled),
        ];
        for (reason, n) in reasons {
            self.refused.with_label_values(&[reason]).inc_by(n);
        }
        for (counter, n) in [(&self.pongs_missed, counters.pongs_missed), (&self.undelivered, counters.undelivered)] {
            counter.reset();
            counter.inc_by(n);
        }
    }
}

/// As RFC 6076 calls it.
fn outcome(good: bool) -> &'static str {
    if good { "successful" } else { "failed" }
}

/// Trunks.
pub(super) struct Trunks {
    traffic: [IntCounterVec; TRAFFIC.len()],
    delay: HistogramVec,
    registration: HistogramVec,
    disconnect: HistogramVec,
    duration: HistogramVec,
    up: IntGaugeVec,
    trouble: IntGaugeVec,
    channels: IntGaugeVec,
    limit: IntGaugeVec,
    pub(super) rejected: IntCounterVec,
    pub(super) undialled: IntCounterVec,
    releases: IntCounterVec,
}

impl Trunks {
    pub(super) fn new(m: &Maker) -> Trunks {
        let rejected = "Calls refused at the trunk, by reason.";
        let undialled = "Numbers outside that were not called, by reason.";
        let delay = "Time from our INVITE to the first 18x or 200, or to a refusal without any: SRD (RFC 6076 4.3).";
        let registration = "Time from our REGISTER to its 2xx, challenges included: RRD (RFC 6076 4.1).";
        let disconnect = "Time from our BYE to its final response, or to giving up: SDD (RFC 6076 4.4).";
        let duration = "Time from answer to end of the calls of a trunk: SDT (RFC 6076 4.5); its mean is the ACD.";
        let (by_way, by_outcome) = (&["trunk", "direction"], &["trunk", "outcome"]);
        let releases = "Legs of trunks that ended, by whom (peer, us) and cause of Q.850.";
        Trunks {
            traffic: TRAFFIC.map(|(name, help, _)| m.counts(&format!("busyhour_trunk_{name}_total"), help, by_way)),
            delay: m.histograms("busyhour_trunk_request_delay_seconds", delay, by_outcome, DELAY_S),
            registration: m.histograms("busyhour_trunk_registration_delay_seconds", registration, &["trunk"], DELAY_S),
            disconnect: m.histograms("busyhour_trunk_disconnect_delay_seconds", disconnect, by_outcome, DELAY_S),
            duration: m.histograms("busyhour_trunk_session_seconds", duration, by_way, DURATION_S),
            up: m.gauges("busyhour_trunk_up", "1 when the trunk answers OPTIONS or is registered.", &["trunk"]),
            trouble: m.gauges(
                "busyhour_trunk_trouble",
                "1 for what is wrong with the trunk: refused (401, 403, 503, ...), silent (no answer at all), unresolved.",
                &["trunk", "trouble"],
            ),
            channels: m.gauges("busyhour_trunk_channels", "Channels in use on the trunk.", &["trunk", "direction"]),
            limit: m.gauges("busyhour_trunk_channels_limit", "Licensed channels on the trunk.", &["trunk"]),
            rejected: m.counts("busyhour_trunk_rejected_calls_total", rejected, &["trunk", "reason"]),
            undialled: m.counts("busyhour_trunk_undialled_calls_total", undialled, &["trunk", "reason"]),
            releases: m.counts("busyhour_trunk_releases_total", releases, &["trunk", "by", "cause"]),
        }
    }

    /// A call that ended.
    pub(super) fn record(&self, record: &CallRecord) {
        for (trunk, bound, leg) in legs_at_trunks(record) {
            if let Some(release) = leg.release {
                let by = if release.by_peer { "peer" } else { "us" };
                self.releases.with_label_values(&[&**trunk, by, release.cause.to_string().as_str()]).inc();
            }
            if let Some(talk) = leg.talk() {
                self.duration.with_label_values(&[&**trunk, bound.as_str()]).observe(talk.as_secs_f64());
            }
            if let Some((delay, good)) = leg.request_delay().filter(|_| bound == Bound::Out) {
                self.delay.with_label_values(&[&**trunk, outcome(good)]).observe(delay.as_secs_f64());
            }
        }
    }

    /// A REGISTER or BYE of ours was answered, or was not.
    pub(super) fn answered(&self, trunk: &str, method: &str, took: Duration, successful: bool) {
        match method {
            "REGISTER" => self.registration.with_label_values(&[trunk]).observe(took.as_secs_f64()),
            _ => self.disconnect.with_label_values(&[trunk, outcome(successful)]).observe(took.as_secs_f64()),
        }
    }

    pub(super) fn show(&self, rows: &[TrunkRow], ledger: &Ledger) {
        self.traffic.iter().for_each(|counter| counter.reset());
        for (trunk, bound, traffic) in ledger.trunks() {
            for (counter, (_, _, count)) in self.traffic.iter().zip(TRAFFIC) {
                counter.with_label_values(&[&**trunk, bound.as_str()]).inc_by(count(traffic));
            }
        }
        [&self.up, &self.trouble, &self.channels, &self.limit].iter().for_each(|g| g.reset());
        for row in rows {
            self.up.with_label_values(&[&row.trunk]).set(row.up.into());
            for kind in Trouble::KINDS {
                let here = row.trouble.is_some_and(|trouble| trouble.kind() == kind);
                self.trouble.with_label_values(&[&*row.trunk, kind]).set(here.into());
            }
            self.channels.with_label_values(&[&*row.trunk, "in"]).set(row.channels_in.into());
            self.channels.with_label_values(&[&*row.trunk, "out"]).set(row.channels_out.into());
            self.limit.with_label_values(&[&row.trunk]).set(row.channels.into());
        }
    }
}

/// Queues.
pub(super) struct Queues {
    pub(super) offered: IntCounterVec,
    answered: IntCounterVec,
    abandoned: IntCounterVec,
    overflowed: IntCounterVec,
    pub(super) callbacks: IntCounterVec,
    messages: IntGaugeVec,
    promised: IntGaugeVec,
    wait: HistogramVec,
    prediction: HistogramVec,
    bias: CounterVec,
    predicted: GaugeVec,
    waiting: IntGaugeVec,
    oldest: GaugeVec,
}

impl Queues {
    pub(super) fn new(m: &Maker) -> Queues {
        let by_queue = &["queue"];
        let overflowed = "Calls that left the queue without an agent, by reason.";
        let prediction = "Absolute error of the predicted wait: the first told, else the one on entry.";
        let bias = "Seconds by which waits were predicted too long or too short, added up.";
        let predicted = Opts::new("busyhour_queue_predicted_wait_seconds", "Predicted wait of the next caller.");
        let oldest = Opts::new("busyhour_queue_oldest_wait_seconds", "Age of the oldest waiting call.");
        Queues {
            offered: m.counts("busyhour_queue_offered_calls_total", "Calls that asked for an agent.", by_queue),
            answered: m.counts("busyhour_queue_answered_calls_total", "Calls answered by an agent.", by_queue),
            abandoned: m.counts(
                "busyhour_queue_abandoned_calls_total",
                "Calls abandoned, by stage.",
                &["queue", "stage"],
            ),
            callbacks: m.counts(
                "busyhour_queue_callbacks_total",
                "Call-backs asked for, and what became of them.",
                &["queue", "result"],
            ),
            promised: m.gauges("busyhour_queue_open_callbacks", "Customers to be called back.", by_queue),
            messages: m.gauges("busyhour_queue_new_messages", "Messages nobody has listened to.", by_queue),
            overflowed: m.counts("busyhour_queue_overflowed_calls_total", overflowed, &["queue", "reason"]),
            wait: m.histograms("busyhour_queue_wait_seconds", "Wait until answer.", by_queue, WAIT_S),
            prediction: m.histograms("busyhour_queue_prediction_error_seconds", prediction, by_queue, ERROR_S),
            bias: m.seconds("busyhour_queue_misprediction_seconds_total", bias, &["queue", "way"]),
            predicted: m.keep(GaugeVec::new(predicted, by_queue)),
            waiting: m.gauges("busyhour_queue_waiting_calls", "Calls waiting now.", &["queue", "tier"]),
            oldest: m.keep(GaugeVec::new(oldest, by_queue)),
        }
    }

    pub(super) fn left(&self, visit: &QueueVisit) {
        let queue = &*visit.queue;
        let abandon = |stage| self.abandoned.with_label_values(&[queue, stage]).inc();
        if visit.is_callback() {
            return self.called_back(visit);
        }
        let overflow = |reason| self.overflowed.with_label_values(&[queue, reason]).inc();
        match visit.end {
            Some(VisitEnd::Answered) => {
                self.answered.with_label_values(&[queue]).inc();
                self.wait.with_label_values(&[queue]).observe(visit.wait_ms() as f64 / 1e3);
                if let Some(error_ms) = visit.prediction_error_ms {
                    let error = error_ms.unsigned_abs() as f64 / 1e3;
                    self.prediction.with_label_values(&[queue]).observe(error);
                    let way = if error_ms > 0 { "long" } else { "short" };
                    self.bias.with_label_values(&[queue, way]).inc_by(error);
                }
            }
            Some(VisitEnd::AbandonedWaiting) => abandon("waiting"),
            Some(VisitEnd::AbandonedRinging) => abandon("ringing"),
            Some(VisitEnd::TimedOut) => overflow("timed_out"),
            Some(VisitEnd::Full) => overflow("full"),
            Some(VisitEnd::NoAgents) => overflow("no_agents"),
            Some(VisitEnd::Left) => overflow("left"),
            Some(VisitEnd::Closed) => overflow("closed"),
            Some(VisitEnd::Callback) => overflow("callback"),
            Some(VisitEnd::Refused | VisitEnd::Unreached | VisitEnd::Expired) => overflow("refused"),
            None => {}
        }
    }

    fn called_back(&self, visit: &QueueVisit) {
        let result = match visit.end {
            Some(VisitEnd::Answered) => "reached",
            Some(VisitEnd::Unreached) => "unreached",
            Some(VisitEnd::Expired) => "expired",
            _ => "removed",
        };
        self.callbacks.with_label_values(&[&*visit.queue, result]).inc();
    }

    pub(super) fn show(&self, picture: &Picture) {
        self.waiting.reset();
        self.promised.reset();
        self.oldest.reset();
        self.predicted.reset();
        for row in &picture.queues {
            // Series exist from the start, so that a rate over the first call is right.
            self.offered.with_label_values(&[&row.queue]);
            self.answered.with_label_values(&[&row.queue]);
            self.wait.with_label_values(&[&row.queue]);
            for (tier, waiting) in &row.tiers {
                self.waiting.with_label_values(&[&*row.queue, &**tier]).set((*waiting).into());
            }
            self.promised.with_label_values(&[&row.queue]).set(row.callbacks.into());
            self.messages.with_label_values(&[&row.queue]).set(row.messages.into());
            let age = row.oldest.map_or(0.0, |at| picture.now.since(at).as_secs_f64());
            self.oldest.with_label_values(&[&row.queue]).set(age);
            if let Some(wait_ms) = row.wait_ms {
                self.predicted.with_label_values(&[&row.queue]).set(wait_ms as f64 / 1e3);
            }
        }
    }
}

/// Dialplans.
pub(super) struct Ivr {
    nodes: IntCounterVec,
    exits: IntCounterVec,
    lookups: HistogramVec,
}

impl Ivr {
    pub(super) fn new(m: &Maker) -> Ivr {
        let lookups = "Time of look-ups, repetitions included, by outcome.";
        Ivr {
            nodes: m.counts("busyhour_ivr_nodes_entered_total", "IVR nodes entered.", &["flow", "node"]),
            exits: m.counts("busyhour_ivr_exits_total", "IVR exits by outcome.", &["flow", "outcome"]),
            lookups: m.histograms("busyhour_ivr_lookup_seconds", lookups, &["flow", "outcome"], LOOK_UP_S),
        }
    }

    pub(super) fn fact(&self, what: &What) {
        match what {
            What::NodeEntered { plan, node, .. } => self.nodes.with_label_values(&[plan, node]).inc(),
            What::IvrLeft { plan, outcome, .. } => self.exits.with_label_values(&[plan, outcome]).inc(),
            What::LookedUp { plan, outcome, took, .. } => {
                let outcome = match outcome {
                    LookUpOutcome::Found => "found",
                    LookUpOutcome::NotFound => "not_found",
                    LookUpOutcome::Refused => "refused",
                    LookUpOutcome::Unreachable => "unreachable",
                };
                self.lookups.with_label_values(&[&**plan, outcome]).observe(took.as_secs_f64());
            }
            _ => {}
        }
    }
}

/// Satisfaction surveys, counted when the call ends.
pub(super) struct Surveys {
    offered: IntCounterVec,
    ended: IntCounterVec,
    answers: IntCounterVec,
    marks: IntCounterVec,
}

impl Surveys {
    pub(super) fn new(m: &Maker) -> Surveys {
        let by = &["queue", "survey"];
        let (ended, question) = (&["queue", "survey", "outcome"], &["queue", "survey", "question"]);
        Surveys {
            offered: m.counts("busyhour_surveys_offered_total", "Callers asked a survey.", by),
            ended: m.counts("busyhour_surveys_ended_total", "Surveys by outcome.", ended),
            answers: m.counts("busyhour_survey_answers_total", "Answers to questions of surveys.", question),
            marks: m.counts("busyhour_survey_marks_total", "Sum of what the answers are worth.", question),
        }
    }

    pub(super) fn record(&self, surveys: &[Survey]) {
        for survey in surveys {
            let (queue, name) = (survey.queue.as_deref().unwrap_or("none"), &*survey.survey);
            self.offered.with_label_values(&[queue, name]).inc();
            let outcome = survey.end.map_or("cut_short", SurveyEnd::word);
            self.ended.with_label_values(&[queue, name, outcome]).inc();
            for answer in &survey.answers {
                self.answers.with_label_values(&[queue, name, &*answer.question]).inc();
                self.marks.with_label_values(&[queue, name, &*answer.question]).inc_by(answer.score.into());
            }
        }
    }
}

/// Agents.
pub(super) struct Agents {
    count: IntGaugeVec,
    seconds: CounterVec,
}

impl Agents {
    pub(super) fn new(m: &Maker) -> Agents {
        let seconds = "Agent time by state, summed over agents of the team.";
        Agents {
            count: m.gauges("busyhour_agents", "Agents by queue and state.", &["queue", "state"]),
            seconds: m.seconds("busyhour_agent_state_seconds_total", seconds, &["team", "state"]),
        }
    }

    pub(super) fn show(&self, picture: &Picture, ledger: &Ledger) {
        self.count.reset();
        for spec in &picture.specs {
            for state in STATES {
                self.count.with_label_values(&[&*spec.name, word(state)]);
            }
            for agent in picture.agents.iter().filter(|a| spec.admits(&a.skills, a.site.as_ref())) {
                self.count.with_label_values(&[&*spec.name, word(agent.state)]).inc();
            }
        }
        let teams: BTreeMap<&Name, &Name> = picture.agents.iter().map(|a| (&a.agent, &a.team)).collect();
        self.seconds.reset();
        for (agent, times) in ledger.agents() {
            let team = teams.get(agent).map_or("unknown", |team| team);
            for state in STATES {
                let seconds = times.total(picture.now, state).as_secs_f64();
                self.seconds.with_label_values(&[team, word(state)]).inc_by(seconds);
            }
        }
    }
}

const STATES: [AgentState; 7] = [
    AgentState::SignedOut,
    AgentState::NotReady,
    AgentState::Ready,
    AgentState::Ringing,
    AgentState::Talking,
    AgentState::Hold,
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
        AgentState::Hold => "hold",
        AgentState::WrapUp => "wrap_up",
    }
}
