//! From API answers to drafts. Pure.

use crate::host::{vedges, with_some};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use topology::{Draft, Environment, ObjectKey, subnets_by_name};

fn key(environment: &Environment, object_type: &str, id: &str) -> Option<ObjectKey> {
    ObjectKey::new(environment, object_type, id).ok()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// The project that owns a resource, under the name of the API's version.
fn owner(value: &Value) -> Option<&str> {
    text(value, "project_id").or_else(|| text(value, "tenant_id"))
}

/// All members of an API object, but those that are its identity.
fn with_all(draft: Draft, value: &Value, but: &[&str]) -> Draft {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !but.contains(&name.as_str()))
        .fold(draft, |draft, (name, value)| {
            draft.with(name.as_str(), value.clone())
        })
}

/// Endpoints of a catalogue, of Keystone v3 or v2: (region, service, attributes).
fn endpoints(catalogue: &Value) -> BTreeMap<String, Map<String, Value>> {
    let entries = catalogue["access"]["serviceCatalog"]
        .as_array()
        .or_else(|| catalogue.as_array());
    let mut regions: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for entry in entries.into_iter().flatten() {
        let kind = text(entry, "type").unwrap_or("");
        let name = text(entry, "name").unwrap_or(kind);
        for endpoint in entry["endpoints"].as_array().into_iter().flatten() {
            let Some(region) = text(endpoint, "region").or_else(|| text(endpoint, "region_id"))
            else {
                continue;
            };
            let service = regions
                .entry(region.to_owned())
                .or_default()
                .entry(name)
                .or_insert_with(|| json!({"service_type": kind}));
            match (text(endpoint, "interface"), text(endpoint, "url")) {
                (Some(interface), Some(url)) => {
                    service[format!("{interface}URL")] = Value::from(url);
                }
                _ => {
                    for (name, value) in endpoint.as_object().into_iter().flatten() {
                        if name != "region" {
                            service[name] = value.clone();
                        }
                    }
                }
            }
        }
    }
    regions
}

pub(super) fn region_names(catalogue: &Value) -> Vec<String> {
    endpoints(catalogue).into_keys().collect()
}

/// Regions with the endpoints of their services.
pub fn regions(environment: &Environment, catalogue: &Value) -> Vec<Draft> {
    endpoints(catalogue)
        .into_iter()
        .filter_map(|(region, services)| {
            let draft = Draft::whole(key(environment, "region", &region)?, region.as_str());
            Some(draft.with("endpoints", services))
        })
        .collect()
}

/// Projects without the one of the services themselves; only the visible ones if they are told.
pub fn projects(environment: &Environment, all: &[Value], visible: Option<&[Value]>) -> Vec<Draft> {
    let names = |projects: &[Value]| -> BTreeSet<String> {
        projects
            .iter()
            .filter_map(|p| text(p, "name"))
            .map(str::to_owned)
            .collect()
    };
    let visible = visible.map(names);
    all.iter()
        .filter_map(|project| {
            let name = text(project, "name")?;
            let seen = visible
                .as_ref()
                .is_none_or(|visible| visible.contains(name));
            if !seen || matches!(name, "service" | "services") {
                return None;
            }
            let id = text(project, "id").unwrap_or(name);
            let draft = Draft::whole(key(environment, "project", id)?, name);
            Some(with_all(draft, project, &["id", "name", "links"]))
        })
        .collect()
}

fn zone_list(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["availabilityZoneInfo"]
        .as_array()
        .into_iter()
        .flatten()
}

/// Availability zones of a region.
pub fn zones(environment: &Environment, region: &str, answer: &Value) -> Vec<Draft> {
    zone_list(answer)
        .filter_map(|zone| {
            let name = text(zone, "zoneName")?;
            Some(
                Draft::whole(key(environment, "availability_zone", name)?, name)
                    .under(key(environment, "region", region)?)
                    .with("available", zone["zoneState"]["available"].clone())
                    .with("hosts", zone["hosts"].clone()),
            )
        })
        .collect()
}

/// The zone Nova puts its own services in.
const INTERNAL_ZONE: &str = "internal";
const NETWORK_AGENTS: &[&str] = &["Metadata agent", "DHCP agent", "L3 agent"];

