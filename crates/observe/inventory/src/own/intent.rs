//! What the store holds, as readings: all of it, or what changes have touched.

use controller::Fleet;
use discovery::netwright::{drafts, facts};
use model::{HostName, NetworkId, PortId, SubnetId};
use operations::tables::{BY_DEVICE, Hosts, Networks, Ports, Subnets};
use std::collections::{BTreeMap, BTreeSet};
use store::{Change, ChangeSet, Row, Snapshot};
use topology::{
    Coverage, Draft, Environment, ObjectId, ObjectKey, ObjectType, Reading, Scope, Source,
    TopologyError,
};

/// What must be read again.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// All of it; the rest does not count then.
    everything: bool,
    pub(super) hosts: BTreeSet<HostName>,
    networks: BTreeSet<NetworkId>,
    subnets: BTreeSet<(NetworkId, SubnetId)>,
    /// Each with the hosts it was bound to.
    ports: BTreeMap<(NetworkId, PortId), BTreeSet<HostName>>,
    instances: BTreeSet<String>,
}

impl Dirty {
    pub(super) fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.everything
            && self.hosts.is_empty()
            && self.networks.is_empty()
            && self.subnets.is_empty()
            && self.ports.is_empty()
            && self.instances.is_empty()
    }

    pub(super) fn note(&mut self, changes: &ChangeSet) {
        if self.everything {
            return;
        }
        for change in &changes.changes {
            self.networks
                .extend(rows::<Networks>(change).map(|row| row.value.id));
            self.hosts
                .extend(rows::<Hosts>(change).map(|row| row.value.name.clone()));
            for row in rows::<Subnets>(change) {
                self.networks.insert(row.value.network_id);
                self.subnets.insert(row.key);
            }
            for row in rows::<Ports>(change) {
                if ObjectId::new(&row.value.device_id).is_ok() {
                    self.instances.insert(row.value.device_id.clone());
                }
                let hosts = self.ports.entry(row.key).or_default();
                hosts.extend(row.value.binding.host.clone());
            }
        }
    }
}

fn rows<T: store::Table>(change: &Change) -> impl Iterator<Item = std::sync::Arc<Row<T>>> {
    [change.before::<T>(), change.after::<T>()]
        .into_iter()
        .flatten()
}

/// The store at one revision, with what agents say of their hosts.
pub(super) struct Intent<'s> {
    pub(super) environment: &'s Environment,
    pub(super) snapshot: &'s Snapshot,
    pub(super) fleet: &'s Fleet,
}

