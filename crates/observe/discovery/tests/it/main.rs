//! What discovery makes of recorded and of real inputs.

mod broker;
mod database;
mod fake;
mod fake_apis;
mod fixtures;
mod generated;
mod lab;
mod real_hosts;
