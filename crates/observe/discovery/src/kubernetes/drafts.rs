//! From Kubernetes objects to drafts. Pure.

use crate::host::with_some;
use serde_json::{Map, Value, json};
use topology::{Draft, Environment, ObjectKey};

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

pub(super) fn key(environment: &Environment, object_type: &str, id: &str) -> Option<ObjectKey> {
    ObjectKey::new(environment, object_type, id).ok()
}

/// The members of the metadata the inventory keeps.
pub(super) fn with_metadata(draft: Draft, metadata: &Value) -> Draft {
    let draft = with_some(draft, "uid", text(metadata, "uid"));
    let draft = with_some(draft, "labels", metadata.get("labels").cloned());
    with_some(draft, "annotations", metadata.get("annotations").cloned())
}

/// A node is a host.
pub fn node(environment: &Environment, node: &Value) -> Vec<Draft> {
    let metadata = &node["metadata"];
    let draft = || {
        let name = text(metadata, "name")?;
        let draft = Draft::whole(key(environment, "host", name)?, name).with("host", name);
        let addresses = node["status"]["addresses"].as_array().into_iter().flatten();
        let internal = addresses
            .filter(|address| address["type"] == "InternalIP")
            .find_map(|address| text(address, "address"));
        let mut draft = with_metadata(with_some(draft, "ip_address", internal), metadata);
        draft = with_some(draft, "pod_cidr", text(&node["spec"], "podCIDR"));
        let master = metadata["labels"].as_object().is_some_and(|labels| {
            labels.contains_key("node-role.kubernetes.io/control-plane")
                || labels.contains_key("node-role.kubernetes.io/master")
        });
        let role = if master { "Kube-master" } else { "Kube-node" };
        Some(
            draft
                .with("host_type", vec![role])
                .with("node_info", node["status"]["nodeInfo"].clone()),
        )
    };
    Vec::from_iter(draft())
}

pub fn namespace(environment: &Environment, namespace: &Value) -> Vec<Draft> {
    let metadata = &namespace["metadata"];
    let draft = || {
        let (uid, name) = (text(metadata, "uid")?, text(metadata, "name")?);
        // Servers since 1.20 no longer print the link to the object itself; it is its path.
        let link = text(metadata, "selfLink")
            .map_or_else(|| format!("/api/v1/namespaces/{name}"), str::to_owned);
        let draft = Draft::whole(key(environment, "namespace", uid)?, name).with("self_link", link);
        let draft = with_some(draft, "phase", text(&namespace["status"], "phase"));
        Some(with_metadata(draft, metadata))
    };
    Vec::from_iter(draft())
}

/// A pod and its containers.
pub fn pod(environment: &Environment, pod: &Value) -> Vec<Draft> {
    let metadata = &pod["metadata"];
    let draft = || {
        let (uid, name) = (text(metadata, "uid")?, text(metadata, "name")?);
        let host = text(&pod["spec"], "nodeName");
        let mut draft = Draft::whole(key(environment, "pod", uid)?, name);
        // A pod that is not scheduled yet is on no host.
        draft.parent = host.and_then(|host| key(environment, "host", host));
        draft = with_some(draft, "host", host);
        draft = with_some(draft, "node_name", host);
        draft = with_some(draft, "namespace", text(metadata, "namespace"));
        draft = with_some(draft, "pod_ip", text(&pod["status"], "podIP"));
        draft = with_some(draft, "host_ip", text(&pod["status"], "hostIP"));
        draft = with_some(draft, "phase", text(&pod["status"], "phase"));
        draft = with_some(draft, "host_network", pod["spec"]["hostNetwork"].as_bool());
        Some(with_metadata(draft, metadata))
    };
    let Some(draft) = draft() else {
        return Vec::new();
    };
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let statuses = &pod["status"]["containerStatuses"];
    let containers: Vec<Draft> = containers
        .filter_map(|container| container_draft(environment, &draft, container, statuses))
        .collect();
    std::iter::once(draft).chain(containers).collect()
}

fn container_draft(
    environment: &Environment,
    pod: &Draft,
    container: &Value,
    statuses: &Value,
) -> Option<Draft> {
    let name = text(container, "name")?;
    let pod_name = pod.name.as_deref()?;
    // Pods of one name may follow each other; their containers are told apart by the pod's own id.
    let id = format!("{}-{name}", pod.key.id);
    let status = statuses.as_array().into_iter().flatten();
    let status = status.into_iter().find(|status| status["name"] == name);
    let mut draft = Draft::whole(key(environment, "container", &id)?, name)
        .under(pod.key.clone())
        .with("pod", json!({"id": pod.key.id.as_str(), "name": pod_name}));
    // A pod in its host's network has no interface of its own.
    if pod.attributes.get("host_network") != Some(&Value::Bool(true)) {
        draft = with_some(draft, "ip_address", pod.attributes.get("pod_ip").cloned());
    }
    draft = with_some(draft, "image", text(container, "image"));
    draft = with_some(draft, "host", pod.attributes.get("host").cloned());
    draft = with_some(draft, "namespace", pod.attributes.get("namespace").cloned());
    draft = with_some(
        draft,
        "container_id",
        status.and_then(|status| text(status, "containerID")),
    );
    Some(with_some(
        draft,
        "ready",
        status.and_then(|status| status["ready"].as_bool()),
    ))
}

