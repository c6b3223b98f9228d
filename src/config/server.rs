//! The sections about this machine: `[server]`, `[sip]`, `[media]`, `[http]`, `[codes]`, `[voicemail]`.

use super::recording::Filing;
use super::roster::Roster;
use super::schedule::{Timetable, utc_offset};
use super::sheet::{Read, Section, Sheet, duration, flag, integer, parsed, text};
use super::tier::Tier;
use super::trunk::NumberEntry;
use super::{LogFormat, Shell, limits};
use crate::net::{Identity, advertised};
use busyhour_ivr::Dialplan;
use busyhour_media::{COUNTRIES, Country};
use busyhour_model::{KeySecret, Name};
use busyhour_sip::{Limits, Network, Networks, Transport};
use busyhour_switch::{Setup, Slots, StarCodes, Terms, VoicemailSetup};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// Media threads at most.
const MEDIA_THREADS_MAX: usize = 64;
/// Between two questions whether a phone is there: at least, and where nothing else is said.
const QUALIFY_MIN: Duration = Duration::from_secs(10);
const QUALIFY: Duration = Duration::from_secs(60);
/// A parked caller nobody picks up goes back after so long.
const PARKED: Duration = Duration::from_secs(120);
/// Slots for parked callers at most.
const SLOTS_MAX: u32 = 1_000;
/// Characters of a key.
const KEY_MIN: usize = 16;

/// All of it, with positions where a later check may want to point.
pub(super) struct Server {
    pub(super) shell: Shell,
    pub(super) dialplans: Option<PathBuf>,
    pub(super) domain: String,
    pub(super) utc_offset_minutes: i32,
    pub(super) sip: Vec<(Transport, Read<SocketAddr>)>,
    pub(super) identities: Vec<Identity>,
    pub(super) limits: Limits,
    /// Of phones.
    terms: Terms,
    pub(super) http: Read<SocketAddr>,
    pub(super) media_addresses: Vec<Read<IpAddr>>,
    pub(super) media_ports: Read<(u16, u16)>,
    pub(super) silence_timeout: Duration,
    pub(super) agent_silence_timeout: Duration,
    pub(super) ring_timeout: Duration,
    pub(super) call_max: Duration,
    pub(super) calls_max: Read<usize>,
    pub(super) outside_limits: Vec<(u32, Duration)>,
    pub(super) codes: Vec<Read<String>>,
    pub(super) slots: Option<Slots>,
    pub(super) voicemail: VoicemailSetup,
    pub(super) tts_fallback: Option<Read<String>>,
}

pub(super) fn read(root: &mut Section, sheet: &mut Sheet, folder: &Path) -> Server {
    let mut section = root.section(sheet, "server");
    let at = section.at();
    let domain = section.or(sheet, "domain", host, "busyhour.local".into());
    let utc_offset_minutes = section.or(sheet, "utc_offset", utc_offset, 480);
    let path = |read: Read<String>| folder.join(read.value);
    let data = section.read(sheet, "data", text).map(path);
    let dialplans = section.read(sheet, "dialplans", text).map(path);
    let prompts = section.read(sheet, "prompts", text).map(path);
    let country = section.or(sheet, "country", country, &COUNTRIES[0]);
    let log = section.or(sheet, "log", log_format, LogFormat::Text);
    let drain = section.or(sheet, "drain", duration, Duration::from_secs(10));
    let ring_timeout = section.or(sheet, "ring_timeout", ringing, Duration::from_secs(20));
    let call_max = section.or(sheet, "call_max", duration, Duration::from_secs(4 * 3600));
    let trace = section.or(sheet, "trace", trace_bytes, 32 << 20);
    let calls_max = section.read(sheet, "calls_max", calls).unwrap_or(Read { value: 3_000, at });
    let outside_limits = limits::often(&mut section, sheet, "outside_limits");
    section.finish(sheet);

    let sip = sip(root, sheet);
    let media = media(root, sheet);

    let (http, http_on, provision_key) = http(root, sheet);
    let forecast_every = forecast(root, sheet);
    let identities = super::tls::identities(root, sheet);
    let (voicemail, message_webhook) = voicemail(root, sheet);
    let (tts, tts_fallback) = super::tts::read(root, sheet, folder, data.as_deref());
    let shell = Shell {
        sip: sip.addresses.iter().map(|(transport, read)| (*transport, read.value)).collect(),
        origins: sip.origins,
        advertise: sip.advertise,
        networks: networks(root, sheet),
        http: http_on.then_some(http.value),
        provision_key,
        data,
        filing: Filing::default(),
        prompts,
        country,
        media_threads: media.threads,
        log,
        drain,
        forecast_every,
        trace,
        hep: super::hep::read(root, sheet),
        message_webhook,
        dns: super::dns::read(root, sheet),
        tts,
    };
    let (codes, slots) = codes(root, sheet);
    Server {
        shell,
        dialplans,
        domain,
        utc_offset_minutes,
        sip: sip.addresses,
        identities,
        limits: sip.limits,
        terms: sip.terms,
        http,
        media_addresses: media.addresses,
        media_ports: media.ports,
        silence_timeout: media.silence_timeout,
        agent_silence_timeout: media.agent_silence_timeout,
        ring_timeout,
        call_max,
        calls_max,
        outside_limits,
        codes,
        slots,
        voicemail,
        tts_fallback,
    }
}

