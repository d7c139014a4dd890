//! What the tests share.
#![allow(dead_code, unreachable_pub)]

pub mod cloud;
pub mod frames;
pub mod lab;
pub mod packets;
pub mod world;
