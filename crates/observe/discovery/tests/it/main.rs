//! What discovery makes of recorded and of real inputs.

mod broker;
mod database;
mod fake;
mod fake_apis;
mod fixtures;
mod generated;
mod gnmi;
mod lab;
mod real_hosts;
