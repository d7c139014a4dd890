//! Hosts over SSH: one session per host, all commands of a step in one round trip.
//!
//! A command is sent only if it is on the list in [`command`]; a host is talked to only if its key is known. Nothing is ever
//! written on a host: no file, no temporary file, no setting.

pub mod command;
mod host_key;
pub mod script;
mod session;

pub use session::{Credential, SshHosts, Target};

use crate::Result;
use command::Command;
use futures::future::BoxFuture;
use script::Answers;

/// Opens sessions to hosts. Real ones over SSH; simulated ones in benchmarks.
pub trait Hosts: Send + Sync {
    /// A session to the host of this id.
    fn open<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Box<dyn Session>>>;
}

/// An open session.
pub trait Session: Send {
    /// Runs all commands, in order, in one round trip.
    fn run<'a>(&'a mut self, commands: &'a [Command]) -> BoxFuture<'a, Result<Answers>>;
}
