//! What is taken, one row each. No row means free.

use model::{Mac, NetworkId, PortId, SubnetId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use store::Table;

/// Who holds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    Port(PortId),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(id) => write!(f, "port {id}"),
        }
    }
}

/// The taken addresses of each subnet.
pub struct Addresses;

impl Table for Addresses {
    const NAME: &'static str = "addresses";
    type Key = (SubnetId, IpAddr);
    type Value = Owner;
}

/// The address each subnet with the sequential strategy handed out last.
pub struct Cursors;

impl Table for Cursors {
    const NAME: &'static str = "address-cursors";
    type Key = SubnetId;
    type Value = IpAddr;
}

/// The MACs in use on each network; a MAC may return on another network.
pub struct Macs;

impl Table for Macs {
    const NAME: &'static str = "macs";
    type Key = (NetworkId, Mac);
    type Value = PortId;
}

/// The VNIs in use and by which network; the key is [`model::Vni::get`].
pub struct Vnis;

impl Table for Vnis {
    const NAME: &'static str = "vnis";
    type Key = u32;
    type Value = NetworkId;
}