/// Where pages are served, whether they are, and the key of phones' settings.
fn http(root: &mut Section, sheet: &mut Sheet) -> (Read<SocketAddr>, bool, Option<String>) {
    let mut section = root.section(sheet, "http");
    let default = Read { value: SocketAddr::from((Ipv4Addr::LOCALHOST, 9595)), at: section.at() };
    let listen = section.read(sheet, "listen", parsed).unwrap_or(default);
    let enabled = section.or(sheet, "enabled", flag, true);
    let provision_key = section.read(sheet, "provision_key", key).map(|read| read.value);
    section.finish(sheet);
    (listen, enabled, provision_key)
}

/// How often waits are foreseen.
fn forecast(root: &mut Section, sheet: &mut Sheet) -> Duration {
    let mut section = root.section(sheet, "forecast");
    let every = section.or(sheet, "every", forecasts, Duration::from_secs(1));
    section.finish(sheet);
    every
}

struct Sip {
    addresses: Vec<(Transport, Read<SocketAddr>)>,
    origins: Vec<String>,
    advertise: Option<IpAddr>,
    limits: Limits,
    terms: Terms,
}

fn sip(root: &mut Section, sheet: &mut Sheet) -> Sip {
    let mut section = root.section(sheet, "sip");
    let at = section.at();
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
    let mut addresses = Vec::new();
    for transport in Transport::ALL {
        let unasked =
            if transport.is_secure() || transport.is_websocket() { vec![] } else { vec![Read { value: local, at }] };
        let listed = section.list(sheet, transport.as_str(), parsed).unwrap_or(unasked);
        addresses.extend(listed.into_iter().map(|read| (transport, read)));
    }
    let origins = section.list(sheet, "origins", origin).unwrap_or_default();
    let advertise = section.read(sheet, "advertise", parsed::<IpAddr>).map(|r| r.value);
    let mut limits = Limits { qualify: QUALIFY, ..Limits::default() };
    section.lay(sheet, "datagram_bytes", integer, &mut limits.datagram_bytes);
    section.lay(sheet, "sha256", flag, &mut limits.sha256);
    section.lay(sheet, "session_expires", expires, &mut limits.session_expires);
    section.lay(sheet, "mwi_unsolicited", flag, &mut limits.mwi_unsolicited);
    section.lay(sheet, "contacts_max", contacts, &mut limits.contacts);
    section.lay(sheet, "register_min", registered, &mut limits.register_min);
    section.lay(sheet, "register_max", registered, &mut limits.register_max);
    section.lay(sheet, "qualify", qualified, &mut limits.qualify);
    let mut terms = Terms::default();
    section.lay(sheet, "srtp", super::terms::srtp, &mut terms.srtp);
    if limits.register_min > limits.register_max {
        sheet.error(at, "`register_min` is longer than `register_max`: nobody could register");
    }
    section.finish(sheet);
    Sip { addresses, origins: origins.into_iter().map(|read| read.value).collect(), advertise, limits, terms }
}

