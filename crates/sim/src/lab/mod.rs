//! The two-host lab: hosts and workloads as network namespaces, a real controller, real agents, the real data path.
//!
//! ```text
//!   root namespace: netwright up ── management bridge ──┬── host 1 ══ underlay veth ══ host 2 ──┐
//!                                                       └───────────────────────────────────────┘
//!   host n: netwright host-agent, tap devices ── workloads, each a namespace of its own
//! ```
//!
//! A lab touches only what it made, carries its process id in every name, and removes all of it on drop.

mod client;
mod cloud;
mod demo;
mod discovery;
mod keystone;
mod namespace;
mod probe;
mod process;
mod requirements;
mod signal;
mod table;
mod with_cloud;
mod workload;

pub use client::{Api, Openstack};
pub(crate) use cloud::own_loopback;
pub use cloud::{Cloud, CloudOptions, HostName};
pub use demo::demo;
pub use keystone::keystone;
pub use namespace::{Namespace, remove_leftovers};
pub use probe::{Flow, name_server, who};
pub use process::{Daemon, ip, run};
pub use requirements::check_requirements;
pub use signal::stop_signal;
pub use table::Table;
pub use with_cloud::with_cloud;
pub use workload::Workload;
