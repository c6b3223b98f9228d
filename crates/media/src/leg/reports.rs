//! What a leg and its peer tell each other of their sound, by RTCP (RFC 3550 section 6).

use super::Leg;
use crate::incoming::Report;
use crate::outbox::Outbox;
use crate::rtcp;
use busyhour_model::{StreamStats, Time};
use std::net::SocketAddr;
use std::time::Duration;

/// Between two reports (RFC 3550 section 6.2 minimum).
pub(super) const EVERY: Duration = Duration::from_secs(5);

impl Leg {
    /// Takes an RTCP packet: a sign of life of a phone that sends no sound, and measures; never a hang-up. False: it is not the peer's.
    pub(crate) fn hear_rtcp(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> bool {
        let Some(line) = &mut self.line else { return false };
        let announced = from == line.audio.remote_rtcp;
        let mut opened = Vec::new();
        let admitted = line.is_open() && line.admits(from);
        let (trusted, bytes) = match &mut line.secured {
            Some(secured) => {
                opened.extend_from_slice(bytes);
                (secured.open_rtcp(&mut opened).is_some(), &opened[..])
            }
            None => (announced || line.latch.trusts(from.ip()), bytes),
        };
        let Some(heard) = (admitted && trusted).then(|| rtcp::read(bytes, self.outgoing.ssrc)).flatten() else {
            self.stats.refused_in += 1;
            return false;
        };
        line.heard_at = now;
        line.rtcp_source = Some(from).filter(|_| !announced && line.latch.moved());
        if let Some((ssrc, ntp)) = heard.sr {
            self.incoming.note_sr(now, ssrc, ntp);
        }
        if let Some(rtt) = heard.echo.and_then(|echo| rtcp::round_trip(now, echo)) {
            self.stats.rtt_us = Some(rtt);
        }
        if let Some(ours) = heard.ours {
            let jitter_us = ours.jitter.saturating_mul(125) / line.audio.codec.ticks();
            (self.stats.lost_out, self.stats.jitter_out_us) = (Some(ours.lost), Some(jitter_us));
        }
        true
    }

    /// Says good-bye (RFC 3550 section 6.6) and gives the final counts.
    pub(crate) fn close(&mut self, now: Time, outbox: &mut Outbox) -> StreamStats {
        if self.stats.packets_out > 0 || self.stats.packets_in > 0 {
            self.report(now, true, outbox);
        }
        self.stats()
    }

    pub(super) fn report(&mut self, now: Time, bye: bool, outbox: &mut Outbox) {
        let Some(line) = &mut self.line else { return };
        line.report_at = now + EVERY;
        let Some((to, apart)) = line.reports_to() else { return };
        let sent = (line.packets > 0).then(|| rtcp::Sent {
            timestamp: line.theirs(self.outgoing.timestamp_at(now)),
            packets: line.packets,
            octets: line.octets,
        });
        let heard = self.incoming.report(now).map(|report| Report { jitter: line.theirs(report.jitter), ..report });
        let name = format!("{:016x}", self.cname);
        let mut bytes = [0; rtcp::LEN_MAX];
        let len = rtcp::write(now, self.outgoing.ssrc, &name, sent, heard, bye, &mut bytes);
        if len > 0 {
            let secured = line.secured.as_mut();
            outbox.push(self.id, to, apart, |out| {
                let start = out.len();
                out.extend_from_slice(&bytes[..len]);
                secured.into_iter().for_each(|secured| secured.seal_rtcp(out, start));
            });
        }
    }
}
