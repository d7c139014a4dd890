//! Network services in namespaces of a host (DHCP, routers, load balancers, metadata) and their interfaces.

use super::{Subject, with_some};
use crate::parse::ip::Interface;
use crate::parse::netns::{Service, ServiceKind};
use ipnet::IpNet;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use topology::Draft;

/// A draft per service, named after the network or router if that is known, and the drafts of their interfaces (by namespace).
pub fn drafts(
    subject: &Subject<'_>,
    services: &[Service],
    interfaces: &BTreeMap<String, Vec<Interface>>,
) -> (Vec<Draft>, Vec<Draft>) {
    let mut found = (Vec::new(), Vec::new());
    for service in services {
        let Some(mut draft) = self::service(subject, service) else {
            continue;
        };
        let vnics = interfaces
            .get(&service.namespace)
            .map(|interfaces| vnics(subject, service, interfaces))
            .unwrap_or_default();
        let mut networks: Vec<Value> = Vec::new();
        for network in vnics
            .iter()
            .filter_map(|vnic| vnic.attributes.get("network"))
        {
            if !networks.contains(network) {
                networks.push(network.clone());
            }
        }
        if !networks.is_empty() {
            draft = draft.with("network", networks);
        }
        found.0.push(draft);
        found.1.extend(vnics);
    }
    found
}

fn id(subject: &Subject<'_>, service: &Service) -> String {
    format!("{}-{}", subject.host, service.namespace)
}

fn service(subject: &Subject<'_>, service: &Service) -> Option<Draft> {
    let router = match service.kind {
        ServiceKind::Router | ServiceKind::Snat => subject.known.router(&service.subject),
        _ => None,
    };
    let name = match service.kind {
        ServiceKind::Router | ServiceKind::Snat => router
            .and_then(|row| row.get("name"))
            .and_then(Value::as_str),
        _ => subject.known.network_name(&service.subject),
    }
    .unwrap_or(&service.subject);
    let name = format!("{}{name}", service.kind.prefix());
    let mut draft = subject
        .draft("vservice", &id(subject, service), &name)?
        .with("local_service_id", service.namespace.as_str())
        .with("service_type", service.kind.name());
    let own = ["id", "name", "host"];
    for (attribute, value) in router.into_iter().flatten() {
        if !own.contains(&attribute.as_str()) {
            draft = draft.with(attribute.as_str(), value.clone());
        }
    }
    Some(draft)
}

fn vnics(subject: &Subject<'_>, service: &Service, interfaces: &[Interface]) -> Vec<Draft> {
    interfaces
        .iter()
        .filter(|interface| interface.name != "lo")
        .filter_map(|interface| vnic(subject, service, interface))
        .collect()
}

fn vnic(subject: &Subject<'_>, service: &Service, interface: &Interface) -> Option<Draft> {
    let id = format!("{}-{}", subject.host, interface.name);
    let mut draft = subject
        .draft("vnic", &id, &interface.name)?
        .under(subject.key("vservice", &self::id(subject, service))?)
        .with("vnic_type", "vservice_vnic");
    let mac = interface.mac.map(|mac| mac.to_string());
    let port = subject.known.port_of_device(&interface.name).or_else(|| {
        mac.as_deref()
            .and_then(|mac| subject.known.port_of_mac(mac, subject.host))
    });
    draft = with_some(draft, "mac_address", mac);
    let ipv4 = interface.first_ipv4();
    let prefix = ipv4.or_else(|| interface.global_ipv6());
    let network = port
        .map(|port| port.network.as_str())
        .or_else(|| subject.known.network_of_prefix(prefix?, &service.subject));
    if let Some(net) = ipv4 {
        draft = draft
            .with("IP Address", net.addr().to_string())
            .with("netmask", net.netmask().to_string());
    }
    let ipv6 = interface.global_ipv6();
    draft = with_some(
        draft,
        "IPv6 Address",
        ipv6.map(|net| net.addr().to_string()),
    );
    draft = with_some(draft, "cidr", prefix.map(|net| net.trunc().to_string()));
    draft = with_some(draft, "network", network);
    draft = with_some(draft, "port", port.map(|port| port.id.as_str()));
    let others: BTreeSet<String> = interface
        .addresses
        .iter()
        .map(|address| address.net)
        .filter(|net| Some(*net) != ipv4 && Some(*net) != ipv6 && is_routed(net))
        .map(|net| net.to_string())
        .collect();
    if !others.is_empty() {
        // Floating IPs of a router stand here, as further addresses of its gateway interface.
        draft = draft.with("further_addresses", Vec::from_iter(others));
    }
    let text = (!interface.text.is_empty()).then(|| interface.text.join("\n"));
    Some(with_some(draft, "data", text))
}

fn is_routed(net: &IpNet) -> bool {
    match net {
        IpNet::V4(_) => true,
        IpNet::V6(net) => (net.addr().segments()[0] & 0xffc0) != 0xfe80,
    }
}
