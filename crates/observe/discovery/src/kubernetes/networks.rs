//! The networks pods get their addresses from, and the policies that guard them. Pure.
//!
//! Calico says so in its IP pools, Cilium in what it keeps of each node, Flannel in its ConfigMap; where none of them is, the address
//! blocks Kubernetes itself gave the nodes are all there is to know.

use super::drafts::{key, text, with_metadata};
use crate::host::with_some;
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use topology::{Draft, Environment};

/// What the plug-ins' own resources say; empty where a plug-in is not installed.
#[derive(Debug, Default)]
pub struct Plugins {
    /// `crd.projectcalico.org/v1` IPPools.
    pub calico_pools: Vec<Value>,
    /// `cilium.io/v2` CiliumNodes.
    pub cilium_nodes: Vec<Value>,
    /// ConfigMaps with a `net-conf.json`.
    pub flannel: Vec<Value>,
}

/// A network and the blocks of addresses in it.
struct Pool {
    draft: Draft,
    blocks: Vec<IpNet>,
}

/// Networks, and to each node and container what they say of it.
pub fn drafts(
    environment: &Environment,
    plugins: &Plugins,
    nodes: &[&Draft],
    containers: &[&Draft],
) -> Vec<Draft> {
    let mut pools: Vec<Pool> = Vec::new();
    pools.extend(calico(environment, &plugins.calico_pools));
    pools.extend(cilium(environment, &plugins.cilium_nodes));
    pools.extend(
        plugins
            .flannel
            .iter()
            .filter_map(|map| flannel(environment, map)),
    );
    if pools.is_empty() {
        pools.extend(plain(environment, nodes));
    }
    let of = |address: &IpAddr| {
        pools.iter().find_map(|pool| {
            let holds = pool.blocks.iter().any(|block| block.contains(address));
            holds.then_some(&pool.draft.key)
        })
    };
    let mut found: Vec<Draft> = containers
        .iter()
        .filter_map(|container| {
            let address = container.attributes.get("ip_address")?.as_str()?;
            let network = of(&address.parse().ok()?)?;
            Some(Draft::part(container.key.clone()).with("network", network.id.as_str()))
        })
        .collect();
    found.extend(
        plugins
            .cilium_nodes
            .iter()
            .filter_map(|node| cilium_node(environment, node)),
    );
    found.extend(pools.into_iter().map(|pool| pool.draft));
    found
}

fn blocks<'a>(texts: impl IntoIterator<Item = &'a Value>) -> Vec<IpNet> {
    let texts = texts.into_iter().filter_map(Value::as_str);
    texts.filter_map(|text| text.parse().ok()).collect()
}

fn calico<'a>(environment: &'a Environment, pools: &'a [Value]) -> impl Iterator<Item = Pool> + 'a {
    pools.iter().filter_map(|pool| {
        let (metadata, spec) = (&pool["metadata"], &pool["spec"]);
        let (uid, name) = (text(metadata, "uid")?, text(metadata, "name")?);
        let draft = Draft::whole(key(environment, "network", uid)?, name)
            .with("network", uid)
            .with("plugin", "Calico")
            .with("cidrs", vec![spec["cidr"].clone()])
            .with("encapsulation", calico_encapsulation(spec));
        let draft = with_some(draft, "block_size", spec["blockSize"].as_u64());
        let draft = with_some(draft, "nat_outgoing", spec["natOutgoing"].as_bool());
        let draft = with_some(draft, "disabled", spec["disabled"].as_bool());
        let draft = with_some(draft, "node_selector", text(spec, "nodeSelector"));
        Some(Pool {
            draft: with_metadata(draft, metadata),
            blocks: blocks([&spec["cidr"]]),
        })
    })
}

/// `Always` or `CrossSubnet` of one of the two; a pool has at most one.
fn calico_encapsulation(spec: &Value) -> String {
    for (field, kind) in [("vxlanMode", "vxlan"), ("ipipMode", "ipip")] {
        match text(spec, field) {
            Some("Always") => return kind.to_owned(),
            Some("CrossSubnet") => return format!("{kind} across subnets"),
            _ => {}
        }
    }
    "none".to_owned()
}

/// With Cilium's cluster pool every node has blocks of its own, all of one network.
fn cilium(environment: &Environment, nodes: &[Value]) -> Option<Pool> {
    let all: Vec<Value> = nodes
        .iter()
        .flat_map(|node| {
            node["spec"]["ipam"]["podCIDRs"]
                .as_array()
                .into_iter()
                .flatten()
        })
        .cloned()
        .collect();
    if nodes.is_empty() {
        return None;
    }
    let draft = Draft::whole(key(environment, "network", "cilium-pods")?, "cilium-pods")
        .with("network", "cilium-pods")
        .with("plugin", "Cilium");
    Some(Pool {
        blocks: blocks(&all),
        draft: draft.with("cidrs", all),
    })
}