/// `[[network]]`: peers that know us by another address.
fn networks(root: &mut Section, sheet: &mut Sheet) -> Networks {
    let sections = root.sections(sheet, "network");
    let read = |mut section: Section, sheet: &mut Sheet| {
        let peers = section.list(sheet, "peers", super::trunk::network);
        let advertise = section.need(sheet, "advertise", parsed::<IpAddr>);
        if peers.is_none() {
            sheet.error(section.at(), "[[network]] needs `peers`, like [\"0.0.0.0/0\"]");
        }
        section.finish(sheet);
        let (peers, advertise) = (peers?, advertise?);
        for net in peers.iter().filter(|net| net.value.addr().is_ipv4() != advertise.value.is_ipv4()) {
            sheet.error(
                net.at,
                format!("{} and {} are not of one family: nobody there could reach it", net.value, advertise.value),
            );
        }
        if advertise.value.is_unspecified() {
            sheet.error(advertise.at, format!("{} is no address peers can reach", advertise.value));
        }
        Some(Network { peers: peers.into_iter().map(|net| net.value).collect(), advertise: advertise.value })
    };
    Networks(sections.into_iter().filter_map(|section| read(section, sheet)).collect())
}

struct Media {
    /// One, or one of each family.
    addresses: Vec<Read<IpAddr>>,
    ports: Read<(u16, u16)>,
    threads: usize,
    silence_timeout: Duration,
    agent_silence_timeout: Duration,
}

fn media(root: &mut Section, sheet: &mut Sheet) -> Media {
    let mut section = root.section(sheet, "media");
    let at = section.at();
    let mut addresses: Vec<Read<IpAddr>> = section.list(sheet, "address", parsed).unwrap_or_default();
    if addresses.is_empty() {
        addresses.push(Read { value: Ipv4Addr::LOCALHOST.into(), at });
    }
    for (i, address) in addresses.iter().enumerate() {
        if addresses[..i].iter().any(|other| other.value.is_ipv4() == address.value.is_ipv4()) {
            sheet.error(address.at, "`media.address` is one IPv4 address, one IPv6 address, or one of each");
        }
    }
    let ports = section.read(sheet, "ports", ports).unwrap_or(Read { value: (20_000, 31_998), at });
    let threads = section.or(sheet, "threads", threads, 1);
    let silence_timeout = section.or(sheet, "silence_timeout", duration, Duration::from_secs(60));
    let agent_silence_timeout = section.or(sheet, "agent_silence_timeout", duration, Duration::from_secs(10));
    section.finish(sheet);
    Media { addresses, ports, threads, silence_timeout, agent_silence_timeout }
}

/// By which sessions are refreshed (RFC 4028 section 5).
fn expires(value: &DeValue) -> Result<Duration, String> {
    let span = duration(value)?;
    let fits = span.is_zero() || (90..=86_400).contains(&span.as_secs());
    if fits { Ok(span) } else { Err("sessions are refreshed by \"90s\" to \"1d\"; \"0s\": not by us".into()) }
}

/// Phones of one agent at once.
fn contacts(value: &DeValue) -> Result<usize, String> {
    count(value, 1, 16)
}

/// Between two questions whether a phone is there.
fn qualified(value: &DeValue) -> Result<Duration, String> {
    let span = duration(value)?;
    let fits = span.is_zero() || (QUALIFY_MIN..=Duration::from_secs(3_600)).contains(&span);
    if fits {
        Ok(span)
    } else {
        Err("phones are asked each \"10s\" to \"1h\" whether they are there; \"0s\": never".into())
    }
}

/// Seconds a phone is registered for.
fn registered(value: &DeValue) -> Result<u32, String> {
    let span = duration(value)?.as_secs();
    let fits = (10..=86_400).contains(&span);
    if fits { Ok(span as u32) } else { Err("phones register for \"10s\" to \"1d\"".into()) }
}

/// Limits of mailboxes, and who is told of messages.
fn voicemail(root: &mut Section, sheet: &mut Sheet) -> (VoicemailSetup, Option<String>) {
    let mut section = root.section(sheet, "voicemail");
    let mut setup = VoicemailSetup::default();
    section.lay(sheet, "messages_max", integer, &mut setup.messages_max);
    section.lay(sheet, "keep", duration, &mut setup.keep);
    let webhook = section.read(sheet, "webhook", webhook).map(|read| read.value);
    section.finish(sheet);
    (setup, webhook)
}

