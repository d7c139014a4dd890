//! Networks: isolated L2 segments, carried between hosts in VXLAN.

use crate::{Meta, ModelError, NetworkId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A VXLAN network identifier, 1 to 2^24 − 1 (RFC 7348 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(u32);

impl Vni {
    pub const MAX: u32 = (1 << 24) - 1;

    pub fn new(value: u32) -> Result<Self, ModelError> {
        match value {
            1..=Self::MAX => Ok(Self(value)),
            _ => Err(ModelError::Vni(value)),
        }
    }

    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Vni {
    type Error = ModelError;

    fn try_from(value: u32) -> Result<Self, ModelError> {
        Self::new(value)
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> u32 {
        vni.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The largest IP packet of a network in bytes, without the Ethernet header; at least 68 (RFC 791).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Mtu(u16);

impl Mtu {
    /// What VXLAN over IPv4 leaves of a 1500-byte underlay: 20 IPv4 + 8 UDP + 8 VXLAN + 14 Ethernet.
    pub const DEFAULT: Mtu = Mtu(1450);
    pub const MIN: u32 = 68;

    pub fn new(value: u32) -> Result<Self, ModelError> {
        u16::try_from(value)
            .ok()
            .filter(|mtu| u32::from(*mtu) >= Self::MIN)
            .map(Self)
            .ok_or(ModelError::Mtu(value))
    }

    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u32> for Mtu {
    type Error = ModelError;

    fn try_from(value: u32) -> Result<Self, ModelError> {
        Self::new(value)
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> u32 {
        mtu.0.into()
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An isolated L2 segment. Its subnets are found by range, not listed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub id: NetworkId,
    #[serde(flatten)]
    pub meta: Meta,
    pub admin_state_up: bool,
    /// Visible to every project, which may then attach ports to it.
    pub shared: bool,
    pub mtu: Mtu,
    /// What a new port's `port_security_enabled` is unless the request says otherwise.
    pub port_security_enabled: bool,
    pub vni: Vni,
}