/// What Cilium keeps of a node: its blocks, and whether what leaves it is encrypted.
fn cilium_node(environment: &Environment, node: &Value) -> Option<Draft> {
    let name = text(&node["metadata"], "name")?;
    let draft = Draft::part(key(environment, "host", name)?);
    let spec = &node["spec"];
    let draft = with_some(draft, "pod_cidrs", spec["ipam"].get("podCIDRs").cloned());
    let encrypted = spec["encryption"]["key"].as_u64();
    Some(with_some(draft, "encryption_key", encrypted))
}

fn flannel(environment: &Environment, map: &Value) -> Option<Pool> {
    let metadata = &map["metadata"];
    let conf: Value = serde_json::from_str(text(&map["data"], "net-conf.json")?).ok()?;
    let (uid, name) = (text(metadata, "uid")?, text(metadata, "name")?);
    let cidrs: Vec<Value> = ["Network", "IPv6Network"]
        .iter()
        .filter_map(|field| conf.get(*field).filter(|value| value.is_string()).cloned())
        .collect();
    let backend = text(&conf["Backend"], "Type").unwrap_or("udp").to_owned();
    let draft = Draft::whole(key(environment, "network", uid)?, name)
        .with("network", uid)
        .with("plugin", "Flannel")
        .with("encapsulation", backend);
    Some(Pool {
        blocks: blocks(&cidrs),
        draft: draft.with("cidrs", cidrs),
    })
}

/// What Kubernetes' own node address management handed out.
fn plain(environment: &Environment, nodes: &[&Draft]) -> Option<Pool> {
    let cidrs: Vec<Value> = nodes
        .iter()
        .filter_map(|node| node.attributes.get("pod_cidr").cloned())
        .collect();
    if cidrs.is_empty() {
        return None;
    }
    let draft = Draft::whole(key(environment, "network", "pods")?, "pods").with("network", "pods");
    Some(Pool {
        blocks: blocks(&cidrs),
        draft: draft.with("cidrs", cidrs),
    })
}

/// A network policy, with the pods it guards.
pub fn policy(environment: &Environment, policy: &Value, pods: &[&Draft]) -> Option<Draft> {
    let (metadata, spec) = (&policy["metadata"], &policy["spec"]);
    let (uid, name) = (text(metadata, "uid")?, text(metadata, "name")?);
    let namespace = text(metadata, "namespace")?;
    let guarded: Vec<Value> = pods
        .iter()
        .filter(|pod| {
            pod.attributes
                .get("namespace")
                .is_some_and(|of| of == namespace)
        })
        .filter(|pod| selects(&spec["podSelector"], pod.attributes.get("labels")))
        .map(|pod| json!({"id": pod.key.id.as_str(), "name": pod.name}))
        .collect();
    let draft = Draft::whole(key(environment, "network_policy", uid)?, name)
        .with("namespace", namespace)
        .with("pods", guarded);
    let draft = with_some(draft, "policy_types", spec.get("policyTypes").cloned());
    let draft = with_some(draft, "pod_selector", spec.get("podSelector").cloned());
    let draft = with_some(draft, "ingress", spec.get("ingress").cloned());
    let draft = with_some(draft, "egress", spec.get("egress").cloned());
    Some(with_metadata(draft, metadata))
}

/// Does a label selector select an object with these labels? One that is empty selects all; all of its conditions must hold.
fn selects(selector: &Value, labels: Option<&Value>) -> bool {
    let none = serde_json::Map::new();
    let labels = labels.and_then(Value::as_object).unwrap_or(&none);
    let equal = selector["matchLabels"].as_object().unwrap_or(&none);
    let conditions = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    equal
        .iter()
        .all(|(name, value)| labels.get(name) == Some(value))
        && conditions
            .into_iter()
            .all(|condition| holds(condition, labels))
}

