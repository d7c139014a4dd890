//! Interfaces of pods on a Kubernetes node: the node's ends of the pairs, and the pod addresses routed to them.

use super::{Subject, with_some};
use crate::parse::ip::{Interface, Kind};
use crate::parse::route::Route;
use topology::Draft;

/// Names of the node's end of a pod's pair: Flannel and plain CNI bridges, Calico, Cilium.
const PREFIXES: &[&str] = &["veth", "cali", "lxc"];

/// A draft per interface that leads to a pod. Calico and Cilium route a pod's address to it; under Flannel a bridge is its master.
pub fn drafts(subject: &Subject<'_>, interfaces: &[Interface], routes: &[Route]) -> Vec<Draft> {
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
            let address = routes
                .iter()
                .find(|route| route.device.as_deref() == Some(&interface.name))
                .map(|route| route.destination.addr().to_string());
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
