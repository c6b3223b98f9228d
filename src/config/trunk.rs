//! `[[trunk]]` and `[[number]]`: where calls come from, and which dialplan a dialled number leads to.

use super::sheet::{Read, Section, Sheet, duration, flag, integer, parsed, text};
use super::{identity, limits, terms};
use crate::net::{TrunkTls, advertised};
use busyhour_model::Name;
use busyhour_sip::{Account, NamedPeer, Peer, Secret, Transport};
use busyhour_switch::{DialledFrom, NumberRoute, Terms, TrunkLimits, TrunkPolicy, TrunkSetup};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use toml::de::DeValue;

/// A peer without a word on priority.
const UNSAID: u16 = u16::MAX;
/// A shorter secret is guessed too soon.
const SECRET_MIN: usize = 8;
/// A peer that is silent for so long is given up for the next.
const PATIENCE: Duration = Duration::from_secs(4);
/// Middleboxes forget a connection that is silent for some minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(90);

pub(super) struct Trunk {
    pub(super) at: usize,
    pub(super) name: Read<String>,
    pub(super) sources: Vec<Read<IpNet>>,
    pub(super) peers: Vec<Read<Hop>>,
    /// The peers are an outbound proxy.
    pub(super) proxy: Option<Read<Hop>>,
    pub(super) bind: Option<Read<SocketAddr>>,
    pub(super) patience: Duration,
    pub(super) auth_user: Option<String>,
    pub(super) from_user: Option<String>,
    pub(super) secret: Option<Read<Secret>>,
    pub(super) digest_domain: Option<Read<bool>>,
    pub(super) domain: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) register: Option<Read<Duration>>,
    pub(super) probe: Option<Duration>,
    pub(super) keep_alive: Duration,
    pub(super) terms: Terms,
    pub(super) channels: u32,
    pub(super) full_status: u16,
    pub(super) dialled_from: DialledFrom,
    pub(super) tls: Option<TrunkTls>,
    pub(super) policy: TrunkPolicy,
    pub(super) limits: TrunkLimits,
    /// Tiers the limits name.
    pub(super) tiers: Vec<Read<String>>,
}

/// A peer by address or by name.
#[derive(Clone)]
pub(super) enum Hop {
    At(Peer),
    Named(NamedPeer),
}

impl Hop {
    /// How it is reached, where that is said.
    pub(super) fn transport(&self) -> Option<Transport> {
        match self {
            Hop::At(peer) => Some(peer.transport),
            Hop::Named(peer) => peer.transport,
        }
    }

    fn priority(&mut self) -> &mut u16 {
        match self {
            Hop::At(peer) => &mut peer.priority,
            Hop::Named(peer) => &mut peer.priority,
        }
    }

    fn weight(&mut self) -> &mut u16 {
        match self {
            Hop::At(peer) => &mut peer.weight,
            Hop::Named(peer) => &mut peer.weight,
        }
    }

    fn named(&self) -> Option<&NamedPeer> {
        match self {
            Hop::At(_) => None,
            Hop::Named(peer) => Some(peer),
        }
    }
}

pub(super) struct NumberEntry {
    pub(super) number: Read<String>,
    pub(super) trunk: Option<Read<String>>,
    pub(super) dialplan: Read<String>,
    calls_max: Option<u32>,
}

pub(super) fn trunk(mut section: Section, sheet: &mut Sheet) -> Option<Trunk> {
    let name = section.need(sheet, "name", text);
    let channels = section.or(sheet, "channels", integer, 30);
    let (limits, tiers) = limits::read(&mut section, sheet, channels);
    let trunk = name.map(|name| Trunk {
        at: section.at(),
        tls: super::tls::trunk(&mut section, sheet, &name.value),
        name,
        sources: section.list(sheet, "sources", network).unwrap_or_default(),
        peers: peers(&mut section, sheet),
        proxy: section.read(sheet, "outbound_proxy", only_peer),
        bind: section.read(sheet, "bind", parsed),
        patience: section.or(sheet, "peer_patience", patience, PATIENCE),
        auth_user: section.read(sheet, "auth_user", text).map(|r| r.value),
        from_user: section.read(sheet, "from_user", text).map(|r| r.value),
        secret: section.read(sheet, "secret_header", secret),
        digest_domain: section.read(sheet, "digest_domain", flag),
        domain: section.read(sheet, "domain", text).map(|r| r.value),
        user: section.read(sheet, "user", text).map(|r| r.value),
        password: section.read(sheet, "password", text).map(|r| r.value),
        register: section.read(sheet, "register", duration),
        probe: section.read(sheet, "probe", duration).map(|r| r.value),
        keep_alive: section.or(sheet, "keep_alive", keep_alive, KEEP_ALIVE),
        terms: terms::read(&mut section, sheet),
        channels,
        full_status: section.or(sheet, "full_status", full_status, 503),
        dialled_from: section.or(sheet, "dialled_from", dialled_from, DialledFrom::RequestUri),
        policy: identity::policy(&mut section, sheet),
        limits,
        tiers,
    });
    section.finish(sheet);
    trunk
}

