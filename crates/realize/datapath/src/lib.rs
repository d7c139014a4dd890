//! The eBPF data path of a host: programs, maps, loader.
//!
//! [`Compiler`] turns a plan into the exact contents of the maps ([`Tables`]), incrementally; [`Datapath`] makes the
//! kernel hold them, adopts what an earlier process left pinned, and repairs what others changed. What the programs
//! do to a packet is specified by `forwarding`. Nothing here decides policy.

mod compile;
mod config;
mod counters;
mod datapath;
mod describe;
mod error;
mod netlink;
mod pins;
mod punt;
mod rows;
#[allow(unsafe_code)]
mod sys;
mod tables;
pub mod test_run;

pub use compile::{Compiler, Device, Devices, Rejected, compile};
pub use config::{Config, Limits};
pub use counters::{Counted, Counter};
pub use datapath::{Adoption, Datapath, SyncReport};
pub use error::Error;
pub use punt::Punt;
pub use tables::{Tables, TablesDelta};
