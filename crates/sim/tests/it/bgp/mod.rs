//! BGP with real peers: FRR, BIRD, GoBGP and ExaBGP from Debian, each in a namespace of its own.

mod capture;
mod evpn;
mod exchange;
mod hostile;
mod reflect;
mod refresh;
mod restart;
mod samples;
mod session;
mod targets;
mod withdraw;
mod world;
