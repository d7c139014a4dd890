//! Ports: where a workload attaches to a network.

use crate::{Family, HostName, Mac, Meta, NetworkId, PortId, SecurityGroupId, SubnetId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// `binding:vif_type` of a port on a host: a tap device whose other end the workload holds.
pub const VIF_TYPE_BOUND: &str = "tap";
/// `binding:vif_type` of a port on no host.
pub const VIF_TYPE_UNBOUND: &str = "unbound";

/// An address of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FixedIp {
    pub subnet_id: SubnetId,
    pub ip_address: IpAddr,
}

/// A source a port may use beside its own MAC and addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddressPair {
    pub ip_address: IpNet,
    pub mac_address: Mac,
}

/// One entry of `extra_dhcp_opts`. `name` is an option number or a name known to dnsmasq.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DhcpOption {
    pub name: String,
    pub value: String,
    pub family: Family,
}

/// Where a port is realized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub host: Option<HostName>,
    pub vnic_type: String,
    /// What Nova passes along; stored and returned as it came.
    pub profile: serde_json::Map<String, serde_json::Value>,
}

/// The operational state of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PortStatus {
    /// The agent of the port's host has acknowledged that the port forwards.
    Active,
    /// Not bound, administratively down, or its device is not plugged.
    Down,
    /// Bound; the agent has not answered yet.
    Build,
    /// The agent could not realize the port; the reason is in the agent's report.
    Error,
}

impl fmt::Display for PortStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "ACTIVE",
            Self::Down => "DOWN",
            Self::Build => "BUILD",
            Self::Error => "ERROR",
        })
    }
}

/// An attachment point on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub id: PortId,
    pub network_id: NetworkId,
    #[serde(flatten)]
    pub meta: Meta,
    pub mac_address: Mac,
    pub admin_state_up: bool,
    pub fixed_ips: Vec<FixedIp>,
    pub device_id: String,
    pub device_owner: String,
    pub binding: Binding,
    pub allowed_address_pairs: Vec<AddressPair>,
    pub port_security_enabled: bool,
    pub security_groups: BTreeSet<SecurityGroupId>,
    pub extra_dhcp_opts: Vec<DhcpOption>,
    pub status: PortStatus,
}

impl Port {
    /// The name of the host's end of the port's device, as Nova makes it: `tap` and 11 characters of the id.
    pub fn device_name(id: PortId) -> String {
        format!("tap{}", &id.to_string()[..11])
    }
}
