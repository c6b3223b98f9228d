//! `[[trunk]]` and `[[number]]`: where calls come from, and which dialplan a dialled number leads to.

use super::sheet::{Read, Section, Sheet, duration, integer, text};
use crate::net::TrunkTls;
use busyhour_sip::{Account, Transport};
use busyhour_switch::{DialledFrom, NumberRoute, TrunkSetup};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::time::Duration;
use toml::de::DeValue;

pub(super) struct Trunk {
    pub(super) at: usize,
    pub(super) name: Read<String>,
    pub(super) sources: Vec<Read<IpNet>>,
    pub(super) peer: Option<(Transport, SocketAddr)>,
    pub(super) domain: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) register: Option<Read<Duration>>,
    pub(super) probe: Option<Duration>,
    pub(super) channels: u32,
    pub(super) full_status: u16,
    pub(super) caller_id: Option<String>,
    pub(super) dialled_from: DialledFrom,
    pub(super) tls: Option<TrunkTls>,
}

pub(super) struct NumberEntry {
    pub(super) number: Read<String>,
    pub(super) trunk: Option<Read<String>>,
    pub(super) dialplan: Read<String>,
}

pub(super) fn trunk(mut section: Section, sheet: &mut Sheet) -> Option<Trunk> {
    let name = section.need(sheet, "name", text);
    let trunk = name.map(|name| Trunk {
        at: section.at(),
        tls: super::tls::trunk(&mut section, sheet, &name.value),
        name,
        sources: section.list(sheet, "sources", network).unwrap_or_default(),
        peer: section.read(sheet, "peer", peer).map(|r| r.value),
        domain: section.read(sheet, "domain", text).map(|r| r.value),
        user: section.read(sheet, "user", text).map(|r| r.value),
        password: section.read(sheet, "password", text).map(|r| r.value),
        register: section.read(sheet, "register", duration),
        probe: section.read(sheet, "probe", duration).map(|r| r.value),
        channels: section.or(sheet, "channels", integer, 30),
        full_status: section.or(sheet, "full_status", full_status, 503),
        caller_id: section.read(sheet, "caller_id", text).map(|r| r.value),
        dialled_from: section.or(sheet, "dialled_from", dialled_from, DialledFrom::RequestUri),
    });
    section.finish(sheet);
    trunk
}

pub(super) fn number(mut section: Section, sheet: &mut Sheet) -> Option<NumberEntry> {
    let number = section.need(sheet, "number", pattern);
    let trunk = section.read(sheet, "trunk", text);
    let dialplan = section.need(sheet, "dialplan", text);
    section.finish(sheet);
    Some(NumberEntry { number: number?, trunk, dialplan: dialplan? })
}

impl Trunk {
    /// What it wants of TLS: a name to be shown in any case, its domain unless another is said.
    pub(super) fn tls(&self) -> Option<TrunkTls> {
        let by_tls = self.peer.is_some_and(|(transport, _)| transport == Transport::Tls);
        let nothing = || TrunkTls { trunk: self.name.value.as_str().into(), ..TrunkTls::default() };
        let mut tls = self.tls.clone().or_else(|| by_tls.then(nothing))?;
        tls.server_name = tls.server_name.or_else(|| self.domain.clone());
        Some(tls)
    }

    pub(super) fn setup(&self) -> TrunkSetup {
        let account = || {
            let (user, password) = (self.user.as_deref()?, self.password.as_deref()?);
            Some(Account { user: user.into(), password: password.into() })
        };
        TrunkSetup {
            name: self.name.value.as_str().into(),
            sources: self.sources.iter().map(|r| r.value).collect(),
            certified: self.tls.as_ref().is_some_and(|tls| !tls.client_names.is_empty()),
            peer: self.peer,
            domain: self.domain.clone(),
            credentials: account(),
            register: self.register.as_ref().map(|r| r.value),
            probe: self.probe,
            channels: self.channels,
            full_status: self.full_status,
            caller_id: self.caller_id.clone(),
            dialled_from: self.dialled_from,
        }
    }
}

impl NumberEntry {
    pub(super) fn route(&self) -> NumberRoute {
        NumberRoute {
            number: self.number.value.clone(),
            trunk: self.trunk.as_ref().map(|t| t.value.as_str().into()),
            dialplan: self.dialplan.value.as_str().into(),
        }
    }
}

/// A network, or one address.
fn network(value: &DeValue) -> Result<IpNet, String> {
    let source = text(value)?;
    let single = || source.parse::<std::net::IpAddr>().map(IpNet::from);
    source
        .parse()
        .or_else(|_| single())
        .map_err(|_| format!("`{source}` is no address or network; write \"203.0.113.0/24\""))
}

/// `"udp:203.0.113.5:5060"`; UDP, 5060 and for TLS 5061 may be left out.
fn peer(value: &DeValue) -> Result<(Transport, SocketAddr), String> {
    let whole = text(value)?;
    let (transport, address) = match whole.split_once(':') {
        Some(("udp", rest)) => (Transport::Udp, rest),
        Some(("tcp", rest)) => (Transport::Tcp, rest),
        Some(("tls", rest)) => (Transport::Tls, rest),
        _ => (Transport::Udp, whole.as_str()),
    };
    let bare = || address.parse::<std::net::IpAddr>().map(|ip| SocketAddr::new(ip, transport.default_port()));
    let parsed = address.parse().or_else(|_| bare());
    parsed
        .map(|a| (transport, a))
        .map_err(|_| format!("`{whole}` is no peer; write \"udp:203.0.113.5:5060\", \"tcp:…\" or \"tls:…\""))
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
