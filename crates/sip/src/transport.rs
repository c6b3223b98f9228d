//! How bytes travel (RFC 3261 section 18, RFC 7118).

use serde::{Deserialize, Serialize};
use std::fmt;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream; messages are framed by Content-Length.
    Tcp,
    /// The same, encrypted.
    Tls,
    /// A WebSocket: each of its messages is one of ours.
    Ws,
    /// The same, encrypted.
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// `udp`, `tcp`, …: as in configurations, metrics and a URI's `transport`.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// As a Via says it.
    pub fn via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// Whether it has connections: nothing is lost or repeated on the way.
    pub fn is_stream(self) -> bool {
        self != Transport::Udp
    }

    /// Whether nobody on the way can read it.
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether a peer is reached only over the connection it opened, and that brings whole messages.
    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The port of an address without one (sections 18.1.1 and 26.2; RFC 7118 section 5.2.2 has HTTP's own).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }

    /// What a URI of ours says as `transport`: nothing for what its scheme stands for already. A browser is told `ws` in
    /// any case (RFC 7118 section 5.2.1).
    pub(crate) fn uri_param(self, sips: bool) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tls if sips => None,
            Transport::Ws | Transport::Wss => Some("ws"),
            Transport::Tcp | Transport::Tls => Some(self.as_str()),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