/// Hosts with their roles. A host in a compute zone and in the internal one belongs to the first.
pub fn hosts(
    environment: &Environment,
    zones: &Value,
    hypervisors: &[Value],
    agents: &[Value],
) -> Vec<Draft> {
    let mut found: BTreeMap<&str, (&str, Map<String, Value>)> = BTreeMap::new();
    for zone in zone_list(zones) {
        let Some(zone_name) = text(zone, "zoneName") else {
            continue;
        };
        for (host, services) in zone["hosts"].as_object().into_iter().flatten() {
            let (at, known) = found.entry(host).or_insert((zone_name, Map::new()));
            if *at == INTERNAL_ZONE {
                *at = zone_name;
            }
            known.extend(
                services
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(n, v)| (n.clone(), v.clone())),
            );
        }
    }
    // Network nodes run no service of Nova's; their agents tell of them.
    for agent in agents.iter().filter(|agent| is_network_agent(agent)) {
        if let Some(host) = text(agent, "host") {
            found.entry(host).or_insert((INTERNAL_ZONE, Map::new()));
        }
    }
    found
        .into_iter()
        .filter_map(|(name, (zone, services))| {
            let mut roles = Vec::new();
            if services.keys().any(|service| service != "nova-compute") {
                roles.push("Controller");
            }
            if services.contains_key("nova-compute") {
                roles.push("Compute");
            }
            let mut own = agents
                .iter()
                .filter(|agent| is_network_agent(agent) && text(agent, "host") == Some(name));
            let mut draft = Draft::whole(key(environment, "host", name)?, name)
                .under(key(environment, "availability_zone", zone)?)
                .with("host", name)
                .with("zone", zone)
                .with("services", services);
            if let Some(agent) = own.next_back() {
                roles.push("Network");
                draft = draft.with("config", vedges::configuration(&agent["configurations"]));
            }
            let hypervisor = hypervisors.iter().find(|h| {
                text(h, "hypervisor_hostname") == Some(name) || h["service"]["host"] == name
            });
            if let Some(hypervisor) = hypervisor {
                draft = with_some(draft, "ip_address", text(hypervisor, "host_ip"));
                let id = &hypervisor["id"];
                let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                draft = draft.with("os_id", id);
            }
            Some(draft.with("host_type", roles))
        })
        .collect()
}

fn is_network_agent(agent: &Value) -> bool {
    // Rows of the database are chosen by type already and carry none.
    text(agent, "agent_type").is_none_or(|kind| NETWORK_AGENTS.contains(&kind))
}

/// Aggregates with a reference to each of their hosts.
pub fn aggregates(environment: &Environment, region: &str, answer: &Value) -> Vec<Draft> {
    let list = answer["aggregates"].as_array().into_iter().flatten();
    list.filter_map(|aggregate| {
        let name = text(aggregate, "name")?;
        let id = aggregate["id"].to_string();
        let hosts = aggregate["hosts"].as_array().into_iter().flatten();
        let references = hosts.filter_map(Value::as_str).map(|host| (name, host));
        Some(aggregate_drafts(environment, region, &id, name, references))
    })
    .flatten()
    .collect()
}

/// An aggregate and its references.
pub fn aggregate_drafts<'a>(
    environment: &Environment,
    region: &str,
    id: &str,
    name: &str,
    hosts: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<Draft> {
    let Some(aggregate) = key(environment, "aggregate", id) else {
        return Vec::new();
    };
    let mut draft = Draft::whole(aggregate.clone(), name);
    draft.parent = key(environment, "region", region);
    let references = hosts.filter_map(|(aggregate_name, host)| {
        let id = format!("aggregate-{aggregate_name}-{host}");
        Some(
            Draft::whole(key(environment, "host_ref", &id)?, host)
                .under(aggregate.clone())
                .with("ref_id", host),
        )
    });
    let references: Vec<Draft> = references.collect();
    std::iter::once(draft).chain(references).collect()
}

