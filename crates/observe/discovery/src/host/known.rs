//! What other sources have told of the environment, indexed as host scanners need it: names of networks and routers, the port
//! behind a MAC or a device, agents. Learnt from drafts, whoever made them. It holds no secret and is bounded by its inputs.

use ipnet::IpNet;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use topology::Draft;

#[derive(Debug, Clone)]
pub struct Known {
    /// Whether Neutron keeps a table of tunnel endpoints at all; Icehouse and older do not, and tunnels end at the host's address.
    pub endpoints_are_kept: bool,
    networks: BTreeMap<String, Network>,
    /// Networks by prefix; more than one where tenants use the same prefix.
    prefixes: BTreeMap<IpNet, BTreeSet<String>>,
    routers: BTreeMap<String, Map<String, Value>>,
    ports: BTreeMap<String, Port>,
    ports_by_mac: BTreeMap<String, BTreeSet<String>>,
    agents: BTreeMap<(String, String), Map<String, Value>>,
    endpoints: BTreeMap<(String, String), Map<String, Value>>,
    instances: BTreeMap<String, String>,
    hosts: BTreeMap<String, BTreeSet<String>>,
    addresses: BTreeMap<String, String>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            endpoints_are_kept: true,
            networks: BTreeMap::new(),
            prefixes: BTreeMap::new(),
            routers: BTreeMap::new(),
            ports: BTreeMap::new(),
            ports_by_mac: BTreeMap::new(),
            agents: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            instances: BTreeMap::new(),
            hosts: BTreeMap::new(),
            addresses: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone)]
struct Network {
    name: String,
    prefixes: Vec<IpNet>,
}

/// A Neutron port as far as host scanners need it.
#[derive(Debug, Clone)]
pub struct Port {
    pub id: String,
    pub mac: String,
    pub network: String,
    pub host: String,
    pub device: String,
}

impl Known {
    /// Takes in drafts of networks, ports, instances, hosts and agents; others are passed over.
    pub fn learn<'a>(&mut self, drafts: impl IntoIterator<Item = &'a Draft>) {
        for draft in drafts {
            let id = draft.key.id.as_str();
            match draft.key.object_type.as_str() {
                "network" => self.learn_network(id, draft),
                "port" => self.learn_port(id, draft),
                "instance" => {
                    let name = draft.name.as_deref().unwrap_or(id);
                    self.instances.insert(id.to_owned(), name.to_owned());
                }
                "host" => {
                    let roles = text_list(draft.attributes.get("host_type"));
                    self.hosts.entry(id.to_owned()).or_default().extend(roles);
                    let address = draft.attributes.get("ip_address").and_then(Value::as_str);
                    if let Some(address) = address {
                        self.addresses.insert(id.to_owned(), address.to_owned());
                    }
                }
                "network_agent" => self.learn_agent(draft),
                _ => {}
            }
        }
    }

    fn learn_network(&mut self, id: &str, draft: &Draft) {
        let prefixes: Vec<IpNet> = text_list(draft.attributes.get("cidrs"))
            .iter()
            .filter_map(|cidr| cidr.parse().ok())
            .collect();
        for prefix in &prefixes {
            self.prefixes
                .entry(prefix.trunc())
                .or_default()
                .insert(id.to_owned());
        }
        let name = draft.name.as_deref().unwrap_or(id).to_owned();
        self.networks
            .insert(id.to_owned(), Network { name, prefixes });
    }

    fn learn_port(&mut self, id: &str, draft: &Draft) {
        let text = |name: &str| {
            let value = draft.attributes.get(name).and_then(Value::as_str);
            value.unwrap_or("").to_owned()
        };
        let port = Port {
            id: id.to_owned(),
            mac: text("mac_address").to_lowercase(),
            network: text("network_id"),
            host: text("binding:host_id"),
            device: text("device_id"),
        };
        self.ports_by_mac
            .entry(port.mac.clone())
            .or_default()
            .insert(id.to_owned());
        self.ports.insert(id.to_owned(), port);
    }

    fn learn_agent(&mut self, draft: &Draft) {
        let text = |name: &str| draft.attributes.get(name).and_then(Value::as_str);
        let (Some(host), Some(kind)) = (text("host"), text("agent_type")) else {
            return;
        };
        // The agent's own id is what its edge is known by, not that of the agent's object.
        let row = draft
            .attributes
            .iter()
            .map(|(name, value)| match name.as_ref() {
                "agent_id" => ("id".to_owned(), value.clone()),
                name => (name.to_owned(), value.clone()),
            })
            .collect();
        self.add_agent(host, kind, row);
    }

    /// A row of Neutron's agents.
    pub fn add_agent(&mut self, host: &str, kind: &str, row: Map<String, Value>) {
        self.agents.insert((host.to_owned(), kind.to_owned()), row);
    }

    /// A row of Neutron's routers.
    pub fn add_router(&mut self, id: &str, row: Map<String, Value>) {
        self.routers.insert(id.to_owned(), row);
    }

    /// A row of Neutron's table of tunnel endpoints of a kind (`vxlan`, `gre`, `geneve`).
    pub fn add_endpoint(&mut self, kind: &str, host: &str, row: Map<String, Value>) {
        self.endpoints
            .insert((kind.to_owned(), host.to_owned()), row);
    }

    pub fn network_name(&self, id: &str) -> Option<&str> {
        self.networks.get(id).map(|network| network.name.as_str())
    }

    pub fn router(&self, id: &str) -> Option<&Map<String, Value>> {
        self.routers.get(id)
    }

    pub fn agent(&self, host: &str, kind: &str) -> Option<&Map<String, Value>> {
        self.agents.get(&(host.to_owned(), kind.to_owned()))
    }

    pub fn endpoint(&self, kind: &str, host: &str) -> Option<&Map<String, Value>> {
        self.endpoints.get(&(kind.to_owned(), host.to_owned()))
    }

    /// Whether any source but the host itself told of it.
    pub fn has_host(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    pub fn host_address(&self, host: &str) -> Option<&str> {
        self.addresses.get(host).map(String::as_str)
    }

    pub fn instance_name(&self, id: &str) -> Option<&str> {
        self.instances.get(id).map(String::as_str)
    }

    /// Whether the host has one of the roles. A host of unknown roles may have any.
    pub fn may_be(&self, host: &str, roles: &[&str]) -> bool {
        self.hosts
            .get(host)
            .is_none_or(|known| known.is_empty() || roles.iter().any(|role| known.contains(*role)))
    }

    /// The port whose id begins with the suffix of a device name such as `tap1f72bd15-8a`.
    pub fn port_of_device(&self, device: &str) -> Option<&Port> {
        let suffix = device
            .split_once(|c: char| !c.is_ascii_alphabetic())
            .map(|(prefix, _)| device.get(prefix.len()..).unwrap_or(""))
            .filter(|suffix| suffix.len() >= 8);
        // The prefix of three letters may run into hexadecimal ones of the id: `tapa1bf631f-de`.
        [suffix, device.get(3..)]
            .into_iter()
            .flatten()
            .filter(|suffix| suffix.len() >= 8)
            .find_map(|suffix| {
                let (id, port) = self.ports.range(suffix.to_owned()..).next()?;
                id.starts_with(suffix).then_some(port)
            })
    }

    /// The port with a MAC on a host. The same MAC may be on other hosts of other tenants, and then only the host tells.
    pub fn port_of_mac(&self, mac: &str, host: &str) -> Option<&Port> {
        let all = self.ports_by_mac.get(mac)?;
        let mut here = all.iter().filter_map(|id| self.ports.get(id));
        if all.len() == 1 {
            return here.next();
        }
        let mut here = here.filter(|port| port.host == host);
        let first = here.next()?;
        here.next().is_none().then_some(first)
    }

    /// The network of an address' prefix: the one asked about first if it has it, else the only one that has. Tenants may use the
    /// same prefix; a guess between them is no answer.
    pub fn network_of_prefix(&self, prefix: IpNet, preferred: &str) -> Option<&str> {
        let prefix = prefix.trunc();
        if let Some((id, network)) = self.networks.get_key_value(preferred)
            && network.prefixes.iter().any(|own| own.trunc() == prefix)
        {
            return Some(id);
        }
        let all = self.prefixes.get(&prefix)?;
        match all.len() {
            1 => all.iter().next().map(String::as_str),
            _ => None,
        }
    }
}

