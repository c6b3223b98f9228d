//! All metrics of the product: folds over facts, and what the switch tells when it is asked.

mod series;
mod sound;
mod traffic;

use crate::convert::ConversionCounts;
use crate::forks::ForkCounts;
use crate::journal::JournalCounts;
use crate::net::Refusal;
use crate::store::StoreCounts;
use crate::tapes::TapeCounts;
use crate::trace::HepCounts;
use crate::tts::TtsCounts;
use crate::upload::UploadCounts;
use busyhour_ledger::{CallRecord, Ledger, Stay};
use busyhour_model::{BotTalk, Fact, Time, What};
use busyhour_sip::{Counters, Transport};
use busyhour_switch::{AgentRow, CallRow, QueueRow, QueueSetup, TrunkRow};
use prometheus::{
    Counter, CounterVec, Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    TextEncoder,
};
use series::{Agents, DURATION_S, Ivr, Maker, Queues, Surveys, Trunks, Wire};
use sound::Sound;
use std::time::Duration;

pub use series::word;

const SETUP_S: &[f64] = &[0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
const FORECAST_S: &[f64] = &[0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];
const TTS_S: &[f64] = &[0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0];
const MATCH_S: &[f64] = &[0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.1];

/// Everything `/metrics` shows.
pub struct Metrics {
    registry: Registry,
    wire: Wire,
    trunks: Trunks,
    queues: Queues,
    agents: Agents,
    sound: Sound,
    calls: IntGaugeVec,
    setup: Histogram,
    ivr: Ivr,
    surveys: Surveys,
    reload_success: Gauge,
    reloads: IntCounterVec,
    faults: IntCounter,
    qualified: IntCounterVec,
    seats: IntCounterVec,
    cpu: CounterVec,
    /// From an input's arrival to the agent's INVITE it causes.
    pub matching: Histogram,
    /// How long a forecast takes, on its own thread.
    pub forecast: Histogram,
    /// How long the copy of the matcher it starts from holds the control loop.
    pub forecast_copy: Histogram,
    /// Of the journal.
    pub journal: JournalCounts,
    /// Of the store.
    pub store: StoreCounts,
    /// Of recordings.
    pub tapes: TapeCounts,
    /// Of the thread that makes recordings smaller.
    pub conversions: ConversionCounts,
    /// The thread that copies recordings to storage.
    pub uploads: UploadCounts,
    /// Of texts spoken.
    pub tts: TtsCounts,
    /// Of programs that hear calls.
    pub forks: ForkCounts,
    talks: HistogramVec,
    messages: IntCounterVec,
    /// Webhooks by outcome.
    pub notified: IntCounterVec,
    /// Look-ups of trunks' names by outcome.
    pub resolved: IntCounterVec,
    /// Facts that never reached the recorder.
    pub facts_lost: IntCounter,
    refusals: IntCounterVec,
    /// Notes for `busyhour trace` that its thread could not take.
    pub untraced: IntCounter,
    /// Handshakes for keys of sound by outcome: `keyed`, `unkeyed`, `certificate`.
    pub handshakes: IntCounterVec,
    /// Of messages mirrored to Homer.
    pub hep: HepCounts,
    /// Messages not sent because a socket refused or a queue was full.
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

impl Metrics {
    /// All series, at zero.
    pub fn new() -> Metrics {
        let m = Maker(Registry::new());
        let build = m.gauges("busyhour_build_info", "Build information.", &["version", "revision"]);
        let revision = option_env!("BUSYHOUR_REVISION").unwrap_or("unknown");
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), revision]).set(1);
        let matching = "Time from the event that made a match possible to the agent's INVITE on the wire.";
        let forecast = "Time one forecast of all queues takes, on a thread of its own.";
        let copy = "Time the control loop takes to copy the matcher for a forecast.";
        let refusals = "Connections that came to nothing, by transport and reason.";
        let qualified = "Phones that gave no answer to OPTIONS and are not rung, or answer again, by which.";
        let by_pin = "Agents who signed in by PIN at a phone, or did not.";
        let success = Gauge::new("busyhour_config_reload_success_timestamp_seconds", "Time of the last good reload.");
        let hep = m.counts("busyhour_hep_packets_total", "SIP and RTCP mirrored to Homer, by outcome.", &["outcome"]);
        Metrics {
            wire: Wire::new(&m),
            trunks: Trunks::new(&m),
            queues: Queues::new(&m),
            agents: Agents::new(&m),
            sound: Sound::new(&m),
            calls: m.gauges("busyhour_calls_active", "Calls in progress, by stage.", &["stage"]),
            setup: m.histogram("busyhour_call_setup_seconds", "Time from INVITE to our 200.", SETUP_S),
            ivr: Ivr::new(&m),
            surveys: Surveys::new(&m),
            reload_success: m.keep(success),
            reloads: m.counts("busyhour_config_reloads_total", "Reloads by result.", &["result"]),
            qualified: m.counts("busyhour_phones_qualified_total", qualified, &["outcome"]),
            seats: m.counts("busyhour_sign_ins_by_pin_total", by_pin, &["outcome"]),
            faults: m.count("busyhour_faults_total", "Faults of ours that were contained."),
            cpu: m.seconds("busyhour_cpu_seconds_total", "CPU time by part of the program.", &["part"]),
            matching: m.histogram("busyhour_acd_match_seconds", matching, MATCH_S),
            forecast: m.histogram("busyhour_forecast_seconds", forecast, FORECAST_S),
            forecast_copy: m.histogram("busyhour_forecast_copy_seconds", copy, MATCH_S),
            journal: JournalCounts {
                errors: m.count("busyhour_journal_errors_total", "Failed writes of the journal."),
                lost: m.count("busyhour_journal_lost_entries_total", "Journal entries given up."),
            },
            store: StoreCounts {
                errors: m.count("busyhour_store_errors_total", "Failed transactions of the record store."),
                lost: m.count("busyhour_store_lost_records_total", "Call records given up by the store."),
                spooled: m.keep(IntGauge::new("busyhour_store_spooled_records", "Call records waiting for the store.")),
            },
            tapes: TapeCounts {
                active: m.keep(IntGauge::new("busyhour_recordings_active", "Recordings under way.")),
                seconds: m.count("busyhour_recorded_seconds_total", "Seconds of sound in finished recordings."),
                errors: m.count("busyhour_recording_errors_total", "Recordings not written, read or removed."),
                lost: m.keep(Counter::new(
                    "busyhour_recording_lost_seconds_total",
                    "Sound no disk took: gaps in recordings.",
                )),
                mended: m.count("busyhour_recordings_mended_total", "Recordings a killed process left unfinished."),
            },
            conversions: conversions(&m),
            uploads: uploads(&m),
            tts: TtsCounts {
                texts: m.counts("busyhour_tts_texts_total", "Texts to be spoken, by outcome.", &["outcome"]),
                seconds: m.histogram("busyhour_tts_seconds", "Time from a new text to its sound.", TTS_S),
            },
            talks: talk_times(&m),
            forks: fork_counts(&m),
            messages: m.counts("busyhour_voicemail_messages_total", "Messages, by what became of them.", &["event"]),
            notified: m.counts("busyhour_webhook_posts_total", "Webhooks by outcome.", &["outcome"]),
            resolved: m.counts("busyhour_dns_lookups_total", "Look-ups of trunks' names by outcome.", &["outcome"]),
            facts_lost: m.count("busyhour_facts_lost_total", "Facts that never reached journal and records."),
            refusals: m.counts("busyhour_sip_refused_connections_total", refusals, &["transport", "reason"]),
            handshakes: handshakes(&m),
            untraced: m
                .count("busyhour_sip_untraced_messages_total", "SIP messages that tracing could not keep up with."),
            hep: HepCounts { sent: hep.with_label_values(&["sent"]), lost: hep.with_label_values(&["lost"]) },
            unsent: m.count("busyhour_sip_unsent_messages_total", "SIP messages no socket took."),
            registry: m.0,
        }
    }

    /// One fact, and what it did to queues.
    pub fn fact(&self, fact: &Fact, stays: &[Stay]) {
        self.sound.fact(&fact.what);
        match &fact.what {
            What::TrunkAnswered { trunk, method, took, successful } => {
                self.trunks.answered(trunk, method, *took, *successful);
            }
            What::TrunkRefused { trunk, reason, .. } => self.trunks.rejected.with_label_values(&[trunk, reason]).inc(),
            What::DialRefused { trunk, reason, .. } => {
                self.trunks.undialled.with_label_values(&[trunk.as_deref().unwrap_or("none"), reason]).inc();
            }
            What::Reloaded { ok } => {
                self.reloads.with_label_values(&[if *ok { "accepted" } else { "rejected" }]).inc();
                if *ok {
                    self.reload_success.set(fact.at.as_micros() as f64 / 1e6);
                }
            }
            What::MessageLeft { .. } => self.messages.with_label_values(&["left"]).inc(),
            What::MessageHeard { .. } => self.messages.with_label_values(&["heard"]).inc(),
            What::MessageDeleted { expired, .. } => {
                self.messages.with_label_values(&[if *expired { "expired" } else { "deleted" }]).inc();
            }
            What::Qualified { answers, .. } => {
                self.qualified.with_label_values(&[if *answers { "answers" } else { "silent" }]).inc();
            }
            What::Seated { .. } => self.seats.with_label_values(&["seated"]).inc(),
            What::SeatRefused { reason, .. } => self.seats.with_label_values(&[reason]).inc(),
            What::TalkedWithBot(BotTalk { bot, outcome, took, .. }) => {
                self.talks.with_label_values(&[&**bot, &**outcome]).observe(took.as_secs_f64());
            }
            What::Fault { .. } => self.faults.inc(),
            what => self.ivr.fact(what),
        }
        for stay in stays {
            match stay {
                Stay::Began(queue) => self.queues.offered.with_label_values(&[queue]).inc(),
                Stay::Promised(queue) => self.queues.callbacks.with_label_values(&[queue, "asked"]).inc(),
                Stay::Ended(visit) => self.queues.left(visit),
            }
        }
    }

    /// A connection that came to nothing.
    pub fn refused(&self, transport: Transport, refusal: &Refusal) {
        self.refusals.with_label_values(&[transport.as_str(), refusal.word()]).inc();
    }

    /// A call that ended.
    pub fn record(&self, record: &CallRecord) {
        self.surveys.record(&record.surveys);
        self.trunks.record(record);
        self.sound.record(record);
        if let Some(answered) = record.answered {
            self.setup.observe(answered.since(record.arrived).as_secs_f64());
        }
    }

    /// The page, with what the switch says right now. One page at a time: series are emptied and filled again.
    pub fn page(&self, picture: &Picture, ledger: &Ledger) -> String {
        self.wire.show(&picture.counters);
        self.trunks.show(&picture.trunks, ledger);
        self.queues.show(picture);
        self.agents.show(picture, ledger);
        for stage in ["ivr", "queued", "callback", "ringing", "talking"] {
            self.calls.with_label_values(&[stage]).set(0);
        }
        for row in &picture.calls {
            self.calls.with_label_values(&[&row.stage]).inc();
        }
        let (control, media) = picture.cpu;
        self.cpu.reset();
        self.cpu.with_label_values(&["control"]).inc_by(control.as_secs_f64());
        self.cpu.with_label_values(&["media"]).inc_by(media.as_secs_f64());
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

fn conversions(m: &Maker) -> ConversionCounts {
    let help = "Recordings made Ogg/Opus, by outcome.";
    ConversionCounts {
        waiting: m.keep(IntGauge::new("busyhour_recordings_unconverted", "Recordings not made Ogg/Opus yet.")),
        outcomes: m.counts("busyhour_recording_conversions_total", help, &["outcome"]),
    }
}

fn uploads(m: &Maker) -> UploadCounts {
    UploadCounts {
        waiting: m.keep(IntGauge::new("busyhour_recordings_waiting", "Recordings not in storage yet.")),
        outcomes: m.counts("busyhour_recording_uploads_total", "Recordings' copies, by outcome.", &["outcome"]),
    }
}

fn talk_times(m: &Maker) -> HistogramVec {
    let help = "Time callers talk with bots, by how that ended.";
    m.histograms("busyhour_bot_talk_seconds", help, &["bot", "outcome"], DURATION_S)
}

fn handshakes(m: &Maker) -> IntCounterVec {
    m.counts("busyhour_dtls_handshakes_total", "Handshakes for keys of sound, by outcome.", &["outcome"])
}

fn fork_counts(m: &Maker) -> ForkCounts {
    let lost = Counter::new("busyhour_fork_lost_seconds_total", "Sound that programs were too slow to take.");
    let active = IntGauge::new("busyhour_forks_active", "Programs that hear a call now.");
    ForkCounts { active: m.keep(active), lost: m.keep(lost) }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use busyhour_model::{AgentState, Party};

    fn answered(method: &str, successful: bool) -> What {
        let (trunk, took) = ("ct".into(), std::time::Duration::from_millis(250));
        What::TrunkAnswered { trunk, method: method.into(), took, successful }
    }

    #[test]
    fn a_page_has_every_subject_and_no_second_count_of_the_same() {
        let (metrics, mut ledger) = (Metrics::new(), Ledger::new());
        let mut picture = Picture { now: Time::from_secs(2_000), ..Picture::default() };
        picture.counters.malformed = 3;
        picture.counters.timers.insert(busyhour_sip::Clock::A, 2);
        picture.agents.push(AgentRow {
            agent: "1001".into(),
            name: "张三".into(),
            team: "t1".into(),
            site: None,
            state: AgentState::Ready,
            since: Time::from_secs(1_000),
            reason: None,
            call: None,
            contacts: 1,
            silent: 0,
            phone: None,
            skills: vec![],
            messages: 0,
        });
        let at = Time::from_secs(1_000);
        let entered =
            |state| What::AgentEntered { agent_id: Default::default(), agent: "1001".into(), state, reason: None };
        for what in [
            entered(AgentState::Ready),
            What::Arrived {
                call: Default::default(),
                leg: Some(Default::default()),
                callback_of: None,
                origin: Party::Trunk("ct".into()),
                from: busyhour_model::Number::parse("13800138000"),
                to: busyhour_model::Number::parse("95118"),
                sip_call_id: "x".into(),
            },
            What::Dequeued {
                call: Default::default(),
                queue: "credit".into(),
                reason: busyhour_model::DequeueReason::Full,
            },
            What::TrunkRefused { trunk: "ct".into(), reason: "channels_full".into(), status: 503 },
            answered("REGISTER", true),
            answered("BYE", false),
        ] {
            let fact = Fact { at, what };
            ledger.apply(&fact);
            metrics.fact(&fact, ledger.stays());
        }
        metrics.page(&picture, &ledger);
        let page = metrics.page(&picture, &ledger);
        for line in [
            "busyhour_sip_refused_messages_total{reason=\"malformed\"} 3",
            "busyhour_queue_offered_calls_total{queue=\"credit\"} 1",
            "busyhour_queue_overflowed_calls_total{queue=\"credit\",reason=\"full\"} 1",
            "busyhour_agent_state_seconds_total{state=\"ready\",team=\"t1\"} 1000",
            "busyhour_sip_timers_fired_total{timer=\"A\"} 2",
            "busyhour_sip_timers_fired_total{timer=\"K\"} 0",
            "busyhour_trunk_bids_total{direction=\"in\",trunk=\"ct\"} 1",
            "busyhour_trunk_ineffective_calls_total{direction=\"in\",trunk=\"ct\"} 1",
            "busyhour_trunk_seizures_total{direction=\"in\",trunk=\"ct\"} 0",
            "busyhour_trunk_registration_delay_seconds_sum{trunk=\"ct\"} 0.25",
            "busyhour_trunk_disconnect_delay_seconds_sum{outcome=\"failed\",trunk=\"ct\"} 0.25",
            "busyhour_calls_active{stage=\"talking\"} 0",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("13800138000"), "no telephone number is a label");
    }
}