impl Intent<'_> {
    /// What is dirty, as it is now.
    pub(super) fn reading(&self, dirty: &Dirty, source: Source) -> Result<Reading, TopologyError> {
        let mut reading = Reading::named(source);
        if dirty.everything {
            let types = drafts::TYPES.iter().map(ObjectType::new);
            reading.scope = Scope::All {
                types: types.collect::<Result<_, _>>()?,
                within: None,
            };
            reading.coverage = Coverage::Complete;
            self.all(&mut reading.drafts)?;
        } else {
            self.touched(dirty, &mut reading)?;
        }
        Ok(reading)
    }

    fn all(&self, found: &mut Vec<Draft>) -> Result<(), TopologyError> {
        for row in self.snapshot.scan::<Hosts>(()) {
            found.extend(self.host(&row.value)?);
        }
        for row in self.snapshot.scan::<Networks>(()) {
            found.extend(self.network(&row.value)?);
        }
        let mut instances = BTreeSet::new();
        for row in self.snapshot.scan::<Ports>(()) {
            let port = self.port_facts(&row.value);
            found.extend(drafts::port(self.environment, &port)?);
            if let Some(id) = port.instance()
                && instances.insert(id.to_owned())
            {
                found.extend(self.instance(id)?);
            }
        }
        Ok(())
    }

    fn touched(&self, dirty: &Dirty, reading: &mut Reading) -> Result<(), TopologyError> {
        let Reading {
            drafts: found,
            gone,
            ..
        } = reading;
        let key = |object_type: &str, id: &str| ObjectKey::new(self.environment, object_type, id);
        for name in &dirty.hosts {
            match self.snapshot.get::<Hosts>(name) {
                Some(row) => found.extend(self.host(&row.value)?),
                None => gone.push(key("host", name.as_str())?),
            }
        }
        for id in &dirty.networks {
            match self.snapshot.get::<Networks>(id) {
                Some(row) => found.extend(self.network(&row.value)?),
                None => gone.push(key("network", &id.to_string())?),
            }
        }
        for place in &dirty.subnets {
            if self.snapshot.get::<Subnets>(place).is_none() {
                gone.push(key("subnet", &place.1.to_string())?);
            }
        }
        for id in &dirty.instances {
            match self.instance(id)? {
                Some(draft) => found.push(draft),
                None => gone.push(key("instance", id)?),
            }
        }
        for (place, hosts) in &dirty.ports {
            let port = self.snapshot.get::<Ports>(place);
            match &port {
                Some(row) => {
                    let facts = self.port_facts(&row.value);
                    found.extend(drafts::port(self.environment, &facts)?);
                }
                None => gone.push(key("port", &place.1.to_string())?),
            }
            let bound = port
                .as_ref()
                .and_then(|row| row.value.binding.host.as_ref());
            let device = model::Port::device_name(place.1);
            for host in hosts.iter().filter(|host| Some(*host) != bound) {
                gone.push(key("vnic", &drafts::vnic_id(host.as_str(), &device))?);
            }
        }
        Ok(())
    }

    fn host(&self, host: &model::Host) -> drafts::Drafts {
        let report = self.fleet.host(&host.name);
        let connected = report.as_ref().is_some_and(|report| report.connected);
        let facts = facts::Host {
            name: host.name.to_string(),
            tunnel_address: host.tunnel_address,
            state: up_or_down(connected),
            agent_version: report.map(|report| report.agent_version),
        };
        drafts::host(self.environment, &facts)
    }

    fn network(&self, network: &model::Network) -> drafts::Drafts {
        let subnets = self.snapshot.scan::<Subnets>(&network.id);
        let facts = facts::Network {
            id: network.id.to_string(),
            name: network.meta.name.clone(),
            project_id: network.meta.project_id.to_string(),
            vni: network.vni.get(),
            mtu: network.mtu.get(),
            state: up_or_down(network.admin_state_up),
            subnets: subnets
                .map(|row| facts::Subnet {
                    id: row.value.id.to_string(),
                    name: row.value.meta.name.clone(),
                    cidr: row.value.cidr.to_string(),
                    gateway_ip: row.value.gateway_ip,
                })
                .collect(),
        };
        drafts::network(self.environment, &facts)
    }

    fn instance(&self, id: &str) -> Result<Option<Draft>, TopologyError> {
        let ports = self.snapshot.lookup::<Ports>(BY_DEVICE, id);
        let ports: Vec<facts::Port> = ports
            .map(|row| self.port_facts(&row.value))
            .filter(|port| port.instance().is_some())
            .collect();
        drafts::instance(self.environment, id, &ports)
    }

    fn port_facts(&self, port: &model::Port) -> facts::Port {
        let network = self.snapshot.get::<Networks>(&port.network_id);
        facts::Port {
            id: port.id.to_string(),
            name: port.meta.name.clone(),
            project_id: port.meta.project_id.to_string(),
            network_id: port.network_id.to_string(),
            network_name: network.map_or_else(String::new, |row| row.value.meta.name.clone()),
            mac_address: port.mac_address.to_string(),
            addresses: port.fixed_ips.iter().map(|ip| ip.ip_address).collect(),
            host: port.binding.host.as_ref().map(ToString::to_string),
            state: port.status.to_string(),
            device_owner: port.device_owner.clone(),
            device_id: port.device_id.clone(),
        }
    }
}

fn up_or_down(up: bool) -> String {
    if up { "up" } else { "down" }.to_owned()
}
