//! The BGP daemon.
#![allow(dead_code, unused_imports)]
mod kernel;
mod net;
