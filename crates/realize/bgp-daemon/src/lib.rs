//! The BGP daemon: the shell around the pure crate `bgp`. It owns sockets, clocks, threads, files and the kernel's tables,
//! and everything an operator touches; it decides nothing about routes.
//!
//! ```text
//!   sockets ◄──► engine (one thread: sockets, timers, speaker) ──► observers: log, watchers, BMP, MRT
//!                  ▲ jobs                    │ best paths
//!      API ────────┤                         ▼
//!      reload ─────┘◄── next hops, links ── kernel (one thread: routes, repairs)
//! ```
//!
//! [`Daemon::start`] is the way in. What is absent matters: no lock is shared between the engine and anybody else, and no
//! queue is unbounded.

mod api;
mod bmp;
mod clock;
mod daemon;
mod engine;
mod error;
mod kernel;
mod lock;
mod metrics;
mod mrt;
mod net;
mod observe;
mod restart;

pub use daemon::{Daemon, Settings, check};
pub use error::Error;

/// Where operators ask, unless they say otherwise.
pub const SOCKET: &str = "/run/netwright/bgp.sock";
