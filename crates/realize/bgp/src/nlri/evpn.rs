//! EVPN route keys (RFC 7432 7, RFC 9136 3.1, RFC 9251 9.1).

use super::RouteDistinguisher;
use ipnet::IpNet;
use std::net::IpAddr;

/// An Ethernet segment identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Esi(pub [u8; 10]);

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

/// The key of an EVPN route: only the fields that RFC 7432 7.x names as part of the route key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvpnNlri {
    /// Type 1.
    AutoDiscovery {
        rd: RouteDistinguisher,
        esi: Esi,
        tag: u32,
    },
    /// Type 2.
    MacIp {
        rd: RouteDistinguisher,
        tag: u32,
        mac: Mac,
        ip: Option<IpAddr>,
    },
    /// Type 3.
    InclusiveMulticast {
        rd: RouteDistinguisher,
        tag: u32,
        originator: IpAddr,
    },
    /// Type 4.
    EthernetSegment {
        rd: RouteDistinguisher,
        esi: Esi,
        originator: IpAddr,
    },
    /// Type 5.
    IpPrefix {
        rd: RouteDistinguisher,
        tag: u32,
        prefix: IpNet,
    },
    /// Type 6 (SMET). `None` source or group: any (`*`).
    SelectiveMulticast {
        rd: RouteDistinguisher,
        tag: u32,
        source: Option<IpAddr>,
        group: Option<IpAddr>,
        originator: IpAddr,
    },
}

impl EvpnNlri {
    /// The route type on the wire.
    pub const fn route_type(&self) -> u8 {
        match self {
            Self::AutoDiscovery { .. } => 1,
            Self::MacIp { .. } => 2,
            Self::InclusiveMulticast { .. } => 3,
            Self::EthernetSegment { .. } => 4,
            Self::IpPrefix { .. } => 5,
            Self::SelectiveMulticast { .. } => 6,
        }
    }

    /// The same route under another RD.
    #[must_use]
    pub const fn with_rd(mut self, new: RouteDistinguisher) -> Self {
        match &mut self {
            Self::AutoDiscovery { rd, .. }
            | Self::MacIp { rd, .. }
            | Self::InclusiveMulticast { rd, .. }
            | Self::EthernetSegment { rd, .. }
            | Self::IpPrefix { rd, .. }
            | Self::SelectiveMulticast { rd, .. } => *rd = new,
        }
        self
    }

    pub const fn rd(&self) -> RouteDistinguisher {
        match *self {
            Self::AutoDiscovery { rd, .. }
            | Self::MacIp { rd, .. }
            | Self::InclusiveMulticast { rd, .. }
            | Self::EthernetSegment { rd, .. }
            | Self::IpPrefix { rd, .. }
            | Self::SelectiveMulticast { rd, .. } => rd,
        }
    }
}
