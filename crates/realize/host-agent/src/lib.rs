//! Makes one Linux host match its plan and answers DHCP and router solicitations for its ports.
//!
//! ```text
//! controller ⇄ stream ─→ realizer ─→ datapath (maps, programs)      board ─→ stream, control socket, metrics
//!               kernel ─→    │ └────→ links (up, MTU)                 ↑
//!                            └──────→ last good plan on disk       realizer, responder
//! workload ─→ punt ─→ responder ─→ workload
//! ```
//!
//! The data path works without this process. The agent never takes a deletion from silence, never enforces a plan it
//! cannot trust, and touches only what is its own: devices named after ports or named by the plan, the VXLAN
//! device, and what is pinned in its directory.

mod agent;
mod board;
pub mod control;
mod error;
mod last_good;
mod limit;
mod links;
mod lock;
mod metrics;
mod netlink;
mod plug;
mod realizer;
mod responder;
mod services;
mod status;
mod stream;
mod uninstall;

pub use agent::{Agent, Config, run, uninstall};
pub use error::Error;
pub use last_good::LastGoodError;
pub use plug::{Plug, plug, unplug};
pub use status::{
    AuditCounts, Connection, Difference, Dump, LastGoodState, PortReport, Repairs, State, Status,
};
pub use stream::Tls;

/// A number from the range, so that the timers of many agents do not strike together. Need not be a good one.
fn jitter(from: f64, to: f64) -> f64 {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    from + (to - from) * f64::from(random) / f64::from(u32::MAX)
}
