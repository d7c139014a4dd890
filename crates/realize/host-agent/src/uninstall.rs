//! Removes from a host what agents have made on it, and nothing else.

use crate::links::{Link, Links, is_port_device};
use crate::netlink::Rtnetlink;
use crate::{Config, Error, last_good};
use datapath::Datapath;
use nix::sys::statfs::statfs;
use std::fs;
use std::io;
use std::path::Path;

/// `BPF_FS_MAGIC` of `linux/magic.h`.
const BPFFS: i64 = 0xcafe_4a11;

pub(crate) fn remove_everything(config: &Config, datapath: Datapath) -> Result<(), Error> {
    let mut netlink = Rtnetlink::open().map_err(Error::netlink("open a socket"))?;
    let links = Links::read(&mut netlink).map_err(Error::netlink("list the links"))?;
    let planned = planned_devices(config);
    let ours = |link: &&Link| is_port_device(&link.name) || planned.contains(&link.name);
    for link in links.iter().filter(ours) {
        datapath.detach(link.index)?;
    }
    if let Some(tunnel) = links.named(&config.tunnel_device) {
        let failed = Error::netlink(format!("delete {}", tunnel.name));
        netlink.delete(tunnel.index).map_err(failed)?;
    }
    drop(datapath);
    remove_pins(&config.pin_dir)?;
    let plan = last_good::path(&config.state_dir);
    absent_is_fine(fs::remove_file(&plan)).map_err(Error::path("remove", &plan))
}

/// Devices that were ours by the plan, whatever their name. A plan that cannot be read names none.
fn planned_devices(config: &Config) -> Vec<String> {
    match last_good::load(&config.state_dir) {
        Ok(Some(saved)) => saved
            .plan
            .endpoints()
            .map(|endpoint| endpoint.device.clone())
            .collect(),
        _ => Vec::new(),
    }
}

fn remove_pins(pin_dir: &Path) -> Result<(), Error> {
    let remove = || -> io::Result<()> {
        match is_mount_of_ours(pin_dir)? {
            // All pins go with the file system; the kernel's own files in it cannot be removed anyway.
            true => {
                nix::mount::umount(pin_dir)?;
                fs::remove_dir(pin_dir)
            }
            false => fs::remove_dir_all(pin_dir),
        }
    };
    absent_is_fine(remove()).map_err(Error::path("empty", pin_dir))
}

/// A bpffs mounted on the directory itself was mounted by an agent; one further up is the host's.
fn is_mount_of_ours(dir: &Path) -> io::Result<bool> {
    let kind =
        |path: &Path| -> io::Result<i64> { Ok(statfs(path)?.filesystem_type().0 & 0xffff_ffff) };
    let parent = dir.parent().unwrap_or(dir);
    Ok(kind(dir)? == BPFFS && kind(parent)? != BPFFS)
}

fn absent_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
