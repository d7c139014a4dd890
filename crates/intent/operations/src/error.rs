//! Why an operation is refused. A refused operation has changed nothing once its transaction is abandoned.

use ipam::IpamError;
use ipnet::IpNet;
use model::{
    AddressRange, Family, HostName, Ipv6Mode, Mac, Mtu, NetworkId, PortId, ProjectId, Protocol,
    RuleId, SecurityGroupId, SubnetId,
};
use std::fmt;
use std::net::IpAddr;

/// What is counted against a limit. The text is the name Neutron's quota and limit errors use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    Network,
    Subnet,
    Port,
    SecurityGroup,
    RulesPerSecurityGroup,
    SubnetsPerNetwork,
    FixedIpsPerPort,
    AddressPairs,
    DnsNameservers,
    HostRoutes,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "network",
            Self::Subnet => "subnet",
            Self::Port => "port",
            Self::SecurityGroup => "security_group",
            Self::RulesPerSecurityGroup => "rules per security group",
            Self::SubnetsPerNetwork => "subnets per network",
            Self::FixedIpsPerPort => "fixed_ips",
            Self::AddressPairs => "allowed_address_pairs",
            Self::DnsNameservers => "dns_nameservers",
            Self::HostRoutes => "host_routes",
        })
    }
}

fn or_none(port: Option<u16>) -> String {
    port.map_or_else(|| "none".to_owned(), |port| port.to_string())
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    // Not there, or not visible to the caller.
    #[error("Network {0} could not be found.")]
    NetworkNotFound(NetworkId),
    #[error("Subnet {0} could not be found.")]
    SubnetNotFound(SubnetId),
    #[error("Port {0} could not be found.")]
    PortNotFound(PortId),
    #[error("Security group {0} does not exist.")]
    SecurityGroupNotFound(SecurityGroupId),
    #[error("Security group rule {0} does not exist.")]
    RuleNotFound(RuleId),
    #[error("Host {0} is not registered.")]
    HostNotFound(HostName),

    // Any object.
    #[error("Revision number is {found}, not {expected} as expected.")]
    RevisionMismatch { expected: u64, found: u64 },
    #[error("Only an admin may create objects for another project ({0}).")]
    ForeignProject(ProjectId),
    #[error("Only the owner of network {network} or an admin may set {attribute}.")]
    NotNetworkOwner {
        network: NetworkId,
        attribute: &'static str,
    },
    #[error("Quota exceeded for {quota}: at most {limit}.")]
    OverQuota { quota: Quota, limit: usize },
    #[error("'{given}' has host bits set; '{corrected}' is recommended.")]
    CidrHostBits { given: IpNet, corrected: IpNet },
    #[error("{attribute} '{value}' is not {expected} as ip_version says.")]
    FamilyMismatch {
        attribute: &'static str,
        value: String,
        expected: Family,
    },
    #[error("Duplicate {attribute} '{value}'.")]
    Duplicate {
        attribute: &'static str,
        value: String,
    },

    // Networks.
    #[error("Network {network} still has ports, for example {port}; delete them first.")]
    NetworkInUse { network: NetworkId, port: PortId },
    #[error(
        "Network {network} cannot stop being shared: port {port} on it belongs to project {project}."
    )]
    NetworkSharedInUse {
        network: NetworkId,
        port: PortId,
        project: ProjectId,
    },
    #[error("MTU {mtu} is more than {max}, the most that the underlay carries.")]
    MtuTooLarge { mtu: Mtu, max: Mtu },
    #[error("MTU {0} is too small for IPv6, which needs at least 1280 (RFC 8200 section 5).")]
    MtuTooSmallForIpv6(Mtu),

    // Subnets.
    #[error("{cidr} cannot be a subnet: {reason}.")]
    CidrUnusable { cidr: IpNet, reason: &'static str },
    #[error("{cidr} overlaps {other_cidr} of subnet {other} on network {network}.")]
    SubnetOverlap {
        cidr: IpNet,
        network: NetworkId,
        other: SubnetId,
        other_cidr: IpNet,
    },
    #[error(
        "Subnet {subnet} is in use: port {port} has address {address} on it; delete the port first."
    )]
    SubnetInUse {
        subnet: SubnetId,
        port: PortId,
        address: IpAddr,
    },
    #[error(
        "Gateway {gateway} is not valid on subnet {cidr}: it must be one of its host addresses."
    )]
    GatewayInvalid { gateway: IpAddr, cidr: IpNet },
    #[error("Gateway {gateway} lies in allocation pool {}-{}; exclude it.", pool.start, pool.end)]
    GatewayInPool { gateway: IpAddr, pool: AddressRange },
    #[error("Allocation pool {}-{} is not within the host addresses of {cidr}.", pool.start, pool.end)]
    PoolOutOfBounds { pool: AddressRange, cidr: IpNet },
    #[error("Allocation pools {}-{} and {}-{} overlap.", one.start, one.end, other.start, other.end)]
    PoolsOverlap {
        one: AddressRange,
        other: AddressRange,
    },
    #[error("ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4.")]
    Ipv6ModeOnIpv4,
    #[error("ipv6_ra_mode and ipv6_address_mode cannot be set when enable_dhcp is false.")]
    Ipv6ModeWithoutDhcp,
    #[error(
        "ipv6_ra_mode {ra} and ipv6_address_mode {address} must be the same when both are set."
    )]
    Ipv6ModesDiffer { ra: Ipv6Mode, address: Ipv6Mode },
    #[error("{cidr} does not fit address mode {mode}: EUI-64 addresses need a /64 prefix.")]
    PrefixNotForEui64 { cidr: IpNet, mode: Ipv6Mode },

    // Ports.
    #[error("Host {0} is not known: no agent has registered under this name.")]
    UnknownHost(HostName),
    #[error("Subnet {subnet} is not on network {network}.")]
    SubnetNotOnNetwork {
        subnet: SubnetId,
        network: NetworkId,
    },
    #[error("Address {address} is in none of the subnets of network {network}.")]
    AddressNotOnNetwork { address: IpAddr, network: NetworkId },
    #[error("No more IP addresses available on network {0}.")]
    NetworkExhausted(NetworkId),
    #[error(
        "Address {address} cannot be asked for: subnet {subnet} gives each port its address from the MAC."
    )]
    AddressOnAutoSubnet { address: IpAddr, subnet: SubnetId },
    #[error("The MAC address {mac} of port {port} cannot change while it is bound to host {host}.")]
    PortBound {
        port: PortId,
        mac: Mac,
        host: HostName,
    },
    #[error("Allowed address pairs need port security to be enabled.")]
    AddressPairsNeedPortSecurity,
    #[error("Security groups need port security to be enabled.")]
    SecurityGroupsNeedPortSecurity,
    #[error(
        "Port {0} has security groups; port security cannot be disabled until they are removed."
    )]
    PortHasSecurityGroups(PortId),
    #[error(
        "'{0}' is not a DHCP option that can be set: neither a known name nor a number in 1..=254 \
         (65535 in IPv6), or one the protocol itself uses."
    )]
    DhcpOptionUnknown(String),
    #[error("The value of DHCP option '{0}' must be 1 to 255 bytes without control characters.")]
    DhcpOptionValue(String),

    // Security groups.
    #[error("Security group {group} is in use by port {port}.")]
    SecurityGroupInUse {
        group: SecurityGroupId,
        port: PortId,
    },
    #[error("Default security group already exists.")]
    DefaultSecurityGroupExists,
    #[error("The default security group {0} cannot be renamed.")]
    DefaultSecurityGroupRename(SecurityGroupId),
    #[error("The default security group {0} cannot be deleted.")]
    DefaultSecurityGroupDelete(SecurityGroupId),

    // Rules.
    #[error("Only remote_ip_prefix or remote_group_id may be provided.")]
    RuleTwoRemotes,
    #[error("Conflicting value ethertype {family} for CIDR {prefix}.")]
    RulePrefixFamily { family: Family, prefix: IpNet },
    #[error("Must also specify protocol if port range is given.")]
    RulePortsNeedProtocol,
    #[error("Invalid value for port {0}.")]
    RulePortInvalid(u16),
    #[error(
        "port_range_min and port_range_max must both be given and in order (given: {} and {}).",
        or_none(*min), or_none(*max)
    )]
    RulePortRange { min: Option<u16>, max: Option<u16> },
    #[error("Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.")]
    RuleIcmpValue {
        field: &'static str,
        attribute: &'static str,
        value: u16,
    },
    #[error(
        "ICMP code (port-range-max) {0} is provided but ICMP type (port-range-min) is missing."
    )]
    RuleIcmpTypeMissing(u16),
    #[error("Protocol {0} has no port range; only TCP, UDP, UDP-Lite, SCTP, DCCP and ICMP have.")]
    RuleProtocolWithoutPorts(Protocol),
    #[error("Protocol {protocol} is not valid with ethertype {family}.")]
    RuleProtocolFamily { protocol: Protocol, family: Family },
    #[error("Security group rule already exists. Rule id is {0}.")]
    RuleExists(RuleId),

    // Hosts.
    #[error("Host {host} still has ports bound to it, for example {port}.")]
    HostInUse { host: HostName, port: PortId },
    #[error("Tunnel address {address} belongs to host {holder} already; each host needs its own.")]
    TunnelAddressInUse { address: IpAddr, holder: HostName },
    #[error("Tunnel address {0} is not a unicast address.")]
    TunnelAddressInvalid(IpAddr),

    #[error(transparent)]
    Ipam(#[from] IpamError),
}
