//! From a switch's state to drafts. Pure.

use super::client::{SwitchState, SwitchTarget};
use crate::host::lldp::encode;
use crate::host::with_some;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::{Draft, Environment, ObjectKey};

pub(super) fn switch_key(environment: &Environment, name: &str) -> Option<ObjectKey> {
    ObjectKey::new(environment, "switch", format!("switch-{}", encode(name))).ok()
}

/// Host of a target's URL.
fn address(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
}

/// Members by name, with or without the model's prefix (RFC 7951 section 4).
fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    const NULL: &Value = &Value::Null;
    let Some(map) = value.as_object() else {
        return NULL;
    };
    map.iter()
        .find(|(key, _)| key.rsplit(':').next() == Some(name))
        .map_or(NULL, |(_, value)| value)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    member(value, name).as_str()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    // An answer may be of the container or of what is in it.
    let inner = member(value, name);
    let outer = member(member(value, "interfaces"), name);
    let found = if inner.is_array() { inner } else { outer };
    found.as_array().into_iter().flatten()
}

/// A neighbour of a port.
struct Neighbour<'a> {
    system: Option<&'a str>,
    port: Option<&'a str>,
}

fn neighbours(lldp: &Value) -> BTreeMap<&str, Neighbour<'_>> {
    let mut found = BTreeMap::new();
    for interface in list(lldp, "interface") {
        let entries = member(member(interface, "neighbors"), "neighbor");
        let first = entries.as_array().and_then(|entries| entries.first());
        if let (Some(name), Some(first)) = (text(interface, "name"), first) {
            let state = member(first, "state");
            found.insert(
                name,
                Neighbour {
                    system: text(state, "system-name"),
                    port: text(state, "port-id"),
                },
            );
        }
    }
    found
}

/// The switch, and a port per Ethernet interface. A port whose neighbour is an interface of a host that was read carries that
/// interface's MAC, which is what joins the two in the map; a port to another switch names the other port.
pub fn switch(
    environment: &Environment,
    target: &SwitchTarget,
    state: &SwitchState,
    host_pnics: &[&Draft],
) -> Vec<Draft> {
    let Some(key) = switch_key(environment, &target.name) else {
        return Vec::new();
    };
    let id = key.id.as_str().to_owned();
    let name = state.hostname.as_deref().unwrap_or(&target.name);
    let switch = Draft::whole(key.clone(), name).with("switch", id.as_str());
    let switch = with_some(switch, "ip_address", address(&target.url));
    let neighbours = neighbours(&state.lldp);
    let ports = list(&state.interfaces, "interface").filter_map(|interface| {
        let name = text(interface, "name")?;
        let values = member(interface, "state");
        let kind = text(values, "type").unwrap_or("ethernetCsmacd");
        if !kind.ends_with("ethernetCsmacd") {
            return None;
        }
        let neighbour = neighbours.get(name);
        let host = neighbour.and_then(|neighbour| host_end(neighbour, host_pnics));
        let mac = host.and_then(|pnic| pnic.attributes.get("mac_address")?.as_str());
        let suffix = mac.map_or(String::new(), |mac| format!("-{mac}"));
        let key = ObjectKey::new(
            environment,
            "switch_pnic",
            format!("{id}-{}{suffix}", encode(name)),
        );
        let mut draft = Draft::whole(key.ok()?, name)
            .under(switch.key.clone())
            .with("object_name", name)
            .with("switch", id.as_str())
            .with("role", if host.is_some() { "hostlink" } else { "uplink" });
        draft = with_some(draft, "mac_address", mac);
        draft = with_some(draft, "state", text(values, "oper-status"));
        draft = with_some(draft, "admin_state", text(values, "admin-status"));
        draft = with_some(draft, "description", text(values, "description"));
        draft = with_some(draft, "mtu", member(values, "mtu").as_u64());
        if let Some(neighbour) = neighbour {
            draft = draft.with(
                "lldp",
                json!({"system_name": neighbour.system, "port": neighbour.port}),
            );
        }
        let far = neighbour.filter(|_| host.is_none());
        let connected = far.and_then(|far| {
            Some(format!(
                "switch-{}-{}",
                encode(far.system?),
                encode(far.port?)
            ))
        });
        Some(with_some(draft, "connected_to", connected))
    });
    let ports: Vec<Draft> = ports.collect();
    std::iter::once(switch).chain(ports).collect()
}

