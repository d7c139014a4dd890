//! The nouns of a cloud's network: networks, subnets, ports, security groups, hosts.
//!
//! Values here are parsed: a [`Mac`] is a MAC, a [`Vni`] fits 24 bits, a [`PortRange`] is not inverted.
//! What one object can say about itself is checked here; rules that span objects live in `operations`.
//! Nothing in this room does I/O or reads a clock: times come in as arguments.

mod address;
mod dhcp_option;
mod host;
mod id;
mod mac;
mod meta;
mod network;
mod port;
mod protocol;
mod security_group;
mod subnet;

pub use address::{AddressRange, Family, first_host, last_host, nth_address, offset_in};
pub use host::Host;
pub use id::{AgentId, HostName, NetworkId, PortId, ProjectId, RuleId, SecurityGroupId, SubnetId};
pub use mac::Mac;
pub use meta::{Meta, Timestamp};
pub use network::{Mtu, Network, Vni};
pub use port::{
    AddressPair, Binding, DhcpOption, FixedIp, Port, PortStatus, VIF_TYPE_BOUND, VIF_TYPE_UNBOUND,
};
pub use protocol::Protocol;
pub use security_group::{
    Direction, IcmpMatch, L4Match, PortRange, Remote, SecurityGroup, SecurityGroupRule,
};
pub use subnet::{AllocationStrategy, HostRoute, Ipv6Mode, Subnet};

/// Why a text is not the value it should be. The message names the text and the accepted form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("'{0}' is not a valid UUID")]
    Uuid(String),
    #[error("'{0}' is not a valid MAC address")]
    Mac(String),
    #[error("'{0}' is not a valid host name: 1 to 255 letters, digits, '.', '-' and '_'")]
    HostName(String),
    #[error(
        "'{0}' is not a valid project id: 1 to 255 characters, none of them a control character"
    )]
    ProjectId(String),
    #[error("VNI {0} is outside 1..=16777215")]
    Vni(u32),
    #[error("MTU {0} is outside 68..=65535")]
    Mtu(u32),
    #[error("'{0}' is not a protocol name or a number in 0..=255")]
    Protocol(String),
    #[error("port range {0}-{1} is inverted")]
    InvertedRange(u16, u16),
    #[error("address range {0}-{1} is inverted or mixes IPv4 with IPv6")]
    AddressRange(std::net::IpAddr, std::net::IpAddr),
}
