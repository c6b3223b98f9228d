//! By which address of ours a peer knows us: beyond a NAT it is another than the one bound.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Peers that are told another address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Where they are.
    pub peers: Vec<IpNet>,
    /// What they are told, in Via, Contact and SDP.
    pub advertise: IpAddr,
}

/// All such networks; whoever is in none is told the address there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// What a peer is told of a socket of ours: by its narrowest network, within the family of the socket.
    pub fn told(&self, ours: SocketAddr, peer: IpAddr) -> SocketAddr {
        let width = |network: &Network| {
            let around = network.peers.iter().filter(|net| net.contains(&peer));
            around.map(IpNet::prefix_len).max().filter(|_| network.advertise.is_ipv4() == ours.is_ipv4())
        };
        let of = self.0.iter().filter_map(|network| Some((width(network)?, network.advertise)));
        of.max_by_key(|(width, _)| *width).map_or(ours, |(_, told)| SocketAddr::new(told, ours.port()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_network_says_what_a_peer_is_told() {
        let network = |peers: &[&str], told: &str| Network {
            peers: peers.iter().map(|net| net.parse().unwrap()).collect(),
            advertise: told.parse().unwrap(),
        };
        let networks = Networks(vec![
            network(&["0.0.0.0/0"], "203.0.113.10"),
            network(&["10.0.0.0/8", "192.168.0.0/16"], "10.0.0.5"),
            network(&["::/0"], "2001:db8::10"),
        ]);
        let four: SocketAddr = "10.0.0.5:5060".parse().unwrap();
        let six: SocketAddr = "[fd00::5]:5060".parse().unwrap();
        for (ours, peer, told) in [
            (four, "198.51.100.7", "203.0.113.10:5060"),
            (four, "10.1.2.3", "10.0.0.5:5060"),
            (four, "192.168.7.7", "10.0.0.5:5060"),
            (six, "2001:db8:7::1", "[2001:db8::10]:5060"),
            (six, "10.1.2.3", "[fd00::5]:5060"),
        ] {
            assert_eq!(networks.told(ours, peer.parse().unwrap()), told.parse().unwrap(), "{peer}");
        }
        assert_eq!(Networks::default().told(four, peer_of_nobody()), four);
    }

    fn peer_of_nobody() -> IpAddr {
        "198.51.100.7".parse().unwrap()
    }
}
