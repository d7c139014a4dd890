//! `lldpcli -f json show neighbors` and its twin `lldpctl -f json`: who is at the other end of a cable (IEEE 802.1AB).

use super::{ParseError, json};
use serde_json::Value;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbour {
    /// Our interface.
    pub interface: String,
    pub chassis_name: Option<String>,
    pub chassis_id: Option<String>,
    pub chassis_description: Option<String>,
    pub management: Vec<String>,
    pub port_id: Option<String>,
    pub port_description: Option<String>,
}

/// The neighbours. `lldpctl` prints an array of one-key objects, or an object if there is one interface only.
pub fn neighbours(text: &str) -> Result<Vec<Neighbour>, ParseError> {
    const FORMAT: &str = "lldpctl -f json";
    let value: Value = json::read(text, FORMAT)?;
    let lldp = value.get("lldp").ok_or(ParseError::Shape {
        format: FORMAT,
        what: "member 'lldp'",
    })?;
    Ok(entries(&lldp["interface"])
        .into_iter()
        .take(super::MAX_ENTRIES)
        .map(|(interface, value)| neighbour(interface, value))
        .collect())
}

/// `{"eth0": {...}}` or `[{"eth0": {...}}, ...]` as pairs.
fn entries(value: &Value) -> Vec<(&String, &Value)> {
    match value {
        Value::Object(map) => map.iter().collect(),
        Value::Array(many) => many.iter().filter_map(Value::as_object).flatten().collect(),
        _ => Vec::new(),
    }
}

fn neighbour(interface: &str, value: &Value) -> Neighbour {
    // The chassis stands under its name if it has one: {"chassis": {"leaf-1": {"id": ...}}}.
    let chassis = &value["chassis"];
    let (name, chassis) = match chassis.as_object() {
        Some(map) if !map.contains_key("id") => map
            .iter()
            .next()
            .map_or((None, chassis), |(name, inner)| (Some(name.clone()), inner)),
        _ => (json::text(chassis, "name").map(str::to_owned), chassis),
    };
    let port = &value["port"];
    let management = match &chassis["mgmt-ip"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    Neighbour {
        interface: interface.to_owned(),
        chassis_name: name,
        chassis_id: json::text(&chassis["id"], "value").map(str::to_owned),
        chassis_description: json::text(chassis, "descr").map(str::to_owned),
        management,
        port_id: json::text(&port["id"], "value").map(str::to_owned),
        port_description: json::text(port, "descr").map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_many_interfaces() {
        let one = r#"{"lldp":{"interface":{"eth0":{"via":"LLDP","chassis":{"leaf-1":{"id":{"type":"mac","value":"02:00:00:00:00:01"},
            "descr":"SONiC","mgmt-ip":["192.0.2.1","2001:db8::1"]}},"port":{"id":{"type":"ifname","value":"Ethernet4"},"descr":"to host"}}}}}"#;
        let found = neighbours(one).expect("JSON");
        assert_eq!(found[0].chassis_name.as_deref(), Some("leaf-1"));
        assert_eq!(found[0].port_id.as_deref(), Some("Ethernet4"));
        assert_eq!(found[0].management.len(), 2);
        let many =
            r#"{"lldp":{"interface":[{"eth0":{"chassis":{"id":{"value":"x"}}}},{"eth1":{}}]}}"#;
        assert_eq!(neighbours(many).expect("JSON").len(), 2);
        assert!(neighbours(r#"{"lldp":{}}"#).expect("JSON").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,200}") {
            let _ = neighbours(&text);
        }
    }
}
