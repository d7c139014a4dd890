//! Subnets: an address block on a network, and how hosts on it learn their addresses.

use crate::{AddressRange, Family, Meta, NetworkId, SubnetId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// How IPv6 hosts learn addresses (`ipv6_address_mode`) and what routers advertise (`ipv6_ra_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ipv6Mode {
    /// Addresses by EUI-64 from the advertised prefix; RA flags A=1 M=0 O=0 (RFC 4862).
    Slaac,
    /// Addresses by DHCPv6; RA flags A=0 M=1 O=1 (RFC 8415).
    Dhcpv6Stateful,
    /// Addresses by EUI-64, everything else by DHCPv6; RA flags A=1 M=0 O=1.
    Dhcpv6Stateless,
}

/// As the attributes write it.
impl fmt::Display for Ipv6Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slaac => "slaac",
            Self::Dhcpv6Stateful => "dhcpv6-stateful",
            Self::Dhcpv6Stateless => "dhcpv6-stateless",
        })
    }
}

/// Which free address a port gets when it asks for none in particular.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllocationStrategy {
    /// Any free address; lets writers allocate without meeting each other.
    #[default]
    Random,
    /// The one after the last handed out, so that an address rests as long as possible.
    Sequential,
    /// The lowest free one.
    Lowest,
}

/// A route told to hosts by DHCP option 121 (RFC 3442) or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostRoute {
    pub destination: IpNet,
    pub nexthop: IpAddr,
}

/// An address block on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub id: SubnetId,
    pub network_id: NetworkId,
    #[serde(flatten)]
    pub meta: Meta,
    /// Without host bits.
    pub cidr: IpNet,
    pub gateway_ip: Option<IpAddr>,
    /// Disjoint, in ascending order, inside `cidr`, without the gateway.
    pub allocation_pools: Vec<AddressRange>,
    pub enable_dhcp: bool,
    pub dns_nameservers: Vec<IpAddr>,
    pub host_routes: Vec<HostRoute>,
    /// `None` on IPv4 and on IPv6 subnets without router advertisements of ours.
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    pub ipv6_address_mode: Option<Ipv6Mode>,
    #[serde(default)]
    pub allocation_strategy: AllocationStrategy,
}

impl Subnet {
    pub fn family(&self) -> Family {
        Family::of(self.cidr.network())
    }

    /// True when ports get their address by EUI-64 instead of from the pools.
    pub fn is_auto_addressed(&self) -> bool {
        matches!(
            self.ipv6_address_mode,
            Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless)
        )
    }
}