/// Too long to be guessed.
fn key(value: &DeValue) -> Result<String, String> {
    let key = text(value)?;
    let long = key.chars().count() >= KEY_MIN;
    long.then_some(key)
        .ok_or_else(|| format!("a key has {KEY_MIN} characters or more; `openssl rand -hex 16` makes one"))
}

/// A megabyte holds the messages of some fifty calls.
fn trace_bytes(value: &DeValue) -> Result<usize, String> {
    let bytes = integer(value)?;
    let fits = bytes == 0 || (1 << 20..=4 << 30).contains(&bytes);
    if fits { Ok(bytes) } else { Err("messages are kept within 1048576 to 4294967296 bytes; 0: none".into()) }
}

fn webhook(value: &DeValue) -> Result<String, String> {
    address(&text(value)?, "https://crm.example/messages")
}

/// Where a page comes from, as browsers say it.
fn origin(value: &DeValue) -> Result<String, String> {
    let origin = address(&text(value)?, "https://desk.example")?;
    if origin.matches('/').count() == 2 {
        Ok(origin)
    } else {
        Err(format!("`{origin}`: an origin ends before the path"))
    }
}

/// A server asked by HTTP.
pub(super) fn address(url: &str, example: &str) -> Result<String, String> {
    within(url, ["http://", "https://"], example)
}

/// An address of one of these kinds.
pub(super) fn within(url: &str, schemes: [&str; 2], example: &str) -> Result<String, String> {
    let host = schemes.into_iter().find_map(|scheme| url.strip_prefix(scheme)).unwrap_or_default();
    let fits = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && url.parse::<hyper::Uri>().is_ok_and(|uri| uri.authority().is_some());
    if fits { Ok(url.into()) } else { Err(format!("`{url}` is no address like \"{example}\"")) }
}

/// `"801-820"`.
fn slots(value: &DeValue) -> Result<(u32, u32), String> {
    let range = text(value)?;
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let pair = range.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?)));
    let fits = |(first, last): &(u32, u32)| first <= last && last - first < SLOTS_MAX;
    pair.filter(fits).ok_or_else(|| format!("`{range}` are no slots; write \"801-820\", at most {SLOTS_MAX}"))
}

fn codes(root: &mut Section, sheet: &mut Sheet) -> (Vec<Read<String>>, Option<Slots>) {
    let mut section = root.section(sheet, "codes");
    let at = section.at();
    let default = StarCodes::default();
    let mut code = |key, default: &Name| {
        section.read(sheet, key, star_code).unwrap_or_else(|| Read { value: default.to_string(), at })
    };
    let codes = vec![
        code("ready", &default.ready),
        code("not_ready", &default.not_ready),
        code("sign_out", &default.sign_out),
        code("voicemail", &default.voicemail),
        code("park", &default.park),
        code("pickup", &default.pickup),
        code("sign_in", &default.sign_in),
        code("dnd", &default.dnd),
        code("conference", &default.conference),
    ];
    let slots = section.read(sheet, "park_slots", slots).map(|read| read.value);
    let patience = section.or(sheet, "park_patience", duration, PARKED);
    section.finish(sheet);
    (codes, slots.map(|(first, last)| Slots { first, last, patience }))
}

