//! A generated cloud of 1,000 hosts, as a map that was scanned once: 100,000 objects and 110,000 links.
//!
//! Each host has 19 machines behind hybrid plugging (a bridge each), five namespaces of three devices, an edge, a tunnel end point and a
//! pNIC on one of eight leaves.

use anyhow::Result;
use serde_json::json;
use std::sync::Arc;
use topology::{
    Batch, Cause, Declarations, Draft, Environment, Map, ObjectKey, Profile, Reading, Source,
    SourceKind,
};

const HOSTS: usize = 1_000;
const VMS: usize = 19;
const SERVICES: usize = 5;
const SERVICE_DEVICES: usize = 3;
const NETWORKS: usize = 500;
const LEAVES: usize = 8;

/// What a scan of the cloud would read.
pub(super) struct GeneratedCloud {
    environment: Environment,
    pub(super) drafts: Vec<Draft>,
}

fn mac(kind: u8, n: usize) -> String {
    format!(
        "02:{kind:02x}:00:{:02x}:{:02x}:{:02x}",
        n >> 16 & 255,
        n >> 8 & 255,
        n & 255
    )
}

impl GeneratedCloud {
    fn key(&self, object_type: &str, id: &str) -> Result<ObjectKey> {
        Ok(ObjectKey::new(&self.environment, object_type, id)?)
    }

    fn draft(
        &self,
        object_type: &str,
        id: &str,
        name: &str,
        value: serde_json::Value,
    ) -> Result<Draft> {
        let mut draft = Draft::whole(self.key(object_type, id)?, name);
        if let serde_json::Value::Object(map) = value {
            draft.attributes = map.into_iter().map(|(k, v)| (k.into(), v)).collect();
        }
        Ok(draft)
    }

    pub(super) fn make() -> Result<Self> {
        Self::of(HOSTS)
    }

    /// The same with so many hosts.
    pub(super) fn of(hosts: usize) -> Result<Self> {
        let mut cloud = Self {
            environment: Environment::new("bench")?,
            drafts: Vec::new(),
        };
        for n in 0..LEAVES {
            let id = format!("leaf-{n}");
            let draft = cloud.draft(
                "switch",
                &id,
                &id,
                json!({ "switch": id, "ip_address": format!("10.255.0.{n}") }),
            )?;
            cloud.drafts.push(draft);
        }
        for n in 0..NETWORKS {
            let id = network(n);
            let value = json!({ "network": id, "cidrs": [format!("10.{}.{}.0/24", n / 256, n % 256)], "mtu": 1450,
                "provider:segmentation_id": 1000 + n, "provider:network_type": "vxlan", "tenant_id": tenant(n), "status": "ACTIVE" });
            let draft = cloud.draft("network", &id, &format!("net-{n}"), value)?;
            cloud.drafts.push(draft);
        }
        for h in 0..hosts {
            cloud.host(h)?;
        }
        Ok(cloud)
    }

    fn host(&mut self, h: usize) -> Result<()> {
        let host = format!("cmp-{h:04}");
        let ip = format!("172.16.{}.{}", h / 250, h % 250 + 1);
        let leaf = format!("leaf-{}", h % LEAVES);
        let host_key = self.key("host", &host)?;
        let value = json!({ "host": host, "ip_address": ip, "host_type": ["Compute"], "OS": { "name": "Debian", "version": "13" } });
        let draft = self.draft("host", &host, &host, value)?;
        self.drafts.push(draft);
        let pnic_mac = mac(1, h);
        let value = json!({ "host": host, "mac_address": pnic_mac, "IP Address": ip, "Link detected": "yes", "Speed": "25000Mb/s" });
        let draft = self
            .draft("host_pnic", &format!("eno1-{pnic_mac}"), "eno1", value)?
            .under(host_key.clone());
        self.drafts.push(draft);
        let value = json!({ "switch": leaf, "mac_address": pnic_mac, "role": "hostlink" });
        let draft = self.draft(
            "switch_pnic",
            &format!("{leaf}-eth1__{h}-{pnic_mac}"),
            "port",
            value,
        )?;
        let switch = self.key("switch", &leaf)?;
        self.drafts.push(draft.under(switch));
        let mut ports = serde_json::Map::new();
        for v in 0..VMS {
            let n = h * VMS + v;
            let tap = format!("{n:08x}-00");
            ports.insert(format!("qvo{tap}"), json!({ "name": format!("qvo{tap}"), "id": v.to_string(), "tag": (v + 1).to_string() }));
            self.instance(&host, &host_key, n, &tap)?;
        }
        for service in 0..SERVICES {
            self.service(&host, &host_key, h * SERVICES + service, &mut ports)?;
        }
        let edge = format!("{host}-ovs");
        let edge_key = self.key("vedge", &edge)?;
        let draft = self.draft(
            "vedge",
            &edge,
            &format!("{host}-OVS"),
            json!({ "host": host, "agent_type": "Open vSwitch agent", "ports": ports }),
        )?;
        self.drafts.push(draft.under(host_key));
        let value = json!({ "host": host, "ip_address": ip, "overlay_type": "vxlan", "ports": {} });
        let draft = self
            .draft("otep", &format!("{host}-otep"), "otep", value)?
            .under(edge_key);
        self.drafts.push(draft);
        Ok(())
    }

