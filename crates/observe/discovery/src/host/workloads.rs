//! Interfaces of pods on a Kubernetes node: the node's ends of the pairs, and the pod addresses routed to them.

use super::{Subject, with_some};
use crate::parse::bridge::FdbEntry;
use crate::parse::ip::{Interface, Kind};
use crate::parse::iptables::ServiceRule;
use crate::parse::route::{Neighbour, Route};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use topology::Draft;

/// Names of the node's end of a pod's pair: Flannel and plain CNI bridges, Calico, Cilium.
const PREFIXES: &[&str] = &["veth", "cali", "lxc"];

/// Which address is behind which of the node's interfaces. Calico and Cilium route a pod's address to it; under a bridge (Flannel, plain
/// CNI) the neighbour table tells the pod's MAC and the bridge tells behind which port that MAC is.
#[derive(Debug, Default)]
pub struct Reached(BTreeMap<String, IpAddr>);

impl Reached {
    pub fn new(routes: &[Route], neighbours: &[Neighbour], fdb: &[FdbEntry]) -> Self {
        let routed = routes
            .iter()
            .filter(|route| route.destination.prefix_len() == route.destination.max_prefix_len())
            .filter_map(|route| Some((route.device.clone()?, route.destination.addr())));
        let bridged = neighbours.iter().filter_map(|neighbour| {
            let entry = fdb.iter().find(|entry| {
                entry.mac == neighbour.mac && entry.master.as_deref() == Some(&neighbour.device)
            })?;
            Some((entry.device.clone(), neighbour.address))
        });
        Self(bridged.chain(routed).collect())
    }
}

/// What kube-proxy has made of the services on a node: each address, and where its connections go.
pub fn proxied(subject: &Subject<'_>, services: &[ServiceRule]) -> Option<Draft> {
    if services.is_empty() {
        return None;
    }
    let realized: Map<String, Value> = services
        .iter()
        .map(|rule| {
            let entry = json!({
                "address": rule.address,
                "port": rule.port,
                "protocol": rule.protocol,
                "endpoints": rule.endpoints,
            });
            (format!("{}/{}", rule.service, rule.protocol), entry)
        })
        .collect();
    Some(Draft::part(subject.host_key()?).with("proxied_services", realized))
}

/// A draft per interface that leads to a pod.
pub fn drafts(subject: &Subject<'_>, interfaces: &[Interface], reached: &Reached) -> Vec<Draft> {
    interfaces
        .iter()
        .filter(|interface| is_pod_end(interface))
        .filter_map(|interface| {
            let id = format!("{}-{}", subject.host, interface.name);
            let mut draft = subject
                .draft("vnic", &id, &interface.name)?
                .with("vnic_type", "container_vnic")
                .with("index", interface.index.to_string())
                .with("state", if interface.is_up() { "UP" } else { "DOWN" });
            let mac = interface.mac.map(|mac| mac.to_string());
            draft = with_some(draft, "mac_address", mac);
            draft = with_some(draft, "mtu", interface.mtu);
            draft = with_some(draft, "bridge", interface.master.clone());
            let peer = interface
                .peer
                .as_deref()
                .and_then(|peer| peer.strip_prefix("if"));
            draft = with_some(draft, "peer_index", peer);
            let address = reached.0.get(&interface.name).map(IpAddr::to_string);
            Some(with_some(draft, "IP Address", address))
        })
        .collect()
}

fn is_pod_end(interface: &Interface) -> bool {
    let named = PREFIXES
        .iter()
        .any(|prefix| interface.name.starts_with(prefix));
    let paired = matches!(&interface.kind, Kind::Unknown)
        || matches!(&interface.kind, Kind::Other(kind) if kind == "veth" || kind == "netkit");
    named && paired
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::known::Known;
    use crate::parse::{bridge, ip, route};

    #[test]
    fn pods_are_found_under_flannel_and_under_calico() {
        let interfaces = ip::interfaces(
            "7: veth1@if3: <BROADCAST,UP,LOWER_UP> mtu 1450 master cni0 state UP\n8: cali2@if4: <BROADCAST,UP,LOWER_UP> mtu 1450 state UP\n9: vethnot: <UP> mtu 1\n    dummy\n",
        )
        .expect("text");
        let routes =
            route::routes("10.244.1.0/24 dev cni0 scope link\n10.244.9.5 dev cali2 scope link\n");
        let neighbours = route::neighbours("10.244.1.3 dev cni0 lladdr 0a:58:0a:f4:01:03 STALE\n");
        let fdb = bridge::fdb(
            "0a:58:0a:f4:01:03 dev veth1 master cni0\n0a:58:0a:f4:01:03 dev other master br9\n",
        );
        let reached = Reached::new(&routes, &neighbours, &fdb);
        let environment = topology::Environment::new("env").expect("a name");
        let known = Known::default();
        let subject = Subject {
            environment: &environment,
            host: "node",
            known: &known,
        };
        let drafts = drafts(&subject, &interfaces, &reached);
        let addresses: Vec<_> = drafts
            .iter()
            .map(|draft| draft.attributes.get("IP Address").and_then(|a| a.as_str()))
            .collect();
        assert_eq!(addresses, [Some("10.244.1.3"), Some("10.244.9.5")]);
    }
}