/// Networks with their subnets.
pub fn networks(
    environment: &Environment,
    networks: &[Value],
    subnets: &[Value],
    project_name: &dyn Fn(&str) -> Option<String>,
) -> Vec<Draft> {
    let by_id: BTreeMap<&str, &Value> = subnets
        .iter()
        .filter_map(|subnet| Some((text(subnet, "id")?, subnet)))
        .collect();
    networks
        .iter()
        .filter_map(|network| {
            let id = text(network, "id")?;
            let ids = network["subnets"].as_array().into_iter().flatten();
            let own: Vec<&Value> = ids
                .filter_map(|id| by_id.get(id.as_str()?).copied())
                .collect();
            let listed = own
                .iter()
                .filter_map(|subnet| Some((text(subnet, "id")?.to_owned(), (*subnet).clone())));
            let named = subnets_by_name(listed);
            let cidrs: Vec<&str> = own
                .iter()
                .filter_map(|subnet| text(subnet, "cidr"))
                .collect();
            let ids: Vec<&str> = own.iter().filter_map(|subnet| text(subnet, "id")).collect();
            let name = text(network, "name")
                .filter(|name| !name.is_empty())
                .unwrap_or(id);
            let mut draft = with_all(
                Draft::whole(key(environment, "network", id)?, name),
                network,
                &["id", "name", "subnets"],
            )
            .with("network", id)
            .with("cidrs", cidrs)
            .with("subnet_ids", ids)
            .with("subnets", named);
            let owner = owner(network);
            draft.parent = owner.and_then(|id| key(environment, "project", id));
            Some(with_some(draft, "project", owner.and_then(project_name)))
        })
        .collect()
}

/// Subnets, each below its network.
pub fn subnets(environment: &Environment, subnets: &[Value]) -> Vec<Draft> {
    subnets
        .iter()
        .filter_map(|subnet| {
            let id = text(subnet, "id")?;
            let name = text(subnet, "name").filter(|name| !name.is_empty());
            let draft = Draft::whole(key(environment, "subnet", id)?, name.unwrap_or(id))
                .under(key(environment, "network", text(subnet, "network_id")?)?);
            Some(with_all(draft, subnet, &["id", "name"]))
        })
        .collect()
}

/// Routers, each below its project.
pub fn routers(environment: &Environment, routers: &[Value]) -> Vec<Draft> {
    routers
        .iter()
        .filter_map(|router| {
            let id = text(router, "id")?;
            let name = text(router, "name").filter(|name| !name.is_empty());
            let mut draft = Draft::whole(key(environment, "router", id)?, name.unwrap_or(id));
            draft.parent = owner(router).and_then(|id| key(environment, "project", id));
            Some(with_all(draft, router, &["id", "name"]))
        })
        .collect()
}

/// Ports; one without a name is called by its MAC where its network is known.
pub fn ports(
    environment: &Environment,
    ports: &[Value],
    known_network: &dyn Fn(&str) -> bool,
    project_name: &dyn Fn(&str) -> Option<String>,
) -> Vec<Draft> {
    ports
        .iter()
        .filter_map(|port| {
            let id = text(port, "id")?;
            let network = text(port, "network_id")?;
            let mac = text(port, "mac_address").filter(|_| known_network(network));
            let name = text(port, "name").filter(|name| !name.is_empty());
            let draft = Draft::whole(key(environment, "port", id)?, name.or(mac).unwrap_or(id))
                .under(key(environment, "network", network)?);
            let draft = with_all(draft, port, &["id", "name"]);
            Some(with_some(
                draft,
                "project",
                owner(port).and_then(project_name),
            ))
        })
        .collect()
}

/// Ports and network names, as instances need them.
pub struct Joined<'a> {
    ports: BTreeMap<&'a str, Vec<&'a Value>>,
    networks: BTreeMap<&'a str, &'a str>,
}

impl<'a> Joined<'a> {
    pub fn new(ports: &'a [Value], networks: &'a [Value]) -> Self {
        let mut by_device: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for port in ports {
            if let Some(device) = text(port, "device_id").filter(|device| !device.is_empty()) {
                by_device.entry(device).or_default().push(port);
            }
        }
        let networks = networks
            .iter()
            .filter_map(|network| Some((text(network, "id")?, text(network, "name")?)))
            .collect();
        Self {
            ports: by_device,
            networks,
        }
    }

