//! Connectors between virtual interfaces and edges: Linux bridges and VPP bridge domains.

use super::Subject;
use crate::parse::bridge::{Bridge, BridgePort};
use crate::parse::ip::{Interface, Kind};
use crate::parse::vpp::{BridgedInterface, VppInterface};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use topology::Draft;

/// A draft per Linux bridge; a member's MAC is that of the Neutron port its name ends with, and its spanning tree state what the kernel
/// says of it.
pub fn drafts(subject: &Subject<'_>, bridges: &[Bridge], ports: &[BridgePort]) -> Vec<Draft> {
    bridges
        .iter()
        .filter_map(|bridge| {
            let members: Map<String, Value> = bridge
                .members
                .iter()
                .map(|member| {
                    let mac = subject
                        .known
                        .port_of_device(member)
                        .map_or("", |port| port.mac.as_str());
                    let mut entry = json!({"name": member, "mac_address": mac});
                    let state = ports.iter().find(|port| port.name == *member);
                    if let Some(port) = state {
                        entry["stp_state"] = json!(port.state);
                    }
                    (member.clone(), entry)
                })
                .collect();
            let id = format!("{}-{}-{}", subject.host, bridge.name, bridge.id);
            let name = format!("{}-{}", subject.host, bridge.name);
            Some(
                subject
                    .draft("vconnector", &id, &name)?
                    .with("connector_type", "bridge")
                    .with("bridge_name", bridge.name.as_str())
                    .with("stp_enabled", if bridge.stp { "yes" } else { "no" })
                    .with("interfaces_names", bridge.members.clone())
                    .with("interfaces", members),
            )
        })
        .collect()
}

/// Bridges as `ip -d link` tells of them, for hosts without `brctl`. The default priority, 0x8000, is part of the id.
pub fn bridges(interfaces: &[Interface]) -> Vec<Bridge> {
    interfaces
        .iter()
        .filter(|interface| interface.kind == Kind::Other("bridge".to_owned()))
        .map(|bridge| Bridge {
            name: bridge.name.clone(),
            id: format!(
                "8000.{}",
                bridge
                    .mac
                    .map_or_else(|| "0".repeat(12), |mac| mac.to_string().replace(':', ""))
            ),
            stp: false,
            members: interfaces
                .iter()
                .filter(|member| member.master.as_deref() == Some(&bridge.name))
                .map(|member| member.name.clone())
                .collect(),
        })
        .collect()
}

/// A draft per VPP bridge domain.
pub fn vpp_drafts(
    subject: &Subject<'_>,
    bridged: &[BridgedInterface],
    hardware: &[VppInterface],
) -> Vec<Draft> {
    let mut domains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for interface in bridged {
        domains
            .entry(&interface.bridge_domain)
            .or_default()
            .push(&interface.name);
    }
    domains
        .into_iter()
        .filter_map(|(domain, names)| {
            let members: Map<String, Value> = names
                .iter()
                .map(|name| ((*name).to_owned(), member(name, hardware)))
                .collect();
            let id = format!("{}-vconnector-{domain}", subject.host);
            Some(
                subject
                    .draft("vconnector", &id, &format!("bridge-domain-{domain}"))?
                    .with("bd_id", domain)
                    .with("interfaces_names", names)
                    .with("interfaces", members),
            )
        })
        .collect()
}

fn member(name: &str, hardware: &[VppInterface]) -> Value {
    let Some(found) = hardware.iter().find(|interface| interface.name == name) else {
        return json!({"name": name});
    };
    json!({
        "name": name,
        "id": found.index,
        "state": if found.up { "up" } else { "down" },
        "hardware": found.hardware,
        "mac_address": found.mac.map(|mac| mac.to_string()),
    })
}
