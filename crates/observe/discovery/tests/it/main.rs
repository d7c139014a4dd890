//! What discovery makes of recorded and of real inputs.

mod broker;
mod fake;
mod fixtures;
mod generated;
mod lab;
mod real_hosts;