    /// What Nova's cache of network information would say of an instance.
    fn network_info(&self, instance: &str) -> Vec<Value> {
        let ports = self.ports.get(instance).into_iter().flatten();
        ports
            .filter_map(|port| {
                let id = text(port, "id")?;
                let network = text(port, "network_id")?;
                let prefix = if text(port, "binding:vif_type") == Some("vhostuser") {
                    "vhu"
                } else {
                    "tap"
                };
                // Nova cuts device names at 14 characters.
                let device: String = format!("{prefix}{id}").chars().take(14).collect();
                let addresses = port["fixed_ips"].as_array().into_iter().flatten();
                Some(json!({
                    "id": id,
                    "devname": device,
                    "address": port["mac_address"],
                    "vnic_type": port["binding:vnic_type"],
                    "ips": addresses.map(|ip| ip["ip_address"].clone()).collect::<Vec<_>>(),
                    "network": {"id": network, "label": self.networks.get(network)},
                }))
            })
            .collect()
    }
}

/// Instances of `servers/detail`.
pub fn instances(environment: &Environment, servers: &[Value], joined: &Joined<'_>) -> Vec<Draft> {
    servers
        .iter()
        .filter_map(|server| {
            let id = text(server, "id")?;
            let info = joined.network_info(id);
            let networks: Vec<Value> =
                distinct(info.iter().map(|one| one["network"]["id"].clone()));
            let host = text(server, "OS-EXT-SRV-ATTR:host");
            let mut draft = Draft::whole(
                key(environment, "instance", id)?,
                text(server, "name").unwrap_or(id),
            )
            .with("uuid", id)
            .with("network", networks)
            .with("network_info", info);
            draft.parent = host.and_then(|host| key(environment, "host", host));
            for (attribute, member) in [
                ("host", "OS-EXT-SRV-ATTR:host"),
                ("local_name", "OS-EXT-SRV-ATTR:instance_name"),
                ("project_id", "tenant_id"),
                ("status", "status"),
                ("vm_state", "OS-EXT-STS:vm_state"),
                ("zone", "OS-EXT-AZ:availability_zone"),
            ] {
                draft = with_some(draft, attribute, text(server, member));
            }
            let flavour = text(&server["flavor"], "original_name");
            Some(with_some(draft, "flavor", flavour))
        })
        .collect()
}

/// Instances as a hypervisor lists them.
pub fn host_instances(environment: &Environment, host: &str, answer: &Value) -> Vec<Draft> {
    let hypervisors = answer["hypervisors"].as_array().into_iter().flatten();
    hypervisors
        .filter(|hypervisor| {
            // Told by a pattern: with the domain, and also hosts whose name only begins alike.
            text(hypervisor, "hypervisor_hostname").is_none_or(|name| {
                name.strip_prefix(host)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        })
        .flat_map(|hypervisor| hypervisor["servers"].as_array().into_iter().flatten())
        .filter_map(|server| {
            let id = text(server, "uuid")?;
            let name = text(server, "name").unwrap_or(id);
            Some(
                Draft::whole(key(environment, "instance", id)?, name)
                    .under(key(environment, "host", host)?)
                    .with("uuid", id)
                    .with("host", host)
                    .with("local_name", name),
            )
        })
        .collect()
}

/// Network agents of a host, or of all.
pub fn agents(environment: &Environment, host: Option<&str>, agents: &[Value]) -> Vec<Draft> {
    agents
        .iter()
        .filter_map(|agent| {
            let (id, binary) = (text(agent, "id")?, text(agent, "binary")?);
            let draft = Draft::whole(
                key(environment, "network_agent", &format!("{binary}-{id}"))?,
                binary,
            );
            let mut draft = with_all(draft, agent, &["id", "name"])
                .with("agent_id", id)
                .with(
                    "configurations",
                    vedges::configuration(&agent["configurations"]),
                );
            let host = text(agent, "host").or(host);
            draft.parent = host.and_then(|host| key(environment, "host", host));
            Some(draft)
        })
        .collect()
}

pub(crate) fn distinct(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for value in values {
        if !value.is_null() && !found.contains(&value) {
            found.push(value);
        }
    }
    found
}
