//! Edges: Open vSwitch, VPP, and the SR-IOV functions of a host, each with its ports.

use super::{Subject, pnics, with_some};
use crate::parse::ip::Interface;
use crate::parse::ovs::{DatapathPort, Switch};
use crate::parse::vpp::VppInterface;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use topology::Draft;

pub const OVS_AGENT: &str = "Open vSwitch agent";
/// Bridges whose ports are tunnels; `br-int` carries them itself under OVN.
const TUNNEL_BRIDGES: &[&str] = &["br-tun", "br-int"];

/// The Open vSwitch of a host, with the physical interfaces on each mapped bridge. Identity and configuration are those of Neutron's agent where there is one.
pub fn ovs_draft(
    subject: &Subject<'_>,
    switch: &Switch,
    datapath: &[DatapathPort],
    uplinks: &BTreeMap<String, Vec<String>>,
) -> Option<Draft> {
    let agent = subject.known.agent(subject.host, OVS_AGENT);
    let name = format!("{}-OVS", subject.host);
    let id = agent
        .and_then(|agent| agent.get("id"))
        .and_then(Value::as_str)
        .unwrap_or(&name);
    let mut draft = subject.draft("vedge", id, &name)?;
    for (attribute, value) in agent.into_iter().flatten() {
        match attribute.as_str() {
            "id" | "name" => {}
            "configurations" => draft = draft.with("configurations", configuration(value)),
            other => draft = draft.with(other, value.clone()),
        }
    }
    if agent.is_none() {
        draft = draft.with("agent_type", OVS_AGENT);
    }
    draft = with_some(draft, "ovs_version", switch.version.clone());
    let ports = ports(switch, datapath);
    let tunnels = tunnels(switch);
    draft = draft
        .with("ports", ports.clone())
        .with("tunnel_ports", tunnels);
    let (found, last) = bridge_pnics(&draft, &ports, uplinks);
    if let Some(name) = last {
        draft = draft.with("pnic", name).with("pnics", found);
    }
    Some(draft)
}

/// An agent's configurations, which the database holds as JSON in a string.
pub fn configuration(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!({})),
        other => other.clone(),
    }
}

/// Datapath ports by name, with the VLAN tag the switch gives them. The datapath's own tunnel ports stand for many and are left out.
fn ports(switch: &Switch, datapath: &[DatapathPort]) -> Map<String, Value> {
    let tags: BTreeMap<&str, u16> = switch
        .bridges
        .iter()
        .flat_map(|bridge| &bridge.ports)
        .filter_map(|port| Some((port.name.as_str(), port.tag?)))
        .collect();
    datapath
        .iter()
        .filter(|port| !port.is_tunnel())
        .map(|port| {
            let mut value = json!({
                "name": port.name,
                "id": port.number.to_string(),
                "internal": port.kind == "internal",
            });
            if let Some(tag) = tags.get(port.name.as_str()) {
                value["tag"] = Value::from(tag.to_string());
            }
            (port.name.clone(), value)
        })
        .collect()
}

/// Ports of the tunnel bridge: all of `br-tun`, and the tunnels of `br-int`.
fn tunnels(switch: &Switch) -> Map<String, Value> {
    let mut tunnels = Map::new();
    for bridge in switch
        .bridges
        .iter()
        .filter(|bridge| TUNNEL_BRIDGES.contains(&bridge.name.as_str()))
    {
        for port in &bridge.ports {
            let Some(interface) = port.interfaces.first() else {
                continue;
            };
            if bridge.name == "br-int" && !interface.options.contains_key("remote_ip") {
                continue;
            }
            let mut value = json!({"name": port.name, "interface": interface.name});
            if !interface.kind.is_empty() {
                value["type"] = Value::from(interface.kind.as_str());
            }
            if !interface.options.is_empty() {
                value["options"] = json!(interface.options);
            }
            tunnels.insert(port.name.clone(), value);
        }
    }
    tunnels
}

/// The bridges behind the mapped physical networks, in the order of the networks' names; one may stand behind several.
pub fn mapped_bridges(configurations: &Value) -> Vec<String> {
    configurations["bridge_mappings"]
        .as_object()
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Without a tunnel address, what stands behind the mapped bridges is the uplink: names of the interfaces on them, and the last.
fn bridge_pnics(
    draft: &Draft,
    ports: &Map<String, Value>,
    uplinks: &BTreeMap<String, Vec<String>>,
) -> (Map<String, Value>, Option<String>) {
    let empty = Value::Null;
    let configurations = draft.attributes.get("configurations").unwrap_or(&empty);
    let tunnelled = configurations["tunneling_ip"]
        .as_str()
        .is_some_and(|address| !address.is_empty());
    if tunnelled {
        return (Map::new(), None);
    }
    let mut found = Map::new();
    let mut last = None;
    for bridge in mapped_bridges(configurations) {
        for interface in uplinks.get(&bridge).into_iter().flatten() {
            let name = interface.as_str();
            let port = ports.get(name).and_then(|port| port["id"].as_str());
            found.insert(name.to_owned(), json!({"name": name, "port_id": port}));
            last = Some(name.to_owned());
        }
    }
    (found, last)
}

/// The physical ones among the interfaces on a bridge. Mirantis 6 to 8 call patch ports `<bridge>--br-<nic>`.
pub fn uplinks(bridge: &str, interfaces: &[String], physical: &[String]) -> Vec<String> {
    interfaces
        .iter()
        .map(|interface| match interface.split_once("--br-") {
            Some((before, nic)) if before == bridge => nic,
            _ => interface,
        })
        .filter(|name| physical.iter().any(|known| known == name))
        .map(str::to_owned)
        .collect()
}

/// The VPP of a host.
pub fn vpp_draft(
    subject: &Subject<'_>,
    version: Option<&str>,
    interfaces: &[VppInterface],
) -> Option<Draft> {
    let ports: Map<String, Value> = interfaces
        .iter()
        .map(|interface| {
            let state = if interface.up { "up" } else { "down" };
            (
                interface.name.clone(),
                json!({"id": interface.index, "name": interface.name, "state": state}),
            )
        })
        .collect();
    let draft = subject
        .draft(
            "vedge",
            &format!("{}-VPP", subject.host),
            &format!("VPP-{}", subject.host),
        )?
        .with("agent_type", "VPP")
        .with("ports", ports);
    Some(with_some(draft, "binary", version))
}

/// The SR-IOV functions of all physical interfaces, as the ports of one edge; `None` without any.
pub fn sriov_draft(subject: &Subject<'_>, interfaces: &[Interface]) -> Option<Draft> {
    let mut ports = Map::new();
    for interface in interfaces {
        for function in &interface.virtual_functions {
            let name = format!("{}-vf{}", interface.name, function.index);
            let mut value = pnics::function(function);
            value["name"] = Value::from(name.as_str());
            value["id"] = Value::from(name.as_str());
            value["pnic"] = Value::from(interface.name.as_str());
            ports.insert(name, value);
        }
    }
    if ports.is_empty() {
        return None;
    }
    let id = format!("{}-SRIOV", subject.host);
    Some(
        subject
            .draft("vedge", &id, &id)?
            .with("agent_type", "NIC Switch agent")
            .with("ports", ports),
    )
}
