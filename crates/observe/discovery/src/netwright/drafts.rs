//! From the rows of Netwright's API to drafts. Pure.

use crate::host::with_some;
use serde_json::{Map, Value, json};
use topology::{Draft, Environment, ObjectKey};

fn text<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    row.get(name).and_then(Value::as_str)
}

fn key(environment: &Environment, object_type: &str, id: &str) -> Option<ObjectKey> {
    ObjectKey::new(environment, object_type, id).ok()
}

/// Hosts, each with its edge and tunnel endpoint; networks; ports, and the interface of each that is bound.
pub(super) fn all(
    environment: &Environment,
    hosts: &[Value],
    networks: &[Value],
    ports: &[Value],
) -> Vec<Draft> {
    let mut found: Vec<Draft> = Vec::new();
    found.extend(
        hosts
            .iter()
            .flat_map(|row| host(environment, row, hosts, ports)),
    );
    found.extend(networks.iter().filter_map(|row| network(environment, row)));
    found.extend(ports.iter().flat_map(|row| port(environment, row)));
    found
}

/// The device of a port on its host.
fn device(port: &Value) -> Option<String> {
    let id = text(port, "id")?;
    Some(format!("tap{id}").chars().take(14).collect())
}

fn host(environment: &Environment, row: &Value, hosts: &[Value], ports: &[Value]) -> Vec<Draft> {
    let drafts = || {
        let name = text(row, "name")?;
        let mut host = Draft::whole(key(environment, "host", name)?, name)
            .with("host", name)
            .with("host_type", vec!["Compute"]);
        for attribute in [
            "state",
            "agent_version",
            "applied_revision",
            "target_revision",
            "lag",
        ] {
            host = with_some(host, attribute, row.get(attribute).cloned());
        }
        host = with_some(host, "ip_address", text(row, "tunnel_address"));
        let own = ports.iter().filter(|port| text(port, "host") == Some(name));
        let edge_ports: Map<String, Value> = own
            .filter_map(|port| {
                let device = device(port)?;
                let value = json!({"name": device, "id": port["id"], "state": port["state"]});
                Some((device, value))
            })
            .collect();
        let edge = Draft::whole(
            key(environment, "vedge", &format!("{name}-netwright"))?,
            format!("{name}-netwright"),
        )
        .under(host.key.clone())
        .with("host", name)
        .with("agent_type", "Netwright")
        .with("ports", edge_ports);
        let mut all = vec![host];
        if let Some(address) = text(row, "tunnel_address") {
            let id = format!("{name}-otep");
            let others = hosts
                .iter()
                .filter(|other| text(other, "name") != Some(name));
            let remotes: Map<String, Value> = others
                .filter_map(|other| {
                    let (other, remote) = (text(other, "name")?, text(other, "tunnel_address")?);
                    let port = format!("vxlan-remote-{other}");
                    let options = json!({"local_ip": address, "remote_ip": remote});
                    let value = json!({"name": port, "interface": port, "type": "vxlan", "remote_host": other, "options": options});
                    Some((port, value))
                })
                .collect();
            all.push(
                Draft::whole(key(environment, "otep", &id)?, id.as_str())
                    .under(edge.key.clone())
                    .with("host", name)
                    .with("overlay_type", "vxlan")
                    .with("ip_address", address)
                    .with("udp_port", 4789)
                    .with("ports", remotes),
            );
        }
        all.push(edge);
        Some(all)
    };
    drafts().unwrap_or_default()
}

fn network(environment: &Environment, row: &Value) -> Option<Draft> {
    let id = text(row, "id")?;
    let name = text(row, "name")
        .filter(|name| !name.is_empty())
        .unwrap_or(id);
    let subnets = row["subnets"].as_array();
    let column = |name: &str| -> Vec<Value> {
        subnets
            .into_iter()
            .flatten()
            .map(|subnet| subnet[name].clone())
            .collect()
    };
    let named: Map<String, Value> = subnets
        .into_iter()
        .flatten()
        .filter_map(|subnet| {
            let name = text(subnet, "name").filter(|name| !name.is_empty());
            Some((
                name.or_else(|| text(subnet, "id"))?.to_owned(),
                subnet.clone(),
            ))
        })
        .collect();
    let mut draft = Draft::whole(key(environment, "network", id)?, name)
        .with("network", id)
        .with("cidrs", column("cidr"))
        .with("subnet_ids", column("id"))
        .with("subnets", named)
        .with("provider:network_type", "vxlan")
        .with("provider:segmentation_id", row["vni"].clone());
    draft = with_some(draft, "mtu", row.get("mtu").cloned());
    draft = with_some(draft, "status", text(row, "state"));
    Some(with_some(draft, "project_id", text(row, "project_id")))
}

fn port(environment: &Environment, row: &Value) -> Vec<Draft> {
    let drafts = || {
        let (id, network) = (text(row, "id")?, text(row, "network_id")?);
        let mac = text(row, "mac_address");
        let name = text(row, "name").filter(|name| !name.is_empty());
        let mut port = Draft::whole(key(environment, "port", id)?, name.or(mac).unwrap_or(id))
            .under(key(environment, "network", network)?)
            .with("network_id", network)
            .with("addresses", row["addresses"].clone());
        for (attribute, column) in [
            ("mac_address", "mac_address"),
            ("binding:host_id", "host"),
            ("status", "state"),
            ("device_owner", "device_owner"),
            ("device_id", "device_id"),
            ("project_id", "project_id"),
        ] {
            port = with_some(port, attribute, text(row, column));
        }
        let mut all = vec![port];
        if let Some(host) = text(row, "host") {
            let device = device(row)?;
            let mut vnic = Draft::whole(
                key(environment, "vnic", &format!("{host}-{device}"))?,
                device.as_str(),
            )
            .under(key(environment, "host", host)?)
            .with("host", host)
            .with("vnic_type", "instance_vnic")
            .with("network", network)
            .with("port", id);
            vnic = with_some(vnic, "mac_address", mac);
            vnic = with_some(vnic, "IP Address", row["addresses"][0].as_str());
            vnic = with_some(
                vnic,
                "instance_id",
                text(row, "device_id").filter(|id| !id.is_empty()),
            );
            all.push(vnic);
        }
        Some(all)
    };
    drafts().unwrap_or_default()
}