/// A service, with the pods its endpoint slices name.
pub fn service(environment: &Environment, service: &Value, slices: &[Value]) -> Vec<Draft> {
    let metadata = &service["metadata"];
    let draft = || {
        let (uid, name) = (text(metadata, "uid")?, text(metadata, "name")?);
        let namespace = text(metadata, "namespace").unwrap_or("default");
        let draft = Draft::whole(key(environment, "vservice", uid)?, name)
            .with("service_type", "proxy")
            .with("local_service_id", format!("{namespace}/{name}"))
            .with("namespace", namespace)
            .with("pods", pods_of(namespace, name, slices))
            .with(
                "endpoints",
                super::networks::endpoints(namespace, name, slices),
            );
        let draft = with_some(draft, "cluster_ip", text(&service["spec"], "clusterIP"));
        let draft = with_some(draft, "kubernetes_type", text(&service["spec"], "type"));
        let draft = with_some(draft, "ports", service["spec"].get("ports").cloned());
        Some(with_metadata(draft, metadata))
    };
    Vec::from_iter(draft())
}

pub(super) fn pods_of(namespace: &str, service: &str, slices: &[Value]) -> Vec<Value> {
    let own = slices.iter().filter(|slice| {
        let metadata = &slice["metadata"];
        metadata["namespace"] == namespace
            && metadata["labels"]["kubernetes.io/service-name"] == service
    });
    let endpoints = own.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    endpoints
        .filter(|endpoint| endpoint["targetRef"]["kind"] == "Pod")
        .map(|endpoint| {
            json!({
                "id": endpoint["targetRef"]["uid"],
                "name": endpoint["targetRef"]["name"],
                "addresses": endpoint["addresses"],
            })
        })
        .collect()
}

/// The label and value that mark the pod that is a node's network plug-in, and its name.
const PLUGINS: &[(&str, &str, &str)] = &[
    ("app", "flannel", "Flannel"),
    ("k8s-app", "flannel", "Flannel"),
    ("k8s-app", "calico-node", "Calico"),
    ("k8s-app", "cilium", "Cilium"),
];

fn plugin(pod: &Draft) -> Option<&'static str> {
    let labels = pod.attributes.get("labels")?;
    PLUGINS
        .iter()
        .find(|(label, value, _)| labels[*label] == *value)
        .map(|(_, _, name)| *name)
}

/// The edge of each node: its network plug-in's pod.
pub fn edges(environment: &Environment, pods: &[&Draft]) -> Vec<Draft> {
    pods.iter()
        .filter_map(|pod| {
            let plugin = plugin(pod)?;
            let host = pod.attributes.get("host")?.as_str()?;
            let draft = Draft::whole(
                key(environment, "vedge", &format!("{host}-vedge"))?,
                pod.name.as_deref()?,
            )
            .under(key(environment, "host", host)?)
            .with("host", host)
            .with("node_name", host)
            .with("agent_type", plugin)
            .with("pod", pod.key.id.as_str());
            Some(with_some(
                draft,
                "namespace",
                pod.attributes.get("namespace").cloned(),
            ))
        })
        .collect()
}

/// A node's tunnel address by its plug-in's annotations, and the overlay.
fn tunnel(node: &Draft) -> Option<(&'static str, String)> {
    let annotations = node.attributes.get("annotations")?;
    let address = |name: &str| {
        let text = text(annotations, name)?;
        Some(text.split('/').next().unwrap_or(text).to_owned())
    };
    let flannel = || {
        let kind = match text(annotations, "flannel.alpha.coreos.com/backend-type") {
            Some("vxlan") | None => "vxlan",
            Some("wireguard") => "wireguard",
            Some(_) => return None,
        };
        Some((kind, address("flannel.alpha.coreos.com/public-ip")?))
    };
    // Calico announces its node address where tunnels are plain IP-in-IP; a VXLAN tunnel's own address says that it is VXLAN.
    let calico = || {
        let node = address("projectcalico.org/IPv4Address")?;
        if annotations
            .get("projectcalico.org/IPv4VXLANTunnelAddr")
            .is_some()
        {
            return Some(("vxlan", node));
        }
        annotations
            .get("projectcalico.org/IPv4IPIPTunnelAddr")
            .map(|_| ("ipip", node))
    };
    let cilium = || {
        Some((
            "vxlan",
            address("network.cilium.io/ipv4-cilium-host").and(node_address(node))?,
        ))
    };
    flannel().or_else(calico).or_else(cilium)
}

fn node_address(node: &Draft) -> Option<String> {
    node.attributes
        .get("ip_address")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// The tunnel endpoint of each node that has an edge, with a port to every other.
pub fn oteps(environment: &Environment, nodes: &[&Draft], edges: &[Draft]) -> Vec<Draft> {
    let ends: Vec<(&str, &'static str, String)> = nodes
        .iter()
        .filter_map(|node| {
            let (kind, address) = tunnel(node)?;
            Some((node.key.id.as_str(), kind, address))
        })
        .collect();
    ends.iter()
        .filter_map(|(host, kind, address)| {
            let edge = edges
                .iter()
                .find(|edge| edge.attributes.get("host").and_then(Value::as_str) == Some(host))?;
            let others = ends.iter().filter(|(other, _, _)| other != host);
            let ports: Map<String, Value> = others
                .map(|(other, _, remote)| {
                    let name = format!("{kind}-remote-{other}");
                    let options = json!({"local_ip": address, "remote_ip": remote});
                    let port = json!({"name": name, "interface": name, "type": kind, "remote_host": other, "options": options});
                    (name, port)
                })
                .collect();
            let id = format!("{host}-otep");
            Some(
                Draft::whole(key(environment, "otep", &id)?, id.as_str())
                    .under(edge.key.clone())
                    .with("host", *host)
                    .with("overlay_type", *kind)
                    .with("ip_address", address.as_str())
                    .with("ports", ports),
            )
        })
        .collect()
}
