//! Hosts: machines whose agent has registered.

use crate::{AgentId, HostName, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A host that ports can be bound to. Whether its agent is alive is an observation and not kept here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub name: HostName,
    pub agent_id: AgentId,
    /// Where other hosts send VXLAN to (the VTEP).
    pub tunnel_address: IpAddr,
    pub admin_state_up: bool,
    pub description: String,
    pub registered_at: Timestamp,
}
