//! What becomes of a packet at one hook, and the evidence for it.

use crate::DropReason;
use model::{HostName, PortId, RuleId, Vni};
use plan::UnitKey;
use serde::Serialize;
use std::collections::BTreeSet;

/// Where in a host a packet is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// A workload sends.
    FromPort,
    /// The VXLAN device receives.
    FromTunnel,
    /// A packet is about to reach a workload.
    ToPort,
}

/// What the agent answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    Dhcpv4,
    Dhcpv6,
    RouterSolicitation,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// To the port's `to_port` hook on this host.
    Deliver {
        port: PortId,
    },
    /// In VXLAN to the host.
    Tunnel {
        host: HostName,
        vni: Vni,
    },
    /// One copy to each; the copies to ports meet their `to_port` hook.
    Flood {
        ports: BTreeSet<PortId>,
        hosts: BTreeSet<HostName>,
        vni: Vni,
    },
    /// Back to the sender: the answer to an ARP request or a neighbour solicitation.
    Reply {
        #[serde(skip)]
        frame: Vec<u8>,
    },
    /// To the agent.
    Punt {
        service: Service,
    },
    /// To the workload; only at `to_port`.
    Accept,
    Drop {
        reason: DropReason,
    },
}

/// One check on the packet's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub hook: Hook,
    /// What was checked, e.g. `security group egress`.
    pub check: &'static str,
    /// The unit of the plan that decided, if there is one.
    #[serde(serialize_with = "unit_text")]
    pub unit: Option<UnitKey>,
    /// The security group rule that allowed the packet.
    pub rule: Option<RuleId>,
    /// The finding in words.
    pub detail: String,
}

fn unit_text<S: serde::Serializer>(
    unit: &Option<UnitKey>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match unit {
        Some(unit) => serializer.collect_str(unit),
        None => serializer.serialize_none(),
    }
}

/// A verdict with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    #[serde(flatten)]
    pub verdict: Verdict,
    pub steps: Vec<Step>,
}
