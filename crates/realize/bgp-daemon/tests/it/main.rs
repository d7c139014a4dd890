//! The daemon on real sockets and a real kernel: neighbours are network namespaces. Needs root.

mod lab;
mod sessions;
