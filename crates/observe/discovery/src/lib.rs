//! Discovery: what is really there. Reads clouds, hosts, switches and clusters, and turns what they say into readings for
//! the topology graph. It must never write to anything it reads, never take silence for absence, and never log a secret.

pub mod aci;
pub mod environment;
mod error;
pub mod events;
pub mod gnmi;
pub mod host;
mod http;
pub mod kubernetes;
pub mod netwright;
pub mod openstack;
pub mod parse;
pub mod scan;
mod secret;
pub mod sql;
pub mod ssh;

pub use error::{Error, Result};
pub use http::Trust;
pub use secret::Secret;
