//! BGP with real peers: FRR, BIRD, GoBGP and ExaBGP from Debian, each in a namespace of its own.

mod capture;
mod evpn;
mod exchange;
mod hostile;
mod limits;
mod links;
mod overlay_restart;
mod reflect;
mod refresh;
mod restart;
mod roles;
mod samples;
mod session;
mod stale;
mod targets;
mod withdraw;
mod world;
