//! `[hep]`: the Homer collector that SIP messages and RTCP reports are mirrored to.

use super::sheet::{Section, Sheet, flag, integer, one_of, parsed, text};
use crate::trace::HepSetup;
use std::net::SocketAddr;
use toml::de::DeValue;

/// Characters of a key.
const KEY_MAX: usize = 64;

/// The section, when there is one.
pub(super) fn read(root: &mut Section, sheet: &mut Sheet) -> Option<HepSetup> {
    if !root.has("hep") {
        return None;
    }
    let mut section = root.section(sheet, "hep");
    let collector = section.need(sheet, "collector", parsed::<SocketAddr>);
    let by_tcp = section.or(sheet, "transport", by_tcp, false);
    let capture_id = section.or(sheet, "capture_id", integer, 2_001);
    let key = section.read(sheet, "key", key).map(|read| read.value);
    let unmasked = section.or(sheet, "unmasked", flag, false);
    let rtcp = section.or(sheet, "rtcp", flag, true);
    section.finish(sheet);
    let collector = collector?;
    if collector.value.ip().is_unspecified() || collector.value.port() == 0 {
        sheet.error(
            collector.at,
            format!("{} is nowhere; write the collector's, like \"10.0.0.9:9060\"", collector.value),
        );
    }
    Some(HepSetup { collector: collector.value, by_tcp, capture_id, key, unmasked, rtcp })
}

fn by_tcp(value: &DeValue) -> Result<bool, String> {
    one_of(value, "is no way to a collector", &[("udp", false), ("tcp", true)])
}

fn key(value: &DeValue) -> Result<String, String> {
    let key = text(value)?;
    let fits = key.len() <= KEY_MAX;
    if fits { Ok(key) } else { Err(format!("a collector's key has at most {KEY_MAX} characters")) }
}
