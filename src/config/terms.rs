//! What sound a `[[trunk]]` is offered, and what is taken from it.

use super::sheet::{Section, Sheet, integer, one_of};
use busyhour_model::{Codec, Gain};
use busyhour_switch::{Keys, Secrecy, Terms};
use toml::de::DeValue;

pub(super) fn read(section: &mut Section, sheet: &mut Sheet) -> Terms {
    let mut terms = Terms::default();
    let mut named_at = None;
    let codecs = section.list(sheet, "codecs", codec);
    for codec in codecs.unwrap_or_default() {
        if terms.codecs.contains(&codec.value) {
            sheet.error(codec.at, "this codec is named twice");
        }
        terms.codecs.push(codec.value);
        named_at = Some(codec.at);
    }
    if let Some(at) = named_at.filter(|_| !terms.codecs.iter().any(|codec| codec.is_understood())) {
        sheet.error(at, "`g729` is only passed on: name one more codec, in which prompts can be said");
    }
    section.lay(sheet, "dtmf", dtmf, &mut terms.keys);
    if let Some(number) = section.read(sheet, "telephone_event", payload_type) {
        if matches!(terms.keys, Keys::Tones | Keys::Info) {
            sheet.error(number.at, "no telephone-events are offered: take this out, or write `dtmf = \"rfc4733\"`");
        }
        terms.telephone_event = number.value;
    }
    section.lay(sheet, "ptime", ptime, &mut terms.ptime_ms);
    section.lay(sheet, "gain_in", gain, &mut terms.gain.heard);
    section.lay(sheet, "gain_out", gain, &mut terms.gain.sent);
    section.lay(sheet, "srtp", srtp, &mut terms.srtp);
    terms
}

/// Whether sound is kept secret.
pub(super) fn srtp(value: &DeValue) -> Result<Secrecy, String> {
    let known = [
        ("refused", Secrecy::Refused),
        ("accepted", Secrecy::Accepted),
        ("offered", Secrecy::Offered),
        ("required", Secrecy::Required),
        ("dtls", Secrecy::Dtls),
    ];
    one_of(value, "is no way to keep sound secret", &known)
}

fn codec(value: &DeValue) -> Result<Codec, String> {
    let known = [
        ("pcma", Codec::Pcma),
        ("pcmu", Codec::Pcmu),
        ("g722", Codec::G722),
        ("g729", Codec::G729),
        #[cfg(feature = "opus")]
        ("opus", Codec::Opus),
    ];
    one_of(value, "is no codec we speak", &known)
}

fn dtmf(value: &DeValue) -> Result<Keys, String> {
    let known =
        [("rfc4733", Keys::Events), ("rfc4733-only", Keys::EventsOnly), ("inband", Keys::Tones), ("info", Keys::Info)];
    one_of(value, "is no way to tell keys", &known)
}

fn payload_type(value: &DeValue) -> Result<u8, String> {
    match integer::<u8>(value)? {
        number @ 96..=127 => Ok(number),
        other => Err(format!("{other} is no dynamic payload type: 96 to 127")),
    }
}

fn gain(value: &DeValue) -> Result<i8, String> {
    const MAX: i8 = Gain::MAX;
    match integer::<i8>(value)? {
        db if db.unsigned_abs() <= MAX.unsigned_abs() => Ok(db),
        other => Err(format!("{other} dB are no gain: -{MAX} to {MAX}")),
    }
}

fn ptime(value: &DeValue) -> Result<u8, String> {
    match integer::<u8>(value)? {
        ms @ (10 | 20 | 30 | 40 | 50 | 60) => Ok(ms),
        other => Err(format!("{other} ms are no packet of ours: 10, 20, 30, 40, 50 or 60")),
    }
}
