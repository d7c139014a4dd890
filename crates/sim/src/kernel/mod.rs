//! Benchmarks of hosts: real agents and the real data path in the lab, beside what the bare kernel does.

mod pair;
mod port_up;
mod restart;
mod throughput;

pub use port_up::port_up;
pub use restart::restart;
pub use throughput::datapath;
