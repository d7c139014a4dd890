//! What discovery makes of recorded and of real inputs.

mod bad_output;
mod certificates;
mod configuration;
mod database;
mod fake;
mod fake_apis;
mod fixtures;
mod generated;
mod gnmi;
mod lab;
mod logins;
mod real_hosts;
mod real_libvirt;
mod real_ovn;
mod replayed_kubernetes;
