//! The kinds of unit and their keys.

use ipnet::IpNet;
use model::{
    AddressPair, DhcpOption, Direction, Family, HostName, HostRoute, Ipv6Mode, L4Match, Mac, Mtu,
    NetworkId, PortId, Remote, RuleId, SecurityGroupId, SubnetId, Vni,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// What a unit is about. The order puts a unit's dependencies before it, so that applying units in key
/// order never refers to something absent, and deleting in reverse order never leaves a dangling reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKey {
    Tunnel(HostName),
    SetMember(SecurityGroupId, PortId),
    RuleSet(SecurityGroupId),
    Segment(NetworkId),
    Member(NetworkId, PortId),
    Endpoint(PortId),
}

impl fmt::Display for UnitKey {
    /// `kind/id[/id]`, as the CLI and the API write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel(host) => write!(f, "tunnel/{host}"),
            Self::SetMember(group, port) => write!(f, "set-member/{group}/{port}"),
            Self::RuleSet(group) => write!(f, "rule-set/{group}"),
            Self::Segment(network) => write!(f, "segment/{network}"),
            Self::Member(network, port) => write!(f, "member/{network}/{port}"),
            Self::Endpoint(port) => write!(f, "endpoint/{port}"),
        }
    }
}

/// A text that names no unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitKeyError(String);

impl fmt::Display for UnitKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' names no unit; use tunnel/HOST, set-member/GROUP/PORT, rule-set/GROUP, segment/NETWORK, \
             member/NETWORK/PORT or endpoint/PORT",
            self.0
        )
    }
}

impl std::error::Error for UnitKeyError {}

impl FromStr for UnitKey {
    type Err = UnitKeyError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, UnitKeyError> {
        fn id<T: FromStr>(text: &str) -> Option<T> {
            text.parse().ok()
        }
        let parts: Vec<&str> = text.split('/').collect();
        let key = match parts[..] {
            ["tunnel", host] => id(host).map(Self::Tunnel),
            ["set-member", group, port] => {
                id(group).zip(id(port)).map(|(g, p)| Self::SetMember(g, p))
            }
            ["rule-set", group] => id(group).map(Self::RuleSet),
            ["segment", network] => id(network).map(Self::Segment),
            ["member", network, port] => id(network).zip(id(port)).map(|(n, p)| Self::Member(n, p)),
            ["endpoint", port] => id(port).map(Self::Endpoint),
            _ => None,
        };
        key.ok_or_else(|| UnitKeyError(text.to_owned()))
    }
}

/// One keyed piece of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Unit {
    Tunnel(Tunnel),
    SetMember(SetMember),
    RuleSet(RuleSet),
    Segment(Segment),
    Member(Member),
    Endpoint(Endpoint),
}

impl Unit {
    pub fn key(&self) -> UnitKey {
        match self {
            Self::Tunnel(u) => UnitKey::Tunnel(u.host.clone()),
            Self::SetMember(u) => UnitKey::SetMember(u.group, u.port),
            Self::RuleSet(u) => UnitKey::RuleSet(u.group),
            Self::Segment(u) => UnitKey::Segment(u.network),
            Self::Member(u) => UnitKey::Member(u.network, u.port),
            Self::Endpoint(u) => UnitKey::Endpoint(u.port),
        }
    }
}

/// Where packets for a host are sent in VXLAN. Members name the host, so a changed address is one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    pub host: HostName,
    pub address: IpAddr,
}

/// The addresses that one port brings into a group's address set: fixed IPs and allowed address pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMember {
    pub group: SecurityGroupId,
    pub port: PortId,
    /// Sorted, without duplicates, never empty.
    pub prefixes: Vec<IpNet>,
}

/// The rules of a security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSet {
    pub group: SecurityGroupId,
    pub stateful: bool,
    /// Sorted by id.
    pub rules: Vec<Rule>,
}

/// One allow rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub id: RuleId,
    pub direction: Direction,
    pub family: Family,
    /// `None` allows every protocol.
    pub protocol: Option<u8>,
    pub l4: L4Match,
    pub remote: Remote,
}

/// A network as a host that has endpoints on it sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub network: NetworkId,
    pub vni: Vni,
    pub mtu: Mtu,
    /// False drops every packet of the network.
    pub admin_up: bool,
    /// Sorted by id.
    pub subnets: Vec<SubnetServices>,
}

impl Segment {
    /// The MAC that the network's services answer from: locally administered and derived from the network's id, so that
    /// every host gives the same one and a migrated workload's neighbour entries stay valid.
    pub fn service_mac(&self) -> Mac {
        let id = self.network.0.as_bytes();
        // The last bytes of a version 4 or 7 UUID are random.
        Mac([0x02, id[11], id[12], id[13], id[14], id[15]])
    }

    /// The addresses that resolve to [`Self::service_mac`] where no member has or claims them.
    pub fn service_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let servers = self
            .subnets
            .iter()
            .filter_map(SubnetServices::dhcpv4_server);
        servers.map(IpAddr::V4)
    }
}

/// What the agent tells endpoints about a subnet by DHCP and router advertisement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetServices {
    pub subnet: SubnetId,
    pub cidr: IpNet,
    pub gateway: Option<IpAddr>,
    pub enable_dhcp: bool,
    pub dns_nameservers: Vec<IpAddr>,
    pub host_routes: Vec<HostRoute>,
    pub ra_mode: Option<Ipv6Mode>,
    pub address_mode: Option<Ipv6Mode>,
}

impl SubnetServices {
    /// The DHCPv4 server identifier (RFC 2131 section 4.3.1), to which clients renew by unicast: the gateway, which is on
    /// the client's link and no workload's by chance. `None` without DHCPv4 or a gateway; clients rebind by broadcast then.
    pub fn dhcpv4_server(&self) -> Option<Ipv4Addr> {
        match self.gateway {
            Some(IpAddr::V4(gateway)) if self.enable_dhcp => Some(gateway),
            _ => None,
        }
    }
}

/// A port of a network, on any host: the rows of the MAC and the neighbour table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub network: NetworkId,
    pub port: PortId,
    pub host: HostName,
    pub mac: Mac,
    /// Sorted. What ARP and neighbour solicitations are answered for.
    pub addresses: Vec<IpAddr>,
    /// Sorted. Sources the port may claim beside its own; an ARP request for one of them is delivered to the
    /// port instead of being answered, because only the workload knows whether it holds the address now.
    pub pairs: Vec<AddressPair>,
}

/// A port bound to this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub port: PortId,
    pub network: NetworkId,
    /// The host's end of the port's device.
    pub device: String,
    pub mac: Mac,
    pub admin_up: bool,
    /// False switches off anti-spoofing and security groups, and nothing else.
    pub port_security: bool,
    /// Sorted by (address, subnet).
    pub addresses: Vec<EndpointAddress>,
    /// Sorted.
    pub pairs: Vec<AddressPair>,
    /// Sorted. A packet is allowed when a rule of any of them allows it.
    pub groups: Vec<SecurityGroupId>,
    pub dhcp_options: Vec<DhcpOption>,
}

/// An address of an endpoint with the subnet whose services describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EndpointAddress {
    pub address: IpAddr,
    pub subnet: SubnetId,
}
