//! The low-level language: what one host should have, as small keyed units.
//!
//! A unit is shared by every host that needs it and changes only when a row it was computed from does.
//! A host's plan is the closure of the units its endpoints reach:
//!
//! ```text
//! Endpoint ─→ Segment ─→ Member* ─→ Tunnel
//!     └─────→ RuleSet ─→ SetMember*
//! ```
//!
//! Group membership is a set that rules refer to; it is never expanded into rules.
//! Nothing in this room does I/O, and a unit knows nothing of the rows it came from.

mod host_plan;
mod unit;

pub use host_plan::{Delta, HostPlan};
pub use unit::{
    Endpoint, EndpointAddress, Member, Rule, RuleSet, Segment, SetMember, SubnetServices, Tunnel,
    Unit, UnitKey, UnitKeyError,
};
