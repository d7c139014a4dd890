//! What `agent status` and `agent dump` show, as values that travel over the control socket in JSON.

use model::{HostName, PortId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The agent at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub host: HostName,
    pub agent_version: String,
    pub tunnel_address: IpAddr,
    /// In the order they are tried.
    pub controllers: Vec<String>,
    pub uptime_seconds: u64,
    pub connection: Connection,
    /// The revision of the plan that the kernel holds; 0 before the first.
    pub applied: u64,
    /// The newest revision received. Ahead of `applied` only while the kernel refuses something.
    pub target: u64,
    /// Whether the maps and programs of an earlier process were taken over at the start.
    pub adopted_maps: bool,
    pub adopted_programs: bool,
    /// Rows of kernel maps written and deleted since the start.
    pub map_writes: u64,
    pub repairs: Repairs,
    pub audits: AuditCounts,
    /// Units from a controller that could not be decoded.
    pub unreadable_units: u64,
    pub last_good: LastGoodState,
    /// Why the kernel does not hold the plan.
    pub kernel_error: Option<String>,
    /// Why the VXLAN device cannot be made or set right; other hosts are out of reach then.
    pub tunnel_error: Option<String>,
    /// By port id.
    pub ports: Vec<PortReport>,
}

/// The stream to a controller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The controller of the open stream; `None` without one.
    pub controller: Option<String>,
    pub connected_seconds: Option<u64>,
    /// Streams opened since the start.
    pub connects: u64,
    /// Why the last stream ended or could not be opened.
    pub error: Option<String>,
}

/// The plan on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGoodState {
    /// The revision on disk; `None` if there is no usable file.
    pub revision: Option<u64>,
    /// Why it could not be read or written.
    pub error: Option<String>,
}

/// Whether a port forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Up,
    Down,
    Error,
}

impl From<wire::PortState> for State {
    fn from(state: wire::PortState) -> Self {
        match state {
            wire::PortState::Up => Self::Up,
            wire::PortState::Down => Self::Down,
            wire::PortState::Error => Self::Error,
        }
    }
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Error => "error",
        }
    }
}

/// One port of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortReport {
    pub port: PortId,
    pub device: String,
    pub state: State,
    /// Why it is not up; empty when it is.
    pub reason: String,
    pub revision: u64,
}

/// What was found changed by others and put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    Program,
    Row,
    Link,
    Tunnel,
}

/// Repairs since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repairs {
    /// Programs put back on a port's device.
    pub programs: u64,
    /// Rows of kernel maps put back or removed.
    pub rows: u64,
    /// Devices set up again or given their MTU back.
    pub links: u64,
    /// Times the VXLAN device was made or set right.
    pub tunnel: u64,
}

impl Repairs {
    pub(crate) fn add(&mut self, repair: Repair, count: u64) {
        let slot = match repair {
            Repair::Program => &mut self.programs,
            Repair::Row => &mut self.rows,
            Repair::Link => &mut self.links,
            Repair::Tunnel => &mut self.tunnel,
        };
        *slot += count;
    }

    pub fn by_kind(self) -> [(&'static str, u64); 4] {
        [
            ("program", self.programs),
            ("row", self.rows),
            ("link", self.links),
            ("tunnel", self.tunnel),
        ]
    }
}

/// The readings of the kernel that back up its notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCounts {
    pub count: u64,
    /// How long the last one took, in microseconds.
    pub last_micros: u64,
}

/// What the host should have and has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    pub revision: u64,
    /// False while no plan is known; then nothing is compared and the kernel keeps what is pinned.
    pub planned: bool,
    /// The units of the plan, by key.
    pub units: Vec<String>,
    /// The rows of the kernel's maps as the plan wants them, and as they are.
    pub desired: Vec<String>,
    pub actual: Vec<String>,
    pub difference: Difference,
    /// Units that the data path could not take.
    pub rejected: Vec<String>,
}

/// Desired against actual; empty on a healthy host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Rows wanted and not there.
    pub missing: Vec<String>,
    /// Rows there and not wanted.
    pub extra: Vec<String>,
    /// Port devices without our programs.
    pub detached: Vec<String>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.detached.is_empty()
    }
}
