//! The daemon on real sockets and a real kernel: neighbours are network namespaces. Needs root.

mod archive;
mod hostile;
mod interface;
mod kernel;
mod lab;
mod overlay;
mod sessions;
mod vtep;
