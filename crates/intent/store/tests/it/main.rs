//! The store as its users see it: what it promises about conflicts, durability, damage and watching.
#![allow(clippy::unwrap_used)]

mod conflicts;
mod corruption;
mod crash;
mod disk_full;
mod model;
mod opening;
mod support;
mod watching;
