//! Allocation against a store.

mod addresses;
mod lab;
mod macs_and_vnis;
