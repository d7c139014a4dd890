//! Operations against a store, as the projects of a cloud call them.

mod concurrency;
mod hosts;
mod invariants;
mod lab;
mod networks;
mod port_security;
mod ports;
mod property;
mod rules;
mod security_groups;
mod subnets;