pub(super) fn number(mut section: Section, sheet: &mut Sheet) -> Option<NumberEntry> {
    let number = section.need(sheet, "number", pattern);
    let trunk = section.read(sheet, "trunk", text);
    let dialplan = section.need(sheet, "dialplan", text);
    let calls_max = section.read(sheet, "calls_max", integer).map(|max| max.value);
    section.finish(sheet);
    Some(NumberEntry { number: number?, trunk, dialplan: dialplan?, calls_max })
}

/// `peer`, or several in `peers`: in the order they stand, unless they say otherwise.
fn peers(section: &mut Section, sheet: &mut Sheet) -> Vec<Read<Hop>> {
    let only = section.read(sheet, "peer", only_peer);
    let mut several = section.list(sheet, "peers", peer).unwrap_or_default();
    if let (Some(only), Some(first)) = (&only, several.first()) {
        sheet.error(only.at, "`peer` is the only one: put all of them into `peers`");
        return vec![Read { value: first.value.clone(), at: first.at }];
    }
    for (index, peer) in several.iter_mut().enumerate() {
        if *peer.value.priority() == UNSAID {
            *peer.value.priority() = index as u16;
        }
    }
    only.into_iter().chain(several).collect()
}

impl Trunk {
    /// What it wants of TLS: a name to be shown in any case, its domain unless another is said. What a name was resolved to
    /// is not asked for (RFC 5922 section 4).
    pub(super) fn tls(&self) -> Option<TrunkTls> {
        let by_tls = self.hops().any(|peer| peer.value.transport().is_none_or(|it| it == Transport::Tls));
        let nothing = || TrunkTls { trunk: self.name.value.as_str().into(), ..TrunkTls::default() };
        let mut tls = self.tls.clone().or_else(|| by_tls.then(nothing))?;
        tls.server_name = tls.server_name.or_else(|| self.domain());
        Some(tls)
    }

    /// Where calls go, by a proxy or not.
    pub(super) fn hops(&self) -> impl Iterator<Item = &Read<Hop>> {
        self.proxy.iter().chain(&self.peers)
    }

    fn named(&self) -> impl Iterator<Item = &NamedPeer> {
        self.hops().filter_map(|hop| hop.value.named())
    }

    /// Host part at the carrier: a peer's name is kept, whatever it leads to (RFC 3263 section 4).
    fn domain(&self) -> Option<String> {
        self.domain.clone().or_else(|| self.named().next().map(|peer| peer.host.to_string()))
    }

    /// `advertise`: what peers are told of our sockets, instead of the address they are bound to.
    pub(super) fn setup(&self, advertise: Option<IpAddr>) -> TrunkSetup {
        let account = || {
            let user = self.auth_user.as_deref().or(self.user.as_deref())?;
            Some(Account { user: user.into(), password: self.password.as_deref()?.into() })
        };
        TrunkSetup {
            name: self.name.value.as_str().into(),
            sources: self.sources.iter().map(|r| r.value).collect(),
            certified: self.tls.as_ref().is_some_and(|tls| !tls.client_names.is_empty()),
            secret: self.secret.as_ref().map(|secret| secret.value.clone()),
            peers: self
                .hops()
                .filter_map(|hop| if let Hop::At(peer) = hop.value { Some(peer) } else { None })
                .collect(),
            named: self.named().cloned().collect(),
            proxy: self.proxy.is_some(),
            bind: self.bind.as_ref().map(|bind| advertised(bind.value, advertise)),
            patience: self.patience,
            user: self.user.as_deref().map(Name::from),
            from_user: self.from_user.as_deref().map(Name::from),
            digest_domain: self.digest_domain.as_ref().is_some_and(|flag| flag.value),
            domain: self.domain(),
            credentials: account(),
            register: self.register.as_ref().map(|r| r.value),
            probe: self.probe,
            keep_alive: Some(self.keep_alive).filter(|period| !period.is_zero()),
            terms: self.terms.clone(),
            channels: self.channels,
            full_status: self.full_status,
            dialled_from: self.dialled_from,
            policy: self.policy.clone(),
            limits: self.limits.clone(),
        }
    }
}

impl NumberEntry {
    pub(super) fn route(&self) -> NumberRoute {
        NumberRoute {
            number: self.number.value.clone(),
            trunk: self.trunk.as_ref().map(|t| t.value.as_str().into()),
            dialplan: self.dialplan.value.as_str().into(),
            calls_max: self.calls_max,
        }
    }
}

