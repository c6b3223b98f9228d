//! The demo's configuration: the built-in sample, with its own agents, trunk and addresses.

use crate::config::{self, Site};
use anyhow::{Context, bail};
use busyhour_model::{Name, Severity};
use busyhour_sip::Transport;
use busyhour_switch::{AgentSetup, TrunkSetup};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

/// Where the switch and the phones live.
pub(super) const SWITCH: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where the callers live; the switch knows this address as its trunk.
pub(super) const CARRIER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// What callers dial.
pub(super) const HOTLINE: &str = "95118";
/// The account kept free for a visitor's own softphone.
pub(super) const GUEST: &str = "guest";
/// After-call work of everybody.
pub(super) const WRAP_UP: Duration = Duration::from_secs(1);
/// First simulated agent.
const FIRST_AGENT: u32 = 1001;
/// Ports a visitor finds easily; others when they are taken.
const SIP_PORT: u16 = 5060;
const HTTP_PORT: u16 = 9595;

/// The site, and the agents' numbers and passwords.
pub(super) fn build(agents: u32, easy_ports: bool) -> anyhow::Result<(Site, Vec<(String, String)>)> {
    let loaded = config::load(None);
    let mistakes: Vec<String> =
        loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).map(ToString::to_string).collect();
    let Some(mut site) = loaded.site else { bail!("the built-in configuration is wrong:\n{}", mistakes.join("\n")) };
    let template = site.setup.agents.first().cloned().context("the built-in configuration has no agent")?;
    let trunk = site.setup.trunks.first().cloned().context("the built-in configuration has no trunk")?;
    let accounts: Vec<(String, String)> = (0..agents).map(|n| ((FIRST_AGENT + n).to_string(), password(n))).collect();
    site.setup.agents = accounts
        .iter()
        .map(|(number, password)| AgentSetup {
            number: number.as_str().into(),
            password: password.as_str().into(),
            name: format!("agent {number}"),
            auto_ready: true,
            ..template.clone()
        })
        .collect();
    site.setup.agents.push(AgentSetup {
        number: GUEST.into(),
        password: Name::from(GUEST),
        name: "your softphone".into(),
        auto_ready: false,
        ..template
    });
    site.setup.trunks =
        vec![TrunkSetup { sources: vec![CARRIER.into()], channels: 100_000, peers: Vec::new(), ..trunk }];
    for number in &mut site.setup.numbers {
        number.trunk = None;
    }
    for queue in &mut site.setup.queues {
        (queue.wait_max, queue.waiting_max, queue.overflow_no_agents) = (None, None, false);
        queue.wrap_up = WRAP_UP;
    }
    let sip = SocketAddr::new(SWITCH, if easy_ports && sip_is_free() { SIP_PORT } else { 0 });
    let http = SocketAddr::new(SWITCH, if easy_ports && is_free(HTTP_PORT) { HTTP_PORT } else { 0 });
    site.setup.media_address = media_address(easy_ports, site.setup.media_ports.0);
    let transports = [Transport::Udp, Transport::Tcp];
    (site.shell.sip, site.shell.http) = (transports.map(|transport| (transport, sip)).into(), Some(http));
    (site.shell.data, site.shell.drain) = (None, Duration::ZERO);
    Ok((site, accounts))
}

/// A loopback address of this process's own, so that runs side by side never want the same RTP port; the plain one for
/// visitors when nobody else uses its ports.
fn media_address(easy: bool, first_port: u16) -> IpAddr {
    if easy && UdpSocket::bind((SWITCH, first_port)).is_ok() {
        return SWITCH;
    }
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 64 | (high & 63), middle, low))
}

fn sip_is_free() -> bool {
    UdpSocket::bind((SWITCH, SIP_PORT)).is_ok() && is_free(SIP_PORT)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((SWITCH, port)).is_ok()
}

/// A password nobody reads: 64 random bits.
fn password(n: u32) -> String {
    format!("{:016x}", RandomState::new().hash_one(n))
}
