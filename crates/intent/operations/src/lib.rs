//! What may be done to the nouns of a cloud, as store transactions: every rule that spans objects.
//!
//! Each function takes the open transaction of its caller, so that many of them make one commit, and either
//! does all it says or returns an [`OpError`] with which the caller must abandon the transaction. Inputs are
//! parsed values; who may see or touch the addressed object was decided before, by the caller. What is
//! decided here is whether an object it *refers* to may be used. This room knows no HTTP, reads no clock and
//! never commits.

mod attributes;
mod context;
mod error;
pub mod hosts;
pub mod networks;
pub mod ports;
pub mod rules;
pub mod security_groups;
pub mod subnets;
pub mod tables;

pub use context::{Context, Defaults, Expect, Limits};
pub use error::{OpError, Quota};
pub use ipam::{IpamError, Owner, Random, VniRange};
pub use tables::schema;
