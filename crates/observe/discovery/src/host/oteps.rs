//! Overlay tunnel endpoints: of Open vSwitch (from the edge's tunnel ports), of Linux bridges (from VXLAN devices).

use super::{Subject, vconnectors, with_some};
use crate::parse::bridge::FdbEntry;
use crate::parse::ip::{Interface, Kind};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use topology::Draft;

/// UDP ports of the overlays by their RFC or IANA assignment; a row of Neutron's outranks it.
fn standard_port(kind: &str) -> Option<u16> {
    match kind {
        "vxlan" => Some(4789),
        "geneve" => Some(6081),
        _ => None,
    }
}

/// The endpoint of an Open vSwitch edge, if its agent tunnels.
pub fn ovs_draft(subject: &Subject<'_>, vedge: &Draft, interfaces: &[Interface]) -> Option<Draft> {
    let null = Value::Null;
    let configurations = vedge.attributes.get("configurations").unwrap_or(&null);
    let tunnels = vedge
        .attributes
        .get("tunnel_ports")
        .and_then(Value::as_object);
    let kind = configurations["tunnel_types"][0]
        .as_str()
        .map(str::to_owned)
        .or_else(|| first_tunnel(tunnels?, "type"))?;
    let row = subject.known.endpoint(&kind, subject.host);
    let configured = configurations["tunneling_ip"].as_str().map(str::to_owned);
    let recorded = match row {
        Some(row) => row.get("ip_address").and_then(Value::as_str),
        None if subject.known.endpoints_are_kept => None,
        None => subject.known.host_address(subject.host),
    };
    let configured = configured.filter(|address| !address.is_empty());
    let address = recorded
        .map(str::to_owned)
        .or_else(|| configured.clone())
        .or_else(|| first_option(tunnels?, "local_ip"))?;
    let port = row
        .and_then(|row| row.get("udp_port"))
        .and_then(Value::as_u64)
        .or_else(|| standard_port(&kind).map(u64::from));
    let id = format!("{}-otep", subject.host);
    let mut draft = subject
        .draft("otep", &id, &id)?
        .under(vedge.key.clone())
        .with("ip_address", address.as_str())
        .with("overlay_type", kind)
        .with("ports", tunnels.cloned().unwrap_or_default());
    draft = with_some(draft, "udp_port", port);
    let carried = configured.as_deref().unwrap_or(&address);
    let carrier = carrier(subject, carried, interfaces);
    Some(with_some(draft, "vconnector", carrier))
}

fn first_tunnel(tunnels: &Map<String, Value>, key: &str) -> Option<String> {
    tunnels
        .values()
        .find(|port| port["options"]["remote_ip"].is_string())
        .and_then(|port| port[key].as_str())
        .map(str::to_owned)
}

fn first_option(tunnels: &Map<String, Value>, option: &str) -> Option<String> {
    tunnels
        .values()
        .find_map(|port| port["options"][option].as_str())
        .map(str::to_owned)
}

/// The connector or interface that carries the tunnel's address.
fn carrier(subject: &Subject<'_>, address: &str, interfaces: &[Interface]) -> Option<String> {
    let address: IpAddr = address.parse().ok()?;
    interfaces
        .iter()
        .find(|interface| interface.has_address(address))
        .map(|interface| format!("{}-{}", subject.host, interface.name))
}

/// An endpoint per VXLAN device of a Linux bridge; its remote ends are those of the forwarding database.
pub fn linux_bridge_drafts(
    subject: &Subject<'_>,
    interfaces: &[Interface],
    fdb: &[FdbEntry],
) -> Vec<Draft> {
    let bridges = vconnectors::bridges(interfaces);
    interfaces
        .iter()
        .filter_map(|interface| {
            let Kind::Vxlan(vxlan) = &interface.kind else {
                return None;
            };
            let bridge = bridges
                .iter()
                .find(|bridge| Some(&bridge.name) == interface.master.as_ref());
            let id = format!("{}-otep-{}", subject.host, interface.name);
            let ports: Map<String, Value> = remotes(&interface.name, vxlan.remote, fdb)
                .into_iter()
                .map(|remote| {
                    let name = format!("vxlan-remote-{remote}");
                    let options = json!({"remote_ip": remote, "local_ip": vxlan.local});
                    let port = json!({"name": name, "interface": interface.name, "type": "vxlan", "options": options});
                    (name, port)
                })
                .collect();
            let mut draft = subject
                .draft("otep", &id, &id)?
                .with("overlay_type", "vxlan")
                .with("vni", vxlan.id)
                .with("state", if interface.is_up() { "UP" } else { "DOWN" })
                .with("ports", ports);
            if let Some(bridge) = bridge {
                let connector = format!("{}-{}-{}", subject.host, bridge.name, bridge.id);
                draft = draft
                    .under(subject.key("vconnector", &connector)?)
                    .with("vconnector", format!("{}-{}", subject.host, bridge.name));
            }
            let local = vxlan.local.or_else(|| address_of(vxlan.device.as_deref()?, interfaces));
            draft = with_some(draft, "ip_address", local.map(|address| address.to_string()));
            draft = with_some(draft, "udp_port", vxlan.port);
            draft = with_some(draft, "mtu", interface.mtu);
            let mac = interface.mac.map(|mac| mac.to_string());
            Some(with_some(draft, "mac_address", mac))
        })
        .collect()
}

fn remotes(device: &str, configured: Option<IpAddr>, fdb: &[FdbEntry]) -> Vec<IpAddr> {
    let mut remotes: Vec<IpAddr> = fdb
        .iter()
        .filter(|entry| entry.device == device)
        .filter_map(|entry| entry.destination)
        .chain(configured)
        .filter(|address| !address.is_multicast())
        .collect();
    remotes.sort_unstable();
    remotes.dedup();
    remotes
}

fn address_of(device: &str, interfaces: &[Interface]) -> Option<IpAddr> {
    interfaces
        .iter()
        .find(|interface| interface.name == device)
        .and_then(Interface::first_ipv4)
        .map(|net| net.addr())
}