    fn instance(&mut self, host: &str, host_key: &ObjectKey, n: usize, tap: &str) -> Result<()> {
        let net = n % NETWORKS;
        let (network, tenant) = (network(net), tenant(net));
        let vm = format!("7c000000-0000-4000-8000-{n:012x}");
        let mac = mac(2, n);
        let value = json!({ "host": host, "project_id": tenant, "network": [network], "vm_state": "active", "local_name": format!("instance-{n:08x}"),
            "network_info": [{ "devname": format!("tap{tap}"), "address": mac, "network": { "id": network, "label": format!("net-{net}") } }] });
        let draft = self
            .draft("instance", &vm, &format!("vm-{n}"), value)?
            .under(host_key.clone());
        self.drafts.push(draft);
        let vm_key = self.key("instance", &vm)?;
        let value = json!({ "host": host, "instance_id": vm, "mac_address": mac, "vnic_type": "instance_vnic" });
        let draft = self
            .draft(
                "vnic",
                &format!("{host}-tap{tap}"),
                &format!("tap{tap}"),
                value,
            )?
            .under(vm_key);
        self.drafts.push(draft);
        let member = |name: String| (name.clone(), json!({ "name": name, "mac_address": mac }));
        let interfaces: serde_json::Map<_, _> =
            [member(format!("qvb{tap}")), member(format!("tap{tap}"))]
                .into_iter()
                .collect();
        let value = json!({ "host": host, "connector_type": "bridge", "interfaces": interfaces });
        let draft = self.draft(
            "vconnector",
            &format!("{host}-qbr{tap}"),
            &format!("{host}-qbr{tap}"),
            value,
        )?;
        self.drafts.push(draft.under(host_key.clone()));
        let value = json!({ "mac_address": mac, "network_id": network, "binding:host_id": host, "device_id": vm, "device_owner": "compute:nova",
            "status": "ACTIVE", "tenant_id": tenant, "fixed_ips": [{ "ip_address": format!("10.{}.{}.{}", net / 256, net % 256, n / NETWORKS + 2) }] });
        let draft = self.draft(
            "port",
            &format!("8d000000-0000-4000-8000-{n:012x}"),
            &mac,
            value,
        )?;
        let network_key = self.key("network", &network)?;
        self.drafts.push(draft.under(network_key));
        Ok(())
    }
}

impl GeneratedCloud {
    /// A namespace with its devices, plugged into the edge.
    fn service(
        &mut self,
        host: &str,
        host_key: &ObjectKey,
        n: usize,
        ports: &mut serde_json::Map<String, serde_json::Value>,
    ) -> Result<()> {
        let net = network(n % NETWORKS);
        let id = format!("{host}-qdhcp-{net}");
        let value = json!({ "host": host, "service_type": "dhcp", "local_service_id": format!("qdhcp-{net}"), "network": [net] });
        let draft = self
            .draft(
                "vservice",
                &id,
                &format!("qdhcp-net-{}", n % NETWORKS),
                value,
            )?
            .under(host_key.clone());
        self.drafts.push(draft);
        let service_key = self.key("vservice", &id)?;
        for device in 0..SERVICE_DEVICES {
            let name = format!("tap{n:07x}{device}-1");
            ports.insert(
                name.clone(),
                json!({ "name": name, "id": ports.len().to_string(), "tag": "1" }),
            );
            let value = json!({ "host": host, "mac_address": mac(4, n * SERVICE_DEVICES + device), "vnic_type": "vservice_vnic", "network": net, "IP Address": "10.0.0.2" });
            let draft = self
                .draft("vnic", &format!("{host}-{name}"), &name, value)?
                .under(service_key.clone());
            self.drafts.push(draft);
        }
        Ok(())
    }
}

fn network(n: usize) -> String {
    format!("9e000000-0000-4000-8000-{n:012x}")
}

fn tenant(n: usize) -> String {
    format!("tenant-{}", n % 50)
}

/// A whole scan at a second since the epoch.
pub(super) fn batch(second: i64, drafts: Vec<Draft>) -> Result<Batch> {
    let at = jiff::Timestamp::from_second(second)?;
    let source = Source {
        kind: SourceKind::new("ssh")?,
        detail: "bench".into(),
        read_at: at,
    };
    Ok(Batch {
        cause: Cause::Scan("bench".into()),
        at,
        readings: vec![Reading {
            drafts,
            ..Reading::named(source)
        }],
    })
}

/// An empty map of the cloud.
pub(super) fn map(cloud: &GeneratedCloud) -> Result<Map> {
    let mut profile = Profile::new(cloud.environment.clone());
    profile.type_drivers = vec!["vxlan".into()];
    profile.mechanism_drivers = vec!["OVS".into()];
    let declarations = Arc::new(Declarations::embedded()?);
    Ok(Map::new(profile, declarations, jiff::Timestamp::UNIX_EPOCH))
}
