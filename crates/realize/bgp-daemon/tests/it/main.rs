//! The daemon on real sockets and a real kernel: neighbours are network namespaces. Needs root.

mod archive;
mod default_route;
mod hostile;
mod interface;
mod kernel;
mod lab;
mod overlay;
mod password;
mod sessions;
mod vtep;
