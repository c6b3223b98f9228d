//! What was heard in a call, in sentences: who talked, who was not heard, fax machines, and sound that was poor.

use super::Story;
use super::phrases::{Phrase, Words};
use crate::{CallRecord, LegRecord};
use busyhour_model::Deafness;
use std::time::Duration;

/// Below this opinion many are dissatisfied (ITU-T G.109: R of 70).
const POOR: f64 = 3.6;

impl Story {
    /// Told at the end, when it is known.
    pub(super) fn sound(&mut self, record: &CallRecord) {
        record.legs.iter().for_each(|leg| self.heard_of(record, leg));
        let talk = &record.talk;
        if talk.ms > 0 {
            let span = self.span(Duration::from_millis(talk.ms));
            let [caller, partner, both, silence] =
                [talk.caller_ms, talk.partner_ms, talk.both_ms, talk.silence_ms].map(|ms| talk.percent(ms));
            self.say(
                record.ended,
                Phrase::Talk,
                &[("span", &span), ("caller", &caller), ("partner", &partner), ("both", &both), ("silence", &silence)],
            );
        }
    }

    fn heard_of(&mut self, record: &CallRecord, leg: &LegRecord) {
        let (at, party) = (leg.ended.unwrap_or(record.ended), leg.party.name());
        if leg.fax.is_some() {
            self.say(at, Phrase::Fax, &[("party", party)]);
        }
        if let Some(why) = leg.unheard {
            let why = self.word(deafness(why));
            self.say(at, Phrase::Unheard, &[("party", party), ("why", &why)]);
        }
        for (mos, phrase) in [(leg.mos_in, Phrase::PoorFrom), (leg.mos_out, Phrase::PoorTo)] {
            if let Some(mos) = mos.filter(|mos| *mos < POOR) {
                self.say(at, phrase, &[("party", party), ("mos", &mos)]);
            }
        }
    }
}

fn deafness(why: Deafness) -> Words {
    match why {
        Deafness::NothingCame => {
            ("no packet came; a firewall, or the phone sends nothing", "未收到任何语音包;防火墙拦截,或话机未发送")
        }
        Deafness::PrivateAddress => (
            "no packet came, and a private address was announced: it is behind a NAT",
            "未收到任何语音包,且对端通告的是私网地址:位于 NAT 之后",
        ),
        Deafness::Unreachable => (
            "what was sent to the announced address came back (ICMP): nobody listens there",
            "发往对端通告地址的语音包被退回(ICMP):该地址无人接收",
        ),
        Deafness::OtherAddress => {
            ("packets came only from an address that was not announced", "语音包仅来自未通告的地址")
        }
        Deafness::PayloadType => ("packets came only with a payload type not agreed on", "语音包的负载类型未经协商"),
        Deafness::Keys => {
            ("packets came that the agreed SRTP keys do not open", "收到的语音包无法用协商的 SRTP 密钥解密")
        }
        Deafness::Unkeyed => ("the DTLS handshake for the keys was not finished", "密钥的 DTLS 握手没有完成"),
        Deafness::Certificate => {
            ("the certificate of the DTLS handshake is not the one announced", "DTLS 握手所用证书与所声明的不符")
        }
        Deafness::NoRtp => ("what came is no RTP", "收到的不是 RTP"),
        Deafness::SendsNothing => ("the phone said that it sends nothing", "对端声明不发送语音"),
        Deafness::Muted => ("only digital silence came: a muted microphone", "只收到数字静音:麦克风被静音"),
        Deafness::Stopped => ("sound came and stopped", "语音中途停止"),
    }
}
