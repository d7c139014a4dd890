//! A workload: a namespace plugged into a port, as a virtual machine or a container would be.

use super::process::finish;
use super::{Cloud, HostName, Namespace};
use anyhow::{Context, Result};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

/// A namespace with `eth0` in a port of the cloud.
#[derive(Debug)]
pub struct Workload {
    pub name: String,
    pub port: String,
    pub host: HostName,
    pub namespace: Namespace,
    scratch: PathBuf,
}

impl Workload {
    /// Makes the namespace and plugs it with `netwright agent plug` on the port's host.
    pub fn plug(cloud: &Cloud, name: &str, port: &str, host: HostName, mac: &str) -> Result<Self> {
        let namespace = Namespace::create(format!("nw{}-{name}", std::process::id()))?;
        // Routers are not part of the workload's business before the port says so.
        namespace.run("sysctl", &["-qw", "net.ipv6.conf.default.accept_dad=0"])?;
        let path = namespace.path();
        finish(
            cloud
                .netwright_in(host)
                .args(["agent", "plug", port, "--mac", mac, "--netns"])
                .arg(&path),
        )?;
        Ok(Self {
            name: name.to_owned(),
            port: port.to_owned(),
            host,
            namespace,
            scratch: cloud.scratch().to_owned(),
        })
    }

    /// Takes an IPv4 lease with ISC dhclient.
    pub fn dhcp4(&self) -> Result<()> {
        finish(&mut self.dhclient("-4")).map(drop)
    }

    /// Takes an IPv6 lease with ISC dhclient.
    pub fn dhcp6(&self) -> Result<()> {
        finish(&mut self.dhclient("-6")).map(drop)
    }

    fn dhclient(&self, family: &str) -> Command {
        let file = |kind: &str| self.scratch.join(format!("{}{family}.{kind}", self.name));
        let mut command = self.namespace.command("dhclient");
        command
            .args([family, "-1", "-q", "-pf"])
            .arg(file("pid"))
            .arg("-lf")
            .arg(file("leases"));
        command.arg("eth0");
        command
    }

    /// The global addresses `eth0` has now.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        let text = self.namespace.run(
            "ip",
            &["-j", "addr", "show", "dev", "eth0", "scope", "global"],
        )?;
        let links: serde_json::Value = serde_json::from_str(&text)?;
        let infos = links[0]["addr_info"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        // Addresses of another scope are printed as empty objects.
        infos
            .iter()
            .filter(|info| info["tentative"] != true)
            .filter_map(|info| info["local"].as_str())
            .map(|local| {
                local
                    .parse()
                    .with_context(|| format!("ip printed the address '{local}'"))
            })
            .collect()
    }
}
