//! Two workloads on two hosts, made twice: by Netwright, and by hand with a bridge and VXLAN and no security at all.

use crate::lab::{Cloud, HostName, Namespace, Workload, ip};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::IpAddr;

/// A network of the benchmarked cloud.
pub(super) struct BenchNetwork {
    pub(super) id: String,
}

/// What a created port is known by.
pub(super) struct BenchPort {
    pub(super) id: String,
    pub(super) mac: String,
    pub(super) address: IpAddr,
}

impl BenchNetwork {
    /// Network and a /16 subnet; the default security group lets members reach each other.
    pub(super) async fn create(cloud: &Cloud) -> Result<Self> {
        let api = cloud.api("bench")?;
        let answer = api
            .post("/v2.0/networks", json!({"network": {"name": "bench"}}))
            .await?;
        let id = answer["network"]["id"]
            .as_str()
            .context("the network has no id")?
            .to_owned();
        let subnet = json!({"subnet": {"network_id": id, "ip_version": 4, "cidr": "10.10.0.0/16"}});
        api.post("/v2.0/subnets", subnet).await?;
        Ok(Self { id })
    }

    pub(super) fn port_request(&self, host: HostName) -> Value {
        json!({"network_id": self.id, "binding:host_id": host.as_str()})
    }

    /// A plugged, addressed and active workload.
    pub(super) async fn workload(
        &self,
        cloud: &Cloud,
        name: &str,
        host: HostName,
    ) -> Result<(Workload, IpAddr)> {
        let api = cloud.api("bench")?;
        let port = api
            .post("/v2.0/ports", json!({"port": self.port_request(host)}))
            .await?;
        let port = BenchPort::read(&port["port"])?;
        let workload = Workload::plug(cloud, name, &port.id, host, &port.mac)?;
        let address = format!("{}/16", port.address);
        workload
            .namespace
            .run("ip", &["addr", "add", &address, "dev", "eth0"])?;
        let path = format!("/v2.0/ports/{}", port.id);
        api.wait(&path, "the port's becoming ACTIVE", |answer| {
            (answer["port"]["status"] == "ACTIVE").then_some(())
        })
        .await?;
        Ok((workload, port.address))
    }
}

impl BenchPort {
    pub(super) fn read(port: &Value) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Self {
            id: text(&port["id"]).context("the port has no id")?,
            mac: text(&port["mac_address"]).context("the port has no MAC")?,
            address: text(&port["fixed_ips"][0]["ip_address"])
                .context("the port has no address")?
                .parse()?,
        })
    }
}

/// The reference: workload, bridge, VXLAN, underlay, VXLAN, bridge, workload.
pub(super) struct PlainPair {
    pub(super) workloads: [Namespace; 2],
    _hosts: [Namespace; 2],
}

impl PlainPair {
    pub(super) const ADDRESSES: [&'static str; 2] = ["10.11.0.1", "10.11.0.2"];

    pub(super) fn create() -> Result<Self> {
        let pid = std::process::id();
        let namespace = |name: &str| Namespace::create(format!("nw{pid}{name}"));
        let hosts = [namespace("p1")?, namespace("p2")?];
        let workloads = [namespace("q1")?, namespace("q2")?];
        let peer = hosts[1].name();
        hosts[0].run(
            "ip",
            &[
                "link", "add", "underlay", "type", "veth", "peer", "name", "underlay", "netns",
                peer,
            ],
        )?;
        for (number, (host, workload)) in hosts.iter().zip(&workloads).enumerate() {
            let (own, other) = (number + 1, 2 - number);
            let script = format!(
                "addr add 192.0.2.{own}/24 dev underlay\n\
                 link set underlay up\n\
                 link add name br0 type bridge\n\
                 link set br0 up\n\
                 link add name vx0 type vxlan id 42 dstport 4789 local 192.0.2.{own} remote 192.0.2.{other}\n\
                 link set vx0 mtu 1450 master br0 up\n\
                 link add name tap0 mtu 1450 type veth peer name eth0 mtu 1450 netns {}\n\
                 link set tap0 master br0 up\n",
                workload.name()
            );
            ip(Some(host), &script)?;
            let address = Self::ADDRESSES[number];
            ip(
                Some(workload),
                &format!("addr add {address}/16 dev eth0\nlink set eth0 up\n"),
            )?;
        }
        Ok(Self {
            workloads,
            _hosts: hosts,
        })
    }
}
