//! Configuration of Sensu clients from templates: what each host must check, by the objects on it.
//!
//! For clouds that run Sensu already. The shipped script for Open vSwitch edges cannot fail, so it is not configured.

use super::encode_id;
use crate::object::Object;
use crate::version::Version;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One file of one host.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFile {
    pub host: String,
    /// `client.json`
    pub name: String,
    pub config: Value,
}

/// Which template checks objects of which type.
const CHECKS: &[(&str, &str)] = &[
    ("host_pnic", "client_check_host_pnic_ovs.json"),
    ("host_pnic", "client_check_host_pnic_vpp.json"),
    ("otep", "client_check_otep.json"),
    ("vconnector", "client_check_vconnector_ovs.json"),
    ("vedge", "client_check_vedge_vpp.json"),
    ("vservice", "client_check_vservice.json"),
];

type Settings = BTreeMap<String, String>;

/// The files of all hosts that have something to check. `settings` are the values of `{placeholders}` that no object gives; numbers stay
/// numbers in templates that hold them.
pub fn sensu_clients(version: &Version, templates: &Value, settings: &Settings) -> Vec<ClientFile> {
    let templates: Vec<&Value> = templates
        .as_array()
        .into_iter()
        .flatten()
        .filter(|template| template["side"] == "client" && applies(version, template))
        .collect();
    let mut checks: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (_, object) in version.objects() {
        let Some(host) = object.get("host").and_then(Value::as_str) else {
            continue;
        };
        for (object_type, file) in CHECKS {
            if object.key.object_type.as_str() != *object_type {
                continue;
            }
            for template in templates
                .iter()
                .filter(|template| template["type"] == *file)
            {
                for values in placeholders(object, settings) {
                    let filled = fill(&template["config"]["checks"], &values);
                    let made = checks.entry(host.to_owned()).or_default();
                    made.extend(filled.as_object().cloned().into_iter().flatten());
                }
            }
        }
    }
    let mut files = BTreeMap::new();
    for (host, checks) in checks {
        let mut values = settings.clone();
        let environment = version.profile.name.as_str();
        values.insert("client_name".into(), format!("{environment}-{host}"));
        values.insert("env_name".into(), environment.into());
        let plain = templates.iter().filter(|template| {
            template["type"]
                .as_str()
                .is_some_and(|name| !name.starts_with("client_check_"))
        });
        for template in plain {
            let name = template["type"].as_str().unwrap_or_default().to_owned();
            let mut config = fill(&template["config"], &values);
            if name == "client.json"
                && let Some(config) = config.as_object_mut()
            {
                config.insert("checks".into(), Value::Object(checks.clone()));
            }
            let file = files.entry((host.clone(), name)).or_insert(Value::Null);
            merge(file, config);
        }
    }
    files
        .into_iter()
        .map(|((host, name), config)| ClientFile { host, name, config })
        .collect()
}

fn applies(version: &Version, template: &Value) -> bool {
    match template
        .pointer("/condition/mechanism_drivers")
        .and_then(Value::as_array)
    {
        None => true,
        Some(drivers) => drivers.iter().filter_map(Value::as_str).any(|driver| {
            let ours = &version.profile.mechanism_drivers;
            ours.iter().any(|own| own.as_ref() == driver)
        }),
    }
}

/// The values an object gives, once for each tunnel of an endpoint.
fn placeholders(object: &Object, settings: &Settings) -> Vec<Settings> {
    let mut values = settings.clone();
    values.insert("objtype".into(), object.key.object_type.to_string());
    values.insert("objid".into(), encode_id(object.key.id.as_str()));
    values.insert("name".into(), object.name().to_owned());
    for name in ["local_name", "service_type", "local_service_id"] {
        if let Some(value) = object.get(name).and_then(Value::as_str) {
            values.insert(name.into(), value.to_owned());
        }
    }
    if object.key.object_type.as_str() != "otep" {
        return vec![values];
    }
    let ports = object.get("ports").and_then(Value::as_object);
    let tunnels = ports.into_iter().flatten().filter_map(|(name, port)| {
        let option = |name: &str| port.pointer(&format!("/options/{name}"))?.as_str();
        let mut values = values.clone();
        values.insert("portid".into(), encode_id(name));
        values.insert("otep_src_ip".into(), option("local_ip")?.to_owned());
        values.insert("otep_dest_ip".into(), option("remote_ip")?.to_owned());
        Some(values)
    });
    tunnels.collect()
}

fn fill(template: &Value, values: &Settings) -> Value {
    let text = |text: &str| {
        values.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    };
    match template {
        Value::String(string) => Value::String(text(string)),
        Value::Array(list) => list.iter().map(|value| fill(value, values)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (text(key), fill(value, values)))
            .collect(),
        other => other.clone(),
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
