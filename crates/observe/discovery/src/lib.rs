//! Discovery: what is really there. Reads clouds, hosts, switches and clusters, and turns what they say into readings for
//! the topology graph. It must never write to anything it reads, never take silence for absence, and never log a secret.

pub mod host;
pub mod parse;
