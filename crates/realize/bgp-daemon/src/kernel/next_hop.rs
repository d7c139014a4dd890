//! What a route is wanted to do, before it is known how its next hops are reached. Plain values.

use bgp::nlri::Mac;
use std::net::IpAddr;

/// What a route is wanted to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// Drop.
    Blackhole,
    /// Forward to next hops with their weights, 1 to 256.
    Forward(Vec<(NextHop, u16)>),
}

/// A next hop of BGP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum NextHop {
    /// Looked up in a table: that of the route's VRF, or main.
    Routed {
        table: u32,
        address: IpAddr,
    },
    /// A link-local address means something only on its link.
    OnLink {
        address: IpAddr,
        interface: u32,
    },
    Tunnel(Tunnel),
}

/// The router at the far end of a VXLAN tunnel, as a route of an IP-VRF names it (RFC 9136 4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tunnel {
    /// Of the VRF: it names the VXLAN device.
    pub(crate) vni: u32,
    /// The VNI the far end wants in its packets (RFC 8365 5.1.3).
    pub(crate) remote_vni: u32,
    pub(crate) vtep: IpAddr,
    /// The inner destination MAC of routed packets.
    pub(crate) router_mac: Mac,
    gateway: IpAddr,
}

impl Tunnel {
    /// For a prefix of IPv6 (`v6`) or IPv4.
    pub(crate) fn new(
        v6: bool,
        (vni, remote_vni): (u32, u32),
        vtep: IpAddr,
        router_mac: Mac,
    ) -> Self {
        let gateway = match vtep {
            // The kernel routes IPv4 by IPv6 gateways, and not the other way round.
            IpAddr::V4(address) if v6 => address.to_ipv6_mapped().into(),
            _ => vtep,
        };
        Self {
            vni,
            remote_vni,
            vtep,
            router_mac,
            gateway,
        }
    }

    /// What the far end is called in the VRF's table: its tunnel address, IPv4-mapped for IPv6 routes over IPv4. A neighbour
    /// entry of that name leads to its router MAC.
    pub(crate) const fn gateway(&self) -> IpAddr {
        self.gateway
    }
}
