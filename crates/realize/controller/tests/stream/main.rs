//! A controller on a real store, and agents that are nothing but their end of the stream, over loopback gRPC.

mod agent;
mod cloud;
mod hostile;
mod mtls;
mod plans;
mod status;
