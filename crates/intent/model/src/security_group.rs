//! Security groups: stateful allow rules, deny by default.

use crate::{Family, Meta, ModelError, Protocol, RuleId, SecurityGroupId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Seen from the workload: `ingress` is traffic to it, `egress` traffic from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Ingress,
    Egress,
}

/// An inclusive range of TCP, UDP, SCTP, DCCP or UDP-Lite destination ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortRange {
    pub min: u16,
    pub max: u16,
}

impl PortRange {
    pub fn new(min: u16, max: u16) -> Result<Self, ModelError> {
        if min > max {
            return Err(ModelError::InvertedRange(min, max));
        }
        Ok(Self { min, max })
    }

    pub fn contains(self, port: u16) -> bool {
        (self.min..=self.max).contains(&port)
    }
}

/// An ICMP or ICMPv6 type, with or without a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IcmpMatch {
    pub kind: u8,
    pub code: Option<u8>,
}

/// What a rule asks of the transport header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum L4Match {
    Any,
    Ports(PortRange),
    Icmp(IcmpMatch),
}

/// The other end a rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remote {
    Any,
    Prefix(IpNet),
    /// The addresses of the group's member ports.
    Group(SecurityGroupId),
}

/// A set of rules; ports are its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub id: SecurityGroupId,
    #[serde(flatten)]
    pub meta: Meta,
    /// Replies to allowed traffic are allowed too; a stateless group matches each packet by itself.
    pub stateful: bool,
    /// The group a project's ports get when they name none; it cannot be deleted.
    pub is_default: bool,
}

/// One allow rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    pub id: RuleId,
    pub security_group_id: SecurityGroupId,
    #[serde(flatten)]
    pub meta: Meta,
    pub direction: Direction,
    pub family: Family,
    /// `None` allows every protocol.
    pub protocol: Option<Protocol>,
    pub l4: L4Match,
    pub remote: Remote,
}
