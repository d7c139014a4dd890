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
use command::{Command, LibvirtUri};
use futures::future::BoxFuture;
use script::Answers;

/// How commands are run on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Means {
    /// `sudo -n` before commands that need root.
    pub sudo: bool,
    /// What `virsh` connects to; its own choice if absent.
    pub libvirt: Option<LibvirtUri>,
}

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
