//! Path attributes, decoded. One value of [`Attributes`] is shared by every route that came with it.

use crate::{Asn, RouterId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// ORIGIN (RFC 4271 5.1.1); lower is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Origin {
    Igp = 0,
    Egp = 1,
    Incomplete = 2,
}

/// AS_PATH as its wire segments with 4-octet ASNs: `(type, count, count × u32)*`. Empty for routes of our own AS.
/// The merge with AS4_PATH (RFC 6793 4.2.3) is done by the decoder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AsPath(pub Box<[u8]>);

/// NEXT_HOP or the next hop of MP_REACH_NLRI. A VPN next hop's RD (always zero) is dropped by the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NextHop {
    Ipv4(Ipv4Addr),
    Ipv6 {
        global: Ipv6Addr,
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Ipv4(address) => IpAddr::V4(address),
            Self::Ipv6 { global, .. } => IpAddr::V6(global),
        }
    }
}

/// An extended community (RFC 4360), its eight octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

/// A large community (RFC 8092).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    pub global: Asn,
    pub local1: u32,
    pub local2: u32,
}

/// AGGREGATOR, merged with AS4_AGGREGATOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Aggregator {
    pub asn: Asn,
    pub address: Ipv4Addr,
}

/// PMSI_TUNNEL (RFC 6514 5), as sent; typed access is in its own file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pmsi {
    pub flags: u8,
    pub tunnel_type: u8,
    /// 24 bits: a label or a VNI.
    pub label: u32,
    pub tunnel: Box<[u8]>,
}

/// An attribute this speaker does not interpret; kept only if transitive (RFC 4271 5, the partial bit is set when passed on).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownAttribute {
    pub flags: u8,
    pub code: u8,
    pub value: Box<[u8]>,
}

/// The attributes of a route. Sets and lists are as sent, duplicates included, unless a rule of their RFC sorts them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attributes {
    pub origin: Origin,
    pub as_path: AsPath,
    pub next_hop: Option<NextHop>,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub atomic_aggregate: bool,
    pub aggregator: Option<Aggregator>,
    pub communities: Box<[u32]>,
    pub extended: Box<[ExtendedCommunity]>,
    /// IPv6 address specific (RFC 5701), 20 octets each.
    pub ipv6_extended: Box<[[u8; 20]]>,
    pub large: Box<[LargeCommunity]>,
    pub originator_id: Option<RouterId>,
    pub cluster_list: Box<[Ipv4Addr]>,
    pub pmsi: Option<Box<Pmsi>>,
    /// ONLY_TO_CUSTOMER (RFC 9234 5).
    pub only_to_customer: Option<Asn>,
    pub unknown: Box<[UnknownAttribute]>,
}