impl Server {
    /// Everything the switch is told.
    pub(super) fn setup(&self, roster: &Roster, dialplans: Vec<(Name, Dialplan)>) -> Setup {
        let told =
            |(transport, bound): &(Transport, SocketAddr)| (*transport, advertised(*bound, self.shell.advertise));
        let code = |i: usize| Name::from(self.codes[i].value.as_str());
        let legs = self.calls_max.value.saturating_mul(3).max(64);
        Setup {
            domain: self.domain.clone(),
            locals: self.shell.sip.iter().map(told).collect(),
            networks: self.shell.networks.clone(),
            media_address: self.media_addresses[0].value,
            media_other: self.media_addresses.get(1).map(|other| other.value),
            media_ports: self.media_ports.value,
            trunks: roster.trunks.iter().map(|trunk| trunk.setup(self.shell.advertise)).collect(),
            groups: roster.groups.iter().map(|group| group.setup.clone()).collect(),
            numbers: roster.numbers.iter().map(NumberEntry::route).collect(),
            schedules: roster.schedules.iter().map(Timetable::setup).collect(),
            tiers: roster.tiers.iter().map(Tier::setup).collect(),
            queues: roster.queues.iter().map(|q| q.setup.clone()).collect(),
            agents: roster.agents().cloned().collect(),
            phones: roster.phones.iter().map(|phone| phone.account.clone()).collect(),
            dialplans,
            voicemail: self.voicemail.clone(),
            recording: roster.recording.clone(),
            codes: StarCodes {
                ready: code(0),
                not_ready: code(1),
                sign_out: code(2),
                voicemail: code(3),
                park: code(4),
                pickup: code(5),
                sign_in: code(6),
                dnd: code(7),
                conference: code(8),
                slots: self.slots,
            },
            ring_timeout: self.ring_timeout,
            silence_timeout: self.silence_timeout,
            agent_silence_timeout: self.agent_silence_timeout,
            call_max: self.call_max,
            calls_max: self.calls_max.value,
            outside_limits: self.outside_limits.clone(),
            terms: self.terms.clone(),
            secret: KeySecret::default(),
            limits: Limits { legs, ..self.limits },
        }
    }
}

pub(super) fn host(value: &DeValue) -> Result<String, String> {
    let host = text(value)?;
    let fits = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c));
    if fits { Ok(host) } else { Err(format!("`{host}` is no host name")) }
}

fn country(value: &DeValue) -> Result<&'static Country, String> {
    let code = text(value)?;
    let known = COUNTRIES.iter().map(|country| country.code).collect::<Vec<_>>().join(", ");
    Country::find(&code).ok_or_else(|| format!("the tones of `{code}` are not known; known: {known}"))
}

fn log_format(value: &DeValue) -> Result<LogFormat, String> {
    match text(value)?.as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("`{other}` is no log format: \"text\" or \"json\"")),
    }
}

fn calls(value: &DeValue) -> Result<usize, String> {
    count(value, 1, 100_000)
}

fn threads(value: &DeValue) -> Result<usize, String> {
    count(value, 1, MEDIA_THREADS_MAX)
}

pub(super) fn count(value: &DeValue, least: usize, most: usize) -> Result<usize, String> {
    let count = integer::<usize>(value)?;
    if (least..=most).contains(&count) { Ok(count) } else { Err(format!("{count} is not between {least} and {most}")) }
}

/// A forecast is believed for 15 s: it has to be renewed before.
fn forecasts(value: &DeValue) -> Result<Duration, String> {
    let span = duration(value)?;
    let fits = span.is_zero() || (Duration::from_millis(200)..=busyhour_acd::FRESH).contains(&span);
    if fits { Ok(span) } else { Err("waits are foreseen every 200ms to 15s, or never (0s)".into()) }
}

/// A phone that rings for no time or for ever serves nobody.
pub(super) fn ringing(value: &DeValue) -> Result<Duration, String> {
    let span = duration(value)?;
    let fits = (Duration::from_secs(1)..=Duration::from_secs(180)).contains(&span);
    if fits { Ok(span) } else { Err("a phone rings between 1s and 180s (3m)".into()) }
}

/// `"20000-31999"`: RTP on the even ports, RTCP above each.
fn ports(value: &DeValue) -> Result<(u16, u16), String> {
    let range = text(value)?;
    let parts = range.split_once('-');
    let parts = parts.and_then(|(a, b)| Some((a.trim().parse::<u16>().ok()?, b.trim().parse::<u16>().ok()?)));
    let Some((first, last)) = parts else {
        return Err(format!("`{range}` is no port range; write \"20000-31999\""));
    };
    match (first, last) {
        (0..1024, _) => Err(format!("port {first} is reserved; media ports start at 1024 or above")),
        _ if first % 2 == 1 => {
            Err(format!("RTP ports are even; start at {} or {}", first - 1, first.saturating_add(1)))
        }
        _ if last <= first => Err(format!("the range ends ({last}) before it has room for RTP and RTCP")),
        _ => Ok((first, if last % 2 == 0 { last } else { last - 1 })),
    }
}

fn star_code(value: &DeValue) -> Result<String, String> {
    let code = text(value)?;
    let digits = code.strip_prefix('*').is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    if digits { Ok(code) } else { Err(format!("`{code}` is no star code; write `*` and digits")) }
}
