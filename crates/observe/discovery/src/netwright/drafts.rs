//! From what Netwright says of itself to drafts, one object or a few at a time, so that a change costs what it touches. Pure.

use super::facts::{Host, Network, Port};
use crate::host::with_some;
use crate::openstack::drafts::distinct;
use serde_json::{Value, json};
use topology::{Draft, Environment, ObjectKey, TopologyError, subnets_by_name};

/// Types of objects that only Netwright itself speaks for.
pub const TYPES: [&str; 8] = [
    "host", "vedge", "otep", "network", "subnet", "port", "vnic", "instance",
];

pub type Drafts = Result<Vec<Draft>, TopologyError>;

/// A host with its edge and its tunnel endpoint.
///
/// # Errors
/// A name is none a map takes: empty, or longer than 1 KiB. This goes for all functions here.
pub fn host(environment: &Environment, host: &Host) -> Drafts {
    let name = host.name.as_str();
    let machine = Draft::whole(ObjectKey::new(environment, "host", name)?, name)
        .with("host", name)
        .with("host_type", vec!["Compute"])
        .with("ip_address", host.tunnel_address.to_string())
        .with("state", host.state.as_str());
    let machine = with_some(machine, "agent_version", host.agent_version.as_deref());
    let id = edge_of(name);
    let edge = Draft::whole(ObjectKey::new(environment, "vedge", &id)?, id.as_str())
        .under(machine.key.clone())
        .with("host", name)
        .with("agent_type", "Netwright");
    let id = format!("{name}-otep");
    let endpoint = Draft::whole(ObjectKey::new(environment, "otep", &id)?, id.as_str())
        .under(edge.key.clone())
        .with("host", name)
        .with("overlay_type", "vxlan")
        .with("ip_address", host.tunnel_address.to_string())
        .with("udp_port", 4789)
        .with("carries_host", name);
    Ok(vec![machine, edge, endpoint])
}

/// A network and its subnets.
pub fn network(environment: &Environment, network: &Network) -> Drafts {
    let id = network.id.as_str();
    let key = ObjectKey::new(environment, "network", id)?;
    let listed = network.subnets.iter().map(|subnet| {
        let entry = json!({
            "id": subnet.id, "name": subnet.name, "cidr": subnet.cidr, "gateway_ip": subnet.gateway_ip,
        });
        (subnet.id.clone(), entry)
    });
    let column = |of: fn(&super::facts::Subnet) -> &String| -> Vec<Value> {
        network.subnets.iter().map(|s| json!(of(s))).collect()
    };
    let mut drafts = vec![
        Draft::whole(key.clone(), or(&network.name, id))
            .with("network", id)
            .with("project_id", network.project_id.as_str())
            .with("status", network.state.as_str())
            .with("mtu", network.mtu)
            .with("provider:network_type", "vxlan")
            .with("provider:segmentation_id", network.vni)
            .with("cidrs", column(|subnet| &subnet.cidr))
            .with("subnet_ids", column(|subnet| &subnet.id))
            .with("subnets", subnets_by_name(listed)),
    ];
    for subnet in &network.subnets {
        let id = subnet.id.as_str();
        let draft = Draft::whole(
            ObjectKey::new(environment, "subnet", id)?,
            or(&subnet.name, id),
        )
        .under(key.clone())
        .with("network_id", network.id.as_str())
        .with("project_id", network.project_id.as_str())
        .with("cidr", subnet.cidr.as_str());
        let gateway = subnet.gateway_ip.map(|address| address.to_string());
        drafts.push(with_some(draft, "gateway_ip", gateway));
    }
    Ok(drafts)
}

/// A port, and its vNIC on the host it is bound to.
pub fn port(environment: &Environment, port: &Port) -> Drafts {
    let mut draft = Draft::whole(
        ObjectKey::new(environment, "port", &port.id)?,
        or(&port.name, &port.mac_address),
    )
    .under(ObjectKey::new(environment, "network", &port.network_id)?)
    .with("network", port.network_id.as_str())
    .with("network_id", port.network_id.as_str())
    .with("project_id", port.project_id.as_str())
    .with("mac_address", port.mac_address.as_str())
    .with("fixed_ips", fixed_ips(port))
    .with("status", port.state.as_str());
    for (attribute, text) in [
        ("device_owner", &port.device_owner),
        ("device_id", &port.device_id),
    ] {
        draft = with_some(
            draft,
            attribute,
            Some(text.as_str()).filter(|t| !t.is_empty()),
        );
    }
    let Some(host) = port.host.as_deref() else {
        return Ok(vec![draft]);
    };
    let draft = draft.with("binding:host_id", host);
    let device = port.device();
    let below = match port.instance() {
        Some(instance) => ObjectKey::new(environment, "instance", instance)?,
        None => ObjectKey::new(environment, "host", host)?,
    };
    let vnic = Draft::whole(
        ObjectKey::new(environment, "vnic", vnic_id(host, &device))?,
        device,
    )
    .under(below)
    .with("host", host)
    .with("vedge", edge_of(host))
    .with("vnic_type", "instance_vnic")
    .with("network", port.network_id.as_str())
    .with("project_id", port.project_id.as_str())
    .with("port", port.id.as_str())
    .with("mac_address", port.mac_address.as_str())
    .with("addresses", addresses(port));
    let first = |v4: bool| port.addresses.iter().find(|a| a.is_ipv4() == v4);
    let vnic = with_some(vnic, "IP Address", first(true).map(ToString::to_string));
    let vnic = with_some(vnic, "IPv6 Address", first(false).map(ToString::to_string));
    Ok(vec![draft, with_some(vnic, "instance_id", port.instance())])
}

fn edge_of(host: &str) -> String {
    format!("{host}-netwright")
}

/// The id of the vNIC of a device on a host.
pub fn vnic_id(host: &str, device: &str) -> String {
    format!("{host}-{device}")
}

/// An instance, as far as the ports it holds tell of it; `None` when none of them is bound.
pub fn instance<'p>(
    environment: &Environment,
    id: &str,
    ports: impl IntoIterator<Item = &'p Port>,
) -> Result<Option<Draft>, TopologyError> {
    let ports: Vec<&Port> = ports.into_iter().collect();
    let Some((host, port)) = ports
        .iter()
        .find_map(|port| Some((port.host.as_deref()?, port)))
    else {
        return Ok(None);
    };
    let info: Vec<Value> = ports
        .iter()
        .map(|port| {
            json!({
                "id": port.id,
                "devname": port.device(),
                "address": port.mac_address,
                "ips": port.addresses,
                "network": {"id": port.network_id, "label": port.network_name},
            })
        })
        .collect();
    let networks = distinct(ports.iter().map(|port| json!(port.network_id)));
    Ok(Some(
        Draft::whole(ObjectKey::new(environment, "instance", id)?, id)
            .under(ObjectKey::new(environment, "host", host)?)
            .with("uuid", id)
            .with("host", host)
            .with("project_id", port.project_id.as_str())
            .with("network", networks)
            .with("network_info", info),
    ))
}

fn addresses(port: &Port) -> Vec<Value> {
    port.addresses
        .iter()
        .map(|address| json!(address))
        .collect()
}

fn fixed_ips(port: &Port) -> Vec<Value> {
    let entry = |address| json!({"ip_address": address});
    port.addresses.iter().map(entry).collect()
}

fn or<'t>(name: &'t str, otherwise: &'t str) -> &'t str {
    if name.is_empty() { otherwise } else { name }
}