fn text_list(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use topology::{Environment, ObjectKey};

    fn draft(kind: &str, id: &str) -> Draft {
        let environment = Environment::new("env").expect("a name");
        Draft::whole(
            ObjectKey::new(&environment, kind, id).expect("a key"),
            format!("name of {id}"),
        )
    }

    #[test]
    fn overlapping_tenant_prefixes_are_not_guessed_between() {
        let mut known = Known::default();
        let cidrs = serde_json::json!(["10.0.0.0/24"]);
        known.learn(&[
            draft("network", "red").with("cidrs", cidrs.clone()),
            draft("network", "blue").with("cidrs", cidrs),
        ]);
        let prefix = "10.0.0.7/24".parse().expect("a prefix");
        assert_eq!(known.network_of_prefix(prefix, "blue"), Some("blue"));
        assert_eq!(known.network_of_prefix(prefix, "green"), None);
    }

    #[test]
    fn ports_by_device_and_by_mac_of_the_host() {
        let mut known = Known::default();
        let port = |id: &str, host: &str| {
            draft("port", id)
                .with("mac_address", "fa:16:3e:00:00:01")
                .with("binding:host_id", host)
        };
        known.learn(&[
            port("a1bf631f-de11-4000-8000-000000000000", "one"),
            port("1f72bd15-8ab2-43cb-94d7-e823dd845255", "two"),
        ]);
        let id = |port: Option<&Port>| port.map(|port| port.id.get(..8).unwrap_or("").to_owned());
        assert_eq!(
            id(known.port_of_device("tapa1bf631f-de")).as_deref(),
            Some("a1bf631f")
        );
        assert_eq!(
            id(known.port_of_device("qvb1f72bd15-8a")).as_deref(),
            Some("1f72bd15")
        );
        assert!(known.port_of_device("eth0").is_none());
        assert_eq!(
            id(known.port_of_mac("fa:16:3e:00:00:01", "two")).as_deref(),
            Some("1f72bd15")
        );
        assert!(known.port_of_mac("fa:16:3e:00:00:01", "three").is_none());
    }
}
