//! BMP (RFC 7854): stations are told what each neighbour sends, what policy makes of it, and what is used. Each has a
//! bounded queue; one that overflows is cut off, connects again and is told everything anew, and no session ever waits.

mod client;
mod encode;
mod stations;

pub(crate) use client::follow;
pub(crate) use encode::Monitored;
pub(crate) use stations::Stations;
