//! What a host says of itself, for the host's own draft, and whether it is the host we meant.

use super::{Subject, with_some};
use crate::parse::ip::Interface;
use crate::parse::os::OperatingSystem;
use serde_json::{Map, Value, json};
use topology::Draft;

/// The attributes of the operating system under the names the inventory has for them.
pub fn operating_system(os: &OperatingSystem) -> Value {
    let mut value = Map::new();
    for (name, text) in [
        ("name", &os.name),
        ("version", &os.version),
        ("ID", &os.id),
        ("ID_LIKE", &os.id_like),
        ("architecure", &os.architecture),
    ] {
        if let Some(text) = text {
            value.insert(name.to_owned(), Value::from(text.as_str()));
        }
    }
    Value::Object(value)
}

/// What the host says of itself: a part of what other sources know it by, or all there is where none of them knows it.
pub fn draft(
    subject: &Subject<'_>,
    os: &OperatingSystem,
    interfaces: &[Interface],
) -> Option<Draft> {
    let links: Map<String, Value> = interfaces
        .iter()
        .map(|interface| {
            let value = json!({
                "id": interface.name,
                "index": interface.index.to_string(),
                "mac_address": interface.mac.map(|mac| mac.to_string()),
                "mtu": interface.mtu.map(|mtu| mtu.to_string()),
                "state": if interface.is_up() { "UP" } else { "DOWN" },
            });
            (interface.name.clone(), value)
        })
        .collect();
    let key = subject.host_key()?;
    let draft = if subject.known.has_host(subject.host) {
        Draft::part(key)
    } else {
        let address = interfaces
            .iter()
            .filter(|interface| interface.name != "lo")
            .find_map(Interface::first_ipv4)
            .map(|net| net.addr().to_string());
        let draft = Draft::whole(key, subject.host).with("host", subject.host);
        with_some(draft, "ip_address", address)
    };
    let draft = draft.with("interfaces", links);
    let os = operating_system(os);
    let told = os.as_object().is_some_and(|os| !os.is_empty());
    Some(with_some(draft, "OS", told.then_some(os)))
}

/// Whether one of the names a host has for itself is the name it is known by: equal, or equal up to the first dot where one of the
/// two has no domain.
pub fn answers_to(expected: &str, names: &[String]) -> bool {
    let expected = expected.to_ascii_lowercase();
    names.iter().any(|name| {
        let short = |name: &str| name.split('.').next().unwrap_or("").to_owned();
        *name == expected
            || ((!name.contains('.') || !expected.contains('.')) && short(name) == short(&expected))
    })
}

#[cfg(test)]
mod tests {
    use super::answers_to;

    #[test]
    fn a_host_that_answers_for_another_is_known() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(answers_to("node-6.cisco.com", &names(&["node-6"])));
        assert!(answers_to("node-6", &names(&["node-6.cisco.com"])));
        assert!(answers_to(
            "Node-6.cisco.com",
            &names(&["node-6.cisco.com"])
        ));
        assert!(!answers_to(
            "node-6.cisco.com",
            &names(&["node-6.other.com"])
        ));
        assert!(!answers_to("node-6", &names(&["node-5"])));
        assert!(!answers_to("node-6", &[]));
    }
}
