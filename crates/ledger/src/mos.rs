//! How good a stream sounded, as people would judge: the E-model (ITU-T G.107), simplified to what RTP and RTCP tell. What is not G.711 is
//! judged as if it were.

use busyhour_model::StreamStats;

/// The rating of a line on which nothing is wrong, all of G.107's other parameters at their defaults.
const R_BEST: f64 = 93.2;
/// Of G.711 with packet-loss concealment, as phones have it: how robust it is against loss (ITU-T G.113 appendix I, table I.4). Its Ie is 0.
const ROBUSTNESS: f64 = 25.1;
/// Milliseconds that a phone needs to make a packet and to play it.
const PACKET_MS: f64 = 20.0;
/// Packets before an opinion is worth something: five seconds.
const PACKETS_MIN: u64 = 250;

/// Of what came from the peer: mean opinion score, 1-4.5 in steps of 0.01; `None`: too little came.
pub(crate) fn incoming(stats: &StreamStats) -> Option<f64> {
    let expected = stats.packets_in + stats.lost_in;
    (stats.packets_in >= PACKETS_MIN).then(|| score(stats.lost_in, expected, stats.jitter_us, stats.rtt_us))
}

/// Of what the peer heard; `None`: too little was sent, or the peer did not say.
pub(crate) fn outgoing(stats: &StreamStats) -> Option<f64> {
    let (lost, jitter_us) = stats.lost_out.zip(stats.jitter_out_us)?;
    (stats.packets_out >= PACKETS_MIN).then(|| score(lost.into(), stats.packets_out, jitter_us, stats.rtt_us))
}

fn score(lost: u64, expected: u64, jitter_us: u32, rtt_us: Option<u32>) -> f64 {
    let loss = 100.0 * lost.min(expected) as f64 / expected as f64;
    // A jitter buffer is about twice as long as what it is to even out.
    let delay = PACKET_MS + 2.0 * f64::from(jitter_us) / 1e3 + f64::from(rtt_us.unwrap_or_default()) / 2e3;
    (opinion(R_BEST - delayed(delay) - lossy(loss)) * 100.0).round() / 100.0
}

/// What random loss of so many percent takes away (G.107 section 7.2.4).
fn lossy(percent: f64) -> f64 {
    95.0 * percent / (percent + ROBUSTNESS)
}

/// What a delay from mouth to ear of so many milliseconds takes away (R. G. Cole and J. H. Rosenbluth, 2001, after G.107 section 7.2.3).
fn delayed(ms: f64) -> f64 {
    0.024 * ms + 0.11 * (ms - 177.3).max(0.0)
}

/// The mean opinion that a rating stands for (G.107 annex B).
fn opinion(rating: f64) -> f64 {
    let r = rating.clamp(0.0, 100.0);
    // Below 6.5 the polynomial falls under its lowest score.
    (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_stand_for_the_opinions_of_g_107_and_g_109() {
        for (rating, mos) in [
            (-5.0, 1.0),
            (0.0, 1.0),
            (50.0, 2.58),
            (60.0, 3.10),
            (70.0, 3.60),
            (80.0, 4.02),
            (90.0, 4.34),
            (93.2, 4.41),
            (100.0, 4.5),
        ] {
            assert!((opinion(rating) - mos).abs() < 0.006, "R {rating} is {}", opinion(rating));
        }
    }

    #[test]
    fn loss_jitter_and_delay_cost_what_the_e_model_says() {
        let fine = StreamStats { packets_in: 10_000, packets_out: 10_000, ..StreamStats::default() };
        let table: [(&str, StreamStats, f64); 6] = [
            ("nothing is wrong", fine, 4.40),
            ("1 % lost", StreamStats { packets_in: 9_900, lost_in: 100, ..fine }, 4.32),
            ("5 % lost", StreamStats { packets_in: 9_500, lost_in: 500, ..fine }, 3.90),
            ("20 % lost", StreamStats { packets_in: 8_000, lost_in: 2_000, ..fine }, 2.61),
            (
                "40 ms of jitter, 200 ms round trip",
                StreamStats { jitter_us: 40_000, rtt_us: Some(200_000), ..fine },
                4.23,
            ),
            ("600 ms round trip", StreamStats { rtt_us: Some(600_000), ..fine }, 3.59),
        ];
        for (what, stats, mos) in table {
            let is = incoming(&stats).unwrap();
            assert!((is - mos).abs() <= 0.001, "{what}: {is}");
        }
        assert_eq!(outgoing(&fine), None, "the peer did not say");
        let said = StreamStats { lost_out: Some(500), jitter_out_us: Some(0), ..fine };
        assert_eq!(outgoing(&said), incoming(&StreamStats { packets_in: 9_500, lost_in: 500, ..fine }));
        assert_eq!(incoming(&StreamStats { packets_in: 249, ..fine }), None, "too short");
        let absurd = StreamStats { lost_out: Some(u32::MAX), jitter_out_us: Some(u32::MAX), ..fine };
        assert_eq!(outgoing(&absurd), Some(1.0));
    }
}
