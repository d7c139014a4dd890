//! What a Netwright cloud says of itself: as its API writes it, and as the process that runs it knows it. Field names are the API's.

use serde::Deserialize;
use std::net::IpAddr;
use topology::ObjectId;

/// A machine whose agent has registered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Host {
    pub name: String,
    /// Where other hosts send VXLAN to.
    pub tunnel_address: IpAddr,
    /// `up` while its agent is connected.
    pub state: String,
    pub agent_version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subnet {
    pub id: String,
    pub name: String,
    pub cidr: String,
    pub gateway_ip: Option<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Network {
    pub id: String,
    pub name: String,
    pub project_id: String,
    pub vni: u32,
    pub mtu: u16,
    /// `up` unless it is administratively down.
    pub state: String,
    pub subnets: Vec<Subnet>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Port {
    pub id: String,
    pub name: String,
    pub project_id: String,
    pub network_id: String,
    pub network_name: String,
    pub mac_address: String,
    pub addresses: Vec<IpAddr>,
    /// Where it is bound.
    pub host: Option<String>,
    /// As Neutron writes it: `ACTIVE`, `DOWN`, `BUILD`, `ERROR`.
    pub state: String,
    pub device_owner: String,
    pub device_id: String,
}

impl Port {
    /// The host's end of the port's device: `tap` and 11 characters of the id, as Nova names it.
    pub fn device(&self) -> String {
        format!("tap{}", self.id).chars().take(14).collect()
    }

    /// The instance that holds it, if a compute service says so. Anyone may write anything into a port's `device_id`; what is no
    /// id of an object is no instance.
    pub fn instance(&self) -> Option<&str> {
        let held = self.device_owner.starts_with("compute:");
        (held && ObjectId::new(&self.device_id).is_ok()).then_some(&*self.device_id)
    }
}
