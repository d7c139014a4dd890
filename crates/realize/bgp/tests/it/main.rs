//! Integration tests of the BGP library, in one binary.

mod codec;
mod config;
mod policy;
mod rib;
mod session;
mod simulation;
mod speaker;
mod world;
