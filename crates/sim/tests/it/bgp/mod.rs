//! BGP with real peers: FRR, BIRD, GoBGP and ExaBGP from Debian, each in a namespace of its own.

mod exchange;
mod samples;
mod world;