/// A network, or one address.
pub(super) fn network(value: &DeValue) -> Result<IpNet, String> {
    let source = text(value)?;
    let single = || source.parse::<IpAddr>().map(IpNet::from);
    source
        .parse()
        .or_else(|_| single())
        .map_err(|_| format!("`{source}` is no address or network; write \"203.0.113.0/24\""))
}

/// `"udp:203.0.113.5:5060"`, `"sip:carrier.example"`, perhaps with `;priority=1;weight=10`; what is left out is UDP, and 5060
/// or for TLS 5061, or as DNS says of a name.
fn peer(value: &DeValue) -> Result<Hop, String> {
    let whole = text(value)?;
    let mut parts = whole.split(';').map(str::trim);
    let place = parts.next().unwrap_or_default();
    let (transport, address) = match place.split_once(':') {
        Some(("udp", rest)) => (Some(Transport::Udp), rest),
        Some(("tcp", rest)) => (Some(Transport::Tcp), rest),
        Some(("tls", rest)) => (Some(Transport::Tls), rest),
        Some(("sip", rest)) => (None, rest),
        _ => (None, place),
    };
    let way = transport.unwrap_or(Transport::Udp);
    let bare = || address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, way.default_port()));
    let mut hop = match address.parse().or_else(|_| bare()) {
        Ok(address) => Hop::At(Peer::new(way, address)),
        Err(_) => {
            let help = "write \"udp:203.0.113.5:5060\", \"tls:…\", \"tcp:…\" or \"sip:carrier.example\"";
            Hop::Named(super::dns::named(transport, address).map_err(|why| format!("{why}; {help}"))?)
        }
    };
    *hop.priority() = UNSAID;
    for part in parts {
        let number = |value: &str| value.trim().parse::<u16>().ok().filter(|number| *number < UNSAID);
        match part.split_once('=').and_then(|(key, value)| Some((key.trim(), number(value)?))) {
            Some(("priority", number)) => *hop.priority() = number,
            Some(("weight", number)) => *hop.weight() = number,
            _ => return Err(format!("`{part}` says nothing of a peer; write \"…;priority=1;weight=10\"")),
        }
    }
    Ok(hop)
}

/// `"X-Trunk-Key: value"`. A mistake is told without the value.
fn secret(value: &DeValue) -> Result<Secret, String> {
    let whole = text(value)?;
    let (header, value) = whole.split_once(':').unwrap_or_default();
    let (header, value) = (header.trim_end(), value.trim());
    let spelt = !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !spelt || value.len() < SECRET_MIN || value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(format!("write a header and at least {SECRET_MIN} characters: \"X-Trunk-Key: …\""));
    }
    Ok(Secret { header: header.into(), value: value.into() })
}

fn only_peer(value: &DeValue) -> Result<Hop, String> {
    let mut hop = peer(value)?;
    *hop.priority() = 0;
    Ok(hop)
}

fn patience(value: &DeValue) -> Result<Duration, String> {
    let span = duration(value)?;
    let fits = (Duration::from_millis(500)..=Duration::from_secs(32)).contains(&span);
    fits.then_some(span).ok_or_else(|| "a peer may be silent for \"500ms\" to \"32s\" before the next is tried".into())
}

fn keep_alive(value: &DeValue) -> Result<Duration, String> {
    let span = duration(value)?;
    let fits = span.is_zero() || (10..=3_600).contains(&span.as_secs());
    fits.then_some(span).ok_or_else(|| "connections are pinged every \"10s\" to \"1h\"; \"0s\": never".into())
}

fn full_status(value: &DeValue) -> Result<u16, String> {
    match integer::<u16>(value)? {
        status @ (486 | 503) => Ok(status),
        other => Err(format!("{other} is not the answer of a full trunk: 486 or 503")),
    }
}

fn dialled_from(value: &DeValue) -> Result<DialledFrom, String> {
    match text(value)?.as_str() {
        "request_uri" => Ok(DialledFrom::RequestUri),
        "to" => Ok(DialledFrom::To),
        "diversion" => Ok(DialledFrom::Diversion),
        other => Err(format!("`{other}` names no header: \"request_uri\", \"to\" or \"diversion\"")),
    }
}

/// Digits, a prefix and `*`, or `*`.
fn pattern(value: &DeValue) -> Result<String, String> {
    let number = text(value)?;
    let digits = number.strip_suffix('*').unwrap_or(&number);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(number)
    } else {
        Err(format!("`{number}` is no dialled number; write digits, a prefix like \"400*\", or \"*\""))
    }
}
