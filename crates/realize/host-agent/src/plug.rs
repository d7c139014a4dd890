//! Plugs a workload into a port: a veth pair with the host's end named after the port and the other end in the
//! workload's network namespace. It does what Nova does for a guest, for the demo, the tests and the CLI; the agent
//! brings the host's end up when it has realized the port, and only then the workload sees a carrier.

use crate::Error;
use crate::netlink::Rtnetlink;
use model::{Mac, Mtu, Port, PortId};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// A workload's network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plug {
    pub port: PortId,
    /// A network namespace: its name under `/run/netns`, or a path such as `/proc/PID/ns/net`.
    pub netns: String,
    /// As the port has it.
    pub mac: Mac,
    /// The network's.
    pub mtu: Mtu,
    /// The workload's name for it; `eth0` is usual.
    pub interface: String,
}

/// Makes the pair, and the workload's end up. The calling thread must be in the host's network namespace.
///
/// # Errors
/// Names that are taken, a namespace that does not exist, missing privileges; nothing is left behind.
pub fn plug(plug: &Plug) -> Result<(), Error> {
    let path = netns_path(&plug.netns);
    let netns = File::open(&path).map_err(Error::path("open", &path))?;
    let device = Port::device_name(plug.port);
    let mtu = u32::from(plug.mtu.get());
    let failed = |what: &str| Error::netlink(format!("{what} for port {}", plug.port));
    let mut host = Rtnetlink::open().map_err(failed("open a socket"))?;
    let mut inside = Rtnetlink::open_in(netns.as_fd()).map_err(failed("enter the namespace"))?;
    host.add_veth(&device, mtu, netns.as_fd(), &plug.interface, plug.mac.0)
        .map_err(failed("make the veth pair"))?;
    let mut bring_up = || {
        let index = inside.index_of(&plug.interface)?;
        inside.set_up(index.ok_or_else(|| std::io::Error::other("the device vanished"))?)
    };
    let outcome = bring_up().map_err(failed("bring up the workload's end"));
    if outcome.is_err() {
        unplug(plug.port)?;
    }
    outcome
}

/// Removes the pair. A port that is not plugged is no error.
pub fn unplug(port: PortId) -> Result<(), Error> {
    let failed = |what: &str| Error::netlink(format!("{what} for port {port}"));
    let mut host = Rtnetlink::open().map_err(failed("open a socket"))?;
    match host
        .index_of(&Port::device_name(port))
        .map_err(failed("look up the device"))?
    {
        Some(index) => host.delete(index).map_err(failed("delete the device")),
        None => Ok(()),
    }
}

fn netns_path(netns: &str) -> PathBuf {
    match netns.contains('/') {
        true => netns.into(),
        false => Path::new("/run/netns").join(netns),
    }
}
