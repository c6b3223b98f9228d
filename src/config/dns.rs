//! `[dns]` and names of peers: who is asked, and what may stand where an address might.

use super::sheet::{Section, Sheet, duration, text};
use crate::resolver::DnsSetup;
use busyhour_model::Name;
use busyhour_sip::{NamedPeer, Transport};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use toml::de::DeValue;

const DNS_PORT: u16 = 53;
/// Bytes of a name, and of one of its labels (RFC 1035 section 2.3.4), less what `_sips._tcp.` takes.
const NAME_MAX: usize = 240;
const LABEL_MAX: usize = 63;

pub(super) fn read(root: &mut Section, sheet: &mut Sheet) -> DnsSetup {
    let mut section = root.section(sheet, "dns");
    let mut setup = DnsSetup::default();
    let servers = section.list(sheet, "servers", server).unwrap_or_default();
    setup.servers = servers.into_iter().map(|server| server.value).collect();
    section.lay(sheet, "timeout", timeout, &mut setup.timeout);
    section.finish(sheet);
    setup
}

fn server(value: &DeValue) -> Result<SocketAddr, String> {
    let server = text(value)?;
    let bare = || server.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
    server.parse().or_else(|_| bare()).map_err(|_| format!("`{server}` is no name server; write \"192.0.2.53\""))
}

fn timeout(value: &DeValue) -> Result<Duration, String> {
    let span = duration(value)?;
    let fits = (Duration::from_millis(200)..=Duration::from_secs(10)).contains(&span);
    fits.then_some(span).ok_or_else(|| "a name server has \"200ms\" to \"10s\" before the next is asked".into())
}

/// `carrier.example`, `sbc.carrier.example:5060`. `Err`: what is wrong with it.
pub(super) fn named(transport: Option<Transport>, place: &str) -> Result<NamedPeer, String> {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => {
            let number = port.parse().ok().filter(|port: &u16| *port > 0);
            (host, Some(number.ok_or_else(|| format!("`{port}` is no port"))?))
        }
        None => (place, None),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let spelt = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        inner && !label.is_empty() && label.len() <= LABEL_MAX && !label.starts_with('-') && !label.ends_with('-')
    };
    // A last label of digits is an address that was written wrong (RFC 1123 section 2.1).
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if numeric || host.len() > NAME_MAX || !host.split('.').all(spelt) {
        return Err(format!("`{host}` is neither an address nor a name"));
    }
    Ok(NamedPeer { host: Name::from(host), transport, port, priority: 0, weight: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_addresses_written_wrong() {
        for (place, said) in [
            ("carrier.example", Ok("sip:carrier.example")),
            ("sbc-1.carrier.example.:5080", Ok("sip:sbc-1.carrier.example:5080")),
            ("localhost", Ok("sip:localhost")),
            ("203.0.113", Err("neither")),
            ("203.0.113.256:5060", Err("neither")),
            ("carrier..example", Err("neither")),
            ("-a.example", Err("neither")),
            ("a b.example", Err("neither")),
            ("carrier.example:0", Err("no port")),
            ("carrier.example:sip", Err("no port")),
            (&"x".repeat(64), Err("neither")),
        ] {
            match (named(None, place), said) {
                (Ok(peer), Ok(said)) => assert_eq!(peer.to_string(), said),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (read, _) => panic!("{place}: {read:?}"),
            }
        }
    }
}
