//! The BGP lab: routers from Debian and ours in namespaces, a load of sessions that is faster than any of them, the benchmarks
//! and the torture they all go through.
//!
//! ```text
//!   load (one thread, one epoll) ── br0 ──┬── router 0 (its namespace: FRR, BIRD, GoBGP, ExaBGP or Netwright)
//!    injectors: bytes encoded before      ├── router 1
//!    receivers: bitmaps of route numbers  └── …
//! ```
//!
//! Messages are written here by hand and not with the speaker's codec: what judges must not share the judged one's mistakes.

mod bench;
mod load;
pub mod messages;
mod router;
mod routes;
mod site;
mod usage;

pub use bench::{BENCHES, run};
pub use load::{Load, PORT, Plan, Session, State};
pub use router::{Neighbor, Router, RouterConfig, Routes, Software};
pub use routes::{Kind, Said, Source, scan};
pub use site::Site;
pub use usage::Usage;
