//! How much a `[[trunk]]` takes beside its channels.

use super::sheet::{Read, Section, Sheet, duration, flag, integer, parse_duration, text};
use busyhour_switch::{TierChannels, TrunkLimits};
use std::time::Duration;
use toml::de::DeValue;

/// Calls a second.
const RATE_MAX: u32 = 1_000;
/// A call out waits no longer for its turn: who dials hears nothing meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Calls to one number that are counted.
const CALLEE_MAX: u32 = 1_000;
/// Limits of one trunk.
const LIMITS_MAX: usize = 16;
/// Callers without a tier.
const NO_TIER: &str = "default";

/// The limits, and the tiers they name.
pub(super) fn read(section: &mut Section, sheet: &mut Sheet, channels: u32) -> (TrunkLimits, Vec<Read<String>>) {
    let at = section.at();
    let mut limits = TrunkLimits::default();
    section.lay(sheet, "drained", flag, &mut limits.drained);
    section.lay_option(sheet, "channels_in_max", integer, &mut limits.channels_in);
    section.lay_option(sheet, "channels_out_max", integer, &mut limits.channels_out);
    section.lay_option(sheet, "cps_in", rate, &mut limits.rate_in);
    section.lay_option(sheet, "cps_out", rate, &mut limits.rate_out);
    section.lay(sheet, "cps_wait", wait, &mut limits.wait_max);
    limits.callee = often(section, sheet, "callee_limits");
    let mut named = Vec::new();
    for tier in section.sections_if_any(sheet, "tiers").unwrap_or_default() {
        let (tier, name) = tier_channels(tier, sheet);
        named.extend(name);
        limits.tiers.extend(tier);
    }
    let kept: u32 = limits.tiers.iter().map(|tier| tier.keep).fold(0, u32::saturating_add);
    if kept > channels {
        sheet.error(at, format!("{kept} channels are to be kept free for tiers, of {channels}"));
    }
    (limits, named)
}

/// How many calls within which spans.
pub(super) fn often(section: &mut Section, sheet: &mut Sheet, key: &'static str) -> Vec<(u32, Duration)> {
    let at = section.at();
    let limits = section.list(sheet, key, so_often).unwrap_or_default();
    sheet.at_most(at, key, limits.len(), LIMITS_MAX);
    limits.into_iter().map(|read| read.value).collect()
}

fn tier_channels(mut section: Section, sheet: &mut Sheet) -> (Option<TierChannels>, Option<Read<String>>) {
    let name = section.need(sheet, "tier", text);
    let keep = section.or(sheet, "keep", integer, 0);
    let max = section.read(sheet, "max", integer).map(|max: Read<u32>| max.value);
    let at = section.at();
    section.finish(sheet);
    let Some(name) = name else { return (None, None) };
    if max.is_some_and(|max| max < keep) {
        sheet.error(at, "more channels are kept free for this tier than it may have");
    }
    match &*name.value {
        NO_TIER => (Some(TierChannels { tier: None, keep, max }), None),
        tier => (Some(TierChannels { tier: Some(tier.into()), keep, max }), Some(name)),
    }
}

fn rate(value: &DeValue) -> Result<u32, String> {
    match integer::<u32>(value)? {
        rate @ 1..=RATE_MAX => Ok(rate),
        other => Err(format!("{other} calls a second: 1 to {RATE_MAX}, or \"none\" for no limit")),
    }
}

fn wait(value: &DeValue) -> Result<Duration, String> {
    let wait = duration(value)?;
    if wait <= WAIT_MAX { Ok(wait) } else { Err("a call waits for its turn at most \"10s\"".into()) }
}

/// `"5/1h"`.
fn so_often(value: &DeValue) -> Result<(u32, Duration), String> {
    let limit = text(value)?;
    let parsed = limit.split_once('/').and_then(|(calls, within)| {
        let within = parse_duration(within).filter(|within| !within.is_zero())?;
        Some((calls.parse().ok().filter(|calls| (1..=CALLEE_MAX).contains(calls))?, within))
    });
    parsed.ok_or_else(|| format!("`{limit}` is no limit; write calls and a time, like \"5/1h\""))
}
