//! Hands out addresses, MACs and VNIs inside the caller's store transaction.
//!
//! A thing that is taken is a row of its own, so that two writers who want the same one meet at commit and
//! never both get it. Free things are found by point reads: a writer conflicts only with who took or freed
//! exactly what it looked at. This room knows no ports or networks beyond their ids, and never commits.

mod address;
mod error;
mod mac;
mod random;
pub mod tables;
mod vni;

pub use address::{
    allocate_address, claim_address, eui64_address, forget_subnet, is_assignable, release_address,
};
pub use error::IpamError;
pub use mac::{allocate_mac, claim_mac, release_mac};
pub use random::Random;
pub use tables::Owner;
pub use vni::{VniRange, allocate_vni, claim_vni, release_vni};
