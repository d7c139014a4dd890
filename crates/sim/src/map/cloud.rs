//! The cloud's API as a source: what Keystone, Nova and Neutron would list of the simulated hosts.

use super::hosts::{host_name, mac, machine_id, port_id};
use discovery::openstack::drafts;
use discovery::scan::{Context, Source};
use discovery::{Error, Result};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use topology::{Coverage, Draft, Environment, ObjectType, Reading, Scope, SourceKind};

const NETWORKS_PER_PROJECT: usize = 4;
const PROJECTS: usize = 50;

/// See the module.
pub(super) struct SimulatedCloud {
    pub(super) hosts: usize,
    pub(super) machines_per_host: usize,
}

fn project_id(number: usize) -> String {
    format!("{:032x}", number % PROJECTS + 1)
}

/// The network of a machine.
pub(super) fn network_id(host: usize, machine: usize) -> String {
    let number = (host + machine) % (PROJECTS * NETWORKS_PER_PROJECT);
    format!("{number:08x}-2222-4000-8000-000000000000")
}

/// A port as Neutron shows it.
pub(super) fn port(host: usize, machine: usize, name: &str) -> Value {
    json!({
        "id": port_id(host, machine), "name": name, "network_id": network_id(host, machine),
        "mac_address": mac(host, machine), "admin_state_up": true, "status": "ACTIVE",
        "tenant_id": project_id(host + machine), "device_id": machine_id(host, machine), "device_owner": "compute:nova",
        "binding:host_id": host_name(host), "binding:vnic_type": "normal", "binding:vif_type": "ovs",
        "fixed_ips": [{"subnet_id": "s", "ip_address": "10.0.0.5"}],
    })
}

impl SimulatedCloud {
    fn each<T>(&self, make: impl Fn(usize, usize) -> T) -> Vec<T> {
        (0..self.hosts)
            .flat_map(|host| (0..self.machines_per_host).map(move |machine| (host, machine)))
            .map(|(host, machine)| make(host, machine))
            .collect()
    }

    fn networks(environment: &Environment) -> Vec<Draft> {
        let count = PROJECTS * NETWORKS_PER_PROJECT;
        let id = |number: usize| format!("{number:08x}-2222-4000-8000-000000000000");
        let networks: Vec<Value> = (0..count)
            .map(|number| {
                json!({"id": id(number), "name": format!("net{number}"), "tenant_id": project_id(number), "admin_state_up": true,
                       "subnets": [format!("s{number}")], "provider:network_type": "vxlan", "provider:segmentation_id": number + 1, "mtu": 1450})
            })
            .collect();
        let subnets: Vec<Value> = (0..count)
            .map(|number| json!({"id": format!("s{number}"), "name": "v4", "network_id": id(number), "cidr": "10.0.0.0/24"}))
            .collect();
        drafts::networks(environment, &networks, &subnets, &|_| None)
    }

    fn drafts(
        &self,
        reader: &str,
        environment: &Environment,
    ) -> Option<(&'static [&'static str], Vec<Draft>)> {
        let catalogue = json!([{"type": "network", "name": "neutron", "endpoints": [{"interface": "public", "region": "RegionOne", "url": "http://sim"}]}]);
        let hosts: serde_json::Map<String, Value> = (0..self.hosts)
            .map(|host| {
                (
                    host_name(host),
                    json!({"nova-compute": {"active": true, "available": true}}),
                )
            })
            .collect();
        let zones = json!({"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": true}, "hosts": hosts}]});
        Some(match reader {
            "keystone-regions" => (&["region"], drafts::regions(environment, &catalogue)),
            "keystone-projects" => {
                let projects: Vec<Value> = (0..PROJECTS)
                    .map(|number| json!({"id": project_id(number), "name": format!("project{number}")}))
                    .collect();
                (&["project"], drafts::projects(environment, &projects, None))
            }
            "nova-zones" => (
                &["availability_zone"],
                drafts::zones(environment, "RegionOne", &zones),
            ),
            "nova-hosts" => (&["host"], drafts::hosts(environment, &zones, &[], &[])),
            "nova-instances" => {
                let ports = self.each(|host, machine| port(host, machine, ""));
                let servers = self.each(|host, machine| {
                    json!({"id": machine_id(host, machine), "name": format!("vm-{host}-{machine}"), "tenant_id": project_id(host + machine),
                           "status": "ACTIVE", "OS-EXT-SRV-ATTR:host": host_name(host), "OS-EXT-SRV-ATTR:instance_name": format!("instance-{machine:08x}")})
                });
                let joined = drafts::Joined::new(&ports, &[]);
                (
                    &["instance"],
                    drafts::instances(environment, &servers, &joined),
                )
            }
            "neutron-networks" => (&["network"], Self::networks(environment)),
            "neutron-ports" => {
                let ports = self.each(|host, machine| port(host, machine, ""));
                (
                    &["port"],
                    drafts::ports(environment, &ports, &|_| true, &|_| None),
                )
            }
            "neutron-agents" => {
                let agents: Vec<Value> = (0..self.hosts)
                    .map(|host| {
                        let [.., high, low] = (host as u64).to_be_bytes();
                        json!({"id": format!("{host:08x}-3333-4000-8000-000000000000"), "binary": "neutron-openvswitch-agent", "agent_type": "Open vSwitch agent",
                               "host": host_name(host), "configurations": {"tunneling_ip": format!("10.2.{high}.{low}"), "tunnel_types": ["vxlan"]}})
                    })
                    .collect();
                (
                    &["network_agent"],
                    drafts::agents(environment, None, &agents),
                )
            }
            _ => return None,
        })
    }
}

impl Source for SimulatedCloud {
    fn name(&self) -> &str {
        "the simulated cloud"
    }

    fn readers(&self) -> &'static [&'static str] {
        &[
            "keystone-regions",
            "keystone-projects",
            "nova-zones",
            "nova-hosts",
            "nova-instances",
            "neutron-networks",
            "neutron-ports",
            "neutron-agents",
        ]
    }

    fn read<'a>(
        &'a self,
        reader: &'a str,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reading>>> {
        Box::pin(async move {
            let fault = |reason: String| Error::Answer {
                source_name: "the simulated cloud".to_owned(),
                reason,
            };
            let (types, drafts) = self
                .drafts(reader, context.environment)
                .ok_or_else(|| fault(format!("no reader '{reader}'")))?;
            let kind = reader.split('-').next().unwrap_or("nova");
            let names = types
                .iter()
                .map(ObjectType::new)
                .collect::<Result<Vec<_>, _>>();
            Ok(vec![Reading {
                source: topology::Source {
                    kind: SourceKind::new(kind).map_err(|error| fault(error.to_string()))?,
                    detail: "simulated".into(),
                    read_at: jiff::Timestamp::now(),
                },
                scope: Scope::All {
                    types: names.map_err(|error| fault(error.to_string()))?,
                    within: None,
                },
                coverage: Coverage::Complete,
                drafts,
                gone: Vec::new(),
            }])
        })
    }
}