fn holds(condition: &Value, labels: &serde_json::Map<String, Value>) -> bool {
    let label = condition["key"].as_str().and_then(|name| labels.get(name));
    let values = condition["values"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    match condition["operator"].as_str() {
        Some("In") => label.is_some_and(|label| values.contains(label)),
        Some("NotIn") => label.is_none_or(|label| !values.contains(label)),
        Some("Exists") => label.is_some(),
        Some("DoesNotExist") => label.is_none(),
        _ => false,
    }
}

/// The addresses of each service's endpoints by what is ready.
pub fn endpoints(namespace: &str, service: &str, slices: &[Value]) -> Vec<Value> {
    let own = slices.iter().filter(|slice| {
        let metadata = &slice["metadata"];
        metadata["namespace"] == namespace
            && metadata["labels"]["kubernetes.io/service-name"] == service
    });
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for slice in own {
        let ports = &slice["ports"];
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            for address in endpoint["addresses"].as_array().into_iter().flatten() {
                let Some(address) = address.as_str() else {
                    continue;
                };
                let entry = json!({
                    "address": address,
                    "ready": endpoint["conditions"]["ready"],
                    "node": endpoint["nodeName"],
                    "ports": ports,
                });
                found.insert(address.to_owned(), entry);
            }
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::new("cluster").expect("a name")
    }

    fn object(object_type: &str, id: &str) -> Draft {
        Draft::whole(key(&environment(), object_type, id).expect("a key"), id)
    }

    #[test]
    fn each_plug_ins_networks_hold_the_containers_in_their_blocks() {
        let web = object("container", "web").with("ip_address", "10.244.1.5");
        let outside = object("container", "outside").with("ip_address", "192.0.2.1");
        let node = object("host", "n1").with("pod_cidr", "10.244.0.0/16");
        let found = |plugins: &Plugins| {
            let all = drafts(&environment(), plugins, &[&node], &[&web, &outside]);
            let network = all.last().expect("a network").clone();
            let container = all
                .iter()
                .find(|draft| draft.key == web.key)
                .expect("the container");
            assert_eq!(container.attributes["network"], network.key.id.as_str());
            assert!(!all.iter().any(|draft| draft.key == outside.key));
            (network, all)
        };
        let calico = Plugins {
            calico_pools: vec![json!({"metadata": {"uid": "u1", "name": "default"},
                "spec": {"cidr": "10.244.0.0/16", "vxlanMode": "CrossSubnet", "ipipMode": "Never", "natOutgoing": true}})],
            ..Plugins::default()
        };
        let (network, _) = found(&calico);
        assert_eq!(network.attributes["encapsulation"], "vxlan across subnets");
        let cilium = Plugins {
            cilium_nodes: vec![
                json!({"metadata": {"name": "n1"}, "spec": {"ipam": {"podCIDRs": ["10.244.1.0/24"]}, "encryption": {"key": 3}}}),
            ],
            ..Plugins::default()
        };
        let (_, all) = found(&cilium);
        let part = all
            .iter()
            .find(|draft| draft.key == node.key)
            .expect("the node");
        assert_eq!(part.attributes["encryption_key"], 3);
        let flannel = Plugins {
            flannel: vec![
                json!({"metadata": {"uid": "u2", "name": "kube-flannel-cfg"},
                "data": {"net-conf.json": r#"{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}"#}}),
            ],
            ..Plugins::default()
        };
        let (network, _) = found(&flannel);
        assert_eq!(network.attributes["encapsulation"], "vxlan");
        let (network, _) = found(&Plugins::default());
        assert_eq!(network.key.id.as_str(), "pods");
    }

    #[test]
    fn a_policy_guards_what_its_selector_selects_in_its_namespace() {
        let pod = |id: &str, namespace: &str, labels: Value| {
            object("pod", id)
                .with("namespace", namespace)
                .with("labels", labels)
        };
        let web = pod("web", "shop", json!({"app": "web", "tier": "front"}));
        let store = pod("store", "shop", json!({"app": "store"}));
        let other = pod("other", "test", json!({"app": "web"}));
        let guarded = |selector: Value| {
            let row = json!({"metadata": {"uid": "p", "name": "deny", "namespace": "shop"}, "spec": {"podSelector": selector}});
            let draft = policy(&environment(), &row, &[&web, &store, &other]).expect("a policy");
            let pods = draft.attributes["pods"].as_array().expect("a list").clone();
            pods.iter()
                .map(|pod| pod["id"].as_str().expect("an id").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(guarded(json!({})), ["web", "store"]);
        assert_eq!(guarded(json!({"matchLabels": {"app": "web"}})), ["web"]);
        let expression = |key: &str, operator: &str, values: Value| {
            guarded(
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}),
            )
        };
        assert_eq!(expression("app", "In", json!(["store", "x"])), ["store"]);
        assert_eq!(expression("app", "NotIn", json!(["store"])), ["web"]);
        assert_eq!(expression("tier", "Exists", Value::Null), ["web"]);
        assert_eq!(expression("tier", "DoesNotExist", Value::Null), ["store"]);
        assert!(expression("tier", "Unheard", Value::Null).is_empty());
    }
}
