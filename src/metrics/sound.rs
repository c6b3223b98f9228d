//! Series of sound: packets, how good they sounded, who talked, and what was not heard.

use super::series::Maker;
use busyhour_ledger::CallRecord;
use busyhour_model::{Party, Side, StreamStats, Talk, What};
use prometheus::{CounterVec, HistogramVec, IntCounterVec};

const JITTER_S: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
/// The bounds of ITU-T G.109 among them: 4.34 best, 4.03 high, 3.6 medium, 3.1 low, 2.58 poor.
const MOS: &[f64] = &[1.5, 2.0, 2.58, 3.1, 3.6, 3.8, 4.03, 4.2, 4.34, 4.4];

/// Sound.
pub(super) struct Sound {
    packets: IntCounterVec,
    lost: IntCounterVec,
    jitter: HistogramVec,
    mos: HistogramVec,
    talk: CounterVec,
    faxes: IntCounterVec,
    unheard: IntCounterVec,
}

impl Sound {
    pub(super) fn new(m: &Maker) -> Sound {
        let jitter = "Interarrival jitter per finished stream.";
        let mos = "Mean opinion score per finished stream by the E-model (ITU-T G.107): of what came from there, or was heard there.";
        let talk =
            "Conversations, by who talked: caller, partner, both at once (counted in those two as well), nobody.";
        let unheard = "Legs of which nothing was heard while they talked to another, by likely cause.";
        Sound {
            packets: m.counts("busyhour_rtp_packets_total", "RTP packets.", &["direction", "side"]),
            lost: m.counts("busyhour_rtp_lost_packets_total", "RTP packets lost.", &["side"]),
            jitter: m.histograms("busyhour_rtp_jitter_seconds", jitter, &["side"], JITTER_S),
            mos: m.histograms("busyhour_rtp_mos", mos, &["side", "trunk", "heard"], MOS),
            talk: m.seconds("busyhour_talk_seconds_total", talk, &["who"]),
            faxes: m.counts("busyhour_fax_legs_total", "Legs with a fax machine or modem, by its tone.", &["tone"]),
            unheard: m.counts("busyhour_one_way_legs_total", unheard, &["side", "cause"]),
        }
    }

    /// A fact about sound, if it is one.
    pub(super) fn fact(&self, what: &What) {
        match what {
            What::LegEnded { side, stats, .. } => self.ended(*side, stats),
            What::Talked(talked) => self.talked(&talked.talk),
            What::FaxHeard(heard) => self.faxes.with_label_values(&[heard.tone.as_str()]).inc(),
            What::Unheard(unheard) => {
                self.unheard.with_label_values(&[word(unheard.side), unheard.why.as_str()]).inc();
            }
            _ => {}
        }
    }

    /// A call that ended.
    pub(super) fn record(&self, record: &CallRecord) {
        for leg in &record.legs {
            let trunk = if let Party::Trunk(trunk) = &leg.party { trunk } else { "" };
            for (mos, heard) in [(leg.mos_in, "here"), (leg.mos_out, "there")] {
                let series = self.mos.with_label_values(&[word(leg.side), trunk, heard]);
                mos.into_iter().for_each(|mos| series.observe(mos));
            }
        }
    }

    fn ended(&self, side: Side, stats: &StreamStats) {
        let side = word(side);
        self.packets.with_label_values(&["in", side]).inc_by(stats.packets_in);
        self.packets.with_label_values(&["out", side]).inc_by(stats.packets_out);
        self.lost.with_label_values(&[side]).inc_by(stats.lost_in);
        if stats.packets_in > 0 {
            self.jitter.with_label_values(&[side]).observe(f64::from(stats.jitter_us) / 1e6);
        }
    }

    fn talked(&self, talk: &Talk) {
        let parts = [
            ("caller", talk.caller_ms),
            ("partner", talk.partner_ms),
            ("both", talk.both_ms),
            ("nobody", talk.silence_ms),
        ];
        for (who, ms) in parts {
            self.talk.with_label_values(&[who]).inc_by(ms as f64 / 1e3);
        }
    }
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Trunk => "trunk",
        Side::Agent => "agent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Metrics, Picture};
    use busyhour_ledger::Ledger;
    use busyhour_model::{CallId, Cause, Deafness, Fact, FaxHeard, FaxTone, LegId, Number, Talked, Time, Unheard};

    #[test]
    fn what_was_heard_of_a_call_is_counted() {
        let (metrics, mut ledger) = (Metrics::new(), Ledger::new());
        let (call, leg, agent) = (CallId(7), LegId(8), Party::Agent("1001".into()));
        let talk = Talk { ms: 4_000, caller_ms: 500, partner_ms: 2_000, both_ms: 0, silence_ms: 1_500 };
        let stats = StreamStats { packets_in: 800, lost_in: 200, packets_out: 900, ..StreamStats::default() };
        for what in [
            What::Arrived {
                call,
                leg: Some(leg),
                callback_of: None,
                origin: Party::Trunk("ct".into()),
                from: Number::parse("13800138000"),
                to: Number::parse("95118"),
                sip_call_id: "x".into(),
            },
            What::FaxHeard(FaxHeard { call, leg, tone: FaxTone::Calling }),
            What::Unheard(Unheard { call, leg, side: Side::Trunk, why: Deafness::PrivateAddress }),
            What::Talked(Talked { call, party: agent, talk }),
            What::LegEnded { call, leg, side: Side::Trunk, status: 200, stats, release: None },
            What::Ended { call, cause: Cause::CallerHungUp },
        ] {
            let fact = Fact { at: Time::from_secs(1_000), what };
            let record = ledger.apply(&fact);
            metrics.fact(&fact, ledger.stays());
            record.iter().for_each(|record| metrics.record(record));
        }
        let page = metrics.page(&Picture::default(), &ledger);
        for line in [
            "busyhour_fax_legs_total{tone=\"calling\"} 1",
            "busyhour_one_way_legs_total{cause=\"private_address\",side=\"trunk\"} 1",
            "busyhour_talk_seconds_total{who=\"partner\"} 2",
            "busyhour_talk_seconds_total{who=\"nobody\"} 1.5",
            "busyhour_rtp_mos_bucket{heard=\"here\",side=\"trunk\",trunk=\"ct\",le=\"2.58\"} 0",
            "busyhour_rtp_mos_bucket{heard=\"here\",side=\"trunk\",trunk=\"ct\",le=\"3.1\"} 1",
            "busyhour_rtp_mos_count{heard=\"there\",side=\"trunk\",trunk=\"ct\"} 0",
            "busyhour_rtp_lost_packets_total{side=\"trunk\"} 200",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
        }
    }
}
