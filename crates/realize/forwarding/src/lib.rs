//! What a plan does to a packet: the reference model of the data path.
//!
//! The eBPF programs in `datapath` are proven equal to this crate packet by packet, and `trace` runs on it.
//! It is written to be read. It does no I/O, reads no clock and knows nothing of eBPF.

mod connections;
mod host;
mod imagine;
mod neighbour;
mod packet;
mod reason;
mod security;
mod trace;
mod transport;
mod verdict;

pub use connections::Connections;
pub use host::{Host, Origin};
pub use reason::DropReason;
pub use trace::{Outcome, Query, Target, Trace, TraceStep, trace};
pub use verdict::{Decision, Hook, Service, Step, Verdict};