/// The host interface a neighbour is: by the MAC it gives as port, else by host name and interface name.
fn host_end<'a>(neighbour: &Neighbour<'_>, pnics: &[&'a Draft]) -> Option<&'a Draft> {
    let port = neighbour.port?;
    let attribute =
        |draft: &'a Draft, name: &str| draft.attributes.get(name).and_then(Value::as_str);
    let by_mac = || {
        let mac: model::Mac = port.parse().ok()?;
        let mac = mac.to_string();
        pnics
            .iter()
            .copied()
            .find(|pnic| attribute(pnic, "mac_address") == Some(&mac))
    };
    let by_name = || {
        let system = neighbour.system?.to_ascii_lowercase();
        pnics.iter().copied().find(|pnic| {
            attribute(pnic, "local_name") == Some(port)
                && attribute(pnic, "host").is_some_and(|host| {
                    let host = host.to_ascii_lowercase();
                    host == system || host.split('.').next() == system.split('.').next()
                })
        })
    };
    by_mac().or_else(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_joined_to_hosts_and_to_other_switches() {
        let environment = Environment::new("env").expect("a name");
        let pnic = Draft::whole(
            ObjectKey::new(&environment, "host_pnic", "eth1-52:54:00:00:00:01").expect("a key"),
            "eth1",
        )
        .with("host", "cmp-1.example.org")
        .with("local_name", "eth1")
        .with("mac_address", "52:54:00:00:00:01");
        let interface = |name: &str, kind: &str| json!({"name": name, "state": {"type": format!("iana-if-type:{kind}"), "oper-status": "UP", "mtu": 9100}});
        let neighbour = |name: &str, system: &str, port: &str| json!({"name": name, "neighbors": {"neighbor": [{"id": "1", "state": {"system-name": system, "port-id": port}}]}});
        let state = SwitchState {
            hostname: Some("leaf-1".to_owned()),
            interfaces: json!({"openconfig-interfaces:interface": [interface("Ethernet0", "ethernetCsmacd"), interface("Ethernet4", "ethernetCsmacd"),
                interface("Ethernet8", "ethernetCsmacd"), interface("Loopback0", "softwareLoopback")]}),
            lldp: json!({"interface": [neighbour("Ethernet0", "cmp-1", "52:54:00:00:00:01"), neighbour("Ethernet4", "cmp-1", "eth1"), neighbour("Ethernet8", "spine-1", "Ethernet12")]}),
        };
        let target = SwitchTarget {
            name: "leaf-1".to_owned(),
            url: "https://192.0.2.1:8080".to_owned(),
        };
        let drafts = switch(&environment, &target, &state, &[&pnic]);
        let ids: Vec<&str> = drafts.iter().map(|draft| draft.key.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "switch-leaf-1",
                "switch-leaf-1-Ethernet0-52:54:00:00:00:01",
                "switch-leaf-1-Ethernet4-52:54:00:00:00:01",
                "switch-leaf-1-Ethernet8"
            ]
        );
        assert_eq!(
            drafts[3].attributes["connected_to"],
            "switch-spine-1-Ethernet12"
        );
        assert_eq!(drafts[1].attributes["role"], "hostlink");
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(name in ".{0,10}", value in ".{0,10}") {
            let environment = Environment::new("env").expect("a name");
            let odd = json!({&name: [{"name": &value, "state": [&name], "neighbors": {"neighbor": &value}}], "interface": [{"name": &value}, &name, 1, null]});
            let state = SwitchState { hostname: Some(value), interfaces: odd.clone(), lldp: odd };
            let target = SwitchTarget { name: name.clone(), url: name };
            let _ = switch(&environment, &target, &state, &[]);
        }
    }
}
