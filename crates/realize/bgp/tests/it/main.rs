//! Integration tests of the BGP library, in one binary.

mod codec;
mod config;
mod session;
mod speaker;
mod world;
