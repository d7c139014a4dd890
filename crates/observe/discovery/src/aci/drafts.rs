//! From answers of an APIC to drafts. Pure.

use crate::host::lldp::encode;
use crate::host::with_some;
use serde_json::{Map, Value, json};
use topology::{Draft, Environment, ObjectKey};

fn objects<'a>(answer: &'a Value, class: &'a str) -> impl Iterator<Item = &'a Value> {
    let list = answer["imdata"].as_array().into_iter().flatten();
    list.filter_map(move |object| object.get(class))
}

fn attribute<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["attributes"].get(name).and_then(Value::as_str)
}

/// `pod-1/node-103` of `topology/pod-1/node-103/sys/...`.
fn node_of(dn: &str) -> Option<String> {
    let mut parts = dn.strip_prefix("topology/")?.split('/');
    let (pod, node) = (parts.next()?, parts.next()?);
    let numbered = |text: &str, prefix: &str| {
        text.strip_prefix(prefix)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    (numbered(pod, "pod-") && numbered(node, "node-")).then(|| format!("{pod}/{node}"))
}

fn switch_id(node: &str, role: &str) -> String {
    format!("switch-{}-{role}", encode(node))
}

/// The leaf a MAC was learnt on, and the endpoint's attributes.
pub(super) fn learnt_on(answer: &Value) -> Option<(String, Value)> {
    let endpoint = objects(answer, "epmMacEp").next()?;
    let node = node_of(attribute(endpoint, "dn")?)?;
    Some((node, endpoint["attributes"].clone()))
}

/// The leaf of a hostlink port, as a path below `topology`.
pub(super) fn leaf_of(draft: &Draft) -> Option<String> {
    let document = draft.attributes.get("aci_document")?;
    let hostlink = draft.attributes.get("role")?.as_str()? == "hostlink";
    hostlink
        .then(|| node_of(document["dn"].as_str()?))
        .flatten()
}

fn switch(
    environment: &Environment,
    region: Option<&ObjectKey>,
    node: &str,
    role: &str,
    document: &Value,
) -> Option<Draft> {
    let id = switch_id(node, role);
    let name = document["name"].as_str().unwrap_or(&id);
    let mut draft = Draft::whole(ObjectKey::new(environment, "switch", &id).ok()?, name)
        .with("switch", id)
        .with("role", role)
        .with("aci_document", document.clone());
    draft.parent = region.cloned();
    Some(with_some(draft, "ip_address", document["address"].as_str()))
}

fn port(
    environment: &Environment,
    switch: &str,
    interface: &str,
    suffix: &str,
    role: &str,
) -> Option<Draft> {
    let id = format!("{switch}-{}{suffix}", encode(interface));
    let key = ObjectKey::new(environment, "switch_pnic", id).ok()?;
    Some(
        Draft::whole(key, interface)
            .under(ObjectKey::new(environment, "switch", switch).ok()?)
            .with("object_name", interface)
            .with("role", role)
            .with("switch", switch),
    )
}

/// The leaf and its port to a host's interface.
pub(super) fn hostlink(
    environment: &Environment,
    region: Option<&ObjectKey>,
    mac: &str,
    node: &str,
    endpoint: &Value,
    system: &Value,
    tenant: &Value,
) -> Vec<Draft> {
    let document = objects(system, "topSystem")
        .next()
        .map_or(Value::Null, |system| system["attributes"].clone());
    let role = document["role"].as_str().unwrap_or("leaf").to_owned();
    let leaf = switch_id(node, &role);
    let endpoints: Vec<Value> = objects(tenant, "fvCEp").map(with_children).collect();
    let port = endpoint["ifId"].as_str().and_then(|interface| {
        Some(
            port(
                environment,
                &leaf,
                interface,
                &format!("-{mac}"),
                "hostlink",
            )?
            .with("mac_address", mac)
            .with("aci_document", endpoint.clone())
            .with("fvCEp", endpoints),
        )
    });
    let switch = switch(environment, region, node, &role, &document);
    switch.into_iter().chain(port).collect()
}

/// An object's attributes, with those of its children in lists by class.
fn with_children(object: &Value) -> Value {
    let mut all: Map<String, Value> = object["attributes"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for child in object["children"].as_array().into_iter().flatten() {
        for (class, child) in child.as_object().into_iter().flatten() {
            let list = all.entry(class.clone()).or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(child["attributes"].clone());
            }
        }
    }
    Value::Object(all)
}

/// Both ends of each cable between a leaf and a spine, and the spines that have one.
pub(super) fn uplinks(
    environment: &Environment,
    region: Option<&ObjectKey>,
    leaf_node: &str,
    spines: &Value,
    neighbours: &Value,
) -> Vec<Draft> {
    let leaf = switch_id(leaf_node, "leaf");
    let mut found: Vec<Draft> = Vec::new();
    for neighbour in objects(neighbours, "lldpAdjEp") {
        let pair = || {
            let dn = attribute(neighbour, "sysDesc")?;
            let spine =
                objects(spines, "fabricNode").find(|spine| attribute(spine, "dn") == Some(dn))?;
            let node = node_of(dn)?;
            let ours = attribute(neighbour, "dn")?.split_once("/if-[")?.1;
            let ours = ours.split_once(']')?.0;
            let theirs = attribute(neighbour, "portIdV")?.to_lowercase();
            let spine_id = switch_id(&node, "spine");
            let down = port(environment, &spine_id, &theirs, "", "downlink")?;
            let up = port(environment, &leaf, ours, "", "uplink")?;
            let (down_id, up_id) = (down.key.id.clone(), up.key.id.clone());
            Some([
                switch(environment, region, &node, "spine", &spine["attributes"])?,
                down.with("connected_to", up_id.as_str())
                    .with("aci_document", json!({})),
                up.with("connected_to", down_id.as_str())
                    .with("aci_document", json!({})),
            ])
        };
        for draft in pair().into_iter().flatten() {
            if !found.iter().any(|known| known.key == draft.key) {
                found.push(draft);
            }
        }
    }
    found
}
